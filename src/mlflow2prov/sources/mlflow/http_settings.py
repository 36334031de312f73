"""How to talk to an MLflow server: credentials, certificates, proxies, patience.

The settings are plain data. They are taken from a mapping that looks like an environment, so that only
the command line ever reads the real one.
"""

from __future__ import annotations

import configparser
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from mlflow2prov.errors import UsageError
from mlflow2prov.sources.mlflow.parts import CONCURRENCY

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")

_NO_PROXIES: Mapping[str, str] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpSettings:
    """How to talk to an MLflow server; the defaults are those of MLflow's own client.

    Secrets stay out of ``repr``. ``username`` with ``password`` (Basic) goes before ``token`` (Bearer).

    Attributes:
        username: for HTTP Basic authentication, together with ``password``.
        password: see ``username``.
        token: for Bearer authentication.
        insecure_tls: accept any certificate of the server.
        server_cert_path: file or folder of the certificate authorities to trust instead of the system's.
        client_cert_path: file with the client's certificate and private key.
        workspace: the workspace of the server to read.
        max_retries: how often a request that failed for a passing reason is sent again.
        backoff_factor: the wait in seconds before the second repetition; it doubles each time.
        backoff_jitter: up to this many seconds are added to a wait at random.
        timeout_s: how many seconds to wait for an answer.
        respect_retry_after: wait as long as a ``Retry-After`` header asks for.
        proxies: the proxy's URL by scheme: ``http``, ``https`` or ``all``.
        no_proxy: hosts to reach without proxy, separated by commas.
        concurrency: how many requests are under way at once.
    """

    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    insecure_tls: bool = False
    server_cert_path: str | None = None
    client_cert_path: str | None = None
    workspace: str | None = None
    max_retries: int = 7
    backoff_factor: float = 2.0
    backoff_jitter: float = 1.0
    timeout_s: float = 120.0
    respect_retry_after: bool = True
    proxies: Mapping[str, str] = field(default_factory=lambda: _NO_PROXIES, repr=False)
    no_proxy: str | None = None
    concurrency: int = CONCURRENCY

    def __post_init__(self) -> None:
        if self.insecure_tls and self.server_cert_path:
            raise UsageError(
                "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH exclude each other; "
                "unset one"
            )
        for name in ("max_retries", "backoff_factor", "backoff_jitter"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} of the connection to MLflow must not be negative")
        if self.timeout_s <= 0 or self.concurrency < 1:
            raise UsageError("timeout and concurrency of the connection to MLflow must be positive")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], concurrency: int | None = None) -> HttpSettings:
        """The settings that MLflow's own variables in ``environment`` ask for.

        Also reads ``~/.mlflow/credentials`` (section ``[mlflow]``) below the ``HOME`` of the mapping;
        a user name or password in the environment goes first.

        Args:
            environment: variables and their values.
            concurrency: how many requests are under way at once, where it is not the default number.

        Raises:
            UsageError: a variable has a value that can't be used, or two exclude each other.

        >>> HttpSettings.from_environment({"MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}).timeout_s
        30.0
        """
        stored = _stored_credentials(environment)
        text = _Variables(environment)
        default = cls()
        return cls(
            username=text.get("MLFLOW_TRACKING_USERNAME") or stored.get("mlflow_tracking_username"),
            password=text.get("MLFLOW_TRACKING_PASSWORD") or stored.get("mlflow_tracking_password"),
            token=text.get("MLFLOW_TRACKING_TOKEN"),
            insecure_tls=text.parse("MLFLOW_TRACKING_INSECURE_TLS", _flag, default.insecure_tls),
            server_cert_path=text.get("MLFLOW_TRACKING_SERVER_CERT_PATH"),
            client_cert_path=text.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"),
            workspace=text.get("MLFLOW_WORKSPACE"),
            max_retries=text.parse("MLFLOW_HTTP_REQUEST_MAX_RETRIES", _count, default.max_retries),
            backoff_factor=text.parse("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", _seconds, default.backoff_factor),
            backoff_jitter=text.parse("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", _seconds, default.backoff_jitter),
            timeout_s=text.parse("MLFLOW_HTTP_REQUEST_TIMEOUT", _timeout, default.timeout_s),
            respect_retry_after=text.parse(
                "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", _flag, default.respect_retry_after
            ),
            proxies=text.proxies(),
            no_proxy=text.get("no_proxy") or text.get("NO_PROXY"),
            concurrency=default.concurrency if concurrency is None else concurrency,
        )

    def proxy_for(self, scheme: str, host: str) -> str | None:
        """The URL of the proxy that leads to ``host``, or None where it is reached directly.

        >>> settings = HttpSettings(proxies={"all": "http://proxy:3128"}, no_proxy="localhost,.example.org")
        >>> settings.proxy_for("https", "mlflow.example.org"), settings.proxy_for("http", "mlflow.test")
        (None, 'http://proxy:3128')
        """
        proxy = self.proxies.get(scheme) or self.proxies.get("all")
        return None if proxy is None or _is_among(host, self.no_proxy or "") else proxy


