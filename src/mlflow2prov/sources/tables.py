"""The source tables: every plain fact that a source may yield, declared once.

A source yields ``(table name, pyarrow.RecordBatch)`` pairs whose batches have exactly the columns
declared here, in this order. Whichever way a fact was read (HTTP, database, files), it lands in the
same table, so that nothing behind the sources can tell the ways apart.

Units are in the names: ``_ms`` is milliseconds and ``_s`` seconds since 1970-01-01T00:00:00Z,
``_bytes`` a size. What a source does not know is NULL.
"""

from __future__ import annotations

from mlflow2prov.sources.table_kinds import Batches, Kind, Table
from mlflow2prov.sources.tables_git import GIT
from mlflow2prov.sources.tables_mlflow import MLFLOW

__all__ = ["KEYS", "SOURCE_TABLES", "Batches", "Kind", "Table"]

SOURCE_TABLES: dict[str, Table] = {table.name: table for table in (*GIT, *MLFLOW)}
"""Every source table by its name."""

_PATH = ("owner", "owner_id", "path", "path_bytes")

KEYS: dict[str, tuple[str, ...]] = {
    "mlflow_experiment": ("experiment_id",),
    "mlflow_experiment_tag": ("experiment_id", "key"),
    "mlflow_run": ("run_id",),
    "mlflow_param": ("run_id", "key"),
    "mlflow_tag": ("run_id", "key"),
    "mlflow_logged_model": ("model_id",),
    "mlflow_logged_model_param": ("model_id", "key"),
    "mlflow_logged_model_tag": ("model_id", "key"),
    "mlflow_registered_model": ("workspace", "name"),
    "mlflow_registered_model_tag": ("workspace", "name", "key"),
    "mlflow_registered_model_alias": ("workspace", "name", "alias", "version"),
    "mlflow_model_version": ("workspace", "name", "version"),
    "mlflow_model_version_tag": ("workspace", "name", "version", "key"),
    "mlflow_artifact": _PATH,
    "mlflow_model_file": _PATH,
}
"""The columns that name a row, of the tables in which a name stands for one thing; no store guarantees it
(a database may have lost its keys, a server may say anything, names may differ by a credential alone)."""
