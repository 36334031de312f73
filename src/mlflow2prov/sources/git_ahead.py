"""What has to be known of all commits before the log is read: children, odd messages, signatures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mlflow2prov.sources.git_history import children_of
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_signatures import Keys, Signed, signed_commit, statuses

_CHUNK_BYTES = 1 << 20
_WORTH_A_LOOK = re.compile(rb"\0|\ngpgsig")
_LONGEST = len(b"\ngpgsig")


class Ahead(NamedTuple):
    """What is known of all commits.

    Attributes:
        children: how many commits have each commit as a parent.
        messages: the whole messages of the commits whose message has a NUL byte, where the log ends it.
        signatures: what is known of the signature of each commit that has one.
    """

    children: dict[bytes, int]
    messages: dict[bytes, bytes]
    signatures: dict[bytes, str]


def look_ahead(git: Git, lines: bytes, commits: Sequence[bytes], keys: Keys) -> Ahead:
    """Return what has to be known of all commits before the log is read.

    That costs a look at every commit's bytes, some per cent of the log's own time, and more only where
    there is a signature or a NUL byte. A chunk of 1 MiB is held.

    Args:
        git: on the objects.
        lines: what ``git rev-list --parents`` says of them.
        commits: the object names of all.
        keys: what signatures are checked with.
    """
    messages: dict[bytes, bytes] = {}

    def signed() -> Iterator[tuple[bytes, Signed]]:
        for sha, content in git.contents(commits):
            header, _, message = content.partition(b"\n\n")
            if b"\0" in message:
                messages[sha] = _as_utf8(message, re.search(rb"^encoding (.+)$", header, re.MULTILINE))
            found = signed_commit(content, is_sha256=len(sha) > 40)
            if found:
                yield sha, found

    is_any = _is_any_worth_a_look(git, commits)
    signatures = statuses(signed() if is_any else iter(()), keys)
    return Ahead(children_of(lines), messages, signatures)


def _is_any_worth_a_look(git: Git, commits: Sequence[bytes]) -> bool:
    """Return whether a commit may have a signature, or a NUL byte in its message."""
    if not commits:
        return False
    end = b""
    with git.running("cat-file", "--batch", "--buffer", lines=commits) as output:
        while chunk := output.read(_CHUNK_BYTES):
            if _WORTH_A_LOOK.search(chunk) or _WORTH_A_LOOK.search(end + chunk[:_LONGEST]):
                return True
            end = chunk[-_LONGEST:]
    return False


def _as_utf8(message: bytes, encoding: re.Match[bytes] | None) -> bytes:
    """Return a message in UTF-8 where it can be, else as it is."""
    if encoding is None:
        return message
    try:
        return message.decode(encoding[1].decode()).encode()
    except (LookupError, ValueError):
        return message
