"""Finding, at the commit of a run, what of the repository a dataset is that the run took in.

A dataset is known by its digest and by where it came from. It is, in this order:

1. the data whose MD5, SHA-256 or object name in Git is the digest (``digest``); a digest of 32 hexadecimal
   digits or more is also its beginning, since a store may cut it off;
2. the data that a remote keeps at its source (``remote_path``), or whose MD5 this place is named by as DVC names it:
   in a remote that another commit configured, or a cache;
3. the data, or else the plain file, at the path that its source says (``path``), as a run's source is found
   (:mod:`mlflow2prov.sources.git_entry_points`): if several could be meant, none is. Of a URL that shows a file
   of the repository (:mod:`mlflow2prov.sources.git_hosting`) it is the one at the commit or tag that the URL names;
4. the tracked folder that this path is in (``folder``).
"""

from __future__ import annotations

import json
import posixpath
import re
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from mlflow2prov.prov.text import composed
from mlflow2prov.sources.git_data_pieces import Entry, Place, exact, folders_above
from mlflow2prov.sources.git_history import Paths, State
from mlflow2prov.sources.git_hosting import Hosted, Hosting
from mlflow2prov.sources.git_links import followed, may_be_path
from mlflow2prov.sources.git_source_paths import target_of

_DIGEST = re.compile(r"(?:md5:|sha256:)?([0-9a-fA-F]{32,64})(?:\.dir)?")
_URL = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+://")
_MOST_LINKS = 40
"""So many files that are links lead from one to the other."""

_DVC = re.compile(r"^dvc:/+")
"""What comes before a path in the repository, as the file system of DVC spells it."""


_KEPT = re.compile(r"(?:^|/)([0-9a-f]{2})/([0-9a-f]{30}(?:\.dir)?)/?$")
"""How a place ends where DVC keeps a content."""

LinkOf: TypeAlias = "Callable[[int], bytes | None]"
"""What a revision says if it is a symbolic link, else None."""

Found: TypeAlias = "tuple[str, Sequence[Entry | int]]"
"""What told what a dataset is, and what it is: pieces of data, or revisions of plain files."""


class DatasetOfRun(NamedTuple):
    """A dataset that some run at a commit took in: ``source`` is MLflow's JSON."""

    commit: str
    name: str
    digest: str
    source: str


class Match(NamedTuple):
    """What a dataset is: a piece of data, or the number of a revision of a plain file, and what told it."""

    dataset: DatasetOfRun
    way: str
    thing: Entry | int


class Revisions(Protocol):
    """The revisions of a history, by their numbers.

    Attributes:
        paths: every path.
        path_of: for each revision the number of its path.
    """

    paths: Paths
    path_of: array[int]

    def content(self, revision: int) -> str | None:
        """Return the object name of a regular file's content; None of a symbolic link or a submodule."""
        ...


class DatasetMatches:
    """The datasets of runs, to be looked up where the states of the runs' commits are at hand.

    Held are the datasets, and the states of those commits at which a digest may be that of a file of LFS.

    Args:
        wanted: the datasets.
        roots: the absolute paths of the repositories' work trees.
        hosting: the repositories, as URLs of their files name them.
    """

    def __init__(self, wanted: Iterable[DatasetOfRun], roots: Sequence[str], hosting: Hosting) -> None:
        self._wanted: dict[str, list[DatasetOfRun]] = {}
        self._hosted: dict[DatasetOfRun, Hosted] = {}
        self._elsewhere: dict[str, list[DatasetOfRun]] = {}
        for dataset in wanted:
            self._wanted.setdefault(dataset.commit, []).append(dataset)
            hosted = hosting.file(source_of(dataset.source) or "", dataset.commit)
            if hosted is not None:
                self._hosted[dataset] = hosted
                if hosted.commit != dataset.commit:
                    self._elsewhere.setdefault(hosted.commit, []).append(dataset)
        self._roots = roots
        self._held: list[tuple[State, DatasetOfRun, str | None, Found]] = []
        self._there: dict[DatasetOfRun, Found] = {}

    @property
    def commits(self) -> Collection[str]:
        """The commits at which datasets are looked up: those of runs that took one in, and those that URLs name."""
        return self._wanted.keys() | self._elsewhere.keys()

    def are_at(self, commit: str) -> bool:
        """Return whether datasets are looked up at a commit."""
        return commit in self._wanted or commit in self._elsewhere

    def look_up(
        self,
        commit: str,
        state: State,
        revisions: Revisions,
        data: Iterable[tuple[Place, Entry]],
        link_of: LinkOf,
    ) -> Iterator[Match]:
        """Yield what the datasets of a commit's runs are, but for those that may be files of LFS, or are elsewhere.

        Args:
            commit: its object name.
            state: its state.
            revisions: the history that the state is of.
            data: what the files of DVC in the state name; those that are to be believed first.
            link_of: what symbolic links say.
        """
        if not self.are_at(commit):
            return
        tree = _Tree(state, revisions, data, link_of)
        for dataset in self._wanted.get(commit, ()):
            yield from self._matches(dataset, tree)
        for dataset in self._elsewhere.get(commit, ()):
            self._there[dataset] = "path", list(tree.at_one_of(self._hosted[dataset].paths))

    def finish(self, revisions: Revisions, pointers: dict[str, list[int]]) -> Iterator[Match]:
        """Yield what the other datasets are, given the revisions of LFS's pointers by what they point at."""
        path_of = revisions.path_of
        for state, dataset, digest, otherwise in self._held:
            oids = [oid for oid in pointers if digest and oid.startswith(digest)]
            standing = [it for oid in oids for it in pointers[oid] if state.get(path_of[it]) == it]
            found = otherwise if otherwise[1] else self._there.get(dataset, otherwise)
            yield from _each(dataset, ("digest", standing) if standing else found)
        self._held.clear()

    def _matches(self, dataset: DatasetOfRun, tree: _Tree) -> Iterator[Match]:
        told = _DIGEST.fullmatch(dataset.digest)
        digest = told[1].lower() if told else None
        by_digest = list(tree.by_digest(digest)) if digest else []
        if by_digest:
            yield from _each(dataset, ("digest", by_digest))
            return
        found = self._by_source(dataset, tree)
        hosted = self._hosted.get(dataset)
        if digest or (hosted is not None and hosted.commit != dataset.commit):
            self._held.append((tree.state, dataset, digest, found))
        else:
            yield from _each(dataset, found)

    def _by_source(self, dataset: DatasetOfRun, tree: _Tree) -> Found:
        """Return what a dataset is by its source, and what told it."""
        told = source_of(dataset.source)
        for source in composed(_DVC.sub("", told)) if told else ():
            ways: tuple[tuple[str, Iterator[Entry | int]], ...] = (
                ("remote_path", tree.by_remote_path(source)),
                ("path", tree.by_path(source, self._roots)),
                ("path", tree.at_one_of(self._paths_here(dataset))),
                ("folder", tree.by_folder(source, self._roots)),
            )
            for way, things in ways:
                found = list(things)
                if found:
                    return way, found
        return "", []

    def _paths_here(self, dataset: DatasetOfRun) -> Sequence[str]:
        """Return the paths that a URL may show at the commit of the run itself."""
        hosted = self._hosted.get(dataset)
        return hosted.paths if hosted is not None and hosted.commit == dataset.commit else ()


