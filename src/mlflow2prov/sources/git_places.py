"""Where a repository is at a hosting service, and which URLs show files of it there.

A service shows a file below a path, behind the name of a revision (GitHub, GitLab, Bitbucket Cloud, Gitea, Hugging
Face); or the revision stands in the query (:mod:`mlflow2prov.sources.git_queries`), or in a path of Hugging Face's own
(``hf://datasets/ada/wine@main/a.csv``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from mlflow2prov.prov.credentials import without_credentials
from mlflow2prov.sources.git_queries import DEFAULT, asked_by, query_of, unquoted

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
    ),
    "bitbucket.org": ("api.bitbucket.org/2.0/repositories/{path}/src/",),
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

_HUB = "huggingface.co"
_API = re.compile(r"api\.(github\.com|[^.]+\.ghe\.com)")
"""Where GitHub answers programs, which is below a path at hosts of others."""

_AZURE = "dev.azure.com"
_AZURE_SSH = frozenset({"ssh.dev.azure.com", "vs-ssh.visualstudio.com"})
_AZURE_OLD = ".visualstudio.com"
"""How the hosts of Azure DevOps end that once were those of organisations."""

_WEB_PORTS = {"http": 80, "https": 443}
_SCP_LIKE = re.compile(r"(?:[^@/:\s]+@)?([^@/:\s]{2,}):(?![:\\]|//)(\S.*)", re.DOTALL)


class Shown(NamedTuple):
    """What a URL shows of a repository.

    Attributes:
        rest: the name of a revision, a slash, and the path of a file; of the root the name alone.
        revision: the name, where it is told from the path.
    """

    rest: str
    revision: str | None = None

    @property
    def path(self) -> str:
        """The path, where the name is told from it."""
        return self.rest[len(self.revision or "") + 1 :]


@dataclass(frozen=True, slots=True)
class Place:
    """A repository at a host; its port is that of URLs of files, too: 0 for the usual one, None where it is not known."""

    host: str
    port: int | None
    path: str

    def is_that_of(self, other: Place) -> bool:
        """Return whether it is the same repository, in whatever way it is reached."""
        return (self.host, self.path.casefold()) == (other.host, other.path.casefold())

    def shown(self, url: str) -> Iterator[Shown]:
        """Yield what a URL may show of the repository."""
        if url.startswith("hf://"):
            yield from self._shown_by_hub(url.removeprefix("hf://"))
            return
        try:
            split = urlsplit(url)
            port = _port_of(split)
        except ValueError:
            return
        if split.scheme not in _WEB_PORTS or not split.hostname:
            return
        host, spelled = _known_as(split.hostname, split.path.removeprefix("/"))
        path = unquoted(spelled)
        own = _VIEWS if self.port in {None, port} else ()
        for view in (*own, *_VIEWS_ELSEWHERE.get(self.host, ())):
            begin = view.format(host=self.host, path=self.path)
            whole = f"{host}/{path}"
            if whole[: len(begin)].casefold() == begin.casefold() and whole[len(begin) :].strip("/"):
                yield Shown(whole[len(begin) :].rstrip("/"))
        if host == self.host and own:
            for asked in asked_by(spelled, query_of(split.query)):
                if self.path.casefold() in map(str.casefold, asked.repositories):
                    yield _shown(asked.revision, asked.file)

    def _shown_by_hub(self, place: str) -> Iterator[Shown]:
        """Yield what is shown by a path in the file system of Hugging Face, of which ``hf://`` has been left out."""
        begin, behind = place[: len(self.path)], place[len(self.path) :]
        if self.host != _HUB or begin.casefold() != self.path.casefold():
            return
        if behind.startswith("@"):
            revision, _, file = behind[1:].partition("/")
            yield _shown(unquoted(revision), file)
        elif behind.startswith("/"):
            yield _shown(DEFAULT, behind)


def asked_of_any(url: str) -> Shown | None:
    """Return what is shown by a URL in whose query the revision stands, whosever repository it is of.

    >>> asked_of_any("https://dev.azure.com/ada/wine/_git/wine?path=/src/train.py&version=GBmain")
    Shown(rest='refs/heads/main/src/train.py', revision='refs/heads/main')
    """
    try:
        split = urlsplit(url)
    except ValueError:
        return None
    if split.scheme not in _WEB_PORTS or not split.hostname:
        return None
    _, spelled = _known_as(split.hostname, split.path.removeprefix("/"))
    asked = next(asked_by(spelled, query_of(split.query)), None)
    return _shown(asked.revision, asked.file) if asked else None


def _shown(revision: str, path: str) -> Shown:
    return Shown(f"{revision}/{path.strip('/')}".rstrip("/"), revision)


def are_at_one_place(urls: Iterable[str | None]) -> bool:
    """Return whether the URLs of some origins name the same repository.

    >>> are_at_one_place(["git@github.com:ada/wine.git", "https://ada:pw@github.com/Ada/Wine"])
    True
    """
    first, *others = [*map(place_of, urls)] or [None]
    return all(first is not None and one is not None and first.is_that_of(one) for one in others)


def place_of(remote: str | None) -> Place | None:
    """Return where a repository is, given the URL of a remote; None of a folder.

    >>> place_of("git@github.com:ada/wine.git"), place_of("../wine")
    (Place(host='github.com', port=None, path='ada/wine'), None)
    >>> place_of("https://ada:secret@git.example.org:3000/ada/wine")
    Place(host='git.example.org', port=3000, path='ada/wine')
    >>> place_of("git@ssh.dev.azure.com:v3/ada/wine/data")
    Place(host='dev.azure.com', port=None, path='ada/wine/_git/data')
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
    host, path = _known_as(split.hostname, unquote(split.path).strip("/").removesuffix(".git"))
    return Place(host, port if split.scheme in _WEB_PORTS else None, path) if path else None


def _known_as(host: str, path: str) -> tuple[str, str]:
    """Return a host and the path of a repository there, or of more, as they are spelled in one way.

    >>> _known_as("ada.visualstudio.com", "DefaultCollection/_git/wine")
    ('dev.azure.com', 'ada/wine/_git/wine')
    >>> _known_as("api.github.com", "repos/ada/wine/contents/a.csv")
    ('github.com', 'api/v3/repos/ada/wine/contents/a.csv')
    """
    said = _API.fullmatch(host)
    if said:
        return said[1], f"api/v3/{path}"
    parts = path.split("/")
    if host in _AZURE_SSH and len(parts) == 4 and parts[0] == "v3":
        return _AZURE, f"{parts[1]}/{parts[2]}/_git/{parts[3]}"
    if host.endswith(_AZURE_OLD):
        own = parts[1:] if parts[0].casefold() == "defaultcollection" else parts
        host, parts = _AZURE, [host.removesuffix(_AZURE_OLD), *own]
    if host == _AZURE:
        if parts[1:2] == ["_git"] and len(parts) > 2:  # the repository that is called as its project is
            parts.insert(1, parts[2])
        return host, "/".join(parts)
    return _SAME_HOSTS.get(host, host), path


def _port_of(split: SplitResult) -> int:
    """Return the port of a URL, 0 where it is the usual one; raise a ValueError of one that is none."""
    port = split.port
    return 0 if port is None or port == _WEB_PORTS.get(split.scheme) else port
