"""A Git repository as source tables: commits, files through all their revisions, branches and tags."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow2prov.errors import SourceError
from mlflow2prov.prov.text import clean_text
from mlflow2prov.sources.git_abbreviations import commits_there, full_names
from mlflow2prov.sources.git_log import Renames
from mlflow2prov.sources.git_missing import missing_contents
from mlflow2prov.sources.git_part import Layout, Part, layout_of, part_of, roots_of, say_what_is_cut_off
from mlflow2prov.sources.git_people import read_mail_map
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_reading import Asked, Reading
from mlflow2prov.sources.git_refs import detached_head, ref_rows
from mlflow2prov.sources.git_remembered import Memory, known_in
from mlflow2prov.sources.git_remotes import remotes_of
from mlflow2prov.sources.git_rows import batches_of_rows
from mlflow2prov.sources.git_signatures import Keys, counted, statuses
from mlflow2prov.sources.git_wanted import GitWanted
from mlflow2prov.sources.git_warnings import warn
from mlflow2prov.sources.tables import Batches

if TYPE_CHECKING:
    from pyarrow import RecordBatch

_LOG = logging.getLogger(__name__)


def read_repository(
    path: str | Path,
    *,
    entry_points: Collection[tuple[str, ...]] = (),
    datasets: Collection[tuple[str, str, str, str]] = (),
    wanted: GitWanted | None = None,
) -> Batches:
    """Yield a Git repository's source tables; see :func:`read_repositories`."""
    yield from read_repositories([path], entry_points=entry_points, datasets=datasets, wanted=wanted)


def read_repositories(
    paths: Sequence[str | Path],
    *,
    entry_points: Collection[tuple[str, ...]] = (),
    datasets: Collection[tuple[str, str, str, str]] = (),
    wanted: GitWanted | None = None,
    memory: Memory | None = None,
) -> Batches:
    """Yield the source tables of some Git repositories, in batches of 50,000 rows at most.

    Everything that a ref or a detached ``HEAD`` reaches is read, and what the commits of
    ``entry_points`` reach, if they exist; see :func:`read_refs` for the refs that are no history. Git
    does the reading, in one pass over the log; renames are those that ``git log -M`` finds. Memory: see
    :class:`History`; rows of refs and entry points are held to the end, and so is a line of 100 bytes
    for each commit.

    Repositories whose objects are named by the same algorithm are read as one: a commit that several
    have is there once, and one that is cut off in a shallow clone goes on where another has the rest.
    All their mail maps hold for all of them, the first one's before the others'.

    Args:
        paths: of each a work tree or a folder in it, or a bare repository.
        entry_points: a commit's object name, or seven of its first digits at least, the source that a run at
            that commit names, and, which may be left out, the name of a project's entry point; each whose commit
            exists gives a row of ``git_entry_point``, and each abbreviation of one a row of ``git_abbreviation``.
        datasets: a commit's name likewise, and the name, the digest and the source (as JSON) of a dataset
            that a run at that commit took in; each that is data or a file there gives a row of
            ``git_dataset_match``. Their commits must be those of ``entry_points``.
        wanted: what to read beyond what is always read, and which part to give.
        memory: of what Git has shown of commits before, which it need not show again.

    Raises:
        SourceError: there is no repository, Git can't read it, or there is no Git.
    """
    wanted = wanted or GitWanted()
    gits = [Git(_folder(path)) for path in paths]
    full = full_names(gits, (point[0] for point in entry_points))
    yield from batches_of_rows("git_abbreviation", sorted(full.items()))
    entry_points = list(dict.fromkeys((full.get(commit, commit), *more) for commit, *more in entry_points))
    datasets = list(dict.fromkeys((full.get(it[0], it[0]), *it[1:]) for it in datasets))
    parts: dict[str, list[Part]] = {}
    for number, git in enumerate(gits, 1):
        layout = layout_of(git)
        if not memory:  # else asking for the state has said it, which is done each time
            say_what_is_cut_off(layout)
        part = part_of(number, git, entry_points, wanted, layout)
        parts.setdefault(part.git.object_format(), []).append(part)
    found = {pair for part in _all(parts) for pair in part.points}
    if len(found) < len(entry_points):
        _LOG.info(
            "%d of %d sources of runs are at commits that are not in the repository.",
            len(entry_points) - len(found),
            len(entry_points),
        )
    first = 0
    for same in parts.values():
        first = yield from _read_as_one(same, datasets, wanted, memory, first)


def repository_state(*paths: str | Path, commits: Collection[str] = ()) -> str:
    """Return a digest that is another one when reading the repositories would give something else.

    It is made of all refs, a detached ``HEAD``, the mail map and the keys at hand, of the work trees, of how much of
    the history is there, and of which of some commits are, be they reached by a ref or not.

    Args:
        paths: of the repositories.
        commits: the names of commits that runs give, in full or abbreviated.

    Raises:
        SourceError: there is no repository, or Git can't read it.
    """
    state = tuple(_state_of(Git(_folder(path)), commits) for path in paths)
    return hashlib.sha256(repr(state[0] if len(state) == 1 else state).encode()).hexdigest()


