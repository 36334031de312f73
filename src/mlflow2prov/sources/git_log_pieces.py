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

_BLOCK = 100
"""So many commits one program shows before the next ones are another one's."""
_MOST_PROGRAMS = 8
_CHUNK_BYTES = 1 << 20
_DEPTH = 3

_Arrived: TypeAlias = "tuple[int, bytes | BaseException | None]"


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
    """Give the log of some commits in pieces, as programs for each processor and one for the merges show them.

    The order is that in which they arrive. Each program is ahead by what its pipe holds and, together, some
    chunks of 2 MiB.

    Args:
        git: the repository.
        find: which renames are found.
        commits: the object names.
        is_merge: of each whether it has several parents.
    """
    plain = [number for number, merge in enumerate(is_merge) if not merge]
    merges = [number for number, merge in enumerate(is_merge) if merge]
    blocks = [plain[start : start + _BLOCK] for start in range(0, len(plain), _BLOCK)]
    count = min(len(blocks), os.cpu_count() or 1, _MOST_PROGRAMS)
    shares = [[number for block in blocks[first::count] for number in block] for first in range(count)]
    asked = [(share, log_arguments(find, walks=False)) for share in shares]
    if merges:
        asked.append((merges, log_arguments(find, walks=False, of_merges=True)))
    with _Pumps(git) as pumps:
        for number, (share, arguments) in enumerate(asked):
            pumps.start(number, arguments, [commits[it] for it in share])
        yield _parts([share for share, _ in asked], pumps.chunks(), len(commits[0]) if commits else 0)


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
    """Programs whose output is read as it comes, by a thread for each; to be used in a ``with`` block."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._arrived: Queue[_Arrived] = Queue(_DEPTH)
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> _Pumps:
        return self

    def __exit__(self, *_: object) -> None:
        """Let all programs end, also where their output is not wanted any more."""
        self._stopped.set()
        while any(thread.is_alive() for thread in self._threads):
            while not self._arrived.empty():
                self._arrived.get()
            for thread in self._threads:
                thread.join(0.01)

    def start(self, number: int, arguments: Sequence[str], lines: Sequence[bytes]) -> None:
        thread = threading.Thread(target=self._read, args=(number, arguments, lines), daemon=True)
        self._threads.append(thread)
        thread.start()

    def chunks(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield the chunks of all programs with their numbers; None where one has ended well."""
        going_on = len(self._threads)
        while going_on:
            number, chunk = self._arrived.get()
            if isinstance(chunk, BaseException):
                raise chunk
            going_on -= chunk is None
            yield number, chunk

    def _read(self, number: int, arguments: Sequence[str], lines: Sequence[bytes]) -> None:
        try:
            with self._git.running(*arguments, lines=lines) as output:
                while not self._stopped.is_set() and (chunk := output.read(_CHUNK_BYTES)):
                    self._arrived.put((number, chunk))
            self._arrived.put((number, None))
        except BaseException as error:
            self._arrived.put((number, error))
