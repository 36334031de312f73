"""Graphs are pushed into Virtuoso, a SPARQL store that asks for digest authentication and has ways of its own."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyoxigraph
import pytest
import requests
import yaml
from databases import PASSWORD, Server, to_virtuoso, virtuoso
from read_back import Content, of_triples

from mlflow2prov import Graph, load
from mlflow2prov.errors import SinkError
from mlflow2prov.sinks import Settings, graph_store, graph_store_client, push
from mlflow2prov.sinks.address import Address

pytestmark = [
    pytest.mark.system("virtuoso-opensource-7-bin"),
    pytest.mark.skipif(
        shutil.which("virtuoso-t") is None,
        reason="Virtuoso is missing: apt-get install virtuoso-opensource-7-bin",
    ),
]
EXAMPLES = Path(__file__).parents[2] / "examples" / "integrations"
XSD = "http://www.w3.org/2001/XMLSchema#"
EX = "http://example.org/"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with nothing in it, whose users are ``dba``, and ``reader``, who may not write."""
    with virtuoso(tmp_path_factory.mktemp("virtuoso")) as server:
        to_virtuoso(
            server,
            "USER_CREATE('reader', 'reads-only')",
            "GRANT SPARQL_SELECT TO reader",
            f'SET PASSWORD "dba" "{PASSWORD}"',
            "CHECKPOINT",
            password="dba",
        )
        yield server


def content(store: Server, graph: str) -> Content:
    """What a named graph has, counted by the words of PROV."""
    return of_triples(sparql(store), **{"default-graph-uri": graph})


def sparql(store: Server) -> str:
    return f"http://127.0.0.1:{store.port}/sparql"


def asked(store: Server, graph: str, query: str) -> list[list[str]]:
    """The answer to a query, with its heading."""
    given = {"query": query, "default-graph-uri": graph}
    answer = requests.post(sparql(store), data=given, headers={"Accept": "text/csv"}, timeout=60)
    answer.raise_for_status()
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8"))))


def triples(store: Server, graph: str) -> set[pyoxigraph.Triple]:
    """All triples of a named graph, as the store hands them out."""
    answer = requests.get(
        f"http://127.0.0.1:{store.port}/sparql-graph-crud-auth",
        params={"graph": graph},
        auth=requests.auth.HTTPDigestAuth("dba", PASSWORD),
        headers={"Accept": "application/n-triples"},
        timeout=60,
    )
    answer.raise_for_status()
    return {quad.triple for quad in pyoxigraph.parse(answer.content, pyoxigraph.RdfFormat.N_TRIPLES)}


def failure(pushed: Graph, url: str, **options: Any) -> str:
    """The one sentence that a push ends with."""
    with pytest.raises(SinkError) as caught:
        pushed.push(url, **options)
    said = str(caught.value)
    assert "\n" not in said
    assert "p@ss" not in said
    assert "p%40ss" not in said
    return said


def document(folder: Path, **parts: Any) -> Graph:
    """A graph of a small document."""
    file = folder / f"{len(list(folder.iterdir()))}.json"
    file.write_text(json.dumps({"prefix": {"ex": EX}} | parts))
    return load(file)


QUESTIONS: list[dict[str, Any]] = yaml.safe_load((EXAMPLES / "questions.yaml").read_text("utf-8"))


def test_what_is_pushed_is_there_and_twice_is_once_and_answers_the_examples(
    store: Server, demo: Graph
) -> None:
    part = demo.select(exclude_types=["Metric"])
    part.push(store.url, graph="urn:demo")
    assert content(store, "urn:demo") == Content.of(part, pairs=True)
    demo.push(store.url, graph="urn:demo")
    before = triples(store, "urn:demo")
    demo.push(store.url, graph="urn:demo")
    assert triples(store, "urn:demo") == before
    assert content(store, "urn:demo") == Content.of(demo, pairs=True)
    for question in QUESTIONS:
        query = (EXAMPLES / "sparql" / f"{question['name']}.rq").read_text("utf-8")
        rows = [[str(value) for value in row] for row in question["rows"]]
        assert asked(store, "urn:demo", query) == [question["columns"], *rows]


