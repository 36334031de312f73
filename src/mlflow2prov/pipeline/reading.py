"""Files as documents, and documents as one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.surroundings import Surroundings


def load(
    *inputs: str | Path,
    format: str | None = None,  # noqa: A002
    surroundings: Surroundings | None = None,
) -> Graph:
    """Return the document in a file as a graph; several files are merged into one.

    Args:
        inputs: paths; ``-`` is standard input. A DuckDB file that ``extract`` or ``Graph.keep`` made
            is opened as it is.
        format: the format, where the names don't tell.
        surroundings: what standard input is, and where graphs live.

    Raises:
        FormatError: a file can't be read.
    """
    surroundings = surroundings or Surroundings()
    if not inputs or not all(isinstance(name, str | Path) for name in inputs):
        raise UsageError("load takes the paths of one or more files")
    graphs = [load_one(str(name), format, surroundings) for name in inputs]
    return graphs[0] if len(graphs) == 1 else merge(graphs)


def load_one(name: str, format_name: str | None, surroundings: Surroundings) -> Graph:
    """Return the document in one file, or of standard input where its name is ``-``."""
    from mlflow2prov import formats

    if not name or "\0" in name:
        raise UsageError(f"{name!r} is no name of a file")
    surroundings.report(f"reading {name}", {})
    if name == "-":
        if surroundings.stdin is None:
            raise UsageError("standard input is closed")
        return formats.read_from(surroundings.stdin, "standard input", format_name, surroundings.store)
    if format_name is None and Path(name).suffix.lower() == ".duckdb":
        return Graph.open(name, surroundings.store)
    return formats.read(name, format_name, surroundings.store)


def merge(graphs: Iterable[Graph]) -> Graph:
    """Return the union of graphs, unified by identifier (see :mod:`mlflow2prov.graph.merge`).

    Raises:
        UsageError: there is none.
    """
    from mlflow2prov.graph.merge import merge as merge_graphs

    if isinstance(graphs, Graph):
        raise UsageError("merge takes several graphs, as a list")
    return merge_graphs(list(graphs))
