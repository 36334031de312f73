"""Figures about a graph, and their picture over time."""

from __future__ import annotations

import csv
import io
import json
import random
import time
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from prov.model import ProvDocument

from documents import documents, graph_of
from mlflow2prov import Graph
from mlflow2prov.errors import UsageError
from mlflow2prov.graph.plot import MOST_BARS, counts_over_time, plot
from mlflow2prov.graph.statistics import RESOLUTIONS, TEXT_FORMATS, Statistics, statistics
from mlflow2prov.prov.records import KIND_BY_NAME, KIND_BY_NUMBER

DOCUMENT: dict[str, Any] = {
    "prefix": {"ex": "http://example.org/", "other": "http://other.org/"},
    "entity": {
        "ex:a": {
            "prov:type": [
                {"$": "ex:Data", "type": "xsd:QName"},
                {"$": "prov:Collection", "type": "xsd:QName"},
            ]
        },
        "ex:b": {"prov:type": {"$": "ex:Data", "type": "xsd:QName"}},
        "other:alone": {},
    },
    "activity": {
        "ex:work": {"prov:startTime": "2020-01-01T01:00:00+02:00", "prov:endTime": "2020-01-03T00:00:00.250Z"}
    },
    "agent": {"ex:ada": {}},
    "wasGeneratedBy": {
        "_:1": {"prov:entity": "ex:a", "prov:activity": "ex:work", "prov:time": "2020-01-02T00:00:00Z"},
        "_:2": {"prov:entity": "ex:b", "prov:activity": "ex:work"},
    },
    "wasDerivedFrom": {
        "_:3": {"prov:generatedEntity": "ex:a", "prov:usedEntity": "ex:gone", "prov:generation": "ex:no"},
        "_:4": {"prov:generatedEntity": "ex:b", "prov:usedEntity": "ex:gone"},
    },
}


def graph_from(document: dict[str, Any]) -> Graph:
    return graph_of(json.dumps(document).encode())


def fine(document: dict[str, Any] | None = None) -> Statistics:
    with graph_from(DOCUMENT if document is None else document) as graph:
        return statistics(graph, "fine")


def told(counted: Statistics, what: str) -> dict[str, Any]:
    return {name: value for sort, name, value in counted.rows if sort == what}


def test_coarse_counts_elements_by_kind_and_relations_as_a_whole() -> None:
    with graph_from(DOCUMENT) as graph:
        assert statistics(graph).rows == (
            ("element", "entity", 3),
            ("element", "activity", 1),
            ("element", "agent", 1),
            ("relation", "all", 4),
        )


def test_fine_counts_by_relation_type_and_namespace() -> None:
    counted = fine()
    assert counted.counts("relation") == {"wasGeneratedBy": 2, "wasDerivedFrom": 2}
    assert counted.counts("type") == {"ex:Data": 2, "prov:Collection": 1}
    assert counted.counts("namespace") == {"http://example.org/": 4, "http://other.org/": 1}


def test_fine_tells_in_how_many_relations_elements_stand() -> None:
    counted = fine()
    assert told(counted, "degree") == {"least": 0, "mean": round(8 / 6, 3), "most": 2}
    assert list(told(counted, "most related")) == ["ex:a", "ex:b", "ex:gone", "ex:work"]


def test_fine_counts_connected_components() -> None:
    assert told(fine(), "component") == {"number": 3, "elements of the largest": 4}


def test_fine_tells_the_first_and_the_last_instant_in_utc() -> None:
    assert told(fine(), "time") == {"first": "2019-12-31T23:00:00Z", "last": "2020-01-03T00:00:00.25Z"}


def test_times_that_are_none_are_counted() -> None:
    activities = {f"ex:{n}": {"prov:startTime": "2020-01-01T00:00:00"} for n in range(3)}
    with graph_from({"prefix": DOCUMENT["prefix"], "activity": activities}) as graph:
        for number, text in enumerate(("infinity", "yesterday")):
            graph.store.run(f"UPDATE {graph.schema}.element SET start_time = '{text}' WHERE rowid = {number}")
        assert told(statistics(graph, "fine"), "time") == {
            "first": "2020-01-01T00:00:00Z",
            "last": "2020-01-01T00:00:00Z",
            "unreadable": 2,
        }


def test_fine_names_what_relations_name_and_nothing_describes() -> None:
    counted = fine()
    assert told(counted, "dangling") == {"identifiers": 2}
    assert told(counted, "not described") == {"ex:gone": 2, "ex:no": 1}


