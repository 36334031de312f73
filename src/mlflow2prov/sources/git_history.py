"""The one pass over a history that knows, at every commit, which revision each path stands at.

The state of a commit is a persistent map from path to revision, shared with its parents' but for
what the commit changes. It starts as the first parent's. A commit that is no merge changes it as Git
reports: added and copied paths begin a new file; modified and renamed ones go on with the file that
the path (or the old path) belonged to, as it stood at the parent; deleted ones end it, unless a
merge had kept both names of a renamed file and the other one goes on.

For a merge, what differs from the first parent is decided path by path. A path whose content and
mode are another parent's stands at that parent's revision, and nothing is made. Any other is a new
revision, made from the revision that each parent has there; a parent that lacks the path, but has
the same file under another one (renamed on one side), gives that. Where no parent has the path the
file is new, also where Git calls it renamed. A file is deleted by a merge where every parent had it,
under whatever path, and the result has it under none.
"""

from __future__ import annotations

from array import array
from binascii import hexlify, unhexlify
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from immutables import Map

from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.git_changes import Parents
from mlflow2prov.sources.git_log import Change, LoggedCommit

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

State: TypeAlias = "Map[int, int]"
"""For each path of a commit's tree, by number, the number of its revision."""

_GITLINK, _LINK = b"160000", b"120000"


class Paths:
    """Every path seen so far, numbered in the order in which they came: its bytes, and its text.

    Held are about 300 bytes for each path.
    """

    def __init__(self) -> None:
        self.number: dict[bytes, int] = {}
        self.exact: list[bytes] = []
        self.text: list[str] = []
        self.odd: dict[int, bytes] = {}
        """The exact bytes of the paths whose text does not say them."""

    def number_of(self, path: bytes) -> int:
        """Return the number of a path, a new one if need be."""
        number = self.number.get(path)
        if number is None:
            number = self.number[path] = len(self.exact)
            text, odd = text_of(path)
            self.exact.append(path)
            self.text.append(text)
            if odd is not None:
                self.odd[number] = odd
        return number

    def ranks(self) -> npt.NDArray[np.int32]:
        """Return for each path, by number, its place among all in the order of their bytes."""
        import numpy as np

        ranks = np.empty(len(self.exact), "i4")
        ranks[sorted(range(len(self.exact)), key=self.exact.__getitem__)] = np.arange(len(ranks))
        return ranks


