"""A disk that gets full under a cache or a graph file is told in one sentence, and does no harm to what was there."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sources.git_maker import Repository, text

from mlflow2prov import extract


@pytest.fixture
def made(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "code")
    repository.commit({"a": text(1)})
    return repository


def grown(made: Repository) -> None:
    """Many more commits."""
    commits = [
        f"commit refs/heads/more\ncommitter A <a@example.org> {1_600_000_000 + number} +0000\ndata 3\none\n"
        f"M 100644 inline f{number}\ndata {len(str(number))}\n{number}\n"
        for number in range(3_000)
    ]
    made.git("fast-import", "--quiet", stdin="".join(commits).encode())


def extracted(made: Repository, most_bytes: int, *options: str) -> subprocess.CompletedProcess[str]:
    """An extraction by the command line where no file may be larger, as on a disk that has no more room."""
    command = [sys.executable, "-m", "mlflow2prov", "extract", "--repository_path", str(made.path), *options]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes)),
    )


def saved(made: Repository, folder: Path, cache: Path | None) -> bytes:
    with extract(made.path, cache=cache) as graph:
        graph.save(folder / "graph.json")
    return (folder / "graph.json").read_bytes()


@pytest.mark.parametrize("most_bytes", [100_000, 800_000, 1_600_000, 2_400_000])
def test_a_full_disk_under_a_cache_is_told_and_what_it_had_is_still_there(
    tmp_path: Path, made: Repository, most_bytes: int
) -> None:
    cache = tmp_path / "kept.cache"
    if most_bytes > 100_000:
        saved(made, tmp_path, cache)
        grown(made)
    for _ in range(2):
        done = extracted(made, most_bytes, "--cache", str(cache))
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert line == (
            f"mlflow2prov: error: there is no space left on the disk for the cache {cache}: make room there and extract"
            " again; what it had before is still in it"
        )
    assert saved(made, tmp_path, cache) == saved(made, tmp_path, None)


def test_a_full_disk_under_a_graph_file_is_told(tmp_path: Path, made: Repository) -> None:
    grown(made)
    file = tmp_path / "kept.duckdb"
    done = extracted(made, 1_000_000, "--database", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"mlflow2prov: error: there is no space left on the disk for {file}: make room there, or name a file on another"
        " disk\n"
    )
    assert not [it for it in tmp_path.iterdir() if it.name != "code"]
