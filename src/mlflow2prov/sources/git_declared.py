"""What a repository's files declare can be run: entry points of ``MLproject`` files, and console scripts.

These are the files that say which code a name stands for: ``MLproject`` (its entry points and their
commands), ``pyproject.toml`` (``[project.scripts]``, Poetry's and Flit's), ``setup.cfg`` and ``setup.py``
(``console_scripts``, where they are written down as texts). A file that can't be read declares nothing.
"""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from mlflow2prov.sources.python_imports import syntax_tree

MOST_BYTES = 1 << 20
"""Larger files of these names are taken for something else."""

MOST_LINES = 5_000
"""A longer ``setup.cfg`` likewise: what reads it takes as long as the square of the number of its wrong lines."""

PROJECT = b"MLproject"


class TooLongError(ValueError):
    """A document whose reading would take forever."""


class Declared(NamedTuple):
    """A name that can be run, and what it stands for: a shell command, or ``package.module:function``."""

    name: str
    target: str


DeclaredAt: TypeAlias = "Callable[[int], Sequence[Declared]]"
"""What the revision of a number declares."""


def declared_in(name: bytes, content: bytes) -> tuple[Declared, ...]:
    r"""Return what a file of one of the names in :data:`DECLARING` declares, once for each name, sorted.

    >>> declared_in(b"pyproject.toml", b'[project.scripts]\ntrain = "wine.cli:main"\n')
    (Declared(name='train', target='wine.cli:main'),)
    >>> declared_in(b"MLproject", b"entry_points:\n  main:\n    command: python train.py {alpha}\n")
    (Declared(name='main', target='python train.py {alpha}'),)
    """
    return read_declared(name, content) or ()


def read_declared(name: bytes, content: bytes) -> tuple[Declared, ...] | None:
    """Return what :func:`declared_in` does; None of a file that is too long to be read, which may declare something."""
    if len(content) > MOST_BYTES:
        return None
    try:
        found = set(DECLARING[name](content.decode("utf-8-sig")))
    except TooLongError:
        return None
    except (ValueError, SyntaxError, RecursionError, MemoryError, configparser.Error):
        return ()
    clean = [one for one in found if one.name and one.target and "\0" not in one.name + one.target]
    by_name = {one.name: one for one in sorted(clean, reverse=True)}
    return tuple(sorted(by_name.values()))


def _of_project(text: str) -> Iterator[Declared]:
    from mlflow2prov.sources.mlflow.model_file import yaml_mapping

    read = yaml_mapping(text.encode(), MOST_BYTES)
    points = read.get("entry_points") if read else None
    for name, point in points.items() if isinstance(points, dict) else ():
        command = point.get("command") if isinstance(point, dict) else point
        if isinstance(name, str) and isinstance(command, str):
            yield Declared(name, command.strip())


def _of_pyproject(text: str) -> Iterator[Declared]:
    if "scripts" not in text and "\\" not in text:
        return
    read = _read_toml(text)
    for place in ("project.scripts", "project.gui-scripts", "tool.poetry.scripts", "tool.flit.scripts"):
        table = value_at(read, *place.split("."))
        for name, target in table.items() if isinstance(table, dict) else ():
            named = target.get("callable", target.get("reference")) if isinstance(target, dict) else target
            if isinstance(named, str):
                yield Declared(name, named.strip())


MOST_DOTS = 2_000
"""A line with more is no part of a TOML document: names take as long as the square of the number of their parts."""

_HEADER = re.compile(r"^[ \t]*\[\[?([^\[\]\n]+)\]\]?[ \t]*(?:#.*)?$", re.MULTILINE)
_TOML_TEXT = re.compile(
    r"""\#[^\n]*+
    | \"{3}(?:\\.|[^\\])*?(?:\"{3}|\\?\Z) | '{3}.*?(?:'{3}|\Z)
    | "(?:\\.|[^"\\\n])*+"? | '[^'\n]*+'?""",
    re.VERBOSE | re.DOTALL,
)
"""Comments and texts; one that does not end goes to the end of the line or file, so that none is read twice."""

