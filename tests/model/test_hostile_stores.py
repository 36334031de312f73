"""Stores with odd and hostile content: the demo's store, changed by SQL."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import DemoProject

from mlflow2prov import extract
from mlflow2prov.model.ids import parts_of
from mlflow2prov.prov.credentials import without_credentials

Document = dict[str, Any]
Change = Callable[..., Document]


@pytest.fixture
def changed(demo_project: DemoProject, tmp_path: Path) -> Change:
    """Extract the demo's store after some statements of SQL."""

    def change(*statements: str) -> Document:
        shutil.copy(demo_project.database, tmp_path / "m.db")
        with sqlite3.connect(tmp_path / "m.db") as database:
            for statement in statements:
                database.execute(statement)
        with extract(mlflow_url=f"sqlite:///{tmp_path / 'm.db'}", skip=["artifacts"]) as graph:
            document: Document = json.loads(graph.save(tmp_path / "out").read_text(encoding="utf-8"))
        return document

    return change


def entities(document: Document, type_name: str) -> dict[str, Any]:
    return {
        name: body for name, body in document["entity"].items() if name.startswith(f"mlflow:{type_name}.")
    }


def test_a_time_of_zero_is_one_that_is_not_known(changed: Change, demo_project: DemoProject) -> None:
    run = demo_project.truth["mlflow"]["runs"][0]["run_id"]
    document = changed(
        f"UPDATE runs SET start_time = 0, end_time = 0 WHERE run_uuid = '{run}'",
        "UPDATE registered_models SET creation_time = 0",
    )
    assert '"1970-' not in json.dumps(document)
    assert "prov:startTime" not in document["activity"][f"mlflow:Creation.run--{run}"]


def test_a_point_at_the_time_zero_has_no_time(changed: Change) -> None:
    document = changed(
        "UPDATE metrics SET timestamp = 0", "UPDATE logged_model_metrics SET metric_timestamp_ms = 0"
    )
    assert '"1970-' not in json.dumps(document)
    points = entities(document, "Metric")
    assert points
    assert not any("m2p:timestamp" in body for body in points.values())


def test_an_alias_without_a_name_or_repeated_is_left_out(changed: Change) -> None:
    copy = "CREATE TABLE made AS SELECT * FROM registered_model_aliases"
    moved = ("DROP TABLE registered_model_aliases", "ALTER TABLE made RENAME TO registered_model_aliases")
    rows = "INSERT INTO registered_model_aliases SELECT * FROM registered_model_aliases"
    before = changed()
    after = changed(copy, *moved, rows, f"{rows} WHERE rowid = 1", "UPDATE registered_model_aliases SET alias = NULL "
                    "WHERE rowid = (SELECT max(rowid) FROM registered_model_aliases)")  # fmt: skip
    assert entities(before, "RegisteredModelAlias") == entities(after, "RegisteredModelAlias") != {}
    assert len(before["wasDerivedFrom"]) == len(after["wasDerivedFrom"])


def test_a_credential_in_a_word_that_should_be_fixed_is_left_out(changed: Change) -> None:
    url = "https://ada:SECRET@example.org"
    document = changed(
        f"UPDATE model_versions SET current_stage = '{url}', status = '{url}'",
        f"UPDATE datasets SET dataset_source_type = '{url}'",
        f"UPDATE logged_models SET model_type = '{url}'",
    )
    assert "SECRET" not in json.dumps(document)
    assert "https://example.org" in json.dumps(document)


def test_numbers_of_all_sorts_make_good_reversible_names(changed: Change, demo_project: DemoProject) -> None:
    run = demo_project.truth["mlflow"]["runs"][0]["run_id"]
    values = [
        (-20, -5, -12.5, 0),
        (1, 2, 1e22, 0),
        (2, 0, 1e-20, 0),
        (3, 1, 0, 1),
        (4, 1, 1.7976931348623157e308, 0),
    ]
    rows = ", ".join(
        f"('val/loss: 5 pc', {value}, {moment}, '{run}', {step}, {nan})"
        for step, moment, value, nan in values
    )
    document = changed(f"INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES {rows}")
    found = {name: body for name, body in entities(document, "Metric").items() if "val-2Floss" in name}
    assert sorted(body["m2p:value"]["$"] for body in found.values()) == [
        "-12.5",
        "1e+22",
        "1e-20",
        "INF",
        "NaN",
    ]
    for name, body in found.items():
        local = name.split(":", 1)[1]
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", local)
        parts = [part.decode() for part in parts_of(local)[1]]
        assert parts[:3] == [run, "val/loss: 5 pc", body["m2p:step"]["$"]]
        assert parts[4] == body["m2p:value"]["$"]
    assert sum(body["m2p:is_latest"]["$"] == "true" for body in found.values()) == 1


def test_when_a_version_was_deleted_is_not_known_any_more_after_a_rename(changed: Change) -> None:
    before = changed()
    after = changed("UPDATE model_versions SET last_updated_time = 1800000000000")

    def times(document: Document) -> list[bool]:
        return [
            "prov:startTime" in body
            for name, body in document["activity"].items()
            if name.startswith("mlflow:Deletion.registered_5Fmodel")
            or "Deletion.registered_model_version" in name
        ]

    assert times(before) == [True]
    assert times(after) == [False]


