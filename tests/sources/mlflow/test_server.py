"""The HTTP way into MLflow, against a real server, and against one whose faults are made on purpose."""

from __future__ import annotations

import base64
import json
import logging
import math
import re
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from servers import Answer, MlflowServer, Request, certificate, door
from test_selection import by as column_of
from test_selection import read as read_selected

from mlflow2prov import extract
from mlflow2prov.errors import SourceError, UsageError
from mlflow2prov.graph.store import Store, StoreSettings
from mlflow2prov.sources.mlflow import server_wire as wire
from mlflow2prov.sources.mlflow.artifacts import read_artifacts
from mlflow2prov.sources.mlflow.database import read_database
from mlflow2prov.sources.mlflow.http_client import HttpClient, HttpSettings
from mlflow2prov.sources.mlflow.parts import PARTS, Wanted
from mlflow2prov.sources.mlflow.server import read_server
from mlflow2prov.sources.mlflow.server_history import HistoryReader
from mlflow2prov.sources.tables import SOURCE_TABLES

Tables = dict[str, list[dict[str, Any]]]
QUICK = HttpSettings(max_retries=2, backoff_factor=0.01, backoff_jitter=0, timeout_s=20)
ONCE = HttpSettings(max_retries=0, timeout_s=20)


def tables_of(batches: Any) -> Tables:
    found: Tables = {}
    for name, batch in batches:
        assert batch.schema.equals(SOURCE_TABLES[name].schema())
        assert batch.num_rows > 0
        found.setdefault(name, []).extend(batch.to_pylist())
    return found


@pytest.fixture(scope="session")
def tables(server: MlflowServer) -> Tables:
    return tables_of(read_server(server.url, settings=QUICK))


def only(tables: Tables, table: str, **fixed: object) -> list[dict[str, Any]]:
    return [row for row in tables[table] if all(row[name] == value for name, value in fixed.items())]


def sortable(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True, default=repr) for row in rows)


# ---- What is read ------------------------------------------------------------------------------


def test_the_store_is_told_without_credentials(server: MlflowServer) -> None:
    url = server.url.replace("://", "://ann:geheim@") + "/?x=geheim#/experiments/1"
    store = next(iter(read_server(url, settings=ONCE)))
    assert store[1].to_pylist() == [{"uri": server.url, "mlflow_version": "3.17.2", "schema_version": None}]


def test_experiments_are_read_with_deleted_ones_and_tags(tables: Tables) -> None:
    stages = {row["name"]: row["lifecycle_stage"] for row in tables["mlflow_experiment"]}
    live = ("Default", "one", "two, with: odd/name", "far", "empty")
    assert stages == {**dict.fromkeys(live, "active"), "gone": "deleted"}
    one = only(tables, "mlflow_experiment", name="one")[0]["experiment_id"]
    tags = [(row["experiment_id"], row["key"], row["value"]) for row in tables["mlflow_experiment_tag"]]
    assert sorted(tags) == [(one, "empty", ""), (one, "team", "é blue")]


def test_every_point_of_a_metric_is_read_with_its_value(server: MlflowServer, tables: Tables) -> None:
    acc = only(tables, "mlflow_metric", run_id=server.made["first"], key="acc")
    points = [(row["step"], row["timestamp_ms"], row["value"]) for row in acc]
    assert points[0] == (0, 1000, 0.1)
    assert points[1][:2] == (1, 1001) and math.isnan(points[1][2])
    assert points[2:] == [(2, 1002, math.inf), (3, 1003, -math.inf), (4, 1004, 0.5), (4, 1004, 0.7)]
    odd = only(tables, "mlflow_metric", key="val/loss: 5")
    assert [(row["step"], row["value"]) for row in odd] == [(-3, 1.0)]
    assert len(tables["mlflow_metric"]) == 6 + 1 + 130 + 60 + 75 + 1 + 2 + 1


def test_runs_are_read_once_each_with_deleted_and_failed_ones(server: MlflowServer, tables: Tables) -> None:
    runs = {row["run_id"]: row for row in tables["mlflow_run"]}
    assert len(runs) == len(tables["mlflow_run"]) == 2 + 25 + 1 + 5 + 1 + 2
    assert runs[server.made["first"]]["user_id"] == "ann"
    assert runs[server.made["child"]]["status"] == "FAILED"
    assert runs[server.made["local"]]["lifecycle_stage"] == "deleted"
    assert only(tables, "mlflow_tag", run_id=server.made["first"], key="t")[0]["value"] == ""


