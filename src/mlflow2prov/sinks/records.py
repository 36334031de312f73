"""What sinks of nodes and edges push: a graph's elements and relations as rows with keys that hold everywhere.

The key of an element is its IRI; within a bundle, the bundle's IRI, `` ⊢ `` and its IRI. The key of a relation
is that of its identifier, else a digest of all that it says. So what two documents say is one and the
same row, whatever their prefixes are, and pushing it twice changes nothing. Of blank
identifiers see :mod:`mlflow2prov.sinks.blanks`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow2prov.formats.dot_style import references
from mlflow2prov.formats.neo4j_columns import property_name
from mlflow2prov.formats.text import literal
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.namespaces import M2P, PROV, QUALIFIED_NAME, QUALIFIED_NAME_SPELLINGS, XSD
from mlflow2prov.prov.records import ELEMENT_KINDS, KIND_BY_NAME, RELATION_KINDS, RecordKind
from mlflow2prov.sinks.blanks import name_blanks
from mlflow2prov.sinks.values import Convert, converter

if TYPE_CHECKING:
    import pyarrow as pa

    from mlflow2prov.graph.graph import Graph

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMELESS = "urn:mlflow2prov:relation:"
BATCH_ROWS = 5_000
"""How many rows are made at once; what a batch holds in memory is some kilobytes a row."""

_SPELLED = (
    "CASE WHEN n.prefix <> '' THEN n.prefix || ':' || n.local "
    "WHEN contains(n.local, ':') THEN ':' || n.local ELSE n.local END"
)
_LONGEST = 2_000
"""No key and no identifier is longer, since databases have no room for longer ones in an index."""

_WITHIN = "CASE WHEN b.iri IS NOT NULL THEN concat(b.iri, ' ⊢ ') END"
_MOMENT = converter(XSD + "dateTime")
_RESERVED = frozenset({"key", "id", "label", "bundle", "startTime", "endTime", "time"})


@dataclass(frozen=True, slots=True)
class Key:
    """What a key of attributes stands for.

    Attributes:
        property: the name of the property.
        convert: makes the value of a text.
        is_type: whether it is ``prov:type``.
        is_qualified: whether values are qualified names.
        said: a digest of its name, datatype and language, whatever their prefixes are.
    """

    property: str
    convert: Convert
    is_type: bool
    is_qualified: bool
    said: str


@dataclass(slots=True)
class Row:
    """An element or a relation.

    Attributes:
        key: see the module.
        kinds: of an element, what it is in PROV, such as ``("entity",)``; of a relation, its one kind.
        id: the qualified name in the document, None where it has none.
        bundle: the IRI of the bundle that it stands in, None for the document itself.
        is_described: whether a record describes it, and it is not only referred to.
        arguments: the keys of a relation's formal arguments, in order, None where one is missing.
        types: the qualified names of its types.
        properties: times and attributes by their names, a list where there are several values.
    """

    key: str
    kinds: tuple[str, ...]
    id: str | None
    bundle: str | None
    is_described: bool
    arguments: tuple[str | None, ...]
    types: tuple[str, ...]
    properties: dict[str, Any]


class Records:
    """The rows of a graph; held are tables of its identifiers in ``scratch``, a schema, which may spill."""

    def __init__(self, graph: Graph, scratch: str) -> None:
        self._graph, self._scratch, self._run = graph, scratch, graph.store.run
        self._prefixes = dict(graph.query("SELECT prefix, iri FROM {graph}.prefix"))
        self._keys = self._read_keys()
        self._name()
        self._describe()

    def counts(self) -> tuple[int, int]:
        """Return how many elements and relations there are."""
        elements = self._graph.store.scalar(f"SELECT count(*) FROM {self._scratch}.element")
        return int(elements), self._graph.count("relation")

    def types(self) -> dict[str, str]:
        """Return the local name of each type that PROV or mlflow2prov defines, by its qualified name."""
        ours = {prefix: iri for prefix, iri in self._prefixes.items() if iri in (PROV, M2P)}
        numbers = [str(number) for number, key in self._keys.items() if key.is_type and key.is_qualified]
        if not numbers:
            return {}
        schema = self._graph.schema
        rows = self._run(
            f"SELECT DISTINCT a.v FROM (SELECT unnest(attributes) AS a FROM {schema}.element) "
            f"WHERE a.k IN ({', '.join(numbers)}) ORDER BY a.v"
        )
        split = [(token, *token.partition(":")[::2]) for (token,) in rows]
        return {token: local for token, prefix, local in split if prefix in ours and _LABEL.fullmatch(local)}

    def elements(self) -> Iterator[list[Row]]:
        """Yield the elements: those described in the order of the document, then those only referred to."""
        sql = (
            f"SELECT concat({_WITHIN}, n.iri) AS key, n.spelled AS id, b.iri AS bundle, {_kinds('e')} AS kinds, "
            "e.place IS NOT NULL AS is_described, d.start_time, d.end_time, "
            "list_transform(d.attributes, lambda a: a.k) AS ks, list_transform(d.attributes, lambda a: a.v) AS vs "
            f"FROM {self._scratch}.element e {self._names('e')} LEFT JOIN ({self._described()}) d "
            "ON d.bundle = e.bundle AND d.id = e.id ORDER BY e.place NULLS LAST, e.bundle, e.id"
        )
        for batch in self._graph.store.batches(sql, BATCH_ROWS):
            details = self._details(batch, {"startTime": "start_time", "endTime": "end_time"})
            columns = (
                batch.column(name).to_pylist() for name in ("key", "kinds", "id", "bundle", "is_described")
            )
            yield [
                Row(key, tuple(kinds), id_, bundle, is_described, (), types, properties)
                for key, kinds, id_, bundle, is_described, (types, properties) in zip(
                    *columns, details, strict=True
                )
            ]

    def relations(self) -> Iterator[list[Row]]:
        """Yield the relations, kind after kind."""
        for kind in RELATION_KINDS:
            names = [f"k{position}" for position in range(1, len(kind.references) + 1)]
            for batch in self._graph.store.batches(self._relations(kind), BATCH_ROWS):
                details = self._details(batch, {"time": "time"})
                columns = (batch.column(name).to_pylist() for name in ("key", "id", "bundle"))
                arguments = zip(*(batch.column(name).to_pylist() for name in names), strict=True)
                yield [
                    Row(key, (kind.name,), id_, bundle, True, said, types, properties)
                    for key, id_, bundle, said, (types, properties) in zip(
                        *columns, arguments, details, strict=True
                    )
                ]

    def _read_keys(self) -> dict[int, Key]:
        taken = set(_RESERVED)
        names: dict[str, str] = {}
        found: dict[int, Key] = {}
        rows = self._graph.query(
            "SELECT key, name, datatype, language FROM {graph}.attribute_key ORDER BY name, key"
        )
        for number, name, datatype, language in rows:
            if name not in names:
                names[name] = property_name(name, taken)
            meant = datatype and self._iri(
                QUALIFIED_NAME if datatype in QUALIFIED_NAME_SPELLINGS else datatype
            )
            found[number] = Key(
                names[name],
                converter(meant),
                self._iri(name) == PROV + "type",
                datatype in QUALIFIED_NAME_SPELLINGS,
                hashlib.md5(
                    repr((self._iri(name), meant, language)).encode(), usedforsecurity=False
                ).hexdigest(),
            )
        return found

    def _iri(self, token: str) -> str:
        prefix, colon, local = token.partition(":")
        namespace = self._prefixes.get(prefix if colon else "")
        return token if namespace is None else namespace + (local if colon else token)

    def _name(self) -> None:
        """Make the table ``name``: the qualified name and the IRI of each identifier."""
        schema = self._graph.schema
        name_blanks(self._graph, self._scratch)
        blank = f"CASE WHEN k.is_said THEN '{_NAMELESS}' ELSE '_:' END || k.local"
        iri = f"CASE WHEN n.prefix = '_' THEN {blank} ELSE concat(p.iri, n.local) END"
        self._run(
            f"CREATE TABLE {self._scratch}.name AS SELECT n.id, {_short(_SPELLED)} AS spelled, {_short(iri)} AS iri "
            f"FROM {schema}.name n LEFT JOIN {schema}.prefix p ON p.prefix = n.prefix "
            f"LEFT JOIN {self._scratch}.blank k ON k.id = n.id"
        )

    def _describe(self) -> None:
        """Make the table ``element``: one row for each identifier in each bundle, described or only referred to."""
        schema = self._graph.schema
        flags = ", ".join(
            f"coalesce(bool_or(kind = {kind.number}), false) AS is_{kind.name}" for kind in ELEMENT_KINDS
        )
        referred = " ".join(
            f"UNION ALL SELECT DISTINCT bundle, {column}, {meant}, NULL FROM {schema}.relation "
            f"WHERE kind = {kind.number} AND {column} IS NOT NULL"
            for kind, column, meant in references()
        )
        self._run(
            f"CREATE TABLE {self._scratch}.element AS SELECT bundle, id, {flags}, min(place) AS place, "
            f"count(place) AS times FROM (SELECT bundle, id, kind, rowid AS place FROM {schema}.element {referred} "
            f"UNION ALL SELECT 0, id, {KIND_BY_NAME['entity'].number}, NULL FROM {schema}.bundle) GROUP BY bundle, id"
        )

    def _described(self) -> str:
        """SQL of one row for each identifier that elements describe, with all that they say."""
        element = f"{self._graph.schema}.element"
        if not self._graph.store.scalar(f"SELECT count(*) FROM {self._scratch}.element WHERE times > 1"):
            return f"SELECT bundle, id, start_time, end_time, attributes FROM {element}"
        return (
            "SELECT bundle, id, min(start_time) AS start_time, max(end_time) AS end_time, "
            f"list_distinct(flatten(list(coalesce(attributes, []) ORDER BY place))) AS attributes "
            f"FROM (SELECT *, rowid AS place FROM {element}) GROUP BY bundle, id"
        )

    def _relations(self, kind: RecordKind) -> str:
        """SQL of the relations of one kind; those that say the same have numbers at the end of their keys."""
        columns = ARGUMENT_COLUMNS[: len(kind.references)]
        joins = " ".join(f"LEFT JOIN {self._scratch}.name n{c} ON n{c}.id = r.{c}" for c in columns)
        keys = ", ".join(
            f"CASE WHEN n{c}.iri IS NOT NULL THEN concat({_WITHIN}, n{c}.iri) END AS k{c[1:]}"
            for c in columns
        )
        said = ", ".join(
            f"coalesce({text}, '')"
            for text in (
                *("b.iri", *(f"n{c}.iri" for c in columns)),
                *(["NULL"] * (len(ARGUMENT_COLUMNS) - len(columns))),
                "r.time",
            )
        )
        digest = f"md5(concat_ws('|', {kind.number}, {said}, {self._attributes_said()}))"
        return (
            "SELECT concat(key, CASE WHEN number > 1 THEN '-' || number END) AS key, * EXCLUDE (key, number) FROM ("
            "SELECT *, CASE WHEN id IS NULL THEN row_number() OVER (PARTITION BY key ORDER BY place) ELSE 1 END AS number "
            f"FROM (SELECT CASE WHEN n.iri IS NOT NULL THEN concat({_WITHIN}, n.iri) "
            f"ELSE concat('{_NAMELESS}', {digest}) END AS key, r.place, n.spelled AS id, b.iri AS bundle, {keys}, r.time, "
            "list_transform(r.attributes, lambda a: a.k) AS ks, list_transform(r.attributes, lambda a: a.v) AS vs "
            f"FROM (SELECT *, rowid AS place FROM {self._graph.schema}.relation WHERE kind = {kind.number}) r "
            f"{self._names('r')} {joins})) ORDER BY place"
        )

    def _attributes_said(self) -> str:
        """SQL of a text that says the attributes of ``r``, whatever their order and prefixes are."""
        if not self._keys:
            return "''"
        last = max(self._keys)
        said = _listed(
            [self._keys[number].said if number in self._keys else "" for number in range(1, last + 1)]
        )
        qualified = ", ".join(str(number) for number, key in self._keys.items() if key.is_qualified)
        value = (
            f"CASE WHEN a.k IN ({qualified}) THEN {self._expanded('a.v')} ELSE a.v END"
            if qualified
            else "a.v"
        )
        texts = f"list_transform(r.attributes, lambda a: concat({said}[a.k], to_json({value})))"
        return f"coalesce(array_to_string(list_sort({texts}), '|'), '')"

    def _expanded(self, token: str) -> str:
        """SQL of the IRI of a qualified name; one whose prefix is not declared is itself."""
        colon = f"position(':' IN {token})"
        place = f"list_position({_listed(list(self._prefixes))}, left({token}, greatest({colon} - 1, 0)))"
        return (
            f"coalesce({_listed(list(self._prefixes.values()))}[{place}] || {token}[{colon} + 1:], {token})"
        )

    def _names(self, row: str) -> str:
        """SQL of joins for the names of a row's identifier and bundle."""
        name = f"{self._scratch}.name"
        return f"LEFT JOIN {name} n ON n.id = {row}.id LEFT JOIN {name} b ON b.id = {row}.bundle AND {row}.bundle > 0"

    def _details(
        self, batch: pa.RecordBatch, times: dict[str, str]
    ) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        """The types and the properties of each row: about a microsecond for each attribute."""
        keys = self._keys
        instants = zip(*(batch.column(column).to_pylist() for column in times.values()), strict=True)
        lists = (batch.column("ks").to_pylist(), batch.column("vs").to_pylist())
        for moments, numbers, texts in zip(instants, *lists, strict=True):
            properties: dict[str, Any] = {
                name: _MOMENT(text) for name, text in zip(times, moments, strict=True) if text is not None
            }
            several: dict[str, list[Any]] = {}
            types: list[str] = []
            for number, text in zip(numbers or (), texts or (), strict=True):
                key = keys[number]
                if key.is_type:
                    types.append(text)
                if key.property in properties:
                    several.setdefault(key.property, [properties[key.property]]).append(key.convert(text))
                else:
                    properties[key.property] = key.convert(text)
            properties.update(several)
            yield tuple(types), properties


def _short(text: str) -> str:
    """SQL of a text; of one that is too long, the start and a digest of the whole."""
    cut = f"concat(left({text}, {_LONGEST // 8}), '…', md5({text}))"
    return f"CASE WHEN strlen({text}) > {_LONGEST // 2} THEN {cut} ELSE {text} END"


def _kinds(row: str) -> str:
    """SQL of the list of what an element is."""
    named = ", ".join(f"CASE WHEN {row}.is_{kind.name} THEN '{kind.name}' END" for kind in ELEMENT_KINDS)
    return f"list_filter([{named}], lambda k: k IS NOT NULL)"


def _listed(texts: list[str]) -> str:
    """SQL of a list of texts."""
    return f"([{', '.join(map(literal, texts))}]::VARCHAR[])"


@contextmanager
def reading(graph: Graph) -> Iterator[Records]:
    """The rows of a graph, for the ``with`` block."""
    with graph.store.scratch("pushing") as scratch:
        yield Records(graph, scratch)
