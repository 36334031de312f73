r"""Finding the file that a run names as its source, in the tree of the run's commit.

A run says what it executed (``mlflow.source.name``) as somebody's path: relative to the folder it was
started in, absolute on a machine of its own, a project's URI with ``#folder``, a module, an installed
script, a notebook of a server. The file is searched in the tree of that one commit, and nowhere else. What
a source can be is read in this order, and the first reading that finds any file counts:

1. The exact path: a relative one as relative to the root of the repository, an absolute one where it
   lies in one of the repository's work trees. A folder means the ``MLproject`` file in it, else its
   ``__main__.py``; a project's URI that of its folder, or of the root.
2. Else, unless the path lies in a work tree (where it is known what it would be): every file whose path
   is the end of the source's, and for a relative source every file whose path ends with it. A path with a
   drive finds files of another case, too, where it finds none of its own.
   An absolute path of a folder means the ``MLproject`` in the folder of which the path is the end; where a run
   names an entry point and no folder is that, the one in the root.
3. A module: ``-m package.module``, ``package.module``, or a path below ``site-packages``.
4. A console script that a file of the tree declares, such as ``/home/ada/venv/bin/train``.
5. A notebook of Databricks, whose path has no suffix.

Exactly one file is the entry point; several are as good as none. Where it is an ``MLproject`` file, the
script that its command runs takes its place, where that is one file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from mlflow2prov.prov.text import composed
from mlflow2prov.sources.git_commands import script_of
from mlflow2prov.sources.git_declared import DECLARING, PROJECT, Declared
from mlflow2prov.sources.git_links import may_be_path
from mlflow2prov.sources.git_modules import places_of_module, top_of_module
from mlflow2prov.sources.git_tree import Tree

_PROJECT = PROJECT.decode()
_MAIN = "__main__.py"
_REMOTE = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+://|[\w.-]+@[\w.-]+:")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_SOURCE_URL = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+://[^?#]*\.(?:ipynb|py)(?=[?#]|$)", re.IGNORECASE)
_MODULE_OPTION = re.compile(r"(?:(\S+)\s+(?:-\w\s+)*)??-m\s+([A-Za-z_][\w.]*)(?:\s.*)?", re.DOTALL)
_AFTER_PYTHON = re.compile(r"[\w.]*")
_JOINED = re.compile(r"(?:/|[A-Za-z]:\\).*?[/\\]file:(?=[/\\])", re.DOTALL)
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")
_INSTALLED = re.compile(r".*/(?:site|dist)-packages/(.+)", re.DOTALL)
_SCRIPT_SUFFIX = re.compile(r"(?:-script\.pyw?|\.exe|\.cmd|\.bat)$", re.IGNORECASE)
_SCRIPT_FOLDERS = frozenset({"bin", "Scripts"})
_NOTEBOOK_SUFFIXES = (".ipynb", ".py", ".r", ".R", ".scala", ".sql")
_DATABRICKS = re.compile(r"(?:/Workspace)?/(?:Users|Repos|Shared|Workspace)/.+")
_REPOS = re.compile(r"(?:/Workspace)?/Repos/[^/]+/[^/]+/(.+)")

DeclaredAt = Callable[[int], Sequence[Declared]]
"""What the revision of a number declares."""


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
class Target:
    """Where a source could stand in a tree.

    Attributes:
        exact: the paths that it says, the first that is there counts.
        tail: the path of which the end may be a file's path, else None.
        is_relative: whether a file's path may also end with ``tail``.
    """

    exact: tuple[str, ...]
    tail: str | None
    is_relative: bool

    def files(self, tree: Tree, declared: DeclaredAt) -> Iterator[int]:
        """Yield the numbers of the paths that could be meant."""
        for path in self.exact:
            number = tree.file(path.encode())
            if number is not None and not tree.leads_to_folder(number):
                yield number
                return
        if self.tail:
            tail = self.tail.encode()
            yield from tree.ends_of(tail)
            if self.is_relative:
                yield from tree.ending_with(tail)


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


def readings(source: str, roots: Sequence[str], entry: str = "") -> tuple[Reading, ...]:
    r"""Return what a source can be, likeliest first.

    Args:
        source: as the run spells it.
        roots: the absolute paths of the repository's work trees.
        entry: the name of a project's entry point, which may be the path of a script.

    >>> readings("python -m wine.train --alpha 1", [])
    (Module(name='wine.train'),)
    >>> readings("/venv/bin/train", [])[2:]
    (Console(name='train'),)
    """
    option = _MODULE_OPTION.fullmatch(source.strip())
    if option and _is_python(option[1] or "python"):
        return (Module(option[2]),)
    source = _unjoined(source)
    target = target_of(source, roots)
    found: list[Reading] = [target]
    if entry and any(path.rpartition("/")[2] == _PROJECT for path in target.exact):
        folders = [
            path.removesuffix(_PROJECT) for path in target.exact if path.rpartition("/")[2] == _PROJECT
        ]
        found.append(Target(tuple(f"{folder}{entry}" for folder in folders), None, False))
    if _REMOTE.match(source) or "\n" in source:
        return tuple(found)
    if target.tail and not target.exact and not target.is_relative and "#" not in source:
        found.append(Project(target.tail, bool(entry)))
    return (*found, *_other_readings(_slashes(source), target))


def _is_python(program: str) -> bool:
    """Return whether a program is Python, in whatever folder and version."""
    _, name, more = program.rpartition("python")
    return bool(name) and _AFTER_PYTHON.fullmatch(more) is not None


def _unjoined(source: str) -> str:
    """Return the ``file:`` URI of a project, which MLflow takes for a path in the folder that it runs in."""
    joined = _JOINED.match(source)
    return f"file://{source[joined.end() :]}" if joined else source


def _other_readings(path: str, target: Target) -> Iterator[Reading]:
    """Yield what a source can be if it is no path of a file."""
    if target.tail and _DRIVE.match(path):
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


def resolve(asked: Source, tree: Tree, roots: Sequence[str], declared: DeclaredAt) -> Found:
    """Return the file that a source means in the tree of its commit.

    Args:
        asked: the source.
        tree: the files of its commit.
        roots: the absolute paths of the repository's work trees.
        declared: what a revision declares that can be run.
    """
    spelled = composed(asked.source) if may_be_path(asked.source) and may_be_path(asked.entry) else ()
    for reading in (one for source in spelled for one in readings(source, roots, asked.entry)):
        found = {tree.real(number): number for number in reading.files(tree, declared)}
        if len(found) == 1:
            ((path, place),) = found.items()
            if isinstance(reading, Module | Console):
                name = reading.name.encode() if isinstance(reading, Module) else b""
                return Found(1, path, top=top_of_module(tree, tree.path(place), name), place=place)
            return _through_project(asked, place, tree, declared)
        if found:
            return Found(len(found))
    return Found(0)


def _through_project(asked: Source, number: int, tree: Tree, declared: DeclaredAt) -> Found:
    """Return the script that a project's entry point runs, where the file found is an ``MLproject``."""
    folder, _, name = tree.path(number).rpartition(b"/")
    project = tree.real(number)
    if name != PROJECT:
        return Found(1, project)
    commands = {one.name: one.target for one in declared(tree.state[project])}
    entry = asked.entry or "main"
    if entry in commands:
        run = script_of(commands[entry], tree, folder)
        return Found(1, project) if run is None else Found(1, tree.real(run[0]), project, run[1], run[0])
    # MLflow runs a script of that path, where no entry point has the name
    script = tree.file(b"/".join(part for part in (folder, entry.encode()) if part))
    return Found(1, project) if script is None else Found(1, tree.real(script), project)


