"""Reading the output of one ``git log`` as columns: all commits and changes of a piece of it at once.

What :func:`mlflow2prov.sources.git_log.read_log` yields one commit at a time comes here as arrays; the form of
the log is that of :func:`mlflow2prov.sources.git_log.log_arguments`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from mlflow2prov.sources.columns import numbers_of, places_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.int32]
    Bytes: TypeAlias = npt.NDArray[np.uint8]
    Flags: TypeAlias = npt.NDArray[np.bool_]
    Places: TypeAlias = npt.NDArray[np.int64]
    Column: TypeAlias = Any  # pyarrow does not say of an array that it is of bytes

_NUL, _LINE_END, _COLON = 0, 10, 58
_RENAMED, _COPIED = 82, 67
_MODE_AT = 8
_BLOB_AT = 16
_MODE_DIGITS = 6


class Piece(NamedTuple):
    """Some commits that follow one another in a log, with their changes.

    Attributes:
        shown: of each commit what is shown of it, with the NUL byte behind it.
        commit: of each change the number of its commit in this piece; the others likewise have one value a change.
        mode: the file mode afterwards, as a number.
        blob: the object name of the content afterwards, 20 or 32 bytes.
        status: the byte of its letter.
        similarity: in per cent, or -1.
        source: the place in ``paths`` of the path that it was renamed or copied from, or -1.
        path: the place of its path.
        paths: distinct ones.
        data: the bytes of the log.
        starts: where each commit begins in these, and where the last one ends.
    """

    shown: Column
    commit: Numbers
    mode: Numbers
    blob: Bytes
    status: Bytes
    similarity: Numbers
    source: Numbers
    path: Numbers
    paths: list[bytes]
    data: bytes
    starts: Places

    def records(self) -> Iterator[bytes]:
        """Yield the bytes that are all that the log shows of each commit, without the NUL byte at the end."""
        at = self.starts.tolist()
        yield from (self.data[start : end - 1] for start, end in pairwise(at))


class Pieces:
    """Makes pieces of a log out of the chunks of bytes in which it arrives.

    Held are the bytes of the last commit, which may go on, and some five times a chunk while it is looked at.

    Args:
        width: how many digits an object name has.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._held: list[bytes] = []
        self._size = 0
        self._least = 0

    def add(self, chunk: bytes) -> Iterator[Piece]:
        """Yield the piece that a chunk completes, if it does."""
        self._held.append(chunk)
        self._size += len(chunk)
        if self._size >= self._least:
            yield from self._cut(b"".join(self._held), is_all=False)

    def end(self) -> Iterator[Piece]:
        """Yield what is left."""
        yield from self._cut(b"".join(self._held), is_all=True)

    def _cut(self, data: bytes, *, is_all: bool) -> Iterator[Piece]:
        tokens = _Tokens(data, self._width)
        rest = 0 if tokens.count else -1
        if tokens.count:
            headers = tokens.headers
            last = tokens.count if is_all else int(headers[-1])
            rest = int(tokens.starts[last])
            if last:
                yield tokens.piece(last)
        self._held = [data[max(rest, 0) :]]
        self._size = len(self._held[0])
        # A commit of many chunks is looked at again after twice as many.
        self._least = 0 if rest > 0 else 2 * self._size


