"""What deleted versions were made of, and which models were deleted, as far as a store still tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.model.made_stores import Row, document_of, found, of_type, run, tags

from mlflow2prov.sources.mlflow import database
from mlflow2prov.sources.mlflow.parts import Wanted
from mlflow2prov.sources.tables import Batches

ONE, TWO, THREE = (f"m-{letter * 32}" for letter in "abc")
RUN = "d" * 32


def logged(model_id: str, *named: tuple[str, int], created: int = 100, **columns: object) -> list[Row]:
    """A logged model that says which versions it became."""
    row: dict[str, object] = {"model_id": model_id, "experiment_id": 7, "name": "net", "source_run_id": "r1"}
    row |= {
        "artifact_location": f"/art/7/models/{model_id}/artifacts",
        "lifecycle_stage": "active",
        "status": 2,
    }
    row |= {"creation_timestamp_ms": created, "last_updated_timestamp_ms": created, **columns}
    tag = json.dumps([{"name": name, "version": str(version)} for name, version in named])
    key = {"model_id": model_id, "experiment_id": 7, "tag_key": "mlflow.modelVersions", "tag_value": tag}
    return [("logged_models", row), ("logged_model_tags", key)]


def model(name: str, created: int = 200) -> Row:
    return "registered_models", {"name": name, "workspace": "default", "creation_time": created}


def version(name: str, number: int, model_id: str | None = None, **columns: object) -> Row:
    """A version made of a logged model; without one, deleted."""
    row: dict[str, object] = {"name": name, "version": number, "workspace": "default", "creation_time": 300}
    if model_id:
        row |= {"source": f"models:/{model_id}", "run_id": "r1", "current_stage": "None"}
    else:
        row |= {
            "source": "REDACTED-SOURCE-PATH",
            "run_id": "REDACTED-RUN-ID",
            "last_updated_time": 400 + number,
        }
        row |= {"current_stage": "Deleted_Internal", "run_link": "REDACTED-RUN-LINK"}
    return "model_versions", {**row, **columns}


def told(folder: Path, *rows: Row | list[Row], skip: tuple[str, ...] = ()) -> dict[str, dict[str, object]]:
    """What is told of each version, by its label; checks that a deleted one derives from what it names."""
    flat = [row for one in rows for row in (one if isinstance(one, list) else [one])]
    document = document_of(folder, *flat, skip=["artifacts", *skip])
    versions = of_type(document, "RegisteredModelVersion")
    for name, body in versions.items():
        if body.get("model_id") in (ONE, TWO, THREE) and not skip:
            (derived,) = found(document, "wasDerivedFrom", generatedEntity=f"mlflow:{name}")
            assert derived["usedEntity"] == f"mlflow:LoggedModel.{str(body['model_id']).replace('-', '-2D')}"
            (informed,) = found(
                document,
                "wasInformedBy",
                informed=f"mlflow:Creation.registered_model_version--{name.partition('.')[2]}",
            )
            assert informed["informant"] == "mlflow:Creation.run--r1"
    return {f"{body['name']} v{body['version']}": body for body in versions.values() if body["name"] != "w"}


def test_where_a_deleted_version_was_stored_tells_its_logged_model(tmp_path: Path) -> None:
    place = f"/srv/artifacts/7/models/{ONE}/artifacts"
    (it,) = told(tmp_path, logged(ONE), model("wine"), version("wine", 1, storage_location=place)).values()
    assert (it["model_id"], it["run_id"], it["recovered_from"]) == (ONE, "r1", "storage_location")
    assert "source_path" not in it


def test_where_a_deleted_version_was_stored_tells_its_run_and_the_list_of_its_models_agrees(
    tmp_path: Path,
) -> None:
    history = json.dumps([{"run_id": RUN, "artifact_path": "deep/net", "flavors": {}}])
    place = f"s3://b/artifacts/7/{RUN}/artifacts/deep/net"
    rows = [run(RUN, artifact_uri="s3://b/x"), *tags(RUN, **{"mlflow__log-model__history": history})]
    (it,) = told(tmp_path, rows, model("wine"), version("wine", 1, storage_location=place)).values()
    assert it["run_id"] == RUN
    assert it["recovered_from"] == ["storage_location", "mlflow.log-model.history"]


def test_a_deleted_version_comes_from_the_model_in_the_run_that_it_was_stored_as(tmp_path: Path) -> None:
    folder = tmp_path / "7" / RUN / "artifacts"
    (folder / "net").mkdir(parents=True)
    (folder / "net" / "MLmodel").write_text("flavors: {sklearn: {}}\n")
    rows = [run(RUN, artifact_uri=str(folder)), model("wine")]
    rows += [version("wine", 1, storage_location=f"{folder.as_uri()}/net")]
    document = document_of(tmp_path, *rows, skip=[])
    (derived,) = (
        it for it in found(document, "wasDerivedFrom") if ".wine-" in it["generatedEntity"].replace("--", "-")
    )
    assert derived["usedEntity"] == f"mlflow:ModelArtifact.{RUN}--net"


def test_the_tag_of_a_logged_model_tells_what_a_deleted_version_was_made_of(tmp_path: Path) -> None:
    rows = [logged(ONE, ("wine", 1), ("wine", 1)), logged(TWO, ("wine", 2))]
    versions = told(tmp_path, *rows, model("wine"), version("wine", 1), version("wine", 2, TWO))
    assert versions["wine v1"]["model_id"] == ONE
    assert versions["wine v1"]["recovered_from"] == "mlflow.modelVersions"
    assert "recovered_from" not in versions["wine v2"]


@pytest.mark.parametrize("created", [150, 999])
def test_a_logged_model_that_is_younger_than_a_version_is_not_its_source(
    created: int, tmp_path: Path
) -> None:
    rows = [logged(ONE, ("wine", 1), created=created), model("wine"), version("wine", 1)]
    assert ("model_id" in told(tmp_path, *rows)["wine v1"]) is (created < 300)


def test_two_logged_models_that_claim_one_deleted_version_tell_nothing(tmp_path: Path) -> None:
    rows = [logged(ONE, ("wine", 1)), logged(TWO, ("wine", 1)), model("wine"), version("wine", 1)]
    assert "recovered_from" not in told(tmp_path, *rows)["wine v1"]


def test_the_old_name_in_a_tag_is_that_of_the_renamed_model(tmp_path: Path) -> None:
    rows = [logged(ONE, ("old", 1)), logged(TWO, ("old", 2)), model("new")]
    versions = told(tmp_path, *rows, version("new", 1, ONE), version("new", 2))
    assert set(versions) == {"new v1", "new v2"}
    assert versions["new v2"]["model_id"] == TWO


@pytest.mark.parametrize("named", [("wine", 1), ("wine", 1, "prod", 1)])
def test_a_model_that_was_registered_under_two_names_was_not_renamed(
    named: tuple[Any, ...], tmp_path: Path
) -> None:
    rows = [logged(ONE, *zip(named[::2], named[1::2], strict=True)), logged(TWO, ("wine", 3))]
    rows += [model("wine"), model("prod"), version("wine", 1, ONE), version("prod", 1, ONE)]
    versions = told(tmp_path, *rows, version("wine", 2, ONE), version("wine", 3))
    assert versions["wine v3"]["model_id"] == TWO


def test_the_old_name_is_not_taken_for_a_model_that_was_made_under_it_afterwards(tmp_path: Path) -> None:
    rows = [logged(ONE, ("old", 1)), logged(TWO, ("old", 2)), model("new", 200), model("old", 250)]
    rows += [version("new", 1, ONE), version("new", 2), version("old", 1), version("old", 2)]
    versions = told(tmp_path, *rows)
    assert [name for name, it in versions.items() if "recovered_from" in it] == []
    alone = [
        logged(ONE, ("old", 1)),
        model("new", 200),
        version("new", 1),
        model("old", 250),
        version("old", 1),
    ]
    assert "recovered_from" not in told(tmp_path, *alone)["old v1"]


def test_a_deleted_model_is_told_where_no_other_can_have_had_its_name(tmp_path: Path) -> None:
    rows = [logged(ONE, ("lost", 1)), logged(TWO, ("lost", 2), ("wine", 1)), model("wine")]
    rows += [version("wine", 1, TWO), version("wine", 2, THREE), *logged(THREE, ("wine", 2))]
    flat = [row for one in rows for row in (one if isinstance(one, list) else [one])]
    document = document_of(tmp_path, *flat, ("registered_models", {"name": "none", "workspace": "default"}))
    (lost,) = (it for it in of_type(document, "RegisteredModel").values() if it["name"] == "lost")
    assert (lost["inferred"], lost["recovered_from"]) == ("true", "mlflow.modelVersions")
    (gone,) = found(document, "wasInvalidatedBy", entity="mlflow:RegisteredModel.lost--")
    assert gone["role"] == "m2p:DeletedRegisteredModel"
    versions = [it for it in of_type(document, "RegisteredModelVersion").values() if it["name"] == "lost"]
    assert {(it["version"], it["model_id"], it["inferred"]) for it in versions} == {
        ("1", ONE, "true"),
        ("2", TWO, "true"),
    }


def test_a_deleted_model_is_told_beside_those_of_several_workspaces(tmp_path: Path) -> None:
    team = {"workspace": "team"}
    rows: list[Row] = [("registered_models", {"name": "wine", **team, "creation_time": 1})]
    rows += [*logged(ONE, ("lost", 1)), *logged(TWO, ("wine", 1)), version("wine", 1, TWO, **team)]
    assert "lost v1" in told(tmp_path, rows)


def test_a_deleted_model_is_not_told_where_another_may_be_it_renamed(tmp_path: Path) -> None:
    rows = [logged(ONE, ("old", 1)), model("new"), version("new", 1)]
    assert set(told(tmp_path, *rows)) == {"new v1"}


def test_nothing_is_concluded_from_what_was_not_read(tmp_path: Path) -> None:
    rows = [logged(ONE, ("wine", 1)), model("wine"), version("wine", 1)]
    assert told(tmp_path, *rows, skip=("registered_models",)) == {}


def as_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the database tell what a server would: nothing of deleted versions."""
    import pyarrow as pa
    import pyarrow.compute as pc

    read = database.read_database

    def told(uri: str, wanted: Wanted, **_: object) -> Batches:
        for name, batch in read(uri, wanted):
            if name == "mlflow_store":
                row = {"uri": "http://mlflow.example.org", "mlflow_version": "3", "schema_version": None}
                batch = pa.RecordBatch.from_pylist([row], schema=batch.schema)
            if name == "mlflow_model_version":
                batch = batch.filter(pc.invert(batch.column("is_deleted")))
            yield name, batch

    monkeypatch.setattr(database, "read_database", told)


