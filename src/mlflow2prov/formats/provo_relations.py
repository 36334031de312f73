"""From triples of PROV-O to relations: qualified ones, plain ones, and those that a triple implies.

The tables of :mod:`mlflow2prov.formats.provo_lines` go in; out come, in the same schema, ``fact`` (each triple
that is no attribute, with what its form means), ``node`` (graph, subject and kind of each qualified relation)
and ``relation`` (graph, kind, node, formal arguments, time, place; identifiers are hashes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow2prov.formats.provo_described import cover_times, find_descriptions
from mlflow2prov.formats.provo_terms import AS_IN_BUNDLE, TYPE
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.records import KIND_BY_NAME, KINDS

if TYPE_CHECKING:
    from mlflow2prov.formats.provo_forms import Forms
    from mlflow2prov.graph.store import Store

_INFLUENCE = KIND_BY_NAME["wasInfluencedBy"].number
_MENTION = KIND_BY_NAME["mentionOf"].number
_FIRST_RELATION = min(kind.number for kind in KINDS if not kind.is_element)

IS_ELEMENT = f"kind < {_FIRST_RELATION}"
"""SQL of whether a kind is one of elements."""


def find_relations(store: Store, schema: str, forms: Forms) -> None:
    """Make the tables ``fact``, ``node`` and ``relation``."""
    run = store.run
    run(
        f"CREATE TABLE {schema}.fact AS SELECT t.rowid AS place, t.g, t.s, t.o, t.form, f.role, f.kind, f.position, "
        f"f.special FROM {schema}.slot t JOIN {schema}.form f ON f.number = t.form WHERE f.role <> 'binary'"
    )
    find_descriptions(store, schema)
    _find_nodes(store, schema)
    _find_times(store, schema)
    cover_times(store, schema)
    _qualified(store, schema)
    _find_pairs(store, schema)
    _say_specials(store, schema, forms)
    _plain(store, schema)
    _imply_moments(store, schema)


def _find_nodes(store: Store, schema: str) -> None:
    """Make ``given`` (what is said of each possible node) and ``node``.

    Where a node is said to be an influence and something more special, it is the latter. A class such as
    ``prov:Revision`` makes a relation of what nothing else says to be a record.
    """
    run = store.run
    run(
        f"CREATE TABLE {schema}.given AS SELECT place, g, CASE role WHEN 'link' THEN o ELSE s END AS n, role, kind, "
        "CASE role WHEN 'link' THEN 1 WHEN 'argument' THEN position END AS position, "
        f"CASE role WHEN 'link' THEN s WHEN 'argument' THEN o END AS a FROM {schema}.fact "
        f"WHERE role = 'argument' OR (role IN ('link', 'class') AND NOT {IS_ELEMENT})"
    )
    run(
        f"INSERT INTO {schema}.given SELECT place, g, s, role, kind, NULL, NULL FROM {schema}.fact f "
        f"WHERE role = 'weak' AND NOT {IS_ELEMENT} AND NOT EXISTS (SELECT 1 FROM {schema}.fact o "
        "WHERE o.g = f.g AND ((o.role = 'class' AND o.s = f.s) OR (o.role = 'link' AND o.o = f.s)))"
    )
    # The bundle of a plain mention stands at its subject, which may be the node of another relation.
    run(
        f"DELETE FROM {schema}.given WHERE role = 'argument' AND place IN (SELECT a.place FROM {schema}.fact a "
        f"JOIN {schema}.form f ON f.number = a.form AND f.p = '{AS_IN_BUNDLE}' ANTI JOIN {schema}.given m "
        f"ON m.kind = {_MENTION} AND m.g = a.g AND m.n = a.s WHERE a.role = 'argument')"
    )
    arguments = ", ".join(
        f"min(a) FILTER (WHERE position = {position}) AS {column}, "
        f"max(a) FILTER (WHERE position = {position}) AS {column}_last"
        for position, column in enumerate(ARGUMENT_COLUMNS, 1)
    )
    special = f"FILTER (WHERE kind <> {_INFLUENCE})"
    run(
        f"CREATE TABLE {schema}.pivot AS SELECT g, n, min(place) AS place, "
        f"coalesce(min(kind) {special}, max(kind)) AS kind, "
        f"coalesce(max(kind) {special}, max(kind)) AS kind_last, {arguments} FROM {schema}.given GROUP BY g, n "
        "HAVING count(kind) > 0"
    )
    run(
        f"CREATE TABLE {schema}.node AS SELECT g, n AS s, kind FROM {schema}.pivot UNION "
        f"SELECT g, n, kind FROM {schema}.given WHERE kind IS NOT NULL AND kind <> {_INFLUENCE} AND n IN "
        f"(SELECT n FROM {schema}.pivot WHERE kind <> kind_last)"
    )


def _find_times(store: Store, schema: str) -> None:
    store.run(
        f"CREATE TABLE {schema}.instant AS SELECT m.rowid AS place, m.g, m.s, m.form, m.v, f.role, f.kind "
        f"FROM {schema}.moment m JOIN {schema}.form f ON f.number = m.form"
    )


def _qualified(store: Store, schema: str) -> None:
    """Make ``relation``, with one for each node; of a node with several values of an argument, several."""
    several = " OR ".join(f"{column} <> {column}_last" for column in ("kind", *ARGUMENT_COLUMNS))
    store.run(
        f"CREATE TABLE {schema}.several AS SELECT p.g, p.n FROM {schema}.pivot p LEFT JOIN "
        f"(SELECT g, s, min(v) <> max(v) AS differ FROM {schema}.instant WHERE role = 'time' GROUP BY g, s) t "
        f"ON t.g = p.g AND t.s = p.n WHERE {several} OR t.differ"
    )
    allowed = [
        f"CASE WHEN p.kind IN ({', '.join(str(kind.number) for kind in KINDS if len(kind.references) >= position)}) "
        f"THEN p.{column} END AS {column}"
        for position, column in enumerate(ARGUMENT_COLUMNS, 1)
    ]
    source = f"(SELECT * FROM {schema}.pivot) p"
    if store.scalar(f"SELECT count(*) FROM {schema}.several"):
        source = f"(SELECT * FROM {schema}.pivot p ANTI JOIN {schema}.several s ON s.g = p.g AND s.n = p.n) p"
    times = f"(SELECT g, s, min(v) AS v FROM {schema}.instant WHERE role = 'time' GROUP BY g, s) t"
    store.run(
        f"CREATE TABLE {schema}.relation AS SELECT p.g, p.kind, p.n, {', '.join(allowed)}, t.v AS time, p.place "
        f"FROM {source} LEFT JOIN {times} ON t.g = p.g AND t.s = p.n"
    )
    if "ANTI" in source:
        _add_several(store, schema, allowed)


def _add_several(store: Store, schema: str, allowed: list[str]) -> None:
    """Of nodes with several values: the first of all make a relation, the second ones another, and so on."""
    values = (
        f"SELECT g, n, position, a::VARCHAR AS a, min(place) AS place FROM {schema}.given WHERE position IS NOT NULL "
        f"GROUP BY g, n, position, a UNION ALL SELECT g, s, 0, v, min(place) FROM {schema}.instant WHERE role = 'time' "
        "GROUP BY g, s, v"
    )
    lists = ", ".join(
        f"list(a ORDER BY place) FILTER (WHERE position = {position}) AS l{position}"
        for position in range(len(ARGUMENT_COLUMNS) + 1)
    )
    longest = ", ".join(f"coalesce(len(l{position}), 0)" for position in range(len(ARGUMENT_COLUMNS) + 1))
    picked = [f"l{position}[least(i, len(l{position}))]" for position in range(len(ARGUMENT_COLUMNS) + 1)]
    arguments = ", ".join(
        f"{text}::UBIGINT AS {column}" for text, column in zip(picked[1:], ARGUMENT_COLUMNS, strict=True)
    )
    store.run(
        f"INSERT INTO {schema}.relation SELECT p.g, p.kind, p.n, {', '.join(allowed)}, p.time, p.place FROM ("
        f"SELECT l.g, l.n, k.kind, {arguments}, {picked[0]} AS time, place FROM (SELECT *, unnest(range(1, "
        f"greatest(1, {longest}) + 1)) AS i FROM (SELECT s.g, s.n, {lists} FROM {schema}.several s LEFT JOIN ({values}) v "
        "ON v.g = s.g AND v.n = s.n GROUP BY s.g, s.n)) l "
        f"JOIN {schema}.node k ON k.g = l.g AND k.s = l.n JOIN (SELECT g AS pg, n AS pn, place FROM {schema}.pivot) "
        "ON pg = l.g AND pn = l.n) p ORDER BY place, kind"
    )


def _find_pairs(store: Store, schema: str) -> None:
    """Make ``pair``: what is related by a triple, each once."""
    special = "NULL::VARCHAR[]"
    if store.run(f"SELECT 1 FROM {schema}.form WHERE role = 'binary' AND special IS NOT NULL LIMIT 1"):
        special = "list_sort(list(DISTINCT special) FILTER (WHERE special IS NOT NULL))"
    store.run(
        f"CREATE TABLE {schema}.pair AS SELECT g, kind, a1, a2, min(place) AS place, {special} AS special FROM ("
        "SELECT t.rowid AS place, t.g, f.kind, CASE WHEN f.swapped THEN t.o ELSE t.s END AS a1, "
        f"CASE WHEN f.swapped THEN t.s ELSE t.o END AS a2, f.special FROM {schema}.slot t JOIN {schema}.form f "
        "ON f.number = t.form WHERE f.role = 'binary') GROUP BY g, kind, a1, a2"
    )


def _say_specials(store: Store, schema: str, forms: Forms) -> None:
    """Say of relations that they are revisions, quotations or primary sources where a property says so."""
    run = store.run
    if not run(f"SELECT 1 FROM {schema}.form WHERE special IS NOT NULL LIMIT 1"):
        return
    number = forms.number(TYPE)
    run(
        f"CREATE TABLE {schema}.special AS SELECT DISTINCT g, s, special FROM ("
        f"SELECT g, o AS s, special FROM {schema}.fact "
        f"WHERE role = 'link' AND special IS NOT NULL UNION ALL SELECT r.g, r.n, b.special FROM {schema}.relation r JOIN ("
        f"SELECT t.g, t.s AS a1, t.o AS a2, f.kind, f.special FROM {schema}.slot t "
        f"JOIN {schema}.form f ON f.number = t.form WHERE f.role = 'binary' AND f.special IS NOT NULL) b "
        "ON b.g = r.g AND b.kind = r.kind AND b.a1 = r.a1 AND b.a2 = r.a2)"
    )
    run(f"INSERT INTO {schema}.attribute SELECT g, s, {number}, special FROM {schema}.special")
    run(f"INSERT INTO {schema}.term SELECT DISTINCT special FROM {schema}.form WHERE special IS NOT NULL")


def _plain(store: Store, schema: str) -> None:
    """Add what only a triple says; a mention has its bundle from its subject."""
    run = store.run
    bundles = f"SELECT number FROM {schema}.form WHERE p = '{AS_IN_BUNDLE}'"
    mentions = f"LEFT JOIN (SELECT g, s, min(o) AS o FROM {schema}.fact WHERE role = 'argument' AND form IN ({bundles}) "
    mentions += f"GROUP BY g, s) b ON p.kind = {_MENTION} AND b.g = p.g AND b.s = p.a1"
    has_mentions = run(f"SELECT 1 FROM {schema}.pair WHERE kind = {_MENTION} LIMIT 1")
    run(f"ALTER TABLE {schema}.relation ADD COLUMN special VARCHAR[]")
    run(
        f"INSERT INTO {schema}.relation SELECT p.g, p.kind, NULL, p.a1, p.a2, {'b.o' if has_mentions else 'NULL'}, NULL, "
        f"NULL, NULL, p.place, p.special FROM {schema}.pair p ANTI JOIN {schema}.relation r "
        f"ON r.g = p.g AND r.kind = p.kind AND r.a1 = p.a1 AND r.a2 = p.a2 {mentions if has_mentions else ''}"
    )


def _imply_moments(store: Store, schema: str) -> None:
    """Take in the times of generations and invalidations that stand at the entity."""
    run = store.run
    if not run(f"SELECT 1 FROM {schema}.instant WHERE role = 'moment' LIMIT 1"):
        return
    run(
        f"CREATE TABLE {schema}.implied AS SELECT i.g, i.kind, i.s, i.v, min(i.place) AS place FROM {schema}.instant i "
        f"ANTI JOIN {schema}.relation r ON r.g = i.g AND r.kind = i.kind AND r.a1 = i.s AND r.time = i.v "
        "WHERE i.role = 'moment' GROUP BY ALL"
    )
    run(
        f"CREATE TABLE {schema}.lone AS SELECT r.g, r.kind, r.a1, min(r.rowid) AS number, any_value(i.v) AS v "
        f"FROM {schema}.relation r JOIN {schema}.implied i ON i.g = r.g AND i.kind = r.kind AND i.s = r.a1 "
        "GROUP BY ALL HAVING count(*) = 1 AND count(r.time) = 0"
    )
    run(f"UPDATE {schema}.relation r SET time = l.v FROM {schema}.lone l WHERE l.number = r.rowid")
    run(
        f"INSERT INTO {schema}.relation (g, kind, a1, time, place) SELECT i.g, i.kind, i.s, i.v, i.place FROM "
        f"{schema}.implied i ANTI JOIN {schema}.lone l ON l.g = i.g AND l.kind = i.kind AND l.a1 = i.s ORDER BY place"
    )
