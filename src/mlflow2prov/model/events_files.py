"""The events of what runs put out and took in as files: artifacts, models among them, and datasets."""

from __future__ import annotations

from dataclasses import replace

from mlflow2prov.model.declare import (
    Element,
    Event,
    alternate,
    flag,
    instant_ms,
    integer,
    lexical,
    specialization,
    text,
    used,
)
from mlflow2prov.model.elements import artifact_element
from mlflow2prov.model.events_mlflow import RUN_COLUMNS, run_member
from mlflow2prov.prov.credentials import redaction_sql

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_IMAGE = (
    rf"^images/([^/]+)[+%]step[+%](-?\d+)[+%]timestamp[+%](-?\d+)[+%]{_UUID}([+%]compressed)?\.(?:png|webp)$"
)
"""The paths of images that were logged by key: key (with ~, of old #, for /), step, time, and whether small."""
_TABLE_IMAGE = rf"^table_images/.+/{_UUID}\.(?:png|webp)$"
"""The paths of images that were logged in tables."""

ARTIFACTS = Event(
    name="artifacts",
    doc="The files and folders among a run's artifacts, to any depth; images and tables as MLflow logs them.",
    rows=f"""
        WITH listed AS (
            SELECT run_id, json_extract_string(item, '$.path') AS path
            FROM (
                SELECT run_id, unnest(CASE WHEN json_valid(value) THEN json_extract(value, '$[*]') END) AS item
                FROM mlflow_tag WHERE key = 'mlflow.loggedArtifacts'
            ) WHERE json_extract_string(item, '$.type') = 'table'
        ), tables AS (SELECT DISTINCT run_id, path FROM listed)
        SELECT a.*, path_part(a.path, a.path_bytes) AS path_key, concat(r.artifact_uri, '/', a.path) AS uri,
               t.path IS NOT NULL AS is_table, regexp_matches(a.path, '{_IMAGE}|{_TABLE_IMAGE}') AS is_image,
               CASE WHEN starts_with(a.path, 'images/')
                    THEN regexp_extract(a.path, '{_IMAGE}', ['key', 'step', 'timestamp_ms', 'compressed']) END AS image,
               {RUN_COLUMNS}
        FROM mlflow_artifact a
        JOIN runs r ON r.run_id = a.owner_id
        LEFT JOIN tables t ON t.run_id = a.owner_id AND t.path = a.path AND a.path_bytes IS NULL AND NOT a.is_dir
        WHERE a.owner = 'run' ORDER BY r.run_ref, path_key
    """,
    elements={
        "artifact_ref": artifact_element(
            "=CASE WHEN is_image THEN 'm2p:Image' WHEN is_table THEN 'm2p:Table' END",
            attributes={
                "name": text("translate(present(image.key), '~#', '//')"),
                "step": integer("TRY_CAST(image.step AS BIGINT)"),
                "timestamp": instant_ms("TRY_CAST(image.timestamp_ms AS BIGINT)"),
                "is_compressed": flag("CASE WHEN image.compressed <> '' THEN true END"),
            },
        )
    },
    relations=run_member("artifact_ref"),
)

MODEL_ARTIFACTS = Event(
    name="model_artifacts",
    doc="A folder with an MLmodel file is a model, besides being an artifact; the root is no artifact.",
    rows=f"""
        SELECT m.*, a.artifact_ref, path_part(m.path, m.path_bytes) AS path_key,
               moment_ms(m.created_ms) AS created, {RUN_COLUMNS}
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


def _in_source(*paths: str) -> str:
    """SQL of the first of these values that the JSON of a dataset's source has, without credentials.

    They are taken out once more, since JSON can spell them so that nobody sees them from without.
    """
    told = ", ".join(f"present(json_extract_string(document, '$.{path}'))" for path in paths)
    return redaction_sql(f"coalesce({told}, NULL)")


def _each(*columns: str) -> str:
    """SQL of the distinct values of columns, as sorted lists."""
    return ", ".join(f"list_sort(list(DISTINCT present({column}))) AS {column}" for column in columns)


DATASETS = Event(
    name="datasets",
    doc="A dataset is one entity for each name and digest, whichever runs use it.",
    rows=f"""
        WITH told AS (
            SELECT *, CASE WHEN json_valid(source) THEN source END AS document FROM mlflow_dataset
        ), parsed AS (
            SELECT *, coalesce({
        _in_source("uri", "url")
    }, CASE WHEN source_type IS DISTINCT FROM 'hugging_face'
                       THEN {_in_source("path")} END) AS source_uri,
                   coalesce({
        _in_source("delta_table_name", "table_name")
    }, CASE WHEN source_type = 'hugging_face'
                       THEN {_in_source("path")} END, {
        _in_source('tags."mlflow.source.name"')
    }) AS source_name,
                   {_in_source("delta_table_version", "revision")} AS source_version
            FROM told
        )
        SELECT name, digest, {
        _each("source_type", "source", "schema", "profile", "source_uri", "source_name", "source_version")
    }
        , (SELECT list_sort(list(DISTINCT m.matched_by)) FROM git_dataset_match m
                  WHERE m.name = parsed.name AND m.digest = parsed.digest) AS matched_by
        FROM parsed GROUP BY name, digest ORDER BY name, digest
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
                "source_uri": text("source_uri", many=True),
                "source_name": text("source_name", many=True),
                "source_version": text("source_version", many=True),
                "matched_by": text("coalesce(matched_by, [])", many=True),
            },
        )
    },
)

DATASET_INPUTS = Event(
    name="dataset_inputs",
    doc="A run used a dataset in a context, with the tags that it gave to this use.",
    rows="""
        SELECT r.creation_ref, d.dataset_ref, word(present(i.context)) AS role,
               list_sort(list(DISTINCT concat(i.tag, ' = ', i.tag_value)) FILTER (i.tag IS NOT NULL)) AS tags
        FROM mlflow_dataset_input i
        JOIN runs r ON r.run_id = i.run_id
        JOIN datasets d ON d.name = i.name AND d.digest = i.digest
        GROUP BY ALL ORDER BY ALL
    """,
    relations=(
        replace(
            used("creation_ref", "dataset_ref", "=role"),
            attributes={"tag": text("coalesce(tags, [])", many=True)},
        ),
    ),
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

FILE_EVENTS = (
    ARTIFACTS,
    MODEL_ARTIFACTS,
    DATASETS,
    DATASET_INPUTS,
    ALL_ARTIFACTS,
    DATASET_ARTIFACTS,
)
"""In an order in which each reads only rows of those before it, and of runs."""
