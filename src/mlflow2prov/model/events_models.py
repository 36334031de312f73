"""The events of logged models and environments (``provenance-model``, part MLflow)."""

from __future__ import annotations

from dataclasses import replace

from mlflow2prov.model.declare import (
    Element,
    Event,
    Relation,
    associated,
    attributed,
    derived,
    generated,
    instant_ms,
    integer,
    invalidated,
    member,
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
from mlflow2prov.model.events_mlflow import SAFE_VALUE
from mlflow2prov.model.events_recovery import RECOVERY_EVENTS
from mlflow2prov.model.events_registry import REGISTRY_EVENTS

LOGGED_MODELS = Event(
    name="logged_models",
    doc="Logged model addition, by a run where there is one, and deletion.",
    rows="""
        SELECT m.* REPLACE (c.source_git_commit AS source_git_commit), r.creation_ref AS run_creation_ref,
               moment_ms(m.created_ms) AS created, k.step AS output_step, n.traces,
               g.not_before_ms, g.not_after_ms, g.forgotten_ms,
               m.model_id IN (SELECT id FROM mlflow_selected WHERE kind = 'beyond') AS is_beyond,
               coalesce(p.person_ref, r.user_ref) AS user_ref,
               c.work_tree,
               f.flavors, f.signature_inputs, f.signature_outputs, f.mlflow_version, f.created_ms AS written_ms,
               CASE WHEN m.lifecycle_stage = 'deleted' THEN moment_ms(m.last_updated_ms) END AS deleted
        FROM mlflow_logged_model m
        LEFT JOIN runs r ON r.run_id = m.source_run_id
        LEFT JOIN (
            SELECT run_id, model_id, max(step) AS step FROM mlflow_model_link WHERE direction = 'output' GROUP BY ALL
        ) k ON k.run_id = r.run_id AND k.model_id = m.model_id
        LEFT JOIN mlflow_logged_model_tag t ON t.model_id = m.model_id AND t.key = 'mlflow.user'
        LEFT JOIN people p ON p.person_key = person(NULL, t.value, NULL)
        LEFT JOIN model_facts c ON c.model_id = m.model_id
        LEFT JOIN trace_counts n ON n.owner = 'logged_model' AND n.owner_id = m.model_id
        LEFT JOIN windows g ON g.kind = 'logged_model' AND g.owner_id = m.model_id
        LEFT JOIN mlflow_model_file f ON f.owner = 'logged_model' AND f.owner_id = m.model_id AND f.path = ''
        ORDER BY m.model_id
    """,
    elements={
        "logged_model_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("LoggedModel", "model_id"),
            types=("m2p:LoggedModel", "prov:Collection"),
            label="concat(coalesce(present(name), 'model'), ' ', left(model_id, 10))",
            attributes={
                "model_id": text("model_id", always=True),
                "name": text("present(name)"),
                "status": text("status"),
                "model_type": text("present(model_type)"),
                "artifact_location": text("present(artifact_location)"),
                "lifecycle_stage": text("lifecycle_stage"),
                "source_git_commit": text("source_git_commit"),
                "work_tree": text("work_tree"),
                "trace_count": integer("traces"),
                "flavors": text("flavors", many=True),
                "signature_inputs": text("signature_inputs"),
                "signature_outputs": text("signature_outputs"),
                "mlflow_version": text("mlflow_version"),
                "utc_time_created": instant_ms("written_ms"),
            },
        ),
        "own_creation_ref": creation(
            "logged_model",
            "model_id",
            "model_id",
            start="created",
            end="created",
            when="run_creation_ref IS NULL AND NOT is_beyond",
        ),
        "deletion_ref": deletion(
            "logged_model",
            "model_id",
            "model_id",
            time="deleted",
            at="last_updated_ms",
            when="lifecycle_stage = 'deleted' OR forgotten_ms IS NOT NULL",
        ),
    },
    relations=(
        replace(
            generated(
                "logged_model_ref",
                "coalesce(run_creation_ref, own_creation_ref)",
                "AddedLoggedModel",
                "created",
            ),
            attributes={"step": integer("output_step")},
        ),
        attributed("logged_model_ref", "user_ref"),
        associated("own_creation_ref", "user_ref", "LoggedModelAuthor"),
        invalidated("logged_model_ref", "deletion_ref", "DeletedLoggedModel", "deleted"),
    ),
)

