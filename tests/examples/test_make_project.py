"""What the quickstart says that it made is what Git and the MLflow store hold."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import DemoProject

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
Rows = list[tuple[Any, ...]]


@pytest.fixture
def git(demo_project: DemoProject) -> Callable[..., str]:
    """Git in the made repository, without anybody's settings."""
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def run(*arguments: str) -> str:
        return subprocess.run(
            ("git", *arguments),
            cwd=demo_project.repository,
            env={**os.environ, **settings},
            capture_output=True,
            check=True,
            encoding="utf-8",
        ).stdout.strip()

    return run


@pytest.fixture
def rows(demo_project: DemoProject) -> Callable[..., Rows]:
    """A query of the made store, by SQLite alone."""

    def query(sql: str, *values: object) -> Rows:
        with closing(sqlite3.connect(f"{demo_project.database.as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, values).fetchall()

    return query


def signed(person: dict[str, str], at: str) -> str:
    return f"{person['name']} <{person['email']}> {datetime.fromisoformat(at).timestamp():.0f}"


# ---- Git ---------------------------------------------------------------------------------------


def test_every_commit_has_its_parents_people_and_times(demo_project, git):
    truth = {
        (
            commit["sha"],
            " ".join(commit["parents"]),
            signed(commit["author"], commit["authored_at"]),
            signed(commit["committer"], commit["committed_at"]),
            commit["title"],
        )
        for commit in demo_project.truth["git"]["commits"]
    }
    log = git("log", "--all", "--format=%H%x09%P%x09%an <%ae> %at%x09%cn <%ce> %ct%x09%s")
    assert {tuple(line.split("\t")) for line in log.splitlines()} == truth


def test_every_commit_has_its_changes(demo_project, git):
    for commit in demo_project.truth["git"]["commits"]:
        merge = ("-c", "--name-status") if len(commit["parents"]) > 1 else ("--name-status", "-M50%")
        text = git("diff-tree", "-r", "-z", "--root", "--no-commit-id", *merge, commit["sha"])
        fields = text.rstrip("\0").split("\0") if text else []
        found = []
        while fields:
            status = set(fields.pop(0)).intersection("AMRD").pop()
            found.append((status, fields.pop(0) if status == "R" else None, fields.pop(0)))
        told = [(c["status"], c.get("previous_path"), c["path"]) for c in commit["changes"]]
        assert sorted(found, key=str) == sorted(told, key=str), commit["title"]


def test_the_sums_over_the_history_are_those_of_git(demo_project, git):
    counts = demo_project.truth["counts"]["git"]
    assert counts["commits"] == int(git("rev-list", "--count", "--all"))
    assert counts["merges"] == int(git("rev-list", "--count", "--all", "--merges"))
    people = set(git("log", "--all", "--format=%ae%n%ce").lower().splitlines())
    assert counts["people"] == len(people) == 3
    lists = git("rev-list", "--all", "--parents").splitlines()
    assert counts["parents"] == sum(len(line.split()) - 1 for line in lists)
    assert counts["revisions"] == counts["added"] + counts["modified"] + counts["renamed"]


def test_one_person_is_spelled_in_two_ways_and_one_is_a_co_author(demo_project, git):
    names = set(git("log", "--all", "--author=ben@example.org", "--format=%an").splitlines())
    assert names == {"Ben Okafor", "ben okafor"}
    told = [person for commit in demo_project.truth["git"]["commits"] for person in commit["co_authors"]]
    trailers = git("log", "--all", "--format=%(trailers:key=Co-authored-by,valueonly)").split("\n")
    assert [f"{person['name']} <{person['email']}>" for person in told] == [line for line in trailers if line]


def test_the_merge_differs_from_both_parents(demo_project, git):
    (merge,) = (commit for commit in demo_project.truth["git"]["commits"] if len(commit["parents"]) == 2)
    (change,) = merge["changes"]
    blobs = {git("rev-parse", f"{sha}:{change['path']}") for sha in (merge["sha"], *merge["parents"])}
    assert len(blobs) == 3


def test_tags_and_branches_point_where_they_should(demo_project, git):
    truth = demo_project.truth["git"]
    told = {(f"refs/heads/{name}", "commit", sha) for name, sha in truth["branches"].items()}
    kinds = {True: "tag", False: "commit"}
    told |= {(f"refs/tags/{tag['name']}", kinds[tag["annotated"]], tag["commit"]) for tag in truth["tags"]}
    form = (
        "--format=%(refname) %(objecttype) %(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)"
    )
    assert {tuple(line.split()) for line in git("for-each-ref", form).splitlines()} == told
    assert git("remote", "get-url", "origin") == truth["remote"]


def test_the_work_tree_is_left_clean(git):
    assert git("status", "--porcelain") == ""
    assert git("branch", "--show-current") == "main"


def test_the_same_story_makes_the_same_commits(demo_project, tmp_path):
    script = (
        "import json, os, sys; from pathlib import Path\n"
        "from history import History; from story import STORY\n"
        "history = History(Path(sys.argv[1]), {**os.environ, 'GIT_CONFIG_GLOBAL': os.devnull})\n"
        "history.start(); [history.act(commit) for commit in STORY]\n"
        "print(json.dumps(history.books))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "again")],
        cwd=QUICKSTART,
        env={**os.environ, "TZ": "Asia/Tokyo", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == demo_project.truth["git"]


# ---- MLflow ------------------------------------------------------------------------------------

COUNTED = {
    "experiments": "SELECT count(*) FROM experiments",
    "deleted_experiments": "SELECT count(*) FROM experiments WHERE lifecycle_stage = 'deleted'",
    "experiment_tags": "SELECT count(*) FROM experiment_tags",
    "runs": "SELECT count(*) FROM runs",
    "deleted_runs": "SELECT count(*) FROM runs WHERE lifecycle_stage = 'deleted'",
    "failed_runs": "SELECT count(*) FROM runs WHERE status = 'FAILED'",
    "nested_runs": "SELECT count(*) FROM tags WHERE key = 'mlflow.parentRunId'",
    "params": "SELECT count(*) FROM params",
    "metric_points": "SELECT count(*) FROM metrics",
    "run_tags": "SELECT count(*) FROM tags WHERE key NOT LIKE 'mlflow.%'",
    "dataset_inputs": "SELECT count(*) FROM inputs WHERE source_type = 'DATASET'",
    "model_inputs": "SELECT count(*) FROM inputs WHERE destination_type = 'MODEL_INPUT'",
    "stored_datasets": "SELECT count(*) FROM datasets",
    "datasets": "SELECT count(*) FROM (SELECT DISTINCT name, digest FROM datasets)",
    "logged_models": "SELECT count(*) FROM logged_models",
    "deleted_logged_models": "SELECT count(*) FROM logged_models WHERE lifecycle_stage = 'deleted'",
    "logged_model_params": "SELECT count(*) FROM logged_model_params",
    "logged_model_metric_points": "SELECT count(*) FROM logged_model_metrics",
    "registered_models": "SELECT count(*) FROM registered_models",
    "registered_model_tags": "SELECT count(*) FROM registered_model_tags",
    "aliases": "SELECT count(*) FROM registered_model_aliases",
    "model_versions": "SELECT count(*) FROM model_versions",
    "deleted_model_versions": "SELECT count(*) FROM model_versions WHERE current_stage = 'Deleted_Internal'",
    "model_version_tags": "SELECT count(*) FROM model_version_tags",
}


@pytest.mark.parametrize("what", COUNTED)
def test_the_store_holds_as_many(demo_project, rows, what):
    ((found,),) = rows(COUNTED[what])
    assert found == demo_project.truth["counts"]["mlflow"][what]
    assert found > 0


def test_every_sum_is_checked(demo_project):
    on_disc = {"artifact_files", "artifact_folders", "logged_model_files", "logged_model_folders"}
    assert set(demo_project.truth["counts"]["mlflow"]) == {*COUNTED, *on_disc}


def test_every_run_names_its_commit_script_user_and_parent(demo_project, rows, git):
    tags: dict[str, dict[str, str]] = {}
    for run_id, key, value in rows("SELECT run_uuid, key, value FROM tags"):
        tags.setdefault(run_id, {})[key] = value
    stored = {row[0]: row[1:] for row in rows("SELECT run_uuid, name, status, lifecycle_stage FROM runs")}
    for run in demo_project.truth["mlflow"]["runs"]:
        found = tags[run["run_id"]]
        assert found["mlflow.source.git.commit"] == run["commit"]
        assert found["mlflow.source.name"] == run["entry_point"]
        assert found["mlflow.user"] == run["user"]
        assert found.get("mlflow.parentRunId") == run["parent"]
        assert found["mlflow.source.git.repoURL"] == demo_project.truth["git"]["remote"]
        assert stored[run["run_id"]] == (run["name"], run["status"], run["lifecycle_stage"])
        assert git("cat-file", "-t", f"{run['commit']}:{run['entry_point']}") == "blob"
    assert {run["user"] for run in demo_project.truth["mlflow"]["runs"]} == {"ada", "ben", "chloe"}


def test_every_run_has_its_metric_points(demo_project, rows):
    found = Counter(rows("SELECT run_uuid, key, step FROM metrics"))
    told = Counter(
        (run["run_id"], key, step)
        for run in demo_project.truth["mlflow"]["runs"]
        for key, steps in run["metrics"].items()
        for step in steps
    )
    assert found == told
    assert rows("SELECT count(*) FROM metrics WHERE is_nan") > [(0,)]


def test_every_run_has_its_datasets(demo_project, rows):
    sql = """
        SELECT i.destination_id, d.name, d.digest, t.value
        FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id AND i.source_type = 'DATASET'
        LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid AND t.name = 'mlflow.data.context'
    """
    told = [
        (run["run_id"], data["name"], data["digest"], data["context"])
        for run in demo_project.truth["mlflow"]["runs"]
        for data in run["datasets"]
    ]
    assert Counter(rows(sql)) == Counter(told)
    assert {context for *_, context in told} == {"training", "validation", None}


def test_every_run_has_its_artifacts(demo_project, rows):
    numbers = dict(rows("SELECT run_uuid, experiment_id FROM runs"))
    counts = demo_project.truth["counts"]["mlflow"]
    files = folders = 0
    for run in demo_project.truth["mlflow"]["runs"]:
        root = demo_project.artifacts / str(numbers[run["run_id"]]) / run["run_id"] / "artifacts"
        found = {path.relative_to(root).as_posix(): path.is_dir() for path in root.rglob("*")}
        assert found == dict.fromkeys(run["artifact_files"], False) | dict.fromkeys(
            run["artifact_folders"], True
        )
        files, folders = files + len(run["artifact_files"]), folders + len(run["artifact_folders"])
    assert (files, folders) == (counts["artifact_files"], counts["artifact_folders"])


def test_every_logged_model_belongs_to_its_run_and_has_its_files(demo_project, rows):
    sql = "SELECT model_id, name, source_run_id, experiment_id, lifecycle_stage FROM logged_models"
    found = {row[0]: row[1:] for row in rows(sql)}
    names = dict(rows("SELECT experiment_id, name FROM experiments"))
    below: Counter[bool] = Counter()
    for model in demo_project.truth["mlflow"]["logged_models"]:
        name, run_id, number, stage = found.pop(model["model_id"])
        assert (name, run_id, stage) == (model["name"], model["run_id"], model["lifecycle_stage"])
        assert names[number] == model["experiment"]
        root = demo_project.artifacts / str(number) / "models" / model["model_id"] / "artifacts"
        assert (root / "MLmodel").is_file() == bool(model["files"])
        here = Counter(path.is_dir() for path in root.rglob("*"))
        assert here == Counter({False: model["files"], True: model["folders"]})
        below += here
    assert not found
    counts = demo_project.truth["counts"]["mlflow"]
    assert (below[False], below[True]) == (counts["logged_model_files"], counts["logged_model_folders"])


def test_every_version_has_its_source_and_the_middle_one_is_deleted(demo_project, rows):
    stored = rows("SELECT name, version, source, run_id, current_stage FROM model_versions")
    found = {(name, version): rest for name, version, *rest in stored}
    deleted = []
    for version in demo_project.truth["mlflow"]["model_versions"]:
        source, run_id, stage = found.pop((version["name"], version["version"]))
        if version["deleted"]:
            deleted.append((version["name"], version["version"]))
            assert stage == "Deleted_Internal"
        else:
            assert run_id == version["run_id"]
            exported = source.endswith(f"/{run_id}/artifacts/exported/linear")
            assert source == version["source"] or (version["model_id"] is None and exported)
    assert not found
    assert deleted == [("wine-candidate", 2)]
    assert any(version["copied_from"] for version in demo_project.truth["mlflow"]["model_versions"])


def test_aliases_point_at_their_versions(demo_project, rows):
    told = {
        (model["name"], alias, version)
        for model in demo_project.truth["mlflow"]["registered_models"]
        for alias, version in model["aliases"].items()
    }
    assert set(rows("SELECT name, alias, version FROM registered_model_aliases")) == told
    assert {alias for _, alias, _ in told} == {"champion", "challenger"}


def test_source_trees_are_the_commits_of_refs_and_runs(demo_project, rows, git):
    at_refs = git("for-each-ref", "--format=%(objectname)").splitlines()
    commits = {git("rev-parse", f"{ref}^{{commit}}") for ref in at_refs}
    commits |= {value for (value,) in rows("SELECT value FROM tags WHERE key = 'mlflow.source.git.commit'")}
    assert len(commits) == demo_project.truth["counts"]["source_trees"]


# ---- the scripts -------------------------------------------------------------------------------


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    script = [sys.executable, str(QUICKSTART / "make_project.py"), str(tmp_path)]
    done = subprocess.run(script, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not an empty folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_demo_removes_only_a_folder_that_it_made(tmp_path, demo_project):
    script = "import sys; from pathlib import Path; from demo import remove; print(remove(Path(sys.argv[1])))"
    mine, made = tmp_path / "mine", tmp_path / "made"
    mine.mkdir()
    made.mkdir()
    shutil.copy(demo_project.folder / ".made-by-make-project", made)
    link = tmp_path / "link"
    link.symlink_to(made, target_is_directory=True)
    said = {}
    for folder in (mine, link, made, tmp_path / "missing"):
        command = [sys.executable, "-B", "-c", script, str(folder)]
        done = subprocess.run(command, cwd=QUICKSTART, capture_output=True, encoding="utf-8", check=True)
        said[folder.name] = done.stdout.strip()
    assert said == {"mine": "False", "link": "False", "made": "True", "missing": "True"}
    assert mine.exists()
    assert not made.exists()


def test_the_configuration_names_what_was_made(demo_project):
    text = (QUICKSTART / "mlflow2prov.yaml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text.replace("${DEMO}", demo_project.folder.as_posix()))
    assert [name for step in steps for name in step] == ["extract", "transform", "save", "statistics"]
    assert Path(steps[0]["extract"]["repository_path"]) == demo_project.repository
    assert Path(steps[0]["extract"]["mlflow_url"].removeprefix("sqlite:///")) == demo_project.database
