"""The shipped questions, asked of a large graph."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from benchmarks.figures import Figure, at_most
from benchmarks.inputs import Inputs
from benchmarks.measure import run
from benchmarks.sizes import Size

_SLOWEST = 5
"""How many questions are named."""


def questions(inputs: Inputs, size: Size) -> Iterator[Figure]:
    """What the slowest answer takes, and which questions are the slow ones."""
    program = [sys.executable, "-m", "benchmarks.questions_graph"]
    commits, runs = max(size.records // 250, 200), max(size.records // 1000, 10)
    name = f"questions-{commits}-{runs}.duckdb"
    graph = inputs.made(
        name, lambda path: run([*program, "make", str(path), str(commits), str(runs)]) and None
    )
    cost = run([*program, "ask", graph], keep_output=True)
    found = json.loads(cost.said)
    took = sorted(found["took"].items(), key=lambda one: -one[1])
    title = f"{found['records']:,} records"
    (slowest, longest), *_ = took
    yield at_most(
        f"{title}: the slowest of {len(took)} questions", longest, 2, unit=" s", detail=f"`{slowest}`"
    )
    yield Figure(
        name=f"{title}: the next ones",
        measured=", ".join(f"`{name}` {seconds:.2f} s" for name, seconds in took[1:_SLOWEST]),
    )
    yield Figure(
        name=f"{title}: all of them, one after another",
        measured=f"{sum(found['took'].values()):.1f} s; {len(found['answered'])} found something; "
        f"peak memory {cost.peak_mib:.0f} MiB",
    )
