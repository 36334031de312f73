"""Caches: what they refuse, what they survive, and what they know that a store has forgotten."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.contents import contents
from tests.model.made_stores import run, tags
from tests.sources.git_maker import Repository
from tests.sources.mlflow.stores import fill_schema, insert

from mlflow2prov import Graph, extract, load
from mlflow2prov.errors import SourceError, UsageError
from mlflow2prov.graph.store import Store
from mlflow2prov.sources.mlflow import database_changes
from mlflow2prov.surroundings import Surroundings

NAMESPACE = "http://mlflow.example.org/#"
M2P = "https://w3id.org/mlflow2prov#"
MINUTE = 60_000


class Made:
    """A small store that a test changes by SQL, with its cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "made.db"
        self.uri = f"sqlite:///{self.file}"
        self.connection = fill_schema("3.17.2", self.file)
        self.insert(run("ab" * 16), *tags("ab" * 16, mlflow__user="ann"))
        self.store = Store()
        self.now = 1_900_000_000_000

    def insert(self, *rows: tuple[str, dict[str, object]]) -> None:
        for table, row in rows:
            insert(self.connection, table, row)
        self.connection.commit()

    def sql(self, text: str, *values: object) -> None:
        self.connection.execute(text, values)
        self.connection.commit()

    def _tick(self) -> int:
        self.now += MINUTE
        return self.now

    def extract(self, **options: Any) -> Graph:
        surroundings = Surroundings(store=self.store, now_ms=self._tick)
        options = {"mlflow_url": self.uri, "mlflow_namespace": NAMESPACE, "skip": ["artifacts"], **options}
        return extract(**options, surroundings=surroundings)

    def cached(self, **options: Any) -> Graph:
        return self.extract(cache=self.folder / "c.duckdb", **options)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    store = Made(tmp_path)
    yield store
    store.connection.close()
    store.store.close()


def elements(graph: Graph, word: str) -> dict[str, dict[str, str]]:
    """The attributes of the elements with a type, by local name."""
    found: dict[str, dict[str, str]] = {}
    for _, kind, name, _, _, attributes in contents(graph):
        if kind in {"entity", "activity", "agent"} and (M2P + word) in {value for _, value, *_ in attributes}:
            shown = {key.removeprefix(M2P): value for key, value, *_ in attributes}
            found[name.rpartition("#")[2]] = shown
    return found


def relations(graph: Graph, kind: str) -> set[tuple[str, ...]]:
    """The local names that relations of a kind join."""
    return {
        tuple(name.rpartition("#")[2] for name in arguments if name)
        for _, one, _, arguments, *_ in contents(graph)
        if one == kind
    }


def told(graph: Graph) -> Any:
    """What a graph says, but for its own making."""
    return {
        record: count
        for record, count in contents(graph).items()
        if not any(word in str(record) for word in ("TrackingStore.", "Extraction."))
    }


# ---- What a cache refuses ----------------------------------------------------------------------


def test_a_cache_is_refused_that_was_made_with_other_options_or_of_another_store(made: Made) -> None:
    made.cached()
    with pytest.raises(UsageError, match=r"was made with another choice of parts .*give it the same one"):
        made.cached(skip=["artifacts", "datasets"])
    other = made.folder / "other.db"
    other.write_bytes(made.file.read_bytes())
    with pytest.raises(UsageError, match="was made with another MLflow store"):
        made.cached(mlflow_url=f"sqlite:///{other}")
    with pytest.raises(UsageError, match="was made with another namespace"):
        made.cached(mlflow_namespace="http://example.org/other#")


def test_a_part_of_a_store_and_a_store_that_a_plugin_reads_are_refused(made: Made) -> None:
    with pytest.raises(UsageError, match=r"a cache is of a whole store, and only a part is selected \(.*one"):
        made.cached(experiment=["one"])
    with pytest.raises(UsageError, match="MLflow's own client reads can't be read with a cache"):
        made.cached(mlflow_url="databricks")
    assert not (made.folder / "c.duckdb").exists()


