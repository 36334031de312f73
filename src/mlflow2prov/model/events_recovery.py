"""What the store still tells of deleted versions and deleted models: facts that the registry's events read.

A deleted version has lost its source in a database, and all but its number over HTTP. Where it was stored, the tag
that MLflow sets on a logged model when a version is made of it, and the run's list of its models say it again.
The tag has the model's name of that day, which a rename does not change.
"""

from __future__ import annotations

from mlflow2prov.model.declare import Event

STORED_AT = Event(
    name="stored_at",
    doc="The run or logged model in whose folder a deleted version was stored, and the path in that of a run.",
    rows="""
        WITH lost AS (
            SELECT workspace, name, version, file_path(storage_location) AS place FROM mlflow_model_version
            WHERE is_deleted AND source IS NULL AND storage_location IS NOT NULL
        ), folders AS (
            SELECT *, unnest(regexp_extract_all(place, '([^/]+)/artifacts\\b', 1)) AS folder FROM lost
        )
        SELECT f.workspace, f.name, f.version,
               max(CASE WHEN m.model_id IS NOT NULL OR regexp_full_match(folder, 'm-[0-9a-f]{32}') THEN folder END)
                   AS model_id,
               max(r.run_id) AS run_id,
               max(CASE WHEN r.run_id IS NOT NULL
                   THEN trim(split_part(place, concat('/', folder, '/artifacts'), 2), '/') END) AS path
        FROM folders f
        LEFT JOIN mlflow_run r ON r.run_id = f.folder
        LEFT JOIN mlflow_logged_model m ON m.model_id = f.folder
        GROUP BY f.workspace, f.name, f.version
    """,
)

REGISTERED_BEFORE = Event(
    name="registered_before",
    doc="Which versions the tags of logged models say that they became, under the model's name of that day.",
    rows="""
        WITH items AS (
            SELECT model_id, unnest(CASE WHEN json_valid(value) THEN json_extract(value, '$[*]') END) AS item
            FROM mlflow_logged_model_tag WHERE key = 'mlflow.modelVersions'
        ), named AS (
            SELECT DISTINCT model_id, json_extract_string(item, '$.name') AS name,
                   TRY_CAST(json_extract_string(item, '$.version') AS BIGINT) AS version
            FROM items
        )
        SELECT n.*, m.created_ms FROM named n JOIN mlflow_logged_model m ON m.model_id = n.model_id
        CROSS JOIN extraction_settings s
        WHERE n.name <> '' AND n.version BETWEEN 1 AND 100000 AND s.is_whole
    """,
)

MADE_OF = Event(
    name="made_of",
    doc="The logged model that each version is known to be made of; open is one of which nothing is known.",
    rows="""
        SELECT v.workspace, v.name, v.version, coalesce(v.model_id, s.model_id) AS model_id,
               v.is_deleted AND v.source IS NULL AND v.run_id IS NULL AND s.model_id IS NULL AND s.run_id IS NULL
                   AS is_open
        FROM mlflow_model_version v
        LEFT JOIN stored_at s ON s.workspace = v.workspace AND s.name = v.name AND s.version = v.version
    """,
)

RENAMED = Event(
    name="renamed_models",
    doc="Models that had another name before: their versions are made of what says it became one of that name. What is "
    "said of a version that is there under its own name says nothing of others that were made of the same.",
    rows="""
        WITH unnamed AS (
            SELECT * FROM made_of v ANTI JOIN registered_before b USING (model_id, version, name)
        )
        SELECT DISTINCT b.name AS old_name, v.workspace, v.name
        FROM registered_before b JOIN unnamed v ON v.model_id = b.model_id AND v.version = b.version
        ANTI JOIN made_of o ON o.model_id = b.model_id AND o.version = b.version AND o.name = b.name
        WHERE v.name <> b.name
    """,
)

