"""Rows of MySQL's binary protocol: what a server would send is what is read."""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mlflow2prov.sources.mlflow.mysql_rows import columns_of, complete_packets

UNSIGNED = 32
FORMATS = {1: "b", 2: "h", 3: "i", 4: "f", 5: "d", 8: "q", 9: "i", 13: "h"}
TEXT, NOTHING = 253, 6
_whole = {kind: 8 * struct.calcsize(f"<{letter}") for kind, letter in FORMATS.items() if letter not in "fd"}


def values_of(kind: int, flags: int) -> st.SearchStrategy[Any]:
    if kind == TEXT:
        sizes = st.sampled_from([0, 1, 250, 251, 252, 255, 256, 65_535, 65_536, 70_000])
        return st.binary(max_size=20) | sizes.map(lambda size: b"\xfe" * size)
    if kind in _whole:
        bits = _whole[kind]
        first = 0 if flags & UNSIGNED else -(2 ** (bits - 1))
        return st.integers(first, first + 2**bits - 1)
    return st.none() if kind == NOTHING else st.floats(width=32 if kind == 4 else 64, allow_nan=False)


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[list[Any]]]:
    kinds = st.tuples(st.sampled_from([*FORMATS, TEXT, TEXT, NOTHING]), st.sampled_from([0, UNSIGNED]))
    types = draw(st.lists(kinds, min_size=1, max_size=20))
    row = st.tuples(*(st.none() | values_of(*kind) for kind in types)).map(list)
    return types, draw(st.lists(row, min_size=1, max_size=12))


def packet(types: list[tuple[int, int]], row: list[Any], number: int) -> bytes:
    """A row as a server sends it."""
    bits = bytearray((len(types) + 9) // 8)
    payload = b""
    for place, ((kind, flags), value) in enumerate(zip(types, row, strict=True), start=2):
        if value is None:
            bits[place // 8] |= 1 << place % 8
        elif kind == TEXT:
            payload += length(len(value)) + value
        else:
            letter = FORMATS[kind].upper() if flags & UNSIGNED and kind in _whole else FORMATS[kind]
            payload += struct.pack(f"<{letter}", value)
    body = b"\0" + bytes(bits) + payload
    return struct.pack("<I", len(body) | number % 256 << 24) + body


def length(size: int) -> bytes:
    if size < 251:
        return bytes([size])
    return b"\xfc" + struct.pack("<H", size) if size < 65_536 else b"\xfd" + struct.pack("<I", size)[:3]


@given(answer=answers(), step=st.integers(1, 5_000))
def test_what_is_sent_in_pieces_of_any_size_is_what_is_read(
    answer: tuple[list[tuple[int, int]], list[list[Any]]], step: int
) -> None:
    types, rows = answer
    sent = b"".join(packet(types, row, number) for number, row in enumerate(rows, start=250))
    received, starts, end = bytearray(), list[int](), 0
    for place in range(0, len(sent), step):
        received += sent[place : place + step]
        more, end = complete_packets(received, end)
        starts += more
    assert end == len(sent)
    columns = columns_of(received, starts, types)
    for column in columns:
        column.validate(full=True)
    assert [list(values) for values in zip(*(column.to_pylist() for column in columns), strict=True)] == rows


def test_a_row_of_several_packets_is_joined_once_it_is_all_there() -> None:
    text = b"a" * (2**24 - 1) + b"b" * 100
    body = b"\0\0" + b"\xfe" + struct.pack("<Q", len(text)) + text
    full = 2**24 - 1
    parts = [body[:full], body[full:]]
    sent = b"".join(struct.pack("<I", len(part))[:3] + b"\0" + part for part in parts)
    following = packet([(TEXT, 0)], [b"next"], 3)
    received = bytearray(sent[:-1])
    assert complete_packets(received, 0) == ([], 0)
    received += sent[-1:] + following
    starts, end = complete_packets(received, 0)
    assert end == len(received) == len(sent) + len(following) - 4
    (column,) = columns_of(received, starts, [(TEXT, 0)])
    assert column.to_pylist() == [text, b"next"]


def test_columns_of_numbers_keep_their_width() -> None:
    sent = packet([(8, UNSIGNED), (3, 0)], [2**64 - 1, -1], 0)
    kinds = [column.type for column in columns_of(sent, [4], [(8, UNSIGNED), (3, 0)])]
    assert kinds == [pa.uint64(), pa.int32()]
