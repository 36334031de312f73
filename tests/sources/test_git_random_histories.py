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
        self.deleted: set[tuple[str, Revision]] = set()
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
            previous = {
                position: {old[path]} if path in old else {r for r in old.values() if self.file[r] in files}
                for position, old in enumerate(olds)
            }
            previous = {position: found for position, found in previous.items() if found}
            first = next(iter(previous.values()), {None})
            of = {self.file[revision] for revision in first if revision}
            assert len(of) < 2 or len(first) > 1
            self._make(sha, path, "M" if files else "A", previous, min(of) if len(of) == 1 else of or None)
        self._end(sha, olds, set(olds[0]) - set(self.trees[sha]))

    def _end(self, sha: str, olds: list[dict[str, Revision]], lost: set[str]) -> None:
        kept = [{self.file[revision] for revision in old.values()} for old in olds]
        left = {self.file[revision] for revision in self.states[sha].values()}
        for path in lost:
            file = self.file[olds[0][path]]
            if all(file in files for files in kept) and file not in left:
                self.deleted.add((sha, olds[0][path]))
