"""What an MLflow server's answers look like, as far as they are read: one structure for each JSON object.

Fields that a version of the server does not send have a default. Times are milliseconds since 1970.
"""

from __future__ import annotations

import json
import threading
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

_T = TypeVar("_T")

Int = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class Workspace(Struct, frozen=True, gc=False):
    """A workspace: a part of a server with experiments and registered models of its own."""

    name: str


class Workspaces(Struct, frozen=True):
    """An answer of ``workspaces``."""

    workspaces: list[Workspace] = []


class Pair(Struct, frozen=True, gc=False):
    """A tag or a parameter."""

    key: str
    value: str | None = ""


class Experiment(Struct, frozen=True):
    """An experiment."""

    experiment_id: str
    name: str | None = None
    artifact_location: str | None = None
    lifecycle_stage: str | None = None
    creation_time: Int | None = None
    last_update_time: Int | None = None
    tags: list[Pair] = []


class Metric(Struct, frozen=True, gc=False):
    """A logged point of a metric."""

    key: str
    value: float
    timestamp: Int = 0
    step: Int = 0
    run_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class RunInfo(Struct, frozen=True, gc=False):
    """What a run is, without what was logged to it."""

    run_id: str
    experiment_id: str
    run_name: str | None = None
    user_id: str | None = None
    status: str | None = None
    lifecycle_stage: str | None = None
    start_time: Int | None = None
    end_time: Int | None = None
    artifact_uri: str | None = None


class RunData(Struct, frozen=True):
    """What was logged to a run; of each metric the latest point."""

    metrics: list[Metric] = []
    params: list[Pair] = []
    tags: list[Pair] = []


class Dataset(Struct, frozen=True, gc=False):
    """A dataset."""

    name: str
    digest: str
    source_type: str | None = None
    source: str | None = None
    schema: str | None = None
    profile: str | None = None


class DatasetInput(Struct, frozen=True):
    """A dataset that a run took in; its context is among the tags."""

    dataset: Dataset
    tags: list[Pair] = []


class ModelLink(Struct, frozen=True, gc=False):
    """A logged model that a run took in or put out."""

    model_id: str
    step: Int = 0


class RunInputs(Struct, frozen=True):
    """What a run took in; models are told by ``runs/get`` alone, not by a search."""

    dataset_inputs: list[DatasetInput] = []
    model_inputs: list[ModelLink] = []


class RunOutputs(Struct, frozen=True):
    """What a run put out."""

    model_outputs: list[ModelLink] = []


class Run(Struct, frozen=True):
    """A run."""

    info: RunInfo
    data: RunData = RunData()
    inputs: RunInputs = RunInputs()
    outputs: RunOutputs = RunOutputs()


class LoggedModelInfo(Struct, frozen=True):
    """What a logged model is."""

    model_id: str
    experiment_id: str | None = None
    name: str | None = None
    artifact_uri: str | None = None
    creation_timestamp_ms: Int | None = None
    last_updated_timestamp_ms: Int | None = None
    status: str | None = None
    status_message: str | None = None
    model_type: str | None = None
    source_run_id: str | None = None
    tags: list[Pair] = []


class LoggedModelData(Struct, frozen=True):
    """What was logged to a logged model."""

    params: list[Pair] = []
    metrics: list[Metric] = []


class LoggedModel(Struct, frozen=True):
    """A logged model."""

    info: LoggedModelInfo
    data: LoggedModelData = LoggedModelData()


class Alias(Struct, frozen=True, gc=False):
    """An alias and the version that it points at."""

    alias: str
    version: Int


class RegisteredModel(Struct, frozen=True):
    """A registered model or a prompt, without its versions."""

    name: str
    description: str | None = None
    creation_timestamp: Int | None = None
    last_updated_timestamp: Int | None = None
    tags: list[Pair] = []
    aliases: list[Alias] = []


class ModelVersion(Struct, frozen=True):
    """A version of a registered model or of a prompt."""

    name: str
    version: Int
    creation_timestamp: Int | None = None
    last_updated_timestamp: Int | None = None
    description: str | None = None
    user_id: str | None = None
    current_stage: str | None = None
    source: str | None = None
    run_id: str | None = None
    model_id: str | None = None
    status: str | None = None
    status_message: str | None = None
    run_link: str | None = None
    tags: list[Pair] = []


class File(Struct, frozen=True, gc=False):
    """A file or folder in a listing of artifacts."""

    path: str
    is_dir: bool = False
    file_size: Int | None = None


class ExperimentPage(Struct, frozen=True):
    """An answer of ``experiments/search``."""

    experiments: list[Experiment] = []
    next_page_token: str | None = None


class OneExperiment(Struct, frozen=True):
    """An answer of ``experiments/get`` or ``experiments/get-by-name``."""

    experiment: Experiment


class RunPage(Struct, frozen=True):
    """An answer of ``runs/search``."""

    runs: list[Run] = []
    next_page_token: str | None = None


class OneRun(Struct, frozen=True):
    """An answer of ``runs/get``."""

    run: Run


class MetricPage(Struct, frozen=True):
    """An answer of ``metrics/get-history`` or its bulk form."""

    metrics: list[Metric] = []
    next_page_token: str | None = None


class LoggedModelPage(Struct, frozen=True):
    """An answer of ``logged-models/search``."""

    models: list[LoggedModel] = []
    next_page_token: str | None = None


class OneLoggedModel(Struct, frozen=True):
    """An answer of ``logged-models/<id>``."""

    model: LoggedModel


class RegisteredModelPage(Struct, frozen=True):
    """An answer of ``registered-models/search``."""

    registered_models: list[RegisteredModel] = []
    next_page_token: str | None = None


class OneRegisteredModel(Struct, frozen=True):
    """An answer of ``registered-models/get``."""

    registered_model: RegisteredModel


class ModelVersionPage(Struct, frozen=True):
    """An answer of ``model-versions/search``."""

    model_versions: list[ModelVersion] = []
    next_page_token: str | None = None


class FilePage(Struct, frozen=True):
    """A listing of one folder of artifacts."""

    files: list[File] = []
    next_page_token: str | None = None


_decoders: dict[type, msgspec.json.Decoder[Any]] = {}
_decoders_lock = threading.Lock()


def decode(content: bytes, kind: type[_T]) -> _T:
    """The JSON text ``content`` as ``kind``; numbers may stand in quotes, and bare ``NaN`` is understood.

    Raises:
        ValueError: it is no JSON, or of another form.

    >>> decode(b'{"a": NaN, "b": "7"}', dict[str, float])
    {'a': nan, 'b': 7.0}
    """
    with _decoders_lock:
        decoder = _decoders.setdefault(kind, msgspec.json.Decoder(kind, strict=False))
    try:
        return decoder.decode(content)  # type: ignore[no-any-return]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        lenient = _without_surrogates(json.loads(content.decode("utf-8", "backslashreplace")))
        return msgspec.convert(lenient, kind, strict=False)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value
