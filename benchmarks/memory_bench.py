"""Memory of writing: it must not grow with the graph."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.figures import Figure, at_most
from benchmarks.inputs import Inputs
from benchmarks.measure import best, run
from benchmarks.sizes import Size

FORMATS = ("json", "jsonld", "provn", "xml", "rdf", "ttl", "trig", "nt", "nq", "dot", "parquet")
"""Formats whose writers hold a part of the graph at a time."""

_GROWTH = 1.25
"""How many times the peak may be where there are four times as many records."""


def memory(inputs: Inputs, size: Size) -> Iterator[Figure]:
    """The peak of a process that writes a graph from a file, for three sizes of graphs."""
    counts = [size.records // 4, size.records, size.records * 4]
    ours = [sys.executable, "-m", "benchmarks.formats_tables"]
    with inputs.output("memory") as out:
        for count in counts:
            run([*ours, "graph", inputs.records(count), out / f"{count}.duckdb"])
        for name in FORMATS:
            peaks = []
            for count in counts:
                command = [*ours, "write", name, out / f"{count}.duckdb", out / "written"]
                peaks.append(best({"": command}, 1)[""].peak_mib)
            shown = ", ".join(f"{peak:,.0f}" for peak in peaks)
            yield at_most(
                f"`{name}`: peak at {counts[2]:,} records ÷ that at {counts[1]:,}",
                *(peaks[2] / peaks[1], _GROWTH),
                unit=" ×",
                detail=f"{shown} MiB at {', '.join(f'{count:,}' for count in counts)} records",
            )
