"""Listings of artifacts in folders of this machine."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from mlflow2prov.sources.mlflow import artifact_rows
from mlflow2prov.sources.mlflow.artifacts import ArtifactAccess, local_path, read_artifacts
from mlflow2prov.sources.tables import SOURCE_TABLES

Tables = dict[str, list[dict[str, Any]]]

MLMODEL = """
flavors:
  sklearn: {pickled_model: model.pkl}
  python_function: {python_version: 3.11.7}
model_uuid: abc
"""


def listed(*owners: tuple[str, str, str]) -> Tables:
    found: Tables = {"mlflow_artifact": [], "mlflow_model_file": []}
    for name, batch in read_artifacts(owners):
        assert batch.schema.equals(SOURCE_TABLES[name].schema())
        assert batch.num_rows > 0
        found[name].extend(batch.to_pylist())
    return found


def paths(tables: Tables) -> list[str]:
    return [row["path"] for row in tables["mlflow_artifact"]]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


def write(root: Path, **files: str) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")


def test_files_and_folders_are_listed_to_any_depth_in_order_of_their_paths(tmp_path: Path) -> None:
    write(tmp_path, **{"b": "12345", "a/é x/d": "", "a/B": "1", ".hidden": "12"})
    (tmp_path / "void").mkdir()
    found = listed(("run", "r1", str(tmp_path)))
    assert [tuple(row.values())[:5] for row in found["mlflow_artifact"]] == [
        ("run", "r1", ".hidden", False, 2),
        ("run", "r1", "a", True, None),
        ("run", "r1", "a/B", False, 1),
        ("run", "r1", "a/é x", True, None),
        ("run", "r1", "a/é x/d", False, 0),
        ("run", "r1", "b", False, 5),
        ("run", "r1", "void", True, None),
    ]


def test_a_folder_deeper_than_the_stack_is_listed(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(300):
        deep /= "d"
    deep.mkdir(parents=True)
    assert paths(listed(("run", "r1", str(tmp_path))))[-1] == "/".join(["d"] * 300)


def test_paths_and_file_uris_are_listed_and_a_missing_folder_is_empty(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "art é #1?%20"
    write(root, file="1")
    uris = [str(root), root.as_uri(), root.as_uri().replace("file:///", "file:/"), f"{root}/"]
    uris.append(root.as_uri().replace("file:///", "FILE://localhost/"))
    for uri in uris:
        assert paths(listed(("run", "r1", uri))) == ["file"], uri
    assert paths(listed(("run", "r1", str(tmp_path / "none")), ("run", "r2", f"{root}/file"))) == []
    assert warnings(caplog) == []


def test_relative_places_lead_from_the_folder_beside_where_they_lead_to_nothing_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "project", **{"mlruns/1/r1/artifacts/theirs": "1", "mlruns/1/r2/artifacts/theirs": "1"})
    write(tmp_path / "here", **{"mlruns/1/r1/artifacts/ours": "1"})
    monkeypatch.chdir(tmp_path / "here")
    owners = [("run", name, f"./mlruns/1/{name}/artifacts") for name in ("r1", "r2", "r3")]
    access = ArtifactAccess(beside=tmp_path / "project")
    found = [row for _, batch in read_artifacts(owners, access=access) for row in batch.to_pylist()]
    assert [(row["owner_id"], row["path"]) for row in found] == [("r1", "ours"), ("r2", "theirs")]


def test_it_is_said_where_the_folders_of_all_logged_models_are_elsewhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    owners = [("logged_model", name, f"{tmp_path}/1/models/{name}/artifacts") for name in ("m-1", "m-2")]
    listed(*owners, ("run", "r1", f"{tmp_path}/1/r1/artifacts"))
    assert warnings(caplog) == [
        "the artifacts of 2 logged models are left out, since their folders are not here, "
        f"{tmp_path}/1/models/m-1/artifacts first"
    ]
    caplog.clear()
    write(tmp_path, **{"1/models/m-2/artifacts/MLmodel": MLMODEL})
    listed(*owners)
    (tmp_path / "2").mkdir()
    listed(("logged_model", "m-3", f"{tmp_path}/2/models/m-3/artifacts"))
    assert warnings(caplog) == [], "a model that is logged elsewhere has none"


@pytest.mark.parametrize("uri", ["s3://b/x", "mlflow-artifacts:/1", "http://h/x", "file://host/x", "dbfs:/x"])
def test_what_is_elsewhere_is_no_local_path(uri: str) -> None:
    assert local_path(uri) is None


def test_what_is_elsewhere_is_said_once_for_each_store_without_credentials(
    caplog: pytest.LogCaptureFixture,
) -> None:
    owners = [("run", f"r{i}", f"s3://key:secret@bucket/1/r{i}/artifacts") for i in range(12)]
    owners += [
        ("run", "x", "https://u:secret@host:8080/a?token=secret"),
        ("logged_model", "m", "s3://bucket/m"),
    ]
    owners += [("run", "y", "mlflow-artifacts:/1/y"), ("run", "z", "s3://bucket?sig=secret")]
    assert listed(*owners) == {"mlflow_artifact": [], "mlflow_model_file": []}
    assert warnings(caplog) == [
        "artifacts of 1 run at https://host:8080 are left out: artifacts of this sort can't be listed",
        "artifacts of 1 run at mlflow-artifacts: are left out: a tracking server hands them out; "
        "name it with --artifact_server",
        "artifacts of 13 runs and 1 logged model at s3://bucket are left out: no credentials were found; "
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    ]


def test_links_lead_neither_out_nor_in_circles(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "root"
    write(root, **{"a/real": "123"})
    write(tmp_path, secret="hush", **{"outside/file": "hush"})
    (root / "a" / "circle").symlink_to(root)
    (root / "out-file").symlink_to(tmp_path / "secret")
    (root / "out-folder").symlink_to(tmp_path / "outside")
    (root / "broken").symlink_to(tmp_path / "none")
    (root / "self").symlink_to(root / "self")
    (root / "within").symlink_to(Path("a") / "real")
    (tmp_path / "root2").symlink_to(root)
    with socket.socket(socket.AF_UNIX) as door:
        here = Path.cwd()
        os.chdir(root)
        try:
            door.bind("door")
        finally:
            os.chdir(here)
    for name in ("root", "root2"):
        found = listed(("run", "r1", str(tmp_path / name)))
        assert paths(found) == ["a", "a/real", "within"]
        assert found["mlflow_artifact"][2]["size_bytes"] == 3
    message = "6 links out of artifact folders, broken links and special files are left out"
    assert warnings(caplog) == [message] * 2


def test_a_sibling_whose_name_begins_alike_is_outside(tmp_path: Path) -> None:
    write(tmp_path, **{"root/a": "1", "root-of-another/secret": "hush"})
    (tmp_path / "root" / "link").symlink_to(tmp_path / "root-of-another" / "secret")
    assert paths(listed(("run", "r1", str(tmp_path / "root")))) == ["a"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text here")
def test_names_that_are_not_utf_8_are_shown(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/f\xff"
    os.mkdir(folder)  # noqa: PTH102
    (Path(os.fsdecode(folder)) / "MLmodel").write_text(MLMODEL)
    found = listed(("run", "r1", str(tmp_path)))
    assert paths(found) == ["f\\xff", "f\\xff/MLmodel"]
    assert [row["path_bytes"] for row in found["mlflow_artifact"]] == [b"f\xff", b"f\xff/MLmodel"]
    assert found["mlflow_model_file"][0]["path"] == "f\\xff"


_AS_NOBODY = """
import logging, os, sys
from mlflow2prov.sources.mlflow.artifacts import read_artifacts
logging.basicConfig(format="%(message)s")
list(read_artifacts([("run", "r", sys.argv[2])]))
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for _, batch in read_artifacts([("run", "r1", sys.argv[1])]):
    print(batch.column("path").to_pylist())
