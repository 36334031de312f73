"""The file that a run names is found in the tree of its own commit, or not at all."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from git_maker import Repository, picked, read

FILES = {
    "train.py": "1",
    "src/train.py": "2",
    "src/deep/fit.py": "3",
    "src/fit_all.py": "4",
    "other/fit_all.py": "5",
    "only/here/one.py": "6",
    "MLproject": "7",
    "sub/folder/MLproject": "8",
    "a#b.py": "9",
    "lib/tool.py": ("160000", "1" * 40),
    "Ünï cödé.py": "10",
}

CASES: list[tuple[str, int, str | None]] = [
    ("train.py", 1, "train.py"),
    ("./train.py", 1, "train.py"),
    ("src//./deep/../train.py", 1, "src/train.py"),
    ("one.py", 1, "only/here/one.py"),
    ("here/one.py", 1, "only/here/one.py"),
    ("ere/one.py", 0, None),
    ("fit_all.py", 2, None),
    ("../fit_all.py", 2, None),
    ("../one.py", 1, "only/here/one.py"),
    ("../train.py", 2, None),
    ("wine/src/deep/fit.py", 1, "src/deep/fit.py"),
    ("/elsewhere/src/deep/fit.py", 1, "src/deep/fit.py"),
    ("/elsewhere/wine/src/train.py", 2, None),
    ("/elsewhere/wine/train.py", 1, "train.py"),
    ("/elsewhere/one.py", 0, None),
    ("C:\\wine\\src\\deep\\fit.py", 1, "src/deep/fit.py"),
    ("src\\deep\\fit.py", 1, "src/deep/fit.py"),
    ("{root}/src/train.py", 1, "src/train.py"),
    ("file://{root}/src/train.py", 1, "src/train.py"),
    ("{root}/scratch/train.py", 0, None),
    ("{root}", 1, "MLproject"),
    ("{root}#sub/folder", 1, "sub/folder/MLproject"),
    ("{root}/sub#folder", 1, "sub/folder/MLproject"),
    ("file://{root}#sub/folder", 1, "sub/folder/MLproject"),
    ("https://example.org/wine.git#sub/folder", 1, "sub/folder/MLproject"),
    ("https://example.org/wine.git#none", 0, None),
    ("git@example.org:wine.git", 1, "MLproject"),
    ("sub/folder", 1, "sub/folder/MLproject"),
    ("a#b.py", 1, "a#b.py"),
    ("Ünï cödé.py", 1, "Ünï cödé.py"),
    ("lib/tool.py", 0, None),
    ("tool.py", 0, None),
    ("/opt/lib/ipykernel_launcher.py", 0, None),
    ("", 0, None),
    ("/", 0, None),
    ("..", 0, None),
    ("-c", 0, None),
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, str]:
    made = Repository(tmp_path_factory.mktemp("made") / "r")
    return made, made.commit(FILES)  # type: ignore[arg-type]


def test_a_source_is_the_one_file_that_it_can_mean(repository: tuple[Repository, str]) -> None:
    made, sha = repository
    sources = [source.replace("{root}", str(made.path)) for source, _, _ in CASES]
    rows = made.read(entry_points=[(sha, source) for source in sources])["git_entry_point"]
    found = {row["source"]: (row["candidates"], row["path"]) for row in rows}
    assert found == {
        source: (candidates, path) for source, (_, candidates, path) in zip(sources, CASES, strict=True)
    }
    assert len(rows) == len(CASES)
    assert all(row["revision_commit"] == (sha if row["path"] else None) for row in rows)
    assert {row["commit"] for row in rows} == {sha}


def test_a_source_in_a_linked_work_tree_is_in_the_repository(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    sha = made.commit({"train.py": "1", "a/train.py": "2"})
    made.git("worktree", "add", "-q", "--detach", str(tmp_path / "r" / "trees" / "x"))
    source = str(tmp_path / "r" / "trees" / "x" / "a" / "train.py")
    rows = made.read(entry_points=[(sha, source)])["git_entry_point"]
    assert picked(rows, "candidates", "path") == [(1, "a/train.py")]


def test_the_revision_is_that_of_the_runs_commit_and_its_own_ancestors(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    one = made.commit({"a/train.py": "1"})
    two = made.commit({"a/train.py": "2"}, one)
    side = made.commit({"a/train.py": "1", "b": "b"}, one, branch="side")
    moved = made.commit({"b/train.py": "2"}, two)
    wanted = [(sha, "train.py") for sha in (one, two, side, moved)]
    wanted += [(moved, "a/train.py"), (moved, "train.py")]
    rows = made.read(entry_points=wanted)["git_entry_point"]
    assert picked(rows, "commit", "path", "revision_commit", source="train.py") == sorted(
        [
            (one, "a/train.py", one),
            (two, "a/train.py", two),
            (side, "a/train.py", one),
            (moved, "b/train.py", moved),
        ]
    )
    assert picked(rows, "candidates", source="a/train.py") == [0]


def test_a_commit_that_no_branch_reaches_any_more_is_read_if_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = Repository(tmp_path / "r")
    one = made.commit({"train.py": "1"})
    lost = made.commit({"train.py": "2"}, one, branch=None)
    rebased = made.commit({"train.py": "3"}, lost, branch=None)
    made.git("tag", "-a", "-m", "m", "v1", one)
    tag = made.git("rev-parse", "v1")
    wanted = [(sha, "train.py") for sha in (rebased, rebased[:12], "0" * 40, tag, rebased.upper())]
    with caplog.at_level(logging.INFO):
        rows = made.read(entry_points=[*wanted, (one, "\ud800")])
    assert [row["commit"] for row in rows["git_commit"]] == [one, lost, rebased]
    assert picked(rows["git_entry_point"], "commit", "revision_commit") == [(rebased, rebased)]
    assert any(record.getMessage().startswith("5 of 6 ") for record in caplog.records)
    assert len(made.read()["git_commit"]) == 1


def test_a_commit_of_which_the_history_is_gone_does_no_harm(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    one = made.commit({"train.py": "1"})
    lost = made.commit({"train.py": "2"}, one, branch=None)
    broken = made.commit({"train.py": "3"}, lost, branch=None)
    other = made.commit({"train.py": "4"}, one, branch=None)
    (made.path / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    rows = made.read(entry_points=[(broken, "train.py"), (other, "train.py")])
    assert picked(rows["git_entry_point"], "commit") == [other]
    assert picked(rows["git_commit"], "commit") == sorted([one, other])


def test_a_path_that_is_no_text_is_found_by_nothing_but_does_no_harm(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    sha = made.commit({b"x/caf\xe9.py": "1", b"x/tab\x01.py": "2"})
    rows = read(made.path, entry_points=[(sha, "caf\\xe9.py"), (sha, "tab\x01.py")])["git_entry_point"]
    assert picked(rows, "candidates", source="caf\\xe9.py") == [0]
    assert picked(rows, "path", "path_bytes", source="tab\x01.py") == [("x/tab\\x01.py", b"x/tab\x01.py")]
