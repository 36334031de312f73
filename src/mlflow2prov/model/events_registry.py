"""The events of the model registry (``provenance-model``, part MLflow)."""

from __future__ import annotations

from mlflow2prov.model.declare import (
    Element,
    Event,
    associated,
    attributed,
    derived,
    flag,
    generated,
    informed,
    instant_ms,
    integer,
    invalidated,
    member,
    specialization,
    text,
    used,
)
from mlflow2prov.model.elements import (
    creation,
    deletion,
    tag_element,
)

REGISTERED_MODELS = Event(
    name="registered_models",
    doc="Registered model addition; a model deleted and made again under its name is another one.",
    rows="""
        SELECT m.*, i.value IS NOT NULL AS is_prompt, concat(part(m.name), '--', m.created_ms,
                           CASE WHEN split_part(m.workspace, chr(31), 1) <> 'default'
                                THEN '--' || part(split_part(m.workspace, chr(31), 1)) END) AS model_part,
               moment_ms(m.created_ms) AS created, p.person_ref AS user_ref,
               NULL::BIGINT AS not_before_ms, NULL::BIGINT AS not_after_ms, NULL::BIGINT AS forgotten_ms
        FROM (
            SELECT *, false AS is_deleted FROM mlflow_registered_model
            UNION ALL BY NAME
            SELECT workspace, name, true AS is_deleted FROM lost_models
        ) m
        LEFT JOIN mlflow_registered_model_tag t
            ON t.workspace = m.workspace AND t.name = m.name AND t.key = 'mlflow.user'
        LEFT JOIN mlflow_registered_model_tag i ON i.workspace = m.workspace AND i.name = m.name
            AND i.key = 'mlflow.prompt.is_prompt' AND lower(i.value) = 'true'
        LEFT JOIN people p ON p.person_key = person(NULL, t.value, NULL)
        ORDER BY m.name, m.workspace, m.created_ms
    """,
    elements={
        "model_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("RegisteredModel", "=model_part"),
            types=(
                "m2p:RegisteredModel",
                "prov:Collection",
                "=CASE WHEN is_prompt THEN 'm2p:Prompt' END",
            ),
            label="name",
            attributes={
                "name": text("name", always=True),
                "description": text("present(description)"),
                "created_at": instant_ms("created_ms"),
                "last_updated_at": instant_ms("last_updated_ms"),
                "inferred": flag("CASE WHEN is_deleted THEN true END"),
                "recovered_from": text("CASE WHEN is_deleted THEN 'mlflow.modelVersions' END"),
            },
        ),
        "creation_ref": creation("registered_model", "name", "=model_part", start="created", end="created"),
        "deletion_ref": deletion(
            "registered_model",
            "name",
            "=model_part",
            time="NULL::VARCHAR",
            at="NULL",
            when="is_deleted",
            inferred="is_deleted",
        ),
    },
    relations=(
        generated("model_ref", "creation_ref", "AddedRegisteredModel", "created"),
        attributed("model_ref", "user_ref"),
        associated("creation_ref", "user_ref", "RegisteredModelAuthor"),
        invalidated("model_ref", "deletion_ref", "DeletedRegisteredModel", None),
    ),
)

REGISTERED_MODEL_TAGS = Event(
    name="registered_model_tags",
    doc="The tags of a registered model.",
    rows="""
        SELECT t.*, m.model_part, m.model_ref, m.creation_ref, m.user_ref
        FROM mlflow_registered_model_tag t
        JOIN registered_models m ON m.workspace = t.workspace AND m.name = t.name
        ORDER BY m.model_ref, t.key
    """,
    elements={"tag_ref": tag_element("RegisteredModelTag", "=model_part")},
    relations=(
        generated("tag_ref", "creation_ref", "AddedRegisteredModel"),
        member("model_ref", "tag_ref"),
        attributed("tag_ref", "user_ref"),
    ),
)

_VERSION_UID = "concat(name, '/', version)"

