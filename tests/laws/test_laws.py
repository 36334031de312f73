"""Laws that hold for any document, tried on random ones."""

from __future__ import annotations

import io

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prov.model import ProvDocument

from mlflow2prov import Graph, formats, merge
from mlflow2prov.prov.records import KINDS

NAMES = st.sampled_from(
    [f"{prefix}:{local}" for prefix in ("ex", "other") for local in ("a", "b", "c/d", "é", "x-1")]
)
VALUES = st.one_of(
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=8),
    st.builds(lambda text: {"$": text, "lang": "en"}, st.text("ab", max_size=3)),
    st.builds(lambda number: {"$": str(number), "type": "xsd:int"}, st.integers(0, 9)),
    st.builds(lambda name: {"$": name, "type": "xsd:QName"}, NAMES),
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["prov:label", "prov:type", "ex:k", "other:k"]),
    st.one_of(VALUES, st.lists(VALUES, min_size=1, max_size=3)),
    max_size=3,
)
TIMES = st.sampled_from(["2020-01-01T00:00:00Z", "2021-06-01T12:00:00.5+02:00"])


@st.composite
def containers(draw: st.DrawFn) -> dict[str, object]:
    made: dict[str, object] = {}
    for kind in draw(st.lists(st.sampled_from(KINDS), unique=True, max_size=5)):
        records: dict[str, object] = {}
        for position in range(draw(st.integers(1, 3))):
            body: dict[str, object] = dict(draw(ATTRIBUTES))
            for index, name in enumerate(kind.references):
                if index < kind.required or draw(st.booleans()):
                    body[f"prov:{name}"] = draw(NAMES)
            for name in kind.times:
                if draw(st.booleans()):
                    body[f"prov:{name}"] = draw(TIMES)
            key = draw(NAMES) if kind.is_element or draw(st.booleans()) else f"_:r{position}"
            records[key] = body
        made[kind.name] = records
    return made


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    import json

    document = {"prefix": {"ex": "http://example.org/", "other": "http://other.org/"}, **draw(containers())}
    if draw(st.booleans()):
        document["bundle"] = {draw(NAMES): draw(containers())}
    return json.dumps(document).encode()


def graph_of(raw: bytes) -> Graph:
    return formats.read_from(io.BytesIO(raw), "random.json", "json")


def text_of(graph: Graph, format_name: str = "json") -> bytes:
    file = io.BytesIO()
    formats.write_to(graph, file, format_name)
    return file.getvalue()


def meaning(graph: Graph) -> ProvDocument:
    return ProvDocument.deserialize(content=text_of(graph).decode(), format="json")


few = settings(max_examples=35, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@few
@given(raw=documents())
def test_the_library_finds_in_what_is_written_what_it_finds_in_what_was_read(raw: bytes) -> None:
    """What other formats keep is tried in ``test_round_trips.py``."""
    with graph_of(raw) as graph:
        assert meaning(graph) == ProvDocument.deserialize(content=raw.decode(), format="json")


@few
@given(raw=documents())
def test_eliminating_duplicates_twice_is_as_good_as_once(raw: bytes) -> None:
    with graph_of(raw) as graph, graph.eliminate_duplicates() as once, once.eliminate_duplicates() as twice:
        assert text_of(once) == text_of(twice)


@few
@given(raw=documents())
def test_merging_a_document_with_itself_adds_nothing(raw: bytes) -> None:
    with (
        graph_of(raw) as one,
        graph_of(raw) as same,
        merge([one, same]) as merged,
        one.eliminate_duplicates() as plain,
    ):
        assert text_of(merged) == text_of(plain)


@few
@given(left=documents(), right=documents())
def test_the_order_of_a_merge_does_not_matter(left: bytes, right: bytes) -> None:
    with graph_of(left) as a, graph_of(right) as b, merge([a, b]) as ab, merge([b, a]) as ba:
        assert meaning(ab) == meaning(ba)
        assert sorted(ab.statistics("fine").rows) == sorted(ba.statistics("fine").rows)


@few
@given(left=documents(), right=documents())
def test_a_merge_loses_no_identifier(left: bytes, right: bytes) -> None:
    with graph_of(left) as a, graph_of(right) as b, merge([a, b]) as merged:
        names = "SELECT DISTINCT n.prefix, n.local FROM {graph}.element e JOIN {graph}.name n ON n.id = e.id"
        assert set(merged.query(names)) == set(a.query(names)) | set(b.query(names))
