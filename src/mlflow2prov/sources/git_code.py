"""The code of runs: their entry points, and what these import, in the trees of their commits."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow2prov.sources.git_declared import DECLARING, MOST_DOTS, MOST_LINES, Declared
from mlflow2prov.sources.git_declared import MOST_BYTES as MOST_DECLARING
from mlflow2prov.sources.git_declared_files import Declarations, declarations, declaring_revisions
from mlflow2prov.sources.git_entry_points import Found, Source, resolve
from mlflow2prov.sources.git_history import History, State
from mlflow2prov.sources.git_hosting import Hosting
from mlflow2prov.sources.git_imports import Walk, follow
from mlflow2prov.sources.git_links import MOST_BYTES, link_rows, links_of
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_projects import Projects
from mlflow2prov.sources.git_revision_rows import Kept
from mlflow2prov.sources.git_rows import batches_of_rows
from mlflow2prov.sources.git_tree import PathIndex, Tree
from mlflow2prov.sources.git_warnings import warn
from mlflow2prov.sources.tables import Batches

_LOG = logging.getLogger(__name__)

_DECLARING = ", ".join(sorted(name.decode() for name in DECLARING))

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    source: Source
    roots: Sequence[str]
    state: State


class RunCode:
    """What runs name as their code, to be looked up when the pass over a history has ended.

    Held are the states of the commits that runs name, which share what they have in common: some 10 kB
    for each such commit.

    Args:
        wanted: what runs name, each with the absolute paths of the work trees that it may lie in.
        hosting: the repositories, as URLs of their files name them.
        follow_imports: whether to find what entry points import.
    """

    def __init__(
        self,
        wanted: Iterable[tuple[Source, Sequence[str]]],
        hosting: Hosting,
        *,
        follow_imports: bool = False,
    ) -> None:
        self._hosting = hosting
        self._named: set[int] = set()
        self._is_said = False
        self._wanted: dict[str, list[tuple[Source, Sequence[str]]]] = {}
        for asked, roots in wanted:
            self._wanted.setdefault(asked.commit, []).append((asked, roots))
        self._follow = follow_imports
        self._asked: list[_Asked] = []

    def note(self, commit: str, state: State) -> None:
        """Keep the state of a commit if a run names it."""
        self._asked += [_Asked(source, roots, state) for source, roots in self._wanted.get(commit, ())]

    @property
    def commits(self) -> Collection[str]:
        """The commits that runs name."""
        return self._wanted.keys()

    def is_named(self, commit: str) -> bool:
        """Return whether a run names a commit."""
        return commit in self._wanted

    def named_in(self, git: Git, history: History) -> set[int]:
        """Return the numbers of the revisions that the rows name."""
        for _ in self.batches(git, history):
            continue
        return self._named

    def batches(
        self, git: Git, history: History, kept: Kept | None = None, read: Declarations | None = None
    ) -> Batches:
        """Yield what files declare, what links say, the entry points of runs, and what these import.

        Args:
            git: the repository.
            history: the pass, at its end.
            kept: what of the history is given; None is everything.
            read: what files declare, where that is known.
        """
        contents = dict(declaring_revisions(history))
        if read is None:
            read = declarations(git, dict.fromkeys(contents.values()))
        made = read.found
        declared = {revision: made[content] for revision, content in contents.items() if content in made}
        told = {number: found for number, found in declared.items() if kept is None or kept.revisions[number]}
        yield from batches_of_rows("git_declared", list(_declared_rows(told, history)))
        links = links_of(git, history)
        given = ((it, said) for it, said in links.said.items() if kept is None or kept.revisions[it])
        yield from link_rows(given, history)
        self._say(links.unread, read)
        index = PathIndex(history.paths.exact, history.paths.number)
        points: list[Row] = []
        projects = None
        if self._follow:
            projects = Projects(git, history, index, [asked.state for asked in self._asked])
        walks: dict[tuple[str, int], Walk] = {}
        for asked in self._asked:
            tree = Tree(index, asked.state, history.is_submodule, links)
            found = resolve(
                asked.source, tree, asked.roots, self._hosting, lambda made: declared.get(made, ())
            )
            points.append(point_row(asked.source, found, tree, history))
            self._named.update(
                asked.state[number] for number in (found.path, found.project) if number is not None
            )
            if found.path is not None and projects:
                walk = Walk(asked.source.commit, tree, found, history, projects.of(tree))
                key = asked.source.commit, found.path
                walks[key] = min(walks.get(key, walk), walk, key=Walk.rank)
        yield from batches_of_rows("git_entry_point", points)
        rows: list[Row] = []
        for walk in follow(list(walks.values()), git):
            rows += _import_rows(walk, history)
            self._named.update(map(walk.revision, walk.found))
            if len(rows) >= 50_000:
                yield from batches_of_rows("git_import", rows)
                rows = []
        yield from batches_of_rows("git_import", rows)

    def _say(self, unread: int, read: Declarations) -> None:
        """Warn, once, of symbolic links that can't be read, and of files that are missing or too long."""
        if read.too_long and not self._is_said:
            warn(
                _LOG,
                "%d contents of files that declare what can be run (%s) are too long to be read (%d bytes, %d lines of"
                " a setup.cfg, %d dots in a line of a pyproject.toml at most): what they declare is left out.",
                read.too_long,
                _DECLARING,
                MOST_DECLARING,
                MOST_LINES,
                MOST_DOTS,
            )
        if read.missing and not self._is_said:
            warn(
                _LOG,
                "%d contents of files that declare what can be run (%s) are missing, as in a partial clone: what they"
                " declare is left out, and what runs name by it; give a clone with all contents.",
                read.missing,
                _DECLARING,
            )
        if unread and not self._is_said:
            warn(
                _LOG,
                "%d symbolic links are missing, as in a partial clone, or longer than %d bytes: where they lead to"
                " is left out, and what runs name or import by them; give a clone with all contents.",
                unread,
                MOST_BYTES,
            )
        self._is_said |= bool(unread or read.missing or read.too_long)


def _declared_rows(declared: dict[int, tuple[Declared, ...]], history: History) -> Iterator[Row]:
    for revision in sorted(declared):
        place = _place(history.path_of[revision], revision, history)
        for one in declared[revision]:
            yield (place[2], place[0], place[1], one.name, one.target)


def point_row(asked: Source, found: Found, tree: Tree, history: History) -> Row:
    """Return the row of ``git_entry_point`` for what was found."""
    places: list[object] = []
    for number in (found.path, found.project):
        places += (None, None, None) if number is None else _place(number, tree.state[number], history)
    return (asked.commit, asked.source, asked.entry, found.candidates, *places)


def _place(path: int, revision: int, history: History) -> tuple[str, bytes | None, str]:
    paths = history.paths
    return paths.text[path], paths.odd.get(path), history.commits[history.commit_of[revision]]


def _import_rows(walk: Walk, history: History) -> Iterator[Row]:
    paths = history.paths
    entry = paths.text[walk.entry], paths.odd.get(walk.entry)
    for number in sorted(walk.files()):
        if number != walk.entry:
            yield (walk.commit, *entry, *_place(number, walk.revision(number), history))
