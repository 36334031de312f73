"""What an MLflow server's errors and broken connections are called in plain words."""

from __future__ import annotations

import re
import ssl
from typing import Any

from urllib3 import exceptions as failures

from mlflow2prov.errors import SourceError
from mlflow2prov.prov.credentials import without_credentials
from mlflow2prov.sources.mlflow.server_wire import decode

_SIGN_IN = (
    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, "
    "to credentials that may read"
)


class RefusedError(SourceError):
    """A request that the server answered with an error.

    Attributes:
        status: of the answer; 0 where it took too long, 413 where it was too large.
        code: MLflow's own name of the error, such as ``RESOURCE_DOES_NOT_EXIST``, else empty.
    """

    def __init__(self, message: str, *, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def refusal(uri: str, path: str, status: int, content_type: str, body: bytes) -> RefusedError:
    """The error that the server at ``uri`` answered with, which ``body`` may explain."""
    where = f"{uri}/{path}"
    code, said = _complaint(content_type, body)
    if status == 401:
        message = f"{uri} asks for credentials (401); {_SIGN_IN}"
    elif status == 403 and "host header" in said.lower():
        message = f"{uri} refuses its own host name (403); start the server with --allowed-hosts for it"
    elif status == 403:
        message = f"{where} is forbidden with these credentials (403{_said(said)}); {_SIGN_IN}"
    elif status == 407:
        message = f"the proxy before {uri} asks for credentials (407); put them into HTTP(S)_PROXY"
    elif status == 404 and not code:
        message = (
            f"{where} does not exist (404); check that the address is an MLflow server's, of 2.0 or later"
        )
    elif 300 <= status < 400:
        message = f"{where} leads elsewhere again and again ({status}); check the address"
    elif status == 429:
        message = (
            f"{where} is asked too often (429{_said(said)}); set --concurrency lower, or try again later"
        )
    else:
        message = f"{where} answered with error {status}{_said(said)}; see the server's log"
    return RefusedError(message, status=status, code=code)


_NO_REGISTRY = "Model registry functionality is unavailable"
"""What a server says whose store can't have a registry, as if the request were wrong."""

_CLIENT_CERTIFICATE = (
    "set MLFLOW_TRACKING_CLIENT_CERT_PATH where it asks for a client's certificate, and use http:// where it has "
    "no TLS"
)
_PLACE = re.compile(r"\s*\(_?ssl\.c:\d+\)")
_UNREACHABLE: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (failures.NameResolutionError, "has a host name that can't be resolved; check the address"),
    (
        (failures.SSLError, ssl.SSLError),
        "has no TLS connection that can be trusted ({detail}); set MLFLOW_TRACKING_SERVER_CERT_PATH to "
        "its certificate authority, or MLFLOW_TRACKING_INSECURE_TLS=true to trust any, or use http://",
    ),
    (failures.ProxyError, "can't be reached through the proxy ({detail}); check HTTP(S)_PROXY and NO_PROXY"),
    (
        failures.NewConnectionError,
        "can't be connected to ({detail}); check the address and that the server runs",
    ),
    (failures.ConnectTimeoutError, "can't be connected to in time; check the address and the network"),
    (
        (failures.ProtocolError, ConnectionError),
        "broke the connection in the middle of an answer ({detail}); check that the server still runs",
    ),
    (failures.DecodeError, "sent an answer whose compression is broken; check what stands in between"),
    (failures.LocationParseError, "is not a URL that can be used; check the address"),
)


def unreachable(uri: str, path: str, timeout_s: float, error: Exception) -> SourceError:
    """What to say of a connection to ``uri`` that ``error`` ended."""
    reason = reason_of(error)
    if isinstance(reason, failures.ReadTimeoutError | TimeoutError):
        return RefusedError(
            f"{uri} did not answer /{path} within {timeout_s:g} s; "
            "try again later or set MLFLOW_HTTP_REQUEST_TIMEOUT higher",
            status=0,
        )
    if isinstance(reason, failures.SSLError | ssl.SSLError) and may_pass(error):
        return SourceError(f"{uri} broke off the TLS connection ({detail(reason)}); {_CLIENT_CERTIFICATE}")
    for kinds, said in _UNREACHABLE:
        if isinstance(reason, kinds):
            return SourceError(f"{uri} {said.format(detail=detail(reason))}")
    return SourceError(f"{uri} can't be read ({detail(reason)}); check the address and the network")


def reason_of(error: Exception) -> Exception:
    """The reason of an error of urllib3, without the word that it was tried in vain."""
    return error.reason if isinstance(error, failures.MaxRetryError) and error.reason else error


def may_pass(error: Exception) -> bool:
    """Whether another attempt may not meet ``error`` again."""
    reason = reason_of(error)
    if isinstance(reason, failures.LocationParseError | failures.LocationValueError):
        return False
    told = [reason, reason.__cause__, reason.__context__, *reason.args]
    return not any(isinstance(one, ssl.SSLCertVerificationError) for one in told)


def _complaint(content_type: str, body: bytes) -> tuple[str, str]:
    """MLflow's code and message of an error, both empty where the answer has none."""
    if body.startswith(b"Endpoint: ") and b" disabled " in body[:500]:  # with 503, though it does not pass
        return "FEATURE_DISABLED", body.decode("utf-8", "replace")
    if content_type.startswith("text/plain"):
        return "", body.decode("utf-8", "replace")
    try:
        said = decode(body, dict[str, Any])
    except ValueError:
        return "", ""
    code, message = str(said.get("error_code", "")), str(said.get("message", ""))
    return ("FEATURE_DISABLED" if _NO_REGISTRY in message else code), message


def _said(message: str) -> str:
    line = without_credentials(message.strip().split("\n")[0])[:200].rstrip(".")
    return f": {line}" if line else ""


def detail(error: BaseException) -> str:
    """What an error of the connection says, short and without addresses."""
    cause = error.__cause__ or error.__context__
    named = cause if isinstance(cause, OSError) and cause.strerror else error
    if isinstance(named, OSError) and named.strerror:
        return _PLACE.sub("", named.strerror)
    text = _PLACE.sub("", str(error.args[-1])) if error.args else type(error).__name__
    return without_credentials(text).rsplit(": ", 1)[-1][:120]