def test_replacing_is_of_the_named_graph_alone(store: Server, demo: Graph) -> None:
    few = demo.select(types=["User"])
    for name in ("urn:one", "urn:other"):
        demo.select(types=["Commit", "User"]).push(store.url, graph=name)
    few.push(store.url, graph="urn:one", replace=True)
    assert content(store, "urn:one") == Content.of(few, pairs=True)
    assert content(store, "urn:other").types["Commit"] > 0
    Graph.empty().push(store.url, graph="urn:one", replace=True)
    assert content(store, "urn:one") == Content.of(Graph.empty())


def test_a_bundle_is_a_graph_of_its_own(store: Server, tmp_path: Path) -> None:
    inner = {"prefix": {"ex": EX}, "entity": {"ex:e": {"ex:colour": "red"}}}
    graph = document(tmp_path, entity={"ex:e": {"ex:colour": "blue"}}, bundle={"ex:b": inner})
    graph.push(store.url, graph="urn:outer")
    colour = f"SELECT ?c {{ <{EX}e> <{EX}colour> ?c }}"
    assert asked(store, "urn:outer", colour) == [["c"], ["blue"]]
    assert asked(store, f"{EX}b", colour) == [["c"], ["red"]]


def test_who_may_not_push_is_told(store: Server, tmp_path: Path) -> None:
    graph = document(tmp_path, entity={"ex:e": {}})
    url = f"http://{{}}127.0.0.1:{store.port}/sparql-graph-crud-auth"
    for who in ("", "dba:not-the-password@"):
        assert "does not let us in" in failure(graph, url.format(who), graph="urn:x")
    assert "does not let this user write" in failure(graph, url.format("reader:reads-only@"), graph="urn:x")
    said = failure(graph, store.url)
    assert "has no default graph: name the graph to push into, as --graph IRI" in said
    assert not asked(store, "urn:x", "SELECT ?s { ?s ?p ?o }")[1:]


def test_another_address_of_the_server_is_told(store: Server, tmp_path: Path) -> None:
    graph = document(tmp_path, entity={"ex:e": {}})
    assert "has no data set there" in failure(graph, store.url.replace("sparql-graph-crud-auth", "nowhere"))
    assert "refuses with status 400" in failure(graph, sparql(store), graph="urn:x")


TEXTS = [
    "<html><body>a page</body></html>",
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>',
    'it\'s "so" \\u003C \\',
    "a\nb\tc\rd",
    "日本 🎉 e\u0301",
    "  spaces  ",
    "",
    "\x7f\x85\u2028",
]


@pytest.mark.parametrize("first", [TEXTS[0], "x" * 200_000, TEXTS[4]], ids=["page", "long", "unicode"])
def test_texts_stay_as_they_are_whatever_comes_first(first: str, store: Server, tmp_path: Path) -> None:
    texts = [first, *TEXTS]
    entities = {f"ex:e{number}": {"ex:text": text} for number, text in enumerate(texts)}
    document(tmp_path, entity=entities).push(store.url, graph="urn:texts", replace=True)
    found = {
        triple.subject.value: triple.object.value
        for triple in triples(store, "urn:texts")
        if triple.predicate.value == f"{EX}text"
    }
    assert found == {f"{EX}e{number}": text for number, text in enumerate(texts)}


def test_identifiers_stay_apart_however_long_they_are(store: Server, tmp_path: Path) -> None:
    names = [
        *('quote"s', "new\nline", "sp ace", "日本", "a<b>", "%41", "A"),
        *("日" * 900 + end for end in "xy"),
    ]
    graph = document(tmp_path, entity={f"ex:{name}": {"prov:label": name} for name in names})
    for _ in range(2):
        graph.push(store.url, graph="urn:names")
    labels = "SELECT ?e ?l { ?e a prov:Entity ; rdfs:label ?l }"
    prefixes = (
        "PREFIX prov: <http://www.w3.org/ns/prov#> PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> "
    )
    rows = asked(store, "urn:names", prefixes + labels)[1:]
    assert len({iri for iri, _ in rows}) == len(rows) == len(names)
    assert {label for _, label in rows} == set(names)


