"""Reads a file store to its end: ``python -m benchmarks.read_files ours|client FOLDER``.

``ours`` reads all of it, with the histories of metrics; ``client`` asks MLflow's own client for the runs, which
come with the latest points alone. Prints how many runs there were.
"""

from __future__ import annotations

import os
import sys


def ours(folder: str) -> int:
    """The number of runs that our own reading yields."""
    from mlflow2prov.sources.mlflow.file_store import read_file_store

    return sum(batch.num_rows for name, batch in read_file_store(folder) if name == "mlflow_run")


def client(folder: str) -> int:
    """The number of runs that ``MlflowClient.search_runs`` yields."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    store = MlflowClient(folder)
    experiments = [it.experiment_id for it in store.search_experiments(view_type=ViewType.ALL)]
    return len(store.search_runs(experiments, run_view_type=ViewType.ALL, max_results=50_000))


if __name__ == "__main__":
    print({"ours": ours, "client": client}[sys.argv[1]](sys.argv[2]))
