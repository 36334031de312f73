"""Texts as they read: escapes decoded, accents and case left out, with the way back to what stands there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class View:
    """A text as it reads.

    Attributes:
        norm: letters and digits without accents, in lower case; a space for anything else.
        plain: what each character of ``norm`` was before, escapes decoded.
        spans: where each character stands in the text; None where it stands at its own position.
    """

    norm: str
    plain: str
    spans: tuple[tuple[int, int], ...] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where characters of ``norm`` stand in the text."""
        if self.spans is None:
            return start, end
        return self.spans[start][0], self.spans[end - 1][1]


_BLANKS = {code: " " for code in range(128) if not chr(code).isalnum()}
_ESCAPES = (
    r"(?:%(?:25)*[0-9A-Fa-f]{2})+|(?<!\\)(?:(?:\\++u[0-9A-Fa-f]{4})+|(?:\\++x[0-9A-Fa-f]{2})+)"
    r"|&\#(?:[0-9]{1,7}|x[0-9A-Fa-f]{1,6});"
)
_ESCAPE = re.compile(_ESCAPES)
_ESCAPE_OR_DASH = re.compile(rf"--|(?:-[0-9A-F]{{2}})+|{_ESCAPES}")
_TOKEN = re.compile(r"%(?:25)*([0-9A-Fa-f]{2})|\\+[ux]([0-9A-Fa-f]+)|-([0-9A-F]{2})")


def view(text: str, *, dashes: bool = False) -> View:
    """Return a text as it reads; ``dashes`` says that ``-XX`` is an escape, and ``--`` stands between parts.

    >>> view("Chlo%C3%A9_D").norm, view("a-40b--c", dashes=True).plain
    ('chloe d', 'a@b c')
    """
    has_escapes = "%" in text or "\\" in text or "&#" in text or (dashes and "-" in text)
    if text.isascii() and not has_escapes:
        return View(text.lower().translate(_BLANKS), text)
    norm: list[str] = []
    plain: list[str] = []
    spans: list[tuple[int, int]] = []
    for character, start, end in _characters(text, dashes=dashes):
        if unicodedata.combining(character):
            if spans:
                spans[-1] = (spans[-1][0], end)
            continue
        for one in _folded(character):
            norm.append(one if one.isalnum() else " ")
            plain.append(character)
            spans.append((start, end))
    return View("".join(norm), "".join(plain), tuple(spans))


def folded(text: str) -> str:
    """Return a text without accents, in lower case.

    >>> folded("Zoë"), folded("김")
    ('zoe', '김')
    """
    return "".join(_folded(character) for character in text if not unicodedata.combining(character))


def _folded(character: str) -> str:
    if character.isascii():
        return character.lower()
    letters = [one for one in unicodedata.normalize("NFD", character) if not unicodedata.combining(one)]
    return unicodedata.normalize("NFC", "".join(letters)).lower()


def _characters(text: str, *, dashes: bool) -> Iterator[tuple[str, int, int]]:
    """Each character that a text says, and where it stands."""
    last = 0
    for match in (_ESCAPE_OR_DASH if dashes else _ESCAPE).finditer(text):
        for place in range(last, match.start()):
            yield text[place], place, place + 1
        last = match.end()
        if match[0] == "--":
            yield " ", match.start(), match.end()
        elif match[0].startswith("&"):
            yield _character(match[0][2:-1]), match.start(), match.end()
        else:
            yield from _decoded(match[0], match.start())
    for place in range(last, len(text)):
        yield text[place], place, place + 1


def _character(number: str) -> str:
    code = int(number[1:], 16) if number.startswith("x") else int(number)
    return chr(code) if code < 0x110000 else " "


def _decoded(run: str, start: int) -> Iterator[tuple[str, int, int]]:
    """The characters of escapes that stand in a row: bytes of UTF-8 (else Latin-1), or units of UTF-16."""
    tokens = list(_TOKEN.finditer(run))
    edges = [start + match.start() for match in tokens] + [start + len(run)]
    values = [int(match[1] or match[2] or match[3], 16) for match in tokens]
    is_utf16 = len(tokens[0][2] or "") == 4
    raw = b"".join(value.to_bytes(2) for value in values) if is_utf16 else bytes(values)
    coding, width = ("utf-16-be", 2) if is_utf16 else ("utf-8", 1)
    try:
        text = raw.decode(coding)
    except UnicodeDecodeError:
        text, coding = "".join(map(chr, values)), ""
    sizes = [len(one.encode(coding)) // width if coding else 1 for one in text]
    ends = [0]
    for size in sizes:
        ends.append(ends[-1] + size)
    for one, (first, last) in zip(text, pairwise(ends), strict=True):
        yield one, edges[first], edges[last]
