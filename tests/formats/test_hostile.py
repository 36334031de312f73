"""Hostile and broken documents: each gets one clear error with its place, in bounded time and memory."""

from __future__ import annotations

import io
import subprocess
import sys
import time

import pytest

from documents import graph_of
from mlflow2prov import Graph, formats
from mlflow2prov.errors import FormatError

NAMES = ("json", "jsonld", "xml", "provn")
SAMPLE = b"""{"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"ex:k": {"$": "1", "type": "xsd:long"}}, "ex:f": {}},
 "activity": {"ex:a": {"prov:startTime": "2020-01-01T00:00:00Z"}}, "agent": {"ex:p": {"prov:label": "x"}},
 "used": {"ex:u": {"prov:activity": "ex:a", "prov:entity": "ex:e", "prov:role": "r"}},
 "bundle": {"ex:b": {"entity": {"ex:g": {}}}}}"""

JSON = '{"prefix": {"ex": "http://e/"}, "entity": {"ex:e": {"ex:k": %s}}}'
JSONLD = '{"@context": [{"ex": "http://e/"}], "@graph": [{"@type": "Entity", "@id": "ex:e", "ex:k": [%s]}]}'
PROVN = "document\nprefix ex <http://e/>\nentity(ex:e, [ex:k=%s])\nendDocument\n"
OPEN = '<prov:document xmlns:prov="http://www.w3.org/ns/prov#" xmlns:ex="http://e/" '
OPEN += 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
XML = OPEN + '\n<prov:entity prov:id="ex:e">\n<ex:k>%s</ex:k></prov:entity></prov:document>'


def read(raw: bytes, name: str) -> Graph:
    return formats.read_from(io.BytesIO(raw), "doc", name)


def refused(raw: str | bytes, name: str) -> str:
    """The one sentence that a reader has for a document."""
    content = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")
    with pytest.raises(FormatError) as caught:
        read(content, name).close()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


