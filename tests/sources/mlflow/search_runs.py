"""Prints which runs MLflow's own client finds: argv[1] is a tracking URI, argv[2] a JSON list of filters.

Run as a program of its own, since importing MLflow warns. Of each filter, the identifiers of runs, or None where
MLflow refuses it.
"""

from __future__ import annotations

import json
import sys

if __name__ == "__main__":
    import mlflow
    from mlflow.entities import ViewType
    from mlflow.exceptions import MlflowException

    client = mlflow.MlflowClient(sys.argv[1])
    experiments = [it.experiment_id for it in client.search_experiments(view_type=ViewType.ALL)]
    found: list[list[str] | None] = []
    for text in json.loads(sys.argv[2]):
        try:
            runs = client.search_runs(experiments, text, ViewType.ALL, 50_000)
        except MlflowException:
            found.append(None)
        else:
            found.append(sorted(run.info.run_id for run in runs))
    print(json.dumps(found))
