"""PROV-XML: what is read of it, and how names and texts that XML has no place for are written."""

from __future__ import annotations

import io
import json
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from lxml import etree
from prov.model import ProvDocument

from contents import contents
from documents import documents, graph_of
from mlflow2prov import Graph, formats
from mlflow2prov.errors import FormatError

PROV = "{http://www.w3.org/ns/prov#}"
OPEN = """<prov:document xmlns:prov="http://www.w3.org/ns/prov#" xmlns:xsd="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:ex="http://e/">
"""


def read(*records: str) -> Graph:
    raw = (OPEN + "\n".join(records) + "</prov:document>").encode()
    return formats.read_from(io.BytesIO(raw), "doc.xml", "xml")


def written(graph: Graph) -> bytes:
    file = io.BytesIO()
    formats.write_to(graph, file, "xml")
    return file.getvalue()


def said(graph: Graph) -> list[tuple[object, ...]]:
    """Kind, identifier and arguments of each record, with the attributes."""
    return sorted((row[1], row[2], *filter(None, row[3]), row[5]) for row in contents(graph).elements())


def again(raw: str) -> tuple[Graph, Graph]:
    """A PROV-JSON document, and what comes back when it is written as PROV-XML and read."""
    graph = graph_of(raw.encode())
    return graph, formats.read_from(io.BytesIO(written(graph)), "again.xml", "xml")


@pytest.mark.parametrize(
    ("element", "kind", "of_type"),
    [
        ("plan", "entity", "Plan"),
        ("collection", "entity", "Collection"),
        ("emptyCollection", "entity", "EmptyCollection"),
        ("bundle", "entity", "Bundle"),
        ("person", "agent", "Person"),
        ("organization", "agent", "Organization"),
        ("softwareAgent", "agent", "SoftwareAgent"),
    ],
)
def test_elements_of_subtypes_are_their_base_with_a_type(element: str, kind: str, of_type: str) -> None:
    own = f'<prov:type xsi:type="xsd:QName">prov:{of_type}</prov:type>'
    for body in ("", own):
        with read(f'<prov:{element} prov:id="ex:e">{body}</prov:{element}>') as graph:
            ((found, _, attributes),) = said(graph)
            assert found == kind
            assert [pair[1] for pair in attributes] == [f"http://www.w3.org/ns/prov#{of_type}"]


def test_a_derivation_of_a_subtype_has_its_type() -> None:
    arguments = '<prov:generatedEntity prov:ref="ex:a"/><prov:usedEntity prov:ref="ex:b"/>'
    with read(f"<prov:wasRevisionOf>{arguments}</prov:wasRevisionOf>") as graph:
        ((kind, _, *given, attributes),) = said(graph)
    assert (kind, given) == ("wasDerivedFrom", ["http://e/a", "http://e/b"])
    assert [pair[1] for pair in attributes] == ["http://www.w3.org/ns/prov#Revision"]


def test_several_members_are_several_memberships() -> None:
    members = "".join(f'<prov:entity prov:ref="ex:{name}"/>' for name in "abc")
    with read(f'<prov:hadMember><prov:collection prov:ref="ex:c"/>{members}</prov:hadMember>') as graph:
        assert [row[2:4] for row in said(graph)] == [("http://e/c", f"http://e/{name}") for name in "abc"]


def test_a_reference_may_stand_in_an_element_within(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.WARNING),
        read(
            "<prov:used><prov:activity><prov:activity prov:ref='ex:a'/></prov:activity>"
            "<prov:entity prov:ref='ex:e'/></prov:used>"
        ) as graph,
    ):
        assert said(graph) == [("used", None, "http://e/a", "http://e/e", ())]
    assert caplog.text == ""


def test_what_has_no_place_is_left_out_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.WARNING),
        read(
            "<prov:other><ex:a>b</ex:a></prov:other>",
            '<prov:entity prov:id="ex:e" ex:odd="1"><ex:k>a<ex:b/>c</ex:k></prov:entity>',
        ) as graph,
    ):
        assert graph.count("element") == 1
    assert "3 parts that PROV-DM has no place for are left out, the first in line 3" in caplog.text
    assert caplog.text.count("\n") == 1


@pytest.mark.parametrize(
    "record",
    [
        "between records",
        '<prov:entity prov:id="ex:e">in a record</prov:entity>',
        '<prov:entity prov:id="ex:e"><ex:k>v</ex:k> after a value </prov:entity>',
        '<prov:used><prov:activity prov:ref="ex:a">in a reference</prov:activity></prov:used>',
        '<prov:bundleContent prov:id="ex:b">in a bundle</prov:bundleContent>',
        "<prov:other>all <ex:a>of</ex:a> it</prov:other>",
    ],
)
def test_text_that_stands_where_none_may_is_told(record: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), read(record, '<prov:entity prov:id="ex:f"/>') as graph:
        assert graph.query("SELECT count(*) FROM {graph}.name WHERE local = 'f'") == [(1,)]
    assert "1 parts that PROV-DM has no place for are left out" in caplog.text


