"""Artifacts in object stores: a real S3-compatible server, and fsspec's stores."""

from __future__ import annotations

import hashlib
import logging
import socket
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from object_stores import KEYS, Bucket, object_store
from servers import Answer, Request, certificate, door

from mlflow2prov import extract
from mlflow2prov.errors import UsageError
from mlflow2prov.sources.mlflow.artifact_rows import Listing, Owner
from mlflow2prov.sources.mlflow.artifact_stores import STORES, StoreKind
from mlflow2prov.sources.mlflow.artifacts import ArtifactAccess, read_artifacts
from mlflow2prov.sources.mlflow.artifacts_s3 import S3Store
from mlflow2prov.sources.tables import SOURCE_TABLES

Tables = dict[str, list[dict[str, Any]]]
MLMODEL = b"flavors:\n  sklearn: {}\nmodel_uuid: abc\n"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with object_store(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "mlflow2prov")
    return caplog


def listed(
    *owners: tuple[str, str, str], access: ArtifactAccess | None = None, with_digests: bool = False
) -> Tables:
    found: Tables = {"mlflow_artifact": [], "mlflow_model_file": []}
    for name, batch in read_artifacts(owners, access=access, with_digests=with_digests):
        assert batch.schema.equals(SOURCE_TABLES[name].schema())
        assert batch.num_rows > 0
        found[name].extend(batch.to_pylist())
    return found


def paths(tables: Tables, owner_id: str = "r1") -> list[str]:
    return [row["path"] for row in tables["mlflow_artifact"] if row["owner_id"] == owner_id]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [it.getMessage() for it in caplog.records if it.name.startswith("mlflow2prov")]


def requests_to(
    bucket: Bucket, access: ArtifactAccess, *owners: tuple[str, str, str]
) -> tuple[Tables, list[str]]:
    with door(lambda _: None, bucket.endpoint) as front:
        through = ArtifactAccess(environment={**access.environment, "MLFLOW_S3_ENDPOINT_URL": front.url})
        found = listed(*owners, access=through)
    return found, [request.path for request in front.seen]


# ---- Listing -----------------------------------------------------------------------------------


def test_keys_are_files_and_folders_to_any_depth(bucket: Bucket) -> None:
    deep = "/".join(["d"] * 100)
    bucket.put(**{f"any/r1/artifacts/{name}": b"123" for name in ("a", "b/c/d", f"{deep}/x")})
    found = listed(("run", "r1", "s3://bucket/any/r1/artifacts"), access=bucket.access())
    rows = {row["path"]: (row["is_dir"], row["size_bytes"]) for row in found["mlflow_artifact"]}
    assert rows["a"] == rows["b/c/d"] == rows[f"{deep}/x"] == (False, 3)
    assert rows["b"] == rows["b/c"] == rows[deep] == (True, None)
    assert len(rows) == 1 + 3 + 101


@pytest.fixture(scope="module")
def many(bucket: Bucket) -> list[tuple[str, str, str]]:
    """The runs of an experiment with more files than a request tells of."""
    bucket.put(**{f"many/{i:03}/artifacts/{name}": b"" for i in range(130) for name in "abcdefgh"})
    return [("run", f"{i:03}", f"s3://bucket/many/{i:03}/artifacts") for i in range(130)]


def test_many_runs_of_an_experiment_share_the_requests(
    bucket: Bucket, many: list[tuple[str, str, str]]
) -> None:
    found, asked = requests_to(bucket, bucket.access(), *many)
    assert len(found["mlflow_artifact"]) == 130 * 8
    assert len(asked) == 2
    found, asked = requests_to(bucket, bucket.access(), many[3], many[100])
    assert sorted(row["owner_id"] for row in found["mlflow_artifact"]) == ["003"] * 8 + ["100"] * 8
    assert len(asked) == 1


def test_what_lies_between_is_leapt_over(bucket: Bucket, many: list[tuple[str, str, str]]) -> None:
    bucket.put(**{"many/!/artifacts/x": b"", "many/z/artifacts/y": b""})
    owners = [("run", name, f"s3://bucket/many/{name}/artifacts") for name in ("!", "none", "z")]
    found, asked = requests_to(bucket, bucket.access(), *owners)
    assert [row["path"] for row in found["mlflow_artifact"]] == ["x", "y"]
    assert len(asked) == 2


