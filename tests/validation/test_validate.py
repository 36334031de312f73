"""``validate`` as a command and in Python: reports, exit codes, what flows on, shapes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import DemoProject

from mlflow2prov import Graph, cli, extract, formats, load
from mlflow2prov.errors import UsageError
from mlflow2prov.validation.circles import circles

BAD = """document
prefix ex <http://example.org/>
entity(ex:a)
activity(ex:a)
bundle ex:inner
  wasGeneratedBy(ex:g; ex:e, ex:one, -)
  wasGeneratedBy(ex:g; ex:e, ex:two, -)
  wasDerivedFrom(ex:e, ex:d)
endBundle
endDocument
"""
GOOD = """document
prefix ex <http://example.org/>
entity(ex:a)
endDocument
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bad.provn").write_text(BAD, encoding="utf-8")
    (tmp_path / "good.provn").write_text(GOOD, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlflow2prov", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8")


def graph_of(text: str) -> Graph:
    return formats.read_from(io.BytesIO(text.encode()), "test.provn", "provn")


def test_a_valid_document_is_valid(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["load", "--input", "good.provn", "validate"]) == 0
    assert capfd.readouterr() == ("valid\n", "")


def test_an_invalid_one_is_told_and_still_goes_through_the_chain(folder: Path) -> None:
    done = run("load", "--input", "bad.provn", "validate", "save", "--output", "copy.json")
    assert done.returncode == 1
    assert done.stdout == (
        "invalid: 2 violations\n"
        "23 key-properties in bundle ex:inner: ex:g has several values of activity\n"
        "    wasGeneratedBy(ex:g; ex:e, ex:one, -)\n"
        "    wasGeneratedBy(ex:g; ex:e, ex:two, -)\n"
        "55 entity-activity-disjoint (by 50): ex:a is an entity and an activity\n"
        "    entity(ex:a)\n"
        "    activity(ex:a)\n"
    )
    assert done.stderr == "mlflow2prov: error: not valid: bad.provn\n"
    with load("copy.json") as copy, load("bad.provn") as before:
        assert copy.statistics("fine").rows == before.statistics("fine").rows


