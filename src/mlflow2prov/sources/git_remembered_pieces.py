"""Reading the log of a history in columns where an earlier reading remembers most of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from mlflow2prov.sources.git_log import Renames
from mlflow2prov.sources.git_log_columns import Pieces
from mlflow2prov.sources.git_log_pieces import Part, reading_pieces
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_remembered import Remembered

_CHUNK_BYTES = 1 << 20


@contextmanager
def reading_remembered_pieces(
    git: Git,
    find: Renames,
    commits: Sequence[bytes],
    is_merge: Sequence[bool],
    remembered: Remembered,
    odd: Collection[bytes],
    looked_at: Callable[[Iterable[Part]], Iterable[Part]],
) -> Iterator[Iterator[Part]]:
    """Give the log of some commits in pieces, those that are remembered first.

    The others Git has to show, as :func:`mlflow2prov.sources.git_log_pieces.reading_pieces` says; they are remembered
    from now on.

    Args:
        git: the repository.
        find: which renames are found.
        commits: the object names.
        is_merge: of each whether it has several parents.
        remembered: the commits that need not be shown.
        odd: the commits that have to be looked at each time, once they were looked at.
        looked_at: looks at parts.
    """
    known = [number for number, name in enumerate(commits) if remembered.has(name)]
    shown = [number for number, name in enumerate(commits) if not remembered.has(name)]
    names = [commits[number] for number in shown]
    with reading_pieces(git, find, names, [is_merge[number] for number in shown]) as parts:
        records = remembered.records(commits[number] for number in known)
        yield chain(
            looked_at(_known(records, known, len(commits[0]) if commits else 0)),
            _kept(looked_at(_numbered(parts, shown)), commits, remembered, odd),
        )
    remembered.end()
    remembered.look()


def _known(records: Iterable[bytes], numbers: Sequence[int], width: int) -> Iterator[Part]:
    """Yield what is remembered, given the numbers of its commits."""
    pieces, taken = Pieces(width), 0
    found = chain.from_iterable(map(pieces.add, _chunks(records)))
    for piece in chain(found, pieces.end()):
        first, taken = taken, taken + len(piece.shown)
        yield Part(numbers[first:taken], piece)
    assert taken == len(numbers)


def _chunks(records: Iterable[bytes]) -> Iterator[bytes]:
    """Yield records one after the other, as they stand in a log, in chunks of 1 MiB."""
    held: list[bytes] = []
    size = 0
    for record in records:
        held.append(record + b"\0")
        size += len(record)
        if size >= _CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _numbered(parts: Iterable[Part], numbers: Sequence[int]) -> Iterator[Part]:
    """Yield what Git shows, by the numbers of its commits among all."""
    for part in parts:
        yield Part([numbers[number] for number in part.commits], part.piece)


def _kept(
    parts: Iterable[Part], commits: Sequence[bytes], remembered: Remembered, odd: Collection[bytes]
) -> Iterator[Part]:
    """Yield what Git shows, once it is remembered."""
    for part in parts:
        for number, record in zip(part.commits, part.piece.records(), strict=True):
            name = commits[number]
            remembered.keep(name, name in odd, record)
        yield part
