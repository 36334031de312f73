"""The way into MLflow through its files: a real store of the installed MLflow, and ones of older layouts."""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from servers import FileStore, served
from tests.contents import contents

from mlflow2prov import extract
from mlflow2prov.errors import SourceError, UsageError
from mlflow2prov.sources.mlflow.database import read_database
from mlflow2prov.sources.mlflow.file_store import read_file_store
from mlflow2prov.sources.mlflow.file_store_path import file_store_path, is_file_store
from mlflow2prov.sources.mlflow.http_settings import HttpSettings
from mlflow2prov.sources.mlflow.parts import Wanted
from mlflow2prov.sources.mlflow.server import read_server
from mlflow2prov.sources.tables import SOURCE_TABLES

Tables = dict[str, list[dict[str, Any]]]
NAMESPACE = "https://mlflow.example.org/#"


def tables_of(batches: Any) -> Tables:
    found: Tables = {}
    for name, batch in batches:
        assert batch.schema.equals(SOURCE_TABLES[name].schema())
        assert batch.num_rows > 0
        found.setdefault(name, []).extend(batch.to_pylist())
    return found


def only(tables: Tables, table: str, **fixed: object) -> list[dict[str, Any]]:
    return [row for row in tables[table] if all(row[name] == value for name, value in fixed.items())]


def sortable(rows: list[dict[str, Any]]) -> set[str]:
    return {json.dumps(row, sort_keys=True, default=repr) for row in rows}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


@pytest.fixture(scope="session")
def store(file_store: FileStore) -> FileStore:
    return file_store


@pytest.fixture(scope="session")
def tables(store: FileStore) -> Tables:
    return tables_of(read_file_store(str(store.folder)))


# ---- A real store ------------------------------------------------------------------------------


def test_the_store_is_told_by_its_folder(store: FileStore, tables: Tables) -> None:
    first = next(iter(read_file_store(str(store.folder))))
    assert first[0] == "mlflow_store"
    assert tables["mlflow_store"] == [
        {"uri": store.folder.as_uri(), "mlflow_version": None, "schema_version": None}
    ]


def test_experiments_are_read_with_those_in_the_trash(store: FileStore, tables: Tables) -> None:
    stages = {row["name"]: row["lifecycle_stage"] for row in tables["mlflow_experiment"]}
    live = ("Default", "one", "two, with: odd/name", "far", "empty", '- "odd": é #1', "traced")
    lost = ("gone", "trash", "thrown away")
    assert stages == dict.fromkeys(live, "active") | dict.fromkeys(lost, "deleted")
    trash = only(tables, "mlflow_experiment", name="trash")[0]
    assert trash["experiment_id"] == store.made["trash"]
    assert trash["last_updated_ms"] >= trash["created_ms"] > 1_500_000_000_000
    tags = {(row["key"], row["value"]) for row in tables["mlflow_experiment_tag"]}
    assert tags == {
        ("team", "é blue"),
        ("empty", ""),
        ("path/like", "two\nlines"),
        ("q", "'x': y"),
        ("mlflow.user", "bob"),
    }


def test_runs_are_read_with_deleted_ones_and_when_they_were(store: FileStore, tables: Tables) -> None:
    runs = {row["run_id"]: row for row in tables["mlflow_run"]}
    assert len(runs) == len(tables["mlflow_run"]) == 2 + 25 + 1 + 5 + 1 + 1 + 1 + 1
    made = store.made
    assert {runs[made[name]]["lifecycle_stage"] for name in ("local", "trashed")} == {"deleted"}
    assert (
        runs[made["trashed"]]["deleted_ms"]
        == only(tables, "mlflow_experiment", name="trash")[0]["last_updated_ms"]
    )
    assert runs[made["first"]]["deleted_ms"] is None
    assert (runs[made["first"]]["status"], runs[made["child"]]["status"]) == ("FINISHED", "FAILED")
    assert (runs[made["first"]]["name"], runs[made["odd"]]["name"]) == ("first", "- a: 'b'\n\nc")
    assert runs[made["first"]]["start_ms"] <= runs[made["first"]]["end_ms"]


