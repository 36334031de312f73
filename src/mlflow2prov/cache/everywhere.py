"""What is told of a whole store whatever changed in it: its state, its people, and what its runs name in Git."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from mlflow2prov.model.declare import Event
from mlflow2prov.model.events import EVENTS
from mlflow2prov.model.events_extraction import STORES, digest_sql
from mlflow2prov.model.events_git import GIT_NAMES
from mlflow2prov.model.events_mlflow import USERS
from mlflow2prov.sources.git_points import datasets_of_runs_sql, points_sql
from mlflow2prov.sources.tables import SOURCE_TABLES


def events_over(views: str, state: str | None, digests: Mapping[str, list[int]]) -> tuple[Event, ...]:
    """The events, of which those that tell of the whole store read all of it.

    Args:
        views: the schema with all of it.
        state: its digest, where it is known already.
        digests: else the digests of its largest tables.
    """
    people = USERS.rows.replace("FROM run_facts", _RUN_USERS).replace("FROM trace_facts", _TRACE_USERS)
    everywhere = {
        GIT_NAMES.name: replace(GIT_NAMES, rows=_qualified(GIT_NAMES.rows, views)),
        USERS.name: replace(USERS, rows=_qualified(people, views)),
    }
    if state is None:
        rows = STORES.rows
        for table, numbers in digests.items():
            rows = rows.replace(digest_sql(table), f"'{' '.join(map(str, numbers))}'")
        everywhere[STORES.name] = replace(STORES, rows=_qualified(rows, views))
    else:
        rows = f"SELECT m.*, NULL::VARCHAR AS selection, '{state}' AS state FROM mlflow_store m"
        everywhere[STORES.name] = replace(STORES, rows=rows)
    return tuple(everywhere.get(event.name, event) for event in EVENTS)


def wanted_sql(rows: Callable[[str], str]) -> dict[str, str]:
    """SQL of what runs name in the repository, by the cache's table of it, given the rows of source tables."""
    tables = (rows(table) for table in ("mlflow_tag", "mlflow_dataset_input", "mlflow_dataset"))
    points = points_sql(rows("mlflow_tag"), rows("mlflow_logged_model_tag"))
    return {"asked": points, "asked_data": datasets_of_runs_sql(*tables)}


_RUN_USERS = """FROM (
    SELECT nullif(coalesce(present(trim(t.value)), present(trim(r.user_id))), 'unknown') AS username
    FROM mlflow_run r LEFT JOIN mlflow_tag t ON t.run_id = r.run_id AND t.key = 'mlflow.user'
)"""
_TRACE_USERS = """FROM (
    SELECT max(present(trim(value))) AS username FROM mlflow_trace_metadata
    WHERE key = 'mlflow.user' GROUP BY trace_id
)"""
"""The users of all runs and traces, without the facts of each."""


def _qualified(sql: str, schema: str) -> str:
    """The SQL with the names of source tables in a schema."""
    return re.sub(
        r"\b(?:mlflow|git)_\w+",
        lambda found: f"{schema}.{found[0]}" if found[0] in SOURCE_TABLES else found[0],
        sql,
    )
