"""Datasets of runs are the same data and files where documents were made apart and linked as where together."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from data_files import MD5, item, lock, oid, pointer, stage, tracked
from git_maker import Repository
from random_histories import LINK, PLAIN, Commit, Entry, Files, make
from tests.model.made_stores import Row
from tests.sources.joined import of_run, records, store_of, taking_in

from mlflow2prov import Graph, extract, load, merge

CONFIG = "[core]\nremote = s\n['remote \"s\"']\nurl = s3://bucket/store\n['remote \"t\"']\nurl = ../kept\n"
FOLDER = (
    f"outs:\n- path: raw\n  files:\n  - md5: {MD5['d']}\n    relpath: one.csv\n"
    f"  - md5: {MD5['e']}\n    relpath: b/two.csv\n"
)
IMPORT = (
    f"deps:\n- path: wine.csv\n  repo:\n    url: https://ada:pw@example.org/r\n    rev_lock: {'1' * 40}\n"
    f"outs:\n- md5: {MD5['f']}\n  path: wine.csv\n"
)
OUTSIDE = f"outs:\n- md5: {MD5['g']}\n  path: s3://bucket/outside.csv\n"
DEFINED = "stages:\n  train:\n    cmd: python t.py\n    outs:\n    - m.pkl\n    metrics:\n    - score.json: {cache: false}\n"
BROKEN = "outs: [\n"


def source(place: str) -> str:
    return json.dumps({"uri": place})


def shown(folder: Path, *places: str) -> list[tuple[str, str, str]]:
    """Datasets that say in all ways what they are: each by one way, and some by two that disagree."""
    digests = [
        *MD5.values(),
        f"md5:{MD5['a'].upper()}",
        *(oid(it)[:36] for it in ("big", "new", "other")),
        oid("big"),
    ]
    digests += ["none", MD5["a"][:8]]
    remote = [f"s3://bucket/store/files/md5/{MD5[it][:2]}/{MD5[it][2:]}" for it in "ab"]
    remote.append(f"kept/files/md5/{MD5['b'][:2]}/{MD5['b'][2:]}")
    remote.append(f"gs://moved/{MD5['a'][:2]}/{MD5['a'][2:]}")
    remote.append(f"lfs/objects/{oid('other')[:2]}/{oid('other')[2:4]}/{oid('other')}")
    found = [(f"by digest {it}", it, "") for it in digests]
    found += [
        (f"from {it}", "d", source(it)) for it in (*remote, *places, *(f"{folder}/{it}" for it in places))
    ]
    return [*found, ("both", MD5["b"], source(places[0])), ("lost", oid("none")[:36], source(places[0]))]


def relations(graph: Graph) -> Counter[str]:
    """How many relations say what a dataset is, by what told it; and how many uses of data there are."""
    count = dict(
        graph.query(
            "SELECT a.v, count(*) FROM {graph}.element e, unnest(e.attributes) u(a) JOIN {graph}.attribute_key k "
            "ON k.key = a.k WHERE k.name = 'm2p:matched_by' GROUP BY 1 UNION ALL SELECT a.v, count(*) "
            "FROM {graph}.relation r, unnest(r.attributes) u(a) WHERE a.v = 'm2p:InputData' GROUP BY 1"
        )
    )
    return Counter(count)


def assert_equal(together: Graph, apart: Graph) -> None:
    for mine, theirs in zip(records(together), records(apart), strict=True):
        assert mine == theirs


def assert_same(repository: Path, url: str, **history: bool) -> Counter[str]:
    with (
        extract(repository, url, **history) as together,
        extract(repository, **history) as git,
        extract(mlflow_url=url) as store,
        merge([store, git]) as both,
        both.link() as apart,
    ):
        assert_equal(together, apart)
        return relations(together)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A history in which data of all sorts comes, changes, goes and comes back, with a run at each commit."""
    folder = tmp_path_factory.mktemp("data")
    made = Repository(folder / "r")
    prepare = stage("prepare", "python p.py", {"data/wine.csv": "a"}, {"data/clean.csv": "b", "m.pkl": "c"})
    files = {
        ".dvc/config": CONFIG,
        ".gitattributes": "*.bin filter=lfs\n",
        "data/wine.csv.dvc": tracked("wine.csv", "a"),
        "raw.dvc": FOLDER,
        "ext/wine.csv.dvc": IMPORT,
        "outside.dvc": OUTSIDE,
        "z.dvc": tracked("m.pkl", "h"),
        "dvc.lock": lock(prepare),
        "dvc.yaml": DEFINED,
        "big.bin": pointer("big"),
        "plain/small.csv": "1,2\n",
        b"d/\xe9.csv.dvc": tracked("x", "h"),
        "p.py": "1",
    }
    one = made.commit(files)
    again = stage("prepare", "python p.py -v", {"data/wine.csv": "d"}, {"data/clean.csv": "e", "m.pkl": "c"})
    two = {
        **files,
        "data/wine.csv.dvc": tracked("wine.csv", "d"),
        "dvc.lock": lock(again),
        "big.bin": pointer("new"),
    }
    del two["raw.dvc"]
    main_ = [one, made.commit(two, one)]
    other = stage("prepare", "python p.py", {"data/wine.csv": "a"}, {"data/clean.csv": "f"})
    left = {**files, "dvc.lock": lock(other), "copy.dvc": tracked("data/clean.csv", "g"), "p.py": "2"}
    side = made.commit(left, one, branch="side")
    both = {
        **two,
        "dvc.lock": lock(other, stage("more", "x", {}, {"more": "h"})),
        "copy.dvc": left["copy.dvc"],
    }
    after: list[dict[str | bytes, str | bytes | tuple[str, str | bytes]]] = [
        {**two, "dvc.lock": BROKEN},
        {**two, "raw.dvc": FOLDER},
        {**two, "dvc.lock": (LINK, "elsewhere"), "moved/wine.csv.dvc": tracked("wine.csv", "d")},
        {
            **two,
            "dvc.lock": lock(again) + item("big.bin", "b"),
            "dvc.yaml": DEFINED.replace("m.pkl", "n.pkl"),
        },
        {**two, "big.bin": pointer("big"), "dvc.lock": lock(again) + item("big.bin", "b")},
        {**two, "big.bin": pointer("other"), "big.dvc": tracked("big.bin", "b", push="false")},
        {**two, "big.bin": pointer("big"), "big.dvc": tracked("big.bin", "b", push="false")},
        {path: text for path, text in two.items() if path != "dvc.lock"},
        {**files, "data/wine.csv.dvc": tracked("wine.csv", "d"), "raw/one.csv": "3"},
    ]
    del after[2]["data/wine.csv.dvc"]
    main_.append(made.commit(both, main_[-1], side))
    for tree in after:
        main_.append(made.commit(tree, main_[-1]))
    main_.append(made.commit({**files, "p.py": "3"}, side, main_[2], main_[-1]))
    made.git("branch", "-D", "side")
    places = [
        "data/wine.csv",
        "wine.csv",
        "data/clean.csv",
        "m.pkl",
        "score.json",
        "big.bin",
        "plain/small.csv",
    ]
    places += ["raw/one.csv", "raw/b/three.csv", "s3://bucket/outside.csv", "d/x", "p.py", "nothing.csv"]
    beside = main_[8]  # big.bin is data of both DVC and LFS there: only what a later run finds of it counts
    commits = [commit for commit in (*main_, side) if commit != beside]
    rows: list[Row] = []
    for number, commit in enumerate(commits):
        dirty = {"mlflow__source__git__dirty": "true"} if number % 2 else {}
        rows += of_run(f"at{number}", commit.upper() if number % 3 else commit, "p.py", **dirty)
    rows += of_run("elsewhere", "0" * 40, "p.py")
    blobs = [("blob", made.git("rev-parse", f"{one}:plain/small.csv")[:36], source("raw/one.csv"))]
    datasets = [*shown(made.path, *places), *blobs]
    rows += taking_in(datasets, *(f"at{number}" for number in range(len(commits))), "elsewhere")
    return made.path, store_of(folder, *rows)


