"""What a long work says of itself while it goes on: phases, and how much each has done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa

_T = TypeVar("_T")
Counts = Mapping[str, int]
"""How much there is of each sort of thing, by its name in the plural."""

Report = Callable[[str, "Counts | Callable[[], Counts]"], None]
"""Takes a phase and what it has done so far, as counts or as something that counts when it is asked."""

SHOWN: Mapping[str, str] = {
    "mlflow_run": "runs",
    "mlflow_metric": "metric points",
    "mlflow_logged_model": "models",
    "mlflow_model_version": "model versions",
    "mlflow_artifact": "artifacts",
    "mlflow_trace": "traces",
    "git_commit": "commits",
    "git_revision": "revisions",
}
"""The source tables whose rows are shown while they are read, and what they are called."""


def silent(_: str, __: Counts | Callable[[], Counts]) -> None:
    """Report nothing."""


def watched_batches(
    phase: str, batches: Iterable[tuple[str, pa.RecordBatch]], report: Report
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The batches of a source, each reported as it passes."""
    counts: Counter[str] = Counter()
    report(phase, {})
    for table, batch in batches:
        if table in SHOWN:
            counts[SHOWN[table]] += batch.num_rows
            report(phase, dict(counts))
        yield table, batch


def watched_items(phase: str, noun: str, items: Iterable[_T], report: Report) -> Iterator[_T]:
    """The items, each reported before it is worked on.

    >>> seen: list[Any] = []
    >>> list(watched_items("events", "kinds", "ab", lambda *what: seen.append(what))), seen
    (['a', 'b'], [('events', {'kinds': 0}), ('events', {'kinds': 1}), ('events', {'kinds': 2})])
    """
    done = 0
    report(phase, {noun: done})
    for item in items:
        yield item
        done += 1
        report(phase, {noun: done})


def bytes_of_unfinished(folder: Path, pattern: str) -> Callable[[], Counts]:
    """What counts the bytes that have been written of a file or folder that is still beside its place."""

    def count() -> Counts:
        try:
            parts = [*folder.glob(pattern), *folder.glob(f"{pattern}/*")]
            return {"bytes": sum(part.stat().st_size for part in parts if part.is_file())}
        except OSError:  # it was moved into its place meanwhile
            return {}

    return count