def test_an_owner_within_another_and_two_at_one_place_have_all_of_theirs(bucket: Bucket) -> None:
    bucket.put(**{"nest/a": b"", "nest/r2/artifacts/b": b"", "nest-2/c": b""})
    owners = [("run", "r1", "s3://bucket/nest/"), ("run", "r2", "s3://bucket/nest/r2/artifacts")]
    found = listed(*owners, ("run", "r3", "s3://bucket/nest"), access=bucket.access())
    assert paths(found) == paths(found, "r3") == ["a", "r2", "r2/artifacts", "r2/artifacts/b"]
    assert paths(found, "r2") == ["b"]


def test_odd_keys_are_kept_or_counted(bucket: Bucket, heard: pytest.LogCaptureFixture) -> None:
    fine = ["a b", "50%25", "50%", "a+b", "é/ü", "q?x=1#y", "tab\t", "emoji \U0001f600", "&<>"]
    odd = ["a//b", "../up", "x/./y", "/lead"]
    bucket.put(**{f"odd/r1/artifacts/{name}": b"1" for name in (*fine, *odd)})
    bucket.put(**{"odd/r1/artifacts/": b"", "odd/r1/artifacts/marker/": b"", "odd/r1/artifacts/both": b"1"})
    bucket.put(**{"odd/r1/artifacts/both/x": b""})
    found = listed(("run", "r1", "s3://bucket/odd/r1/artifacts"), access=bucket.access(), with_digests=True)
    files = {row["path"]: row for row in found["mlflow_artifact"] if not row["is_dir"]}
    assert set(files) == {*fine, "both", "both/x"}
    assert {files[name]["digest"] for name in fine} == {hashlib.sha256(b"1").hexdigest()}
    assert {row["path"] for row in found["mlflow_artifact"] if row["is_dir"]} == {"é", "marker"}
    (warning,) = warnings(heard)
    assert warning.startswith("4 keys of artifacts have parts that no folder has")


def page_of(keys: list[str], *, following: str | None) -> Answer:
    """An answer to a listing, as S3 gives it."""
    items = "".join(f"<Contents><Key>{quote(key)}</Key><Size>1</Size></Contents>" for key in keys)
    more = f"<NextContinuationToken>{following}</NextContinuationToken>" if following else ""
    is_cut = "true" if following else "false"
    body = (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<EncodingType>url</EncodingType><IsTruncated>{is_cut}</IsTruncated>{more}{items}</ListBucketResult>"
    )
    return Answer(200, body.encode(), {"Content-Type": "application/xml"})


def asked_for(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}


def test_lines_and_characters_that_no_document_holds_are_shown() -> None:
    with door(lambda _: page_of(["x/a\x01b", "x/line\nbreak"], following=None)) as front:
        access = ArtifactAccess(environment={**KEYS, "MLFLOW_S3_ENDPOINT_URL": front.url})
        found = listed(("run", "r1", "s3://bucket/x"), access=access)
    shown = [(row["path"], row["path_bytes"]) for row in found["mlflow_artifact"]]
    assert shown == [("a\\x01b", b"a\x01b"), ("line\nbreak", None)]


def test_a_hundred_thousand_keys_take_a_hundred_requests(heard: pytest.LogCaptureFixture) -> None:
    def answer(request: Request) -> Answer:
        start = int(asked_for(request).get("continuation-token", 0))
        keys = [f"big/r1/artifacts/f{i:06}" for i in range(start, start + 1000)]
        return page_of(keys, following=str(start + 1000) if start + 1000 < 100_000 else None)

    begun = time.process_time()
    with door(answer) as front:
        access = ArtifactAccess(environment={**KEYS, "MLFLOW_S3_ENDPOINT_URL": front.url})
        found = listed(("run", "r1", "s3://bucket/big/r1/artifacts"), access=access)
    assert len(paths(found)) == len(set(paths(found))) == 100_000
    assert len(front.seen) == 100
    assert time.process_time() - begun < 30
    assert warnings(heard) == []


class Pages:
    """Lists keys as S3 does, a few at a time."""

    def __init__(self, keys: set[str], size: int) -> None:
        self.keys, self.size, self.asked = sorted(keys), size, 0

    def list_objects_v2(self, **query: str) -> dict[str, Any]:
        self.asked += 1
        after = query.get("ContinuationToken") or query.get("StartAfter", "")
        left = [key for key in self.keys if key > after and key.startswith(query["Prefix"])]
        page: dict[str, Any] = {"Contents": [{"Key": key, "Size": 1} for key in left[: self.size]]}
        if len(left) > self.size:
            page |= {"IsTruncated": True, "NextContinuationToken": left[self.size - 1]}
        return page

    def close(self) -> None:
        """Nothing is open."""


