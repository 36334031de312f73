"""A long work shows itself at a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.conftest import DemoProject

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
_PHASES = (
    r"MLflow store: .*\d+ runs, .*\d+ metric points.*, \d+ s",
    r"Git history: \d+ commits, \d+ revisions.*, \d+ s",
    r"events: \d+ kinds of events.*, \d+ s",
    r"writing result\.json: .*\d+ s",
)


def at_terminal(*words: str) -> str:
    """What a command says on standard error, which is a terminal, while its output goes elsewhere."""
    ours, theirs = pty.openpty()
    pieces: list[bytes] = []

    def listen() -> None:
        try:
            while piece := os.read(ours, 65_536):
                pieces.append(piece)
        except OSError:  # the other end is closed
            return

    listener = threading.Thread(target=listen)
    listener.start()
    command = [sys.executable, "-m", "mlflow2prov", *words]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "200"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=theirs, check=False)
    os.close(theirs)
    listener.join(timeout=30)
    os.close(ours)
    said = b"".join(pieces).decode()
    assert done.returncode == 0, said
    assert b"entity" in done.stdout and "entity" not in said
    return said


def extraction(project: DemoProject, folder: Path) -> list[str]:
    return [
        *("extract", "--repository_path", str(project.repository)),
        *("--mlflow_url", f"sqlite:///{project.database}"),
        *("save", "--output", str(folder / "result.json"), "statistics"),
    ]


def kept_lines(said: str) -> list[str]:
    """The lines on the screen, those that moved included, without the sign that turns before them."""
    lines = [line.strip() for line in _CONTROL.sub("\n", said).splitlines() if line.strip()]
    return [re.sub(r"^\W+", "", line) for line in lines]


def test_each_phase_is_shown_at_a_terminal(demo_project: DemoProject, tmp_path: Path) -> None:
    said = at_terminal(*extraction(demo_project, tmp_path))
    lines = kept_lines(said)
    for phase in _PHASES:
        assert any(re.fullmatch(phase, line) for line in lines), (phase, lines)
    last = [max(at for at, line in enumerate(lines) if re.fullmatch(phase, line)) for phase in _PHASES]
    assert last == sorted(last)
    assert "\x1b[?25h" in said  # the cursor is there again
    read = kept_lines(at_terminal("load", "--input", str(tmp_path / "result.json"), "statistics"))
    assert any(re.fullmatch(r"reading \S*result\.json: \d+ s", line) for line in read), read


def test_nothing_is_said_where_nobody_looks(demo_project: DemoProject, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mlflow2prov", *extraction(demo_project, tmp_path)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert "entity" in done.stdout and done.stderr == ""


@pytest.mark.parametrize("options", [("--quiet",), ("--log_format", "json")])
def test_nothing_moves_at_a_terminal_where_that_is_not_wanted(
    demo_project: DemoProject, tmp_path: Path, options: tuple[str, ...]
) -> None:
    assert at_terminal(*options, *extraction(demo_project, tmp_path)) == ""
