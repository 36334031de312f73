"""An MLflow store in PostgreSQL, read by column.

The driver is ADBC's, which takes the rows of a query by ``COPY`` in PostgreSQL's binary form and makes Arrow
columns of them. It was the fastest of those compared (see ``docs/reference/sources.md``), needs no compiler, and takes its
settings as every program on libpq does: from the URI, ``PGPASSWORD``, ``PGPASSFILE``, a service file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from mlflow2prov.errors import SourceError
from mlflow2prov.sources.mlflow.database_dialects import POSTGRESQL

if TYPE_CHECKING:
    from types import ModuleType

    import pyarrow as pa

    from mlflow2prov.prov.database_uris import DatabaseUri
    from mlflow2prov.sources.tables import Kind

_REASONS = (
    ("password authentication failed", "refuses the user or the password; see that they are right"),
    ("no password supplied", "asks for a password; give it in the URI, PGPASSWORD or a .pgpass file"),
    (
        "does not support SSL",
        "has no SSL, which sslmode asks for; leave that out, or set SSL up on the server",
    ),
    ("no encryption", "takes no connection without SSL from here; add ?sslmode=require to the URI"),
    ("no pg_hba.conf entry", "takes no connection of this user from here; let its pg_hba.conf allow it"),
    (
        "certificate verify failed",
        "has a certificate that is not trusted; give its authority by ?sslrootcert=",
    ),
    (
        "root certificate file",
        "can't be checked without a file of trusted authorities; give it by ?sslrootcert=",
    ),
    ("server certificate for", "has a certificate for another host name; give the name that is in it"),
    ("invalid URI query parameter", "has a parameter in its URI that libpq does not know"),
    ("too many clients", "takes no more connections; read it again later"),
    ("too many connections", "takes no more connections; read it again later"),
    ("statement timeout", "broke a query off after its statement_timeout; let the user have more time"),
    (
        "conflict with recovery",
        "is a replica that broke a query off; read it again, or read the primary server",
    ),
    (
        "permission denied",
        "may not be read by this user ({text}); GRANT SELECT ON ALL TABLES IN SCHEMA to it",
    ),
    ("is not permitted to log in", "lets this user not log in; give another one"),
    ("starting up", "is not ready yet; read it again later"),
    ("terminating connection", "ended the connection in mid-read; read it again"),
    ("server closed the connection", "ended the connection in mid-read; read it again"),
    ("no COPY in progress", "ended the connection in mid-read; read it again"),
    ("SSL connection has been closed", "ended the connection in mid-read; read it again"),
    ("could not receive data", "ended the connection in mid-read; read it again"),
    ("Connection refused", "can't be reached: nothing listens at this host and port"),
    ("could not translate host name", "can't be reached: the host name is unknown"),
    ("timeout expired", "can't be reached: the host does not answer"),
    ("timed out", "can't be reached: the host does not answer"),
    ("No such file or directory", "can't be reached: no server listens at this socket; give host:port"),
)
"""What stands in a message, and what it means: the first that fits."""


class PostgreSQL:
    """A database within one read-only transaction that sees a snapshot of it.

    Attributes:
        name, uri: what MLflow calls it, without credentials.
        dialect: PostgreSQL's.
    """

    dialect = POSTGRESQL

    def __init__(self, address: DatabaseUri) -> None:
        """Connect, and begin the transaction.

        Raises:
            SourceError: the driver is missing, the server can't be reached, or it refuses.
        """
        driver = _driver()
        self._address = address
        self.name = self.uri = address.uri
        with self._explained():
            self._connection = driver.dbapi.connect(_connection_string(address), autocommit=True)
        try:
            self._begin()
        except BaseException:
            self._connection.close()
            raise

    def _begin(self) -> None:
        with self._explained(), closing(self._connection.cursor()) as cursor:
            for statement in self.dialect.begin:
                cursor.execute(statement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query for a few rows.

        Raises:
            SourceError: the user may not read a table, or the connection broke.
        """
        with self._explained(), closing(self._connection.cursor()) as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def batches(
        self, columns: Sequence[tuple[str, Kind]], source: str, rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Record batches of a query, of about 16 MiB whatever ``rows`` is, of which one is held.

        Raises:
            SourceError: the user may not read a table, or the connection broke.
        """
        with closing(self._connection.cursor()) as cursor:
            with self._explained():
                cursor.execute(f"SELECT {', '.join(sql for sql, _ in columns)} FROM {source}")
                reader = cursor.fetch_record_batch()
            while True:
                with self._explained():
                    try:
                        batch = reader.read_next_batch()
                    except StopIteration:
                        return
                if batch.num_rows:
                    yield batch

    def hidden(self, tables: Sequence[str]) -> list[str]:
        """None: everybody sees the names of all tables."""
        return []

    def check(self) -> None:
        """Do nothing: the transaction saw one moment."""

    def close(self) -> None:
        """End the transaction and the connection."""
        self._connection.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the driver's errors into sentences without credentials."""
        from adbc_driver_manager import Error as DriverError
        from pyarrow import ArrowException

        try:
            yield
        except (DriverError, ArrowException, OSError) as error:
            raise SourceError(f"{self.name} {self._reason(str(error))}") from None

    def _reason(self, message: str) -> str:
        said = self._address.hidden(message)
        text = " ".join(said.partition("\nquery:")[0].partition("\nQuery:")[0].split())
        if 'database "' in text and "does not exist" in text:
            return "is a database that the server does not have; see its name"
        reason = next((reason for sign, reason in _REASONS if sign in text), "can't be read: {text}")
        return reason.format(text=text.rpartition("ERROR: ")[2].strip())


def _connection_string(address: DatabaseUri) -> str:
    """The URI as libpq reads it."""
    user = "" if address.user is None else quote(address.user, safe="")
    password = "" if address.password is None else f":{quote(address.password, safe='')}"
    at = "@" if user or password else ""
    query = urlencode({"fallback_application_name": "mlflow2prov", **dict(address.query)}, quote_via=quote)
    hosts, database = quote(address.hosts, safe=":,[]"), quote(address.database, safe="")
    return f"postgresql://{user}{password}{at}{hosts}/{database}?{query}"


def _driver() -> ModuleType:
    try:
        import adbc_driver_postgresql.dbapi
    except ImportError as error:
        raise SourceError(
            'to read PostgreSQL, install its driver: pip install "mlflow2prov[postgresql]"'
        ) from error
    driver: ModuleType = adbc_driver_postgresql
    return driver
