"""A made graph of very many relations, and what lineage in it takes, as a child process.

``make FILE RELATIONS`` makes the graph in a DuckDB file; ``ask FILE`` prints, as JSON, how long the first
answer took, with the making of the index, and the least of the next ones.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from mlflow2prov import Graph
from mlflow2prov.graph.graph import declare_prefixes
from mlflow2prov.graph.lineage import lineage
from mlflow2prov.prov.records import KIND_BY_NAME

_ATTEMPTS = 5

_PARTS = 8
"""How many activities were there before an activity's inputs were made, on average and at most twice that."""


def make(file: Path, relations: int) -> None:
    """Make a graph in which every activity uses two entities made earlier, generates two, has an agent.

    The two entities were made at most some activities before, but for one in a hundred, from anywhere.
    """
    graph = Graph.empty()
    run, schema, activities = graph.store.run, graph.schema, relations // 5
    declare_prefixes(graph, [("ex", "http://example.org/")])
    number = {name: kind.number for name, kind in KIND_BY_NAME.items()}
    first_entity, first_agent = activities + 1, 3 * activities + 1
    run(
        f"INSERT INTO {schema}.name SELECT i, 'ex', CASE WHEN i < {first_entity} THEN 'a' || i "
        f"WHEN i < {first_agent} THEN 'e' || i ELSE 'p' || i END FROM range(1, {first_agent + 1000}) t(i)"
    )
    run(
        f"INSERT INTO {schema}.element SELECT 0, CASE WHEN i < {first_entity} THEN {number['activity']} "
        f"WHEN i < {first_agent} THEN {number['entity']} ELSE {number['agent']} END, i, NULL, NULL, NULL "
        f"FROM range(1, {first_agent + 1000}) t(i)"
    )
    earlier = (
        f"{first_entity} + greatest(0, 2 * (i - 1) - 1 - CASE WHEN hash(i * {{0}}) % 100 = 0 "
        "THEN (hash(i * {0} + 1) % greatest(2 * i, 1)::UBIGINT)::BIGINT "
        f"ELSE (hash(i * {{0}} + 2) % {4 * _PARTS})::BIGINT END)"
    )
    rows = [
        (number["wasGeneratedBy"], f"{first_entity} + 2 * (i - 1)", "i"),
        (number["wasGeneratedBy"], f"{first_entity} + 2 * (i - 1) + 1", "i"),
        (number["used"], "i", earlier.format(7)),
        (number["used"], "i", earlier.format(13)),
        (number["wasAssociatedWith"], "i", f"{first_agent} + i % 1000"),
    ]
    for kind, one, other in rows:
        run(
            f"INSERT INTO {schema}.relation SELECT 0, {kind}, NULL, ({one})::INTEGER, ({other})::INTEGER, NULL, NULL, "
            f"NULL, NULL, NULL FROM range(1, {activities + 1}) t(i)"
        )
    graph.keep(file)


def ask(file: Path) -> dict[str, float]:
    """Return what answers took: of a leaf far down, so that its origins are many, and of one near to the top."""
    begun = time.perf_counter()
    graph = Graph.open(file)
    elements, near = graph.count("element"), 200
    found = {"first_s": 0.0, "warm_s": 1e9, "warm_cpu_s": 1e9, "met": 0.0, "all_s": 0.0, "all_met": 0.0}
    entity = next(iter(graph.query("SELECT min(id) FROM {graph}.element WHERE kind = 1")))[0]
    for attempt in range(_ATTEMPTS):
        start, before = begun if attempt == 0 else time.perf_counter(), time.process_time()
        part = lineage(graph, f"ex:e{entity + near}").part()
        took = time.perf_counter() - start
        found["met"] = part.count("element")
        if attempt == 0:
            found["first_s"] = took
        else:
            found["warm_s"] = min(found["warm_s"], took)
            found["warm_cpu_s"] = min(found["warm_cpu_s"], time.process_time() - before)
        part.close()
    start = time.perf_counter()
    last = elements - 1001
    found["all_met"] = len(lineage(graph, f"ex:e{last}").ids())
    found["all_s"] = time.perf_counter() - start
    return found


if __name__ == "__main__":
    work, name, *rest = sys.argv[1:]
    if work == "make":
        make(Path(name), int(rest[0]))
    else:
        print(json.dumps(ask(Path(name))))
