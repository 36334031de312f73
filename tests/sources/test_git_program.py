"""Nothing that a user or a repository configures changes what is read; what can't be read is said."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from git_maker import Repository, picked, read, text

from mlflow2prov.errors import SourceError
from mlflow2prov.sources.git import read_repository
from mlflow2prov.sources.git_log import Renames
from mlflow2prov.sources.git_log_pieces import reading_pieces
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_wanted import GitWanted


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r")


def history(repository: Repository) -> tuple[str, str]:
    """A commit, and one that renames and changes two files of it."""
    names = ["a", "c"]
    before = {name: "".join(f"{name}{line}\n" for line in range(20)) for name in names}
    message = b"one\n\nCo-authored-by: B <b@x>\n"
    signature = b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----"
    files = before | {"z": "z", "lib": ("160000", "1" * 40)}
    one = repository.commit(files, message=message, headers=[signature])
    after = {f"{name}2": before[name] + "more\n" for name in names}
    two = repository.commit(after | {"z": "y", "lib": ("160000", "2" * 40)}, one)
    repository.git("tag", "-a", "-m", "tag", "v1", one)
    return one, two


def test_no_configuration_changes_what_is_read_and_no_program_of_it_runs(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = history(repository)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "home").mkdir()
    expected = repository.read()

    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    (tmp_path / "order").write_text("z\n")
    (tmp_path / "people").write_text("Mallory <m@x> <ada@example.org>\n")
    (tmp_path / "home" / ".gitconfig").write_text(
        f"""
[diff]
    renames = false
    renameLimit = 1
    noprefix = true
    relative = true
    external = {program}
    orderFile = {tmp_path / "order"}
    ignoreSubmodules = all
[diff "custom"]
    textconv = {program}
[log]
    showSignature = true
    showRoot = false
    mailmap = false
    date = relative
    diffMerges = separate
    follow = true
[core]
    fsmonitor = {program}
    hooksPath = {tmp_path}
    pager = {program}
    abbrev = 4
    quotePath = true
    attributesFile = {tmp_path / "attributes"}
[mailmap]
    file = {tmp_path / "people"}
[gpg]
    program = {program}
[color]
    ui = always
[format]
    pretty = short
    notes = true
[i18n]
    logOutputEncoding = latin-1