def test_keys_that_are_paths_and_values_of_any_text_are_read(store: FileStore, tables: Tables) -> None:
    odd = store.made["odd"]
    params = {row["key"]: row["value"] for row in only(tables, "mlflow_param", run_id=odd)}
    assert params == {"opt/inner/lr": "1e-3\n", "number": "007"}
    tags = {row["key"]: row["value"] for row in only(tables, "mlflow_tag", run_id=odd)}
    assert tags["a/b c"] == "üüü" and tags["mlflow.note.content"] == "# note\n\n* one\n"
    assert only(tables, "mlflow_tag", run_id=store.made["first"], key="t")[0]["value"] == ""


def test_every_point_of_a_metric_is_read_with_its_value(store: FileStore, tables: Tables) -> None:
    acc = only(tables, "mlflow_metric", run_id=store.made["first"], key="acc")
    points = [(row["step"], row["timestamp_ms"], row["value"]) for row in acc]
    assert points[0] == (0, 1000, 0.1)
    assert points[1][:2] == (1, 1001) and math.isnan(points[1][2])
    again = [(4, 1004, 0.5), (4, 1004, 0.5), (4, 1004, 0.7)]
    assert points[2:] == [(2, 1002, math.inf), (3, 1003, -math.inf), *again]
    odd = only(tables, "mlflow_metric", key="deep/er/loss")
    assert [(row["step"], row["value"]) for row in odd] == [(2**40, 1e-20), (0, -1.5)]
    assert [row["step"] for row in only(tables, "mlflow_metric", key="val/loss: 5")] == [-3]
    assert len(only(tables, "mlflow_metric", key="long")) == 130


def test_a_point_with_a_dataset_has_its_step(store: FileStore, tables: Tables) -> None:
    found = only(tables, "mlflow_metric", run_id=store.made["trainer"], key="mm")
    assert [(row["step"], row["value"]) for row in found] == [(2, 1.5), (4, math.inf)]
    own = only(tables, "mlflow_logged_model_metric", model_id=store.made["model"])
    assert {row["run_id"] for row in own} == {store.made["trainer"]}
    assert [(row["step"], row["value"], row["dataset_name"]) for row in own] == [
        (2, 1.5, "wine"),
        (4, math.inf, None),
    ]


def test_without_histories_only_the_latest_points_are_read(store: FileStore) -> None:
    found = tables_of(
        read_file_store(str(store.folder), Wanted(skip=frozenset({"metric_history", "artifacts"})))
    )
    (acc,) = only(found, "mlflow_metric", run_id=store.made["first"], key="acc")
    assert (acc["step"], acc["timestamp_ms"], acc["value"]) == (4, 1004, 0.7)
    (odd,) = only(found, "mlflow_metric", key="deep/er/loss")
    assert (odd["step"], odd["value"]) == (2**40, 1e-20)


def test_datasets_and_links_are_read(store: FileStore, tables: Tables) -> None:
    made = store.made
    inputs = {(row["run_id"], row["name"], row["context"]) for row in tables["mlflow_dataset_input"]}
    assert inputs == {(made["trainer"], "wine", "training"), (made["trainer"], "rest", None)}
    tags = {(row["name"], row["tag"], row["tag_value"]) for row in tables["mlflow_dataset_input"]}
    assert tags == {("wine", None, None), ("rest", "by", "ann é"), ("rest", "split", "0.8")}
    wine = only(tables, "mlflow_dataset", name="wine")[0]
    assert json.loads(wine["profile"])["features_size"] == 6 and "mlflow_tensorspec" in wine["schema"]
    links = {tuple(row.values()) for row in tables["mlflow_model_link"]}
    assert links == {
        (made["trainer"], made["model"], "output", 0),
        (made["trainer"], made["lost"], "output", 7),
        (made["child"], made["model"], "input", 0),
    }