def value_of(raw: str | bytes, name: str) -> str:
    """The value of the one attribute of the one entity of a document."""
    with read(raw if isinstance(raw, bytes) else raw.encode(), name) as graph:
        ((attributes,),) = graph.query("SELECT attributes FROM {graph}.element")
    return str(attributes[0]["v"])


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_breaks_off_is_refused_with_its_place(name: str) -> None:
    file = io.BytesIO()
    with graph_of(SAMPLE) as graph:
        formats.write_to(graph, file, name)
    whole = file.getvalue().rstrip()
    for part in range(40):
        message = refused(whole[: len(whole) * part // 40], name)
        assert "line" in message or "it is empty" in message, part


@pytest.mark.parametrize(
    ("name", "raw", "says"),
    [
        ("json", JSON % '"\\ud800"', "half of a surrogate pair"),
        ("json", JSON % '{"$": "\\udc00", "type": "xsd:string"}', "half of a surrogate pair"),
        ("json", JSON % "1e999", "at entity/ex:e: Number out of range"),
        ("json", JSON % ("9" * 100_000), "at entity/ex:e: Integer value out of range"),
        ("json", JSON % "NaN", "line 1, column 61: JSON is malformed"),
        ("json", JSON % ("[" * 100_000 + "]" * 100_000), "nested too deeply"),
        ("json", JSON % '[["x"]]', "at entity/ex:e/ex:k: an array within an array is no value"),
        ("json", JSON % '{"$": "x", "unit": "m"}', 'at entity/ex:e/ex:k: "$", "type" and "lang" are expected'),
        ("json", JSON % '"a\0b"', "line 1, column 63: JSON is malformed"),
        ("json", (JSON % '"x"').encode("utf-16"), "line 1: it is UTF-16"),
        ("json", (JSON % '"x"').encode("utf-16-le"), "line 1: it is UTF-16"),
        ("json", (JSON % '"?"').encode().replace(b"?", b"\xff"), "at entity/ex:e: this is not UTF-8"),
        ("json", JSON % '"1", "ex:k": "2"', "at entity/ex:e: there are several members 'ex:k'"),
        (
            "json",
            JSON % r'"\u0022\u0022", "ex:n": 1, "ex:n": 2',
            "at entity/ex:e: there are several members 'ex:n'",
        ),
        (
            "json",
            r'{"entity": {"ex:\u0022\u0022": {}, "ex:n": 1, "ex:n": {}}}',
            "at entity: there are several members 'ex:n'",
        ),
        ("json", '{"entity": {}, "entity": {}}', "at the top: there are several members 'entity'"),
        (
            "json",
            '{"prefix": {"ex": "http://e/"}, "entity": {"ex:\\u00e9": {}, "ex:\\u00e9": {}}}',
            "at entity: there are several members 'ex:é'",
        ),
        ("json", '{"prefix": {"_": "http://e/"}}', "at prefix/_: this prefix is that of blank identifiers"),
        ("json", '{"entity": {"": {}}}', "'' has no prefix"),
        ("json", '{"activity": {"prov:a": {"prov:endTime": "2021-02-29T00:00:00"}}}', "is no instant"),
        ("json", '{"activity": {"prov:a": {"prov:endTime": "2021-04-31T00:00:00"}}}', "is no instant"),
        ("json", '{"activity": {"prov:a": {"prov:endTime": "2021-04-30T00:00:00+14:30"}}}', "is no instant"),
        ("jsonld", JSONLD % '"\\ud800"', "half of a surrogate pair"),
        ("jsonld", JSONLD % "1e999", "at @graph[0]: Number out of range"),
        ("jsonld", JSONLD % ('{"@value": ' * 100_000 + "1" + "}" * 100_000), "nested too deeply"),
        ("jsonld", JSONLD % '"x"], "ex:k": ["y"', "at @graph[0]: there are several members 'ex:k'"),
        ("jsonld", '{"@context": [], "@graph": [], "@graph": []}', "at the top: there are several members"),
        ("jsonld", (JSONLD % '"x"').encode("utf-16"), "line 1: it is UTF-16"),
        ("jsonld", (JSONLD % '"?"').encode().replace(b"?", b"\xff"), "at @graph[0]: this is not UTF-8"),
        ("jsonld", '{"@context": {"_": "http://e/"}, "@graph": []}', "@context/_: this prefix is that of blank"),
        ("xml", '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + XML % "&b;", "line 1: a document type"),
        ("xml", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + XML % "&a;", "line 1: a document type"),
        ("xml", '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + XML % "x", "line 1: a document type"),
        (
            "xml",
            ('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x>' + XML % "x").encode("utf-16"),
            "line 1: a document type",
        ),
        ("xml", XML % "&a;", "line 3: undefined entity"),
        ("xml", XML % ("<ex:a>" * 100_000), "line 3: elements are nested more than 100 deep"),
        ("xml", XML % "a\0b", "line 3: not well-formed"),
        ("xml", XML % "&#0;", "line 3: reference to invalid character number"),
        ("xml", XML % "\ud800", "line 3: not well-formed"),
        ("xml", (XML % "?").encode().replace(b"<ex:k>?", b"<ex:k>\xff"), "line 3: not well-formed"),
        ("xml", '<?xml version="1.0" encoding="nonsense"?>' + XML % "x", "line 1: its encoding can't be read"),
        ("xml", '<?xml version="1.0" encoding="shift_jis"?>' + XML % "x", "line 1: its encoding can't be read"),
        (
            "xml",
            OPEN + '<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="/etc/passwd"/></prov:document>',
            "line 1: there is no record 'include'",
        ),
        ("xml", OPEN + '<prov:entity prov:id=""/></prov:document>', "line 1: '' has no prefix"),
        ("xml", OPEN + '<prov:entity prov:id="no:e"/></prov:document>', "line 1: the prefix of 'no:e'"),
        ("provn", PROVN % '"\\ud800"', "line 3, column 15: an escape of this text is none of PROV-N"),
        ("provn", PROVN % "1e999", "line 3, column 21: ',' or ']' is expected, not 'e999])'"),
        ("provn", PROVN % ("(" * 100_000), "line 3, column 20: a text, a qualified name or an integer"),
        ("provn", (PROVN % '"x"').encode("utf-16"), "is UTF-16, which provn can't be read from: save it as UTF-8"),
        ("provn", "document\n" + "bundle prov:b\n" * 100_000, "line 3, column 1: a record or 'endBundle'"),
        ("provn", PROVN.replace("ex:e", "ex:" + "e" * 2**21) % "1", "of at most 1,048,576 characters"),
    ],
)  # fmt: skip
def test_a_hostile_document_gets_one_sentence_with_its_place(name: str, raw: str | bytes, says: str) -> None:
    begin = time.process_time()
    assert says in refused(raw, name)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("json", JSON % '"a\\u0000b"', "a\0b"),
        ("json", JSON % ("-" + "9" * 30), "-" + "9" * 30),
        ("json", JSON % '{"$": "x", "lang": ""}', "x"),
        ("json", JSON % '"\\ud83d\\ude00 \\u00e9"', "😀 é"),
        ("provn", PROVN % ("9" * 10_000), "9" * 10_000),
        ("xml", XML % "<![CDATA[a<b]]>&amp;<![CDATA[]]]]><![CDATA[>]]>", "a<b&]]>"),
        ("xml", XML % "a<?php x ?>b<!-- y -->c", "abc"),
        ("xml", "<?xml-stylesheet href='file:///etc/passwd'?>" + XML % "x", "x"),
        ("xml", (XML % "é").encode("utf-16"), "é"),
        ("xml", ('<?xml version="1.0" encoding="ISO-8859-1"?>' + XML % "é").encode("latin-1"), "é"),
        (
            "xml",
            XML % '<i:include xmlns:i="http://www.w3.org/2001/XInclude" parse="text" href="/etc/passwd"/>',
            "",
        ),
    ],
)
def test_what_only_looks_hostile_is_read(name: str, raw: str | bytes, value: str) -> None:
    assert value_of(raw, name) == value


@pytest.mark.parametrize(
    ("tag", "language"), [("", None), ("de-CH", "de-CH"), ("not one_!", "not one_!"), ("12", "12")]
)
def test_odd_languages_of_xml_are_kept_and_an_empty_one_is_none(tag: str, language: str | None) -> None:
    with read((XML % "x").replace("<ex:k>", f'<ex:k xml:lang="{tag}">').encode(), "xml") as graph:
        assert graph.query("SELECT language FROM {graph}.attribute_key") == [(language,)]


def test_leap_days_are_instants() -> None:
    for year in ("2020", "2000", "12020", "-0004"):
        raw = f'{{"activity": {{"prov:a": {{"prov:endTime": "{year}-02-29T00:00:00"}}}}}}'
        read(raw.encode(), "json").close()
    for year in ("2100", "2021", "12021"):
        raw = f'{{"activity": {{"prov:a": {{"prov:endTime": "{year}-02-29T00:00:00"}}}}}}'
        assert "is no instant" in refused(raw, "json")


def prefixes(name: str, count: int) -> str:
    numbers = range(count)
    declared = ", ".join(f'"p{n}": "http://{n}/"' for n in numbers)
    match name:
        case "json":
            return f'{{"prefix": {{{declared}}}}}'
        case "jsonld":
            return f'{{"@context": {{{declared}}}, "@graph": []}}'
        case "xml":
            declared = " ".join(f'xmlns:p{n}="http://{n}/"' for n in numbers)
            return OPEN.replace("xmlns:ex", f"{declared} xmlns:ex") + "</prov:document>"
    return "document\n" + "\n".join(f"prefix p{n} <http://{n}/>" for n in numbers) + "\nendDocument"


@pytest.mark.parametrize("name", NAMES)
def test_a_hundred_thousand_prefixes_are_refused_soon(name: str) -> None:
    begin = time.process_time()
    assert "more than 10,000 prefixes" in refused(prefixes(name, 100_000), name)
    assert time.process_time() - begin < 5
    with read(prefixes(name, 5_000).encode(), name) as graph:
        assert len(graph.query("SELECT prefix FROM {graph}.prefix")) >= 5_000


def bundles(name: str, count: int) -> str:
    numbers = range(count)
    match name:
        case "json":
            body = ", ".join(f'"ex:b{n}": {{"entity": {{"ex:e{n}": {{"ex:k": "{n}"}}}}}}' for n in numbers)
            return f'{{"prefix": {{"ex": "http://e/"}}, "bundle": {{{body}}}}}'
        case "jsonld":
            entity = '{"@type": "Entity", "@id": "ex:e%d", "ex:k": ["%d"]}'
            body = ", ".join(
                f'{{"@type": "Bundle", "@id": "ex:b{n}", "@graph": [{entity % (n, n)}]}}' for n in numbers
            )
            return f'{{"@context": [{{"ex": "http://e/"}}], "@graph": [{body}]}}'
        case "xml":
            entity = '<prov:entity prov:id="ex:e%d"><ex:k>%d</ex:k></prov:entity>'
            body = "".join(
                f'<prov:bundleContent prov:id="ex:b{n}">{entity % (n, n)}</prov:bundleContent>'
                for n in numbers
            )
            return f"{OPEN}{body}</prov:document>"
    body = "".join(f'bundle ex:b{n} entity(ex:e{n}, [ex:k="{n}"]) endBundle\n' for n in numbers)
    return f"document prefix ex <http://e/>\n{body}endDocument"


@pytest.mark.parametrize("name", NAMES)
def test_many_small_bundles_cost_little_and_keep_their_records(name: str) -> None:
    begin = time.process_time()
    with read(bundles(name, 5_000).encode(), name) as graph:
        assert time.process_time() - begin < 5
        rows = graph.query(
            "SELECT b.local, n.local, e.attributes[1].v FROM {graph}.element e "
            "JOIN {graph}.name n ON n.id = e.id JOIN {graph}.name b ON b.id = e.bundle"
        )
    assert sorted(rows) == sorted((f"b{n}", f"e{n}", str(n)) for n in range(5_000))


@pytest.mark.parametrize("name", NAMES)
def test_a_record_with_a_hundred_thousand_attributes_is_read(name: str) -> None:
    texts = [f'"{n}"' for n in range(100_000)]
    raw = {
        "json": JSON % f"[{','.join(texts)}]",
        "jsonld": JSONLD % ",".join(texts),
        "xml": XML % "</ex:k><ex:k>".join(text.strip('"') for text in texts),
        "provn": PROVN % ", ex:k=".join(texts),
    }[name]
    with read(raw.encode(), name) as graph:
        assert graph.query("SELECT len(attributes), attributes[-1].v FROM {graph}.element") == [
            (100_000, "99999")
        ]


ENDLESS = {
    "json": [JSON.partition("%")[0] + '"', '{"', "{", '{"entity": [['],
    "jsonld": [JSONLD.partition("%")[0] + '"', "{"],
    "xml": [XML.partition("%")[0], OPEN + '<prov:entity prov:id="', OPEN + "<!-- ", OPEN + "<", OPEN + "<?x "],
    "provn": [PROVN.partition("%")[0] + '"', PROVN.partition("%")[0] + "'", "document /*", "document //", PROVN[:39]],
}  # fmt: skip
"""How documents begin that then go on for a gigabyte with one letter."""

CHILD = """
import io, pathlib, resource, sys, time
from mlflow2prov import formats
from mlflow2prov.errors import FormatError

class Endless(io.RawIOBase):
    def __init__(self, start):
        self.start, self.given = start, 0
    def readable(self):
        return True
    def readinto(self, buffer):
        piece = self.start[: len(buffer)] or b"x" * min(len(buffer), 2**30 - self.given)
        self.start = self.start[len(piece) :]
        buffer[: len(piece)] = piece
        self.given += len(piece)
        return len(piece)

for start in sys.argv[2:]:
    file = io.BufferedReader(Endless(start.encode()), 2**20)
    try:
        formats.read_from(file, "doc", sys.argv[1])
    except FormatError as error:
        print(error)
status = pathlib.Path("/proc/self/status")
if status.exists():  # what getrusage tells begins with the size of the process that started this one
    peak = int(status.read_text().split("VmHWM:")[1].split()[0])
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak // 1024, time.process_time())
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_gigabyte_without_an_end_is_refused_in_bounded_memory(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, name, *ENDLESS[name]],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *messages, figures = done.stdout.splitlines()
    peak_mib, seconds = map(float, figures.split())
    assert len(messages) == len(ENDLESS[name])
    assert all("line" in message for message in messages)
    assert peak_mib < 800
    assert seconds < 60


def test_a_record_that_is_cut_by_the_pieces_of_a_file_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlflow2prov.formats.provxml_reader._CHUNK_BYTES", 7)
    monkeypatch.setattr("mlflow2prov.formats.provxml_reader._CHUNKS", 1)
    body = "".join(
        f'<prov:entity prov:id="ex:e{n}"><ex:k>{n}</ex:k><ex:l>{n}</ex:l></prov:entity>'
        '<prov:used prov:id="ex:u%d"><prov:activity prov:ref="ex:a"/><ex:k>%d</ex:k></prov:used>' % (n, n)
        for n in range(50)
    )
    with read(f"{OPEN}{body}</prov:document>".encode(), "xml") as graph:
        found = graph.query(
            "SELECT n.local, e.attributes[1].v, e.attributes[2].v, len(e.attributes) FROM {graph}.element e "
            "JOIN {graph}.name n ON n.id = e.id"
        )
        assert found == [(f"e{n}", str(n), str(n), 2) for n in range(50)]
        relations = graph.query(
            "SELECT n.local, r.attributes[1].v FROM {graph}.relation r JOIN {graph}.name n ON n.id = r.id"
        )
        assert sorted(relations) == sorted((f"u{n}", str(n)) for n in range(50))
