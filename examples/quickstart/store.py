"""Act out the MLflow side of the story: train at commits, register models, delete things.

The books are kept from what the training scripts print and from the calls made here; the store is
not read back, except for the number of files of a logged model, which MLflow alone decides.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from execute import execute
from story import Training

if TYPE_CHECKING:
    from mlflow import MlflowClient

Json = dict[str, Any]

CANDIDATE, PRODUCTION = "wine-candidate", "wine-production"
DEFAULT_EXPERIMENT: Json = {"experiment_id": "0", "name": "Default", "tags": [], "lifecycle_stage": "active"}
"""The experiment that MLflow makes by itself in every new store."""

EXPERIMENTS: dict[str, dict[str, str]] = {
    "wine-quality": {"team": "cellar", "mlflow.user": "ada", "mlflow.note.content": "Which grower made it?"},
    "grid-search": {"team": "cellar"},
    "scratch": {},
}

IMPORTS: dict[str, list[str]] = {
    "train.py": ["tracking.py"],
    "src/train.py": ["src/tracking.py"],
    "src/grid_search.py": ["src/tracking.py", "src/train.py"],
    "src/evaluate.py": ["src/tracking.py", "src/train.py"],
}
"""The files of the project that each script imports."""


@dataclass(slots=True)
class Store:
    """An MLflow store in the making; ``books`` is what `truth.json` says about it."""

    repository: Path
    environment: Mapping[str, str]
    books: Json = field(
        default_factory=lambda: {
            "experiments": [dict(DEFAULT_EXPERIMENT)],
            "runs": [],
            "logged_models": [],
            "registered_models": [],
            "model_versions": [],
        }
    )

    def start(self) -> None:
        """Make the store and its experiments."""
        with quiet():
            for name, tags in EXPERIMENTS.items():
                number = self._client().create_experiment(name, tags=tags)
                entry = {"experiment_id": number, "name": name, "tags": sorted(tags)}
                self.books["experiments"].append(entry | {"lifecycle_stage": "active"})

    def train(self, sha: str, training: Training) -> None:
        """Execute a script of the project as it stands in the work tree, and enter its runs.

        Raises:
            RuntimeError: The script ended otherwise than the story has it; the message is its own.
        """
        names = ("MLFLOW_TRACKING_USERNAME", "LOGNAME", "USER", "LNAME", "USERNAME")
        who = dict.fromkeys(names, training.user.login)
        before = {path: self.repository.joinpath(path).read_bytes() for path in training.edit}
        for path, (old, new) in training.edit.items():
            changed = before[path].replace(old.encode(), new.encode())
            self.repository.joinpath(path).write_bytes(changed)
        done = execute(training.command, self.repository, {**self.environment, **who})
        for path, content in before.items():
            self.repository.joinpath(path).write_bytes(content)
        if bool(done.code) != training.fails:
            script = " ".join(training.command)
            raise RuntimeError(f"{script} ended with {done.code} at commit {sha}:\n{done.stderr}")
        for line in done.stdout.splitlines():
            if line.startswith("{"):
                self._enter_run(sha, training, json.loads(line))

    def _enter_run(self, sha: str, training: Training, said: Json) -> None:
        models = said.pop("models")
        files = said.pop("artifacts")
        run = said | {
            "experiment": training.experiment,
            "commit": sha,
            "entry_point": training.command[0],
            "imports": IMPORTS[training.command[0]],
            "work_tree": "dirty" if training.edit else "unknown",
            "user": training.user.login,
            "lifecycle_stage": "active",
            "artifact_files": sorted(files),
            "artifact_folders": sorted(_folders(files)),
        }
        self.books["runs"].append(run)
        at_step_0 = sum(steps.count(0) for steps in run["metrics"].values())
        for model in models:
            entry = {"metric_points": at_step_0, "lifecycle_stage": "active"} | model
            entry |= {"run_id": run["run_id"], "experiment": run["experiment"]}
            self.books["logged_models"].append(entry)
        for judged in run["model_inputs"]:
            self._model(judged["model_id"])["metric_points"] += judged["metric_points"]

    def finish(self) -> None:
        """Register models, promote one, and delete a run, a model, a version and an experiment."""
        with quiet():
            for model in self.books["logged_models"]:
                folder = self._client().get_logged_model(model["model_id"]).artifact_location
                model["files"], model["folders"] = _count_below(folder)
            self._register()
            self._delete()

    def _register(self) -> None:
        moved, merged = self._models("wine-quality", "linear")[1:3]
        (forest,) = self._models("grid-search", "forest")
        release = next(run["run_id"] for run in self.books["runs"] if "exported" in run["artifact_folders"])
        tags = {"task": "classification", "data": "wines"}
        self._add_model(CANDIDATE, "Models that may go into production.", tags)
        self._add_version(
            CANDIDATE, f"models:/{moved}", {"review": "passed"}, "The first one after the move."
        )
        self._add_version(CANDIDATE, f"models:/{forest}", {"review": "failed", "reason": "too big"})
        self._add_version(CANDIDATE, f"models:/{merged}", {"review": "passed"})
        self._add_version(CANDIDATE, f"runs:/{release}/exported/linear", {})
        self._add_model(PRODUCTION, "The model that the cellar asks.", {"owner": "cellar"})
        self._copy_version(CANDIDATE, 3, PRODUCTION)
        self._set_alias(CANDIDATE, "champion", 3)
        self._set_alias(CANDIDATE, "challenger", 4)
        self._set_alias(PRODUCTION, "champion", 1)

    def _delete(self) -> None:
        client = self._client()
        run = next(run for run in self.books["runs"] if run["user"] == "ben")
        client.delete_run(run["run_id"])
        run["lifecycle_stage"] = "deleted"
        model = next(model for model in self.books["logged_models"] if model["run_id"] == run["run_id"])
        client.delete_logged_model(model["model_id"])
        model["lifecycle_stage"] = "deleted"
        client.delete_model_version(CANDIDATE, "2")
        self._version(CANDIDATE, 2)["deleted"] = True
        experiment = next(e for e in self.books["experiments"] if e["name"] == "scratch")
        client.delete_experiment(experiment["experiment_id"])
        experiment["lifecycle_stage"] = "deleted"
        for run in self.books["runs"]:
            if run["experiment"] == "scratch":
                run["lifecycle_stage"] = "deleted"

    def _add_model(self, name: str, description: str, tags: dict[str, str]) -> None:
        self._client().create_registered_model(name, tags=tags, description=description)
        entry = {"name": name, "description": description, "tags": sorted(tags), "aliases": {}}
        self.books["registered_models"].append(entry)

    def _add_version(self, name: str, uri: str, tags: dict[str, str], description: str | None = None) -> None:
        import mlflow

        version = int(mlflow.register_model(uri, name, tags=tags).version)
        if description is not None:
            self._client().update_model_version(name, str(version), description)
        scheme, _, rest = uri.partition(":/")
        logged = scheme == "models"
        run_id = self._model(rest)["run_id"] if logged else rest.partition("/")[0]
        entry = {
            "name": name,
            "version": version,
            "source": uri,
            "run_id": run_id,
            "model_id": rest if logged else None,
            "description": description,
            "tags": sorted(tags),
            "copied_from": None,
            "deleted": False,
        }
        self.books["model_versions"].append(entry)

    def _copy_version(self, name: str, version: int, target: str) -> None:
        """Promote a version: MLflow copies its tags, description, run and logged model."""
        uri = f"models:/{name}/{version}"
        copy = self._client().copy_model_version(uri, target)
        entry = self._version(name, version) | {"name": target, "version": int(copy.version), "source": uri}
        entry["copied_from"] = {"name": name, "version": version}
        self.books["model_versions"].append(entry)

    def _set_alias(self, name: str, alias: str, version: int) -> None:
        self._client().set_registered_model_alias(name, alias, str(version))
        model = next(model for model in self.books["registered_models"] if model["name"] == name)
        model["aliases"][alias] = version

    def _models(self, experiment: str, name: str) -> list[str]:
        """The ids of the experiment's logged models of that name, oldest first."""
        models = self.books["logged_models"]
        return [m["model_id"] for m in models if (m["experiment"], m["name"]) == (experiment, name)]

    def _model(self, model_id: str) -> Json:
        models: list[Json] = self.books["logged_models"]
        return next(model for model in models if model["model_id"] == model_id)

    def _version(self, name: str, version: int) -> Json:
        versions: list[Json] = self.books["model_versions"]
        return next(v for v in versions if v["name"] == name and v["version"] == version)

    def _client(self) -> MlflowClient:
        from mlflow import MlflowClient

        return MlflowClient()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep back what MLflow prints; an exception still shows, and then that text, too."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            yield
    except Exception:
        sys.stderr.write(said.getvalue())
        raise


