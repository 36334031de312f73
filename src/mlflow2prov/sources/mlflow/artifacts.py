"""Listings of artifacts that lie in folders of this machine, and the MLmodel files among them."""

from __future__ import annotations

import logging
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.request import url2pathname

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

_BATCH_ROWS = 65_536
_BATCH_MODELS = 1_024
_OWNERS = {"run": "runs", "logged_model": "logged models"}

_Model = tuple[str, str, str, bytes | None, ModelFile]


class _Artifact(NamedTuple):
    owner: str
    owner_id: str
    path: str
    is_dir: bool
    size_bytes: int | None
    path_bytes: bytes | None


class _Entry(NamedTuple):
    """A file or folder, whose exact path below the owner's folder is bytes."""

    path: bytes
    is_dir: bool
    size_bytes: int | None


def read_artifacts(owners: Iterable[tuple[str, str, str]]) -> Batches:
    """Batches of ``mlflow_artifact`` and ``mlflow_model_file`` for owners whose artifacts are local folders.

    Folders are listed to any depth, in order of their paths. A folder that does not exist has no artifacts,
    since MLflow makes it when it is needed. Symbolic links are followed to files of the same owner alone.
    What can't be listed or read is counted and said in one warning for each kind of trouble, and never ends
    the reading.

    Holds a batch of up to 65,536 rows and the listing of one owner; takes about 0.1 ms for a folder.

    Args:
        owners: what owns artifacts, ``run`` or ``logged_model``, its identifier, and the URI of its
            artifacts: a path, from the working folder where it is relative, or ``file:`` URI. Those that are
            elsewhere are left out.
    """
    lister = _Lister()
    artifacts: list[_Artifact] = []
    models: list[_Model] = []
    for owner, owner_id, uri in owners:
        root = lister.root(owner, uri)
        if root is None:
            continue
        for artifact in lister.artifacts(owner, owner_id, root, models):
            artifacts.append(artifact)
            if len(artifacts) >= _BATCH_ROWS:
                yield "mlflow_artifact", _batch(artifacts)
                artifacts = []
        if len(models) >= _BATCH_MODELS:
            yield "mlflow_model_file", to_batch(models)
            models = []
    if artifacts:
        yield "mlflow_artifact", _batch(artifacts)
    if models:
        yield "mlflow_model_file", to_batch(models)
    lister.report()


def local_path(uri: str) -> Path | None:
    """The folder of this machine that an artifact URI names, or None where it is elsewhere.

    >>> local_path("file:///srv/my%20runs").as_posix(), local_path("s3://bucket/runs")
    ('/srv/my runs', None)
    """
    found = re.match(r"([A-Za-z][A-Za-z0-9+.\-]+):", uri)
    if found is None:
        return Path(uri)
    if found[1].lower() != "file":
        return None
    place = re.fullmatch(r"file:(?://(?:localhost)?(?=/))?([^/].*|/(?!/).*)", uri, re.IGNORECASE | re.DOTALL)
    return Path(url2pathname(place[1])) if place else None


def _store_of(uri: str) -> str:
    """The place that a URI's things are kept at, without credentials: scheme and host.

    >>> _store_of("s3://key:secret@bucket/1/abc/artifacts"), _store_of("mlflow-artifacts:/1/abc")
    ('s3://bucket', 'mlflow-artifacts:')
    """
    scheme, _, rest = uri.partition(":")
    if not rest.startswith("//"):
        return f"{scheme}:"
    host = re.split(r"[/?#]", rest[2:], maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme}://{host}"


