"""What is known to have no rows before events are expanded, and of what shape that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlflow2prov.model.declare import Event
from mlflow2prov.model.events import EVENTS

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.store import Store


@dataclass(frozen=True, slots=True)
class Empty:
    """What spares an interpreter to look at events without rows (see :mod:`mlflow2prov.model.driven`).

    Attributes:
        names: of source tables and events without rows.
        shapes: the columns of each event's rows, with their types, as an earlier expansion had them.
        settled: events whose records nobody asks for: others refer to what they name.
        is_frugal: an event without rows is looked at only where another one, or ``asked``, reads its rows; and
            rows that nothing reads any more, of events and of sources, are dropped.
        asked: SQL that reads rows afterwards.
    """

    names: frozenset[str] = frozenset()
    shapes: Mapping[str, str] = field(default_factory=dict)
    settled: frozenset[str] = frozenset()
    is_frugal: bool = False
    asked: str = ""


def without_rows(store: Store, sources: str) -> frozenset[str]:
    """Return the names of the source tables of a schema that have no rows."""
    rows = store.run(
        "SELECT table_name FROM duckdb_tables() WHERE concat(database_name, '.', schema_name) = ? "
        "AND estimated_size = 0",
        [sources],
    )
    return frozenset(name for (name,) in rows)


def shapes_of(graph: Graph, sources: str, events: Iterable[Event] = EVENTS) -> dict[str, str]:
    """Return the columns of each event's rows, with their types, in a schema that was expanded."""
    rows = graph.store.run(
        "SELECT table_name, string_agg(concat('\"', column_name, '\" ', data_type), ', ' ORDER BY column_index) "
        "FROM duckdb_columns() WHERE concat(database_name, '.', schema_name) = ? GROUP BY table_name",
        [sources],
    )
    names = {event.name for event in events}
    return {name: columns for name, columns in rows if name in names}
