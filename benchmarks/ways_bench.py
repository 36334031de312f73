"""Every way into MLflow at two sizes, with how it grows, beside MLflow's own client on the same store."""

from __future__ import annotations

import importlib.util
import math
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cache_bench import after_a_first_one
from benchmarks.figures import Figure, at_most, mlflow2prov_program
from benchmarks.inputs import Inputs
from benchmarks.measure import Command, Cost, FailedError, run
from benchmarks.mlflow_store import make_upgraded_store
from benchmarks.page_client import PAGE_RUNS
from benchmarks.server import running_server
from benchmarks.sizes import Size
from benchmarks.sql_servers import (
    fill_mariadb,
    fill_postgresql,
    has_mariadb,
    mariadb_server,
    postgresql_programs,
    postgresql_server,
)

_NOTHING = 5
"""The runs of a store that takes what every process takes."""

_MOST_GROWTH = 1.1
_MOST_SERVER_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A store that can be read.

    Attributes:
        url: for us.
        client_url: for MLflow's client.
        cpu_s: the CPU time that its server has taken so far.
        served: the file that a tracking server has its store in.
    """

    url: str
    client_url: str
    cpu_s: Callable[[], float] = lambda: 0.0
    served: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way into MLflow: what it is called, what it needs, and how a store of so many runs is opened."""

    name: str
    needs: str
    is_there: Callable[[], bool]
    opened: Callable[[Inputs, int, Path], AbstractContextManager[Opened]]
    most_client_pages: int | None = None
    """Of more pages of runs the client would take too long; None where there is no such number."""


def ways(inputs: Inputs, size: Size) -> Iterator[Figure]:
    """Measure each way that there is what it needs for."""
    if importlib.util.find_spec("mlflow") is None:
        yield Figure(name="not measured", measured="MLflow is not installed beside this Python")
        return
    for way in WAYS:
        if way.is_there():
            yield from _measured(way, inputs, size)
        else:
            yield Figure(name=way.name, measured=f"not measured: {way.needs} is not installed")


def _measured(way: Way, inputs: Inputs, size: Size) -> Iterator[Figure]:
    """The rows of a way: each size, and how the CPU time grows, what a store of nothing takes left out."""
    spent: dict[int, float] = {}
    for runs in (_NOTHING, *size.ways_runs):
        with inputs.output("ways") as out, way.opened(inputs, runs, out) as store:
            is_served = store.served is not None and runs == size.ways_runs[-1]
            kept = "--cache" if is_served else "--database"
            before_s = store.cpu_s()
            command: Command = [mlflow2prov_program(), "extract", "--mlflow_url", store.url]
            command = [*command, kept, out / "graph.duckdb"]
            ours, spent_s = run(command), store.cpu_s() - before_s
            spent[runs] = ours.cpu_s + spent_s
            if runs == _NOTHING:
                continue
            what = f"{way.name}, {runs:,} runs"
            if way.most_client_pages is None or runs <= way.most_client_pages * PAGE_RUNS:
                yield _beside_client(what, runs, store, (ours, spent_s), kept)
            else:
                yield Figure(
                    name=f"{what}: graph in a file",
                    measured=f"{_took(ours, spent_s)}; `MlflowClient` reads all runs for each page, and was left out",
                )
            if is_served and store.served:
                what = f"{runs:,} runs by HTTP"
                again: Command = [command[0], "--verbose", *command[1:]]
                yield from after_a_first_one(again, store.served, what, _MOST_SERVER_S, size, store.cpu_s)
    small, large = size.ways_runs
    yield at_most(
        f"{way.name}: growth of CPU time from {small:,} to {large:,} runs, as an exponent",
        growth(spent[_NOTHING], (small, spent[small]), (large, spent[large])),
        _MOST_GROWTH,
    )


def growth(nothing_s: float, small: tuple[int, float], large: tuple[int, float]) -> float:
    """The exponent of growth between two sizes and their times, without what takes time at any size.

    >>> round(growth(1.0, (10, 2.0), (100, 11.0)), 3)
    1.0
    """
    least = 0.001
    ratio = max(large[1] - nothing_s, least) / max(small[1] - nothing_s, least)
    return math.log(ratio) / math.log(large[0] / small[0])


