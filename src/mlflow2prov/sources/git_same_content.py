"""Whether a file of the tree has the content that a file of DVC names by its digest."""

from __future__ import annotations

import hashlib

from mlflow2prov.sources.dvc_files import Item
from mlflow2prov.sources.git_blobs import Blobs
from mlflow2prov.sources.git_lfs import read_pointer

_MOST_BYTES = 128 << 20
"""Larger contents are not compared; services refuse them."""

_MOST_TEXT_BYTES = 16 << 20
"""Of larger contents the ends of lines are taken as they are."""


class SameContents:
    """Contents of files, by their digests; each is read once.

    DVC before 3 made the digest of a text with the ends of lines of Unix, and a work tree may have those of Windows: so
    a digest is that of a content with either. Git has of a file of Git LFS only the pointer, which tells the size.

    Held are some 300 bytes for each content that was asked for.

    Args:
        blobs: where they are read.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._known: dict[str, tuple[frozenset[str], int | None]] = {}

    def is_same(self, name: str, item: Item) -> bool:
        """Return whether a content is what an item says; an item that does not say what it is may be any.

        Args:
            name: the object name of the content.
            item: as a file of DVC names it.
        """
        if item.md5 is None:
            return True
        if name not in self._known:
            content = self._blobs.content(name, _MOST_BYTES)
            self._known[name] = (frozenset(), None) if content is None else _told_of(content)
        digests, pointed_size = self._known[name]
        return item.md5 in digests or (pointed_size is not None and pointed_size == item.size_bytes)


def _told_of(content: bytes) -> tuple[frozenset[str], int | None]:
    r"""Return the digests that a content may have, and of a pointer the size of what it points at.

    >>> digests, size = _told_of(b"a\r\nb\r\n")
    >>> hashlib.md5(b"a\nb\n").hexdigest() in digests, len(digests), size
    (True, 2, None)
    """
    pointer = read_pointer(content)
    if pointer is not None:
        return frozenset(), pointer[1]
    spelled = {content}
    if len(content) <= _MOST_TEXT_BYTES:
        with_unix = content.replace(b"\r\n", b"\n")
        spelled |= {with_unix, with_unix.replace(b"\n", b"\r\n")}
    return frozenset(hashlib.md5(it, usedforsecurity=False).hexdigest() for it in spelled), None
