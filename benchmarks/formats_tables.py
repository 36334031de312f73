"""What mlflow2prov does with a format, as a child process: see ``formats_bench``.

``python -m benchmarks.formats_tables graph RECORDS GRAPH`` keeps a graph of the records in a DuckDB file;
``… write FORMAT GRAPH OUTPUT`` saves it, and ``… read FORMAT FILE`` loads a file. Prints a number of records.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.prov_tables import count_of, graph_of
from mlflow2prov import Graph
from mlflow2prov import load as load_document


def graph(records: Path, file: Path) -> int:
    """Keep a graph of records in a file."""
    made = graph_of(records)
    made.keep(file)
    return count_of(made)


def write(name: str, file: Path, output: Path) -> int:
    """Save the graph of a file in a format."""
    opened = Graph.open(file)
    opened.save(output, name)
    return count_of(opened)


def read(name: str, file: Path) -> int:
    """Load a document."""
    return count_of(load_document(file, format=name))


if __name__ == "__main__":
    work, *words = sys.argv[1:]
    if work == "graph":
        print(graph(Path(words[0]), Path(words[1])))
    elif work == "write":
        print(write(words[0], Path(words[1]), Path(words[2])))
    else:
        print(read(words[0], Path(words[1])))
