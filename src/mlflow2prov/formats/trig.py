"""PROV-O as TriG (https://www.w3.org/TR/trig/), in bulk: Turtle in which bundles are named graphs.

A bundle without records is said to be an ``m2p:EmptyBundle``, since readers of TriG pass over empty graphs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from mlflow2prov.formats.projection import projecting
from mlflow2prov.formats.provo import Records
from mlflow2prov.formats.provo_reader import read_as
from mlflow2prov.formats.turtle import declared, turtle, write_prefixes

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.store import Store


def write(graph: Graph, file: BinaryIO) -> None:
    """Write a graph as TriG to a binary file, streaming."""
    prefixes = declared(graph)
    syntax = turtle(prefixes)
    with projecting(graph, syntax.names()) as projection:
        write_prefixes(prefixes, file)
        records = Records(projection, syntax)
        records.write(0, file)
        records.write_empty_bundles(file)
        for number, name in projection.bundles:
            file.write(f"\n{name['t']} {{\n".encode())
            records.write(number, file)
            file.write(b"}\n")


def read(file: BinaryIO, name: str, store: Store | None = None) -> Graph:
    """Return the PROV-O document in a TriG file as a graph.

    Raises:
        FormatError: it is not TriG; the message has the line.
    """
    return read_as("trig", file, name, store)
