"""How a syntax of RDF writes triples: what the writers of PROV-O hand to :mod:`mlflow2prov.formats.provo`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlflow2prov.formats.provo_terms import TYPE
from mlflow2prov.formats.text import literal

_LABEL_CHARACTERS = "[A-Za-z0-9]+"

Around = tuple[str, str]
"""What stands before and after an object, its property among it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Syntax:
    """How triples are written; SQL goes in and out, but for constants.

    Attributes:
        name: the text of an identifier, from its ``prefix``, ``local`` and IRI, all SQL.
        value: the text of a qualified name that is a value, from its token and its IRI, both SQL.
        node: the text of an IRI that is legal, and spelled by no prefix.
        blank: the text of a blank node, from its label.
        term: the text of a term of PROV-O or ours; constants.
        opening: what stands before the properties of a subject.
        separator: what stands between two properties of a subject.
        closing: what stands after the properties of a subject.
        about: what stands around an object that is an IRI; constants.
        typed: what stands around a literal, from its property, datatype and language; constants.
        escaped: the text of a literal's lexical form.
    """

    name: Callable[[str, str, str], str]
    value: Callable[[str, str], str]
    node: Callable[[str], str]
    blank: Callable[[str], str]
    term: Callable[[str], str]
    opening: Callable[[str], str]
    separator: Callable[[str], str]
    closing: str
    about: Callable[[str], Around]
    typed: Callable[[str, str | None, str | None], Around]
    escaped: Callable[[str], str]

    def names(self) -> str:
        """SQL of an identifier's text ``t`` and its IRI ``i``, for :func:`projecting`."""
        label = f"CASE WHEN regexp_full_match(n.local, '{_LABEL_CHARACTERS}') THEN n.local ELSE 'x' || md5(n.local) END"
        return (
            f"CASE WHEN n.iri IS NULL THEN {{'t': {self.blank(label)}, 'i': concat('_:', n.local)}} "
            f"ELSE {{'t': {self.name('n.prefix', 'n.local', 'n.iri')}, 'i': n.iri}} END"
        )

    def block(self, subject: str, properties: Sequence[str], more: str = "NULL") -> str:
        """SQL of the triples of one subject; a property that is NULL is left out, but for the first.

        ``more`` are properties that have the separator before each already.
        """
        first, *others = properties
        separated = "".join(f"{self.separator(subject)} || {text}, " for text in others)
        return f"{self.opening(subject)}, {first}, {separated}{more}, {literal(self.closing)}"

    def said(self, term: str, text: str) -> str:
        """SQL of a property whose object is a text of ``name``, ``value`` or ``node``."""
        return joined(self.about(term), text)

    def is_a(self, term: str) -> str:
        """SQL of the statement that something is of a class of PROV-O or ours."""
        return self.said(TYPE, literal(self.term(term)))


def joined(around: Around, text: str) -> str:
    """SQL of an object with what stands around it; NULL if it is."""
    before, after = around
    return f"{literal(before)} || {text}" + (f" || {literal(after)}" if after else "")
