"""Which file of a repository a URL means that shows a file of it: at GitHub, GitLab, Bitbucket, Azure DevOps, Gitea, ….

Such a URL has the place of the repository, a view, the name of a revision, and the path of the file. The place is
that of ``origin`` or another remote of a repository that is read, however that is spelled (``ssh://``, ``host:path``,
``https://``); see :mod:`mlflow2prov.sources.git_places`. The revision may be a commit or a tag, which say exactly which
one is meant; a branch goes on, and says only which file it is. Names of revisions have slashes as paths do: where one
is a branch or a tag of the repository, it counts; where none is, it is taken for a branch, and the path is any of those
that may follow; but for ``main`` and ``master``, which are branches everywhere, and for what looks like a tag.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from mlflow2prov.sources.git_places import Shown, place_of
from mlflow2prov.sources.git_queries import DEFAULT

_BRANCH = re.compile(r"refs/(?:heads|remotes/[^/]+)/(.+)", re.DOTALL)
_TAGS = "refs/tags/"

_SPELLINGS = (
    ("", True, True),
    ("refs/heads/", True, False),
    ("branch/", True, False),
    (_TAGS, False, True),
    ("tag/", False, True),
)
"""What URLs have before the short name of a ref, and whether that is a branch or a tag then."""

_COMMIT = re.compile(r"(?:commit/)?([0-9a-f]{7,64})(?:/(.*))?", re.DOTALL | re.IGNORECASE)
_MOST_PARTS = 16
"""No name of a revision has more parts between slashes, if it is not known."""

_NO_BRANCH = re.compile(r"refs/(?!heads/)|(?:refs/heads/|branch/)?v?[0-9]+(?:\.[0-9][\w.+-]*)?(?:/|$)|tag/")
"""How the name of what is no branch begins, or seems to be none: a tag, or a request to merge."""

_TRUNK = re.compile(r"(?:refs/heads/|branch/)?(?:main|master)(?:/(.*))?", re.DOTALL)
"""The branches beside which there is none whose name goes on with a slash."""


class Origin(NamedTuple):
    """Where a repository that is read comes from.

    Attributes:
        urls: the URLs of its remotes.
        heads: its refs, each as the object name of a commit, a blank, and the full name of the ref.
        commits: those commits of runs that the repository has.
        has_all_refs: whether no refs were left out, so that other names are not those of tags.
    """

    urls: Collection[str]
    heads: Collection[str]
    commits: Container[str]
    has_all_refs: bool = True


class Hosted(NamedTuple):
    """A file that a URL shows: the commit at which it is, and the path, which is one of these; empty is the root."""

    commit: str
    paths: tuple[str, ...]


class Hosting:
    """The repositories that are read, as URLs of their files name them.

    Held are the object names of all commits once a URL names one, and some 200 bytes for each ref.

    Args:
        origins: where they come from.
        named: the object names of all commits, to find those that are named by their first digits.
    """

    def __init__(self, origins: Iterable[Origin], named: Callable[[], Iterable[bytes]]) -> None:
        self._origins = list(origins)
        self._places = [
            (number, place)
            for number, origin in enumerate(self._origins)
            for url in origin.urls
            if (place := place_of(url)) is not None
        ]
        self._named = named
        self._refs: dict[int, tuple[set[str], dict[str, str]]] = {}

    def file(self, url: str, commit: str) -> Hosted | None:
        """Return the file that a URL shows, given the commit of a run; None of one of no repository that is read.

        There are no paths where none can be meant: the repository does not have the commit, or the URL names a
        revision that it does not have, or it could name several.
        """
        shown = {(number, it) for number, place in self._places for it in place.shown(url)}
        if not shown:
            return None
        found = {one for number, it in shown for one in self._readings(number, it, commit)}
        commits = {at for at, _ in found}
        if len(commits) != 1:
            return Hosted(commit, ())
        return Hosted(commits.pop(), tuple(sorted({path for _, path in found})))

    def _readings(self, number: int, shown: Shown, commit: str) -> Iterator[tuple[str, str]]:
        """Yield the commits and paths that what a URL shows may be."""
        rest, origin = shown.rest, self._origins[number]
        if not {"", ".", ".."}.isdisjoint(rest.split("/")):  # which leads somewhere else
            return
        splits = _splits(shown)
        has_commit = commit in origin.commits
        known = [(at, path) for name, path in splits for at in self._named_so(number, name)]
        exact = None if known else _COMMIT.fullmatch(rest)
        if exact:
            at = self._in_full(exact[1].lower())
            known = [(at, exact[2] or "")] if at else []
        elif not known:
            known = [(None, path) for path in _behind_a_branch(shown, splits, origin.has_all_refs)]
        for at, path in known:
            if at is not None:
                yield at, path
            elif has_commit:
                yield commit, path

    def _named_so(self, number: int, name: str) -> Iterator[str | None]:
        """Yield the commit of the tag that a URL names so, and None for a branch."""
        branches, tags = self._refs_of(number)
        for begin, is_branch, is_tag in _SPELLINGS:
            short = name.removeprefix(begin) if name.startswith(begin) else ""
            if is_branch and short in branches:
                yield None
            if is_tag and short in tags:
                yield tags[short]

    def _refs_of(self, number: int) -> tuple[set[str], dict[str, str]]:
        """Return the branches of a repository, and its tags with their commits."""
        if number not in self._refs:
            branches, tags = self._refs[number] = {DEFAULT}, {}
            for head in self._origins[number].heads:
                commit, _, full = head.partition(" ")
                if full.startswith(_TAGS):
                    tags[full.removeprefix(_TAGS)] = commit
                elif branch := _BRANCH.fullmatch(full):
                    branches.add(branch[1])
        return self._refs[number]

    @cached_property
    def _sorted(self) -> list[bytes]:
        return sorted(self._named())

    def _in_full(self, digits: str) -> str | None:
        """Return the one commit whose object name begins with some digits."""
        begin = digits.encode()
        place = bisect_left(self._sorted, begin)
        found = [name for name in self._sorted[place : place + 2] if name.startswith(begin)]
        return found[0].decode() if len(found) == 1 else None


def _splits(shown: Shown) -> Sequence[tuple[str, str]]:
    """Return what the name of the revision and the path may be.

    >>> _splits(Shown("v1/a.csv")), _splits(Shown("v1/a.csv", "v1"))
    ([('v1', 'a.csv'), ('v1/a.csv', '')], [('v1', 'a.csv')])
    """
    if shown.revision is not None:
        return [(shown.revision, shown.path)]
    parts = shown.rest.split("/", _MOST_PARTS)
    return [("/".join(parts[:count]), "/".join(parts[count:])) for count in range(1, len(parts) + 1)]


def _behind_a_branch(shown: Shown, splits: Sequence[tuple[str, str]], has_all_refs: bool) -> Sequence[str]:
    """Return those paths that may follow the name of a branch that is not read.

    >>> shown = Shown("gone/a/b.csv")
    >>> _behind_a_branch(shown, _splits(shown), True), _behind_a_branch(Shown("main/a.csv"), [("main", "")], False)
    (['a/b.csv', 'b.csv'], ['a.csv'])
    """
    if _NO_BRANCH.match(shown.rest):
        return []
    trunk = _TRUNK.fullmatch(shown.revision or shown.rest)
    paths = [path for _, path in splits]
    if trunk and (shown.revision is None or not trunk[1]):
        return [trunk[1] or ""] if shown.revision is None else paths
    return paths[: max(1, len(paths) - 1)] if has_all_refs else []