def test_logged_models_are_read_with_deleted_ones(store: FileStore, tables: Tables) -> None:
    lost = only(tables, "mlflow_logged_model", model_id=store.made["lost"])[0]
    assert (lost["lifecycle_stage"], lost["status"], lost["model_type"]) == (
        "deleted",
        "UPLOAD_FAILED",
        "agent",
    )
    assert only(tables, "mlflow_logged_model_param", model_id=store.made["lost"])[0]["value"] == "1"
    kept = only(tables, "mlflow_logged_model", model_id=store.made["model"])[0]
    assert (kept["lifecycle_stage"], kept["status"], kept["model_type"]) == ("active", "READY", None)
    assert kept["source_run_id"] == store.made["trainer"]


def test_traces_are_read_with_spans_and_assessments_also_those_in_the_trash(
    store: FileStore, tables: Tables
) -> None:
    made = store.made
    (greeting,) = only(tables, "mlflow_trace", trace_id=made["greeting"])
    assert (greeting["name"], greeting["status"], greeting["session_id"]) == ("greet", "OK", "s-1")
    (thrown,) = only(tables, "mlflow_trace", experiment_id=made["thrown"])
    assert thrown["duration_ms"] is not None
    outer, inner = sorted(only(tables, "mlflow_span", trace_id=made["greeting"]), key=lambda it: it["name"])
    assert (outer["name"], outer["parent_id"], outer["inputs_bytes"]) == ("greet", None, 28)
    assert (inner["type"], inner["parent_id"], inner["inputs_bytes"]) == ("TOOL", outer["span_id"], None)
    assert greeting["started_ms"] == outer["started_ns"] // 10**6 <= outer["ended_ns"] // 10**6
    assert [it["name"] for it in only(tables, "mlflow_span", trace_id=thrown["trace_id"])] == ["look_up"]
    found = {(it["name"], it["value"], it["source_id"]) for it in tables["mlflow_assessment"]}
    assert found == {
        ("HUMAN", "true", "human@example.org"),
        ("LLM_JUDGE", "0.5", "llm_judge@example.org"),
        ("CODE", '"0.5"', "code@example.org"),
        ("broken", "null", "default"),
        ("expected", '{"b": [1, "\\u00fc"], "a": null}', "default"),
    }
    counted = {row["owner_id"]: row["traces"] for row in tables["mlflow_trace_count"]}
    assert counted[made["thrown"]] == counted[made["traced"]] == 1


def test_traces_are_only_counted_unless_they_are_asked_for(store: FileStore, tables: Tables) -> None:
    counted = tables_of(read_file_store(str(store.folder), Wanted(skip=frozenset({"trace_details"}))))
    assert counted["mlflow_trace_count"] == tables["mlflow_trace_count"]
    assert not {"mlflow_trace", "mlflow_span", "mlflow_assessment", "mlflow_trace_tag"}.intersection(counted)


def test_a_deleted_version_keeps_what_a_database_erases(store: FileStore, tables: Tables) -> None:
    wine = {row["version"]: row for row in only(tables, "mlflow_model_version", name="wine")}
    assert [(number, wine[number]["is_deleted"]) for number in sorted(wine)] == [
        (1, False),
        (2, True),
        (3, False),
        (4, False),
    ]
    gone = wine[2]
    assert (gone["stage"], gone["is_inferred"], gone["deleted_ms"]) == (None, False, gone["last_updated_ms"])
    assert gone["model_id"] == store.made["model"] and gone["source"] == f"models:/{gone['model_id']}"
    assert gone["run_id"] == store.made["trainer"] and gone["storage_location"].endswith("/artifacts")
    assert wine[3]["description"] == "about three" and wine[3]["deleted_ms"] is None
    old = {row["version"]: row for row in only(tables, "mlflow_model_version", name="old style é")}
    assert [old[number]["stage"] for number in (1, 2, 3)] == ["Staging", None, "None"]
    assert old[2]["description"] == "d 1" and old[2]["source"].endswith("/artifacts/model")
    assert old[2]["model_id"] is None
    (copy,) = only(tables, "mlflow_model_version", name="copies")
    assert (copy["source"], copy["model_id"]) == (
        "models:/wine/3",
        None,
    )  # though its file repeats the original's


