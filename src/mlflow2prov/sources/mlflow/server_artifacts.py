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
from urllib.parse import urlsplit

from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.mlflow import server_wire as wire
from mlflow2prov.sources.mlflow.artifacts import local_path, read_artifacts
from mlflow2prov.sources.mlflow.http_client import HttpClient, Query, RefusedError, without_credentials
from mlflow2prov.sources.mlflow.model_file import (
    BESIDE,
    MODEL_FILE,
    MOST_BYTES,
    ModelFile,
    parse_model_file,
    to_batch,
)
from mlflow2prov.sources.mlflow.server_rows import Row, batch
from mlflow2prov.sources.tables import Batches

_logger = logging.getLogger(__name__)
_Model = tuple[str, str, str, bytes | None, ModelFile]

_API = "api/2.0/mlflow"
_PROXY = "api/2.0/mlflow-artifacts/artifacts"
_ATTEMPTS = 3
_RETRIES = 1
_HUGE = 2**63


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
    models: list[_Model] = field(default_factory=list)
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
        self._names: dict[str, frozenset[str] | None] = {}

    def read(self, owners: Sequence[Owner]) -> Batches:
        """Batches of ``mlflow_artifact`` and ``mlflow_model_file`` of ``owners``, all of which it holds.

        What the server can't list but is a folder of this machine is listed from there.
        """
        artifacts: list[Row] = []
        models: list[_Model] = []
        local: list[tuple[str, str, str]] = []
        for found in self._client.in_order(self._find, self._with_files(owners)):
            artifacts += found.artifacts
            models += found.models
            self._unread_models += found.unread
            if found.error is None and not found.is_given_up:
                continue
            if _is_here(found.owner.uri or ""):
                local.append((found.owner.kind, found.owner.owner_id, found.owner.uri or ""))
            else:
                self._leave_out(found)
        if artifacts:
            yield batch("mlflow_artifact", artifacts)
        if models:
            yield "mlflow_model_file", to_batch(models)
        if local:
            yield from read_artifacts(local)

    def report(self) -> None:
        """Say which artifacts were left out, in one warning for each store."""
        for (kind, store), count in sorted(self._left_out.items()):
            what = f"{count} {kind.replace('_', ' ')}{'' if count == 1 else 's'}"
            reason = self._reasons.get((kind, store), "the store can't be reached")
            _logger.warning("artifacts of %s at %s are left out: %s", what, store, reason)
        if self._unread_models:
            _logger.warning("%d MLmodel files could not be read and are plain files", self._unread_models)

    def _with_files(self, owners: Sequence[Owner]) -> list[Owner]:
        """Those of ``owners`` that may have files: one request tells it of all that lie side by side."""
        folders = {owner.owner_id: _folder_of_folders(owner) for owner in owners if owner.uri}
        sizes = Counter(folders.values())
        for folder, size in sizes.items():
            if folder is not None and size > 1 and folder not in self._names:
                self._names[folder] = self._names_in(folder)
        names = {owner_id: self._names.get(folder or "") for owner_id, folder in folders.items()}
        return [owner for owner in owners if owner.uri and _may_be_in(names[owner.owner_id], owner)]

    def _names_in(self, folder: str) -> frozenset[str] | None:
        """The names in a folder of the server's own store, or None where it does not tell."""
        try:
            page = self._client.ask(wire.FilePage, _PROXY, query=[("path", folder)], retries=_RETRIES)
        except RefusedError:
            return None
        return None if page.next_page_token else frozenset(posixpath.basename(it.path) for it in page.files)

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
            if MODEL_FILE in {posixpath.basename(file.path) for file in files if not file.is_dir}:
                self._read_model(way, found, folder, files)
            for file in files:
                path = posixpath.join(folder, posixpath.basename(file.path))
                size = None if file.is_dir else file.file_size
                shown, exact = text_of(path.encode())
                found.artifacts.append((owner.kind, owner.owner_id, shown, file.is_dir, size, exact))
                if file.is_dir:
                    folders.append((path, self._list(way, path)))
        found.artifacts.sort(key=lambda row: row[2])

    def _list(self, way: _Way, folder: str) -> list[wire.File]:
        files: dict[str, wire.File] = {}
        token: str | None = None
        seen: set[str | None] = {None}
        while True:
            path, query = way.listing(folder, token)
            page = self._client.ask(wire.FilePage, path, query=query, retries=_RETRIES)
            above = "" if way.is_proxied else folder
            files |= {file.path: file for file in page.files if _stands_in(above, file.path)}
            token = page.next_page_token or None
            if token in seen:  # there is none, or it leads back to what was listed
                return list(files.values())
            seen.add(token)

    def _read_model(self, way: _Way, found: _Found, folder: str, files: Sequence[wire.File]) -> None:
        """Read the MLmodel file in ``folder`` and what of its kind stands beside it."""
        sizes = {posixpath.basename(file.path): file.file_size or 0 for file in files if not file.is_dir}
        wanted = [name for name in (MODEL_FILE, *BESIDE) if sizes.get(name, _HUGE) <= MOST_BYTES]
        try:
            contents = {
                name: self._content(way, found.owner, posixpath.join(folder, name)) for name in wanted
            }
        except RefusedError as error:
            _logger.debug("MLmodel of %s %s: %s", found.owner.kind, found.owner.owner_id, error)
            contents = {}
        model = _model(contents)
        found.unread += model is None
        if model is not None:
            place, exact = text_of(folder.encode())
            found.models.append((found.owner.kind, found.owner.owner_id, place, exact, model))

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
    root = _proxied_path(owner.uri or "")
    if root:
        ways.append(_Way(_PROXY, (), "path", root, f"{_PROXY}/{root}", (), None))
    return ways


def _model(contents: dict[str, bytes]) -> ModelFile | None:
    """What a folder's MLmodel file says, or None where it can't be read."""
    mlmodel = contents.get(MODEL_FILE)
    if mlmodel is None:
        return None
    requirements, python_env, conda = (contents.get(name) for name in BESIDE)
    return parse_model_file(mlmodel, requirements=requirements, python_env=python_env, conda=conda)


def _is_here(uri: str) -> bool:
    """Whether ``uri`` names a folder of this machine that is there."""
    path = local_path(uri) if "\0" not in uri else None
    return path is not None and path.is_absolute() and path.is_dir()


def _proxied_path(uri: str) -> str:
    """The path of ``uri`` in the server's own store, or nothing where it lies elsewhere."""
    parts = urlsplit(uri)
    return parts.path.strip("/") if parts.scheme == "mlflow-artifacts" and not parts.netloc else ""


def _folder_of_folders(owner: Owner) -> str | None:
    """The folder that has the owner's own folder beside those of others, such as an experiment's."""
    above, _, last = _proxied_path(owner.uri or "").rpartition("/")
    folder, _, name = above.rpartition("/")
    return folder if folder and last == "artifacts" and name == owner.owner_id else None


def _may_be_in(names: frozenset[str] | None, owner: Owner) -> bool:
    return names is None or owner.owner_id in names


def _stands_in(folder: str, path: str) -> bool:
    """Whether ``path`` is that of something directly in ``folder``, as a listing of it should tell."""
    name = posixpath.basename(path)
    return name not in ("", ".", "..") and posixpath.dirname(path) == folder
