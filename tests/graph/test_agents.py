"""One agent for each person: matching, rerouting, joining, and the files that say who is who."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.contents import contents
from tests.documents import documents, graph_of

from mlflow2prov import Graph, formats
from mlflow2prov.errors import UsageError
from mlflow2prov.graph.agents import Person, merge_aliased_agents, people_of_mailmap, people_of_yaml

PREFIXES = {
    "m2p": "https://w3id.org/mlflow2prov#",
    "agent": "https://w3id.org/mlflow2prov/agent/",
    "mlflow": "http://store.example.org#",
    "ex": "http://example.org/",
}
ADA, OLD, USER = "agent:User.ada-40example.org", "agent:User.old-40example.com", "mlflow:User.al"


def person_type() -> dict[str, str]:
    return {"$": "prov:Person", "type": "xsd:QName"}


def document() -> dict[str, Any]:
    return {
        "prefix": PREFIXES,
        "entity": {"ex:report": {"ex:reviewer": {"$": USER, "type": "xsd:QName"}}},
        "activity": {"ex:writing": {}},
        "agent": {
            ADA: {
                "m2p:name": ["Ada Lovelace", "A. Lovelace"],
                "m2p:email": "ada@example.org",
                "prov:label": "Ada Lovelace",
            },
            OLD: {
                "m2p:name": "Ada L",
                "m2p:email": "old@example.com",
                "prov:label": "Ada L",
                "prov:type": person_type(),
            },
            USER: {"m2p:username": "al", "prov:label": "al"},
            "ex:bob": {"prov:label": "Bob"},
        },
        "wasAttributedTo": {
            "_:1": {"prov:entity": "ex:report", "prov:agent": OLD},
            "_:2": {"prov:entity": "ex:report", "prov:agent": ADA},
        },
        "wasAssociatedWith": {
            "_:3": {"prov:activity": "ex:writing", "prov:agent": USER, "prov:role": "author"}
        },
        "actedOnBehalfOf": {"_:4": {"prov:delegate": "ex:bob", "prov:responsible": USER}},
    }


def read(made: dict[str, Any]) -> Graph:
    return formats.read_from(io.BytesIO(json.dumps(made).encode()), "a.json", "json")


def saved(graph: Graph) -> dict[str, Any]:
    file = io.BytesIO()
    formats.write_to(graph, file, "json")
    made: dict[str, Any] = json.loads(file.getvalue())
    return made


def merged(*people: Person, made: dict[str, Any] | None = None) -> dict[str, Any]:
    with read(made or document()) as graph, merge_aliased_agents(graph, people) as result:
        return saved(result)


def file(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_agents_of_one_person_become_one_with_all_attributes() -> None:
    made = merged(Person(name="Ada", aliases=("OLD@example.com", "al"), email="ada@example.org"))
    assert set(made["agent"]) == {ADA, "ex:bob"}
    ada = made["agent"][ADA]
    assert ada["prov:label"] == "Ada"
    assert set(ada["m2p:name"]) == {"Ada Lovelace", "A. Lovelace", "Ada L"}
    assert set(ada["m2p:email"]) == {"ada@example.org", "old@example.com"}
    assert ada["m2p:username"] == "al"
    assert ada["prov:type"] == person_type()


def test_relations_and_qualified_names_follow() -> None:
    made = merged(Person(name="Ada", aliases=("old@example.com", "al"), email="ada@example.org"))
    assert [body["prov:agent"] for body in made["wasAttributedTo"].values()] == [ADA, ADA]
    (association,) = made["wasAssociatedWith"].values()
    assert association == {"prov:activity": "ex:writing", "prov:agent": ADA, "prov:role": "author"}
    (delegation,) = made["actedOnBehalfOf"].values()
    assert delegation["prov:responsible"] == ADA
    assert made["entity"]["ex:report"]["ex:reviewer"]["$"] == ADA


def test_without_an_agent_of_the_address_its_identifier_is_what_extract_would_give() -> None:
    made = merged(Person(name="Ada", aliases=("al",), email="Ada-B@new.org"))
    assert "agent:User.ada-2Db-40new.org" in made["agent"]
    assert USER not in made["agent"]


def test_without_an_address_the_identifier_does_not_depend_on_the_order() -> None:
    aliases = ("al", "Ada L", "Ada Lovelace")
    found = [merged(Person(name="Ada", aliases=some)) for some in (aliases, aliases[::-1])]
    assert found[0] == found[1]
    assert set(found[0]["agent"]) == {ADA, "ex:bob"}


def test_names_and_user_names_match_whatever_the_case_and_identifiers_as_they_stand() -> None:
    made = merged(Person(name="AL"), Person(name="Robert", aliases=("ex:bob",)))
    assert made["agent"][USER]["prov:label"] == "AL"
    assert made["agent"]["ex:bob"]["prov:label"] == "Robert"
    assert merged(Person(name="Robert", aliases=("EX:bob",))) == merged()
    two = (Person(name="X", aliases=("ex:bob",)), Person(name="Y", aliases=("ex:Bob",)))
    assert merged(*two)["agent"]["ex:bob"]["prov:label"] == "X"


def test_a_name_of_two_people_is_an_error_whatever_the_case() -> None:
    with pytest.raises(UsageError, match="'ALICE SMITH' is given to two people"):
        merged(Person(name="X", aliases=("Alice Smith",)), Person(name="Y", aliases=("ALICE SMITH",)))


def test_the_agents_records_in_bundles_unify_there(tmp_path: Path) -> None:
    made = document()
    made["bundle"] = {"ex:b": {"agent": {OLD: {"ex:k": "1"}, USER: {"ex:k": "2"}}, "entity": {OLD: {}}}}
    result = merged(Person(name="Ada", aliases=("old@example.com", "al"), email="ada@example.org"), made=made)
    assert set(result["bundle"]["ex:b"]["agent"][ADA]["ex:k"]) == {"1", "2"}
    assert set(result["bundle"]["ex:b"]["entity"]) == {ADA}


def test_an_agent_that_would_be_two_people_stays(caplog: pytest.LogCaptureFixture) -> None:
    people = (Person(name="A", aliases=("Ada L",)), Person(name="B", aliases=("old@example.com",)))
    assert merged(*people) == merged()
    assert f"{OLD} is both A and B" in caplog.text


def test_unknown_aliases_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    merged(Person(name="Nobody", aliases=("none@example.org",)))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "2 aliases are those of no agent: Nobody, none@example.org" in caplog.text


def test_the_input_stays_as_it_was() -> None:
    with read(document()) as graph:
        before = contents(graph)
        merge_aliased_agents(graph, [Person(name="Ada", aliases=("al", "Ada L"))]).close()
        assert contents(graph) == before


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(raw=documents())
def test_people_who_are_not_there_change_nothing(raw: bytes) -> None:
    with graph_of(raw) as graph, merge_aliased_agents(graph, [Person(name="!", email="no@one.org")]) as same:
        assert contents(same) == contents(graph)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(raw=documents())
def test_joining_agents_keeps_every_relation_and_dangles_nothing(raw: bytes) -> None:
    people = [Person(name="One", aliases=("ex:a", "ex:b", "other:a", "a", "b"))]
    with graph_of(raw) as graph, merge_aliased_agents(graph, people) as result:
        assert result.count("relation") == graph.count("relation")
        lost = "SELECT count(*) FROM {graph}.relation WHERE a1 NOT IN (SELECT id FROM {graph}.name)"
        assert result.query(lost) == [(0,)]


def test_yaml_says_names_aliases_and_addresses(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        "p.yaml",
        "- name: Ada  Lovelace\n  aliases: [al, 1815]\n  email: Ada@Example.org\n- {name: B, aliases: b}\n",
    )
    assert people_of_yaml(path) == [
        Person(name="Ada Lovelace", aliases=("al", "1815"), email="ada@example.org", where=f"{path}:1"),
        Person(name="B", aliases=("b",), where=f"{path}:4"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "- name: A\n  aliases: [x]\n- name: B\n  aliases: [x]\n",
            "'x' is given to two people: A (p.yaml:1) and B (p.yaml:3)",
        ),
        (
            "- name: A\n  aliases: [x@Y.z]\n- name: B\n  email: X@y.z\n",
            "'x@y.z' is given to two people: A (p.yaml:1) and B (p.yaml:3)",
        ),
        ("- aliases: [x]\n", "p.yaml:1: a person needs a name"),
        ("- name: A\n  alias: [x]\n", "p.yaml:2: no key 'alias'; there is: name, aliases, email"),
        ("- name: A\n  aliases: [[x]]\n", "p.yaml:2: aliases has to be a text, or a list of texts"),
        ("- name: A\n  aliases:\n", "p.yaml:2: aliases has to be a text, or a list of texts"),
        ("- name: A\n  name: B\n", "p.yaml:2: name is given twice"),
        ("- name: A\n  email: x\n", "p.yaml:1: 'x' is no e-mail address"),
        ("- A\n", "p.yaml:1: a person has to be a mapping with the keys name, aliases, email"),
        ("name: A\n", "p.yaml:1: it has to be a list of people, such as '- name: Ada Lovelace'"),
        ("", "p.yaml:1: it has to be a list of people, such as '- name: Ada Lovelace'"),
        ("- {name: A", "p.yaml:1: not YAML: expected ',' or '}', but got '<stream end>'"),
        ("[" * 3000, "p.yaml: not YAML: maximum recursion depth exceeded"),
    ],
)
def test_a_wrong_yaml_file_gets_an_error_with_its_line(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file(tmp_path, "p.yaml", text)
    with pytest.raises(UsageError) as raised:
        people_of_yaml("p.yaml")
    assert str(raised.value).startswith(said)


def test_files_that_can_not_be_read_get_an_error(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"- name: Zo\xeb\n")
    for read_people in (people_of_yaml, people_of_mailmap):
        with pytest.raises(UsageError, match="No such file"):
            read_people(tmp_path / "none")
        with pytest.raises(UsageError, match="UTF-8"):
            read_people(tmp_path / "latin")


@pytest.mark.parametrize(
    ("line", "identifier", "label"),
    [
        ("Ada King <old@example.com>", OLD, "Ada King"),
        ("<ada@example.org> <OLD@example.com>", ADA, "Ada Lovelace"),
        ("Ada King <ada@example.org> <old@example.com> # both", ADA, "Ada King"),
        ("Ada King <ada@example.org> ada l <old@example.com>", ADA, "Ada King"),
        ("Ada King <king@example.org> Ada L <old@example.com>", "agent:User.king-40example.org", "Ada King"),
    ],
)
def test_each_form_of_a_mailmap_is_read(line: str, identifier: str, label: str, tmp_path: Path) -> None:
    people = people_of_mailmap(file(tmp_path, ".mailmap", f"# people\n\n{line}\n"))
    made = merged(*people)
    assert identifier == OLD or OLD not in made["agent"]
    labels = made["agent"][identifier]["prov:label"]
    assert label in labels if isinstance(labels, list) else label == labels


def test_a_name_of_a_commit_in_a_mailmap_has_to_fit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    people = people_of_mailmap(
        file(
            tmp_path,
            ".mailmap",
            "A <a@x.org> Someone <old@example.com>\nB <b@x.org> Ada Lovelace <ada@example.org>\n",
        )
    )
    assert merged(*people) == merged()
    assert f"{ADA} is both someone else of that address and B" in caplog.text


@pytest.mark.parametrize(
    "line", ["Ada", "<ada@example.org>", "Ada <a@x> <b@x> <c@x>", "Ada <", "Ada <> <a@x>"]
)
def test_a_wrong_line_of_a_mailmap_gets_an_error_with_its_number(line: str, tmp_path: Path) -> None:
    path = file(tmp_path, ".mailmap", f"# x\n{line}\n")
    with pytest.raises(UsageError, match=r"\.mailmap:2: it has to be like"):
        people_of_mailmap(path)


def test_an_address_of_two_people_in_a_mailmap_is_an_error(tmp_path: Path) -> None:
    path = file(tmp_path, ".mailmap", "A <a@x.org> <c@x.org>\nB <b@x.org> <c@x.org>\n")
    with pytest.raises(UsageError) as raised:
        people_of_mailmap(path)
    assert str(raised.value) == f"'c@x.org' is given to two people: A ({path}:1) and B ({path}:2)"


def test_people_of_both_files_are_one_by_name_or_address(tmp_path: Path) -> None:
    in_yaml = people_of_yaml(file(tmp_path, "p.yaml", "- name: Ada King\n  aliases: [al, old@example.com]\n"))
    in_mailmap = people_of_mailmap(
        file(tmp_path, ".mailmap", "Ada King <ada@example.org> <old@example.com>\n")
    )
    assert set(merged(*in_yaml, *in_mailmap)["agent"]) == {ADA, "ex:bob"}
