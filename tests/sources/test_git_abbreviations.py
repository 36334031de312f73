"""A run may name its commit by its first digits: the one commit that begins with them is meant."""

from __future__ import annotations

import hashlib
import itertools
import logging
from pathlib import Path

import pytest
from git_maker import Repository, text
from tests.cache.test_cache import Made, told
from tests.model.made_stores import run, tags
from tests.sources.joined import linked, of_run, own_model, records, store_of, taking_in

from mlflow2prov import Graph, extract, merge


def commits_of(graph: Graph) -> dict[str, str]:
    """The commit that informed each run, and what the run says of it."""
    rows = graph.sql(
        "SELECT r.run_id, c.sha, r.source_git_commit FROM Run r JOIN wasGeneratedBy g ON g.entity = r.id "
        "JOIN wasInformedBy i ON i.informed = g.activity JOIN Commit c ON c.id = i.informant"
    ).to_pylist()
    assert all(row["sha"] == row["source_git_commit"] for row in rows), rows
    return {row["run_id"]: row["sha"] for row in rows}


def alike(made: Repository, parent: str) -> tuple[str, str]:
    """Two commits of the same first seven digits, on a parent; no ref reaches them."""
    tree = made.tree({"train.py": text(9)})
    people = "Ada Lovelace <ada@example.org> 1600000900 +0000"
    start = f"tree {tree}\nparent {parent}\nauthor {people}\ncommitter {people}\n\n"
    seen: dict[str, bytes] = {}
    for number in itertools.count():
        content = f"{start}number {number}\n".encode()
        name = hashlib.sha1(b"commit %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        other = seen.setdefault(name[:7], content)
        if other is not content:
            return made.write("commit", other), made.write("commit", content)
    raise AssertionError


@pytest.fixture
def made(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "code")


def test_the_digits_stand_for_the_whole_name(made: Repository, tmp_path: Path) -> None:
    one = made.commit({"train.py": text(1), "wine.csv": "a,b\n"})
    two = made.commit({"train.py": text(2), "wine.csv": "a,b\n"}, one)
    lost = made.commit({"train.py": text(3)}, one, branch=None)
    blob = made.git("rev-parse", f"{one}:train.py")
    spelled = {
        "seven": one[:7],
        "capitals": one[:12].upper(),
        "padded": f" {two[:39]}\n",
        "full": two,
        "lost": lost[:8],
        "short": one[:6],
        "longer": f"{one[:8]}{'0' if one[8] != '0' else '1'}",
        "content": blob[:10],
        "branch": "main",
        "dashes": f"{one[:7]}-dirty",
    }
    rows = [row for name, commit in spelled.items() for row in of_run(name, commit, "train.py")]
    rows += of_run(
        "changed", two[:9], "train.py", mlflow__source__git__dirty="true", mlflow__source__git__diff="+1"
    )
    rows += taking_in([("wine", "d1", '{"uri": "wine.csv"}')], "seven", "padded")
    rows += own_model(two[:10], "-2")
    url = store_of(tmp_path, *rows)
    expected = {"seven": one, "capitals": one, "padded": two, "full": two, "changed": two}
    with extract(made.path, url) as together:
        assert commits_of(together) == {**expected, "lost": lost}
        names = [local for (local,) in together.query("SELECT local FROM {graph}.name")]
        ran = together.sql("SELECT count(*) AS runs FROM used WHERE role = 'm2p:EntryPoint'").to_pylist()
        assert ran == [{"runs": 6}]
        assert f"SourceTree.{two}" in names
        assert together.sql("SELECT DISTINCT commit FROM WorkTreeDiff").to_pylist() == [{"commit": two}]
        assert together.sql(
            "SELECT model_id FROM LoggedModel WHERE source_git_commit = '" + two + "'"
        ).to_pylist() == [{"model_id": "m-own"}]
    made.git("update-ref", "refs/heads/lost", lost)
    with extract(made.path, url) as together, linked(made.path, url) as apart:
        assert commits_of(apart) == {**expected, "lost": lost}
        assert records(together) == records(apart)
        with extract(mlflow_url=url) as store, merge([together, store]) as both, both.link() as again:
            assert records(again)[1] == records(together)[1]


def test_several_commits_are_none_and_that_is_said(
    made: Repository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = made.commit({"train.py": text(1)})
    first, second = alike(made, one)
    url = store_of(tmp_path, *of_run("x1", first[:7], "train.py"), *of_run("x2", first[:12], "train.py"))

    def found(*others: Path) -> dict[str, str]:
        caplog.clear()
        with caplog.at_level(logging.WARNING), extract([made.path, *others], url) as graph:
            return commits_of(graph)

    def is_said() -> bool:
        return f"{first[:7]} ({', '.join(sorted([first, second]))})" in caplog.text

    assert found() == {"x2": first}
    assert is_said() and "mlflow.source.git.commit" in caplog.text
    made.git("update-ref", "refs/heads/main", first)
    assert found() == {"x1": first, "x2": first}
    assert not is_said()
    fork = Repository(tmp_path / "fork")
    fork.git("fetch", "-q", str(made.path), "main")
    fork.git("update-ref", "refs/heads/fork", fork.write("commit", _raw(made, second)))
    assert found(fork.path) == {"x2": first}
    assert is_said()
    caplog.clear()
    apart = [extract(made.path), extract(fork.path), extract(mlflow_url=url)]
    with merge(apart) as both, both.link() as linked_later:
        assert commits_of(linked_later) == {"x2": first}
    assert is_said()


def _raw(made: Repository, commit: str) -> bytes:
    return made.git("cat-file", "commit", commit).encode() + b"\n"


def test_digits_are_looked_for_in_all_repositories(made: Repository, tmp_path: Path) -> None:
    made.commit({"a.py": "1"})
    other = Repository(tmp_path / "other")
    there = other.commit({"train.py": text(1)})
    modern = Repository(tmp_path / "modern", "--object-format=sha256")
    wide = modern.commit({"train.py": text(2)})
    rows = [row for sha in (there, wide) for row in of_run(sha[:3] + "x", sha[:9], "train.py")]
    with extract([made.path, other.path, modern.path], store_of(tmp_path, *rows)) as graph:
        assert sorted(commits_of(graph).values()) == sorted([there, wide])


def test_forty_digits_are_a_part_of_a_name_of_sixty_four(made: Repository, tmp_path: Path) -> None:
    old = made.commit({"train.py": text(1)})
    modern = Repository(tmp_path / "modern", "--object-format=sha256")
    wide = modern.commit({"train.py": text(2)})
    named = {"full": old, "forty": wide[:40], "more": wide[:63], "all": wide, "none": wide[:39] + "g"}
    rows = [row for name, commit in named.items() for row in of_run(name, commit, "train.py")]
    url = store_of(tmp_path, *rows, *of_run("other", wide[1:41], "train.py"))
    expected = {"full": old, "forty": wide, "more": wide, "all": wide}
    paths = [made.path, modern.path]
    with (
        extract(paths, url) as together,
        extract(paths) as git,
        extract(mlflow_url=url) as store,
        merge([store, git]) as both,
        both.link() as apart,
    ):
        assert commits_of(together) == commits_of(apart) == expected
        assert records(together) == records(apart)


def test_a_cache_follows_what_digits_mean(tmp_path: Path) -> None:
    store = Made(tmp_path)
    made = Repository(tmp_path / "code")
    one = made.commit({"train.py": text(1)})
    first, second = alike(made, one)
    made.git("update-ref", "refs/heads/first", first)
    named = {"mlflow__source__git__commit": first[:7], "mlflow__source__name": "train.py"}
    options = {"repository_path": made.path}
    for number in range(20):
        store.insert(run(f"{number:032}"))
    store.insert(*tags("ab" * 16, **named))
    assert commits_of(store.cached(**options)) == {"ab" * 16: first}
    store.insert(run("cd" * 16), *tags("cd" * 16, **named))
    assert told(store.cached(**options)) == told(store.extract(**options))
    made.git("update-ref", "refs/heads/second", second)
    assert commits_of(store.cached(**options)) == {}
    assert told(store.cached(**options)) == told(store.extract(**options))
    made.git("update-ref", "-d", "refs/heads/first")
    graph = store.cached(**options)
    assert commits_of(graph) == {"ab" * 16: second, "cd" * 16: second}
    store.connection.close()
    store.store.close()
