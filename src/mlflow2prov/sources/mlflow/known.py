"""What a way in is told of an earlier reading, and what it tells of this one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


MOST_CHECKS = 1_000
"""How many runs and logged models that look as before are listed nevertheless, each time."""


LINKS = "links"
"""What the links of runs to logged models are noted as, which are looked at on their own."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs or logged models are: in some experiments, and begun in a range of time, which may be open.

    Attributes:
        experiment_ids: of the experiments.
        since_ms: they began then or later.
        until_ms: they began before.
    """

    experiment_ids: tuple[str, ...]
    since_ms: int | None = None
    until_ms: int | None = None

    def has(self, experiment_id: str | None, moment_ms: int | None) -> bool:
        """Whether what began at a moment in an experiment is there."""
        if experiment_id not in self.experiment_ids:
            return False
        if self.since_ms is None and self.until_ms is None:
            return True
        return (
            moment_ms is not None
            and (self.since_ms is None or moment_ms >= self.since_ms)
            and (self.until_ms is None or moment_ms < self.until_ms)
        )


class Signature(NamedTuple):
    """What the files of a run or logged model are known by.

    Attributes:
        digest: of the names, sizes, times and numbers of the files.
        newest_ns: when one of them was changed last.
        is_elsewhere: whether its artifacts may be in another folder.
    """

    digest: str
    newest_ns: int
    is_elsewhere: bool


class Finished(Protocol):
    """Which runs an earlier reading, that was broken off, had read to their end."""

    def unfinished(self, run_ids: Sequence[str]) -> set[str]:
        """Those of the runs that are still to be read."""

    def finish(self, run_ids: Sequence[str]) -> None:
        """Note that the runs have been read, and what was yielded of them taken in."""

    def sign(self, kind: str, signatures: Mapping[str, Signature | None]) -> None:
        """Note what the files of runs or logged models are known by, where there are files."""


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

    def likely(self) -> list[str] | None:
        """The runs that are likely to have more rows than before: those that are new, or had not ended.

        To be called when all rows of runs have been yielded.

        Returns:
            their identifiers; None where they are many.
        """

    def others_of_likely(self, table: str, total: int, counts: Iterable[pa.RecordBatch]) -> list[str] | None:
        """Those of the runs that are :meth:`likely` to have more rows that do have another number of rows.

        Args:
            table: the source table, whose rows are only ever added.
            total: how many rows it has.
            counts: batches of two columns: one of these runs, and how many rows it has.

        Returns:
            their identifiers; None where the total says that others have as well.
        """

    def more_of(self, table: str) -> None:
        """Say that rows of a source table may have been yielded, and that others stay as they were."""

    def begun_ms(self) -> int:
        """When the earlier reading began."""

    def ids(self, kind: str) -> list[str]:
        """The identifiers of all runs or logged models of the earlier reading that the store still had."""

    def signatures(self, kind: str) -> Mapping[str, Signature]:
        """The signatures of runs or logged models, as they were noted last."""

    def sign(self, kind: str, signatures: Mapping[str, Signature | None]) -> None:
        """Note the signatures of runs or logged models; None for those that have none any more."""

    def unknown(self, kind: str, ids: Sequence[str]) -> set[str]:
        """Those of the runs or logged models that the earlier reading did not have."""

    def open_runs(self) -> list[tuple[str, str, int | None]]:
        """The runs that had not ended, with their experiments and beginnings, in the order of these."""

    def deleted_runs(self) -> list[tuple[str, str, int | None]]:
        """The runs that were deleted, likewise."""

    def count(self, kind: str, place: Place, without: Collection[str]) -> int:
        """How many runs, or active logged models, the earlier reading had in a place, without some."""

    def members(self, kind: str, place: Place) -> list[str]:
        """Their identifiers."""

    def middle(self, kind: str, place: Place) -> int | None:
        """A moment before which some of them began, and not all; None where there is none."""

    def elsewhere(self, kind: str, experiment_ids: Sequence[str]) -> list[str]:
        """The runs or logged models of other experiments than these."""

    def oldest(self, kind: str, most: int) -> list[str]:
        """The runs, logged models or links of runs (`LINKS`) that were not looked at for longest."""

    def other_outputs(self, run_ids: Sequence[str], links: Iterable[tuple[object, ...]]) -> set[str]:
        """Those of the runs that put other logged models out, given the rows of all that they put out now."""

    def other_runs(self, run_ids: Sequence[str], latest: Sequence[tuple[object, ...]]) -> list[str]:
        """Those of the runs, whose rows have been yielded, that are others than before or have other points.

        Args:
            run_ids: the runs.
            latest: the latest point of each of their metrics, as rows of ``mlflow_metric``.
        """

    def to_list(
        self, owners: Iterable[tuple[str, str, str]], most: int = MOST_CHECKS
    ) -> list[tuple[str, str, str]]:
        """Those of the owners of artifacts (``run`` or ``logged_model``, identifier, URI) to list again.

        To be called when all rows of runs and logged models have been yielded.

        Args:
            owners: the owners, which may be as before.
            most: how many of those that look as before are listed nevertheless.
        """
