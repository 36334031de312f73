"""The connection to an MLflow server: requests with patience, answers decoded, errors in plain words."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec
import urllib3
from urllib3 import exceptions as failures

from mlflow2prov.errors import SourceError
from mlflow2prov.prov.credentials import without_credentials
from mlflow2prov.sources.mlflow.http_connection import (
    WORKSPACE_HEADER,
    connection_pool,
    request_headers,
    split_credentials,
)
from mlflow2prov.sources.mlflow.http_pages import Pages
from mlflow2prov.sources.mlflow.http_patience import (
    PASSING,
    PassingError,
    asked_wait_s,
    most_repetitions,
    wait_s,
)
from mlflow2prov.sources.mlflow.http_refusals import RefusedError, detail, may_pass, refusal, unreachable
from mlflow2prov.sources.mlflow.http_settings import HttpSettings
from mlflow2prov.sources.mlflow.http_workers import Workers
from mlflow2prov.sources.mlflow.server_wire import decode

__all__ = ["HttpClient", "HttpSettings", "Pages", "Query", "RefusedError", "without_credentials"]

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")
_S = TypeVar("_S")

Query = Sequence[tuple[str, str | int]]

_ABSENT_CODES = frozenset({"ENDPOINT_NOT_FOUND", "FEATURE_DISABLED", "NOT_IMPLEMENTED"})
_MOST_BYTES = 256 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
_TIMEOUTS_AN_ANSWER = 10
_LONG_OUTAGE = 3


@dataclass(frozen=True, slots=True)
class _Call:
    """A request as it is sent: ``path`` for people, ``target`` for the server."""

    method: str
    path: str
    target: str
    content: bytes | None
    headers: dict[str, str]


class HttpClient:
    """A connection to the MLflow server at ``url``, to be used by several threads and closed at the end.

    Args:
        url: of the server, with or without path and credentials.
        settings: how to talk to it.
        most_bytes: the size, uncompressed, from which on an answer is given up.

    Attributes:
        uri: the address without credentials, query and trailing slash.
    """

    def __init__(self, url: str, settings: HttpSettings, *, most_bytes: int = _MOST_BYTES) -> None:
        self._settings = settings
        self.uri, basic = split_credentials(url)
        self._headers = request_headers(settings, basic)
        self._pool = connection_pool(self.uri, settings)
        self._workers = Workers(settings.concurrency, "mlflow-http")
        self._most_bytes = most_bytes
        self._closed = threading.Event()
        self._met = False
        self._understood = False
        self._quiet_until = 0.0
        self._said_waiting = False

    def enter_workspace(self, name: str) -> None:
        """Ask for what is in the workspace of this name from now on."""
        self._headers = self._headers | {WORKSPACE_HEADER: name}

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._workers.close()
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
            RefusedError: the server answered with an error, not in time, or with too much.
            SourceError: the server can't be reached.
        """
        call = self._call(path, query, body)
        return self._patiently(call, lambda: self._send(call), retries)

    def stream(self, path: str, *, query: Query = (), retries: int | None = None) -> Iterator[bytes]:
        """The body that the server answers a GET with, of any size and as it stands, in pieces; see `request`.

        Only what fails before the first piece is tried again.
        """
        call = self._call(path, query, None)
        call = replace(call, headers=call.headers | {"accept-encoding": "identity"})
        answer = self._patiently(call, lambda: self._open(call), retries)
        try:
            with self._explained(call):
                while piece := answer.read1(_CHUNK_BYTES, decode_content=False):
                    yield piece
            answer.release_conn()
        except PassingError as error:
            raise error.told from None
        finally:
            answer.close()

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
        return self.ask_sized(kind, path, query=query, body=body, retries=retries)[0]

    def ask_sized(
        self,
        kind: type[_T],
        path: str,
        *,
        query: Query = (),
        body: object | None = None,
        retries: int | None = None,
    ) -> tuple[_T, int]:
        """The answer of the server, as ``kind``, and the size of its JSON in bytes; see `ask`."""
        call = self._call(path, query, body)

        def understood() -> tuple[_T, int]:
            content = self._send(call)
            return self._understand(content, kind, path), len(content)

        return self._patiently(call, understood, retries)

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

    @property
    def threads(self) -> Workers:
        """As many threads as there may be requests under way."""
        return self._workers

    def begin(self, function: Callable[[_S], _T], item: _S) -> Future[_T]:
        """What ``function`` of ``item`` will be: it is begun before all that is asked for later."""
        return self._workers.submit(function, item)

    def in_order(self, function: Callable[[_S], _T], items: Iterable[_S]) -> Iterator[_T]:
        """``function`` of each of the ``items``, in their order, with several under way at once.

        At most twice as many results as the settings' concurrency are held.
        """
        waiting: deque[Future[_T]] = deque()
        try:
            for item in items:
                waiting.append(self._workers.submit(function, item))
                if len(waiting) >= 2 * self._settings.concurrency:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    # ---- One request -----------------------------------------------------------------------------

    def _call(self, path: str, query: Query, body: object | None) -> _Call:
        if body is None:
            return _Call("GET", path, self.target(path, query), None, self._headers)
        headers = {**self._headers, "Content-Type": "application/json"}
        return _Call("POST", path, self.target(path, query), msgspec.json.encode(body), headers)

    def _patiently(self, call: _Call, attempt: Callable[[], _T], most: int | None) -> _T:
        """What an ``attempt`` at ``call`` gives, which is made again while that may help."""
        failed = 0
        while True:
            try:
                return attempt()
            except PassingError as error:
                failed += 1
                is_known = self._understood if error.is_nonsense else self._met
                if failed > most_repetitions(self._settings, most, error, is_known=is_known):
                    raise error.told from None
                self._wait(call, failed, error)

    def _wait(self, call: _Call, failed: int, error: PassingError) -> None:
        seconds = wait_s(self._settings, failed, error.asked_s)
        _logger.info("%s /%s is sent again in %.1f s: %s", call.method, call.path, seconds, error.told)
        if failed == _LONG_OUTAGE and not self._said_waiting:
            self._said_waiting = True
            _logger.warning("%s; trying again for a while", str(error.told).partition(";")[0])
        if error.asked_s is not None:  # goes for the requests of other threads as well
            self._quiet_until = max(self._quiet_until, time.monotonic() + seconds)
        self._pause(seconds)

    def _pause(self, seconds: float) -> None:
        if self._closed.wait(max(0.0, seconds)):
            raise SourceError(f"the reading of {self.uri} was given up")

    def _send(self, call: _Call) -> bytes:
        """The body of the server's answer, which is one without error."""
        begun = time.monotonic()
        answer = self._open(call)
        with self._explained(call):
            body = self._body(answer, call.path, begun)
        self._say(call, answer.status, len(body), begun)
        return body

    def _open(self, call: _Call) -> urllib3.BaseHTTPResponse:
        """The server's answer, which is one without error, and whose body is still to be read."""
        self._pause(self._quiet_until - time.monotonic())
        begun = time.monotonic()
        with self._explained(call):
            answer = self._pool.request(
                call.method,
                call.target,
                body=call.content,
                headers=call.headers,
                preload_content=False,
                retries=_REDIRECTS,
            )
            self._met = True
            if answer.status == 200:
                return answer
            body = self._body(answer, call.path, begun)
        self._say(call, answer.status, len(body), begun)
        told = refusal(self.uri, call.path, answer.status, answer.headers.get("Content-Type", ""), body)
        if answer.status not in PASSING or told.code in _ABSENT_CODES:
            raise told
        raise PassingError(told, asked_wait_s(answer.headers.get("Retry-After"), datetime.now(UTC)))

    def _say(self, call: _Call, status: int, size_bytes: int, begun: float) -> None:
        spent_ms = (time.monotonic() - begun) * 1000
        _logger.debug("%s /%s: %d, %d bytes, %.0f ms", call.method, call.path, status, size_bytes, spent_ms)

    @contextmanager
    def _explained(self, call: _Call) -> Iterator[None]:
        """Turn errors of the connection into sentences."""
        try:
            yield
        except (failures.HTTPError, ssl.SSLError, OSError) as error:
            _logger.debug("%s /%s: %s", call.method, call.path, detail(error))
            told = unreachable(self.uri, call.path, self._settings.timeout_s, error)
            if not may_pass(error):
                raise told from None
            raise PassingError(told, is_connection=True) from None

    def _body(self, answer: urllib3.BaseHTTPResponse, path: str, begun: float) -> bytes:
        """The whole body of an answer, as far as it is not too large and comes before too long."""
        until = begun + _TIMEOUTS_AN_ANSWER * self._settings.timeout_s
        chunks: list[bytes] = []
        size = 0
        try:
            while chunk := answer.read1(_CHUNK_BYTES, decode_content=True):
                chunks.append(chunk)
                size += len(chunk)
                if size > self._most_bytes:
                    raise RefusedError(
                        f"{self.uri}/{path} answered with more than {self._most_bytes:,} bytes; "
                        "check that the address is an MLflow server's",
                        status=413,
                    )
                if self._closed.is_set() or time.monotonic() > until:
                    raise TimeoutError
        except BaseException:
            answer.close()
            raise
        answer.release_conn()
        return b"".join(chunks)

    def _understand(self, content: bytes, kind: type[_T], path: str) -> _T:
        """The JSON text ``content``, which the server answered with at ``path``, as ``kind``."""
        try:
            found = decode(content, kind)
        except ValueError as error:
            told = SourceError(f"{self.uri}/{path} answered with {_nonsense(content, error)}")
            raise PassingError(told, is_nonsense=True) from None
        self._understood = True
        return found


_REDIRECTS = urllib3.Retry(
    total=None,
    connect=0,
    read=0,
    status=0,
    other=0,
    redirect=5,
    raise_on_redirect=False,
    raise_on_status=False,
    respect_retry_after_header=False,
)
"""What urllib3 does by itself: it follows a few redirections; all else is up to the client."""


def _nonsense(content: bytes, error: ValueError) -> str:
    """What an answer is that was to be JSON."""
    if not content.strip():
        return "nothing at all; check what stands between the server and here"
    if content.lstrip()[:1] == b"<":
        return (
            "a web page instead of JSON; check that the address is an MLflow server's and that no sign-in page "
            "stands in between"
        )
    return f"JSON that can't be understood ({error}); check that the address is an MLflow server's"
