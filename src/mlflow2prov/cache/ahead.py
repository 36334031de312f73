"""Reading ahead: a source works in a thread of its own while its rows are taken in."""

from __future__ import annotations

import threading
from contextvars import copy_context
from queue import Queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from mlflow2prov.sources.tables import Batches

_DEPTH = 2


class Ahead:
    """Batches of a source, read ahead by two at most; to be used in a ``with`` block."""

    def __init__(self) -> None:
        self._queue: Queue[tuple[str, pa.RecordBatch] | BaseException | None] = Queue(_DEPTH)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        """Let the source end, also where its rows are not wanted any more."""
        self._stopped.set()
        while self._thread is not None and self._thread.is_alive():
            if not self._queue.empty():
                self._queue.get()
                self._queue.task_done()
            self._thread.join(0.01)

    def taken_in(self) -> None:
        """Wait, in the source's thread, until all that it yielded has been taken in."""
        self._queue.join()

    def batches(self, source: Batches) -> Batches:
        """The batches of a source, which begins at once; what it raises is raised where they are taken."""
        self._thread = threading.Thread(target=copy_context().run, args=(self._read, source), daemon=True)
        self._thread.start()
        return self._taken()

    def _taken(self) -> Batches:
        while True:
            found = self._queue.get()
            try:
                if found is None:
                    return
                if isinstance(found, BaseException):
                    raise found
                yield found
            finally:
                self._queue.task_done()

    def _read(self, source: Batches) -> None:
        try:
            for batch in source:
                if self._stopped.is_set():
                    return
                self._queue.put(batch)
            self._queue.put(None)
        except BaseException as error:
            self._queue.put(error)
