"""PROV-N, against the prov library as a foreign reader and writer."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prov.model import ProvDocument
from tests.contents import bundles, contents
from tests.documents import documents, graph_of

from mlflow2prov import Graph, formats
from mlflow2prov.errors import FormatError
from mlflow2prov.formats import provn, provn_lexer, provn_names, provn_reader

CASES = Path(__file__).parents[3] / "shared" / "cases"
DOCUMENTS = sorted((CASES / "documents" / "json").glob("*.json"))
CONSTRAINTS = sorted((CASES / "constraints").rglob("*.provn"))
needs_cases = pytest.mark.skipif(
    not DOCUMENTS, reason="the shared cases are not beside the project: get ../shared/cases"
)
LAW = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])


def read(text: str | bytes, name: str = "doc.provn") -> Graph:
    return provn.read(io.BytesIO(text.encode() if isinstance(text, str) else text), name)


def written(graph: Graph) -> str:
    file = io.BytesIO()
    provn.write(graph, file)
    return file.getvalue().decode()


def records(*lines: str, prefixes: str = "prefix ex <http://e/>") -> str:
    return "\n".join(["document", prefixes, *lines, "endDocument"])


def foreign(text: str) -> ProvDocument:
    return ProvDocument.deserialize(content=text, format="provn")


def same(one: Graph, other: Graph) -> bool:
    return contents(one) == contents(other) and bundles(one) == bundles(other)


@LAW
@given(st.one_of(documents(), documents(plain_links=False)))
def test_what_is_written_is_read_as_the_same_document(raw: bytes) -> None:
    with graph_of(raw) as graph, read(text := written(graph)) as again:
        assert contents(again) == contents(graph)
        assert bundles(again) == bundles(graph)
        assert written(again) == text


@LAW
@given(documents(), st.integers(1, 50))
def test_where_the_window_ends_makes_no_difference(raw: bytes, size: int) -> None:
    with graph_of(raw) as graph, pytest.MonkeyPatch.context() as patch:
        text = written(graph)
        patch.setattr(provn_lexer, "_CHUNK", size)
        patch.setattr(provn_reader, "_BATCH", 3)
        with read(text) as again:
            assert same(again, graph)


@LAW
@given(documents())
def test_records_taken_token_by_token_are_those_of_the_plain_form(raw: bytes) -> None:
    with graph_of(raw) as graph, pytest.MonkeyPatch.context() as patch:
        text = written(graph)
        patch.setattr(provn_lexer, "RECORD", provn_lexer.re.compile("(?!)"))
        with read(text) as again:
            assert same(again, graph)


@needs_cases
@pytest.mark.parametrize("group", range(4))
def test_the_library_reads_what_is_written_of_every_case(group: int) -> None:
    for path in DOCUMENTS[group::4]:
        with formats.read(path) as graph:
            assert foreign(written(graph)) == ProvDocument.deserialize(str(path), format="json"), path.name


@needs_cases
@pytest.mark.parametrize("group", range(4))
def test_what_the_library_writes_of_every_case_is_read(group: int) -> None:
    for path in DOCUMENTS[group::4]:
        document = ProvDocument.deserialize(str(path), format="json")
        with read(document.serialize(format="provn"), path.name) as graph:
            assert graph.to_prov() == document, path.name


@needs_cases
def test_the_constraint_cases_are_what_the_library_reads_in_either_format() -> None:
    assert len(CONSTRAINTS) > 90
    for path in CONSTRAINTS:
        with path.open("rb") as file, provn.read(file, path.name) as graph:
            document = graph.to_prov()
        assert document == ProvDocument.deserialize(str(path), format="provn"), path.name
        assert document == ProvDocument.deserialize(str(path.with_suffix(".xml")), format="xml"), path.name


def test_every_production_is_read() -> None:
    text = """// a comment
    document /* another
    one */ default <http://d/> prefix ex <http://e/> // ends here
    entity(ex:e) entity(e, []) agent(ex:ag,[ex:k="v"])
    activity(ex:a) activity(ex:b, -, 2020-01-01T00:00:00.5+02:00)
    wasGeneratedBy(ex:g; ex:e, ex:a, 2020-01-01T00:00:00) wasGeneratedBy(-; ex:e) wasGeneratedBy(ex:e, -, -)
    used(ex:u; ex:a, ex:e, -, [prov:role='ex:r']) used(ex:a)
    wasInformedBy(ex:a, ex:b) wasStartedBy(ex:a, ex:e, ex:b, -) wasStartedBy(ex:a) wasEndedBy(ex:a, -, -, -)
    wasInvalidatedBy(ex:e, ex:a, -) wasDerivedFrom(ex:e, ex:f) wasDerivedFrom(ex:d; ex:e, ex:f, ex:a, ex:g, ex:u)
    wasAttributedTo(ex:e, ex:ag) wasAssociatedWith(ex:a, -, ex:plan) actedOnBehalfOf(ex:ag, ex:bg)
    actedOnBehalfOf(ex:ag, ex:bg, ex:a) wasInfluencedBy(ex:e, ex:f) specializationOf(ex:e, ex:f)
    alternateOf(ex:e, ex:f) hadMember(ex:c, ex:e) mentionOf(ex:e, ex:f, ex:bundle)
    prov:mentionOf(ex:e, ex:f, ex:other) prov:hadMember(ex:m; ex:c, ex:e, [ex:k="v"])
    bundle ex:bundle prefix ex <http://inner/> default <http://di/> entity(e) entity(ex:e) endBundle
    bundle ex:empty endBundle
    endDocument // the end"""
    with read(text) as graph:
        assert graph.count("element") == 7
        assert graph.count("relation") == 23
        assert bundles(graph) == {"http://inner/bundle", "http://e/empty"}
        iris = {row[2] for row in contents(graph) if row[0] == "http://inner/bundle"}
        assert iris == {"http://di/e", "http://inner/e"}
        with read(written(graph)) as again:
            assert same(again, graph)


