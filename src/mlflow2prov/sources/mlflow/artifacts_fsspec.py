"""Artifacts in any store that fsspec reads: Google's, Azure's, Hadoop, FTP, SSH and others."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fsspec

from mlflow2prov.prov.credentials import without_credentials
from mlflow2prov.sources.mlflow.artifact_keys import Keys
from mlflow2prov.sources.mlflow.artifact_rows import (
    CHUNK_BYTES,
    Failed,
    Listing,
    Owner,
    StoreError,
    in_order,
)
from mlflow2prov.sources.mlflow.artifact_stores import KIND_BY_SCHEME, scheme_of

if TYPE_CHECKING:
    from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess

_FAILURES = 3
"""After so many in a row, a store is left alone."""


def open_store(uri: str, access: ArtifactAccess) -> FsspecStore:
    """The store that a URI names.

    Raises:
        StoreError: fsspec has no way to it.
        ImportError: what fsspec needs for it is not installed.
    """
    if "::" in uri:
        raise StoreError("artifacts within another file can't be listed", is_final=True)
    try:
        fsspec.get_filesystem_class(scheme_of(uri))
    except ValueError:
        if scheme_of(uri) in KIND_BY_SCHEME:
            raise ImportError from None  # the package that is missing is the one that would tell fsspec
        raise StoreError("artifacts of this sort can't be listed", is_final=True) from None
    return FsspecStore(uri, access.concurrency)


class FsspecStore:
    """One store; remembers whether it can be reached."""

    def __init__(self, uri: str, concurrency: int) -> None:
        self._uri = uri
        self._concurrency = concurrency
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="fsspec")
        self._opened: Any = None
        self._opening = threading.Lock()
        self._turn: AbstractContextManager[Any] = threading.Lock()
        self._keys = Keys()
        self._lost: StoreError | None = None
        self._failures = 0

    def listings(self, owners: Sequence[Owner]) -> Iterator[Listing | Failed]:
        """The artifacts of owners: one listing of all that is below each."""
        yield from in_order(self._threads, self._listing, owners, 2 * self._concurrency)

    def chunks(self, path: str) -> Iterator[bytes]:
        """The content of a file, in pieces."""
        if self._lost:
            raise StoreError(str(self._lost), is_final=True)
        try:
            store = self._store()
            with self._turn, store.open(path, "rb", cache_type="none") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        except Exception as error:  # each of fsspec's stores has exceptions of its own
            raise self._refused(error) from None

    def report(self) -> None:
        """Say which names were left out."""
        self._keys.report()

    def close(self) -> None:
        """End the threads; connections are fsspec's."""
        self._threads.shutdown(cancel_futures=True)

    def _listing(self, owner: Owner) -> Listing | Failed:
        if self._lost:
            return Failed(owner, str(self._lost))
        root = ""
        try:
            store = self._store()
            root = store._strip_protocol(owner.uri).rstrip("/")
            with self._turn:
                found = store.find(root, withdirs=True, detail=True)
        except FileNotFoundError:
            found = {}
        except Exception as error:  # as above
            return Failed(owner, str(self._refused(error)))
        self._failures = 0
        below = f"{root}/" if found else ""
        names = ((name, it) for name, it in found.items() if name.startswith(below) and name != below)
        entries = self._keys.entries(
            (name[len(below) :] + "/" * (it["type"] == "directory" and not name.endswith("/")), it["size"])
            for name, it in names
        )
        return Listing(owner, entries, _Below(self, below))

    def _store(self) -> Any:
        """The file system, which is made on first use, since that may already connect."""
        with self._opening:
            if self._opened is None:
                options = {"skip_instance_cache": True, "use_listings_cache": False}
                self._opened = fsspec.core.url_to_fs(self._uri, **options)[0]
                if self._opened.async_impl:
                    self._turn = nullcontext()
        return self._opened

    def _refused(self, error: Exception) -> StoreError:
        said = without_credentials(" ".join(str(error).split()))[:200]
        told = StoreError(f"{type(error).__name__}{': ' if said else ''}{said}")
        if not isinstance(error, FileNotFoundError | PermissionError):
            self._failures += 1
        if self._opened is None or self._failures >= _FAILURES:
            self._lost = told
        return told


@dataclass(frozen=True, slots=True)
class _Below:
    """The files below one folder."""

    store: FsspecStore
    folder: str

    def chunks(self, path: bytes) -> Iterator[bytes]:
        return self.store.chunks(self.folder + path.decode(errors="surrogateescape"))
