"""Artifacts of runs and logged models, wherever they lie, and the MLmodel files among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from mlflow2prov.sources.mlflow.artifact_rows import Failed, LeftOut, Listing, Owner, Rows
from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess, Stores
from mlflow2prov.sources.mlflow.artifacts_local import LocalFolders, local_path
from mlflow2prov.sources.tables import Batches

__all__ = ["ArtifactAccess", "local_path", "read_artifacts"]


def read_artifacts(
    owners: Iterable[tuple[str, str, str]],
    *,
    with_digests: bool = False,
    access: ArtifactAccess | None = None,
) -> Batches:
    """Batches of ``mlflow_artifact`` and ``mlflow_model_file`` of owners, from folders and from other stores.

    Folders are listed to any depth, in order of their paths. A folder that does not exist has no artifacts,
    since MLflow makes it when it is needed; where those of all logged models, which have some, are missing with what
    they stand in, that is said. Symbolic links are followed to files of the same owner alone.
    What can't be listed or read is counted and said in one warning for each store or kind of trouble, and
    never ends the reading.

    Holds a batch of up to 65,536 rows, the listings of some owners, and the owners whose artifacts are
    not in folders of this machine; takes about 0.1 ms for a folder of this machine.

    Args:
        owners: what owns artifacts, ``run`` or ``logged_model``, its identifier, and the URI of its
            artifacts: a path, from the working folder where it is relative, or a URI.
        with_digests: read every file for its SHA-256.
        access: how to reach stores that are elsewhere; by default, as their libraries find by themselves.
    """
    access = access or ArtifactAccess()
    folders, stores, left_out = LocalFolders(access.beside), Stores(access), LeftOut()
    with ThreadPoolExecutor(access.concurrency, thread_name_prefix="artifacts") as pool:
        rows = Rows(pool, with_digests=with_digests)
        try:
            yield from rows.batches(_listings(map(Owner._make, owners), folders, stores, left_out))
        finally:
            pool.shutdown(cancel_futures=True)
            stores.close()
    for part in (left_out, folders, stores, rows):
        part.report()


def _listings(
    owners: Iterable[Owner], folders: LocalFolders, stores: Stores, left_out: LeftOut
) -> Iterator[Listing]:
    """The listings of this machine first, while the others wait to be listed together."""
    others: list[Owner] = []
    yield from folders.listings(_here(owners, others))
    for found in stores.listings(others):
        if isinstance(found, Failed):
            left_out.note(found)
        else:
            yield found


def _here(owners: Iterable[Owner], others: list[Owner]) -> Iterator[Owner]:
    """Those of the owners whose artifacts are in folders of this machine; the ``others`` are put aside."""
    for owner in owners:
        if "\0" in owner.uri or local_path(owner.uri) is None:
            others.append(owner)
        else:
            yield owner
