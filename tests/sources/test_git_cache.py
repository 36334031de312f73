"""A Git history is read again with a cache: Git shows new commits alone, and the bytes are those of a full reading."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from git_maker import Repository, text
from random_histories import Made, make

from mlflow2prov import extract
from mlflow2prov.cache import git_memory
from mlflow2prov.errors import SourceError
from mlflow2prov.sources.git_program import Git


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The commits whose changes Git is asked to show."""
    asked: set[str] = set()
    running = Git.running

    def noting(git: Git, *arguments: str, lines: Iterable[bytes] = ()) -> Any:
        given = list(lines)
        if arguments[0] == "log":
            asked.update(line.decode() for line in given)
        return running(git, *arguments, lines=given)

    monkeypatch.setattr(Git, "running", noting)
    return asked


def saved(folder: Path, repository: Path, **options: Any) -> bytes:
    graph = extract(repository_path=repository, **options)
    graph.save(folder / "graph.json")
    return (folder / "graph.json").read_bytes()


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("histories") / "r", range(2))


def some_other_refs(rnd: random.Random, repository: Repository, histories: dict[int, list[Any]]) -> None:
    """Move some branches, forwards or by force; delete, tag, replace; give people other names."""
    for seed, commits in histories.items():
        match rnd.choice("mmmmdt-"):
            case "m":
                repository.git("update-ref", f"refs/heads/h{seed}", rnd.choice(commits).sha)
            case "d":
                repository.git("update-ref", "-d", f"refs/heads/h{seed}")
            case "t":
                repository.git("update-ref", f"refs/tags/t{seed}", rnd.choice(commits).sha)
    one, other = (rnd.choice(histories[0]).sha for _ in range(2))
    if one != other:
        repository.git("replace", "-f", one, other)
    mail_map = f"Countess {rnd.randrange(3)} <ada@example.org>\n"
    repository.commit({".mailmap": mail_map, "setup.py": text(1)}, branch="main")


@pytest.mark.parametrize(("seed", "find_copies"), [(1, False), (2, True)])
def test_a_history_that_becomes_another_is_read_as_if_anew(
    tmp_path: Path, histories: Made, shown: set[str], seed: int, find_copies: bool
) -> None:
    rnd = random.Random(seed)
    shutil.copytree(histories.repository.path, tmp_path / "r")
    repository = Repository(tmp_path / "r")
    for name in repository.git("for-each-ref", "--format=%(refname)").split():
        repository.git("update-ref", "-d", name)
    known: set[str] = set()
    for _ in range(4):
        some_other_refs(rnd, repository, histories.histories)
        there = set(repository.git("--no-replace-objects", "rev-list", "--branches", "--tags").split())
        shown.clear()
        again = saved(tmp_path, repository.path, cache=tmp_path / "c", find_copies=find_copies)
        assert shown == there - known
        known = there
        assert again == saved(tmp_path, repository.path, find_copies=find_copies)


