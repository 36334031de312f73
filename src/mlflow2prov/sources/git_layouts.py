"""Where the packages of a tree's projects lie, as an installation in editable mode makes them importable.

Each folder with a ``pyproject.toml``, ``setup.cfg`` or ``setup.py`` is a project. Its packages lie in it, in its
``src``, and where one of these files says so: setuptools (``package-dir``, ``packages.find``), Poetry, Hatch, PDM,
uv, Maturin and scikit-build. What is computed in a ``setup.py`` is not known.
"""

from __future__ import annotations

import ast
import configparser
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mlflow2prov.sources.git_declared import MOST_BYTES, TooLongError, config_of, toml_of, value_at
from mlflow2prov.sources.python_imports import syntax_tree

_ODD = re.compile("[\ud800-\udfff\0]")
"""What no path has."""


class Layout(NamedTuple):
    """Where packages lie: the package that a folder is, empty if it has packages in it; and the folder."""

    package: str
    folder: str


def layouts_in(name: bytes, content: bytes) -> tuple[Layout, ...]:
    r"""Return what a project's file says of where its packages lie, relative to its own folder, sorted.

    >>> layouts_in(b"pyproject.toml", b'[tool.setuptools.packages.find]\nwhere = ["python"]\n')
    (Layout(package='', folder='python'),)
    >>> layouts_in(b"setup.cfg", b"[options]\npackage_dir =\n  = lib\n  wine = other/wine\n")
    (Layout(package='', folder='lib'), Layout(package='wine', folder='other/wine'))
    """
    return read_layouts(name, content) or ()


def read_layouts(name: bytes, content: bytes) -> tuple[Layout, ...] | None:
    """Return what :func:`layouts_in` does; None of a file that is too long to be read."""
    if len(content) > MOST_BYTES:
        return None
    try:
        found = set(LAYING_OUT[name](content.decode("utf-8-sig")))
    except TooLongError:
        return None
    except (ValueError, SyntaxError, RecursionError, MemoryError, configparser.Error):
        return ()
    clean = (Layout(package.strip(), posixpath.normpath(folder.strip() or ".")) for package, folder in found)
    return tuple(
        sorted(
            one for one in clean if not one.folder.startswith(("/", "..")) and not _ODD.search("".join(one))
        )
    )


def _of_pyproject(text: str) -> Iterator[Layout]:
    tool = toml_of(text).get("tool")
    yield from _of_map(value_at(tool, "setuptools", "package-dir"))
    yield from _of_folders(value_at(tool, "setuptools", "packages", "find", "where"))
    for one in _list(value_at(tool, "poetry", "packages")):
        yield from _of_folders(value_at(one, "from"))
    for packages in (
        value_at(tool, "hatch", "build", "targets", "wheel", "packages"),
        value_at(tool, "hatch", "build", "packages"),
        value_at(tool, "scikit-build", "wheel", "packages"),
    ):
        yield from _of_folders([posixpath.dirname(one) for one in _list(packages) if isinstance(one, str)])
    for keys in (
        ("pdm", "package-dir"),
        ("pdm", "build", "package-dir"),
        ("uv", "build-backend", "module-root"),
        ("maturin", "python-source"),
    ):
        yield from _of_folders(value_at(tool, *keys))


def _of_setup_cfg(text: str) -> Iterator[Layout]:
    read = config_of(text)
    lines = read.get("options", "package_dir", fallback="") or ""
    pairs = [line.split("=", 1) for line in lines.replace(",", "\n").splitlines() if "=" in line]
    yield from _of_map(dict(pairs))
    yield from _of_folders(read.get("options.packages.find", "where", fallback=None))


def _of_setup_py(text: str) -> Iterator[Layout]:
    tree = syntax_tree(text.encode()) if "package" in text else None
    for node in ast.walk(tree) if tree else ():
        if not isinstance(node, ast.Call):
            continue
        said = {one.arg: _literal(one.value) for one in node.keywords if one.arg in {"package_dir", "where"}}
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        yield from _of_map(said.get("package_dir"))
        if called in {"find_packages", "find_namespace_packages", "find"}:
            yield from _of_folders(_literal(node.args[0]) if node.args else said.get("where"))


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


def _of_map(packages: Any) -> Iterator[Layout]:
    for package, folder in packages.items() if isinstance(packages, dict) else ():
        if isinstance(package, str) and isinstance(folder, str):
            yield Layout(package, folder)


def _of_folders(folders: Any) -> Iterator[Layout]:
    for folder in _list(folders):
        if isinstance(folder, str):
            yield Layout("", folder)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


LAYING_OUT: Mapping[bytes, Callable[[str], Iterable[Layout]]] = {
    b"pyproject.toml": _of_pyproject,
    b"setup.cfg": _of_setup_cfg,
    b"setup.py": _of_setup_py,
}
"""The names of the files that make a folder a project, and what reads them."""
