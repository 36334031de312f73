"""The data of a history: what DVC names anew at which commit, and what was made from what."""

from __future__ import annotations

import hashlib
import json
import logging
import random
from pathlib import Path
from typing import Any

import pytest
from tests.sources.data_files import MD5, lock, oid, pointer, stage, tracked
from tests.sources.git_maker import Repository, Rows, picked, read

from mlflow2prov import extract


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


def short(key: str | None, shas: dict[str, str]) -> str | None:
    """A key with the commit's letter instead of its name."""
    if key is None:
        return None
    sha, _, rest = key.partition("/")
    return f"{shas[sha]}:{rest.replace('%2F', '/')}"


def pieces(rows: Rows, *commits: str) -> list[tuple[str, str]]:
    shas = {sha: str(number) for number, sha in enumerate(commits, 1)}
    return sorted((short(row["data"], shas) or "", row["role"]) for row in rows["git_data"])


def links(rows: Rows, kind: str, *commits: str) -> list[tuple[Any, ...]]:
    shas = {sha: str(number) for number, sha in enumerate(commits, 1)}
    found = [row for row in rows["git_data_link"] if row["kind"] == kind]
    return sorted((short(row["data"], shas), short(row["other"], shas) or row["path"]) for row in found)


def runs(rows: Rows, *commits: str) -> list[tuple[Any, ...]]:
    shas = {sha: str(number) for number, sha in enumerate(commits, 1)}
    found = []
    for run in rows["git_stage_run"]:
        sides = [
            sorted(
                short(row["data"], shas) or row["path"]
                for row in rows["git_stage_data"]
                if row["stage"] == run["stage"] and row["direction"] == direction
            )
            for direction in ("used", "made", "params")
        ]
        found.append((shas[run["commit"]], run["name"], *sides))
    return sorted(found, key=repr)


def test_data_is_new_where_its_content_is_another_one(repo: Repository) -> None:
    one = repo.commit({"data/x.dvc": tracked("x", "a")})
    two = repo.commit({"data/x.dvc": tracked("x", "a", desc="said"), "y.dvc": tracked("y", "b")}, one)
    three = repo.commit({"data/x.dvc": tracked("x", "c"), "y.dvc": tracked("y", "b")}, two)
    four = repo.commit({"data/x.dvc": tracked("x", "a"), "y.dvc": tracked("y", "b")}, three)
    rows = repo.read()
    commits = one, two, three, four
    assert pieces(rows, *commits) == [
        ("1:data/x", "tracked"), ("2:y", "tracked"), ("3:data/x", "tracked"), ("4:data/x", "tracked"),
    ]  # fmt: skip
    assert links(rows, "revision", *commits) == [("3:data/x", "1:data/x"), ("4:data/x", "3:data/x")]
    assert picked(rows["git_data"], "md5", commit=one) == picked(rows["git_data"], "md5", commit=four)
    assert picked(rows["git_data"], "named_in", "size_bytes", "tool", commit=one) == [
        ("data/x.dvc", 8, "dvc")
    ]


def test_data_is_followed_along_each_parent_and_through_moves(repo: Repository) -> None:
    one = repo.commit({"x.dvc": tracked("x", "a")})
    left = repo.commit({"x.dvc": tracked("x", "b")}, one)
    right = repo.commit({"x.dvc": tracked("x", "c")}, one, branch="right")
    merged = repo.commit({"x.dvc": tracked("x", "d")}, left, right)
    moved = repo.commit({"d/y.dvc": tracked("y", "d")}, merged)
    rows = repo.read()
    commits = one, left, right, merged, moved
    assert links(rows, "revision", *commits) == [
        ("2:x", "1:x"), ("3:x", "1:x"), ("4:x", "2:x"), ("4:x", "3:x"), ("5:d/y", "4:x"),
    ]  # fmt: skip


def test_a_merge_that_takes_a_side_makes_nothing(repo: Repository) -> None:
    one = repo.commit({"x.dvc": tracked("x", "a"), "z": "1"})
    left = repo.commit({"x.dvc": tracked("x", "b"), "z": "1"}, one)
    right = repo.commit({"x.dvc": tracked("x", "a"), "z": "2"}, one, branch="right")
    merged = repo.commit({"x.dvc": tracked("x", "b"), "z": "2"}, left, right)
    after = repo.commit({"x.dvc": tracked("x", "c"), "z": "2"}, merged)
    rows = repo.read()
    commits = one, left, right, merged, after
    assert links(rows, "revision", *commits) == [("2:x", "1:x"), ("5:x", "2:x")]


