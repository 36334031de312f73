"""The pass over all histories of some repositories whose objects are named alike."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain

from mlflow2prov.sources.beside import Beside
from mlflow2prov.sources.git_along import Along
from mlflow2prov.sources.git_code import RunCode
from mlflow2prov.sources.git_commit_columns import CommitColumns
from mlflow2prov.sources.git_data_reading import GitData
from mlflow2prov.sources.git_declared_files import Declarations, declarations, declaring_changes
from mlflow2prov.sources.git_entry_points import Source
from mlflow2prov.sources.git_history import History, children_of
from mlflow2prov.sources.git_hosting import Hosting, Origin
from mlflow2prov.sources.git_kept import committed_times, kept_of, only_kept
from mlflow2prov.sources.git_log import LoggedCommit, Renames
from mlflow2prov.sources.git_log_pieces import Part as LogPart
from mlflow2prov.sources.git_log_pieces import reading_pieces
from mlflow2prov.sources.git_looking import Looking
from mlflow2prov.sources.git_members import TreeMembers
from mlflow2prov.sources.git_part import Part, roots_of
from mlflow2prov.sources.git_people import MailMap
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_remembered import Memory, Remembered
from mlflow2prov.sources.git_remembered_pieces import reading_remembered_pieces
from mlflow2prov.sources.git_resolving import resolved
from mlflow2prov.sources.git_revision_rows import Kept, RevisionRows
from mlflow2prov.sources.git_rows import BATCH_ROWS
from mlflow2prov.sources.git_signatures import Keys
from mlflow2prov.sources.git_walk import walked
from mlflow2prov.sources.git_wanted import GitWanted
from mlflow2prov.sources.git_warnings import warn
from mlflow2prov.sources.git_whole_history import WholeHistory
from mlflow2prov.sources.tables import Batches

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is read, and how renames are found."""

    wanted: GitWanted
    exact_renames: bool


