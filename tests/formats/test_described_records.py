"""Several records of one identifier in RDF: what other tools see, and what is read where somebody changed the file."""

from __future__ import annotations

import io
import warnings
from typing import Any

import pytest
import rdflib
from prov.model import ProvDocument

from contents import contents
from documents import graph_of
from mlflow2prov import Graph, formats
from mlflow2prov.formats.provo_terms import DESCRIBES

SYNTAXES = ("nt", "nq", "ttl", "trig", "rdf")
PROV = "http://www.w3.org/ns/prov#"
M2P = "https://w3id.org/mlflow2prov#"
START = f"""@prefix prov: <{PROV}> .
@prefix m2p: <{M2P}> .
@prefix said: <https://w3id.org/mlflow2prov/recorded/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix ex: <http://e/> .
"""

SEVERAL = """{"prefix": {"ex": "http://e/"},
"entity": {
  "ex:e": [{"ex:k": "1", "prov:type": {"$": "prov:Plan", "type": "xsd:QName"}}, {"ex:k": "2", "prov:value": "x"}, {}],
  "ex:f": [{}, {}], "ex:once": {"ex:k": ["1", "1", {"$": "ex:f", "type": "xsd:QName"}]}},
"activity": {"ex:a": [{"prov:startTime": "2020-01-01T00:00:00Z"}, {"prov:endTime": "2021-01-01T00:00:00Z", "ex:k": "1"}]},
"agent": {"ex:e": {"prov:label": {"$": "E", "lang": "en"}}},
"used": {"ex:u": [{"prov:activity": "ex:a", "prov:entity": "ex:e"},
  {"prov:activity": "ex:a", "prov:entity": "ex:f", "prov:time": "2020-01-01T00:00:00Z", "prov:role": "r"}]},
"wasDerivedFrom": {"ex:d": [{"prov:generatedEntity": "ex:f", "prov:usedEntity": "ex:e", "prov:usage": "ex:u"},
  {"prov:generatedEntity": "ex:f", "prov:usedEntity": "ex:e", "prov:activity": "ex:a"}]}
}"""


def written(graph: Graph, syntax: str) -> str:
    file = io.BytesIO()
    formats.write_to(graph, file, syntax)
    return file.getvalue().decode()


def read(text: str, syntax: str) -> Graph:
    return formats.read_from(io.BytesIO(text.encode()), f"doc.{syntax}", syntax)


def short(text: Any) -> str:
    return str(text).removeprefix("http://e/").removeprefix(PROV).removeprefix(M2P)


def said(text: str) -> list[str]:
    """The records of a Turtle document, in short: kind, identifier, arguments, times, attributes."""
    with read(START + text, "trig") as graph:
        return sorted(
            " ".join(
                [
                    *(
                        kind,
                        f"{short(own)};",
                        *(short(argument or "-") for argument in arguments if argument),
                    ),
                    *(f"@{time[:4]}" for time in times if time),
                    *(f"{short(name)}={short(value)}" for name, value, _, _ in attributes),
                ]
            )
            for _, kind, own, arguments, times, attributes in contents(graph).elements()
        )


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_each_record_is_read_as_it_was_and_where_it_was(syntax: str) -> None:
    with graph_of(SEVERAL.encode()) as graph, read(written(graph, syntax), syntax) as again:
        assert contents(again) == contents(graph)
        for kind in ("entity", "activity", "agent", "used"):
            of_kind = f"SELECT attributes FROM {{graph}}.{'relation' if kind == 'used' else 'element'} ORDER BY rowid"
            ours, read_again = (
                [
                    [pair["v"].split(":")[-1] for pair in attributes or ()]
                    for (attributes,) in one.query(of_kind)
                ]
                for one in (graph, again)
            )
            assert read_again == ours


@pytest.mark.parametrize("syntax", ["nt", "nq", "ttl"])
def test_loading_several_records_twice_doubles_nothing(syntax: str) -> None:
    with graph_of(SEVERAL.encode()) as graph:
        text = written(graph, syntax)
        with read(text + text, syntax) as twice:
            assert contents(twice) == contents(graph)


def test_only_what_needs_it_is_described() -> None:
    text = SEVERAL.replace('"1", "1", {', '"1", {').replace("[{}, {}]", "{}")
    with graph_of(text.encode()) as graph:
        lines = written(graph, "nt").splitlines()
    targets = {line.split()[2] for line in lines if f"<{DESCRIBES}>" in line}
    assert targets == {f"<http://e/{name}>" for name in "eaud"}


def stripped(text: str) -> rdflib.Graph:
    """The triples of a text, less the descriptions."""
    everything = rdflib.Graph().parse(data=text, format="turtle")
    described = set(everything.subjects(rdflib.URIRef(DESCRIBES)))
    assert len(described) == 13
    left = rdflib.Graph()
    for triple in everything:
        if triple[0] not in described:
            left.add(triple)
    return left


