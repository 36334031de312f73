"""What a selection reads of a store: the same by every way in, and a part of all that there is."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from servers import QUIET, Door, FileStore, door, filled_file_store, served
from stores import REVISIONS, SCHEMAS, fill_schema
from test_sql_servers import SERVERS
from tests.contents import contents
from tests.model.made_stores import check

from mlflow2prov import Graph, extract, store_ways
from mlflow2prov.errors import UsageError
from mlflow2prov.graph.store import Store, StoreSettings
from mlflow2prov.sources.intake import create_source_tables, take_in
from mlflow2prov.sources.mlflow.parts import Wanted
from mlflow2prov.sources.mlflow.selected import keep_selected
from mlflow2prov.sources.mlflow.selection import Selection
from mlflow2prov.sources.tables import SOURCE_TABLES
from mlflow2prov.store_ways import store_batches
from mlflow2prov.surroundings import Surroundings
from sql_servers import Engine, running

NAMESPACE = "https://mlflow.example.org/#"
ARTIFACTS = frozenset({"artifacts"})
Tables = dict[str, list[tuple[Any, ...]]]
Given = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """One store by all ways in, and what it was filled with."""

    made: dict[str, str]
    files: str
    database: str
    http: str
    door: Door


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    folder = tmp_path_factory.mktemp("selection")
    store: FileStore = filled_file_store(folder)
    shutil.copy(store.database, folder / "served.db")
    with (
        served(folder, f"sqlite:///{folder / 'served.db'}", "--no-serve-artifacts") as url,
        door(lambda _: None, url) as seen,
    ):
        yield Ways(
            made=store.made,
            files=str(store.folder),
            database=f"sqlite:///{store.database}",
            http=seen.url,
            door=seen,
        )


@pytest.fixture(scope="module")
def engine() -> Iterator[Store]:
    with closing(Store(StoreSettings(threads=1))) as store:
        yield store


def read(engine: Store, url: str, given: Given, skip: frozenset[str] = ARTIFACTS) -> Tables:
    """The rows of the source tables that a selection leaves, each once."""
    selection = Selection.of(**given)
    with engine.scratch("read") as schema:
        create_source_tables(engine, schema)
        wanted = Wanted(skip=skip, selection=selection)
        take_in(
            engine, schema, store_batches(url, wanted, store_ways.Ways(Surroundings())), lambda column: column
        )
        if not selection.is_everything:
            keep_selected(engine, schema, selection)
        return {
            name: [tuple("NaN" if value != value else value for value in row) for row in rows]
            for name in SOURCE_TABLES
            if name.startswith("mlflow_") and name != "mlflow_store"
            if (rows := engine.run(f"SELECT DISTINCT * FROM {schema}.{name} ORDER BY ALL"))
        }


def chosen(url: str, **given: Any) -> set[str]:
    """The runs that a selection chooses, without those that come with them."""
    wanted = Wanted(skip=ARTIFACTS, selection=Selection.of(**given))
    with closing(store_batches(url, wanted, store_ways.Ways(Surroundings()))) as batches:
        found = next((batch for name, batch in batches if name == "mlflow_selected"), None)
    rows = [] if found is None else found.to_pylist()
    return {row["id"] for row in rows if row["kind"] == "run"}


def by(tables: Tables, table: str, column: str) -> set[Any]:
    place = list(SOURCE_TABLES[table].columns).index(column)
    return {row[place] for row in tables.get(table, ())}


def selections(made: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {
        "experiment by name": {"experiments": ["one"]},
        "experiment by id": {"experiments": ["0"]},
        "deleted experiment": {"experiments": ["trash", "far"]},
        "run with a parent and a model of another": {"runs": [made["child"]]},
        "run by name": {"runs": ["first", "small 3"]},
        "run with models": {"runs": [made["trainer"]]},
        "deleted run": {"runs": [made["local"]]},
        "model": {"models": ["wine"]},
        "model of files": {"models": ["old style é"]},
        "model and experiment": {"models": ["wine", "old style é"], "experiments": ["one"]},
        "model and another run": {"models": ["wine"], "runs": ["first"]},
        "model without versions": {"models": ["lonely"]},
        "prompt": {"models": ["greet"]},
        "filter": {"filter": "metrics.acc >= 20 and attributes.run_name LIKE 'small%'"},
        "filter of an experiment": {"experiments": ["one"], "filter": "tags.`mlflow.user` = 'ann'"},
        "filter of runs": {"runs": ["small 3", "first"], "filter": "params.lr = '0.1'"},
        "time": {"since": "2020-01-01", "until": "2121-01-01T00:00:00+02:00", "experiments": ["far"]},
        "no time": {"until": "2001-01-01"},
    }


# ---- The ways in agree ---------------------------------------------------------------------------


def told_by_servers(tables: Tables) -> dict[str, list[tuple[Any, ...]]]:
    """What a server tells as well: not when a run was deleted, nor what a deleted version was."""
    told: dict[str, list[tuple[Any, ...]]] = {}
    for name, rows in tables.items():
        columns = list(SOURCE_TABLES[name].columns)
        hidden = {"mlflow_run": ["deleted_ms"], "mlflow_model_version": ["storage_location"]}.get(name, [])
        kept = [row for row in rows if not dict(zip(columns, row, strict=True)).get("is_deleted")]
        numbers = by(tables, "mlflow_model_version", "version") if name == "mlflow_model_version_tag" else ()
        live = {
            (row[1], row[2])
            for row in tables.get("mlflow_model_version", ())
            if not dict(zip(SOURCE_TABLES["mlflow_model_version"].columns, row, strict=True))["is_deleted"]
        }
        kept = [row for row in kept if not numbers or (row[1], row[2]) in live]
        told[name] = sorted(
            {
                tuple(None if column in hidden else value for column, value in zip(columns, row, strict=True))
                for row in kept
            },
            key=repr,
        )
    return {name: rows for name, rows in told.items() if rows}


SOME = (
    "experiment by name",
    "run with a parent and a model of another",
    "run by name",
    "deleted run",
    "model",
    "prompt",
    "model and experiment",
    "filter of runs",
    "time",
)


def test_files_and_database_keep_the_same(ways: Ways, engine: Store) -> None:
    for title, given in selections(ways.made).items():
        files, database = read(engine, ways.files, given), read(engine, ways.database, given)
        assert files == database, title


@pytest.mark.parametrize("title", SOME)
def test_server_and_database_keep_the_same_but_for_what_a_server_does_not_tell(
    ways: Ways, engine: Store, title: str
) -> None:
    given = selections(ways.made)[title]
    http, database = read(engine, ways.http, given), read(engine, ways.database, given)
    assert told_by_servers(http) == told_by_servers(database)


@pytest.mark.parametrize("server", SERVERS)
def test_a_database_on_a_server_and_sqlite_keep_the_same(
    ways: Ways, engine: Store, server: Engine, tmp_path: Path
) -> None:
    file = shutil.copy(ways.database.removeprefix("sqlite:///"), tmp_path / "mlflow.db")
    with closing(sqlite3.connect(file)) as store:  # MySQL has no infinity
        store.execute("UPDATE logged_model_metrics SET metric_value = 7 WHERE metric_value > 1e308")
        store.commit()
    with running(server) as started:
        started.create_like("selection", file, INTEGER="BIGINT")  # identifiers of a file store are long
        url = started.uri("selection")
        for title in SOME:
            given = selections(ways.made)[title]
            assert read(engine, url, given) == read(engine, f"sqlite:///{file}", given), title
        for text in filters(ways.made)[::2]:
            assert chosen(url, filter=text) == chosen(ways.database, filter=text), text


@pytest.mark.skipif(not SCHEMAS.exists(), reason="the schemas of MLflow's versions are not here")
@pytest.mark.parametrize("version", REVISIONS)
def test_a_database_of_an_older_version_is_selected_from(engine: Store, version: str, tmp_path: Path) -> None:
    fill_schema(version, tmp_path / "old.db").close()
    url = f"sqlite:///{tmp_path / 'old.db'}"
    for given in ({"experiments": ["old"]}, {"runs": ["r1", "named by its tag"]}):
        tables = read(engine, url, given)
        assert by(tables, "mlflow_run", "run_id") == {"r1", "r2"}
        assert by(tables, "mlflow_experiment", "name") == {"old"}
    assert chosen(url, filter="metrics.m < 0 and dataset.name LIKE '%'") <= {"r1"}


# ---- What is kept --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["database", "files"])
def test_each_kind_of_selection_chooses_the_runs_that_it_names(ways: Ways, way: str) -> None:
    made, url = ways.made, getattr(ways, way)
    assert chosen(url, runs=["first"]) == {made["first"]}
    assert chosen(url, experiments=["one"]) == {made["first"], made["child"], made["trainer"]}
    assert chosen(url, models=["wine"]) == {made["trainer"]}
    assert chosen(url, models=["old style é"], experiments=["one"]) == {made["first"]}
    assert chosen(url, models=["wine"], runs=["first"]) == set()
    assert chosen(url, experiments=["one"], filter="params.lr = '0.1'") == {made["first"]}
    assert len(chosen(url, since="2020-01-01")) == 37
    assert chosen(url, until="2020-01-01") == set()


def test_what_a_run_needs_to_be_understood_comes_with_it(ways: Ways, engine: Store) -> None:
    made = ways.made
    tables = read(engine, ways.database, {"runs": [made["child"]]})
    assert by(tables, "mlflow_run", "run_id") == {made["child"], made["first"]}
    assert by(tables, "mlflow_experiment", "name") == {"one"}
    assert by(tables, "mlflow_logged_model", "model_id") == {made["model"]}
    assert "mlflow_logged_model_metric" not in tables and "mlflow_logged_model_tag" not in tables
    assert ("beyond", made["model"]) in tables["mlflow_selected"]
    assert by(tables, "mlflow_registered_model", "name") == {"old style é"}  # made by the run above
    tables = read(engine, ways.database, {"runs": [made["trainer"]]})
    assert by(tables, "mlflow_dataset", "name") == {"wine", "rest"}
    assert by(tables, "mlflow_logged_model", "model_id") == {made["model"], made["lost"]}
    assert by(tables, "mlflow_model_version", "version") == {1, 2, 3, 4}
    assert by(tables, "mlflow_registered_model_alias", "alias") == {"champ"}


def test_artifacts_of_nothing_else_are_listed(ways: Ways, engine: Store) -> None:
    made, nothing = ways.made, frozenset[str]()
    for url in (ways.files, ways.database):
        tables = read(engine, url, {"runs": [made["child"], made["local"]]}, nothing)
        assert by(tables, "mlflow_artifact", "owner_id") == {made["local"], made["first"]}


# ---- Laws ----------------------------------------------------------------------------------------


def graph(url: str, **options: Any) -> Graph:
    return extract(mlflow_url=url, mlflow_namespace=NAMESPACE, skip=["artifacts"], **options)


def said_of_the_store(found: Graph) -> dict[Any, int]:
    """The records of a graph but for those of the extraction itself, which name the selection."""
    signs = ("Extraction.", "TrackingStore.")
    return {
        record: n for record, n in contents(found).items() if not any(sign in repr(record) for sign in signs)
    }


def test_every_experiment_is_everything_that_belongs_to_one(ways: Ways) -> None:
    names = ["Default", "one", "two, with: odd/name", "gone", "far", "empty", '- "odd": é #1', "trash"]
    names += ["traced", "thrown away"]
    with graph(ways.database, experiment=names) as some, graph(ways.database) as full:
        left, right = said_of_the_store(some), said_of_the_store(full)
    assert left.items() <= right.items()
    of_none = ("greet", "lonely")  # a prompt, and a model without versions: no run made them
    missing = [record for record in right if record not in left]
    assert missing and all(any(name in repr(record) for name in of_none) for record in missing)


def test_a_selection_is_a_part_of_everything_that_refers_to_nothing_beyond_it(
    ways: Ways, tmp_path: Path
) -> None:
    with graph(ways.database) as full:
        everything = said_of_the_store(full)
    for title in (
        "run with a parent and a model of another",
        "run with models",
        "model and experiment",
        "filter",
    ):
        words = {word.rstrip("s"): value for word, value in selections(ways.made)[title].items()}
        with graph(ways.database, **words) as part:
            assert said_of_the_store(part).items() <= everything.items(), title
            check(json.loads(part.save(tmp_path / "part.json").read_text(encoding="utf-8")))


def test_the_extraction_says_what_was_selected(ways: Ways) -> None:
    with graph(ways.database, run=["first"], since="2020-01-01", filter="params.lr = '0.1'") as found:
        shown = [repr(record) for record in contents(found) if "only: " in repr(record)]
    (text,) = shown
    assert "only: run first; since 2020-01-01T00:00:00Z; filter params.lr = '0.1'" in text


# ---- MLflow's filters ------------------------------------------------------------------------------

FILTERS = (
    "metrics.acc > 5",
    "metrics.acc <= 5 and metric.acc >= 2",
    "metrics.acc != 0.7",
    "metrics.`val/loss: 5` = 1.0",
    'metrics."val/loss: 5" < 1e1',
    "metrics.acc > -1",
    "params.lr = '0.1'",
    "param.lr != '0.1'",
    "parameters.lr LIKE '0%'",
    'params.lr = "0.1"',
    "params.lr ilike '0._'",
    "params.lr IS NULL",
    "params.lr is not null AND tags.t IS NOT NULL",
    "tags.t = ''",
    "tag.mlflow.parentRunId LIKE '%'",
    "tags.`mlflow.user` = 'ann'",
    "tags.`mlflow.user` = 'Ann'",
    "tags.`mlflow.user` ILIKE 'AN%'",
    "attributes.status = 'FAILED'",
    "status != 'RUNNING'",
    "attr.run_name LIKE 'small%'",
    "run_name LIKE 'SMALL%'",
    "run_name ILIKE 'SMALL 2_'",
    "attributes.`run name` = 'first'",
    "start_time > 1600000000000",
    "attributes.created < 1.6e12",
    "end_time > 0",
    "run_id IN ('{first}', '{child}')",
    "attributes.run_id NOT IN ('{first}', '{child}')",
    "run_id = '{first}' AND params.lr = '0.1'",
    "artifact_uri LIKE 's3://%'",
    "user_id != 'nobody'",
    "dataset.name = 'wine'",
    "datasets.name LIKE 'w%' AND dataset.digest != 'x'",
    "dataset.context = 'training'",
    "dataset.name IN ('rest', 'none')",
    "dataset.context NOT IN ('training')",
)
WRONG = (
    ("metrics.acc = '5'", "'5'"),
    ("metrics.acc LIKE 5", "LIKE 5"),
    ("params.lr = 0.1", "0.1"),
    ("params.lr > '0.1'", "> '0.1'"),
    ("params.lr = '0.1' OR params.lr = '1'", "OR params.lr"),
    ("colour.lr = '1'", "colour.lr"),
    ("attributes.colour = 'red'", "attributes.colour"),
    ("run_name IN ('first')", "('first')"),
    ("status IS NULL", "IS NULL"),
    ("metrics.acc IS NULL", "IS NULL"),
    ("start_time = 'now'", "'now'"),
    ("dataset.colour = 'red'", "dataset.colour"),
    ("params.lr", "its end"),
    ("run_id IN ('a', 1)", "('a', 1)"),
    ("run_id IN ()", "()"),
    ("'x' = params.lr", "'x'"),
)
SLOPPY = (("params.lr = 'a' params.lr = 'b'", "params.lr = 'b'"), ("params.lr = 'a' AND", "its end"))
"""What MLflow takes, and nobody can mean."""


def filters(made: Mapping[str, str]) -> list[str]:
    return [text.replace("{first}", made["first"]).replace("{child}", made["child"]) for text in FILTERS]


def searched(tracking_uri: str, texts: list[str]) -> list[list[str] | None]:
    script = str(Path(__file__).with_name("search_runs.py"))
    environment = os.environ | QUIET | {"MLFLOW_ALLOW_FILE_STORE": "true"}
    command = [sys.executable, script, tracking_uri, json.dumps(texts)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[list[str] | None] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@pytest.mark.parametrize("way", ["database", "files"])
def test_a_filter_finds_the_runs_that_mlflow_finds(ways: Ways, way: str) -> None:
    texts = filters(ways.made)
    url = getattr(ways, way)
    expected = searched(url, [*texts, *(text for text, _ in WRONG)])
    for text, run_ids in zip(texts, expected, strict=False):
        assert sorted(chosen(url, filter=text)) == run_ids, text
    assert any(0 < len(run_ids or ()) < 36 for run_ids in expected)
    assert [run_ids for run_ids in expected[len(texts) :] if run_ids is not None] == []


@pytest.mark.parametrize(("text", "part"), WRONG + SLOPPY)
def test_a_wrong_filter_is_refused_at_its_wrong_part(ways: Ways, text: str, part: str) -> None:
    for url in (ways.database, ways.files):
        with pytest.raises(UsageError) as told:
            extract(mlflow_url=url, filter=text)
        said = str(told.value).partition("can't be understood at ")[2]
        assert part in said.replace('"', "'") and "\n" not in said


def test_a_server_says_itself_what_is_wrong_with_a_filter(ways: Ways) -> None:
    with pytest.raises(UsageError, match=r"the filter 'params.lr > 3' is refused: .*error 400"):
        extract(mlflow_url=ways.http, filter="params.lr > 3")


# ---- What is not there -----------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["database", "files", "http"])
def test_what_is_not_known_is_named_with_what_is_near(ways: Ways, way: str) -> None:
    for words, said in (
        ({"experiment": ["onn"]}, "no experiment 'onn'; near to it are 'one', 'gone'"),
        ({"run": ["firts"]}, "no run 'firts'; near to it is 'first'"),
        ({"model": ["wines"]}, "no model 'wines'; near to it are 'wine', 'copies'"),
        ({"model": ["wine/1"]}, "no model 'wine/1'; near to it is 'wine'"),
        ({"experiment": ["one", "0", "99"]}, "no experiment '99'; see its spelling"),
    ):
        with pytest.raises(UsageError, match=said):
            extract(mlflow_url=getattr(ways, way), **words)


def test_a_selection_of_no_run_is_a_warning(ways: Ways, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), graph(ways.database, until="2001-01-01") as found:
        assert found.count("relation") > 0
    assert "no run of the MLflow store is chosen (until 2001-01-01T00:00:00Z)" in caplog.messages


def test_a_selection_needs_a_store_and_times_in_order() -> None:
    with pytest.raises(UsageError, match="no MLflow store to select from"):
        extract(".", run=["first"])
    with pytest.raises(UsageError, match=r"since .* has to be before until"):
        extract(mlflow_url="./mlruns", since="2024-02-01", until="2024-01-01")
    with pytest.raises(UsageError, match="since is 'soon'"):
        extract(mlflow_url="./mlruns", since="soon")


# ---- What is asked of a server ---------------------------------------------------------------------


def test_one_run_asks_a_server_for_no_list_of_all_runs(ways: Ways, engine: Store) -> None:
    before = len(ways.door.seen)
    read(engine, ways.http, {"runs": [ways.made["trainer"]]}, frozenset({"artifacts", "traces"}))
    paths = [request.path for request in ways.door.seen[before:]]
    assert not [path for path in paths if "runs/search" in path or "experiments/search" in path]
    assert not [path for path in paths if "registered-models/search" in path]
    assert all("filter=" in path for path in paths if "model-versions/search" in path)
    assert len(paths) < 40
