"""A change of the cache's own tables: what one reading brings to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow2prov.cache.compare import Arrived, Comparison, changed_table, columns_of
from mlflow2prov.cache.file import READ, REMEMBERED, CacheFile
from mlflow2prov.cache.units import GIT_TABLES, LEDGER, OWNED, UNITS
from mlflow2prov.graph.store import Store
from mlflow2prov.model.events_extraction import DIGESTS
from mlflow2prov.sources.mlflow.known import LINKS
from mlflow2prov.sources.tables import SOURCE_TABLES

MOST_UNITS = 2_000
"""From so many changed units on, and a fifth of all, the graph is made anew."""

_REGISTRY = (
    "mlflow_registered_model",
    "mlflow_registered_model_tag",
    "mlflow_registered_model_alias",
    "mlflow_model_version",
    "mlflow_model_version_tag",
)


NOTED = (
    ("listed", "run", "covered_mlflow_artifact_run", "run_id"),
    ("listed", "logged_model", "covered_mlflow_artifact_logged_model", "model_id"),
    ("checked", "run", "covered_mlflow_run_run", "run_id"),
    ("checked", "logged_model", "covered_mlflow_logged_model_logged_model", "model_id"),
    ("checked", LINKS, "covered_mlflow_model_link_run", "run_id"),
)
"""Where it is noted of what when it was looked at last, and the table of what was looked at."""


@dataclass(slots=True)
class Change:
    """What is to be written to the cache; its methods are called within a transaction.

    Attributes:
        cache: the cache.
        found: what is different.
        begun_ms: when the reading began.
        git: what is to be noted of the history.
    """

    cache: CacheFile
    found: Comparison
    begun_ms: int
    git: Mapping[str, str]

    def is_other_store(self) -> bool:
        """Whether the store says something else of itself, such as its version."""
        if "mlflow_store" not in self.found.arrived.covered:
            return False
        mine, theirs = f"{self.cache.sources}.mlflow_store", f"{self.found.arrived.schema}.mlflow_store"
        return bool(
            self.cache.store.run(
                f"(FROM {mine} EXCEPT FROM {theirs}) UNION ALL (FROM {theirs} EXCEPT FROM {mine})"
            )
        )

    def digests(self, known: dict[str, list[int]]) -> dict[str, list[int]]:
        """The digests of the largest tables after this change, from those before it."""
        found = {}
        for table, numbers in known.items():
            owned = next(it for it in OWNED if it.table == table)
            found[table] = numbers
            if (table, owned.kind) not in self.found.changed:
                continue
            matches = owned.matches(changed_table(self.found.arrived.schema, owned))
            is_replaced = (table, owned.kind) in self.found.replaced
            less = digest(self.cache.store, table, self.cache.sources, matches) if is_replaced else [0]
            more = digest(self.cache.store, table, self.found.arrived.schema, matches)
            found[table] = _combined(table, numbers, less, more)
        return found

    def is_small(self) -> bool:
        """Whether to change the graph costs less than to make it anew."""
        changed = sum(self.found.dirty.values())
        if changed < MOST_UNITS:
            return True
        tables = {unit.table for unit in UNITS.values()}
        known = sum(
            self.cache.store.scalar(f"SELECT count(*) FROM {self.cache.sources}.{table}") for table in tables
        )
        return changed * 5 < int(known)

    def apply_to_sources(self) -> None:
        """Bring the source tables, and what was forgotten, up to date."""
        run, arrived = self.cache.store.run, self.found.arrived
        for owned in OWNED:
            if (owned.table, owned.kind) in self.found.changed:
                matches = owned.matches(changed_table(arrived.schema, owned))
                if (owned.table, owned.kind) in self.found.replaced:
                    run(f"DELETE FROM {self.cache.sources}.{owned.table} t WHERE {matches}")
                self._insert(owned.table, f"{arrived.schema}.{owned.table} t WHERE {matches}")
        for table in SOURCE_TABLES:
            if (table in GIT_TABLES and arrived.git) or (
                table == "mlflow_store" and table in arrived.covered
            ):
                run(f"DELETE FROM {self.cache.sources}.{table}")
                self._insert(table, f"{arrived.schema}.{table}")
        for owned in LEDGER:
            back = owned.matches(f"{arrived.schema}.back_{owned.kind}")
            run(f"DELETE FROM {self.cache.sources}.mlflow_change t WHERE change = 'forgotten' AND {back}")
        self._insert("mlflow_change", f"{arrived.schema}.mlflow_change")
        for table in REMEMBERED:
            run(f"INSERT INTO {self.cache.own}.remembered_{table} FROM {arrived.schema}.remembered_{table}")
        for kind, unit in UNITS.items():
            forgotten, keys = f"{self.cache.own}.forgotten_{kind}", ", ".join(unit.keys)
            run(
                f"DELETE FROM {forgotten} WHERE ({keys}) IN (SELECT ({keys}) FROM {arrived.schema}.back_{kind})"
            )
            run(f"INSERT INTO {forgotten} SELECT {keys} FROM {arrived.schema}.gone_{kind}")

    def _insert(self, table: str, rows: str) -> None:
        columns = columns_of(table)
        self.cache.store.run(
            f"INSERT INTO {self.cache.sources}.{table} ({columns}) SELECT {columns} FROM {rows}"
        )

    def prepare(self) -> None:
        """Work out, outside of a transaction, what needs tables of its own."""
        schema = self.found.arrived.schema
        if "counted" in self._there():
            self.cache.store.run(
                f"CREATE TABLE {schema}.recounted AS FROM {schema}.counted EXCEPT FROM {self.cache.own}.counted"
            )

    def _there(self) -> set[str]:
        """The tables of the arrived schema."""
        schema = self.found.arrived.schema.split(".")[1]
        rows = self.cache.store.run("SELECT table_name FROM duckdb_tables() WHERE schema_name = ?", [schema])
        return {name for (name,) in rows}

    def note_reading(self) -> None:
        """Note when it was read, and what was counted, listed and asked for."""
        run, own, schema = self.cache.store.run, self.cache.own, self.found.arrived.schema
        there = self._there()
        if "recounted" in there:
            run(
                f"DELETE FROM {own}.counted c WHERE EXISTS (FROM {schema}.recounted r "
                "WHERE r.relation = c.relation AND r.run_id = c.run_id)"
            )
            run(f"INSERT INTO {own}.counted FROM {schema}.recounted")
        for noted, owner, listed, key in NOTED:
            if listed in there:
                ids = f"SELECT DISTINCT {key} FROM {schema}.{listed}"
                run(f"DELETE FROM {own}.{noted} WHERE owner = '{owner}' AND owner_id IN ({ids})")
                run(f"INSERT INTO {own}.{noted} SELECT '{owner}', {key}, {self.begun_ms} FROM ({ids})")
        if "signed" in there:
            run(
                f"DELETE FROM {own}.signed WHERE (owner, owner_id) IN (SELECT (owner, owner_id) FROM {schema}.signed)"
            )
            run(f"INSERT INTO {own}.signed FROM {schema}.signed WHERE digest IS NOT NULL")
        if "asked" in there and self.found.arrived.git:
            for asked in ("asked", "asked_data"):
                run(f"DELETE FROM {own}.{asked}")
                run(f"INSERT INTO {own}.{asked} FROM {schema}.{asked}")
        self.cache.set_meta({"begun_ms": str(self.begun_ms), **self.git})


def digest(store: Store, table: str, schema: str, where: str = "true") -> list[int]:
    """The numbers that the rows of a table come to; none but their count where there are none."""
    (numbers,) = store.run(f"SELECT {DIGESTS[table]} FROM {schema}.{table} t WHERE {where}")
    return [int(number) for number in numbers if number is not None]


def _combined(table: str, numbers: list[int], less: list[int], more: list[int]) -> list[int]:
    """The digest of rows without some of them and with others."""
    wide = max(len(numbers), len(less), len(more))
    padded = [[*them, *[0] * (wide - len(them))] for them in (numbers, less, more)]
    count, *rest = zip(*padded, strict=True)
    total = count[0] - count[1] + count[2]
    if not total:
        return [0]
    if "bit_xor" in DIGESTS[table]:
        return [total, *(one ^ two ^ three for one, two, three in rest)]
    return [total, *(one - two + three for one, two, three in rest)]


def set_aside_models(cache: CacheFile, arrived: Arrived, not_before_ms: int, not_after_ms: int) -> bool:
    """Give way to registered models that were deleted and made again under their names; say whether any was.

    What is known of the former ones moves to a workspace of their own, so that no row of theirs meets one
    of the new ones; the graph has to be made anew then.
    """
    run = cache.store.run
    if "mlflow_registered_model" not in arrived.covered:
        return False
    made_again = run(
        f"SELECT k.workspace, k.name, k.created_ms FROM {cache.sources}.mlflow_registered_model k "
        f"JOIN {arrived.schema}.mlflow_registered_model a ON a.workspace = k.workspace AND a.name = k.name "
        "WHERE a.created_ms IS DISTINCT FROM k.created_ms"
    )
    if not made_again:
        return False
    with cache.transaction():
        for workspace, name, created_ms in made_again:
            _set_aside(
                cache, (workspace, name), f"{workspace}\x1f{created_ms}", (not_before_ms, not_after_ms)
            )
        cache.set_meta({"state": READ})
    return True


def _set_aside(cache: CacheFile, model: tuple[str, str], place: str, window: tuple[int, int]) -> None:
    run, parameters = cache.store.run, [place, *model]
    tables = [f"{cache.sources}.{table}" for table in (*_REGISTRY, "mlflow_change")]
    tables += [f"{cache.own}.remembered_{table}" for table in REMEMBERED]
    tables += [f"{cache.own}.forgotten_{kind}" for kind in ("registered_model", "version")]
    for table in tables:
        run(f"UPDATE {table} SET workspace = ? WHERE workspace = ? AND name = ?", parameters)
    for kind in ("registered_model", "version"):
        keys, table = UNITS[kind].keys, UNITS[kind].table
        listed, forgotten = ", ".join(keys), f"{cache.own}.forgotten_{kind}"
        gone = (
            f"SELECT {listed} FROM {cache.sources}.{table} WHERE workspace = ? AND name = ? "
            f"EXCEPT SELECT {listed} FROM {forgotten}"
        )
        run(
            f"INSERT INTO {cache.sources}.mlflow_change (kind, change, not_before_ms, not_after_ms, {listed}) "
            f"SELECT '{kind}', 'forgotten', ?, ?, {listed} FROM ({gone})",
            [*window, place, model[1]],
        )
        run(f"INSERT INTO {forgotten} {gone}", [place, model[1]])
