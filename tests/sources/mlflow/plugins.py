"""A plugin of MLflow, made in a folder that is put on the path: its stores are those of a SQLite database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_MODULE = '''\
"""Stores at ``{scheme}://`` and the path of a SQLite database, read through MLflow's own."""


def tracking(store_uri=None, artifact_uri=None):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    return SqlAlchemyStore("sqlite:///" + store_uri.removeprefix("{scheme}://"), artifact_uri or "./art")


def registry(store_uri=None, tracking_uri=None):
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    return SqlAlchemyStore("sqlite:///" + store_uri.removeprefix("{scheme}://"))
'''


def make_plugin(folder: Path, scheme: str, *groups: str) -> Path:
    """Install a plugin for ``scheme`` in ``folder``, for the given kinds of store (by default both)."""
    named = {"mlflow.tracking_store": "tracking", "mlflow.model_registry_store": "registry"}
    module = f"mlflow_{scheme}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(_MODULE.replace("{scheme}", scheme))
    metadata = folder / f"{module}-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
    lines = [f"[{group}]\n{scheme} = {module}:{named[group]}\n" for group in groups or named]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return folder


def extract_with(
    plugin: Path | None, *arguments: str, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run mlflow2prov with a plugin on its path."""
    path = os.pathsep.join(filter(None, [str(plugin or ""), os.environ.get("PYTHONPATH", "")]))
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet", "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-m", "mlflow2prov", *arguments],
        cwd=cwd,
        env=os.environ | quiet | environment,
        capture_output=True,
        text=True,
    )