def test_a_dataset_of_two_experiments_keeps_the_sources_of_both(changed: Change) -> None:
    document = changed(
        "UPDATE datasets SET name = 'd', digest = 'x' || experiment_id, dataset_source = 'from ' || experiment_id "
        "WHERE rowid = (SELECT min(rowid) FROM datasets)",
        "INSERT INTO datasets SELECT 'other', 0, name, digest, 'http', 'elsewhere', NULL, NULL FROM datasets "
        "WHERE rowid = (SELECT min(rowid) FROM datasets)",
    )
    (body,) = (body for body in entities(document, "Dataset").values() if body["m2p:name"] == "d")
    assert "elsewhere" in body["m2p:source"]
    assert len(body["m2p:source"]) == 2


def test_another_param_makes_another_extraction(changed: Change) -> None:
    before, after = changed(), changed("UPDATE params SET value = 'other' WHERE rowid = 1")
    names = [
        {name for name in document["activity"] if name.startswith("extraction:")}
        for document in (before, after)
    ]
    assert names[0] != names[1]


def test_text_that_xml_can_not_hold_is_shown(changed: Change) -> None:
    document = changed("UPDATE params SET value = 'a' || char(1) || 'b' || char(10) || '😀' WHERE rowid = 1")
    assert any(body["m2p:value"] == "a\\x01b\n😀" for body in entities(document, "Param").values())


@pytest.mark.parametrize(
    "text",
    [
        "https://ada:SECRET@example.org/x",
        "https://SECRET@example.org/x",
        "postgresql://ada:SEC@SECRET@example.org/db",
        "https://ada:pSECRET/SECRET@example.org/x",
        "https://ada:p#SECRET@example.org/x",
        "https://ada:p'SECRET\"SECRET@example.org/x",
        r"https:\/\/ada:SECRET@example.org\/x",
        r"https:\\/\\/ada:SECRET@example.org",
        r"https:\u002f\u002fada:SECRET@example.org",
        r"https://ada:SECRET\u0040example.org/x?sig\u003dSECRET",
        r"https:\/\/ada:SECRET/SECRET\u0040example.org",
        "https%3A%2F%2Fada:SECRET@example.org",
        " //ada:SECRET@example.org/x",
        "git+https://ada:SECRET@example.org/x.git",
        "https://example.org/x?a=1&X-Amz-Signature=SECRET&b=2",
        "https://example.org/x?sig=SECRET",
        "https://example.org/x?refresh_token=SECRET&accessToken=SECRET#access_token=SECRET",
        "https://example.org/x?api-key=SECRET&subscription-key=SECRET;password=a'SECRET",
        'https://example.org/x?sig="SECRET"',
        "abfss://data:SECRET@account.example.org/x",
    ],
)
def test_no_credential_is_left_in_any_form(text: str, changed: Change) -> None:
    assert "SECRET" not in without_credentials(text)
    quoted = text.replace("'", "''")
    document = changed(
        f"UPDATE params SET value = '{quoted}', key = 'k ' || rowid || '{quoted}' WHERE rowid = 1",
        f"UPDATE runs SET name = '{quoted}'",
    )
    assert "SECRET" not in json.dumps(document)


def test_names_that_differ_by_a_credential_alone_make_one_element(changed: Change) -> None:
    (run,) = {row["m2p:run_id"] for row in list(entities(changed(), "Run").values())[:1]}
    document = changed(
        *(
            f"INSERT INTO {table} (run_uuid, key, value) VALUES ('{run}', 'https://ada:{password}@host', '{password}')"
            for table in ("params", "tags")
            for password in ("beta", "alfa")
        )
    )
    for type_name in ("Param", "RunTag"):
        found = {name: body for name, body in entities(document, type_name).items() if "host" in name}
        assert [body["m2p:value"] for body in found.values()] == ["alfa"]
        members = [row["prov:entity"] for row in document["hadMember"].values()]
        assert [members.count(name) for name in found] == [1]


def test_rows_without_names_and_repeated_rows_are_left_out(
    changed: Change, caplog: pytest.LogCaptureFixture
) -> None:
    statements = []
    for table in ("experiments", "runs", "params", "tags", "registered_models", "model_versions"):
        statements += [
            f"CREATE TABLE made AS SELECT * FROM {table}",
            f"DROP TABLE {table}",
            f"ALTER TABLE made RENAME TO {table}",
            f"INSERT INTO {table} SELECT * FROM {table} WHERE rowid = 1",
        ]
    before = changed()
    nameless = (
        "INSERT INTO runs (lifecycle_stage) VALUES ('active'), ('active')",
        "INSERT INTO experiments (name) VALUES ('x'), ('y')",
    )
    with caplog.at_level("WARNING"):
        after = changed("PRAGMA foreign_keys = OFF", *statements, *nameless)
    for kind in ("entity", "activity"):
        assert {
            name for name in before[kind] if "TrackingStore" not in name and "Extraction" not in name
        } == {name for name in after[kind] if "TrackingStore" not in name and "Extraction" not in name}
    for kind in ("wasGeneratedBy", "hadMember", "wasInvalidatedBy", "used"):
        assert len(before[kind]) == len(after[kind])
    assert "left out: rows of mlflow_run without a name or with that of another (3)" in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:5000/@ada",
        "https://example.org/@ada/story",
        "abfss://container@account.dfs.core.windows.net/x",
        "mail ada@example.org about https://example.org/x?page=2",
        '{"url": "https://example.org", "mail": "ada@example.org"}',
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert without_credentials(text) == text
