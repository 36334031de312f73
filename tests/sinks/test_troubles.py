"""What goes wrong between a graph and a database is one clear sentence, without credentials."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from databases import ESCAPED, MAKERS, NEEDED, PASSWORD, SERVERS, Server, connection, oxigraph
from fronts import PASSWORD as SESAME
from fronts import USER, Digest, Front, basic
from read_back import READERS, Content

from mlflow2prov import Graph, load
from mlflow2prov.errors import SinkError
from mlflow2prov.sinks import graph_store, graph_store_client, mongodb, neo4j

Start = Callable[[str], Server]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Portions are small, and nobody is waited for."""
    monkeypatch.setattr(graph_store, "PORTION_BYTES", 20_000)
    monkeypatch.setattr(graph_store_client, "_TRIES", 1)
    monkeypatch.setattr(neo4j, "_RETRY_S", 0.5)
    monkeypatch.setattr(neo4j, "_CONNECT_S", 2.0)
    monkeypatch.setattr(mongodb, "_PATIENCE_MS", 1_500)


def failure(graph: Graph, url: str, environment: dict[str, str] | None = None) -> str:
    """The one sentence that a push ends with."""
    with pytest.raises(SinkError) as caught:
        graph.push(url, environment=environment or {})
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(("push again", "pushing again goes on")) or "push into another one" in said
    for secret in (PASSWORD, ESCAPED, SESAME, quote(SESAME), "not-the-password"):
        assert secret not in said
    return said


def wrong_password(server: Server) -> str:
    return server.url.replace(f":{ESCAPED}@", ":not-the-password@")


@pytest.mark.parametrize("name", ["neo4j", pytest.param("postgresql", marks=NEEDED["postgresql"])])
def test_a_wrong_password_is_told(name: str, started: Start, demo: Graph) -> None:
    said = failure(demo, wrong_password(started(name)))
    assert "does not let us in (give user and password in the URL, or as MLFLOW2PROV_PUSH_USER" in said


@pytest.mark.parametrize("name", ["neo4j", pytest.param("postgresql", marks=NEEDED["postgresql"])])
def test_user_and_password_come_from_the_environment(name: str, started: Start, demo: Graph) -> None:
    server = started(name)
    url = server.url.replace(f"root:{ESCAPED}@", "")
    few = demo.select(types=["User"])
    few.push(url, environment={"MLFLOW2PROV_PUSH_USER": "root", "MLFLOW2PROV_PUSH_PASSWORD": PASSWORD})
    failure(few, url, {"MLFLOW2PROV_PUSH_USER": "root", "MLFLOW2PROV_PUSH_PASSWORD": "not-the-password"})


def test_mongodb_that_asks_for_a_password_is_told(tmp_path: Path, started: Start, demo: Graph) -> None:
    server = started("mongodb")
    url = server.url.replace("mongodb://", "mongodb://ada:not-the-password@")
    assert "does not let us in" in failure(demo, url)


@pytest.fixture(scope="module")
def refused() -> dict[str, tuple[str, str]]:
    """URLs at which a server of another kind is, and what is said then."""
    return {
        "neo4j": ("bolt://127.0.0.1:{port}/prov", "can't be reached, or does not speak Bolt"),
        "mongodb": ("mongodb://127.0.0.1:{port}/prov", "can't be reached, or is no MongoDB"),
        "sparql": ("http://127.0.0.1:{port}/store", "can't be reached, or does not speak HTTP"),
        "postgresql": ("postgresql://127.0.0.1:{port}/postgres?connect_timeout=2", "can't be reached"),
    }


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_of_another_kind_is_told(
    name: str, started: Start, demo: Graph, refused: dict[str, tuple[str, str]]
) -> None:
    other = started("mongodb" if name == "sparql" else "sparql")
    url, meaning = refused[name]
    to = url.format(port=other.port)
    assert f"at {to} {meaning}: " in failure(demo, to)


FRONTS = {"basic": basic, "digest": Digest(3)}


@pytest.mark.parametrize("way", FRONTS)
def test_a_sparql_store_that_asks_who_pushes(way: str, started: Start, demo: Graph) -> None:
    server = started("sparql")
    front = Front(server.port, FRONTS[way])
    with front.open() as url:
        assert "does not let us in" in failure(demo, url)
        signed = url.replace("//", f"//{USER}:not-the-password@")
        assert "does not let us in" in failure(demo, signed)
        front.seen.clear()
        demo.push(url.replace("//", f"//{USER}:{quote(SESAME)}@"), replace=True)
        assert READERS["sparql"](server) == Content.of(demo, pairs=True)
        # A nonce that is used up is replaced, and the portion is sent again.
        assert front.seen.count(401) == 1 if way == "basic" else front.seen.count(401) > 2


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (403, "does not let this user write"),
        (405, "is no place to add data"),
        (415, "does not take N-Triples"),
        (507, "is full"),
        (500, "refuses with status 500"),
        (503, "refuses with status 503"),
    ],
)
def test_what_a_sparql_store_answers_is_told(status: int, meaning: str, started: Start, demo: Graph) -> None:
    front = Front(started("sparql").port, lambda method, _, __: (status, {}) if method == "POST" else None)
    with front.open() as url:
        assert f"{url} {meaning}" in failure(demo, url)


