"""Traces and evaluation datasets in the databases of each version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stores import REVISIONS, SCHEMAS, fill_schema, insert
from trace_rows import assessment, evaluation_dataset, span, trace, trace_tags

from mlflow2prov.sources.mlflow.database import read_database
from mlflow2prov.sources.mlflow.parts import Wanted
from mlflow2prov.sources.tables import SOURCE_TABLES

pytestmark = pytest.mark.skipif(not SCHEMAS.exists(), reason="the schemas of MLflow's versions are not here")

Tables = dict[str, list[dict[str, Any]]]
SECOND = [version for version in REVISIONS if version != "2.5.0"]


def tables_of(file: Path, version: str, *skip: str) -> Tables:
    """The tables of a store of a version with a trace, of which versions before 3 have no spans."""
    connection = fill_schema(version, file)
    rows = [*trace("t1", mlflow__sourceRun="r1"), *trace("t2"), *trace_tags("t1", team="red")]
    if version >= "3":
        rows += [span("t1", "a"), span("t1", "b", "a"), assessment("t1", "h"), *evaluation_dataset("d-1")]
    for table, row in rows if version != "2.5.0" else []:
        insert(connection, table, row)
    connection.commit()
    connection.close()
    found: Tables = {}
    for name, batch in read_database(f"sqlite:///{file}", Wanted(skip=frozenset({"artifacts", *skip}))):
        assert batch.schema.equals(SOURCE_TABLES[name].schema())
        found.setdefault(name, []).extend(batch.to_pylist())
    return found


@pytest.mark.parametrize("version", SECOND)
def test_traces_are_read_from_every_version_that_has_them(version: str, tmp_path: Path) -> None:
    found = tables_of(tmp_path / "m.db", version)
    counts = {(row["owner"], row["owner_id"]): row["traces"] for row in found["mlflow_trace_count"]}
    assert counts == {("experiment", "7"): 2, ("run", "r1"): 1}
    assert found["mlflow_trace"][0] == {
        "trace_id": "t1",
        "experiment_id": "7",
        "name": None,
        "started_ms": 1_000,
        "duration_ms": 250,
        "status": "OK",
        "session_id": None,
    }
    assert found["mlflow_trace_tag"] == [{"trace_id": "t1", "key": "team", "value": "red"}]
    assert {row["key"] for row in found["mlflow_trace_metadata"]} == {
        "mlflow.sourceRun",
        "mlflow.trace.sizeBytes",
    }


def test_a_version_without_traces_has_none(tmp_path: Path) -> None:
    found = tables_of(tmp_path / "m.db", "2.5.0")
    assert not [name for name in found if "trace" in name or "span" in name or "evaluation" in name]


@pytest.mark.parametrize("version", [version for version in SECOND if version >= "3"])
def test_spans_assessments_and_evaluation_datasets_are_read(version: str, tmp_path: Path) -> None:
    found = tables_of(tmp_path / "m.db", version)
    spans = {row["span_id"]: row for row in found["mlflow_span"]}
    assert (spans["b"]["parent_id"], spans["b"]["content"], spans["b"]["started_ns"]) == (
        "a",
        None,
        1_001_500_000,
    )
    assert "mlflow.spanInputs" in spans["a"]["content"]
    (told,) = found["mlflow_assessment"]
    assert (told["value"], told["is_valid"], told["source_type"]) == ("true", True, "HUMAN")
    (dataset,) = found["mlflow_evaluation_dataset"]
    assert (dataset["records"], dataset["created_by"], dataset["last_updated_by"]) == (2, "ann", None)
    assert found["mlflow_evaluation_dataset_link"] == [{"dataset_id": "d-1", "experiment_id": "7"}]


def test_counts_are_read_without_details_and_nothing_without_both(tmp_path: Path) -> None:
    counted = tables_of(tmp_path / "a.db", "3.17.2", "trace_details")
    assert "mlflow_trace_count" in counted
    assert not {"mlflow_trace", "mlflow_span", "mlflow_assessment", "mlflow_trace_tag"} & set(counted)
    none = tables_of(tmp_path / "b.db", "3.17.2", "trace_details", "traces", "evaluation_datasets")
    assert not [name for name in none if "trace" in name or "evaluation" in name]
