"""The node and edge tables, as a strict reader with the rules of the importer sees them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings

from documents import documents, graph_of
from mlflow2prov import Graph, load
from mlflow2prov.errors import Mlflow2ProvError
from mlflow2prov.formats.neo4j_csv import type_of
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.records import KIND_BY_NUMBER, RELATION_KINDS

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "documents" / "json"
NAMES = ("nodes-header.csv", "nodes.csv", "relationships-header.csv", "relationships.csv")

Row = dict[str, Any]


def boolean(text: str) -> bool:
    assert text in ("true", "false")
    return text == "true"


def long(text: str) -> int:
    assert re.fullmatch(r"-?[0-9]+", text)
    assert -(2**63) <= int(text) < 2**63
    return int(text)


def double(text: str) -> float:
    assert re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|NaN|[+-]?Infinity", text)
    return float(text)


def moment(text: str) -> datetime:
    found = datetime.fromisoformat(re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text))
    assert found.tzinfo is not None
    return found


def local_moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    assert found.tzinfo is None
    return found


TYPES: dict[str, Callable[[str], Any]] = {
    "string": str,
    "long": long,
    "double": double,
    "boolean": boolean,
    "datetime": moment,
    "localdatetime": local_moment,
}


@dataclass(frozen=True)
class Tables:
    nodes: list[Row]
    relationships: list[Row]

    def node(self, name: str, bundle: str | None = None) -> Row:
        (found,) = [row for row in self.nodes if row.get("id") == name and row.get("bundle") == bundle]
        return found

    def named(self, kind: str) -> list[Row]:
        return [row for row in self.relationships if row[":TYPE"] == kind]


FIELD = re.compile(r'("(?:[^"]|"")*"|[^",\r\n]*)([,\n])')


def fields(text: str) -> list[list[tuple[str, bool]]]:
    """The records of RFC 4180, each field with whether it was quoted, which Python's reader does not say."""
    rows: list[list[tuple[str, bool]]] = []
    place, is_first = 0, True
    while place < len(text):
        found = FIELD.match(text, place)
        assert found, text[place : place + 80]
        if is_first:
            rows.append([])
        was_quoted = found[1].startswith('"')
        rows[-1].append((found[1][1:-1].replace('""', '"') if was_quoted else found[1], was_quoted))
        place, is_first = found.end(), found[2] == "\n"
    assert is_first
    before = csv.field_size_limit(2**30)
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [
        [v for v, _ in row] for row in rows
    ]
    csv.field_size_limit(before)
    return rows


def table(folder: Path, name: str) -> list[Row]:
    header = (folder / f"{name}-header.csv").read_text("utf-8")
    assert header.endswith("\n")
    assert header.count("\n") == 1
    names = header[:-1].split(",")
    assert len(set(names)) == len(names)
    for field in names:
        assert re.fullmatch(r":(ID|LABEL|START_ID|END_ID|TYPE)|\w+:[a-z]+(\[\])?", field), field
    text = (folder / f"{name}.csv").read_bytes().decode("utf-8")
    found = []
    for record in fields(text):
        assert len(record) == len(names)
        row: Row = {}
        for field, (value, was_quoted) in zip(names, record, strict=True):
            if value == "" and not was_quoted:
                continue
            property_name, _, kind = field.rpartition(":")
            if not property_name:
                row[field] = value
                continue
            plain = TYPES[kind.removesuffix("[]")]
            assert was_quoted == (plain is str) or field == "relation:long"
            row[property_name] = [plain(one) for one in value.split("\x1f")] if "[]" in kind else plain(value)
        found.append(row)
    return found


