"""Merging and eliminating duplicates: what becomes one, what stays two, and what is never lost."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from contents import contents, expanded
from documents import graph_of
from mlflow2prov import Graph, merge

EX = "http://example.org/"
PREFIX = {"ex": EX}
START, END = "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"


def graph_from(_prefix: dict[str, str] | None = None, **records: Any) -> Graph:
    return graph_of(json.dumps({"prefix": _prefix or PREFIX, **records}).encode())


def records_of(graph: Graph) -> set[tuple[Any, ...]]:
    """The records, each once: kind, identifier, arguments, times, values by the name of their attribute."""
    found = contents(graph)
    assert set(found.values()) <= {1}
    return {
        (kind, own, arguments[:5], times, tuple((name, value) for name, value, *_ in attributes))
        for _, kind, own, arguments, times, attributes in found
    }


def expected(document: dict[str, Any], prefix: dict[str, str] | None = None) -> set[tuple[Any, ...]]:
    with graph_from(prefix, **document) as graph:
        return records_of(graph)


def test_prefixes_that_mean_different_things_are_renamed() -> None:
    """In identifiers, arguments, names of attributes, datatypes and qualified names as values."""
    records = {
        "entity": {
            "ex:a": {
                "ex:k": {"$": "1", "type": "ex:unit"},
                "prov:type": {"$": "ex:Thing", "type": "xsd:QName"},
                "ex:text": "ex:a",
            },
            "plain": {},
        },
        "wasDerivedFrom": {"_:d": {"prov:generatedEntity": "ex:a", "prov:usedEntity": "plain"}},
        "bundle": {"ex:b": {"entity": {"ex:a": {}}}},
    }
    spaces = [
        {"ex": EX, "default": "http://one.example/"},
        {"ex": "http://two.example/", "default": "http://other.example/"},
        {"ex": "http://other.example/", "more": EX, "default": EX},
    ]
    graphs = [graph_from(space, **records) for space in spaces]
    with merge(graphs) as merged:
        assert set(contents(merged)) == set().union(*(contents(graph) for graph in graphs))
        prefixes = merged.prefixes()
        assert len(set(prefixes.values())) == len(prefixes)
        assert {prefixes["ex"], prefixes[""]} == {EX, "http://one.example/"}
        assert {"http://two.example/", "http://other.example/"} <= set(prefixes.values())
        keys = merged.query("SELECT name, datatype FROM {graph}.attribute_key WHERE datatype LIKE '%unit'")
        assert {(expanded(name, prefixes), expanded(datatype, prefixes)) for name, datatype in keys} == {
            (f"{space['ex']}k", f"{space['ex']}unit") for space in spaces
        }


def test_two_prefixes_of_one_namespace_are_the_same() -> None:
    one = graph_from({"ex": EX}, entity={"ex:a": {"ex:k": "1"}})
    two = graph_from({"other": EX}, entity={"other:a": {"other:k": "2"}})
    with merge([one, two]) as merged:
        assert records_of(merged) == expected({"entity": {"ex:a": {"ex:k": ["1", "2"]}}})


UNIFIED: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "times of an activity": (
        {"activity": {"ex:a": {"prov:startTime": START, "ex:k": "1"}}},
        {"activity": {"ex:a": {"prov:endTime": END, "ex:k": ["1", "2"]}}},
        {"activity": {"ex:a": {"prov:startTime": START, "prov:endTime": END, "ex:k": ["1", "2"]}}},
    ),
    "an activity and the time of a generation": (
        {"wasGeneratedBy": {"ex:g": {"prov:entity": "ex:e", "prov:activity": "ex:a"}}},
        {"wasGeneratedBy": {"ex:g": {"prov:entity": "ex:e", "prov:time": START, "prov:role": "r"}}},
        {
            "wasGeneratedBy": {
                "ex:g": {"prov:entity": "ex:e", "prov:activity": "ex:a", "prov:time": START, "prov:role": "r"}
            }
        },
    ),
    "a plan": (
        {"wasAssociatedWith": {"ex:w": {"prov:activity": "ex:a", "prov:plan": "ex:p"}}},
        {"wasAssociatedWith": {"ex:w": {"prov:activity": "ex:a", "prov:agent": "ex:g"}}},
        {"wasAssociatedWith": {"ex:w": {"prov:activity": "ex:a", "prov:agent": "ex:g", "prov:plan": "ex:p"}}},
    ),
    "a trigger and a starter": (
        {"wasStartedBy": {"ex:s": {"prov:activity": "ex:a", "prov:trigger": "ex:t"}}},
        {"wasStartedBy": {"ex:s": {"prov:activity": "ex:a", "prov:starter": "ex:b", "prov:time": START}}},
        {
            "wasStartedBy": {
                "ex:s": {
                    "prov:activity": "ex:a",
                    "prov:trigger": "ex:t",
                    "prov:starter": "ex:b",
                    "prov:time": START,
                }
            }
        },
    ),
    "activity, generation and usage of a derivation": (
        {
            "wasDerivedFrom": {
                "ex:d": {"prov:generatedEntity": "ex:e", "prov:usedEntity": "ex:f", "prov:activity": "ex:a"}
            }
        },
        {
            "wasDerivedFrom": {
                "ex:d": {
                    "prov:generatedEntity": "ex:e",
                    "prov:usedEntity": "ex:f",
                    "prov:generation": "ex:g",
                    "prov:usage": "ex:u",
                }
            }
        },
        {
            "wasDerivedFrom": {
                "ex:d": {
                    "prov:generatedEntity": "ex:e",
                    "prov:usedEntity": "ex:f",
                    "prov:activity": "ex:a",
                    "prov:generation": "ex:g",
                    "prov:usage": "ex:u",
                }
            }
        },
    ),
    "the activity of a delegation": (
        {"actedOnBehalfOf": {"ex:b": {"prov:delegate": "ex:x", "prov:responsible": "ex:y"}}},
        {
            "actedOnBehalfOf": {
                "ex:b": {"prov:delegate": "ex:x", "prov:responsible": "ex:y", "prov:activity": "ex:a"}
            }
        },
        {
            "actedOnBehalfOf": {
                "ex:b": {"prov:delegate": "ex:x", "prov:responsible": "ex:y", "prov:activity": "ex:a"}
            }
        },
    ),
}


@pytest.mark.parametrize(("first", "second", "together"), UNIFIED.values(), ids=UNIFIED)
def test_formal_arguments_are_unified(
    first: dict[str, Any], second: dict[str, Any], together: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with merge([graph_from(**first), graph_from(**second)]) as merged:
        assert records_of(merged) == expected(together)
    ((kind, records),) = first.items()
    ((name, body),) = records.items()
    other = second[kind][name]
    with graph_from(**{kind: {name: [body, other]}}) as both, both.eliminate_duplicates() as once:
        assert records_of(once) == expected(together)
    assert not caplog.records


CONTRARY: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "starts": (
        "activity",
        {"prov:startTime": START},
        {"prov:startTime": END},
        f"its startTime is {START} (in one.json)",
    ),
    "activities": (
        "wasGeneratedBy",
        {"prov:entity": "ex:e", "prov:activity": "ex:a"},
        {"prov:entity": "ex:e", "prov:activity": "ex:b"},
        "its activity is ex:a (in one.json), and also ex:b (in two.json)",
    ),
    "plans": (
        "wasAssociatedWith",
        {"prov:activity": "ex:a", "prov:agent": "ex:g", "prov:plan": "ex:p"},
        {"prov:activity": "ex:a", "prov:agent": "ex:g", "prov:plan": "ex:q"},
        "its plan is ex:p (in one.json), and also ex:q (in two.json)",
    ),
}


@pytest.mark.parametrize(("kind", "first", "second", "says"), CONTRARY.values(), ids=CONTRARY)
def test_what_contradicts_is_kept_and_said(
    kind: str, first: dict[str, Any], second: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    one, two = graph_from(**{kind: {"ex:x": first}}), graph_from(**{kind: {"ex:x": second}})
    one.origin, two.origin = "one.json", "two.json"
    with merge([one, two]) as merged:
        assert records_of(merged) == records_of(one) | records_of(two)
    assert says in caplog.text


def test_what_contradicts_within_one_document_is_said_to_be_there(caplog: pytest.LogCaptureFixture) -> None:
    body = [{"prov:startTime": START}, {"prov:startTime": END}]
    one = graph_from(activity={"ex:x": body})
    one.origin = "one.json"
    with merge([one]):
        assert f"its startTime is {START}, and also {END} (both in one.json); both records" in caplog.text
    assert "1 identifier has records that contradict each other" in caplog.text


def test_the_union_is_named_by_what_it_comes_from(caplog: pytest.LogCaptureFixture) -> None:
    graphs = [graph_from(activity={"ex:x": {"prov:startTime": START}}) for _ in range(6)]
    for graph in graphs:
        graph.origin = None
    with merge(graphs[:2]) as merged:
        assert merged.origin is None
    for number, graph in enumerate(graphs):
        graph.origin = f"{number}.json"
    for count, name in (
        (1, "0.json"),
        (2, "0.json and 1.json"),
        (3, "0.json, 1.json and 2.json"),
        (6, "0.json and 5 more"),
    ):
        with merge(graphs[:count]) as merged:
            assert merged.origin == name
    later = graph_from(activity={"ex:x": {"prov:startTime": END}})
    later.origin = "later.json"
    with merge(graphs[:2]) as merged, merge([merged, later]):
        assert f"{START} (in 0.json and 1.json), and also {END} (in later.json)" in caplog.text


NOTHING_LOST: dict[str, list[dict[str, Any]]] = {
    "used": [
        {"prov:activity": "ex:a", "prov:entity": "ex:e", "prov:time": START},
        {"prov:activity": "ex:a", "prov:entity": "ex:e", "prov:time": END},
        {"prov:activity": "ex:a", "prov:entity": "ex:e"},
        {"prov:activity": "ex:a", "prov:entity": "ex:e", "prov:role": "input"},
        {"prov:activity": "ex:a", "prov:entity": "ex:e", "prov:role": {"$": "input", "lang": "en"}},
    ],
    "wasAssociatedWith": [
        {"prov:activity": "ex:a", "prov:agent": "ex:g"},
        {"prov:activity": "ex:a", "prov:agent": "ex:g", "prov:plan": "ex:p"},
        {"prov:activity": "ex:a", "prov:agent": "ex:g", "prov:plan": "ex:q"},
        {"prov:activity": "ex:a", "prov:agent": "ex:g", "prov:plan": "ex:q", "prov:role": "author"},
    ],
    "wasDerivedFrom": [
        {"prov:generatedEntity": "ex:e", "prov:usedEntity": "ex:f", **more}
        for more in (
            {},
            {"prov:activity": "ex:a"},
            {"prov:activity": "ex:b"},
            {"prov:activity": "ex:a", "prov:usage": "ex:u"},
            {"prov:activity": "ex:a", "prov:generation": "ex:g", "prov:usage": "ex:u"},
        )
    ],
    "wasEndedBy": [
        {"prov:activity": "ex:a", "prov:trigger": "ex:e"},
        {"prov:activity": "ex:a", "prov:ender": "ex:e"},
        {"prov:activity": "ex:a", "prov:ender": "ex:e", "prov:time": END},
    ],
    "actedOnBehalfOf": [
        {"prov:delegate": "ex:x", "prov:responsible": "ex:y"},
        {"prov:delegate": "ex:x", "prov:responsible": "ex:y", "prov:activity": "ex:a"},
    ],
}


@pytest.mark.parametrize("kind", NOTHING_LOST)
def test_relations_that_differ_in_anything_formal_stay(kind: str) -> None:
    bodies = NOTHING_LOST[kind]
    twice = {f"_:{number}": body for number, body in enumerate([*bodies, *reversed(bodies)])}
    with graph_from(**{kind: twice}) as graph, graph.eliminate_duplicates() as once:
        assert once.count("relation") == len(bodies)
        assert records_of_nameless(once) == records_of_nameless(graph)
        with once.eliminate_duplicates() as again:
            assert records_of_nameless(again) == records_of_nameless(once)


def records_of_nameless(graph: Graph) -> set[tuple[Any, ...]]:
    return {
        (kind, arguments, times, attributes) for _, kind, _, arguments, times, attributes in contents(graph)
    }


def test_identical_records_of_two_bundles_stay_two() -> None:
    inner = {"entity": {"ex:e": {}}, "used": {"ex:u": {"prov:activity": "ex:a", "prov:entity": "ex:e"}}}
    with graph_from(**inner, bundle={"ex:b": inner}) as graph, graph.eliminate_duplicates() as once:
        assert contents(once) == contents(graph)
