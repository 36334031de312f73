"""The events of an MLflow store's experiments and runs (``provenance-model``, part MLflow)."""

from __future__ import annotations

from dataclasses import replace

from mlflow2prov.model.declare import (
    Element,
    Event,
    Relation,
    associated,
    attributed,
    generated,
    informed,
    instant_ms,
    integer,
    invalidated,
    member,
    text,
    used,
)
from mlflow2prov.model.elements import (
    creation,
    deletion,
    metric_element,
    param_element,
    tag_element,
)
from mlflow2prov.model.events_code import LOWER_BOUND
from mlflow2prov.model.events_surroundings import SURROUNDING_FACTS
from mlflow2prov.model.events_traces import TRACE_FACTS_OF_PEOPLE

MODEL_FACTS = Event(
    name="model_facts",
    doc="What a logged model says of the code that it came out of.",
    rows="""
        SELECT model_id, source_run_id,
               coalesce(g.commit, commit_name(present(source_git_commit))) AS source_git_commit,
               CASE lower(is_dirty) WHEN 'true' THEN 'dirty' WHEN 'false' THEN 'clean' END AS work_tree
        FROM mlflow_logged_model m
        LEFT JOIN git_abbreviation g ON g.abbreviation = commit_name(m.source_git_commit)
        WHERE source_git_commit IS NOT NULL OR is_dirty IS NOT NULL
    """,
)

RUN_FACTS = Event(
    name="run_facts",
    doc="What a run's system tags say of it; the user is its tag, else the one that the store recorded.",
    rows="""
        WITH said AS (
            SELECT run_id,
                   max(value) FILTER (key = 'mlflow.user') AS tagged_user,
                   max(value) FILTER (key = 'mlflow.note.content') AS note,
                   max(value) FILTER (key = 'mlflow.source.type') AS source_type,
                   max(value) FILTER (key = 'mlflow.source.name') AS source_name,
                   max(value) FILTER (key = 'mlflow.project.entryPoint' AND value <> '') AS source_entry_point,
                   max(lower(value)) FILTER (key = 'mlflow.source.git.dirty') AS is_dirty,
                   commit_name(coalesce(max(value) FILTER (key = 'mlflow.source.git.commit' AND value <> ''),
                                        max(value) FILTER (key = 'mlflow.databricks.gitRepoCommit' AND value <> '')))
                       AS source_git_commit,
                   max(value) FILTER (key = 'mlflow.source.git.branch') AS source_git_branch,
                   coalesce(max(value) FILTER (key = 'mlflow.source.git.repoURL'),
                            max(value) FILTER (key = 'mlflow.databricks.gitRepoUrl')) AS source_git_repo_url,
                   max(value) FILTER (key = 'mlflow.parentRunId') AS parent_run_id,
                   max(value) FILTER (key = 'mlflow.databricks.cluster.id') AS cluster_id,
                   max(value) FILTER (key = 'mlflow.databricks.cluster.info') AS cluster_info,
                   max(value) FILTER (key = 'mlflow.databricks.cluster.libraries') AS cluster_libraries
            FROM mlflow_tag WHERE starts_with(key, 'mlflow.') GROUP BY run_id
        ), told AS (
            SELECT said.* REPLACE (coalesce(g.commit, source_git_commit) AS source_git_commit)
            FROM said LEFT JOIN git_abbreviation g ON g.abbreviation = said.source_git_commit
        ), of_models AS (
            SELECT source_run_id AS run_id, source_git_commit, max(work_tree) AS work_tree
            FROM model_facts WHERE work_tree IS NOT NULL GROUP BY ALL
        )
        SELECT r.run_id, told.* EXCLUDE (run_id),
               CASE is_dirty WHEN 'true' THEN 'dirty' WHEN 'false' THEN coalesce(of_models.work_tree, 'clean')
                    ELSE coalesce(of_models.work_tree, 'unknown') END AS work_tree,
               nullif(coalesce(present(trim(tagged_user)), present(trim(r.user_id))), 'unknown') AS username
        FROM mlflow_run r LEFT JOIN told ON told.run_id = r.run_id
        LEFT JOIN of_models ON of_models.run_id = r.run_id AND of_models.source_git_commit = told.source_git_commit
    """,
)