def test_datasets_are_read_with_their_contexts(server: MlflowServer, tables: Tables) -> None:
    inputs = {(row["name"], row["context"]) for row in tables["mlflow_dataset_input"]}
    assert inputs == {("wine", "training"), ("rest", None)}
    tags = [(row["tag"], row["tag_value"]) for row in tables["mlflow_dataset_input"] if row["name"] == "rest"]
    assert sorted(tags) == [("by", "ann é"), ("split", "0.8")]
    assert {row["name"] for row in tables["mlflow_dataset"]} == {"wine", "rest"}


def test_links_of_logged_models_are_read_both_ways(server: MlflowServer, tables: Tables) -> None:
    made = server.made
    links = {
        (it["run_id"], it["model_id"], it["direction"], it["step"]) for it in tables["mlflow_model_link"]
    }
    assert links == {
        (made["trainer"], made["model"], "output", 0),
        (made["trainer"], made["lost"], "output", 7),
        (made["child"], made["model"], "input", 0),
    }


def test_a_deleted_logged_model_is_read_as_deleted(server: MlflowServer, tables: Tables) -> None:
    lost = only(tables, "mlflow_logged_model", model_id=server.made["lost"])[0]
    assert (lost["lifecycle_stage"], lost["status"], lost["model_type"]) == (
        "deleted",
        "UPLOAD_FAILED",
        "agent",
    )
    assert only(tables, "mlflow_logged_model_param", model_id=server.made["lost"])[0]["value"] == "1"
    kept = only(tables, "mlflow_logged_model", model_id=server.made["model"])[0]
    assert (kept["lifecycle_stage"], kept["status"], kept["model_type"]) == ("active", "READY", None)


def test_versions_are_read_and_a_gap_is_a_deleted_one(server: MlflowServer, tables: Tables) -> None:
    wine = {row["version"]: row for row in only(tables, "mlflow_model_version", name="wine")}
    assert [(number, wine[number]["is_deleted"]) for number in sorted(wine)] == [
        (1, False),
        (2, True),
        (3, False),
        (4, False),
    ]
    told = {name for name, value in wine[2].items() if value is not None}
    assert told == {"workspace", "name", "version", "is_deleted", "is_inferred"} and wine[2]["is_inferred"]
    assert wine[3]["model_id"] == server.made["model"] and wine[3]["description"] == "about three"
    assert wine[1]["description"] is None and wine[1]["run_link"] is None
    assert only(tables, "mlflow_registered_model_alias", alias="champ")[0]["version"] == 3


def test_prompts_are_read_though_a_search_hides_them(tables: Tables) -> None:
    assert {row["name"] for row in tables["mlflow_registered_model"]} == {"wine", "lonely", "greet"}
    text = only(tables, "mlflow_model_version_tag", name="greet", key="mlflow.prompt.text")
    assert sorted(row["value"] for row in text) == ["Hello {{name}}", "Hi {{name}}"]


def test_artifacts_are_listed_to_any_depth(server: MlflowServer, tables: Tables) -> None:
    def listed(owner_id: str) -> list[tuple[str, bool, int | None]]:
        rows = only(tables, "mlflow_artifact", owner_id=owner_id)
        return [(row["path"], row["is_dir"], row["size_bytes"]) for row in rows]

    files = [
        ("a.txt", False, 2),
        ("sub", True, None),
        ("sub/deep", True, None),
        ("sub/deep/b ü.txt", False, 5),
    ]
    assert listed(server.made["local"]) == files
    assert listed(server.made["first"]) == [("x y", True, None), *((f"x y/{p}", d, s) for p, d, s in files)]


def test_runs_without_files_cost_no_request(server: MlflowServer) -> None:
    skip = frozenset({"metric_history", "logged_models", "registered_models"})
    with door(lambda request: None, server.url) as front:
        tables_of(read_server(front.url, Wanted(skip=skip), settings=QUICK))
    listed = [it.path for it in front.seen if "artifacts/list" in it.path]
    assert any(server.made["first"] in path for path in listed)
    assert not any(server.made["child"] in path for path in listed)


