"""URLs that lead nowhere are told before anything is sent, in one sentence, without credentials."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlflow2prov import Graph, load
from mlflow2prov.errors import SinkError, UsageError

WRONG = {
    "bolt://ada:secret-word@host:99999/prov": "'host:99999' is no host",
    "neo4j://ada:secret-word@host:0": "'host:0' is no host",
    "bolt+s://ada:secret-word@host:abc": "'host:abc' is no host",
    "bolt://ada:secret-word@host?x=1": "Routing context",
    "mongodb://one:27017,two:99999/prov": "'two:99999' is no host",
    "mongodb://ada:secret-word@host/prov/": "Bad database name",
    "mongodb://ada:secret-word@host/prov?tls=maybe": "The value of tls must be",
    "mongodb://ada:secret-word@host/prov?nonsense=1": "Unknown option",
    "mongodb://ada:secret-word@host/prov?tls=true&tlsCAFile=/nowhere.pem": "file is not readable",
    "postgresql://ada:secret-word@host:65536/science": "'host:65536' is no host",
    "postgresql://ada:secret-word@[::1/science": "'[::1' is no host",
    "postgresql://ada:secret-word@host/science?nonsense=1": 'invalid URI query parameter: "nonsense"',
    "postgresql://ada:secret-word@host/science?sslmode=maybe": 'invalid sslmode value: "maybe"',
    "postgresql://ada:secret-word@host/%zz": "invalid percent-encoded token",
    "http://ada:secret-word@[::1/store": "'[::1' is no host",
    "http://ada:secret-word@host:0/store": "'host:0' is no host",
    "http://ada:secret-word@host/store#part": "a sign # in a URL is written as %23",
    "https:///store": "it names no host",
    "http://ada:secret@word@host/store": "that is no URL",
    "bolt://ada:secret/word@host": "that is no URL",
    "bolt:host": "that is no URL",
    "": "that is no URL",
    "mysql://host/science": "its URL has to begin with one of bolt://",
    "duckdb://": "it names no file",
    "duckdb:///folder/": "it names no file",
    "duckdb://a.duckdb?schema=pg_toast": "its schema has to have a name",
}
"""URLs, and what their errors say."""


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_url_is_a_wrong_usage(url: str) -> None:
    with pytest.raises(UsageError, match=r"^can't push to ") as caught:
        Graph.empty().push(url, environment={})
    said = str(caught.value)
    assert WRONG[url] in said
    assert "\n" not in said
    assert "secret" not in said


@pytest.mark.parametrize("url", ["bolt://h:99999", "mongodb://h/p?tls=maybe", "http://h/store#part"])
def test_a_wrong_url_ends_the_command_with_the_code_of_a_wrong_usage(url: str, tmp_path: Path) -> None:
    file = Graph.empty().save(tmp_path / "a.json")
    command = [sys.executable, "-m", "mlflow2prov", "load", "--input", str(file), "push", "--to", url]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=100)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("name", ["", "x" * 300, "no/such/folder.duckdb"])
def test_a_file_that_can_not_be_made_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="can't be") as caught:
        Graph.empty().push(f"duckdb://{tmp_path / name}")
    assert "\n" not in str(caught.value)


def test_a_file_may_have_a_colon_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        Graph.empty().push("duckdb://wine:1.duckdb?schema=main")
    assert load("wine:1.duckdb").count("element") == 0
    assert (tmp_path / "wine:1.duckdb").is_file()


@pytest.mark.parametrize("port", [1, 99999])
def test_a_proxy_that_is_not_there_is_told_without_its_credentials(port: int) -> None:
    around = {"http_proxy": f"http://ada:secret-word@127.0.0.1:{port}"}
    with pytest.raises(SinkError, match=f"by way of the proxy http://127.0.0.1:{port}: ") as caught:
        Graph.empty().push("http://host.invalid/store", environment=around)
    assert "secret-word" not in str(caught.value)
    assert "\n" not in str(caught.value)
