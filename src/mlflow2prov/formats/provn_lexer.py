"""PROV-N as text: a window on a file, and what tokens look like in it (PROV-N, section 3.8).

Only a window of the file is held, which grows up to the largest record that is taken.
"""

from __future__ import annotations

import codecs
import re
from typing import BinaryIO

from mlflow2prov.errors import FormatError
from mlflow2prov.formats.provn_names import IRI, LOCAL, PREFIX
from mlflow2prov.formats.text import LARGEST_RECORD_BYTES

_CHUNK = 2**20
_SHORT = 2**12
"""A token other than a text or a comment that is longer than this is none."""

_LONGEST = 2**20
"""Likewise what no token is longer than, whatever is in the window: matching one takes memory for each character."""

_S = r"[ \t\r\n]*+"
_STRING = r'"(?!"")([^"\\\n\r]*+(?:\\.[^"\\\n\r]*+)*+)"'
_LANGUAGE = r"@([A-Za-z]++(?:-[A-Za-z0-9]++)*+)"
_WORD = r"(?!/[/*])[^ \t\r\n,;()\[\]\"'=<>\\{}|^`%]++"
"""What stands between two marks: a name without escapes or an instant, if it is right at all."""

RECORD = re.compile(
    rf"{_S}({_WORD}){_S}\({_S}(?:({_WORD}){_S};{_S})?+({_WORD})"
    + rf"(?:{_S},{_S}({_WORD}))?+" * 4
    + rf"{_S}(?:(\))|,{_S}\[)"
)
"""The plain form of a record, up to its end or its attributes: keyword, identifier, five arguments, end."""

ATTRIBUTE = re.compile(
    rf"{_S}({_WORD}){_S}={_S}(?:{_STRING}(?:{_LANGUAGE}|{_S}%%{_S}({_WORD}))?+|'([^'\\\n\r]*+)'|(-?[0-9]++))"
    rf"{_S}(,|\]{_S}\))"
)
"""The plain form of an attribute: name, text, language, datatype, qualified name, number, what follows."""

_BLANKS = re.compile(r"(?:[ \t\r\n]++|//[^\n\r]*+|/\*(?s:.*?)\*/)*+")
_WHOLE_BLANKS = re.compile(r"(?:[ \t\r\n]++|//[^\n\r]*+[\n\r]|/\*(?s:.*?)\*/)*+")
NAME = re.compile(rf"(?:{PREFIX}:(?:{LOCAL})?|(?:{LOCAL}))")
SPLIT_NAME = re.compile(rf"(?:({PREFIX}):)?((?:{LOCAL})?)")
PREFIX_NAME = re.compile(PREFIX)
_INSTANT = r"-?[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
FIRST_ARGUMENT = re.compile(rf"{NAME.pattern}|{_INSTANT}|-")
ARGUMENT = re.compile(rf"{FIRST_ARGUMENT.pattern}|\[")
IRI_REFERENCE = re.compile(rf"<((?:{IRI}|\\u[0-9A-Fa-f]{{4}}|\\U[0-9A-Fa-f]{{8}})*+)>")
SHORT_STRING = re.compile(_STRING)
LONG_STRING = re.compile(r'"""([^"\\]*+(?:(?:\\.|"(?!""))[^"\\]*+)*+)"""', re.DOTALL)
LANGUAGE = re.compile(_LANGUAGE)
INTEGER = re.compile(r"-?[0-9]++")
OPENING, CLOSING, EQUALS = re.compile(r"\("), re.compile(r"\)"), re.compile("=")
MARK, ATTRIBUTE_MARK = re.compile("[,;)]"), re.compile(r"[,\]]")
QUALIFIED_NAME = re.compile(r"'((?:[^'\\\n\r]|\\.)*+)'")

_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_LETTERS = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_NAME_ESCAPE = re.compile(r"\\(.)")


class MoreNeeded(Exception):  # noqa: N818 - no error, but a request
    """The window ends within what is being read."""


