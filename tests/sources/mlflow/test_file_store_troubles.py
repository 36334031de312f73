"""File stores that are broken, odd or hostile: each trouble costs one warning, and nothing else is lost."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow2prov.sources.mlflow import (
    file_store_files,
    file_store_metrics,
    file_store_reader,
    file_store_rows,
)
from mlflow2prov.sources.mlflow.file_store import read_file_store
from mlflow2prov.sources.mlflow.file_store_files import StoreFiles
from mlflow2prov.sources.mlflow.file_store_meta import parse_meta
from mlflow2prov.sources.mlflow.file_store_metrics import MODEL_LINES, Points, run_lines
from mlflow2prov.sources.mlflow.parts import Wanted
from mlflow2prov.sources.tables import SOURCE_TABLES

Tables = dict[str, list[dict[str, Any]]]

EXPERIMENT = "artifact_location: x\nexperiment_id: '1'\nlifecycle_stage: active\nname: one\n"
RUN = "end_time: 2\nexperiment_id: '1'\nlifecycle_stage: active\nrun_id: {}\nstart_time: 1\nstatus: 3\nuser_id: ann\n"


def read(root: Path, *skip: str) -> Tables:
    found: Tables = {name: [] for name in SOURCE_TABLES}
    for name, batch in read_file_store(str(root), Wanted(skip=frozenset(skip))):
        assert batch.schema.equals(SOURCE_TABLES[name].schema())
        batch.validate(full=True)
        found[name].extend(batch.to_pylist())
    return found


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


def write(root: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with an experiment and a run ``r1`` that are as they should be."""
    folder = tmp_path / "mlruns"
    write(folder, {"1/meta.yaml": EXPERIMENT, "1/r1/meta.yaml": RUN.format("r1"), "1/r1/params/p": "v"})
    return folder


