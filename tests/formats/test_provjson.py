"""PROV-JSON, against the prov library as a foreign reader and writer."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from prov.model import ProvDocument

from mlflow2prov import Graph, formats
from mlflow2prov.errors import FormatError

CASES = Path(__file__).parents[3] / "shared" / "cases" / "documents" / "json"
DOCUMENTS = sorted(CASES.glob("*.json"))


def read(text: str | bytes, name: str = "doc.json") -> Graph:
    raw = text.encode() if isinstance(text, str) else text
    return formats.read_from(io.BytesIO(raw), name, "json")


def written(graph: Graph) -> bytes:
    file = io.BytesIO()
    formats.write_to(graph, file, "json")
    return file.getvalue()


@pytest.mark.skipif(not DOCUMENTS, reason="the shared cases are not beside the project: get ../shared/cases")
@pytest.mark.parametrize("group", range(8))
def test_every_document_of_the_cases_survives_reading_and_writing(group: int) -> None:
    for path in DOCUMENTS[group::8]:
        with formats.read(path) as graph:
            ours = ProvDocument.deserialize(content=written(graph).decode(), format="json")
        assert ours == ProvDocument.deserialize(str(path), format="json"), path.name


@pytest.mark.skipif(not DOCUMENTS, reason="the shared cases are not beside the project: get ../shared/cases")
def test_relations_read_as_columns_are_those_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in DOCUMENTS[::4]:
        with formats.read(path) as graph:
            one_by_one = written(graph)
        with monkeypatch.context() as patch:
            patch.setattr("mlflow2prov.formats.provjson_reader._FEW", 1)
            with formats.read(path) as graph:
                assert written(graph) == one_by_one, path.name


@pytest.mark.parametrize(
    "bodies",
    [
        ['{"prov:activity": "ex:a"}', '{"prov:activity": "ex:a",\n "prov:entity": "ex:e"}'],
        [
            '{"prov:activity": "ex:a", "prov:role": {"$": "ex:r", "type": "xsd:QName"}}',
            '{"prov:activity": "ex:b"}',
        ],
        [
            '{"prov:activity": "ex:a", "prov:role": {"$": "ex:r", "type": "xsd:QName"}}',
            '{"prov:role": "plain"}',
        ],
        [
            '{"prov:activity": "ex:a", "ex:k": {"$": "1", "type": "xsd:int"}}',
            '{"ex:k": {"$": "x", "lang": "en"}}',
        ],
        ['{"prov:activity": "ex:a"}', '{"prov:activity": {"$": "ex:a"}}', '{"prov:activity": null}'],
        ['{"prov:activity": "ex:a"}', '[{"prov:activity": "ex:b"}, {"prov:activity": "ex:c"}]'],
        ['{"prov:activity": "ex:\\u00e9\\n"}', '{"prov:activity": "ex:b", "prov:entity": "ex:c"}', "{}"],
        [
            '{"prov:activity": "ex:a", "ex:k": {"$": "a", "type": "xsd:string"}}',
            '{"ex:k": {"$": 1, "type": "xsd:int"}}',
        ],
    ],
)
def test_relations_of_odd_forms_are_read_the_same_way(
    bodies: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    records = ", ".join(f'"_:u{number}": {body}' for number, body in enumerate(bodies))
    text = f'{{"prefix": {{"ex": "http://e/"}}, "used": {{{records}}}}}'
    with read(text) as graph:
        one_by_one = written(graph)
    monkeypatch.setattr("mlflow2prov.formats.provjson_reader._FEW", 1)
    with read(text) as graph:
        assert written(graph) == one_by_one


@pytest.mark.skipif(not DOCUMENTS, reason="the shared cases are not beside the project: get ../shared/cases")
def test_what_is_written_is_read_back_to_the_same_bytes() -> None:
    for path in DOCUMENTS[::9]:
        with formats.read(path) as graph:
            once = written(graph)
        with read(once) as graph:
            assert written(graph) == once, path.name


def test_values_of_all_sorts_keep_their_type() -> None:
    text = """{"prefix": {"ex": "http://example.org/", "default": "http://default.org/"}, "entity": {"e": {
        "ex:s": "it's \\"quoted\\" \\\\ \\u0001 \\n é 😀", "ex:l": {"$": "hej", "lang": "sv"},
        "ex:i": 5, "ex:big": 99999999999, "ex:f": 0.5, "ex:b": true, "ex:q": {"$": "ex:x", "type": "xsd:QName"},
        "ex:t": {"$": "2020-01-01T00:00:00Z", "type": "xsd:dateTime"},
        "ex:many": ["a", {"$": "b", "lang": "en"}, {"$": "1", "type": "xsd:int"}]}}}"""
    body = json.loads(written(read(text)))["entity"]["e"]
    assert body["ex:s"] == 'it\'s "quoted" \\ \x01 \n é 😀'
    assert body["ex:l"] == {"$": "hej", "lang": "sv"}
    assert body["ex:i"] == {"$": "5", "type": "xsd:int"}
    assert body["ex:big"] == {"$": "99999999999", "type": "xsd:long"}
    assert body["ex:f"] == {"$": "0.5", "type": "xsd:double"}
    assert body["ex:b"] == {"$": "true", "type": "xsd:boolean"}
    assert body["ex:q"] == {"$": "ex:x", "type": "xsd:QName"}
    assert body["ex:t"] == {"$": "2020-01-01T00:00:00Z", "type": "xsd:dateTime"}
    assert body["ex:many"] == ["a", {"$": "b", "lang": "en"}, {"$": "1", "type": "xsd:int"}]


def test_several_records_of_one_identifier_stay_several() -> None:
    text = """{"prefix": {"ex": "http://example.org/"}, "activity": {"ex:a": [
        {"prov:startTime": "2020-01-01T00:00:00Z"}, {"prov:startTime": "2021-01-01T00:00:00Z"}], "ex:b": {}},
        "used": {"ex:u": [{"prov:activity": "ex:a", "prov:entity": "ex:e"}, {"prov:activity": "ex:a"}]}}"""
    graph = read(text)
    assert graph.count("element") == 3
    document = json.loads(written(graph))
    assert [body["prov:startTime"][:4] for body in document["activity"]["ex:a"]] == ["2020", "2021"]
    assert document["used"]["ex:u"] == [
        {"prov:activity": "ex:a", "prov:entity": "ex:e"},
        {"prov:activity": "ex:a"},
    ]


def test_a_generation_that_a_derivation_names_keeps_its_blank_name() -> None:
    text = """{"prefix": {"ex": "http://example.org/"}, "entity": {"ex:e": {}, "ex:f": {}}, "activity": {"ex:a": {}},
        "wasGeneratedBy": {"_:g": {"prov:entity": "ex:e", "prov:activity": "ex:a"}},
        "wasDerivedFrom": {"_:d": {"prov:generatedEntity": "ex:e", "prov:usedEntity": "ex:f", "prov:generation": "_:g"}}}"""
    document = json.loads(written(read(text)))
    (name,) = document["wasGeneratedBy"]
    (derivation,) = document["wasDerivedFrom"].values()
    assert derivation["prov:generation"] == name


def test_a_prefix_that_a_bundle_uses_for_something_else_is_kept_apart() -> None:
    text = """{"prefix": {"ex": "http://one.org/"}, "entity": {"ex:e": {"ex:k": {"$": "ex:v", "type": "xsd:QName"}}},
        "bundle": {"ex:b": {"prefix": {"ex": "http://two.org/"},
            "entity": {"ex:e": {"ex:k": {"$": "ex:v", "type": "xsd:QName"}}}}}}"""
    graph = read(text)
    document = json.loads(written(graph))
    ((bundle, inside),) = document["bundle"].items()
    ((outer, outer_body),) = document["entity"].items()
    ((inner, inner_body),) = inside["entity"].items()
    iris = document["prefix"]

    def iri(name: str) -> str:
        prefix, local = name.split(":")
        return iris[prefix] + local

    assert iri(outer) == "http://one.org/e"
    assert iri(inner) == "http://two.org/e"
    assert {iri(name) for name in outer_body} == {"http://one.org/k"}
    assert {iri(name) for name in inner_body} == {"http://two.org/k"}
    assert iri(next(iter(inner_body.values()))["$"]) == "http://two.org/v"
    assert iri(bundle) in {"http://one.org/b", "http://two.org/b"}


def test_two_spellings_of_one_iri_are_one_identifier() -> None:
    text = """{"prefix": {"ex": "http://example.org/", "sub": "http://example.org/sub/"},
        "entity": {"ex:sub/e": {}, "sub:f": {}}, "agent": {"ex:a": {}},
        "wasAttributedTo": {"_:1": {"prov:entity": "sub:e", "prov:agent": "ex:a"}}}"""
    graph = read(text)
    assert graph.query(
        "SELECT count(*) FROM {graph}.relation r JOIN {graph}.element e ON e.id = r.a1 WHERE e.kind = 1"
    ) == [(1,)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ('{"entity": {"ex:e": {}', "line 1, column 23: it breaks off"),
        ('{"entity": {"ex:e": {}}}', "prefix of 'ex:e' is not declared"),
        ('{"entity": {"e": {}}}', "no default namespace"),
        (
            '{"used": {"_:u": {"prov:activity": "no:a"}}}',
            "doc.json, used/…/prov:activity: the prefix of 'no:a'",
        ),
        (
            '{"activity": {"prov:a": {"prov:endTime": "2021"}}}',
            "activity/prov:a/prov:endTime: '2021' is no instant",
        ),
        (
            '{"bundle": {"prov:b": {"used": {"_:u": {"prov:time": "2021"}}}}}',
            "bundle/prov:b/used/…/prov:time: '2021' is no instant",
        ),
        (
            '{"bundle": {"prov:b": {"entity": {"prov:e": {"prov:k": null}}}}}',
            "at bundle/prov:b/entity/prov:e/prov:k: a value must be",
        ),
        (
            '{"hadMember": {"_:m": {"prov:collection": "prov:c", "prov:entity": []}}}',
            "at hadMember/_:m/prov:entity: the array of members is empty",
        ),
        ('{"entitty": {}}', "at entitty: there is no such kind of record"),
        ('{"entity": []}', "at entity: an object is expected"),
        ('{"prefix": {"ex": 5}}', "at prefix/ex: the IRI of a prefix must be a string"),
        (
            '{"prefix": {"ex": "http://e/"}, "entity": {"ex:e": 5}}',
            "at entity/ex:e: a record must be an object",
        ),
        (
            '{"prefix": {"ex": "http://e/"}, "used": {"_:u": {"prov:activity": ["ex:a"]}}}',
            "at used/_:u/prov:activity: a string is expected",
        ),
        (
            '{"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"ex:k": null}}}',
            "at entity/ex:e/ex:k: a value must be",
        ),
        (
            '{"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"ex:k": {"$": "no:x", "type": "xsd:QName"}}}}',
            "prefix of 'no:x' is not declared",
        ),
        (
            '{"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"no:k": "x"}}}',
            "prefix of 'no:k' is not declared",
        ),
        ('{"entity": ' + "[" * 100_000 + "]" * 100_000 + "}", "not a PROV-JSON document"),
        (b'{"entity": {"\xff": {}}}', "not a PROV-JSON document"),
    ],
)
def test_a_wrong_document_gets_one_sentence_with_the_path(text: str | bytes, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(text)
    message = str(caught.value)
    assert says in message
    assert message.startswith("doc.json")
    assert "\n" not in message


def test_an_existing_file_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.json"
    target.write_text("before")
    graph = read('{"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {}}}')

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlflow2prov.formats.provjson.write_strings", fail)
    with pytest.raises(Exception, match="No space left"):
        graph.save(tmp_path / "a")
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_prov_document_goes_there_and_back_without_a_loss() -> None:
    document = ProvDocument()
    document.add_namespace("ex", "http://example.org/")
    bundle = document.bundle("ex:bundle")
    bundle.wasAssociatedWith(
        "ex:a", "ex:ag", "ex:plan", identifier="ex:assoc", other_attributes={"prov:role": "x"}
    )
    document.wasDerivedFrom("ex:e2", "ex:e1", "ex:a", "ex:g", "ex:u")
    document.activity("ex:a", "2020-01-01T00:00:00+02:00")
    assert Graph.from_prov(document).to_prov() == document


def many(role: str, count: int = 1200) -> str:
    """So many usages that they are read as columns, one of them with a role of its own."""
    qualified = '{"$": "ex:r", "type": "xsd:QName"}'
    records = [f'"_:u{n}": {{"prov:activity": "ex:a", "prov:role": {qualified}}}' for n in range(count)]
    records.append(f'"ex:odd": {{"prov:activity": "ex:b", "prov:role": {role}}}')
    return f'{{"prefix": {{"ex": "http://e/"}}, "used": {{{", ".join(records)}}}}}'


def test_texts_beside_qualified_names_are_no_names() -> None:
    with read(many('{"$": "trainer", "type": "xsd:string"}')) as graph:
        assert json.loads(written(graph))["used"]["ex:odd"]["prov:role"] == "trainer"


@pytest.mark.parametrize(
    "role", ["null", '{"$": null, "type": null}', "{}", '{"$": "ex:x"}, "x": {"type": "xsd:int"}']
)
def test_what_is_wrong_is_wrong_among_many_records_too(role: str) -> None:
    for count in (1, 1200):
        with pytest.raises(FormatError):
            read(many(role, count)).close()


def test_values_and_datatypes_of_different_records_are_not_joined() -> None:
    text = many('{"$": "ex:x"}').replace(
        '"_:u7": {"prov:activity": "ex:a", "prov:role": {"$": "ex:r", ',
        '"_:u7": {"prov:activity": "ex:a", "prov:role": {',
    )
    with pytest.raises(FormatError, match="used/_:u7/prov:role"):
        read(text).close()


def test_blank_names_that_are_kept_meet_no_others() -> None:
    text = """{"prefix": {"ex": "http://e/"}, "wasGeneratedBy": {"_:x": {"prov:entity": "ex:a"},
        "_:n1": {"prov:entity": "ex:b"}, "_:n2": {"prov:entity": "ex:c"}},
        "wasDerivedFrom": {"_:d": {"prov:generatedEntity": "ex:b", "prov:usedEntity": "ex:a", "prov:generation": "_:n1"}}}"""
    with read(text) as graph:
        for _ in range(3):
            with read(written(graph)) as again:
                assert written(again).count(b"prov:entity") == 3
                assert len(json.loads(written(again))["wasGeneratedBy"]) == 3


def test_datatypes_are_known_by_their_iri() -> None:
    text = """{"prefix": {"ex": "http://e/", "xs": "http://www.w3.org/2001/XMLSchema#", "b": "http://b/"},
        "entity": {"ex:e": {"ex:k": {"$": "b:q", "type": "xs:QName"}, "ex:s": {"$": "t", "type": "xs:string"}}}}"""
    with read(text) as graph, read(written(graph)) as again:
        entity = json.loads(written(again))["entity"]["ex:e"]
        assert entity == {"ex:k": {"$": "b:q", "type": "xsd:QName"}, "ex:s": "t"}


@pytest.mark.parametrize(
    ("top", "after", "place"),
    [
        ('{"entity": {"in:e": {}}}', "{}", "entity/in:e"),
        ('{"used": {"_:u": {"prov:entity": "in:e"}}}', "{}", "used/_:u/prov:entity"),
        ("{}", '{"entity": {"in:e": {}}}', "bundle/ex:after/entity/in:e"),
        ("{}", '{"entity": {"ex:e": {"in:k": "v"}}}', "bundle/ex:after/entity/ex:e"),
        (
            "{}",
            '{"entity": {"ex:e": {"ex:k": {"$": "v", "type": "in:t"}}}}',
            "bundle/ex:after/entity/ex:e/ex:k",
        ),
        ("{}", '{"prefix": {"z": "http://z/"}, "agent": {"in:a": {}}}', "bundle/ex:after/agent/in:a"),
        ('{"entity": {"e": {}}}', "{}", "entity/e"),
    ],
)
@pytest.mark.parametrize("word", ["prefix", "pr\\u0065fix"])
def test_a_prefix_of_a_bundle_means_nothing_elsewhere(top: str, after: str, place: str, word: str) -> None:
    inner = {
        "entity": {"in:e": {"in:k": {"$": "v", "type": "in:t"}}, "e": {}},
        "PREFIX": {"in": "http://in/", "default": "http://d/"},
    }
    document = {"prefix": {"ex": "http://e/"}, **json.loads(top)}
    document["bundle"] = {"ex:b": inner, "ex:after": json.loads(after)}
    text = json.dumps(document).replace("PREFIX", word)
    with pytest.raises(FormatError, match=f"^doc.json, {place}: "):
        read(text).close()


def test_a_byte_order_mark_is_skipped_and_large_integers_are_integers() -> None:
    text = b'\xef\xbb\xbf{"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"ex:k": 99999999999999999999}}}'
    with read(text) as graph:
        value = json.loads(written(graph))["entity"]["ex:e"]["ex:k"]
    assert value == {"$": "99999999999999999999", "type": "xsd:integer"}


def test_times_that_are_none_and_huge_records_are_refused() -> None:
    prefix = '{"prefix": {"ex": "http://e/"}, '
    with pytest.raises(FormatError, match="'yesterday' is no instant"):
        read(prefix + '"used": {"_:u": {"prov:activity": "ex:a", "prov:time": "yesterday"}}}')
    with pytest.raises(FormatError, match="more than 67,108,864 bytes"):
        read(prefix + '"entity": {"ex:e": {"ex:k": "' + "x" * (65 * 2**20) + '"}}}')
