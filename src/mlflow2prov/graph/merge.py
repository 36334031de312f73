"""Many documents, one graph."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from mlflow2prov.errors import GraphError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS, Store, create_tables
from mlflow2prov.graph.unify import report, unify
from mlflow2prov.prov.namespaces import QUALIFIED_NAME

if TYPE_CHECKING:
    import pyarrow as pa

_BLANK = "_"

_NAMED = 4
"""So many documents are named one by one."""


def merge(graphs: Sequence[Graph]) -> Graph:
    """Return the union of graphs, unified by identifier.

    Records of one identifier (the same IRI, whatever its prefix) become one: attributes are joined,
    a missing formal argument is filled (PROV-CONSTRAINTS, section 6.1). Records that contradict each
    other are all kept; a warning says what their sources are (``Graph.origin``). A prefix that stands for two IRIs is
    renamed. Blank identifiers of two documents are never the same.

    Args:
        graphs: what to unite, all of one store.

    Raises:
        GraphError: there is nothing to merge, or the graphs live in different stores.

    >>> merge([Graph.empty(), Graph.empty()]).count("element")
    0
    """
    if not graphs:
        raise GraphError("there is no document to merge")
    store = graphs[0].store
    if any(graph.store is not store for graph in graphs):
        raise GraphError("graphs of different stores can't be merged; save and load them first")
    called = [graph.origin or f"document {number}" for number, graph in enumerate(graphs, 1)]
    result = Graph.empty(store)
    result.origin = _together(called) if any(graph.origin for graph in graphs) else None
    with store.scratch("merge") as scratch:
        create_tables(store, scratch)
        _prefixes(graphs, result, scratch)
        _names(store, graphs, scratch, result)
        _attribute_keys(store, graphs, scratch, result)
        ends: dict[str, list[int]] = {"element": [], "relation": []}
        for number, graph in enumerate(graphs):
            _records(store, graph, number, scratch)
            for table, places in ends.items():
                places.append(int(store.scalar(f"SELECT count(*) FROM {scratch}.{table}")))
        store.run(
            f"INSERT INTO {result.schema}.bundle SELECT id FROM {scratch}.bundle GROUP BY id ORDER BY min(rowid)"
        )
        found = unify(store, scratch, result)
    report(found, lambda table, place: called[bisect_right(ends[table], place)])
    return result


def _together(called: Sequence[str]) -> str:
    """What the union of documents comes from: the names of a few, or how many there are."""
    names = list(dict.fromkeys(called))
    if len(names) > _NAMED:
        return f"{names[0]} and {len(names) - 1} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _prefixes(graphs: Sequence[Graph], result: Graph, scratch: str) -> None:
    """Fill the prefix table, and ``renamed`` (graph, old, fresh) with the prefixes that get another name."""
    import pyarrow as pa

    by_prefix: dict[str, str] = {}
    by_iri: dict[str, str] = {}
    changes: list[tuple[int, str, str]] = []
    next_number: dict[str, int] = {}
    for number, graph in enumerate(graphs):
        for prefix, iri in graph.query("SELECT prefix, iri FROM {graph}.prefix ORDER BY rowid"):
            fresh = by_iri.get(iri, prefix)
            while by_prefix.get(fresh, iri) != iri:
                tried = next_number[prefix] = next_number.get(prefix, 1) + 1
                fresh = f"{prefix or 'ns'}{tried}"
            by_prefix[fresh], by_iri[iri] = iri, fresh
            if fresh != prefix:
                changes.append((number, prefix, fresh))
    store = result.store
    store.append(f"{result.schema}.prefix", _text_table(prefix=list(by_prefix), iri=list(by_prefix.values())))
    store.run(f"CREATE TABLE {scratch}.renamed (graph INTEGER, old VARCHAR, fresh VARCHAR)")
    if changes:
        renamed = _text_table(old=[old for _, old, _ in changes], fresh=[fresh for _, _, fresh in changes])
        numbers = pa.array([number for number, _, _ in changes], pa.int32())
        store.append(f"{scratch}.renamed", renamed.append_column("graph", numbers))


def _text_table(**columns: list[str]) -> pa.Table:
    import pyarrow as pa

    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _prefix(column: str) -> str:
    """SQL of the prefix of a qualified name, empty in the default namespace."""
    return f"CASE WHEN contains({column}, ':') THEN split_part({column}, ':', 1) ELSE '' END"


def _qualified(column: str, fresh: str) -> str:
    """SQL of a qualified name with the prefix ``fresh``, or as it is where one of them is NULL."""
    local = f"{column}[position(':' IN {column}) + 1:]"
    renamed = f"concat_ws(':', nullif({fresh}, ''), {local})"
    return f"CASE WHEN {fresh} IS NULL OR {column} IS NULL THEN {column} ELSE {renamed} END"


def _names(store: Store, graphs: Sequence[Graph], scratch: str, result: Graph) -> None:
    """Fill the name table, and ``name_map`` from each graph's number and id to the new id."""
    rows = " UNION ALL ".join(
        f"SELECT {number} AS graph, id AS old, prefix, local FROM {graph.schema}.name"
        for number, graph in enumerate(graphs)
    )
    # Told apart by (p, l, own): prefix and local part, or the IRI where that of one namespace continues
    # another's; and the number of the graph where the name is blank.
    stem, rest = "CASE WHEN p.iri IS NULL THEN s.prefix END", "coalesce(p.iri || s.local, s.local)"
    if not _are_nested(result):
        stem, rest = "s.prefix", "s.local"
    store.run(
        f"CREATE TABLE {scratch}.spelled AS SELECT s.graph, s.old, s.prefix, s.local, {stem} AS p, {rest} AS l, "
        f"CASE WHEN s.prefix = '{_BLANK}' THEN s.graph END AS own FROM (SELECT s.* REPLACE (coalesce(n.fresh, s.prefix) "
        f"AS prefix) FROM ({rows}) s LEFT JOIN {scratch}.renamed n ON n.graph = s.graph AND n.old = s.prefix) s "
        f"LEFT JOIN {result.schema}.prefix p ON p.prefix = s.prefix"
    )
    place = "graph * 2147483648 + old"
    store.run(
        f"CREATE TABLE {scratch}.fresh AS SELECT (row_number() OVER (ORDER BY place))::INTEGER AS id, * FROM "
        f"(SELECT p, l, own, min({place}) AS place, arg_min(prefix, {place}) AS prefix, arg_min(local, {place}) AS local "
        f"FROM {scratch}.spelled GROUP BY p, l, own)"
    )
    store.run(f"INSERT INTO {result.schema}.name SELECT id, prefix, local FROM {scratch}.fresh ORDER BY id")
    _tell_blanks_apart(result)
    store.run(
        f"CREATE TABLE {scratch}.name_map AS SELECT s.graph, s.old, f.id FROM {scratch}.spelled s "
        f"JOIN {scratch}.fresh f ON f.l = s.l AND f.p IS NOT DISTINCT FROM s.p AND f.own IS NOT DISTINCT FROM s.own"
    )


