"""What RDF has once and a graph several times: records of one identifier, and relations that say the same.

A triple is there once, so that each of these needs a node of its own. They are found in passes over the
records, of which each looks at as many as memory is to hold.
"""

from __future__ import annotations

from mlflow2prov.formats.projection import Projection
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.records import KIND_BY_NAME

_AT_ONCE = 2**20
"""So many relations at most are grouped at a time."""

_SAID = {
    "element": "bundle, kind, id, start_time, end_time, list_sort(attributes)",
    "relation": f"bundle, kind, id, {', '.join(ARGUMENT_COLUMNS)}, time, list_sort(attributes)",
}
"""What the records of each table say, as SQL."""

_NUMBERED = "STRUCT(k INTEGER, v VARCHAR, n BIGINT)[]"
_KEYS = "list_bit_or(list_transform(attributes, lambda a: 1::BIGINT << (a.k % 63)))"
_TWICE = (
    f"CASE WHEN len(attributes) > 1 AND bit_count({_KEYS}) < len(attributes) "
    "THEN len(list_distinct(attributes)) < len(attributes) ELSE false END"
)
"""SQL of whether a record has an attribute with one value twice; bits, since making lists distinct costs much more."""


def find_again(graph: Graph, scratch: str, plain: str) -> None:
    """Make the table ``again``: the places of plain relations whose triple another relation has as well.

    ``plain`` is SQL of the condition that a relation ``r`` has nothing but what its triple says.
    """
    table, run = f"{graph.schema}.relation", graph.store.run
    second = f"CASE WHEN r.kind = {KIND_BY_NAME['mentionOf'].number} THEN 0 ELSE r.a2 END"
    run(f"CREATE TABLE {scratch}.again (place BIGINT)")
    for of_pass in _passes(graph.count("relation"), f"r.bundle, r.kind, r.a1, {second}"):
        run(
            f"INSERT INTO {scratch}.again SELECT r.rowid FROM {table} r SEMI JOIN (SELECT bundle, kind, a1, "
            f"{second} AS a2 FROM {table} r WHERE a1 IS NOT NULL AND {of_pass} GROUP BY ALL HAVING count(*) > 1) g "
            f"ON g.bundle = r.bundle AND g.kind = r.kind AND g.a1 = r.a1 AND g.a2 = {second} WHERE {plain}"
        )


def find_copies(graph: Graph, scratch: str) -> None:
    """Make the table ``copy``: the places of relations without names that one before is equal to, with their number."""
    run = graph.store.run
    nameless = f"(id IS NULL OR id IN (SELECT id FROM {graph.schema}.name WHERE prefix = '_'))"
    rows = f"(SELECT *, rowid AS place FROM {graph.schema}.relation WHERE {nameless})"
    formal = f"bundle, kind, {', '.join(ARGUMENT_COLUMNS)}, time"
    run(f"CREATE TABLE {scratch}.alike (place BIGINT)")
    for of_pass in _passes(graph.count("relation"), formal):  # without attributes, which cost the most
        run(f"INSERT INTO {scratch}.alike SELECT place FROM ({_repeated(rows, formal, of_pass)})")
    run(f"CREATE TABLE {scratch}.copy (place BIGINT, number BIGINT)")
    said = f"{formal}, list_sort(attributes)"
    alike = f"(SELECT * FROM {rows} WHERE place IN (SELECT place FROM {scratch}.alike))"
    for of_pass in _passes(int(graph.store.scalar(f"SELECT count(*) FROM {scratch}.alike")), said):
        numbered = "SELECT place, row_number() OVER (PARTITION BY said ORDER BY place) AS number"
        run(
            f"INSERT INTO {scratch}.copy SELECT * FROM ({numbered} FROM ({_repeated(alike, said, of_pass)})) "
            "WHERE number > 1"
        )


