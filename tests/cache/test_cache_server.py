"""A cache of a tracking server, which has no list of what changed."""

from __future__ import annotations

import logging
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.cache.test_cache import elements, told
from tests.heeding import heed_signals
from tests.sources.mlflow.servers import Answer, Request, door, served

from mlflow2prov import Graph, extract
from mlflow2prov.errors import SourceError
from mlflow2prov.graph.store import Store
from mlflow2prov.sources.mlflow import server, server_again, server_census, server_changes
from mlflow2prov.surroundings import Surroundings

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
"""MLflow's client works in this process, and warns of what is not our business."""

NAMESPACE = "http://mlflow.example.org/#"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its store."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A real server over a store that is made by its client."""
    options = ("--artifacts-destination", str(folder / "artifacts"))
    with served(folder, f"sqlite:///{folder / 'store.db'}", *options) as found:
        yield found


def client_of(url: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=url, registry_uri=url)


def new_run(client: Any, experiment: str, number: int) -> str:
    run_id: str = client.create_run(
        experiment, tags={"mlflow.user": "ann"}, run_name=f"run {number}"
    ).info.run_id
    for step in range(3):
        client.log_metric(run_id, "loss", number + step / 10, step=step)
    client.log_param(run_id, "p", number)
    client.log_text(run_id, "x", "a/b.txt")
    client.set_terminated(run_id)
    return run_id


