"""All documents that others made, read by us and by the prov library, and written by each for the other."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prov.model import ProvDocument

from contents import Record, bundles, contents
from mlflow2prov import Graph, formats

CASES = Path(__file__).parents[3] / "shared" / "cases"
DOCUMENTS = CASES / "documents"
CONSTRAINTS = CASES / "constraints"
GROUPS = 8

if not CASES.is_dir():
    pytest.skip("the shared cases are not beside the project: get ../shared/cases", allow_module_level=True)

BY_FORMAT: dict[str, list[Path]] = {
    "json": sorted((DOCUMENTS / "json").glob("*.json")),
    "xml": [
        *sorted((DOCUMENTS / "xml").glob("*.xml")),
        *sorted(CONSTRAINTS.rglob("*.xml")),
        *sorted(CONSTRAINTS.rglob("*.provx")),
    ],
    "jsonld": sorted((DOCUMENTS / "jsonld").glob("*.jsonld")),
    "provn": sorted(CONSTRAINTS.rglob("*.provn")),
}
WAYS = ("json", "xml", "provn", "jsonld")
"""The formats through which documents go between the prov library and us, by turns."""

NO_NAMESPACE = (
    "names like xsi:type='xsd:QName'>Discuss< in no namespace: the prov library refuses the document"
)
ONE_MEMBER = "hadMember with several entities (PROV-XML, section 3.6): the prov library keeps one of them"
NO_MENTION = "the prov library has no mentionOf in PROV-JSONLD"

DIFFERENCES: dict[tuple[str, str], str] = {
    **{
        ("read", f"example_{number}.xml"): NO_NAMESPACE
        for number in (11, 12, 17, 22, 23, 24, 25, 27, 28, 37, 38, 39)
    },
    ("members", "example_33.xml"): ONE_MEMBER,
    **{
        ("jsonld", name): NO_MENTION
        for name in (
            *("mention1.json", "mention2.json", "mention-fail1.provn", "mention-fail1.xml"),
            *("mention-fail4.provn", "mention-fail4.xml"),
        )
    },
}
"""Where the prov library (3.2) does otherwise than the standards, and why."""


def documents(name: str, group: int) -> list[Path]:
    return BY_FORMAT[name][group::GROUPS]


def differs(path: Path, about: str) -> bool:
    return (about, path.name) in DIFFERENCES


def read(raw: bytes, name: str) -> Graph:
    return formats.read_from(io.BytesIO(raw), f"case.{name}", name)


def written(graph: Graph, name: str) -> bytes:
    file = io.BytesIO()
    formats.write_to(graph, file, name)
    return file.getvalue()


def theirs(raw: bytes, name: str) -> ProvDocument:
    return ProvDocument.deserialize(content=raw.decode(), format=name)


def in_one_spelling(value: Any, datatype: str) -> Any:
    """A time as the prov library spells it, which has microseconds and no Z."""
    if value is None or not datatype.endswith("dateTime"):
        return value
    return datetime.fromisoformat(value).isoformat(timespec="microseconds")


def said(graph: Graph) -> Counter[Record]:
    """What a graph says as the prov library has it: times in one spelling, attributes as a set."""
    found: Counter[Record] = Counter()
    for (*start, times, attributes), number in contents(graph).items():
        spelled = tuple(in_one_spelling(time, "dateTime") for time in times)
        pairs = sorted({(a, in_one_spelling(v, t), t, language) for a, v, t, language in attributes})
        found[(*start, spelled, tuple(pairs))] += number
    return found


@contextmanager
def case(path: Path, name: str) -> Iterator[Graph]:
    """A case as a graph; whatever goes wrong with it names the file."""
    try:
        with formats.read(path, name) as graph:
            yield graph
    except Exception as error:
        error.add_note(f"the case is {path.relative_to(CASES)}")
        raise


def exchange(path: Path, name: str, way: str) -> None:
    """Compare a case, read by both, and after a way through a format in each direction."""
    with case(path, name) as graph:
        if differs(path, "read"):
            with pytest.raises(Exception, match="Could not create a valid QualifiedName"):
                ProvDocument.deserialize(str(path), format=name)
            return
        document = ProvDocument.deserialize(str(path), format=name)
        if way == "jsonld" and differs(path, "jsonld"):
            with pytest.raises(Exception, match="mentionOf"):
                document.serialize(format=way)
            return
        from_ours = theirs(written(graph, way), way)
        with read(str(document.serialize(format=way)).encode(), way) as from_theirs:
            if differs(path, "members"):
                assert from_ours != document
                return
            assert from_ours == document
            assert said(from_theirs) == said(graph)
            assert bundles(from_theirs) == bundles(graph)


def test_there_are_all_cases() -> None:
    assert {name: len(paths) for name, paths in BY_FORMAT.items()} == {
        "json": 398,
        "xml": 152,
        "jsonld": 2,
        "provn": 101,
    }
    with (CONSTRAINTS / "INDEX.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    named = {
        (CONSTRAINTS / f"{row['case']}.{suffix}") for row in rows for suffix in row["formats"].split("+")
    }
    ours = {path for name in ("xml", "provn") for path in BY_FORMAT[name] if CONSTRAINTS in path.parents}
    assert ours <= named


@pytest.mark.parametrize("name", ["xml", "jsonld", "provn"])
@pytest.mark.parametrize("group", range(GROUPS))
def test_both_read_a_document_and_what_the_other_makes_of_it_the_same_way(name: str, group: int) -> None:
    for path in documents(name, group):
        exchange(path, name, name)


@pytest.mark.parametrize("group", range(GROUPS))
def test_the_same_goes_for_prov_json_through_all_formats_by_turns(group: int) -> None:
    for turn, path in enumerate(BY_FORMAT["json"]):
        if turn % GROUPS == group:
            exchange(path, "json", WAYS[turn // GROUPS % len(WAYS)])


@pytest.mark.parametrize("way", ["json", "xml", "provn", "jsonld"])
def test_the_same_goes_for_other_documents_through_other_formats(way: str) -> None:
    paths = [path for name in ("xml", "provn") for path in BY_FORMAT[name]]
    for path in paths[WAYS.index(way) :: 16]:
        name = "provn" if path.suffix == ".provn" else "xml"
        exchange(path, name, way)


def test_mentions_and_members_go_through_all_formats() -> None:
    for name in sorted({name for about, name in DIFFERENCES if about != "read"}):
        (path,) = [path for paths in BY_FORMAT.values() for path in paths if path.name == name]
        of = path.suffix[1:]
        with case(path, of) as graph:
            for way in WAYS:
                with read(written(graph, way), way) as again:
                    assert contents(again) == contents(graph), (name, way)


@pytest.mark.parametrize("group", range(GROUPS))
def test_twins_of_a_document_in_prov_n_and_prov_xml_are_one_graph(group: int) -> None:
    found = 0
    for path in documents("provn", group):
        for twin in filter(Path.exists, map(path.with_suffix, (".xml", ".provx"))):
            with case(path, "provn") as graph, case(twin, "xml") as other:
                assert contents(other) == contents(graph), path.name
                assert bundles(other) == bundles(graph), path.name
            found += 1
    assert found > 8


def test_twins_of_a_document_in_prov_jsonld_say_the_same() -> None:
    with (
        formats.read(DOCUMENTS / "jsonld" / "submission-example-3.jsonld") as graph,
        formats.read(DOCUMENTS / "jsonld" / "provtoolbox-mini-primer.jsonld") as twin,
    ):
        mailbox = "http://xmlns.com/foaf/0.1/mbox"
        said_of = partial(without_attribute, mailbox)  # which has no value in one of them
        assert said_of(twin) == said_of(graph)


def without_attribute(name: str, graph: Graph) -> Counter[Record]:
    return Counter(
        (*start, tuple(pair for pair in attributes if pair[0] != name))
        for (*start, attributes), number in contents(graph).items()
        for _ in range(number)
    )
