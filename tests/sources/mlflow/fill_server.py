"""Fills the MLflow server at argv[1] with a bit of everything; argv[2] is a folder for files.

Run as a program of its own, since importing MLflow warns. Prints what was made as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
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
        mlflow.log_input(mlflow.data.from_numpy(table + 1, name="rest"), tags={"split": "0.8", "by": "ann é"})
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
    code = {"mlflow.source.git.commit": "4c" * 20, "mlflow.source.git.dirty": "True"}
    client.set_logged_model_tags(info.model_id, code)
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


def fill_genai(client: MlflowClient, made: dict) -> None:
    """Traces of a run and of a logged model, with a prompt, assessments, and evaluation datasets."""
    import mlflow
    from mlflow.entities import AssessmentSource

    mlflow.genai.register_prompt("greet", template="Hello {{name}}", commit_message="second")
    mlflow.set_active_model(model_id=made["model"])

    @mlflow.trace(span_type="TOOL")
    def look_up(name: str) -> dict:
        return {"name": name, "score": 1.5, "tags": ["é", None, True], "n": 2**40}

    @mlflow.trace
    def greet(name: str, times: int = 2) -> dict:
        mlflow.update_current_trace(
            tags={"team": "red"}, metadata={"mlflow.trace.user": "zoe", "mlflow.trace.session": "s-1"}
        )
        mlflow.genai.load_prompt("prompts:/greet/2")
        return look_up(name)

    @mlflow.trace
    def fail() -> None:
        raise ValueError("on purpose")

    with mlflow.start_run() as run:
        greet("Zoë")
    greet("plain")
    with suppress(ValueError):
        fail()
    mlflow.flush_trace_async_logging()
    traces = mlflow.search_traces(return_type="list", order_by=["timestamp_ms ASC"])
    made |= {"traced": run.info.run_id, "traces": [trace.info.trace_id for trace in traces]}
    (trace_id,) = (it.info.trace_id for it in traces if it.info.trace_metadata.get("mlflow.sourceRun"))
    values = {"HUMAN": True, "LLM_JUDGE": 0.5, "CODE": "fine"}
    for source_type, value in values.items():
        source = AssessmentSource(source_type, f"{source_type.lower()}@example.org")
        mlflow.log_feedback(trace_id=trace_id, name=source_type, value=value, source=source, rationale="so")
    mlflow.log_feedback(trace_id=trace_id, name="whole", value=3.0)
    mlflow.log_feedback(trace_id=trace_id, name="broken", error=ValueError("no"))
    mlflow.log_expectation(trace_id=trace_id, name="expected", value={"b": [1, "ü"], "a": None})
    questions = mlflow.genai.datasets.create_dataset(
        name="questions", experiment_id=run.info.experiment_id, tags={"team": "red"}
    )
    questions.merge_records([{"inputs": {"q": str(n)}, "expectations": {"a": n}} for n in range(3)])
    mlflow.genai.datasets.create_dataset(name="none", experiment_id=[])
    made["questions"] = questions.dataset_id


def fill_media(client: MlflowClient, made: dict) -> None:
    """An image by its key, one by its path, and a table with an image."""
    import numpy as np
    from PIL import Image

    run_id = client.create_run("0", tags={"GITHUB_RUN_ID": "7", "GITHUB_ACTOR": "ada"}).info.run_id
    client.log_metric(run_id, "system/cpu_utilization_percentage", 7.5)
    image = np.zeros((4, 4, 3), dtype=np.uint8)
    client.log_image(run_id, image, key="dogs/brown ones", step=3, timestamp=1500, synchronous=True)
    client.log_image(run_id, image, "plain.png")
    table = {"x": [1], "picture": [Image.fromarray(image)]}
    client.log_table(run_id, table, "deep/table.json")
    client.set_terminated(run_id)
    made["media"] = run_id


if __name__ == "__main__":
    url, folder = sys.argv[1:]
    os.chdir(folder)
    import mlflow

    mlflow.set_tracking_uri(url)
    made: dict = {}
    fill_runs(mlflow.MlflowClient(url), Path(folder), made)
    fill_models(mlflow.MlflowClient(url), made)
    fill_genai(mlflow.MlflowClient(url), made)
    fill_media(mlflow.MlflowClient(url), made)
    print(json.dumps(made))
