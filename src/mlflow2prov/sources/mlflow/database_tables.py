"""How the tables of MLflow's database make source tables: one declaration for each.

A column is a list of SQL expressions, best first: the first one whose columns the database has is read, so
that one declaration fits every version of the schema. Expressions name columns as ``alias.column``. What
databases say in different ways stands as ``@word(arguments)``: a :class:`Dialect` has the SQL for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow2prov.sources.mlflow.parts import TRACE_DETAILS

NARROW_ROWS = 65_536
WIDE_ROWS = 8_192
WIDEST_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How one query fills one source table.

    Attributes:
        table: the source table.
        tables: the SQL tables, by the alias that expressions name them by.
        source: the text behind FROM.
        columns: for each column of the source table the expressions to try. A table for which none of
            them can be read is left out; ``NULL`` at the end makes a column optional.
        rows: how many rows a batch has, fewer where a row may be long.
        part: the name of the part that leaves it out.
        instead_of: the name of the part without which, and only without which, it is read.
        is_nan: the expression that tells, where the value of a metric is not a number.
    """

    table: str
    tables: Mapping[str, str]
    source: str
    columns: Mapping[str, tuple[str, ...]]
    rows: int = WIDE_ROWS
    part: str | None = None
    instead_of: str | None = None
    is_nan: str | None = None


def _known(column: str) -> str:
    """A text that is NULL where it is empty: over HTTP the two can't be told apart."""
    return f"@known({column})"


def _optional(column: str) -> tuple[str, ...]:
    return _known(column), "NULL"


def _number(column: str) -> tuple[str, ...]:
    return column, "NULL"


def _tags(
    table: str, sql: str, owner: Mapping[str, tuple[str, ...]], *, prefix: str = "", part: str | None = None
) -> Reading:
    """A table of pairs, whose values are taken as they are, the empty ones as well."""
    columns = {**owner, "key": (f"t.{prefix}key",), "value": (f"t.{prefix}value",)}
    return Reading(table=table, tables={"t": sql}, source=f"{sql} AS t", columns=columns, part=part)


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
    return _known(f"{alias}.workspace"), "'default'"


def _registry(table: str, sql: str, columns: Mapping[str, tuple[str, ...]]) -> Reading:
    return Reading(
        table=table,
        tables={"v": sql},
        source=f"{sql} AS v",
        columns={"workspace": _workspace("v"), "name": ("v.name",), **columns},
        part="registered_models",
    )


def _told(column: str, redacted: str) -> tuple[str, ...]:
    """A text that MLflow overwrites with a word where the version is deleted."""
    return f"@told({column}, '{redacted}')", "NULL"


def _trace_counts(owner: str, key: str) -> Reading:
    return Reading(
        table="mlflow_trace_count",
        tables={"t": "trace_request_metadata"},
        source=f"trace_request_metadata AS t WHERE @same(t.key, '{key}') AND t.value <> '' GROUP BY t.value",
        columns={"owner": (f"'{owner}'",), "owner_id": ("t.value",), "traces": ("count(*)",)},
        part="traces",
    )


def _model_tag(key: str) -> str:
    """The value of a tag of the logged model ``m``."""
    return f"(SELECT t.tag_value FROM logged_model_tags AS t WHERE t.model_id = m.model_id AND @same(t.tag_key, '{key}'))"


