"""Every benchmark, and how it measures."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cache_bench import cache, cache_by_http
from benchmarks.changes_bench import changes
from benchmarks.figures import Bench, Figure, at_least, at_most, mlflow2prov_program
from benchmarks.formats_bench import formats
from benchmarks.git_real import real
from benchmarks.inputs import Inputs
from benchmarks.lineage_bench import lineage
from benchmarks.measure import Command, Cost, FailedError, best, requests_in, run
from benchmarks.memory_bench import memory
from benchmarks.mlflow_store import METRICS
from benchmarks.points_bench import points
from benchmarks.postgresql_bench import postgresql
from benchmarks.push_bench import push
from benchmarks.questions_bench import questions
from benchmarks.server import running_server
from benchmarks.sizes import Size
from benchmarks.validate_bench import validation
from benchmarks.ways_bench import ways

_HISTORY_RUNS = 100
"""How many runs MLflow takes in one request for histories."""
_MOST_RSS_MIB = 2048


def _help(inputs: Inputs, size: Size) -> Iterator[Figure]:
    cost = best({"help": [mlflow2prov_program(), "--help"]}, 3 * size.repeats)["help"]
    yield at_most(
        "`mlflow2prov --help`, wall time", cost.wall_s, 0.3, unit=" s", detail=f"CPU {cost.cpu_s:.2f} s"
    )


def _git(inputs: Inputs, size: Size) -> Iterator[Figure]:
    commits = size.commits
    plain = inputs.repository(commits)
    mixed = inputs.repository(commits, merge_every=20, rename_every=10)
    with inputs.output("git") as out:
        for repository, what in ((plain, "straight"), (mixed, "with merges and renames")):
            yield from _history(repository, f"{commits:,} commits, {what}", out, size)
        yield _growth(inputs, out, size)


def _log(repository: Path) -> Command:
    return ["git", "-C", repository, "log", "--all", "--raw", "-M", "-z"]


def _graph_of(repository: Path, out: Path) -> Command:
    return [
        *(mlflow2prov_program(), "extract", "--repository_path", repository),
        *("--database", out / "graph.duckdb"),
    ]


def _history(repository: Path, what: str, out: Path, size: Size) -> Iterator[Figure]:
    json_out = out / "document"
    costs = best(
        {
            "log": _log(repository),
            "graph": _graph_of(repository, out),
            "json": [
                *(mlflow2prov_program(), "extract", "--repository_path", repository),
                *("save", "--output", json_out),
            ],
        },
        size.repeats,
        keep_output=False,
    )
    log, graph, document = costs["log"], costs["graph"], costs["json"]
    allowed = 3 * log.wall_s + 1
    yield Figure(
        name=f"{what}: graph in a file, wall time",
        measured=f"{graph.wall_s:.2f} s = {graph.wall_s / log.wall_s:.2f} × `git log`",
        limit=f"3 × {log.wall_s:.2f} s + 1 s = {allowed:.2f} s",
        is_met=graph.wall_s <= allowed,
    )
    yield Figure(
        name=f"{what}: PROV-JSON, wall time",
        measured=f"{document.wall_s:.2f} s = {document.wall_s / log.wall_s:.2f} × `git log`",
        limit=f"2 × that = {2 * allowed:.2f} s",
        is_met=document.wall_s <= 2 * allowed,
    )
    yield Figure(
        name=f"{what}: CPU, memory, files",
        measured=f"CPU {log.cpu_s:.2f} s `git log`, {graph.cpu_s:.2f} s graph, {document.cpu_s:.2f} s PROV-JSON;"
        f" {_memory(graph)} and {_memory(document)}; {_size(out / 'graph.duckdb')} and"
        f" {_size(json_out.with_suffix('.json'))}",
    )


def _growth(inputs: Inputs, out: Path, size: Size) -> Figure:
    """How CPU time grows with ten times the commits, what a history of ten commits takes left out.

    All three have the same number of files from the beginning, since a larger tree makes each commit
    dearer for Git.
    """
    tenth, files = size.commits // 10, size.commits // 3
    wanted = {"none": 10, "small": tenth, "large": size.commits}
    commands: dict[str, Command] = {}
    for name, commits in wanted.items():
        repository = inputs.repository(commits, files=files)
        commands[f"{name} log"] = _log(repository)
        commands[name] = _graph_of(repository, out)
    costs = best(commands, size.repeats)
    exponent = _exponent(*(costs[name].cpu_s for name in wanted))
    log = _exponent(*(costs[f"{name} log"].cpu_s for name in wanted))
    return at_most(
        f"growth of CPU time from {tenth:,} to {size.commits:,} commits of {files:,} files, as an exponent",
        exponent,
        1.1,
        detail=f"`git log` itself {log:.2f}",
    )


def _exponent(none_s: float, small_s: float, large_s: float) -> float:
    least = 0.001
    return math.log10(max(large_s - none_s, least) / max(small_s - none_s, least))


def _mlflow(inputs: Inputs, size: Size) -> Iterator[Figure]:
    with inputs.output("mlflow") as out:
        yield from _stored_graph(inputs.store(size.runs), f"{size.runs:,} runs", out, size)
        yield from _stored_document(inputs.store(size.json_runs), f"{size.json_runs:,} runs", out, size)


def _beside_scan(store: Path, extract: Command, size: Size) -> tuple[Cost, Cost]:
    """The least that the scan of a store took, and an extract of it; the short one is run more often."""
    scan: Command = [sys.executable, "-m", "benchmarks.scan_store", store]
    costs = best({"before": scan, "extract": extract, "after": scan}, min(2, size.repeats))
    return min(costs["before"], costs["after"], key=lambda cost: cost.cpu_s), costs["extract"]


def _stored_graph(store: Path, what: str, out: Path, size: Size) -> Iterator[Figure]:
    file = out / "graph.duckdb"
    extract = [mlflow2prov_program(), "extract", "--mlflow_url", f"sqlite:///{store}", "--database", file]
    scan, graph = _beside_scan(store, extract, size)
    yield at_most(
        f"{what}: graph in a file, CPU ÷ that of the scan",
        *(graph.cpu_s / scan.cpu_s, 8),
        unit=" ×",
        detail=f"{graph.cpu_s:.2f} s ÷ {scan.cpu_s:.2f} s",
    )
    yield at_most(f"{what}: graph in a file, peak memory", round(graph.peak_mib), _MOST_RSS_MIB, unit=" MiB")
    yield Figure(
        name=f"{what}: files",
        measured=f"store {_size(store)} ({int(scan.said):,} rows), graph {_size(file)};"
        f" wall time {graph.wall_s:.1f} s",
    )


def _stored_document(store: Path, what: str, out: Path, size: Size) -> Iterator[Figure]:
    file = out / "document.json"
    extract = [
        *(mlflow2prov_program(), "extract", "--mlflow_url", f"sqlite:///{store}"),
        *("save", "--output", file.with_suffix("")),
    ]
    scan, document = _beside_scan(store, extract, size)
    yield at_most(
        f"{what}: PROV-JSON, CPU ÷ that of the scan",
        *(document.cpu_s / scan.cpu_s, 20),
        unit=" ×",
        detail=f"{document.cpu_s:.2f} s ÷ {scan.cpu_s:.2f} s",
        goal="12",
    )
    yield at_most(f"{what}: PROV-JSON, peak memory", round(document.peak_mib), _MOST_RSS_MIB, unit=" MiB")
    yield Figure(
        name=f"{what}: files",
        measured=f"store {_size(store)} ({int(scan.said):,} rows), PROV-JSON {_size(file)};"
        f" wall time {document.wall_s:.1f} s",
    )


def _files(inputs: Inputs, size: Size) -> Iterator[Figure]:
    store, runs = inputs.file_store(size.file_runs), size.file_runs
    reading: Command = [sys.executable, "-m", "benchmarks.read_files"]
    commands: dict[str, Command] = {"ours": [*reading, "ours", store]}
    if importlib.util.find_spec("mlflow") is not None:
        commands["client"] = [*reading, "client", store]
    with inputs.output("files") as out:
        file = out / "graph.duckdb"
        commands["graph"] = [mlflow2prov_program(), "extract", "--mlflow_url", store, "--database", file]
        costs = best(commands, size.repeats)
        ours, graph = costs["ours"], costs["graph"]
        for name in commands.keys() - {"graph"}:
            if int(costs[name].said) != runs:
                raise FailedError(f"{name} reads {costs[name].said.strip()} runs instead of {runs}")
        if "client" in costs:
            yield at_least(
                f"{runs:,} runs: reading, CPU of `MlflowClient.search_runs` ÷ ours",
                *(costs["client"].cpu_s / ours.cpu_s, 3),
                unit=" ×",
                detail=f"{costs['client'].cpu_s:.2f} s without histories ÷ {ours.cpu_s:.2f} s with them",
            )
        yield Figure(
            name=f"{runs:,} runs: reading, CPU", measured=f"{runs / ours.cpu_s:,.0f} runs/s, start included"
        )
        yield at_most(f"{runs:,} runs: reading, peak memory", round(ours.peak_mib), 512, unit=" MiB")
        yield Figure(
            name=f"{runs:,} runs: graph in a file",
            measured=f"CPU {graph.cpu_s:.2f} s, {_memory(graph)}, {_size(file)}; wall time {graph.wall_s:.1f} s",
        )


def _prov(inputs: Inputs, size: Size) -> Iterator[Figure]:
    records = inputs.records(size.records)
    programs = {
        name: [sys.executable, "-m", f"benchmarks.{name}"] for name in ("prov_library", "prov_tables")
    }
    theirs, ours = programs["prov_library"], programs["prov_tables"]
    with inputs.output("prov") as out:
        made = out / "library.json"
        library = run([*theirs, "build", records, made], keep_output=True)
        tables = best({"": [*ours, "build", records, out / "tables.json"]}, size.repeats)[""]
        yield from _against_library("build and save", library, tables, size.records, 15, "25")
        loading = run([*theirs, "load", made], keep_output=True)
        loaded = best({"": [*ours, "load", made]}, size.repeats)[""]
        yield from _against_library("load", loading, loaded, size.records, 10)
        yield Figure(name="PROV-JSON that the library wrote, and is loaded", measured=_size(made))


def _against_library(
    what: str, library: Cost, tables: Cost, records: int, times: float, goal: str = ""
) -> Iterator[Figure]:
    for cost in (library, tables):
        if int(cost.said) != records:
            raise FailedError(f"{what}: {cost.said.strip()} records are there instead of {records}")
    title = f"{records:,} records: {what}"
    yield at_least(
        f"{title}, CPU of the library ÷ ours",
        *(library.cpu_s / tables.cpu_s, times),
        unit=" ×",
        detail=f"{library.cpu_s:.2f} s ÷ {tables.cpu_s:.2f} s",
        goal=goal,
    )
    yield at_least(
        f"{title}, peak memory of the library ÷ ours",
        *(library.peak_mib / tables.peak_mib, 4),
        unit=" ×",
        detail=f"{library.peak_mib:,.0f} MiB ÷ {tables.peak_mib:,.0f} MiB",
    )


def _http(inputs: Inputs, size: Size) -> Iterator[Figure]:
    if importlib.util.find_spec("mlflow") is None:
        yield Figure(name="not measured", measured="MLflow is not installed beside this Python")
        return
    least = METRICS * math.ceil(size.server_runs / _HISTORY_RUNS)
    with inputs.output("http") as out, running_server(inputs, size.server_runs, out) as server:
        for skipped, what in (("artifacts", "without artifacts"), ("", "all")):
            command = [mlflow2prov_program(), "--verbose", "extract", "--mlflow_url", server.url]
            command += ["--database", out / "graph.duckdb"]
            before_s = server.cpu_s()
            cost = run([*command, *(["--skip", skipped] if skipped else [])])
            spent_s = server.cpu_s() - before_s
            requests = requests_in(cost.log)
            if not requests:
                raise FailedError("the log of mlflow2prov tells of no requests")
            title = f"{size.server_runs:,} runs, {what}"
            if skipped:
                yield at_most(
                    f"{title}: requests for {METRICS} metrics' histories",
                    *(requests["histories"], least),
                    detail=f"MLflow takes {_HISTORY_RUNS} runs a request",
                )
            yield Figure(
                name=f"{title}: requests",
                measured=f"{requests.total()} ({', '.join(f'{n} {k}' for k, n in requests.most_common())})",
            )
            yield Figure(
                name=f"{title}: CPU",
                measured=f"ours {cost.cpu_s:.2f} s, the server's {spent_s:.2f} s; wall time {cost.wall_s:.1f} s, "
                f"of which the server worked {spent_s / cost.wall_s:.0%}",
            )
        yield from cache_by_http(server.url, out / "served.db", out, size)


def _memory(cost: Cost) -> str:
    return f"{cost.peak_mib:,.0f} MiB"


def _size(file: Path) -> str:
    return f"{file.stat().st_size / 1e6:,.1f} MB"


BENCHES: dict[str, Bench] = {
    bench.name: bench
    for bench in (
        Bench(
            name="help",
            title="Starting",
            about="The installed command, which is what every call of it takes at least.",
            run=_help,
        ),
        Bench(
            name="git",
            title="A Git history",
            about="`extract` of a made repository, each of whose commits touches five files, against"
            " `git log --all --raw -M -z` on it.",
            run=_git,
        ),
        Bench(
            name="real",
            title="Histories of other people",
            about="`extract` of repositories that are given by `--repository NAME=PATH`, against"
            " `git log --all --raw -M -z`; the counts agree with `git rev-list --count --all`,"
            " `git log --raw -M --no-merges` and `git ls-tree -r HEAD`.",
            run=real,
        ),
        Bench(
            name="changes",
            title="A history of very many changes",
            about="`extract` of a made repository, each of whose commits gives ten of 10,000 small files a new content,"
            " into a file.",
            run=changes,
        ),
        Bench(
            name="mlflow",
            title="An MLflow store in SQLite",
            about="`extract` of a made store (each run with 20 params, 20 metrics of 10 steps, 10 tags and"
            " 2 datasets) against iterating over all of its rows with Python's `sqlite3`.",
            run=_mlflow,
        ),
        Bench(
            name="cache",
            title="A store that is extracted again",
            about="`extract --cache` of the same store: all of it at first, then when nothing changed, and when one"
            " run was added; whole processes, the best of three.",
            run=cache,
        ),
        Bench(
            name="files",
            title="An MLflow file store",
            about="Reading a store like the one above that is a folder of files, some 50 for each run, in whole"
            " processes; MLflow's own client reads the runs with the latest points of their metrics alone.",
            run=_files,
        ),
        Bench(
            name="postgresql",
            title="An MLflow store in PostgreSQL",
            about="Reading the same store in a server on this machine into source tables, against taking all"
            " columns of the same tables by ADBC and looking at none, which was the fastest way to scan them.",
            run=postgresql,
        ),
        Bench(
            name="ways",
            title="Every way into MLflow",
            about="`extract` of stores with the same runs by each way in, in whole processes, once each; beside it"
            " MLflow's own client takes the runs of the same store in pages of 1,000, with the latest points of"
            " their metrics alone. Of servers the CPU counts, too. Growth is without what a store of five runs"
            " takes.",
            run=ways,
        ),
        Bench(
            name="points",
            title="Very many metric points",
            about="`extract … save --format parquet` of a store in SQLite like the ones above, with many more steps of"
            " each metric, in one process.",
            run=points,
        ),
        Bench(
            name="prov",
            title="The prov library",
            about="Both sides begin with the same records in the same Arrow files and end with PROV-JSON on"
            " disk: the library by way of `ProvDocument`, mlflow2prov by way of the staging tables that its"
            " readers fill. Then both load the file that the library wrote.",
            run=_prov,
        ),
        Bench(
            name="formats",
            title="Formats",
            about="A graph of 1,000,000 records, kept in a DuckDB file, is saved in each format and loaded from"
            " it by a process of its own, all of which counts. The `prov` library, whose time for building"
            " is not counted, does the same with 20,000 records. Pictures are of 300 records, drawn by both.",
            run=formats,
        ),
        Bench(
            name="memory",
            title="Memory of writing",
            about="Graphs of three sizes, kept in DuckDB files, are saved by a process each; its largest resident set"
            " must not grow with the graph.",
            run=memory,
        ),
        Bench(
            name="validate",
            title="Validation",
            about="PROV-CONSTRAINTS on graphs that are kept in DuckDB files, by whole processes: records of runs; and"
            " graphs that are hard to order, such as one chain of derivations through all records. Growth leaves out"
            " what a graph of 100 records takes.",
            run=validation,
        ),
        Bench(
            name="lineage",
            title="Lineage",
            about="A made graph, kept in a DuckDB file, is opened by a process of its own, which asks for the lineage of"
            " an entity five times, and once for that of the last one.",
            run=lineage,
        ),
        Bench(
            name="questions",
            title="The shipped questions",
            about="`ask` for each question in turn, in one process, of the graph of a made history with merges and of runs"
            " of one script of it, which is kept in a DuckDB file; wall times, the first answer to each.",
            run=questions,
        ),
        Bench(
            name="push",
            title="Pushing into databases",
            about="`push` of a made graph, kept in a DuckDB file, into servers that the tests start; beside it the same"
            " rows are sent by the driver alone, which has them all in memory (in the file's case the engine copies the"
            " graph's tables). Measured is the push alone, without the start of the process and the opening of the graph.",
            run=push,
        ),
        Bench(
            name="http",
            title="An MLflow server",
            about="`extract` from an `mlflow server` of one worker on this machine, over a store like the one"
            " above.",
            run=_http,
        ),
    )
}
"""Every benchmark by its name, in the order in which they run."""
