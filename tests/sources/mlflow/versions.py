"""Environments with other versions of MLflow, made once for a checkout and kept in pytest's cache."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

VERSIONS: Mapping[str, tuple[str, ...]] = {
    "2.0": ("mlflow==2.0.1", "setuptools<81", "numpy<2", "flask<2.3", "werkzeug<2.3"),
    "2.5": ("mlflow==2.5.0", "setuptools<81", "numpy<2", "sqlalchemy<2.1"),
    "2.22": ("mlflow==2.22.4", "sqlalchemy<2.1"),
    "3.0": ("mlflow==3.0.0", "sqlalchemy<2.1"),
    "newest": ("mlflow",),
}
"""What pip installs for each version; old ones import `pkg_resources` and break with what came after them."""


def python_with_mlflow(version: str, cache: Path) -> str:
    """The path of a Python that has this version of MLflow; the first process that asks makes it in ``cache``.

    Making one takes up to a minute, and some 700 MB.
    """
    wanted = VERSIONS[version]
    digest = hashlib.sha256(repr((wanted, sys.version_info[:2])).encode()).hexdigest()[:12]
    folder = cache / f"{version}-{digest}"
    python, ready = folder / "bin" / "python", folder / "ready"
    with (cache / f"{version}-{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(folder))
            _run(str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-compile", *wanted)
            ready.touch()
    return str(python)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