def find_described(projection: Projection) -> bool:
    """Make ``described_element`` and ``described_relation``: records that triples alone do not tell.

    They share their identifier within a bundle, or have an attribute with one value several times. The tables
    have the place of each, its number among those that say the same and, in the latter case, its attributes
    with numbers. Return whether there are any.
    """
    graph, scratch, run = projection.graph, projection.scratch, projection.graph.store.run
    for table in _SAID:
        run(f"CREATE TABLE {scratch}.sharing_{table} (place BIGINT)")
        run(f"CREATE TABLE {scratch}.described_{table} (place BIGINT, number BIGINT, attributes {_NUMBERED})")
        run(
            f"CREATE TABLE {scratch}.twice_{table} AS SELECT rowid AS place FROM {graph.schema}.{table} WHERE {_TWICE}"
        )
    for condition in projection.id_ranges():
        named = " UNION ALL ".join(
            f"SELECT bundle, id FROM {graph.schema}.{table} WHERE {condition}" for table in _SAID
        )
        run(
            f"CREATE OR REPLACE TABLE {scratch}.shared AS SELECT bundle, id FROM ({named}) "
            "GROUP BY bundle, id HAVING count(*) > 1"
        )
        if not graph.store.scalar(f"SELECT count(*) FROM {scratch}.shared"):
            continue
        for table in _SAID:
            run(
                f"INSERT INTO {scratch}.sharing_{table} SELECT r.rowid FROM {graph.schema}.{table} r "
                f"SEMI JOIN {scratch}.shared s ON s.bundle = r.bundle AND s.id = r.id WHERE {condition}"
            )
    found = [_number_described(graph, scratch, table) for table in _SAID]
    return any(found)


def _number_described(graph: Graph, scratch: str, table: str) -> bool:
    """Number those records that say the same, identifier and all; return whether there are any records."""
    places = f"(SELECT place FROM {scratch}.sharing_{table} UNION SELECT place FROM {scratch}.twice_{table})"
    records = int(graph.store.scalar(f"SELECT count(*) FROM {places}"))
    rows = f"(SELECT r.*, r.rowid AS place FROM {graph.schema}.{table} r SEMI JOIN {places} s ON s.place = r.rowid)"
    numbered = (
        "SELECT place, list({'k': a.k, 'v': a.v, 'n': n} ORDER BY i) AS numbered FROM (SELECT place, a, i, "
        "row_number() OVER (PARTITION BY place, a ORDER BY i) AS n FROM (SELECT r.rowid AS place, "
        f"unnest(attributes) AS a, unnest(range(len(attributes))) AS i FROM {graph.schema}.{table} r "
        f"SEMI JOIN {scratch}.twice_{table} t ON t.place = r.rowid)) GROUP BY place"
    )
    for of_pass in _passes(records, _SAID[table]):
        graph.store.run(
            f"INSERT INTO {scratch}.described_{table} SELECT r.place, row_number() OVER "
            f"(PARTITION BY hash({_SAID[table]}) ORDER BY r.place), t.numbered FROM {rows} r "
            f"LEFT JOIN ({numbered}) t ON t.place = r.place WHERE {of_pass}"
        )
    return records > 0


def _repeated(rows: str, said: str, of_pass: str) -> str:
    """SQL of the places of those rows that say what another one of the pass says, with a hash of it."""
    hashed = f"(SELECT place, hash({said}) AS said FROM {rows} r WHERE {of_pass})"
    return (
        f"SELECT place, r.said FROM {hashed} r "
        f"SEMI JOIN (SELECT said FROM {hashed} GROUP BY said HAVING count(*) > 1) g ON g.said = r.said"
    )


def _passes(rows: int, said: str) -> list[str]:
    """Conditions on relations ``r``: each relation meets one, and those that say the same meet the same one."""
    if rows == 0:
        return []
    passes = -(-rows // _AT_ONCE)
    return [f"hash({said}) % {passes} = {number}" for number in range(passes)] if passes > 1 else ["true"]
