"""The way into MLflow through its database: a store that MLflow made, and ones of other versions."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from stores import HUGE, REVISIONS, SCHEMAS, MadeStore, fill_schema, insert, make_store

from mlflow2prov.errors import SourceError, UsageError
from mlflow2prov.sources.mlflow import database_file
from mlflow2prov.sources.mlflow.database import read_database
from mlflow2prov.sources.mlflow.database_file import database_path
from mlflow2prov.sources.mlflow.database_revisions import KNOWN_REVISIONS
from mlflow2prov.sources.mlflow.database_tables import READINGS
from mlflow2prov.sources.mlflow.parts import PARTS, Wanted
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

Rows = list[dict[str, Any]]
Tables = dict[str, Rows]
NO_ARTIFACTS = frozenset({"artifacts"})

schemas = pytest.mark.skipif(not SCHEMAS.exists(), reason="the schemas of MLflow's versions are not here")


def tables_of(batches: Batches) -> Tables:
    found: Tables = {}
    for name, batch in batches:
        assert batch.schema.equals(SOURCE_TABLES[name].schema())
        assert batch.num_rows > 0
        batch.validate(full=True)
        found.setdefault(name, []).extend(batch.to_pylist())
    return found


def read(file: Path, *skip: str) -> Tables:
    return tables_of(read_database(f"sqlite:///{file}", Wanted(skip=frozenset(skip))))


def only(rows: Rows, **fixed: object) -> Rows:
    return [row for row in rows if all(row[name] == value for name, value in fixed.items())]


def pairs(rows: Rows, **fixed: object) -> dict[str, str]:
    return {row["key"]: row["value"] for row in only(rows, **fixed)}


def files_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> MadeStore:
    return make_store(tmp_path_factory.mktemp("mlflow-store"))


@pytest.fixture(scope="session")
def tables(store: MadeStore) -> Tables:
    return tables_of(read_database(store.uri))


@pytest.fixture(params=REVISIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def newest(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A writer to the hand-made store of the newest version, ``mlflow.db`` in the test's folder."""
    connection = fill_schema("3.18.0", tmp_path / "mlflow.db")
    yield connection
    connection.close()


# ---- A store that MLflow made ------------------------------------------------------------------


def test_the_store_is_named_by_its_absolute_path(store: MadeStore, tables: Tables) -> None:
    expected = {"uri": store.uri, "mlflow_version": None, "schema_version": "dc11669786a5"}
    assert tables["mlflow_store"] == [expected]


def test_experiments_are_those_that_the_client_tells(store: MadeStore, tables: Tables) -> None:
    names = (
        "experiment_id",
        "name",
        "artifact_location",
        "lifecycle_stage",
        "creation_time",
        "last_update_time",
    )
    told = sorted(tuple(it[name] for name in names) for it in store.told["experiments"])
    assert sorted(tuple(row.values()) for row in tables["mlflow_experiment"]) == told
    assert {row[3] for row in told} == {"active", "deleted"}
    for it in store.told["experiments"]:
        assert pairs(tables["mlflow_experiment_tag"], experiment_id=it["experiment_id"]) == it["tags"]


def test_runs_are_those_that_the_client_tells(store: MadeStore, tables: Tables) -> None:
    expected = [
        {
            "run_id": info["run_id"],
            "experiment_id": info["experiment_id"],
            "name": info["run_name"],
            "user_id": info["user_id"],
            "status": info["status"],
            "lifecycle_stage": info["lifecycle_stage"],
            "start_ms": info["start_time"],
            "end_ms": info["end_time"],
            "artifact_uri": info["artifact_uri"],
        }
        for info in (run["info"] for run in store.told["runs"])
    ]
    found = [{name: row[name] for name in row if name != "deleted_ms"} for row in tables["mlflow_run"]]
    assert sorted(found, key=lambda row: row["run_id"]) == sorted(expected, key=lambda row: row["run_id"])
    deleted = {row["run_id"] for row in tables["mlflow_run"] if row["deleted_ms"]}
    assert deleted == {store.made["deleted"], store.made["in gone"]}


def test_parameters_and_tags_are_those_that_the_client_tells(store: MadeStore, tables: Tables) -> None:
    for run in store.told["runs"]:
        run_id = run["info"]["run_id"]
        assert pairs(tables["mlflow_param"], run_id=run_id) == run["data"]["params"]
        assert pairs(tables["mlflow_tag"], run_id=run_id) == run["data"]["tags"]
    assert pairs(tables["mlflow_tag"], run_id=store.made["parent"])["empty"] == ""


