"""Nobody can be found in what carries pseudonyms, and everything else is as it was."""

from __future__ import annotations

import base64
import html
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import DemoProject
from tests.contents import contents
from tests.documents import containers, graph_of

from mlflow2prov import Graph, extract, formats
from mlflow2prov.formats import FORMATS, draws
from mlflow2prov.graph.agent_names import Agent
from mlflow2prov.graph.agents import Person
from mlflow2prov.graph.masking import Mask
from mlflow2prov.graph.pseudonyms import use_pseudonyms
from mlflow2prov.graph.spared import ROLES, TYPES
from mlflow2prov.graph.suspects import Suspects
from mlflow2prov.model import terms

KEY = b"a key of sixteen bytes or more"
PERSON = {"$": "prov:Person", "type": "xsd:QName"}
ADA = "agent:User.ada-40example.org"


def path_bytes(path: bytes) -> dict[str, str]:
    return {"$": base64.b64encode(path).decode(), "type": "xsd:base64Binary"}


def person(name: str | list[str], email: str) -> dict[str, Any]:
    label = name if isinstance(name, str) else name[0]
    return {"prov:type": PERSON, "m2p:name": name, "m2p:email": email, "prov:label": label}


def rich_document() -> dict[str, Any]:
    """People with awkward names, and each of them in every place that can name somebody."""
    return {
        "prefix": {
            "m2p": "https://w3id.org/mlflow2prov#",
            "agent": "https://w3id.org/mlflow2prov/agent/",
            "git": "https://w3id.org/mlflow2prov/git/",
            "mlflow": "file://box/home/ada/mlflow.db#",
            "repo": "https://git.example.org/octofan/wine.git#",
            "foaf": "http://xmlns.com/foaf/0.1/",
            "orcid": "https://orcid.org/",
            "hopper": "http://example.org/people/Grace%20Hopper/",
            "ex": "http://example.org/",
        },
        "agent": {
            ADA: person(["Ada Lovelace", "Lovelace, Ada"], "ada@example.org"),
            "agent:User.chloe.durand-2Bwork-40example.org": person(
                "Chloé Durand", "chloe.durand+work@example.org"
            ),
            "agent:User.zo-C3-AB-40z.example": person("Zoë", "zoë@z.example"),
            "agent:User.kim-40example.kr": person("김민수", "kim@example.kr"),
            "agent:User.maria-40example.ru": person("Мария Складовская", "maria@example.ru"),
            "agent:User.sean-40example.ie": person("Seán O'Brien, PhD", "sean@example.ie"),
            "agent:User.1234567-2Boctofan-40users.noreply.github.com": person(
                "octofan", "1234567+octofan@users.noreply.github.com"
            ),
            "mlflow:User.ada": {"prov:type": PERSON, "m2p:username": "ada", "prov:label": "ada"},
            "mlflow:User.root": {"prov:type": PERSON, "m2p:username": "root", "prov:label": "root"},
            "mlflow:User.data": {"prov:type": PERSON, "m2p:username": "data", "prov:label": "data"},
            "hopper:grace": {
                "foaf:givenName": "Grace",
                "foaf:familyName": "Hopper",
                "foaf:mbox": {"$": "mailto:grace@navy.example", "type": "xsd:anyURI"},
                "foaf:mbox_sha1sum": "0f6e4b2b0e9f5e7d1a1c0b8a7f6e5d4c3b2a1908",
                "foaf:phone": "tel:+1-555-0100",
                "foaf:homepage": {"$": "http://hoppersite.example/", "type": "xsd:anyURI"},
            },
            "orcid:0000-0002-1825-0097": {"prov:label": "Josiah Carberry"},
            "ex:BuildBot": {
                "prov:type": {"$": "prov:SoftwareAgent", "type": "xsd:QName"},
                "prov:label": "BuildBot of Ada Lovelace",
            },
            "ex:Acme": {"prov:type": {"$": "prov:Organization", "type": "xsd:QName"}, "prov:label": "Acme"},
        },
        "activity": {
            "git:Commit.83de590": {
                "prov:type": {"$": "m2p:Commit", "type": "xsd:QName"},
                "m2p:title": "Mend what CHLOE DURAND saw, thanks ada!",
                "m2p:message": (
                    "Mend what Chloe Durand saw\n\nSigned-off-by: Ada Lovelace <Ada@Example.org>\n"
                    "Reviewed-by: Some Stranger <stranger@elsewhere.example>\n"
                    "Co-authored-by: octofan <1234567+octofan@users.noreply.github.com>\n"
                    "cc 김민수님, Мария Складовская, Se\u0301an? Seán O'Brien, PhD\n"
                ),
                "prov:label": "83de590 Mend what Chloé saw",
            },
        },
        "entity": {
            "git:File.83de590--home-2Fada-2FLovelace.py": {"m2p:path": "home/ada/Lovelace.py"},
            "git:File.83de590--Chlo-C3-A9_Durand.py": {
                "m2p:path": "Chlo\\xe9_Durand.py",
                "m2p:path_bytes": path_bytes("Chloé_Durand.py".encode("latin-1")),
            },
            "git:File.83de590--b": {"m2p:path_bytes": path_bytes(b"/home/octofan/b")},
            "mlflow:RunTag.77--mlflow.user": {
                "m2p:name": "mlflow.user",
                "m2p:value": "root",
                "prov:label": "mlflow.user = root",
            },
            "mlflow:RunTag.78--mlflow.user": {"m2p:name": "mlflow.user", "m2p:value": "gonemember"},
            "mlflow:Run.77": {
                "prov:type": {"$": "m2p:Run", "type": "xsd:QName"},
                "m2p:source_name": "C:\\Users\\Ada Lovelace\\train.py",
                "m2p:artifact_uri": "file:///home/zo%C3%AB/Chlo%C3%A9%20Durand/Ada%2520Lovelace",
                "m2p:note": "by runAda and adaLovelace; ask sean@example.ie",
                "m2p:name": "zoë_baseline",
                "m2p:status": "FINISHED",
                "m2p:description": {"$": "von Мария Складовская", "lang": "de"},
            },
            "mlflow:Dataset.wine--1": {
                "m2p:source": json.dumps({"user": "chloé durand", "path": "/Users/gracehopper/x\nAda"}),
                "m2p:profile": json.dumps(json.dumps({"author": "Chloé Durand", "by": "김민수"})),
            },
            "mlflow:Param.77--data": {"m2p:name": "data", "m2p:value": "data/root/x.csv"},
            "ex:report-by-ADA-LOVELACE": {
                "ex:ada_score": 3,
                "ex:Carberry": {"$": "x", "type": "ex:TypeOfOctofan"},
                "ex:owner": {"$": "mlflow:User.data", "type": "xsd:QName"},
                "ex:reviewer": {"$": "orcid:0000-0002-1825-0097", "type": "xsd:QName"},
                "prov:type": {"$": "ex:Data", "type": "xsd:QName"},
                "prov:location": "https://orcid.org/0000-0002-1825-0097",
            },
            "repo:Tag.v1": {"m2p:tagger": "Vanished Tagger", "m2p:message": "Vanished Tagger made it"},
        },
        "wasAssociatedWith": {
            "_:1": {
                "prov:activity": "git:Commit.83de590",
                "prov:agent": ADA,
                "prov:role": {"$": "m2p:CommitAuthor", "type": "xsd:QName"},
            },
            "_:2": {"prov:activity": "git:Commit.83de590", "prov:agent": "ex:undescribed.fellow"},
        },
        "wasAttributedTo": {
            "ex:byAda": {"prov:entity": "mlflow:Run.77", "prov:agent": "mlflow:User.root", "ex:why": "zoë"},
        },
        "bundle": {
            "ex:notes-of-octofan": {
                "prefix": {"josiah": "http://carberry.example/"},
                "entity": {"josiah:note": {"prov:label": "noted by Josiah Carberry"}},
                "agent": {ADA: {"prov:label": "A. A. Lovelace"}},
            }
        },
    }


