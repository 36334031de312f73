"""Nobody is found by another spelling: other forms of letters, what is not seen, escapes, in every format."""

from __future__ import annotations

import gzip
import html
import io
import json
import re
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow.parquet as pq
import pytest

from mlflow2prov import Graph, formats, load
from mlflow2prov.formats import FORMATS
from mlflow2prov.graph.agent_names import Agent
from mlflow2prov.graph.masking import Mask
from mlflow2prov.graph.people import Person
from mlflow2prov.graph.pseudonyms import use_pseudonyms
from mlflow2prov.graph.reading import view
from mlflow2prov.graph.suspects import Suspects, folded_sql

KEY = b"a key of sixteen bytes or more"
M2P = "https://w3id.org/mlflow2prov#"


def person(name: str = "", email: str = "", username: str = "") -> Agent:
    found = Agent(1, "ex", "a1", "http://example.org/a1")
    found.names.update([name] if name else [])
    found.emails.update([email] if email else [])
    found.usernames.update([username] if username else [])
    return found


SPELLINGS = [
    ("Lovelace", "Love\u00adlace Love\u200blace Lo\u2060ve\ufefflace love\u200clace Lovelace\u200d"),
    ("Lovelace", "Love&shy;lace Love&#173;lace Love&#xAD;lace Love%C2%ADlace Love-C2-ADlace Love\\u00adlace"),
    ("Lovelace", "Ｌｏｖｅｌａｃｅ ｌｏｖｅｌａｃｅ 𝐋𝐨𝐯𝐞𝐥𝐚𝐜𝐞 ⓛⓞⓥⓔⓛⓐⓒⓔ ＬＯＶＥ%EF%BD%8C%EF%BD%81ce"),
    ("Ｌｏｖｅ\u00adｌａｃｅ", "Lovelace LOVELACE love\u200blace"),
    ("Chloé Durand", "Chloe\u0301 Durand CHLOE\u0301 DURAND Chlo&eacute;&nbsp;Durand Chlo\\303\\251_Durand"),
    ("Chloe\u0301 Durand", "Chloé Durand chloé_durand Chlo%C3%A9%20Durand Chlo%CC%81e%20Durand"),
    ("김민수", "\u1100\u1175\u11b7\u1106\u1175\u11ab\u1109\u116e 김\u200b민\u200b수 김민수님"),
    ("Strauß", "STRAUSS Strauß strauss STRAUẞ"),
    ("Łukasz Øster", "lukasz oster Łukasz\u00a0Øster ŁUKASZ ØSTER LukaszOster"),
    ("Γιώργος", "ΓΙΩΡΓΟΣ γιωργος Γιώργος"),
    ("Işık Çelik", "isik celik IŞIK ÇELİK Işık\u200bÇelik"),
    ("Fiﬃna", "fiffina FIFFINA ﬁﬃna"),
    ("محمد", "محـمد ﻣﺤﻤﺪ"),
    ("Li Wu", "Li\u200bWu Li\u00a0Wu Ｌｉ　Ｗｕ L\u00adi W\u200bu"),
]


@pytest.mark.parametrize(("name", "text"), SPELLINGS)
def test_other_spellings_are_found(name: str, text: str) -> None:
    mask = Mask(KEY, [person(name)])
    rest = re.sub(r"p\d{20}", " ", mask.text(text))
    assert set(re.split(r"[\W_]+", rest)) <= {"", "님"}
    assert mask.text(mask.text(text)) == mask.text(text)


@pytest.mark.parametrize(("name", "text"), SPELLINGS)
def test_the_engine_suspects_other_spellings(name: str, text: str) -> None:
    with Graph.empty() as graph:
        suspects = Suspects(graph.store, Mask(KEY, [person(name)]).needles)
        sql = f"SELECT bool_and({suspects.text('x')}) FROM (SELECT unnest(?) AS x)"
        words = [text] if " " in name else text.split(" ")
        assert graph.store.scalar(sql, [words])


def test_the_engine_suspects_the_only_letter_of_a_text() -> None:
    mask = Mask(KEY, [person("A")])
    texts = ["A", "%20A%20", "A%20", " (a) ", "A\u200b"]
    assert all(re.search(r"p\d{20}", mask.text(text)) for text in texts)
    with Graph.empty() as graph:
        suspects = Suspects(graph.store, mask.needles)
        sql = f"SELECT bool_and({suspects.text('x')}), bool_and({suspects.name('x')}) FROM (SELECT unnest(?) AS x)"
        assert graph.store.run(sql, [texts]) == [(True, True)]