USERS = Event(
    name="mlflow_user",
    doc="Every user name that the store knows.",
    rows="""
        SELECT username FROM run_facts
        UNION SELECT value FROM mlflow_experiment_tag WHERE key = 'mlflow.user'
        UNION SELECT value FROM mlflow_registered_model_tag WHERE key = 'mlflow.user'
        UNION SELECT value FROM mlflow_model_version_tag WHERE key = 'mlflow.user'
        UNION SELECT value FROM mlflow_logged_model_tag WHERE key = 'mlflow.user'
        UNION SELECT user_id FROM mlflow_model_version
        UNION SELECT username FROM tagged_users
        UNION SELECT username FROM trace_facts
        UNION SELECT nullif(trim(source_id), 'default') FROM mlflow_assessment WHERE source_type = 'HUMAN'
        UNION SELECT created_by FROM mlflow_evaluation_dataset
    """,
)

EXPERIMENTS = Event(
    name="experiments",
    doc="Experiment addition and deletion.",
    rows="""
        SELECT e.*, p.person_ref AS user_ref, moment_ms(e.created_ms) AS created, n.traces,
               g.not_before_ms, g.not_after_ms, g.forgotten_ms,
               CASE WHEN e.lifecycle_stage = 'deleted' THEN moment_ms(e.last_updated_ms) END AS deleted
        FROM mlflow_experiment e
        LEFT JOIN mlflow_experiment_tag t ON t.experiment_id = e.experiment_id AND t.key = 'mlflow.user'
        LEFT JOIN people p ON p.person_key = person(NULL, t.value, NULL)
        LEFT JOIN trace_counts n ON n.owner = 'experiment' AND n.owner_id = e.experiment_id
        LEFT JOIN windows g ON g.kind = 'experiment' AND g.owner_id = e.experiment_id
        ORDER BY length(e.experiment_id), e.experiment_id
    """,
    elements={
        "experiment_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("Experiment", "experiment_id"),
            types=("m2p:Experiment", "prov:Collection"),
            label="coalesce(present(name), concat('experiment ', experiment_id))",
            attributes={
                "experiment_id": text("experiment_id", always=True),
                "name": text("name"),
                "artifact_location": text("present(artifact_location)"),
                "lifecycle_stage": text("lifecycle_stage"),
                "created_at": instant_ms("created_ms"),
                "last_updated": instant_ms("last_updated_ms"),
                "trace_count": integer("traces"),
            },
        ),
        "creation_ref": creation(
            "experiment", "experiment_id", "experiment_id", start="created", end="created"
        ),
        "deletion_ref": deletion(
            "experiment",
            "experiment_id",
            "experiment_id",
            time="deleted",
            at="last_updated_ms",
            when="lifecycle_stage = 'deleted' OR forgotten_ms IS NOT NULL",
        ),
    },
    relations=(
        generated("experiment_ref", "creation_ref", "AddedExperiment", "created"),
        attributed("experiment_ref", "user_ref"),
        associated("creation_ref", "user_ref", "ExperimentAuthor"),
        invalidated("experiment_ref", "deletion_ref", "DeletedExperiment", "deleted"),
    ),
)

EXPERIMENT_TAGS = Event(
    name="experiment_tags",
    doc="The tags of an experiment come and go with it.",
    rows="""
        SELECT t.*, e.experiment_ref, e.creation_ref, e.deletion_ref, e.deleted, e.user_ref
        FROM mlflow_experiment_tag t JOIN experiments e ON e.experiment_id = t.experiment_id
        ORDER BY e.experiment_ref, t.key
    """,
    elements={"tag_ref": tag_element("ExperimentTag", "experiment_id")},
    relations=(
        generated("tag_ref", "creation_ref", "AddedExperimentTag"),
        member("experiment_ref", "tag_ref"),
        attributed("tag_ref", "user_ref"),
        invalidated("tag_ref", "deletion_ref", "DeletedExperiment", "deleted"),
    ),
)