@dataclass(frozen=True, slots=True)
class _Variables:
    environment: Mapping[str, str]

    def get(self, name: str) -> str | None:
        return self.environment.get(name) or None

    def parse(self, name: str, parse: Callable[[str], _T], default: _T) -> _T:
        value = self.get(name)
        if value is None:
            return default
        try:
            return parse(value.strip())
        except ValueError as error:
            raise UsageError(f"{name} is {value!r}, but it must be {error}") from None

    def proxies(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for scheme in ("http", "https", "all"):
            name = f"{scheme}_proxy"
            proxy = self.get(name) or self.get(name.upper())
            if proxy is None:
                continue
            proxy = proxy if "://" in proxy else f"http://{proxy}"
            if urlsplit(proxy).scheme not in ("http", "https"):
                raise UsageError(
                    f"{name.upper()} must be an http:// or https:// URL; other proxies can't be used"
                )
            found[scheme] = proxy
        return found


def _is_among(host: str, no_proxy: str) -> bool:
    """Whether ``host`` or a domain that it is in stands in a list such as ``localhost,.example.org``."""
    host = host.lower().strip("[]")
    for entry in no_proxy.lower().split(","):
        name = entry.strip()
        name = name.rsplit(":", 1)[0] if name.count(":") == 1 else name
        name = name.strip("[]").removeprefix("*.").lstrip(".")
        if name and (name == "*" or host == name or host.endswith(f".{name}")):
            return True
    return False


def _flag(value: str) -> bool:
    flags = {"true": True, "1": True, "false": False, "0": False}
    if value.lower() not in flags:
        raise ValueError("true or false")
    return flags[value.lower()]


def _number(value: str, least: float, wanted: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise ValueError(wanted) from None
    if not least <= number < float("inf"):
        raise ValueError(wanted)
    return number


def _count(value: str) -> int:
    number = _number(value, 0, "a whole number, not negative")
    if number != int(number):
        raise ValueError("a whole number, not negative")
    return int(number)


def _seconds(value: str) -> float:
    return _number(value, 0, "a number, not negative")


def _timeout(value: str) -> float:
    return _number(value, 0.001, "a number of seconds above zero")


def _stored_credentials(environment: Mapping[str, str]) -> Mapping[str, str]:
    home = environment.get("HOME") or environment.get("USERPROFILE")
    file = Path(home) / ".mlflow" / "credentials" if home else None
    if file is None or not file.is_file():
        return {}
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(file.read_text("utf-8"))
    except (OSError, UnicodeError, configparser.Error):
        _logger.warning("%s can't be read as an MLflow credentials file, so it is left out", file)
        return {}
    return dict(parser["mlflow"]) if parser.has_section("mlflow") else {}
