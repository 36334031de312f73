"""What a meta.yaml file of a file store says: keys with texts, or with mappings of texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from mlflow2prov.sources.mlflow.model_file import yaml_mapping

Meta = Mapping[str, "str | Mapping[str, str] | None"]

_MOST_BYTES = 32 * 2**20
_LINE = re.compile(
    r"(  )?"
    r"([A-Za-z_][\w.-]*):"
    r"(?: (?:'((?:[^'\n\x85\u2028\u2029]++|'')*+)'|(\{\}|\[\])"
    r"|((?:\w|[/.]|-[0-9])(?:[^\s:#\x85\u2028\u2029]++|:(?=[^\s])|(?<=\S)#| (?=[^\s#]))*+)))?\n"
)
"""A line as MLflow writes nearly all of them: an indent, a key, a text in quotes, nothing, or a plain text."""
_NULL = frozenset({"null", "~", "Null", "NULL"})


class MetaFile(NamedTuple):
    """What a file says, and whether its end is missing."""

    meta: Meta
    is_cut: bool


def parse_meta(text: str) -> MetaFile | None:
    r"""What a meta.yaml file says; None where it is broken, hostile or no mapping.

    Numbers are texts as they stand. A last line without end may have been cut off, and is left out.
    Takes about 10 µs, and 200 µs where a text has several lines.

    >>> parse_meta("end_time: null\nname: 'a: b'\nstatus: 3\n").meta
    {'end_time': None, 'name': 'a: b', 'status': '3'}
    >>> parse_meta("name: a\nsta")
    MetaFile(meta={'name': 'a'}, is_cut=True)
    """
    is_cut = not text.endswith("\n")
    whole = text[: text.rfind("\n") + 1] if is_cut else text
    meta = _plain(whole)
    if meta is None:
        meta = _yaml(whole)
    return MetaFile(meta, is_cut) if meta else None


def _plain(text: str) -> Meta | None:
    """What a file says that has only lines of the common forms; None for any other."""
    meta: dict[str, str | Mapping[str, str] | None] = {}
    nested: dict[str, str] | None = None
    parent = ""
    position, end = 0, len(text)
    match = _LINE.match
    while position < end:
        line = match(text, position)
        if line is None:
            return None
        position = line.end()
        indent, key, quoted, empty, plain = line.groups()
        value = quoted.replace("''", "'") if quoted is not None else plain
        if indent:
            if nested is None or value is None or plain in _NULL:
                return None
            meta[parent] = nested
            nested[key] = value
        elif empty:
            meta[key], nested = {}, None
        else:
            meta[key] = None if plain in _NULL else value
            nested, parent = ({} if value is None else None), key
    return meta


def _yaml(text: str) -> Meta | None:
    """What any YAML mapping says, as far as it is texts and mappings of texts."""
    document = yaml_mapping(text.encode(), _MOST_BYTES)
    if document is None:
        return None
    return {
        str(key): {str(name): _scalar(inner) or "" for name, inner in value.items()}
        if isinstance(value, dict)
        else _scalar(value)
        for key, value in document.items()
    }


def _scalar(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else None