PREP = ("prep", "python prep.py")
TRAIN = ("train", "python train.py")


def test_a_stage_is_run_where_it_changed_and_uses_what_others_tell(repo: Repository) -> None:
    code = {"prep.py": "h", "params.yaml": "lr: 1\n"}
    deps = {"raw": "a", "prep.py": "h"}
    first = lock(stage(*PREP, deps, {"clean": "b"}), stage(*TRAIN, {"clean": "b"}, {"model": "c"}, "lr: 1"))
    one = repo.commit({**code, "raw.dvc": tracked("raw", "a"), "dvc.lock": first})
    again = lock(stage(*PREP, deps, {"clean": "b"}), stage(*TRAIN, {"clean": "b"}, {"model": "d"}, "lr: 2"))
    two = repo.commit({**code, "raw.dvc": tracked("raw", "a"), "dvc.lock": again}, one)
    three = repo.commit({**code, "raw.dvc": tracked("raw", "e"), "dvc.lock": again}, two)
    last = lock(
        stage(*PREP, {**deps, "raw": "e"}, {"clean": "b"}),
        stage(*TRAIN, {"clean": "b"}, {"model": "d"}, "lr: 2"),
    )
    four = repo.commit({**code, "raw.dvc": tracked("raw", "e"), "dvc.lock": last}, three)
    rows = repo.read()
    commits = one, two, three, four
    assert runs(rows, *commits) == [
        ("1", "prep", ["1:prep.py", "1:raw"], ["1:clean"], []),
        ("1", "train", ["1:clean"], ["1:model"], ["params.yaml"]),
        ("2", "train", ["1:clean"], ["2:model"], ["params.yaml"]),
        ("4", "prep", ["1:prep.py", "3:raw"], ["4:clean"], []),
    ]
    assert links(rows, "file", *commits) == [("1:prep.py", "prep.py")]
    assert picked(rows["git_stage_run"], "params", name="train") == [
        ["params.yaml: lr = 1"], ["params.yaml: lr = 2"],
    ]  # fmt: skip


def test_a_dependency_is_the_file_of_the_tree_only_where_that_has_its_content(repo: Repository) -> None:
    unix, windows = "a\nb\n", "a\r\nb\r\n"
    digest = {text: hashlib.md5(text.encode()).hexdigest() for text in (unix, windows)}
    of_commit = {
        "changed_later.py": "b",
        "same.py": "a",
        "unix.py": unix,
        "windows.py": windows,
        "held.csv": pointer("12345678"),
    }
    named = {
        **dict.fromkeys(("changed_later.py", "same.py"), MD5["a"]),
        **{
            "unix.py": digest[windows],
            "windows.py": digest[unix],
            "held.csv": MD5["c"],
            "other.csv": MD5["c"],
        },
    }
    deps = "".join(f"    - path: {path}\n      md5: {md5}\n      size: 8\n" for path, md5 in named.items())
    told = f"schema: '2.0'\nstages:\n  train:\n    cmd: python same.py\n    deps:\n{deps}"
    one = repo.commit({**of_commit, "other.csv": pointer("123"), "dvc.lock": told})
    assert links(repo.read(), "file", one) == [
        (f"1:{path}", path) for path in ("held.csv", "same.py", "unix.py", "windows.py")
    ]


def test_paths_are_relative_to_the_folder_that_the_pipeline_says(repo: Repository) -> None:
    pipeline = (
        "stages:\n  train:\n    cmd: run\n    wdir: ../src\n    outs:\n    - m:\n        remote: big\n"
        "  each:\n    foreach: [1]\n    do:\n      cmd: go\n      wdir: out\n      outs:\n      - o${item}\n"
        "  later:\n    cmd: wait\n    outs: [l]\n"
    )
    config = "['remote \"big\"']\nurl = https://ada:secret@example.org/store\n"
    told = lock(stage("train", "run", {"../raw": "a"}, {"m": "b"}), stage("each@1", "go", {}, {"o1": "c"}))
    one = repo.commit({"p/dvc.yaml": pipeline, "p/dvc.lock": told, ".dvc/config": config})
    rows = repo.read()
    assert pieces(rows, one) == [
        ("1:p/l", "defined"), ("1:p/out/o1", "output"), ("1:raw", "dependency"), ("1:src/m", "output"),
    ]  # fmt: skip
    assert picked(rows["git_data"], "remote_path", path="src/m") == [
        f"https://example.org/store/files/md5/{MD5['b'][:2]}/{MD5['b'][2:]}"
    ]
    assert set(picked(rows["git_stage_run"], "plan_path", "plan_commit")) == {("p/dvc.yaml", one)}
    told = lock(stage("later", "wait", {}, {"l": "d"}))
    two = repo.commit({"p/dvc.yaml": pipeline, "p/dvc.lock": told, ".dvc/config": config}, one)
    assert links(repo.read(), "revision", one, two) == [("2:p/l", "1:p/l")]


