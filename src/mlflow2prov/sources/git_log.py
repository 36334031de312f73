"""Reading the output of one ``git log``: every commit with its raw changes, parents before children."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, NamedTuple, TypeAlias

_CHUNK_BYTES = 1 << 20

RENAME_LIMIT = 1000
"""How many added times deleted paths of a commit (its square) are searched for inexact renames."""


Change: TypeAlias = "tuple[bytes, bytes, bytes, bytes | None, bytes]"
"""A path that differs from the first parent.

The file mode afterwards, six octal digits; the object name of the content afterwards, in hexadecimal;
the status, one letter, with the similarity in per cent behind it for ``R`` and ``C``; the path that it was
renamed or copied from, else None; the path.
"""


class LoggedCommit(NamedTuple):
    """A commit as the log shows it; text is UTF-8 where the commit says how it is encoded.

    Attributes:
        sha: the full object name, like ``tree`` and ``parents``.
        author: name and e-mail address as the commit spells them, both empty where Git can't read
            them; ``committer`` likewise.
        authored: seconds since 1970 in decimal, empty where Git can't read them; ``committed`` likewise.
        message: cut off at the first NUL; see :mod:`mlflow2prov.sources.git_looking`.
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


class Renames(NamedTuple):
    """Which renames are found.

    Attributes:
        copies: also files that were copied from one that the same commit changed.
        exact: only those that leave the content as it was, which needs no blob.
    """

    copies: bool = False
    exact: bool = False


_FIELDS = ("%H", "%P", "%T", "%an", "%ae", "%at", "%cn", "%ce", "%ct", "%B")
"""What is shown of a commit; none but the last has a line end in it."""


def log_arguments(find: Renames, *, walks: bool = True, of_merges: bool = False) -> list[str]:
    """Return the ``git log`` command whose output :func:`read_log` reads.

    It takes the commits to start from on its standard input.

    Args:
        find: which renames are found.
        walks: show all that the commits reach, too, parents first; else them alone, in their order.
        of_merges: find none: what a merge took from where is told from its parents' files.
    """
    likeness = "=100%" if find.exact else ""
    copies = [f"--find-copies{likeness}"] if find.copies else []
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
        *(["--no-renames"] if of_merges else [f"--find-renames{likeness}", *copies]),
        f"-l{RENAME_LIMIT}",
        f"--format={'%n'.join(_FIELDS)}",
    ]


def read_log(output: IO[bytes]) -> Iterator[LoggedCommit]:
    """Yield the commits of a log in its order.

    One commit and a chunk of 1 MiB are held at a time. An output that breaks off ends the commits;
    the program's exit code says why.
    """
    read = getattr(output, "read1", output.read)
    waiting: list[bytes] = []
    held: list[bytes] = []
    least, size = 0, 0
    while chunk := read(_CHUNK_BYTES):
        held.append(chunk)
        size += len(chunk)
        if size < least or b"\0" not in chunk:
            continue
        pieces = b"".join(held).split(b"\0")
        held = [pieces.pop()]
        waiting += pieces
        found, taken = _commits(waiting)
        yield from found
        # A commit of many chunks is looked at again after twice as many.
        least = 0 if found else 2 * max(size, least)
        size = 0
        del waiting[:taken]
    waiting += b"".join(held).split(b"\0")[:-1]
    yield from _commits([*waiting, _END])[0]


_END = b"0"
"""What stands for the commit after the last one."""


def _commits(tokens: list[bytes]) -> tuple[list[LoggedCommit], int]:
    """Return the commits of a log cut at its NUL bytes, but the last one; and how many tokens these are.

    A commit is a token of what is shown of it, which begins with its name, and of each change one token that
    begins with a colon, the first one after a line end, and one or two paths.
    """
    found: list[LoggedCommit] = []
    at, taken, count = 0, 0, len(tokens)
    while at < count:
        shown = tokens[at]
        at += 1
        changes: list[Change] = []
        if at < count and tokens[at][:2] == b"\n:":
            tokens[at] = tokens[at][1:]
        width = shown.find(b"\n")
        blob_at = 16 + width
        status_at = blob_at + width + 1
        while at < count and (entry := tokens[at])[:1] == b":":
            status = entry[status_at:]
            if status[0] in b"RC":
                if at + 2 >= count:
                    return found, taken
                changes.append(
                    (entry[8:14], entry[blob_at : status_at - 1], status, tokens[at + 1], tokens[at + 2])
                )
                at += 3
            else:
                if at + 1 >= count:
                    return found, taken
                changes.append((entry[8:14], entry[blob_at : status_at - 1], status, None, tokens[at + 1]))
                at += 2
        if at >= count:
            return found, taken
        found.append(_commit(shown, changes))
        taken = at
    return found, taken


def _commit(shown: bytes, changes: list[Change]) -> LoggedCommit:
    sha, parents, tree, name, email, authored, c_name, c_email, committed, message = shown.split(b"\n", 9)
    author, committer = (name, email), (c_name, c_email)
    return LoggedCommit(sha, parents.split(), tree, author, authored, committer, committed, message, changes)


def message_of(raw: bytes) -> bytes:
    r"""Return a message without the line ends around it; nothing of one that is white space alone.

    >>> message_of(b"\r\n  Fix\r\n\r\nmore\r\n"), message_of(b" \r\n\n")
    (b'  Fix\r\n\r\nmore', b'')
    """
    return raw.strip(b"\r\n") if raw.strip() else b""