def test_mlmodel_files_are_read(server: MlflowServer, tables: Tables) -> None:
    (model,) = tables["mlflow_model_file"]
    assert (model["owner"], model["owner_id"], model["path"]) == ("logged_model", server.made["model"], "")
    assert model["flavors"] == ["python_function"] and model["requirements"] == ["mlflow", "numpy==1.0"]


def test_the_order_of_rows_does_not_depend_on_timing(server: MlflowServer, tables: Tables) -> None:
    alone = HttpSettings(concurrency=1)
    again = tables_of(read_server(server.url, settings=alone))
    assert repr(again) == repr(tables)


def test_a_server_tells_what_its_database_does(server: MlflowServer, tables: Tables) -> None:
    stored = tables_of(read_database(f"sqlite:///{server.database}", Wanted(skip=frozenset({"artifacts"}))))
    told = {
        name: rows for name, rows in tables.items() if name not in ("mlflow_artifact", "mlflow_model_file")
    }
    told.pop("mlflow_store")
    stored.pop("mlflow_store")
    for name in ("mlflow_trace_tag", "mlflow_trace", "mlflow_trace_metadata", "mlflow_span"):
        assert told.pop(name)  # databases have some of it in other places: documents are compared
        assert stored.pop(name)
    for table in (told, stored):
        for row in table["mlflow_assessment"]:
            row["value"] = row["value"] and json.dumps(json.loads(row["value"]), sort_keys=True)
            row["error"] = row["error"] and json.loads(row["error"])["error_code"]
    for table in (told, stored):
        for row in table["mlflow_run"]:
            row["deleted_ms"] = None
        for row in table["mlflow_model_version"]:
            row["storage_location"] = None
        live = {
            (row["name"], row["version"]) for row in only(table, "mlflow_model_version", is_deleted=False)
        }
        for name in ("mlflow_model_version", "mlflow_model_version_tag"):
            table[name] = [row for row in table[name] if (row["name"], row["version"]) in live]
    assert set(told) == set(stored)
    for name in sorted(told):
        assert sortable(told[name]) == sortable(stored[name]), name


@pytest.mark.parametrize("chosen", ["one", "traced", "model", "none"])
def test_a_selection_has_the_traces_prompts_and_evaluation_datasets_that_the_database_has(
    server: MlflowServer, chosen: str
) -> None:
    given: dict[str, Any] = {
        "one": {"experiments": ["one"]},
        "traced": {"runs": [server.made["traced"]]},
        "model": {"models": ["wine"]},
        "none": {"filter": "params.lr = 'nothing'"},
    }[chosen]
    skip = frozenset({"artifacts", "metric_history"})
    with closing(Store(StoreSettings(threads=1))) as engine:
        http, database = (
            read_selected(engine, url, given, skip) for url in (server.url, f"sqlite:///{server.database}")
        )
    for table in ("mlflow_trace_count", "mlflow_evaluation_dataset", "mlflow_evaluation_dataset_link"):
        assert http.get(table) == database.get(table), table
    for table in ("mlflow_trace", "mlflow_span", "mlflow_assessment", "mlflow_trace_metadata"):
        assert column_of(http, table, "trace_id") == column_of(database, table, "trace_id"), table
    assert column_of(http, "mlflow_model_version", "name") == column_of(
        database, "mlflow_model_version", "name"
    )
    counted = column_of(database, "mlflow_trace_count", "owner")
    assert counted == {
        "one": {"experiment", "run", "logged_model"},
        "traced": {"run"},
        "model": {"logged_model"},
    }.get(chosen, set())


def differing_records(url: str, database: str, folder: Path) -> list[str]:
    """The records that a server's or its database's graph has alone, but for what a server does not tell."""
    untold = re.compile(r"TrackingStore\.|Extraction\.|Deletion\.run--|wine--[0-9]+--2\b")
    told, stored = records(url, database, folder)
    return [record for record in sorted(told ^ stored) if not untold.search(record)]


def records(url: str, database: str, folder: Path) -> list[set[str]]:
    """The records of the graphs of a server and of its database."""
    found: list[set[str]] = []
    for name, source in (("server", url), ("database", database)):
        namespace = "http://mlflow.example.org/#"
        with extract(mlflow_url=source, mlflow_namespace=namespace, traces=True, skip=["artifacts"]) as graph:
            document = json.loads(graph.save(folder / name).read_text("utf-8"))
        document.pop("prefix")
        found.append(
            {
                json.dumps([key if kind in ("entity", "activity", "agent") else "", body], sort_keys=True)
                for kind, records in document.items()
                for key, body in records.items()
            }
        )
    return found


