"""One query of a database: what a declaration of a table (`Reading`) makes of the schema at hand, and its answer."""

from __future__ import annotations

import logging
import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mlflow2prov.errors import SourceError
from mlflow2prov.sources.gathering import gathered
from mlflow2prov.sources.mlflow.database_reading import Reading
from mlflow2prov.sources.mlflow.database_tables import LATER
from mlflow2prov.sources.mlflow.table_warnings import warn_of
from mlflow2prov.sources.tables import SOURCE_TABLES, Kind

if TYPE_CHECKING:
    import pyarrow as pa

    from mlflow2prov.sources.mlflow.database_dialects import Dialect

_logger = logging.getLogger(__name__)

_REFERENCE = re.compile(r"\b([a-z])\.(\w+)")
_HUGE = 1.7976931348623157e308

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
        what, table = f"table {self._main_table()} of {self._database.name}", self._reading.table
        if self._misfits:
            said = "%d values in %s are no numbers and are left out"
            warn_of(table, _logger, said, self._misfits, what)
        if self._shown:
            said = "%d texts in %s are not UTF-8; their bytes are shown as \\xNN"
            warn_of(table, _logger, said, self._shown, what)


def _references(sql: str) -> list[tuple[str, str]]:
    """The columns that an expression names, as alias and name; what stands in quotes is none."""
    return _REFERENCE.findall(re.sub(r"'[^']*'", "''", sql))
