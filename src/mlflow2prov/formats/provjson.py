"""PROV-JSON (https://www.w3.org/submissions/prov-json/), written in bulk.

The text of a record is an SQL projection made from the table of record kinds; the reader is in
:mod:`mlflow2prov.formats.provjson_reader`. Several records of one identifier stand as an array of
objects under it, several values of an attribute as an array (section 2.2).
"""

from __future__ import annotations

import json
from typing import BinaryIO

from mlflow2prov.formats.projection import Key, Part, Projection, Rows, projecting
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
        _find_repeated(projection)
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


def _find_repeated(projection: Projection) -> None:
    """Make the table ``repeated`` of identifiers that several records of a kind have, each with its first record."""
    run, scratch, schema = projection.graph.store.run, projection.scratch, projection.graph.schema
    run(f"CREATE TABLE {scratch}.repeated (bundle INTEGER, kind UTINYINT, id INTEGER, place BIGINT)")
    for table in ("element", "relation"):
        for condition in projection.id_ranges():
            run(
                f"INSERT INTO {scratch}.repeated SELECT bundle, kind, id, min(rowid) FROM {schema}.{table} "
                f"WHERE {condition} GROUP BY bundle, kind, id HAVING count(*) > 1"
            )


def _several_values(projection: Projection, rows: Rows) -> str:
    """SQL of the members of those records that have several values of one attribute.

    They are few, and finding them apart from writing costs less.
    """
    name, value = "s.name[a.k]", "concat(s.before[a.k], to_json(a.v)::VARCHAR, s.after[a.k])"
    values = f"list_transform(list_filter(r.attributes, lambda a: {name} = m), lambda a: {value})"
    joined = f"array_to_string({values}, ',')"
    member = f"concat(m, CASE WHEN len({values}) > 1 THEN concat('[', {joined}, ']') ELSE {joined} END)"
    names = f"list_sort(list_distinct(list_transform(r.attributes, lambda a: {name})))"
    members = f"array_to_string(list_transform({names}, lambda m: {member}), ',')"
    return (
        f"(SELECT place, {members} AS members FROM ({rows.selected}) r "
        f"CROSS JOIN {projection.scratch}.spelling s WHERE {_repeats(projection)})"
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
        for rows in projection.rows(bundle, kind):
            sql = _records_sql(projection, bundle, rows)
            write_strings(projection.graph.store, sql, file, skip=1 if rows.is_first else 0)
        file.write(b"\n}")
        separator = b",\n"
    return separator


def _records_sql(projection: Projection, bundle: int, rows: Rows) -> str:
    """SQL of a part of the records of one kind: one string for each identifier, a comma and a line break before it."""
    is_repeated = f"bundle = {bundle} AND kind = {rows.kind.number}"
    repeated = f"(SELECT id, place FROM {projection.scratch}.repeated WHERE {is_repeated})"
    has_repeated = bool(projection.graph.store.run(f"SELECT 1 FROM {repeated} LIMIT 1"))
    if has_repeated:
        rows = _with_later(projection, bundle, rows, repeated)
    key, body, source = _record(projection, rows)
    if not has_repeated:
        return f"SELECT concat(',', chr(10), {key}, ':', {body}) FROM {source}"
    several = (
        "CASE WHEN count(*) > 1 THEN concat('[', string_agg(body, ',' ORDER BY place), ']')"
        " ELSE any_value(body) END"
    )
    bodies = f"SELECT {key} AS name, r.place, {body} AS body FROM {source}"
    return (
        f"SELECT concat(',', chr(10), name, ':', {several}) FROM ({bodies}) GROUP BY name ORDER BY min(place)"
    )


def _with_later(projection: Projection, bundle: int, rows: Rows, repeated: str) -> Rows:
    """Those rows of a part that no row before it shares its identifier with, and all rows that share theirs."""
    part = rows.part
    table = f"{projection.graph.schema}.{'element' if rows.kind.is_element else 'relation'}"
    earlier = f"SELECT id FROM {repeated} WHERE place < {part.first}"
    here = f"SELECT id FROM {repeated} WHERE place BETWEEN {part.first} AND {part.last}"
    sql = (
        f"SELECT * FROM ({rows.selected}) WHERE id IS NULL OR id NOT IN ({earlier}) UNION ALL "
        f"SELECT *, rowid AS place FROM {table} WHERE bundle = {bundle} AND kind = {rows.kind.number} "
        f"AND rowid > {part.last} AND id IN ({here})"
    )
    return projection.selected(bundle, rows.kind, Part(part.first, part.last, 0, {}), sql)


def _record(projection: Projection, rows: Rows) -> tuple[str, str, str]:
    """SQL of the text of a record's key, of its members, and of where they come from."""
    members = [f"'\"prov:{name}\":' || {text}" for name, text in rows.arguments.items()]
    members += [f"'\"prov:{name}\":' || to_json({text})::VARCHAR" for name, text in rows.times.items()]
    source = rows.source
    if rows.portion.attributed:
        attribute = "concat(s.opening[a.k], to_json(a.v)::VARCHAR, s.after[a.k])"
        members.append(f"coalesce(g.members, {projection.attributes(attribute)})")
        source += f" LEFT JOIN {_several_values(projection, rows)} g ON g.place = r.place"
    body = f"concat('{{', concat_ws(',', {', '.join(members or ['NULL'])}), '}}')"
    anonymous = f"concat('\"_:{projection.blank_stem}', r.place + 1, '\"')"
    key = anonymous if rows.name is None else f"CASE WHEN r.id IS NULL THEN {anonymous} ELSE {rows.name} END"
    return key, body, source
