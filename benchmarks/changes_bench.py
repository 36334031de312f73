"""A history of very many changes, which is where memory would go."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, at_most, mlflow2prov_program
from benchmarks.inputs import Inputs
from benchmarks.measure import environment, run
from benchmarks.sizes import Size

_CHANGES_PER_COMMIT = 10
_FOLDERS, _FILES = 400, 25
_MOST_MIB = 500


def changes(inputs: Inputs, size: Size) -> Iterator[Figure]:
    """The memory of a history's extraction, and its time beside that of Git's own log."""
    repository = inputs.made(f"changes-{size.changes}.git", lambda path: _make(path, size.changes))
    with inputs.output("changes") as out:
        log = run(["git", "-C", repository, "log", "--all", "--raw", "-M", "-z"])
        extract = [mlflow2prov_program(), "extract", "--repository_path", repository]
        cost = run([*extract, "--database", out / "graph.duckdb"])
    title = f"{size.changes:,} changes in {size.changes // _CHANGES_PER_COMMIT:,} commits"
    yield at_most(f"{title}: peak memory", round(cost.peak_mib), _MOST_MIB, unit=" MiB")
    yield Figure(
        name=f"{title}: graph in a file, wall time",
        measured=f"{cost.wall_s:.1f} s = {cost.wall_s / log.wall_s:.2f} × `git log`; CPU {cost.cpu_s:.1f} s",
    )


def _make(folder: Path, count: int) -> None:
    """Make a bare repository of so many changes, each of which gives a small file a new content."""
    chance = random.Random(21)
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", folder], env=environment(), check=True
    )
    command = ["git", "-C", folder, "fast-import", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment()) as importing:
        assert importing.stdin is not None
        with importing.stdin as stream:
            for number in range(count // _CHANGES_PER_COMMIT):
                stream.write(_commit(chance, number))
    if importing.returncode != 0:
        raise OSError(f"git fast-import could not make {folder}")


def _commit(chance: random.Random, number: int) -> bytes:
    message = b"change %d" % number
    stream = b"commit refs/heads/main\ncommitter Ada <ada@example.org> %d +0000\ndata %d\n%s\n"
    lines = [stream % (1_500_000_000 + 60 * number, len(message), message)]
    for place in chance.sample(range(_FOLDERS * _FILES), _CHANGES_PER_COMMIT):
        content = b"%d\n" % chance.getrandbits(60)
        folder, file = divmod(place, _FILES)
        lines.append(
            b"M 100644 inline lib/part%d/unit%d.py\ndata %d\n%s\n" % (folder, file, len(content), content)
        )
    return b"".join(lines)
