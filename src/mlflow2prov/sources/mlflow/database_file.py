"""A SQLite file of MLflow, found by its URI and opened so that reading leaves no trace."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import adbc_driver_sqlite
from adbc_driver_manager import AdbcConnection, AdbcStatement
from adbc_driver_manager import Error as DriverError
from pyarrow import ArrowException, RecordBatchReader

from mlflow2prov.errors import SourceError, UsageError
from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.mlflow.database_dialects import SQLITE
from mlflow2prov.sources.tables import Kind

if TYPE_CHECKING:
    import pyarrow as pa

_EXAMPLES = {Kind.INT: 0, Kind.FLAG: 0, Kind.FLOAT: 0.5}
_MAGIC = b"SQLite format 3\x00"
_WAL_FORMAT = 2
_BUSY_MS = 5_000
_SETTINGS = (
    "query_only = ON",
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "case_sensitive_like = ON",  # as MLflow sets it where it looks for texts
)
_REASONS = (
    ("locked", "is locked by another program; read it again when that has finished writing"),
    ("not a database", "is not a SQLite database; give the file that MLflow's sqlite:/// URI names"),
    ("malformed", "is damaged or cut off; restore it from a copy"),
    ("disk I/O error", "can't be read to its end; the disk reports an error or the file is cut off"),
    ("out of memory", "needs more memory than there is for some of its rows"),
    ("readonly database", "has an unfinished write beside it that only a program that may write can settle"),
    (
        "unable to open",
        "can't be opened; see that you may read it, and write to its folder if a -wal file stands beside it",
    ),
)


def database_path(uri: str) -> Path:
    """The absolute path of the file that a ``sqlite:///`` URI names, which may not exist.

    Three slashes lead a relative path and four an absolute one. A percent-encoded path is decoded, as
    SQLAlchemy does from 2.1 on, unless only a file of the name as it stands exists. The query is ignored,
    but for ``uri=true``, which lets the path be SQLite's own ``file:`` form.

    Raises:
        UsageError: it is not a URI of a SQLite file.

    >>> database_path("sqlite:////srv/my%20store.db?timeout=5").as_posix()
    '/srv/my store.db'
    """
    found = re.fullmatch(r"sqlite(?:\+\w+)?://(?:/([^?]*)(?:\?(.*))?)?", uri, re.IGNORECASE | re.DOTALL)
    if found is None:
        raise UsageError(
            "the URI of a SQLite store reads sqlite:///relative.db or sqlite:////absolute/path.db"
        )
    name, query = found[1] or "", parse_qs(found[2] or "")
    is_in_memory = name in ("", ":memory:")
    if query.get("uri", ["false"])[-1].lower() in ("true", "1", "yes", "on") and name.startswith("file:"):
        name = re.sub(r"^file:(//(localhost)?(?=/))?", "", name)
        is_in_memory = name in ("", ":memory:") or query.get("mode") == ["memory"]
    if is_in_memory or "\0" in unquote(name):
        raise UsageError(
            "a SQLite database in memory can't be read; give the path of a file: sqlite:///mlflow.db"
        )
    decoded, literal = Path(unquote(name)), Path(name)
    path = literal if not decoded.exists() and literal.exists() else decoded
    return path.resolve()


@dataclass(frozen=True, slots=True)
class _State:
    """What tells whether a file was written to."""

    size: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> _State:
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


class DatabaseFile:
    """A SQLite file within one read transaction, so that all queries see the same moment.

    Until :meth:`close`, programs that write to the file must wait, unless it is in WAL mode.

    Attributes:
        path: of the file.
        name: the path as text for people.
        uri: what MLflow calls it.
        dialect: SQLite's.
    """

    dialect = SQLITE

    def __init__(self, path: Path) -> None:
        """Open the file at ``path``, which is neither made nor changed.

        Raises:
            SourceError: it is missing, unreadable, locked or no database.
        """
        self.path = path
        self.name = text_of(bytes(path))[0]
        shown = self.name.replace("\\", "/") if path.drive else self.name
        self.uri = f"sqlite:///{shown}"
        self._immutable = self._is_settled_wal()
        self._state = _State.of(path)
        with self._explained():
            flags = "mode=ro&immutable=1" if self._immutable else "mode=ro"
            # The driver's own interface: its module for Python's database API takes as long to import as
            # a small database to read, since it looks for libraries that are not needed here.
            self._database = adbc_driver_sqlite.connect(f"{path.as_uri()}?{flags}")
            self._connection = AdbcConnection(self._database)
            try:
                self._begin()
            except BaseException:
                self.close()
                raise

    def _is_settled_wal(self) -> bool:
        """Whether the file is in WAL mode with nothing in its log.

        SQLite would make a log and an index beside such a file even to read it, and fail where it may not.
        """
        try:
            with self.path.open("rb") as file:
                header = file.read(20)
            logs = [Path(f"{self.path}{suffix}") for suffix in ("-wal", "-shm")]
            sizes = [log.stat().st_size if log.exists() else None for log in logs]
        except FileNotFoundError as error:
            raise SourceError(
                f"{self.name} does not exist; give the path of MLflow's database file"
            ) from error
        except OSError as error:
            raise SourceError(f"{self.name} can't be read ({error.strerror}); see its permissions") from error
        if header and not header.startswith(_MAGIC):
            raise SourceError(f"{self.name} {_REASONS[1][1]}")
        wal_bytes, index_bytes = sizes
        return (
            header[19:20] == bytes([_WAL_FORMAT])
            and not wal_bytes
            and (wal_bytes is None or index_bytes is None)
        )

    def _begin(self) -> None:
        settings = [f"PRAGMA {setting}" for setting in (f"busy_timeout = {_BUSY_MS}", *_SETTINGS)]
        for sql in (*settings, *SQLITE.begin, "SELECT count(*) FROM sqlite_master"):
            with self._answer(sql) as reader:
                reader.read_all()

    @contextmanager
    def _answer(self, sql: str, rows: int | None = None) -> Iterator[RecordBatchReader]:
        """The answer to a query, in batches of a number of rows."""
        with closing(AdbcStatement(self._connection)) as statement:
            if rows is not None:
                statement.set_options(**{"adbc.sqlite.query.batch_rows": str(rows)})
            statement.set_sql_query(sql)
            stream, _ = statement.execute_query()
            with RecordBatchReader.from_stream(stream) as reader:
                yield reader

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows that a query for a few rows yields; its columns must not mix types.

        Raises:
            SourceError: the file is locked, damaged or cut off.
        """
        with self._explained(), self._answer(sql) as reader:
            table = reader.read_all()
            return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    def batches(
        self, columns: Sequence[tuple[str, Kind]], source: str, rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Record batches of a query's rows, ``rows`` at a time, of which one is held.

        The driver takes types from the first batch, where a column may be without any value: so they are
        fixed by a first row of examples, which is taken off again.

        Raises:
            SourceError: the file is locked, damaged or cut off.
        """
        examples = [_EXAMPLES.get(kind, "") for _, kind in columns]
        sql = (
            f"SELECT {', '.join(map(repr, examples))} UNION ALL"
            f" SELECT {', '.join(sql for sql, _ in columns)} FROM {source}"
        )
        is_first = True
        for batch in self._raw_batches(sql, rows):
            rest = batch
            if is_first:
                if [column[0].as_py() for column in batch.columns] != examples:
                    raise SourceError(f"{self.name} answers out of order; report it, please")
                rest, is_first = batch.slice(1), False
            if rest.num_rows:
                yield rest

    def _raw_batches(self, sql: str, rows: int) -> Iterator[pa.RecordBatch]:
        with ExitStack() as stack:
            with self._explained():
                reader = stack.enter_context(self._answer(sql, rows))
            while True:
                with self._explained():
                    try:
                        batch = reader.read_next_batch()
                    except StopIteration:
                        return
                yield batch

    def hidden(self, tables: Sequence[str]) -> list[str]:
        """None: who reads the file sees all tables."""
        return []

    def close(self) -> None:
        """End the transaction and close the file."""
        self._connection.close()
        self._database.close()

    def check(self) -> None:
        """See that a file which was read without locks did not change meanwhile.

        Raises:
            SourceError: it did.
        """
        if self._immutable and _State.of(self.path) != self._state:
            raise SourceError(f"{self.name} was written to while it was read; read it again")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the driver's errors into sentences."""
        try:
            yield
        except (DriverError, ArrowException, OSError, UnicodeDecodeError) as error:
            text = str(error).partition("\nquery:")[0]
            reason = next((reason for sign, reason in _REASONS if sign in text), None)
            raise SourceError(f"{self.name} {reason or f'can not be read: {text}'}") from error
