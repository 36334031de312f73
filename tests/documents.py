"""Random documents for laws: everything that PROV-DM has, as PROV-JSON that our reader takes."""

from __future__ import annotations

import io
import json
from typing import Any

from hypothesis import strategies as st

from mlflow2prov import Graph, formats
from mlflow2prov.prov.records import KINDS

PREFIXES = {
    "ex": "http://example.org/",
    "other": "http://other.org/things#",
    "default": "http://default.example/",
    "a-b.c": "urn:dots:",
}
LOCALS = (
    "a",
    "b",
    "c/d",
    "é",
    "x-1",
    "1",
    "0/1",
    "with space",
    "a:b",
    "p(1)='x',;",
    "-.",
    "100%",
    "t.",
    'q"<&>',
    "A_1",
)
NAMES = st.sampled_from(
    [f"{p}{local}" for p in ("ex:", "other:", "", "a-b.c:") for local in LOCALS if p or ":" not in local]
)
NCNAMES = st.sampled_from(
    [f"{p}{local}" for p in ("ex:", "other:", "") for local in ("a", "b", "é", "x-1", "A_1")]
)
"""Names that every format can spell, also as attributes and datatypes."""

TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=8
) | st.sampled_from(
    [
        "",
        " ",
        "a\nb",
        "tab\t",
        "cr\r\n",
        '"quoted"',
        "back\\slash",
        "]]>",
        "<&>",
        "'",
        "\\u0041",
        "%%",
        "x" * 300,
        " edge ",
    ]
)
TIMES = st.sampled_from(
    [
        "2020-01-01T00:00:00Z",
        "2021-06-01T12:00:00.5+02:00",
        "2012-03-02T10:30:00",
        "2012-03-02T10:30:00.123456-11:00",
    ]
)
TYPED = st.one_of(
    st.builds(lambda v: {"$": str(v), "type": "xsd:int"}, st.integers(-9, 9)),
    st.builds(lambda v: {"$": str(v), "type": "xsd:long"}, st.integers(2**40, 2**41)),
    st.builds(
        lambda v: {"$": v, "type": "xsd:double"}, st.sampled_from(["1.5", "INF", "-INF", "NaN", "1e-7"])
    ),
    st.builds(lambda v: {"$": v, "type": "xsd:boolean"}, st.sampled_from(["true", "false", "1"])),
    st.builds(lambda v: {"$": v, "type": "xsd:dateTime"}, TIMES),
    st.builds(lambda v: {"$": v, "type": "xsd:anyURI"}, st.sampled_from(["http://x.org/a b", "mailto:a@b"])),
    st.builds(lambda v: {"$": v, "type": "xsd:base64Binary"}, st.just("AAEC")),
    st.builds(lambda v, t: {"$": v, "type": t}, TEXTS, NCNAMES),
    st.builds(lambda v: {"$": v, "type": "xsd:QName"}, NAMES),
)
LANGUAGE = st.builds(lambda v, t: {"$": v, "lang": t}, TEXTS, st.sampled_from(["en", "de-CH", "pt-br"]))
VALUES = TEXTS | TYPED | LANGUAGE


def _attributes(lists: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(["prov:label", "prov:type", "prov:value", "prov:location", "prov:role"]) | NCNAMES
    return st.dictionaries(names, VALUES | lists, max_size=3)


ATTRIBUTES = _attributes(st.lists(VALUES, min_size=1, max_size=3, unique_by=repr))
WITH_COPIES = _attributes(
    st.builds(lambda value, number, other: [value] * number + [other], VALUES, st.integers(1, 3), VALUES)
)
"""Likewise, with values that an attribute has several times."""


@st.composite
def containers(draw: st.DrawFn, *, plain_links: bool = True, copies: bool = False) -> dict[str, Any]:
    """A document without prefixes, or a bundle; one identifier may have several records.

    ``plain_links`` keeps identifiers and attributes off relations for which PROV-DM has none; ``copies``
    lets an attribute have one value several times.
    """
    attributes = WITH_COPIES if copies else ATTRIBUTES
    made: dict[str, Any] = {}
    for kind in draw(st.lists(st.sampled_from(KINDS), unique=True, max_size=6)):
        is_plain = plain_links and kind.name in {"specializationOf", "alternateOf", "hadMember", "mentionOf"}
        records: dict[str, Any] = {}
        for position in range(draw(st.integers(1, 4))):
            body: dict[str, Any] = {} if is_plain else dict(draw(attributes))
            for index, name in enumerate(kind.references):
                if index < kind.required or draw(st.booleans()):
                    body[f"prov:{name}"] = draw(NAMES)
            for name in kind.times:
                if draw(st.booleans()):
                    body[f"prov:{name}"] = draw(TIMES)
            has_name = kind.is_element or (not is_plain and draw(st.booleans()))
            key = draw(NAMES) if has_name else f"_:{kind.name}{position}"
            if key in records and not key.startswith("_:"):
                before = records[key]
                records[key] = [*before, body] if isinstance(before, list) else [before, body]
            else:
                records[key] = body
        if records:
            made[kind.name] = records
    return made


@st.composite
def documents(draw: st.DrawFn, *, plain_links: bool = True, copies: bool = False) -> bytes:
    """A PROV-JSON document, half of them with bundles, some of these with prefixes of their own."""
    some = containers(plain_links=plain_links, copies=copies)
    document: dict[str, Any] = {"prefix": PREFIXES, **draw(some)}
    if draw(st.booleans()):
        document["bundle"] = {}
        for name in draw(st.lists(NAMES, min_size=1, max_size=2, unique=True)):
            own = {"prefix": {"ex": "http://inner.example/"}} if draw(st.booleans()) else {}
            document["bundle"][name] = {**own, **draw(some)}
    return json.dumps(document).encode()


def graph_of(raw: bytes) -> Graph:
    """The graph of a PROV-JSON document."""
    return formats.read_from(io.BytesIO(raw), "random.json", "json")
