"""Small copies of the state before and after: the units that are affected, and what their records need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlflow2prov.cache.compare import Comparison, columns_of
from mlflow2prov.cache.units import GIT_TABLES, LEDGER, NEEDS, OWNED, UNITS, Need
from mlflow2prov.graph.store import Store
from mlflow2prov.model.surroundings_tags import CI_SYSTEMS, USER_TAGS
from mlflow2prov.prov.text import commit_name
from mlflow2prov.sources.tables import SOURCE_TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(slots=True)
class Context:
    """Works out what to look at again; keys go to tables ``affected_<kind>`` and ``context_<kind>``.

    Attributes:
        found: what changed.
        before, after: the schemas with views of all source tables.
        scratch: a schema for what is worked out.
        telling: the keys of tags that tell of what several runs have in common: those that the cache has
            noted, and those that arrived.
    """

    found: Comparison
    before: str
    after: str
    scratch: str
    telling: list[str] = field(default_factory=list)
    _rows: dict[str, bool] = field(default_factory=dict)
    _all_new: bool | None = None

    def find(self) -> None:
        """The affected units, and those that their records are computed from."""
        store = self.found.cache.store
        statements = []
        for kind in UNITS:
            for word in ("affected", "context"):
                statements.append(
                    f"CREATE TABLE {self.scratch}.{word}_{kind} AS FROM {self.found.arrived.schema}.dirty_{kind}"
                )
        for table in SOURCE_TABLES:
            statements.append(
                f"CREATE VIEW {self.scratch}.{table} AS FROM {self.before}.{table} UNION ALL FROM {self.after}.{table}"
            )
        store.run("; ".join(statements))
        self._find_affected()
        self._find_context()
        come = self.found.come("mlflow_tag")
        self.telling = sorted({*self.telling, *(telling_keys(store, f"({come})") if come else ())})

    def _find_context(self) -> None:
        store = self.found.cache.store
        for kind in UNITS:
            store.run(f"INSERT INTO {self.scratch}.context_{kind} FROM {self.scratch}.affected_{kind}")
        before = {kind: self._count(f"context_{kind}") for kind in UNITS}
        self._widen({kind: f"affected_{kind}" for kind in UNITS})
        wider = [kind for kind, count in before.items() if self._count(f"context_{kind}") > count]
        self._widen({kind: f"context_{kind}" for kind in wider})
        store.run(
            "; ".join(
                f"CREATE TABLE {self.scratch}.looked_at_{kind} AS SELECT DISTINCT * FROM {self.scratch}.context_{kind}"
                for kind in UNITS
            )
        )
        store.run(
            f"CREATE TABLE {self.scratch}.named_commit AS SELECT DISTINCT {commit_name('value')} AS commit "
            f"FROM {self.scratch}.mlflow_tag t SEMI JOIN {self.scratch}.looked_at_run u ON u.run_id = t.run_id "
            f"WHERE {_IS_COMMIT} UNION SELECT {commit_name('value')} FROM {self.scratch}.mlflow_logged_model_tag t "
            f"SEMI JOIN {self.scratch}.looked_at_logged_model u ON u.model_id = t.model_id WHERE {_IS_COMMIT}"
        )
        store.run(
            f"INSERT INTO {self.scratch}.named_commit SELECT DISTINCT g.commit FROM {self.scratch}.git_abbreviation g "
            f"SEMI JOIN {self.scratch}.named_commit n ON n.commit = g.abbreviation"
        )

    def _find_affected(self) -> None:
        """Those whose records are computed from a dirty unit, and those that need these in turn."""
        schema = self.found.arrived.schema
        dirty = {kind: f"{schema}.dirty_{kind}" for kind, count in self.found.dirty.items() if count}
        present = {
            kind: f"{schema}.present_{kind}" for kind, count in self.found.came_or_went.items() if count
        }
        for need in NEEDS:
            units = (present if need.presence else dirty).get(need.needed)
            if units:
                self._follow(need, units, is_back=True)
        for need in NEEDS:  # those of dirty units are found already
            more = self._count(f"affected_{need.needed}") > self.found.dirty.get(need.needed, 0)
            if more and not need.presence:
                self._follow(need, f"{self.scratch}.affected_{need.needed}", is_back=True)
        self._find_affected_by_git()

    def _find_affected_by_git(self) -> None:
        """Runs of commits, and of files in commits, that are others than before."""
        if not self.found.arrived.git:
            return
        store = self.found.cache.store
        for table, key in (
            ("git_commit", "commit"),
            ("git_entry_point", "commit"),
            ("git_import", "commit"),
            ("git_member", "tree"),
            ("git_dataset_match", "commit"),
            ("git_abbreviation", "abbreviation"),
        ):
            columns = columns_of(table)
            sides = (
                f"SELECT {columns} FROM {self.before}.{table}",
                f"SELECT {columns} FROM {self.after}.{table}",
            )
            for kind, id_, tags in (
                ("run", "run_id", "mlflow_tag"),
                ("logged_model", "model_id", "mlflow_logged_model_tag"),
            ):
                store.run(
                    f"INSERT INTO {self.scratch}.affected_{kind} WITH other AS (SELECT {key} AS named FROM "
                    f"(({sides[0]} EXCEPT {sides[1]}) UNION ALL ({sides[1]} EXCEPT {sides[0]}))) "
                    f"SELECT DISTINCT t.{id_} FROM {self.scratch}.{tags} t WHERE {_IS_COMMIT} "
                    f"AND {commit_name('t.value')} IN (FROM other UNION ALL SELECT abbreviation "
                    f"FROM {self.scratch}.git_abbreviation WHERE commit IN (FROM other))"
                )

    def _widen(self, starts: dict[str, str]) -> None:
        for need in NEEDS:
            if need.kind in starts and self._count(starts[need.kind]):
                self._follow(need, f"{self.scratch}.{starts[need.kind]}", is_back=False)

    def _follow(self, need: Need, units: str, *, is_back: bool) -> None:
        """Add what stands on the other side of a need to the tables of keys."""
        if not all(self._has_rows(table) for table in need.tables):
            return
        store = self.found.cache.store
        mine, theirs = UNITS[need.kind].keys, UNITS[need.needed].keys
        names = [f"a{n}" for n in range(len(mine))], [f"b{n}" for n in range(len(theirs))]
        known, sought = (names[1], names[0]) if is_back else names
        keys = theirs if is_back else mine
        target = f"affected_{need.kind}" if is_back else f"context_{need.needed}"
        same = " AND ".join(f"u.{key} = p.{name}" for key, name in zip(keys, known, strict=True))
        cursor = store.cursor()
        try:
            cursor.execute(f"SET search_path = '{self.scratch}'")
            cursor.execute(
                f"INSERT INTO {self.scratch}.{target} SELECT DISTINCT {', '.join(sought)} FROM ({need.pairs}) "
                f"p({', '.join([*names[0], *names[1]])}) WHERE EXISTS (FROM {units} u WHERE {same})"
                f" AND {' AND '.join(f'{name} IS NOT NULL' for name in sought)}"
            )
        finally:
            cursor.close()

    def _has_rows(self, table: str) -> bool:
        if table not in self._rows:
            found = self.found.cache.store.run(f"SELECT 1 FROM {self.scratch}.{table} LIMIT 1")
            self._rows[table] = bool(found)
        return self._rows[table]

    def _count(self, table: str) -> int:
        return int(self.found.cache.store.scalar(f"SELECT count(*) FROM {self.scratch}.{table}"))

    def empty(self, schema: str, cursor: DuckDBPyConnection) -> frozenset[str]:
        """The tables of a copy, and the events, that have no rows."""
        tables = [f"SELECT '{table}' WHERE NOT EXISTS (FROM {schema}.{table})" for table in SOURCE_TABLES]
        names = {name for (name,) in cursor.execute(" UNION ALL ".join(tables)).fetchall()}
        return frozenset(names | (set() if self.telling else set(_TELLING_EVENTS)))

    def settled(self, *, recovers: bool) -> frozenset[str]:
        """The events that tell the same before and after, since none of the units that they tell of is affected.

        Args:
            recovers: whether models and versions are told that stand in tags alone, which belong to no unit.
        """
        if self.found.arrived.git:
            return frozenset()
        same = {kind for kind in UNITS if not self._count(f"affected_{kind}")}
        same -= {"registered_model", "version"} if recovers else set()
        return frozenset(event for event, kind in _TOLD_BY.items() if kind in same)

    # ---- The copies ----------------------------------------------------------------------------

    def copy(self, schema: str, side: str, cursor: DuckDBPyConnection) -> None:
        """Make the source tables of the units to look at in a schema, of the state ``before`` or ``after``.

        The states can be copied at the same time, each by a cursor of its own.
        """
        views = self.before if side == "before" else self.after
        owned: dict[str, list[str]] = {table: [] for table in SOURCE_TABLES}
        units = [f"{word}_{kind}" for word in ("affected", "looked_at") for kind in UNITS]
        there = {table for table in units if self._count(table)}
        for it in (*OWNED, *LEDGER):
            table = f"{'affected' if it.table in _OF_NOTHING_ELSE else 'looked_at'}_{it.kind}"
            if table in there:
                owned[it.table].append(it.matches(f"{self.scratch}.{table}"))
        statements = []
        for table in SOURCE_TABLES:
            if table in GIT_TABLES or table == "mlflow_store":
                continue
            rows = self._rows_of(table, side, owned[table])
            if rows is None:
                columns = SOURCE_TABLES[table].columns
                shape = ", ".join(f'"{name}" {kind.value}' for name, kind in columns.items())
                statements.append(f"CREATE TABLE {schema}.{table} ({shape})")
            else:
                statements.append(f"CREATE TABLE {schema}.{table} AS {rows}")
        cursor.execute("; ".join(statements))
        self._copy_facts_of_all_runs(schema, views, cursor)
        self._copy_git(schema, views, cursor)

    def _rows_of(self, table: str, side: str, where: Sequence[str]) -> str | None:
        """SQL of the rows of a table that fit one of the conditions, in one state; None where there are none."""
        if not where or not self._has_rows(table):
            return None
        views = self.before if side == "before" else self.after
        if table in _OF_NOTHING_ELSE and self._are_all_new():  # else millions of rows are gone through
            if side == "before":
                return None
            return self.found.come(table)
        rows = f"SELECT {columns_of(table)} FROM {views}.{table} t WHERE "
        return " UNION ALL ".join(rows + it for it in where)

    def _are_all_new(self) -> bool:
        """Whether the cache knows of none of the affected runs."""
        if self._all_new is None:
            self._all_new = self.found.are_new(f"{self.scratch}.affected_run")
        return self._all_new

    def _copy_facts_of_all_runs(self, schema: str, views: str, cursor: DuckDBPyConnection) -> None:
        """Tags of runs that are not looked at, which tell of jobs and people that several runs have."""
        if self.telling:
            listed = ", ".join("'" + key.replace("'", "''") + "'" for key in self.telling)
            cursor.execute(
                f"INSERT INTO {schema}.mlflow_tag SELECT {columns_of('mlflow_tag')} FROM {views}.mlflow_tag t "
                f"WHERE key IN ({listed}) AND NOT EXISTS (FROM {self.scratch}.looked_at_run u WHERE u.run_id = t.run_id)"
            )

    def _copy_git(self, schema: str, views: str, cursor: DuckDBPyConnection) -> None:
        """All of Git where that changed, else what the runs to look at name."""
        commits = f"FROM {self.scratch}.named_commit"
        made = {
            "git_entry_point": (("path", "revision_commit"), ("project_path", "project_commit")),
            "git_import": (("path", "revision_commit"),),
            "git_dataset_match": (("path", "revision_commit"),),
        }
        places = " UNION ".join(
            f"SELECT {maker}, {path} FROM {views}.{table} WHERE commit IN ({commits}) AND {maker} IS NOT NULL"
            for table, columns in made.items()
            for path, maker in columns
        )
        points = f"SELECT p.c FROM ({places}) p(c, path)"
        revisions = f"EXISTS (FROM ({places}) p(c, path) WHERE p.c = t.commit AND p.path = t.path)"
        matched = (
            f"SELECT data FROM {views}.git_dataset_match WHERE commit IN ({commits}) AND data IS NOT NULL"
        )
        data = f"data IN ({matched}) OR (tool = 'lfs' AND {revisions})"
        makers = f"SELECT commit FROM {views}.git_data t WHERE {data}"
        whole = f"commit IN ({commits} UNION {points} UNION {makers})"
        some = {
            "git_commit": whole,
            "git_ref": f"commit IN ({commits})",
            "git_entry_point": f"commit IN ({commits})",
            "git_import": f"commit IN ({commits})",
            "git_revision": revisions,
            "git_declared": revisions,
            "git_link": revisions,
            "git_data_named": revisions,
            "git_parent": whole,
            "git_merged": whole,
            "git_data": data,
            "git_data_artifact": f"data IN (SELECT data FROM {schema}.git_data)",
            "git_dataset_match": "true",
            "git_repository": "true",
            "git_abbreviation": "true",
            "mlflow_store": "true",
        }
        statements = []
        for table in (*GIT_TABLES, "mlflow_store"):
            where = "true" if self.found.arrived.git else some.get(table, "false")
            rows = f"SELECT {columns_of(table)} FROM {views}.{table} t WHERE {where}"
            statements.append(f"CREATE TABLE {schema}.{table} AS {rows}")
        cursor.execute("; ".join(statements))


_TOLD_BY = {
    "experiments": "experiment",
    "experiment_tags": "experiment",
    "datasets": "dataset",
    "logged_models": "logged_model",
    "logged_model_params": "logged_model",
    "logged_model_tags": "logged_model",
    "logged_model_metrics": "logged_model",
    "training_data": "logged_model",
    "registered_models": "registered_model",
    "registered_model_tags": "registered_model",
    "model_versions": "version",
    "model_version_tags": "version",
    "version_sources": "version",
    "aliases": "version",
}
"""The events whose records are those of units of one kind, and are told anew only where one of these is affected."""

_OF_NOTHING_ELSE = ("mlflow_param", "mlflow_metric")
"""The tables that nothing is computed from but what is told of their own units."""

_TELLING_EVENTS = ("ci_facts", "tagged_users", "docker_facts", "databricks_facts")
"""The events of such tags."""

_IS_COMMIT = "t.key IN ('mlflow.source.git.commit', 'mlflow.databricks.gitRepoCommit')"


def telling_keys(store: Store, tags: str) -> list[str]:
    """The keys of tags that tell of what several runs have in common, in a table of tags or a query in brackets."""
    spelled = sorted({variable for fields in _told() for variables in fields for variable in variables})
    listed = ", ".join(f"'{variable}'" for variable in spelled)
    rows = store.run(
        # else each row's key is looked at
        f"WITH found AS MATERIALIZED (SELECT DISTINCT key FROM {tags}) "
        "SELECT key FROM found WHERE starts_with(key, 'mlflow.docker.') "
        "OR starts_with(key, 'mlflow.databricks.') "
        f"OR upper(regexp_replace(key, '[^A-Za-z0-9]+', '_', 'g')) IN ({listed})"
    )
    return sorted(key for (key,) in rows)


def _told() -> Iterable[Iterable[tuple[str, ...]]]:
    for system in CI_SYSTEMS:
        yield [*system.fields.values(), system.signs]
    for fields in USER_TAGS:
        yield fields.values()
