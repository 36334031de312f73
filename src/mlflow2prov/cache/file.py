"""The file of a cache: a DuckDB database that holds what was read, what was forgotten, and the graph of both.

==============  ================================================================================
``main``        the record tables of the graph, so that ``load`` reads a cache like any kept graph
``sources``     the source tables as last read; what the store has lost since stays as it was
``cache``       the cache's own tables: ``meta`` says what state the rest is in
==============  ================================================================================

``meta`` says ``reading`` until a first extraction has read all sources, ``read`` while the graph does not
tell what the source tables do, and ``complete`` when it does. Each state is one that work can go on from.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from mlflow2prov import __version__
from mlflow2prov.cache.units import UNITS
from mlflow2prov.errors import GraphError, SourceError, UsageError
from mlflow2prov.graph.engine_errors import full_disk
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.replacing import check_replaceable
from mlflow2prov.graph.store import Store, create_tables
from mlflow2prov.model.events import EVENTS
from mlflow2prov.sources.intake import create_source_tables
from mlflow2prov.sources.tables import SOURCE_TABLES

FORMAT = 1
"""What this version writes; a file of a higher format is of a later version."""

READING, READ, COMPLETE = "reading", "read", "complete"

_TABLES = {
    "meta": "key VARCHAR, value VARCHAR",
    "counted": "relation VARCHAR, run_id VARCHAR, rows BIGINT",
    "listed": "owner VARCHAR, owner_id VARCHAR, at_ms BIGINT",
    "checked": "owner VARCHAR, owner_id VARCHAR, at_ms BIGINT",
    "signed": "owner VARCHAR, owner_id VARCHAR, digest VARCHAR, newest_ns BIGINT, is_elsewhere BOOLEAN",
    "fingerprint": "id INTEGER, hash UBIGINT",
    "unmapped": "what VARCHAR, rows BIGINT",
    "asked": "commit VARCHAR, source VARCHAR, entry VARCHAR",
    "git_log": "kind VARCHAR, sha VARCHAR, parents BIGINT, is_odd BOOLEAN, place BIGINT, record BLOB",
    "asked_data": "commit VARCHAR, name VARCHAR, digest VARCHAR, source VARCHAR",
}
"""The cache's own tables, but for those that are shaped like source tables and units."""

_aliases: WeakKeyDictionary[Store, dict[Path, str]] = WeakKeyDictionary()
_busy: set[Path] = set()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class CacheFile:
    """An attached cache file.

    Attributes:
        store: what it is attached to.
        path: of the file.
        alias: what the database is called there.
    """

    store: Store
    path: Path
    alias: str

    @property
    def graph(self) -> Graph:
        """The graph in it."""
        return Graph(self.store, f"{self.alias}.main", str(self.path))

    @property
    def sources(self) -> str:
        """The schema of the source tables."""
        return f"{self.alias}.sources"

    @property
    def own(self) -> str:
        """The schema of the cache's own tables."""
        return f"{self.alias}.cache"

    def meta(self) -> dict[str, str]:
        """What the file says of itself."""
        return dict(self.store.run(f"SELECT key, value FROM {self.own}.meta"))

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Say something else of the file."""
        for key, value in values.items():
            self.store.run(f"DELETE FROM {self.own}.meta WHERE key = ?", [key])
            self.store.run(f"INSERT INTO {self.own}.meta VALUES (?, ?)", [key, value])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written to the file in the ``with`` block, or nothing."""
        self.store.run("BEGIN")
        try:
            yield
        except BaseException:
            with suppress(Exception):  # the engine may have given the transaction up itself
                self.store.connection.execute("ROLLBACK")
            raise
        self.store.run("COMMIT")


@contextmanager
def opened(store: Store, file: Path, identity: Mapping[str, str]) -> Iterator[CacheFile]:
    """Yield the cache in a file, which is made where there is none; afterwards it is attached read-only.

    Args:
        store: what to attach it to.
        file: its path.
        identity: the sources and the options that shape what is read; they are the same for ever.

    Raises:
        UsageError: it is no cache, or one of other sources, other options or a later version.
        SourceError: another process writes to it.
    """
    path = _path_of(file)
    with _lock:
        if path in _busy:
            raise SourceError(f"the cache {file} is in use by another extraction; let that finish first")
        _busy.add(path)
    try:
        with _told(path, file):
            cache = CacheFile(store, path, _attached(store, path, file))
            try:
                _check(cache, file, identity)
                yield cache
            finally:
                store.detach(f"{cache.alias}.main")
            store.attach(path, read_only=True, alias=cache.alias)
    finally:
        with _lock:
            _busy.discard(path)


@contextmanager
def _told(path: Path, file: Path) -> Iterator[None]:
    """What is raised where there is no room for the cache, as one sentence."""
    try:
        yield
    except Exception as error:
        causes: list[BaseException] = [error]  # the first ones may be of the file that is given up
        while (before := causes[-1].__cause__ or causes[-1].__context__) and before not in causes:
            causes.append(before)
        if any(full_disk(cause) == str(path) for cause in causes):
            raise GraphError(
                f"there is no space left on the disk for the cache {file}: make room there and extract again;"
                " what it had before is still in it"
            ) from error
        raise


