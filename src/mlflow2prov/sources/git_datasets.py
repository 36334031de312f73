"""Finding, at the commit of a run, what of the repository a dataset is that the run took in.

A dataset is known by its digest and by where it came from. It is, in this order:

1. the data whose MD5, SHA-256 or object name in Git is the digest (``digest``); a digest of 32 hexadecimal
   digits or more is also its beginning, since a store may cut it off;
2. the data that a remote keeps at its source (``remote_path``);
3. the data, or else the plain file, at the path that its source says (``path``), as a run's source is found
   (:mod:`mlflow2prov.sources.git_entry_points`): if several could be meant, none is;
4. the tracked folder that this path is in (``folder``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.git_data import DataHistory
from mlflow2prov.sources.git_data_pieces import Entry, Rows, exact, folders_above
from mlflow2prov.sources.git_entry_points import target_of
from mlflow2prov.sources.git_history import History, State

_DIGEST = re.compile(r"(?:md5:|sha256:)?([0-9a-fA-F]{32,64})(?:\.dir)?")
_URL = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+://")


Found: TypeAlias = "tuple[str, Sequence[Entry | int]]"
"""What told what a dataset is, and what it is: pieces of data, or revisions of plain files."""


class DatasetOfRun(NamedTuple):
    """A dataset that some run at a commit took in: ``source`` is MLflow's JSON."""

    commit: str
    name: str
    digest: str
    source: str


class DatasetMatches:
    """The datasets of runs, to be looked up when the pass is at the runs' commits.

    Held are the datasets, and the states of those commits at which a digest may be that of a file of LFS.
    """

    def __init__(self, wanted: Iterable[DatasetOfRun], roots: Sequence[str], rows: Rows) -> None:
        self._wanted: dict[str, list[DatasetOfRun]] = {}
        for dataset in wanted:
            self._wanted.setdefault(dataset.commit, []).append(dataset)
        self._roots = roots
        self._rows = rows
        self._held: list[tuple[State, DatasetOfRun, str, Found]] = []

    def look_up(self, commit: str, state: State, history: History, data: DataHistory) -> None:
        """Note down what the datasets of a commit's runs are, given its state."""
        wanted = self._wanted.get(commit)
        if wanted:
            tree = _Tree(state, history, data)
            for dataset in wanted:
                self._match(dataset, tree)

    def finish(self, history: History, pointers: dict[str, list[int]]) -> None:
        """Note down the datasets whose digest may be that of a file of LFS, given the pointers' revisions."""
        for state, dataset, digest, otherwise in self._held:
            oids = [oid for oid in pointers if oid.startswith(digest)] if pointers else []
            standing = [it for oid in oids for it in pointers[oid] if state.get(history.path_of[it]) == it]
            self._note(dataset, ("digest", standing) if standing else otherwise, history)
        self._held.clear()

    def _match(self, dataset: DatasetOfRun, tree: _Tree) -> None:
        told = _DIGEST.fullmatch(dataset.digest)
        digest = told[1].lower() if told else None
        by_digest = list(tree.by_digest(digest)) if digest else []
        if by_digest:
            self._note(dataset, ("digest", by_digest), tree.history)
            return
        found = self._by_source(dataset, tree)
        if digest:
            self._held.append((tree.state, dataset, digest, found))
        else:
            self._note(dataset, found, tree.history)

    def _by_source(self, dataset: DatasetOfRun, tree: _Tree) -> Found:
        """Return what a dataset is by its source, and what told it."""
        source = source_of(dataset.source)
        if source:
            ways: tuple[tuple[str, Iterator[Entry | int]], ...] = (
                ("remote_path", tree.by_remote_path(source)),
                ("path", tree.by_path(source, self._roots)),
                ("folder", tree.by_folder(source, self._roots)),
            )
            for way, things in ways:
                found = list(things)
                if found:
                    return way, found
        return "", []

    def _note(self, dataset: DatasetOfRun, found: Found, history: History) -> None:
        way, things = found
        for thing in things:
            row: tuple[object, ...] = (None, None, None)
            if isinstance(thing, int):
                path = text_of(history.paths.exact[history.path_of[thing]])
                row = (*path, history.commits[history.commit_of[thing]])
            data = thing.key if isinstance(thing, Entry) else None
            self._rows.add("git_dataset_match", *dataset[:3], way, data, *row)


