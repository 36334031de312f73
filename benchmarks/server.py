"""An MLflow server over a made store, for as long as it is measured."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.inputs import Inputs
from benchmarks.measure import FailedError, environment, processes
from benchmarks.mlflow_store import make_upgraded_store

_PATIENCE_S = 120


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address and its process group."""

    url: str
    group: int

    def cpu_s(self) -> float:
        """The CPU time that its processes have taken so far; 0 where the system does not tell."""
        ticks = 0
        for _, fields in processes():
            if int(fields[2]) == self.group:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def running_server(inputs: Inputs, runs: int, folder: Path) -> Iterator[Server]:
    """A server of one worker over a copy of a store that the installed MLflow made the tables of."""
    kept = inputs.made(f"server-{runs}.db", lambda path: make_upgraded_store(path, runs))
    store = folder / "served.db"
    store.write_bytes(kept.read_bytes())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{store}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=out, stderr=out, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process, log)
        yield Server(url, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise FailedError(f"mlflow server did not start:\n{log.read_text('utf-8', 'replace')[-2000:]}")
