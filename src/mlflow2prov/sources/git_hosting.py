"""Which file of a repository a URL means that shows a file of it: at GitHub, GitLab, Bitbucket, Gitea, Hugging Face.

Such a URL has the place of the repository, a view, the name of a revision, and the path of the file. The place is
that of ``origin`` of a repository that is read, however that is spelled (``ssh://``, ``host:path``, ``https://``). The
revision may be a commit or a tag, which say exactly which one is meant; a branch goes on, and says only which file it
is. Names of revisions have slashes as paths do: where one is a branch or a tag of the repository, it counts; where
none is, it is taken for a branch, and the path is any of those that may follow; but for ``main`` and ``master``, which are
branches everywhere, and for what looks like a tag.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from mlflow2prov.prov.credentials import without_credentials

_VIEWS = (
    "{host}/{path}/-/raw/",
    "{host}/{path}/-/blob/",
    "{host}/{path}/-/tree/",
    "{host}/{path}/raw/",
    "{host}/{path}/blob/",
    "{host}/{path}/tree/",
    "{host}/{path}/src/",
    "{host}/{path}/media/",
    "{host}/{path}/resolve/",
    "{host}/raw/{path}/",
    "raw.{host}/{path}/",
)
"""How URLs begin that show a file or folder of the repository at a path of a host; behind it comes the revision."""

_VIEWS_ELSEWHERE = {
    "github.com": (
        "raw.githubusercontent.com/{path}/",
        "media.githubusercontent.com/media/{path}/",
        "colab.research.google.com/github/{path}/blob/",
        "nbviewer.org/github/{path}/blob/",
        "nbviewer.jupyter.org/github/{path}/blob/",
    )
}
"""Likewise at other hosts, of what is at one."""

_SAME_HOSTS = {
    "altssh.bitbucket.org": "bitbucket.org",
    "altssh.gitlab.com": "gitlab.com",
    "hf.co": "huggingface.co",
    "ssh.github.com": "github.com",
    "www.github.com": "github.com",
}
"""Hosts that give the same repositories as others."""

_BRANCHES = ("refs/heads/", "refs/remotes/origin/")
_TAGS = "refs/tags/"

_SPELLINGS = (
    ("", True, True),
    ("refs/heads/", True, False),
    ("branch/", True, False),
    (_TAGS, False, True),
    ("tag/", False, True),
)
"""What URLs have before the short name of a ref, and whether that is a branch or a tag then."""

_WEB_PORTS = {"http": 80, "https": 443}
_SCP_LIKE = re.compile(r"(?:[^@/:\s]+@)?([^@/:\s]{2,}):(?![:\\]|//)(\S.*)", re.DOTALL)
_COMMIT = re.compile(r"(?:commit/)?([0-9a-f]{7,64})(?:/(.*))?", re.DOTALL | re.IGNORECASE)
_MOST_PARTS = 16
"""No name of a revision has more parts between slashes, if it is not known."""

_NO_BRANCH = re.compile(r"refs/(?!heads/)|(?:refs/heads/|branch/)?v?[0-9]+(?:\.[0-9][\w.+-]*)?(?:/|$)|tag/")
"""How the name of what is no branch begins, or seems to be none: a tag, or a request to merge."""

_TRUNK = re.compile(r"(?:refs/heads/|branch/)?(?:main|master)(?:/(.*))?", re.DOTALL)
"""The branches beside which there is none whose name goes on with a slash."""


class Origin(NamedTuple):
    """The repository that ``origin`` is, of one that is read.

    Attributes:
        url: its URL; None where there is no ``origin``.
        heads: its refs, each as the object name of a commit, a blank, and the full name of the ref.
        commits: those commits of runs that the repository has.
        has_all_refs: whether no refs were left out, so that other names are not those of tags.
    """

    url: str | None
    heads: Collection[str]
    commits: Container[str]
    has_all_refs: bool = True


class Hosted(NamedTuple):
    """A file that a URL shows: the commit at which it is, and the path, which is one of these; empty is the root."""

    commit: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A repository at a host; its port is that of URLs of files, too: 0 for the usual one, None where it is not known."""

    host: str
    port: int | None
    path: str

    def rests(self, url: str) -> Iterator[str]:
        """Yield what follows the beginning of a URL that shows a file of the repository."""
        try:
            split = urlsplit(url)
            port = _port_of(split)
        except ValueError:
            return
        if split.scheme not in _WEB_PORTS or split.hostname is None:
            return
        host = _SAME_HOSTS.get(split.hostname, split.hostname)
        shown = f"{host}{unquote(split.path, errors='surrogateescape')}"
        own = _VIEWS if self.port in {None, port} else ()
        for view in (*own, *_VIEWS_ELSEWHERE.get(self.host, ())):
            begin = view.format(host=self.host, path=self.path)
            if shown[: len(begin)].casefold() == begin.casefold():
                yield shown[len(begin) :].rstrip("/")


