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
from typing import Any, NamedTuple

from mlflow2prov.sources.python_imports import syntax_tree

MOST_BYTES = 1 << 20
"""Larger files of these names are taken for something else."""

PROJECT = b"MLproject"


class Declared(NamedTuple):
    """A name that can be run, and what it stands for: a shell command, or ``package.module:function``."""

    name: str
    target: str


def declared_in(name: bytes, content: bytes) -> tuple[Declared, ...]:
    r"""Return what a file of one of the names in :data:`DECLARING` declares, once for each name, sorted.

    >>> declared_in(b"pyproject.toml", b'[project.scripts]\ntrain = "wine.cli:main"\n')
    (Declared(name='train', target='wine.cli:main'),)
    >>> declared_in(b"MLproject", b"entry_points:\n  main:\n    command: python train.py {alpha}\n")
    (Declared(name='main', target='python train.py {alpha}'),)
    """
    if len(content) > MOST_BYTES:
        return ()
    try:
        found = set(DECLARING[name](content.decode("utf-8-sig")))
    except (ValueError, SyntaxError, RecursionError, MemoryError, configparser.Error):
        return ()
    clean = [one for one in found if one.name and one.target and "\0" not in one.name + one.target]
    by_name = {one.name: one for one in sorted(clean, reverse=True)}
    return tuple(sorted(by_name.values()))


def _of_project(text: str) -> Iterator[Declared]:
    import yaml

    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError:
        return
    points = read.get("entry_points") if isinstance(read, dict) else None
    for name, point in points.items() if isinstance(points, dict) else ():
        command = point.get("command") if isinstance(point, dict) else point
        if isinstance(name, str) and isinstance(command, str):
            yield Declared(name, command.strip())


def _of_pyproject(text: str) -> Iterator[Declared]:
    if "scripts" not in text and "\\" not in text:
        return
    import tomllib

    read = tomllib.loads(text)
    for place in ("project.scripts", "project.gui-scripts", "tool.poetry.scripts", "tool.flit.scripts"):
        table: Any = read
        for key in place.split("."):
            table = table.get(key) if isinstance(table, dict) else None
        for name, target in table.items() if isinstance(table, dict) else ():
            named = target.get("callable", target.get("reference")) if isinstance(target, dict) else target
            if isinstance(named, str):
                yield Declared(name, named.strip())


def _of_setup_cfg(text: str) -> Iterator[Declared]:
    if "_scripts" not in text.lower():
        return
    read = configparser.RawConfigParser(strict=False)
    read.read_string(text)
    for kind in ("console_scripts", "gui_scripts"):
        lines = read.get("options.entry_points", kind, fallback="")
        yield from _of_lines((lines or "").splitlines())


def _of_setup_py(text: str) -> Iterator[Declared]:
    lines = [number for number, line in enumerate(text.splitlines(), 1) if "_scripts" in line]
    tree = syntax_tree(text.encode()) if lines else None
    for node in _dicts_in(tree, lines) if tree else ():
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in {"console_scripts", "gui_scripts"}:
                texts = [item.value for item in ast.walk(value) if isinstance(item, ast.Constant)]
                yield from _of_lines(
                    line for one in texts if isinstance(one, str) for line in one.splitlines()
                )


def _dicts_in(tree: ast.AST, lines: Sequence[int]) -> Iterator[ast.Dict]:
    """Yield the dictionaries that are written down on some lines and around them."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        end = getattr(node, "end_lineno", None)
        if end is not None and not any(node.lineno <= line <= end for line in lines):  # type: ignore[attr-defined]
            continue
        if isinstance(node, ast.Dict):
            yield node
        waiting += ast.iter_child_nodes(node)


def _of_lines(lines: Iterable[str]) -> Iterator[Declared]:
    """Yield what lines such as ``train = wine.cli:main`` declare."""
    for line in lines:
        found = re.fullmatch(r"\s*([^=#\s][^=]*?)\s*=\s*([\w.]+(?::[\w.]+)?)\s*(?:\[.*\])?\s*", line)
        if found:
            yield Declared(found[1], found[2])


DECLARING: dict[bytes, Callable[[str], Iterator[Declared]]] = {
    PROJECT: _of_project,
    b"pyproject.toml": _of_pyproject,
    b"setup.cfg": _of_setup_cfg,
    b"setup.py": _of_setup_py,
}
"""The names of the files that declare something, and what reads them."""
