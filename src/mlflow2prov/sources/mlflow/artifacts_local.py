"""Listings of artifacts that lie in folders of this machine."""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import url2pathname

from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.mlflow.artifact_rows import CHUNK_BYTES, Entry, Listing, Owner

_logger = logging.getLogger(__name__)

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def local_path(uri: str) -> Path | None:
    """The folder of this machine that an artifact URI names, or None where it is elsewhere.

    >>> local_path("file:///srv/my%20runs").as_posix(), local_path("s3://bucket/runs")
    ('/srv/my runs', None)
    """
    found = re.match(r"([A-Za-z][A-Za-z0-9+.\-]+):", uri)
    if found is None:
        return Path(uri)
    if found[1].lower() != "file":
        return None
    place = re.fullmatch(r"file:(?://(?:localhost)?(?=/))?([^/].*|/(?!/).*)", uri, re.IGNORECASE | re.DOTALL)
    return Path(url2pathname(place[1])) if place else None


@dataclass(frozen=True, slots=True)
class _Folder:
    """The folder of one owner's artifacts, with its links resolved."""

    root: bytes

    def chunks(self, path: bytes) -> Iterator[bytes]:
        """The content of a file; a link is followed within the folder alone."""
        place = os.path.realpath(os.path.join(self.root, path))  # noqa: PTH118
        if not place.startswith(self.root.rstrip(b"/") + b"/"):
            raise PermissionError("it leads out of the folder")
        with open(os.open(place, _FLAGS), "rb", buffering=0) as file:  # noqa: PTH123
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PermissionError("it is no file")
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


_TO_EXPERIMENT = 3
"""From the folder of a logged model's artifacts to that of its experiment: ``EXPERIMENT/models/MODEL/artifacts``."""


class LocalFolders:
    """Lists one owner after the other, and counts what can't be listed.

    Args:
        beside: the folder from which relative paths lead where they lead to nothing from the working folder.
    """

    def __init__(self, beside: Path | None = None) -> None:
        self._beside = beside
        self._closed: list[bytes] = []
        self._passed_over = 0
        self._gone: list[bytes] = []
        self._has_models = False

    def listings(self, owners: Iterable[Owner]) -> Iterator[Listing]:
        """The artifacts of owners in order of their paths; those without a folder have none."""
        for owner in owners:
            path = local_path(owner.uri)
            if path is None:
                continue
            if self._beside is not None and not os.path.isdir(path):  # noqa: PTH112
                path = self._beside / path
            root = os.path.realpath(os.fsencode(path))
            is_there = os.path.isdir(root)  # noqa: PTH112
            if is_there:
                yield Listing(owner, sorted(self._walk(root)), _Folder(root))
            if owner.kind == "logged_model":
                self._note_model(root, is_there=is_there)

    def _note_model(self, root: bytes, *, is_there: bool) -> None:
        """Note a logged model's folder, and whether its experiment has one at all."""
        experiment = root
        for _ in range(_TO_EXPERIMENT):
            experiment = os.path.dirname(experiment)  # noqa: PTH120
        if is_there or os.path.isdir(experiment):  # noqa: PTH112
            self._has_models = True
        else:
            self._gone.append(root)

    def report(self) -> None:
        """Say what was left out."""
        if self._gone and not self._has_models:
            _logger.warning(
                "the artifacts of %d logged models are left out, since their folders are not here, %s first",
                len(self._gone),
                text_of(self._gone[0])[0],
            )
        if self._closed:
            first = text_of(self._closed[0])[0]
            _logger.warning(
                "%d artifact folders can't be read and are taken as empty, %s first", len(self._closed), first
            )
        if self._passed_over:
            _logger.warning(
                "%d links out of artifact folders, broken links and special files are left out",
                self._passed_over,
            )

    def _walk(self, root: bytes) -> Iterator[Entry]:
        folders = [b""]
        while folders:
            folder = folders.pop()
            for found in self._scan(os.path.join(root, folder)):  # noqa: PTH118
                entry = _entry(root, b"/".join(filter(None, (folder, found.name))), found)
                if entry is None:
                    self._passed_over += 1
                    continue
                yield entry
                if entry.is_dir:
                    folders.append(entry.path)

    def _scan(self, folder: bytes) -> list[os.DirEntry[bytes]]:
        try:
            with os.scandir(folder) as entries:
                return list(entries)
        except OSError as error:
            _logger.debug("%s can't be listed: %s", text_of(folder)[0], error.strerror)
            self._closed.append(folder)
            return []


def _entry(root: bytes, path: bytes, found: os.DirEntry[bytes]) -> Entry | None:
    """What a name in a folder stands for; None for what is no file or folder, or lies outside of ``root``."""
    if found.is_dir(follow_symlinks=False):
        return Entry(path, True, None)
    is_link = found.is_symlink()
    if is_link and not os.path.realpath(found.path).startswith(root.rstrip(b"/") + b"/"):
        return None
    try:
        state = found.stat()
    except OSError:
        return None if is_link else Entry(path, False, None)
    return Entry(path, False, state.st_size) if stat.S_ISREG(state.st_mode) else None
