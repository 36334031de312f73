"""Where graphs live: record tables in DuckDB, cached in memory up to a limit, compressed on disk.

A store keeps its graphs in a file of its temporary folder, so that their size is bounded by the disk
and not by the memory; a graph can also stand in a file that the user names.

The tables of a graph (``schema`` is the graph's own):

========================  ==================================================================
``prefix``                prefix and IRI of each namespace; both are unique in the graph
``name``                  id, prefix, local part of each identifier; equal ids are equal IRIs
``attribute_key``         key, and the attribute name, datatype and language that it stands for
``element``               bundle, kind, id, start and end time, attributes
``relation``              bundle, kind, id, formal arguments ``a1``..``a5``, time, attributes
``bundle``                id of each named bundle
========================  ==================================================================

``bundle`` 0 is the document itself; a missing identifier, argument, time or attribute list is NULL.
``attributes`` is a list of ``{k, v}``: a key of ``attribute_key``, and the lexical form of the value.
The rows stand in the order of the document.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow2prov.errors import GraphError
from mlflow2prov.graph.engine_errors import told
from mlflow2prov.graph.files import made_anew
from mlflow2prov.interruption import watched
from mlflow2prov.prov.records import MAX_REFERENCES

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_T = TypeVar("_T")

ARGUMENT_COLUMNS = tuple(f"a{n}" for n in range(1, MAX_REFERENCES + 1))
"""The identifier columns of the relation table, in the order of a kind's formal arguments."""

ATTRIBUTES_TYPE = "STRUCT(k INTEGER, v VARCHAR)[]"

TABLES: dict[str, str] = {
    "prefix": "prefix VARCHAR, iri VARCHAR",
    "name": "id INTEGER, prefix VARCHAR, local VARCHAR",
    "attribute_key": "key INTEGER, name VARCHAR, datatype VARCHAR, language VARCHAR",
    "element": "bundle INTEGER, kind UTINYINT, id INTEGER, start_time VARCHAR, end_time VARCHAR, "
    f"attributes {ATTRIBUTES_TYPE}",
    "relation": "bundle INTEGER, kind UTINYINT, id INTEGER, "
    + "".join(f"{column} INTEGER, " for column in ARGUMENT_COLUMNS)
    + f"time VARCHAR, attributes {ATTRIBUTES_TYPE}",
    "bundle": "id INTEGER",
}
"""The record tables of a graph and their columns."""


def columns_of(table: str) -> list[str]:
    """Return the names of a record table's columns.

    >>> columns_of("name")
    ['id', 'prefix', 'local']
    """
    return [column.split(" ", 1)[0] for column in re.split(r", (?![^(]*\))", TABLES[table])]


ROW_GROUP = 100_000
"""Fewer rows than this are always in one row group of DuckDB's (122,880), which one thread scans."""


_MOST_CACHED_BYTES = 2**24
"""So much of attached files may be cached after a piece of them was gone through."""


_LEAST_BYTES = 160 * 2**20
_BYTES_A_THREAD = 32 * 2**20
_BYTES_A_ROW = 64
_LEAST_BYTES_TO_APPEND = 48 * 2**20
"""With less than this, sorts and joins have too little room for what can't go to the disk."""
_MORE = 1.5
"""So many times as much memory gets a statement that found too little."""

_WHILE_WRITING = (
    # Measured: a quarter less CPU than the default choice, and a file of the same size.
    "force_compression = 'zstd'",
    # A checkpoint after each statement would compress the last rows of a table again and again.
    "auto_checkpoint_skip_wal_threshold = 1000000000000",
    "checkpoint_threshold = '1TB'",
)
"""The settings while a file is attached to be written, which is only looked at when it is whole."""

_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def _bytes_of(limit: str) -> float:
    """Return a size as DuckDB shows it.

    >>> _bytes_of("1.5 KiB")
    1536.0
    """
    number, unit = limit.split()
    return float(number) * _UNITS[unit]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """How much of the machine a store may use.

    Attributes:
        memory_limit: what DuckDB may hold in memory before it spills, such as ``1GiB``.
        threads: how many threads DuckDB works with; None leaves it to DuckDB.
        temporary_folder: where to spill; None is a folder of the system's own for such things.
    """

    memory_limit: str = "1GiB"
    threads: int | None = None
    temporary_folder: Path | None = None