"""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="folders can't be closed here")
def test_folders_and_model_files_that_must_not_be_read_are_counted() -> None:
    with tempfile.TemporaryDirectory() as name:
        root, other = Path(name) / "root", Path(name) / "other"
        write(root, **{"a/file": "1", "closed/file": "1", "open/MLmodel": MLMODEL})
        write(other, **{"m/MLmodel": MLMODEL})
        Path(name).chmod(0o755)
        (root / "closed").chmod(0)
        (root / "open" / "MLmodel").chmod(0)
        command = [sys.executable, "-c", _AS_NOBODY, str(root), str(other)]
        done = subprocess.run(command, capture_output=True, text=True)
        (root / "closed").chmod(0o755)
    assert done.stdout == "['a', 'a/file', 'closed', 'open', 'open/MLmodel']\n", done.stderr
    assert done.stderr.splitlines() == [
        f"1 artifact folders can't be read and are taken as empty, {root}/closed first",
        "1 MLmodel files could not be read and are plain files",
    ]


def test_folders_with_an_mlmodel_file_are_models(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, **{"MLmodel": MLMODEL, "requirements.txt": "b\na"})
    write(tmp_path, **{"deep/model/MLmodel": MLMODEL, "deep/model/python_env.yaml": "python: 3.9.1"})
    write(tmp_path, **{"broken/MLmodel": "[", "MLmodel.txt": MLMODEL, "mlmodel/x": MLMODEL})
    (tmp_path / "folder" / "MLmodel").mkdir(parents=True)
    found = listed(("logged_model", "m1", str(tmp_path)))["mlflow_model_file"]
    assert [(row["owner"], row["owner_id"], row["path"]) for row in found] == [
        ("logged_model", "m1", ""),
        ("logged_model", "m1", "deep/model"),
    ]
    assert [row["requirements"] for row in found] == [["a", "b"], None]
    assert {row["python_version"] for row in found} == {"3.11.7"}
    assert found[0]["flavors"] == ["python_function", "sklearn"]
    assert warnings(caplog) == ["1 MLmodel files could not be read and are plain files"]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for folder in ("model", "beside"):
        write(tmp_path, **{f"{folder}/MLmodel": MLMODEL, f"{folder}/requirements.txt": "a"})
    os.truncate(tmp_path / "model" / "MLmodel", 5_000_001)
    os.truncate(tmp_path / "beside" / "requirements.txt", 5_000_001)
    (row,) = listed(("run", "r1", str(tmp_path)))["mlflow_model_file"]
    assert (row["path"], row["requirements"]) == ("beside", None)
    assert warnings(caplog) == ["1 MLmodel files could not be read and are plain files"]


def test_batches_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_rows, "_BATCH_ROWS", 3)
    write(tmp_path, **{f"{i}": "" for i in range(7)})
    batches = [
        batch for _, batch in read_artifacts([("run", "a", str(tmp_path)), ("run", "b", str(tmp_path))])
    ]
    assert [batch.num_rows for batch in batches] == [3, 3, 3, 3, 2]
    owners = [owner for batch in batches for owner in batch.column("owner_id").to_pylist()]
    assert owners == ["a"] * 7 + ["b"] * 7
