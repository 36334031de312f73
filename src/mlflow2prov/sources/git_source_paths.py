"""Where a source of a run could stand in a tree, by the path or the URL that it is spelled as."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from mlflow2prov.sources.git_declared import PROJECT, DeclaredAt
from mlflow2prov.sources.git_places import asked_of_any
from mlflow2prov.sources.git_tree import Tree

REMOTE = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+://|[\w.-]+@[\w.-]+:")
"""How the URL of another machine begins."""

DRIVE = re.compile(r"[A-Za-z]:[\\/]")
"""How a path of Windows begins."""

_PROJECT = PROJECT.decode()
_MAIN = "__main__.py"
_SOURCE_URL = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+://[^?#]*\.(?:ipynb|py)(?=[?#]|$)", re.IGNORECASE)
_VIEW_URL = re.compile(
    r"https?://(?:(?:[^/?#]+/){3,}(?:blob|raw|resolve|tree|src/(?:branch|commit|tag))/"
    r"|raw\.githubusercontent\.com/[^/?#]+/[^/?#]+/)[^/?#]+/[^?#]+",
    re.IGNORECASE,
)
"""What shows a file or folder of a repository, and is not the URL of one."""

_PATH_OF_URL = re.compile(r"[^:]+://[^/?#]*/*([^?#]*)")
"""The path of a URL, also of one whose host is none."""


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
            number = tree.file(path.encode("utf-8", "surrogateescape"))
            if number is not None and not tree.leads_to_folder(number):
                yield number
                return
        if self.tail:
            tail = self.tail.encode("utf-8", "surrogateescape")
            yield from tree.ends_of(tail)
            if self.is_relative:
                yield from tree.ending_with(tail)


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
    asked = asked_of_any(source) if REMOTE.match(source) else None
    if asked and asked.path:
        return Target((), asked.path, False)
    shown = _PATH_OF_URL.match(source) if _SOURCE_URL.match(source) or _VIEW_URL.match(source) else None
    if shown:
        return Target((), unquote(shown[1]).lstrip("/"), False)
    if "#" in source:
        plain, project = _path_target(source, roots), _project_target(source, roots)
        is_remote = REMOTE.match(source)
        return project if is_remote else Target(plain.exact + project.exact, plain.tail, plain.is_relative)
    if REMOTE.match(source):
        return Target((_PROJECT,), None, False)
    return _path_target(source, roots)


def _project_target(source: str, roots: Sequence[str]) -> Target:
    """Return where the ``MLproject`` of a project's URI with ``#folder`` stands."""
    base, _, folder = source.partition("#")
    above = _relative(base, roots)
    spelled = dict.fromkeys(with_slashes(one) for one in (folder, unquote(folder)))
    paths = [[*above, *(part for part in one.split("/") if part not in {"", "."})] for one in spelled]
    return Target(tuple("/".join([*parts, _PROJECT]) for parts in paths), None, False)


def _relative(base: str, roots: Sequence[str]) -> list[str]:
    """Return the parts of a project's folder below the work tree that it is in, if it is in one."""
    inside = None if REMOTE.match(base) else _below(with_slashes(base), roots)
    return inside.split("/") if inside else []


def _path_target(source: str, roots: Sequence[str]) -> Target:
    path = with_slashes(source)
    inside = _below(path, roots)
    if inside is not None:
        return Target(as_file_or_folder(inside), None, False)
    is_absolute = path.startswith("/") or DRIVE.match(path) is not None
    parts = _parts(path)
    steps_up = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
    tail = "/".join(parts[steps_up:])
    if is_absolute or steps_up:
        return Target((), tail or None, not is_absolute)
    return Target(as_file_or_folder(tail) if path else (), tail or None, True)


def as_file_or_folder(path: str) -> tuple[str, ...]:
    """Return a path, and those of the files in it that are run where it is a folder; empty is the root."""
    inside = (f"{path}/{_PROJECT}", f"{path}/{_MAIN}") if path else (_PROJECT, _MAIN)
    return (path, *inside) if path else inside


def with_slashes(source: str) -> str:
    """Return a path with slashes, out of a ``file:`` URI or a path of Windows."""
    path = source
    if path.startswith("file://"):
        host_and_path = unquote(path.removeprefix("file://"))
        path = host_and_path[max(host_and_path.find("/"), 0) :]
        if DRIVE.match(path, 1):
            path = path[1:]
    if DRIVE.match(path) or "/" not in path:
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
    if not (path.startswith("/") or DRIVE.match(path)):
        return None
    parts = _parts(path)
    known = sorted((_parts(with_slashes(root)) for root in roots), key=len, reverse=True)
    inside = next((root for root in known if root and parts[: len(root)] == root), None)
    return None if inside is None else "/".join(parts[len(inside) :])
