"""What goes wrong, or is unusual, gets one clear sentence and the documented exit code."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import DemoProject

SCHEMAS = Path(__file__).parents[3] / "shared" / "facts" / "mlflow_schema"


def extract(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlflow2prov", "extract", *arguments, "statistics", "--format", "csv"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"})


def sentences(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()


def test_an_empty_repository(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "r"], cwd=tmp_path, check=True)
    done = extract("--repository_path", "r", cwd=tmp_path)
    (said,) = sentences(done)
    assert done.returncode == 0
    assert "has no commits" in said


def clone(folder: Path, *arguments: str) -> None:
    """Clone the demo's repository, whose contents in Git LFS are on no server."""
    environment = {**os.environ, "GIT_LFS_SKIP_SMUDGE": "1"}
    subprocess.run(["git", "clone", "-q", *arguments], cwd=folder, check=True, env=environment)


def test_a_shallow_clone(demo_project: DemoProject, tmp_path: Path) -> None:
    source = demo_project.repository.as_uri()
    clone(tmp_path, "--depth", "2", source, "shallow")
    done = extract("--repository_path", "shallow", cwd=tmp_path)
    (said,) = sentences(done)
    assert done.returncode == 0
    assert "shallow" in said


def test_a_folder_that_is_no_repository_and_a_path_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        done = extract("--repository_path", str(path), cwd=tmp_path)
        (said,) = sentences(done)
        assert done.returncode == 1
        assert str(path) in said


def test_a_server_that_is_down(tmp_path: Path) -> None:
    done = extract("--mlflow_url", "http://ada:secret@127.0.0.1:9/", cwd=tmp_path)
    (said,) = sentences(done)
    assert done.returncode == 1
    assert "127.0.0.1:9" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("content", "says"), [(None, "does not exist"), (b"hello", "not a SQLite"), (b"", "not an MLflow store")]
)
def test_a_file_that_is_no_store(content: bytes | None, says: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "x.db").write_bytes(content)
    done = extract("--mlflow_url", "sqlite:///x.db", cwd=tmp_path)
    (said,) = sentences(done)
    assert done.returncode == 1
    assert says in said
    assert content is not None or not (tmp_path / "x.db").exists()


@pytest.mark.skipif(
    not SCHEMAS.is_dir(), reason="the shared schemas are not beside the project: get ../shared/facts"
)
def test_an_empty_store(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "empty.db") as database:
        database.executescript((SCHEMAS / "schema-2.5.0.sql").read_text())
        database.execute("INSERT INTO alembic_version VALUES ('7f2a7d5fae7d')")
    done = extract("--mlflow_url", "sqlite:///empty.db", cwd=tmp_path)
    (said,) = sentences(done)
    assert done.returncode == 0
    assert "without any run" in said


def test_a_run_that_still_runs_and_a_schema_that_is_not_known(
    demo_project: DemoProject, tmp_path: Path
) -> None:
    shutil.copy(demo_project.database, tmp_path / "m.db")
    run = demo_project.truth["mlflow"]["runs"][0]["run_id"]
    with sqlite3.connect(tmp_path / "m.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'fedcba987654'")
        database.execute("UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = ?", [run])
    before = (tmp_path / "m.db").read_bytes()
    done = extract("--mlflow_url", "sqlite:///m.db", "save", "--output", "out", cwd=tmp_path)
    unknown, running = sentences(done)
    assert done.returncode == 0
    assert "fedcba987654" in unknown
    assert "still running" in running
    assert (tmp_path / "m.db").read_bytes() == before
    creation = json.loads((tmp_path / "out.json").read_text())["activity"][f"mlflow:Creation.run--{run}"]
    assert "prov:startTime" in creation
    assert "prov:endTime" not in creation


def test_runs_of_commits_that_the_repository_does_not_have(demo_project: DemoProject, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "other"], cwd=tmp_path, check=True)
    commit = [
        "git",
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@b",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "other",
    ]
    subprocess.run(commit, cwd=tmp_path / "other", check=True)
    url = f"sqlite:///{demo_project.database}"
    done = extract("--repository_path", "other", "--mlflow_url", url, "save", "--output", "out", cwd=tmp_path)
    assert done.returncode == 0
    assert any("runs of commits that the repository does not have" in said for said in sentences(done))
    document = json.loads((tmp_path / "out.json").read_text())
    runs = [body for name, body in document["entity"].items() if name.startswith("mlflow:Run.")]
    assert all(len(body["m2p:source_git_commit"]) == 40 for body in runs)
    assert not [name for name in document["entity"] if name.startswith("git:FileRevision.")]


def test_credentials_are_left_behind_at_the_door(demo_project: DemoProject, tmp_path: Path) -> None:
    shutil.copy(demo_project.database, tmp_path / "m.db")
    secret = "https://ada:geheim@example.org/x?X-Amz-Signature=geheim&part=1"
    with sqlite3.connect(tmp_path / "m.db") as database:
        database.execute("UPDATE tags SET value = ? WHERE key = 'mlflow.source.git.repoURL'", [secret])
        database.execute("UPDATE params SET value = ? WHERE rowid = 1", [f"see {secret}"])
        database.execute("UPDATE datasets SET dataset_source = json_object('url', ?)", [secret])
        database.execute("UPDATE runs SET artifact_uri = ? WHERE rowid = 1", [secret])
        database.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = 1", [secret])
        database.execute("UPDATE registered_models SET description = ?", [secret])
        database.execute("UPDATE model_versions SET source = ? WHERE version = 1", [secret])
    clone(tmp_path, str(demo_project.repository), "r")
    subprocess.run(["git", "remote", "set-url", "origin", secret], cwd=tmp_path / "r", check=True)
    options = ["--repository_path", "r", "--mlflow_url", "sqlite:///m.db", "save", "--output", "out"]
    command = [sys.executable, "-m", "mlflow2prov", "--verbose", "extract", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "geheim" not in done.stderr
    text = (tmp_path / "out.json").read_text()
    assert "geheim" not in text
    assert "https://example.org/x?X-Amz-Signature=REDACTED&part=1" in text
