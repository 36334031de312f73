"""What MLflow's own client answers to the requests that are made of servers: one entry for each of them."""

from __future__ import annotations

import posixpath
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

Asked = list[tuple[str, Any]]
"""Names and values of a request, wherever they stood in it; a name may come several times."""

Answer = Callable[[Any, Asked], "bytes | Mapping[str, Any]"]
"""From a client and a request to the answer: JSON, or what makes it."""

_MOST_TRACES = 500
_MOST_LOGGED_MODELS = 50
_MOST_REGISTERED_MODELS = 1_000
_MOST_VERSIONS = 10_000
_MOST_EXPERIMENTS = 1_000
_MOST_DATASETS = 50


def answer_to(path: str) -> tuple[Answer, dict[str, str]] | None:
    """What answers a request for ``path``, and the names that stand in the path; None where nothing does.

    >>> answer_to("api/2.0/mlflow/logged-models/m-1")[1], answer_to("api/2.0/mlflow/no-such")
    ({'model_id': 'm-1'}, None)
    """
    for pattern, answer in ANSWERS.items():
        found = re.fullmatch(pattern, path)
        if found:
            return answer, found.groupdict()
    return None


def _one(asked: Asked, name: str, default: Any = None) -> Any:
    return next((value for key, value in asked if key == name), default)


def _least(asked: Asked, most: int) -> int:
    return min(most, int(_one(asked, "max_results", most)))


def _json(things: Iterable[Any]) -> list[msgspec.Raw]:
    """The JSON that a server of MLflow makes of entities."""
    from mlflow.utils.proto_json_utils import message_to_json

    return [msgspec.Raw(message_to_json(thing.to_proto()).encode()) for thing in things]


def _page(name: str, found: Any) -> Mapping[str, Any]:
    return {name: _json(found), "next_page_token": found.token or None}


def _experiments(client: Any, asked: Asked) -> Mapping[str, Any]:
    from mlflow.entities import ViewType

    return _page(
        "experiments",
        client.search_experiments(
            view_type=ViewType.ALL,
            max_results=_least(asked, _MOST_EXPERIMENTS),
            page_token=_one(asked, "page_token"),
        ),
    )


def _runs(client: Any, asked: Asked) -> Mapping[str, Any]:
    from mlflow.entities import ViewType

    return _page(
        "runs",
        client.search_runs(
            _one(asked, "experiment_ids"),
            filter_string=_one(asked, "filter", ""),
            run_view_type=ViewType.ALL,
            max_results=int(_one(asked, "max_results")),
            order_by=_one(asked, "order_by"),
            page_token=_one(asked, "page_token"),
        ),
    )


def _run(client: Any, asked: Asked) -> Mapping[str, Any]:
    return {"run": _json([client.get_run(_one(asked, "run_id"))])[0]}


def _history(client: Any, asked: Asked) -> Mapping[str, Any]:
    """A whole history at once; values are texts, since JSON has no NaN."""
    points = client.get_metric_history(_one(asked, "run_id"), _one(asked, "metric_key"))
    told = [
        {"key": it.key, "value": repr(float(it.value)), "timestamp": it.timestamp, "step": it.step}
        for it in points
    ]
    return {"metrics": told}


def _logged_models(client: Any, asked: Asked) -> Mapping[str, Any]:
    return _page(
        "models",
        client.search_logged_models(
            experiment_ids=_one(asked, "experiment_ids"),
            max_results=_least(asked, _MOST_LOGGED_MODELS),
            order_by=_one(asked, "order_by"),
            page_token=_one(asked, "page_token"),
        ),
    )


def _logged_model(client: Any, asked: Asked) -> Mapping[str, Any]:
    """One logged model; of its client MLflow hides deleted ones, but not of the store behind it."""
    store = client._tracking_client.store
    return {"model": _json([store.get_logged_model(_one(asked, "model_id"), allow_deleted=True)])[0]}


def _registered_models(client: Any, asked: Asked) -> Mapping[str, Any]:
    return _page(
        "registered_models", _searched(client.search_registered_models, asked, _MOST_REGISTERED_MODELS)
    )


def _versions(client: Any, asked: Asked) -> Mapping[str, Any]:
    return _page("model_versions", _searched(client.search_model_versions, asked, _MOST_VERSIONS))


def _searched(search: Callable[..., Any], asked: Asked, most: int) -> Any:
    return search(
        filter_string=_one(asked, "filter"),
        max_results=_least(asked, most),
        page_token=_one(asked, "page_token"),
    )


