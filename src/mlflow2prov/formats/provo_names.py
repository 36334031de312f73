"""Prefixes for the IRIs of an RDF document: those that it declares, and new ones where none fits.

Which prefix an IRI gets depends on its namespace alone: what comes up to its last ``#``, ``/`` or ``:``. Python
sees each namespace once. Cost: some 2 µs of CPU each.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping

from mlflow2prov.formats.provo_terms import GENID, RDF, RDFS
from mlflow2prov.prov.namespaces import AGENT, EXTRACTION, GIT, M2P, STANDARD_PREFIXES

NAMESPACE = "^.*[#/:]"
"""The namespace of an IRI, as a regular expression."""

_WELL_KNOWN = {
    **{
        M2P: "m2p",
        GIT: "git",
        AGENT: "agent",
        EXTRACTION: "extraction",
        RDF: "rdf",
        RDFS: "rdfs",
        GENID: "genid",
    },
    **{"http://purl.org/dc/terms/": "dcterms", "http://xmlns.com/foaf/0.1/": "foaf"},
}
_MOST_NEW = 100
"""More new namespaces than this are joined into those of whole hosts, and these into those of schemes."""

_HOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?://[^/?#]*/|[^/:?#]*:)?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_OWN = (RDF, RDFS, GENID)
"""Namespaces that the writers declare by themselves: they are no part of a document that does not use them."""


class Prefixes:
    """The prefixes of a graph that is being read; ``by_name`` has the IRI of each."""

    def __init__(self, declared: Mapping[str, str]) -> None:
        self._own: dict[str, str] = {}
        self.by_name: dict[str, str] = dict(STANDARD_PREFIXES)
        self._by_iri = {iri: prefix for prefix, iri in self.by_name.items()}
        for prefix, iri in declared.items():
            if iri in _OWN:
                self._own[iri] = prefix
            elif iri:
                self._declare(prefix, iri)
        known = [*self._by_iri, *self._own]
        self._sorted = sorted(known)
        self._parents = _parents(self._sorted)
        self.is_regular = all(re.fullmatch(NAMESPACE, iri, re.DOTALL) for iri in known)

    def _declare(self, prefix: str, iri: str) -> str:
        """Take in a prefix, under another name if need be; return the name."""
        if iri in self._by_iri:
            return self._by_iri[iri]
        fresh, number = prefix, 1
        while fresh in self.by_name or fresh == "_":
            fresh, number = f"{prefix if prefix not in ('', '_') else 'ns'}_{number}", number + 1
        self.by_name[fresh] = iri
        self._by_iri[iri] = fresh
        return fresh

    def of(self, namespaces: Iterable[str]) -> dict[str, tuple[str, int]]:
        """Return the prefix for IRIs of each namespace, and the length of the IRI that it stands for.

        Where declared namespaces do not end where those of IRIs do (``is_regular`` is false), whole IRIs are to
        be given.
        """
        found: dict[str, str] = {}
        new: dict[str, list[str]] = {}
        for namespace in namespaces:
            declared = self._longest(namespace)
            if declared is None or (self._by_iri.get(declared) == "" and ":" in namespace[len(declared) :]):
                key = namespace if self.is_regular else _namespace(namespace)
                new.setdefault(key, []).append(namespace)
            else:
                found[namespace] = declared
        for key, iri in self._chosen(list(new)).items():
            found |= dict.fromkeys(new[key], iri)
        return {namespace: (self._prefix(iri), len(iri)) for namespace, iri in found.items()}

    def _prefix(self, iri: str) -> str:
        if iri not in self._by_iri:
            return self._declare(self._own.get(iri) or _WELL_KNOWN.get(iri) or self._fresh(), iri)
        return self._by_iri[iri]

    def _fresh(self) -> str:
        number = 1 + sum(prefix.startswith("ns") for prefix in self.by_name)
        while f"ns{number}" in self.by_name:
            number += 1
        return f"ns{number}"

    def _longest(self, text: str) -> str | None:
        """The longest declared IRI that a text starts with."""
        place = bisect_right(self._sorted, text) - 1
        candidate = self._sorted[place] if place >= 0 else None
        while candidate is not None and not text.startswith(candidate):
            candidate = self._parents[candidate]
        return candidate

    def _chosen(self, namespaces: list[str]) -> dict[str, str]:
        """New IRIs for namespaces: their own, or, where there are many, shorter ones that several share."""
        chosen = dict(zip(namespaces, namespaces, strict=True))
        default = self.by_name.get("")
        for shorter in (_HOST, _SCHEME):
            if len(set(chosen.values())) <= _MOST_NEW:
                break
            for namespace in namespaces:
                match = shorter.match(namespace)
                if match and match[0] != default:
                    chosen[namespace] = match[0]
        return chosen


def _namespace(iri: str) -> str:
    match = re.match(NAMESPACE, iri, re.DOTALL)
    return match[0] if match else iri


def _parents(iris: list[str]) -> dict[str, str | None]:
    """The longest other of sorted IRIs that each starts with."""
    parents: dict[str, str | None] = {}
    open_: list[str] = []
    for iri in iris:
        while open_ and not iri.startswith(open_[-1]):
            open_.pop()
        parents[iri] = open_[-1] if open_ else None
        open_.append(iri)
    return parents
