"""Several repositories in one extraction: each thing once, refs apart, and runs where their commits are."""

from __future__ import annotations

import json
import logging
import subprocess
from pathlib import Path
from typing import Any

import pytest
from git_maker import Repository, text
from tests.model.made_stores import run, tags
from tests.sources.mlflow.stores import fill_schema, insert

from mlflow2prov.errors import UsageError
from mlflow2prov.extraction import extract
from mlflow2prov.graph.graph import Graph
from mlflow2prov.pipeline import merge

Records = set[tuple[str, str]]
BOB = b"Bob <bob@example.org>"


def records(graph: Graph, folder: Path) -> Records:
    """Every element with its attributes and every relation with its own, without what tells of the making."""
    graph.save(folder / "records.json")
    made = json.loads((folder / "records.json").read_bytes())
    found: Records = set()
    for kind, entries in made.items():
        if kind == "prefix":
            continue
        for name, entry in entries.items():
            said = json.dumps(entry, sort_keys=True)
            if not any(word in name + said for word in ("Extraction.", "Repository.")):
                found.add((f"{kind} {name if not name.startswith('_:') else ''}", said))
    return found


@pytest.fixture
def both(tmp_path: Path) -> tuple[Repository, Repository]:
    """A repository and a fork of it, each of which went on."""
    one = Repository(tmp_path / "one")
    first = one.commit({"a.py": text(1), ".mailmap": "Ada King <ada@example.org>\n"})
    second = one.commit({"a.py": text(2), ".mailmap": "Ada King <ada@example.org>\n"}, first)
    one.git("tag", "v1", second)
    subprocess.run(["git", "clone", "-q", "--bare", str(one.path), str(tmp_path / "fork")], check=True)
    fork = Repository(tmp_path / "fork")
    fork.git("remote", "remove", "origin")
    one.commit({"b.py": text(2), ".mailmap": "Ada King <ada@example.org>\n"}, second)
    fork.commit({"a.py": text(2), "c.py": text(2, 3), ".mailmap": "Ada King <ada@example.org>\n"}, second)
    return one, fork


def test_together_they_are_what_their_extractions_merged_are(
    both: tuple[Repository, Repository], tmp_path: Path
) -> None:
    one, fork = both
    other = Repository(tmp_path / "other")
    other.commit({"x": "1"}, other.commit({"y": "1"}, author=BOB), author=BOB)
    iris = [f"https://example.org/{name}#" for name in ("one", "fork", "other")]
    paths = [each.path for each in (one, fork, other)]
    single = [extract(path, repository_namespace=iri) for path, iri in zip(paths, iris, strict=True)]
    together = extract(paths, repository_namespace=iris)
    assert records(together, tmp_path) == records(merge(single), tmp_path)
    names = [local for (local,) in together.query("SELECT local FROM {graph}.name")]
    commits = [name for name in names if name.startswith("Commit.")]
    assert len(commits) == len(set(commits)) == 2 + 1 + 1 + 2


def test_refs_have_a_namespace_for_each_repository(
    both: tuple[Repository, Repository], tmp_path: Path
) -> None:
    paths = [each.path for each in both]
    graph = extract(paths)
    graph.save(tmp_path / "both.json")
    made: dict[str, Any] = json.loads((tmp_path / "both.json").read_bytes())
    assert made["prefix"]["repo"].endswith(f"{paths[0]}#")
    assert made["prefix"]["repo2"].endswith(f"{paths[1]}#")
    for prefix in ("repo", "repo2"):
        for word in ("Branch.main--", "Tag.v1--", "Repository."):
            assert sum(name.startswith(f"{prefix}:{word}") for name in made["entity"]) == 1, word
    used = [each for each in made["used"].values() if each["prov:activity"].startswith("extraction:")]
    assert {each["prov:entity"].split(".")[0] for each in used} == {"repo:Repository", "repo2:Repository"}
    same = extract([paths[0], paths[0]])
    assert records(same, tmp_path) == records(extract(paths[0]), tmp_path)


