"""Fixtures that several folders of tests use."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

os.environ |= {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
"""Tests have the credentials for object stores that they make, and no others."""


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """The command line sets up the process's log: no test hears what another one set up."""
    loggers = [logging.getLogger(name) for name in ("mlflow2prov", "urllib3")]
    before = [(one.level, list(one.handlers), one.propagate) for one in loggers]
    yield
    for one, (level, handlers, propagate) in zip(loggers, before, strict=True):
        one.setLevel(level)
        one.handlers = handlers
        one.propagate = propagate


QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoProject:
    """The project that the quickstart makes: read it, never change it."""

    folder: Path
    repository: Path
    database: Path
    artifacts: Path
    truth: dict[str, Any]


@pytest.fixture(scope="session")
def demo_project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DemoProject:
    """The quickstart's project, made once for all tests and all worker processes."""
    base = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        base = base.parent
    folder = base / "demo-project"
    error = _once(base / "demo-project-lock", lambda: _make_project(folder))
    if error:
        pytest.fail(f"the demo project could not be made: {error}", pytrace=False)
    return DemoProject(
        folder=folder,
        repository=folder / "wine-quality",
        database=folder / "mlflow.db",
        artifacts=folder / "artifacts",
        truth=json.loads((folder / "truth.json").read_text(encoding="utf-8")),
    )


def _make_project(folder: Path) -> str:
    """Make the project; the result is empty, or what went wrong."""
    script = QUICKSTART / "make_project.py"
    done = subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, encoding="utf-8")
    return done.stderr if done.returncode else ""


def _once(lock: Path, work: Callable[[], str], patience_s: float = 300) -> str:
    """Do the work in the first process that comes here; the others wait and get the same result."""
    result = lock / "result"
    try:
        lock.mkdir()
    except FileExistsError:
        give_up = time.monotonic() + patience_s
        while not result.exists():
            if time.monotonic() > give_up:
                return f"no other process had finished it after {patience_s:.0f} s"
            time.sleep(0.1)
        return result.read_text(encoding="utf-8")
    said = "its maker was interrupted"
    try:
        said = work()
    finally:
        unseen = lock / "unseen"
        unseen.write_text(said, encoding="utf-8")
        unseen.rename(result)
    return said


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where MLFLOW2PROV_NO_SKIPS is set, a skipped test is a failure: there, everything is installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("MLFLOW2PROV_NO_SKIPS") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
