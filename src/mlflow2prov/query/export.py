"""A graph in the shapes of other libraries, and as a notebook shows it."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, cast

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.values import rows_of
from mlflow2prov.graph.vocabulary import Words
from mlflow2prov.query.sandbox import view_table
from mlflow2prov.query.views import views

if TYPE_CHECKING:
    import networkx
    import polars
    import pyarrow as pa

_SHOWN_TYPES = 12
"""How many types a notebook lists."""


def to_arrow(graph: Graph, view: str = "edge") -> pa.Table:
    """Return a view (see ``docs/reference/views.md``) as an Arrow table.

    Raises:
        UsageError: there is no such view.
    """
    wanted = view.lower()
    found = [name for name in views() if wanted in (name.lower(), name.lower().split(".", 1)[1])]
    if not found:
        raise UsageError(f"no view {view!r}; there is: {', '.join(views())}")
    return view_table(graph, found[0])


def to_polars(graph: Graph, view: str = "edge") -> polars.DataFrame:
    """Return a view as a data frame of Polars.

    Raises:
        UsageError: there is no such view, or Polars is not installed.
    """
    try:
        import polars
    except ImportError as error:
        raise UsageError("for this, Polars is needed, which is not installed: pip install polars") from error
    return cast("polars.DataFrame", polars.from_arrow(to_arrow(graph, view)))


def to_networkx(graph: Graph) -> networkx.MultiDiGraph:
    """Return elements as nodes and relations as edges between their first two arguments.

    Some 2 kB a record are held in memory: for graphs of a lineage, rather than for whole projects.

    Raises:
        UsageError: networkx is not installed.
    """
    try:
        import networkx
    except ImportError as error:
        raise UsageError(
            "for this, networkx is needed, which is not installed: pip install networkx"
        ) from error
    result = networkx.MultiDiGraph()
    for kind in ("entity", "activity", "agent"):
        for row in _rows(graph, kind):
            result.add_node(
                row["id"], kind=kind, **_known(row, "label", "types", "start_time", "end_time", "attributes")
            )
    for row in _rows(graph, "edge"):
        if row["subject"] is not None and row["object"] is not None:
            result.add_edge(
                row["subject"], row["object"], **_known(row, "kind", "role", "time", "third", "bundle")
            )
    return result


def _rows(graph: Graph, view: str) -> list[dict[str, Any]]:
    table = to_arrow(graph, view)
    return [dict(zip(table.column_names, row, strict=True)) for row in rows_of(table)]


def _known(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names if row.get(name) is not None}


def to_html(graph: Graph) -> str:
    """Return what a notebook shows: how many elements there are of each kind and type, and how many relations."""
    counted = graph.statistics()
    words = Words(graph)
    types = graph.query(
        f"SELECT type, count(*) FROM (SELECT unnest({words.all_types()}) AS type FROM {{graph}}.element) "
        f"GROUP BY type ORDER BY count(*) DESC, type LIMIT {_SHOWN_TYPES + 1}"
    )
    rows = [(what, name, count) for what, name, count in counted.rows]
    rows += [("type", name, count) for name, count in types[:_SHOWN_TYPES]]
    body = "".join(
        f"<tr><td>{html.escape(str(what))}</td><td>{html.escape(str(name))}</td>"
        f'<td style="text-align:right">{count:,}</td></tr>'
        for what, name, count in rows
    )
    more = "<tr><td></td><td>…</td><td></td></tr>" if len(types) > _SHOWN_TYPES else ""
    title = html.escape(f"PROV graph{f' of {graph.origin}' if graph.origin else ''}")
    return (
        f"<table><caption>{title}</caption><thead><tr><th>what</th><th>name</th><th>count</th></tr></thead>"
        f"<tbody>{body}{more}</tbody></table>"
    )
