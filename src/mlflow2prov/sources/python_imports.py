"""What a Python file or a notebook imports, found in its text without running it.

Imports count wherever they stand: within functions, conditions and ``try``. A text that this Python
can't parse (Python 2, a template) is read line by line for what looks like an import, and says so. A
notebook's code cells are one text; magics, shell commands and help are left out, but for ``%run`` of a file.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_IMPORT_LINE = re.compile(
    r"^[ \t]*(?:import[ \t]+([\w.,\t ]+)|from[ \t]+(\.*[\w.]*)[ \t]+import\b[ \t]*([^#;\n]*))", re.MULTILINE
)
_CONTINUED = re.compile(r"\\\r?\n[ \t]*|\(([^()]*)\)")
_MAGIC = re.compile(r"^[ \t]*(?:%|!|\?)|\?[ \t]*$")
_RUN = re.compile(r"^[ \t]*%run[ \t]+(?:-[a-zA-Z]+[ \t]+)*(?:\"([^\"\n]+)\"|'([^'\n]+)'|(\S+))", re.MULTILINE)
_RUN_MAGIC_COMMENT = re.compile(r"^# MAGIC[ \t]+(?=%run\b)", re.MULTILINE)
_CALLS = frozenset({"import_module", "__import__", "run_module"})
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_IMPORTING = re.compile(rb"\b(?:from|import)\b[\w.,*()\s\\]*+")
_BETWEEN_NAMES = re.compile(rb"[,()]|(?<![\\\r])\r?\n|\bimport\b")
_MOST_PARTS = 512
_MOST_DOTS = 5_000
"""Python takes a time for a dotted name that is the square of its length."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import.

    Attributes:
        level: how many dots stand before the module.
        module: the module's dotted name; empty for ``from . import x``.
        names: what is taken from it; ``*`` is everything. Each may be a module, too.
    """

    level: int
    module: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imports:
    """What a text imports.

    Attributes:
        imports: each import once.
        exported: the strings of ``__all__``.
        runs: the paths that ``%run`` names.
        is_parsed: False where it was read line by line, or not at all.
    """

    imports: tuple[Import, ...] = ()
    exported: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    is_parsed: bool = True


def imports_of(content: bytes, *, is_notebook: bool = False) -> Imports:
    r"""Return what a file imports.

    Args:
        content: the bytes of the file.
        is_notebook: it is a notebook in Jupyter's format.

    >>> imports_of(b"import a.b as c\nif x:\n    from ..d import e, f\n").imports
    (Import(level=0, module='a.b', names=()), Import(level=2, module='d', names=('e', 'f')))
    >>> old = imports_of(b"print 'x'\nimport a, b\n")
    >>> [found.module for found in old.imports], old.is_parsed
    (['a', 'b'], False)
    """
    if is_notebook:
        cells = _cells(content)
        if cells is None:
            return Imports(is_parsed=False)
        return _joined([_of_text(cell) for cell in cells])
    if b"import" not in content and b"%run" not in content and b"__all__" not in content:
        return Imports()
    tree = syntax_tree(content)
    runs = (
        tuple(_runs(_RUN_MAGIC_COMMENT.sub("", content.decode("utf-8", "replace"))))
        if b"%run" in content
        else ()
    )
    if tree is None:
        return _of_text(content.decode("utf-8", "replace"), runs=runs)
    return Imports(_unique(_imports(tree, _has_calls(content))), _exported(tree), runs)


def _of_text(text: str, *, runs: tuple[str, ...] = ()) -> Imports:
    """Return what the text of a cell, or one that can't be parsed as a whole, imports."""
    runs = runs or tuple(_runs(text))
    if text.lstrip().startswith("%%"):
        first, _, text = text.lstrip().partition("\n")
        if first.split()[0] not in {"%%time", "%%timeit", "%%capture", "%%prun"}:
            return Imports(runs=runs)
    plain = "\n".join("" if _MAGIC.search(line) else line for line in text.splitlines())
    tree = syntax_tree(plain.encode("utf-8", "replace"))
    if tree is not None:
        return Imports(
            _unique(_imports(tree, _has_calls(plain.encode("utf-8", "replace")))),
            _exported(tree),
            runs,
        )
    return Imports(_unique(_lines(plain)), (), runs, is_parsed=False)


def _unique(found: Iterable[Import]) -> tuple[Import, ...]:
    """Return each import once, but for those of modules that lie deeper than Python itself goes down."""
    return tuple(dict.fromkeys(one for one in found if one.level + one.module.count(".") <= _MOST_PARTS))


