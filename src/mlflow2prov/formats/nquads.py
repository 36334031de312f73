"""PROV-O as N-Quads (https://www.w3.org/TR/n-quads/), in bulk: bundles are named graphs.

The prefixes of a document are lost, since N-Quads has none; the reader makes prefixes of its own. A
bundle without records is said to be an ``m2p:EmptyBundle``, since N-Quads has no empty graphs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from mlflow2prov.formats.ntriples import lines, write_if_empty
from mlflow2prov.formats.projection import projecting
from mlflow2prov.formats.provo import Records
from mlflow2prov.formats.provo_reader import read_as

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.store import Store


def write(graph: Graph, file: BinaryIO) -> None:
    """Write a graph as N-Quads to a binary file, streaming."""
    write_if_empty(graph, file)
    with projecting(graph, lines().names()) as projection:
        records = Records(projection, lines())
        records.write(0, file)
        records.write_empty_bundles(file)
        for number, name in projection.bundles:
            records.write(number, file, lines(name["t"]))


def read(file: BinaryIO, name: str, store: Store | None = None) -> Graph:
    """Return the PROV-O document in a file of N-Quads as a graph.

    Raises:
        FormatError: it is not N-Quads; the message has the line.
    """
    return read_as("nq", file, name, store)
