"""What the cache tells a way in of the earlier reading (:class:`mlflow2prov.sources.mlflow.known.Known`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mlflow2prov.cache.compare import EVERYTHING, Arrived, Comparison, columns_of
from mlflow2prov.cache.file import CacheFile
from mlflow2prov.cache.units import OWNED, UNITS

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CHECKS = 1_000
"""How many runs and logged models that look as before are looked at nevertheless, each time."""

MORE = {"mlflow_dataset": ("experiment_id", "name", "digest")}
"""What names a row of a table whose rows are found with those of others."""

_KEY = {"run": "run_id", "logged_model": "model_id"}


class Earlier:
    """An earlier reading, as a cache has it; notes in ``arrived`` what a way in says of this one."""

    def __init__(self, cache: CacheFile, arrived: Arrived, taken_in: Callable[[], None]) -> None:
        self._cache = cache
        self._arrived = arrived
        self._taken_in = taken_in
        self._ids: dict[str, set[str]] = {}

    def all_of(self, table: str) -> None:
        """All rows of the table arrive."""
        self._arrived.covered[table] = EVERYTHING

    def some_of(self, table: str, kind: str, ids: Sequence[str]) -> None:
        """All rows of the table arrive that belong to these."""
        name = f"{self._arrived.schema}.covered_{table}_{kind}"
        key = _KEY[kind]
        self._cache.store.run(f"CREATE TABLE IF NOT EXISTS {name} ({key} VARCHAR)")
        self._insert(name, {key: list(ids)})
        covered = dict(self._arrived.covered.get(table) or {})
        self._arrived.covered[table] = {**covered, kind: name}

    def other_counts(self, table: str, counts: Iterable[pa.RecordBatch]) -> list[str]:
        """The runs that have another number of rows in the table than in the cache."""
        store, mine = self._cache.store, f"{self._arrived.schema}.counted"
        store.run(f"CREATE TABLE IF NOT EXISTS {mine} (relation VARCHAR, run_id VARCHAR, rows BIGINT)")
        for some in counts:
            named = some.rename_columns(["run_id", "rows"])
            with store.registered(named) as arriving:
                store.run(f"INSERT INTO {mine} SELECT '{table}', run_id, rows FROM {arriving}")
        rows = store.run(
            f"SELECT coalesce(a.run_id, k.run_id) FROM (FROM {mine} WHERE relation = '{table}') a "
            f"FULL JOIN (FROM {self._cache.own}.counted WHERE relation = '{table}') k ON k.run_id = a.run_id "
            "WHERE a.rows IS DISTINCT FROM k.rows"
        )
        return sorted(run_id for (run_id,) in rows if run_id is not None)

    def more_of(self, table: str) -> None:
        """Rows of the table may have arrived; what is known of their units and did not arrive stays."""
        owned = next(it for it in OWNED if it.table == table)
        self._taken_in()
        schema, listed = self._arrived.schema, ", ".join(UNITS[owned.kind].keys)
        covered = f"{schema}.covered_{table}_{owned.kind}"
        self._cache.store.run(f"CREATE TABLE {covered} AS SELECT DISTINCT {listed} FROM {schema}.{table}")
        columns = columns_of(table)
        same = " AND ".join(f"a.{key} = t.{key}" for key in MORE[table])
        self._cache.store.run(
            f"INSERT INTO {schema}.{table} ({columns}) SELECT {columns} FROM {self._cache.sources}.{table} t "
            f"WHERE {owned.matches(covered)} AND NOT EXISTS (FROM {schema}.{table} a WHERE {same})"
        )
        self._arrived.covered[table] = {owned.kind: covered}

    def begun_ms(self) -> int:
        """When the earlier reading began."""
        return int(self._cache.meta()["begun_ms"])

    def ids(self, kind: str) -> list[str]:
        """All that are known, but for what the store has lost."""
        key, own = _KEY[kind], self._cache.own
        rows = self._cache.store.run(
            f"SELECT {key} FROM {self._cache.sources}.{UNITS[kind].table} EXCEPT SELECT {key} FROM {own}.forgotten_{kind}"
        )
        return sorted(found for (found,) in rows)

    def unknown(self, kind: str, ids: Sequence[str]) -> set[str]:
        """Those that are not known."""
        return set(ids) - self._all_ids(kind)

    def _all_ids(self, kind: str) -> set[str]:
        if kind not in self._ids:
            self._ids[kind] = set(self.ids(kind))
        return self._ids[kind]

    def open_runs(self) -> list[str]:
        """The runs that had not ended, or were deleted, which may be undone."""
        rows = self._cache.store.run(
            f"SELECT run_id FROM {self._cache.sources}.mlflow_run r WHERE (end_ms IS NULL "
            "OR status NOT IN ('FINISHED', 'FAILED', 'KILLED') OR lifecycle_stage = 'deleted') "
            f"AND NOT EXISTS (FROM {self._cache.own}.forgotten_run f WHERE f.run_id = r.run_id) ORDER BY run_id"
        )
        return [run_id for (run_id,) in rows]

    def oldest(self, kind: str, most: int) -> list[str]:
        """Those that were not looked at for longest, of what the store has."""
        unit, key, own = UNITS[kind], _KEY[kind], self._cache.own
        rows = self._cache.store.run(
            f"SELECT {key} FROM {self._cache.sources}.{unit.table} r "
            f"LEFT JOIN {own}.checked c ON c.owner = '{kind}' AND c.owner_id = r.{key} "
            f"WHERE NOT EXISTS (FROM {own}.forgotten_{kind} f WHERE f.{key} = r.{key}) "
            f"ORDER BY c.at_ms NULLS FIRST, {key} LIMIT {most}"
        )
        return [found for (found,) in rows]

    def other_runs(self, run_ids: Sequence[str], latest: Sequence[tuple[object, ...]]) -> list[str]:
        """Those that are others than before, as their rows or the latest points of their metrics tell."""
        from mlflow2prov.sources.mlflow.server_rows import batch

        self._taken_in()
        store, schema = self._cache.store, self._arrived.schema
        store.run(
            f"CREATE TABLE {schema}.latest (run_id VARCHAR, key VARCHAR, step BIGINT, timestamp_ms BIGINT, value DOUBLE)"
        )
        if latest:
            store.append(f"{schema}.latest", batch("mlflow_metric", latest)[1])
        tables = ("mlflow_run", "mlflow_param", "mlflow_tag")
        found = Comparison(self._cache, self._arrived)
        others = set().union(*(found.other_units(table, "run") for table in tables))
        rows = store.run(
            f"WITH k AS (SELECT run_id, key, max({{'s': step, 't': timestamp_ms, 'v': value}}) AS point "
            f"FROM {self._cache.sources}.mlflow_metric m "
            f"WHERE EXISTS (FROM {schema}.covered_mlflow_run_run u WHERE u.run_id = m.run_id) GROUP BY ALL), "
            f"a AS (SELECT run_id, key, max({{'s': step, 't': timestamp_ms, 'v': value}}) AS point "
            f"FROM {schema}.latest GROUP BY ALL) "
            "SELECT DISTINCT coalesce(a.run_id, k.run_id) FROM a FULL JOIN k ON k.run_id = a.run_id AND k.key = a.key "
            "WHERE a.point IS DISTINCT FROM k.point"
        )
        return sorted((others | {run_id for (run_id,) in rows}) & set(run_ids))

    def to_list(self, owners: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        """Owners that are new or others than before, and those that were not looked at for longest."""
        found = list(owners)
        self._taken_in()
        store, place = self._cache.store, f"{self._arrived.schema}.owner"
        store.run(f"CREATE OR REPLACE TABLE {place} (n BIGINT, owner VARCHAR, owner_id VARCHAR)")
        self._insert(
            place,
            {
                "n": list(range(len(found))),
                "owner": [owner for owner, _, _ in found],
                "owner_id": [owner_id for _, owner_id, _ in found],
            },
        )
        wanted = [found[n] for (n,) in store.run(self._owners_to_list(place))]
        for table in ("mlflow_artifact", "mlflow_model_file"):
            for kind in _KEY:
                self.some_of(table, kind, [owner_id for owner, owner_id, _ in wanted if owner == kind])
        return wanted

    def _owners_to_list(self, place: str) -> str:
        """SQL of the numbers of the owners to list."""
        same = "NOT EXISTS (FROM {0}.{1} k WHERE k.{2} = o.owner_id AND {3})"
        run = "EXISTS (FROM {0}.mlflow_run a WHERE a.run_id = k.run_id AND a.end_ms IS NOT DISTINCT FROM k.end_ms"
        run += " AND a.status IS NOT DISTINCT FROM k.status AND a.artifact_uri IS NOT DISTINCT FROM k.artifact_uri)"
        model = "EXISTS (FROM {0}.mlflow_logged_model a WHERE a.model_id = k.model_id AND a.last_updated_ms"
        model += " IS NOT DISTINCT FROM k.last_updated_ms)"
        arrived, sources = self._arrived.schema, self._cache.sources
        runs = same.format(sources, "mlflow_run", "run_id", f"k.end_ms IS NOT NULL AND {run.format(arrived)}")
        models = same.format(sources, "mlflow_logged_model", "model_id", model.format(arrived))
        return (
            f"WITH due AS (SELECT o.n, (o.owner = 'run' AND {runs}) OR (o.owner = 'logged_model' AND {models}) "
            f"OR l.at_ms IS NULL AS is_due, l.at_ms FROM {place} o LEFT JOIN {self._cache.own}.listed l "
            "ON l.owner = o.owner AND l.owner_id = o.owner_id), "
            f"oldest AS (SELECT n FROM due WHERE NOT is_due ORDER BY at_ms, n LIMIT {MOST_CHECKS}) "
            "SELECT n FROM due WHERE is_due UNION SELECT n FROM oldest ORDER BY n"
        )

    def _insert(self, table: str, columns: dict[str, list[Any]]) -> None:
        """Append columns of Python's values to a table, without pyarrow, which would import pandas for it."""
        values = ", ".join(
            "unnest(?::BIGINT[])" if name == "n" else "unnest(?::VARCHAR[])" for name in columns
        )
        self._cache.store.run(f"INSERT INTO {table} SELECT {values}", list(columns.values()))


class Progress:
    """How far a first reading has come, kept in the cache (`mlflow2prov.sources.mlflow.server.Finished`)."""

    def __init__(self, cache: CacheFile, now_ms: int) -> None:
        self._cache = cache
        self._now_ms = now_ms

    def unfinished(self, run_ids: Sequence[str]) -> set[str]:
        """Those of the runs that were not read to their end."""
        rows = self._cache.store.run(f"SELECT owner_id FROM {self._cache.own}.checked WHERE owner = 'run'")
        return set(run_ids) - {run_id for (run_id,) in rows}

    def finish(self, run_ids: Sequence[str]) -> None:
        """Note that runs were read to their end."""
        self._cache.store.run(
            f"INSERT INTO {self._cache.own}.checked SELECT 'run', unnest(?::VARCHAR[]), {self._now_ms}",
            [list(run_ids)],
        )
