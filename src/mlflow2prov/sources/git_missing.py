"""Which contents a partial clone needs: those that Git compares to tell which files were renamed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

from mlflow2prov.sources.git_log import Renames, log_arguments
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_remembered import parents_of

_GITLINK = b"160000"


def missing_contents(
    alone: Git,
    starts: Iterable[bytes],
    *,
    find_copies: bool,
    is_known: Callable[[bytes, int], bool] | None = None,
) -> list[bytes]:
    """Return the object names of the contents that are not there and would have to be compared.

    These are, of each commit that is no merge, with files that came and files that went but for renames without a change,
    the contents of all of them; where copies are searched, those before a change, too. Nothing is fetched;
    memory: about 100 bytes for each content.

    Args:
        alone: Git on the objects of a repository alone.
        starts: the commits whose histories are read.
        find_copies: whether copies are searched.
        is_known: of a commit, and of how many parents it has, whether it need not be looked at.
    """
    asked = log_arguments(Renames(exact=True), walks=is_known is None)
    arguments = [part for part in asked if not part.startswith(("--format", "--reverse"))]
    if is_known is not None:
        lines = alone.output("rev-list", "--no-merges", "--parents", "--stdin", lines=starts)
        starts = [name for name, parents in parents_of(lines).items() if not is_known(name, parents)]
        if not starts:
            return []
    with alone.running(*arguments, "--no-merges", "--format=%H", lines=starts) as output:
        wanted = sorted(set(_compared(output, find_copies)))
    return missing(alone, wanted)


def missing(alone: Git, names: Iterable[bytes]) -> list[bytes]:
    """Return those of some object names whose objects are not there."""
    lines = alone.output("cat-file", "--batch-check", "--buffer", lines=names).splitlines()
    return [line.split()[0] for line in lines if line.endswith(b" missing")]


def _compared(output: IO[bytes], find_copies: bool) -> Iterator[bytes]:
    """Yield the contents to compare, from a log with ``%H`` and raw changes that finds exact renames."""
    came: list[bytes] = []
    went: list[bytes] = []
    tokens = _tokens(output)
    for token in tokens:
        entry = token.lstrip(b"\n")
        if not entry.startswith(b":"):
            yield from _both(came, went)
            came, went = [], []
            continue
        before, after, old, new, status = entry[1:].split(b" ")
        next(tokens, None)
        if status[:1] in b"RC":
            next(tokens, None)
        if status == b"A" and after != _GITLINK:
            came.append(new)
        elif before != _GITLINK and (status == b"D" or find_copies):
            went.append(old)
    yield from _both(came, went)


def _both(came: Sequence[bytes], went: Sequence[bytes]) -> Sequence[bytes]:
    return [*came, *went] if came and went else ()


def _tokens(output: IO[bytes]) -> Iterator[bytes]:
    held = b""
    while chunk := output.read(1 << 20):
        *pieces, held = (held + chunk).split(b"\0")
        yield from pieces
