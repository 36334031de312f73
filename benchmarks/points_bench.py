"""Very many metric points, which is where memory would go."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure, at_most, mlflow2prov_program
from benchmarks.inputs import Inputs
from benchmarks.measure import run
from benchmarks.mlflow_store import METRICS, STEPS
from benchmarks.sizes import Size

_MOST_RSS_MIB = 2048


def points(inputs: Inputs, size: Size) -> Iterator[Figure]:
    """The memory of an extraction that ends in Parquet."""
    runs = size.ways_runs[0]
    times = size.points // (runs * METRICS * STEPS)
    store = inputs.made(f"points-{runs}-{times}.db", lambda path: _repeat(inputs.store(runs), path, times))
    with closing(sqlite3.connect(store)) as database:
        [(count,)] = database.execute("SELECT count(*) FROM metrics").fetchall()
    with inputs.output("points") as out:
        save = ["save", "--format", "parquet", "--output", out / "document"]
        cost = run([mlflow2prov_program(), "extract", "--mlflow_url", f"sqlite:///{store}", *save])
        written = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    title = f"{count:,} metric points"
    yield at_most(f"{title}: Parquet, peak memory", round(cost.peak_mib), _MOST_RSS_MIB, unit=" MiB")
    yield Figure(
        name=f"{title}: Parquet, time and files",
        measured=f"wall time {cost.wall_s:.0f} s, CPU {cost.cpu_s:.0f} s; store {store.stat().st_size / 1e6:,.0f} MB,"
        f" Parquet {written / 1e6:,.0f} MB",
    )


def _repeat(store: Path, file: Path, times: int) -> None:
    """Make a store like another one, with so many times the steps of each metric."""
    shutil.copyfile(store, file)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -200000"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("BEGIN")
        database.execute(
            "WITH RECURSIVE turn(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM turn WHERE n + 1 < ?) "
            "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) "
            "SELECT key, value, timestamp + n * 60000, run_uuid, step + n * ?, is_nan FROM turn CROSS JOIN metrics m "
            "WHERE m.rowid <= (SELECT max(rowid) FROM metrics)",
            [times, STEPS],
        )
        later = [(times - 1) * 60000, (times - 1) * STEPS]
        database.execute("UPDATE latest_metrics SET timestamp = timestamp + ?, step = step + ?", later)
        database.execute("COMMIT")