def test_a_name_without_a_namespace_is_kept_as_text(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.WARNING),
        read(
            '<prov:entity prov:id="ex:e"><prov:type xsi:type="xsd:QName">Discuss</prov:type></prov:entity>'
        ) as graph,
    ):
        ((_, _, attributes),) = said(graph)
    assert attributes == (("http://www.w3.org/ns/prov#type", "Discuss", "", ""),)
    assert "1 values of xsd:QName are kept as text" in caplog.text


def test_a_namespace_may_be_declared_anywhere_and_anew() -> None:
    with read(
        '<prov:entity xmlns:ex="http://inner/" prov:id="ex:e">'
        '<ex:k xmlns="http://d/" xsi:type="xsd:QName">v</ex:k></prov:entity>',
        '<prov:entity prov:id="ex:e"/>',
    ) as graph:
        (outer, inner) = said(graph)
    assert outer == ("entity", "http://e/e", ())
    assert inner[1] == "http://inner/e"
    assert inner[2] == (("http://inner/k", "http://d/v", "http://www.w3.org/2001/XMLSchema#QName", ""),)


def test_names_that_xml_cannot_have_go_there_and_back() -> None:
    raw = json.dumps(
        {
            "prefix": {"ex": "http://e/", "1": "http://one/", "xml": "http://x/", "a b": "http://ab/"},
            "entity": {
                "ex:c/d": {"ex:c/d": "1", "1:k": "2", "xml:k": "3", "a b:k": {"$": "v", "type": "a b:t/u"}},
                "1:x": {"ex:k": {"$": "a b:v", "type": "xsd:QName"}},
            },
        }
    )
    graph, same = again(raw)
    assert contents(same) == contents(graph)
    ours = ProvDocument.deserialize(content=written(graph).decode(), format="xml")
    assert {record.identifier.uri for record in ours.get_records()} == {"http://e/c/d", "http://one/x"}


def test_a_name_without_an_end_that_xml_has_is_refused() -> None:
    raw = b'{"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"ex:0/1": "v"}}}'
    with (
        graph_of(raw) as graph,
        pytest.raises(FormatError, match=r"'ex:0/1' .* does not end in a name that XML"),
    ):
        written(graph)


def test_characters_that_xml_cannot_have_are_shown_and_told(caplog: pytest.LogCaptureFixture) -> None:
    raw = json.dumps(
        {"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"ex:k": "a\x00\x1f\ufffe<&\r\n\t]]>"}}}
    )
    with caplog.at_level(logging.WARNING):
        graph, same = again(raw)
    ((_, _, attributes),) = said(same)
    assert attributes[0][1] == "a\\x00\\x1f\\xef\\xbf\\xbe<&\r\n\t]]>"
    assert caplog.text.count("characters that XML can't hold") == 1
    assert graph.count("element") == 1


def test_attributes_of_prov_come_in_the_order_of_the_schema() -> None:
    attributes = {"ex:a": "1", "prov:value": "2", "prov:type": "3", "prov:location": "4", "prov:label": "5"}
    raw = json.dumps({"prefix": {"ex": "http://e/"}, "entity": {"ex:e": attributes}})
    with graph_of(raw.encode()) as graph:
        (entity,) = etree.fromstring(written(graph))
    assert [child.tag.removeprefix(PROV) for child in entity] == [
        "label",
        "location",
        "type",
        "value",
        "{http://e/}a",
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=documents())
def test_random_documents_survive_and_are_well_formed_to_another_parser(raw: bytes) -> None:
    with graph_of(raw) as graph:
        text = written(graph)
        root = etree.fromstring(text)
        with formats.read_from(io.BytesIO(text), "again.xml", "xml") as same:
            assert contents(same) == contents(graph)
    assert root.tag == f"{PROV}document"


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ("<prov:entity/>", "line 3: prov:entity has no prov:id"),
        ("<prov:thing/>", "line 3: there is no record prov:thing in PROV-XML"),
        ("<prov:bundleContent/>", "line 3: prov:bundleContent has no prov:id"),
        ("\n<prov:used><prov:activity/></prov:used>", "line 4: prov:activity has no prov:ref"),
        (
            "<prov:used><prov:time>2021-02-29T00:00:00</prov:time></prov:used>",
            "line 3: prov:time: '2021-02-29T00:00:00' is no instant",
        ),
        ("<prov:used><prov:time>now</prov:time></prov:used>", "line 3: prov:time: 'now' is no instant"),
        (
            "<prov:used>" + '<prov:activity prov:ref="ex:a"/>' * 2 + "</prov:used>",
            "line 3: prov:used has two elements prov:activity",
        ),
        ('<prov:entity prov:id="ex:e"><k/></prov:entity>', "line 3: the element <k> has no namespace"),
        ('<prov:entity prov:id="ex:e"><ex:k xsi:type="no:t"/></prov:entity>', "line 3: the prefix of 'no:t'"),
        ('<prov:entity prov:id="ex:e">', "line 3: mismatched tag"),
    ],
)  # fmt: skip
def test_a_wrong_document_gets_one_sentence_with_the_line(record: str, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(record).close()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