UNEXPLAINED = Event(
    name="unexplained_versions",
    doc="What a logged model says that it became, and no version that is there is; by the name that it may have now.",
    rows="""
        WITH told AS (
            SELECT b.* FROM registered_before b
            ANTI JOIN made_of v ON v.model_id = b.model_id AND v.version = b.version
        ), heirs AS (
            SELECT old_name, min(workspace) AS workspace, min(name) AS name, count(*) AS heirs
            FROM renamed_models GROUP BY old_name
        ), here AS (
            SELECT name, min(workspace) AS workspace, count(*) AS models FROM mlflow_registered_model GROUP BY name
        )
        SELECT t.model_id, t.version, t.created_ms, h.name IS NOT NULL AS is_renamed,
               coalesce(h.name, r.name, t.name) AS name,
               coalesce(h.workspace, r.workspace) AS workspace
        FROM told t LEFT JOIN heirs h ON h.old_name = t.name LEFT JOIN here r ON r.name = t.name
        WHERE (h.name IS NULL OR (h.heirs = 1 AND r.name IS NULL)) AND coalesce(r.models, 1) = 1
    """,
)

RECOVERED = Event(
    name="recovered_versions",
    doc="Open versions that one logged model alone says it became. Where an older model lost the version of that number, "
    "too, it may be the one that was meant, and had the name before.",
    rows="""
        SELECT v.workspace, v.name, v.version, min(u.model_id) AS model_id
        FROM made_of v
        JOIN unexplained_versions u ON u.workspace = v.workspace AND u.name = v.name AND u.version = v.version
        JOIN mlflow_registered_model m ON m.workspace = v.workspace AND m.name = v.name
        JOIN mlflow_model_version o ON o.workspace = v.workspace AND o.name = v.name AND o.version = v.version
        WHERE v.is_open AND coalesce(u.created_ms <= o.created_ms, true) AND (u.is_renamed OR NOT EXISTS (
            FROM made_of x JOIN mlflow_registered_model n ON n.workspace = x.workspace AND n.name = x.name
            WHERE x.is_open AND x.version = v.version AND x.name <> v.name AND n.created_ms < m.created_ms
        ))
        GROUP BY v.workspace, v.name, v.version HAVING count(DISTINCT u.model_id) = 1
    """,
)

LOST_MODELS = Event(
    name="lost_models",
    doc="Names of registered models that were deleted: logged models became versions of them, and none that is there "
    "can have had the name, since each has one of those versions, made of something else, or never had as many.",
    rows="""
        WITH missing AS (
            SELECT DISTINCT name, version FROM unexplained_versions WHERE workspace IS NULL
        ), way AS (
            SELECT bool_and(regexp_matches(uri, '^(file|sqlite|postgresql|mysql|mssql)')) AS tells_all FROM mlflow_store
        ), closed AS (
            SELECT v.*, v.is_open AND r.model_id IS NULL AS is_unknown FROM made_of v
            LEFT JOIN recovered_versions r ON r.workspace = v.workspace AND r.name = v.name AND r.version = v.version
        ), last AS (SELECT workspace, name, max(version) AS version FROM mlflow_model_version GROUP BY ALL),
        known AS (
            SELECT v.workspace, v.name, max(v.version) AS version
            FROM registered_before b JOIN made_of v USING (model_id, version, name) GROUP BY ALL
        ), possible AS ( -- which model may have, or have had, a version of a number that nothing is known of
            SELECT t.version, m.workspace, m.name AS model
            FROM (SELECT DISTINCT version FROM missing) t CROSS JOIN mlflow_registered_model m CROSS JOIN way w
            LEFT JOIN closed v ON v.workspace = m.workspace AND v.name = m.name AND v.version = t.version
            LEFT JOIN last l ON l.workspace = m.workspace AND l.name = m.name
            LEFT JOIN known k ON k.workspace = m.workspace AND k.name = m.name
            WHERE coalesce(v.is_unknown, NOT w.tells_all AND t.version > coalesce(l.version, 0))
                AND (k.version IS NULL OR k.version > t.version)
        ), meant AS (
            SELECT t.name, p.workspace, p.model, count(*) AS versions
            FROM missing t JOIN possible p ON p.version = t.version GROUP BY ALL
        ), told AS (SELECT name, count(*) AS versions FROM missing GROUP BY name)
        SELECT t.name, (SELECT CASE WHEN count(DISTINCT workspace) = 1 THEN min(workspace) ELSE 'default' END
                        FROM mlflow_registered_model) AS workspace
        FROM told t
        ANTI JOIN meant e ON e.name = t.name AND e.versions = t.versions
    """,
)