def test_digests_of_artifacts_are_kept(made: Made) -> None:
    folder = made.folder / "artifacts"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    made.sql("UPDATE runs SET artifact_uri = ?", str(folder))
    options: dict[str, Any] = {"skip": [], "artifact_digests": True}
    made.cached(**options)
    (folder / "b.txt").write_text("more")
    graph = made.cached(**options)
    digests = {it["path"]: it["digest"] for it in elements(graph, "Artifact").values()}
    assert digests == {name: sha256((folder / name).read_bytes()).hexdigest() for name in ("a.txt", "b.txt")}
    assert told(graph) == told(made.extract(**options))
    with pytest.raises(UsageError, match="was made with another choice of parts"):
        made.cached(skip=[])


def test_a_cache_of_a_later_version_is_refused(made: Made) -> None:
    made.cached().close()
    connection = duckdb.connect(str(made.folder / "c.duckdb"))
    connection.execute("UPDATE cache.meta SET value = '99' WHERE key = 'format'")
    connection.close()
    with pytest.raises(UsageError, match="was made by a later version of mlflow2prov"):
        made.cached()


@pytest.mark.parametrize("kind", ["text", "folder", "graph"])
def test_what_is_no_cache_is_refused_and_left_alone(made: Made, kind: str) -> None:
    file = made.folder / "c.duckdb"
    if kind == "text":
        file.write_text("hello")
    elif kind == "folder":
        file.mkdir()
    else:
        made.extract().keep(file)
    before = file.read_bytes() if file.is_file() else None
    with pytest.raises(UsageError, match=r"no cache of mlflow2prov|can't be a cache"):
        made.cached()
    assert (file.read_bytes() if file.is_file() else None) == before


def test_two_processes_do_not_write_to_one_cache(made: Made) -> None:
    made.cached().close()
    holder = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", holder, str(made.folder / "c.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        with pytest.raises(SourceError, match="is in use by another process; wait for it"):
            made.cached()
        other.communicate()
    made.cached()


