"""From triples of PROV-O to elements and attributes, and what has no place in PROV.

After :mod:`mlflow2prov.formats.provo_relations`: out come, in the same schema, ``element`` (graph, identifier,
kind, times, place) and, in ``attribute``, those triples too that are no formal arguments where they stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow2prov.formats.provo_described import cover_attributes
from mlflow2prov.formats.provo_relations import IS_ELEMENT
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.namespaces import PROV
from mlflow2prov.prov.records import KIND_BY_NAME, KINDS

if TYPE_CHECKING:
    from mlflow2prov.formats.provo_forms import Forms
    from mlflow2prov.graph.store import Store

_ENTITY, _ACTIVITY, _AGENT = (KIND_BY_NAME[name].number for name in ("entity", "activity", "agent"))
_MENTION = KIND_BY_NAME["mentionOf"].number

_ARGUMENT_KINDS: dict[str, int] = {
    **dict.fromkeys(("activity", "informed", "informant", "starter", "ender"), _ACTIVITY),
    **dict.fromkeys(("agent", "delegate", "responsible"), _AGENT),
    **dict.fromkeys(
        ("entity", "trigger", "generatedEntity", "usedEntity", "plan", "collection", "bundle"), _ENTITY
    ),
    **dict.fromkeys(("specificEntity", "generalEntity", "alternate1", "alternate2"), _ENTITY),
}
"""What is in the place of a formal argument (PROV-CONSTRAINTS, section 6.3), where that is one kind of element."""


def find_elements(store: Store, schema: str, forms: Forms) -> int:
    """Make the table ``element``, complete ``attribute``; return how many triples have no place in PROV."""
    run = store.run
    run(
        f"CREATE TABLE {schema}.element AS SELECT g, s, kind, min(place) AS place, NULL::VARCHAR AS start_time, "
        f"NULL::VARCHAR AS end_time FROM {schema}.fact WHERE role = 'class' AND {IS_ELEMENT} GROUP BY g, s, kind"
    )
    _add_weak(store, schema)
    _add_times(store, schema)
    _misplaced(store, schema)
    cover_attributes(store, schema, forms)
    _infer(store, schema, forms)
    return _homeless(store, schema)


def _add_weak(store: Store, schema: str) -> None:
    """Add elements that are of a class such as ``prov:Plan``, and of none that says what they are."""
    store.run(
        f"INSERT INTO {schema}.element SELECT g, s, min(kind), min(place), NULL, NULL FROM {schema}.fact f "
        f"ANTI JOIN {schema}.element e ON e.g = f.g AND e.s = f.s ANTI JOIN {schema}.node n ON n.g = f.g AND n.s = f.s "
        f"WHERE role = 'weak' AND {IS_ELEMENT} GROUP BY g, s"
    )


def _add_times(store: Store, schema: str) -> None:
    """Give activities their times; what has such times is an activity.

    Of one with several starts, the first of all make an element, the second ones another, and so on.
    """
    run = store.run
    run(
        f"CREATE TABLE {schema}.span AS SELECT g, s, min(place) AS place, list(v ORDER BY place) "
        "FILTER (WHERE role = 'start') AS starts, list(v ORDER BY place) FILTER (WHERE role = 'end') AS ends FROM ("
        f"SELECT g, s, role, v, min(place) AS place FROM {schema}.instant WHERE role IN ('start', 'end') "
        "GROUP BY g, s, role, v) GROUP BY g, s"
    )
    is_activity = f"e.g = t.g AND e.s = t.s AND e.kind = {_ACTIVITY}"
    run(
        f"UPDATE {schema}.element e SET start_time = t.starts[1], end_time = t.ends[1] "
        f"FROM {schema}.span t WHERE {is_activity}"
    )
    picked = "t.starts[least(i, len(t.starts))], t.ends[least(i, len(t.ends))]"
    run(
        f"INSERT INTO {schema}.element SELECT g, s, {_ACTIVITY}, coalesce(known, place), {picked} FROM ("
        f"SELECT t.*, e.place AS known, unnest(range(CASE WHEN e.s IS NULL THEN 1 ELSE 2 END, "
        f"greatest(coalesce(len(t.starts), 0), coalesce(len(t.ends), 0)) + 1)) AS i FROM {schema}.span t "
        f"LEFT JOIN {schema}.element e ON {is_activity}) t"
    )


def _misplaced(store: Store, schema: str) -> None:
    """Make attributes of what would be a formal argument or time elsewhere, but not of the records at hand.

    What is of no record at all stays in the table ``lost``.
    """
    run = store.run
    takes = " OR ".join(
        f"(f.position = {position} AND n.kind IN "
        f"({', '.join(str(kind.number) for kind in KINDS if len(kind.references) >= position)}))"
        for position in range(1, len(ARGUMENT_COLUMNS) + 1)
    )
    run(
        f"CREATE TABLE {schema}.lost AS SELECT f.g, f.s, f.form, f.o FROM {schema}.fact f "
        f"ANTI JOIN {schema}.node n ON n.g = f.g AND n.s = f.s AND ({takes}) WHERE f.role = 'argument'"
    )
    if run(
        f"SELECT 1 FROM {schema}.relation WHERE kind = {_MENTION} AND n IS NULL AND a3 IS NOT NULL LIMIT 1"
    ):
        run(
            f"DELETE FROM {schema}.lost l USING {schema}.relation r WHERE r.kind = {_MENTION} AND r.n IS NULL "
            "AND r.g = l.g AND r.a1 = l.s AND r.a3 = l.o"
        )
    if run(f"SELECT 1 FROM {schema}.lost LIMIT 1"):
        run(
            f"INSERT INTO {schema}.attribute SELECT g, s, form, iri FROM {schema}.lost l "
            f"JOIN {schema}.identifier i ON i.h = l.o"
        )
    timed = ", ".join(str(kind.number) for kind in KINDS if not kind.is_element and kind.times)
    run(
        f"INSERT INTO {schema}.attribute SELECT g, s, form, v FROM {schema}.instant i "
        f"ANTI JOIN {schema}.node n ON n.g = i.g AND n.s = i.s AND n.kind IN ({timed}) WHERE role = 'time'"
    )


def _infer(store: Store, schema: str, forms: Forms) -> None:
    """Add elements whose kind follows from how relations use them, where they have attributes."""
    run = store.run
    run(
        f"CREATE TABLE {schema}.subject AS SELECT g, s, min(rowid) AS place FROM {schema}.attribute a "
        f"ANTI JOIN {schema}.element e ON e.g = a.g AND e.s = a.s ANTI JOIN {schema}.node n ON n.g = a.g AND n.s = a.s "
        "GROUP BY g, s"
    )
    if not run(f"SELECT 1 FROM {schema}.subject LIMIT 1"):
        return
    uses = " UNION ALL ".join(
        f"SELECT g, {column} AS s, {_ARGUMENT_KINDS[name]} AS kind FROM {schema}.relation WHERE kind = {kind.number}"
        for kind in KINDS
        for name, column in zip(kind.references, ARGUMENT_COLUMNS, strict=False)
        if name in _ARGUMENT_KINDS
    )
    values = [number for number, form in forms.attributes.items() if form.name == PROV + "value"]
    if values:
        uses += f" UNION ALL SELECT g, s, {_ENTITY} FROM {schema}.attribute WHERE form IN ({', '.join(map(str, values))})"
    run(
        f"INSERT INTO {schema}.element SELECT p.g, p.s, max(u.kind), any_value(p.place), NULL, NULL FROM ({uses}) u "
        f"JOIN {schema}.subject p ON p.g = u.g AND p.s = u.s GROUP BY p.g, p.s"
    )


def _homeless(store: Store, schema: str) -> int:
    """The number of triples that are attributes of what is no record; they go."""
    condition = (
        f"FROM {schema}.attribute a ANTI JOIN {schema}.element e ON e.g = a.g AND e.s = a.s "
        f"ANTI JOIN {schema}.node n ON n.g = a.g AND n.s = a.s"
    )
    if not store.run(f"SELECT 1 FROM {schema}.subject LIMIT 1"):
        return 0
    return int(store.scalar(f"SELECT count(*) {condition}"))


def attributes_by_record(store: Store, schema: str, forms: Forms, keys: dict[int, tuple[int, bool]]) -> None:
    """Make ``described`` (graph, subject, attributes), each attribute once unless its form has a number.

    ``keys`` has the attribute key of each form, and whether values are identifiers.
    """
    run = store.run
    numbers = {form: forms.attributes[form].number for form in keys}
    number = ", number" if any(number > 1 for number in numbers.values()) else ""
    rows = ", ".join(
        f"({form}, {key}, {str(is_name).lower()}, {numbers[form]})" for form, (key, is_name) in keys.items()
    )
    run(f"CREATE TABLE {schema}.keyed (form INTEGER, k INTEGER, is_name BOOLEAN, number INTEGER)")
    if rows:
        run(f"INSERT INTO {schema}.keyed VALUES {rows}")
    source = (
        f"SELECT a.rowid AS place, a.g, a.s, k.k, CASE WHEN k.is_name THEN n.token ELSE a.v END AS v{number} "
        f"FROM {schema}.attribute a JOIN {schema}.keyed k ON k.form = a.form "
        f"LEFT JOIN {schema}.named n ON k.is_name AND n.h = hash(a.v)"
    )
    run(f"CREATE TABLE {schema}.said AS {source}")
    table = f"{schema}.said"
    distinct = f"hash(g, s, k, v{number})"
    if store.scalar(f"SELECT count(*) <> count(DISTINCT {distinct}) FROM {table}"):
        table = f"(SELECT min(place) AS place, g, s, k, v FROM {table} GROUP BY g, s, k, v{number} ORDER BY place)"
    run(
        f"CREATE TABLE {schema}.described AS SELECT g, s, list({{'k': k, 'v': v}}) AS attributes FROM {table} GROUP BY g, s"
    )
