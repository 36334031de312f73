"""The files of one commit, by their paths, by the ends of their paths, and by symbolic links to folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mlflow2prov.sources.git_links import Links, followed, spellings

_MOST_SPELLINGS = 8
"""A file is known by no more paths than these that go through links."""

_NO_LINKS = Links()


class PathIndex:
    """The numbers of paths by their last part; paths that come later are sorted in when they are asked for.

    Held are some 100 bytes for each path.
    """

    def __init__(self, exact: Sequence[bytes], number: Mapping[bytes, int]) -> None:
        self.exact = exact
        self.number = number
        self._named: dict[bytes, list[int]] = {}
        self._seen = 0

    def named(self, name: bytes) -> Sequence[int]:
        """Return the numbers of the paths whose last part is ``name``."""
        for number in range(self._seen, len(self.exact)):
            self._named.setdefault(self.exact[number].rpartition(b"/")[2], []).append(number)
        self._seen = len(self.exact)
        return self._named.get(name, ())


class Tree:
    """The files of one commit; pointers to other repositories are no files.

    A file has the number of its path. Where it is looked for by a path that goes through links to folders, it
    has a negative number for that path: see :meth:`real` and :meth:`path`.

    Args:
        index: of the paths.
        state: for each path of the tree, by number, the number of its revision.
        is_submodule: whether a revision is a pointer to another repository.
        links: the symbolic links of the history.
    """

    def __init__(
        self,
        index: PathIndex,
        state: Mapping[int, int],
        is_submodule: Callable[[int], bool],
        links: Links = _NO_LINKS,
    ) -> None:
        self.index = index
        self.state = state
        self._is_submodule = is_submodule
        self._links = links
        self._folders: dict[bytes, bytes] | None = None
        self._spelled: list[tuple[bytes, int]] = []
        self._number: dict[bytes, int | None] = {}
        self._known: dict[int, int] = {}

    def file(self, path: bytes) -> int | None:
        """Return the number of the path, if a file stands there, or if links to folders lead to one."""
        number = self.index.number.get(path)
        if number is not None and self.is_file(number):
            return number
        return self._through_links(path) if self._links.said else None

    def real(self, number: int) -> int:
        """Return the number of the path at which a file stands, whatever path it was looked for by."""
        return number if number >= 0 else self._spelled[-1 - number][1]

    def path(self, number: int) -> bytes:
        """Return the path that a file was looked for by."""
        return self.index.exact[number] if number >= 0 else self._spelled[-1 - number][0]

    def revision(self, number: int) -> int:
        """Return the number of a file's revision."""
        return self.state[self.real(number)]

    def link(self, number: int) -> bytes | None:
        """Return the path from the root that a file leads to if it is a symbolic link, and stays in the tree."""
        said = self._links.said.get(self.revision(number))
        if said is None or said.startswith(b"/"):
            return None
        folder = self.index.exact[self.real(number)].rpartition(b"/")[0]
        return followed(folder + b"/" + said, self._link_at)

    def leads_to_folder(self, number: int) -> bool:
        """Return whether a file is a symbolic link to a folder; looks at every file where it may be one."""
        target = self.link(number)
        if target is None or self.file(target) is not None:
            return False
        return not target or self.has_below((target + b"/",))

    def _through_links(self, path: bytes) -> int | None:
        """Return the number of a path that goes through links to a file."""
        if path in self._number:
            return self._number[path]
        there = followed(path, self._link_at) if self._all_links() else None
        real = None if there is None or there == path else self.index.number.get(there)
        if real is None or not self.is_file(real):
            self._number[path] = None
            return None
        spelled = self._known[real] = self._known.get(real, 0) + 1
        if spelled <= _MOST_SPELLINGS:
            self._spelled.append((path, real))
            real = -len(self._spelled)
        self._number[path] = real
        return real

    def _link_at(self, path: bytes) -> bytes | None:
        return self._all_links().get(path)

    def _all_links(self) -> dict[bytes, bytes]:
        """Return what the links of the tree say, by their paths."""
        if self._folders is None:
            standing = ((number, self.state.get(number)) for number in self._links.paths)
            self._folders = {
                self.index.exact[number]: self._links.said[revision]
                for number, revision in standing
                if revision is not None and revision in self._links.said
            }
        return self._folders

    def is_file(self, number: int) -> bool:
        """Return whether a file stands at a path."""
        revision = self.state.get(number)
        return revision is not None and not self._is_submodule(revision)

    def ending_with(self, tail: bytes) -> Iterator[int]:
        """Yield the paths of files that are ``tail``, or end with a slash and it."""
        for number in self.index.named(tail.rpartition(b"/")[2]):
            path = self.index.exact[number]
            if (path == tail or path.endswith(b"/" + tail)) and self.is_file(number):
                yield number
        for path in spellings(tail, self._all_links()) if self._links.said else ():
            spelled = self.file(path)
            if spelled is not None:
                yield spelled

    def ends_of(self, path: bytes) -> Iterator[int]:
        """Yield the files whose path is ``path``, or what stands behind one of its slashes."""
        for start in [0, *(place + 1 for place, byte in enumerate(path) if byte == 0x2F)]:
            number = self.file(path[start:])
            if number is not None:
                yield number

    def has_below(self, folders: tuple[bytes, ...]) -> bool:
        """Return whether anything stands below one of some folders, each with a slash at its end; looks at every file."""
        return any(self.index.exact[number].startswith(folders) for number in self.state)

    def alike(self, tail: bytes) -> Iterator[int]:
        """Yield the files that :meth:`ends_of` would if case did not count; a look at every file."""
        wanted = tail.decode("utf-8", "replace").casefold()
        for number in self.state:
            path = self.index.exact[number].decode("utf-8", "replace").casefold()
            if (wanted == path or wanted.endswith("/" + path)) and self.is_file(number):
                yield number
