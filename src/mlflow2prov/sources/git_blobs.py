"""Reading the contents of single files of a repository while a pass over its history is under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Self

from mlflow2prov.sources.git_program import Git

_CHUNK_BYTES = 1 << 20


class Blobs:
    """The contents of files by their object names; used as a context.

    Git is started when something is asked for the first time. Nothing is fetched: what a partial clone
    lacks is missing.

    Attributes:
        missing: how many contents were asked for that the repository does not have.
        too_large: how many were larger than wanted.
    """

    def __init__(self, git: Git) -> None:
        self.missing = 0
        self.too_large = 0
        self._git = git
        self._stack = ExitStack()
        self._talks: dict[str, tuple[IO[bytes], IO[bytes]]] = {}
        self._expected: deque[str] = deque()
        self._stream: IO[bytes] | None = None
        self._links: dict[str, bytes | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def content(self, name: str, most_bytes: int) -> bytes | None:
        """Return a content, or None where it is missing or larger than a number of bytes."""
        size = self._size(name)
        if size is None:
            self.missing += 1
            return None
        if size > most_bytes:
            self.too_large += 1
            return None
        return self._read(name, size)

    def link(self, name: str, most_bytes: int) -> bytes | None:
        """Return what :meth:`content` would of a symbolic link, of which none is counted; it is held from then on."""
        if name not in self._links:
            size = self._size(name)
            self._links[name] = None if size is None or size > most_bytes else self._read(name, size)
        return self._links[name]

    def expect(self, names: Iterable[str]) -> None:
        """Have contents read ahead, to be taken one after the other by :meth:`in_turn`.

        Nothing is held but their names: Git is as far ahead as its pipe lets it be.
        """
        self._expected.extend(names)
        if self._expected:
            lines = [name.encode() for name in self._expected]
            running = self._git.running("cat-file", "--batch", "--buffer", lines=lines)
            self._stream = self._stack.enter_context(running)

    def in_turn(self, name: str, most_bytes: int) -> bytes | None:
        """Return what :meth:`content` would, which is the next of the contents that are expected if any are."""
        if self._stream is None or not self._expected or self._expected[0] != name:
            return self.content(name, most_bytes)
        self._expected.popleft()
        said = self._stream.readline().split()
        if len(said) != 3:
            self.missing += 1
            return None
        size = int(said[2])
        if size <= most_bytes:
            return self._stream.read(size + 1)[:size]
        self.too_large += 1
        for start in range(0, size + 1, _CHUNK_BYTES):
            self._stream.read(min(size + 1 - start, _CHUNK_BYTES))
        return None

    def small_ones(self, names: Iterable[str], most_bytes: int) -> Iterator[tuple[str, bytes]]:
        """Yield the names and contents of those that are smaller than a number of bytes.

        Sizes are asked for first, so that no large content is read. A line for each name is held.
        """
        asked = [name.encode() for name in names]
        small: list[bytes] = []
        with self._git.running("cat-file", "--batch-check", "--buffer", lines=asked) as output:
            for line in output:
                name, *said = line.split()
                if len(said) != 2:
                    self.missing += 1
                elif int(said[1]) < most_bytes:
                    small.append(name)
        for name, content in self._git.contents(small) if small else ():
            yield name.decode(), content

    def _size(self, name: str) -> int | None:
        said = self._ask("--batch-check", name).readline().split()
        return int(said[2]) if len(said) == 3 else None

    def _read(self, name: str, size: int) -> bytes:
        answer = self._ask("--batch", name)
        answer.readline()
        content = answer.read(size)
        answer.read(1)
        return content

    def _ask(self, how: str, name: str) -> IO[bytes]:
        if how not in self._talks:
            self._talks[how] = self._stack.enter_context(self._git.talking("cat-file", how))
        question, answer = self._talks[how]
        question.write(name.encode() + b"\n")
        question.flush()
        return answer
