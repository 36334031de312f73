r"""Finding the file that a run names as its source, in the tree of the run's commit.

A run says what it executed (``mlflow.source.name``) as somebody's path: relative to the folder it was
started in, absolute on a machine of its own, a project's URI with ``#folder``. The file is searched
in the tree of that one commit, and nowhere else:

1. The exact path: a relative one as relative to the root of the repository, an absolute one where it
   lies in one of the repository's work trees. A folder means the ``MLproject`` file in it; a project's
   URI that of its folder, or of the root.
2. Else, unless the path lies in a work tree (where it is known what it would be): every file whose path
   is the end of the source's, and for a relative source every file whose path ends with it.

Exactly one file is the entry point; several are as good as none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from mlflow2prov.sources.git_history import History, State

_PROJECT = "MLproject"
_REMOTE = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+://|[\w.-]+@[\w.-]+:")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


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


def target_of(source: str, roots: Sequence[str]) -> Target:
    r"""Return where a source could stand.

    Args:
        source: as the run spells it.
        roots: the absolute paths of the repository's work trees.

    >>> target_of("./src/train.py", [])
    Target(exact=('src/train.py', 'src/train.py/MLproject'), tail='src/train.py', is_relative=True)
    >>> target_of("file:///home/ada/wine/train.py", ["/home/ada/wine"])
    Target(exact=('train.py', 'train.py/MLproject'), tail=None, is_relative=False)
    >>> target_of("C:\\wine\\train.py", [])
    Target(exact=(), tail='C:/wine/train.py', is_relative=False)
    >>> target_of("https://example.org/wine.git#sub", [])
    Target(exact=('sub/MLproject',), tail=None, is_relative=False)
    """
    if "#" in source:
        plain, project = _path_target(source, roots), _project_target(source, roots)
        is_remote = _REMOTE.match(source)
        return project if is_remote else Target(plain.exact + project.exact, plain.tail, plain.is_relative)
    if _REMOTE.match(source):
        return Target((_PROJECT,), None, False)
    return _path_target(source, roots)


class EntryPoints:
    """The sources that runs name, to be looked up when the pass is at their commits.

    Held are the sources, and the paths whose last part a relative source has.
    """

    def __init__(self, wanted: Iterable[tuple[str, str]], roots: Sequence[str]) -> None:
        self._wanted: dict[str, dict[str, Target]] = {}
        targets: dict[str, Target] = {}
        for commit, source in wanted:
            if source not in targets:
                targets[source] = target_of(source, roots)
            self._wanted.setdefault(commit, {})[source] = targets[source]
        self._by_name: dict[str, list[int]] = {
            target.tail.rpartition("/")[2]: []
            for target in targets.values()
            if target.tail and target.is_relative
        }
        self._seen = 0

    def rows(self, commit: str, state: State, history: History) -> Iterator[tuple[object, ...]]:
        """Yield the rows of ``git_entry_point`` for a commit, given its state."""
        for source, target in self._wanted.get(commit, {}).items():
            found = sorted(set(self._found(target, state, history)))
            row: tuple[object, ...] = (None, None, None)
            if len(found) == 1:
                revision = state[found[0]]
                made_in = history.commits[history.commit_of[revision]]
                row = (history.paths.text[found[0]], history.paths.odd.get(found[0]), made_in)
            yield (commit, source, len(found), *row)

    def _found(self, target: Target, state: State, history: History) -> Iterator[int]:
        """Yield the paths of the files that could be meant."""
        for path in target.exact:
            number = self._file(path.encode(), state, history)
            if number is not None:
                yield number
                return
        if not target.tail:
            return
        tail = target.tail.encode()
        for start in [0, *(index + 1 for index, byte in enumerate(tail) if byte == 0x2F)]:
            number = self._file(tail[start:], state, history)
            if number is not None:
                yield number
        if target.is_relative:
            self._index(history)
            for number in self._by_name[target.tail.rpartition("/")[2]]:
                path_bytes = history.paths.exact[number]
                if path_bytes.endswith(b"/" + tail) and self._file(path_bytes, state, history) is not None:
                    yield number

    def _index(self, history: History) -> None:
        """Sort in the paths that came since the last time."""
        exact = history.paths.exact
        for number in range(self._seen, len(exact)):
            same = self._by_name.get(exact[number].rpartition(b"/")[2].decode("utf-8", "replace"))
            if same is not None:
                same.append(number)
        self._seen = len(exact)

    def _file(self, path: bytes, state: State, history: History) -> int | None:
        number = history.paths.number.get(path)
        revision = None if number is None else state.get(number)
        return None if revision is None or history.is_submodule(revision) else number


def _project_target(source: str, roots: Sequence[str]) -> Target:
    """Return where the ``MLproject`` of a project's URI with ``#folder`` stands."""
    base, _, folder = source.partition("#")
    parts = [*_relative(base, roots), *(part for part in folder.split("/") if part not in {"", "."})]
    return Target(("/".join([*parts, _PROJECT]),), None, False)


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
    return (path, f"{path}/{_PROJECT}") if path else (_PROJECT,)


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
