"""The members of runs' source trees are what ``git ls-tree -r`` lists, and what trees share is there once."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from git_maker import ADA, Repository, Rows, read
from random_histories import SlowWalk, make, touched
from tests.model.made_stores import Document, document_of, run, tags

from mlflow2prov import extract
from mlflow2prov.commands import COMMAND_BY_NAME, step
from mlflow2prov.errors import UsageError
from mlflow2prov.model.ids import local_name
from mlflow2prov.sources.git_members import WIDE, runs
from mlflow2prov.sources.git_wanted import GitWanted

RUNS = [f"{number:032x}" for number in range(1, 200)]


def document(folder: Path, repository: Path, commits: list[str], **options: Any) -> Document:
    """The document of a run at each commit."""
    rows = [run(name) for name, _ in zip(RUNS, commits, strict=False)]
    for name, commit in zip(RUNS, commits, strict=False):
        rows += tags(name, mlflow__source__git__commit=commit, mlflow__source__name="train.py")
    options = {"repository_path": repository, "tree_members": True, **options}
    return document_of(folder, *rows, **options)


def members(made: Document) -> dict[str, list[str]]:
    """What each collection of Git's has."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in made.get("hadMember", {}).values():
        if row["prov:collection"].startswith("git:"):
            found[row["prov:collection"]].append(row["prov:entity"])
    return found


def leaves(inside: dict[str, list[str]], collection: str) -> list[str]:
    """The files of a collection, through all folders."""
    found: list[str] = []
    for name in inside[collection]:
        found += leaves(inside, name) if name.startswith("git:SourceFolder.") else [name]
    return found


def listed(repository: Repository, commit: str) -> list[tuple[str, str]]:
    """The paths and contents of a tree, as Git lists them."""
    lines = repository.git("ls-tree", "-r", "-z", "--full-tree", commit).split("\0")
    pairs = (line.split("\t") for line in lines if line)
    return sorted((path, said.split()[2]) for said, path in pairs)


def shown(made: Document, names: list[str]) -> list[tuple[str, str]]:
    entities = made["entity"]
    return sorted((entities[name]["m2p:path"], entities[name]["m2p:blob"]) for name in names)


def test_the_members_are_those_that_git_lists_and_the_walk_has(tmp_path: Path) -> None:
    made = make(tmp_path / "r", range(3))
    changes = touched(made, find_copies=False)
    walks = [SlowWalk(commits, changes) for commits in made.histories.values()]
    states = {sha: state for walk in walks for sha, state in walk.states.items()}
    said = document(tmp_path, tmp_path / "r", sorted(states))
    inside = members(said)
    for sha, state in states.items():
        found = leaves(inside, f"git:SourceTree.{sha}")
        assert shown(said, found) == listed(made.repository, sha)
        assert sorted(found) == sorted(f"git:{local_name('FileRevision', *made)}" for made in state.values())
    folders = [name for name in said["entity"] if name.startswith("git:SourceFolder.")]
    assert folders and set(folders) <= set(inside)


def read_with_members(path: Path, commits: list[str]) -> Rows:
    return read(path, entry_points=[(sha, "") for sha in commits], wanted=GitWanted(tree_members=True))


def inside_of(rows: Rows) -> dict[str, list[Any]]:
    """What each tree and folder has, in the source tables: a folder, or a path and a commit."""
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows["git_member"]:
        found[row["tree"] or row["folder"]].append(
            row["member_folder"] or (row["path"], row["revision_commit"])
        )
    return found