def test_registered_models_are_read_with_tags_and_aliases(tables: Tables) -> None:
    models = {row["name"]: row for row in tables["mlflow_registered_model"]}
    assert set(models) == {"wine", "lonely", "greet", "old style é", "copies"}
    assert models["old style é"]["description"] == "several\nlines: of 'text'\n"
    aliases = {(row["name"], row["alias"], row["version"]) for row in tables["mlflow_registered_model_alias"]}
    assert aliases == {("wine", "champ", 3), ("old style é", "best-one", 3)}
    assert only(tables, "mlflow_registered_model_tag", name="old style é")[0]["key"] == "deep/tag"
    assert only(tables, "mlflow_model_version_tag", name="old style é", version=2)[0]["value"] == "1"
    assert only(tables, "mlflow_model_version_tag", key="mlflow.prompt.text")[0]["name"] == "greet"


def test_artifacts_are_listed_also_of_runs_that_were_moved_to_the_trash(
    store: FileStore, tables: Tables
) -> None:
    trashed = only(tables, "mlflow_artifact", owner_id=store.made["trashed"], is_dir=False)
    assert [row["path"] for row in trashed] == ["kept/a.txt", "kept/sub/deep/b ü.txt"]
    assert {(row["owner"], row["path"]) for row in tables["mlflow_model_file"]} == {
        ("logged_model", ""),
        ("run", "model"),
    }


@pytest.mark.parametrize(
    ("part", "missing"),
    [
        ("artifacts", {"mlflow_artifact", "mlflow_model_file"}),
        ("datasets", {"mlflow_dataset", "mlflow_dataset_input"}),
        ("logged_models", {name for name in SOURCE_TABLES if "logged_model" in name} | {"mlflow_model_link"}),
        ("registered_models", {name for name in SOURCE_TABLES if "registered" in name or "version" in name}),
    ],
)
def test_a_part_that_is_skipped_is_not_read(
    part: str, missing: set[str], store: FileStore, tables: Tables
) -> None:
    found = tables_of(read_file_store(str(store.folder), Wanted(skip=frozenset({part}))))
    assert tables.keys() - found.keys() == missing
    differing = {name for name in found if sortable(found[name]) != sortable(tables[name])}
    assert differing <= {"mlflow_artifact", "mlflow_model_file"}


def test_a_store_is_read_without_being_changed(store: FileStore) -> None:
    def state() -> dict[str, tuple[int, int]]:
        paths = [store.folder, *store.folder.rglob("*")]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}

    before = state()
    list(read_file_store(str(store.folder)))
    assert state() == before


# ---- The same store in a database --------------------------------------------------------------


def test_the_tables_are_those_of_the_migrated_store(store: FileStore, tables: Tables) -> None:
    database = tables_of(read_database(f"sqlite:///{store.database}"))
    differing = {name for name in tables if sortable(tables[name]) != sortable(database.get(name, []))}
    assert tables.keys() == database.keys()
    assert differing == {
        "mlflow_store",
        "mlflow_artifact",
        "mlflow_span",  # of a deleted experiment, which MLflow moved
        "mlflow_trace_tag",  # MLflow makes a column of the trace's name
        "mlflow_assessment",  # MLflow's migration forgets their times, and the values that were JSON
    }
    more = sortable(tables["mlflow_artifact"]) - sortable(database["mlflow_artifact"])
    assert len(more) == 5 and all(store.made["trashed"] in row for row in more)
    assert sortable(database["mlflow_artifact"]) <= sortable(tables["mlflow_artifact"])


def test_the_graph_is_that_of_the_migrated_store_but_for_two_things(store: FileStore) -> None:
    """The description of the store itself, and the artifacts that MLflow moved with a deleted experiment."""
    with (
        extract(mlflow_url=str(store.folder), mlflow_namespace=NAMESPACE) as files,
        extract(mlflow_url=f"sqlite:///{store.database}", mlflow_namespace=NAMESPACE) as database,
    ):
        left, right = contents(files), contents(database)
    explained = ("TrackingStore.", "Extraction.", f"Artifact.{store.made['trashed']}--")
    unexplained = [
        record
        for record in [*(left - right), *(right - left)]
        if not any(sign in repr(record) for sign in explained)
    ]
    assert unexplained == []
    moved = [record for record in left - right if explained[2] in repr(record)]
    assert {record[1] for record in moved} >= {"entity", "wasGeneratedBy", "wasInvalidatedBy", "hadMember"}
    assert not any(explained[2] in repr(record) for record in right)


