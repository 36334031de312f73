"""All documents that others made, through all standards one after the other: the end is the beginning.

Most of them go through together, each as a bundle of one large document, and those that say the same in the
same prefixes once. Each fifth goes, since all take four minutes; with ``MLFLOW2PROV_ALL_CASES=1`` in the
environment, all do.
"""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from contents import Record, bundles, contents
from mlflow2prov import Graph, formats
from mlflow2prov.errors import FormatError

CASES = Path(__file__).parents[3] / "shared" / "cases"
CHAIN = ("xml", "provn", "trig", "jsonld", "json")
IS_WHOLE = os.environ.get("MLFLOW2PROV_ALL_CASES") == "1"
GROUPS = 4 if IS_WHOLE else 2
NAMESPACE = "http://cases.example.org/"

if not CASES.is_dir():
    pytest.skip("the shared cases are not beside the project: get ../shared/cases", allow_module_level=True)

SUFFIXES = {suffix for row in formats.FORMATS.values() if row.reads for suffix in row.suffixes}
PATHS = sorted(
    (
        path
        for folder in ("documents", "constraints")
        for path in (CASES / folder).rglob("*")
        if path.suffix in SUFFIXES
    ),
    key=lambda path: (path.stem, path.suffix),
)
if not IS_WHOLE:
    PATHS = PATHS[::5]
SHARE = -(-len(PATHS) // GROUPS)
REFUSED: dict[str, str] = {}
"""Documents that are none, and why."""


def through(graph: Graph, name: str) -> Graph:
    """The graph, written in a format and read back."""
    file = io.BytesIO()
    formats.write_to(graph, file, name)
    return formats.read_from(io.BytesIO(file.getvalue()), f"chain.{name}", name)


def as_json(graph: Graph) -> dict[str, Any]:
    file = io.BytesIO()
    formats.write_to(graph, file, "json")
    document: dict[str, Any] = json.loads(file.getvalue())
    return document


def has_capitals(graph: Graph) -> bool:
    """Whether a language tag has any: Turtle keeps one spelling of each in a document."""
    tags = graph.query("SELECT language FROM {graph}.attribute_key WHERE language <> lower(language)")
    return bool(tags)


def in_bundle(record: Record, bundle: str) -> Record:
    return (bundle, *record[1:])


def follow(graph: Graph, paths: list[Path]) -> None:
    """See that a graph comes through the chain as it was; ``paths`` are those of the cases in it."""
    expected, names = contents(graph), bundles(graph)
    for name in CHAIN:
        graph = through(graph, name)
        found = contents(graph)
        if found != expected:
            differing = {record[0] for record in (expected - found) + (found - expected)}
            shown = [path.name for path in paths if f"{NAMESPACE}{PATHS.index(path)}" in differing]
            pytest.fail(f"{name} changes {shown or paths}: {(expected - found) + (found - expected)}")
        assert bundles(graph) == names, name


@pytest.mark.parametrize("group", range(GROUPS))
def test_every_case_comes_through_all_standards_as_it_was(group: int) -> None:
    together: dict[str, Any] = {"prefix": {"case": NAMESPACE}, "bundle": {}}
    expected: Counter[Record] = Counter()
    joined: list[Path] = []
    refused, seen = set(), set()
    for path in PATHS[group * SHARE : (group + 1) * SHARE]:
        try:
            graph = formats.read(path)
        except FormatError:
            refused.add(path.name)
            continue
        with graph:
            if graph.count("bundle") or has_capitals(graph):
                same = formats.read_from(io.BytesIO(json.dumps(as_json(graph)).encode()), "case.json", "json")
                assert contents(same) == contents(graph), path
                follow(same, [path])
                continue
            said = repr((sorted(contents(graph).items(), key=repr), sorted(graph.prefixes().items())))
            if said in seen:
                continue
            seen.add(said)
            number = PATHS.index(path)
            together["bundle"][f"case:{number}"] = as_json(graph)
            expected += Counter(
                {
                    in_bundle(record, f"{NAMESPACE}{number}"): count
                    for record, count in contents(graph).items()
                }
            )
            joined.append(path)
    assert refused == REFUSED.keys() & {path.name for path in PATHS[group * SHARE : (group + 1) * SHARE]}
    assert len(joined) > (80 if IS_WHOLE else 15)
    whole = formats.read_from(io.BytesIO(json.dumps(together).encode()), "cases.json", "json")
    assert contents(whole) == expected
    follow(whole, joined)
