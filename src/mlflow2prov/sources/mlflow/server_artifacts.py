"""Listings of the artifacts of runs and logged models, and their MLmodel files, through an MLflow server.

The server lists one folder a request. A store that it can't reach is given up after a few attempts, said
once, and the reading goes on.
"""

from __future__ import annotations

import logging
import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mlflow2prov.sources.mlflow import server_wire as wire
from mlflow2prov.sources.mlflow.artifacts import read_artifacts
from mlflow2prov.sources.mlflow.http_client import HttpClient, Query, RefusedError, without_credentials
from mlflow2prov.sources.mlflow.model_file import parse_model_file
from mlflow2prov.sources.mlflow.server_rows import Row, batch
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

_logger = logging.getLogger(__name__)

_API = "api/2.0/mlflow"
_PROXY = "api/2.0/mlflow-artifacts/artifacts"
_ATTEMPTS = 3
_RETRIES = 1
_MOST_FILE_BYTES = 5_000_000
_HUGE = 2**63
_BESIDE = ("requirements.txt", "python_env.yaml", "conda.yaml")


@dataclass(frozen=True, slots=True)
class Owner:
    """A run or logged model (``kind``) with artifacts at ``uri``."""

    kind: str
    owner_id: str
    uri: str | None

    @property
    def store(self) -> str:
        """The place that the artifacts lie in, which is reached or not reached as a whole."""
        parts = urlsplit(without_credentials(self.uri or ""))
        return f"{parts.scheme or 'file'}://{parts.netloc}" if parts.netloc else f"{parts.scheme or 'file'}:"


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to ask the server for the artifacts of an owner: where to list, where to read, and how."""

    list_path: str
    list_query: Query
    list_name: str
    list_root: str
    read_path: str
    read_query: Query
    read_name: str | None  # None: the file's path is part of the address

    def listing(self, folder: str, token: str | None) -> tuple[str, Query]:
        place = posixpath.join(self.list_root, folder) if folder else self.list_root
        query = [*self.list_query, *([(self.list_name, place)] if place else [])]
        return self.list_path, [*query, *([("page_token", token)] if token else [])]

    def reading(self, path: str) -> tuple[str, Query]:
        if self.read_name is None:
            return posixpath.join(self.read_path, path), ()
        return self.read_path, [*self.read_query, (self.read_name, path)]

    @property
    def is_proxied(self) -> bool:
        """Whether it goes past MLflow's records: names are told relative to the folder that is listed."""
        return self.read_name is None


@dataclass(slots=True)
class _Found:
    """What was found of one owner; ``error`` where it could not be listed to the end."""

    owner: Owner
    artifacts: list[Row] = field(default_factory=list)
    models: list[Row] = field(default_factory=list)
    error: RefusedError | None = None
    is_given_up: bool = False
    unread: int = 0


