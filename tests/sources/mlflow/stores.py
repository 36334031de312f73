"""MLflow stores for tests: a real one that MLflow's own client makes, and ones of other versions' schemas.

Run as a program with a folder it makes the real one there, since importing MLflow warns.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

SCHEMAS = Path(__file__).parents[3].parent / "shared" / "facts" / "mlflow_schema"
REVISIONS = {
    "2.5.0": "7f2a7d5fae7d",
    "2.22.4": "0584bdc529eb",
    "3.17.2": "dc11669786a5",
    "3.18.0": "f4a9b2c7d1e6",
}
HUGE = 1.7976931348623157e308
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "PYTHONWARNINGS": "ignore",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeStore:
    """A store: its database, the names of what was made, and what MLflow's client tells of it."""

    database: Path
    artifacts: Path
    made: dict[str, str]
    told: dict[str, Any]

    @property
    def uri(self) -> str:
        """What MLflow calls it."""
        return f"sqlite:///{self.database}"


def make_store(folder: Path) -> MadeStore:
    """A small store of the installed MLflow with a bit of everything, in ``folder``; takes some seconds."""
    command = [sys.executable, str(Path(__file__).resolve()), str(folder)]
    done = subprocess.run(command, cwd=folder, env=os.environ | _QUIET, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads((folder / "said.json").read_text("utf-8"))
    return MadeStore(database=folder / "mlflow.db", artifacts=folder / "art é #1", **said)


# ---- Stores of other versions ------------------------------------------------------------------

_ROWS: tuple[tuple[str, dict[str, object]], ...] = (
    (
        "experiments",
        {"experiment_id": 7, "name": "old", "artifact_location": "", "lifecycle_stage": "active"},
    ),
    (
        "experiments",
        {
            "experiment_id": 8,
            "name": "gone",
            "artifact_location": "s3://key:secret@bucket/8",
            "lifecycle_stage": "deleted",
            "creation_time": 1000,
            "last_update_time": 2000,
        },
    ),
    ("experiment_tags", {"experiment_id": 7, "key": "k", "value": ""}),
    (
        "runs",
        {
            "run_uuid": "r1",
            "name": "one",
            "user_id": "",
            "status": "FINISHED",
            "start_time": 10,
            "end_time": 20,
            "lifecycle_stage": "active",
            "artifact_uri": "s3://key:secret@bucket/7/r1/artifacts",
            "experiment_id": 7,
        },
    ),
    (
        "runs",
        {
            "run_uuid": "r2",
            "name": "",
            "user_id": "ann",
            "status": "RUNNING",
            "start_time": 11,
            "lifecycle_stage": "deleted",
            "deleted_time": 99,
            "artifact_uri": "mlflow-artifacts:/7/r2/artifacts",
            "experiment_id": 7,
        },
    ),
    ("params", {"run_uuid": "r1", "key": "p", "value": ""}),
    ("tags", {"run_uuid": "r2", "key": "mlflow.runName", "value": "named by its tag"}),
    ("tags", {"run_uuid": "r1", "key": "none", "value": None}),
    *(
        ("metrics", {"run_uuid": "r1", "key": "m", "step": s, "timestamp": 100 + s, "value": v, "is_nan": n})
        for s, v, n in ((-1, 0.5, 0), (0, 0.0, 1), (1, HUGE, 0), (2, -HUGE, 0))
    ),
    (
        "latest_metrics",
        {"run_uuid": "r1", "key": "m", "step": 2, "timestamp": 102, "value": -HUGE, "is_nan": 0},
    ),
    (
        "datasets",
        {
            "dataset_uuid": "d1",
            "experiment_id": 7,
            "name": "wine",
            "digest": "abc",
            "dataset_source_type": "local",
            "dataset_source": "{}",
            "dataset_schema": "",
        },
    ),
    *(
        (
            "inputs",
            {
                "input_uuid": f"i{run}",
                "source_type": "DATASET",
                "source_id": "d1",
                "destination_type": "RUN",
                "destination_id": run,
            },
        )
        for run in ("r1", "r2")
    ),
    ("input_tags", {"input_uuid": "ir1", "name": "mlflow.data.context", "value": "training"}),
    ("input_tags", {"input_uuid": "ir2", "name": "other", "value": "x"}),
    ("registered_models", {"name": "w", "creation_time": 1, "last_updated_time": 2, "description": ""}),
    ("registered_model_tags", {"name": "w", "key": "t", "value": "v"}),
    ("registered_model_aliases", {"name": "w", "alias": "best", "version": 1}),
    (
        "model_versions",
        {
            "name": "w",
            "version": 1,
            "creation_time": 3,
            "last_updated_time": 4,
            "current_stage": "None",
            "source": "models:/m-0f1e",
            "run_id": "",
            "status": "READY",
            "run_link": "",
            "storage_location": "file:///x",
        },
    ),
    (
        "model_versions",
        {
            "name": "w",
            "version": 2,
            "creation_time": 5,
            "last_updated_time": 6,
            "current_stage": "Deleted_Internal",
            "source": "REDACTED-SOURCE-PATH",
            "run_id": "REDACTED-RUN-ID",
            "run_link": "REDACTED-RUN-LINK",
            "status": "READY",
            "storage_location": "file:///y",
        },
    ),
    ("model_version_tags", {"name": "w", "version": 2, "key": "t", "value": "v"}),
)
_ROWS_3: tuple[tuple[str, dict[str, object]], ...] = (
    *(
        (
            "logged_models",
            {
                "model_id": f"m-{status}",
                "experiment_id": 7,
                "name": "lm",
                "artifact_location": "s3://key:secret@bucket/7/models",
                "creation_timestamp_ms": 1,
                "last_updated_timestamp_ms": 2,
                "status": status,
                "lifecycle_stage": "deleted" if status == 3 else "active",
                "model_type": "",
                "source_run_id": "r1",
            },
        )
        for status in range(4)
    ),
    ("logged_model_params", {"model_id": "m-1", "experiment_id": 7, "param_key": "p", "param_value": ""}),
    ("logged_model_tags", {"model_id": "m-1", "experiment_id": 7, "tag_key": "t", "tag_value": "v"}),
    (
        "logged_model_metrics",
        {
            "model_id": "m-1",
            "metric_name": "m",
            "metric_timestamp_ms": 5,
            "metric_step": 6,
            "metric_value": HUGE,
            "experiment_id": 7,
            "run_id": "r1",
        },
    ),
    *(
        (
            "inputs",
            {
                "input_uuid": f"x{kind}",
                "source_type": f"RUN_{kind}",
                "source_id": "r1",
                "destination_type": f"MODEL_{kind}",
                "destination_id": "m-1",
                "step": step,
            },
        )
        for kind, step in (("INPUT", 0), ("OUTPUT", 3))
    ),
    ("registered_models", {"name": "w", "workspace": "blue", "creation_time": 9}),
)


def fill_schema(version: str, file: Path) -> sqlite3.Connection:
    """Make a store of MLflow ``version`` at ``file``, by its table definitions, with rows made by hand.

    The connection is open for more; all is committed.
    """
    connection = sqlite3.connect(file)
    statements = list(_statements((SCHEMAS / f"schema-{version}.sql").read_text("utf-8")))
    connection.execute("BEGIN")
    for statement in sorted(statements, key=lambda text: not text.startswith("CREATE TABLE")):
        connection.execute(statement)
    connection.execute("INSERT INTO alembic_version VALUES (?)", [REVISIONS[version]])
    for table, row in (*_ROWS, *(_ROWS_3 if version >= "3" else ())):
        insert(connection, table, row)
    connection.commit()
    return connection


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement = (statement + line).lstrip()
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def insert(connection: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    """Insert a row, without the columns that this version of the table lacks."""
    there = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", [table])}
    fit = {name: value for name, value in row.items() if name in there}
    names = ", ".join(f'"{name}"' for name in fit)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(fit))})", [*fit.values()])