_TELLING = re.compile(r"tool|(project|tool\.poetry|tool\.flit)(\.(gui-)?scripts(\..*)?)?")
_GOES_ON = re.compile(r"[,\[][ \t\r]*(?:#[^\n]*)?(?:\n[ \t\r]*(?:#[^\n]*)?)*$")
"""What stands before a line of an array."""


def _read_toml(text: str) -> dict[str, Any]:
    """Return a TOML document, of which tables may be left out that have no scripts."""
    try:
        return _read_telling(_telling_tables(text))
    except ValueError:  # such as of a line of an array that looked like a table's first one
        return toml_of(text)


def _masked(text: re.Match[str]) -> str:
    """Return a comment or a text of one line as it is; of several lines nothing that looks like a table."""
    return text[0].replace("[", "x") if "\n" in text[0] else text[0]


@lru_cache(64)
def _read_telling(text: str) -> dict[str, Any]:
    """Return what tables say; most revisions of a file say the same."""
    return toml_of(text)


def toml_of(text: str) -> dict[str, Any]:
    """Return a TOML document.

    Raises:
        ValueError: it is none.
        TooLongError: it has names of too many parts.
    """
    import tomllib

    if max(line.count(".") for line in text.split("\n")) > MOST_DOTS:
        raise TooLongError("a line with too many dots")
    return tomllib.loads(text)


def value_at(document: Any, *keys: str) -> Any:
    """Return what stands in tables in tables of a document, or None."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def config_of(text: str) -> configparser.RawConfigParser:
    """Return a document such as ``setup.cfg``.

    Raises:
        configparser.Error: it is none.
        TooLongError: it has too many lines.
    """
    if text.count("\n") > MOST_LINES:
        raise TooLongError("too many lines")
    read = configparser.RawConfigParser(strict=False)
    read.read_string(text)
    return read


def _telling_tables(text: str) -> str:
    r"""Return the tables that may have scripts.

    >>> _telling_tables("[project]\nname = 'x'\n[project.scripts]\na = 'b:c'\n[tool.x]\nscripts = 1\n")
    "[project.scripts]\na = 'b:c'\n"
    """
    shown = _TOML_TEXT.sub(_masked, text) if '"""' in text or "'''" in text else text
    headers = [
        it
        for it in _HEADER.finditer(shown)
        if not _GOES_ON.search(shown, max(0, it.start() - 200), it.start())
    ]
    starts = [0, *(header.start() for header in headers)]
    names = ["project", *(re.sub(r"[\s\"']", "", header[1]) for header in headers)]
    tables = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return "".join(
        table
        for name, table in zip(names, tables, strict=True)
        if "\\" in table or ("scripts" in table and _TELLING.fullmatch(name))
    )


def _of_setup_cfg(text: str) -> Iterator[Declared]:
    if "_scripts" not in text.lower():
        return
    read = config_of(text)
    for kind in ("console_scripts", "gui_scripts"):
        lines = read.get("options.entry_points", kind, fallback="")
        yield from _of_lines((lines or "").splitlines())


_KINDS = {"console_scripts", "gui_scripts"}
_PYTHON_TOKEN = re.compile(
    r"""\#[^\n]*+
    | (?P<text>(?P<triple>\"{3}|'{3})(?:\\.|[^\\])*?(?:(?P=triple)|\\?\Z)
      | "(?:\\.|[^"\\\n])*+"? | '(?:\\.|[^'\\\n])*+'?)
    | \b(?:console|gui)_scripts(?=\s*=[^=])
    | (?P<open>[({[]) | (?P<close>[])}])""",
    re.VERBOSE | re.DOTALL,
)
"""What may have a bracket in it that is none, what names a kind of scripts, and brackets."""

_NEAR = 200
"""So many characters are looked at before a text or a bracket."""

_MOST_TIMES = 4
"""What is written down is read no more often, in brackets around brackets."""


_MOST_KEPT = 1 << 16
"""What is said in a longer text is not kept until another revision says the same."""


def _of_setup_py(text: str) -> Iterable[Declared]:
    place = text.find("_scripts")
    if place < 0:
        return ()
    code = text[_statement_before(text, place) :]
    return _said_in_code(code) if len(code) <= _MOST_KEPT else _said_in(code)