def test_the_tables_are_those_of_a_server_over_the_files_but_for_what_it_hides(
    store: FileStore, tables: Tables, tmp_path: Path
) -> None:
    with served(tmp_path, str(store.folder), "--no-serve-artifacts") as url:
        http = tables_of(
            read_server(url, settings=HttpSettings(timeout_s=20, max_retries=2, backoff_factor=0.1))
        )

    def told(table: str, found: Tables, *hidden: str) -> list[dict[str, Any]]:
        return [{**row, **dict.fromkeys(hidden)} for row in found[table] if not row.get("is_deleted")]

    of_deleted = {
        (row["name"], row["version"]) for row in tables["mlflow_model_version"] if row["is_deleted"]
    }
    assert of_deleted == {("wine", 2), ("old style é", 2)}
    alike = {name for name in tables if sortable(tables[name]) == sortable(http[name])}
    assert tables.keys() - alike == {
        "mlflow_store",
        "mlflow_run",  # when it was deleted
        "mlflow_metric",  # MLflow takes the step of a point with a dataset for 0
        "mlflow_artifact",  # of deleted experiments
        "mlflow_span",  # of deleted experiments
        "mlflow_model_version",  # where it is stored, and all of a deleted one
        "mlflow_model_version_tag",
    }
    assert sortable(told("mlflow_run", tables, "deleted_ms")) == sortable(http["mlflow_run"])
    versions = told("mlflow_model_version", tables, "storage_location")
    assert sortable(versions) == sortable(told("mlflow_model_version", http))
    tags = [
        row for row in tables["mlflow_model_version_tag"] if (row["name"], row["version"]) not in of_deleted
    ]
    assert sortable(tags) == sortable(http["mlflow_model_version_tag"])
    (point,) = sortable(tables["mlflow_metric"]) - sortable(http["mlflow_metric"])
    assert json.loads(point)["step"] == 2 and json.loads(point)["run_id"] == store.made["trainer"]
    more = sortable(tables["mlflow_artifact"]) - sortable(http["mlflow_artifact"])
    assert {json.loads(row)["owner_id"] for row in more} == {store.made["trashed"]}


# ---- Older layouts -----------------------------------------------------------------------------


OLD_SPANS = {
    "spans": [
        {
            "name": "ask",
            "context": {"span_id": "0x00000000000000ab", "trace_id": "0x1"},
            "parent_id": None,
            "start_time": 1_700_000_000_000_000_000,
            "end_time": 1_700_000_000_500_000_000,
            "status_code": "OK",
            "attributes": {"mlflow.spanType": '"CHAIN"', "mlflow.spanInputs": '"é"', "other": 3},
        },
        {
            "name": "find",
            "context": {"span_id": "0x00000000000000cd", "trace_id": "0x1"},
            "parent_id": "0x00000000000000ab",
            "start_time": 1_700_000_000_100_000_000,
            "end_time": None,
            "status_code": "ERROR",
            "attributes": {"mlflow.spanType": '"UNKNOWN"'},
        },
    ],
    "request": "é",
}


