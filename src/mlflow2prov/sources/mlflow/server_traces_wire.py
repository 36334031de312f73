"""What an MLflow server's answers about traces and evaluation datasets look like, as far as they are read.

Fields that a version of the server does not send have a default. Times are milliseconds since 1970 where
nothing else is said.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from mlflow2prov.sources.mlflow.server_wire import Int, Pair


class OfExperiment(Struct, frozen=True, gc=False):
    """The experiment that something belongs to."""

    experiment_id: str | None = None


class TraceLocation(Struct, frozen=True):
    """Where a trace is kept."""

    mlflow_experiment: OfExperiment | None = None


class AssessmentSource(Struct, frozen=True, gc=False):
    """Who or what made an assessment."""

    source_type: str | None = None
    source_id: str | None = None


class Feedback(Struct, frozen=True):
    """What was found, or why nothing was."""

    value: Any = None
    error: Any = None


class Serialized(Struct, frozen=True, gc=False):
    """A value as JSON text."""

    value: str | None = None


class Expectation(Struct, frozen=True):
    """What should have come out."""

    value: Any = None
    serialized_value: Serialized | None = None


class Assessment(Struct, frozen=True):
    """An assessment of a trace; its times are in RFC 3339."""

    assessment_id: str
    assessment_name: str | None = None
    span_id: str | None = None
    source: AssessmentSource = AssessmentSource()
    create_time: str | None = None
    last_update_time: str | None = None
    feedback: Feedback | None = None
    expectation: Expectation | None = None
    rationale: str | None = None
    metadata: dict[str, Any] = {}
    overrides: str | None = None
    valid: bool = True


class Trace(Struct, frozen=True):
    """A trace, as servers from MLflow 3 on tell it: times are in RFC 3339, durations such as ``0.140s``."""

    trace_id: str
    trace_location: TraceLocation = TraceLocation()
    request_time: str | None = None
    execution_duration: str | None = None
    state: str | None = None
    trace_metadata: dict[str, str | None] = {}
    tags: dict[str, str | None] = {}
    assessments: list[Assessment] = []


class OldTrace(Struct, frozen=True):
    """A trace, as servers of MLflow 2 tell it."""

    request_id: str
    experiment_id: str | None = None
    timestamp_ms: Int | None = None
    execution_time_ms: Int | None = None
    status: str | None = None
    request_metadata: list[Pair] = []
    tags: list[Pair] = []


class AnyPair(Struct, frozen=True):
    """An attribute of a span."""

    key: str
    value: Any = None


class SpanStatus(Struct, frozen=True, gc=False):
    """How a span ended."""

    code: str | None = None


class Span(Struct, frozen=True):
    """A span, as OpenTelemetry has it: identifiers in base 64."""

    span_id: str
    parent_span_id: str | None = None
    name: str | None = None
    start_time_unix_nano: Int | None = None
    end_time_unix_nano: Int | None = None
    attributes: list[AnyPair] = []
    status: SpanStatus = SpanStatus()


class WholeTrace(Struct, frozen=True):
    """A trace with its spans."""

    trace_info: Trace
    spans: list[Span] = []


class EvaluationDataset(Struct, frozen=True):
    """An evaluation dataset; its tags are a JSON object."""

    dataset_id: str
    name: str | None = None
    tags: str | None = None
    schema: str | None = None
    profile: str | None = None
    digest: str | None = None
    created_time: Int | None = None
    last_update_time: Int | None = None
    created_by: str | None = None
    last_updated_by: str | None = None


class TracePage(Struct, frozen=True):
    """An answer of ``traces/search`` (MLflow 3)."""

    traces: list[Trace] = []
    next_page_token: str | None = None


class OldTracePage(Struct, frozen=True):
    """An answer of ``traces`` (MLflow 2)."""

    traces: list[OldTrace] = []
    next_page_token: str | None = None


class WholeTraces(Struct, frozen=True):
    """An answer of ``traces/batchGet``."""

    traces: list[WholeTrace] = []


class EvaluationDatasetPage(Struct, frozen=True):
    """An answer of ``datasets/search``."""

    datasets: list[EvaluationDataset] = []
    next_page_token: str | None = None


class RecordPage(Struct, frozen=True):
    """An answer of ``datasets/<id>/records``: the records are the text of a JSON array."""

    records: str = "[]"
    next_page_token: str | None = None


class ExperimentIds(Struct, frozen=True):
    """An answer of ``datasets/<id>/experiment-ids``."""

    experiment_ids: list[str] = []
