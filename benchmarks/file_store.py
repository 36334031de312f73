"""Writes a store in SQLite, as ``mlflow_store`` makes it, as the files that MLflow's file store would have."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

_RUN_STATUS = {"RUNNING": 1, "SCHEDULED": 2, "FINISHED": 3, "FAILED": 4, "KILLED": 5}
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_Row = Mapping[str, Any]


def make_file_store(folder: Path, database: Path) -> None:
    """Write the store in the SQLite file ``database`` to the new folder ``folder``."""
    for name in (".trash", "models"):
        (folder / name).mkdir(parents=True)
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        writer = _Writer(folder, connection)
        writer.experiments()
        writer.runs()
        writer.links()
        writer.logged_models()
        writer.registry()


class _Writer:
    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self._folder = folder
        self._connection = connection
        self._experiments: dict[int, Path] = {}
        self._runs: dict[str, Path] = {}

    def experiments(self) -> None:
        for row in self._rows("experiments"):
            is_deleted = row["lifecycle_stage"] == "deleted"
            place = self._folder / (".trash" if is_deleted else "") / str(row["experiment_id"])
            self._experiments[row["experiment_id"]] = place
            known = ("name", "artifact_location", "lifecycle_stage", "creation_time", "last_update_time")
            _meta(place, {name: row[name] for name in known} | {"experiment_id": str(row["experiment_id"])})
        for row in self._rows("experiment_tags"):
            _write(self._experiments[row["experiment_id"]] / "tags" / row["key"], row["value"])
        for row in self._rows("datasets"):
            place = self._experiments[row["experiment_id"]] / "datasets" / row["dataset_uuid"]
            columns = {
                name: row[f"dataset_{name}"] for name in ("source_type", "source", "schema", "profile")
            }
            _meta(place, {"name": row["name"], "digest": row["digest"], **columns})

    def runs(self) -> None:
        for row in self._rows("runs"):
            place = self._experiments[row["experiment_id"]] / row["run_uuid"]
            self._runs[row["run_uuid"]] = place
            for name in ("metrics", "params", "artifacts"):
                (place / name).mkdir(parents=True)
            kept = ("user_id", "start_time", "end_time", "lifecycle_stage", "artifact_uri", "deleted_time")
            ids = {"run_id": row["run_uuid"], "experiment_id": str(row["experiment_id"])}
            dummies = {"source_type": 4, "source_name": "", "entry_point_name": "", "source_version": ""}
            status = {"status": _RUN_STATUS[row["status"]], "run_name": row["name"], "tags": []}
            _meta(place, {name: row[name] for name in kept} | ids | dummies | status)
        for table in ("params", "tags"):
            for row in self._rows(table):
                _write(self._runs[row["run_uuid"]] / table / row["key"], row["value"])
        for key, lines in self._lines("metrics", "run_uuid", "key", "{timestamp} {value!r} {step}"):
            _write(self._runs[key[0]] / "metrics" / key[1], lines)

    def links(self) -> None:
        tags: dict[str, dict[str, str]] = defaultdict(dict)
        for row in self._rows("input_tags"):
            tags[row["input_uuid"]][row["name"]] = row["value"]
        for row in self._rows("inputs"):
            told = {name: row[name] for name in ("source_type", "source_id", "destination_type")}
            told |= {"destination_id": row["source_id"], "tags": tags[row["input_uuid"]]}
            if row["source_type"] == "DATASET":
                _meta(self._runs[row["destination_id"]] / "inputs" / row["input_uuid"], told)
            else:
                model = row["destination_id"]
                told |= {"source_id": model, "destination_id": model, "step": row["step"]}
                _meta(self._runs[row["source_id"]] / "outputs" / model, told)

    def logged_models(self) -> None:
        places: dict[str, Path] = {}
        for row in self._rows("logged_models"):
            place = self._experiments[row["experiment_id"]] / "models" / row["model_id"]
            places[row["model_id"]] = place
            times = {name: row[f"{name}_ms"] for name in ("creation_timestamp", "last_updated_timestamp")}
            kept = ("model_id", "name", "artifact_location", "status", "status_message", "lifecycle_stage")
            told = {name: row[name] for name in (*kept, "model_type", "source_run_id")}
            _meta(place, told | times | {"experiment_id": str(row["experiment_id"])})
        for kind in ("param", "tag"):
            for row in self._rows(f"logged_model_{kind}s"):
                _write(places[row["model_id"]] / f"{kind}s" / row[f"{kind}_key"], row[f"{kind}_value"])
        form = "{metric_timestamp_ms} {metric_value!r} {metric_step} {run_id} {dataset_name} {dataset_digest}"
        for key, lines in self._lines("logged_model_metrics", "model_id", "metric_name", form):
            _write(places[key[0]] / "metrics" / key[1], lines)

    def registry(self) -> None:
        models = self._folder / "models"
        for table, kept in (
            ("registered_models", ("name", "description")),
            (
                "model_versions",
                ("name", "version", "description", "current_stage", "source", "run_id", "user_id"),
            ),
        ):
            for row in self._rows(table):
                told = {name: row[name] for name in kept}
                told |= {
                    "creation_timestamp": row["creation_time"],
                    "last_updated_timestamp": row["last_updated_time"],
                }
                if "version" in told:
                    kept_too = ("status", "status_message", "run_link", "storage_location")
                    told |= {name: row[name] for name in kept_too}
                _meta(
                    models / row["name"] / (f"version-{told['version']}" if "version" in told else ""), told
                )
        for row in self._rows("registered_model_tags"):
            _write(models / row["name"] / "tags" / row["key"], row["value"])
        for row in self._rows("registered_model_aliases"):
            _write(models / row["name"] / "aliases" / row["alias"], str(row["version"]))
        for row in self._rows("model_version_tags"):
            _write(models / row["name"] / f"version-{row['version']}" / "tags" / row["key"], row["value"])

    def _rows(self, table: str, order: str = "") -> Iterator[_Row]:
        yield from map(dict, self._connection.execute(f"SELECT * FROM {table} {order}"))

    def _lines(self, table: str, owner: str, key: str, form: str) -> Iterator[tuple[tuple[str, str], str]]:
        """The lines of each file of a metric, one file after the other."""
        current, lines = ("", ""), ""
        for row in self._rows(table, f"ORDER BY {owner}, {key}, rowid"):
            if (row[owner], row[key]) != current:
                if lines:
                    yield current, lines
                current, lines = (row[owner], row[key]), ""
            lines += form.format(**row) + "\n"
        if lines:
            yield current, lines


def _meta(folder: Path, told: dict[str, Any]) -> None:
    text = yaml.dump(told, default_flow_style=False, allow_unicode=True, Dumper=_DUMPER)
    _write(folder / "meta.yaml", text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
