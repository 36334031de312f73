"""Which commits, sources of code and datasets an MLflow store names: what a Git history is to be searched for."""

from __future__ import annotations

from mlflow2prov.prov.text import commit_name


def points_sql(run_tags: str, model_tags: str) -> str:
    """Return SQL of the commit, source and entry point of each, once, from the rows of tags.

    Args:
        run_tags: the table of runs' tags, or a query in brackets.
        model_tags: likewise of logged models.
    """
    value = "max(value) FILTER (key = '{}' AND value <> '')".format
    commit = commit_name(
        f"coalesce({value('mlflow.source.git.commit')}, {value('mlflow.databricks.gitRepoCommit')})"
    )
    return (
        f"SELECT commit, source, entry FROM (SELECT {commit} AS commit, "
        f"coalesce({value('mlflow.source.name')}, '') AS source, "
        f"coalesce({value('mlflow.project.entryPoint')}, '') AS entry FROM {run_tags} AS tag WHERE key IN "
        "('mlflow.source.git.commit', 'mlflow.databricks.gitRepoCommit', 'mlflow.source.name', "
        "'mlflow.project.entryPoint') GROUP BY run_id) WHERE commit IS NOT NULL "
        f"UNION SELECT {commit_name('value')}, '', '' FROM {model_tags} AS tag "
        "WHERE key = 'mlflow.source.git.commit' AND value <> ''"
    )


def datasets_of_runs_sql(tags: str, inputs: str, datasets: str) -> str:
    """Return SQL of the datasets of runs that name a commit, from rows of three tables.

    Its columns are those of :class:`mlflow2prov.sources.git_datasets.DatasetOfRun`.
    """
    value = "max(value) FILTER (key = '{}')".format
    commit = f"coalesce({value('mlflow.source.git.commit')}, {value('mlflow.databricks.gitRepoCommit')})"
    return (
        "SELECT DISTINCT c.commit, d.name, d.digest, coalesce(d.source, '') AS source "
        f"FROM (SELECT run_id, {commit_name(commit)} AS commit FROM {tags} AS tag "
        "WHERE key IN ('mlflow.source.git.commit', 'mlflow.databricks.gitRepoCommit') AND value <> '' "
        f"GROUP BY run_id) c JOIN {inputs} i ON i.run_id = c.run_id "
        f"JOIN {datasets} d ON d.name = i.name AND d.digest = i.digest"
    )
