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
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow2prov.formats.parquet_reader import read_folder
from mlflow2prov.formats.parquet_tables import DOCUMENT, about, columns_of_kind, file_of
from mlflow2prov.formats.projection import Key
from mlflow2prov.formats.text import literal
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.records import KINDS, RecordKind

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph

__all__ = ["read_folder", "write_folder"]

_OPTIONS = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"

_NAME = "CASE WHEN prefix <> '' THEN prefix || ':' || local WHEN contains(local, ':') THEN ':' || local ELSE local END"
"""SQL of a name as text."""


def write_folder(graph: Graph, folder: Path) -> None:
    """Write a graph as record tables into an empty folder.

    Held in memory, up to the store's limit, are the identifiers and one group of rows.
    """
    with graph.store.in_order(), graph.store.scratch("writing") as scratch:
        graph.store.run(f"CREATE TABLE {scratch}.name AS SELECT id, {_NAME} AS text FROM {graph.schema}.name")
        _spell(graph, scratch)
        present = _present(graph)
        for kind in KINDS:
            _copy(
                graph,
                _records(graph, scratch, kind, present.get(kind.number, frozenset())),
                folder,
                kind.name,
            )
        _copy(graph, f"SELECT prefix, iri FROM {graph.schema}.prefix ORDER BY rowid", folder, "prefix")
        bundles = (
            f"SELECT n.text AS id FROM {graph.schema}.bundle b LEFT JOIN {scratch}.name n ON n.id = b.id"
        )
        _copy(graph, f"{bundles} ORDER BY b.rowid", folder, "bundle")
    (folder / DOCUMENT).write_text(json.dumps(about(), indent=1) + "\n", encoding="utf-8")


def _copy(graph: Graph, sql: str, folder: Path, table: str) -> None:
    path = literal(str(file_of(folder.absolute(), table)))
    graph.store.run(f"COPY ({sql}) TO {path} ({_OPTIONS})")


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


def _present(graph: Graph) -> dict[int, frozenset[str]]:
    """Which columns of names some record of each kind has, by the kind's number."""
    columns = ("id", *ARGUMENT_COLUMNS)
    counted = ", ".join(f"count({column})" for column in columns)
    rows = graph.query(
        f"SELECT kind, count(nullif(bundle, 0)), {counted} FROM {{graph}}.relation GROUP BY kind"
    )
    rows += graph.query(
        "SELECT kind, count(nullif(bundle, 0)), count(id) FROM {graph}.element GROUP BY kind",
    )
    return {
        kind: frozenset(column for column, count in zip(("bundle", *columns), counts, strict=False) if count)
        for kind, *counts in rows
    }


def _records(graph: Graph, scratch: str, kind: RecordKind, present: frozenset[str]) -> str:
    """SQL of the rows of one kind's table."""
    columns = dict.fromkeys(columns_of_kind(kind))
    stored = ("bundle", "id", *ARGUMENT_COLUMNS[: len(kind.references)])
    texts = [f"n_{column}.text" if column in present else "NULL::VARCHAR" for column in stored]
    texts += (
        ["r.start_time", "r.end_time"][: len(kind.times)]
        if kind.is_element
        else ["r.time"][: len(kind.times)]
    )
    attribute = "{name: s.name[a.k], value: a.v, datatype: s.datatype[a.k], language: s.language[a.k]}"
    texts.append(f"list_transform(r.attributes, lambda a: {attribute})")
    joins = " ".join(
        f"LEFT JOIN {scratch}.name n_{column} ON n_{column}.id = r.{column}"
        for column in stored
        if column in present
    )
    selected = ", ".join(f'{text} AS "{name}"' for text, name in zip(texts, columns, strict=True))
    table = "element" if kind.is_element else "relation"
    return (
        f"SELECT {selected} FROM (SELECT * FROM {graph.schema}.{table} WHERE kind = {kind.number}) r "
        f"CROSS JOIN {scratch}.spelling s {joins}"
    )
