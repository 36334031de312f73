"""A Git repository as source tables: commits, files through all their revisions, branches and tags."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow2prov.errors import SourceError
from mlflow2prov.prov.text import clean_text
from mlflow2prov.sources.git_ahead import look_ahead
from mlflow2prov.sources.git_code import RunCode
from mlflow2prov.sources.git_data_reading import GitData
from mlflow2prov.sources.git_entry_points import Source
from mlflow2prov.sources.git_history import History
from mlflow2prov.sources.git_log import LoggedCommit, Renames
from mlflow2prov.sources.git_log_reading import reading_log
from mlflow2prov.sources.git_members import TreeMembers
from mlflow2prov.sources.git_missing import missing_contents
from mlflow2prov.sources.git_narrowing import has_data
from mlflow2prov.sources.git_people import MailMap, read_mail_map
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_refs import Ref, detached_head, read_refs, ref_rows
from mlflow2prov.sources.git_remembered import Memory, Remembered, known_in, parents_of
from mlflow2prov.sources.git_revision_rows import RevisionRows
from mlflow2prov.sources.git_rows import BATCH_ROWS, CommitRows, batches_of_rows, known
from mlflow2prov.sources.git_signatures import Keys, counted, statuses
from mlflow2prov.sources.git_wanted import GitWanted
from mlflow2prov.sources.tables import Batches

_LOG = logging.getLogger(__name__)

_FIRST_WORDS = re.compile(rb"^[0-9a-f]+", re.MULTILINE)


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
        entry_points: a commit's full object name, the source that a run at that commit names, and, which
            may be left out, the name of a project's entry point; each whose commit exists gives a row of
            ``git_entry_point``.
        datasets: a commit's full object name, and the name, the digest and the source (as JSON) of a dataset
            that a run at that commit took in; each that is data or a file there gives a row of
            ``git_dataset_match``. Their commits must be those of ``entry_points``.
        wanted: what to read beyond what is always read, and which part to give.
        memory: of what Git has shown of commits before, which it need not show again.

    Raises:
        SourceError: there is no repository, Git can't read it, or there is no Git.
    """
    wanted = wanted or GitWanted()
    parts: dict[str, list[_Part]] = {}
    for number, path in enumerate(paths, 1):
        part = _part(number, Git(_folder(path)), entry_points, wanted)
        parts.setdefault(part.git.object_format(), []).append(part)
    found = {pair for part in _all(parts) for pair in part.points}
    if len(found) < len(entry_points):
        _LOG.info(
            "%d of %d sources of runs are at commits that are not in the repository.",
            len(entry_points) - len(found),
            len(entry_points),
        )
    for same in parts.values():
        yield from _read_as_one(same, datasets, wanted, memory)


def repository_state(*paths: str | Path) -> str:
    """Return a digest that is another one when reading the repositories would give something else.

    It is made of all refs, a detached ``HEAD``, the mail map and the keys at hand, and of how much of the
    history is there.

    Raises:
        SourceError: there is no repository, or Git can't read it.
    """
    state = tuple(_state_of(Git(_folder(path))) for path in paths)
    return hashlib.sha256(repr(state[0] if len(state) == 1 else state).encode()).hexdigest()