def _are_nested(graph: Graph) -> bool:
    """Whether the IRI of one namespace continues that of another, so that an IRI has two spellings."""
    iris = sorted(iri for (iri,) in graph.query("SELECT iri FROM {graph}.prefix"))
    return any(longer.startswith(iri) for iri, longer in pairwise(iris))


def _tell_blanks_apart(graph: Graph) -> None:
    """Give blank names that several documents have another name in all but the first."""
    taken = {local for (local,) in graph.query(f"SELECT local FROM {{graph}}.name WHERE prefix = '{_BLANK}'")}
    stem = "n"
    while any(local.startswith(stem) for local in taken):
        stem += "n"
    first = f"SELECT min(id) FROM {graph.schema}.name WHERE prefix = '{_BLANK}' GROUP BY local"
    graph.store.run(
        f"UPDATE {graph.schema}.name SET local = '{stem}' || id WHERE prefix = '{_BLANK}' AND id NOT IN ({first})"
    )


def _attribute_keys(store: Store, graphs: Sequence[Graph], scratch: str, result: Graph) -> None:
    """Fill the attribute keys, and ``key_map`` from each graph's number and key to the new key."""
    rows = " UNION ALL ".join(
        f"SELECT {number} AS graph, key AS old, name, datatype, language FROM {graph.schema}.attribute_key"
        for number, graph in enumerate(graphs)
    )
    store.run(
        f"CREATE TABLE {scratch}.key_spelled AS SELECT k.graph, k.old, {_qualified('k.name', 'n.fresh')} AS name, "
        f"{_qualified('k.datatype', 'd.fresh')} AS datatype, k.language FROM ({rows}) k "
        f"LEFT JOIN {scratch}.renamed n ON n.graph = k.graph AND n.old = {_prefix('k.name')} "
        f"LEFT JOIN {scratch}.renamed d ON d.graph = k.graph AND d.old = {_prefix('k.datatype')}"
    )
    store.run(
        f"INSERT INTO {result.schema}.attribute_key SELECT row_number() OVER (), name, datatype, language FROM "
        f"(SELECT name, datatype, language FROM {scratch}.key_spelled GROUP BY ALL "
        "ORDER BY min(graph * 2147483648 + old))"
    )
    store.run(
        f"CREATE TABLE {scratch}.key_map AS SELECT s.graph, s.old, k.key FROM {scratch}.key_spelled s "
        f"JOIN {result.schema}.attribute_key k ON k.name = s.name AND k.datatype IS NOT DISTINCT FROM s.datatype "
        "AND k.language IS NOT DISTINCT FROM s.language"
    )


