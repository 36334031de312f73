"""Where Python would find a module in the tree of a commit."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from mlflow2prov.sources.git_tree import Tree
from mlflow2prov.sources.python_imports import Import

_STANDARD = frozenset(name.encode() for name in sys.stdlib_module_names)
_LAYOUTS = (b"", b"src/")


def places_of_module(
    tree: Tree, module: bytes, folder: bytes = b"", *, is_run: bool = False
) -> Iterator[int]:
    """Yield the files that a module of this dotted name could be.

    It is looked for in a folder and in ``src`` there; where it is in neither, anywhere below the folder.

    Args:
        tree: the files of a commit.
        module: the dotted name.
        folder: where the project stands, empty or with a slash at its end.
        is_run: it is run, as by ``python -m``: of a package its ``__main__`` is.
    """
    parts = module.replace(b".", b"/")
    found = [file_of_module(tree, folder + layout + parts, is_run=is_run) for layout in _LAYOUTS]
    if any(number is not None for number in found):
        yield from (number for number in found if number is not None)
        return
    for tail in _spellings(parts, is_run=is_run):
        numbers = [number for number in tree.ending_with(tail) if tree.path(number).startswith(folder)]
        yield from numbers
        if numbers:
            return


def _spellings(parts: bytes, *, is_run: bool) -> tuple[bytes, bytes]:
    """Return the paths that a module can have: as a package, and as a file."""
    return parts + (b"/__main__.py" if is_run else b"/__init__.py"), parts + b".py"


def file_of_module(tree: Tree, path: bytes, *, is_run: bool = False) -> int | None:
    """Return the file of the module at a path without suffix: a package goes before a file, as in Python."""
    package, plain = tree.file(path + b"/__init__.py"), tree.file(path + b".py")
    if not is_run:
        return plain if package is None else package
    main = tree.file(path + b"/__main__.py")
    return plain if plain is not None and (main is None or package is None) else main


def top_of_module(tree: Tree, path: bytes, module: bytes = b"") -> bytes:
    """Return the folder from which a module is imported, with a slash at its end unless it is the root.

    Args:
        tree: the files of a commit.
        path: of the module's file.
        module: its dotted name; where that is not given, its packages are those with an ``__init__.py``.
    """
    stem, parts = path.removesuffix(b".py"), module.replace(b".", b"/")
    for own in (b"", b"/__main__", b"/__init__") if parts else ():
        if (b"/" + stem).endswith(b"/" + parts + own):
            return stem[: len(stem) - len(parts + own)]
    folder = path.rpartition(b"/")[0]
    while folder and tree.file(folder + b"/__init__.py") is not None:
        folder = folder.rpartition(b"/")[0]
    return folder + b"/" if folder else b""


class Modules:
    """The modules of a tree, as a script of it finds them.

    Python looks in the script's folder first, or in the one from which it was run as a module. Where
    else it looks depends on how the project was installed; taken are the folders above that one,
    nearest first, each with its ``src``, and then where the tree's projects have their packages, if just one
    of them has the module. A module of the standard library goes before those. What an
    absolute import means is worked out once.

    Args:
        tree: the files of a commit.
        script: the path of the script.
        top: the folder from which it was run as a module, else None.
        installed: where the projects have packages: a package's parts, and the folder that it is.
    """

    def __init__(
        self,
        tree: Tree,
        script: bytes,
        top: bytes | None = None,
        installed: Sequence[tuple[tuple[bytes, ...], bytes]] = (),
    ) -> None:
        self._tree = tree
        self._installed = installed
        self._known: dict[Import, list[tuple[int, bool]]] = {}
        folder = (script if top is None else top).rpartition(b"/")[0]
        above = [folder]
        while folder:
            folder = folder.rpartition(b"/")[0]
            above.append(folder)
        starts = [place + b"/" if place else b"" for place in above]
        self._first, *rest = starts
        self._rest = [self._first + b"src/"]
        for start in rest:
            self._rest += [start, start + b"src/"]

    def imported(self, one: Import, importer: bytes) -> Iterator[tuple[int, bool]]:
        """Yield the files that an import executes, packages first.

        With each comes whether it is a package of which everything is taken (``*``).
        """
        if one.level:
            parts = tuple(one.module.encode().split(b".")) if one.module else ()
            yield from self._relative(one, parts, importer)
            return
        found = self._known.get(one)
        if found is None:
            found = self._known[one] = self._absolute(one)
        yield from found

    def beside(self, one: Import, importer: bytes) -> list[tuple[int, bool]]:
        """Return the files that an absolute import executes in Python 2, which looks beside the importer first."""
        folder = importer.rpartition(b"/")[0]
        root = folder + b"/" if folder else b""
        return (
            list(self._chain(root, tuple(one.module.encode().split(b".")), one.names)) if one.module else []
        )

    def _absolute(self, one: Import) -> list[tuple[int, bool]]:
        parts = tuple(one.module.encode().split(b"."))
        roots = [self._first] if parts[0] in _STANDARD else [self._first, *self._rest]
        for root in roots if one.module else ():
            found = list(self._chain(root, parts, one.names))
            if found:
                return found
        return [] if parts[0] in _STANDARD or not one.module else self._of_projects(parts, one.names)

    def _of_projects(self, parts: tuple[bytes, ...], names: tuple[str, ...]) -> list[tuple[int, bool]]:
        """Return what an import executes where just one project has the module, or else its package."""
        having: list[list[tuple[int, bool]]] = []
        is_whole: list[bool] = []
        for package, folder in self._installed:
            if parts[: len(package)] != package:
                continue
            rest = parts[len(package) :]
            found = list(self._chain(folder, rest, names) if rest else self._within(folder, names))
            if found and found not in having:
                having.append(found)
                place = (folder + b"/".join(rest)).removesuffix(b"/")
                is_whole.append(file_of_module(self._tree, place) is not None)
        if sum(is_whole) == 1:
            return having[is_whole.index(True)]
        return having[0] if len(having) == 1 else []

    def exported(self, package: bytes, names: Sequence[str]) -> Iterator[int]:
        """Yield the modules in a package, by the path of its ``__init__.py``, that have these names."""
        folder = package.rpartition(b"/")[0]
        yield from (number for number, _ in self._children(folder + b"/" if folder else b"", names))

    def packages_between(self, top: bytes, path: bytes) -> Iterator[int]:
        """Yield the ``__init__.py`` of those packages below a folder, nearest first, that have one."""
        folder = path.rpartition(b"/")[0]
        while len(folder) > len(top.removesuffix(b"/")):
            number = self._tree.file(folder + b"/__init__.py")
            if number is not None:
                yield number
            folder = folder.rpartition(b"/")[0]

    def packages_of(self, path: bytes) -> Iterator[int]:
        """Yield the ``__init__.py`` of every package that a module at a path lies in."""
        folder = path.rpartition(b"/")[0]
        while folder:
            number = self._tree.file(folder + b"/__init__.py")
            if number is None:
                return
            yield number
            folder = folder.rpartition(b"/")[0]

    def _relative(self, one: Import, parts: tuple[bytes, ...], importer: bytes) -> Iterator[tuple[int, bool]]:
        folders = importer.split(b"/")[:-1]
        up = one.level - 1
        if up > len(folders):
            return
        base = b"/".join(folders[: len(folders) - up])
        root = base + b"/" if base else b""
        yield from ((number, False) for number in self.packages_of(root))
        if parts:
            yield from self._chain(root, parts, one.names)
        else:
            yield from self._within(root, one.names)

    def _chain(
        self, root: bytes, parts: tuple[bytes, ...], names: tuple[str, ...]
    ) -> Iterator[tuple[int, bool]]:
        """Yield what importing ``parts`` below a folder executes, and what of ``names`` are modules there."""
        folder = root
        for position, part in enumerate(parts):
            package = self._tree.file(folder + part + b"/__init__.py")
            is_last = position == len(parts) - 1
            if package is None:
                plain = self._tree.file(folder + part + b".py")
                if plain is not None:
                    yield plain, False
                    return
            elif not is_last:
                yield package, False
            folder += part + b"/"
        yield from self._within(folder, names)

    def _within(self, folder: bytes, names: tuple[str, ...]) -> Iterator[tuple[int, bool]]:
        """Yield a package itself, if it has a file of its own, and its modules of some names."""
        package = self._tree.file(folder + b"__init__.py") if folder else None
        if package is not None:
            yield package, "*" in names
        yield from self._children(folder, names)

    def _children(self, folder: bytes, names: Sequence[str]) -> Iterator[tuple[int, bool]]:
        for name in names:
            if name.isidentifier():
                number = file_of_module(self._tree, folder + name.encode())
                if number is not None:
                    yield number, False
