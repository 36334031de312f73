"""SQL queries in a database of their own, which holds what they read and can reach nothing else.

The tables that a query names are written once into a temporary file, which is opened read-only by an
engine without access to files, network or settings. Of statements only ``SELECT`` passes, of table
functions only those that make rows of their arguments; file names in the place of tables do not.
"""

from __future__ import annotations

import json
import re
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow2prov.errors import GraphError, UsageError
from mlflow2prov.graph.engine_errors import first_line, heard
from mlflow2prov.graph.graph import Graph
from mlflow2prov.query.answers import Answer
from mlflow2prov.query.beside import beside
from mlflow2prov.query.dialects import DuckDb
from mlflow2prov.query.views import View, views

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

TABLE_FUNCTIONS = frozenset(
    {
        "range",
        "generate_series",
        "unnest",
        "json_each",
        "json_tree",
        "repeat",
        "repeat_row",
        "generate_subscripts",
    }
    | {
        "regexp_split_to_table",
        "duckdb_tables",
        "duckdb_columns",
        "duckdb_views",
        "duckdb_types",
        "duckdb_keywords",
    }
    | {"duckdb_functions", "pragma_table_info"}
)
"""The table functions that a query may call: they read nothing but their arguments, and what tables there are."""

_LOCKED = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "python_enable_replacements": "false",
}
"""Settings with which the engine reaches nothing outside of its database."""


@contextmanager
def sql_answer(graph: Graph, sql: str, timeout_s: float | None = None) -> Iterator[Answer]:
    """The answer to a query in SQL, which is read within the ``with`` block.

    Raises:
        UsageError: it is no single ``SELECT``, or wants what it can't have.
        GraphError: the engine can't carry it out, or it was waited for longer than ``timeout_s`` seconds.
    """
    with _opened(graph, sql) as cursor:
        _check(cursor, sql)
        found = beside(lambda: _found(cursor, sql), cursor.interrupt, cursor.close, timeout_s)
        with closing(found) as pieces:
            schema: pa.Schema = next(pieces)
            yield Answer(schema, pieces)


def view_table(graph: Graph, name: str) -> pa.Table:
    """Return all rows of a view, by its name with its schema."""
    schema, _, table = name.partition(".")
    with sql_answer(graph, f'SELECT * FROM {schema}."{table}"') as answer:
        return answer.table()


