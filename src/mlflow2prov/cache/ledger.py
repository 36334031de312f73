"""The ledger: which changes are kept for ever, as rows of ``mlflow_change``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlflow2prov.cache.compare import Comparison
from mlflow2prov.cache.units import OWNED, UNITS, Owned
from mlflow2prov.sources.tables import SOURCE_TABLES


@dataclass(frozen=True, slots=True)
class Replaced:
    """Values whose replacement is kept: columns of the one row of a unit, or the values of its tags.

    Attributes:
        table: the source table.
        kind: of the units.
        fields: the columns; one that is replaced by NULL counts, one that was NULL does not.
        key: the column that tells rows of a unit apart.
        word: what the ledger calls the field, where there is a key.
    """

    table: str
    kind: str
    fields: tuple[str, ...]
    key: str | None = None
    word: str | None = None


def _tag(table: str, kind: str) -> Replaced:
    return Replaced(table, kind, ("value",), "key", "tag")


LEDGERED: tuple[Replaced, ...] = (
    Replaced("mlflow_experiment", "experiment", ("name", "lifecycle_stage")),
    Replaced("mlflow_run", "run", ("name", "lifecycle_stage")),
    Replaced("mlflow_logged_model", "logged_model", ("name", "lifecycle_stage")),
    Replaced("mlflow_registered_model", "registered_model", ("description",)),
    Replaced("mlflow_model_version", "version", ("stage", "description")),
    _tag("mlflow_experiment_tag", "experiment"),
    _tag("mlflow_tag", "run"),
    _tag("mlflow_logged_model_tag", "logged_model"),
    _tag("mlflow_registered_model_tag", "registered_model"),
    _tag("mlflow_model_version_tag", "version"),
)
"""Whose former values are kept. What only goes on (a status, an end, a count) is not replaced."""

_MACHINES = (
    "mlflow.loggedArtifacts",
    "mlflow.log-model.history",
    "mlflow.modelVersions",
    "mlflow.linkedPrompts",
)
"""Tags that MLflow lengthens by itself: nothing in them is lost."""

_COLUMNS = tuple(SOURCE_TABLES["mlflow_change"].columns)


def write_ledger(found: Comparison, not_before_ms: int, not_after_ms: int) -> int:
    """Fill ``mlflow_change`` of the arrived schema with what the store has forgotten; return how many rows."""
    store, schema = found.cache.store, found.arrived.schema
    window = f"{not_before_ms}, {not_after_ms}"
    selects = [*_forgotten(found), *_deleted(found), *_replaced(found), *_aliases(found)]
    for select in selects:
        store.run(f"INSERT INTO {schema}.mlflow_change SELECT *, {window} FROM ({select})")
    return int(store.scalar(f"SELECT count(*) FROM {schema}.mlflow_change"))


def _row(
    kind: str,
    alias: str,
    change: str,
    field: str = "NULL",
    key: str = "NULL",
    old: str = "NULL",
    new: str = "NULL",
) -> str:
    """The columns of a row of the ledger, but for the window."""
    keys = UNITS[kind].keys
    own = {key: f"{alias}.{key}" for key in keys if len(keys) > 1}
    values = {
        "kind": f"'{kind}'",
        "owner_id": f"{alias}.{keys[0]}" if len(keys) == 1 else "NULL",
        "workspace": own.get("workspace", "NULL"),
        "name": own.get("name", "NULL"),
        "version": own.get("version", "NULL::BIGINT"),
        "change": f"'{change}'",
        "field": field,
        "key": key,
        "old": old,
        "new": new,
    }
    return ", ".join(f"{values[name]} AS {name}" for name in _COLUMNS[:10])


def _forgotten(found: Comparison) -> Iterator[str]:
    for kind, count in found.gone.items():
        if count and kind != "dataset":
            yield f"SELECT {_row(kind, 'g', 'forgotten')} FROM {found.arrived.schema}.gone_{kind} g"


def _joined(found: Comparison, table: str, kind: str, key: str | None) -> str:
    """The rows of a table before (``k``) beside those of now (``a``), where units changed."""
    keys = [*UNITS[kind].keys, *([key] if key else [])]
    same = " AND ".join(f"a.{name} = k.{name}" for name in keys)
    units = " AND ".join(f"d.{name} = k.{name}" for name in UNITS[kind].keys)
    owned = next(it for it in OWNED if it.table == table and it.kind == kind)
    changed = f"{found.arrived.schema}.changed_{owned.table}_{owned.kind}"
    return (
        f"{found.cache.sources}.{table} k JOIN {changed} d ON {units} "
        f"LEFT JOIN (FROM {found.arrived.schema}.{table} t WHERE {owned.matches(changed)}) a ON {same}"
    )


def _is_changed(found: Comparison, table: str, kind: str) -> bool:
    return (table, kind) in found.changed


def _deleted(found: Comparison) -> Iterator[str]:
    """What is marked as deleted now and was not before: some stores do not tell when that was."""
    for kind in ("experiment", "run", "logged_model"):
        table = UNITS[kind].table
        if _is_changed(found, table, kind):
            yield (
                f"SELECT {_row(kind, 'k', 'deleted')} FROM {_joined(found, table, kind, None)} "
                "WHERE a.lifecycle_stage = 'deleted' AND k.lifecycle_stage IS DISTINCT FROM 'deleted'"
            )
    if _is_changed(found, "mlflow_model_version", "version"):
        yield (
            f"SELECT {_row('version', 'k', 'deleted')} FROM {_joined(found, 'mlflow_model_version', 'version', None)} "
            "WHERE a.is_deleted AND NOT k.is_deleted"
        )


def _replaced(found: Comparison) -> Iterator[str]:
    for replaced in LEDGERED:
        if not _is_changed(found, replaced.table, replaced.kind):
            continue
        rows = _joined(found, replaced.table, replaced.kind, replaced.key)
        for field in replaced.fields:
            key = f"k.{replaced.key}" if replaced.key else "NULL"
            shown = _row(
                replaced.kind, "k", "replaced", f"'{replaced.word or field}'", key, f"k.{field}", f"a.{field}"
            )
            yield f"SELECT {shown} FROM {rows} WHERE {_lost(replaced, field)}"


def _lost(replaced: Replaced, field: str) -> str:
    """SQL of whether the store does not tell the former value any more."""
    lost = [f"k.{field} IS NOT NULL", f"k.{field} IS DISTINCT FROM a.{field}"]
    if field == "lifecycle_stage":  # a restored thing has forgotten its deletion; a deleted one tells it
        lost.append("k.lifecycle_stage = 'deleted'")
    if replaced.key == "key":
        lost.append(f"k.key NOT IN {_MACHINES!r}")
    if replaced.table == "mlflow_model_version":  # a deleted one is remembered as a whole
        lost.append("NOT a.is_deleted")
    return " AND ".join(lost)


def _aliases(found: Comparison) -> Iterator[str]:
    """Aliases that point elsewhere, or nowhere, now."""
    if not _is_changed(found, "mlflow_registered_model_alias", "version"):
        return
    schema = found.arrived.schema
    yield (
        f"SELECT {_row('version', 'k', 'replaced', _ALIAS, 'k.alias', 'k.version::VARCHAR', 'n.version::VARCHAR')} "
        f"FROM {_joined(found, 'mlflow_registered_model_alias', 'version', 'alias')} "
        f"LEFT JOIN {schema}.mlflow_registered_model_alias n ON n.workspace = k.workspace AND n.name = k.name "
        "AND n.alias = k.alias WHERE a.alias IS NULL"
    )


_ALIAS = "'alias'"


def owned_changes(found: Comparison) -> list[Owned]:
    """The tables of units that have other rows than before."""
    return [owned for owned in OWNED if (owned.table, owned.kind) in found.changed]
