"""Whole child processes and what they cost, as the operating system counts it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[str | Path]

_LEFT_OUT = ("GIT_", "MLFLOW", "PYTHON", "DUCKDB_")
_OURS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONPATH": os.pathsep.join(str(Path(__file__).parents[1] / part) for part in ("", "src")),
}


class FailedError(Exception):
    """A child process failed; the message has what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a process and those that it waited for took.

    Attributes:
        cpu_s: user and system time, of all of them together.
        wall_s: from start to end.
        peak_mib: the largest resident set of any one of them.
        said: what it wrote to standard output.
        log: what it wrote to standard error.
    """

    cpu_s: float
    wall_s: float
    peak_mib: float
    said: str = ""
    log: str = ""


def environment() -> dict[str, str]:
    """The environment of child processes, in which no settings of the user's own change a result."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    return kept | _OURS


def run(command: Command, *, keep_output: bool = False) -> Cost:
    """Run a child process to its end and return its cost.

    Standard output is thrown away unless ``keep_output``; standard error is always kept.

    Raises:
        FailedError: it ended with another code than 0.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
        begun = time.perf_counter()
        child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=out if keep_output else subprocess.DEVNULL,
            stderr=log,
            env=environment(),
        )
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            child.wait()
            raise
        wall_s = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        log.seek(0)
        said, logged = (file.read().decode("utf-8", "replace") for file in (out, log))
    if child.returncode != 0:
        raise FailedError(f"{Path(command[0]).name} ended with code {child.returncode}:\n{logged[-2000:]}")
    return Cost(
        cpu_s=usage.ru_utime + usage.ru_stime,
        wall_s=wall_s,
        peak_mib=usage.ru_maxrss / 1024,
        said=said,
        log=logged,
    )


def best(commands: Mapping[str, Command], repeats: int, *, keep_output: bool = True) -> dict[str, Cost]:
    """Run commands in turns, ``repeats`` times, and return the least that each one took.

    In turns, so that a noisy minute is not one command's alone; the largest memory counts. What is kept of a
    large output is held by this process, and counts as memory of the next child, which begins as its copy.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            costs[name].append(run(command, keep_output=keep_output))
    return {name: _least(found) for name, found in costs.items()}


def _least(costs: Sequence[Cost]) -> Cost:
    return Cost(
        cpu_s=min(cost.cpu_s for cost in costs),
        wall_s=min(cost.wall_s for cost in costs),
        peak_mib=max(cost.peak_mib for cost in costs),
        said=costs[-1].said,
        log=costs[-1].log,
    )


def requests_in(log: str) -> Counter[str]:
    """The number of requests that a log of ours tells of, by what they ask for."""
    kinds = {"artifacts": "artifacts", "history": "histories", "runs/get": "single runs"}
    found = Counter[str]()
    for line in log.splitlines():
        words = line.removeprefix("mlflow2prov: ").split(" ")
        if words[0] in ("GET", "POST") and len(words) > 2 and words[1].endswith(":"):
            kind = next((kind for sign, kind in kinds.items() if sign in words[1]), "searches and others")
            found[kind] += 1
    return found


def processes() -> Iterator[tuple[int, list[str]]]:
    """Yield the identifiers of the processes of the system, and what it tells of each behind its name; none elsewhere."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        yield int(stat.parent.name), fields
