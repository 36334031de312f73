"""Identical elements and relations, once."""

from __future__ import annotations

from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.unify import report, unify


def eliminate_duplicates(graph: Graph) -> Graph:
    """Return the graph with identical elements and relations once.

    Records of one identifier become one, with the attributes of all; relations without identifier
    are identical where arguments, time and attributes are. Nothing formal is lost: records of one
    identifier that contradict each other stay, and are reported. Doing it again changes nothing.

    >>> from prov.model import ProvDocument
    >>> document = ProvDocument()
    >>> _ = document.add_namespace("ex", "http://example.org/")
    >>> for _ in range(2):
    ...     _ = document.wasAttributedTo("ex:report", "ex:ada")
    >>> Graph.from_prov(document).eliminate_duplicates().count("relation")
    1
    """
    result = Graph.empty(graph.store)
    for table in ("prefix", "name", "attribute_key", "bundle"):
        graph.store.run(
            f"INSERT INTO {result.schema}.{table} SELECT * FROM {graph.schema}.{table} ORDER BY rowid"
        )
    report(unify(graph.store, graph.schema, result))
    return result
