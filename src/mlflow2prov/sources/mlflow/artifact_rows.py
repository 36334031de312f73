"""The rows that listings of artifacts make, whatever store they are from: with models read, and digests where asked for."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from mlflow2prov.prov.credentials import without_credentials
from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.mlflow.model_file import (
    BESIDE,
    MODEL_FILE,
    MOST_BYTES,
    ModelFile,
    parse_model_file,
    to_batch,
)
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

if TYPE_CHECKING:
    import pyarrow as pa

_logger = logging.getLogger(__name__)
_S = TypeVar("_S")
_T = TypeVar("_T")

CHUNK_BYTES = 2**20
"""Contents are read in pieces of about this size."""

_BATCH_ROWS = 65_536
_BATCH_MODELS = 1_024
_IN_FLIGHT = 32
_ATTEMPTS = 2  # a connection may break
_KINDS = {"run": ("run", "runs"), "logged_model": ("logged model", "logged models")}

_Row = tuple[str, str, str, bool, int | None, bytes | None, str | None]


class Owner(NamedTuple):
    """A run or logged model (``kind``) with artifacts at ``uri``."""

    kind: str
    owner_id: str
    uri: str


class Entry(NamedTuple):
    """A file or folder, whose exact path below the owner's folder is bytes."""

    path: bytes
    is_dir: bool
    size_bytes: int | None


class Place(Protocol):
    """Where the artifacts of one owner are read from."""

    def chunks(self, path: bytes) -> Iterator[bytes]:
        """The content of a file below the owner's folder, in pieces.

        Raises:
            OSError: it can't be read.
        """


class Listing(NamedTuple):
    """All artifacts of one owner, and where their contents are read from."""

    owner: Owner
    entries: list[Entry]
    place: Place


class Failed(NamedTuple):
    """An owner whose artifacts could not be listed, and why."""

    owner: Owner
    reason: str


class StoreError(OSError):
    """A store that can't be read, or a part of it; the message is for people and has no credentials.

    ``is_final`` where it is of no use to try the store again.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class LeftOut:
    """Counts the owners whose artifacts could not be listed, by their store."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._reasons: dict[str, str] = {}

    def note(self, failed: Failed) -> None:
        """Count an owner, and keep the first reason of its store."""
        store = store_of(failed.owner.uri)
        self._counts.setdefault(store, Counter())[failed.owner.kind] += 1
        self._reasons.setdefault(store, failed.reason)

    def report(self) -> None:
        """Say which artifacts were left out, in one warning for each store."""
        for store, counts in sorted(self._counts.items()):
            kinds = [
                f"{counts[kind]} {words[counts[kind] > 1]}" for kind, words in _KINDS.items() if counts[kind]
            ]
            _logger.warning(
                "artifacts of %s at %s are left out: %s", " and ".join(kinds), store, self._reasons[store]
            )


def store_of(uri: str) -> str:
    """The place that a URI's things are kept at, without credentials: scheme, and host or bucket.

    >>> store_of("s3://key:secret@bucket/1/abc/artifacts"), store_of("mlflow-artifacts:/1/abc")
    ('s3://bucket', 'mlflow-artifacts:')
    """
    scheme, colon, rest = without_credentials(uri).partition(":")
    if not colon:
        return "this machine"
    if not rest.startswith("//"):
        return f"{scheme.lower()}:"
    return f"{scheme.lower()}://{rest[2:].partition('/')[0].partition('?')[0].partition('#')[0]}"


class Pool(Protocol):
    """What does work in the background."""

    def submit(self, function: Callable[[_S], _T], item: _S, /) -> Future[_T]:
        """What ``function`` will have made of ``item``."""
        ...


