"""A graph on its way to text: what the writers of all formats share.

A writer says how it spells identifiers, and what stands around the values of each attribute key; the
projection gives it, for each bundle and kind of record, the pieces of SQL of which the text of one
record is put together. Only the engine touches rows.

Records come in parts of at most ``_CHUNK``, and each part is joined with the names that it uses alone:
a join holds its right-hand side in memory, which must not grow with the graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mlflow2prov.formats.text import literal
from mlflow2prov.graph.arrays import inferred, lists, texts
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.namespaces import QUALIFIED_NAME
from mlflow2prov.prov.records import KINDS, RecordKind

_CHUNK = 122_880
"""So many records at most are joined with names at a time: a row group of DuckDB's."""

_IDS = 2**21
"""So many identifiers at most are looked through for repeated ones at a time."""


@dataclass(frozen=True, slots=True)
class Key:
    """One attribute key: the name of an attribute (``prefix:local``), with datatype and language.

    A datatype of ``xsd:QName`` says that values are qualified names; none at all, that they are plain
    strings, in ``language`` where it is given.
    """

    number: int
    name: str
    datatype: str | None
    language: str | None

    @property
    def is_qualified(self) -> bool:
        """Whether its values are qualified names."""
        return self.datatype == QUALIFIED_NAME


@dataclass(frozen=True, slots=True)
class Part:
    """Records of one kind in one bundle that stand near each other.

    Attributes:
        first: the row of its table that it begins with.
        last: the row that it ends with; rows of other kinds or bundles may stand between.
        records: how many there are.
        ranges: the least and the greatest name in each column that has any.
    """

    first: int
    last: int
    records: int
    ranges: dict[str, tuple[int, int]]


@dataclass(slots=True)
class Portion:
    """What a bundle holds of one kind of record.

    Attributes:
        records: how many there are.
        counts: how many have a value, by column of the record table.
        parts: all of them, in the order of the document.
    """

    records: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)

    @property
    def identified(self) -> int:
        """How many have an identifier."""
        return self.counts["id"]

    @property
    def attributed(self) -> int:
        """How many have attributes."""
        return self.counts["attributes"]

    def add(self, part: Part, counts: dict[str, int]) -> None:
        """Take in what stands next, as a part of its own if it does not fit into the last one."""
        self.records += part.records
        self.counts = {column: self.counts.get(column, 0) + count for column, count in counts.items()}
        if self.parts and self.parts[-1].records + part.records <= _CHUNK:
            part = _joined(self.parts.pop(), part)
        self.parts.append(part)


@dataclass(frozen=True, slots=True)
class Rows:
    """A part of the records of one kind in one bundle, as pieces of SQL.

    Attributes:
        kind: the kind of record.
        portion: how many records there are of this kind in the bundle.
        part: which of them these are.
        source: what stands after FROM: the records as ``r``, with ``r.place``, their number in the
            document from 0 on; the row of key spellings as ``s``; and the joins that the others take.
        selected: the query of the records alone.
        name: the text of the record's own identifier, NULL where it has none; None where none has.
        arguments: the texts of formal arguments by name, those only that some record has.
        times: the instants by name, likewise, as they were given.
    """

    kind: RecordKind
    portion: Portion
    part: Part
    source: str
    selected: str
    name: str | None
    arguments: dict[str, str]
    times: dict[str, str]

    @property
    def is_first(self) -> bool:
        """Whether no part stands before this one."""
        return self.part is self.portion.parts[0]

    def place_of(self, table: str) -> str:
        """SQL of those rows of a table of places that are about this part."""
        return f"(SELECT * FROM {table} WHERE place BETWEEN {self.part.first} AND {self.part.last})"


