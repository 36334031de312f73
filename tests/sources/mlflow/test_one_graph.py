"""One store read in every way gives one graph, but for what the page on sources lists."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from differences import DIFFERENCES, as_table
from plugins import extract_with, make_plugin
from servers import FileStore, served

from mlflow2prov import extract
from mlflow2prov.sources.mlflow.file_store import read_file_store
from sql_servers import POSTGRESQL, program, running

NAMESPACE = "https://mlflow.example.org/#"
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "sources.md"
postgresql = [
    pytest.mark.system("postgresql"),
    pytest.mark.skipif(
        program(POSTGRESQL, "initdb") is None, reason="initdb is missing: apt-get install postgresql"
    ),
]


@dataclass(frozen=True, slots=True)
class OneStore:
    """A store as files and as a database, what was made in it, and the records of the database's graph."""

    files: Path
    database: Path
    made: dict[str, str]
    records: set[str]


@pytest.fixture(scope="module")
def one(file_store: FileStore, tmp_path_factory: pytest.TempPathFactory) -> OneStore:
    """The database is as MLflow would have it, had it been one from the beginning."""
    folder = tmp_path_factory.mktemp("one")
    database = folder / "mlflow.db"
    tables: dict[str, list[dict[str, Any]]] = {}
    for name, batch in read_file_store(str(file_store.folder)):
        tables.setdefault(name, []).extend(batch.to_pylist())
    with closing(sqlite3.connect(file_store.database)) as source, closing(sqlite3.connect(database)) as store:
        source.backup(store)
        _erase_deleted(store)
        for it in tables["mlflow_assessment"]:  # which MLflow's migration forgets
            told = (it["created_ms"], it["last_updated_ms"], it["value"], it["assessment_id"])
            store.execute(
                "UPDATE assessments SET created_timestamp = ?, last_updated_timestamp = ?, value = ?"
                " WHERE assessment_id = ?",
                told,
            )
        store.commit()
    made = dict(file_store.made)
    (made["thrown_trace"],) = (
        it["trace_id"].replace("-", "-2D")
        for it in tables["mlflow_trace"]
        if it["experiment_id"] == made["thrown"]
    )
    deleted = {it["name"] for it in tables["mlflow_model_version"] if it["is_deleted"]}
    assert deleted == {"wine", "old style é"}
    made["deleted_version"] = r"-?(wine|old-20style-20-C3-A9)--\d+--2\b"
    return OneStore(file_store.folder, database, made, records(f"sqlite:///{database}", folder / "it"))


def _erase_deleted(store: sqlite3.Connection) -> None:
    """Do what MLflow does to a deleted version in a database."""
    store.execute(
        "UPDATE model_versions SET source = 'REDACTED-SOURCE-PATH', run_id = 'REDACTED-RUN-ID',"
        " run_link = 'REDACTED-RUN-LINK', description = NULL, status_message = NULL"
        " WHERE current_stage = 'Deleted_Internal'"
    )


def records(url: str, file: Path) -> set[str]:
    with extract(mlflow_url=url, mlflow_namespace=NAMESPACE, traces=True) as graph:
        return records_in(graph.save(file))


def records_in(file: Path) -> set[str]:
    document: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    found: set[str] = set()
    for kind, things in document.items():
        if kind != "prefix":
            is_element = kind in {"entity", "activity", "agent"}
            shown = {
                f"{kind} {name if is_element else ''} {json.dumps(body, sort_keys=True)}"
                for name, body in things.items()
            }
            assert len(shown) == len(things)
            found |= shown
    return found


def explained(one: OneStore, other: set[str]) -> set[str]:
    """What of the list the two graphs differ in; there must be nothing else."""
    found: set[str] = set()
    unexplained = []
    assert len(one.records) > 1_000
    for record in sorted(one.records ^ other):
        reason = next((it.what for it in DIFFERENCES if it.explains(record, one.made)), None)
        if reason is None:
            unexplained.append(record)
        else:
            found.add(reason)
    assert unexplained == []
    return found


def test_files_and_their_database(one: OneStore, tmp_path: Path) -> None:
    found = explained(one, records(str(one.files), tmp_path / "files"))
    assert found == {
        "a deleted model version",
        "artifacts and spans of a deleted experiment",
        "of the store",
    }


def test_a_server_and_its_database(one: OneStore, tmp_path: Path) -> None:
    with served(tmp_path, f"sqlite:///{one.database}", "--no-serve-artifacts") as url:
        found = explained(one, records(url, tmp_path / "http"))
    assert found == {"when a run was deleted", "a deleted model version", "of the store"}


@pytest.fixture(scope="module")
def by_plugin(one: OneStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[set[str], str]]:
    """The records of the graph that MLflow's own client gives, by a plugin, and what was said."""
    folder = tmp_path_factory.mktemp("plugin")
    plugin = make_plugin(folder / "site", "wrapped")
    command = ["extract", "--mlflow_url", f"wrapped://{one.database}", "--mlflow_namespace", NAMESPACE]
    done = extract_with(plugin, *command, "--traces", "save", "--output", "it.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    yield records_in(folder / "it.json"), done.stderr


def test_mlflows_own_client_and_the_database(one: OneStore, by_plugin: tuple[set[str], str]) -> None:
    found, said = by_plugin
    assert explained(one, found) == {"when a run was deleted", "a deleted model version", "of the store"}
    assert "Traceback" not in said


@pytest.mark.parametrize("engine", [pytest.param(POSTGRESQL, marks=postgresql)])
def test_databases_of_two_engines(engine: Any, one: OneStore, tmp_path: Path) -> None:
    with running(engine) as server:
        server.create_like("one", one.database)
        assert explained(one, records(server.uri("one"), tmp_path / "other")) == {"of the store"}


def test_the_page_on_sources_lists_these_differences_and_no_others() -> None:
    assert f"\n\n{as_table()}\n\n" in PAGE.read_text(encoding="utf-8")
