"""Documents of Git and of MLflow that were made apart and linked, to be held to those made together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.model.made_stores import Row, run, tags
from tests.sources.mlflow.stores import fill_schema, insert

from mlflow2prov import Graph, extract, merge

Records = set[tuple[Any, ...]]
MADE_ONCE = "extraction:Extraction."


def records(graph: Graph) -> tuple[Records, Records]:
    """The elements and the relations but for those of the extraction itself, each once."""
    with graph.eliminate_duplicates() as once:
        rows = once.query("SELECT id, prefix || ':' || local FROM {graph}.name")
        names = {**dict(rows), None: None}
        keys = {key: words for key, *words in once.query("SELECT * FROM {graph}.attribute_key")}

        def told(attributes: list[dict[str, Any]] | None) -> str:
            return json.dumps(sorted([*keys[pair["k"]], pair["v"]] for pair in attributes or ()), default=str)

        elements = {
            (names[identifier], kind, *times, told(attributes))
            for _, kind, identifier, *times, attributes in once.query("SELECT * FROM {graph}.element")
        }
        relations = {
            (names[arguments[0]], kind, *(names[one] for one in arguments[1:]), time, told(attributes))
            for _, kind, _, *arguments, time, attributes in once.query("SELECT * FROM {graph}.relation")
        }
    return _without_making(elements), _without_making(relations)


def _without_making(found: Records) -> Records:
    return {record for record in found if not record[0].startswith(MADE_ONCE)}


def linked(repository: Path | Sequence[Path], url: str, **names: str) -> Graph:
    with extract(repository) as git, extract(mlflow_url=url, **names) as store, merge([store, git]) as both:
        return both.link()


def store_of(folder: Path, *rows: Row) -> str:
    file = folder / "made.db"
    connection = fill_schema("3.17.2", file)
    for table, row in rows:
        insert(connection, table, row)
    connection.commit()
    connection.close()
    return f"sqlite:///{file}"


def of_run(name: str, commit: str, source: str, **more: str) -> Iterator[Row]:
    yield run(name)
    named = {"mlflow__source__git__commit": commit, "mlflow__source__name": source} if commit else {}
    yield from tags(name, **named, **more)


def own_model(commit: str, diff: str) -> Iterator[Row]:
    """The rows of a logged model of no run, as Git model versioning makes it in a dirty work tree."""
    yield "logged_models", {
        "model_id": "m-own", "experiment_id": 7, "name": "n", "artifact_location": "/m", "status": 2,
        "creation_timestamp_ms": 5, "last_updated_timestamp_ms": 6, "lifecycle_stage": "active",
    }  # fmt: skip
    for key, value in (("commit", commit), ("dirty", "true"), ("diff", diff)):
        named = f"mlflow.source.git.{key}"
        yield (
            "logged_model_tags",
            {"model_id": "m-own", "experiment_id": 7, "tag_key": named, "tag_value": value},
        )


def taking_in(datasets: Iterable[tuple[str, str, str]], *runs: str) -> Iterator[Row]:
    """The rows of datasets (name, digest, source) that runs took in, all of them each of the runs."""
    for number, (name, digest, source) in enumerate(datasets):
        uuid = f"data-{number}"
        yield "datasets", {
            "dataset_uuid": uuid, "experiment_id": 7, "name": name, "digest": digest,
            "dataset_source_type": "local", "dataset_source": source,
        }  # fmt: skip
        for taker in runs:
            yield "inputs", {
                "input_uuid": f"{uuid}-{taker}", "source_type": "DATASET", "source_id": uuid,
                "destination_type": "RUN", "destination_id": taker, "step": 0,
            }  # fmt: skip
