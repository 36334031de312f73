"""Parts of a graph: by type and by time, with nothing left that leads nowhere."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from contents import contents
from documents import documents, graph_of
from mlflow2prov import Graph, cli, load
from mlflow2prov.errors import UsageError
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.records import KINDS

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "documents" / "json"


def named(name: str) -> dict[str, str]:
    return {"$": name, "type": "xsd:QName"}


DOCUMENT: dict[str, Any] = {
    "prefix": {"ex": "http://example.org/"},
    "entity": {
        "ex:data": {"prov:type": named("ex:Data")},
        "ex:report": {"prov:type": [named("ex:Report"), "plain"]},
        "ex:plan": {"prov:type": {"$": "http://example.org/Plan", "type": "xsd:anyURI"}},
    },
    "activity": {
        "ex:work": {"prov:startTime": "2020-01-01T00:00:00Z", "prov:endTime": "2020-01-02T00:00:00Z"},
        "ex:later": {"prov:startTime": "2020-01-03T00:00:00Z"},
    },
    "agent": {"ex:ada": {"prov:type": named("prov:Person")}, "ex:idle": {}},
    "used": {
        "ex:u": {"prov:activity": "ex:work", "prov:entity": "ex:data", "prov:time": "2020-01-01T12:00:00Z"}
    },
    "wasGeneratedBy": {
        "ex:g": {"prov:entity": "ex:report", "prov:activity": "ex:work"},
        "ex:timed": {
            "prov:entity": "ex:report",
            "prov:activity": "ex:work",
            "prov:time": "2020-01-02T00:00:00Z",
        },
    },
    "wasDerivedFrom": {
        "ex:d": {
            "prov:generatedEntity": "ex:report",
            "prov:usedEntity": "ex:data",
            "prov:activity": "ex:work",
            "prov:generation": "ex:g",
            "prov:usage": "ex:u",
        }
    },
    "wasAssociatedWith": {
        "ex:a": {"prov:activity": "ex:work", "prov:agent": "ex:ada", "prov:plan": "ex:plan"}
    },
    "wasStartedBy": {
        "ex:s": {"prov:activity": "ex:later", "prov:trigger": "ex:report", "prov:starter": "ex:work"}
    },
    "wasAttributedTo": {"_:t": {"prov:entity": "ex:report", "prov:agent": "ex:unknown"}},
}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(json.dumps(DOCUMENT).encode())


def elements(graph: Graph) -> set[str]:
    return {name for _, _, name, arguments, *_ in contents(graph) if not arguments}


def shown(graph: Graph) -> set[tuple[str, ...]]:
    """The relations with their arguments, without the namespace."""
    short = {None: "-"}
    return {
        (kind, *(short.get(name) or name.rpartition("/")[2] for name in arguments[:5]))
        for _, kind, _, arguments, *_ in contents(graph)
        if arguments
    }


def locals_of(graph: Graph) -> set[str]:
    return {name.rpartition("/")[2] for name in elements(graph)}


EVERYTHING = {"data", "report", "plan", "work", "later", "ada", "idle"}


@pytest.mark.parametrize(
    ("types", "kept"),
    [
        (["Data"], {"data"}),
        (["ex:Data"], {"data"}),
        (["http://example.org/Data"], {"data"}),
        (["http://example.org/Plan"], {"plan"}),
        (["plain"], {"report"}),
        (["prov:Person"], {"ada"}),
        (["Person", "Data"], {"ada", "data"}),
        (["activity"], {"work", "later"}),
        (["prov:Activity"], {"work", "later"}),
        (["entity", "Nothing"], {"data", "report", "plan"}),
    ],
)
def test_types_are_names_iris_and_kinds(types: list[str], kept: set[str], graph: Graph) -> None:
    with graph.select(types=types) as some:
        assert locals_of(some) == kept
    with graph.select(exclude_types=types) as others:
        assert locals_of(others) == EVERYTHING - kept
    with graph.select(types=[*types, "entity", "activity", "agent"], exclude_types=types) as rest:
        assert locals_of(rest) == EVERYTHING - kept


def test_a_type_that_nothing_has_is_said(graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(
        UsageError, match=r"nothing is of type Dta; there is: entity, activity, agent, .*ex:Data"
    ):
        graph.select(types=["Dta"])
    caplog.set_level(logging.WARNING)
    with graph.select(exclude_types=["Dta"]) as whole:
        assert contents(whole) == contents(graph)
    assert "nothing is of type Dta" in caplog.text


def test_optional_arguments_become_absent(graph: Graph) -> None:
    with graph.select(exclude_types=["Plan", "http://example.org/Plan"]) as some:
        assert ("wasAssociatedWith", "work", "ada", "-", "-", "-") in shown(some)
    with graph.select(exclude_types=["Data"]) as some:
        assert not [one for one in shown(some) if one[0] == "wasDerivedFrom"]
        assert not [one for one in shown(some) if one[0] == "used" and one[2] == "data"]
    with graph.select(exclude_types=["activity"]) as some:
        derived = ("wasDerivedFrom", "report", "data", "-", "-", "-")
        generated = ("wasGeneratedBy", "report", "-", "-", "-", "-")
        assert shown(some) == {derived, generated, ("wasAttributedTo", "report", "unknown", "-", "-", "-")}
        ((name, time),) = [
            (own, times) for _, kind, own, _, times, _ in contents(some) if kind == "wasGeneratedBy"
        ]
        assert (name, time) == ("http://example.org/timed", ("2020-01-02T00:00:00Z",))


def test_required_arguments_take_their_relation_with_them(graph: Graph) -> None:
    with graph.select(exclude_types=["Report"]) as some:
        assert shown(some) == {
            ("used", "work", "data", "-", "-", "-"),
            ("wasAssociatedWith", "work", "ada", "plan", "-", "-"),
            ("wasStartedBy", "later", "-", "work", "-", "-"),
        }


@pytest.mark.parametrize(
    ("since", "until", "kept"),
    [
        ("2020-01-01", "2020-01-03", {"work", "report", "data", "plan", "ada"}),
        ("2020-01-03T00:00:00Z", None, {"later"}),
        ("2020-01-03T00:00:00.000001Z", None, set()),
        (None, "2020-01-01T00:00:00.000001Z", {"work", "plan", "ada"}),
        (None, "2020-01-01", set()),
        ("2020-01-02", "2020-01-03", {"work", "report", "plan", "ada"}),
        ("2020-01-02T00:00:00.000001Z", "2020-01-03", set()),
        ("2020-01-03T01:00:00+01:00", "2020-01-03T01:00:00.1+01:00", {"later"}),
        ("2020-01-01T12:00", "2020-01-01T12:00:00.000001", {"work", "data", "plan", "ada"}),
        ("2020-01-01T12:00:00.000001", "2020-01-01T13:00", {"work", "plan", "ada"}),
    ],
)
def test_a_window_has_its_first_instant_and_not_its_last(
    since: str | None, until: str | None, kept: set[str], graph: Graph
) -> None:
    with graph.select(since=since, until=until) as some:
        assert locals_of(some) == kept


def test_both_at_once_and_nothing_at_all(graph: Graph) -> None:
    with graph.select(types="entity", until="2020-01-02") as some:
        assert locals_of(some) == {"data", "plan"}
    with graph.select() as whole:
        assert contents(whole) == contents(graph)


def test_the_command_line_selects(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(DOCUMENT))
    words = [
        "--types",
        "entity,ex:Person",
        "--exclude_types",
        "Data",
        "--since",
        "2020-01-02",
        "--until",
        "2020-01-03",
    ]
    target = str(tmp_path / "b.json")
    assert (
        cli.run(
            ["load", "--input", str(tmp_path / "a.json"), "transform", *words, "save", "--output", target]
        )
        == 0
    )
    with load(target) as some:
        assert locals_of(some) == {"report", "plan"}


def dangling(graph: Graph) -> set[str]:
    """What relations name and nothing describes."""
    named_ids: dict[int, str] = dict(
        graph.query(
            "SELECT id, p.iri || local FROM {graph}.name n JOIN {graph}.prefix p ON p.prefix = n.prefix"
        )
    )
    described = {
        number
        for (number,) in graph.query("SELECT id FROM {graph}.element UNION SELECT id FROM {graph}.bundle")
    }
    relations = {number for (number,) in graph.query("SELECT id FROM {graph}.relation WHERE id IS NOT NULL")}
    found: set[str] = set()
    for kind in KINDS:
        for column, name in zip(ARGUMENT_COLUMNS, kind.references, strict=False):
            rows = graph.query(f"SELECT DISTINCT {column} FROM {{graph}}.relation WHERE kind = {kind.number}")
            used = {number for (number,) in rows if number}
            found |= {
                f"{name} {named_ids.get(number, number)}"
                for number in used - described - (relations if name in ("generation", "usage") else set())
            }
    return found


def check_nothing_dangles(graph: Graph) -> None:
    before, all_of_it = dangling(graph), contents(graph)
    whole = {record[:3] for record in all_of_it}
    some: list[dict[str, Any]] = [
        *({"exclude_types": [kind]} for kind in ("entity", "activity", "agent")),
        *({"types": [kind]} for kind in ("entity", "activity", "agent")),
        {"since": "2012-01-01"},
        {"until": "2012-01-01"},
        {"since": "2011-11-16T16:06:00", "until": "2014-06-23T12:00:00"},
    ]
    for asked in some:
        try:
            part = graph.select(**asked)
        except UsageError as error:  # a document without any agent, for example
            assert "nothing is of type" in str(error)
            continue
        with part:
            assert dangling(part) <= before, asked
            assert {
                record[:3] for record in contents(part) if not str(record[2]).startswith("('blank")
            } <= whole, asked


def cases() -> Iterator[bytes]:
    """Those of others: without bundles as bundles of one document, which is a hundred times faster."""
    packed: dict[str, object] = {}
    for path in sorted(CASES.glob("*.json")):
        raw = path.read_bytes()
        document = json.loads(raw)
        if "bundle" in document:
            yield raw
        else:
            packed[f"all:{path.stem}"] = document
    assert len(packed) > 350
    yield json.dumps({"prefix": {"all": "http://all.example/"}, "bundle": packed}).encode()


def test_nothing_dangles_in_the_documents_of_others() -> None:
    for raw in cases():
        with graph_of(raw) as graph:
            check_nothing_dangles(graph)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=documents())
def test_nothing_dangles_in_random_documents(raw: bytes) -> None:
    with graph_of(raw) as graph:
        check_nothing_dangles(graph)