class _Tokens:
    """What stands between the NUL bytes of some data, and what each of it is."""

    def __init__(self, data: bytes, width: int) -> None:
        import numpy as np

        self._data, self._width = data, width
        self._bytes = np.frombuffer(data, "u1")
        ends = np.flatnonzero(self._bytes == _NUL)
        self.count = len(ends)
        self.starts = np.concatenate([np.zeros(1, "i8"), ends + 1])
        if not self.count:
            return
        first = self._bytes[self.starts[:-1]]
        second = self._bytes[np.minimum(self.starts[:-1] + 1, len(data) - 1)]
        is_first = (first == _LINE_END) & (second == _COLON)
        status_at = 17 + 2 * width
        is_entry = (first == _COLON) | is_first
        is_entry &= ends - self.starts[:-1] - is_first > status_at
        self._entry_at = self.starts[:-1] + is_first
        letters = self._bytes[np.where(is_entry, self._entry_at + status_at, 0)]
        has_two = is_entry & ((letters == _RENAMED) | (letters == _COPIED))
        is_path = np.zeros(self.count + 2, "?")
        is_path[1:-1] = is_entry
        is_path[2:] |= has_two
        if (is_entry & is_path[: self.count]).any():
            is_entry, has_two, is_path = _looked_at_one_by_one(is_entry, has_two)
        self._is_entry, self._has_two = is_entry, has_two
        self._is_header = ~is_entry & ~is_path[: self.count]
        self.headers = np.flatnonzero(self._is_header)

    def piece(self, count: int) -> Piece:
        """Return the commits of the first so many tokens, which end with a commit's last one."""
        import numpy as np

        everything = self._everything()
        entries = np.flatnonzero(self._is_entry[:count])
        has_two = self._has_two[entries]
        at = self._entry_at[entries]
        status_at = at + 17 + 2 * self._width
        digits = self.starts[entries + 1] - status_at - 2
        named = np.concatenate([entries + 1 + has_two, entries[has_two] + 1])
        found = everything.take(places_of(named)).dictionary_encode()
        places = numbers_of(found.indices)
        source = np.full(len(entries), -1, "i4")
        source[has_two] = places[len(entries) :]
        headers = self.headers[self.headers < count]
        return Piece(
            shown=everything.take(places_of(headers)),
            commit=(np.cumsum(self._is_header[:count], dtype="i4") - 1)[entries],
            mode=self._modes(at),
            blob=self._blobs(at),
            status=self._bytes[status_at],
            similarity=self._similarities(status_at + 1, digits),
            source=source,
            path=places[: len(entries)],
            paths=[path[:-1] for path in found.dictionary.to_pylist()],
            data=self._data,
            starts=self.starts[np.append(headers, count)],
        )

    def _everything(self) -> Column:
        """All tokens, each with the NUL byte behind it, without a copy."""
        import pyarrow as pa

        offsets = pa.py_buffer(self.starts.astype("i4").data)
        return pa.Array.from_buffers(pa.binary(), self.count, [None, offsets, pa.py_buffer(self._data)])

    def _modes(self, at: Places) -> Numbers:
        import numpy as np

        modes = np.zeros(len(at), "i4")
        for digit in range(_MODE_DIGITS):
            modes = modes * 8 + (self._bytes[at + _MODE_AT + digit] - ord("0"))
        return modes

    def _blobs(self, at: Places) -> Bytes:
        """The object names, two digits a byte."""
        import numpy as np

        values = np.zeros(256, "u1")
        values[np.frombuffer(b"0123456789abcdef", "u1")] = np.arange(16, dtype="u1")
        start = _BLOB_AT + self._width
        digits = values[
            np.lib.stride_tricks.sliding_window_view(self._bytes, self._width)[at + start]
            if len(at)
            else np.zeros((0, self._width), "u1")
        ]
        blobs: Bytes = digits[:, ::2] << 4 | digits[:, 1::2]
        return blobs

    def _similarities(self, at: Places, digits: Places) -> Numbers:
        import numpy as np

        values = np.where(digits > 0, 0, -1).astype("i4")
        for digit in range(int(digits.max(initial=0))):
            there = digits > digit
            values[there] = values[there] * 10 + (self._bytes[at[there] + digit] - ord("0"))
        return values


def _looked_at_one_by_one(is_entry: Flags, has_two: Flags) -> tuple[Flags, Flags, Flags]:
    """Tell entries from paths that look like one; the paths of an entry stand behind it."""
    import numpy as np

    paths = np.zeros(len(is_entry) + 2, "?")
    at = 0
    for number in np.flatnonzero(is_entry).tolist():
        if number < at:
            continue
        at = number + 3 if has_two[number] else number + 2
        paths[number + 1 : at] = True
    entries = is_entry & ~paths[:-2]
    return entries, has_two & entries, paths
