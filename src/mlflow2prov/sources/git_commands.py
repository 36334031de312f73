"""Which file of a tree a shell command runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from mlflow2prov.sources.git_modules import places_of_module, top_of_module
from mlflow2prov.sources.git_tree import Tree

_SEPARATORS = frozenset({"&&", "||", ";", "|", "&", "\n"})
SCRIPTS = re.compile(r".*\.(?:py|ipynb|sh|bash|r|jl|scala|pl|js)", re.IGNORECASE)
"""The names of files that are run."""

MODULE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
"""The names of modules."""

_ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)


def script_of(command: str, tree: Tree, folder: bytes) -> tuple[int, bytes | None] | None:
    """Return the number of the path of the one file that a command runs, else None.

    With it comes the folder from which it is imported, where it is run as a module.

    Of each simple command it is the first word that names a file of the tree that is a script, or follows
    ``-m`` and names a module of it; ``cd`` is followed. Where a command runs several files, none is the one.

    Args:
        command: a command of a shell, with ``{parameters}`` of a project.
        tree: the files of a commit.
        folder: the path of the folder in which it is executed.
    """
    found: dict[int, bytes | None] = {}
    place = folder.decode("utf-8", "surrogateescape")
    for words in map(without_assignments, simple_commands(command)):
        if words[:1] == ["cd"]:
            place = _joined(place, words[1] if len(words) > 1 else "")
            continue
        script = _script(words, tree, place)
        if script is not None:
            found.setdefault(*script)
    return found.popitem() if len(found) == 1 else None


def _script(words: list[str], tree: Tree, place: str) -> tuple[int, bytes | None] | None:
    for position, word in enumerate(words):
        if position and words[position - 1] == "-m" and MODULE.fullmatch(word):
            root = f"{place}/" if place else ""
            modules = set(places_of_module(tree, word.encode(), _bytes(root), is_run=True))
            if len(modules) == 1:
                module = modules.pop()
                return module, top_of_module(tree, tree.path(module), word.encode())
        elif not word.startswith("-") and "{" not in word and (not position or SCRIPTS.fullmatch(word)):
            number = tree.file(_bytes(_joined(place, word)))
            if number is not None:
                return number, None
    return None


def without_assignments(words: list[str]) -> list[str]:
    """Return the words of a simple command without the variables that are set for it."""
    start = next((place for place, word in enumerate(words) if not _ASSIGNMENT.fullmatch(word)), len(words))
    return words[start:]


def simple_commands(command: str, *, escapes: bool = True) -> Iterator[list[str]]:
    """Yield the words of each simple command.

    Args:
        command: of a shell.
        escapes: whether a backslash stands before a sign that is to be taken as it is, and not in a path of Windows.
    """
    lexer = shlex.shlex(
        command.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars="();|&"
    )
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = lexer.escape if escapes else ""
    try:
        words = list(lexer)
    except ValueError:
        words = command.split()
    listed: list[str] = []
    for word in [*words, ";"]:
        if word in _SEPARATORS or not word.strip("();|&"):
            if listed:
                yield listed
            listed = []
        else:
            listed.append(word)


def _joined(place: str, path: str) -> str:
    """Return a path below a place, without ``.`` and ``..``; one that leads out of the tree names nothing in it."""
    parts = [] if path.startswith("/") else [part for part in place.split("/") if part]
    if path.startswith("/"):
        return "\0"
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return "\0"
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
