"""Artifacts in Amazon S3 and in stores that are compatible with it.

Keys are listed flat and in their order: runs whose artifacts lie side by side share the requests, which leap
over what belongs to nobody that was asked for.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import botocore.session
import urllib3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
)
from botocore.exceptions import ConnectionError as UnreachableError

from mlflow2prov.errors import UsageError
from mlflow2prov.prov.credentials import without_credentials
from mlflow2prov.sources.mlflow.artifact_keys import Keys, key_of
from mlflow2prov.sources.mlflow.artifact_rows import (
    CHUNK_BYTES,
    Failed,
    Listing,
    Owner,
    StoreError,
    store_of,
)

if TYPE_CHECKING:
    from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess

_logger = logging.getLogger(__name__)

_ATTEMPTS = 3
_CONNECT_S = 5
_READ_S = 30
_REFUSALS = 3
"""After so many failures in a row, a store that has never shown anything is left alone."""

_DENIALS = 6
"""Likewise where it answers and refuses: that costs little, and folders may differ in who may see them."""

_MOST_UNREAD = 20
"""After so many objects that can't be read, and none that can, no further ones are tried."""

_REASONS: Mapping[str, tuple[str, bool]] = {
    "NoSuchBucket": ("there is no such bucket; check it, and MLFLOW_S3_ENDPOINT_URL", True),
    "PermanentRedirect": ("the bucket is in another region; set AWS_DEFAULT_REGION to it", True),
    "AuthorizationHeaderMalformed": ("the bucket is in another region; set AWS_DEFAULT_REGION to it", True),
    "InvalidAccessKeyId": ("the access key is unknown; check AWS_ACCESS_KEY_ID or AWS_PROFILE", True),
    "SignatureDoesNotMatch": ("the secret key is wrong; check AWS_SECRET_ACCESS_KEY or AWS_PROFILE", True),
    "ExpiredToken": ("the session has expired; sign in again", True),
    "NoSuchKey": ("the object is gone", False),
    "AccessDenied": ("access is denied; the credentials need s3:ListBucket and s3:GetObject", False),
    "403": ("access is denied; the credentials need s3:ListBucket and s3:GetObject", False),
}
"""What the codes of errors mean, and whether it is of no use to go on."""


def open_store(uri: str, access: ArtifactAccess) -> S3Store:
    """The bucket that a URI names.

    Raises:
        StoreError: the settings can't be used.
    """
    bucket = store_of(uri).removeprefix("s3://")
    if not bucket:
        raise StoreError("the URI names no bucket", is_final=True)
    try:
        client = _client(access.environment)
    except (BotoCoreError, ValueError) as error:
        raise _error(error) from None
    return S3Store(client, bucket, access.concurrency)


class _Group(NamedTuple):
    """Owners whose artifacts lie below one folder, in order of their keys, none within that of another."""

    folder: str
    owners: list[tuple[str, Owner]]


