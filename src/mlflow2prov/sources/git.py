"""A Git repository as source tables: commits, files through all their revisions, branches and tags."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow2prov.errors import SourceError
from mlflow2prov.prov.text import clean_text
from mlflow2prov.sources.git_ahead import Ahead, look_ahead
from mlflow2prov.sources.git_entry_points import EntryPoints
from mlflow2prov.sources.git_history import History
from mlflow2prov.sources.git_log import log_arguments, read_log
from mlflow2prov.sources.git_members import TreeMembers
from mlflow2prov.sources.git_people import MailMap, read_mail_map
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_refs import Ref, detached_head, read_refs, ref_rows
from mlflow2prov.sources.git_rows import BATCH_ROWS, CommitRows, RevisionRows, batches_of_rows, known
from mlflow2prov.sources.git_signatures import Keys, counted, statuses
from mlflow2prov.sources.git_wanted import GitWanted
from mlflow2prov.sources.tables import Batches

_LOG = logging.getLogger(__name__)


def read_repository(
    path: str | Path, *, entry_points: Collection[tuple[str, str]] = (), wanted: GitWanted | None = None
) -> Batches:
    """Yield a Git repository's source tables, in batches of 50,000 rows at most.

    Everything that a ref or a detached ``HEAD`` reaches is read, and what the commits of
    ``entry_points`` reach, if they exist; see :func:`read_refs` for the refs that are no history. Git
    does the reading, in one pass over the log; renames are those that ``git log -M`` finds. Memory: see
    :class:`History`; rows of refs and entry points are held to the end, and so is a line of 100 bytes
    for each commit.

    Args:
        path: a work tree or a folder in it, or a bare repository.
        entry_points: pairs of a commit's full object name and of the source that a run at that commit
            names; each pair whose commit exists gives a row of ``git_entry_point``.
        wanted: what to read beyond what is always read.

    Raises:
        SourceError: there is no repository, Git can't read it, or there is no Git.
    """
    git = Git(_folder(path))
    layout = _layout(git)
    refs = read_refs(git)
    head = detached_head(git)
    points = _existing(git, entry_points, {ref.commit for ref in refs}, layout.is_partial)
    starts = {ref.commit for ref in refs} | ({head} if head else set()) | {sha.encode() for sha, _ in points}
    mail_map, mail_map_blob = read_mail_map(git, Path(layout.path))
    asked = _Asked(wanted or GitWanted(), _must_be_exact(git, layout, starts))
    with git.on_objects_alone() as alone:
        keys = Keys(git)
        ahead = look_ahead(alone, sorted(starts), keys) if starts else Ahead({}, {}, {})
        tags = statuses(((ref.name, ref.signed) for ref in refs if ref.signed), keys)
        signatures = counted([*ahead.signatures.values(), *tags.values()])
        yield from _repository_rows(
            git, layout, refs, head, _settings(layout, asked, mail_map_blob, signatures)
        )
        if not starts:
            _LOG.warning("The Git repository %s has no commits.", layout.path)
            return
        found = EntryPoints(points, _roots(git, layout) if points else [])
        told = {sha for sha, _ in points} if asked.wanted.tree_members else ()
        history = _Reading(alone, layout, sorted(starts), found, told, asked, mail_map)
        yield from _history(history, ahead)
    yield from batches_of_rows("git_ref", ref_rows(refs, mail_map, tags))


def repository_state(path: str | Path) -> str:
    """Return a digest that is another one when reading the repository would give something else.

    It is made of all refs, a detached ``HEAD``, the mail map and the keys at hand, and of how much of the
    history is there.

    Raises:
        SourceError: there is no repository, or Git can't read it.
    """
    git = Git(_folder(path))
    layout = _layout(git)
    state = (
        layout,
        git.output("for-each-ref", "--format=%(objectname) %(refname)"),
        git.answer("config", "-z", "--get-all", "remote.origin.url"),
        detached_head(git),
        read_mail_map(git, Path(layout.path))[1],
        Keys(git).state,
    )
    return hashlib.sha256(repr(state).encode()).hexdigest()


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


@dataclass(frozen=True, slots=True)
class _Asked:
    wanted: GitWanted
    exact_renames: bool


@dataclass(frozen=True, slots=True)
class _Layout:
    path: str
    is_shallow: bool
    is_partial: bool


def _layout(git: Git) -> _Layout:
    """Return where a repository is and how much of it is there; warn where that is not all."""
    is_shallow = git.output("rev-parse", "--is-shallow-repository").strip() == b"true"
    top = git.answer("rev-parse", "--show-toplevel") or git.output("rev-parse", "--absolute-git-dir")
    path = Path(os.fsdecode(top.removesuffix(b"\n"))).resolve()
    if path.name == ".git":
        path = path.parent
    promised = r"^(remote\..*\.promisor|extensions\.partialclone)$"
    is_partial = git.answer("config", "--get-regexp", promised) is not None
    if is_shallow:
        _LOG.warning(
            "The Git repository %s is a shallow clone: its history is cut off, and so is ours.", path
        )
    return _Layout(str(path), is_shallow, is_partial)


def _settings(layout: _Layout, asked: _Asked, mail_map: str | None, signatures: str | None) -> list[str]:
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


def _repository_rows(
    git: Git, layout: _Layout, refs: Sequence[Ref], head: bytes | None, settings: list[str]
) -> Batches:
    remotes = git.answer("config", "-z", "--get-all", "remote.origin.url")
    remote = remotes.partition(b"\0")[0] if remotes else b""
    heads = [f"{ref.commit.decode()} {clean_text(ref.name)}" for ref in refs]
    heads += [f"{head.decode()} HEAD"] if head else []
    path = clean_text(os.fsencode(layout.path))
    yield from batches_of_rows(
        "git_repository", [(path, known(remote), sorted(heads), layout.is_shallow, settings)]
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    git: Git
    layout: _Layout
    starts: list[bytes]
    found: EntryPoints
    told: Collection[str]
    asked: _Asked
    mail_map: MailMap


def _history(reading: _Reading, ahead: Ahead) -> Batches:
    """Yield the rows of everything that the commits to start from reach."""
    arguments = log_arguments(reading.asked.wanted.find_copies, reading.asked.exact_renames)
    commits, points = CommitRows(reading.mail_map, ahead.signatures), list[tuple[object, ...]]()
    history = History(ahead.children)
    revisions, members = RevisionRows(history), TreeMembers(history, reading.told)
    with reading.git.running(*arguments, lines=reading.starts) as output:
        for commit in read_log(output):
            state = history.add(commit)
            message = ahead.messages.get(commit.sha)
            commits.add(commit if message is None else commit._replace(message=message))
            points += reading.found.rows(history.commits[-1], state, history)
            members.add(history.commits[-1], state)
            if max(commits.pending, history.pending, members.pending) >= BATCH_ROWS:
                for rows in (commits, revisions, members):
                    yield from rows.take()
    for rows in (commits, revisions, members):
        yield from rows.take()
    yield from batches_of_rows("git_entry_point", points)
    _report(reading.layout, history, commits.undated)


def _report(layout: _Layout, history: History, undated: int) -> None:
    sizes = len(history.commits), len(history.commit_of), len(history.first_of)
    _LOG.info("Read %s: %d commits, %d revisions, %d files.", layout.path, *sizes)
    if undated:
        _LOG.warning(
            "%d commits of %s have a time that is no number or outside the years 1 to 9999: it is left out.",
            undated,
            layout.path,
        )


def _must_be_exact(git: Git, layout: _Layout, starts: Iterable[bytes]) -> bool:
    """Return whether blobs are missing, which comparing contents would need; warn if so."""
    if not layout.is_partial:
        return False
    if git.answer("rev-list", "--objects", "--quiet", "--stdin", lines=starts) is not None:
        return False
    _LOG.warning(
        "The Git repository %s is a partial clone without some contents: a file that was renamed"
        " and changed in one commit counts as deleted and added.",
        layout.path,
    )
    return True


def _existing(
    git: Git, entry_points: Collection[tuple[str, str]], tips: Iterable[bytes], is_partial: bool
) -> list[tuple[str, str]]:
    """Return those pairs, each once, whose commit is in the repository with all that it reaches."""
    pairs = [pair for pair in dict.fromkeys(entry_points) if _is_plain(*pair)]
    asked = sorted({sha.encode() for sha, _ in pairs})
    answers = git.output("cat-file", "--batch-check", lines=asked).splitlines() if asked else []
    kinds = [answer.split(b" ")[1:2] for answer in answers]
    there = [sha for sha, kind in zip(asked, kinds, strict=True) if kind == [b"commit"]]
    whole = set(_whole(git, there, [b"^" + tip for tip in tips], is_partial))
    known_pairs = [pair for pair in pairs if pair[0].encode() in whole]
    if len(known_pairs) < len(entry_points):
        _LOG.info(
            "%d of %d sources of runs are at commits that are not in the repository.",
            len(entry_points) - len(known_pairs),
            len(entry_points),
        )
    return known_pairs


def _is_plain(sha: str, source: str) -> bool:
    """Return whether a commit's name is a full one, and a source text that has bytes."""
    is_full = re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", sha) is not None
    return is_full and not re.search("[\ud800-\udfff]", source)


def _whole(git: Git, commits: list[bytes], reached: list[bytes], is_partial: bool) -> list[bytes]:
    """Return the commits of which everything that they reach is there, as for all that a ref reaches."""
    walk = ["rev-list", "--quiet", "--objects", *(["--filter=blob:none"] if is_partial else []), "--stdin"]
    if not commits or git.answer(*walk, lines=[*commits, *reached]) is not None:
        return commits
    return [commit for commit in commits if git.answer(*walk, lines=[commit, *reached]) is not None]


def _roots(git: Git, layout: _Layout) -> list[str]:
    """Return the folders in which the repository is checked out, as spelled by Git and as asked for."""
    lines = git.output("worktree", "list", "--porcelain").split(b"\n")
    trees = [os.fsdecode(line.removeprefix(b"worktree ")) for line in lines if line.startswith(b"worktree ")]
    asked = [git.folder] if str(Path(git.folder).resolve()) == layout.path else []
    return [*dict.fromkeys([layout.path, *asked, *trees])]
