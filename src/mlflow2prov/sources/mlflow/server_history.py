"""The whole history of the runs' metrics, read from an MLflow server in as few requests as it allows.

The bulk end point takes one metric of many runs and says nothing when its answer was cut off, so an answer
that is as long as allowed is taken as cut off. Versions differ in how many runs they take at once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlflow2prov.sources.mlflow import server_wire as wire
from mlflow2prov.sources.mlflow.http_client import HttpClient, Pages, Query, RefusedError
from mlflow2prov.sources.mlflow.server_rows import Row, batch, point
from mlflow2prov.sources.tables import Batches

_logger = logging.getLogger(__name__)

_BULK = "ajax-api/2.0/mlflow/metrics/get-history-bulk"
_SINGLE = "api/2.0/mlflow/metrics/get-history"
_MOST_POINTS = 25_000
_MOST_RUNS = 100
_MOST_RUNS_OF_OLD = 20
_MOST_URL_BYTES = 8_000
_MOST_URL_BYTES_OF_OLD = 4_000  # Gunicorn, which runs older servers, takes a line of 4,094
_BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class _Series:
    """One metric of some runs, in the order of their identifiers."""

    key: str
    run_ids: tuple[str, ...]


class HistoryReader:
    """Reads metric histories; keeps what it learns about the server from one call of `read` to the next.

    Args:
        client: the connection.
        most_points: how many points the bulk end point is asked for, and is taken to be capped at.
    """

    def __init__(self, client: HttpClient, *, most_points: int = _MOST_POINTS) -> None:
        self._client = client
        self._most_points = most_points
        self._most_runs = _MOST_RUNS
        self._most_url_bytes = _MOST_URL_BYTES
        self._has_bulk = True

    def read(self, runs: Sequence[wire.Run]) -> Batches:
        """Batches of ``mlflow_metric`` with every distinct point of ``runs``, by metric, then by run.

        Holds about 65,536 rows, besides twice as many answers as the client has requests under way.
        """
        pending: list[Row] = []
        for rows in self._client.in_order(self._points, self._plan(runs)):
            pending += rows
            if len(pending) >= _BATCH_ROWS:
                yield batch("mlflow_metric", pending)
                pending = []
        if pending:
            yield batch("mlflow_metric", pending)

    def _plan(self, runs: Sequence[wire.Run]) -> Iterator[_Series]:
        run_ids: dict[str, set[str]] = {}
        for run in runs:
            for metric in run.data.metrics:
                run_ids.setdefault(metric.key, set()).add(run.info.run_id)
        for key in sorted(run_ids):
            yield from self._split(_Series(key, tuple(sorted(run_ids[key]))))

    def _split(self, series: _Series) -> Iterator[_Series]:
        """The parts of ``series`` that one request each can ask for."""
        size = self._most_runs_of(series)
        for start in range(0, len(series.run_ids), size):
            yield _Series(series.key, series.run_ids[start : start + size])

    def _most_runs_of(self, series: _Series) -> int:
        """How many runs of ``series`` one request can ask for."""
        bare = len(self._client.target(_BULK, self._query(_Series(series.key, ()))))
        longest = max(len(self._client.target("", [("run_id", run_id)])) for run_id in series.run_ids)
        per_run = longest - len(self._client.target("")) + 1
        return max(1, min(self._most_runs, (self._most_url_bytes - bare) // per_run))

    def _query(self, series: _Series) -> Query:
        runs = [("run_id", run_id) for run_id in series.run_ids]
        return [*runs, ("metric_key", series.key), ("max_results", self._most_points)]

    def _points(self, series: _Series) -> list[Row]:
        rows: dict[Row, None] = {}
        asked = [series]
        while asked:
            part = asked.pop()
            if len(part.run_ids) > self._most_runs_of(part):
                asked += reversed(list(self._split(part)))
            elif not self._has_bulk:
                rows.update((row, None) for run_id in part.run_ids for row in self._paged(part.key, run_id))
            else:
                found, rest = self._bulk(part)
                rows.update((row, None) for row in found)
                asked += rest
        return list(rows)

    def _bulk(self, part: _Series) -> tuple[list[Row], list[_Series]]:
        """The points of one request, and what is left to ask for."""
        try:
            page = self._client.ask(wire.MetricPage, _BULK, query=self._query(part))
        except RefusedError as error:
            self._learn(error, part)
            return [], [part]
        metrics = page.metrics
        if len(metrics) < self._most_points:
            return [point(metric.run_id or "", metric) for metric in metrics], []
        if len(part.run_ids) == 1:
            return self._paged(part.key, part.run_ids[0]), []
        return self._uncut(part, metrics)

    def _uncut(self, part: _Series, metrics: Sequence[wire.Metric]) -> tuple[list[Row], list[_Series]]:
        """What of a cut answer is whole: all runs before the last one in it, as answers go by run."""
        ids = [metric.run_id or "" for metric in metrics]
        first, last = ids[0], ids[-1]
        if last not in part.run_ids or ids != sorted(ids):
            middle = len(part.run_ids) // 2
            halves = part.run_ids[middle:], part.run_ids[:middle]
            return [], [_Series(part.key, half) for half in halves]
        at = part.run_ids.index(last)
        if first == last:
            rest = part.run_ids[at + 1 :]
            return self._paged(part.key, last), [_Series(part.key, rest)] if rest else []
        whole = [point(metric.run_id or "", metric) for metric in metrics if metric.run_id != last]
        return whole, [_Series(part.key, part.run_ids[at:])]

    def _learn(self, error: RefusedError, part: _Series) -> None:
        """Make less of the server after it refused ``part``; raises ``error`` where that can't help."""
        if error.status in (404, 405):
            self._has_bulk = False
        elif error.status in (400, 413, 414, 431) and len(part.run_ids) > 1 and self._is_long(part):
            self._most_url_bytes = _MOST_URL_BYTES_OF_OLD
        elif error.status in (400, 413, 414, 431) and len(part.run_ids) > 1:
            fewer = len(part.run_ids) // 2
            self._most_runs = _MOST_RUNS_OF_OLD if len(part.run_ids) > _MOST_RUNS_OF_OLD else fewer
        else:
            raise error
        _logger.debug("bulk histories: %s runs a request", self._most_runs if self._has_bulk else "no")

    def _is_long(self, part: _Series) -> bool:
        """Whether the request was longer than what every server takes."""
        return len(self._client.target(_BULK, self._query(part))) > _MOST_URL_BYTES_OF_OLD

    def _paged(self, key: str, run_id: str) -> list[Row]:
        rows: dict[Row, None] = {}
        token, pages = None, Pages(_SINGLE)
        while True:
            query: Query = [("run_id", run_id), ("metric_key", key), ("max_results", self._most_points)]
            query = [*query, ("page_token", token)] if token else query
            page = self._client.ask_if_known(wire.MetricPage, _SINGLE, query=query)
            before = len(rows)
            rows.update((point(run_id, metric), None) for metric in (page.metrics if page else ()))
            token = pages.after(page, new=len(rows) - before) if page else None
            if not token:
                return list(rows)