def test_a_server_and_its_database_give_one_graph_but_for_what_a_server_does_not_tell(
    server: MlflowServer, tmp_path: Path
) -> None:
    database = f"sqlite:///{server.database}"
    found = records(server.url, database, tmp_path)
    assert differing_records(server.url, database, tmp_path) == []
    deleted = r'"mlflow:RegisteredModelVersion\.wine--[0-9]+--2", {'
    by_server, by_database = (next(it for it in records if re.search(deleted, it)) for records in found)
    for record in (by_server, by_database):
        assert server.made["model"] in record and server.made["trainer"] in record
    assert '"m2p:recovered_from": "mlflow.modelVersions"' in by_server
    assert '"m2p:recovered_from": ["storage_location", "mlflow.modelVersions"]' in by_database
    for word in ("Trace", "Span", "Assessment", "Assessor", "EvaluationDataset", "PromptVersion", "CIJob"):
        assert any(f'"m2p:{word}"' in record for record in found[0]), word
    told = next(record for record in found[0] if f'"mlflow:Run.{server.made["traced"]}", {{' in record)
    assert '"m2p:trace_count": {"$": "1"' in told


def test_images_and_tables_are_seen_as_mlflow_logs_them(server: MlflowServer, tmp_path: Path) -> None:
    skip = ["metric_history", "traces", "evaluation_datasets", "registered_models"]
    with extract(mlflow_url=server.url, skip=skip) as graph:
        entities = json.loads(graph.save(tmp_path / "out").read_text("utf-8"))["entity"].values()
    sorts: dict[str, list[str]] = {"m2p:Image": [], "m2p:Table": []}
    for body in entities:
        for one in body["prov:type"] if isinstance(body["prov:type"], list) else []:
            sorts.get(one["$"], []).append(body.get("m2p:path", ""))
    assert sorts["m2p:Table"] == ["deep/table.json"]
    places = [path.split("/")[0] for path in sorted(sorts["m2p:Image"])]
    assert places == ["images", "images", "table_images", "table_images"]


def test_spans_that_a_server_does_not_tell_are_reported(
    server: MlflowServer, caplog: pytest.LogCaptureFixture
) -> None:
    broken = server.made["traces"][0]

    def fails(request: Request) -> Answer | None:
        return Answer(400) if "batchGet" in request.path and broken in request.path else None

    skip = frozenset(PARTS) - {"traces"}
    with door(fails, server.url) as front, caplog.at_level(logging.WARNING, "mlflow2prov"):
        some = tables_of(read_server(front.url, Wanted(skip=skip), settings=ONCE))
    assert {row["trace_id"] for row in some["mlflow_trace"]} == set(server.made["traces"])
    assert {row["trace_id"] for row in some["mlflow_span"]} == set(server.made["traces"]) - {broken}
    assert f"spans of 1 traces are left out, such as of {broken}: http" in caplog.text


def test_spans_are_not_asked_for_where_they_lie_elsewhere(server: MlflowServer, tmp_path: Path) -> None:
    def elsewhere(request: Request) -> Answer | None:
        if "traces/search" not in request.path:
            return None
        told = {"trace_id": "tr-1", "trace_location": {"mlflow_experiment": {"experiment_id": "1"}}}
        return Answer(200, json.dumps({"traces": [told]}).encode())

    skip = frozenset(PARTS) - {"traces"}
    with door(elsewhere, server.url) as front:
        some = tables_of(read_server(front.url, Wanted(skip=skip), settings=ONCE))
    assert [row["trace_id"] for row in some["mlflow_trace"]] == ["tr-1"]
    assert not [it.path for it in front.seen if "batchGet" in it.path]


def test_traces_are_counted_without_asking_for_spans_and_from_servers_of_version_2(
    server: MlflowServer, tables: Tables
) -> None:
    def old(request: Request) -> Answer | None:
        return Answer(404) if "/api/3.0/" in request.path else None

    skip = frozenset(PARTS) - {"traces"} | {"trace_details"}
    with door(lambda request: None, server.url) as front:
        new = tables_of(read_server(front.url, Wanted(skip=skip), settings=ONCE))
    assert not [it.path for it in front.seen if "batchGet" in it.path]
    with door(old, server.url) as front:
        counted = tables_of(read_server(front.url, Wanted(skip=skip), settings=ONCE))
        whole = tables_of(read_server(front.url, Wanted(skip=skip - {"trace_details"}), settings=ONCE))
    expected = sortable(tables["mlflow_trace_count"])
    assert sortable(new["mlflow_trace_count"]) == sortable(counted["mlflow_trace_count"]) == expected
    assert sortable(whole["mlflow_trace"]) == sortable(tables["mlflow_trace"])
    assert "mlflow_span" not in whole