NAMES = st.sampled_from(["a", "b", "c", "a-", "é", "z", "artifacts"])
KEYS_OF_ALL = st.sets(st.lists(NAMES, min_size=1, max_size=5).map("/".join), max_size=40)
FOLDERS = st.lists(st.lists(NAMES, max_size=3).map("/".join), max_size=8)


@settings(deadline=None)
@given(
    keys=KEYS_OF_ALL, folders=FOLDERS, runs=st.lists(NAMES, max_size=6, unique=True), size=st.integers(1, 5)
)
def test_to_leap_finds_what_a_listing_of_all_finds(
    keys: set[str], folders: list[str], runs: list[str], size: int
) -> None:
    places = [*folders, *(f"a/{run}/artifacts" for run in runs), *(f"{run}/artifacts" for run in runs)]
    owners = [
        Owner("run", place.split("/")[-2] if "/" in place else place, f"s3://bucket/{place}")
        for place in places
    ]
    store = S3Store(Pages(keys, size), "bucket", 2)
    found = list(store.listings(owners))
    store.close()
    assert sorted(listing.owner for listing in found) == sorted(owners)
    for listing in found:
        assert isinstance(listing, Listing)
        below = f"{key}/" if (key := listing.owner.uri.removeprefix("s3://bucket/")) else ""
        expected = sorted(key[len(below) :].encode() for key in keys if key.startswith(below))
        assert [entry.path for entry in listing.entries if not entry.is_dir] == expected


def test_a_store_without_order_is_listed_run_by_run() -> None:
    stored = ["x/b/artifacts/2", "x/a/artifacts/1", "x/b/artifacts/1", "x/a/artifacts/2", "x/c/other"]

    def answer(request: Request) -> Answer:
        return page_of(
            [key for key in stored if key.startswith(asked_for(request)["prefix"])], following=None
        )

    with door(answer) as front:
        access = ArtifactAccess(environment={**KEYS, "MLFLOW_S3_ENDPOINT_URL": front.url})
        found = listed(*(("run", name, f"s3://bucket/x/{name}/artifacts") for name in "abc"), access=access)
    assert [paths(found, name) for name in "abc"] == [["1", "2"], ["1", "2"], []]


def test_pages_that_lead_in_a_circle_end(heard: pytest.LogCaptureFixture) -> None:
    with door(lambda _: page_of([], following="again")) as front:
        access = ArtifactAccess(environment={**KEYS, "MLFLOW_S3_ENDPOINT_URL": front.url})
        assert paths(listed(("run", "r1", "s3://bucket/x"), access=access)) == []
    (warning,) = warnings(heard)
    assert "in a circle" in warning


# ---- Contents ----------------------------------------------------------------------------------


def test_models_are_read_and_digests_where_asked_for(bucket: Bucket) -> None:
    large = bytes(3 * 2**20)
    bucket.put(**{"models/m-1/artifacts/MLmodel": MLMODEL, "models/m-1/artifacts/requirements.txt": b"b\na"})
    bucket.put(**{"models/m-1/artifacts/model.pkl": large})
    owner = ("logged_model", "m-1", "s3://bucket/models/m-1/artifacts")
    plain = listed(owner, access=bucket.access())
    (model,) = plain["mlflow_model_file"]
    assert (model["path"], model["model_uuid"], model["requirements"]) == ("", "abc", ["a", "b"])
    assert {row["digest"] for row in plain["mlflow_artifact"]} == {None}
    digests = {
        row["path"]: row["digest"]
        for row in listed(owner, access=bucket.access(), with_digests=True)["mlflow_artifact"]
    }
    assert digests["model.pkl"] == hashlib.sha256(large).hexdigest()
    assert digests["MLmodel"] == hashlib.sha256(MLMODEL).hexdigest()


def test_nothing_but_what_tells_of_models_is_read(bucket: Bucket) -> None:
    bucket.put(**{"few/r1/artifacts/m/MLmodel": MLMODEL, "few/r1/artifacts/m/conda.yaml": b"name: x"})
    bucket.put(**{"few/r1/artifacts/m/model.pkl": b"1", "few/r1/artifacts/requirements.txt": b"a"})
    _, asked = requests_to(bucket, bucket.access(), ("run", "r1", "s3://bucket/few/r1/artifacts"))
    read = [path.partition("?")[0] for path in asked if "list-type" not in path]
    assert sorted(read) == ["/bucket/few/r1/artifacts/m/MLmodel", "/bucket/few/r1/artifacts/m/conda.yaml"]


