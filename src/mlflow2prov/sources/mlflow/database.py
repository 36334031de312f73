"""The way into MLflow through its database: read-only, by column, whatever the engine and the schema's version.

One interpreter for the declarations of tables (`READINGS`) and of engines (`Dialect`).
"""

from __future__ import annotations

import logging
import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from mlflow2prov.errors import SourceError
from mlflow2prov.sources.gathering import gathered
from mlflow2prov.sources.mlflow.database_selection import Scope, ScopeFinder
from mlflow2prov.sources.mlflow.database_tables import KNOWN_REVISIONS, LATER, NEEDED, READINGS, Reading
from mlflow2prov.sources.mlflow.parts import EVERYTHING, TRACE_DETAILS, Wanted
from mlflow2prov.sources.mlflow.server_rows import RowsOf, batches
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches, Kind

if TYPE_CHECKING:
    import pyarrow as pa

    from mlflow2prov.prov.database_uris import DatabaseUri
    from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess
    from mlflow2prov.sources.mlflow.database_dialects import Dialect
    from mlflow2prov.sources.mlflow.known import Known

_logger = logging.getLogger(__name__)

_REFERENCE = re.compile(r"\b([a-z])\.(\w+)")
_HUGE = 1.7976931348623157e308
_OWNERS = {
    "mlflow_run": ("run", "run_id", "artifact_uri"),
    "mlflow_logged_model": ("logged_model", "model_id", "artifact_location"),
}
"""The tables whose rows own artifacts: the word for it, and the columns of the identifier and the place."""

_SELECTED: RowsOf[Scope] = {"mlflow_selected": Scope.selected}

_ENGINES = {
    "postgresql": ("mlflow2prov.sources.mlflow.database_postgresql", "PostgreSQL"),
    "mysql": ("mlflow2prov.sources.mlflow.database_mysql", "MySQL"),
    "mssql": ("mlflow2prov.sources.mlflow.database_mssql", "MicrosoftSQLServer"),
}
"""The module and the class that reads the databases of an engine on a server."""

Schema = Mapping[str, Mapping[str, bool]]
"""The columns of each SQL table, in lower case, and whether they are NOT NULL."""