def _path_of(file: Path) -> Path:
    try:
        check_replaceable(file)
    except GraphError as error:
        raise UsageError(f"{file} is no cache of mlflow2prov; give the name of another file") from error
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise UsageError(
            f"there can't be a cache at {file}: give the name of a file in a folder that is there"
        )
    return file.resolve()


def _attached(store: Store, path: Path, file: Path) -> str:
    """Attach the file so that it can be written to, by the alias that it had in this store if it had one."""
    aliases = _aliases.setdefault(store, {})
    alias = aliases.setdefault(path, f"cache_{len(aliases) + 1}")
    if store.run("SELECT 1 FROM duckdb_databases() WHERE database_name = ?", [alias]):
        store.run(f"DETACH {alias}")
    try:
        store.attach(path, read_only=False, alias=alias)
    except GraphError as error:
        if "lock" in str(error):
            raise SourceError(
                f"the cache {file} is in use by another process; wait for it, or give another file"
            ) from error
        raise
    return alias


def _check(cache: CacheFile, file: Path, identity: Mapping[str, str]) -> None:
    """See that the cache is ours and of these sources and options; fill a new one."""
    schemas = {
        name
        for (name,) in cache.store.run(
            "SELECT schema_name FROM duckdb_tables() WHERE database_name = ?", [cache.alias]
        )
    }
    if not schemas:
        _create(cache, identity)
        return
    if "cache" not in schemas:
        raise UsageError(
            f"{file} is a DuckDB file, but no cache of mlflow2prov; give the name of another file"
        )
    meta = cache.meta()
    if int(meta.get("format", FORMAT + 1)) > FORMAT:
        raise UsageError(
            f"the cache {file} was made by a later version of mlflow2prov; use that, or another file"
        )
    for word, value in identity.items():
        if meta.get(word, "") != value:
            raise UsageError(
                f"the cache {file} was made with another {word.replace('_', ' ')} ({meta.get(word) or 'none'!s}"
                f" instead of {value or 'none'}); give it the same one, or another file"
            )
    _bring_up_to_date(cache, meta)


def _create(cache: CacheFile, identity: Mapping[str, str]) -> None:
    with cache.transaction():
        for schema in (cache.sources, cache.own):
            cache.store.run(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for table, columns in own_tables().items():
            cache.store.run(f"CREATE TABLE {cache.own}.{table} ({columns})")
        create_source_tables(cache.store, cache.sources)
        create_tables(cache.store, f"{cache.alias}.main")
        cache.set_meta({"format": str(FORMAT), "state": READING, **fingerprints(), **identity})


def own_tables() -> dict[str, str]:
    """The cache's own tables, by name, with their columns."""
    tables = dict(_TABLES)
    for unit in UNITS.values():
        columns = SOURCE_TABLES[unit.table].columns
        tables[f"forgotten_{unit.kind}"] = ", ".join(f"{key} {columns[key].value}" for key in unit.keys)
    for table in REMEMBERED:
        columns = SOURCE_TABLES[table].columns
        tables[f"remembered_{table}"] = ", ".join(f'"{name}" {kind.value}' for name, kind in columns.items())
    return tables


REMEMBERED = ("mlflow_model_version", "mlflow_model_version_tag")
"""The tables of which a row is kept as it was before the store redacted it."""


def fingerprints() -> dict[str, str]:
    """What the shapes of the source tables, and the events, are known by: they change with the program."""
    tables = {
        name: {key: kind.value for key, kind in table.columns.items()}
        for name, table in SOURCE_TABLES.items()
    }
    return {"tables": _digest(json.dumps(tables)), "events": _digest(__version__ + repr(EVENTS))}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _bring_up_to_date(cache: CacheFile, meta: Mapping[str, str]) -> None:
    """Fit a cache of an earlier version of the program: add what its tables lack; its graph is made anew."""
    now = fingerprints()
    if all(meta.get(key) == value for key, value in now.items()):
        return
    with cache.transaction():
        there = _columns(cache)
        for table in SOURCE_TABLES.values():
            for name, kind in table.columns.items():
                if table.name not in there:
                    columns = ", ".join(f'"{key}" {it.value}' for key, it in table.columns.items())
                    cache.store.run(f"CREATE TABLE IF NOT EXISTS {cache.sources}.{table.name} ({columns})")
                elif name not in there[table.name]:
                    cache.store.run(
                        f'ALTER TABLE {cache.sources}.{table.name} ADD COLUMN "{name}" {kind.value}'
                    )
        for own, shape in own_tables().items():
            cache.store.run(f"CREATE TABLE IF NOT EXISTS {cache.own}.{own} ({shape})")
        state = READING if meta["state"] == READING else READ
        # With other tables the sources are read anew, as if nothing had been counted or listed.
        if meta.get("tables") != now["tables"]:
            for noted in ("counted", "listed", "checked", "signed", "asked_data"):
                cache.store.run(f"DELETE FROM {cache.own}.{noted}")
            cache.store.run(f"CREATE OR REPLACE TABLE {cache.own}.asked ({_TABLES['asked']})")
            cache.set_meta({"git_state": ""})
        cache.set_meta({**now, "state": state})


def _columns(cache: CacheFile) -> dict[str, set[str]]:
    rows: list[tuple[Any, ...]] = cache.store.run(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = ? AND schema_name = 'sources'",
        [cache.alias],
    )
    found: dict[str, set[str]] = {}
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return found