def test_a_sparql_store_gets_what_it_takes_at_once(
    started: Start, demo: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_store, "PORTION_BYTES", 2**20)
    server = started("sparql")
    front = Front(server.port, lambda _, __, size: (413, {}) if size > 100_000 else None)
    with front.open() as url:
        demo.push(url, replace=True)
    assert 413 in front.seen
    assert READERS["sparql"](server) == Content.of(demo, pairs=True)


@pytest.mark.parametrize("name", [pytest.param("postgresql", marks=NEEDED["postgresql"])])
def test_a_server_that_should_be_encrypted_and_is_not_is_told(name: str, started: Start, demo: Graph) -> None:
    assert "can't be reached safely" in failure(demo, f"{started(name).url}?sslmode=require")


def test_a_sparql_store_that_only_reads_is_told(tmp_path: Path, demo: Graph) -> None:
    server = oxigraph(tmp_path)
    with server:
        pass
    server.command = [*server.command[:1], "serve-read-only", *server.command[2:]]
    with server:
        assert "does not let this user write" in failure(demo, server.url)


@pytest.fixture
def limited() -> Callable[[Server], Any]:
    """Make the disk of a server full for a ``with`` block: no file of it can grow over some size."""

    @contextmanager
    def limit(server: Server) -> Iterator[None]:
        assert server.process is not None
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (2**16, most))
        try:
            yield
        finally:
            server.kill()
            server.start()

    return limit


def much(folder: Path, count: int) -> Graph:
    """A graph that takes some room."""
    texts = ",".join(f'"ex:e{n}": {{"ex:text": "{n} {"word " * 100}"}}' for n in range(count))
    made = ",".join(f'"_:g{n}": {{"prov:entity": "ex:e{n}", "prov:activity": "ex:a"}}' for n in range(count))
    (folder / "much.json").write_text(
        f'{{"prefix": {{"ex": "http://example.org/"}}, "activity": {{"ex:a": {{}}}}, "entity": {{{texts}}}, '
        f'"wasGeneratedBy": {{{made}}}}}'
    )
    return load(folder / "much.json")


@pytest.mark.parametrize(
    ("name", "meaning"), [("sparql", "is full"), ("mongodb", "refuses"), ("neo4j", "refuses")]
)
def test_a_server_whose_disk_is_full_is_told_and_takes_the_rest_later(
    name: str, meaning: str, limited: Callable[[Server], Any], started: Start, tmp_path: Path
) -> None:
    graph, server = much(tmp_path, 1_000), started("mongodb, full" if name == "mongodb" else name)
    Graph.empty().push(server.url, replace=True)
    with limited(server):
        assert meaning in failure(graph, server.url)
    graph.push(server.url)
    assert READERS[name](server) == Content.of(graph)


@pytest.mark.parametrize("name", [pytest.param("postgresql", marks=NEEDED["postgresql"])])
def test_a_server_of_sql_whose_disk_is_full_is_told_and_takes_all_later(name: str, tmp_path: Path) -> None:
    graph, server = much(tmp_path, 6_000), MAKERS[name](tmp_path)
    command = server.command
    server.command = ["sh", "-c", 'ulimit -S -f 4096; exec "$@"', "sh", *command]  # blocks of 512 bytes
    with server:
        assert "is full" in failure(graph, server.url)
    server.command = command
    with server:
        graph.push(server.url)
        assert READERS[name](server) == Content.of(graph)


@pytest.mark.parametrize("server", [pytest.param("postgresql", marks=NEEDED["postgresql"])])
def test_who_may_not_write_is_told(server: str, started: Start, demo: Graph) -> None:
    port = started(server).port
    with closing(connection(port)) as opened, opened.cursor() as cursor:
        cursor.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        cursor.execute(f"CREATE ROLE still LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        cursor.execute("ALTER ROLE still SET default_transaction_read_only = on")
    url = started(server).url.replace("root:", "{}:")
    assert "does not let this user write there" in failure(demo, url.format("reader") + "?schema=other")
    assert "only reads" in failure(demo, url.format("still") + "?schema=other")
    assert "has no such database" in failure(demo, started(server).url.replace("/postgres", "/nowhere"))


def test_a_file_that_another_program_has_open_is_told(tmp_path: Path, demo: Graph) -> None:
    file = tmp_path / "a.duckdb"
    code = f"import duckdb; c = duckdb.connect({str(file)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert "is open in another program" in failure(demo, f"duckdb://{file}")
        other.communicate(b"\n")
    demo.push(f"duckdb://{file}")


def test_a_file_for_which_there_is_no_room_is_told(tmp_path: Path, demo: Graph) -> None:
    url = f"duckdb://{tmp_path / 'a.duckdb'}"
    demo.select(types=["User"]).push(url)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    code = (
        "import resource, sys\n"
        "from mlflow2prov import load\n"
        "graph = load(sys.argv[1])\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({2**16}, {most}))\n"
        "try:\n    graph.push(sys.argv[2])\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", code, str(demo.save(tmp_path / "all")), url]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.startswith("SinkError the file "), done.stdout
    assert len(done.stdout.splitlines()) == 1
    demo.push(url)