"""
    )
    (tmp_path / "attributes").write_text("* diff=custom\n")
    for name, value in {
        "GIT_DIR": str(tmp_path / "nowhere"),
        "GIT_WORK_TREE": str(tmp_path),
        "GIT_EXTERNAL_DIFF": str(program),
        "GIT_CONFIG_COUNT": "x",
        "GIT_PAGER": str(program),
        "GIT_TRACE": "1",
        "GIT_INDEX_FILE": "none",
    }.items():
        monkeypatch.setenv(name, value)
    repository.write("blob", b"x")
    assert repository.read() == expected
    assert picked(expected["git_revision"], "status", commit=two) == ["M", "M", "R", "R"]
    (repository.path / "folder").mkdir()
    assert read(repository.path / "folder") == expected
    assert not ran.exists()

    repository.git("replace", one, two)
    (repository.path / ".git" / "info" / "grafts").write_text(f"{two}\n")
    assert repository.read() == expected


def test_renames_are_searched_up_to_a_limit_of_our_own(repository: Repository) -> None:
    before = {f"old/{n}": "".join(f"{n} {line}\n" for line in range(9)) for n in range(450)}
    one = repository.commit(before)
    two = repository.commit({f"new/{n}": before[f"old/{n}"] + "more\n" for n in range(450)}, one)
    rows = repository.read()
    assert set(picked(rows["git_revision"], "status", commit=two)) == {"R"}


def test_a_shallow_clone_is_read_as_far_as_it_goes(
    repository: Repository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, two = history(repository)
    three = repository.commit({"b": text(3)}, two)
    url = repository.path.as_uri()
    subprocess.run(["git", "clone", "-q", "--depth=2", url, str(tmp_path / "s")], check=True)
    rows = read(tmp_path / "s")
    assert picked(rows["git_commit"], "commit") == sorted([two, three])
    assert rows["git_parent"] == [{"commit": three, "position": 0, "parent": two}]
    assert set(picked(rows["git_revision"], "status", commit=two)) == {"A"}
    assert rows["git_repository"][0]["is_shallow"] is True
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "shallow" in warning.getMessage()


def test_a_partial_clone_is_read_without_fetching_what_it_lacks(
    repository: Repository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = history(repository)
    moved = {"moved": repository.git("show", f"{two}:a2") + "\n", "z": "y"}
    three = repository.commit(moved, two)
    repository.git("config", "uploadpack.allowFilter", "true")
    url = repository.path.as_uri()
    clone = tmp_path / "p"
    options = ["--filter=blob:none", "--bare"]
    subprocess.run(["git", "clone", "-q", *options, url, str(clone)], check=True)
    rows = read(clone, entry_points=[(one, "a")])
    assert read(clone, wanted=GitWanted(find_copies=True))["git_revision"] == rows["git_revision"]
    caplog.clear()
    rows = read(clone, entry_points=[(one, "a")])
    assert picked(rows["git_revision"], "status", commit=two) == ["A", "A", "M", "M"]
    assert picked(rows["git_deletion"], "path", commit=two) == ["a", "c"]
    assert picked(rows["git_revision"], "status", commit=three) == ["R"]
    assert picked(rows["git_entry_point"], "candidates", "path") == [(1, "a")]
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "partial clone" in warning.getMessage()
    lacking = subprocess.run(
        ["git", "-C", str(clone), "rev-list", "--objects", "--all", "--missing=print"],
        capture_output=True,
        check=True,
    )
    assert lacking.stdout.count(b"?") == 6


def test_an_empty_repository_is_only_itself(repository: Repository, caplog: pytest.LogCaptureFixture) -> None:
    rows = repository.read(entry_points=[("0" * 40, "train.py")])
    assert list(rows) == ["git_repository"] and rows["git_repository"][0]["heads"] == []
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "has no commits" in warning.getMessage()


def test_a_place_that_is_no_repository_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name, said in (
        ("empty", "is not a Git repository"),
        ("file", "is a file and not a Git repository"),
        ("none", "there is no"),
    ):
        with pytest.raises(SourceError, match=said) as caught:
            read(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


def test_a_git_folder_that_is_none_is_told_from_none_at_all(repository: Repository, tmp_path: Path) -> None:
    history(repository)
    (repository.path / ".git" / "HEAD").write_text("")
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / ".git").write_text(f"gitdir: {tmp_path}/gone\n")
    for folder, said in ((repository.path, "not a git repository"), (tmp_path / "moved", f"{tmp_path}/gone")):
        with pytest.raises(SourceError, match=f"is no Git repository any more: .*{said}"):
            read(folder)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("[core\nx", "bad config line 1"),
        ("[core]\nrepositoryformatversion = 99\n", "found 99`; mend that"),
        ("[core]\nrepositoryformatversion = 1\n[extensions]\nodd = 1\n", "extension found: odd`; mend that"),
    ],
)
def test_a_configuration_that_git_does_not_understand_is_told(
    repository: Repository, config: str, said: str
) -> None:
    history(repository)
    (repository.path / ".git" / "config").write_text(config)
    with pytest.raises(SourceError, match=said):
        repository.read()


def test_git_itself_missing_is_said(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="install Git"):
        repository.read()


def test_a_damaged_repository_is_an_error_in_gits_words(repository: Repository) -> None:
    one, two = history(repository)
    tree = repository.git("rev-parse", f"{two}^{{tree}}")
    (repository.path / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(SourceError, match=f"`git log` says `fatal: .*{tree}"):
        repository.read()
    (repository.path / ".git" / "objects" / one[:2] / one[2:]).unlink()
    with pytest.raises(SourceError, match=str(repository.path)):
        repository.read()


def test_no_credentials_are_in_an_error(repository: Repository) -> None:
    history(repository)
    with pytest.raises(SourceError, match=r"https://example\.org/r") as caught:
        Git(str(repository.path)).output("show-ref", "--verify", "https://ada:secret@example.org/r")
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_somebody_else_is_left_alone_with_a_hint(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history(repository)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    shutil.chown(repository.path, 12345)
    shutil.chown(repository.path / ".git", 12345)
    with pytest.raises(SourceError, match=r"safe\.directory"):
        repository.read()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_somebody_else_is_read_where_the_environment_allows_it(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = history(repository)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for path in (repository.path, repository.path / ".git"):
        shutil.chown(path, 12345)
    given = {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_KEY_1": "log.showRoot",
    }
    for name, value in (given | {"GIT_CONFIG_VALUE_1": "false"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(tmp_path))
    with pytest.raises(SourceError, match=r"safe\.directory"):
        repository.read()
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(repository.path.resolve()))
    assert picked(repository.read()["git_commit"], "commit") == sorted([one, two])
    for name in (*given, "GIT_CONFIG_VALUE_0", "GIT_CONFIG_VALUE_1"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'safe.directory'='*'")
    assert picked(repository.read()["git_commit"], "commit") == sorted([one, two])
    monkeypatch.delenv("GIT_CONFIG_PARAMETERS")
    (tmp_path / "allowed").write_text(f"[safe]\n\tdirectory = {repository.path.resolve()}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "allowed"))
    assert picked(repository.read()["git_commit"], "commit") == sorted([one, two])
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    repository.git("config", "--file", str(repository.path / ".git" / "config"), "safe.directory", "*")
    with pytest.raises(SourceError, match=r"safe\.directory"):
        repository.read()


def test_attributes_make_no_other_renames(repository: Repository, tmp_path: Path) -> None:
    old = [f"{number * 7919}" for number in range(60)]
    new = old[:45] + [f"x{number * 104729}" for number in range(15)]
    one = repository.commit({"old.csv": "".join(f"{line}\r\n" for line in old)})
    repository.commit({"new.csv": "".join(f"{line}\n" for line in new)}, one)
    repository.git("reset", "--hard", "-q")
    expected = repository.read()
    assert set(picked(expected["git_revision"], "status")) == {"A", "R"}
    for file in (repository.path / ".gitattributes", repository.path / ".git" / "info" / "attributes"):
        file.parent.mkdir(exist_ok=True)
        file.write_text("*.csv -diff\n")
        raw = repository.git("log", "-1", "-M", "--raw", "--format=")
        assert "\tnew.csv" in raw
        assert "R0" not in raw
        assert repository.read() == expected
        file.unlink()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see what runs")
def test_a_reader_that_is_left_early_leaves_no_program_running(repository: Repository) -> None:
    tip = repository.commit({".dvc/config": "[core]\n", "x.dvc": f"outs:\n- md5: {'0' * 32}\n  path: x\n"})
    lines = [b"commit refs/heads/main\ncommitter A <a> 1 +0000\ndata 90000\n" + b"x" * 90_000] * 100
    lines.insert(1, b"from " + tip.encode())
    repository.git("fast-import", "--quiet", stdin=b"\n".join(lines))
    batches = read_repository(repository.path)
    while next(batches)[0] != "git_data":
        pass
    assert _children_named("git")
    batches.close()
    assert not _children_named("git")
    commits = [name.encode() for name in repository.git("rev-list", "--all").split()]
    git = Git(str(repository.path))
    with reading_pieces(git, Renames(), commits[::-1], [False] * len(commits)) as parts:
        next(parts)
        assert _children_named("git")
    assert not _children_named("git")


def _children_named(name: str) -> list[str]:
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            stats.append(path.read_text())
    fields = [(stat.partition("(")[2].rpartition(")")[0], stat.rpartition(")")[2].split()) for stat in stats]
    return [command for command, rest in fields if command == name and int(rest[1]) == os.getpid()]