def _folders(files: list[str]) -> set[str]:
    """Every folder above the files."""
    return {str(folder) for file in files for folder in PurePosixPath(file).parents if str(folder) != "."}


def _count_below(location: str) -> tuple[int, int]:
    """The numbers of files and folders below an artifact location on this machine."""
    below = list(Path(url2pathname(urlsplit(location).path)).rglob("*"))
    return sum(path.is_file() for path in below), sum(path.is_dir() for path in below)


def mlflow_counts(books: Json) -> dict[str, int]:
    """The sums over the books of a store; deleted things are among them."""
    runs, models, versions = books["runs"], books["logged_models"], books["model_versions"]
    inputs = [(run["experiment"], data["name"], data["digest"]) for run in runs for data in run["datasets"]]
    return {
        "experiments": len(books["experiments"]),
        "deleted_experiments": _deleted(books["experiments"]),
        "experiment_tags": sum(len(experiment["tags"]) for experiment in books["experiments"]),
        "runs": len(runs),
        "deleted_runs": _deleted(runs),
        "failed_runs": sum(run["status"] == "FAILED" for run in runs),
        "nested_runs": sum(run["parent"] is not None for run in runs),
        "params": sum(run["params"] for run in runs),
        "metric_points": sum(len(steps) for run in runs for steps in run["metrics"].values()),
        "run_tags": sum(len(run["tags"]) for run in runs),
        "dataset_inputs": len(inputs),
        "model_inputs": sum(len(run["model_inputs"]) for run in runs),
        "stored_datasets": len(set(inputs)),
        "datasets": len({data[1:] for data in inputs}),
        "artifact_files": sum(len(run["artifact_files"]) for run in runs),
        "artifact_folders": sum(len(run["artifact_folders"]) for run in runs),
        "logged_models": len(models),
        "deleted_logged_models": _deleted(models),
        "logged_model_params": sum(model["params"] for model in models),
        "logged_model_metric_points": sum(model["metric_points"] for model in models),
        "logged_model_files": sum(model["files"] for model in models),
        "logged_model_folders": sum(model["folders"] for model in models),
        "registered_models": len(books["registered_models"]),
        "registered_model_tags": sum(len(model["tags"]) for model in books["registered_models"]),
        "aliases": sum(len(model["aliases"]) for model in books["registered_models"]),
        "model_versions": len(versions),
        "deleted_model_versions": sum(version["deleted"] for version in versions),
        "model_version_tags": sum(len(version["tags"]) for version in versions),
    }


def _deleted(entries: list[Json]) -> int:
    return sum(entry["lifecycle_stage"] == "deleted" for entry in entries)
