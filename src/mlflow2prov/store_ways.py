"""The ways into an MLflow store, by the scheme of its URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlflow2prov.prov.database_uris import ENGINES
from mlflow2prov.sources.tables import SOURCE_TABLES
from mlflow2prov.surroundings import Surroundings

if TYPE_CHECKING:
    from mlflow2prov.sources.mlflow.known import Finished, Known
    from mlflow2prov.sources.mlflow.parts import Wanted
    from mlflow2prov.sources.tables import Batches

_WAYS: Mapping[str, tuple[str, str]] = {
    "http": ("server", "read_server"),
    "https": ("server", "read_server"),
    "sqlite": ("database", "read_database"),
    **dict.fromkeys(ENGINES, ("database", "read_database_server")),
}
"""The way into an MLflow store by the scheme of its URL: a module of the source, and its function."""

_FILES = ("file_store", "read_file_store")
"""The way into one whose URL is the path of a folder, or a ``file:`` URI."""

PLUGINS = ("client", "read_client")
"""The way into one of any other scheme: MLflow's own client, where a plugin of it understands the URL."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What a way into a store needs to know besides what is wanted."""

    surroundings: Surroundings
    artifact_server: str | None = None
    concurrency: int | None = None

    def settings(self, function: str) -> dict[str, Any]:
        """The arguments of the function of a way: how to reach artifacts, and how to talk to a server."""
        from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess

        environment = self.surroundings.environment
        http: dict[str, Any] = {}
        if function == "read_server" or self.artifact_server:
            from mlflow2prov.sources.mlflow.http_settings import HttpSettings

            http = {"settings": HttpSettings.from_environment(environment, self.concurrency)}
        given: dict[str, Any] = {} if self.concurrency is None else {"concurrency": self.concurrency}
        artifacts = ArtifactAccess(
            environment=environment, server=self.artifact_server, http=http.get("settings"), **given
        )
        return {"artifacts": artifacts, **(http if function == "read_server" else {})}


def store_batches(url: str, wanted: Wanted, ways: Ways, finished: Finished | None = None) -> Batches:
    """What is wanted of an MLflow store, by the way in that its URL asks for."""
    module, function = way_into(url)
    settings = ways.settings(function)
    if function in ("read_server", "read_file_store") and finished is not None:
        settings["finished"] = finished
    read: Callable[..., Batches] = getattr(import_module(f"mlflow2prov.sources.mlflow.{module}"), function)
    return read(url, wanted, **settings)


def way_into(url: str) -> tuple[str, str]:
    """The module and the function that read the MLflow store at a URL."""
    from mlflow2prov.sources.mlflow.file_store_path import is_file_store

    scheme = url.split(":", 1)[0].split("+", 1)[0].lower() if ":" in url else ""
    return _FILES if is_file_store(url) else _WAYS.get(scheme, PLUGINS)


_CHANGES = {
    "read_database": ("database", "read_database_again"),
    "read_database_server": ("database", "read_database_again"),
    "read_server": ("server_changes", "read_server_again"),
    "read_file_store": ("file_store_changes", "read_file_store_again"),
}
"""The modules and functions that read what may be new in a store, by those that read all of it."""


def changes(url: str, wanted: Wanted, ways: Ways, known: Known) -> Batches:
    """What may be new in an MLflow store since an earlier reading; all of it where no more is known."""
    _, function = way_into(url)
    if function not in _CHANGES:
        for table in SOURCE_TABLES:
            if table.startswith("mlflow_"):
                known.all_of(table)
        return store_batches(url, wanted, ways)
    module, name = _CHANGES[function]
    read: Callable[..., Batches] = getattr(import_module(f"mlflow2prov.sources.mlflow.{module}"), name)
    return read(url, wanted, known, **ways.settings(function))


def resolved_url(url: str, environment: Mapping[str, str]) -> str:
    """The URL of a store; that of a local one by its real path, so that each file and folder has one spelling."""
    if url.lower().startswith("sqlite:"):
        from mlflow2prov.sources.mlflow.database_file import database_path

        return f"sqlite:///{database_path(url).resolve()}"
    from mlflow2prov.sources.mlflow.file_store_path import file_store_path, is_file_store

    if is_file_store(url):
        return f"file://{file_store_path(url)}"
    if ":" in url:
        return url
    from mlflow2prov.sources.mlflow.client import client_store

    return client_store(url, environment)
