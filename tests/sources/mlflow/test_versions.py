"""Real servers of other versions of MLflow, each read over HTTP and straight from its database."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import QUIET, served
from test_server import QUICK, Tables, differing_records, only, sortable, tables_of
from versions import VERSIONS, python_with_mlflow

from mlflow2prov.sources.mlflow.database import read_database
from mlflow2prov.sources.mlflow.parts import Wanted
from mlflow2prov.sources.mlflow.server import read_server

IN_DEFAULT_TESTS = "2.22"
WITHOUT_ARTIFACTS = Wanted(skip=frozenset({"artifacts"}))


class Old:
    """A running server of another version, with its database and what it was filled with."""

    def __init__(self, url: str, database: Path, made: dict[str, Any]) -> None:
        self.url = url
        self.database = f"sqlite:///{database}"
        self.made = made
        self.version = tuple(int(part) for part in made["version"].split(".")[:2])


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[] if name == IN_DEFAULT_TESTS else pytest.mark.versions)
        for name in VERSIONS
    ],
)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Old]:
    python = python_with_mlflow(request.param, request.config.cache.mkdir("mlflow-versions"))
    folder = tmp_path_factory.mktemp("old")
    database, files = folder / "mlflow.db", folder / "files"
    files.mkdir()
    destination = ["--artifacts-destination", str(folder / "artifacts")]
    with served(folder, f"sqlite:///{database}", *destination, python=python) as url:
        filler = [python, str(Path(__file__).with_name("fill_any_version.py")), url, str(files)]
        filled = subprocess.run(filler, env=os.environ | QUIET, capture_output=True, text=True, check=False)
        assert filled.returncode == 0, filled.stderr
        yield Old(url, database, json.loads(filled.stdout.strip().splitlines()[-1]))


@pytest.fixture(scope="module")
def told(old: Old) -> Tables:
    return tables_of(read_server(old.url, settings=QUICK))


def test_a_server_of_another_version_and_its_database_have_the_same_rows(
    old: Old, told: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    stored = tables_of(read_database(old.database, WITHOUT_ARTIFACTS))
    assert [
        it for it in caplog.records if it.name.startswith("mlflow2prov") and it.levelname == "WARNING"
    ] == []
    for tables in (told, stored):
        for row in tables["mlflow_run"]:
            row["deleted_ms"] = None
        live = only(tables, "mlflow_model_version", is_deleted=False)
        kept = {(row["name"], row["version"]) for row in live}
        tables["mlflow_model_version"] = [row | {"storage_location": None} for row in live]
        tags = tables["mlflow_model_version_tag"]
        tables["mlflow_model_version_tag"] = [row for row in tags if (row["name"], row["version"]) in kept]
    apart = {"mlflow_store", "mlflow_artifact", "mlflow_model_file"}
    assert set(told) - apart == set(stored) - apart
    for name in sorted(set(told) - apart):
        assert sortable(told[name]) == sortable(stored[name]), name


def test_a_server_of_another_version_and_its_database_give_one_graph(old: Old, tmp_path: Path) -> None:
    assert differing_records(old.url, old.database, tmp_path) == []


def test_a_server_of_another_version_tells_what_was_put_in(old: Old, told: Tables) -> None:
    runs = old.made["runs"]
    assert {row["run_id"] for row in told["mlflow_run"]} > set(runs) and len(told["mlflow_run"]) == len(
        runs
    ) + 1
    assert len(told["mlflow_metric"]) == len(runs) * 6 + 1 + (old.version >= (3, 0))
    said = old.made["version"] if old.version >= (2, 1) else None
    assert told["mlflow_store"][0]["mlflow_version"] == said
    files = [(row["path"], row["size_bytes"]) for row in only(told, "mlflow_artifact", owner_id=runs[0])]
    assert files == [("deep", None), ("deep/er", None), ("deep/er/a.txt", 2)]
    gaps = {row["version"]: row["is_deleted"] for row in only(told, "mlflow_model_version", name="wine")}
    assert gaps == {1: False, 2: True, 3: False, 4: False} or set(gaps) == {1, 3, 4}
    assert ("mlflow_registered_model_alias" in told) is (old.version >= (2, 3))
    assert ("mlflow_dataset_input" in told) is (old.version >= (2, 4))
    assert ("mlflow_logged_model" in told) is (old.version >= (3, 0))
