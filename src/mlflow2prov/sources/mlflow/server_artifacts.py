"""Listings of the artifacts of runs and logged models through an MLflow server.

The server lists one folder a request. A store that it can't reach is given up after a few attempts, said
once, and the reading goes on.
"""

from __future__ import annotations

import logging
import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlflow2prov.errors import SourceError
from mlflow2prov.sources.mlflow import server_wire as wire
from mlflow2prov.sources.mlflow.artifact_rows import (
    Entry,
    Failed,
    LeftOut,
    Listing,
    Owner,
    Rows,
    StoreError,
    store_of,
)
from mlflow2prov.sources.mlflow.artifact_stores import Stores, is_direct
from mlflow2prov.sources.mlflow.artifacts_local import LocalFolders, local_path
from mlflow2prov.sources.mlflow.http_client import HttpClient, Pages, Query, RefusedError
from mlflow2prov.sources.tables import Batches

if TYPE_CHECKING:
    from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess

_logger = logging.getLogger(__name__)

_API = "api/2.0/mlflow"
_PROXY = "api/2.0/mlflow-artifacts/artifacts"
_ATTEMPTS = 3
_RETRIES = 1


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


class ArtifactReader:
    """Reads the artifacts of a server's runs and models: from stores that can be reached from here, else through it."""

    def __init__(self, client: HttpClient, *, with_digests: bool, access: ArtifactAccess) -> None:
        self._server = ServerStore(client, has_records=True)
        self._stores = Stores(access)
        self._folders = LocalFolders()
        self._left_out = LeftOut()
        self._rows = Rows(client.threads, with_digests=with_digests)

    def read(self, owners: Sequence[tuple[str, str, str | None]]) -> Batches:
        """Batches of ``mlflow_artifact`` and ``mlflow_model_file`` of ``owners``.

        What the server can't list but is a folder of this machine is listed from there. Holds a batch, and
        the listings of the owners that are under way.
        """
        yield from self._rows.batches(
            self._listings([Owner(kind, owner_id, uri) for kind, owner_id, uri in owners if uri])
        )

    def report(self) -> None:
        """Say which artifacts were left out, in one warning for each store."""
        for part in (self._left_out, self._folders, self._stores, self._rows):
            part.report()
        self._stores.close()

    def _listings(self, owners: Sequence[Owner]) -> Iterator[Listing]:
        failed: dict[Owner, str] = {}
        for found in self._stores.listings([owner for owner in owners if is_direct(owner.uri)]):
            if isinstance(found, Listing):
                yield found
            else:
                failed[found.owner] = found.reason
        here: list[Owner] = []
        asked = [owner for owner in owners if owner in failed or not is_direct(owner.uri)]
        for found in self._server.listings(asked):
            if isinstance(found, Listing):
                yield found
            elif _is_here(found.owner.uri):
                here.append(found.owner)
            else:
                self._left_out.note(_with_reason(found, failed.get(found.owner)))
        yield from self._folders.listings(here)


def _with_reason(found: Failed, reason: str | None) -> Failed:
    return Failed(found.owner, f"{reason}; nor by the server: {found.reason}") if reason else found


