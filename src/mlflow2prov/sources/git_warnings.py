"""Warnings of reading Git, which can be noted down to be given again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_NOTED: ContextVar[list[str] | None] = ContextVar("noted", default=None)


def warn(log: logging.Logger, sentence: str, *values: object) -> None:
    """Warn, and note it down where warnings are noted; whether the log shows it does not matter."""
    log.warning(sentence, *values)
    noted = _NOTED.get()
    if noted is not None:
        noted.append(sentence % values)


@contextmanager
def noting() -> Iterator[list[str]]:
    """Note down what is warned of in this thread in the ``with`` block.

    >>> with noting() as said:
    ...     warn(logging.getLogger("silent.one"), "%d files are odd.", 2)
    >>> said
    ['2 files are odd.']
    """
    said: list[str] = []
    token = _NOTED.set(said)
    try:
        yield said
    finally:
        _NOTED.reset(token)
