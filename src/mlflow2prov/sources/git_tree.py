"""The files of one commit, by their paths and by the ends of their paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence


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
    """The files of one commit; pointers to other repositories are no files."""

    def __init__(
        self, index: PathIndex, state: Mapping[int, int], is_submodule: Callable[[int], bool]
    ) -> None:
        self.index = index
        self.state = state
        self._is_submodule = is_submodule

    def file(self, path: bytes) -> int | None:
        """Return the number of the path, if a file stands there."""
        number = self.index.number.get(path)
        return number if number is not None and self.is_file(number) else None

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