def test_an_mlmodel_of_a_gigabyte_is_not_read(bucket: Bucket, heard: pytest.LogCaptureFixture) -> None:
    key = "huge/r1/artifacts/MLmodel"

    def answer(request: Request) -> Answer | None:
        page = page_of([key], following=None)
        size = page.body.replace(b"<Size>1</Size>", b"<Size>1073741824</Size>")
        return Answer(200, size, page.headers) if "list-type" in request.path else Answer(200, MLMODEL)

    with door(answer) as front:
        access = ArtifactAccess(environment={**KEYS, "MLFLOW_S3_ENDPOINT_URL": front.url})
        found = listed(("run", "r1", "s3://bucket/huge/r1/artifacts"), access=access)
    assert found["mlflow_artifact"][0]["size_bytes"] == 2**30
    assert found["mlflow_model_file"] == []
    assert len(front.seen) == 1
    assert warnings(heard) == ["1 MLmodel files could not be read and are plain files"]


def test_an_mlmodel_that_has_grown_meanwhile_is_read_no_further(heard: pytest.LogCaptureFixture) -> None:
    def answer(request: Request) -> Answer:
        if "list-type" in request.path:
            return page_of(["grown/r1/artifacts/MLmodel"], following=None)
        return Answer(200, MLMODEL + b"#" * 6_000_000)

    with door(answer) as front:
        access = ArtifactAccess(environment={**KEYS, "MLFLOW_S3_ENDPOINT_URL": front.url})
        found = listed(("run", "r1", "s3://bucket/grown/r1/artifacts"), access=access)
    assert found["mlflow_model_file"] == []
    assert warnings(heard) == ["1 MLmodel files could not be read and are plain files"]


def test_an_object_that_vanishes_meanwhile_costs_its_digest(
    bucket: Bucket, heard: pytest.LogCaptureFixture
) -> None:
    bucket.put(**{f"gone/r1/artifacts/{name}": MLMODEL for name in ("MLmodel", "other")})

    def vanish(request: Request) -> Answer | None:
        body = b"<Error><Code>NoSuchKey</Code></Error>"
        return Answer(404, body) if request.path.endswith("/MLmodel") else None

    with door(vanish, bucket.endpoint) as front:
        access = bucket.access(MLFLOW_S3_ENDPOINT_URL=front.url)
        found = listed(("run", "r1", "s3://bucket/gone/r1/artifacts"), access=access, with_digests=True)
    digests = {row["path"]: row["digest"] for row in found["mlflow_artifact"]}
    assert digests == {"MLmodel": None, "other": hashlib.sha256(MLMODEL).hexdigest()}
    assert warnings(heard) == [
        "1 MLmodel files could not be read and are plain files",
        "1 artifacts could not be read and have no digest (the object is gone)",
    ]


def test_objects_that_must_not_be_read_are_not_tried_for_ever(
    bucket: Bucket, many: list[tuple[str, str, str]], heard: pytest.LogCaptureFixture
) -> None:
    def deny(request: Request) -> Answer | None:
        return (
            None if "list-type" in request.path else Answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        )

    with door(deny, bucket.endpoint) as front:
        access = bucket.access(MLFLOW_S3_ENDPOINT_URL=front.url)
        found = listed(*many, access=access, with_digests=True)
    assert len(found["mlflow_artifact"]) == 130 * 8
    assert len(front.seen) < 60
    assert warnings(heard) == [
        "1040 artifacts could not be read and have no digest "
        "(access is denied; the credentials need s3:ListBucket and s3:GetObject)"
    ]


