"""Texts as they read: escapes decoded, accents, case and what is not seen left out, with the way back.

Letters are compared as Unicode compares them without regard to form and case (NFKC and case folding, here
without accents): full-width letters, ligatures, composed and decomposed ones are one. Letters with a
stroke and joined ones count as those that stand for them where they are not at hand, such as l for ł.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class View:
    """A text as it reads.

    Attributes:
        norm: letters and digits without accents, in lower case; a space for anything else.
        plain: what each character of ``norm`` was before, escapes decoded.
        spans: where each character stands in the text; None where it stands at its own position.
        has_unseen: whether there are characters that are not seen.
    """

    norm: str
    plain: str
    spans: tuple[tuple[int, int], ...] | None = None
    has_unseen: bool = False

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where characters of ``norm`` stand in the text."""
        if self.spans is None:
            return start, end
        return self.spans[start][0], self.spans[end - 1][1]


_UNSEEN = re.compile(
    r"[\xad\u034f\u061c\u0640\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff]"
)
"""What Unicode calls default ignorable, such as soft hyphens and zero-width spaces, and the Arabic tatweel."""

LETTERS = {
    **{"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l"},
    **{"ŋ": "n", "þ": "th", "ŧ": "t"},
}
"""Letters that are no others with an accent, and what stands for them."""

_JOINING = re.compile(
    r"[\u1161-\u1175\u11a8-\u11c2\u09be\u09d7\u0b3e\u0b56\u0b57\u0bbe\u0bd7\u0cc2\u0cd5\u0cd6\u0d3e\u0d57"
    r"\u0dcf\u0ddf\u102e\u1b35\U00011127\U0001133e\U00011357\U000114b0\U000114ba\U000114bd\U000115af\U00011930]"
)
"""What makes one character with the one before, and is no accent, such as the vowels of Korean syllables."""

_BLANKS = {code: " " for code in range(128) if not chr(code).isalnum()}
_ESCAPES = (
    r"(?:%(?:25)*[0-9A-Fa-f]{2})+|(?<!\\)(?:(?:\\++u[0-9A-Fa-f]{4})+|(?:\\++x[0-9A-Fa-f]{2})+)"
    r"|(?<!\\)(?:\\++[23][0-7]{2})+|&(?:\#(?:[0-9]{1,7}|[xX][0-9A-Fa-f]{1,6})|[A-Za-z][A-Za-z0-9]{1,30});"
)
_ESCAPE = re.compile(_ESCAPES)
_ESCAPE_OR_DASH = re.compile(rf"--|(?:-[0-9A-F]{{2}})+|{_ESCAPES}")
_TOKEN = re.compile(r"%(?:25)*([0-9A-Fa-f]{2})|\\+[ux]([0-9A-Fa-f]+)|-([0-9A-F]{2})|\\+([23][0-7]{2})")


def view(text: str, *, dashes: bool = False, breaks: bool = False) -> View:
    """Return a text as it reads.

    Args:
        text: any text.
        dashes: ``-XX`` is an escape, and ``--`` stands between parts.
        breaks: what is not seen stands between words, not inside them.

    >>> view("Chlo%C3%A9_D").norm, view("a-40b--c", dashes=True).plain
    ('chloe d', 'a@b c')
    >>> view("Lo&shy;ve").norm, view("Li%E2%80%8BWu", breaks=True).norm
    ('love', 'li wu')
    """
    is_referring = "&" in text and ";" in text
    has_escapes = "%" in text or "\\" in text or is_referring or (dashes and "-" in text)
    if text.isascii() and not has_escapes:
        return View(text.lower().translate(_BLANKS), text)
    if not has_escapes and not _JOINING.search(text):
        try:
            return View(text.translate(_NORM), text.translate(_PLAIN))
        except _NotOneError:  # letters that are several, or none
            pass
    return _spread(text, dashes=dashes, breaks=breaks)


