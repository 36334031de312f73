"""Which file a merge of more than two parents goes on with at a path that its first parent lacks.

It is the file that stands there at the nearest parent; but a nearer one may have another of the files in question at
another path, to which it was renamed. Which files these are is known when that is known of all earlier commits, so that
the changes are gone through one by one; there are few of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from mlflow2prov.sources.git_changes import Changes, Parents
from mlflow2prov.sources.git_forest import Standing, ends

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.signedinteger[Any]]


class Octopuses:
    """Finds out what such changes go on with, given those in the order of their commits.

    Held are 4 bytes for each change, and some 200 for each file that was renamed.

    Args:
        changes: of all commits.
        parents: of all commits.
        standing: what stands where.
        stands_for: of each change the one that made what stands at its path then.
        previous: of each change the one whose file it goes on with, itself where it begins one; those that are asked
            for still seem to.
    """

    def __init__(
        self, changes: Changes, parents: Parents, standing: Standing, stands_for: Numbers, previous: Numbers
    ) -> None:
        import numpy as np

        self._changes, self._parents, self._standing = changes, parents, standing
        self._stands_for = stands_for
        self._begins = ends(previous)
        self._leads: dict[int, int] = {}
        is_plain = parents.counts()[changes.commit] < 2
        self._moves = np.flatnonzero((changes.status == ord("R")) & is_plain)
        self._moved = 0
        self._paths: dict[int, list[int]] = {}

    def follow(self, change: int, there: Sequence[int]) -> int:
        """Return the change whose file a change goes on with.

        Args:
            change: of a merge, after all earlier ones that are asked for.
            there: what stands at its path at each parent, or -1; somewhere something does.
        """
        places = {self._file(place): place for place in reversed(there) if place >= 0}
        files = [self._file(place) for place in there if place >= 0]
        chosen = files[0] if len(places) == 1 else self._nearest(change, there, list(dict.fromkeys(files)))
        self._leads[change] = chosen
        return int(self._stands_for[places[chosen]])

    def _file(self, place: int) -> int:
        """Return the change that began the file that a change makes or stands for."""
        found = int(self._begins[self._stands_for[place]])
        return self._leads.get(found, found)

    def _nearest(self, change: int, there: Sequence[int], files: Sequence[int]) -> int:
        """Return which of some files the nearest parent has that has any, there or at another path."""
        commit = int(self._changes.commit[change])
        start = int(self._parents.first[commit])
        for position, place in enumerate(there):
            if place >= 0:
                return self._file(place)
            for file in files:
                if self._has(int(self._parents.all[start + position]), file, commit):
                    return file
        raise AssertionError("nothing stands there")

    def _has(self, parent: int, file: int, commit: int) -> bool:
        """Return whether a file stands in a parent at a path that it ever was renamed from or to."""
        import numpy as np

        paths = self._paths_until(commit).get(file)
        if not paths:
            return False
        found = self._standing.at(np.full(len(paths), parent, "i4"), np.array(paths, "i4"))
        return any(place >= 0 and self._file(place) == file for place in found.tolist())

    def _paths_until(self, commit: int) -> dict[int, list[int]]:
        """Return the paths of the files that were renamed before a commit, which is after the last one asked for."""
        changes = self._changes
        while self._moved < len(self._moves) and changes.commit[self._moves[self._moved]] < commit:
            change = int(self._moves[self._moved])
            paths = self._paths.setdefault(self._file(change), [])
            paths += [int(changes.source[change]), int(changes.path[change])]
            self._moved += 1
        return self._paths
