"""What of a repository the datasets of runs are, at the runs' commits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.sources.data_files import MD5, oid, pointer, tracked
from tests.sources.git_maker import Repository

CONFIG = "[core]\nremote = s\n['remote \"s\"']\nurl = s3://bucket/store\n"


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("datasets") / "repo")


@pytest.fixture(scope="module")
def commit(repo: Repository) -> str:
    before = repo.commit({"data/wine.csv.dvc": tracked("wine.csv", "b")})
    return repo.commit(
        {
            ".dvc/config": CONFIG,
            ".gitattributes": "*.bin filter=lfs\n",
            "data/wine.csv.dvc": tracked("wine.csv", "a"),
            "data/raw.dvc": tracked("raw", "c", nfiles=3),
            "big.bin": pointer("big"),
            "plain/small.csv": "1,2\n",
            "plain/twice.csv": "1",
            "latest": ("120000", "plain"),
            "raw/newest": ("120000", "../data/raw"),
            "now.csv": ("120000", "latest/small.csv"),
            "away": ("120000", "/etc"),
            "out.csv": ("120000", "/plain/small.csv"),
            "round.csv": ("120000", "round.csv"),
            "plain/caf\u00e9.csv": "1",
            "other/twice.csv": "2",
        },
        before,
    )


def source(place: str, key: str = "uri") -> str:
    return json.dumps({key: place})


def matched(repo: Repository, commit: str, digest: str = "d", place: str | None = None) -> list[Any]:
    """How a dataset is matched, and the path of what it is."""
    wanted = [(commit, "wine", digest, source(place) if place else "")]
    rows = repo.read(entry_points=[(commit, "")], datasets=wanted)
    paths = {row["data"]: row["path"] for row in rows["git_data"]}
    return [(row["matched_by"], paths.get(row["data"], row["path"])) for row in rows["git_dataset_match"]]


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        (MD5["a"], "data/wine.csv"),
        (f"md5:{MD5['a'].upper()}", "data/wine.csv"),
        (oid("big")[:36], "big.bin"),
        (oid("big"), "big.bin"),
        (MD5["b"], None),
        (MD5["a"][:8], None),
    ],
)
def test_by_the_digest_of_what_stands_at_the_commit(
    repo: Repository, commit: str, digest: str, expected: str | None
) -> None:
    assert matched(repo, commit, digest) == ([("digest", expected)] if expected else [])


def test_by_the_object_name_in_git(repo: Repository, commit: str) -> None:
    name = repo.git("rev-parse", f"{commit}:plain/small.csv")
    assert matched(repo, commit, name) == [("digest", "plain/small.csv")]
    assert matched(repo, commit, name[:36]) == [("digest", "plain/small.csv")]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("data/wine.csv", ("path", "data/wine.csv")),
        ("./data/wine.csv", ("path", "data/wine.csv")),
        ("../data/wine.csv", ("path", "data/wine.csv")),
        ("wine.csv", ("path", "data/wine.csv")),
        ("C:\\work\\data\\wine.csv", ("path", "data/wine.csv")),
        ("file:///elsewhere/data/wine.csv", ("path", "data/wine.csv")),
        ("big.bin", ("path", "big.bin")),
        ("/home/ada/plain/small.csv", ("path", "plain/small.csv")),
        ("twice.csv", None),
        ("data/raw/part/1.csv", ("folder", "data/raw")),
        ("missing.csv", None),
        ("latest/small.csv", ("path", "plain/small.csv")),
        ("/elsewhere/latest/small.csv", ("path", "plain/small.csv")),
        ("raw/newest/part/1.csv", ("folder", "data/raw")),
        ("now.csv", ("path", "plain/small.csv")),
        ("away/passwd", None),
        ("out.csv", None),
        ("round.csv", None),
        ("dvc://data/wine.csv", ("path", "data/wine.csv")),
        ("dvc:///data/raw/part/1.csv", ("folder", "data/raw")),
        ("plain/cafe\u0301.csv", ("path", "plain/caf\u00e9.csv")),
        ("s3://elsewhere/data/wine.csv", None),
        (f"s3://bucket/store/files/md5/{MD5['a'][:2]}/{MD5['a'][2:]}", ("remote_path", "data/wine.csv")),
        (f"s3a://bucket/store/files/md5/{MD5['a'][:2]}/{MD5['a'][2:]}", ("remote_path", "data/wine.csv")),
        (f"gs://other/files/md5/{MD5['a'][:2]}/{MD5['a'][2:]}", ("remote_path", "data/wine.csv")),
        (f"/home/ada/wine/.dvc/cache/{MD5['a'][:2]}/{MD5['a'][2:]}", ("remote_path", "data/wine.csv")),
        (f"s3://bucket/store/files/md5/{MD5['b'][:2]}/{MD5['b'][2:]}", None),
        (f"s3://bucket/store/{MD5['a'][:2]}/{MD5['a'][2:]}/part", None),
    ],
)
def test_by_the_place_that_it_came_from(
    repo: Repository, commit: str, place: str, expected: tuple[str, str] | None
) -> None:
    assert matched(repo, commit, place=place) == ([expected] if expected else [])


def test_an_absolute_path_in_the_work_tree_is_exact(repo: Repository, commit: str) -> None:
    assert matched(repo, commit, place=f"file://{repo.path}/data/wine.csv") == [("path", "data/wine.csv")]
    assert matched(repo, commit, place=f"{repo.path}/wine.csv") == []


@pytest.mark.parametrize(
    "told", ["", "[", "[]", '{"uri": 5}', '{"uri": "\\ud800"}', '{"uri": "a\\u0000"}', "[" * 100_000]
)
def test_a_source_that_says_nothing_matches_nothing(repo: Repository, commit: str, told: str) -> None:
    rows = repo.read(entry_points=[(commit, "")], datasets=[(commit, "wine", "d", told)])
    assert not rows["git_dataset_match"]


def test_the_digest_goes_before_the_path(repo: Repository, commit: str) -> None:
    assert matched(repo, commit, oid("big")[:36], "plain/small.csv") == [("digest", "big.bin")]
    assert matched(repo, commit, oid("none")[:36], "plain/small.csv") == [("path", "plain/small.csv")]
    assert matched(repo, commit, MD5["a"], "plain/small.csv") == [("digest", "data/wine.csv")]