class Projection:
    """Pieces of SQL for the records of a graph; made by :func:`projecting`.

    Attributes:
        graph: what is written.
        scratch: a schema for tables of the writer's own; it has ``minted`` (id, text), the texts of
            identifiers that a writer spells by itself, and ``spelling`` (one row of lists by attribute
            key, see :meth:`spell_keys`).
        keys: the attribute keys, in order of their numbers.
        prefixes: every prefix with its IRI, the standard ones too.
        bundles: the number and the text of the identifier of each named bundle.
        blank_stem: followed by a number, it makes blank names that the graph does not have.
    """

    def __init__(self, graph: Graph, scratch: str, names: str) -> None:
        self.graph = graph
        self.scratch = scratch
        self._portions = _portions(graph)
        self._names = names
        self._has_minted = False
        run = graph.store.run
        run(
            f"CREATE TABLE {scratch}.minted AS SELECT id, {names} AS text FROM {self._parts_of_names('false')} n"
        )
        rows = graph.query("SELECT key, name, datatype, language FROM {graph}.attribute_key ORDER BY key")
        self.keys = [Key(*row) for row in rows]
        self.prefixes: dict[str, str] = dict(
            graph.query("SELECT prefix, iri FROM {graph}.prefix ORDER BY rowid")
        )
        self.bundles: list[tuple[int, Any]] = run(
            f"SELECT b.id, n.text FROM {graph.schema}.bundle b "
            f"JOIN {self.names(f'id IN (SELECT id FROM {graph.schema}.bundle)')} n ON n.id = b.id ORDER BY b.rowid"
        )
        self.blank_stem = _blank_stem(graph)
        self._spelling = "(SELECT 0)"

    @property
    def records(self) -> int:
        """How many records there are."""
        return sum(portion.records for portion in self._portions.values())

    def spell_keys(self, **columns: Sequence[Any]) -> None:
        """Give lists with one item for each of ``keys``; SQL then has them as ``s.COLUMN[a.k]``.

        Text, numbers or booleans; ``qualified`` is there by itself, and so are ``s.prefixes`` and
        ``s.iris``, which are not by key but list the prefixes of the graph. They
        stand in a table and not in the SQL: a document may have a hundred thousand distinct attributes.
        """
        import pyarrow as pa

        columns["qualified"] = [key.is_qualified for key in self.keys]
        size = max((key.number for key in self.keys), default=0)
        rows: dict[str, pa.Array[Any]] = {}
        for name, items in columns.items():
            spread: list[Any] = [None] * size
            for key, item in zip(self.keys, items, strict=True):
                spread[key.number - 1] = item
            rows[name] = lists(inferred(spread), [size])
        rows["prefixes"] = lists(texts(self.prefixes), [len(self.prefixes)])
        rows["iris"] = lists(texts(self.prefixes.values()), [len(self.prefixes)])
        store = self.graph.store
        with store.registered(pa.table(rows)) as arriving:
            store.run(f"CREATE OR REPLACE TABLE {self.scratch}.spelling AS SELECT * FROM {arriving}")
        self._spelling = f"{self.scratch}.spelling"

    def attributes(self, text: str, qualified: str | None = None, separator: str = ",") -> str:
        """SQL of a record's attributes, joined by ``separator``; NULL where it has none.

        Args:
            text: SQL of one attribute ``a`` (``a.k`` is its key, ``a.v`` the value's lexical form),
                such as ``concat(s.before[a.k], to_json(a.v)::VARCHAR, s.after[a.k])``.
            qualified: the same for attributes whose values are qualified names.
            separator: stands between two attributes.
        """
        if not self.keys:
            return "NULL"
        named = [str(key.number) for key in self.keys if key.is_qualified]
        if qualified is not None and len(named) == len(self.keys):
            text = qualified
        elif qualified is not None and named:
            text = f"CASE WHEN s.qualified[a.k] THEN {qualified} ELSE {text} END"
        listed = f"list_transform(r.attributes, lambda a: {text})"
        return f"CASE WHEN len(r.attributes) > 0 THEN array_to_string({listed}, {literal(separator)}) END"

    def kinds(self, bundle: int) -> Iterator[RecordKind]:
        """The kinds of record that a bundle has, in the order of documents; 0 is the document itself."""
        return (kind for kind in KINDS if (bundle, kind.number) in self._portions)

    def mint(self, query: str) -> None:
        """Give identifiers other texts than the usual; ``query`` is SQL of rows of ``id`` and text, once each."""
        self.graph.store.run(f"INSERT INTO {self.scratch}.minted {query}")
        self._has_minted = True

    def names(self, condition: str = "true") -> str:
        """SQL of a table (id, text) of the names that a condition on ``id`` selects."""
        if not self._has_minted:
            return f"(SELECT id, {self._names} AS text FROM {self._parts_of_names(condition)} n)"
        return (
            f"(SELECT n.id, coalesce(m.text, {self._names}) AS text FROM {self._parts_of_names(condition)} n "
            f"LEFT JOIN (SELECT id, text FROM {self.scratch}.minted WHERE {condition}) m ON m.id = n.id)"
        )

    def _parts_of_names(self, condition: str) -> str:
        schema = self.graph.schema
        return (
            "(SELECT n.id, n.prefix, n.local, p.iri || n.local AS iri "
            f"FROM (SELECT * FROM {schema}.name WHERE {condition}) n LEFT JOIN {schema}.prefix p ON p.prefix = n.prefix)"
        )

    def rows(self, bundle: int, kind: RecordKind) -> Iterator[Rows]:
        """The records of one kind in a bundle, in the order of the document, in parts."""
        for part in self._portions[bundle, kind.number].parts:
            self.graph.store.forget_files()
            table = f"{self.graph.schema}.{'element' if kind.is_element else 'relation'}"
            yield self.selected(
                bundle,
                kind,
                part,
                f"SELECT *, rowid AS place FROM {table} WHERE bundle = {bundle} AND kind = {kind.number} "
                f"AND rowid BETWEEN {part.first} AND {part.last}",
            )

    def selected(self, bundle: int, kind: RecordKind, part: Part, selected: str) -> Rows:
        """The records that a query selects, which are all of one kind in one bundle.

        Names are looked for in the ranges of ``part``; where it has none, anywhere.
        """
        portion = self._portions[bundle, kind.number]
        present = {
            name: column
            for name, column in zip(kind.references, ARGUMENT_COLUMNS, strict=False)
            if portion.counts[column]
        }
        columns = ("start_time", "end_time") if kind.is_element else ("time",)
        times = {
            name: f"r.{column}"
            for name, column in zip(kind.times, columns, strict=False)
            if portion.counts[column]
        }
        joined = {"n": "id"} if portion.identified else {}
        joined |= {f"n_{column}": column for column in present.values()}
        source = f"({in_order(selected)}) r CROSS JOIN {self._spelling} s " + " ".join(
            f"LEFT JOIN {self.names(_used(selected, part, column))} {alias} ON {alias}.id = r.{column}"
            for alias, column in joined.items()
        )
        arguments = {name: f"n_{column}.text" for name, column in present.items()}
        own = "n.text" if portion.identified else None
        return Rows(kind, portion, part, source, selected, own, arguments, times)

    def id_ranges(self) -> Iterator[str]:
        """Conditions on ``id``, so that each identifier meets one of them, and few enough any of them.

        What has to find out which identifiers are repeated goes through them: a table of all would grow
        with the graph.
        """
        greatest = self.graph.store.scalar(f"SELECT max(id) FROM {self.graph.schema}.name") or 0
        return (f"id BETWEEN {least} AND {least + _IDS - 1}" for least in range(0, greatest + 1, _IDS))


