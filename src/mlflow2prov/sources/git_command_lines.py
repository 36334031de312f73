"""Which script or module a command line runs that somebody noted as the source of a run.

Only the words are looked at. What runs scripts is known: interpreters, of which it is known which options take a value,
and launchers, of which it is known of some. A script is named by a word with the suffix of one. Where a word could
be the value of an option as well as the script, or several commands run scripts, none is the one.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from mlflow2prov.sources.git_launchers import (
    ALONE,
    FOLDERS,
    FOLDERS_OF,
    INTERPRETERS,
    LAUNCHERS,
    PASSED_OVER,
    PYTHON,
    RUNNERS,
    VALUED,
    VALUED_OF,
    WITH_MODULES,
    Interpreter,
)
from mlflow2prov.sources.git_shell import simple_commands

_SCRIPTS = re.compile(r".*\.(?:py|ipynb|sh|bash|r|jl|scala|pl|js)", re.IGNORECASE)
"""The names of files that are run."""

_MODULE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
"""The names of modules."""

_FILLED_IN = re.compile(r"[$`{}*?<>]")
_WINDOWS = re.compile(r"[A-Za-z]:\\")


class Named(NamedTuple):
    """What a command line names: the path of a script, or a module.

    Attributes:
        name: the path from where the line is executed, or the dotted name.
        is_module: whether it is a module.
        folder: where it is looked for, if it is one.
    """

    name: str
    is_module: bool = False
    folder: str = ""


MOST_WORDS = 150
"""So many words of a command are looked at, since launchers may run launchers."""

_LOOKS = re.compile(r"\s(?:--?[A-Za-z][\w-]*|/\S+)(?=[\s=]|$)")
"""What stands in a command line rather than in a path: an option, or an absolute path behind something else."""


@lru_cache(1024)
def script_named(source: str) -> tuple[Named, ...] | None:
    r"""Return what a command line runs, if just one thing can be meant; None of what is no command line.

    >>> script_named("OMP_NUM_THREADS=1 python -u src/train.py --lr 0.1")
    (Named(name='src/train.py', is_module=False, folder=''),)
    >>> script_named("accelerate launch --num_processes 2 -m wine.train --config conf.py")
    (Named(name='wine.train', is_module=True, folder=''),)
    >>> script_named("python prepare.py && python train.py"), script_named("my notes.py")
    ((), None)
    """
    if not re.search(r"\s", source.strip()):
        return None
    found: list[tuple[Named, ...]] = []
    is_line = _LOOKS.search(source) is not None
    for words, folder, named in _named_by_commands(source):
        is_line = is_line or _has_programs(words)
        if named is not None:
            found.append(tuple(_below(_as_known(folder), it) for it in named))
    if not found:
        return () if is_line else None
    named = found[0] if len(found) == 1 else ()
    is_one = len(named) == 1 and not _FILLED_IN.search(named[0].name)
    return named if is_one else ()


def runs_of(command: str) -> Iterator[tuple[Named, ...]]:
    """Yield of each command in what is known to be a command line what it may run; nothing where that is not known.

    >>> [*runs_of("make; cd job && ./fit {alpha} && python -m wine.eval")]
    [(Named(name='job/./fit', is_module=False, folder=''),), (Named(name='wine.eval', is_module=True, folder='job'),)]
    """
    for words, folder, named in _named_by_commands(command):
        head = words[0]
        if named is not None:
            yield tuple(_below(folder, it) for it in named)
        elif ("/" in head or _SCRIPTS.fullmatch(head)) and _program(head) not in LAUNCHERS:
            yield (_below(folder, Named(head)),)


def is_filled_in(named: Named) -> bool:
    """Return whether something is to be filled in before it is known what is named."""
    return any(_FILLED_IN.search(text) for text in (named.name, named.folder))


def _named_by_commands(line: str) -> Iterator[tuple[Sequence[str], str, tuple[Named, ...] | None]]:
    """Yield each command's words, folder, and what it may name there; None where it is not known to run a script."""
    for words, folder in simple_commands(line, escapes=_WINDOWS.search(line) is None):
        words = words[:MOST_WORDS]
        yield words, folder, named_by(words)


def _as_known(folder: str) -> str:
    """Return what is known of a folder: behind the last part that is not, with which it leads out of what is known.

    >>> _as_known("src"), _as_known("$HOME/wine/src")
    ('src', '../wine/src')
    """
    parts = folder.split("/")
    unknown = next((place for place in reversed(range(len(parts))) if _FILLED_IN.search(parts[place])), None)
    return folder if unknown is None else "/".join(["..", *parts[unknown + 1 :]])


def _has_programs(words: Sequence[str]) -> bool:
    """Return whether words are rather of a command than of a path: a launcher is the first, or an interpreter another."""
    if not words or words[0].startswith("/"):
        return False
    return _program(words[0]) in LAUNCHERS or any(_interpreter(word) for word in words[1:])


