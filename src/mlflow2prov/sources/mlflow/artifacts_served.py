"""The store of artifacts that a tracking server hands out, where the store itself is not read through a server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow2prov.sources.mlflow.artifact_rows import StoreError

if TYPE_CHECKING:
    from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess
    from mlflow2prov.sources.mlflow.server_artifacts import ServerStore


def open_store(uri: str, access: ArtifactAccess) -> ServerStore:
    """The store of the tracking server that a person named for artifacts.

    Raises:
        StoreError: none was named.
    """
    if access.server is None:
        raise StoreError("a tracking server hands them out; name it with --artifact_server", is_final=True)
    # On use: it takes as long to import as a small store to read.
    from mlflow2prov.sources.mlflow.http_client import HttpClient
    from mlflow2prov.sources.mlflow.http_settings import HttpSettings
    from mlflow2prov.sources.mlflow.server_artifacts import ServerStore

    settings = replace(access.http or HttpSettings(), concurrency=access.concurrency)
    return ServerStore(HttpClient(access.server, settings), has_records=False)
