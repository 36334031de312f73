"""The door through which source tables come in: typed, and without credentials."""

from __future__ import annotations

import logging
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from mlflow2prov.graph.store import Store
from mlflow2prov.sources.tables import KEYS, SOURCE_TABLES, Batches, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Container

log = logging.getLogger(__name__)


def create_source_tables(store: Store, schema: str) -> None:
    """Make every source table, empty, in a schema."""
    for table in SOURCE_TABLES.values():
        columns = ", ".join(f'"{name}" {kind.value}' for name, kind in table.columns.items())
        store.run(f"CREATE TABLE {schema}.{table.name} ({columns})")


def take_in(
    store: Store,
    schema: str,
    batches: Batches,
    redaction: Callable[[str], str],
    *,
    at_once: bool = False,
) -> Counter[str]:
    """Append a source's batches to the source tables of a schema; return the rows of each table.

    Args:
        store: where the schema is.
        schema: one in which :func:`create_source_tables` was called.
        batches: what a source yields; one batch is held at a time.
        redaction: makes the SQL for a text column without the credentials in its URLs.
        at_once: all in one transaction, so that nothing stays where a batch fails.
    """
    counts: Counter[str] = Counter()
    statements = {table.name: _insert(schema, table, redaction) for table in SOURCE_TABLES.values()}
    cursor = store.cursor()
    try:
        if at_once:
            cursor.execute("BEGIN")
        for name, batch in batches:
            if not batch.num_rows:
                continue
            counts[name] += batch.num_rows
            cursor.register("arriving", batch)
            store.roomy(partial(cursor.execute, statements[name]))
            cursor.unregister("arriving")
        if at_once:
            cursor.execute("COMMIT")
    finally:
        cursor.close()
    return counts


def rows_there(store: Store, schema: str) -> int:
    """Return how many rows the tables of a schema have, more or less."""
    asked = (
        "SELECT sum(estimated_size) FROM duckdb_tables() WHERE concat(database_name, '.', schema_name) = ?"
    )
    return int(store.scalar(asked, [schema]) or 0)


def keep_one_of_each_name(store: Store, schema: str, tables: Container[str] = tuple(KEYS)) -> Counter[str]:
    """Leave out rows whose name is missing or another row's (:data:`KEYS`); return how many, by table.

    Of several rows the one stays that sorts first, whatever the order of their arrival.
    """
    left_out: Counter[str] = Counter()
    for name, key in KEYS.items():
        if name not in tables:
            continue
        table, listed = f"{schema}.{name}", ", ".join(key)
        missing = " OR ".join(f"{column} IS NULL" for column in key if column != "path_bytes")
        found = store.scalar(f"SELECT count(*) FROM {table} WHERE {missing}")
        repeated = store.scalar(
            f"SELECT count(*) FROM (SELECT 1 FROM {table} GROUP BY {listed} HAVING count(*) > 1)"
        )
        if not found and not repeated:
            continue
        columns = ", ".join(f'"{column}"' for column in SOURCE_TABLES[name].columns)
        before = store.scalar(f"SELECT count(*) FROM {table}")
        store.run(
            f"DELETE FROM {table} WHERE {missing} OR rowid IN (SELECT place FROM (SELECT rowid AS place, "
            f"row_number() OVER (PARTITION BY {listed} ORDER BY {columns}) AS nth FROM {table}) WHERE nth > 1)"
        )
        left_out[name] = before - store.scalar(f"SELECT count(*) FROM {table}")
        log.warning(
            "left out: rows of %s without a name or with that of another (%s)", name, f"{left_out[name]:,}"
        )
    return left_out


def _insert(schema: str, table: Table, redaction: Callable[[str], str]) -> str:
    names = [f'"{name}"' for name in table.columns]
    values = [_taken(f'"{name}"', kind, redaction) for name, kind in table.columns.items()]
    return f"INSERT INTO {schema}.{table.name} ({', '.join(names)}) SELECT {', '.join(values)} FROM arriving"


def _taken(column: str, kind: Kind, redaction: Callable[[str], str]) -> str:
    """SQL of a column as it is taken in."""
    match kind:
        case Kind.TEXT:
            return redaction(column)
        case Kind.TEXTS:
            return f"list_transform({column}, lambda x: {redaction('x')})"
    return column
