"""PROV-O in all its syntaxes, with rdflib and the prov library as foreign readers."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import rdflib
from hypothesis import HealthCheck, example, given, settings
from prov.model import ProvDocument

from contents import bundles, contents
from documents import documents, graph_of
from mlflow2prov import Graph, formats
from mlflow2prov.errors import FormatError
from mlflow2prov.formats import rdfxml
from mlflow2prov.formats.provo_terms import GENID

CASES = Path(__file__).parents[3] / "shared" / "cases" / "documents"
DOCUMENTS = sorted((CASES / "json").glob("*.json"))
FOREIGN = sorted((CASES / "rdf").glob("*.t*"))
needs_cases = pytest.mark.skipif(
    not DOCUMENTS, reason="the shared cases are not beside the project: get ../shared/cases"
)
SYNTAXES = ("nt", "nq", "ttl", "trig", "rdf")
WITH_BUNDLES = ("nq", "trig")
LAW = settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))

RICH = """{
"prefix": {"ex": "http://example.org/", "default": "http://default.example/", "a-b.c": "urn:dots:"},
"entity": {
  "ex:report": {"prov:label": [{"$": "Report", "lang": "en-GB"}, "the \\"report\\" \\\\ of\\nall\\u00e9"],
    "ex:pages": {"$": "12", "type": "xsd:int"}, "ex:at": {"$": "ex:here", "type": "xsd:QName"}, "prov:value": "<&>"},
  "plain": {"prov:type": [{"$": "prov:Plan", "type": "xsd:QName"}, {"$": "prov:Entity", "type": "xsd:QName"}, "text"]},
  "ex:with space": {"ex:100%": "odd"}, "a-b.c:x/1": {"prov:used": "no relation"}},
"activity": {"ex:writing": {"prov:startTime": "2020-01-01T00:00:00Z", "prov:endTime": "2020-01-02T00:00:00Z"}},
"agent": {"ex:ada": {"prov:type": {"$": "prov:Person", "type": "xsd:QName"}}},
"wasGeneratedBy": {"_:g": {"prov:entity": "ex:report", "prov:activity": "ex:writing", "prov:time": "2020-01-02T00:00:00Z",
  "prov:role": {"$": "ex:result", "type": "xsd:QName"}}, "_:h": {"prov:entity": "ex:report", "prov:activity": "ex:writing"}},
"used": {"_:u": {"prov:activity": "ex:writing", "prov:entity": "plain"}, "_:v": {"prov:activity": "ex:writing"}},
"wasAssociatedWith": {"ex:assoc": {"prov:activity": "ex:writing", "prov:agent": "ex:ada", "prov:plan": "plain"}},
"wasDerivedFrom": {"_:d": {"prov:generatedEntity": "ex:report", "prov:usedEntity": "plain", "prov:generation": "_:g"}},
"mentionOf": {"_:m": {"prov:specificEntity": "ex:report", "prov:generalEntity": "plain", "prov:bundle": "ex:b"}},
"hadMember": {"_:c": {"prov:collection": "plain", "prov:entity": "ex:report"}},
"wasAttributedTo": {"_:a": {"prov:entity": "ex:report", "prov:agent": "ex:ada"},
  "_:b": {"prov:entity": "ex:report", "prov:agent": "ex:ada"}}
}"""


def written(graph: Graph, syntax: str) -> bytes:
    file = io.BytesIO()
    formats.write_to(graph, file, syntax)
    return file.getvalue()


def read(raw: bytes, syntax: str) -> Graph:
    return formats.read_from(io.BytesIO(raw), f"doc.{syntax}", syntax)


def once(graph: Graph) -> Counter[Any]:
    """The contents of a graph, each value of an attribute once: others' RDF has no more."""
    return Counter((*record[:5], tuple(sorted(set(record[5])))) for record in contents(graph).elements())


def fits(graph: Graph, syntax: str) -> bool:
    return syntax in WITH_BUNDLES or not graph.count("bundle")


MENTIONED_DERIVATION = b"""{"prefix": {"default": "http://e/"},
"wasDerivedFrom": {"a": {"prov:generatedEntity": "a", "prov:usedEntity": "a"}},
"mentionOf": {"_:m": {"prov:specificEntity": "a", "prov:generalEntity": "a", "prov:bundle": "a"}}}"""


@pytest.mark.parametrize("syntax", SYNTAXES)
@LAW
@given(raw=documents(plain_links=False, copies=True))
@example(raw=MENTIONED_DERIVATION)
def test_what_is_written_is_read_as_the_same_document(syntax: str, raw: bytes) -> None:
    with graph_of(raw) as graph:
        if not fits(graph, syntax):
            with pytest.raises(FormatError, match="nq" if syntax == "nt" else "trig"):
                written(graph, syntax)
            return
        with read(written(graph, syntax), syntax) as again:
            assert contents(again) == contents(graph)
            assert bundles(again) == bundles(graph)
            if syntax not in ("nt", "nq"):
                assert again.prefixes().items() >= graph.prefixes().items()


@needs_cases
@pytest.mark.parametrize("group", range(5))
def test_every_case_survives(group: int) -> None:
    """Each document in one syntax."""
    for place, path in enumerate(DOCUMENTS[group::5]):
        with formats.read(path) as graph:
            syntax = SYNTAXES[place % 5] if not graph.count("bundle") else WITH_BUNDLES[place % 2]
            with read(written(graph, syntax), syntax) as again:
                assert contents(again) == contents(graph), (path.name, syntax)
                assert bundles(again) == bundles(graph), (path.name, syntax)


