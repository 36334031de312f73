"""The rows of what stands in trees and folders, held as numbers until they become batches."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.columns import Texts, column
from mlflow2prov.sources.git_history import History
from mlflow2prov.sources.git_rows import BATCH_ROWS, batches_of_rows
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Numbers: TypeAlias = npt.NDArray[np.int32]
    Column: TypeAlias = pa.Array[Any]

_WIDTH = 3


class MemberRows:
    """The rows of ``git_folder`` and ``git_member`` that wait.

    Held are 12 bytes for each row that waits, and the names of all trees, folders and paths.

    Attributes:
        digests: of all folders with what is in them, in the order of their numbers.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._rows = array("i")
        self._trees: list[str] = []
        self.digests: list[str] = []
        self._folders: list[str] = []
        self._odd: dict[int, bytes] = {}
        self._taken = 0
        lists = self._trees, self.digests, self._folders, history.commits, history.paths.text
        self._texts = tuple(map(Texts, lists))

    @property
    def pending(self) -> int:
        """How many rows wait to be taken."""
        return len(self._rows) // _WIDTH

    def add_tree(self, commit: str, things: Sequence[int]) -> None:
        """Note down what lies right below a root: revisions, or -1 less the numbers of folders."""
        self._add(len(self._trees), -1, things)
        self._trees.append(commit)

    def add_folder(self, path: bytes, digest: str, things: Sequence[int]) -> int:
        """Note down a folder with what lies right in it, and return its number."""
        number = len(self.digests)
        text, odd = text_of(path)
        self.digests.append(digest)
        self._folders.append(text)
        if odd is not None:
            self._odd[number] = odd
        self._add(-1, number, things)
        return number

    def _add(self, tree: int, folder: int, things: Sequence[int]) -> None:
        for thing in things:
            self._rows.extend((tree, folder, thing))

    def take(self) -> Batches:
        """Yield what waits, and forget it."""
        import numpy as np
        import pyarrow as pa

        new = range(self._taken, len(self.digests))
        folders = [(self.digests[it], self._folders[it], self._odd.get(it)) for it in new]
        self._taken = len(self.digests)
        yield from batches_of_rows("git_folder", folders)
        rows, self._rows = np.frombuffer(self._rows, "i4").reshape(-1, _WIDTH), array("i")
        schema = SOURCE_TABLES["git_member"].schema()
        for start in range(0, len(rows), BATCH_ROWS):
            columns = self._columns(*rows[start : start + BATCH_ROWS].T)
            yield "git_member", pa.RecordBatch.from_arrays(columns, schema=schema)

    def _columns(self, trees: Numbers, folders: Numbers, things: Numbers) -> list[Column]:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        history = self._history
        inner = np.where(things < 0, -1 - things, -1)
        made_in, paths = (_at(values, things) for values in (history.commit_of, history.path_of))
        tree_texts, digests, folder_texts, commits, path_texts = self._texts
        odd = [self._odd.get(it) for it in inner.tolist()] if self._odd else None
        if history.paths.odd:
            known = map(history.paths.odd.get, paths.tolist())
            odd = [own or other for own, other in zip(known, odd or [None] * len(paths), strict=True)]
        return [
            tree_texts.take(trees),
            digests.take(folders),
            digests.take(inner),
            commits.take(made_in),
            pc.coalesce(path_texts.take(paths), folder_texts.take(inner)),
            pa.nulls(len(paths), pa.binary()) if odd is None else column(odd, pa.binary()),
        ]


def _at(values: array[int], places: Numbers) -> Numbers:
    """Return the numbers at some places; -1 at a negative place."""
    import numpy as np

    if not len(values):
        return np.full(len(places), -1, "i4")
    found = np.frombuffer(values, "i4")[np.maximum(places, 0)]
    return np.where(places >= 0, found, -1).astype("i4")
