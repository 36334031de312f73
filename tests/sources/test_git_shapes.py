"""Histories of odd shapes, each of which some real repository has."""

from __future__ import annotations

from pathlib import Path

import pytest
from git_maker import ADA, Repository, picked, text


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r")


def test_a_rename_of_case_only_is_a_rename_and_both_spellings_may_be_there_at_once(
    repository: Repository,
) -> None:
    one = repository.commit({"Readme.md": text(1)})
    two = repository.commit({"README.md": text(1)}, one)
    three = repository.commit({"README.md": text(1), "Readme.md": text(9, size=3)}, two)
    rows = repository.read()
    columns = ("commit", "path", "status", "file_added_in", "file_path")
    assert picked(rows["git_revision"], *columns) == sorted(
        [
            (one, "Readme.md", "A", one, "Readme.md"),
            (two, "README.md", "R", one, "Readme.md"),
            (three, "Readme.md", "A", three, "Readme.md"),
        ]
    )
    assert "git_deletion" not in rows


def test_a_path_is_a_file_here_and_a_folder_there(repository: Repository) -> None:
    one = repository.commit({"a": text(1), "b/c": text(2, size=9)})
    two = repository.commit({"a/a": text(1), "b": text(2, size=9)}, one)
    three = repository.commit({"a": "other", "b": text(2, size=9)}, two)
    rows = repository.read()
    columns = ("path", "status", "previous_path", "file_path")
    assert picked(rows["git_revision"], *columns, commit=two) == [
        ("a/a", "R", "a", "a"),
        ("b", "R", "b/c", "b/c"),
    ]
    assert picked(rows["git_deletion"], "commit", "path", "file_path") == [(three, "a/a", "a")]
    assert picked(rows["git_revision"], "path", "status", "is_new_file", commit=three) == [("a", "A", True)]


def test_a_merge_takes_the_file_or_the_folder(repository: Repository) -> None:
    base = repository.commit({"k": "k"})
    file = repository.commit({"k": "k", "a": "1"}, base, branch="file")
    folder = repository.commit({"k": "k", "a/b": "2"}, base, branch="folder")
    first = repository.commit({"k": "k", "a/b": "2"}, file, folder, branch="first")
    second = repository.commit({"k": "k", "a": "1"}, file, folder, branch="second")
    after = repository.commit({"k": "k", "a/b": "3"}, first, branch="after")
    rows = repository.read()
    assert not [row for row in rows["git_revision"] if row["commit"] in (first, second)]
    assert "git_deletion" not in rows
    assert picked(rows["git_derivation"], "previous_commit", "previous_path", commit=after) == [
        (folder, "a/b")
    ]


def test_a_file_whose_path_a_merge_gives_to_another_file_ends(repository: Repository) -> None:
    base = repository.commit({"a": text(1), "k": "k"})
    moved = repository.commit({"b": text(1), "k": "k"}, base)
    other = repository.commit({"a": text(7, size=3), "b": text(1), "k": "k"}, moved)
    kept = repository.commit({"a": text(1), "k": "k2"}, base, branch=None)
    merge = repository.commit({"a": text(7, size=3), "k": "k2"}, kept, other)
    rows = repository.read()
    columns = ("revision_commit", "path", "file_added_in", "file_path")
    assert picked(rows["git_deletion"], *columns, commit=merge) == [(base, "a", base, "a")]


def test_replaced_and_grafted_history_is_read_as_it_was_committed(repository: Repository) -> None:
    one = repository.commit({"a": "1"})
    two = repository.commit({"a": "2"}, one)
    three = repository.commit({"a": "3"}, two)
    plain = repository.read()
    other = repository.commit({"a": "other"}, one, branch=None, message=b"in its place\n")
    repository.git("replace", two, other)
    repository.git("replace", "--graft", three)
    repository.git("replace", plain["git_revision"][0]["blob"], repository.write("blob", b"x"))
    (repository.path / ".git" / "info" / "grafts").write_text(f"{two}\n{three} {one}\n")
    assert len(repository.git("log", "--format=%s", "main").splitlines()) < 3
    rows = repository.read()
    assert rows == plain
    assert picked(rows["git_parent"], "commit", "parent") == sorted([(two, one), (three, two)])