def theirs(text: str, syntax: str) -> ProvDocument:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it does not know the properties of descriptions
        return ProvDocument.deserialize(content=text, format="rdf", rdf_format=syntax)


@pytest.mark.parametrize("syntax", ["turtle", "trig", "nt"])
def test_the_library_sees_no_more_elements_and_relations_than_without_descriptions(syntax: str) -> None:
    ours = {"turtle": "ttl"}.get(syntax, syntax)
    with graph_of(SEVERAL.encode()) as graph:
        text = written(graph, ours)
    plain = stripped(text).serialize(format="turtle")
    document = theirs(text, syntax)
    assert document == theirs(plain, "turtle")
    identifiers = {record.identifier.uri for record in document.get_records() if record.identifier}
    assert identifiers == {f"http://e/{name}" for name in ("e", "f", "once", "a", "u", "d")}


def test_no_query_in_terms_of_prov_or_of_the_document_finds_a_description() -> None:
    with graph_of(SEVERAL.encode()) as graph:
        text = written(graph, "ttl")
    everything = rdflib.Graph().parse(data=text, format="turtle")
    described = set(everything.subjects(rdflib.URIRef(DESCRIBES)))
    own = "https://w3id.org/mlflow2prov"
    for subject, predicate, obj in everything:
        if subject in described:
            assert str(predicate).startswith(own) or str(obj).startswith(own), (predicate, obj)
        else:
            assert not str(predicate).startswith(own), predicate
            assert obj not in described


