"""The connection to an MLflow server: requests with patience, answers decoded, errors in plain words."""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec
import urllib3
from urllib3 import exceptions as failures

import mlflow2prov
from mlflow2prov.errors import SourceError, UsageError
from mlflow2prov.prov.credentials import shown_url, without_credentials
from mlflow2prov.sources.mlflow.http_settings import HttpSettings
from mlflow2prov.sources.mlflow.server_wire import decode

__all__ = ["HttpClient", "HttpSettings", "Pages", "Query", "RefusedError", "without_credentials"]

if TYPE_CHECKING:
    from urllib3.connectionpool import ConnectionPool

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")
_S = TypeVar("_S")

Query = Sequence[tuple[str, str | int]]

_PASSING = frozenset({429, 500, 502, 503, 504})
_FIRST_CONNECTS = 2
_CHUNK_BYTES = 2**20
_SIGN_IN = (
    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, "
    "to credentials that may read"
)
_ABSENT_CODES = frozenset({"ENDPOINT_NOT_FOUND", "FEATURE_DISABLED", "NOT_IMPLEMENTED"})


class RefusedError(SourceError):
    """A request that the server answered with an error; ``status`` is 0 where it took too long.

    ``code`` is MLflow's own name of the error, such as ``RESOURCE_DOES_NOT_EXIST``, else empty.
    """

    def __init__(self, message: str, *, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class HttpClient:
    """A connection to the MLflow server at ``url``, to be used by several threads and closed at the end.

    Attributes:
        uri: the address without credentials, query and trailing slash.
    """

    def __init__(self, url: str, settings: HttpSettings) -> None:
        self._settings = settings
        self.uri, basic = _split_credentials(url)
        self._headers = _headers(settings, basic)
        self._pool = _pool(self.uri, settings)
        self._threads = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="mlflow-http")
        self._met = False

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._pool.clear()

    def target(self, path: str, query: Query = ()) -> str:
        """The URL of ``path`` below the server's address; ``path`` has no leading slash."""
        return f"{self.uri}/{quote(path)}" + (f"?{urlencode(query)}" if query else "")

    def request(
        self, path: str, *, query: Query = (), body: object | None = None, retries: int | None = None
    ) -> bytes:
        """The body that the server answers with: to GET, or to POST where there is a ``body`` for JSON.

        Args:
            path: below the server's address, without leading slash.
            query: names and values; a name may come several times.
            body: what to send as JSON.
            retries: at most this many repetitions instead of the settings' number.

        Raises:
            RefusedError: the server answered with an error, or not in time.
            SourceError: the server can't be reached.
        """
        method = "GET" if body is None else "POST"
        content = None if body is None else msgspec.json.encode(body)
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        begun = time.perf_counter()
        target, plan = self.target(path, query), self._retries(retries)
        try:
            answer = self._pool.request(method, target, body=content, headers=headers, retries=plan)
        except (failures.HTTPError, ssl.SSLError, OSError) as error:
            raise self._unreachable(error, path) from None
        spent_ms = (time.perf_counter() - begun) * 1000
        _logger.debug(
            "%s /%s: %d, %d bytes, %.0f ms", method, path, answer.status, len(answer.data), spent_ms
        )
        self._met = True
        if answer.status != 200:
            raise self._refusal(answer, path)
        return answer.data

    @property
    def threads(self) -> ThreadPoolExecutor:
        """As many threads as there may be requests under way."""
        return self._threads

    def stream(self, path: str, *, query: Query = (), retries: int | None = None) -> Iterator[bytes]:
        """The body that the server answers a GET with, as it stands, in pieces; see `request`."""
        headers = {**self._headers, "accept-encoding": "identity"}
        try:
            answer = self._pool.request(
                "GET",
                self.target(path, query),
                headers=headers,
                retries=self._retries(retries),
                preload_content=False,
            )
            try:
                if answer.status != 200:
                    raise self._refusal(answer, path)
                yield from answer.stream(_CHUNK_BYTES, decode_content=False)
                answer.release_conn()
            finally:
                answer.close()
        except (failures.HTTPError, ssl.SSLError, OSError) as error:
            raise self._unreachable(error, path) from None

    def ask(
        self,
        kind: type[_T],
        path: str,
        *,
        query: Query = (),
        body: object | None = None,
        retries: int | None = None,
    ) -> _T:
        """The answer of the server, as ``kind``; see `request` for the arguments and errors.

        Raises:
            SourceError: the answer is no JSON of the form that ``kind`` declares.
        """
        content = self.request(path, query=query, body=body, retries=retries)
        return self.understand(content, kind, path)

    def ask_if_known(
        self, kind: type[_T], path: str, *, query: Query = (), body: object | None = None
    ) -> _T | None:
        """The answer of the server, as ``kind``; None where its version lacks the end point or the thing."""
        try:
            return self.ask(kind, path, query=query, body=body)
        except RefusedError as error:
            if error.status in (404, 405, 501) or error.code in _ABSENT_CODES:
                _logger.debug("%s has no answer at /%s", self.uri, path)
                return None
            raise

    def understand(self, content: bytes, kind: type[_T], path: str) -> _T:
        """The JSON text ``content``, which the server answered with at ``path``, as ``kind``."""
        try:
            return decode(content, kind)
        except ValueError as error:
            if content.lstrip()[:1] == b"<":
                raise SourceError(
                    f"{self.uri}/{path} answered with a web page instead of JSON; check that the address is "
                    "an MLflow server's and that no sign-in page stands in between"
                ) from None
            raise SourceError(
                f"{self.uri}/{path} answered with JSON that can't be understood ({error}); "
                "check that the address is an MLflow server's"
            ) from None

    def in_order(self, function: Callable[[_S], _T], items: Iterable[_S]) -> Iterator[_T]:
        """``function`` of each of the ``items``, in their order, with several under way at once.

        At most twice as many results as the settings' concurrency are held.
        """
        waiting: deque[Future[_T]] = deque()
        try:
            for item in items:
                waiting.append(self._threads.submit(function, item))
                if len(waiting) >= 2 * self._settings.concurrency:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _retries(self, most: int | None) -> urllib3.Retry:
        settings = self._settings
        count = settings.max_retries if most is None else min(most, settings.max_retries)
        return _Retry(
            total=None,
            connect=count if self._met else min(count, _FIRST_CONNECTS),
            read=count,
            status=count,
            redirect=5,
            other=0,
            allowed_methods=None,
            status_forcelist=_PASSING,
            backoff_factor=settings.backoff_factor,
            backoff_jitter=settings.backoff_jitter,
            respect_retry_after_header=settings.respect_retry_after,
            raise_on_status=False,
        )

    def _unreachable(self, error: Exception, path: str) -> SourceError:
        reason = error.reason if isinstance(error, failures.MaxRetryError) and error.reason else error
        if isinstance(reason, failures.ReadTimeoutError):
            return RefusedError(
                f"{self.uri} did not answer /{path} within {self._settings.timeout_s:g} s; "
                "try again later or set MLFLOW_HTTP_REQUEST_TIMEOUT higher",
                status=0,
            )
        for kinds, said in _UNREACHABLE:
            if isinstance(reason, kinds):
                return SourceError(f"{self.uri} {said.format(detail=_detail(reason))}")
        return SourceError(f"{self.uri} can't be read ({_detail(reason)}); check the address and the network")

    def _refusal(self, answer: urllib3.BaseHTTPResponse, path: str) -> RefusedError:
        status, where = answer.status, f"{self.uri}/{path}"
        code, said = _complaint(answer)
        if status == 401:
            message = f"{self.uri} asks for credentials (401); {_SIGN_IN}"
        elif status == 403 and "host header" in said.lower():
            message = (
                f"{self.uri} refuses its own host name (403); start the server with --allowed-hosts for it"
            )
        elif status == 403:
            message = f"{where} is forbidden with these credentials (403{_said(said)}); {_SIGN_IN}"
        elif status == 407:
            message = f"the proxy before {self.uri} asks for credentials (407); put them into HTTP(S)_PROXY"
        elif status == 404 and not code:
            message = f"{where} does not exist (404); check that the address is an MLflow server's"
        elif 300 <= status < 400:
            message = f"{where} leads elsewhere again and again ({status}); check the address"
        else:
            message = f"{where} answered with error {status}{_said(said)}; see the server's log"
        return RefusedError(message, status=status, code=code)


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
    (failures.LocationParseError, "is not a URL that can be used; check the address"),
)


