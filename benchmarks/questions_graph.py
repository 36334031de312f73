"""A large graph of Git and MLflow for the shipped questions, and what their answers take, as a child process.

``make FOLDER COMMITS RUNS`` makes the graph in a DuckDB file; ``ask FILE`` prints, as JSON, the wall time of
each question's first answer, how many records there are, and how many questions found something.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.git_history import make_repository
from benchmarks.mlflow_store import make_store
from mlflow2prov import Graph, extract
from mlflow2prov.graph.questions import Question, questions

SCRIPT = "lib/part00/unit000000.py"
"""What all runs executed."""

_VALUES = {
    "model version": "SELECT id FROM RegisteredModelVersion ORDER BY id",
    "run": "SELECT run_id FROM Run ORDER BY run_id",
    "commit": "SELECT sha FROM m2p.Commit ORDER BY authored_at",
    "file": f"SELECT first_path FROM File WHERE first_path = '{SCRIPT}'",
    "dataset": "SELECT id FROM Dataset ORDER BY id",
    "person": "SELECT id FROM m2p.User ORDER BY id",
    "metric": "SELECT name FROM Metric ORDER BY name",
}
"""Where a value of each kind of parameter is found."""


def make_sources(folder: Path, commits: int, runs: int) -> tuple[Path, str]:
    """Make a history with merges, and a store of runs of one script at commits of it; return both."""
    repository, store = folder / "code.git", folder / "store.db"
    make_repository(repository, commits, merge_every=10, files=200)
    make_store(store, runs)
    log = ["git", "-C", str(repository), "log", "--format=%H"]
    shas = subprocess.run(log, capture_output=True, check=True, encoding="utf-8").stdout.split()
    with closing(sqlite3.connect(store)) as database, database:
        names = "SELECT DISTINCT value FROM tags WHERE key = 'mlflow.source.git.commit' ORDER BY value"
        tagged = database.execute(names).fetchall()
        for number, (name,) in enumerate(tagged):
            sha = shas[number * len(shas) // len(tagged)]
            database.execute("UPDATE tags SET value = ? WHERE value = ?", [sha, name])
        database.execute("UPDATE tags SET value = ? WHERE key = 'mlflow.source.name'", [SCRIPT])
    return repository, f"sqlite:///{store}"


def make(file: Path, commits: int, runs: int) -> None:
    """Make a graph of a history and the runs of its script in a DuckDB file."""
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        graph = extract(*make_sources(Path(folder), commits, runs))
        graph.keep(file)
        graph.close()


def parameters(graph: Graph) -> dict[str, dict[str, str]]:
    """Values for the parameters of each question that have no default, from what is in the graph."""
    values = {kind: str(next(iter(graph.sql(sql).to_pylist()[0].values()))) for kind, sql in _VALUES.items()}

    def given(question: Question) -> dict[str, str]:
        needed = [one for one in question.parameters if one.default is None and not one.may_be_missing]
        return {one.name: values.get(one.kind) or values.get(one.name) or one.example for one in needed}

    return {name: given(question) for name, question in questions().items()}


def ask(file: Path) -> dict[str, object]:
    """Return the seconds of each answer, the number of records, and which questions found something."""
    with Graph.open(file) as graph:
        took, answered = dict[str, float](), list[str]()
        for name, given in parameters(graph).items():
            before = time.perf_counter()
            answered += [name] if graph.ask(name, **given).num_rows else []
            took[name] = time.perf_counter() - before
        return {
            "records": graph.count("element") + graph.count("relation"),
            "took": took,
            "answered": answered,
        }


if __name__ == "__main__":
    work, name, *rest = sys.argv[1:]
    if work == "make":
        make(Path(name), int(rest[0]), int(rest[1]))
    else:
        print(json.dumps(ask(Path(name))))
