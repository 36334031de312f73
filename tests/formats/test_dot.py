"""DOT, plain and with badges: what stands in it, and that Graphviz takes it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from documents import documents, graph_of
from mlflow2prov import Graph, formats
from mlflow2prov.formats import dot, dot_badges, dot_reduce
from mlflow2prov.prov.records import RELATION_KINDS

GRAPHVIZ = [
    pytest.mark.system("graphviz"),
    pytest.mark.skipif(
        shutil.which("dot") is None, reason="Graphviz is not installed: apt-get install graphviz"
    ),
]
CASES = Path(__file__).parents[3] / "shared" / "cases" / "documents" / "json"
DOCUMENTS = sorted(CASES.glob("*.json"))[::25]
NASTY = 'q"uote \\ back\\N \\l <b>&amp;</b> &lt; {a|b} \u202ertl\u202c שלום\n\ttwo lines \x00\x01\ufffe 😀 -> ]; }'

PRIMER = {
    "prefix": {"ex": "http://example.org/"},
    "entity": {
        "ex:article": {"prov:label": "An article"},
        "ex:data": {"ex:size": {"$": "5", "type": "xsd:int"}},
        "ex:deadbeefdeadbeefdeadbeef": {},
    },
    "activity": {"ex:compose": {"prov:startTime": "2012-03-02T10:30:00Z"}},
    "agent": {"ex:derek": {}},
    "used": {
        "_:1": {"prov:activity": "ex:compose", "prov:entity": "ex:data", "prov:role": "input"},
        "_:2": {"prov:activity": "ex:compose"},
    },
    "wasGeneratedBy": {"_:3": {"prov:entity": "ex:article", "prov:activity": "ex:compose"}},
    "wasAssociatedWith": {
        "_:4": {"prov:activity": "ex:compose", "prov:agent": "ex:derek", "prov:plan": "ex:plan"}
    },
    "bundle": {"ex:b": {"entity": {"ex:article": {"ex:version": "2"}}}},
}


def graph_from(document: dict[str, Any]) -> Graph:
    return graph_of(json.dumps(document).encode())


def drawn(graph: Graph, **options: bool) -> str:
    file = io.BytesIO()
    dot.write(graph, file, **options)
    return file.getvalue().decode()


def parsed(text: str) -> dict[str, Any]:
    done = subprocess.run(
        ["dot", "-Tjson0"], input=text.encode(), capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def nodes_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        item["name"]: item for item in found.get("objects", []) if "nodes" not in item and "label" in item
    }


def test_elements_and_relations_look_as_the_conventions_say() -> None:
    text = drawn(graph_from(PRIMER))
    assert 'node [shape=oval, fillcolor="#FFFC87"' in text
    assert 'node [shape=box, fillcolor="#9FB1FC"' in text
    assert 'node [shape=house, fillcolor="#FED37F"' in text
    assert '"ex:article" [label="An article", tooltip="ex:article"]' in text
    assert 'label="deadbee…"' in text
    assert '"ex:article" -> "ex:compose"\n' in text
    assert '"ex:compose" -> "ex:data"\n' in text


def test_what_is_not_described_is_dashed_and_what_is_left_open_a_question_mark() -> None:
    lines = drawn(graph_from(PRIMER)).splitlines()
    place = lines.index('"ex:plan" [label="plan", tooltip="ex:plan"]')
    assert (
        lines[place - 1] == 'node [shape=oval, fillcolor="#FFFC87", color="#808080", style="filled,dashed"]'
    )
    (asked,) = [line for line in lines if 'label="?"' in line]
    name = asked.split(" ")[0]
    assert f'"ex:compose" -> {name}' in lines


def test_a_relation_of_three_things_has_a_dot_in_its_middle() -> None:
    lines = drawn(graph_from(PRIMER)).splitlines()
    (point,) = [line.split(" ")[0] for line in lines if "shape=point" in line]
    assert f'"ex:compose" -> {point} [arrowhead=none]' in lines
    assert f'{point} -> "ex:derek" [label=""]' in lines
    assert f'{point} -> "ex:plan" [label="plan", style=dashed]' in lines


def test_bundles_are_clusters_of_their_own_nodes() -> None:
    text = drawn(graph_from(PRIMER))
    assert 'subgraph cluster_1 {\nlabel="ex:b"' in text
    assert '":1 ex:article" [label="article"' in text.split("subgraph")[1]


def test_attributes_are_shown_on_demand_only() -> None:
    graph = graph_from(PRIMER)
    assert "ex:size" not in drawn(graph)
    text = drawn(graph, attributes=True)
    assert "ex:size = 5\\l" in text
    notes = [line for line in text.splitlines() if line.startswith('":note') and " -> " in line]
    assert [line.split(" [")[0].split(" -> ")[1] for line in notes] == [
        '"ex:article"', '"ex:data"', '"ex:compose"', '":1 ex:article"'
    ]  # fmt: skip
    assert all('label=""' in line for line in notes)
    assert "prov:startTime = 2012-03-02T10:30:00Z\\l" in text
    assert '[label="used\\nprov:role = input\\l"]' in text


def test_several_records_of_one_identifier_show_the_label_that_one_has() -> None:
    document = {
        "prefix": {"ex": "http://e/"},
        "entity": {"ex:e": [{"prov:label": "Named"}, {}]},
        "agent": {"ex:e": {}},
    }
    lines = [line for line in drawn(graph_from(document)).splitlines() if line.startswith('"ex:e"')]
    assert len(lines) == 3
    assert all('label="Named"' in line for line in lines)


@pytest.mark.parametrize("badges", [False, True])
def test_an_empty_document_is_an_empty_drawing(badges: bool) -> None:
    lines = drawn(Graph.empty(), badges=badges).splitlines()
    assert lines[0] == "digraph provenance {"
    assert lines[-1] == "}"
    assert len(lines) == 5


def run_with(members: int, runs: int = 1) -> dict[str, Any]:
    """Runs with parameters, made by one person."""
    entities: dict[str, Any] = {}
    generated, had, attributed = {}, {}, {}
    for run in range(runs):
        entities[f"ex:run{run}"] = {"prov:label": f"Run {run}"}
        things = [f"ex:run{run}"]
        for number in range(members):
            name = f"ex:param{run}_{number}"
            entities[name] = {
                "prov:type": {"$": "ex:Param", "type": "xsd:QName"},
                "prov:label": f"p{number} = 1",
            }
            had[f"_:h{run}_{number}"] = {"prov:collection": f"ex:run{run}", "prov:entity": name}
            things.append(name)
        for thing in things:
            generated[f"_:g{thing}"] = {"prov:entity": thing, "prov:activity": f"ex:make{run}"}
            attributed[f"_:a{thing}"] = {"prov:entity": thing, "prov:agent": "ex:ada"}
    return {
        "prefix": {"ex": "http://e/"},
        "entity": entities,
        "activity": {f"ex:make{run}": {} for run in range(runs)},
        "agent": {"ex:ada": {"prov:label": "Ada <ada@example.org>"}},
        "hadMember": had,
        "wasGeneratedBy": generated,
        "wasAttributedTo": attributed,
    }


def test_members_that_are_related_alike_are_one_box_that_says_less_than_its_collection() -> None:
    text = drawn(graph_from(run_with(40)), badges=True)
    assert "<B>40 × Param</B>" in text
    assert "… 36 more" in text
    edges = [line for line in text.splitlines() if " -> " in line]
    assert len([line for line in edges if "hadMember" in line and "dir=back" in line]) == 1
    assert len([line for line in edges if "wasGeneratedBy" in line]) == 1


def test_an_agent_that_touches_much_is_a_badge_with_an_entry_in_the_legend() -> None:
    runs = dot_reduce.HUBS["agent"]
    text = drawn(graph_from(run_with(0, runs)), badges=True)
    assert '-> "ex:ada"' not in text
    assert text.count("Ada &lt;ada@example.org&gt;") == runs + 1
    legend = text[text.index('":legend"') :]
    assert "ex:ada" in legend
    assert f"on {runs}" in legend
    few = drawn(graph_from(run_with(0, runs - 1)), badges=True)
    assert few.count('-> "ex:ada"') == runs - 1
    assert '":legend"' not in few


def test_a_small_document_is_drawn_in_full() -> None:
    text = drawn(graph_from(run_with(dot_reduce.ALIKE_IN_SMALL - 1)), badges=True)
    assert "× Param" not in text


def test_where_one_agent_is_a_badge_all_are() -> None:
    document = run_with(0, dot_reduce.HUBS["agent"])
    document["agent"]["ex:ben"] = {"prov:label": "Ben"}
    document["wasAttributedTo"]["_:ben"] = {"prov:entity": "ex:run0", "prov:agent": "ex:ben"}
    text = drawn(graph_from(document), badges=True)
    assert '-> "ex:ben"' not in text
    assert text.count(">Ben<") == 2


def edges_of(document: dict[str, Any]) -> set[str]:
    """The edges of a drawing with badges: tail, head and names."""
    lines = [line for line in drawn(graph_from(document), badges=True).splitlines() if " -> " in line]
    return {line.split('", color')[0].replace('" [label=" ', " ").replace('"', "").strip() for line in lines}


def renamed(*, activity: str | None = "ex:act", others: int = 0) -> dict[str, Any]:
    """An activity that used one thing and generated another one of its type, which is derived from that."""
    typed = {"prov:type": {"$": "ex:Revision", "type": "xsd:QName"}}
    derivation = {"prov:generatedEntity": "ex:new", "prov:usedEntity": "ex:old"}
    generated = ["ex:new", *(f"ex:other{n}" for n in range(others))]
    return {
        "prefix": {"ex": "http://e/"},
        "entity": {"ex:old": typed, **dict.fromkeys(generated, typed)},
        "activity": {"ex:act": {}},
        "used": {"_:u": {"prov:activity": "ex:act", "prov:entity": "ex:old"}},
        "wasGeneratedBy": {
            f"_:g{n}": {"prov:entity": name, "prov:activity": "ex:act"} for n, name in enumerate(generated)
        },
        "wasDerivedFrom": {"_:d": derivation | ({"prov:activity": activity} if activity else {})},
    }


def test_a_usage_that_a_derivation_implies_is_not_drawn_besides() -> None:
    used = "ex:act -> ex:old used"
    derived = "ex:new -> ex:old wasDerivedFrom"
    assert edges_of(renamed()) == {derived, "ex:new -> ex:act wasGeneratedBy"}
    assert used not in edges_of(renamed(others=2))
    assert {used, derived} <= edges_of(renamed(activity=None))
    other = renamed(others=2)
    other["entity"]["ex:old"] = {}
    assert {used, derived} <= edges_of(other)


def test_a_member_that_specializes_its_collection_and_a_starter_of_a_trigger_are_not_drawn_besides() -> None:
    document = {
        "prefix": {"ex": "http://e/"},
        "entity": {"ex:model": {}, "ex:version": {}, "ex:run": {}},
        "activity": {"ex:parent": {}, "ex:child": {}},
        "specializationOf": {"_:s": {"prov:specificEntity": "ex:version", "prov:generalEntity": "ex:model"}},
        "hadMember": {"_:m": {"prov:collection": "ex:model", "prov:entity": "ex:version"}},
        "wasGeneratedBy": {"_:g": {"prov:entity": "ex:run", "prov:activity": "ex:parent"}},
        "wasStartedBy": {
            "_:b": {"prov:activity": "ex:child", "prov:trigger": "ex:run", "prov:starter": "ex:parent"}
        },
    }
    assert edges_of(document) == {
        "ex:version -> ex:model specializationOf",
        "ex:run -> ex:parent wasGeneratedBy",
        "ex:child -> ex:run wasStartedBy",
    }
    del document["specializationOf"], document["wasGeneratedBy"]
    assert edges_of(document) == {
        "ex:version -> ex:model hadMember",
        "ex:child -> ex:run wasStartedBy",
        "ex:child -> ex:parent starter",
    }


def test_members_stand_below_their_collection_but_for_what_it_came_of() -> None:
    document = {
        "prefix": {"ex": "http://e/"},
        "entity": {"ex:model": {}, "ex:param": {}, "ex:environment": {}},
        "activity": {"ex:act": {}},
        "hadMember": {
            f"_:{name}": {"prov:collection": "ex:model", "prov:entity": f"ex:{name}"}
            for name in ("param", "environment")
        },
        "wasGeneratedBy": {"_:g": {"prov:entity": "ex:model", "prov:activity": "ex:act"}},
        "used": {"_:u": {"prov:activity": "ex:act", "prov:entity": "ex:environment"}},
    }
    lines = drawn(graph_from(document), badges=True).splitlines()
    (param,) = [line for line in lines if '"ex:param" -> ' in line]
    assert param.startswith('"ex:param" -> "ex:model" [label=" hadMember "')
    assert "dir=back" in param
    (environment,) = [line for line in lines if '-> "ex:environment"' in line and "hadMember" in line]
    assert environment.startswith('"ex:model" -> ')
    assert "dir=back" not in environment


def test_many_attributes_are_counted() -> None:
    attributes = {f"ex:k{n:03}": str(n) for n in range(100)}
    document = {"prefix": {"ex": "http://e/"}, "entity": {"ex:e": attributes}}
    text = drawn(graph_from(document), badges=True, attributes=True)
    assert text.count("ex:k") == dot_reduce.LISTED
    assert f"… {100 - dot_reduce.LISTED} more" in text


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        ("wine-production v1", ["wine-production v1"]),
        ("Learn in steps and log the loss of each", ["Learn in steps and log the", "loss of each"]),
        ("creation of registered model version wine/1", ["creation of registered", "model version wine/1"]),
    ],
)
def test_a_label_has_no_more_lines_than_it_needs(label: str, lines: list[str]) -> None:
    document = {"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"prov:label": label}}}
    assert "<BR/>".join(lines) in drawn(graph_from(document), badges=True)
    assert "\\n".join(lines) in drawn(graph_from(document))


def test_two_hubs_of_one_name_are_told_apart() -> None:
    document = run_with(0, 8)
    document["agent"]["ex:other"] = {"prov:label": "Ada <ada@example.org>"}
    document["wasAttributedTo"] |= {
        f"_:b{n}": {"prov:entity": f"ex:run{n}", "prov:agent": "ex:other"} for n in range(8)
    }
    text = drawn(graph_from(document), badges=True)
    assert text.count("&gt; #1<") == 9
    assert text.count("&gt; #2<") == 9


def nasty() -> dict[str, Any]:
    local = NASTY.replace(":", "")
    return {
        "prefix": {"ex": "http://e/"},
        "entity": {
            "ex:a": {"prov:label": NASTY, "prov:type": NASTY, "ex:k": NASTY},
            f"ex:{local}": {},
            "ex:long": {"prov:label": "x" * 5_000_000},
            "ex:blank": {"prov:label": " \n "},
        },
        "agent": {f"ex:ag{n}{local}": {"prov:label": NASTY} for n in range(2)},
        "wasAttributedTo": {
            f"_:{n}": {"prov:entity": "ex:a", "prov:agent": f"ex:ag{n}{local}", "ex:k": NASTY}
            for n in range(2)
        },
        "bundle": {f"ex:b{local}": {"entity": {f"ex:{local}": {"prov:value": NASTY}}}},
    }


@pytest.mark.parametrize("badges", [False, True])
@pytest.mark.parametrize("attributes", [False, True])
class TestWithGraphviz:
    pytestmark = GRAPHVIZ

    def test_any_text_is_taken_and_shown_as_it_is(self, badges: bool, attributes: bool) -> None:
        text = drawn(graph_from(nasty()), badges=badges, attributes=attributes)
        assert len(text) < 20_000
        nodes = nodes_of(parsed(text))
        assert {"ex:a", "ex:long", "ex:blank"} <= set(nodes)
        done = subprocess.run(
            ["dot", "-Tsvg"], input=text.encode(), capture_output=True, timeout=60, check=True
        )
        shown = "\n".join(line for line in done.stdout.decode().splitlines() if line.startswith("<text"))
        shown = shown.replace("&#160;", " ")
        assert "\\N" in shown
        assert "\\\\" not in shown
        assert shown.count("back\\N \\l") >= 1
        assert "&lt;b&gt;&amp;amp;&lt;/b&gt;" in shown.replace("&#45;", "-")
        assert ">blank</text>" in shown

    def test_every_random_document_is_taken(self, badges: bool, attributes: bool) -> None:
        @settings(
            max_examples=8 if badges else 15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        )
        @given(documents(plain_links=False))
        def check(raw: bytes) -> None:
            with graph_of(raw) as graph:
                text = drawn(graph, badges=badges, attributes=attributes)
                found = parsed(text)
                names = {
                    item["name"]
                    for item in found.get("objects", [])
                    if not item["name"].startswith("cluster_")
                }
                if not badges:
                    assert expected_names(graph) == {name for name in names if name[:2] not in AUXILIARY}
                assert not badges or names <= expected_names(graph) | {":legend"}
                assert drawn(graph, badges=badges, attributes=attributes) == text

        check()

    @pytest.mark.skipif(
        not DOCUMENTS, reason="the shared cases are not beside the project: get ../shared/cases"
    )
    def test_every_document_of_the_cases_is_taken(self, badges: bool, attributes: bool) -> None:
        texts = []
        for path in DOCUMENTS:
            with formats.read(path) as graph:
                texts.append(drawn(graph, badges=badges, attributes=attributes))
        done = subprocess.run(
            ["dot", "-Tdot"], input="".join(texts).encode(), capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.count(b"digraph provenance {") == len(DOCUMENTS)


AUXILIARY = {":n", ":r", ":f", ":t"}
"""How the names of nodes begin that are no element: notes, dots, question marks."""


def expected_names(graph: Graph) -> set[str]:
    """The names of all elements that a document describes or refers to, in each bundle."""
    names = {
        number: (f"{prefix}:{local}" if prefix else local).replace("\\", "\\\\").replace('"', '"')
        for number, prefix, local in graph.query("SELECT id, prefix, local FROM {graph}.name")
    }
    places = {
        number: f":{n} "
        for n, (number,) in enumerate(graph.query("SELECT id FROM {graph}.bundle ORDER BY rowid"), 1)
    }
    expected = {
        places.get(b, "") + names[e] for b, e in graph.query("SELECT bundle, id FROM {graph}.element")
    }
    arguments = {
        kind.number: [n not in ("generation", "usage") for n in kind.references] for kind in RELATION_KINDS
    }
    for bundle, kind, *ends in graph.query("SELECT bundle, kind, a1, a2, a3, a4, a5 FROM {graph}.relation"):
        for end, is_drawn in zip(ends, arguments[kind], strict=False):
            if end is not None and is_drawn:
                expected.add(places.get(bundle, "") + names[end])
    return expected


def test_a_reduced_drawing_that_is_too_large_is_refused_with_advice() -> None:
    file = io.BytesIO()
    with pytest.raises(dot_badges.FormatError, match="--exclude_types") as caught:
        dot_badges.write(graph_from(run_with(0, 30)), file, most_nodes=20, most_edges=20)
    assert "60 nodes" in str(caught.value)
    assert not file.getvalue()


def test_a_hundred_thousand_records_take_seconds() -> None:
    graph = Graph.empty()
    graph.store.run(f"INSERT INTO {graph.schema}.prefix VALUES ('ex', 'http://e/')")
    graph.store.run(
        f"INSERT INTO {graph.schema}.name SELECT i::INTEGER, 'ex', concat('e', i) FROM range(50000) t(i)"
    )
    graph.store.run(
        f"INSERT INTO {graph.schema}.element SELECT 0, 1, i::INTEGER, NULL, NULL, NULL FROM range(50000) t(i)"
    )
    graph.store.run(
        f"INSERT INTO {graph.schema}.relation SELECT 0, 21, NULL, i::INTEGER, (i // 2)::INTEGER, NULL, NULL, NULL, "
        "NULL, NULL FROM range(50000) t(i)"
    )
    start = time.process_time()
    text = drawn(graph)
    assert text.count(" -> ") == 50_000
    assert time.process_time() - start < 20
    graph.close()
