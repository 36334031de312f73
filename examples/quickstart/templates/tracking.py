"""Log to MLflow and keep count: every run prints one line of JSON that says what it logged."""

import json
import tempfile
from pathlib import Path, PurePosixPath

import mlflow
import mlflow.data
import mlflow.sklearn

STORAGE = {"serialization_format": "cloudpickle", "pip_requirements": ["mlflow", "scikit-learn"]}


class Run:
    """One MLflow run, used as a context; an exception makes it a failed run."""

    def __init__(self, name, parent=None):
        self.name, self.parent = name, parent
        self.count = {"params": 0, "metrics": {}, "tags": []}
        self.count |= {"datasets": [], "artifacts": [], "models": [], "model_inputs": []}

    def __enter__(self):
        self.run_id = mlflow.start_run(run_name=self.name, nested=self.parent is not None).info.run_id
        return self

    def __exit__(self, kind, error, trace):
        status = "FAILED" if kind else "FINISHED"
        mlflow.end_run(status)
        parent = self.parent.run_id if self.parent else None
        facts = {"run_id": self.run_id, "name": self.name, "parent": parent, "status": status}
        print(json.dumps(facts | self.count), flush=True)

    def params(self, values):
        mlflow.log_params(values)
        self.count["params"] += len(values)

    def metric(self, key, value, step=0):
        mlflow.log_metric(key, value, step=step)
        self.count["metrics"].setdefault(key, []).append(step)

    def tag(self, key, value):
        mlflow.set_tag(key, value)
        self.count["tags"].append(key)

    def dataset(self, features, targets, name, context, source=None):
        data = mlflow.data.from_numpy(features, source=source, targets=targets, name=name)
        mlflow.log_input(data, context=context)
        self.count["datasets"].append({"name": data.name, "digest": data.digest, "context": context})

    def text(self, text, path):
        mlflow.log_text(text, path)
        self.count["artifacts"].append(path)

    def model(self, model, name, features):
        """Log the model as MLflow 3 does: beside the run, which then points at it."""
        signature = mlflow.models.infer_signature(features, model.predict(features))
        info = mlflow.sklearn.log_model(model, name=name, signature=signature, **STORAGE)
        self.count["models"].append({"model_id": info.model_id, "name": name, "params": self.count["params"]})

    def judge(self, model_id, key, value, features, targets, name):
        """Log what a model of another run scores on data: both become inputs of this run."""
        data = mlflow.data.from_numpy(features, targets=targets, name=name)
        mlflow.log_metric(key, value, model_id=model_id, dataset=data)
        self.count["metrics"].setdefault(key, []).append(0)
        self.count["datasets"].append({"name": data.name, "digest": data.digest, "context": None})
        self.count["model_inputs"].append({"model_id": model_id, "metric_points": 1})

    def export(self, model, folder):
        """Put a model that can be carried away among the artifacts of the run."""
        with tempfile.TemporaryDirectory() as place:
            path = Path(place, "model")
            mlflow.sklearn.save_model(model, str(path), **STORAGE)
            mlflow.log_artifacts(str(path), folder)
            files = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
        self.count["artifacts"] += [str(PurePosixPath(folder, file)) for file in files]