def checked(graph: Graph, folder: Path) -> Tables:
    """The tables of a graph, after a look at what must hold of all of them."""
    path = graph.save(folder / "doc", "csv")
    assert sorted(p.name for p in path.iterdir()) == sorted(NAMES)
    found = Tables(table(path, "nodes"), table(path, "relationships"))
    numbers = [row[":ID"] for row in found.nodes]
    assert len(set(numbers)) == len(numbers)
    known = [(row["id"], row.get("bundle")) for row in found.nodes if "id" in row]
    assert len(set(known)) == len(known)
    for row in found.relationships:
        assert row[":START_ID"] in set(numbers)
        assert row[":END_ID"] in set(numbers)
    counts = Counter(row[":TYPE"] for row in found.relationships)
    expected: Counter[str] = Counter()
    for kind, *given_ in graph.query(
        f"SELECT kind, count(*), {', '.join(f'count({c})' for c in ARGUMENT_COLUMNS)} FROM {{graph}}.relation GROUP BY kind"
    ):
        expected[type_of(KIND_BY_NUMBER[kind])] = given_[0]
        for name, count in list(zip(KIND_BY_NUMBER[kind].references, given_[1:], strict=False))[2:]:
            if name not in ("generation", "usage") and count:
                expected[type_of(KIND_BY_NUMBER[kind], name)] = count
    assert counts == expected
    described = graph.query("SELECT count(DISTINCT (bundle, id)) FROM {graph}.element")[0][0]
    labels = [row.get(":LABEL", "").split("\x1f") for row in found.nodes]
    assert sum(not {"Undescribed", "Unknown"} & set(label) for label in labels) == described
    missing = graph.query("SELECT count(*) - count(a1) + count(*) - count(a2) FROM {graph}.relation")[0][0]
    assert sum("Unknown" in label for label in labels) == missing
    return found


def test_the_documents_of_others_become_tables(tmp_path: Path) -> None:
    packed: dict[str, object] = {}
    for path in sorted(CASES.glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        if "bundle" not in document:
            packed[f"all:{path.stem}"] = document
            continue
        with load(path) as graph:
            checked(graph, tmp_path)
    everything = {"prefix": {"all": "http://all.example/"}, "bundle": packed}
    assert len(packed) > 350
    with graph_of(json.dumps(everything).encode()) as graph:
        checked(graph, tmp_path)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=documents(plain_links=False))
def test_random_documents_become_tables(raw: bytes) -> None:
    with TemporaryDirectory() as folder, graph_of(raw) as graph:
        checked(graph, Path(folder))


def made(tmp_path: Path, **parts: Any) -> Tables:
    prefixes = {"ex": "http://example.org/", "m2p": "https://w3id.org/mlflow2prov#"}
    with graph_of(json.dumps({"prefix": prefixes, **parts}).encode()) as graph:
        return checked(graph, tmp_path)


def typed(value: str, datatype: str) -> dict[str, str]:
    return {"$": value, "type": datatype}


def test_columns_have_the_type_that_all_values_have(tmp_path: Path) -> None:
    attributes = {
        "ex:long": [typed("+07", "xsd:int"), typed("-9223372036854775808", "xsd:long")],
        "ex:too_long": typed("9223372036854775808", "xsd:integer"),
        "ex:double": [typed("INF", "xsd:double"), typed("-INF", "xsd:float"), typed("NaN", "xsd:double")],
        "ex:mixed": [typed("1", "xsd:int"), typed("1.5e3", "xsd:double")],
        "ex:either": [typed("1", "xsd:int"), "1"],
        "ex:flag": [typed("1", "xsd:boolean"), typed("false", "xsd:boolean")],
        "ex:when": typed("2020-02-29T01:02:03.5+01:00", "xsd:dateTime"),
        "ex:local": typed("2020-02-29T01:02:03", "xsd:dateTime"),
        "ex:no_day": typed("2021-02-29T01:02:03Z", "xsd:dateTime"),
        "ex:wrong": typed("twelve", "xsd:int"),
        "ex:empty": "",
    }
    row = made(tmp_path, entity={"ex:a": attributes}).node("ex:a")
    assert row["ex_long"] == [7, -(2**63)]
    assert row["ex_too_long"] == "9223372036854775808"
    assert [str(value) for value in row["ex_double"]] == ["inf", "-inf", "nan"]
    assert row["ex_mixed"] == [1.0, 1500.0]
    assert row["ex_either"] == ["1", "1"]
    assert row["ex_flag"] == [True, False]
    assert row["ex_when"] == datetime.fromisoformat("2020-02-29T01:02:03.5+01:00")
    assert row["ex_local"] == datetime.fromisoformat("2020-02-29T01:02:03")
    assert row["ex_no_day"] == "2021-02-29T01:02:03Z"
    assert row["ex_wrong"] == "twelve"
    assert row["ex_empty"] == ""
    assert set(row) == {":ID", ":LABEL", "id"} | {name.replace(":", "_") for name in attributes}


def test_any_text_is_quoted(tmp_path: Path) -> None:
    texts = ['"', '""', ",", "a\nb", "a\r\nb", "é,\t", "\\", "'", '",\n"', " edge ", "[x]", ";"]
    found = made(tmp_path, entity={f"ex:{n}": {"ex:text": text} for n, text in enumerate(texts)})
    assert [found.node(f"ex:{n}")["ex_text"] for n in range(len(texts))] == texts
    assert made(tmp_path, entity={"ex:a": {"ex:text": texts}}).node("ex:a")["ex_text"] == texts


