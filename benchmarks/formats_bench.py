"""Writing and reading each format, beside the ``prov`` library."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, at_least
from benchmarks.inputs import Inputs
from benchmarks.measure import Cost, FailedError, best, run
from benchmarks.sizes import Size
from mlflow2prov.formats import FORMATS, target_of

WRITE_LIMITS = dict.fromkeys(("json", "provn", "ttl", "nt", "xml"), 100_000)
"""Records per second of CPU that saving has to reach."""

READ_LIMITS = {"json": 100_000, "nt": 100_000, "parquet": 100_000, "xml": 30_000, "provn": 30_000}
"""Likewise for loading."""

_PICTURES = ("svg", "png", "pdf")
"""These are for small graphs only."""

_DRAWN = 300
"""Records of a graph that is drawn."""


def formats(inputs: Inputs, size: Size) -> Iterator[Figure]:
    """Each format's figures, with those of the library in the same row where it has that format."""
    records, few = inputs.records(size.records), inputs.records(size.library_records)
    names = [name for name, row in FORMATS.items() if row.writes and name not in _PICTURES]
    ours = [sys.executable, "-m", "benchmarks.formats_tables"]
    with inputs.output("formats") as out:
        kept = out / "graph.duckdb"
        run([*ours, "graph", records, kept])
        library = [sys.executable, "-m", "benchmarks.formats_library", few, out, *names]
        theirs = json.loads(run(library, keep_output=True).said)
        for name in names:
            theirs_here = theirs.get(name, {})
            file = target_of(out / "graph", name)
            cost = best({"": [*ours, "write", name, kept, out / "graph"]}, size.repeats)[""]
            yield _row("write", name, cost, size, WRITE_LIMITS.get(name), theirs_here, file)
            if FORMATS[name].reads:
                cost = best({"": [*ours, "read", name, file]}, size.repeats)[""]
                yield _row("read", name, cost, size, READ_LIMITS.get(name), theirs_here, None)
    yield from pictures(inputs, size)


def pictures(inputs: Inputs, size: Size) -> Iterator[Figure]:
    """What drawing a small graph takes, with Graphviz's work, beside the library's drawing of the same."""
    records = inputs.records(_DRAWN)
    with inputs.output("pictures") as out:
        kept = out / "graph.duckdb"
        run([sys.executable, "-m", "benchmarks.formats_tables", "graph", records, kept])
        for name in _PICTURES:
            ours = [sys.executable, "-m", "benchmarks.formats_tables", "write", name, kept, out / "graph"]
            theirs = [sys.executable, "-m", "benchmarks.formats_library", "draw", records, out, name]
            costs = best({"ours": ours, "theirs": theirs}, size.repeats)
            own, library = costs["ours"], costs["theirs"]
            detail = (
                f"the library {library.cpu_s:.1f} s; {_bytes(target_of(out / 'graph', name)) / 1e3:,.0f} kB"
            )
            yield Figure(
                name=f"`{name}`: draw {_DRAWN} records, CPU with starting and Graphviz",
                measured=f"{own.cpu_s:.1f} s ({detail}; {own.peak_mib:,.0f} MiB)",
            )


def _row(
    work: str,
    name: str,
    cost: Cost,
    size: Size,
    limit: int | None,
    theirs: dict[str, float],
    file: Path | None,
) -> Figure:
    if int(cost.said) != size.records:
        raise FailedError(f"{work} {name}: {cost.said.strip()} records are there instead of {size.records}")
    rate = round(size.records / cost.cpu_s)
    seconds = theirs.get(f"{work}_s")
    beside = "the library has none"
    if seconds is not None:
        their_rate = size.library_records / seconds
        beside = f"the library {their_rate:,.0f}: {rate / their_rate:,.1f} ×"
    detail = f"{beside}; {cost.peak_mib:,.0f} MiB"
    if file is not None:
        detail += f"; {_bytes(file) / 1e6:,.0f} MB"
    title = f"`{name}`: {work}, records per CPU second"
    if limit is None:
        return Figure(name=title, measured=f"{rate:,} ({detail})")
    return at_least(title, rate, limit, detail=detail)


def _bytes(path: Path) -> int:
    return sum(one.stat().st_size for one in ([path] if path.is_file() else path.rglob("*")) if one.is_file())
