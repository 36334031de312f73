"""Writing a graph anew with other identifiers and attribute values: what transforms of agents share.

A transform makes tables in a schema of its own, and the functions here interpret them:

==================  ==========================================================================
``sort``            k, sort: what values of an attribute key are, such as ``name`` or ``text``
``changed``         sort, old, fresh: the values that change
``fresh_element``   place, attributes: records whose attribute list changes, by their rowid
``fresh_relation``  likewise
``moved``           old, id: the identifiers in whose place others come
``dropped``         place: the elements that go
==================  ==========================================================================
"""

from __future__ import annotations

from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS, ATTRIBUTES_TYPE

TABLES = {
    "sort": "k INTEGER, sort VARCHAR",
    "changed": "sort VARCHAR, old VARCHAR, fresh VARCHAR",
    "fresh_element": f"place BIGINT, attributes {ATTRIBUTES_TYPE}",
    "fresh_relation": f"place BIGINT, attributes {ATTRIBUTES_TYPE}",
    "moved": "old INTEGER, id INTEGER",
    "dropped": "place BIGINT",
}


def create_tables(graph: Graph, scratch: str) -> None:
    """Make the empty tables in a schema."""
    for table, columns in TABLES.items():
        graph.store.run(f"CREATE TABLE {scratch}.{table} ({columns})")


def pairs(graph: Graph, table: str, spared: str = "false") -> str:
    """SQL of the attributes of a table: ``place`` (rowid), ``n`` (from 1 on), ``k``, ``v``.

    ``spared`` is SQL of what is left out, from ``a.k``, ``a.v`` and the record's ``attributes``.
    """
    return (
        "(SELECT place, n, a.k AS k, a.v AS v FROM (SELECT rowid AS place, attributes, unnest(attributes) AS a, "
        f"generate_subscripts(attributes, 1) AS n FROM {graph.schema}.{table}) WHERE NOT ({spared}))"
    )


def change_values(graph: Graph, scratch: str, spared: str = "false") -> None:
    """Fill ``fresh_element`` and ``fresh_relation`` with the attribute lists that have values in ``changed``."""
    run = graph.store.run
    if not graph.store.scalar(f"SELECT count(*) FROM {scratch}.changed"):
        return
    for table in ("element", "relation"):
        run(
            f"CREATE OR REPLACE TABLE {scratch}.hit AS SELECT p.place, p.n, c.fresh FROM {pairs(graph, table, spared)} p "
            f"JOIN {scratch}.sort s ON s.k = p.k JOIN {scratch}.changed c ON c.sort = s.sort AND c.old = p.v"
        )
        run(
            f"INSERT INTO {scratch}.fresh_{table} SELECT p.place, "
            f"{_once('list({k: p.k, v: coalesce(h.fresh, p.v)} ORDER BY p.n)')} "
            f"FROM {pairs(graph, table)} p SEMI JOIN (SELECT place FROM {scratch}.hit) w ON w.place = p.place "
            f"LEFT JOIN {scratch}.hit h ON h.place = p.place AND h.n = p.n GROUP BY p.place"
        )


def _once(attributes: str) -> str:
    """SQL of an attribute list without what stands in it before: attributes of a record are a set."""
    return f"list_filter({attributes}, lambda pair, n: list_position({attributes}, pair) = n)"


def write_records(graph: Graph, scratch: str, result: Graph) -> None:
    """Fill the element, relation and bundle tables of ``result``, in the order of the graph."""
    store = graph.store
    is_moved = bool(store.scalar(f"SELECT count(*) FROM {scratch}.moved"))
    with store.in_order(graph.count("element") + graph.count("relation")):
        for table, columns in (
            ("element", ("bundle", "id")),
            ("relation", ("bundle", "id", *ARGUMENT_COLUMNS)),
        ):
            present = [
                column
                for column in columns
                if is_moved and store.scalar(f"SELECT count({column}) FROM {graph.schema}.{table}")
            ]
            replaced = [f"coalesce(m_{column}.id, r.{column}) AS {column}" for column in present]
            replaced.append("CASE WHEN f.place IS NULL THEN r.attributes ELSE f.attributes END AS attributes")
            joins = [
                f"LEFT JOIN {scratch}.moved m_{column} ON m_{column}.old = r.{column}" for column in present
            ]
            if table == "element":
                joins.append(f"ANTI JOIN {scratch}.dropped d ON d.place = r.place")
            store.run(
                f"INSERT INTO {result.schema}.{table} SELECT r.* EXCLUDE (place) REPLACE ({', '.join(replaced)}) "
                f"FROM (SELECT *, rowid AS place FROM {graph.schema}.{table}) r "
                f"LEFT JOIN {scratch}.fresh_{table} f ON f.place = r.place {' '.join(joins)}"
            )
        store.run(
            f"INSERT INTO {result.schema}.bundle SELECT coalesce(m.id, r.id) FROM {graph.schema}.bundle r "
            f"LEFT JOIN {scratch}.moved m ON m.old = r.id"
        )
