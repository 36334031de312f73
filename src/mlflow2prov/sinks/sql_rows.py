"""A graph's identifiers and attributes as they are spelled in a database that many documents go into.

There one prefix has one IRI. What a document's prefix is called is kept where nobody else took it; else the
prefix gets a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow2prov.formats.text import literal
from mlflow2prov.prov.namespaces import M2P, PROV, QUALIFIED_NAME, QUALIFIED_NAME_SPELLINGS, XSD
from mlflow2prov.sinks.blanks import name_blanks

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph

FIXED: Mapping[str, str] = {"prov": PROV, "xsd": XSD, "m2p": M2P}
"""Prefixes that stand for the same in every database."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a number in a graph's lists of attributes stands for, spelled as in the database.

    Attributes:
        name, datatype, language: as in the table ``attribute_key``.
        is_qualified: whether values are qualified names.
    """

    name: str
    datatype: str | None
    language: str | None

    @property
    def is_qualified(self) -> bool:
        """Whether values are qualified names."""
        return self.datatype == QUALIFIED_NAME


class Spelling:
    """How a graph is spelled in a database.

    Attributes:
        added: the prefixes that the database has to get, with their IRIs.
        attributes: what each number of an attribute stands for.
    """

    def __init__(self, graph: Graph, scratch: str, there: Mapping[str, str]) -> None:
        """Make the table ``name`` in ``scratch``: id, and ``prefix``, ``local`` and ``iri`` of each identifier.

        ``there`` are the prefixes that the database has.
        """
        self.added: dict[str, str] = {}
        own = dict(graph.query("SELECT prefix, iri FROM {graph}.prefix ORDER BY rowid"))
        self._prefixes = self._renamed(own, there)
        self.attributes = {
            key: Attribute(self.token(name), datatype and self._datatype(datatype), language)
            for key, name, datatype, language in graph.query(
                "SELECT key, name, datatype, language FROM {graph}.attribute_key ORDER BY key"
            )
        }
        self._least = min(self.attributes, default=1)
        self._name(graph, scratch, own)

    def _renamed(self, own: Mapping[str, str], there: Mapping[str, str]) -> dict[str, str]:
        taken = dict(there)
        prefix_of = {iri: prefix for prefix, iri in there.items()}
        renamed = {}
        for prefix, iri in own.items():
            if iri not in prefix_of:
                free, number = prefix, 2
                while free in taken or free == "_":
                    free, number = f"{prefix or 'ns'}{number}", number + 1
                taken[free] = self.added[free] = iri
                prefix_of[iri] = free
            renamed[prefix] = prefix_of[iri]
        return renamed

    def _datatype(self, datatype: str) -> str:
        return QUALIFIED_NAME if datatype in QUALIFIED_NAME_SPELLINGS else self.token(datatype)

    def token(self, token: str) -> str:
        """Return a qualified name as it is spelled in the database."""
        prefix, colon, local = token.partition(":")
        renamed = self._prefixes.get(prefix if colon else "")
        if renamed is None:
            return token
        local = local if colon else token
        return f"{renamed}:{local}" if renamed else local

    def _name(self, graph: Graph, scratch: str, own: Mapping[str, str]) -> None:
        name_blanks(graph, scratch)
        rows = "".join(
            f", ({literal(prefix)}, {literal(renamed)}, {literal(own[prefix])})"
            for prefix, renamed in self._prefixes.items()
        )
        of_prefix = f"(VALUES (NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR){rows}) p(prefix, renamed, iri)"
        place = "CASE WHEN n.prefix = '_' THEN '_:' ELSE coalesce(p.iri, n.prefix || ':') END"
        graph.store.run(
            f"CREATE TABLE {scratch}.name AS SELECT id, prefix, {clean('local')} AS local, place || local AS iri FROM "
            f"(SELECT n.id, coalesce(p.renamed, n.prefix) AS prefix, {place} AS place, "
            f"coalesce(b.local, n.local) AS local FROM {graph.schema}.name n "
            f"LEFT JOIN {of_prefix} ON p.prefix = n.prefix LEFT JOIN {scratch}.blank b ON b.id = n.id)"
        )

    def numbers(self, *names: str) -> list[int]:
        """Return the numbers of the attributes of such names."""
        return [key for key, attribute in self.attributes.items() if attribute.name in names]

    def looked_up(self, texts: Mapping[int, str]) -> str:
        """Return SQL of the text, by its number, of an attribute ``a``."""
        last = max(self.attributes, default=0)
        listed = ", ".join(literal(texts.get(key, "")) for key in range(self._least, last + 1))
        return f"([{listed}]::VARCHAR[])[a.k - {self._least - 1}]"

    def value(self) -> str:
        """Return SQL of the value of an attribute ``a`` as it is spelled in the database."""
        moved = {prefix: to for prefix, to in self._prefixes.items() if prefix != to}
        qualified = [key for key, attribute in self.attributes.items() if attribute.is_qualified]
        if not moved or not qualified:
            return clean("a.v")
        branches = " ".join(
            (
                f"WHEN starts_with(a.v, {literal(f'{prefix}:')}) THEN {literal(f'{to}:' if to else '')} "
                f"|| a.v[{len(prefix) + 2}:]"
                if prefix
                else f"WHEN NOT contains(a.v, ':') THEN {literal(f'{to}:')} || a.v"
            )
            for prefix, to in moved.items()
        )
        listed = ", ".join(map(str, qualified))
        return clean(f"CASE WHEN a.k NOT IN ({listed}) THEN a.v {branches} ELSE a.v END")


def clean(text: str) -> str:
    """Return SQL of a text without the character that no text of a database may have."""
    return f"replace({text}, chr(0), '\\x00')"
