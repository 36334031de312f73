"""Histories of other people: what is read agrees with Git's own counts, and how long that takes.

``python -m benchmarks.git_real REPOSITORY`` counts, as a child process, which leaves the memory of what is
measured alone, and prints the counts as JSON, or fails where they do not agree.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, at_most, mlflow2prov_program
from benchmarks.inputs import Inputs
from benchmarks.measure import Command, FailedError, best, environment, run
from benchmarks.sizes import Size
from mlflow2prov.sources.git import read_repository
from mlflow2prov.sources.git_history import History, children_of
from mlflow2prov.sources.git_log import Renames, log_arguments, read_log
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_walk import walked

_MOST_TIMES = 1.5
_MOST_MIB = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much there is in a history.

    Attributes:
        commits: that branches and tags reach.
        changes: of the commits that are no merges, as `git log --raw -M` lists them.
        live: the paths in the tree of ``HEAD``.
    """

    commits: int
    changes: int
    live: frozenset[bytes]


def git_says(repository: Path) -> Counts:
    """What Git itself counts."""
    limit = ("-l1000", "--no-abbrev", "--ignore-submodules=none")
    raw = _git(repository, "log", "--all", "--raw", "-M", "-z", *limit, "--no-merges", "--format=")
    listed = _git(repository, "ls-tree", "-r", "-z", "--name-only", "HEAD")
    return Counts(
        commits=int(_git(repository, "rev-list", "--count", "--all")),
        changes=sum(token.lstrip(b"\n").startswith(b":") for token in _entries(raw)),
        live=frozenset(listed.split(b"\0")) - {b""},
    )


def _entries(raw: bytes) -> Iterator[bytes]:
    """The entries of a raw log without the paths, which may begin like one."""
    tokens = iter(raw.split(b"\0"))
    for token in tokens:
        yield token
        if token.lstrip(b"\n").startswith(b":"):
            next(tokens, None)
            if token.rpartition(b" ")[2][:1] in {b"R", b"C"}:
                next(tokens, None)


def mlflow2prov_says(repository: Path) -> Counts:
    """What a reading of the history tells; a merge makes no change that it has not from a parent's side."""
    commits, parents = 0, Counter[str]()
    changes = list[tuple[str, bytes | str]]()
    paths: dict[int, bytes | str] = {}
    for table, batch in read_repository(repository):
        match table:
            case "git_commit":
                commits += batch.num_rows
            case "git_parent":
                parents.update(batch["commit"].to_pylist())
            case "git_revision":
                columns = (batch[name].to_pylist() for name in ("revision", "commit", "path", "path_bytes"))
                for revision, commit, path, exact in zip(*columns, strict=True):
                    paths[revision] = exact or path
                    changes.append((commit, paths[revision]))
            case "git_deletion":
                pairs = zip(batch["commit"].to_pylist(), batch["revision"].to_pylist(), strict=True)
                changes += {(commit, paths[revision]) for commit, revision in pairs}
    made = sum(parents[commit] < 2 for commit, _ in changes)
    return Counts(commits=commits, changes=made, live=_live(repository))


def _live(repository: Path) -> frozenset[bytes]:
    """The paths that stand at ``HEAD`` after a pass over all commits, one by one."""
    git = Git(str(repository))
    starts = sorted(set(_git(repository, "rev-list", "--all", "--no-walk", "HEAD").split()))
    head = _git(repository, "rev-parse", "HEAD").strip()
    live = frozenset[bytes]()
    with git.on_objects_alone() as alone:
        lines = alone.output("rev-list", "--topo-order", "--reverse", "--parents", "--stdin", lines=starts)
        names, parents = walked(lines)
        history = History(children_of(names, parents))
        with alone.running(*log_arguments(Renames()), lines=starts) as output:
            for commit in read_log(output):
                state = history.add(commit)
                history.take()
                if commit.sha == head:
                    live = frozenset(map(history.paths.exact.__getitem__, state))
    return live


def _git(repository: Path, *arguments: str) -> bytes:
    command = ["git", "--no-replace-objects", "-C", str(repository), *arguments]
    return subprocess.run(command, env=environment(), check=True, capture_output=True).stdout


def real(inputs: Inputs, size: Size) -> Iterator[Figure]:
    """Compare the counts of each repository, and measure its graph beside Git's own log."""
    if not inputs.repositories:
        yield Figure(name="not measured", measured="no repository was given: --repository NAME=PATH")
    with inputs.output("real") as out:
        for name, repository in inputs.repositories.items():
            yield _agreement(name, repository)
            yield from _time(name, repository, out, size)


def _agreement(name: str, repository: Path) -> Figure:
    counted = run([sys.executable, "-m", "benchmarks.git_real", repository], keep_output=True)
    commits, changes, live = json.loads(counted.said)
    return Figure(
        name=f"{name}: commits, changes, live files",
        measured=f"{commits:,}, {changes:,}, {live:,}",
        limit="as Git counts",
        is_met=True,
    )


def counts(repository: Path) -> list[int]:
    """Return the numbers of commits, changes and live files, on which both sides agree."""
    git, ours = git_says(repository), mlflow2prov_says(repository)
    found = [[each.commits, each.changes, len(each.live)] for each in (git, ours)]
    if git != ours:
        raise FailedError(f"Git counts {found[0]}, mlflow2prov {found[1]}")
    return found[0]


def _time(name: str, repository: Path, out: Path, size: Size) -> Iterator[Figure]:
    commands: dict[str, Command] = {
        "log": ["git", "-C", repository, "log", "--all", "--raw", "-M", "-z"],
        "graph": [
            *(mlflow2prov_program(), "extract", "--repository_path", repository),
            *("--database", out / "graph.duckdb"),
        ],
    }
    costs = best(commands, size.repeats, keep_output=False)
    log, graph = costs["log"], costs["graph"]
    detail = f"{graph.wall_s:.2f} s ÷ {log.wall_s:.2f} s; CPU {graph.cpu_s:.2f} s ÷ {log.cpu_s:.2f} s"
    times = graph.wall_s / log.wall_s
    title = f"{name}: graph in a file, wall time ÷ that of `git log`"
    yield at_most(title, times, _MOST_TIMES, unit=" ×", detail=detail)
    yield at_most(f"{name}: peak memory", round(graph.peak_mib), _MOST_MIB, unit=" MiB")


if __name__ == "__main__":
    print(json.dumps(counts(Path(sys.argv[1]))))
