"""Extraction with a cache: all at first, then what changed, and what the store has forgotten since."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow2prov.cache.ahead import Ahead
from mlflow2prov.cache.change import Change, digest, set_aside_models
from mlflow2prov.cache.compare import Arrived, Comparison, columns_of, told
from mlflow2prov.cache.context import Context, telling_keys
from mlflow2prov.cache.everywhere import events_over, wanted_sql
from mlflow2prov.cache.file import COMPLETE, READ, READING, REMEMBERED, CacheFile, opened
from mlflow2prov.cache.git_memory import GitMemory, say_again, to_say_again
from mlflow2prov.cache.known import Earlier, Progress
from mlflow2prov.cache.ledger import write_ledger
from mlflow2prov.cache.patch import Patch, fingerprint_sql
from mlflow2prov.cache.recovery import is_as_before, is_touched, may_recover, recover, with_recovered
from mlflow2prov.cache.store_warnings import remembering
from mlflow2prov.cache.units import OWNED, UNITS
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import TABLES, Store, create_tables
from mlflow2prov.model.emptiness import Empty, shapes_of
from mlflow2prov.model.events import attribute_keys
from mlflow2prov.model.events_extraction import DIGESTS
from mlflow2prov.model.expand import Names, expand
from mlflow2prov.model.unmapped import count_unmapped, report_counts
from mlflow2prov.sources.git_warnings import noting
from mlflow2prov.sources.intake import create_source_tables, keep_one_of_each_name, take_in
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

if TYPE_CHECKING:
    from mlflow2prov.sources.git_remembered import Memory
    from mlflow2prov.sources.mlflow.known import Finished, Known

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where an extraction with a cache reads from.

    Attributes:
        store: everything of the MLflow store; None where there is none.
        at_once: whether a first reading of it starts again from nothing when it was broken off.
        changes: what may be new in it since an earlier reading, likewise.
        repository: the Git history, with the commits, sources and datasets that runs name, and what is remembered
            of commits; None where there is none.
        state: what tells whether the history is as it was, given the commits that runs name.
        redaction: makes the SQL of a text without the credentials in it.
        names: the names of a document, by the remotes and the paths of the repositories.
        now_ms: the clock.
    """

    store: Callable[[Finished], Batches] | None
    at_once: bool
    changes: Callable[[Known], Batches] | None
    repository: Callable[[list[tuple[str, ...]], list[tuple[str, str, str, str]], Memory], Batches] | None
    state: Callable[[Collection[str]], str] | None
    redaction: Callable[[str], str]
    names: Callable[[list[tuple[str | None, str]]], Names]
    now_ms: Callable[[], int]


def extract_with_cache(store: Store, file: Path, identity: Mapping[str, str], sources: Sources) -> Graph:
    """Return the graph of a cache, brought up to date; it stands in the file, and changes with it.

    Args:
        store: where to work.
        file: of the cache; it is made where there is none.
        identity: what a cache must have been made with to be fit for these sources.
        sources: where to read from.

    Raises:
        UsageError: the file is no cache, or none of these sources and options.
        SourceError: a source can't be read, or another process uses the cache.
    """
    with opened(store, file, identity) as cache:
        work = _Extraction(cache, sources)
        state = cache.meta()["state"]
        if state == READING:
            is_continued = "begun_ms" in cache.meta() and not sources.at_once
            work.read_all()
            if is_continued:
                work.read_changes(is_complete=True)
        elif state in (READ, COMPLETE):
            work.read_changes(is_complete=state == COMPLETE)
    return cache.graph


@dataclass(frozen=True, slots=True)
class _Side:
    """Where one state is expanded: its name, what to look at, and the schemas of its rows and of its graph."""

    name: str
    looked: Context
    rows: str
    graph: Graph


@dataclass(frozen=True, slots=True)
class _Made:
    """What was expanded of one state: its graph, what no event took up, and the state's digest."""

    graph: Graph
    counts: dict[str, int]
    state: str


