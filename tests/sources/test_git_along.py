"""The code of runs, the files of trees and data are the same out of columns and commit by commit."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

import pytest
from both_ways import both_ways
from data_files import MD5, lock, oid, pointer, stage, tracked
from git_maker import Repository
from random_histories import LINK, PLAIN, Commit, Files, Made, history, make

from mlflow2prov.sources.git_blobs import Blobs
from mlflow2prov.sources.git_narrowing import Narrowing
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_wanted import GitWanted

_EVERYTHING = GitWanted(tree_members=True, follow_imports=True)
_TOLD_OF_DATA = (
    *("git_data", "git_data_artifact", "git_data_link", "git_data_named", "git_stage_run", "git_stage_data"),
    *("git_dataset_match", "git_entry_point", "git_import", "git_declared", "git_folder", "git_member"),
)


def _letter(content: bytes) -> str:
    """One of a few letters that a content chooses, so that many contents choose the same one."""
    return "abcdefgh"[hashlib.sha256(content).digest()[0] % 8]


def _with_data(files: Files) -> Files:
    """A tree with files of DVC, pointers and imports, which are others where its files are others."""
    made: Files = {}
    for name, (mode, content) in files.items():
        letter = _letter(content)
        if name.endswith(".py") and mode == PLAIN:
            content = f"import a, {letter}\nfrom src import b, c\nfrom .deep import a\n".encode() + content
        made[name] = mode, content
        if name in {"a", "b", "d e"}:
            made[f"{name}.dvc"] = mode if mode == LINK else PLAIN, tracked(name, letter).encode()
        elif name in {"c.py", "src/c.py"}:
            made[name.replace("c.py", "x.bin")] = PLAIN, pointer(letter).encode()
            made[".gitattributes"] = PLAIN, b"*.bin filter=lfs\n"
        elif name in {"a.py", "src/a.py", "Src/a.py"}:
            outs = {"model.bin": letter} if letter > "b" else {}
            told = stage("train", "python a.py", {"../a": letter, "b.py": "a"}, outs, f"rate: {letter}")
            made[name.replace("a.py", "dvc.lock")] = PLAIN, lock(told).encode()
        elif name in {"b.py", "src/b.py"}:
            defined = f"stages:\n  train:\n    cmd: python a.py\n    outs: [model.bin, {letter}.csv]\n"
            defined += f"artifacts:\n  {letter}: {{path: model.bin, type: model}}\n  data: {{path: ../a}}\n"
            made[name.replace("b.py", "dvc.yaml")] = PLAIN, defined.encode()
            made["params.yaml"] = PLAIN, b"rate: 1\n"
            made["setup.cfg"] = (
                PLAIN,
                f"[options.entry_points]\nconsole_scripts =\n  t = {letter}:m\n".encode(),
            )
    return made


def _history(seed: int) -> list[Commit]:
    return [Commit(commit.parents, _with_data(commit.files)) for commit in history(seed, most_parents=2)]


def _asked(made: Made, share: float) -> tuple[list[tuple[str, str]], list[tuple[str, str, str, str]]]:
    """Sources and datasets of runs at a share of all commits."""
    rnd = random.Random(share)
    commits = [commit for commits in made.histories.values() for commit in commits]
    points, datasets = list[tuple[str, str]](), list[tuple[str, str, str, str]]()
    for commit in rnd.sample(commits, int(share * len(commits))):
        sources = [*(name for name in sorted(commit.files) if name.endswith(".py")), "t", "-m src.a", "b.py"]
        points += [(commit.sha, source) for source in rnd.sample(sources, 2)]
        digest = rnd.choice([MD5["a"], MD5["c"], oid("d"), "none"])
        place = json.dumps({"uri": rnd.choice(["a", "src/x.bin", "model.bin", "c.py", "/else/where/b.py"])})
        datasets.append((commit.sha, "wine", digest, place))
    return points, datasets


@pytest.mark.parametrize(("first", "share"), [(2000, 0.03), (2010, 0.1), (2020, 0.9)], ids=str)
def test_random_histories_of_runs_and_data_are_the_same_both_ways(
    tmp_path: Path, first: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path / "r", range(first, first + 10), _history)
    points, datasets = _asked(made, share)
    at_once, one_by_one, is_told_at_once = both_ways(
        made.repository.path, monkeypatch, entry_points=points, datasets=datasets, wanted=_EVERYTHING
    )
    assert at_once == one_by_one and is_told_at_once
    assert not [table for table in _TOLD_OF_DATA if not at_once.get(table)]


@pytest.mark.parametrize(
    "narrowing",
    [
        Narrowing.of(paths=["src", "*.dvc"]),
        Narrowing.of(since="1980-01-01", until="1995-01-01"),
        Narrowing.of(paths=["*.py"], since="1999-01-01"),
        Narrowing.of(since="2040-01-01"),
    ],
    ids=["paths", "time", "both", "nothing but what runs name"],
)
def test_a_part_of_random_histories_is_the_same_both_ways(
    tmp_path: Path, narrowing: Narrowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path / "r", range(2030, 2038), _history)
    points, datasets = _asked(made, 0.05)
    wanted = GitWanted(follow_imports=True, narrowing=narrowing)
    at_once, one_by_one, is_told_at_once = both_ways(
        made.repository.path, monkeypatch, entry_points=points, datasets=datasets, wanted=wanted
    )
    assert at_once == one_by_one and is_told_at_once
    assert at_once["git_commit"] and at_once["git_revision"] and at_once["git_entry_point"]


def test_only_the_states_that_are_needed_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path / "r")
    tip = repository.commit({"train.py": "1\n", "old.py": "a\n" * 9})
    points = [(tip, "train.py")]
    for number in range(3):
        side = repository.commit({"train.py": f"{number}\n", "old.py": "a\n" * 9}, tip, branch=None)
        moved = repository.commit({"train.py": f"{number}\n", "new.py": "a\n" * 9}, side, branch=None)
        tip = repository.commit({"train.py": "main\n", "new.py": "a\n" * 9}, tip, moved)
        tip = repository.commit({"train.py": "main\n", "old.py": "a\n" * 9}, tip)
        points += [(moved, "old.py"), (moved, "new.py"), (tip, "./old.py")]
    at_once, one_by_one, is_told_at_once = both_ways(
        repository.path, monkeypatch, entry_points=points, wanted=_EVERYTHING
    )
    assert at_once == one_by_one and is_told_at_once
    assert sum("'candidates': 1" in row for row in at_once["git_entry_point"]) == 7


def test_contents_that_are_expected_are_those_that_are_asked_for(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    names = [repository.write("blob", content) for content in (b"a", b"", b"\nb\n", b"c" * 3_000_000)]
    asked = [names[0], names[1], "0" * 40, names[3], names[2], names[0], names[0]]
    with Blobs(Git(str(repository.path))) as blobs:
        blobs.expect(asked)
        assert blobs.content(names[2], 9) == b"\nb\n"
        assert [blobs.in_turn(name, 9) for name in asked] == [b"a", b"", None, None, b"\nb\n", b"a", b"a"]
        assert (blobs.missing, blobs.too_large) == (1, 1)
        assert blobs.in_turn(names[2], 9) == b"\nb\n"


def test_contents_that_are_not_the_expected_ones_are_read_all_the_same(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    one, two, three = (repository.write("blob", content) for content in (b"1", b"2", b"3"))
    with Blobs(Git(str(repository.path))) as blobs:
        blobs.expect([one, two])
        assert [blobs.in_turn(name, 9) for name in (three, one, one, two)] == [b"3", b"1", b"1", b"2"]