class S3Store:
    """One bucket; remembers whether it can be reached."""

    def __init__(self, client: Any, bucket: str, concurrency: int) -> None:
        self._client = client
        self._bucket = bucket
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="s3")
        self._concurrency = concurrency
        self._keys = Keys()
        self._lost: StoreError | None = None
        self._closed: StoreError | None = None
        self._unread: float = 0
        self._met = False
        self._refusals = 0

    def listings(self, owners: Sequence[Owner]) -> Iterator[Listing | Failed]:
        """The artifacts of owners.

        One request tells of up to 1,000 keys. Holds the listings of the owners of one request for each of
        those that are under way, and the keys of an owner that has more.
        """
        waiting = iter(_groups(owners))
        active: deque[tuple[Iterator[list[Listing | Failed]], Future[list[Listing | Failed] | None]]] = (
            deque()
        )
        try:
            while True:
                while len(active) < self._concurrency and (group := next(waiting, None)):
                    scan = self._scan(group)
                    active.append((scan, self._threads.submit(next, scan, None)))
                if not active:
                    return
                scan, future = active.popleft()
                found = future.result()
                if found is not None:
                    active.append((scan, self._threads.submit(next, scan, None)))
                    yield from found
        finally:
            for _, future in active:
                future.cancel()

    def chunks(self, key: str) -> Iterator[bytes]:
        """The content of the object at ``key``, in pieces."""
        lost = self._lost or self._closed
        if lost:
            raise StoreError(str(lost), is_final=True)
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            with answer["Body"] as body:
                self._unread = -math.inf
                while chunk := body.read(CHUNK_BYTES):
                    yield chunk
        except (BotoCoreError, ClientError, OSError) as error:
            told = self._refused(error)
            self._unread += 1
            if self._unread >= _MOST_UNREAD:
                self._closed = told
            raise told from None

    def report(self) -> None:
        """Say which keys were left out."""
        self._keys.report()

    def close(self) -> None:
        """End the connections."""
        self._threads.shutdown(cancel_futures=True)
        self._client.close()

    # ---- Listing -------------------------------------------------------------------------------

    def _scan(self, group: _Group) -> Iterator[list[Listing | Failed]]:
        """What was found of the owners of a group, request by request."""
        left = deque(group.owners)
        try:
            for found in self._leap(group.folder, left):
                yield [self._listing(owner, key, keys) for key, owner, keys in found]
        except _Unordered:
            _logger.info("s3://%s does not list keys in their order: each folder is listed", self._bucket)
            yield from self._each(left)
        except StoreError as error:
            yield [Failed(owner, str(error)) for _, owner in left]

    def _each(self, left: deque[tuple[str, Owner]]) -> Iterator[list[Listing | Failed]]:
        try:
            while left:
                prefix, owner = left[0]
                keys = [it for page in self._pages(prefix) for it in page]
                yield [self._listing(owner, prefix, [(key[len(prefix) :], size) for key, size in keys])]
                left.popleft()
        except StoreError as error:
            yield [Failed(owner, str(error)) for _, owner in left]

    def _leap(
        self, folder: str, left: deque[tuple[str, Owner]]
    ) -> Iterator[list[tuple[str, Owner, list[tuple[str, int]]]]]:
        """The keys of the owners that each request is the last to tell of; these are taken from ``left``."""
        keys: list[tuple[str, int]] = []
        start, token, last, seen = left[0][0], None, "", set[str]()
        while left:
            page, token = self._page(folder, start=start, token=token)
            _require_new(token, seen)
            found = []
            if any(key <= before for (before, _), (key, _) in pairwise([(max(last, start), 0), *page])):
                raise _Unordered
            for key, size in page:
                last = key
                while left and key > left[0][0] and not key.startswith(left[0][0]):
                    found.append((*left.popleft(), keys))
                    keys = []
                if not left:
                    break
                if key.startswith(left[0][0]):
                    keys.append((key[len(left[0][0]) :], size))
            while left and token is None:
                found.append((*left.popleft(), keys))
                keys = []
            yield found
            if left and left[0][0] > last:
                start, token = left[0][0], None

    def _pages(self, prefix: str) -> Iterator[list[tuple[str, int]]]:
        token, seen = None, set[str]()
        while True:
            page, token = self._page(prefix, start=None, token=token)
            yield page
            if token is None:
                return
            _require_new(token, seen)

    def _page(
        self, prefix: str, *, start: str | None, token: str | None
    ) -> tuple[list[tuple[str, int]], str | None]:
        """Up to 1,000 keys behind ``start`` or where the ``token`` leads to, with sizes, and the next token."""
        if self._lost:
            raise StoreError(str(self._lost), is_final=True)
        where = {"ContinuationToken": token} if token else {"StartAfter": start} if start else {}
        try:
            page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **where)
        except (BotoCoreError, ClientError, OSError) as error:
            raise self._refused(error) from None
        self._met, self._refusals = True, 0
        following = page.get("NextContinuationToken") if page.get("IsTruncated") else None
        return [(it["Key"], int(it["Size"])) for it in page.get("Contents", ())], following

    def _listing(self, owner: Owner, prefix: str, keys: list[tuple[str, int]]) -> Listing:
        return Listing(owner, self._keys.entries(keys), _Below(self, prefix))

    def _refused(self, error: Exception) -> StoreError:
        """What an error means; too many of them in a row, and the store is left alone."""
        told = _error(error)
        if not self._met or isinstance(error, BotoCoreError | OSError):
            self._refusals += 1
        most = _DENIALS if isinstance(error, ClientError) else _REFUSALS
        if told.is_final or self._refusals >= most:
            self._lost = told
        return told


