"""What a log does not show of commits: a message behind its NUL byte, and signatures.

A commit's object is looked at where its size is not that of what the log shows of it, or where the log shows
something that it may have written in another encoding than the object. A log does not show time zones, which have five
characters: where one of a malformed commit has fewer, as many characters behind a NUL byte are not noticed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from mlflow2prov.sources.beside import Beside
from mlflow2prov.sources.columns import numbers_of
from mlflow2prov.sources.git_log_pieces import Part
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_signatures import Keys, Signed, signed_commit, statuses

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Flags: TypeAlias = npt.NDArray[np.bool_]
    Numbers: TypeAlias = npt.NDArray[np.signedinteger[Any]]
    Sizes: TypeAlias = npt.NDArray[np.int64]
    Column: TypeAlias = Any  # pyarrow does not say of an array that it is of bytes

_PARTS = 6
"""So many parts of a log wait for one program that shows objects, which takes some milliseconds to start."""
_NOT_ASKED, _UNKNOWN = -2, -1
_ASCII = 128
_WORDS = len("tree \nauthor  <>  +0000\ncommitter  <>  +0000\n\n") - 10
"""What a commit's object has beside its fields, less the ends of the fields that a log shows."""
_PARENT = len("parent ")


class Looking:
    """Looks at commits, part by part of their log; to be used in a ``with`` block.

    Args:
        git: on the objects.
        names: the object names of all commits.
        parents: how many each of them has.
        unknown: the numbers of those that may have to be looked at.
        keys: what signatures are checked with.

    Attributes:
        messages: the whole messages of the commits whose message has a NUL byte, where the log ends it.
        signatures: what is known of the signature of each commit that has one.
        odd: the commits that have one, or a NUL byte.
    """

    def __init__(
        self, git: Git, names: Sequence[bytes], parents: Numbers, unknown: Sequence[int], keys: Keys
    ) -> None:
        self.messages: dict[bytes, bytes] = {}
        self.signatures: dict[bytes, str] = {}
        self.odd: set[bytes] = set()
        self._git, self._names, self._parents, self._unknown = git, names, parents, unknown
        self._keys = keys
        self._sizes = Beside(self._read_sizes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sizes.__exit__(kind, error, trace)

    def looked_at(self, parts: Iterable[Part]) -> Iterator[Part]:
        """Yield the parts of a log of all commits, each once it is known what it does not show."""
        held: list[Part] = []
        for part in parts:
            held.append(part)
            if len(held) == _PARTS:
                yield from self._looked_at(held)
                held = []
        yield from self._looked_at(held)

    def _looked_at(self, parts: Sequence[Part]) -> Sequence[Part]:
        asked = [self._names[number] for part in parts for number in self._to_look_at(part)]
        if asked:
            self.signatures |= statuses(self._signed(asked), self._keys)
        return parts

    def _to_look_at(self, part: Part) -> list[int]:
        """Return the numbers of the commits of a part whose objects may say more."""
        import numpy as np

        numbers = np.array(part.commits, "i8")
        sizes, shown = self._sizes.found()[numbers], part.piece.shown
        expected = _sizes_if_all_is_shown(shown, self._parents[numbers], len(self._names[0]))
        is_odd = (sizes != expected) | _is_beyond_ascii(shown)
        found: list[int] = numbers[is_odd & (sizes != _NOT_ASKED)].tolist()
        return found

    def _read_sizes(self, _: threading.Event) -> Sizes:
        """Return the size of each commit's object in bytes; a negative number where nobody asks, or it is missing."""
        import numpy as np

        sizes: Sizes = np.full(len(self._names), _NOT_ASKED, "i8")
        if len(self._unknown):
            asked = (self._names[number] for number in self._unknown)
            said = self._git.output("cat-file", "--batch-check=%(objectsize)", "--buffer", lines=asked)
            lines = said.splitlines()
            sizes[self._unknown] = [int(line) if line.isdigit() else _UNKNOWN for line in lines]
        return sizes

    def _signed(self, names: Sequence[bytes]) -> Iterator[tuple[bytes, Signed]]:
        """Yield what was signed of some commits, and note down what is odd about them."""
        for name, content in self._git.contents(names):
            header, _, message = content.partition(b"\n\n")
            found = signed_commit(content, is_sha256=len(name) > 40)
            if b"\0" in message:
                self.messages[name] = _as_utf8(message, re.search(rb"^encoding (.+)$", header, re.MULTILINE))
            if found:
                yield name, found
            if found or b"\0" in content:
                self.odd.add(name)


def _sizes_if_all_is_shown(shown: Column, parents: Numbers, width: int) -> Sizes:
    r"""Return how many bytes each commit's object has if it has nothing but what the log shows of it.

    An object has words before its fields, and five characters of each time zone; the log shows the commit's own name,
    and a parent without its word.

    >>> import numpy as np, pyarrow as pa
    >>> shown = b"%b\n\n%b\nA\na@b\n0\nA\na@b\n0\n\0" % (b"c" * 40, b"d" * 40)
    >>> of_git = b"tree %b\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\n" % (b"d" * 40)
    >>> _sizes_if_all_is_shown(pa.array([shown]), np.array([0]), 40).tolist() == [len(of_git)]
    True
    """
    import numpy as np
    import pyarrow.compute

    compute: Any = pyarrow.compute
    sizes: Sizes = numbers_of(compute.binary_length(shown)).astype("i8")
    return sizes + (_WORDS - width) + _PARENT * parents + np.minimum(parents, 1)


def _is_beyond_ascii(shown: Column) -> Flags:
    """Return of each commit whether the log shows something of it that is not ASCII."""
    import numpy as np

    _, offsets, data = shown.buffers()
    ends = np.frombuffer(offsets, "i4", len(shown) + 1, shown.offset * 4)
    found = np.flatnonzero(np.frombuffer(data, "u1") >= _ASCII)
    counts = np.searchsorted(found, ends)
    flags: Flags = counts[1:] > counts[:-1]
    return flags


def _as_utf8(message: bytes, encoding: re.Match[bytes] | None) -> bytes:
    """Return a message in UTF-8 where it can be, else as it is."""
    if encoding is None:
        return message
    try:
        return message.decode(encoding[1].decode()).encode()
    except (LookupError, ValueError):
        return message