class _HasToken(Protocol):
    @property
    def next_page_token(self) -> str | None: ...


class Pages:
    """What tells whether the pages of a search lead on: the tokens so far, which are held."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: set[str] = set()

    def after(self, page: _HasToken) -> str | None:
        """The token of the page that follows ``page``, or None where it is the last.

        Raises:
            SourceError: the token has led to a page already, and so it would go on for ever.
        """
        token = page.next_page_token or None
        if token in self._seen:
            raise SourceError(
                f"/{self._path} of the MLflow server leads from page to page in a circle; see the server's log"
            )
        if token is not None:
            self._seen.add(token)
        return token


class _Retry(urllib3.Retry):
    """A plan for repeating requests that says when it does."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: urllib3.BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        left = super().increment(method, url, response, error, _pool, _stacktrace)
        reason = _detail(error) if response is None and error else f"status {response and response.status}"
        _logger.info("%s %s is sent again after %s", method, (url or "").split("?")[0], reason)
        return left


def _split_credentials(url: str) -> tuple[str, str | None]:
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


def _headers(settings: HttpSettings, basic: str | None) -> dict[str, str]:
    headers = urllib3.make_headers(accept_encoding=True, user_agent=f"mlflow2prov/{mlflow2prov.__version__}")
    if basic is None and settings.username and settings.password:
        basic = f"{settings.username}:{settings.password}"
    if basic is not None:
        headers["authorization"] = _basic(basic)
    elif settings.token:
        headers["authorization"] = f"Bearer {settings.token}"
    if settings.workspace:
        headers["X-MLFLOW-WORKSPACE"] = settings.workspace
    return dict(headers)


