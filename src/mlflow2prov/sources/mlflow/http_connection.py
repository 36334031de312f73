"""How a connection to an MLflow server is made: address, credentials, certificates, proxies."""

from __future__ import annotations

import logging
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3 import exceptions as failures

import mlflow2prov
from mlflow2prov.errors import UsageError
from mlflow2prov.prov.credentials import shown_url
from mlflow2prov.sources.mlflow.http_settings import HttpSettings

_logger = logging.getLogger(__name__)

WORKSPACE_HEADER = "X-MLFLOW-WORKSPACE"


def split_credentials(url: str) -> tuple[str, str | None]:
    """The address of a server without credentials, query and trailing slash, and its ``name:password``.

    Raises:
        UsageError: ``url`` is not a server's.

    >>> split_credentials("https://ann:p%40@mlflow.test/team/?x=1")
    ('https://mlflow.test/team', 'ann:p@')
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"{shown_url(url)!r} is not a URL; write http://host:port") from None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"{shown_url(url)!r} is not the URL of a server; write http://host:port")
    place = f"[{host}]" if ":" in host else host
    if port is not None:
        place += f":{port}"
    basic = None
    if parts.username:
        basic = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"{parts.scheme}://{place}{parts.path.rstrip('/')}", basic


def request_headers(settings: HttpSettings, basic: str | None) -> dict[str, str]:
    """The headers of every request; ``basic`` is the URL's ``name:password``, which goes first."""
    headers = urllib3.make_headers(accept_encoding=True, user_agent=f"mlflow2prov/{mlflow2prov.__version__}")
    if basic is None and settings.username and settings.password:
        basic = f"{settings.username}:{settings.password}"
    if basic is not None:
        headers["authorization"] = _basic(basic)
    elif settings.token:
        headers["authorization"] = f"Bearer {settings.token}"
    if settings.workspace:
        headers[WORKSPACE_HEADER] = settings.workspace
    return dict(headers)


def _basic(name_and_password: str) -> str:
    return "Basic " + b64encode(name_and_password.encode("utf-8")).decode("ascii")


def connection_pool(uri: str, settings: HttpSettings) -> urllib3.PoolManager:
    """The connections to the server at ``uri``, one for each request that may be under way.

    Raises:
        UsageError: a certificate file that the settings name does not exist.
    """
    options: dict[str, Any] = {
        "maxsize": 2 * settings.concurrency + 1,
        "timeout": urllib3.Timeout(connect=min(30.0, settings.timeout_s), read=settings.timeout_s),
    }
    if settings.insecure_tls:
        _logger.warning("the certificate of %s is not checked, as MLFLOW_TRACKING_INSECURE_TLS asks", uri)
        urllib3.disable_warnings(failures.InsecureRequestWarning)
        options |= {"cert_reqs": "CERT_NONE", "assert_hostname": False}
    if settings.server_cert_path:
        options |= _authority(settings.server_cert_path)
    if settings.client_cert_path:
        options["cert_file"] = _existing(settings.client_cert_path, "MLFLOW_TRACKING_CLIENT_CERT_PATH")
    parts = urlsplit(uri)
    proxy = settings.proxy_for(parts.scheme, parts.hostname or "")
    if proxy is None:
        return urllib3.PoolManager(**options)
    address, basic = split_credentials(proxy)
    headers = {"proxy-authorization": _basic(basic)} if basic else None
    return urllib3.ProxyManager(address, proxy_headers=headers, **options)


def _authority(path: str) -> dict[str, str]:
    name = _existing(path, "MLFLOW_TRACKING_SERVER_CERT_PATH")
    return {"ca_cert_dir" if Path(name).is_dir() else "ca_certs": name}


def _existing(path: str, variable: str) -> str:
    if not Path(path).exists():
        raise UsageError(f"{variable} names {path}, which does not exist")
    return path
