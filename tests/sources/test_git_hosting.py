"""Datasets of runs are the files that URLs of hosting services show, where the repository is that of its origin."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.cache.test_cache import Made, told
from tests.model.made_stores import Row
from tests.sources.data_files import oid, pointer
from tests.sources.git_maker import Repository
from tests.sources.joined import linked, of_run, records, store_of, taking_in

from mlflow2prov import extract, merge
from mlflow2prov.sources.git import read_repositories
from mlflow2prov.sources.git_hosting import Hosted, Hosting, Origin

GITHUB = "https://github.com/ada/wine"
RAW = "https://raw.githubusercontent.com/ada/wine"


class Project:
    """Three commits of one file, a run at the second, a tag at the first, branches at the last."""

    def __init__(self, folder: Path) -> None:
        self.repository = made = Repository(folder)
        tree = {
            "data/wine.csv": "1",
            "data/a b%.csv": "x",
            "x/only.csv": "x",
            "only.csv": "x",
            ".gitattributes": "",
        }
        self.old = made.commit(tree)
        tree |= {"data/wine.csv": "2", "big.bin": pointer("big"), ".gitattributes": "*.bin filter=lfs\n"}
        self.run = made.commit(tree, self.old)
        self.new = made.commit(tree | {"data/wine.csv": "3", "big.bin": pointer("new")}, self.run)
        made.git("tag", "v1", self.old)
        made.git("tag", "rel/2.0", self.new)
        for branch in ("feature/x", "both", "sha1deadbeef"):
            made.git("branch", branch, self.new)
        made.git("tag", "both", self.new)
        made.git("update-ref", "refs/remotes/origin/far/away", self.new)
        self.names = {"{old}": self.old, "{run}": self.run, "{new}": self.new, "{short}": self.old[:9]}

    def spelled(self, url: str) -> str:
        for name, commit in self.names.items():
            url = url.replace(name, commit)
        return url

    def word(self, commit: str) -> str:
        return next(name for name, sha in self.names.items() if sha == commit)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("hosting") / "r")


def found(project: Project, remote: str, url: str, digest: str = "d") -> list[tuple[str, str, str]]:
    """What a URL means at the run's commit: how it is matched, the path, and the commit that made the revision."""
    project.repository.git("config", "remote.origin.url", remote)
    wanted = [(project.run, "wine", digest, json.dumps({"url": project.spelled(url)}))]
    rows = project.repository.read(entry_points=[(project.run, "")], datasets=wanted)
    return [
        (row["matched_by"], row["path"], project.word(row["revision_commit"]))
        for row in rows["git_dataset_match"]
    ]


@pytest.mark.parametrize(
    "remote",
    [
        "git@github.com:ada/wine.git",
        "github.com:/Ada/Wine",
        "ssh://git@ssh.github.com:443/ada/wine.git",
        "https://ada:secret@github.com/ada/wine/",
        "https://github.com:443/ada/wine.git",
        "git://github.com/ada/wine.git",
    ],
)
def test_the_repository_is_that_of_origin_however_it_is_spelled(project: Project, remote: str) -> None:
    for url in (f"{RAW}/main/data/wine.csv", f"{GITHUB}/blob/main/data/wine.csv?raw=true"):
        assert found(project, remote, url) == [("path", "data/wine.csv", "{run}")]