def test_what_no_list_can_hold_stands_as_json(tmp_path: Path) -> None:
    row = made(tmp_path, entity={"ex:a": {"ex:odd": ["a\x1fb", 'c"'], "ex:plain": "x"}}).node("ex:a")
    assert json.loads(row["attributes"]) == {"ex:odd": ["a\x1fb", 'c"']}
    assert row["ex_plain"] == "x"


def test_labels_come_from_kinds_and_types_of_ours(tmp_path: Path) -> None:
    kinds = [typed(name, "xsd:QName") for name in ("m2p:Commit", "prov:Plan", "ex:Other")]
    found = made(
        tmp_path,
        entity={"ex:a": {"prov:type": [*kinds, "m2p:Text"]}},
        agent={"ex:a": {}},
        used={"_:u": {"prov:activity": "ex:b", "prov:entity": "ex:c"}},
        wasInfluencedBy={"_:i": {"prov:influencee": "ex:d", "prov:influencer": "ex:a"}},
        bundle={"ex:inner": {}},
    )
    labels = {row["id"]: row[":LABEL"].split("\x1f") for row in found.nodes}
    assert labels == {
        "ex:a": ["Entity", "Agent", "Commit", "Plan"],
        "ex:b": ["Activity", "Undescribed"],
        "ex:c": ["Entity", "Undescribed"],
        "ex:d": ["Undescribed"],
        "ex:inner": ["Bundle", "Undescribed"],
    }
    assert found.node("ex:a")["prov_type"] == ["m2p:Commit", "prov:Plan", "ex:Other", "m2p:Text"]


def test_relations_of_several_arguments_stay_whole(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        wasAssociatedWith={
            "ex:w": {"prov:activity": "ex:a", "prov:agent": "ex:g", "prov:plan": "ex:p", "prov:role": "cook"}
        },
        wasStartedBy={
            "_:s": {"prov:activity": "ex:a", "prov:starter": "ex:b", "prov:time": "2020-01-01T00:00:00Z"}
        },
        wasDerivedFrom={
            "_:d": {
                "prov:generatedEntity": "ex:e",
                "prov:usedEntity": "ex:f",
                "prov:activity": "ex:a",
                "prov:usage": "ex:u",
            }
        },
        used={"ex:u": {"prov:activity": "ex:a", "prov:entity": "ex:f"}},
    )
    names = {row[":ID"]: row.get("id") for row in found.nodes}
    ends = {row[":TYPE"]: (names[row[":START_ID"]], names[row[":END_ID"]]) for row in found.relationships}
    assert ends == {
        "WAS_ASSOCIATED_WITH": ("ex:a", "ex:g"),
        "WAS_ASSOCIATED_WITH_PLAN": ("ex:a", "ex:p"),
        "WAS_STARTED_BY": ("ex:a", None),
        "WAS_STARTED_BY_STARTER": ("ex:a", "ex:b"),
        "WAS_DERIVED_FROM": ("ex:e", "ex:f"),
        "WAS_DERIVED_FROM_ACTIVITY": ("ex:e", "ex:a"),
        "USED": ("ex:a", "ex:f"),
    }
    (association,) = found.named("WAS_ASSOCIATED_WITH")
    assert (association["id"], association["plan"], association["prov_role"]) == ("ex:w", "ex:p", "cook")
    assert found.named("WAS_ASSOCIATED_WITH_PLAN")[0]["relation"] == association["relation"]
    (start,) = found.named("WAS_STARTED_BY")
    assert (start["starter"], start["time"]) == ("ex:b", datetime.fromisoformat("2020-01-01T00:00:00Z"))
    (derivation,) = found.named("WAS_DERIVED_FROM")
    assert (derivation["activity"], derivation["usage"]) == ("ex:a", found.named("USED")[0]["id"])


def test_several_records_of_an_activity_are_one_node(tmp_path: Path) -> None:
    first = {"prov:startTime": "2020-01-01T00:00:00Z", "ex:a": "1"}
    second = {"prov:startTime": "2021-01-01T00:00:00Z", "ex:a": ["1", "2"], "startTime": "x"}
    prefix = {"ex": "http://example.org/", "default": "http://d/"}
    found = made(tmp_path, prefix=prefix, activity={"ex:a": [first, second], "ex:b": first})
    row = found.node("ex:a")
    assert [moment.year for moment in row["startTime"]] == [2020, 2021]
    assert row["ex_a"] == ["1", "2"]
    assert row["startTime_2"] == "x"