def _each(dataset: DatasetOfRun, found: Found) -> Iterator[Match]:
    way, things = found
    return (Match(dataset, way, thing) for thing in things)


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
    is_odd = found is None or re.search("[\ud800-\udfff\0]", found) or not may_be_path(found)
    return None if is_odd else found


class _Tree:
    """What stands at a commit, by the names under which a dataset may say it."""

    def __init__(
        self, state: State, revisions: Revisions, data: Iterable[tuple[Place, Entry]], link_of: LinkOf
    ) -> None:
        self.state = state
        self._link_of = link_of
        self._revisions = revisions
        self._by_path: dict[str, Entry] = {}
        self._by_last: dict[str, list[str]] = {}
        self._entries: dict[str, Entry] = {}
        for (path, url), entry in data:
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
                if (self._revisions.content(revision) or "").startswith(digest):
                    yield revision

    def by_remote_path(self, source: str) -> Iterator[Entry | int]:
        """Yield the data that a remote keeps there, or whose content the place is named by."""
        md5 = md5_in(source)
        for entry in self._entries.values():
            is_there = entry.remote_path is not None and _as_url(source) == _as_url(entry.remote_path)
            if is_there or (md5 is not None and entry.content[0] == md5):
                yield entry

    def by_path(self, source: str, roots: Sequence[str]) -> Iterator[Entry | int]:
        """Yield the one thing at a path that a source may mean."""
        if _URL.match(source):
            found = self._by_path.get(source)
            if found is not None:
                yield found
            return
        yield from self.at_one_of(self._candidates(source, roots))

    def at_one_of(self, paths: Iterable[str]) -> Iterator[Entry | int]:
        """Yield the one thing at some paths."""
        spelled = (path for one in paths for path in composed(one))
        places = {self._followed(path) for path in spelled if self._at(path) is not None}
        if len(places) == 1:
            thing = self._at(places.pop())
            assert thing is not None
            yield thing

    def by_folder(self, source: str, roots: Sequence[str]) -> Iterator[Entry | int]:
        """Yield the innermost tracked folder that a path is in which a source says exactly."""
        if _URL.match(source):
            return
        for path in map(self._followed, target_of(source, roots).exact[:1]):
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
            path_bytes = self._revisions.paths.exact[number]
            if path_bytes.endswith(exact_tail):
                yield path_bytes.decode("utf-8", "surrogateescape")

    def _followed(self, path: str) -> str:
        """Return where the links on the way of a path lead to, and one at its end; itself if nowhere, or if it is data."""
        place = exact(path)
        if path in self._by_path:
            return path
        for _ in range(_MOST_LINKS):
            there = followed(place, self._link_at)
            said = None if there is None else self._link_at(there)
            if there is None or (said is not None and said.startswith(b"/")):
                return path
            if said is None:
                return there.decode("utf-8", "surrogateescape")
            place = posixpath.join(posixpath.dirname(there), said)
        return path

    def _link_at(self, path: bytes) -> bytes | None:
        number = self._revisions.paths.number.get(path)
        revision = None if number is None else self.state.get(number)
        return None if revision is None else self._link_of(revision)

    def _at(self, path: str) -> Entry | int | None:
        path = self._followed(path)
        entry = self._by_path.get(path)
        if entry is not None:
            return entry
        number = self._revisions.paths.number.get(exact(path))
        revision = None if number is None else self.state.get(number)
        return revision if revision is not None and self._revisions.content(revision) is not None else None


def md5_in(place: str) -> str | None:
    """Return the MD5 of the content that DVC keeps at a place, if it is named like one of DVC's.

    >>> md5_in("https://example.org/store/files/md5/0c/c175b9c0f1b6a831c399e269772661")
    '0cc175b9c0f1b6a831c399e269772661'
    >>> md5_in("data/wine.csv")
    """
    named = _KEPT.search(place)
    return named[1] + named[2] if named else None


def _starts(path: str) -> list[int]:
    return [0, *(index + 1 for index, letter in enumerate(path) if letter == "/")]


def _as_url(place: str) -> str:
    return re.sub(r"^s3[an]:", "s3:", re.sub(r"^file:/+", "/", place)).rstrip("/")
