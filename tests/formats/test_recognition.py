"""The format of a file without a suffix is told by how it begins."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

from contents import bundles, contents
from documents import graph_of
from mlflow2prov import Graph, load
from mlflow2prov.errors import FormatError
from mlflow2prov.formats import FORMATS, read_from, write_to

PROV = "http://www.w3.org/ns/prov#"
ENTITY = f"<{PROV}Entity>"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
FILES = [name for name, row in FORMATS.items() if row.reads and row.writes and not row.marker]
COMMENTS = {
    "provn": "// said by somebody\n/* or ** not */\n" * 500,
    "ttl": "# <a> a {\n" * 2000,
    "trig": "# <a> a {\n" * 2000,
    "nt": "# <a> a {\n" * 2000,
    "nq": "# <a> a {\n" * 2000,
}
RDFXML = (
    '<{p}RDF xmlns{x}="{rdf}"><{p}Description {a}about="http://e.org/a"><{p}type {a}resource="{prov}Entity"/>'
    "</{p}Description></{p}RDF>"
)


def rdfxml(prefix: str, before: str = "") -> str:
    """A document of one entity, whose namespace of RDF has that prefix."""
    spelled = f"{prefix}:" if prefix else ""
    made = RDFXML.format(p=spelled, x=f":{prefix}" if prefix else "", a=spelled or "r:", rdf=RDF, prov=PROV)
    return before + (made if prefix else made.replace("<RDF ", f'<RDF xmlns:r="{RDF}" '))


ONE_ENTITY = {
    "Turtle without prefixes": f"<http://e.org/a> a {ENTITY} .",
    "Turtle with a comment": f"# all\n<http://e.org/a> a {ENTITY} .",
    "Turtle over several lines": f"<http://e.org/a>\n    <{RDF}type>\n    {ENTITY} .",
    "Turtle like N-Triples at first": f"<http://e.org/a> <{RDF}type> {ENTITY} ;\n a {ENTITY} .",
    "Turtle with a base": f"BASE <http://e.org/>\n<a> a {ENTITY} .",
    "Turtle with a URN": f"@prefix e: <http://e.org/> . e:a a {ENTITY} .",
    "N-Triples": f"<http://e.org/a> <{RDF}type> {ENTITY} .\n",
    "N-Triples without spaces": f"<http://e.org/a><{RDF}type>{ENTITY}.",
    "TriG of the default graph": f"{{ <http://e.org/a> a {ENTITY} }}",
    "TriG with a comment in its graph": f"{{ # all\n <http://e.org/a> a {ENTITY} }}",
    "RDF/XML with another prefix": rdfxml("r"),
    "RDF/XML with the usual prefix": rdfxml("rdf"),
    "RDF/XML with the default namespace": rdfxml(""),
    "RDF/XML after a processing instruction": rdfxml(
        "rdf", '<?xml version="1.0"?>\n<?style a="<b>" ?>\n<!-- - -> a -->\n'
    ),
    "RDF/XML after a DOCTYPE": rdfxml("rdf", f'<!DOCTYPE rdf:RDF [<!ENTITY prov "{PROV}">]>\n'),
    "PROV-XML": f'<document xmlns="{PROV}" xmlns:p="{PROV}" xmlns:e="http://e.org/"><entity p:id="e:a"/></document>',
    "PROV-XML after instructions": f'<?xml version="1.0"?><?a b?><!-- <x> a <y> -->\n<p:document xmlns:p="{PROV}"'
    ' xmlns:e="http://e.org/"><p:entity p:id="e:a"/></p:document>',
    "PROV-JSON": '{"prefix": {"e": "http://e.org/"}, "entity": {"e:a": {}}}',
    "PROV-N": "document prefix e <http://e.org/> entity(e:a) endDocument",
}
BLANK = {"Turtle with a blank node": f"[] a {ENTITY} .", "Turtle in brackets": f"[ a {ENTITY} ] ."}
GRAPHS = {
    "TriG with GRAPH": f"GRAPH <http://e.org/b> {{ <http://e.org/a> a {ENTITY} }}",
    "TriG of a named graph": f"<http://e.org/b> {{ <http://e.org/a> a {ENTITY} }}",
    "N-Quads": f"<http://e.org/a> <{RDF}type> {ENTITY} <http://e.org/b> .\n",
}


def told(text: str | bytes, suffix: str = "") -> Graph:
    raw = text.encode() if isinstance(text, str) else text
    return read_from(io.BytesIO(raw), "something", suffix=suffix)


@pytest.mark.parametrize("text", ONE_ENTITY.values(), ids=ONE_ENTITY)
def test_the_first_words_tell_the_format(text: str) -> None:
    with told(text) as graph:
        assert [record[:3] for record in contents(graph)] == [(None, "entity", "http://e.org/a")]


def test_a_document_without_records_is_told_in_each_format() -> None:
    for name, row in FORMATS.items():
        if row.reads and not row.marker:
            file = io.BytesIO()
            with Graph.empty() as graph:
                write_to(graph, file, name)
            with told(file.getvalue()) as graph:
                assert not contents(graph), name


@pytest.mark.parametrize("text", GRAPHS.values(), ids=GRAPHS)
def test_graphs_are_bundles(text: str) -> None:
    with told(text) as graph:
        assert bundles(graph) == {"http://e.org/b"}
        assert [record[:3] for record in contents(graph)] == [("http://e.org/b", "entity", "http://e.org/a")]


def test_relative_names_are_turtle_and_not_elements() -> None:
    for text in (f"<a> a {ENTITY} .", f'<a> <b> "c" . <d> a {ENTITY} .', f"<a> {{ <b> a {ENTITY} }}"):
        for suffix in ("", ".rdf"):
            with pytest.raises(FormatError, match=r"relative IRI|No scheme"):
                told(text, suffix)


@pytest.mark.parametrize("text", BLANK.values(), ids=BLANK)
def test_blank_nodes_are_turtle(text: str) -> None:
    with told(text) as graph:
        assert graph.count("element") <= 1


def test_elements_of_xml_without_attributes_are_not_turtle() -> None:
    for text in ("<a>\n<b>c</b></a>", "<a><b/></a>", "<p:a>\n  <p:b>\n", "<!--x--><a>"):
        with pytest.raises(FormatError, match="something") as caught:
            told(text)
        assert "IRI" not in str(caught.value)


@pytest.fixture(scope="module")
def large() -> Graph:
    """Its named graphs begin long after the head of the file."""
    entities = {f"ex:{number}": {"ex:text": "é" * 20} for number in range(3000)}
    document = {
        "prefix": {"ex": "http://e.org/"},
        "entity": entities,
        "bundle": {"ex:b": {"entity": {"ex:a": {}}}},
    }
    return graph_of(json.dumps(document).encode())


@pytest.mark.parametrize("name", [name for name in FILES if name not in {"rdf", "ttl", "nt"}])
def test_a_bundle_far_down_is_read(name: str, large: Graph) -> None:
    file = io.BytesIO()
    write_to(large, file, name)
    assert file.tell() > 2**16
    with told(file.getvalue()) as again:
        assert contents(again) == contents(large)
        assert bundles(again) == bundles(large)


def test_a_name_of_rdf_may_hold_turtle_or_trig(large: Graph, tmp_path: Path) -> None:
    with load(large.save(tmp_path / "doc", "trig").rename(tmp_path / "doc.rdf")) as again:
        assert bundles(again) == bundles(large)
        assert contents(again) == contents(large)
    with told(f"<http://e.org/a> a {ENTITY} .", ".rdf") as turtle:
        assert turtle.count("element") == 1


@pytest.mark.parametrize("name", COMMENTS)
def test_long_comments_come_first(name: str) -> None:
    text = COMMENTS[name]
    assert len(text) > 16_000
    with graph_of(b'{"prefix": {"ex": "http://e.org/"}, "entity": {"ex:a": {}}}') as graph:
        file = io.BytesIO(text.encode())
        file.seek(0, io.SEEK_END)
        write_to(graph, file, name)
        with told(file.getvalue()) as again:
            assert contents(again) == contents(graph)


def test_the_context_of_json_ld_may_stand_anywhere() -> None:
    with graph_of(b'{"prefix": {"ex": "http://e.org/"}, "entity": {"ex:a": {"ex:k": "v"}}}') as graph:
        file = io.BytesIO()
        write_to(graph, file, "jsonld")
        document = json.loads(file.getvalue())
        turned = json.dumps(dict(reversed(document.items())), indent=1)
        assert next(iter(json.loads(turned))) != "@context"
        with told(turned) as again:
            assert contents(again) == contents(graph)


def test_texts_about_contexts_are_no_json_ld() -> None:
    text = '{"prefix": {"ex": "http://e.org/"}, "entity": {"ex:a": {"ex:k": ["@context", "{\\"@context\\": 1}"]}}}'
    with told(text) as graph:
        assert graph.count("element") == 1


@pytest.mark.parametrize(
    "text",
    [
        *(
            "# ",
            "# \n",
            "// ",
            "//\n",
            "/*",
            "/**/",
            "/* */",
            "<!--",
            "<!-- -->",
            "<?a ?>",
            "<? ",
            "<!DOCTYPE a>",
        ),
        *(
            "<!DOCTYPE a [",
            "<",
            "<a",
            "<a>",
            "<a> ",
            "<a> <b> ",
            "<a:b> <a:b> ",
            "<http://a> ",
            "_:a",
            "_:a ",
            "_:",
        ),
        *(
            '<a:b> <a:b> "',
            '<a:b> <a:b> "\\',
            "[",
            "[ ",
            "[]",
            "{",
            "{ ",
            "{}",
            "{a",
            "{#\n",
            '{"@id" ',
            '{"@id',
            "]",
        ),
        *("\n", "a:", "<r:", "RDF", ".", "<_:a", "@", "graph "),
    ],
)
@pytest.mark.parametrize("end", ["", "x", "<"])
def test_telling_takes_time_in_proportion(text: str, end: str) -> None:
    from mlflow2prov.formats import _recognize

    raw = ((text * 2**16)[: 2**16 - 1] + end).encode()
    start = time.process_time()
    try:
        _recognize(raw, "something", "")
    except FormatError as error:
        assert "can't tell" in str(error)
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("coding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("suffix", [*FILES, "txt"])
def test_utf_16_is_read_or_refused_in_plain_words(suffix: str, coding: str, tmp_path: Path) -> None:
    text = b'{"prefix": {"ex": "http://e.org/"}, "entity": {"ex:e": {}}}'
    graph = read_from(io.BytesIO(text), "document", "json")
    name = suffix if suffix in FORMATS else "json"
    file = io.BytesIO()
    write_to(graph, file, name)
    shown = "\ufeff" + file.getvalue().decode().replace('encoding="UTF-8"', 'encoding="UTF-16"')
    path = tmp_path / f"document.{suffix}"
    path.write_bytes(shown.encode(coding))
    if suffix == "xml":
        assert contents(load(path)) == contents(graph)
    else:
        with pytest.raises(FormatError, match=r"UTF-16.*: save it (as UTF-8|so)$"):
            load(path)


def test_rdf_xml_needs_no_outermost_rdf(tmp_path: Path) -> None:
    path = tmp_path / "document.rdf"
    path.write_text(
        f'<prov:Entity xmlns:prov="{PROV}" xmlns:rdf="{RDF}" rdf:about="http://e.org/e"/>', encoding="utf-8"
    )
    assert load(path).count("element") == 1