def _batch(rows: list[_Artifact]) -> pa.RecordBatch:
    import pyarrow as pa

    schema = SOURCE_TABLES["mlflow_artifact"].schema()
    arrays = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class _Lister:
    """Lists one owner after the other and counts what can't be listed."""

    def __init__(self) -> None:
        self._elsewhere: Counter[tuple[str, str]] = Counter()
        self._closed: list[bytes] = []
        self._passed_over = 0
        self._unread = 0

    def root(self, owner: str, uri: str) -> bytes | None:
        """The folder of an owner's artifacts, with its links resolved; None where there is none to list."""
        path = local_path(uri) if "\0" not in uri else None
        if path is None:
            self._elsewhere[owner, _store_of(uri)] += 1
            return None
        root = os.path.realpath(os.fsencode(path))
        return root if os.path.isdir(root) else None  # noqa: PTH112

    def artifacts(self, owner: str, owner_id: str, root: bytes, models: list[_Model]) -> Iterator[_Artifact]:
        """The artifacts below ``root`` in order of their paths; the models among them go to ``models``."""
        entries = sorted(self._walk(root))
        files = {entry.path: entry.size_bytes for entry in entries if not entry.is_dir}
        for entry in entries:
            path, exact = text_of(entry.path)
            yield _Artifact(owner, owner_id, path, entry.is_dir, entry.size_bytes, exact)
            folder, _, name = entry.path.rpartition(b"/")
            if not entry.is_dir and name == MODEL_FILE.encode():
                model = _read_model(root, folder, files)
                self._unread += model is None
                models += [(owner, owner_id, *text_of(folder), model)] if model else []

    def report(self) -> None:
        """Say what was left out."""
        for (owner, store), count in sorted(self._elsewhere.items()):
            what = _OWNERS.get(owner, owner)
            _logger.warning("artifacts of %d %s are at %s, which can't be listed here", count, what, store)
        if self._closed:
            first = text_of(self._closed[0])[0]
            _logger.warning(
                "%d artifact folders can't be read and are taken as empty, %s first", len(self._closed), first
            )
        if self._passed_over:
            _logger.warning(
                "%d links out of artifact folders, broken links and special files are left out",
                self._passed_over,
            )
        if self._unread:
            _logger.warning("%d MLmodel files could not be read and are plain files", self._unread)

    def _walk(self, root: bytes) -> Iterator[_Entry]:
        folders = [b""]
        while folders:
            folder = folders.pop()
            for found in self._scan(os.path.join(root, folder)):  # noqa: PTH118
                entry = _entry(root, b"/".join(filter(None, (folder, found.name))), found)
                if entry is None:
                    self._passed_over += 1
                    continue
                yield entry
                if entry.is_dir:
                    folders.append(entry.path)

    def _scan(self, folder: bytes) -> list[os.DirEntry[bytes]]:
        try:
            with os.scandir(folder) as entries:
                return list(entries)
        except OSError as error:
            _logger.debug("%s can't be listed: %s", text_of(folder)[0], error.strerror)
            self._closed.append(folder)
            return []


def _entry(root: bytes, path: bytes, found: os.DirEntry[bytes]) -> _Entry | None:
    """What a name in a folder stands for; None for what is no file or folder, or lies outside of ``root``."""
    if found.is_dir(follow_symlinks=False):
        return _Entry(path, True, None)
    is_link = found.is_symlink()
    if is_link and not os.path.realpath(found.path).startswith(root.rstrip(b"/") + b"/"):
        return None
    try:
        state = found.stat()
    except OSError:
        return None if is_link else _Entry(path, False, None)
    return _Entry(path, False, state.st_size) if stat.S_ISREG(state.st_mode) else None


def _read_model(root: bytes, folder: bytes, files: dict[bytes, int | None]) -> ModelFile | None:
    """The MLmodel file in a folder, read with what stands beside it; None where it can't be read."""
    contents: dict[str, bytes | None] = {}
    for name in (MODEL_FILE, *BESIDE):
        path = b"/".join(filter(None, (folder, name.encode())))
        is_fit = (files.get(path) or 0) <= MOST_BYTES and path in files
        contents[name] = _content(os.path.join(root, path)) if is_fit else None  # noqa: PTH118
    mlmodel = contents[MODEL_FILE]
    if mlmodel is None:
        return None
    requirements, python_env, conda = (contents[name] for name in BESIDE)
    return parse_model_file(mlmodel, requirements=requirements, python_env=python_env, conda=conda)


def _content(path: bytes) -> bytes | None:
    """Up to a little more than is parsed of a file's bytes; None where it can't be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(MOST_BYTES + 1)
    except OSError:
        return None
