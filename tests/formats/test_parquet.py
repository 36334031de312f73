"""The folder of Parquet record tables: what others read in it, and what is refused."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from contents import bundles, contents
from documents import documents, graph_of
from mlflow2prov import Graph, formats, load
from mlflow2prov.errors import FormatError, Mlflow2ProvError
from mlflow2prov.formats.parquet_keys import lookup
from mlflow2prov.formats.parquet_tables import TABLES
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.records import KINDS

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "documents" / "json"

TEXT = """{
"prefix": {"ex": "http://example.org/", "default": "http://default.example/"},
"entity": {
  "ex:report": [{"prov:label": [{"$": "Report", "lang": "en"}, "the report"],
    "ex:pages": {"$": "12", "type": "xsd:int"}}, {}],
  "plain": {"prov:type": {"$": "ex:Sheet", "type": "xsd:QName"}}},
"activity": {"ex:writing": {"prov:startTime": "2020-01-01T00:00:00Z"}},
"wasGeneratedBy": {"ex:g": {"prov:entity": "ex:report", "prov:activity": "ex:writing", "prov:time": "2020-01-02T00:00:00"}},
"used": {"_:u": {"prov:activity": "ex:writing", "prov:entity": "plain"},
  "_:v": {"prov:activity": "ex:writing", "prov:entity": "plain"}},
"wasDerivedFrom": {"_:d": {"prov:generatedEntity": "ex:report", "prov:usedEntity": "plain", "prov:usage": "_:u"}},
"bundle": {"ex:empty": {}, "ex:inner": {"entity": {"ex:report": {}}, "mentionOf": {"_:m": {
  "prov:specificEntity": "ex:report", "prov:generalEntity": "ex:report", "prov:bundle": "ex:empty"}}}}
}"""


@pytest.fixture
def graph() -> Graph:
    return formats.read_from(io.BytesIO(TEXT.encode()), "doc.json", "json")


@pytest.fixture
def folder(graph: Graph, tmp_path: Path) -> Path:
    return graph.save(tmp_path / "doc", "parquet")


def rows_of(graph: Graph) -> dict[int, list[object]]:
    """The records of each kind in their order, all names as text."""
    text = dict(graph.query("SELECT id, prefix || ':' || local FROM {graph}.name")) | {0: None, None: None}
    keys = {key: tuple(names) for key, *names in graph.query("SELECT * FROM {graph}.attribute_key")}
    names = ("bundle", "id", *ARGUMENT_COLUMNS)
    found: dict[int, list[object]] = {kind.number: [] for kind in KINDS}
    for table, times in (("element", "start_time, end_time"), ("relation", "time")):
        columns = ", ".join(names if table == "relation" else names[:2])
        sql = f"SELECT kind, attributes, [{times}], [{columns}] FROM {{graph}}.{table} ORDER BY rowid"
        for kind, pairs, when, numbers in graph.query(sql):
            attributes = None if pairs is None else [(keys[pair["k"]], pair["v"]) for pair in pairs]
            found[kind].append(([text[number] for number in numbers], when, attributes))
    return found


def check_same(graph: Graph, folder: Path) -> None:
    """See that a folder holds a graph: the same rows in the same order, prefixes and bundles."""
    path = graph.save(folder / "doc", "parquet")
    with load(path) as again:
        assert contents(again) == contents(graph)
        assert bundles(again) == bundles(graph)
        assert rows_of(again) == rows_of(graph)
        assert list(again.prefixes().items()) == list(graph.prefixes().items())
        first = {p.name: p.read_bytes() for p in path.iterdir()}
        again.save(folder / "doc", "parquet")
        assert {p.name: p.read_bytes() for p in path.iterdir()} == first


def test_the_documents_of_others_survive(tmp_path: Path) -> None:
    """Those without bundles stand as bundles of one document, which is a hundred times faster."""
    packed: dict[str, object] = {}
    paths = sorted(CASES.glob("*.json"))
    for path in paths:
        document = json.loads(path.read_text("utf-8"))
        if "bundle" not in document:
            packed[f"all:{path.stem}"] = document
            continue
        with load(path) as graph:
            check_same(graph, tmp_path)
    assert len(packed) > 350
    assert len(paths) - len(packed) >= 4
    everything = {"prefix": {"all": "http://all.example/"}, "bundle": packed}
    with graph_of(json.dumps(everything).encode()) as graph:
        check_same(graph, tmp_path)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=documents(plain_links=False))
def test_random_documents_survive_row_for_row(raw: bytes) -> None:
    with TemporaryDirectory() as folder, graph_of(raw) as graph:
        check_same(graph, Path(folder))


def test_names_with_colons_and_empty_lists_survive(tmp_path: Path) -> None:
    graph = graph_of(
        b'{"prefix": {"default": "http://d/", "ex": "http://e/"}, "entity": {"a": {}, "ex:b:c": {}}}'
    )
    graph.query("INSERT INTO {graph}.name VALUES (3, '', 'x:y')")
    graph.query("INSERT INTO {graph}.element VALUES (0, 1, 3, NULL, NULL, [])")
    check_same(graph, tmp_path)
    with load(tmp_path / "doc.parquet") as again:
        assert again.query("SELECT local FROM {graph}.name WHERE prefix = ''") == [("a",), ("x:y",)]
        assert again.query("SELECT attributes FROM {graph}.element") == [(None,), (None,), ([],)]


def test_arrow_reads_the_tables(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == {"document.json", *(f"{name}.parquet" for name in TABLES)}
    assert json.loads((folder / "document.json").read_text()) == {
        "format": "mlflow2prov record tables",
        "version": 1,
    }
    for name, columns in TABLES.items():
        assert pq.read_table(folder / f"{name}.parquet").column_names == list(columns)
    report, _, plain, inner = pq.read_table(folder / "entity.parquet").to_pylist()
    assert report["id"] == "ex:report"
    assert report["in_bundle"] is None
    assert {"name": "prov:label", "value": "Report", "datatype": None, "language": "en"} in report[
        "attributes"
    ]
    assert {"name": "ex:pages", "value": "12", "datatype": "xsd:int", "language": None} in report[
        "attributes"
    ]
    assert plain["attributes"] == [
        {"name": "prov:type", "value": "ex:Sheet", "datatype": "xsd:QName", "language": None}
    ]
    assert (inner["in_bundle"], inner["attributes"]) == ("ex:inner", None)
    assert pq.read_table(folder / "bundle.parquet").to_pylist() == [{"id": "ex:empty"}, {"id": "ex:inner"}]
    prefixes = {row["prefix"]: row["iri"] for row in pq.read_table(folder / "prefix.parquet").to_pylist()}
    assert prefixes["ex"] == "http://example.org/"
    assert prefixes[""] == "http://default.example/"
    assert prefixes["prov"] == "http://www.w3.org/ns/prov#"


def test_any_duckdb_queries_the_tables(folder: Path) -> None:
    with duckdb.connect() as other:
        rows = other.execute(
            f"SELECT g.id, g.time, a.\"startTime\" FROM '{folder}/wasGeneratedBy.parquet' g "
            f"JOIN '{folder}/activity.parquet' a ON a.id = g.activity"
        ).fetchall()
        assert rows == [("ex:g", "2020-01-02T00:00:00", "2020-01-01T00:00:00Z")]
        mention = other.execute(f"SELECT in_bundle, bundle FROM '{folder}/mentionOf.parquet'").fetchall()
        assert mention == [("ex:inner", "ex:empty")]


def test_what_another_program_writes_is_read(folder: Path, graph: Graph) -> None:
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.append_column("more", pa.array(range(len(table)))), path, compression="snappy")
    with load(folder) as again:
        assert contents(again) == contents(graph)


def test_a_folder_is_found_whatever_its_name(graph: Graph, tmp_path: Path) -> None:
    strange = tmp_path / "kind=entity" / "it's [a-z]*? 100%"
    strange.mkdir(parents=True)
    path = graph.save(strange / "doc", "parquet")
    (strange / "doc2.parquet").mkdir()
    with load(path) as again:
        assert contents(again) == contents(graph)


def write(
    rows: Sequence[Mapping[str, object]], columns: Mapping[str, pa.DataType]
) -> Callable[[Path], object]:
    return lambda path: pq.write_table(
        pa.Table.from_pylist([dict(row) for row in rows], pa.schema(list(columns.items()))), path
    )


PAIRS = pa.list_(pa.struct([(name, pa.string()) for name in ("name", "value", "datatype", "language")]))
ENTITY = {"in_bundle": pa.string(), "id": pa.string(), "attributes": PAIRS}


def entity(id: str | None, *pair: str | None, bundle: str | None = None) -> Callable[[Path], object]:  # noqa: A002
    pairs = [dict(zip(("name", "value", "datatype", "language"), pair, strict=False))] if pair else None
    return write([{"in_bundle": bundle, "id": id, "attributes": pairs}], ENTITY)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def loop(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def flipped(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[4:24] = bytes(byte ^ 0xFF for byte in raw[4:24])
    path.write_bytes(raw)


PREFIX = {"prefix": pa.string(), "iri": pa.string()}
STANDARD = [{"prefix": "ex", "iri": "http://example.org/"}, {"prefix": "", "iri": "http://default.example/"}]

HOSTILE: list[tuple[str, Callable[[Path], object], str]] = [
    ("used.parquet", Path.unlink, "is missing"),
    ("used.parquet", loop, "is missing"),
    ("used.parquet", cut, "can't read"),
    ("entity.parquet", flipped, "can't read"),
    ("used.parquet", lambda path: path.write_bytes(b""), "can't read"),
    ("used.parquet", lambda path: path.write_bytes(b"PAR1" + bytes(80) + b"PAR1"), "can't read"),
    ("used.parquet", lambda path: path.write_text("activity,entity\n"), "can't read"),
    ("entity.parquet", write([], {"id": pa.string()}), "there is no column 'in_bundle'"),
    ("entity.parquet", write([], ENTITY | {"id": pa.int64()}), "'id' is BIGINT, and not VARCHAR"),
    ("entity.parquet", write([], ENTITY | {"attributes": pa.list_(pa.string())}), "'attributes' is"),
    ("entity.parquet", write([], ENTITY | {"id": pa.binary()}), "'id' is BLOB"),
    ("entity.parquet", entity(None), "a record has no id"),
    ("entity.parquet", entity("no:a"), "the prefix of 'no:a' is not declared"),
    ("entity.parquet", entity("ex:a", bundle="ex:no"), "bundle 'ex:no'"),
    ("entity.parquet", entity("ex:a", None, "b"), "an attribute has no name"),
    ("entity.parquet", entity("ex:a", "ex:b", None), "'ex:b' has no value"),
    ("entity.parquet", entity("ex:a", "no:b", "c"), "the prefix of 'no:b'"),
    ("entity.parquet", entity("ex:a", "ex:b", "c", "no:t"), "the prefix of 'no:t'"),
    ("entity.parquet", entity("ex:a", "ex:b", "no:c", "xsd:QName"), "the prefix of 'no:'"),
    ("prefix.parquet", write([*STANDARD, {"prefix": "a", "iri": None}], PREFIX), "iri is missing"),
    ("prefix.parquet", write([*STANDARD, *STANDARD], PREFIX), "more than once"),
    (
        "prefix.parquet",
        write([*STANDARD, {"prefix": "e", "iri": "http://example.org/"}], PREFIX),
        "more than once",
    ),
    ("prefix.parquet", write([{"prefix": "prov", "iri": "http://x/"}], PREFIX), "must stand for"),
    (
        "prefix.parquet",
        write([{"prefix": "p", "iri": "http://www.w3.org/ns/prov#"}], PREFIX),
        "several prefixes",
    ),
    ("prefix.parquet", write([*STANDARD, {"prefix": "_", "iri": "http://x/"}], PREFIX), "blank"),
    ("prefix.parquet", write([], PREFIX), "is not declared"),
    (
        "bundle.parquet",
        write([{"id": "ex:inner"}, {"id": "ex:inner"}], {"id": pa.string()}),
        "more than once",
    ),
    ("bundle.parquet", write([{"id": None}], {"id": pa.string()}), "id is missing"),
    ("activity.parquet", lambda p: pq.write_table(in_time("yesterday"), p), "'yesterday' is no instant"),
    ("document.json", lambda path: path.write_text("[]"), "does not say"),
    ("document.json", lambda path: path.write_text("{" * 50_000), "is not JSON"),
    ("document.json", lambda path: path.write_bytes(b"\xff\xfe\x00"), "is not JSON"),
    ("document.json", lambda path: path.write_text(" " * 70_000 + "{}"), "more than 65,536 bytes"),
    (
        "document.json",
        lambda path: path.write_text('{"format": "mlflow2prov record tables", "version": 2}'),
        "version 1",
    ),
    (
        "document.json",
        lambda path: path.write_text('{"tables": ["/etc/passwd", "http://127.0.0.1/"]}'),
        "does not say",
    ),
]


def in_time(time: str) -> pa.Table:
    columns = {name: pa.string() for name in ("in_bundle", "id", "startTime", "endTime")} | {
        "attributes": PAIRS
    }
    return pa.Table.from_pylist([{"id": "ex:writing", "startTime": time}], pa.schema(list(columns.items())))


@pytest.mark.parametrize(("name", "damage", "said"), HOSTILE)
def test_a_folder_that_is_not_right_is_refused_with_one_sentence(
    name: str, damage: Callable[[Path], object], said: str, folder: Path
) -> None:
    damage(folder / name)
    with pytest.raises(FormatError) as caught:
        load(folder)
    assert said in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_small_file_of_a_huge_text_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlflow2prov.formats.parquet_reader._SMALLEST_TEXT_BYTES", 2**20)
    row = {"id": "ex:a", "attributes": [{"name": "ex:b", "value": "x" * 10_000}]}
    pq.write_table(
        pa.Table.from_pylist([row] * 5_000, pa.schema(list(ENTITY.items()))), folder / "entity.parquet"
    )
    with pytest.raises(FormatError, match=r"entity\.parquet: its .* bytes expand to"):
        load(folder)


def test_a_small_file_of_very_many_rows_is_refused(folder: Path) -> None:
    rows = pa.table({"in_bundle": pa.nulls(1_000_000, pa.string()), "id": pa.nulls(1_000_000, pa.string())})
    empty = pa.nulls(1_000_000, PAIRS)
    pq.write_table(rows.append_column("attributes", empty), folder / "entity.parquet", compression="zstd")
    with pytest.raises(FormatError, match="1,000,000 rows can't be in"):
        load(folder)


def test_a_folder_of_somebody_else_is_not_replaced(graph: Graph, tmp_path: Path) -> None:
    theirs = tmp_path / "doc.parquet"
    theirs.mkdir()
    (theirs / "part-0.parquet").write_bytes(b"theirs")
    with pytest.raises(Mlflow2ProvError, match="something else of that name"):
        graph.save(tmp_path / "doc", "parquet")
    assert [p.name for p in theirs.iterdir()] == ["part-0.parquet"]
    with pytest.raises(FormatError, match="it is a folder, but not one"):
        load(theirs)


def test_a_folder_of_ours_is_replaced_whole(folder: Path, tmp_path: Path) -> None:
    (folder / "entity.parquet").write_bytes(b"x")
    (folder / "used.parquet").unlink()
    with Graph.empty() as empty:
        assert empty.save(tmp_path / "doc", "parquet") == folder
    assert {p.name for p in folder.iterdir()} == {"document.json", *(f"{name}.parquet" for name in TABLES)}
    with load(folder) as again:
        assert again.count("element") == 0


def test_a_hundred_thousand_attribute_names_are_read(tmp_path: Path) -> None:
    attributes = {f"ex:a{number}": str(number) for number in range(100_000)}
    document = {"prefix": {"ex": "http://example.org/"}, "entity": {"ex:e": attributes}}
    with (
        graph_of(json.dumps(document).encode()) as graph,
        load(graph.save(tmp_path / "doc", "parquet")) as again,
    ):
        assert contents(again) == contents(graph)


def test_keys_are_looked_up_by_any_hashes() -> None:
    for step in (1, 3, 2**40, 97):
        hashes = [number * step for number in range(1, 1_001)]
        made = lookup(hashes, range(1, 1_001))
        for key, hashed in enumerate(hashes, 1):
            above, bucket = divmod(hashed, len(made.first))
            assert made.keys[made.first[bucket] - 1 + above % made.size[bucket]] == key
    assert lookup([], []).keys == [0]


def test_chunks_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is written in several pieces holds the same rows, in the same order, as one of one piece."""
    packed: dict[str, object] = {}
    for path in sorted(CASES.glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        if "bundle" not in document:
            packed[f"all:{path.stem}"] = document
    with graph_of(json.dumps({"prefix": {"all": "http://all.example/"}, "bundle": packed}).encode()) as graph:
        whole = graph.save(tmp_path / "whole", "parquet")
        rows = graph.count("element") + graph.count("relation")
        assert rows > 150
        for size in (3, rows // 2):
            monkeypatch.setattr("mlflow2prov.formats.parquet._CHUNK", size)
            pieces = graph.save(tmp_path / "pieces", "parquet")
            for table in TABLES:
                one, several = (pq.read_table(folder / f"{table}.parquet") for folder in (whole, pieces))
                assert one.equals(several), table
            if size == 3:
                assert pq.ParquetFile(pieces / "entity.parquet").num_row_groups >= 3
