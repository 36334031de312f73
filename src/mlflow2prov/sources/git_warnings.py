"""Warnings of reading Git, which can be noted down to be given again."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_NOTED: ContextVar[list[str] | None] = ContextVar("noted", default=None)
_GIVEN: ContextVar[Collection[str]] = ContextVar("given", default=())


def warn(log: logging.Logger, sentence: str, *values: object) -> None:
    """Warn, and note it down where warnings are noted; whether the log shows it does not matter."""
    noted = _NOTED.get()
    if noted is not None:
        text = sentence % values
        if text in noted or text in _GIVEN.get():
            return
        noted.append(text)
    log.warning(sentence, *values)


@contextmanager
def noting(given: Collection[str] = ()) -> Iterator[list[str]]:
    """Note down what is warned of in this thread in the ``with`` block, and give each warning once.

    Args:
        given: warnings that were given before; they are neither noted down nor given.

    >>> with noting() as said:
    ...     warn(logging.getLogger("silent.one"), "%d files are odd.", 2)
    >>> said
    ['2 files are odd.']
    """
    said: list[str] = []
    tokens = _NOTED.set(said), _GIVEN.set(given)
    try:
        yield said
    finally:
        _NOTED.reset(tokens[0])
        _GIVEN.reset(tokens[1])
