"""PostgreSQL: a graph as record tables and the views of ``query``, in a schema of their own.

The record tables are those of :mod:`mlflow2prov.graph.store`, with two differences: identifiers are digests of
IRIs, so that many documents go into one database, and attributes are ``jsonb`` (see
:class:`mlflow2prov.query.dialects.PostgreSql`). A push is one transaction: others see all of it or nothing.
What is there already gets the new values of its attributes, and nothing is there twice.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlflow2prov.errors import SinkError, UsageError
from mlflow2prov.formats.text import literal
from mlflow2prov.query.beside import beside
from mlflow2prov.query.dialects import PostgreSql
from mlflow2prov.query.views import views
from mlflow2prov.sinks.address import FULL, PASSWORD, USER, schema_of
from mlflow2prov.sinks.postgresql_rows import Rows
from mlflow2prov.sinks.postgresql_tables import (
    LAYOUT,
    MARK,
    TABLES,
    addition,
    arrival,
    arriving,
    creations,
    emptying,
    indexing,
    quoted,
)
from mlflow2prov.sinks.sql_rows import FIXED

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.sinks import Counts, Settings
    from mlflow2prov.sinks.address import Address

_PATIENCE_S = 30
_COUNTED = {"element": "elements", "relation": "relations"}
_FILLED = ("name", "bundle", "element", "relation")


def push(graph: Graph, address: Address, settings: Settings) -> Counts:
    """Add a graph to a database; return its numbers of ``elements`` and ``relations``.

    Some thousands of rows are held at a time.

    Raises:
        SinkError: the server can't be reached, refuses, or breaks off.
        UsageError: the driver is missing.
    """
    counts = dict.fromkeys(_COUNTED.values(), 0)
    with _told(address), closing(_connection(address)) as connection, closing(connection.cursor()) as cursor:
        database = _Database(cursor, address)
        database.prepare(replace=settings.replace)
        with graph.store.scratch("pushing") as scratch:
            rows = Rows(graph, scratch, database.prefixes())
            database.add_prefixes(rows.added)
            for table in _FILLED:
                for count in database.add(table, rows):
                    if table in _COUNTED:
                        counts[_COUNTED[table]] += count
                        settings.report("pushing", counts)
        database.look_at()
        connection.commit()
    return counts


class _Database:
    """The schema of a database, within one transaction."""

    def __init__(self, cursor: Any, address: Address) -> None:
        self._cursor, self._address = cursor, address
        self._name = schema_of(address)
        self._schema = quoted(self._name)
        self._unfilled: set[str] = set()

    def prepare(self, *, replace: bool) -> None:
        """Make what is not there yet; remove all rows, if so asked.

        Raises:
            SinkError: tables of others stand in the way.
        """
        self._run(f"SELECT pg_advisory_xact_lock(hashtextextended({literal(f'{MARK} {self._name}')}, 0))")
        if not self._run(f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(self._name)}"):
            self._run(f"CREATE SCHEMA {self._schema}")
        found = self._run(
            "SELECT c.relname::text, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE n.nspname = {literal(self._name)}"
        )
        there = dict(found)
        if MARK in there:
            self._check_layout()
        else:
            self._check_free(there)
            self._run(*creations(self._schema))
        if MARK not in there or replace:
            self._unfilled = set(TABLES)
            for table in TABLES:
                self._run(*emptying(self._schema, table))
            self.add_prefixes(FIXED)
            self.index("prefix")
        self._view(there)

    def _check_layout(self) -> None:
        columns = self._run(
            "SELECT column_name::text FROM information_schema.columns "
            f"WHERE table_schema = {literal(self._name)} AND table_name = '{MARK}'"
        )
        if {name for (name,) in columns} != {"layout", "views"}:
            self._refuse([MARK])
        found = [layout for (layout,) in self._run(f"SELECT layout FROM {self._schema}.{MARK}")]
        if found != [LAYOUT]:
            raise SinkError(
                f"the schema {self._name} at {self._address.shown} was made by another version of mlflow2prov: "
                "push into another one, such as …?schema=prov2"
            )

    def _check_free(self, there: Mapping[str, str]) -> None:
        ours = {*TABLES, MARK, *(view.name.lower() for view in views().values())}
        taken = sorted(ours & set(there))
        if taken:
            self._refuse(taken)

    def _refuse(self, taken: list[str]) -> None:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise SinkError(
            f"the schema {self._name} at {self._address.shown} has {taken[0]!r}{more}, which mlflow2prov did not make: "
            "push into another one, such as …?schema=prov2"
        )

    def _view(self, there: Mapping[str, str]) -> None:
        """Make the views, if those that are there are others."""
        dialect = PostgreSql(self._schema)
        made = {view.name.lower(): (view.sql(dialect), view.doc) for view in views().values()}
        digest = hashlib.sha256(repr((made, dialect.functions())).encode()).hexdigest()
        if self._run(f"SELECT 1 FROM {self._schema}.{MARK} WHERE views = '{digest}'"):
            return
        old = [f"{self._schema}.{quoted(name)}" for name in made if there.get(name) == "v"]
        if old:
            self._run(f"DROP VIEW {', '.join(old)}")
        create = "CREATE OR REPLACE" if MARK in there else "CREATE"
        self._run(*(f"{create} {function}" for function in dialect.functions()))
        for name, (sql, doc) in made.items():
            view = f"{self._schema}.{quoted(name)}"
            self._run(f"CREATE VIEW {view} AS {sql}")
            self._run(f"COMMENT ON VIEW {view} IS {literal(doc)}")
        self._run(f"UPDATE {self._schema}.{MARK} SET views = '{digest}'")

    def prefixes(self) -> dict[str, str]:
        """Return the prefixes that are there."""
        return dict(self._run(f"SELECT prefix, iri FROM {self._schema}.prefix"))

    def add_prefixes(self, added: Mapping[str, str]) -> None:
        """Add prefixes."""
        for prefix, iri in added.items():
            self._run(f"INSERT INTO {self._schema}.prefix VALUES ({literal(prefix)}, {literal(iri)})")

    def add(self, table: str, rows: Rows) -> Iterator[int]:
        """Add the rows of a table; yield how many were sent by then."""
        if table in self._unfilled:
            yield from self._copy(table, rows, db_schema_name=self._name)
            self.index(table)
        else:
            self._run(arrival(self._schema, table))
            yield from self._copy(arriving(table), rows, temporary=True)
            self._run(addition(self._schema, table))

    def _copy(self, table: str, rows: Rows, **place: Any) -> Iterator[int]:
        # The next rows are made while the server takes some.
        with closing(beside(lambda: rows.batches(table.removeprefix(f"{MARK}_")))) as batches:
            for batch in batches:
                self._cursor.adbc_ingest(table, batch, mode="append", **place)
                yield batch.num_rows

    def index(self, table: str) -> None:
        """Give a table that was filled its key and indexes, which are made faster for all rows at once."""
        self._run(*indexing(self._schema, table))
        self._unfilled.discard(table)

    def look_at(self) -> None:
        """Let the server see what there is much of, so that it answers fast at once."""
        for table in TABLES:
            columns = ", ".join(name for name, kind in TABLES[table].columns.items() if "jsonb" not in kind)
            self._run(f"ANALYZE {self._schema}.{table} ({columns})")

    def _run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each on its own, and return the rows of the last one."""
        for statement in statements:
            self._cursor.execute(statement)
        return list(self._cursor.fetchall()) if self._cursor.description else []


