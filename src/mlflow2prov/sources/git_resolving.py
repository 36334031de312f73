"""All revisions of a history at once, out of the columns of its changes.

This says the same as :class:`mlflow2prov.sources.git_history.History`, which goes from commit to commit, and to
which it leaves what is rare: trees that (wrongly) name a path twice, and merges of more than eight parents. What
stands at a path at a commit can be looked up (:mod:`git_forest`), so that no state of a commit is needed, and all is
told of whole columns, but for :mod:`git_octopuses`:

- A change of a merge whose content and mode are those at another parent's path stands for what stands there; else it
  makes a revision, as do all changes of other commits but deletions.
- A revision is of the file that the one before it is of, and so on until one that has none before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from mlflow2prov.sources.git_changes import Changes, Parents, Resolved
from mlflow2prov.sources.git_forest import Forest, Standing, ends
from mlflow2prov.sources.git_octopuses import Octopuses

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.signedinteger[Any]]
    Bytes: TypeAlias = npt.NDArray[np.uint8]
    Flags: TypeAlias = npt.NDArray[np.bool_]

_MOST_PARENTS = 8
_AT_ONCE = 200_000
"""So many contents are compared, and so many files looked for, at a time."""

_ADDED, _COPIED, _DELETED, _RENAMED = (ord(letter) for letter in "ACDR")


def resolved(changes: Changes, parents: Parents) -> Resolved | None:
    """Return all revisions of a history; None where something is so rare that it is not told of here.

    Held are some 60 bytes for each change.
    """
    if parents.counts().max(initial=0) > _MOST_PARENTS:
        return None
    resolving = _Resolving(changes, parents)
    return None if resolving.is_odd() else resolving.result()


class _Resolving:
    """The steps of the resolution.

    Numbers of changes are called places here, those of revisions revisions.
    """

    def __init__(self, changes: Changes, parents: Parents) -> None:
        import numpy as np

        self._changes, self._parents = changes, parents
        self._forest = Forest(parents.at(0).tolist())
        self._counts = parents.counts()
        self._is_merge = self._counts[changes.commit] > 1
        self._is_deletion = changes.status == _DELETED
        self._standing = self._stand()
        self._stands_for = np.arange(len(changes.commit), dtype="i4")

    def is_odd(self) -> bool:
        """Return whether a commit has two changes of one path, or a merge renames."""
        return self._standing.has_repeated or bool((self._changes.source[self._is_merge] >= 0).any())

    def _stand(self) -> Standing:
        import numpy as np

        changes = self._changes
        moved = np.flatnonzero((changes.status == _RENAMED) & ~self._is_merge)
        places = np.arange(len(changes.commit), dtype="i4")
        return Standing(
            self._forest,
            np.concatenate([changes.commit[moved], changes.commit]),
            np.concatenate([changes.source[moved], changes.path]),
            np.concatenate([np.full(len(moved), -1, "i4"), np.where(self._is_deletion, -1, places)]),
            first=len(moved),
        )

    def result(self) -> Resolved:
        """Return all revisions."""
        import numpy as np

        changes = self._changes
        plain = _where(~self._is_merge & ~self._is_deletion)
        merged = _where(self._is_merge & ~self._is_deletion)
        before = self._before(plain)
        there = self._there(merged)
        is_made = ~self._is_deletion
        is_made &= self._stands_for == np.arange(len(changes.commit))
        self._stands_for = ends(self._stands_for)
        self._revision = np.where(is_made, np.cumsum(is_made, dtype="i4") - 1, -1).astype("i4")
        previous = self._previous(plain, before, merged, there)
        made = _where(is_made)
        del is_made
        first = self._number_files(previous, made)
        del previous
        self._other_paths = _OtherPaths(self._moves(made), len(first))
        status = changes.status[made].copy()
        merges, known = self._merges(merged, there)
        status[self._revision[merges]] = np.where(known, ord("M"), _ADDED)
        derived = before >= 0
        plain_rows = _rows(self._revision[plain[derived]], 0, self._revisions_at(before[derived]))
        del plain, before, derived
        derivations = np.concatenate([plain_rows, *self._derivations(merged, there)])
        gone, last = self._gone()
        of_merges = self._deletions_of_merges(merged, there[0] if there else None, gone, last)
        deletions = np.concatenate([*self._deletions(), of_merges])
        del there, self._standing, self._is_merge, self._is_deletion  # which take a third of the memory
        return Resolved(
            made=made,
            stands=self._revision[self._stands_for],
            status=status,
            file=self._file,
            first=first,
            derivations=derivations,
            deletions=deletions,
            merged=self._merged(merged, gone),
        )

    def _number_files(self, previous: Numbers, made: Numbers) -> Numbers:
        """Find the file of each revision, given where each change leads to; return the first revision of each file."""
        import numpy as np

        roots = ends(previous)[made]
        is_first = roots == made
        number = np.full(len(previous), -1, "i4")
        number[made[is_first]] = np.arange(is_first.sum(), dtype="i4")
        self._file = number[roots]
        return _where(is_first)

    # ---- What stands where ---------------------------------------------------------------------------

    def _before(self, plain: Numbers) -> Numbers:
        """Return the places of what changes of no merge were made from, or -1."""
        import numpy as np

        changes = self._changes
        path, source = changes.path[plain], changes.source[plain]
        is_added = changes.status[plain] == _ADDED
        at = np.where(is_added, -1, self._parents.at(0)[changes.commit[plain]]).astype("i4")
        return self._standing.at(at, np.where(source >= 0, source, path).astype("i4"))

    def _there(self, merged: Numbers) -> list[Numbers]:
        """Return the places of what stands at the paths of merges' changes, at each parent, or -1.

        What is another parent's stands for it from now on.
        """
        import numpy as np

        changes = self._changes
        found: list[Numbers] = []
        for position in range(int(self._counts.max(initial=0)) if len(merged) else 0):
            at = self._parents.at(position)[changes.commit[merged]]
            there = self._standing.at(at, changes.path[merged])
            found.append(there)
            if position:
                is_open = np.flatnonzero((there >= 0) & (self._stands_for[merged] == merged))
                for start in range(0, len(is_open), _AT_ONCE):
                    part = is_open[start : start + _AT_ONCE]
                    self._compare(merged[part], there[part])
        return found

    def _compare(self, ours: Numbers, theirs: Numbers) -> None:
        """Note down which of a merge's changes stand for those that they are compared with."""
        changes = self._changes
        same = changes.mode[ours] == changes.mode[theirs]
        ours, theirs = ours[same], theirs[same]
        same = (changes.blob[ours] == changes.blob[theirs]).all(axis=1)
        self._stands_for[ours[same]] = theirs[same]

    def _previous(self, plain: Numbers, before: Numbers, merged: Numbers, there: list[Numbers]) -> Numbers:
        """Return where each change leads to that goes on with its file; to itself where it begins one."""
        import numpy as np

        changes = self._changes
        previous = np.arange(len(changes.commit), dtype="i4")
        goes_on = (before >= 0) & (changes.status[plain] != _COPIED)
        previous[plain[goes_on]] = self._stands_for[before[goes_on]]
        made, (first, *others) = self._of_made(merged, there) if len(merged) else (merged, [merged])
        has_first = first >= 0
        previous[made[has_first]] = self._stands_for[first[has_first]]
        for other in others[:1]:
            found = np.flatnonzero(~has_first & (other >= 0) & (self._counts[changes.commit[made]] == 2))
            previous[made[found]] = self._stands_for[other[found]]
        self._follow_octopuses(made, [first, *others], previous)
        return previous

    def _follow_octopuses(self, made: Numbers, there: list[Numbers], previous: Numbers) -> None:
        """Note down where changes of merges of many parents lead to whose first parents lack their paths."""
        import numpy as np

        changes = self._changes
        if len(there) < 3:
            return
        are_there = np.stack(there, axis=1)
        is_one = (
            (are_there[:, 0] < 0) & (are_there > -1).any(axis=1) & (self._counts[changes.commit[made]] > 2)
        )
        asked = np.flatnonzero(is_one)
        if len(asked):
            octopuses = Octopuses(changes, self._parents, self._standing, self._stands_for, previous)
            for item in asked.tolist():
                change = int(made[item])
                count = int(self._counts[changes.commit[change]])
                previous[change] = octopuses.follow(change, are_there[item, :count].tolist())

    def _of_made(self, merged: Numbers, there: list[Numbers]) -> tuple[Numbers, list[Numbers]]:
        """Return those changes of merges that made a revision, and what stands there at their parents."""
        is_made = self._stands_for[merged] == merged
        return merged[is_made], [found[is_made] for found in there]

    def _revisions_at(self, places: Numbers) -> Numbers:
        """Return the revisions that places stand for; -1 at -1."""
        found = self._revision[self._stands_for[places]]
        found[places < 0] = -1
        return found

    def _moves(self, made: Numbers) -> list[tuple[int, int, int]]:
        """Return the files that were renamed, from where and to where, in the order of the commits."""
        import numpy as np

        changes = self._changes
        moved = np.flatnonzero(changes.status[made] == _RENAMED)
        columns = (self._file[moved], changes.source[made[moved]], changes.path[made[moved]])
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def _file_at(self, paths: Numbers, files: Numbers, commits: Numbers) -> Numbers:
        """Return the revisions at which files stand in commits, at their path or at any other; else -1."""
        import numpy as np

        found = np.empty(len(paths), "i4")
        for start in range(0, len(paths), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            found[part] = self._some_at(paths[part], files[part], commits[part])
        return found

    def _some_at(self, paths: Numbers, files: Numbers, commits: Numbers) -> Numbers:
        import numpy as np

        found = self._revisions_at(self._standing.at(commits, paths))
        found[(found >= 0) & (self._file[found] != files)] = -1
        items, others = self._other_paths.of(files, np.flatnonzero(found < 0))
        if len(items):
            there = self._revisions_at(self._standing.at(commits[items], others))
            fits = (there >= 0) & (self._file[there] == files[items])
            first, places = np.unique(items[fits], return_index=True)
            found[first] = there[fits][places]
        return found

    # ---- What is told --------------------------------------------------------------------------------

    def _merges(self, merged: Numbers, there: list[Numbers]) -> tuple[Numbers, Flags]:
        """Return the changes of merges that made something, and of each whether a parent has the path."""
        import numpy as np

        made, found = self._of_made(merged, there)
        known = np.zeros(len(made), "?")
        for places in found:
            known |= places >= 0
        return made, known

    def _derivations(self, merged: Numbers, there: list[Numbers]) -> list[Numbers]:
        import numpy as np

        made, found = self._of_made(merged, there)
        commit, path = self._changes.commit[made], self._changes.path[made]
        revisions = [self._revisions_at(places) for places in found]
        rows = []
        for position, own in enumerate(revisions):
            at = self._parents.at(position)[commit]
            told = own.copy()
            for other in revisions:
                lacks = np.flatnonzero((told < 0) & (at >= 0) & (other >= 0))
                if len(lacks):
                    told[lacks] = self._file_at(path[lacks], self._file[other[lacks]], at[lacks])
            is_told = told >= 0
            rows.append(_rows(self._revision[made[is_told]], position, told[is_told]))
        return rows

    def _deletions(self) -> list[Numbers]:
        import numpy as np

        changes = self._changes
        places = np.flatnonzero(self._is_deletion & ~self._is_merge)
        commit, path = changes.commit[places], changes.path[places]
        last = self._revisions_at(self._standing.at(self._parents.at(0)[commit], path))
        there = last >= 0
        commit, path, last = commit[there], path[there], last[there]
        goes_on = self._file_at(path, self._file[last], commit) >= 0
        return [_rows(commit, last, (~goes_on).astype("i4"))]

    def _deletions_of_merges(
        self, merged: Numbers, there: Numbers | None, gone: Numbers, last: Numbers
    ) -> Numbers:
        """Return the deletions of merges, given what stands at their paths at their first parents."""
        import numpy as np

        changes = self._changes
        if there is not None:
            displaced, first = self._displaced(merged, there)
            gone, last = np.concatenate([gone, displaced]), np.concatenate([last, first])
        commit, path, file = changes.commit[gone], changes.path[gone], self._file[last]
        is_held = self._file_at(path, file, commit) < 0
        for position in range(1, int(self._counts[commit].max(initial=0))):
            at = self._parents.at(position)[commit]
            asked = np.flatnonzero(is_held & (at >= 0))
            is_held[asked] = self._file_at(path[asked], file[asked], at[asked]) >= 0
        return _rows(commit[is_held], last[is_held], 1)

    def _displaced(self, merged: Numbers, there: Numbers) -> tuple[Numbers, Numbers]:
        """Return the changes of merges that gave a path to another file, and the revisions that stood there before."""
        import numpy as np

        found: list[tuple[Numbers, Numbers]] = [(merged[:0], merged[:0])]
        for start in range(0, len(merged), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            first, now = self._revisions_at(there[part]), self._revisions_at(merged[part])
            others = np.flatnonzero((first >= 0) & (self._file[first] != self._file[now]))
            found.append((merged[part][others], first[others]))
        places, revisions = zip(*found, strict=True)
        return np.concatenate(places), np.concatenate(revisions)

    def _gone(self) -> tuple[Numbers, Numbers]:
        """Return the deletions of merges, and the revisions that stood there at their first parents."""
        import numpy as np

        changes = self._changes
        places = np.flatnonzero(self._is_deletion & self._is_merge)
        first = self._parents.at(0)[changes.commit[places]]
        last = self._revisions_at(self._standing.at(first, changes.path[places]))
        return places[last >= 0], last[last >= 0]

    def _merged(self, merged: Numbers, gone: Numbers) -> Numbers:
        import numpy as np

        changes = self._changes
        taken = merged[self._stands_for[merged] != merged]
        rows = np.empty((len(gone) + len(taken), 3), "i4")
        rows[: len(gone)] = _rows(changes.commit[gone], changes.path[gone], -1)
        for column, values in enumerate((changes.commit, changes.path)):
            rows[len(gone) :, column] = values[taken]
        rows[len(gone) :, 2] = self._revisions_at(taken)
        return rows


class _OtherPaths:
    """All the paths that renamed files ever had, in the order in which they got them."""

    def __init__(self, moves: list[tuple[int, int, int]], count: int) -> None:
        import numpy as np

        known: dict[int, list[int]] = {}
        for file, origin, path in moves:
            paths = known.setdefault(file, [origin])
            if path not in paths:
                paths.append(path)
        self._start, self._count = np.zeros(count, "i8"), np.zeros(count, "i8")
        files = np.array(list(known), "i8")
        counts = np.array([len(paths) for paths in known.values()], "i8")
        self._start[files] = np.cumsum(counts) - counts
        self._count[files] = counts
        self._paths = np.array([path for paths in known.values() for path in paths], "i4")

    def of(self, files: Numbers, items: Numbers) -> tuple[Numbers, Numbers]:
        """Return for some items the paths of their files, each with its item, whose numbers do not go down."""
        import numpy as np

        wanted = files[items]
        counts = self._count[wanted]
        ends_at = np.cumsum(counts)
        inside = np.arange(int(ends_at[-1]) if len(ends_at) else 0) - np.repeat(ends_at - counts, counts)
        return np.repeat(items, counts), self._paths[np.repeat(self._start[wanted], counts) + inside]


def _rows(first: Numbers, *others: Numbers | int) -> Numbers:
    import numpy as np

    rows: Numbers = np.empty((len(first), 1 + len(others)), "i4")
    for number, column in enumerate((first, *others)):
        rows[:, number] = column
    return rows


def _where(flags: Flags) -> Numbers:
    import numpy as np

    return np.flatnonzero(flags).astype("i4")