@contextmanager
def _opened(graph: Graph, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine that has the tables that a query may mean, and can reach nothing else."""
    import duckdb

    tables = graph.worked_out("query tables", lambda: Tables(graph))
    assert isinstance(tables, Tables)
    connection = duckdb.connect(str(tables.holding(sql)), read_only=True, config=dict(_LOCKED))
    try:
        cursor = connection.cursor()  # which a thread works with, and closes
        _settle(cursor, graph)
        yield cursor
    finally:
        connection.close()


_BATCH = 10_000


_NUMBERS = count(1)


class Tables:
    """The views of a graph as tables in a file, each written when a query first names it."""

    def __init__(self, graph: Graph) -> None:
        self._graph, self._dialect = graph, DuckDb(graph)
        # a schema's name may be that of an earlier graph, or of an earlier state of a cache
        self._file = graph.store.folder / f"query-{next(_NUMBERS)}.duckdb"
        weakref.finalize(self, self._file.unlink, missing_ok=True)
        self._filled: set[str] = set()

    def holding(self, sql: str) -> Path:
        """Return the file, in which every table is, and those with rows that the query may mean."""
        words = set(re.findall(r"\w+", sql.lower()))
        wanted = [
            name for name, view in views().items() if view.name.lower() in words and name not in self._filled
        ]
        if wanted or not self._file.exists():
            self._write(wanted)
        return self._file

    def _write(self, names: list[str]) -> None:
        run, is_new = self._graph.store.run, not self._file.exists()
        alias = self._graph.store.attach(self._file, read_only=False).split(".", 1)[0]
        try:
            run("SET force_compression = 'auto'")
            if is_new:
                schemas = dict.fromkeys(view.schema for view in views().values())
                made = [f"CREATE SCHEMA {alias}.{schema}" for schema in schemas]
                made += [
                    f"CREATE TABLE {_target(alias, view)} ({_columns(view)})" for view in views().values()
                ]
                run(f"BEGIN; {'; '.join(made)}; COMMIT")
            for name in names:
                view = views()[name]
                run(f"INSERT INTO {_target(alias, view)} {view.sql(self._dialect)}")
                self._filled.add(name)
        finally:
            self._graph.store.detach(f"{alias}.main")


def _target(alias: str, view: View) -> str:
    return f'{alias}.{view.schema}."{view.name}"'


def _columns(view: View) -> str:
    return ", ".join(f'"{name}" {kind}' for name, kind in view.columns.items())


def _settle(connection: duckdb.DuckDBPyConnection, graph: Graph) -> None:
    """Give the engine the limits of the graph's store, and take from it that they could be changed."""
    limit, threads = graph.store.run("SELECT current_setting('memory_limit'), current_setting('threads')")[0]
    for name, value in (
        ("memory_limit", f"'{limit}'"),
        ("threads", str(threads)),
        ("TimeZone", "'UTC'"),
        ("search_path", "'prov,m2p'"),
        ("lock_configuration", "true"),
    ):
        connection.execute(f"SET {name} = {value}")


def _check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise an error where a query is anything but one statement that reads tables."""
    import duckdb

    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise UsageError(f"the query is no SQL that can be read: {first_line(error)}") from error
    if len(statements) != 1:
        raise UsageError(f"a query is one statement; there are {len(statements)}")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise UsageError(f"a query can only read: it has to be a SELECT, not {_shown(statements[0].type)}")
    told = connection.execute("SELECT json_serialize_sql(?)", [statements[0].query]).fetchall()[0][0]
    tree = json.loads(told)
    if tree["error"]:
        raise UsageError(
            f"the query can't be checked for what it reads: {tree.get('error_message', 'it is too unusual')}"
        )
    for node in _nodes(tree):
        _check_node(node)


def _shown(kind: object) -> str:
    return str(getattr(kind, "name", kind)).replace("_", " ")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


_TABLE_NAME = re.compile(r"\w+")


def _check_node(node: dict[str, Any]) -> None:
    if node.get("type") == "TABLE_FUNCTION":
        name = str(node["function"]["function_name"]).lower()
        if name not in TABLE_FUNCTIONS:
            raise UsageError(f"a query can read the graph only: the table function {name} is not there")
    elif node.get("type") == "BASE_TABLE" and not _TABLE_NAME.fullmatch(str(node["table_name"])):
        raise UsageError(f"a query can read the graph only: {node['table_name']!r} is no table of it")


def _found(cursor: duckdb.DuckDBPyConnection, sql: str) -> Iterator[Any]:
    """Yield the schema of the answer, then batches of it."""
    with _told():
        reader = cursor.sql(sql).to_arrow_reader(_BATCH)
        names = _distinct(reader.schema.names)
        yield _renamed(reader.schema, names)
        for batch in reader:
            yield batch.rename_columns(names)


def _distinct(names: list[str]) -> list[str]:
    """The names of columns with a number after those that come again, which JSON has no other place for.

    >>> _distinct(["id", "name", "id", "id_1", "id"])
    ['id', 'name', 'id_2', 'id_1', 'id_3']
    """
    taken, found = set(names), list[str]()
    for name in names:
        numbered = name
        if name in found:
            numbers = count(1)
            numbered = next(one for number in numbers if (one := f"{name}_{number}") not in taken)
        taken.add(numbered)
        found.append(numbered)
    return found


def _renamed(schema: pa.Schema, names: list[str]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])


@contextmanager
def _told() -> Iterator[None]:
    """What the engine raises, as one sentence, or the interruption that it was."""
    import duckdb
    import pyarrow as pa

    try:
        with heard():
            yield
    except duckdb.OutOfMemoryException as error:
        raise GraphError(f"there is not enough memory for this query: {first_line(error)}") from error
    except (
        duckdb.PermissionException,
        duckdb.CatalogException,
        duckdb.ParserException,
        duckdb.BinderException,
    ) as error:
        raise UsageError(f"the query can't be carried out: {first_line(error)}") from error
    except (duckdb.Error, pa.ArrowException) as error:
        raise GraphError(f"the query failed: {first_line(error)}") from error
