"""Rows of MySQL's binary protocol as Arrow columns, decoded by column.

Drivers for MySQL make a Python object of every value, which takes longer than all the rest. Here only the length
of each row is looked at one at a time (0.2 µs); the columns of thousands of rows are then cut out at once.

Follows "Binary Protocol Resultset Row" of MySQL's client/server protocol: a row is a packet of a zero, a bitmap of
the NULLs from bit 2 on, and the values that are there, which are of a fixed width or led by their length.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

    _Places = NDArray[np.int64]

_FIXED: Mapping[int, str] = {1: "<i1", 2: "<i2", 3: "<i4", 4: "<f4", 5: "<f8", 8: "<i8", 9: "<i4", 13: "<i2"}
"""The types of a fixed width by their number; all others are led by their length."""
_UNSIGNED = 32
_LENGTHS = ((252, "<u2", 3), (253, "<u4", 4), (254, "<i8", 9))
"""The first bytes that lead a longer length: its type, and how many bytes there are with it."""
_FULL = 0xFFFFFF
_PADDING = bytes(9)
_header = struct.Struct("<I").unpack_from


def complete_packets(received: bytearray, at: int) -> tuple[list[int], int]:
    """Where the payloads of the packets begin that have wholly arrived from ``at`` on, and where the last one ends.

    A row of 16 MiB or more comes in several packets, whose inner headers are taken out of ``received``.
    """
    starts: list[int] = []
    found, header, full = starts.append, _header, _FULL
    total = len(received)
    last = total - 4
    while at <= last:
        size = header(received, at)[0] & full
        after = at + 4 + size
        if after > total or size == full:
            after = _whole(received, at) if size == full else after
            total = len(received)
            last = total - 4
            if after > total:
                break
        found(at + 4)
        at = after
    return starts, at


def _whole(received: bytearray, begin: int) -> int:
    """Where a row of several packets ends, once they are joined; beyond all where some are still missing."""
    headers, at, size = [], begin, _FULL
    while size == _FULL:
        if at + 4 > len(received):
            return len(received) + 1
        headers.append(at)
        size = _header(received, at)[0] & _FULL
        at += 4 + size
    if at > len(received):
        return len(received) + 1
    for header in reversed(headers[1:]):
        del received[header : header + 4]
    return at - 4 * (len(headers) - 1)


def columns_of(
    rows: bytes | bytearray, starts: Sequence[int], types: Sequence[tuple[int, int]]
) -> list[pa.Array[Any]]:
    """The columns of rows: numbers by their type, and all else as bytes.

    Args:
        rows: the packets.
        starts: where their payloads begin.
        types: number and flags of each column's type.
    """
    data = bytes(rows) + _PADDING
    begin = np.array(starts, np.int64)
    at = begin + 1 + (len(types) + 9) // 8
    columns: list[pa.Array[Any]] = []
    for number, (kind, flags) in enumerate(types, start=2):
        bits = _gathered(data, begin + 1 + number // 8, "<u1")
        is_null = (bits >> (number % 8)) & 1 == 1
        if kind in _FIXED:
            name = _FIXED[kind].replace("i", "u") if flags & _UNSIGNED else _FIXED[kind]
            columns.append(pa.array(_gathered(data, at, name), mask=is_null))
            at = at + np.where(is_null, 0, np.dtype(name).itemsize)
        else:
            column, at = _texts(data, at, is_null)
            columns.append(column)
    return columns


def _gathered(data: bytes, places: _Places, kind: str) -> NDArray[Any]:
    """The numbers that begin at places, which need not be aligned."""
    width = np.dtype(kind).itemsize
    everywhere: NDArray[Any] = np.ndarray((len(data) - width + 1,), kind, data, strides=(1,))
    return everywhere[places]


def _texts(data: bytes, at: _Places, is_null: NDArray[np.bool_]) -> tuple[pa.Array[Any], _Places]:
    """The texts that are led by their lengths, and where what follows them begins.

    The texts and the gaps between them make one Arrow array over the rows; every other value of it is taken.
    """
    size = _gathered(data, at, "<u1").astype(np.int64)
    width = np.ones_like(size)
    for first, kind, bytes_with_it in _LENGTHS:
        (longer,) = np.nonzero((size == first) & ~is_null)
        if len(longer):
            found = _gathered(data, at[longer] + 1, kind).astype(np.int64)
            size[longer] = found & _FULL if first == 253 else found
            width[longer] = bytes_with_it
    begin = at + np.where(is_null, 0, width)
    end = begin + np.where(is_null, 0, size)
    edges = np.stack([begin, end], axis=1).astype(np.int32).ravel()
    pieces = pa.Array.from_buffers(
        pa.binary(), len(edges) - 1, [None, pa.py_buffer(edges.tobytes()), pa.py_buffer(data)]
    )
    places: pa.Array[Any] = pa.array(np.arange(0, len(edges), 2, dtype=np.int32), pa.int32(), mask=is_null)
    return pieces.take(places), end
