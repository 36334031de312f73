"""Pushing into each database, against its driver that sends ready-made rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure, at_least, at_most
from benchmarks.inputs import Inputs
from benchmarks.measure import Cost, run
from benchmarks.sizes import Size

_LEAST_PER_S = 20_000
_LEAST_OF_READY = 0.7
_MOST_GROWTH_MIB = 160
"""How much more memory ten times as many records may take: the engine's tables of identifiers fill up to its limit."""

TITLES = {
    "sparql": "Oxigraph",
    "virtuoso": "Virtuoso, with digest authentication",
    "mongodb": "SecantusDB (MongoDB's protocol)",
    "postgresql": "PostgreSQL",
    "duckdb": "a file of DuckDB",
    "neo4j": "ArcadeDB (Bolt)",
}
"""What each sink is measured with, in the order in which that is done."""


def push(inputs: Inputs, size: Size) -> Iterator[Figure]:
    """Each database's figures: records a second beside those of the driver, and the growth of memory."""
    with inputs.output("push") as out:
        files = {count: _graph(inputs, out, count) for count in (size.pushed // 10, size.pushed)}
        few, many = files.values()
        for name, title in TITLES.items():
            if size.name == "smoke" and name not in ("sparql", "duckdb"):
                continue
            yield from _one(out, name, title, size.pushed, few, many)


def _one(out: Path, name: str, title: str, count: int, few: Path, many: Path) -> Iterator[Figure]:
    with _server(name, out / f"{name}-few") as url:
        small = _child("ours", name, url, few)
    with _server(name, out / f"{name}-ours") as url:
        ours = _child("ours", name, url, many)
        told = _child("count", name, url, many).said.split()
    with _server(name, out / f"{name}-ready") as url:
        ready = _child("ready", name, url, many)
    per_s, ready_per_s = (count / float(cost.said) for cost in (ours, ready))
    yield at_least(
        f"{title}: {count:,} records, records/s",
        *(round(per_s), round(min(_LEAST_PER_S, _LEAST_OF_READY * ready_per_s))),
        detail=f"ready-made rows: {ready_per_s:,.0f}; CPU of the push {ours.cpu_s:.2f} s;"
        f" read back: {int(told[0]):,} types and {int(told[1]):,} relations, as in the graph",
    )
    yield at_most(
        f"{title}: peak memory, more than for a tenth of it",
        *(round(ours.peak_mib - small.peak_mib), _MOST_GROWTH_MIB),
        unit=" MiB",
        detail=f"{small.peak_mib:,.0f} MiB and {ours.peak_mib:,.0f} MiB",
    )


def _child(*words: str | Path) -> Cost:
    return run([sys.executable, "-m", "benchmarks.push_rows", *words], keep_output=True)


def _graph(inputs: Inputs, out: Path, count: int) -> Path:
    file = out / f"{count}.duckdb"
    _child("graph", inputs.records(count), file)
    return file


@contextmanager
def _server(name: str, folder: Path) -> Iterator[str]:
    """The URL of a server that the tests start, too, with nothing in it."""
    from benchmarks.push_rows import TESTS

    sys.path.insert(0, str(TESTS))
    try:
        from databases import ESCAPED, running, virtuoso  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(TESTS))
    folder.mkdir(parents=True, exist_ok=True)
    with virtuoso(folder) if name == "virtuoso" else running(name, folder) as server:
        yield server.url.replace(f"dba:{ESCAPED}", "dba:dba")  # the password of a new Virtuoso
