r"""Node and edge tables with the headers of ``neo4j-admin database import``.

``NAME.csv/`` has two tables, each with its header in a file of its own: ``nodes-header.csv``, ``nodes.csv``,
``relationships-header.csv``, ``relationships.csv``. They are imported into a new database with::

    neo4j-admin database import full neo4j --array-delimiter=U+001F --multiline-fields=true \
        --nodes=nodes-header.csv,nodes.csv \
        --relationships=relationships-header.csv,relationships.csv

Text is UTF-8, quoted as in RFC 4180; an empty field is a missing value, ``""`` an empty text. The items of a
list stand between characters U+001F, which text has no use for: the importer knows no escape.

**Nodes.** One for each identifier in each bundle, described or only referred to. ``:ID`` is a number that
holds within the folder; the properties ``id`` (``prefix:local``) and ``bundle`` (that of the bundle, missing
for the document itself) are what identifies it. ``:LABEL`` has ``Entity``, ``Activity`` and ``Agent`` as it is
described, or as PROV infers from the relations that refer to it; the local names of its types in the
namespaces of PROV and of mlflow2prov, such as ``Commit``; ``Bundle`` for a named bundle; ``Undescribed`` where
no record describes it; and ``Unknown``, without an ``id``, for what a relation leaves open.

**Relationships.** One for each relation, from its first formal argument to its second, with the name of the
relation as type: ``WAS_GENERATED_BY``, ``USED``. Its properties are the relation's ``id``, ``bundle``, ``time``
and attributes, and the identifiers of its further arguments by their names (``plan``, ``starter``, ``usage``;
the ``bundle`` of a mention is ``mentioned_in``). What a further argument names is reached by a relationship
of its own from the first argument, such as ``WAS_ASSOCIATED_WITH_PLAN`` or ``ACTED_ON_BEHALF_OF_ACTIVITY``;
``relation`` is the same number on all relationships of one relation. The ``generation`` and ``usage`` of a
derivation are relationships and not nodes: their ``id`` is what to look for.

**Properties.** An attribute ``prefix:local`` is the property ``prefix_local``; times of activities are
``startTime`` and ``endTime``. Where every value of an attribute has the type, its column is ``long``,
``double``, ``boolean``, ``datetime`` or ``localdatetime``, else ``string``; it is a list where something has
several values. The 200 most frequent attributes have a column; all others stand in ``attributes``, a
text in JSON: lists of values by the attributes' names. So do attributes whose values contain U+001F.

Lost are the datatypes of what stands as ``string``, the languages of texts, the IRIs of prefixes, and which
of several records of one element said what.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow2prov.formats.dot_style import MEANT, UNDRAWN, references
from mlflow2prov.formats.neo4j_columns import SEPARATOR, Columns
from mlflow2prov.formats.projection import Key
from mlflow2prov.formats.text import literal, write_strings
from mlflow2prov.graph.files import has_files_only
from mlflow2prov.prov.namespaces import M2P, PROV
from mlflow2prov.prov.records import RELATION_KINDS, RecordKind

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph


_SPELLED = "CASE WHEN prefix <> '' THEN prefix || ':' || local WHEN contains(local, ':') THEN ':' || local ELSE local END"
_FURTHER = ("activity", "generation", "usage", "plan", "starter", "ender", "mentioned_in")
"""Properties of relationships for the formal arguments after the second."""

_NODE_FIELDS = (":ID", ":LABEL", "id:string", "bundle:string")
_RELATIONSHIP_FIELDS = (
    *(":START_ID", ":END_ID", ":TYPE", "relation:long", "id:string", "bundle:string"),
    *(f"{name}:string" for name in _FURTHER),
)
_FILES = {f"{table}{part}.csv" for table in ("nodes", "relationships") for part in ("", "-header")}
_LABEL = r"[A-Za-z_][A-Za-z0-9_.\-]*"
_KINDS = {1: "Entity", 2: "Activity", 3: "Agent"}


def write_folder(graph: Graph, folder: Path) -> None:
    """Write a graph as node and edge tables into an empty folder.

    Held in memory, up to the store's limit, are the identifiers with their numbers, and a batch of rows.
    """
    with graph.store.in_order(), graph.store.scratch("writing") as scratch:
        writer = _Writer(graph, scratch)
        writer.make_nodes()
        writer.write_nodes(folder)
        writer.write_relationships(folder)


def is_own(folder: Path) -> bool:
    """Return whether a folder is one that we wrote, with nothing else in it."""
    try:
        with (folder / "nodes-header.csv").open("rb") as file:
            head = file.read(1024)
        return head.startswith(",".join(_NODE_FIELDS).encode()) and has_files_only(folder, _FILES)
    except OSError:
        return False


def type_of(kind: RecordKind, argument: str = "") -> str:
    """Return the type of the relationships that a kind of relation becomes.

    >>> from mlflow2prov.prov.records import KIND_BY_NAME
    >>> type_of(KIND_BY_NAME["wasAssociatedWith"]), type_of(KIND_BY_NAME["wasAssociatedWith"], "plan")
    ('WAS_ASSOCIATED_WITH', 'WAS_ASSOCIATED_WITH_PLAN')
    """
    words = re.sub("(?=[A-Z])", "_", kind.name)
    return f"{words}_{argument}".rstrip("_").upper()


class _Writer:
    """Writes one graph; ``scratch`` is a schema for its tables."""

    def __init__(self, graph: Graph, scratch: str) -> None:
        self._graph, self._scratch, self._run = graph, scratch, graph.store.run
        rows = graph.query("SELECT key, name, datatype, language FROM {graph}.attribute_key ORDER BY key")
        self._keys = [Key(*row) for row in rows]
        last = max((key.number for key in self._keys), default=0)
        names = ("startTime", "endTime", "time")
        self._times = {
            name: Key(last + n, f"\0{name}", "xsd:dateTime", None) for n, name in enumerate(names, 1)
        }
        self._run(
            f"CREATE TABLE {scratch}.name AS SELECT id, concat('\"', replace({_SPELLED}, '\"', '\"\"'), '\"') AS text "
            f"FROM {graph.schema}.name"
        )

    def make_nodes(self) -> None:
        """Make the table ``node``, with a number for every identifier in every bundle; and ``unknown``."""
        schema, scratch = self._graph.schema, self._scratch
        flags = ", ".join(f"bool_or(kind = {kind}) AS is_{name.lower()}" for kind, name in _KINDS.items())
        referred = " UNION ALL ".join(
            f"SELECT DISTINCT bundle, {column}, {meant}, NULL::BIGINT, false FROM {schema}.relation "
            f"WHERE kind = {kind.number} AND {column} IS NOT NULL"
            for kind, column, meant in references()
        )
        self._run(
            f"CREATE TABLE {scratch}.node AS SELECT "
            f"row_number() OVER (ORDER BY place NULLS LAST, bundle, id)::INTEGER AS n, * "
            f"FROM (SELECT bundle, id, {flags}, bool_or(is_bundle) AS is_bundle, min(place) AS place "
            "FROM ("
            f"SELECT bundle, id, kind, rowid AS place, false AS is_bundle FROM {schema}.element UNION ALL {referred} "
            f"UNION ALL SELECT 0, id, NULL, NULL, true FROM {schema}.bundle) GROUP BY bundle, id)"
        )
        self._run(
            f"CREATE TABLE {scratch}.unknown AS SELECT (row_number() OVER (ORDER BY place, argument) "
            f"+ (SELECT count(*) FROM {scratch}.node))::INTEGER AS n, * FROM ("
            f"SELECT rowid AS place, kind, bundle, 1 AS argument FROM {schema}.relation WHERE a1 IS NULL UNION ALL "
            f"SELECT rowid, kind, bundle, 2 FROM {schema}.relation WHERE a2 IS NULL)"
        )

    def write_nodes(self, folder: Path) -> None:
        """Write both files of nodes."""
        times = {"startTime": "r.start_time", "endTime": "r.end_time"}
        attributes = self._with_times("element", times)
        reserved = ("id", "bundle", "attributes", *times)
        columns = self._columns("node_keys", self._described(attributes), tuple(times), reserved)
        types = f"list_transform(list_filter(r.attributes, lambda a: {self._is_type()}), lambda a: {_local('a.v')})"
        own = f"list_sort(list_distinct(list_filter({types}, lambda t: t NOT IN ('Entity', 'Activity', 'Agent'))))"
        more = f"array_to_string(nullif({own}, []), {SEPARATOR})" if self._is_type() != "false" else "NULL"
        described = (
            f"SELECT concat(n.n, ',', {self._labels(more)}, {self._identity('n')}, {columns.cells()}, chr(10)) "
            f"FROM ({columns.coded()}) r CROSS JOIN {self._scratch}.node_keys s "
            f"JOIN {self._scratch}.node n ON n.bundle = r.bundle AND n.id = r.id {self._names('n')}"
        )
        commas = "," * (len(columns.columns) + 1)
        undescribed = (
            f"SELECT concat(n.n, ',', {self._labels(literal('Undescribed'))}, {self._identity('n')}, '{commas}', chr(10)) "
            f"FROM (SELECT * FROM {self._scratch}.node WHERE place IS NULL ORDER BY n) n {self._names('n')}"
        )
        with (folder / "nodes.csv").open("wb") as file:
            for sql in (described, undescribed, self._unknown_nodes(commas)):
                write_strings(self._graph.store, sql, file)
        _write_header(folder / "nodes-header.csv", _NODE_FIELDS, columns)

    def _unknown_nodes(self, commas: str) -> str:
        meant = {
            (kind.number, argument): _KINDS.get(MEANT.get(name, 0), "")
            for kind in RELATION_KINDS
            for argument, name in enumerate(kind.references[:2], 1)
        }
        cases = " ".join(
            f"WHEN kind = {kind} AND argument = {argument} THEN {literal(label)}"
            for (kind, argument), label in meant.items()
            if label
        )
        labels = f"concat_ws({SEPARATOR}, CASE {cases} END, 'Unknown')"
        bundle = "coalesce(b.text, '')"
        return (
            f"SELECT concat(n.n, ',', {labels}, ',,', {bundle}, '{commas}', chr(10)) "
            f"FROM (SELECT * FROM {self._scratch}.unknown ORDER BY n) n "
            f"LEFT JOIN {self._scratch}.name b ON b.id = n.bundle"
        )

    def _described(self, attributes: str) -> str:
        """SQL of one row for each identifier that elements describe: ``bundle``, ``id`` and ``attributes``."""
        element = f"{self._graph.schema}.element"
        rows = f"SELECT r.bundle, r.id, {attributes} AS attributes FROM {element} r"
        repeated = self._graph.store.scalar(f"SELECT count(*) - count(DISTINCT (bundle, id)) FROM {element}")
        if not repeated:
            return rows
        self._run(
            f"CREATE TABLE {self._scratch}.joined AS SELECT bundle, id, "
            f"flatten(list(attributes ORDER BY place)) AS attributes "
            f"FROM (SELECT r.bundle, r.id, r.rowid AS place, coalesce({attributes}, []) AS attributes FROM {element} r) "
            "GROUP BY bundle, id ORDER BY min(place)"
        )
        once = "list_filter(attributes, lambda a, i: list_position(attributes, a) = i)"
        return f"SELECT bundle, id, {once} AS attributes FROM {self._scratch}.joined"

    def _with_times(self, table: str, times: dict[str, str]) -> str:
        """SQL of a record's attributes and before them its times, as if they were attributes too."""
        parts = []
        for name, column in times.items():
            if self._graph.store.scalar(f"SELECT count({column}) FROM {self._graph.schema}.{table} r"):
                pair = f"[{{k: {self._times[name].number}, v: {column}}}]"
                parts.append(f"CASE WHEN {column} IS NOT NULL THEN {pair} END")
        attributes = "r.attributes"
        for part in reversed(parts):
            attributes = f"list_concat({part}, {attributes})"
        return attributes

    def _columns(self, table: str, rows: str, times: tuple[str, ...], reserved: tuple[str, ...]) -> Columns:
        keys = [*self._keys, *self._times.values()]
        times = tuple(self._times[name].name for name in times)
        return Columns(self._graph.store, f"{self._scratch}.{table}", rows, keys, times, reserved)

    def _is_type(self) -> str:
        """SQL of whether an attribute ``a`` is a type with a qualified name."""
        numbers = [str(key.number) for key in self._keys if key.name == "prov:type" and key.is_qualified]
        prefixes = self._graph.query(f"SELECT prefix FROM {{graph}}.prefix WHERE iri IN ('{PROV}', '{M2P}')")
        if not numbers:
            return "false"
        spelled = ", ".join(literal(prefix) for (prefix,) in prefixes)
        is_ours = f"CASE WHEN contains(a.v, ':') THEN split_part(a.v, ':', 1) ELSE '' END IN ({spelled})"
        return (
            f"a.k IN ({', '.join(numbers)}) AND {is_ours} AND regexp_full_match({_local('a.v')}, '{_LABEL}')"
        )

    def _labels(self, more: str) -> str:
        flags = [f"CASE WHEN n.is_{name.lower()} THEN '{name}' END" for name in _KINDS.values()]
        return f"concat_ws({SEPARATOR}, {', '.join(flags)}, CASE WHEN n.is_bundle THEN 'Bundle' END, {more})"

    def _names(self, row: str) -> str:
        """SQL of joins for the texts of a row's identifier and bundle."""
        return " ".join(
            f"LEFT JOIN {self._scratch}.name {row}_{column} ON {row}_{column}.id = {row}.{column}"
            for column in ("id", "bundle")
        )

    @staticmethod
    def _identity(row: str) -> str:
        return f"',', coalesce({row}_id.text, ''), ',', coalesce({row}_bundle.text, '')"

    def write_relationships(self, folder: Path) -> None:
        """Write both files of relationships."""
        schema = self._graph.schema
        attributes = self._with_times("relation", {"time": "r.time"})
        rows = f"SELECT r.* EXCLUDE (attributes), r.rowid AS place, {attributes} AS attributes FROM {schema}.relation r"
        reserved = ("relation", "id", "bundle", *_FURTHER, "attributes", "time")
        columns = self._columns("relation_keys", rows, ("time",), reserved)
        with (folder / "relationships.csv").open("wb") as file:
            write_strings(self._graph.store, self._relations(columns), file)
            for kind in RELATION_KINDS:
                for position, name in enumerate(kind.references, 1):
                    if position > 2 and name not in UNDRAWN:
                        sql = self._further(
                            kind, position, name, "," * (len(_FURTHER) + len(columns.columns) + 3)
                        )
                        write_strings(self._graph.store, sql, file)
        _write_header(folder / "relationships-header.csv", _RELATIONSHIP_FIELDS, columns)

    def _relations(self, columns: Columns) -> str:
        types = " ".join(f"WHEN {kind.number} THEN '{type_of(kind)}'" for kind in RELATION_KINDS)
        further = ", ',', ".join(f"coalesce({self._argument(name)}, '')" for name in _FURTHER)
        nodes, unknown, names = (f"{self._scratch}.{table}" for table in ("node", "unknown", "name"))
        joins = " ".join(
            f"LEFT JOIN {nodes} e{n} ON e{n}.bundle = r.bundle AND e{n}.id = r.a{n} "
            f"LEFT JOIN (SELECT * FROM {unknown} WHERE argument = {n}) u{n} ON u{n}.place = r.place"
            for n in (1, 2)
        )
        joins += "".join(f" LEFT JOIN {names} x{n} ON x{n}.id = r.a{n}" for n in (3, 4, 5))
        return (
            f"SELECT concat(coalesce(e1.n, u1.n), ',', coalesce(e2.n, u2.n), ',', CASE r.kind {types} END, "
            f"',', r.place + 1, {self._identity('r')}, ',', {further}, {columns.cells()}, chr(10)) "
            f"FROM ({columns.coded()}) r CROSS JOIN {self._scratch}.relation_keys s {joins} {self._names('r')}"
        )

    @staticmethod
    def _argument(name: str) -> str:
        """SQL of the text of a further argument, by the name of its property."""
        argument = "bundle" if name == "mentioned_in" else name
        cases = [
            f"WHEN {kind.number} THEN x{position}.text"
            for kind in RELATION_KINDS
            for position, own in enumerate(kind.references, 1)
            if position > 2 and own == argument
        ]
        return f"CASE r.kind {' '.join(cases)} END"

    def _further(self, kind: RecordKind, position: int, name: str, commas: str) -> str:
        nodes, unknown = f"{self._scratch}.node", f"{self._scratch}.unknown"
        return (
            f"SELECT concat(coalesce(e1.n, u1.n), ',', e2.n, ',{type_of(kind, name)},', r.place + 1, '{commas}', chr(10)) "
            f"FROM (SELECT *, rowid AS place FROM {self._graph.schema}.relation WHERE kind = {kind.number} "
            f"AND a{position} IS NOT NULL) r LEFT JOIN {nodes} e1 ON e1.bundle = r.bundle AND e1.id = r.a1 "
            f"LEFT JOIN (SELECT * FROM {unknown} WHERE argument = 1) u1 ON u1.place = r.place "
            f"JOIN {nodes} e2 ON e2.bundle = r.bundle AND e2.id = r.a{position}"
        )


def _local(token: str) -> str:
    return f"{token}[position(':' IN {token}) + 1:]"


def _write_header(file: Path, fields: tuple[str, ...], columns: Columns) -> None:
    names = (*fields, *(column.header for column in columns.columns), "attributes:string")
    file.write_text(",".join(names) + "\n", encoding="utf-8")
