"""What the graph says of data under version control, and of the datasets of runs that it is."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.model.made_stores import run, tags
from tests.sources.data_files import MD5, lock, oid, pointer, stage, tracked
from tests.sources.git_maker import Repository
from tests.sources.mlflow.stores import fill_schema, insert

from mlflow2prov import extract, load
from mlflow2prov.formats import FORMATS
from mlflow2prov.graph.graph import Graph
from mlflow2prov.prov.records import KIND_BY_NAME

Made = dict[str, Any]
RUN = "ab" * 16


def document(graph: Graph, folder: Path) -> Made:
    made: Made = json.loads(graph.save(folder / "graph.json").read_bytes())
    return made


def pairs(made: Made, kind: str, *words: str) -> set[tuple[str, ...]]:
    """The arguments of relations, the first of which begins with a word, without commits and namespaces."""
    names = [f"prov:{name}" for name in KIND_BY_NAME[kind].references[:2]]
    found = {
        tuple(body.get(name, "").partition(":")[2] for name in names) for body in made.get(kind, {}).values()
    }
    return {pair for pair in found if pair[0].startswith(words)}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("data") / "repository")


@pytest.fixture(scope="module")
def commits(repository: Repository) -> list[str]:
    pipeline = "stages:\n  train:\n    cmd: python t.py\n    deps: [raw]\n    outs: [model]\n"
    files: dict[str | bytes, Any] = {
        ".gitattributes": "*.bin filter=lfs\n",
        "big.bin": pointer("big"),
        "raw.dvc": tracked("raw", "a"),
        "dvc.yaml": pipeline,
        "params.yaml": "lr: 1\n",
        "dvc.lock": lock(
            stage(
                "train", "python t.py https://ada:secret@example.org", {"raw": "a"}, {"model": "b"}, "lr: 1"
            )
        ),
    }
    one = repository.commit(files)
    back: dict[str | bytes, Any] = {**files, "big.bin": pointer("bigger"), "raw.dvc": tracked("raw", "c")}
    two = repository.commit(back, one)
    three = repository.commit(files, two)
    return [one, two, three]


@pytest.fixture(scope="module")
def made(repository: Repository, commits: list[str], tmp_path_factory: pytest.TempPathFactory) -> Made:
    with extract(repository.path) as graph:
        return document(graph, tmp_path_factory.mktemp("made"))


def test_data_that_returns_is_an_alternate_of_its_content_and_makes_no_circle(
    made: Made, commits: list[str]
) -> None:
    one = commits[0]
    names = [f"DataRevision.{sha}--raw" for sha in commits]
    contents = [f"Dataset.md5--{MD5[letter]}" for letter in "aca"]
    assert pairs(made, "alternateOf", *names) == set(zip(names, contents, strict=True))
    derived = pairs(made, "wasDerivedFrom", *names)
    assert derived == {
        *((name, f"FileRevision.{sha}--raw.dvc") for name, sha in zip(names, commits, strict=True)),
        (names[1], names[0]),
        (names[2], names[1]),
    }
    for kind in ("wasDerivedFrom", "wasGeneratedBy", "wasInvalidatedBy"):
        assert not any(name.startswith("Dataset.") for name, _ in pairs(made, kind, ""))
    assert made["entity"][f"git:Dataset.md5--{MD5['a']}"]["m2p:md5"] == MD5["a"]
    body = made["entity"][f"git:{names[0]}"]
    assert (body["m2p:path"], body["m2p:commit"], body["m2p:md5"]) == ("raw", one, MD5["a"])
    assert body["m2p:file_size"]["$"] == "8"
    assert body["prov:label"] == f"raw @ {one[:7]}"


def test_a_run_of_a_stage_used_and_made_data_with_the_pipeline_as_its_plan(
    made: Made, commits: list[str]
) -> None:
    one, *_ = commits
    run_of = f"StageRun.{one}--dvc.lock--train"
    assert [name for name in made["activity"] if ":StageRun." in name] == [f"git:{run_of}"]
    assert made["activity"][f"git:{run_of}"]["m2p:command"] == "python t.py https://example.org"
    assert made["activity"][f"git:{run_of}"]["m2p:parameter"] == "params.yaml: lr = 1"
    assert pairs(made, "used", run_of) == {
        (run_of, f"DataRevision.{one}--raw"), (run_of, f"FileRevision.{one}--params.yaml"),
    }  # fmt: skip
    assert (f"DataRevision.{one}--model", run_of) in pairs(made, "wasGeneratedBy", "DataRevision")
    assert (f"DataRevision.{one}--model", f"DataRevision.{one}--raw") in pairs(made, "wasDerivedFrom", "Data")
    assert pairs(made, "wasInformedBy", run_of) == {(run_of, f"Commit.{one}")}
    (association,) = [
        it for it in made["wasAssociatedWith"].values() if it["prov:activity"] == f"git:{run_of}"
    ]
    assert association["prov:plan"] == f"git:FileRevision.{one}--dvc.yaml"
    assert "secret" not in json.dumps(made)


def test_a_file_of_lfs_is_data_with_the_pointer_before(made: Made, commits: list[str]) -> None:
    one, two, three = (f"DataRevision.{sha}--big.bin" for sha in commits)
    assert made["entity"][f"git:{one}"]["m2p:sha256"] == oid("big")
    assert {(two, one), (three, two)} < pairs(made, "wasDerivedFrom", two, three)


def test_each_piece_is_generated_once_and_all_that_is_named_is_there(made: Made) -> None:
    generated = [name for name, _ in pairs(made, "wasGeneratedBy", "DataRevision")]
    assert len(generated) == len(set(generated))
    assert {f"git:{name}" for name in generated} == {
        name for name in made["entity"] if ":DataRevision." in name
    }
    described = {*made["entity"], *made["activity"], *made["agent"]}
    for kind in ("used", "wasGeneratedBy", "wasDerivedFrom", "alternateOf", "wasAssociatedWith"):
        for body in made[kind].values():
            references = {f"prov:{name}" for name in KIND_BY_NAME[kind].references}
            assert {value for key, value in body.items() if key in references} <= described


def test_it_comes_back_from_every_format(repository: Repository, commits: list[str], tmp_path: Path) -> None:
    with extract(repository.path) as graph:
        rows = graph.statistics("fine").rows
        for name in (it.name for it in FORMATS.values() if it.reads and it.writes):
            with load(graph.save(tmp_path / name, format=name)) as again:
                assert again.statistics("fine").rows == rows, name


def store_of(folder: Path, commit: str, digest: str, place: str) -> str:
    connection = fill_schema("3.17.2", folder / "m.db")
    dataset = {"dataset_uuid": "d", "experiment_id": 0, "name": "wine", "digest": digest}
    dataset |= {"dataset_source_type": "local", "dataset_source": json.dumps({"uri": place})}
    rows = [
        run(RUN),
        *tags(RUN, mlflow__source__git__commit=commit, mlflow__source__name="t.py"),
        ("datasets", dataset),
        (
            "inputs",
            {
                "input_uuid": "i", "source_type": "DATASET", "source_id": "d",
                "destination_type": "RUN", "destination_id": RUN, "step": 0,
            },
        ),
    ]  # fmt: skip
    for table, row in rows:
        insert(connection, table, row)
    connection.commit()
    connection.close()
    return f"sqlite:///{folder / 'm.db'}"


@pytest.mark.parametrize(
    ("digest", "place", "path", "how"),
    [
        ("d", "/mnt/raw", "DataRevision.{}--raw", "path"),
        (MD5["a"], "elsewhere", "DataRevision.{}--raw", "digest"),
        (oid("big")[:36], "", "DataRevision.{}--big.bin", "digest"),
        ("d", "big.bin", "DataRevision.{}--big.bin", "path"),
        ("d", "params.yaml", "FileRevision.{}--params.yaml", "path"),
    ],
)
def test_a_dataset_is_an_alternate_of_what_it_is_at_the_commit(
    repository: Repository, commits: list[str], tmp_path: Path, digest: str, place: str, path: str, how: str
) -> None:
    url = store_of(tmp_path, commits[2], digest, place)
    with extract(repository.path, url, skip=["artifacts"]) as graph:
        made = document(graph, tmp_path)
    made_at = commits[0] if "params" in path else commits[2]
    dataset = f"Dataset.wine--{digest}"
    assert pairs(made, "alternateOf", dataset) == {(dataset, path.format(made_at))}
    assert made["entity"][f"mlflow:{dataset}"]["m2p:matched_by"] == how
    assert (f"Creation.run--{RUN}", path.format(made_at)) in pairs(made, "used", "Creation")


def test_a_cache_links_a_dataset_that_comes_later_as_one_extract_does(
    repository: Repository, commits: list[str], tmp_path: Path
) -> None:
    url = store_of(tmp_path, "f" * 40, "d", "raw")
    cache = tmp_path / "cache.duckdb"
    with extract(repository.path, url, skip=["artifacts"], cache=cache) as graph:
        assert "matched_by" not in json.dumps(document(graph, tmp_path))
    connection = sqlite3.connect(tmp_path / "m.db")
    connection.execute("UPDATE tags SET value = ? WHERE key = 'mlflow.source.git.commit'", [commits[1]])
    connection.commit()
    connection.close()
    with extract(repository.path, url, skip=["artifacts"], cache=cache) as graph:
        later = document(graph, tmp_path)
    with extract(repository.path, url, skip=["artifacts"]) as graph:
        assert pairs(document(graph, tmp_path), "alternateOf", "") == pairs(later, "alternateOf", "")
    assert (f"Creation.run--{RUN}", f"DataRevision.{commits[1]}--raw") in pairs(later, "used", "Creation")


def test_a_cache_links_a_run_that_takes_in_known_data_as_one_extract_does(
    repository: Repository, commits: list[str], tmp_path: Path
) -> None:
    url = store_of(tmp_path, commits[2], "d", "raw")
    connection = sqlite3.connect(tmp_path / "m.db")
    uuids = ["d"]
    for place in ("big.bin", "params.yaml"):
        dataset = {"dataset_uuid": place, "experiment_id": 0, "name": place, "digest": "d"}
        dataset |= {"dataset_source_type": "local", "dataset_source": json.dumps({"uri": place})}
        insert(connection, "datasets", dataset)
        uuids.append(place)
    cache = tmp_path / "cache.duckdb"
    for number, taker in enumerate((RUN, "2" * 32)):
        if number:
            for table, row in [
                run(taker),
                *tags(taker, mlflow__source__git__commit=commits[2], mlflow__source__name="t.py"),
            ]:
                insert(connection, table, row)
        for uuid in uuids[1 - number :]:
            insert(connection, "inputs", {
                "input_uuid": f"{uuid}-{number}", "source_type": "DATASET", "source_id": uuid,
                "destination_type": "RUN", "destination_id": taker, "step": 0,
            })  # fmt: skip
        connection.commit()
        with extract(repository.path, url, skip=["artifacts"], cache=cache) as graph:
            later = document(graph, tmp_path)
    connection.close()
    with extract(repository.path, url, skip=["artifacts"]) as graph:
        assert pairs(document(graph, tmp_path), "used", "Creation") == pairs(later, "used", "Creation")
    found = {thing.partition(".")[0] for run, thing in pairs(later, "used", "Creation") if run.endswith("22")}
    assert found >= {"DataRevision", "FileRevision"}


def test_what_git_lfs_itself_stores_is_read(tmp_path: Path) -> None:
    assert shutil.which("git-lfs"), "install Git LFS: apt-get install git-lfs"
    repository = Repository(tmp_path / "r")
    repository.git("lfs", "install", "--local")
    repository.git("lfs", "track", "*.bin", "with space/**")
    (repository.path / "with space").mkdir()
    (repository.path / "a.bin").write_bytes(b"content")
    (repository.path / "with space" / "b").write_bytes(b"other")
    repository.git("add", "-A")
    subprocess.run(
        ["git", "-C", str(repository.path), "commit", "-qm", "one"], env=repository.environment, check=True
    )
    with extract(repository.path) as graph:
        made = document(graph, tmp_path)
    found = {body["m2p:path"]: body for name, body in made["entity"].items() if ":DataRevision." in name}
    assert {path: body["m2p:sha256"] for path, body in found.items()} == {
        "a.bin": oid("content"), "with space/b": oid("other"),
    }  # fmt: skip
    for body in found.values():
        assert (repository.path / ".git" / body["m2p:remote_path"]).is_file()
