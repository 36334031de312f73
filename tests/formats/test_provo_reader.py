"""Reading PROV-O as others write it, and files that are wrong or hostile."""

from __future__ import annotations

import builtins
import io
import logging
import subprocess
import sys
from typing import Any

import pytest

from contents import bundles, contents
from mlflow2prov import Graph, formats
from mlflow2prov.errors import FormatError, UsageError
from mlflow2prov.formats import provo_lines, provo_parser

PREFIXES = """@prefix prov: <http://www.w3.org/ns/prov#> .
@prefix ex: <http://e/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""
XSD = "http://www.w3.org/2001/XMLSchema#"
RDF_NAMESPACE = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
T1, T2 = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"


def read(text: str | bytes, syntax: str = "ttl") -> Graph:
    raw = text.encode() if isinstance(text, str) else text
    return formats.read_from(io.BytesIO(raw), f"doc.{syntax}", syntax)


def said(text: str, syntax: str = "ttl") -> list[str]:
    """The records of a document, in short: kind, identifier, arguments, times and attributes, less namespaces."""
    with read(PREFIXES + text if syntax in ("ttl", "trig") else text, syntax) as graph:
        shown = []
        for bundle, kind, own, arguments, times, attributes in contents(graph).elements():
            words = [kind, *(f"{short(own)};" for _ in "1" if own), *map(short, trimmed(arguments))]
            words += [f"@{time}" for time in times if time]
            words += sorted(f"{short(name)}={short(value)}" for name, value, _, _ in attributes)
            shown.append(" ".join([*(f"{short(bundle)}:" for _ in "1" if bundle), *words]))
    return sorted(shown)


def trimmed(arguments: tuple[Any, ...]) -> list[Any]:
    kept = list(arguments)
    while kept and kept[-1] is None:
        kept.pop()
    return kept


def short(name: Any) -> str:
    if isinstance(name, tuple):  # shown by what it identifies
        return "blank"
    return (
        "-"
        if name is None
        else str(name).removeprefix("http://e/").removeprefix("http://www.w3.org/ns/prov#")
    )


SHAPES: dict[str, tuple[str, list[str]]] = {
    "only a triple": ("ex:e prov:wasGeneratedBy ex:a .", ["wasGeneratedBy e a"]),
    "only a node": (
        "ex:e prov:qualifiedGeneration [ a prov:Generation ; prov:activity ex:a ] .",
        ["wasGeneratedBy e a"],
    ),
    "a triple and a node are one": (
        "ex:e prov:wasGeneratedBy ex:a ; prov:qualifiedGeneration [ a prov:Generation ; prov:activity ex:a ;"
        f' prov:atTime "{T1}"^^xsd:dateTime ; prov:hadRole ex:r ] .',
        [f"wasGeneratedBy e a @{T1} role=r"],
    ),
    "a triple and a node of another": (
        "ex:e prov:wasGeneratedBy ex:b ; prov:qualifiedGeneration [ a prov:Generation ; prov:activity ex:a ] .",
        ["wasGeneratedBy e a", "wasGeneratedBy e b"],
    ),
    "a node without class": ("ex:a prov:qualifiedUsage [ prov:entity ex:e ] .", ["used a e"]),
    "a node by its class": ("ex:u a prov:Usage ; prov:entity ex:e .", ["used u; - e"]),
    "the influencer as such": (
        "ex:a prov:qualifiedAssociation [ prov:influencer ex:ag ; prov:hadPlan ex:p ] .",
        ["wasAssociatedWith a ag p"],
    ),
    "inverse": (
        "ex:a prov:generated ex:e . ex:b prov:influenced ex:c . ex:c prov:wasMemberOf ex:d .",
        ["hadMember d c", "wasGeneratedBy e a", "wasInfluencedBy c b"],
    ),
    "times at the entity": (
        f'ex:e prov:generatedAtTime "{T1}"^^xsd:dateTime ; prov:invalidatedAtTime "{T2}"^^xsd:dateTime .',
        [f"wasGeneratedBy e @{T1}", f"wasInvalidatedBy e @{T2}"],
    ),
    "the time of the only generation": (
        f'ex:e prov:generatedAtTime "{T1}"^^xsd:dateTime ; prov:wasGeneratedBy ex:a .',
        [f"wasGeneratedBy e a @{T1}"],
    ),
    "a time that is said already": (
        f'ex:e prov:generatedAtTime "{T1}"^^xsd:dateTime ; prov:wasGeneratedBy ex:b ; prov:qualifiedGeneration '
        f'[ prov:activity ex:a ; prov:atTime "{T1}"^^xsd:dateTime ] .',
        [f"wasGeneratedBy e a @{T1}", "wasGeneratedBy e b"],
    ),
    "a revision": ("ex:b prov:wasRevisionOf ex:a .", ["wasDerivedFrom b a type=Revision"]),
    "a revision that is a derivation": (
        "ex:b prov:wasRevisionOf ex:a ; prov:wasDerivedFrom ex:a .",
        ["wasDerivedFrom b a type=Revision"],
    ),
    "a qualified revision": (
        "ex:b prov:qualifiedRevision ex:r ; prov:wasRevisionOf ex:a . ex:r prov:entity ex:a ; prov:hadUsage ex:u .",
        ["wasDerivedFrom r; b a - - u type=Revision"],
    ),
    "a revision by its class": (
        "ex:b prov:qualifiedDerivation [ a prov:Revision, prov:Derivation ; prov:entity ex:a ] .",
        ["wasDerivedFrom b a type=Revision"],
    ),
    "a class that something else is": ("ex:e a prov:Entity, prov:Revision .", ["entity e; type=Revision"]),
    "implied classes": (
        "ex:ag a prov:Person . ex:p a prov:Plan . ex:c a prov:Collection, ex:C .",
        ["agent ag; type=Person", "entity c; type=C type=Collection", "entity p; type=Plan"],
    ),
    "elements by their use": (
        'ex:e rdfs:label "E" . ex:a rdfs:label "A" . ex:ag rdfs:label "G" . ex:a prov:used ex:e ; '
        'prov:wasAssociatedWith ex:ag .  ex:v prov:value "V" .',
        [
            *("activity a; label=A", "agent ag; label=G", "entity e; label=E", "entity v; value=V"),
            *("used a e", "wasAssociatedWith a ag"),
        ],
    ),
    "activities by their times": (
        f'ex:a prov:startedAtTime "{T1}"^^xsd:dateTime ; prov:endedAtTime "{T2}"^^xsd:dateTime .',
        [f"activity a; @{T1} @{T2}"],
    ),
    "two starts": (
        f'ex:a a prov:Activity ; prov:startedAtTime "{T1}"^^xsd:dateTime, "{T2}"^^xsd:dateTime .',
        [f"activity a; @{T1}", f"activity a; @{T2}"],
    ),
    "two usages of one identifier": (
        "ex:u a prov:Usage ; prov:entity ex:e, ex:f . ex:a prov:qualifiedUsage ex:u .",
        ["used u; a e", "used u; a f"],
    ),
    "an influence that is a usage": (
        "ex:a prov:qualifiedUsage ex:u . ex:u a prov:Influence, prov:Usage ; prov:entity ex:e .",
        ["used u; a e"],
    ),
    "what is no argument of this relation": (
        "ex:u a prov:Usage ; prov:entity ex:e ; prov:hadPlan ex:p .",
        ["used u; - e hadPlan=p"],
    ),
    "two kinds of one thing": (
        'ex:x a prov:Entity, prov:Agent ; rdfs:label "X" .',
        ["agent x; label=X", "entity x; label=X"],
    ),
    "blank elements": ("_:b1 a prov:Entity . ex:a prov:used _:b1 .", ["entity blank;", "used a blank"]),
    "qualified names as literals": (
        'ex:e a prov:Entity ; ex:k "ex:v"^^xsd:QName ; ex:l "no:v"^^xsd:QName .',
        ["entity e; k=v l=no:v"],
    ),
    "a mention": (
        "ex:e prov:mentionOf ex:f ; prov:asInBundle ex:b . ex:g prov:mentionOf ex:f .",
        ["mentionOf e f b", "mentionOf g f"],
    ),
    "the generation of a derivation": (
        "ex:b prov:qualifiedDerivation [ prov:entity ex:a ; prov:hadGeneration _:g ] . "
        "ex:b prov:qualifiedGeneration _:g . _:g prov:activity ex:x .",
        ["wasDerivedFrom b a - blank", "wasGeneratedBy blank; b x"],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_prov_is_read_in_all_the_shapes_that_others_give_it(shape: str) -> None:
    text, expected = SHAPES[shape]
    assert said(text) == sorted(expected)


def test_bundles_are_named_graphs() -> None:
    text = "ex:b a prov:Bundle . ex:b { ex:e a prov:Entity . ex:a prov:used ex:e . } ex:c { }"
    assert said(text, "trig") == ["b: entity e;", "b: used a e", "entity b; type=Bundle"]
    with pytest.raises(FormatError, match="needs an IRI"):
        read(PREFIXES + "_:b { ex:e a prov:Entity . }", "trig")


def test_types_and_languages_of_texts_are_kept() -> None:
    text = """ex:e a prov:Entity ; ex:k "a"@de-CH, "b"@EN, "c"^^xsd:long, "d"^^ex:own, 5, 1.5, true, 'say "@fr-FR" loud' ."""
    with read(PREFIXES + text) as graph:
        (record,) = contents(graph)
    assert {row[1:] for row in record[5]} == {
        *{("a", "", "de-CH"), ("b", "", "EN"), ("c", f"{XSD}long", ""), ("d", "http://e/own", "")},
        *{("5", f"{XSD}integer", ""), ("1.5", f"{XSD}decimal", ""), ("true", f"{XSD}boolean", "")},
        ('say "@fr-FR" loud', "", ""),
    }


def test_what_has_no_place_in_prov_is_counted_on_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = said(
            'ex:e a prov:Entity ; prov:atLocation ex:here . ex:here a prov:Location ; rdfs:label "here" . ex:x ex:y ex:z .'
        )
    assert found == ["entity e; location=here"]
    assert [record.getMessage() for record in caplog.records] == [
        "doc.ttl: 3 triples are about what is no record of PROV, and left out"
    ]


def test_reading_a_text_twice_over_doubles_nothing() -> None:
    text = "ex:e a prov:Entity ; ex:k 1 ; prov:wasGeneratedBy ex:a . ex:u a prov:Usage ; prov:entity ex:e ; ex:k 2 ."
    assert said(text + text) == said(text)


def test_lines_of_any_form_are_read() -> None:
    usual = "<http://e/e> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://www.w3.org/ns/prov#Entity> .\n"
    odd = (
        "# a comment\r\n\n   \n"
        "<http://e/a>\t<http://www.w3.org/ns/prov#used>   <http://e/e>.\n"
        '<http://e/e> <http://e/k> "\\U0001F600 \\\' \\u00e9\\n"@de-CH. # more\n'
        '<http://e/e> <http://e/k> "a\ttab \\"q\\" \\\\" .\r'
        "_:x-1.a <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://www.w3.org/ns/prov#Agent> .\n"
    )
    with read(usual + odd + usual.rstrip("\n"), "nt") as graph:
        records = {record[1]: record for record in contents(graph)}
    assert set(records) == {"entity", "used", "agent"}
    assert {row[1:] for row in records["entity"][5]} == {("😀 ' é\n", "", "de-CH"), ('a\ttab "q" \\', "", "")}


def test_where_pieces_end_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        f'<http://e/{n}> <http://e/k> "text {n} \\u00e9"@de .\n<http://e/{n}> '
        "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://www.w3.org/ns/prov#Entity> .\n"
        for n in range(40)
    ]
    with read("".join(lines), "nt") as whole:
        expected = contents(whole)
    monkeypatch.setattr(provo_lines, "_BATCH_BYTES", 700)
    monkeypatch.setattr(provo_lines, "_PIECE_BYTES", 150)
    monkeypatch.setattr("mlflow2prov.formats.provo_reader._CHUNK_BYTES", 77)
    monkeypatch.setattr(provo_parser, "_CHUNK_BYTES", 77)
    for syntax in ("nt", "nq", "ttl", "trig"):
        with read("".join(lines), syntax) as graph:
            assert contents(graph) == expected


def test_namespaces_get_prefixes_even_where_there_are_very_many() -> None:
    is_a = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://www.w3.org/ns/prov#Entity> .\n"
    few = [f"<http://e/{n}/a> {is_a}" for n in range(3)]
    with read("".join(few), "nt") as graph:
        assert sorted(graph.prefixes().values()) == [f"http://e/{n}/" for n in range(3)]
    many = [f"<http://e/{n}/a> {is_a}" for n in range(300)] + [f"<urn:x:1> {is_a}", f"<nothing:> {is_a}"]
    with read("".join(many), "nt") as graph:
        assert sorted(graph.prefixes().values()) == ["http://e/", "nothing:", "urn:x:"]
        assert len(contents(graph)) == 302


def test_prefixes_of_the_document_are_kept_and_fit() -> None:
    text = (
        "@prefix : <http://e/> . @prefix p: <http://www.w3.org/ns/prov#> . @prefix odd: <http://e/x-> . "
        "<http://e/a:b> a p:Entity ; :k <http://e/c:d>, <http://e/x-1> . <http://e/x-2> a p:Entity ."
    )
    with read(text) as graph:
        assert graph.prefixes()[""] == "http://e/"
        assert graph.prefixes()["odd"] == "http://e/x-"
        records = {record[2]: record[5] for record in contents(graph)}
    assert records["http://e/x-2"] == ()
    assert {row[1] for row in records["http://e/a:b"]} == {"http://e/c:d", "http://e/x-1"}


WRONG = {
    "a prefix that is not declared": ("ttl", PREFIXES + "no:e a prov:Entity .", "line 5: .*no"),
    "an IRI that is none": ("ttl", PREFIXES + "ex:e a <a b> .", "line 5: .*IRI"),
    "a relative IRI": ("ttl", PREFIXES + "ex:e a <rel> .", "line 5: .*"),
    "it breaks off": ("ttl", PREFIXES + 'ex:e a prov:Entity ; ex:k "abc', "line 5: .*[Uu]nexpected end"),
    "no UTF-8 in Turtle": ("ttl", PREFIXES.encode() + b'ex:e ex:k "\xff" .', "line 5: .*UTF-8"),
    "no UTF-8 in lines": ("nt", b'<a:b> <a:b> "x" .\n<a:b> <a:b> "\xff" .', "line 2: it is not UTF-8 text"),
    "a bad line": ("nt", "<a:b> <a:b> <a:b> .\n\n<a:b> <a b> <a:b> .\n<a:b> <a:b>", "line 3: .*"),
    "a relative IRI in a line": ("nq", "<a:b> <a:b> <a:b> .\n<b> <a:b> <a:b> .\n", "line 2: .*"),
    "a quad in triples": ("nt", "<a:b> <a:b> <a:b> <a:g> .\n", "line 1: .*"),
    "a triple in a triple": ("ttl", "<a:b> <a:b> <<( <a:b> <a:b> <a:b> )>> .", "no place for the triple"),
    "no instant": ("ttl", PREFIXES + 'ex:a prov:startedAtTime "2020"^^xsd:gYear .', "'2020' is no instant"),
    "XML that breaks off": ("rdf", f"<rdf:RDF {RDF_NAMESPACE}>\n<rdf:Description>", "line 2: .*no XML"),
    "XML that is no RDF": ("rdf", "<a>\n</a>", "line"),
    "external entities": (
        "rdf",
        f'<!DOCTYPE rdf:RDF [\n<!ENTITY x SYSTEM "file:///etc/hostname">]><rdf:RDF {RDF_NAMESPACE}><rdf:value>&x;'
        "</rdf:value></rdf:RDF>",
        "line 2: .*external",
    ),
    "entities of entities": (
        "rdf",
        '<!DOCTYPE rdf:RDF [<!ENTITY a "aaaaaaaaaa">\n'
        + "".join(f'<!ENTITY a{n} "{f"&a{n - 1 if n else str()};" * 10}">' for n in range(12))
        + f"]><rdf:RDF {RDF_NAMESPACE}><rdf:Description rdf:about='a:b'><rdf:value>&a11;</rdf:value>"
        "</rdf:Description></rdf:RDF>",
        "line 2: the entity a0 ",
    ),
    "deep elements": ("rdf", f"<rdf:RDF {RDF_NAMESPACE}>" + "<rdf:Bag><rdf:li>" * 100_000, "nested too deeply"),
    "deep triples": ("ttl", "<a:b> <a:b> " + "<<( <a:b> <a:b> " * 100_000, "nested too deeply"),
    "deep triples in lines": ("nt", "<a:b> <a:b> " + "<<( <a:b> <a:b> " * 100_000, "line 1: .*nested too deeply"),
    "deep brackets": ("ttl", "<a:b> <a:b> " + "[ <a:b> " * 100_000, "line 1: .*[Uu]nexpected end"),
    "deep collections": ("trig", "<a:b> <a:b> " + "(" * 100_000, "line 1: .*[Uu]nexpected end"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_in_one_sentence_with_the_line(what: str) -> None:
    syntax, text, message = WRONG[what]
    with pytest.raises(FormatError, match=f"(?s)^doc.{syntax}[,:]? .*{message}") as caught:
        read(text, syntax)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_harmless_entities_of_xml_are_read() -> None:
    text = (
        '<?xml version="1.0"?><!DOCTYPE rdf:RDF [<!ENTITY prov "http://www.w3.org/ns/prov#">]>'
        f'<rdf:RDF {RDF_NAMESPACE} xmlns:prov="&prov;"><prov:Entity rdf:about="http://e/e"/></rdf:RDF>'
    )
    assert said(text, "rdf") == ["entity e;"]


def test_deep_brackets_that_are_whole_are_read(caplog: pytest.LogCaptureFixture) -> None:
    with read("<a:b> <a:b> " + "[ <a:b> " * 100_000 + "<a:b>" + "]" * 100_000 + " .") as graph:
        assert not contents(graph)
    assert "100,001 triples" in caplog.text


class Endless(io.RawIOBase):
    """A file that begins, and then goes on with the letter x for a gigabyte."""

    def __init__(self, start: bytes) -> None:
        super().__init__()
        self._start = start
        self.sent = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._start[: len(buffer)] or b"x" * len(buffer)
        self._start = self._start[len(content) :]
        self.sent += len(content)
        assert self.sent < 2**30, "the whole gigabyte was read"
        buffer[: len(content)] = content
        return len(content)


@pytest.mark.parametrize(
    ("syntax", "start"),
    [
        ("nt", b'<a:b> <a:b> "'),
        ("nq", b'<a:b> <a:b> "'),
        ("ttl", b'<a:b> <a:b> """'),
        ("trig", b'<a:b> <a:b> "'),
        ("rdf", f"<rdf:RDF {RDF_NAMESPACE}><rdf:Description rdf:about='a:b'><rdf:value>".encode()),
    ],
)
def test_a_text_of_a_gigabyte_is_refused_before_it_is_read(syntax: str, start: bytes) -> None:
    file = Endless(start)
    with pytest.raises(FormatError, match=r"line 1.* more than"):
        formats.read_from(io.BufferedReader(file), "long", syntax)
    assert file.sent < 200 * 2**20


