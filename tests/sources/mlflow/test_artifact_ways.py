"""The same artifacts in different stores, read each way: the same graph but for the URIs."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import fsspec
import pytest
from object_stores import KEYS, Bucket, object_store
from servers import Answer, Request, door, served
from tests.conftest import DemoProject

from mlflow2prov import extract
from mlflow2prov.sources.mlflow.artifacts import ArtifactAccess
from mlflow2prov.sources.mlflow.http_settings import HttpSettings
from mlflow2prov.sources.mlflow.parts import Wanted
from mlflow2prov.sources.mlflow.server import read_server
from mlflow2prov.surroundings import Surroundings

IN_S3, IN_MEMORY, BY_SERVER = "s3://bucket/root", "memory://bucket/root", "mlflow-artifacts:/root"
NOTHING_ELSE = frozenset({"metric_history", "registered_models", "traces", "datasets", "evaluation_datasets"})
WANTED = Wanted(skip=NOTHING_ELSE, artifact_digests=True)
PLACES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}


@pytest.fixture(scope="module")
def bucket(demo_project: DemoProject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """The artifacts of the demo in a bucket."""
    with object_store(tmp_path_factory.mktemp("s3")) as running:
        running.put_folder(demo_project.artifacts, "root")
        yield running


def moved(demo: DemoProject, database: Path, place: str) -> Path:
    """A copy of the demo's store whose artifacts are at a place."""
    shutil.copy(demo.database, database)
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, columns in PLACES.items():
            for column in columns:
                connection.execute(
                    f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (demo.artifacts.as_uri(), place)
                )
    return database