# ---- The real store ----------------------------------------------------------------------------


def _fill_runs(client: MlflowClient, folder: Path, made: dict[str, str]) -> None:
    from mlflow.entities import Metric

    place = (folder / "art é #1").as_uri()
    made["one"] = client.create_experiment(
        "one", artifact_location=f"{place}/1", tags={"team": "é", "no": ""}
    )
    made["gone"] = client.create_experiment("gone", artifact_location=f"{place}/2")
    made["parent"] = client.create_run(made["one"], run_name="parent").info.run_id
    values = [0.1, float("nan"), float("inf"), float("-inf"), 0.5]
    points = [Metric("acc", value, 1000 + step, step) for step, value in enumerate(values)]
    points += [Metric("acc", 0.7, 1004, 4), Metric("acc", 0.7, 1005, 4), Metric("val/loss: 5 pc", 1.0, 5, -3)]
    client.log_batch(made["parent"], points)
    client.log_param(made["parent"], "lr", "0.1")
    client.log_param(made["parent"], "odd: a/b", "it's 1;\n")
    client.set_tag(made["parent"], "empty", "")
    client.log_text(made["parent"], "hello", "a/b c/d ü.txt")
    client.log_text(made["parent"], "hi", "top.txt")
    nested = {"mlflow.parentRunId": made["parent"], "mlflow.user": "ann"}
    made["child"] = client.create_run(made["one"], tags=nested, run_name="child").info.run_id
    made["running"] = client.create_run(made["one"]).info.run_id
    made["deleted"] = client.create_run(made["one"]).info.run_id
    made["in gone"] = client.create_run(made["gone"]).info.run_id
    client.set_terminated(made["parent"])
    client.set_terminated(made["child"], "FAILED")
    client.delete_run(made["deleted"])
    client.delete_experiment(made["gone"])