def target_of(source: str, roots: Sequence[str]) -> Target:
    r"""Return where a source could stand.

    Args:
        source: as the run spells it.
        roots: the absolute paths of the repository's work trees.

    >>> target_of("./src/a.py", [])
    Target(exact=('src/a.py', 'src/a.py/MLproject', 'src/a.py/__main__.py'), tail='src/a.py', is_relative=True)
    >>> target_of("file:///home/ada/wine/train.py", ["/home/ada/wine"])
    Target(exact=('train.py', 'train.py/MLproject', 'train.py/__main__.py'), tail=None, is_relative=False)
    >>> target_of("C:\\wine\\train.py", [])
    Target(exact=(), tail='C:/wine/train.py', is_relative=False)
    >>> target_of("https://example.org/wine.git#sub", [])
    Target(exact=('sub/MLproject',), tail=None, is_relative=False)
    """
    if _SOURCE_URL.match(source):
        return Target((), unquote(urlsplit(source).path).lstrip("/"), False)
    if "#" in source:
        plain, project = _path_target(source, roots), _project_target(source, roots)
        is_remote = _REMOTE.match(source)
        return project if is_remote else Target(plain.exact + project.exact, plain.tail, plain.is_relative)
    if _REMOTE.match(source):
        return Target((_PROJECT,), None, False)
    return _path_target(source, roots)


