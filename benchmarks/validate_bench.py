"""Validation of large graphs, and how its CPU time grows with them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, at_most
from benchmarks.inputs import Inputs
from benchmarks.measure import Command, FailedError, best, run
from benchmarks.sizes import Size
from benchmarks.validate_graph import SHAPES

_MOST_CPU_S = 60
"""The CPU time that the validation of a million records may take."""

_MOST_EXPONENT = 1.25
_OURS = [sys.executable, "-m", "benchmarks.validate_graph"]


def validation(inputs: Inputs, size: Size) -> Iterator[Figure]:
    """Each graph's figures: CPU time and memory at full size, and the growth from a tenth of it."""
    with inputs.output("validate") as out:
        for shape in ("runs", *SHAPES):
            wanted = {"none": 100, "tenth": size.records // 10, "full": size.records}
            commands: dict[str, Command] = {}
            for name, records in wanted.items():
                file = out / f"{shape}-{name}.duckdb"
                _make(inputs, shape, records, file)
                commands[name] = [*_OURS, "validate", file]
            costs = best(commands, size.repeats)
            full = costs["full"]
            violations = full.said.split()[1]
            if violations != ("1" if shape == "circle" else "0"):
                raise FailedError(f"the graph {shape} has {violations} violations")
            least = 0.001
            grown = [max(costs[name].cpu_s - costs["none"].cpu_s, least) for name in ("tenth", "full")]
            yield at_most(
                f"{shape}: {size.records:,} records, CPU",
                *(full.cpu_s, _MOST_CPU_S),
                unit=" s",
                detail=f"{costs['none'].cpu_s:.2f} s of it for starting; {full.peak_mib:,.0f} MiB",
            )
            yield at_most(
                f"{shape}: growth of CPU time from a tenth, as an exponent",
                math.log10(grown[1] / grown[0]),
                _MOST_EXPONENT,
            )


def _make(inputs: Inputs, shape: str, records: int, file: Path) -> None:
    if shape == "runs":
        run([sys.executable, "-m", "benchmarks.formats_tables", "graph", inputs.records(records), file])
    else:
        run([*_OURS, "make", shape, records, file])
