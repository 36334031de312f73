"""What is told along with a whole history: the code of runs, the files of trees, and data.

For this the states of a few commits are needed: of those that runs name, and those that changed files of DVC.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mlflow2prov.sources.git_changes import Changes, Parents, Resolved
from mlflow2prov.sources.git_code import RunCode
from mlflow2prov.sources.git_data import NewOnes
from mlflow2prov.sources.git_data_pieces import is_data_file
from mlflow2prov.sources.git_data_reading import GitData
from mlflow2prov.sources.git_history import History, Paths
from mlflow2prov.sources.git_members import TreeMembers
from mlflow2prov.sources.git_rows import BATCH_ROWS
from mlflow2prov.sources.git_states import States
from mlflow2prov.sources.tables import Batches


class Along:
    """What is told of the commits of a history one by one, where that is asked for at all.

    Args:
        code: the sources of runs.
        told: the commits of whose trees all files are told.
        data: what is told of data; None is nothing.
    """

    def __init__(self, code: RunCode, told: Collection[str], data: GitData | None) -> None:
        self._code, self._told, self._data = code, told, data
        self._new: dict[int, NewOnes] = {}

    def states(
        self, names: Sequence[bytes], changes: Changes, parents: Parents, paths: Paths, found: Resolved
    ) -> States:
        """Return the states that are needed of a history that was resolved.

        Args:
            names: the object names of all commits.
            changes: of all commits.
            parents: of all commits.
            paths: all that there are.
            found: what the changes came to.
        """
        asked = {*self._code.commits, *self._told}
        if self._data is not None:
            self._new = _new_ones(changes, paths, found)
            asked |= {*self._data.commits_of_datasets}
        named = {commit.encode() for commit in asked}
        wanted = {number for number, name in enumerate(names) if name in named} if named else set()
        return States(parents.at(0), changes, found.stands, wanted | self._new.keys())

    def batches(self, states: States, history: History) -> Batches:
        """Yield the files of trees and data, given the whole history; the contents of data are being read.

        What the code of runs is can be told afterwards.
        """
        members, data = TreeMembers(history, self._told), self._data
        if data is not None:
            data.expect((self._new[number] for number in sorted(self._new)), history)
        for step in states:
            commit = history.commits[step.number]
            self._code.note(commit, step.state)
            if self._told:
                members.add_step(commit, step)
            if data is not None:
                data.add_at(commit, step.state, history, self._new.get(step.number, {}))
            if max(members.pending, data.rows.pending if data else 0) >= BATCH_ROWS:
                yield from members.take()
                yield from data.rows.take() if data else ()
        yield from members.take()
        if data is not None:
            data.finish(history)
            yield from data.rows.take()


def _new_ones(changes: Changes, paths: Paths, found: Resolved) -> dict[int, NewOnes]:
    """Return, of each commit that made revisions of files of DVC, these with their previous ones."""
    import numpy as np

    numbers = [number for number, path in enumerate(paths.exact) if is_data_file(path)]
    if not numbers:
        return {}
    is_of_data = np.isin(changes.path[found.made], np.array(numbers, "i4"))
    revisions = np.flatnonzero(is_of_data)
    before: dict[int, list[int]] = {revision: [] for revision in revisions.tolist()}
    rows = found.derivations[is_of_data[found.derivations[:, 0]]]
    for revision, _, previous in rows[np.lexsort((rows[:, 1], rows[:, 0]))].tolist():
        before[revision].append(previous)
    of_commits: dict[int, dict[int, list[int]]] = {}
    commits = changes.commit[found.made[revisions]]
    for revision, commit in zip(revisions.tolist(), commits.tolist(), strict=True):
        of_commits.setdefault(commit, {})[revision] = before[revision]
    return dict(of_commits)
