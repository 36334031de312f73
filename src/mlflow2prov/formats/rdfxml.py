"""PROV-O as RDF/XML (https://www.w3.org/TR/rdf-syntax-grammar/), in bulk.

A document with bundles does not fit: :mod:`mlflow2prov.formats.trig` has a place for them; neither do
texts with characters that XML 1.0 forbids (section 2.2). An attribute whose IRI does not end in a name of
XML is written under another IRI that spells it. Prefixes that are no names of XML are lost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO
from xml.sax.saxutils import quoteattr

from mlflow2prov.errors import FormatError, GraphError
from mlflow2prov.formats.projection import projecting
from mlflow2prov.formats.provo import Records, no_bundles
from mlflow2prov.formats.provo_reader import read_as
from mlflow2prov.formats.provo_syntax import Around, Syntax
from mlflow2prov.formats.provo_terms import RDF, RDFS, is_legal, legal_sql, wrapped

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.store import Store

_NAME = (
    "[A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff]"
    "[A-Z_a-z0-9.\u00b7\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u1fff\u200c\u200d\u203f\u2040"
    "\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff-]*"
)
"""A name without a colon (Namespaces in XML 1.0, section 3)."""

_name = re.compile(_NAME)
_split = re.compile(f"(.*?)({_NAME})", re.DOTALL)
_FORBIDDEN = "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\ufffe\uffff]"
_NO_TEXT = "XML has no place for a character in: "


def write(graph: Graph, file: BinaryIO) -> None:
    """Write a graph as RDF/XML to a binary file, streaming.

    Raises:
        FormatError: the graph has bundles, or a text has a character that XML forbids.
    """
    no_bundles(graph, "rdf", "trig")
    properties = _Properties(dict(graph.query("SELECT prefix, iri FROM {graph}.prefix ORDER BY rowid")))
    syntax = _syntax(properties)
    with projecting(graph, syntax.names()) as projection:
        file.write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
        file.write(f"<rdf:RDF{properties.declarations()}>\n".encode())
        try:
            Records(projection, syntax).write(0, file)
        except GraphError as error:
            if _NO_TEXT not in str(error):
                raise
            text = str(error).partition(_NO_TEXT)[2]
            raise FormatError(
                f"rdf is XML, which can't hold a character in {text}: save it as ttl"
            ) from error
        file.write(b"</rdf:RDF>\n")


def read(file: BinaryIO, name: str, store: Store | None = None) -> Graph:
    """Return the PROV-O document in a file of RDF/XML, or of Turtle or TriG, as a graph.

    Raises:
        FormatError: it is none of these; the message has the line.
    """
    return read_as("rdf", file, name, store)


class _Properties:
    """Names of properties, in the namespaces of a document."""

    def __init__(self, prefixes: dict[str, str]) -> None:
        self._prefixes = {"rdf": RDF}
        taken = {RDF}
        for prefix, iri in [*prefixes.items(), ("rdfs", RDFS)]:
            is_name = not prefix or (_name.fullmatch(prefix) and not prefix.lower().startswith("xml"))
            if is_name and prefix not in self._prefixes and iri not in taken and is_legal(iri):
                self._prefixes[prefix] = iri
                taken.add(iri)
        self._by_iri = {iri: prefix for prefix, iri in self._prefixes.items()}

    def declarations(self) -> str:
        """The attributes that declare the namespaces."""
        return "".join(
            f"\n  xmlns{':' if prefix else ''}{prefix}={quoteattr(iri)}"
            for prefix, iri in self._prefixes.items()
        )

    def tags(self, term: str) -> tuple[str, str]:
        """What starts the element of a property, less its last bracket, and what ends it."""
        namespace, local = self._parts(term)
        prefix = self._by_iri.get(namespace)
        if prefix is None:
            return f"<p:{local} xmlns:p={quoteattr(namespace)}", f"</p:{local}>"
        name = f"{prefix}:{local}" if prefix else local
        return f"<{name}", f"</{name}>"

    def _parts(self, term: str) -> tuple[str, str]:
        for place in range(len(term) - 1, 0, -1):
            if term[:place] in self._by_iri and _name.fullmatch(term, place):
                return term[:place], term[place:]
        found = _split.fullmatch(term)
        if found is None or not found[1]:
            found = _split.fullmatch(wrapped(term))
            assert found is not None  # a wrapped IRI ends in a name
        return found[1], found[2]


def _syntax(properties: _Properties) -> Syntax:
    return Syntax(
        name=lambda _prefix, _local, iri: _resource(legal_sql(iri)),
        value=lambda _token, iri: _resource(legal_sql(iri)),
        node=_resource,
        blank=lambda label: f"concat('nodeID=\"', {label}, '\"')",
        term=lambda term: f'resource="{term}"',
        opening=_opening,
        separator=lambda _: "''",
        closing="</rdf:Description>\n",
        about=lambda term: (f"{properties.tags(term)[0]} rdf:", "/>"),
        typed=lambda term, datatype, language: _typed(properties, term, datatype, language),
        escaped=_escaped,
    )


def _resource(iri: str) -> str:
    return f"concat('resource=\"', replace({iri}, '&', '&amp;'), '\"')"


def _opening(subject: str) -> str:
    about = f"CASE WHEN {subject}[1] = 'r' THEN concat('about', {subject}[9:]) ELSE {subject} END"
    return f"'<rdf:Description rdf:', {about}, '>'"


def _typed(properties: _Properties, term: str, datatype: str | None, language: str | None) -> Around:
    start, end = properties.tags(term)
    if language:
        start += f' xml:lang="{language}"'
    elif datatype:
        start += f" rdf:datatype={quoteattr(datatype)}"
    return f"{start}>", end


def _escaped(text: str) -> str:
    escaped = text
    for character, entity in (("'&'", "&amp;"), ("'<'", "&lt;"), ("'>'", "&gt;"), ("chr(13)", "&#13;")):
        escaped = f"replace({escaped}, {character}, '{entity}')"
    refused = f"error(concat('{_NO_TEXT}', to_json(left({text}, 40))))"
    return f"CASE WHEN regexp_matches({text}, '{_FORBIDDEN}') THEN {refused} ELSE {escaped} END"
