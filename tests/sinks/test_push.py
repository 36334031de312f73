"""Graphs are pushed into real databases, and read back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from databases import NAMES, SERVERS, Server, free_port
from read_back import READERS, Content

from mlflow2prov import Graph, load
from mlflow2prov.errors import SinkError
from mlflow2prov.sinks import (
    Settings,
    graph_store,
    graph_store_client,
    mongodb,
    neo4j,
    postgresql_rows,
    push,
    records,
    sink_of,
)
from mlflow2prov.sinks.address import Address


@pytest.fixture(scope="module", params=NAMES)
def server(request: pytest.FixtureRequest, started: Callable[[str], Server]) -> Server:
    """A server of each sink."""
    return started(request.param)


def content(server: Server) -> Content:
    return READERS[sink_of(Address.parse(server.url)).name](server)


def expected(server: Server, graph: Graph) -> Content:
    return Content.of(graph, pairs=server.url.startswith("http"))


def test_what_is_pushed_is_there_and_twice_is_once(server: Server, demo: Graph) -> None:
    demo.push(server.url, replace=True)
    assert content(server) == expected(server, demo)
    demo.push(server.url)
    assert content(server) == expected(server, demo)


def test_a_graph_that_has_grown_adds_what_is_new(server: Server, demo: Graph) -> None:
    part = demo.select(exclude_types=["Metric"])
    part.push(server.url, replace=True)
    assert content(server) == expected(server, part)
    assert content(server) != expected(server, demo)
    demo.push(server.url)
    assert content(server) == expected(server, demo)


def test_replacing_removes_what_was_there(server: Server, demo: Graph) -> None:
    demo.push(server.url)
    few = demo.select(types=["Commit", "User"])
    few.push(server.url, replace=True)
    assert content(server) == expected(server, few)


def many(folder: Path, count: int) -> Graph:
    """A graph of many elements, each with its generation."""
    entities = ",".join(f'"ex:e{n}": {{"ex:n": {{"$": "{n}", "type": "xsd:int"}}}}' for n in range(count))
    generated = ",".join(
        f'"_:g{n}": {{"prov:entity": "ex:e{n}", "prov:activity": "ex:a"}}' for n in range(count)
    )
    (folder / "many.json").write_text(
        f'{{"prefix": {{"ex": "http://example.org/"}}, "activity": {{"ex:a": {{}}}}, "entity": {{{entities}}}, '
        f'"wasGeneratedBy": {{{generated}}}}}'
    )
    return load(folder / "many.json")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Portions are small, and a server that is away is not waited for."""
    monkeypatch.setattr(graph_store, "PORTION_BYTES", 20_000)
    monkeypatch.setattr(graph_store_client, "_TRIES", 1)
    monkeypatch.setattr(records, "BATCH_ROWS", 300)
    monkeypatch.setattr(neo4j, "_ROWS", 300)
    monkeypatch.setattr(neo4j, "_RETRY_S", 0.5)
    monkeypatch.setattr(mongodb, "_PATIENCE_MS", 1_000)
    monkeypatch.setattr(postgresql_rows, "BATCH_ROWS", 300)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_a_server_that_dies_is_one_error_and_the_next_push_completes(
    server: Server, started: Callable[[str], Server], tmp_path: Path
) -> None:
    if server.url.startswith("mongodb"):
        server = started("mongodb, killed")
    graph = many(tmp_path, 1_200)
    Graph.empty().push(server.url, replace=True)
    said: list[Mapping[str, int]] = []

    def report(_: str, counts: Mapping[str, int]) -> None:
        said.append(dict(counts))
        if len(said) == 2:
            server.kill()

    try:
        with pytest.raises(SinkError, match=r"can't be reached.*: .*push(ing)? again") as caught:
            push(graph, Address.parse(server.url), Settings(report=report))
    finally:
        server.start()
    assert "\n" not in str(caught.value)
    assert "p@ss" not in str(caught.value)
    graph.push(server.url)
    assert content(server).relations == Content.of(graph).relations


URLS = {
    "neo4j": "bolt://root:secret-word@127.0.0.1:{port}/prov",
    "mongodb": "mongodb://root:secret-word@127.0.0.1:{port}/prov?serverSelectionTimeoutMS=500",
    "sparql": "http://root:secret-word@127.0.0.1:{port}/store",
    "postgresql": "postgresql://root:secret-word@127.0.0.1:{port}/postgres",
}


@pytest.mark.parametrize("name", SERVERS)
def test_nobody_there_is_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"entity": {"ex:a": {}}, "prefix": {"ex": "http://example.org/"}}')
    command = [
        sys.executable,
        "-m",
        "mlflow2prov",
        "load",
        "--input",
        str(tmp_path / "a.json"),
        "push",
        "--to",
    ]
    done = subprocess.run(
        [*command, URLS[name].format(port=free_port())], capture_output=True, encoding="utf-8", timeout=100
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "can't be reached" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "secret-word" not in done.stderr
