"""The way into MLflow through the files of a file store (``./mlruns``): read-only, without MLflow.

Layouts from MLflow 2.0 to 3.18 are the same but for what later versions added: datasets, aliases, logged models.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow2prov.errors import SourceError
from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.mlflow.artifacts import ArtifactAccess, read_artifacts
from mlflow2prov.sources.mlflow.file_store_files import StoreFiles
from mlflow2prov.sources.mlflow.file_store_path import file_store_path
from mlflow2prov.sources.mlflow.file_store_reader import StoreReader
from mlflow2prov.sources.mlflow.file_store_selection import FileScopeFinder
from mlflow2prov.sources.mlflow.file_store_signatures import Signatures
from mlflow2prov.sources.mlflow.parts import EVERYTHING, Wanted
from mlflow2prov.sources.tables import Batches

if TYPE_CHECKING:
    from mlflow2prov.sources.mlflow.known import Finished


def read_file_store(
    uri: str,
    wanted: Wanted = EVERYTHING,
    *,
    artifacts: ArtifactAccess | None = None,
    finished: Finished | None = None,
) -> Batches:
    """Batches of every MLflow source table that the files of a store, and the artifacts it names, can fill.

    Nothing is written. A store that is in use is not seen at one moment, since files have no transactions. What
    can't be read or understood is left out and counted, with one warning for each kind of trouble.

    Holds some megabytes of rows, the datasets of one experiment, and the identifiers and artifact places of runs
    and logged models. A run with 50 files takes about 0.5 ms.

    Args:
        uri: a path, or ``file:`` URI, of the folder that MLflow's tracking URI names.
        wanted: what to read of it.
        artifacts: how to reach artifacts that are not in folders of this machine.
        finished: is told what the files of runs and logged models are known by.

    Raises:
        UsageError: ``uri`` is none of this machine. At once; the others on use.
        SourceError: the folder is missing, can't be read, or is no store.
    """
    return _read(file_store_path(uri), wanted, artifacts, finished)


def _read(path: Path, wanted: Wanted, artifacts: ArtifactAccess | None, finished: Finished | None) -> Batches:
    require_store(path)
    files = StoreFiles(path)
    selection = wanted.selection
    scope = None if selection.is_everything else FileScopeFinder(StoreFiles(path), selection).find()
    signatures = None if finished is None else Signatures(files, wanted.skip)
    reader = StoreReader(files, wanted, scope, signatures)
    yield from reader.read(path.as_uri())
    files.report()
    if finished is not None and signatures is not None:
        for kind, new in signatures.new.items():
            finished.sign(kind, new)
    if "artifacts" not in wanted.skip:
        yield from read_artifacts(reader.owners, with_digests=wanted.artifact_digests, access=artifacts)


def require_store(path: Path) -> None:
    """Raise an error if there is no file store at a path.

    Raises:
        SourceError: it is missing, can't be read, or is no store.
    """
    name = text_of(os.fsencode(path))[0]
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            raise SourceError(
                f"{name} is a file; a file store is a folder, and a SQLite store sqlite:///{name}"
            )
        if any(_is_of_store(entry) for entry in path.iterdir()):
            return
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError(
            f"{name} does not exist; give the folder that MLflow's tracking URI names"
        ) from error
    except OSError as error:
        raise SourceError(f"{name} can't be read ({error.strerror}); see its permissions") from error
    inner = path / "mlruns"
    mend = (
        f"it holds {text_of(os.fsencode(inner))[0]}, give that"
        if os.path.isdir(inner)  # noqa: PTH112
        else "give the folder that MLflow's tracking URI names, whose folders have files meta.yaml"
    )
    raise SourceError(f"{name} is not an MLflow file store; {mend}")


def _is_of_store(entry: Path) -> bool:
    """Whether a name in a folder tells that it is a store: one of an experiment, of models, or MLflow's trash."""
    if entry.name == "models":
        return any(_has_meta(model) for model in _entries(entry))
    return _has_meta(entry) or (entry.name == ".trash" and os.path.isdir(entry))  # noqa: PTH112


def _has_meta(folder: Path) -> bool:
    return os.path.isfile(folder / "meta.yaml")  # noqa: PTH113 - which is no error where it must not be looked at


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