def test_metrics_are_the_whole_history(store: MadeStore, tables: Tables) -> None:
    def point(run_id: str, key: str, step: int, timestamp: int, value: float) -> tuple[Any, ...]:
        return run_id, key, step, timestamp, repr(value)

    told = [
        point(run_id, key, step, timestamp, math.copysign(math.inf, value) if abs(value) == HUGE else value)
        for run_id, histories in store.told["metrics"].items()
        for key, history in histories.items()
        for step, timestamp, value in history
    ]
    assert len(told) == len(tables["mlflow_metric"]) == 10
    found = [point(**{k.removesuffix("_ms"): v for k, v in row.items()}) for row in tables["mlflow_metric"]]
    parent = only(tables["mlflow_metric"], run_id=store.made["parent"], key="acc")
    values = [row["value"] for row in sorted(parent, key=lambda row: row["timestamp_ms"])]
    assert math.isnan(values[1])
    assert values[2:4] == [math.inf, -math.inf]
    told_without_nan = [it for it in told if it[2:4] != (1, 1001)]
    assert set(told_without_nan) < set(found)


def test_datasets_have_a_row_for_each_context(store: MadeStore, tables: Tables) -> None:
    assert {row["name"] for row in tables["mlflow_dataset"]} == {"train set", "plain"}
    assert all(
        row["digest"] and row["source_type"] == "code" and row["schema"] for row in tables["mlflow_dataset"]
    )
    found = {(row["run_id"], row["name"], row["context"]) for row in tables["mlflow_dataset_input"]}
    parent, child = store.made["parent"], store.made["child"]
    assert found == {
        (parent, "train set", "training"),
        (parent, "plain", None),
        (child, "train set", "validation"),
    }
    tags = {(row["name"], row["tag"], row["tag_value"]) for row in tables["mlflow_dataset_input"]}
    assert tags == {("train set", None, None), ("plain", "by", "ann é"), ("plain", "split", "0.8")}


def test_logged_models_are_those_that_the_client_tells(store: MadeStore, tables: Tables) -> None:
    (told,) = store.told["models"]
    (row,) = only(tables["mlflow_logged_model"], model_id=store.made["model"])
    assert (row["name"], row["status"], row["lifecycle_stage"]) == ("linear", "READY", "active")
    assert row["artifact_location"] == told["artifact_location"]
    assert (row["created_ms"], row["last_updated_ms"]) == (
        told["creation_timestamp"],
        told["last_updated_timestamp"],
    )
    assert row["source_run_id"] == store.made["running"]
    assert pairs(tables["mlflow_logged_model_tag"], model_id=store.made["model"]) == told["tags"]
    values = {row["key"]: (row["step"], row["value"]) for row in tables["mlflow_logged_model_metric"]}
    assert values == {"r2": (3, 0.5), "best": (0, math.inf)}
    (external,) = only(tables["mlflow_logged_model"], model_id=store.made["external"])
    assert (external["status"], external["lifecycle_stage"]) == ("PENDING", "deleted")
    assert tables["mlflow_logged_model_param"] == [
        {"model_id": store.made["external"], "key": "a", "value": "1"}
    ]


def test_links_tell_which_run_made_a_model_and_which_took_it(store: MadeStore, tables: Tables) -> None:
    found = {
        (row["run_id"], row["model_id"], row["direction"], row["step"]) for row in tables["mlflow_model_link"]
    }
    model = store.made["model"]
    assert found == {(store.made["child"], model, "input", 0), (store.made["running"], model, "output", 3)}


