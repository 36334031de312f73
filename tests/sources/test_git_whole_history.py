"""A whole history, told at once out of columns, is the one that is told commit by commit."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from both_ways import both_ways
from git_maker import Repository
from random_histories import history, make

from mlflow2prov.sources.git_log import Renames, log_arguments
from mlflow2prov.sources.git_log_columns import Piece, Pieces
from mlflow2prov.sources.git_program import Git

_HEX = "0123456789" * 4


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r")


@pytest.mark.parametrize("first", [1000, 1025], ids=str)
def test_random_histories_are_the_same_both_ways(
    tmp_path: Path, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path / "r", range(first, first + 25), partial(history, most_parents=2)).repository
    at_once, one_by_one, is_told_at_once = both_ways(made.path, monkeypatch)
    assert at_once == one_by_one and is_told_at_once
    assert at_once["git_merged"] and at_once["git_deletion"] and at_once["git_derivation"]


def test_random_merges_of_many_parents_are_the_same_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(6):
        made = make(tmp_path / f"{seed}", range(seed, seed + 1), partial(history, size=12))
        assert max(len(commit.parents) for commit in made.histories[seed]) > 2
        at_once, one_by_one, is_told_at_once = both_ways(made.repository.path, monkeypatch)
        assert at_once == one_by_one and is_told_at_once


def test_paths_that_look_like_entries_of_the_log_are_paths(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = f":100644 100644 {_HEX} {_HEX} M"
    renamed = f"\n:100644 100644 {_HEX} {_HEX} R100"
    one = repository.commit({odd: "a\n" * 9, "b": "b\n"})
    two = repository.commit({renamed: "a\n" * 9, odd: "new\n", "b": "b\n"}, one)
    repository.commit({renamed: "a\n" * 9, "b": "c\n"}, two)
    at_once, one_by_one, is_told_at_once = both_ways(repository.path, monkeypatch)
    assert at_once == one_by_one and is_told_at_once
    paths = {row["path"] for row in repository.read()["git_revision"]}
    assert paths == {odd, renamed, "b"}


def test_what_many_parents_bring_goes_on_with_the_file_of_the_nearest(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "a\n" * 20
    root = repository.commit({"a": "a\n"})
    tips = [repository.commit({"a": "a\n", "new": f"{n}\n" + text}, root, branch=None) for n in range(2)]
    moved = repository.commit({"a": "a\n", "old": "1\n" + text}, tips[1], branch=None)
    other = repository.commit({"a": "b\n"}, root, branch=None)
    firsts = {
        repository.commit({"a": "c\n", "new": f"{name}\n" + text}, *parents, branch=name): file
        for name, parents, file in (
            ("lacks", (other, *tips), tips[0]),
            ("second", (other, root, tips[1], tips[0]), tips[1]),
            ("renamed", (moved, *tips), tips[1]),
            ("between", (other, moved, *tips), tips[1]),
            ("none", (other, root, moved), None),
        )
    }
    after = repository.commit({"a": "c\n", "new": text}, *firsts, root, branch="after")
    at_once, one_by_one, is_told_at_once = both_ways(repository.path, monkeypatch)
    assert at_once == one_by_one and is_told_at_once
    files = {
        row["commit"]: row["file_added_in"]
        for row in repository.read()["git_revision"]
        if row["path"] == "new"
    }
    assert {commit: files[commit] for commit in firsts} == {it: file or it for it, file in firsts.items()}
    assert files[after] == tips[0]


def test_what_is_rare_is_told_commit_by_commit(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository.commit({"a": "a\n"})
    tips = [repository.commit({"a": "a\n", "new": f"{n}\n"}, root, branch=None) for n in range(8)]
    other = repository.commit({"a": "b\n"}, root, branch=None)
    repository.commit({"a": "c\n", "new": "merged\n"}, other, *tips)
    at_once, one_by_one, is_told_at_once = both_ways(repository.path, monkeypatch)
    assert at_once == one_by_one and not is_told_at_once
    assert len(repository.read()["git_derivation"]) == 18


def test_a_log_is_the_same_in_whatever_chunks_it_arrives(repository: Repository) -> None:
    one = repository.commit({"a": "a\n" * 20, "b": "b\n", "ä/c": "c\n"}, message=b"")
    two = repository.commit({"d": "a\n" * 20 + "x\n", "ä/c": "c\n"}, one)
    repository.commit({"d": "a\n" * 20 + "x\n", "ä/c": ("100755", "c\n")}, two)
    with Git(str(repository.path)).running(*log_arguments(Renames()), lines=[b"main"]) as output:
        log = output.read()
    whole = _told(log, len(log))
    changes = [line.split()[0] for line in whole if " " in line]
    assert sorted(changes) == ["A-1", "A-1", "A-1", "D-1", "M-1", "R95"]
    for size in (1, 7, 64, 200):
        assert _told(log, size) == whole


def test_what_is_remembered_of_commits_is_read_as_their_log_is(repository: Repository) -> None:
    odd = f"\n:100644 100644 {_HEX} {_HEX} R100"
    one = repository.commit({"a": "a\n" * 20, odd: "b\n"})
    two = repository.commit({"d": "a\n" * 20 + "x\n", odd: "b\n"}, one)
    three = repository.commit({"d": "a\n" * 20 + "x\n", odd: "c\n"}, two, message=b"")
    with Git(str(repository.path)).running(*log_arguments(Renames()), lines=[b"main"]) as output:
        log = output.read()
    pieces = Pieces(40)
    records = [record for piece in [*pieces.add(log), *pieces.end()] for record in piece.records()]
    assert [record[:40].decode() for record in records] == [one, two, three]
    assert _told(b"".join(record + b"\0" for record in records), 64) == _told(log, len(log))
    swapped = _told(b"".join(record + b"\0" for record in reversed(records)), 64)
    assert sorted(swapped) == sorted(_told(log, len(log))) and swapped[0] == three


def _told(log: bytes, size: int) -> list[str]:
    """What pieces made of chunks of a size say, a line for each commit and for each change."""
    pieces, lines = Pieces(40), list[str]()
    found = [piece for start in range(0, len(log), size) for piece in pieces.add(log[start : start + size])]
    for piece in [*found, *pieces.end()]:
        lines += _lines(piece)
    return lines


def _lines(piece: Piece) -> list[str]:
    shown = piece.shown.to_pylist()
    lines: list[str] = []
    for number, commit in enumerate(shown):
        lines.append(commit.split(b"\n")[0].decode())
        for place in (piece.commit == number).nonzero()[0]:
            source = piece.source[place]
            lines.append(
                f"{chr(piece.status[place])}{piece.similarity[place]} {piece.mode[place]:o}"
                f" {piece.blob[place].tobytes().hex()} {piece.paths[source] if source >= 0 else None!r}"
                f" {piece.paths[piece.path[place]]!r}"
            )
    return lines