def _joined(parts: list[Imports]) -> Imports:
    return Imports(
        tuple(dict.fromkeys(one for part in parts for one in part.imports)),
        (),
        tuple(dict.fromkeys(run for part in parts for run in part.runs)),
        all(part.is_parsed for part in parts),
    )


def syntax_tree(content: bytes) -> ast.Module | None:
    """Return the syntax tree of a text, or None where this Python sees none in it, or would take too long to."""
    if any(map(_has_long_name, _IMPORTING.findall(content))):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _has_long_name(text: bytes) -> bool:
    is_long = text.count(b".") > _MOST_DOTS
    return is_long and any(name.count(b".") > _MOST_DOTS for name in _BETWEEN_NAMES.split(text))


def _imports(tree: ast.Module, has_calls: bool) -> Iterator[Import]:
    """Yield the imports among all statements, and where there may be any among the calls, too."""
    calls = {**dict.fromkeys(_CALLS), **(_aliases(tree) if has_calls else {})}
    for node in ast.walk(tree) if has_calls else _statements(tree):
        if isinstance(node, ast.Import):
            yield from (Import(0, sys.intern(alias.name)) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(sys.intern(alias.name) for alias in node.names)
            yield Import(node.level, sys.intern(node.module or ""), names)
        elif isinstance(node, ast.Call) and (called := _called(node.func)) in calls:
            yield from _of_call(node, calls[called] or called)


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Return other names that a text gives to what imports by being called."""
    return {
        alias.asname: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"importlib", "runpy"}
        for alias in node.names
        if alias.asname and alias.name in _CALLS
    }


def _has_calls(content: bytes) -> bool:
    return any(name.encode() in content for name in _CALLS)


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield all statements, within others too; expressions, which are most of a tree, are not looked at."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        for block in _BLOCKS:
            inner = getattr(node, block, ())
            if isinstance(inner, list):
                yield from inner
                waiting += inner


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _of_call(call: ast.Call, called: str) -> Iterator[Import]:
    """Yield what ``import_module("a.b")`` and the like import, where the name is a text."""
    name = _text_of(call, 0, "mod_name" if called == "run_module" else "name")
    module = (name or "").lstrip(".")
    if not name or not module or not all(part.isidentifier() for part in module.split(".")):
        return
    level = len(name) - len(module)
    package = _text_of(call, 1, "package") if called == "import_module" and level else None
    if package:
        above = package.split(".")
        if level <= len(above) and all(part.isidentifier() for part in above):
            yield Import(0, ".".join([*above[: len(above) - level + 1], module]))
        return
    yield Import(level, module)
    if called == "run_module":
        yield Import(level, f"{module}.__main__")


def _text_of(call: ast.Call, position: int, name: str) -> str | None:
    """Return the text that a call is given at a position or by a name, if it is one."""
    by_name = (keyword.value for keyword in call.keywords if keyword.arg == name)
    value = call.args[position] if len(call.args) > position else next(by_name, None)
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _exported(tree: ast.Module) -> tuple[str, ...]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            value = getattr(node, "value", None)
            if isinstance(value, ast.List | ast.Tuple):
                texts = [item.value for item in value.elts if isinstance(item, ast.Constant)]
                return tuple(text for text in texts if isinstance(text, str))
    return ()


def _lines(text: str) -> Iterator[Import]:
    """Yield what looks like an import at the start of a line."""
    whole = _CONTINUED.sub(lambda found: (found[1] or "").replace("\n", " ") if found[1] else " ", text)
    for found in _IMPORT_LINE.finditer(whole):
        if found[1]:
            for listed in found[1].split(","):
                words = listed.split()
                if words and all(part.isidentifier() for part in words[0].split(".")):
                    yield Import(0, words[0])
        else:
            module = found[2].lstrip(".")
            words = [listed.split()[0] for listed in found[3].split(",") if listed.split()]
            names = tuple(word for word in words if word == "*" or word.isidentifier())
            if module or found[2]:
                yield Import(len(found[2]) - len(module), module, names)


def _runs(text: str) -> Iterator[str]:
    for found in _RUN.finditer(text):
        yield found[1] or found[2] or found[3]


def _cells(content: bytes) -> list[str] | None:
    """Return the texts of a notebook's code cells, or None where it is no notebook."""
    try:
        notebook = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(notebook, dict):
        return None
    sheets = notebook.get("worksheets")
    if isinstance(sheets, list):  # format 3, of before 2015
        listed = [cell for sheet in sheets if isinstance(sheet, dict) for cell in _list(sheet.get("cells"))]
    else:
        listed = _list(notebook.get("cells"))
    texts = []
    for cell in listed:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source", cell.get("input", ""))
            lines = source if isinstance(source, list) else [source]
            texts.append("".join(line for line in lines if isinstance(line, str)))
    return texts


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
