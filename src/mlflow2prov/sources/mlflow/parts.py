"""The parts of an MLflow store that an extraction may leave out, the same for every way in."""

from __future__ import annotations

from mlflow2prov.errors import UsageError

PARTS: tuple[str, ...] = ("metric_history", "artifacts", "datasets", "logged_models", "registered_models")
"""What can be left out; without ``metric_history`` only the latest point of each metric is read."""


def require_known(skip: frozenset[str]) -> None:
    """Raise a `UsageError` that names the parts there are, where ``skip`` has one that is not.

    >>> require_known(frozenset({"artifacts"}))
    """
    unknown = sorted(skip.difference(PARTS))
    if unknown:
        raise UsageError(f"unknown parts to skip: {', '.join(unknown)}; there are {', '.join(PARTS)}")
