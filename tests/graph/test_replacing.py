"""What a graph file may take the place of: nothing is lost that is not a graph."""

from __future__ import annotations

import stat
from pathlib import Path

import duckdb
import pytest
from tests.sources.git_maker import Repository

from mlflow2prov import Graph, extract, load
from mlflow2prov.errors import GraphError, UsageError
from mlflow2prov.graph.engine_errors import full_disk
from mlflow2prov.graph.store import Store


@pytest.fixture
def project(tmp_path: Path) -> Path:
    repository = Repository(tmp_path / "project")
    repository.commit({"train.py": "print(1)\n"})
    return repository.path


def test_a_graph_replaces_a_graph(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "graph.duckdb"
    first = extract(project, database=file)
    assert extract(project, database=file).count("element") == first.count("element")
    assert load(file).keep(file) == file


@pytest.mark.parametrize("is_relative", [False, True])
def test_a_database_of_others_is_not_replaced(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_relative: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("own.duckdb") if is_relative else tmp_path / "own.duckdb"
    with duckdb.connect(str(file)) as own:
        own.execute("CREATE TABLE precious AS SELECT 42 AS answer")
    for attempt in (lambda: extract(project, database=file), lambda: Graph.empty().keep(file)):
        with pytest.raises(
            GraphError, match=r"with other tables than those of a graph, such as main.precious"
        ):
            attempt()
    with duckdb.connect(str(file)) as own:
        assert own.sql("FROM precious").fetchall() == [(42,)]


def test_what_was_pushed_is_not_replaced(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "many.duckdb"
    graph = extract(project)
    graph.push(f"duckdb://{file}")
    with pytest.raises(GraphError, match="with other tables than those of a graph"):
        graph.keep(file)


def test_a_cache_is_not_replaced_by_a_graph(project: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache.duckdb"
    extract(project, cache=cache)
    for options in ({}, {"cache": tmp_path / "other.duckdb"}):
        with pytest.raises(GraphError, match="it is a cache, which would forget all that it remembers"):
            extract(project, database=cache, **options)
    link = tmp_path / "link.duckdb"
    link.symlink_to(cache)
    with pytest.raises(UsageError, match="can't both be kept in"):
        extract(project, database=link, cache=cache)
    assert extract(project, cache=cache).count("element") > 0


@pytest.mark.parametrize("what", ["cache", "database"])
def test_an_empty_file_is_filled(project: Path, tmp_path: Path, what: str) -> None:
    file = tmp_path / "made-by-mktemp"
    file.touch(0o600)
    extract(project, **{what: str(file)})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with Graph.open(file, Store()) as graph:
        assert graph.count("element") > 0


def test_an_empty_file_takes_a_push(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "empty.duckdb"
    file.touch()
    graph = extract(project)
    assert graph.push(f"duckdb://{file}")["elements"] == graph.count("element")


def test_a_full_disk_is_told_by_the_name_of_the_file_that_was_asked_for() -> None:
    said = OSError('Could not write file "/data/.a.duckdb.0123abcd.part/whole": No space left on device')
    assert full_disk(said) == "/data/a.duckdb"
