"""Following imports: which files of a commit's tree an entry point executes besides itself."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

from mlflow2prov.sources.git_entry_points import Found
from mlflow2prov.sources.git_history import History
from mlflow2prov.sources.git_modules import Modules
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_tree import Tree
from mlflow2prov.sources.git_warnings import warn
from mlflow2prov.sources.python_imports import Imports, imports_of

_LOG = logging.getLogger(__name__)

MOST_BYTES = 16 << 20
"""Larger contents are not parsed."""

_AT_ONCE = 500
"""How many entry points are followed side by side."""

_PYTHON, _NOTEBOOK = (b".py", b".pyw"), b".ipynb"


class Kind(Enum):
    """What the content of a file is read as."""

    PYTHON = "python"
    NOTEBOOK = "notebook"


_NONE = Imports()


class Contents:
    """What the contents of a repository import: each is read and parsed once, whatever commits have it.

    Held is what each content imports, some 500 bytes.

    Attributes:
        unparsed: how many contents are no Python of today, and were read line by line.
        unread: how many are missing, or so large that they were not read.
    """

    def __init__(self, git: Git) -> None:
        self._git = git
        self._known: dict[tuple[bytes, Kind], Imports] = {}
        self.unparsed = 0
        self.unread = 0

    def need(self, wanted: Iterable[tuple[bytes, Kind]]) -> None:
        """Read those of some contents that are not known yet, each as what it is."""
        new: dict[bytes, dict[Kind, None]] = {}
        for blob, kind in wanted:
            if (blob, kind) not in self._known:
                self._known[blob, kind] = _NONE
                new.setdefault(blob, {})[kind] = None
        if not new:
            return
        self.unread += len(new)
        for blob, content in self._git.contents(new, MOST_BYTES):
            self.unread -= 1
            for kind in new[blob]:
                self._take_in(blob, kind, content)

    def _take_in(self, blob: bytes, kind: Kind, content: bytes) -> None:
        found = self._known[blob, kind] = imports_of(content, is_notebook=kind is Kind.NOTEBOOK)
        self.unparsed += not found.is_parsed

    def imports(self, blob: bytes, kind: Kind) -> Imports:
        """Return what a content imports that was needed before."""
        return self._known.get((blob, kind), _NONE)


class Walk:
    """The files that one entry point of one tree executes, found breadth first.

    A file is known by the path that it is imported by, which may go through symbolic links; so its own
    relative imports mean what they mean to Python.

    Attributes:
        commit: the commit whose tree it is.
        entry: the number of the path of the entry point.
        found: the numbers of the paths by which files were found, and of those that links lead to.
    """

    def __init__(
        self,
        commit: str,
        tree: Tree,
        entry_point: Found,
        history: History,
        installed: Sequence[tuple[tuple[bytes, ...], bytes]] = (),
    ) -> None:
        assert entry_point.path is not None
        self._installed = installed
        self.commit = commit
        self.entry = entry_point.path
        self._tree = tree
        self._history = history
        self._top = entry_point.top
        self._start = self.entry if self._top is None or entry_point.place is None else entry_point.place
        path = tree.path(self._start)
        self._modules = Modules(tree, path, self._top, installed)
        self.found: dict[int, None] = {self._start: None}
        self._starred: set[int] = set()
        self._front = [self._start]
        if self._top is not None:
            self._note((number, False) for number in self._modules.packages_between(self._top, path))

    def rank(self) -> tuple[bool, bytes]:
        """Return which of two walks from one file counts: that of a script before that of a module."""
        return self._top is not None, self._top or b""

    def revision(self, number: int) -> int:
        """Return the revision of a file."""
        return self._tree.revision(number)

    def files(self) -> set[int]:
        """Return the numbers of the paths at which the files that were found stand."""
        return set(map(self._tree.real, self.found))

    def forget(self) -> None:
        """Let go of what was held on the way."""
        self._modules = Modules(self._tree, b"")
        self.found = {}

    def needed(self) -> Iterator[tuple[bytes, Kind]]:
        """Yield the contents to look at next, and what each is."""
        for number in self._front:
            blob, kind = self._content(number)
            if kind is not None:
                yield blob, kind

    def _content(self, number: int) -> tuple[bytes, Kind | None]:
        """Return the content of a file, where links lead to, and what it is; None where nothing is found in it."""
        *_, last = self._ways(number)
        blob = self._history.blob_of(self._tree.revision(last))
        path = self._tree.path(last)
        if self._history.is_link(self._tree.revision(last)):
            return blob, None
        if path.endswith(_NOTEBOOK):
            return blob, Kind.NOTEBOOK
        is_python = path.endswith(_PYTHON) or self._tree.path(number).endswith(_PYTHON)
        return blob, Kind.PYTHON if is_python else None

    def _ways(self, number: int) -> Iterator[int]:
        """Yield a file, and the files that it leads to, one by the other, where it is a symbolic link."""
        seen: set[int] = set()
        place: int | None = number
        while place is not None and self._tree.real(place) not in seen:
            yield place
            seen.add(self._tree.real(place))
            target = self._tree.link(place)
            place = None if target is None else self._tree.file(target)

    def advance(self, contents: Contents) -> bool:
        """Take a step along the imports; return whether there may be more."""
        front, self._front = self._front, []
        for number in front:
            path, (blob, kind) = self._tree.path(number), self._content(number)
            *links, last = self._ways(number)
            if links:
                self.found[last] = None
                self.found |= dict.fromkeys(links)
                if number == self._start and self._top is None:
                    path = self._tree.path(last)
                    self._modules = Modules(self._tree, path, None, self._installed)
            said = _NONE if kind is None else contents.imports(blob, kind)
            for one in said.imports:
                near = [] if said.is_parsed or one.level else self._modules.beside(one, path)
                self._note(near or self._modules.imported(one, path))
            for run in said.runs:
                self._note(self._run(run, path))
            if number in self._starred:
                self._note((child, False) for child in self._modules.exported(path, said.exported))
        return bool(self._front)

    def _note(self, found: Iterable[tuple[int, bool]]) -> None:
        for number, is_starred in found:
            is_new = number not in self.found or (is_starred and number not in self._starred)
            if is_starred:
                self._starred.add(number)
            if is_new:
                self.found[number] = None
                self._front.append(number)

    def _run(self, named: str, path: bytes) -> Iterator[tuple[int, bool]]:
        """Yield the file that a notebook's ``%run`` names, relative to its own folder."""
        parts = path.split(b"/")[:-1]
        for part in named.encode("utf-8", "replace").replace(b"\\", b"/").split(b"/"):
            if part == b"..":
                parts = parts[:-1]
            elif part not in {b"", b"."}:
                parts.append(part)
        for suffix in (b"", b".py", b".ipynb"):
            number = self._tree.file(b"/".join(parts) + suffix)
            if number is not None:
                yield number, False
                return


def follow(walks: Sequence[Walk], git: Git) -> Iterator[Walk]:
    """Yield the walks when they have come to their end.

    Contents are read by one ``git cat-file`` for each step that leads further away from the entry points,
    for several hundred of these at once.
    """
    contents = Contents(git)
    for start in range(0, len(walks), _AT_ONCE):
        some = list(walks[start : start + _AT_ONCE])
        waiting = some
        while waiting:
            contents.need(pair for walk in waiting for pair in walk.needed())
            waiting = [walk for walk in waiting if walk.advance(contents)]
        for walk in some:
            yield walk
            walk.forget()
    if contents.unparsed:
        warn(
            _LOG,
            "%d files that runs import are no Python that can be parsed: their imports were read line by line.",
            contents.unparsed,
        )
    if contents.unread:
        warn(
            _LOG,
            "%d files that runs import are missing or larger than %d MiB: what they import is left out.",
            contents.unread,
            MOST_BYTES >> 20,
        )