class Source:
    """A window on the text of a file: ``text``, of which what stands before ``position`` is done with."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._line = 1
        self._column = 0
        self.text = ""
        self.position = 0
        self.is_whole = False

    def fill(self) -> None:
        """Let go of what is done with, and read on: as much as is left, at least.

        Raises:
            FormatError: it is no UTF-8, or the rest is larger than a record may be.
        """
        rest = self.text[self.position :]
        if len(rest) > LARGEST_RECORD_BYTES:
            raise self.wrong(f"a record has more than {LARGEST_RECORD_BYTES:,} bytes", self.position)
        lines = self.text.count("\n", 0, self.position)
        self._line += lines
        start = self.text.rfind("\n", 0, self.position) + 1 if lines else -self._column
        self._column = self.position - start
        self.text, self.position = rest, 0
        raw = self._file.read(max(_CHUNK, len(rest)))
        try:
            added = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            self.text += error.object[: error.start].decode()
            raise self.wrong("this is not UTF-8", len(self.text)) from error
        self.is_whole = not raw
        self.text = rest + added

    def wrong(self, reason: str, position: int) -> FormatError:
        """Return the error for what stands at a position of the window."""
        line = self._line + self.text.count("\n", 0, position)
        start = self.text.rfind("\n", 0, position) + 1
        column = position - start + 1 + (self._column if start == 0 else 0)
        return FormatError(f"{self._name} is not a PROV-N document: line {line}, column {column}: {reason}")

    def pass_blanks(self) -> None:
        """Be done with white space and whole comments."""
        match = _WHOLE_BLANKS.match(self.text, self.position)
        self.position = match.end() if match else self.position

    def skip(self, position: int) -> int:
        """Return the position after white space and comments."""
        match = _BLANKS.match(self.text, position)
        position = match.end() if match else position
        if not self.is_whole and len(self.text) - position < 4:
            raise MoreNeeded
        if self.text.startswith("/*", position):
            if not self.is_whole:
                raise MoreNeeded
            raise self.wrong("the comment that starts here has no end", position)
        return position

    def take(self, pattern: re.Pattern[str], position: int, expected: str) -> re.Match[str]:
        """Return the token at a position, white space and comments before it left out.

        Raises:
            FormatError: there is another one.
            MoreNeeded: the window may end within it.
        """
        position = self.skip(position)
        is_text = self.text[position : position + 1] in ('"', "'")
        end = len(self.text) if is_text else min(len(self.text), position + _LONGEST)
        match = pattern.match(self.text, position, end)
        if match is not None and (match.end() < end or (self.is_whole and end == len(self.text))):
            return match
        if match is not None and end < len(self.text):
            raise self.wrong(f"{expected} of at most {_LONGEST:,} characters is expected", position)
        if match is not None or self._may_go_on(position):
            raise MoreNeeded
        raise self.wrong(f"{expected} is expected{self.found(position)}", position)

    def _may_go_on(self, position: int) -> bool:
        if self.is_whole:
            return False
        return len(self.text) - position < _SHORT or self.text[position] in "\"'"

    def found(self, position: int) -> str:
        """Return words for what is found at a position instead of what is expected."""
        if position >= len(self.text):
            return ", but the file ends here"
        return f", not {self.text[position : position + 30].splitlines()[0]!r}"


def unescaped(text: str) -> str:
    r"""Return a text without its escapes (production [ECHAR], and section 6 for code points).

    Raises:
        ValueError: an escape is none.

    >>> unescaped(r"a \"b\"\n\u00e9")
    'a "b"\né'
    """
    if "\\" not in text:
        return text
    result = _ESCAPE.sub(_character, text)
    if any("\ud800" <= character <= "\udfff" for character in result):
        # Some writers, Java's above all, write one character as two surrogates.
        result = result.encode("utf-16", "surrogatepass").decode("utf-16")
    return result


def _character(match: re.Match[str]) -> str:
    short, long, letter = match.groups()
    if letter is None:
        return chr(int(short or long, 16))
    if letter not in _LETTERS:
        raise ValueError(f"there is no escape \\{letter}")
    return _LETTERS[letter]


def unescaped_name(local: str) -> str:
    r"""Return a local part without its backslashes (production [55]).

    >>> unescaped_name(r"a\:b\(1\)")
    'a:b(1)'
    """
    return _NAME_ESCAPE.sub(r"\1", local) if "\\" in local else local
