"""Fixtures that several files of tests of MLflow use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import FileStore, MlflowServer, filled_file_store, filled_server


@pytest.fixture(scope="session")
def file_store(tmp_path_factory: pytest.TempPathFactory) -> FileStore:
    """A file store that MLflow filled, and its migration to SQLite: to be read, never changed."""
    return filled_file_store(tmp_path_factory.mktemp("file-store"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A real server with a bit of everything: read it, never change it."""
    with filled_server(tmp_path_factory.mktemp("mlflow-server")) as running:
        yield running


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """An output of an earlier extraction, alone in its folder."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "result.json").write_text("what was there before")
    return folder / "result.json"
