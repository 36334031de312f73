"""How much of what a graph holds."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.prov.records import ELEMENT_KINDS, KINDS

RESOLUTIONS = ("coarse", "fine")


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts, in the order of a document.

    Attributes:
        resolution: ``coarse`` or ``fine``.
        rows: what is counted (``element``, ``relation`` or ``type``), its name, and the count.
    """

    resolution: str
    rows: tuple[tuple[str, str, int], ...]

    def counts(self, what: str) -> dict[str, int]:
        """Return the counts of one sort of thing by name.

        >>> statistics(Graph.empty(), "coarse").counts("element")
        {'entity': 0, 'activity': 0, 'agent': 0}
        """
        return {name: count for sort, name, count in self.rows if sort == what}

    def to_csv(self) -> str:
        """Return the rows as CSV (RFC 4180 with line feeds) with a header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["what", "name", "count"])
        writer.writerows(self.rows)
        return text.getvalue()


def statistics(graph: Graph, resolution: str = "coarse") -> Statistics:
    """Return how many elements and relations a graph has.

    ``coarse`` counts elements by kind and relations as a whole; ``fine`` counts relations by kind and
    elements by ``prov:type``, too (an element of two types counts in both).

    Raises:
        UsageError: there is no such resolution.
    """
    if resolution not in RESOLUTIONS:
        raise UsageError(f"no resolution {resolution!r}; there is: {', '.join(RESOLUTIONS)}")
    elements = dict(graph.query("SELECT kind, count(*) FROM {graph}.element GROUP BY kind"))
    relations = dict(graph.query("SELECT kind, count(*) FROM {graph}.relation GROUP BY kind"))
    rows = [("element", kind.name, int(elements.get(kind.number, 0))) for kind in ELEMENT_KINDS]
    if resolution == "coarse":
        rows.append(("relation", "all", sum(map(int, relations.values()))))
        return Statistics(resolution, tuple(rows))
    rows += [
        ("relation", kind.name, int(relations[kind.number])) for kind in KINDS if kind.number in relations
    ]
    rows += [("type", name, int(count)) for name, count in _types(graph)]
    return Statistics(resolution, tuple(rows))


def _types(graph: Graph) -> list[tuple[str, int]]:
    keys = [row[0] for row in graph.query("SELECT key FROM {graph}.attribute_key WHERE name = 'prov:type'")]
    if not keys:
        return []
    listed = ", ".join(map(str, keys))
    rows = graph.query(
        "SELECT value, count(*) FROM (SELECT unnest(list_distinct(list_transform(list_filter(attributes, "
        f"lambda a: a.k IN ({listed})), lambda a: a.v))) AS value FROM {{graph}}.element) GROUP BY value ORDER BY value"
    )
    return [(str(name), int(count)) for name, count in rows]
