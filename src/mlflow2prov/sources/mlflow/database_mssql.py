"""An MLflow store in Microsoft SQL Server, read in rows that are made into columns.

Written after the documentation of the server and of the driver, pymssql, and never tried on a server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlflow2prov.errors import SourceError
from mlflow2prov.sources.mlflow.database_dialects import MSSQL

if TYPE_CHECKING:
    from types import ModuleType

    import pyarrow as pa

    from mlflow2prov.prov.database_uris import DatabaseUri
    from mlflow2prov.sources.tables import Kind

_REASONS = (
    ("18456", "refuses the user or the password; see that they are right"),
    ("4060", "is a database that the server does not have, or not for this user; see its name"),
    ("229,", "has tables that this user may not read ({text}); GRANT SELECT on the whole database to it"),
    ("3952", "does not allow snapshots; ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON"),
    ("20009", "can't be reached: nothing listens at this host and port"),
    ("20047", "ended the connection in mid-read; read it again"),
)


class MicrosoftSQLServer:
    """A database within one transaction that sees a snapshot of it, and in which nothing but queries is run.

    Attributes:
        name, uri: what MLflow calls it, without credentials.
        dialect: the server's.
    """

    dialect = MSSQL

    def __init__(self, address: DatabaseUri) -> None:
        """Connect, and begin the transaction.

        Raises:
            SourceError: the driver is missing, the server can't be reached, or it refuses.
        """
        self._driver = _driver()
        self._address = address
        self.name = self.uri = address.uri
        host, port = address.host_and_port
        with self._explained():
            self._connection = self._driver.connect(
                server=host,
                port=str(port),
                user=address.user,
                password=address.password,
                database=address.database,
                charset="UTF-8",
                appname="mlflow2prov",
                autocommit=True,
            )
            with self._connection.cursor() as cursor:
                for statement in self.dialect.begin:
                    cursor.execute(statement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query for a few rows.

        Raises:
            SourceError: the user may not read a table, or the connection broke.
        """
        with self._explained(), self._connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def batches(
        self, columns: Sequence[tuple[str, Kind]], source: str, rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Record batches of a query, ``rows`` at a time, of which one is held; a Python object for each value.

        Raises:
            SourceError: the user may not read a table, or the connection broke.
        """
        import pyarrow as pa

        names = [str(number) for number in range(len(columns))]
        with self._explained():
            cursor = self._connection.cursor()
            cursor.execute(f"SELECT {', '.join(sql for sql, _ in columns)} FROM {source}")
        while True:
            with self._explained():
                found = cursor.fetchmany(rows)
            if not found:
                return
            arrays = [pa.array(values) for values in zip(*found, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, names)

    def hidden(self, tables: Sequence[str]) -> list[str]:
        """None are looked for."""
        return []

    def check(self) -> None:
        """Do nothing: the transaction saw one moment."""

    def close(self) -> None:
        """End the transaction and the connection."""
        self._connection.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the driver's errors into sentences without credentials."""
        try:
            yield
        except (self._driver.Error, OSError) as error:
            text = " ".join(self._address.hidden(str(error)).split())
            reason = next((reason for sign, reason in _REASONS if sign in text), "can't be read: {text}")
            raise SourceError(f"{self.name} {reason.format(text=text)}") from None


def _driver() -> ModuleType:
    try:
        import pymssql
    except ImportError as error:
        raise SourceError(
            'to read Microsoft SQL Server, install its driver: pip install "mlflow2prov[mssql]"'
        ) from error
    driver: ModuleType = pymssql
    return driver
