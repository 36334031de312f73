"""What stands in the trees of some commits, told once for all the trees that have it in common.

A tree's members are the files and folders right below the root; a folder's are those right below it. A
folder is named by its path and by a digest of its members, so that two trees that have the same
revisions below a path have one folder there. Where more than ``WIDE`` things lie in one folder, runs of
them, in the order of their names, are folders in between: they begin anew after a name that its own checksum
chooses, so that a new or other file changes one run and leaves the others as they are.

>>> [[name for name, _ in run] for run in runs([(b"a", 1), (b"b", 2), (b"c", 3)], 0)]
[[b'a', b'b', b'c']]
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256
from typing import TypeAlias
from zlib import crc32

from immutables import Map

from mlflow2prov.sources.git_history import History, State
from mlflow2prov.sources.git_member_rows import MemberRows
from mlflow2prov.sources.git_states import Step
from mlflow2prov.sources.tables import Batches

WIDE = 128
_RUN = 64
_DIGITS = 40

Known: TypeAlias = "Map[int, int]"
"""For each folder of a tree, by the number of its path, the number of it with what is in it."""

_NOTHING: tuple[Known, frozenset[int]] = Map(), frozenset()

Entry = tuple[bytes, int]
"""The exact path of what lies in a folder, and the number of its revision; of a folder -1 less its own number."""


def runs(entries: Sequence[Entry], level: int) -> list[list[Entry]]:
    """Return entries in runs of about 64, of which each ends with a name that its checksum chooses."""
    found: list[list[Entry]] = [[]]
    for entry in entries:
        found[-1].append(entry)
        if crc32(entry[0]) // _RUN**level % _RUN == 0:
            found.append([])
    return [run for run in found if run]


class TreeMembers:
    """The rows of ``git_folder`` and ``git_member``, made as the pass comes to the commits that are asked for.

    A commit costs about a microsecond for each file of its tree, or of the folders that are other ones than in an
    earlier tree. Held are 8 bytes for each path, some hundred for each folder, and the rows since the last :meth:`take`.
    """

    def __init__(self, history: History, commits: Collection[str]) -> None:
        self._history = history
        self._commits = frozenset(commits)
        self._folder_of = array("i")
        """For each path the number of its folder; a folder's number is greater than that of the one it is in."""
        self._folders: list[bytes] = [b""]
        self._paths_in, self._folders_in = [array("i")], [array("i")]
        self._number: dict[bytes, int] = {b"": 0}
        self._known: dict[tuple[int, bytes], int] = {}
        self._of: list[int] = []
        self._rows = MemberRows(history)
        self._held: dict[int, tuple[Known, frozenset[int]]] = {}
        """For steps that others come after, the folders of the last tree that was told, and which may differ from it."""

    @property
    def pending(self) -> int:
        """How many rows wait to be taken."""
        return self._rows.pending

    def add(self, commit: str, state: State) -> None:
        """Note down what stands in a commit's tree, if that is asked for."""
        if commit in self._commits:
            self._tell(commit, state, Map(), self._folders_of(state))

    def add_step(self, commit: str, step: Step) -> None:
        """Note down what stands in a commit's tree, if that is asked for, given each of some commits in their order.

        This costs as much for each path of the folders of which something is another one than at the step before.
        """
        known, open_ones = self._held.get(step.before, _NOTHING)
        open_ones |= self._folders_of(step.paths.tolist())
        if step.is_last:
            del self._held[step.before]
        if commit in self._commits:
            known, open_ones = self._tell(commit, step.state, known, open_ones), frozenset()
        if step.goes_on:
            self._held[step.number] = known, open_ones

    def _tell(self, commit: str, state: State, known: Known, changed: frozenset[int]) -> Known:
        """Note down what stands in a tree, given the folders of another one, and where it differs; return its folders."""
        made = known.mutate()
        for folder in sorted(changed | self._around(changed), reverse=True):
            files = [state[path] for path in self._paths_in[folder] if path in state]
            folders = [made[inner] for inner in self._folders_in[folder] if inner in made]
            if not folder:
                entries = self._narrow(0, self._entries(files, folders))
                self._rows.add_tree(commit, [thing for _, thing in entries])
            elif files or folders:
                made[folder] = self._made(folder, files, folders)
            else:
                made.pop(folder, None)
        return made.finish()

    def take(self) -> Batches:
        """Yield what waits, and forget it."""
        yield from self._rows.take()

    def _folders_of(self, paths: Iterable[int]) -> frozenset[int]:
        """Return the folders right above some paths."""
        exact = self._history.paths.exact
        for number in range(len(self._folder_of), len(exact)):
            folder = self._folder(_above(exact[number]))
            self._folder_of.append(folder)
            self._paths_in[folder].append(number)
        return frozenset(map(self._folder_of.__getitem__, paths))

    def _folder(self, path: bytes) -> int:
        new: list[bytes] = []
        while path not in self._number:
            new.append(path)
            path = _above(path)
        number = self._number[path]
        for inner in reversed(new):
            above, number = number, len(self._folders)
            self._number[inner] = number
            self._folders.append(inner)
            self._paths_in.append(array("i"))
            self._folders_in.append(array("i"))
            self._folders_in[above].append(number)
        return number

    def _around(self, folders: Collection[int]) -> set[int]:
        """Return the folders that some folders are in, up to the root."""
        found: set[int] = set()
        for folder in folders:
            while folder and (folder := self._number[_above(self._folders[folder])]) not in found:
                found.add(folder)
        return found | {0}

    def _made(self, folder: int, files: list[int], folders: list[int]) -> int:
        """Return the number of a folder with what is in it, a new one if need be."""
        key = folder, array("i", sorted(files)).tobytes() + b"/" + array("i", sorted(folders)).tobytes()
        number = self._known.get(key)
        if number is None:
            entries = self._narrow(folder, self._entries(files, folders))
            number = self._known[key] = self._new(folder, entries)
        return number

    def _entries(self, files: list[int], folders: list[int]) -> list[Entry]:
        """Return what lies in a folder, by the exact paths."""
        paths, path_of = self._history.paths.exact, self._history.path_of
        entries = [(paths[path_of[revision]], revision) for revision in files]
        return sorted(entries + [(self._folders[self._of[folder]], -1 - folder) for folder in folders])

    def _narrow(self, folder: int, entries: list[Entry]) -> list[Entry]:
        """Return as few entries as a folder may have, with folders of runs of them in between where need be."""
        level = 0
        while len(entries) > WIDE:
            parts = runs(entries, level)
            if len(parts) == len(entries):
                break
            entries = [(run[-1][0], -1 - self._run(folder, run)) for run in parts]
            level += 1
        return entries

    def _run(self, folder: int, entries: list[Entry]) -> int:
        key = folder, b"-" + array("i", [thing for _, thing in entries]).tobytes()
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = self._new(folder, entries)
        return number

    def _new(self, folder: int, entries: list[Entry]) -> int:
        """Note down a folder with its members, and return its number."""
        history, digests = self._history, self._rows.digests
        said = sha256()
        for path, thing in entries:
            if thing < 0:
                said.update(b"%s\0/\0" % digests[-1 - thing].encode())
            else:
                commit = history.commits[history.commit_of[thing]]
                said.update(b"%s\0%s\0" % (commit.encode(), path))
        self._of.append(folder)
        digest = said.hexdigest()[:_DIGITS]
        return self._rows.add_folder(self._folders[folder], digest, [thing for _, thing in entries])


def _above(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]