_MODEL_COLUMNS = (
    "l.logged_model_ref, coalesce(l.run_creation_ref, l.own_creation_ref) AS creation_ref, l.user_ref"
)


def _model_member(entity: str, time: str | None = None) -> tuple[Relation, ...]:
    return (
        generated(entity, "creation_ref", "AddedLoggedModel", time),
        member("logged_model_ref", entity),
        attributed(entity, "user_ref"),
    )


LOGGED_MODEL_PARAMS = Event(
    name="logged_model_params",
    doc="The parameters of a logged model.",
    rows=f"""
        SELECT p.*, {_MODEL_COLUMNS}
        FROM mlflow_logged_model_param p JOIN logged_models l ON l.model_id = p.model_id
        ORDER BY l.logged_model_ref, p.key
    """,
    elements={"param_ref": param_element("model_id")},
    relations=_model_member("param_ref"),
)

LOGGED_MODEL_TAGS = Event(
    name="logged_model_tags",
    doc="The tags of a logged model.",
    rows=f"""
        SELECT t.* REPLACE ({SAFE_VALUE} AS value), {_MODEL_COLUMNS}
        FROM mlflow_logged_model_tag t JOIN logged_models l ON l.model_id = t.model_id
        ORDER BY l.logged_model_ref, t.key
    """,
    elements={"tag_ref": tag_element("LoggedModelTag", "model_id")},
    relations=_model_member("tag_ref"),
)

LOGGED_MODEL_METRICS = Event(
    name="logged_model_metrics",
    doc="A point of a logged model's metric, generated by the run that measured it.",
    rows="""
        SELECT m.*, part(m.key) AS key_part, l.logged_model_ref, l.user_ref,
               coalesce(r.creation_ref, l.run_creation_ref, l.own_creation_ref) AS creation_ref,
               double_text(m.value) AS value_text, moment_ms(m.timestamp_ms) AS logged,
               row_number() OVER (PARTITION BY m.model_id, m.run_id, m.key ORDER BY m.step DESC, m.timestamp_ms DESC,
                                  CASE WHEN isnan(m.value) THEN 0 ELSE m.value END DESC, m.value DESC) = 1
                   AS is_latest
        FROM (
            SELECT model_id, run_id, key, step, timestamp_ms, value, list_sort(list(DISTINCT
                       concat(dataset_name, ' (', dataset_digest, ')')
                   ) FILTER (dataset_name IS NOT NULL AND dataset_digest IS NOT NULL)) AS datasets
            FROM mlflow_logged_model_metric
            WHERE value IS NOT NULL AND step IS NOT NULL AND timestamp_ms IS NOT NULL GROUP BY ALL
        ) m
        JOIN logged_models l ON l.model_id = m.model_id
        LEFT JOIN runs r ON r.run_id = m.run_id
        ORDER BY l.logged_model_ref, m.run_id, m.key, m.step, m.timestamp_ms, m.value
    """,
    elements={
        "metric_ref": metric_element(
            "model_id",
            "coalesce(run_id, '')",
            shown="shown(key)",
            is_system="starts_with(key, 'system/')",
            attributes={"dataset": text("datasets", many=True)},
        )
    },
    relations=_model_member("metric_ref", "logged"),
)

METRIC_DATASETS = Event(
    name="metric_datasets",
    doc="A point of a logged model's metric was derived from the dataset that it was measured on.",
    rows="""
        SELECT DISTINCT m.metric_ref, d.dataset_ref, m.creation_ref
        FROM (SELECT *, unnest(datasets) AS measured_on FROM logged_model_metrics WHERE datasets IS NOT NULL) m
        JOIN datasets d ON concat(d.name, ' (', d.digest, ')') = m.measured_on
        ORDER BY ALL
    """,
    relations=(derived("metric_ref", "dataset_ref", "creation_ref"),),
)

LOGGED_MODEL_FILES = Event(
    name="logged_model_files",
    doc="The files and folders of a logged model, to any depth.",
    rows=f"""
        SELECT a.*, path_part(a.path, a.path_bytes) AS path_key, {_MODEL_COLUMNS}
        FROM mlflow_artifact a JOIN logged_models l ON l.model_id = a.owner_id
        WHERE a.owner = 'logged_model' ORDER BY l.logged_model_ref, path_key
    """,
    elements={"artifact_ref": artifact_element()},
    relations=_model_member("artifact_ref"),
)

