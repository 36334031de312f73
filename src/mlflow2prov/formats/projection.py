"""A graph on its way to text: what the writers of all formats share.

A writer says how it spells identifiers, and what stands around the values of each attribute key; the
projection gives it, for each bundle and kind of record, the pieces of SQL of which the text of one
record is put together. Only the engine touches rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mlflow2prov.formats.text import literal
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.namespaces import QUALIFIED_NAME
from mlflow2prov.prov.records import KINDS, RecordKind

_FEW = 50_000
"""Fewer records than this are joined with the names that they use only: a join holds its right-hand side."""


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
class Portion:
    """What a bundle holds of one kind of record.

    Attributes:
        records: how many there are.
        identified: how many have an identifier.
        identifiers: how many distinct identifiers these are.
        arguments: how many records have each of the formal arguments that are identifiers.
        times: how many have each of the instants.
        attributed: how many have attributes.
    """

    records: int
    identified: int
    identifiers: int
    arguments: tuple[int, ...]
    times: tuple[int, ...]
    attributed: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The records of one kind in one bundle, as pieces of SQL.

    Attributes:
        kind: the kind of record.
        portion: how many records there are.
        source: what stands after FROM: the records as ``r``, with ``r.place``, their number in the
            document from 0 on; the row of key spellings as ``s``; and the joins that the others take.
        name: the text of the record's own identifier, NULL where it has none; None where none has.
        arguments: the texts of formal arguments by name, those only that some record has.
        times: the instants by name, likewise, as they were given.
    """

    kind: RecordKind
    portion: Portion
    source: str
    name: str | None
    arguments: dict[str, str]
    times: dict[str, str]


class Projection:
    """Pieces of SQL for the records of a graph; made by :func:`projecting`.

    Attributes:
        graph: what is written.
        scratch: a schema for tables of the writer's own; it has ``name`` (id, text) and ``spelling``
            (one row of lists by attribute key, see :meth:`spell_keys`).
        keys: the attribute keys, in order of their numbers.
        prefixes: every prefix with its IRI, the standard ones too.
        bundles: the number and the text of the identifier of each named bundle.
        blank_stem: followed by a number, it makes blank names that the graph does not have.
    """

    def __init__(self, graph: Graph, scratch: str, names: str) -> None:
        self.graph = graph
        self.scratch = scratch
        self._portions = _portions(graph)
        run = graph.store.run
        run(
            f"CREATE TABLE {scratch}.name AS SELECT id, {names} AS text FROM (SELECT n.id, n.prefix, n.local, "
            f"p.iri || n.local AS iri FROM {graph.schema}.name n LEFT JOIN {graph.schema}.prefix p "
            "ON p.prefix = n.prefix) n ORDER BY id"
        )
        rows = graph.query("SELECT key, name, datatype, language FROM {graph}.attribute_key ORDER BY key")
        self.keys = [Key(*row) for row in rows]
        self.prefixes: dict[str, str] = dict(
            graph.query("SELECT prefix, iri FROM {graph}.prefix ORDER BY rowid")
        )
        self.bundles: list[tuple[int, Any]] = run(
            f"SELECT b.id, n.text FROM {graph.schema}.bundle b JOIN {scratch}.name n ON n.id = b.id ORDER BY b.rowid"
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
        lists: dict[str, pa.Array[Any]] = {}
        for name, items in columns.items():
            spread: list[Any] = [None] * size
            for key, item in zip(self.keys, items, strict=True):
                spread[key.number - 1] = item
            lists[name] = pa.array([spread], pa.list_(pa.array(items[:1]).type if items else pa.string()))
        lists["prefixes"] = pa.array([list(self.prefixes)], pa.list_(pa.string()))
        lists["iris"] = pa.array([list(self.prefixes.values())], pa.list_(pa.string()))
        store = self.graph.store
        with store.registered(pa.table(lists)) as arriving:
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

    def rows(self, bundle: int, kind: RecordKind) -> Rows:
        """The records of one kind in a bundle, in the order of the document."""
        portion = self._portions[bundle, kind.number]
        table = "element" if kind.is_element else "relation"
        selected = f"{self.graph.schema}.{table} WHERE bundle = {bundle} AND kind = {kind.number}"
        present = {
            name: column
            for name, column, there in zip(kind.references, ARGUMENT_COLUMNS, portion.arguments, strict=False)
            if there
        }
        columns = ("start_time", "end_time") if kind.is_element else ("time",)
        times = {
            name: f"r.{column}"
            for name, column, there in zip(kind.times, columns, portion.times, strict=False)
            if there
        }
        joined = {"n": "id"} if portion.identified else {}
        joined |= {f"n_{column}": column for column in present.values()}
        names = f"{self.scratch}.name"
        if portion.records < _FEW and joined:
            wanted = " UNION ALL ".join(f"SELECT {column} FROM {selected}" for column in joined.values())
            names = f"(SELECT * FROM {names} WHERE id IN ({wanted}))"
        source = f"(SELECT *, rowid AS place FROM {selected}) r CROSS JOIN {self._spelling} s " + " ".join(
            f"LEFT JOIN {names} {alias} ON {alias}.id = r.{column}" for alias, column in joined.items()
        )
        arguments = {name: f"n_{column}.text" for name, column in present.items()}
        return Rows(kind, portion, source, "n.text" if portion.identified else None, arguments, times)


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


def _blank_stem(graph: Graph) -> str:
    stem = "n"
    taken = graph.query("SELECT local FROM {graph}.name WHERE prefix = '_'")
    while any(local.startswith(stem) and local[len(stem) :].isdecimal() for (local,) in taken):
        stem += "n"
    return stem


def _portions(graph: Graph) -> dict[tuple[int, int], Portion]:
    """What there is, by bundle and number of kind."""
    counted = "bundle, kind, count(*), count(id), count(DISTINCT id), count(attributes)"
    arguments = ", ".join(f"count({column})" for column in ARGUMENT_COLUMNS)
    elements = graph.query(
        f"SELECT {counted}, count(start_time), count(end_time) FROM {{graph}}.element GROUP BY bundle, kind"
    )
    relations = graph.query(
        f"SELECT {counted}, count(time), {arguments} FROM {{graph}}.relation GROUP BY bundle, kind"
    )
    found: dict[tuple[int, int], Portion] = {}
    for bundle, kind, records, identified, identifiers, attributed, *times in elements:
        found[bundle, kind] = Portion(records, identified, identifiers, (), tuple(times), attributed)
    for bundle, kind, records, identified, identifiers, attributed, time, *given in relations:
        found[bundle, kind] = Portion(records, identified, identifiers, tuple(given), (time,), attributed)
    return found