class History:
    """All revisions, files and commits so far, as numbers in compact arrays.

    Held are about 35 bytes for each revision, 150 for each commit, 300 for each path, and the states
    of those commits whose children are not all done: a map of the whole tree for each line of history
    that is open at the time, of which the lines share what they have in common. What the commits made
    since the last :meth:`take` comes on top.

    Attributes:
        paths: every path seen so far.
        commits: the object names of the commits in the order of their numbers.
        commit_of: for each revision the commit that made it; likewise ``path_of`` and ``file_of``.
        first_of: for each file its first revision.
        new_revisions: (blob, mode, status, number of the path that it was renamed or copied from or
            -1), for each revision since the last ``take``.
        derivations: (revision, position of the parent, previous revision), since the last ``take``.
        deletions: (commit, last revision, whether its file ends with it), since the last ``take``.
        merged: (merge, path, the revision that stands there or -1) where a merge has something else than
            its first parent without having made it, since the last ``take``.
        held: the states of the commits whose children are not all done.
    """

    def __init__(self, children: dict[bytes, int], paths: Paths | None = None) -> None:
        self.paths = paths or Paths()
        self.commits: list[str] = []
        self.commit_of = array("i")
        self.path_of = array("i")
        self.file_of = array("i")
        self.first_of = array("i")
        self.new_revisions: list[tuple[bytes, bytes, bytes, int]] = []
        self.derivations: list[tuple[int, int, int]] = []
        self.deletions: list[tuple[int, int, bool]] = []
        self.merged: list[tuple[int, int, int]] = []
        self._content = bytearray()
        self._width = 0
        self._mode_of = array("H")
        self._modes: dict[bytes, int] = {}
        self._other_paths: dict[int, list[int]] = {}
        self._children = children
        self.held: dict[bytes, State] = {}

    @property
    def pending(self) -> int:
        """How many rows wait to be taken."""
        return len(self.new_revisions) + len(self.derivations) + len(self.deletions) + len(self.merged)

    def take(self) -> None:
        """Forget the rows that wait, which were made into batches."""
        self.new_revisions, self.derivations, self.deletions, self.merged = [], [], [], []

    def add(self, commit: LoggedCommit) -> State:
        """Take in the next commit, whose parents were all taken in, and return its state."""
        number = len(self.commits)
        self.commits.append(commit.sha.decode())
        parents = [self.held[sha] for sha in commit.parents]
        changes = _one_per_path(commit.changes)
        if len(parents) > 1:
            state = self._merge(number, parents, changes)
        else:
            state = self._plain(number, parents[0] if parents else Map(), changes)
        for sha in commit.parents if len(parents) < 2 else set(commit.parents):
            left = self._children[sha] = self._children[sha] - 1
            if not left:
                del self.held[sha]
        if self._children.get(commit.sha):
            self.held[commit.sha] = state
        return state

    def _plain(self, commit: int, old: State, changes: Sequence[Change]) -> State:
        """Return the state after a commit with at most one parent."""
        if not changes:
            return old
        number, number_of, before = self.paths.number.get, self.paths.number_of, old.get
        lost: list[int] = []
        ended: list[int] = []
        written: list[tuple[int, int]] = []
        for mode, blob, status, source, exact in changes:
            path = number(exact)
            if path is None:
                path = number_of(exact)
            letter = status[:1]
            if letter == b"D":
                ended.append(path)
                continue
            origin = path if source is None else number_of(source)
            previous = None if letter == b"A" else before(origin)
            file = None if previous is None or letter == b"C" else self.file_of[previous]
            revision = self._revision(commit, path, file)
            self.new_revisions.append((blob, mode, status, -1 if source is None else origin))
            if previous is not None:
                self.derivations.append((revision, 0, previous))
            if letter == b"R":
                lost.append(origin)
                self._moved(self.file_of[revision], origin, path)
            written.append((path, revision))
        self._hold(len(written))
        state = _changed(old, lost + ended, written)
        for last in [old[path] for path in ended if path in old]:
            goes_on = self._standing(self.path_of[last], self.file_of[last], state) is not None
            self.deletions.append((commit, last, not goes_on))
        return state

    def _hold(self, count: int) -> None:
        """Keep the modes and contents of the last new revisions, as a few bytes each."""
        if not count:
            return
        new = self.new_revisions[-count:]
        self._width = len(new[0][0]) // 2
        modes = self._modes
        for _, mode, _, _ in new:
            if mode not in modes:
                modes[mode] = len(modes)
        self._mode_of.extend([modes[mode] for _, mode, _, _ in new])
        self._content += unhexlify(b"".join([blob for blob, _, _, _ in new]))

    def hold_all(
        self, blobs: npt.NDArray[np.uint8], modes: Sequence[bytes], places: npt.NDArray[np.uint16]
    ) -> None:
        """Keep the contents of all revisions, and the place of each one's mode among some modes."""
        self._width = blobs.shape[1]
        self._modes = {mode: number for number, mode in enumerate(modes)}
        self._mode_of.frombytes(places.tobytes())
        self._content += blobs.tobytes()

    def _merge(self, commit: int, parents: Sequence[State], changes: Sequence[Change]) -> State:
        """Return the state after a merge, whose changes are those against its first parent."""
        number_of = self.paths.number_of
        lost: list[int] = []
        written: list[tuple[int, int]] = []
        for change in changes:
            _, _, status, source, exact = change
            path, letter = number_of(exact), status[:1]
            if letter == b"D":
                lost.append(path)
                continue
            if letter == b"R":
                assert source is not None
                lost.append(number_of(source))
            written.append((path, self._merged(commit, path, change, parents)))
        state = _changed(parents[0], lost, written)
        self.merged += [(commit, path, -1) for path in lost if path in parents[0] and path not in state]
        self.merged += [(commit, path, made) for path, made in written if self.commit_of[made] != commit]
        for last in self._left_behind(parents[0], lost, written):
            path, file = self.path_of[last], self.file_of[last]
            held = all(self._standing(path, file, parent) is not None for parent in parents[1:])
            if held and self._standing(path, file, state) is None:
                self.deletions.append((commit, last, True))
        return state

    def _left_behind(
        self, first: State, lost: Sequence[int], written: Sequence[tuple[int, int]]
    ) -> list[int]:
        """Return the first parent's revisions at paths that a merge took away, or gave to another file."""
        gone = [first[path] for path in lost if path in first]
        displaced = [(first[path], made) for path, made in written if path in first]
        return gone + [last for last, made in displaced if self.file_of[last] != self.file_of[made]]

    def _merged(self, commit: int, path: int, change: Change, parents: Sequence[State]) -> int:
        """Return the revision at a path of a merge that differs from the first parent's."""
        there = [parent.get(path) for parent in parents]
        mode, blob, *_ = change
        content = unhexlify(blob)
        for revision in there[1:]:
            if revision is not None and self._is(revision, mode, content):
                return revision
        files = list(dict.fromkeys(self.file_of[revision] for revision in there if revision is not None))
        previous: list[tuple[int, int]] = []
        for position, (revision, parent) in enumerate(zip(there, parents, strict=True)):
            if revision is None:
                standing = (self._standing(path, file, parent) for file in files)
                revision = next((found for found in standing if found is not None), None)
            if revision is not None:
                previous.append((position, revision))
        file = self.file_of[previous[0][1]] if previous else None
        made = self._revision(commit, path, file)
        self.new_revisions.append((blob, mode, b"M" if previous else b"A", -1))
        self._hold(1)
        self.derivations += [(made, position, revision) for position, revision in previous]
        return made

    def _revision(self, commit: int, path: int, file: int | None) -> int:
        """Note down a new revision, of a new file where ``file`` is None, and return its number."""
        revision = len(self.commit_of)
        if file is None:
            file = len(self.first_of)
            self.first_of.append(revision)
        self.commit_of.append(commit)
        self.path_of.append(path)
        self.file_of.append(file)
        return revision

    def _is(self, revision: int, mode: bytes, content: bytes) -> bool:
        start = revision * self._width
        return self._content[start : start + self._width] == content and self._mode_of[
            revision
        ] == self._modes.get(mode)

    def blob_of(self, revision: int) -> bytes:
        """Return the object name of a revision's content, in hexadecimal."""
        start = revision * self._width
        return hexlify(self._content[start : start + self._width])

    def is_submodule(self, revision: int) -> bool:
        """Return whether a revision is a pointer to a commit of another repository, and no file."""
        return self._modes.get(_GITLINK) == self._mode_of[revision]

    def is_link(self, revision: int) -> bool:
        """Return whether a revision is a symbolic link, whose content is the path that it leads to."""
        return self._modes.get(_LINK) == self._mode_of[revision]

    def links(self) -> list[int]:
        """Return the numbers of all revisions that are symbolic links."""
        mode = self._modes.get(_LINK)
        return [] if mode is None else [it for it, other in enumerate(self._mode_of) if other == mode]

    def content(self, revision: int) -> str | None:
        """Return the object name of a regular file's content; None of a symbolic link or a submodule."""
        if self._mode_of[revision] not in (self._modes.get(b"100644"), self._modes.get(b"100755")):
            return None
        start = revision * self._width
        return self._content[start : start + self._width].hex()

    def _moved(self, file: int, origin: int, path: int) -> None:
        known = self._other_paths.setdefault(file, [origin])
        if path not in known:
            known.append(path)

    def _standing(self, path: int, file: int, state: State) -> int | None:
        """Return a file's revision in a state: at a path, or at any other that it ever had."""
        for candidate in (path, *self._other_paths.get(file, ())):
            revision = state.get(candidate)
            if revision is not None and self.file_of[revision] == file:
                return revision
        return None


def _changed(old: State, lost: Sequence[int], written: Sequence[tuple[int, int]]) -> State:
    """Return a state without the paths that are lost, and with the revisions that were written."""
    if not lost and not written:
        return old
    new = old.mutate()
    for path in lost:
        new.pop(path, None)
    for path, revision in written:
        new[path] = revision
    return new.finish()


def _one_per_path(changes: list[Change]) -> list[Change]:
    """Return the changes with the last one of each path, for trees that (wrongly) name a path twice."""
    if len(changes) < 2:
        return changes
    by_path = {change[4]: change for change in changes}
    return changes if len(by_path) == len(changes) else list(by_path.values())


def children_of(names: Sequence[bytes], parents: Parents) -> dict[bytes, int]:
    """Return how many commits have each commit as a parent, where any has."""
    import numpy as np

    children = np.repeat(np.arange(len(names), dtype="i8"), parents.counts())
    pairs = np.unique(children * len(names) + parents.all)  # a commit may name a parent twice
    counts = np.bincount(pairs % len(names)).tolist() if len(pairs) else []
    return {name: count for name, count in zip(names, counts, strict=False) if count}