TRAINING_DATA = Event(
    name="training_data",
    doc="A logged model was derived from the datasets that its run used for training.",
    rows="""
        SELECT DISTINCT l.logged_model_ref, d.dataset_ref, r.creation_ref
        FROM logged_models l
        JOIN runs r ON r.run_id = l.source_run_id
        JOIN mlflow_dataset_input i ON i.run_id = r.run_id
        JOIN datasets d ON d.name = i.name AND d.digest = i.digest
        WHERE lower(i.context) IN ('training', 'train')
        ORDER BY ALL
    """,
    relations=(derived("logged_model_ref", "dataset_ref", "creation_ref"),),
)

MODEL_INPUTS = Event(
    name="model_inputs",
    doc="A run took a logged model in; MLflow keeps a step of 0 where none was said.",
    rows="""
        SELECT r.creation_ref, l.logged_model_ref, nullif(max(k.step), 0) AS step
        FROM mlflow_model_link k
        JOIN runs r ON r.run_id = k.run_id
        JOIN logged_models l ON l.model_id = k.model_id
        WHERE k.direction = 'input' GROUP BY r.creation_ref, l.logged_model_ref ORDER BY ALL
    """,
    relations=(
        replace(used("creation_ref", "logged_model_ref", "ModelInput"), attributes={"step": integer("step")}),
    ),
)

ENVIRONMENT_USES = Event(
    name="environment_uses",
    doc="Which models say what they need to run.",
    rows="""
        WITH told AS (
            SELECT *, sha256(concat(coalesce(python_version, ''), chr(10),
                                    array_to_string(coalesce(requirements, []), chr(10)))) AS digest
            FROM mlflow_model_file WHERE python_version IS NOT NULL OR requirements IS NOT NULL
        )
        SELECT t.digest, t.python_version, t.requirements, m.model_artifact_ref AS model_ref, r.creation_ref
        FROM told t
        JOIN model_artifacts m ON m.owner_id = t.owner_id AND m.path_key = path_part(t.path, t.path_bytes)
        JOIN runs r ON r.run_id = t.owner_id
        WHERE t.owner = 'run'
        UNION ALL
        SELECT t.digest, t.python_version, t.requirements, l.logged_model_ref,
               coalesce(l.run_creation_ref, l.own_creation_ref)
        FROM told t JOIN logged_models l ON l.model_id = t.owner_id
        WHERE t.owner = 'logged_model'
    """,
)

ENVIRONMENTS = Event(
    name="environments",
    doc="One environment for each distinct set of requirements.",
    rows="""
        SELECT digest, min(python_version) AS python_version, min(requirements) AS requirements
        FROM environment_uses GROUP BY digest ORDER BY digest
    """,
    elements={
        "environment_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("Environment", "digest"),
            types=("m2p:Environment",),
            label="concat('environment ', left(digest, 8), coalesce(' (Python ' || python_version || ')', ''))",
            attributes={
                "python_version": text("python_version"),
                "requirements": text("requirements", many=True),
                "digest": text("digest", always=True),
            },
        )
    },
)

ENVIRONMENTS_USED = Event(
    name="environments_used",
    doc="What made a model used its environment.",
    rows="""
        SELECT DISTINCT u.creation_ref, e.environment_ref
        FROM environment_uses u JOIN environments e ON e.digest = u.digest ORDER BY ALL
    """,
    relations=(used("creation_ref", "environment_ref", "Environment"),),
)

ENVIRONMENT_MEMBERS = Event(
    name="environment_members",
    doc="A model has its environment as a member.",
    rows="""
        SELECT DISTINCT u.model_ref, e.environment_ref
        FROM environment_uses u JOIN environments e ON e.digest = u.digest ORDER BY ALL
    """,
    relations=(member("model_ref", "environment_ref"),),
)

MODEL_EVENTS = (
    LOGGED_MODELS,
    LOGGED_MODEL_PARAMS,
    LOGGED_MODEL_TAGS,
    LOGGED_MODEL_METRICS,
    METRIC_DATASETS,
    LOGGED_MODEL_FILES,
    TRAINING_DATA,
    MODEL_INPUTS,
    ENVIRONMENT_USES,
    ENVIRONMENTS,
    ENVIRONMENTS_USED,
    ENVIRONMENT_MEMBERS,
    *RECOVERY_EVENTS,
    *REGISTRY_EVENTS,
)
"""In an order in which each reads only rows of those before it."""