TOLD_VERSIONS = Event(
    name="told_versions",
    doc="Every version, with what was recovered of deleted ones, and those that only logged models still tell.",
    rows="""
        WITH way AS (
            SELECT bool_and(regexp_matches(uri, '^(file|sqlite|postgresql|mysql|mssql)')) AS tells_all FROM mlflow_store
        ), last AS (
            SELECT m.workspace, m.name, coalesce(max(v.version), 0) AS version
            FROM mlflow_registered_model m LEFT JOIN mlflow_model_version v ON v.workspace = m.workspace AND v.name = m.name
            GROUP BY ALL
        ), beyond AS ( -- deleted after the last number in use, which a server does not show
            SELECT u.workspace, u.name, l.version AS last, max(u.version) AS version
            FROM unexplained_versions u JOIN last l ON l.workspace = u.workspace AND l.name = u.name CROSS JOIN way w
            WHERE u.version > l.version AND NOT w.tells_all GROUP BY ALL
        ), extra AS (
            SELECT workspace, name, unnest(generate_series(last + 1, version)) AS version FROM beyond
            UNION ALL
            SELECT DISTINCT l.workspace, u.name, u.version FROM unexplained_versions u
            JOIN lost_models l ON l.name = u.name WHERE u.workspace IS NULL
        ), named AS (
            SELECT coalesce(u.workspace, l.workspace) AS workspace, u.name, u.version, min(u.model_id) AS model_id
            FROM unexplained_versions u LEFT JOIN lost_models l ON l.name = u.name
            GROUP BY ALL HAVING count(DISTINCT u.model_id) = 1
        ), every AS (
            SELECT * FROM mlflow_model_version
            UNION ALL BY NAME
            SELECT *, true AS is_deleted, true AS is_inferred FROM extra
        )
        SELECT v.* REPLACE (coalesce(v.model_id, s.model_id, r.model_id, n.model_id) AS model_id,
                            coalesce(v.run_id, s.run_id, l.source_run_id) AS run_id),
               s.run_id AS stored_run_id, s.path AS stored_path,
               list_filter([
                   CASE WHEN v.is_deleted AND v.source IS NOT NULL THEN 'source' END,
                   CASE WHEN s.model_id IS NOT NULL OR s.run_id IS NOT NULL THEN 'storage_location' END,
                   CASE WHEN v.is_deleted AND EXISTS (
                       FROM registered_before b WHERE b.version = v.version
                       AND b.model_id = coalesce(v.model_id, s.model_id, r.model_id, n.model_id)
                   ) THEN 'mlflow.modelVersions' END,
                   CASE WHEN h.paths IS NOT NULL AND list_contains(h.paths, s.path) THEN 'mlflow.log-model.history' END
               ], lambda x: x IS NOT NULL) AS recovered_from
        FROM every v
        LEFT JOIN stored_at s ON s.workspace = v.workspace AND s.name = v.name AND s.version = v.version
        LEFT JOIN recovered_versions r ON r.workspace = v.workspace AND r.name = v.name AND r.version = v.version
        LEFT JOIN extra e ON e.workspace = v.workspace AND e.name = v.name AND e.version = v.version
        LEFT JOIN named n ON n.workspace = e.workspace AND n.name = e.name AND n.version = e.version
        LEFT JOIN mlflow_logged_model l ON v.is_deleted
            AND l.model_id = coalesce(v.model_id, s.model_id, r.model_id, n.model_id)
        LEFT JOIN (
            SELECT run_id, json_extract_string(value, '$[*].artifact_path') AS paths FROM mlflow_tag
            WHERE key = 'mlflow.log-model.history' AND json_valid(value)
        ) h ON h.run_id = s.run_id
    """,
)

RECOVERY_EVENTS = (
    STORED_AT,
    REGISTERED_BEFORE,
    MADE_OF,
    RENAMED,
    UNEXPLAINED,
    RECOVERED,
    LOST_MODELS,
    TOLD_VERSIONS,
)
"""In an order in which each reads only rows of those before it."""
