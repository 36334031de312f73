"""The formats in which documents are written and read: one row of ``FORMATS`` and one file each."""

from __future__ import annotations

import importlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from mlflow2prov.errors import FormatError, UsageError
from mlflow2prov.formats import beginnings
from mlflow2prov.formats.compression import compressing, compression_of, expanding
from mlflow2prov.formats.declared import FORMATS, Format
from mlflow2prov.graph.files import whole_file, whole_folder

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.store import Store

_HEAD_BYTES = 2**16
"""How much of a file is looked at to tell its format."""


_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""How files of UTF-16 begin, as some programs for Windows save text."""

_READ_UTF_16 = ("xml", "json", "jsonld")
"""Readers that see to it: XML's parser takes it, those of JSON say in their own words that they do not."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def writable() -> tuple[str, ...]:
    """Return the names of the formats that documents can be saved in."""
    return tuple(row.name for row in FORMATS.values() if row.writes)


def readable() -> tuple[str, ...]:
    """Return the names of the formats that documents can be loaded from."""
    return tuple(row.name for row in FORMATS.values() if row.reads)


def target_of(output: str | Path, format_name: str, number: int = 0) -> Path:
    """Return the path that ``save`` writes to: the name, the format's suffix, and that of a compression.

    A suffix of the format that is there already is not added once more. ``number``, where there are
    several documents, stands before the suffix.

    Raises:
        UsageError: that is no name of a file, it is compressed twice, its suffix is another format's, or the
            format is a folder, which can't be compressed.

    >>> [str(target_of(name, "json")) for name in ("a", "a.json", "a.gz", "a.json.gz")]
    ['a.json', 'a.json', 'a.json.gz', 'a.json.gz']
    >>> str(target_of("a.json", "json", 2))
    'a-2.json'
    """
    is_folder = str(output).endswith(("/", "\\"))
    output = Path(output)
    stem = output.name[: len(output.name) - len(compression_of(output.name))]
    packing = output.name[len(stem) :]
    told = format_of(output)
    if told not in (None, format_name):
        raise UsageError(
            f"{output} has the suffix of {told}, but the format is {format_name}: leave one of them out"
        )
    if packing and FORMATS[format_name].marker:
        raise UsageError(f"{format_name} is a folder, which can't be compressed: leave out {packing}")
    if compression_of(stem):
        raise UsageError(f"can't write to {str(output)!r}: it would be compressed twice")
    suffix = Path(stem).suffix if told else f".{format_name}"
    stem = stem.removesuffix(suffix)
    if stem in ("", "..") or "\0" in stem or is_folder:
        raise UsageError(f"can't write to {str(output)!r}: that is no name of a file")
    return output.with_name(f"{stem}{f'-{number}' if number else ''}{suffix}{packing}")


def draws(format_name: str) -> bool:
    """Return whether a format is a drawing, which can show attributes or not."""
    return "attributes" in FORMATS[format_name].settings


def expected_bytes(graph: Graph, format_name: str) -> int:
    """Return about how large a graph will be in a format, from measured means a record."""
    row = FORMATS[format_name]
    return graph.count("element") * row.element_bytes + graph.count("relation") * row.relation_bytes


def format_of(output: str | Path) -> str | None:
    """Return the format that the suffix of a name to write to tells, if it does.

    >>> format_of("a.json.gz"), format_of("A.PROVX"), format_of("a.txt")
    ('json', 'xml', None)
    """
    name = Path(output).name
    suffix = Path(name[: len(name) - len(compression_of(name))]).suffix.lower()
    return next(
        (row.name for row in FORMATS.values() if row.writes and suffix in (f".{row.name}", *row.suffixes)),
        None,
    )


def require(format_name: str) -> None:
    """Make sure that a format can be written here.

    Raises:
        UsageError: no such format that can be written.
        FormatError: the program that draws it is not installed.
    """
    if _row(format_name, writing=True).program:
        from mlflow2prov.formats.picture import program

        program()


def require_stream(format_name: str) -> None:
    """Make sure that a format can be written to standard output.

    Raises:
        UsageError: no such format, or it can't be written so.
    """
    row = _row(format_name, writing=True)
    if row.marker:
        raise UsageError(f"{row.name} is a folder of files: it can't be written to standard output")


def write(
    graph: Graph, output: str | Path, format_name: str, *, overwrite: bool = True, **settings: Any
) -> Path:
    """Write a graph to ``output`` with the format's suffix and return the path.

    The file (or folder, for some formats) appears whole or not at all, and replaces one of that name.
    A name that ends in ``.gz`` or ``.zst`` is of a compressed file.

    Args:
        graph: what to write.
        output: where, see :func:`target_of`.
        format_name: of ``FORMATS``.
        overwrite: whether a file of that name may be replaced.
        settings: what the format's writer takes, such as ``attributes`` of ``dot``.

    Raises:
        UsageError: no such format, it can't be written, or it does not have such a setting.
        FormatError: the format can't express the document.
        Mlflow2ProvError: the file can't be written.
    """
    row = _row(format_name, writing=True)
    _check_settings(row, settings)
    target = target_of(output, row.name)
    packing = compression_of(target.name)
    if row.marker:
        with whole_folder(target, _module(row).is_own, overwrite=overwrite) as folder:
            _module(row).write_folder(graph, folder, **settings)
        return target
    with (
        whole_file(target, overwrite=overwrite) as unfinished,
        unfinished.open("wb") as file,
        compressing(file, packing) as plain,
    ):
        _module(row).write(graph, plain, **settings)
    return target


