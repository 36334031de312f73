"""What a history says of the data that files of DVC name: the pieces, and what is held of each file."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import quote_from_bytes

from immutables import Map

from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.dvc_files import DvcFile, Stage
from mlflow2prov.sources.git_history import History, State
from mlflow2prov.sources.git_rows import batches_of_rows
from mlflow2prov.sources.tables import Batches

Place: TypeAlias = "tuple[str, str | None]"
"""A path from the root of the repository, and the URL of the repository that it was imported from."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A piece of data as a file names it: its content and its key."""

    content: tuple[str | None, ...]
    key: str
    remote_path: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A stage as a file records it: what tells it from another run, its key, its outputs as spelled."""

    told: tuple[object, ...]
    key: str
    outs: Mapping[str, Place]


@dataclass(slots=True)
class Standing:
    """What a revision of a file says, with what it goes on with from the revisions before it."""

    outs: Map[Place, Entry] = field(default_factory=Map)
    deps: Map[Place, Entry] = field(default_factory=Map)
    runs: Map[str, Run] = field(default_factory=Map)


@dataclass(frozen=True, slots=True)
class Change:
    """A revision of a file of DVC that a commit made."""

    revision: int
    path: str
    file: DvcFile
    before: tuple[Standing, ...]
    standing: Standing
    seen: set[Place] = field(default_factory=set)

    def begin(self) -> None:
        """Let what the file says stand as before: what stays is held once for all revisions."""
        for known in reversed(self.before):
            self.standing.deps = self.standing.deps.update(known.deps)
        if self.before:
            self.standing.outs, self.standing.runs = self.before[0].outs, self.before[0].runs

    def hold(self, place: Place, entry: Entry) -> None:
        """Note down an output that the file names."""
        self.seen.add(place)
        if self.standing.outs.get(place) is not entry:
            self.standing.outs = self.standing.outs.set(place, entry)

    def end(self) -> None:
        """Forget what the file does not say any more."""
        for place in [it for it in self.standing.outs if it not in self.seen]:
            self.standing.outs = self.standing.outs.delete(place)
        names = {stage.name or "" for stage in self.file.stages}
        for name in [it for it in self.standing.runs if it not in names]:
            self.standing.runs = self.standing.runs.delete(name)

    @property
    def folder(self) -> str:
        """The folder that the file is in."""
        return posixpath.dirname(self.path)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A ``dvc.yaml`` at a commit: its path, the commit that made its revision, its stages, and its data."""

    path: str | None = None
    made_in: str | None = None
    stages: Mapping[str, Stage] = field(default_factory=dict)
    standing: Standing | None = None

    def stage(self, name: str | None) -> Stage | None:
        """Return the definition of a stage, also of one of those that one definition stands for."""
        if name is None:
            return None
        return self.stages.get(name) or self.stages.get(name.partition("@")[0])


class Rows:
    """The rows of the tables on data that wait to become batches."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[tuple[Any, ...]]] = {}

    def add(self, table: str, *row: object) -> None:
        """Note down a row."""
        self._waiting.setdefault(table, []).append(row)

    @property
    def pending(self) -> int:
        """How many rows wait."""
        return sum(map(len, self._waiting.values()))

    def take(self) -> Batches:
        """Yield what waits, and forget it."""
        waiting, self._waiting = self._waiting, {}
        for table, rows in waiting.items():
            yield from batches_of_rows(table, rows)


def is_data_file(path: bytes) -> bool:
    """Return whether a path is that of a file of DVC.

    >>> is_data_file(b"data/wine.csv.dvc"), is_data_file(b"dvc.lock"), is_data_file(b"data/.dvc")
    (True, True, False)
    """
    if not path.endswith((b".dvc", b"dvc.lock", b"dvc.yaml")):
        return False
    name = path.rpartition(b"/")[2]
    return name in {b"dvc.lock", b"dvc.yaml"} or (name.endswith(b".dvc") and name != b".dvc")


def order_of_file(path: bytes) -> tuple[int, bytes]:
    """Return what files of DVC are sorted by: what others say goes before what a ``dvc.yaml`` defines."""
    return 1 if path.endswith(b"dvc.lock") else 2 if path.endswith(b"dvc.yaml") else 0, path


def exact(path: str) -> bytes:
    """Return the bytes of a path that was read as text by its bytes that are no UTF-8."""
    return path.encode("utf-8", "surrogateescape")


def shown(path: str) -> tuple[str, bytes | None]:
    """Return the columns of a path."""
    return text_of(exact(path))


def key_of(commit: str, path: str, detail: str | None = None) -> str:
    """Return what names a piece of data, or a run of a stage.

    Args:
        commit: that made it.
        path: of the data, or of the file that tells of the stage.
        detail: what else it takes: the URL of an import, a content beside another one, a stage's name.

    >>> key_of("4c30775", "data/wine.csv")
    '4c30775/data%2Fwine.csv'
    """
    named = f"{commit}/{quote_from_bytes(exact(path), safe='')}"
    return f"{named}/{quote_from_bytes(exact(detail), safe='')}" if detail else named


def standing_at(path: str, state: State, history: History) -> int | None:
    """Return the revision that stands at a path of a state."""
    number = history.paths.number.get(exact(path))
    return None if number is None else state.get(number)


def folders_above(path: str) -> list[str]:
    """Return the folders that a path is in, innermost first; no more than forty, and not the root.

    >>> folders_above("data/raw/wine.csv")
    ['data/raw', 'data']
    """
    found: list[str] = []
    above = posixpath.dirname(path)
    while above not in {"", "/"} and len(found) < 40:
        found.append(above)
        above = posixpath.dirname(above)
    return found
