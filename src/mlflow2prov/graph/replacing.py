"""Which files a graph file may take the place of."""

from __future__ import annotations

from pathlib import Path

from mlflow2prov.errors import GraphError, UsageError
from mlflow2prov.graph.store import TABLES, Store

_CACHE = "cache"
"""The schema that tells a cache, which remembers what its sources have forgotten."""


def check_apart(database: str | Path | None, cache: str | Path | None) -> None:
    """Raise an error if a graph and a cache are to stand in the same file.

    Raises:
        UsageError: they are.
    """
    if database is not None and cache is not None and Path(database).resolve() == Path(cache).resolve():
        raise UsageError(
            f"the cache and the graph can't both be kept in {cache}: load reads a cache, too, so leave out the other one"
        )


def check_replaceable(file: Path) -> None:
    """Raise an error if a file is there that is no DuckDB database, which nobody means to replace by one.

    Raises:
        GraphError: there is.
    """
    if _holds_something(file) and _head(file)[8:12] != b"DUCK":
        raise GraphError(f"can't write {file}: a file of that name is there, and it is no DuckDB database")


def _holds_something(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(16)


def check_only_a_graph(store: Store, file: Path) -> None:
    """Raise an error if a file is there that holds something else than a graph, which would be lost.

    Args:
        store: what looks into the file, which it may have attached.
        file: its path.

    Raises:
        GraphError: there is such a file, or one that can't be looked into.
    """
    check_replaceable(file)
    if not _holds_something(file):
        return
    alias = _attached(store, file)
    schema = "" if alias else store.attach(file, read_only=True)
    try:
        found = store.run(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ? ORDER BY ALL",
            [alias or schema.partition(".")[0]],
        )
    finally:
        if not alias:
            store.run(f"DETACH {schema.partition('.')[0]}")
    if any(place == _CACHE for place, _ in found):
        raise GraphError(
            f"can't write {file}: it is a cache, which would forget all that it remembers; give the name of another file"
        )
    others = [f"{place}.{table}" for place, table in found if place != "main" or table not in TABLES]
    if others:
        raise GraphError(
            f"can't write {file}: it is a DuckDB database with other tables than those of a graph, such as {others[0]},"
            " which would be lost; give the name of another file"
        )


def _attached(store: Store, file: Path) -> str | None:
    """By which name a file is attached already."""
    for name, path in store.run("SELECT database_name, path FROM duckdb_databases() WHERE path IS NOT NULL"):
        if Path(path).exists() and file.samefile(path):
            return str(name)
    return None