SAME = {
    "dateTime": [
        *("2024-05-01T12:00:00Z", "2024-05-01T12:00:00.123Z", "2024-05-01T12:00:00.123456Z"),
        *(
            "2024-05-01T12:00:00+02:00",
            "2024-05-01T12:00:00",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999Z",
        ),
        *("12024-05-01T12:00:00Z", "soon"),
    ],
    "long": ["1", "-9223372036854775808", "9223372036854775808", "x"],
    "double": ["NaN", "INF", "-INF", "0.1", "-0.0"],
    "boolean": ["true", "false", "maybe"],
    "base64Binary": ["AAEC/w=="],
    "date": ["2024-05-01"],
}
CHANGED: Mapping[tuple[str, str], tuple[str, str]] = {
    ("dateTime", "2024-05-01T12:00:00.5Z"): ("dateTime", "2024-05-01T12:00:00.500Z"),
    ("dateTime", "2024-05-01T11:00:00.123456789Z"): ("dateTime", "2024-05-01T11:00:00.123456Z"),
    ("long", "007"): ("long", "7"),
    ("double", "0.9777777777777777"): ("double", "0.977778"),
    ("integer", "123456789012345678901234567890"): ("decimal", "123456789012345678901234567890"),
    ("duration", "P1D"): ("duration", "86400.0"),
}
"""What Virtuoso hands out otherwise than it got it, as our documentation says."""


def test_values_stay_as_they_are_but_for_those_that_the_store_changes(store: Server, tmp_path: Path) -> None:
    given = [(datatype, text) for datatype, texts in SAME.items() for text in texts] + [*CHANGED]
    entities: dict[str, Any] = {
        f"ex:e{number}": {"ex:value": {"$": text, "type": f"xsd:{datatype}"}}
        for number, (datatype, text) in enumerate(given)
    }
    languages = {"de": "Wein", "en-GB": "wine", "ja": "酒"}
    entities |= {f"ex:{tag}": {"ex:value": {"$": text, "lang": tag}} for tag, text in languages.items()}
    document(tmp_path, entity=entities).push(store.url, graph="urn:values")
    found = {
        triple.subject.value: triple.object
        for triple in triples(store, "urn:values")
        if triple.predicate.value == f"{EX}value"
    }
    for number, said in enumerate(given):
        datatype, text = CHANGED.get(said, said)
        assert found[f"{EX}e{number}"] == pyoxigraph.Literal(
            text, datatype=pyoxigraph.NamedNode(XSD + datatype)
        )
    for tag, text in languages.items():
        assert found[f"{EX}{tag}"] == pyoxigraph.Literal(text, language=tag)
    # The number itself is kept.
    whole = f"SELECT (COUNT(*) AS ?n) {{ ?e <{EX}value> ?v FILTER (?v = 0.9777777777777777e0) }}"
    assert asked(store, "urn:values", whole)[1:] == [["1"]]


def test_a_store_that_dies_is_one_error_and_the_next_push_completes(
    store: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_store, "PORTION_BYTES", 20_000)
    monkeypatch.setattr(graph_store_client, "_TRIES", 1)
    things = {f"ex:e{n}": {"ex:n": n} for n in range(1_200)}
    made = {f"_:g{n}": {"prov:entity": f"ex:e{n}", "prov:activity": "ex:a"} for n in range(1_200)}
    graph = document(tmp_path, entity=things, activity={"ex:a": {}}, wasGeneratedBy=made)
    said: list[Mapping[str, int]] = []

    def report(_: str, counts: Mapping[str, int]) -> None:
        said.append(dict(counts))
        if len(said) == 2:
            store.kill()

    try:
        with pytest.raises(SinkError, match=r"can't be reached.*: .*pushing again"):
            push(graph, Address.parse(store.url), Settings(graph="urn:killed", report=report))
    finally:
        store.start()
    graph.push(store.url, graph="urn:killed")
    assert content(store, "urn:killed") == Content.of(graph, pairs=True)
