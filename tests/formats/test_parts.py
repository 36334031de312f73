"""Writing in parts: what memory holds does not grow with the graph, and the parts do not show."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mlflow2prov import Graph
from mlflow2prov.formats import FORMATS, provo_repeated, read_from, write_to
from mlflow2prov.formats import projection as module
from mlflow2prov.formats.projection import Projection, projecting
from mlflow2prov.graph.store import Store

TEXTS = [name for name, row in FORMATS.items() if row.writes and not row.marker and not row.program]
"""Formats that are written by a projection into one file."""

_RUNS = 12
DOCUMENT = "\n".join(
    [
        "document",
        "prefix ex <http://example.org/>",
        'entity(ex:shared, [ex:n="first"])',
        *(f'entity(ex:out-{n}, [prov:type="a", prov:type="b", ex:n="{n}"])' for n in range(_RUNS)),
        *(f"activity(ex:run-{n}, 2026-01-01T00:00:00Z, -)" for n in range(_RUNS)),
        *(f'entity(ex:shared, [ex:n="again {n}"])' for n in range(5)),
        *(f"wasGeneratedBy(ex:out-{n}, ex:run-{n}, -)" for n in range(_RUNS)),
        *(f"used(ex:run-{n}, ex:shared, 2026-01-01T00:00:{n:02}Z)" for n in range(_RUNS)),
        *("wasDerivedFrom(ex:out-1, ex:out-0)",) * 3,
        *(f"wasDerivedFrom(ex:id; ex:out-{n}, ex:shared, -, -, -)" for n in range(7)),
        *('wasInfluencedBy(ex:out-2, ex:run-3, [ex:k="v"])',) * 3,
        "endDocument",
    ]
)


def document() -> Graph:
    return read_from(io.BytesIO(DOCUMENT.encode()), "document", "provn")


def written(graph: Graph, name: str) -> bytes:
    file = io.BytesIO()
    write_to(graph, file, name)
    return file.getvalue()


@pytest.mark.parametrize("name", TEXTS)
def test_parts_do_not_show(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = document()
    whole = written(graph, name)
    monkeypatch.setattr(module, "_CHUNK", 9)
    monkeypatch.setattr(module, "_IDS", 16)
    monkeypatch.setattr(provo_repeated, "_AT_ONCE", 40)
    assert written(graph, name) == whole


def test_a_part_is_joined_with_the_names_that_it_uses_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 10)
    graph = document()
    asked: list[str] = []
    names = Projection.names

    def watched(self: Projection, condition: str = "true") -> str:
        asked.append(names(self, condition))
        return asked[-1]

    monkeypatch.setattr(Projection, "names", watched)
    with projecting(graph, "n.local") as projection:
        projection.spell_keys()
        parts = [rows for kind in projection.kinds(0) for rows in projection.rows(0, kind)]
        assert len(parts) > 3 * _RUNS / 10
        assert max(rows.part.records for rows in parts) == 10
        held = [int(graph.store.scalar(f"SELECT count(*) FROM {table}")) for table in asked]
    assert 0 < max(held) <= 2 * 10 < graph.store.scalar(f"SELECT count(*) FROM {graph.schema}.name")


@pytest.mark.parametrize("name", ["json", "ttl"])
def test_records_keep_their_order_where_few_of_them_stand_at_an_edge(name: str) -> None:
    """DuckDB puts pieces of fewer than 64 rows aside, such as the first rows of a kind in their block of 2,048."""
    lines = ["document", "prefix ex <http://example.org/>"]
    lines += [f"wasGeneratedBy(ex:g-{n}, ex:a-{n % 50}, -)" for n in range(2040)]
    lines += [f"used(ex:a-{n % 50}, ex:u-{n:04}, -)" for n in range(3000)]
    graph = read_from(io.BytesIO("\n".join([*lines, "endDocument"]).encode()), "document", "provn")
    text = written(graph, name).decode()
    found = [text.index(f"u-{n:04}") for n in range(3000)]
    assert found == sorted(found)


def test_what_is_cached_of_a_file_goes_after_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document().keep(tmp_path / "graph.duckdb")
    store = Store()  # that has no files of other tests
    graph = Graph.open(tmp_path / "graph.duckdb", store)
    monkeypatch.setattr("mlflow2prov.graph.store._MOST_CACHED_BYTES", 0)
    expected = written(document(), "json")
    assert written(graph, "json") == expected
    graph.query("SELECT count(local) FROM {graph}.name")
    limit = graph.store.scalar("SELECT current_setting('memory_limit')")
    assert cached(graph) > 0
    graph.store.forget_files()
    assert cached(graph) == 0
    assert graph.store.scalar("SELECT current_setting('memory_limit')") == limit
    store.close()


def cached(graph: Graph) -> int:
    return int(
        graph.store.scalar(
            "SELECT coalesce(sum(memory_usage_bytes), 0) FROM duckdb_memory() WHERE tag = 'BASE_TABLE'"
        )
    )
