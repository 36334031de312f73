"""Names and records as people read them: PROV-N without attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.records import KIND_BY_NUMBER

_AT_ONCE = 10_000
_TABLES = (
    ("element", ("start_time", "end_time")),
    ("relation", (*ARGUMENT_COLUMNS, "time")),
)


class Shown:
    """The names and records of a graph that were looked up, which it holds in memory."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._names: dict[int, str] = {}
        self._rows: dict[int, tuple[Any, ...]] = {}

    def look_up(self, places: Iterable[int], names: Iterable[int]) -> None:
        """Read the records at these places, with all names in them, and further names."""
        wanted = set(names)
        places = set(places)
        for is_relation, (table, columns) in enumerate(_TABLES):
            rowids = sorted(place // 2 for place in places if place % 2 == is_relation)
            for piece in _pieces(rowids):
                rows = self._graph.query(
                    f"SELECT rowid, kind, id, {', '.join(columns)} FROM {{graph}}.{table} WHERE rowid IN ({piece})"
                )
                for rowid, *row in rows:
                    self._rows[rowid * 2 + is_relation] = tuple(row)
                    wanted |= {number for number in row[1:] if isinstance(number, int)}
        for piece in _pieces(sorted(wanted)):
            self._names |= dict(
                self._graph.query(
                    f"SELECT id, concat_ws(':', nullif(prefix, ''), local) FROM {{graph}}.name WHERE id IN ({piece})"
                )
            )

    def name(self, number: int) -> str:
        """Return an identifier as ``prefix:local``."""
        return self._names[number]

    def record(self, place: int) -> str:
        """Return a record in PROV-N, without its attributes."""
        kind_number, own, *formal = self._rows[place]
        kind = KIND_BY_NUMBER[kind_number]
        if kind.is_element:
            shown = [self.name(own), *(time or "-" for time in formal[: len(kind.times)])]
            if not any(formal):
                shown = shown[:1]
            return f"{kind.name}({', '.join(shown)})"
        arguments = [
            "-" if number is None else self.name(number) for number in formal[: len(kind.references)]
        ]
        if kind.name == "wasDerivedFrom" and arguments[2:] == ["-", "-", "-"]:
            arguments = arguments[:2]
        arguments += [formal[-1] or "-"] if kind.times else []
        identifier = "" if own is None else f"{self.name(own)}; "
        return f"{kind.name}({identifier}{', '.join(arguments)})"


def _pieces(numbers: list[int]) -> Iterator[str]:
    """The numbers as lists in SQL, not too many at once."""
    for start in range(0, len(numbers), _AT_ONCE):
        yield ", ".join(map(str, numbers[start : start + _AT_ONCE]))
