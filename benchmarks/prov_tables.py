"""What mlflow2prov does of the same, as a child process: see ``prov_library``.

The records of the Arrow files go to the staging tables that every reader of a format fills, too, and then
through the graph's record tables to PROV-JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa

from mlflow2prov import Graph
from mlflow2prov import load as load_document
from mlflow2prov.formats.intern import Staging


def graph_of(records: Path) -> Graph:
    """Return a graph of the records in a folder, from the tables that readers fill."""
    about = json.loads((records / "keys.json").read_text(encoding="utf-8"))
    with Staging(None, "the records") as staging:
        staging.declare(about["prefixes"])
        for name, datatype in about["keys"]:
            staging.key(name, datatype, None)
        for table in ("element", "relation"):
            with pa.memory_map(str(records / f"{table}.arrow")) as source:
                staging.store.append(f"{staging.schema}.{table}", _in_no_bundle(pa.ipc.open_stream(source)))
        return staging.finish()


def build(records: Path, file: Path) -> int:
    """Build a graph of records, write it, and return how many there were."""
    graph = graph_of(records)
    graph.save(file.with_suffix(""))
    return count_of(graph)


def _in_no_bundle(batches: pa.RecordBatchReader) -> pa.RecordBatchReader:
    schema = batches.schema.append(pa.field("bundle", pa.string()))
    return pa.RecordBatchReader.from_batches(
        schema,
        (batch.append_column("bundle", pa.array([""] * batch.num_rows, pa.string())) for batch in batches),
    )


def load(file: Path) -> int:
    """Read a document and return how many records it has."""
    return count_of(load_document(file))


def count_of(graph: Graph) -> int:
    return graph.count("element") + graph.count("relation")


if __name__ == "__main__":
    work, *paths = sys.argv[1:]
    print({"build": build, "load": load}[work](*map(Path, paths)))