def test_the_engine_suspects_each_character_that_reads_otherwise() -> None:
    every = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000]
    known = [one for one in every if unicodedata.category(one) not in {"Cn", "Co"}]
    with Graph.empty() as graph:
        suspects = Suspects(graph.store, Mask(KEY, [person("0_0")]).needles)
        rows = graph.store.run(
            f"SELECT x, {folded_sql('x')}, {folded_sql('norm')} FROM "
            "(SELECT unnest(?) AS x, unnest(?) AS norm) WHERE NOT " + suspects.text("x"),
            [known, [view(one).norm for one in known]],
        )
    assert len(rows) > 130_000
    assert {x for x, engine, ours in rows if letters_of(engine) != letters_of(ours)} == set()


def letters_of(text: str) -> str:
    return "".join(filter(str.isalnum, text))


@pytest.mark.parametrize(
    ("known", "kept"),
    [
        (person("김민수"), "김민숙 기민수"),
        (person("Lovelace"), "love\u00adly lace ｌｏｖｅ ＆ lace &amp; &unknown; x=%3D"),
        (person(username="ada"), "Canａda ra\u00addar Ad\u2028a"),
        (person(username="2001"), "C:\\200\\x12001"),
    ],
)
def test_what_reads_otherwise_stays(known: Agent, kept: str) -> None:
    assert Mask(KEY, [known]).text(kept) == kept


def document() -> dict[str, Any]:
    """People with names in unusual spellings, which stand in every kind of place in other ones."""
    lovelace, chloe = "Ｌｏｖｅ\u00adｌａｃｅ", "Chloe\u0301 Dura\u200bnd"
    return {
        "prefix": {
            "m2p": M2P,
            "ex": "http://example.org/",
            "home": "file:///home/%EF%BD%81da/Chloe%CC%81%20Durand/",
            "foaf": "http://xmlns.com/foaf/0.1/",
        },
        "agent": {
            "ex:a1": {
                "m2p:name": ["Ada Lovelace", f"Ada {lovelace}"],
                "m2p:email": "ada@\u200bexample.org",
                "foaf:uid": {"$": "700123", "type": "xsd:int"},
            },
            "ex:a2": {"m2p:name": "Chloé Durand", "m2p:username": "김민수"},
        },
        "entity": {
            "home:train.py": {
                "prov:label": f"by {lovelace} and {chloe}",
                "ex:note": [
                    {"$": f"von {lovelace}", "lang": "de"},
                    {"$": f"von {chloe} &amp; Chlo&eacute;", "lang": "en-x-lovelace"},
                    {"$": "said", "lang": "lovelace"},
                ],
                "ex:path": "/home/ａda/Chloe\u0301 Durand/\u1100\u1175\u11b7\u1106\u1175\u11ab\u1109\u116e.py",
                "ex:uri": {"$": f"file:///srv/{lovelace}/Chlo%C3%A9%20Durand%20", "type": "xsd:anyURI"},
                "ex:git": '"Chloe\\314\\201 Durand.py"',
                "prov:location": "ａｄａ＠ｅｘａｍｐｌｅ.org",
            },
            "ex:Ｌｏｖｅｌａｃｅ.report": {"ex:of_Lovelác\u00e9": 3, "ex:step": 700123},
        },
        "wasAttributedTo": {
            "_:1": {"prov:entity": "home:train.py", "prov:agent": "ex:a1", "ex:why": f"{chloe} said"}
        },
    }


GONE = ("adalovelace", "lovelace", "chloedurand", "chloe", "durand", "김민수", "ada@example.org", "700123")


def plain(raw: bytes) -> set[str]:
    """What a file says, with escapes decoded, in the usual form of letters, without accents and blanks."""
    found, text = set(), raw.decode("utf-8")
    for _ in range(4):
        for one in (text, unquote(re.sub(r"-([0-9A-F]{2})", r"%\1", text))):
            seen = "".join(
                c for c in unicodedata.normalize("NFKD", one) if unicodedata.category(c) not in {"Mn", "Cf"}
            )
            found.add(re.sub(r"[\s_]", "", unicodedata.normalize("NFKC", seen).casefold()))
        text = unquote(html.unescape(text))
        text = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
        octal = re.compile(r"(?:\\+[23][0-7]{2})+")
        text = octal.sub(
            lambda match: bytes(int(one, 8) for one in re.findall(r"\d+", match[0])).decode(
                "utf-8", "replace"
            ),
            text,
        )
    return found