def test_literals_are_read_in_all_their_forms() -> None:
    literals = {
        r'"a \"b\" \\ \n\t\b\f\r \' é"': ('a "b" \\ \n\t\b\f\r \' é', "", ""),
        '"""long "quoted"\nlines \\""""': ('long "quoted"\nlines "', "", ""),
        '""': ("", "", ""),
        '""""""': ("", "", ""),
        r'"\u00e9\U0001F600\ud83d\ude00"': ("é😀😀", "", ""),
        '"hej"@sv-SE': ("hej", "", "sv-SE"),
        '"hej" @sv %% prov:InternationalizedString': ("hej", "", "sv"),
        '"5" %% xsd:long': ("5", "http://www.w3.org/2001/XMLSchema#long", ""),
        '"s"%%xsd:string': ("s", "", ""),
        "-5": ("-5", "http://www.w3.org/2001/XMLSchema#int", ""),
        "'ex:a\\(1\\)'": ("http://e/a(1)", "http://www.w3.org/2001/XMLSchema#QName", ""),
        '"ex:a(1)" %% xsd:QName': ("http://e/a(1)", "http://www.w3.org/2001/XMLSchema#QName", ""),
        '"ex:q" %% prov:QUALIFIED_NAME': ("http://e/q", "http://www.w3.org/2001/XMLSchema#QName", ""),
        '"x" // comment\n /* more */': ("x", "", ""),
    }
    for literal, (value, datatype, language) in literals.items():
        for layout in (
            "entity(ex:e, [ex:k={}])",
            "entity( ex:e , [ ex:k = {} ] )",
            "entity(ex:e,[ex:k=/**/{}])",
        ):
            with read(records(layout.format(literal))) as graph:
                (row,) = contents(graph)
            assert row[5] == (("http://e/k", value, datatype, language),), literal


def test_names_are_read_without_their_escapes() -> None:
    names = {
        r"ex:a\=\'\(\)\,\-\:\;\[\]\.": "http://e/a='(),-:;[].",
        r"ex:\-x": "http://e/-x",
        "ex:": "http://e/",
        "ex:a:b": "http://e/a:b",
        "ex:a.b-c/@~&+*?#$!": "http://e/a.b-c/@~&+*?#$!",
        "ex:%41%zz".removesuffix("%zz"): "http://e/%41",
        "ex:a//b/*c": "http://e/a//b/*c",
        "2020": "http://d/2020",
        r"a\:b": "http://d/a:b",
        "document": "http://d/document",
    }
    for name, iri in names.items():
        with read(records(f"entity({name})", prefixes="default <http://d/> prefix ex <http://e/>")) as graph:
            assert {row[2] for row in contents(graph)} == {iri}
            with read(written(graph)) as again:
                assert same(again, graph)