def test_local_files_have_the_same_digests(tmp_path: Path, bucket: Bucket) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name, size in {"a/b/c": 2**20 + 1, "a/empty": 0, "d": 5}.items():
        (tmp_path / name).write_bytes(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    bucket.put_folder(tmp_path, "same/r1/artifacts")
    here = listed(("run", "r1", str(tmp_path)), with_digests=True)
    there = listed(("run", "r1", "s3://bucket/same/r1/artifacts"), access=bucket.access(), with_digests=True)
    assert here == there
    digests = {row["path"]: row["digest"] for row in here["mlflow_artifact"]}
    assert digests["a/b/c"] == hashlib.sha256((tmp_path / "a/b/c").read_bytes()).hexdigest()
    assert digests["a"] is None and digests["a/empty"] == hashlib.sha256().hexdigest()


# ---- Stores that can't be reached --------------------------------------------------------------

RUNS = [("run", f"r{i}", f"s3://bucket/{i}/r{i}/artifacts") for i in range(40)]


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_refused_connection_costs_one_warning_and_no_wait_for_each_run(
    heard: pytest.LogCaptureFixture,
) -> None:
    port = closed_port()
    environment = {**KEYS, "MLFLOW_S3_ENDPOINT_URL": f"http://ada:geheim@127.0.0.1:{port}"}
    begun = time.monotonic()
    found = listed(*RUNS, access=ArtifactAccess(environment=environment))
    assert time.monotonic() - begun < 30
    assert found == {"mlflow_artifact": [], "mlflow_model_file": []}
    (warning,) = warnings(heard)
    assert warning.startswith(
        f"artifacts of 40 runs at s3://bucket are left out: 127.0.0.1:{port} can't be reached"
    )
    assert "geheim" not in warning


def test_a_missing_bucket_costs_one_warning_and_the_others_are_read(
    bucket: Bucket, heard: pytest.LogCaptureFixture
) -> None:
    bucket.put(**{"1/r1/artifacts/x": b""})
    others = [("run", f"m{i}", f"s3://no-such-bucket/{i}/m{i}/artifacts") for i in range(40)]
    found = listed(*others, *RUNS, access=bucket.access())
    assert paths(found) == ["x"]
    assert warnings(heard) == [
        "artifacts of 40 runs at s3://no-such-bucket are left out: "
        "there is no such bucket; check it, and MLFLOW_S3_ENDPOINT_URL"
    ]


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("AccessDenied", 403, "access is denied"),
        ("InvalidAccessKeyId", 403, "the access key is unknown"),
        ("ExpiredToken", 400, "the session has expired"),
        ("Odd", 418, "the store answered with error Odd"),
    ],
)
def test_a_store_that_refuses_is_left_alone_soon(
    code: str, status: int, said: str, heard: pytest.LogCaptureFixture
) -> None:
    body = f"<Error><Code>{code}</Code><Message>geheim</Message></Error>".encode()
    with door(lambda _: Answer(status, body, {"Content-Type": "application/xml"})) as front:
        access = ArtifactAccess(environment={**KEYS, "MLFLOW_S3_ENDPOINT_URL": front.url}, concurrency=2)
        listed(*RUNS, access=access)
    assert len(front.seen) <= 8
    (warning,) = warnings(heard)
    assert warning.startswith(f"artifacts of 40 runs at s3://bucket are left out: {said}")
    assert "geheim" not in warning


def test_a_folder_that_is_denied_leaves_the_others(bucket: Bucket, heard: pytest.LogCaptureFixture) -> None:
    bucket.put(**{f"deny/{i}/r{i}/artifacts/x": b"" for i in range(8)})

    def deny(request: Request) -> Answer | None:
        is_denied = any(f"deny%2F{i}%2F" in request.path for i in range(5))
        return Answer(403, b"<Error><Code>AccessDenied</Code></Error>") if is_denied else None

    owners = [("run", f"r{i}", f"s3://bucket/deny/{i}/r{i}/artifacts") for i in reversed(range(8))]
    with door(deny, bucket.endpoint) as front:
        access = replace(bucket.access(MLFLOW_S3_ENDPOINT_URL=front.url), concurrency=1)
        found = listed(*owners, access=access)
    assert {row["owner_id"] for row in found["mlflow_artifact"]} == {"r5", "r6", "r7"}
    (warning,) = warnings(heard)
    assert warning.startswith("artifacts of 5 runs at s3://bucket are left out: access is denied")


def test_certificates_are_checked_unless_told_otherwise(
    tmp_path: Path, heard: pytest.LogCaptureFixture
) -> None:
    own = certificate(tmp_path)
    with door(lambda _: page_of(["x/a"], following=None), certificate=own) as front:
        environment = {**KEYS, "MLFLOW_S3_ENDPOINT_URL": front.url}
        for more in ({}, {"AWS_CA_BUNDLE": str(own)}, {"MLFLOW_S3_IGNORE_TLS": "true"}):
            found = listed(
                ("run", "r1", "s3://bucket/x"), access=ArtifactAccess(environment=environment | more)
            )
            assert paths(found) == (["a"] if more else [])
    refused, ignored = warnings(heard)
    assert "SSLError" in refused
    assert ignored == "certificates of S3 stores are not checked, as MLFLOW_S3_IGNORE_TLS asks"


