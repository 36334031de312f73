"""The rows of what a pass over a history has found of files: revisions, derivations, deletions, merges."""

from __future__ import annotations

from array import array
from binascii import hexlify
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from mlflow2prov.prov.text import part
from mlflow2prov.sources.columns import Texts, column, taken
from mlflow2prov.sources.git_changes import Changes, Resolved, mode_text
from mlflow2prov.sources.git_history import History
from mlflow2prov.sources.git_rows import BATCH_ROWS
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Numbers: TypeAlias = npt.NDArray[np.signedinteger[Any]]
    Bytes: TypeAlias = npt.NDArray[np.uint8]
    Flags: TypeAlias = npt.NDArray[np.bool_]
    Column: TypeAlias = pa.Array[Any]

WHOLE = 2
"""What :class:`Kept` says of a commit of which all is given."""


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
        first: the number of the first revision.
    """

    def __init__(self, history: History, kept: Kept | None = None, first: int = 0) -> None:
        self._history = history
        self._first = first
        self._kept = kept
        self._taken = 0
        self._commits, self._texts = Texts(history.commits), Texts(history.paths.text)
        self._part_texts: list[str] = []
        self._parts = Texts(self._part_texts)

    def take(self) -> Batches:
        """Yield what the history has found since the last time."""
        import numpy as np

        history = self._history
        numbers = np.arange(self._taken, len(history.commit_of), dtype="i4")
        if self._kept is not None:
            numbers = self._keep(numbers)
        yield from _batches(
            "git_revision",
            len(numbers),
            lambda part: self._revisions(numbers[part], _told(history.new_revisions[part])),
        )
        yield from self._others(
            _numbers(history.derivations, 3), _numbers(history.deletions, 3), _numbers(history.merged, 3)
        )
        self._taken = len(history.commit_of)
        history.take()

    def all(self, made: Changes, found: Resolved) -> Batches:
        """Yield all that was found at once, and that the history was made of, given the changes of revisions.

        Where not all is given, what was found must be :func:`mlflow2prov.sources.git_kept.only_kept`.
        """
        yield from self._all_revisions(made, found.status)
        derivations, deletions, merged = found.derivations, found.deletions, found.merged
        del made, found  # so that nobody holds them while the rest is told
        yield from self._others(derivations, deletions, merged)

    def _all_revisions(self, made: Changes, status: Bytes) -> Batches:
        import numpy as np

        numbers = np.arange(len(made.commit), dtype="i4")
        if self._kept is not None:
            numbers = numbers[np.frombuffer(self._kept.revisions, "?")]
        yield from _batches(
            "git_revision",
            len(numbers),
            lambda part: self._revisions(
                numbers[part], _told_by_columns(made.at(numbers[part]), status[numbers[part]])
            ),
        )

    def _others(self, derivations: Numbers, deletions: Numbers, merged: Numbers) -> Batches:
        yield from _batches(
            "git_derivation", len(derivations), lambda part: self._derivations(derivations[part])
        )
        yield from _batches("git_deletion", len(deletions), lambda part: self._deletions(deletions[part]))
        yield from self._all_merged(merged)

    def _keep(self, made: Numbers) -> Numbers:
        """Leave out, of what waits, all that is not to be given; return the numbers of the revisions that are."""
        history, kept = self._history, self._kept
        assert kept is not None
        is_kept = kept.revisions.__getitem__
        numbers = made[[bool(is_kept(number)) for number in made.tolist()]] if len(made) else made
        history.new_revisions = [history.new_revisions[number - self._taken] for number in numbers.tolist()]
        history.derivations = [row for row in history.derivations if is_kept(row[0]) and is_kept(row[2])]
        history.merged = [row for row in history.merged if kept.commits[row[0]]]
        history.deletions = [
            row for row in history.deletions if kept.commits[row[0]] == WHOLE and is_kept(row[1])
        ]
        return numbers

    def _revisions(self, numbers: Numbers, told: _Told) -> list[Column]:

        history = self._history
        added = _at(history.first_of, _at(history.file_of, numbers))
        return [
            _integers(numbers + self._first),
            self._commits.take(_at(history.commit_of, numbers)),
            *self._paths(_at(history.path_of, numbers)),
            told.status,
            told.similarity,
            told.blob,
            told.mode,
            *self._paths(told.sources),
            _integers(added + self._first),
            _flags(numbers == added),
        ]

    def _derivations(self, rows: Numbers) -> list[Column]:
        return [
            _integers(rows[:, 0] + self._first),
            _integers(rows[:, 1]),
            _integers(rows[:, 2] + self._first),
        ]

    def _deletions(self, rows: Numbers) -> list[Column]:
        return [self._commits.take(rows[:, 0]), _integers(rows[:, 1] + self._first), _flags(rows[:, 2] == 1)]

    def _all_merged(self, rows: Numbers) -> Batches:
        """Yield the rows of merges, which have some 100 bytes for each path."""
        import numpy as np
        import pyarrow as pa

        if not len(rows):
            return
        paths = self._history.paths
        self._part_texts += map(part, paths.exact[len(self._part_texts) :])
        rank, schema = paths.ranks(), SOURCE_TABLES["git_merged"].schema()
        rows[:] = rows[np.lexsort((rank[rows[:, 1]], rows[:, 0]))]
        begins = np.flatnonzero(np.diff(rows[:, 0], prepend=-1))
        ends = np.append(begins[1:], len(rows))
        start = 0
        while start < len(begins):
            # As many merges as have few paths together, or one that has many.
            full = int(np.searchsorted(ends, begins[start] + BATCH_ROWS, side="right"))
            end = max(start + 1, min(full, start + BATCH_ROWS))
            some = rows[begins[start] : ends[end - 1]]
            columns = self._merged(some, begins[start:end] - begins[start])
            yield "git_merged", pa.RecordBatch.from_arrays(columns, schema=schema)
            start = end

    def _merged(self, rows: Numbers, begins: Numbers) -> list[Column]:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute

        compute: Any = pyarrow.compute
        nothing, between = column(["-", " "], pa.string())  # other ways to make such import pandas
        makers = self._commits.take(_at(self._history.commit_of, rows[:, 2]))
        parts = self._parts.take(rows[:, 1])
        listed = compute.binary_join_element_wise(compute.coalesce(makers, nothing), parts, between)
        offsets = pa.py_buffer(np.append(begins, len(rows)).astype("i4").tobytes())
        merged = pa.Array.from_buffers(pa.list_(pa.string()), len(begins), [None, offsets], children=[listed])
        return [self._commits.take(rows[begins, 0]), merged]

    def _paths(self, numbers: Numbers) -> list[Column]:
        """Return the columns of paths and of their exact bytes; a negative number is NULL."""
        import numpy as np
        import pyarrow as pa

        odd = self._history.paths.odd
        if not odd:
            return [self._texts.take(numbers), pa.nulls(len(numbers), pa.binary())]
        places = np.full(len(self._history.paths.exact) + 1, -1, "i4")  # the last one is that of no path
        places[list(odd)] = np.arange(len(odd))
        exact = column(list(odd.values()), pa.binary())
        return [self._texts.take(numbers), taken(exact, places[numbers])]


class _Told(NamedTuple):
    """What Git tells of some revisions: columns, and the numbers of the paths that they were renamed from or -1."""

    status: Column
    similarity: Column
    blob: Column
    mode: Column
    sources: Numbers


def _told(new: Sequence[tuple[bytes, bytes, bytes, int]]) -> _Told:
    import numpy as np
    import pyarrow as pa

    blobs, modes, statuses, sources = zip(*new, strict=True)
    letters, places = _distinct(statuses)
    similarities = [int(status[1:]) if status[1:] else None for status in letters]
    names, mode_places = _distinct(modes)
    return _Told(
        taken(column([status[:1].decode() for status in letters], pa.string()), places),
        taken(column(similarities, pa.int64()), places),
        _of_one_width(b"".join(blobs), len(blobs)),
        taken(column([name.decode() for name in names], pa.string()), mode_places),
        np.array(sources, "i4"),
    )


def _told_by_columns(made: Changes, status: Bytes) -> _Told:
    import numpy as np
    import pyarrow as pa

    modes, mode_places = np.unique(made.mode, return_inverse=True)
    letters, places = np.unique(status, return_inverse=True)
    return _Told(
        taken(column([chr(letter) for letter in letters.tolist()], pa.string()), places),
        taken(column(range(101), pa.int64()), made.similarity),
        _of_one_width(hexlify(made.blob.tobytes()), len(made.commit)),
        taken(column([mode_text(mode) for mode in modes.tolist()], pa.string()), mode_places),
        made.source,
    )


def _batches(table: str, count: int, columns: Callable[[slice], list[Column]]) -> Batches:
    """Yield rows of a table in batches of ``BATCH_ROWS`` at most, given what makes the columns of some of them."""
    import pyarrow as pa

    schema = SOURCE_TABLES[table].schema()
    for start in range(0, count, BATCH_ROWS):
        part = slice(start, min(start + BATCH_ROWS, count))
        yield table, pa.RecordBatch.from_arrays(columns(part), schema=schema)


def _numbers(rows: Sequence[tuple[int, ...]], width: int) -> Numbers:
    import numpy as np

    return np.array(rows, "i4").reshape(-1, width)


def _at(values: array[int], places: Numbers) -> Numbers:
    """Return the numbers at some places; -1 at a negative place."""
    import numpy as np

    if not len(values):
        return np.full(len(places), -1, "i4")
    found: Numbers = np.where(places >= 0, np.frombuffer(values, "i4")[places], -1)
    return found


def _distinct(values: Sequence[bytes]) -> tuple[list[bytes], Numbers]:
    """Return the distinct ones among values, and the place of each value among them."""
    import numpy as np

    places: dict[bytes, int] = {}
    numbers = [places.setdefault(value, len(places)) for value in values]
    return list(places), np.array(numbers, "i4")


def _of_one_width(data: bytes, count: int) -> Column:
    """Return a column of texts that are of one length, given all of them joined."""
    import numpy as np
    import pyarrow as pa

    ends = np.arange(count + 1, dtype="i4") * (len(data) // count)
    assert ends[-1] == len(data)
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(data)])


def _flags(flags: Flags) -> Column:
    import numpy as np
    import pyarrow as pa

    bits = pa.py_buffer(np.packbits(flags, bitorder="little").tobytes())
    return pa.Array.from_buffers(pa.bool_(), len(flags), [None, bits])


def _integers(numbers: Numbers) -> Column:
    import pyarrow as pa

    return pa.Array.from_buffers(
        pa.int64(), len(numbers), [None, pa.py_buffer(numbers.astype("i8").tobytes())]
    )
