"""A part of a history says what the whole says of it, in the same words."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from git_maker import Repository, text
from random_histories import make
from test_git_several import Records, records
from tests.model.made_stores import run, tags
from tests.sources.mlflow.stores import fill_schema, insert

from mlflow2prov.errors import UsageError
from mlflow2prov.extraction import extract

_IRI = "https://example.org/r#"


def _of_commits(found: Records, shas: set[str]) -> Records:
    """The relations whose activity is one of some commits, but for those to its parents and trees."""
    names = {f"git:Commit.{sha}" for sha in shas}
    chosen = set()
    for name, said in found:
        entry = json.loads(said)
        kinds = ("wasGenerated", "wasInvalidated", "used", "wasDerived", "wasAssociated")
        if name.startswith(kinds) and entry.get("prov:activity") in names:
            chosen.add((name, said))
    return chosen


@pytest.mark.parametrize("seed", range(6))
def test_a_part_of_a_random_history_is_a_part_of_the_whole(seed: int, tmp_path: Path) -> None:
    made = make(tmp_path / "r", range(seed, seed + 1))
    repository, tip = made.repository, len(made.histories[seed]) - 1
    rnd = random.Random(seed)
    whole = records(extract(repository.path, repository_namespace=_IRI), tmp_path)
    log = repository.git("log", "--all", "--format=%ct %H").split("\n")
    times = {sha: int(second) for second, sha in (line.split() for line in log)}
    first, last = sorted(rnd.sample(range(10**9), 2))
    span = {"commits_since": f"{_instant(first)}", "commits_until": f"{_instant(last)}"}
    parts: dict[str, Records] = {}
    for name, options in {
        "time": span,
        "paths": {"paths": ["src/deep", "*/a.py"]},
        "refs": {"refs": [f"h{seed}/{tip}"]},
        "all": {**span, "paths": [":!src"], "refs": ["h[0-9]*/*1", f"heads/h{seed}/{tip}"]},
    }.items():
        graph = extract(repository.path, repository_namespace=_IRI, **options)  # type: ignore[arg-type]
        parts[name] = records(graph, tmp_path)
        assert parts[name] <= whole, name
        assert len(parts[name]) < len(whole), name
    asked = {sha for sha, second in times.items() if first <= second < last}
    assert _of_commits(whole, asked) <= parts["time"]
    commits = {said for name, said in whole if name.startswith("activity git:Commit")}
    assert commits <= {said for _, said in parts["paths"]}


def _instant(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).isoformat()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A file that moves into a folder and changes there, one beside it, and one that goes."""
    made = Repository(tmp_path / "r")
    one = made.commit({"a.py": text(1), "b.py": "b", "gone.py": "g"})
    two = made.commit({"src/a.py": text(1), "b.py": "b", "gone.py": "g"}, one)
    three = made.commit({"src/a.py": text(2), "b.py": "bb"}, two)
    made.git("tag", "v1", two)
    made.commit({"src/a.py": text(2), "b.py": "bb", "side": "s"}, three, branch="side")
    return made


def _revisions(found: Records) -> set[str]:
    return {
        f"{json.loads(said)['m2p:path']} {json.loads(said)['m2p:status']}"
        for name, said in found
        if name.startswith("entity git:FileRevision")
    }


def test_a_file_is_told_of_with_all_that_it_ever_was(repository: Repository, tmp_path: Path) -> None:
    found = records(extract(repository.path, paths=["src"]), tmp_path)
    assert _revisions(found) == {"a.py A", "src/a.py R", "src/a.py M"}
    assert not [name for name, said in found if name.startswith("wasInvalidatedBy")]


def test_a_time_keeps_what_its_commits_need(repository: Repository, tmp_path: Path) -> None:
    since = repository.git("log", "-1", "--format=%cI", "main")
    found = records(extract(repository.path, commits_since=since), tmp_path)
    assert _revisions(found) == {
        *("src/a.py M", "b.py M", "side A"),
        *("src/a.py R", "a.py A", "b.py A", "gone.py A"),
    }
    assert sum(name.startswith("wasInvalidatedBy") for name, _ in found) == 2
    with extract(repository.path, since=since) as shorter, extract(repository.path, until=since) as before:
        assert shorter.count("relation") == extract(repository.path, commits_since=since).count("relation")
        assert before.count("relation") == extract(repository.path, commits_until=since).count("relation")


def test_what_runs_name_is_told_of_in_any_case(repository: Repository, tmp_path: Path) -> None:
    commit = repository.git("rev-parse", "v1")
    connection = fill_schema("3.17.2", tmp_path / "m.db")
    named = {"mlflow__source__git__commit": commit, "mlflow__source__name": "b.py"}
    for table, row in (run("1" * 32), *tags("1" * 32, **named)):
        insert(connection, table, row)
    connection.commit()
    connection.close()
    narrow = {"refs": ["side"], "paths": ["src"], "commits_since": "2030-01-01"}
    graph = extract(repository.path, f"sqlite:///{tmp_path / 'm.db'}", skip=["artifacts"], **narrow)  # type: ignore[arg-type]
    found = records(graph, tmp_path)
    assert _revisions(found) == {"b.py A"}
    (plan,) = [said for name, said in found if name.startswith("wasAssociatedWith") and "prov:plan" in said]
    assert "--b.py" in plan
    settings = list(graph.query("SELECT a.v FROM (SELECT unnest(attributes) AS a FROM {graph}.element)"))
    (said,) = [value for (value,) in settings if "only refs" in value]
    assert said.endswith("only refs: side; only paths: src; only commits since: 2030-01-01")


def test_patterns_that_fit_nothing_and_times_that_are_none(
    repository: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    extract(repository.path, refs=["nothing*"]).close()
    assert "No branch or tag of" in caplog.text and "nothing*" in caplog.text
    assert "has no commits" not in caplog.text
    with pytest.raises(UsageError, match="commits_since"):
        extract(repository.path, commits_since="soon")
    with pytest.raises(UsageError, match=r"^since is"):
        extract(repository.path, since="soon")
    with pytest.raises(UsageError, match="before"):
        extract(repository.path, commits_since="2021-01-01", commits_until="2020-01-01")


def test_it_is_said_that_data_is_left_out_of_a_part(
    repository: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    data = {".gitattributes": "*.bin filter=lfs\n", "x.bin": "x\n"}
    repository.commit({**data, "y.dvc": "outs: []\n"}, repository.commit({"a.py": "1\n"}))
    extract(repository.path, paths=["a.py"]).close()
    assert "what files of DVC say of data is left out" in caplog.text
    assert "what pointers of Git LFS say of data is left out" in caplog.text
    caplog.clear()
    repository.read()
    assert "left out" not in caplog.text


def test_paths_at_which_nothing_ever_stood_are_told(
    repository: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    extract(repository.path, paths=["nowhere/*", "none.py"])
    assert "No file ever stood at nowhere/*, none.py." in caplog.text
    caplog.clear()
    extract(repository.path, paths=["*"])
    assert "ever stood at" not in caplog.text
