"""What is asked for of a Git history beyond what is always read, with a cache and without."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cache.test_cache import Made, elements, relations, told
from tests.model.made_stores import run, tags
from tests.sources.git_maker import Repository, text

from mlflow2prov.errors import UsageError
from mlflow2prov.prov.namespaces import GIT


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Made]:
    made = Made(tmp_path)
    yield made
    made.connection.close()
    made.store.close()


def test_a_cache_follows_copies_and_the_members_of_trees(store: Made) -> None:
    repository = Repository(store.folder / "code")
    first = repository.commit({"train.py": text(1), "src/a/x": "1", "src/b/y": "1"})
    options: dict[str, Any] = {"repository_path": repository.path, "find_copies": True, "tree_members": True}

    def at(commit: str, source: str = "train.py") -> dict[str, str]:
        return {"mlflow__source__git__commit": commit, "mlflow__source__name": source}

    store.insert(*tags("ab" * 16, **at(first)))
    store.cached(**options)
    store.insert(run("cd" * 16), *tags("cd" * 16, **at(first)))
    assert told(store.cached(**options)) == told(store.extract(**options))
    second = repository.commit(
        {"train.py": text(2), "copy.py": text(1), "src/a/x": "2", "src/b/y": "1"}, first
    )
    store.insert(run("ef" * 16), *tags("ef" * 16, **at(second)))
    graph = store.cached(**options)
    assert told(graph) == told(store.extract(**options))
    revisions = elements(graph, "FileRevision")
    assert revisions[f"{GIT}FileRevision.{second}--copy.py"]["status"] == "C"
    assert {body["path"] for body in elements(graph, "SourceFolder").values()} == {"src", "src/a", "src/b"}
    assert len(elements(graph, "SourceFolder")) == 5
    copied = f"{GIT}SourceTree.{second}", f"{GIT}FileRevision.{second}--copy.py"
    assert copied in relations(graph, "hadMember")
    store.sql(
        "UPDATE tags SET value = ? WHERE key = 'mlflow.source.git.commit' AND run_uuid = ?", first, "ef" * 16
    )
    moved, full = store.cached(**options), store.extract(**options)
    assert len(elements(moved, "SourceFolder")) == 3
    for kind in ("File", "FileRevision", "SourceFolder", "SourceTree"):
        assert elements(moved, kind) == elements(full, kind)
    of_git = [{row for row in relations(graph, "hadMember") if GIT in row[0]} for graph in (moved, full)]
    assert of_git[0] == of_git[1] and of_git[0]


def test_a_cache_is_refused_that_was_made_of_other_parts_of_the_history(store: Made) -> None:
    repository = Repository(store.folder / "code")
    repository.commit({"a": "1"})
    store.cached(repository_path=repository.path)
    with pytest.raises(
        UsageError, match=r"was made with another choice of history \(none instead of copies\)"
    ):
        store.cached(repository_path=repository.path, find_copies=True)


def test_the_command_line_finds_copies(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "code")
    one = repository.commit({"a": text(1)})
    repository.commit({"a": text(2), "b": text(1)}, one)
    command = [
        sys.executable,
        "-m",
        "mlflow2prov",
        "extract",
        "--repository_path",
        str(repository.path),
        "--find-copies",
    ]
    done = subprocess.run(
        [*command, "save", "--output", "-"], capture_output=True, encoding="utf-8", check=True
    )
    assert '"m2p:status": "C"' in done.stdout or '"m2p:status":"C"' in done.stdout
    assert "copies: 50 %" in done.stdout


def test_a_cache_names_things_anew_where_the_repository_comes_from_elsewhere(store: Made) -> None:
    made = Repository(store.folder / "code")
    commit = made.commit({"train.py": "1"})
    store.insert(
        *tags("ab" * 16, mlflow__source__git__commit=commit, mlflow__source__name="train.py"),
        *(run(f"{number:032}") for number in range(20)),
    )
    for url in ("git@github.com:ada/wine", "git@github.com:eve/wine", ""):
        made.git("config", *(["remote.origin.url", url] if url else ["--unset", "remote.origin.url"]))
        cached = store.cached(repository_path=made.path)
        assert told(cached) == told(store.extract(repository_path=made.path))


def test_a_query_sees_what_the_latest_extraction_made_of_the_cache(store: Made) -> None:
    for number in range(20):
        store.insert(run(f"{number:032}"))
    for name in ("first", "second"):
        store.sql("UPDATE runs SET name = ? WHERE run_uuid = ?", name, "ab" * 16)
        found = store.cached().sql(f"SELECT name FROM Run WHERE run_id = '{'ab' * 16}'").to_pylist()
        assert found == [{"name": name}]
