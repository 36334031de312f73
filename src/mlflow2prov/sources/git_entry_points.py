r"""Finding the file that a run names as its source, in the tree of the run's commit.

A run says what it executed (``mlflow.source.name``) as somebody's path: relative to the folder it was
started in, absolute on a machine of its own, a project's URI with ``#folder``, a module, an installed
script, a notebook of a server. The file is searched in the tree of that one commit, and nowhere else. What
a source can be is read in this order, and the first reading that finds any file counts:

1. What a URL shows of the repository at a hosting service (:mod:`mlflow2prov.sources.git_hosting`), and nothing else.
   What a command line runs (:mod:`mlflow2prov.sources.git_command_lines`) is searched as if its path or module
   were the source.
2. The exact path: a relative one as relative to the root of the repository, an absolute one where it
   lies in one of the repository's work trees. A folder means the ``MLproject`` file in it, else its
   ``__main__.py``; a project's URI that of its folder, or of the root.
3. Else, unless the path lies in a work tree (where it is known what it would be): every file whose path
   is the end of the source's, and for a relative source every file whose path ends with it. A path with a
   drive finds files of another case, too, where it finds none of its own.
   An absolute path of a folder means the ``MLproject`` in the folder of which the path is the end; where a run
   names an entry point and no folder is that, the one in the root.
4. A module: ``-m package.module``, ``package.module``, or a path below ``site-packages``.
5. A console script that a file of the tree declares, such as ``/home/ada/venv/bin/train``, or ``poetry run train``
   in a command line that runs nothing else of the tree.
6. A notebook of Databricks, whose path has no suffix.

Exactly one file is the entry point; several are as good as none. Where it is an ``MLproject`` file, the
script that its command runs takes its place, where that is one file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mlflow2prov.prov.text import composed
from mlflow2prov.sources.git_command_lines import Named, script_named
from mlflow2prov.sources.git_commands import script_of
from mlflow2prov.sources.git_declared import DECLARING, PROJECT, DeclaredAt
from mlflow2prov.sources.git_hosting import Hosting
from mlflow2prov.sources.git_links import may_be_path
from mlflow2prov.sources.git_modules import places_of_module, top_of_module
from mlflow2prov.sources.git_places import asked_of_any
from mlflow2prov.sources.git_programs import programs_alone
from mlflow2prov.sources.git_source_paths import (
    DRIVE,
    REMOTE,
    Target,
    as_file_or_folder,
    target_of,
    with_slashes,
)
from mlflow2prov.sources.git_tree import Tree

_PROJECT = PROJECT.decode()
_JOINED = re.compile(r"(?:/|[A-Za-z]:\\).*?[/\\]file:(?=[/\\])", re.DOTALL)
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")
_INSTALLED = re.compile(r".*/(?:site|dist)-packages/(.+)", re.DOTALL)
_SCRIPT_SUFFIX = re.compile(r"(?:-script\.pyw?|\.exe|\.cmd|\.bat)$", re.IGNORECASE)
_SCRIPT_FOLDERS = frozenset({"bin", "Scripts"})
_NOTEBOOK_SUFFIXES = (".ipynb", ".py", ".r", ".R", ".scala", ".sql")
_DATABRICKS = re.compile(r"(?:/Workspace)?/(?:Users|Repos|Shared|Workspace)/.+")
_AT_COMMIT = re.compile(r"https?://[^?#]*?/([0-9a-f]{40}|[0-9a-f]{64})/[^?#]", re.IGNORECASE)
"""A URL in whose path it says of which commit it shows a file, wherever that is."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REPOS = re.compile(r"(?:/Workspace)?/Repos/[^/]+/[^/]+/(.+)")


class Source(NamedTuple):
    """What a run says of the code that it executed.

    Attributes:
        commit: the full object name of the commit that the code was at.
        source: as the run spells it.
        entry: the name of the entry point of a project, empty where the run names none.
    """

    commit: str
    source: str
    entry: str = ""


class Found(NamedTuple):
    """What was found for a source.

    Attributes:
        candidates: how many files could be meant.
        path: the number of the path of the file, where there is exactly one.
        project: likewise of the ``MLproject`` file that said to run it.
        top: the folder from which the file is imported, where it is run as a module and not as a script.
        place: the number of the path by which it is imported then, which may go through links.
    """

    candidates: int
    path: int | None = None
    project: int | None = None
    top: bytes | None = None
    place: int | None = None


class Reading(Protocol):
    """One way of reading a source."""

    def files(self, tree: Tree, declared: DeclaredAt) -> Iterator[int]:
        """Yield the numbers of the paths that could be meant."""
        ...