@pytest.fixture(scope="module")
def documents(project: tuple[Path, str]) -> Iterator[tuple[Graph, Graph, Graph]]:
    """The document of both, that of Git, and that of MLflow."""
    repository, url = project
    with extract(repository, url) as both, extract(repository) as git, extract(mlflow_url=url) as store:
        yield both, git, store


def test_data_that_comes_and_goes_is_the_same(documents: tuple[Graph, Graph, Graph]) -> None:
    together, git, store = documents
    with merge([store, git]) as both, both.link() as apart:
        assert_equal(together, apart)
    found = relations(together)
    assert min(found[it] for it in ("digest", "remote_path", "path", "folder", "m2p:InputData")) > 0


def test_it_stays_the_same_through_a_file_and_where_it_is_linked_again(
    documents: tuple[Graph, Graph, Graph], tmp_path: Path
) -> None:
    together, *apart = documents
    files = [one.save(tmp_path / name) for one, name in zip(apart, ("git.ttl", "store.xml"), strict=True)]
    with (
        load(files[0]) as git,
        load(files[1]) as store,
        merge([store, git]) as both,
        both.link() as once,
        once.link() as twice,
        together.link() as same,
    ):
        assert records(together) == records(once) == records(twice) == records(same)


NAMES = (
    "a.dvc",
    "z.dvc",
    "d/b.dvc",
    "dvc.lock",
    "d/dvc.lock",
    "dvc.yaml",
    "d/dvc.yaml",
    "big.bin",
    "plain.csv",
    "d/plain.txt",
)
DATA = ("wine.csv", "raw", "d/wine.csv", "m.pkl", "plain.csv", "big.bin")


