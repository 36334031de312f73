"""Stores that know keys and no folders: which files and folders of an owner its keys stand for."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterable

from mlflow2prov.sources.mlflow.artifact_rows import Entry

_logger = logging.getLogger(__name__)


def key_of(uri: str) -> str:
    """The key that an owner's artifacts lie below: the path of a URI, as it stands, without outer slashes.

    >>> key_of("s3://bucket/a%20b/1/"), key_of("s3://bucket")
    ('a%20b/1', '')
    """
    return uri.partition("://")[2].partition("/")[2].strip("/")


class Keys:
    """Makes entries of keys, and counts the keys that no folder could have."""

    def __init__(self) -> None:
        self._odd = 0
        self._first = ""

    def entries(self, keys: Iterable[tuple[str, int | None]]) -> list[Entry]:
        """The files and folders of keys below an owner's folder, with their sizes, in order of their paths.

        A key that ends with a slash is a folder; where one is a file's and a folder's, it is the file's.
        """
        files: dict[str, int | None] = {}
        folders: set[str] = set()
        for key, size in keys:
            path = key.removesuffix("/")
            if any(part in ("", ".", "..") for part in path.split("/")):
                self._odd += 1
                self._first = self._first or path
                continue
            if path == key:
                files[path] = size
            else:
                folders.add(path)
            while (path := posixpath.dirname(path)) and path not in folders:
                folders.add(path)
        found = [Entry(_bytes(path), False, size) for path, size in files.items()]
        found += [Entry(_bytes(path), True, None) for path in folders - files.keys()]
        return sorted(found, key=lambda entry: entry.path)

    def report(self) -> None:
        """Say how many keys were left out."""
        if self._odd:
            _logger.warning(
                "%d keys of artifacts have parts that no folder has (empty, . or ..) and are left out, %r first",
                self._odd,
                self._first,
            )


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
