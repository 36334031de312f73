"""The search for runs on an MLflow server, in pages as large as it and our memory take."""

from __future__ import annotations

from collections.abc import Sequence

from mlflow2prov.sources.mlflow import server_wire as wire
from mlflow2prov.sources.mlflow.http_client import HttpClient, RefusedError

_FIRST_PAGE_RUNS = 1_000
_PAGE_RUNS = range(50, 50_001)
_PAGE_BYTES = 16 * 1024 * 1024
_FEW_RETRIES = 1


class RunSearch:
    """The search for the runs of some experiments, oldest first.

    Args:
        client: the connection.
        experiment_ids: of the experiments.
        fits: a filter of MLflow that they fit; empty for all.

    Attributes:
        path: of the end point.
    """

    path = "api/2.0/mlflow/runs/search"

    def __init__(self, client: HttpClient, experiment_ids: Sequence[str], fits: str = "") -> None:
        self._client = client
        self._body: dict[str, object] = {
            "experiment_ids": experiment_ids,
            "run_view_type": "ALL",
            "order_by": ["attribute.start_time ASC"],
        }
        self._body |= {"filter": fits} if fits else {}
        self._lasting = {401, 403, 404, 429} | ({400} if fits else set())
        self._size = _FIRST_PAGE_RUNS

    def page(self, token: str | None) -> wire.RunPage:
        """The page that ``token`` leads to, or the first one; some 16 MB of JSON.

        A server that fails at a page is asked for a smaller one, with less patience.

        Raises:
            RefusedError: the server fails at the smallest one, too, or refuses the filter.
        """
        retries = None
        while True:
            body = self._body | {"max_results": self._size} | ({"page_token": token} if token else {})
            try:
                page, size_bytes = self._client.ask_sized(wire.RunPage, self.path, body=body, retries=retries)
            except RefusedError as error:
                if error.status in self._lasting or self._size <= _PAGE_RUNS.start:
                    raise
                self._size, retries = max(_PAGE_RUNS.start, self._size // 4), _FEW_RETRIES
                continue
            per_run = size_bytes / max(1, len(page.runs))
            self._size = min(max(_PAGE_RUNS.start, int(_PAGE_BYTES / per_run)), _PAGE_RUNS.stop - 1)
            return page
