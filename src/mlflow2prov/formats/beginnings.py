"""How files of a format begin: regular expressions of bytes, matched without regard to case.

Each takes time that is linear in what it looks at: what repeats is possessive, so nothing is tried twice.
"""

from __future__ import annotations

import re

FLAGS = re.DOTALL | re.IGNORECASE
"""With these the expressions are compiled."""

_COMMENTS = rb"(?:#[^\n\r]*+[\n\r]\s*+)*+"
_IRI = rb"<(?![?!])[^\s<>\"{}|^`]*+>"
_ABSOLUTE = rb"<[a-z][a-z0-9+.-]*+:[^\s<>\"{}|^`]*+>"
_BLANK = rb"(?>_:[^\s<>\"]*[^\s<>\".])"
_TAG = rb"</?[\w:.\x80-\xff-]*+/?>"
"""What may be an element of XML without attributes, and an IRI as well."""

_LITERAL = rb"\"(?:[^\"\\\n\r]|\\.)*+(?:\Z|\"(?:\^\^" + _ABSOLUTE + rb"|@[a-z0-9-]++)?+)"
_QUAD = (
    rb"(?:%(iri)b|%(blank)b)[ \t]*+%(iri)b[ \t]*+(?:%(iri)b|%(blank)b|%(literal)b)"
    rb"[ \t]*+(?:%(iri)b|%(blank)b)?+[ \t]*+(?:\Z|\.[ \t]*+(?:[#\n\r]|\Z))"
) % {b"iri": _ABSOLUTE, b"blank": _BLANK, b"literal": _LITERAL}
_IS_A = rb"a[\s<\[]"
_OBJECT = rb"(?:[<\"'\[(]|_:)"
_TRIPLES = (
    # An IRI that can't be an element; one that can, or a blank node, with its predicate on the same line.
    rb"(?:(?!%(tag)b)%(iri)b\s*+(?:\{|%(is_a)b|%(iri)b)"
    rb"|(?:%(iri)b|%(blank)b)[ \t]++(?:\{|%(is_a)b|%(iri)b[ \t]++%(object)b)"
    rb"|\[\s*+(?:%(is_a)b|<|\]\s*+(?:\{|%(is_a)b|<)))"
) % {b"tag": _TAG, b"iri": _IRI, b"blank": _BLANK, b"is_a": _IS_A, b"object": _OBJECT}
_GRAPH = rb"\{\s*+(?:[<#\[(]|_:|[a-z\x80-\xff][\w.\x80-\xff-]*+:|:)"
"""TriG's default graph; JSON has a quote after its bracket."""

_RDF = rb"(?:@?(?:prefix|base)\b|graph\b\s*+[<\[_a-z:]|" + _GRAPH + rb"|" + _TRIPLES + rb")"
_LINKED = rb".*?\"@(?:context|graph|id|type)\"\s*+:"
"""A key of JSON-LD, wherever it stands: a quote within a text of JSON is escaped."""

_XML_HEAD = (
    rb"(?:<\?(?:[^?]|\?(?!>))*+\?>\s*+|<!--(?:[^-]|-(?!->))*+-->\s*+"
    rb"|<!DOCTYPE(?!\s++(?:[\w.-]++:)?+RDF\b)[^>\[]*+(?:\[[^\]]*+\]\s*+)?+>\s*+)*+"
)

NOTHING = b"# a document without records\n"
"""All that a file of statements says where there are none."""

NQUADS = rb"(?:" + re.escape(NOTHING) + rb"\Z|" + _COMMENTS + _QUAD + rb")"
"""One whole statement, or none; of N-Triples as well."""

TRIG = _COMMENTS + rb"(?!" + _QUAD + rb")" + _RDF
"""Turtle, too: every file of Turtle is one of TriG, and where a bundle begins is not known beforehand."""

JSON = rb"(?!" + _GRAPH + rb")\{(?!" + _LINKED + rb")"
JSONLD = rb"(?!" + _GRAPH + rb")(?:\[\s*+)?+\{" + _LINKED
PROVN = rb"(?://[^\n\r]*+[\n\r]\s*+|/\*(?:[^*]|\*(?!/))*+\*/\s*+)*+document\b"
RDFXML = _XML_HEAD + rb"<(?:!DOCTYPE\s++)?+(?:[\w.-]++:)?+RDF[\s>/\[]"
XML = rb"(?!" + _RDF + rb")<[?!a-z_\x80-\xff]"

_turtle = re.compile(rb"\s*+" + _COMMENTS + _RDF, FLAGS)


def begins_like_turtle(head: bytes) -> bool:
    """Return whether a file that begins so is Turtle or TriG, where it could be XML as well.

    >>> begins_like_turtle(b"<a> a <b> ."), begins_like_turtle(b'<a xmlns="b">')
    (True, False)
    """
    return _turtle.match(head) is not None
