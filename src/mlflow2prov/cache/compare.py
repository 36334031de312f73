"""What changed: the rows that arrived beside those that the cache has, compared in bulk, unit by unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlflow2prov.cache.file import REMEMBERED, CacheFile
from mlflow2prov.cache.units import GIT_TABLES, LEDGER, OWNED, OWNED_TABLES, UNITS, Owned
from mlflow2prov.sources.tables import SOURCE_TABLES

EVERYTHING = None
"""The coverage of a table all of whose rows arrived."""


@dataclass(slots=True)
class Arrived:
    """What a reading brought, in a schema in memory.

    Attributes:
        schema: the source tables, and what is worked out of them here.
        covered: the tables of which rows arrived: all of them (``EVERYTHING``), or those of the units in a
            table of keys for each kind. Nothing is known of other tables.
        git: whether the tables of Git arrived.
        suspects: the tables that may have other rows than the cache; None where that is not known yet.
    """

    schema: str
    covered: dict[str, Mapping[str, str] | None] = field(default_factory=dict)
    git: bool = False
    suspects: set[str] | None = None


def columns_of(table: str) -> str:
    """The columns of a source table, for a query."""
    return ", ".join(f'"{name}"' for name in SOURCE_TABLES[table].columns)


@dataclass(slots=True)
class Comparison:
    """The cache and what arrived; :meth:`find` fills tables of keys in the arrived schema.

    Attributes:
        changed: how many units of a kind have other rows in a table, by table and kind.
        dirty: how many units of a kind are others than before, by kind.
        came_or_went: how many of these were not there before, or are no more.
        replaced: where one of the changed units had rows before.
    """

    cache: CacheFile
    arrived: Arrived
    changed: dict[tuple[str, str], int] = field(default_factory=dict)
    dirty: dict[str, int] = field(default_factory=dict)
    came_or_went: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    replaced: set[tuple[str, str]] = field(default_factory=set)

    @property
    def is_any(self) -> bool:
        """Whether anything is different."""
        return bool(sum(self.dirty.values()) or self.arrived.git)

    def find(self) -> None:
        """Compare, and make ``changed_<table>_<kind>``, ``gone_<kind>``, ``back_<kind>``, ``dirty_<kind>``."""
        store, schema = self.cache.store, self.arrived.schema
        suspects = self.suspects() if self.arrived.suspects is None else self.arrived.suspects
        same = {kind for kind in UNITS if not any(it.kind == kind and it.table in suspects for it in OWNED)}
        self._nothing(same)
        for kind, unit in UNITS.items():
            if kind not in same:
                self._presence(kind, unit.table in suspects)
        for owned in OWNED:
            if owned.table in suspects:
                name = changed_table(schema, owned)
                count = store.scalar(f"CREATE OR REPLACE TABLE {name} AS {self._changed(owned)}")
                if count:
                    self.changed[owned.table, owned.kind] = count
                    if store.scalar(f"SELECT bool_or(had_rows) FROM {name}"):
                        self.replaced.add((owned.table, owned.kind))
        for kind in UNITS:
            if kind not in same:
                self._dirty(kind)

    def _nothing(self, kinds: set[str]) -> None:
        """Say of kinds of units that none is another than before."""
        statements = [
            f"CREATE TABLE {self.arrived.schema}.{word}_{kind} AS FROM {self.cache.own}.forgotten_{kind} LIMIT 0"
            for kind in sorted(kinds)
            for word in ("gone", "back", "dirty", "present")
        ]
        if statements:
            self.cache.store.run("; ".join(statements))
        for counts in (self.gone, self.dirty, self.came_or_went):
            counts.update(dict.fromkeys(kinds, 0))

    def suspects(self) -> set[str]:
        """The tables whose arrived rows are not exactly those of the cache."""
        covered = [table for table in OWNED_TABLES if table in self.arrived.covered]
        whole = [table for table in covered if self.arrived.covered[table] is EVERYTHING]
        if not covered:
            return set()
        sums = [
            f"SELECT '{table}', (SELECT {_checksum(table)} FROM {self.cache.sources}.{table}) IS NOT DISTINCT FROM "
            f"(SELECT {_checksum(table)} FROM {self.arrived.schema}.{table})"
            for table in whole
        ]
        same = (
            {table for table, is_same in self.cache.store.run(" UNION ALL ".join(sums)) if is_same}
            if sums
            else set()
        )
        return set(covered) - same

    def other_units(self, table: str, kind: str) -> set[str]:
        """The runs or logged models, of those of which rows arrived, that have other rows than before."""
        (owned,) = (it for it in OWNED if it.table == table and it.kind == kind)
        return {found for found, _ in self.cache.store.run(self._differing(owned))}

    def _presence(self, kind: str, is_suspect: bool) -> None:
        """The units that the store has lost, and those that it has again."""
        unit, schema, store = UNITS[kind], self.arrived.schema, self.cache.store
        keys = ", ".join(unit.keys)
        mine, theirs = f"{self.cache.sources}.{unit.table}", f"{schema}.{unit.table}"
        forgotten = f"{self.cache.own}.forgotten_{kind}"
        nothing = "" if is_suspect else " LIMIT 0"
        within = self._within(Owned(unit.table, kind), "k") if is_suspect else "true"
        store.run(
            f"CREATE OR REPLACE TABLE {schema}.gone_{kind} AS SELECT DISTINCT {keys} FROM (SELECT {keys} FROM {mine} k "
            f"WHERE {within} AND {' AND '.join(f'{key} IS NOT NULL' for key in unit.keys)} "
            f"EXCEPT SELECT {keys} FROM {theirs} EXCEPT SELECT {keys} FROM {forgotten}){nothing}"
        )
        store.run(
            f"CREATE OR REPLACE TABLE {schema}.back_{kind} AS "
            f"SELECT {keys} FROM {forgotten} INTERSECT SELECT {keys} FROM {theirs}"
        )
        self.gone[kind] = store.scalar(f"SELECT count(*) FROM {schema}.gone_{kind}")

    def _within(self, owned: Owned, alias: str) -> str:
        """SQL of whether a row is of a unit whose rows have arrived."""
        covered = self.arrived.covered[owned.table]
        if covered is EVERYTHING or covered is None:
            return owned.when
        if owned.kind not in covered:
            return "false"
        return owned.matches(covered[owned.kind], alias)

    def _changed(self, owned: Owned) -> str:
        """SQL of the units that have other rows than before, but for those that are kept as they were.

        With each one stands whether it had any (``had_rows``).
        """
        schema, names = self.arrived.schema, UNITS[owned.kind].keys
        same, keys = " AND ".join(f"o.{key} = d.{key}" for key in names), ", ".join(names)
        lost = (
            f"SELECT {keys} FROM {self.cache.own}.forgotten_{owned.kind} "
            f"EXCEPT SELECT {keys} FROM {schema}.back_{owned.kind}"
        )
        return (
            f"SELECT d.* FROM ({self._differing(owned)}) d WHERE NOT EXISTS (FROM {schema}.gone_{owned.kind} o "
            f"WHERE {same}) AND NOT EXISTS (FROM ({lost}) o WHERE {same})"
        )

    def _differing(self, owned: Owned) -> str:
        """SQL of the units that have other rows than before, and of whether they had any (``had_rows``)."""
        keys = ", ".join(UNITS[owned.kind].keys)
        same = " AND ".join(f"k.{key} = a.{key}" for key in UNITS[owned.kind].keys)
        own = [
            f"{sql} AS {name}"
            for sql, name in zip(owned.key("t").split(", "), UNITS[owned.kind].keys, strict=True)
        ]
        within = self._within(owned, "t")
        sides = [
            f"SELECT {', '.join(own)}, sum(hash({columns_of(owned.table)})) AS h, count(*) AS n "
            f"FROM {place}.{owned.table} t WHERE {where} GROUP BY ALL"
            for place, where in (
                (self.cache.sources, "false" if self._has_no_rows(owned) else within),
                (self.arrived.schema, within),
            )
        ]
        listed = ", ".join(f"coalesce(k.{key}, a.{key}) AS {key}" for key in UNITS[owned.kind].keys)
        present = " AND ".join(f"{key} IS NOT NULL" for key in UNITS[owned.kind].keys)
        return (
            f"SELECT DISTINCT {keys}, had_rows FROM (SELECT {listed}, k.n IS NOT NULL AS had_rows "
            f"FROM ({sides[0]}) k FULL JOIN ({sides[1]}) a ON {same} "
            f"WHERE k.h IS DISTINCT FROM a.h OR k.n IS DISTINCT FROM a.n) WHERE {present}"
        )

    def _has_no_rows(self, owned: Owned) -> bool:
        """Whether the cache has no row of the runs whose points arrived: millions are not gone through then."""
        covered = self.arrived.covered[owned.table]
        return owned.table == "mlflow_metric" and bool(covered) and self.are_new((covered or {})["run"])

    def are_new(self, runs: str) -> bool:
        """Whether the cache knows of none of the runs in a table, and of no row of theirs."""
        return not self.cache.store.scalar(
            f"SELECT EXISTS (FROM {self.cache.sources}.mlflow_run WHERE run_id IN (SELECT run_id FROM {runs})) "
            f"OR EXISTS (FROM {self.cache.own}.counted WHERE run_id IN (SELECT run_id FROM {runs}))"
        )

    def _dirty(self, kind: str) -> None:
        unit, schema, store = UNITS[kind], self.arrived.schema, self.cache.store
        keys = ", ".join(unit.keys)
        parts = [f"{schema}.gone_{kind}", f"{schema}.back_{kind}"]
        parts += [
            changed_table(schema, owned) for owned in OWNED if self._is_changed(owned) and owned.kind == kind
        ]
        union = " UNION ".join(f"SELECT {keys} FROM {part}" for part in parts)
        mine, theirs = f"{self.cache.sources}.{unit.table}", f"{schema}.{unit.table}"
        same = " AND ".join(f"u.{key} = d.{key}" for key in unit.keys)
        self.dirty[kind] = store.scalar(f"CREATE OR REPLACE TABLE {schema}.dirty_{kind} AS {union}")
        store.run(
            f"CREATE OR REPLACE TABLE {schema}.present_{kind} AS FROM {schema}.dirty_{kind} d WHERE "
            f"NOT (EXISTS (FROM {mine} u WHERE {same}) AND EXISTS (FROM {theirs} u WHERE {same}))"
            + ("" if self.dirty[kind] else " LIMIT 0")
        )
        self.came_or_went[kind] = store.scalar(f"SELECT count(*) FROM {schema}.present_{kind}")

    def _is_changed(self, owned: Owned) -> bool:
        return (owned.table, owned.kind) in self.changed

    # ---- The states before and after -----------------------------------------------------------

    def make_views(self, before: str, after: str) -> None:
        """Views of every source table in two schemas: as the cache has it, and as it will."""
        for table in SOURCE_TABLES:
            old = f"SELECT {columns_of(table)} FROM {self.cache.sources}.{table}"
            if table in GIT_TABLES or table == "mlflow_store":
                is_new = self.arrived.git if table in GIT_TABLES else table in self.arrived.covered
                new = f"SELECT {columns_of(table)} FROM {self.arrived.schema}.{table}" if is_new else old
            elif table == "mlflow_change":
                come = f"SELECT {columns_of(table)} FROM {self.arrived.schema}.{table}"
                new = f"{old} t WHERE {self._still()} UNION ALL {come}"
            else:
                new = self.after(table)
            statements = [
                f"CREATE VIEW {before}.{table} AS {told(table, old, self._remembered(table))}",
                f"CREATE VIEW {after}.{table} AS {told(table, new, self._remembered(table, and_now=True))}",
            ]
            self.cache.store.run("; ".join(statements))

    def _still(self) -> str:
        """SQL of whether a row of the ledger is still true: not if what was forgotten is back."""
        back = [owned.matches(f"{self.arrived.schema}.back_{owned.kind}") for owned in LEDGER]
        return f"NOT (change = 'forgotten' AND ({' OR '.join(f'({one})' for one in back)}))"

    def after(self, table: str) -> str:
        """SQL of a table's rows after this extraction."""
        changed = [owned for owned in OWNED if owned.table == table and self._is_changed(owned)]
        old = f"SELECT {columns_of(table)} FROM {self.cache.sources}.{table} t"
        if not changed:
            return old
        replaced = [owned for owned in changed if (table, owned.kind) in self.replaced]
        kept = [f"NOT ({owned.matches(changed_table(self.arrived.schema, owned))})" for owned in replaced]
        old = f"{old} WHERE {' AND '.join(kept)}" if kept else old
        return f"{old} UNION ALL {self.come(table)}"

    def come(self, table: str) -> str | None:
        """SQL of a table's rows that this extraction brings; None where it brings none."""
        schema = self.arrived.schema
        rows = [
            f"SELECT {columns_of(table)} FROM {schema}.{table} t WHERE {owned.matches(changed_table(schema, owned))}"
            for owned in OWNED
            if owned.table == table and self._is_changed(owned)
        ]
        return " UNION ALL ".join(rows) or None

    def _remembered(self, table: str, *, and_now: bool = False) -> str:
        if table not in REMEMBERED:
            return ""
        places = [f"{self.cache.own}.remembered_{table}"]
        places += [f"{self.arrived.schema}.remembered_{table}"] if and_now else []
        return " UNION ALL ".join(f"SELECT {columns_of(table)} FROM {place}" for place in places)

    def remember(self) -> None:
        """Keep the rows of the versions that the store has redacted since, as they were."""
        store, schema = self.cache.store, self.arrived.schema
        for table in REMEMBERED:
            columns = ", ".join(f"k.{name}" for name in columns_of(table).split(", "))
            store.run(
                f"CREATE OR REPLACE TABLE {schema}.remembered_{table} AS "
                f"SELECT {columns} FROM {self.cache.sources}.{table} k "
                f"JOIN {schema}.dirty_version d ON d.workspace = k.workspace AND d.name = k.name AND d.version = k.version "
                f"JOIN {schema}.mlflow_model_version a ON a.workspace = k.workspace AND a.name = k.name "
                f"AND a.version = k.version AND a.is_deleted "
                f"JOIN {self.cache.sources}.mlflow_model_version o ON o.workspace = k.workspace AND o.name = k.name "
                "AND o.version = k.version AND NOT o.is_deleted"
            )


