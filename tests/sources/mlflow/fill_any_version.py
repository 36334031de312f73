"""Fills the MLflow server at argv[1], of any version from 2.0 on; argv[2] is a folder for files.

Run by the Python that has that version. Prints what was made as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])


def fill_runs(client: MlflowClient, folder: Path, made: dict[str, Any]) -> None:
    one = client.create_experiment("one", tags={"team": "é blue"})
    gone = client.create_experiment("gone")
    (folder / "a.txt").write_text("hi")
    runs = []
    for i in range(25):
        run = client.create_run(one, tags={"mlflow.user": "ann", "mlflow.runName": f"run {i}"}).info.run_id
        points = [Metric("acc", i / 7, 1000 + step, step) for step in range(5)]
        client.log_batch(
            run, [*points, Metric("odd", float("nan"), 5, 0)], [Param("lr", str(i))], [RunTag("t", "v")]
        )
        client.set_terminated(run, "FAILED" if i == 3 else "FINISHED")
        runs.append(run)
    client.log_artifact(runs[0], str(folder / "a.txt"), "deep/er")
    client.set_tag(runs[1], "mlflow.parentRunId", runs[0])
    client.delete_run(runs[2])
    client.log_metric(client.create_run(gone).info.run_id, "acc", 3.0)
    client.delete_experiment(gone)
    made |= {"runs": runs, "experiment": one}


def fill_registry(client: MlflowClient, made: dict[str, Any]) -> None:
    client.create_registered_model("wine", tags={"a": "b"}, description="d")
    for i in range(4):
        source = f"{client.get_run(made['runs'][0]).info.artifact_uri}/model"
        client.create_model_version("wine", source, made["runs"][0], tags={"q": str(i)})
    client.delete_model_version("wine", "2")
    client.transition_model_version_stage("wine", "1", "Production")
    client.create_registered_model("lonely")
    if VERSION >= (2, 3):
        client.set_registered_model_alias("wine", "champ", "3")


def fill_datasets(made: dict[str, Any]) -> None:
    import numpy as np

    with mlflow.start_run(run_id=made["runs"][4]):
        data = mlflow.data.from_numpy(np.arange(6.0).reshape(3, 2), name="wine")
        mlflow.log_input(data, context="training")


def fill_models(client: MlflowClient, made: dict[str, Any]) -> None:
    from mlflow.entities import LoggedModelOutput

    with mlflow.start_run(run_id=made["runs"][5]):
        model = mlflow.initialize_logged_model("mod", params={"p": "1"}, tags={"k": "v"}, model_type="agent")
        mlflow.log_metric("mm", 1.5, step=2, model_id=model.model_id)
        lost = mlflow.initialize_logged_model("lost", source_run_id=made["runs"][5])
        client.log_outputs(made["runs"][5], [LoggedModelOutput(lost.model_id, 7)])
    client.finalize_logged_model(model.model_id, "READY")
    if VERSION > (3, 0):  # whose server has no way to ask for a deleted one
        client.delete_logged_model(lost.model_id)
    made["model"] = model.model_id


def main() -> None:
    uri, folder, made = sys.argv[1], Path(sys.argv[2]), {"version": mlflow.__version__}
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    fill_runs(client, folder, made)
    fill_registry(client, made)
    if VERSION >= (2, 4):
        fill_datasets(made)
    if VERSION >= (3, 0):
        fill_models(client, made)
    print(json.dumps(made))


if __name__ == "__main__":
    main()
