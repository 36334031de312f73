"""Who used which version of a prompt; prompts themselves are registered models (`events_models`)."""

from __future__ import annotations

from mlflow2prov.model.declare import Event, used

LINKED_PROMPTS = Event(
    name="linked_prompts",
    doc="Which versions of prompts the tags of runs and of logged models name.",
    rows="""
        WITH told AS (
            SELECT r.creation_ref, t.value FROM mlflow_tag t JOIN runs r ON r.run_id = t.run_id
            WHERE t.key = 'mlflow.linkedPrompts'
            UNION ALL
            SELECT coalesce(l.run_creation_ref, l.own_creation_ref), t.value
            FROM mlflow_logged_model_tag t JOIN logged_models l ON l.model_id = t.model_id
            WHERE t.key = 'mlflow.linkedPrompts'
        ), items AS (
            SELECT creation_ref, unnest(CASE WHEN json_valid(value) THEN json_extract(value, '$[*]') END) AS item
            FROM told
        ), named AS (
            SELECT DISTINCT creation_ref, json_extract_string(item, '$.name') AS name,
                   TRY_CAST(json_extract_string(item, '$.version') AS BIGINT) AS version
            FROM items
        ), prompts AS (
            SELECT name, version, min(version_ref) AS version_ref
            FROM model_versions WHERE is_prompt GROUP BY ALL HAVING count(*) = 1
        )
        SELECT n.creation_ref, n.name, n.version, p.version_ref
        FROM named n LEFT JOIN prompts p ON p.name = n.name AND p.version = n.version
        ORDER BY n.creation_ref, n.name, n.version
    """,
    relations=(used("creation_ref", "version_ref", "Prompt"),),
)

PROMPT_EVENTS = (LINKED_PROMPTS,)
"""In an order in which each reads only rows of those before it."""
