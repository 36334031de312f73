"""Statements that fill several tables at the same time, those of each table one after the other."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlflow2prov.graph.store import Store


class Lanes:
    """A thread with a cursor for each table, made when the first statement comes; to be used in a ``with`` block.

    Args:
        store: where the tables are.
        schema: where the cursors look for what has no schema.
        is_parallel: else all statements run at once, where they are given.
    """

    def __init__(self, store: Store, schema: str, *, is_parallel: bool) -> None:
        self._store, self._schema, self._is_parallel = store, schema, is_parallel
        self._cursors: dict[str, DuckDBPyConnection] = {}
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._waiting: list[Future[None]] = []
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End: after a failure, also of what is under way."""
        self._stopped.set()
        if kind is not None:
            for cursor in self._cursors.values():
                cursor.interrupt()
        for thread in self._threads.values():
            thread.shutdown()
        for cursor in self._cursors.values():
            cursor.close()

    def run(self, table: str, sql: str) -> None:
        """Run a statement for a table after those before it, sooner or later."""
        if not self._is_parallel:
            self._execute(self._cursor(table), sql)
            return
        if table not in self._threads:
            self._threads[table] = ThreadPoolExecutor(1)
        self._waiting.append(self._threads[table].submit(self._execute, self._cursor(table), sql))

    def wait(self) -> None:
        """Wait for all statements; raise what one of them raised."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.result()

    def _cursor(self, table: str) -> DuckDBPyConnection:
        if table not in self._cursors:
            self._cursors[table] = self._store.cursor()
            self._cursors[table].execute(f"SET search_path = '{self._schema}'")
        return self._cursors[table]

    def _execute(self, cursor: DuckDBPyConnection, sql: str) -> None:
        if self._stopped.is_set():
            return
        try:
            self._store.roomy(lambda: cursor.execute(sql))
        except BaseException:
            self._stopped.set()
            raise