def test_a_shallow_clone_that_is_deepened_is_read_as_if_anew(
    tmp_path: Path, shown: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    origin = Repository(tmp_path / "origin")
    shas: list[str] = []
    for number in range(6):
        shas.append(origin.commit({"a": text(number), f"b{number}": "x"}, *shas[-1:]))
    url = f"file://{origin.path}"
    subprocess.run(["git", "clone", "-q", "--depth", "2", url, str(tmp_path / "r")], check=True)
    clone = Repository(tmp_path / "r")
    first = saved(tmp_path, clone.path, cache=tmp_path / "c")
    assert caplog.text.count("is a shallow clone") == 1
    assert saved(tmp_path, clone.path, cache=tmp_path / "c") == first
    assert caplog.text.count("is a shallow clone") == 2
    clone.git("fetch", "-q", "--depth", "4", "origin")
    shown.clear()
    deeper = saved(tmp_path, clone.path, cache=tmp_path / "c")
    # The commit at which the history was cut off has a parent now, so that its changes are others.
    assert shown == set(shas[2:5])
    assert first != deeper == saved(tmp_path, clone.path)
    clone.git("fetch", "-q", "--unshallow", "origin")
    assert saved(tmp_path, clone.path, cache=tmp_path / "c") == saved(tmp_path, clone.path)


def test_of_a_partial_clone_new_commits_alone_are_looked_at(tmp_path: Path, shown: set[str]) -> None:
    origin = Repository(tmp_path / "origin")
    origin.git("config", "uploadpack.allowFilter", "true")
    one = origin.commit({"a": text(1)})
    two = origin.commit({"a": text(2), "b": "x"}, one)
    clone = [
        "git",
        "clone",
        "-q",
        "--bare",
        "--filter=blob:none",
        f"file://{origin.path}",
        str(tmp_path / "r"),
    ]
    subprocess.run(clone, check=True)
    made = Repository(tmp_path / "r")
    saved(tmp_path, made.path, cache=tmp_path / "c")
    three = origin.commit({"a": text(3), "b": "x"}, two)
    made.git("fetch", "-q", "origin", "main:main")
    shown.clear()
    again = saved(tmp_path, made.path, cache=tmp_path / "c")
    assert shown == {three}
    assert again == saved(tmp_path, made.path)


def test_a_signed_commit_and_an_odd_message_are_looked_at_each_time(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "code")
    headers = [b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n xx\n -----END PGP SIGNATURE-----"]
    one = repository.commit({"a": "1"}, headers=headers)
    two = repository.commit({"a": "2"}, one, message=b"one\0two\n")
    first = saved(tmp_path, repository.path, cache=tmp_path / "c")
    assert b"signature_status" in first and b"one\\\\x00two" in first
    repository.commit({"a": "3"}, two)
    assert saved(tmp_path, repository.path, cache=tmp_path / "c") == saved(tmp_path, repository.path)


def test_a_reading_that_git_breaks_off_leaves_nothing_wrong_behind(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "code")
    shas: list[str] = []
    for number in range(8):
        files = {f"src/{name}": text(number, name) for name in range(30)}
        shas.append(repository.commit(files, *shas[-1:]))
    broken = repository.git("rev-parse", f"{shas[4]}:src")
    file = repository.path / ".git" / "objects" / broken[:2] / broken[2:]
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(SourceError):
        saved(tmp_path, repository.path, cache=tmp_path / "c")
    file.write_bytes(content)
    assert saved(tmp_path, repository.path, cache=tmp_path / "c") == saved(tmp_path, repository.path)


@pytest.mark.parametrize("survived", [0, 2])
def test_a_reading_that_is_interrupted_goes_on_from_what_it_has_kept(
    tmp_path: Path, shown: set[str], monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    repository = Repository(tmp_path / "code")
    shas: list[str] = []
    for number in range(12):
        shas.append(repository.commit({"a": text(number)}, *shas[-1:]))
    keep, kept = git_memory.GitMemory.settle, [0]

    def settle(memory: git_memory.GitMemory) -> None:
        if kept[0] == survived:
            raise KeyboardInterrupt
        kept[0] += 1
        keep(memory)

    with monkeypatch.context() as patched:
        patched.setattr(git_memory, "_AT_ONCE", 3)
        patched.setattr(git_memory.GitMemory, "settle", settle)
        with pytest.raises(KeyboardInterrupt):
            saved(tmp_path, repository.path, cache=tmp_path / "c")
    shown.clear()
    again = saved(tmp_path, repository.path, cache=tmp_path / "c")
    assert len(shown) == 12 - 3 * survived
    assert again == saved(tmp_path, repository.path)


def test_what_is_no_commit_of_the_history_any_more_is_forgotten(tmp_path: Path, shown: set[str]) -> None:
    repository = Repository(tmp_path / "code")
    one = repository.commit({"a": "1"})
    repository.commit({"a": "2", "secret": "x"}, one, message=b"to be rewritten\n")
    saved(tmp_path, repository.path, cache=tmp_path / "c")
    two = repository.commit({"a": "2"}, one)
    repository.git("update-ref", "refs/heads/other", one)
    shown.clear()
    graph = extract(repository_path=repository.path, cache=tmp_path / "c")
    assert shown == {two}
    schema = graph.schema.removesuffix(".main")
    assert {sha for (sha,) in graph.store.run(f"SELECT sha FROM {schema}.cache.git_log")} == {one, two}


def test_a_cache_survives_being_killed_at_any_moment(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    last = ""
    for number in range(150):
        files = {f"f{number % 9}": text(number), f"d{number}/x": text(number)}
        last = repository.commit(files, *([last] if last else []))
    program = [
        sys.executable,
        "-m",
        "mlflow2prov",
        "extract",
        "--repository_path",
        str(repository.path),
        "--cache",
    ]
    begun = time.monotonic()
    subprocess.run(
        [*program, str(tmp_path / "timing"), "save", "--output", str(tmp_path / "t.json")], check=True
    )
    whole_s = time.monotonic() - begun
    for part in (0.3, 0.45, 0.6, 0.75, 0.9):
        with subprocess.Popen(
            [*program, str(tmp_path / "c"), "save", "--output", str(tmp_path / "k.json")]
        ) as killed:
            time.sleep(whole_s * part)
            killed.send_signal(signal.SIGKILL)
        last = repository.commit({f"d{part}/x": text(int(part * 100))}, last)
    full = saved(tmp_path, repository.path)
    assert saved(tmp_path, repository.path, cache=tmp_path / "c") == full
    assert not (tmp_path / "k.json").exists() or json.loads((tmp_path / "k.json").read_bytes())
