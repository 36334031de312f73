"""What has to be known of all commits before the log is read: odd messages, signatures."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_signatures import Keys, Signed, signed_commit, statuses

_CHUNK_BYTES = 1 << 20
_SIGNED = b"\ngpgsig"


class Ahead(NamedTuple):
    """What is known of all commits.

    Attributes:
        messages: the whole messages of the commits whose message has a NUL byte, where the log ends it.
        signatures: what is known of the signature of each commit that has one.
        odd: the commits that may have one, or a NUL byte.
    """

    messages: dict[bytes, bytes]
    signatures: dict[bytes, str]
    odd: set[bytes]


def look_ahead(git: Git, commits: Sequence[bytes], keys: Keys, stopped: threading.Event) -> Ahead:
    """Return what has to be known of all commits, while others read the log.

    That costs a look at every commit's bytes, some per cent of the log's own time.

    Args:
        git: on the objects.
        commits: the object names of those of which nothing is known.
        keys: what signatures are checked with.
        stopped: ends it early.
    """
    messages: dict[bytes, bytes] = {}
    odd: set[bytes] = set()

    def signed() -> Iterator[tuple[bytes, Signed]]:
        with git.running("cat-file", "--batch", "--buffer", lines=commits) as output:
            for sha, content in _odd_ones(output, stopped):
                odd.add(sha)
                header, _, message = content.partition(b"\n\n")
                if b"\0" in message:
                    messages[sha] = _as_utf8(message, re.search(rb"^encoding (.+)$", header, re.MULTILINE))
                found = signed_commit(content, is_sha256=len(sha) > 40)
                if found:
                    yield sha, found

    signatures = statuses(signed() if commits else iter(()), keys)
    return Ahead(messages, signatures, odd)


def _odd_ones(output: IO[bytes], stopped: threading.Event) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and contents of those objects that have a NUL byte or may be signed; half a microsecond for each."""
    data = b""
    while not stopped.is_set() and (chunk := output.read(_CHUNK_BYTES)):
        data, at = data + chunk, 0
        has_nul = b"\0" in data
        while (start := data.find(b"\n", at) + 1) > 0:
            name, _, *size = data[at : start - 1].split(b" ")
            end = start + int(size[0]) if size else start
            if end >= len(data) and size:
                break
            at = end + 1 if size else start
            if data.find(_SIGNED, start, end) >= 0 or (has_nul and data.find(b"\0", start, end) >= 0):
                yield name, data[start:end]
        data = data[at:]


def _as_utf8(message: bytes, encoding: re.Match[bytes] | None) -> bytes:
    """Return a message in UTF-8 where it can be, else as it is."""
    if encoding is None:
        return message
    try:
        return message.decode(encoding[1].decode()).encode()
    except (LookupError, ValueError):
        return message
