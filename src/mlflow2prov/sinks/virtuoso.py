"""What Virtuoso (https://vos.openlinksw.com/) needs otherwise than the Graph Store HTTP Protocol has it.

It has no default graph to push into. It takes no notice of ``Content-Type`` but guesses from the first 64 KiB:
what has ``<html>`` anywhere is a page, what has no whole line is plain text. And it cuts IRIs off
at some 1,850 bytes, so that two would become one.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import requests

    from mlflow2prov.formats.provo_syntax import Syntax

HEAD = b"#\n" * 4
"""Lines of N-Triples that say nothing: Virtuoso compares what is left when it cuts off up to three lines."""

_LONGEST = 1_800
_KEPT_CHARACTERS = 400
"""Of an IRI that is too long; they are no more than four times as many bytes."""

_NO_DEFAULT = re.compile(r"not configured to have default graph", re.IGNORECASE)


def is_virtuoso(answer: requests.Response) -> bool:
    """Return whether an answer is one of Virtuoso's, be it by way of a proxy."""
    path = urlsplit(answer.url).path
    return answer.headers.get("Server", "").startswith("Virtuoso") or "/sparql-graph-crud" in path


def lacks_default_graph(said: str) -> bool:
    """Return whether a store says that it has none.

    >>> lacks_default_graph("… but the endpoint is not configured to have default graph")
    True
    """
    return _NO_DEFAULT.search(said) is not None


def adapted(syntax: Syntax) -> Syntax:
    """Return a syntax of N-Triples in which no literal looks like a page, and no IRI is too long."""
    return replace(
        syntax,
        name=lambda prefix, local, iri: _short(syntax.name(prefix, local, iri)),
        value=lambda token, iri: _short(syntax.value(token, iri)),
        escaped=lambda text: f"replace({syntax.escaped(text)}, '<', '\\u003C')",
    )


def _short(iri: str) -> str:
    """SQL of an IRI in brackets; of one that is too long, the start and a digest of the whole."""
    start = f"regexp_replace(left({iri}, {_KEPT_CHARACTERS}), '%.?$', '')"
    return f"CASE WHEN strlen({iri}) > {_LONGEST} THEN concat({start}, '--', md5({iri}), '>') ELSE {iri} END"
