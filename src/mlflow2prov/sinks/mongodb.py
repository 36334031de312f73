"""MongoDB: a graph as two collections, ``elements`` and ``relations``.

A document of ``elements`` has the element's key as ``_id`` (see :mod:`mlflow2prov.sinks.records`), ``id``, ``iri``,
``bundle``, ``kinds`` (``entity``, ``activity``, ``agent``), ``types`` (the names of those that PROV and mlflow2prov define),
``is_described``, times and ``attributes``, by names such as ``m2p_name``.

A document of ``relations`` has ``type`` (``wasGeneratedBy``), ``from`` and ``to``, the keys of the first and the second
formal argument, all ``arguments`` by their names, ``time`` and ``attributes``. So ``$graphLookup`` walks from
``to`` to ``from``, or back. What is there already is replaced, and nothing is there twice.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlflow2prov.errors import SinkError, UsageError
from mlflow2prov.prov.records import KIND_BY_NAME
from mlflow2prov.sinks.address import FULL
from mlflow2prov.sinks.records import Row, reading

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.collection import Collection

    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.sinks import Counts, Settings
    from mlflow2prov.sinks.address import Address

DATABASE = "prov"
"""The database, where the URL names none."""

_INDEXES: Mapping[str, tuple[str, ...]] = {
    "elements": ("id", "types", "attributes.prov_label"),
    "relations": ("from", "to", "type"),
}
_PATIENCE_MS = 10_000
_DUPLICATE = 11000
_TIMES = ("startTime", "endTime", "time")


def push(graph: Graph, address: Address, settings: Settings) -> Counts:
    """Add a graph to a database; return its numbers of ``elements`` and ``relations``.

    Some thousands of rows are held at a time. What was pushed before a failure stays, and pushing again goes on.

    Raises:
        SinkError: the server can't be reached, refuses, or breaks off.
        UsageError: the driver is missing, or the URL is none of it.
    """
    with _told(address), _client(address) as client:
        database = client.get_default_database(DATABASE)
        collections = {name: database[name] for name in _INDEXES}
        for name, collection in collections.items():
            if settings.replace:
                collection.drop()
            for field in _INDEXES[name]:
                collection.create_index(field)
        counts = dict.fromkeys(_INDEXES, 0)
        with reading(graph) as records:
            types = records.types()
            documents = {
                "elements": ([_element(row, types) for row in rows] for rows in records.elements()),
                "relations": ([_relation(row) for row in rows] for rows in records.relations()),
            }
            for name, portions in documents.items():
                for portion in portions:
                    _write(collections[name], portion)
                    counts[name] += len(portion)
                    settings.report("pushing", counts)
    return counts


def _write(collection: Collection[dict[str, Any]], documents: list[dict[str, Any]]) -> None:
    """Add documents, and put those whose keys are there in the place of what was there.

    Measured: adding is twice as fast as replacing or adding, and nearly all documents are new.
    """
    from pymongo import ReplaceOne
    from pymongo.errors import BulkWriteError

    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        failed = error.details.get("writeErrors", [])
        if any(each.get("code") != _DUPLICATE for each in failed) or error.details.get("writeConcernErrors"):
            raise
        there = [documents[each["index"]] for each in failed]
        collection.bulk_write(
            [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in there], ordered=False
        )


def _element(row: Row, types: Mapping[str, str]) -> dict[str, Any]:
    times, attributes = _details(row)
    return {
        "_id": row.key,
        "id": row.id,
        **({"bundle": row.bundle} if row.bundle is not None else {}),
        "kinds": list(row.kinds),
        "types": list(dict.fromkeys(types.get(name, name) for name in row.types)),
        "is_described": row.is_described,
        **times,
        "attributes": attributes,
    }


def _relation(row: Row) -> dict[str, Any]:
    times, attributes = _details(row)
    names = KIND_BY_NAME[row.kinds[0]].references
    arguments = {name: key for name, key in zip(names, row.arguments, strict=True) if key is not None}
    return {
        "_id": row.key,
        "type": row.kinds[0],
        **({"id": row.id} if row.id is not None else {}),
        **({"bundle": row.bundle} if row.bundle is not None else {}),
        "from": row.arguments[0],
        "to": row.arguments[1],
        "arguments": arguments,
        **times,
        "attributes": attributes,
    }


def _details(row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
    """The times of a row, and its attributes."""
    times = {name: row.properties[name] for name in _TIMES if name in row.properties}
    return times, {name: value for name, value in row.properties.items() if name not in times}


def _client(address: Address) -> MongoClient[dict[str, Any]]:
    try:
        import pymongo
    except ImportError as error:
        raise UsageError("MongoDB needs pip install 'mlflow2prov[mongodb]'") from error
    given: dict[str, Any] = {"username": address.user, "password": address.password} if address.user else {}
    try:
        with warnings.catch_warnings():
            # An option that the driver does not know is left out with a warning, even one that asks for encryption.
            warnings.simplefilter("error", UserWarning)
            return pymongo.MongoClient(
                address.url,
                serverSelectionTimeoutMS=_PATIENCE_MS,
                appname="mlflow2prov",
                tz_aware=True,
                **given,
            )
    except (pymongo.errors.PyMongoError, ValueError, OSError, UserWarning) as error:
        said = " ".join(address.hidden(str(error)).split())
        raise UsageError(f"can't push to {address.shown}: {said}") from error


@contextmanager
def _told(address: Address) -> Iterator[None]:
    """What the driver raises, as errors of ours."""
    try:
        yield
    except (SinkError, UsageError, KeyboardInterrupt):
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("pymongo", "bson"):
            raise
        text = " ".join(address.hidden(_first(error)).split())[:300]
        raise SinkError(
            f"the database at {address.shown} {_meaning(error)}: {text}; pushing again goes on"
        ) from error


def _first(error: Exception) -> str:
    """The first thing that went wrong, of a bulk of writes, or what an error says."""
    failed = (getattr(error, "details", None) or {}).get("writeErrors") or []
    return (
        str(failed[0].get("errmsg", failed[0]) if failed else error)
        .partition(", Timeout:")[0]
        .partition(", full error:")[0]
    )


def _meaning(error: Exception) -> str:
    """What an error of the driver means, in words."""
    code = getattr(error, "code", None)
    if FULL.search(str(error)):
        return "is full"
    if any(sign in str(error) for sign in ("connection closed", "No servers found yet", "reset by peer")):
        return "can't be reached, or is no MongoDB"
    for names, codes, meaning in _MEANINGS:
        if type(error).__name__ in names or code in codes:
            return meaning
    return "refuses"


_MEANINGS: tuple[tuple[frozenset[str], frozenset[int], str], ...] = (
    (
        frozenset(),
        frozenset({13, 18}),
        "does not let us in (give user and password in the URL, or as MLFLOW2PROV_PUSH_USER and"
        " MLFLOW2PROV_PUSH_PASSWORD; a path such as /prov?authSource=admin says where they are known)",
    ),
    (frozenset(), frozenset({10107, 13435, 8000}), "only reads"),
    (
        frozenset({"ServerSelectionTimeoutError", "AutoReconnect", "NetworkTimeout", "ConnectionFailure"}),
        frozenset(),
        "can't be reached",
    ),
    (frozenset({"DocumentTooLarge"}), frozenset({10334}), "takes no documents of more than 16 MiB"),
    (frozenset(), frozenset({14031}), "is full"),
)
"""What errors mean, by the names of their classes and their codes."""
