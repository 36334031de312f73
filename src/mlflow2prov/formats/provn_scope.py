"""What prefixes stand for in a PROV-N document or bundle, and names by them (PROV-N, section 3.7)."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from mlflow2prov.errors import FormatError
from mlflow2prov.formats.intern import BLANK, MOST_PREFIXES, Staging
from mlflow2prov.formats.provn_lexer import SPLIT_NAME, Source, unescaped_name
from mlflow2prov.formats.provn_names import ESCAPED, GENID
from mlflow2prov.prov.namespaces import STANDARD_PREFIXES

_MOST_NAMES = 200_000
_LONG_NAME = 1_000


class _Namespace(NamedTuple):
    """What a prefix stands for.

    Attributes:
        prefix: the graph's own prefix.
        iri: the namespace.
        is_encoded: whether local parts are percent-encoded.
        may_be_blank: whether names in it may be those that stand for blank ones.
    """

    prefix: str
    iri: str
    is_encoded: bool
    may_be_blank: bool


class Scope:
    """The prefixes that hold at a place of the document.

    Attributes:
        names: names that were met before, by the text that stands for them; ``-`` is for none.
    """

    def __init__(self, staging: Staging, source: Source) -> None:
        self._staging = staging
        self._source = source
        self._known: dict[tuple[str, str], _Namespace] = {}
        self._document: dict[str, _Namespace] = {}
        self._namespaces = self._document
        self._default_as_prefix: dict[str, str] = {}
        self.names: dict[str | None, str | None] = {}
        self._forget()
        self.declare(STANDARD_PREFIXES, 0)

    def _forget(self) -> None:
        self.names.clear()
        self.names.update({"-": None, None: None})

    def declare(self, prefixes: dict[str, str], position: int) -> None:
        """Take in the prefixes of the document."""
        self._document |= self._found(prefixes, position)

    def enter(self, prefixes: dict[str, str], position: int) -> None:
        """Take in the prefixes of a bundle, which hold until :meth:`leave`."""
        if prefixes:
            self._namespaces = {**self._document, **self._found(prefixes, position)}
            self._forget()

    def leave(self) -> None:
        """Go back to the prefixes of the document."""
        if self._namespaces is not self._document:
            self._namespaces = self._document
            self._forget()

    def _found(self, prefixes: dict[str, str], position: int) -> dict[str, _Namespace]:
        for pair in prefixes.items():
            if pair not in self._known:
                if len(self._known) >= MOST_PREFIXES:
                    raise self.too_many(position)
                self._known[pair] = self._namespace(*pair, position)
        return {pair[0]: self._known[pair] for pair in prefixes.items()}

    def too_many(self, position: int) -> FormatError:
        """The error for a document that declares too many prefixes."""
        return self._source.wrong(f"there are more than {MOST_PREFIXES:,} prefixes", position)

    def _namespace(self, prefix: str, iri: str, position: int) -> _Namespace:
        is_encoded = iri.startswith(ESCAPED)
        if is_encoded:
            iri = self._decoded(iri[len(ESCAPED) :], position)
        if iri.startswith(GENID):
            return _Namespace(BLANK, iri, is_encoded, may_be_blank=True)
        own = self._staging.declare({prefix: iri}).get(prefix, prefix)
        return _Namespace(own, iri, is_encoded, may_be_blank=GENID.startswith(iri))

    def _decoded(self, text: str, position: int) -> str:
        try:
            return unquote(text, errors="strict")
        except UnicodeDecodeError as error:
            raise self._source.wrong("this percent-encoding is none of UTF-8", position) from error

    def resolve(self, token: str, position: int) -> str:
        """Return a name with the graph's own prefix, from its text at or after a position.

        Raises:
            FormatError: it is no name, or its prefix is not declared.
        """
        match = SPLIT_NAME.fullmatch(token)
        if match is None:
            raise self._wrong(token, f"{_shown(token)} is no name", position)
        prefix, local = match[1] or "", unescaped_name(match[2])
        namespace = self._namespaces.get(prefix)
        if namespace is None:
            raise self._wrong(token, _undeclared(prefix, token), position)
        if namespace.is_encoded:
            local = self._decoded(local, position)
        name = self._name(namespace, local, token, position)
        if len(token) < _LONG_NAME:
            if len(self.names) > _MOST_NAMES:
                self._forget()
            self.names[token] = name
        return name

    def resolve_text(self, text: str, position: int) -> str:
        """Return a name that stands as a text: with or without backslashes."""
        if SPLIT_NAME.fullmatch(text) is not None:
            return self.resolve(text, position)
        prefix, colon, local = text.partition(":")
        if not colon:
            prefix, local = "", text
        if prefix not in self._namespaces:
            raise self._wrong(text, _undeclared(prefix, text), position)
        return self._name(self._namespaces[prefix], local, text, position)

    def _name(self, namespace: _Namespace, local: str, token: str, position: int) -> str:
        if namespace.may_be_blank and (namespace.iri + local).startswith(GENID):
            return f"{BLANK}:{(namespace.iri + local)[len(GENID) :]}"
        if namespace.prefix:
            return f"{namespace.prefix}:{local}"
        if ":" not in local:
            return local
        if not namespace.iri:
            raise self._wrong(token, f"{_shown(token)} is in a namespace without an IRI", position)
        return f"{self._other_prefix(namespace.iri[:-1])}:{namespace.iri[-1]}{local}"

    def _other_prefix(self, iri: str) -> str:
        """A prefix for the names of the default namespace that have a colon.

        Its namespace lacks the last letter of the default one, since two prefixes can't have the same.
        """
        if iri not in self._default_as_prefix:
            self._default_as_prefix[iri] = self._staging.declare({"ns": iri}).get("ns", "ns")
        return self._default_as_prefix[iri]

    def _wrong(self, token: str, reason: str, position: int) -> FormatError:
        found = re.compile(rf"(?<![^\s,;()\[\]'=]){re.escape(token)}(?![^\s,;()\[\]'=])").search(
            self._source.text, position
        )
        return self._source.wrong(reason, found.start() if found else position)


def _undeclared(prefix: str, token: str) -> str:
    if prefix:
        return f"the prefix of {_shown(token)} is not declared"
    return f"{_shown(token)} has no prefix, and no default namespace is declared"


def _shown(token: str) -> str:
    return repr(token if len(token) <= 60 else token[:57] + "...")
