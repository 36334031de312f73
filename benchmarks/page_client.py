"""Pages through the runs of any store with MLflow's own client: ``python -m benchmarks.page_client URI``.

It takes pages of 1,000 runs of all experiments; runs come with the latest points of their metrics alone. Prints
how many runs there were.
"""

from __future__ import annotations

import os
import sys

PAGE_RUNS = 1_000


def paged(uri: str) -> int:
    """The number of runs that ``MlflowClient.search_runs`` yields, page by page."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiments = [it.experiment_id for it in client.search_experiments(view_type=ViewType.ALL)]
    count, token = 0, None
    while True:
        page = client.search_runs(
            experiments, run_view_type=ViewType.ALL, max_results=PAGE_RUNS, page_token=token
        )
        count += len(page)
        token = page.token
        if not token:
            return count


if __name__ == "__main__":
    print(paged(sys.argv[1]))