def test_versions_are_those_that_the_client_tells_and_the_deleted_one(
    store: MadeStore, tables: Tables
) -> None:
    wine = {row["version"]: row for row in only(tables["mlflow_model_version"], name="wine")}
    told = {it["version"]: it for it in store.told["versions"] if it["name"] == "wine"}
    assert set(wine) == {1, 2, 3}
    assert set(told) == {1, 3}
    for number, it in told.items():
        row = wine[number]
        assert (row["source"], row["run_id"], row["stage"]) == (it["source"], it["run_id"], "None")
        assert (row["created_ms"], row["last_updated_ms"]) == (
            it["creation_timestamp"],
            it["last_updated_timestamp"],
        )
        assert pairs(tables["mlflow_model_version_tag"], name="wine", version=number) == it["tags"]
    assert (wine[1]["model_id"], wine[3]["model_id"]) == (store.made["model"], None)
    deleted = wine[2]
    assert deleted["is_deleted"]
    assert deleted["deleted_ms"] == deleted["last_updated_ms"] >= deleted["created_ms"]
    hidden = ("source", "run_id", "model_id", "run_link", "stage", "user_id", "description")
    assert [deleted[name] for name in hidden] == [None] * len(hidden)
    assert [wine[1]["is_deleted"], wine[2]["is_inferred"], wine[1]["deleted_ms"]] == [False, False, None]


def test_registered_models_aliases_and_prompts_are_told(tables: Tables) -> None:
    assert {row["name"] for row in tables["mlflow_registered_model"]} == {"wine", "ask"}
    (wine,) = only(tables["mlflow_registered_model"], name="wine")
    assert (wine["workspace"], wine["description"]) == ("default", None)
    assert pairs(tables["mlflow_registered_model_tag"], name="wine") == {"stage": "x"}
    alias = {"workspace": "default", "name": "wine", "alias": "champion", "version": 1}
    assert tables["mlflow_registered_model_alias"] == [alias]
    assert pairs(tables["mlflow_model_version_tag"], name="ask")["mlflow.prompt.text"] == "Say {{ it }}"


def test_artifacts_of_runs_and_of_logged_models_are_listed(store: MadeStore, tables: Tables) -> None:
    run = only(tables["mlflow_artifact"], owner="run", owner_id=store.made["parent"])
    assert [(row["path"], row["is_dir"], row["size_bytes"]) for row in run] == [
        ("a", True, None),
        ("a/b c", True, None),
        ("a/b c/d ü.txt", False, 5),
        ("top.txt", False, 2),
    ]
    model = only(tables["mlflow_artifact"], owner="logged_model", owner_id=store.made["model"])
    assert {"MLmodel", "requirements.txt"} < {row["path"] for row in model}
    (file,) = tables["mlflow_model_file"]
    assert (file["owner"], file["owner_id"], file["path"]) == ("logged_model", store.made["model"], "")
    assert file["flavors"] == ["python_function", "sklearn"]
    assert file["requirements"] == ["mlflow==3.17.2", "numpy", "scikit-learn"]
    assert '"name": "x"' in file["signature_inputs"]
    assert file["python_version"] == ".".join(map(str, sys.version_info[:3]))
    (logged,) = only(tables["mlflow_logged_model"], model_id=store.made["model"])
    assert abs(file["created_ms"] - logged["created_ms"]) < 60_000


# ---- Every version of the schema ---------------------------------------------------------------


@schemas
def test_each_version_of_the_schema_is_read(version: str, tmp_path: Path) -> None:
    fill_schema(version, tmp_path / "mlflow.db").close()
    found = read(tmp_path / "mlflow.db")
    assert found["mlflow_store"][0]["schema_version"] == REVISIONS[version]
    assert found["mlflow_experiment"][0] == {
        "experiment_id": "7",
        "name": "old",
        "artifact_location": None,
        "lifecycle_stage": "active",
        "created_ms": None,
        "last_updated_ms": None,
    }
    runs = {row["run_id"]: row for row in found["mlflow_run"]}
    assert (runs["r1"]["user_id"], runs["r1"]["end_ms"], runs["r1"]["deleted_ms"]) == (None, 20, None)
    assert (runs["r2"]["name"], runs["r2"]["user_id"]) == ("named by its tag", "ann")
    assert (runs["r2"]["end_ms"], runs["r2"]["deleted_ms"]) == (None, 99)
    assert found["mlflow_param"] == [{"run_id": "r1", "key": "p", "value": ""}]
    assert pairs(found["mlflow_tag"], run_id="r1") == {"none": None}
    assert found["mlflow_experiment_tag"] == [{"experiment_id": "7", "key": "k", "value": ""}]
    metrics = sorted(found["mlflow_metric"], key=lambda row: row["step"])
    assert repr([row["value"] for row in metrics]) == "[0.5, nan, inf, -inf]"
    assert [(row["step"], row["timestamp_ms"]) for row in metrics] == [(-1, 99), (0, 100), (1, 101), (2, 102)]
    contexts = {row["run_id"]: row["context"] for row in found["mlflow_dataset_input"]}
    assert contexts == {"r1": "training", "r2": None}
    assert [found["mlflow_dataset"][0][name] for name in ("experiment_id", "schema", "profile")] == [
        "7",
        None,
        None,
    ]


