"""PROV-JSONLD, by a JSON-LD processor with the context of the submission."""

from __future__ import annotations

import importlib.resources
import io
import json
from typing import Any

import pytest
from pyld import jsonld

from contents import contents
from documents import graph_of
from mlflow2prov import Graph, formats
from mlflow2prov.errors import FormatError
from mlflow2prov.formats.provjsonld_terms import CONTEXT

PROV = "http://www.w3.org/ns/prov#"
RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"


def submission(url: str, _: dict[str, Any]) -> dict[str, Any]:
    """The context of the submission, which the prov library carries; nothing is fetched."""
    assert url == CONTEXT
    file = importlib.resources.files("prov.serializers") / "prov-jsonld-context.jsonld"
    document = json.loads(file.read_text(encoding="utf-8"))
    return {
        "contentType": "application/ld+json",
        "contextUrl": None,
        "documentUrl": url,
        "document": document,
    }


def read(text: str | bytes) -> Graph:
    raw = text.encode() if isinstance(text, str) else text
    return formats.read_from(io.BytesIO(raw), "doc.jsonld", "jsonld")


def written(graph: Graph) -> bytes:
    file = io.BytesIO()
    formats.write_to(graph, file, "jsonld")
    return file.getvalue()


def quads(raw: str) -> set[tuple[str, str, str, str]]:
    """What a JSON-LD processor makes of a PROV-JSON document that we write: subject, predicate, object, graph."""
    with graph_of(raw.encode()) as graph:
        document = json.loads(written(graph))
    dataset = jsonld.to_rdf(document, {"documentLoader": submission, "base": "http://base.example/"})
    return {
        (quad["subject"]["value"], quad["predicate"]["value"], quad["object"]["value"], name)
        for name, listed in dataset.items()
        for quad in listed
    }


def around(facts: set[tuple[str, str, str, str]], of_type: str) -> tuple[dict[str, str], dict[str, str]]:
    """What the one statement of a type points to, and what points to it, by predicate."""
    ((node, _, _, _),) = [fact for fact in facts if fact[1] == RDF_TYPE and fact[2] == PROV + of_type]
    return {p: o for s, p, o, _ in facts if s == node}, {p: s for s, p, o, _ in facts if o == node}


def test_a_processor_finds_the_terms_of_prov_o() -> None:
    facts = quads("""{"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"prov:label": "E",
            "prov:location": {"$": "ex:here", "type": "xsd:QName"}, "prov:value": {"$": "4", "type": "xsd:int"}}},
        "activity": {"ex:a": {"prov:startTime": "2020-01-01T00:00:00Z"}},
        "used": {"ex:u": {"prov:activity": "ex:a", "prov:entity": "ex:e", "prov:time": "2020-01-02T00:00:00Z"}},
        "wasAssociatedWith": {"_:w": {"prov:activity": "ex:a", "prov:agent": "ex:p", "prov:plan": "ex:e",
            "prov:role": {"$": "ex:r", "type": "xsd:QName"}}}}""")
    assert ("http://e/e", RDF_TYPE, f"{PROV}Entity", "@default") in facts
    assert ("http://e/e", "http://www.w3.org/2000/01/rdf-schema#label", "E", "@default") in facts
    assert ("http://e/e", f"{PROV}atLocation", "http://e/here", "@default") in facts
    assert ("http://e/e", f"{PROV}value", "4", "@default") in facts
    assert ("http://e/a", f"{PROV}startedAtTime", "2020-01-01T00:00:00Z", "@default") in facts
    assert ("http://e/a", f"{PROV}qualifiedUsage", "http://e/u", "@default") in facts
    usage, _ = around(facts, "Usage")
    assert usage[f"{PROV}entity"] == "http://e/e"
    assert usage[f"{PROV}atTime"] == "2020-01-02T00:00:00Z"
    association, to_it = around(facts, "Association")
    assert association[f"{PROV}agent"] == "http://e/p"
    assert association[f"{PROV}hadPlan"] == "http://e/e"
    assert association[f"{PROV}hadRole"] == "http://e/r"
    assert to_it == {f"{PROV}qualifiedAssociation": "http://e/a"}