@pytest.mark.parametrize(
    "url",
    [
        "https://raw.githubusercontent.com/ada/beer/main/data/wine.csv",
        "https://raw.githubusercontent.com/eve/wine/main/data/wine.csv",
        "https://raw.githubusercontent.com/ada/wine-two/main/data/wine.csv",
        "https://huggingface.co/datasets/ada/wine/resolve/main/data/wine.csv",
        "https://gitlab.com/ada/wine/-/raw/main/data/wine.csv",
        "https://github.com/ada/wine/issues/main/data/wine.csv",
        "https://github.com:8443/ada/wine/blob/{run}/data/wine.csv",
        "https://github.com:wine/ada/wine/blob/main/data/wine.csv",
        "ftp://github.com/ada/wine/blob/main/data/wine.csv",
        "https://github.com/ada/wine/blob/",
        "https://github.com/ada/wine/blob/data",
        f"{GITHUB}/blob/main/data/missing.csv",
        f"{GITHUB}/blob/{'0' * 40}/data/wine.csv",
        f"{GITHUB}/blob/0123456/data/wine.csv",
        f"{GITHUB}/blob/main/data",
        f"{GITHUB}/blob/main/%00/%ff.csv",
        f"{GITHUB}/blob/main/" + "x/" * 3000,
        f"{GITHUB}/blob/gone/x/only.csv",
        f"{GITHUB}/blob/both/data/wine.csv",
        f"{GITHUB}/raw/refs/tags/gone/data/wine.csv",
        f"{GITHUB}/raw/refs/pull/7/head/data/wine.csv",
        f"{GITHUB}/src/tag/gone/data/wine.csv",
        f"{GITHUB}/raw/v9/data/wine.csv",
        f"{GITHUB}/raw/v1.2.3-rc1/data/wine.csv",
        f"{GITHUB}/raw/2024.1/data/wine.csv",
        f"{GITHUB}/raw/master/data/only.csv",
        f"{GITHUB}/raw/refs/heads/master/data/only.csv",
        f"{GITHUB}/blob/../../eve/beer/blob/main/data/wine.csv",
        f"{GITHUB}/blob/gone/%2e%2e/data/wine.csv",
        f"{GITHUB}/blob/x//only.csv",
        "https://[github.com/ada/wine/raw/main/data/wine.csv",
    ],
)
def test_other_repositories_and_what_is_not_there_are_nothing(project: Project, url: str) -> None:
    assert found(project, "https://github.com:443/ada/wine", url) == []


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("git@github.com:ada/wine", f"{GITHUB}/raw/main/data/wine.csv"),
        ("git@github.com:ada/wine", f"{RAW}/refs/heads/main/data/wine.csv?token=x"),
        ("git@github.com:ada/wine", "https://www.github.com/ada/wine/blob/main/data/wine.csv#L1"),
        ("git@github.com:ada/wine", "https://media.githubusercontent.com/media/ada/wine/main/data/wine.csv"),
        ("git@ghe.example.org:ada/wine", "https://ghe.example.org/raw/ada/wine/main/data/wine.csv"),
        ("git@ghe.example.org:ada/wine", "https://raw.ghe.example.org/ada/wine/main/data/wine.csv"),
        (
            "git@gitlab.com:team/sub/wine.git",
            "https://gitlab.com/team/sub/wine/-/raw/main/data/wine.csv?inline=false",
        ),
        (
            "ssh://git@lab.example.org:2222/team/wine",
            "https://lab.example.org:8443/team/wine/-/blob/main/data/wine.csv",
        ),
        (
            "https://lab.example.org:8443/team/wine",
            "https://lab.example.org:8443/team/wine/-/blob/main/data/wine.csv",
        ),
        ("git@bitbucket.org:ada/wine.git", "https://bitbucket.org/ada/wine/raw/main/data/wine.csv"),
        ("git@bitbucket.org:ada/wine.git", "https://bitbucket.org/ada/wine/src/main/data/wine.csv?at=main"),
        ("git@codeberg.org:ada/wine.git", "https://codeberg.org/ada/wine/src/branch/main/data/wine.csv"),
        (
            "git@hf.co:datasets/ada/wine",
            "https://huggingface.co/datasets/ada/wine/resolve/main/data/wine.csv",
        ),
    ],
)
def test_the_services_show_files_each_in_its_way(project: Project, remote: str, url: str) -> None:
    assert found(project, remote, url) == [("path", "data/wine.csv", "{run}")]


@pytest.mark.parametrize(
    ("rest", "path", "commit"),
    [
        ("HEAD/data/wine.csv", "data/wine.csv", "{run}"),
        ("feature/x/data/wine.csv", "data/wine.csv", "{run}"),
        ("feature/x/only.csv", "only.csv", "{old}"),
        ("far/away/data/wine.csv", "data/wine.csv", "{run}"),
        ("gone/away/data/wine.csv", "data/wine.csv", "{run}"),
        ("master/data/wine.csv", "data/wine.csv", "{run}"),
        ("branch/master/data/wine.csv", "data/wine.csv", "{run}"),
        ("refs/heads/both/data/wine.csv", "data/wine.csv", "{run}"),
        ("refs/tags/both/data/wine.csv", "data/wine.csv", "{new}"),
        ("sha1deadbeef/data/wine.csv", "data/wine.csv", "{run}"),
        ("{old}/data/wine.csv", "data/wine.csv", "{old}"),
        ("{new}/data/wine.csv", "data/wine.csv", "{new}"),
        ("{run}/data/wine.csv", "data/wine.csv", "{run}"),
        ("{short}/data/wine.csv", "data/wine.csv", "{old}"),
        ("commit/{old}/data/wine.csv", "data/wine.csv", "{old}"),
        ("v1/data/wine.csv", "data/wine.csv", "{old}"),
        ("tag/rel/2.0/data/wine.csv", "data/wine.csv", "{new}"),
        ("main/data/a%20b%25.csv", "data/a b%.csv", "{old}"),
        ("{new}/big.bin", "big.bin", "{new}"),
    ],
)
def test_a_commit_or_tag_says_which_revision_it_is(
    project: Project, rest: str, path: str, commit: str
) -> None:
    assert found(project, "git@github.com:ada/wine.git", f"{GITHUB}/raw/{rest}") == [("path", path, commit)]


