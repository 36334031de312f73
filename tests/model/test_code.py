"""Work trees that were not clean, and logged models that name their code, by rows of a made store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.model.made_stores import Row, document_of, found, of_type, related, run, tags

COMMIT = "1" * 40
DIFF = """diff --git a/x.py b/x.py
+password = "hunter2"
+API_KEY: 'abc'
+url = "https://ada:secret@example.org/x?token=zzz"
+tokens = 3, 4
"""


def model(model_id: str, run_id: str | None, **values: str) -> list[Row]:
    """The rows of a logged model with tags; in their keys ``__`` stands for a dot."""
    columns: dict[str, Any] = {
        "name": "n",
        "artifact_location": "/m",
        "status": 2,
        "lifecycle_stage": "active",
    }
    times = {"creation_timestamp_ms": 5, "last_updated_timestamp_ms": 6}
    row = {"model_id": model_id, "experiment_id": 7, "source_run_id": run_id, **columns, **times}
    named = {"model_id": model_id, "experiment_id": 7}
    return [
        ("logged_models", row),
        *(
            ("logged_model_tags", {**named, "tag_key": key.replace("__", "."), "tag_value": value})
            for key, value in values.items()
        ),
    ]


def git(prefix: str = "mlflow__source__git__", /, **values: str) -> dict[str, str]:
    return {f"{prefix}{key}": value for key, value in values.items()}


def work_trees(document: dict[str, Any]) -> dict[str, str]:
    return {
        body["run_id"]: body["work_tree"] for body in of_type(document, "Run").values() if "work_tree" in body
    }


def test_a_runs_work_tree_is_what_it_or_its_model_says_and_else_unknown(tmp_path: Path) -> None:
    rows = [run(name) for name in "abcdefg"]
    rows += tags("a", **git(commit=COMMIT, dirty="true"))
    rows += tags("b", **git(commit=COMMIT, dirty="False"))
    rows += tags("c", **git(commit=COMMIT, dirty="perhaps"))
    rows += tags("d", **git(commit=COMMIT)) + model("m-d", "d", **git(commit=COMMIT.upper(), dirty="true"))
    rows += tags("e", **git(commit=COMMIT)) + model("m-e", "e", **git(commit="2" * 40, dirty="true"))
    rows += tags("f", **git(commit=COMMIT))
    rows += model("m-f1", "f", **git(commit=COMMIT, dirty="false"))
    rows += model("m-f2", "f", **git(commit=COMMIT, dirty="true"))
    rows += model("m-g", None, **git(commit=COMMIT, dirty="false"))
    document = document_of(tmp_path, *rows)
    said = {name: tree for name, tree in work_trees(document).items() if name in "abcdefg"}
    assert said == {
        "a": "dirty",
        "b": "clean",
        "c": "unknown",
        "d": "dirty",
        "e": "unknown",
        "f": "dirty",
        "g": "unknown",
    }
    assert set(work_trees(document).values()) <= {"clean", "dirty", "unknown"}
    assert len(work_trees(document)) == len(of_type(document, "Run"))
    models = {body["model_id"]: body.get("work_tree") for body in of_type(document, "LoggedModel").values()}
    assert (models["m-d"], models["m-g"]) == ("dirty", "clean")


def test_a_diff_is_told_without_secrets(tmp_path: Path) -> None:
    rows = [run("a"), *tags("a", **git(commit=COMMIT, dirty="true", diff=DIFF))]
    rows += model("m-x", "a", **git(commit=COMMIT, dirty="true", diff=DIFF))
    document = document_of(tmp_path, *rows)
    diffs = of_type(document, "WorkTreeDiff")
    assert set(diffs) == {"WorkTreeDiff.run--a", "WorkTreeDiff.logged_model--m-2Dx"}
    for body in diffs.values():
        assert body["diff"].splitlines()[1:4] == [
            "+password = REDACTED",
            "+API_KEY: REDACTED",
            '+url = "https://example.org/x?token=REDACTED',
        ]
        assert body["commit"] == COMMIT
        assert "is_truncated" not in body
    text = (tmp_path / "made.json").read_text("utf-8")
    assert "hunter2" not in text and "'abc'" not in text and "secret@" not in text and "zzz" not in text
    assert not [pair for pair in related(document, "wasDerivedFrom") if pair[0].startswith("WorkTreeDiff.")]
    used = {one["entity"] for one in found(document, "used", role="m2p:WorkTreeDiff")}
    assert used == {f"mlflow:{name}" for name in diffs}


@pytest.mark.parametrize(
    ("size", "is_cut"), [(7_999, None), (8_000, "true"), (8_001, None), (100_001, "true")]
)
def test_a_diff_that_was_cut_off_says_so(size: int, is_cut: str | None, tmp_path: Path) -> None:
    rows = [run("a"), *tags("a", **git(commit=COMMIT, dirty="true", diff="+" * size))]
    (body,) = of_type(document_of(tmp_path, *rows), "WorkTreeDiff").values()
    assert (body["diff_size"], body.get("is_truncated")) == (str(size), is_cut)
    assert len(body["diff"]) == min(size, 100_000)


def test_a_models_own_creation_uses_the_diff(tmp_path: Path) -> None:
    document = document_of(tmp_path, *model("m-x", None, **git(commit=COMMIT, dirty="true", diff="+1")))
    assert related(document, "used", role="m2p:WorkTreeDiff") == {
        ("Creation.logged_model--m-2Dx", "WorkTreeDiff.logged_model--m-2Dx")
    }