class Hosting:
    """The repositories that are read, as URLs of their files name them.

    Held are the object names of all commits once a URL names one, and some 200 bytes for each ref.

    Args:
        origins: of each the ``origin``.
        named: the object names of all commits, to find those that are named by their first digits.
    """

    def __init__(self, origins: Iterable[Origin], named: Callable[[], Iterable[bytes]]) -> None:
        self._origins = [(place, it) for it in origins if (place := _place_of(it.url)) is not None]
        self._named = named
        self._refs: dict[int, tuple[set[str], dict[str, str]]] = {}

    def file(self, url: str, commit: str) -> Hosted | None:
        """Return the file that a URL shows, given the commit of a run; None of one of no repository that is read.

        There are no paths where none can be meant: the repository does not have the commit, or the URL names a
        revision that it does not have, or it could name several.
        """
        rests = [
            (number, rest)
            for number, (place, _) in enumerate(self._origins)
            for rest in place.rests(url)
            if rest
        ]
        if not rests:
            return None
        found = {one for number, rest in rests for one in self._readings(number, rest, commit)}
        commits = {at for at, _ in found}
        if len(commits) != 1:
            return Hosted(commit, ())
        return Hosted(commits.pop(), tuple(sorted({path for _, path in found})))

    def _readings(self, number: int, rest: str, commit: str) -> Iterator[tuple[str, str]]:
        """Yield the commits and paths that what follows the beginning of a URL may mean."""
        if not {"", ".", ".."}.isdisjoint(rest.split("/")):  # which leads somewhere else
            return
        parts = rest.split("/", _MOST_PARTS)
        splits = [("/".join(parts[:count]), "/".join(parts[count:])) for count in range(1, len(parts) + 1)]
        has_commit = commit in self._origins[number][1].commits
        known = [(at, path) for name, path in splits for at in self._named_so(number, name)]
        exact = None if known else _COMMIT.fullmatch(rest)
        if exact:
            at = self._in_full(exact[1].lower())
            known = [(at, exact[2] or "")] if at else []
        elif not known:
            has_all = self._origins[number][1].has_all_refs
            known = [(None, path) for path in _behind_a_branch(rest, [path for _, path in splits], has_all)]
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
            branches, tags = self._refs[number] = {"HEAD"}, {}
            for head in self._origins[number][1].heads:
                commit, _, full = head.partition(" ")
                if full.startswith(_TAGS):
                    tags[full.removeprefix(_TAGS)] = commit
                branches.update(full.removeprefix(begin) for begin in _BRANCHES if full.startswith(begin))
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


def _behind_a_branch(rest: str, paths: Sequence[str], has_all_refs: bool) -> Sequence[str]:
    """Return those of some paths that may follow the name of a branch that is not read.

    >>> _behind_a_branch("gone/a/b.csv", ["a/b.csv", "b.csv", ""], True), _behind_a_branch("main/a.csv", [""], False)
    (['a/b.csv', 'b.csv'], ['a.csv'])
    """
    if _NO_BRANCH.match(rest):
        return []
    trunk = _TRUNK.fullmatch(rest)
    if trunk:
        return [trunk[1] or ""]
    return paths[: max(1, len(paths) - 1)] if has_all_refs else []


def are_at_one_place(urls: Sequence[str | None]) -> bool:
    """Return whether the URLs of some origins name the same repository.

    >>> are_at_one_place(["git@github.com:ada/wine.git", "https://ada:pw@github.com/Ada/Wine"])
    True
    """
    places = {place and (place.host, place.path.casefold()) for place in map(_place_of, urls)}
    return len(places) < 2 and (None not in places or len(urls) < 2)


def _place_of(remote: str | None) -> _Place | None:
    """Return where a repository is, given the URL of ``origin``; None of a folder.

    >>> _place_of("git@github.com:ada/wine.git"), _place_of("../wine")
    (_Place(host='github.com', port=None, path='ada/wine'), None)
    >>> _place_of("https://ada:secret@git.example.org:3000/ada/wine")
    _Place(host='git.example.org', port=3000, path='ada/wine')
    """
    spelled = without_credentials(remote or "")
    scp_like = _SCP_LIKE.fullmatch(spelled)
    try:
        split = urlsplit(f"ssh://{scp_like[1]}/{scp_like[2].lstrip('/')}" if scp_like else spelled)
        port = _port_of(split)
    except ValueError:
        return None
    if split.scheme not in {"ssh", "git", "git+ssh", *_WEB_PORTS} or not split.hostname:
        return None
    host = _SAME_HOSTS.get(split.hostname, split.hostname)
    path = unquote(split.path).strip("/").removesuffix(".git")
    return _Place(host, port if split.scheme in _WEB_PORTS else None, path) if path else None


def _port_of(split: SplitResult) -> int:
    """Return the port of a URL, 0 where it is the usual one; raise a ValueError of one that is none."""
    port = split.port
    return 0 if port is None or port == _WEB_PORTS.get(split.scheme) else port