@schemas
def test_the_registry_of_each_version_is_read(version: str, tmp_path: Path) -> None:
    fill_schema(version, tmp_path / "mlflow.db").close()
    found = read(tmp_path / "mlflow.db")
    one, two = sorted(found["mlflow_model_version"], key=lambda row: row["version"])
    has_location = version != "2.5.0"
    assert one == {
        **dict.fromkeys(SOURCE_TABLES["mlflow_model_version"].columns),
        "workspace": "default",
        "name": "w",
        "version": 1,
        "created_ms": 3,
        "last_updated_ms": 4,
        "stage": "None",
        "source": "models:/m-0f1e",
        "model_id": "m-0f1e",
        "status": "READY",
        "storage_location": "file:///x" if has_location else None,
        "is_deleted": False,
        "is_inferred": False,
    }
    assert two == {
        **dict.fromkeys(SOURCE_TABLES["mlflow_model_version"].columns),
        "workspace": "default",
        "name": "w",
        "version": 2,
        "created_ms": 5,
        "last_updated_ms": 6,
        "status": "READY",
        "storage_location": "file:///y" if has_location else None,
        "is_deleted": True,
        "is_inferred": False,
        "deleted_ms": 6,
    }
    workspaces = {row["workspace"] for row in found["mlflow_registered_model"]}
    assert workspaces == ({"default", "blue"} if version >= "3" else {"default"})


@schemas
def test_logged_models_are_there_from_version_3_on(version: str, tmp_path: Path) -> None:
    fill_schema(version, tmp_path / "mlflow.db").close()
    found = read(tmp_path / "mlflow.db")
    if version < "3":
        assert not [name for name in found if "logged" in name or "link" in name]
        return
    statuses = {row["model_id"]: row["status"] for row in found["mlflow_logged_model"]}
    assert statuses == {"m-0": "UNSPECIFIED", "m-1": "PENDING", "m-2": "READY", "m-3": "UPLOAD_FAILED"}
    assert [row["model_type"] for row in found["mlflow_logged_model"]] == [None] * 4
    assert found["mlflow_logged_model_metric"][0]["value"] == math.inf
    links = {(row["direction"], row["step"]) for row in found["mlflow_model_link"]}
    assert links == {("input", 0), ("output", 3)}


def test_every_revision_that_the_installed_mlflow_knows_from_2_0_on_is_known() -> None:
    spec = pytest.importorskip("importlib.util").find_spec("mlflow")
    texts = [
        path.read_text("utf-8") for path in Path(spec.origin).parent.glob("store/db_migrations/versions/*.py")
    ]
    found = [re.findall(r"^(?:down_)?revision = \W?(\w+)", text, re.MULTILINE) for text in texts]
    after = {down: revision for revision, down in (it for it in found if len(it) == 2)}
    revision: str | None = "97727af70f4d"
    chain = []
    while revision:
        chain.append(revision)
        revision = after.get(revision)
    assert len(chain) > 40
    assert set(chain) <= KNOWN_REVISIONS


