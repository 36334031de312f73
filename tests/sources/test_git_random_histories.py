"""The pass over a history agrees with a slow walk that looks at whole trees, on random histories."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from git_maker import Repository, read

from mlflow2prov.sources.git_history import History, children_of
from mlflow2prov.sources.git_log import log_arguments, read_log
from mlflow2prov.sources.git_program import Git

NAMES = [f"{folder}{name}.py" for folder in ("", "src/", "src/deep/") for name in "abcd"]
Files = dict[str, bytes]
Revision = tuple[str, str]


def _content(rnd: random.Random) -> bytes:
    return b"".join(b"%d\n" % rnd.randrange(10**6) for _ in range(8))


def _edited(rnd: random.Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    lines[rnd.randrange(len(lines))] = b"%d\n" % rnd.randrange(10**6)
    return b"".join(lines)


def _changed(rnd: random.Random, files: Files) -> Files:
    files = dict(files)
    for _ in range(rnd.choice([0, 1, 1, 2, 3])):
        kind, name = rnd.choice("aeeerrdds"), rnd.choice(NAMES)
        if kind == "a" or not files:
            files[name] = _content(rnd)
            continue
        old = rnd.choice(sorted(files))
        if kind == "e":
            files[old] = _edited(rnd, files[old])
        elif kind == "r":
            moved = files.pop(old)
            files[name] = _edited(rnd, moved) if rnd.random() < 0.5 else moved
        elif kind == "d":
            del files[old]
        else:
            other = rnd.choice(sorted(files))
            files[old], files[other] = files[other], files[old]
    return files


def _joined(rnd: random.Random, trees: list[Files]) -> Files:
    """A merge takes each path from some parent, leaves it out or edits it."""
    files: Files = {}
    for name in sorted({name for tree in trees for name in tree}):
        taken = rnd.choice(trees).get(name)
        if taken is not None:
            files[name] = _edited(rnd, taken) if rnd.random() < 0.15 else taken
    return _changed(rnd, files) if rnd.random() < 0.3 else files


def make(path: Path, seed: int, size: int = 40) -> Repository:
    """A repository with a random history, each commit of which is under some branch."""
    rnd = random.Random(seed)
    repository = Repository(path, "--bare")
    trees: list[Files] = []
    stream: list[bytes] = []
    for number in range(size):
        count = min(number, rnd.choice([1, 1, 1, 1, 2, 2, 2, 3])) if rnd.random() > 0.04 else 0
        parents = rnd.sample(range(max(0, number - 6), number), min(count, number))
        olds = [trees[parent] for parent in parents]
        files = _joined(rnd, olds) if len(olds) > 1 else _changed(rnd, olds[0] if olds else {})
        trees.append(files)
        stream.append(b"commit refs/heads/b%d\nmark :%d\n" % (number, number + 1))
        stream.append(b"committer A <a@example.org> %d +0000\ndata 1\nx\n" % rnd.randrange(10**9))
        stream += [
            b"%s :%d\n" % (b"merge" if position else b"from", parent + 1)
            for position, parent in enumerate(parents)
        ]
        stream.append(b"deleteall\n")
        for name, content in files.items():
            stream.append(b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(content), content))
    repository.git("fast-import", "--quiet", stdin=b"".join(stream))
    return repository


class SlowWalk:
    """For each commit its paths with their revisions, from whole trees and one diff for each commit."""

    def __init__(self, repository: Repository) -> None:
        self.git = repository.git
        self.states: dict[str, dict[str, Revision]] = {}
        self.trees: dict[str, dict[str, str]] = {}
        self.file: dict[Revision, Revision] = {}
        self.status: dict[Revision, str] = {}
        self.previous: dict[Revision, dict[int, set[Revision]]] = {}
        self.deleted: set[tuple[Any, ...]] = set()
        for line in self.git("rev-list", "--branches", "--topo-order", "--reverse", "--parents").splitlines():
            sha, *parents = line.split()
            self.trees[sha] = {
                entry.partition("\t")[2]: entry.partition("\t")[0]
                for entry in self.git("ls-tree", "-r", "-z", sha).split("\0")
                if entry
            }
            self.states[sha] = {}
            (self._merge if len(parents) > 1 else self._plain)(sha, parents)

    def _make(self, sha: str, path: str, status: str, previous: dict[int, set[Revision]], file: Any) -> None:
        revision = (sha, path)
        self.status[revision], self.previous[revision] = status, previous
        self.file[revision] = file or revision
        self.states[sha][path] = revision

    def _plain(self, sha: str, parents: list[str]) -> None:
        old = self.states[parents[0]] if parents else {}
        words = self.git("diff-tree", "-r", "-M", "-z", "--root", "--no-commit-id", "--name-status", sha)
        parts = words.split("\0")[:-1] if words.endswith("\0") else words.split("\0")
        touched: dict[str, tuple[str, str]] = {}
        while parts and parts[0]:
            letter, source = parts.pop(0)[0], parts.pop(0)
            touched[parts.pop(0) if letter == "R" else source] = (letter, source)
        for path in self.trees[sha]:
            letter, source = touched.get(path, ("", ""))
            if not letter:
                self.states[sha][path] = old[path]
            elif letter == "A":
                self._make(sha, path, "A", {}, None)
            else:
                self._make(sha, path, letter, {0: {old[source]}}, self.file[old[source]])
        self._end(sha, [old], {path for path, (letter, _) in touched.items() if letter == "D"})

    def _merge(self, sha: str, parents: list[str]) -> None:
        olds = [self.states[parent] for parent in parents]
        for path, content in self.trees[sha].items():
            same = [number for number in parents if self.trees[number].get(path) == content]
            if same:
                self.states[sha][path] = self.states[same[0]][path]
                continue
            files = [self.file[old[path]] for old in olds if path in old]
            found = {at: self._standing(old, path, files) for at, old in enumerate(olds)}
            previous = {at: revisions for at, revisions in found.items() if revisions}
            of = {self.file[revision] for revisions in list(previous.values())[:1] for revision in revisions}
            self._make(sha, path, "M" if files else "A", previous, of.pop() if of else None)
            assert not of
        self._end(sha, olds, set(olds[0]) - set(self.trees[sha]))

    def _standing(self, old: dict[str, Revision], path: str, files: list[Revision]) -> set[Revision]:
        if path in old:
            return {old[path]}
        at = [{revision for revision in old.values() if self.file[revision] == file} for file in files]
        return next((revisions for revisions in at if revisions), set())

    def _end(self, sha: str, olds: list[dict[str, Revision]], lost: set[str]) -> None:
        kept = [{self.file[revision] for revision in old.values()} for old in olds]
        left = {self.file[revision] for revision in self.states[sha].values()}
        for path in lost:
            file = self.file[olds[0][path]]
            if file not in left and all(file in files for files in kept):
                self.deleted.add((sha, olds[0][path], file))
            elif len(olds) == 1:
                self.deleted.add((sha, olds[0][path], (None, None)))


SEEDS = range(8)


@pytest.mark.parametrize("seed", SEEDS)
def test_revisions_files_and_deletions_are_those_of_a_slow_walk(tmp_path: Path, seed: int) -> None:
    walk = SlowWalk(make(tmp_path / "r", seed))
    rows = read(tmp_path / "r")

    revisions = {(row["commit"], row["path"]): row for row in rows["git_revision"]}
    assert len(revisions) == len(rows["git_revision"])
    assert {key: row["status"] for key, row in revisions.items()} == walk.status
    assert {key: (row["file_added_in"], row["file_path"]) for key, row in revisions.items()} == walk.file
    assert all(row["is_new_file"] == (walk.file[key] == key) for key, row in revisions.items())
    for (sha, path), row in revisions.items():
        assert walk.trees[sha][path] == f"{row['mode']} blob {row['blob']}"

    deleted = {
        (row["commit"], (row["revision_commit"], row["path"]), (row["file_added_in"], row["file_path"]))
        for row in rows["git_deletion"]
    }
    assert deleted == walk.deleted and len(rows["git_deletion"]) == len(deleted)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_revision_derives_from_stands_in_the_commits_own_parent(tmp_path: Path, seed: int) -> None:
    walk = SlowWalk(make(tmp_path / "r", seed))
    derived: dict[Revision, dict[int, Revision]] = {revision: {} for revision in walk.status}
    for row in read(tmp_path / "r")["git_derivation"]:
        positions = derived[row["commit"], row["path"]]
        assert row["position"] not in positions
        positions[row["position"]] = (row["previous_commit"], row["previous_path"])
    for revision, positions in derived.items():
        assert positions.keys() == walk.previous[revision].keys()
        assert all(found in walk.previous[revision][at] for at, found in positions.items())


@pytest.mark.parametrize("seed", SEEDS)
def test_every_state_is_the_tree_of_its_commit_and_none_is_kept_for_good(tmp_path: Path, seed: int) -> None:
    repository = make(tmp_path / "r", seed)
    walk, git = SlowWalk(repository), Git(str(tmp_path / "r"))
    tips = repository.git("for-each-ref", "--format=%(objectname)").encode().split()
    history = History(children_of(git.output("rev-list", "--parents", "--stdin", lines=tips)))
    open_at_once = 0
    with git.running(*log_arguments(False, False), lines=tips) as output:
        for commit in read_log(output):
            state = history.add(commit)
            sha = commit.sha.decode()
            seen = {
                history.paths.text[path]: (
                    history.commits[history.commit_of[revision]],
                    history.paths.text[history.path_of[revision]],
                )
                for path, revision in state.items()
            }
            assert seen == walk.states[sha]
            open_at_once = max(open_at_once, len(history.held))
    assert not history.held and open_at_once < len(walk.states)


def test_the_histories_hold_all_that_they_are_to_show(tmp_path: Path) -> None:
    walks = [SlowWalk(make(tmp_path / f"r{seed}", seed)) for seed in SEEDS]
    statuses = [status for walk in walks for status in walk.status.values()]
    assert {"A", "M", "R"} <= set(statuses)
    derivations = [previous for walk in walks for previous in walk.previous.values()]
    assert sum(len(previous) > 1 for previous in derivations) > 10
    elsewhere = [
        revision
        for walk in walks
        for revision, previous in walk.previous.items()
        if len(previous) > 1 and any(old[1] != revision[1] for found in previous.values() for old in found)
    ]
    assert elsewhere
    assert sum(len(walk.deleted) for walk in walks) > 10
