"""Fills an MLflow store in SQLite with a given number of runs, the same ones each time.

Each run has 20 params, 20 metrics of 10 steps, 10 tags and 2 datasets; every second one logs a model, and
every tenth makes a version of a registered model. Some of each kind are deleted.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.measure import run
from benchmarks.store_tables import REVISION, TABLES

PARAMS, METRICS, STEPS, TAGS, DATASETS = 20, 20, 10, 10, 2
_RUNS_PER_EXPERIMENT = 500
_RUNS_PER_REGISTERED_MODEL = 200
_RUNS_PER_COMMIT = 20
_DATASETS_PER_EXPERIMENT = 10
_USERS = 25
_FIRST_MS = 1_700_000_000_000
_MINUTE_MS = 60_000
_CHUNK_RUNS = 500
_ROOT = "mlflow-artifacts:"
_READY = 2

_Row = dict[str, Any]
_Rows = dict[str, list[_Row]]


def make_store(file: Path, runs: int) -> None:
    """Make a new store of so many runs in a SQLite file, with the tables of ``store_tables``."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -200000"):
            database.execute(f"PRAGMA {pragma}")
        for name, table in TABLES.items():
            database.execute(f"CREATE TABLE {name} ({table.columns}, PRIMARY KEY ({table.key}))")
        fill_store(database, runs)
        for name, table in TABLES.items():
            for number, columns in enumerate(table.indexes):
                database.execute(f"CREATE INDEX {name}_by_{number} ON {name} ({columns})")