def _beside_client(what: str, runs: int, store: Opened, ours: tuple[Cost, float], kept: str) -> Figure:
    """What an extract took, and how many times as much MLflow's client takes to page through the runs."""
    before_s = store.cpu_s()
    client = run([sys.executable, "-m", "benchmarks.page_client", store.client_url], keep_output=True)
    theirs_s = store.cpu_s() - before_s
    if int(client.said.split()[-1]) != runs:
        raise FailedError(f"{what}: MLflow's client tells of {client.said.strip()} runs")
    cost, ours_s = ours
    total_s, client_s = cost.cpu_s + ours_s, client.cpu_s + theirs_s
    their_server = f" and the server's {theirs_s:.2f} s" if theirs_s else ""
    return Figure(
        name=f"{what}: graph in a file" + (" that is a cache" if kept == "--cache" else ""),
        measured=f"{_took(cost, ours_s)}; "
        f"`MlflowClient` paging: {client_s / total_s:.2f} × the CPU (wall {client.wall_s:.1f} s, "
        f"CPU {client.cpu_s:.2f} s{their_server})",
    )


def _took(cost: Cost, server_s: float) -> str:
    server = f" and the server's {server_s:.2f} s" if server_s else ""
    return f"wall {cost.wall_s:.1f} s, CPU {cost.cpu_s:.2f} s{server}, {cost.peak_mib:,.0f} MiB"


# ---- The ways ----------------------------------------------------------------------------------


def _upgraded(inputs: Inputs, runs: int) -> Path:
    """A store in SQLite whose tables MLflow made, so that its client changes nothing before it reads."""
    return inputs.made(f"server-{runs}.db", lambda path: make_upgraded_store(path, runs))


@contextmanager
def _sqlite(inputs: Inputs, runs: int, out: Path) -> Iterator[Opened]:
    store = out / "store.db"
    shutil.copyfile(_upgraded(inputs, runs), store)
    yield Opened(url=f"sqlite:///{store}", client_url=f"sqlite:///{store}")


@contextmanager
def _postgresql(inputs: Inputs, runs: int, _: Path) -> Iterator[Opened]:
    programs = postgresql_programs()
    if programs is None:
        raise FailedError("PostgreSQL is not installed")
    with postgresql_server(programs) as server:
        fill_postgresql(server, _upgraded(inputs, runs))
        yield Opened(url=server.uri, client_url=server.client_uri, cpu_s=server.cpu_s)


@contextmanager
def _mysql(inputs: Inputs, runs: int, _: Path) -> Iterator[Opened]:
    with mariadb_server() as server:
        fill_mariadb(server, _upgraded(inputs, runs))
        yield Opened(url=server.uri, client_url=server.client_uri, cpu_s=server.cpu_s)


@contextmanager
def _files(inputs: Inputs, runs: int, _: Path) -> Iterator[Opened]:
    store = str(inputs.file_store(runs))
    yield Opened(url=store, client_url=store)


@contextmanager
def _http(inputs: Inputs, runs: int, out: Path) -> Iterator[Opened]:
    with running_server(inputs, runs, out) as server:
        yield Opened(url=server.url, client_url=server.url, cpu_s=server.cpu_s, served=out / "served.db")


def _always() -> bool:
    return True


WAYS: tuple[Way, ...] = (
    Way(name="SQLite", needs="SQLite", is_there=_always, opened=_sqlite),
    Way(
        name="PostgreSQL",
        needs="PostgreSQL",
        is_there=lambda: postgresql_programs() is not None,
        opened=_postgresql,
    ),
    Way(name="MySQL (MariaDB)", needs="MariaDB", is_there=has_mariadb, opened=_mysql),
    Way(name="file store", needs="nothing", is_there=_always, opened=_files, most_client_pages=2),
    Way(name="HTTP", needs="MLflow", is_there=_always, opened=_http),
)
"""Every way in, in the order in which they are measured."""
