"""An MLflow store in MySQL or MariaDB, read by column.

PyMySQL connects, and knows passwords, TLS and option files. Rows are asked for in the binary protocol and decoded by
:mod:`~mlflow2prov.sources.mlflow.mysql_rows`, for which some of PyMySQL's inner methods are called.

No driver does as well: those that make Arrow themselves (connectorx) open a connection for each query, so that tables
would be seen at different moments; those that keep to one connection make Python objects of all values, and are
slower by far (see ``docs/reference/sources.md``).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlflow2prov.errors import SourceError
from mlflow2prov.sources.mlflow.database_dialects import MYSQL

if TYPE_CHECKING:
    from types import ModuleType

    import pyarrow as pa

    from mlflow2prov.prov.database_uris import DatabaseUri
    from mlflow2prov.sources.tables import Kind

_BATCH_BYTES = 4 * 2**20
_END, _ERROR = 0xFE, 0xFF
_DENIED = 1142
_LOST = "ended the connection in mid-read; read it again"
_SLOW = "broke a query off after its time limit; let the user have more time"
_REFUSED = "refuses the user or the password; see that they are right"
_INSECURE = "takes no connection without SSL; add ?ssl_mode=REQUIRED to the URI"
_REASONS: Mapping[int, str] = {
    1040: "takes no more connections; read it again later",
    1044: "lets this user not use the database; GRANT SELECT on it to the user",
    1045: f"{_REFUSED}, and whether the user must use SSL (?ssl_mode=REQUIRED)",
    1049: "is a database that the server does not have; see its name",
    1130: "takes no connection from this host; let the user come from here",
    _DENIED: "may not be read by this user ({text}); GRANT SELECT on the whole database to it",
    1143: "may not be read by this user ({text}); GRANT SELECT on the whole database to it",
    1698: _REFUSED,
    1969: _SLOW,
    3024: _SLOW,
    1317: "broke a query off, since somebody stopped it; read it again",
    1927: _LOST,
    2006: _LOST,
    2013: _LOST,
    4031: _LOST,
    2026: "can't be spoken to by SSL ({text}); see the parameters that begin with ssl_",
    3159: _INSECURE,
    4151: _REFUSED,
}
"""What the error codes of servers and of the driver mean."""
_UNREACHABLE = (
    ("refused", "nothing listens at this host and port"),
    ("timed out", "the host does not answer"),
    ("not known", "the host name is unknown"),
    ("name resolution", "the host name is unknown"),
    ("No such file", "no server listens at this socket"),
)


def _is_true(text: str) -> bool:
    return text.lower() in {"1", "true", "yes", "on"}


_SETTINGS: Mapping[str, Callable[[str], Any]] = {
    "unix_socket": str,
    "connect_timeout": int,
    "read_timeout": int,
    "read_default_file": str,
    "read_default_group": str,
    "server_public_key": str.encode,
}
"""The parameters of a URI that the driver is given as they are."""
_SSL: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "ssl_ca": ("ca", str),
    "ssl_capath": ("capath", str),
    "ssl_cert": ("cert", str),
    "ssl_key": ("key", str),
    "ssl_key_password": ("password", str),
    "ssl_cipher": ("cipher", str),
    "ssl_check_hostname": ("check_hostname", _is_true),
    "ssl_verify_identity": ("check_hostname", _is_true),
    "ssl_verify_cert": ("verify_mode", _is_true),
}
"""The parameters of a URI that are about TLS, and the driver's names for them."""