def _basic(name_and_password: str) -> str:
    from base64 import b64encode

    return "Basic " + b64encode(name_and_password.encode("utf-8")).decode("ascii")


def _pool(uri: str, settings: HttpSettings) -> urllib3.PoolManager:
    options: dict[str, Any] = {
        "maxsize": 2 * settings.concurrency + 1,  # contents are read while others are listed
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
    address, basic = _split_credentials(proxy)
    headers = {"proxy-authorization": _basic(basic)} if basic else None
    return urllib3.ProxyManager(address, proxy_headers=headers, **options)


def _authority(path: str) -> dict[str, str]:
    from pathlib import Path

    name = _existing(path, "MLFLOW_TRACKING_SERVER_CERT_PATH")
    return {"ca_cert_dir" if Path(name).is_dir() else "ca_certs": name}


def _existing(path: str, variable: str) -> str:
    from pathlib import Path

    if not Path(path).exists():
        raise UsageError(f"{variable} names {path}, which does not exist")
    return path


def _complaint(answer: urllib3.BaseHTTPResponse) -> tuple[str, str]:
    """MLflow's code and message of an error, both empty where the answer has none."""
    if answer.headers.get("Content-Type", "").startswith("text/plain"):
        return "", answer.data.decode("utf-8", "replace")
    try:
        said = decode(answer.data, dict[str, Any])
    except ValueError:
        return "", ""
    return str(said.get("error_code", "")), str(said.get("message", ""))


def _said(message: str) -> str:
    line = without_credentials(message.strip().split("\n")[0])[:200].rstrip(".")
    return f": {line}" if line else ""


def _detail(error: BaseException) -> str:
    """What an error of the connection says, short and without addresses."""
    cause = error.__cause__ or error.__context__
    named = cause if isinstance(cause, OSError) and cause.strerror else error
    if isinstance(named, OSError) and named.strerror:
        return re.sub(r"\s*\(_?ssl\.c:\d+\)", "", named.strerror)
    text = str(error.args[-1]) if error.args else type(error).__name__
    return without_credentials(text).rsplit(": ", 1)[-1][:120]
