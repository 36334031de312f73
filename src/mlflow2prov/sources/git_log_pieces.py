"""Reading the log of a history in columns, of which several programs show a part each, all at the same time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import Queue
from typing import NamedTuple, TypeAlias

from mlflow2prov.sources.git_log import Renames, log_arguments
from mlflow2prov.sources.git_log_columns import Piece, Pieces
from mlflow2prov.sources.git_program import Git

_MOST_PROGRAMS = 8
_LEAST_COMMITS = 100
"""What one program shows is no less than it takes to start a program."""
_SHARES = 6
"""So many programs one after the other, for each processor: none of these is without work for long."""
_CHUNK_BYTES = 1 << 20
_DEPTH = 3

_Arrived: TypeAlias = "tuple[int, bytes | BaseException | None]"
_Asked: TypeAlias = tuple[Sequence[str], Sequence[bytes]]
"""The arguments of a program, and the lines of its standard input."""


class Part(NamedTuple):
    """A piece of a log, and which of all commits it begins with.

    Attributes:
        commits: the numbers of its commits in the list of all.
        piece: what the log shows of them.
    """

    commits: Sequence[int]
    piece: Piece


@contextmanager
def reading_pieces(
    git: Git, find: Renames, commits: Sequence[bytes], is_merge: Sequence[bool]
) -> Iterator[Iterator[Part]]:
    """Give the log of some commits in pieces, as programs show them, one for each processor at a time.

    The order is that in which they arrive. Each program is ahead by what its pipe holds and, together, some
    chunks of 2 MiB. What one shows follows one another in the history, children first, so that Git unpacks little
    twice.

    Args:
        git: the repository.
        find: which renames are found.
        commits: the object names.
        is_merge: of each whether it has several parents.
    """
    count = min(os.cpu_count() or 1, _MOST_PROGRAMS)
    least = max(_LEAST_COMMITS, len(commits) // (count * _SHARES) + 1)
    asked: list[_Asked] = []
    shares: list[list[int]] = []
    for of_merges in (True, False):
        arguments = log_arguments(find, walks=False, of_merges=of_merges)
        own = [number for number, merge in enumerate(is_merge) if merge == of_merges]
        for start in range(0, len(own), least):
            shares.append(own[start : start + least][::-1])
            asked.append((arguments, [commits[it] for it in shares[-1]]))
    with _Pumps(git, asked, count) as pumps:
        yield _parts(shares, pumps.chunks(), len(commits[0]) if commits else 0)


def _parts(
    shares: Sequence[Sequence[int]], chunks: Iterable[tuple[int, bytes | None]], width: int
) -> Iterator[Part]:
    pieces = [Pieces(width) for _ in shares]
    taken = [0 for _ in shares]
    for number, chunk in chunks:
        found = pieces[number].end() if chunk is None else pieces[number].add(chunk)
        for piece in found:
            first = taken[number]
            taken[number] += len(piece.shown)
            yield Part(shares[number][first : taken[number]], piece)
    assert taken == [len(share) for share in shares]


class _Pumps:
    """Programs whose output is read as it comes, so many at a time; to be used in a ``with`` block."""

    def __init__(self, git: Git, asked: Sequence[_Asked], at_a_time: int) -> None:
        self._git = git
        self._going_on = len(asked)
        self._asked = iter(enumerate(asked))
        self._lock = threading.Lock()
        self._arrived: Queue[_Arrived] = Queue(_DEPTH)
        self._stopped = threading.Event()
        count = min(len(asked), at_a_time)
        self._threads = [threading.Thread(target=self._read_on, daemon=True) for _ in range(count)]

    def __enter__(self) -> _Pumps:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let all programs end, also where their output is not wanted any more."""
        self._stopped.set()
        while any(thread.is_alive() for thread in self._threads):
            while not self._arrived.empty():
                self._arrived.get()
            for thread in self._threads:
                thread.join(0.01)

    def chunks(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield the chunks of all programs with their numbers; None where one has ended well."""
        while self._going_on:
            number, chunk = self._arrived.get()
            if isinstance(chunk, BaseException):
                raise chunk
            self._going_on -= chunk is None
            yield number, chunk

    def _read_on(self) -> None:
        """Read one program after the other, while there is one that nobody reads."""
        while not self._stopped.is_set():
            with self._lock:
                number, asked = next(self._asked, (-1, None))
            if asked is None:
                return
            self._read(number, *asked)

    def _read(self, number: int, arguments: Sequence[str], lines: Sequence[bytes]) -> None:
        try:
            with self._git.running(*arguments, lines=lines) as output:
                while not self._stopped.is_set() and (chunk := output.read(_CHUNK_BYTES)):
                    self._arrived.put((number, chunk))
            self._arrived.put((number, None))
        except BaseException as error:
            self._arrived.put((number, error))