def content(rnd: random.Random, name: str) -> Entry:
    """What may stand at a path: it is sometimes not what the path promises."""
    if rnd.random() < 0.08:
        return rnd.choice([(LINK, b"elsewhere"), (PLAIN, BROKEN.encode()), ("160000", b"1" * 40)])

    def outs() -> dict[str, str]:
        return {path: rnd.choice("abcd") for path in rnd.sample(DATA, rnd.choice([1, 1, 2, 4]))}

    if name.endswith("lock"):
        names = rnd.sample(["s", "t", "u"], rnd.choice([1, 2, 3]))
        text = lock(
            *(stage(it, rnd.choice("xy"), outs() if rnd.random() < 0.5 else {}, outs()) for it in names)
        )
    elif name.endswith("yaml"):
        text = "stages:\n" + "".join(f"  {it}:\n    outs: {json.dumps(list(outs()))}\n" for it in "st")
        text += f"artifacts:\n  {rnd.choice('nm')}: {{path: {rnd.choice(DATA)}, type: model}}\n"
    elif name.endswith(".dvc"):
        text = tracked(rnd.choice(DATA), rnd.choice("abcd"))
    else:
        text = pointer(rnd.choice("ab")) if rnd.random() < 0.6 else rnd.choice("ab") * 30
    return PLAIN, text.encode()


def data_history(seed: int, size: int = 30) -> list[Commit]:
    """The commits of a random history of files of DVC and of data, parents first."""
    rnd = random.Random(seed)
    fixed: Files = {".gitattributes": (PLAIN, b"*.bin filter=lfs\n"), ".dvc/config": (PLAIN, CONFIG.encode())}
    commits: list[Commit] = []
    for number in range(size):
        near = range(max(0, number - 5), number)
        parents = rnd.sample(near, min(rnd.choice([1, 1, 1, 2, 2, 3]), len(near)))
        olds = [commits[parent].files for parent in parents] or [fixed]
        files: Files = {}
        for name in sorted({name for old in olds for name in old}):
            entry = rnd.choice(olds).get(name)
            if entry is not None:
                files[name] = entry
        for _ in range(rnd.choice([0, 1, 1, 2])):
            name, kind = rnd.choice(NAMES), rnd.choice("wwwwdm")
            moved = files.pop(name, None) if kind != "w" else content(rnd, name)
            if moved is not None and kind != "d":
                files[name if kind == "w" else rnd.choice(NAMES)] = moved
        commits.append(Commit(parents, files))
    return commits


def test_a_document_that_does_not_say_what_files_name_has_no_data_of_dvc(
    documents: tuple[Graph, Graph, Graph], caplog: pytest.LogCaptureFixture
) -> None:
    _, git, store = documents
    with merge([store, git]) as both:
        both.store.run(f"UPDATE {both.schema}.attribute_key SET name = 'm2p:x' WHERE name = 'm2p:names_data'")
        with both.link() as apart:
            found = relations(apart)
    assert found["path"] and not found["remote_path"]
    assert "left out: the data of DVC that runs took in, since an earlier version" in caplog.text


def test_a_part_of_a_history_has_no_data(
    project: tuple[Path, str], documents: tuple[Graph, Graph, Graph], caplog: pytest.LogCaptureFixture
) -> None:
    repository, url = project
    with (
        extract(repository, url, paths=["plain"]) as together,
        extract(repository, paths=["plain"]) as git,
        merge([documents[2], git]) as both,
        both.link() as apart,
    ):
        assert relations(together) == relations(apart) == Counter()
    assert "left out: the data of runs, since only a part of the history" in caplog.text


@pytest.mark.parametrize("find_copies", [False, True])
def test_the_data_of_random_histories_is_the_same(tmp_path: Path, find_copies: bool) -> None:
    made = make(tmp_path / "r", range(5), of=data_history)
    commits = sorted({commit.sha for history in made.histories.values() for commit in history})[::4]
    rows = [row for commit in commits for row in of_run(f"at-{commit}", commit, "plain.csv")]
    datasets = shown(made.repository.path, *DATA, "raw/one.csv")
    url = store_of(tmp_path, *rows, *taking_in(datasets, *(f"at-{commit}" for commit in commits)))
    found = assert_same(made.repository.path, url, find_copies=find_copies)
    assert min(found[it] for it in ("digest", "remote_path", "path", "folder", "m2p:InputData")) > 0