def make_upgraded_store(file: Path, runs: int) -> None:
    """Make a new store whose tables the installed MLflow makes."""
    run([sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{file}"])
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        fill_store(database, runs)


def fill_store(database: sqlite3.Connection, runs: int) -> None:
    """Fill the empty tables of an open store; one that MLflow made, but for its first rows, will do, too."""
    experiments = max(1, runs // _RUNS_PER_EXPERIMENT)
    database.execute("BEGIN")
    if not database.execute("SELECT count(*) FROM alembic_version").fetchone()[0]:
        _insert(database, "alembic_version", [{"version_num": REVISION}])
    maker = _Maker(runs, experiments)
    for rows in maker.chunks():
        for name, found in rows.items():
            _insert(database, name, found)
    database.execute("COMMIT")


def _insert(database: sqlite3.Connection, table: str, rows: list[_Row]) -> None:
    columns = ", ".join(f'"{name}"' for name in rows[0])
    marks = ", ".join("?" for _ in rows[0])
    database.executemany(
        f"INSERT INTO {table} ({columns}) VALUES ({marks})", [tuple(row.values()) for row in rows]
    )


class _Maker:
    """Thinks the rows out, run by run."""

    def __init__(self, runs: int, experiments: int) -> None:
        self._chance = random.Random(7)
        self._runs = runs
        self._experiments = experiments
        self._registered = max(1, runs // _RUNS_PER_REGISTERED_MODEL)
        self._versions = Counter[int]()
        self._datasets: dict[int, list[_Row]] = {}
        self._commits = [
            f"{self._chance.getrandbits(160):040x}" for _ in range(max(1, runs // _RUNS_PER_COMMIT))
        ]
        self._parent = ""

    def chunks(self) -> Iterator[_Rows]:
        """Rows of all tables, those of some hundred runs at a time."""
        yield self._beginning()
        for first in range(0, self._runs, _CHUNK_RUNS):
            rows: _Rows = defaultdict(list)
            for number in range(first, min(first + _CHUNK_RUNS, self._runs)):
                self._run(number, rows)
            yield rows
        yield {
            "registered_model_aliases": [
                {"alias": "best", "version": 1, "name": self._model_name(model)} for model in self._versions
            ]
        }

    def _hex(self, bits: int = 128) -> str:
        return f"{self._chance.getrandbits(bits):0{bits // 4}x}"

    @staticmethod
    def _model_name(number: int) -> str:
        return f"product {number:04}"

    @staticmethod
    def _is_deleted_experiment(experiment: int) -> bool:
        return experiment % 37 == 36

    def _beginning(self) -> _Rows:
        rows: _Rows = defaultdict(list)
        for experiment in range(1, self._experiments + 1):
            moment = _FIRST_MS + experiment
            rows["experiments"].append(
                {
                    "experiment_id": experiment,
                    "name": f"study {experiment}",
                    "artifact_location": f"{_ROOT}/{experiment}",
                    "lifecycle_stage": "deleted" if self._is_deleted_experiment(experiment) else "active",
                    "creation_time": moment,
                    "last_update_time": moment,
                }
            )
            for key in ("group", "mlflow.note.content"):
                rows["experiment_tags"].append(
                    {"key": key, "value": f"{key} of {experiment}", "experiment_id": experiment}
                )
            self._datasets[experiment] = [
                self._dataset(experiment, number) for number in range(_DATASETS_PER_EXPERIMENT)
            ]
            rows["datasets"] += self._datasets[experiment]
        for model in range(self._registered):
            name, moment = self._model_name(model), _FIRST_MS + model
            rows["registered_models"].append(
                {
                    "name": name,
                    "creation_time": moment,
                    "last_updated_time": moment,
                    "description": f"What {name} is for",
                }
            )
            rows["registered_model_tags"].append(
                {"key": "keeper", "value": f"person{model % _USERS}", "name": name}
            )
        return rows

    def _dataset(self, experiment: int, number: int) -> _Row:
        columns = [{"type": "double", "name": f"column {place}", "required": True} for place in range(10)]
        return {
            "dataset_uuid": self._hex(),
            "experiment_id": experiment,
            "name": f"table {experiment}.{number}",
            "digest": self._hex(32),
            "dataset_source_type": "s3",
            "dataset_source": json.dumps({"uri": f"s3://tables/{experiment}/{number}.parquet"}),
            "dataset_schema": json.dumps({"mlflow_colspec": columns}),
            "dataset_profile": json.dumps({"num_rows": 1000 + number, "num_elements": 10 * (1000 + number)}),
        }

    def _run(self, number: int, rows: _Rows) -> None:
        experiment = number * self._experiments // self._runs + 1
        start, run, user = (
            _FIRST_MS + number * _MINUTE_MS,
            self._hex(),
            f"person{self._chance.randrange(_USERS)}",
        )
        is_gone = number % 100 == 99 or self._is_deleted_experiment(experiment)
        rows["runs"].append(
            {
                "run_uuid": run,
                "name": f"attempt {number}",
                "source_type": "UNKNOWN",
                "source_name": "",
                "entry_point_name": "",
                "user_id": user,
                "status": "FAILED" if number % 23 == 0 else "FINISHED",
                "start_time": start,
                "end_time": start + 50_000,
                "source_version": "",
                "lifecycle_stage": "deleted" if is_gone else "active",
                "artifact_uri": f"{_ROOT}/{experiment}/{run}/artifacts",
                "experiment_id": experiment,
                "deleted_time": start + 90_000 if is_gone else None,
            }
        )
        self._pairs(number, run, user, rows)
        self._points(run, start, rows)
        for place in range(DATASETS):
            dataset = self._datasets[experiment][(number + place) % _DATASETS_PER_EXPERIMENT]
            link = self._link(rows, "DATASET", dataset["dataset_uuid"], "RUN", run)
            context = ("training", "validation")[place % 2]
            rows["input_tags"].append({"input_uuid": link, "name": "mlflow.data.context", "value": context})
        if number % 2 == 0:
            self._logged_model(number, run, experiment, user, rows)

    def _pairs(self, number: int, run: str, user: str, rows: _Rows) -> None:
        for place in range(PARAMS):
            value = repr(self._chance.random()) if place % 2 else f"way {self._chance.randrange(9)}"
            rows["params"].append({"key": f"param_{place}", "value": value, "run_uuid": run})
        tags = {
            "mlflow.runName": f"attempt {number}",
            "mlflow.user": user,
            "mlflow.source.name": f"train_{number % 7}.py",
            "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": self._commits[number // _RUNS_PER_COMMIT % len(self._commits)],
            "mlflow.source.git.branch": "main",
            "mlflow.source.git.repoURL": "https://git.example.org/group/project.git",
        }
        if number % 10 == 0:
            self._parent = run
        else:
            tags["mlflow.parentRunId"] = self._parent
        for place in range(TAGS - len(tags)):
            tags[f"tag_{place}"] = f"value {self._chance.randrange(100)}"
        rows["tags"] += [{"key": key, "value": value, "run_uuid": run} for key, value in tags.items()]

    def _points(self, run: str, start: int, rows: _Rows) -> None:
        for metric in range(METRICS):
            for step in range(STEPS):
                point = {
                    "key": f"metric_{metric}",
                    "value": self._chance.random(),
                    "timestamp": start + 1000 * step + metric,
                    "run_uuid": run,
                    "step": step,
                    "is_nan": 0,
                }
                rows["metrics"].append(point)
            rows["latest_metrics"].append(point)

    def _link(
        self, rows: _Rows, source_type: str, source: str, target_type: str, target: str, step: int = 0
    ) -> str:
        rows["inputs"].append(
            {
                "input_uuid": self._hex(),
                "source_type": source_type,
                "source_id": source,
                "destination_type": target_type,
                "destination_id": target,
                "step": step,
            }
        )
        return str(rows["inputs"][-1]["input_uuid"])

    def _logged_model(self, number: int, run: str, experiment: int, user: str, rows: _Rows) -> None:
        moment, model = _FIRST_MS + number * _MINUTE_MS + 40_000, f"m-{self._hex()}"
        place = f"{_ROOT}/{experiment}/models/{model}/artifacts"
        owner = {"model_id": model, "experiment_id": experiment}
        rows["logged_models"].append(
            {
                **owner,
                "name": "model",
                "artifact_location": place,
                "creation_timestamp_ms": moment,
                "last_updated_timestamp_ms": moment + 1000,
                "status": _READY,
                "lifecycle_stage": "deleted" if number % 200 == 0 else "active",
                "model_type": "",
                "source_run_id": run,
                "status_message": None,
            }
        )
        self._link(rows, "RUN_OUTPUT", run, "MODEL_OUTPUT", model, STEPS - 1)
        rows["logged_model_params"] += [
            {**owner, "param_key": f"param_{place}", "param_value": f"way {place}"} for place in range(5)
        ]
        commit = self._commits[number // _RUNS_PER_COMMIT % len(self._commits)]
        tags = {"mlflow.user": user, "mlflow.source.git.commit": commit, "mlflow.source.type": "LOCAL"}
        rows["logged_model_tags"] += [
            {**owner, "tag_key": key, "tag_value": value} for key, value in tags.items()
        ]
        dataset = self._datasets[experiment][number % _DATASETS_PER_EXPERIMENT]
        rows["logged_model_metrics"] += [
            {
                **owner,
                "metric_name": f"metric_{metric}",
                "metric_timestamp_ms": moment + 2000,
                "metric_step": STEPS - 1,
                "metric_value": self._chance.random(),
                "run_id": run,
                "dataset_uuid": None,
                "dataset_name": dataset["name"],
                "dataset_digest": dataset["digest"],
            }
            for metric in range(3)
        ]
        if number % 10 == 0:
            self._version(number // 10, run, model, place, moment + 5000, rows)

    def _version(self, number: int, run: str, model: str, place: str, moment: int, rows: _Rows) -> None:
        registered = number % self._registered
        self._versions[registered] += 1
        name, version = self._model_name(registered), self._versions[registered]
        is_gone = number % 20 == 19
        rows["model_versions"].append(
            {
                "name": name,
                "version": version,
                "creation_time": moment,
                "last_updated_time": moment + 1000,
                "description": None if is_gone else f"The version {version}",
                "user_id": None,
                "current_stage": "Deleted_Internal" if is_gone else "None",
                "source": "REDACTED-SOURCE-PATH" if is_gone else f"models:/{model}",
                "run_id": "REDACTED-RUN-ID" if is_gone else run,
                "status": "READY",
                "status_message": None,
                "run_link": "REDACTED-RUN-LINK" if is_gone else "",
                "storage_location": place,
            }
        )
        rows["model_version_tags"].append(
            {"key": "checked", "value": "yes", "name": name, "version": version}
        )
