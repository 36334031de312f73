"""Work that goes on in a thread beside what needs its result later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

_T = TypeVar("_T")


class Beside(Generic[_T]):
    """Work that begins at once; to be used in a ``with`` block.

    Args:
        work: gets an event, and ends early once that is set: nobody wants its result any more.
    """

    def __init__(self, work: Callable[[threading.Event], _T]) -> None:
        self._stopped = threading.Event()
        self._thread = ThreadPoolExecutor(1)
        self._found = self._thread.submit(work, self._stopped)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.shutdown()

    @property
    def is_done(self) -> bool:
        """Whether nobody has to wait."""
        return self._found.done()

    def found(self) -> _T:
        """Return the result, as soon as it is there; raise what prevented it."""
        return self._found.result()
