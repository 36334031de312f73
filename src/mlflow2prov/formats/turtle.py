"""PROV-O as Turtle (https://www.w3.org/TR/turtle/), in bulk.

Identifiers are prefixed names where their local part is one of Turtle's without escapes, else IRIs.
A document with bundles does not fit: :mod:`mlflow2prov.formats.trig` has a place for them. Prefixes
whose names Turtle does not allow, or whose IRIs are none, are lost; the reader makes others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from mlflow2prov.formats.ntriples import bracketed, quoted
from mlflow2prov.formats.projection import projecting
from mlflow2prov.formats.provo import Records, no_bundles
from mlflow2prov.formats.provo_reader import read_as
from mlflow2prov.formats.provo_syntax import Around, Syntax
from mlflow2prov.formats.provo_terms import GENID, RDFS, TYPE, WRAPPED, is_legal, legal_sql
from mlflow2prov.formats.text import literal

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.store import Store

_START = (
    "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u2070-\u218f\u2c00-\u2fef"
    "\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\uffef"
)
_INNER = f"{_START}0-9_\u00b7\u0300-\u036f\u203f-\u2040-"
_LOCAL = rf"[{_START}0-9_](?:[{_INNER}.]*[{_INNER}])?"
"""Local parts that need no escape (Turtle, section 6.5), less some characters that IRIs don't have."""

_PREFIX = re.compile(rf"(?:[{_START}](?:[{_INNER}.]*[{_INNER}])?)?")
_local = re.compile(_LOCAL)
_MANY = 50
_OWN = {"rdfs": RDFS, "genid": GENID}
"""Prefixes that documents may lack; they are no part of what is read."""


def write(graph: Graph, file: BinaryIO) -> None:
    """Write a graph as Turtle to a binary file, streaming.

    Raises:
        FormatError: the graph has bundles.
    """
    no_bundles(graph, "ttl", "trig")
    prefixes = declared(graph)
    syntax = turtle(prefixes)
    with projecting(graph, syntax.names()) as projection:
        write_prefixes(prefixes, file)
        Records(projection, syntax).write(0, file)


def read(file: BinaryIO, name: str, store: Store | None = None) -> Graph:
    """Return the PROV-O document in a Turtle file as a graph.

    Raises:
        FormatError: it is not Turtle; the message has the line.
    """
    return read_as("ttl", file, name, store)


def declared(graph: Graph) -> dict[str, str]:
    """Return the prefixes that a Turtle file of a graph declares."""
    rows = graph.query("SELECT prefix, iri FROM {graph}.prefix ORDER BY rowid")
    prefixes = {prefix: iri for prefix, iri in rows if _PREFIX.fullmatch(prefix) and _makes_iris(iri)}
    for prefix, iri in _OWN.items():
        if iri not in prefixes.values():
            prefixes.setdefault(prefix, iri)
    return prefixes


def _makes_iris(namespace: str) -> bool:
    """Whether an IRI with any plain local part is one, and stands for itself."""
    is_whole = all(is_legal(namespace + local) for local in ("zz", "0.-_"))
    return is_whole and not (WRAPPED.startswith(namespace) and "/" not in WRAPPED[len(namespace) :])


def write_prefixes(prefixes: dict[str, str], file: BinaryIO) -> None:
    """Write the declarations of prefixes."""
    file.write("".join(f"@prefix {prefix}: <{iri}> .\n" for prefix, iri in prefixes.items()).encode() + b"\n")


def turtle(prefixes: dict[str, str]) -> Syntax:
    """Return the syntax of Turtle with some prefixes."""
    by_iri = {iri: prefix for prefix, iri in prefixes.items()}
    genid = f"{by_iri[GENID]}:" if GENID in by_iri else None
    return Syntax(
        name=lambda prefix, local, iri: _name(prefixes, prefix, local, iri),
        value=lambda token, iri: _value(prefixes, token, iri),
        node=lambda iri: f"concat('{genid}', {iri}[{len(GENID) + 1}:])" if genid else bracketed(iri),
        blank=lambda label: f"concat('_:', {label})",
        term=lambda term: spelled(by_iri, term),
        opening=lambda subject: f"{subject}, ' '",
        separator=lambda _: "concat(' ;', chr(10), '  ')",
        closing=" .\n",
        about=lambda term: ("a " if term == TYPE else f"{spelled(by_iri, term)} ", ""),
        typed=lambda term, datatype, language: _typed(by_iri, term, datatype, language),
        escaped=quoted,
    )


def _name(prefixes: dict[str, str], prefix: str, local: str, iri: str) -> str:
    listed = ", ".join(map(literal, prefixes))
    is_short = f"{prefix} IN ({listed}) AND regexp_full_match({local}, '{_LOCAL}')"
    return f"CASE WHEN {is_short} THEN concat({prefix}, ':', {local}) ELSE {bracketed(legal_sql(iri))} END"


def _value(prefixes: dict[str, str], token: str, iri: str) -> str:
    if len(prefixes) > _MANY:
        return bracketed(legal_sql(iri))
    listed = "|".join(re.escape(prefix) for prefix in prefixes if prefix)
    is_short = f"regexp_full_match({token}, '(?:{listed}):{_LOCAL}')"
    return f"CASE WHEN {is_short} THEN {token} ELSE {bracketed(legal_sql(iri))} END"


def spelled(by_iri: dict[str, str], term: str) -> str:
    """How a constant IRI is spelled."""
    for place in range(len(term) - 1, 0, -1):
        prefix = by_iri.get(term[:place])
        if prefix is not None and _local.fullmatch(term[place:]):
            return f"{prefix}:{term[place:]}"
    return f"<{term}>"


def _typed(by_iri: dict[str, str], term: str, datatype: str | None, language: str | None) -> Around:
    suffix = f"@{language}" if language else f"^^{spelled(by_iri, datatype)}" if datatype else ""
    return f"{spelled(by_iri, term)} ", suffix
