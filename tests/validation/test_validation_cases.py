"""Cases of our own for each definition, inference and constraint: a folder each, with one bundle for a case.

``expected.txt`` has a line for each bundle: ``valid``, or the numbers of the constraints that are violated,
each with those that lead there (``42 by 34 43``).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from mlflow2prov import load
from mlflow2prov.validation.report import Violation
from mlflow2prov.validation.rules import RULES

CASES = Path(__file__).parent / "cases"
FOLDERS = sorted(path for path in CASES.iterdir())


def said(violations: list[Violation]) -> str:
    shown = {
        " by ".join([one.constraint, " ".join(one.through)] if one.through else [one.constraint])
        for one in violations
    }
    return ", ".join(sorted(shown)) or "valid"


def expected(folder: Path) -> dict[str, str]:
    lines = (folder / "expected.txt").read_text("utf-8").splitlines()
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_rule_is_violated_where_it_should_be(folder: Path) -> None:
    with load(folder / "input.provn") as graph:
        report = graph.validate()
    found: dict[str, list[Violation]] = defaultdict(list)
    for one in report.violations:
        assert one.records, one
        found[(one.bundle or "").removeprefix("ex:")].append(one)
    wanted = expected(folder)
    assert set(found) <= set(wanted)
    assert {name: said(found[name]) for name in wanted} == wanted


def test_every_rule_has_cases() -> None:
    covered = {code for folder in FOLDERS for code in _codes(folder.name)}
    assert {rule.code for rule in RULES} == covered


def _codes(name: str) -> set[str]:
    first, _, rest = name.partition("-")
    second = rest.partition("-")[0]
    if second.isdecimal():
        return {str(number) for number in range(int(first), int(second) + 1)}
    return {str(int(first)) if first.isdecimal() else first}
