"""Records of one kind of a PROV-N document on their way into the staging tables."""

from __future__ import annotations

from mlflow2prov.formats.intern import Columns, Staging
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.records import RecordKind


class Batch:
    """Records of one kind in one bundle.

    Attributes:
        is_element: whether the kind is one of elements.
        formal: the names of the formal arguments, which no attribute may have.
        sizes: how many formal arguments a record may have in PROV-N: those that it must have, or all.
        own: the records' own identifiers.
        references: a list of names for each formal argument that is an identifier.
        times: a list of instants for each one that is an instant.
        keys: the attribute keys of all records, one after the other.
        values: likewise their values.
        ends: where in these lists the attributes of each record end.
    """

    __slots__ = (
        *("_columns", "_kind", "ends", "formal", "is_element", "keys", "own", "references", "sizes", "times"),
        "values",
    )

    def __init__(self, bundle: str, kind: RecordKind) -> None:
        self._kind = kind
        self.is_element = kind.is_element
        self.references: list[list[str | None]] = [[] for _ in kind.references]
        self.times: list[list[str | None]] = [[] for _ in kind.times]
        self.formal = frozenset(f"prov:{argument}" for argument in (*kind.references, *kind.times))
        self.sizes = frozenset({kind.required, len(self.references) + len(self.times)})
        self._columns = Columns(bundle, kind.number, others=[*self.references, *self.times])
        self.own = self._columns.names
        self.keys = self._columns.keys
        self.values = self._columns.values
        self.ends = self._columns.ends

    @property
    def wrong_number(self) -> str:
        """What is wrong with a record that has another number of arguments."""
        least, most = min(self.sizes), max(self.sizes)
        allowed = f"{least}" if least == most else f"{least} or {most}"
        besides = " besides its identifier" if self.is_element else ""
        return f"{self._kind.name} has {allowed} formal arguments{besides}"

    def stage(self, staging: Staging) -> None:
        """Append the records to the staging tables."""
        times = ("start_time", "end_time") if self.is_element else ("time",)
        names = (*ARGUMENT_COLUMNS[: len(self.references)], *times[: len(self.times)])
        staging.append("element" if self.is_element else "relation", self._columns, names)
