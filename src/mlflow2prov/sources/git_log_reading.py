"""Giving the log of a history in its order, of which several programs show a part each, or nobody has to."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice

from mlflow2prov.sources.git_log import LoggedCommit, Renames, log_arguments, read_log
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_remembered import Remembered

_BLOCK = 100
"""So many commits one program shows before it is another one's turn: less than a pipe holds, mostly."""
_MOST_PROGRAMS = 8


@contextmanager
def reading_log(
    git: Git,
    find: Renames,
    commits: Sequence[bytes],
    merges: Container[bytes],
    remembered: Remembered | None = None,
    odd: Collection[bytes] = (),
) -> Iterator[Iterator[LoggedCommit]]:
    """Give the commits of a log, which several programs make at once, in the order of a list.

    Blocks of those that are no merges go round the programs, one for each processor; one more shows the
    merges. Each is as far ahead as its pipe lets it be, which holds 1 MiB. Held are the list twice over, and
    what :func:`read_log` holds for each of them.

    Args:
        git: the repository.
        find: which renames are found.
        commits: the object names, parents first.
        merges: those that have several parents.
        remembered: the commits that need not be shown; the others are, and are remembered then.
        odd: the commits that have to be looked at each time.
    """
    is_known: Callable[[bytes], bool] = remembered.has if remembered else _never
    shown = [commit for commit in commits if not is_known(commit)]
    plain = [commit for commit in shown if commit not in merges]
    merged = [commit for commit in shown if commit in merges]
    blocks = [plain[start : start + _BLOCK] for start in range(0, len(plain), _BLOCK)]
    programs = min(len(blocks), os.cpu_count() or 1, _MOST_PROGRAMS)
    keep = remembered.keeper(odd) if remembered else None
    with ExitStack() as stack:

        def log(names: Iterable[bytes], *, of_merges: bool = False) -> Iterator[LoggedCommit]:
            arguments = log_arguments(find, walks=False, of_merges=of_merges)
            return read_log(stack.enter_context(git.running(*arguments, lines=names)), keep)

        logs = [log(chain.from_iterable(blocks[number::programs])) for number in range(programs)]
        of_plain = _in_turns(logs, [len(block) for block in blocks])
        of_merges = log(merged, of_merges=True) if merged else iter(())
        known = remembered.log(commits) if remembered else iter(())

        def log_with(name: bytes) -> Iterator[LoggedCommit]:
            return known if is_known(name) else of_merges if name in merges else of_plain

        yield _in_order(commits, log_with, (of_plain, of_merges))


def _never(commit: bytes) -> bool:
    return False


def _in_order(
    commits: Iterable[bytes],
    log_with: Callable[[bytes], Iterator[LoggedCommit]],
    programs: Iterable[Iterator[LoggedCommit]],
) -> Iterator[LoggedCommit]:
    """Yield each commit of a list from the log that it is in; end where one breaks off, whose program says why."""
    for name in commits:
        found = next(log_with(name), None)
        if found is None:
            return
        yield found
    for log in programs:
        next(log, None)


def _in_turns(logs: Sequence[Iterator[LoggedCommit]], sizes: Sequence[int]) -> Iterator[LoggedCommit]:
    """Yield as many commits of each log in turn; end where one breaks off, whose program says why."""
    for number, size in enumerate(sizes):
        block = list(islice(logs[number % len(logs)], size))
        yield from block
        if len(block) < size:
            return
    for log in logs:
        next(log, None)
