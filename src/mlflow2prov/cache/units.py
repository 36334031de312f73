"""What can change on its own in a store, and what the records of one thing are computed from.

A *unit* is a thing with an identity of its own (a run, a version, …) and all rows that belong to it. When
a unit changes, its records change, and those of the units that need it. Both are declared here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow2prov.sources.tables import SOURCE_TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Unit:
    """A kind of units: the columns that name one, and the table with one row for each that is there."""

    kind: str
    keys: tuple[str, ...]
    table: str


@dataclass(frozen=True, slots=True)
class Owned:
    """A source table, or the part of it with ``when``, whose rows belong to units of a kind.

    ``columns`` has the SQL of a key that is not a column of the table.
    """

    table: str
    kind: str
    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    when: str = "true"

    def key(self, alias: str = "") -> str:
        """The SQL of the keys' values, of the table by this alias."""
        dot = f"{alias}." if alias else ""
        return ", ".join(dot + self.columns.get(name, name) for name in UNITS[self.kind].keys)

    def matches(self, units: str, alias: str = "t") -> str:
        """The SQL of whether a row's unit is in a table of keys, which has the alias ``u``."""
        pairs = zip(self.key(alias).split(", "), UNITS[self.kind].keys, strict=True)
        same = " AND ".join(f"u.{name} = {mine}" for mine, name in pairs)
        return f"({self.when}) AND EXISTS (FROM {units} u WHERE {same})"


_VERSION = ("workspace", "name", "version")

UNITS: dict[str, Unit] = {
    unit.kind: unit
    for unit in (
        Unit("experiment", ("experiment_id",), "mlflow_experiment"),
        Unit("run", ("run_id",), "mlflow_run"),
        Unit("logged_model", ("model_id",), "mlflow_logged_model"),
        Unit("registered_model", ("workspace", "name"), "mlflow_registered_model"),
        Unit("version", _VERSION, "mlflow_model_version"),
        Unit("dataset", ("name", "digest"), "mlflow_dataset"),
        Unit("trace", ("trace_id",), "mlflow_trace"),
        Unit("evaluation_dataset", ("dataset_id",), "mlflow_evaluation_dataset"),
    )
}
"""Every kind of units."""

_ID = {unit.kind: unit.keys[0] for unit in UNITS.values() if len(unit.keys) == 1}


def _by_owner(table: str, *kinds: str) -> tuple[Owned, ...]:
    return tuple(Owned(table, kind, {_ID[kind]: "owner_id"}, f"owner = '{kind}'") for kind in kinds)


OWNED: tuple[Owned, ...] = (
    Owned("mlflow_experiment", "experiment"),
    Owned("mlflow_experiment_tag", "experiment"),
    Owned("mlflow_run", "run"),
    Owned("mlflow_param", "run"),
    Owned("mlflow_tag", "run"),
    Owned("mlflow_metric", "run"),
    Owned("mlflow_dataset_input", "run"),
    Owned("mlflow_model_link", "run"),
    Owned("mlflow_dataset", "dataset"),
    Owned("mlflow_logged_model", "logged_model"),
    Owned("mlflow_logged_model_param", "logged_model"),
    Owned("mlflow_logged_model_tag", "logged_model"),
    Owned("mlflow_logged_model_metric", "logged_model"),
    Owned("mlflow_registered_model", "registered_model"),
    Owned("mlflow_registered_model_tag", "registered_model"),
    Owned("mlflow_registered_model_alias", "version"),
    Owned("mlflow_model_version", "version"),
    Owned("mlflow_model_version_tag", "version"),
    *_by_owner("mlflow_artifact", "run", "logged_model"),
    *_by_owner("mlflow_model_file", "run", "logged_model"),
    *_by_owner("mlflow_trace_count", "run", "logged_model", "experiment"),
    Owned("mlflow_trace", "trace"),
    Owned("mlflow_trace_tag", "trace"),
    Owned("mlflow_trace_metadata", "trace"),
    Owned("mlflow_span", "trace"),
    Owned("mlflow_assessment", "trace"),
    Owned("mlflow_evaluation_dataset", "evaluation_dataset"),
    Owned("mlflow_evaluation_dataset_tag", "evaluation_dataset"),
    Owned("mlflow_evaluation_dataset_link", "evaluation_dataset"),
)
"""Which tables belong to which units."""