def _project_target(source: str, roots: Sequence[str]) -> Target:
    """Return where the ``MLproject`` of a project's URI with ``#folder`` stands."""
    base, _, folder = source.partition("#")
    above = _relative(base, roots)
    spelled = dict.fromkeys(_slashes(one) for one in (folder, unquote(folder)))
    paths = [[*above, *(part for part in one.split("/") if part not in {"", "."})] for one in spelled]
    return Target(tuple("/".join([*parts, _PROJECT]) for parts in paths), None, False)


def _relative(base: str, roots: Sequence[str]) -> list[str]:
    """Return the parts of a project's folder below the work tree that it is in, if it is in one."""
    inside = None if _REMOTE.match(base) else _below(_slashes(base), roots)
    return inside.split("/") if inside else []


def _path_target(source: str, roots: Sequence[str]) -> Target:
    path = _slashes(source)
    inside = _below(path, roots)
    if inside is not None:
        return Target(_as_file_or_folder(inside), None, False)
    is_absolute = path.startswith("/") or _DRIVE.match(path) is not None
    parts = _parts(path)
    steps_up = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
    tail = "/".join(parts[steps_up:])
    if is_absolute or steps_up:
        return Target((), tail or None, not is_absolute)
    return Target(_as_file_or_folder(tail) if path else (), tail or None, True)


def _as_file_or_folder(path: str) -> tuple[str, ...]:
    inside = (f"{path}/{_PROJECT}", f"{path}/{_MAIN}") if path else (_PROJECT, _MAIN)
    return (path, *inside) if path else inside


def _slashes(source: str) -> str:
    """Return a path with slashes, out of a ``file:`` URI or a path of Windows."""
    path = source
    if path.startswith("file://"):
        host_and_path = unquote(path.removeprefix("file://"))
        path = host_and_path[max(host_and_path.find("/"), 0) :]
        if _DRIVE.match(path, 1):
            path = path[1:]
    if _DRIVE.match(path) or "/" not in path:
        path = path.replace("\\", "/")
    return path


def _parts(path: str) -> list[str]:
    """Return the parts of a path without ``.``, and with ``..`` only at the start."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return parts


def _below(path: str, roots: Sequence[str]) -> str | None:
    """Return an absolute path relative to the innermost of the work trees that it lies in, else None."""
    if not (path.startswith("/") or _DRIVE.match(path)):
        return None
    parts = _parts(path)
    known = sorted((_parts(_slashes(root)) for root in roots), key=len, reverse=True)
    inside = next((root for root in known if root and parts[: len(root)] == root), None)
    return None if inside is None else "/".join(parts[len(inside) :])
