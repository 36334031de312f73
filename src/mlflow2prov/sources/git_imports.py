"""Following imports: which files of a commit's tree an entry point executes besides itself."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

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
        self._known: dict[bytes, Imports] = {}
        self.unparsed = 0
        self.unread = 0

    def need(self, wanted: dict[bytes, bool]) -> None:
        """Read those of some contents that are not known yet; the values say which are notebooks."""
        new = {blob: is_notebook for blob, is_notebook in wanted.items() if blob not in self._known}
        if not new:
            return
        self._known.update(dict.fromkeys(new, _NONE))
        self.unread += len(new)
        for blob, content in self._git.contents(new, MOST_BYTES):
            self.unread -= 1
            found = imports_of(content, is_notebook=new[blob])
            self.unparsed += not found.is_parsed
            self._known[blob] = found

    def imports(self, blob: bytes) -> Imports:
        """Return what a content imports that was needed before."""
        return self._known.get(blob, _NONE)


class Walk:
    """The files that one entry point of one tree executes, found breadth first."""

    def __init__(self, commit: str, tree: Tree, entry: int, history: History) -> None:
        self.commit = commit
        self.entry = entry
        self._tree = tree
        self._history = history
        self._modules = Modules(tree, tree.index.exact[entry])
        self.found: dict[int, None] = {entry: None}
        self._starred: set[int] = set()
        self._front = [entry]

    def revision(self, number: int) -> int:
        """Return the revision that stands at a path."""
        return self._tree.state[number]

    def forget(self) -> None:
        """Let go of what was held on the way."""
        self._modules = Modules(self._tree, b"")
        self.found = {}

    def needed(self) -> Iterator[tuple[bytes, bool]]:
        """Yield the contents to look at next, and whether each is a notebook."""
        for number in self._front:
            path = self._tree.index.exact[number]
            if path.endswith((*_PYTHON, _NOTEBOOK)):
                yield self._history.blob_of(self._tree.state[number]), path.endswith(_NOTEBOOK)

    def advance(self, contents: Contents) -> bool:
        """Take a step along the imports; return whether there may be more."""
        front, self._front = self._front, []
        for number in front:
            path = self._tree.index.exact[number]
            if not path.endswith((*_PYTHON, _NOTEBOOK)):
                continue
            said = contents.imports(self._history.blob_of(self._tree.state[number]))
            for one in said.imports:
                self._note(self._modules.imported(one, path))
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
            contents.need({blob: kind for walk in waiting for blob, kind in walk.needed()})
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