def changed_table(schema: str, owned: Owned) -> str:
    """The table of the units that have other rows than before in a table."""
    return f"{schema}.changed_{owned.table}_{owned.kind}"


def _checksum(table: str) -> str:
    return f"concat(count(*), ' ', sum(hash({columns_of(table)})))"


def told(table: str, rows: str, remembered: str) -> str:
    """SQL of a table's rows with what was remembered of them: a deleted version as it was before."""
    if not remembered:
        return rows
    same = "m.workspace = v.workspace AND m.name = v.name AND m.version = v.version"
    if table == "mlflow_model_version":
        columns = [
            f'coalesce(v."{name}", m."{name}") AS "{name}"' if name in _REDACTED else f'v."{name}"'
            for name in SOURCE_TABLES[table].columns
        ]
        joined = f"({rows}) v LEFT JOIN ({remembered}) m ON {same} AND v.is_deleted"
        return f"SELECT {', '.join(columns)} FROM {joined}"
    return (
        f"({rows}) UNION ALL SELECT {columns_of(table)} FROM ({remembered}) m "
        f"WHERE NOT EXISTS (FROM ({rows}) v WHERE {same} AND v.key = m.key)"
    )


_REDACTED: Iterable[str] = (
    "created_ms",
    "description",
    "user_id",
    "stage",
    "source",
    "run_id",
    "model_id",
    "status",
    "status_message",
    "run_link",
    "storage_location",
)
"""What a store may take away from a version that it deletes."""
