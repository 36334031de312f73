"""One store, two ways in: the server's graph and the database's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import DemoProject
from tests.sources.mlflow.servers import QUIET, _wait_for

from mlflow2prov import Graph, extract

NAMESPACE = "http://mlflow.example.org/#"


@pytest.fixture(scope="module")
def server(demo_project: DemoProject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server over a copy of the demo's store."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(demo_project.database, folder / "mlflow.db")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--workers",
        "1",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--no-serve-artifacts"]
    command += ["--default-artifact-root", str(demo_project.artifacts)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | QUIET, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def records(graph: Graph, tmp_path: Path, name: str) -> dict[str, set[str]]:
    document: dict[str, Any] = json.loads(graph.save(tmp_path / name).read_text(encoding="utf-8"))
    made: dict[str, set[str]] = {}
    for kind, things in document.items():
        if kind in {"entity", "activity", "agent"}:
            made[kind] = {f"{key} {json.dumps(body, sort_keys=True)}" for key, body in things.items()}
        elif kind != "prefix":
            made[kind] = {json.dumps(body, sort_keys=True) for body in things.values()}
    return made


def test_both_ways_give_the_same_graph_but_for_what_a_server_does_not_show(
    demo_project: DemoProject, server: str, tmp_path: Path
) -> None:
    deleted = [version for version in demo_project.truth["mlflow"]["model_versions"] if version["deleted"]]
    with (
        extract(
            demo_project.repository, f"sqlite:///{demo_project.database}", mlflow_namespace=NAMESPACE
        ) as database,
        extract(demo_project.repository, server, mlflow_namespace=NAMESPACE) as http,
    ):
        left, right = records(database, tmp_path, "database"), records(http, tmp_path, "http")
    differing: set[str] = set()
    for kind in left | right:
        differing |= left.get(kind, set()) ^ right.get(kind, set())
    unexplained = [record for record in differing if not explained(record, deleted)]
    assert unexplained == []
    assert any("Deletion.run" in record for record in differing)


def explained(record: str, deleted: list[dict[str, Any]]) -> bool:
    """What a server can't show: when a run was deleted, what a deleted version was, the database's schema."""
    about_store = any(word in record for word in ("TrackingStore.", "Extraction."))
    about_deletion = "mlflow:Deletion.run--" in record
    about_version = any(
        f"{part}.{version['name'].replace('-', '-2D')}--" in record
        or f"registered_model_version--{version['name'].replace('-', '-2D')}" in record
        for version in deleted
        for part in ("RegisteredModelVersion", "RegisteredModelVersionTag")
    ) and any(f"--{version['version']}" in record for version in deleted)
    return about_store or about_deletion or about_version


def test_a_gap_in_the_version_numbers_is_an_inferred_deletion(
    demo_project: DemoProject, server: str, tmp_path: Path
) -> None:
    with extract(mlflow_url=server) as graph:
        document = json.loads(graph.save(tmp_path / "http").read_text(encoding="utf-8"))
    for version in (v for v in demo_project.truth["mlflow"]["model_versions"] if v["deleted"]):
        (deletion,) = (
            body
            for body in document["activity"].values()
            if body.get("m2p:uid") == f"{version['name']}/{version['version']}"
            and body["prov:type"] == {"$": "m2p:Deletion", "type": "xsd:QName"}
        )
        assert deletion["m2p:inferred"] == {"$": "true", "type": "xsd:boolean"}
        assert "prov:startTime" not in deletion


def test_two_extracts_in_one_chain_read_two_stores(
    demo_project: DemoProject, server: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "mlflow2prov", "extract", "--mlflow_url", server]
    command += [
        "extract",
        "--mlflow_url",
        f"sqlite:///{demo_project.database}",
        "merge",
        "save",
        "--output",
        "both",
    ]
    subprocess.run([*command, "statistics"], check=True, cwd=tmp_path, capture_output=True)
    prefixes = json.loads((tmp_path / "both.json").read_text())["prefix"]
    assert prefixes["mlflow"] == f"{server}#"
    assert prefixes["mlflow2"].startswith("file://")