class Store:
    """A DuckDB database in which graphs live side by side, each in a schema of its own.

    Closing the store drops its graphs and removes what was spilled.
    """

    def __init__(self, settings: StoreSettings | None = None) -> None:
        import duckdb

        settings = settings or StoreSettings()
        parent = settings.temporary_folder
        self._folder = tempfile.mkdtemp(prefix="mlflow2prov-", dir=parent)
        self._numbers = iter(range(1, 2**31))
        self._lock = threading.RLock()
        self.connection: duckdb.DuckDBPyConnection = watched(
            duckdb.connect(
                ":memory:",
                config={
                    "memory_limit": settings.memory_limit,
                    "temp_directory": str(Path(self._folder) / "spill"),
                    "autoload_known_extensions": "false",
                    "autoinstall_known_extensions": "false",
                },
            )
        )
        self.connection.execute("SET preserve_insertion_order = true")
        self.connection.execute("SET TimeZone = 'UTC'")
        # Rows keep the order of the left-hand table of a join: joins run as they are written.
        self.connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        if settings.threads is not None:
            self.connection.execute(f"SET threads = {int(settings.threads)}")
        self._ordered = False
        self._memory_limit = settings.memory_limit
        self._most_bytes = _bytes_of(self.scalar("SELECT current_setting('memory_limit')"))
        self._limit_bytes = self._most_bytes
        self._threads = int(self.scalar("SELECT current_setting('threads')"))
        self.connection.execute("ATTACH ':memory:' AS graphs (COMPRESS)")

    def close(self) -> None:
        """Drop everything that lives in the store, also on disk."""
        self.connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own to the store, for a thread or for rows that are read bit by bit."""
        return watched(self.connection.cursor())

    @property
    def folder(self) -> Path:
        """A folder for temporary files; it goes with the store."""
        return Path(self._folder)

    def run(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows.

        Raises:
            GraphError: the engine can't, such as for want of memory or disk.
        """
        with self._lock, told():
            return self.connection.execute(sql, parameters).fetchall()

    def scalar(self, sql: str, parameters: list[Any] | None = None) -> Any:
        """Return the first column of the first row of a query."""
        rows = self.run(sql, parameters)
        return rows[0][0]

    def arrow(self, sql: str) -> pa.Table:
        """Return the rows of a query as one Arrow table."""
        with self._lock, told():
            table: pa.Table = self.connection.sql(sql).to_arrow_table()
            return table

    def batches(self, sql: str, rows: int = 50_000) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a query as Arrow batches, in order, without holding them all."""
        cursor = self.cursor()
        try:
            with told():
                reader = cursor.sql(sql).to_arrow_reader(rows)
            while True:
                with told():
                    batch = next(reader, None)
                if batch is None:
                    return
                yield batch
        finally:
            cursor.close()

    def forget_files(self) -> None:
        """Let go of what is cached of attached files, where it is much.

        What goes through a file piece by piece does not read it again, so that memory need not grow with
        it. Tables in memory stay: the engine drops what it can read again before all else.
        """
        held, files = self.run(
            "SELECT sum(memory_usage_bytes)::BIGINT, "
            "coalesce(sum(memory_usage_bytes) FILTER (tag = 'BASE_TABLE'), 0)::BIGINT FROM duckdb_memory()"
        )[0]
        if files <= _MOST_CACHED_BYTES:
            return
        try:
            with suppress(GraphError):  # another query needs all that is there
                self.run(f"SET memory_limit = '{held - files + _MOST_CACHED_BYTES // 2}B'")
        finally:
            self._set_limit(None)

    def append(self, table: str, data: pa.Table | pa.RecordBatch | pa.RecordBatchReader) -> None:
        """Append Arrow data, whose columns are those of the table by name, to a table."""
        columns = ", ".join(f'"{name}"' for name in data.schema.names)
        with self.registered(data) as arriving:
            self.run(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {arriving}")

    @contextmanager
    def registered(self, data: pa.Table | pa.RecordBatch | pa.RecordBatchReader) -> Iterator[str]:
        """A name under which SQL reads Arrow data, for the ``with`` block."""
        with self._lock:
            self.connection.register("arriving", data)
            try:
                yield "arriving"
            finally:
                self.connection.unregister("arriving")

    def new_schema(self, stem: str, database: str = "graphs") -> str:
        """Make an empty schema in the store's file, or in ``memory``; return its qualified name."""
        schema = f"{database}.{stem}_{next(self._numbers)}"
        self.run(f"CREATE SCHEMA {schema}")
        return schema

    def attach(
        self, file: Path, *, read_only: bool, alias: str | None = None, is_unfinished: bool = False
    ) -> str:
        """Attach a DuckDB file, by an alias or a new one, and return the qualified name of its main schema.

        An unfinished file is one that nobody looks at before it was let go of: what was written to it may
        be lost until then.

        Raises:
            GraphError: the file can't be opened as a DuckDB database.
        """
        alias = alias or f"file_{next(self._numbers)}"
        # What stands before a colon would be the name of an extension.
        place = f"./{file}" if ":" in str(file) and not file.is_absolute() else str(file)
        quoted = place.replace("'", "''")
        how = "READ_ONLY" if read_only else "RECOVERY_MODE no_wal_writes" if is_unfinished else "READ_WRITE"
        try:
            with nullcontext() if read_only else made_anew(file):
                self.run(f"ATTACH '{quoted}' AS {alias} ({how})")
        except GraphError as error:
            if is_unfinished:  # its name tells nobody anything
                raise
            raise GraphError(f"can't open the graph file {file}: {error}") from error
        settings = () if read_only else _WHILE_WRITING if is_unfinished else _WHILE_WRITING[:1]
        for setting in settings:
            self.run(f"SET {setting}")
        return f"{alias}.main"

    def write_out(self, schema: str) -> None:
        """Put all that was written to an attached file on the disk.

        The engine takes as much memory for this as it may, and needs less than to make what it puts there.
        """
        self.run(f"CHECKPOINT {schema.partition('.')[0]}")

    def detach(self, schema: str) -> None:
        """Let go of an attached file; what was written to it is complete on disk then."""
        alias = schema.split(".", 1)[0]
        try:
            self.write_out(schema)
        finally:
            for setting in _WHILE_WRITING:
                self.run(f"RESET {setting.partition(' ')[0]}")
            self.run(f"DETACH {alias}")

    @contextmanager
    def frugal(self, rows: int) -> Iterator[None]:
        """Within the ``with`` block, little memory is used for so many rows, and the rest goes to the disk.

        Where there are none yet, rows are only appended, which needs less.

        That costs a tenth more time where there are millions.
        """
        least = _LEAST_BYTES if rows else _LEAST_BYTES_TO_APPEND
        wanted = max(least + self._threads * _BYTES_A_THREAD, rows * _BYTES_A_ROW)
        if wanted < self._limit_bytes:
            with suppress(GraphError):  # other graphs hold more than that
                self._set_limit(wanted)
        try:
            yield
        finally:
            with suppress(Exception):  # the connection may be the very thing that failed
                self._set_limit(None)

    def roomy(self, work: Callable[[], _T]) -> _T:
        """Do what fails where memory is short, such as one statement; again with more of it if so, and at last with all."""
        import duckdb

        while True:
            limit = self._limit_bytes
            try:
                return work()
            except duckdb.OutOfMemoryException:
                more = int(limit * _MORE)
                if limit >= self._most_bytes:
                    with told():
                        raise
                if more >= self._most_bytes:
                    self._set_limit(None)
                elif self._limit_bytes < more:  # nobody else has raised it meanwhile
                    self._set_limit(more)

    def _set_limit(self, most: int | None) -> None:
        """Set how many bytes may be held in memory; None is as many as at first."""
        self.run(f"SET memory_limit = '{self._memory_limit if most is None else f'{most}B'}'")
        self._limit_bytes = self._most_bytes if most is None else most

    @contextmanager
    def in_order(self, rows: int | None = None) -> Iterator[None]:
        """Within the ``with`` block, a join's rows come in the order of its left-hand table.

        DuckDB keeps that order only in a pipeline of one thread; memory stays flat, unlike in a sort.
        So few ``rows`` that DuckDB does not share them out (one row group) keep their order anyway.
        """
        if self._ordered or (rows is not None and rows < ROW_GROUP):
            yield
            return
        self._ordered = True
        self.run("SET threads = 1")
        try:
            yield
        finally:
            self._ordered = False
            with suppress(Exception):  # the connection may be the very thing that failed
                self.run(f"SET threads = {self._threads}")

    @contextmanager
    def scratch(self, stem: str) -> Iterator[str]:
        """A schema in memory that is dropped at the end of the ``with`` block."""
        schema = self.new_schema(stem, "memory")
        try:
            yield schema
        finally:
            with suppress(Exception):  # the connection may be the very thing that failed
                self.run(f"DROP SCHEMA {schema} CASCADE")


_default: Store | None = None


def default_store() -> Store:
    """Return the store that graphs live in when none is named; made at the first call."""
    global _default
    if _default is None:
        _default = Store()
        atexit.register(_default.close)
    return _default


def create_tables(store: Store, schema: str) -> None:
    """Make the empty record tables of a graph in a schema."""
    for table, columns in TABLES.items():
        store.run(f"CREATE TABLE {schema}.{table} ({columns})")
