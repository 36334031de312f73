"""Where the spans of traces are: with the store, or in files among the artifacts of the traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlflow2prov.sources.mlflow.server_rows import known
from mlflow2prov.sources.tables import Batches

if TYPE_CHECKING:
    import pyarrow as pa

PLACE_TAG = "mlflow.artifactLocation"
"""The tag of a trace that says where its artifacts are."""

LOCATION_TAG = "mlflow.trace.spansLocation"
"""The tag of a trace that says who keeps its spans."""


def place_of_spans(tags: Mapping[str, str | None]) -> str | None:
    """Where the artifacts of a trace are that has its spans there; None where the store has them, or nobody says.

    >>> place_of_spans({"mlflow.artifactLocation": "/srv/1/traces/tr-1/artifacts"})
    '/srv/1/traces/tr-1/artifacts'
    """
    return None if known(tags.get(LOCATION_TAG)) else known(tags.get(PLACE_TAG))


class SpanPlaces:
    """Where the spans of traces are that lie among artifacts, by what a database says of them.

    Some versions keep the spans in both places: those of a trace are read from the database then. Holds two tags of
    each trace, and the identifiers of those whose spans the database has.
    """

    def __init__(self) -> None:
        self._tags: list[pa.RecordBatch] = []
        self._kept: list[pa.Array[Any]] = []

    def note(self, table: str, batch: pa.RecordBatch) -> None:
        """Keep what a batch of a source table tells of it."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if table == "mlflow_trace_tag":
            own = pa.array([LOCATION_TAG, PLACE_TAG])
            self._tags.append(batch.filter(pc.is_in(batch.column("key"), value_set=own)))
        elif table == "mlflow_span":
            self._kept.append(pc.unique(batch.column("trace_id")))

    def batches(self) -> Batches:
        """The spans that lie among artifacts."""
        kept = {trace_id for batch in self._kept for trace_id in batch.to_pylist()}
        if self._tags:
            from mlflow2prov.sources.mlflow.trace_files import read_span_files

            yield from read_span_files(it for it in self._places() if it[0] not in kept)

    def _places(self) -> Iterator[tuple[str, str]]:
        found: dict[str, dict[str, str | None]] = {}
        for rows in self._tags:
            for trace_id, key, value in zip(*(column.to_pylist() for column in rows.columns), strict=True):
                found.setdefault(trace_id, {})[key] = value
        for trace_id, own in found.items():
            place = place_of_spans(own)
            if place is not None:
                yield trace_id, place