def test_settings_that_can_t_be_used_are_said(heard: pytest.LogCaptureFixture) -> None:
    for changed in ({"MLFLOW_S3_ENDPOINT_URL": "localhost:9"}, {"AWS_PROFILE": "nobody"}):
        listed(*RUNS, access=ArtifactAccess(environment=KEYS | changed))
    first, second = warnings(heard)
    assert "MLFLOW_S3_ENDPOINT_URL is 'localhost:9'; write http://host:port" in first
    assert "nobody" in second


# ---- Other stores ------------------------------------------------------------------------------


def test_fsspec_reads_other_stores(bucket: Bucket, tmp_path: Path) -> None:
    files = {"MLmodel": MLMODEL, "requirements.txt": b"a", "d/e é/f %": b"123", "d/0": b""}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path), "/bucket/1/r1/artifacts", recursive=True)
    memory.pipe("/bucket/1/r11/artifacts/other", b"")
    owners = [("run", "r1", "memory://bucket/1/r1/artifacts"), ("run", "none", "memory://bucket/1/none")]
    found = listed(*owners, with_digests=True)
    assert found == listed(("run", "r1", str(tmp_path)), with_digests=True)


def test_without_botocore_the_extra_is_named(
    heard: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    monkeypatch.delitem(sys.modules, "mlflow2prov.sources.mlflow.artifacts_s3", raising=False)
    listed(*RUNS)
    assert warnings(heard) == [
        "artifacts of 40 runs at s3://bucket are left out: "
        "botocore is not installed; pip install 'mlflow2prov[s3]'"
    ]


def test_a_server_for_artifacts_has_a_url() -> None:
    with pytest.raises(UsageError, match="write http://host:port"):
        extract(mlflow_url="sqlite:///none.db", artifact_server="ada:geheim@localhost:5000")


def test_what_is_not_installed_is_named(heard: pytest.LogCaptureFixture) -> None:
    listed(("run", "r1", "gs://bucket/1"), ("run", "r2", "abfss://box@account.dfs.core.windows.net/x"))
    azure, google = warnings(heard)
    assert google.startswith("artifacts of 1 run at gs://bucket are left out: ")
    assert google.endswith("pip install 'mlflow2prov[fsspec]' gcsfs")
    assert azure.startswith("artifacts of 1 run at abfss://box@account.dfs.core.windows.net are left out: ")
    assert azure.endswith("pip install 'mlflow2prov[fsspec]' adlfs")


@pytest.mark.parametrize(
    "uri",
    [
        "http://h/x",
        "file://host/x",
        "dbfs:/x",
        "nonsense://x",
        "zip://a::s3://b/c",
        "simplecache::s3://b",
        "s3:",
    ],
)
def test_what_is_no_store_is_never_opened(uri: str, heard: pytest.LogCaptureFixture) -> None:
    listed(("run", "r1", uri))
    (warning,) = warnings(heard)
    assert warning.startswith("artifacts of 1 run at ")


def test_a_store_of_fsspec_that_fails_is_left_alone(heard: pytest.LogCaptureFixture) -> None:
    begun = time.monotonic()
    port = closed_port()
    listed(*(("run", f"r{i}", f"ftp://ada:geheim@127.0.0.1:{port}/{i}") for i in range(30)))
    assert time.monotonic() - begun < 20
    (warning,) = warnings(heard)
    assert warning.startswith(f"artifacts of 30 runs at ftp://127.0.0.1:{port} are left out: ")
    assert "geheim" not in warning


# ---- Documentation -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STORES, ids=lambda kind: kind.schemes[0])
def test_a_kind_of_store_is_documented_as_it_is(kind: StoreKind) -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "sources.md"
    uris = ", ".join(f"`{scheme}:{'' if scheme == 'mlflow-artifacts' else '//'}`" for scheme in kind.schemes)
    install = ", ".join(f"`{name}`" for name in kind.install) or "nothing"
    row = f"| {uris} | {kind.name} | {install} |{f' {kind.settings} ' if kind.settings else ' '}|"
    assert row in page.read_text("utf-8").splitlines()


def test_the_extras_that_are_named_are_there() -> None:
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    named = {name[len("mlflow2prov[") : -1] for kind in STORES for name in kind.install if "[" in name}
    assert named == {"s3", "fsspec"} and named <= set(extras)