def _state_of(git: Git, commits: Collection[str]) -> tuple[object, ...]:
    layout = layout_of(git)
    say_what_is_cut_off(layout)
    return (
        layout,
        roots_of(git, layout),
        sorted(git.cut_off()) if layout.is_shallow else (),
        git.output("count-objects", "-v") if layout.is_partial else b"",
        commits_there(git, commits),
        git.output("for-each-ref", "--format=%(objectname) %(refname)"),
        tuple(remotes_of(git)),
        detached_head(git),
        read_mail_map(git, Path(layout.path))[1],
        Keys(git).state,
    )


def _folder(path: str | Path) -> str:
    """Return the absolute path of a folder that is there."""
    folder = str(Path(path).absolute())
    if not Path(folder).exists():
        raise SourceError(f"there is no {folder}: name a Git work tree or a bare repository")
    if not Path(folder).is_dir():
        raise SourceError(
            f"{folder} is a file and not a Git repository: name a work tree or a bare repository"
        )
    return folder


def _all(parts: Mapping[str, list[Part]]) -> Iterator[Part]:
    for same in parts.values():
        yield from same


def _read_as_one(
    parts: Sequence[Part],
    datasets: Collection[tuple[str, str, str, str]],
    wanted: GitWanted,
    memory: Memory | None,
    first: int,
) -> Generator[tuple[str, RecordBatch], None, int]:
    """Yield the rows of repositories whose objects may lie in one; return the number of the next revision."""
    mail_maps = [read_mail_map(part.git, Path(part.layout.path)) for part in parts]
    mail_map = mail_maps[0][0].before([mail_map for mail_map, _ in mail_maps[1:]])
    starts = sorted(set[bytes]().union(*(part.starts for part in parts)))
    with parts[0].git.on_objects_alone([part.git for part in parts[1:]]) as alone:
        asked = Asked(wanted, _must_be_exact(alone, parts, starts, wanted, memory))
        keys = Keys(parts[0].git)
        reading = Reading(alone, parts, starts, asked, mail_map, memory, first)
        with reading.looking(keys) as looking:
            if starts:
                yield from reading.batches(datasets, looking)
        tags = [statuses(((ref.name, ref.signed) for ref in part.refs if ref.signed), keys) for part in parts]
        signatures = counted(
            [*looking.signatures.values(), *(status for found in tags for status in found.values())]
        )
        for part, (_, blob) in zip(parts, mail_maps, strict=True):
            settings = [*_settings(part.layout, asked, blob, signatures), *wanted.narrowing.shown]
            yield from _repository_rows(part, settings)
            if not part.starts and not wanted.narrowing.refs:  # of which it is said that none fits
                warn(_LOG, "The Git repository %s has no commits.", part.layout.path)
    for part, found in zip(parts, tags, strict=True):
        yield from batches_of_rows("git_ref", ref_rows(part.number, part.refs, mail_map, found))
    return first + reading.revisions


def _settings(layout: Layout, asked: Asked, mail_map: str | None, signatures: str | None) -> list[str]:
    """Return what changes the way in which this repository is read."""
    said = {
        "copies: 50 %": asked.wanted.find_copies,
        "tree members": asked.wanted.tree_members,
        "renames and copies: of equal content": asked.exact_renames,
        "shallow clone": layout.is_shallow,
        f"mail map: {mail_map}": mail_map is not None,
        f"{signatures}": signatures is not None,
    }
    return [text for text, is_so in said.items() if is_so]


def _repository_rows(part: Part, settings: list[str]) -> Batches:
    path = clean_text(os.fsencode(part.layout.path))
    origin, others = part.remotes
    row = (part.number, path, origin, others, part.heads, part.layout.is_shallow, settings)
    yield from batches_of_rows("git_repository", [row])


def _must_be_exact(
    alone: Git, parts: Sequence[Part], starts: list[bytes], wanted: GitWanted, memory: Memory | None
) -> bool:
    """Return whether contents are missing that have to be compared; warn if so."""
    partial = [part.layout.path for part in parts if part.layout.is_partial]
    if not (partial and starts):
        return False
    copies = wanted.find_copies
    is_known = known_in(memory, alone, Renames(copies)) if memory else None
    if not missing_contents(alone, starts, find_copies=copies, is_known=is_known):
        return False
    warn(
        _LOG,
        "The Git repository %s is a partial clone without some contents: a file that was renamed"
        " and changed in one commit counts as deleted and added.",
        ", ".join(partial),
    )
    return True