def test_a_server_tells_what_its_folders_do(server: MlflowServer, tables: Tables) -> None:
    owners = [("run", row["run_id"], row["artifact_uri"]) for row in tables["mlflow_run"]]
    owners += [
        ("logged_model", row["model_id"], row["artifact_location"]) for row in tables["mlflow_logged_model"]
    ]
    folders = [
        (kind, owner_id, uri.replace("mlflow-artifacts:", str(server.artifacts), 1))
        for kind, owner_id, uri in owners
        if not uri.startswith("s3:")
    ]
    stored = tables_of(read_artifacts(folders))
    for name in ("mlflow_artifact", "mlflow_model_file"):
        assert sortable(tables[name]) == sortable(stored[name])


def test_artifacts_that_only_this_machine_can_list_are_listed_here(
    server: MlflowServer, tables: Tables
) -> None:
    def broken(request: Request) -> Answer | None:
        return Answer(500) if server.made["local"] in request.path and "list" in request.path else None

    skip = frozenset({"metric_history", "logged_models", "registered_models"})
    with door(broken, server.url) as front:
        some = tables_of(read_server(front.url, Wanted(skip=skip), settings=QUICK))
    local = only(some, "mlflow_artifact", owner_id=server.made["local"])
    assert local and local == only(tables, "mlflow_artifact", owner_id=server.made["local"])


# ---- Parts, caps, old servers ------------------------------------------------------------------


def test_parts_can_be_left_out(server: MlflowServer) -> None:
    parts = frozenset(PARTS)
    some = tables_of(read_server(server.url, Wanted(skip=parts), settings=ONCE))
    assert set(some) == {
        *("mlflow_store", "mlflow_experiment", "mlflow_experiment_tag"),
        *("mlflow_run", "mlflow_param", "mlflow_tag", "mlflow_metric"),
    }
    latest = only(some, "mlflow_metric", run_id=server.made["first"], key="acc")
    assert [(row["step"], row["value"]) for row in latest] == [(4, 0.7)]
    with pytest.raises(UsageError, match="runz"):
        read_server(server.url, Wanted(skip=frozenset({"runz"})), settings=ONCE)


