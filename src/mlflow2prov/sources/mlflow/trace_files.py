"""The files with the spans of traces that lie among artifacts: of MLflow 2, of file stores, and of some servers.

Contents are measured and dropped, as those of spans in a database are.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from mlflow2prov.sources.mlflow.artifacts import local_path
from mlflow2prov.sources.mlflow.server_rows import Row, batch, known
from mlflow2prov.sources.mlflow.server_traces import span_id_of
from mlflow2prov.sources.tables import Batches

_logger = logging.getLogger(__name__)

SPANS_FILE = "traces.json"
"""The name of the file among the artifacts of a trace."""

MOST_BYTES = 128 * 2**20
"""Larger files are left out."""

_BATCH_SPANS = 8_192


def read_span_files(places: Iterable[tuple[str, str]]) -> Batches:
    """Batches of ``mlflow_span`` from the files of traces whose artifacts are in folders of this machine.

    Files that are missing, can't be read or are none are counted, and said in one warning.

    Args:
        places: the identifier of a trace, and the URI of its artifacts. Holds one file and one batch.
    """
    rows: list[Row] = []
    lost: Counter[str] = Counter()
    for trace_id, uri in places:
        content = _content(uri)
        found = spans_in(trace_id, content) if content is not None else None
        if found is None:
            lost["can't be listed here" if _is_elsewhere(uri) else "are missing or broken"] += 1
            continue
        rows += found
        if len(rows) >= _BATCH_SPANS:
            yield batch("mlflow_span", rows)
            rows = []
    if rows:
        yield batch("mlflow_span", rows)
    for reason, count in sorted(lost.items()):
        _logger.warning("spans of %d traces lie in files that %s", count, reason)


def spans_in(trace_id: str, content: bytes) -> list[Row] | None:
    """The rows of ``mlflow_span`` that a file makes, of MLflow 3 or 2; None where it is no such file.

    >>> spans_in("tr-1", b'{"spans": [{"name": "f", "context": {"span_id": "0x0a"}, "status_code": "OK"}]}')
    [('tr-1', '0a', None, 'f', None, 'OK', None, None, None, None, None)]
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    spans = document.get("spans") if isinstance(document, dict) else None
    if not isinstance(spans, list):
        return None
    rows = [_row(trace_id, span) for span in spans if isinstance(span, dict)]
    return [row for row in rows if row[1]]


def _row(trace_id: str, span: Mapping[str, Any]) -> Row:
    """One span: identifiers in base 64 and times by their units in MLflow 3, and hexadecimal ones in MLflow 2."""
    attributes = _mapping(span.get("attributes"))
    context, status = _mapping(span.get("context")), _mapping(span.get("status"))
    if context:
        span_id, parent_id = _plain_id(context.get("span_id")), _plain_id(span.get("parent_id"))
    else:
        span_id, parent_id = (
            span_id_of(_text(span.get("span_id"))),
            span_id_of(_text(span.get("parent_span_id"))),
        )
    sizes = (_size(attributes, "mlflow.spanInputs"), _size(attributes, "mlflow.spanOutputs"))
    code = _text(status.get("code")) or _text(span.get("status_code")) or "UNSET"
    return (
        trace_id,
        span_id,
        parent_id,
        known(_text(span.get("name"))),
        _span_type(attributes.get("mlflow.spanType")),
        code.removeprefix("STATUS_CODE_"),
        _number(span.get("start_time_unix_nano", span.get("start_time"))),
        _number(span.get("end_time_unix_nano", span.get("end_time"))),
        *((None, None) if parent_id else sizes),
        None,
    )


def _size(attributes: Mapping[str, Any], key: str) -> int | None:
    """The bytes of an attribute, whose text is JSON."""
    value = attributes.get(key)
    return len(value.encode("utf-8", "replace")) if isinstance(value, str) else None


def _span_type(text: object) -> str | None:
    found = text.strip('"') if isinstance(text, str) else None
    return None if found == "UNKNOWN" else known(found)


def _plain_id(text: object) -> str | None:
    return known(text.removeprefix("0x")) if isinstance(text, str) else None


def _number(value: object) -> int | None:
    is_number = isinstance(value, int | str) and not isinstance(value, bool)
    try:
        found = int(value) if is_number else None  # type: ignore[call-overload]
    except ValueError:
        return None
    return found if found is not None and abs(found) < 2**63 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_elsewhere(uri: str) -> bool:
    return "\0" in uri or local_path(uri) is None


def _content(uri: str) -> bytes | None:
    """The bytes of the file with the spans in a folder of this machine."""
    folder = None if _is_elsewhere(uri) else local_path(uri)
    if folder is None:
        return None
    try:
        with open(os.path.join(folder, SPANS_FILE), "rb") as file:  # noqa: PTH118, PTH123
            content = file.read(MOST_BYTES + 1)
    except OSError:
        return None
    return content if len(content) <= MOST_BYTES else None