def test_a_hundred_thousand_attribute_names_do_not_become_columns(tmp_path: Path) -> None:
    many = {f"ex:a{number}": str(number) for number in range(100_000)}
    rows = {"ex:many": many, **{f"ex:{n}": {"ex:common": "x", "ex:a7": "y"} for n in range(3)}}
    found = made(tmp_path, entity=rows)
    row = found.node("ex:many")
    assert len(row) < 210
    rest = json.loads(row["attributes"])
    assert {name.partition(":")[2]: value for name, (value,) in rest.items()} | {
        name.removeprefix("ex_"): value for name, value in row.items() if name.startswith("ex_")
    } == {f"a{number}": str(number) for number in range(100_000)}
    assert found.node("ex:0")["ex_common"] == "x"


def test_names_that_would_clash_get_a_number(tmp_path: Path) -> None:
    prefix = {"ex": "http://example.org/", "default": "http://d/", "a_b": "urn:1", "a": "urn:2"}
    attributes = {"id": "1", "a_b:c": "2", "a:b_c": "3", "ex:é-ü": "4"}
    row = made(tmp_path, prefix=prefix, entity={"ex:x": attributes}).node("ex:x")
    assert (row["id"], row["id_2"], row["ex_é_ü"]) == ("ex:x", "1", "4")
    assert {row["a_b_c"], row["a_b_c_2"]} == {"2", "3"}


def test_duckdb_reads_the_tables(tmp_path: Path) -> None:
    entities = {
        f"ex:{n}": {"ex:size": typed(str(n), "xsd:int"), "ex:text": f'line\n"{n}", end'} for n in range(5_000)
    }
    uses = {f"_:{n}": {"prov:activity": "ex:a", "prov:entity": f"ex:{n}"} for n in range(5_000)}
    made(tmp_path, entity=entities, used=uses, activity={"ex:a": {}})
    folder = tmp_path / "doc.csv"

    def source(name: str) -> str:
        names = (folder / f"{name}-header.csv").read_text("utf-8").strip().split(",")
        columns = ", ".join(f"'{field}': 'VARCHAR'" for field in names)
        options = f"header=false, quote='\"', escape='\"', columns={{{columns}}}, auto_detect=false"
        return f"read_csv('{folder / name}.csv', {options})"

    with duckdb.connect() as other:
        total = other.execute(
            f'SELECT count(*), sum("ex_size:long"::BIGINT) FROM {source("nodes")}'
        ).fetchone()
        assert total == (5_001, sum(range(5_000)))
        ends = other.execute(
            f'SELECT count(*), sum(b."ex_size:long"::BIGINT) FROM {source("relationships")} r '
            f'JOIN {source("nodes")} a ON a.":ID" = r.":START_ID" JOIN {source("nodes")} b ON b.":ID" = r.":END_ID" '
            "WHERE r.\":TYPE\" = 'USED' AND a.\"id:string\" = 'ex:a'"
        ).fetchone()
        assert ends == (5_000, sum(range(5_000)))
        text = other.execute(
            f'SELECT "ex_text:string" FROM {source("nodes")} WHERE "id:string" = \'ex:7\''
        ).fetchone()
        assert text == ('line\n"7", end',)


def test_every_relation_has_a_type_of_its_own() -> None:
    types = [
        type_of(kind, *name) for kind in RELATION_KINDS for name in ((), *((n,) for n in kind.references[2:]))
    ]
    assert len(set(types)) == len(types)
    assert {"WAS_GENERATED_BY", "USED", "ACTED_ON_BEHALF_OF", "HAD_MEMBER", "MENTION_OF"} <= set(types)


def test_a_folder_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    theirs = tmp_path / "doc.csv"
    theirs.mkdir()
    (theirs / "nodes.csv").write_text("theirs")
    with Graph.empty() as graph, pytest.raises(Mlflow2ProvError, match="something else of that name"):
        graph.save(tmp_path / "doc", "csv")
    assert (theirs / "nodes.csv").read_text() == "theirs"


def test_an_empty_graph_has_tables_too(tmp_path: Path) -> None:
    with Graph.empty() as graph:
        assert checked(graph, tmp_path) == Tables([], [])
