"""The events of an MLflow store's experiments and runs (``provenance-model``, part MLflow)."""

from __future__ import annotations

from mlflow2prov.model.declare import (
    Element,
    Event,
    Relation,
    alternate,
    associated,
    attributed,
    generated,
    informed,
    instant_ms,
    invalidated,
    lexical,
    member,
    specialization,
    text,
    used,
)
from mlflow2prov.model.elements import (
    artifact_element,
    creation,
    deletion,
    metric_element,
    param_element,
    tag_element,
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
                   lower(max(value) FILTER (key = 'mlflow.source.git.commit' AND value <> '')) AS source_git_commit,
                   max(value) FILTER (key = 'mlflow.source.git.branch') AS source_git_branch,
                   max(value) FILTER (key = 'mlflow.source.git.repoURL') AS source_git_repo_url,
                   max(value) FILTER (key = 'mlflow.parentRunId') AS parent_run_id
            FROM mlflow_tag WHERE starts_with(key, 'mlflow.') GROUP BY run_id
        )
        SELECT r.run_id, said.* EXCLUDE (run_id),
               nullif(coalesce(present(trim(tagged_user)), present(trim(r.user_id))), 'unknown') AS username
        FROM mlflow_run r LEFT JOIN said ON said.run_id = r.run_id
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
    """,
)

EXPERIMENTS = Event(
    name="experiments",
    doc="Experiment addition and deletion.",
    rows="""
        SELECT e.*, p.person_ref AS user_ref, moment_ms(e.created_ms) AS created,
               CASE WHEN e.lifecycle_stage = 'deleted' THEN moment_ms(e.last_updated_ms) END AS deleted
        FROM mlflow_experiment e
        LEFT JOIN mlflow_experiment_tag t ON t.experiment_id = e.experiment_id AND t.key = 'mlflow.user'
        LEFT JOIN people p ON p.person_key = person(NULL, t.value, NULL)
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
            when="lifecycle_stage = 'deleted'",
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
               c.commit_ref, t.tree_ref, v.revision_ref AS entry_ref,
               g.candidates, moment_ms(r.start_ms) AS started, moment_ms(r.end_ms) AS ended,
               CASE WHEN r.lifecycle_stage = 'deleted' THEN moment_ms(r.deleted_ms) END AS deleted
        FROM mlflow_run r
        JOIN run_facts f ON f.run_id = r.run_id
        LEFT JOIN experiments e ON e.experiment_id = r.experiment_id
        LEFT JOIN people p ON p.person_key = person(NULL, f.username, NULL)
        LEFT JOIN commits c ON c.commit = f.source_git_commit
        LEFT JOIN source_trees t ON t.commit = f.source_git_commit
        LEFT JOIN git_entry_point g ON g.commit = f.source_git_commit AND g.source = f.source_name
        LEFT JOIN revisions v ON v.commit = g.revision_commit AND v.path_key = path_part(g.path, g.path_bytes)
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
                "source_git_commit": text("source_git_commit"),
                "source_git_branch": text("source_git_branch"),
                "source_git_repo_url": text("source_git_repo_url"),
                "unresolved_source": text("CASE WHEN candidates > 1 THEN source_name END"),
            },
        ),
        "creation_ref": creation("run", "run_id", "run_id", start="started", end="ended"),
        "deletion_ref": deletion(
            "run", "run_id", "run_id", time="deleted", at="deleted_ms", when="lifecycle_stage = 'deleted'"
        ),
    },
    relations=(
        generated("run_ref", "creation_ref", "AddedRun", "started"),
        attributed("run_ref", "user_ref"),
        associated("creation_ref", "user_ref", "RunAuthor", plan="entry_ref"),
        member("experiment_ref", "run_ref"),
        informed("creation_ref", "commit_ref"),
        used("creation_ref", "tree_ref", "SourceCode"),
        used("creation_ref", "entry_ref", "EntryPoint"),
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


_RUN_COLUMNS = "r.run_part, r.run_ref, r.creation_ref, r.deletion_ref, r.user_ref, r.deleted"

PARAMS = Event(
    name="params",
    doc="The parameters of a run.",
    rows=f"""
        SELECT p.*, {_RUN_COLUMNS} FROM mlflow_param p JOIN runs r ON r.run_id = p.run_id
        ORDER BY r.run_ref, p.key
    """,
    elements={"param_ref": param_element("=run_part")},
    relations=run_member("param_ref"),
)

RUN_TAGS = Event(
    name="run_tags",
    doc="The tags of a run.",
    rows=f"""
        SELECT t.*, {_RUN_COLUMNS} FROM mlflow_tag t JOIN runs r ON r.run_id = t.run_id
        ORDER BY r.run_ref, t.key
    """,
    elements={"tag_ref": tag_element("RunTag", "=run_part")},
    relations=run_member("tag_ref"),
)

METRIC_SERIES = Event(
    name="metric_series",
    doc="The metrics of a run, each one a series of points.",
    rows=f"""
        SELECT m.run_id, m.key, part(m.key) AS key_part, shown(m.key) AS key_shown, {_RUN_COLUMNS}
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
    elements={"metric_ref": metric_element("=run_part", shown="key_shown")},
    relations=run_member("metric_ref", "logged"),
)

ARTIFACTS = Event(
    name="artifacts",
    doc="The files and folders among a run's artifacts, to any depth.",
    rows=f"""
        SELECT a.*, path_part(a.path, a.path_bytes) AS path_key,
               concat(r.artifact_uri, '/', a.path) AS uri, {_RUN_COLUMNS}
        FROM mlflow_artifact a JOIN runs r ON r.run_id = a.owner_id
        WHERE a.owner = 'run' ORDER BY r.run_ref, path_key
    """,
    elements={"artifact_ref": artifact_element()},
    relations=run_member("artifact_ref"),
)

MODEL_ARTIFACTS = Event(
    name="model_artifacts",
    doc="A folder with an MLmodel file is a model, besides being an artifact; the root is no artifact.",
    rows=f"""
        SELECT m.*, a.artifact_ref, path_part(m.path, m.path_bytes) AS path_key,
               moment_ms(m.created_ms) AS created, {_RUN_COLUMNS}
        FROM mlflow_model_file m
        JOIN runs r ON r.run_id = m.owner_id
        LEFT JOIN artifacts a ON a.owner_id = m.owner_id AND a.path_key = path_part(m.path, m.path_bytes)
        WHERE m.owner = 'run' ORDER BY r.run_ref, path_key
    """,
    elements={
        "model_artifact_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("ModelArtifact", "owner_id", "=path_key"),
            types=("m2p:ModelArtifact", "prov:Collection"),
            label="concat('model ', regexp_extract(path, '[^/]*$'))",
            attributes={
                "path": text("path", always=True),
                "path_bytes": lexical("base64(path_bytes)", "xsd:base64Binary"),
                "flavors": text("flavors", many=True),
                "signature_inputs": text("signature_inputs"),
                "signature_outputs": text("signature_outputs"),
                "model_uuid": text("model_uuid"),
                "mlflow_version": text("mlflow_version"),
                "utc_time_created": instant_ms("created_ms"),
            },
        )
    },
    relations=(
        *run_member("model_artifact_ref", "created"),
        specialization("model_artifact_ref", "artifact_ref"),
    ),
)

DATASETS = Event(
    name="datasets",
    doc="A dataset is one entity for each name and digest, whichever runs use it.",
    rows="""
        SELECT name, digest, list_sort(list(DISTINCT source_type)) AS source_type,
               list_sort(list(DISTINCT source)) AS source, list_sort(list(DISTINCT present(schema))) AS schema,
               list_sort(list(DISTINCT present(profile))) AS profile
        FROM mlflow_dataset GROUP BY name, digest ORDER BY name, digest
    """,
    elements={
        "dataset_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("Dataset", "name", "digest"),
            types=("m2p:Dataset",),
            label="concat(name, ' (', digest, ')')",
            attributes={
                "name": text("name"),
                "digest": text("digest"),
                "source_type": text("source_type", many=True),
                "source": text("source", many=True),
                "schema": text("schema", many=True),
                "profile": text("profile", many=True),
            },
        )
    },
)

DATASET_INPUTS = Event(
    name="dataset_inputs",
    doc="A run used a dataset in a context.",
    rows="""
        SELECT DISTINCT r.creation_ref, d.dataset_ref, word(present(i.context)) AS role
        FROM mlflow_dataset_input i
        JOIN runs r ON r.run_id = i.run_id
        JOIN datasets d ON d.name = i.name AND d.digest = i.digest
        ORDER BY ALL
    """,
    relations=(used("creation_ref", "dataset_ref", "=role"),),
)

ALL_ARTIFACTS = Event(
    name="all_artifacts",
    doc="The artifacts of runs under the URIs by which others name them.",
    rows="""
        SELECT artifact_ref, uri FROM artifacts
        UNION SELECT artifact_ref, concat('runs:/', owner_id, '/', path) FROM artifacts
        UNION SELECT artifact_ref, file_path(uri) FROM artifacts
    """,
)

DATASET_ARTIFACTS = Event(
    name="dataset_artifacts",
    doc="A dataset whose source is an artifact of a run is an alternate of it.",
    rows="""
        SELECT DISTINCT d.dataset_ref, a.artifact_ref
        FROM (
            SELECT dataset_ref, unnest(list_filter([
                json_extract_string(document, '$.uri'), json_extract_string(document, '$.path'),
                json_extract_string(document, '$.url')], lambda x: x IS NOT NULL)) AS uri
            FROM (
                SELECT dataset_ref, CASE WHEN json_valid(source) THEN source END AS document
                FROM (SELECT dataset_ref, unnest(source) AS source FROM datasets)
            )
        ) d
        JOIN all_artifacts a ON a.uri IN (d.uri, file_path(d.uri))
        ORDER BY ALL
    """,
    relations=(alternate("dataset_ref", "artifact_ref"),),
)

FACTS = (RUN_FACTS, USERS)
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
    ARTIFACTS,
    MODEL_ARTIFACTS,
    DATASETS,
    DATASET_INPUTS,
    ALL_ARTIFACTS,
    DATASET_ARTIFACTS,
)
"""In an order in which each reads only rows of those before it."""