class Reading:
    """Extractions of one server, full and with a cache."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.cache, self.store = url, folder / "c.duckdb", Store()
        self.surroundings = Surroundings(
            store=self.store, environment={"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
        )

    def full(self) -> Any:
        return told(extract(mlflow_url=self.url, mlflow_namespace=NAMESPACE, surroundings=self.surroundings))

    def cached(self) -> Graph:
        return extract(
            mlflow_url=self.url, mlflow_namespace=NAMESPACE, cache=self.cache, surroundings=self.surroundings
        )


def test_what_changes_at_a_server_is_found(url: str, tmp_path: Path) -> None:
    client, reading = client_of(url), Reading(url, tmp_path)
    experiment = client.create_experiment("changes")
    runs = [new_run(client, experiment, number) for number in range(4)]
    model = client.create_logged_model(experiment, name="m", source_run_id=runs[0])
    client.create_registered_model("wine")
    for run_id in runs[:2]:
        client.create_model_version("wine", f"runs:/{run_id}/model", run_id)
    client.set_registered_model_alias("wine", "best", "1")
    reading.cached()
    assert told(reading.cached()) == reading.full()

    runs.append(new_run(client, experiment, 5))
    client.log_metric(runs[1], "late", 1, step=4)
    client.set_tag(runs[2], "k", "v")
    client.set_tag(runs[2], "mlflow.parentRunId", runs[4])
    client.log_text(runs[4], "y", "c.txt")
    client.set_logged_model_tags(model.model_id, {"a": "b"})
    assert told(reading.cached()) == reading.full()

    client.delete_run(runs[3])
    graph = reading.cached()
    deletion = elements(graph, "Deletion")[f"Deletion.run--{runs[3]}"]
    assert deletion["not_before"] < deletion["not_after"]
    assert told(graph).keys() ^ reading.full().keys() == {
        record for record in told(graph).keys() ^ reading.full().keys() if "Deletion" in str(record)
    }

    client.set_registered_model_alias("wine", "best", "2")
    client.delete_model_version("wine", "1")
    client.delete_logged_model(model.model_id)
    graph = reading.cached()
    (version,) = (
        it for name, it in elements(graph, "RegisteredModelVersion").items() if name.endswith("--1")
    )
    assert version["run_id"] == runs[0]
    assert version["inferred"] == "true"
    assert len(elements(graph, "RegisteredModelAlias")) == 2
    assert any("Deletion.logged_model" in name for name in elements(graph, "Deletion"))


def in_a_large_store(monkeypatch: pytest.MonkeyPatch, **most: int) -> None:
    """Let a few runs be treated as if they were many, of which ``most`` are looked at in turn."""
    small = {"_FIRST_PAGE": 2, "_LARGEST_PAGE": 3, "_IDS": 2, "FEW_RUNS": 0, "_SLACK_MS": -(10**9)}
    for name, value in {**small, "MOST_RUNS": most.get("runs", 0)}.items():
        monkeypatch.setattr(server_again, name, value)
    monkeypatch.setattr(server_census, "FEW", 2)
    few = {"MOST_LINKS": most.get("links", 0), "MOST_MODELS": most.get("models", 0)}
    for name, value in {**few, "FEW_MODELS": 0, "MOST_LISTINGS": 0}.items():
        monkeypatch.setattr(server_changes, name, value)


def test_runs_that_look_as_before_are_looked_at_in_turn(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.entities import Dataset, DatasetInput, LoggedModelInput

    client, reading = client_of(url), Reading(url, tmp_path)
    experiment = client.create_experiment("turns")
    runs = [new_run(client, experiment, number) for number in range(6)]
    model = client.create_logged_model(experiment, name="late")
    in_a_large_store(monkeypatch, runs=3, links=2)
    reading.cached()
    client.set_tag(runs[0], "k", "v")
    dataset = Dataset(name="late", digest="1", source_type="code", source="{}")
    client.log_inputs(runs[1], datasets=[DatasetInput(dataset=dataset)])
    client.log_inputs(runs[2], models=[LoggedModelInput(model_id=model.model_id)])
    full = reading.full()
    readings = 0
    while told(reading.cached()) != full:
        readings += 1
        assert readings < 20


def test_runs_and_models_that_come_and_go_are_found_at_once(
    url: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, reading = client_of(url), Reading(url, tmp_path)
    experiments = [client.create_experiment(f"comings {number}") for number in range(3)]
    runs = [new_run(client, experiments[number % 3], number) for number in range(9)]
    models = [client.create_logged_model(experiments[0], name=f"m{number}").model_id for number in range(5)]
    for run_id in runs[:3]:
        client.delete_run(run_id)
    reading.cached()
    in_a_large_store(monkeypatch)
    assert told(reading.cached()) == reading.full()

    client.restore_run(runs[0])
    client.delete_run(runs[3])
    client.update_run(runs[4], status="RUNNING")
    imported = client.create_run(experiments[1], start_time=5, run_name="imported").info.run_id
    client.set_terminated(imported, end_time=6)
    client.delete_logged_model(models[1])
    graph = reading.cached()
    stages = {name.partition(".")[2]: it["status"] for name, it in elements(graph, "Run").items()}
    assert stages[runs[4]] == "RUNNING"
    assert imported in stages
    deletions = " ".join(elements(graph, "Deletion"))
    assert [gone for gone in (*runs[1:4], models[1].removeprefix("m-")) if gone not in deletions] == []
    assert runs[0] not in deletions

    with closing(sqlite3.connect(folder / "store.db")) as store:
        for table in ("tags", "params", "metrics", "latest_metrics", "runs"):
            store.execute(f"DELETE FROM {table} WHERE run_uuid IN (?, ?)", [runs[1], runs[5]])
        store.commit()
    deleted = elements(reading.cached(), "Deletion")
    forgotten = " ".join(name for name, it in deleted.items() if "forgotten_by" in it)
    assert runs[1] in forgotten
    assert runs[5] in forgotten


def test_little_is_asked_of_a_server_where_nothing_changed(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(url)
    experiment = client.create_experiment("quiet")
    for number in range(8):
        client.delete_run(new_run(client, experiment, number))
    searches: list[str] = []

    def rule(request: Request) -> Answer | None:
        if request.path.endswith("runs/search"):
            searches.append(request.path)
        return None

    in_a_large_store(monkeypatch)
    monkeypatch.setattr(server_again, "_IDS", 1_000)
    with door(rule, url) as before:
        reading = Reading(before.url, tmp_path)
        reading.cached()
        searches.clear()
        with caplog.at_level(logging.INFO, logger="mlflow2prov"):
            reading.cached()
    # The newest, those that ended, were deleted, restored, went on (two statuses), are open, and two for the number.
    assert len(searches) <= 9
    told_of = [it.args[1] for it in caplog.records if it.msg == "%s: looked at %d runs" and it.args]
    assert len(told_of) == 1
    assert told_of[0] < 8, "the deleted runs are not told again"


def test_of_a_new_run_alone_points_links_and_artifacts_are_asked(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(url)
    experiment = client.create_experiment("one more")
    known = [new_run(client, experiment, number) for number in range(5)]
    models = [client.create_logged_model(experiment, name=f"known {number}").model_id for number in range(3)]
    asked: list[str] = []

    def rule(request: Request) -> Answer | None:
        asked.append(request.path)
        return None

    in_a_large_store(monkeypatch, models=100)
    with door(rule, url) as before:
        reading = Reading(before.url, tmp_path)
        reading.cached()
        new = new_run(client, experiment, 6)
        asked.clear()
        assert new in str(elements(reading.cached(), "Run"))
    alone = [path for path in asked if any(word in path for word in ("history", "runs/get", "artifacts"))]
    assert {word for word in ("history", "runs/get", "artifacts") if any(word in path for path in alone)} == {
        "history",
        "runs/get",
        "artifacts",
    }
    assert [path for path in alone if new not in path] == []
    assert [path for path in asked if any(one in path for one in (*known, *models))] == []


def test_models_are_looked_at_one_by_one_where_a_server_does_not_look_for_several(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(url)
    experiment = client.create_experiment("one by one")
    model = client.create_logged_model(experiment, name="m").model_id

    def refuse(request: Request) -> Answer | None:
        is_search = request.path.endswith("logged-models/search") and b"model_id IN" in request.body
        return (
            Answer(400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "IN"}') if is_search else None
        )

    in_a_large_store(monkeypatch, models=100)
    for key, rule in (("alone", refuse), ("together", lambda _: None)):
        with door(rule, url) as before:
            reading = Reading(before.url, tmp_path)
            reading.cached()
            client.set_logged_model_tags(model, {key: "x"})
            graph = reading.cached()
        assert key in {it["name"] for it in elements(graph, "LoggedModelTag").values()}
        reading.store.close()
        reading.cache.unlink()


def test_a_cache_of_a_server_survives_being_killed_and_interrupted(url: str, tmp_path: Path) -> None:
    client, ends = client_of(url), list[tuple[int, int]]()
    experiment = client.create_experiment("ends")
    for number in range(3):
        new_run(client, experiment, number)
    command = [sys.executable, "-m", "mlflow2prov", "extract", "--mlflow_namespace", NAMESPACE]
    program: list[subprocess.Popen[bytes]] = []
    asked: list[str] = []

    def rule(request: Request) -> Answer | None:
        """End the program at a request, before it has an answer."""
        asked.append(request.path)
        if program and ends and len(asked) == ends[0][0]:
            program[0].send_signal(ends[0][1])
            return Answer(200, hangs_up=True)
        return None

    with door(rule, url) as before:
        reading = Reading(before.url, tmp_path)
        command += ["--mlflow_url", before.url, "--cache", str(reading.cache)]

        def end(at: int, number: int) -> int:
            ends[:] = [(at, number)]
            asked.clear()
            with subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=heed_signals) as begun:
                program[:] = [begun]
                begun.communicate(timeout=300)
            ends.clear()
            return begun.returncode

        assert end(2, signal.SIGKILL) == -signal.SIGKILL
        assert end(6, signal.SIGINT) == 130
        assert end(11, signal.SIGKILL) == -signal.SIGKILL
        assert told(reading.cached()) == reading.full()
        reading.store.close()  # which lets the cache go
        new_run(client, experiment, 4)
        assert end(3, signal.SIGKILL) == -signal.SIGKILL
        assert end(9, signal.SIGINT) == 130
        reading = Reading(before.url, tmp_path)
        assert told(reading.cached()) == reading.full()


def test_a_first_reading_that_was_broken_off_goes_on(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(url)
    experiment = client.create_experiment("broken off")
    for number in range(6):
        new_run(client, experiment, number)
    monkeypatch.setattr(server, "_RUNS_AT_ONCE", 1)
    asked: list[set[str]] = []
    broken = [True]

    def rule(request: Request) -> Answer | None:
        """Break off at the first request for other runs than the two that are read first."""
        if "get-history-bulk" in request.path:
            runs = set(re.findall("run_id=([0-9a-f]{32})", request.path))
            if broken[0] and len(runs.union(*asked)) > 2:
                return Answer(500)
            asked.append(runs)
        return None

    with door(rule, url) as before:
        reading = Reading(before.url, tmp_path)
        with pytest.raises(SourceError):
            reading.cached()
        finished, broken[0] = set().union(*asked), False
        assert finished
        del asked[:]
        resumed = told(reading.cached())
        assert asked and finished.isdisjoint(set().union(*asked))
        assert resumed == reading.full()
    shutil.rmtree(tmp_path, ignore_errors=True)