MODEL_VERSIONS = Event(
    name="model_versions",
    doc="Registered model version addition and deletion.",
    rows="""
        SELECT v.* REPLACE (CASE WHEN NOT m.is_prompt THEN v.source END AS source), m.is_prompt,
               CASE WHEN m.is_prompt THEN t.text END AS text, CASE WHEN m.is_prompt THEN t.prompt_type END AS prompt_type,
               m.model_part, m.model_ref, r.creation_ref AS run_creation_ref, r.artifact_uri,
               p.person_ref AS user_ref, a.aliases, moment_ms(v.created_ms) AS created,
               g.not_before_ms, g.not_after_ms, g.forgotten_ms,
               CASE WHEN v.is_deleted AND u.versions = 1 THEN moment_ms(v.deleted_ms) END AS deleted
        FROM told_versions v
        JOIN registered_models m ON m.workspace = v.workspace AND m.name = v.name
        LEFT JOIN runs r ON r.run_id = v.run_id
        LEFT JOIN (
            SELECT workspace, name, version, max(value) FILTER (key = 'mlflow.user') AS username,
                   max(value) FILTER (key = 'mlflow.prompt.text') AS text,
                   max(value) FILTER (key IN ('_mlflow_prompt_type', 'mlflow.prompt.type')) AS prompt_type
            FROM mlflow_model_version_tag GROUP BY ALL
        ) t ON t.workspace = v.workspace AND t.name = v.name AND t.version = v.version
        LEFT JOIN people p ON p.person_key = person(NULL, coalesce(present(v.user_id), t.username), NULL)
        LEFT JOIN (
            SELECT workspace, name, version, list(alias ORDER BY alias) AS aliases
            FROM mlflow_registered_model_alias GROUP BY ALL
        ) a ON a.workspace = v.workspace AND a.name = v.name AND a.version = v.version
        LEFT JOIN ( -- a rename sets one time on all versions, and so hides when one of them was deleted
            SELECT workspace, name, last_updated_ms, count(*) AS versions FROM mlflow_model_version GROUP BY ALL
        ) u ON u.workspace = v.workspace AND u.name = v.name AND u.last_updated_ms = v.deleted_ms
        LEFT JOIN windows g ON g.kind = 'version' AND g.workspace = v.workspace AND g.name = v.name
            AND g.version = v.version
        ORDER BY m.model_ref, v.version
    """,
    elements={
        "version_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("RegisteredModelVersion", "=model_part", "=version"),
            types=(
                "m2p:RegisteredModelVersion",
                "prov:Collection",
                "=CASE WHEN is_prompt THEN 'm2p:PromptVersion' END",
            ),
            label="concat(name, ' v', version)",
            attributes={
                "name": text("name", always=True),
                "version": integer("version", always=True),
                "stage": text("stage"),
                "aliases": text("aliases", many=True),
                "description": text("description"),
                "source_path": text("source"),
                "status": text("status"),
                "status_message": text("status_message"),
                "run_link": text("run_link"),
                "run_id": text("run_id"),
                "model_id": text("model_id"),
                "created_at": instant_ms("created_ms"),
                "last_updated_at": instant_ms("last_updated_ms"),
                "inferred": flag("CASE WHEN is_inferred THEN true END"),
                "recovered_from": text("recovered_from", many=True),
                "text": text("text"),
                "prompt_type": text("prompt_type"),
                "commit_message": text("CASE WHEN is_prompt THEN present(description) END"),
            },
        ),
        "creation_ref": creation(
            "registered_model_version",
            _VERSION_UID,
            "=model_part",
            "=version",
            start="created",
            end="created",
        ),
        "deletion_ref": deletion(
            "registered_model_version",
            _VERSION_UID,
            "=model_part",
            "=version",
            time="deleted",
            at="deleted_ms",
            when="is_deleted OR forgotten_ms IS NOT NULL",
            inferred="is_inferred",
        ),
    },
    relations=(
        generated("version_ref", "creation_ref", "AddedRegisteredModelVersion", "created"),
        specialization("version_ref", "model_ref"),
        member("model_ref", "version_ref"),
        attributed("version_ref", "user_ref"),
        associated("creation_ref", "user_ref", "RegisteredModelVersionAuthor"),
        informed("creation_ref", "run_creation_ref"),
        invalidated("version_ref", "deletion_ref", "DeletedRegisteredModelVersion", "deleted"),
    ),
)

MODEL_VERSION_TAGS = Event(
    name="model_version_tags",
    doc="The tags of a version come and go with it.",
    rows="""
        SELECT t.*, v.model_part, v.version_ref, v.creation_ref, v.deletion_ref, v.deleted, v.user_ref
        FROM mlflow_model_version_tag t
        JOIN model_versions v ON v.workspace = t.workspace AND v.name = t.name AND v.version = t.version
        ORDER BY v.version_ref, t.key
    """,
    elements={"tag_ref": tag_element("RegisteredModelVersionTag", "=model_part", "=version")},
    relations=(
        generated("tag_ref", "creation_ref", "AddedRegisteredModelVersion"),
        member("version_ref", "tag_ref"),
        attributed("tag_ref", "user_ref"),
        invalidated("tag_ref", "deletion_ref", "DeletedRegisteredModelVersion", "deleted"),
    ),
)

