"""Wide columns of events, which their rows get piece by piece while elements are told.

A join holds one side whole. What merges took from other branches has hundreds of megabytes in a large history,
and is needed once: so it is put beside the rows of its event, by their numbers, and joined to some of them at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow2prov.graph.store import ROW_GROUP
from mlflow2prov.model.declare import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckdb import DuckDBPyConnection

_MOST_VALUES = 200_000
"""So many values are joined at a time, some 20 MB; or those of one row, where it has more."""


def table_of(event: Event) -> str:
    """Return the name of the table that has the wide column of an event's rows."""
    return f"{event.name}_bulk"


def pieces(
    event: Event, rows: str, count: int, cursor: DuckDBPyConnection, run: Callable[[str], object]
) -> tuple[list[str], int]:
    """Return what selects the rows of an event with its wide column, piece by piece in their order.

    Args:
        event: one with such a column; its rows are there under its name.
        rows: the table of its rows without identifiers.
        count: how many these are.
        cursor: looks where they are.
        run: runs a statement that may need much memory.

    Returns:
        What stands behind ``FROM``, each with fewer rows than one thread scans; none where the column has
        nothing; and how many values the column has.
    """
    bulky = event.bulky
    assert bulky is not None
    table = table_of(event)
    run(f"CREATE TABLE {table} AS {bulky.rows.format(rows=rows)}")
    begins = cursor.execute(
        f"SELECT min(n), sum(size)::BIGINT FROM (SELECT n, size, sum(size) OVER (ORDER BY n) // {_MOST_VALUES} AS piece "
        f"FROM (SELECT n, len({bulky.column}) AS size FROM {table})) GROUP BY piece ORDER BY 1"
    ).fetchall()
    if not begins:
        return [], 0
    cuts = sorted({0, *range(0, count, ROW_GROUP), *(first for first, _ in begins[1:])})
    ends = [*cuts[1:], count]
    found = [_joined(event, table, first, end) for first, end in zip(cuts, ends, strict=True)]
    return found, sum(size for _, size in begins)


def _joined(event: Event, table: str, first: int, end: int) -> str:
    some = f"n BETWEEN {first} AND {end - 1}"
    return (
        f"(SELECT * FROM (SELECT * FROM {event.name} WHERE {some}) "
        f"LEFT JOIN (SELECT * FROM {table} WHERE {some}) USING (n))"
    )
