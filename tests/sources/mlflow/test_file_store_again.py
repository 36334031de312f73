"""A file store that is read again: only what changed is, and then all rows are those of a whole reading."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from made_files import MadeFiles

from mlflow2prov.sources.mlflow.file_store import read_file_store
from mlflow2prov.sources.mlflow.file_store_changes import read_file_store_again
from mlflow2prov.sources.mlflow.file_store_files import StoreFiles
from mlflow2prov.sources.mlflow.known import Signature
from mlflow2prov.sources.mlflow.parts import EVERYTHING
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

Row = tuple[Any, ...]
LATER_MS = 3_600_000
OWNER = {"run": "run_id", "logged_model": "model_id"}


class Memory:
    """An earlier reading of a store, kept in memory; the clock goes on by an hour with each reading."""

    def __init__(self, root: Path, now_ms: int) -> None:
        self._root = root
        self._now_ms = now_ms
        self._signed: dict[str, dict[str, Signature]] = {"run": {}, "logged_model": {}}
        self._whole: set[str] = set()
        self._some: dict[tuple[str, str], set[str]] = {}
        self.rows: dict[str, set[Row]] = rows_of(read_file_store(str(root), finished=self))  # type: ignore[arg-type]

    def all_of(self, table: str) -> None:
        self._whole.add(table)

    def some_of(self, table: str, kind: str, ids: Sequence[str]) -> None:
        self._some[table, kind] = set(ids)

    def ids(self, kind: str) -> list[str]:
        return [row[0] for row in self.rows.get(f"mlflow_{kind}", ())]

    def begun_ms(self) -> int:
        return self._now_ms

    def signatures(self, kind: str) -> Mapping[str, Signature]:
        return self._signed[kind]

    def sign(self, kind: str, signatures: Mapping[str, Signature | None]) -> None:
        for own_id, signature in signatures.items():
            self._signed[kind].pop(own_id, None)
            if signature is not None:
                self._signed[kind][own_id] = signature

    def read(self) -> None:
        """Read what changed, and put it in the place of what was there."""
        self._whole, self._some = set(), {}
        arrived = rows_of(read_file_store_again(str(self._root), EVERYTHING, self))  # type: ignore[arg-type]
        for table in SOURCE_TABLES:
            rows = set() if table in self._whole else self.rows.get(table, set())
            for kind, column in OWNER.items():
                ids = self._some.get((table, kind), set())
                rows = {row for row in rows if owner(table, column, row, kind) not in ids}
            self.rows[table] = rows | arrived.get(table, set())
        self.rows = {table: rows for table, rows in self.rows.items() if rows}
        self._now_ms += LATER_MS


def owner(table: str, column: str, row: Row, kind: str) -> str | None:
    """The run or logged model that a row belongs to, None where it belongs to none of a kind."""
    named = dict(zip(SOURCE_TABLES[table].columns, row, strict=True))
    if "owner_id" in named:
        return named["owner_id"] if named["owner"] == kind else None
    if kind == "run" and table.startswith("mlflow_logged_model"):
        return None
    return named.get(column) if kind == "run" or table.startswith("mlflow_logged_model") else None


def rows_of(batches: Batches) -> dict[str, set[Row]]:
    found: dict[str, set[Row]] = {}
    for table, batch in batches:
        found.setdefault(table, set()).update(
            tuple(tuple(it) if isinstance(it, list) else it for it in row.values())
            for row in batch.to_pylist()
        )
    return found


class Store(MadeFiles):
    """A store with an earlier reading; notes which of its files are read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.opened: list[str] = []
        self.known: Memory

    def begin(self, *, ahead_ms: int = LATER_MS) -> None:
        """Read it for the first time, by a clock that is ahead of that of the files."""
        self.known = Memory(self.root, int(time.time() * 1_000) + ahead_ms)

    def require(self, *read: str) -> None:
        """That the folders of these runs and logged models are read, no others, and that nothing is missed."""
        self.opened.clear()
        self.known.read()
        parts = [Path(path).relative_to(self.root).parts for path in self.opened]
        found = {"/".join(it[:-2]) for it in parts if it[-2] in ("params", "metrics", "tags") and len(it) > 3}
        assert found == set(read)
        assert self.known.rows == rows_of(read_file_store(str(self.root)))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store(tmp_path)
    for name in ("content", "short", "pieces"):
        read = getattr(StoreFiles, name)

        def noted(self: StoreFiles, path: bytes, read: Any = read) -> Any:
            made.opened.append(os.fsdecode(path))
            return read(self, path)

        monkeypatch.setattr(StoreFiles, name, noted)
    return made