@contextmanager
def projecting(graph: Graph, names: str) -> Iterator[Projection]:
    """A graph's projection, for the ``with`` block; rows come in the order of the document there.

    Args:
        graph: what to write.
        names: SQL of the text of an identifier, from ``n.prefix`` (empty for the default namespace),
            ``n.local`` and ``n.iri`` (NULL for blank names, whose prefix is ``_``).
    """
    records = graph.count("element") + graph.count("relation")
    with graph.store.in_order(records), graph.store.scratch("writing") as scratch:
        yield Projection(graph, scratch, names)


def in_order(selected: str) -> str:
    """SQL of rows that keep their order on the way through joins and filters.

    DuckDB's operators put pieces of fewer than 64 rows aside and bring them at the end, unless something
    depends on the order; a window without ORDER BY does, and takes no time.
    """
    numbered = f"SELECT *, row_number() OVER () AS number FROM ({selected})"
    return f"SELECT * EXCLUDE (number) FROM ({numbered}) WHERE number > 0"


def _blank_stem(graph: Graph) -> str:
    stem = "n"
    blank = "SELECT 1 FROM {graph}.name WHERE prefix = '_' AND regexp_full_match(local, '"
    while graph.query(f"{blank}{stem}\\p{{Nd}}+') LIMIT 1"):
        stem += "n"
    return stem


def _used(selected: str, part: Part, column: str) -> str:
    """A condition on the names that a column of some records uses: at most about as many as there are records."""
    is_any = f"id IN (SELECT {column} FROM ({selected}))"
    if not part.records:
        return is_any
    least, greatest = part.ranges.get(column, (1, 0))
    within = f"id BETWEEN {least} AND {greatest}"
    return within if greatest - least < 2 * part.records else f"{within} AND {is_any}"


def _joined(one: Part, other: Part) -> Part:
    """Two parts as one."""
    ranges = dict(one.ranges)
    for column, (least, greatest) in other.ranges.items():
        lowest, highest = ranges.get(column, (least, greatest))
        ranges[column] = min(lowest, least), max(highest, greatest)
    return Part(one.first, other.last, one.records + other.records, ranges)


def _portions(graph: Graph) -> dict[tuple[int, int], Portion]:
    """What there is, by bundle and number of kind."""
    found: dict[tuple[int, int], Portion] = {}
    relation = ("id", *ARGUMENT_COLUMNS)
    for table, names, others in (
        ("element", ("id",), ("start_time", "end_time", "attributes")),
        ("relation", relation, ("time", "attributes")),
    ):
        for (bundle, kind), part, counts in _groups(graph, table, names, others):
            found.setdefault((bundle, kind), Portion()).add(part, counts)
    return found


def _groups(
    graph: Graph, table: str, names: Sequence[str], others: Sequence[str]
) -> Iterable[tuple[tuple[int, int], Part, dict[str, int]]]:
    """What each stretch of a record table has of each bundle and kind, in the order of the document."""
    columns = (*names, *others)
    counts = ", ".join(f"count({column})" for column in columns)
    ends = ", ".join(f"min({name}), max({name})" for name in names)
    for bundle, kind, _, first, last, records, *values in graph.query(
        f"SELECT bundle, kind, rowid // {_CHUNK} AS stretch, min(rowid), max(rowid), count(*), {counts}, {ends} "
        f"FROM {{graph}}.{table} GROUP BY bundle, kind, stretch ORDER BY bundle, kind, stretch"
    ):
        given = dict(zip(columns, values, strict=False))
        pairs = zip(names, values[len(columns) :: 2], values[len(columns) + 1 :: 2], strict=True)
        ranges = {name: (least, greatest) for name, least, greatest in pairs if least is not None}
        yield (bundle, kind), Part(first, last, records, ranges), given
