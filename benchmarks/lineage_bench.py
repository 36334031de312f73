"""Lineage in a graph of very many relations."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from benchmarks.figures import Figure, at_most
from benchmarks.inputs import Inputs
from benchmarks.measure import run
from benchmarks.sizes import Size


def lineage(inputs: Inputs, size: Size) -> Iterator[Figure]:
    """What the first and the next answers take, and the memory."""
    program = [sys.executable, "-m", "benchmarks.lineage_tables"]
    graph = inputs.made(f"lineage-{size.relations}.duckdb", lambda path: _make(program, path, size.relations))
    cost = run([*program, "ask", graph], keep_output=True)
    found = json.loads(cost.said)
    title = f"{size.relations:,} relations"
    yield at_most(
        f"{title}: lineage of a leaf with its part of the graph, warm, wall time",
        *(found["warm_s"], 2),
        unit=" s",
        detail=f"{found['met']:,.0f} elements; CPU {found['warm_cpu_s']:.2f} s; the first time, "
        f"with the index, {found['first_s']:.1f} s",
    )
    yield Figure(
        name=f"{title}: lineage of the last, all that came before",
        measured=f"{found['all_s']:.2f} s for {found['all_met']:,.0f} elements",
    )
    yield at_most(f"{title}: peak memory", round(cost.peak_mib), 2048, unit=" MiB")


def _make(program: list[str], path: object, relations: int) -> None:
    run([*program, "make", str(path), str(relations)])