def in_order(pool: Pool, function: Callable[[_S], _T], items: Iterable[_S], most: int) -> Iterator[_T]:
    """``function`` of each of the ``items``, in their order, with at most so many under way or waiting."""
    waiting: deque[Future[_T]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@dataclass(frozen=True, slots=True)
class _ModelFolder:
    """A folder with an MLmodel file, and those of its files that are read."""

    owner: Owner
    place: Place
    folder: bytes
    files: tuple[str, ...]

    def read(self) -> ModelFile | None:
        """What the MLmodel file says, read with what stands beside it; None where it can't be read."""
        mlmodel = self._content(MODEL_FILE)
        if mlmodel is None:
            return None
        requirements, python_env, conda = map(self._content, BESIDE)
        return parse_model_file(mlmodel, requirements=requirements, python_env=python_env, conda=conda)

    def _content(self, name: str) -> bytes | None:
        """Up to a little more than is parsed of a file's bytes; None where it can't be read."""
        if name not in self.files:
            return None
        content = b""
        chunks = self.place.chunks(_joined(self.folder, name.encode()))
        try:
            for chunk in chunks:
                content += chunk
                if len(content) > MOST_BYTES:
                    return None
        except OSError as error:
            _logger.debug("%s of %s %s: %s", name, self.owner.kind, self.owner.owner_id, error)
            return None
        finally:
            _close(chunks)
        return content


class Rows:
    """Makes rows of listings, and counts what could not be read.

    Args:
        pool: reads contents, as many at once as it has threads.
        with_digests: read every file for its SHA-256.
    """

    def __init__(self, pool: Pool, *, with_digests: bool = False) -> None:
        self._pool = pool
        self._with_digests = with_digests
        self._models: list[_ModelFolder] = []
        self._unread_models = 0
        self._unread_files = 0
        self._reason = ""

    def batches(self, listings: Iterable[Listing]) -> Batches:
        """Batches of ``mlflow_artifact`` and ``mlflow_model_file``, none of which is empty.

        Holds a batch of up to 65,536 rows, the places of 1,024 models, and a megabyte of each file under way.
        """
        rows: list[_Row] = []
        for row in self._rows(self._entries(listings)):
            rows.append(row)
            if len(rows) >= _BATCH_ROWS:
                yield "mlflow_artifact", _batch(rows)
                rows = []
            if len(self._models) >= _BATCH_MODELS:
                yield from self._model_batch()
        if rows:
            yield "mlflow_artifact", _batch(rows)
        yield from self._model_batch()

    def report(self) -> None:
        """Say what could not be read."""
        if self._unread_models:
            _logger.warning("%d MLmodel files could not be read and are plain files", self._unread_models)
        if self._unread_files:
            _logger.warning(
                "%d artifacts could not be read and have no digest (%s)", self._unread_files, self._reason
            )

    def _entries(self, listings: Iterable[Listing]) -> Iterator[tuple[Listing, Entry]]:
        for listing in listings:
            models: list[bytes] = []
            for entry in listing.entries:
                yield listing, entry
                folder, _, name = entry.path.rpartition(b"/")
                if not entry.is_dir and name == MODEL_FILE.encode():
                    models.append(folder)
            if models:
                self._models += _model_folders(listing, models)

    def _rows(self, found: Iterable[tuple[Listing, Entry]]) -> Iterator[_Row]:
        if not self._with_digests:
            yield from (_row(listing.owner, entry, None) for listing, entry in found)
            return
        for read in in_order(self._pool, _read, found, _IN_FLIGHT):
            if read.reason is not None:
                self._unread_files += 1
                self._reason = self._reason or read.reason
            yield _row(read.owner, read.entry, read.digest)

    def _model_batch(self) -> Batches:
        waiting, self._models = self._models, []
        read = zip(waiting, in_order(self._pool, _ModelFolder.read, waiting, _IN_FLIGHT), strict=True)
        models = []
        for folder, model in read:
            self._unread_models += model is None
            if model is not None:
                models.append((folder.owner.kind, folder.owner.owner_id, *text_of(folder.folder), model))
        if models:
            yield "mlflow_model_file", to_batch(models)


def _row(owner: Owner, entry: Entry, digest: str | None) -> _Row:
    path, exact = text_of(entry.path)
    return owner.kind, owner.owner_id, path, entry.is_dir, entry.size_bytes, exact, digest


class _Read(NamedTuple):
    """An entry, and the digest of its content, or why there is none."""

    owner: Owner
    entry: Entry
    digest: str | None
    reason: str | None


def _read(found: tuple[Listing, Entry]) -> _Read:
    listing, entry = found
    digest = reason = None
    for _ in range(0 if entry.is_dir else _ATTEMPTS):
        try:
            digest = _digest(listing.place.chunks(entry.path))
            break
        except OSError as error:
            reason = error.strerror or str(error)
    return _Read(listing.owner, entry, digest, None if digest else reason)


def _digest(chunks: Iterator[bytes]) -> str:
    content = hashlib.sha256()
    for chunk in chunks:
        content.update(chunk)
    return content.hexdigest()


def _model_folders(listing: Listing, folders: list[bytes]) -> Iterator[_ModelFolder]:
    sizes = {entry.path: entry.size_bytes or 0 for entry in listing.entries if not entry.is_dir}
    for folder in folders:
        paths = {name: _joined(folder, name.encode()) for name in (MODEL_FILE, *BESIDE)}
        fit = (name for name, path in paths.items() if sizes.get(path, MOST_BYTES + 1) <= MOST_BYTES)
        yield _ModelFolder(listing.owner, listing.place, folder, tuple(fit))


def _joined(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _close(chunks: Iterator[bytes]) -> None:
    close = getattr(chunks, "close", None)
    if close is not None:
        close()


def _batch(rows: list[_Row]) -> pa.RecordBatch:
    import pyarrow as pa

    schema = SOURCE_TABLES["mlflow_artifact"].schema()
    arrays = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
