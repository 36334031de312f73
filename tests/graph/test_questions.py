"""The shipped questions, answered on the demo project, against what the script that made it knows."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.questions_graph import make_sources, parameters
from prov.model import ProvDocument
from tests.conftest import DemoProject
from tests.sources.data_files import MD5, lock, stage, tracked
from tests.sources.git_maker import Repository
from tests.sources.joined import of_run, own_model, store_of, taking_in

from mlflow2prov import Graph, extract, merge
from mlflow2prov.errors import UsageError
from mlflow2prov.graph.questions import PIECES, REFERENCE_TYPES, Question, questions, types_in
from mlflow2prov.model.terms import TYPES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def graph(demo_project: DemoProject) -> Graph:
    return extract(demo_project.repository, f"sqlite:///{demo_project.database}")


@pytest.fixture(scope="module")
def truth(demo_project: DemoProject) -> dict[str, Any]:
    return demo_project.truth


def column(graph: Graph, question: str, name: str, **parameters: str) -> list[Any]:
    return [row[name] for row in graph.ask(question, **parameters).to_pylist()]


def versions(truth: dict[str, Any], *, alive: bool = True) -> dict[str, dict[str, Any]]:
    return {
        f"{one['name']} v{one['version']}": one
        for one in truth["mlflow"]["model_versions"]
        if not (alive and one["deleted"])
    }


def runs(truth: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {run["run_id"]: run for run in truth["mlflow"]["runs"]}


def past(truth: dict[str, Any], sha: str) -> set[str]:
    """A commit and all commits before it."""
    parents = {commit["sha"]: commit["parents"] for commit in truth["git"]["commits"]}
    found, waiting = set(), [sha]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += parents[one]
    return found


def live(truth: dict[str, Any]) -> set[str]:
    return {
        f"{model['name']} v{number}"
        for model in truth["mlflow"]["registered_models"]
        for number in model["aliases"].values()
    }


def test_there_are_enough_and_each_is_declared_whole() -> None:
    assert len(questions()) >= 25
    for name, question in questions().items():
        assert question.title.endswith("?"), name
        assert set(question.about) <= types_in(question.sql) | set(TYPES)
        assert types_in(question.sql) <= set(TYPES), name
        for parameter in question.parameters:
            assert f"${parameter.name}" in question.sql + "".join(
                walk.begin for walk in question.walks.values()
            )
    assert all(types_in(piece) <= set(TYPES) for piece in PIECES.values())


@pytest.mark.parametrize("question", questions().values(), ids=lambda question: question.name)
def test_the_answer_has_the_columns_that_are_declared_also_where_there_is_nothing(
    question: Question,
) -> None:
    needed = [one for one in question.parameters if one.default is None and not one.may_be_missing]
    given = {one.name: one.example for one in needed}
    if any(one.kind in REFERENCE_TYPES for one in needed):
        with Graph.empty() as empty, pytest.raises(UsageError, match="nothing is called"):
            empty.ask(question.name, **given)
        return
    with Graph.empty() as empty:
        table = empty.ask(question.name, **given)
        assert table.column_names == list(question.columns)
        assert table.num_rows == 0


def test_the_page_of_questions_has_the_answers_of_the_demo(graph: Graph) -> None:
    spec = importlib.util.spec_from_file_location("generate_questions", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.questions_page(graph)
    assert (ROOT / "docs/reference/questions.md").read_text("utf-8") == page, "run: docs/generate.py demo"
    for name, question in questions().items():
        assert f"### {name}\n\n{question.title}" in page


def test_which_models_are_live(graph: Graph, truth: dict[str, Any]) -> None:
    assert set(column(graph, "live-models", "model")) == live(truth)


def test_which_file_version_made_each_model(graph: Graph, truth: dict[str, Any]) -> None:
    for version in versions(truth).values():
        run = runs(truth)[version["run_id"]]
        (row,) = graph.ask(
            "file-version-of-model", model=f"models:/{version['name']}/{version['version']}"
        ).to_pylist()
        assert (row["path"], row["run_id"]) == (run["entry_point"], run["run_id"])
        assert run["commit"].startswith(row["commit"])


def test_which_files_ran_for_each_model_and_whether_the_tree_was_dirty(
    demo_project: DemoProject, truth: dict[str, Any]
) -> None:
    options = {"skip": ["artifacts"], "follow_imports": True}
    graph = extract(demo_project.repository, f"sqlite:///{demo_project.database}", **options)
    ran = defaultdict[str, set[str]](set)
    for name, version in versions(truth, alive=False).items():
        run = runs(truth)[version["run_id"]]
        rows = graph.ask("code-of-model", model=f"models:/{version['name']}/{version['version']}").to_pylist()
        told = {(row["role"], row["path"]) for row in rows}
        assert ("EntryPoint", run["entry_point"]) in told
        assert {row["work_tree"] for row in rows} == {run["work_tree"]}
        for _, path in told:
            ran[path].add(name)
    assert ran["src/tracking.py"], "the scripts import it"
    for path, names in ran.items():
        answer = graph.ask("runs-of-file", file=path).to_pylist()
        assert {name for row in answer for name in row["models"] or ()} == names
    trees = Counter(column(graph, "work-trees", "work_tree"))
    assert trees == Counter(run["work_tree"] for run in runs(truth).values())
    assert trees["dirty"]


def test_a_model_of_no_run_has_the_work_tree_that_it_was_made_in(tmp_path: Path) -> None:
    made = Repository(tmp_path / "code")
    commit = made.commit({"train.py": "1"})
    with extract(made.path, store_of(tmp_path, *own_model(commit, "diff --git a/x b/x"))) as graph:
        rows = graph.ask("work-trees").to_pylist()
    own = [row for row in rows if row["work_tree"] == "dirty"]
    assert [(row["made_by"], row["commit"]) for row in own] == [("n m-own", commit[:7])]


def test_which_models_used_each_dataset(graph: Graph, truth: dict[str, Any]) -> None:
    used = {one["digest"] for run in runs(truth).values() for one in run["datasets"]}
    assert len(used) > 4
    for dataset in sorted(used):
        expected = {
            name
            for name, version in versions(truth, alive=False).items()
            if any(one["digest"] == dataset for one in runs(truth)[version["run_id"]]["datasets"])
        }
        assert set(column(graph, "models-of-dataset", "model", dataset=dataset)) == expected


def test_which_versions_of_data_in_the_repository_a_model_was_made_with(tmp_path: Path) -> None:
    made = Repository(tmp_path / "code")
    split = lock(stage("split", "python split.py", {"raw.csv": "a"}, {"data/train": "b"}))
    one = made.commit({"raw.csv.dvc": tracked("raw.csv", "a"), "dvc.lock": split, "small.csv": "1,2"})
    two = made.commit({"raw.csv.dvc": tracked("raw.csv", "c"), "dvc.lock": split, "small.csv": "3,4"}, one)
    places = ("data/train/part.csv", "raw.csv", "small.csv", "https://example.org/raw.csv")
    named = [(place, "d", json.dumps({"uri": place})) for place in places]
    model = {
        "name": "grape",
        "version": 1,
        "creation_time": 3,
        "source": "s",
        "run_id": "r",
        "status": "READY",
    }
    rows = [*of_run("r", two, "train.py"), *taking_in(named, "r")]
    rows += [("registered_models", {"name": "grape", "creation_time": 1}), ("model_versions", model)]
    with extract(made.path, store_of(tmp_path, *rows)) as graph:
        answer = graph.ask("data-versions-of-model", model="models:/grape/1").to_pylist()
    blob = made.git("rev-parse", f"{two}:small.csv")
    assert [tuple(row.values()) for row in answer] == [
        ("data/train/part.csv", None, "data/train", one[:7], MD5["b"], "split", "folder"),
        ("raw.csv", None, "raw.csv", two[:7], MD5["c"], None, "path"),
        ("small.csv", None, "small.csv", two[:7], blob, None, "path"),
    ]


def test_which_live_models_contain_each_commit(graph: Graph, truth: dict[str, Any]) -> None:
    for commit in truth["git"]["commits"]:
        expected = {
            name
            for name in live(truth)
            if commit["sha"] in past(truth, runs(truth)[versions(truth)[name]["run_id"]]["commit"])
        }
        assert set(column(graph, "live-models-with-commit", "model", commit=commit["sha"])) == expected


def test_which_runs_failed_before_a_success(graph: Graph, truth: dict[str, Any]) -> None:
    failed = {run["run_id"] for run in truth["mlflow"]["runs"] if run["status"] == "FAILED"}
    assert set(column(graph, "failed-runs", "run_id")) == failed
    success = next(run for run in runs(truth).values() if run["commit"].startswith("4089fa5"))
    assert set(column(graph, "failures-before-success", "run_id", run=success["run_id"])) == failed
    later = next(run for run in runs(truth).values() if run["commit"].startswith("0671967"))
    assert column(graph, "failures-before-success", "run_id", run=later["run_id"]) == []


def test_what_was_deleted(graph: Graph, truth: dict[str, Any]) -> None:
    rows = graph.ask("deletions").to_pylist()
    counts = {kind: sum(row["type"] == kind for row in rows) for kind in ("Run", "File", "Experiment")}
    git, mlflow = truth["counts"]["git"], truth["counts"]["mlflow"]
    assert counts == {
        "Run": mlflow["deleted_runs"],
        "File": git["deleted"],
        "Experiment": mlflow["deleted_experiments"],
    }
    assert {row["person"] for row in rows if row["type"] == "File"} == {"Chloé Durand", "Ada Lindqvist"}
    assert {row["person"] for row in rows if row["type"] == "Run"} == {None}


def test_lead_times_are_from_the_commit_on(graph: Graph, truth: dict[str, Any]) -> None:
    rows = graph.ask("lead-time").to_pylist()
    assert {row["model"] for row in rows} == set(versions(truth, alive=False))
    for row in rows:
        seconds = (row["registered"] - row["committed"]).total_seconds()
        assert row["days"] == pytest.approx(seconds / 86400, abs=0.001)


def test_who_contributed_to_the_script_of_the_best_run(graph: Graph, truth: dict[str, Any]) -> None:
    (row,) = graph.ask("contributors-of-best-run", metric="best accuracy").to_pylist()
    assert (row["person"], row["revisions"], row["share"]) == ("Chloé Durand", 2, 100.0)


def test_what_differs_in_commits_between_two_versions(graph: Graph, truth: dict[str, Any]) -> None:
    both = [runs(truth)[versions(truth)[f"wine-candidate v{n}"]["run_id"]]["commit"] for n in (3, 1)]
    expected = past(truth, both[0]) - past(truth, both[1])
    found = column(
        graph,
        "commits-between-models",
        "commit",
        model="models:/wine-candidate/3",
        other="models:/wine-candidate/1",
    )
    assert {sha[:7] for sha in expected} == set(found)


def test_champions_are_of_a_time(graph: Graph) -> None:
    assert column(graph, "champion-at", "model", time="1999-01-01") == []
    assert column(graph, "champion-at", "model", time="2999-01-01") == [
        "wine-candidate v3",
        "wine-production v1",
    ]
    models = column(graph, "champion-at", "model", time="2999-01-01", alias="challenger")
    assert models == ["wine-candidate v4"]


@pytest.mark.parametrize(("below", "expected"), [("1.4", 0), ("1.4.0", 0), ("1.4.3", 1), ("1.10", 1)])
def test_versions_of_packages_are_compared_as_numbers(below: str, expected: int) -> None:
    with Graph.from_prov(_with_environment("scikit-learn==1.4.2")) as graph:
        rows = graph.ask("models-with-package-below", package="Scikit_Learn", below=below).to_pylist()
    assert len(rows) == expected


def test_data_that_was_both_trained_with_and_judged_by_is_found() -> None:
    document = _with_environment("numpy==1")
    data = document.entity(
        "m:d", {"prov:type": document.valid_qualified_name("m2p:Dataset"), "prov:label": "d"}
    )
    for role in ("training", "test"):
        word = document.valid_qualified_name(f"m2p:{role}")
        document.used("m:c", data, other_attributes={"prov:role": word})
    with Graph.from_prov(document) as graph:
        (row,) = graph.ask("evaluated-on-training-data").to_pylist()
        assert (row["training_runs"], row["evaluation_runs"], row["roles"]) == (1, 1, ["test"])
        with merge([graph, graph]) as twice:
            assert twice.ask("evaluated-on-training-data").to_pylist() == [row]


def _with_environment(requirement: str) -> ProvDocument:
    """A version of a model, whose run used one environment, with prefixes of its own."""
    document = ProvDocument()
    document.add_namespace("m2p", "https://w3id.org/mlflow2prov#")
    document.add_namespace("m", "http://models.example.org/")
    word = document.valid_qualified_name
    run = document.entity("m:r", {"prov:type": word("m2p:Run"), "m2p:run_id": "r"})
    version = document.entity("m:v", {"prov:type": word("m2p:RegisteredModelVersion"), "prov:label": "v"})
    document.activity("m:c", other_attributes={"prov:type": word("m2p:Creation")})
    document.activity("m:k", other_attributes={"prov:type": word("m2p:Creation")})
    document.entity("m:e", {"prov:type": word("m2p:Environment"), "m2p:requirements": requirement})
    document.wasGeneratedBy(run, "m:c")
    document.wasGeneratedBy(version, "m:k")
    document.wasInformedBy("m:k", "m:c")
    document.used("m:c", "m:e")
    return document


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("live-model", {}, "the nearest are: live-models"),
        ("live-models", {"x": "1"}, "has no parameter 'x': it takes none"),
        ("models-of-dataset", {}, "needs the parameter dataset"),
        ("models-of-dataset", {"dataset": "src/train.py"}, "has to be a dataset; 'src/train.py' is"),
        ("models-of-dataset", {"dataset": "wine-trains"}, "the nearest are: wine-train"),
        ("champion-at", {"time": "noon"}, "is no date or instant"),
        ("best-runs", {"metric": "r2", "rows": "0"}, "a whole number from 1 on"),
        ("best-runs", {"metric": "r2", "best": "middle"}, "there is: highest, lowest"),
        ("models-with-package-below", {"package": "x", "below": "new"}, "is no version"),
    ],
)
def test_what_is_wrong_is_said(graph: Graph, name: str, parameters: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        graph.ask(name, **parameters)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlflow2prov", *arguments], capture_output=True, encoding="utf-8"
    )


def test_questions_chain_on_the_command_line(graph: Graph, tmp_path: Path) -> None:
    file = str(graph.save(tmp_path / "wine"))
    done = command(
        *("load", "--input", file, "ask", "--format", "json", "failed-runs", "ask", "live-models"),
        *("--output", str(tmp_path / "live.csv"), "ask", "--list"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    listed = done.stdout.index("name ")
    assert [row["status"] for row in json.loads(done.stdout[:listed])] == ["FAILED"]
    assert len(done.stdout[listed:].splitlines()) == 2 + len(questions())
    assert (tmp_path / "live.csv").read_text("utf-8").startswith("model,aliases,stage,run,commit\n")


def test_a_foreign_document_has_no_answer_and_it_is_said(tmp_path: Path) -> None:
    file = tmp_path / "foreign.provn"
    file.write_text("document\nprefix ex <http://example.org/>\nentity(ex:a)\nendDocument\n")
    done = command("load", "--input", str(file), "ask", "failed-runs", "--format", "json")
    assert (done.returncode, done.stdout) == (0, "[]\n")
    assert "nothing in" in done.stderr
    assert "is of type Run" in done.stderr


@pytest.mark.parametrize(
    "given",
    [
        ("ask", "nothing"),
        ("ask", "best-runs"),
        ("ask", "best-runs", "--param", "metric"),
        ("ask", "--param", "a=b"),
    ],
)
def test_wrong_usage_is_found_before_anything_is_read(given: tuple[str, ...]) -> None:
    done = command("load", "--input", "nowhere.json", *given)
    assert done.returncode == 2
    assert "nowhere" not in done.stderr
    assert "Traceback" not in done.stderr


# ---- on a large graph ------------------------------------------------------------------------------


LIMIT_S, OVERHEAD_S = 2.0, 0.5
"""The CPU that a question may take for a million records, and that it takes for none."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """A graph of some 250,000 records: runs of a script at commits of a long history with merges."""
    with extract(*make_sources(tmp_path_factory.mktemp("large"), commits=1000, runs=240)) as graph:
        yield graph


def test_every_question_is_answered_in_time_on_a_large_graph(large: Graph) -> None:
    records = large.count("element") + large.count("relation")
    assert records > 200_000
    answered, took = set[str](), dict[str, float]()
    for name, given in parameters(large).items():
        before = time.process_time()
        answered |= {name} if large.ask(name, **given).num_rows else set()
        took[name] = time.process_time() - before
    limit = OVERHEAD_S + LIMIT_S * records / 1e6
    assert {name: seconds for name, seconds in took.items() if seconds > limit} == {}
    assert {"live-models-with-commit", "models-of-file", "contributors-of-best-run", "lead-time"} <= answered