class MySQL:
    """A database within one read-only transaction that sees a snapshot of it.

    Attributes:
        name, uri: what MLflow calls it, without credentials.
        dialect: MySQL's.
    """

    dialect = MYSQL

    def __init__(self, address: DatabaseUri) -> None:
        """Connect, and begin the transaction.

        Raises:
            SourceError: the driver is missing, the server can't be reached, or it refuses.
        """
        self._driver = _driver()
        self._address = address
        self.name = self.uri = address.uri
        settings = _settings(address)
        with self._explained():
            self._connection = self._driver.connect(**settings)
        try:
            for statement in self.dialect.begin:
                self.rows(statement)
        except BaseException:
            self.close()
            raise

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query for a few rows.

        Raises:
            SourceError: the user may not read a table, or the connection broke.
        """
        with self._explained(), self._connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def hidden(self, tables: Sequence[str]) -> list[str]:
        """Those of the tables that the server does not show, since the user may not read them.

        Raises:
            SourceError: the connection broke.
        """
        return [table for table in tables if self._is_denied(table)]

    def _is_denied(self, table: str) -> bool:
        with self._explained(), self._connection.cursor() as cursor:
            try:
                cursor.execute(f"SELECT 1 FROM {table} LIMIT 0")
            except self._driver.err.ProgrammingError:
                return False
            except self._driver.err.OperationalError as error:
                if error.args[0] != _DENIED:
                    raise
                return True
        return False

    def batches(
        self, columns: Sequence[tuple[str, Kind]], source: str, rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Record batches of a query, of about 4 MiB whatever ``rows`` is, of which one is held.

        Raises:
            SourceError: the user may not read a table, or the connection broke.
        """
        import pyarrow as pa

        from mlflow2prov.sources.mlflow.mysql_rows import columns_of

        with self._explained():
            types = self._execute(f"SELECT {', '.join(sql for sql, _ in columns)} FROM {source}")
        names = [str(number) for number in range(len(types))]
        for packets, starts in self._packets():
            yield pa.RecordBatch.from_arrays(columns_of(packets, starts, types), names)

    def _execute(self, sql: str) -> list[tuple[int, int]]:
        """Run a query as a prepared statement; return number and flags of its columns' types."""
        from pymysql.constants import COMMAND
        from pymysql.protocol import FieldDescriptorPacket

        connection = self._connection
        connection._execute_command(COMMAND.COM_STMT_PREPARE, sql)
        statement, count = struct.unpack_from("<IH", connection._read_packet().get_all_data(), 1)
        for _ in range(count + 1):
            connection._read_packet()
        connection._execute_command(COMMAND.COM_STMT_EXECUTE, struct.pack("<IBI", statement, 0, 1))
        connection._read_packet()
        fields = [connection._read_packet(FieldDescriptorPacket) for _ in range(count)]
        connection._read_packet()
        return [(field.type_code, field.flags) for field in fields]

    def _packets(self) -> Iterator[tuple[bytes, list[int]]]:
        """The packets of the answer's rows, some MiB at a time, and where their payloads begin."""
        from mlflow2prov.sources.mlflow.mysql_rows import complete_packets

        received = bytearray()
        starts: list[int] = []
        end, is_last = 0, False
        while not is_last:
            with self._explained():
                received += self._received()
            more, end = complete_packets(received, end)
            is_last = bool(more) and self._is_end(received, more[-1], end)
            starts += more[: -1 if is_last else None]
            if starts and (is_last or end >= _BATCH_BYTES):
                yield bytes(received[:end]), starts
                del received[:end]
                starts, end = [], 0

    def _received(self) -> bytes:
        found: bytes = self._connection._rfile.read1(2**20)
        if not found:
            raise self._driver.err.OperationalError(2013, "the answer is cut off")
        return found

    def _is_end(self, received: bytearray, start: int, end: int) -> bool:
        """Whether a packet is no row but what ends them: rows begin with a zero.

        Raises:
            SourceError: it is an error.
        """
        if received[start] == _ERROR:
            with self._explained():
                self._driver.err.raise_mysql_exception(bytes(received[start:end]))
        return received[start] == _END

    def check(self) -> None:
        """Do nothing: the transaction saw one moment."""

    def close(self) -> None:
        """End the transaction and the connection, at once: what is left of an answer is not waited for."""
        self._connection._force_close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the driver's errors into sentences without credentials."""
        try:
            yield
        except (self._driver.err.MySQLError, OSError, RuntimeError) as error:
            raise SourceError(f"{self.name} {self._reason(error)}") from None

    def _reason(self, error: Exception) -> str:
        code = error.args[0] if len(error.args) > 1 else 0
        text = " ".join(self._address.hidden(str(error.args[-1] if error.args else error)).split())
        if code == 2003:
            cause = next((cause for sign, cause in _UNREACHABLE if sign in text), text)
            return f"can't be reached: {cause}"
        if isinstance(error, OSError) and not isinstance(error, self._driver.err.MySQLError):
            return _LOST
        return _REASONS.get(code, "can't be read: {text}").format(text=text)


def _settings(address: DatabaseUri) -> dict[str, Any]:
    """What the driver is told."""
    host, port = address.host_and_port
    settings: dict[str, Any] = {
        "host": host if address.hosts else None,
        "port": port,
        "user": address.user,
        "password": address.password or "",
        "database": address.database or None,
        "charset": "utf8mb4",
        "read_timeout": None,
        "program_name": "mlflow2prov",
    }
    ssl: dict[str, Any] = {}
    for name, value in address.query:
        if name in _SETTINGS:
            settings[name] = _SETTINGS[name](value)
        elif name in _SSL:
            key, convert = _SSL[name]
            ssl[key] = convert(value)
        elif name == "ssl_mode" or (name == "ssl" and _is_true(value)):
            ssl |= _ssl_mode(value.upper())
    return settings | ({"ssl": ssl} if ssl else {})


def _ssl_mode(mode: str) -> dict[str, Any]:
    """What MySQL's word for how far a server is to be trusted means to the driver."""
    if mode in ("DISABLED", "PREFERRED"):
        return {}
    return {"verify_mode": mode.startswith("VERIFY"), "check_hostname": mode == "VERIFY_IDENTITY"}


def _driver() -> ModuleType:
    try:
        import numpy  # noqa: F401
        import pymysql
    except ImportError as error:
        raise SourceError(
            'to read MySQL or MariaDB, install its driver: pip install "mlflow2prov[mysql]"'
        ) from error
    driver: ModuleType = pymysql
    return driver