# ---- meta.yaml ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "- a\n",
        "run_id: [\n",
        "just text\n",
        "[" * 100_000,
        "a: &a [*a]\n<<: *a\n",
        "\0",
        "run_i",
        b"\xff\xfe",
    ],
)
def test_a_broken_meta_file_leaves_what_the_folder_tells(
    content: str | bytes, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(root, {"1/r2/meta.yaml": content, "1/r2/params/p": "v", "1/r2/metrics/m": "1 2 3\n"})
    found = read(root)
    run = found["mlflow_run"][1]
    assert {name: value for name, value in run.items() if value is not None} == {
        "run_id": "r2",
        "experiment_id": "1",
    }
    assert [row["run_id"] for row in found["mlflow_param"]] == ["r1", "r2"]
    assert found["mlflow_metric"][0]["run_id"] == "r2"
    broken = f"1 meta.yaml files are missing or broken; what else there is in their folders is kept, {root}/1/r2 first"
    assert [warning for warning in warnings(caplog) if "not UTF-8" not in warning] == [broken]


def test_a_file_that_is_cut_off_loses_its_last_line_alone(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = RUN.format("r2")
    write(
        root, {"1/r2/meta.yaml": whole[: whole.index("user_id") - 2], "1/r3/meta.yaml": RUN.format("r3")[:-4]}
    )
    found = read(root)["mlflow_run"]
    assert [(row["run_id"], row["status"], row["user_id"]) for row in found] == [
        ("r1", "FINISHED", "ann"),
        ("r2", None, None),
        ("r3", "FINISHED", None),
    ]
    said = "2 meta.yaml files are cut off in their last lines, which are left out,"
    assert warnings(caplog) == [f"{said} {root}/1/r2/meta.yaml first"]


def test_a_file_that_is_just_being_written_gets_a_second_look(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, {"1/r2/meta.yaml": "", "1/r3/meta.yaml": RUN.format("r3")[:-4]})
    pauses: list[float] = []

    def meanwhile(pause_s: float) -> None:
        pauses.append(pause_s)
        write(root, {"1/r2/meta.yaml": RUN.format("r2"), "1/r3/meta.yaml": RUN.format("r3")})

    monkeypatch.setattr(file_store_reader, "sleep", meanwhile)
    assert [row["user_id"] for row in read(root)["mlflow_run"]] == ["ann"] * 3
    assert warnings(caplog) == [] and 0 < sum(pauses) < 0.1
    for i in range(30):
        write(root, {f"2/r{i}/meta.yaml": ""})
    pauses.clear()
    read(root)
    assert sum(pauses) < 1


def test_what_has_no_meta_file_is_told_by_its_contents(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(
        root,
        {
            "1/r2/tags/t": "v",
            "1/gone/artifacts/a": "",
            "2/r3/meta.yaml": RUN.format("r3").replace("'1'", "'2'"),
            "notes/a": "",
            "models/m/version-1/meta.yaml": "creation_timestamp: 1\nversion: 1\n",
            "models/m/version-x/meta.yaml": "version: 1\n",
            "models/notes/a": "",
            "1/models/m-1/params/p": "v",
            "1/models/other/a": "",
        },
    )
    found = read(root)
    assert [(row["experiment_id"], row["name"]) for row in found["mlflow_experiment"]] == [
        ("1", "one"),
        ("2", None),
    ]
    assert [(row["run_id"], row["experiment_id"]) for row in found["mlflow_run"]] == [
        ("r1", "1"),
        ("r2", "1"),
        ("r3", "2"),
    ]
    assert [(row["name"], row["created_ms"]) for row in found["mlflow_registered_model"]] == [("m", None)]
    assert [(row["name"], row["version"]) for row in found["mlflow_model_version"]] == [("m", 1)]
    assert [row["model_id"] for row in found["mlflow_logged_model"]] == ["m-1"]
    assert warnings(caplog) == [
        f"1 folders are no experiments, having no meta.yaml, and are left out, {root}/notes first",
        f"1 folders in experiments are no runs, having no meta.yaml, and are left out, {root}/1/gone first",
        f"2 folders among models are none, having no meta.yaml, and are left out, {root}/1/models/other first",
        "4 meta.yaml files are missing or broken; what else there is in their folders is kept,"
        f" {root}/1/models/m-1 first",
    ]


def test_what_says_that_it_is_something_else_is_left_out(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(
        root,
        {
            "1/copy of r1/meta.yaml": RUN.format("r1"),
            "1/r2/meta.yaml": RUN.format("r2").replace("'1'", "'9'"),
            "2/meta.yaml": EXPERIMENT,
            ".trash/1/meta.yaml": EXPERIMENT,
            "models/m/meta.yaml": "name: other\n",
            "models/n/meta.yaml": "name: n\n",
            "models/n/version-2/meta.yaml": "name: n\nversion: 3\n",
            "r9/meta.yaml": RUN.format("r9"),
        },
    )
    found = read(root)
    assert [(row["experiment_id"], row["lifecycle_stage"]) for row in found["mlflow_experiment"]] == [
        ("1", "active")
    ]
    assert [row["run_id"] for row in found["mlflow_run"]] == ["r1"]
    assert [row["name"] for row in found["mlflow_registered_model"]] == ["n"]
    assert found["mlflow_model_version"] == []
    said = "7 folders say that they are another one, or are there twice, and are left out,"
    assert [w.startswith(said) for w in warnings(caplog)] == [True]


def test_values_that_are_no_numbers_are_left_out(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(
        root,
        {
            "1/r2/meta.yaml": RUN.format("r2")
            .replace("start_time: 1", "start_time: soon")
            .replace("2\n", "1e3\n", 1),
            "1/r2/outputs/m-1/meta.yaml": "destination_id: m-1\nsource_id: m-1\nstep: 99999999999999999999\n",
            "models/m/meta.yaml": "name: m\n",
            "models/m/aliases/a": "three",
            "models/m/aliases/b": b"\xff",
        },
    )
    found = read(root)
    assert found["mlflow_run"][1]["start_ms"] is None and found["mlflow_run"][1]["end_ms"] is None
    assert found["mlflow_model_link"][0]["step"] is None
    assert found["mlflow_registered_model_alias"] == []
    assert warnings(caplog) == [f"5 values are no numbers and are left out, {root}/1/r2 first"]


def test_inputs_and_outputs_that_are_broken_are_counted(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(
        root,
        {
            "1/datasets/d/meta.yaml": "digest: 1\n",
            "1/r1/inputs/a/meta.yaml": "source_id: nowhere\nsource_type: DATASET\ntags: {}\n",
            "1/r1/inputs/b/meta.yaml": "[",
            "1/r1/outputs/m-1/x": "",
        },
    )
    found = read(root)
    assert found["mlflow_dataset"] == found["mlflow_dataset_input"] == []
    assert [(row["model_id"], row["step"]) for row in found["mlflow_model_link"]] == [("m-1", 0)]
    assert warnings(caplog) == [
        f"1 files can't be read and are left out, {root}/1/r1/outputs/m-1/meta.yaml first",
        "3 meta.yaml files are missing or broken; what else there is in their folders is kept,"
        f" {root}/1/datasets/d first",
        f"1 inputs of runs name no known dataset and are left out, {root}/1/r1/inputs/a first",
    ]


# ---- Files and folders -------------------------------------------------------------------------


def test_a_file_where_a_folder_is_expected_is_counted(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = [
        "models",
        ".trash",
        "1/tags",
        "1/datasets",
        "1/models",
        "1/r1/tags",
        "1/r1/metrics",
        "1/r1/inputs",
    ]
    write(root, dict.fromkeys(names, "x"))
    write(root, {".DS_Store": "", "1/notes.txt": ""})
    found = read(root)
    assert [row["key"] for row in found["mlflow_param"]] == ["p"]
    said = "8 files stand where folders are expected and are left out,"
    assert [warning.startswith(said) for warning in warnings(caplog)] == [True]


def test_links_are_followed_to_files_of_the_store_alone(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, {"secret": "geheim", "other/r/meta.yaml": RUN.format("r")})
    tags = root / "1/r1/tags"
    tags.mkdir()
    (tags / "out").symlink_to(tmp_path / "secret")
    (tags / "own").symlink_to(root / "1/r1/params/p")
    (tags / "self").symlink_to(tags / "self")
    (tags / "broken").symlink_to(tags / "nowhere")
    (tags / "loop").symlink_to(root, target_is_directory=True)
    os.mkfifo(tags / "pipe")
    (root / "1/r1/metrics").symlink_to(tmp_path / "other", target_is_directory=True)
    (root / "2").symlink_to(tmp_path / "other", target_is_directory=True)
    write(root, {"1/r1/inputs/i/x": "", "1/r1/inputs/j/x": ""})
    (root / "1/r1/inputs/i/meta.yaml").symlink_to(tmp_path / "other/r/meta.yaml")
    os.mkfifo(root / "1/r1/inputs/j/meta.yaml")
    found = read(root)
    assert [(row["key"], row["value"]) for row in found["mlflow_tag"]] == [("own", "v")]
    assert [row["run_id"] for row in found["mlflow_run"]] == ["r1"]
    said = "9 links out of the store or to folders, broken links and special files are left out,"
    assert [warning.startswith(said) for warning in warnings(caplog)] == [True, False]
    assert warnings(caplog)[1].startswith("2 meta.yaml files are missing or broken")


def test_a_store_that_is_a_link_is_read(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root, target_is_directory=True)
    assert [row["run_id"] for row in read(tmp_path / "link")["mlflow_run"]] == ["r1"]


_AS_NOBODY = """
import logging, os, sys
from mlflow2prov.sources.mlflow.file_store import read_file_store
logging.basicConfig(format="%(message)s")
list(read_file_store(sys.argv[2]))
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for name, batch in read_file_store(sys.argv[1]):
    if name in ("mlflow_run", "mlflow_param"):
        print(batch.column("run_id").to_pylist())
"""


def test_what_must_not_be_read_is_counted() -> None:
    with tempfile.TemporaryDirectory() as name:
        root, other = Path(name) / "root", Path(name) / "other"
        for store in (root, other):
            write(
                store, {"1/meta.yaml": EXPERIMENT, "1/r1/meta.yaml": RUN.format("r1"), "1/r1/params/p": "v"}
            )
            write(store, {"1/r1/metrics/m": "1 2 3\n", "1/r1/params/q": "v", "1/r1/metrics/n": "1 2 3\n"})
            write(store, {"1/r2/meta.yaml": RUN.format("r2"), "1/r2/params/p": "v"})
            write(store, {"0/meta.yaml": EXPERIMENT.replace("'1'", "'0'")})
        Path(name).chmod(0o755)
        closed = [
            root / "0",
            root / "1/r1/params/q",
            root / "1/r1/metrics/n",
            root / "1/r2/params",
            root / "1/r2/meta.yaml",
        ]
        for path in closed:
            path.chmod(0)
        command = [sys.executable, "-c", _AS_NOBODY, str(root), str(other)]
        done = subprocess.run(command, capture_output=True, text=True)
        for path in closed:
            path.chmod(0o755)
    assert done.stdout == "['r1', 'r2']\n['r1']\n", done.stderr
    assert done.stderr.splitlines() == [
        f"2 folders can't be read and are taken as empty, {root}/0 first",
        f"3 files can't be read and are left out, {closed[1]} first",
        f"2 meta.yaml files are missing or broken; what else there is in their folders is kept, {root}/0 first",
    ]


def test_a_place_of_artifacts_that_can_not_be_one_is_none(root: Path) -> None:
    place = "x" * 5_000
    write(
        root,
        {
            f"1/r{i}/meta.yaml": f"artifact_uri: {uri}\n{RUN.format(f'r{i}')}"
            for i, uri in enumerate([place, f"file:///{place}", '"\\0"', "file://host/x", "''"], 2)
        },
    )
    write(root, {f"1/r{i}/artifacts/a": "" for i in range(2, 7)})
    listed = {row["owner_id"] for row in read(root)["mlflow_artifact"]}
    assert listed == {"r2", "r3", "r6"}


def test_names_and_values_that_are_no_utf_8_are_shown(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(root, {"1/r1/tags/plain": "x", "1/r1/tags/bad value": b"a\xffb", "1/r1/params/100%25 é": "ok\r\n"})
    write(root, {os.fsdecode(b"1/r1/tags/k\xff"): "v", os.fsdecode(b"1/r1/metrics/m\xff"): "1 2 3\n"})
    write(root, {"1/r1/metrics/ok": "1 2 3\n"})
    (root / os.fsdecode(b"1/r\xfe/params")).mkdir(parents=True)
    write(root, {"1/r3/meta.yaml": RUN.format("r3").encode().replace(b"ann", b"\xff")})
    found = read(root)
    assert {(row["key"], row["value"]) for row in found["mlflow_tag"]} == {
        ("plain", "x"),
        ("bad value", "a\\xffb"),
        ("k\\xff", "v"),
    }
    assert [row["key"] for row in found["mlflow_param"] if row["key"] != "p"] == ["100%25 é"]
    assert {row["key"] for row in found["mlflow_metric"]} == {"m\\xff", "ok"}
    assert [(row["run_id"], row["user_id"]) for row in found["mlflow_run"]] == [
        ("r1", "ann"),
        ("r3", "\\xff"),
        ("r\\xfe", None),
    ]
    shown = [warning for warning in warnings(caplog) if "UTF-8" in warning]
    assert len(shown) == 1 and shown[0].startswith("5 texts are not UTF-8; their bytes are shown as \\xNN, ")


def test_files_that_are_too_large_are_left_out(
    root: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, {"1/r1/params/long": "x" * 100_000})
    assert {row["key"]: len(row["value"]) for row in read(root)["mlflow_param"]} == {"p": 1, "long": 100_000}
    monkeypatch.setattr(file_store_files, "MOST_BYTES", 90_000)
    assert [row["key"] for row in read(root)["mlflow_param"]] == ["p"]
    assert warnings(caplog) == [f"1 files are too large and are left out, {root}/1/r1/params/long first"]


def test_batches_are_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_store_rows, "_FULL_ROWS", 3)
    monkeypatch.setattr(file_store_rows, "_FULL_PAIRS", 4)
    monkeypatch.setattr(file_store_metrics, "_FULL_BYTES", 100)
    for i in range(2, 12):
        write(root, {f"1/r{i}/meta.yaml": RUN.format(f"r{i}"), f"1/r{i}/params/p": "v"})
        write(root, {f"1/r{i}/metrics/m": "1 2 3\n" * 5})
    write(root, {f"1/r2/params/{i}": str(i) for i in range(6)})
    monkeypatch.setattr(file_store_rows, "_FULL_BYTES", 1_000)
    write(root, {f"1/r2/tags/{i}": "x" * 600 for i in range(3)})
    sizes: dict[str, list[int]] = {}
    for name, batch in read_file_store(str(root)):
        sizes.setdefault(name, []).append(batch.num_rows)
    assert sizes["mlflow_run"] == [3, 3, 3, 2]
    assert sizes["mlflow_param"] == [4, 4, 4, 4, 1]
    assert sizes["mlflow_tag"] == [2, 1]
    monkeypatch.undo()
    params = {(row["run_id"], row["key"]): row["value"] for row in read(root)["mlflow_param"]}
    assert len(params) == 17 and all(params["r2", str(i)] == str(i) for i in range(6))
    assert sizes["mlflow_metric"] == [20, 20, 10]


# ---- Metrics -----------------------------------------------------------------------------------


def points_of(root: Path, *skip: str) -> list[tuple[Any, ...]]:
    found = read(root, *skip)["mlflow_metric"]
    return [(row["key"], row["step"], row["timestamp_ms"], row["value"]) for row in found]


def test_lines_of_any_form_are_read_and_malformed_ones_are_counted(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(
        root,
        {
            "1/r1/metrics/good": "1 0.5 0\n2 nan 1\n3 -inf -2\n4 1e-05 3",
            "1/r1/metrics/windows": "1 0.5 0\r\n2 1.5 1\r\n",
            "1/r1/metrics/mixed": "1 0.5\n2 1.5 1\n3 2.5 2 my data abc\n4 3.5 3 wine abc\n",
            "1/r1/metrics/bad": "x 0.5 0\n2 1.5 1\n3\n\n99999999999999999999 1 1\n4 half 1\n5 6 7.5\n",
            "1/r1/metrics/empty": "",
            "1/r1/metrics/quote": '1 "0.5 0\n2 0.25 1\n',
            "1/r1/metrics/binary": b"\0\xff\n1 2 3\n",
        },
    )
    found: dict[str, list[tuple[Any, ...]]] = {}
    for key, *point in points_of(root):
        found.setdefault(key, []).append(tuple(point))
    assert str(found.pop("good")) == "[(0, 1, 0.5), (1, 2, nan), (-2, 3, -inf), (3, 4, 1e-05)]"
    assert found == {
        "windows": [(0, 1, 0.5), (1, 2, 1.5)],
        "mixed": [(0, 1, 0.5), (1, 2, 1.5), (2, 3, 2.5), (3, 4, 3.5)],
        "bad": [(1, 2, 1.5)],
        "quote": [(1, 2, 0.25)],
        "binary": [(3, 1, 2.0)],
    }
    lines, empty = warnings(caplog)
    assert lines.startswith(f"8 lines of metrics are malformed and are left out, {root}/1/r1/metrics/")
    assert empty == f"1 metrics have no point and are left out, {root}/1/r1/metrics/empty first"


def test_long_files_are_read_in_pieces(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [f"{i} {i / 7!r} {(i * 7919) % 20_011}\n" for i in range(20_000)]
    write(root, {"1/r1/metrics/long": "".join(lines), "1/r1/metrics/short": "1 2 3\n"})
    monkeypatch.setattr(file_store_files, "_PIECE", 10_000)
    points = points_of(root)
    assert len(points) == 20_001
    long = [point for point in points if point[0] == "long"]
    assert long == [("long", (i * 7919) % 20_011, i, i / 7) for i in range(20_000)]
    latest = {point[0]: point for point in points_of(root, "metric_history")}
    assert latest == {"long": max(long, key=lambda point: point[1]), "short": ("short", 3, 1, 2.0)}
    write(root, {"1/r1/metrics/endless": "1 2 3\n" + "9" * 200_000})
    assert len(points_of(root)) < 20_003
    assert warnings(caplog) == [f"1 files are too large and are left out, {root}/1/r1/metrics/endless first"]


def test_the_latest_point_has_the_greatest_step_time_and_value(root: Path) -> None:
    write(
        root,
        {
            "1/r1/metrics/step": "9 1 2\n1 2 5\n3 4 4\n",
            "1/r1/metrics/time": "1 7 2\n5 2 2\n3 4 2\n",
            "1/r1/metrics/value": "1 -7 2\n1 -2 2\n1 nan 2\n",
            "1/r1/metrics/nan": "1 -7 2\n1 nan 2\n1 -2 2\n",
            "1/r1/metrics/inf": "1 inf 2\n1 nan 2\n1 5 2\n",
            "1/r1/metrics/none": "1 5\n2 4\n",
        },
    )
    latest = {point[0]: str(point[1:]) for point in points_of(root, "metric_history")}
    assert latest == {
        "step": "(5, 1, 2.0)",
        "time": "(2, 5, 2.0)",
        "value": "(2, 1, nan)",
        "nan": "(2, 1, nan)",
        "inf": "(2, 1, inf)",
        "none": "(0, 2, 4.0)",
    }


def test_points_of_logged_models_name_run_and_dataset(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(
        root,
        {
            "1/models/m-1/meta.yaml": "model_id: m-1\nstatus: 2\n",
            "1/models/m-1/metrics/a": "1 0.5 2 r1\n",
            "1/models/m-1/metrics/b/c": "1 0.5 2 r1 wine d1\n",
            "1/models/m-1/metrics/d": "1 0.5 2 r1 red wine d1\n1 0.5\n",
        },
    )
    found = {tuple(row.values()) for row in read(root)["mlflow_logged_model_metric"]}
    assert found == {
        ("m-1", "r1", "a", 2, 1, 0.5, None, None),
        ("m-1", "r1", "b/c", 2, 1, 0.5, "wine", "d1"),
        ("m-1", "r1", "d", 2, 1, 0.5, "red wine", "d1"),
    }
    assert warnings(caplog) == [
        f"1 lines of metrics are malformed and are left out, {root}/1/models/m-1/metrics/d first"
    ]


# ---- Laws --------------------------------------------------------------------------------------

_WHOLE = st.integers(-(2**63), 2**63 - 1)
_LINES = st.lists(st.tuples(_WHOLE, st.floats(), _WHOLE), min_size=1, max_size=5)


@settings(deadline=None)
@given(st.lists(st.tuples(_LINES, st.integers(0, 2)), min_size=1, max_size=4))
def test_a_point_is_read_as_it_was_written(files: list[tuple[list[tuple[int, float, int]], int]]) -> None:
    """Whether Arrow parses its file, with others, or Python does."""
    with tempfile.TemporaryDirectory() as name:
        expected = set()
        for number, (lines, form) in enumerate(files):
            behind = ("", " wine d1", " red wine d1")[form]
            text = "".join(f"{moment} {value} {step}{behind}\n" for moment, value, step in lines)
            (Path(name) / f"m{number}").write_text(text)
            expected |= {
                (f"m{number}", step, moment, repr(abs(v) if v != v else v)) for moment, v, step in lines
            }
        points = Points(run_lines(only_latest=False), StoreFiles(Path(name)))
        batches = [*points.add_folder("r1", os.fsencode(name)), *points.batches()]
    rows = [row for _, batch in batches for row in batch.to_pylist()]
    found = {(row["key"], row["step"], row["timestamp_ms"], repr(row["value"])) for row in rows}
    assert found == expected and len(rows) == sum(len(lines) for lines, _ in files)


_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "",
        "null",
        "~",
        "yes",
        "12",
        "1e3",
        "2020-01-01",
        "a: b",
        "- a",
        "it's",
        "a #b",
        "a\n\n b\n",
        " x ",
        "'",
        '"',
        "é",
    ]
)
_VALUES = st.none() | st.integers(-(2**63), 2**64) | _TEXTS | st.dictionaries(_TEXTS, _TEXTS, max_size=3)
_KEYS = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)


@settings(deadline=None)
@given(st.dictionaries(_KEYS, _VALUES, min_size=1))
def test_a_meta_file_is_read_as_mlflow_writes_it(meta: dict[str, Any]) -> None:
    text = yaml.dump(meta, default_flow_style=False, allow_unicode=True, Dumper=yaml.CSafeDumper)
    found = parse_meta(text)
    assert found is not None and not found.is_cut
    assert found.meta == {key: str(value) if isinstance(value, int) else value for key, value in meta.items()}


def test_the_usual_meta_file_needs_no_yaml_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow2prov.sources.mlflow import file_store_meta

    monkeypatch.setattr(file_store_meta, "yaml_mapping", None)
    taken = "source_id: a\nsource_type: DATASET\ntags:\n  mlflow.data.context: training\n"
    assert parse_meta(taken).meta["tags"] == {"mlflow.data.context": "training"}  # type: ignore[union-attr]
    assert parse_meta("artifact_uri: s3://b/1\nname: 'it''s'\ntags: []\n").meta == {  # type: ignore[union-attr]
        "artifact_uri": "s3://b/1",
        "name": "it's",
        "tags": {},
    }


def test_lines_of_logged_models_are_not_those_of_runs() -> None:
    assert set(MODEL_LINES.words).isdisjoint(run_lines(only_latest=False).words)