def test_traces_of_mlflow_2_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = tmp_path / "elsewhere"
    info = "execution_time_ms: 500\nexperiment_id: '1'\nrequest_id: {0}\nstatus: OK\ntimestamp_ms: 1700000000000\n"
    files = {"1/meta.yaml": EXPERIMENT.format(place=tmp_path, id=1)}
    for name in ("old", "spanless"):
        files |= {
            f"1/traces/{name}/trace_info.yaml": info.format(name),
            f"1/traces/{name}/request_metadata/mlflow.sourceRun": "r9",
            f"1/traces/{name}/tags/mlflow.traceName": "asked",
            f"1/traces/{name}/tags/mlflow.artifactLocation": str(place / name),
        }
    files |= {"1/traces/bad/trace_info.yaml": "request_id: other\n", "1/traces/worse/tags/x": "y"}
    write(tmp_path, **files)
    write(
        place, **{"old/traces.json": json.dumps(OLD_SPANS, ensure_ascii=False), "spanless/traces.json": "[]"}
    )
    with caplog.at_level(logging.WARNING, "mlflow2prov"):
        tables = tables_of(read_file_store(str(tmp_path)))
    assert [
        (it["trace_id"], it["name"], it["status"], it["duration_ms"]) for it in tables["mlflow_trace"]
    ] == [("old", "asked", "OK", 500), ("spanless", "asked", "OK", 500)]
    ask, find = tables["mlflow_span"]
    assert (ask["span_id"], ask["type"], ask["inputs_bytes"], ask["outputs_bytes"]) == (
        "00000000000000ab",
        "CHAIN",
        4,
        None,
    )
    assert (find["parent_id"], find["status"], find["type"]) == (ask["span_id"], "ERROR", None)
    said = warnings(caplog)
    assert any("spans of 1 traces lie in files that are missing or broken" in line for line in said)
    assert any(line.startswith("2 traces and assessments are left out") for line in said)


def write(root: Path, **files: str | bytes) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


EXPERIMENT = "artifact_location: {place}\nexperiment_id: '{id}'\nlifecycle_stage: active\nname: old\n"
RUN = """\
artifact_uri: {place}
{deleted}end_time: 1660000001000
entry_point_name: ''
experiment_id: '{experiment}'
lifecycle_stage: {stage}
{name}run_id: {id}
run_uuid: {id}
source_name: ''
source_type: 4
source_version: ''
start_time: 1660000000000
status: {status}
tags: []
user_id: ann
"""


