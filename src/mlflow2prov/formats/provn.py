"""PROV-N (https://www.w3.org/TR/prov-n/), written in bulk.

The text of a record is an SQL projection made from the table of record kinds; the reader is in
:mod:`mlflow2prov.formats.provn_reader`, and :mod:`mlflow2prov.formats.provn_names` says how names
are spelled that PROV-N has no letters for. What the notation itself does not have:

* ``specializationOf``, ``alternateOf`` and ``hadMember`` take neither an identifier nor attributes
  (productions [24] to [26]). Records with these are written as extensions (production [49]), such as
  ``prov:hadMember(ex:m; ex:c, ex:e, [ex:k="v"])``, which other tools may not take. The same goes for
  ``mentionOf`` (PROV-LINKS).
* Blank identifiers become names of a namespace of ours; see ``GENID``.
* A record that lacks an argument that PROV-DM requires has ``-`` in its place; the grammar has no
  such record, but the ``prov`` library and our reader take it.
* A language tag has letters and hyphens, and digits after the first hyphen; a document with another
  one is refused.

Nothing else is lost.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from mlflow2prov.errors import FormatError
from mlflow2prov.formats.projection import Key, Projection, Rows, projecting
from mlflow2prov.formats.provn_names import Names
from mlflow2prov.formats.provn_reader import read
from mlflow2prov.formats.text import write_strings
from mlflow2prov.graph.graph import Graph

__all__ = ["read", "write"]

_BARE_KINDS = {"specializationOf", "alternateOf", "hadMember", "mentionOf"}
"""Kinds of record that have neither an identifier nor attributes in PROV-N."""

_LANGUAGE = re.compile(r"[A-Za-z]+(-[A-Za-z0-9]+)*")

_ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"))


def write(graph: Graph, file: BinaryIO) -> None:
    """Write a graph as PROV-N to a binary file, streaming; memory does not grow with the file.

    Raises:
        FormatError: a language tag is none that PROV-N can spell.
    """
    with graph.store.scratch("provn") as scratch:
        names = Names(graph, scratch)
        with projecting(graph, names.name()) as projection:
            names.mint_blank_names(projection)
            _spell(projection, names)
            _write_document(projection, names, file)


def _spell(projection: Projection, names: Names) -> None:
    """Say what stands around the values of each attribute key."""
    keys = projection.keys
    tokens = {token for key in keys for token in (key.name, key.datatype) if token is not None}
    texts = names.spell(sorted(tokens))
    around = [_around(key, texts) for key in keys]
    projection.spell_keys(
        opening=[f"{texts[key.name]}={before}" for key, (before, _) in zip(keys, around, strict=True)],
        after=[after for _, after in around],
    )


def _around(key: Key, texts: dict[str, str]) -> tuple[str, str]:
    if key.language is not None:
        if _LANGUAGE.fullmatch(key.language) is None:
            raise FormatError(f"PROV-N can't spell the language tag {key.language!r} of {key.name}")
        return '"', f'"@{key.language}'
    if key.datatype is None:
        return '"', '"'
    return ("'", "'") if key.is_qualified else ('"', f'" %% {texts[key.datatype]}')


def _write_document(projection: Projection, names: Names, file: BinaryIO) -> None:
    file.write(b"document\n")
    if "" in names.declarations:
        file.write(f"  default <{names.declarations['']}>\n".encode())
    for prefix, iri in names.declarations.items():
        if prefix:
            file.write(f"  prefix {prefix} <{iri}>\n".encode())
    _write_records(projection, names, 0, file, "  ")
    schema = projection.graph.schema
    bundles = projection.graph.store.run(
        f"SELECT b.id, n.text FROM {schema}.bundle b "
        f"JOIN {projection.names(f'id IN (SELECT id FROM {schema}.bundle)')} n ON n.id = b.id ORDER BY b.rowid"
    )  # not projection.bundles, which has no minted names
    for number, name in bundles:
        file.write(f"\n  bundle {name}".encode())
        _write_records(projection, names, number, file, "    ")
        file.write(b"\n  endBundle")
    file.write(b"\nendDocument\n")


def _write_records(projection: Projection, names: Names, bundle: int, file: BinaryIO, indent: str) -> None:
    for kind in projection.kinds(bundle):
        for rows in projection.rows(bundle, kind):
            write_strings(projection.graph.store, _records_sql(projection, names, rows, indent), file)


def _records_sql(projection: Projection, names: Names, rows: Rows, indent: str) -> str:
    """SQL of the records of one kind: one string for each, with a line break before it."""
    value = "a.v"
    for plain, escaped in _ESCAPES:
        value = f"replace({value}, {_characters(plain)}, {_characters(escaped)})"
    special = "regexp_matches(a.v, '[\"\\\\\\n\\r]')"
    text = f"concat(s.opening[a.k], CASE WHEN {special} THEN {value} ELSE a.v END, s.after[a.k])"
    qualified = f"concat(s.opening[a.k], {names.token('a.v')}, s.after[a.k])"
    attributes = projection.attributes(text, qualified, ", ")
    parts = [f"'\n{indent}'", _keyword(rows), "'('", _arguments(rows)]
    if rows.portion.attributed:
        parts.append(f"coalesce(', [' || ({attributes}) || ']', '')")
    return f"SELECT concat({', '.join(parts)}, ')') FROM {rows.source} CROSS JOIN {names.row}"


def _characters(text: str) -> str:
    """SQL of a text of a few characters, all of them as numbers."""
    return " || ".join(f"chr({ord(character)})" for character in text)


def _keyword(rows: Rows) -> str:
    """SQL of what a record starts with."""
    name = rows.kind.name
    if name not in _BARE_KINDS or not (rows.name or rows.portion.attributed):
        return f"'{name}'"
    is_bare = "r.id IS NULL AND coalesce(len(r.attributes), 0) = 0"
    return f"CASE WHEN {is_bare} THEN '{name}' ELSE 'prov:{name}' END"


def _arguments(rows: Rows) -> str:
    """SQL of a record's own identifier and formal arguments.

    Those that PROV-DM does not require are left out where no record of the portion has them.
    """
    kind = rows.kind
    present = {**rows.arguments, **rows.times}
    names = (*kind.references, *kind.times)
    if not any(name in present for name in names[kind.required :]):
        names = names[: kind.required]
    texts = [f"coalesce({present[name]}, '-')" if name in present else "'-'" for name in names]
    if kind.is_element:
        return _joined([rows.name or "NULL", *texts])
    own = f"coalesce({rows.name} || '; ', '')" if rows.name else "''"
    return f"{own}, {_joined(texts)}"


def _joined(texts: list[str]) -> str:
    return ", ', ', ".join(texts)
