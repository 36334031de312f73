"""Threads that do work in the background and never keep a program from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")
_S = TypeVar("_S")
_Task = tuple["Future[Any]", Callable[[Any], Any], Any]


class Workers:
    """Up to ``most`` threads, started when they are needed.

    Unlike the standard library's executor, closing it does not wait for what is under way, and neither does
    the end of the program: a thread may be waiting for an answer that takes minutes.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._started = 0

    def submit(self, function: Callable[[_S], _T], item: _S) -> Future[_T]:
        """What ``function`` will have made of ``item``."""
        future: Future[_T] = Future()
        self._tasks.put((future, function, item))
        if self._started < self._most:
            self._started += 1
            name = f"{self._name}-{self._started}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        return future

    def close(self) -> None:
        """Drop what was not begun, and let each thread end after what it is at."""
        while True:
            try:
                task = self._tasks.get_nowait()
            except Empty:
                break
            if task is not None:
                task[0].cancel()
        for _ in range(self._started):
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, function, item = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function(item)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
            del task, future, item