VERSION_SOURCES = Event(
    name="version_sources",
    doc="A version was derived from the one model that its source names: a logged model, another version, "
    "or a folder of a run's artifacts.",
    rows="""
        WITH kept AS (
            SELECT * REPLACE (
                coalesce(source, concat('runs:/', stored_run_id, '/', stored_path)) AS source
            ) FROM model_versions WHERE source IS NOT NULL OR model_id IS NOT NULL OR stored_run_id IS NOT NULL
        ), named AS (
            SELECT *, rtrim(file_path(source), '/') AS place,
                   regexp_extract(source, '^runs:/([^/]+)/?(.*)$', ['run', 'path']) AS by_run,
                   regexp_extract(source, '^models:/([^/]+)/([0-9]+)$', ['model', 'version']) AS by_version
            FROM kept
        ), sought AS (
            SELECT *, coalesce(present(by_run.run), run_id) AS of_run,
                   CASE WHEN by_run.run <> '' THEN rtrim(by_run.path, '/')
                        WHEN place = rtrim(file_path(artifact_uri), '/') THEN ''
                        WHEN starts_with(place, concat(rtrim(file_path(artifact_uri), '/'), '/'))
                        THEN place[length(rtrim(file_path(artifact_uri), '/')) + 2:] END AS in_run,
                   -- where a version names no run, or the artifacts have moved, the place has the run's identifier
                   regexp_extract(place, '^.*/([0-9a-f]{32})/artifacts(?:/(.*))?$', ['run', 'path']) AS placed
            FROM named
        ), copied AS (
            SELECT n.version_ref, o.version_ref AS source_ref FROM named n
            JOIN model_versions o ON o.workspace = n.workspace AND o.name = n.by_version.model
                AND o.version = TRY_CAST(n.by_version.version AS BIGINT) AND o.version_ref <> n.version_ref
        ), by_name AS (
            SELECT source_run_id, name, min(logged_model_ref) AS source_ref
            FROM logged_models GROUP BY ALL HAVING count(*) = 1
        ), by_place AS (
            SELECT rtrim(file_path(artifact_location), '/') AS place, min(logged_model_ref) AS source_ref
            FROM logged_models GROUP BY 1 HAVING count(*) = 1
        ), found AS (
            SELECT n.version_ref, n.creation_ref,
                   coalesce(l.logged_model_ref, k.source_ref, a.model_artifact_ref, s.source_ref, b.source_ref,
                            p.model_artifact_ref, q.source_ref)
                       AS source_ref
            FROM sought n
            LEFT JOIN logged_models l ON l.model_id = n.model_id
            LEFT JOIN copied k ON k.version_ref = n.version_ref
            LEFT JOIN model_artifacts a ON a.owner_id = n.of_run AND a.path = n.in_run AND a.path_bytes IS NULL
            LEFT JOIN by_place s ON s.place = n.place
            LEFT JOIN model_artifacts p ON p.owner_id = n.placed.run AND p.path = n.placed.path AND p.path_bytes IS NULL
            LEFT JOIN by_name q ON q.source_run_id = n.placed.run AND q.name = n.placed.path
            LEFT JOIN by_name b ON b.source_run_id = n.of_run AND b.name = n.in_run
        )
        SELECT * FROM found WHERE source_ref IS NOT NULL ORDER BY version_ref
    """,
    relations=(derived("version_ref", "source_ref", "creation_ref"), used("creation_ref", "source_ref")),
)

ALIASES = Event(
    name="aliases",
    doc="An alias was derived from the version that it points at now.",
    rows="""
        SELECT a.alias, v.workspace, v.name, v.version, v.model_part, v.version_ref
        FROM mlflow_registered_model_alias a
        JOIN model_versions v ON v.workspace = a.workspace AND v.name = a.name AND v.version = a.version
        ORDER BY v.version_ref, a.alias
    """,
    elements={
        "alias_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("RegisteredModelAlias", "=model_part", "alias", "=version"),
            types=("m2p:RegisteredModelAlias",),
            label="concat(name, '@', alias)",
            attributes={"name": text("alias", always=True)},
        )
    },
    relations=(derived("alias_ref", "version_ref"),),
)

REGISTRY_EVENTS = (
    REGISTERED_MODELS,
    REGISTERED_MODEL_TAGS,
    MODEL_VERSIONS,
    MODEL_VERSION_TAGS,
    VERSION_SOURCES,
    ALIASES,
)
"""In an order in which each reads only rows of those before it, of runs, and of logged models."""