def history(url: str, most_points: int) -> list[tuple[Any, ...]]:
    with HttpClient(url, ONCE) as client:
        body = {"experiment_ids": [str(i) for i in range(6)], "run_view_type": "ALL"}
        page = client.ask(wire.RunPage, "api/2.0/mlflow/runs/search", body=body)
        batches = HistoryReader(client, most_points=most_points).read(page.runs)
        return [tuple(row.values()) for _, batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("most_points", [1, 2, 7, 50])
def test_an_answer_that_was_cut_off_is_asked_for_again(server: MlflowServer, most_points: int) -> None:
    assert repr(history(server.url, most_points)) == repr(history(server.url, 25_000))


def test_histories_are_read_from_servers_that_take_few_runs_at_once(server: MlflowServer) -> None:
    def few(request: Request) -> Answer | None:
        too_many = "history-bulk" in request.path and request.path.count("run_id=") > 20
        return Answer(400, b'{"error_code": "INVALID_PARAMETER_VALUE"}') if too_many else None

    with door(few, server.url) as old:
        assert sortable(history(old.url, 25_000)) == sortable(history(server.url, 25_000))


def test_histories_are_read_from_servers_that_take_short_lines_only(
    server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlflow2prov.sources.mlflow.server_history._MOST_URL_BYTES_OF_OLD", 220)

    def short(request: Request) -> Answer | None:
        return Answer(400, b"<html>Request Line is too large</html>") if len(request.path) > 220 else None

    with door(short, server.url) as old:
        assert sortable(history(old.url, 25_000)) == sortable(history(server.url, 25_000))
        asked = [request.path for request in old.seen if "history-bulk" in request.path]
    assert any(len(path) > 220 for path in asked)
    assert any(path.count("run_id=") > 1 for path in asked if len(path) <= 220)


def test_histories_are_read_from_servers_without_the_bulk_end_point(server: MlflowServer) -> None:
    def none(request: Request) -> Answer | None:
        return Answer(404) if "history-bulk" in request.path else None

    with door(none, server.url) as old:
        assert repr(history(old.url, 40)) == repr(history(server.url, 25_000))


def test_what_an_old_server_lacks_is_left_out(server: MlflowServer, tables: Tables) -> None:
    def old(request: Request) -> Answer | None:
        if "logged-models" in request.path:
            return Answer(404, b"<!doctype html>", {"Content-Type": "text/html"})
        if "filter=" in request.path:
            return Answer(400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "no such filter"}')
        return None

    with door(old, server.url) as front:
        some = tables_of(
            read_server(front.url, Wanted(skip=frozenset({"artifacts", "metric_history"})), settings=ONCE)
        )
    assert set(tables) - set(some) == {
        *("mlflow_logged_model", "mlflow_logged_model_param", "mlflow_logged_model_tag"),
        *("mlflow_logged_model_metric", "mlflow_artifact", "mlflow_model_file"),
    }
    assert {row["name"] for row in some["mlflow_registered_model"]} == {"wine", "lonely"}


def test_a_store_of_artifacts_that_is_out_of_reach_costs_one_warning(
    server: MlflowServer, caplog: pytest.LogCaptureFixture
) -> None:
    skip = frozenset({"metric_history", "logged_models", "registered_models"})
    with caplog.at_level(logging.WARNING, "mlflow2prov"):
        some = tables_of(read_server(server.url, Wanted(skip=skip), settings=QUICK))
    (warning,) = [it.getMessage() for it in caplog.records if it.name.startswith("mlflow2prov")]
    assert warning.startswith("artifacts of 5 runs at s3://no-such-bucket are left out")
    assert len([row for row in some["mlflow_artifact"] if row["owner_id"] != server.made["media"]]) == 9


# ---- Connection --------------------------------------------------------------------------------


def experiments(request: Request) -> Answer | None:
    """A server without any runs."""
    if request.path.endswith("/version"):
        return Answer(200, b"3.0.0")
    if "experiments/search" in request.path:
        return Answer(200, b'{"experiments": [{"experiment_id": "0", "name": "Default"}]}')
    return Answer(200, b"{}") if "search" in request.path else None


def test_requests_say_who_asks_and_come_from_no_page() -> None:
    with door(experiments) as small:
        tables_of(read_server(small.url + "/", settings=HttpSettings(workspace="lab")))
    assert small.seen
    for request in small.seen:
        assert request.headers["user-agent"].startswith("mlflow2prov/")
        assert "origin" not in request.headers and "authorization" not in request.headers
        assert request.headers["x-mlflow-workspace"] == "lab"
        assert "//" not in request.path


@pytest.mark.parametrize(
    ("in_url", "settings", "wanted"),
    [
        ("", {"username": "ann", "password": "gehéim", "token": "t0ken"}, "Basic ann:gehéim"),
        ("", {"username": "ann", "token": "t0ken"}, "Bearer t0ken"),
        ("b%40b:p%2Fw@", {"username": "ann", "password": "x"}, "Basic b@b:p/w"),
    ],
)
def test_credentials_are_sent_and_never_told(
    in_url: str, settings: dict[str, str], wanted: str, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(request: Request) -> Answer | None:
        return Answer(401) if "runs/search" in request.path else experiments(request)

    with door(refuse) as small, caplog.at_level(logging.DEBUG), pytest.raises(SourceError) as raised:
        tables_of(read_server(small.url.replace("://", f"://{in_url}"), settings=HttpSettings(**settings)))
    kind, _, content = small.seen[0].headers["authorization"].partition(" ")
    assert f"{kind} {base64.b64decode(content).decode() if kind == 'Basic' else content}" == wanted
    assert "MLFLOW_TRACKING_TOKEN" in str(raised.value)
    told = caplog.text + str(raised.value) + repr(HttpSettings(**settings))
    assert not any(secret in told for secret in ("gehéim", "t0ken", "p/w", "p%2Fw", "b%40b", content))


def test_passing_faults_are_waited_for() -> None:
    left = {"503": 1, "429": 1, "cut": 1}
    lock = threading.Lock()

    def shaky(request: Request) -> Answer | None:
        with lock:
            if "runs/search" in request.path and left["503"]:
                left["503"] -= 1
                return Answer(503, b"busy")
            if "model-versions" in request.path and left["429"]:
                left["429"] -= 1
                return Answer(429, b"slow down", {"Retry-After": "0"})
            if "logged-models" in request.path and left["cut"]:
                left["cut"] -= 1
                return Answer(200, b'{"models"', cut=True)
        return experiments(request)

    with door(shaky) as small:
        assert set(tables_of(read_server(small.url, settings=QUICK))) == {"mlflow_store", "mlflow_experiment"}
    assert left == {"503": 0, "429": 0, "cut": 0}


def test_a_server_whose_store_has_no_registry_is_read_without_one() -> None:
    said = {
        "error_code": "INVALID_PARAMETER_VALUE",
        "message": " Model registry functionality is unavailable; got unsupported URI 'file:///srv/mlruns' for model"
        " registry data storage.",
    }

    def without_registry(request: Request) -> Answer | None:
        if "registered-models" in request.path or "model-versions" in request.path:
            return Answer(400, json.dumps(said).encode(), {"Content-Type": "application/json"})
        return experiments(request)

    with door(without_registry) as small:
        assert set(tables_of(read_server(small.url, settings=QUICK))) == {"mlflow_store", "mlflow_experiment"}


HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(401), "asks for credentials .* MLFLOW_TRACKING_USERNAME"),
        (Answer(403, b'{"error_code": "PERMISSION_DENIED", "message": "no"}'), "forbidden .*: no"),
        (Answer(403, b"Invalid Host header", {"Content-Type": "text/plain"}), "--allowed-hosts"),
        (Answer(404, b"<html>", HTML), "check that the address is an MLflow server's"),
        (Answer(200, b"<html>sign in</html>", HTML), "web page instead of JSON"),
        (Answer(200, b'{"experiments": [{"exper'), "JSON that can't be understood"),
        (Answer(200, b'{"experiments": [{"experiment_id": ["x"]}]}'), "JSON that can't be understood"),
        (Answer(200, b'{"experiments": [{"exper', cut=True), "broke the connection in the middle"),
        (Answer(500, b'{"message": "see http://u:pw@db/x\\nmore"}'), "error 500: see http://db/x;"),
        (Answer(503), "error 503"),
    ],
)
def test_a_fault_is_told_in_one_sentence(answer: Answer, message: str) -> None:
    with door(lambda request: None if "version" in request.path else answer) as small:
        with pytest.raises(SourceError, match=message) as raised:
            tables_of(read_server(small.url, settings=QUICK))
        assert small.url in str(raised.value) and "\n" not in str(raised.value)


