"""Validation of a graph, as a child process: see ``validate_bench``.

``python -m benchmarks.validate_graph make SHAPE RECORDS FILE`` keeps a graph of a shape in a DuckDB file;
``… validate FILE`` validates it. Prints a number of records, and of violations.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mlflow2prov import Graph
from mlflow2prov.graph.graph import declare_prefixes

_ROWS = "FROM range(1, {count} + 1) t(i)"
_NOTHING = "NULL, NULL, NULL"
_TIME = "'2024-01-01T00:00:00Z'"

SHAPES: dict[str, tuple[int, tuple[str, ...]]] = {
    "chain": (
        2,
        (
            f"element SELECT 0, 1, i, {_NOTHING} {_ROWS}",
            f"relation SELECT 0, 21, NULL, i + 1, i, {_NOTHING}, NULL, NULL {_ROWS}",
        ),
    ),
    "circle": (
        2,
        (
            f"element SELECT 0, 1, i, {_NOTHING} {_ROWS}",
            f"relation SELECT 0, 21, NULL, i % {{count}} + 1, i, {_NOTHING}, NULL, NULL {_ROWS}",
        ),
    ),
    "identified": (
        6,
        (
            f"element SELECT 0, 1, i, {_NOTHING} {_ROWS}",
            f"element SELECT 0, 2, {{count}} + 1 + i, {_TIME}, NULL, NULL {_ROWS}",
            f"relation SELECT 0, 11, 2 * {{count}} + 1 + i, i + 1, {{count}} + 1 + i, {_NOTHING}, {_TIME}, NULL {_ROWS}",
            f"relation SELECT 0, 12, 3 * {{count}} + 1 + i, {{count}} + 1 + i, i, {_NOTHING}, {_TIME}, NULL {_ROWS}",
            f"relation SELECT 0, 14, NULL, {{count}} + 1 + i, i, {_NOTHING}, '2024-01-01T02:00:00.0+02:00', NULL {_ROWS}",
            "relation SELECT 0, 21, NULL, i + 1, i, {count} + 1 + i, 2 * {count} + 1 + i, 3 * {count} + 1 + i, NULL, NULL "
            + _ROWS,
        ),
    ),
    "specializations": (
        2,
        (
            f"element SELECT 0, 1, i, {_NOTHING} FROM range(1, 2) t(i)",
            f"relation SELECT 0, 41, NULL, i + 1, i, {_NOTHING}, NULL, NULL {_ROWS}",
            f"relation SELECT 0, 51, NULL, 1, i + 1, {_NOTHING}, NULL, NULL {_ROWS}",
        ),
    ),
}
"""Graphs that are hard to validate: into how many parts the records go, and the parts.

One long chain of derivations; the same, closed to a circle; derivations with activities, generations, usages
and starts, all identified and timed; and one long chain of specializations of one described entity.
"""


def make(shape: str, records: int, file: Path) -> int:
    """Keep a graph in a file."""
    parts, statements = SHAPES[shape]
    count = records // parts
    with Graph.empty() as graph:
        declare_prefixes(graph, [("ex", "http://example.org/")])
        run, schema = graph.store.run, graph.schema
        run(f"INSERT INTO {schema}.name SELECT i, 'ex', 'n' || i FROM range(1, {4 * count + 2}) t(i)")
        for statement in statements:
            run(f"INSERT INTO {schema}.{statement.replace('{count}', str(count))}")
        graph.keep(file)
        return graph.count("element") + graph.count("relation")


def validate(file: Path) -> tuple[int, int]:
    """Validate the graph in a file."""
    graph = Graph.open(file)
    report = graph.validate()
    return graph.count("element") + graph.count("relation"), len(report.violations)


if __name__ == "__main__":
    work, *words = sys.argv[1:]
    if work == "make":
        print(make(words[0], int(words[1]), Path(words[2])))
    else:
        print(*validate(Path(words[0])))
