"""Orders as graphs: what of them stands in circles, and the way around each."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mlflow2prov.graph.store import Store
from mlflow2prov.validation.circles import circles, reached, way
from mlflow2prov.validation.declare import Edge

_WORTH_IT = 0.7
"""A round of taking away is followed by another one where no more than this part is left."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step from one event to the next: the rule that asks for it, and the record by which it does."""

    earlier: int
    later: int
    strict: bool
    code: str
    through: str | None
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Events that all precede each other, at least one of them strictly.

    Attributes:
        bundle: where they stand.
        nodes: the events on a shortest circle through a strict step, which comes first.
        steps: the steps between them.
        others: how many more strict steps there are among all these events.
        places: the records of the steps, then those of the other strict steps.
    """

    bundle: int
    nodes: tuple[int, ...]
    steps: tuple[Step, ...]
    others: int
    places: tuple[int, ...]


def circles_of(
    store: Store, edges: Sequence[tuple[str, Edge]], sql_of: Callable[[str], str], made: str
) -> Iterator[Circle]:
    """Yield the circles of an order that have a strict step.

    Edges are taken away in the engine that no circle goes through, as long as that is worth it; what is
    left is held in memory, with some 60 bytes for each edge.
    """
    strict = [_select(sql_of, code, edge) for code, edge in edges if edge.strict]
    table = f"{made}.step"
    store.run(f"CREATE OR REPLACE TABLE {table} AS {' UNION ALL '.join(strict)}")
    if not store.run(f"SELECT 1 FROM {table} LIMIT 1"):
        return
    for code, edge in edges:
        if not edge.strict:
            store.run(f"INSERT INTO {table} {_select(sql_of, code, edge)}")
    if not _take_away(store, table):
        return
    if any(edge.needs for _, edge in edges):
        _require(store, table, made)
        _take_away(store, table)
    yield from _closed(store, table)


def _select(sql_of: Callable[[str], str], code: str, edge: Edge) -> str:
    return (
        f"SELECT bundle, earlier, later, {edge.strict} AS strict, {int(code)} AS code, through, place, "
        f"{'earlier' in edge.needs} AS needs_earlier, {'later' in edge.needs} AS needs_later FROM ({sql_of(edge.sql)})"
    )


def _take_away(store: Store, table: str) -> bool:
    """Take away steps that nothing comes before or after; return whether any is left."""
    before = int(store.scalar(f"SELECT count(*) FROM {table}"))
    while before:
        store.run(
            f"CREATE OR REPLACE TABLE {table}_left AS SELECT * FROM {table} "
            f"SEMI JOIN (SELECT bundle, later AS earlier FROM {table}) l USING (bundle, earlier) "
            f"SEMI JOIN (SELECT bundle, earlier AS later FROM {table}) e USING (bundle, later)"
        )
        store.run(f"DROP TABLE {table}")
        store.run(f"ALTER TABLE {table}_left RENAME TO {table.rsplit('.', 1)[1]}")
        left = int(store.scalar(f"SELECT count(*) FROM {table}"))
        if left > before * _WORTH_IT:
            break
        before = left
    return bool(store.run(f"SELECT 1 FROM {table} LIMIT 1"))


def _require(store: Store, table: str, made: str) -> None:
    """Take away steps from or to a generation that nothing says or implies."""
    for end in ("earlier", "later"):
        store.run(
            f"DELETE FROM {table} WHERE needs_{end} AND rowid NOT IN (SELECT s.rowid FROM {table} s "
            f"SEMI JOIN {made}.generated g ON g.bundle = s.bundle AND g.id * 2::BIGINT = s.{end})"
        )


def _closed(store: Store, table: str) -> Iterator[Circle]:
    store.run(
        f"CREATE OR REPLACE TABLE {table}_node AS SELECT (row_number() OVER ())::INTEGER - 1 AS number, bundle, node "
        f"FROM (SELECT bundle, earlier AS node FROM {table} UNION SELECT bundle, later FROM {table} ORDER BY ALL)"
    )
    numbered = (
        f"SELECT a.number AS earlier, b.number AS later FROM {table} s "
        f"JOIN {table}_node a ON a.bundle = s.bundle AND a.node = s.earlier "
        f"JOIN {table}_node b ON b.bundle = s.bundle AND b.node = s.later"
    )
    nodes = int(store.scalar(f"SELECT count(*) FROM {table}_node"))
    found = circles(nodes, *_columns(store, numbered))
    if not found:
        return
    for bundle, steps in _steps(store, table, found):
        if any(step.strict for step in steps):
            yield _circle(bundle, steps)


def _columns(store: Store, sql: str) -> tuple[array[int], array[int]]:
    """The two columns of a query, which are numbers."""
    first, second = array("i"), array("i")
    for batch in store.batches(sql):
        columns: list[list[Any]] = [column.to_pylist() for column in batch.columns]
        first.extend(columns[0])
        second.extend(columns[1])
    return first, second


def _steps(store: Store, table: str, found: list[list[int]]) -> Iterator[tuple[int, list[Step]]]:
    """The steps within each component, with its bundle."""
    import pyarrow as pa

    members = pa.table(
        {
            "number": pa.array([node for one in found for node in one], pa.int32()),
            "component": pa.array([position for position, one in enumerate(found) for _ in one], pa.int32()),
        }
    )
    store.run(f"CREATE OR REPLACE TABLE {table}_member (number INTEGER, component INTEGER)")
    store.append(f"{table}_member", members)
    rows = store.run(
        f"WITH m AS (SELECT bundle, node, component FROM {table}_node JOIN {table}_member USING (number)) "
        f"SELECT a.component, s.bundle, s.earlier, s.later, s.strict, s.code, s.through, s.place FROM {table} s "
        "JOIN m a ON a.bundle = s.bundle AND a.node = s.earlier JOIN m b ON b.bundle = s.bundle AND b.node = s.later "
        "WHERE a.component = b.component ORDER BY a.component, s.place, s.code"
    )
    component, bundle, steps = None, 0, list[Step]()
    for number, bundle_here, earlier, later, strict, code, through, place in rows:
        if number != component and steps:
            yield bundle, steps
            steps = []
        component, bundle = number, bundle_here
        steps.append(
            Step(earlier, later, strict, str(code), None if through is None else str(through), place)
        )
    if steps:
        yield bundle, steps


def _circle(bundle: int, steps: list[Step]) -> Circle:
    first = next(step for step in steps if step.strict)
    nodes = way(((step.earlier, step.later) for step in steps), first.later, first.earlier)
    between: dict[tuple[int, int], Step] = {}
    for step in steps:
        between.setdefault((step.earlier, step.later), step)
    around = (first, *(between[pair] for pair in pairwise(nodes)))
    shown = set(around)
    others = [step for step in steps if step.strict and step not in shown]
    return Circle(
        bundle=bundle,
        nodes=(first.earlier, *nodes[:-1]),
        steps=around,
        others=len(others),
        places=tuple(dict.fromkeys(step.place for step in (*around, *others))),
    )


def inherit(store: Store, made: str, table: str) -> None:
    """Add to a table of entities those that specialize one of them, directly or by others (inference 21)."""
    first = (
        f"SELECT DISTINCT s.bundle, s.specific AS id FROM {made}.specialization s "
        f"SEMI JOIN {made}.{table} g ON g.bundle = s.bundle AND g.id = s.general "
        f"ANTI JOIN {made}.{table} d ON d.bundle = s.bundle AND d.id = s.specific"
    )
    store.run(f"CREATE OR REPLACE TABLE {made}.heir AS {first}")
    if not store.scalar(f"SELECT count(*) FROM {made}.heir"):
        return
    node = f"{made}.heir_node"
    store.run(
        f"CREATE OR REPLACE TABLE {node} AS SELECT (row_number() OVER ())::INTEGER - 1 AS number, bundle, id "
        f"FROM (SELECT bundle, specific AS id FROM {made}.specialization "
        f"UNION SELECT bundle, general FROM {made}.specialization)"
    )
    generals, specifics = _columns(
        store,
        f"SELECT a.number AS general, b.number AS specific FROM {made}.specialization s "
        f"JOIN {node} a ON a.bundle = s.bundle AND a.id = s.general "
        f"JOIN {node} b ON b.bundle = s.bundle AND b.id = s.specific",
    )
    seeds = [
        number for (number,) in store.run(f"SELECT number FROM {node} JOIN {made}.heir USING (bundle, id)")
    ]
    nodes = int(store.scalar(f"SELECT count(*) FROM {node}"))
    numbers = seeds + reached(nodes, generals, specifics, seeds)
    _add(store, made, table, numbers)


def _add(store: Store, made: str, table: str, numbers: list[int]) -> None:
    import pyarrow as pa

    store.run(f"CREATE OR REPLACE TABLE {made}.heir_number (number INTEGER)")
    store.append(f"{made}.heir_number", pa.table({"number": pa.array(numbers, pa.int32())}))
    store.run(
        f"INSERT INTO {made}.{table} SELECT n.bundle, n.id FROM {made}.heir_node n JOIN {made}.heir_number USING (number) "
        f"ANTI JOIN {made}.{table} d ON d.bundle = n.bundle AND d.id = n.id"
    )