GONE = (
    "ada@example.org",
    "ada",
    "ada lovelace",
    "lovelace ada",
    "lovelace",
    "chloe durand",
    "chloe",
    "durand",
    "chloe.durand+work@example.org",
    "chloe.durand+work",
    "zoe",
    "zoe@z.example",
    "김민수",
    "kim",
    "kim@example.kr",
    "мария",
    "складовская",
    "maria@example.ru",
    "sean",
    "o'brien",
    "sean o'brien, phd",
    "sean@example.ie",
    "octofan",
    "1234567+octofan",
    "users.noreply.github.com",
    "grace",
    "hopper",
    "grace@navy.example",
    "gracehopper",
    "0f6e4b2b0e9f5e7d1a1c0b8a7f6e5d4c3b2a1908",
    "hoppersite",
    "555-0100",
    "josiah",
    "carberry",
    "0000-0002-1825-0097",
    "stranger",
    "gonemember",
    "vanished tagger",
    "vanished",
    "root",
    "undescribed.fellow",
    "adalovelace",
)
"""What people go by, as :func:`readings` have it."""


def readings(raw: bytes) -> Iterator[str]:
    """What a file says: as it stands, and with escapes decoded, without accents and case."""
    text = raw.decode("utf-8")
    for _ in range(3):
        for one in (text, _undashed(text)):
            yield "".join(c for c in _decomposed(one) if not unicodedata.combining(c)).casefold()
        text = unquote(html.unescape(text))
        text = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
        text = re.sub(r"\\+[nrt]", " ", text)
        text = re.sub(r"\\+x([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text)


def _undashed(text: str) -> str:
    return unquote(re.sub(r"-([0-9A-F]{2})", r"%\1", text.replace("--", " ")))


def leaks(raw: bytes, gone: Iterable[str]) -> set[str]:
    """What of a list of texts can be found in a file; what is short, as a word only."""
    found = set()
    for read in map(_decomposed, readings(raw)):
        for text in gone:
            wanted = re.escape(_decomposed(text))
            if re.search(wanted if len(text) > 4 else rf"(?<![^\W_]){wanted}(?![^\W_])", read):
                found.add(text)
    return found


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def read(made: dict[str, Any]) -> Graph:
    return formats.read_from(io.BytesIO(json.dumps(made).encode()), "a.json", "json")


def saved(graph: Graph) -> dict[str, Any]:
    file = io.BytesIO()
    formats.write_to(graph, file, "json")
    made: dict[str, Any] = json.loads(file.getvalue())
    return made


def masked(made: dict[str, Any], key: bytes = KEY, **settings: bool) -> dict[str, Any]:
    with read(made) as graph, use_pseudonyms(graph, key, **settings) as result:
        return saved(result)


def is_text(name: str) -> bool:
    """Whether a format is there, and needs no Graphviz."""
    module = f"mlflow2prov.formats.{FORMATS[name].module}"
    return name not in {"svg", "png", "pdf"} and importlib.util.find_spec(module) is not None


TEXT_FORMATS = [name for name in formats.writable() if is_text(name)]


def written(graph: Graph, folder: Path, name: str) -> Iterator[bytes]:
    """The bytes of every file that a format makes of a graph."""
    path = graph.save(folder / "out", name, **({"attributes": True} if draws(name) else {}))
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    for file in files:
        if file.suffix == ".parquet":
            import pyarrow.parquet as pq

            yield json.dumps(pq.read_table(file).to_pylist(), ensure_ascii=False, default=str).encode()
        else:
            yield file.read_bytes()


def without_bundles(made: dict[str, Any]) -> dict[str, Any]:
    """The same in a document: the content of bundles as its own."""
    flat = {word: dict(body) for word, body in made.items() if word != "bundle"}
    for name, bundle in made.get("bundle", {}).items():
        flat["entity"][name] = {"prov:type": {"$": "prov:Bundle", "type": "xsd:QName"}}
        for word, body in bundle.items():
            for key, value in body.items():
                flat.setdefault(word, {}).setdefault(key, value)
    return flat


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_nobody_is_found_in_any_format(name: str, tmp_path: Path) -> None:
    made = rich_document()
    if name in {"rdf", "ttl", "nt"}:
        made = without_bundles(made)
    with read(made) as graph, use_pseudonyms(graph, KEY) as result:
        before = set().union(*(leaks(raw, GONE) for raw in written(graph, tmp_path, name)))
        assert {"ada@example.org", "chloe durand", "김민수", "root", "octofan"} <= before
        for raw in written(result, tmp_path, name):
            assert leaks(raw, GONE) == set()


DEMO_PEOPLE = (
    *("ada", "ada lindqvist", "ada@example.org", "lindqvist", "ben", "ben okafor", "ben@example.org"),
    *("okafor", "chloe", "chloe durand", "chloe@example.org", "durand"),
)


@pytest.fixture(scope="module")
def demo(demo_project: DemoProject) -> Iterator[tuple[Graph, Graph]]:
    """The demo's graph, and that with pseudonyms."""
    url = f"sqlite:///{demo_project.database}"
    with extract(demo_project.repository, url) as graph, use_pseudonyms(graph, KEY) as result:
        yield graph, result


@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_nobody_is_found_in_the_demo(name: str, demo: tuple[Graph, Graph], tmp_path: Path) -> None:
    graph, result = demo
    before = set().union(*(leaks(raw, DEMO_PEOPLE) for raw in written(graph, tmp_path, name)))
    assert {"ada", "ben okafor", "chloe durand"} <= before
    for raw in written(result, tmp_path, name):
        assert leaks(raw, DEMO_PEOPLE) == set()


def test_the_demo_keeps_its_records(demo: tuple[Graph, Graph]) -> None:
    graph, result = demo
    assert kinds(result) == kinds(graph)
    assert links(result) == links(graph)
    assert iris(result) == iris(graph)


def kinds(graph: Graph) -> Counter[int]:
    rows = graph.query("SELECT kind FROM {graph}.element UNION ALL SELECT kind FROM {graph}.relation")
    return Counter(kind for (kind,) in rows)


def test_what_names_nobody_stays() -> None:
    made = masked(rich_document())
    assert made["prefix"]["m2p"] == "https://w3id.org/mlflow2prov#"
    assert {"git", "agent", "mlflow", "repo", "ex", "foaf"} <= set(made["prefix"])
    commit = made["activity"]["git:Commit.83de590"]
    assert commit["prov:type"] == {"$": "m2p:Commit", "type": "xsd:QName"}
    assert commit["m2p:message"].startswith("Mend what p")
    assert commit["m2p:message"].count("Signed-off-by: p") == 1
    run = made["entity"]["mlflow:Run.77"]
    assert run["m2p:status"] == "FINISHED"
    assert re.fullmatch(r"C:\\Users\\p\d{20}\\train.py", run["m2p:source_name"])
    tag = made["entity"]["mlflow:RunTag.77--mlflow.user"]
    assert tag["m2p:name"] == "mlflow.user"
    assert tag["prov:label"] == f"mlflow.user = {tag['m2p:value']}"
    (report,) = (body for body in made["entity"].values() if "ex:reviewer" in body)
    assert report["prov:type"]["$"] == "ex:Data"
    assert report["ex:owner"]["$"] in made["agent"]
    assert report["ex:reviewer"]["$"] in made["agent"]
    roles = [body.get("prov:role") for body in made["wasAssociatedWith"].values()]
    assert {"$": "m2p:CommitAuthor", "type": "xsd:QName"} in roles
    assert made["agent"]["ex:Acme"]["prov:label"] == "Acme"
    assert made["agent"]["ex:BuildBot"]["prov:label"].startswith("BuildBot of p")
    assert all(re.match("User\\.p\\d{20}$", name[6:]) for name in made["agent"] if name.startswith("agent:"))


def test_bytes_are_looked_into() -> None:
    entities = masked(rich_document())["entity"].values()
    texts = [base64.b64decode(one["m2p:path_bytes"]["$"]) for one in entities if "m2p:path_bytes" in one]
    assert len(texts) == 2
    for text in texts:
        assert re.fullmatch(rb"(/home/)?p\d{20}(/b|\.py)", text)


def test_escaped_text_stays_valid_json() -> None:
    entity = masked(rich_document())["entity"]["mlflow:Dataset.wine--1"]
    source = json.loads(entity["m2p:source"])
    assert re.fullmatch(r"p\d{20}", source["user"])
    assert re.fullmatch(r"/Users/p\d{20}/x\np\d{20}", source["path"])
    assert set(json.loads(json.loads(entity["m2p:profile"]))) == {"author", "by"}


def test_a_person_has_one_pseudonym_in_different_graphs_of_one_key() -> None:
    made = masked(rich_document())
    other: dict[str, Any] = {
        "prefix": {"a": "https://w3id.org/mlflow2prov/agent/", "ex": "http://example.org/"},
        "entity": {"ex:e": {"ex:by": "Ada Lovelace <ADA@example.org>"}},
        "agent": {"a:User.ada-40example.org": {"foaf_name": "Ada L.", "ex:email": "ada@example.org"}},
    }
    other["agent"]["a:User.ada-40example.org"] = {"ex:email": "ada@example.org"}
    again = masked(other)
    (name,) = again["agent"]
    assert name.replace("a:", "agent:") in made["agent"]
    assert again["agent"][name]["ex:email"] == name.removeprefix("a:User.")
    assert name.removeprefix("a:User.") in again["entity"]["ex:e"]["ex:by"]
    assert set(masked(other, b"another key of sixteen bytes")["agent"]) != {name}


def test_a_person_has_one_pseudonym_in_identifiers_and_in_all_texts() -> None:
    made = {
        "prefix": {"ex": "http://example.org/", "foaf": "http://xmlns.com/foaf/0.1/"},
        "agent": {
            "ex:grace": {"foaf:mbox": "gmhopper@navy.example", "foaf:name": "Grace Hopper"},
            "ex:hopper": {"foaf:mbox": "MAILTO:GMHopper@navy.example"},
            "ex:kay": {"foaf:mbox": '"Alan Kay" <kay@navy.example>'},
        },
        "entity": {
            "ex:e": {"ex:by": "Grace Hopper <gmhopper@navy.example>, gmhopper, kay@navy.example, Alan Kay"}
        },
    }
    hidden = masked(made)
    first, second, third = (name.removeprefix("ex:") for name in hidden["agent"])
    grace, kay = code("gmhopper@navy.example"), code("kay@navy.example")
    assert [name.partition("v")[0] for name in (first, second, third)] == [grace, grace, kay]
    assert first != second
    assert set(hidden["agent"][f"ex:{first}"].values()) == {grace}
    assert hidden["entity"]["ex:e"]["ex:by"] == f"{grace} <{grace}>, {grace}, {kay}, {kay}"
    elsewhere = masked(
        {
            "prefix": {"a": "https://w3id.org/mlflow2prov/agent/"},
            "agent": {"a:User.gmhopper-40navy.example": {"a:email": "gmhopper@navy.example"}},
        }
    )
    assert list(elsewhere["agent"]) == [f"a:User.{grace}"]


def test_accounts_and_pages_that_are_references_are_looked_for() -> None:
    made = """
@prefix prov: <http://www.w3.org/ns/prov#> . @prefix foaf: <http://xmlns.com/foaf/0.1/> .
<http://e.example/a> a prov:Agent ; foaf:account <http://e.example/rkahn77> ; foaf:name "Bo Zz" ;
  foaf:homepage <http://people.example/~bozzuto/> ; foaf:mbox <mailto:bz9x@arpa.example> ; foaf:nick "NAVY\\\\jweizen" .
<http://e.example/r> a prov:Entity ; prov:value "by rkahn77, bozzuto, bz9x and jweizen" .
"""
    with (
        formats.read_from(io.BytesIO(made.encode()), "x.ttl", "ttl") as graph,
        use_pseudonyms(graph, KEY) as hidden,
    ):
        text = io.BytesIO()
        formats.write_to(hidden, text, "nt")
    for name in (b"rkahn77", b"bozzuto", b"bz9x", b"jweizen", b"Bo Zz"):
        assert name not in text.getvalue(), name


def test_two_people_never_share_a_pseudonym() -> None:
    made = masked(rich_document())
    locals_ = [name.partition(":")[2].removeprefix("User.") for name in made["agent"]]
    assert len(set(locals_)) == len(rich_document()["agent"])


def test_free_text_can_be_kept() -> None:
    made, before = masked(rich_document(), keep_free_text=True), rich_document()
    commit, was = (one["activity"]["git:Commit.83de590"] for one in (made, before))
    assert (commit["m2p:title"], commit["m2p:message"]) == (was["m2p:title"], was["m2p:message"])
    run, was = (one["entity"]["mlflow:Run.77"] for one in (made, before))
    assert (run["m2p:note"], run["m2p:description"]) == (was["m2p:note"], was["m2p:description"])
    assert run["m2p:name"] != was["m2p:name"]
    assert commit["prov:label"] != before["activity"]["git:Commit.83de590"]["prov:label"]
    assert ADA not in made["agent"]


def test_again_with_the_same_key_changes_nothing() -> None:
    with (
        read(rich_document()) as graph,
        use_pseudonyms(graph, KEY) as once,
        use_pseudonyms(once, KEY) as twice,
    ):
        assert contents(twice) == contents(once)


def test_again_with_another_key_works_and_reveals_nothing() -> None:
    twice = masked(masked(rich_document()), b"another key of sixteen bytes")
    assert leaks(json.dumps(twice, ensure_ascii=False).encode(), GONE) == set()


def test_merging_afterwards_unifies_people_as_merging_before() -> None:
    from mlflow2prov.graph.merge import merge

    first, second = rich_document(), rich_document()
    second["entity"], second["bundle"] = {"ex:more": {"prov:label": "by Ada Lovelace"}}, {}
    second["agent"]["ex:newcomer"] = {"prov:label": "Newton Comer", "prov:type": PERSON}
    with (
        read(first) as one,
        read(second) as two,
        use_pseudonyms(one, KEY) as hidden_one,
        use_pseudonyms(two, KEY) as hidden_two,
        merge([hidden_one, hidden_two]) as after,
        merge([one, two]) as plain,
        use_pseudonyms(plain, KEY) as before,
    ):
        assert set(saved(after)["agent"]) == set(saved(before)["agent"])
        assert kinds(after) == kinds(before)


def test_what_is_new_beside_pseudonyms_of_the_key_unifies_with_them() -> None:
    from mlflow2prov.graph.merge import merge

    with (
        read(rich_document()) as graph,
        use_pseudonyms(graph, KEY) as hidden,
        merge([hidden, graph]) as mixed,
        use_pseudonyms(mixed, KEY) as result,
        merge([result]) as unified,
        merge([hidden]) as wanted,
    ):
        prefixes = result.query(
            "SELECT count(*), count(DISTINCT prefix), count(DISTINCT iri) FROM {graph}.prefix"
        )
        assert len(set(prefixes[0])) == 1
        assert kinds(unified) == kinds(wanted)
        assert iris(unified) == iris(wanted)


def test_a_name_across_namespace_and_local_part_is_found() -> None:
    made = {
        "prefix": {"ex": "http://example.org/", "half": "http://example.org/Li_", "at": "urn:x:noreply@"},
        "agent": {"ex:a1": {"ex:name": "Li Wu"}, "ex:a2": {"ex:email": "noreply@li.example"}},
        "entity": {
            "half:Wu.report": {"ex:see": {"$": "half:Wu.report", "type": "xsd:QName"}},
            "at:li.example": {},
            "half:hearted": {},
        },
    }
    entities = masked(made)["entity"]
    found = [name for name in entities if re.fullmatch(r"half:p\d{20}v\d{12}\.report", name)]
    assert len(found) == 1
    assert entities[found[0]]["ex:see"]["$"] == found[0]
    assert "half:hearted" in entities
    assert len(entities) == 3
    assert not any("li.example" in name for name in entities)


def test_an_address_that_is_a_reference_is_known() -> None:
    made = {
        "prefix": {"ex": "http://example.org/", "foaf": "http://xmlns.com/foaf/0.1/", "mailto": "mailto:"},
        "agent": {"ex:a1": {"foaf:mbox": {"$": "mailto:gmhopper@navy.example", "type": "xsd:QName"}}},
        "entity": {"ex:e": {"ex:by": "gmhopper"}},
    }
    assert "gmhopper" not in json.dumps(masked(made))


def test_a_merged_person_has_one_pseudonym() -> None:
    ada = Person(name="Ada Lovelace", aliases=("ada", "Zoë"), email="ada@example.org")
    with (
        read(rich_document()) as graph,
        graph.merge_aliased_agents([ada]) as one,
        use_pseudonyms(one, KEY) as result,
    ):
        made = saved(result)
    (known,) = {
        name for name in masked(rich_document())["agent"] if name == f"agent:User.{code('ada@example.org')}"
    }
    assert set(
        made["agent"][known]["m2p:email"]
        if isinstance(made["agent"][known]["m2p:email"], list)
        else [made["agent"][known]["m2p:email"]]
    ) == {known[11:]}
    assert made["agent"][known]["m2p:username"] == known[11:]
    assert made["entity"]["mlflow:Run.77"]["m2p:name"] == f"{known[11:]}_baseline"
    assert leaks(json.dumps(made, ensure_ascii=False).encode(), GONE) == set()


def code(address: str) -> str:
    return Mask(KEY, ()).code(f"email:{address}")


def test_the_words_of_the_vocabulary_are_those_of_the_model() -> None:
    assert set(terms.TYPES) == TYPES
    assert set(terms.ROLES) == ROLES


def test_a_context_that_names_somebody_is_no_word_of_the_vocabulary() -> None:
    made = rich_document()
    roles = [{"$": f"m2p:{word}", "type": "xsd:QName"} for word in ("octofan", "training")]
    made["used"] = {"_:u": {"prov:activity": "git:Commit.83de590", "prov:role": roles}}
    (use,) = masked(made)["used"].values()
    assert [role["$"][:5] for role in use["prov:role"]] == ["m2p:p", "m2p:t"]


def agent(name: str = "", email: str = "", username: str = "") -> Agent:
    local = f"User.{email or username or name}".replace("@", "-40")
    found = Agent(1, "ex", local, f"http://example.org/{local}")
    found.names.update([name] if name else [])
    found.emails.update([email] if email else [])
    found.usernames.update([username] if username else [])
    return found


@pytest.mark.parametrize(
    ("known", "kept"),
    [
        (agent(username="ada"), "metadata of Canada, radar, shadaX"),
        (agent(username="root"), "the square_root of rooted trees, root-mean, mlflow.root.x"),
        (agent(username="data"), "dataset metadata data_x"),
        (agent(username="model"), "remodel models logged_model"),
        (agent(username="al"), "al-dente, eval, total, al_x"),
        (agent(username="1001"), "10010 and 21001"),
        (agent(username="a"), "a b, plan a"),
        (agent(name="Will Smith"), "will it work? it will"),
        (agent(name="Ada de la Cruz"), "la de da"),
        (agent(username="decade"), "3decade7f0 swh:1:rev:00decade11111111111111111111111111111111"),
        (agent(name="Grace Hopper"), "disgraceful graceful"),
        (agent(name="Dan Ataset"), "dataset"),
        (agent(name="!!! ???"), "!!!? ok"),
    ],
)
def test_what_only_looks_like_a_name_stays(known: Agent, kept: str) -> None:
    mask = Mask(KEY, [known])
    assert mask.text(kept) == kept
    assert mask.name(kept) == kept


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (agent(username="ada"), "by ada, ADA, Ada2 and runAda"),
        (agent(username="root"), "root /root/x root:root"),
        (agent(username="1001"), "uid=1001 /run/user/1001/"),
        (agent(username="a"), " (a) "),
        (agent(name="Li Wu"), "Li Wu, li_wu, Wu  Li"),
        (agent(name="José Ñandú"), "jose nandu JOSE%CC%81 Jos\\u00e9 Jos&#233; Jose\u0301 Jos\\xe9 Jos%E9"),
        (agent(name="김민수"), "김민수님이 %EA%B9%80%EB%AF%BC%EC%88%98"),
        (agent(email="ada+ci@example.org"), "ada+ci@example.org ada%2Bci%40example.org ada"),
        (agent(username="decade"), "decade xdecadex"),
        (agent(name="李雷"), "李雷说 李雷"),
        (agent(username="雷"), "雷 (雷) x/雷/x"),
        (agent(name="Ян"), "Ян2 Ян"),
        (agent(name="Seán O'Brien"), "obrien O’Brien O%27Brien by O'Brien Sean, sobrien"),
        (agent(name="Jean-Luc Nadaud"), "jeanluc Jean-Luc JeanLuc jnadaud nadaudj"),
        (agent(name="John Q. Public"), "John Public, Public John, john_public"),
        (agent(name="Lovelace, Ada"), "alovelace: x, @alovelace /x/alovelace/x"),
        (agent(name="Madonna"), "madonna premadonnas"),
        (agent(name="Nobody Known"), "anyone@example.org x%40y.org /home/someone/x C:\\Users\\Other One\\x"),
    ],
)
def test_spellings_of_a_name_are_found(known: Agent, text: str) -> None:
    mask = Mask(KEY, [known])
    rest = re.sub(r"p\d{20}", " ", mask.text(text))
    words = ("by", "and", "run", "x", "uid", "user", "home", "Users", "C", "2", "님이", "说", "s", "pre")
    assert set(re.split(r"[\W_]+", rest)) <= {"", *words}
    assert mask.text(mask.text(text)) == mask.text(text)