def test_names_that_have_no_spelling_keep_their_iri() -> None:
    names = [
        "with space",
        "100%",
        "a–b",
        "a–",
        'q"<>',
        "-.",
        ".",
        "t.",
        "a{b}|^`",
        "line\nbreak",
        "é b%41",
        "–%",
    ]
    raw = ", ".join(f'"ex:{name}": {{}}' for name in names).replace("\n", "\\n").replace('q"', 'q\\"')
    with graph_of(f'{{"prefix": {{"ex": "http://e/"}}, "entity": {{{raw}}}}}'.encode()) as graph:
        text = written(graph)
        with read(text) as again:
            assert {row[2] for row in contents(again)} == {f"http://e/{name}" for name in names}
    theirs = {record.identifier.uri for record in foreign(text).get_records()}
    assert {"http://e/100%", "http://e/a–b", "http://e/a–", "http://e/-.", "http://e/t."} <= theirs


def test_more_awkward_names_than_namespaces_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provn_names, "MOST_NAMESPACES", 2)
    raw = ", ".join(
        f'"ex:{number}%": {{"ex:k": {{"$": "ex:v{number}%", "type": "xsd:QName"}}}}' for number in range(6)
    )
    with graph_of(f'{{"prefix": {{"ex": "http://e/"}}, "entity": {{{raw}}}}}'.encode()) as graph:
        text = written(graph)
        assert text.count("prefix ns") == 3
        with read(text) as again:
            assert same(again, graph)


def test_prefixes_and_namespaces_that_have_no_spelling_are_replaced() -> None:
    raw = b"""{"prefix": {"a b": "http://one/", "1": "http://two/", "x": "http://three/ /", "default": "http://<4>/",
        "ns1": "http://five/", "genid": "http://six/"}, "entity": {"a b:e": {"1:k": {"$": "a b:v", "type": "xsd:QName"}},
        "1:e": {}, "x:e%": {"e": {"$": "x", "type": "x:type"}}, "e": {}, "ns1:e": {}, "genid:e": {}}}"""
    with graph_of(raw) as graph, read(text := written(graph)) as again:
        assert same(again, graph)
        assert written(again).count("\n") == text.count("\n")
    assert len(list(foreign(text).get_records())) == 6


def test_a_blank_relation_that_a_derivation_names_stays_blank() -> None:
    raw = b"""{"prefix": {"ex": "http://e/"}, "wasGeneratedBy": {"_:g": {"prov:entity": "ex:e", "ex:k": "v"}},
        "used": {"_:u": {"prov:activity": "ex:a"}, "_:v": {"prov:activity": "ex:a"}}, "wasDerivedFrom": {"_:d": {
        "prov:generatedEntity": "ex:e", "prov:usedEntity": "ex:f", "prov:generation": "_:g", "prov:usage": "_:u"}}}"""
    with graph_of(raw) as graph:
        text = written(graph)
        with read(text) as again:
            assert same(again, graph)
            assert written(again) == text
            assert again.query("SELECT count(*) FROM {graph}.name WHERE prefix = '_'") == [(2,)]
    derivation = next(
        iter(foreign(text).get_records(type(foreign(records("wasDerivedFrom(ex:a, ex:b)")).records[0])))
    )
    assert [str(name).partition(":")[0] for _, name in derivation.formal_attributes[3:]] == ["genid", "genid"]


def test_other_records_give_other_names_to_blank_ones() -> None:
    texts = set()
    for value in ("1", "2"):
        raw = f"""{{"prefix": {{"ex": "http://e/"}}, "wasGeneratedBy": {{"_:g": {{"prov:entity": "ex:{value}"}}}},
            "wasDerivedFrom": {{"_:d": {{"prov:generatedEntity": "ex:e", "prov:usedEntity": "ex:f",
            "prov:generation": "_:g"}}}}}}"""
        with graph_of(raw.encode()) as graph:
            texts.add(written(graph).partition("wasGeneratedBy(")[2].partition(";")[0])
    assert len(texts) == 2


def test_arguments_that_no_record_has_are_left_out() -> None:
    text = records(
        "wasDerivedFrom(ex:a, ex:b, -, -, -)",
        "used(ex:a, -, -)",
        "used(ex:a, ex:e, -)",
        "activity(ex:a, -, -)",
    )
    with read(text) as graph:
        lines = [line.strip() for line in written(graph).splitlines()]
    assert {"wasDerivedFrom(ex:a, ex:b)", "used(ex:a, -, -)", "used(ex:a, ex:e, -)", "activity(ex:a)"} < set(
        lines
    )


