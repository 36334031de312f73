"""Rows of traces and evaluation datasets, made by hand; columns that a version lacks are left out on insertion."""

from __future__ import annotations

import json

Row = tuple[str, dict[str, object]]

ROOT_SPAN = {
    "name": "answer",
    "attributes": {"mlflow.spanInputs": '{"q": "wie schön?"}', "mlflow.spanOutputs": '"SECRET answer"'},
}


def trace(trace_id: str, started_ms: int = 1_000, **metadata: str) -> list[Row]:
    """A trace of 250 ms in experiment 7; in the keys of its metadata ``__`` stands for a dot."""
    info = {
        "request_id": trace_id,
        "experiment_id": 7,
        "timestamp_ms": started_ms,
        "execution_time_ms": 250,
        "status": "OK",
        "request_preview": "SECRET question",
    }
    told = {"mlflow.traceInputs": "SECRET question", "mlflow.trace.sizeBytes": "321"}
    told |= {key.replace("__", "."): value for key, value in metadata.items()}
    return [
        ("trace_info", info),
        *(
            ("trace_request_metadata", {"request_id": trace_id, "key": key, "value": value})
            for key, value in told.items()
        ),
    ]


def trace_tags(trace_id: str, **tags: str) -> list[Row]:
    """Tags of a trace; in their keys ``__`` stands for a dot."""
    return [
        ("trace_tags", {"request_id": trace_id, "key": key.replace("__", "."), "value": value})
        for key, value in tags.items()
    ]


def span(trace_id: str, span_id: str, parent_id: str | None = None, **columns: object) -> Row:
    """A span of a trace, from 1.5 ms to 2.5 ms after 1 s."""
    known = {"name": f"step {span_id}", "type": "TOOL", "status": "OK", "experiment_id": 7}
    times = {"start_time_unix_nano": 1_001_500_000, "end_time_unix_nano": 1_002_500_000}
    content = json.dumps(ROOT_SPAN, ensure_ascii=False)
    place = {"trace_id": trace_id, "span_id": span_id, "parent_span_id": parent_id}
    return "spans", {**place, **known, **times, "content": content, **columns}


def assessment(trace_id: str, assessment_id: str, **columns: object) -> Row:
    """An assessment of a trace: good, says a human whom nobody named."""
    known = {
        "name": "good",
        "assessment_type": "feedback",
        "value": "true",
        "created_timestamp": 3_000,
        "last_updated_timestamp": 3_500,
        "source_type": "HUMAN",
        "source_id": "default",
        "valid": 1,
        "is_numeric_value": 0,
    }
    return "assessments", {"assessment_id": assessment_id, "trace_id": trace_id, **known, **columns}


def evaluation_dataset(dataset_id: str, records: int = 2, **columns: object) -> list[Row]:
    """An evaluation dataset of experiment 7 with some records and a tag."""
    known = {"name": "questions", "digest": "abc", "created_time": 4_000, "last_update_time": 5_000}
    link = {"association_id": f"x{dataset_id}", "source_type": "evaluation_dataset", "source_id": dataset_id}
    return [
        ("evaluation_datasets", {"dataset_id": dataset_id, "created_by": "ann", **known, **columns}),
        *(
            (
                "evaluation_dataset_records",
                {
                    "dataset_record_id": f"{dataset_id}{n}",
                    "dataset_id": dataset_id,
                    "inputs": '{"q": "SECRET"}',
                    "input_hash": str(n),
                },
            )
            for n in range(records)
        ),
        ("evaluation_dataset_tags", {"dataset_id": dataset_id, "key": "team", "value": "red"}),
        ("entity_associations", {**link, "destination_type": "experiment", "destination_id": "7"}),
    ]
