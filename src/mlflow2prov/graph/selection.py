"""Parts of a graph: elements of certain types, or of a certain time, with the relations among them.

Types and times select identifiers, with all their records. What is left refers to nothing that was
taken away: a relation goes when a formal argument that PROV-DM requires goes, and an optional argument
becomes absent. Times are half-open: ``since`` belongs to what is kept, ``until`` does not.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.happened import keep_in_window
from mlflow2prov.graph.store import ARGUMENT_COLUMNS, columns_of
from mlflow2prov.prov.instants import window_of
from mlflow2prov.prov.namespaces import M2P, PROV, QUALIFIED_NAME
from mlflow2prov.prov.records import ELEMENT_KINDS, KINDS, RELATION_KINDS

if TYPE_CHECKING:
    from datetime import datetime

    from mlflow2prov.graph.store import Store

log = logging.getLogger(__name__)


def select(
    graph: Graph,
    *,
    types: Sequence[str] | str = (),
    exclude_types: Sequence[str] | str = (),
    since: str | datetime | None = None,
    until: str | datetime | None = None,
) -> Graph:
    """Return the part of the graph that has certain types and happened in a certain time.

    A type is a local name (``Metric``), a qualified name (``m2p:Metric``, ``prov:Person``), an IRI, or
    a kind of element (``entity``, ``activity``, ``agent``). An identifier has the types of all its
    records. When an element happened is told by :mod:`mlflow2prov.graph.happened`; agents stay where
    something that stays refers to them.

    A relation goes with any element that it must have (PROV-DM, section 5). An optional argument that
    is gone becomes absent, and the relation stays as long as it has another argument or an instant
    beside its first argument; so does a derivation whose generation or usage is gone. References that
    lead nowhere in the given graph stay as they are, and so do bundles, be they empty then.

    Args:
        graph: what to take the part of.
        types: keep only elements that have one of these.
        exclude_types: leave elements out that have one of these.
        since: ISO 8601, a date or an instant, or a datetime; without a zone it is UTC. Keep what happened then or later.
        until: likewise. Keep what happened before.

    Raises:
        UsageError: an instant can't be read, ``since`` is not before ``until``, or nothing in the graph
            has any of ``types``.

    >>> from prov.model import ProvDocument
    >>> document = ProvDocument()
    >>> _ = document.add_namespace("ex", "http://example.org/")
    >>> _ = document.wasGeneratedBy(document.entity("ex:report"), document.activity("ex:writing"))
    >>> some = Graph.from_prov(document).select(exclude_types=["activity"])
    >>> some.count("element"), some.count("relation")
    (1, 0)
    """
    window = window_of(since, until)
    result = Graph.empty(graph.store)
    with graph.store.scratch("select") as scratch:
        _keep_types(graph, scratch, _words(types), _words(exclude_types))
        if window[0] or window[1]:
            keep_in_window(graph, scratch, *window)
        graph.store.run(
            f"CREATE TABLE {scratch}.gone AS SELECT DISTINCT id FROM {graph.schema}.element "
            f"WHERE id NOT IN (SELECT id FROM {scratch}.kept) AND id NOT IN (SELECT id FROM {graph.schema}.bundle)"
        )
        _write(graph, scratch, result)
    return result


def _words(given: Sequence[str] | str) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _keep_types(graph: Graph, scratch: str, types: Sequence[str], exclude_types: Sequence[str]) -> None:
    """Make ``kept`` (id) of what has one of the types, if there are any, and none of the excluded ones."""
    run = graph.store.run
    run(f"CREATE TABLE {scratch}.kept AS SELECT DISTINCT id FROM {graph.schema}.element")
    wanted, unwanted = [word.strip() for word in types], [word.strip() for word in exclude_types]
    if not wanted and not unwanted:
        return
    for word in ids_of_types(graph, scratch, [*wanted, *unwanted], needed=wanted):
        log.warning("nothing is of type %s", word)
    of = f"(SELECT h.id FROM {scratch}.has h WHERE h.place {{}})"
    if wanted:
        run(f"DELETE FROM {scratch}.kept WHERE id NOT IN {of.format(f'< {len(wanted)}')}")
    if unwanted:
        run(f"DELETE FROM {scratch}.kept WHERE id IN {of.format(f'>= {len(wanted)}')}")


def ids_of_types(graph: Graph, scratch: str, words: list[str], *, needed: Sequence[str]) -> list[str]:
    """Make ``has`` (place, id) of the identifiers that have each type, by its place among the words.

    Returns:
        The words that nothing has.

    Raises:
        UsageError: nothing has any of those that are needed.
    """
    words = [word.strip() for word in words]
    _types(graph, scratch)
    _ask(graph, scratch, words)
    unknown = [
        word
        for (word,) in graph.store.run(
            f"SELECT word FROM {scratch}.asked WHERE kind IS NULL AND place NOT IN (SELECT place FROM {scratch}.has) "
            "ORDER BY place"
        )
    ]
    if needed and set(needed) <= set(unknown):
        raise UsageError(
            f"nothing is of type {' or '.join(dict.fromkeys(needed))}; there is: {_known(graph, scratch)}"
        )
    return list(dict.fromkeys(unknown))


def _types(graph: Graph, scratch: str) -> None:
    """Make ``typed`` (id, kind, name, local, iri): each type of each identifier; name is the text as it stands."""
    keys = [
        (key, datatype == QUALIFIED_NAME)
        for key, datatype in graph.query(
            "SELECT key, datatype FROM {graph}.attribute_key WHERE name = 'prov:type' ORDER BY key"
        )
    ]
    listed = ", ".join(str(key) for key, _ in keys) or "NULL"
    named = ", ".join(str(key) for key, is_name in keys if is_name) or "NULL"
    graph.store.run(
        f"CREATE TABLE {scratch}.pair AS SELECT DISTINCT id, a.k IN ({named}) AS is_name, a.v AS name FROM "
        f"(SELECT id, unnest(list_filter(attributes, lambda a: a.k IN ({listed}))) AS a FROM {graph.schema}.element)"
    )
    graph.store.run(
        f"CREATE TABLE {scratch}.type AS SELECT is_name, name, name[position(':' IN name) + 1:] AS local, "
        f"p.iri || local AS iri FROM (SELECT DISTINCT is_name, name FROM {scratch}.pair) t "
        f"LEFT JOIN {graph.schema}.prefix p ON t.is_name "
        "AND p.prefix = CASE WHEN contains(t.name, ':') THEN split_part(t.name, ':', 1) ELSE '' END"
    )


def _ask(graph: Graph, scratch: str, words: list[str]) -> None:
    """Make ``asked`` (place, word, iri, kind), and ``has`` (place, id) of the words that an identifier goes by."""
    prefixes = {"m2p": M2P, "prov": PROV} | dict(graph.query("SELECT prefix, iri FROM {graph}.prefix"))
    kinds = {kind.name: kind.number for kind in ELEMENT_KINDS}
    rows = []
    for place, word in enumerate(words):
        prefix, colon, local = word.partition(":")
        iri = prefixes[prefix] + local if colon and prefix in prefixes else word
        kind = kinds.get(word) or kinds.get(iri.removeprefix(PROV).lower() if iri.startswith(PROV) else "")
        rows.append((place, word, iri, kind))
    run = graph.store.run
    run(f"CREATE TABLE {scratch}.asked (place INTEGER, word VARCHAR, iri VARCHAR, kind UTINYINT)")
    marks = ", ".join("(?, ?, ?, ?)" for _ in rows)
    run(f"INSERT INTO {scratch}.asked VALUES {marks}", [value for row in rows for value in row])
    run(
        f"CREATE TABLE {scratch}.has AS SELECT DISTINCT a.place, p.id FROM {scratch}.type t "
        f"JOIN {scratch}.asked a ON a.word IN (t.name, t.local) OR a.iri IN (t.iri, t.name) "
        f"JOIN {scratch}.pair p ON p.is_name = t.is_name AND p.name = t.name"
    )
    run(
        f"INSERT INTO {scratch}.has SELECT DISTINCT a.place, e.id FROM {graph.schema}.element e "
        f"JOIN {scratch}.asked a ON a.kind = e.kind"
    )


def _known(graph: Graph, scratch: str) -> str:
    rows = graph.store.run(f"SELECT name FROM {scratch}.type ORDER BY name LIMIT 41")
    names = [name for (name,) in rows[:40]]
    kinds = [kind.name for kind in ELEMENT_KINDS]
    return ", ".join([*kinds, *names, *(["…"] if len(rows) > len(names) else [])])


def _write(graph: Graph, scratch: str, result: Graph) -> None:
    run, source, target = graph.store.run, graph.schema, result.schema
    for table in ("prefix", "attribute_key", "bundle"):
        run(f"INSERT INTO {target}.{table} SELECT * FROM {source}.{table} ORDER BY rowid")
    with graph.store.in_order(graph.count("element") + graph.count("relation")):
        run(
            f"INSERT INTO {target}.element SELECT * FROM {source}.element r SEMI JOIN {scratch}.kept k ON k.id = r.id"
        )
        run(f"INSERT INTO {target}.relation {relations_that_stay(source, scratch)}")
    forget_lost_relations(graph.store, source, target)
    used = [f"SELECT id FROM {target}.{table}" for table in ("element", "relation", "bundle")]
    used += [f"SELECT {column} FROM {target}.relation" for column in ARGUMENT_COLUMNS]
    run(
        f"INSERT INTO {target}.name SELECT * FROM {source}.name WHERE id IN "
        f"(SELECT id FROM ({' UNION ALL '.join(used)}) WHERE id IS NOT NULL) ORDER BY rowid"
    )


def relations_that_stay(source: str, scratch: str) -> str:
    """SQL of the relations of a schema that stay, without the arguments that are in the table ``gone``."""
    joins, gone, cleaned = [], [], {}
    for column in ARGUMENT_COLUMNS:
        joins.append(f"LEFT JOIN {scratch}.gone g_{column} ON g_{column}.id = r.{column}")
        gone.append(f"g_{column}.id IS NOT NULL")
        cleaned[column] = f"CASE WHEN g_{column}.id IS NULL THEN r.{column} END"
    stays = []
    for required in sorted({kind.required for kind in RELATION_KINDS}):
        kinds = ", ".join(str(kind.number) for kind in RELATION_KINDS if kind.required == required)
        needed = " OR ".join(gone[:required])
        condition = f"WHEN r.kind IN ({kinds}) THEN NOT ({needed})"
        if required == 1:  # something formal has to be left beside the first argument
            left = ", ".join(list(cleaned.values())[1:])
            condition += (
                f" AND (NOT ({' OR '.join(gone)}) OR coalesce({left}) IS NOT NULL OR r.time IS NOT NULL)"
            )
        stays.append(condition)
    columns = ", ".join(cleaned.get(column, f"r.{column}") for column in columns_of("relation"))
    return f"SELECT {columns} FROM {source}.relation r {' '.join(joins)} WHERE CASE {' '.join(stays)} END"


def forget_lost_relations(store: Store, source: str, target: str) -> None:
    """Let derivations name no generation or usage that is gone."""
    lost = (
        f"(SELECT id FROM {source}.relation WHERE id IS NOT NULL EXCEPT SELECT id FROM {target}.relation "
        f"EXCEPT SELECT id FROM {target}.element)"
    )
    relations = {name for kind in KINDS for name in kind.references if name in {"generation", "usage"}}
    for kind in RELATION_KINDS:
        for column, name in zip(ARGUMENT_COLUMNS, kind.references, strict=False):
            if name in relations and store.scalar(f"SELECT count(*) FROM {lost}"):
                store.run(
                    f"UPDATE {target}.relation SET {column} = NULL WHERE kind = {kind.number} AND {column} IN {lost}"
                )
