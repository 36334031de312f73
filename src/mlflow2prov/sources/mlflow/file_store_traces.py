"""The traces of a file store: a folder for each, whose files say what a server's answers do."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from mlflow2prov.sources.mlflow import server_traces_wire as wire
from mlflow2prov.sources.mlflow.file_store_files import MOST_BYTES, StoreFiles, Trouble
from mlflow2prov.sources.mlflow.model_file import yaml_mapping
from mlflow2prov.sources.mlflow.server_rows import batch, batches
from mlflow2prov.sources.mlflow.server_traces import OWNERS, TRACES, renewed
from mlflow2prov.sources.mlflow.trace_places import place_of_spans
from mlflow2prov.sources.tables import Batches

_INFO = b"trace_info.yaml"
_FULL_TRACES = 500


class TraceFiles:
    """Reads the folders of traces; holds some hundred traces, and the places of the spans of all.

    Attributes:
        places: the traces whose spans lie among artifacts, and where: for :func:`read_span_files`.
    """

    def __init__(self, files: StoreFiles, *, is_detailed: bool) -> None:
        """Count the traces below ``files``, and read them one by one where it is detailed."""
        self.places: list[tuple[str, str]] = []
        self._files = files
        self._is_detailed = is_detailed
        self._counts: Counter[tuple[str, str]] = Counter()
        self._known: set[str] = set()
        self._traces: list[wire.Trace] = []

    def add_folder(self, experiment_id: str, folder: bytes) -> Batches:
        """Take the traces of an experiment in."""
        for name in sorted(self._files.listing(folder).folders):
            place = folder + b"/" + name
            trace_id = self._files.text(name, place)
            trace = self._trace(experiment_id, trace_id, place)
            if trace is None or trace_id in self._known:
                self._files.note(Trouble.NO_TRACE if trace is None else Trouble.MISPLACED, place)
                continue
            self._known.add(trace_id)
            self._count(experiment_id, trace)
            if self._is_detailed:
                self._traces.append(trace)
                self._note_spans(trace, place)
            if len(self._traces) >= _FULL_TRACES:
                yield from self._told()

    def batches(self) -> Batches:
        """The traces that were taken in and not told yet, and how many there are."""
        yield from self._told()
        if self._counts:
            yield batch("mlflow_trace_count", [(*owner, count) for owner, count in self._counts.items()])
            self._counts.clear()

    def _told(self) -> Batches:
        yield from batches(TRACES, self._traces)
        self._traces = []

    def _count(self, experiment_id: str, trace: wire.Trace) -> None:
        self._counts["experiment", experiment_id] += 1
        for owner, key in OWNERS:
            owner_id = trace.trace_metadata.get(key)
            if owner_id:
                self._counts[owner, owner_id] += 1

    def _note_spans(self, trace: wire.Trace, folder: bytes) -> None:
        """Say where the spans are: beside the trace, or where that was when its experiment was not deleted."""
        own = folder + b"/artifacts"
        place = os.fsdecode(own) if os.path.isdir(own) else place_of_spans(trace.tags)  # noqa: PTH112
        if place is not None:
            self.places.append((trace.trace_id, place))

    def _trace(self, experiment_id: str, trace_id: str, folder: bytes) -> wire.Trace | None:
        """What the files of a trace say, as a server of MLflow 3 tells it; None where its own file is broken."""
        listing = self._files.listing(folder)
        info = self._mapping(folder + b"/" + _INFO) if _INFO in listing.files else None
        if info is None or info.get("trace_id", info.get("request_id")) != trace_id:
            return None
        old = self._old(info) if "request_id" in info else {}
        info = {**info, **old, "trace_id": trace_id}
        duration = info.pop("execution_duration_ms", None)
        if isinstance(duration, int):
            info["execution_duration"] = f"{duration / 1000}s"
        info["trace_location"] = {"mlflow_experiment": {"experiment_id": experiment_id}}
        for name, of_files in (("trace_metadata", b"request_metadata"), ("tags", b"tags")):
            info[name] = self._texts(folder + b"/" + of_files) if of_files in listing.folders else {}
        info["assessments"] = list(self._assessments(folder, listing.folders)) if self._is_detailed else []
        try:
            return msgspec.convert(info, wire.Trace)
        except msgspec.ValidationError:
            return None

    def _old(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """What the file of a trace of MLflow 2 says in other words."""
        try:
            found = renewed(msgspec.convert(info, wire.OldTrace, strict=False))
        except msgspec.ValidationError:
            return {}
        told = {
            "request_time": found.request_time,
            "execution_duration": found.execution_duration,
            "state": found.state,
        }
        return {"client_request_id": None} | told

    def _assessments(self, folder: bytes, folders: list[bytes]) -> Iterator[wire.Assessment]:
        if b"assessments" not in folders:
            return
        place = folder + b"/assessments"
        for name in sorted(self._files.listing(place).files):
            path = place + b"/" + name
            document = self._mapping(path)
            try:
                yield msgspec.convert(document, wire.Assessment)
            except msgspec.ValidationError:
                self._files.note(Trouble.NO_TRACE, path)

    def _texts(self, folder: bytes) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, path in self._files.named_files(folder):
            content = self._files.content(path)
            if content is not None:
                found[self._files.text(name, path)] = self._files.text(content, path)
        return found

    def _mapping(self, path: bytes) -> dict[str, Any] | None:
        content = self._files.content(path)
        if content is None:
            return None
        return yaml_mapping(content, MOST_BYTES, with_numbers=True)
