"""Evaluation datasets of an MLflow server, whose records are counted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import msgspec

from mlflow2prov.sources.mlflow import server_traces_wire as wire
from mlflow2prov.sources.mlflow.http_client import HttpClient, Pages, Query
from mlflow2prov.sources.mlflow.server_rows import Row, RowsOf, batches, known
from mlflow2prov.sources.tables import Batches

_DATASETS = "api/3.0/mlflow/datasets"
_PAGE_DATASETS = 1_000
_PAGE_RECORDS = 1_000


class EvaluationReader:
    """Reads evaluation datasets; holds a page of them, and a page of records for each request under way."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def read(self, experiment_ids: Sequence[str] = ()) -> Batches:
        """Batches of the tables of evaluation datasets; nothing from a server that has none.

        Args:
            experiment_ids: of the experiments that they belong to; none are all.
        """
        seen: set[str] = set()
        for page in self._pages(experiment_ids):
            new = [dataset for dataset in page if dataset.dataset_id not in seen]
            seen.update(dataset.dataset_id for dataset in new)
            yield from batches(_ROWS, list(self._client.in_order(self._whole, new)))

    def _pages(self, experiment_ids: Sequence[str]) -> Iterator[list[wire.EvaluationDataset]]:
        body: dict[str, object] = {"max_results": _PAGE_DATASETS, "order_by": ["created_time ASC"]}
        body |= {"experiment_ids": experiment_ids} if experiment_ids else {}
        path = f"{_DATASETS}/search"
        pages = Pages(path)
        while True:
            page = self._client.ask_if_known(wire.EvaluationDatasetPage, path, body=body)
            if page is None:
                return
            yield page.datasets
            token = pages.after(page, new=len(page.datasets))
            if token is None:
                return
            body["page_token"] = token

    def _whole(self, dataset: wire.EvaluationDataset) -> _Whole:
        path = f"{_DATASETS}/{dataset.dataset_id}/experiment-ids"
        answer = self._client.ask_if_known(wire.ExperimentIds, path)
        return _Whole(dataset, self._records(dataset.dataset_id), answer.experiment_ids if answer else [])

    def _records(self, dataset_id: str) -> int | None:
        """How many records a dataset has: a server tells no number, so they are asked for and dropped."""
        found = 0
        query: Query = [("max_results", _PAGE_RECORDS)]
        path = f"{_DATASETS}/{dataset_id}/records"
        token, pages = None, Pages(path)
        while True:
            asked = [*query, ("page_token", token)] if token else query
            page = self._client.ask_if_known(wire.RecordPage, path, query=asked)
            if page is None:
                return None
            records = _length(page.records)
            found += records
            token = pages.after(page, new=records)
            if token is None:
                return found


def _length(records: str) -> int:
    """How many items a JSON array has; none where it is no array."""
    try:
        return len(msgspec.json.decode(records, type=list[msgspec.Raw]))
    except msgspec.MsgspecError:
        return 0


class _Whole(msgspec.Struct, frozen=True):
    """A dataset, how many records it has, and the experiments that it belongs to."""

    dataset: wire.EvaluationDataset
    records: int | None
    experiment_ids: list[str]


def _dataset(it: _Whole) -> list[Row]:
    dataset = it.dataset
    return [
        (
            dataset.dataset_id,
            known(dataset.name),
            known(dataset.digest),
            known(dataset.schema),
            known(dataset.profile),
            dataset.created_time,
            dataset.last_update_time,
            known(dataset.created_by),
            known(dataset.last_updated_by),
            it.records,
        )
    ]


def _tags(it: _Whole) -> list[Row]:
    try:
        found = json.loads(it.dataset.tags or "{}")
    except ValueError:
        return []
    return [(it.dataset.dataset_id, key, value) for key, value in found.items() if isinstance(value, str)]


_ROWS: RowsOf[_Whole] = {
    "mlflow_evaluation_dataset": _dataset,
    "mlflow_evaluation_dataset_tag": _tags,
    "mlflow_evaluation_dataset_link": lambda it: [
        (it.dataset.dataset_id, experiment_id) for experiment_id in it.experiment_ids
    ],
}
