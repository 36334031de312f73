"""Making Arrow batches of the source tables out of what a pass over a history has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow2prov.prov.text import clean_text
from mlflow2prov.sources.columns import column
from mlflow2prov.sources.git_log import LoggedCommit, message_of
from mlflow2prov.sources.git_people import MailMap, Person, people_of
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

BATCH_ROWS = 50_000

LAST_S = 253_402_300_799
"""The last second of the year 9999. Git gives no instant before 1970."""

Column = Sequence[Any]


def seconds_of(digits: bytes) -> int | None:
    """Return an instant that Git gives in decimal, or None where it is none of the years 1 to 9999.

    >>> seconds_of(b"253402300799"), seconds_of(b"253402300800"), seconds_of(b"")
    (253402300799, None, None)
    """
    if not digits.isdigit() or len(digits) > 12:
        return None
    seconds = int(digits)
    return seconds if seconds <= LAST_S else None


def known(value: bytes) -> str | None:
    """Return the text of a name or a message, or None where it is empty."""
    return clean_text(value) or None


def batches_of(table: str, columns: Sequence[Column]) -> Batches:
    """Yield the rows of a source table, given by its columns, in batches of ``BATCH_ROWS`` at most."""
    import pyarrow as pa

    schema = SOURCE_TABLES[table].schema()
    for start in range(0, len(columns[0]), BATCH_ROWS):
        arrays = [
            column(values[start : start + BATCH_ROWS], field.type)
            for values, field in zip(columns, schema, strict=True)
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
        self._shown: dict[Person, tuple[str | None, ...]] = {}
        self._commits: list[tuple[Any, ...]] = []
        self._parents: list[tuple[Any, ...]] = []
        self._trailers: list[tuple[Any, ...]] = []

    @property
    def pending(self) -> int:
        """How many rows wait."""
        return max(len(self._commits), len(self._parents), len(self._trailers))

    def add(self, commit: LoggedCommit) -> None:
        """Note down a commit, its parents and the people in its trailers."""
        name, parents, tree, author, authored, committer, committed, message, _ = commit
        sha = name.decode()
        authored_s, committed_s = seconds_of(authored), seconds_of(committed)
        self.undated += authored_s is None or committed_s is None
        self._commits.append(
            (
                sha,
                tree.decode(),
                *self._shown_as(author),
                authored_s,
                *self._shown_as(committer),
                committed_s,
                known(message_of(message)),
                self._signatures.get(name),
            )
        )
        for position, parent in enumerate(parents):
            self._parents.append((sha, position, parent.decode()))
        found = people_of(message)
        if found:
            named = self._mail_map.named
            people = dict.fromkeys((role, named(person) if person[1] else person) for role, person in found)
            for position, (role, person) in enumerate(people):
                self._trailers.append((sha, position, role, *map(known, person)))

    def _shown_as(self, person: Person) -> tuple[str | None, ...]:
        shown = self._shown.get(person)
        if shown is None:
            shown = self._shown[person] = tuple(map(known, self._mail_map.named(person)))
        return shown

    def take(self) -> Batches:
        """Yield what waits, and forget it."""
        commits, parents, trailers = self._commits, self._parents, self._trailers
        self._commits, self._parents, self._trailers = [], [], []
        yield from batches_of_rows("git_commit", commits)
        yield from batches_of_rows("git_parent", parents)
        yield from batches_of_rows("git_trailer", trailers)