class Reading:
    """The pass over everything that the commits to start from reach.

    Attributes:
        revisions: how many there were, once all rows are there.
    """

    def __init__(
        self,
        git: Git,
        parts: Sequence[Part],
        starts: list[bytes],
        asked: Asked,
        mail_map: MailMap,
        memory: Memory | None,
        first: int,
    ) -> None:
        self._git, self._parts, self._asked, self._mail_map = git, parts, asked, mail_map
        self._starts, self._first = starts, first
        self._find = Renames(asked.wanted.find_copies, asked.exact_renames)
        lines = b""
        if starts:
            order = ("--topo-order", "--reverse", "--parents", "--stdin")
            with Beside(_load):
                lines = git.output("rev-list", *order, lines=starts)
        self._names, self._parents = walked(lines)
        self._counts: list[int] = self._parents.counts().tolist()
        self.revisions = 0
        self._remembered: Remembered | None = None
        if memory and starts:
            counts = dict(zip(self._names, self._counts, strict=True))
            self._remembered = Remembered(memory, git, self._find, counts)

    def looking(self, keys: Keys) -> Looking:
        """Return what looks at the commits, given what signatures are checked with."""
        known, names = self._remembered, self._names
        unknown = known.new_or_odd(names) if known else range(len(names))
        return Looking(self._git, names, self._parents.counts(), unknown, keys)

    @contextmanager
    def _pieces(
        self,
        some: Sequence[int],
        looking: Looking,
        looked_at: Callable[[Iterable[LogPart]], Iterator[LogPart]],
    ) -> Iterator[Iterator[LogPart]]:
        """Give some commits in columns, numbered among themselves; those that Git has to show are remembered afterwards.

        Args:
            some: their numbers among all.
            looking: knows which of those that were looked at are odd.
            looked_at: looks at parts of all commits, or gives them as they are.
        """
        asked = self._git, self._find, [self._names[it] for it in some], [self._counts[it] > 1 for it in some]
        if self._remembered is None:
            with reading_pieces(*asked) as parts:
                yield looked_at(parts)
        else:
            with reading_remembered_pieces(*asked, self._remembered, looking.odd, looked_at) as parts:
                yield parts

    def batches(self, datasets: Collection[tuple[str, str, str, str]], looking: Looking) -> Batches:
        """Yield the rows; of data only where the whole history is given.

        Args:
            datasets: those of runs.
            looking: looks at the commits.
        """
        roots = [root for part in self._parts if part.points for root in roots_of(part.git, part.layout)]
        data = GitData(datasets, roots, self._hosting, self._paths)
        if self._asked.wanted.narrowing.is_of_history:
            yield from self._part_in_columns(data, looking)
        else:
            yield from self._in_columns(data, looking)

    @cached_property
    def _hosting(self) -> Hosting:
        """The repositories, as URLs of their files name them; none where no run may name one."""
        parts = self._parts if any(part.points for part in self._parts) else ()
        return Hosting(
            (
                Origin(
                    part.remotes.all,
                    part.heads,
                    {point.commit for point in part.points},
                    has_all_refs=not self._asked.wanted.narrowing.refs,
                )
                for part in parts
            ),
            lambda: self._names,
        )

    @property
    def _paths(self) -> str:
        return ", ".join(part.layout.path for part in self._parts)

    @property
    def _told(self) -> set[str]:
        """The commits of runs of whose trees all members are told."""
        if not self._asked.wanted.tree_members:
            return set()
        return {source.commit for part in self._parts for source in part.points}

    def _end(self, history: History, undated: int) -> None:
        sizes = len(history.commits), len(history.commit_of), len(history.first_of)
        self.revisions = sizes[1]
        _LOG.info("Read %s: %d commits, %d revisions, %d files.", self._paths, *sizes)
        if undated:
            warn(
                _LOG,
                "%d commits of %s have a time that is no number or outside the years 1 to 9999: it is left out.",
                undated,
                self._paths,
            )

    def _part_in_columns(self, data: GitData, looking: Looking) -> Batches:
        """Yield what there is to tell of a part of a history."""
        names, narrowing = self._names, self._asked.wanted.narrowing
        commits = CommitColumns(self._mail_map, looking)
        whole, times = WholeHistory(names), [b""] * len(names)
        with self._pieces(range(len(names)), looking, looking.looked_at) as parts:
            for part in parts:
                whole.add(part)
                for number, time in zip(part.commits, committed_times(part.piece.shown), strict=True):
                    times[number] = time
                if not narrowing.is_of_time:
                    yield from commits.batches(part.piece.shown)
        with data.reading(self._git):
            history, kept, rows = self._kept(whole, times, data)
            if narrowing.is_of_time:
                some = [it for it, is_kept in enumerate(kept.commits) if is_kept]
                yield from self._rows_of(commits, some, looking)
            yield from commits.rest()
            yield from rows
            data.warn_of_a_part(history)
        self._end(history, commits.undated)

    def _rows_of(self, commits: CommitColumns, some: Sequence[int], looking: Looking) -> Batches:
        """Yield the rows of some commits, which are read again for that."""
        with self._pieces(some, looking, iter) as parts:
            for part in parts:
                yield from commits.batches(part.piece.shown)

    def _kept(
        self, whole: WholeHistory, times: Sequence[bytes], data: GitData
    ) -> tuple[History, Kept, Batches]:
        """Return a history, what of it is given, and all rows but those of commits."""
        git, narrowing, names = self._git, self._asked.wanted.narrowing, self._names
        matched = narrowing.matched(git, self._starts)
        changes, parents = whole.changes(), self._parents
        found = resolved(changes, parents)
        code = _code(self._parts, self._hosting, self._asked.wanted)
        if found is None:
            history = History(children_of(names, parents), whole.paths)
            pairs = zip(whole.commits(changes, parents), times, strict=True)
            log = (commit._replace(committed=time) for commit, time in pairs)
            kept = narrowing.kept(git, log, matched, history, code)
            history = History(children_of(names, parents), whole.paths)
            return history, kept, self._followed(whole.commits(changes, parents), history, data, kept)
        made = changes.at(found.made)
        along = Along(code, self._told, None)
        states = along.states(names, changes, parents, whole.paths, found)
        del changes, parents
        history = whole.history(made, found)
        members = list(along.batches(states, history))
        in_time = [number for number, time in enumerate(times) if narrowing.is_in_time(time)]
        named = [number for number, commit in enumerate(history.commits) if code.is_named(commit)]
        kept = kept_of(history, found, in_time, named, code.named_in(git, history), matched)
        revisions = RevisionRows(history, kept, self._first).all(made, only_kept(found, kept))
        return history, kept, chain(members, revisions, code.batches(git, history, kept))

    def _followed(
        self,
        log: Iterable[LoggedCommit],
        history: History,
        data: GitData,
        kept: Kept | None = None,
        declared: Beside[Declarations] | None = None,
    ) -> Batches:
        """Yield what there is to tell of files, from commit to commit."""
        code = _code(self._parts, self._hosting, self._asked.wanted)
        members = TreeMembers(history, self._told)
        revisions = RevisionRows(history, kept, self._first)
        sinks = (revisions, members, data.rows)
        for commit in log:
            state = history.add(commit)
            code.note(history.commits[-1], state)
            members.add(history.commits[-1], state)
            if kept is None:
                data.add(state, history)
            if max(history.pending, members.pending, data.rows.pending) >= BATCH_ROWS:
                for rows in sinks:
                    yield from rows.take()
        if kept is None:
            data.finish(history)
        for rows in sinks:
            yield from rows.take()
        yield from code.batches(self._git, history, kept, declared.found() if declared else None)

    def _in_columns(self, data: GitData, looking: Looking) -> Batches:
        """Yield what there is to tell of a whole history."""
        git, names = self._git, self._names
        commits = CommitColumns(self._mail_map, looking)
        whole = WholeHistory(names)
        with self._pieces(range(len(names)), looking, looking.looked_at) as parts:
            for part in parts:
                yield from commits.batches(part.piece.shown)
                whole.add(part)
        yield from commits.rest()
        changes, parents = whole.changes(), self._parents
        asked = declaring_changes(whole.paths.exact, changes)
        with Beside(partial(declarations, git, asked)) as declared, data.reading(git):
            found = resolved(changes, parents)
            if found is None:
                history = History(children_of(names, parents), whole.paths)
                yield from self._followed(whole.commits(changes, parents), history, data, declared=declared)
            else:
                made = changes.at(found.made)
                code = _code(self._parts, self._hosting, self._asked.wanted)
                along = Along(code, self._told, data)
                states = along.states(names, changes, parents, whole.paths, found)
                del changes, parents
                history = whole.history(made, found)
                told = RevisionRows(history, first=self._first).all(made, found)
                del made, found
                yield from told
                yield from along.batches(states, history)
                yield from code.batches(git, history, read=declared.found())
        self._end(history, commits.undated)


def _load(_: threading.Event) -> None:
    """Import, while Git works, what takes a tenth of a second and is needed afterwards."""
    import numpy
    import pyarrow.compute

    assert numpy and pyarrow.compute


def _code(parts: Sequence[Part], hosting: Hosting, wanted: GitWanted) -> RunCode:
    """Return the sources of runs, each with the work trees of the repositories that have its commit."""
    roots = [roots_of(part.git, part.layout) if part.points else [] for part in parts]
    having: dict[Source, list[str]] = {}
    for part, own in zip(parts, roots, strict=True):
        for source in part.points:
            having.setdefault(source, []).extend(own)
    return RunCode(having.items(), hosting, follow_imports=wanted.follow_imports)
