"""Servers behind TLS: who is trusted, and that nobody else gets anything."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from databases import ESCAPED, NEEDED, PASSWORD, Server, connection, postgresql
from fronts import certificate, encrypted
from read_back import READERS, Content

from mlflow2prov import Graph, load
from mlflow2prov.errors import SinkError
from mlflow2prov.sinks import graph_store_client, mongodb, neo4j

Start = Callable[[str], Server]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for."""
    monkeypatch.setattr(graph_store_client, "_TRIES", 1)
    monkeypatch.setattr(neo4j, "_RETRY_S", 0.5)
    monkeypatch.setattr(neo4j, "_CONNECT_S", 2.0)
    monkeypatch.setattr(mongodb, "_PATIENCE_MS", 1_500)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of one's own."""
    return certificate(tmp_path_factory.mktemp("pem"))


@pytest.fixture(scope="module")
def other_pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that is not the server's."""
    return certificate(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a small graph."""
    file = tmp_path_factory.mktemp("few") / "few.json"
    file.write_text(
        '{"prefix": {"ex": "http://example.org/", "m2p": "https://w3id.org/mlflow2prov#"}, "agent": {"ex:ada": {'
        '"prov:type": {"$": "m2p:User", "type": "prov:QUALIFIED_NAME"}}}, "entity": {"ex:e": {}}, '
        '"wasAttributedTo": {"_:a": {"prov:entity": "ex:e", "prov:agent": "ex:ada"}}}'
    )
    return file


def pushed(file: Path, url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Push in a process of its own, since trust is read from the environment once."""
    command = [sys.executable, "-m", "mlflow2prov", "load", "--input", str(file), "push", "--to", url]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, encoding="utf-8", timeout=100
    )


def refusal(file: Path, url: str) -> str:
    """The one sentence with which a push is refused."""
    with pytest.raises(SinkError) as caught:
        load(file).push(url, environment={})
    said = str(caught.value)
    assert "\n" not in said
    assert PASSWORD not in said
    assert ESCAPED not in said
    return said


SAFELY = {
    "neo4j": ("bolt+s://root:{password}@127.0.0.1:{port}/prov", None),
    "mongodb": ("mongodb://127.0.0.1:{port}/prov?tls=true&directConnection=true", "&tlsCAFile={pem}"),
    "sparql": ("https://127.0.0.1:{port}/store", None),
}


@pytest.mark.parametrize("name", SAFELY)
def test_an_encrypted_server_is_trusted_by_an_authority_of_ones_own(
    name: str, started: Start, pem: Path, few: Path
) -> None:
    server = started(name)
    Graph.empty().push(server.url, replace=True)
    url, own = SAFELY[name]
    with encrypted(server.port, pem) as port:
        to = url.format(password=ESCAPED, port=port)
        assert "certificate" in refusal(few, to).lower()
        assert READERS[name](server) == Content.of(Graph.empty())
        spelled = f"{to}{own.format(pem=pem)}" if own else to
        done = pushed(few, spelled, **({} if own else {"SSL_CERT_FILE": str(pem)}))
    assert (done.returncode, done.stderr) == (0, "")
    assert READERS[name](server) == Content.of(load(few), pairs=name == "sparql")


UNCHECKED = {
    "neo4j": "bolt+ssc://root:{password}@127.0.0.1:{port}/prov",
    "mongodb": "mongodb://127.0.0.1:{port}/prov?tls=true&tlsInsecure=true&directConnection=true",
}


@pytest.mark.parametrize("name", UNCHECKED)
def test_an_encrypted_server_need_not_be_vouched_for_where_the_url_says_so(
    name: str, started: Start, pem: Path, few: Path
) -> None:
    server = started(name)
    Graph.empty().push(server.url, replace=True)
    with encrypted(server.port, pem) as port:
        load(few).push(UNCHECKED[name].format(password=ESCAPED, port=port))
    assert READERS[name](server) == Content.of(load(few))


@pytest.mark.parametrize("scheme", ["neo4j+s", "neo4j+ssc", "bolt+s"])
def test_a_server_that_does_not_encrypt_is_told(scheme: str, started: Start, few: Path) -> None:
    said = refusal(few, f"{scheme}://root:{ESCAPED}@127.0.0.1:{started('neo4j').port}/prov")
    assert "can't be reached" in said


@pytest.mark.parametrize("name", ["mongodb", "sparql"])
def test_plain_words_to_an_encrypted_server_are_told(name: str, started: Start, pem: Path, few: Path) -> None:
    with encrypted(started(name).port, pem) as port:
        plain = SAFELY[name][0].format(port=port).replace("tls=true", "tls=false").replace("https", "http")
        assert "can't be reached" in refusal(few, plain)


needs_postgresql = [*NEEDED["postgresql"]]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, pem: Path) -> Iterator[Server]:
    """PostgreSQL that lets nobody in who does not encrypt."""
    server = postgresql(tmp_path_factory.mktemp("strict"))
    own = server.folder / "server.pem"
    own.write_bytes(pem.read_bytes())
    own.chmod(0o600)
    if server.owner:
        os.chown(own, server.owner["user"], server.owner["group"])
    (server.folder / "data" / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    settings = {"ssl": "on", "ssl_cert_file": own, "ssl_key_file": own}
    server.command = [
        *server.command,
        *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
    ]
    with server:
        yield server


def tables(server: Server) -> int:
    """How many tables of ours there are."""
    with closing(connection(server.port)) as opened, opened.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'prov'")
        ((count,),) = cursor.fetchall()
        return int(count)


@pytest.mark.usefixtures("strict")
class TestPostgreSql:
    """Where ``sslmode`` says how much is checked."""

    pytestmark = needs_postgresql

    def test_who_is_not_trusted_gets_nothing(
        self, strict: Server, few: Path, other_pem: Path, pem: Path
    ) -> None:
        for words in (
            "sslmode=verify-full",
            f"sslmode=verify-full&sslrootcert={other_pem}",
            f"sslmode=verify-ca&sslrootcert={other_pem}",
        ):
            assert "can't be reached safely (see sslmode and sslrootcert)" in refusal(
                few, f"{strict.url}?{words}"
            )
        elsewhere = strict.url.replace("127.0.0.1", "localhost")
        assert "can't be reached safely" in refusal(few, f"{elsewhere}?sslmode=verify-full&sslrootcert={pem}")
        plain = refusal(few, f"{strict.url}?sslmode=disable")
        assert "lets nobody in from here that way (see its pg_hba.conf, and sslmode)" in plain
        assert tables(strict) == 0

    @pytest.mark.parametrize("words", ["", "?sslmode=require", "?sslmode=verify-full&sslrootcert={pem}"])
    def test_who_is_trusted_gets_it(self, words: str, strict: Server, few: Path, pem: Path) -> None:
        load(few).push(f"{strict.url}{words.format(pem=pem)}", replace=True)
        assert READERS["postgresql"](strict) == Content.of(load(few))