def test_what_was_different_stays_different_in_identifiers() -> None:
    mask = Mask(KEY, [agent(name="Ada Lovelace", email="ada@example.org", username="ada")])
    names = ["ada", "Ada", "ADA", "User.ada", "ada-40example.org", "ada@example.org", "Ada-40example.org"]
    names += ["ada_lovelace", "ada--lovelace", "AdaLovelace", "ada.lovelace", "adalovelace", "lovelace"]
    assert len({mask.name(name) for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z_][\w.-]*", mask.name(name)) for name in names)


PEOPLE = st.builds(
    agent,
    name=st.sampled_from(["Ada Lovelace", "Zoë", "김민수", "Li Wu", "سارة", "J. R. Hacker", "a", "ß ẞ"])
    | st.text(max_size=6),
    email=st.sampled_from(["", "a.b+c@x.org", "zoë@z.example"]),
    username=st.sampled_from(["", "root", "al", "octofan", "1001", "run", "a_b"]) | st.text(max_size=4),
)
ESCAPED = st.sampled_from(
    ["%20", "%2525", "%C3%AB", "-C3-AB", "\\u00eb", "\\xeb", "-40", "--", "@x.org", "/home/", "%61", "-61"]
)


@st.composite
def texts_with_people(draw: st.DrawFn) -> tuple[list[Agent], list[str]]:
    people = draw(st.lists(PEOPLE, min_size=1, max_size=3))
    words = [text for one in people for text in (*one.names, *one.emails, *one.usernames)]
    pieces = st.sampled_from([*words, *map(str.upper, words)]) if words else st.just("")
    pieces |= ESCAPED | st.text(max_size=5)
    return people, draw(st.lists(st.lists(pieces, max_size=5).map("".join), min_size=1, max_size=5))


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(texts_with_people())
def test_what_a_mask_changes_the_engine_suspects(made: tuple[list[Agent], list[str]]) -> None:
    people, texts = made
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    mask = Mask(KEY, people)
    with Graph.empty() as graph:
        suspects = Suspects(graph.store, mask.needles)
        rows = graph.store.run(
            f"SELECT x, {suspects.text('x')}, {suspects.name('x')} FROM (SELECT unnest(?) AS x)", [texts]
        )
    for text, in_text, in_name in rows:
        assert in_text or mask.text(text) == text
        assert in_name or mask.name(text) == text


AGENT_NAMES = st.sampled_from(["Ada Lovelace", "é", "a", "b", "x-1", "A_1", "김민수", "with space"])


@st.composite
def documents_with_people(draw: st.DrawFn) -> bytes:
    """Random documents whose agents have names that stand in their identifiers and texts as well."""
    made = draw(containers())
    agents = made.setdefault("agent", {})
    for local in draw(
        st.lists(st.sampled_from(["a", "b", "é", "x-1", "with space", "A_1", "User.a"]), max_size=4)
    ):
        agents.setdefault(
            f"ex:{local}",
            {
                "ex:name": draw(AGENT_NAMES),
                "ex:email": draw(st.sampled_from(["a@b.example", "x1@é.example", ""])),
            },
        )
    prefixes = {
        "ex": "http://example.org/",
        "other": "http://other.org/a#",
        "default": "http://d.example/",
        "a-b.c": "urn:x:",
    }
    return json.dumps({"prefix": prefixes, **made, "bundle": {"ex:a": draw(containers())}}).encode()


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(documents_with_people())
def test_records_and_distinct_identifiers_are_as_many_as_before(raw: bytes) -> None:
    with graph_of(raw) as graph, use_pseudonyms(graph, KEY) as result, use_pseudonyms(result, KEY) as again:
        assert kinds(result) == kinds(graph)
        assert iris(result) == iris(graph)
        assert links(result) == links(graph)
        assert contents(again) == contents(result)


def iris(graph: Graph) -> int:
    sql = "SELECT count(DISTINCT p.iri || n.local) FROM {graph}.name n JOIN {graph}.prefix p ON p.prefix = n.prefix"
    return int(graph.query(sql)[0][0])


def links(graph: Graph) -> Counter[tuple[Any, ...]]:
    return Counter(graph.query("SELECT bundle, kind, id, a1, a2, a3, a4, a5, time FROM {graph}.relation"))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given_ = {word: value for word, value in os.environ.items() if word != "MLFLOW2PROV_PSEUDONYM_KEY"}
    command = [sys.executable, "-m", "mlflow2prov", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=given_ | environment)


@pytest.fixture
def steps(tmp_path: Path) -> Callable[..., list[str]]:
    (tmp_path / "in.json").write_text(json.dumps(rich_document()), encoding="utf-8")

    def made(name: str, *options: str) -> list[str]:
        load = ["load", "--input", str(tmp_path / "in.json"), "transform", "--use_pseudonyms", *options]
        return [*load, "save", "--output", str(tmp_path / name)]

    return made


def test_the_key_comes_from_a_file_or_the_environment(
    tmp_path: Path, steps: Callable[..., list[str]]
) -> None:
    (tmp_path / "key").write_bytes(KEY + b"\n")
    by_file = run(*steps("file.json", "--pseudonym_key", str(tmp_path / "key")))
    by_variable = run(*steps("variable.json"), MLFLOW2PROV_PSEUDONYM_KEY=KEY.decode())
    assert (by_file.returncode, by_file.stderr, by_variable.returncode, by_variable.stderr) == (0, "", 0, "")
    made = json.loads((tmp_path / "file.json").read_text("utf-8"))
    assert made == json.loads((tmp_path / "variable.json").read_text("utf-8")) == masked(rich_document())


def test_without_a_key_there_is_a_random_one_which_is_said(
    tmp_path: Path, steps: Callable[..., list[str]]
) -> None:
    for name in ("one.json", "two.json"):
        done = run(*steps(name))
        assert done.returncode == 0
        assert "no pseudonym key is given: a random one is used" in done.stderr
    one, two = (json.loads((tmp_path / name).read_text("utf-8")) for name in ("one.json", "two.json"))
    assert len(one["agent"]) == len(two["agent"])
    assert {name for name in one["agent"] if "Bot" not in name and "Acme" not in name}.isdisjoint(
        two["agent"]
    )


def test_a_short_key_or_none_in_the_file_is_refused(tmp_path: Path, steps: Callable[..., list[str]]) -> None:
    (tmp_path / "key").write_bytes(b"short\n")
    done = run(*steps("out.json", "--pseudonym_key", str(tmp_path / "key")))
    assert done.returncode == 2
    assert "the pseudonym key has 5 bytes" in done.stderr
    assert run(*steps("out.json", "--pseudonym_key", str(tmp_path / "none"))).returncode == 2
    assert not (tmp_path / "out.json").exists()


def test_keep_free_text_on_the_command_line(tmp_path: Path, steps: Callable[..., list[str]]) -> None:
    done = run(*steps("out.json", "--keep_free_text"), MLFLOW2PROV_PSEUDONYM_KEY=KEY.decode())
    assert done.returncode == 0
    assert json.loads((tmp_path / "out.json").read_text("utf-8")) == masked(
        rich_document(), keep_free_text=True
    )
