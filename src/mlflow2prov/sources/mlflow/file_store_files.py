"""The folders and files of a file store: read as they are, none outside of it, and what can't be read counted."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from mlflow2prov.prov.text import clean_text, text_of

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

_logger = logging.getLogger(__name__)

MOST_BYTES = 32 * 2**20
"""Larger files are not read, but for those of metrics, which are read in pieces."""

_CHUNK = 2**16
_PIECE = 2**22
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_IS_LINK = (errno.ELOOP, errno.EMLINK)


class Trouble(Enum):
    """What can be wrong with a part of a store; the value is what is said of it, behind its number."""

    CLOSED = "folders can't be read and are taken as empty"
    UNREAD = "files can't be read and are left out"
    HUGE = "files are too large and are left out"
    LINKS = "links out of the store or to folders, broken links and special files are left out"
    NO_FOLDER = "files stand where folders are expected and are left out"
    NO_EXPERIMENT = "folders are no experiments, having no meta.yaml, and are left out"
    NO_RUN = "folders in experiments are no runs, having no meta.yaml, and are left out"
    NO_MODEL = "folders among models are none, having no meta.yaml, and are left out"
    BROKEN = "meta.yaml files are missing or broken; what else there is in their folders is kept"
    CUT = "meta.yaml files are cut off in their last lines, which are left out"
    MISPLACED = "folders say that they are another one, or are there twice, and are left out"
    NO_NUMBER = "values are no numbers and are left out"
    LINES = "lines of metrics are malformed and are left out"
    EMPTY = "metrics have no point and are left out"
    NO_DATASET = "inputs of runs name no known dataset and are left out"
    NO_TRACE = "traces and assessments are left out, since their files are missing, broken or of others"
    SHOWN = "texts are not UTF-8; their bytes are shown as \\xNN"


class Listing(NamedTuple):
    """The names in a folder, in no order."""

    files: list[bytes]
    folders: list[bytes]


class StoreFiles:
    """Reads what is below one folder, and counts what it can't.

    Symbolic links are followed to files of the same store alone; links to folders are not.

    Attributes:
        root: the folder, with its links resolved.
        troubled: the files and folders that were counted.
    """

    def __init__(self, root: Path) -> None:
        """Read below ``root``, which is a folder."""
        self.root = os.path.realpath(os.fsencode(root))
        self._inside = self.root.rstrip(b"/" + os.sep.encode()) + os.sep.encode()
        self.troubled: set[bytes] = set()
        self._found: dict[Trouble, tuple[int, bytes]] = {}

    def note(self, trouble: Trouble, path: bytes, count: int = 1) -> None:
        """Count a trouble, and keep the first place of its kind."""
        known, first = self._found.get(trouble, (0, path))
        self._found[trouble] = known + count, first
        self.troubled.add(path)

    def report(self) -> None:
        """Say how much of what was wrong, and where first."""
        for trouble in Trouble:
            if trouble in self._found:
                count, first = self._found[trouble]
                _logger.warning("%d %s, %s first", count, trouble.value, text_of(first)[0])

    def listing(self, folder: bytes) -> Listing:
        """What a folder holds; takes about 20 µs."""
        found = Listing([], [])
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        found.files.append(entry.name)
                    elif entry.is_dir(follow_symlinks=False):
                        found.folders.append(entry.name)
                    elif self._is_own_file(entry):
                        found.files.append(entry.name)
                    else:
                        self.note(Trouble.LINKS, entry.path)
        except OSError as error:
            _logger.debug("%s can't be listed: %s", text_of(folder)[0], error.strerror)
            self.note(Trouble.CLOSED, folder)
        return found

    def named_files(self, folder: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The name and path of each file below a folder, to any depth; a name has slashes for its folders."""
        waiting = [(b"", folder)]
        while waiting:
            prefix, place = waiting.pop()
            found = self.listing(place)
            base = place + b"/"
            for name in found.files:
                yield prefix + name, base + name
            waiting += [(prefix + name + b"/", base + name) for name in found.folders]

    def content(self, path: bytes) -> bytes | None:
        """The bytes of a file; None where they can't be read, which is counted. Takes about 7 µs."""
        try:
            file = os.open(path, _FLAGS)
            try:
                content = os.read(file, _CHUNK)
                if content and len(content) < _CHUNK:
                    return content
                return self._rest(path, file, content)
            finally:
                os.close(file)
        except OSError as error:
            own = self._own_target(path) if error.errno in _IS_LINK else None
            if own is not None:
                return self.content(own)
            self.note(Trouble.LINKS if error.errno in _IS_LINK else Trouble.UNREAD, path)
            return None

    def short(self, path: bytes) -> bytes | None:
        """The bytes of a short file; None of one that is long, empty, a link or can't be read."""
        try:
            file = os.open(path, _FLAGS)
            try:
                content = os.read(file, _CHUNK)
            finally:
                os.close(file)
        except OSError:
            return None
        return content if 0 < len(content) < _CHUNK else None

    def pieces(self, path: bytes) -> Iterator[bytes]:
        """The bytes of a file of lines, in pieces of whole lines of at most some megabytes; an empty one is counted."""
        try:
            file = os.open(path, _FLAGS)
            try:
                content = os.read(file, _CHUNK)
                if content and len(content) < _CHUNK:
                    yield content
                elif not _is_regular(file):
                    self.note(Trouble.LINKS, path)
                elif content:
                    yield from self._pieces(path, file, content)
                else:
                    self.note(Trouble.EMPTY, path)
            finally:
                os.close(file)
        except OSError as error:
            own = self._own_target(path) if error.errno in _IS_LINK else None
            if own is not None:
                yield from self.pieces(own)
            else:
                self.note(Trouble.LINKS if error.errno in _IS_LINK else Trouble.UNREAD, path)

    def text(self, content: bytes, path: bytes) -> str:
        """The text of what ``path`` names or holds; bytes that are not UTF-8 are shown, and counted."""
        try:
            return content.decode()
        except UnicodeDecodeError:
            self.note(Trouble.SHOWN, path)
            return clean_text(content)

    def texts(self, contents: list[bytes], paths: list[bytes]) -> pa.Array[Any]:
        """The texts of many contents at once, as :meth:`text` makes them."""
        import pyarrow as pa

        try:
            return pa.array(contents, pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:
            shown = [self.text(content, path) for content, path in zip(contents, paths, strict=True)]
            return pa.array(shown, pa.string())

    def _rest(self, path: bytes, file: int, content: bytes) -> bytes | None:
        """The whole of a file whose first bytes are a full chunk, or none at all."""
        if not _is_regular(file):
            self.note(Trouble.LINKS, path)
            return None
        chunks, size = [content], len(content)
        while content and size <= MOST_BYTES:
            content = os.read(file, _PIECE)
            chunks.append(content)
            size += len(content)
        if size > MOST_BYTES:
            self.note(Trouble.HUGE, path)
            return None
        return b"".join(chunks)

    def _pieces(self, path: bytes, file: int, content: bytes) -> Iterator[bytes]:
        begun = b""
        while content:
            lines, newline, begun = (begun + content).rpartition(b"\n")
            if newline:
                yield lines + newline
            elif len(begun) > _PIECE:
                self.note(Trouble.HUGE, path)
                return
            content = os.read(file, _PIECE)
        if begun:
            yield begun

    def _is_own_file(self, entry: os.DirEntry[bytes]) -> bool:
        """Whether a link leads to a file of this store."""
        target = self._own_target(entry.path) if entry.is_symlink() else None
        return target is not None and os.path.isfile(target)  # noqa: PTH113

    def _own_target(self, path: bytes) -> bytes | None:
        """Where a link leads to, None where that is no place of this store."""
        target = os.path.realpath(path)
        is_own = target.startswith(self._inside) and target != path and not os.path.islink(target)  # noqa: PTH114
        return target if is_own else None


def _is_regular(file: int) -> bool:
    return stat.S_ISREG(os.fstat(file).st_mode)
