"""Laws of formats, tried on random documents with everything that PROV-DM has."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings

from contents import bundles, contents
from documents import documents, graph_of
from mlflow2prov import Graph, formats
from mlflow2prov.formats import FORMATS

few = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))

ELSEWHERE = {"ttl", "nt", "nq", "rdf"}
"""What holds for TriG is tried on the other syntaxes of RDF with the rest of them, in ``test_provo``."""

CHAIN = ("json", "xml", "provn", "trig", "jsonld", "json")


def again(graph: Graph, name: str) -> Graph:
    """The graph, written in a format and read back."""
    if FORMATS[name].marker:
        with TemporaryDirectory() as folder:
            return formats.read(graph.save(Path(folder) / "random", name))
    file = io.BytesIO()
    formats.write_to(graph, file, name)
    return formats.read_from(io.BytesIO(file.getvalue()), f"random.{name}", name)


@few
@given(raw=documents(copies=True))
def test_a_way_through_all_standards_ends_where_it_began(raw: bytes) -> None:
    graph = start = graph_of(raw)
    for name in CHAIN:
        graph = again(graph, name)
        assert contents(graph) == contents(start), name
        assert bundles(graph) == bundles(start), name


@pytest.mark.parametrize(
    "name",
    [row.name for row in FORMATS.values() if row.reads and row.writes and row.name not in ELSEWHERE],
)
@few
@given(raw=documents(copies=True))
def test_several_records_of_one_identifier_stay_several(name: str, raw: bytes) -> None:
    with graph_of(raw) as graph, again(graph, name) as same:
        assert contents(same) == contents(graph)
        assert bundles(same) == bundles(graph)