def _state_of(git: Git) -> tuple[object, ...]:
    layout = _layout(git)
    return (
        layout,
        sorted(git.cut_off()) if layout.is_shallow else (),
        git.output("for-each-ref", "--format=%(objectname) %(refname)"),
        git.answer("config", "-z", "--get-all", "remote.origin.url"),
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


@dataclass(frozen=True, slots=True)
class _Asked:
    wanted: GitWanted
    exact_renames: bool


@dataclass(frozen=True, slots=True)
class _Layout:
    path: str
    is_shallow: bool
    is_partial: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One repository: what is read of it.

    Attributes:
        number: from 1, in the order in which repositories are given.
        git: runs Git there.
        layout: where it is.
        refs: those that are read.
        head: a detached one.
        points: the sources of runs at commits that it has.
    """

    number: int
    git: Git
    layout: _Layout
    refs: list[Ref]
    head: bytes | None
    points: list[Source]

    @property
    def starts(self) -> set[bytes]:
        """The commits whose histories are read."""
        return (
            {ref.commit for ref in self.refs}
            | ({self.head} if self.head else set())
            | {source.commit.encode() for source in self.points}
        )


def _part(number: int, git: Git, entry_points: Collection[tuple[str, ...]], wanted: GitWanted) -> _Part:
    layout, narrowing = _layout(git), wanted.narrowing
    refs = [ref for ref in read_refs(git) if narrowing.keeps_ref(ref.name)]
    if narrowing.refs and not refs:
        _LOG.warning("No branch or tag of %s fits %s.", layout.path, ", ".join(narrowing.refs))
    points = _existing(git, entry_points, {ref.commit for ref in refs}, layout.is_partial)
    head = None if narrowing.refs else detached_head(git)
    return _Part(number=number, git=git, layout=layout, refs=refs, head=head, points=points)


def _all(parts: Mapping[str, list[_Part]]) -> Iterator[_Part]:
    for same in parts.values():
        yield from same


def _read_as_one(
    parts: Sequence[_Part],
    datasets: Collection[tuple[str, str, str, str]],
    wanted: GitWanted,
    memory: Memory | None,
) -> Batches:
    """Yield the rows of repositories whose objects may lie in one."""
    mail_maps = [read_mail_map(part.git, Path(part.layout.path)) for part in parts]
    mail_map = mail_maps[0][0].before([mail_map for mail_map, _ in mail_maps[1:]])
    starts = sorted(set[bytes]().union(*(part.starts for part in parts)))
    with parts[0].git.on_objects_alone([part.git for part in parts[1:]]) as alone:
        asked = _Asked(wanted, _must_be_exact(alone, parts, starts, wanted, memory))
        keys = Keys(parts[0].git)
        reading = _Reading(alone, parts, starts, asked, mail_map, keys, memory)
        tags = [statuses(((ref.name, ref.signed) for ref in part.refs if ref.signed), keys) for part in parts]
        signatures = counted(
            [*reading.signatures.values(), *(status for found in tags for status in found.values())]
        )
        for part, (_, blob) in zip(parts, mail_maps, strict=True):
            settings = [*_settings(part.layout, asked, blob, signatures), *wanted.narrowing.shown]
            yield from _repository_rows(part, settings)
            if not part.starts:
                _LOG.warning("The Git repository %s has no commits.", part.layout.path)
        if starts:
            yield from reading.batches(datasets)
    for part, found in zip(parts, tags, strict=True):
        yield from batches_of_rows("git_ref", ref_rows(part.number, part.refs, mail_map, found))


def _code(parts: Sequence[_Part], wanted: GitWanted) -> RunCode:
    """Return the sources of runs, each with the work trees of the repositories that have its commit."""
    roots = [_roots(part.git, part.layout) if part.points else [] for part in parts]
    having: dict[Source, list[str]] = {}
    for part, own in zip(parts, roots, strict=True):
        for source in part.points:
            having.setdefault(source, []).extend(own)
    return RunCode(having.items(), follow_imports=wanted.follow_imports)


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


def _repository_rows(part: _Part, settings: list[str]) -> Batches:
    remotes = part.git.answer("config", "-z", "--get-all", "remote.origin.url")
    remote = remotes.partition(b"\0")[0] if remotes else b""
    heads = [f"{ref.commit.decode()} {clean_text(ref.name)}" for ref in part.refs]
    heads += [f"{part.head.decode()} HEAD"] if part.head else []
    path = clean_text(os.fsencode(part.layout.path))
    row = (part.number, path, known(remote), sorted(heads), part.layout.is_shallow, settings)
    yield from batches_of_rows("git_repository", [row])


class _Reading:
    """The pass over everything that the commits to start from reach."""

    def __init__(
        self,
        git: Git,
        parts: Sequence[_Part],
        starts: list[bytes],
        asked: _Asked,
        mail_map: MailMap,
        keys: Keys,
        memory: Memory | None,
    ) -> None:
        self._git, self._parts, self._asked, self._mail_map = git, parts, asked, mail_map
        self._starts = starts
        self._find = Renames(asked.wanted.find_copies, asked.exact_renames)
        lines = b""
        if starts:
            order = ("--topo-order", "--reverse", "--parents", "--stdin")
            lines = git.output("rev-list", *order, lines=starts)
        self._names = _FIRST_WORDS.findall(lines)
        self._remembered: Remembered | None = None
        asked_of = self._names
        if memory and starts:
            self._remembered = Remembered(memory, git, self._find, parents_of(lines))
            asked_of = self._remembered.new_or_odd(self._names)
        self._ahead = look_ahead(git, lines, asked_of, keys)
        self.signatures = self._ahead.signatures

    @contextmanager
    def _log(self) -> Iterator[Iterator[LoggedCommit]]:
        """Give all commits; those that Git has to show are remembered afterwards."""
        ahead, remembered = self._ahead, self._remembered
        with reading_log(self._git, self._find, self._names, ahead.merges, remembered, ahead.odd) as log:
            yield log
        if remembered:
            remembered.end()
            remembered.look()

    def batches(self, datasets: Collection[tuple[str, str, str, str]]) -> Batches:
        """Yield the rows; of data only where the whole history is given."""
        wanted, git = self._asked.wanted, self._git
        narrowing, kept = wanted.narrowing, None
        if narrowing.is_of_history:
            with self._log() as log:
                history, matched = History(dict(self._ahead.children)), narrowing.matched(git, self._starts)
                kept = narrowing.kept(git, log, matched, history, _code(self._parts, wanted))
        told = (
            {source.commit for part in self._parts for source in part.points}
            if wanted.tree_members
            else set[str]()
        )
        roots = [root for part in self._parts if part.points for root in _roots(part.git, part.layout)]
        data = GitData(datasets, roots, ", ".join(part.layout.path for part in self._parts))
        with data.reading(git), self._log() as log:
            history, code = History(self._ahead.children), _code(self._parts, wanted)
            commits = CommitRows(self._mail_map, self._ahead.signatures)
            revisions, members = RevisionRows(history, kept), TreeMembers(history, told)
            for commit in log:
                state = history.add(commit)
                message = self._ahead.messages.get(commit.sha)
                if kept is None or kept.commits[len(history.commits) - 1]:
                    commits.add(commit if message is None else commit._replace(message=message))
                code.note(history.commits[-1], state)
                members.add(history.commits[-1], state)
                if kept is None:
                    data.add(state, history)
                if max(commits.pending, history.pending, members.pending, data.rows.pending) >= BATCH_ROWS:
                    for rows in (commits, revisions, members, data.rows):
                        yield from rows.take()
            if kept is None:
                data.finish(history)
        for rows in (commits, revisions, members, data.rows):
            yield from rows.take()
        yield from code.batches(git, history, kept)
        paths = ", ".join(part.layout.path for part in self._parts)
        if kept is not None and has_data(history.paths.exact):
            _LOG.warning(
                "Only a part of the history of %s is told: what files of DVC say of data is left out.", paths
            )
        _report(paths, history, commits.undated)


def _report(paths: str, history: History, undated: int) -> None:
    sizes = len(history.commits), len(history.commit_of), len(history.first_of)
    _LOG.info("Read %s: %d commits, %d revisions, %d files.", paths, *sizes)
    if undated:
        _LOG.warning(
            "%d commits of %s have a time that is no number or outside the years 1 to 9999: it is left out.",
            undated,
            paths,
        )


def _must_be_exact(
    alone: Git, parts: Sequence[_Part], starts: list[bytes], wanted: GitWanted, memory: Memory | None
) -> bool:
    """Return whether contents are missing that have to be compared; warn if so."""
    partial = [part.layout.path for part in parts if part.layout.is_partial]
    if not (partial and starts):
        return False
    copies = wanted.find_copies
    is_known = known_in(memory, alone, Renames(copies)) if memory else None
    if not missing_contents(alone, starts, find_copies=copies, is_known=is_known):
        return False
    _LOG.warning(
        "The Git repository %s is a partial clone without some contents: a file that was renamed"
        " and changed in one commit counts as deleted and added.",
        ", ".join(partial),
    )
    return True


def _existing(
    git: Git, entry_points: Collection[tuple[str, ...]], tips: Iterable[bytes], is_partial: bool
) -> list[Source]:
    """Return those sources, each once, whose commit is in the repository with all that it reaches."""
    given = dict.fromkeys(Source(*point) for point in entry_points)
    pairs = [pair for pair in given if _is_plain(pair.commit, pair.source + pair.entry)]
    asked = sorted({pair.commit.encode() for pair in pairs})
    answers = git.output("cat-file", "--batch-check", lines=asked).splitlines() if asked else []
    kinds = [answer.split(b" ")[1:2] for answer in answers]
    there = [sha for sha, kind in zip(asked, kinds, strict=True) if kind == [b"commit"]]
    whole = set(_whole(git, there, [b"^" + tip for tip in tips], is_partial))
    return [pair for pair in pairs if pair.commit.encode() in whole]


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