class _Extraction:
    """One extraction with a cache that is open."""

    def __init__(self, cache: CacheFile, sources: Sources) -> None:
        self._cache = cache
        self._store = cache.store
        self._sources = sources
        self._keys: dict[tuple[str, str | None], int] = {}
        self._digests: dict[str, list[int]] = {}
        self._recovers = True
        self._recovered: dict[str, str] = {}
        self._meta: dict[str, str] = {}

    # ---- The first time ------------------------------------------------------------------------

    def read_all(self) -> None:
        """Read everything, and make the graph."""
        cache, run = self._cache, self._store.run
        begun = int(cache.meta().get("begun_ms", self._sources.now_ms()))
        self._clear_unfinished(begun)
        if self._sources.store:
            with remembering(cache, {}):
                batches, at_once = self._sources.store(Progress(cache, begun)), self._sources.at_once
                take_in(self._store, cache.sources, batches, self._sources.redaction, at_once=at_once)
            with cache.transaction():
                self._count_rows()
                keep_one_of_each_name(self._store, cache.sources)
        with cache.transaction():
            run(f"DELETE FROM {cache.own}.listed")
            for kind in ("run", "logged_model"):
                unit = UNITS[kind]
                run(
                    f"INSERT INTO {cache.own}.listed SELECT '{kind}', {unit.keys[0]}, {begun} "
                    f"FROM {cache.sources}.{unit.table}"
                )
        if self._sources.repository and self._sources.state:
            wanted = wanted_sql(lambda table: f"{cache.sources}.{table}")
            points, datasets = (run(f"{sql} ORDER BY ALL") for sql in wanted.values())
            with noting() as each_time:
                state = self._sources.state({point[0] for point in points})
            with noting(each_time) as said:
                history = self._sources.repository(points, datasets, GitMemory(cache))
                take_in(self._store, cache.sources, history, self._sources.redaction, at_once=True)
            with cache.transaction():
                for asked, sql in wanted.items():
                    run(f"DELETE FROM {cache.own}.{asked}")
                    run(f"INSERT INTO {cache.own}.{asked} {sql}")
                cache.set_meta({"git_state": state, **to_say_again(said)})
        with cache.transaction():
            cache.set_meta({"state": READ, "begun_ms": str(begun)})
        self.make_graph()

    def _clear_unfinished(self, begun_ms: int) -> None:
        """Leave of an earlier attempt what belongs to the runs that it finished; note when that began."""
        cache, run = self._cache, self._store.run
        finished = f"(SELECT owner_id FROM {cache.own}.checked WHERE owner = 'run')"
        kept = {owned.table: owned for owned in OWNED if owned.kind == "run"}
        with cache.transaction():
            run(f"DELETE FROM {cache.own}.signed")
            if self._sources.at_once:
                run(f"DELETE FROM {cache.own}.checked")
            for table in SOURCE_TABLES:
                where = (
                    f" WHERE NOT ({kept[table].when} AND {kept[table].key()} IN {finished})"
                    if table in kept
                    else ""
                )
                if table != "mlflow_dataset":
                    run(f"DELETE FROM {cache.sources}.{table}{where}")
            cache.set_meta({"begun_ms": str(begun_ms)})

    def _count_rows(self) -> None:
        cache = self._cache
        datasets = f"{cache.sources}.mlflow_dataset"
        self._store.run(
            f"DELETE FROM {datasets} WHERE rowid NOT IN (SELECT min(rowid) FROM {datasets} "
            f"GROUP BY {columns_of('mlflow_dataset')})"
        )
        self._store.run(f"DELETE FROM {cache.own}.counted")
        for table in ("mlflow_metric", "mlflow_param", "mlflow_dataset_input"):
            self._store.run(
                f"INSERT INTO {cache.own}.counted SELECT '{table}', run_id, count(*) FROM {cache.sources}.{table} "
                "GROUP BY run_id"
            )

    def make_graph(self) -> None:
        """Make the graph anew from the source tables."""
        cache, run = self._cache, self._store.run
        log.info("making the graph of %s", cache.path)
        with cache.transaction():
            for table in TABLES:
                run(f"DROP TABLE IF EXISTS {cache.alias}.main.{table}")
            create_tables(self._store, f"{cache.alias}.main")
            for table in ("fingerprint", "unmapped"):
                run(f"DELETE FROM {cache.own}.{table}")
        with self._store.scratch("told") as views:
            for table in SOURCE_TABLES:
                rows = f"SELECT {columns_of(table)} FROM {cache.sources}.{table}"
                kept = (
                    f"SELECT {columns_of(table)} FROM {cache.own}.remembered_{table}"
                    if table in REMEMBERED
                    else ""
                )
                run(f"CREATE VIEW {views}.{table} AS {told(table, rows, kept)}")
            expand(cache.graph, views, self._names(views))
            counts = count_unmapped(self._store, views)
            state = self._store.scalar(f"SELECT max(state) FROM {views}.stores")
            with cache.transaction():
                run(
                    f"INSERT INTO {cache.own}.fingerprint SELECT id, {fingerprint_sql()} FROM {cache.alias}.main.name n"
                )
                self._set_unmapped(counts)
                shapes = json.dumps(shapes_of(cache.graph, views))
                digests = json.dumps({table: digest(self._store, table, cache.sources) for table in DIGESTS})
                telling = json.dumps(telling_keys(self._store, f"{cache.sources}.mlflow_tag"))
                known = {"store_state": state or "", "shapes": shapes, "digests": digests, "telling": telling}
                cache.set_meta({"state": COMPLETE, **known})
        report_counts(counts)

    def _names(self, schema: str) -> Names:
        found = f"SELECT remote, path FROM {schema}.git_repository ORDER BY repository"
        return self._sources.names(self._store.run(found))

    def _set_unmapped(self, counts: Mapping[str, int]) -> None:
        self._store.run(f"DELETE FROM {self._cache.own}.unmapped")
        for what, count in counts.items():
            self._store.run(f"INSERT INTO {self._cache.own}.unmapped VALUES (?, ?)", [what, count])

    # ---- Later times ---------------------------------------------------------------------------

    def read_changes(self, *, is_complete: bool) -> None:
        """Read what may be new, compare it with what is known, and change the graph where they differ."""
        begun = self._sources.now_ms()
        with ExitStack() as stack:
            arrived = Arrived(stack.enter_context(self._store.scratch("arrived")))
            create_source_tables(self._store, arrived.schema)
            self._read_store(arrived)
            before_ms = int(self._cache.meta()["begun_ms"])
            is_complete &= not set_aside_models(self._cache, arrived, before_ms, self._sources.now_ms())
            found = Comparison(self._cache, arrived)
            found.find()
            found.remember()
            write_ledger(found, before_ms, self._sources.now_ms())
            change = Change(self._cache, found, begun, self._read_git(found))
            change.prepare()
            if is_complete and not found.is_any and not change.is_other_store():
                with self._cache.transaction():
                    change.note_reading()
            elif not (is_complete and self._may_patch(change) and self._patch(change, stack)):
                with self._cache.transaction():
                    change.apply_to_sources()
                    change.note_reading()
                    self._cache.set_meta({"state": READ})
                self.make_graph()
                return
        report_counts(dict(self._store.run(f"SELECT what, rows FROM {self._cache.own}.unmapped")))

    def _read_store(self, arrived: Arrived) -> None:
        if not self._sources.changes:
            return
        with remembering(self._cache, arrived.covered), Ahead() as ahead:
            batches = self._sources.changes(Earlier(self._cache, arrived, ahead.taken_in))
            take_in(self._store, arrived.schema, ahead.batches(batches), self._sources.redaction)
        arrived.suspects = Comparison(self._cache, arrived).suspects()
        keep_one_of_each_name(self._store, arrived.schema, arrived.suspects)

    def _read_git(self, found: Comparison) -> dict[str, str]:
        """Read the history anew if it is another, or if runs name something else in it; return what to note of it."""
        if not (self._sources.repository and self._sources.state):
            return {}
        run, schema = self._store.run, found.arrived.schema
        is_other = False
        for asked, sql in wanted_sql(lambda table: f"({found.after(table)})").items():
            run(f"CREATE TABLE {schema}.{asked} AS {sql}")
            new, known = f"{schema}.{asked}", f"{self._cache.own}.{asked}"
            is_other |= bool(
                run(
                    f"SELECT 1 FROM ((FROM {new} EXCEPT FROM {known}) UNION ALL (FROM {known} EXCEPT FROM {new})) LIMIT 1"
                )
            )
        points, datasets = (run(f"FROM {schema}.{asked} ORDER BY ALL") for asked in ("asked", "asked_data"))
        with noting() as each_time:
            state = self._sources.state({point[0] for point in points})
        if state == self._cache.meta().get("git_state") and not is_other:
            say_again(self._cache)
            return {}
        with noting(each_time) as said:
            batches = self._sources.repository(points, datasets, GitMemory(self._cache))
            take_in(self._store, schema, batches, self._sources.redaction)
        found.arrived.git = True
        return {"git_state": state, **to_say_again(said)}

    def _may_patch(self, change: Change) -> bool:
        """Whether the graph is changed and not made anew, as that of a history alone is: its records keep their order."""
        found = change.found.arrived  # where another origin may give another namespace
        is_called_so = not found.git or self._names(self._cache.sources) == self._names(found.schema)
        return self._sources.store is not None and is_called_so and change.is_small()

    def _patch(self, change: Change, stack: ExitStack) -> bool:
        """Work out what is different in the graph, and change it with all the rest in one transaction.

        Nothing is done, and False returned, where the graph has to be made anew instead.
        """
        before, after = [stack.enter_context(self._store.scratch(word)) for word in ("before", "after")]
        change.found.make_views(before, after)
        if self._is_recovery_touched(change, before, after):
            return False
        self._patch_between(change, before, after, stack)
        return True

    def _is_recovery_touched(self, change: Change, before: str, after: str) -> bool:
        self._recovers = may_recover(self._store, before, after)
        if not self._recovers:
            return False
        arrived = change.found.arrived.schema
        is_same = is_as_before(self._store, after, arrived, change.found.dirty)
        self._recovered = {"before": after if is_same else before, "after": after}
        for views in dict.fromkeys(self._recovered.values()):
            recover(self._store, views, self._names(views))
        return is_touched(self._store, self._recovered["before"], after, arrived)

    def _patch_between(self, change: Change, before: str, after: str, stack: ExitStack) -> None:
        main = f"{self._cache.alias}.main"
        rows = self._store.run(f"SELECT name, datatype, key FROM {main}.attribute_key")
        known = {(name, datatype): key for name, datatype, key in rows}
        self._keys = attribute_keys(known)
        context, patched = [stack.enter_context(self._store.scratch(word)) for word in ("context", "patch")]
        self._meta = self._cache.meta()
        self._digests = change.digests(json.loads(self._meta["digests"]))
        looked = Context(change.found, before, after, context, json.loads(self._meta["telling"]))
        looked.find()
        sides = [self._side(looked, side, stack) for side in ("before", "after")]
        with ThreadPoolExecutor(2) as threads:
            made = list(threads.map(self._expand, sides))
        patch = Patch(self._cache, patched, made[0].graph.schema, made[1].graph.schema)
        patch.find()
        counts = self._counts(made[0].counts, made[1].counts)
        with self._cache.transaction():
            change.apply_to_sources()
            patch.apply()
            for (name, datatype), key in self._keys.items():
                if (name, datatype) not in known:
                    self._store.run(
                        f"INSERT INTO {main}.attribute_key VALUES (?, ?, ?, NULL)", [key, name, datatype]
                    )
            self._set_unmapped(counts)
            change.note_reading()
            now = {"digests": json.dumps(self._digests), "telling": json.dumps(looked.telling)}
            self._cache.set_meta({"store_state": made[1].state, **now})

    def _side(self, looked: Context, name: str, stack: ExitStack) -> _Side:
        """Where the state before or after is expanded: an empty graph, and a schema for the rows."""
        rows = stack.enter_context(self._store.scratch(f"rows_{name}"))
        graph = Graph(self._store, stack.enter_context(self._store.scratch(f"graph_{name}")))
        create_tables(self._store, graph.schema)
        return _Side(name, looked, rows, graph)

    def _expand(self, side: _Side) -> _Made:
        """What is told of one state; to be called in a thread of its own."""
        looked, rows = side.looked, side.rows
        views = looked.before if side.name == "before" else looked.after
        cursor = self._store.cursor()
        try:
            looked.copy(rows, side.name, cursor)
            state = self._meta.get("store_state", "") if side.name == "before" else None
            empty = Empty(
                looked.empty(rows, cursor),
                json.loads(self._meta.get("shapes", "{}")),
                looked.settled(recovers=self._recovers),
            )
            events = events_over(views, state, self._digests)
            if self._recovers:
                events = tuple(with_recovered(events, self._recovered[side.name]))
            expand(side.graph, rows, self._names(views), events, self._keys, empty)
            found = cursor.execute(f"SELECT max(state) FROM {rows}.stores").fetchone()
        finally:
            cursor.close()
        return _Made(
            side.graph, count_unmapped(self._store, rows), str(found[0]) if found and found[0] else ""
        )

    def _counts(self, before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
        """What is left out in all: as many as before, and what is different in what was looked at."""
        counts = dict(self._store.run(f"SELECT what, rows FROM {self._cache.own}.unmapped"))
        return {what: max(0, counts.get(what, 0) + after[what] - before[what]) for what in after}
