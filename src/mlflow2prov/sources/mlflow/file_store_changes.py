"""Reading a file store again: only runs and logged models whose files are others than before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mlflow2prov.sources.mlflow.artifacts import read_artifacts
from mlflow2prov.sources.mlflow.file_store import require_store
from mlflow2prov.sources.mlflow.file_store_files import StoreFiles
from mlflow2prov.sources.mlflow.file_store_path import file_store_path
from mlflow2prov.sources.mlflow.file_store_reader import StoreReader
from mlflow2prov.sources.mlflow.file_store_signatures import KINDS, Signatures
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess
    from mlflow2prov.sources.mlflow.known import Known
    from mlflow2prov.sources.mlflow.parts import Wanted

_TABLES: Mapping[str, tuple[str, ...]] = {
    "run": (
        "mlflow_run",
        "mlflow_param",
        "mlflow_tag",
        "mlflow_metric",
        "mlflow_dataset_input",
        "mlflow_model_link",
    ),
    "logged_model": (
        "mlflow_logged_model",
        "mlflow_logged_model_param",
        "mlflow_logged_model_tag",
        "mlflow_logged_model_metric",
    ),
}
"""The tables that the files of a run or logged model fill."""

_ARTIFACTS = ("mlflow_artifact", "mlflow_model_file")


def read_file_store_again(
    uri: str, wanted: Wanted, known: Known, *, artifacts: ArtifactAccess | None = None
) -> Batches:
    """Batches of the source tables of a file store that may be others than in an earlier reading.

    All folders are walked through, and the files of those runs and logged models are read whose signatures
    (:mod:`mlflow2prov.sources.mlflow.file_store_signatures`) are others than before. Artifacts that lie elsewhere
    than in their folder are listed each time. The rest, which is little, is read whole.

    Args:
        uri: as of the earlier reading.
        wanted: what to read of it, as in that.
        known: that reading.
        artifacts: how to reach artifacts that are not in folders of this machine.

    Raises:
        UsageError: ``uri`` is none of this machine. At once; the others on use.
        SourceError: the folder is missing, can't be read, or is no store.
    """
    return _read(file_store_path(uri), wanted, known, artifacts)


def _read(path: Path, wanted: Wanted, known: Known, artifacts: ArtifactAccess | None) -> Batches:
    require_store(path)
    files = StoreFiles(path)
    earlier = {kind: known.signatures(kind) for kind in KINDS}
    signatures = Signatures(files, wanted.skip, earlier, known.begun_ms())
    reader = StoreReader(files, wanted, signatures=signatures)
    in_parts = {table for tables in (*_TABLES.values(), _ARTIFACTS) for table in tables}
    for table in SOURCE_TABLES:
        if table.startswith("mlflow_") and table not in in_parts:
            known.all_of(table)
    yield from reader.read(path.as_uri())
    files.report()
    for kind in KINDS:
        gone = set(known.ids(kind)) - signatures.seen[kind]
        read = gone | signatures.new[kind].keys()
        _say_read(known, kind, _TABLES[kind], read)
        listed = {own_id for owner, own_id, _ in reader.owners if owner == kind}
        _say_read(known, kind, _ARTIFACTS, read | listed)
        known.sign(kind, {**dict.fromkeys(gone), **signatures.new[kind]})
    if "artifacts" not in wanted.skip:
        yield from read_artifacts(reader.owners, with_digests=wanted.artifact_digests, access=artifacts)


def _say_read(known: Known, kind: str, tables: Iterable[str], ids: set[str]) -> None:
    for table in tables:
        known.some_of(table, kind, sorted(ids))