def _connection(address: Address) -> Any:
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise UsageError("PostgreSQL needs pip install 'mlflow2prov[postgresql]'") from error
    user = quote(address.user or "", safe="")
    password = f":{quote(address.password, safe='')}" if address.password else ""
    at = "@" if user or password else ""
    rest, _, query = address.without("schema").partition("?")
    given = {word.partition("=")[0] for word in query.split("&")}
    defaults = {
        "fallback_application_name": MARK,
        "connect_timeout": str(_PATIENCE_S),
        "client_encoding": "UTF8",
    }
    words = [word for word in query.split("&") if word]
    words += [f"{name}={value}" for name, value in defaults.items() if name not in given]
    return dbapi.connect(f"postgresql://{user}{password}{at}{rest}?{'&'.join(words)}")


@contextmanager
def _told(address: Address) -> Iterator[None]:
    """What the driver raises, as errors of ours."""
    from adbc_driver_manager import Error as DriverError
    from pyarrow import ArrowException

    try:
        yield
    except (DriverError, ArrowException, OSError) as error:
        said = address.hidden(str(error)).partition("\nQuery:")[0].partition("\nquery:")[0]
        text = " ".join(said.split())
        wrong = _WRONG_URL.search(text)
        if wrong:
            raise UsageError(f"can't push to {address.shown}: {wrong[0]}") from None
        meaning = _meaning(str(getattr(error, "sqlstate", None) or ""), text)
        shown = re.sub(r"^.*?(ERROR|FATAL):\s*", "", text)[:_SHOWN]
        raise SinkError(
            f"the database at {address.shown} {meaning}: {shown}; nothing of this push is there, so push again"
        ) from None


_WRONG_URL = re.compile(
    r"(invalid URI query parameter|invalid \w+ value|invalid percent-encoded token"
    r"|(extra|missing) key/value separator).*"
)
"""What the driver says of a URL that it can't read."""

_SHOWN = 300
_US = f"does not let us in (give user and password in the URL, or as {USER} and {PASSWORD})"
_AWAY = "can't be reached"

_MEANINGS: tuple[tuple[str, str, str], ...] = (
    ("", r"no pg_hba\.conf entry", "lets nobody in from here that way (see its pg_hba.conf, and sslmode)"),
    (
        "28...",
        r"authentication failed|no password supplied|role \"[^\"]*\" does not exist",
        _US,
    ),
    (
        "42501",
        "permission denied",
        "does not let this user write there (let it CREATE on the database or the schema)",
    ),
    ("25006", "read-only transaction", "only reads"),
    ("53100", FULL.pattern, "is full"),
    ("53400", "temporary file size exceeds", "has no more room for this user"),
    ("3D000", r"database \"[^\"]*\" does not exist", "has no such database"),
    ("53300", "too many clients|too many connections", "takes no more connections"),
    ("57014|55P03|40P01", "statement timeout|lock timeout|deadlock", "broke off"),
    ("2BP01", "other objects depend on it", "has something of others that depends on a view of ours"),
    ("", "invalid response to SSL negotiation|expected authentication request", "is no PostgreSQL"),
    ("", "certificate|SSL|no encryption", "can't be reached safely (see sslmode and sslrootcert)"),
    (
        "08...|57P0.",
        "onnection refused|server closed|could not|timed out|timeout expired|terminating|No such file",
        _AWAY,
    ),
    ("", "connection|no COPY in progress|lost synchronization", _AWAY),
)
"""What errors mean, by patterns of their codes (SQLSTATE) and of their texts."""


def _meaning(code: str, text: str) -> str:
    """What an error of the driver means, in words."""
    for codes, texts, meaning in _MEANINGS:
        if (codes and re.fullmatch(codes, code)) or re.search(texts, text, re.IGNORECASE):
            return meaning
    return "refuses"