@pytest.mark.parametrize(
    ("prefixes", "name", "iri"),
    [
        ({"ex": "http://e/"}, "ex:c/d", "http://e/c/d"),
        ({"ex": "http://e/"}, "ex://host/x", "http://e///host/x"),
        ({"default": "http://d/"}, "plain", "http://d/plain"),
        ({"default": "http://d/"}, "type", "http://d/type"),
        ({"a-b.c": "urn:dots:"}, "a-b.c:x", "urn:dots:x"),
        ({"odd": "http://o/x"}, "odd:y", "http://o/xy"),
        ({"entity": "http://e/"}, "entity:x", "http://e/x"),
        ({"http": "http://h/"}, "http:x", "http://h/x"),
        ({"rdfs": "http://other/"}, "rdfs:x", "http://other/x"),
        ({"prov": "http://other/"}, "prov:x", "http://other/x"),
    ],
)
def test_names_mean_the_same_to_a_processor_and_to_us(prefixes: dict[str, str], name: str, iri: str) -> None:
    raw = json.dumps(
        {
            "prefix": {**prefixes, "m": "http://m/"},
            "entity": {name: {"m:k": {"$": name, "type": "xsd:QName"}}},
        }
    )
    facts = quads(raw)
    assert (iri, RDF_TYPE, f"{PROV}Entity", "@default") in facts
    with graph_of(raw.encode()) as graph, read(written(graph)) as again:
        assert contents(again) == contents(graph)
        assert [row[2] for row in contents(again)] == [iri]


def test_values_have_their_datatype_and_language() -> None:
    raw = """{"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"ex:k": [{"$": "1", "type": "xsd:long"},
        {"$": "hej", "lang": "sv"}, "text", {"$": "v", "type": "ex:own"}]}}}"""
    with graph_of(raw.encode()) as graph:
        document = json.loads(written(graph))
    (expanded,) = jsonld.expand(document, {"documentLoader": submission})[0:1]
    assert sorted(map(repr, expanded["http://e/k"])) == sorted(
        map(
            repr,
            [
                {"@type": "http://www.w3.org/2001/XMLSchema#long", "@value": "1"},
                {"@language": "sv", "@value": "hej"},
                {"@value": "text"},
                {"@type": "http://e/own", "@value": "v"},
            ],
        )
    )


def test_records_of_bundles_are_in_their_graphs() -> None:
    facts = quads("""{"prefix": {"ex": "http://e/"}, "bundle": {"ex:b": {"prefix": {"ex": "http://inner/"},
        "entity": {"ex:e": {}}}}, "entity": {"ex:o": {}}}""")
    entities = {(subject, name) for subject, predicate, of, name in facts if of == f"{PROV}Entity"}
    assert ("http://e/o", "@default") in entities
    assert len(entities) == 2
    assert {subject for subject, name in entities if name != "@default"} == {"http://inner/e"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"@graph": []}', 'at the top: "@context" is missing'),
        ('{"@context": 5, "@graph": []}', "at @context: an object or a URL is expected, not 5"),
        ('{"@context": [], "@graph": {}}', "at @graph: an array is expected"),
        ('{"@context": [], "@graph": [5]}', 'at @graph[0]: an object with a text as its "@type"'),
        ('{"@context": [], "@graph": [{"@type": "Entity"}]}', 'at @graph[0]: entity: the "@id" is missing'),
        ('{"@context": [], "@graph": [{"@type": "Thing"}]}', "at @graph[0]: 'Thing' is no type of statement"),
        (
            '{"@context": [], "@graph": [{"@type": "Entity", "@id": 5}]}',
            "@graph[0]/@id: a string is expected",
        ),
        ('{"@context": [], "@graph": [{"@type": "Entity", "@id": "no:e"}]}', "the prefix of 'no:e'"),
        (
            '{"@context": [], "@graph": [{"@type": "provext:Membership", "collection": "prov:c", "entity": []}]}',
            "at @graph[0]/entity: the array of members is empty",
        ),
        (
            '{"@context": [], "@graph": [{"@type": "Activity", "@id": "prov:a", "startTime": "2021"}]}',
            "activity/prov:a/prov:startTime: '2021' is no instant",
        ),
        (
            '{"@context": [], "@graph": [{"@type": "Usage", "agent": "prov:a"}]}',
            "there is no such member of used",
        ),
        (
            '{"@context": [], "@graph": [{"@type": "Entity", "@id": "prov:e", "prov:k": [{"@value": "x", "@id": "y"}]}]}',
            '"@value" with "@type" or "@language" is expected',
        ),
        (
            '{"@context": [], "@graph": [{"@type": "Bundle", "@id": "prov:b", "@graph": ['
            '{"@type": "Bundle", "@id": "prov:c"}]}]}',
            "at @graph[0]/@graph[0]: bundles can't be nested",
        ),
    ],
)
def test_a_wrong_document_gets_one_sentence_with_the_path(text: str, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(text).close()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_foreign_context_is_not_fetched() -> None:
    with read('{"@context": ["http://127.0.0.1:9/x", "file:///etc/passwd"], "@graph": []}') as graph:
        assert graph.count("element") == 0
