"""Which rows of the source tables each thing of a server's answers makes: one entry for each table."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow2prov.sources.columns import column
from mlflow2prov.sources.mlflow import server_wire as wire
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

if TYPE_CHECKING:
    import pyarrow as pa

_T = TypeVar("_T")
Row = tuple[Any, ...]
RowsOf = Mapping[str, Callable[[_T], Iterable[Row]]]
"""For each source table, what makes its rows of one thing."""

_REDACTED = frozenset({"REDACTED-SOURCE-PATH", "REDACTED-RUN-ID", "REDACTED-RUN-LINK"})
_HUGE = 1.7976931348623157e308
_CONTEXT = "mlflow.data.context"

MODEL_GIT_TAGS: Mapping[str, str] = {
    "source_git_commit": "mlflow.source.git.commit",
    "is_dirty": "mlflow.source.git.dirty",
}
"""The columns of a logged model that its tags tell, in order, with the keys of these."""


def batch(table: str, rows: Sequence[Row]) -> tuple[str, pa.RecordBatch]:
    """``rows`` of the source table ``table``, which must not be empty, as one Arrow batch with its name."""
    import pyarrow as pa

    schema = SOURCE_TABLES[table].schema()
    columns = zip(*rows, strict=True)
    arrays = [column(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return table, pa.RecordBatch.from_arrays(arrays, schema=schema)


def batches(declared: RowsOf[_T], things: Sequence[_T]) -> Batches:
    """One batch for each table of ``declared`` that ``things`` make rows of."""
    for table, rows in declared.items():
        found = [row for thing in things for row in rows(thing)]
        if found:
            yield batch(table, found)


def known(text: str | None) -> str | None:
    """``text``, or None where it is empty or MLflow's word for a redacted value."""
    return None if not text or text in _REDACTED else text


def number(value: float) -> float:
    """The value that was logged, where the largest doubles stand for the infinities; always the same NaN."""
    if value != value:
        return math.nan
    return value if -_HUGE < value < _HUGE else math.copysign(math.inf, value)


def point(run_id: str, metric: wire.Metric) -> Row:
    """The row of ``mlflow_metric`` that a logged point makes."""
    return run_id, metric.key, metric.step, metric.timestamp, number(metric.value)


def model_id_of(source: str | None) -> str | None:
    """The logged model that the ``source`` of a version names, if it names one.

    >>> model_id_of("models:/m-1f00"), model_id_of("models:/wine/3")
    ('m-1f00', None)
    """
    found = re.fullmatch(r"models:/(m-[0-9a-f]+)/?", source or "")
    return found[1] if found else None


def is_version(source: str | None) -> bool:
    """Whether the ``source`` of a version names another version, of which it is a copy.

    >>> is_version("models:/wine/3"), is_version("models:/m-1f00"), is_version("/srv/models")
    (True, False, False)
    """
    return re.fullmatch(r"models:/[^/]+/[0-9]+", source or "") is not None


def _pairs(*owner: Any, pairs: Iterable[wire.Pair]) -> list[Row]:
    return [(*owner, pair.key, pair.value) for pair in pairs]


def _run(run: wire.Run) -> list[Row]:
    info = run.info
    return [
        (
            info.run_id,
            info.experiment_id,
            known(info.run_name) or _run_name_tag(run),
            known(info.user_id),
            known(info.status),
            known(info.lifecycle_stage),
            info.start_time,
            info.end_time,
            None,
            known(info.artifact_uri),
        )
    ]


def _run_name_tag(run: wire.Run) -> str | None:
    """The name of a run whose record has none, as MLflow shows it."""
    return next((known(tag.value) for tag in run.data.tags if tag.key == "mlflow.runName"), None)


def _dataset_inputs(run: wire.Run) -> list[Row]:
    rows: dict[Row, None] = {}
    for taken in run.inputs.dataset_inputs:
        contexts = [tag.value for tag in taken.tags if tag.key == _CONTEXT] or [None]
        others: list[Row] = [(tag.key, tag.value) for tag in taken.tags if tag.key != _CONTEXT]
        for context, other in product(contexts, others or [(None, None)]):
            rows[(run.info.run_id, taken.dataset.name, taken.dataset.digest, context, *other)] = None
    return list(rows)


EXPERIMENTS: RowsOf[wire.Experiment] = {
    "mlflow_experiment": lambda it: [
        (
            it.experiment_id,
            it.name,
            known(it.artifact_location),
            it.lifecycle_stage,
            it.creation_time,
            it.last_update_time,
        )
    ],
    "mlflow_experiment_tag": lambda it: _pairs(it.experiment_id, pairs=it.tags),
}