def test_a_store_of_mlflow_2_0_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The trash alone tells that an experiment is deleted; what MLflow 1 began has no times and names, nor steps.

    The registry, which came with 2.1, is without aliases.
    """
    run = RUN.format(
        place="s3://key:secret@bucket/1/r1",
        deleted="",
        experiment="1",
        stage="active",
        name="",
        id="r1",
        status=4,
    )
    version = (
        "creation_timestamp: 1\ncurrent_stage: Production\ndescription: ''\nlast_updated_timestamp: 2\nname: m\n"
        "run_id: r1\nrun_link: ''\nsource: ./mlruns/1/r1/artifacts/model\nstatus: READY\nstatus_message: ''\n"
        "user_id: ''\nversion: 1\n"
    )
    write(
        tmp_path,
        **{
            "0/meta.yaml": EXPERIMENT.format(place="./mlruns/0", id=0),
            "1/meta.yaml": EXPERIMENT.format(place="./mlruns/1", id=1).replace("'1'", "1"),
            "1/r1/meta.yaml": run,
            "1/r1/metrics/m": "1660000000000 0.5\n1660000000001 nan\n",
            "1/r1/metrics/val/acc": "1660000000000 1 3\n",
            "1/r1/params/p": "v",
            "1/r1/tags/mlflow.runName": "named by its tag",
            ".trash/2/meta.yaml": EXPERIMENT.format(place="./mlruns/2", id=2) + "tags: {}\n",
            ".trash/2/r2/meta.yaml": "experiment_id: '2'\nlifecycle_stage: active\nrun_id: r2\nrun_name: two\n",
            ".trash/2/r2/artifacts/a": "",
            "models/m/meta.yaml": "creation_timestamp: 1\ndescription: null\nlast_updated_timestamp: 2\nname: m\n",
            "models/m/version-1/meta.yaml": version,
        },
    )
    found = tables_of(read_file_store(str(tmp_path)))
    stages = {row["experiment_id"]: row["lifecycle_stage"] for row in found["mlflow_experiment"]}
    assert stages == {"0": "active", "1": "active", "2": "deleted"}
    assert found["mlflow_experiment"][0]["created_ms"] is None
    only_run, in_trash = found["mlflow_run"]
    assert (in_trash["name"], in_trash["lifecycle_stage"], in_trash["status"]) == ("two", "active", None)
    told = ("name", "user_id", "status", "lifecycle_stage", "start_ms", "end_ms", "deleted_ms")
    assert [only_run[name] for name in told] == [
        "named by its tag",
        "ann",
        "FAILED",
        "active",
        1660000000000,
        1660000001000,
        None,
    ]
    points = {
        (row["key"], row["step"], row["timestamp_ms"], repr(row["value"])) for row in found["mlflow_metric"]
    }
    assert points == {
        ("m", 0, 1660000000000, "0.5"),
        ("m", 0, 1660000000001, "nan"),
        ("val/acc", 3, 1660000000000, "1.0"),
    }
    (version_1,) = found["mlflow_model_version"]
    assert (version_1["stage"], version_1["run_id"], version_1["is_deleted"]) == ("Production", "r1", False)
    assert version_1["source"] == "./mlruns/1/r1/artifacts/model"
    lacking = (
        "model_id",
        "user_id",
        "description",
        "run_link",
        "status_message",
        "storage_location",
        "deleted_ms",
    )
    assert {version_1[name] for name in lacking} == {None}
    (warning,) = warnings(caplog)
    assert warning.startswith("artifacts of 1 run at s3://bucket are left out: no credentials were found")


def test_a_store_of_mlflow_2_5_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With datasets, aliases, names of runs and times of deletions."""
    run = RUN.format(
        place=(tmp_path / "7/r2/artifacts").as_uri(),
        deleted="deleted_time: 1660000002000\n",
        experiment="7",
        stage="deleted",
        name="run_name: 'it''s: one'\n",
        id="r2",
        status=3,
    )
    dataset = (
        'digest: d1\nname: wine\nprofile: null\nschema: null\nsource: \'{"uri": "x"}\'\nsource_type: local\n'
    )
    taken = (
        "destination_id: abc\ndestination_type: RUN\nsource_id: abc\nsource_type: DATASET\n"
        "tags:\n  mlflow.data.context: training\n  other: x\n"
    )
    version = "creation_timestamp: 1\ncurrent_stage: Deleted_Internal\nname: m\nsource: x\nversion: 3\n"
    write(
        tmp_path,
        **{
            "7/meta.yaml": EXPERIMENT.format(place="x", id=7) + "creation_time: 5\nlast_update_time: 6\n",
            "7/datasets/abc/meta.yaml": dataset,
            "7/r2/meta.yaml": run,
            "7/r2/artifacts/a": "",
            "7/r2/inputs/i/meta.yaml": taken,
            "models/m/meta.yaml": "creation_timestamp: 1\nlast_updated_timestamp: 2\nname: m\n",
            "models/m/aliases/champ": "3\n",
            "models/m/version-3/meta.yaml": version + "last_updated_timestamp: 9\n",
        },
    )
    found = tables_of(read_file_store(tmp_path.as_uri()))
    assert found["mlflow_experiment"][0]["last_updated_ms"] == 6
    assert found["mlflow_run"][0]["name"] == "it's: one"
    assert found["mlflow_run"][0]["deleted_ms"] == 1660000002000
    assert found["mlflow_dataset"][0]["source"] == '{"uri": "x"}'
    assert [tuple(row.values()) for row in found["mlflow_dataset_input"]] == [
        ("r2", "wine", "d1", "training", "other", "x")
    ]
    assert found["mlflow_registered_model_alias"][0]["version"] == 3
    assert found["mlflow_model_version"][0]["deleted_ms"] == 9
    assert [row["path"] for row in found["mlflow_artifact"]] == ["a"]
    assert warnings(caplog) == []


# ---- Where it is -------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Path:
    folder = tmp_path / "my runs"
    write(folder, **{"0/meta.yaml": EXPERIMENT.format(place="x", id=0)})
    return folder