@dataclass(frozen=True, slots=True)
class Project:
    """The folder of a project on another machine; of a run of a project, also the repository's root."""

    tail: str
    is_run: bool

    def files(self, tree: Tree, declared: DeclaredAt) -> Iterator[int]:
        """Yield the numbers of the paths that could be meant."""
        parts = self.tail.encode().split(b"/")
        folders = tuple(b"/".join(parts[start:]) + b"/" for start in range(len(parts)))
        below = [number for folder in folders if (number := tree.file(folder + PROJECT)) is not None]
        yield from below
        root = tree.file(PROJECT) if self.is_run and not below else None
        if root is not None and not tree.has_below(folders):
            yield root


@dataclass(frozen=True, slots=True)
class AnyCase:
    """A path of Windows, where case does not count."""

    tail: str

    def files(self, tree: Tree, declared: DeclaredAt) -> Iterator[int]:
        """Yield the numbers of the paths that could be meant."""
        yield from tree.alike(self.tail.encode())


@dataclass(frozen=True, slots=True)
class Module:
    """A module, by its dotted name."""

    name: str

    def files(self, tree: Tree, declared: DeclaredAt) -> Iterator[int]:
        """Yield the numbers of the paths that could be meant."""
        yield from places_of_module(tree, self.name.encode(), is_run=True)


@dataclass(frozen=True, slots=True)
class Console:
    """A script that an installation made of a declaration."""

    name: str

    def files(self, tree: Tree, declared: DeclaredAt) -> Iterator[int]:
        """Yield the numbers of the paths that could be meant."""
        for file_name in DECLARING:
            if file_name == PROJECT:
                continue
            for number in tree.ending_with(file_name):
                folder = tree.path(number)[: -len(file_name)]
                for one in declared(tree.revision(number)):
                    if one.name == self.name:
                        module = one.target.partition(":")[0].strip().encode()
                        yield from places_of_module(tree, module, folder)


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs that a command line runs, of which some may be such scripts."""

    names: tuple[str, ...]

    def files(self, tree: Tree, declared: DeclaredAt) -> Iterator[int]:
        """Yield the numbers of the paths that could be meant."""
        for name in self.names:
            yield from Console(name).files(tree, declared)


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook of Databricks: its path but for the suffix, where it is known; and the path in its workspace."""

    exact: str | None
    tail: str
    is_relative: bool

    def files(self, tree: Tree, declared: DeclaredAt) -> Iterator[int]:
        """Yield the numbers of the paths that could be meant."""
        exact = [tree.file(f"{self.exact}{suffix}".encode()) for suffix in _NOTEBOOK_SUFFIXES if self.exact]
        if any(number is not None for number in exact):
            yield from (number for number in exact if number is not None)
            return
        for suffix in _NOTEBOOK_SUFFIXES:
            yield from tree.ends_of(f"{self.tail}{suffix}".encode())
            if self.is_relative:
                yield from tree.ending_with(f"{self.tail}{suffix}".encode())


@dataclass(frozen=True, slots=True)
class WithBlanks:
    """A path that looks like a command line, and is looked for with its blanks only."""

    target: Target

    def files(self, tree: Tree, declared: DeclaredAt) -> Iterator[int]:
        """Yield the numbers of the paths that could be meant."""
        yield from (it for it in self.target.files(tree, declared) if b" " in tree.path(it))


@dataclass(frozen=True, slots=True)
class Shown:
    """What a URL shows of the repository: one of some paths."""

    paths: tuple[str, ...]

    def files(self, tree: Tree, declared: DeclaredAt) -> Iterator[int]:
        """Yield the numbers of the paths that could be meant."""
        for path in self.paths:
            yield from Target(as_file_or_folder(path), None, False).files(tree, declared)


def readings(source: str, roots: Sequence[str], entry: str = "") -> tuple[Reading, ...]:
    r"""Return what a source can be that is no URL of a file of the repository, likeliest first.

    Args:
        source: as the run spells it.
        roots: the absolute paths of the repository's work trees.
        entry: the name of a project's entry point, which may be the path of a script.

    >>> readings("python -m wine.train --alpha 1", [])[1:]
    (Module(name='wine.train'),)
    >>> readings("/venv/bin/train", [])[2:]
    (Console(name='train'),)
    """
    named = script_named(source)
    names = programs_alone(source) if re.search(r"\s", source.strip()) else ()
    programs = (Programs(names),) if names else ()
    if named is not None:
        return (*_readings_of_command(source, named, roots), *programs)
    source = _unjoined(source)
    target = target_of(source, roots)
    found: list[Reading] = [WithBlanks(target), *programs] if programs else []
    found.append(target)
    if entry and any(path.rpartition("/")[2] == _PROJECT for path in target.exact):
        folders = [
            path.removesuffix(_PROJECT) for path in target.exact if path.rpartition("/")[2] == _PROJECT
        ]
        found.append(Target(tuple(f"{folder}{entry}" for folder in folders), None, False))
    if REMOTE.match(source) or "\n" in source:
        return tuple(found)
    if target.tail and not target.exact and not target.is_relative and "#" not in source:
        found.append(Project(target.tail, bool(entry)))
    return (*found, *_other_readings(with_slashes(source), target))