@lru_cache(32)
def _said_in_code(code: str) -> tuple[Declared, ...]:
    """Return what code declares; most revisions of a file say the same from the first statement that declares on."""
    return tuple(_said_in(code))


def _said_in(code: str) -> Iterator[Declared]:
    for written in _written_around(code):
        tree = syntax_tree(written.encode())
        for node in ast.walk(tree) if tree else ():
            yield from _of_node(node)


def _written_around(text: str) -> Iterator[str]:
    """Yield the innermost dictionaries that are written down around kinds of scripts, and texts that list such.

    Reading these alone takes a tenth of the time of the whole file, and the rest may be of another Python.
    """
    opened: list[int] = []
    wanted, last, left = -1, text.rfind("_scripts"), _MOST_TIMES * len(text)
    for token in _PYTHON_TOKEN.finditer(text):
        if token.start() > last and wanted < 0:
            return
        if token["open"]:
            opened.append(token.start())
        elif token["close"] and opened:
            start = opened.pop()
            if wanted > start:
                left -= token.end() - start
                if left < 0:
                    return
                before = "dict" if text[max(0, start - _NEAR) : start].rstrip().endswith("dict") else ""
                yield f"({before}{text[start : token.end()]})"
                wanted = -1
        elif token["text"] and "_scripts]" in token[0]:
            near = text[max(0, token.start() - _NEAR) : token.start()]
            if re.search(r"\bentry_points[\"']?\s*[=:]\s*[rRuU]?$", near):
                yield f"({{'': {token[0]}}})"
        elif token[0].strip("\"'") in _KINDS:
            wanted = token.start()


def _statement_before(text: str, place: int) -> int:
    """Return where a line without indentation begins that is code and not far before a place, else 0."""
    start = place
    while start > 0:
        start = text.rfind("\n", 0, start) + 1
        if text[start : start + 1].isalpha():
            is_code = not any(text.count(quotes, 0, start) % 2 for quotes in ('"""', "'''"))
            return start if is_code else 0
        start -= 1
    return 0


def _of_node(node: ast.AST) -> Iterator[Declared]:
    """Yield what a dictionary declares, or a call of ``dict``; under an empty key stands the text of all kinds."""
    pairs: list[tuple[object, ast.expr]] = []
    if isinstance(node, ast.Dict):
        pairs = [
            (getattr(key, "value", None), value) for key, value in zip(node.keys, node.values, strict=True)
        ]
    elif isinstance(node, ast.Call):
        pairs = [(keyword.arg, keyword.value) for keyword in node.keywords]
    for key, value in pairs:
        if key == "":
            yield from _of_sections("".join(_texts_in(value)))
        elif isinstance(key, str) and key in _KINDS:
            yield from _of_lines(line for one in _texts_in(value) for line in one.splitlines())


def _texts_in(node: ast.expr) -> Iterator[str]:
    for it in ast.walk(node):
        if isinstance(it, ast.Constant) and isinstance(it.value, str):
            yield it.value


def _of_sections(text: str) -> Iterator[Declared]:
    for section in re.split(r"(?m)^[^\S\n]*+(?=\[)", text):
        header, *lines = section.splitlines() or [""]
        if header.strip(" \t[]") in _KINDS:
            yield from _of_lines(lines)


def _of_lines(lines: Iterable[str]) -> Iterator[Declared]:
    """Yield what lines such as ``train = wine.cli:main`` declare."""
    for line in lines:
        name, _, rest = (it.strip() for it in line.partition("="))
        found = re.fullmatch(r"([\w.]++(?::[\w.]++)?+)\s*+(?:\[.*\])?", rest)
        if found and name and name[0] != "#" and not {"%", "{"} & set(name):
            yield Declared(name, found[1])


DECLARING: dict[bytes, Callable[[str], Iterable[Declared]]] = {
    PROJECT: _of_project,
    b"pyproject.toml": _of_pyproject,
    b"setup.cfg": _of_setup_cfg,
    b"setup.py": _of_setup_py,
}
"""The names of the files that declare something, and what reads them."""