def test_a_record_that_lacks_what_it_must_have_survives() -> None:
    raw = (
        b'{"prefix": {"ex": "http://e/"}, "used": {"_:u": {"prov:entity": "ex:e"}}, "hadMember": {"_:m": {}}}'
    )
    with graph_of(raw) as graph, read(written(graph)) as again:
        assert same(again, graph)


def test_a_language_that_is_none_is_refused() -> None:
    raw = b'{"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"ex:k": {"$": "x", "lang": "de_CH"}}}}'
    with graph_of(raw) as graph, pytest.raises(FormatError, match="language tag 'de_CH' of ex:k"):
        written(graph)


def test_prefixes_of_one_namespace_are_one() -> None:
    text = records("entity(a:e) used(b:a, a:e, -)", prefixes="prefix a <http://e/> prefix b <http://e/>")
    with read(text) as graph:
        assert {row[2] for row in contents(graph) if row[1] == "entity"} == {"http://e/e"}
        assert graph.prefixes() == {"a": "http://e/"}


def test_a_bundle_that_comes_twice_is_one() -> None:
    with read(records("bundle ex:b entity(ex:e) endBundle bundle ex:b entity(ex:f) endBundle")) as graph:
        assert written(graph).count("  bundle ") == 1
        assert graph.count("element") == 2