_DELETED = "@same(v.current_stage, 'Deleted_Internal')"
_NAME_TAG = "(SELECT n.value FROM tags AS n WHERE n.run_uuid = r.run_uuid AND @same(n.key, 'mlflow.runName'))"
RUN_NAME = f"coalesce({_known('r.name')}, {_known(_NAME_TAG)})"
"""The name of a run, as MLflow shows it."""
_RECORDS = "(SELECT count(*) FROM evaluation_dataset_records AS c WHERE c.dataset_id = d.dataset_id)"
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
            "artifact_location": _optional("e.artifact_location"),
            "lifecycle_stage": _optional("e.lifecycle_stage"),
            "created_ms": _number("e.creation_time"),
            "last_updated_ms": _number("e.last_update_time"),
        },
    ),
    _tags("mlflow_experiment_tag", "experiment_tags", {"experiment_id": ("t.experiment_id",)}),
    Reading(
        table="mlflow_run",
        tables={"r": "runs", "n": "tags"},
        source="runs AS r",
        columns={
            "run_id": ("r.run_uuid",),
            "experiment_id": ("r.experiment_id",),
            "name": (RUN_NAME, *_optional("r.name")),
            "user_id": _optional("r.user_id"),
            "status": _optional("r.status"),
            "lifecycle_stage": _optional("r.lifecycle_stage"),
            "start_ms": _number("r.start_time"),
            "end_ms": _number("r.end_time"),
            "deleted_ms": _number("r.deleted_time"),
            "artifact_uri": _optional("r.artifact_uri"),
        },
    ),
    _tags("mlflow_param", "params", {"run_id": ("t.run_uuid",)}),
    _tags("mlflow_tag", "tags", {"run_id": ("t.run_uuid",)}),
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
            "source_type": _optional("d.dataset_source_type"),
            "source": _optional("d.dataset_source"),
            "schema": _optional("d.dataset_schema"),
            "profile": _optional("d.dataset_profile"),
        },
        rows=WIDEST_ROWS,
        part="datasets",
    ),
    Reading(
        table="mlflow_dataset_input",
        tables={"i": "inputs", "d": "datasets", "c": "input_tags"},
        source="inputs AS i JOIN datasets AS d ON d.dataset_uuid = i.source_id"
        " LEFT JOIN input_tags AS c ON c.input_uuid = i.input_uuid AND @same(c.name, 'mlflow.data.context')"
        " WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN'",
        columns={
            "run_id": ("i.destination_id",),
            "name": ("d.name",),
            "digest": ("d.digest",),
            "context": ("c.value",),
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
            "name": _optional("m.name"),
            "artifact_location": _optional("m.artifact_location"),
            "created_ms": _number("m.creation_timestamp_ms"),
            "last_updated_ms": _number("m.last_updated_timestamp_ms"),
            "status": (_STATUS, "NULL"),
            "status_message": _optional("m.status_message"),
            "lifecycle_stage": _optional("m.lifecycle_stage"),
            "model_type": _optional("m.model_type"),
            "source_run_id": _optional("m.source_run_id"),
            "source_git_commit": _optional(_model_tag("mlflow.source.git.commit")),
            "is_dirty": _optional(_model_tag("mlflow.source.git.dirty")),
        },
        part="logged_models",
    ),
    _tags(
        "mlflow_logged_model_param",
        "logged_model_params",
        {"model_id": ("t.model_id",)},
        prefix="param_",
        part="logged_models",
    ),
    _tags(
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
            "run_id": _optional("m.run_id"),
            "key": ("m.metric_name",),
            "step": ("m.metric_step",),
            "timestamp_ms": ("m.metric_timestamp_ms",),
            "value": ("m.metric_value",),
            "dataset_name": _optional("m.dataset_name"),
            "dataset_digest": _optional("m.dataset_digest"),
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
            "description": _optional("v.description"),
            "created_ms": _number("v.creation_time"),
            "last_updated_ms": _number("v.last_updated_time"),
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
            "created_ms": _number("v.creation_time"),
            "last_updated_ms": _number("v.last_updated_time"),
            "description": _optional("v.description"),
            "user_id": _optional("v.user_id"),
            "stage": (f"CASE WHEN {_DELETED} THEN NULL ELSE {_known('v.current_stage')} END",),
            "source": _told("v.source", "REDACTED-SOURCE-PATH"),
            "run_id": _told("v.run_id", "REDACTED-RUN-ID"),
            "model_id": ("@model_id(v.source)", "NULL"),
            "status": _optional("v.status"),
            "status_message": _optional("v.status_message"),
            "run_link": _told("v.run_link", "REDACTED-RUN-LINK"),
            "storage_location": _optional("v.storage_location"),
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
    Reading(
        table="mlflow_trace_count",
        tables={"t": "trace_info"},
        source="trace_info AS t GROUP BY t.experiment_id",
        columns={"owner": ("'experiment'",), "owner_id": ("t.experiment_id",), "traces": ("count(*)",)},
        part="traces",
    ),
    _trace_counts("run", "mlflow.sourceRun"),
    _trace_counts("logged_model", "mlflow.modelId"),
    Reading(
        table="mlflow_trace",
        tables={"t": "trace_info"},
        source="trace_info AS t",
        columns={
            "trace_id": ("t.request_id",),
            "experiment_id": ("t.experiment_id",),
            "name": _optional("t.trace_name"),
            "started_ms": _number("t.timestamp_ms"),
            "duration_ms": _number("t.execution_time_ms"),
            "status": _optional("t.status"),
            "session_id": _optional("t.session_id"),
        },
        part=TRACE_DETAILS,
    ),
    _tags("mlflow_trace_tag", "trace_tags", {"trace_id": ("t.request_id",)}, part=TRACE_DETAILS),
    Reading(
        table="mlflow_trace_metadata",
        tables={"t": "trace_request_metadata"},
        source="trace_request_metadata AS t WHERE t.key NOT IN ('mlflow.traceInputs', 'mlflow.traceOutputs')",
        columns={"trace_id": ("t.request_id",), "key": ("t.key",), "value": ("t.value",)},
        part=TRACE_DETAILS,
    ),
    Reading(
        table="mlflow_span",
        tables={"s": "spans"},
        source="spans AS s",
        columns={
            "trace_id": ("s.trace_id",),
            "span_id": ("s.span_id",),
            "parent_id": _optional("s.parent_span_id"),
            "name": _optional("s.name"),
            "type": _told("s.type", "UNKNOWN"),
            "status": _optional("s.status"),
            "started_ns": _number("s.start_time_unix_nano"),
            "ended_ns": _number("s.end_time_unix_nano"),
            "inputs_bytes": ("NULL",),
            "outputs_bytes": ("NULL",),
            "content": ("CASE WHEN s.parent_span_id IS NULL THEN s.content END", "NULL"),
        },
        rows=WIDEST_ROWS,
        part=TRACE_DETAILS,
    ),
    Reading(
        table="mlflow_assessment",
        tables={"a": "assessments"},
        source="assessments AS a",
        columns={
            "assessment_id": ("a.assessment_id",),
            "trace_id": ("a.trace_id",),
            "span_id": _optional("a.span_id"),
            "run_id": _optional("a.run_id"),
            "name": _optional("a.name"),
            "type": _optional("a.assessment_type"),
            "value": _optional("a.value"),
            "error": _optional("a.error"),
            "rationale": _optional("a.rationale"),
            "source_type": _optional("a.source_type"),
            "source_id": _optional("a.source_id"),
            "overrides": _optional("a.overrides"),
            "is_valid": ("CASE WHEN a.valid THEN 1 ELSE 0 END", "1"),
            "created_ms": _number("a.created_timestamp"),
            "last_updated_ms": _number("a.last_updated_timestamp"),
        },
        rows=WIDEST_ROWS,
        part=TRACE_DETAILS,
    ),
    Reading(
        table="mlflow_evaluation_dataset",
        tables={"d": "evaluation_datasets", "c": "evaluation_dataset_records"},
        source="evaluation_datasets AS d",
        columns={
            "dataset_id": ("d.dataset_id",),
            "name": _optional("d.name"),
            "digest": _optional("d.digest"),
            "schema": _optional("d.schema"),
            "profile": _optional("d.profile"),
            "created_ms": _number("d.created_time"),
            "last_updated_ms": _number("d.last_update_time"),
            "created_by": _optional("d.created_by"),
            "last_updated_by": _optional("d.last_updated_by"),
            "records": (_RECORDS, "NULL"),
        },
        rows=WIDEST_ROWS,
        part="evaluation_datasets",
    ),
    _tags(
        "mlflow_evaluation_dataset_tag",
        "evaluation_dataset_tags",
        {"dataset_id": ("t.dataset_id",)},
        part="evaluation_datasets",
    ),
    Reading(
        table="mlflow_evaluation_dataset_link",
        tables={"e": "entity_associations"},
        source="entity_associations AS e WHERE @same(e.source_type, 'evaluation_dataset')"
        " AND @same(e.destination_type, 'experiment')",
        columns={"dataset_id": ("e.source_id",), "experiment_id": ("e.destination_id",)},
        part="evaluation_datasets",
    ),
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
