"""The formats in which documents are written and read: one row of ``FORMATS`` and one file each."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from mlflow2prov.errors import FormatError, UsageError
from mlflow2prov.graph.files import whole_file

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format.

    Attributes:
        name: as ``--format`` spells it; also the suffix of files written.
        title: what its standard is called.
        suffixes: of files read, with their dots.
        module: of this package; has ``write(graph, file)`` and ``read(file, name, store)``.
        extra: of the distribution that it needs, if any.
        reads: whether documents can be loaded from it.
        writes: whether documents can be saved in it.
        first_bytes: how a file of it may begin, after white space; for telling formats apart.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    module: str
    extra: str | None = None
    reads: bool = True
    writes: bool = True
    first_bytes: tuple[bytes, ...] = ()


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format(
            name="json",
            title="PROV-JSON (W3C Member Submission)",
            suffixes=(".json",),
            module="provjson",
            first_bytes=(b"{",),
        ),
    )
}
"""Every format by its name."""


def writable() -> tuple[str, ...]:
    """Return the names of the formats that documents can be saved in."""
    return tuple(row.name for row in FORMATS.values() if row.writes)


def readable() -> tuple[str, ...]:
    """Return the names of the formats that documents can be loaded from."""
    return tuple(row.name for row in FORMATS.values() if row.reads)


def write(graph: Graph, output: str | Path, format_name: str) -> Path:
    """Write a graph to ``output`` with the format's suffix and return the path.

    The file appears whole or not at all, and replaces one of that name.

    Raises:
        UsageError: no such format, or it can't be written.
        Mlflow2ProvError: the file can't be written.
    """
    row = _row(format_name, writing=True)
    target = Path(output)
    target = target.with_name(f"{target.name}.{row.name}")
    with whole_file(target) as unfinished, unfinished.open("wb") as file:
        _writer(row)(graph, file)
    return target


def write_to(graph: Graph, file: BinaryIO, format_name: str) -> None:
    """Write a graph to an open binary file, such as stdout."""
    _writer(_row(format_name, writing=True))(graph, file)


def read(path: str | Path, format_name: str | None = None, store: Store | None = None) -> Graph:
    """Return the document in a file as a graph.

    The format goes by ``format_name``, else by the suffix, else by the first bytes.

    Raises:
        FormatError: the file is missing, of no known format, or not right in its format.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return read_from(file, str(path), format_name, store, suffix=path.suffix)
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
    row = _row(format_name, writing=False) if format_name else _recognize(file, name, suffix)
    reader = cast("Callable[[BinaryIO, str, Store | None], Graph]", _module(row).read)
    return reader(file, name, store)


def _row(name: str, *, writing: bool) -> Format:
    row = FORMATS.get(name)
    known = writable() if writing else readable()
    if row is None or row.name not in known:
        verb = "written" if writing else "read"
        raise UsageError(f"no format {name!r} that can be {verb}; there is: {', '.join(known)}")
    return row


def _recognize(file: BinaryIO, name: str, suffix: str) -> Format:
    rows = [row for row in FORMATS.values() if row.reads]
    for row in rows:
        if suffix.lower() in row.suffixes:
            return row
    head = b""
    if file.seekable():
        head = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
        file.seek(0)
    for row in rows:
        if row.first_bytes and head.startswith(row.first_bytes):
            return row
    if not file.seekable() and len(rows) == 1:
        return rows[0]
    raise FormatError(
        f"can't tell the format of {name}: neither its suffix nor its first bytes are those of"
        f" {', '.join(row.name for row in rows)}; name it with --format"
    )


def _module(row: Format) -> Any:
    return importlib.import_module(f"mlflow2prov.formats.{row.module}")


def _writer(row: Format) -> Callable[[Graph, BinaryIO], None]:
    return cast("Callable[[Graph, BinaryIO], None]", _module(row).write)
