"""Make a small machine learning project to look at: ``python make_project.py OUTPUT_FOLDER``.

It makes, in a folder that must not exist or be empty,

* ``wine-quality``, a Git repository with a history of three people on two branches,
* ``mlflow.db`` and ``artifacts``, an MLflow store that the project's own scripts filled, executed
  at several of the commits,
* ``truth.json``, what was done, counted while doing it.

Names, dates, seeds and therefore the commits are the same each time; run ids and the times of runs
are not. MLflow and scikit-learn must be installed, and Git must be on the path.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from execute import warm_up
from history import History, git_counts
from store import Store, mlflow_counts
from story import STORY

REPOSITORY, DATABASE, ARTIFACTS, TRUTH = "wine-quality", "mlflow.db", "artifacts", "truth.json"
MARKER = ".made-by-make-project"
"""The file that tells a folder made here from other folders."""

NOTES = {
    "changes": "Each commit's changes to its first parent; a merge's are what differs from every parent.",
    "renamed": "A file moved and slightly edited, or only moved, in one commit.",
    "data": "What a commit put under version control by DVC or Git LFS, or changed; data_there is all that it has.",
    "people": "One for each e-mail address in lower case: authors, committers, co-authors and taggers.",
    "experiments": "Also the experiment 0 that MLflow makes in every store.",
    "tags": "Tags that the story sets; what MLflow sets by itself (mlflow.source.*, mlflow.user, "
    "mlflow.runName, ...) is left out. Experiment tags named mlflow.* were set by the story.",
    "datasets": "One for each name and digest; stored_datasets has one for each experiment, too.",
    "artifacts": "Files and folders that a run logged among its own artifacts, every folder on the way.",
    "logged_models": "params: those of the run that MLflow copies; metric_points: the run's points of "
    "step 0, which MLflow links to the model, and those of runs that judge it; files and folders: as "
    "found in the model's folder.",
    "model_versions": "A copied version has its source's tags, description, run and model.",
    "imports": "Files of the repository that a run's script imports.",
    "work_tree": "dirty: of a run that had MLflow record it, in a work tree with changes that nobody committed; "
    "nothing is known of the others.",
    "deleted": "Deleting an experiment deletes its runs, not its logged models.",
}


def main(arguments: list[str] | None = None) -> int:
    """Make the project in the folder that the command line names; the result is the exit code."""
    parser = argparse.ArgumentParser(description="Make a Git repository and an MLflow store to try out.")
    parser.add_argument("output", type=Path, help="a new or empty folder")
    output: Path = parser.parse_args(arguments).output
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        print(f"{output} is not an empty folder: name a new one.", file=sys.stderr)
        return 2
    try:
        make_project(output.resolve(), os.environ)
    except (RuntimeError, ImportError, OSError) as error:
        print(f"The project could not be made: {error}", file=sys.stderr)
        return 1
    return 0


def make_project(output: Path, outside: Mapping[str, str]) -> dict[str, Any]:
    """Make the project and return what `truth.json` says.

    Args:
        output: An absolute path; the folder is made where it is missing.
        outside: The environment variables to start from; MLflow's and Git's are not taken over.

    Raises:
        RuntimeError: Git or a script of the project failed; the message is its own.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / MARKER).write_text("Made by make_project.py: this folder may be removed.\n", encoding="utf-8")
    environment = _environment(output, outside)
    _take_on(environment)
    warm_up()
    history = History(output / REPOSITORY, environment)
    store = Store(output / REPOSITORY, environment)
    store.start()
    history.start()
    for commit in STORY:
        sha = history.act(commit)
        for training in commit.trainings:
            print(
                f"  {sha[:7]} {training.user.login:>5}: python {' '.join(training.command)}", file=sys.stderr
            )
            store.train(sha, training)
    history.git("switch", "--quiet", "main")
    store.finish()
    truth = _truth(history.books, store.books)
    text = json.dumps(truth, indent=2, ensure_ascii=False)
    (output / TRUTH).write_text(text + "\n", encoding="utf-8")
    return truth


def _truth(git: dict[str, Any], mlflow: dict[str, Any]) -> dict[str, Any]:
    at_refs = {tag["commit"] for tag in git["tags"]} | set(git["branches"].values())
    at_runs = {run["commit"] for run in mlflow["runs"]}
    counts = {
        "git": git_counts(git),
        "mlflow": mlflow_counts(mlflow),
        "source_trees": len(at_refs | at_runs),
    }
    return {"notes": NOTES, "counts": counts, "git": git, "mlflow": mlflow}


def _environment(output: Path, outside: Mapping[str, str]) -> dict[str, str]:
    """The environment of everything that is run: nobody's settings, one thread, no chatter."""
    kept = {
        name: value for name, value in outside.items() if not name.upper().startswith(("MLFLOW_", "GIT_"))
    }
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
    return {
        **kept,
        **dict.fromkeys(threads, "1"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "MLFLOW_TRACKING_URI": f"sqlite:///{(output / DATABASE).as_posix()}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": (output / ARTIFACTS).as_uri(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true",  # of models that the project made just before
        "DO_NOT_TRACK": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "PYTHONWARNINGS": "ignore",
        "LC_ALL": "C.UTF-8",
    }


def _take_on(environment: Mapping[str, str]) -> None:
    """Make the environment that of this process, too, before it imports MLflow."""
    os.environ.clear()
    os.environ.update(environment)


if __name__ == "__main__":
    raise SystemExit(main())
