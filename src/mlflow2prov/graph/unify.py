"""Unification by identifier, and identical relations once: what merge and the elimination of duplicates share.

Follows PROV-CONSTRAINTS, section 6.1 (the key constraints 22 and 23: an identifier has one record of a
kind): attributes are joined, a missing formal argument is filled by a given one, and two spellings of
one instant agree. Records that contradict each other are all kept, and reported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS, Store
from mlflow2prov.prov.records import KIND_BY_NUMBER

log = logging.getLogger(__name__)

SHOWN = 10
"""How many conflicts are said one by one."""

_CANONICAL = "list_sort(list_distinct(attributes))"
_JOINED = "CASE WHEN count(attributes) > 0 THEN list_sort(list_distinct(flatten(list(attributes)))) END"
_TIMES = ("start_time", "end_time", "time")
_ZONED = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
"""Instants that the engine can compare without loss."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two records of one identifier that give a formal argument two values.

    Attributes:
        identifier: ``prefix:local`` of the records.
        kind: the name of their kind.
        argument: the name of the formal argument.
        values: the two values that come first.
        places: the rows of the table, from 0 on, that have them.
    """

    identifier: str
    kind: str
    argument: str
    values: tuple[str, str]
    places: tuple[int, int]


@dataclass(slots=True)
class Conflicts:
    """The conflicts that unification found.

    Attributes:
        identifiers: how many identifiers have records that contradict each other.
        elements: the first conflicts among elements, in the order of the document.
        relations: likewise among relations.
    """

    identifiers: int = 0
    elements: list[Conflict] = field(default_factory=list)
    relations: list[Conflict] = field(default_factory=list)


def unify(store: Store, source: str, target: Graph) -> Conflicts:
    """Fill the element and relation tables of ``target`` from those of the schema ``source``, unified.

    The name table of ``target`` is filled already; blank names that nothing has any more are dropped.

    Returns:
        The identifiers whose records contradict each other; those records are all kept.
    """
    found = Conflicts()
    _elements(store, source, target, found)
    _relations(store, source, target, found)
    return found


def _elements(store: Store, source: str, target: Graph, found: Conflicts) -> None:
    formal = ("start_time", "end_time")
    with store.scratch("unify") as scratch:
        _unified(store, f"{source}.element", scratch, formal, "true")
        store.run(
            f"INSERT INTO {target.schema}.element SELECT bundle, kind, id, start_time, end_time, attributes "
            f"FROM {scratch}.result ORDER BY place"
        )
        found.identifiers += _disagreeing(store, scratch)
        found.elements = _conflicts(store, f"{source}.element", scratch, formal, target)


def _relations(store: Store, source: str, target: Graph, found: Conflicts) -> None:
    formal = (*ARGUMENT_COLUMNS, "time")
    listed = ", ".join(formal)
    with store.scratch("unify") as scratch:
        table = _without_blanks(store, source, scratch, target)
        nameless = f"(id IS NULL OR id IN (SELECT id FROM {scratch}.blank))"
        _unified(store, table, scratch, formal, f"NOT {nameless}")
        store.run(
            f"INSERT INTO {scratch}.result SELECT min(place), bundle, kind, min(id), {listed}, attributes FROM "
            f"(SELECT * REPLACE ({_CANONICAL} AS attributes), rowid AS place FROM {table} WHERE {nameless}) "
            f"GROUP BY bundle, kind, {listed}, attributes"
        )
        store.run(
            f"INSERT INTO {target.schema}.relation SELECT bundle, kind, id, {listed}, attributes "
            f"FROM {scratch}.result ORDER BY place"
        )
        found.identifiers += _disagreeing(store, scratch)
        found.relations = _conflicts(store, table, scratch, formal, target)


def _without_blanks(store: Store, source: str, scratch: str, target: Graph) -> str:
    """The table of relations in which equal relations with blank identifiers have the same one.

    A blank identifier says only which generation or usage a derivation means, so such relations are as
    identical as those without identifier.
    """
    table, listed = f"{source}.relation", ", ".join((*ARGUMENT_COLUMNS, "time"))
    store.run(
        f"CREATE TABLE {scratch}.blank AS SELECT id FROM {table} WHERE id IN "
        f"(SELECT id FROM {target.schema}.name WHERE prefix = '_') GROUP BY id HAVING count(*) = 1"
    )
    if not store.scalar(f"SELECT count(*) FROM {scratch}.blank"):
        return table
    store.run(
        f"CREATE TABLE {scratch}.same AS SELECT id AS old, min(id) OVER (PARTITION BY bundle, kind, {listed}, "
        f"{_CANONICAL}) AS id FROM {table} WHERE id IN (SELECT id FROM {scratch}.blank)"
    )
    store.run(f"DELETE FROM {scratch}.same WHERE old = id")
    renamed = ("id", *ARGUMENT_COLUMNS)
    fresh = ", ".join(f"coalesce(s_{column}.id, r.{column}) AS {column}" for column in renamed)
    joins = " ".join(
        f"LEFT JOIN {scratch}.same s_{column} ON s_{column}.old = r.{column}" for column in renamed
    )
    with store.in_order():
        store.run(
            f"CREATE TABLE {scratch}.relation AS SELECT r.* REPLACE ({fresh}) FROM {table} r {joins} ORDER BY r.rowid"
        )
    store.run(f"DELETE FROM {target.schema}.name WHERE id IN (SELECT old FROM {scratch}.same)")
    return f"{scratch}.relation"


def _comparable(column: str) -> str:
    """SQL of a formal argument, so that two spellings of one instant are equal."""
    if column not in _TIMES:
        return column
    instant = f"epoch_us(TRY_CAST({column} AS TIMESTAMPTZ))::VARCHAR"
    return f"CASE WHEN regexp_full_match({column}, '{_ZONED}') THEN coalesce({instant}, {column}) ELSE {column} END"


def _unified(store: Store, table: str, scratch: str, formal: tuple[str, ...], where: str) -> None:
    """Make ``result`` (place, and the columns of the table) of the records that have an identifier."""
    listed = ", ".join(formal)
    agree = " AND ".join(f"count(DISTINCT {_comparable(column)}) <= 1" for column in formal)
    filled = ", ".join(f"min({column}) AS {column}" for column in formal)
    store.run(
        f"CREATE TABLE {scratch}.repeated AS SELECT bundle, kind, id FROM {table} "
        f"WHERE {where} GROUP BY bundle, kind, id HAVING count(*) > 1"
    )
    store.run(
        f"CREATE TABLE {scratch}.several AS SELECT bundle, kind, id, {agree} AS agree FROM {table} "
        f"SEMI JOIN {scratch}.repeated USING (bundle, kind, id) GROUP BY bundle, kind, id"
    )
    rows = f"(SELECT *, rowid AS place FROM {table} WHERE {where}) r"
    several = f"{scratch}.several s USING (bundle, kind, id)"
    store.run(
        f"CREATE TABLE {scratch}.result AS SELECT place, bundle, kind, id, {listed}, {_CANONICAL} AS attributes "
        f"FROM {rows} ANTI JOIN {several}"
    )
    store.run(
        f"INSERT INTO {scratch}.result SELECT min(place), bundle, kind, id, {filled}, {_JOINED} "
        f"FROM {rows} JOIN {several} WHERE s.agree GROUP BY bundle, kind, id"
    )
    store.run(
        f"INSERT INTO {scratch}.result SELECT min(place), bundle, kind, id, {listed}, {_JOINED} "
        f"FROM {rows} JOIN {several} WHERE NOT s.agree GROUP BY bundle, kind, id, {listed}"
    )


def _disagreeing(store: Store, scratch: str) -> int:
    return int(store.scalar(f"SELECT count(*) FROM {scratch}.several WHERE NOT agree"))


def _conflicts(
    store: Store, table: str, scratch: str, formal: tuple[str, ...], target: Graph
) -> list[Conflict]:
    """The first conflicts, each with the two values that come first."""
    several = f"(SELECT * FROM {scratch}.several WHERE NOT agree) s USING (bundle, kind, id)"
    given = " UNION ALL ".join(
        f"SELECT bundle, kind, id, {position} AS argument, min({column}::VARCHAR) AS value, min(place) AS place "
        f"FROM {scratch}.contrary WHERE {column} IS NOT NULL GROUP BY bundle, kind, id, {_comparable(column)}"
        for position, column in enumerate(formal)
    )
    if not _disagreeing(store, scratch):
        return []
    store.run(
        f"CREATE TABLE {scratch}.contrary AS SELECT r.* FROM (SELECT *, rowid AS place FROM {table}) r JOIN {several}"
    )
    rows = store.run(
        "SELECT id, kind, argument, list(value ORDER BY place)[1:2], list(place ORDER BY place)[1:2] "
        f"FROM ({given}) GROUP BY bundle, kind, id, argument HAVING count(*) > 1 "
        f"ORDER BY list_min(list(place)), argument LIMIT {SHOWN}"
    )
    wanted = {number for number, *_ in rows} | {
        int(value)
        for _, _, position, values, _ in rows
        if formal[position] in ARGUMENT_COLUMNS
        for value in values
    }
    marks = ", ".join(map(str, sorted(wanted)))
    names = dict(
        store.run(
            f"SELECT id, concat_ws(':', nullif(prefix, ''), local) FROM {target.schema}.name WHERE id IN ({marks})"
        )
        if wanted
        else ()
    )
    return [_conflict(row, formal, names) for row in rows]


def _conflict(
    row: tuple[int, int, int, list[str], list[int]], formal: tuple[str, ...], names: dict[int, str]
) -> Conflict:
    number, kind_number, position, values, places = row
    kind, column = KIND_BY_NUMBER[kind_number], formal[position]
    if column in ARGUMENT_COLUMNS:
        argument = kind.references[ARGUMENT_COLUMNS.index(column)]
        values = [names[int(value)] for value in values]
    else:
        argument = kind.times[1 if column == "end_time" else 0]
    return Conflict(names[number], kind.name, argument, (values[0], values[1]), (places[0], places[1]))


def report(found: Conflicts, named: Callable[[str, int], str] | None = None) -> None:
    """Say the first conflicts in warnings, and how many identifiers have some.

    Args:
        found: what :func:`unify` found.
        named: the name of the source that a row of a table (``element`` or ``relation``) comes from.
    """
    listed = [("element", one) for one in found.elements] + [("relation", one) for one in found.relations]
    for table, one in listed[:SHOWN]:
        first, second = one.values
        sources = [named(table, place) for place in one.places] if named else []
        if len(set(sources)) == 1:
            second += f" (both in {sources[0]})"
        elif sources:
            first, second = (
                f"{value} (in {source})" for value, source in zip(one.values, sources, strict=True)
            )
        log.warning(
            "%s, %s: its %s is %s, and also %s; both records are kept",
            *(one.identifier, one.kind, one.argument, first, second),
        )
    if found.identifiers == 1:
        log.warning("1 identifier has records that contradict each other; all of these are kept")
    elif found.identifiers:
        log.warning(
            "%d identifiers have records that contradict each other; all of these are kept", found.identifiers
        )