def test_a_server_that_is_not_there_is_told() -> None:
    with door(experiments) as small:
        url = small.url
    with pytest.raises(SourceError, match=r"can't be connected to \(Connection refused\)"):
        tables_of(read_server(url, settings=QUICK))
    with pytest.raises(SourceError, match=r"broke the connection|TLS connection"), door(experiments) as small:
        tables_of(read_server(small.url.replace("http:", "https:"), settings=ONCE))


def test_a_server_that_does_not_answer_is_told() -> None:
    over = threading.Event()

    def slow(request: Request) -> Answer | None:
        over.wait(5)
        return None

    with door(slow) as small, pytest.raises(SourceError, match="MLFLOW_HTTP_REQUEST_TIMEOUT"):
        try:
            tables_of(read_server(small.url, settings=HttpSettings(max_retries=0, timeout_s=0.2)))
        finally:
            over.set()


def test_a_certificate_has_to_be_trusted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = certificate(tmp_path)
    with door(experiments, certificate=file) as small:
        url = small.url
        with pytest.raises(SourceError, match=r"self-signed.*MLFLOW_TRACKING_SERVER_CERT_PATH"):
            tables_of(read_server(url, settings=QUICK))
        for trusting in ({"server_cert_path": str(file)}, {"insecure_tls": True}):
            settings = HttpSettings(max_retries=0, **trusting)  # type: ignore[arg-type]
            assert "mlflow_experiment" in tables_of(read_server(url, settings=settings))
    warnings = [it.getMessage() for it in caplog.records if it.levelno == logging.WARNING]
    assert warnings == [f"the certificate of {url} is not checked, as MLFLOW_TRACKING_INSECURE_TLS asks"]
    with pytest.raises(UsageError, match=r"CERT_PATH names .*missing"):
        read_server(url, settings=HttpSettings(server_cert_path=str(tmp_path / "missing")))


