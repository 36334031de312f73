"""Events are looked at only where need be, and rows dropped as soon as nothing reads them: the graph stays the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.model.made_stores import run, tags
from tests.sources.git_maker import Repository, text
from tests.sources.mlflow.stores import fill_schema, insert

from mlflow2prov import extract
from mlflow2prov.errors import GraphError
from mlflow2prov.graph import store
from mlflow2prov.model import attribute_sql, bulk, emptiness
from mlflow2prov.model import expand as interpreter


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("project")
    repository = Repository(folder / "code")
    one = repository.commit({"train.py": text(1), "b": text(2), "run.sh": ("100755", "x")})
    side = repository.commit({"train.py": text(1), "c": text(2)}, one, branch=None)
    two = repository.commit({"train.py": text(3), "b": text(2, 9)}, one)
    repository.commit({"train.py": text(3), "b": text(2, 9), "c": text(2)}, two, side)
    repository.git("tag", "-a", "-m", "first", "v1", one)
    database = folder / "mlflow.db"
    connection = fill_schema("3.17.2", database)
    named = {"mlflow__source__git__commit": two, "mlflow__source__name": "train.py"}
    for table, row in [run("a" * 32), *tags("a" * 32, **named)]:
        insert(connection, table, row)
    connection.commit()
    connection.close()
    return {"repository_path": repository.path, "mlflow_url": f"sqlite:///{database}"}


def saved(folder: Path, **options: Any) -> bytes:
    extract(**options).save(folder / "graph.json")
    return (folder / "graph.json").read_bytes()


@pytest.mark.parametrize("with_store", [True, False])
def test_the_graph_is_the_same_whatever_is_spared(
    project: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_store: bool
) -> None:
    given = project if with_store else {**project, "mlflow_url": None}
    dropped: list[str] = []
    drop: Callable[..., None] = interpreter._Interpreter.drop_what_is_not_read_after

    def noting(self: Any, event: Any) -> None:
        before = self._cursor.execute("SELECT count(*) FROM duckdb_tables()").fetchone()[0]
        drop(self, event)
        if self._cursor.execute("SELECT count(*) FROM duckdb_tables()").fetchone()[0] < before:
            dropped.append(event.name)

    with monkeypatch.context() as patched:
        for limit in ("_LARGE", "_MANY"):
            patched.setattr(interpreter, limit, 1)
        patched.setattr(attribute_sql, "_RARE", 0.6)
        patched.setattr(interpreter._Interpreter, "drop_what_is_not_read_after", noting)
        spared = saved(tmp_path, **given)
    assert {"commits", "parents", "derivations"} <= set(dropped)
    monkeypatch.setattr(emptiness, "without_rows", lambda *_: frozenset())
    monkeypatch.setattr(interpreter, "read_last_by", lambda *_: {})
    assert saved(tmp_path, **given) == spared


def test_a_step_that_lacks_memory_gets_more(
    project: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**project, "mlflow_url": None}
    usual = saved(tmp_path, **given)
    limits, roomy = set[str](), store.Store.roomy

    def short(mine: store.Store, work: Callable[[], Any]) -> Any:
        tries = [0]

        def tried() -> Any:
            tries[0] += 1
            limits.add(limit := mine.scalar("SELECT current_setting('memory_limit')"))
            if tries[0] == 1 and limit != "1.0 GiB":
                raise duckdb.OutOfMemoryException("short of memory")
            return work()

        return roomy(mine, tried)

    monkeypatch.setattr(store.Store, "roomy", short)
    assert saved(tmp_path, **given) == usual
    assert len(limits) > 3 and "1.0 GiB" in limits


def test_a_step_that_lacks_memory_with_all_of_it_says_so() -> None:
    limits: list[str] = []

    def short() -> None:
        limits.append(mine.scalar("SELECT current_setting('memory_limit')"))
        raise duckdb.OutOfMemoryException("short of memory")

    mine = store.Store(store.StoreSettings(memory_limit="500MiB"))
    with (
        pytest.raises(GraphError, match="not enough memory or disk for this: short of memory"),
        mine.frugal(1),
    ):
        mine.roomy(short)
    assert limits[-1] == "500.0 MiB" == mine.scalar("SELECT current_setting('memory_limit')")
    assert len(limits) == len(set(limits)) > 1
    mine.close()


def test_what_merges_took_is_told_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces are cut by values and by rows; merges without any, and a piece without merges, are among them."""
    repository = Repository(tmp_path / "code")
    tip = repository.commit({"a": text(0)})
    files = {"a": text(0)}
    for number in range(1, 7):
        taken = {f"{number}/{name}": text(10 * number + name) for name in range(number)}
        side = repository.commit(files | taken, tip, branch=None)
        files = files | {"b": text(number)} | (taken if number == 3 else {})
        own = repository.commit(files, tip)
        files |= taken
        tip = repository.commit(files, own, side)
    usual = saved(tmp_path, repository_path=repository.path)
    assert usual.count(b"m2p:merged") >= 4
    told: list[int] = []

    def noting(*asked: Any) -> tuple[list[str], int]:
        found, count = bulk.pieces(*asked)
        told.append(len(found))
        return found, count

    monkeypatch.setattr(interpreter, "pieces", noting)
    monkeypatch.setattr(interpreter, "_LARGE", 1)
    for most, rows in ((1, 1), (4, 100), (1000, 5), (1000, 1000)):
        with monkeypatch.context() as patched:
            patched.setattr(bulk, "_MOST_VALUES", most)
            patched.setattr(bulk, "ROW_GROUP", rows)
            assert saved(tmp_path, repository_path=repository.path) == usual
    assert told[0] > told[1] > told[3] == 1 and told[2] > 1


def test_a_graph_is_put_on_the_disk_with_no_more_memory_than_its_making(
    project: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[str] = []
    write_out = store.Store.write_out

    def noting(mine: store.Store, schema: str) -> None:
        limits.append(mine.scalar("SELECT current_setting('memory_limit')"))
        write_out(mine, schema)

    monkeypatch.setattr(store.Store, "write_out", noting)
    given = {**project, "mlflow_url": None}
    kept = extract(**given, database=tmp_path / "kept.duckdb")
    assert limits[0] != limits[-1] == "1.0 GiB"
    kept.save(tmp_path / "kept.json")
    assert (tmp_path / "kept.json").read_bytes() == saved(tmp_path, **given)
