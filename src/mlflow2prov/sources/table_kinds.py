"""What a source table is declared with: the types of its columns, and the table itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

Batches: TypeAlias = "Iterator[tuple[str, pa.RecordBatch]]"
"""What a source yields: the name of a source table and a batch of its rows."""


class Kind(Enum):
    """The type of a source column; the value is DuckDB's name for it."""

    NAME = "VARCHAR"
    """An exact string that names something: kept to the letter."""
    TEXT = "TEXT"
    """A string for people or URLs: credentials in it are removed when it is taken in."""
    BYTES = "BLOB"
    INT = "BIGINT"
    FLOAT = "DOUBLE"
    FLAG = "BOOLEAN"
    TEXTS = "TEXT[]"
    """A list of texts: credentials are removed likewise."""
    NAMES = "VARCHAR[]"
    """A list of exact strings."""


@dataclass(frozen=True, slots=True)
class Table:
    """One source table: its name, what a row is, and its columns in order."""

    name: str
    row: str
    columns: dict[str, Kind]

    def schema(self) -> pa.Schema:
        """The Arrow schema that every batch of this table has.

        >>> declared("git_parent", "a parent of a commit", commit=Kind.NAME, position=Kind.INT).schema().names
        ['commit', 'position']
        """
        import pyarrow as pa

        types: dict[Kind, pa.DataType] = {
            Kind.NAME: pa.string(),
            Kind.TEXT: pa.string(),
            Kind.BYTES: pa.binary(),
            Kind.INT: pa.int64(),
            Kind.FLOAT: pa.float64(),
            Kind.FLAG: pa.bool_(),
            Kind.TEXTS: pa.list_(pa.string()),
            Kind.NAMES: pa.list_(pa.string()),
        }
        return pa.schema([(name, types[kind]) for name, kind in self.columns.items()])


def declared(name: str, row: str, /, **columns: Kind) -> Table:
    """A source table, its columns as keywords."""
    return Table(name, row, columns)
