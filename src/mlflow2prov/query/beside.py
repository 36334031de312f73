"""Work in a thread beside the one that waits for it, and hears signals."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Any

from mlflow2prov.errors import GraphError

_AHEAD = 2
"""How many batches are worked out before they are asked for."""

_END = object()


def beside(
    work: Callable[[], Iterator[Any]],
    stop: Callable[[], object] | None = None,
    close: Callable[[], object] = lambda: None,
    timeout_s: float | None = None,
) -> Generator[Any, None, None]:
    """Yield what some work yields, which is done in a thread, so that Ctrl-C ends the wait for it.

    ``stop`` makes the work end where it is wanted no more; without it, the work goes on with nobody to
    wait for it, and ends with the program. ``close`` lets go of what the work was done with, in the thread,
    when the work has ended; ``stop`` is not called while or after it is.

    Raises:
        GraphError: the work was waited for longer than ``timeout_s`` seconds, all waits taken together.
    """
    waiting: queue.Queue[Any] = queue.Queue(_AHEAD)
    patience = _Patience(timeout_s)
    stopped, ended, turn = threading.Event(), threading.Event(), threading.Lock()

    def hand_over(piece: Any) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                waiting.put(piece, timeout=_PATIENCE_S)
                return

    def run() -> None:
        try:
            for piece in work():
                hand_over(piece)
                if stopped.is_set():
                    return
            hand_over(_END)
        except BaseException as error:
            hand_over(error)
        finally:
            with turn:
                ended.set()
                close()

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    try:
        while (piece := patience.next_of(waiting)) is not _END:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        stopped.set()
        if stop is not None:
            with turn:
                if not ended.is_set():
                    stop()
            worker.join(_GIVEN_UP_S)


_PATIENCE_S = 0.2
_GIVEN_UP_S = 10
"""How long work is waited for that was told to stop."""


class _Patience:
    """How long pieces are waited for, all in all."""

    def __init__(self, timeout_s: float | None) -> None:
        self._timeout_s, self._waited_s = timeout_s, 0.0

    def next_of(self, waiting: queue.Queue[Any]) -> Any:
        """The next piece, waited for in short turns, between which signals are heard."""
        while True:
            begun = time.monotonic()
            with suppress(queue.Empty):
                return waiting.get(timeout=_PATIENCE_S)
            self._waited_s += time.monotonic() - begun
            if self._timeout_s is not None and self._waited_s >= self._timeout_s:
                raise GraphError(
                    f"no whole answer after {self._timeout_s:g} s: the query was given up; ask for less, or wait longer"
                )