def _records(store: Store, graph: Graph, number: int, scratch: str) -> None:
    """Append a graph's records, with the new identifiers and keys."""
    names = f"(SELECT old, id FROM {scratch}.name_map WHERE graph = {number})"
    attributes = _attributes(store, graph, number, scratch)
    spelling = f"CROSS JOIN {scratch}.spelling_{number} s"
    with store.in_order():
        store.run(
            f"INSERT INTO {scratch}.element SELECT coalesce(b.id, 0), r.kind, n.id, r.start_time, r.end_time, {attributes} "
            f"FROM {graph.schema}.element r {spelling} LEFT JOIN {names} n ON n.old = r.id "
            f"LEFT JOIN {names} b ON b.old = r.bundle"
        )
        used = [
            column
            for column in ARGUMENT_COLUMNS
            if store.scalar(f"SELECT count({column}) FROM {graph.schema}.relation")
        ]
        arguments = ", ".join(f"n_{column}.id" if column in used else "NULL" for column in ARGUMENT_COLUMNS)
        joins = " ".join(f"LEFT JOIN {names} n_{column} ON n_{column}.old = r.{column}" for column in used)
        store.run(
            f"INSERT INTO {scratch}.relation SELECT coalesce(b.id, 0), r.kind, n.id, {arguments}, r.time, {attributes} "
            f"FROM {graph.schema}.relation r {spelling} LEFT JOIN {names} n ON n.old = r.id "
            f"LEFT JOIN {names} b ON b.old = r.bundle {joins}"
        )
        store.run(
            f"INSERT INTO {scratch}.bundle SELECT n.id FROM {graph.schema}.bundle r JOIN {names} n ON n.old = r.id"
        )


_BUCKETS = 256
"""A map is searched from its start, so the renamed prefixes stand in many small ones."""


def _attributes(store: Store, graph: Graph, number: int, scratch: str) -> str:
    """SQL of a record's attributes under the new keys; qualified names as values are renamed, too.

    The new keys and prefixes stand in a table of one row, ``spelling_`` with the graph's number; it is
    joined as ``s``. In the SQL, a hundred thousand of them would cost minutes.
    """
    source = f"{graph.schema}.attribute_key"
    size = int(store.scalar(f"SELECT coalesce(max(key), 0) FROM {source}"))
    renamed = (
        f"(SELECT old, fresh, hash(old) % {_BUCKETS} AS bucket FROM {scratch}.renamed WHERE graph = {number})"
    )
    store.run(
        f"CREATE TABLE {scratch}.spelling_{number} AS SELECT "
        f"(SELECT list(m.key ORDER BY g.n) FROM range(1, {size + 1}) g(n) LEFT JOIN {scratch}.key_map m "
        f"ON m.graph = {number} AND m.old = g.n) AS keys, "
        f"(SELECT list(coalesce(k.datatype = '{QUALIFIED_NAME}', false) ORDER BY g.n) FROM range(1, {size + 1}) g(n) "
        f"LEFT JOIN {source} k ON k.key = g.n) AS qualified, "
        f"(SELECT list(coalesce(m.fresh, MAP {{}}::MAP(VARCHAR, VARCHAR)) ORDER BY g.n) FROM range(0, {_BUCKETS}) g(n) "
        f"LEFT JOIN (SELECT bucket, map_from_entries(list((old, fresh))) AS fresh FROM {renamed} GROUP BY bucket) m "
        "ON m.bucket = g.n) AS renamed"
    )
    value = "a.v"
    if store.scalar(f"SELECT count(*) FROM {renamed}"):
        fresh = f"s.renamed[1 + (hash({_prefix('a.v')}) % {_BUCKETS})::BIGINT][{_prefix('a.v')}]"
        value = f"CASE WHEN s.qualified[a.k] THEN {_qualified('a.v', fresh)} ELSE a.v END"
    return f"list_transform(r.attributes, lambda a: {{k: s.keys[a.k]::INTEGER, v: {value}}})"
