"""The rows of what a pass over a history has found of files: revisions, derivations, deletions, merges."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from mlflow2prov.sources.columns import Texts, column, taken
from mlflow2prov.sources.git_history import History
from mlflow2prov.sources.git_rows import BATCH_ROWS
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Numbers: TypeAlias = npt.NDArray[np.int32]
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
    """

    def __init__(self, history: History, kept: Kept | None = None) -> None:
        self._history = history
        self._kept = kept
        self._taken = 0
        self._commits, self._texts = Texts(history.commits), Texts(history.paths.text)

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
            lambda part: self._revisions(numbers[part], history.new_revisions[part]),
        )
        derivations = _numbers(history.derivations, 3)
        yield from _batches(
            "git_derivation", len(derivations), lambda part: self._derivations(derivations[part])
        )
        deletions = _numbers(history.deletions, 3)
        yield from _batches("git_deletion", len(deletions), lambda part: self._deletions(deletions[part]))
        merged = _numbers(history.merged, 3)
        yield from _batches("git_merged", len(merged), lambda part: self._merged(merged[part]))
        self._taken = len(history.commit_of)
        history.take()

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

    def _revisions(self, numbers: Numbers, new: Sequence[tuple[bytes, bytes, bytes, int]]) -> list[Column]:
        import numpy as np
        import pyarrow as pa

        history = self._history
        blobs, modes, statuses, sources = zip(*new, strict=True)
        added = _at(history.first_of, _at(history.file_of, numbers))
        letters, places = _distinct(statuses)
        similarities = [int(status[1:]) if status[1:] else None for status in letters]
        names, mode_places = _distinct(modes)
        return [
            *self._made(numbers),
            taken(column([status[:1].decode() for status in letters], pa.string()), places),
            taken(column(similarities, pa.int64()), places),
            _of_one_width(blobs),
            taken(column([name.decode() for name in names], pa.string()), mode_places),
            *self._paths(np.array(sources, "i4")),
            *self._made(added),
            pa.Array.from_buffers(
                pa.bool_(),
                len(numbers),
                [None, pa.py_buffer(np.packbits(numbers == added, bitorder="little").tobytes())],
            ),
        ]

    def _derivations(self, rows: Numbers) -> list[Column]:
        return [*self._made(rows[:, 0]), _integers(rows[:, 1]), *self._made(rows[:, 2])]

    def _deletions(self, rows: Numbers) -> list[Column]:
        import numpy as np

        history = self._history
        last = rows[:, 1]
        added = np.where(rows[:, 2] == 1, _at(history.first_of, _at(history.file_of, last)), -1)
        return [self._commits.take(rows[:, 0]), *self._made(last), *self._made(added)]

    def _merged(self, rows: Numbers) -> list[Column]:
        made = rows[:, 2]
        makers = self._commits.take(_at(self._history.commit_of, made))
        return [self._commits.take(rows[:, 0]), *self._paths(rows[:, 1]), makers]

    def _made(self, revisions: Numbers) -> list[Column]:
        """Return the columns that name revisions: the commit, the path, its bytes; all NULL of a negative number."""
        history = self._history
        return [
            self._commits.take(_at(history.commit_of, revisions)),
            *self._paths(_at(history.path_of, revisions)),
        ]

    def _paths(self, numbers: Numbers) -> list[Column]:
        """Return the columns of paths and of their exact bytes; a negative number is NULL."""
        import pyarrow as pa

        odd = self._history.paths.odd
        exact = (
            column(list(map(odd.get, numbers.tolist())), pa.binary())
            if odd
            else pa.nulls(len(numbers), pa.binary())
        )
        return [self._texts.take(numbers), exact]


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


def _of_one_width(names: Sequence[bytes]) -> Column:
    """Return a column of texts that are of one length."""
    import numpy as np
    import pyarrow as pa

    width = len(names[0])
    ends = np.arange(0, width * (len(names) + 1), width, dtype="i4")
    data = b"".join(names)
    assert len(data) == ends[-1]
    return pa.Array.from_buffers(
        pa.string(), len(names), [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(data)]
    )


def _integers(numbers: Numbers) -> Column:
    import pyarrow as pa

    return pa.Array.from_buffers(
        pa.int64(), len(numbers), [None, pa.py_buffer(numbers.astype("i8").tobytes())]
    )