TWO = (
    "ex:e a prov:Entity ; ex:k 1, 2 . ex:r1 a m2p:EntityRecord ; m2p:describes ex:e ; said:ihttp_3A_2F_2Fe_2Fk 1 . "
    "ex:r2 a m2p:EntityRecord ; m2p:describes ex:e ; said:ihttp_3A_2F_2Fe_2Fk 2 ."
)
USAGES = (
    "ex:a prov:qualifiedUsage ex:u . ex:u a prov:Usage ; prov:entity ex:e, ex:f . "
    "ex:r1 a m2p:UsageRecord ; m2p:describes ex:u ; m2p:recordedSubject ex:a ; m2p:recordedEntity ex:e . "
    "ex:r2 a m2p:UsageRecord ; m2p:describes ex:u ; m2p:recordedSubject ex:a ; m2p:recordedEntity ex:f . "
)
T = '"{}-01-01T00:00:00Z"^^xsd:dateTime'
EDITED: dict[str, tuple[str, list[str]]] = {
    "as it was written": (TWO, ["entity e; k=1", "entity e; k=2"]),
    "an attribute more": (TWO + "ex:e ex:more 3 .", ["entity e; k=1 more=3", "entity e; k=2"]),
    "a type more": (TWO + "ex:e a prov:Plan .", ["entity e; k=1 type=Plan", "entity e; k=2"]),
    "a name of PROV more": (TWO + "ex:e prov:value 3 .", ["entity e; k=1 value=3", "entity e; k=2"]),
    "another kind": (TWO + "ex:e a prov:Agent .", ["agent e;", "entity e; k=1", "entity e; k=2"]),
    "a description less": (TWO[: TWO.index("ex:r2")], ["entity e; k=1 k=2"]),
    "nothing but descriptions": (TWO[TWO.index("ex:r1") :], ["entity e; k=1", "entity e; k=2"]),
    "a time more": (
        TWO.replace("Entity", "Activity") + f"ex:e prov:startedAtTime {T.format(2020)}, {T.format(2021)} .",
        ["activity e; @2020 k=1", "activity e; @2021 k=1", "activity e; k=2"],
    ),
    "a statement of a relation": (USAGES, ["used u; a e", "used u; a f"]),
    "an attribute of a relation": (USAGES + "ex:u ex:k 1 .", ["used u; a e k=1", "used u; a f"]),
    "the time of a relation": (
        USAGES + f"ex:u prov:atTime {T.format(2020)} .",
        ["used u; a e @2020", "used u; a f"],
    ),
    "an argument of a relation": (USAGES + "ex:u prov:entity ex:g .", ["used u; a e", "used u; a f", "used u; a g"]),
    "an argument by another name": (USAGES + "ex:u prov:influencer ex:f .", ["used u; a e", "used u; a f"]),
    "an argument that the kind lacks": (USAGES + "ex:u prov:hadPlan ex:p .", ["used u; a e hadPlan=p", "used u; a f"]),
    "another subject of a relation": (
        USAGES + "ex:b prov:qualifiedUsage ex:u .",
        ["used u; a e", "used u; a f", "used u; b e"],
    ),
    "another kind of relation": (
        USAGES + "ex:e prov:qualifiedGeneration ex:u . ex:u prov:activity ex:a .",
        ["used u; a e", "used u; a f", "wasGeneratedBy u; e a"],
    ),
    "a bundle of a mention": (
        TWO + "ex:e prov:mentionOf ex:g ; prov:asInBundle ex:b .",
        ["entity e; k=1", "entity e; k=2", "mentionOf None; e g b"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITED)
def test_what_descriptions_do_not_say_joins_the_first_of_them(what: str) -> None:
    text, expected = EDITED[what]
    assert said(text) == expected


BROKEN: dict[str, tuple[str, list[str]]] = {
    "it describes nothing": ("ex:r a m2p:EntityRecord ; said:ihttp_3A_2F_2Fe_2Fk 1 .", ["entity r; k=1"]),
    "it describes a text": ('ex:r a m2p:EntityRecord ; m2p:describes "e" .', ["entity r; describes=e"]),
    "it has no kind": ("ex:e a prov:Entity . ex:r m2p:describes ex:e ; said:ihttp_3A_2F_2Fe_2Fk 1 .", ["entity e;"]),
    "it describes itself": ("ex:r a m2p:EntityRecord ; m2p:describes ex:r .", ["entity r;"]),
    "they describe each other": (
        "ex:r a m2p:EntityRecord ; m2p:describes ex:s . ex:s a m2p:AgentRecord ; m2p:describes ex:r .",
        ["agent s;", "entity r;"],
    ),
    "it describes a description": (
        "ex:r a m2p:EntityRecord ; m2p:describes ex:s . ex:s a m2p:AgentRecord ; m2p:describes ex:e .",
        ["agent e;", "entity r;"],
    ),
    "it describes two": ("ex:r a m2p:EntityRecord ; m2p:describes ex:e, ex:f .", ["entity e;"]),
    "it is of two kinds": (
        "ex:r a m2p:EntityRecord, m2p:AgentRecord ; m2p:describes ex:e .",
        ["agent e;", "entity e;"],
    ),
    "it has two subjects": (
        "ex:r a m2p:UsageRecord ; m2p:describes ex:u ; m2p:recordedSubject ex:a, ex:b ; m2p:recordedEntity ex:e .",
        ["used u; a e", "used u; b e"],
    ),
    "it has no subject": (
        "ex:r a m2p:UsageRecord ; m2p:describes ex:u ; m2p:recordedEntity ex:e .",
        ["used u; e"],
    ),
    "a property is not whole": (
        "ex:r a m2p:EntityRecord ; m2p:describes ex:e ; said:i 1 ; <https://w3id.org/mlflow2prov/again/i1_a> 2 .",
        [
            "entity e; https://w3id.org/mlflow2prov/again/i1_a=2 https://w3id.org/mlflow2prov/recorded/i=1",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_broken_descriptions_are_read_as_far_as_prov_allows(what: str) -> None:
    text, expected = BROKEN[what]
    assert said(text) == expected


def test_a_description_counts_in_its_own_bundle_alone() -> None:
    text = TWO[TWO.index("ex:r2") :]
    assert said(f"ex:b {{ {text} }} ex:e a prov:Entity ; ex:k 1 .") == ["entity e; k=1", "entity e; k=2"]


def test_the_bundle_of_a_mention_is_not_an_activity_of_its_subject() -> None:
    text = """{"prefix": {"ex": "http://e/"}, "wasDerivedFrom": {"ex:a":
      {"prov:generatedEntity": "ex:g", "prov:usedEntity": "ex:h", "prov:activity": "ex:%s"}},
      "mentionOf": {"_:m": {"prov:specificEntity": "ex:a", "prov:generalEntity": "ex:g", "prov:bundle": "ex:%s"}}}"""
    for one, other in (("p", "q"), ("q", "p")):
        with graph_of((text % (one, other)).encode()) as graph, read(written(graph, "ttl"), "ttl") as again:
            assert contents(again) == contents(graph)


def test_relations_of_one_blank_name_stay_apart() -> None:
    text = """{"prefix": {"ex": "http://e/"}, "used": {"_:u": [{"prov:activity": "ex:a", "prov:entity": "ex:e"},
      {"prov:activity": "ex:a", "prov:entity": "ex:f", "ex:k": ["1", "1"]}]},
      "wasDerivedFrom": {"_:d": {"prov:generatedEntity": "ex:g", "prov:usedEntity": "ex:e", "prov:usage": "_:u"}}}"""
    with graph_of(text.encode()) as graph:
        for syntax in SYNTAXES:
            with read(written(graph, syntax), syntax) as again:
                assert contents(again) == contents(graph), syntax
