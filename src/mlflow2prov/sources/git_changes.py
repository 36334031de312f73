"""The changes of a history and what comes of them, in columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.signedinteger[Any]]
    Bytes: TypeAlias = npt.NDArray[np.uint8]


class Parents(NamedTuple):
    """The parents of all commits.

    Attributes:
        first: of each commit the place of its first parent in ``all``; one more at the end.
        all: the numbers of the parents of all commits, one after the other.
    """

    first: Numbers
    all: Numbers

    def counts(self) -> Numbers:
        """Return how many parents each commit has."""
        return self.first[1:] - self.first[:-1]

    def at(self, position: int) -> Numbers:
        """Return of each commit its parent at a position, or -1."""
        import numpy as np

        there = self.counts() > position
        found = np.full(len(there), -1, "i4")
        found[there] = self.all[self.first[:-1][there] + position]
        return found


class Changes(NamedTuple):
    """The changes of all commits, in the order of these, each against its commit's first parent.

    Attributes:
        commit: of each the number of its commit.
        mode: the file mode afterwards.
        blob: the object name of the content afterwards, 20 or 32 bytes.
        status: the byte of its letter.
        similarity: in per cent, or -1.
        source: the number of the path that it was renamed or copied from, or -1.
        path: the number of its path.
    """

    commit: Numbers
    mode: Numbers
    blob: Bytes
    status: Bytes
    similarity: Numbers
    source: Numbers
    path: Numbers

    def at(self, places: Numbers | slice) -> Changes:
        """Return some of the changes."""
        columns: list[Any] = [column[places] for column in self]
        return Changes(*columns)


class Resolved(NamedTuple):
    """What :class:`mlflow2prov.sources.git_history.History` has found at the end of a history.

    Attributes:
        made: of each revision the number of its change.
        status: the byte of its letter.
        file: the number of its file.
        first: of each file its first revision.
        stands: of each change the revision that stands at its path afterwards, or -1.
        derivations: rows of a revision, the position of the parent, and the previous revision.
        deletions: rows of a commit, the last revision, and whether its file ends with it.
        merged: rows of a merge, a path, and the revision that stands there or -1.
    """

    made: Numbers
    status: Bytes
    file: Numbers
    first: Numbers
    stands: Numbers
    derivations: Numbers
    deletions: Numbers
    merged: Numbers


def mode_text(mode: int) -> str:
    """Return a file mode as Git shows it.

    >>> mode_text(0o100644), mode_text(0o40000)
    ('100644', '040000')
    """
    return f"{mode:06o}"