RUNS = Event(
    name="runs",
    doc="Run addition and deletion, and the commit, tree and file that it ran.",
    rows="""
        SELECT r.*, part(r.run_id) AS run_part, f.* EXCLUDE (run_id), e.experiment_ref, p.person_ref AS user_ref,
               c.commit_ref, t.tree_ref, v.revision_ref AS entry_ref, v.path_key AS entry_key,
               w.revision_ref AS project_ref,
               x.candidates, n.traces, g.not_before_ms, g.not_after_ms, g.forgotten_ms,
               moment_ms(r.start_ms) AS started, moment_ms(r.end_ms) AS ended,
               CASE WHEN r.lifecycle_stage = 'deleted' THEN moment_ms(r.deleted_ms) END AS deleted
        FROM mlflow_run r
        JOIN run_facts f ON f.run_id = r.run_id
        LEFT JOIN experiments e ON e.experiment_id = r.experiment_id
        LEFT JOIN people p ON p.person_key = person(NULL, f.username, NULL)
        LEFT JOIN commits c ON c.commit = f.source_git_commit
        LEFT JOIN source_trees t ON t.commit = f.source_git_commit
        LEFT JOIN git_entry_point x ON x.commit = f.source_git_commit AND x.source = coalesce(f.source_name, '')
            AND x.entry = coalesce(f.source_entry_point, '')
        LEFT JOIN revisions v ON v.commit = x.revision_commit AND v.path_key = path_part(x.path, x.path_bytes)
        LEFT JOIN revisions w ON w.commit = x.project_commit
            AND w.path_key = path_part(x.project_path, x.project_path_bytes)
        LEFT JOIN trace_counts n ON n.owner = 'run' AND n.owner_id = r.run_id
        LEFT JOIN windows g ON g.kind = 'run' AND g.owner_id = r.run_id
        ORDER BY r.run_id
    """,
    elements={
        "run_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("Run", "run_id"),
            types=("m2p:Run", "prov:Collection"),
            label="coalesce(present(name), concat('run ', left(run_id, 8)))",
            attributes={
                "run_id": text("run_id", always=True),
                "name": text("present(name)"),
                "status": text("status"),
                "lifecycle_stage": text("lifecycle_stage"),
                "artifact_uri": text("present(artifact_uri)"),
                "note": text("note"),
                "source_type": text("source_type"),
                "source_name": text("source_name"),
                "source_entry_point": text("source_entry_point"),
                "source_git_commit": text("source_git_commit"),
                "source_git_branch": text("source_git_branch"),
                "source_git_repo_url": text("source_git_repo_url"),
                "unresolved_source": text("CASE WHEN candidates > 1 THEN source_name END"),
                "work_tree": text("work_tree", always=True),
                "trace_count": integer("traces"),
                "cluster_id": text("present(cluster_id)"),
                "cluster_info": text("present(cluster_info)"),
                "cluster_libraries": text("present(cluster_libraries)"),
            },
        ),
        "creation_ref": creation("run", "run_id", "run_id", start="started", end="ended"),
        "deletion_ref": deletion(
            "run",
            "run_id",
            "run_id",
            time="deleted",
            at="deleted_ms",
            when="lifecycle_stage = 'deleted' OR forgotten_ms IS NOT NULL",
        ),
    },
    relations=(
        generated("run_ref", "creation_ref", "AddedRun", "started"),
        attributed("run_ref", "user_ref"),
        associated("creation_ref", "user_ref", "RunAuthor", plan="entry_ref"),
        member("experiment_ref", "run_ref"),
        informed("creation_ref", "commit_ref"),
        replace(used("creation_ref", "tree_ref", "SourceCode"), attributes=LOWER_BOUND),
        replace(used("creation_ref", "entry_ref", "EntryPoint"), attributes=LOWER_BOUND),
        replace(used("creation_ref", "project_ref", "ProjectFile"), attributes=LOWER_BOUND),
        invalidated("run_ref", "deletion_ref", "DeletedRun", "deleted"),
    ),
)

