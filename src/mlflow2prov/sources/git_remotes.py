"""The remotes of a repository: where it says that it comes from, and where else it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from mlflow2prov.prov.credentials import without_credentials
from mlflow2prov.sources.git_places import Place, place_of
from mlflow2prov.sources.git_program import Git, given_settings
from mlflow2prov.sources.git_rows import known

_INSTEAD = r"url\..*\.insteadof"
_SETTINGS = rf"^(remote\..*\.url|{_INSTEAD})$"
_ORIGIN = b"remote.origin.url"
_BASE, _INSTEAD_OF = b"url.", b".insteadof"
_PASSWORD = re.compile(r"[^@/:\s]{2,}:[^@/\s]*@(?=\S)")
"""A user and a password at the beginning of what would be a URL with ``https://`` before it."""


class Remotes(NamedTuple):
    """The URLs of a repository's remotes.

    Attributes:
        origin: the one of ``origin``, as it is configured, but for a password without a scheme; None where there is none.
        others: those that name the repository at a host, if ``origin`` does not name it there: of other remotes, further
            ones of ``origin``, and what ``url.<base>.insteadOf`` makes of any; sorted, without credentials.
    """

    origin: str | None
    others: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """The URLs of all remotes."""
        return (*((self.origin,) if self.origin else ()), *self.others)


def remotes_of(git: Git) -> Remotes:
    """Return the remotes of a repository.

    What the repository, the user and the environment configure to be taken instead of the beginning of a URL is read
    and not followed: nothing is run or asked.
    """
    settings = [
        (name, value)
        for line in (git.answer("config", "-z", "--get-regexp", _SETTINGS) or b"").split(b"\0")
        for name, _, value in [line.partition(b"\n")]
    ]
    instead: dict[bytes, bytes] = {}
    for name, value in [*settings, *given_settings(f"^{_INSTEAD}$")]:
        if name.endswith(_INSTEAD_OF) and value:
            instead.setdefault(value, name[len(_BASE) : -len(_INSTEAD_OF)])
    urls = [(name, value) for name, value in settings if name.endswith(b".url")]
    origin = next((_without_password(value) for name, value in urls if name == _ORIGIN), None)
    places: list[Place] = [place] if (place := place_of(origin)) is not None else []
    others: list[str] = []
    for url in sorted({it for _, value in urls for it in (value, _rewritten(value, instead))}):
        text = without_credentials(_without_password(url) or "")
        place = place_of(text)
        if place is not None and not any(place.is_that_of(it) for it in places):
            places.append(place)
            others.append(text)
    return Remotes(origin, tuple(sorted(others)))


def _without_password(url: bytes) -> str | None:
    """Return a URL as text, None of an empty one; without the user and the password of one that lacks its scheme.

    >>> _without_password(b"ada:secret@github.com/ada/wine"), _without_password(b"git@github.com:ada/wine")
    ('github.com/ada/wine', 'git@github.com:ada/wine')
    """
    text = known(url)
    begin = _PASSWORD.match(text) if text else None
    return text[begin.end() :] if text and begin else text


def _rewritten(url: bytes, instead: Mapping[bytes, bytes]) -> bytes:
    """Return a URL as Git takes it, given what stands for the beginnings of URLs; the longest counts.

    >>> _rewritten(b"gh:ada/wine", {b"gh:": b"https://github.com/", b"g": b"x"})
    b'https://github.com/ada/wine'
    """
    begin = max((it for it in instead if url.startswith(it)), key=len, default=b"")
    return instead[begin] + url[len(begin) :] if begin else url
