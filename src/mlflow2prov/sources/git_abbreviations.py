"""Which commits runs mean that name them by their first digits alone."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_refs import detached_head, read_refs
from mlflow2prov.sources.git_warnings import warn

_LOG = logging.getLogger(__name__)

LEAST_DIGITS = 7
"""Fewer digits name no commit: they are what Git itself shows of one."""

ABBREVIATED = f"[0-9a-f]{{{LEAST_DIGITS},63}}"
"""What an abbreviation is, as a regular expression."""

_NAME = f"[0-9a-f]{{{LEAST_DIGITS},64}}"

_DIGITS = {"sha1": 40, "sha256": 64}
"""How many digits the name of an object has, by the algorithm."""

_AT_ONCE = 1_000
"""So many names fit on a command line."""

_SHOWN = 3


def full_names(gits: Sequence[Git], named: Iterable[str]) -> dict[str, str]:
    """Return the object names of the commits that abbreviated names mean, in all repositories together.

    An abbreviation means the one commit that begins with it; so may 40 digits, which are a whole name only where objects
    are named by SHA-1. Where several do, those count that branches, tags or a detached ``HEAD`` reach; where these are
    still several, it means none, and a warning says so. What names no commit is left out.

    Args:
        gits: of each repository.
        named: what runs name as their commits, full names among them.
    """
    asked = sorted({name for name in named if re.fullmatch(ABBREVIATED, name)})
    if not asked:
        return {}
    having = [(git, _commits(git, _shorter_than_names(git, asked))) for git in gits]
    found: dict[str, set[bytes]] = {name: set() for name in asked}
    for _, commits in having:
        for commit in commits:
            for name in _beginnings(commit, found):
                found[name].add(commit)
    several = set[bytes]().union(*(commits for commits in found.values() if len(commits) > 1))
    reached = _reached(having, several) if several else several
    for name, commits in found.items():
        if len(commits) > 1 and commits & reached:
            found[name] = commits & reached
    say_which_are_unclear(
        {name: sorted(commit.decode() for commit in commits) for name, commits in found.items()}
    )
    return {name: next(iter(commits)).decode() for name, commits in found.items() if len(commits) == 1}


def commits_there(git: Git, named: Iterable[str]) -> list[bytes]:
    """Return the object names of the commits of a repository that names mean, in full or abbreviated; sorted."""
    return sorted(_commits(git, sorted({name for name in named if re.fullmatch(_NAME, name)})))


def _shorter_than_names(git: Git, asked: Sequence[str]) -> list[str]:
    """Return those that are no whole name in a repository."""
    digits = _DIGITS.get(git.object_format(), 0) if any(len(name) >= 40 for name in asked) else 40
    return [name for name in asked if len(name) < digits]


def _commits(git: Git, asked: Sequence[str]) -> set[bytes]:
    """Return the commits of a repository whose names begin with one of some names."""
    names: list[bytes] = []
    for start in range(0, len(asked), _AT_ONCE):
        options = [f"--disambiguate={name}" for name in asked[start : start + _AT_ONCE]]
        names += git.output("rev-parse", *options).split()
    if not names:
        return set()
    answers = git.output("cat-file", "--batch-check", "--buffer", lines=names).splitlines()
    parts = [answer.split() for answer in answers]
    return {words[0] for words in parts if words[1:2] == [b"commit"]}


def _beginnings(commit: bytes, asked: Collection[str]) -> Iterable[str]:
    text = commit.decode()
    return (text[:length] for length in range(LEAST_DIGITS, len(text)) if text[:length] in asked)


def _reached(having: Sequence[tuple[Git, set[bytes]]], wanted: set[bytes]) -> set[bytes]:
    """Return those of some commits that a ref or a detached ``HEAD`` reaches."""
    reached: set[bytes] = set()
    for git, commits in having:
        if commits & wanted:
            head = detached_head(git)
            starts = {ref.commit for ref in read_refs(git)} | ({head} if head else set())
            if starts:
                reached |= wanted & set(git.output("rev-list", "--stdin", lines=sorted(starts)).split())
    return reached


def say_which_are_unclear(found: Mapping[str, Sequence[str]]) -> None:
    """Warn of the names among some for which there are several commits."""
    unclear = [name for name, commits in found.items() if len(commits) > 1]
    if not unclear:
        return
    shown = [f"{name} ({', '.join(found[name])})" for name in unclear[:_SHOWN]]
    more = f", and {len(unclear) - _SHOWN} more" if len(unclear) > _SHOWN else ""
    warn(
        _LOG,
        "%d names of commits that runs give could mean several commits, and these runs are linked to none:"
        " %s%s. Give the whole name in the tag mlflow.source.git.commit.",
        len(unclear),
        ", ".join(shown),
        more,
    )