def test_a_described_generation_and_a_bundle_do_not_dangle() -> None:
    document = {
        "prefix": {"ex": "http://e/"},
        "entity": {"ex:a": {}, "ex:b": {}},
        "wasGeneratedBy": {"ex:g": {"prov:entity": "ex:a"}},
        "wasDerivedFrom": {
            "_:1": {"prov:generatedEntity": "ex:a", "prov:usedEntity": "ex:b", "prov:generation": "ex:g"}
        },
        "mentionOf": {
            "_:2": {"prov:specificEntity": "ex:a", "prov:generalEntity": "ex:b", "prov:bundle": "ex:bundle"}
        },
        "bundle": {"ex:bundle": {"entity": {"ex:b": {}}}},
    }
    assert told(fine(document), "dangling") == {"identifiers": 0}
    del document["bundle"]
    assert told(fine(document), "not described") == {"ex:bundle": 1}


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_an_empty_graph_has_figures(resolution: str) -> None:
    counted = statistics(Graph.empty(), resolution)
    assert counted.counts("element") == {"entity": 0, "activity": 0, "agent": 0}
    for name in TEXT_FORMATS:
        assert counted.text(name)


def components(graph: Graph) -> tuple[int, int]:
    """Number and largest size of the components, one edge at a time."""
    parent: dict[int, int] = {}

    def root(v: int) -> int:
        parent.setdefault(v, v)
        while parent[v] != v:
            parent[v] = parent[parent[v]]
            v = parent[v]
        return v

    for (v,) in graph.query("SELECT id FROM {graph}.element"):
        root(v)
    for kind, *ends in graph.query("SELECT kind, a1, a2, a3, a4, a5 FROM {graph}.relation"):
        names = KIND_BY_NUMBER[kind].references
        present = [
            end
            for name, end in zip(names, ends, strict=False)
            if end is not None and name not in ("generation", "usage", "bundle")
        ]
        for end in present:
            parent[root(end)] = root(present[0])
    sizes: dict[int, int] = {}
    for v in parent:
        sizes[root(v)] = sizes.get(root(v), 0) + 1
    return len(sizes), max(sizes.values(), default=0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_components_are_those_of_union_find(raw: bytes) -> None:
    with graph_of(raw) as graph:
        counted = told(statistics(graph, "fine"), "component")
        assert (counted["number"], counted["elements of the largest"]) == components(graph)


def derivations(pairs: list[tuple[int, int]], count: int) -> Graph:
    import pyarrow as pa

    graph = Graph.empty()
    store = graph.store
    store.run(f"INSERT INTO {graph.schema}.prefix VALUES ('ex', 'http://e/')")
    store.run(
        f"INSERT INTO {graph.schema}.name SELECT i::INTEGER, 'ex', concat('e', i) FROM range({count}) t(i)"
    )
    store.run(
        f"INSERT INTO {graph.schema}.element (bundle, kind, id) SELECT 0, 1, i::INTEGER FROM range({count}) t(i)"
    )
    columns = {
        "bundle": pa.array([0] * len(pairs), pa.int32()),
        "kind": pa.array([KIND_BY_NAME["wasDerivedFrom"].number] * len(pairs), pa.uint8()),
        "a1": pa.array([a for a, _ in pairs], pa.int32()),
        "a2": pa.array([b for _, b in pairs], pa.int32()),
    }
    store.append(f"{graph.schema}.relation", pa.table(columns))
    return graph


def test_components_of_large_graphs_and_long_chains_take_seconds() -> None:
    count, chance = 100_000, random.Random(1)
    order = list(range(count))
    chance.shuffle(order)
    chain = [(order[i], order[i + 1]) for i in range(count - 1)]
    scattered = [(chance.randrange(count), chance.randrange(count)) for _ in range(count // 2)]
    for pairs in (chain, scattered):
        with derivations(pairs, count) as graph:
            start = time.process_time()
            counted = told(statistics(graph, "fine"), "component")
            assert time.process_time() - start < 10
            assert (counted["number"], counted["elements of the largest"]) == components(graph)


def test_csv_json_and_markdown_say_the_same() -> None:
    awkward = Statistics(
        "fine", (("type", 'a|b\n"c", \\d', 1), ("degree", "mean", 1.5), ("time", "first", "2020"))
    )
    assert list(csv.reader(io.StringIO(awkward.text("csv")))) == [
        ["what", "name", "count"],
        *([str(cell) for cell in row] for row in awkward.rows),
    ]
    assert json.loads(awkward.text("json")) == {
        "type": {'a|b\n"c", \\d': 1},
        "degree": {"mean": 1.5},
        "time": {"first": "2020"},
    }
    assert awkward.text("markdown").splitlines() == [
        "| what | name | count |",
        "| --- | --- | ---: |",
        '| type | a\\|b "c", \\\\d | 1 |',
        "| degree | mean | 1.5 |",
        "| time | first | 2020 |",
    ]
    assert awkward.counts("type") == {'a|b\n"c", \\d': 1}


def test_an_unknown_resolution_or_format_is_refused() -> None:
    with pytest.raises(UsageError, match="there is: coarse, fine"):
        statistics(Graph.empty(), "medium")
    with pytest.raises(UsageError, match="there is: csv, json, markdown"):
        statistics(Graph.empty()).text("yaml")


def picture(graph: Graph, **options: Any) -> ElementTree.Element:
    file = io.BytesIO()
    plot(graph, file, **options)
    return ElementTree.fromstring(file.getvalue())


def texts(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_things_count_when_they_came_to_be() -> None:
    with graph_from(DOCUMENT) as graph:
        counts = counts_over_time(graph, by="type")
        assert counts.series.keys() == {"ex:Data", "activity"}
        assert {name: sum(values) for name, values in counts.series.items()} == {"ex:Data": 2, "activity": 1}
        assert counts.starts[0].isoformat() == "2019-12-31T23:00:00+00:00"
        assert counts.step == (30, "minute")
        assert counts.series["ex:Data"][0] == 1
        assert counts.series["ex:Data"][-1] == 1
        assert counts_over_time(graph, by="kind").series.keys() == {"entity", "activity"}
        shown = texts(picture(graph))
    assert {"ex:Data (2)", "activity (1)", "2019-12-31"} <= set(shown)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:59Z"),
        ("2020-01-01T00:00:00Z", "2020-03-01T12:00:00Z"),
        ("1999-12-31T23:59:59Z", "2024-02-29T00:00:00-11:00"),
        ("1000-01-01T00:00:00Z", "9998-12-31T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "12000-01-01T00:00:00Z"),
    ],
)
def test_any_span_has_few_bars_and_labels_that_can_be_read(first: str, last: str) -> None:
    document = {
        "prefix": {"ex": "http://e/"},
        "activity": {"ex:a": {"prov:startTime": first}, "ex:b": {"prov:startTime": last}},
    }
    with graph_from(document) as graph:
        counts = counts_over_time(graph)
        assert len(counts.starts) <= MOST_BARS + 1
        root = picture(graph)
    if first.startswith("0001"):
        assert texts(root) == ["Nothing in this document has a time."]
        return
    assert sum(counts.series["activity"]) == 2
    below = [
        text for text in root.iter("{http://www.w3.org/2000/svg}text") if float(text.get("y", "0")) > 370
    ]
    assert 1 <= len({text.get("x") for text in below}) <= 6


def test_a_graph_without_times_has_a_picture_that_says_so() -> None:
    assert texts(picture(Graph.empty())) == ["Nothing in this document has a time."]


def test_many_types_are_joined_and_any_name_is_shown() -> None:
    entities, generated = {}, {}
    for number in range(20):
        kind = "<&>\"'\x01\ufffe" if number == 0 else f"type {number} with a rather long name"
        entities[f"ex:{number}"] = {"prov:type": kind}
        generated[f"_:{number}"] = {
            "prov:entity": f"ex:{number}",
            "prov:time": f"2020-01-{number + 1:02}T00:00:00Z",
        }
    with graph_from(
        {"prefix": {"ex": "http://e/"}, "entity": entities, "wasGeneratedBy": generated}
    ) as graph:
        shown = texts(picture(graph))
    assert "12 others (12)" in shown
    assert any(text.startswith("<&>\"'") for text in shown)
    with pytest.raises(UsageError, match="there is: type, kind"):
        plot(Graph.empty(), io.BytesIO(), by="colour")


def test_a_plot_has_room_for_the_longest_of_our_types() -> None:
    named = "m2p:RegisteredModelVersionTag"
    document = ProvDocument()
    document.add_namespace("m2p", "https://w3id.org/mlflow2prov#")
    document.add_namespace("ex", "http://example.org/")
    document.activity(
        "ex:a", "2024-03-01T00:00:00Z", other_attributes={"prov:type": document.valid_qualified_name(named)}
    )
    file = io.BytesIO()
    plot(Graph.from_prov(document), file)
    assert f">{named} (1)<" in file.getvalue().decode()
