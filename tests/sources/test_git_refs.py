"""Every ref that is history is read; what one of Git's refs can't say is said."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import pytest
from git_maker import Repository, picked, read


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r")


def test_commits_of_all_other_refs_are_read_too_as_in_a_mirror(
    repository: Repository, tmp_path: Path
) -> None:
    one = repository.commit({"a": "1"})
    names = ["refs/pull/1/head", "refs/merge-requests/2/head", "refs/changes/01/1/1", "refs/keep-around/x"]
    commits = {}
    for number, name in enumerate(names):
        commits[name] = repository.commit({"a": f"{number}"}, one, branch=None)
        repository.git("update-ref", name, commits[name])
    tag = repository.write("tag", f"object {one}\ntype commit\ntag t\ntagger T <t@x> 5 +0000\n\nm\n".encode())
    repository.git("update-ref", "refs/odd/tag", tag)
    repository.git("update-ref", "refs/odd/tree", repository.tree({}))
    rows = repository.read()
    assert set(picked(rows["git_commit"], "commit")) == {one, *commits.values()}
    assert len(rows["git_commit"]) == int(repository.git("rev-list", "--count", "--all"))
    assert picked(rows["git_ref"], "full_name") == ["refs/heads/main"]
    heads = [f"{sha} {name}" for name, sha in commits.items()]
    assert rows["git_repository"][0]["heads"] == sorted(
        [*heads, f"{one} refs/heads/main", f"{one} refs/odd/tag"]
    )
    mirror = tmp_path / "mirror.git"
    command = ["git", "clone", "-q", "--mirror", str(repository.path), str(mirror)]
    subprocess.run(command, check=True, env=repository.environment)
    assert read(mirror)["git_commit"] == rows["git_commit"]


def test_refs_that_are_broken_are_named(repository: Repository, caplog: pytest.LogCaptureFixture) -> None:
    one = repository.commit({"a": "1"})
    refs = repository.path / ".git" / "refs"
    for name, content in {"heads/side": "garbage\n", "heads/empty": "", "tags/t": "0" * 40}.items():
        (refs / name).write_text(content)
    repository.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/gone")
    rows = repository.read()
    assert picked(rows["git_ref"], "full_name", "commit") == [("refs/heads/main", one)]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "refs/heads/empty, refs/heads/side, refs/tags/t; see" in warning
    assert str(repository.path) in warning