def _files(found: Iterable[Any]) -> Mapping[str, Any]:
    told = [{"path": it.path, "is_dir": it.is_dir, "file_size": it.file_size} for it in found]
    return {"files": told}


def _run_files(client: Any, asked: Asked) -> Mapping[str, Any]:
    return _files(client.list_artifacts(_one(asked, "run_id"), _one(asked, "path")))


def _model_files(client: Any, asked: Asked) -> Mapping[str, Any]:
    found = client.list_logged_model_artifacts(
        _one(asked, "model_id"), _one(asked, "artifact_directory_path")
    )
    return _files(found)


def _run_content(client: Any, asked: Asked) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        place = client.download_artifacts(_one(asked, "run_uuid"), _one(asked, "path"), folder)
        return Path(place).read_bytes()


def _model_content(client: Any, asked: Asked) -> bytes:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    model = client.get_logged_model(_one(asked, "model_id"))
    repository = get_artifact_repository(model.artifact_location)
    with tempfile.TemporaryDirectory() as folder:
        place = repository.download_artifacts(posixpath.normpath(_one(asked, "artifact_file_path")), folder)
        return Path(place).read_bytes()


def _traces(client: Any, asked: Asked) -> Mapping[str, Any]:
    places = [it["mlflow_experiment"]["experiment_id"] for it in _one(asked, "locations")]
    found = client.search_traces(
        locations=places,
        max_results=_least(asked, _MOST_TRACES),
        order_by=_one(asked, "order_by"),
        page_token=_one(asked, "page_token"),
        include_spans=False,
    )
    infos = _json(trace.info for trace in found)
    return {"traces": infos, "next_page_token": found.token or None}


def _whole_traces(client: Any, asked: Asked) -> Mapping[str, Any]:
    ids = [value for name, value in asked if name == "trace_ids"]
    return {"traces": _json(client.get_trace(trace_id, display=False) for trace_id in ids)}


def _span_file(client: Any, asked: Asked) -> bytes:
    trace = client.get_trace(_one(asked, "request_id"), display=False)
    return msgspec.json.encode(msgspec.Raw(_json_text(trace.data.to_dict())))


def _json_text(document: object) -> bytes:
    import json

    return json.dumps(document, default=str).encode()


def _evaluation_datasets(client: Any, asked: Asked) -> Mapping[str, Any]:
    return _page(
        "datasets",
        client.search_datasets(
            max_results=_least(asked, _MOST_DATASETS),
            order_by=_one(asked, "order_by"),
            page_token=_one(asked, "page_token"),
        ),
    )


def _records(client: Any, asked: Asked) -> Mapping[str, Any]:
    """As many empty records as there are: they are only counted."""
    found, token = client._tracking_client.store._load_dataset_records(
        _one(asked, "dataset_id"),
        max_results=int(_one(asked, "max_results")),
        page_token=_one(asked, "page_token"),
    )
    return {"records": f"[{','.join('0' for _ in found)}]", "next_page_token": token}


def _experiments_of_dataset(client: Any, asked: Asked) -> Mapping[str, Any]:
    return {
        "experiment_ids": client._tracking_client.store.get_dataset_experiment_ids(_one(asked, "dataset_id"))
    }


_API, _NEW, _AJAX = "api/2\\.0/mlflow", "api/3\\.0/mlflow", "ajax-api/2\\.0/mlflow"
_MODEL, _DATASET = "(?P<model_id>[^/]+)", "(?P<dataset_id>[^/]+)"

ANSWERS: Mapping[str, Answer] = {
    f"{_API}/experiments/search": _experiments,
    f"{_API}/runs/search": _runs,
    f"{_API}/runs/get": _run,
    f"{_API}/metrics/get-history": _history,
    f"{_API}/logged-models/search": _logged_models,
    f"{_API}/logged-models/{_MODEL}": _logged_model,
    f"{_API}/registered-models/search": _registered_models,
    f"{_API}/model-versions/search": _versions,
    f"{_API}/artifacts/list": _run_files,
    "get-artifact": _run_content,
    f"{_API}/logged-models/{_MODEL}/artifacts/directories": _model_files,
    f"{_AJAX}/logged-models/{_MODEL}/artifacts/files": _model_content,
    f"{_NEW}/traces/search": _traces,
    f"{_NEW}/traces/batchGet": _whole_traces,
    f"{_AJAX}/get-trace-artifact": _span_file,
    f"{_NEW}/datasets/search": _evaluation_datasets,
    f"{_NEW}/datasets/{_DATASET}/records": _records,
    f"{_NEW}/datasets/{_DATASET}/experiment-ids": _experiments_of_dataset,
}
"""What answers a request, by a pattern of its path."""
