"""The stores that artifacts may lie in: for each scheme of a URI, what reads it and what is needed for that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from mlflow2prov.errors import UsageError
from mlflow2prov.prov.credentials import shown_url
from mlflow2prov.sources.mlflow.artifact_rows import Failed, Listing, Owner, StoreError, store_of

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow2prov.sources.mlflow.http_settings import HttpSettings

_NO_VARIABLES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactAccess:
    """How to reach the stores of artifacts.

    Attributes:
        environment: the variables of object stores, such as ``MLFLOW_S3_ENDPOINT_URL`` and ``AWS_PROFILE``.
        server: the URL of the server that hands out artifacts at ``mlflow-artifacts:``, where it is not the store itself.
        http: how to talk to it.
        concurrency: how many requests to a store are under way at once.
        beside: the folder from which relative paths lead where they lead to nothing from the working folder.

    Raises:
        UsageError: ``server`` is no URL of a server.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: _NO_VARIABLES, repr=False)
    server: str | None = None
    http: HttpSettings | None = None
    concurrency: int = 8
    beside: Path | None = None

    def __post_init__(self) -> None:
        if self.server is not None and not self.server.lower().startswith(("http://", "https://")):
            raise UsageError(f"{shown_url(self.server)!r} is not the URL of a server; write http://host:port")


class ArtifactStore(Protocol):
    """One store (scheme, and host or bucket), which is reached or not reached as a whole."""

    def listings(self, owners: Sequence[Owner]) -> Iterator[Listing | Failed]:
        """The artifacts of owners, in any order; an owner without artifacts may be left out."""

    def report(self) -> None:
        """Say what of it could not be understood."""

    def close(self) -> None:
        """End its connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreKind:
    """Stores of one kind.

    Attributes:
        schemes: of their URIs.
        name: for people.
        module: of this package, which has the function ``open_store(uri, access)``.
        install: what to install with pip, if anything.
        settings: the variables or files that it takes its settings from, in Markdown.
    """

    schemes: tuple[str, ...]
    name: str
    module: str
    install: tuple[str, ...] = ()
    settings: str = ""


_FSSPEC = "mlflow2prov[fsspec]"
_BY_FSSPEC = "artifacts_fsspec"

STORES: tuple[StoreKind, ...] = (
    StoreKind(
        schemes=("s3",),
        name="Amazon S3 and compatible stores",
        module="artifacts_s3",
        install=("mlflow2prov[s3]",),
        settings="`MLFLOW_S3_ENDPOINT_URL`, `MLFLOW_S3_IGNORE_TLS`, `AWS_*`, `~/.aws`, roles of the machine",
    ),
    StoreKind(
        schemes=("mlflow-artifacts",),
        name="a tracking server that hands out artifacts",
        module="artifacts_served",
        settings="`--artifact_server`, unless the server itself is read; [its settings](#settings-for-servers)",
    ),
    StoreKind(
        schemes=("gs", "gcs"),
        name="Google Cloud Storage",
        module=_BY_FSSPEC,
        install=(_FSSPEC, "gcsfs"),
        settings="`GOOGLE_APPLICATION_CREDENTIALS`, and others of gcsfs",
    ),
    StoreKind(
        schemes=("abfs", "abfss", "az"),
        name="Azure storage",
        module=_BY_FSSPEC,
        install=(_FSSPEC, "adlfs"),
        settings="`AZURE_STORAGE_*`, and others of adlfs",
    ),
    StoreKind(
        schemes=("hdfs",),
        name="Hadoop",
        module=_BY_FSSPEC,
        install=(_FSSPEC,),
        settings="Hadoop's libraries and `HADOOP_HOME`, `CLASSPATH`",
    ),
    StoreKind(schemes=("sftp", "ssh"), name="SSH", module=_BY_FSSPEC, install=(_FSSPEC, "paramiko")),
    StoreKind(schemes=("ftp",), name="FTP", module=_BY_FSSPEC, install=(_FSSPEC,)),
)
"""The kinds that are known by name; `open_store` takes other schemes to fsspec, which knows whether it can."""

_NO_STORES = frozenset(
    (
        *("file", "local", "http", "https", "data", "runs", "models", "dbfs", "databricks"),
        *("reference", "zip", "tar", "libarchive", "dir", "generic", "asyncwrapper", "dask", "worker"),
        *("cached", "blockcache", "filecache", "simplecache", "github", "git", "jupyter", "jlab"),
    )
)
"""Schemes that are not a store of their own: of this machine, of pages, of what is packed or kept in others."""

KIND_BY_SCHEME = {scheme: kind for kind in STORES for scheme in kind.schemes}
"""The kind of each scheme that is known by name."""


def scheme_of(uri: str) -> str:
    """The scheme of a URI, in small letters.

    >>> scheme_of("S3://bucket/x")
    's3'
    """
    return uri.partition(":")[0].lower()


def is_direct(uri: str) -> bool:
    """Whether artifacts at ``uri`` are read from their own store, rather than by a server or from a folder.

    >>> is_direct("s3://bucket/x"), is_direct("mlflow-artifacts:/x"), is_direct("./mlruns/x")
    (True, False, False)
    """
    scheme = scheme_of(uri)
    return "://" in uri and scheme not in _NO_STORES and scheme != "mlflow-artifacts"


def open_store(uri: str, access: ArtifactAccess) -> ArtifactStore:
    """The store that a URI names, which is not asked anything yet.

    Raises:
        StoreError: there is no way to read it here.
    """
    scheme = scheme_of(uri)
    kind = KIND_BY_SCHEME.get(scheme)
    if kind is None and not is_direct(uri):
        raise StoreError("artifacts of this sort can't be listed", is_final=True)
    place = f"mlflow2prov.sources.mlflow.{kind.module if kind else _BY_FSSPEC}"
    try:
        opener: Callable[[str, ArtifactAccess], ArtifactStore] = import_module(place).open_store
        return opener(uri, access)
    except ImportError as error:
        install = kind.install if kind else (_FSSPEC,)
        missing = (error.name or "what reads them").partition(".")[0]
        wanted = " ".join(f"'{name}'" if "[" in name else name for name in install)
        raise StoreError(f"{missing} is not installed; pip install {wanted}", is_final=True) from error


class Stores:
    """The stores that were met so far: each is opened once, and one that can't be opened stays so."""

    def __init__(self, access: ArtifactAccess) -> None:
        self._access = access
        self._stores: dict[str, ArtifactStore | str] = {}

    def listings(self, owners: Sequence[Owner]) -> Iterator[Listing | Failed]:
        """The artifacts of owners, store by store."""
        by_store: dict[str, list[Owner]] = {}
        for owner in owners:
            by_store.setdefault(store_of(owner.uri), []).append(owner)
        for name, some in by_store.items():
            store = self._store(name, some[0].uri)
            if isinstance(store, str):
                yield from (Failed(owner, store) for owner in some)
            else:
                yield from store.listings(some)

    def report(self) -> None:
        """Say what of the stores could not be understood."""
        for store in self._stores.values():
            if not isinstance(store, str):
                store.report()

    def close(self) -> None:
        """End all connections."""
        for store in self._stores.values():
            if not isinstance(store, str):
                store.close()

    def _store(self, name: str, uri: str) -> ArtifactStore | str:
        if name not in self._stores:
            try:
                self._stores[name] = open_store(uri, self._access)
            except (StoreError, UsageError) as error:
                self._stores[name] = str(error)
        return self._stores[name]
