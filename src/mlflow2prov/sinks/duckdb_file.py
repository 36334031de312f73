"""A file of DuckDB: a graph as the record tables of :mod:`mlflow2prov.graph.store` and the views of ``query``.

They stand in a schema of their own. What is there already gets the new values of its attributes, and
nothing is there twice. All rows of a push are added in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mlflow2prov.errors import GraphError, SinkError, UsageError
from mlflow2prov.formats.text import literal
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.replacing import check_replaceable
from mlflow2prov.graph.store import TABLES, Store, columns_of
from mlflow2prov.query.dialects import DuckDb
from mlflow2prov.query.views import views
from mlflow2prov.sinks.address import FULL, schema_of
from mlflow2prov.sinks.duckdb_rows import Arrivals
from mlflow2prov.sinks.sql_rows import FIXED

if TYPE_CHECKING:
    from mlflow2prov.sinks import Counts, Settings
    from mlflow2prov.sinks.address import Address

_OURS = "(mlflow2prov)"
"""What the comments of our views end with."""


def push(graph: Graph, address: Address, settings: Settings) -> Counts:
    """Add a graph to a file, which is made if it is not there; return its numbers of ``elements`` and ``relations``.

    Raises:
        SinkError: the file can't be opened or written, or holds tables of others by the same names.
        UsageError: the URL names no file.
    """
    file = file_of(address)
    counts = {"elements": graph.count("element"), "relations": graph.count("relation")}
    with _told(address, file):
        check_replaceable(file)
        schema = graph.store.attach(file, read_only=False)
        try:
            target = _Target(graph.store, schema.split(".", 1)[0], address)
            target.prepare()
            with graph.store.scratch("pushing") as scratch:
                arrivals = Arrivals(graph, scratch, target.schema, is_alone=settings.replace)
                settings.report("pushing", counts)
                target.add(arrivals)
        except BaseException:
            with suppress(GraphError):  # what went wrong before is what matters
                graph.store.detach(schema)
            raise
        graph.store.detach(schema)
    return counts


def file_of(address: Address) -> Path:
    """Return the file that a URL names.

    Raises:
        UsageError: it names none.

    >>> from mlflow2prov.sinks.address import Address
    >>> str(file_of(Address.parse("duckdb:///data/my%20graphs.duckdb?schema=wine")))
    '/data/my graphs.duckdb'
    """
    path = unquote(address.rest.partition("?")[0])
    if not path or path.endswith("/") or "\0" in path:
        raise UsageError(
            f"can't push to {address.shown}: it names no file; duckdb:///data/a.duckdb is an absolute path,"
            " duckdb://a.duckdb one from here"
        )
    return Path(path)


class _Target:
    """The schema of a file that is attached."""

    def __init__(self, store: Store, alias: str, address: Address) -> None:
        self._run, self._store, self._alias, self._address = store.run, store, alias, address
        self._name = schema_of(address)
        self._quoted = '"' + self._name.replace('"', '""') + '"'
        self.schema = f"{alias}.{self._quoted}"

    def prepare(self) -> None:
        """Make the schema and the tables that are not there.

        Raises:
            SinkError: tables of others stand in the way.
        """
        where = f"database_name = '{self._alias}' AND schema_name = {literal(self._name)}"
        tables: dict[str, list[str]] = {}
        for table, column in self._run(
            f"SELECT table_name, column_name FROM duckdb_columns() WHERE {where} ORDER BY column_index"
        ):
            tables.setdefault(table.lower(), []).append(column)
        kept = self._run(
            f"SELECT lower(view_name) FROM duckdb_views() WHERE {where} AND comment LIKE '%{_OURS}'"
        )
        ours = {view.name.lower() for view in views().values()} - {name for (name,) in kept}
        taken = sorted(ours & set(tables))
        taken += [name for name in TABLES if name in tables and tables[name] != columns_of(name)]
        if taken:
            raise SinkError(
                f"the schema {self._name} of {file_of(self._address)} has {taken[0]!r}, which this mlflow2prov did not"
                " make: push into another one, such as …?schema=prov2"
            )
        made = [f"CREATE TABLE IF NOT EXISTS {self.schema}.{name} ({of})" for name, of in TABLES.items()]
        made = [f"CREATE SCHEMA IF NOT EXISTS {self.schema}", *made]
        with self._transaction():
            for statement in made:
                self._run(statement)
            if not self._store.scalar(f"SELECT count(*) FROM {self.schema}.prefix"):
                for prefix, iri in FIXED.items():
                    self._run(f"INSERT INTO {self.schema}.prefix VALUES ({literal(prefix)}, {literal(iri)})")

    def add(self, arrivals: Arrivals) -> None:
        """Add what arrives, and make the views, which know the attributes that there are."""
        with self._transaction():
            for statement in arrivals.statements():
                self._run(statement)
            dialect = DuckDb(Graph(self._store, self.schema), self._quoted)
            # A view keeps the names that it was made with: the file must not have to be attached by this alias.
            self._run(f"USE {self._alias}")
            try:
                for view in views().values():
                    name = f'{self._quoted}."{view.name}"'
                    self._run(f"CREATE OR REPLACE VIEW {name} AS {view.sql(dialect)}")
                    self._run(f"COMMENT ON VIEW {name} IS {literal(f'{view.doc} {_OURS}')}")
            finally:
                self._run("USE memory")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of the ``with`` block, or nothing."""
        self._run("BEGIN")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            with suppress(GraphError):  # there is none any more
                self._run("ROLLBACK")
            raise


@contextmanager
def _told(address: Address, file: Path) -> Iterator[None]:
    """What the engine raises, as errors of ours."""
    try:
        yield
    except (GraphError, OSError) as error:
        text = str(error).removeprefix(f"can't open the graph file {file}: ")
        meaning = next((meaning for sign, meaning in _MEANINGS.items() if sign in text), "can't be written")
        if FULL.search(text):
            meaning = "can't be written, since there is no room"
        raise SinkError(
            f"the file {file} {meaning}: {' '.join(text.split())[:300]}; nothing of this push is there, so push again"
        ) from error


_MEANINGS = {
    "lock": "is open in another program",
    "already attached": "is open already, such as by load",
    "Permission denied": "can't be written",
    "Read-only file system": "can't be written",
    "No such file": "can't be made",
    "not a valid DuckDB": "is no DuckDB database",
    "it is no DuckDB": "is no DuckDB database",
    "newer version": "is of a newer DuckDB",
}
"""What stands in a message, and what it means."""
