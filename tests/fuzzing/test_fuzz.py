"""The fuzzer itself, for a moment on each reader; CONTRIBUTING.md says how to let it run longer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.fuzzing import fuzz

from mlflow2prov import formats


@pytest.mark.parametrize("name", formats.readable())
def test_a_reader_takes_damaged_documents(name: str, tmp_path: Path) -> None:
    outcome = fuzz.fuzz(name, 1.0, [], tmp_path / f"fuzzed.{name}", seed=7, examples=5)
    assert outcome.failure is None, outcome.failure
    assert outcome.tried > 0


def test_damage_changes_documents() -> None:
    chance, document = random.Random(1), {"a": b"x" * 50, "b": b"y" * 50}
    assert sum(fuzz.damaged(document, chance, [document]) != document for _ in range(50)) > 40


def test_an_error_of_several_lines_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "read_from", _complains)
    with pytest.raises(AssertionError, match="not one sentence"):
        fuzz.read_quietly({"": b"x"}, "json", tmp_path)


def _complains(*_: object) -> object:
    raise fuzz.Mlflow2ProvError("two\nlines")