class ServerStore:
    """Lists and reads artifacts through a server; remembers which stores it can't reach.

    Args:
        client: talks to the server.
        has_records: the server knows the runs and models; else it only hands out what is in its own store.
    """

    def __init__(self, client: HttpClient, *, has_records: bool) -> None:
        self._client = client
        self._has_records = has_records
        self._failures: Counter[str] = Counter()
        self._reached: set[str] = set()
        self._reasons: dict[str, str] = {}
        self._names: dict[str, frozenset[str] | None] = {}

    def listings(self, owners: Sequence[Owner]) -> Iterator[Listing | Failed]:
        """The artifacts of owners; those that certainly have none are left out."""
        try:
            some = self._with_files(owners)
        except SourceError as error:
            if self._has_records:
                raise
            yield from (Failed(owner, str(error)) for owner in owners)
            return
        yield from self._client.in_order(self._find, some)

    def report(self) -> None:
        """Say nothing more."""

    def close(self) -> None:
        """End the connections."""
        self._client.__exit__()

    def _with_files(self, owners: Sequence[Owner]) -> list[Owner]:
        """Those of ``owners`` that may have files: one request tells it of all that lie side by side."""
        folders = {owner.owner_id: self._folder_of_folders(owner) for owner in owners}
        sizes = Counter(folders.values())
        for folder, size in sizes.items():
            if folder is not None and size > 1 and folder not in self._names:
                self._names[folder] = self._names_in(folder)
        names = {owner_id: self._names.get(folder or "") for owner_id, folder in folders.items()}
        return [owner for owner in owners if _may_be_in(names[owner.owner_id], owner)]

    def _names_in(self, folder: str) -> frozenset[str] | None:
        """The names in a folder of the server's own store, or None where it does not tell."""
        try:
            page = self._client.ask(wire.FilePage, _PROXY, query=[("path", folder)], retries=_RETRIES)
        except RefusedError:
            return None
        return None if page.next_page_token else frozenset(posixpath.basename(it.path) for it in page.files)

    def _folder_of_folders(self, owner: Owner) -> str | None:
        """The folder that has the owner's own folder beside those of others, such as an experiment's."""
        above, _, last = self._proxied_path(owner.uri).rpartition("/")
        folder, _, name = above.rpartition("/")
        return folder if folder and last == "artifacts" and name == owner.owner_id else None

    def _find(self, owner: Owner) -> Listing | Failed:
        store = store_of(owner.uri)
        if self._failures[store] >= _ATTEMPTS and store not in self._reached:
            return Failed(owner, self._reasons[store])
        try:
            listing = self._walk(owner)
        except RefusedError as error:
            self._failures[store] += error.status not in (400, 404)
            self._reasons.setdefault(store, str(error))
            return Failed(owner, str(error))
        except SourceError as error:
            if self._has_records:
                raise
            self._failures[store] = _ATTEMPTS
            self._reasons.setdefault(store, str(error))
            return Failed(owner, str(error))
        self._reached.add(store)
        return listing

    def _walk(self, owner: Owner) -> Listing:
        """List every folder of an owner by the first way that knows the owner."""
        ways = self._ways(owner)
        if not ways:
            raise RefusedError("they are handed out by another server", status=404)
        for way in ways[:-1]:
            try:
                top = self._list(way, "")
            except RefusedError as refused:
                if refused.status != 404:
                    raise
                continue
            return Listing(owner, self._walk_by(way, top), _Read(self._client, (way, ways[-1])))
        return self._walk_last(owner, ways[-1])

    def _walk_last(self, owner: Owner, way: _Way) -> Listing:
        """List by the last way; a folder that is not there has no artifacts where the server goes past its records."""
        place = _Read(self._client, (way,))
        try:
            top = self._list(way, "")
        except RefusedError as refused:
            if refused.status != 404 or not way.is_proxied:
                raise
            return Listing(owner, [], place)
        return Listing(owner, self._walk_by(way, top), place)

    def _walk_by(self, way: _Way, top: list[wire.File]) -> list[Entry]:
        entries: list[Entry] = []
        folders: list[tuple[str, list[wire.File]]] = [("", top)]
        while folders:
            folder, files = folders.pop(0)
            for file in files:
                path = posixpath.join(folder, posixpath.basename(file.path))
                entries.append(Entry(path.encode(), file.is_dir, None if file.is_dir else file.file_size))
                if file.is_dir:
                    folders.append((path, self._list(way, path)))
        return sorted(entries, key=lambda entry: entry.path)

    def _list(self, way: _Way, folder: str) -> list[wire.File]:
        files: dict[str, wire.File] = {}
        token: str | None = None
        seen: set[str | None] = {None}
        pages = Pages(way.list_path)
        while True:
            path, query = way.listing(folder, token)
            page = self._client.ask(wire.FilePage, path, query=query, retries=_RETRIES)
            above = "" if way.is_proxied else folder
            before = len(files)
            files |= {file.path: file for file in page.files if _stands_in(above, file.path)}
            token = page.next_page_token or None
            if token in seen:  # there is none, or it leads back to what was listed
                return list(files.values())
            seen.add(token)
            pages.after(page, new=len(files) - before)

    def _ways(self, owner: Owner) -> list[_Way]:
        """The ways to the artifacts of an owner, the one to try first first."""
        ways = [_way_of_records(owner)] if self._has_records else []
        root = self._proxied_path(owner.uri)
        if root:
            ways.append(_Way(_PROXY, (), "path", root, f"{_PROXY}/{root}", (), None))
        return ways

    def _proxied_path(self, uri: str) -> str:
        """The path of ``uri`` in the server's own store, or nothing where it lies elsewhere."""
        scheme, _, rest = uri.partition(":")
        host, _, path = rest[2:].partition("/") if rest.startswith("//") else ("", "", rest)
        is_here = host in ("", urlsplit(self._client.uri).netloc)
        return path.strip("/") if scheme == "mlflow-artifacts" and is_here else ""


@dataclass(frozen=True, slots=True)
class _Read:
    """Reads the files of one owner by a way, or by the next one where the server has none by the first."""

    client: HttpClient
    ways: tuple[_Way, ...]

    def chunks(self, path: bytes) -> Iterator[bytes]:
        """The content of a file, in pieces."""
        try:
            yield from self._by(self.ways[0], path)
        except RefusedError as error:
            if error.status != 404 or self.ways[-1] == self.ways[0]:
                raise StoreError(str(error)) from None
            yield from self._last(path)
        except SourceError as error:
            raise StoreError(str(error)) from None

    def _last(self, path: bytes) -> Iterator[bytes]:
        try:
            yield from self._by(self.ways[-1], path)
        except SourceError as error:
            raise StoreError(str(error)) from None

    def _by(self, way: _Way, path: bytes) -> Iterator[bytes]:
        place, query = way.reading(path.decode())
        return self.client.stream(place, query=query, retries=_RETRIES)


def _way_of_records(owner: Owner) -> _Way:
    """The way by the records that a server has of runs and models."""
    if owner.kind == "run":
        listing = f"{_API}/artifacts/list"
        run = ("run_id", owner.owner_id)
        return _Way(listing, [run], "path", "", "get-artifact", [("run_uuid", owner.owner_id)], "path")
    place = f"mlflow/logged-models/{owner.owner_id}/artifacts"
    files = f"ajax-api/2.0/{place}/files"
    directories = f"api/2.0/{place}/directories"
    return _Way(directories, (), "artifact_directory_path", "", files, (), "artifact_file_path")


def _is_here(uri: str) -> bool:
    """Whether ``uri`` names a folder of this machine that is there."""
    path = local_path(uri) if "\0" not in uri else None
    return path is not None and path.is_absolute() and path.is_dir()


def _may_be_in(names: frozenset[str] | None, owner: Owner) -> bool:
    return names is None or owner.owner_id in names


def _stands_in(folder: str, path: str) -> bool:
    """Whether ``path`` is that of something directly in ``folder``, as a listing of it should tell."""
    name = posixpath.basename(path)
    return name not in ("", ".", "..") and posixpath.dirname(path) == folder
