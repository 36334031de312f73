"""A folder of Parquet record tables, for DuckDB, Polars, Spark and whatever else reads Parquet.

``NAME.parquet/`` always holds the same files, so that a query never misses a table:

========================  ==================================================================
``document.json``         says what the folder is: the name of the format and its version
``prefix.parquet``        ``prefix`` (empty for the default namespace) and ``iri``
``bundle.parquet``        ``id`` of each named bundle, empty ones too
``KIND.parquet``          the records of one kind, such as ``entity`` or ``wasGeneratedBy``
========================  ==================================================================

The columns of a kind's table, in this order (all are texts but the last):

- ``in_bundle``: the identifier of the bundle; NULL says the document itself;
- ``id``: the record's own identifier, NULL where it has none;
- the formal arguments and times by their names in PROV-DM, such as ``entity``, ``activity``, ``time``;
  times are as they were given, ``xsd:dateTime`` with or without a time zone;
- ``attributes``: a list of ``{name, value, datatype, language}``, NULL where there is none. A missing
  datatype says a string; that of ``xsd:QName``, that the value is a qualified name.

Identifiers, names and datatypes are qualified names ``prefix:local``; in the default namespace ``local``
(``:local`` where the local part has a colon), and ``_:local`` is blank. The rows of a table stand in the
order of the document. Nothing is lost but the order of records of different kinds among each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow2prov.formats.parquet_reader import read_folder
from mlflow2prov.formats.parquet_tables import DOCUMENT, about, columns_of_kind, file_of, is_own, schema_of
from mlflow2prov.formats.projection import Key
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.records import KINDS, RecordKind

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph

__all__ = ["is_own", "read_folder", "write_folder"]

_NAME = "CASE WHEN prefix <> '' THEN prefix || ':' || local WHEN contains(local, ':') THEN ':' || local ELSE local END"
"""SQL of a name as text."""

_CHUNK = 245_760
"""Rows of a record table that are written at a time: memory holds the names that these rows use."""

_ROW_GROUP = 122_880
"""Rows of a file that stand together (a row group of DuckDB's)."""

_NAMES = ("bundle", "id", *ARGUMENT_COLUMNS)
"""The columns of record tables that are names."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Records of one kind that stand near each other.

    Attributes:
        number: of the chunk among those of the table.
        rows: how many records there are.
        ranges: the least and the greatest name in each column that has any.
    """

    number: int
    rows: int
    ranges: dict[str, tuple[int, int]]


def write_folder(graph: Graph, folder: Path) -> None:
    """Write a graph as record tables into an empty folder; memory does not grow with the graph."""
    with graph.store.in_order(), graph.store.scratch("writing") as scratch:
        _spell(graph, scratch)
        chunks = _chunks(graph)
        for kind in KINDS:
            queries = (_records(graph, scratch, kind, chunk) for chunk in chunks.get(kind.number, ()))
            _write(graph, folder, kind.name, queries)
        _write(graph, folder, "prefix", [f"SELECT prefix, iri FROM {graph.schema}.prefix ORDER BY rowid"])
        named = f"{graph.schema}.bundle b LEFT JOIN {graph.schema}.name n ON n.id = b.id"
        _write(graph, folder, "bundle", [f"SELECT {_NAME} AS id FROM {named} ORDER BY b.rowid"])
    (folder / DOCUMENT).write_text(json.dumps(about(), indent=1) + "\n", encoding="utf-8")


def _write(graph: Graph, folder: Path, table: str, queries: Iterable[str]) -> None:
    """Write the answers of queries, one after the other, as one file."""
    import pyarrow.parquet as pq

    schema = schema_of(table)
    with pq.ParquetWriter(file_of(folder, table), schema, compression="zstd") as writer:
        for sql in queries:
            graph.store.forget_files()
            for batch in graph.store.batches(sql, _ROW_GROUP):
                writer.write_batch(batch.cast(schema))


def _spell(graph: Graph, scratch: str) -> None:
    """Make a table of one row: a list of what each attribute key stands for."""
    keys = [
        Key(*row) for row in graph.query("SELECT key, name, datatype, language FROM {graph}.attribute_key")
    ]
    size = max((key.number for key in keys), default=0)
    graph.store.run(
        f"CREATE TABLE {scratch}.spelling AS SELECT list(k.name ORDER BY number) AS name, "
        "list(k.datatype ORDER BY number) AS datatype, list(k.language ORDER BY number) AS language "
        f"FROM range(1, {size + 1}) t(number) LEFT JOIN {graph.schema}.attribute_key k ON k.key = number"
    )


def _chunks(graph: Graph) -> dict[int, list[_Chunk]]:
    """The chunks of each kind of record, by its number, in the order of the document."""
    found: dict[int, list[_Chunk]] = {}
    for table, names in (("element", _NAMES[:2]), ("relation", _NAMES)):
        ranges = ", ".join(f"min(nullif({name}, 0)), max({name})" for name in names)
        for kind, number, rows, *ends in graph.query(
            f"SELECT kind, rowid // {_CHUNK} AS chunk, count(*), {ranges} FROM {{graph}}.{table} "
            "GROUP BY kind, chunk ORDER BY kind, chunk"
        ):
            pairs: Iterator[tuple[str, Any, Any]] = zip(names, ends[::2], ends[1::2], strict=True)
            used = {name: (least, greatest) for name, least, greatest in pairs if least is not None}
            found.setdefault(kind, []).append(_Chunk(number, rows, used))
    return found


def _records(graph: Graph, scratch: str, kind: RecordKind, chunk: _Chunk) -> str:
    """SQL of the rows of one kind's table that are in a chunk."""
    columns = dict.fromkeys(columns_of_kind(kind))
    stored = _NAMES[: 2 + len(kind.references)]
    texts = [f"n_{column}.text" if column in chunk.ranges else "NULL::VARCHAR" for column in stored]
    times = ["r.start_time", "r.end_time"] if kind.is_element else ["r.time"]
    texts += times[: len(kind.times)]
    attribute = "{name: s.name[a.k], value: a.v, datatype: s.datatype[a.k], language: s.language[a.k]}"
    texts.append(f"list_transform(r.attributes, lambda a: {attribute})")
    first = chunk.number * _CHUNK
    rows = (
        f"SELECT * FROM {graph.schema}.{'element' if kind.is_element else 'relation'} "
        f"WHERE kind = {kind.number} AND rowid BETWEEN {first} AND {first + _CHUNK - 1}"
    )
    joins = " ".join(
        f"LEFT JOIN ({_names(graph, rows, chunk, column)}) n_{column} ON n_{column}.id = r.{column}"
        for column in stored
        if column in chunk.ranges
    )
    selected = ", ".join(f'{text} AS "{name}"' for text, name in zip(texts, columns, strict=True))
    return f"SELECT {selected} FROM ({rows}) r CROSS JOIN {scratch}.spelling s {joins}"


def _names(graph: Graph, rows: str, chunk: _Chunk, column: str) -> str:
    """SQL of the names that a column of a chunk uses, at the most as many as the chunk has rows."""
    least, greatest = chunk.ranges[column]
    sql = f"SELECT id, {_NAME} AS text FROM {graph.schema}.name WHERE id BETWEEN {least} AND {greatest}"
    is_dense = greatest - least < 2 * chunk.rows
    return sql if is_dense else f"{sql} AND id IN (SELECT {column} FROM ({rows}))"