def test_a_million_comments_and_blanks_are_passed() -> None:
    with read(records("// x\n" * 400_000 + " " * 3_000_000 + "/* y */" * 300_000, "entity(ex:e)")) as graph:
        assert graph.count("element") == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1, column 1: 'document' is expected, but the file ends here"),
        ("   \n ", "line 2, column 2: 'document' is expected, but the file ends here"),
        ("graph", "line 1, column 1: 'document' is expected, not 'graph'"),
        ("document", "a record or 'endDocument' is expected, but the file ends here"),
        (
            "document\n entity(e)\nendDocument",
            "line 2, column 9: 'e' has no prefix, and no default namespace",
        ),
        (records("entity(no:e)"), "line 3, column 8: the prefix of 'no:e' is not declared"),
        (records("entity(ex:e, [ex:k='no:v'])"), "line 3, column 21: the prefix of 'no:v' is not declared"),
        (records('entity(ex:e, [no:k="v"])'), "line 3, column 15: the prefix of 'no:k'"),
        (records('entity(ex:e, [ex:k="v" %% no:t])'), "line 3, column 27: the prefix of 'no:t'"),
        (records("entity(ex:e"), "line 4, column 1: ',', ';' or ')' is expected, not 'endDocument'"),
        (records("entity(ex:e, [ex:k=])"), "line 3, column 20: a text, a qualified name or an integer"),
        (records('entity(ex:e, [ex:k="v)'), "line 3, column 20: a text that ends on its line is expected"),
        (records('entity(ex:e, [ex:k="""v)'), "line 3, column 20: a text that ends is expected"),
        (records('entity(ex:e, [ex:k="\\q"])'), "an escape of this text is none of PROV-N"),
        (records('entity(ex:e, [ex:k="\\ud800"])'), "an escape of this text is none of PROV-N"),
        (records("used(ex:a, ex:e)"), "line 3, column 1: used has 1 or 3 formal arguments"),
        (records("activity(ex:a, -)"), "activity has 0 or 2 formal arguments besides its identifier"),
        (records("entity(-)"), "line 3, column 1: this needs an identifier"),
        (records("entity(ex:i; ex:e)"), "',' or ')' is expected, not ';'"),
        (records("used(ex:u; ex:v; ex:a)"), "',' or ')' is expected, not ';'"),
        (records("used(ex:a, ex:e, ex:f)"), "'ex:f' is no instant"),
        (
            records('used(ex:a, -, -, [prov:time="x"])'),
            "line 3, column 1: prov:time is a formal argument here",
        ),
        (
            records("used(ex:a,-,-)", "used(ex:a,-,-,[ex:k='ex:v',prov:entity='ex:e'])"),
            "line 4, column 1: prov:entity is a formal argument here",
        ),
        (records("used(ex:a, ex:e, 2020-01-01)"), "'2020-01-01' is no instant"),
        (
            records("used(ex:a, ex:e, 2020-13-01T00:00:00)"),
            "line 3, column 1: '2020-13-01T00:00:00' is no instant",
        ),
        (
            records("activity(ex:a, -, 2021-02-29T00:00:00)"),
            "line 3, column 1: '2021-02-29T00:00:00' is no instant",
        ),
        (records("ex:made(ex:a, (1, {2}))"), "'ex:made' is no record of PROV-DM; extensions can't be read"),
        (records("prov:made(ex:a)"), "'prov:made' is no record"),
        (records("entitty(ex:a)"), "'entitty' is no record"),
        (records("entity(ex:a^b)"), "',', ';' or ')' is expected, not '^b)'"),
        (records("entity(ex:a%b)"), "',', ';' or ')' is expected, not '%b)'"),
        (
            records("bundle ex:b", "bundle ex:c endBundle endBundle"),
            "a record or 'endBundle' is expected, not 'bundle'",
        ),
        (records("bundle ex:b entity(ex:e)"), "a record or 'endBundle' is expected, not 'endDocument'"),
        (records("endBundle"), "a record or 'endDocument' is expected, not 'endBundle'"),
        (records("endDocument"), "nothing may follow 'endDocument'"),
        (records("/* no end"), "line 3, column 1: the comment that starts here has no end"),
        (
            records(prefixes="prefix ex <http://e/> prefix ex <http://f/>"),
            "the prefix 'ex' is declared twice",
        ),
        (records(prefixes="prefix ex <http://e/ >"), "a namespace in < and > is expected"),
        (records(prefixes="prefix _ <http://e/>"), "a prefix is expected"),
        (records("entity(_:e)"), "'_:e'"),
        (
            records(prefixes=" ".join(f"prefix a{n} <http://{n}/>" for n in range(10_001))),
            "more than 10,000 prefixes",
        ),
        (
            records(prefixes="prefix g <https://w3id.org/mlflow2prov/escaped/%ff>"),
            "percent-encoding is none of UTF-8",
        ),
        (
            records("entity(ex:e, [ex:k=" + "(" * 100_000),
            "a text, a qualified name or an integer is expected",
        ),
        (records("[" * 100_000), "a record or 'endDocument' is expected"),
        (b"document\n prefix ex <http://e/>\n entity(ex:\xff)", "line 3, column 12: this is not UTF-8"),
        (b"document entity(\xc3", "line 1, column 17: this is not UTF-8"),
        (bytes(range(256)) * 100, "is not a PROV-N document"),
        (b"\x1f\x8b" + bytes(100_000), "is not a PROV-N document"),
    ],
)
def test_a_wrong_document_gets_one_sentence_with_the_place(text: str | bytes, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(text)
    message = str(caught.value)
    assert says in message
    assert message.startswith("doc.provn")
    assert "\n" not in message
    assert len(message) < 300


def test_a_document_that_breaks_off_anywhere_is_refused() -> None:
    text = records("entity(ex:e, [ex:k=\"v\" %% xsd:long, ex:l='ex:v'])", "used(ex:u; ex:a, ex:e, -)").strip()
    for length in range(len(text)):
        with pytest.raises(FormatError, match=r"line \d+, column \d+"):
            read(text[:length]).close()


def test_places_are_right_beyond_the_first_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provn_lexer, "_CHUNK", 10)
    with pytest.raises(FormatError, match="line 1003, column 22: the prefix of 'no:e'"):
        read(records(*["entity(ex:e)"] * 1000, "entity(ex:e)  entity(no:e)")).close()


@pytest.mark.parametrize("start", ['"', '"""', "/* "])
def test_what_has_no_end_is_refused_in_bounded_memory(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provn_lexer, "LARGEST_RECORD_BYTES", 3 * 2**20)

    class Endless(io.BytesIO):
        given = 0

        def read(self, size: int | None = -1, /) -> bytes:
            if not self.given:
                self.given = 1
                return records(f"entity(ex:e, [ex:k={start}").removesuffix("endDocument").strip().encode()
            self.given += size or 0
            return b"x" * (size or 0)

    file = Endless()
    with pytest.raises(FormatError, match="line 3, column 1: a record has more than"):
        provn.read(file, "doc.provn").close()
    assert file.given < 2**24
