"""What a way in is told of an earlier reading, and what it tells of this one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class Known(Protocol):
    """An earlier reading of a store. A way in yields rows, and says of which things they are all there are."""

    def all_of(self, table: str) -> None:
        """Say that all rows of a source table have been yielded."""

    def some_of(self, table: str, kind: str, ids: Sequence[str]) -> None:
        """Say that all rows of a source table have been yielded that belong to some runs or logged models."""

    def other_counts(self, table: str, counts: Iterable[pa.RecordBatch]) -> list[str]:
        """The runs with another number of rows in a table than in the earlier reading.

        Args:
            table: the source table.
            counts: batches of two columns: a run, and how many rows it has.
        """

    def more_of(self, table: str) -> None:
        """Say that rows of a source table may have been yielded, and that others stay as they were."""

    def begun_ms(self) -> int:
        """When the earlier reading began."""

    def ids(self, kind: str) -> list[str]:
        """The identifiers of all runs or logged models of the earlier reading that the store still had."""

    def unknown(self, kind: str, ids: Sequence[str]) -> set[str]:
        """Those of the runs or logged models that the earlier reading did not have."""

    def open_runs(self) -> list[str]:
        """The runs that had not ended, or were deleted."""

    def oldest(self, kind: str, most: int) -> list[str]:
        """The runs or logged models that were not looked at for longest."""

    def other_runs(self, run_ids: Sequence[str], latest: Sequence[tuple[object, ...]]) -> list[str]:
        """Those of the runs, whose rows have been yielded, that are others than before or have other points.

        Args:
            run_ids: the runs.
            latest: the latest point of each of their metrics, as rows of ``mlflow_metric``.
        """

    def to_list(self, owners: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        """Those of the owners of artifacts (``run`` or ``logged_model``, identifier, URI) to list again.

        To be called when all rows of runs and logged models have been yielded.
        """
