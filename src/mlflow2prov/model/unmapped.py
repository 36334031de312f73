"""What the sources say that no event could take up: counted, and reported."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from mlflow2prov.graph.store import Store

log = logging.getLogger(__name__)

_OF_NO_RUN = "ANTI JOIN mlflow_run r ON r.run_id = t.run_id"
_OF_NO_MODEL = "ANTI JOIN mlflow_registered_model m ON m.workspace = t.workspace AND m.name = t.name"
_OF_NO_TRACE = "ANTI JOIN mlflow_trace r ON r.trace_id = t.trace_id"
_OF_NO_LOGGED_MODEL = "ANTI JOIN mlflow_logged_model m ON m.model_id = t.model_id"

UNMAPPED: tuple[tuple[str, str], ...] = (
    ("params of runs that the store does not have", f"mlflow_param t {_OF_NO_RUN}"),
    ("tags of runs that the store does not have", f"mlflow_tag t {_OF_NO_RUN}"),
    ("metric points of runs that the store does not have", f"mlflow_metric t {_OF_NO_RUN}"),
    ("dataset inputs of runs that the store does not have", f"mlflow_dataset_input t {_OF_NO_RUN}"),
    (
        "dataset inputs that name no known dataset",
        "mlflow_dataset_input t ANTI JOIN mlflow_dataset d ON d.name = t.name AND d.digest = t.digest",
    ),
    ("versions of models that the registry does not have", f"mlflow_model_version t {_OF_NO_MODEL}"),
    ("tags of models that the registry does not have", f"mlflow_registered_model_tag t {_OF_NO_MODEL}"),
    (
        "tags of model versions that the registry does not have",
        "mlflow_model_version_tag t ANTI JOIN mlflow_model_version v "
        "ON v.workspace = t.workspace AND v.name = t.name AND v.version = t.version",
    ),
    (
        "aliases of versions that the registry does not have",
        "mlflow_registered_model_alias t ANTI JOIN mlflow_model_version v "
        "ON v.workspace = t.workspace AND v.name = t.name AND v.version = t.version",
    ),
    (
        "tags of experiments that the store does not have",
        "mlflow_experiment_tag t ANTI JOIN mlflow_experiment e ON e.experiment_id = t.experiment_id",
    ),
    (
        "params of logged models that the store does not have",
        f"mlflow_logged_model_param t {_OF_NO_LOGGED_MODEL}",
    ),
    (
        "tags of logged models that the store does not have",
        f"mlflow_logged_model_tag t {_OF_NO_LOGGED_MODEL}",
    ),
    (
        "metric points of logged models that the store does not have",
        f"mlflow_logged_model_metric t {_OF_NO_LOGGED_MODEL}",
    ),
    (
        "metric points without a value, a step or a time",
        "mlflow_metric WHERE value IS NULL OR step IS NULL OR timestamp_ms IS NULL",
    ),
    (
        "metric points of logged models without a value, a step or a time",
        "mlflow_logged_model_metric WHERE value IS NULL OR step IS NULL OR timestamp_ms IS NULL",
    ),
    (
        "logged models that runs took in and that the store does not have",
        f"mlflow_model_link t {_OF_NO_LOGGED_MODEL} WHERE t.direction = 'input'",
    ),
    (
        "logged models that runs put out and that another run made, or the store does not have",
        "mlflow_model_link t LEFT JOIN mlflow_logged_model m ON m.model_id = t.model_id "
        "WHERE t.direction = 'output' AND m.source_run_id IS DISTINCT FROM t.run_id",
    ),
    (
        "links from runs and logged models to versions of prompts that the registry does not have",
        "linked_prompts WHERE version_ref IS NULL AND EXISTS (FROM mlflow_model_version)",
    ),
    ("tags of traces that the store does not have", f"mlflow_trace_tag t {_OF_NO_TRACE}"),
    (
        "spans of traces that lie elsewhere than in the store",
        "mlflow_trace t ANTI JOIN mlflow_span s ON s.trace_id = t.trace_id",
    ),
    ("spans of traces that the store does not have", f"mlflow_span t {_OF_NO_TRACE}"),
    ("assessments of traces that the store does not have", f"mlflow_assessment t {_OF_NO_TRACE}"),
    (
        "traces of runs that the store does not have",
        "trace_facts t ANTI JOIN mlflow_run r ON r.run_id = t.run_id WHERE t.run_id IS NOT NULL",
    ),
    (
        "traces of logged models that the store does not have",
        f"trace_facts t {_OF_NO_LOGGED_MODEL} WHERE t.model_id IS NOT NULL AND EXISTS (FROM mlflow_logged_model)",
    ),
    (
        "links from traces to versions of prompts that the registry does not have",
        "traced_prompts WHERE version_ref IS NULL AND EXISTS (FROM mlflow_model_version)",
    ),
    (
        "links from evaluation datasets to experiments that the store does not have",
        "mlflow_evaluation_dataset_link t ANTI JOIN mlflow_experiment e ON e.experiment_id = t.experiment_id",
    ),
    (
        "runs of experiments that the store does not have",
        "mlflow_run t ANTI JOIN mlflow_experiment e ON e.experiment_id = t.experiment_id",
    ),
    (
        "links from model versions to the model that their source names, which is not known",
        "model_versions t ANTI JOIN version_sources s ON s.version_ref = t.version_ref WHERE t.source IS NOT NULL",
    ),
    (
        "links from runs of known commits to the file that they ran, which is not in the commit's tree",
        "git_entry_point WHERE candidates = 0 AND source <> ''",
    ),
    (
        "links from runs of known commits to the file that they ran, since several could be meant",
        "git_entry_point WHERE candidates > 1",
    ),
    (
        "runs nested in runs that the store does not have",
        "run_facts t ANTI JOIN mlflow_run r ON r.run_id = t.parent_run_id WHERE t.parent_run_id IS NOT NULL",
    ),
    (
        "runs of commits that the repository does not have",
        "run_facts t ANTI JOIN git_commit c ON c.commit = t.source_git_commit "
        "WHERE t.source_git_commit IS NOT NULL AND EXISTS (FROM git_repository)",
    ),
)
"""What is counted, and the rows that are."""


UNFINISHED: tuple[tuple[str, str], ...] = (
    (
        "runs that are still running, whose end is left open and whose later points will be missing",
        "mlflow_run WHERE status IN ('RUNNING', 'SCHEDULED') AND end_ms IS NULL AND lifecycle_stage = 'active'",
    ),
    (
        "stores without any run or model",
        "mlflow_store WHERE NOT EXISTS (FROM mlflow_run) AND NOT EXISTS (FROM mlflow_registered_model) "
        "AND NOT EXISTS (FROM mlflow_logged_model)",
    ),
)
"""What a person should know of the state in which the sources were read."""


READ_BY_COUNTS = " ".join(rows for _, rows in (*UNMAPPED, *UNFINISHED))
"""The SQL of all that is counted, which reads the rows of events."""


def report_unmapped(store: Store, sources: str) -> dict[str, int]:
    """Count what no event took up, in the schema that was expanded; log a warning for each sort.

    Returns:
        The counts that are not zero.
    """
    counts = count_unmapped(store, sources)
    report_counts(counts)
    return {what: count for what, count in counts.items() if count}


def count_unmapped(store: Store, sources: str) -> dict[str, int]:
    """Return how much of each sort no event took up, in the schema that was expanded."""
    cursor = store.cursor()
    try:
        cursor.execute(f"SET search_path = '{sources}'")
        counts = [
            f"SELECT {number}, (SELECT count(*) FROM {rows})"
            for number, (_, rows) in enumerate((*UNMAPPED, *UNFINISHED))
        ]
        found = dict(cursor.execute(" UNION ALL ".join(counts)).fetchall())
    finally:
        cursor.close()
    return {what: int(found[number]) for number, (what, _) in enumerate((*UNMAPPED, *UNFINISHED))}


def report_counts(counts: Mapping[str, int]) -> None:
    """Log a warning for each sort of which there is any."""
    for declared, opening in ((UNMAPPED, "left out"), (UNFINISHED, "found")):
        for what, _ in declared:
            if counts.get(what):
                log.warning("%s: %s (%s)", opening, what, f"{counts[what]:,}")
