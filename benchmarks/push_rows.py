"""A graph that is pushed, and the same rows, ready made, that a driver sends: see ``push_bench``.

``python -m benchmarks.push_rows ours NAME URL GRAPH`` pushes a graph that is kept in a DuckDB file;
``… ready NAME URL GRAPH`` sends what a push would, by the driver alone. Both print how many seconds
that took. ``… count NAME URL GRAPH`` reads back, and fails unless all types and relations are there as
often as in the graph. ``… graph RECORDS GRAPH`` makes the graph.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.prov_tables import count_of, graph_of
from mlflow2prov import Graph
from mlflow2prov.prov.namespaces import QUALIFIED_NAME
from mlflow2prov.sinks import Settings
from mlflow2prov.sinks import push as push_graph
from mlflow2prov.sinks.address import Address

if TYPE_CHECKING:
    from requests.auth import AuthBase

GRAPH = "urn:mlflow2prov:benchmark"
"""The named graph of a store that has no default one."""

TESTS = Path(__file__).parents[1] / "tests" / "sinks"


def _neo4j(graph: Graph, address: Address) -> Callable[[], object]:
    """The statements with their rows, as the sink makes them for an empty database."""
    from mlflow2prov.sinks import neo4j
    from mlflow2prov.sinks.records import reading

    statements: list[tuple[str, dict[str, Any]]] = []

    class Recorder(neo4j._Writer):
        def _run(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
            if statement != neo4j._FIND:
                statements.append((statement, parameters))
            return []

    with reading(graph) as records:
        Recorder(None, Settings()).write(records)  # type: ignore[arg-type]

    def send() -> None:
        with neo4j._driver(address) as driver, driver.session(database=neo4j._database(address)) as session:
            for statement in (neo4j._CONSTRAINT, *neo4j._INDEXES):
                session.run(statement).consume()
            for statement, parameters in statements:
                session.execute_write(lambda work, s=statement, p=parameters: work.run(s, p).consume())

    return send


def _mongodb(graph: Graph, address: Address) -> Callable[[], object]:
    """The documents, in portions."""
    from mlflow2prov.sinks import mongodb
    from mlflow2prov.sinks.records import reading

    with reading(graph) as records:
        types = records.types()
        portions = [
            ("elements", [mongodb._element(row, types) for row in rows]) for rows in records.elements()
        ]
        portions += [("relations", [mongodb._relation(row) for row in rows]) for rows in records.relations()]

    def send() -> None:
        with mongodb._client(address) as client:
            database = client.get_default_database(mongodb.DATABASE)
            for name, fields in mongodb._INDEXES.items():
                for field in fields:
                    database[name].create_index(field)
            for name, documents in portions:
                database[name].insert_many(documents, ordered=False)

    return send


def _sparql(graph: Graph, address: Address) -> Callable[[], object]:
    """The N-Triples, in portions."""
    portions = _portions(graph, address, is_virtuoso=False)
    return lambda: _post(portions, f"{address.url}?default")


def _virtuoso(graph: Graph, address: Address) -> Callable[[], object]:
    """The N-Triples that are sent to Virtuoso, in portions."""
    from requests.auth import HTTPDigestAuth

    portions = _portions(graph, address, is_virtuoso=True)
    digest = HTTPDigestAuth(address.user, address.password)
    return lambda: _post(portions, f"{address.url}?graph={GRAPH}", digest)


def _portions(graph: Graph, address: Address, *, is_virtuoso: bool) -> list[bytes]:
    """What the sink sends to a SPARQL store."""
    from mlflow2prov.sinks import graph_store, graph_store_client

    portions: list[bytes] = []

    class Recorder(graph_store_client.EndPoint):
        def check(self) -> None:
            self.is_virtuoso = is_virtuoso

        def send(self, graph: str | None, portion: bytes, replace: bool = False) -> None:
            portions.append(portion)

    graph_store.EndPoint = Recorder  # type: ignore[misc]
    graph_store.push(graph, address, Settings())
    return portions


def _post(portions: list[bytes], url: str, auth: AuthBase | None = None) -> None:
    import requests

    with requests.Session() as session:
        for portion in portions:
            headers = {"Content-Type": "application/n-triples"}
            session.post(url, data=portion, headers=headers, auth=auth).raise_for_status()


def _postgresql(graph: Graph, address: Address) -> Callable[[], object]:
    """The rows of all tables as Arrow batches, with one transaction, and indexes at the end."""
    from contextlib import closing

    from mlflow2prov.sinks import postgresql, postgresql_rows

    tables: dict[str, list[Any]] = {}
    with graph.store.scratch("ready") as scratch:
        rows = postgresql_rows.Rows(graph, scratch, postgresql.FIXED)
        for name in postgresql._FILLED:
            tables[name] = list(rows.batches(name))

    class Ready:
        @staticmethod
        def batches(name: str) -> Iterator[Any]:
            return iter(tables[name])

    def send() -> None:
        with closing(postgresql._connection(address)) as connection, closing(connection.cursor()) as cursor:
            database = postgresql._Database(cursor, address)
            database.prepare(replace=False)
            for name in tables:
                for _ in database.add(name, Ready()):  # type: ignore[arg-type]
                    pass
            connection.commit()

    return send


def _duckdb(graph: Graph, address: Address) -> Callable[[], object]:
    """The record tables as they are, copied by the engine."""
    file = Path(address.rest.partition("?")[0])
    return lambda: graph.keep(file)


READY = {
    "neo4j": _neo4j,
    "mongodb": _mongodb,
    "sparql": _sparql,
    "virtuoso": _virtuoso,
    "postgresql": _postgresql,
    "duckdb": _duckdb,
}


def count(name: str, url: str, graph: Graph) -> str:
    """Whether what stands in a database is what the graph has."""
    sys.path.insert(0, str(TESTS))
    from databases import Server  # type: ignore[import-not-found]
    from read_back import READERS, Content, of_triples  # type: ignore[import-not-found]

    port = url.rpartition("@")[2].rpartition("//")[2].partition("/")[0].rpartition(":")[2]
    if name == "virtuoso":
        found = of_triples(f"http://127.0.0.1:{port}/sparql", **{"default-graph-uri": GRAPH})
    else:
        found = READERS[name](
            Server([], Path(), int(port or 0) if name != "duckdb" else 0, url, lambda: None)
        )
    wanted = Content.of(graph, pairs=name in ("sparql", "virtuoso"))
    if found != wanted:
        raise SystemExit(f"{name} has {found}, and the graph {wanted}")
    return f"{sum(found.types.values())} {sum(found.relations.values())}"


def make(records: Path, file: Path) -> str:
    """Keep a graph of records in a file, with qualified names spelled as a reader of documents leaves them."""
    graph = graph_of(records)
    graph.store.run(
        f"UPDATE {graph.schema}.attribute_key SET datatype = '{QUALIFIED_NAME}' WHERE datatype = 'prov:QUALIFIED_NAME'"
    )
    graph.keep(file)
    return str(count_of(graph))


def main(work: str, name: str, url: str, file: str = "") -> str:
    """Do one of the works; return what it prints."""
    if work == "graph":
        return make(Path(name), Path(url))
    graph, address = Graph.open(file), Address.parse(url)
    if work == "count":
        return count(name, url, graph)
    settings = Settings(graph=GRAPH if name == "virtuoso" else None)
    send: Callable[[], object] = lambda: push_graph(graph, address, settings)  # noqa: E731
    if work == "ready":
        send = READY[name](graph, address)
    begun = time.perf_counter()
    send()
    return f"{time.perf_counter() - begun:.3f}"


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