KNOWN_DIFFERENCES = {
    **dict.fromkeys(
        [f"bundle{n}.ttl" for n in range(1, 5)],
        "Turtle has no bundles: their records stand in the document; those of the .trig files are the same",
    ),
    **dict.fromkeys(
        [
            f"scruffy-{name}-{kind}.ttl"
            for name in (
                "end2",
                "end3",
                "end4",
                "generation2",
                "invalidation2",
                "start2",
                "start3",
                "start4",
                "usage2",
            )
            for kind in "MS"
        ],
        "two records of one identifier: whose attributes are whose, RDF can't say, so that each has all",
    ),
}


@needs_cases
@pytest.mark.parametrize("group", range(5))
def test_foreign_documents_are_those_that_json_has(group: int) -> None:
    differing = set()
    chosen = FOREIGN[group::5]
    for path in chosen:
        with formats.read(path) as graph, formats.read(CASES / "json" / f"{path.stem}.json") as twin:
            if once(graph) != once(twin) or bundles(graph) != bundles(twin):
                differing.add(path.name)
                ours, theirs = ({record[1:5] for record in once(one)} for one in (graph, twin))
                assert ours == theirs, path.name
    assert differing == {path.name for path in chosen} & KNOWN_DIFFERENCES.keys()


def quads(raw: bytes, syntax: str) -> set[tuple[Any, ...]]:
    """The quads that rdflib finds; blank nodes by their labels are not compared."""
    names = {"nt": "nt", "nq": "nquads", "ttl": "turtle", "trig": "trig", "rdf": "xml"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        dataset = rdflib.Dataset()
        dataset.parse(data=raw.decode(), format=names[syntax])
        default = {None, dataset.default_graph.identifier}
        return {
            (s.n3(), p.n3(), o.n3(), None if g in default or not str(g).startswith("http") else str(g))
            for s, p, o, g in dataset.quads()
        }


@pytest.fixture
def lexical(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let rdflib keep literals as they are written."""
    monkeypatch.setattr(rdflib, "NORMALIZE_LITERALS", False)


@pytest.mark.usefixtures("lexical")
def test_rdflib_finds_the_same_in_every_syntax() -> None:
    with graph_of(RICH.encode()) as graph:
        found = {syntax: quads(written(graph, syntax), syntax) for syntax in SYNTAXES}
    assert len(found["nt"]) > 50
    # A property whose IRI ends in no name of XML is written as another in RDF/XML.
    plain = {quad for quad in found["nt"] if "odd" not in quad[2]}
    assert {quad for quad in found["rdf"] if "odd" not in quad[2]} == plain
    for syntax in ("nq", "ttl", "trig"):
        assert found[syntax] == found["nt"], syntax


@pytest.mark.usefixtures("lexical")
@LAW
@given(raw=documents())
def test_rdflib_finds_the_same_in_every_syntax_of_random_documents(raw: bytes) -> None:
    with graph_of(raw) as graph:
        syntaxes = [syntax for syntax in ("nt", "nq", "ttl", "trig") if fits(graph, syntax)]
        found = [quads(written(graph, syntax), syntax) for syntax in syntaxes]
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("syntax", ["nt", "nq", "ttl"])
def test_loading_twice_doubles_nothing(syntax: str) -> None:
    with graph_of(RICH.encode()) as graph:
        raw = written(graph, syntax)
        with read(raw + raw, syntax) as twice, read(raw, syntax) as single:
            assert contents(twice) == contents(single) == contents(graph)


@needs_cases
def test_the_library_reads_what_is_written() -> None:
    """But for its own ways: it reads a relation's triple beside its node as another relation."""
    paths = [path for path in DOCUMENTS if not path.name.startswith(("attr_", "scruffy", "bundle"))][::4]
    assert len(paths) > 20
    for path in paths:
        with formats.read(path) as graph, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            document = ProvDocument.deserialize(
                content=written(graph, "trig").decode(), format="rdf", rdf_format="trig"
            )
            with Graph.from_prov(document) as theirs:
                assert instants(anonymous(once(theirs))) >= instants(set(once(graph))), path.name


def anonymous(records: Counter[Any]) -> set[Any]:
    """The records, without the identifiers that our writer makes."""
    return {
        (bundle, kind, None if str(own).startswith(GENID) else own, *rest)
        for bundle, kind, own, *rest in records
    }


def instants(value: Any) -> Any:
    """Records, with instants as the library writes them."""
    if isinstance(value, set | tuple):
        return type(value)(map(instants, value))
    return value.replace("000+", "+").replace("000Z", "Z") if isinstance(value, str) else value


def test_what_xml_has_no_place_for_is_refused() -> None:
    with graph_of(b'{"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"ex:k": "\\u0007"}}}') as graph:
        with pytest.raises(FormatError, match="save it as ttl"):
            rdfxml.write(graph, io.BytesIO())
        for syntax in ("nt", "ttl"):
            with read(written(graph, syntax), syntax) as again:
                assert contents(again) == contents(graph)


def test_documents_without_records_survive() -> None:
    for syntax in SYNTAXES:
        with Graph.empty() as graph, read(written(graph, syntax), syntax) as again:
            assert not contents(again)
    with graph_of(b'{"prefix": {"ex": "http://e/"}, "bundle": {"ex:b": {}}}') as graph:
        for syntax in WITH_BUNDLES:
            with read(written(graph, syntax), syntax) as again:
                assert bundles(again) == {"http://e/b"}
