"""PROV records in Arrow files, from which the ``prov`` library and mlflow2prov build the same document.

A folder has ``element.arrow`` and ``relation.arrow`` (Arrow IPC streams; identifiers and instants are text,
attributes a list of key and value) and ``keys.json`` (name and datatype of each attribute key, the first one
being 1). The records are those of runs: of each 100, one is an activity, 24 are entities (a run, 16 metrics,
four params, three tags) and 75 relate them to it, to a user and to datasets.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

RECORDS_PER_RUN = 100
PREFIXES = {"m2p": "https://w3id.org/mlflow2prov#", "mlflow": "https://store.example.org/"}
KEYS: tuple[tuple[str, str | None], ...] = (
    ("prov:type", "prov:QUALIFIED_NAME"),
    ("prov:label", None),
    ("prov:role", "prov:QUALIFIED_NAME"),
    ("m2p:name", None),
    ("m2p:value", "xsd:double"),
    ("m2p:value", None),
    ("m2p:timestamp", "xsd:dateTime"),
    ("m2p:step", "xsd:int"),
)
_TYPE, _LABEL, _ROLE, _NAME, _NUMBER, _TEXT, _MOMENT, _STEP = range(1, len(KEYS) + 1)
_ENTITY, _ACTIVITY, _AGENT, _GENERATION, _USAGE, _ATTRIBUTION, _ASSOCIATION, _MEMBERSHIP = (
    *(1, 2, 3),
    *(11, 12, 31, 32, 51),
)
_USERS, _LEAST_DATASETS = 25, 50
_CHUNK = 50_000

Attributes = list[tuple[int, str]]


class Element(NamedTuple):
    """A row of ``element.arrow``; ``kind`` is the number that mlflow2prov gives the kind of record."""

    kind: int
    name: str
    attributes: Attributes
    start_time: str | None = None
    end_time: str | None = None


class Relation(NamedTuple):
    """A row of ``relation.arrow``: two formal arguments, a time, attributes."""

    kind: int
    a1: str
    a2: str
    time: str | None = None
    attributes: Attributes | None = None


def make_records(folder: Path, count: int) -> None:
    """Make a folder with so many records."""
    folder.mkdir()
    (folder / "keys.json").write_text(json.dumps({"prefixes": PREFIXES, "keys": KEYS}), encoding="utf-8")
    fewest = _USERS + _LEAST_DATASETS
    runs = (count - fewest) // RECORDS_PER_RUN
    datasets = count - _USERS - runs * RECORDS_PER_RUN
    _write(folder / "element.arrow", Element._fields, _elements(runs, datasets))
    _write(folder / "relation.arrow", Relation._fields, _relations(runs, datasets))


def _moment(run: int, second: int = 0) -> str:
    minutes, days = run % 1440, run // 1440
    year, day = 2020 + days // 336, days % 336
    return (
        f"{year}-{1 + day // 28:02}-{1 + day % 28:02}T{minutes // 60:02}:{minutes % 60:02}:{second:02}.125Z"
    )


def _elements(runs: int, datasets: int) -> Iterator[Element]:
    chance = random.Random(11)
    for number in range(datasets):
        yield _entity(f"mlflow:Dataset-{number}", "Dataset", [(_NAME, f"table {number}")])
    for run in range(runs):
        yield _entity(f"mlflow:Run-{run}", "Run", [(_NAME, f"attempt {run}")])
        for name, kind, pairs in _members(run, chance):
            yield _entity(name, kind, pairs)
    for run in range(runs):
        about = [(_TYPE, "m2p:Creation"), (_LABEL, f"creation of attempt {run}")]
        yield Element(_ACTIVITY, f"mlflow:Creation-{run}", about, _moment(run), _moment(run, 50))
    for user in range(_USERS):
        yield Element(_AGENT, f"mlflow:User-{user}", [(_TYPE, "m2p:User"), (_NAME, f"person {user}")])


def _entity(name: str, kind: str, pairs: Attributes) -> Element:
    return Element(_ENTITY, name, [(_TYPE, f"m2p:{kind}"), (_LABEL, name.partition(":")[2]), *pairs])


def _members(run: int, chance: random.Random) -> Iterator[tuple[str, str, Attributes]]:
    for number in range(16):
        value, step = repr(chance.random()), number % 4
        pairs = [
            (_NAME, f"metric_{number // 4}"),
            (_NUMBER, value),
            (_MOMENT, _moment(run, step)),
            (_STEP, str(step)),
        ]
        yield f"mlflow:Metric-{run}-{number}", "Metric", pairs
    for kind, many in (("Param", 4), ("RunTag", 3)):
        for number in range(many):
            pairs = [(_NAME, f"{kind}_{number}"), (_TEXT, f'way "{chance.randrange(100)}" of it')]
            yield f"mlflow:{kind}-{run}-{number}", kind, pairs


def _relations(runs: int, datasets: int) -> Iterator[Relation]:
    names = [[name.replace("-0-", "-{}-", 1) for name, _, _ in _members(0, random.Random(0))]][0]
    for run in range(runs):
        creation, moment = f"mlflow:Creation-{run}", _moment(run)
        yield Relation(
            *(_GENERATION, f"mlflow:Run-{run}", creation, moment),
            attributes=[(_ROLE, "m2p:AddedRun")],
        )
        for name in names:
            yield Relation(
                *(_GENERATION, name.format(run), creation, moment), attributes=[(_ROLE, "m2p:Added")]
            )
    for run in range(runs):
        for number in range(3):
            dataset = f"mlflow:Dataset-{(run + number) % datasets}"
            yield Relation(
                *(_USAGE, f"mlflow:Creation-{run}", dataset, _moment(run)),
                attributes=[(_ROLE, "m2p:training")],
            )
    for run in range(runs):
        user = f"mlflow:User-{run % _USERS}"
        yield Relation(_ATTRIBUTION, f"mlflow:Run-{run}", user)
        yield from (Relation(_ATTRIBUTION, name.format(run), user) for name in names)
    for run in range(runs):
        user = f"mlflow:User-{run % _USERS}"
        yield Relation(_ASSOCIATION, f"mlflow:Creation-{run}", user, attributes=[(_ROLE, "m2p:RunAuthor")])
    for run in range(runs):
        yield from (Relation(_MEMBERSHIP, f"mlflow:Run-{run}", name.format(run)) for name in names)


def _write(file: Path, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    import pyarrow as pa

    pair = pa.struct([("k", pa.int32()), ("v", pa.string())])
    types = {"kind": pa.uint8(), "attributes": pa.list_(pair)}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in names])
    waiting = iter(rows)
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        while chunk := list(islice(waiting, _CHUNK)):
            columns = zip(*chunk, strict=True)
            arrays = [
                pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
