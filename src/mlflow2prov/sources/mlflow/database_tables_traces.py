"""How the tables of traces and evaluation data sets of MLflow's database make source tables."""

from __future__ import annotations

from mlflow2prov.sources.mlflow.database_reading import (
    WIDEST_ROWS,
    Reading,
    known,
    number,
    optional,
    tags,
    told,
)
from mlflow2prov.sources.mlflow.parts import TRACE_DETAILS


def _trace_counts(owner: str, key: str) -> Reading:
    return Reading(
        table="mlflow_trace_count",
        tables={"t": "trace_request_metadata"},
        source=f"trace_request_metadata AS t WHERE @same(t.key, '{key}') AND t.value <> '' GROUP BY t.value",
        columns={"owner": (f"'{owner}'",), "owner_id": ("t.value",), "traces": ("count(*)",)},
        part="traces",
    )


_IN_METADATA = "@json_text(a.assessment_metadata, 'mlflow.assessment.sourceRunId')"
_ASSESSED_BY = f"coalesce({known('a.run_id')}, {known(_IN_METADATA)})"
"""The run that made an assessment: of its own column, which MLflow 3 leaves empty, or as its metadata say."""

_RECORDS = "(SELECT count(*) FROM evaluation_dataset_records AS c WHERE c.dataset_id = d.dataset_id)"

TRACE_READINGS: tuple[Reading, ...] = (
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
            "name": optional("t.trace_name"),
            "started_ms": number("t.timestamp_ms"),
            "duration_ms": number("t.execution_time_ms"),
            "status": optional("t.status"),
            "session_id": optional("t.session_id"),
        },
        part=TRACE_DETAILS,
    ),
    tags("mlflow_trace_tag", "trace_tags", {"trace_id": ("t.request_id",)}, part=TRACE_DETAILS),
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
            "parent_id": optional("s.parent_span_id"),
            "name": optional("s.name"),
            "type": told("s.type", "UNKNOWN"),
            "status": optional("s.status"),
            "started_ns": number("s.start_time_unix_nano"),
            "ended_ns": number("s.end_time_unix_nano"),
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
            "span_id": optional("a.span_id"),
            "run_id": (_ASSESSED_BY, *optional("a.run_id")),
            "name": optional("a.name"),
            "type": optional("a.assessment_type"),
            "value": optional("a.value"),
            "error": optional("a.error"),
            "rationale": optional("a.rationale"),
            "source_type": optional("a.source_type"),
            "source_id": optional("a.source_id"),
            "overrides": optional("a.overrides"),
            "is_valid": ("CASE WHEN a.valid THEN 1 ELSE 0 END", "1"),
            "created_ms": number("a.created_timestamp"),
            "last_updated_ms": number("a.last_updated_timestamp"),
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
            "name": optional("d.name"),
            "digest": optional("d.digest"),
            "schema": optional("d.schema"),
            "profile": optional("d.profile"),
            "created_ms": number("d.created_time"),
            "last_updated_ms": number("d.last_update_time"),
            "created_by": optional("d.created_by"),
            "last_updated_by": optional("d.last_updated_by"),
            "records": (_RECORDS, "NULL"),
        },
        rows=WIDEST_ROWS,
        part="evaluation_datasets",
    ),
    tags(
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
"""The queries of traces and evaluation data sets."""
