"""Extraction with a cache: the first one, one with nothing new, and one with a new run."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure, at_most, mlflow2prov_program
from benchmarks.inputs import Inputs
from benchmarks.measure import Command, requests_in, run
from benchmarks.sizes import Size

_MOST_DATABASE_S = 2.0
_MOST_SERVER_S = 5.0
_TABLES = ("runs", "params", "tags", "metrics", "latest_metrics")


def cache(inputs: Inputs, size: Size) -> Iterator[Figure]:
    """The figures of a cache of a SQLite database."""
    what = f"{size.runs:,} runs in SQLite"
    with inputs.output("cache") as out:
        store = out / "store.db"
        shutil.copyfile(inputs.store(size.runs), store)
        yield from _measured(f"sqlite:///{store}", store, out / "c.duckdb", what, _MOST_DATABASE_S, size)


def cache_by_http(url: str, store: Path, out: Path, size: Size) -> Iterator[Figure]:
    """The figures of a cache of a server over a SQLite database."""
    what = f"{size.server_runs:,} runs by HTTP"
    yield from _measured(url, store, out / "c.duckdb", what, _MOST_SERVER_S, size)


def _measured(url: str, store: Path, file: Path, what: str, limit_s: float, size: Size) -> Iterator[Figure]:
    said = ["--verbose"] if url.startswith("http") else []
    command: Command = [mlflow2prov_program(), *said, "extract", "--mlflow_url", url, "--cache", file]
    first = run(command)
    yield Figure(
        name=f"{what}: first extraction with a cache",
        measured=f"{first.wall_s:.2f} s wall, {first.cpu_s:.2f} s CPU; {file.stat().st_size / 1e6:,.1f} MB",
    )
    yield from after_a_first_one(command, store, what, limit_s, size)


def after_a_first_one(
    command: Command,
    store: Path,
    what: str,
    limit_s: float,
    size: Size,
    server_s: Callable[[], float] = lambda: 0.0,
) -> Iterator[Figure]:
    """The figures of the extractions that follow a first one with a cache.

    Args:
        command: the extraction.
        store: the SQLite file that a run is added to.
        what: is read.
        limit_s: which the wall time must not pass.
        size: tells how often to measure.
        server_s: the CPU time that a server has taken so far.
    """
    for number in (None, 0):
        costs = []
        for repeat in range(size.repeats):
            if number is not None:
                add_run(store, number + repeat)
            before_s = server_s()
            costs.append((run(command), server_s() - before_s))
        cost, spent_s = min(costs, key=lambda found: found[0].wall_s)
        detail = f"CPU {cost.cpu_s:.2f} s" + (f", the server's {spent_s:.2f} s" if spent_s else "")
        requests = requests_in(cost.log).total()
        detail += f", {requests} requests" if requests else ""
        kind = "nothing new" if number is None else "one new run"
        yield at_most(f"{what}: {kind}, wall time", cost.wall_s, limit_s, unit=" s", detail=detail)


def add_run(store: Path, number: int) -> None:
    """Add a run to a store that is like its last active one, but younger and with another identifier."""
    identifier = f"{random.Random(number).getrandbits(128):032x}"
    with closing(sqlite3.connect(store)) as database:
        ((model, start),) = database.execute(
            "SELECT run_uuid, start_time FROM runs WHERE lifecycle_stage = 'active' ORDER BY start_time DESC LIMIT 1"
        )
        fixed = {"run_uuid": identifier, "start_time": start + 1_000, "end_time": start + 2_000}
        for table in _TABLES:
            columns = [column for _, column, *_ in database.execute(f"PRAGMA table_info({table})")]
            values = ", ".join("?" if column in fixed else f'"{column}"' for column in columns)
            given = [fixed[column] for column in columns if column in fixed]
            names = ", ".join(f'"{column}"' for column in columns)
            sql = f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE run_uuid = ?"
            database.execute(sql, [*given, model])
        database.commit()
