"""Documents of stores that a test fills by rows, on top of a small store with the schema of MLflow 3.17.2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.sources.mlflow.stores import fill_schema, insert

from mlflow2prov import extract

Document = dict[str, Any]
Row = tuple[str, dict[str, object]]

NAMESPACE = "http://mlflow.example.org/#"
ELEMENTS = ("entity", "activity", "agent")


def tags(run_id: str, **values: str) -> list[Row]:
    """Rows of tags; in their keys ``__`` stands for a dot."""
    return [
        ("tags", {"run_uuid": run_id, "key": key.replace("__", "."), "value": value})
        for key, value in values.items()
    ]


def run(run_id: str, **columns: object) -> Row:
    """The row of a run in experiment 7."""
    known = {"experiment_id": 7, "status": "FINISHED", "start_time": 10, "end_time": 20, "user_id": "ann"}
    return "runs", {"run_uuid": run_id, "lifecycle_stage": "active", **known, **columns}


def document_of(folder: Path, *rows: Row, version: str = "3.17.2", **options: Any) -> Document:
    """The document of a store with these rows, as the parts of PROV-JSON; it is checked for soundness."""
    file = folder / "made.db"
    file.unlink(missing_ok=True)
    connection = fill_schema(version, file)
    for table, row in rows:
        insert(connection, table, row)
    connection.commit()
    connection.close()
    options = {"mlflow_namespace": NAMESPACE, "skip": ["artifacts"], **options}
    with extract(mlflow_url=f"sqlite:///{file}", **options) as graph:
        document: Document = json.loads(graph.save(folder / "made.json").read_text(encoding="utf-8"))
    check(document)
    return document


def check(document: Document) -> None:
    """What always holds: nothing dangles, nothing is there twice, nobody is two kinds of thing."""
    kinds = [set(document.get(kind, {})) for kind in ELEMENTS]
    described = set.union(*kinds)
    assert sum(map(len, kinds)) == len(described)
    for kind, records in document.items():
        if kind in ELEMENTS:
            assert not [name for name, body in records.items() if isinstance(body, list)]
        elif kind != "prefix":
            texts = [json.dumps(body, sort_keys=True) for body in records.values()]
            assert len(set(texts)) == len(texts), kind
            named = {
                value
                for body in records.values()
                for key, value in body.items()
                if key.startswith("prov:") and isinstance(value, str) and key != "prov:time"
            }
            assert named <= described, named - described


def of_type(document: Document, word: str) -> dict[str, Any]:
    """The elements with a type, by their names without the prefix."""
    return {
        name.partition(":")[2]: plain(body)
        for kind in ELEMENTS
        for name, body in document.get(kind, {}).items()
        if f"m2p:{word}" in values(body.get("prov:type"))
    }


def values(given: Any) -> list[Any]:
    """The values of an attribute, without their datatypes."""
    listed = given if isinstance(given, list) else [] if given is None else [given]
    return [one["$"] if isinstance(one, dict) else one for one in listed]


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """The attributes without prefix and datatypes; those with several values as a list."""
    found = {}
    for name, given in body.items():
        listed = values(given)
        found[name.partition(":")[2]] = listed[0] if len(listed) == 1 else listed
    return found


def related(document: Document, kind: str, **fixed: str) -> set[tuple[str, ...]]:
    """The arguments of the relations of a kind, without prefixes, that have these values."""
    found = set()
    for body in document.get(kind, {}).values():
        told = plain(body)
        if all(told.get(name) == value for name, value in fixed.items()):
            references = [value for name, value in body.items() if _is_reference(name, value)]
            found.add(tuple(value.partition(":")[2] for value in references))
    return found


def found(document: Document, kind: str, **fixed: str) -> list[dict[str, Any]]:
    """The relations of a kind that have these values, without prefixes and datatypes of their attributes."""
    told = [plain(body) for body in document.get(kind, {}).values()]
    return [one for one in told if all(one.get(name) == value for name, value in fixed.items())]


def _is_reference(name: str, value: Any) -> bool:
    return name.startswith("prov:") and isinstance(value, str) and name != "prov:time"
