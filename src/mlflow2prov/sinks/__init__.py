"""The databases that graphs are pushed into: one row of ``SINKS`` and one file each.

Pushing is adding: what is there stays, and pushing a graph twice changes nothing. So a push that broke
off is gone on with by pushing again.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from mlflow2prov.errors import UsageError
from mlflow2prov.sinks.address import Address, check_hosts, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow2prov.graph.graph import Graph

    Counts = Mapping[str, int]
    Report = Callable[[str, Counts], None]


def _silent(_: str, __: Counts) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a graph is pushed, besides where to.

    Attributes:
        graph: the IRI of the named graph that takes the document; None is the default graph.
        replace: whether what is there goes first.
        environment: variables of the environment, for proxies and certificates.
        report: is told what was pushed so far.
    """

    graph: str | None = None
    replace: bool = False
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    report: Report = _silent


class Push(Protocol):
    """What the module of a sink has, as ``push``."""

    def __call__(self, graph: Graph, address: Address, settings: Settings) -> Counts:
        """Push a graph; return how much of what was pushed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """One kind of database.

    Attributes:
        name: of the sink, for messages.
        title: which products that is.
        schemes: of the URLs that lead to it.
        module: of this package; has ``push(graph, address, settings)``.
        extra: of the distribution that it needs, if any.
        named_graphs: whether it has named graphs, for ``--graph``.
        schemas: whether it has schemas, for ``?schema=``.
        is_file: whether its URLs name files, and no hosts.
    """

    name: str
    title: str
    schemes: tuple[str, ...]
    module: str
    extra: str | None = None
    named_graphs: bool = False
    schemas: bool = False
    is_file: bool = False


SINKS: dict[str, Sink] = {
    row.name: row
    for row in (
        Sink(
            name="neo4j",
            title="Neo4j, and what speaks its protocol Bolt",
            schemes=("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc"),
            module="neo4j",
            extra="neo4j",
        ),
        Sink(
            name="mongodb",
            title="MongoDB",
            schemes=("mongodb", "mongodb+srv"),
            module="mongodb",
            extra="mongodb",
        ),
        Sink(
            name="sparql",
            title="SPARQL stores, by the SPARQL 1.1 Graph Store HTTP Protocol: Fuseki, Oxigraph, GraphDB, RDF4J, Virtuoso",
            schemes=("http", "https"),
            module="graph_store",
            extra="sparql",
            named_graphs=True,
        ),
        Sink(
            name="postgresql",
            title="PostgreSQL",
            schemes=("postgresql", "postgres"),
            module="postgresql",
            extra="postgresql",
            schemas=True,
        ),
        Sink(
            name="duckdb",
            title="A file of DuckDB",
            schemes=("duckdb",),
            module="duckdb_file",
            schemas=True,
            is_file=True,
        ),
    )
}
"""Every sink by its name."""


def addresses() -> list[str]:
    """Return how the URLs of the sinks begin."""
    return [f"{scheme}://" for row in SINKS.values() for scheme in row.schemes]


def sink_of(address: Address) -> Sink:
    """Return the sink that a URL leads to.

    Raises:
        UsageError: none does.

    >>> sink_of(Address.parse("https://example.org/data")).name
    'sparql'
    """
    for row in SINKS.values():
        if address.scheme in row.schemes:
            return row
    known = ", ".join(addresses())
    raise UsageError(f"can't push to {address.shown}: its URL has to begin with one of {known}")


def check(address: Address, settings: Settings) -> Sink:
    """Return the sink that a URL leads to, if it takes these settings.

    Raises:
        UsageError: it does not, or no sink has such a URL.
    """
    row = sink_of(address)
    if settings.graph is not None and not row.named_graphs:
        raise UsageError(f"push --graph names a graph of a SPARQL store, but {address.shown} is none")
    if settings.graph is not None and ":" not in settings.graph:
        raise UsageError(
            f"push --graph is {settings.graph!r}, but it has to be an IRI, such as urn:mlflow2prov"
        )
    if row.schemas:
        schema_of(address)
    if not row.is_file:
        check_hosts(address)
    return row


def push(graph: Graph, address: Address, settings: Settings | None = None) -> Counts:
    """Push a graph into a database; return how much of what was pushed.

    Raises:
        UsageError: the URL is of no sink, or a library for it is missing.
        SinkError: the database can't be reached, refuses, or breaks off.
    """
    settings = settings or Settings()
    row = check(address, settings)
    module = importlib.import_module(f"mlflow2prov.sinks.{row.module}")
    return cast("Push", module.push)(graph, address, settings)
