"""The way into MLflow through its own client, with plugins that are made here; see also `test_one_graph`."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from plugins import extract_with, make_plugin

from mlflow2prov.errors import UsageError
from mlflow2prov.sources.mlflow.client import is_client_uri, read_client
from mlflow2prov.store_ways import resolved_url
from mlflow2prov.surroundings import Surroundings

SENTENCE = "others are read by mlflow2prov[mlflow] with a plugin of MLflow that understands them, and none"


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    (said,) = done.stderr.splitlines()
    return said


@pytest.mark.parametrize("url", ["gopher://ada:secret@host/x", "mlflow", "databricks-uc", "c3po:x"])
def test_a_scheme_that_nobody_understands_is_refused_with_the_extra(url: str, tmp_path: Path) -> None:
    done = extract_with(None, "extract", "--mlflow_url", url, "statistics", cwd=tmp_path)
    assert done.returncode == 2
    assert SENTENCE in sentence(done)
    assert "secret" not in done.stderr


def test_without_mlflow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setattr("mlflow2prov.sources.mlflow.client.find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 'mlflow2prov\[mlflow\]'"):
        read_client("databricks://profile")


def test_mlflow_is_not_imported_to_find_out_who_understands_a_scheme() -> None:
    code = (
        "import sys; from mlflow2prov.sources.mlflow.client import is_client_uri as i;"
        "assert i('databricks') and not i('x://y'); assert 'mlflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not is_client_uri("sqlite:///x.db")


def test_workspaces_of_databricks_are_not_one_store() -> None:
    one, two = ({"DATABRICKS_HOST": f"https://adb-{n}.example.net"} for n in (1, 2))
    assert resolved_url("databricks", one) != resolved_url("databricks", two)
    assert resolved_url("databricks", one) == "databricks://adb-1.example.net"
    assert Surroundings().environment is not None


def test_what_mlflow_says_of_a_workspace_that_is_out_of_reach_is_one_sentence(tmp_path: Path) -> None:
    hidden = {"DATABRICKS_HOST": "", "DATABRICKS_CONFIG_FILE": str(tmp_path / "none"), "HOME": str(tmp_path)}
    done = extract_with(None, "extract", "--mlflow_url", "databricks", "statistics", cwd=tmp_path, **hidden)
    assert done.returncode == 1
    assert sentence(done).startswith("mlflow2prov: error: databricks refused /api/")


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_plugin_without_registry_and_one_that_fails(is_empty: bool, tmp_path: Path) -> None:
    plugin = make_plugin(tmp_path / "site", "partly", "mlflow.tracking_store")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        if not is_empty:
            store.execute("CREATE TABLE experiments (x INTEGER)")
            store.commit()
    url = f"partly://{tmp_path / 'mlflow.db'}"
    done = extract_with(plugin, "extract", "--mlflow_url", url, "statistics", "--format", "csv", cwd=tmp_path)
    assert "Traceback" not in done.stderr
    if is_empty:
        assert done.returncode == 0, done.stderr
        assert "element,entity,2" in done.stdout  # the default experiment, and the store
        assert "has no registry of models" in done.stderr
    else:
        assert done.returncode == 1
        assert "mlflow2prov: error: partly://" in done.stderr
