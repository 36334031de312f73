"""Execute Python scripts, each in a process of its own that has the slow imports behind it.

``import mlflow`` and its database store take four seconds. So one process imports them, and each
script gets a fork of it: from there on it is as ``python SCRIPT ARGUMENTS`` would have it. Where
processes can't be forked, each is a new one, which is only slower.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

IMPORTS = [
    "git",
    "mlflow.data",
    "mlflow.sklearn",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "sklearn.datasets",
    "sklearn.ensemble",
    "sklearn.linear_model",
]

_FORKS = "forkserver" in multiprocessing.get_all_start_methods()
_CONTEXT = multiprocessing.get_context("forkserver" if _FORKS else "spawn")
_Process: type[BaseProcess] = _CONTEXT.Process  # type: ignore[attr-defined]  # declared of the subclasses only


class Ended(NamedTuple):
    """What became of a script: its exit code and what it wrote."""

    code: int
    stdout: str
    stderr: str


def warm_up() -> None:
    """Start the slow imports in the background, with the environment of this process."""
    if _FORKS:
        import multiprocessing.forkserver

        multiprocessing.set_forkserver_preload(IMPORTS)
        multiprocessing.forkserver.ensure_running()


def execute(command: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> Ended:
    """Execute the script with its arguments in the folder, wait for it, and return how it ended.

    Args:
        command: The script, as a path from the folder, and its arguments.
        folder: The working directory.
        environment: All of the script's environment variables.
    """
    with tempfile.TemporaryDirectory() as place:
        outputs = Path(place, "stdout"), Path(place, "stderr")
        process = _Process(target=_become, args=(command, folder, dict(environment), outputs))
        process.start()
        process.join()
        code = process.exitcode
        process.close()
        said = [path.read_text(encoding="utf-8") if path.exists() else "" for path in outputs]
    return Ended(-1 if code is None else code, *said)


def _become(
    command: tuple[str, ...], folder: Path, environment: dict[str, str], outputs: tuple[Path, Path]
) -> None:
    """Be the script from here on: an exception that it raises is printed and ends with code 1."""
    for stream, path in zip((sys.stdout, sys.stderr), outputs, strict=True):
        stream.flush()
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = list(command)
    sys.path.insert(0, str((folder / command[0]).parent))
    runpy.run_path(command[0], run_name="__main__")
