"""What the files of a folder of Parquet record tables are called, and what columns they have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow2prov.graph.files import has_files_only
from mlflow2prov.prov.records import KINDS, RecordKind

if TYPE_CHECKING:
    import pyarrow as pa

DOCUMENT = "document.json"
"""The file that says what the folder is."""

FORMAT = "mlflow2prov record tables"
VERSION = 1

ATTRIBUTES = 'STRUCT("name" VARCHAR, "value" VARCHAR, datatype VARCHAR, "language" VARCHAR)[]'
"""The type of the column of attributes, as DuckDB spells it."""


def about() -> dict[str, str | int]:
    """Return what ``document.json`` says.

    >>> about()["version"]
    1
    """
    return {"format": FORMAT, "version": VERSION}


def columns_of_kind(kind: RecordKind) -> dict[str, str]:
    """Return the type of each column of a kind's table.

    >>> from mlflow2prov.prov.records import KIND_BY_NAME
    >>> list(columns_of_kind(KIND_BY_NAME["used"]))
    ['in_bundle', 'id', 'activity', 'entity', 'time', 'attributes']
    """
    texts = ("in_bundle", "id", *kind.references, *kind.times)
    return {**dict.fromkeys(texts, "VARCHAR"), "attributes": ATTRIBUTES}


TABLES: dict[str, dict[str, str]] = {
    "prefix": {"prefix": "VARCHAR", "iri": "VARCHAR"},
    "bundle": {"id": "VARCHAR"},
    **{kind.name: columns_of_kind(kind) for kind in KINDS},
}
"""The columns of every table, with their types."""


def schema_of(table: str) -> pa.Schema:
    """Return the Arrow schema of a table's file."""
    import pyarrow as pa

    words = ("name", "value", "datatype", "language")
    attributes = pa.list_(pa.struct([(word, pa.string()) for word in words]))
    types = {"VARCHAR": pa.string(), ATTRIBUTES: attributes}
    return pa.schema([(name, types[kind]) for name, kind in TABLES[table].items()])


def is_own(folder: Path) -> bool:
    """Return whether a folder is one that we wrote, with nothing else in it."""
    try:
        said = json.loads((folder / DOCUMENT).read_bytes())
        is_ours = isinstance(said, dict) and said.get("format") == FORMAT
        return is_ours and has_files_only(
            folder, {DOCUMENT, *(file_of(folder, table).name for table in TABLES)}
        )
    except (OSError, ValueError, RecursionError):
        return False


def file_of(folder: Path, table: str) -> Path:
    """Return the file that a table is in."""
    return folder / f"{table}.parquet"