def write_to(graph: Graph, file: BinaryIO, format_name: str, **settings: Any) -> None:
    """Write a graph to an open binary file, such as stdout.

    Raises:
        UsageError: no such format, it can't be written to one file, or does not have such a setting.
    """
    row = _row(format_name, writing=True)
    require_stream(row.name)
    require(row.name)
    _check_settings(row, settings)
    _module(row).write(graph, file, **settings)


def read(path: str | Path, format_name: str | None = None, store: Store | None = None) -> Graph:
    """Return the document in a file as a graph.

    The format goes by ``format_name``, else by the suffix, else by the first bytes.

    Raises:
        FormatError: the file is missing, of no known format, or not right in its format.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path, format_name, store)
    try:
        with path.open("rb") as file:
            name = path.name[: len(path.name) - len(compression_of(path.name))]
            return read_from(file, str(path), format_name, store, suffix=Path(name).suffix)
    except OSError as error:
        raise FormatError(f"can't read {path}: {error.strerror or error}") from error


def read_from(
    file: BinaryIO,
    name: str,
    format_name: str | None = None,
    store: Store | None = None,
    *,
    suffix: str = "",
) -> Graph:
    """Return the document in an open binary file as a graph; ``name`` is for messages."""
    head, file = _head(file)
    expanded = expanding(file, head, name)
    if expanded is not None:
        head, file = _head(expanded)
    if head.startswith(_BYTE_ORDER_MARK):
        file.read(len(_BYTE_ORDER_MARK))
        head = head.removeprefix(_BYTE_ORDER_MARK)
    if not head:
        raise FormatError(f"{name} holds no document: it is empty")
    row = _row(format_name, writing=False) if format_name else _recognize(head, name, suffix)
    if head.startswith(_UTF_16) and row.name not in _READ_UTF_16:
        raise FormatError(f"{name} is UTF-16, which {row.name} can't be read from: save it as UTF-8")
    if row.marker:
        raise FormatError(f"{name} is a file, but {row.name} is a folder of files")
    reader = cast("Callable[[BinaryIO, str, Store | None], Graph]", _module(row).read)
    graph = reader(file, name, store)
    graph.origin = name
    return graph


def _read_folder(folder: Path, format_name: str | None, store: Store | None) -> Graph:
    rows = [row for row in FORMATS.values() if row.reads and row.marker and format_name in (None, row.name)]
    row = next((row for row in rows if (folder / row.marker).is_file()), None)
    if row is None:
        raise FormatError(f"can't read {folder}: it is a folder, but not one of a format that is a folder")
    reader = cast("Callable[[Path, str, Store | None], Graph]", _module(row).read_folder)
    graph = reader(folder, str(folder), store)
    graph.origin = str(folder)
    return graph


class _Rejoined(io.RawIOBase):
    """A file whose first bytes were read already."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        super().__init__()
        self._head = memoryview(head)
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data: bytes | memoryview = self._head[: len(view)] or self._file.read(len(view))
        self._head = self._head[len(view) :]
        view[: len(data)] = data
        return len(data)


def _head(file: BinaryIO) -> tuple[bytes, BinaryIO]:
    """The first bytes of a file, and a file that has them still."""
    head = file.read(_HEAD_BYTES)
    if file.seekable():
        file.seek(0)
        return head, file
    return head, io.BufferedReader(_Rejoined(head, file), 1 << 20)


def _row(name: str, *, writing: bool) -> Format:
    row = FORMATS.get(name)
    known = writable() if writing else readable()
    if row is None or row.name not in known:
        verb = "written" if writing else "read"
        raise UsageError(f"no format {name!r} that can be {verb}; there is: {', '.join(known)}")
    return row


def _check_settings(row: Format, settings: dict[str, Any]) -> None:
    for word in settings:
        if word not in row.settings:
            raise UsageError(f"{row.name} has no setting {word!r}")


def _recognize(head: bytes, name: str, suffix: str) -> Format:
    rows = [row for row in FORMATS.values() if row.reads]
    for row in rows:
        if suffix.lower() in row.suffixes:
            return row
    if head.startswith(_UTF_16):
        raise FormatError(f"can't tell the format of {name}, which is UTF-16: save it as UTF-8")
    begin = head.lstrip(b" \t\r\n")
    for row in rows:
        if row.looks and re.match(row.looks, begin, beginnings.FLAGS):
            return row
    raise FormatError(
        f"can't tell the format of {name}: neither its suffix nor its first bytes are those of"
        f" {', '.join(row.name for row in rows)}; name it with --format"
    )


def _module(row: Format) -> Any:
    return importlib.import_module(f"mlflow2prov.formats.{row.module}")
