"""Following imports: which files of a commit's tree an entry point executes besides itself."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

from mlflow2prov.sources.git_entry_points import Found
from mlflow2prov.sources.git_history import History
from mlflow2prov.sources.git_modules import Modules
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_tree import Tree
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
    LINK = "link"


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
        self._links: dict[bytes, bytes] = {}
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
        if kind is Kind.LINK:
            self._links[blob] = content
            return
        found = self._known[blob, kind] = imports_of(content, is_notebook=kind is Kind.NOTEBOOK)
        self.unparsed += not found.is_parsed

    def imports(self, blob: bytes, kind: Kind) -> Imports:
        """Return what a content imports that was needed before."""
        return self._known.get((blob, kind), _NONE)

    def link(self, blob: bytes) -> bytes:
        """Return the path that a symbolic link says, which was needed before; empty where it is missing."""
        return self._links.get(blob, b"")


class Walk:
    """The files that one entry point of one tree executes, found breadth first."""

    def __init__(self, commit: str, tree: Tree, entry_point: Found, history: History) -> None:
        assert entry_point.path is not None
        self.commit = commit
        self.entry = entry_point.path
        self._tree = tree
        self._history = history
        self._top = entry_point.top
        path = tree.index.exact[self.entry]
        self._modules = Modules(tree, path, self._top)
        self.found: dict[int, None] = {self.entry: None}
        self._starred: set[int] = set()
        self._front = [self.entry]
        if self._top is not None:
            above = path[len(self._top) :].count(b"/")
            self._note((number, False) for number in list(self._modules.packages_of(path))[:above])

    def rank(self) -> tuple[bool, bytes]:
        """Return which of two walks from one file counts: that of a script before that of a module."""
        return self._top is not None, self._top or b""

    def revision(self, number: int) -> int:
        """Return the revision that stands at a path."""
        return self._tree.state[number]

    def forget(self) -> None:
        """Let go of what was held on the way."""
        self._modules = Modules(self._tree, b"")
        self.found = {}

    def needed(self) -> Iterator[tuple[bytes, Kind]]:
        """Yield the contents to look at next, and what each is."""
        for number in self._front:
            kind = self._kind(number)
            if kind is not None:
                yield self._history.blob_of(self._tree.state[number]), kind

    def _kind(self, number: int) -> Kind | None:
        """Return what the file at a path is, None where nothing is to be found in it."""
        path = self._tree.index.exact[number]
        if self._history.is_link(self._tree.state[number]):
            return Kind.LINK
        if path.endswith(_NOTEBOOK):
            return Kind.NOTEBOOK
        return Kind.PYTHON if path.endswith(_PYTHON) else None

    def advance(self, contents: Contents) -> bool:
        """Take a step along the imports; return whether there may be more."""
        front, self._front = self._front, []
        for number in front:
            path, kind = self._tree.index.exact[number], self._kind(number)
            blob = self._history.blob_of(self._tree.state[number])
            if kind is Kind.LINK:
                self._follow_link(path, contents.link(blob), is_entry=number == self.entry)
                continue
            said = _NONE if kind is None else contents.imports(blob, kind)
            for one in said.imports:
                self._note(self._modules.imported(one, path))
            for run in said.runs:
                self._note(self._run(run, path))
            if number in self._starred:
                self._note((child, False) for child in self._modules.exported(path, said.exported))
        return bool(self._front)

    def _follow_link(self, path: bytes, link: bytes, *, is_entry: bool) -> None:
        """Go on with the file that a symbolic link leads to; a script's modules are those beside that file."""
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link)) if link else b""
        number = self._tree.file(target)
        if number is None:
            return
        if is_entry and self._top is None:
            self._modules = Modules(self._tree, target)
        self._note([(number, False)])

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
        _LOG.warning(
            "%d files that runs import are no Python that can be parsed: their imports were read line by line.",
            contents.unparsed,
        )
    if contents.unread:
        _LOG.warning(
            "%d files that runs import are missing or larger than %d MiB: what they import is left out.",
            contents.unread,
            MOST_BYTES >> 20,
        )
