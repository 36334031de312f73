"""The cases of PROV-CONSTRAINTS that others made: each has the verdict, and the numbers, that its index says.

They are validated all at once, each in a bundle of its own: nothing of one may be taken for another's.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlflow2prov import Graph, formats
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.validation.report import Violation

CONSTRAINTS = Path(__file__).parents[3] / "shared" / "cases" / "constraints"
READ_AS = {"provx": "xml"}

if not CONSTRAINTS.is_dir():
    pytest.skip("the shared cases are not beside the project: get ../shared/cases", allow_module_level=True)

SEVERAL_USAGES = "one activity may use one entity several times: no constraint says that usages are unique"
DISPUTED = {"unification/usage-fail5": SEVERAL_USAGES, "unification/usage-fail7": SEVERAL_USAGES}
"""Where the index says otherwise than the Recommendation, which has the last word."""


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    format: str
    is_valid: bool
    numbers: frozenset[str]


def cases() -> Iterator[Case]:
    with (CONSTRAINTS / "INDEX.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            numbers = frozenset(word.removeprefix("c") for word in row["constraints"].split("-") if word)
            for suffix in row["formats"].split("+"):
                yield Case(row["case"], suffix, row["expected"] == "PASS", numbers)


CASES = list(cases())


def put_into_a_bundle(graph: Graph, into: Graph) -> str:
    """Copy a document into a bundle of its own, and return the bundle's name."""
    run = graph.store.run
    first = int(run(f"SELECT coalesce(max(id), 0) FROM {into.schema}.name")[0][0]) + 1
    key = int(run(f"SELECT coalesce(max(key), 0) FROM {into.schema}.attribute_key")[0][0]) + 1
    attributes = f"list_transform(attributes, lambda a: {{k: a.k + {key}, v: a.v}})"
    arguments = ", ".join(f"{column} + {first}" for column in ("id", *ARGUMENT_COLUMNS))
    for sql in (
        f"{into.schema}.name VALUES ({first}, 'case', '{first}')",
        f"{into.schema}.name SELECT id + {first}, prefix, local FROM {graph.schema}.name",
        f"{into.schema}.attribute_key SELECT key + {key}, name, datatype, language FROM {graph.schema}.attribute_key",
        f"{into.schema}.element SELECT {first}, kind, id + {first}, start_time, end_time, {attributes} "
        f"FROM {graph.schema}.element",
        f"{into.schema}.relation SELECT {first}, kind, {arguments}, time, {attributes} FROM {graph.schema}.relation",
        f"{into.schema}.bundle VALUES ({first})",
    ):
        run(f"INSERT INTO {sql}")
    return f"case:{first}"


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str], list[Violation]]:
    """The violations of each case in each of its formats."""
    names: dict[str, tuple[str, str]] = {}
    all_of_them: dict[tuple[str, str], list[Violation]] = {}
    with Graph.empty() as together:
        for case in CASES:
            path = CONSTRAINTS / f"{case.name}.{case.format}"
            with formats.read(path, READ_AS.get(case.format, case.format)) as graph:
                key = case.name, case.format
                names[put_into_a_bundle(graph, together)] = key
                all_of_them[key] = []
        by_case: dict[tuple[str, str], list[Violation]] = defaultdict(list)
        for one in together.validate().violations:
            assert one.bundle
            by_case[names[one.bundle]].append(one)
    return all_of_them | by_case


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}.{case.format}")
def test_a_case_has_the_verdict_of_its_index(
    case: Case, found: dict[tuple[str, str], list[Violation]]
) -> None:
    violations = found[case.name, case.format]
    assert (not violations) == (case.is_valid or case.name in DISPUTED)
    if violations:
        assert case.numbers <= {code for one in violations for code in one.codes}


def test_what_is_disputed_is_still_in_the_index() -> None:
    assert set(DISPUTED) <= {case.name for case in cases() if not case.is_valid}
