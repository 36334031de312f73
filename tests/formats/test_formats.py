"""What holds for every row of the table of formats."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contents import bundles, contents
from mlflow2prov import Graph, formats, load, merge
from mlflow2prov.errors import FormatError, GraphError, Mlflow2ProvError, UsageError
from mlflow2prov.formats import FORMATS
from mlflow2prov.formats.compression import COMPRESSIONS
from mlflow2prov.surroundings import Surroundings

BOTH_WAYS = [name for name, row in FORMATS.items() if row.reads and row.writes]
FILES = [name for name in BOTH_WAYS if not FORMATS[name].marker]
WRITTEN = [name for name, row in FORMATS.items() if row.writes and name not in ("svg", "png", "pdf")]

TEXT = """{
"prefix": {"ex": "http://example.org/", "default": "http://default.example/"},
"entity": {
  "ex:report": {"prov:label": [{"$": "Report", "lang": "en"}, "the report"], "ex:pages": {"$": "12", "type": "xsd:int"}},
  "plain": {"prov:type": {"$": "prov:Plan", "type": "xsd:QName"}}},
"activity": {"ex:writing": {"prov:startTime": "2020-01-01T00:00:00Z", "prov:endTime": "2020-01-02T00:00:00Z"}},
"agent": {"ex:ada": {"prov:type": {"$": "prov:Person", "type": "xsd:QName"}}},
"wasGeneratedBy": {"_:g": {"prov:entity": "ex:report", "prov:activity": "ex:writing", "prov:time": "2020-01-02T00:00:00Z",
  "prov:role": {"$": "ex:result", "type": "xsd:QName"}}},
"wasAssociatedWith": {"ex:assoc": {"prov:activity": "ex:writing", "prov:agent": "ex:ada", "prov:plan": "plain"}},
"wasAttributedTo": {"_:a": {"prov:entity": "ex:report", "prov:agent": "ex:ada"}}
}"""


@pytest.fixture
def graph() -> Graph:
    return formats.read_from(io.BytesIO(TEXT.encode()), "doc.json", "json")


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_a_document_survives_every_format(name: str, graph: Graph, tmp_path: Path) -> None:
    path = graph.save(tmp_path / "doc", name)
    assert path == tmp_path / f"doc.{name}"
    with load(path) as again:
        assert contents(again) == contents(graph)
        assert bundles(again) == bundles(graph)


@pytest.mark.parametrize("packing", COMPRESSIONS)
@pytest.mark.parametrize("name", FILES)
def test_compressed_files_go_by_their_suffix(name: str, packing: str, graph: Graph, tmp_path: Path) -> None:
    plain = graph.save(tmp_path / "doc", name)
    packed = graph.save(tmp_path / f"doc{packing}", name)
    assert packed == tmp_path / f"doc.{name}{packing}"
    assert packed.read_bytes().startswith(COMPRESSIONS[packing])
    assert packed.read_bytes() == graph.save(tmp_path / f"twice.{name}{packing}", name).read_bytes()
    with load(packed) as again, load(plain) as expected:
        assert contents(again) == contents(expected)


@pytest.mark.parametrize("name", FILES)
def test_the_format_of_a_file_without_suffix_is_told_by_its_content(
    name: str, graph: Graph, tmp_path: Path
) -> None:
    path = graph.save(tmp_path / "doc", name).rename(tmp_path / "document")
    with load(path) as again:
        assert contents(again) == contents(graph)
    packed = graph.save(tmp_path / "doc.zst", name).rename(tmp_path / "packed")
    with load(packed) as again:
        assert contents(again) == contents(graph)


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_is_read_as_a_file_is(name: str, graph: Graph) -> None:
    text = io.BytesIO()
    formats.write_to(graph, text, name)
    source = f"import sys; sys.stdout.buffer.write({text.getvalue()!r})"
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with load("-", surroundings=Surroundings(stdin=process.stdout)) as again:
            assert contents(again) == contents(graph)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_breaks_off_is_refused_or_holds_less(name: str, graph: Graph) -> None:
    text = io.BytesIO()
    formats.write_to(graph, text, name)
    raw = text.getvalue()
    refused = 0
    for length in range(1, len(raw) - 2, max(1, len(raw) // 40)):
        try:
            with formats.read_from(io.BytesIO(raw[:length]), "half", name) as part:
                assert not contents(part) - contents(graph) or name in {"nt", "nq", "ttl", "trig"}
        except FormatError as error:
            refused += 1
            assert "half" in str(error)
    assert refused > 15


@pytest.mark.parametrize("name", WRITTEN)
def test_writing_twice_gives_the_same_bytes(name: str, graph: Graph, tmp_path: Path) -> None:
    first, second = graph.save(tmp_path / "a", name), graph.save(tmp_path / "b", name)
    assert _bytes_of(first) == _bytes_of(second)


def _bytes_of(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_there_is_replaced_only_where_it_may(name: str, graph: Graph, tmp_path: Path) -> None:
    path = graph.save(tmp_path / "doc", name)
    before = _bytes_of(path)
    with pytest.raises(Mlflow2ProvError, match="must not be overwritten"):
        graph.save(tmp_path / "doc", name, overwrite=False)
    assert _bytes_of(path) == before
    graph.save(tmp_path / "doc", name)
    assert _bytes_of(path) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "raw", [b"", b" ", b"\x00" * 100, b"\xff\xfe\xfd", b"hello, world", b"<a>", b'{"a": 1}', b"[" * 5000]
)
def test_rubbish_is_refused_with_one_sentence(name: str, raw: bytes) -> None:
    allowed = {b" "} if name in {"ttl", "trig", "nt", "nq"} else set()
    if raw in allowed:
        assert contents(formats.read_from(io.BytesIO(raw), "rubbish", name)) == contents(Graph.empty())
        return
    with pytest.raises(FormatError, match="rubbish") as caught:
        formats.read_from(io.BytesIO(raw), "rubbish", name)
    assert "\n" not in str(caught.value)


def test_a_compressed_bomb_is_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    from mlflow2prov.formats.compression import compressing

    with compressing(packed, ".zst") as file:
        for _ in range(1200):
            file.write(b"# nothing\n" * 2**17)
    (tmp_path / "bomb.nt.zst").write_bytes(packed.getvalue())
    with pytest.raises(FormatError, match="expands to more than"):
        load(tmp_path / "bomb.nt.zst")


def test_a_compressed_file_that_breaks_off_is_refused(graph: Graph, tmp_path: Path) -> None:
    for packing in COMPRESSIONS:
        path = graph.save(tmp_path / f"doc.json{packing}")
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(FormatError, match="can't be expanded"):
            load(path)


def test_the_suffix_of_the_output_names_its_format(graph: Graph, tmp_path: Path) -> None:
    assert graph.save(tmp_path / "a.json.gz").name == "a.json.gz"
    assert graph.save(tmp_path / "v1.2").name == "v1.2.json"
    assert graph.save(tmp_path / "p.JSON").name == "p.JSON"
    assert graph.save(tmp_path / "p.PROVX.GZ").name == "p.PROVX.GZ"
    for name in ("p.JSON", "p.PROVX.GZ"):
        with load(tmp_path / name) as again:
            assert contents(again) == contents(graph)
    graph.keep(tmp_path / "kept.DUCKDB")
    with load(tmp_path / "kept.DUCKDB") as again:
        assert contents(again) == contents(graph)


def test_wrong_names_and_settings_are_usage_errors(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no format 'yaml'"):
        graph.save(tmp_path / "a", "yaml")
    with pytest.raises(UsageError, match="no setting"):
        graph.save(tmp_path / "a", "json", colour="red")
    assert not list(tmp_path.iterdir())


def test_a_target_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    from mlflow2prov.graph.files import whole_file

    target = tmp_path / "a.json"
    with (
        pytest.raises(Mlflow2ProvError, match="must not be overwritten"),
        whole_file(target, overwrite=False) as unfinished,
    ):
        unfinished.write_text("ours")
        target.write_text("theirs")
    assert target.read_text() == "theirs"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_file_that_went_away_while_it_was_written_is_an_error(tmp_path: Path) -> None:
    from mlflow2prov.graph.files import whole_file

    with pytest.raises(Mlflow2ProvError, match="can't write"), whole_file(tmp_path / "a") as unfinished:
        unfinished.write_text("gone soon")
        unfinished.unlink()
    assert not list(tmp_path.iterdir())


def test_what_is_replaced_hands_on_its_permissions_and_its_links(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / "real.json").chmod(0o600)
    (tmp_path / "link.json").symlink_to("real.json")
    graph.save(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").stat().st_mode & 0o777 == 0o600
    with load(tmp_path / "real.json") as again:
        assert contents(again) == contents(graph)


def test_a_pipe_is_not_replaced_by_a_file(graph: Graph, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(Mlflow2ProvError, match="what is there is no file"):
        graph.save(tmp_path / "a.json")
    assert (tmp_path / "a.json").is_fifo()


FOREIGN = {"csv": ("nodes-header.csv", "name,age\n"), "parquet": ("document.json", '{"my": "notes"}')}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_folder_with_something_foreign_in_it_is_not_replaced(
    name: str, graph: Graph, tmp_path: Path
) -> None:
    file, text = FOREIGN[name]
    theirs = tmp_path / f"theirs.{name}"
    theirs.mkdir()
    (theirs / file).write_text(text)
    with pytest.raises(Mlflow2ProvError, match="something else of that name is there"):
        graph.save(theirs)
    assert (theirs / file).read_text() == text
    ours = graph.save(tmp_path / "ours", name)
    (ours / "mine.txt").write_text("mine")
    with pytest.raises(Mlflow2ProvError, match="something else of that name is there"):
        graph.save(ours)
    assert (ours / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("text", ["# " * 2000, "// " * 1000, "/* */" * 700 + "x", "<!-- -->" * 500 + "x"])
def test_telling_a_format_takes_no_time(text: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text(text)
    start = time.perf_counter()
    with pytest.raises(FormatError):
        load(tmp_path / "text")
    assert time.perf_counter() - start < 2


def test_a_closed_graph_says_so(tmp_path: Path) -> None:
    closed = Graph.empty()
    for _ in range(2):
        closed.close()
    assert repr(closed) == "<closed Graph>"
    with pytest.raises(GraphError, match="the graph is closed"):
        closed.save(tmp_path / "a")


def test_arguments_that_make_no_sense_are_usage_errors(graph: Graph, tmp_path: Path) -> None:
    wrong: list[Callable[[], object]] = [
        lambda: load(""),
        lambda: load("a\0b"),
        lambda: load(),
        lambda: load(None),  # type: ignore[arg-type]
        lambda: merge(graph),  # type: ignore[arg-type]
        lambda: graph.use_pseudonyms(b"short"),
        lambda: graph.use_pseudonyms("a text of many characters"),  # type: ignore[arg-type]
        lambda: graph.select(since=""),
        lambda: graph.save(tmp_path / "x.ttl", "json"),
        lambda: graph.save(tmp_path / "x.TTL", "json"),
        lambda: graph.save(tmp_path / "x.gz", "parquet"),
        lambda: graph.save(tmp_path / "x.csv.zst"),
    ]
    for call in wrong:
        with pytest.raises(UsageError):
            call()
    for failing in (lambda: graph.save(tmp_path / ("x" * 300)), lambda: graph.plot("a\0.svg")):
        with pytest.raises(Mlflow2ProvError, match="can't write"):
            failing()
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(GraphError, match="no DuckDB database"):
        graph.keep(tmp_path / "mine.txt")
    with graph.select(types="entity", since=datetime(1, 1, 1, tzinfo=UTC)) as some:
        assert some.count("element") <= graph.count("element")
    with merge(one for one in [graph]) as merged:
        assert merged.count("element") == graph.count("element")