def _fill_datasets(client: MlflowClient, made: dict[str, str]) -> None:
    import mlflow
    import numpy as np
    from mlflow.entities import DatasetInput, InputTag

    def taken(name: str, *contexts: str, **others: str) -> DatasetInput:
        dataset = mlflow.data.from_numpy(np.arange(4.0), name=name)._to_mlflow_entity()
        tags = [InputTag("mlflow.data.context", context) for context in contexts]
        return DatasetInput(dataset, tags + [InputTag(key, value) for key, value in others.items()])

    plain = taken("plain", split="0.8", by="ann é")
    client.log_inputs(made["parent"], [taken("train set", "training"), plain])
    client.log_inputs(made["child"], [taken("train set", "validation")])


def _fill_models(client: MlflowClient, made: dict[str, str]) -> None:
    import mlflow
    from mlflow.entities import LoggedModelInput
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from sklearn.linear_model import LinearRegression

    signature = ModelSignature(inputs=Schema([ColSpec("double", "x")]), outputs=Schema([ColSpec("double")]))
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    with mlflow.start_run(run_id=made["running"]):
        logged = mlflow.sklearn.log_model(
            model, name="linear", signature=signature, pip_requirements=["scikit-learn", "numpy"], step=3
        )
        mlflow.log_metric("r2", 0.5, step=3, model_id=logged.model_id)
        mlflow.log_metric("best", float("inf"), model_id=logged.model_id)
    client.update_run(made["running"], "RUNNING")
    made["model"] = logged.model_id
    external = mlflow.initialize_logged_model(experiment_id=made["one"], params={"a": "1"}, tags={"b": "2"})
    made["external"] = external.model_id
    client.log_inputs(made["child"], models=[LoggedModelInput(made["model"])])
    client.create_registered_model("wine", tags={"stage": "x"}, description="")
    for version in range(1, 4):
        source = f"models:/{made['model']}" if version < 3 else f"runs:/{made['parent']}/a"
        client.create_model_version("wine", source, run_id=made["running"], tags={"n": str(version)})
    client.delete_model_version("wine", "2")
    client.set_registered_model_alias("wine", "champion", "1")
    client.delete_logged_model(made["external"])
    mlflow.genai.register_prompt("ask", "Say {{ it }}")


def _told(client: MlflowClient, made: dict[str, str]) -> dict[str, Any]:
    """What MLflow's own client tells."""
    from mlflow.entities import ViewType

    experiments = client.search_experiments(ViewType.ALL)
    runs = client.search_runs([it.experiment_id for it in experiments], run_view_type=ViewType.ALL)
    histories = {
        run.info.run_id: {
            key: [[it.step, it.timestamp, it.value] for it in client.get_metric_history(run.info.run_id, key)]
            for key in run.data.metrics
        }
        for run in runs
    }
    versions = client.search_model_versions()
    return {
        "experiments": [dict(it) | {"tags": it.tags} for it in experiments],
        "runs": [run.to_dictionary() for run in runs],
        "metrics": histories,
        "models": [client.get_logged_model(made["model"]).to_dictionary()],
        "versions": [dict(it) | {"tags": it.tags, "aliases": list(it.aliases)} for it in versions],
    }


def _main(folder: Path) -> None:
    import mlflow
    from mlflow import MlflowClient

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    client = MlflowClient()
    made: dict[str, str] = {}
    _fill_runs(client, folder, made)
    _fill_datasets(client, made)
    _fill_models(client, made)
    said = {"made": made, "told": _told(client, made)}
    (folder / "said.json").write_text(json.dumps(said, default=str), "utf-8")


if __name__ == "__main__":
    _main(Path(sys.argv[1]).resolve())