@pytest.fixture(scope="module")
def proxy(
    demo_project: DemoProject, bucket: Bucket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server that hands out what is in the bucket."""
    folder = tmp_path_factory.mktemp("proxy")
    database = moved(demo_project, folder / "mlflow.db", BY_SERVER)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in bucket.environment.items():
            environment.setenv(name, value)
        with served(folder, f"sqlite:///{database}", "--artifacts-destination", "s3://bucket") as url:
            yield url


@pytest.fixture(scope="module")
def bare(
    demo_project: DemoProject, bucket: Bucket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server that names the bucket to its clients."""
    folder = tmp_path_factory.mktemp("bare")
    database = moved(demo_project, folder / "mlflow.db", IN_S3)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in bucket.environment.items():
            environment.setenv(name, value)
        options = ("--no-serve-artifacts", "--default-artifact-root", IN_S3)
        with served(folder, f"sqlite:///{database}", *options) as url:
            yield url


@pytest.fixture(scope="module")
def local(demo_project: DemoProject, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The document of the store with its artifacts in folders."""
    return document(demo_project, tmp_path_factory.mktemp("local"), demo_project.artifacts.as_uri(), {})


def document(
    demo: DemoProject, folder: Path, place: str, environment: dict[str, str], server: str | None = None
) -> str:
    database = moved(demo, folder / "mlflow.db", place)
    with extract(
        mlflow_url=f"sqlite:///{database}",
        mlflow_namespace="http://example.org/#",
        artifact_digests=True,
        artifact_server=server,
        surroundings=Surroundings(environment=environment),
    ) as graph:
        text = graph.save(folder / "document.json").read_text(encoding="utf-8")
    return text.replace(place, "PLACE").replace(str(folder), "FOLDER").replace(folder.as_uri(), "FOLDER")


def records(text: str) -> list[str]:
    """The records of a document but for those of the store itself, whose names tell its state."""
    made = json.loads(text)
    told = [
        f"{kind} {key if key.startswith('mlflow:') else ''} {json.dumps(body, sort_keys=True)}"
        for kind, things in made.items()
        if kind != "prefix"
        for key, body in things.items()
    ]
    return sorted(it for it in told if "TrackingStore." not in it and "Extraction." not in it)


def differing(left: str, right: str) -> list[str]:
    return sorted(set(records(left)) ^ set(records(right)))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [it.getMessage() for it in caplog.records if it.levelno >= logging.WARNING]


def test_the_graph_is_the_same_from_s3(
    demo_project: DemoProject, bucket: Bucket, local: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert local.count('"m2p:digest"') > 40
    assert differing(document(demo_project, tmp_path, IN_S3, bucket.environment), local) == []
    assert warnings(caplog) == []


def test_the_graph_is_the_same_from_a_store_of_fsspec(
    demo_project: DemoProject, local: str, tmp_path: Path
) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(demo_project.artifacts), "/bucket/root", recursive=True)
    assert differing(document(demo_project, tmp_path, IN_MEMORY, {}), local) == []
    memory.rm("/bucket", recursive=True)


def test_the_graph_is_the_same_from_a_server_that_hands_artifacts_out(
    demo_project: DemoProject, proxy: str, local: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert differing(document(demo_project, tmp_path, BY_SERVER, {}, proxy), local) == []
    assert warnings(caplog) == []


def test_without_that_server_one_warning_says_so(
    demo_project: DemoProject, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    document(demo_project, tmp_path, BY_SERVER, {})
    warning, *_ = warnings(caplog)
    assert warning.endswith("a tracking server hands them out; name it with --artifact_server")


def test_a_server_that_is_down_costs_one_warning(
    demo_project: DemoProject, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    document(demo_project, tmp_path, BY_SERVER, environment, "http://ada:geheim@127.0.0.1:9")
    warning, *_ = warnings(caplog)
    assert "http://127.0.0.1:9 can't be connected to" in warning and "geheim" not in warning


def rows(batches: Any) -> list[str]:
    names = ("mlflow_artifact", "mlflow_model_file")
    found = [row for name, batch in batches if name in names for row in batch.to_pylist()]
    return sorted(json.dumps(row, sort_keys=True) for row in found)


@pytest.fixture(scope="module")
def stored(demo_project: DemoProject) -> list[str]:
    from mlflow2prov.sources.mlflow.database import read_database

    return rows(read_database(f"sqlite:///{demo_project.database}", WANTED))


def test_a_server_that_hands_artifacts_out_tells_what_the_folders_do(proxy: str, stored: list[str]) -> None:
    assert rows(read_server(proxy, WANTED, settings=HttpSettings())) == stored


def test_a_connection_that_breaks_once_costs_nothing_and_again_a_digest(
    proxy: str, stored: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[str] = []

    def cut(request: Request) -> Answer | None:
        if not request.path.endswith("model.pkl") or tried.count(request.path) >= allowed:
            return None
        tried.append(request.path)
        return Answer(200, b"begun", cut=True)

    for allowed in (1, 9):
        with door(cut, proxy) as front:
            found = rows(read_server(front.url, WANTED, settings=HttpSettings(max_retries=0)))
        if allowed == 1:
            assert found == stored and warnings(caplog) == []
    (warning,) = warnings(caplog)
    assert len(set(tried)) > 1
    assert warning.startswith(f"{len(set(tried))} artifacts could not be read and have no digest (")
    assert len(set(stored) - set(found)) == len(set(tried))


def test_what_a_server_names_is_read_directly(bucket: Bucket, bare: str, stored: list[str]) -> None:
    found = read_server(bare, WANTED, settings=HttpSettings(), artifacts=bucket.access())
    assert rows(found) == stored


def test_what_can_t_be_read_directly_is_read_by_the_server(
    bare: str, stored: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    access = ArtifactAccess(environment=KEYS | {"MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9"})
    found = rows(read_server(bare, WANTED, settings=HttpSettings(), artifacts=access))
    (warning,) = warnings(caplog)
    assert warning.startswith(
        "artifacts of 1 logged model at s3://bucket are left out: 127.0.0.1:9 can't be reached"
    )
    assert "nor by the server" in warning  # which does not list those of a deleted model
    missing = {json.loads(row)["owner_id"] for row in set(stored) - set(found)}
    assert len(missing) == 1 and set(found) <= set(stored)
