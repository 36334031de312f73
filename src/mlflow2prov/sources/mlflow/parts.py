"""The parts of an MLflow store that an extraction may leave out, the same for every way in."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlflow2prov.errors import UsageError
from mlflow2prov.sources.mlflow.selection import Selection

PARTS: tuple[str, ...] = (
    "metric_history",
    "artifacts",
    "datasets",
    "logged_models",
    "registered_models",
    "traces",
    "evaluation_datasets",
)
"""What can be left out; without ``metric_history`` only the latest point of each metric is read."""

TRACE_DETAILS = "trace_details"
"""The part that an extraction leaves out unless it is asked for: traces one by one, not only counted."""

CONCURRENCY = 4
"""How many requests to a server are under way at once, where nobody says: as many as MLflow's server has workers."""


def parts_to_skip(skip: frozenset[str], *, traces: bool) -> frozenset[str]:
    """Return the parts that a way in has to leave out, where a person gave these and asked for traces or not.

    Raises:
        UsageError: traces are asked for and to be skipped at once.

    >>> sorted(parts_to_skip(frozenset({"artifacts"}), traces=False))
    ['artifacts', 'trace_details']
    """
    if traces and "traces" in skip:
        raise UsageError("traces can't be asked for and skipped at once: leave out one of the two")
    return skip if traces else skip | {TRACE_DETAILS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an extraction reads of an MLflow store; the same for every way in.

    Attributes:
        skip: parts to leave out, from `PARTS`; without ``metric_history`` only the latest points are read.
        selection: which experiments, runs and models to read, with what they need to be understood.
        artifact_digests: read every artifact for its SHA-256.

    Raises:
        UsageError: a part is unknown.

    >>> sorted(Wanted(skip=frozenset({"artifacts"})).skip)
    ['artifacts']
    """

    skip: frozenset[str] = frozenset()
    selection: Selection = field(default_factory=Selection)
    artifact_digests: bool = False

    def __post_init__(self) -> None:
        unknown = sorted(self.skip.difference(PARTS, [TRACE_DETAILS]))
        if unknown:
            raise UsageError(f"unknown parts to skip: {', '.join(unknown)}; there are {', '.join(PARTS)}")


EVERYTHING = Wanted()
"""All of a store, traces one by one included."""
