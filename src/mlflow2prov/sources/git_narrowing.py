"""Which part of a history is asked for: of some refs, of files at some paths, of some time.

A part is told in the very words of the whole: the pass goes over everything that the refs reach, so that
every file and revision is what it is in a full reading, and only then is it decided what is given.

Given are the commits of the time asked for, with all that they did to the files asked for; a file is
asked for with all its revisions if it ever stood at one of the paths. Besides, so that these can be
understood: what the commits' revisions were made from, the revisions with which their files began, the
commits that runs name and the revisions of the entry points, and the commits that made all of these.
"""

from __future__ import annotations

import logging
import os
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from mlflow2prov.errors import UsageError
from mlflow2prov.prov.instants import instant_of, window_of
from mlflow2prov.prov.text import clean_text
from mlflow2prov.sources.git_history import History
from mlflow2prov.sources.git_log import LoggedCommit
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_revision_rows import WHOLE, Kept
from mlflow2prov.sources.git_rows import seconds_of
from mlflow2prov.sources.git_warnings import warn

if TYPE_CHECKING:
    from mlflow2prov.sources.git_code import RunCode

_LOG = logging.getLogger(__name__)

_NEEDED = 1


class Times(NamedTuple):
    """Four times as they were given: from when and until when to tell of runs, and of commits."""

    since: str | None = None
    until: str | None = None
    commits_since: str | None = None
    commits_until: str | None = None

    def read_with(self, mlflow_url: str | None) -> Times:
        """Return what the times mean: without an MLflow store, those of runs are those of commits.

        Raises:
            UsageError: the times of runs can't be read, or are in the wrong order.

        >>> Times("2026-01-31").read_with(None)
        Times(since=None, until=None, commits_since='2026-01-31', commits_until=None)
        """
        if mlflow_url:
            return self
        window_of(self.since, self.until)
        return Times(None, None, self.commits_since or self.since, self.commits_until or self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """What is asked for; where nothing is said, everything.

    Attributes:
        refs: shell patterns of branches and tags, by full names or as people call them.
        paths: pathspecs as Git takes them, relative to the root.
        since_ms: commits committed then or later, in milliseconds since 1970.
        until_ms: commits committed before.
        said: the two as they were given.
    """

    refs: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    said: tuple[str | None, str | None] = (None, None)

    @classmethod
    def of(
        cls,
        refs: Sequence[str] = (),
        paths: Sequence[str] = (),
        since: str | None = None,
        until: str | None = None,
    ) -> Narrowing:
        """Return what is asked for by options.

        Raises:
            UsageError: a time can't be read, or both are in the wrong order.
        """
        first, last = instant_of("commits_since", since), instant_of("commits_until", until)
        if first and last and first >= last:
            raise UsageError(f"commits_since ({since}) has to be before commits_until ({until})")
        since_ms, until_ms = (int(at.timestamp() * 1000) if at else None for at in (first, last))
        return cls(
            refs=tuple(refs),
            paths=tuple(paths),
            since_ms=since_ms,
            until_ms=until_ms,
            said=(since, until),
        )

    @property
    def is_of_history(self) -> bool:
        """Whether not all commits and files of what the refs reach are given."""
        return bool(self.paths) or self.is_of_time

    @property
    def is_of_time(self) -> bool:
        """Whether only commits of some time are given."""
        return (self.since_ms, self.until_ms) != (None, None)

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.refs or self.is_of_history)

    @property
    def shown(self) -> list[str]:
        """What is asked for, for a document's settings.

        >>> Narrowing(refs=("main", "v*"), paths=("src",)).shown
        ['only refs: main, v*', 'only paths: src']
        """
        since, until = self.said
        said = {
            "only refs": ", ".join(map(_one_line, self.refs)),
            "only paths": ", ".join(map(_one_line, self.paths)),
            "only commits since": since,
            "only commits until": until,
        }
        return [f"{what}: {value}" for what, value in said.items() if value]

    def check_tree_members(self, tree_members: bool) -> None:
        """Raise an error if all files of trees are asked for, of which only a part is told.

        Raises:
            UsageError: so it is.
        """
        if tree_members and self.is_of_history:
            part = "; ".join(self.shown)
            raise UsageError(
                f"tree members are all files of a tree, and only a part of the history is told ({part}):"
                " leave out --tree_members, or --paths and the times of commits"
            )

    def keeps_ref(self, full_name: bytes) -> bool:
        """Return whether a ref is asked for.

        >>> Narrowing(refs=("v*",)).keeps_ref(b"refs/tags/v1.0"), Narrowing().keeps_ref(b"refs/x")
        (True, True)
        """
        name = clean_text(full_name)
        names = {name, name.partition("/")[2], name.split("/", 2)[-1]}
        return not self.refs or any(fnmatchcase(each, pattern) for each in names for pattern in self.refs)

    def kept(
        self,
        git: Git,
        log: Iterable[LoggedCommit],
        matched: set[bytes] | None,
        history: History,
        code: RunCode,
    ) -> Kept:
        """Return what of a history is given; memory: 20 bytes for each revision beside the history's.

        Args:
            git: the repository.
            log: all of its commits.
            matched: what :meth:`matched` says.
            history: a new one.
            code: the sources of runs.
        """
        noted = _Noted()
        for commit in log:
            state = history.add(commit)
            code.note(history.commits[-1], state)
            is_named = code.is_named(history.commits[-1])
            noted.take(history, is_asked=self.is_in_time(commit.committed), is_named=is_named)
        noted.code = code.named_in(git, history)
        files = None if matched is None else _files_at(matched, history)
        return noted.kept(history, files)

    def is_in_time(self, committed: bytes) -> bool:
        """Return whether a commit is given, by its committed time: seconds since 1970 in decimal."""
        if not self.is_of_time:
            return True
        seconds = seconds_of(committed)
        if seconds is None:
            return False
        return (self.since_ms is None or seconds * 1000 >= self.since_ms) and (
            self.until_ms is None or seconds * 1000 < self.until_ms
        )

    def matched(self, git: Git, starts: Sequence[bytes]) -> set[bytes] | None:
        """Return every path of the history that the pathspecs match, and warn if there is none; None is without any."""
        if not self.paths:
            return None
        arguments = ["log", "--stdin", "--full-history", "--diff-merges=first-parent", "--name-only", "-z"]
        arguments += ["--no-renames", "--format=", "--no-relative", "--ignore-submodules=none"]
        found = set(git.output(*arguments, "--", *self.paths, lines=starts).split(b"\0")) - {b""}
        if starts and not found:
            warn(_LOG, "No file ever stood at %s.", ", ".join(map(_one_line, self.paths)))
        return found