class ArtifactReader:
    """Reads artifacts through the server; remembers which stores it can't reach."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._failures: Counter[str] = Counter()
        self._reached: set[str] = set()
        self._left_out: Counter[tuple[str, str]] = Counter()
        self._reasons: dict[tuple[str, str], str] = {}
        self._unread_models = 0

    def read(self, owners: Sequence[Owner]) -> Batches:
        """Batches of ``mlflow_artifact`` and ``mlflow_model_file`` of ``owners``, all of which it holds.

        What the server can't list but is a folder of this machine is listed from there.
        """
        artifacts: list[Row] = []
        models: list[Row] = []
        local: list[tuple[str, str, str]] = []
        for found in self._client.in_order(self._find, [owner for owner in owners if owner.uri]):
            artifacts += found.artifacts
            models += found.models
            self._unread_models += found.unread
            if found.error is None and not found.is_given_up:
                continue
            if _is_local_folder(found.owner.uri or ""):
                local.append((found.owner.kind, found.owner.owner_id, found.owner.uri or ""))
            else:
                self._leave_out(found)
        if artifacts:
            yield batch("mlflow_artifact", artifacts)
        if models:
            yield batch("mlflow_model_file", models)
        if local:
            yield from read_artifacts(local)

    def report(self) -> None:
        """Say which artifacts were left out, in one warning for each store."""
        for (kind, store), count in sorted(self._left_out.items()):
            what = "runs" if kind == "run" else "logged models"
            reason = self._reasons[kind, store]
            _logger.warning("artifacts of %d %s at %s are left out: %s", count, what, store, reason)
        if self._unread_models:
            _logger.warning("%d MLmodel files could not be read and are plain files", self._unread_models)

    def _leave_out(self, found: _Found) -> None:
        key = found.owner.kind, found.owner.store
        self._left_out[key] += 1
        if found.error is not None:
            self._reasons.setdefault(key, str(found.error))

    def _find(self, owner: Owner) -> _Found:
        found = _Found(owner)
        store = owner.store
        if self._failures[store] >= _ATTEMPTS and store not in self._reached:
            found.is_given_up = True
            return found
        try:
            self._walk(found)
        except RefusedError as error:
            self._failures[store] += error.status not in (400, 404)
            found.error = error
            found.artifacts.clear()
            found.models.clear()
        else:
            self._reached.add(store)
        return found

    def _walk(self, found: _Found) -> None:
        """List every folder of an owner by the first way that knows the owner."""
        ways = _ways(found.owner)
        for way in ways:
            try:
                top = self._list(way, "")
            except RefusedError as refused:
                if refused.status != 404 or (way is ways[-1] and not way.is_proxied):
                    raise
                continue
            self._walk_by(way, found, top)
            return

    def _walk_by(self, way: _Way, found: _Found, top: list[wire.File]) -> None:
        owner = found.owner
        folders: list[tuple[str, list[wire.File]]] = [("", top)]
        while folders:
            folder, files = folders.pop(0)
            if "MLmodel" in {posixpath.basename(file.path) for file in files if not file.is_dir}:
                self._read_model(way, found, folder, files)
            for file in files:
                path = posixpath.join(folder, posixpath.basename(file.path))
                size = None if file.is_dir else file.file_size
                found.artifacts.append((owner.kind, owner.owner_id, path, file.is_dir, size))
                if file.is_dir:
                    folders.append((path, self._list(way, path)))
        found.artifacts.sort(key=lambda row: row[2])

    def _list(self, way: _Way, folder: str) -> list[wire.File]:
        files: dict[str, wire.File] = {}
        token: str | None = None
        while True:
            path, query = way.listing(folder, token)
            page = self._client.ask(wire.FilePage, path, query=query, retries=_RETRIES)
            above = "" if way.is_proxied else folder
            files |= {file.path: file for file in page.files if _stands_in(above, file.path)}
            following = page.next_page_token or None
            if following is None or following == token:
                return list(files.values())
            token = following

    def _read_model(self, way: _Way, found: _Found, folder: str, files: Sequence[wire.File]) -> None:
        """Read the MLmodel file in ``folder`` and what of its kind stands beside it."""
        sizes = {posixpath.basename(file.path): file.file_size or 0 for file in files if not file.is_dir}
        wanted = [name for name in ("MLmodel", *_BESIDE) if sizes.get(name, _HUGE) <= _MOST_FILE_BYTES]
        try:
            contents = {
                name: self._content(way, found.owner, posixpath.join(folder, name)) for name in wanted
            }
        except RefusedError as error:
            _logger.debug("MLmodel of %s %s: %s", found.owner.kind, found.owner.owner_id, error)
            contents = {}
        row = _model_row(found.owner, folder, contents)
        found.models += [row] if row else []
        found.unread += row is None

    def _content(self, way: _Way, owner: Owner, path: str) -> bytes:
        """The content of a file, by ``way``, or by the last one that the owner has."""
        place, query = way.reading(path)
        try:
            return self._client.request(place, query=query, retries=_RETRIES)
        except RefusedError as error:
            last = _ways(owner)[-1]
            if error.status != 404 or last == way:
                raise
            place, query = last.reading(path)
            return self._client.request(place, query=query, retries=_RETRIES)


def _ways(owner: Owner) -> list[_Way]:
    """The ways to the artifacts of an owner, the one to try first first."""
    if owner.kind == "run":
        listing = f"{_API}/artifacts/list"
        run = ("run_id", owner.owner_id)
        ways = [_Way(listing, [run], "path", "", "get-artifact", [("run_uuid", owner.owner_id)], "path")]
    else:
        place = f"mlflow/logged-models/{owner.owner_id}/artifacts"
        files = f"ajax-api/2.0/{place}/files"
        directories = f"api/2.0/{place}/directories"
        ways = [_Way(directories, (), "artifact_directory_path", "", files, (), "artifact_file_path")]
    parts = urlsplit(owner.uri or "")
    root = parts.path.strip("/")
    if parts.scheme == "mlflow-artifacts" and not parts.netloc and root:
        ways.append(_Way(_PROXY, (), "path", root, f"{_PROXY}/{root}", (), None))
    return ways


def _model_row(owner: Owner, folder: str, contents: dict[str, bytes]) -> Row | None:
    """The row of ``mlflow_model_file`` for a folder's MLmodel file, or None where it can't be read."""
    mlmodel = contents.get("MLmodel")
    if mlmodel is None:
        return None
    requirements, python_env, conda = (contents.get(name) for name in _BESIDE)
    parsed = parse_model_file(mlmodel, requirements=requirements, python_env=python_env, conda=conda)
    if parsed is None:
        return None
    columns = list(SOURCE_TABLES["mlflow_model_file"].columns)[3:]
    return (owner.kind, owner.owner_id, folder, *(getattr(parsed, column) for column in columns))


def _is_local_folder(uri: str) -> bool:
    """Whether ``uri`` names a folder that is there on this machine."""
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(url2pathname(parts.path)).is_dir()
    return not parts.scheme and Path(uri).is_absolute() and Path(uri).is_dir()


def _stands_in(folder: str, path: str) -> bool:
    """Whether ``path`` is that of something directly in ``folder``, as a listing of it should tell."""
    name = posixpath.basename(path)
    return name not in ("", ".", "..") and posixpath.dirname(path) == folder
