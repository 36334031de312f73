"""The simple commands of a command line of a shell, each with the folder that it is executed in.

Only the words are looked at, and nothing is executed or filled in.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)
_STEPS = frozenset({"cd", "popd", "pushd"})
"""Commands that go to another folder."""

_KEYWORDS = frozenset({"!", "do", "elif", "else", "if", "then", "until", "while", "{"})
"""Words behind which a command begins."""

_MOST_CHARACTERS = 1 << 15
"""A longer text is taken for something else: reading takes up to the square of its length."""

_PUNCTUATION = "();|&"
_SIGNS = re.compile(r"[()]|&&|\|\||\|&?|&|;+")
_INPUT = re.compile(r"(?<!<)[0-9]*<<(?!<)")
"""What begins a word behind which the lines are not commands but what a command reads."""

_FILLED_IN = ("$", "<", ">")
"""What stands before the bracket of commands in whose place their output comes, or a file with it."""


class Simple(NamedTuple):
    """A simple command.

    Attributes:
        words: without the variables that are set for it.
        folder: where it is executed, relative to where the line is; a part that is not known begins with ``$``.
    """

    words: list[str]
    folder: str


@dataclass(slots=True)
class _Level:
    """A shell, or one within brackets, which has a folder of its own.

    Attributes:
        folder: the one that the last commands went to.
        begun: the one in which the list of commands began that ``&`` puts into the background.
        is_piped: whether the command takes what another one writes.
        otherwise: the folder of a command that is executed only if the one before it fails; None of others.
        words: of the command.
        is_part: whether what the commands write is part of a word of the command around them.
    """

    folder: str
    begun: str
    is_piped: bool = False
    otherwise: str | None = None
    words: list[str] = field(default_factory=list)
    is_part: bool = False


def simple_commands(command: str, *, escapes: bool = True) -> Iterator[Simple]:
    """Yield the simple commands; ``cd`` is followed instead.

    Of a text of more than 32,768 characters there are none, and none of one that holds what a command reads (``<<``).

    Args:
        command: of a shell.
        escapes: whether a backslash stands before a sign that is to be taken as it is, and not in a path of Windows.

    >>> [*simple_commands("(cd src && A=1 make); python train.py")]
    [Simple(words=['make'], folder='src'), Simple(words=['python', 'train.py'], folder='')]
    """
    if len(command) > _MOST_CHARACTERS:
        return
    levels = [_Level("", "")]
    words = _words(command, escapes=escapes)
    if any(map(_INPUT.match, words)):
        return
    for word in [*words, ";"]:
        if word.strip(_PUNCTUATION):
            levels[-1].words.append(word)
            continue
        for sign in _SIGNS.findall(word):
            level = levels[-1]
            if sign == "(" and level.words and level.words[-1].endswith(_FILLED_IN):
                levels.append(_Level(level.folder, level.folder, is_part=True))
                continue
            yield from _ended(level, sign)
            if sign == "(":
                levels.append(_Level(level.folder, level.folder))
            elif sign == ")" and len(levels) > 1:
                levels.pop()
                if level.is_part:
                    levels[-1].words.append("$")
    for level in reversed(levels):
        yield from _ended(level, ";")


def _ended(level: _Level, sign: str) -> Iterator[Simple]:
    """Yield the command that a sign ends, and go on to the next one."""
    before, words = level.folder, _without_assignments(level.words)
    otherwise, level.otherwise = level.otherwise, None
    level.words = []
    if words and words[0] in _STEPS:
        is_said = len(words) == 2 and not words[1].startswith("-") and otherwise is None
        level.folder = posixpath.join(before, words[1] if is_said else "$OLDPWD")
        level.otherwise = before if sign == "||" else None
    elif words:
        yield Simple(words, before if otherwise is None else otherwise)
    is_pipe = sign in {"|", "|&"}
    if is_pipe or level.is_piped:  # which is executed by a shell of its own
        level.folder = before
    if sign == "&":
        level.folder = level.begun
    if sign == "&" or sign.startswith(";"):
        level.begun = level.folder
    level.is_piped = is_pipe


def _words(command: str, *, escapes: bool) -> list[str]:
    lexer = shlex.shlex(
        command.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars=_PUNCTUATION
    )
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = lexer.escape if escapes else ""
    try:
        return list(lexer)
    except ValueError:  # such as of a quotation that does not end
        return command.split()


def _without_assignments(words: list[str]) -> list[str]:
    """Return the words of a command without the variables that are set for it, and the keywords before it."""
    for place, word in enumerate(words):
        if word not in _KEYWORDS and not _ASSIGNMENT.fullmatch(word):
            return words[place:]
    return []