def found_in(raw: bytes) -> set[str]:
    return {name for name in GONE for text in plain(raw) if name in text.replace(M2P, "")}


def contents(path: Path) -> bytes:
    """All that the files of a document say."""
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    tables = [
        json.dumps(pq.read_table(one).to_pylist(), ensure_ascii=False)
        for one in files
        if one.suffix == ".parquet"
    ]
    texts = [one.read_bytes() for one in files if one.suffix != ".parquet"]
    return b"\n".join([*texts, *(table.encode() for table in tables)])


@pytest.fixture(scope="module")
def graphs() -> Any:
    """A graph, and that with pseudonyms."""
    raw = json.dumps(document(), ensure_ascii=False).encode()
    with formats.read_from(io.BytesIO(raw), "a.json", "json") as graph, use_pseudonyms(graph, KEY) as result:
        yield graph, result


@pytest.mark.parametrize("name", [name for name in formats.writable() if name not in {"png", "pdf"}])
def test_nobody_is_found_by_another_spelling(name: str, graphs: tuple[Graph, Graph], tmp_path: Path) -> None:
    options = {"attributes": True} if formats.draws(name) else {}
    before, after = (
        contents(graph.save(tmp_path / f"{number}{''.join(FORMATS[name].suffixes[:1])}", name, **options))
        for number, graph in enumerate(graphs)
    )
    lost = {"700123"} if name in {"dot", "svg"} else set()
    assert set(GONE) - lost <= found_in(before)
    step = {"700123"}  # which is no account there
    assert found_in(after) <= step
    assert after.decode("utf-8").count("700123") <= before.decode("utf-8").count("700123") / 2


@pytest.mark.parametrize("suffix", [".json.gz", ".nt.zst", ".ttl.gz", ".xml.zst"])
def test_nobody_is_found_in_what_is_compressed(
    suffix: str, graphs: tuple[Graph, Graph], tmp_path: Path
) -> None:
    for number, graph in enumerate(graphs):
        path = graph.save(tmp_path / f"{number}{suffix}")
        raw = gzip.decompress(path.read_bytes()) if suffix.endswith(".gz") else saved_again(path, tmp_path)
        assert ("lovelace" in found_in(raw)) is (number == 0)


def saved_again(path: Path, folder: Path) -> bytes:
    with load(path) as graph:
        return graph.save(folder / "again.json").read_bytes()


def test_the_same_person_in_two_spellings_has_one_pseudonym() -> None:
    made = document()
    with formats.read_from(io.BytesIO(json.dumps(made).encode()), "a.json", "json") as graph:
        assert Mask(KEY, ()).code("email:ada@example.org") in saved(graph)
    made["agent"]["ex:a1"]["m2p:email"] = "ＡＤＡ@example.org"
    with formats.read_from(io.BytesIO(json.dumps(made).encode()), "a.json", "json") as graph:
        assert Mask(KEY, ()).code("email:ada@example.org") in saved(graph)


def saved(graph: Graph) -> str:
    file = io.BytesIO()
    with use_pseudonyms(graph, KEY) as result:
        formats.write_to(result, file, "json")
    return file.getvalue().decode()


def test_numbers_of_accounts_keep_their_datatype(graphs: tuple[Graph, Graph]) -> None:
    _, result = graphs
    file = io.BytesIO()
    formats.write_to(result, file, "json")
    made = json.loads(file.getvalue())
    (number,) = [one["foaf:uid"] for one in made["agent"].values() if "foaf:uid" in one]
    assert number["type"] == "xsd:int"
    assert re.fullmatch(r"1\d{9}", number["$"])
    assert 0 < int(number["$"]) < 2**31


def test_aliases_match_whatever_the_spelling() -> None:
    raw = json.dumps(
        {
            "prefix": {"ex": "urn:x:"},
            "agent": {"ex:a": {"ex:name": "Love\u00adlace"}, "ex:b": {"ex:name": "ada"}},
        }
    )
    with (
        formats.read_from(io.BytesIO(raw.encode()), "a.json", "json") as graph,
        graph.merge_aliased_agents([Person(name="Ada", aliases=("Ｌｏｖｅｌａｃｅ", "ada"))]) as merged,
    ):
        assert len(merged.query("SELECT DISTINCT id FROM {graph}.element WHERE kind = 3")) == 1
