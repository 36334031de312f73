"""The part of a graph that some identifiers make up, found without looking at more than numbers of the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.selection import forget_lost_relations, relations_that_stay
from mlflow2prov.graph.store import ARGUMENT_COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray


def part_of(graph: Graph, ids: NDArray[Any]) -> Graph:
    """Return the elements with these identifiers and the relations among them, as a new graph.

    What is left refers to nothing else, as with :func:`mlflow2prov.graph.selection.select`.
    Bundles stay where something in them does, or where they are among the identifiers.
    """
    run, source = graph.store.run, graph.schema
    result = Graph.empty(graph.store)
    with graph.store.scratch("part") as scratch:
        run(f"CREATE TABLE {scratch}.kept (id INTEGER)")
        graph.store.append(f"{scratch}.kept", pa.table({"id": pa.array(ids, pa.int32())}))
        _candidates(graph, scratch)
        named = " UNION ".join(
            f"SELECT {column} AS id FROM {scratch}.relation" for column in ARGUMENT_COLUMNS
        )
        run(
            f"CREATE TABLE {scratch}.gone AS SELECT n.id FROM ({named}) n ANTI JOIN {scratch}.kept k ON k.id = n.id "
            f"ANTI JOIN {scratch}.relation r ON r.id = n.id ANTI JOIN {source}.bundle b ON b.id = n.id "
            "WHERE n.id IS NOT NULL"
        )
        with graph.store.in_order():
            _write(graph, scratch, result)
    return result


def _candidates(graph: Graph, scratch: str) -> None:
    """Make ``relation``: those with a kept argument, in their order; looked for by numbers, then fetched."""
    run, source = graph.store.run, graph.schema
    found = " UNION ".join(
        f"SELECT r.rowid AS row FROM {source}.relation r SEMI JOIN {scratch}.kept k ON k.id = r.{column}"
        for column in ARGUMENT_COLUMNS[:2]
    )
    run(f"CREATE TABLE {scratch}.row AS SELECT row FROM ({found}) ORDER BY row")
    run(
        f"CREATE TABLE {scratch}.relation AS SELECT r.* FROM {source}.relation r "
        f"WHERE r.rowid IN (SELECT row FROM {scratch}.row) ORDER BY r.rowid"
    )


def _write(graph: Graph, scratch: str, result: Graph) -> None:
    run, source, target = graph.store.run, graph.schema, result.schema
    for table in ("prefix", "attribute_key"):
        run(f"INSERT INTO {target}.{table} SELECT * FROM {source}.{table} ORDER BY rowid")
    run(
        f"INSERT INTO {target}.element SELECT * FROM {source}.element WHERE rowid IN (SELECT e.rowid "
        f"FROM {source}.element e SEMI JOIN {scratch}.kept k ON k.id = e.id) ORDER BY rowid"
    )
    run(f"INSERT INTO {target}.relation {relations_that_stay(scratch, scratch)}")
    forget_lost_relations(graph.store, scratch, target)
    inside = " UNION ".join(f"SELECT bundle FROM {target}.{table}" for table in ("element", "relation"))
    run(
        f"INSERT INTO {target}.bundle SELECT * FROM {source}.bundle "
        f"WHERE id IN ({inside}) OR id IN (SELECT id FROM {scratch}.kept) ORDER BY rowid"
    )
    used = [f"SELECT id FROM {target}.{table}" for table in ("element", "relation", "bundle")]
    used += [f"SELECT {column} FROM {target}.relation" for column in ARGUMENT_COLUMNS]
    run(
        f"INSERT INTO {target}.name SELECT * FROM {source}.name WHERE id IN "
        f"(SELECT id FROM ({' UNION '.join(used)}) WHERE id IS NOT NULL) ORDER BY rowid"
    )
