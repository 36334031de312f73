"""The SHACL shapes of the vocabulary, checked by ``pyshacl`` (extra ``mlflow2prov[shacl]``).

The document goes to it as PROV-O in memory, the document itself and each bundle on its own: some 8 kB
of memory and 0.3 ms of CPU for each record, so this is for some ten thousand records, not for a million.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlflow2prov.errors import UsageError
from mlflow2prov.formats import write_to
from mlflow2prov.model.ontology import ontology_file
from mlflow2prov.validation.report import Violation

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph

log = logging.getLogger(__name__)

LARGE = 100_000
"""From so many records on, what the check takes is said beforehand."""


def require_shapes() -> None:
    """Make sure that shapes can be checked here.

    Raises:
        UsageError: the package that checks them is not installed.
    """
    try:
        import pyshacl  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "checking shapes needs pyshacl, which is not installed: pip install 'mlflow2prov[shacl]'"
        ) from error


def violations_of_shapes(graph: Graph) -> Iterator[Violation]:
    """Yield what in a graph is not as the shapes of the vocabulary say.

    Raises:
        UsageError: the package that checks them is not installed.
    """
    require_shapes()
    from rdflib import Dataset
    from rdflib import Graph as RdfGraph

    records = graph.count("element") + graph.count("relation")
    if records >= LARGE:
        log.warning(
            "checking the shapes of %s records takes about %.0f GB of memory", f"{records:,}", records * 8e-6
        )
    file = io.BytesIO()
    write_to(graph, file, "nq")
    dataset = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # rdflib's parser uses what rdflib deprecates
        dataset.parse(data=file.getvalue(), format="nquads")
    shapes = RdfGraph().parse(ontology_file(), format="turtle")
    prefixes = sorted(graph.query("SELECT iri, prefix FROM {graph}.prefix"), key=lambda row: -len(row[0]))
    for named in sorted(dataset.graphs(), key=lambda one: str(one.identifier)):
        is_bundle = named.identifier != dataset.default_graph.identifier
        bundle = _shortened(str(named.identifier), prefixes) if is_bundle else None
        yield from _checked(named, shapes, prefixes, bundle)


def _checked(
    data: Any, shapes: Any, prefixes: list[tuple[str, str]], bundle: str | None
) -> Iterator[Violation]:
    from pyshacl import validate
    from rdflib import RDF, SH

    _, results, _ = validate(data, shacl_graph=shapes)
    found = []
    for result in results.subjects(RDF.type, SH.ValidationResult):
        value = {name: results.value(result, SH[name]) for name in ("focusNode", "resultPath", "value")}
        shown = {name: _shortened(str(term), prefixes) for name, term in value.items() if term is not None}
        message = str(results.value(result, SH.resultMessage))
        constraint = str(results.value(result, SH.sourceConstraintComponent)).rsplit("#", 1)[-1]
        found.append(
            (shown["focusNode"], shown.get("resultPath", ""), shown.get("value"), constraint, message)
        )
    for focus, path, given, constraint, message in sorted(found, key=lambda one: tuple(map(str, one))):
        told = f" {given!r}" if given is not None else ""
        yield Violation(
            constraint="SHACL",
            name=constraint,
            message=f"{focus} {path}{told}: {message}",
            bundle=bundle,
        )


def _shortened(iri: str, prefixes: list[tuple[str, str]]) -> str:
    """An IRI with a prefix of the document, where there is one."""
    for start, prefix in prefixes:
        if iri.startswith(start) and len(iri) > len(start):
            return f"{prefix}:{iri[len(start) :]}" if prefix else iri[len(start) :]
    return iri
