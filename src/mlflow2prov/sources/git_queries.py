"""URLs in whose query stands the revision at which a hosting service shows a file, and how each service spells them.

Such are the pages of Bitbucket Server (``?at=refs%2Fheads%2Fmain``) and Azure DevOps (``?path=/a.csv&version=GBmain``),
and what the interfaces for programs of these, of GitHub, GitLab, Gitea and Forgejo give (``…/contents/a.csv?ref=main``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote

DEFAULT = "HEAD"
"""The revision that a service shows where a URL names none."""

Query: TypeAlias = "Mapping[str, str]"
"""The values in the query of a URL, by their names in lower case."""


class Asked(NamedTuple):
    """What a URL asks a service for.

    Attributes:
        repositories: the path of the repository, which is one of these.
        revision: the name of the revision.
        file: the path of the file; empty is the root.
    """

    repositories: tuple[str, ...]
    revision: str
    file: str


def _told_by(name: str) -> Callable[[Query], str]:
    return lambda query: query.get(name, "")


def _of_azure_page(query: Query) -> str:
    version = query.get("version", "")
    kinds = {"GB": "refs/heads/", "GT": "refs/tags/", "GC": ""}
    return f"{kinds.get(version[:2], 'refs/other/')}{version[2:]}" if version else ""


def _of_azure_items(query: Query) -> str:
    def told(name: str) -> str:
        spelled = (f"versiondescriptor.{name}", f"versiondescriptor[{name}]", name)
        return next((query[one] for one in spelled if query.get(one)), "")

    version, kind = told("version"), told("versiontype").casefold()
    kinds = {"": "refs/heads/", "branch": "refs/heads/", "tag": "refs/tags/", "commit": ""}
    if told("versionoptions").casefold() not in {"", "none"}:  # the commit before that, or the like
        return "refs/other/"
    return f"{kinds.get(kind, 'refs/other/')}{version}" if version else ""


class _Service(NamedTuple):
    """How a service spells such URLs.

    Attributes:
        path: fits the path of a URL; its group ``file`` is that of the file, else the query's ``path`` is.
        repository: what the path of the repository is, of the groups; ``home`` is ``~`` where there is a group ``user``.
        revision: gives the revision that the query names, empty where it names none.
    """

    path: re.Pattern[str]
    repository: tuple[str, ...]
    revision: Callable[[Query], str]


_SERVICES = (
    _Service(  # Bitbucket Server: pages, and what is for programs
        re.compile(
            r"(?P<service>(?:.*?/)??)(?:rest/api/[^/]+/)?(?:projects|(?P<user>users))/(?P<owner>[^/]+)"
            r"/repos/(?P<name>[^/]+)/(?:browse|raw)(?:/(?P<file>.*))?",
            re.DOTALL,
        ),
        ("{service}scm/{home}{owner}/{name}", "{home}{owner}/{name}"),
        _told_by("at"),
    ),
    _Service(  # GitHub, Gitea and Forgejo
        re.compile(
            r"(?P<service>(?:.*?/)??)api/v[13]/repos/(?P<name>[^/]+/[^/]+)/(?:contents|raw|media)(?:/(?P<file>.*))?",
            re.DOTALL,
        ),
        ("{service}{name}",),
        _told_by("ref"),
    ),
    _Service(  # GitLab, in whose paths a slash within a name is escaped
        re.compile(
            r"(?P<service>(?:.*?/)??)api/v4/projects/(?P<name>[^/]+)/repository/files/(?P<file>[^/]+)(?:/raw)?",
            re.DOTALL,
        ),
        ("{service}{name}",),
        _told_by("ref"),
    ),
    _Service(  # pages of Azure DevOps
        re.compile(r"(?P<name>.*/_git/[^/]+)/?", re.DOTALL), ("{name}",), _of_azure_page
    ),
    _Service(
        re.compile(
            r"(?P<owner>.+?)/_apis/git/repositories/(?P<name>[^/]+)/items(?:/(?P<file>.*))?", re.DOTALL
        ),
        ("{owner}/_git/{name}",),
        _of_azure_items,
    ),
)


def asked_by(path: str, query: Query) -> Iterator[Asked]:
    """Yield what a URL asks for.

    Args:
        path: of the URL, without the slash at its beginning, as it is spelled.
        query: of the URL.

    >>> [*asked_by("api/v4/projects/ada%2Fwine/repository/files/data%2Fa.csv/raw", {"ref": "v1"})]
    [Asked(repositories=('ada/wine',), revision='v1', file='data/a.csv')]
    """
    for service in _SERVICES:
        said = service.path.fullmatch(path)
        if not said:
            continue
        groups = {name: unquoted(value) for name, value in said.groupdict("").items()}
        file = groups.get("file") or query.get("path") or query.get("scopepath") or ""
        if "file" not in said.groupdict() and not file:
            continue
        groups["home"] = "~" if groups.get("user") else ""
        repositories = tuple(one.format_map(groups) for one in service.repository)
        yield Asked(repositories, service.revision(query) or DEFAULT, file.strip("/"))


def query_of(text: str) -> Query:
    """Return what the query of a URL says."""
    pairs = (part.partition("=")[::2] for part in text.split("&"))
    return {unquoted(name).casefold(): unquoted(value) for name, value in pairs}


def unquoted(text: str) -> str:
    """Return a part of a URL as it is meant; what is no text has its bytes as :func:`os.fsdecode` gives them."""
    return unquote(text, errors="surrogateescape")
