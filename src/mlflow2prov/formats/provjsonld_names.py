"""Names as JSON-LD spells them, turned into those of a graph."""

from __future__ import annotations

import re

from mlflow2prov.errors import FormatError
from mlflow2prov.formats.intern import BLANK, Staging, unknown_prefix
from mlflow2prov.formats.provjsonld_terms import IMPLICIT
from mlflow2prov.prov.namespaces import STANDARD_PREFIXES

_REMEMBERED = 100_000
_MOST_NAMESPACES = 1_000
"""So many namespaces are made of IRIs that no prefix is declared for; further ones are cut at their scheme."""

_SCHEMES = "urn|mailto|tag|data|info|doi|did|ark|uuid|file|tel|news|geo|magnet"
_ABSOLUTE = re.compile(rf"([A-Za-z][A-Za-z0-9+.-]*:)//.|((?i:{_SCHEMES}):).", re.DOTALL)


class Names:
    """The names of a document or bundle.

    Attributes:
        prefixes: the namespaces that are declared there, the default one under no name.
        turned: names that were met, and the graph's own spelling of them.
    """

    def __init__(self, staging: Staging, prefixes: dict[str, str]) -> None:
        self.prefixes = prefixes
        self._staging = staging
        self._renamed = staging.declare(prefixes)
        self._known = {*prefixes, *STANDARD_PREFIXES}
        self._by_iri = {iri: prefix for prefix, iri in STANDARD_PREFIXES.items()}
        for prefix, iri in prefixes.items():
            if iri:
                self._by_iri.setdefault(iri, self._renamed.get(prefix, prefix))
        self._lengths = sorted({len(iri) for iri in self._by_iri}, reverse=True)
        self._made = 0
        self.turned: dict[str, str] = {}

    def of_all(self, tokens: list[str | None], path: str) -> list[str | None]:
        """Return the graph's own spelling of many names; a missing one stays so."""
        given = {token for token in tokens if token is not None}
        prefixes = {token.partition(":")[0] for token in given}
        # Mostly names are spelled in the graph as they are here, which a look at the prefixes shows.
        is_usual = not self._renamed and prefixes <= self._known
        if is_usual and all(":" in token and "://" not in token for token in given):
            return tokens
        turned: dict[str | None, str | None] = {token: self.of(token, path) for token in given}
        turned[None] = None
        return [turned[token] for token in tokens]

    def of(self, token: str, path: str) -> str:
        """Return the graph's own spelling of a name.

        Raises:
            FormatError: its prefix is not declared, and it is no IRI.
        """
        name = self.turned.get(token)
        if name is None:
            name = self._turn(token, path)
            if len(self.turned) < _REMEMBERED:
                self.turned[token] = name
        return name

    def _turn(self, token: str, path: str) -> str:
        prefix, colon, local = token.partition(":")
        if not colon:
            prefix, local = "", token
        elif prefix == BLANK:
            return token
        if not (colon and local.startswith("//")):
            if prefix in self._known:
                return self._joined(self._renamed.get(prefix, prefix), local)
            if prefix in IMPLICIT:
                return self._joined(self._declare(prefix, IMPLICIT[prefix]), local)
        namespace = self._namespace(token)
        if namespace is None:
            raise unknown_prefix(f"{self._staging.file_name}, {path}", token[:200])
        return self._joined(self._by_iri[namespace], token[len(namespace) :])

    def _joined(self, prefix: str, local: str) -> str:
        if not prefix and ":" in local:  # as a name it would seem to have a prefix
            end = local.rindex(":") + 1
            prefix = self._made_prefix(self._staging.prefixes[""] + local[:end])
            local = local[end:]
        return f"{prefix}:{local}" if prefix else local

    def _namespace(self, iri: str) -> str | None:
        """The longest namespace of an IRI that is known, or one that is made for it; None if it is no IRI."""
        for length in self._lengths:
            if iri[:length] in self._by_iri:
                return iri[:length]
        for prefix, namespace in IMPLICIT.items():
            if iri.startswith(namespace):
                self._declare(prefix, namespace)
                return namespace
        absolute = _ABSOLUTE.match(iri)
        if absolute is None:
            return None
        namespace = iri[: max(iri.rfind(mark, 0, -1) for mark in ":/#?") + 1]
        if self._made >= _MOST_NAMESPACES:
            namespace = absolute.group(1) or absolute.group(2)
        self._made_prefix(namespace)
        return namespace

    def _made_prefix(self, namespace: str) -> str:
        """The graph's prefix for a namespace that the document does not declare."""
        if namespace not in self._by_iri:
            self._made += 1
            if self._made > 2 * _MOST_NAMESPACES:
                raise FormatError(f"{self._staging.file_name} has too many namespaces that are not declared")
            self._declare("ns", namespace)
        return self._by_iri[namespace]

    def _declare(self, prefix: str, iri: str) -> str:
        """Declare a namespace of our choice; return the graph's prefix for it."""
        own = self._by_iri[iri] = self._staging.declare({prefix: iri}).get(prefix, prefix)
        self._lengths = sorted({*self._lengths, len(iri)}, reverse=True)
        return own
