"""Makes a Git repository of a given number of commits and changes, the same one each time.

A history is told to ``git fast-import`` as one stream. Files lie in 17 folders; a file begins with 20
lines and gets one more each time it is touched.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import environment

CHANGES_PER_COMMIT = 5
_FOLDERS = 17
_AUTHORS = 5
_FIRST_SECOND = 1_600_000_000
_HOUR = 3_600


@dataclass(slots=True)
class _File:
    path: str
    lines: list[str] = field(default_factory=list)


class _History:
    """The files as they stand at the tip, and the stream of what happened to them."""

    def __init__(self, files: int, seed: int) -> None:
        self._chance = random.Random(seed)
        self._files = [_File(f"lib/part{number % _FOLDERS:02}/unit{number:06}.py") for number in range(files)]
        self._mark = 0

    def edits(self, count: int, but: frozenset[int] = frozenset()) -> dict[int, bytes]:
        """Touch some files, none of ``but``; the stream's line and content for each by its number."""
        numbers: list[int] = []
        while len(numbers) < count:
            number = self._chance.randrange(len(self._files))
            if number not in numbers and number not in but:
                numbers.append(number)
        return {number: self._edit(number) for number in numbers}

    def all_files(self) -> bytes:
        """Touch every file."""
        return b"".join(self._edit(number) for number in range(len(self._files)))

    def _edit(self, number: int) -> bytes:
        file = self._files[number]
        if file.lines:
            file.lines.append(f"more({self._chance.getrandbits(48):#x})")
        else:
            file.lines += [f"unit_{number}[{line}] = {self._chance.getrandbits(48):#x}" for line in range(20)]
        content = "".join(f"{line}\n" for line in file.lines).encode()
        return b"M 100644 inline %s\ndata %d\n%s\n" % (file.path.encode(), len(content), content)

    def rename(self) -> tuple[int, bytes] | None:
        """Rename some file that is there; its number and the stream's line."""
        number = self._chance.randrange(len(self._files))
        file = self._files[number]
        if not file.lines:
            return None
        before, file.path = file.path, file.path.replace("unit", f"re{self._mark}unit")
        return number, b"R %s %s\n" % (before.encode(), file.path.encode())

    def commit(
        self, branch: str, edits: bytes, *, start: int | None = None, other: int | None = None
    ) -> tuple[int, bytes]:
        """A commit upon ``start`` (else the branch's tip): its mark and its piece of the stream."""
        self._mark += 1
        second = _FIRST_SECOND + self._mark * _HOUR
        author = self._mark % _AUTHORS
        who = f"Author {author} <author{author}@example.org> {second} +0000"
        message = f"Change number {self._mark}\n\nWhat was done in number {self._mark}, and why.\n".encode()
        head = f"commit refs/heads/{branch}\nmark :{self._mark}\nauthor {who}\ncommitter {who}\n".encode()
        links = b"".join(
            b"%s :%d\n" % (word, mark) for word, mark in ((b"from", start), (b"merge", other)) if mark
        )
        return self._mark, b"%sdata %d\n%s\n%s%s\n" % (head, len(message), message, links, edits)


def make_repository(
    folder: Path, commits: int, *, merge_every: int = 0, rename_every: int = 0, files: int = 0, seed: int = 20
) -> None:
    """Make a bare repository whose every commit, but for merges, touches five files.

    Args:
        folder: to make; its parent must be there.
        commits: how many.
        merge_every: at each so manieth commit a side branch of one commit begins and is merged; 0 is never.
        rename_every: at each so manieth commit a file is renamed besides; 0 is never.
        files: how many there are, all of them from the first commit on; 0 is one for each three commits,
            each from the commit on that first touches it.
        seed: of the choices.
    """
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", folder], env=environment(), check=True
    )
    importing = subprocess.Popen(
        ["git", "-C", folder, "fast-import", "--quiet"], stdin=subprocess.PIPE, env=environment()
    )
    assert importing.stdin is not None
    with importing.stdin as stream:
        history = _History(files or max(commits // 3, 4 * CHANGES_PER_COMMIT), seed)
        if files:
            stream.write(history.commit("main", history.all_files())[1])
        for piece in _stream(history, commits - bool(files), merge_every, rename_every):
            stream.write(piece)
    if importing.wait() != 0:
        raise OSError(f"git fast-import could not make {folder}")


def _stream(history: _History, commits: int, merge_every: int, rename_every: int) -> Iterator[bytes]:
    made, tip = 0, None
    while made < commits:
        if tip and merge_every and made % merge_every == 0 and made + 3 <= commits:
            theirs = history.edits(CHANGES_PER_COMMIT)
            ours = history.edits(CHANGES_PER_COMMIT, frozenset(theirs))
            side, piece = history.commit("side", b"".join(theirs.values()), start=tip)
            yield piece
            tip, piece = history.commit("main", b"".join(ours.values()), start=tip)
            yield piece
            tip, piece = history.commit("main", b"".join(theirs.values()), start=tip, other=side)
            yield piece
            made += 3
            continue
        renamed = history.rename() if tip and rename_every and made % rename_every == 0 else None
        but = frozenset({renamed[0]}) if renamed else frozenset[int]()
        edits = b"".join(history.edits(CHANGES_PER_COMMIT, but).values())
        tip, piece = history.commit("main", (renamed[1] if renamed else b"") + edits)
        yield piece
        made += 1