def test_a_file_in_a_tracked_folder_comes_from_it_and_a_folder_from_what_is_in_it(repo: Repository) -> None:
    told = lock(
        stage("a", "a", {"raw/part.csv": "b"}, {"out/x": "c", "out/y": "d"}),
        stage("b", "b", {"out": "e"}, {"z": "f"}),
    )
    one = repo.commit({"raw.dvc": tracked("raw", "a", nfiles=2), "dvc.lock": told})
    assert links(repo.read(), "source", one) == [
        ("1:out", "1:out/x"), ("1:out", "1:out/y"), ("1:raw/part.csv", "1:raw"),
    ]  # fmt: skip


def test_listed_files_are_members_and_stay_where_they_did_not_change(repo: Repository) -> None:
    def folder(letter: str, **parts: str) -> str:
        listed = "".join(f"  - relpath: {path}\n    md5: {MD5[it]}\n" for path, it in parts.items())
        return f"outs:\n- path: d\n  nfiles: 2\n  md5: {MD5[letter]}.dir\n  files:\n{listed}"

    one = repo.commit({"d.dvc": folder("a", x="b", y="c")})
    two = repo.commit({"d.dvc": folder("d", x="b", y="e")}, one)
    rows = repo.read()
    assert links(rows, "member", one, two) == [
        ("1:d", "1:d/x"), ("1:d", "1:d/y"), ("2:d", "1:d/x"), ("2:d", "2:d/y"),
    ]  # fmt: skip


def test_listed_files_are_kept_by_the_same_hash_as_their_folder(repo: Repository) -> None:
    listed = f"  files:\n  - relpath: x\n    md5: {MD5['a']}\n"
    config = "[core]\n remote = s\n['remote \"s\"']\n url = s3://b\n"
    files = {
        "new.dvc": f"outs:\n- hash: md5\n  path: new\n{listed}",
        "old.dvc": f"outs:\n- path: old\n{listed}",
    }
    repo.commit({".dvc/config": config, **files})
    kept = dict(picked(repo.read()["git_data"], "path", "remote_path"))
    digest = f"{MD5['a'][:2]}/{MD5['a'][2:]}"
    assert (kept["new/x"], kept["old/x"]) == (f"s3://b/files/md5/{digest}", f"s3://b/{digest}")


def test_imports_derive_from_what_they_name_and_no_password_is_kept(repo: Repository) -> None:
    text = (
        "deps:\n- path: data/x\n  repo:\n    url: https://ada:secret@example.org/r.git\n"
        f"    rev_lock: {'c' * 40}\nouts:\n- md5: {MD5['a']}\n  path: x\n"
    )
    url = f"deps:\n- etag: '1'\n  path: s3://k:secret@bucket/y?sig=secret\nouts:\n- md5: {MD5['b']}\n  path: y\n"
    one = repo.commit({"x.dvc": text, "y.dvc": url})
    rows = repo.read()
    assert links(rows, "source", one) == [
        ("1:x", "1:data/x/https%3A//example.org/r.git"), ("1:y", "1:s3%3A//bucket/y%3Fsig%3DREDACTED"),
    ]  # fmt: skip
    assert picked(rows["git_data"], "imported_from", "rev_lock", path="data/x") == [
        ("https://example.org/r.git", "c" * 40)
    ]
    assert "secret" not in repr(rows["git_data"]) + repr(rows["git_data_link"])


def test_a_stage_file_of_the_first_versions_is_a_run(repo: Repository) -> None:
    text = f"cmd: run\nwdir: src\ndeps:\n- md5: {MD5['a']}\n  path: x\nouts:\n- md5: {MD5['b']}\n  path: y\n"
    one = repo.commit({"y.dvc": text})
    assert runs(repo.read(), one) == [("1", None, ["1:src/x"], ["1:src/y"], [])]


