"""A cache follows what comes to a repository, or goes from it, while its branches and tags stay as they are."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from git_maker import Repository, text
from joined import of_run, records, store_of
from tests.model.made_stores import Row

from mlflow2prov import Graph, extract


@pytest.fixture
def made(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "code")


def agree(folder: Path, repository: Repository, url: str) -> tuple[int, int]:
    """How many commits and files that were run a graph has, with a cache as without."""

    def extracted(**more: Path) -> Graph:
        return extract(repository.path, url, skip=["artifacts"], **more)

    with extracted() as whole, extracted(cache=folder / "c") as again:
        assert records(again) == records(whole)
        return len(whole.sql("SELECT id FROM Commit")), len(
            whole.sql("SELECT activity FROM used WHERE role = 'm2p:EntryPoint'")
        )


def rows(commit: str, source: str = "train.py") -> Iterator[Row]:
    yield from of_run("0" * 32, commit, source)


def test_a_commit_that_no_ref_reaches_comes_and_goes(tmp_path: Path, made: Repository) -> None:
    made.commit({"train.py": text(1)})
    other = Repository(tmp_path / "other")
    loose = other.commit({"train.py": text(2)})
    url = store_of(tmp_path, *rows(loose), *of_run("1" * 32, loose[:9], "train.py"))
    assert agree(tmp_path, made, url) == (1, 0)
    made.git("fetch", "-q", str(other.path), "main")
    (made.path / ".git" / "FETCH_HEAD").unlink()
    assert agree(tmp_path, made, url) == (2, 2)
    made.git("prune", "--expire=now")
    assert agree(tmp_path, made, url) == (1, 0)


def test_a_work_tree_that_is_added_has_the_sources_of_runs(tmp_path: Path, made: Repository) -> None:
    commit = made.commit({"train.py": text(1), "deep/train.py": text(2)})
    tree = tmp_path / "linked" / "deep"
    url = store_of(tmp_path, *rows(commit, f"{tree}/train.py"))
    assert agree(tmp_path, made, url) == (1, 0)
    made.git("worktree", "add", "-q", "--detach", str(tree), commit)
    assert agree(tmp_path, made, url) == (1, 1)


def test_contents_that_come_to_a_partial_clone_tell_renames(tmp_path: Path, made: Repository) -> None:
    made.git("config", "uploadpack.allowFilter", "true")
    one = made.commit({"train.py": text(1)})
    two = made.commit({"moved.py": text(2)}, one)
    url = store_of(tmp_path, *rows(two, "moved.py"))
    command = ["git", "clone", "-q", "--bare", "--filter=blob:none", f"file://{made.path}"]
    subprocess.run([*command, str(tmp_path / "part")], check=True)
    clone = Repository(tmp_path / "part")

    def files() -> int:
        assert agree(tmp_path, clone, url) == (2, 1)
        with extract(clone.path) as graph:
            return len(graph.sql("SELECT id FROM File"))

    assert files() == 2
    clone.git("log", "-p", "--all")  # fetches the contents
    assert files() == 1
