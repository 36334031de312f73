"""How the tables of MLflow's database make source tables: one declaration for each."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow2prov.sources.mlflow.database_reading import (
    NARROW_ROWS,
    WIDEST_ROWS,
    Reading,
    known,
    number,
    optional,
    tags,
    told,
)
from mlflow2prov.sources.mlflow.database_tables_traces import TRACE_READINGS


def _points(sql: str, *, part: str | None = None, instead_of: str | None = None) -> Reading:
    return Reading(
        table="mlflow_metric",
        tables={"m": sql},
        source=f"{sql} AS m",
        columns={
            "run_id": ("m.run_uuid",),
            "key": ("m.key",),
            "step": ("m.step",),
            "timestamp_ms": ("m.timestamp",),
            "value": ("m.value",),
        },
        rows=NARROW_ROWS,
        part=part,
        instead_of=instead_of,
        is_nan="m.is_nan",
    )


def _links(direction: str, source_type: str, destination_type: str) -> Reading:
    return Reading(
        table="mlflow_model_link",
        tables={"i": "inputs"},
        source="inputs AS i"
        f" WHERE i.source_type = '{source_type}' AND i.destination_type = '{destination_type}'",
        columns={
            "run_id": ("i.source_id",),
            "model_id": ("i.destination_id",),
            "direction": (f"'{direction}'",),
            "step": ("i.step", "0"),
        },
        rows=NARROW_ROWS,
        part="logged_models",
    )


def _workspace(alias: str) -> tuple[str, ...]:
    return known(f"{alias}.workspace"), "'default'"


def _registry(table: str, sql: str, columns: Mapping[str, tuple[str, ...]]) -> Reading:
    return Reading(
        table=table,
        tables={"v": sql},
        source=f"{sql} AS v",
        columns={"workspace": _workspace("v"), "name": ("v.name",), **columns},
        part="registered_models",
    )


def _model_tag(key: str) -> str:
    """The value of a tag of the logged model ``m``."""
    return f"(SELECT t.tag_value FROM logged_model_tags AS t WHERE t.model_id = m.model_id AND @same(t.tag_key, '{key}'))"


_DELETED = "@same(v.current_stage, 'Deleted_Internal')"
_NAME_TAG = "(SELECT n.value FROM tags AS n WHERE n.run_uuid = r.run_uuid AND @same(n.key, 'mlflow.runName'))"
RUN_NAME = f"coalesce({known('r.name')}, {known(_NAME_TAG)})"
"""The name of a run, as MLflow shows it."""
OTHER_INPUT_TAGS = (
    "input_tags AS o ON o.input_uuid = i.input_uuid AND NOT (@same(o.name, 'mlflow.data.context'))"
)
"""The tags of an input of a run, but for its context; each of them is a row of ``mlflow_dataset_input``."""
_STATUS = (
    "CASE m.status WHEN 1 THEN 'PENDING' WHEN 2 THEN 'READY' WHEN 3 THEN 'UPLOAD_FAILED'"
    " ELSE 'UNSPECIFIED' END"
)
READINGS: tuple[Reading, ...] = (
    Reading(
        table="mlflow_experiment",
        tables={"e": "experiments"},
        source="experiments AS e",
        columns={
            "experiment_id": ("e.experiment_id",),
            "name": ("e.name",),
            "artifact_location": optional("e.artifact_location"),
            "lifecycle_stage": optional("e.lifecycle_stage"),
            "created_ms": number("e.creation_time"),
            "last_updated_ms": number("e.last_update_time"),
        },
    ),
    tags("mlflow_experiment_tag", "experiment_tags", {"experiment_id": ("t.experiment_id",)}),
    Reading(
        table="mlflow_run",
        tables={"r": "runs", "n": "tags"},
        source="runs AS r",
        columns={
            "run_id": ("r.run_uuid",),
            "experiment_id": ("r.experiment_id",),
            "name": (RUN_NAME, *optional("r.name")),
            "user_id": optional("r.user_id"),
            "status": optional("r.status"),
            "lifecycle_stage": optional("r.lifecycle_stage"),
            "start_ms": number("r.start_time"),
            "end_ms": number("r.end_time"),
            "deleted_ms": number("r.deleted_time"),
            "artifact_uri": optional("r.artifact_uri"),
        },
    ),
    tags("mlflow_param", "params", {"run_id": ("t.run_uuid",)}),
    tags("mlflow_tag", "tags", {"run_id": ("t.run_uuid",)}),
    _points("metrics", part="metric_history"),
    _points("latest_metrics", instead_of="metric_history"),
    Reading(
        table="mlflow_dataset",
        tables={"d": "datasets"},
        source="datasets AS d",
        columns={
            "experiment_id": ("d.experiment_id",),
            "name": ("d.name",),
            "digest": ("d.digest",),
            "source_type": optional("d.dataset_source_type"),
            "source": optional("d.dataset_source"),
            "schema": optional("d.dataset_schema"),
            "profile": optional("d.dataset_profile"),
        },
        rows=WIDEST_ROWS,
        part="datasets",
    ),
    Reading(
        table="mlflow_dataset_input",
        tables={"i": "inputs", "d": "datasets", "c": "input_tags", "o": "input_tags"},
        source="inputs AS i JOIN datasets AS d ON d.dataset_uuid = i.source_id"
        " LEFT JOIN input_tags AS c ON c.input_uuid = i.input_uuid AND @same(c.name, 'mlflow.data.context')"
        f" LEFT JOIN {OTHER_INPUT_TAGS}"
        " WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN'",
        columns={
            "run_id": ("i.destination_id",),
            "name": ("d.name",),
            "digest": ("d.digest",),
            "context": ("c.value",),
            "tag": ("o.name",),
            "tag_value": ("o.value",),
        },
        rows=NARROW_ROWS,
        part="datasets",
    ),
    Reading(
        table="mlflow_logged_model",
        tables={"m": "logged_models", "t": "logged_model_tags"},
        source="logged_models AS m",
        columns={
            "model_id": ("m.model_id",),
            "experiment_id": ("m.experiment_id",),
            "name": optional("m.name"),
            "artifact_location": optional("m.artifact_location"),
            "created_ms": number("m.creation_timestamp_ms"),
            "last_updated_ms": number("m.last_updated_timestamp_ms"),
            "status": (_STATUS, "NULL"),
            "status_message": optional("m.status_message"),
            "lifecycle_stage": optional("m.lifecycle_stage"),
            "model_type": optional("m.model_type"),
            "source_run_id": optional("m.source_run_id"),
            "source_git_commit": optional(_model_tag("mlflow.source.git.commit")),
            "is_dirty": optional(_model_tag("mlflow.source.git.dirty")),
        },
        part="logged_models",
    ),
    tags(
        "mlflow_logged_model_param",
        "logged_model_params",
        {"model_id": ("t.model_id",)},
        prefix="param_",
        part="logged_models",
    ),
    tags(
        "mlflow_logged_model_tag",
        "logged_model_tags",
        {"model_id": ("t.model_id",)},
        prefix="tag_",
        part="logged_models",
    ),
    Reading(
        table="mlflow_logged_model_metric",
        tables={"m": "logged_model_metrics"},
        source="logged_model_metrics AS m",
        columns={
            "model_id": ("m.model_id",),
            "run_id": optional("m.run_id"),
            "key": ("m.metric_name",),
            "step": ("m.metric_step",),
            "timestamp_ms": ("m.metric_timestamp_ms",),
            "value": ("m.metric_value",),
            "dataset_name": optional("m.dataset_name"),
            "dataset_digest": optional("m.dataset_digest"),
        },
        rows=NARROW_ROWS,
        part="logged_models",
    ),
    _links("input", "RUN_INPUT", "MODEL_INPUT"),
    _links("output", "RUN_OUTPUT", "MODEL_OUTPUT"),
    _registry(
        "mlflow_registered_model",
        "registered_models",
        {
            "description": optional("v.description"),
            "created_ms": number("v.creation_time"),
            "last_updated_ms": number("v.last_updated_time"),
        },
    ),
    _registry(
        "mlflow_registered_model_tag", "registered_model_tags", {"key": ("v.key",), "value": ("v.value",)}
    ),
    _registry(
        "mlflow_registered_model_alias",
        "registered_model_aliases",
        {"alias": ("v.alias",), "version": ("v.version",)},
    ),
    _registry(
        "mlflow_model_version",
        "model_versions",
        {
            "version": ("v.version",),
            "created_ms": number("v.creation_time"),
            "last_updated_ms": number("v.last_updated_time"),
            "description": optional("v.description"),
            "user_id": optional("v.user_id"),
            "stage": (f"CASE WHEN {_DELETED} THEN NULL ELSE {known('v.current_stage')} END",),
            "source": told("v.source", "REDACTED-SOURCE-PATH"),
            "run_id": told("v.run_id", "REDACTED-RUN-ID"),
            "model_id": ("@model_id(v.source)", "NULL"),
            "status": optional("v.status"),
            "status_message": optional("v.status_message"),
            "run_link": told("v.run_link", "REDACTED-RUN-LINK"),
            "storage_location": optional("v.storage_location"),
            "is_deleted": (f"CASE WHEN {_DELETED} THEN 1 ELSE 0 END",),
            "is_inferred": ("0",),
            "deleted_ms": (f"CASE WHEN {_DELETED} THEN v.last_updated_time END", "NULL"),
        },
    ),
    _registry(
        "mlflow_model_version_tag",
        "model_version_tags",
        {"version": ("v.version",), "key": ("v.key",), "value": ("v.value",)},
    ),
    *TRACE_READINGS,
)
"""Every query, in the order that they are made in."""

NEEDED: Mapping[str, str] = {"experiments": "experiment_id", "runs": "run_uuid"}
"""The tables, each with a column, without which a database is not MLflow's."""

LATER: frozenset[str] = frozenset(
    {
        "datasets",
        "inputs",
        "registered_model_aliases",
        "logged_models",
        "logged_model_metrics",
        "logged_model_params",
        "logged_model_tags",
        "assessments",
        "entity_associations",
        "evaluation_dataset_records",
        "evaluation_dataset_tags",
        "evaluation_datasets",
        "spans",
        "trace_info",
        "trace_request_metadata",
        "trace_tags",
    }
)
"""The tables that came after MLflow 2.0; older databases lack them, and nothing is missing then."""
