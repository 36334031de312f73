"""Without rows of which tables, or of which other events, an event has no rows either.

An interpreter that knows this need not look at such an event, which is most of what it costs to expand the
few rows of a small change. What is not listed is always looked at. Models and versions that logged models
alone still tell of are left out here: where there is any such, no graph is changed by parts that it is in.
"""

from __future__ import annotations

from collections.abc import Mapping

DRIVEN: Mapping[str, tuple[str, ...]] = {
    "run_facts": ("mlflow_run",),
    "model_facts": ("mlflow_logged_model",),
    "imports": ("git_import",),
    "imported_modules": ("imports",),
    "model_code": ("logged_models", "commits"),
    "ci_facts": ("mlflow_tag",),
    "tagged_users": ("mlflow_tag",),
    "trace_counts": ("mlflow_trace_count",),
    "trace_facts": ("mlflow_trace",),
    "windows": ("mlflow_change",),
    "commits": ("git_commit",),
    "parents": ("git_parent",),
    "trailers": ("git_trailer",),
    "source_trees": ("commits",),
    "source_folders": ("git_folder",),
    "tree_members": ("git_member",),
    "files": ("git_revision",),
    "revisions": ("git_revision",),
    "derivations": ("git_derivation",),
    "previous_revisions": ("derivations",),
    "deletions": ("git_deletion",),
    "file_deletions": ("deletions",),
    "branches": ("git_ref",),
    "tags": ("git_ref",),
    "data_revisions": ("git_data",),
    "contents": ("data_revisions",),
    "data_contents": ("data_revisions",),
    "data_links": ("data_revisions",),
    "stage_runs": ("git_stage_run",),
    "stage_data": ("git_stage_data",),
    "stage_derivations": ("stage_data",),
    "dataset_places": ("git_dataset_match",),
    "dataset_matches": ("dataset_places",),
    "data_inputs": ("dataset_places",),
    "experiments": ("mlflow_experiment",),
    "experiment_tags": ("mlflow_experiment_tag",),
    "runs": ("mlflow_run",),
    "nested_runs": ("runs",),
    "params": ("mlflow_param",),
    "run_tags": ("mlflow_tag",),
    "metric_series": ("mlflow_metric",),
    "metrics": ("metric_series",),
    "artifacts": ("mlflow_artifact",),
    "model_artifacts": ("mlflow_model_file",),
    "datasets": ("mlflow_dataset",),
    "dataset_inputs": ("mlflow_dataset_input",),
    "all_artifacts": ("artifacts",),
    "dataset_artifacts": ("datasets", "artifacts"),
    "logged_models": ("mlflow_logged_model",),
    "logged_model_params": ("mlflow_logged_model_param",),
    "logged_model_tags": ("mlflow_logged_model_tag",),
    "logged_model_metrics": ("mlflow_logged_model_metric",),
    "metric_datasets": ("logged_model_metrics", "datasets"),
    "logged_model_files": ("mlflow_artifact", "logged_models"),
    "training_data": ("logged_models", "datasets"),
    "model_inputs": ("mlflow_model_link",),
    "environment_uses": ("mlflow_model_file",),
    "environments": ("environment_uses",),
    "environments_used": ("environment_uses",),
    "environment_members": ("environment_uses",),
    "stored_at": ("mlflow_model_version",),
    "registered_before": ("mlflow_logged_model_tag",),
    "made_of": ("mlflow_model_version",),
    "renamed_models": ("registered_before",),
    "unexplained_versions": ("registered_before",),
    "recovered_versions": ("unexplained_versions",),
    "lost_models": ("unexplained_versions",),
    "told_versions": ("mlflow_model_version",),
    "registered_models": ("mlflow_registered_model",),
    "registered_model_tags": ("mlflow_registered_model_tag",),
    "model_versions": ("mlflow_model_version",),
    "model_version_tags": ("mlflow_model_version_tag",),
    "version_sources": ("model_versions",),
    "aliases": ("mlflow_registered_model_alias",),
    "docker_facts": ("mlflow_tag",),
    "container_images": ("docker_facts",),
    "container_uses": ("docker_facts",),
    "databricks_facts": ("mlflow_tag",),
    "notebooks": ("databricks_facts",),
    "notebook_uses": ("notebooks",),
    "job_facts": ("databricks_facts",),
    "jobs": ("job_facts",),
    "job_executions": ("job_facts",),
    "ci_people": ("ci_facts",),
    "ci_jobs": ("ci_facts",),
    "ci_executions": ("ci_facts",),
    "tagged_executions": ("tagged_users",),
    "evaluation_datasets": ("mlflow_evaluation_dataset",),
    "evaluation_dataset_tags": ("mlflow_evaluation_dataset_tag",),
    "evaluation_dataset_members": ("mlflow_evaluation_dataset_link",),
    "evaluated_datasets": ("datasets", "evaluation_datasets"),
    "traces": ("mlflow_trace",),
    "traced_prompts": ("mlflow_trace_tag",),
    "spans": ("mlflow_span",),
    "span_starts": ("spans",),
    "assessment_facts": ("mlflow_assessment",),
    "assessors": ("assessment_facts",),
    "assessments": ("mlflow_assessment",),
    "overrides": ("assessments",),
    "former_states": ("mlflow_change",),
    "former_aliases": ("mlflow_change",),
    "alias_revisions": ("former_aliases",),
    "forgotten_registered_models": ("windows",),
    "forgotten_evaluation_datasets": ("windows",),
    "repositories": ("git_repository",),
    "stores": ("mlflow_store",),
}
"""By the name of an event: each of these has rows where the event has any."""

DRIVEN_BY_ANY: Mapping[str, tuple[str, ...]] = {
    "linked_prompts": ("mlflow_tag", "mlflow_logged_model_tag"),
    "work_tree_diffs": ("mlflow_tag", "mlflow_logged_model_tag"),
}
"""By the name of an event: one of these at least has rows where the event has any."""


def has_no_rows(name: str, empty: set[str]) -> bool:
    """Return whether an event has no rows where these tables and events have none.

    >>> has_no_rows("runs", {"mlflow_run"}), has_no_rows("linked_prompts", {"mlflow_tag"})
    (True, False)
    """
    any_of = DRIVEN_BY_ANY.get(name)
    if any_of is not None and empty.issuperset(any_of):
        return True
    return not empty.isdisjoint((name, *DRIVEN.get(name, ())))
