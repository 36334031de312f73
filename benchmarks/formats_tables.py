"""What mlflow2prov does with a format, as a child process: see ``formats_bench``.

``python -m benchmarks.formats_tables graph RECORDS GRAPH`` keeps a graph of the records in a DuckDB file;
``… write FORMAT GRAPH OUTPUT`` saves it, and ``… read FORMAT FILE`` loads a file. Prints a number of records.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa

from benchmarks.prov_tables import _count, _in_no_bundle
from mlflow2prov import Graph
from mlflow2prov import load as load_document
from mlflow2prov.formats.intern import Staging


def graph(records: Path, file: Path) -> int:
    """Keep a graph of records in a file."""
    about = json.loads((records / "keys.json").read_text(encoding="utf-8"))
    with Staging(None, "the records") as staging:
        staging.declare(about["prefixes"])
        for name, datatype in about["keys"]:
            staging.key(name, datatype, None)
        for table in ("element", "relation"):
            with pa.memory_map(str(records / f"{table}.arrow")) as source:
                staging.store.append(f"{staging.schema}.{table}", _in_no_bundle(pa.ipc.open_stream(source)))
        made = staging.finish()
    made.keep(file)
    return _count(made)


def write(name: str, file: Path, output: Path) -> int:
    """Save the graph of a file in a format."""
    opened = Graph.open(file)
    opened.save(output, name)
    return _count(opened)


def read(name: str, file: Path) -> int:
    """Load a document."""
    return _count(load_document(file, format=name))


if __name__ == "__main__":
    work, *words = sys.argv[1:]
    if work == "graph":
        print(graph(Path(words[0]), Path(words[1])))
    elif work == "write":
        print(write(words[0], Path(words[1]), Path(words[2])))
    else:
        print(read(words[0], Path(words[1])))
