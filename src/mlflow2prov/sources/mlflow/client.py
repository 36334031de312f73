"""The way into MLflow through its own client: for stores that only MLflow, or a plugin of it, understands.

The client takes the place of a server: it answers the same requests, with the same JSON, so that everything else
is as over HTTP. MLflow (the extra ``mlflow``) is imported on use alone, and never for databases, which it migrates.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import msgspec

from mlflow2prov.errors import SourceError, UsageError
from mlflow2prov.prov.credentials import shown_url, without_credentials
from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess
from mlflow2prov.sources.mlflow.http_client import HttpClient, Query, RefusedError
from mlflow2prov.sources.mlflow.http_patience import PassingError
from mlflow2prov.sources.mlflow.http_settings import HttpSettings
from mlflow2prov.sources.mlflow.http_workers import Workers
from mlflow2prov.sources.mlflow.parts import EVERYTHING, Wanted
from mlflow2prov.sources.tables import Batches

if TYPE_CHECKING:
    from mlflow2prov.sources.mlflow.client_answers import Answer

_logger = logging.getLogger(__name__)

BUILT_IN = ("databricks", "uc")
"""The schemes of tracking URIs that only MLflow itself understands."""

_T = TypeVar("_T")
_GROUP = "mlflow.tracking_store"
_THREADS = 4
_TALKATIVE = ("mlflow", "alembic")
"""Loggers that would tell what is told again in a sentence, with tracebacks."""


def read_client(url: str, wanted: Wanted = EVERYTHING, *, artifacts: ArtifactAccess | None = None) -> Batches:
    """Batches of every MLflow source table that MLflow's own client can fill, as over HTTP.

    Holds what :func:`~mlflow2prov.sources.mlflow.server.read_server` does. A metric's history takes a call for each
    metric of each run.

    Args:
        url: a tracking URI of ``databricks``, or of a plugin that is installed.
        wanted: what to read of it.
        artifacts: how to reach the stores that artifacts are in.

    Raises:
        UsageError: MLflow is not installed, or no plugin understands the URI. At once; the others on use.
        SourceError: the store can't be read.
    """
    require_client(url)
    return _read(url, wanted, artifacts or ArtifactAccess())


def is_client_uri(url: str) -> bool:
    """Whether a tracking URI is one that MLflow itself, or an installed plugin of it, understands.

    >>> is_client_uri("databricks://profile"), is_client_uri("nonsense://x")
    (True, False)
    """
    scheme = _scheme(url)
    return scheme in BUILT_IN or any(entry_points(group=_GROUP, name=scheme))


def require_client(url: str) -> None:
    """See that MLflow is there and understands a tracking URI.

    Raises:
        UsageError: it is not, or doesn't.
    """
    if not is_client_uri(url):
        raise UsageError(
            f"can't read an MLflow store at {shown_url(url)!r}: the URL must start with http://, https://,"
            " sqlite:///, postgresql://, mysql:// or mssql://, or be the path of a folder, such as ./mlruns;"
            " others are read by mlflow2prov[mlflow] with a plugin of MLflow that understands them, and none"
            " that is installed does"
        )
    if find_spec("mlflow") is None:
        raise UsageError(
            f"{shown_url(url)!r} can only be read by MLflow, which is not installed: pip install 'mlflow2prov[mlflow]'"
        )


def client_store(url: str, environment: Mapping[str, str]) -> str:
    """The URI that names a store by the place that it is at; for Databricks the workspace's host where that is told.

    >>> client_store("databricks", {"DATABRICKS_HOST": "https://adb-1.example.net/"})
    'databricks://adb-1.example.net'
    >>> client_store("databricks", {}), client_store("plugin://host/x", {})
    ('databricks://DEFAULT', 'plugin://host/x')
    """
    if url not in BUILT_IN:
        return url
    host = environment.get("DATABRICKS_HOST", "") if url == "databricks" else ""
    return f"{url}://{urlsplit(without_credentials(host)).netloc or host or 'DEFAULT'}"


def _scheme(url: str) -> str:
    return url.split(":", 1)[0].lower()


def _read(url: str, wanted: Wanted, access: ArtifactAccess) -> Batches:
    from mlflow2prov.sources.mlflow.server import read_with

    yield from read_with(MlflowAsServer(url), None, wanted, access)


class MlflowAsServer(HttpClient):
    """MLflow's own client in the place of a server: each request is a call of it."""

    def __init__(self, url: str) -> None:
        """Make the client, which does not connect to anything yet."""
        self._settings = HttpSettings(concurrency=_THREADS)
        self.uri = without_credentials(url)
        self._workers = Workers(_THREADS, "mlflow-client")
        self._failed: list[Answer] = []
        self._levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException

            if not _logger.isEnabledFor(logging.DEBUG):
                for name in _TALKATIVE:
                    logging.getLogger(name).setLevel(logging.CRITICAL)
            self._failures = MlflowException
            try:
                self._mlflow = MlflowClient(tracking_uri=url)
            except Exception as error:
                raise SourceError(f"{self.uri} can't be read by MLflow: {_said(error)}") from None
            finally:
                for warning in told:
                    if "attempting to register" in str(warning.message):
                        _logger.warning("MLflow says: %s", _said(warning.message))

    def __exit__(self, *_: object) -> None:
        self._workers.close()
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)

    def request(
        self, path: str, *, query: Query = (), body: object | None = None, retries: int | None = None
    ) -> bytes:
        """What a server would answer, made of what the client returns.

        Raises:
            RefusedError: the client refuses, or has nothing of the kind.
        """
        from mlflow2prov.sources.mlflow.client_answers import answer_to

        found = answer_to(path)
        if found is None:
            raise RefusedError(f"{self.uri} has no /{path}", status=404)
        answer, names = found
        asked = [*query, *names.items(), *(body.items() if isinstance(body, dict) else [])]
        try:
            told = answer(self._mlflow, asked)
        except self._failures as error:
            status = error.get_http_status_code()
            if error.error_code == "FEATURE_DISABLED" and path.endswith("/registered-models/search"):
                _logger.warning("%s has no registry of models that MLflow understands", self.uri)
            raise RefusedError(
                f"{self.uri} refused /{path}: {_said(error)}", status=status, code=error.error_code or ""
            ) from None
        except (AttributeError, NotImplementedError, TypeError) as error:
            is_old = "'MlflowClient' object has no attribute" in str(error)
            if not is_old and not isinstance(error, NotImplementedError) and answer not in self._failed:
                self._failed.append(answer)
                _logger.warning("%s can't tell what is at /%s: %s", self.uri, path, _said(error))
            raise RefusedError(f"{self.uri} has no /{path}: {_said(error)}", status=404) from None
        except Exception as error:
            raise RefusedError(f"{self.uri} failed at /{path}: {_said(error)}", status=500) from None
        return told if isinstance(told, bytes) else msgspec.json.encode(told)

    def ask_sized(
        self,
        kind: type[_T],
        path: str,
        *,
        query: Query = (),
        body: object | None = None,
        retries: int | None = None,
    ) -> tuple[_T, int]:
        """What a server would answer, as ``kind``, and the size of its JSON in bytes.

        Raises:
            SourceError: it is not of the form that ``kind`` declares.
        """
        content = self.request(path, query=query, body=body, retries=retries)
        try:
            return self._understand(content, kind, path), len(content)
        except PassingError as error:
            raise error.told from None

    def stream(self, path: str, *, query: Query = (), retries: int | None = None) -> Iterator[bytes]:
        """What a server would answer, in one piece.

        Raises:
            RefusedError: the client refuses, or has nothing of the kind.
        """
        yield self.request(path, query=query, retries=retries)


def _said(error: object) -> str:
    """The first line of what an error says, without credentials."""
    lines = without_credentials(str(error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__
