"""The files of a history that Git LFS keeps elsewhere: what their pointers say.

A blob is a pointer where it is of the form that Git LFS writes, whatever the attributes of its path are
at some commit. So as not to read every blob, only those at paths are looked at that some revision of some
``.gitattributes`` file gave to LFS (``filter=lfs``, also by a macro), and of these only the contents of
less than 1,024 bytes are read, which is the most that a pointer may have. Attributes in ``.git/info`` or
of one user's own are not in the history, and so not honoured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mlflow2prov.sources.git_blobs import Blobs
from mlflow2prov.sources.git_data_pieces import Rows, key_of, shown
from mlflow2prov.sources.git_history import History

POINTER_BYTES = 1024
"""A pointer has less (Git LFS, specification of pointers)."""

_MOST_ATTRIBUTES = 1_000_000
_VERSIONS = (b"version https://git-lfs.github.com/spec/v1\n", b"version https://hawser.github.com/spec/v1\n")
_OID = re.compile(rb"^oid sha256:([0-9a-f]{64})$", re.MULTILINE)
_SIZE = re.compile(rb"^size ([0-9]{1,18})$", re.MULTILINE)
_WILD = re.compile(rb"[*?\[\\]")
_MOST_GLOBS = 500
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"\s+(.*)')


def read_pointer(content: bytes) -> tuple[str, int] | None:
    r"""Return the SHA-256 and the size in bytes that a pointer names, or None where it is none.

    >>> read_pointer(b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 12\n")[1]
    12
    """
    if len(content) >= POINTER_BYTES or not content.startswith(_VERSIONS):
        return None
    oid, size = _OID.search(content), _SIZE.search(content)
    return (oid[1].decode(), int(size[1])) if oid and size else None


class LfsPaths:
    r"""The paths that files of attributes give to LFS, and some more.

    Of a pattern only what stands before its first and after its last wildcard counts, which costs the
    same whatever the pattern is; what it finds too much has no pointer.

    Args:
        files: paths of ``.gitattributes`` files and their contents; of all times.

    >>> found = LfsPaths([(b"data/.gitattributes", b"*.bin filter=lfs -text\n")])
    >>> b"data/a/b.bin" in found, b"b.bin" in found
    (True, False)
    """

    def __init__(self, files: Iterable[tuple[bytes, bytes]]) -> None:
        lines = [
            (path.rpartition(b"/")[0], *_parsed(line))
            for path, content in files
            for line in content.splitlines()
        ]
        macros = {
            name.removeprefix(b"[attr]")
            for _, name, attributes in lines
            if name.startswith(b"[attr]") and b"filter=lfs" in attributes
        }
        self._literals: set[bytes] = set()
        self._names: dict[bytes, set[bytes]] = {}
        self._globs: set[tuple[bytes, bytes, bytes, bool]] = set()
        for folder, name, attributes in lines:
            is_given = b"filter=lfs" in attributes or macros.intersection(attributes)
            if is_given and not name.startswith(b"[attr]"):
                self._give(folder + b"/" if folder else b"", name)

    def __contains__(self, path: bytes) -> bool:
        name = path.rpartition(b"/")[2]
        if path in self._literals or len(self._globs) > _MOST_GLOBS:
            return True
        if any(path.startswith(folder) for folder in self._names.get(name, ())):
            return True
        for folder, start, end, is_name in self._globs:
            if path.startswith(folder):
                rest = name if is_name else path[len(folder) :]
                if rest.startswith(start) and rest.endswith(end):
                    return True
        return False

    def __bool__(self) -> bool:
        return bool(self._literals or self._names or self._globs)

    def _give(self, folder: bytes, pattern: bytes) -> None:
        is_name = b"/" not in pattern
        plain = pattern.lstrip(b"/")
        wild = [found.start() for found in _WILD.finditer(plain)]
        if wild:
            end = b"" if plain[wild[-1] : wild[-1] + 1] in b"[\\" else plain[wild[-1] + 1 :]
            self._globs.add((folder, plain[: wild[0]], end.rpartition(b"]")[2], is_name))
        elif is_name:
            self._names.setdefault(plain, set()).add(folder)
        else:
            self._literals.add(folder + plain)


def note_pointers(history: History, blobs: Blobs, rows: Rows) -> dict[str, list[int]]:
    """Note down the data of every revision that is a pointer; return the revisions by SHA-256.

    Held are the numbers of the revisions at paths of LFS.
    """
    paths = paths_of_lfs(history, blobs)
    if not paths:
        return {}
    revisions: dict[str, list[int]] = {}
    for revision, path in enumerate(history.path_of):
        if path in paths:
            name = history.content(revision)
            if name is not None:
                revisions.setdefault(name, []).append(revision)
    found: dict[str, list[int]] = {}
    for name, content in blobs.small_ones(revisions, POINTER_BYTES):
        pointer = read_pointer(content)
        if pointer is None:
            continue
        found.setdefault(pointer[0], []).extend(revisions[name])
        for revision in revisions[name]:
            rows.add("git_data", *_row(revision, pointer, history))
    return found


def _row(revision: int, pointer: tuple[str, int], history: History) -> Iterator[object]:
    oid, size = pointer
    path = history.paths.exact[history.path_of[revision]].decode("utf-8", "surrogateescape")
    commit = history.commits[history.commit_of[revision]]
    kept_at = f"lfs/objects/{oid[:2]}/{oid[2:4]}/{oid}"
    yield from (key_of(commit, path), commit, *shown(path), *shown(path), "lfs", "tracked", None, None)
    yield from (None, oid, None, None, None, size, None, kept_at)


def paths_of_lfs(history: History, blobs: Blobs) -> set[int]:
    """Return the numbers of the paths that were ever given to LFS."""
    exact = history.paths.exact
    at = {number for number, path in enumerate(exact) if path.endswith(b".gitattributes")}
    at = {number for number in at if exact[number].rpartition(b"/")[2] == b".gitattributes"}
    if not at:
        return set()
    names: dict[str, set[int]] = {}
    for revision, path in enumerate(history.path_of):
        name = history.content(revision) if path in at else None
        if name is not None:
            names.setdefault(name, set()).add(path)
    contents = blobs.small_ones(names, _MOST_ATTRIBUTES)
    given = LfsPaths((exact[path], content) for name, content in contents for path in sorted(names[name]))
    return {number for number, path in enumerate(exact) if path in given} if given else set()


def _parsed(line: bytes) -> tuple[bytes, list[bytes]]:
    """Return the pattern and the attributes of a line, both empty where it says nothing."""
    stripped = line.strip()
    if not stripped or stripped.startswith(b"#"):
        return b"", []
    quoted = _QUOTED.match(stripped)
    if quoted:
        return re.sub(rb"\\(.)", rb"\1", quoted[1]), quoted[2].split()
    name, *attributes = stripped.split()
    return name, attributes