def datasets_of_runs_sql(tags: str, inputs: str, datasets: str) -> str:
    """Return SQL of the datasets of runs that name a commit (:class:`DatasetOfRun`), from rows of three tables."""
    return (
        "SELECT DISTINCT c.value AS commit, d.name, d.digest, coalesce(d.source, '') AS source "
        f"FROM {tags} c JOIN {inputs} i ON i.run_id = c.run_id "
        f"JOIN {datasets} d ON d.name = i.name AND d.digest = i.digest "
        "WHERE c.key IN ('mlflow.source.git.commit', 'mlflow.databricks.gitRepoCommit') AND c.value <> ''"
    )


def source_of(text: str) -> str | None:
    """Return the path or URL that MLflow's JSON of a dataset's source says, or None.

    >>> source_of('{"uri": "data/wine.csv"}'), source_of('{"tags": {}}'), source_of("data/wine.csv")
    ('data/wine.csv', None, None)
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    told = [document.get(key) for key in ("uri", "url", "path")] if isinstance(document, dict) else []
    found = next((value for value in told if isinstance(value, str) and value), None)
    return None if found is None or re.search("[\ud800-\udfff\0]", found) else found


class _Tree:
    """What stands at a commit, by the names under which a dataset may say it."""

    def __init__(self, state: State, history: History, data: DataHistory) -> None:
        self.state = state
        self.history = history
        self._by_path: dict[str, Entry] = {}
        self._by_last: dict[str, list[str]] = {}
        self._entries: dict[str, Entry] = {}
        for (path, url), entry in data.standing(state):
            self._entries.setdefault(entry.key, entry)
            if url is None and path not in self._by_path:
                self._by_path[path] = entry
                self._by_last.setdefault(path.rpartition("/")[2], []).append(path)

    def by_digest(self, digest: str) -> Iterator[Entry | int]:
        """Yield the data, and the plain files, of which the digest is that, or begins so."""
        for entry in self._entries.values():
            if any(known.startswith(digest) for known in entry.content[:2] if known):
                yield entry
        if len(digest) > 32:
            for revision in self.state.values():
                if (self.history.content(revision) or "").startswith(digest):
                    yield revision

    def by_remote_path(self, source: str) -> Iterator[Entry | int]:
        """Yield the data that a remote keeps there."""
        for entry in self._entries.values():
            if entry.remote_path is not None and _as_url(source) == _as_url(entry.remote_path):
                yield entry

    def by_path(self, source: str, roots: Sequence[str]) -> Iterator[Entry | int]:
        """Yield the one thing at a path that a source may mean."""
        if _URL.match(source):
            found = self._by_path.get(source)
            if found is not None:
                yield found
            return
        places = {path for path in self._candidates(source, roots) if self._at(path) is not None}
        if len(places) == 1:
            thing = self._at(places.pop())
            assert thing is not None
            yield thing

    def by_folder(self, source: str, roots: Sequence[str]) -> Iterator[Entry | int]:
        """Yield the innermost tracked folder that a path is in which a source says exactly."""
        if _URL.match(source):
            return
        for path in target_of(source, roots).exact[:1]:
            entry = next((self._by_path[it] for it in folders_above(path) if it in self._by_path), None)
            if entry is not None:
                yield entry

    def _candidates(self, source: str, roots: Sequence[str]) -> Iterator[str]:
        target = target_of(source, roots)
        if target.exact and self._at(target.exact[0]) is not None:
            yield target.exact[0]
            return
        if not target.tail:
            return
        yield from (target.tail[start:] for start in _starts(target.tail))
        if target.is_relative:
            yield from self._ending(target.tail)

    def _ending(self, tail: str) -> Iterator[str]:
        """Yield the paths that end with a relative one."""
        for path in self._by_last.get(tail.rpartition("/")[2], ()):
            if path.endswith(f"/{tail}"):
                yield path
        exact_tail = b"/" + exact(tail)
        for number in self.state:
            path_bytes = self.history.paths.exact[number]
            if path_bytes.endswith(exact_tail):
                yield path_bytes.decode("utf-8", "surrogateescape")

    def _at(self, path: str) -> Entry | int | None:
        entry = self._by_path.get(path)
        if entry is not None:
            return entry
        number = self.history.paths.number.get(exact(path))
        revision = None if number is None else self.state.get(number)
        return revision if revision is not None and self.history.content(revision) is not None else None


def _starts(path: str) -> list[int]:
    return [0, *(index + 1 for index, letter in enumerate(path) if letter == "/")]


def _as_url(place: str) -> str:
    return re.sub(r"^file:/+", "/", place).rstrip("/")