def test_a_digest_goes_before_what_a_url_says_of_another_commit(project: Project) -> None:
    for digest, expected in (
        ("big", ("digest", "big.bin", "{run}")),
        ("gone", ("path", "data/wine.csv", "{old}")),
    ):
        url = f"{GITHUB}/raw/{{old}}/data/wine.csv"
        assert found(project, "git@github.com:ada/wine.git", url, oid(digest)[:36]) == [expected]


def matches(repositories: Sequence[Repository], commit: str, url: str) -> list[Any]:
    """The paths of what a URL means, of several repositories."""
    wanted = [(commit, "wine", "d", json.dumps({"url": url}))]
    paths = [made.path for made in repositories]
    batches = read_repositories(paths, entry_points=[(commit, "")], datasets=wanted)
    return [
        (row["path"], row["revision_commit"])
        for name, batch in batches
        if name == "git_dataset_match"
        for row in batch.to_pylist()
    ]


def two_repositories(folder: Path) -> tuple[Repository, Repository, str, str]:
    code, data = Repository(folder / "code"), Repository(folder / "data")
    code.git("remote", "add", "origin", "git@github.com:ada/wine.git")
    data.git("remote", "add", "origin", "git@github.com:ada/data.git")
    return code, data, code.commit({"wine.csv": "1", "p.py": "1"}), data.commit({"wine.csv": "2"})


def test_a_branch_of_another_repository_says_nothing_and_a_commit_of_it_does(tmp_path: Path) -> None:
    code, data, run, other = two_repositories(tmp_path)
    both = [code, data]
    assert matches(both, run, "https://github.com/ada/wine/raw/main/wine.csv") == [("wine.csv", run)]
    assert matches(both, run, "https://github.com/ada/data/raw/main/wine.csv") == []
    assert matches(both, run, f"https://github.com/ada/data/raw/{other}/wine.csv") == [("wine.csv", other)]
    assert matches([code], run, f"https://github.com/ada/data/raw/{other}/wine.csv") == []


def test_documents_that_were_made_apart_are_linked_alike(project: Project, tmp_path: Path) -> None:
    made = project.repository
    made.git("config", "remote.origin.url", "https://ada:secret@github.com/ada/wine.git")
    rests = ["main/data/wine.csv", "gone/data/wine.csv", "{old}/data/wine.csv", "{short}/data/wine.csv"]
    rests += [
        "v1/data/wine.csv",
        "rel/2.0/data/wine.csv",
        "far/away/data/wine.csv",
        "{new}/big.bin",
        "both/only.csv",
    ]
    urls = [project.spelled(f"{RAW}/{rest}") for rest in rests]
    datasets = [(f"from {url}", "d", json.dumps({"url": url})) for url in urls]
    rows = [row for name, at in (("a", project.run), ("b", project.new)) for row in of_run(name, at, "p.py")]
    url = store_of(tmp_path, *rows, *taking_in(datasets, "a", "b"))
    with extract(made.path, url) as together, linked(made.path, url) as apart:
        assert records(together) == records(apart)
        matched = "SELECT count(*) FROM {graph}.relation WHERE kind = 42"
        assert together.query(matched) == [(14,)]


