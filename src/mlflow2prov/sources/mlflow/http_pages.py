"""The pages of a search, which a server may never let end."""

from __future__ import annotations

from typing import Protocol

from mlflow2prov.sources.mlflow.http_refusals import RefusedError

_MOST_FRUITLESS = 50


class _HasToken(Protocol):
    @property
    def next_page_token(self) -> str | None: ...


class Pages:
    """What tells whether the pages of a search lead on: the tokens so far, which are held."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: set[str] = set()
        self._fruitless = 0

    def after(self, page: _HasToken, *, new: int = 1) -> str | None:
        """The token of the page that follows ``page``, or None where it is the last.

        Args:
            page: an answer of the search.
            new: how many things it told that no page before it had.

        Raises:
            RefusedError: the token has led to a page already, or page after page tells nothing new: it would
                go on for ever.
        """
        token = page.next_page_token or None
        if token is None:
            return None
        self._fruitless = 0 if new else self._fruitless + 1
        if token in self._seen:
            raise self._endless("leads from page to page in a circle")
        if self._fruitless >= _MOST_FRUITLESS:
            raise self._endless(f"goes on after {_MOST_FRUITLESS} pages without anything new")
        self._seen.add(token)
        return token

    def _endless(self, how: str) -> RefusedError:
        return RefusedError(f"/{self._path} of the MLflow server {how}; see the server's log", status=508)
