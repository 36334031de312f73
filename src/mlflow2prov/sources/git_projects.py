"""The projects of a tree, whose packages can be imported where they are installed in editable mode."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from mlflow2prov.sources.git_declared import MOST_BYTES
from mlflow2prov.sources.git_history import History, State
from mlflow2prov.sources.git_layouts import LAYING_OUT, Layout, read_layouts
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_tree import PathIndex, Tree
from mlflow2prov.sources.git_warnings import warn

_LOG = logging.getLogger(__name__)


class Projects:
    """Where the projects of some trees have their packages; each content of a project's file is read once."""

    def __init__(self, git: Git, history: History, index: PathIndex, states: Iterable[State]) -> None:
        self._history = history
        self._numbers = sorted(number for name in LAYING_OUT for number in index.named(name))
        self._names = {number: index.exact[number].rpartition(b"/")[2] for number in self._numbers}
        self._known: dict[tuple[bytes, bytes], tuple[Layout, ...]] = {}
        self._found: dict[tuple[int, ...], list[tuple[tuple[bytes, ...], bytes]]] = {}
        wanted: dict[bytes, set[bytes]] = {}
        for revision, name in {
            (state[it], name) for state in states for it, name in self._names.items() if it in state
        }:
            wanted.setdefault(history.blob_of(revision), set()).add(name)
        too_long = 0
        for blob, content in git.contents(wanted, MOST_BYTES) if wanted else ():
            for name in wanted[blob]:
                said = read_layouts(name, content)
                too_long += said is None
                self._known[blob, name] = said or ()
        if too_long:
            warn(
                _LOG,
                "%d contents of projects' files (%s) are too long to be read: where packages lie by them is left out,"
                " and what runs import from there.",
                too_long,
                ", ".join(sorted(name.decode() for name in LAYING_OUT)),
            )

    def of(self, tree: Tree) -> list[tuple[tuple[bytes, ...], bytes]]:
        """Return the packages of a tree's projects: the parts of each one's name, and its folder."""
        numbers = [number for number in self._numbers if tree.is_file(number)]
        key = tuple(tree.state[number] for number in numbers)
        if key not in self._found:
            found: dict[tuple[tuple[bytes, ...], bytes], None] = {}
            for number in numbers:
                top = tree.index.exact[number].removesuffix(self._names[number])
                blob = self._history.blob_of(tree.state[number])
                said = self._known.get((blob, self._names[number]), ())
                for package, folder in (*said, Layout("", "."), Layout("", "src")):
                    place = top if folder == "." else top + folder.encode() + b"/"
                    found[tuple(package.encode().split(b".")) if package else (), place] = None
            self._found[key] = list(found)
        return self._found[key]
