"""Fills a new MLflow file store at argv[1] with a bit of everything; argv[2] is a folder for files.

Run as a program of its own, since importing MLflow warns. Prints what was made as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fill_server import fill_models, fill_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient


def fill_odd(client: MlflowClient, folder: Path, made: dict) -> None:
    """What files make hard: keys that are paths, texts of several lines, what is in a deleted experiment."""
    odd = client.create_experiment('- "odd": é #1', tags={"path/like": "two\nlines", "q": "'x': y"})
    run = client.create_run(odd, run_name="- a: 'b'\n\nc").info.run_id
    client.log_param(run, "opt/inner/lr", "1e-3\n")
    client.log_param(run, "number", "007")
    client.set_tag(run, "a/b c", "ü" * 3)
    client.set_tag(run, "mlflow.note.content", "# note\n\n* one\n")
    client.log_metric(run, "deep/er/loss", 1e-20, timestamp=7, step=2**40)
    client.log_metric(run, "deep/er/loss", -1.5, timestamp=8, step=0)
    trash = client.create_experiment("trash", tags={"mlflow.user": "bob"})
    lost = client.create_run(trash, tags={"mlflow.user": "bob"}).info.run_id
    client.log_metric(lost, "acc", 1.0)
    client.log_artifacts(lost, str(folder / "files"), "kept")
    client.delete_experiment(trash)
    made |= {"odd": run, "trashed": lost, "trash": trash}


def fill_registry(client: MlflowClient, folder: Path, made: dict) -> None:
    """Versions from a run's artifacts, with stages, and one deleted that had an alias and tags."""
    name = "old style é"
    model = folder / "model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {sklearn: {}}\nutc_time_created: '2024-05-01 10:00:00'\n")
    (model / "requirements.txt").write_text("scikit-learn==1.4.2\n")
    client.log_artifacts(made["first"], str(model), "model")
    client.create_registered_model(name, tags={"deep/tag": "v"}, description="several\nlines: of 'text'\n")
    source = client.get_run(made["first"]).info.artifact_uri + "/model"
    for i in range(3):
        client.create_model_version(name, source, made["first"], tags={"n": str(i)}, description=f"d {i}")
    client.transition_model_version_stage(name, "1", "Staging")
    client.set_registered_model_alias(name, "best-one", "2")
    client.delete_model_version(name, "2")
    client.set_registered_model_alias(name, "best-one", "3")
    client.create_registered_model("gone")
    client.delete_registered_model("gone")
    client.copy_model_version("models:/wine/3", "copies")


def fill_traces(made: dict) -> None:
    """Traces with spans among their artifacts and with assessments, one of them in a deleted experiment."""
    import mlflow
    from mlflow.entities import AssessmentSource

    @mlflow.trace(span_type="TOOL")
    def look_up(name: str) -> dict:
        return {"name": name, "é": [1.5, None]}

    @mlflow.trace
    def greet(name: str, times: int = 2) -> dict:
        metadata = {"mlflow.trace.user": "zoe", "mlflow.trace.session": "s-1"}
        mlflow.update_current_trace(tags={"team": "red"}, metadata=metadata)
        return look_up(name)

    mlflow.set_experiment("traced")
    with mlflow.start_run() as run:
        greet("Zoë")
    made["thrown"] = mlflow.set_experiment("thrown away").experiment_id
    look_up("plain")
    mlflow.flush_trace_async_logging()
    made["traced"] = run.info.run_id
    (trace,) = mlflow.search_traces(locations=[run.info.experiment_id], return_type="list")
    made["greeting"] = trace.info.trace_id
    for source_type, value in {"HUMAN": True, "LLM_JUDGE": 0.5, "CODE": "0.5"}.items():
        source = AssessmentSource(source_type, f"{source_type.lower()}@example.org")
        mlflow.log_feedback(trace_id=trace.info.trace_id, name=source_type, value=value, source=source)
    mlflow.log_feedback(trace_id=trace.info.trace_id, name="broken", error=ValueError("no"))
    mlflow.log_expectation(trace_id=trace.info.trace_id, name="expected", value={"b": [1, "ü"], "a": None})
    mlflow.MlflowClient().delete_experiment(made["thrown"])


if __name__ == "__main__":
    uri, folder = sys.argv[1:]
    os.chdir(folder)
    import mlflow

    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient(uri)
    made: dict = {}
    fill_runs(client, Path(folder), made)
    fill_models(client, made)
    fill_odd(client, Path(folder), made)
    fill_registry(client, Path(folder), made)
    fill_traces(made)
    print(json.dumps(made))
