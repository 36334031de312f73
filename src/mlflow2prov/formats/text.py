"""Writing text that the engine puts together: the buffers of Arrow strings go to the file as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Literal

if TYPE_CHECKING:
    import pyarrow as pa

    from mlflow2prov.graph.store import Store


LARGEST_RECORD_BYTES = 64 * 2**20
"""No record of a document that is read may be larger: memory stays bounded, whatever a file holds."""


def write_strings(store: Store, sql: str, file: BinaryIO, *, skip: int = 0) -> int:
    """Write the one string column of a query, row after row, to a file; return the number of rows.

    ``skip`` bytes are left out at the start, such as the first row's separator. A batch of 20,000
    rows is held at a time; Python touches no row.
    """
    rows = 0
    for batch in store.batches(sql, 4_000):
        rows += batch.num_rows
        content = _content(batch.column(0))
        file.write(content[skip:])
        skip = 0
    return rows


def _content(strings: pa.Array[Any]) -> memoryview:
    import pyarrow as pa

    _, offsets, data = strings.buffers()
    if data is None or offsets is None or not len(strings):
        return memoryview(b"")
    width: Literal["q", "i"] = "q" if pa.types.is_large_string(strings.type) else "i"
    positions = memoryview(offsets).cast("B").cast(width)
    return memoryview(data)[positions[strings.offset] : positions[strings.offset + len(strings)]]


def literal(text: str) -> str:
    """Return a text as an SQL string literal.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
