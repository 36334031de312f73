"""What a cache remembers of a Git history: what ``git log`` had shown of each commit, and what was warned of."""

from __future__ import annotations

import json
import logging
from array import array
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from mlflow2prov.cache.file import CacheFile
from mlflow2prov.sources.columns import column
from mlflow2prov.sources.git_remembered import Known

if TYPE_CHECKING:
    import pyarrow as pa

_LOG = logging.getLogger(__name__)

_WARNINGS = "git_warnings"

_AT_ONCE = 4_000
_MOST_BYTES = 1 << 24
_NEAR = 20_000
"""Records that are not further from each other are read in one go."""


class GitMemory:
    """The records of a cache; those that wait to be kept are some thousands, or 16 MiB, at most."""

    def __init__(self, cache: CacheFile) -> None:
        self._cache = cache
        self._table = f"{cache.own}.git_log"
        self._waiting: list[tuple[str, str, int, bool, int, bytes]] = []
        self._bytes = 0
        self._next = int(cache.store.scalar(f"SELECT coalesce(max(place), 0) + 1 FROM {self._table}"))

    def known(self, kind: str) -> dict[bytes, Known]:
        """Return what is known of the commits of a kind."""
        rows = self._cache.store.run(
            f"SELECT sha, parents, is_odd, place FROM {self._table} WHERE kind = ?", [kind]
        )
        return {sha.encode(): Known(parents, is_odd, place) for sha, parents, is_odd, place in rows}

    def records(self, places: Sequence[int]) -> Iterator[bytes]:
        """Yield the records at some places; as many as lie near to four thousand of them are held."""
        for start in range(0, len(places), _AT_ONCE):
            some = places[start : start + _AT_ONCE]
            found: dict[int, bytes] = {}
            for first, last in _stretches(sorted(some)):
                found |= self._cache.store.run(
                    f"SELECT place, record FROM {self._table} WHERE place BETWEEN ? AND ?", [first, last]
                )
            yield from (found[place] for place in some)

    def keep(self, kind: str, commit: bytes, known: Known, record: bytes) -> None:
        """Keep a record, sooner or later."""
        row = (kind, commit.decode(), known.parents, known.is_odd, self._next, record)
        self._waiting.append(row)
        self._next += 1
        self._bytes += len(record)
        if len(self._waiting) >= _AT_ONCE or self._bytes > _MOST_BYTES:
            self.settle()

    def settle(self) -> None:
        """Have all records kept that were given."""
        import pyarrow as pa

        if not self._waiting:
            return
        text, number = pa.string(), pa.int64()
        names = ("kind", "sha", "parents", "is_odd", "place", "record")
        kinds: list[pa.DataType] = [text, text, number, pa.bool_(), number, pa.binary()]
        shape = pa.schema(list(zip(names, kinds, strict=True)))
        waiting = zip(shape, zip(*self._waiting, strict=True), strict=True)
        columns = [column(values, field.type) for field, values in waiting]
        self._cache.store.append(self._table, pa.RecordBatch.from_arrays(columns, schema=shape))
        self._waiting, self._bytes = [], 0

    def forget_others(self, kind: str, commits: Collection[bytes]) -> None:
        """Forget all records of another kind, or of other commits, that are named by as many digits."""
        import pyarrow as pa

        width = len(next(iter(commits), b""))
        if not width:
            return
        names: pa.Array[pa.StringScalar] = column([name.decode() for name in commits], pa.string())
        with self._cache.store.registered(pa.RecordBatch.from_arrays([names], names=["sha"])) as arriving:
            self._cache.store.run(
                f"DELETE FROM {self._table} WHERE length(sha) = {width} "
                f"AND (kind <> ? OR sha NOT IN (SELECT sha FROM {arriving}))",
                [kind],
            )


def to_say_again(said: Sequence[str]) -> dict[str, str]:
    """Return what a cache is to note of the warnings that only a reading of the history gives."""
    return {_WARNINGS: json.dumps(said)}


def say_again(cache: CacheFile) -> None:
    """Warn of what the latest reading of the history warned of, which is as it was."""
    for sentence in json.loads(cache.meta().get(_WARNINGS, "[]")):
        _LOG.warning("%s", sentence)


def _stretches(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of places that are near to each other, given in order."""
    if not places:
        return
    first = last = places[0]
    for place in array("q", places):
        if place - last > _NEAR:
            yield first, last
            first = place
        last = place
    yield first, last
