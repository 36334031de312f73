"""Which namespaces hold at a place of a PROV-XML document, and what their prefixes are in the graph."""

from __future__ import annotations

from mlflow2prov.formats.intern import Staging
from mlflow2prov.formats.provxml_names import GENID, XML, XML_SCHEMA, XSI, unescaped
from mlflow2prov.prov.namespaces import XSD

SEPARATOR = "\x1f"
"""Stands between the IRI and the local part of names that expat gives; no document can hold it."""

_UNUSED = {XSI: "xsi", XML: "xml"}
"""Namespaces of XML's own: the graph gets them only if a name is in them."""

_TAKEN_WORDS = frozenset({"_", "default"})
"""Prefixes that mean something else in a graph or in other formats."""


class Scope:
    """The namespaces at the place that a reader has come to.

    A name is the graph's own as soon as its IRI is known: one IRI has one prefix in a graph.

    Attributes:
        starts: what names of the graph begin with, by the prefix of the document: ``ex:``, or nothing
            for the graph's default namespace. The document's default namespace has the prefix "".
    """

    def __init__(self, staging: Staging) -> None:
        self._prefixes = staging.prefixes
        self._start_by_iri = {iri: f"{prefix}:" for prefix, iri in staging.prefixes.items()}
        self._start_by_iri |= {XML_SCHEMA: self._start_by_iri[XSD], GENID: "_:"}
        self._numbers: dict[str, int] = {}
        self._outer: dict[str, list[str | None]] = {}
        self._iris: dict[str, str | None] = {"xml": XML}
        self.starts: dict[str, str] = {}

    def open(self, prefix: str | None, iri: str | None) -> None:
        """Take in a declaration: it holds until it is closed."""
        prefix = prefix or ""
        self._outer.setdefault(prefix, []).append(self._iris.get(prefix))
        self._bind(prefix, iri)

    def close(self, prefix: str | None) -> None:
        """Let go of the last declaration of a prefix."""
        prefix = prefix or ""
        self._bind(prefix, self._outer[prefix].pop())

    def _bind(self, prefix: str, iri: str | None) -> None:
        self._iris[prefix] = iri
        self.starts.pop(prefix, None)
        if iri and iri not in _UNUSED:
            self.starts[prefix] = self._start(iri, prefix)

    def _start(self, iri: str, wanted: str) -> str:
        """What names of a namespace begin with; it becomes one of the graph's with the prefix wanted or one like it."""
        found = self._start_by_iri.get(iri)
        if found is not None:
            return found
        stem = "ns" if wanted in _TAKEN_WORDS else wanted
        prefix = stem
        while prefix in self._prefixes:
            number = self._numbers[stem] = self._numbers.get(stem, 0) + 1
            prefix = f"{stem or 'ns'}_{number}"
        self._prefixes[prefix] = iri
        start = self._start_by_iri[iri] = f"{prefix}:" if prefix else ""
        return start

    def token(self, text: str) -> str | None:
        """The graph's name for a qualified name of the document; None where its prefix is not declared."""
        prefix, colon, local = text.partition(":")
        if not colon:
            prefix, local = "", text
        start = self.starts.get(prefix)
        if start is None:
            iri = self._iris.get(prefix)
            if iri:
                start = self._start(iri, _UNUSED[iri])
            elif text[:1].isspace():
                return self.token(text.strip())
            else:
                return None
        return start + local

    def element(self, name: str) -> str | None:
        """The graph's name for the name of an element as expat gives it; None if it is in no namespace."""
        iri, separator, local = name.rpartition(SEPARATOR)
        if not separator:
            return None
        start, local = self._start(iri, _UNUSED.get(iri, "ns")), unescaped(local)
        return None if not start and ":" in local else start + local
