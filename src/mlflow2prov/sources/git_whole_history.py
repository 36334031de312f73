"""A whole history in columns: its changes as they arrive, and the history that they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mlflow2prov.sources.git_changes import Changes, Parents, Resolved, mode_text
from mlflow2prov.sources.git_history import History, Paths
from mlflow2prov.sources.git_log import Change, LoggedCommit
from mlflow2prov.sources.git_log_pieces import Part

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.int32]


class WholeHistory:
    """The changes of a history, part by part, in whatever order these come.

    Held are some 45 bytes for each change, besides the paths.

    Args:
        names: the object names of all commits, parents first.

    Attributes:
        paths: all that there are.
    """

    def __init__(self, names: Sequence[bytes]) -> None:
        self.paths = Paths()
        self._names = names
        self._parts: tuple[list[Any], ...] = tuple([] for _ in Changes._fields)

    def add(self, part: Part) -> None:
        """Take in the changes of a part."""
        import numpy as np

        commits, piece = np.array(part.commits, "i4"), part.piece
        numbers = np.array([*map(self.paths.number_of, piece.paths), -1], "i4")
        found = Changes(
            commit=commits[piece.commit],
            mode=piece.mode,
            blob=piece.blob,
            status=piece.status,
            similarity=piece.similarity.astype("i1"),
            source=numbers[piece.source],
            path=numbers[piece.path],
        )
        for columns, column in zip(self._parts, found, strict=True):
            columns.append(column)

    def changes(self) -> Changes:
        """Return all changes in the order of their commits; the parts are forgotten."""
        import numpy as np
        import pyarrow as pa

        pa.default_memory_pool().release_unused()
        if not self._parts[0]:
            none = np.zeros(0, "i4")
            return Changes(none, none, np.zeros((0, len(self._names[0]) // 2), "u1"), none, none, none, none)
        order = np.argsort(np.concatenate(self._parts[0]), kind="stable")
        places = np.empty(len(order), "i4")
        places[order] = np.arange(len(order), dtype="i4")
        del order
        return Changes(*(_in_order(columns, places) for columns in self._parts))

    def history(self, made: Changes, found: Resolved) -> History:
        """Return the history that was found, as if it had gone through all commits, given the changes of revisions."""
        import numpy as np

        history = History({}, self.paths)
        history.commits += [name.decode() for name in self._names]
        for array, numbers in (
            (history.commit_of, made.commit),
            (history.path_of, made.path),
            (history.file_of, found.file),
            (history.first_of, found.first),
        ):
            array.frombytes(np.ascontiguousarray(numbers, "i4").tobytes())
        modes, places = np.unique(made.mode, return_inverse=True)
        names = [mode_text(mode).encode() for mode in modes.tolist()]
        history.hold_all(made.blob, names, places.astype("u2"))
        return history

    def commits(self, changes: Changes, parents: Parents) -> Iterator[LoggedCommit]:
        """Yield all commits, parents first, with nothing but their parents and their changes."""
        import numpy as np

        ends = np.searchsorted(changes.commit, np.arange(len(self._names)), side="right").tolist()
        firsts, everyone = parents.first.tolist(), parents.all.tolist()
        nobody, start = (b"", b""), 0
        for number, name in enumerate(self._names):
            above = [self._names[it] for it in everyone[firsts[number] : firsts[number + 1]]]
            told = self._told(changes, start, ends[number])
            yield LoggedCommit(name, above, b"", nobody, b"", nobody, b"", b"", told)
            start = ends[number]

    def _told(self, changes: Changes, start: int, end: int) -> list[Change]:
        if start == end:
            return []
        part = slice(start, end)
        exact = self.paths.exact
        return [
            (
                mode_text(mode).encode(),
                blob.tobytes().hex().encode(),
                b"%c" % status if similarity < 0 else b"%c%03d" % (status, similarity),
                exact[source] if source >= 0 else None,
                exact[path],
            )
            for mode, blob, status, similarity, source, path in zip(
                changes.mode[part].tolist(),
                changes.blob[part],
                changes.status[part].tolist(),
                changes.similarity[part].tolist(),
                changes.source[part].tolist(),
                changes.path[part].tolist(),
                strict=True,
            )
        ]


def _in_order(parts: list[Any], places: Numbers) -> Any:
    """Return the values of all parts, each at its place; the parts are forgotten one after the other."""
    import numpy as np

    found = np.empty((len(places), *parts[0].shape[1:]), parts[0].dtype)
    start = 0
    parts.reverse()
    while parts:
        part = parts.pop()
        found[places[start : start + len(part)]] = part
        start += len(part)
    return found
