"""What the graph says of a repository's oddities."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from git_maker import Repository, text

from mlflow2prov.extraction import extract
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import Store
from mlflow2prov.model.expand import Names, expand
from mlflow2prov.model.ids import local_name, parts_of
from mlflow2prov.prov.credentials import redaction_sql
from mlflow2prov.sources.git import read_repository
from mlflow2prov.sources.git_wanted import GitWanted
from mlflow2prov.sources.intake import create_source_tables, take_in

NAMESPACE = "https://example.org/wine#"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r")


def document(graph: Graph, folder: Path) -> dict[str, Any]:
    graph.save(folder / "graph.json")
    made: dict[str, Any] = json.loads((folder / "graph.json").read_bytes())
    return made


def local_names(made: dict[str, Any], kind: str, word: str) -> list[str]:
    return [name for name in made[kind] if name.partition(":")[2].startswith(f"{word}.")]


def test_two_refs_of_one_short_name_and_commit_are_one_branch(repository: Repository, tmp_path: Path) -> None:
    one = repository.commit({"a": "1"})
    two = repository.commit({"a": "2"}, one, branch="origin/main")
    repository.git("update-ref", "refs/remotes/origin/main", two)
    repository.git("update-ref", "refs/heads/up/main", one)
    repository.git("update-ref", "refs/remotes/up/main", two)
    repository.git("update-ref", "refs/tags/origin/main", two)
    with extract(repository.path, repository_namespace=NAMESPACE) as graph:
        names = Counter(
            graph.query("SELECT n.local FROM {graph}.element e JOIN {graph}.name n ON n.id = e.id")
        )
        made = document(graph, tmp_path)
    assert max(names.values()) == 1
    assert sorted(local_names(made, "entity", "Branch")) == sorted(
        f"repo:Branch.{name}--{sha}"
        for name, sha in (
            ("main", one),
            ("origin-2Fmain", two),
            ("up-2Fmain", one),
            ("up-2Fmain", two),
        )
    )
    assert local_names(made, "entity", "Tag") == [f"repo:Tag.origin-2Fmain--{two}"]
    derived = Counter(each["prov:generatedEntity"] for each in made["wasDerivedFrom"].values())
    assert max(derived.values()) == 1


def test_a_title_has_no_white_space_at_its_end(repository: Repository, tmp_path: Path) -> None:
    titles = {
        b"Fix\r\n": "Fix",
        b"Fix \t\xc2\xa0\r\n\r\nbody\r\n": "Fix",
        b"  indented\n": "  indented",
        b" \n\xe2\x80\x82\n real\n": " real",
        b"\r\n\r\n": None,
        b"": None,
    }
    shas: list[str] = []
    for message in titles:
        shas.append(repository.commit({}, *shas[-1:], message=message))
    with extract(repository.path) as graph:
        made = document(graph, tmp_path)
    for sha, title in zip(shas, titles.values(), strict=True):
        commit = made["activity"][f"git:Commit.{sha}"]
        assert commit.get("m2p:title") == title
        assert commit["prov:label"] == (sha[:7] if title is None else f"{sha[:7]} {title}")


def test_a_tag_object_without_a_time_is_made_at_no_known_time(repository: Repository, tmp_path: Path) -> None:
    one = repository.commit({"a": "1"})
    tag = repository.write("tag", f"object {one}\ntype commit\ntag t\ntagger T <t@x>\n\nm\n".encode())
    repository.git("update-ref", "refs/tags/t", tag)
    with extract(repository.path) as graph:
        made = document(graph, tmp_path)
    (name,) = local_names(made, "activity", "TagCreation")
    assert not {"prov:startTime", "prov:endTime"} & made["activity"][name].keys()
    (generated,) = [each for each in made["wasGeneratedBy"].values() if each["prov:activity"] == name]
    assert "prov:time" not in generated
    assert "1970" not in json.dumps(made)


def test_a_copy_is_a_new_file_that_derives_from_its_original(repository: Repository, tmp_path: Path) -> None:
    one = repository.commit({"a": text(1)})
    two = repository.commit({"a": text(2), "b": text(1)}, one)
    store = Store()
    with store.scratch("sources") as sources, Graph.empty(store) as graph:
        create_source_tables(store, sources)
        take_in(
            store,
            sources,
            read_repository(repository.path, wanted=GitWanted(find_copies=True)),
            redaction_sql,
        )
        expand(graph, sources, Names(repository=NAMESPACE, store=None, version="1", settings="given"))
        made = document(graph, tmp_path)
    copy, original, edited = (f"git:FileRevision.{part}" for part in (f"{two}--b", f"{one}--a", f"{two}--a"))
    said = made["entity"][copy]
    assert (said["m2p:status"], said["m2p:previous_path"]) == ("C", "a")
    assert said["m2p:similarity"] == {"$": "100", "type": "xsd:long"}
    assert f"git:File.{two}--b" in made["entity"]
    derived = {each["prov:generatedEntity"]: each for each in made["wasDerivedFrom"].values()}
    assert derived[copy]["prov:usedEntity"] == derived[edited]["prov:usedEntity"] == original
    assert derived[copy]["prov:activity"] == f"git:Commit.{two}"
    assert "prov:type" not in derived[copy]
    assert "prov:type" in derived[edited]
    roles = {each["prov:entity"]: each["prov:role"]["$"] for each in made["wasGeneratedBy"].values()}
    assert (roles[copy], roles[edited]) == ("m2p:AddedRevision", "m2p:ModifiedRevision")
    (state,) = local_names(made, "entity", "Repository")
    assert made["entity"][state]["m2p:settings"] == "given; copies: 50 %"


def test_an_extraction_is_named_by_the_mail_map_too(repository: Repository, tmp_path: Path) -> None:
    one = repository.commit({"a": "1"})
    two = repository.commit({".mailmap": "Ada King <ada@example.org>\n"}, one)
    for name, sha in (("main", one), ("side", two)):
        repository.git("update-ref", f"refs/heads/{name}", sha)
    found = {}
    for head in ("main", "side"):
        repository.git("symbolic-ref", "HEAD", f"refs/heads/{head}")
        with extract(repository.path) as graph:
            made = document(graph, tmp_path)
        found[head] = (
            *local_names(made, "activity", "Extraction"),
            *local_names(made, "entity", "Repository"),
        )
        settings = made["entity"][found[head][1]]["m2p:settings"]
        assert ("mail map: " in settings) == (head == "side")
    assert not set(found["main"]) & set(found["side"])


def test_two_clones_give_the_same_bytes_whatever_lies_in_their_work_trees(
    repository: Repository, tmp_path: Path
) -> None:
    one = repository.commit({"a": "1", ".mailmap": "Ada King <ada@example.org>\n"})
    repository.commit({"a": "2", ".gitattributes": "* -diff\n"}, one, branch="side", message=b"x\0y")
    written = []
    for name in ("one", "two"):
        clone = tmp_path / name / "r"
        command = ["git", "clone", "-q", str(repository.path), str(clone)]
        subprocess.run(command, check=True, env=repository.environment)
        if name == "two":
            (clone / ".mailmap").write_text("Zed <ada@example.org>\n")
            (clone / "a").unlink()
        with extract(clone) as graph:
            graph.save(tmp_path / name / "graph.json")
        written.append((tmp_path / name / "graph.json").read_bytes())
    assert b"Ada King" in written[0]
    assert written[0] == written[1]


def test_a_file_that_stood_at_two_paths_ends_once(repository: Repository, tmp_path: Path) -> None:
    one = repository.commit({"a": text(1)})
    moved = repository.commit({"b": text(1)}, one)
    other = repository.commit({"a": text(1), "x": "1"}, one, branch="other")
    both = repository.commit({"a": text(1), "b": text(1), "x": "1"}, moved, other)
    last = repository.commit({"x": "1"}, both)
    with extract(repository.path) as graph:
        made = document(graph, tmp_path)
    assert Counter(row["prov:entity"] for row in made["wasInvalidatedBy"].values()) == {
        f"git:File.{one}--a": 1,
        f"git:FileRevision.{one}--a": 1,
        f"git:FileRevision.{moved}--b": 1,
    }
    assert {row["prov:activity"] for row in made["wasInvalidatedBy"].values()} == {f"git:Commit.{last}"}


def test_identifiers_are_readable_and_the_same_in_python_whatever_bytes_a_path_has(
    repository: Repository, tmp_path: Path
) -> None:
    odd = bytes(byte for byte in range(1, 256) if byte != ord("/")) + b"/\xff.py"
    sha = repository.commit({odd: "1"})
    with extract(repository.path) as graph:
        made = document(graph, tmp_path)
    (name,) = local_names(made, "entity", "FileRevision")
    assert name == f"git:{local_name('FileRevision', sha, odd)}"
    assert parts_of(name.removeprefix("git:")) == ("FileRevision", (sha.encode(), odd))
    assert name.endswith("-2F-FF.py")
