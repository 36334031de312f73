"""Relations of PROV-JSON in their plain form, read as columns.

A plain relation has texts for its formal arguments, and besides these at most one attribute, whose
value is an object with a text and a datatype. Whatever is not plain is left to
:mod:`mlflow2prov.formats.provjson_reader`, which knows every form and names what is wrong.
"""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast

from mlflow2prov.graph.arrays import texts
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.records import RecordKind

if TYPE_CHECKING:
    import msgspec
    import pyarrow as pa

NO_ATTRIBUTE = ""
"""Stands for relations that have formal arguments only."""


def extra_attribute(kind: RecordKind, body: object) -> str | None:
    """Return the one attribute that a relation has besides its formal arguments.

    ``NO_ATTRIBUTE`` says that it has none, None that the relation is not plain.

    >>> from mlflow2prov.prov.records import KIND_BY_NAME
    >>> used = {"prov:activity": "ex:a", "prov:role": {"$": "ex:r", "type": "xsd:QName"}}
    >>> extra_attribute(KIND_BY_NAME["used"], used)
    'prov:role'
    """
    if not isinstance(body, dict):
        return None
    others = [name for name in body if name not in _formal(kind)]
    if not others:
        return NO_ATTRIBUTE
    value = body[others[0]]
    is_plain = len(others) == 1 and isinstance(value, dict) and value.keys() == {"$", "type"}
    return others[0] if is_plain else None


def _formal(kind: RecordKind) -> dict[str, str]:
    """The formal arguments of a kind by their names in PROV-JSON, and the columns that they go to."""
    names = [f"prov:{name}" for name in (*kind.references, *kind.times)]
    columns = (*ARGUMENT_COLUMNS[: len(kind.references)], *("time",)[: len(kind.times)])
    return dict(zip(names, columns, strict=True))


def read(
    kind: RecordKind, attribute: str, records: list[msgspec.Raw], qualified: Collection[str]
) -> tuple[dict[str, pa.Array[Any]], list[str], list[str]] | None:
    """Return relations as columns, or None where one of them is not plain.

    Returns:
        The staging columns by name, besides them ``value`` and ``datatype`` of the attribute; those of
        its distinct values whose datatype is one of ``qualified``; and its distinct datatypes.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import json

    formal = _formal(kind)
    fields: list[pa.Field[Any]] = [pa.field(name, pa.string()) for name in formal]
    if attribute:
        typed = pa.struct([pa.field("$", pa.string()), pa.field("type", pa.string())])
        fields.append(pa.field(attribute, typed))
    text = b"\n".join(records)
    if b"null" in text:  # a missing value and a null look the same in columns
        return None
    options = json.ParseOptions(
        explicit_schema=pa.schema(fields), newlines_in_values=True, unexpected_field_behavior="error"
    )
    size = json.ReadOptions(use_threads=False, block_size=len(text) + 1)
    try:
        table = json.read_json(io.BytesIO(text), read_options=size, parse_options=options).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:  # not UTF-8: the reader of single records says where
        return None
    if table.num_rows != len(records):
        return None
    columns = {column: table[name].combine_chunks() for name, column in formal.items()}
    if not attribute:
        return columns, [], []
    pairs = cast("pa.StructArray", table[attribute].combine_chunks())
    value, datatype = pairs.flatten()
    is_there = pairs.is_valid()
    if not (value.is_valid().equals(is_there) and datatype.is_valid().equals(is_there)):
        return None
    columns["value"], columns["datatype"] = value, datatype
    named = pc.is_in(datatype, texts(sorted(qualified)))
    return columns, _distinct(value.filter(named)), _distinct(datatype)


def _distinct(texts: pa.Array[Any]) -> list[str]:
    return [text for text in texts.unique().to_pylist() if text is not None]
