"""What the files of a history declare, by their contents, each of which is read once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mlflow2prov.sources.git_changes import Changes
from mlflow2prov.sources.git_declared import DECLARING, MOST_BYTES, Declared, read_declared
from mlflow2prov.sources.git_history import History
from mlflow2prov.sources.git_missing import missing
from mlflow2prov.sources.git_program import Git


class Declarations(NamedTuple):
    """What contents declare.

    Attributes:
        found: what declares anything: the object name of a content and the name of its file, and what these declare.
        missing: how many contents are not there.
        too_long: how many are too long to be read.
    """

    found: Mapping[tuple[bytes, bytes], tuple[Declared, ...]]
    missing: int
    too_long: int


_SUBMODULE = 0o160000


def declarations(
    git: Git, contents: Iterable[tuple[bytes, bytes]], stopped: threading.Event | None = None
) -> Declarations:
    """Return what contents declare.

    Args:
        git: where they are.
        contents: the object name of each, and the name of its file.
        stopped: ends the reading early.
    """
    names: dict[bytes, list[bytes]] = {}
    for blob, name in contents:
        names.setdefault(blob, []).append(name)
    found: dict[tuple[bytes, bytes], tuple[Declared, ...]] = {}
    unread, too_long = set(names), set[bytes]()
    for blob, content in git.contents(names, MOST_BYTES) if names else ():
        unread.discard(blob)
        for name in names[blob]:
            declared = read_declared(name, content)
            if declared is None:
                too_long.add(blob)
            elif declared:
                found[blob, name] = declared
        if stopped is not None and stopped.is_set():
            return Declarations(found, 0, 0)
    gone = len(missing(git, sorted(unread))) if unread else 0
    return Declarations(found, gone, len(too_long) + len(unread) - gone)


def declaring_changes(paths: Sequence[bytes], changes: Changes) -> list[tuple[bytes, bytes]]:
    """Return the contents that changes put at paths that may declare something, and the names of their files."""
    import numpy as np

    names = _declaring(paths)
    is_declaring = np.zeros(len(paths), "?")
    is_declaring[list(names)] = True
    there = is_declaring[changes.path]
    there &= (changes.mode != _SUBMODULE) & (changes.status != ord("D"))
    places = np.flatnonzero(there)
    pairs = zip(changes.blob[places], changes.path[places].tolist(), strict=True)
    return list(dict.fromkeys((blob.tobytes().hex().encode(), names[path]) for blob, path in pairs))


def declaring_revisions(history: History) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    """Yield the revisions of files that may declare something, and their contents with the names of their files."""
    names = _declaring(history.paths.exact)
    for revision, path in enumerate(history.path_of) if names else ():
        if path in names and not history.is_submodule(revision):
            yield revision, (history.blob_of(revision), names[path])


def _declaring(paths: Sequence[bytes]) -> dict[int, bytes]:
    """Return the numbers of paths whose file names are of those that declare, with these."""
    names = tuple(DECLARING)
    found = ((number, path) for number, path in enumerate(paths) if path.endswith(names))
    named = ((number, path.rpartition(b"/")[2]) for number, path in found)
    return {number: name for number, name in named if name in DECLARING}