def test_a_server_hides_versions_after_the_last_one_that_is_there_and_tags_tell_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_server(monkeypatch)
    rows = [logged(ONE, ("wine", 1), ("all", 2)), logged(TWO, ("wine", 3)), model("wine"), model("all")]
    versions = told(tmp_path, *rows, version("wine", 1, ONE), version("wine", 3), version("all", 2))
    assert {name: it.get("model_id") for name, it in versions.items()} == {
        "wine v1": ONE,
        "wine v2": None,
        "wine v3": TWO,
        "all v1": None,
        "all v2": ONE,
    }
    assert [name for name, it in versions.items() if it.get("inferred") != "true"] == ["wine v1"]


def test_a_server_that_hides_versions_leaves_open_which_model_was_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_server(monkeypatch)
    rows = [logged(ONE, ("old", 1)), model("new"), version("new", 1)]
    assert told(tmp_path, *rows) == {}
    rows = [logged(ONE, ("old", 1)), logged(TWO, ("old", 2)), model("new"), version("new", 1, ONE)]
    assert told(tmp_path, *rows, version("new", 2))["new v2"]["model_id"] == TWO


@pytest.mark.parametrize("value", ["", "[", "null", "{}", '["x"]', '[{"name": 3, "version": "x"}]', "[[[]]]"])
def test_tags_of_odd_json_tell_nothing(value: str, tmp_path: Path) -> None:
    rows = logged(ONE)
    rows[1][1]["tag_value"] = value
    assert "recovered_from" not in told(tmp_path, *rows, model("wine"), version("wine", 1))["wine v1"]