def test_a_cache_follows_what_urls_name(tmp_path: Path) -> None:
    project, store = Project(tmp_path / "r"), Made(tmp_path)
    made = project.repository
    made.git("remote", "add", "origin", "git@github.com:ada/wine.git")
    options = {"repository_path": made.path}
    for number in range(20):
        store.insert(*of_run(f"{number:032}", project.new if number else project.run, "p.py"))
    urls = [
        project.spelled(f"{RAW}/{rest}")
        for rest in ("{old}/data/wine.csv", "v1/data/wine.csv", "later/only.csv")
    ]
    store.insert(*taking_in([(url, "d", json.dumps({"url": url})) for url in urls[:1]], f"{0:032}"))
    assert told(store.cached(**options)) == told(store.extract(**options))
    store.insert(*of_run("ab" * 15, project.run, "p.py"))
    more = [(url, "e", json.dumps({"url": url})) for url in urls[1:]]
    store.insert(*(_named(row, "more") for row in taking_in(more, "ab" * 15)))
    assert told(store.cached(**options)) == told(store.extract(**options))
    made.git("tag", "later", project.new)
    graph = store.cached(**options)
    assert told(graph) == told(store.extract(**options))
    assert graph.query("SELECT count(*) FROM {graph}.relation WHERE kind = 42") == [(5,)]
    store.connection.close()
    store.store.close()


def _named(row: Row, name: str) -> Row:
    """The row of a dataset or an input with another identifier."""
    keys = {key: f"{name}-{row[1][key]}" for key in ("dataset_uuid", "input_uuid") if key in row[1]}
    if "source_id" in row[1]:
        keys["source_id"] = f"{name}-{row[1]['source_id']}"
    return row[0], {**row[1], **keys}


def test_documents_of_several_repositories_are_linked_alike(tmp_path: Path) -> None:
    code, data, run, other = two_repositories(tmp_path)
    urls = [
        f"https://github.com/ada/{name}/raw/{at}/wine.csv"
        for name in ("wine", "data")
        for at in ("main", run, other)
    ]
    datasets = [(f"from {url}", "d", json.dumps({"url": url})) for url in urls]
    url = store_of(tmp_path, *of_run("a", run, "p.py"), *taking_in(datasets, "a"))
    paths = [code.path, data.path]
    with extract(paths, url) as together, linked(paths, url) as apart:
        assert records(together) == records(apart)
        assert together.query("SELECT count(*) FROM {graph}.relation WHERE kind = 42") == [(5,)]


def test_commits_of_thousands_of_urls_are_found_in_one_list() -> None:
    names = [sha256(b"%d" % number).hexdigest()[:40].encode() for number in range(50_000)]
    asked: list[int] = []

    def named() -> list[bytes]:
        asked.append(1)
        return names

    hosting = Hosting([Origin(["git@github.com:ada/wine.git"], (), set[str]())], named)
    for name in names[::25]:
        for digits in (name.decode(), name[:12].decode()):
            assert hosting.file(f"{RAW}/{digits}/a.csv", "") == Hosted(name.decode(), ("a.csv",))
    assert hosting.file(f"{RAW}/{'f' * 40}/a.csv", "") == Hosted("", ())
    assert len(asked) == 1


def test_refs_of_a_repository_are_held_once_each() -> None:
    heads = [f"{number:040x} refs/tags/build-{number}" for number in range(5_000)]
    hosting = Hosting([Origin(["git@github.com:ada/wine.git"], heads, set[str]())], lambda: ())
    tracemalloc.start()
    try:
        assert hosting.file(f"{RAW}/build-7/a.csv", "") == Hosted(heads[7][:40], ("a.csv",))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 400 * len(heads)


def test_a_tag_that_is_not_read_is_no_branch(tmp_path: Path) -> None:
    project = Project(tmp_path / "r")
    made = project.repository
    made.git("remote", "add", "origin", "git@github.com:ada/wine.git")
    made.git("tag", "release", project.old)
    datasets = [
        (f"from {name}", "d", json.dumps({"url": f"{RAW}/{name}/data/wine.csv"}))
        for name in ("release", "main")
    ]
    url = store_of(tmp_path, *of_run("a", project.run, "p.py"), *taking_in(datasets, "a"))
    own = 2  # other datasets of the store are artifacts of runs
    for refs, expected in ((["main"], own + 1), ([], own + 2)):
        with (
            extract(made.path, url, refs=refs) as together,
            extract(made.path, refs=refs) as git,
            extract(mlflow_url=url) as store,
            merge([store, git]) as both,
            both.link() as apart,
        ):
            assert records(together) == records(apart)
            matched = "SELECT count(*) FROM {graph}.relation WHERE kind = 42"
            assert together.query(matched) == [(expected,)]
