"""Faults between a server and who reads it are survived, or told in one sentence with nothing half done."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from faults import FAULTS, once_each
from servers import Answer, MlflowServer, Request, door, served
from test_server import Tables, experiments, sortable, tables_of

from heeding import heed_signals
from mlflow2prov import cli
from mlflow2prov.errors import SourceError
from mlflow2prov.sources.mlflow.http_client import HttpClient, HttpSettings, RefusedError
from mlflow2prov.sources.mlflow.parts import Wanted
from mlflow2prov.sources.mlflow.server import read_server

PATIENT = HttpSettings(max_retries=3, backoff_factor=0.01, backoff_jitter=0, timeout_s=0.5)
LITTLE = Wanted(skip=frozenset({"artifacts", "traces", "evaluation_datasets"}))
SKIPPED = "--skip=artifacts,traces,evaluation_datasets"
VARIABLES = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0.01",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "0.5",
}
PASSING = [name for name, fault in FAULTS.items() if fault.passes]
"""Faults that are over when a request is sent again."""


@pytest.fixture(scope="module")
def quiet_tables(server: MlflowServer) -> Tables:
    return tables_of(read_server(server.url, LITTLE, settings=HttpSettings()))


@pytest.mark.parametrize("first", [0, len(PASSING) // 2])
def test_faults_that_pass_change_nothing(server: MlflowServer, quiet_tables: Tables, first: int) -> None:
    spoil = once_each(PASSING[first:] + PASSING[:first])
    with door(lambda _: None, server.url, spoil=spoil) as front:
        found = tables_of(read_server(front.url, LITTLE, settings=PATIENT))
    found["mlflow_store"][0]["uri"] = quiet_tables["mlflow_store"][0]["uri"]
    assert {name: sortable(rows) for name, rows in found.items()} == {
        name: sortable(rows) for name, rows in quiet_tables.items()
    }


def is_untouched(result: Path) -> bool:
    return [*result.parent.iterdir()] == [result] and result.read_text() == "what was there before"


@pytest.mark.parametrize(
    ("where", "name"),
    [
        *(("runs/search", name) for name in FAULTS),
        ("get-history-bulk", "an end in the middle"),
        ("get-history-bulk", "429"),
        ("get-history-bulk", "JSON that ends early"),
        ("registered-models/search", "a page without end"),
        ("metrics/get-history?", "a page without end"),
        ("/version", "a gigabyte"),
    ],
)
def test_a_fault_that_stays_is_told_and_leaves_the_output_alone(
    server: MlflowServer,
    name: str,
    where: str,
    result: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    fault = FAULTS[name]
    for variable, value in VARIABLES.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr("mlflow2prov.sources.mlflow.http_client._MOST_BYTES", 20_000_000)

    def spoil(request: Request, answer: Answer) -> Answer:
        return fault.spoil(request, answer) if where in request.path else answer

    def lacks_bulk(request: Request) -> Answer | None:
        return Answer(404) if where.endswith("history?") and "bulk" in request.path else None

    with door(lacks_bulk, server.url, spoil=spoil) as front:
        code = cli.run(["extract", "--mlflow_url", front.url, SKIPPED, "save", "--output", str(result)])
    said = capfd.readouterr().err
    if fault.told is None or where == "/version":
        assert code == 0 and not is_untouched(result), said
        return
    errors = [line for line in said.splitlines() if "warning: " not in line]
    assert code == 1 and len(errors) == 1, said
    assert re.match(f"mlflow2prov: error: .*{fault.told}", errors[0]), errors[0]
    assert is_untouched(result)


# ---- The server, or who reads it, comes to an end ------------------------------------------------


def extraction(url: str, result: Path, **variables: str) -> subprocess.Popen[str]:
    """The command line, in a process of its own."""
    command = [sys.executable, "-m", "mlflow2prov", "extract", "--mlflow_url", url, SKIPPED]
    command += ["save", "--output", str(result)]
    return subprocess.Popen(
        command,
        env=os.environ | VARIABLES | variables,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        preexec_fn=heed_signals,
    )


def test_a_server_that_is_killed_is_told(server: MlflowServer, result: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(server.database.read_bytes())
    with served(tmp_path, f"sqlite:///{copy}") as url:

        def kill(request: Request) -> Answer | None:
            if "get-history-bulk" in request.path and url.process.poll() is None:
                url.kill()
                return Answer(200, hangs_up=True)
            return None

        with door(kill, url) as front, extraction(front.url, result) as program:
            said = program.communicate(timeout=60)[1]
    assert program.returncode == 1
    assert re.fullmatch(r"mlflow2prov: error: \S+get-history-bulk answered with error 502; .*\n", said), said
    assert is_untouched(result)


@pytest.mark.parametrize("where", ["runs/search", "get-history-bulk"])
def test_ctrl_c_does_not_wait_for_answers(server: MlflowServer, result: Path, where: str) -> None:
    asked, over = threading.Event(), threading.Event()

    def slow(request: Request) -> Answer | None:
        if where in request.path:
            asked.set()
            over.wait(60)
        return None

    with door(slow, server.url) as front:
        try:
            with extraction(front.url, result, MLFLOW_HTTP_REQUEST_TIMEOUT="60") as program:
                assert asked.wait(60)
                begun = time.monotonic()
                program.send_signal(signal.SIGINT)
                said = program.communicate(timeout=60)[1]
                spent_s = time.monotonic() - begun
        finally:
            over.set()
    assert (program.returncode, said.strip()) == (130, "mlflow2prov: error: interrupted")
    assert spent_s < 10 and is_untouched(result)


# ---- Patience ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["Python", "command line", "YAML"])
def test_no_more_requests_are_under_way_than_allowed(server: MlflowServer, way: str, tmp_path: Path) -> None:
    lock = threading.Lock()
    under_way, most = 0, 0

    def counted(request: Request) -> Answer | None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        return None

    def left(_: Request, answer: Answer) -> Answer:
        nonlocal under_way
        with lock:
            under_way -= 1
        return answer

    with door(counted, server.url, spoil=left) as front:
        if way == "Python":
            tables_of(read_server(front.url, LITTLE, settings=HttpSettings(concurrency=3)))
        elif way == "command line":
            assert cli.run(["extract", "--mlflow_url", front.url, SKIPPED, "--concurrency", "3"]) == 0
        else:
            step = {"extract": {"mlflow_url": front.url, "skip": SKIPPED.partition("=")[2], "concurrency": 3}}
            (tmp_path / "steps.yaml").write_text(json.dumps([step]))
            assert cli.run(["--config", str(tmp_path / "steps.yaml")]) == 0
    assert most == 3


@pytest.mark.parametrize("number", ["0", "-1", "many", "1.5", "9" * 30])
def test_a_number_of_requests_that_can_not_be_is_refused(
    number: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["extract", "--mlflow_url", "http://localhost:1", "--concurrency", number]) == 2
    step = {"extract": {"mlflow_url": "http://localhost:1", "concurrency": number}}
    (tmp_path / "steps.yaml").write_text(json.dumps([step]))
    assert cli.run(["--validate", str(tmp_path / "steps.yaml")]) == 2
    assert capfd.readouterr().err.count("has to be a whole number from 1 on") == 2


@pytest.mark.parametrize("respect", [True, False])
def test_a_time_to_wait_that_the_server_names_is_kept(respect: bool) -> None:
    times: list[float] = []

    def busy(request: Request) -> Answer | None:
        if "experiments/search" not in request.path:
            return experiments(request)
        times.append(time.monotonic())
        return Answer(429, headers={"Retry-After": "1"}) if len(times) == 1 else experiments(request)

    settings = HttpSettings(backoff_factor=0, backoff_jitter=0, respect_retry_after=respect)
    with door(busy) as small:
        tables_of(read_server(small.url, settings=settings))
    assert (times[1] - times[0] >= 1) is respect


def test_an_answer_that_drips_is_given_up() -> None:
    def drops(_: Request) -> Answer:
        return Answer(200, (time.sleep(0.05) or b" " for _ in range(1_000)), length=1_000)

    settings = HttpSettings(max_retries=0, timeout_s=0.1)
    with door(drops) as small, HttpClient(small.url, settings) as client:
        with pytest.raises(RefusedError, match="did not answer"):
            client.request("x")
        assert len(small.seen) == 1


def test_a_body_of_any_size_comes_in_pieces() -> None:
    pieces = 30

    def large(request: Request) -> Answer:
        if len(small.seen) == 1:
            return Answer(503)
        size = pieces * 1_000_000
        return Answer(200, (b"x" * 1_000_000 for _ in range(pieces)), length=size, cut="cut" in request.path)

    with door(large) as small, HttpClient(small.url, PATIENT, most_bytes=1_000) as client:
        assert sum(map(len, client.stream("whole"))) == pieces * 1_000_000
        with pytest.raises(SourceError, match="broke the connection"):
            list(client.stream("cut"))
        assert [it.path for it in small.seen] == ["/whole", "/whole", "/cut"]
