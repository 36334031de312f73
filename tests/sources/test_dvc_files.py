"""What files of DVC say, of each form that it wrote, and of none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.data_files import MD5

from mlflow2prov.sources.dvc_files import Item, Stage, read_config, read_data_file

A, B = MD5["a"], MD5["b"]


def only(content: str, path: bytes = b"x.dvc") -> Stage:
    file = read_data_file(path, content.encode())
    assert file is not None
    assert file.odd == 0
    (stage,) = file.stages
    return stage


def test_a_tracked_file_of_each_version() -> None:
    three = only(f"outs:\n- md5: {A}\n  size: 8\n  hash: md5\n  path: x\n").outs[0]
    assert (three.path, three.md5, three.size_bytes, three.is_legacy) == ("x", A, 8, False)
    two = only(f"outs:\n- md5: {A}\n  size: 8\n  path: x\n").outs[0]
    assert (two.md5, two.is_legacy) == (A, True)
    zero = only(
        f"md5: {B}\nouts:\n- cache: true\n  md5: {A}\n  metric: false\n  path: x\n  persist: false\nwdir: ..\n"
    )
    assert (zero.outs[0].md5, zero.folder) == (A, "..")


def test_a_tracked_folder_and_its_files() -> None:
    (out,) = only(f"outs:\n- md5: {A}.dir\n  size: 4\n  nfiles: 2\n  hash: md5\n  path: d\n").outs
    assert (out.md5, out.file_count) == (f"{A}.dir", 2)
    listed = "\n".join(
        [
            "outs:",
            "- hash: md5",
            "  size: 4",
            "  nfiles: 1",
            "  files:",
            "  - relpath: sub/a.csv",
            f"    md5: {A}",
            "    size: 4",
            "    cloud:",
            "      s3:",
            "        etag: 5a8dd3ad0756a93ded72b823b19dd877",
            "        version_id: v.1",
            "  path: d",
        ]
    )
    (part,) = only(listed).outs[0].files
    assert (part.path, part.md5, part.etag, part.version_id, part.remote) == (
        "sub/a.csv", A, "5a8dd3ad0756a93ded72b823b19dd877", "v.1", "s3",
    )  # fmt: skip


def test_imports_of_repositories_and_urls() -> None:
    text = (
        f"md5: {B}\nfrozen: true\ndeps:\n- path: data/x\n  repo:\n    url: https://ada:secret@example.org/r.git\n"
        f"    rev: v1\n    rev_lock: {'c' * 40}\nouts:\n- md5: {A}\n  hash: md5\n  path: x\n"
    )
    (dep,) = only(text).deps
    assert (dep.path, dep.repository, dep.rev_lock) == ("data/x", "https://example.org/r.git", "c" * 40)
    (dep,) = only(
        "deps:\n- etag: '\"abc\"'\n  path: https://ada:secret@example.org/x.csv\n  size: 3\nouts: []\n"
    ).deps
    assert (dep.path, dep.etag, dep.is_external) == ("https://example.org/x.csv", '"abc"', True)
    (dep,) = only("deps:\n- checksum: 0af\n  path: hdfs://host/x\nouts: []\n").deps
    assert dep.checksum == "0af"


@pytest.mark.parametrize("head", ["schema: '2.0'\nstages:\n  train@1:\n", "train@1:\n"])
def test_both_forms_of_the_lock(head: str) -> None:
    inner = (
        f"cmd: run\ndeps:\n- path: a\n  md5: {A}\nparams:\n  p.yaml:\n    lr: 0.1\n    deep: {{x: [1]}}\n"
        f"outs:\n- path: b\n  md5: {B}\n"
    )
    depth = "    " if "schema" in head else "  "
    found = only(head + "".join(f"{depth}{line}\n" for line in inner.splitlines()), b"dvc.lock")
    assert (found.name, found.command, found.deps[0].md5, found.outs[0].md5) == ("train@1", "run", A, B)
    assert found.params == ('p.yaml: deep = {"x": [1]}', "p.yaml: lr = 0.1")
    assert found.param_files == ("p.yaml",)


def test_what_a_pipeline_defines() -> None:
    text = (
        "stages:\n  a:\n    cmd: x\n    wdir: src\n    outs:\n    - m.bin:\n        remote: big\n    - n.bin\n"
        "    metrics:\n    - m.json:\n        cache: false\n  each:\n    foreach: [1, 2]\n    do:\n      cmd: y\n"
        "      outs:\n      - o-${item}\n"
    )
    file = read_data_file(b"p/dvc.yaml", text.encode())
    assert file is not None and file.odd == 0
    first, each = file.stages
    assert first.folder == "src"
    assert [(out.path, out.remote, out.is_pushed) for out in first.outs] == [
        ("m.bin", "big", True), ("n.bin", None, True), ("m.json", None, False),
    ]  # fmt: skip
    assert [out.path for out in each.outs] == ["o-${item}"]


def test_where_a_remote_keeps_a_content() -> None:
    text = (
        b"[core]\n    remote = s\n['remote \"s\"']\n    url = s3://key:secret@bucket/p/\n"
        b'[\'remote "l"\']\n    url = ../../store\n[remote "v"]\n    url = gs://b\n    version_aware = true\n'
    )
    config = read_config(text, "sub/.dvc")
    assert (
        config.place_of(Item(path="x", md5=A, is_legacy=False), "x")
        == f"s3://bucket/p/files/md5/{A[:2]}/{A[2:]}"
    )
    assert config.place_of(Item(path="x", md5=A), "x") == f"s3://bucket/p/{A[:2]}/{A[2:]}"
    assert config.place_of(Item(path="x", md5=A, remote="l"), "x") == f"store/{A[:2]}/{A[2:]}"
    assert config.place_of(Item(path="x", remote="v"), "d/x") == "gs://b/d/x"
    assert config.place_of(Item(path="x", md5=A, remote="none"), "x") is None
    assert config.place_of(Item(path="x", md5=A, is_pushed=False), "x") is None


HOSTILE = {
    "binary": bytes(range(256)) * 40,
    "NUL": b"outs:\0",
    "a list": b"- outs\n",
    "nothing": b"",
    "deep": b"outs: " + b"[" * 5000 + b"]" * 5000,
    "deeper mapping": b"{a: " * 3000,
    "unknown tag": b"outs: !!python/object/apply:os.system [true]\n",
    "large": b"outs:\n" + b"- path: x\n" * 500_000,
    "laughs": b"a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (x + 1, x + 1, b",".join([b"*%c" % x] * 10)) for x in range(97, 110))
    + b"outs: *n\nparams: {p: {q: *n}}\n",
    "lists of itself": b"outs: &o\n- path: x\n  files: *o\n",
    "many times many": b"f: &f\n"
    + b"- {relpath: x}\n" * 2000
    + b"i: &i {path: x, files: *f}\nouts:\n" + b"- *i\n" * 2000,
    "merges": b"a: &a {x: 1}\n"
    + b"".join(b"%c: &%c {<<: [%s]}\n" % (x + 1, x + 1, b",".join([b"*%c" % x] * 9)) for x in range(97, 110)),
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", [b"x.dvc", b"dvc.lock", b"dvc.yaml"])
def test_hostile_contents_are_none_or_counted(content: bytes, name: bytes) -> None:
    begun = time.process_time()
    file = read_data_file(name, content)
    assert file is None or sum(len(stage.outs) for stage in file.stages) < 5
    assert time.process_time() - begun < 60


def test_wrong_types_are_counted_one_by_one() -> None:
    text = (
        f"outs:\n- 1\n- path: [x]\n- md5: nothing\n  path: a\n- md5: {A}\n  size: -1\n  nfiles: many\n  path: b\n"
        '- path: "c\\nd"\ndeps: text\nwdir: {}\nparams: [lr]\ncmd: 5\n'
    )
    file = read_data_file(b"x.dvc", text.encode())
    assert file is not None
    (stage,) = file.stages
    assert [(out.path, out.md5) for out in stage.outs] == [("a", None), ("b", A)]
    assert file.odd == 9


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["path", "outs", A]),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["outs", "deps", "stages", "schema", "path", "md5", "files", "cloud", "repo", "params", "cmd", "wdir"]
            ),
            inner,
            max_size=6,
        ),
        max_leaves=25,
    ),
    st.sampled_from([b"x.dvc", b"dvc.lock", b"dvc.yaml"]),
)  # fmt: skip
def test_no_document_makes_it_fall_over(document: object, name: bytes) -> None:
    import json

    read_data_file(name, json.dumps(document).encode())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_no_configuration_makes_it_fall_over(content: bytes) -> None:
    read_config(b"['remote \"x\"']\nurl=" + content, ".dvc")
    read_config(content, ".dvc")
