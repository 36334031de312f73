"""Many documents, one graph."""

from __future__ import annotations

from collections.abc import Sequence

from mlflow2prov.errors import GraphError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS, Store, create_tables
from mlflow2prov.graph.unify import log, unify
from mlflow2prov.prov.namespaces import QUALIFIED_NAME


def merge(graphs: Sequence[Graph]) -> Graph:
    """Return the union of graphs, unified by identifier.

    Records of one identifier (the same IRI, whatever its prefix) become one: attributes are joined,
    a missing formal argument is filled (PROV-CONSTRAINTS, section 6.1). Records that contradict each
    other are all kept and counted in a warning. A prefix that stands for two IRIs is renamed.

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
    result = Graph.empty(store)
    with store.scratch("merge") as scratch:
        create_tables(store, scratch)
        renamed = _prefixes(graphs, result)
        _names(store, graphs, renamed, scratch, result)
        _attribute_keys(store, graphs, renamed, scratch, result)
        for number, graph in enumerate(graphs):
            _records(store, graph, number, renamed[number], scratch)
        store.run(
            f"INSERT INTO {result.schema}.bundle SELECT id FROM {scratch}.bundle GROUP BY id ORDER BY min(rowid)"
        )
        conflicts = unify(store, scratch, result)
    if conflicts:
        log.warning(
            "%d identifiers have records that contradict each other; all of these are kept", conflicts
        )
    return result


def _prefixes(graphs: Sequence[Graph], result: Graph) -> list[dict[str, str]]:
    """Fill the prefix table; return, for each graph, the prefixes that get another name."""
    by_prefix: dict[str, str] = {}
    by_iri: dict[str, str] = {}
    renamed: list[dict[str, str]] = []
    for graph in graphs:
        changes: dict[str, str] = {}
        for prefix, iri in graph.query("SELECT prefix, iri FROM {graph}.prefix ORDER BY rowid"):
            fresh, number = by_iri.get(iri, prefix), 2
            while by_prefix.get(fresh, iri) != iri:
                fresh, number = f"{prefix or 'ns'}{number}", number + 1
            by_prefix[fresh], by_iri[iri] = iri, fresh
            if fresh != prefix:
                changes[prefix] = fresh
        renamed.append(changes)
    for prefix, iri in by_prefix.items():
        result.store.run(f"INSERT INTO {result.schema}.prefix VALUES (?, ?)", [prefix, iri])
    return renamed


def _renaming(column: str, changes: dict[str, str]) -> str:
    """SQL of a prefix after its renaming."""
    if not changes:
        return column
    cases = " ".join(f"WHEN {_text(old)} THEN {_text(new)}" for old, new in changes.items())
    return f"CASE {column} {cases} ELSE {column} END"


def _qualified(column: str, changes: dict[str, str]) -> str:
    """SQL of a qualified name, ``prefix:local``, after the renaming of prefixes."""
    if not changes:
        return column
    prefix = f"CASE WHEN contains({column}, ':') THEN split_part({column}, ':', 1) ELSE '' END"
    local = f"{column}[position(':' IN {column}) + 1:]"
    return f"CASE WHEN {column} IS NOT NULL THEN concat_ws(':', nullif({_renaming(prefix, changes)}, ''), {local}) END"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _names(
    store: Store, graphs: Sequence[Graph], renamed: list[dict[str, str]], scratch: str, result: Graph
) -> None:
    """Fill the name table, and ``name_map`` from each graph's number and id to the new id."""
    rows = " UNION ALL ".join(
        f"SELECT {number} AS graph, id AS old, {_renaming('prefix', changes)} AS prefix, local FROM {graph.schema}.name"
        for number, (graph, changes) in enumerate(zip(graphs, renamed, strict=True))
    )
    store.run(f"CREATE TABLE {scratch}.spelled AS {rows}")
    store.run(
        f"CREATE TABLE {scratch}.fresh AS SELECT (row_number() OVER ())::INTEGER AS id, prefix, local FROM "
        f"(SELECT prefix, local FROM {scratch}.spelled GROUP BY prefix, local ORDER BY min(graph * 2147483648 + old))"
    )
    store.run(f"INSERT INTO {result.schema}.name SELECT id, prefix, local FROM {scratch}.fresh ORDER BY id")
    store.run(
        f"CREATE TABLE {scratch}.name_map AS SELECT s.graph, s.old, f.id FROM {scratch}.spelled s "
        f"JOIN {scratch}.fresh f USING (prefix, local)"
    )


def _attribute_keys(
    store: Store, graphs: Sequence[Graph], renamed: list[dict[str, str]], scratch: str, result: Graph
) -> None:
    """Fill the attribute keys, and ``key_map`` from each graph's number and key to the new key."""
    rows = " UNION ALL ".join(
        f"SELECT {number} AS graph, key AS old, {_qualified('name', changes)} AS name, "
        f"{_qualified('datatype', changes)} AS datatype, language FROM {graph.schema}.attribute_key"
        for number, (graph, changes) in enumerate(zip(graphs, renamed, strict=True))
    )
    store.run(f"CREATE TABLE {scratch}.key_spelled AS {rows}")
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


def _records(store: Store, graph: Graph, number: int, changes: dict[str, str], scratch: str) -> None:
    """Append a graph's records, with the new identifiers and keys."""
    names = f"(SELECT old, id FROM {scratch}.name_map WHERE graph = {number})"
    attributes = _attributes(store, graph, number, changes, scratch)
    with store.in_order():
        store.run(
            f"INSERT INTO {scratch}.element SELECT coalesce(b.id, 0), r.kind, n.id, r.start_time, r.end_time, {attributes} "
            f"FROM {graph.schema}.element r LEFT JOIN {names} n ON n.old = r.id LEFT JOIN {names} b ON b.old = r.bundle"
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
            f"FROM {graph.schema}.relation r LEFT JOIN {names} n ON n.old = r.id "
            f"LEFT JOIN {names} b ON b.old = r.bundle {joins}"
        )
        store.run(
            f"INSERT INTO {scratch}.bundle SELECT n.id FROM {graph.schema}.bundle r JOIN {names} n ON n.old = r.id"
        )


def _attributes(store: Store, graph: Graph, number: int, changes: dict[str, str], scratch: str) -> str:
    """SQL of a record's attributes under the new keys; qualified names as values are renamed, too."""
    keys = store.run(
        f"SELECT m.old, m.key, k.datatype FROM {scratch}.key_map m JOIN {graph.schema}.attribute_key k ON k.key = m.old "
        f"WHERE m.graph = {number} ORDER BY m.old"
    )
    if not keys:
        return "r.attributes"
    size = keys[-1][0]
    fresh = dict.fromkeys(range(1, size + 1), 0) | {old: key for old, key, _ in keys}
    named = [old for old, _, datatype in keys if datatype == QUALIFIED_NAME]
    value = "a.v"
    if changes and named:
        listed = ", ".join(map(str, named))
        value = f"CASE WHEN a.k IN ({listed}) THEN {_qualified('a.v', changes)} ELSE a.v END"
    mapping = ", ".join(str(key) for key in fresh.values())
    return f"list_transform(r.attributes, lambda a: {{k: ([{mapping}]::INTEGER[])[a.k], v: {value}}})"
