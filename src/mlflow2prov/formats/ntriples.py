"""PROV-O as N-Triples (https://www.w3.org/TR/n-triples/), in bulk.

The prefixes of a document are lost, since N-Triples has none; the reader makes prefixes of its own. A
document with bundles does not fit: :mod:`mlflow2prov.formats.nquads` has a place for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from mlflow2prov.formats.beginnings import NOTHING
from mlflow2prov.formats.projection import projecting
from mlflow2prov.formats.provo import Records, no_bundles
from mlflow2prov.formats.provo_reader import read_as
from mlflow2prov.formats.provo_syntax import Around, Syntax
from mlflow2prov.formats.provo_terms import legal_sql
from mlflow2prov.formats.text import literal

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.store import Store


def write(graph: Graph, file: BinaryIO) -> None:
    """Write a graph as N-Triples to a binary file, streaming.

    Raises:
        FormatError: the graph has bundles.
    """
    no_bundles(graph, "nt", "nq")
    write_if_empty(graph, file)
    with projecting(graph, lines().names()) as projection:
        Records(projection, lines()).write(0, file)


def read(file: BinaryIO, name: str, store: Store | None = None) -> Graph:
    """Return the PROV-O document in a file of N-Triples as a graph.

    Raises:
        FormatError: it is not N-Triples; the message has the line.
    """
    return read_as("nt", file, name, store)


def write_if_empty(graph: Graph, file: BinaryIO) -> None:
    """Write a comment where a graph has nothing, since an empty file is no document."""
    if not (graph.count("element") or graph.count("relation") or graph.count("bundle")):
        file.write(NOTHING)


def lines(graph: str = "") -> Syntax:
    """Return the syntax of lines that have one triple each, in a named graph or in none."""
    end = f" {graph} .\n" if graph else " .\n"
    return Syntax(
        name=lambda _prefix, _local, iri: bracketed(legal_sql(iri)),
        value=lambda _token, iri: bracketed(legal_sql(iri)),
        node=bracketed,
        blank=lambda label: f"concat('_:', {label})",
        term=lambda term: f"<{term}>",
        opening=lambda subject: f"{subject}, ' '",
        separator=lambda subject: f"concat({literal(end)}, {subject}, ' ')",
        closing=end,
        about=lambda term: (f"<{term}> ", ""),
        typed=_typed,
        escaped=quoted,
    )


def bracketed(iri: str) -> str:
    """SQL of an IRI in brackets."""
    return f"concat('<', {iri}, '>')"


def quoted(text: str) -> str:
    """SQL of a text in quotes; the escapes of JSON are among those of N-Triples and Turtle."""
    return f"to_json({text})::VARCHAR"


def _typed(term: str, datatype: str | None, language: str | None) -> Around:
    suffix = f"@{language}" if language else f"^^<{datatype}>" if datatype else ""
    return f"<{term}> ", suffix
