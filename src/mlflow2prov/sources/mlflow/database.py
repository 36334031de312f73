"""The way into MLflow through its SQLite database: read-only, by column, whatever the schema's version."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow2prov.errors import SourceError
from mlflow2prov.sources.mlflow.database_tables import KNOWN_REVISIONS, LATER, NEEDED, READINGS, Reading
from mlflow2prov.sources.mlflow.parts import require_known
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches, Kind

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from mlflow2prov.sources.mlflow.database_file import DatabaseFile

_logger = logging.getLogger(__name__)

_REFERENCE = re.compile(r"\b([a-z])\.(\w+)")
_HUGE = "1.7976931348623157e308"
_LARGEST = "9223372036854775807"
_EXAMPLES = {Kind.INT: 0, Kind.FLAG: 0, Kind.FLOAT: 0.5}
_OWNERS = {
    "mlflow_run": ("run", "run_id", "artifact_uri"),
    "mlflow_logged_model": ("logged_model", "model_id", "artifact_location"),
}
"""The tables whose rows own artifacts: the word for it, and the columns of the identifier and the place."""

_Schema = Mapping[str, Mapping[str, bool]]
"""The columns of each SQL table, in lower case, and whether they are NOT NULL."""


def read_database(uri: str, *, skip: frozenset[str] = frozenset()) -> Batches:
    """Batches of every MLflow source table that a SQLite database and the artifact folders it names can fill.

    The database is never written to, made or migrated. All of it is read in one transaction, which ends
    before the artifacts are listed: a store that is in use is seen as it was at one moment, and programs that
    write to it wait until then (not in WAL mode). Databases of MLflow 2.5 to 3.18 are known; others are read
    as far as they look alike, with a warning.

    Holds one batch (65,536 rows of metrics, 8,192 of others, 256 datasets) and the identifiers and artifact
    places of runs and logged models. Costs less than to iterate over the rows with the `sqlite3` module.

    Args:
        uri: such as ``sqlite:///mlflow.db`` or ``sqlite:////srv/mlflow.db``.
        skip: parts to leave out, from `PARTS`; without ``metric_history`` only the latest points are read.

    Raises:
        UsageError: ``uri`` is no SQLite file's, or ``skip`` has an unknown part. At once; the others on use.
        SourceError: the file is missing, locked, damaged, no database or not MLflow's.
    """
    from mlflow2prov.sources.mlflow.database_file import database_path

    require_known(skip)
    return _read(database_path(uri), skip)


def _read(path: Path, skip: frozenset[str]) -> Batches:
    from mlflow2prov.sources.mlflow.artifacts import read_artifacts
    from mlflow2prov.sources.mlflow.database_file import DatabaseFile

    owners: list[tuple[str, pa.RecordBatch]] = []
    with closing(DatabaseFile(path)) as database:
        schema = _schema_of(database)
        _require_mlflow(database, schema)
        yield _store(database, _revision(database, schema))
        for reading in READINGS:
            if not _is_wanted(reading, skip):
                continue
            for batch in _Query(database, reading, schema).batches():
                if reading.table in _OWNERS:
                    _, *columns = _OWNERS[reading.table]
                    owners.append((reading.table, batch.select(columns)))
                yield reading.table, batch
        database.check()
    if "artifacts" not in skip:
        yield from read_artifacts(_owners(owners))


def _is_wanted(reading: Reading, skip: frozenset[str]) -> bool:
    return reading.part not in skip and (reading.instead_of is None or reading.instead_of in skip)


def _owners(batches: list[tuple[str, pa.RecordBatch]]) -> Iterator[tuple[str, str, str]]:
    for table, batch in batches:
        owner = _OWNERS[table][0]
        for owner_id, uri in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if uri is not None:
                yield owner, owner_id, uri


def _schema_of(database: DatabaseFile) -> _Schema:
    tables = sorted({name for reading in READINGS for name in reading.tables.values()} | {"alembic_version"})
    rows = database.rows(
        "SELECT '', '', 0 UNION ALL SELECT t.name, lower(c.name), c.\"notnull\""
        " FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c"
        f" WHERE t.type IN ('table', 'view') AND t.name IN ({', '.join(map(repr, tables))})"
    )
    schema: dict[str, dict[str, bool]] = {}
    for table, column, is_not_null in rows[1:]:
        schema.setdefault(table, {})[column] = bool(is_not_null)
    return schema


def _require_mlflow(database: DatabaseFile, schema: _Schema) -> None:
    missing = [f"{table}.{column}" for table, column in NEEDED.items() if column not in schema.get(table, {})]
    if missing:
        raise SourceError(
            f"{database.name} is not an MLflow store: it has no {' and no '.join(missing)};"
            " give the database that MLflow's tracking URI names"
        )


def _revision(database: DatabaseFile, schema: _Schema) -> str | None:
    """The revision of the schema, as Alembic names it; warns where it is not a known one."""
    is_named = "version_num" in schema.get("alembic_version", {})
    rows = database.rows("SELECT CAST(version_num AS TEXT) FROM alembic_version") if is_named else []
    revision = ", ".join(sorted(str(row[0]) for row in rows)) or None
    if revision not in KNOWN_REVISIONS:
        named = f"has the unknown revision {revision}" if revision else "names no revision"
        _logger.warning("the schema of %s %s and is read as far as it is understood", database.name, named)
    return revision


def _store(database: DatabaseFile, revision: str | None) -> tuple[str, pa.RecordBatch]:
    import pyarrow as pa

    path = database.name.replace("\\", "/") if database.path.drive else database.name
    uri = f"sqlite:///{path}"
    row = {"uri": uri, "mlflow_version": None, "schema_version": revision}
    schema = SOURCE_TABLES["mlflow_store"].schema()
    return "mlflow_store", pa.RecordBatch.from_pylist([row], schema=schema)


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


class _Query:
    """The query that a declaration makes for the schema at hand, and the reading of its answer."""

    def __init__(self, database: DatabaseFile, reading: Reading, schema: _Schema) -> None:
        self._database = database
        self._reading = reading
        self._schema = schema
        self._misfits = 0
        self._shown = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The batches of the source table, none of which is empty; says at the end what did not fit."""
        reading = self._reading
        columns = self._columns()
        if columns is None:
            return
        extras = self._extras(columns)
        count = 0
        for batch in self._typed_batches(columns, extras):
            count += batch.num_rows
            yield self._finish(batch, columns, extras)
        _logger.debug("%s: %d rows of %s", self._database.name, count, reading.table)
        self._report()

    def _typed_batches(self, columns: list[_Column], extras: dict[str, str]) -> Iterator[pa.RecordBatch]:
        """The query's batches, whose types are fixed by a first row of examples, which is taken off again.

        The driver takes types from the first batch, where a column may be without any value.
        """
        examples: list[Any] = [*(_EXAMPLES.get(column.kind, "") for column in columns), *(0 for _ in extras)]
        sql = (
            f"SELECT {', '.join(map(repr, examples))} UNION ALL"
            f" SELECT {', '.join([*(column.sql for column in columns), *extras.values()])}"
            f" FROM {self._reading.source}"
        )
        is_first = True
        for batch in self._database.batches(sql, self._reading.rows):
            rest = batch
            if is_first:
                if [column[0].as_py() for column in batch.columns] != examples:
                    raise SourceError(f"{self._database.name} answers out of order; report it, please")
                rest, is_first = batch.slice(1), False
            if rest.num_rows:
                yield rest

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
        found = _REFERENCE.fullmatch(sql)
        if kind not in (Kind.INT, Kind.FLOAT) or found is None:
            return _Column(name, f"CAST({sql} AS {'INTEGER' if kind in _EXAMPLES else 'TEXT'})", kind)
        is_strict = self._schema[self._reading.tables[found[1]]][found[2]]
        typed, most = (_value(sql), "9e999") if kind is Kind.FLOAT else (_integer(sql), _LARGEST)
        misfit = None if is_strict else f"coalesce({sql} > {most}, 0)"
        return _Column(name, typed, kind, is_strict, misfit)

    def _extras(self, columns: list[_Column]) -> dict[str, str]:
        """What is queried besides: how many values of a row do not fit, and whether its value is NaN."""
        extras: dict[str, str] = {}
        misfits = [f"({column.misfit})" for column in columns if column.misfit]
        if misfits:
            extras["misfits"] = " + ".join(misfits)
        if self._reading.is_nan and not self._missing(self._reading.is_nan):
            extras["is_nan"] = f"coalesce(CAST({self._reading.is_nan} AS INTEGER), 0)"
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
            arrays.append(self._array(array, column.kind, besides.get("is_nan")))
        return pa.RecordBatch.from_arrays(arrays, schema=SOURCE_TABLES[self._reading.table].schema())

    def _array(self, array: pa.Array[Any], kind: Kind, is_nan: pa.Array[Any] | None) -> pa.Array[Any]:
        import pyarrow as pa
        import pyarrow.compute as pc

        if kind is Kind.FLAG:
            return array.cast(pa.bool_())
        if kind is Kind.FLOAT and is_nan is not None:
            flags: Any = is_nan.cast(pa.bool_())
            found: pa.Array[Any] = pc.if_else(flags, math.nan, array) if pc.any(flags).as_py() else array
            return found
        if kind in _EXAMPLES:
            return array
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            return self._text(array)
        return array

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


def _integer(column: str) -> str:
    """A whole number, and NULL for what is none: SQLite keeps any value in any column.

    A comparison finds misfits sooner than `typeof`: every text and every blob is greater than every number.
    """
    return f"CASE WHEN {column} > {_LARGEST} THEN NULL ELSE CAST({column} AS INTEGER) END"


def _value(column: str) -> str:
    """A number, where the largest doubles stand for the infinities that MLflow can't store."""
    return (
        f"CASE WHEN {column} >= {_HUGE} THEN CASE typeof({column}) WHEN 'real' THEN 9e999 END"
        f" WHEN {column} <= -{_HUGE} THEN -9e999 ELSE {column} END"
    )
