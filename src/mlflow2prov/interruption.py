"""Statements of the engine that end at once where a signal ends the program.

The engine tells its threads that a statement is wanted no more only where its connection says so; whatever
one of them is at would else go on to its end, however far that is, before an exception leaves the statement.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary


class Interruptible(Protocol):
    """What runs statements, such as a connection of the engine."""

    def interrupt(self) -> None:
        """Let the statement that is running, if one is, end with an error."""


_T = TypeVar("_T", bound=Interruptible)

_watched: WeakValueDictionary[int, Interruptible] = WeakValueDictionary()


def watched(connection: _T) -> _T:
    """Return a connection whose statements `interrupt_statements` ends, as long as somebody has it."""
    _watched[id(connection)] = connection
    return connection


def interrupt_statements() -> None:
    """End what runs on all connections; may be called by the handler of a signal."""
    for reference in _watched.valuerefs():  # a list: connections may come and go beside
        connection = reference()
        if connection is not None:
            with suppress(Exception):  # it is closed
                connection.interrupt()
