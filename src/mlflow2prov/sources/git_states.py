"""The states of a few commits of a history, out of the columns of its changes.

The state of a commit is that of its first parent but for what the commit changes. Of all the ways from these
commits along first parents down to the roots only the commits where ways meet, and the wanted ones, get a state: what
differs between two of them is the newest change of each path in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from immutables import Map

from mlflow2prov.sources.git_changes import Changes
from mlflow2prov.sources.git_history import State

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.signedinteger[Any]]

_RENAMED = ord("R")


class Step(NamedTuple):
    """A commit with its state.

    Attributes:
        number: of the commit.
        state: its state.
        before: the commit of an earlier step that it comes after along first parents, or -1.
        paths: the numbers of those paths at which something else may stand than at that one.
        is_last: whether no other step comes after that one any more.
        goes_on: whether one comes after this one.
    """

    number: int
    state: State
    before: int
    paths: Numbers
    is_last: bool
    goes_on: bool


class States:
    """The states of some commits, made one after the other.

    Held are 8 bytes for each path that differs between one of these commits and the next one on its way, and the
    states whose next ones are not all made, which share what they have in common.

    Args:
        first_parents: of each commit the number of its first parent, which is less than its own, or -1.
        changes: of all commits; none of a merge is a rename.
        stands: of each change the revision that stands at its path afterwards, or -1.
        wanted: the numbers of the commits whose states are asked for.
    """

    def __init__(
        self, first_parents: Numbers, changes: Changes, stands: Numbers, wanted: Collection[int]
    ) -> None:
        import numpy as np

        ways = _Ways(first_parents.tolist(), wanted)
        end_of = np.array(ways.end_of, "i8")
        moved = np.flatnonzero((changes.status == _RENAMED) & (end_of[changes.commit] >= 0))
        others = np.flatnonzero(end_of[changes.commit] >= 0)
        commits = np.concatenate([changes.commit[moved], changes.commit[others]])
        # A path that a commit renames away comes before what the same commit writes there.
        turns = 2 * commits.astype("i8") + (np.arange(len(commits)) >= len(moved))
        paths = np.concatenate([changes.source[moved], changes.path[others]])
        keys = end_of[commits] * (int(paths.max(initial=0)) + 1) + paths
        order = np.lexsort((turns, keys))
        keys = keys[order]
        order = order[np.concatenate([keys[1:] != keys[:-1], np.ones(min(len(keys), 1), "?")])]
        revisions = np.concatenate([np.full(len(moved), -1, "i4"), stands[others]])
        self._paths, self._revisions = paths[order], revisions[order]
        ends = np.array(list(ways.before), "i8")
        self._stops = np.searchsorted(end_of[commits[order]], ends, side="right").tolist()
        self._before, self._following = ways.before, ways.following

    def __iter__(self) -> Iterator[Step]:
        """Yield the wanted commits, and those where ways meet, in order."""
        held: dict[int, State] = {}
        left = dict(self._following)
        start = 0
        for (number, before), stop in zip(self._before.items(), self._stops, strict=True):
            part = slice(start, stop)
            state = self._changed(held[before] if before >= 0 else Map(), part)
            if before >= 0:
                left[before] -= 1
            is_last = before >= 0 and not left[before]
            if is_last:
                del held[before]
            if number in left:
                held[number] = state
            yield Step(number, state, before, self._paths[part], is_last, number in left)
            start = stop

    def _changed(self, old: State, part: slice) -> State:
        """Return a state with what differs put into it."""
        paths, revisions = self._paths[part], self._revisions[part]
        if not len(paths):
            return old
        new = old.mutate()
        stays = revisions >= 0
        for path in paths[~stays].tolist():
            new.pop(path, None)
        new.update(dict(zip(paths[stays].tolist(), revisions[stays].tolist(), strict=True)))
        return new.finish()


class _Ways:
    """The ways from some commits to the roots, along first parents, cut at these commits and where ways meet.

    Attributes:
        end_of: of each commit the one that its part of a way ends at, which may be itself; -1 off all ways.
        before: of each end, in order, the end of the part before its own, or -1.
        following: how many parts come right after each end that has any.
    """

    def __init__(self, first_parents: Sequence[int], wanted: Collection[int]) -> None:
        self.end_of = [-1] * len(first_parents)
        self.before: dict[int, int] = {}
        self.following: dict[int, int] = {}
        ends = set(wanted)
        for number in wanted:
            ends |= self._walk(first_parents, number)
        for number in sorted(ends):
            before = self._cut(first_parents, ends, number)
            self.before[number] = before
            if before >= 0:
                self.following[before] = self.following.get(before, 0) + 1

    def _walk(self, first_parents: Sequence[int], number: int) -> set[int]:
        """Go from a commit to one that was come through before, which is returned, or to a root."""
        end_of = self.end_of
        if end_of[number] >= 0:
            return set()
        end_of[number] = number
        while (parent := first_parents[number]) >= 0:
            if end_of[parent] >= 0:
                return {parent}
            end_of[parent] = parent
            number = parent
        return set()

    def _cut(self, first_parents: Sequence[int], ends: Collection[int], end: int) -> int:
        """Go from an end to the one before it, which is returned, or to a root."""
        number = end
        while (number := first_parents[number]) >= 0 and number not in ends:
            self.end_of[number] = end
        return number
