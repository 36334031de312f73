"""PROV-JSON (https://www.w3.org/submissions/prov-json/), written in bulk.

The text of a record is an SQL projection made from the table of record kinds; the reader is in
:mod:`mlflow2prov.formats.provjson_reader`. Several records of one identifier stand as an array of
objects under it, several values of an attribute as an array (section 2.2).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import BinaryIO

from mlflow2prov.formats.provjson_reader import read
from mlflow2prov.formats.text import literal, write_strings
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.records import KINDS, RecordKind

__all__ = ["read", "write"]


def write(graph: Graph, file: BinaryIO) -> None:
    """Write a graph as PROV-JSON to a binary file, streaming; memory does not grow with the graph."""
    portions = _portions(graph)
    records = sum(portion.records for portion in portions.values())
    with graph.store.in_order(records), graph.store.scratch("json") as scratch:
        writing = _Writing(graph, scratch, _Attributes.of(graph), portions)
        writing.prepare()
        _write_document(writing, file)


@dataclass(frozen=True, slots=True)
class _Portion:
    """What a bundle holds of one kind of record.

    Attributes:
        records: how many there are.
        identified: how many have an identifier.
        identifiers: how many distinct identifiers these are.
        arguments: how many records have each of the formal arguments that are identifiers.
    """

    records: int
    identified: int
    identifiers: int
    arguments: tuple[int, ...] = ()


def _portions(graph: Graph) -> dict[tuple[int, int], _Portion]:
    """What there is, by bundle and number of kind."""
    counted = "bundle, kind, count(*), count(id), count(DISTINCT id)"
    arguments = ", ".join(f"count({column})" for column in ARGUMENT_COLUMNS)
    elements = graph.query(f"SELECT {counted} FROM {{graph}}.element GROUP BY bundle, kind")
    relations = graph.query(f"SELECT {counted}, {arguments} FROM {{graph}}.relation GROUP BY bundle, kind")
    return {(row[0], row[1]): _Portion(row[2], row[3], row[4], row[5:]) for row in [*elements, *relations]}


@dataclass(frozen=True, slots=True)
class _Writing:
    """What is at hand while a graph is written.

    ``scratch`` has a table ``name`` of each identifier's JSON text, made once for all records that
    name it, and a table for each record table with the text of those attributes that have several
    values, by the row's number: they are few, and finding them apart from writing costs less.
    """

    graph: Graph
    scratch: str
    attributes: _Attributes
    portions: dict[tuple[int, int], _Portion]

    def prepare(self) -> None:
        """Make the tables."""
        graph, run = self.graph, self.graph.store.run
        run(
            f"CREATE TABLE {self.scratch}.name AS SELECT id, {_NAME} AS text FROM {graph.schema}.name ORDER BY id"
        )
        for table in ("element", "relation"):
            members, where = self.attributes.grouped, self.attributes.repeats
            run(
                f"CREATE TABLE {self.scratch}.{table} AS SELECT place, {members} AS members "
                f"FROM (SELECT attributes, rowid AS place FROM {graph.schema}.{table}) r WHERE {where}"
            )


_NAME = "to_json(CASE WHEN prefix = '' THEN local ELSE prefix || ':' || local END)::VARCHAR"
"""SQL of a name as a JSON string."""


def _write_document(writing: _Writing, file: BinaryIO) -> None:
    graph = writing.graph
    file.write(b"{\n")
    separator = _write_prefixes(graph, file)
    separator = _write_records(writing, 0, file, separator)
    bundles = graph.query(
        "SELECT b.id, n.prefix, n.local FROM {graph}.bundle b JOIN {graph}.name n ON n.id = b.id ORDER BY b.rowid"
    )
    if bundles:
        file.write(separator + b'"bundle": {')
        for position, (number, prefix, local) in enumerate(bundles):
            name = f"{prefix}:{local}" if prefix else local
            file.write(b",\n" if position else b"\n")
            file.write(json.dumps(name).encode() + b": {\n")
            _write_records(writing, number, file, b"")
            file.write(b"\n}")
        file.write(b"\n}")
    file.write(b"\n}\n")


def _write_prefixes(graph: Graph, file: BinaryIO) -> bytes:
    prefixes = {prefix or "default": iri for prefix, iri in graph.prefixes().items()}
    if not prefixes:
        return b""
    file.write(b'"prefix": ' + json.dumps(prefixes, indent=1, ensure_ascii=False).encode())
    return b",\n"


def _write_records(writing: _Writing, bundle: int, file: BinaryIO, separator: bytes) -> bytes:
    for kind in KINDS:
        portion = writing.portions.get((bundle, kind.number))
        if portion is None:
            continue
        file.write(separator + json.dumps(kind.name).encode() + b": {")
        write_strings(writing.graph.store, _kind_sql(writing, kind, bundle, portion), file, skip=1)
        file.write(b"\n}")
        separator = b",\n"
    return separator


@dataclass(frozen=True, slots=True)
class _Attributes:
    """What stands before and after the value of each attribute key, as SQL lists by key."""

    names: list[str]
    before: list[str]
    after: list[str]

    @classmethod
    def of(cls, graph: Graph) -> _Attributes:
        rows = graph.query("SELECT key, name, datatype, language FROM {graph}.attribute_key ORDER BY key")
        size = max((row[0] for row in rows), default=0)
        names, before, after = ([""] * size for _ in range(3))
        for key, name, datatype, language in rows:
            names[key - 1] = json.dumps(name, ensure_ascii=False) + ":"
            before[key - 1], after[key - 1] = _around(datatype, language)
        return cls(names, before, after)

    @property
    def sql(self) -> str:
        """SQL of the members for ``r.attributes``, joined by commas; NULL where there are none."""
        if not self.names:
            return "NULL"
        openings = [name + before for name, before in zip(self.names, self.before, strict=True)]
        pair = f"concat({_list(openings)}[a.k], to_json(a.v)::VARCHAR, {_list(self.after)}[a.k])"
        members = f"array_to_string(list_transform(r.attributes, lambda a: {pair}), ',')"
        return f"CASE WHEN len(r.attributes) > 0 THEN {members} END"

    @property
    def repeats(self) -> str:
        """SQL of the condition that ``r.attributes`` has several values of one attribute."""
        if not self.names:
            return "false"
        numbers = {name: number for number, name in enumerate(dict.fromkeys(self.names))}
        listed = ", ".join(str(numbers[name]) for name in self.names)
        number = f"([{listed}]::INTEGER[])[a.k]"
        if len(numbers) < 63:  # one bit for each name: three times as fast as making lists distinct
            bits = f"list_bit_or(list_transform(r.attributes, lambda a: 1::BIGINT << {number}))"
            return f"len(r.attributes) > 1 AND bit_count({bits}) < len(r.attributes)"
        distinct = f"len(list_distinct(list_transform(r.attributes, lambda a: {number})))"
        return f"len(r.attributes) > 1 AND {distinct} < len(r.attributes)"

    @property
    def grouped(self) -> str:
        """As ``sql``, with the values of each attribute in an array where there are several."""
        if not self.names:
            return "NULL::VARCHAR"
        name = f"{_list(self.names)}[a.k]"
        value = f"concat({_list(self.before)}[a.k], to_json(a.v)::VARCHAR, {_list(self.after)}[a.k])"
        values = f"list_transform(list_filter(r.attributes, lambda a: {name} = m), lambda a: {value})"
        joined = f"array_to_string({values}, ',')"
        member = f"concat(m, CASE WHEN len({values}) > 1 THEN concat('[', {joined}, ']') ELSE {joined} END)"
        names = f"list_sort(list_distinct(list_transform(r.attributes, lambda a: {name})))"
        return f"array_to_string(list_transform({names}, lambda m: {member}), ',')"


def _list(pieces: list[str]) -> str:
    """SQL of a list of strings."""
    return f"[{', '.join(map(literal, pieces))}]"


def _around(datatype: str | None, language: str | None) -> tuple[str, str]:
    if language is not None:
        return '{"$":', f',"lang":{json.dumps(language)}}}'
    if datatype is not None:
        return '{"$":', f',"type":{json.dumps(datatype)}}}'
    return "", ""


def _kind_sql(writing: _Writing, kind: RecordKind, bundle: int, portion: _Portion) -> str:
    """SQL of the records of one kind: one string for each identifier, a comma and a line break before it."""
    table = "element" if kind.is_element else "relation"
    source = f"{writing.graph.schema}.{table} WHERE bundle = {bundle} AND kind = {kind.number}"
    members, joins = _references(writing, kind, source, portion)
    columns = ("start_time", "end_time") if kind.is_element else ("time",)
    members += [
        f"'\"prov:{name}\":' || to_json(r.{column})::VARCHAR"
        for name, column in zip(kind.times, columns, strict=False)
    ]
    members.append(f"coalesce(g.members, {writing.attributes.sql})")
    joins += f" LEFT JOIN {writing.scratch}.{table} g ON g.place = r.place"
    body = f"concat('{{', concat_ws(',', {', '.join(members)}), '}}')"
    return _records_sql(writing, source, body, joins, portion)


def _records_sql(writing: _Writing, source: str, body: str, joins: str, portion: _Portion) -> str:
    rows = f"(SELECT *, rowid AS place FROM {source}) r"
    named = f"LEFT JOIN {writing.scratch}.name n ON n.id = r.id"
    anonymous = "concat('\"_:n', r.place + 1, '\"')"
    if not portion.identified:
        return f"SELECT concat(',', chr(10), {anonymous}, ':', {body}) FROM {rows} {joins}"
    key = f"CASE WHEN r.id IS NULL THEN {anonymous} ELSE n.text END"
    if portion.identified == portion.identifiers:
        return f"SELECT concat(',', chr(10), {key}, ':', {body}) FROM {rows} {named} {joins}"
    bodies = f"SELECT {key} AS name, r.place, {body} AS body FROM {rows} {named} {joins}"
    several = (
        "CASE WHEN count(*) > 1 THEN concat('[', string_agg(body, ',' ORDER BY place), ']')"
        " ELSE any_value(body) END"
    )
    return (
        f"SELECT concat(',', chr(10), name, ':', {several}) FROM ({bodies}) GROUP BY name ORDER BY min(place)"
    )


def _references(writing: _Writing, kind: RecordKind, source: str, portion: _Portion) -> tuple[list[str], str]:
    """The members for a kind's formal arguments, and the joins that their names take.

    For few records only the names that they use are joined, since a join holds its right-hand side.
    """
    present = [
        (name, column)
        for name, column, there in zip(kind.references, ARGUMENT_COLUMNS, portion.arguments, strict=False)
        if there
    ]
    names = f"{writing.scratch}.name"
    if present and portion.records < _FEW:
        wanted = " UNION ALL ".join(f"SELECT {column} FROM {source}" for _, column in present)
        names = f"(SELECT * FROM {names} WHERE id IN ({wanted}))"
    members = [f"'\"prov:{name}\":' || n_{column}.text" for name, column in present]
    joins = " ".join(f"LEFT JOIN {names} n_{column} ON n_{column}.id = r.{column}" for _, column in present)
    return members, joins


_FEW = 50_000
