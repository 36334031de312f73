"""Symbolic links: what those of a history say, and where a path leads to that goes through some."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.git_history import History
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_rows import batches_of_rows
from mlflow2prov.sources.tables import Batches

MOST_BYTES = 4_096
"""No system takes a longer path."""

_MOST_PARTS = 512

_MOST_STEPS = 40
"""So many links Linux goes through before it gives up."""


class Links(NamedTuple):
    """Symbolic links.

    Attributes:
        said: what they say, by the numbers of their revisions.
        paths: the numbers of their paths.
        unread: how many contents of such are missing, or longer than a path can be.
    """

    said: Mapping[int, bytes] = MappingProxyType({})
    paths: frozenset[int] = frozenset()
    unread: int = 0


def links_of(git: Git, history: History) -> Links:
    """Return the symbolic links of a history.

    Those whose contents are missing are left out. Held are some 150 bytes for each.
    """
    by_content: dict[bytes, list[int]] = {}
    for revision in history.links():
        by_content.setdefault(history.blob_of(revision), []).append(revision)
    if not by_content:
        return Links()
    contents = dict(git.contents(by_content, MOST_BYTES))
    said = {revision: content for blob, content in contents.items() for revision in by_content[blob]}
    paths = frozenset(history.path_of[revision] for revision in said)
    return Links(said, paths, len(by_content) - len(contents))


def link_rows(links: Iterable[tuple[int, bytes]], history: History) -> Batches:
    """Yield the rows of ``git_link`` of some links."""
    paths = history.paths
    rows = []
    for revision, said in sorted(links):
        path = history.path_of[revision]
        made_by = history.commits[history.commit_of[revision]]
        rows.append((made_by, paths.text[path], paths.odd.get(path), *text_of(said)))
    yield from batches_of_rows("git_link", rows)


def may_be_path(text: str) -> bool:
    """Return whether what a run says is short enough to name a path or a module; longer ones would take long to find."""
    parts = 1 + text.count("/") + text.count("\\") + text.count(".")
    return len(text) <= MOST_BYTES and parts <= _MOST_PARTS


def followed(path: bytes, link_at: Callable[[bytes], bytes | None]) -> bytes | None:
    """Return where a path leads to, when the links at the folders on the way are followed, but none at its end.

    Args:
        path: from the root of a tree.
        link_at: what the link at a path says, None where there is no link.

    Returns:
        The path without links on the way; None where it leads out of the tree, or round and round.

    >>> followed(b"new/train.py", {b"new": b"jobs/v2"}.get)
    b'jobs/v2/train.py'
    >>> followed(b"a/x", {b"a": b"a"}.get), followed(b"a/x", {b"a": b"../b"}.get)
    (None, None)
    """
    waiting, done, steps = path.split(b"/")[::-1], b"", 0
    while waiting:
        part = waiting.pop()
        if part in {b"", b"."}:
            continue
        if part == b"..":
            if not done:
                return None
            done = posixpath.dirname(done)
            continue
        place = posixpath.join(done, part)
        said = link_at(place) if waiting else None
        if said is None:
            done = place
            continue
        steps += 1
        if steps > _MOST_STEPS or said.startswith(b"/") or len(place) > MOST_BYTES:
            return None
        waiting += said.split(b"/")[::-1]
    return done


def spellings(tail: bytes, links: Iterable[bytes]) -> list[bytes]:
    """Return the paths that end with ``tail`` because they go through one of the links at some paths.

    >>> spellings(b"new/train.py", [b"jobs/new", b"other"])
    [b'jobs/new/train.py']
    """
    parts = tail.split(b"/")
    found = []
    for link in links:
        for count in range(1, len(parts)):
            begin = b"/".join(parts[:count])
            if link == begin or link.endswith(b"/" + begin):
                found.append(b"/".join([link, *parts[count:]]))
    return found
