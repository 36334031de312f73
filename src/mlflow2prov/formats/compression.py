"""Compressed files: gzip (RFC 1952) and Zstandard (RFC 8878), by suffix when written, by content when read."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from mlflow2prov.errors import FormatError

if TYPE_CHECKING:
    from typing_extensions import Buffer

COMPRESSIONS: dict[str, bytes] = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}
"""The suffix of each compression, and the first bytes of what is compressed so."""

MOST_EXPANSION = 500
"""How many bytes one compressed byte may stand for; provenance comes to some 10 to 100."""

ALWAYS_ALLOWED_BYTES = 256 * 2**20
"""Below this size a file may expand as it likes."""


def compression_of(name: str) -> str:
    """Return the suffix of the compression that a file's name tells, or an empty text.

    >>> compression_of("a.json.gz"), compression_of("a.json")
    ('.gz', '')
    """
    return next((suffix for suffix in COMPRESSIONS if name.lower().endswith(suffix)), "")


@contextmanager
def compressing(file: BinaryIO, suffix: str) -> Iterator[BinaryIO]:
    """A file that writes compressed bytes to another, or that one where the suffix is empty.

    The bytes depend on what is written only: no name and no time stand in them.
    """
    if suffix == ".gz":
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as packed,
            io.BufferedWriter(packed, 1 << 20) as buffered,
        ):
            yield cast("BinaryIO", buffered)
    elif suffix == ".zst":
        import pyarrow as pa

        with pa.CompressedOutputStream(pa.PythonFile(_Open(file), mode="w"), "zstd") as stream:
            yield cast("BinaryIO", stream)
    else:
        yield file


def expanding(file: BinaryIO, head: bytes, name: str) -> BinaryIO | None:
    """A file that reads what is compressed in another, or None where that is not compressed.

    Args:
        file: at its start.
        head: its first bytes.
        name: of the file, for messages.
    """
    suffix = next((s for s, magic in COMPRESSIONS.items() if head.startswith(magic)), None)
    if suffix is None:
        return None
    counted = _Counted(file)
    if suffix == ".gz":
        inner: BinaryIO = cast("BinaryIO", gzip.GzipFile(fileobj=counted, mode="rb"))
    else:
        import pyarrow as pa

        inner = cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(counted, mode="r"), "zstd"))
    return io.BufferedReader(_Expanded(inner, counted, name), 1 << 20)


class _Open(io.RawIOBase):
    """Passes on what is written to a file, which stays open."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        return self._file.write(data)


class _Counted(io.RawIOBase):
    """Passes a file on and counts the bytes that were read of it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        data = self._file.read(-1 if size is None else size)
        self.count += len(data)
        return data


class _Expanded(io.RawIOBase):
    """What a compressed file holds; says what is wrong with it, and stops at one that is a bomb."""

    def __init__(self, inner: BinaryIO, packed: _Counted, name: str) -> None:
        super().__init__()
        self._inner = inner
        self._packed = packed
        self._name = name
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        try:
            data = self._inner.read(len(view))
        except (OSError, EOFError, zlib.error) as error:
            raise FormatError(f"{self._name} is compressed, but can't be expanded: {error}") from error
        self._count += len(data)
        if self._count > max(ALWAYS_ALLOWED_BYTES, MOST_EXPANSION * self._packed.count):
            raise FormatError(
                f"{self._name} expands to more than {MOST_EXPANSION} times its size, as no document does; "
                "if it is one, expand it first"
            )
        view[: len(data)] = data
        return len(data)
