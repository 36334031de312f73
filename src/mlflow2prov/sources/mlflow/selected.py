"""What a selection keeps of the source tables, the same whichever way they were filled.

A way in reads what is chosen with what comes with it, and may read more where that costs less. It tells in
``mlflow_selected`` which experiments and runs were chosen. Here the rest is taken out again. The meaning of a
selection stands in :mod:`mlflow2prov.sources.mlflow.selection`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from mlflow2prov.graph.store import Store
from mlflow2prov.sources.mlflow.selection import Selection

log = logging.getLogger(__name__)

_SETS: tuple[tuple[str, str], ...] = (
    (
        "run",
        """
        WITH RECURSIVE above AS (
            SELECT id FROM {s}.mlflow_selected WHERE kind = 'run'
            UNION
            SELECT t.value FROM above JOIN {s}.mlflow_tag t ON t.run_id = above.id
            WHERE t.key = 'mlflow.parentRunId'
        ) SELECT id FROM above SEMI JOIN {s}.mlflow_run r ON r.run_id = above.id
        """,
    ),
    ("whole", "SELECT id FROM {s}.mlflow_selected WHERE kind = 'experiment' AND {is_of_experiments}"),
    (
        "experiment",
        """
        SELECT experiment_id AS id FROM {s}.mlflow_run SEMI JOIN {k}.run r ON r.id = run_id
        UNION SELECT id FROM {s}.mlflow_selected WHERE kind = 'experiment'
        """,
    ),
    (
        "made",
        """
        SELECT model_id AS id FROM {s}.mlflow_logged_model
        WHERE source_run_id IN (FROM {k}.run) OR experiment_id IN (FROM {k}.whole)
        UNION
        SELECT model_id FROM {s}.mlflow_model_link WHERE direction = 'output' AND run_id IN (FROM {k}.run)
        UNION
        SELECT model_id FROM {s}.mlflow_model_version
        WHERE {is_of_models} AND model_id IS NOT NULL AND name IN (FROM {k}.model)
        """,
    ),
    (
        "trace",
        """
        SELECT trace_id AS id FROM {s}.mlflow_trace WHERE experiment_id IN (FROM {k}.whole)
        UNION
        SELECT trace_id FROM {s}.mlflow_trace_metadata
        WHERE key = 'mlflow.sourceRun' AND value IN (FROM {k}.run)
        """,
    ),
    (
        "linked",
        """
        WITH told AS (
            SELECT value FROM {s}.mlflow_tag WHERE key = 'mlflow.linkedPrompts' AND run_id IN (FROM {k}.run)
            UNION ALL
            SELECT value FROM {s}.mlflow_logged_model_tag
            WHERE key = 'mlflow.linkedPrompts' AND model_id IN (FROM {k}.made)
            UNION ALL
            SELECT value FROM {s}.mlflow_trace_tag
            WHERE key = 'mlflow.linkedPrompts' AND trace_id IN (FROM {k}.trace)
        ), item AS (
            SELECT unnest(CASE WHEN json_valid(value) THEN json_extract(value, '$[*]') END) AS item FROM told
        )
        SELECT DISTINCT json_extract_string(item, '$.name') AS name,
               TRY_CAST(json_extract_string(item, '$.version') AS BIGINT) AS version FROM item
        """,
    ),
    (
        "first_version",
        """
        SELECT workspace, name, version FROM {s}.mlflow_model_version
        WHERE (name IN (FROM {k}.model) OR NOT {has_models})
        AND ({is_of_models} OR run_id IN (FROM {k}.run) OR model_id IN (FROM {k}.made))
        UNION
        SELECT v.workspace, v.name, v.version FROM {s}.mlflow_model_version v
        JOIN {k}.linked l ON l.name = v.name AND l.version = v.version
        """,
    ),
    (
        "version",
        r"""
        WITH RECURSIVE copied AS (
            SELECT workspace, name, version,
                   regexp_extract(source, '^models:/([^/]+)/([0-9]+)$', ['name', 'version']) AS source
            FROM {s}.mlflow_model_version
        ), found AS (
            FROM {k}.first_version
            UNION
            SELECT o.workspace, o.name, o.version
            FROM found f JOIN copied c USING (workspace, name, version)
            JOIN {s}.mlflow_model_version o ON o.workspace = c.workspace AND o.name = c.source.name
                AND o.version = TRY_CAST(c.source.version AS BIGINT)
        )
        FROM found
        UNION
        SELECT workspace, name, version FROM {s}.mlflow_model_version
        WHERE is_deleted AND run_id IS NULL AND model_id IS NULL AND source IS NULL
        AND (workspace, name) IN (SELECT (workspace, name) FROM found)
        """,
    ),
    (
        "registered",
        """
        SELECT workspace, name FROM {k}.version
        UNION SELECT workspace, name FROM {s}.mlflow_registered_model WHERE name IN (FROM {k}.model)
        """,
    ),
    (
        "logged_model",
        """
        FROM {k}.made
        UNION SELECT model_id AS id FROM {s}.mlflow_model_link WHERE run_id IN (FROM {k}.run)
        UNION
        SELECT model_id FROM {s}.mlflow_model_version SEMI JOIN {k}.version v USING (workspace, name, version)
        WHERE model_id IS NOT NULL
        """,
    ),
    (
        "dataset",
        """
        SELECT r.experiment_id, i.name, i.digest FROM {s}.mlflow_dataset_input i
        JOIN {s}.mlflow_run r ON r.run_id = i.run_id WHERE r.run_id IN (FROM {k}.run)
        UNION
        SELECT l.experiment_id, m.dataset_name, m.dataset_digest FROM {s}.mlflow_logged_model_metric m
        JOIN {s}.mlflow_logged_model l ON l.model_id = m.model_id
        WHERE m.model_id IN (FROM {k}.made) AND m.dataset_name IS NOT NULL
        UNION
        SELECT experiment_id, name, digest FROM {s}.mlflow_dataset WHERE experiment_id IN (FROM {k}.whole)
        """,
    ),
    (
        "evaluation",
        """
        SELECT dataset_id AS id FROM {s}.mlflow_evaluation_dataset_link
        WHERE experiment_id IN (FROM {k}.experiment)
        """,
    ),
)
"""What is kept, as sets of names, each of which may build on those before it."""

_OWNED = (
    "owner = 'run' AND owner_id IN (FROM {k}.run) OR owner = 'logged_model' AND owner_id IN (FROM {k}.made)"
)
_OF_RUN = "run_id IN (FROM {k}.run)"
_OF_MADE = "model_id IN (FROM {k}.made)"
_OF_EXPERIMENT = "experiment_id IN (FROM {k}.experiment)"
_OF_MODEL = "(workspace, name) IN (SELECT (workspace, name) FROM {k}.registered)"
_OF_VERSION = "(workspace, name, version) IN (SELECT (workspace, name, version) FROM {k}.version)"
_OF_TRACE = "trace_id IN (FROM {k}.trace)"
_OF_EVALUATION = "dataset_id IN (FROM {k}.evaluation)"

_KEPT: Mapping[str, str] = {
    "mlflow_experiment": _OF_EXPERIMENT,
    "mlflow_experiment_tag": _OF_EXPERIMENT,
    "mlflow_run": _OF_RUN,
    "mlflow_param": _OF_RUN,
    "mlflow_tag": _OF_RUN,
    "mlflow_metric": _OF_RUN,
    "mlflow_dataset": "(experiment_id, name, digest) IN (SELECT (experiment_id, name, digest) FROM {k}.dataset)",
    "mlflow_dataset_input": _OF_RUN,
    "mlflow_logged_model": "model_id IN (FROM {k}.logged_model)",
    "mlflow_logged_model_param": _OF_MADE,
    "mlflow_logged_model_tag": _OF_MADE,
    "mlflow_logged_model_metric": f"{_OF_MADE} AND (run_id IS NULL OR {_OF_RUN})",
    "mlflow_model_link": _OF_RUN,
    "mlflow_registered_model": _OF_MODEL,
    "mlflow_registered_model_tag": _OF_MODEL,
    "mlflow_registered_model_alias": _OF_VERSION,
    "mlflow_model_version": _OF_VERSION,
    "mlflow_model_version_tag": _OF_VERSION,
    "mlflow_artifact": _OWNED,
    "mlflow_model_file": _OWNED,
    "mlflow_trace_count": f"{_OWNED} OR owner = 'experiment' AND owner_id IN (FROM {{k}}.whole)",
    "mlflow_trace": _OF_TRACE,
    "mlflow_trace_tag": _OF_TRACE,
    "mlflow_trace_metadata": _OF_TRACE,
    "mlflow_span": _OF_TRACE,
    "mlflow_assessment": _OF_TRACE,
    "mlflow_evaluation_dataset": _OF_EVALUATION,
    "mlflow_evaluation_dataset_tag": _OF_EVALUATION,
    "mlflow_evaluation_dataset_link": f"{_OF_EVALUATION} AND {_OF_EXPERIMENT}",
}
"""Which rows of each source table of MLflow are kept."""


def keep_selected(store: Store, schema: str, selection: Selection) -> None:
    """Leave in the source tables of a schema what a selection chooses, and what comes with that.

    Args:
        store: where the schema is.
        schema: one whose tables a way in filled for this selection.
        selection: what was chosen.
    """
    with store.scratch("selected") as scratch:
        words = {
            "s": schema,
            "k": scratch,
            "is_of_experiments": str(selection.is_of_experiments),
            "is_of_models": str(selection.is_of_models),
            "has_models": str(bool(selection.models)),
        }
        store.run(
            f"CREATE TABLE {scratch}.model AS SELECT unnest(?::VARCHAR[]) AS name", [list(selection.models)]
        )
        for name, sql in _SETS:
            store.run(f"CREATE TABLE {scratch}.{name} AS {sql.format(**words)}")
        store.run(
            f"INSERT INTO {schema}.mlflow_selected SELECT 'beyond', m.model_id FROM {schema}.mlflow_logged_model m "
            f"SEMI JOIN {scratch}.logged_model l ON l.id = m.model_id ANTI JOIN {scratch}.made d ON d.id = m.model_id "
            "WHERE m.source_run_id IS NOT NULL"
        )
        for table, condition in _KEPT.items():
            store.run(f"DELETE FROM {schema}.{table} WHERE ({condition.format(**words)}) IS NOT TRUE")
        if not store.scalar(f"SELECT count(*) FROM {scratch}.run"):
            log.warning("no run of the MLflow store is chosen (%s)", selection.shown)