def _store(folder: Path, commits: dict[str, str], source: str) -> str:
    """The URL of a store with a run for each commit."""
    file = folder / "runs.db"
    connection = fill_schema("3.17.2", file)
    for run_id, commit in commits.items():
        named = {"mlflow__source__git__commit": commit, "mlflow__source__name": source}
        for table, row in (run(run_id), *tags(run_id, **named)):
            insert(connection, table, row)
    connection.commit()
    connection.close()
    return f"sqlite:///{file}"


def _plans(graph: Graph, folder: Path) -> set[str]:
    graph.save(folder / "plans.json")
    made = json.loads((folder / "plans.json").read_bytes())
    found = (each.get("prov:plan") for each in made["wasAssociatedWith"].values())
    return {plan for plan in found if plan}


@pytest.mark.parametrize("with_cache", [False, True])
def test_a_run_finds_its_commit_in_the_repository_that_has_it(
    with_cache: bool, both: tuple[Repository, Repository], tmp_path: Path
) -> None:
    other = Repository(tmp_path / "other")
    there = other.commit({"sub/a.py": text(5)})
    first, tip = both[0].git("rev-parse", "v1~1"), both[1].git("rev-parse", "main")
    commits = {"1" * 32: there, "2" * 32: first, "3" * 32: tip}
    source = str(other.path / "sub" / "a.py")
    url = _store(tmp_path, commits, source)
    cache = {"cache": tmp_path / "cache.duckdb"} if with_cache else {}
    paths = [both[0].path, both[1].path, other.path]
    made = extract(paths, url, skip=["artifacts"], **cache)
    a = both[1].git("log", "-1", "--format=%H", "main", "--", "a.py")
    expected = {f"git:FileRevision.{there}--sub-2Fa.py"}
    expected |= {f"git:FileRevision.{first}--a.py", f"git:FileRevision.{a}--a.py"}
    assert _plans(made, tmp_path) == expected
    if with_cache:
        other.commit({"sub/a.py": text(6)}, there)
        both[0].git("tag", "v2")
        again = records(extract(paths, url, skip=["artifacts"], **cache), tmp_path)
        assert again == records(extract(paths, url, skip=["artifacts"]), tmp_path)
        assert any("Tag.v2--" in name for name, _ in again)
        with pytest.raises(UsageError, match="another Git repository"):
            extract(paths[:2], url, skip=["artifacts"], **cache)


def test_a_shallow_one_goes_on_where_another_has_the_rest(
    both: tuple[Repository, Repository], tmp_path: Path
) -> None:
    whole = both[0]
    arguments = ["--bare", "--depth=1", whole.path.as_uri(), str(tmp_path / "shallow")]
    subprocess.run(["git", "clone", "-q", *arguments], check=True)
    iri = "https://example.org/one#"
    shallow = tmp_path / "shallow"
    alone = extract(whole.path, repository_namespace=iri)
    for paths in ([shallow, whole.path], [whole.path, shallow]):
        together = extract(paths, repository_namespace=[iri, iri])
        assert records(together, tmp_path) == records(alone, tmp_path)


def test_object_names_of_two_algorithms(both: tuple[Repository, Repository], tmp_path: Path) -> None:
    newer = Repository(tmp_path / "newer:odd", "--object-format=sha256")
    sha = newer.commit({"n.py": text(1)})
    graph = extract([both[0].path, newer.path, both[1].path])
    commits = [
        local for (local,) in graph.query("SELECT local FROM {graph}.name WHERE local LIKE 'Commit.%'")
    ]
    assert len(commits) == 5 and f"Commit.{sha}" in commits


def test_a_colon_in_a_path_and_an_empty_one(
    both: tuple[Repository, Repository], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = tmp_path / 'a:"b'
    both[1].path.rename(odd)
    Repository(tmp_path / "empty")
    with caplog.at_level(logging.WARNING):
        graph = extract([both[0].path, odd, tmp_path / "empty"])
    assert "empty has no commits" in caplog.text
    found = graph.query("SELECT count(*) FROM {graph}.name WHERE local LIKE 'Commit.%'")
    assert list(found) == [(4,)]


def test_namespaces_have_to_fit(both: tuple[Repository, Repository]) -> None:
    with pytest.raises(UsageError, match="1 namespaces are given for 2 repositories"):
        extract([each.path for each in both], repository_namespace="https://example.org/x#")