def test_circles_are_left_out_and_counted(repo: Repository, caplog: pytest.LogCaptureFixture) -> None:
    told = lock(
        stage("a", "a", {"x": "a"}, {"y": "b"}),
        stage("b", "b", {"y": "b"}, {"x": "a"}),
        stage("self", "s", {"o": "c"}, {"o": "c"}),
        stage("fine", "f", {"y": "b"}, {"z": "d"}),
    )
    one = repo.commit({"dvc.lock": told})
    with caplog.at_level(logging.WARNING):
        rows = repo.read()
    assert [run[1:4] for run in runs(rows, one)] == [
        ("a", [], ["1:y"]), ("b", [], ["1:x"]), ("fine", ["1:y"], ["1:z"]), ("self", [], ["1:o"]),
    ]  # fmt: skip
    assert "3 dependencies in files of DVC" in caplog.text


def test_odd_files_and_paths_are_no_obstacle(repo: Repository, caplog: pytest.LogCaptureFixture) -> None:
    files: dict[str | bytes, Any] = {
        "a.dvc": bytes(range(256)),
        "b.dvc": "x" * 5_000_000,
        "c.dvc": ("120000", "somewhere"),
        "d.dvc": tracked("../../../etc/passwd", "a"),
        "e.dvc": tracked("/etc/passwd", "b"),
        b"f\xff.dvc": tracked("'\\xff'", "c"),
        "g.dvc": f'outs:\n- md5: {MD5["d"]}\n  path: "g\\u0041"\n',
        "h.dvc": "outs: 5\n",
        ".dvc": "outs:\n- path: no\n",
        ".dvcx/config": "url",
        "dvc.lock": "schema: '2.0'\nstages: {a: [], 5: {}}\n",
    }
    one = repo.commit(files)
    with caplog.at_level(logging.WARNING):
        rows = repo.read()
    assert sorted(picked(rows["git_data"], "path")) == ["../../../etc/passwd", "/etc/passwd", "\\xff", "gA"]
    assert "2 files of DVC" in caplog.text
    assert "3 things in files of DVC" in caplog.text
    assert picked(rows["git_data"], "named_in_bytes", path="\\xff") == [b"f\xff.dvc"]
    assert one


def test_pointers_are_data_wherever_attributes_ever_said_so(repo: Repository) -> None:
    attributes = '[attr]big filter=lfs -text\n*.bin filter=lfs diff=lfs merge=lfs -text\n"with space/**" big\n/top.csv big\n'
    files: dict[str | bytes, Any] = {
        ".gitattributes": attributes,
        "a.bin": pointer("a"),
        "with space/deep/er/b": pointer("b"),
        "top.csv": pointer("c"),
        "sub/top.csv": pointer("d"),
        "no.bin": "just text",
        "large.bin": pointer("e") + "x" * 2000,
        b"\xff.bin": pointer("f"),
        "link.bin": ("120000", pointer("g")),
    }
    one = repo.commit(files)
    two = repo.commit({"a.bin": pointer("a2"), "top.csv": pointer("c")}, one)
    rows = repo.read()
    told = picked(rows["git_data"], "commit", "path", "sha256", "size_bytes", tool="lfs")
    assert sorted(told) == sorted(
        [
            (one, "\\xff.bin", oid("f"), 1),
            (one, "a.bin", oid("a"), 1),
            (one, "top.csv", oid("c"), 1),
            (one, "with space/deep/er/b", oid("b"), 1),
            (two, "a.bin", oid("a2"), 2),
        ]
    )
    assert picked(rows["git_data"], "remote_path", path="top.csv") == [
        f"lfs/objects/{oid('c')[:2]}/{oid('c')[2:4]}/{oid('c')}"
    ]


