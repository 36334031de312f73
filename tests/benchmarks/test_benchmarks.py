"""The benchmarks at their smallest size: they run, compare like with like, and judge rightly."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prov.model import ProvDocument

from mlflow2prov import extract
from mlflow2prov.sources.mlflow.database import read_database
from mlflow2prov.sources.mlflow.file_store import read_file_store
from mlflow2prov.sources.mlflow.http_client import HttpClient, HttpSettings
from mlflow2prov.sources.mlflow.parts import Wanted

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Benchmarks are no part of the package; they are imported from where they stand."""
    monkeypatch.syspath_prepend(ROOT)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "benchmarks"]:
        del sys.modules[name]


def git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", repository, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def bench(name: str, folder: Path) -> str:
    command = [sys.executable, "-m", "benchmarks", "--size", "smoke", "--only", name]
    command += ["--folder", str(folder / "data"), "--write", str(folder / "page.md")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (folder / "page.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("help", ["`mlflow2prov --help`, wall time"]),
        ("git", ["graph in a file, wall time", "PROV-JSON, wall time", "growth of CPU time"]),
        ("mlflow", ["graph in a file, CPU", "PROV-JSON, CPU", "peak memory"]),
        ("cache", ["first extraction with a cache", "nothing new, wall time", "one new run, wall time"]),
        ("files", ["CPU of `MlflowClient.search_runs`", "reading, peak memory", "graph in a file"]),
        pytest.param(
            "postgresql",
            ["CPU of the scan ÷ that of reading", "graph in a file, peak memory"],
            marks=[
                pytest.mark.system("postgresql"),
                pytest.mark.skipif(
                    not list(Path("/").glob("usr/lib/postgresql/*/bin/initdb")),
                    reason="PostgreSQL is missing: apt-get install postgresql",
                ),
            ],
        ),
        ("formats", ["`json`: write", "`json`: read", "`nt`: read", "`csv`: write", "the library has none"]),
        ("validate", ["runs: 2,000 records, CPU", "circle: 2,000 records, CPU", "chain: growth of CPU time"]),
        (
            "push",
            ["Oxigraph: 1,000 records, records/s", "a file of DuckDB: peak memory, more than for a tenth"],
        ),
        ("prov", ["build and save, CPU", "build and save, peak memory", "load, CPU", "load, peak memory"]),
    ],
)
def test_a_benchmark_measures_and_writes_its_table(name: str, rows: list[str], tmp_path: Path) -> None:
    page = bench(name, tmp_path)
    for row in rows:
        assert row in page
    assert f"<!-- begin {name} -->" in page
    assert not list((tmp_path / "data").glob("out-*")), "what was written while measuring is still there"


def test_growth_is_told_without_what_takes_time_at_any_size() -> None:
    from benchmarks.ways_bench import growth

    assert growth(1.0, (10, 2.0), (100, 11.0)) == pytest.approx(1)
    assert growth(1.0, (10, 2.0), (100, 101.0)) == pytest.approx(2)


def test_rows_are_written_as_database_servers_copy_them() -> None:
    from benchmarks.sql_servers import word

    assert [word(value) for value in ("a\tb\\\n", None, 0.1, 3)] == ["a\\tb\\\\\\n", "\\N", "0.1", "3"]


def test_requests_are_counted_as_the_client_logs_them(caplog: pytest.LogCaptureFixture) -> None:
    from benchmarks.measure import requests_in

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        asked = (
            "version",
            "ajax-api/2.0/mlflow/metrics/get-history-bulk",
            "api/2.0/mlflow/runs/get",
            "version",
        )
        url = f"http://127.0.0.1:{server.server_port}"
        with caplog.at_level("DEBUG", "mlflow2prov"), HttpClient(url, HttpSettings()) as client:
            for path in asked:
                client.request(path)
        server.shutdown()
        thread.join()
    log = "".join(f"mlflow2prov: {message}\n" for message in caplog.messages)
    assert requests_in(log) == {"histories": 1, "single runs": 1, "searches and others": 2}


def test_a_made_repository_has_the_commits_and_changes_that_it_promises(tmp_path: Path) -> None:
    from benchmarks.git_history import make_repository

    make_repository(tmp_path / "a", 60)
    make_repository(tmp_path / "b", 60)
    make_repository(tmp_path / "c", 61, merge_every=10, rename_every=4)
    assert git(tmp_path / "a", "rev-list", "--count", "--all") == "60\n"
    assert git(tmp_path / "a", "log", "--all", "--raw", "--format=").count("\n:") + 1 == 300
    assert git(tmp_path / "a", "rev-parse", "main") == git(tmp_path / "b", "rev-parse", "main")
    assert git(tmp_path / "c", "rev-list", "--count", "--all") == "61\n"
    assert int(git(tmp_path / "c", "rev-list", "--count", "--merges", "--all")) >= 2
    assert " R" in git(tmp_path / "c", "log", "--all", "--raw", "-M", "--format=")
    git(tmp_path / "c", "fsck", "--strict")