RUNS: RowsOf[wire.Run] = {
    "mlflow_run": _run,
    "mlflow_param": lambda run: _pairs(run.info.run_id, pairs=run.data.params),
    "mlflow_tag": lambda run: _pairs(run.info.run_id, pairs=run.data.tags),
}

LATEST_METRICS: RowsOf[wire.Run] = {
    "mlflow_metric": lambda run: [point(run.info.run_id, metric) for metric in run.data.metrics],
}

DATASET_INPUTS: RowsOf[wire.Run] = {"mlflow_dataset_input": _dataset_inputs}


def outputs(run: wire.Run) -> list[Row]:
    """The rows of ``mlflow_model_link`` of the logged models that a run put out."""
    return [(run.info.run_id, link.model_id, "output", link.step) for link in run.outputs.model_outputs]


MODEL_LINKS: RowsOf[wire.Run] = {
    "mlflow_model_link": lambda run: [
        *((run.info.run_id, link.model_id, "input", link.step) for link in run.inputs.model_inputs),
        *outputs(run),
    ],
}


def dataset(experiment_id: str, it: wire.Dataset) -> Row:
    """The row of ``mlflow_dataset`` that a dataset of an experiment makes."""
    return (
        experiment_id,
        it.name,
        it.digest,
        known(it.source_type),
        known(it.source),
        known(it.schema),
        known(it.profile),
    )


def _logged_model_metrics(model: wire.LoggedModel) -> list[Row]:
    return [
        (
            model.info.model_id,
            known(metric.run_id),
            metric.key,
            metric.step,
            metric.timestamp,
            number(metric.value),
            known(metric.dataset_name),
            known(metric.dataset_digest),
        )
        for metric in model.data.metrics
    ]


def logged_models(lifecycle_stage: str) -> RowsOf[wire.LoggedModel]:
    """The tables of logged models, which a server tells without their stage, ``active`` or ``deleted``."""
    return {
        "mlflow_logged_model": lambda it: [_logged_model(it.info, lifecycle_stage)],
        "mlflow_logged_model_param": lambda it: _pairs(it.info.model_id, pairs=it.data.params),
        "mlflow_logged_model_tag": lambda it: _pairs(it.info.model_id, pairs=it.info.tags),
        "mlflow_logged_model_metric": _logged_model_metrics,
    }


def _logged_model(info: wire.LoggedModelInfo, lifecycle_stage: str) -> Row:
    status = (info.status or "").removeprefix("LOGGED_MODEL_").removeprefix("STATUS_")
    tags = {tag.key: tag.value for tag in info.tags}
    return (
        info.model_id,
        known(info.experiment_id),
        known(info.name),
        known(info.artifact_uri),
        info.creation_timestamp_ms,
        info.last_updated_timestamp_ms,
        known(status),
        known(info.status_message),
        lifecycle_stage,
        known(info.model_type),
        known(info.source_run_id),
        *(known(tags.get(key)) for key in MODEL_GIT_TAGS.values()),
    )


def registered_models(workspace: str) -> RowsOf[wire.RegisteredModel]:
    """The tables of registered models, all of which are in one ``workspace``."""
    return {
        "mlflow_registered_model": lambda it: [
            (workspace, it.name, known(it.description), it.creation_timestamp, it.last_updated_timestamp)
        ],
        "mlflow_registered_model_tag": lambda it: _pairs(workspace, it.name, pairs=it.tags),
        "mlflow_registered_model_alias": lambda it: [
            (workspace, it.name, alias.alias, alias.version) for alias in it.aliases
        ],
    }


def model_versions(workspace: str) -> RowsOf[wire.ModelVersion]:
    """The tables of model versions that still are there, all of them in one ``workspace``."""
    return {
        "mlflow_model_version": lambda it: [_model_version(workspace, it)],
        "mlflow_model_version_tag": lambda it: _pairs(workspace, it.name, it.version, pairs=it.tags),
    }


def _model_version(workspace: str, it: wire.ModelVersion) -> Row:
    return (
        workspace,
        it.name,
        it.version,
        it.creation_timestamp,
        it.last_updated_timestamp,
        known(it.description),
        known(it.user_id),
        known(it.current_stage),
        known(it.source),
        known(it.run_id),
        (None if is_version(it.source) else known(it.model_id)) or model_id_of(it.source),
        known(it.status),
        known(it.status_message),
        known(it.run_link),
        None,
        False,
        False,
        None,
    )


def missing_version(workspace: str, name: str, version: int) -> Row:
    """The row of ``mlflow_model_version`` for a number that a deleted version must have had."""
    unknown = len(SOURCE_TABLES["mlflow_model_version"].columns) - 6
    return (workspace, name, version, *[None] * unknown, True, True, None)