EVERYTHING = Narrowing()

_DATA = (b".dvc", b"dvc.lock", b"dvc.yaml")


def has_data(paths: Iterable[bytes]) -> bool:
    """Return whether one of some paths is that of a file of DVC.

    >>> has_data([b"data/wine.csv.dvc"]), has_data([b".dvc/config", b"a.py"])
    (True, False)
    """
    names = (path.rpartition(b"/")[2] for path in paths)
    return any(name.endswith(_DATA) and name != b".dvc" for name in names)


class _Noted:
    """What a pass notes down of each commit, in compact arrays."""

    def __init__(self) -> None:
        self.commits = bytearray()
        self.code: set[int] = set()
        self._pairs = (array("i"), array("i"))
        self._deleted = array("i")

    def take(self, history: History, *, is_asked: bool, is_named: bool) -> None:
        """Note down what the history's last commit did, and forget its rows."""
        self.commits.append(WHOLE if is_asked else _NEEDED if is_named else 0)
        for revision, _, previous in history.derivations:
            self._pairs[0].append(revision)
            self._pairs[1].append(previous)
        if is_asked:
            self._deleted.extend(last for _, last, _ in history.deletions)
        history.take()

    def kept(self, history: History, files: set[int] | None) -> Kept:
        """Return what is given where only these files are asked for; None is all."""
        commit_of, file_of = history.commit_of, history.file_of
        revisions = bytearray(len(commit_of))
        for number, commit in enumerate(commit_of):
            revisions[number] = self.commits[commit] == WHOLE and (files is None or file_of[number] in files)
        asked = bytes(revisions)
        for number in self._deleted:
            revisions[number] |= files is None or file_of[number] in files
        for number in self.code:
            revisions[number] = 1
        for revision, previous in zip(*self._pairs, strict=True):
            revisions[previous] |= asked[revision]
        for number in range(len(revisions)):
            if revisions[number]:
                revisions[history.first_of[file_of[number]]] = 1
        commits = bytearray(self.commits)
        for number, commit in enumerate(commit_of):
            if revisions[number] and not commits[commit]:
                commits[commit] = _NEEDED
        return Kept(commits, revisions)


def _one_line(pattern: str) -> str:
    return clean_text(os.fsencode(pattern)).replace("\n", "\\n")


def _files_at(paths: set[bytes], history: History) -> set[int]:
    """Return the files that ever stood at one of some paths."""
    numbers = {history.paths.number[path] for path in paths if path in history.paths.number}
    pairs = zip(history.file_of, history.path_of, strict=True)
    return {file for file, path in pairs if path in numbers}