def _require_new(token: str | None, seen: set[str]) -> None:
    """See that a token does not lead back to a page that was there before."""
    if token in seen:
        raise StoreError("the store leads from page to page in a circle")
    if token is not None:
        seen.add(token)


class _Unordered(Exception):  # noqa: N818
    """The store does not list keys in their order, or not from where it was asked to."""


@dataclass(frozen=True, slots=True)
class _Below:
    """The keys with one prefix."""

    store: S3Store
    prefix: str

    def chunks(self, path: bytes) -> Iterator[bytes]:
        return self.store.chunks(self.prefix + path.decode(errors="surrogateescape"))


def _groups(owners: Sequence[Owner]) -> Iterator[_Group]:
    """Owners by the folder that they share; one within the folder of another is by itself."""
    placed = sorted((f"{key}/" if (key := key_of(owner.uri)) else "", owner) for owner in owners)
    groups: dict[str, _Group] = {}
    above = None
    for prefix, owner in placed:
        if above is not None and prefix.startswith(above):
            yield _Group(prefix, [(prefix, owner)])
            continue
        above = prefix
        folder = _shared_folder(prefix, owner)
        groups.setdefault(folder, _Group(folder, [])).owners.append((prefix, owner))
    yield from groups.values()


def _shared_folder(prefix: str, owner: Owner) -> str:
    """The folder that has the owner's own beside those of others, as MLflow lays them out; else its own."""
    found = prefix.removesuffix(f"{owner.owner_id}/artifacts/")
    return found if found != prefix else prefix


# ---- Client ------------------------------------------------------------------------------------


def _client(environment: Mapping[str, str]) -> Any:
    """A client with MLflow's settings, which go before those that botocore finds by itself."""
    get = environment.get
    session = botocore.session.Session(profile=get("AWS_PROFILE") or None)
    # Instants, which nobody reads here, took most of the time of a listing.
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    style = get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE") or "auto"
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
        max_pool_connections=32,
        s3={"addressing_style": style},
    )
    key, secret = get("AWS_ACCESS_KEY_ID") or None, get("AWS_SECRET_ACCESS_KEY") or None
    credentials = (
        {
            "aws_access_key_id": key,
            "aws_secret_access_key": secret,
            "aws_session_token": get("AWS_SESSION_TOKEN"),
        }
        if key and secret
        else {}
    )
    ignores_tls = get("MLFLOW_S3_IGNORE_TLS", "").lower() in ("1", "true")
    if ignores_tls:
        _logger.warning("certificates of S3 stores are not checked, as MLFLOW_S3_IGNORE_TLS asks")
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return session.create_client(
        "s3",
        region_name=get("AWS_REGION") or get("AWS_DEFAULT_REGION") or None,
        endpoint_url=_endpoint(environment),
        verify=False if ignores_tls else get("AWS_CA_BUNDLE") or None,
        config=config,
        **credentials,
    )


def _endpoint(environment: Mapping[str, str]) -> str | None:
    url = environment.get("MLFLOW_S3_ENDPOINT_URL") or environment.get("AWS_ENDPOINT_URL_S3")
    url = url or environment.get("AWS_ENDPOINT_URL")
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
        raise UsageError(f"MLFLOW_S3_ENDPOINT_URL is {without_credentials(url)!r}; write http://host:port")
    return url or None


def _error(error: Exception) -> StoreError:
    """What went wrong, in a few words without credentials."""
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        said, is_final = _REASONS.get(code, (f"the store answered with error {code or 'of no name'}", False))
        return StoreError(said, is_final=is_final)
    if isinstance(error, NoCredentialsError | CredentialRetrievalError):
        said = "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        return StoreError(said, is_final=True)
    if isinstance(error, NoRegionError):
        return StoreError("no region was found; set AWS_DEFAULT_REGION", is_final=True)
    if isinstance(error, HTTPClientError | UnreachableError | OSError):
        host = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url", ""))).netloc.rpartition("@")[2]
        where = f"{host} can't be reached" if host else "the connection broke"
        return StoreError(f"{where} ({type(error).__name__}); check the network and MLFLOW_S3_ENDPOINT_URL")
    return StoreError(without_credentials(" ".join(str(error).split()))[:200], is_final=True)