def test_rdf_that_holds_turtle_is_read() -> None:
    text = PREFIXES + "ex:e a prov:Entity ."
    for start in ("", "# a comment\n", "\n<http://e/f> a <http://www.w3.org/ns/prov#Entity> .\n"):
        with read(start + text, "rdf") as graph:
            assert "http://e/e" in {record[2] for record in contents(graph)}


def test_without_pyoxigraph_lines_are_read_and_the_rest_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name == "pyoxigraph":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.delitem(sys.modules, "pyoxigraph", raising=False)
    usual = "<http://e/e> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://www.w3.org/ns/prov#Entity> .\n"
    for syntax in ("nt", "nq"):
        with read(usual, syntax) as graph:
            assert len(contents(graph)) == 1
    for syntax, text in {
        "ttl": PREFIXES,
        "trig": PREFIXES,
        "rdf": "<rdf:RDF/>",
        "nt": "<a:b> <a:b> <a:b>.",
    }.items():
        with pytest.raises(UsageError, match=r'pip install "mlflow2prov\[rdf\]"'):
            read(text, syntax)


def test_the_parser_is_imported_on_use_only() -> None:
    code = "import sys, mlflow2prov.formats.provo_reader; sys.exit('pyoxigraph' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_document_without_records_has_bundles_still() -> None:
    with read(
        "<http://e/b> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://w3id.org/mlflow2prov#EmptyBundle> .",
        "nq",
    ) as graph:
        assert bundles(graph) == {"http://e/b"}
        assert not contents(graph)


@pytest.mark.parametrize("encoding", ["UUUTF-8", "utf-7", "shift_jis", "idna"])
def test_an_encoding_that_nobody_knows_is_refused(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'
    with pytest.raises(FormatError, match="line 1: its encoding can't be read"):
        read(text, "rdf")
