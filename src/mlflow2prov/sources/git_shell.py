"""The simple commands of a command line of a shell, each with the folder that it is executed in.

Only the words are looked at, and nothing is executed or filled in. Which folder that is depends on which commands
fail: ``[ -d src ] && cd src; python train.py`` may execute ``train.py`` in two. A ``cd`` is taken to succeed, but
for what the line itself does where it fails, and any other command for one that may fail.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

_ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)
_STEPS = frozenset({"cd", "popd", "pushd"})
"""Commands that go to another folder."""

_LEAVING = frozenset({"exit", "return"})
_LEAVING_LOOP = frozenset({"break", "continue"})
"""Commands behind which nothing is executed, or nothing of a loop."""

_UNKNOWN = "$OLDPWD"
"""A folder that is not known."""

_MOST_CHARACTERS = 1 << 15
"""A longer text is taken for something else: reading takes up to the square of its length."""

_LONGEST_FOLDER = 1 << 12

_PUNCTUATION = "();|&"
_SIGNS = re.compile(r"[()]|&&|\|\||\|&?|&|;+")
_INPUT = re.compile(r"(?<!<)[0-9]*<<(?!<)")
"""What begins a word behind which the lines are not commands but what a command reads."""

_REDIRECTION = re.compile(r"[0-9]*(?:>>?|<>?)[&|]?(.*)", re.DOTALL)
_FILLED_IN = ("$", "<", ">")
"""What stands before the bracket of commands in whose place their output comes, or a file with it."""

Folder: TypeAlias = "str | None"
"""The folder that something is executed in; None where it never is."""


class Simple(NamedTuple):
    """A simple command.

    Attributes:
        words: without the variables that are set for it.
        folder: where it is executed, relative to where the line is; a part that is not known begins with ``$``.
    """

    words: list[str]
    folder: str


class _After(NamedTuple):
    """The folders in which a shell may be behind a command.

    Attributes:
        done: if the command succeeded.
        failed: if it failed.
        lost: if it failed because ``cd`` did.
    """

    done: Folder
    failed: Folder
    lost: Folder = None

    def joined(self, other: _After) -> _After:
        """Return where the shell may be behind either of two commands."""
        return _After(*(_joined(ours, theirs) for ours, theirs in zip(self, other, strict=True)))


def _joined(one: Folder, other: Folder) -> Folder:
    """Return the folder that is one of two.

    >>> _joined("src", None), _joined("src", "src"), _joined("src", "")
    ('src', 'src', '$OLDPWD')
    """
    if one is None or other is None or one == other:
        return other if one is None else one
    return _UNKNOWN


@dataclass(slots=True)
class _Frame:
    """A list of commands: of the line, within brackets, or of a compound command.

    Attributes:
        kind: the word or sign that began it.
        start: the folder in which it begins.
        begun: the one in which the list of commands began that ``&`` puts into the background.
        first: how many commands were found before it.
        after: where the shell is behind the last command.
        connector: what stands before the command: ``;``, ``&&`` or ``||``.
        is_piped: whether the command takes what another one writes.
        is_negated: whether ``!`` stands before it.
        words: of the command.
        compound: what a compound command leaves, which is the command.
        tested: where the shell was behind the last command of the list that ``then`` or ``do`` asks for.
        otherwise: the folder in which the next branch begins.
        ends: the one in which the branches before it ended, or which they left by ``break``.
        defines: whether the next compound command is that of a function, and not executed here.
        is_part: whether what the commands write is part of a word of the command around them.
    """

    kind: str
    start: Folder
    begun: Folder
    first: int
    after: _After
    connector: str = ";"
    is_piped: bool = False
    is_negated: bool = False
    words: list[str] = field(default_factory=list)
    compound: _After | None = None
    tested: _After | None = None
    otherwise: Folder = None
    ends: Folder = None
    defines: bool = False
    is_part: bool = False

    def place(self) -> Folder:
        """Return where the command is executed."""
        if self.connector == "&&":
            return self.after.done
        failed = self.after.failed
        if self.connector == "||":
            return _joined(failed, self.after.lost)
        return _joined(self.after.done, failed)

    def passed(self) -> _After:
        """Return where the shell is if the command is not executed."""
        if self.connector == "&&":
            return self.after._replace(done=None)
        return _After(self.after.done if self.connector == "||" else None, None)

    def go_on_in(self, folder: Folder) -> None:
        """Begin a list of commands in a folder."""
        self.begun, self.after, self.connector = folder, _After(folder, folder), ";"


def simple_commands(command: str, *, escapes: bool = True) -> Iterator[Simple]:
    """Yield the simple commands; ``cd`` is followed instead.

    Of a text of more than 32,768 characters there are none, and none of one that holds what a command reads (``<<``).

    Args:
        command: of a shell.
        escapes: whether a backslash stands before a sign that is to be taken as it is, and not in a path of Windows.

    >>> [*simple_commands("(cd src && A=1 make); python train.py")]
    [Simple(words=['make'], folder='src'), Simple(words=['python', 'train.py'], folder='')]
    >>> [*simple_commands("make && cd src; python train.py")][1:]
    [Simple(words=['python', 'train.py'], folder='$OLDPWD')]
    """
    if len(command) > _MOST_CHARACTERS:
        return
    words = _words(command, escapes=escapes)
    if not any(map(_INPUT.match, words)):
        yield from _Reader().read(words)


class _Reader:
    """Reads the words of a command line; as many frames and commands as words are held."""

    def __init__(self) -> None:
        self._found: list[Simple] = []
        self._frames = [_Frame("", "", "", 0, _After("", ""))]

    def read(self, words: Sequence[str]) -> list[Simple]:
        """Return the commands."""
        for place, word in enumerate(words):
            before = words[place - 1] if place else ""
            after = words[place + 1] if place + 1 < len(words) else ""
            if word.strip(_PUNCTUATION):
                self._word(word)
            elif not (word in {"&", "|"} and (before.endswith(("<", ">")) or after.startswith(">"))):
                for sign in _SIGNS.findall(word):
                    self._sign(sign)
        while len(self._frames) > 1:
            self._sign(";")
            self._close()
        self._sign(";")
        return self._found

    def _word(self, word: str) -> None:
        """Take in a word: of a command, or one that begins or ends a part of a compound command."""
        frame = self._frames[-1]
        if frame.words or frame.compound is not None:
            frame.words.append(word)
        elif word == "!":
            frame.is_negated = True
        elif word in _PARTS:
            _PARTS[word](frame)
        elif word in _OPENING:
            self._open(_OPENING[word])
            self._frames[-1].words += [word] if word in _NAMING else []
        elif _CLOSING.get(word) == frame.kind and len(self._frames) > 1:
            self._close()
        elif not _ASSIGNMENT.fullmatch(word):
            frame.words.append(word)

    def _sign(self, sign: str) -> None:
        frame = self._frames[-1]
        if sign == "(" and frame.words and frame.words[-1].endswith(_FILLED_IN):
            self._open("(")
            self._frames[-1].is_part = True
        elif sign == ")" and frame.kind == "case":
            frame.words.clear()
            frame.go_on_in(frame.start)
        elif sign == ")" and frame.kind == "(":
            is_empty = self._is_empty(frame)
            self._end(frame, ";")
            self._close()
            if frame.is_part:
                self._frames[-1].words.append("$")
            elif is_empty:
                self._frames[-1].compound, self._frames[-1].defines = None, True
        elif sign == "(":
            self._end(frame, ";") if frame.words else None
            self._open("(")
        elif sign != ")":
            self._end(frame, sign)

    def _is_empty(self, frame: _Frame) -> bool:
        return len(self._found) == frame.first and not frame.words

    def _open(self, kind: str) -> None:
        """Begin a list of commands in the place of a command."""
        frame = self._frames[-1]
        start = _UNKNOWN if frame.defines else frame.place()
        self._frames.append(_Frame(kind, start, start, len(self._found), _After(start, start)))

    def _close(self) -> None:
        """End the innermost list of commands, which is the command of the one around it."""
        inner = self._frames.pop()
        frame = self._frames[-1]
        here = _joined(inner.after.done, inner.after.failed)
        if frame.defines or inner.is_part:
            left = frame.place()
        elif inner.kind == "(":
            left = inner.start
        elif inner.kind == "loop":
            left = self._left_by_loop(inner, _joined(inner.ends, here))
        elif inner.kind == "{":
            left = here
        else:  # one of the branches may be executed, or none of them
            left = _joined(
                here, _joined(inner.ends, inner.start if inner.kind == "case" else inner.otherwise)
            )
        if not inner.is_part:
            frame.compound, frame.defines = _After(left, left), False

    def _left_by_loop(self, loop: _Frame, end: Folder) -> Folder:
        """Return where the shell is behind a loop; if it ends elsewhere than it began, it is not known where it goes on."""
        if end is None or end == loop.start:
            return loop.start
        for number in range(loop.first, len(self._found)):
            if not self._found[number].folder.startswith(("/", _UNKNOWN)):
                self._found[number] = self._found[number]._replace(folder=_UNKNOWN)
        return _UNKNOWN

    def _end(self, frame: _Frame, sign: str) -> None:
        """Take in the command that a sign ends, and go on to the next one."""
        place, words, compound = frame.place(), frame.words, frame.compound
        frame.words, frame.compound = [], None
        is_pipe, is_any = sign in {"|", "|&"}, bool(words) or compound is not None
        if sign == ";" and not is_any and (frame.is_piped or frame.connector != ";"):
            return  # the command follows in the next line
        if is_any:
            after = compound if compound is not None else self._executed(words, place)
            if is_pipe or frame.is_piped:  # which is executed by a shell of its own
                after = _After(place, place)
            if frame.is_negated:
                after = _After(_joined(after.failed, after.lost), after.done)
            if not is_pipe:
                frame.after = frame.tested = after.joined(frame.passed())
                frame.is_negated = False
        frame.is_piped = is_pipe
        if sign == "&":
            frame.go_on_in(frame.begun)
        elif sign.startswith(";"):
            frame.connector = ";"
            frame.go_on_in(frame.place())
            if sign.startswith(";;") and frame.kind == "case":
                frame.ends = _joined(frame.ends, frame.begun)
                frame.go_on_in(frame.start)
        elif not is_pipe:
            frame.connector = sign

    def _executed(self, words: list[str], place: Folder) -> _After:
        """Return where the shell is behind a simple command."""
        if words[0] in _STEPS:
            told = [*_without_redirections(words[1:])]
            is_said = len(told) == 1 and not told[0].startswith("-")
            return _After(
                None if place is None else _below(place, told[0] if is_said else _UNKNOWN), None, place
            )
        self._found.append(Simple(words, _UNKNOWN if place is None else place))
        if words[0] in _LEAVING_LOOP:
            loop = next((it for it in reversed(self._frames) if it.kind in {"loop", "("}), self._frames[0])
            loop.ends = _joined(loop.ends, place)
        if words[0] in _LEAVING | _LEAVING_LOOP:
            return _After(None, None)
        return _After(None if words == ["false"] else place, None if words in (["true"], [":"]) else place)


def _then(frame: _Frame) -> None:
    """Go on where a list of commands succeeded; where it failed is the next branch."""
    tested = frame.tested or frame.after
    if frame.kind == "if":
        frame.otherwise = _joined(tested.failed, tested.lost)
        frame.go_on_in(tested.done)
    else:
        frame.go_on_in(_joined(tested.done, tested.failed))


def _else(frame: _Frame) -> None:
    """Begin the next branch."""
    if frame.kind != "if":
        return
    frame.ends = _joined(frame.ends, frame.place())
    folder, frame.otherwise = frame.otherwise, None
    frame.go_on_in(folder)


_PARTS: Mapping[str, Callable[[_Frame], None]] = {"then": _then, "do": _then, "elif": _else, "else": _else}
"""Words behind which another part of a compound command begins."""

_OPENING = {"{": "{", "if": "if", "case": "case"} | dict.fromkeys(("for", "select", "until", "while"), "loop")
_NAMING = frozenset({"case", "for", "select"})
"""Words that begin a compound command, and those that no command follows."""

_CLOSING = {"}": "{", "fi": "if", "done": "loop", "esac": "case"}


def _below(folder: str, path: str) -> str:
    """Return a folder in a folder, if it is not too long to be one."""
    joined = posixpath.normpath(posixpath.join(folder, path))
    if len(joined) > _LONGEST_FOLDER:
        return _UNKNOWN
    return "" if joined == "." else joined


def _without_redirections(words: Sequence[str]) -> Iterator[str]:
    is_file = False
    for word in words:
        redirection = _REDIRECTION.fullmatch(word)
        if redirection is None and not is_file:
            yield word
        is_file = redirection is not None and not redirection[1]


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
