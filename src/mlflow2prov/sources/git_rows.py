"""Making Arrow batches of the source tables out of what a pass over a history has found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow2prov.prov.text import clean_text
from mlflow2prov.sources.columns import column
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

BATCH_ROWS = 50_000

LAST_S = 253_402_300_799
"""The last second of the year 9999. Git gives no instant before 1970."""

Column = Sequence[Any]


def seconds_of(digits: bytes) -> int | None:
    """Return an instant that Git gives in decimal, or None where it is none of the years 1 to 9999.

    >>> seconds_of(b"253402300799"), seconds_of(b"253402300800"), seconds_of(b"")
    (253402300799, None, None)
    """
    if not digits.isdigit() or len(digits) > 12:
        return None
    seconds = int(digits)
    return seconds if seconds <= LAST_S else None


def known(value: bytes) -> str | None:
    """Return the text of a name or a message, or None where it is empty."""
    return clean_text(value) or None


def batches_of(table: str, columns: Sequence[Column]) -> Batches:
    """Yield the rows of a source table, given by its columns, in batches of ``BATCH_ROWS`` at most."""
    import pyarrow as pa

    schema = SOURCE_TABLES[table].schema()
    for start in range(0, len(columns[0]), BATCH_ROWS):
        arrays = [
            column(values[start : start + BATCH_ROWS], field.type)
            for values, field in zip(columns, schema, strict=True)
        ]
        yield table, pa.RecordBatch.from_arrays(arrays, schema=schema)


def batches_of_rows(table: str, rows: Sequence[tuple[Any, ...]]) -> Batches:
    """Yield the rows of a source table in batches of ``BATCH_ROWS`` at most."""
    if rows:
        yield from batches_of(table, list(zip(*rows, strict=True)))
