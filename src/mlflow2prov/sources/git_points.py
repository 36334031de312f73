"""Which commits and sources of code an MLflow store names: what a Git history is to be searched for."""

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