def _readings_of_command(source: str, named: Sequence[Named], roots: Sequence[str]) -> tuple[Reading, ...]:
    """Return what a command line runs, unless a file is called so."""
    found: list[Reading] = [WithBlanks(target_of(source, roots))]
    for name, is_module, _ in named:
        target = target_of(name, roots)
        found.append(Module(name) if is_module else target)
        if not is_module and target.tail and DRIVE.match(name):
            found.append(AnyCase(target.tail))
    return tuple(found)


def _unjoined(source: str) -> str:
    """Return the ``file:`` URI of a project, which MLflow takes for a path in the folder that it runs in."""
    joined = _JOINED.match(source)
    return f"file://{source[joined.end() :]}" if joined else source


def _other_readings(path: str, target: Target) -> Iterator[Reading]:
    """Yield what a source can be if it is no path of a file."""
    if target.tail and DRIVE.match(path):
        yield AnyCase(target.tail)
    installed = _INSTALLED.fullmatch(path)
    if installed and path.endswith(".py"):
        module = installed[1].removesuffix(".py").removesuffix("/__main__").replace("/", ".")
        if all(part.isidentifier() for part in module.split(".")):
            yield Module(module)
    if _DOTTED.fullmatch(path):
        yield Module(path)
    *folders, name = path.split("/")
    is_script = not folders or folders[-1] in _SCRIPT_FOLDERS
    if name and is_script:
        yield Console(_SCRIPT_SUFFIX.sub("", name))
    if not name or "." in name or (folders and is_script):
        return
    known = _REPOS.fullmatch(path)
    if _DATABRICKS.fullmatch(path):
        yield Notebook(known[1] if known else None, path.strip("/"), False)
    elif target.is_relative and target.tail:
        yield Notebook(target.tail, target.tail, True)


def resolve(asked: Source, tree: Tree, roots: Sequence[str], hosting: Hosting, declared: DeclaredAt) -> Found:
    """Return the file that a source means in the tree of its commit.

    Args:
        asked: the source.
        tree: the files of its commit.
        roots: the absolute paths of the repository's work trees.
        hosting: the repositories that are read, as URLs of their files name them.
        declared: what a revision declares that can be run.
    """
    if not (may_be_path(asked.source) and may_be_path(asked.entry)):
        return Found(0)
    for reading in _readings_of(asked, roots, hosting):
        found = {tree.real(number): number for number in reading.files(tree, declared)}
        if len(found) == 1:
            ((path, place),) = found.items()
            if isinstance(reading, Module | Console | Programs):
                name = reading.name.encode() if isinstance(reading, Module) else b""
                return Found(1, path, top=top_of_module(tree, tree.path(place), name), place=place)
            return _through_project(asked, place, tree, declared)
        if found:
            return Found(len(found))
    return Found(0)


def _readings_of(asked: Source, roots: Sequence[str], hosting: Hosting) -> Iterator[Reading]:
    """Yield what a source can be, likeliest first; what a URL shows of another commit than the run's is nothing."""
    hosted = hosting.file(asked.source, asked.commit)
    if hosted is None and _commit_in(asked.source) not in {None, asked.commit}:
        return
    if hosted is None:
        for source in composed(asked.source):
            yield from readings(source, roots, asked.entry)
    elif hosted.commit == asked.commit:
        yield Shown(tuple(dict.fromkeys(path for one in hosted.paths for path in composed(one))))


def _commit_in(url: str) -> str | None:
    """Return the commit of which a URL says that it shows a file, in whatever repository that is."""
    said = _AT_COMMIT.match(url)
    if said:
        return said[1].lower()
    shown = asked_of_any(url)
    revision = (shown.revision or "").lower() if shown else ""
    return revision if _COMMIT.fullmatch(revision) else None


def _through_project(asked: Source, number: int, tree: Tree, declared: DeclaredAt) -> Found:
    """Return the script that a project's entry point runs, where the file found is an ``MLproject``."""
    folder, _, name = tree.path(number).rpartition(b"/")
    project = tree.real(number)
    if name != PROJECT:
        return Found(1, project)
    commands = {one.name: one.target for one in declared(tree.state[project])}
    entry = asked.entry or "main"
    if entry in commands:
        run = script_of(commands[entry], tree, folder, lambda name: Console(name).files(tree, declared))
        return Found(1, project) if run is None else Found(1, tree.real(run[0]), project, run[1], run[0])
    # MLflow runs a script of that path, where no entry point has the name
    script = tree.file(b"/".join(part for part in (folder, entry.encode()) if part))
    return Found(1, project) if script is None else Found(1, tree.real(script), project)