def test_the_command_line_has_it(made: Made) -> None:
    command = [
        sys.executable,
        "-m",
        "mlflow2prov",
        "extract",
        "--mlflow_url",
        made.uri,
        "--skip",
        "artifacts",
    ]
    command += ["--cache", str(made.folder / "c.duckdb")]
    for _ in range(2):
        done = subprocess.run(
            [*command, "save", "--output", str(made.folder / "out")], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    wrong = subprocess.run([*command, "--traces"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "was made with another choice of parts" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    with load(made.folder / "c.duckdb") as graph:
        assert elements(graph, "Run")


# ---- What a cache survives ---------------------------------------------------------------------


def test_a_cache_survives_being_killed_at_any_moment(made: Made) -> None:
    for number in range(40):
        made.insert(run(f"{number:032x}"), *tags(f"{number:032x}", mlflow__user="ann", k=str(number)))
    command = [
        sys.executable,
        "-m",
        "mlflow2prov",
        "extract",
        "--mlflow_url",
        made.uri,
        "--skip",
        "artifacts",
    ]
    command += ["--mlflow_namespace", NAMESPACE, "--cache", str(made.folder / "c.duckdb")]
    begun = time.monotonic()
    subprocess.run([*command[:-1], str(made.folder / "timing.duckdb")], check=True, capture_output=True)
    whole_s = time.monotonic() - begun
    for part in (0.5, 0.7, 0.9):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as killed:
            time.sleep(whole_s * part)
            killed.send_signal(signal.SIGKILL)
        made.sql("UPDATE runs SET name = ? WHERE run_uuid = ?", f"killed at {part}", f"{3:032x}")
    assert dict(told(made.extract())).keys() <= told(made.cached()).keys()


def test_a_reading_that_fails_leaves_the_cache_as_it_was(made: Made) -> None:
    before = told(made.cached())
    broken = made.file.read_bytes()
    made.file.write_bytes(broken[:4096] + b"\0" * 8192 + broken[12288:])
    with pytest.raises(SourceError):
        made.cached()
    assert told(load(made.folder / "c.duckdb", surroundings=Surroundings(store=Store()))) == before


def test_the_graph_beside_a_cache_is_a_copy(made: Made) -> None:
    with made.cached(database=made.folder / "kept.duckdb") as graph:
        kept = told(graph)
    made.insert(run("cd" * 16))
    assert told(made.cached()) != kept
    assert told(load(made.folder / "kept.duckdb", surroundings=Surroundings(store=made.store))) == kept


# ---- What a cache knows ------------------------------------------------------------------------


def test_a_run_that_was_collected_stays_with_its_deletion_in_a_window(made: Made) -> None:
    made.cached()
    for table in ("tags", "params", "metrics", "latest_metrics", "runs"):
        made.sql(f"DELETE FROM {table} WHERE run_uuid = ?", "ab" * 16)
    graph = made.cached()
    assert f"Run.{'ab' * 16}" in elements(graph, "Run")
    deletion = elements(graph, "Deletion")[f"Deletion.run--{'ab' * 16}"]
    assert deletion["not_before"] == "2030-03-17T17:47:40.000Z"
    assert deletion["not_after"] == deletion["forgotten_by"] > deletion["not_before"]
    tag = f"RunTag.{'ab' * 16}--mlflow.user"
    assert (tag, f"Deletion.run--{'ab' * 16}") in relations(graph, "wasInvalidatedBy")
    made.insert(run("ab" * 16), *tags("ab" * 16, mlflow__user="ann"))
    assert f"Deletion.run--{'ab' * 16}" not in elements(made.cached(), "Deletion")


def test_the_former_holder_of_an_alias_and_a_former_stage_are_known(made: Made) -> None:
    model = {"name": "beer", "creation_time": 5, "last_updated_time": 5}
    version = {
        "name": "beer",
        "creation_time": 6,
        "last_updated_time": 6,
        "source": "s3://x",
        "status": "READY",
    }
    made.insert(
        ("registered_models", model),
        ("model_versions", {**version, "version": 1, "current_stage": "None"}),
        ("model_versions", {**version, "version": 2, "current_stage": "None"}),
        ("registered_model_aliases", {"name": "beer", "alias": "best", "version": 1}),
    )
    made.cached()
    made.sql("UPDATE registered_model_aliases SET version = 2 WHERE alias = 'best' AND name = 'beer'")
    made.sql("UPDATE model_versions SET current_stage = 'Staging' WHERE name = 'beer' AND version = 1")
    graph = made.cached()
    (former,) = set(elements(graph, "RegisteredModelAlias")) - set(
        elements(made.extract(), "RegisteredModelAlias")
    )
    assert former.startswith("RegisteredModelAlias.beer--5--best--1--")
    assert (former, "RegisteredModelVersion.beer--5--1") in relations(graph, "wasDerivedFrom")
    assert any(
        pair[:2] == ("RegisteredModelAlias.beer--5--best--2", former)
        for pair in relations(graph, "wasDerivedFrom")
    )
    (state,) = elements(graph, "FormerState").values()
    assert (state["field"], state["value"]) == ("stage", "None")
    changes = elements(graph, "Change")
    assert {change["field"]: change["new_value"] for change in changes.values()} == {
        "alias": "2",
        "stage": "Staging",
    }
    assert all(change["not_before"] < change["not_after"] for change in changes.values())


def test_a_deleted_version_keeps_what_the_store_redacts(made: Made) -> None:
    made.insert(
        ("registered_models", {"name": "beer", "creation_time": 5, "last_updated_time": 5}),
        (
            "model_versions",
            {"name": "beer", "version": 1, "creation_time": 6, "last_updated_time": 6, "source": "s3://x/y"}
            | {"run_id": "ab" * 16, "status": "READY", "current_stage": "Production", "description": "good"},
        ),
    )
    made.cached()
    made.sql(
        "UPDATE model_versions SET current_stage = 'Deleted_Internal', source = 'REDACTED-SOURCE-PATH', "
        "run_id = 'REDACTED-RUN-ID', description = NULL, last_updated_time = 99 WHERE name = 'beer'"
    )
    graph = made.cached()
    version = elements(graph, "RegisteredModelVersion")["RegisteredModelVersion.beer--5--1"]
    assert [version[key] for key in ("source_path", "run_id", "description", "stage")] == [
        "s3://x/y",
        "ab" * 16,
        "good",
        "Production",
    ]
    informed = ("Creation.registered_model_version--beer--5--1", f"Creation.run--{'ab' * 16}")
    assert informed in relations(graph, "wasInformedBy")


def test_a_model_that_was_deleted_and_made_again_is_two(made: Made) -> None:
    made.insert(("registered_models", {"name": "beer", "creation_time": 5, "last_updated_time": 5}))
    made.insert(
        ("model_versions", {"name": "beer", "version": 1, "creation_time": 6, "current_stage": "None"})
    )
    made.cached()
    made.sql("DELETE FROM model_versions WHERE name = 'beer'")
    made.sql("UPDATE registered_models SET creation_time = 50 WHERE name = 'beer'")
    graph = made.cached()
    assert {"RegisteredModel.beer--5", "RegisteredModel.beer--50"} <= elements(
        graph, "RegisteredModel"
    ).keys()
    assert ("RegisteredModel.beer--5", "Deletion.registered_model--beer--5") in relations(
        graph, "wasInvalidatedBy"
    )
    again = told(made.cached())
    assert again == told(graph)


# ---- Git ---------------------------------------------------------------------------------------


def test_a_history_is_read_again_only_when_it_changed(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(made.folder / "code")
    first = repository.commit({"train.py": "1"})
    options: dict[str, Any] = {"repository_path": made.folder / "code"}
    made.insert(*tags("ab" * 16, mlflow__source__git__commit=first, mlflow__source__name="train.py"))
    made.cached(**options)
    readings = []
    from mlflow2prov.sources import git

    read = git.read_repositories
    monkeypatch.setattr(
        git, "read_repositories", lambda *given, **more: readings.append(1) or read(*given, **more)
    )
    made.insert(
        run("cd" * 16), *tags("cd" * 16, mlflow__source__git__commit=first, mlflow__source__name="train.py")
    )
    assert told(made.cached(**options)) == told(made.extract(**options))
    assert len(readings) == 1  # by the extraction without a cache
    second = repository.commit({"train.py": "2"})
    made.insert(
        run("ef" * 16), *tags("ef" * 16, mlflow__source__git__commit=second, mlflow__source__name="train.py")
    )
    assert told(made.cached(**options)) == told(made.extract(**options))
    assert len(readings) == 3


def test_a_repository_alone_is_followed_through_commits_and_branches(made: Made) -> None:
    code = Repository(made.folder / "code")
    options: dict[str, Any] = {
        "repository_path": made.folder / "code",
        "mlflow_url": None,
        "mlflow_namespace": None,
    }
    first = code.commit({"a.py": "1", "b.py": "2"})
    assert told(made.cached(**options)) == told(made.extract(**options))
    second = code.commit({"a.py": "2", "c.py": "3"}, first)
    code.commit({"a.py": "3"}, second, branch="other", author=b"Eve <eve@example.org>")
    assert told(made.cached(**options)) == told(made.extract(**options))
    subprocess.run(["git", "-C", str(code.path), "branch", "-D", "other"], check=True, capture_output=True)
    assert told(made.cached(**options)) == told(made.extract(**options))


def test_imports_projects_and_dirty_work_trees_are_brought_up_to_date(made: Made) -> None:
    code = Repository(made.folder / "code")
    options: dict[str, Any] = {"repository_path": made.folder / "code", "follow_imports": True}
    project = {"MLproject": "entry_points: {main: {command: python train.py}}", "train.py": "import a, b"}
    one = code.commit({**project, "a.py": "1", "b.py": "2"})
    side = code.commit({**project, "a.py": "3", "b.py": "2"}, one, branch="side")
    main = code.commit({**project, "a.py": "1", "b.py": "4"}, one)
    merged = code.commit({**project, "a.py": "3", "b.py": "4"}, main, side)
    named = {"mlflow__source__git__commit": merged, "mlflow__source__name": "https://example.org/x#"}
    named["mlflow__project__entryPoint"] = "main"
    made.insert(*tags("ab" * 16, **named))
    assert told(made.cached(**options)) == told(made.extract(**options))
    made.insert(run("cd" * 16), *tags("cd" * 16, **named))
    assert told(made.cached(**options)) == told(made.extract(**options))
    tag = {"model_id": "m-own", "experiment_id": 7}
    row = {**tag, "name": "n", "artifact_location": "/m", "status": 2, "lifecycle_stage": "active"}
    times = {"creation_timestamp_ms": 5, "last_updated_timestamp_ms": 6}
    made.insert(("logged_models", {**row, **times, "source_run_id": "cd" * 16}))
    for key, value in (("commit", merged), ("dirty", "true"), ("diff", "+1")):
        made.insert(("logged_model_tags", {**tag, "tag_key": f"mlflow.source.git.{key}", "tag_value": value}))
    with made.cached(**options) as graph:
        assert told(graph) == told(made.extract(**options))
        assert len(elements(graph, "WorkTreeDiff")) == 1
        assert [body["work_tree"] for body in elements(graph, "Run").values()].count("dirty") == 1
    made.sql(
        "UPDATE logged_models SET source_run_id = NULL, last_updated_timestamp_ms = 9 WHERE model_id = 'm-own'"
    )
    assert told(made.cached(**options)) == told(made.extract(**options))
    with pytest.raises(UsageError, match="choice of parts"):
        made.cached(**{**options, "follow_imports": False})


# ---- What is told without histories ----------------------------------------------------------------


def point(run_id: str, step: int, value: float, **more: object) -> dict[str, object]:
    return {
        "run_uuid": run_id,
        "key": "loss",
        "step": step,
        "timestamp": step,
        "value": value,
        "is_nan": 0,
        **more,
    }


def test_latest_points_that_replace_others_are_seen_without_histories(made: Made) -> None:
    made.sql("DELETE FROM latest_metrics")
    made.insert(("latest_metrics", point("ab" * 16, 1, 0.5)))
    options: dict[str, Any] = {"skip": ["artifacts", "metric_history"]}
    made.cached(**options)
    made.sql("UPDATE latest_metrics SET step = 2, value = 0.25, timestamp = 2")
    graph = made.cached(**options)
    assert [it["value"] for it in elements(graph, "Metric").values() if it["name"] == "loss"] == ["0.25"]
    assert told(graph) == told(made.extract(**options))


# ---- How little is counted -------------------------------------------------------------------------


def test_rows_are_counted_run_by_run_only_where_a_known_run_that_had_ended_has_more(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    counts = database_changes._counts

    def heard(opened: Any, counted: str, column: str) -> Any:
        asked.append(counted)
        return counts(opened, counted, column)

    monkeypatch.setattr(database_changes, "_counts", heard)
    old, new = "ab" * 16, "cd" * 16
    made.sql("UPDATE runs SET status = 'FINISHED', end_time = 7")
    made.insert(("metrics", point(old, 1, 0.5)))
    made.cached()
    assert told(made.cached()) == told(made.extract())
    assert asked == []

    made.insert(
        run(new), ("metrics", point(new, 1, 0.5)), ("params", {"run_uuid": new, "key": "p", "value": "1"})
    )
    assert told(made.cached()) == told(made.extract())
    assert all(f"IN ('{new}')" in counted for counted in asked)
    asked.clear()

    made.insert(("metrics", point(old, 2, 0.25)), ("metrics", point(new, 2, 0.25)))
    made.sql("DELETE FROM params")  # which no MLflow does: the number of rows is another all the same
    assert told(made.cached()) == told(made.extract())
    assert {"metrics AS m", "params AS t"} <= set(asked)