class Database(Protocol):
    """A database within one transaction, in which all queries see the same moment and nothing is written."""

    @property
    def dialect(self) -> Dialect:
        """The SQL that it understands."""

    @property
    def name(self) -> str:
        """What people call it, without credentials."""

    @property
    def uri(self) -> str:
        """What MLflow calls it, without credentials."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query for a few rows."""

    def batches(
        self, columns: Sequence[tuple[str, Kind]], source: str, rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Record batches of a query: the SQL of its columns, and what stands behind FROM.

        Batches have about ``rows`` rows, and one is held. Columns have a type that can be cast to their kind's;
        a text may stand as bytes.
        """

    def hidden(self, tables: Sequence[str]) -> list[str]:
        """Those of the tables that `Dialect.schema` did not find that are there, but not for this user."""

    def check(self) -> None:
        """See, when all is read, that it was the same moment.

        Raises:
            SourceError: it was not.
        """

    def close(self) -> None:
        """End the transaction."""


def read_database(
    uri: str, wanted: Wanted = EVERYTHING, *, artifacts: ArtifactAccess | None = None
) -> Batches:
    """Batches of every MLflow source table that a SQLite database and the artifact folders it names can fill.

    The database is never written to, made or migrated. All of it is read in one transaction, which ends
    before the artifacts are listed: a store that is in use is seen as it was at one moment, and programs that
    write to it wait until then (not in WAL mode). Databases of MLflow 2.5 to 3.18 are known; others are read
    as far as they look alike, with a warning.

    Holds a batch (65,536 rows of metrics, 8,192 of others, 256 datasets), some 4 MiB of them put together, and the
    identifiers and artifact places of runs and logged models. Costs less than to iterate over the rows with the
    `sqlite3` module.

    Args:
        uri: such as ``sqlite:///mlflow.db`` or ``sqlite:////srv/mlflow.db``.
        wanted: what to read of it.
        artifacts: how to reach artifacts that are not in folders of this machine.

    Raises:
        UsageError: ``uri`` is no SQLite file's. At once; the others on use.
        SourceError: the file is missing, locked, damaged, no database or not MLflow's.
    """
    from mlflow2prov.sources.mlflow.database_file import DatabaseFile, database_path

    path = database_path(uri)
    return _read(lambda: DatabaseFile(path), wanted, artifacts)


def read_database_server(
    uri: str, wanted: Wanted = EVERYTHING, *, artifacts: ArtifactAccess | None = None
) -> Batches:
    """Batches of every MLflow source table that a database on a server and the artifact folders it names can fill.

    As :func:`read_database`, but nobody has to wait: the transaction is read-only and sees a snapshot.

    Args:
        uri: such as ``postgresql://user@host/mlflow`` or ``mysql+pymysql://user@host/mlflow``.
        wanted: what to read of it.
        artifacts: how to reach artifacts that are not in folders of this machine.

    Raises:
        UsageError: ``uri`` is of no engine that can be read. At once; the others on use.
        SourceError: the driver is not installed, or the database can't be reached or read, or is not MLflow's.
    """
    from mlflow2prov.prov.database_uris import DatabaseUri

    address = DatabaseUri.parse(uri)
    return _read(lambda: _connect(address), wanted, artifacts)


def read_database_again(
    uri: str, wanted: Wanted, known: Known, *, artifacts: ArtifactAccess | None = None
) -> Batches:
    """Batches of what may be new in a database of any engine since an earlier reading.

    As :func:`read_database`, but see :func:`mlflow2prov.sources.mlflow.database_changes.read_changes`.
    """
    from mlflow2prov.prov.database_uris import DatabaseUri
    from mlflow2prov.sources.mlflow.database_changes import read_changes

    if uri.lower().startswith("sqlite"):
        from mlflow2prov.sources.mlflow.database_file import DatabaseFile, database_path

        path = database_path(uri)
        return read_changes(lambda: DatabaseFile(path), wanted, known, artifacts)
    address = DatabaseUri.parse(uri)
    return read_changes(lambda: _connect(address), wanted, known, artifacts)


def _connect(address: DatabaseUri) -> Database:
    """The database of an engine: its module and driver are imported here, and no others."""
    module, name = _ENGINES[address.engine]
    engine: Callable[[DatabaseUri], Database] = getattr(import_module(module), name)
    return engine(address)


def _read(connect: Callable[[], Database], wanted: Wanted, artifacts: ArtifactAccess | None) -> Batches:
    from mlflow2prov.sources.mlflow.artifacts import read_artifacts
    from mlflow2prov.sources.mlflow.trace_files import places_in, read_span_files, tags_of_places

    owned: list[tuple[str, pa.RecordBatch]] = []
    places: list[pa.RecordBatch] = []
    with closing(connect()) as database:
        schema = schema_of(database)
        require_mlflow(database, schema)
        yield store_batch(database, revision(database, schema))
        scope = _scope(database, schema, wanted)
        if scope is not None:
            yield from batches(_SELECTED, [scope])
        for reading in _narrowed(database, scope, wanted):
            for batch in Query(database, reading, schema).batches():
                owned += owners_in(reading.table, batch)
                if reading.table == "mlflow_trace_tag":
                    places.append(tags_of_places(batch))
                yield reading.table, batch
        database.check()
    yield from read_span_files(places_in(places))
    if "artifacts" not in wanted.skip:
        yield from read_artifacts(
            owners(owned, scope), with_digests=wanted.artifact_digests, access=artifacts
        )


def _scope(database: Database, schema: Schema, wanted: Wanted) -> Scope | None:
    """The names that a selection needs, None where there is no selection."""
    if wanted.selection.is_everything:
        return None
    is_detailed = TRACE_DETAILS not in wanted.skip
    return ScopeFinder(database, schema, wanted.selection, is_detailed=is_detailed).find()


def _narrowed(database: Database, scope: Scope | None, wanted: Wanted) -> Iterator[Reading]:
    for reading in READINGS:
        if is_wanted(reading, wanted):
            yield from [reading] if scope is None else scope.narrowed(reading, database.dialect.literal)


def is_wanted(reading: Reading, wanted: Wanted) -> bool:
    """Whether a query is to be made."""
    skip = wanted.skip
    return reading.part not in skip and (reading.instead_of is None or reading.instead_of in skip)


def owners_in(table: str, batch: pa.RecordBatch) -> list[tuple[str, pa.RecordBatch]]:
    """What of a batch tells where artifacts are, with the name of its table."""
    if table not in _OWNERS:
        return []
    _, *columns = _OWNERS[table]
    return [(table, batch.select(columns))]


def owners(
    read: list[tuple[str, pa.RecordBatch]], scope: Scope | None = None
) -> Iterator[tuple[str, str, str]]:
    """The owners of artifacts, of all or of a selection: the word for it, the identifier, and the URI."""
    for table, batch in read:
        owner = _OWNERS[table][0]
        for owner_id, uri in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if uri is not None and (scope is None or scope.owns(table, owner_id)):
                yield owner, owner_id, uri


def schema_of(database: Database) -> Schema:
    """The columns of the tables that are read, as far as the database has them."""
    tables = sorted({name for reading in READINGS for name in reading.tables.values()} | {"alembic_version"})
    schema: dict[str, dict[str, bool]] = {}
    for table, column, is_not_null in database.rows(
        database.dialect.schema.format(tables=", ".join(map(repr, tables)))
    ):
        if table:
            schema.setdefault(table, {})[column] = bool(is_not_null)
    hidden = database.hidden([table for table in tables if table not in schema])
    if hidden:
        raise SourceError(
            f"{database.name} has tables that this user may not read ({', '.join(hidden)});"
            " GRANT SELECT on the whole database to it"
        )
    return schema


def require_mlflow(database: Database, schema: Schema) -> None:
    """Raise an error if the database is none of MLflow's."""
    missing = [f"{table}.{column}" for table, column in NEEDED.items() if column not in schema.get(table, {})]
    if missing:
        raise SourceError(
            f"{database.name} is not an MLflow store: it has no {' and no '.join(missing)};"
            " give the database that MLflow's tracking URI names"
        )


def revision(database: Database, schema: Schema) -> str | None:
    """The revision of the schema, as Alembic names it; warns where it is not a known one."""
    column = database.dialect.typed("v.version_num", Kind.TEXT)
    is_named = "version_num" in schema.get("alembic_version", {})
    rows = database.rows(f"SELECT {column} FROM alembic_version AS v") if is_named else []
    revision = ", ".join(sorted(str(row[0]) for row in rows)) or None
    if revision not in KNOWN_REVISIONS:
        named = f"has the unknown revision {revision}" if revision else "names no revision"
        _logger.warning("the schema of %s %s and is read as far as it is understood", database.name, named)
    return revision


def store_batch(database: Database, revision: str | None) -> tuple[str, pa.RecordBatch]:
    """The one row of ``mlflow_store``."""
    import pyarrow as pa

    schema = SOURCE_TABLES["mlflow_store"].schema()
    arrays = [_one_text(text) for text in (database.uri, None, revision)]
    return "mlflow_store", pa.RecordBatch.from_arrays(arrays, schema=schema)


def _one_text(text: str | None) -> pa.StringArray:
    """An array of one text, made of its bytes: of Python's values pyarrow makes it with pandas if it can.

    To import that takes as long as to read a small store.
    """
    import pyarrow as pa

    data = (text or "").encode()
    validity = pa.py_buffer(bytes([text is not None]))
    ends = pa.py_buffer(struct.pack("=2i", 0, len(data)))
    return pa.StringArray.from_buffers(1, ends, pa.py_buffer(data), validity)


def _one_number(value: float) -> Any:
    """A scalar, made likewise."""
    import pyarrow as pa

    data = pa.py_buffer(struct.pack("=d", value))
    return pa.Array.from_buffers(pa.float64(), 1, [None, data])[0]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a query: its SQL of one type, and how misfits in it are told, whose values are NULL.

    They are the NULLs of a column that has none (``is_strict``), or counted by the query (``misfit``).
    """

    name: str
    sql: str
    kind: Kind
    is_strict: bool = False
    misfit: str | None = None


class Query:
    """The query that a declaration makes for the schema at hand, and the reading of its answer."""

    def __init__(self, database: Database, reading: Reading, schema: Schema) -> None:
        self._database = database
        self._reading = reading
        self._schema = schema
        self._misfits = 0
        self._shown = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The batches of the source table, none of which is empty; says at the end what did not fit."""
        columns = self._columns()
        if columns is None:
            return
        count = 0
        for batch in gathered(self._finished(columns)):
            count += batch.num_rows
            yield batch
        _logger.debug("%s: %d rows of %s", self._database.name, count, self._reading.table)
        self._report()

    def _finished(self, columns: list[_Column]) -> Iterator[pa.RecordBatch]:
        extras = self._extras(columns)
        kinds = [(column.sql, column.kind) for column in columns]
        kinds += [(sql, Kind.FLAG if name == "is_nan" else Kind.INT) for name, sql in extras.items()]
        source = self._database.dialect.sql(self._reading.source)
        for batch in self._database.batches(kinds, source, self._reading.rows):
            yield self._finish(batch, columns, extras)

    def _columns(self) -> list[_Column] | None:
        """The columns to query, or None where the database lacks a table or column that is needed."""
        table = SOURCE_TABLES[self._reading.table]
        if self._main_table() not in self._schema:
            if self._main_table() not in LATER:
                said = table.name, self._database.name, self._main_table()
                _logger.warning("%s is left out, since %s lacks %s", *said)
            return None
        columns: list[_Column] = []
        missing = self._missing(self._reading.source)
        for name, kind in table.columns.items():
            expressions = self._reading.columns[name]
            sql = next((sql for sql in expressions if not self._missing(sql)), None)
            if sql is None:
                missing |= self._missing(expressions[-1])
            else:
                columns.append(self._column(name, sql, kind))
        if missing:
            lacks = ", ".join(sorted(missing))
            _logger.warning("%s is left out, since %s lacks %s", table.name, self._database.name, lacks)
            return None
        return columns

    def _main_table(self) -> str:
        return next(iter(self._reading.tables.values()))

    def _missing(self, sql: str) -> set[str]:
        """The tables and columns that an expression names and the database lacks."""
        tables = self._reading.tables
        lacks = {name for alias, name in tables.items() if f"{name} AS {alias}" in sql} - self._schema.keys()
        named = {(tables[alias], column) for alias, column in _references(sql)}
        here = {(table, column) for table, column in named if table in self._schema}
        return lacks | {f"{table}.{column}" for table, column in here if column not in self._schema[table]}

    def _column(self, name: str, sql: str, kind: Kind) -> _Column:
        dialect = self._database.dialect
        found, check = _REFERENCE.fullmatch(sql), dialect.checks.get(kind)
        own = dialect.sql(sql)
        if check is None or found is None:
            return _Column(name, dialect.typed(own, kind), kind)
        is_strict = self._schema[self._reading.tables[found[1]]][found[2]]
        return _Column(
            name, check.sql.format(own), kind, is_strict, None if is_strict else check.misfit.format(own)
        )

    def _extras(self, columns: list[_Column]) -> dict[str, str]:
        """What is queried besides: how many values of a row do not fit, and whether its value is NaN."""
        extras: dict[str, str] = {}
        misfits = [f"({column.misfit})" for column in columns if column.misfit]
        if misfits:
            extras["misfits"] = " + ".join(misfits)
        if self._reading.is_nan and not self._missing(self._reading.is_nan):
            dialect = self._database.dialect
            extras["is_nan"] = dialect.typed(dialect.sql(self._reading.is_nan), Kind.FLAG)
        return extras

    def _finish(
        self, batch: pa.RecordBatch, columns: list[_Column], extras: dict[str, str]
    ) -> pa.RecordBatch:
        """The batch as the source table has it."""
        import pyarrow as pa
        import pyarrow.compute as pc

        besides = dict(zip(extras, batch.columns[len(columns) :], strict=True))
        if "misfits" in besides:
            self._misfits += pc.sum(besides["misfits"]).as_py() or 0
        arrays = []
        for column, array in zip(columns, batch.columns, strict=False):
            self._misfits += array.null_count if column.is_strict else 0
            try:
                arrays.append(self._array(array, column.kind, besides.get("is_nan")))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise SourceError(
                    f"table {self._main_table()} of {self._database.name} is not as MLflow makes it:"
                    f" {column.name} is of type {array.type}"
                ) from error
        return pa.RecordBatch.from_arrays(arrays, schema=SOURCE_TABLES[self._reading.table].schema())

    def _array(self, array: pa.Array[Any], kind: Kind, is_nan: pa.Array[Any] | None) -> pa.Array[Any]:
        import pyarrow as pa

        if pa.types.is_binary(array.type):
            array = array.view(pa.string())
        if kind is Kind.FLOAT:
            return self._numbers(array, is_nan)
        if kind in (Kind.INT, Kind.FLAG):
            return array.cast(pa.int64() if kind is Kind.INT else pa.bool_())
        array = array.cast(pa.string())
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            return self._text(array)
        return array

    def _numbers(self, array: pa.Array[Any], is_nan: pa.Array[Any] | None) -> pa.Array[Any]:
        """The values of metrics; the largest doubles stand for infinities, and a mark for what is none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        values: Any = array.cast(pa.float64())
        for limit, infinity in ((_HUGE, math.inf), (-_HUGE, -math.inf)):
            marked: Any = pc.equal(values, _one_number(limit))
            values = pc.if_else(marked, _one_number(infinity), values) if pc.any(marked).as_py() else values
        if is_nan is not None:
            given: Any = is_nan.cast(pa.bool_())
            flags: Any = pc.and_kleene(given, given.is_valid()) if given.null_count else given
            values = pc.if_else(flags, _one_number(math.nan), values) if pc.any(flags).as_py() else values
        found: pa.Array[Any] = values
        return found

    def _text(self, array: pa.Array[Any]) -> pa.Array[Any]:
        """The texts of a column that has some that are not UTF-8, whose bytes are shown."""
        import pyarrow as pa

        from mlflow2prov.prov.text import clean_text

        texts: list[str | None] = []
        values: list[bytes | None] = array.cast(pa.binary()).to_pylist()
        for value in values:
            try:
                texts.append(None if value is None else value.decode())
            except UnicodeDecodeError:
                self._shown += 1
                texts.append(clean_text(value or b""))
        return pa.array(texts, pa.string())

    def _report(self) -> None:
        what = f"table {self._main_table()} of {self._database.name}"
        if self._misfits:
            _logger.warning("%d values in %s are no numbers and are left out", self._misfits, what)
        if self._shown:
            _logger.warning("%d texts in %s are not UTF-8; their bytes are shown as \\xNN", self._shown, what)


def _references(sql: str) -> list[tuple[str, str]]:
    """The columns that an expression names, as alias and name; what stands in quotes is none."""
    return _REFERENCE.findall(re.sub(r"'[^']*'", "''", sql))
