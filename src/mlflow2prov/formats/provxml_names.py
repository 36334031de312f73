"""Names and text in PROV-XML: which prefixes, element names and characters XML can have.

XML (https://www.w3.org/TR/xml-names/) is stricter than PROV-DM: prefixes and the names of elements are
``NCName``, and there are characters that no document can hold.
"""

from __future__ import annotations

import re
from functools import lru_cache
from xml.parsers import expat

from mlflow2prov.errors import FormatError
from mlflow2prov.formats.text import literal
from mlflow2prov.prov.namespaces import PROV, XSD
from mlflow2prov.prov.text import clean_text

XSI = "http://www.w3.org/2001/XMLSchema-instance"
XML = "http://www.w3.org/XML/1998/namespace"
XMLNS = "http://www.w3.org/2000/xmlns/"
XML_SCHEMA = XSD.removesuffix("#")
"""What XML calls the namespace that PROV-JSON and PROV-N write with a ``#`` at its end."""

GENID = "https://w3id.org/mlflow2prov/genid/"
"""The namespace of names that hold within one document only: blank ones of the graph."""

ILLEGAL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x{FFFE}\x{FFFF}]"
"""What XML 1.0 (section 2.2) has no place for, as a regular expression of the engine."""

_ILLEGAL_CODES = (*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), 0xFFFE, 0xFFFF)

