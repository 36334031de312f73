"""A store in PostgreSQL, read by column, against the plain scan of the same tables that was the fastest."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, at_least, at_most, mlflow2prov_program
from benchmarks.inputs import Inputs
from benchmarks.measure import best, run
from benchmarks.scan_postgresql import SCANNED
from benchmarks.sizes import Size
from benchmarks.sql_servers import postgresql_programs, postgresql_server
from benchmarks.store_tables import TABLES

_MOST_RSS_MIB = 2048


def postgresql(inputs: Inputs, size: Size) -> Iterator[Figure]:
    """Measure reading alone, and a whole extract."""
    programs = postgresql_programs()
    if programs is None:
        yield Figure(name="not measured", measured="PostgreSQL is not installed")
        return
    with inputs.output("postgresql") as out, postgresql_server(programs) as server:
        uri = server.uri
        rows = _fill(uri, inputs.store(size.runs))
        yield from _reading(uri, size, rows)
        extract = [mlflow2prov_program(), "extract", "--mlflow_url", uri, "--database", out / "graph.duckdb"]
        graph = run(extract)
        title = f"{size.runs:,} runs: graph in a file"
        yield at_most(f"{title}, peak memory", round(graph.peak_mib), _MOST_RSS_MIB, unit=" MiB")
        yield Figure(
            name=f"{title}, time", measured=f"CPU {graph.cpu_s:.2f} s; wall time {graph.wall_s:.1f} s"
        )


def _reading(uri: str, size: Size, rows: int) -> Iterator[Figure]:
    module = [sys.executable, "-m", "benchmarks.scan_postgresql"]
    costs = best({"scan": [*module, "scan", uri], "read": [*module, "read", uri]}, size.repeats)
    scan, read = costs["scan"], costs["read"]
    yield at_least(
        f"{size.runs:,} runs: CPU of the scan ÷ that of reading",
        *(scan.cpu_s / read.cpu_s, 0.5),
        detail=f"{scan.cpu_s:.2f} s ÷ {read.cpu_s:.2f} s; wall time {scan.wall_s:.2f} s ÷ {read.wall_s:.2f} s;"
        f" {rows:,} rows",
    )


def _fill(uri: str, store: Path) -> int:
    """Copy a store; return the rows of the tables that are scanned."""
    from adbc_driver_postgresql import dbapi
    from adbc_driver_sqlite import dbapi as sqlite

    count = 0
    with (
        sqlite.connect(f"file:{store}?mode=ro", autocommit=True) as source,
        dbapi.connect(uri) as target,
        source.cursor() as reading,
        target.cursor() as writing,
    ):
        reading.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": "65536"})
        for name, table in TABLES.items():
            # Arrow has whole numbers of one width: what was narrower is made wide.
            columns = re.sub(r"\bINTEGER\b|\bBOOLEAN\b", "BIGINT", table.columns)
            writing.execute(f"CREATE TABLE {name} ({columns.replace('FLOAT', 'DOUBLE PRECISION')})")
            reading.execute(f"SELECT * FROM {name}")
            batches = reading.fetch_record_batch()
            copied = writing.adbc_ingest(name, batches, mode="append")
            count += copied if name in SCANNED else 0
        target.commit()
        writing.execute("ANALYZE")
        target.commit()
    return count