@schemas
def test_an_unknown_revision_is_read_with_one_warning(
    newest: sqlite3.Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    newest.execute("UPDATE alembic_version SET version_num = 'fedcba987654'")
    newest.execute("ALTER TABLE params RENAME COLUMN value TO val")
    newest.execute("ALTER TABLE runs DROP COLUMN deleted_time")
    newest.execute("DROP TABLE input_tags")
    newest.commit()
    found = read(tmp_path / "mlflow.db", "artifacts")
    assert found["mlflow_store"][0]["schema_version"] == "fedcba987654"
    assert {row["deleted_ms"] for row in found["mlflow_run"]} == {None}
    assert "mlflow_param" not in found
    assert "mlflow_dataset_input" not in found
    unknown, *left_out = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "unknown revision fedcba987654" in unknown
    assert left_out == [
        f"mlflow_param is left out, since {tmp_path}/mlflow.db lacks params.value",
        f"mlflow_dataset_input is left out, since {tmp_path}/mlflow.db lacks input_tags",
    ]


@schemas
@pytest.mark.parametrize("version", REVISIONS)
def test_a_table_that_every_version_has_is_missed(
    version: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(fill_schema(version, tmp_path / "mlflow.db")) as connection:
        read(tmp_path / "mlflow.db", "artifacts")
        assert not [text for text in caplog.messages if "lacks" in text]
        connection.execute("DROP TABLE metrics")
    read(tmp_path / "mlflow.db", "artifacts")
    assert f"mlflow_metric is left out, since {tmp_path}/mlflow.db lacks metrics" in caplog.messages


# ---- Parts -------------------------------------------------------------------------------------


@schemas
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.usefixtures("newest")
def test_a_part_that_is_skipped_is_not_there_and_all_else_is(part: str, tmp_path: Path) -> None:
    whole, found = read(tmp_path / "mlflow.db"), read(tmp_path / "mlflow.db", part)
    gone = {reading.table for reading in READINGS if reading.part == part} - {"mlflow_metric"}
    assert set(found) == set(whole) - gone
    points = [1 if part == "metric_history" else 4]
    assert [len(found["mlflow_metric"])] == points
    assert all(found[name] == whole[name] for name in found if name != "mlflow_metric")


def test_without_artifacts_no_artifact_is_there(store: MadeStore) -> None:
    found = tables_of(read_database(store.uri, Wanted(skip=NO_ARTIFACTS)))
    assert not {"mlflow_artifact", "mlflow_model_file"} & set(found)


def test_an_unknown_part_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="unknown parts to skip: metrics; there are metric_history"):
        read_database("sqlite:///x.db", Wanted(skip=frozenset({"metrics"})))


@schemas
@pytest.mark.usefixtures("newest")
def test_artifacts_elsewhere_are_counted_without_credentials(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    read(tmp_path / "mlflow.db")
    first, second = sorted(it.message for it in caplog.records if it.levelno == logging.WARNING)
    assert first.startswith("artifacts of 1 run and 4 logged models at s3://bucket are left out: ")
    assert second.startswith("artifacts of 1 run at mlflow-artifacts: are left out: ")


# ---- Values that do not fit --------------------------------------------------------------------


@schemas
def test_a_column_without_values_in_the_first_batch_keeps_its_type(
    newest: sqlite3.Connection, tmp_path: Path
) -> None:
    newest.execute("DELETE FROM tags")
    newest.executemany("INSERT INTO tags VALUES (?, NULL, 'r1')", [(f"{i:06}",) for i in range(9_000)])
    newest.execute("INSERT INTO tags VALUES ('last', 'text', 'r1')")
    newest.commit()
    batches = [
        batch for name, batch in read_database(f"sqlite:///{tmp_path}/mlflow.db") if name == "mlflow_tag"
    ]
    assert sum(batch.num_rows for batch in batches) == 9_001  # of two batches of the driver
    values = [value for batch in batches for value in batch.column("value").to_pylist()]
    assert values.count(None) == 9_000
    assert "text" in values


@schemas
def test_misfits_are_left_out_and_counted(
    newest: sqlite3.Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    newest.execute("UPDATE runs SET start_time = 'soon', end_time = x'00' WHERE run_uuid = 'r1'")
    newest.execute("UPDATE runs SET end_time = 1e300, start_time = 12.75 WHERE run_uuid = 'r2'")
    newest.execute("DELETE FROM metrics")
    for step, value in (("x", 1), (2, "high"), (3, b"\x01"), (4, math.inf), (5, 7)):
        insert(
            newest, "metrics", {"run_uuid": "r1", "key": "k", "step": step, "timestamp": 1, "value": value}
        )
    newest.commit()
    found = read(tmp_path / "mlflow.db", "artifacts")
    times = {row["run_id"]: (row["start_ms"], row["end_ms"]) for row in found["mlflow_run"]}
    assert times == {"r1": (None, None), "r2": (12, None)}
    points = [(row["step"], row["value"]) for row in found["mlflow_metric"]]
    assert points == [(None, 1.0), (2, None), (3, None), (4, math.inf), (5, 7.0)]
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        f"3 values in table runs of {tmp_path}/mlflow.db are no numbers and are left out",
        f"3 values in table metrics of {tmp_path}/mlflow.db are no numbers and are left out",
    ]


@schemas
def test_text_that_is_not_utf_8_is_shown(
    newest: sqlite3.Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    newest.execute("DELETE FROM params")
    newest.execute("INSERT INTO params VALUES ('a', CAST(x'ff41' AS TEXT), 'r1')")
    newest.execute("INSERT INTO params VALUES ('b', x'c328', 'r1')")
    newest.execute("INSERT INTO params VALUES ('c', 'é', 'r1')")
    newest.commit()
    found = read(tmp_path / "mlflow.db", "artifacts")
    assert pairs(found["mlflow_param"]) == {"a": "\\xffA", "b": "\\xc3(", "c": "é"}
    (message,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert message.startswith("2 texts in table params of ")


@schemas
def test_only_a_logged_models_source_names_a_logged_model(newest: sqlite3.Connection, tmp_path: Path) -> None:
    sources = {
        "models:/m-12ab": "m-12ab",
        "models:/m-12ab/": "m-12ab",
        "models:/m-12ab/x": None,
        "models:/m-": None,
        "models:/m-xyz": None,
        "models:/wine/3": None,
        "runs:/models:/m-12": None,
    }
    newest.execute("DELETE FROM model_versions")
    for number, source in enumerate(sources):
        insert(newest, "model_versions", {"name": "w", "version": number, "source": source})
    newest.commit()
    found = read(tmp_path / "mlflow.db", "artifacts")["mlflow_model_version"]
    assert {row["source"]: row["model_id"] for row in found} == sources


# ---- URIs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:////srv/a.db", "/srv/a.db"),
        ("sqlite:////srv/a%20%3Fb%25.db", "/srv/a ?b%.db"),
        ("sqlite:////srv/a#b.db?timeout=3", "/srv/a#b.db"),
        ("sqlite+pysqlite:////srv/a.db", "/srv/a.db"),
        ("SQLite:////srv/a.db", "/srv/a.db"),
        ("sqlite:////srv/../srv/a.db", "/srv/a.db"),
        ("sqlite:///file:/srv/a.db?mode=ro&uri=true", "/srv/a.db"),
        ("sqlite:///file:///srv/a.db?uri=true", "/srv/a.db"),
        ("sqlite:///a.db", str(Path.cwd() / "a.db")),
        ("sqlite:///file:a.db", str(Path.cwd() / "file:a.db")),
    ],
)
def test_a_uri_names_a_file(uri: str, path: str) -> None:
    assert str(database_path(uri)) == path


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://u:secret@host/db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://u:secret@host/a.db",
        "sqlite:///file::memory:?uri=true",
        "sqlite:///a%00.db",
        "a.db",
    ],
)
def test_a_uri_of_something_else_is_refused_without_credentials(uri: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_database(uri)
    assert "secret" not in str(raised.value)


@schemas
@pytest.mark.parametrize("name", ["a b.db", "a?b.db", "a#b.db", "100%.db", "a%20b.db", "ü'\".db"])
def test_a_file_of_any_name_is_read(name: str, tmp_path: Path) -> None:
    fill_schema("2.5.0", tmp_path / name).close()
    path = f"{tmp_path}/{name}".replace("?", "%3F")
    found = tables_of(read_database(f"sqlite:///{path}", Wanted(skip=NO_ARTIFACTS)))
    assert len(found["mlflow_run"]) == 2


# ---- Reading leaves no trace -------------------------------------------------------------------


def write_in_another_process(file: Path, statements: str) -> None:
    """Another process, since within one the locks of two copies of SQLite do not hold each other off."""
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2]); c.commit()"
    subprocess.run([sys.executable, "-c", code, str(file), statements], check=True)