def test_a_made_store_has_the_rows_that_it_promises(tmp_path: Path) -> None:
    from benchmarks.mlflow_store import make_store
    from benchmarks.scan_store import scan

    file = tmp_path / "store.db"
    make_store(file, 100)
    metrics, latest, params, tags = 100 * 20 * 10, 100 * 20, 100 * 20, 100 * 10
    assert scan(file) > metrics + latest + params + tags
    with extract(mlflow_url=f"sqlite:///{file}") as graph:
        counted = dict(graph.statistics("fine").counts("type"))
    assert counted["m2p:Run"] == 100
    assert counted["m2p:Param"] >= 100 * 20
    assert counted["m2p:Metric"] >= metrics
    assert counted["m2p:LoggedModel"] == 50


def test_a_made_store_of_files_has_what_its_database_has(tmp_path: Path) -> None:
    from benchmarks.inputs import Inputs

    inputs = Inputs(tmp_path)
    files = read_file_store(str(inputs.file_store(600)), Wanted(skip=frozenset({"artifacts"})))
    database = read_database(f"sqlite:///{inputs.store(600)}", Wanted(skip=frozenset({"artifacts"})))
    found: tuple[dict[str, set[str]], ...] = ({}, {})
    for rows, batches in zip(found, (files, database), strict=True):
        for name, batch in batches:
            rows.setdefault(name, set()).update(map(repr, batch.to_pylist()))
    assert found[0].pop("mlflow_store") != found[1].pop("mlflow_store")
    assert found[0] == found[1]
    assert len(found[0]["mlflow_metric"]) == 600 * 20 * 10


def test_both_sides_build_the_same_document(tmp_path: Path) -> None:
    from benchmarks.prov_records import make_records

    from benchmarks import prov_library, prov_tables

    make_records(tmp_path / "records", 500)
    theirs, ours = tmp_path / "theirs.json", tmp_path / "ours.json"
    assert prov_library.build(tmp_path / "records", theirs) == 500
    assert prov_tables.build(tmp_path / "records", ours) == 500
    assert prov_library.load(ours) == prov_tables.load(theirs) == 500
    assert ProvDocument.deserialize(str(ours)) == ProvDocument.deserialize(str(theirs))


def test_a_child_is_charged_for_its_own_children_and_its_failure_is_told() -> None:
    from benchmarks.measure import FailedError, run

    spend = "import time\nwhile time.process_time() < 0.4: pass"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spend!r}], check=True)"
    cost = run([sys.executable, "-c", f"{nested}; print('done')"], keep_output=True)
    assert cost.cpu_s >= 0.4
    assert cost.wall_s >= 0.4
    assert cost.peak_mib > 1
    assert cost.said == "done\n"
    with pytest.raises(FailedError, match=r"code 3.*\n.*oh no"):
        run([sys.executable, "-c", "import sys; print('oh no', file=sys.stderr); sys.exit(3)"])


def test_limits_are_judged_at_full_size_only() -> None:
    from benchmarks.figures import at_least, at_most
    from benchmarks.report import verdict
    from benchmarks.sizes import SIZES

    assert verdict(at_most("a", 2.0, 2), SIZES["full"]) == "met"
    assert verdict(at_most("a", 2.1, 2), SIZES["full"]) == "**not met**"
    assert verdict(at_least("a", 14.9, 15), SIZES["full"]) == "**not met**"
    assert verdict(at_least("a", 14.9, 15), SIZES["quick"]) == "(not judged)"


def test_writing_a_section_leaves_the_rest_of_the_page(tmp_path: Path) -> None:
    from benchmarks.report import write

    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- begin git -->\nold\n<!-- end git -->\n\nlast words\n", encoding="utf-8")
    write(page, "git", r"new \1")
    write(page, "help", "more")
    assert page.read_text(encoding="utf-8") == (
        "# Title\n\n<!-- begin git -->\nnew \\1\n<!-- end git -->\n\nlast words\n"
        "\n<!-- begin help -->\nmore\n<!-- end help -->\n"
    )


def test_any_repository_is_measured_and_what_is_read_agrees_with_git(tmp_path: Path) -> None:
    from benchmarks.git_history import make_repository
    from benchmarks.git_real import git_says, mlflow2prov_says

    make_repository(tmp_path / "r", 60, merge_every=7, rename_every=3)
    counts = git_says(tmp_path / "r")
    assert counts == mlflow2prov_says(tmp_path / "r")
    assert counts.commits == 60 and counts.changes > 200 and counts.live
    command = [sys.executable, "-m", "benchmarks", "--size", "smoke", "--only", "real"]
    command += ["--repository", f"ada/wine={tmp_path / 'r'}", "--folder", str(tmp_path / "data")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (
        f"ada/wine: commits, changes, live files: 60, {counts.changes:,}, {len(counts.live)}" in done.stdout
    )
    assert str(tmp_path) not in done.stdout
