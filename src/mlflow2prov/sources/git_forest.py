"""Which change a path stands at in a commit, of many paths and commits at once.

Along first parents a history is a forest, and a path stands there at the last change on the way from a root. So
that this is looked up by bisection, the forest is cut into chains: each commit goes on the chain of its first
parent if most commits come after it among that one's children, else it begins one. Commits of a chain
have numbers that follow one another, their slots; changes are sorted by path and slot. From any commit there are no
more chains to a root than the logarithm of their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.signedinteger[Any]]


_AT_ONCE = 200_000
"""So many places are looked up at a time, which bounds what that holds."""


class Forest:
    """The chains of commits that come one after the other along first parents.

    Making it costs half a microsecond a commit.

    Args:
        first_parents: of each commit the number of its first parent, which is less than its own, or -1.

    Attributes:
        slot: of each commit its number among all, by chains.
        start: the slot of the first commit of its chain.
        above: the commit that its chain begins at, or -1.
    """

    def __init__(self, first_parents: Sequence[int]) -> None:
        import numpy as np

        count = len(first_parents)
        size, longest, heir, length = [1] * count, [0] * count, [-1] * count, [1] * count
        for number in range(count - 1, -1, -1):
            parent = first_parents[number]
            after = heir[number]
            if after >= 0:
                length[number] = length[after] + 1
            if parent >= 0:
                size[parent] += size[number]
                if size[number] > longest[parent]:
                    longest[parent], heir[parent] = size[number], number
        slot, start, above = [0] * count, [0] * count, [-1] * count
        following = 0
        for number, parent in enumerate(first_parents):
            if parent >= 0 and heir[parent] == number:
                slot[number] = slot[parent] + 1
                start[number], above[number] = start[parent], above[parent]
            else:
                slot[number] = start[number] = following
                above[number] = parent
                following += length[number]
        self.slot, self.start = np.array(slot, "i8"), np.array(start, "i8")
        self.above = np.array(above, "i4")

    def __len__(self) -> int:
        return len(self.slot)


class Standing:
    """What stands at each path of each commit: the last of some changes on the way from a root.

    Held are 12 bytes for each change.

    Args:
        forest: of the commits.
        commits: of each change its commit.
        paths: the number of its path.
        changes: its number, or -1 where nothing stands at the path afterwards. Of changes of one path in one
            commit the last one counts.
        first: how many changes at the beginning may be of a path that another change of their commit is of, too.

    Attributes:
        has_repeated: whether any other two are of one path in one commit.
    """

    def __init__(
        self, forest: Forest, commits: Numbers, paths: Numbers, changes: Numbers, *, first: int = 0
    ) -> None:
        import numpy as np

        self._forest = forest
        keys = paths.astype("i8")
        keys *= len(forest)
        keys += forest.slot[commits]
        order = np.argsort(keys, kind="stable").astype("i4" if len(keys) < 2**31 else "i8")
        self._keys = keys[order]
        del keys
        self._changes = changes[order]
        again = np.flatnonzero(self._keys[1:] == self._keys[:-1])
        self.has_repeated = bool(((order[again] >= first) & (order[again + 1] >= first)).any())

    def at(self, commits: Numbers, paths: Numbers) -> Numbers:
        """Return the numbers of the changes that paths stand at in commits; -1 for none, or of no commit."""
        import numpy as np

        found = np.full(len(commits), -1, "i4")
        for start in range(0, len(commits) if len(self._keys) else 0, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            self._look_up(commits[part], paths[part], found[part])
        return found

    def _look_up(self, commits: Numbers, paths: Numbers, found: Numbers) -> None:
        """Note down what is found."""
        import numpy as np

        open_ones = np.flatnonzero(commits >= 0)
        commits, paths = commits[open_ones], paths[open_ones]
        forest = self._forest
        while len(open_ones):
            first = paths.astype("i8") * len(forest)
            places = np.searchsorted(self._keys, first + forest.slot[commits], side="right") - 1
            is_there = self._keys[places] >= first + forest.start[commits]
            is_there &= places >= 0
            found[open_ones[is_there]] = self._changes[places[is_there]]
            goes_on = ~is_there & (forest.above[commits] >= 0)
            open_ones, paths = open_ones[goes_on], paths[goes_on]
            commits = forest.above[commits[goes_on]]


def ends(pointers: Numbers) -> Numbers:
    """Return where pointers lead to in the end, each to a place that points to itself.

    >>> import numpy as np
    >>> ends(np.array([0, 0, 1, 3], "i4")).tolist()
    [0, 0, 0, 3]
    """
    while True:
        further = pointers[pointers]
        if (further == pointers).all():
            return further
        pointers = further