def test_a_store_is_found_by_path_and_uri(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.parent)
    spellings = ["./my runs", "my runs", "my%20runs", str(small), f"{small}/", small.as_uri(), "file:my runs"]
    spellings += [f"file://localhost{small.as_uri().removeprefix('file://')}", f"FILE:{small}"]
    for spelling in spellings:
        assert file_store_path(spelling) == small
        rows = tables_of(read_file_store(spelling))
        assert rows["mlflow_store"][0]["uri"] == small.as_uri()
    (small.parent / "my%20runs").mkdir()
    assert file_store_path("./my%20runs") == small
    small.rename(small.parent / "other")
    assert file_store_path("./my%20runs") == small.parent / "my%20runs"


@pytest.mark.parametrize("uri", ["databricks", "http://host/x", "sqlite:///x.db", "s3://bucket", "uc"])
def test_other_uris_are_none_of_a_file_store(uri: str) -> None:
    assert not is_file_store(uri)


@pytest.mark.parametrize(
    "uri", ["file://server/share", "file:", "", "file:///a%00b", "file:////server/share"]
)
def test_a_uri_that_names_no_folder_of_this_machine_is_refused_at_once(uri: str) -> None:
    with pytest.raises(UsageError):
        read_file_store(uri)


def test_a_part_that_is_not_known_is_refused_at_once(small: Path) -> None:
    with pytest.raises(UsageError, match="unknown parts to skip: runs"):
        read_file_store(str(small), Wanted(skip=frozenset({"runs"})))


def test_what_is_no_store_is_refused_with_the_mend(small: Path) -> None:
    outer, file, artifacts = small.parent / "outer", small.parent / "mlflow.db", small.parent / "artifacts"
    outer.mkdir()
    small.rename(outer / "mlruns")
    file.write_text("")
    write(artifacts, **{"1/r1/artifacts/a": "", "models/m-1/artifacts/MLmodel": ""})
    for path, said in {
        outer: f"{outer} is not an MLflow file store; it holds {outer}/mlruns, give that",
        file: f"{file} is a file; a file store is a folder, and a SQLite store sqlite:///{file}",
        artifacts: f"{artifacts} is not an MLflow file store; give the folder",
        small: f"{small} does not exist; give the folder",
    }.items():
        with pytest.raises(SourceError, match="^" + said.replace("(", r"\(")):
            list(read_file_store(str(path)))


def test_a_path_that_can_not_be_one_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    write(tmp_path, file="")
    for path in (str(tmp_path / "loop"), str(tmp_path / "file" / "x"), "./" + "x" * 5_000):
        with pytest.raises(SourceError, match=r"does not exist|can't be read"):
            list(read_file_store(path))
    assert not is_file_store("x" * 5_000)


def test_an_emptied_store_and_a_registry_alone_are_stores(tmp_path: Path) -> None:
    (tmp_path / "empty" / ".trash").mkdir(parents=True)
    write(tmp_path, **{"registry/models/m/meta.yaml": "creation_timestamp: 1\nname: m\n"})
    assert set(tables_of(read_file_store(str(tmp_path / "empty")))) == {"mlflow_store"}
    assert "mlflow_registered_model" in tables_of(read_file_store(str(tmp_path / "registry")))


# ---- On the command line -----------------------------------------------------------------------


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlflow2prov", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=dict(os.environ))


def test_the_command_line_takes_a_path(store: FileStore) -> None:
    done = run(store.folder, "extract", "--mlflow_url", ".", "save", "--output", "-")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["prefix"]["mlflow"].startswith("file://")
    assert document["prefix"]["mlflow"].endswith("/my%20runs#")
    assert f"mlflow:Run.{store.made['trashed']}" in document["entity"]
    assert not (store.folder / "mlflow.db").exists()
    by_uri = run(
        store.folder.parent, "extract", "--mlflow_url", store.folder.as_uri(), "save", "--output", "-"
    )
    assert by_uri.stdout == done.stdout


def test_the_command_line_tells_what_is_no_store(tmp_path: Path) -> None:
    done = run(tmp_path, "extract", "--mlflow_url", "./mlruns", "statistics")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"mlflow2prov: error: {tmp_path}/mlruns does not exist;")
    done = run(tmp_path, "extract", "--mlflow_url", "runs", "statistics")
    assert done.returncode == 2 and "./mlruns" in done.stderr