_START = (
    r"A-Z_a-z\xc0-\xd6\xd8-\xf6\xf8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef"
    r"\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAME_START = re.compile(f"[{_START}]")
_NAME_CHARACTER = re.compile(rf"[{_START}0-9.\-\xb7\u0300-\u036f\u203f\u2040]")
_ESCAPE = re.compile("(?=(_x[0-9A-F]{4}(?:[0-9A-F]{4})?_))")
_ESCAPED = re.compile("_x([0-9A-F]{4}(?:[0-9A-F]{4})?)_")


@lru_cache(4096)
def _fits(character: str, *, at_start: bool) -> bool:
    """Whether a character can stand in a name, in both editions of XML 1.0 that parsers follow."""
    if not (_NAME_START if at_start else _NAME_CHARACTER).fullmatch(character):
        return False
    if character.isascii():
        return True
    try:
        expat.ParserCreate().Parse(f"<{'' if at_start else 'a'}{character}/>".encode(), True)
    except expat.ExpatError:
        return False
    return True


def is_name(text: str) -> bool:
    """Return whether a text is an ``NCName``.

    >>> is_name("x-1"), is_name("1x"), is_name("a/b"), is_name("é"), is_name("")
    (True, False, False, True, False)
    """
    return bool(text) and _fits(text[0], at_start=True) and all(_fits(c, at_start=False) for c in text[1:])


def name_tail(text: str) -> str:
    """Return the longest end of a text that can be the name of an element; it may be empty.

    What looks like an escape of the ``prov`` library (``_x002F_``) is cut through.

    >>> name_tail("c/d"), name_tail("x-1"), name_tail("0/1"), name_tail("a_x002F_b")
    ('d', 'x-1', '', 'x002F_b')
    """
    start = len(text)
    while start and _fits(text[start - 1], at_start=False):
        start -= 1
    while start < len(text) and not _fits(text[start], at_start=True):
        start += 1
    for escape in _ESCAPE.finditer(text, start):
        start = escape.start() + 1
    return text[start:]


def unescaped(local: str) -> str:
    """Return an element's name without the escapes by which the ``prov`` library makes names of any text.

    >>> unescaped("a_x002F_b"), unescaped("a_b")
    ('a/b', 'a_b')
    """
    return _ESCAPED.sub(_character, local) if "_x" in local else local


def _character(escape: re.Match[str]) -> str:
    code = int(escape[1], 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else escape[0]


def in_attribute(text: str) -> str:
    r"""Return a text as it stands between the quotes of an XML attribute.

    >>> in_attribute('a"<\n\x01'), in_attribute("ex:a&b")
    ('a&quot;&lt;&#10;\\x01', 'ex:a&amp;b')
    """
    text = clean_text(text.encode())
    for character, written in (("&", "&amp;"), *_IN_TEXT, *_IN_QUOTES):
        text = text.replace(character, written)
    return text


_IN_TEXT = (("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;"))
_IN_QUOTES = (('"', "&quot;"), ("\t", "&#9;"), ("\n", "&#10;"))


def escaping_sql(text: str, *, in_quotes: bool, has_illegal: bool) -> str:
    """Return SQL of a text (SQL, too) as it stands in XML.

    Args:
        text: what to write.
        in_quotes: whether it stands in an attribute, where white space is not itself.
        has_illegal: whether it may have characters that XML can't; they are shown as ``clean_text`` does.
    """
    if has_illegal:
        for code in _ILLEGAL_CODES:
            shown = "".join(f"\\x{byte:02x}" for byte in chr(code).encode())
            text = f"replace({text}, chr({code}), '{shown}')"
    for character, written in (("&", "&amp;"), *_IN_TEXT, *(_IN_QUOTES if in_quotes else ())):
        text = f"replace({text}, chr({ord(character)}), '{written}')"
    return text


class Namespaces:
    """The prefixes of a document: those of the graph where XML can have them, and others for the rest.

    Attributes:
        declared: the IRI of each prefix, as the document declares them.
        renamed: what the graph's prefixes are called where XML can't have them.
    """

    def __init__(self, prefixes: dict[str, str], *, has_blank: bool) -> None:
        """Choose prefixes for those of a graph; ``has_blank`` says whether some names are blank.

        Raises:
            FormatError: a prefix stands for what XML can't declare.
        """
        self._graph = prefixes
        self._last_number = 0
        self.declared: dict[str, str] = {"prov": PROV, "xsd": XML_SCHEMA, "xsi": XSI}
        self.renamed: dict[str, str] = {}
        for prefix, iri in prefixes.items():
            if iri in ("", XMLNS):
                raise FormatError(
                    f"can't write this as PROV-XML: the prefix {prefix!r} stands for {iri!r}, which XML can't declare"
                )
            if prefix not in ("prov", "xsd"):
                self._take(prefix, iri)
        if has_blank:
            self._take("_", GENID, wanted="genid")
        self._by_iri = {iri: prefix for prefix, iri in self.declared.items() if prefix}

    def _take(self, prefix: str, iri: str, *, wanted: str | None = None) -> None:
        name = prefix if wanted is None else wanted
        if iri == XML:
            name = "xml"  # the one prefix that this namespace has
        elif self.declared.get(name) == iri:
            return
        elif name and (not is_name(name) or name.lower() in ("xml", "xmlns", "xsi") or name in self.declared):
            name = self._fresh()
        if name != prefix:
            self.renamed[prefix] = name
        self.declared[name] = iri

    def _fresh(self) -> str:
        while True:
            self._last_number += 1
            name = f"ns{self._last_number}"
            if name not in self.declared and name not in self._graph:
                return name

    def spelled(self, name: str, what: str) -> str:
        """Return a name of the graph (``prefix:local``) so that XML has it as a qualified name.

        Where the local part is none that XML allows, the start of it moves into a namespace of its own.

        Raises:
            FormatError: no part of the name at its end is one that XML allows.
        """
        prefix, colon, local = name.partition(":")
        if not colon:
            prefix, local = "", name
        tail = name_tail(local)
        if tail == local and local:
            own = self.renamed.get(prefix, prefix)
            return f"{own}:{local}" if own else local
        iri = (GENID if prefix == "_" else self._graph[prefix]) + local[: len(local) - len(tail)]
        if not tail:
            raise FormatError(
                f"can't write this as PROV-XML: the {what} {name!r} ({iri}) does not end in a name that XML "
                "can have, which begins with a letter; formats such as json or provn can"
            )
        if iri not in self._by_iri:
            self._by_iri[iri] = self._fresh()
            self.declared[self._by_iri[iri]] = iri
        return f"{self._by_iri[iri]}:{tail}"

    def own_prefix_sql(self, prefix: str) -> str:
        """Return SQL of the document's prefix for a prefix of the graph (SQL, too)."""
        if not self.renamed:
            return prefix
        ours, theirs = ([literal(text) for text in texts] for texts in (self.renamed.values(), self.renamed))
        return f"coalesce([{', '.join(ours)}][list_position([{', '.join(theirs)}], {prefix})], {prefix})"
