"""Fills the MLflow server at argv[1] with a bit of everything; argv[2] is a folder for files.

Run as a program of its own, since importing MLflow warns. Prints what was made as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

POINTS = [0.1, float("nan"), float("inf"), float("-inf"), 0.5]


def fill_runs(client: MlflowClient, folder: Path, made: dict) -> None:
    from mlflow.entities import Metric

    one = client.create_experiment("one", tags={"team": "é blue", "empty": ""})
    two = client.create_experiment("two, with: odd/name", artifact_location=(folder / "two").as_uri())
    gone = client.create_experiment("gone")
    far = client.create_experiment("far", artifact_location="s3://no-such-bucket/x")
    client.create_experiment("empty")
    first = client.create_run(one, run_name="first", tags={"mlflow.user": "ann"}).info.run_id
    points = [Metric("acc", value, 1000 + step, step) for step, value in enumerate(POINTS)]
    points += [Metric("acc", 0.5, 1004, 4), Metric("acc", 0.7, 1004, 4), Metric("val/loss: 5", 1.0, 5, -3)]
    client.log_batch(first, points + [Metric("long", i / 7, i, i) for i in range(130)])
    client.log_param(first, "lr", "0.1")
    client.set_tag(first, "t", "")
    deep = folder / "files" / "sub" / "deep"
    deep.mkdir(parents=True)
    (folder / "files" / "a.txt").write_text("hi")
    (deep / "b ü.txt").write_text("hello")
    client.log_artifacts(first, str(folder / "files"), "x y")
    client.set_terminated(first)
    child = client.create_run(one, tags={"mlflow.parentRunId": first}).info.run_id
    client.log_batch(child, [Metric("acc", float(i), i, i) for i in range(60)])
    client.set_terminated(child, "FAILED")
    for i in range(25):
        run = client.create_run(two, run_name=f"small {i}").info.run_id
        client.log_batch(run, [Metric("acc", float(i), i, step) for step in range(3)])
    client.log_artifacts(run, str(folder / "files"))
    client.delete_run(run)
    client.log_metric(client.create_run(gone).info.run_id, "acc", 3.0)
    client.delete_experiment(gone)
    for _ in range(5):
        client.create_run(far)
    made |= {"first": first, "child": child, "local": run}


def fill_models(client: MlflowClient, made: dict) -> None:
    import mlflow
    import numpy as np
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    class Echo(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input

    mlflow.set_experiment("one")
    table = np.arange(6.0).reshape(3, 2)
    with mlflow.start_run() as run:
        wine = mlflow.data.from_numpy(table, name="wine")
        mlflow.log_input(wine, context="training")
        mlflow.log_input(mlflow.data.from_numpy(table + 1, name="rest"))
        signature = mlflow.models.infer_signature(table, table)
        needs = ["numpy==1.0", "mlflow"]
        info = mlflow.pyfunc.log_model(
            name="mod", python_model=Echo(), signature=signature, pip_requirements=needs
        )
        mlflow.log_metric("mm", 1.5, step=2, model_id=info.model_id, dataset=wine)
        mlflow.log_metric("mm", float("inf"), step=4, model_id=info.model_id)
        lost = mlflow.initialize_logged_model("lost", params={"p": "1"}, tags={"k": "v"}, model_type="agent")
        client.log_outputs(run.info.run_id, [LoggedModelOutput(lost.model_id, 7)])
        client.finalize_logged_model(lost.model_id, "FAILED")
        client.delete_logged_model(lost.model_id)
    client.log_inputs(made["child"], models=[LoggedModelInput(info.model_id)])
    client.create_registered_model("wine", tags={"a": "b"}, description="d")
    for i in range(4):
        client.create_model_version(
            "wine", info.model_uri, run.info.run_id, tags={"q": str(i)}, model_id=info.model_id
        )
    client.delete_model_version("wine", "2")
    client.set_registered_model_alias("wine", "champ", "3")
    client.update_model_version("wine", "3", "about three")
    client.create_registered_model("lonely")
    mlflow.genai.register_prompt("greet", template="Hi {{name}}", commit_message="first")
    made |= {"model": info.model_id, "lost": lost.model_id, "trainer": run.info.run_id}


if __name__ == "__main__":
    url, folder = sys.argv[1:]
    os.chdir(folder)
    import mlflow

    mlflow.set_tracking_uri(url)
    made: dict = {}
    fill_runs(mlflow.MlflowClient(url), Path(folder), made)
    fill_models(mlflow.MlflowClient(url), made)
    print(json.dumps(made))