def _spread(text: str, *, dashes: bool, breaks: bool) -> View:
    """The view of a text in which characters are not letters one by one."""
    norm: list[str] = []
    plain: list[str] = []
    spans: list[tuple[int, int]] = []
    has_unseen = False
    for character, start, end in _characters(text, dashes=dashes):
        is_unseen = _UNSEEN.match(character) is not None
        has_unseen |= is_unseen
        letters = ((" ", " "),) if is_unseen and breaks else _letters(character)
        if not letters and spans:
            spans[-1] = (spans[-1][0], end)
        for one, letter in letters:
            joined = _joined(plain[-1], letter) if plain and _JOINING.match(letter) else None
            if joined:
                norm[-1], plain[-1], spans[-1] = joined, joined, (spans[-1][0], end)
                continue
            norm.append(one if one.isalnum() else " ")
            plain.append(letter)
            spans.append((start, end))
    return View("".join(norm), "".join(plain), tuple(spans), has_unseen)


def folded(text: str) -> str:
    r"""Return a text without accents and what is not seen, in lower case, whatever the form of its letters.

    >>> folded("Zoë"), folded("김"), folded("Ｌｏ\xadve"), folded("Straße"), folded("Łukasz")
    ('zoe', '김', 'love', 'strasse', 'lukasz')
    """
    found: list[str] = []
    for character in text:
        for one, letter in _letters(character):
            joined = _joined(found[-1], letter) if found and _JOINING.match(letter) else None
            found[-1:] = [joined] if joined else [*found[-1:], one]
    return "".join(found)


def unified(text: str) -> str:
    """Return a text in the usual form of its letters (NFKC), without what is not seen.

    >>> unified("ａda\u200b@example.org")
    'ada@example.org'
    """
    return text if text.isascii() else unicodedata.normalize("NFKC", _UNSEEN.sub("", text))


@lru_cache(maxsize=8192)
def _letters(character: str) -> tuple[tuple[str, str], ...]:
    """What a character reads, letter by letter, in lower case and as it stands; nothing for accents."""
    if character.isascii():
        return ((character.lower(), character),)
    if _UNSEEN.match(character):
        return ()
    letters = [one for one in unicodedata.normalize("NFKD", character) if not unicodedata.combining(one)]
    composed = unicodedata.normalize("NFC", "".join(letters))
    return tuple((one, letter) for letter in composed for one in _lower(letter))


class _NotOneError(Exception):
    """A character reads as several letters, or as none."""


class _One(dict[int, str]):
    """What characters read that are one letter, by code: in lower case (position 0), or as they stand (1)."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self._position = position

    def __missing__(self, code: int) -> str:
        letters = _letters(chr(code))
        if len(letters) != 1:
            raise _NotOneError
        one = letters[0][self._position]
        self[code] = one if self._position or one.isalnum() else " "
        return self[code]


_NORM, _PLAIN = _One(0), _One(1)


def _lower(letter: str) -> str:
    lower = letter.casefold()
    return LETTERS.get(lower, lower)


def _joined(before: str, letter: str) -> str | None:
    """The one character that two make together."""
    together = unicodedata.normalize("NFC", before + letter)
    return together if len(together) == 1 else None


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
            yield from _reference(match[0], match.start())
        else:
            yield from _decoded(match[0], match.start())
    for place in range(last, len(text)):
        yield text[place], place, place + 1


def _reference(reference: str, start: int) -> Iterator[tuple[str, int, int]]:
    """The characters of a reference of HTML; what is none stays."""
    said = html.unescape(reference)
    if "&" in said and len(said) > 1:
        yield from ((one, place, place + 1) for place, one in enumerate(reference, start))
    else:
        yield from ((one, start, start + len(reference)) for one in said or " ")


def _decoded(run: str, start: int) -> Iterator[tuple[str, int, int]]:
    """The characters of escapes that stand in a row: bytes of UTF-8 (else Latin-1), or units of UTF-16."""
    tokens = list(_TOKEN.finditer(run))
    edges = [start + match.start() for match in tokens] + [start + len(run)]
    values = [int(match[4], 8) if match[4] else int(match[1] or match[2] or match[3], 16) for match in tokens]
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