LEDGER: tuple[Owned, ...] = tuple(
    Owned(
        "mlflow_change",
        unit.kind,
        {_ID[unit.kind]: "owner_id"} if unit.kind in _ID else {},
        f"kind = '{unit.kind}'",
    )
    for unit in UNITS.values()
    if unit.kind != "dataset"
)
"""The ledger: its rows belong to units, but no store has them."""

OWNED_TABLES = tuple(dict.fromkeys(owned.table for owned in OWNED))
GIT_TABLES = tuple(name for name in SOURCE_TABLES if name.startswith("git_"))


@dataclass(frozen=True, slots=True)
class Need:
    """The records of a unit are computed from another unit's rows.

    Attributes:
        kind: of the unit that needs.
        needed: the kind of the other.
        pairs: SQL of the keys of the one and of the other.
        tables: the tables that it reads; without rows in the first of them there is none.
        presence: it matters only whether the other is there.
    """

    kind: str
    needed: str
    pairs: str
    tables: tuple[str, ...]
    presence: bool = False


_PLACE = "rtrim(CASE WHEN starts_with({0}, 'file:') THEN regexp_replace(url_decode({0}), '^file:/+', '/') ELSE {0} END, '/')"
_OF_RUN = "coalesce(nullif(regexp_extract({0}.source, '^runs:/([^/]+)', 1), ''), {0}.run_id)"
_PLACED = "nullif(regexp_extract({0}.source, '^.*/([0-9a-f]{{32}})/artifacts(?:/|$)', 1), '')"


def _linked(table: str, key: str, kind: str, needed_table: str = "mlflow_model_version") -> Need:
    """What names versions of prompts in a tag."""
    return Need(
        kind,
        "version",
        f"""
        SELECT i.{key}, v.workspace, v.name, v.version FROM (
            SELECT {key}, unnest(CASE WHEN json_valid(value) THEN json_extract(value, '$[*]') END) AS item
            FROM {table} WHERE key = 'mlflow.linkedPrompts'
        ) i JOIN {needed_table} v ON v.name = json_extract_string(i.item, '$.name')
            AND v.version = TRY_CAST(json_extract_string(i.item, '$.version') AS BIGINT)
        """,
        (table, needed_table),
    )


