"""Reading a whole history at once, out of columns, and commit by commit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from git_maker import Rows, read

from mlflow2prov.sources import git_reading


class Both(NamedTuple):
    """What the two ways tell, and whether the first one could be gone at all."""

    at_once: dict[str, list[str]]
    one_by_one: dict[str, list[str]]
    is_told_at_once: bool


def both_ways(path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Both:
    """The rows of a repository, sorted, of both ways."""
    told: list[object] = []
    real = git_reading.resolved

    def noted(*arguments: Any) -> Any:
        told.append(real(*arguments))
        return told[-1]

    with monkeypatch.context() as patched:
        patched.setattr(git_reading, "resolved", noted)
        at_once = _sorted(read(path, **options))
        patched.setattr(git_reading, "resolved", lambda *_: None)
        one_by_one = _sorted(read(path, **options))
    return Both(at_once, one_by_one, told[0] is not None)


def _sorted(rows: Rows) -> dict[str, list[str]]:
    return {table: sorted(map(repr, found)) for table, found in rows.items()}
