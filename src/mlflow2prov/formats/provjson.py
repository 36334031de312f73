"""PROV-JSON (https://www.w3.org/submissions/prov-json/), written in bulk.

The text of a record is an SQL projection made from the table of record kinds; the reader is in
:mod:`mlflow2prov.formats.provjson_reader`. Several records of one identifier stand as an array of
objects under it, several values of an attribute as an array (section 2.2).
"""

from __future__ import annotations

import json
from typing import BinaryIO

from mlflow2prov.formats.projection import Key, Projection, Rows, projecting
from mlflow2prov.formats.provjson_reader import read
from mlflow2prov.formats.text import write_strings
from mlflow2prov.graph.graph import Graph

__all__ = ["read", "write"]

_NAME = "to_json(CASE WHEN n.prefix = '' THEN n.local ELSE n.prefix || ':' || n.local END)::VARCHAR"
"""SQL of a name as a JSON string."""


def write(graph: Graph, file: BinaryIO) -> None:
    """Write a graph as PROV-JSON to a binary file, streaming; memory does not grow with the graph."""
    with projecting(graph, _NAME) as projection:
        _spell(projection)
        for table in ("element", "relation"):
            _group_repeated(projection, table)
        _write_document(projection, file)


def _spell(projection: Projection) -> None:
    """Say what stands around the values of each attribute key."""
    names = [json.dumps(key.name, ensure_ascii=False) + ":" for key in projection.keys]
    around = [_around(key) for key in projection.keys]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    projection.spell_keys(
        name=names,
        before=[before for before, _ in around],
        opening=[name + before for name, (before, _) in zip(names, around, strict=True)],
        after=[after for _, after in around],
        number=[numbers[name] for name in names],
    )


def _around(key: Key) -> tuple[str, str]:
    if key.language is not None:
        return '{"$":', f',"lang":{json.dumps(key.language)}}}'
    if key.datatype is not None:
        return '{"$":', f',"type":{json.dumps(key.datatype)}}}'
    return "", ""


def _group_repeated(projection: Projection, table: str) -> None:
    """Make a table with the members of those records that have several values of one attribute.

    They are few, and finding them apart from writing costs less.
    """
    name, value = "s.name[a.k]", "concat(s.before[a.k], to_json(a.v)::VARCHAR, s.after[a.k])"
    values = f"list_transform(list_filter(r.attributes, lambda a: {name} = m), lambda a: {value})"
    joined = f"array_to_string({values}, ',')"
    member = f"concat(m, CASE WHEN len({values}) > 1 THEN concat('[', {joined}, ']') ELSE {joined} END)"
    names = f"list_sort(list_distinct(list_transform(r.attributes, lambda a: {name})))"
    members = f"array_to_string(list_transform({names}, lambda m: {member}), ',')"
    projection.graph.store.run(
        f"CREATE TABLE {projection.scratch}.{table} AS SELECT place, {members} AS members "
        f"FROM (SELECT attributes, rowid AS place FROM {projection.graph.schema}.{table}) r "
        f"CROSS JOIN {projection.scratch}.spelling s WHERE {_repeats(projection)}"
    )


def _repeats(projection: Projection) -> str:
    """SQL of the condition that ``r.attributes`` has several values of one attribute."""
    if len({key.name for key in projection.keys}) < 63:
        # One bit for each name: three times as fast as making lists distinct.
        bits = "list_bit_or(list_transform(r.attributes, lambda a: 1::BIGINT << s.number[a.k]::INTEGER))"
        return f"len(r.attributes) > 1 AND bit_count({bits}) < len(r.attributes)"
    distinct = "len(list_distinct(list_transform(r.attributes, lambda a: s.number[a.k])))"
    return f"len(r.attributes) > 1 AND {distinct} < len(r.attributes)"


def _write_document(projection: Projection, file: BinaryIO) -> None:
    file.write(b"{\n")
    separator = _write_prefixes(projection.graph, file)
    separator = _write_records(projection, 0, file, separator)
    if projection.bundles:
        file.write(separator + b'"bundle": {')
        for position, (number, name) in enumerate(projection.bundles):
            file.write(b",\n" if position else b"\n")
            file.write(name.encode() + b": {\n")
            _write_records(projection, number, file, b"")
            file.write(b"\n}")
        file.write(b"\n}")
    file.write(b"\n}\n")


def _write_prefixes(graph: Graph, file: BinaryIO) -> bytes:
    prefixes = {prefix or "default": iri for prefix, iri in graph.prefixes().items()}
    if not prefixes:
        return b""
    file.write(b'"prefix": ' + json.dumps(prefixes, indent=1, ensure_ascii=False).encode())
    return b",\n"


def _write_records(projection: Projection, bundle: int, file: BinaryIO, separator: bytes) -> bytes:
    for kind in projection.kinds(bundle):
        file.write(separator + json.dumps(kind.name).encode() + b": {")
        sql = _records_sql(projection, projection.rows(bundle, kind))
        write_strings(projection.graph.store, sql, file, skip=1)
        file.write(b"\n}")
        separator = b",\n"
    return separator


def _records_sql(projection: Projection, rows: Rows) -> str:
    """SQL of the records of one kind: one string for each identifier, a comma and a line break before it."""
    members = [f"'\"prov:{name}\":' || {text}" for name, text in rows.arguments.items()]
    members += [f"'\"prov:{name}\":' || to_json({text})::VARCHAR" for name, text in rows.times.items()]
    attribute = "concat(s.opening[a.k], to_json(a.v)::VARCHAR, s.after[a.k])"
    members.append(f"coalesce(g.members, {projection.attributes(attribute)})")
    body = f"concat('{{', concat_ws(',', {', '.join(members)}), '}}')"
    table = "element" if rows.kind.is_element else "relation"
    source = f"{rows.source} LEFT JOIN {projection.scratch}.{table} g ON g.place = r.place"
    anonymous = f"concat('\"_:{projection.blank_stem}', r.place + 1, '\"')"
    if rows.name is None:
        return f"SELECT concat(',', chr(10), {anonymous}, ':', {body}) FROM {source}"
    key = f"CASE WHEN r.id IS NULL THEN {anonymous} ELSE {rows.name} END"
    if rows.portion.identified == rows.portion.identifiers:
        return f"SELECT concat(',', chr(10), {key}, ':', {body}) FROM {source}"
    several = (
        "CASE WHEN count(*) > 1 THEN concat('[', string_agg(body, ',' ORDER BY place), ']')"
        " ELSE any_value(body) END"
    )
    bodies = f"SELECT {key} AS name, r.place, {body} AS body FROM {source}"
    return (
        f"SELECT concat(',', chr(10), name, ':', {several}) FROM ({bodies}) GROUP BY name ORDER BY min(place)"
    )