def test_a_partial_clone_says_what_is_left_out_and_fetches_nothing(
    repo: Repository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.commit({"x.dvc": tracked("x", "a"), ".gitattributes": "*.bin filter=lfs\n", "y.bin": pointer("y")})
    clone = tmp_path / "clone"
    repo.git("clone", "-q", "--bare", "--filter=blob:none", f"file://{repo.path}", str(clone))
    before = sorted(clone.rglob("*"))
    with caplog.at_level(logging.WARNING):
        rows = read(clone)
    assert not rows["git_data"]
    assert "2 contents that may tell of data are not in" in caplog.text
    assert "nothing is fetched" in caplog.text
    assert sorted(clone.rglob("*")) == before


def test_random_histories_of_data_have_no_circles_and_no_loose_ends(repo: Repository) -> None:
    chance = random.Random(5)
    letters = "abcde"
    heads = [repo.commit({"f": "0"})]
    order = {heads[0]: 0}
    for number in range(1, 60):
        stages = [
            stage(
                f"s{position}",
                chance.choice(["run", "go"]),
                {f"p{chance.randrange(6)}": chance.choice(letters) for _ in range(chance.randrange(3))},
                {f"p{chance.randrange(6)}": chance.choice(letters) for _ in range(chance.randrange(1, 3))},
            )
            for position in range(chance.randrange(4))
        ]
        files: dict[str | bytes, Any] = {"f": str(number), "dvc.lock": lock(*stages)}
        files |= {
            f"p{it}.dvc": tracked(f"p{it}", chance.choice(letters))
            for it in range(6)
            if chance.random() < 0.4
        }
        parents = chance.sample(heads, min(len(heads), chance.choice([1, 1, 1, 2])))
        heads = [head for head in heads if head not in parents or chance.random() < 0.3]
        heads.append(repo.commit(files, *parents, branch=f"b{number}"))
        order[heads[-1]] = number
    rows = repo.read()
    keys = set(picked(rows["git_data"], "data"))
    assert len(keys) == len(rows["git_data"]) > 100
    edges = [(row["data"], row["other"]) for row in rows["git_data_link"] if row["other"]]
    uses = [row for row in rows["git_stage_data"] if row["data"]]
    edges += [(f"run {row['stage']}", row["data"]) for row in uses if row["direction"] == "used"]
    edges += [(row["data"], f"run {row['stage']}") for row in uses if row["direction"] == "made"]
    assert all(end in keys or end.startswith("run ") for edge in edges for end in edge)
    assert len(edges) == len(set(edges))
    made = [row["data"] for row in uses if row["direction"] == "made"]
    assert len(made) == len(set(made))
    left = set(edges)
    while True:
        needed = {end for _, end in left}
        kept = {edge for edge in left if edge[0] in needed}
        if kept == left:
            break
        left = kept
    assert not left


def artifacts(*named: tuple[str, str, str | None]) -> str:
    """A ``dvc.yaml`` that names artifacts, by name, path and type."""
    told = {name: {"path": path, **({"type": kind} if kind else {})} for name, path, kind in named}
    return json.dumps({"artifacts": told})


def called(rows: Rows, *commits: str) -> list[tuple[Any, ...]]:
    shas = {sha: str(number) for number, sha in enumerate(commits, 1)}
    return sorted((short(row["data"], shas), row["name"], row["type"]) for row in rows["git_data_artifact"])


def test_data_is_called_what_a_dvc_yaml_says_when_it_is_made_or_later(repo: Repository) -> None:
    files: dict[str | bytes, Any] = {"m/x.dvc": tracked("x", "a"), "y.dvc": tracked("y", "b")}
    one = repo.commit(files)
    named = artifacts(("net", "m/x", "model"), ("same", "m/x", None), ("lost", "z", "data"))
    two = repo.commit({**files, "dvc.yaml": named}, one)
    three = repo.commit({**files, "m/x.dvc": tracked("x", "c"), "dvc.yaml": named}, two)
    below = {"m/dvc.yaml": artifacts(("other", "../y", "dataset"), ("open", "${x}", "model"))}
    four = repo.commit({**files, **below}, three)
    five = repo.commit({**files, **below, "y.dvc": tracked("y", "d")}, four)
    rows = repo.read()
    assert called(rows, one, two, three, four, five) == [
        ("1:m/x", "net", "model"), ("1:m/x", "same", None), ("1:y", "other", "dataset"),
        ("3:m/x", "net", "model"), ("3:m/x", "same", None), ("5:y", "other", "dataset"),
    ]  # fmt: skip


def test_artifacts_of_another_form_are_counted(repo: Repository, caplog: pytest.LogCaptureFixture) -> None:
    odd: dict[str, Any] = {
        "a": 1,
        "b": {},
        "c": {"path": ["x"]},
        "d": {"path": "x", "type": {}},
        "": {"path": "x"},
    }
    sha = repo.commit({"x.dvc": tracked("x", "a"), "dvc.yaml": json.dumps({"artifacts": odd})})
    rows = repo.read()
    assert called(rows, sha) == [("1:x", "d", None)]
    assert "5 things in files of DVC" in caplog.text


def test_the_names_of_artifacts_stand_at_the_data(repo: Repository) -> None:
    named = artifacts(("net", "x", "model"), ("old", "x", "model"))
    repo.commit({"x.dvc": tracked("x", "a"), "dvc.yaml": named})
    with extract(repo.path) as graph:
        (row,) = graph.sql("SELECT artifact_name, artifact_type FROM DataRevision").to_pylist()
    assert row == {"artifact_name": ["net", "old"], "artifact_type": ["model"]}
