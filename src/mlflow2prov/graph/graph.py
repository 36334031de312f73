"""The graph: what flows through a chain of commands."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow2prov.errors import GraphError, UsageError
from mlflow2prov.graph.store import TABLES, Store, columns_of, create_tables, default_store
from mlflow2prov.prov.namespaces import M2P, STANDARD_PREFIXES

if TYPE_CHECKING:
    from datetime import datetime

    import networkx
    import polars
    import pyarrow as pa
    from prov.model import ProvDocument

    from mlflow2prov.graph.agents import Person
    from mlflow2prov.graph.pages import Page
    from mlflow2prov.graph.statistics import Statistics
    from mlflow2prov.validation.report import Report


class Graph:
    """A W3C PROV document as record tables (see :mod:`mlflow2prov.graph.store`).

    A graph is made by :func:`mlflow2prov.extract`, :func:`mlflow2prov.load`,
    :func:`mlflow2prov.merge` or :meth:`from_prov`; operations return a new graph and leave their
    input as it is.

    >>> from prov.model import ProvDocument
    >>> document = ProvDocument()
    >>> _ = document.add_namespace("ex", "http://example.org/")
    >>> _ = document.wasAttributedTo(document.entity("ex:report"), document.agent("ex:ada"))
    >>> graph = Graph.from_prov(document)
    >>> graph.count("element"), graph.count("relation")
    (2, 1)
    """

    def __init__(self, store: Store, schema: str, origin: str | None = None) -> None:
        """Wrap the record tables that stand in a schema; use the functions above to make a graph.

        ``origin`` says where the document comes from, such as the name of its file, for messages.
        """
        self.store = store
        self._schema: str | None = schema
        self._worked_out: dict[str, object] = {}
        self.origin = origin
        self.repeated_bundles: tuple[int, ...] = ()
        """Bundles that the document had several times under one identifier, which the graph has as one."""

    @property
    def schema(self) -> str:
        """The qualified name of the schema in which the record tables are.

        Raises:
            GraphError: the graph is closed.
        """
        if self._schema is None:
            raise GraphError("the graph is closed")
        return self._schema

    def __repr__(self) -> str:
        if self._schema is None:
            return "<closed Graph>"
        return f"<Graph of {self.count('element')} elements and {self.count('relation')} relations>"

    @classmethod
    def empty(cls, store: Store | None = None) -> Graph:
        """Return a graph without records, ready to be filled.

        >>> Graph.empty().count("element")
        0
        """
        store = store or default_store()
        graph = cls(store, store.new_schema("graph"))
        create_tables(store, graph.schema)
        return graph

    @classmethod
    def open(cls, file: str | Path, store: Store | None = None) -> Graph:
        """Return the graph that was kept in a DuckDB file.

        Raises:
            GraphError: there is no such file, or it holds no graph.
        """
        file = Path(file)
        if not file.is_file():
            raise GraphError(f"no such graph file: {file}")
        store = store or default_store()
        graph = cls(store, store.attach(file, read_only=True), str(file))
        database, _, schema = graph.schema.partition(".")
        found = store.run(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = ? AND schema_name = ?",
            [database, schema],
        )
        if not {(table, column) for table in TABLES for column in columns_of(table)} <= set(found):
            store.run(f"DETACH {database}")
            raise GraphError(f"{file} is a DuckDB file, but holds no graph of mlflow2prov")
        return graph

    def keep(self, file: str | Path) -> Path:
        """Keep the graph in a DuckDB file that :meth:`open` and ``load`` read; return its path.

        The file appears whole or not at all, and replaces only one in which nothing but a graph is.

        Raises:
            GraphError: a file of that name is there, and it holds something else.
        """
        from mlflow2prov.graph.files import whole_file
        from mlflow2prov.graph.replacing import check_only_a_graph

        check_only_a_graph(self.store, Path(file))
        with whole_file(Path(file)) as unfinished:
            schema = self.store.attach(unfinished, read_only=False, is_unfinished=True)
            try:
                create_tables(self.store, schema)
                self.copy_into(schema)
            finally:
                self.store.detach(schema)
        return Path(file)

    def copy_into(self, schema: str) -> None:
        """Copy the rows into the empty record tables of another schema of the same store."""
        for table in TABLES:
            self.store.run(f"INSERT INTO {schema}.{table} SELECT * FROM {self.schema}.{table}")

    def worked_out(self, what: str, make: Callable[[], object]) -> object:
        """Return what is made of the rows once and kept with the graph, such as an index of them.

        >>> graph = Graph.empty()
        >>> graph.worked_out("size", lambda: graph.count("element")), graph.worked_out("size", list)
        (0, 0)
        """
        if what not in self._worked_out:
            self._worked_out[what] = make()
        return self._worked_out[what]

    def close(self) -> None:
        """Let go of the rows; the graph can't be used any more. Closing it again does nothing."""
        self._worked_out.clear()
        schema, self._schema = self._schema, None
        if schema is not None and schema.startswith("graphs."):
            self.store.run(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        elif schema is not None:
            self.store.run(f"DETACH {schema.split('.', 1)[0]}")

    def __enter__(self) -> Graph:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def count(self, table: str) -> int:
        """Return how many rows a record table has: ``element``, ``relation`` or ``name``."""
        return int(self.store.scalar(f"SELECT count(*) FROM {self.schema}.{table}"))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query in which ``{graph}`` stands for the graph's schema; return its rows.

        >>> Graph.empty().query("SELECT count(*) FROM {graph}.element")
        [(0,)]
        """
        return self.store.run(sql.replace("{graph}", self.schema))

    def prefixes(self) -> dict[str, str]:
        """Return the IRI of each prefix that the document declares, the standard ones left out."""
        rows = self.query("SELECT prefix, iri FROM {graph}.prefix ORDER BY rowid")
        return {prefix: iri for prefix, iri in rows if prefix not in STANDARD_PREFIXES}

    def save(
        self,
        output: str | Path,
        format: str | None = None,  # noqa: A002
        *,
        overwrite: bool = True,
        **settings: Any,
    ) -> Path:
        """Write the graph to ``output`` with the suffix of the format; return the path.

        Args:
            output: the path, with or without its suffix; ``.gz`` or ``.zst`` at its end compresses.
            format: a name from the table of formats, such as ``json``; by default the suffix tells,
                else it is ``json``.
            overwrite: whether a file of that name may be replaced.
            settings: what the format's writer takes, such as ``attributes=True`` of ``dot``.
        """
        from mlflow2prov.formats import format_of, write

        return write(self, output, format or format_of(output) or "json", overwrite=overwrite, **settings)

    def push(
        self,
        to: str,
        *,
        graph: str | None = None,
        replace: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> dict[str, int]:
        """Add the graph to a database; return how much of what was pushed. Pushing twice changes nothing.

        Args:
            to: the URL of the database, with user and password if need be.
            graph: the IRI of a SPARQL store's named graph to push into.
            replace: remove first what is there.
            environment: variables that may name user, password, proxies and certificates.

        Raises:
            UsageError: the URL is of no kind of database that is known, or a library for it is missing.
            SinkError: the database can't be reached, refuses, or breaks off.
        """
        from mlflow2prov import sinks
        from mlflow2prov.sinks.address import Address

        around = environment or {}
        settings = sinks.Settings(graph=graph, replace=replace, environment=around)
        return dict(sinks.push(self, Address.parse(to).signed_in(around), settings))

    def statistics(self, resolution: str = "coarse") -> Statistics:
        """Return how many elements and relations there are: ``coarse``, or ``fine`` in every respect."""
        from mlflow2prov.graph.statistics import statistics

        return statistics(self, resolution)

    def validate(self, *, shapes: bool = False) -> Report:
        """Return every violation of PROV-CONSTRAINTS, in the document and in each of its bundles.

        Args:
            shapes: check against the SHACL shapes of the vocabulary as well (extra ``mlflow2prov[shacl]``).

        >>> Graph.empty().validate().is_valid
        True
        """
        from mlflow2prov.validation.engine import validate

        return validate(self, shapes=shapes)

    def plot(self, file: str | Path) -> Path:
        """Draw counts over time into an SVG file; return its path.

        Raises:
            UsageError: the name does not end in ``.svg``.
        """
        from mlflow2prov.graph.files import require_svg, whole_file
        from mlflow2prov.graph.plot import plot

        require_svg(file)
        with whole_file(Path(file)) as unfinished, unfinished.open("wb") as opened:
            plot(self, opened)
        return Path(file)

    def select(
        self,
        *,
        types: Sequence[str] = (),
        exclude_types: Sequence[str] = (),
        since: str | datetime | None = None,
        until: str | datetime | None = None,
    ) -> Graph:
        """Return the part of the graph that has certain types and happened in a certain time.

        See :func:`mlflow2prov.graph.selection.select`.
        """
        from mlflow2prov.graph.selection import select

        return select(self, types=types, exclude_types=exclude_types, since=since, until=until)

    def lineage(
        self,
        of: str,
        *,
        direction: str = "upstream",
        depth: int | None = None,
        through: Sequence[str] | str = (),
        stop_at: Sequence[str] | str = (),
        history: bool = False,
        with_details: bool = False,
    ) -> Graph:
        """Return where a thing came from, or what came of it: the part of the graph that lineage meets.

        See :func:`mlflow2prov.graph.lineage.lineage`, whose result also tells how each thing was met.
        """
        from mlflow2prov.graph.lineage import lineage

        return lineage(
            self,
            of,
            direction=direction,
            depth=depth,
            through=through,
            stop_at=stop_at,
            history=history,
            with_details=with_details,
        ).part()

    def merge_aliased_agents(self, people: Sequence[Person] | str | Path) -> Graph:
        """Return the graph with one agent for each person, whatever names they went by.

        ``people`` may also be the path of a YAML file that says who is who.
        """
        from mlflow2prov.graph.agents import merge_aliased_agents
        from mlflow2prov.graph.people_files import people_of_yaml

        return merge_aliased_agents(
            self, people_of_yaml(people) if isinstance(people, str | Path) else people
        )

    def use_pseudonyms(self, key: bytes, *, keep_free_text: bool = False) -> Graph:
        """Return the graph with pseudonyms in the place of people's names, wherever they stand."""
        from mlflow2prov.graph.pseudonyms import use_pseudonyms

        return use_pseudonyms(self, key, keep_free_text=keep_free_text)

    def eliminate_duplicates(self) -> Graph:
        """Return the graph with identical elements and relations once; nothing formal is lost."""
        from mlflow2prov.graph.duplicates import eliminate_duplicates

        return eliminate_duplicates(self)

    def link(self) -> Graph:
        """Return the graph with its runs linked to its commits, as if extracted together.

        See :func:`mlflow2prov.linking.link.link`.
        """
        from mlflow2prov.linking.link import link

        return link(self)

    def sql(self, query: str, timeout_s: float | None = None) -> pa.Table:
        """Return the rows of a query in SQL over the documented views, as an Arrow table.

        It can only read, and nothing but the graph: see :mod:`mlflow2prov.query.sandbox`. A query that was
        waited for longer than ``timeout_s`` seconds is given up with a ``GraphError``.

        >>> Graph.empty().sql("SELECT count(*) AS runs FROM Run").to_pylist()
        [{'runs': 0}]
        """
        from mlflow2prov.query.sandbox import sql_answer

        with sql_answer(self, query, timeout_s) as answer:
            return answer.table()

    def sparql(self, query: str, timeout_s: float | None = None) -> pa.Table:
        """Return the answer to a SPARQL query over the graph as PROV-O, as an Arrow table of text.

        See :func:`mlflow2prov.query.sparql.sparql_answer`; it takes the extra ``mlflow2prov[rdf]``. A query
        that was waited for longer than ``timeout_s`` seconds is given up with a ``GraphError``.
        """
        from mlflow2prov.query.sparql import sparql_answer

        return sparql_answer(self, query, timeout_s).table()

    def ask(self, name: str, /, **parameters: str) -> pa.Table:
        """Return the answer to one of the shipped questions (see :mod:`mlflow2prov.graph.questions`).

        >>> Graph.empty().ask("failed-runs").to_pylist()
        []
        """
        from mlflow2prov.graph.questions import ask

        return ask(self, name, parameters)

    def why(self, of: str, repository_path: str | Path | None = None) -> Page:
        """Return the page that tells why a thing is as it is (see :func:`mlflow2prov.graph.why.why`).

        With a repository, it has the text of what changed in the files since the version before.
        """
        from mlflow2prov.graph.why import why
        from mlflow2prov.sources.git_difference import difference

        return why(self, of, None if repository_path is None else partial(difference, repository_path))

    def impact(self, of: str) -> Page:
        """Return the page of what is affected if a thing was wrong (see :func:`mlflow2prov.graph.impact.impact`)."""
        from mlflow2prov.graph.impact import impact

        return impact(self, of)

    def compare(self, first: str | Graph, second: str | None = None) -> Page:
        """Return the page that compares two things of the graph, or the graph with another one.

        See :func:`mlflow2prov.graph.comparison.compare` and
        :func:`mlflow2prov.graph.document_comparison.compare_documents`.
        """
        from mlflow2prov.graph.comparison import compare
        from mlflow2prov.graph.document_comparison import compare_documents

        if isinstance(first, Graph):
            return compare_documents(self, first)
        if second is None:
            raise UsageError("compare takes two references, or one other graph")
        return compare(self, first, second)

    def to_arrow(self, view: str = "edge") -> pa.Table:
        """Return a documented view, such as ``entity``, ``edge`` or ``Run``, as an Arrow table."""
        from mlflow2prov.query.export import to_arrow

        return to_arrow(self, view)

    def to_polars(self, view: str = "edge") -> polars.DataFrame:
        """Return a documented view as a data frame of Polars, which has to be installed."""
        from mlflow2prov.query.export import to_polars

        return to_polars(self, view)

    def to_networkx(self) -> networkx.MultiDiGraph:
        """Return elements as nodes and relations as edges of networkx, which has to be installed."""
        from mlflow2prov.query.export import to_networkx

        return to_networkx(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the counts of kinds and types."""
        from mlflow2prov.query.export import to_html

        return html.escape(repr(self)) if self._schema is None else to_html(self)

    def to_prov(self) -> ProvDocument:
        """Return the graph as a document of the ``prov`` library (extra ``mlflow2prov[prov]``).

        A bridge for people who know that library: it holds some 2.4 kB a record in memory.
        """
        from mlflow2prov.formats.bridge import to_prov

        return to_prov(self)

    @classmethod
    def from_prov(cls, document: ProvDocument, store: Store | None = None) -> Graph:
        """Return the records of a document of the ``prov`` library as a graph."""
        from mlflow2prov.formats.bridge import from_prov

        return from_prov(document, store)


def declare_prefixes(graph: Graph, prefixes: Iterable[tuple[str, str]]) -> None:
    """Fill the graph's prefix table; the standard prefixes are always there."""
    rows = dict(STANDARD_PREFIXES)
    rows.update(prefixes)
    marks = ", ".join("(?, ?)" for _ in rows)
    graph.store.run(
        f"INSERT INTO {graph.schema}.prefix VALUES {marks}", [text for pair in rows.items() for text in pair]
    )


VOCABULARY_PREFIX = ("m2p", M2P)
"""The prefix of the vocabulary, as documents of ours declare it."""
