"""In what the graphs of one store may differ by the way it was read: what the page on sources lists, and no more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

WAYS = ("a server, MLflow's client", "a database", "a file store")
"""The columns of the list; databases of all engines are one way, and so are a server and MLflow's own client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One row of the list.

    Attributes:
        what: what is told in different ways.
        told: how each way tells it, in the order of `WAYS`.
        signs: patterns of the records that may differ, where ``{name}`` stands for what was made; one of them is
            in each record, and in none that an earlier row explains.
    """

    what: str
    told: tuple[str, str, str]
    signs: tuple[str, ...]

    def explains(self, record: str, made: Mapping[str, str]) -> bool:
        """Whether a record is one that may differ."""
        return any(re.search(sign.format_map(made), record) for sign in self.signs)


_VERSION = r"(Creation\.registered_model_version-|Deletion\.registered_model_version-|RegisteredModelVersion(Tag)?\.)"

DIFFERENCES = (
    Difference(
        what="a deleted model version",
        told=(
            "known by the gap in the numbers, or, after the last number in use, by the tag of a logged model: version "
            "and `Deletion` with `m2p:inferred`, and what it was made of where the tag tells it",
            "with its tags, its creation and deletion times; run and source were erased by MLflow, and are recovered "
            "from the place it was stored at and the tags of logged models",
            "with all that it had, run and source too",
        ),
        signs=(_VERSION + "{deleted_version}",),
    ),
    Difference(
        what="artifacts and spans of a deleted experiment",
        told=(
            "as in the store behind it",
            "where they were: MLflow leaves them there, but for a store that it migrated from files",
            "in `.trash`, where MLflow moved them",
        ),
        signs=(r"Artifact\.{trashed}--", r"(Span|Trace)\.{thrown_trace}\b"),
    ),
    Difference(
        what="a deleted logged model",
        told=(
            "known where a run or a version names it; not by servers before MLflow 3.7",
            "known",
            "known",
        ),
        signs=(),
    ),
    Difference(
        what="when a run was deleted",
        told=("the `Deletion` has no time", "has its time", "has its time"),
        signs=(r"Deletion\.run--",),
    ),
    Difference(
        what="the step of a metric's point that names a dataset",
        told=(
            "as in the store behind it; over a file store MLflow takes it for 0, and tells the latest point alone",
            "has it",
            "has it",
        ),
        signs=(),
    ),
    Difference(
        what="of the store",
        told=(
            "`m2p:mlflow_version`, but for MLflow 2.0, whose server does not tell; not by MLflow's client",
            "`m2p:schema_version`",
            "neither: its files don't tell",
        ),
        signs=(r"TrackingStore\.", r"Extraction\."),
    ),
)
"""The list, in the order of the page."""


def as_table() -> str:
    """The list as the page has it."""
    rows = [("", *WAYS), ("---",) * (len(WAYS) + 1), *((it.what, *it.told) for it in DIFFERENCES)]
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)
