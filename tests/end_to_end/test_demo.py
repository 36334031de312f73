"""The demo project, extracted: what the graph says against what the script that made it knows."""

from __future__ import annotations

import doctest
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from prov.model import ProvDocument
from tests.conftest import DemoProject

from mlflow2prov import Graph, extract, merge
from mlflow2prov.prov.records import KIND_BY_NAME, RELATION_KINDS

Document = dict[str, Any]


@pytest.fixture(scope="module")
def graph(demo_project: DemoProject) -> Graph:
    return extract(demo_project.repository, f"sqlite:///{demo_project.database}")


@pytest.fixture(scope="module")
def document(graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Document:
    path = graph.save(tmp_path_factory.mktemp("demo") / "provenance")
    loaded: Document = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def stored(demo: DemoProject, table: str) -> int:
    with sqlite3.connect(f"file:{demo.database}?mode=ro", uri=True) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_the_counts_per_type_are_those_of_what_was_done(demo_project: DemoProject, graph: Graph) -> None:
    git, mlflow = demo_project.truth["counts"]["git"], demo_project.truth["counts"]["mlflow"]
    runs = demo_project.truth["mlflow"]["runs"]
    things = mlflow["experiments"] + mlflow["runs"] + mlflow["registered_models"] + mlflow["model_versions"]
    deleted = sum(
        mlflow[f"deleted_{what}"] for what in ("experiments", "runs", "model_versions", "logged_models")
    )
    expected = {
        "m2p:Commit": git["commits"],
        "m2p:File": git["files"],
        "m2p:FileRevision": git["revisions"],
        "m2p:SourceTree": demo_project.truth["counts"]["source_trees"],
        "m2p:Tag": git["tags"],
        "m2p:TagCreation": git["annotated_tags"],
        "m2p:Branch": git["branches"],
        "m2p:User": git["people"] + len({run["user"] for run in runs}),
        "m2p:Experiment": mlflow["experiments"],
        "m2p:ExperimentTag": mlflow["experiment_tags"],
        "m2p:Run": mlflow["runs"],
        "m2p:Param": mlflow["params"] + mlflow["logged_model_params"],
        "m2p:Metric": mlflow["metric_points"] + mlflow["logged_model_metric_points"],
        "m2p:RunTag": stored(demo_project, "tags"),
        "m2p:LoggedModelTag": stored(demo_project, "logged_model_tags"),
        "m2p:Dataset": mlflow["datasets"] + git["data_contents"],
        "m2p:DataRevision": git["data_revisions"],
        "m2p:LoggedModel": mlflow["logged_models"],
        "m2p:Artifact": mlflow["artifact_files"]
        + mlflow["artifact_folders"]
        + mlflow["logged_model_files"]
        + mlflow["logged_model_folders"],
        "m2p:RegisteredModel": mlflow["registered_models"],
        "m2p:RegisteredModelTag": mlflow["registered_model_tags"],
        "m2p:RegisteredModelAlias": mlflow["aliases"],
        "m2p:RegisteredModelVersion": mlflow["model_versions"],
        "m2p:RegisteredModelVersionTag": mlflow["model_version_tags"],
        "m2p:WorkTreeDiff": sum(run["work_tree"] == "dirty" for run in runs),
        "m2p:Creation": things,
        "m2p:Deletion": deleted,
    }
    counts = graph.statistics("fine").counts("type")
    assert {name: counts.get(name) for name in expected} == expected


def test_the_relations_per_kind_follow_from_what_was_done(demo_project: DemoProject, graph: Graph) -> None:
    git, mlflow = demo_project.truth["counts"]["git"], demo_project.truth["counts"]["mlflow"]
    counts = graph.statistics("fine").counts("relation")
    types = graph.statistics("fine").counts("type")
    assert counts["wasStartedBy"] == mlflow["nested_runs"]
    assert (
        counts["specializationOf"] == git["revisions"] + types["m2p:ModelArtifact"] + mlflow["model_versions"]
    )
    with_run = len(demo_project.truth["mlflow"]["model_versions"])  # that of the deleted one is recovered
    assert counts["wasInformedBy"] == git["parents"] + git["annotated_tags"] + mlflow["runs"] + with_run


def links(document: Document, kind: str) -> set[tuple[str, ...]]:
    names = [f"prov:{name}" for name in KIND_BY_NAME[kind].references]
    return {tuple(body.get(name, "") for name in names) for body in document[kind].values()}


def test_every_run_is_linked_to_its_commit_its_tree_and_the_file_that_ran(
    demo_project: DemoProject, document: Document
) -> None:
    informed, used = links(document, "wasInformedBy"), links(document, "used")
    plans = {(activity, plan) for activity, _, plan in links(document, "wasAssociatedWith") if plan}
    revisions = {
        (body["m2p:path"], body["m2p:commit"]): name
        for name, body in document["entity"].items()
        if name.startswith("git:FileRevision.")
    }
    history = demo_project.truth["git"]["commits"]
    for run in demo_project.truth["mlflow"]["runs"]:
        creation = f"mlflow:Creation.run--{run['run_id']}"
        assert (creation, f"git:Commit.{run['commit']}") in informed
        assert (creation, f"git:SourceTree.{run['commit']}") in used
        revision = revisions[run["entry_point"], last_change(history, run["commit"], run["entry_point"])]
        assert (creation, revision) in used
        assert (creation, revision) in plans


def test_every_run_says_what_it_imports_and_whether_its_work_tree_was_dirty(
    demo_project: DemoProject, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"follow_imports": True}
    with extract(demo_project.repository, f"sqlite:///{demo_project.database}", **options) as followed:
        saved = followed.save(tmp_path / "followed").read_text(encoding="utf-8")
    document: Document = json.loads(saved)
    history = demo_project.truth["git"]["commits"]
    by_role: dict[tuple[str, str], set[str]] = {}
    bounds = set()
    for body in document["used"].values():
        key = body["prov:activity"], body.get("prov:role", {}).get("$", "")
        by_role.setdefault(key, set()).add(body["prov:entity"])
        if "m2p:is_lower_bound" in body:
            bounds.add(body["prov:activity"])
    revisions = {
        (body["m2p:path"], body["m2p:commit"]): name
        for name, body in document["entity"].items()
        if name.startswith("git:FileRevision.")
    }
    dirty = set()
    for run in demo_project.truth["mlflow"]["runs"]:
        creation = f"mlflow:Creation.run--{run['run_id']}"
        expected = {revisions[path, last_change(history, run["commit"], path)] for path in run["imports"]}
        assert by_role[creation, "m2p:ImportedModule"] == expected
        assert document["entity"][f"mlflow:Run.{run['run_id']}"]["m2p:work_tree"] == run["work_tree"]
        if run["work_tree"] == "dirty":
            dirty.add(creation)
            (diff,) = by_role[creation, "m2p:WorkTreeDiff"]
            assert "src/evaluate.py" in document["entity"][diff]["m2p:diff"]
            derived = links(document, "wasDerivedFrom")
            assert (diff, f"git:SourceTree.{run['commit']}") in {pair[:2] for pair in derived}
    assert bounds == dirty != set()


def last_change(history: list[dict[str, Any]], sha: str, path: str) -> str:
    """Walk back from a commit, first parents first, to the one that last made the path."""
    by_sha = {commit["sha"]: commit for commit in history}
    waiting = [sha]
    while waiting:
        commit = by_sha[waiting.pop(0)]
        if any(change["path"] == path and change["status"] != "D" for change in commit["changes"]):
            return str(commit["sha"])
        waiting += commit["parents"]
    raise AssertionError(f"{path} is not in the history of {sha}")


def test_every_run_used_the_data_that_stood_at_its_commit(
    demo_project: DemoProject, document: Document
) -> None:
    used, alternates = links(document, "used"), links(document, "alternateOf")
    data = {name: body for name, body in document["entity"].items() if name.startswith("git:DataRevision.")}
    commits = {commit["sha"]: commit for commit in demo_project.truth["git"]["commits"]}
    told = set()
    for run in demo_project.truth["mlflow"]["runs"]:
        taken = {
            name for activity, name in used if activity == f"mlflow:Creation.run--{run['run_id']}"
        } & data.keys()
        names = {entry["name"] for entry in run["datasets"]} & {"wine-train", "wine-validation"}
        there = commits[run["commit"]]["data_there"].get("data/wine.csv")
        assert {data[name]["m2p:md5"] for name in taken} == ({there} if there and names else set())
        for entry in run["datasets"] if taken else ():
            dataset = f"mlflow:Dataset.{entry['name'].replace('-', '-2D')}--{entry['digest']}"
            assert {(dataset, name) for name in taken} <= alternates
            assert document["entity"][dataset]["m2p:matched_by"] == "path"
        told |= {data[name]["m2p:md5"] for name in taken}
    assert len(told) == 2


def test_the_documented_command_says_which_data_made_each_version(
    demo_project: DemoProject, graph: Graph, tmp_path: Path
) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "sql.md"
    examples = doctest.DocTestParser().get_examples(page.read_text(encoding="utf-8"))
    with duckdb.connect(str(graph.keep(tmp_path / "wine.duckdb")), read_only=True) as db:
        names: dict[str, Any] = {"db": db}
        for example in examples:
            if example.source.startswith(("_ = db.execute", "def data_of")):
                exec(example.source, names)
        commits = {commit["sha"]: commit for commit in demo_project.truth["git"]["commits"]}
        runs = {run["run_id"]: run for run in demo_project.truth["mlflow"]["runs"]}
        for version in demo_project.truth["mlflow"]["model_versions"]:
            digest = commits[runs[version["run_id"]]["commit"]]["data_there"]["data/wine.csv"]
            found = names["data_of"](f"{version['name']} v{version['version']}")
            assert [(path, md5) for path, md5, _ in found] == [("data/wine.csv", digest)]


def test_the_data_of_the_history_is_as_it_was_put_in(demo_project: DemoProject, document: Document) -> None:
    found = {
        (
            body["m2p:commit"],
            body["m2p:path"],
            body.get("m2p:md5") or body["m2p:sha256"],
            body["m2p:file_size"]["$"],
        )
        for name, body in document["entity"].items()
        if name.startswith("git:DataRevision.")
    }
    assert found == {
        (commit["sha"], kept["path"], kept["digest"], str(kept["size"]))
        for commit in demo_project.truth["git"]["commits"]
        for kept in commit["data"]
    }


def test_every_version_derives_from_the_one_model_that_its_source_names(
    demo_project: DemoProject, document: Document
) -> None:
    derived = links(document, "wasDerivedFrom")
    versions = {
        (body["m2p:name"], int(body["m2p:version"]["$"])): name
        for name, body in document["entity"].items()
        if name.startswith("mlflow:RegisteredModelVersion.")
    }
    for version in demo_project.truth["mlflow"]["model_versions"]:
        name = versions[version["name"], version["version"]]
        sources = {source for entity, source, *_ in derived if entity == name}
        if version["deleted"]:
            assert document["entity"][name]["m2p:recovered_from"] == [
                "storage_location",
                "mlflow.modelVersions",
            ]
        if version["copied_from"]:
            assert len(sources) == 1
            assert next(iter(sources)) in versions.values()
        elif version["model_id"]:
            assert sources == {f"mlflow:LoggedModel.{version['model_id'].replace('-', '-2D')}"}
        else:
            assert len(sources) == 1
            assert next(iter(sources)).startswith(f"mlflow:ModelArtifact.{version['run_id']}--")


def test_nothing_dangles_and_nothing_is_there_twice(graph: Graph) -> None:
    described = "SELECT id FROM {graph}.element"
    for column in ("a1", "a2", "a3"):
        missing = graph.query(f"SELECT count(*) FROM {{graph}}.relation WHERE {column} NOT IN ({described})")
        assert missing == [(0,)]
    with graph.eliminate_duplicates() as once:
        assert once.statistics("fine").rows == graph.statistics("fine").rows


def test_labels_and_local_names_are_there_and_right(document: Document) -> None:
    for kind in ("entity", "activity", "agent"):
        for name, body in document[kind].items():
            assert body["prov:label"], name
            local = name.split(":", 1)[1]
            assert local[0].isalpha() and all(
                char.isascii() and (char.isalnum() or char in "-_.") for char in local
            ), name


def test_the_prov_library_reads_it_without_a_loss(graph: Graph) -> None:
    document = graph.to_prov()
    records = Counter(type(record).__name__ for record in document.get_records())
    assert sum(records.values()) == graph.count("element") + graph.count("relation")
    assert document == document.unified()
    text = document.serialize(format="json").replace('"NaN"', '"0.125"')  # NaN is not even equal to itself
    comparable = ProvDocument.deserialize(content=text, format="json")
    with Graph.from_prov(comparable) as again:
        assert again.to_prov() == comparable
        assert again.statistics("fine").rows == graph.statistics("fine").rows


@pytest.mark.parametrize("zone", ["America/St_Johns", "Asia/Kathmandu"])
def test_it_is_the_same_byte_for_byte_in_another_time_zone_and_locale(
    demo_project: DemoProject, graph: Graph, zone: str, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "mlflow2prov",
        "extract",
        "--repository_path",
        str(demo_project.repository),
    ]
    command += [
        "--mlflow_url",
        f"sqlite:///{demo_project.database}",
        "save",
        "--output",
        str(tmp_path / "there"),
    ]
    subprocess.run(command, check=True, env=os.environ | {"TZ": zone, "LC_ALL": "C"}, cwd=tmp_path)
    here = graph.save(tmp_path / "here")
    assert (tmp_path / "there.json").read_bytes() == here.read_bytes()


def test_git_alone_and_mlflow_alone_merge_into_all_records_but_the_link(
    demo_project: DemoProject, graph: Graph
) -> None:
    with (
        extract(demo_project.repository) as git,
        extract(mlflow_url=f"sqlite:///{demo_project.database}") as mlflow,
        merge([git, mlflow]) as merged,
    ):
        whole, joined = graph.statistics("fine"), merged.statistics("fine")
        for name in ("m2p:Commit", "m2p:FileRevision", "m2p:Run", "m2p:Metric", "m2p:User"):
            assert joined.counts("type")[name] == whole.counts("type")[name]
        assert joined.counts("relation")["used"] < whole.counts("relation")["used"]


def test_a_deletion_keeps_its_time_and_its_activity(demo_project: DemoProject, document: Document) -> None:
    invalidated = {body["prov:entity"]: body for body in document["wasInvalidatedBy"].values()}
    for run in demo_project.truth["mlflow"]["runs"]:
        name = f"mlflow:Run.{run['run_id']}"
        if run["lifecycle_stage"] == "deleted":
            assert invalidated[name]["prov:activity"].startswith(f"mlflow:Deletion.run--{run['run_id']}--")
            assert invalidated[name]["prov:time"].endswith("Z")
        else:
            assert name not in invalidated


def test_members_of_deleted_runs_go_with_them_but_child_runs_do_not(document: Document) -> None:
    invalidated = {body["prov:entity"] for body in document["wasInvalidatedBy"].values()}
    members = links(document, "hadMember")
    for run, member in members:
        if run in invalidated and run.startswith("mlflow:Run.") and not member.startswith("mlflow:Run."):
            assert member in invalidated


def test_all_roles_and_types_are_of_the_vocabulary(document: Document) -> None:
    for kind in RELATION_KINDS:
        for body in document.get(kind.name, {}).values():
            role = body.get("prov:role")
            if role is not None:
                assert role["type"] == "xsd:QName"
                assert role["$"].startswith("m2p:")