NEEDS: tuple[Need, ...] = (
    Need("run", "experiment", "SELECT run_id, experiment_id FROM mlflow_run", ("mlflow_run",), True),
    Need(
        "run",
        "run",
        "SELECT run_id, value FROM mlflow_tag WHERE key = 'mlflow.parentRunId'",
        ("mlflow_tag",),
        True,
    ),
    Need(
        "run",
        "dataset",
        "SELECT run_id, name, digest FROM mlflow_dataset_input",
        ("mlflow_dataset_input",),
        True,
    ),
    Need("run", "logged_model", "SELECT run_id, model_id FROM mlflow_model_link", ("mlflow_model_link",)),
    Need(
        "run",
        "logged_model",
        "SELECT source_run_id, model_id FROM mlflow_logged_model "
        "WHERE source_run_id IS NOT NULL AND is_dirty IS NOT NULL",
        ("mlflow_logged_model",),
    ),
    _linked("mlflow_tag", "run_id", "run"),
    Need(
        "logged_model",
        "run",
        "SELECT model_id, source_run_id FROM mlflow_logged_model WHERE source_run_id IS NOT NULL",
        ("mlflow_logged_model",),
    ),
    Need(
        "logged_model",
        "run",
        "SELECT DISTINCT model_id, run_id FROM mlflow_logged_model_metric WHERE run_id IS NOT NULL",
        ("mlflow_logged_model_metric",),
        True,
    ),
    Need("logged_model", "run", "SELECT model_id, run_id FROM mlflow_model_link", ("mlflow_model_link",)),
    Need(
        "logged_model",
        "dataset",
        "SELECT m.model_id, i.name, i.digest FROM mlflow_logged_model m "
        "JOIN mlflow_dataset_input i ON i.run_id = m.source_run_id",
        ("mlflow_dataset_input", "mlflow_logged_model"),
        True,
    ),
    Need(
        "logged_model",
        "dataset",
        "SELECT DISTINCT model_id, dataset_name, dataset_digest FROM mlflow_logged_model_metric "
        "WHERE dataset_name IS NOT NULL AND dataset_digest IS NOT NULL",
        ("mlflow_logged_model_metric",),
        True,
    ),
    _linked("mlflow_logged_model_tag", "model_id", "logged_model"),
    Need(
        "version",
        "registered_model",
        "SELECT workspace, name, version, workspace, name FROM mlflow_model_version",
        ("mlflow_model_version",),
    ),
    Need(
        "version",
        "run",
        f"SELECT workspace, name, version, "
        f"unnest([run_id, {_OF_RUN.format('v')}, {_PLACED.format('v')}]) FROM mlflow_model_version v",
        ("mlflow_model_version",),
    ),
    Need(
        "version",
        "logged_model",
        "SELECT workspace, name, version, model_id FROM mlflow_model_version WHERE model_id IS NOT NULL",
        ("mlflow_model_version",),
    ),
    Need(
        "version",
        "logged_model",
        "SELECT v.workspace, v.name, v.version, m.model_id FROM mlflow_model_version v "
        f"JOIN mlflow_logged_model m ON m.source_run_id = {_OF_RUN.format('v')}",
        ("mlflow_model_version", "mlflow_logged_model"),
    ),
    Need(
        "version",
        "logged_model",
        "SELECT v.workspace, v.name, v.version, m.model_id FROM mlflow_model_version v "
        f"JOIN mlflow_logged_model m ON m.source_run_id = {_PLACED.format('v')}",
        ("mlflow_model_version", "mlflow_logged_model"),
    ),
    Need(
        "version",
        "logged_model",
        "SELECT v.workspace, v.name, v.version, m.model_id FROM mlflow_model_version v "
        f"JOIN mlflow_logged_model m ON {_PLACE.format('m.artifact_location')} = {_PLACE.format('v.source')}",
        ("mlflow_model_version", "mlflow_logged_model"),
    ),
    Need(
        "version",
        "version",
        "SELECT workspace, name, version, workspace, told.model, TRY_CAST(told.number AS BIGINT) FROM (SELECT *, "
        "regexp_extract(source, '^models:/([^/]+)/([0-9]+)$', ['model', 'number']) AS told "
        "FROM mlflow_model_version) WHERE told.number <> ''",
        ("mlflow_model_version",),
        True,
    ),
    Need(
        "version",
        "version",
        "SELECT v.workspace, v.name, v.version, o.workspace, o.name, o.version FROM mlflow_model_version v "
        "JOIN mlflow_model_version o ON o.workspace = v.workspace AND o.name = v.name "
        "AND o.last_updated_ms = v.deleted_ms WHERE v.is_deleted",
        ("mlflow_model_version",),
    ),
    Need(
        "dataset",
        "run",
        "SELECT DISTINCT d.name, d.digest, r.run_id FROM (SELECT name, digest, unnest(string_split_regex("
        "json_extract_string(CASE WHEN json_valid(source) THEN source END, ['$.uri', '$.path', '$.url'])::VARCHAR, "
        "'[/\\[\\], ]+')) AS piece FROM mlflow_dataset) d JOIN mlflow_run r ON r.run_id = url_decode(d.piece)",
        ("mlflow_dataset", "mlflow_artifact"),
    ),
    Need(
        "dataset",
        "evaluation_dataset",
        "SELECT name, digest, json_extract_string(CASE WHEN json_valid(source) THEN source END, '$.dataset_id') "
        "FROM mlflow_dataset",
        ("mlflow_dataset", "mlflow_evaluation_dataset"),
        True,
    ),
    Need(
        "evaluation_dataset",
        "experiment",
        "SELECT dataset_id, experiment_id FROM mlflow_evaluation_dataset_link",
        ("mlflow_evaluation_dataset_link",),
        True,
    ),
    Need(
        "trace",
        "run",
        "SELECT trace_id, value FROM mlflow_trace_metadata WHERE key = 'mlflow.sourceRun'",
        ("mlflow_trace_metadata",),
        True,
    ),
    Need(
        "trace",
        "logged_model",
        "SELECT trace_id, value FROM mlflow_trace_metadata WHERE key = 'mlflow.modelId'",
        ("mlflow_trace_metadata",),
        True,
    ),
    Need("trace", "run", "SELECT trace_id, run_id FROM mlflow_assessment", ("mlflow_assessment",), True),
    Need(
        "trace",
        "trace",
        "SELECT n.trace_id, o.trace_id FROM mlflow_assessment n "
        "JOIN mlflow_assessment o ON o.assessment_id = n.overrides",
        ("mlflow_assessment",),
    ),
    _linked("mlflow_trace_tag", "trace_id", "trace"),
)
"""What the records of units are computed from, beside their own rows."""
