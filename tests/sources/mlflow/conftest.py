"""What several tests of ways into MLflow use."""

from __future__ import annotations

import pytest
from servers import FileStore, filled_file_store


@pytest.fixture(scope="session")
def file_store(tmp_path_factory: pytest.TempPathFactory) -> FileStore:
    """A file store that MLflow filled, and its migration to SQLite: to be read, never changed."""
    return filled_file_store(tmp_path_factory.mktemp("file-store"))
