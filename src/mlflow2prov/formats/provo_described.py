"""From descriptions to records: of an identifier that has several, each description says what one record says.

A description is of a class of ``RECORD_CLASSES`` and points at an identifier by ``DESCRIBES``. It goes the way
of any other record, under its own IRI; what its identifier says besides goes, but for what none of its
descriptions says (somebody has changed the file): that moves to the first of them which can take it. A
description without identifier, and one of another description, is a record of its own.

The tables of :mod:`mlflow2prov.formats.provo_relations` are changed; joins and memory grow with what is described.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow2prov.formats.provo_terms import AS_IN_BUNDLE, INFLUENCERS, RELATIONS, SLOTS, recorded
from mlflow2prov.prov.namespaces import PROV
from mlflow2prov.prov.records import KIND_BY_NAME, KINDS

if TYPE_CHECKING:
    from mlflow2prov.formats.provo_forms import Forms
    from mlflow2prov.graph.store import Store

_ACTIVITY = KIND_BY_NAME["activity"].number
_TIMED = ", ".join(str(kind.number) for kind in KINDS if not kind.is_element and kind.times)
_RELATIONS = [kind.number for kind in KINDS if not kind.is_element]
_INFLUENCER = PROV + "influencer"
_TERMS = {
    **{term: term for term in SLOTS},
    **{recorded(term): term for term in SLOTS},
    **{of(PROV + name): _INFLUENCER for name in INFLUENCERS for of in (str, recorded)},
}
"""What properties to formal arguments say, in one spelling."""


def find_descriptions(store: Store, schema: str) -> None:
    """Make ``description`` (graph, description, identifier), and records of what is described, in ``fact``.

    Besides ``first`` has, for each identifier, the first description of each kind.
    """
    run = store.run
    columns = "g UBIGINT, d UBIGINT, target UBIGINT"
    run(f"CREATE TABLE {schema}.description ({columns})")
    if not run(f"SELECT 1 FROM {schema}.form WHERE role IN ('record', 'describes') LIMIT 1"):
        return
    run(
        f"CREATE TABLE {schema}.pointing AS SELECT f.g, f.s AS d, arg_min(f.o, f.place) AS target "
        f"FROM {schema}.fact f SEMI JOIN (SELECT g, s FROM {schema}.fact WHERE role = 'record') r "
        "ON r.g = f.g AND r.s = f.s WHERE f.role = 'describes' AND f.o <> f.s GROUP BY f.g, f.s"
    )
    run(
        f"INSERT INTO {schema}.description SELECT p.* FROM {schema}.pointing p "
        f"ANTI JOIN {schema}.pointing o ON o.g = p.g AND o.d = p.target"
    )
    run(
        f"CREATE TABLE {schema}.first AS SELECT x.g, x.target, r.kind, arg_min(x.d, r.place) AS d, min(r.place) AS place "
        f"FROM {schema}.description x JOIN {schema}.fact r ON r.role = 'record' AND r.g = x.g AND r.s = x.d GROUP BY ALL"
    )
    run(f"UPDATE {schema}.fact SET role = 'class' WHERE role = 'record'")
    if has_descriptions(store, schema):
        _cover_classes(store, schema)
        _cover_links(store, schema)
        _cover_arguments(store, schema)


def has_descriptions(store: Store, schema: str) -> bool:
    """Return whether there are descriptions of identifiers."""
    return bool(store.run(f"SELECT 1 FROM {schema}.description LIMIT 1"))


def with_names(store: Store, schema: str, table: str, column: str) -> str:
    """Return SQL of a table that has besides, as ``own``, the identifier of each record, described or not."""
    if not has_descriptions(store, schema):
        return f"(SELECT *, {column} AS own FROM {schema}.{table})"
    return (
        f"(SELECT r.*, coalesce(x.target, r.{column}) AS own FROM {schema}.{table} r "
        f"LEFT JOIN {schema}.description x ON x.g = r.g AND x.d = r.{column})"
    )


def cover_times(store: Store, schema: str) -> None:
    """Do with times what was done with the facts."""
    if not has_descriptions(store, schema):
        return
    rows = f"(SELECT *, {{'role': role, 'v': v}} AS said FROM {schema}.instant WHERE role IN ('time', 'start', 'end'))"
    _cover(store, schema, "instant", "place", rows)
    can_take = f"CASE f.role WHEN 'time' THEN x.kind IN ({_TIMED}) ELSE x.kind = {_ACTIVITY} END"
    _move(store, schema, "instant", "place", rows, can_take)


def cover_attributes(store: Store, schema: str, forms: Forms) -> None:
    """Do with attributes what was done with the facts: what is left is of the first description."""
    if not has_descriptions(store, schema):
        return
    same: dict[object, int] = {}
    numbers = [same.setdefault(form, number) for number, form in forms.attributes.items()]
    store.run(
        f"CREATE TABLE {schema}.alike AS SELECT unnest(?::INTEGER[]) AS form, unnest(?::INTEGER[]) AS same",
        [list(forms.attributes), numbers],
    )
    rows = (
        f"(SELECT a.g, a.s, a.rowid AS place, {{'same': l.same, 'v': a.v}} AS said "
        f"FROM {schema}.attribute a JOIN {schema}.alike l ON l.form = a.form)"
    )
    _cover(store, schema, "attribute", "rowid", rows)
    _move(store, schema, "attribute", "rowid", rows, "true")


def _cover_classes(store: Store, schema: str) -> None:
    store.run(
        f"DELETE FROM {schema}.fact f USING {schema}.first x WHERE x.g = f.g AND x.target = f.s "
        "AND (f.role = 'weak' OR (f.role = 'class' AND f.kind = x.kind))"
    )


def _cover_links(store: Store, schema: str) -> None:
    """Likewise of the triples from first formal arguments to an identifier."""
    run = store.run
    run(
        f"CREATE TABLE {schema}.led AS SELECT DISTINCT x.g, x.target, c.kind, a.o AS first_argument FROM {schema}.fact a "
        f"JOIN {schema}.description x ON x.g = a.g AND x.d = a.s "
        f"JOIN {schema}.fact c ON c.role = 'class' AND c.g = a.g AND c.s = a.s WHERE a.role = 'argument' AND a.position = 1"
    )
    run(
        f"DELETE FROM {schema}.fact f USING {schema}.led l "
        "WHERE f.role = 'link' AND l.g = f.g AND l.target = f.o AND l.kind = f.kind AND l.first_argument = f.s"
    )
    run(
        f"UPDATE {schema}.fact f SET role = 'argument', position = 1, s = x.d, o = f.s FROM {schema}.first x "
        "WHERE f.role = 'link' AND x.g = f.g AND x.target = f.o AND x.kind = f.kind"
    )


def _cover_arguments(store: Store, schema: str) -> None:
    """Likewise of formal arguments; those of an identifier that is another relation, too, are of that one.

    A bundle may be that of a plain mention of the identifier, and stays there.
    """
    run = store.run
    forms = run(f"SELECT number, p FROM {schema}.form WHERE role = 'argument' AND position > 1")
    run(f"CREATE TABLE {schema}.leading (form INTEGER, term VARCHAR)")
    if forms:
        numbers, terms = zip(*((number, _TERMS[p]) for number, p in forms), strict=True)
        run(f"INSERT INTO {schema}.leading SELECT unnest(?), unnest(?)", [list(numbers), list(terms)])
    rows = (
        f"(SELECT f.g, f.s, f.place, l.term, {{'term': l.term, 'o': f.o}} AS said FROM {schema}.fact f "
        f"JOIN {schema}.leading l ON l.form = f.form WHERE f.role = 'argument')"
    )
    _cover(store, schema, "fact", "place", rows)
    can_take = " OR ".join(
        f"(x.kind = {KIND_BY_NAME[name].number} AND f.term IN ({', '.join(repr(_TERMS[p]) for p in of.arguments.values())}))"
        for name, of in RELATIONS.items()
        if of.arguments
    )
    own = (
        f"SELECT g, CASE role WHEN 'link' THEN o ELSE s END AS s FROM {schema}.fact "
        f"WHERE role = 'link' OR (role = 'class' AND kind IN ({', '.join(map(str, _RELATIONS))}))"
    )
    rows = f"(SELECT * FROM {rows} f ANTI JOIN ({own}) n ON n.g = f.g AND n.s = f.s)"
    _move(store, schema, "fact", "place", rows, f"f.term <> '{AS_IN_BUNDLE}' AND ({can_take})")


def _cover(store: Store, schema: str, table: str, row: str, rows: str) -> None:
    """Let go of those rows (g, s, place, said) of a table that say of an identifier what a description says, too."""
    store.run(
        f"DELETE FROM {schema}.{table} WHERE {row} IN (SELECT f.place FROM {rows} f SEMI JOIN "
        f"(SELECT x.g, x.target, o.said FROM {rows} o JOIN {schema}.description x ON x.g = o.g AND x.d = o.s) o "
        "ON o.g = f.g AND o.target = f.s AND o.said = f.said)"
    )


def _move(store: Store, schema: str, table: str, row: str, rows: str, can_take: str) -> None:
    """Make those rows that are about an identifier still rows about the first description that can take them."""
    store.run(
        f"UPDATE {schema}.{table} t SET s = m.d FROM (SELECT f.place, arg_min(x.d, x.place) AS d FROM {rows} f "
        f"JOIN {schema}.first x ON x.g = f.g AND x.target = f.s WHERE {can_take} GROUP BY f.place) m "
        f"WHERE t.{row} = m.place"
    )
