"""What is given of a history of which a part is asked for, out of columns.

:mod:`mlflow2prov.sources.git_narrowing` says in words what that is.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TypeAlias

from mlflow2prov.sources.git_changes import Resolved
from mlflow2prov.sources.git_history import History
from mlflow2prov.sources.git_revision_rows import WHOLE, Kept

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Flags: TypeAlias = npt.NDArray[np.bool_]
    Column: TypeAlias = Any  # pyarrow does not say of an array that it is of bytes

_NEEDED = 1
_COMMITTED = 8
"""The place of the committed time among the fields of a log."""


def kept_of(
    history: History,
    found: Resolved,
    in_time: Collection[int],
    named: Collection[int],
    code: Collection[int],
    matched: Collection[bytes] | None,
) -> Kept:
    """Return what of a history is given; memory: a few bytes for each revision.

    Args:
        history: the whole one.
        found: what its changes came to.
        in_time: the numbers of the commits of the time asked for.
        named: those of the commits that runs name.
        code: the revisions of the entry points of runs, and of what these import.
        matched: the paths that are asked for; None is all.
    """
    import numpy as np

    commit_of, file_of = np.frombuffer(history.commit_of, "i4"), np.frombuffer(history.file_of, "i4")
    commits = np.zeros(len(history.commits), "u1")
    commits[list(named)] = _NEEDED
    commits[list(in_time)] = WHOLE
    is_of_file = _of_files(history, matched)
    given = (commits[commit_of] == WHOLE) & is_of_file
    revisions = given.copy()
    last = found.deletions[commits[found.deletions[:, 0]] == WHOLE, 1]
    revisions[last[is_of_file[last]]] = True
    revisions[list(code)] = True
    revisions[found.derivations[given[found.derivations[:, 0]], 2]] = True
    revisions[found.first[file_of[revisions]]] = True
    makers = commit_of[revisions]
    commits[makers[commits[makers] == 0]] = _NEEDED
    return Kept(bytearray(commits.tobytes()), bytearray(revisions.tobytes()))


def only_kept(found: Resolved, kept: Kept) -> Resolved:
    """Return of what was found the derivations, deletions and merged paths that are given."""
    import numpy as np

    commits, revisions = np.frombuffer(kept.commits, "u1"), np.frombuffer(kept.revisions, "?")
    derivations, deletions, merged = found.derivations, found.deletions, found.merged
    return found._replace(
        derivations=derivations[revisions[derivations[:, 0]] & revisions[derivations[:, 2]]],
        deletions=deletions[(commits[deletions[:, 0]] == WHOLE) & revisions[deletions[:, 1]]],
        merged=merged[commits[merged[:, 0]] > 0],
    )


def committed_times(shown: Column) -> list[bytes]:
    """Return the committed times of some commits, given what a log shows of them."""
    import pyarrow.compute

    compute: Any = pyarrow.compute
    fields = compute.split_pattern(shown, b"\n", max_splits=_COMMITTED + 1)
    times: list[bytes] = compute.list_element(fields, _COMMITTED).to_pylist()
    return times


def _of_files(history: History, matched: Collection[bytes] | None) -> Flags:
    """Return of each revision whether its file ever stood at one of some paths."""
    import numpy as np

    file_of = np.frombuffer(history.file_of, "i4")
    if matched is None:
        return np.ones(len(file_of), "?")
    number = history.paths.number
    is_matched = np.zeros(len(history.paths.exact), "?")
    is_matched[[number[path] for path in matched if path in number]] = True
    files = np.zeros(len(history.first_of), "?")
    files[file_of[is_matched[np.frombuffer(history.path_of, "i4")]]] = True
    found: Flags = files[file_of]
    return found
