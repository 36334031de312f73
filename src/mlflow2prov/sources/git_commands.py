"""Which file of a tree a shell command runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mlflow2prov.sources.git_command_lines import Named, is_filled_in, runs_of
from mlflow2prov.sources.git_modules import places_of_module, top_of_module
from mlflow2prov.sources.git_programs import programs_of
from mlflow2prov.sources.git_tree import Tree


def script_of(
    command: str, tree: Tree, folder: bytes, console: Callable[[str], Iterable[int]]
) -> tuple[int, bytes | None] | None:
    """Return the number of the path of the one file that a command runs, else None.

    With it comes the folder from which it is imported, where it is run as a module.

    What the command runs is read as the command line that somebody noted as the source of a run
    (:mod:`mlflow2prov.sources.git_command_lines`), but that it is known to be one: its first word may be the file.
    What is no file of the tree is passed over. Where it runs several files, or where one of its words is filled
    in, none is the one.

    Args:
        command: a command of a shell, with ``{parameters}`` of a project.
        tree: the files of a commit.
        folder: the path of the folder in which it is executed.
        console: what returns the files of the tree that a console script may be of.
    """
    place = folder.decode("utf-8", "surrogateescape")
    found: dict[int, bytes | None] = {}
    for perhaps in runs_of(command):
        if any(map(is_filled_in, perhaps)):
            return None
        scripts = [script for one in perhaps if (script := _script(one, tree, place)) is not None]
        if scripts and len(perhaps) > 1:
            return None
        for number, top in scripts:
            found.setdefault(number, top)
    for name in filter(None, programs_of(command)):
        for number in console(name):
            found.setdefault(number, top_of_module(tree, tree.path(number)))
    return found.popitem() if len(found) == 1 else None


def _script(named: Named, tree: Tree, place: str) -> tuple[int, bytes | None] | None:
    if not named.is_module:
        number = tree.file(_bytes(_joined(place, named.name)))
        return None if number is None else (number, None)
    root = _joined(place, named.folder)
    name = named.name.encode()
    modules = set(places_of_module(tree, name, _bytes(f"{root}/" if root else ""), is_run=True))
    if len(modules) != 1:
        return None
    module = modules.pop()
    return module, top_of_module(tree, tree.path(module), name)


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
