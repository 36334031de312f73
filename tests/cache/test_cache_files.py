"""File stores with a cache: the document is that of a full extraction, whatever became of the files."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contents import contents
from tests.sources.mlflow.made_files import MadeFiles

from mlflow2prov import Graph, extract
from mlflow2prov.graph.store import Store
from mlflow2prov.surroundings import Surroundings

NAMESPACE = "http://mlflow.example.org/#"
HOUR_MS = 3_600_000


class Cached(MadeFiles):
    """A store with its cache; the clock goes on by an hour with each extraction."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cache = folder / "cache.duckdb"
        self.store = Store()
        self.now_ms = int(time.time() * 1_000)

    def extract(self, **options: Any) -> Graph:
        surroundings = Surroundings(store=self.store, now_ms=lambda: self.now_ms)
        return extract(
            mlflow_url=str(self.root), mlflow_namespace=NAMESPACE, surroundings=surroundings, **options
        )

    def cached(self) -> Graph:
        self.now_ms += HOUR_MS
        return self.extract(cache=self.cache)


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Cached]:
    made = Cached(tmp_path)
    yield made
    made.store.close()


def plain(graph: Graph) -> set[tuple[Any, ...]]:
    """The records of a graph without the windows of time in which an extraction noticed something."""
    windows = ("#not_before", "#not_after")
    return {
        (*rest, tuple(pair for pair in attributes if not pair[0].endswith(windows)))
        for *rest, attributes in contents(graph)
    }


def require_same(files: Cached) -> None:
    """That the cache has what a full extraction tells, and besides only the changes that it noticed."""
    full, told = plain(files.extract()), plain(files.cached())
    assert full - told == set()
    more = [repr(record) for record in told - full]
    assert [record for record in more if "#Change." not in record and "#FormerState." not in record] == []


def test_a_cache_follows_the_files(files: Cached) -> None:
    require_same(files)
    files.write("1/b/metrics/acc", "1700000000500 0.75 1\n", "a")
    files.run("2", "new")
    meta = (files.root / "1/c/meta.yaml").read_text(encoding="utf-8")
    files.write("1/c/meta.yaml", meta.replace("active", "deleted") + "deleted_time: 1700000009000\n")
    files.write("1/a/artifacts/deep/b.txt", "more")
    require_same(files)
    (files.root / ".trash").mkdir()
    (files.root / "1").rename(files.root / ".trash/1")
    require_same(files)
    (files.root / ".trash/1").rename(files.root / "1")
    files.write("1/c/meta.yaml", meta)
    (files.root / "1/b").rename(files.folder / "b")
    assert "Deletion.run--b" in repr(contents(files.cached()))
    (files.folder / "b").rename(files.root / "1/b")
    require_same(files)


def test_a_cache_of_files_survives_being_killed(files: Cached) -> None:
    script = (
        "import sys; from mlflow2prov import extract; "
        f"extract(mlflow_url={str(files.root)!r}, mlflow_namespace={NAMESPACE!r}, cache={str(files.cache)!r})"
    )
    for number, pause_s in enumerate((0.3, 0.6, 0.9)):
        process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
        time.sleep(pause_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        files.write(f"1/b/metrics/m{number}", "1700000000500 0.75 1\n")
        files.run("2", f"late{number}")
    require_same(files)
