"""What has to be known of all commits before the log is read: children, odd messages, signatures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mlflow2prov.sources.git_history import children_of
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_signatures import Keys, Signed, signed_commit, statuses

_MERGES = re.compile(rb"^([0-9a-f]+) [0-9a-f]+ [0-9a-f]", re.MULTILINE)


class Ahead(NamedTuple):
    """What is known of all commits.

    Attributes:
        children: how many commits have each commit as a parent.
        merges: the commits that have several parents.
        messages: the whole messages of the commits whose message has a NUL byte, where the log ends it.
        signatures: what is known of the signature of each commit that has one.
        odd: the commits that may have one, or a NUL byte.
    """

    children: dict[bytes, int]
    merges: frozenset[bytes]
    messages: dict[bytes, bytes]
    signatures: dict[bytes, str]
    odd: set[bytes]


def look_ahead(git: Git, lines: bytes, commits: Sequence[bytes], keys: Keys) -> Ahead:
    """Return what has to be known of all commits before the log is read.

    That costs a look at every commit's bytes, some per cent of the log's own time.

    Args:
        git: on the objects.
        lines: what ``git rev-list --parents`` says of them.
        commits: the object names of those of which nothing is known.
        keys: what signatures are checked with.
    """
    messages: dict[bytes, bytes] = {}
    odd: set[bytes] = set()

    def signed() -> Iterator[tuple[bytes, Signed]]:
        for sha, content in git.contents(commits):
            if b"\0" not in content and b"\ngpgsig" not in content:
                continue
            odd.add(sha)
            header, _, message = content.partition(b"\n\n")
            if b"\0" in message:
                messages[sha] = _as_utf8(message, re.search(rb"^encoding (.+)$", header, re.MULTILINE))
            found = signed_commit(content, is_sha256=len(sha) > 40)
            if found:
                yield sha, found

    signatures = statuses(signed() if commits else iter(()), keys)
    return Ahead(children_of(lines), merges_of(lines), messages, signatures, odd)


def merges_of(lines: bytes) -> frozenset[bytes]:
    """Return the commits with several parents, from ``git rev-list --parents``."""
    return frozenset(_MERGES.findall(lines))


def _as_utf8(message: bytes, encoding: re.Match[bytes] | None) -> bytes:
    """Return a message in UTF-8 where it can be, else as it is."""
    if encoding is None:
        return message
    try:
        return message.decode(encoding[1].decode()).encode()
    except (LookupError, ValueError):
        return message
