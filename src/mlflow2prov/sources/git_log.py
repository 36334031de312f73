"""Reading the output of one ``git log``: every commit with its raw changes, parents before children."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from typing import IO, NamedTuple

from mlflow2prov.sources.git_program import Git

_CHUNK_BYTES = 1 << 20
_BLOCK = 100
"""So many commits one program shows before it is another one's turn: less than a pipe holds, mostly."""
_MOST_PROGRAMS = 8

RENAME_LIMIT = 1000
"""How many added times deleted paths of a commit (its square) are searched for inexact renames."""


class Change(NamedTuple):
    """A path that differs from the first parent.

    Attributes:
        mode: the file mode afterwards, six octal digits.
        blob: the object name of the content afterwards, in hexadecimal.
        status: one letter, with the similarity in per cent behind it for ``R`` and ``C``.
        source: the path that it was renamed or copied from, else None.
        path: the path.
    """

    mode: bytes
    blob: bytes
    status: bytes
    source: bytes | None
    path: bytes


class LoggedCommit(NamedTuple):
    """A commit as the log shows it; text is UTF-8 where the commit says how it is encoded.

    Attributes:
        sha: the full object name, like ``tree`` and ``parents``.
        author: name and e-mail address as the commit spells them, both empty where Git can't read
            them; ``committer`` likewise.
        authored: seconds since 1970 in decimal, empty where Git can't read them; ``committed`` likewise.
        message: cut off at the first NUL; see :mod:`mlflow2prov.sources.git_ahead`.
        changes: against the first parent, or against nothing for a commit without one.
    """

    sha: bytes
    parents: list[bytes]
    tree: bytes
    author: tuple[bytes, bytes]
    authored: bytes
    committer: tuple[bytes, bytes]
    committed: bytes
    message: bytes
    changes: list[Change]


_FIELDS = (
    "%H",
    "%P",
    "%T",
    "%an",
    "%ae",
    "%at",
    "%cn",
    "%ce",
    "%ct",
    "%B",
)


def log_arguments(find_copies: bool, exact_renames: bool, *, walks: bool = True) -> list[str]:
    """Return the ``git log`` command whose output :func:`read_log` reads.

    It takes the commits to start from on its standard input.

    Args:
        find_copies: also find files that were copied from one that the same commit changed.
        exact_renames: find only renames that leave the content as it was, which needs no blob.
        walks: show all that the commits reach, too, parents first; else them alone, in their order.
    """
    likeness = "=100%" if exact_renames else ""
    return [
        "log",
        "--stdin",
        *(["--topo-order", "--reverse"] if walks else ["--no-walk=unsorted"]),
        "--encoding=UTF-8",
        "--no-notes",
        "--no-decorate",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-relative",
        "--ignore-submodules=none",
        "-O/dev/null",
        "--diff-merges=first-parent",
        "--raw",
        "--no-abbrev",
        "-z",
        f"--find-renames{likeness}",
        *([f"--find-copies{likeness}"] if find_copies else []),
        f"-l{RENAME_LIMIT}",
        f"--format={'%x00'.join(_FIELDS)}",
    ]


def read_log(output: IO[bytes]) -> Iterator[LoggedCommit]:
    """Yield the commits of a log in its order.

    One commit and a chunk of 1 MiB are held at a time. An output that breaks off ends the commits;
    the program's exit code says why.
    """
    tokens = chain.from_iterable(_pieces(output))
    token = next(tokens, None)
    while token is not None:
        fields = [token, *islice(tokens, len(_FIELDS) - 1)]
        if len(fields) < len(_FIELDS):
            return
        changes: list[Change] = []
        token = next(tokens, None)
        while token is not None and token[:2].lstrip(b"\n")[:1] == b":":
            _, mode, _, blob, status = token.split(b" ")
            path = next(tokens, b"")
            if status[0] in b"RC":
                changes.append(Change(mode, blob, status, path, next(tokens, b"")))
            else:
                changes.append(Change(mode, blob, status, None, path))
            token = next(tokens, None)
        yield _commit(fields, changes)


@contextmanager
def reading_log(
    git: Git, arguments: Sequence[str], commits: Sequence[bytes]
) -> Iterator[Iterator[LoggedCommit]]:
    """Give the commits of a log, which several programs make at once, in the order of a list.

    Blocks of the list go round the programs, one for each processor; each is as far ahead as its pipe lets
    it be, which holds 1 MiB. Held are the list twice over, and what :func:`read_log` holds for each of them.

    Args:
        git: the repository.
        arguments: of a log that does not walk.
        commits: the object names, parents first.
    """
    blocks = [commits[start : start + _BLOCK] for start in range(0, len(commits), _BLOCK)]
    programs = min(len(blocks), os.cpu_count() or 1, _MOST_PROGRAMS)
    with ExitStack() as stack:
        logs = [
            read_log(
                stack.enter_context(
                    git.running(*arguments, lines=chain.from_iterable(blocks[number::programs]))
                )
            )
            for number in range(programs)
        ]
        yield _in_turns(logs, [len(block) for block in blocks])


def _in_turns(logs: Sequence[Iterator[LoggedCommit]], sizes: Sequence[int]) -> Iterator[LoggedCommit]:
    """Yield as many commits of each log in turn; end where one breaks off, whose program says why."""
    for number, size in enumerate(sizes):
        block = list(islice(logs[number % len(logs)], size))
        yield from block
        if len(block) < size:
            return
    for log in logs:
        next(log, None)


def message_of(raw: bytes) -> bytes:
    r"""Return a message without the line ends around it; nothing of one that is white space alone.

    >>> message_of(b"\r\n  Fix\r\n\r\nmore\r\n"), message_of(b" \r\n\n")
    (b'  Fix\r\n\r\nmore', b'')
    """
    return raw.strip(b"\r\n") if raw.strip() else b""


def _commit(fields: list[bytes], changes: list[Change]) -> LoggedCommit:
    sha, parents, tree, name, email, authored, c_name, c_email, committed, message = fields
    return LoggedCommit(
        sha,
        parents.split(),
        tree,
        (name, email),
        authored,
        (c_name, c_email),
        committed,
        message,
        changes,
    )


def _pieces(output: IO[bytes]) -> Iterator[list[bytes]]:
    """Yield the output cut at its NUL bytes, a list for each chunk."""
    read = getattr(output, "read1", output.read)
    held: list[bytes] = []
    while chunk := read(_CHUNK_BYTES):
        held.append(chunk)
        if b"\0" in chunk:
            pieces = b"".join(held).split(b"\0")
            held = [pieces.pop()]
            yield pieces
