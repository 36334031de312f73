"""What the cache tells a way in of the earlier reading (:class:`mlflow2prov.sources.mlflow.known.Known`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlflow2prov.cache.compare import EVERYTHING, Arrived, Comparison, columns_of
from mlflow2prov.cache.file import CacheFile
from mlflow2prov.cache.units import OWNED, UNITS
from mlflow2prov.sources.mlflow.known import LINKS, MOST_CHECKS, Place, Signature

if TYPE_CHECKING:
    import pyarrow as pa

MORE = {"mlflow_dataset": ("experiment_id", "name", "digest")}
"""What names a row of a table whose rows are found with those of others."""

_KEY = {"run": "run_id", "logged_model": "model_id"}

_MARK = "\x1f"

_OF_RUNS = ("mlflow_run", "mlflow_param", "mlflow_tag", "mlflow_dataset_input")
"""The tables whose rows a search for runs tells."""

_MOMENT = {"run": "start_ms", "logged_model": "created_ms"}
"""When a unit began."""

_MOST_LIKELY = 500
"""Of so many runs the rows are counted run by run, and of more of all."""

_ENDED = "end_ms IS NOT NULL AND status IN ('FINISHED', 'FAILED', 'KILLED')"


class Earlier:
    """An earlier reading, as a cache has it; notes in ``arrived`` what a way in says of this one."""

    def __init__(self, cache: CacheFile, arrived: Arrived, taken_in: Callable[[], None]) -> None:
        self._cache = cache
        self._arrived = arrived
        self._taken_in = taken_in
        self._ids: dict[str, set[str]] = {}
        self._likely: list[str] | None = None

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
        return self._others(table, self._take_counts(table, counts), "true")

    def likely(self) -> list[str] | None:
        """Runs that are new, or had not ended."""
        if self._likely is None:
            self._taken_in()
            self._likely = self._runs_that_are_new_or_open()
        return self._likely if len(self._likely) <= _MOST_LIKELY else None

    def _runs_that_are_new_or_open(self) -> list[str]:
        rows = self._cache.store.run(
            f"SELECT run_id FROM {self._arrived.schema}.mlflow_run a WHERE NOT EXISTS "
            f"(FROM {self._cache.sources}.mlflow_run k WHERE k.run_id = a.run_id AND {_ENDED}) LIMIT {_MOST_LIKELY + 1}"
        )
        return [run_id for (run_id,) in rows]

    def others_of_likely(self, table: str, total: int, counts: Iterable[pa.RecordBatch]) -> list[str] | None:
        """Those of them with another number of rows; None where they do not explain the total."""
        likely = self.likely() or []
        mine = self._take_counts(table, counts)
        there = f"EXISTS (FROM {self._arrived.schema}.mlflow_run a WHERE a.run_id = c.run_id)"
        ((others,),) = self._cache.store.run(
            f"SELECT coalesce(sum(rows), 0) FROM {self._cache.own}.counted c WHERE relation = ? AND {there} "
            "AND run_id NOT IN (SELECT unnest(?::VARCHAR[]))",
            [table, likely],
        )
        ((some,),) = self._cache.store.run(
            f"SELECT coalesce(sum(rows), 0) FROM {mine} WHERE relation = ?", [table]
        )
        if others + some != total:
            self._cache.store.run(f"DELETE FROM {mine} WHERE relation = ?", [table])
            return None
        return self._others(table, mine, "run_id IN (SELECT unnest(?::VARCHAR[]))", [likely])

    def _take_counts(self, table: str, counts: Iterable[pa.RecordBatch]) -> str:
        """Take in how many rows runs have in a table of the store; return the table of that."""
        store, mine = self._cache.store, f"{self._arrived.schema}.counted"
        store.run(f"CREATE TABLE IF NOT EXISTS {mine} (relation VARCHAR, run_id VARCHAR, rows BIGINT)")
        for some in counts:
            named = some.rename_columns(["run_id", "rows"])
            with store.registered(named) as arriving:
                store.run(f"INSERT INTO {mine} SELECT '{table}', run_id, rows FROM {arriving}")
        return mine

    def _others(self, table: str, mine: str, where: str, given: list[Any] | None = None) -> list[str]:
        """The runs, of those that fit, whose number of rows in a table is another."""
        rows = self._cache.store.run(
            f"SELECT coalesce(a.run_id, k.run_id) FROM (FROM {mine} WHERE relation = '{table}') a FULL JOIN "
            f"(FROM {self._cache.own}.counted WHERE relation = '{table}' AND {where}) k ON k.run_id = a.run_id "
            "WHERE a.rows IS DISTINCT FROM k.rows",
            given,
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

    def signatures(self, kind: str) -> dict[str, Signature]:
        """What the files of all of them were known by."""
        rows = self._cache.store.run(
            f"SELECT owner_id, digest, newest_ns, is_elsewhere FROM {self._cache.own}.signed WHERE owner = ?",
            [kind],
        )
        return {own_id: Signature(*rest) for own_id, *rest in rows}

    def sign(self, kind: str, signatures: Mapping[str, Signature | None]) -> None:
        """Note what their files are known by now."""
        place = f"{self._arrived.schema}.signed"
        self._cache.store.run(f"CREATE TABLE IF NOT EXISTS {place} AS FROM {self._cache.own}.signed LIMIT 0")
        _insert_signatures(self._cache, place, kind, signatures)

    def unknown(self, kind: str, ids: Sequence[str]) -> set[str]:
        """Those that are not known."""
        return set(ids) - self._all_ids(kind)

    def _all_ids(self, kind: str) -> set[str]:
        if kind not in self._ids:
            self._ids[kind] = set(self.ids(kind))
        return self._ids[kind]

    def open_runs(self) -> list[tuple[str, str, int | None]]:
        """The runs that had not ended and were not deleted."""
        return self._runs_that(
            f"NOT coalesce({_ENDED}, false) AND lifecycle_stage IS DISTINCT FROM 'deleted'"
        )

    def deleted_runs(self) -> list[tuple[str, str, int | None]]:
        """The runs that were deleted, which may be undone."""
        return self._runs_that("lifecycle_stage = 'deleted'")

    def _runs_that(self, where: str) -> list[tuple[str, str, int | None]]:
        return self._cache.store.run(
            f"SELECT run_id, experiment_id, start_ms FROM {self._cache.sources}.mlflow_run r WHERE {where} "
            f"AND {self._is_there('run')} ORDER BY experiment_id, start_ms, run_id"
        )

    def _is_there(self, kind: str) -> str:
        """SQL of whether the store still had the unit ``r``."""
        key = _KEY[kind]
        return f"NOT EXISTS (FROM {self._cache.own}.forgotten_{kind} f WHERE f.{key} = r.{key})"

    def _in(self, kind: str, place: Place) -> tuple[str, list[Any]]:
        """SQL of what is in a place, behind SELECT and its columns, and its parameters."""
        moment, parameters = _MOMENT[kind], [list(place.experiment_ids)]
        sql = f"FROM {self._cache.sources}.{UNITS[kind].table} r WHERE {self._is_there(kind)}"
        sql += " AND experiment_id IN (SELECT unnest(?::VARCHAR[]))"
        sql += " AND lifecycle_stage = 'active'" if kind == "logged_model" else ""
        for sign, bound in ((">=", place.since_ms), ("<", place.until_ms)):
            sql += "" if bound is None else f" AND {moment} {sign} {bound}"
        return sql, parameters

    def count(self, kind: str, place: Place, without: Collection[str]) -> int:
        """How many there are."""
        sql, parameters = self._in(kind, place)
        sql += f" AND {_KEY[kind]} NOT IN (SELECT unnest(?::VARCHAR[]))"
        ((count,),) = self._cache.store.run(f"SELECT count(*) {sql}", [*parameters, list(without)])
        return int(count)

    def members(self, kind: str, place: Place) -> list[str]:
        """Their identifiers."""
        sql, parameters = self._in(kind, place)
        return [found for (found,) in self._cache.store.run(f"SELECT {_KEY[kind]} {sql}", parameters)]

    def middle(self, kind: str, place: Place) -> int | None:
        """The moment at which the second half begins."""
        sql, parameters = self._in(kind, place)
        moment = _MOMENT[kind]
        ((middle,),) = self._cache.store.run(
            f"WITH m AS (SELECT {moment} AS began {sql}) SELECT min(began) FROM m "
            "WHERE began > (SELECT min(began) FROM m) AND began >= (SELECT quantile_disc(began, 0.5) FROM m)",
            parameters,
        )
        return middle if middle is None else int(middle)

    def elsewhere(self, kind: str, experiment_ids: Sequence[str]) -> list[str]:
        """Those of experiments that are gone."""
        rows = self._cache.store.run(
            f"SELECT {_KEY[kind]} FROM {self._cache.sources}.{UNITS[kind].table} r WHERE {self._is_there(kind)} "
            "AND experiment_id NOT IN (SELECT unnest(?::VARCHAR[]))",
            [list(experiment_ids)],
        )
        return [found for (found,) in rows]

    def oldest(self, kind: str, most: int) -> list[str]:
        """Those that were not looked at for longest, of what the store has."""
        unit = "run" if kind == LINKS else kind
        key = _KEY[unit]
        rows = self._cache.store.run(
            f"SELECT {key} FROM {self._cache.sources}.{UNITS[unit].table} r "
            f"LEFT JOIN {self._cache.own}.checked c ON c.owner = '{kind}' AND c.owner_id = r.{key} "
            f"WHERE {self._is_there(unit)} ORDER BY c.at_ms NULLS FIRST, {key} LIMIT {most}"
        )
        return [found for (found,) in rows]

    def other_outputs(self, run_ids: Sequence[str], links: Iterable[tuple[object, ...]]) -> set[str]:
        """Those of the runs that put other logged models out than they did."""
        known = self._cache.store.run(
            f"SELECT run_id, model_id, direction, step FROM {self._cache.sources}.mlflow_model_link "
            "WHERE direction = 'output' AND run_id IN (SELECT unnest(?::VARCHAR[]))",
            [list(run_ids)],
        )
        return {str(link[0]) for link in set(known) ^ set(links)}

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
        tables = [table for table in _OF_RUNS if table in self._arrived.covered]
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

    def to_list(
        self, owners: Iterable[tuple[str, str, str]], most: int = MOST_CHECKS
    ) -> list[tuple[str, str, str]]:
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
        wanted = [found[n] for (n,) in store.run(self._owners_to_list(place, most))]
        for table in ("mlflow_artifact", "mlflow_model_file"):
            for kind in _KEY:
                self.some_of(table, kind, [owner_id for owner, owner_id, _ in wanted if owner == kind])
        return wanted

    def _owners_to_list(self, place: str, most: int) -> str:
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
            f"oldest AS (SELECT n FROM due WHERE NOT is_due ORDER BY at_ms, n LIMIT {most}) "
            "SELECT n FROM due WHERE is_due UNION SELECT n FROM oldest ORDER BY n"
        )

    def _insert(self, table: str, columns: dict[str, list[Any]]) -> None:
        """Append columns of Python's values to a table, without pyarrow, which would import pandas for it.

        Texts go as one, which the engine takes in faster than a list.
        """
        values: list[str] = []
        given: list[Any] = []
        for name, found in columns.items():
            if name == "n":
                values.append("unnest(?::BIGINT[])")
                given.append(found)
            elif found and not any(_MARK in text for text in found):
                values.append("unnest(string_split(?, chr(31)))")
                given.append(_MARK.join(found))
            else:
                values.append("unnest(?::VARCHAR[])")
                given.append(found)
        self._cache.store.run(f"INSERT INTO {table} SELECT {', '.join(values)}", given)


def _insert_signatures(
    cache: CacheFile, place: str, kind: str, signatures: Mapping[str, Signature | None]
) -> None:
    found = [signature or (None, None, None) for signature in signatures.values()]
    digests, times, flags = zip(*found, strict=True) if found else ((), (), ())
    cache.store.run(
        f"INSERT INTO {place} SELECT '{kind}', unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::BIGINT[]), "
        "unnest(?::BOOLEAN[])",
        [list(signatures), list(digests), list(times), list(flags)],
    )


class Progress:
    """How far a first reading has come, kept in the cache (`mlflow2prov.sources.mlflow.known.Finished`)."""

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

    def sign(self, kind: str, signatures: Mapping[str, Signature | None]) -> None:
        """Note what the files of runs or logged models are known by."""
        signed = {own_id: signature for own_id, signature in signatures.items() if signature is not None}
        _insert_signatures(self._cache, f"{self._cache.own}.signed", kind, signed)
