"""Traces of an MLflow server: counted, or read one by one with their spans and assessments."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import product
from typing import Any

from mlflow2prov.sources.mlflow import server_traces_wire as wire
from mlflow2prov.sources.mlflow.http_client import HttpClient, Pages, Query, RefusedError
from mlflow2prov.sources.mlflow.server_rows import Row, RowsOf, batch, batches, known
from mlflow2prov.sources.tables import Batches

_logger = logging.getLogger(__name__)

_SEARCH = "api/3.0/mlflow/traces/search"
_WHOLE = "api/3.0/mlflow/traces/batchGet"
_OLD_SEARCH = "api/2.0/mlflow/traces"
_SPAN_FILE = "ajax-api/2.0/mlflow/get-trace-artifact"
_PAGE_TRACES = 500
_EXPERIMENTS_PER_SEARCH = 100
_TRACES_PER_REQUEST = 20
_RETRIES = 2
_MOST_MISSES = 10
_CONTENTS = frozenset({"mlflow.traceInputs", "mlflow.traceOutputs"})
_IN_COLUMNS = frozenset({"mlflow.trace.session"})
"""Metadata that newer databases keep in columns of their own."""
OWNERS = (("run", "mlflow.sourceRun"), ("logged_model", "mlflow.modelId"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TraceReader:
    """Reads the traces of a server; holds a page of 500, and counts.

    Args:
        client: the connection.
        is_detailed: whether traces are read one by one, too, with spans and assessments.
    """

    def __init__(self, client: HttpClient, *, is_detailed: bool) -> None:
        self._client = client
        self._is_detailed = is_detailed
        self._counts: Counter[tuple[str, str]] = Counter()
        self._seen: set[str] = set()
        self._failures: list[str] = []
        self._misses = 0

    def read(self, experiment_ids: Sequence[str], filters: Sequence[str] = ("",)) -> Batches:
        """Batches of the tables of traces; nothing from a server that has no traces.

        Args:
            experiment_ids: of the experiments to look at.
            filters: traces that one of these filters of MLflow fits, or all where it is empty.
        """
        starts = range(0, len(experiment_ids), _EXPERIMENTS_PER_SEARCH)
        for start, fits in product(starts, filters):
            for page in self._told_pages(experiment_ids[start : start + _EXPERIMENTS_PER_SEARCH], fits):
                new = {trace.trace_id: trace for trace in page if trace.trace_id not in self._seen}
                self._seen.update(new)
                self._count(new.values())
                if self._is_detailed:
                    yield from batches(TRACES, list(new.values()))
                    yield from self._spans([trace.trace_id for trace in new.values() if _has_spans(trace)])
                    yield from self._span_files(new.values())
        if self._failures:
            failures = len(self._failures)
            _logger.warning("spans of %d traces are left out, such as of %s", failures, min(self._failures))
        if self._counts:
            yield batch("mlflow_trace_count", [(*owner, count) for owner, count in self._counts.items()])

    def _count(self, traces: Iterable[wire.Trace]) -> None:
        for trace in traces:
            place = trace.trace_location.mlflow_experiment
            if place and place.experiment_id:
                self._counts["experiment", place.experiment_id] += 1
            for owner, key in OWNERS:
                owner_id = trace.trace_metadata.get(key)
                if owner_id:
                    self._counts[owner, owner_id] += 1

    def _told_pages(self, experiment_ids: Sequence[str], fits: str) -> Iterator[list[wire.Trace]]:
        """The pages of a search, as far as the server can tell them: it fails at all for one that is broken."""
        try:
            yield from self._pages(experiment_ids, fits)
        except RefusedError as error:
            if error.status in (0, 401, 403):
                raise
            number = len(experiment_ids)
            _logger.warning("traces of up to %d experiments are left out: %s", number, error)

    def _pages(self, experiment_ids: Sequence[str], fits: str) -> Iterator[list[wire.Trace]]:
        """The pages of a search, oldest traces first so that new ones shift none of them."""
        body: dict[str, object] = {
            "locations": [
                {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
                for experiment_id in experiment_ids
            ],
            "max_results": _PAGE_TRACES,
            "order_by": ["timestamp_ms ASC"],
        }
        body |= {"filter": fits} if fits else {}
        pages = Pages(_SEARCH)
        while True:
            page = self._client.ask_if_known(wire.TracePage, _SEARCH, body=body)
            if page is None:
                yield from self._old_pages(experiment_ids, fits)
                return
            new = sum(trace.trace_id not in self._seen for trace in page.traces)
            yield page.traces
            token = pages.after(page, new=new)
            if token is None:
                return
            body["page_token"] = token

    def _old_pages(self, experiment_ids: Sequence[str], fits: str) -> Iterator[list[wire.Trace]]:
        query: Query = [("experiment_ids", experiment_id) for experiment_id in experiment_ids]
        query = [*query, ("max_results", _PAGE_TRACES), ("order_by", "timestamp_ms ASC")]
        query = [*query, ("filter", fits)] if fits else query
        token, pages = None, Pages(_OLD_SEARCH)
        while True:
            asked = [*query, ("page_token", token)] if token else query
            page = self._client.ask_if_known(wire.OldTracePage, _OLD_SEARCH, query=asked)
            if page is None:
                return
            new = sum(trace.request_id not in self._seen for trace in page.traces)
            yield [renewed(trace) for trace in page.traces]
            token = pages.after(page, new=new)
            if token is None:
                return

    def _spans(self, trace_ids: Sequence[str]) -> Batches:
        groups = [
            trace_ids[start : start + _TRACES_PER_REQUEST]
            for start in range(0, len(trace_ids), _TRACES_PER_REQUEST)
        ]
        for whole in self._client.in_order(self._whole_traces, groups):
            yield from batches(_SPANS, whole)

    def _span_files(self, traces: Iterable[wire.Trace]) -> Batches:
        """The spans that lie among artifacts, in one file for each trace, a request each."""
        from mlflow2prov.sources.mlflow.trace_places import place_of_spans

        trace_ids = [trace.trace_id for trace in traces if place_of_spans(trace.tags)]
        rows = [row for found in self._client.in_order(self._span_file, trace_ids) for row in found]
        if rows:
            yield batch("mlflow_span", rows)

    def _span_file(self, trace_id: str) -> list[Row]:
        from mlflow2prov.sources.mlflow.trace_files import spans_in

        if self._misses >= _MOST_MISSES:
            self._failures.append(f"{trace_id}: the server has failed at {_MOST_MISSES} others, and got none")
            return []
        try:
            content = self._client.request(_SPAN_FILE, query=[("request_id", trace_id)], retries=_RETRIES)
        except RefusedError as error:
            if error.status in (0, 401):
                raise
            self._failures.append(f"{trace_id}: {error}")
            self._misses += 1
            return []
        self._misses = -(2**63)
        found = spans_in(trace_id, content)
        if found is None:
            self._failures.append(f"{trace_id}: its file of spans is none")
        return found or []

    def _whole_traces(self, trace_ids: Sequence[str]) -> list[wire.WholeTrace]:
        """Traces with their spans, without those that the server fails at."""
        query: Query = [("trace_ids", trace_id) for trace_id in trace_ids]
        try:
            return self._client.ask(wire.WholeTraces, _WHOLE, query=query, retries=_RETRIES).traces
        except RefusedError as error:
            if error.status in (0, 401, 403):
                raise
            if len(trace_ids) == 1:
                self._failures.append(f"{trace_ids[0]}: {error}")
                return []
            return [one for trace_id in trace_ids for one in self._whole_traces([trace_id])]


def _has_spans(trace: wire.Trace) -> bool:
    """Whether the server keeps the spans of a trace itself: it fails at being asked for others."""
    return trace.tags.get("mlflow.trace.spansLocation") == "TRACKING_STORE"


def renewed(old: wire.OldTrace) -> wire.Trace:
    """A trace of an old server as new ones tell it."""
    return wire.Trace(
        trace_id=old.request_id,
        trace_location=wire.TraceLocation(wire.OfExperiment(old.experiment_id)),
        request_time=None if old.timestamp_ms is None else str(old.timestamp_ms),
        execution_duration=None if old.execution_time_ms is None else f"{old.execution_time_ms / 1000}s",
        state=old.status,
        trace_metadata={pair.key: pair.value for pair in old.request_metadata},
        tags={pair.key: pair.value for pair in old.tags},
    )


def milliseconds(time: str | None) -> int | None:
    """An instant in RFC 3339, or milliseconds already, as milliseconds since 1970.

    >>> milliseconds("1970-01-01T00:00:01.500Z"), milliseconds("1500"), milliseconds("soon")
    (1500, 1500, None)
    """
    if not time:
        return None
    try:
        if time.lstrip("-").isdecimal():
            return int(time)
        found = datetime.fromisoformat(time)
    except ValueError:
        return None
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return round((aware - _EPOCH).total_seconds() * 1000)


def duration_ms(text: str | None) -> int | None:
    """A duration of Protocol Buffers' JSON in milliseconds.

    >>> duration_ms("0.140s"), duration_ms(None)
    (140, None)
    """
    try:
        return round(float(text.removesuffix("s")) * 1000) if text else None
    except (ValueError, OverflowError):
        return None


def span_id_of(text: str | None) -> str | None:
    """The hexadecimal form of a span's identifier that comes in base 64.

    >>> span_id_of("ISEkPj3rdv0=")
    '2121243e3deb76fd'
    """
    try:
        return base64.b64decode(text, validate=True).hex() or None if text else None
    except (binascii.Error, ValueError):
        return text


def plain_value(value: Any) -> Any:
    """The value that OpenTelemetry's JSON wraps.

    >>> plain_value({"kvlist_value": {"values": [{"key": "x", "value": {"int_value": "3"}}]}})
    {'x': 3}
    """
    if not isinstance(value, Mapping) or len(value) != 1:
        return None
    ((kind, inner),) = value.items()
    if kind == "kvlist_value":
        return {pair.get("key"): plain_value(pair.get("value")) for pair in inner.get("values", [])}
    if kind == "array_value":
        return [plain_value(item) for item in inner.get("values", [])]
    return int(inner) if kind == "int_value" else float(inner) if kind == "double_value" else inner


def _size(span: wire.Span, key: str) -> int | None:
    """The bytes of an attribute, as the JSON text that MLflow keeps."""
    for pair in span.attributes:
        if pair.key == key and pair.value is not None:
            return len(json.dumps(plain_value(pair.value), ensure_ascii=False).encode("utf-8", "replace"))
    return None


def _trace(it: wire.Trace) -> list[Row]:
    place = it.trace_location.mlflow_experiment
    return [
        (
            it.trace_id,
            place.experiment_id if place else None,
            known(it.tags.get("mlflow.traceName")),
            milliseconds(it.request_time),
            duration_ms(it.execution_duration),
            known(it.state),
            known(it.trace_metadata.get("mlflow.trace.session")),
        )
    ]


def _span_rows(it: wire.WholeTrace) -> list[Row]:
    return [_span(it.trace_info.trace_id, span) for span in it.spans]


def _span(trace_id: str, span: wire.Span) -> Row:
    parent_id = span_id_of(span.parent_span_id)
    sort = next((plain_value(it.value) for it in span.attributes if it.key == "mlflow.spanType"), None)
    sizes = [None if parent_id else _size(span, key) for key in ("mlflow.spanInputs", "mlflow.spanOutputs")]
    return (
        trace_id,
        span_id_of(span.span_id),
        parent_id,
        known(span.name),
        known(sort if isinstance(sort, str) and sort != "UNKNOWN" else None),
        known((span.status.code or "STATUS_CODE_UNSET").removeprefix("STATUS_CODE_")),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        *sizes,
        None,
    )


def _assessment(trace_id: str, it: wire.Assessment) -> Row:
    sort, value, error = None, None, None
    if it.feedback is not None:
        sort, value, error = "feedback", json.dumps(it.feedback.value), it.feedback.error
    elif it.expectation is not None:
        serialized = it.expectation.serialized_value
        sort = "expectation"
        value = serialized.value if serialized else json.dumps(it.expectation.value)
    run_id = it.metadata.get("mlflow.assessment.sourceRunId")
    return (
        it.assessment_id,
        trace_id,
        known(it.span_id),
        known(run_id if isinstance(run_id, str) else None),
        known(it.assessment_name),
        sort,
        value,
        None if error is None else json.dumps(error),
        known(it.rationale),
        known(it.source.source_type),
        known(it.source.source_id),
        known(it.overrides),
        it.valid,
        milliseconds(it.create_time),
        milliseconds(it.last_update_time),
    )


TRACES: RowsOf[wire.Trace] = {
    "mlflow_trace": _trace,
    "mlflow_trace_tag": lambda it: [(it.trace_id, key, value) for key, value in it.tags.items()],
    "mlflow_trace_metadata": lambda it: [
        (it.trace_id, key, value)
        for key, value in it.trace_metadata.items()
        if key not in _CONTENTS and key not in _IN_COLUMNS
    ],
    "mlflow_assessment": lambda it: [_assessment(it.trace_id, one) for one in it.assessments],
}
_SPANS: RowsOf[wire.WholeTrace] = {"mlflow_span": _span_rows}