def test_modes_links_and_submodules_change_into_each_other(repository: Repository) -> None:
    sub = "5" * 40
    trees = [
        {"x": ("100644", "run"), "l": ("120000", "x"), "s": ("160000", sub)},
        {"x": ("100755", "run"), "l": ("120000", "s"), "s": ("160000", sub[:-1] + "6")},
        {"x": ("120000", "run"), "l": ("100644", "s"), "s/file": ("100644", "was a submodule")},
        {"x": ("160000", sub), "l/of": ("120000", "links"), "s": ("120000", "s2")},
        {"s": ("160000", sub)},
    ]
    shas: list[str] = []
    for tree in trees:
        shas.append(repository.commit(tree, *shas[-1:]))
    rows = repository.read()
    letters = [picked(rows["git_revision"], "path", "status", "mode", commit=sha) for sha in shas]
    assert letters == [
        [("l", "A", "120000"), ("s", "A", "160000"), ("x", "A", "100644")],
        [("l", "M", "120000"), ("s", "M", "160000"), ("x", "M", "100755")],
        [("l", "T", "100644"), ("s/file", "A", "100644"), ("x", "T", "120000")],
        [("l/of", "A", "120000"), ("s", "A", "120000"), ("x", "T", "160000")],
        [("s", "T", "160000")],
    ]
    ended = [picked(rows["git_deletion"], "path", "file_path", commit=sha) for sha in shas]
    assert ended == [[], [], [("s", "s")], [("l", "l"), ("s/file", "s/file")], [("l/of", "l/of"), ("x", "x")]]
    (last,) = picked(rows["git_revision"], "blob", commit=shas[-1])
    assert last == sub


def test_a_merge_that_changes_the_mode_only_makes_a_revision(repository: Repository) -> None:
    base = repository.commit({"run": "x"})
    left = repository.commit({"run": "x", "l": "l"}, base)
    right = repository.commit({"run": "x", "r": "r"}, base, branch=None)
    merge = repository.commit({"run": ("100755", "x"), "l": "l", "r": "r"}, left, right)
    rows = repository.read()
    assert picked(rows["git_revision"], "path", "status", "mode", commit=merge) == [("run", "M", "100755")]
    assert picked(rows["git_derivation"], "position", "previous_commit", commit=merge) == [
        (0, base),
        (1, base),
    ]


def test_an_octopus_that_deletes_renames_and_changes_files(repository: Repository) -> None:
    base = repository.commit({"gone": "g", "old": text(0), "both": text(5)})
    renamed = repository.commit({"gone": "g", "new": text(0), "both": text(5)}, base)
    edited = repository.commit({"gone": "g", "old": text(0, 1), "both": text(5, 6)}, base, branch=None)
    plain = repository.commit({"gone": "g", "old": text(0), "both": text(5), "p": "p"}, base, branch=None)
    merge = repository.commit(
        {"new": text(0, 1), "both": text(5, 6), "p": "p", "made": "m"}, renamed, edited, plain
    )
    rows = repository.read()
    columns = ("path", "status", "file_added_in", "file_path")
    assert picked(rows["git_revision"], *columns, commit=merge) == [
        ("made", "A", merge, "made"),
        ("new", "M", base, "old"),
    ]
    columns = ("position", "previous_commit", "previous_path")
    assert picked(rows["git_derivation"], *columns, commit=merge, path="new") == [
        (0, renamed, "new"),
        (1, edited, "old"),
        (2, base, "old"),
    ]
    assert picked(rows["git_deletion"], "commit", "path") == [(merge, "gone")]


def test_forty_thousand_files_come_move_and_go_in_one_commit_each(tmp_path: Path) -> None:
    size = 40_000
    repository = Repository(tmp_path / "r", "--bare")
    lines = [b"commit refs/heads/main\ncommitter " + ADA + b" 1 +0000\ndata 0\n"]
    for number in range(size):
        lines.append(b"M 100644 inline old/%d/%d\ndata %d\n%d\n" % (number % 99, number, 5, 10_000 + number))
    lines.append(b"commit refs/heads/main\ncommitter " + ADA + b" 2 +0000\ndata 0\nR old new\n")
    lines.append(b"commit refs/heads/main\ncommitter " + ADA + b" 3 +0000\ndata 0\ndeleteall\n")
    repository.git("fast-import", "--quiet", stdin=b"".join(lines))
    rows = repository.read()
    statuses = [(row["status"], row["similarity"]) for row in rows["git_revision"]]
    assert statuses == [("A", None)] * size + [("R", 100)] * size
    moved = rows["git_revision"][size:]
    assert all(row["previous_path"] == "old" + row["path"].removeprefix("new") for row in moved)
    assert len(rows["git_deletion"]) == size
    assert all(row["file_path"].startswith("old/") for row in rows["git_deletion"])