@schemas
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_reading_changes_and_leaves_nothing(mode: str, tmp_path: Path) -> None:
    fill_schema("3.18.0", tmp_path / "mlflow.db").close()
    write_in_another_process(tmp_path / "mlflow.db", f"PRAGMA journal_mode = {mode}")
    before = files_of(tmp_path)
    assert set(before) == {"mlflow.db"}
    assert len(read(tmp_path / "mlflow.db")["mlflow_run"]) == 2
    assert files_of(tmp_path) == before


@schemas
def test_a_log_with_changes_is_read(newest: sqlite3.Connection, tmp_path: Path) -> None:
    newest.execute("PRAGMA journal_mode = wal")
    newest.execute("UPDATE runs SET name = 'in the log'")
    newest.commit()
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in ("mlflow.db", "mlflow.db-wal"):
        (copies / name).write_bytes((tmp_path / name).read_bytes())
    assert (copies / "mlflow.db-wal").stat().st_size > 0
    for folder in (tmp_path, copies):
        runs = read(folder / "mlflow.db", "artifacts")["mlflow_run"]
        assert {row["name"] for row in runs} == {"in the log"}


@schemas
def test_a_store_that_is_written_to_is_seen_as_it_was(newest: sqlite3.Connection, tmp_path: Path) -> None:
    newest.execute("PRAGMA journal_mode = wal")
    insert(newest, "experiments", {"experiment_id": 9, "name": "in the log", "lifecycle_stage": "active"})
    newest.commit()
    reading = read_database(f"sqlite:///{tmp_path}/mlflow.db", Wanted(skip=NO_ARTIFACTS))
    seen = [next(reading)[0]]
    write_in_another_process(tmp_path / "mlflow.db", "UPDATE runs SET name = 'new'; DELETE FROM metrics")
    rest = tables_of(reading)
    assert seen == ["mlflow_store"]
    assert len(rest["mlflow_metric"]) == 4
    assert "new" not in {row["name"] for row in rest["mlflow_run"]}
    assert "mlflow_metric" not in read(tmp_path / "mlflow.db", "artifacts")