ALL = ("1/a", "1/b", "1/c", "1/models/m-1", "2/far")


def test_runs_and_logged_models_are_read_whose_files_changed(store: Store) -> None:
    store.begin()
    store.require()
    store.write("1/b/metrics/acc", "1700000000500 0.75 1\n", "a")
    store.require("1/b")
    store.write("1/c/tags/mlflow.user", "bob")
    store.write("1/models/m-1/tags/k", "w")
    store.require("1/c", "1/models/m-1")
    (store.root / "1/a/params/lr").unlink()
    store.require("1/a")
    store.write("1/meta.yaml", "experiment_id: '1'\nname: renamed\n")
    store.require()


def test_what_changed_about_when_it_was_read_is_read_once_more(store: Store) -> None:
    store.begin(ahead_ms=1_000)
    store.require(*ALL)
    store.require()


def test_a_file_with_the_time_and_size_that_it_had_is_another_one(store: Store) -> None:
    store.begin()
    place = store.root / "1/a/params/lr"
    found = place.stat()
    place.write_text("0.3", encoding="utf-8")
    os.utime(place, ns=(found.st_atime_ns, found.st_mtime_ns))
    store.require("1/a")


def test_runs_come_and_go(store: Store) -> None:
    store.begin()
    store.run("2", "new")
    store.require("2/new")
    meta = (store.root / "1/b/meta.yaml").read_text(encoding="utf-8")
    store.write("1/b/meta.yaml", meta.replace("active", "deleted") + "deleted_time: 1700000009000\n")
    store.require("1/b")
    store.write("1/b/meta.yaml", meta)
    store.require("1/b")
    (store.root / "1/c").rename(store.folder / "c")
    store.require()
    assert "c" not in store.known.ids("run")
    (store.folder / "c").rename(store.root / "1/c")
    store.require("1/c")
    shutil.rmtree(store.root / "1/models/m-1")
    store.require()
    assert store.known.ids("logged_model") == []


def test_an_experiment_is_moved_to_the_trash_and_back(store: Store) -> None:
    store.begin()
    (store.root / ".trash").mkdir()
    (store.root / "1").rename(store.root / ".trash/1")
    store.require(".trash/1/a", ".trash/1/b", ".trash/1/c", ".trash/1/models/m-1")
    store.require()
    (store.root / ".trash/1").rename(store.root / "1")
    store.require("1/a", "1/b", "1/c", "1/models/m-1")


def test_a_run_that_is_there_twice_is_one(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.begin()
    shutil.copytree(store.root / "2/far", store.root / "1/far")
    for read in (("1/far", "2/far"), ("1/far",)):
        caplog.clear()
        store.known.read()
        assert "are there twice" in caplog.text, read
    assert store.known.rows == rows_of(read_file_store(str(store.root)))


def test_artifacts_are_followed_wherever_they_lie(store: Store) -> None:
    store.begin()
    store.write("1/a/artifacts/deep/b.txt", "more")
    store.require("1/a")
    (store.folder / "elsewhere/far/c.txt").write_text("c", encoding="utf-8")
    store.require()
    shutil.rmtree(store.root / "1/a/artifacts")
    store.require("1/a")
    (store.folder / "elsewhere/far/c.txt").unlink()
    store.require()


def test_inputs_follow_the_datasets_that_they_name(store: Store) -> None:
    store.write("1/b/inputs/i1/meta.yaml", "source_id: d2\nsource_type: DATASET\n")
    store.begin()
    store.write("1/datasets/d2/meta.yaml", "name: rest\ndigest: d2\nsource_type: local\nsource: '{}'\n")
    store.require("1/a", "1/b", "1/c")
    assert ("b", "rest", "d2", None, None, None) in store.known.rows["mlflow_dataset_input"]


def test_what_has_troubles_is_read_and_said_each_time(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.write("1/c/meta.yaml", "run_id: [")
    store.write("1/b/metrics/acc", "no point\n", "a")
    store.begin()
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            store.require("1/b", "1/c")
        assert "meta.yaml files are missing or broken" in caplog.text
        assert "lines of metrics are malformed" in caplog.text


def test_links_are_followed_each_time(store: Store) -> None:
    store.write("1/kept", "1")
    (store.root / "1/a/tags/linked").symlink_to(store.root / "1/kept")
    store.begin()
    store.write("1/kept", "2")
    store.require("1/a")
    assert ("a", "linked", "2") in store.known.rows["mlflow_tag"]
