"""Reading what a history says of data: by DVC, by Git LFS, and of the datasets of runs."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.git_blobs import Blobs
from mlflow2prov.sources.git_data import DataHistory, NewOnes
from mlflow2prov.sources.git_data_pieces import Entry, Rows
from mlflow2prov.sources.git_datasets import DatasetMatches, DatasetOfRun, Match
from mlflow2prov.sources.git_history import History, State
from mlflow2prov.sources.git_hosting import Hosting
from mlflow2prov.sources.git_lfs import note_pointers, paths_of_lfs
from mlflow2prov.sources.git_links import MOST_BYTES
from mlflow2prov.sources.git_narrowing import has_data
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_warnings import warn

_LOG = logging.getLogger(__name__)


class GitData:
    """What goes along with a pass over a history, and notes down its data.

    Args:
        datasets: those of runs.
        roots: the absolute paths of the repositories' work trees.
        hosting: the repositories, as URLs of their files name them.
        shown: the repositories, for messages.

    Attributes:
        rows: what was found; to be taken now and then.
    """

    def __init__(
        self,
        datasets: Iterable[tuple[str, str, str, str]],
        roots: Sequence[str],
        hosting: Hosting,
        shown: str,
    ) -> None:
        self.rows = Rows()
        self._shown = shown
        self._matches = DatasetMatches((DatasetOfRun(*it) for it in datasets), roots, hosting)

    @contextmanager
    def reading(self, git: Git) -> Iterator[None]:
        """Read contents from a repository; within it, take in every commit, and finish."""
        with Blobs(git) as self._blobs:
            self._data = DataHistory(self._blobs, self.rows)
            yield

    def add(self, state: State, history: History) -> None:
        """Take in the commit that the history has just taken in, given its state."""
        self.add_at(history.commits[-1], state, history, self._data.new_ones(history))

    @property
    def commits_of_datasets(self) -> Collection[str]:
        """The commits at which datasets of runs are looked up."""
        return self._matches.commits

    def expect(self, commits: Iterable[NewOnes], history: History) -> None:
        """Have contents read ahead, given the revisions of files of DVC that will be given to :meth:`add_at`."""
        self._data.expect(commits, history)

    def add_at(self, commit: str, state: State, history: History, made: NewOnes) -> None:
        """Take in a commit after its parents, given its state and the revisions of files of DVC that it made.

        Commits that made none, and at which no run took in a dataset, may be left out.
        """
        self._data.add(commit, state, history, made)
        if self._matches.are_at(commit):
            named = self._data.standing(state, history)

            def link_of(revision: int) -> bytes | None:
                if not history.is_link(revision):
                    return None
                return self._blobs.link(history.blob_of(revision).decode(), MOST_BYTES)

            self._note(self._matches.look_up(commit, state, history, named, link_of), history)

    def finish(self, history: History) -> None:
        """Take in what can be told when all commits are there, and say what was left out."""
        pointers = note_pointers(history, self._blobs, self.rows)
        self._note(self._matches.finish(history, pointers), history)
        data, blobs = self._data, self._blobs
        said = (
            (
                blobs.missing,
                "%d contents that may tell of data are not in %s, a partial clone, and nothing is fetched: the data"
                " that files of DVC and pointers of Git LFS name there is left out; give a clone with all contents.",
            ),
            (
                blobs.too_large + data.unread,
                "%d files of DVC in %s are too large, too deep or no YAML of that form.",
            ),
            (data.odd, "%d things in files of DVC in %s are not of the expected form and left out."),
            (data.circles, "%d dependencies in files of DVC in %s make a circle and are left out."),
        )
        for count, sentence in said:
            if count:
                warn(_LOG, sentence, count, self._shown)

    def warn_of_a_part(self, history: History) -> None:
        """Say what is left out where only a part of a history is told, instead of finishing."""
        said = {
            "files of DVC": has_data(history.paths.exact),
            "pointers of Git LFS": bool(paths_of_lfs(history, self._blobs)),
        }
        for files, are_there in said.items():
            if are_there:
                warn(
                    _LOG,
                    "Only a part of the history of %s is told: what %s say of data is left out.",
                    self._shown,
                    files,
                )

    def _note(self, found: Iterable[Match], history: History) -> None:
        for dataset, way, thing in found:
            if isinstance(thing, Entry):
                self.rows.add("git_dataset_match", *dataset[:3], way, thing.key, None, None, None)
                continue
            path = text_of(history.paths.exact[history.path_of[thing]])
            commit = history.commits[history.commit_of[thing]]
            self.rows.add("git_dataset_match", *dataset[:3], way, None, *path, commit)
