"""Which columns of the source tables the keys of meta.yaml files fill, and the batches that rows are gathered in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlflow2prov.sources.mlflow.file_store_files import StoreFiles, Trouble
from mlflow2prov.sources.mlflow.file_store_meta import Meta
from mlflow2prov.sources.mlflow.file_store_metrics import repeated
from mlflow2prov.sources.mlflow.server_rows import batch, known
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches, Kind

if TYPE_CHECKING:
    import pyarrow as pa

_FULL_ROWS = 8_192
_FULL_DATASETS = 256
_FULL_PAIRS = 16_384
_FULL_BYTES = 8 * 2**20
_LARGEST = 2**63


@dataclass(frozen=True, slots=True)
class _Key:
    """The keys, best first, that fill a column, and what their words mean where those are not the column's."""

    names: tuple[str, ...]
    words: Mapping[str, str] = field(default_factory=dict)


def _key(*names: str, **words: str) -> _Key:
    return _Key(names, words)


_RUN_STATUS = _Key(
    ("status",), {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
)
_MODEL_STATUS = _Key(
    ("status",),
    {"0": "UNSPECIFIED", "1": "PENDING", "2": "READY", "3": "UPLOAD_FAILED", "FAILED": "UPLOAD_FAILED"},
)

KEYS: Mapping[str, Mapping[str, _Key]] = {
    "mlflow_experiment": {
        "name": _key("name"),
        "artifact_location": _key("artifact_location"),
        "lifecycle_stage": _key("lifecycle_stage"),
        "created_ms": _key("creation_time"),
        "last_updated_ms": _key("last_update_time"),
    },
    "mlflow_run": {
        "name": _key("run_name", "name"),
        "user_id": _key("user_id"),
        "status": _RUN_STATUS,
        "lifecycle_stage": _key("lifecycle_stage"),
        "start_ms": _key("start_time"),
        "end_ms": _key("end_time"),
        "deleted_ms": _key("deleted_time"),
        "artifact_uri": _key("artifact_uri"),
    },
    "mlflow_dataset": {
        "name": _key("name"),
        "digest": _key("digest"),
        "source_type": _key("source_type"),
        "source": _key("source"),
        "schema": _key("schema"),
        "profile": _key("profile"),
    },
    "mlflow_logged_model": {
        "name": _key("name"),
        "artifact_location": _key("artifact_location"),
        "created_ms": _key("creation_timestamp"),
        "last_updated_ms": _key("last_updated_timestamp"),
        "status": _MODEL_STATUS,
        "status_message": _key("status_message"),
        "lifecycle_stage": _key("lifecycle_stage"),
        "model_type": _key("model_type"),
        "source_run_id": _key("source_run_id"),
    },
    "mlflow_registered_model": {
        "description": _key("description"),
        "created_ms": _key("creation_timestamp"),
        "last_updated_ms": _key("last_updated_timestamp"),
    },
    "mlflow_model_version": {
        "created_ms": _key("creation_timestamp"),
        "last_updated_ms": _key("last_updated_timestamp"),
        "description": _key("description"),
        "user_id": _key("user_id"),
        "stage": _key("current_stage"),
        "source": _key("source"),
        "run_id": _key("run_id"),
        "model_id": _key("model_id"),
        "status": _key("status"),
        "status_message": _key("status_message"),
        "run_link": _key("run_link"),
        "storage_location": _key("storage_location"),
        "deleted_ms": _key("last_updated_timestamp"),
    },
}
"""For each source table, the keys of the columns that the place of a file does not tell."""


def told(meta: Meta, *names: str) -> str | None:
    """The text of the first key that has one, None where it is empty or none has.

    >>> told({"run_uuid": "r1", "name": ""}, "run_id", "run_uuid")
    'r1'
    """
    for name in names:
        value = meta.get(name)
        if isinstance(value, str) and (text := known(value)) is not None:
            return text
    return None


class Rows:
    """Gathers rows of many tables, some thousands of each, and pairs of keys and values."""

    def __init__(self, files: StoreFiles) -> None:
        self._files = files
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self._pairs: dict[str, _Pairs] = {}

    def add(self, table: str, meta: Meta, path: bytes, /, **fixed: Any) -> Batches:
        """Take a row in: what its meta.yaml at ``path`` says, and ``fixed`` instead where that is given."""
        keys = KEYS.get(table, {})
        row: list[Any] = []
        for column, kind in SOURCE_TABLES[table].columns.items():
            if column in fixed:
                row.append(fixed[column])
                continue
            key = keys[column]
            text = told(meta, *key.names)
            if text is not None and kind is Kind.INT:
                row.append(self.number(text, path))
            else:
                row.append(text if text is None else key.words.get(text, text))
        rows = self._rows.setdefault(table, [])
        rows.append(tuple(row))
        if len(rows) >= (_FULL_DATASETS if table == "mlflow_dataset" else _FULL_ROWS):
            yield batch(table, self._rows.pop(table))

    def number(self, text: str, path: bytes) -> int | None:
        """A whole number, None where ``text`` is none, which is counted."""
        try:
            value = int(text)
        except ValueError:
            value = _LARGEST
        if -_LARGEST <= value < _LARGEST:
            return value
        self._files.note(Trouble.NO_NUMBER, path)
        return None

    def add_pairs(self, table: str, owner: tuple[Any, ...], folder: bytes) -> Batches:
        """Take the files below a folder in, each one a key with its value."""
        pairs = self._pairs.setdefault(table, _Pairs())
        content = self._files.content
        begun = len(pairs.keys)
        for key, path in self._files.named_files(folder):
            value = content(path)
            if value is None:
                continue
            pairs.keys.append(key)
            pairs.values.append(value)
            pairs.paths.append(path)
            pairs.bytes += len(value)
            if pairs.bytes >= _FULL_BYTES or len(pairs.keys) >= _FULL_PAIRS:
                pairs.close(owner, begun)
                yield table, pairs.batch(table, self._files)
                pairs = self._pairs[table] = _Pairs()
                begun = 0
        pairs.close(owner, begun)

    def batches(self) -> Batches:
        """The batches of what was taken in."""
        for table in list(self._rows):
            yield batch(table, self._rows.pop(table))
        for table in list(self._pairs):
            if self._pairs[table].keys:
                yield table, self._pairs[table].batch(table, self._files)
        self._pairs.clear()


@dataclass(slots=True)
class _Pairs:
    """Keys and values, by their owners."""

    owners: list[tuple[Any, ...]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    paths: list[bytes] = field(default_factory=list)
    bytes: int = 0

    def close(self, owner: tuple[Any, ...], begun: int) -> None:
        """End the pairs of an owner, which began at the place ``begun``."""
        if len(self.keys) > begun:
            self.owners.append(owner)
            self.counts.append(len(self.keys) - begun)

    def batch(self, table: str, files: StoreFiles) -> pa.RecordBatch:
        """The batch of a source table whose last two columns are key and value."""
        import pyarrow as pa

        schema = SOURCE_TABLES[table].schema()
        owned = [array.take(self._numbers()) for array in self._owner_columns(schema)]
        texts = [files.texts(contents, self.paths) for contents in (self.keys, self.values)]
        return pa.RecordBatch.from_arrays([*owned, *texts], schema=schema)

    def _owner_columns(self, schema: pa.Schema) -> Iterator[pa.Array[Any]]:
        import pyarrow as pa

        for values, declared in zip(zip(*self.owners, strict=True), schema, strict=False):
            yield pa.array(values, declared.type)

    def _numbers(self) -> pa.Array[Any]:
        import pyarrow as pa

        return repeated(pa.array(range(len(self.counts)), pa.int32()), self.counts)
