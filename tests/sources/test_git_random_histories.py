"""The pass over a history agrees with a slow walk that looks at whole trees, on random histories.

``random_histories.py`` says what they are, and checks as many as one likes.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from git_maker import Rows
from random_histories import MOST_PARENTS, PER_REPOSITORY, SlowWalk, check, check_revisions, make, touched

from mlflow2prov.sources.git_history import History, children_of
from mlflow2prov.sources.git_log import Renames, log_arguments, read_log
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_walk import walked

HISTORIES = int(os.environ.get("MLFLOW2PROV_HISTORIES", "100"))
SLICES = [
    range(first, min(first + PER_REPOSITORY, HISTORIES)) for first in range(0, HISTORIES, PER_REPOSITORY)
]


@pytest.mark.parametrize("seeds", SLICES, ids=lambda seeds: f"{seeds.start}-{seeds.stop - 1}")
@pytest.mark.parametrize("find_copies", [False, True], ids=["renames", "copies"])
def test_revisions_files_and_deletions_are_those_of_a_slow_walk(
    tmp_path: Path, seeds: range, find_copies: bool
) -> None:
    most_parents = MOST_PARENTS if seeds.start // PER_REPOSITORY % 2 else 2
    seen = check(tmp_path / "r", seeds, find_copies=find_copies, most_parents=most_parents)
    assert bool(seen["C"]) == find_copies


def test_the_histories_hold_all_that_they_are_to_show(tmp_path: Path) -> None:
    made, seen = make(tmp_path / "r", range(100)), Counter[str]()
    changes = touched(made, find_copies=True)
    for commits in made.histories.values():
        seen += SlowWalk(commits, changes).seen
    words = (
        *("A", "C", "M", "R", "T", "roots", "octopus", "returns", "case only", "file to folder"),
        *("changed by a merge", "deleted by a merge", "renamed on one side"),
    )
    assert not [word for word in words if seen[word] < 5], seen


def test_a_wrong_reading_is_noticed(tmp_path: Path) -> None:
    made = make(tmp_path / "r", range(1))
    walk = SlowWalk(made.histories[0], touched(made, find_copies=False))
    nothing: Rows = {"git_revision": [], "git_derivation": [], "git_deletion": []}
    with pytest.raises(AssertionError):
        check_revisions(nothing, walk)


@pytest.mark.parametrize("seed", range(8))
def test_every_state_is_the_tree_of_its_commit_and_none_is_kept_for_good(tmp_path: Path, seed: int) -> None:
    made = make(tmp_path / "r", range(seed, seed + 1))
    walk = SlowWalk(made.histories[seed], touched(made, find_copies=False))
    git = Git(str(tmp_path / "r"))
    tips = made.repository.git("for-each-ref", "--format=%(objectname)").encode().split()
    lines = git.output("rev-list", "--topo-order", "--reverse", "--parents", "--stdin", lines=tips)
    names, parents = walked(lines)
    history = History(children_of(names, parents))
    open_at_once = 0
    with git.running(*log_arguments(Renames()), lines=tips) as output:
        for commit in read_log(output):
            state = history.add(commit)
            seen = {
                history.paths.text[path]: (
                    history.commits[history.commit_of[revision]],
                    history.paths.text[history.path_of[revision]],
                )
                for path, revision in state.items()
            }
            assert seen == walk.states[commit.sha.decode()]
            open_at_once = max(open_at_once, len(history.held))
    assert not history.held and open_at_once < len(walk.states)
