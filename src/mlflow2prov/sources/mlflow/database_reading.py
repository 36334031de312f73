"""What a declaration says of how a table of MLflow's database makes a source table.

A column is a list of SQL expressions, best first: the first one whose columns the database has is read, so
that one declaration fits every version of the schema. Expressions name columns as ``alias.column``. What
databases say in different ways stands as ``@word(arguments)``: a :class:`Dialect` has the SQL for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NARROW_ROWS = 65_536
WIDE_ROWS = 8_192
WIDEST_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How one query fills one source table.

    Attributes:
        table: the source table.
        tables: the SQL tables, by the alias that expressions name them by.
        source: the text behind FROM.
        columns: for each column of the source table the expressions to try. A table for which none of
            them can be read is left out; ``NULL`` at the end makes a column optional.
        rows: how many rows a batch has, fewer where a row may be long.
        part: the name of the part that leaves it out.
        instead_of: the name of the part without which, and only without which, it is read.
        is_nan: the expression that tells, where the value of a metric is not a number.
    """

    table: str
    tables: Mapping[str, str]
    source: str
    columns: Mapping[str, tuple[str, ...]]
    rows: int = WIDE_ROWS
    part: str | None = None
    instead_of: str | None = None
    is_nan: str | None = None


def known(column: str) -> str:
    """A text that is NULL where it is empty: over HTTP the two can't be told apart."""
    return f"@known({column})"


def optional(column: str) -> tuple[str, ...]:
    """A text that older databases lack."""
    return known(column), "NULL"


def number(column: str) -> tuple[str, ...]:
    """A number that older databases lack."""
    return column, "NULL"


def tags(
    table: str, sql: str, owner: Mapping[str, tuple[str, ...]], *, prefix: str = "", part: str | None = None
) -> Reading:
    """A table of pairs, whose values are taken as they are, the empty ones as well."""
    columns = {**owner, "key": (f"t.{prefix}key",), "value": (f"t.{prefix}value",)}
    return Reading(table=table, tables={"t": sql}, source=f"{sql} AS t", columns=columns, part=part)


def told(column: str, redacted: str) -> tuple[str, ...]:
    """A text that MLflow overwrites with a word where the version is deleted."""
    return f"@told({column}, '{redacted}')", "NULL"