def test_several_documents_are_told_by_name(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    chain = ["load", "--input", "good.provn", "--input", "bad.provn", "validate", "--format", "json"]
    assert cli.run([*chain, "statistics", "--format", "csv"]) == 1
    said, errors = capfd.readouterr()
    decoder, found = json.JSONDecoder(), []
    while said.startswith("{"):
        one, end = decoder.raw_decode(said)
        found.append(one)
        said = said[end:].lstrip()
    assert "entity" in said, "the counts come as well"
    assert [(one["document"], one["valid"]) for one in found] == [
        ("1: good.provn", True),
        ("2: bad.provn", False),
    ]
    assert found[1]["violations"][0] == {
        "constraint": "23",
        "name": "key-properties",
        "through": [],
        "bundle": "ex:inner",
        "message": "ex:g has several values of activity",
        "records": ["wasGeneratedBy(ex:g; ex:e, ex:one, -)", "wasGeneratedBy(ex:g; ex:e, ex:two, -)"],
    }
    assert "2: bad.provn" in errors
    assert "good" not in errors


def test_without_a_document_it_is_wrong_usage(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["validate"]) == 2
    assert "put extract or load before it" in capfd.readouterr().err


def test_a_bundle_that_comes_twice_is_told_in_every_format_that_can_have_it() -> None:
    names = (
        'xmlns:prov="http://www.w3.org/ns/prov#" xmlns:ex="http://example.org/" xmlns:o="http://example.org/"'
    )
    xml = "".join(
        f'<prov:bundleContent prov:id="{prefix}:b"><prov:entity prov:id="ex:e{prefix}"/></prov:bundleContent>'
        for prefix in ("ex", "o")
    )
    jsonld = [
        {"@type": "prov:Bundle", "@id": "ex:b", "@graph": [{"@type": "prov:Entity", "@id": f"ex:e{n}"}]}
        for n in range(2)
    ]
    texts = {
        "xml": f"<prov:document {names}>{xml}</prov:document>",
        "jsonld": json.dumps({"@context": [{"ex": "http://example.org/"}], "@graph": jsonld}),
    }
    for name, text in texts.items():
        with formats.read_from(io.BytesIO(text.encode()), f"twice.{name}", name) as graph:
            (one,) = graph.validate().violations
            assert (one.constraint, one.records, one.bundle) == ("7.2", ("bundle ex:b",), None)
            assert graph.count("bundle") == 1
            assert graph.count("element") == 2


def test_a_report_has_the_formats_that_it_says() -> None:
    with pytest.raises(UsageError, match="there is: text, json"):
        Graph.empty().validate().text("xml")


def test_a_report_shows_control_characters_as_escapes() -> None:
    raw = (
        b'{"entity": {"e:\\u001b[31m": {}}, "activity": {"e:\\u001b[31m": {}}, "prefix": {"e": "http://e/"}}'
    )
    with formats.read_from(io.BytesIO(raw), "odd.json", "json") as graph:
        text = graph.validate().text()
    assert "\\x1b[31m is an entity and an activity" in text
    assert "\x1b" not in text


def test_a_circle_is_told_as_a_way_around() -> None:
    text = BAD.replace(
        "activity(ex:a)",
        "entity(ex:b)\n  wasDerivedFrom(ex:a, ex:b)\n  specializationOf(ex:b, ex:c)\n"
        "  specializationOf(ex:c, ex:a)\n  wasDerivedFrom(ex:c, ex:b)",
    )
    with graph_of(text) as graph:
        one = next(one for one in graph.validate().violations if one.constraint == "42")
    assert one.through == ("45",)
    assert one.message == (
        "an event strictly precedes itself: generation of ex:b < generation of ex:a ≤ generation of ex:c "
        "≤ generation of ex:b (and 1 more derivations that stand in such circles)"
    )
    assert one.records[0] == "wasDerivedFrom(ex:a, ex:b)"
    assert one.records[-1] == "wasDerivedFrom(ex:c, ex:b)"
    assert len(one.records) == 4


def test_a_long_circle_is_found_and_told_briefly() -> None:
    count = 3000
    lines = [f"entity(ex:e{n})\nwasDerivedFrom(ex:e{n}, ex:e{(n + 1) % count})" for n in range(count)]
    with graph_of(
        "document\nprefix ex <http://example.org/>\n" + "\n".join(lines) + "\nendDocument"
    ) as graph:
        (one,) = graph.validate().violations
    assert len(one.records) == count
    assert len(one.message) < 1000


def test_circles_of_any_shape_are_those_that_reachability_finds() -> None:
    import random

    draw = random.Random(7)
    for _ in range(300):
        nodes = draw.randint(1, 12)
        edges = [(draw.randrange(nodes), draw.randrange(nodes)) for _ in range(draw.randint(0, 20))]
        reach = [[False] * nodes for _ in range(nodes)]
        for source, target in edges:
            reach[source][target] = True
        for middle in range(nodes):
            for source in range(nodes):
                for target in range(nodes):
                    reach[source][target] |= reach[source][middle] and reach[middle][target]
        wanted = {
            tuple(other for other in range(nodes) if reach[node][other] and reach[other][node])
            for node in range(nodes)
            if reach[node][node]
        }
        found = circles(nodes, [source for source, _ in edges], [target for _, target in edges])
        assert {tuple(one) for one in found} == wanted


def test_what_the_demo_says_is_valid_and_fits_the_shapes(demo_project: DemoProject) -> None:
    with extract(demo_project.repository, f"sqlite:///{demo_project.database}") as graph:
        assert graph.validate(shapes=True).violations == ()


def test_what_does_not_fit_the_shapes_is_told() -> None:
    text = """document
prefix m2p <https://w3id.org/mlflow2prov#>
prefix ex <http://example.org/>
entity(ex:m, [prov:type = 'm2p:Metric', prov:label = "m", m2p:value = "high"])
bundle ex:b
  entity(ex:n, [prov:type = 'm2p:Artifact', m2p:path = "a"])
endBundle
endDocument
"""
    with graph_of(text) as graph:
        assert graph.validate().is_valid
        found = graph.validate(shapes=True).violations
    assert {one.constraint for one in found} == {"SHACL"}
    said = [(one.bundle, one.name, one.message) for one in found]
    assert any(b is None and "ex:m m2p:value 'high'" in m for b, _, m in said)
    assert any(
        b == "ex:b" and n == "MinCountConstraintComponent" and m.startswith("ex:n ") for b, n, m in said
    )


def test_shapes_without_their_package_are_wrong_usage(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    nothing: Any = None
    monkeypatch.setitem(sys.modules, "pyshacl", nothing)
    assert cli.run(["load", "--input", "good.provn", "validate", "--shapes"]) == 2
    assert "pip install 'mlflow2prov[shacl]'" in capfd.readouterr().err
