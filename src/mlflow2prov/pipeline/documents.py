"""The steps that bring, change and hand over whole documents."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from mlflow2prov.checks import (
    formats_to_save,
    targets,
)
from mlflow2prov.errors import UsageError
from mlflow2prov.extraction import extract
from mlflow2prov.graph.files import refuse_existing, require_folder, unfinished_pattern
from mlflow2prov.graph.graph import Graph
from mlflow2prov.pipeline.reading import load_one, merge
from mlflow2prov.pipeline.stream import (
    StepFunction,
    check_output,
    numbering,
    some,
    standard_output,
)
from mlflow2prov.pipeline.transforming import transforms
from mlflow2prov.progress import bytes_of_unfinished
from mlflow2prov.surroundings import Surroundings, say_size

log = logging.getLogger(__name__)


def _extract_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    yield from documents
    yield extract(**options, surroundings=surroundings)


def _load_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    yield from documents
    for name in options["input"]:
        yield load_one(name, options["format"], surroundings)


def _merge_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    graphs = list(documents)
    if not graphs:
        raise UsageError("merge has no document to work on: put extract or load before it")
    yield merge(graphs)


def _transform_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    wanted = list(transforms(options, surroundings))
    for graph in some(documents, "transform"):
        origin = graph.origin
        for transform in wanted:
            graph = transform(graph)
        graph.origin = origin
        yield graph


def _save_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    output = options["output"]
    names = formats_to_save(output, options["format"])
    _check_surroundings_of_output(output, names)
    for graph, number in numbering(some(documents, "save")):
        if output == "-":
            check_output(surroundings)
            if number:
                raise UsageError("standard output takes one document only: merge them, or save them to files")
        _save(graph, output, number, names, options, surroundings)
        yield graph


def _check_surroundings_of_output(output: str, names: Sequence[str]) -> None:
    """What stands in the way of writing is said before any work is done."""
    from mlflow2prov import formats

    for name in names:
        formats.require(name)
    for target in targets(output, names):
        require_folder(target)


def _save(
    graph: Graph,
    output: str,
    number: int,
    names: Sequence[str],
    options: dict[str, Any],
    surroundings: Surroundings,
) -> None:
    """Write one document in each of the formats asked for."""
    from mlflow2prov import formats

    overwrite = not options["no_overwrite"]
    paths = targets(output, names, number)
    if not overwrite:
        for target in paths:
            refuse_existing(target)
    for position, name in enumerate(names):
        settings = {"attributes": True} if options["show_attributes"] and formats.draws(name) else {}
        if output == "-":
            with standard_output(surroundings) as outgoing:
                formats.write_to(graph, outgoing, name, **settings)
            continue
        target = paths[position]
        written = bytes_of_unfinished(target.parent, unfinished_pattern(target))
        surroundings.report(f"writing {target.name}", written)
        say_size(formats.expected_bytes(graph, name), target.parent, f"writing {target} takes")
        formats.write(graph, target, name, overwrite=overwrite, **settings)
        log.info("wrote %s", target)


def _push_step(
    documents: Iterator[Graph], options: dict[str, Any], surroundings: Surroundings
) -> Iterator[Graph]:
    from mlflow2prov import sinks
    from mlflow2prov.sinks.address import Address

    address = Address.parse(options["to"]).signed_in(surroundings.environment)
    if address.user and address.password is None and surroundings.ask_password is not None:
        password = surroundings.ask_password(f"Password of {address.user} at {address.shown}: ")
        address = replace(address, password=password)
    settings = sinks.Settings(
        graph=options["graph"],
        replace=options["replace"],
        environment=surroundings.environment,
        report=surroundings.report,
    )
    for graph in some(documents, "push"):
        counts = sinks.push(graph, address, settings)
        shown = ", ".join(f"{count:,} {noun}" for noun, count in counts.items())
        log.info("pushed to %s: %s", address.shown, shown)
        settings = replace(settings, replace=False)
        yield graph


DOCUMENT_STEPS: dict[str, StepFunction] = {
    "extract": _extract_step,
    "load": _load_step,
    "merge": _merge_step,
    "transform": _transform_step,
    "save": _save_step,
    "push": _push_step,
}
"""A step for each command of these."""
