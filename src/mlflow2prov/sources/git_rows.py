"""Making Arrow batches of the source tables out of what a pass over a history has found."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mlflow2prov.prov.text import clean_text
from mlflow2prov.sources.git_history import History
from mlflow2prov.sources.git_log import LoggedCommit, message_of
from mlflow2prov.sources.git_people import MailMap, people_of
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

BATCH_ROWS = 50_000

_LAST_S = 253_402_300_799
"""The last second of the year 9999. Git gives no instant before 1970."""

WHOLE = 2
"""What :class:`Kept` says of a commit of which all is given."""

Column = Sequence[Any]


def seconds_of(digits: bytes) -> int | None:
    """Return an instant that Git gives in decimal, or None where it is none of the years 1 to 9999.

    >>> seconds_of(b"253402300799"), seconds_of(b"253402300800"), seconds_of(b"")
    (253402300799, None, None)
    """
    if not re.fullmatch(rb"[0-9]{1,12}", digits):
        return None
    seconds = int(digits)
    return seconds if seconds <= _LAST_S else None


def known(value: bytes) -> str | None:
    """Return the text of a name or a message, or None where it is empty."""
    return clean_text(value) or None


def batches_of(table: str, columns: Sequence[Column]) -> Batches:
    """Yield the rows of a source table, given by its columns, in batches of ``BATCH_ROWS`` at most."""
    import pyarrow as pa

    schema = SOURCE_TABLES[table].schema()
    for start in range(0, len(columns[0]), BATCH_ROWS):
        arrays = [
            pa.array(column[start : start + BATCH_ROWS], type=field.type)
            for column, field in zip(columns, schema, strict=True)
        ]
        yield table, pa.RecordBatch.from_arrays(arrays, schema=schema)


def batches_of_rows(table: str, rows: Sequence[tuple[Any, ...]]) -> Batches:
    """Yield the rows of a source table in batches of ``BATCH_ROWS`` at most."""
    if rows:
        yield from batches_of(table, list(zip(*rows, strict=True)))


class CommitRows:
    """The rows of ``git_commit``, ``git_parent`` and ``git_trailer`` that wait to become batches.

    Attributes:
        undated: how many commits have an authored or committed time that is no instant of the
            years 1 to 9999.
    """

    def __init__(self, mail_map: MailMap, signatures: Mapping[bytes, str]) -> None:
        self.undated = 0
        self._mail_map = mail_map
        self._signatures = signatures
        self._commits: list[tuple[Any, ...]] = []
        self._parents: list[tuple[Any, ...]] = []
        self._trailers: list[tuple[Any, ...]] = []

    @property
    def pending(self) -> int:
        """How many rows wait."""
        return max(len(self._commits), len(self._parents), len(self._trailers))

    def add(self, commit: LoggedCommit) -> None:
        """Note down a commit, its parents and the people in its trailers."""
        named = self._mail_map.named
        sha = commit.sha.decode()
        authored, committed = seconds_of(commit.authored), seconds_of(commit.committed)
        self.undated += authored is None or committed is None
        self._commits.append(
            (
                sha,
                commit.tree.decode(),
                *map(known, named(commit.author)),
                authored,
                *map(known, named(commit.committer)),
                committed,
                known(message_of(commit.message)),
                self._signatures.get(commit.sha),
            )
        )
        for position, parent in enumerate(commit.parents):
            self._parents.append((sha, position, parent.decode()))
        people = [
            (role, named(person) if person[1] else person) for role, person in people_of(commit.message)
        ]
        for position, (role, person) in enumerate(dict.fromkeys(people)):
            self._trailers.append((sha, position, role, *map(known, person)))

    def take(self) -> Batches:
        """Yield what waits, and forget it."""
        commits, parents, trailers = self._commits, self._parents, self._trailers
        self._commits, self._parents, self._trailers = [], [], []
        yield from batches_of_rows("git_commit", commits)
        yield from batches_of_rows("git_parent", parents)
        yield from batches_of_rows("git_trailer", trailers)


class Kept(NamedTuple):
    """What of a history is given: a byte for each commit, and one for each revision, 1 where it is.

    Attributes:
        commits: by their numbers; 2 for those of which all is given, 1 for those that others need.
        revisions: by their numbers.
    """

    commits: bytearray
    revisions: bytearray


class RevisionRows:
    """What turns the revisions, derivations and deletions of a history into batches.

    Args:
        history: the pass.
        kept: what of it is given; None is everything.
    """

    def __init__(self, history: History, kept: Kept | None = None) -> None:
        self._history = history
        self._kept = kept
        self._taken = 0

    def take(self) -> Batches:
        """Yield what the history has found since the last time."""
        history = self._history
        made = range(self._taken, len(history.commit_of))
        numbers: Sequence[int] = made
        if self._kept is not None:
            numbers = self._keep(made)
        if numbers:
            yield from batches_of("git_revision", self._revisions(numbers))
        if history.derivations:
            yield from batches_of("git_derivation", self._derivations())
        if history.deletions:
            yield from batches_of("git_deletion", self._deletions())
        if history.merged:
            yield from batches_of("git_merged", self._merged())
        self._taken = len(history.commit_of)
        history.take()

    def _keep(self, made: range) -> list[int]:
        """Leave out, of what waits, all that is not to be given; return the numbers of the revisions that are."""
        history, kept = self._history, self._kept
        assert kept is not None
        is_kept = kept.revisions.__getitem__
        numbers = [number for number in made if is_kept(number)]
        history.new_revisions = [history.new_revisions[number - made.start] for number in numbers]
        history.derivations = [row for row in history.derivations if is_kept(row[0]) and is_kept(row[2])]
        history.merged = [row for row in history.merged if kept.commits[row[0]]]
        history.deletions = [
            row for row in history.deletions if kept.commits[row[0]] == WHOLE and is_kept(row[1])
        ]
        return numbers

    def _revisions(self, numbers: Sequence[int]) -> list[Column]:
        history = self._history
        blobs, modes, statuses, sources = zip(*history.new_revisions, strict=True)
        added = array("i", (history.first_of[history.file_of[number]] for number in numbers))
        return [
            self._commits(map(history.commit_of.__getitem__, numbers)),
            *self._paths([history.path_of[number] for number in numbers]),
            *_statuses(statuses),
            blobs,
            modes,
            *self._paths(sources),
            *self._made(added),
            [revision == first for revision, first in zip(numbers, added, strict=True)],
        ]

    def _derivations(self) -> list[Column]:
        revisions, positions, previous = zip(*self._history.derivations, strict=True)
        return [*self._made(revisions), positions, *self._made(previous)]

    def _deletions(self) -> list[Column]:
        history = self._history
        commits, last, ends = zip(*history.deletions, strict=True)
        files = self._made(history.first_of[history.file_of[revision]] for revision in last)
        ended = [
            [value if end else None for value, end in zip(column, ends, strict=True)] for column in files
        ]
        return [self._commits(commits), *self._made(last), *ended]

    def _merged(self) -> list[Column]:
        commits, paths, revisions = zip(*self._history.merged, strict=True)
        commit_of = self._history.commit_of
        makers = [self._history.commits[commit_of[made]] if made >= 0 else None for made in revisions]
        return [self._commits(commits), *self._paths(paths), makers]

    def _made(self, revisions: Iterable[int]) -> list[Column]:
        """Return the columns that name revisions: the commit, the path, its bytes."""
        history, numbers = self._history, list(revisions)
        return [
            self._commits(map(history.commit_of.__getitem__, numbers)),
            *self._paths([history.path_of[number] for number in numbers]),
        ]

    def _commits(self, numbers: Iterable[int]) -> Column:
        return list(map(self._history.commits.__getitem__, numbers))

    def _paths(self, numbers: Sequence[int]) -> list[Column]:
        """Return the columns of paths and of their exact bytes; a negative number is NULL."""
        paths = self._history.paths
        odd: Column = list(map(paths.odd.get, numbers)) if paths.odd else [None] * len(numbers)
        return [[paths.text[number] if number >= 0 else None for number in numbers], odd]


def _statuses(statuses: Sequence[bytes]) -> Iterator[Column]:
    """Yield the columns of letters and of similarities."""
    split = {status: (status[:1], int(status[1:]) if status[1:] else None) for status in set(statuses)}
    yield from zip(*(split[status] for status in statuses), strict=True)
