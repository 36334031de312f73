"""Neo4j, and what speaks its protocol Bolt (https://neo4j.com/docs/bolt/): a property graph.

Elements are nodes ``ProvElement`` with the further labels ``Entity``, ``Activity`` and ``Agent``, and the names of
their types in PROV and mlflow2prov, such as ``Run``; what is referred to but not described is ``Undescribed``.
Relations are relationships of PROV's names in capitals, from the first formal argument to the second, with
time, role and all attributes on them. A further argument (a plan, the activity of a derivation) stands
with its key on the relationship, by its name, and is reached by a relationship of its own from the first
argument, such as ``WAS_ASSOCIATED_WITH_PLAN``, whose ``relation`` is the ``key`` of the other. Where a relation
leaves an argument open, its end is a node ``Unknown``. ``label`` is what a person would call a node, in one
line; ``id`` its qualified name in the document. Other properties are named as in :mod:`mlflow2prov.formats.neo4j_csv`,
such as ``m2p_name``.

``key`` identifies nodes and relationships (see :mod:`mlflow2prov.sinks.records`); what is there already gets the
new properties and labels, and nothing is there twice.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from mlflow2prov.errors import SinkError, UsageError
from mlflow2prov.formats.dot_style import UNDRAWN
from mlflow2prov.formats.neo4j_csv import type_of
from mlflow2prov.prov.records import KIND_BY_NAME
from mlflow2prov.sinks.address import FULL
from mlflow2prov.sinks.records import Records, Row, reading

if TYPE_CHECKING:
    from neo4j import Driver, Session

    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.sinks import Counts, Settings
    from mlflow2prov.sinks.address import Address

NODE = "ProvElement"
"""The label that all nodes have, and which their keys are unique in."""

_ROWS = 2_000
"""How many rows go into one statement, which is one transaction."""

_LABEL_CHARACTERS = 200
_TRIES = 3
_RETRY_S = 15.0
_CONNECT_S = 30.0
_UNDESCRIBED = "Undescribed"
_UNKNOWN = "unknown"
_KINDS: Mapping[str, str] = {"entity": "Entity", "activity": "Activity", "agent": "Agent"}
_CONSTRAINT = f"CREATE CONSTRAINT prov_element_key IF NOT EXISTS FOR (n:{NODE}) REQUIRE n.key IS UNIQUE"
_INDEXES = tuple(
    f"CREATE INDEX prov_element_{name} IF NOT EXISTS FOR (n:{NODE}) ON (n.{name})" for name in ("id", "label")
)

_FIND = f"UNWIND $keys AS key MATCH (n:{NODE} {{key: key}}) RETURN n.key AS key, labels(n) AS labels"
_CREATE = "UNWIND $rows AS row CREATE (n:%s {key: row.key}) SET n += row.properties"
_UPDATE = f"UNWIND $rows AS row MATCH (n:{NODE} {{key: row.key}}) SET n += row.properties"
_LABEL = f"UNWIND $keys AS key MATCH (n:{NODE} {{key: key}}) %s"
_RELATE = (
    f"UNWIND $rows AS row MATCH (a:{NODE} {{key: row.start}}) MATCH (b:{NODE} {{key: row.end}}) "
    "MERGE (a)-[r:%s {key: row.key}]->(b) SET r += row.properties"
)
_REMOVE = f"MATCH (n:{NODE}) WITH n LIMIT 10000 DETACH DELETE n RETURN count(*) AS gone"


def push(graph: Graph, address: Address, settings: Settings) -> Counts:
    """Add a graph to a database; return its numbers of ``nodes`` and ``relationships``.

    Some thousands of rows are held at a time. Each statement is a transaction of its own: what was
    pushed before a failure stays, and pushing again goes on.

    Raises:
        SinkError: the server can't be reached, refuses, or breaks off.
        UsageError: the driver is missing.
    """
    with _told(address), _driver(address) as driver, driver.session(database=_database(address)) as session:
        writer = _Writer(session, settings)
        writer.prepare(replace=settings.replace)
        with reading(graph) as records:
            return writer.write(records)


class _Writer:
    """Writes the rows of one graph by one session."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._report = settings.report
        self._counts = {"nodes": 0, "relationships": 0}

    def prepare(self, *, replace: bool) -> None:
        """Make the constraint and the indexes; remove first what is there, if so asked."""
        if replace:
            while self._run(_REMOVE)[0]["gone"]:
                pass
        for statement in (_CONSTRAINT, *_INDEXES):
            self._run(statement)

    def write(self, records: Records) -> Counts:
        """Write nodes, then relationships; return their numbers."""
        types = records.types()
        for rows in records.elements():
            self._nodes([_node(row, types) for row in rows])
        for rows in records.relations():
            self._relationships(rows)
        return self._counts

    def _nodes(self, nodes: Sequence[tuple[frozenset[str], dict[str, Any]]]) -> None:
        """Write nodes, those of the same labels together."""
        by_labels: defaultdict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
        for labels, row in nodes:
            by_labels[labels].append(row)
        for labels, rows in by_labels.items():
            for portion in _portions(rows):
                self._same_labels(labels, portion)
                self._counts["nodes"] += len(portion)
                self._report("pushing", self._counts)

    def _same_labels(self, labels: frozenset[str], rows: list[dict[str, Any]]) -> None:
        """Write nodes that all have the same labels; once more, if another one wrote some of them meanwhile."""
        from neo4j.exceptions import ConstraintError

        for _ in range(_TRIES - 1):
            try:
                return self._write_nodes(labels, rows)
            except ConstraintError:
                continue
        return self._write_nodes(labels, rows)

    def _write_nodes(self, labels: frozenset[str], rows: list[dict[str, Any]]) -> None:
        """Add the nodes that are not there, and to the others what they lack, one label in a statement.

        A server that keeps the nodes of each combination of labels apart can't merge and label at once.
        """
        found = {
            row["key"]: frozenset(row["labels"])
            for row in self._run(_FIND, keys=[row["key"] for row in rows])
        }
        there = [row for row in rows if row["key"] in found]
        if len(there) < len(rows):
            fresh = [row for row in rows if row["key"] not in found]
            self._run(_CREATE % ":".join(sorted(labels)), rows=fresh)
        if there:
            self._run(_UPDATE, rows=there)
        for label in sorted(labels):
            keys = [row["key"] for row in there if label not in found[row["key"]]]
            if keys:
                self._run(_LABEL % f"SET n:{label}", keys=keys)
        described = [key for key, has in found.items() if _UNDESCRIBED in has and _UNDESCRIBED not in labels]
        if described:
            self._run(_LABEL % f"REMOVE n:{_UNDESCRIBED}", keys=described)

    def _relationships(self, rows: Sequence[Row]) -> None:
        kind = KIND_BY_NAME[rows[0].kinds[0]]
        own: list[dict[str, Any]] = []
        further: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        unknown: list[dict[str, Any]] = []
        for row in rows:
            start, end = (key or f"{_UNKNOWN}:{row.key}:{at}" for at, key in enumerate(row.arguments[:2], 1))
            unknown += [
                {"key": key, "properties": {}} for key in (start, end) if key.startswith(f"{_UNKNOWN}:")
            ]
            names = [
                (name, key) for name, key in zip(kind.references[2:], row.arguments[2:], strict=True) if key
            ]
            properties = _properties(row) | {"in" if name == "bundle" else name: key for name, key in names}
            own.append({"key": row.key, "start": start, "end": end, "properties": properties})
            for name, key in names:
                if name not in UNDRAWN:
                    said = {"relation": row.key}
                    further[name].append({"key": row.key, "start": start, "end": key, "properties": said})
        for portion in _portions(unknown):
            self._same_labels(frozenset((NODE, "Unknown")), portion)
        self._relate(type_of(kind), own)
        for name, others in further.items():
            self._relate(type_of(kind, name), others)

    def _relate(self, name: str, rows: list[dict[str, Any]]) -> None:
        for portion in _portions(rows):
            self._run(_RELATE % name, rows=portion)
            self._counts["relationships"] += len(portion)
            self._report("pushing", self._counts)

    def _run(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run one statement as a transaction, again where it only met another one."""

        def work(transaction: Any) -> list[dict[str, Any]]:
            return [dict(record) for record in transaction.run(statement, parameters)]

        if statement.startswith("CREATE"):
            return [dict(record) for record in self._session.run(statement)]
        return self._session.execute_write(work)


def _node(row: Row, types: Mapping[str, str]) -> tuple[frozenset[str], dict[str, Any]]:
    """The labels of a node, and its row."""
    labels = {
        NODE,
        *(_KINDS[kind] for kind in row.kinds),
        *(types[name] for name in row.types if name in types),
    }
    if not row.is_described:
        labels.add(_UNDESCRIBED)
    properties = _properties(row)
    said = properties.get("prov_label", row.id or row.key)
    label = " ".join(str(said[0] if isinstance(said, list) else said).split())
    shown = label if len(label) <= _LABEL_CHARACTERS else f"{label[: _LABEL_CHARACTERS - 1]}…"
    return frozenset(labels), {"key": row.key, "properties": properties | {"label": shown}}


def _properties(row: Row) -> dict[str, Any]:
    """The properties of a node or a relationship; a list is of one type, as the database wants it."""
    properties = {
        name: _one_type(value) if isinstance(value, list) else value for name, value in row.properties.items()
    }
    named = {"id": row.id, "bundle": row.bundle}
    return {name: value for name, value in named.items() if value is not None} | properties


def _one_type(values: list[Any]) -> list[Any]:
    kinds = {type(value) for value in values}
    if len(kinds) == 1:
        return values
    return [float(value) for value in values] if kinds == {int, float} else [str(value) for value in values]


def _portions(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    waiting = iter(rows)
    while portion := list(islice(waiting, _ROWS)):
        yield portion


def _database(address: Address) -> str | None:
    """The database that the URL's path names; None is the server's default."""
    path = address.rest.partition("?")[0].partition("/")[2].strip("/")
    return path or None


def _driver(address: Address) -> Driver:
    try:
        import neo4j
    except ImportError as error:
        raise UsageError("Neo4j needs pip install 'mlflow2prov[neo4j]'") from error
    # The driver says of each attempt that it failed; what comes of them is said by us, once.
    logging.getLogger("neo4j").addHandler(logging.NullHandler())
    host = address.rest.partition("?")[0].partition("/")[0]
    query = address.rest.partition("?")[2]
    url = f"{address.scheme}://{host}{query and '?'}{query}"
    auth = neo4j.basic_auth(address.user, address.password or "") if address.user else None
    try:
        return neo4j.GraphDatabase.driver(
            url,
            auth=auth,
            user_agent="mlflow2prov",
            connection_timeout=_CONNECT_S,
            connection_acquisition_timeout=_CONNECT_S,
            max_transaction_retry_time=_RETRY_S,
        )
    except (ValueError, neo4j.exceptions.DriverError) as error:
        raise UsageError(f"can't push to {address.shown}: {address.hidden(str(error))}") from error


@contextmanager
def _told(address: Address) -> Iterator[None]:
    """What the driver raises, as errors of ours."""
    try:
        yield
    except (SinkError, UsageError, KeyboardInterrupt):
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "neo4j" and not isinstance(error, OSError):
            raise
        unsafe = _of_encryption(error)
        said = str(unsafe or getattr(error, "message", None) or error)
        meaning = (
            "can't be reached safely (SSL_CERT_FILE may name whom to trust)" if unsafe else _meaning(error)
        )
        if "handshake" in said:
            meaning = "can't be reached, or does not speak Bolt"
        elif "routing information" in said:
            meaning = "can't be reached, or is no cluster of Neo4j (for a server alone: bolt://)"
        text = " ".join(address.hidden(said).split())
        raise SinkError(
            f"the database at {address.shown} {meaning}: {text[:300]}; pushing again goes on"
        ) from error


def _of_encryption(error: BaseException | None) -> ssl.SSLError | None:
    """The error of encryption that led to another one, if so."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error


def _meaning(error: Exception) -> str:
    """What an error of the driver means, in words."""
    code = str(getattr(error, "code", ""))
    if FULL.search(str(error)):
        return "is full or stopped"
    for pattern, meaning in _MEANINGS.items():
        if re.search(pattern, f"{type(error).__name__} {code}"):
            return meaning
    return "refuses"


_MEANINGS: Mapping[str, str] = {
    "AuthError|Unauthorized|Authentication": "does not let us in (give user and password in the URL, or as "
    "MLFLOW2PROV_PUSH_USER and MLFLOW2PROV_PUSH_PASSWORD)",
    "Forbidden|AccessMode|ReadOnly": "does not let us write",
    "DatabaseNotFound": "has no such database",
    "ServiceUnavailable|SessionExpired|OSError|ConnectionAcquisition|IncompleteCommit": "can't be reached",
    "OutOfMemory|OutOfDisk|DatabaseUnavailable": "is full or stopped",
}
"""What errors mean, by patterns of their names and codes."""
