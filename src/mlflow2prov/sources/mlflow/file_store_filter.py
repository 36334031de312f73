"""What filters ask of the runs of a file store: their files, looked up one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.mlflow.file_store_files import StoreFiles
from mlflow2prov.sources.mlflow.file_store_meta import Meta, parse_meta
from mlflow2prov.sources.mlflow.file_store_rows import KEYS, told
from mlflow2prov.sources.mlflow.run_filter import Comparison

_CONTEXT = "mlflow.data.context"


class Look:
    """Looks at single files and folders of a store, which need not be there.

    Args:
        files: the store's, whose troubles are not told: the reading itself meets them again.
    """

    def __init__(self, files: StoreFiles) -> None:
        self._files = files

    def inner(self, *parts: bytes) -> list[bytes]:
        """The names of the folders below a folder, none where that is not there."""
        place = b"/".join(parts)
        return sorted(self._files.listing(place).folders) if os.path.isdir(place) else []  # noqa: PTH112

    def meta(self, folder: bytes) -> Meta:
        """What the meta.yaml of a folder says, nothing where there is none or it is broken."""
        content = self.text(folder + b"/meta.yaml")
        found = parse_meta(content) if content else None
        return found.meta if found else {}

    def text(self, path: bytes) -> str | None:
        """The text of a file, None where there is none."""
        content = self._files.content(path) if os.path.isfile(path) else None  # noqa: PTH113
        return None if content is None else self._files.text(content, path)


class RunValues:
    """What a filter may ask of the run in a folder; read when it is asked for."""

    def __init__(self, look: Look, folder: bytes) -> None:
        self._look = look
        self._folder = folder
        self._meta = look.meta(folder)

    @property
    def title(self) -> str | None:
        """The name of the run, as MLflow shows it."""
        return told(self._meta, "run_name", "name") or self._file(b"tags", "mlflow.runName")

    def number(self, name: str) -> int | None:
        """A whole number of the run's own."""
        try:
            return int(told(self._meta, name) or "")
        except ValueError:
            return None

    def of(self, comparison: Comparison) -> list[Any]:
        """The values that a comparison is about; none where the run has none."""
        found: Mapping[str, Callable[[str], Any]] = {
            "param": lambda key: self._file(b"params", key),
            "tag": lambda key: self._file(b"tags", key),
            "metric": self._latest,
            "attribute": self._attribute,
        }
        if comparison.kind == "dataset":
            return self._datasets(comparison.key)
        value = found[comparison.kind](comparison.key)
        return [] if value is None else [value]

    def _attribute(self, key: str) -> Any:
        if key in ("start_time", "end_time"):
            return self.number(key)
        if key == "run_name":
            return self.title
        if key == "run_id":
            return shown(self._folder.rpartition(b"/")[2])
        value = told(self._meta, key)
        return KEYS["mlflow_run"]["status"].words.get(value or "", value) if key == "status" else value

    def _file(self, folder: bytes, key: str) -> str | None:
        parts = os.fsencode(key).split(b"/")
        if b".." in parts or b"" in parts or "\0" in key:
            return None
        return self._look.text(b"/".join((self._folder, folder, *parts)))

    def _latest(self, key: str) -> float | None:
        """The value of the last point of a metric, the largest where there are several."""
        points = []
        for line in (self._file(b"metrics", key) or "").splitlines():
            words = line.split()
            try:
                step = int(words[2]) if len(words) > 2 else 0
                points.append((step, int(words[0]), float(words[1])))
            except (ValueError, IndexError):
                continue
        return max(points, key=_order)[2] if points else None

    def _datasets(self, key: str) -> list[str]:
        look, found = self._look, []
        experiment = self._folder.rpartition(b"/")[0]
        for inner in look.inner(self._folder, b"inputs"):
            meta = look.meta(b"/".join((self._folder, b"inputs", inner)))
            tags = meta.get("tags")
            if told(meta, "source_type") != "DATASET":
                continue
            if key == "context":
                value = tags.get(_CONTEXT) if isinstance(tags, Mapping) else None
            else:
                source = os.fsencode(told(meta, "source_id") or "").replace(b"/", b"")
                value = told(look.meta(b"/".join((experiment, b"datasets", source))), key)
            found += [] if value is None else [value]
        return found


def _order(point: tuple[int, int, float]) -> tuple[int, int, float]:
    step, timestamp_ms, value = point
    return step, timestamp_ms, value if value == value else float("-inf")


def shown(name: bytes) -> str:
    """The name of a folder as text."""
    return text_of(name)[0]
