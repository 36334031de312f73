"""Warnings of the rows of a source table, which can be noted down to be given again where the rows are not read anew."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_NOTED: ContextVar[dict[str, list[str]] | None] = ContextVar("noted_of_tables", default=None)


def warn_of(table: str, log: logging.Logger, sentence: str, *values: object) -> None:
    """Warn of rows of a source table, and note it down where that is done; whether the log shows it does not matter."""
    noted = _NOTED.get()
    if noted is not None:
        noted.setdefault(table, []).append(sentence % values)
    log.warning(sentence, *values)


@contextmanager
def noting_of_tables() -> Iterator[dict[str, list[str]]]:
    """Note down what is warned of in the ``with`` block, by the source table.

    Threads note down there, too, that are begun with a copy of this thread's context.

    >>> with noting_of_tables() as said:
    ...     warn_of("mlflow_param", logging.getLogger("silent.two"), "%d texts are odd.", 2)
    >>> said
    {'mlflow_param': ['2 texts are odd.']}
    """
    said: dict[str, list[str]] = {}
    token = _NOTED.set(said)
    try:
        yield said
    finally:
        _NOTED.reset(token)
