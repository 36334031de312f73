"""Lineage: against an obviously right walk on random documents, and against what is known of small ones."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contents import contents
from documents import graph_of
from mlflow2prov import Graph, cli
from mlflow2prov.errors import UsageError
from mlflow2prov.graph.lineage import lineage
from mlflow2prov.graph.steps import CLASSES, LEADING_ON, STEPS, Step
from mlflow2prov.prov.records import KIND_BY_NAME

PREFIX = {"ex": "http://example.org/", "m2p": "https://w3id.org/mlflow2prov#"}
TYPED = {name: types[0] for name, types in CLASSES.items()}
KINDS = {"commit": "activity", "creation": "activity"}


def document(elements: dict[str, str], relations: list[tuple[str, ...]]) -> dict[str, Any]:
    """A document of elements with their class (or a kind), and relations of names; "-" is none."""
    made: dict[str, Any] = defaultdict(dict, prefix=PREFIX)
    for name, sort in elements.items():
        kind = sort if sort in ("entity", "activity", "agent") else KINDS.get(sort, "entity")
        body = {"prov:type": {"$": f"m2p:{TYPED[sort]}", "type": "xsd:QName"}} if sort in TYPED else {}
        made[kind][f"ex:{name}"] = body
    for number, (kind, *names) in enumerate(relations):
        references = KIND_BY_NAME[kind].references
        made[kind][f"_:r{number}"] = {
            f"prov:{argument}": f"ex:{name}"
            for argument, name in zip(references, names, strict=False)
            if name != "-"
        }
    return made


def made(elements: dict[str, str], relations: list[tuple[str, ...]]) -> Graph:
    return graph_of(json.dumps(document(elements, relations)).encode())


def met(graph: Graph, of: str, **options: Any) -> set[str]:
    """The local names of what lineage meets, without what was asked for."""
    ids = lineage(graph, f"ex:{of}", **options).ids().tolist()
    names = dict(graph.query("SELECT id, local FROM {graph}.name"))
    return {names[number] for number in ids} - {of}


# ---- the law ---------------------------------------------------------------------------------------

NAMES = [f"n{number}" for number in range(9)]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, str], list[tuple[str, ...]]]:
    sorts = st.sampled_from([*TYPED, "entity", "entity", "activity", "activity", "agent"])
    elements = {name: draw(sorts) for name in NAMES}
    relations = []
    for _ in range(draw(st.integers(0, 25))):
        kind = draw(st.sampled_from(sorted({step.kind for step in STEPS})))
        required = KIND_BY_NAME[kind].required
        count = min(len(KIND_BY_NAME[kind].references), 3)
        names = [
            draw(st.sampled_from(NAMES if place < required else [*NAMES, "-", "-"])) for place in range(count)
        ]
        relations.append((kind, *names))
    return elements, relations


def ways(elements: dict[str, str], relations: list[tuple[str, ...]]) -> list[tuple[str, str, Step]]:
    """Every (later, earlier, step): for each two arguments of a relation the first row that fits."""
    found = []
    for kind, *names in relations:
        arguments = {
            argument: name
            for argument, name in zip(KIND_BY_NAME[kind].references, names, strict=False)
            if name != "-"
        }
        pairs = set()
        for step in STEPS:
            ends = frozenset((step.later, step.earlier))
            if step.kind != kind or ends in pairs or not ends <= set(arguments) or step.without in arguments:
                continue
            later, earlier = arguments[step.later], arguments[step.earlier]
            if all(
                wanted in (None, elements[name])
                for wanted, name in zip(step.classes, (later, earlier), strict=True)
            ):
                pairs.add(ends)
                found.append((later, earlier, step))
    return found


def plain_walk(
    elements: dict[str, str],
    relations: list[tuple[str, ...]],
    of: str,
    direction: str,
    *,
    depth: int | None,
    history: bool,
    details: bool,
) -> set[str]:
    """What is met, by trying every way again and again."""
    details = details or elements[of] == "detail"
    hidden = {name for name, sort in elements.items() if sort == "detail" and not details} - {of}
    seen, crossed, frontier, level = {of}, set(), {of}, 0
    while frontier and (depth is None or level < depth):
        reached = set()
        for later, earlier, step in ways(elements, relations):
            how = getattr(step, direction)
            goes = how == "always" or (how == "start" and level == 0) or (how == "history" and history)
            there = (later, earlier) if direction == "upstream" else (earlier, later)
            steps = [there] if goes else []
            steps += [there[::-1]] if step.back in (direction, "both") else []
            for source, target in steps:
                if source in frontier and target not in hidden:
                    reached.add(target)
                    crossed.add((source, target))
        if level == 0:
            near = reached
        frontier, level = reached - seen, level + 1
        seen |= frontier
    if details:
        return seen
    kept = {name for name in seen if elements[name] not in LEADING_ON[direction]} | {of}
    if elements[of] != "agent" and level:
        kept |= {name for name in near if elements[name] != "artifact"}
    while more := {source for source, target in crossed if target in kept} - kept:
        kept |= more
    return kept


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs(), st.sampled_from(NAMES), st.none() | st.integers(1, 3), st.booleans(), st.data())
def test_lineage_is_what_an_obviously_right_walk_meets(
    given_graph: tuple[dict[str, str], list[tuple[str, ...]]],
    of: str,
    depth: int | None,
    history: bool,
    data: st.DataObject,
) -> None:
    elements, relations = given_graph
    direction = data.draw(st.sampled_from(["upstream", "downstream"]))
    with made(elements, relations) as graph:
        expected = plain_walk(elements, relations, of, direction, depth=depth, history=history, details=False)
        found = met(graph, of, direction=direction, depth=depth, history=history)
        assert found == expected - {of}
        both = met(graph, of, direction="both", depth=depth, history=history)
        assert found <= both
        part = graph.lineage(f"ex:{of}", direction=direction, depth=depth, history=history)
        kept = {name.rpartition("/")[2] for _, _, name, arguments, *_ in contents(part) if not arguments}
        assert kept == found | {of}
        named = {name for _, _, _, arguments, *_ in contents(part) for name in arguments if name}
        assert {name.rpartition("/")[2] for name in named} <= kept


# ---- what PROV says --------------------------------------------------------------------------------

REPORT = (
    {
        "report": "entity",
        "draft": "entity",
        "data": "entity",
        "plan": "entity",
        "writing": "activity",
        "measuring": "activity",
        "clearing": "activity",
        "ada": "agent",
        "lab": "agent",
        "general": "entity",
        "twin": "entity",
        "part": "entity",
    },
    [
        ("wasGeneratedBy", "report", "writing"),
        ("used", "writing", "draft"),
        ("wasDerivedFrom", "draft", "data"),
        ("wasGeneratedBy", "data", "measuring"),
        ("wasAssociatedWith", "writing", "ada", "plan"),
        ("actedOnBehalfOf", "ada", "lab"),
        ("specializationOf", "report", "general"),
        ("alternateOf", "twin", "report"),
        ("hadMember", "report", "part"),
        ("wasInvalidatedBy", "report", "clearing"),
    ],
)


def test_upstream_follows_the_semantics_of_prov() -> None:
    graph = made(*REPORT)
    assert met(graph, "report") == set(REPORT[0]) - {"report", "clearing"}
    assert met(graph, "data", direction="downstream") == {"draft", "writing", "report", "twin"}
    assert met(graph, "lab", direction="downstream") == {"ada", "writing", "report", "twin"}


def test_depth_and_types_bound_a_walk(caplog: pytest.LogCaptureFixture) -> None:
    graph = made(*REPORT)
    assert met(graph, "report", depth=1) == {"writing", "general", "twin", "part"}
    assert met(graph, "report", stop_at=["activity"]) == {"writing", "general", "twin", "part"}
    assert "data" in met(graph, "report", through=["activity", "entity"])
    assert met(graph, "report", through=["entity"]) == {"writing", "general", "twin", "part"}
    with pytest.raises(UsageError, match="nothing is of type Nothing"):
        met(graph, "report", through=["Nothing"])
    with caplog.at_level(logging.WARNING):
        met(graph, "report", stop_at=["Nothing"])
    assert "nothing is of type Nothing" in caplog.text
    for wrong in ({"direction": "sideways"}, {"depth": 0}):
        with pytest.raises(UsageError):
            met(graph, "report", **wrong)


def test_a_tree_names_shared_things_once_and_what_led_there() -> None:
    graph = made(
        {"a": "entity", "b": "entity", "c": "entity", "shared": "entity"},
        [
            ("wasDerivedFrom", "a", "b"),
            ("wasDerivedFrom", "a", "c"),
            ("wasDerivedFrom", "b", "shared"),
            ("wasDerivedFrom", "c", "shared"),
        ],
    )
    assert lineage(graph, "ex:a").tree().splitlines() == [
        "upstream of ex:a (entity)",
        "├─ wasDerivedFrom ex:b (entity)",
        "│  └─ wasDerivedFrom ex:shared (entity)",
        "└─ wasDerivedFrom ex:c (entity)",
    ]


def test_a_chain_of_thousands_is_walked_and_shown() -> None:
    many = 3000
    chain = {f"c{number}": "entity" for number in range(many)}
    relations = [("wasDerivedFrom", f"c{number + 1}", f"c{number}") for number in range(many - 1)]
    tree = lineage(made(chain, relations), f"ex:c{many - 1}").tree()
    assert len(tree.splitlines()) == many and f"({many - 1} steps)" in tree
    assert max(map(len, tree.splitlines())) < 150


# ---- what drowns nobody ----------------------------------------------------------------------------

PROJECT = (
    {
        "c1": "commit",
        "c2": "commit",
        "c3": "commit",
        "train1": "file revision",
        "train2": "file revision",
        "notes": "file revision",
        "tree3": "source tree",
        "folder": "source folder",
        "running": "creation",
        "other": "creation",
        "run": "run",
        "sibling": "run",
        "parent": "run",
        "exp": "experiment",
        "metric": "detail",
        "file": "artifact",
        "model": "logged model",
        "version": "version",
        "wine": "registered model",
        "stranger": "version",
        "alias": "entity",
        "env": "entity",
        "ada": "agent",
    },
    [
        ("wasInformedBy", "c2", "c1"),
        ("wasInformedBy", "c3", "c2"),
        ("wasGeneratedBy", "train1", "c1"),
        ("wasGeneratedBy", "train2", "c2"),
        ("wasGeneratedBy", "notes", "c3"),
        ("wasDerivedFrom", "train2", "train1", "c2"),
        ("used", "c2", "train1"),
        ("wasGeneratedBy", "tree3", "c3"),
        ("hadMember", "tree3", "folder"),
        ("hadMember", "tree3", "train2"),
        ("hadMember", "folder", "notes"),
        ("wasInformedBy", "running", "c3"),
        ("used", "running", "tree3"),
        ("used", "running", "train2"),
        ("used", "running", "env"),
        ("used", "other", "env"),
        ("wasGeneratedBy", "run", "running"),
        ("wasGeneratedBy", "metric", "running"),
        ("wasGeneratedBy", "file", "running"),
        ("wasGeneratedBy", "model", "running"),
        ("hadMember", "run", "metric"),
        ("hadMember", "run", "file"),
        ("hadMember", "parent", "run"),
        ("hadMember", "parent", "sibling"),
        ("hadMember", "exp", "run"),
        ("hadMember", "exp", "sibling"),
        ("wasDerivedFrom", "version", "model"),
        ("specializationOf", "version", "wine"),
        ("specializationOf", "stranger", "wine"),
        ("wasDerivedFrom", "alias", "version"),
        ("wasAssociatedWith", "c1", "ada"),
        ("wasAttributedTo", "wine", "ada"),
    ],
)


@pytest.fixture(scope="module")
def project() -> Graph:
    return made(*PROJECT)


UPSTREAM = {
    "model",
    "wine",
    "running",
    "run",
    "parent",
    "train2",
    "train1",
    "tree3",
    "c3",
    "c2",
    "c1",
    "env",
    "ada",
}


def test_upstream_of_a_version_is_what_made_it_and_not_its_neighbours(project: Graph) -> None:
    assert met(project, "version") == UPSTREAM
    assert met(project, "version", with_details=True) == UPSTREAM | {"metric"}


@pytest.mark.parametrize("of", ["c1", "ada", "train1"])
def test_downstream_of_the_code_and_its_people_are_runs_models_versions_aliases(
    of: str, project: Graph
) -> None:
    found = met(project, of, direction="downstream")
    assert found >= {"running", "run", "model", "version", "alias"}
    assert not found & {"notes", "stranger", "sibling", "exp", "metric", "file", "other"}


def test_a_step_may_be_for_what_was_asked_for_only(project: Graph) -> None:
    assert met(project, "wine", direction="downstream") == {"version", "stranger", "alias"}
    assert {"run", "sibling", "version"} <= met(project, "exp", direction="downstream")
    assert "notes" in met(project, "c3", direction="downstream")


def test_history_is_walked_upstream_only_where_asked_to(project: Graph) -> None:
    assert met(project, "c3") == set()
    assert met(project, "c3", history=True) == {"c2", "c1", "ada"}


def test_a_detail_that_is_asked_for_has_a_lineage(project: Graph) -> None:
    assert {"running", "run", "c3"} <= met(project, "metric")


# ---- the command -----------------------------------------------------------------------------------


def test_the_command_prints_a_tree_and_passes_the_part_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(document(*REPORT)), encoding="utf-8")
    chain = ["load", "--input", str(file), "lineage", "--of", "ex:data", "--direction", "both", "--print"]
    assert cli.run([*chain, "save", "--output", str(tmp_path / "b.json")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("upstream of ex:data (entity)\n└─ wasGeneratedBy ex:measuring (activity)\n")
    assert "downstream of ex:data (entity)" in printed
    saved = json.loads((tmp_path / "b.json").read_text())
    assert set(saved["entity"]) == {"ex:data", "ex:draft", "ex:report", "ex:twin"}
    assert cli.run(["load", "--input", str(file), "lineage", "--of", "ex:dato"]) == 2
    assert "the nearest are: ex:data (PROV identifier)" in capsys.readouterr().err
    assert cli.run(["lineage", "--of", "ex:data"]) == 2
