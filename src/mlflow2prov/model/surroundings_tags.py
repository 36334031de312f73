"""Which tags of a run tell where it was executed and by whom: declared tables, read by SQL.

MLflow sets the ``mlflow.*`` tags itself. The variables of CI systems come as tags through
``MLFLOW_RUN_CONTEXT`` or by hand, in any spelling: ``GITHUB_RUN_ID`` and ``github.run_id`` are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CISystem:
    """A system that runs jobs, and the variables by which its jobs tell of themselves.

    Attributes:
        name: of the system.
        signs: variables of which one at least has to be there for it to be this system's job.
        fields: for each fact the variables that tell it, best first. The facts are ``job_id``,
            ``attempt``, ``job_name``, ``url``, ``server``, ``repository``, and of the person who set
            the job off ``login``, ``email``, ``full_name``.
    """

    name: str
    signs: tuple[str, ...]
    fields: Mapping[str, tuple[str, ...]]


CI_FIELDS = (
    "job_id",
    "attempt",
    "job_name",
    "url",
    "server",
    "repository",
    "login",
    "email",
    "full_name",
)

CI_SYSTEMS: tuple[CISystem, ...] = (
    CISystem(
        name="GitHub Actions",
        signs=("GITHUB_RUN_ID",),
        fields={
            "job_id": ("GITHUB_RUN_ID",),
            "attempt": ("GITHUB_RUN_ATTEMPT",),
            "job_name": ("GITHUB_JOB",),
            "url": ("GITHUB_RUN_URL",),
            "server": ("GITHUB_SERVER_URL",),
            "repository": ("GITHUB_REPOSITORY",),
            "login": ("GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"),
        },
    ),
    CISystem(
        name="GitLab CI",
        signs=("CI_JOB_ID", "CI_JOB_URL"),
        fields={
            "job_id": ("CI_JOB_ID",),
            "job_name": ("CI_JOB_NAME",),
            "url": ("CI_JOB_URL",),
            "server": ("CI_SERVER_URL",),
            "repository": ("CI_PROJECT_PATH",),
            "login": ("GITLAB_USER_LOGIN",),
            "email": ("GITLAB_USER_EMAIL",),
            "full_name": ("GITLAB_USER_NAME",),
        },
    ),
    CISystem(
        name="Jenkins",
        signs=("BUILD_URL", "JENKINS_URL"),
        fields={
            "job_id": ("BUILD_NUMBER", "BUILD_ID"),
            "job_name": ("JOB_NAME",),
            "url": ("BUILD_URL",),
            "server": ("JENKINS_URL",),
            "login": ("BUILD_USER_ID",),
            "email": ("BUILD_USER_EMAIL",),
            "full_name": ("BUILD_USER",),
        },
    ),
)
"""The systems whose jobs are recognised."""

USER_TAGS: tuple[Mapping[str, tuple[str, ...]], ...] = (
    {"email": ("USER_EMAIL",), "username": ("USER", "USERNAME", "USER_NAME", "USER_ID")},
    {"email": ("AUTHOR_EMAIL",), "username": ("AUTHOR", "AUTHOR_NAME")},
    {"email": ("CREATED_BY_EMAIL",), "username": ("CREATED_BY",)},
)
"""Tags that people set by hand to name a person; each mapping is about one person."""

DATABRICKS_TAGS: Mapping[str, tuple[str, ...]] = {
    "notebook_id": ("mlflow.databricks.notebookID",),
    "notebook_path": ("mlflow.databricks.notebookPath",),
    "revision_id": ("mlflow.databricks.notebookRevisionID",),
    "job_id": ("mlflow.databricks.jobID",),
    "job_run_id": ("mlflow.databricks.jobRunID",),
    "job_type": ("mlflow.databricks.jobType", "mlflow.databricks.jobTypeInfo"),
    "shell_job_id": ("mlflow.databricks.shellJobID",),
    "shell_job_run_id": ("mlflow.databricks.shellJobRunID",),
    "workspace_id": ("mlflow.databricks.workspaceID",),
    "workspace_url": ("mlflow.databricks.workspaceURL", "mlflow.databricks.webappURL"),
}
"""What Databricks tells of a run in tags, by the facts; the cluster is told in `events_mlflow`."""


def rows_of(facts: Iterable[tuple[str, Mapping[str, tuple[str, ...]]]]) -> str:
    """Return the SQL of rows (group, field, place, key), one for each key of each fact of each group.

    >>> rows_of([("x", {"login": ("A", "B")})])
    "VALUES ('x', 'login', 0, 'A'), ('x', 'login', 1, 'B')"
    """
    rows = [
        f"('{group}', '{field}', {place}, '{key}')"
        for group, fields in facts
        for field, keys in fields.items()
        for place, key in enumerate(keys)
    ]
    return f"VALUES {', '.join(rows)}"
