"""JSON as text, for the readers of formats that are made of it: whole, unambiguous, and with places in errors."""

from __future__ import annotations

import gc
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import msgspec

from mlflow2prov.errors import FormatError
from mlflow2prov.formats.intern import Staging
from mlflow2prov.formats.text import LARGEST_RECORD_BYTES
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import Store

NOT_JSON = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""What the parser raises for text that is not JSON, or that it does not take."""

_PIECE_BYTES = 2**23
_COUNTED_BYTES = 2**20
_TOGETHER = 2_000
_SPACE = b" \t\r\n"
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BYTE = re.compile(r" \(byte (\d+)\)")
_MARKS = ((b"\xff\xfe", "UTF-16 or UTF-32"), (b"\xfe\xff", "UTF-16"), (b"\x00", "UTF-16, UTF-32 or no text"))


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep Python from looking for cycles among millions of objects that have none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def graph_of_json(
    file: BinaryIO, name: str, store: Store | None, title: str, stage: Callable[[Staging, bytes], None]
) -> Graph:
    """Return a document of a format that is JSON as a graph; ``stage`` reads its content, ``title`` names the format.

    Raises:
        FormatError: it is not JSON, not whole, or not of the format; the message has the path.
    """
    content = content_of(file, name, title)
    with Staging(store, name) as staging, without_collection():
        try:
            stage(staging, content)
        except NOT_JSON as error:
            raise FormatError(f"{name} is not a {title} document: {reason(error, content)}") from error
        del content
        return staging.finish()


def content_of(file: BinaryIO, name: str, title: str) -> bytes:
    """Return what a file holds; ``title`` is what its format is called.

    Raises:
        FormatError: it is in no encoding that JSON may have, or has one string that is larger than a
            record may be; memory stays bounded then, too.
    """
    held = io.BytesIO()
    quiet = 0
    while piece := file.read(_PIECE_BYTES):
        if not held.tell():
            _check_encoding(piece, name, title)
        held.write(piece)
        last = piece.rfind(b'"')
        quiet = quiet + len(piece) if last < 0 else len(piece) - last
        if quiet > LARGEST_RECORD_BYTES:
            line = 1 + held.getvalue().count(b"\n", 0, held.tell() - quiet)
            raise FormatError(
                f"{name} is not a {title} document: line {line}: "
                f"a string or space of more than {LARGEST_RECORD_BYTES:,} bytes begins"
            )
    return held.getvalue()


def _check_encoding(head: bytes, name: str, title: str) -> None:
    for mark, encoding in _MARKS:
        if mark in head[:2]:
            raise FormatError(
                f"{name} is not a {title} document: line 1: it is {encoding}, UTF-8 is expected: save it so"
            )


def reason(error: Exception, content: bytes | msgspec.Raw, *, is_file: bool = True) -> str:
    """Return what is wrong with JSON in words, with the line where ``content`` is a whole file.

    >>> text = b'{"a": 1, x}'
    >>> try:
    ...     msgspec.json.decode(text)
    ... except msgspec.DecodeError as error:
    ...     print(reason(error, text))
    line 1, column 10: JSON is malformed: object keys must be strings
    """
    content = bytes(content)
    if not content.strip():
        return "it is empty"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    said = str(error)
    place = _BYTE.search(said)
    position = int(place[1]) if place else len(content)
    said = _BYTE.sub("", said).partition(" - at `")[0]
    if isinstance(error, UnicodeDecodeError):
        said = "this is not UTF-8"
        position = _first_not_utf8(content)
    elif "truncated" in said:
        said = "it breaks off"
        if not is_file or content.rstrip().endswith(b"}"):
            said += ", or has half of a surrogate pair"
    elif "surrogate" in said or "hex escape" in said:
        said = "it has half of a surrogate pair"
    if not is_file:
        return said
    line = content.count(b"\n", 0, position) + 1
    column = position - (content.rfind(b"\n", 0, position) + 1) + 1
    return f"line {line}, column {column}: {said}"


def _first_not_utf8(content: bytes) -> int:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(content)


def repeated_member(raw: bytes | msgspec.Raw, members: Mapping[str, msgspec.Raw]) -> str | None:
    """Return a name that several members of an object have, None if there is none.

    A parser keeps the last of them, so that what the others say would be lost without a word. It shows
    in the quotation marks: those of what is read, and two for each name, are all that the object has.

    >>> text = b'{"a": {"b": 1}, "a": {}}'
    >>> repeated_member(text, msgspec.json.decode(text, type=dict[str, msgspec.Raw]))
    'a'
    """
    values = list(members.values())
    if _has_plain(members) and _marks([raw]) == _marks(values) + 2 * len(members):
        return None
    if _colons(raw) == _colons(b",".join(values)) + len(members):
        return None  # keys have escapes
    return _repeated(raw)


def repeated_within(raws: Sequence[msgspec.Raw], bodies: Sequence[Any]) -> tuple[int, str] | None:
    """Return the first of some values in which an object has several members of one name, and that name.

    >>> texts = [msgspec.Raw(b'{"a": 1}'), msgspec.Raw(b'{"b": [{"a": 1, "a": 2}]}')]
    >>> repeated_within(texts, [msgspec.json.decode(text) for text in texts])
    (1, 'a')
    """
    encode = msgspec.json.encode
    together = b",".join(raws)
    if b"\\u0022" not in together and together.count(b'"') == encode(bodies).count(b'"'):
        return None
    for index, (raw, body) in enumerate(zip(raws, bodies, strict=True)):
        if _size(raw) != _size(encode(body)) and _colons(raw) != _members(body):
            return index, _repeated(raw) or ""
    return None


def _has_plain(names: Iterable[str]) -> bool:
    """Whether no name has an escape of its own, and so two quotation marks."""
    return b"\\" not in msgspec.json.encode(list(names))


def _marks(texts: Sequence[bytes | msgspec.Raw]) -> int:
    """How many quotation marks there are; little is copied at a time, which is quicker than much."""
    found = 0
    for start in range(0, len(texts), _TOGETHER):
        group = texts[start : start + _TOGETHER]
        if sum(map(len, group)) <= _PIECE_BYTES:
            found += b"".join(group).count(b'"')
            continue
        for text in group:
            seen, size = memoryview(text), len(text)
            pieces = (bytes(seen[at : at + _COUNTED_BYTES]) for at in range(0, size, _COUNTED_BYTES))
            found += sum(piece.count(b'"') for piece in pieces)
    return found


def _size(text: bytes | msgspec.Raw) -> int:
    """How many bytes there are but for white space, also that within strings."""
    return len(bytes(text).translate(None, _SPACE))


def _colons(text: bytes | msgspec.Raw) -> int:
    """How many members all objects within a text have."""
    return _STRING.sub(b"", text).count(b":")


def _members(value: Any) -> int:
    """How many members all objects within a value have."""
    found, left = 0, [value]
    while left:
        one = left.pop()
        if type(one) is dict:
            found += len(one)
            left += one.values()
        elif type(one) is list:
            left += one
    return found


def _repeated(raw: bytes | msgspec.Raw) -> str | None:
    """Find a repeated name by reading it all with a slower parser."""
    found: list[str] = []

    def take(pairs: list[tuple[str, Any]]) -> None:
        counts = Counter(name for name, _ in pairs)
        found.extend(name for name, count in counts.items() if count > 1)

    json.loads(bytes(raw), object_pairs_hook=take, parse_int=str, parse_float=str)
    return found[0] if found else None
