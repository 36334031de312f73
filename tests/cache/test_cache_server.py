"""A cache of a tracking server, which has no list of what changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cache.test_cache import elements, told
from tests.sources.mlflow.servers import Answer, Request, door, served

from mlflow2prov import Graph, extract
from mlflow2prov.errors import SourceError
from mlflow2prov.graph.store import Store
from mlflow2prov.sources.mlflow import server, server_changes
from mlflow2prov.surroundings import Surroundings

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
"""MLflow's client works in this process, and warns of what is not our business."""

NAMESPACE = "http://mlflow.example.org/#"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server over a store that is made by its client."""
    folder = tmp_path_factory.mktemp("server")
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


def test_runs_that_look_as_before_are_looked_at_in_turn(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, reading = client_of(url), Reading(url, tmp_path)
    experiment = client.create_experiment("turns")
    runs = [new_run(client, experiment, number) for number in range(6)]
    monkeypatch.setattr(server_changes, "_PAGE", 2)
    monkeypatch.setattr(server_changes, "MOST_RUNS", 3)
    monkeypatch.setattr(server_changes, "_SLACK_MS", -(10**9))
    reading.cached()
    client.set_tag(runs[0], "k", "v")
    found = []
    for _ in range(8):
        found.append(f"RunTag.{runs[0]}--k" in elements(reading.cached(), "RunTag"))
        if found[-1]:
            break
    assert found[-1]
    assert told(reading.cached()) == reading.full()


def test_a_first_reading_that_was_broken_off_goes_on(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(url)
    experiment = client.create_experiment("broken off")
    for number in range(6):
        new_run(client, experiment, number)
    monkeypatch.setattr(server, "_RUNS_AT_ONCE", 2)
    histories: list[str] = []
    broken = [True]

    def rule(request: Request) -> Answer | None:
        if "get-history-bulk" in request.path:
            histories.append(request.path)
            if broken[0] and len(histories) > 2:
                return Answer(500)
        return None

    with door(rule, url) as before:
        reading = Reading(before.url, tmp_path)
        with pytest.raises(SourceError):
            reading.cached()
        first, broken[0] = histories[:2], False
        del histories[:]
        assert told(reading.cached()) == reading.full()
        named = {part for path in first for part in path.split("&") if "run_id=" in part}
        resumed = histories[: len(histories) // 2]
        assert named
        assert not any(part in path for part in named for path in resumed[:2])
    shutil.rmtree(tmp_path, ignore_errors=True)
