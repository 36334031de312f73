"""The URIs of databases on servers: what they say, and how they are spelled without credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from mlflow2prov.errors import UsageError

ENGINES: Mapping[str, tuple[str, int]] = {
    "postgresql": ("postgresql", 5432),
    "postgres": ("postgresql", 5432),
    "mysql": ("mysql", 3306),
    "mariadb": ("mysql", 3306),
    "mssql": ("mssql", 1433),
}
"""The engine that a scheme names, and the port that its servers listen at by default."""

_URI = re.compile(
    r"(?P<scheme>[a-z]+)(?:\+\w+)?://"
    r"(?:(?P<user>[^:/@]*)(?::(?P<password>[^@]*))?@)?"
    r"(?P<hosts>[^/?@]*)(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_SEARCH_PATH = re.compile(r"(?:-c\s*|--)search_path=(\S+)")


def is_database_uri(uri: str) -> bool:
    """Whether a URI is that of a database on a server.

    >>> is_database_uri("mysql+pymysql://host/mlflow"), is_database_uri("sqlite:///mlflow.db")
    (True, False)
    """
    return uri.partition(":")[0].partition("+")[0].lower() in ENGINES


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUri:
    """What the URI of a database says, decoded.

    Attributes:
        engine: ``postgresql``, ``mysql`` or ``mssql``.
        user, password: None where it has none.
        hosts: host and port, or several, as given; empty where it has none.
        database: its name, or empty.
        query: the parameters for the driver.
    """

    engine: str
    user: str | None
    password: str | None
    hosts: str
    database: str
    query: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, uri: str) -> DatabaseUri:
        """Take apart a URI as SQLAlchemy spells them.

        Raises:
            UsageError: it is none.

        >>> DatabaseUri.parse("postgresql+psycopg2://ada:p%40ss@Db.example.org:5432/mlflow?sslmode=require").uri
        'postgresql://db.example.org/mlflow'
        >>> DatabaseUri.parse("mysql://ada@host:3307/mlflow").password is None
        True
        """
        found = _URI.fullmatch(uri)
        if found is None or found["scheme"].lower() not in ENGINES:
            raise UsageError(
                "the URI of a database reads postgresql://user@host:port/database, or mysql:// or mssql:// alike;"
                " signs such as @ and / in a password are written as %40 and %2F"
            )
        decoded = {name: None if text is None else unquote(text) for name, text in found.groupdict().items()}
        return cls(
            engine=ENGINES[found["scheme"].lower()][0],
            user=decoded["user"],
            password=decoded["password"],
            hosts=decoded["hosts"] or "",
            database=decoded["database"] or "",
            query=tuple(parse_qsl(found["query"] or "", keep_blank_values=True)),
        )

    @property
    def uri(self) -> str:
        """The spelling that all spellings of one database share, without user, password and driver.

        Of the parameters only those stay that say which store it is.
        """
        given = dict(self.query)
        host = self.hosts or ("" if given.get("host", "/").startswith("/") else given["host"])
        port = f":{given['port']}" if "port" in given and ":" not in host else ""
        hosts = re.sub(rf":{ENGINES[self.engine][1]}(?=,|$)", "", f"{host.lower()}{port}")
        path = _SEARCH_PATH.search(given.get("options", ""))
        kept = {"service": given.get("service"), "search_path": path and path[1]}
        query = "&".join(f"{name}={value}" for name, value in kept.items() if value)
        database = self.database or given.get("dbname", "")
        return f"{self.engine}://{hosts}/{database}{query and '?'}{query}"

    @property
    def host_and_port(self) -> tuple[str, int]:
        """The first host and its port, with the defaults where it has none.

        Raises:
            UsageError: the port is no number.

        >>> DatabaseUri.parse("mysql://[::1]:3307/mlflow").host_and_port
        ('::1', 3307)
        """
        found = re.fullmatch(r"(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?", self.hosts)
        if found is None:
            raise UsageError(f"{self.uri}: the port is not a number; give host:port/database")
        return found[1] or found[2] or "localhost", int(found[3] or ENGINES[self.engine][1])

    def hidden(self, text: str) -> str:
        """A driver's message without the password, should it have it."""
        from urllib.parse import quote

        from mlflow2prov.prov.credentials import without_credentials

        secrets = [self.password, *(value for name, value in self.query if "pass" in name.lower())]
        for secret in filter(None, secrets):
            for spelled in (secret, quote(secret), quote(secret, safe="")):
                text = text.replace(spelled, "…")
        return without_credentials(text)