def leaves_of_rows(inside: dict[str, list[Any]], collection: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for thing in inside[collection]:
        found += leaves_of_rows(inside, thing) if isinstance(thing, str) else [thing]
    return found


def many(path: Path, names: list[str], commits: int) -> tuple[Repository, list[str]]:
    """A repository of many files, of which each commit but the first changes one."""
    repository, chance = Repository(path, "--bare"), random.Random(1)
    lines: list[bytes] = []
    for number in range(commits):
        changed = names if not number else [chance.choice(names)]
        lines.append(b"commit refs/heads/main\ncommitter " + ADA + b" %d +0000\ndata 0\n" % number)
        for name in changed:
            data = f"{name} {number}".encode()
            lines.append(f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n")
    repository.git("fast-import", "--quiet", stdin=b"".join(lines))
    return repository, repository.git("rev-list", "--reverse", "main").split()


@pytest.mark.parametrize(
    ("names", "each"),
    [
        ([f"src/{folder}/{name}.py" for folder in range(20) for name in range(30)], 60),
        ([f"{name}.csv" for name in range(900)], 300),
        ([f"data/raw/{name}.csv" for name in range(900)], 300),
    ],
    ids=["folders", "wide root", "wide folder"],
)
def test_what_trees_have_in_common_is_there_once(tmp_path: Path, names: list[str], each: int) -> None:
    repository, commits = many(tmp_path / "r", names, 40)
    inside = inside_of(read_with_members(repository.path, commits))
    for commit in (commits[0], commits[20], commits[-1]):
        found = leaves_of_rows(inside, commit)
        assert sorted(path for path, _ in found) == [path for path, _ in listed(repository, commit)]
        for path, made_in in random.Random(2).sample(found, 10):
            assert repository.git("log", "-1", "--format=%H", commit, "--", path) == made_in
    rows = sum(map(len, inside.values()))
    assert rows < len(names) * 1.1 + each * len(commits) < len(names) * len(commits) / 2
    assert max(map(len, inside.values())) < 600


def test_a_folder_that_did_not_change_is_the_same_entity_in_both_trees(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    one = repository.commit({"a/x": "1", "a/deep/y": "2", "b/z": "3", "top": "4"})
    two = repository.commit({"a/x": "1", "a/deep/y": "2", "b/z": "5", "top": "4"}, one)
    said = document(tmp_path, repository.path, [one, two])
    inside = members(said)
    of_one, of_two = (Counter(inside[f"git:SourceTree.{sha}"]) for sha in (one, two))
    (shared,) = [name for name in of_one & of_two if "SourceFolder" in name]
    assert said["entity"][shared]["m2p:path"] == "a" and said["entity"][shared]["prov:label"] == "a/"
    assert "prov:Collection" in str(said["entity"][shared]["prov:type"])
    assert [name for name in inside[shared] if "SourceFolder" not in name] == [
        f"git:FileRevision.{one}--a-2Fx"
    ]
    assert len(of_one) == 3 and sum(map(len, inside.values())) == 3 + 3 + 2 + 1 + 1 + 1


def test_trees_of_equal_content_and_other_history_have_other_members(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    one = repository.commit({"a/x": "1"}, branch="one")
    two = repository.commit({"a/x": "1"}, message=b"another root\n", branch="two")
    inside = inside_of(read_with_members(repository.path, [one, two]))
    for sha in (one, two):
        assert leaves_of_rows(inside, sha) == [("a/x", sha)]


def test_only_the_trees_of_runs_are_listed_whatever_bytes_their_paths_have(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    odd = [b"caf\xe9/\xff.py", b"caf\\xe9/x", b"a\nb/c", b"\x01/d"]
    one = repository.commit({path: path for path in odd})
    two = repository.commit({"a/x": "2", "y": "1"}, one)
    said = document(tmp_path, repository.path, [one])
    found = leaves(members(said), f"git:SourceTree.{one}")
    assert sorted(found) == sorted(f"git:{local_name('FileRevision', one, path)}" for path in odd)
    assert f"git:SourceTree.{two}" in said["entity"]
    assert f"git:SourceTree.{two}" not in members(said)
    (state,) = [body for name, body in said["entity"].items() if ":Repository." in name]
    assert state["m2p:settings"].endswith("; tree members")


def test_folders_may_be_more_than_files(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    path = "/".join("abcdefghij") + "/train.py"
    commit = repository.commit({path: "1\n"})
    inside = inside_of(read_with_members(repository.path, [commit]))
    assert len(inside) == 11 and leaves_of_rows(inside, commit) == [(path, commit)]


def test_folders_in_folders_may_be_more_than_python_goes_down(tmp_path: Path) -> None:
    made = Repository(tmp_path / "code")
    tree = made.tree({"train.py": "1"})
    for _ in range(1_200):
        tree = made.git("mktree", stdin=f"040000 tree {tree}\td\n".encode())
    commit = made.git("commit-tree", "-m", "deep", tree)
    rows = read_with_members(made.path, [commit])
    assert len(rows["git_folder"]) == 1_200
    assert [row["path"] for row in rows["git_member"] if row["revision_commit"]] == [
        "d/" * 1_200 + "train.py"
    ]


def test_no_tree_is_listed_where_that_is_not_asked_for(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    one = repository.commit({"a/x": "1"})
    rows = read(repository.path, entry_points=[(one, "")])
    assert not {"git_folder", "git_member"} & set(rows)


def test_the_rows_are_the_same_for_every_order_of_the_commits(tmp_path: Path) -> None:
    made = make(tmp_path / "r", range(5, 6))
    points = [(commit.sha, "") for commit in made.histories[5]]
    wanted = GitWanted(tree_members=True)
    forth = read(tmp_path / "r", entry_points=points, wanted=wanted)
    back = read(tmp_path / "r", entry_points=points[::-1], wanted=wanted)
    for table in ("git_folder", "git_member"):
        assert forth[table] == back[table]
        assert len({str(row) for row in forth[table]}) == len(forth[table])


def test_runs_of_a_wide_folder_stay_as_they_are_beside_a_new_name() -> None:
    names = [f"{number:05}".encode() for number in range(5000)]
    before = runs([(name, 0) for name in names], 0)
    after = runs([(name, 0) for name in sorted([*names, b"02500x"])], 0)
    assert sum(map(len, before)) == 5000 and WIDE / 4 < 5000 / len(before) < WIDE
    assert len([run for run in after if run not in before]) <= 2


def test_members_without_a_store_are_wrong_usage(tmp_path: Path) -> None:
    Repository(tmp_path / "r").commit({"a": "1"})
    with pytest.raises(UsageError, match="give a repository and a store"):
        extract(tmp_path / "r", tree_members=True)
    command = COMMAND_BY_NAME["extract"]
    part = {"repository_path": "r", "mlflow_url": "m.db", "tree_members": True, "paths": ["src"]}
    with pytest.raises(UsageError, match=r"only a part of the history is told \(only paths: src\)"):
        step(command, part)
    with pytest.raises(UsageError, match=r"only a part of the history is told \(only commits since: 2024"):
        extract(tmp_path / "r", "m.db", tree_members=True, commits_since="2024-01-01")
    with pytest.raises(UsageError, match="--tree_members does nothing without --mlflow_url"):
        step(command, {"repository_path": "r", "tree_members": True})
    with pytest.raises(UsageError, match="--tree_members does nothing without --repository_path"):
        step(command, {"mlflow_url": "m.db", "tree_members": True})