NESTED_RUNS = Event(
    name="nested_runs",
    doc="A run was started by the run that it is nested in.",
    rows="""
        SELECT c.run_ref, c.creation_ref, p.run_ref AS parent_ref, p.creation_ref AS parent_creation_ref
        FROM runs c JOIN runs p ON p.run_id = c.parent_run_id AND p.run_id <> c.run_id
        ORDER BY c.run_ref
    """,
    relations=(
        Relation(kind="wasStartedBy", arguments=("creation_ref", "parent_ref", "parent_creation_ref")),
        member("parent_ref", "run_ref"),
    ),
)


def run_member(entity: str, time: str | None = None) -> tuple[Relation, ...]:
    """What every member of a run has: it comes with the run, belongs to its user, goes with the run."""
    return (
        generated(entity, "creation_ref", "AddedRun", time),
        member("run_ref", entity),
        attributed(entity, "user_ref"),
        invalidated(entity, "deletion_ref", "DeletedRun", "deleted"),
    )


RUN_COLUMNS = "r.run_part, r.run_ref, r.creation_ref, r.deletion_ref, r.user_ref, r.deleted"
"""The columns of `runs` that :func:`run_member` needs."""

SAFE_VALUE = "CASE WHEN t.key = 'mlflow.source.git.diff' THEN without_secrets(t.value) ELSE t.value END"
"""The value of a tag ``t``; of a diff, what may be told of it."""

PARAMS = Event(
    name="params",
    doc="The parameters of a run.",
    rows=f"""
        SELECT p.*, {RUN_COLUMNS} FROM mlflow_param p JOIN runs r ON r.run_id = p.run_id
        ORDER BY r.run_ref, p.key
    """,
    elements={"param_ref": param_element("=run_part")},
    relations=run_member("param_ref"),
)

RUN_TAGS = Event(
    name="run_tags",
    doc="The tags of a run.",
    rows=f"""
        SELECT t.* REPLACE ({SAFE_VALUE} AS value), {RUN_COLUMNS} FROM mlflow_tag t JOIN runs r ON r.run_id = t.run_id
        ORDER BY r.run_ref, t.key
    """,
    elements={"tag_ref": tag_element("RunTag", "=run_part")},
    relations=run_member("tag_ref"),
)

METRIC_SERIES = Event(
    name="metric_series",
    doc="The metrics of a run, each one a series of points.",
    rows=f"""
        SELECT m.run_id, m.key, part(m.key) AS key_part, shown(m.key) AS key_shown,
               starts_with(m.key, 'system/') AS is_system, {RUN_COLUMNS}
        FROM (SELECT DISTINCT run_id, key FROM mlflow_metric) m JOIN runs r ON r.run_id = m.run_id
        ORDER BY r.run_ref, m.key
    """,
)

METRICS = Event(
    name="metrics",
    doc="A metric's point is generated at its own time.",
    rows="""
        SELECT point.*, series <> lead(series, 1, -1::BIGINT) OVER () AS is_latest,
               double_text(value) AS value_text, moment_ms(timestamp_ms) AS logged
        FROM (
            SELECT DISTINCT s.n AS series, m.step, m.timestamp_ms, m.value
            FROM mlflow_metric m JOIN metric_series s ON s.run_id = m.run_id AND s.key = m.key
            WHERE m.value IS NOT NULL AND m.step IS NOT NULL AND m.timestamp_ms IS NOT NULL
            ORDER BY series, step, timestamp_ms, CASE WHEN isnan(value) THEN 0 ELSE value END, value
        ) point
    """,
    view="SELECT p.*, s.* EXCLUDE (n) FROM {rows} p JOIN metric_series s ON s.n = p.series",
    elements={"metric_ref": metric_element("=run_part", shown="key_shown", is_system="is_system")},
    relations=run_member("metric_ref", "logged"),
)

FACTS = (MODEL_FACTS, RUN_FACTS, *SURROUNDING_FACTS, *TRACE_FACTS_OF_PEOPLE, USERS)
"""What the people of all sources are found from: expanded before them."""

RUN_EVENTS = (
    EXPERIMENTS,
    EXPERIMENT_TAGS,
    RUNS,
    NESTED_RUNS,
    PARAMS,
    RUN_TAGS,
    METRIC_SERIES,
    METRICS,
)
"""In an order in which each reads only rows of those before it."""
