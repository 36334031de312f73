"""Graphs are pushed into real databases, and read back."""

from __future__ import annotations

import json
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


PROV_TYPE = {"$": "m2p:Run", "type": "prov:QUALIFIED_NAME"}


def odd(folder: Path) -> Graph:
    """A graph of all that is odd about names, values, times and records."""
    values = {
        "number": 1,
        "several": [1, "one", 1.5, True],
        "nothing": "",
        "long": "x" * 200_000,
        "zero": "a\0b",
    }
    typed = {
        "double": ["NaN", "INF", "-INF", "1e400"],
        "long": ["9223372036854775808", "x", ""],
        "dateTime": ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "-0044-03-15T00:00:00Z", "soon"],
    }
    for datatype, texts in typed.items():
        values[f"a {datatype}"] = [{"$": text, "type": f"xsd:{datatype}"} for text in texts]
    values["q'u\"o`t.e$\\"] = [{"$": "Wein", "lang": "de"}, {"$": "wine", "lang": "en-GB"}]
    names = [
        "quote'\"s`",
        "new\nline",
        "z\0ero",
        "日本 🎉",
        "<b>",
        "l" * 4_000,
        "l" * 4_001,
        "$where",
        "a.b",
        "*",
        "a",
    ]
    entities = {f"ex:{name}": {"prov:label": name, "prov:type": PROV_TYPE} for name in names}
    entities["ex:values"] = {f"ex:{name}": value for name, value in values.items()}
    said = {"prov:collection": "ex:values", "prov:entity": "ex:a"}
    times = {"prov:startTime": "0001-01-01T00:00:00+14:00", "prov:endTime": "9999-12-31T23:59:59-14:00"}
    bundle = {"prefix": PREFIXES, "entity": {"ex:a": {"ex:number": "one"}, "ex:in": {}}}
    document = {
        "prefix": PREFIXES,
        "entity": entities,
        "activity": {"ex:a": times, "ex:b": {}},
        "agent": {"ex:a": {}},
    }
    document |= {"hadMember": {"_:1": said, "_:2": said}, "bundle": {"ex:b'u\"n": bundle}}
    made = {"prov:entity": "ex:a", "prov:activity": "ex:b", "prov:time": "0001-01-01T00:00:00Z"}
    document |= {
        "wasGeneratedBy": {"_:3": made, "_:4": {"prov:entity": "ex:*"}, "_:5": {"prov:activity": "ex:b"}}
    }
    (folder / "odd.json").write_text(json.dumps(document))
    return load(folder / "odd.json")


PREFIXES = {"ex": "http://example.org/", "m2p": "https://w3id.org/mlflow2prov#"}


def test_what_is_odd_is_there_and_twice_is_once(server: Server, tmp_path: Path) -> None:
    graph = odd(tmp_path)
    Graph.empty().push(server.url, replace=True)
    assert content(server) == Content.of(Graph.empty())
    for _ in range(2):
        graph.push(server.url)
        assert content(server) == expected(server, graph)


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