@pytest.mark.parametrize("url", ["ftp://host", "mlflow:5000", "http://", "http://host:port", "http://[x"])
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="write http://host:port"):
        read_server(url, settings=ONCE)


# ---- Settings ----------------------------------------------------------------------------------


def test_settings_are_taken_from_mlflows_variables(tmp_path: Path) -> None:
    (tmp_path / ".mlflow").mkdir()
    credentials = "[mlflow]\nmlflow_tracking_username = ann\nmlflow_tracking_password = a%b\n"
    (tmp_path / ".mlflow" / "credentials").write_text(credentials)
    settings = HttpSettings.from_environment(
        {
            "HOME": str(tmp_path),
            "MLFLOW_TRACKING_USERNAME": "ben",
            "MLFLOW_TRACKING_INSECURE_TLS": "TRUE",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.5",
            "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
            "MLFLOW_WORKSPACE": "lab",
            "https_proxy": "proxy:3128",
            "NO_PROXY": "localhost",
        }
    )
    assert (settings.username, settings.password) == ("ben", "a%b")
    assert settings.insecure_tls and settings.max_retries == 0 and not settings.respect_retry_after
    assert settings.backoff_jitter == 0.5 and settings.workspace == "lab"
    assert settings.proxy_for("https", "mlflow.test") == "http://proxy:3128"
    assert settings.proxy_for("http", "mlflow.test") is None
    assert settings.proxy_for("https", "localhost") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "many"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1.5"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "0"),
        ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "nan"),
        ("MLFLOW_TRACKING_INSECURE_TLS", "perhaps"),
        ("HTTPS_PROXY", "socks5://u:geheim@proxy:1"),
    ],
)
def test_a_setting_that_can_not_be_used_is_refused(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name) as raised:
        HttpSettings.from_environment({name: value})
    assert "geheim" not in str(raised.value)


def test_settings_that_exclude_each_other_are_refused() -> None:
    both = {"MLFLOW_TRACKING_INSECURE_TLS": "true", "MLFLOW_TRACKING_SERVER_CERT_PATH": "ca.pem"}
    with pytest.raises(UsageError, match="exclude each other"):
        HttpSettings.from_environment(both)


def test_a_proxy_is_used_with_its_credentials() -> None:
    def any_host(request: Request) -> Answer | None:
        path = request.path.removeprefix("http://mlflow.test")
        return experiments(Request(request.method, path, request.headers))

    with door(any_host) as proxy:
        address = proxy.url.replace("://", "://ann:pw@")
        settings = HttpSettings(proxies={"http": address}, max_retries=0)
        assert "mlflow_experiment" in tables_of(read_server("http://mlflow.test", settings=settings))
    sent = proxy.seen[0].headers["proxy-authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")) == b"ann:pw"


def _in_circles(request: Request) -> Answer | None:
    """A server on which one search leads in a circle of two pages; which one is said by its address."""
    circle, _, path = request.path.lstrip("/").partition("/")
    turn = "B" if "page_token=A" in path else "A"
    run = {
        "info": {"run_id": "r", "experiment_id": "1"},
        "data": {"metrics": [{"key": "m", "value": 1, "timestamp": 5}]},
    }
    answers: dict[str, dict[str, object]] = {
        "experiments/search": {"experiments": [{"experiment_id": "1"}]},
        "model-versions/search": {},
        "runs/search": {"runs": [run]},
        "metrics/get-history": {"metrics": run["data"]["metrics"]},
    }
    if "get-history-bulk" in path:
        return Answer(404, b"{}")
    for name, answer in answers.items():
        if name in path:
            token = {"next_page_token": turn} if name.startswith(circle) else {}
            return Answer(200, json.dumps(answer | token).encode())
    return Answer(200, b"{}")


@pytest.mark.parametrize("circle", ["experiments", "model-versions", "metrics"])
def test_pages_that_lead_in_a_circle_are_told(circle: str) -> None:
    with door(_in_circles) as small, pytest.raises(SourceError, match=f"{circle}/.* in a circle"):
        tables_of(read_server(f"{small.url}/{circle}", settings=QUICK))
