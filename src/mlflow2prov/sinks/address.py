"""Where a graph is pushed to: a URL, and who comes there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote, unquote

from mlflow2prov.errors import UsageError
from mlflow2prov.prov.credentials import shown_url, without_credentials

USER = "MLFLOW2PROV_PUSH_USER"
PASSWORD = "MLFLOW2PROV_PUSH_PASSWORD"
"""The environment variables that say who pushes, where the URL does not."""

FULL = re.compile(
    r"no space left|disk quota|file too large|quota exceeded|disk is full|out of disk|OutOfDisk",
    re.IGNORECASE,
)
"""What stands in the message of a server that has no more room."""

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^:/?#@]*)(?::(?P<password>[^/?#@]*))?@)?(?P<rest>[^@]*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The URL of a database, and the user and password that it is opened with.

    Attributes:
        scheme: in lower case.
        rest: what follows ``://``, without user and password.
        user, password: decoded; None where there is none.
    """

    scheme: str
    rest: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """Take a URL apart.

        Raises:
            UsageError: it is none.

        >>> Address.parse("BOLT://ada:p%40ss@localhost:7687")
        Address(scheme='bolt', rest='localhost:7687', user='ada')
        """
        found = _URL.fullmatch(url)
        if found is None or any(ord(character) <= 0x20 for character in url):
            raise UsageError(
                f"can't push to {shown_url(url)!r}: that is no URL such as bolt://user@host:7687; signs such as @ and /"
                " in a password are written as %40 and %2F"
            )
        user, password = (unquote(found[name]) if found[name] else None for name in ("user", "password"))
        return cls(scheme=found["scheme"].lower(), rest=found["rest"], user=user, password=password)

    @property
    def url(self) -> str:
        """The URL without user and password.

        >>> Address.parse("http://ada:secret@localhost/data").url
        'http://localhost/data'
        """
        return f"{self.scheme}://{self.rest}"

    def parameter(self, name: str) -> str | None:
        """Return what the URL's query says of a parameter, decoded.

        >>> Address.parse("postgresql://host/db?schema=my%20prov&sslmode=require").parameter("schema")
        'my prov'
        """
        return dict(parse_qsl(self.rest.partition("?")[2], keep_blank_values=True)).get(name)

    def without(self, name: str) -> str:
        """Return the rest of the URL without a parameter.

        >>> Address.parse("postgresql://host/db?schema=mine&sslmode=require").without("schema")
        'host/db?sslmode=require'
        """
        place, _, query = self.rest.partition("?")
        kept = "&".join(word for word in query.split("&") if word and word.partition("=")[0] != name)
        return f"{place}?{kept}" if kept else place

    @property
    def shown(self) -> str:
        """The URL as it may stand in a message."""
        return shown_url(self.url)

    def signed_in(self, environment: Mapping[str, str]) -> Address:
        """Return the address with the user and the password that the environment names, where it has none.

        >>> Address.parse("bolt://host").signed_in({USER: "ada", PASSWORD: "secret"}).user
        'ada'
        """
        user = self.user or environment.get(USER) or None
        return replace(self, user=user, password=self.password or environment.get(PASSWORD) or None)

    def hidden(self, text: str) -> str:
        """Return a driver's message without the password, should it have it.

        >>> Address.parse("bolt://ada:secret@host").hidden("ada may not enter with secret")
        'ada may not enter with …'
        """
        for spelled in {self.password, quote(self.password or "", safe="")} - {None, ""}:
            text = text.replace(str(spelled), "…")
        return without_credentials(text)


_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\[\]:]*)(?::(?P<port>[0-9]{0,5}))?")
_LAST_PORT = 65_535


def check_hosts(address: Address) -> None:
    """Raise an error if what a URL names is no host, or none with such a port, or if it has a fragment.

    Drivers take such URLs each in a way of its own, and some lead to another server.

    Raises:
        UsageError: so it is.

    >>> check_hosts(Address.parse("mongodb://one:27017,[::1]:27018/prov"))
    >>> check_hosts(Address.parse("bolt://host:99999"))
    Traceback (most recent call last):
    mlflow2prov.errors.UsageError: can't push to bolt://host:99999: 'host:99999' is no host, or its port none of 1 to 65535
    """
    if "#" in address.rest:
        raise UsageError(f"can't push to {address.shown}: a sign # in a URL is written as %23")
    for place in re.split("[/?]", address.rest, maxsplit=1)[0].split(","):
        found = _HOST.fullmatch(place)
        port = found and found["port"]
        if not found or (port and not 0 < int(port) <= _LAST_PORT):
            raise UsageError(
                f"can't push to {address.shown}: {place!r} is no host, or its port none of 1 to {_LAST_PORT}"
            )


SCHEMA = "prov"
"""The schema of an SQL database, where the URL names none."""

_LONGEST_NAME = 63
_RESERVED = re.compile(r"pg_.*|information_schema", re.IGNORECASE)


def schema_of(address: Address) -> str:
    """Return the schema that the URL of an SQL database names by ``?schema=``.

    Raises:
        UsageError: no schema can have that name.

    >>> schema_of(Address.parse("postgresql://host/db")), schema_of(Address.parse("duckdb://a.db?schema=mine"))
    ('prov', 'mine')
    """
    named = address.parameter("schema")
    if named is None:
        return SCHEMA
    if not named or len(named.encode()) > _LONGEST_NAME or "\0" in named or _RESERVED.fullmatch(named):
        raise UsageError(
            f"can't push to {address.shown}: its schema has to have a name of 1 to {_LONGEST_NAME} bytes"
            " that the database does not keep for itself"
        )
    return named