def _below(folder: str, named: Named) -> Named:
    if named.is_module:
        return named._replace(folder=posixpath.join(folder, named.folder) if named.folder else folder)
    return named._replace(name=posixpath.join(folder, named.name))


def named_by(words: Sequence[str]) -> tuple[Named, ...] | None:
    """Return what the words of one command may name; None where it is not known to run a script."""
    if not words:
        return None
    head = _program(words[0])
    interpreter = _interpreter(head)
    if words[0] == "-m":
        return _of_interpreter(PYTHON, words)
    if interpreter is not None:
        return _of_interpreter(interpreter, words[1:])
    if head in LAUNCHERS:
        return _of_launcher(head, words[1:])
    # the last word may be the end of a path with blanks
    is_script = len(words) > 1 and _SCRIPTS.fullmatch(words[0]) and not _SCRIPTS.fullmatch(words[-1])
    return (Named(words[0]),) if is_script else None


def _program(word: str) -> str:
    """Return the name of the program that a word is; an empty one if it is a path that is not of programs."""
    *folders, name = re.split(r"[/\\]", word)
    is_program = not folders or folders[-1] in {"bin", "Scripts"} or name.endswith(".exe")
    return name.removesuffix(".exe") if is_program else ""


def _interpreter(program: str) -> Interpreter | None:
    return next((one for name, one in INTERPRETERS if name.fullmatch(program)), None)


def _of_interpreter(interpreter: Interpreter, words: Sequence[str]) -> tuple[Named, ...]:
    place = 0
    while place < len(words):
        word = words[place]
        module = interpreter.module.fullmatch(word) if interpreter.module else None
        if module:
            return _of_module([*filter(None, module.groups()), *words[place + 1 :]])
        if interpreter.ends.fullmatch(word):
            return ()
        if word == "--":
            place += 1
            break
        if not word.startswith(("-", "+")):
            break
        place += 2 if word in interpreter.valued else 1
    script = words[place] if place < len(words) else ""
    return (Named(script),) if _SCRIPTS.fullmatch(script) or _FILLED_IN.search(script) else ()


def _of_module(words: Sequence[str]) -> tuple[Named, ...]:
    """Return what is run by the module that the first of some words names."""
    name, *rest = words or [""]
    if name in RUNNERS:
        launcher, *more = RUNNERS[name].split()
        return _of_launcher(launcher, [*more, *rest]) or ()
    is_named = _MODULE.fullmatch(name) or _FILLED_IN.search(name)
    return (Named(name, is_module=True),) if is_named else ()


def _of_launcher(launcher: str, words: Sequence[str]) -> tuple[Named, ...] | None:
    """Return all that a launcher may run; None where that is nothing known."""
    commands = LAUNCHERS[launcher]
    if commands:
        if not words or words[0] not in commands:
            return None
        words = words[1:]
    if ":" in words:  # several programs of MPI
        return ()
    words = _without_values(launcher, words)
    found, end = _launched(launcher, words)
    folder = _folder_in(launcher, words[:end])
    return tuple(_below(folder, it) for it in found) or None


def _launched(launcher: str, words: Sequence[str]) -> tuple[Sequence[Named], int]:
    """Return all that the words behind a launcher may say that it runs, and at which word that begins."""
    perhaps: list[Named] = []
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        if word == "--":
            rest = words[place + 1 :]
            script = [Named(word) for word in rest[:1] if _SCRIPTS.fullmatch(word)]
            return [*perhaps, *(named_by(rest) or script)], place
        if launcher in WITH_MODULES and before in {"-m", "--module"}:
            return [*perhaps, *_of_module(words[place:])], place
        if word.startswith("-") or PASSED_OVER.fullmatch(word):
            continue
        head = _program(word)
        if _interpreter(head) is not None or head in LAUNCHERS:
            return [*perhaps, *(named_by(words[place:]) or ())], place
        if _SCRIPTS.fullmatch(word):
            perhaps.append(Named(word))
        if not before.startswith("-") or "=" in before or before in ALONE:
            return perhaps, place
    return perhaps, len(words)


def _without_values(launcher: str, words: Sequence[str]) -> list[str]:
    """Return the words behind a launcher without the options that are known to have values, and these."""
    valued = {**VALUED, **VALUED_OF.get(launcher, {})}
    found: list[str] = []
    place = 0
    while place < len(words):
        count = valued.get(words[place])
        if count is None:
            found.append(words[place])
        place += 1 + (count or 0)
    return found


def _folder_in(launcher: str, words: Sequence[str]) -> str:
    """Return the folder that the options of a launcher say."""
    folder, own = "", FOLDERS_OF.get(launcher, frozenset())
    for place, word in enumerate(words):
        option, is_joined, value = word.partition("=")
        if word in own or option in FOLDERS:
            folder = value if is_joined else " ".join(words[place + 1 : place + 2])
        elif word[:2] in own:
            folder = word[2:]
    return folder
