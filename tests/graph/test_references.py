"""What people call things: in the demo project, in small documents, and what is said where nothing is meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.conftest import DemoProject

from documents import graph_of
from mlflow2prov import Graph, extract
from mlflow2prov.errors import UsageError
from mlflow2prov.graph.reference_kinds import REFERENCE_KINDS
from mlflow2prov.graph.references import resolve


@pytest.fixture(scope="module")
def demo(demo_project: DemoProject) -> Graph:
    return extract(demo_project.repository, f"sqlite:///{demo_project.database}")


def one(graph: Graph, sql: str) -> str:
    return str(graph.sql(sql).to_pylist()[0]["id"])


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("models:/wine-candidate/3", "SELECT id FROM RegisteredModelVersion WHERE label = 'wine-candidate v3'"),
        ("models:/wine-candidate@champion", "SELECT id FROM RegisteredModelVersion WHERE label = 'wine-candidate v3'"),
        ("models:/wine-candidate/latest", "SELECT id FROM RegisteredModelVersion WHERE label = 'wine-candidate v4'"),
        ("models:/wine-candidate", "SELECT id FROM RegisteredModel WHERE name = 'wine-candidate'"),
        ("wine-candidate", "SELECT id FROM RegisteredModel WHERE name = 'wine-candidate'"),
        ("grid of forests", "SELECT id FROM Run WHERE name = 'grid of forests'"),
        ("4089fa5", "SELECT id FROM m2p.Commit WHERE starts_with(sha, '4089fa5')"),
        ("train.py", "SELECT id FROM File WHERE name = 'train.py'"),
        ("src/train.py", "SELECT id FROM File WHERE name = 'train.py'"),
        ("wine-all", "SELECT id FROM Dataset WHERE name = 'wine-all'"),
        ("Ada@Example.org", "SELECT id FROM m2p.User WHERE email = 'ada@example.org'"),
        ("v1.0", "SELECT id FROM Tag WHERE name = 'v1.0'"),
        # made by that commit, and left as it was by a later one, in a folder or by its name
        ("src/train.py@0671967", "SELECT id FROM FileRevision WHERE starts_with(commit, '0671967') AND name = 'train.py'"),
        ("src/train.py@83de590", "SELECT id FROM FileRevision WHERE starts_with(commit, 'a39dc48') AND name = 'train.py'"),
        ("data/wine.csv@c4edf88", "SELECT id FROM DataRevision WHERE label = 'wine.csv @ c4edf88'"),
        ("wine.csv@4089fa5", "SELECT id FROM DataRevision WHERE label = 'wine.csv @ c4edf88'"),
        ("data/wine.csv@ad52d46", "SELECT id FROM DataRevision WHERE label = 'wine.csv @ 83de590'"),
        ("data/growers.csv", "SELECT id FROM File WHERE name = 'growers.csv'"),
        ("train.py@6efe0a8", "SELECT id FROM FileRevision WHERE starts_with(commit, '6efe0a8') AND name = 'train.py'"),
    ],
)  # fmt: skip
def test_the_demo_is_called_by_its_names(text: str, sql: str, demo: Graph) -> None:
    assert resolve(demo, text).identifier == one(demo, sql)


def test_runs_models_and_digests_are_called_by_what_mlflow_gave_them(demo: Graph) -> None:
    for row in demo.sql("SELECT id, run_id FROM Run").to_pylist():
        assert resolve(demo, f"runs:/{row['run_id']}").identifier == row["id"]
        assert resolve(demo, row["run_id"]).identifier == row["id"]
    for row in demo.sql("SELECT id, model_id FROM LoggedModel").to_pylist():
        assert resolve(demo, f"models:/{row['model_id']}").identifier == row["id"]
    for row in demo.sql("SELECT id, digest FROM Dataset").to_pylist():
        assert resolve(demo, row["digest"]).identifier == row["id"]


def test_a_path_of_a_run_is_its_model_or_its_artifact(demo: Graph) -> None:
    models = demo.sql(
        "SELECT l.id, l.name, r.run_id FROM LoggedModel l JOIN wasGeneratedBy g ON g.entity = l.id "
        "JOIN wasGeneratedBy o ON o.activity = g.activity JOIN Run r ON r.id = o.entity "
        "WHERE NOT EXISTS (FROM hadMember h JOIN ModelArtifact m ON m.id = h.entity WHERE h.collection = r.id)"
    ).to_pylist()
    artifacts = demo.sql(
        "SELECT a.id, a.path, r.run_id FROM Artifact a JOIN hadMember h ON h.entity = a.id "
        "JOIN Run r ON r.id = h.collection WHERE NOT a.is_dir"
    ).to_pylist()
    assert models and artifacts
    for row in models:
        assert resolve(demo, f"runs:/{row['run_id']}/{row['name']}").identifier == row["id"]
    for row in artifacts[:3]:
        assert resolve(demo, f"runs:/{row['run_id']}/{row['path']}").identifier == row["id"]


def test_what_may_mean_several_things_is_listed_with_kinds_and_identifiers(demo: Graph) -> None:
    with pytest.raises(
        UsageError, match=r"'linear' may mean \d+ things: run name linear = mlflow:Run\."
    ) as raised:
        resolve(demo, "linear")
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("models:/wine-candidate/9", r"models:/wine-candidate/\d \(model version\)"),
        ("models:/wine-production@champio", r"models:/wine-production@champion \(alias\)"),
        ("trian.py", r"train.py \(file\)"),
        ("ada@exampel.org", r"ada@example.org \(e-mail\)"),
        ("wine-trein", r"wine-train \(dataset\)"),
    ],
)
def test_what_is_unknown_is_answered_with_the_nearest(text: str, near: str, demo: Graph) -> None:
    with pytest.raises(UsageError, match=f"the nearest are: .*{near}"):
        resolve(demo, text)


def typed(word: str, **attributes: Any) -> dict[str, Any]:
    return {"prov:type": {"$": f"v:{word}", "type": "xsd:QName"}} | {
        f"v:{n}": x for n, x in attributes.items()
    }


OTHERS: dict[str, Any] = {
    "prefix": {
        "ex": "http://example.org/",
        "default": "http://default.example/",
        "v": "https://w3id.org/mlflow2prov#",
        "foaf": "http://xmlns.com/foaf/0.1/",
    },
    "entity": {
        "plain": {"prov:label": "the monthly report"},
        "ex:v2": typed("RegisteredModelVersion", name="wine", version="2", stage="Production"),
        "ex:v10": typed("RegisteredModelVersion", name="wine", version="10", stage="Production"),
        "ex:v11": typed("RegisteredModelVersion", name="wine", version="11", stage="Production"),
        "ex:old": typed("Run", run_id="r1", name="nightly"),
        "ex:new": typed("Run", run_id="r2", name="nightly"),
        "ex:deep": typed("File", name="a.py", first_path="lib/a.py"),
        "ex:top": typed("File", name="a.py", first_path="a.py"),
        "ex:only": typed("File", name="b.py", first_path="lib/b.py"),
        "ex:it's": {},
    },
    "agent": {"ex:bo": {"foaf:mbox": {"$": "mailto:bo@example.org", "type": "xsd:anyURI"}}},
    "activity": {"ex:deleting": {}},
    "used": {"ex:use": {"prov:activity": "ex:deleting", "prov:entity": "ex:undescribed"}},
    "wasInvalidatedBy": {
        "_:1": {"prov:entity": "ex:old", "prov:activity": "ex:deleting"},
        "_:2": {"prov:entity": "ex:v11", "prov:activity": "ex:deleting"},
    },
}


@pytest.fixture(scope="module")
def others() -> Graph:
    return graph_of(json.dumps(OTHERS).encode())


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("ex:v2", "ex:v2"),
        ("http://example.org/v2", "ex:v2"),
        ("plain", "plain"),
        ("http://default.example/plain", "plain"),
        ("the monthly report", "plain"),
        ("models:/wine/10", "ex:v10"),
        ("models:/wine/Production", "ex:v10"),  # the newest by number that is not deleted
        ("models:/wine/production", "ex:v10"),
        ("nightly", "ex:new"),  # the other one was deleted
        ("runs:/r1", "ex:old"),
        ("a.py", "ex:top"),  # a path goes before a name
        ("lib/a.py", "ex:deep"),
        ("b.py", "ex:only"),
        ("bo@example.org", "ex:bo"),
        ("ex:it's", "ex:it's"),
        ("  ex:v2 ", "ex:v2"),
        ("ex:undescribed", "ex:undescribed"),
        ("http://example.org/undescribed", "ex:undescribed"),
    ],
)
def test_any_document_is_called_by_its_names(text: str, identifier: str, others: Graph) -> None:
    assert resolve(others, text).identifier == identifier


@pytest.mark.parametrize(
    "text", ["", "%", "'; DROP TABLE x; --", "models:/", "x" * 10_000, "a\nb", "[", "zzz@0000", "ex:use"]
)
def test_what_is_no_name_at_all_is_one_sentence(text: str, others: Graph) -> None:
    with pytest.raises(UsageError, match="nothing is called") as caught:
        resolve(others, text)
    assert len(str(caught.value)) < 400
    with pytest.raises(UsageError, match="nothing is called"):
        resolve(Graph.empty(), text)


def test_what_has_the_text_in_its_name_is_near(others: Graph) -> None:
    with pytest.raises(UsageError, match=r"the nearest are: .*the monthly report \(label\)"):
        resolve(others, "Report")


def test_every_example_fits_its_own_pattern() -> None:
    import re

    assert all(re.fullmatch(kind.pattern, kind.example.replace("…", "0" * 24)) for kind in REFERENCE_KINDS)


def test_data_that_changed_is_listed_by_its_path(demo: Graph) -> None:
    with pytest.raises(
        UsageError, match=r"may mean 2 things: data wine.csv @ 83de590 = .*; data wine.csv @ c4edf88"
    ):
        resolve(demo, "data/wine.csv")


@pytest.mark.parametrize("text", ["runs:/judge", "runs:/jugde", "models:/judge"])
def test_a_name_in_the_form_of_an_identifier_is_near(text: str, demo: Graph) -> None:
    with pytest.raises(UsageError, match=r"the nearest are: judge \(run name\)"):
        resolve(demo, text)


def test_data_did_not_come_of_other_files_of_its_commit(demo: Graph) -> None:
    """The commit that names the wines names the growers, too, whom nothing was learned from."""
    met = demo.lineage("data/growers.csv", direction="downstream")
    assert met.sql("SELECT name FROM DataRevision").to_pylist() == [{"name": "growers.csv"}]
    told = demo.lineage("c4edf88", direction="downstream").sql(
        "SELECT DISTINCT name FROM DataRevision ORDER BY name"
    )
    assert [row["name"] for row in told.to_pylist()] == ["growers.csv", "wine.csv"]
