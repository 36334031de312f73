"""One repository among those that are read: where it is, its refs, and the commits of runs that it has."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from mlflow2prov.prov.text import clean_text
from mlflow2prov.sources.git_entry_points import Source
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_refs import Ref, detached_head, read_refs
from mlflow2prov.sources.git_remotes import Remotes, remotes_of
from mlflow2prov.sources.git_wanted import GitWanted
from mlflow2prov.sources.git_warnings import warn

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a repository is, and how much of it is there."""

    path: str
    is_shallow: bool
    is_partial: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One repository: what is read of it.

    Attributes:
        number: from 1, in the order in which repositories are given.
        git: runs Git there.
        layout: where it is.
        remotes: the URLs of its remotes.
        refs: those that are read.
        head: a detached one.
        points: the sources of runs at commits that it has.
    """

    number: int
    git: Git
    layout: Layout
    remotes: Remotes
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

    @property
    def heads(self) -> list[str]:
        """The refs that are read and a detached ``HEAD``, each with its commit before it."""
        heads = [f"{ref.commit.decode()} {clean_text(ref.name)}" for ref in self.refs]
        return sorted(heads + ([f"{self.head.decode()} HEAD"] if self.head else []))


def part_of(
    number: int, git: Git, entry_points: Collection[tuple[str, ...]], wanted: GitWanted, layout: Layout
) -> Part:
    """Return what is read of a repository, given its number; warn where no ref is wanted."""
    narrowing = wanted.narrowing
    refs = [ref for ref in read_refs(git) if narrowing.keeps_ref(ref.name)]
    if narrowing.refs and not refs:
        warn(_LOG, "No branch or tag of %s fits %s.", layout.path, ", ".join(narrowing.refs))
    points = _existing(git, entry_points, {ref.commit for ref in refs}, layout.is_partial)
    head = None if narrowing.refs else detached_head(git)
    remotes = remotes_of(git)
    return Part(number=number, git=git, layout=layout, remotes=remotes, refs=refs, head=head, points=points)


def layout_of(git: Git) -> Layout:
    """Return where a repository is and how much of it is there."""
    is_shallow = git.output("rev-parse", "--is-shallow-repository").strip() == b"true"
    top = git.answer("rev-parse", "--show-toplevel") or git.output("rev-parse", "--absolute-git-dir")
    path = Path(os.fsdecode(top.removesuffix(b"\n"))).resolve()
    if path.name == ".git":
        path = path.parent
    promised = r"^(remote\..*\.promisor|extensions\.partialclone)$"
    is_partial = git.answer("config", "--get-regexp", promised) is not None
    return Layout(str(path), is_shallow, is_partial)


def say_what_is_cut_off(layout: Layout) -> None:
    """Warn where a history is not all there."""
    if layout.is_shallow:
        warn(
            _LOG,
            "The Git repository %s is a shallow clone: its history is cut off, and so is ours.",
            layout.path,
        )


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


def roots_of(git: Git, layout: Layout) -> list[str]:
    """Return the folders in which the repository is checked out, as spelled by Git and as asked for."""
    lines = git.output("worktree", "list", "--porcelain").split(b"\n")
    trees = [os.fsdecode(line.removeprefix(b"worktree ")) for line in lines if line.startswith(b"worktree ")]
    asked = [git.folder] if str(Path(git.folder).resolve()) == layout.path else []
    return [*dict.fromkeys([layout.path, *asked, *trees])]