@schemas
def test_a_log_that_is_emptied_into_the_file_while_it_is_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    fill_schema("3.18.0", file).close()
    write_in_another_process(file, "PRAGMA journal_mode = wal")
    reading = read_database(f"sqlite:///{file}", Wanted(skip=NO_ARTIFACTS))
    next(reading)
    write_in_another_process(file, "UPDATE runs SET name = 'new'; PRAGMA wal_checkpoint(TRUNCATE)")
    with pytest.raises(SourceError, match="was written to while it was read; read it again"):
        list(reading)


@schemas
@pytest.mark.parametrize("last", ["mlflow_store", "mlflow_run", "mlflow_metric"])
def test_a_reading_that_is_given_up_lets_the_file_go(last: str, tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    with closing(fill_schema("3.18.0", file)) as writer:
        more = [("k", i, 1, "r1", i, 0) for i in range(70_000)]
        writer.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", more)
        writer.commit()
    reading = read_database(f"sqlite:///{file}")
    assert last in (name for name, _ in reading)
    with pytest.raises(subprocess.CalledProcessError):
        write_in_another_process(file, "PRAGMA busy_timeout = 0; UPDATE runs SET name = 'no'")
    reading.close()  # type: ignore[attr-defined]
    write_in_another_process(file, "PRAGMA busy_timeout = 0; UPDATE runs SET name = 'yes'")


_AS_NOBODY = """
import os, sys
from mlflow2prov.errors import SourceError
from mlflow2prov.sources.mlflow.database import read_database
from mlflow2prov.sources.mlflow.parts import Wanted
def read(file):
    batches = read_database(f"sqlite:///{file}", Wanted(skip=frozenset({"artifacts"})))
    return sum(batch.num_rows for _, batch in batches)
read(sys.argv[1])
os.chmod(os.path.dirname(sys.argv[2]), 0o555)
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    print(read(sys.argv[2]))
except SourceError as error:
    print(error)
"""


def read_in_a_folder_that_must_not_be_written_to(fill: Callable[[Path], None]) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "closed"
        folder.mkdir()
        Path(name).chmod(0o755)
        fill_schema("2.5.0", Path(name) / "other.db").close()
        fill(folder)
        before = files_of(folder)
        arguments = [f"{name}/other.db", f"{folder}/mlflow.db"]
        done = subprocess.run([sys.executable, "-c", _AS_NOBODY, *arguments], capture_output=True, text=True)
        folder.chmod(0o755)
        assert files_of(folder) == before
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@schemas
@pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders can't be closed here")
def test_a_settled_store_in_wal_mode_is_read_in_a_closed_folder() -> None:
    def fill(folder: Path) -> None:
        fill_schema("2.5.0", folder / "mlflow.db").close()
        write_in_another_process(folder / "mlflow.db", "PRAGMA journal_mode = wal")

    assert int(read_in_a_folder_that_must_not_be_written_to(fill)) > 10


@schemas
@pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders can't be closed here")
def test_an_unsettled_store_in_wal_mode_in_a_closed_folder_is_told(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        writer = fill_schema("2.5.0", tmp_path / "mlflow.db")
        writer.execute("PRAGMA journal_mode = wal")
        writer.execute("UPDATE runs SET name = 'in the log'")
        writer.commit()
        for name in ("mlflow.db", "mlflow.db-wal"):
            (folder / name).write_bytes((tmp_path / name).read_bytes())
        writer.close()

    assert (
        "write to its folder if a -wal file stands beside it"
        in read_in_a_folder_that_must_not_be_written_to(fill)
    )


# ---- Files that can't be read ------------------------------------------------------------------


def failure(file: Path) -> str:
    with pytest.raises(SourceError) as raised:
        list(read_database(f"sqlite:///{file}"))
    assert str(file) in str(raised.value)
    return str(raised.value)


def test_a_missing_file_is_told_and_not_made(tmp_path: Path) -> None:
    assert "does not exist" in failure(tmp_path / "none.db")
    assert "does not exist" in failure(tmp_path / "no" / "none.db")
    assert not list(tmp_path.iterdir())


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("just text\n" * 1000)
    assert "is not a SQLite database" in failure(tmp_path / "text.db")
    assert "can't be read" in failure(tmp_path)


def test_a_database_of_something_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    assert "is not an MLflow store: it has no experiments.experiment_id and no runs.run_uuid" in failure(
        tmp_path / "empty.db"
    )
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE experiments (experiment_id)")
    other.execute("CREATE TABLE runs (id)")
    other.commit()
    other.close()
    assert "is not an MLflow store: it has no runs.run_uuid;" in failure(tmp_path / "other.db")


@schemas
def test_a_file_that_is_cut_off_is_told(newest: sqlite3.Connection, tmp_path: Path) -> None:
    newest.executemany("INSERT INTO tags VALUES (?, ?, 'r1')", [(f"{i}", "x" * 500) for i in range(2_000)])
    newest.commit()
    content = (tmp_path / "mlflow.db").read_bytes()
    for part in (0.3, 0.9):
        (tmp_path / "cut.db").write_bytes(content[: int(len(content) * part)])
        assert re.search("is damaged or cut off|can't be read to its end", failure(tmp_path / "cut.db"))
    (tmp_path / "short.db").write_bytes(content[:40])
    assert "is damaged or cut off" in failure(tmp_path / "short.db")


@schemas
def test_a_file_that_is_overwritten_inside_is_told(newest: sqlite3.Connection, tmp_path: Path) -> None:
    newest.executemany("INSERT INTO tags VALUES (?, ?, 'r1')", [(f"{i}", "x" * 500) for i in range(2_000)])
    newest.commit()
    content = bytearray((tmp_path / "mlflow.db").read_bytes())
    content[-600_000:-100_000] = b"\xa5" * 500_000
    (tmp_path / "bad.db").write_bytes(content)
    assert "is damaged or cut off" in failure(tmp_path / "bad.db")


@schemas
def test_a_locked_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_file, "_BUSY_MS", 50)
    file = tmp_path / "mlflow.db"
    fill_schema("3.18.0", file).close()
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN EXCLUSIVE');"
        " print('locked', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, str(file)], **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == b"locked\n"
        assert "is locked by another program" in failure(file)
        other.communicate(b"")
    assert read(file, "artifacts")


def test_a_lock_that_passes_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    fill_schema("3.18.0", file).close()
    writer = sqlite3.connect(file, check_same_thread=False)
    writer.execute("BEGIN EXCLUSIVE")
    end = threading.Timer(0.5, writer.rollback)
    end.start()
    assert read(file, "artifacts")
    end.join()
    writer.close()


@schemas
def test_a_write_that_was_broken_off_is_told(newest: sqlite3.Connection, tmp_path: Path) -> None:
    newest.executemany("INSERT INTO tags VALUES (?, ?, 'r1')", [(f"{i}", "x" * 500) for i in range(2_000)])
    newest.commit()
    newest.execute("PRAGMA cache_size = 5")
    newest.execute("UPDATE tags SET value = 'half'")
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in ("mlflow.db", "mlflow.db-journal"):
        (copies / name).write_bytes((tmp_path / name).read_bytes())
    before = files_of(copies)
    assert "has an unfinished write beside it" in failure(copies / "mlflow.db")
    assert files_of(copies) == before
