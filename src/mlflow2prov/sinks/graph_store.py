"""SPARQL stores, by the Graph Store HTTP Protocol (https://www.w3.org/TR/sparql11-http-rdf-update/).

The document goes, as PROV-O, into the default graph or a named one, each of its bundles into the named graph
of the bundle's identifier. It is sent as N-Triples in portions of some megabytes, the next of which is made
while the store takes one. There are no blank nodes in it, so that pushing it twice changes nothing.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, cast

from mlflow2prov.formats.ntriples import lines
from mlflow2prov.formats.projection import projecting
from mlflow2prov.formats.provo import Records
from mlflow2prov.formats.provo_syntax import Syntax
from mlflow2prov.formats.provo_terms import GENID
from mlflow2prov.sinks.graph_store_client import EndPoint
from mlflow2prov.sinks.virtuoso import HEAD, adapted

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.sinks import Counts, Settings
    from mlflow2prov.sinks.address import Address

PORTION_BYTES = 4 * 2**20
"""How much is sent at once. Measured: larger portions are no faster, and some servers refuse them."""


def push(graph: Graph, address: Address, settings: Settings) -> Counts:
    """Add a graph to a SPARQL store; return the number of its triples, by ``triples``.

    Two portions of text are held at a time, whatever the graph's size.

    Raises:
        SinkError: the store can't be reached, refuses, or breaks off.
    """
    with EndPoint(address, settings.environment) as end_point:
        end_point.check()
        syntax = _without_blank_nodes(graph)
        if end_point.is_virtuoso:
            syntax = adapted(syntax)
        sent = 0
        with projecting(graph, syntax.names()) as projection:
            records = Records(projection, syntax)
            places = [
                (0, settings.graph),
                *((number, name["t"][1:-1]) for number, name in projection.bundles),
            ]
            for number, place in places:
                with _sending(end_point, place, settings, sent) as portions:
                    records.write(number, cast("BinaryIO", portions))
                    if number == 0:
                        records.write_empty_bundles(cast("BinaryIO", portions))
                sent += portions.triples
    return {"triples": sent}


def _without_blank_nodes(graph: Graph) -> Syntax:
    """The syntax of N-Triples in which a blank node is an IRI that depends on the document and its label."""
    ((size, names),) = graph.query(
        "SELECT count(*), coalesce(bit_xor(hash(prefix, local)), 0) FROM {graph}.name"
    )
    document = f"{GENID}{size}-{names:x}-"
    return replace(lines(), blank=lambda label: f"concat('<{document}', {label}, '>')")


@contextmanager
def _sending(end_point: EndPoint, place: str | None, settings: Settings, before: int) -> Iterator[_Portions]:
    """A file whose content is sent to a graph of the store; all of it is there at the end of the block."""
    with ThreadPoolExecutor(1) as sender:
        portions = _Portions(end_point, place, settings, sender, before)
        try:
            yield portions
            portions.finish()
        except BaseException:
            portions.forget()
            raise


class _Portions(io.RawIOBase):
    """A file of N-Triples that is sent on in portions of whole lines."""

    def __init__(
        self,
        end_point: EndPoint,
        place: str | None,
        settings: Settings,
        sender: ThreadPoolExecutor,
        before: int,
    ) -> None:
        super().__init__()
        self.triples = 0
        self._end_point = end_point
        self._place = place
        self._replaces = settings.replace
        self._report = settings.report
        self._sender = sender
        self._before = before
        self._waiting = bytearray()
        self._under_way: Future[None] | None = None

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True

    def write(self, data: object) -> int:
        """Take a piece of text, and send what has become a portion."""
        view = memoryview(cast("bytes", data))
        self._waiting += view
        if len(self._waiting) >= PORTION_BYTES:
            self._send(self._waiting.rfind(b"\n") + 1)
        return view.nbytes

    def finish(self) -> None:
        """Send what is left, and wait for all of it."""
        if self._waiting or self._replaces:
            self._send(len(self._waiting))
        self._wait()

    def forget(self) -> None:
        """Send nothing any more."""
        if self._under_way is not None:
            self._under_way.cancel()

    def _send(self, length: int) -> None:
        portion = bytes(self._waiting[:length])
        del self._waiting[:length]
        self._wait()
        self.triples += portion.count(b"\n")
        if self._end_point.is_virtuoso:
            portion = HEAD + portion
        self._under_way = self._sender.submit(self._end_point.send, self._place, portion, self._replaces)
        self._replaces = False
        self._report("pushing", {"triples": self._before + self.triples})

    def _wait(self) -> None:
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None
