"""The steps of a chain: the one place that joins extraction, graph and formats.

A stream of documents flows through the steps; each step is a function from an iterator of graphs and
its options to an iterator of graphs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlflow2prov.commands import Step
from mlflow2prov.errors import InvalidError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.pipeline.answers import ANSWER_STEPS
from mlflow2prov.pipeline.documents import DOCUMENT_STEPS
from mlflow2prov.pipeline.reading import load, merge
from mlflow2prov.pipeline.stream import StepFunction
from mlflow2prov.surroundings import Surroundings

__all__ = ["load", "merge", "run"]


def run(steps: Iterable[Step], surroundings: Surroundings) -> int:
    """Run a chain of steps; return how many documents came out of it.

    Raises:
        InvalidError: ``validate`` found documents that are not valid; all steps have been carried out.
    """
    documents: Iterator[Graph] = iter(())
    for step in steps:
        documents = STEPS[step.command.name](documents, step.options, surroundings)
    count = sum(1 for _ in documents)
    if surroundings.invalid:
        raise InvalidError(f"not valid: {', '.join(surroundings.invalid)}")
    return count


STEPS: dict[str, StepFunction] = DOCUMENT_STEPS | ANSWER_STEPS
"""A step for each command."""
