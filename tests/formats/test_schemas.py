"""What we write, by the schemas of the standards: the W3C's for PROV-XML, the submissions' for the others."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema.validators import validator_for
from lxml import etree

from documents import documents, graph_of
from mlflow2prov import Graph, formats

CASES = Path(__file__).parents[3] / "shared" / "cases"
SCHEMAS = CASES / "schemas"
DOCUMENTS = sorted((CASES / "documents" / "json").glob("*.json"))
GROUPS = 6

if not CASES.is_dir():
    pytest.skip("the shared cases are not beside the project: get ../shared/cases", allow_module_level=True)

XSD = etree.XMLSchema(etree.parse(str(SCHEMAS / "prov.xsd")))
FOREIGN_TYPE = (
    "a datatype that the schema, of XML Schema 1.0, does not know (XML Schema 1.1, or the document's own)"
)
MISSING = "an argument that PROV-DM requires is missing in the document, which the schema does not allow"
SEVERAL = "several records of one identifier are an array in PROV-JSON, which the schema does not have"
NO_MENTION = "neither submission has mentionOf in its schema"
MISSPELT = "the schema spells wasEndedBy with a small b, against its own text (section 3.2.5)"
PLAIN_LINKS = (
    "the schema gives specialization, alternate, membership and mention no identifier nor attributes"
)
OF_ENTITIES = "the schema has prov:value once, and on entities only"
ODD_NAME = "a name that is no xsd:QName: PROV-DM's local names may be of any characters"
TYPED_LABEL = (
    "the schema has prov:label as a text, with a language or none: PROV-DM has labels of no other datatype"
)
NO_PLACE = "the schema has prov:location and prov:role for some kinds of record only"

QUIRKS: dict[str, list[tuple[str, str]]] = {
    "xml": [
        (r"does not resolve to a type definition|type definition is absent", FOREIGN_TYPE),
        (r"Missing child element\(s\)\. Expected is|not expected\. Expected is \( \{[^}]*\}\w+ \)", MISSING),
        (r"attribute 'prov:(id|ref)'|attribute '\{[^}]*prov#\}(id|ref)'.*(not a valid|invalid)", ODD_NAME),
        (r"'xs:QName'|'\{[^}]*XMLSchema\}QName'", ODD_NAME),
    ],
    "json": [
        (r"'wasEndedBy' was unexpected", MISSPELT),
        (r"'prov:\w+' is a required property", MISSING),
        (r"is not of type 'object'", SEVERAL),
        (r"'mentionOf' was unexpected", NO_MENTION),
    ],
    "jsonld": [(r"'@type': 'provext:Mention'", NO_MENTION)],
}
"""What the schemas say against right documents, and why."""

DAMAGE = {
    "xml": (
        b"</prov:document>",
        b'<prov:used prov:odd="x"><prov:activity prov:ref="ex:e"/></prov:used></prov:document>',
    ),
    "json": (b'{\n"', b'{\n"entitty": {}, "'),
    "jsonld": (b"\n]}", b'\n,{"@type":"Thing"}]}'),
}
"""What each schema must refuse, so that the test can fail."""


def validator(name: str) -> Any:
    schema = json.loads((SCHEMAS / f"prov-{name}.schema.json").read_text(encoding="utf-8"))
    return validator_for(schema)(schema)


VALIDATORS = {name: validator(name) for name in ("json", "jsonld")}


def written(graph: Graph, name: str) -> bytes:
    file = io.BytesIO()
    formats.write_to(graph, file, name)
    return file.getvalue()


def complaints(raw: bytes, name: str) -> list[str]:
    """What the schema of a format says against a document."""
    if name == "xml":
        XSD.validate(etree.fromstring(raw))
        return [f"line {error.line}: {error.message}" for error in XSD.error_log]
    return [error.message for error in VALIDATORS[name].iter_errors(json.loads(raw))]


def unexplained(raw: bytes, name: str) -> list[str]:
    return [
        said
        for said in complaints(raw, name)
        if not any(re.search(pattern, said, re.DOTALL) for pattern, _ in QUIRKS[name])
    ]


@pytest.mark.parametrize("group", range(GROUPS))
def test_what_is_written_of_a_case_is_valid(group: int) -> None:
    for turn, path in enumerate(DOCUMENTS):
        if turn % GROUPS == group:
            with formats.read(path) as graph:
                for name in ("xml", ("json", "jsonld")[turn // GROUPS % 2]):
                    assert unexplained(written(graph, name), name) == [], path.name


def test_most_cases_need_no_explanation() -> None:
    plain = [path for path in DOCUMENTS[::8] if "attr" not in path.name and "scruffy" not in path.name]
    valid = 0
    for path in plain:
        with formats.read(path) as graph:
            valid += not any(complaints(written(graph, name), name) for name in ("json", "jsonld"))
    assert valid > len(plain) * 0.6


@pytest.mark.parametrize("name", ["xml", "json", "jsonld"])
def test_the_schemas_refuse_what_is_wrong(name: str) -> None:
    with formats.read(CASES / "documents" / "json" / "entity3.json") as graph:
        raw = written(graph, name)
    assert complaints(raw, name) == []
    assert unexplained(raw.replace(*DAMAGE[name], 1), name) != []


RANDOM_QUIRKS: dict[str, list[tuple[str, str]]] = {
    "xml": [
        *QUIRKS["xml"],
        (
            r"Element '\{[^}]*prov#\}(value|role|location|type)': This element is not expected",
            f"{OF_ENTITIES}; {NO_PLACE}",
        ),
        (r"prov#\}label', attribute.*not validly derived", TYPED_LABEL),
        (r"^line \d+: Element '\{[^}]*\}(specializationOf|alternateOf|hadMember|mentionOf)'", PLAIN_LINKS),
    ],
    "jsonld": QUIRKS["jsonld"],
}


@pytest.mark.parametrize("name", ["xml", "jsonld"])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=documents())
def test_what_is_written_of_a_random_document_is_valid(name: str, raw: bytes) -> None:
    with graph_of(raw) as graph:
        text = written(graph, name)
    patterns = RANDOM_QUIRKS[name]
    odd = [
        said for said in complaints(text, name) if not any(re.search(p, said, re.DOTALL) for p, _ in patterns)
    ]
    assert odd == []
