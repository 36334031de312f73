"""What the store still tells of deleted versions and models, where a graph is changed and not made anew.

A version may be recovered from anything in the store. So it is worked out of all rows, before and after a
change. Where that changes, or where what was recovered belongs to what changed, the graph has to be made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from mlflow2prov.graph.store import Store
from mlflow2prov.model.declare import Event
from mlflow2prov.model.events_recovery import LOST_MODELS, RECOVERY_EVENTS, TOLD_VERSIONS
from mlflow2prov.model.expand import Names, settle

_VERSION = "{0}.workspace = {1}.workspace AND {0}.name = {1}.name AND {0}.version = {1}.version"

_RECOVERED = f"""
    SELECT t.workspace, t.name, t.version, t.model_id, t.run_id, t.stored_run_id, t.stored_path, t.recovered_from
    FROM told_versions t LEFT JOIN mlflow_model_version v ON {_VERSION.format("v", "t")}
    WHERE v.version IS NULL OR t.stored_run_id IS NOT NULL OR t.model_id IS DISTINCT FROM v.model_id
        OR t.run_id IS DISTINCT FROM v.run_id OR len(list_filter(t.recovered_from, lambda x: x <> 'source')) > 0
"""
"""The versions of which more is told than their own rows say."""

_TOUCHED: Mapping[str, str] = {
    "registered_model": "d.workspace = r.workspace AND d.name = r.name",
    "version": _VERSION.format("d", "r"),
    "logged_model": "d.model_id = r.model_id",
    "run": "d.run_id IN (r.run_id, r.stored_run_id)",
}
"""When a unit that is another than before has to do with a recovered version."""


_SAY_NOTHING = ("run", "experiment", "dataset", "trace", "evaluation_dataset")
"""The kinds of units that nothing is recovered from, but for runs in whose folder a version was stored."""


def may_recover(store: Store, *views: str) -> bool:
    """Return whether there is anything that a version could be recovered from, or any version."""
    sources = [
        question
        for schema in views
        for question in (
            f"EXISTS (FROM {schema}.mlflow_model_version)",
            f"EXISTS (FROM {schema}.mlflow_logged_model_tag WHERE key = 'mlflow.modelVersions')",
        )
    ]
    return bool(store.scalar(f"SELECT {' OR '.join(sources)}"))


def recover(store: Store, views: str, names: Names) -> None:
    """Make the tables of the facts of recovery, and ``recovered``, in a schema with views of all source tables."""
    cursor = store.cursor()
    try:
        cursor.execute(f"SET search_path = '{views}'")
        settle(cursor, names)
        for event in RECOVERY_EVENTS:
            cursor.execute(f"CREATE TABLE {event.name} AS {event.rows}")
        cursor.execute(f"CREATE TABLE recovered AS {_RECOVERED}")
    finally:
        cursor.close()


def is_as_before(store: Store, after: str, arrived: str, dirty: Mapping[str, int]) -> bool:
    """Return whether the same is recovered before and after a change, as units tell that are others than before.

    So it is where these are runs alone in whose folder no deleted version was stored: nothing is recovered from
    other runs.

    Args:
        store: where the schemas are.
        after: the schema with views of the state after.
        arrived: the schema with the keys of these units.
        dirty: how many they are, by kind.
    """
    if any(count for kind, count in dirty.items() if kind not in _SAY_NOTHING):
        return False
    stored = (
        f"{after}.mlflow_model_version v JOIN {arrived}.dirty_run d ON contains(v.storage_location, d.run_id)"
    )
    return not store.scalar(f"SELECT EXISTS (FROM {stored} WHERE v.is_deleted)")


def is_touched(store: Store, before: str, after: str, arrived: str) -> bool:
    """Return whether what is recovered is different after a change, or belongs to a unit that is.

    Args:
        store: where the schemas are.
        before: the schema that :func:`recover` has filled with the state before.
        after: likewise, the state after.
        arrived: the schema with the keys of the units that are others than before.
    """
    mine, theirs = f"{before}.recovered", f"{after}.recovered"
    differing = f"FROM ((FROM {mine} EXCEPT FROM {theirs}) UNION ALL (FROM {theirs} EXCEPT FROM {mine}))"
    touching = [
        f"FROM {after}.recovered r JOIN {arrived}.dirty_{kind} d ON {same}" for kind, same in _TOUCHED.items()
    ]
    questions = " OR ".join(f"EXISTS ({rows})" for rows in (differing, *touching))
    return bool(store.scalar(f"SELECT {questions}"))


def with_recovered(events: Iterable[Event], views: str) -> Iterator[Event]:
    """Yield the events for an expansion of some units, of which those of recovery read what all rows came to."""
    same = _VERSION.format("v", "t")
    told = f"SELECT * FROM {views}.told_versions t WHERE EXISTS (FROM mlflow_model_version v WHERE {same})"
    rows = {TOLD_VERSIONS.name: told, LOST_MODELS.name: f"SELECT * FROM {views}.lost_models LIMIT 0"}
    spared = {event.name for event in RECOVERY_EVENTS} - rows.keys()
    for event in events:
        if event.name not in spared:
            yield replace(event, rows=rows[event.name]) if event.name in rows else event
