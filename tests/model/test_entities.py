"""What MLflow keeps beside runs and models: each kind of thing, and how it is linked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.model.made_stores import Row, document_of, found, of_type, related, run, tags

from mlflow2prov import load


def point(key: str, step: int = 0) -> tuple[str, dict[str, object]]:
    """The row of a metric's point of run r1."""
    return "metrics", {
        "run_uuid": "r1",
        "key": key,
        "step": step,
        "timestamp": 5,
        "value": 1.0,
        "is_nan": False,
    }


def test_what_mlflow_measures_of_the_machine_is_a_system_metric_too(tmp_path: Path) -> None:
    document = document_of(
        tmp_path, point("system/cpu_utilization_percentage"), point("systems"), point("my/system/x")
    )
    assert [body["name"] for body in of_type(document, "SystemMetric").values()] == [
        "system/cpu_utilization_percentage"
    ]
    (body,) = of_type(document, "SystemMetric").values()
    assert body["type"] == ["m2p:Metric", "m2p:SystemMetric"]
    assert len(of_type(document, "Metric")) == 5 + 3


def test_links_of_runs_and_logged_models_have_their_steps(tmp_path: Path) -> None:
    link = {"source_type": "RUN_INPUT", "destination_type": "MODEL_INPUT", "destination_id": "m-2"}
    document = document_of(tmp_path, ("inputs", {**link, "input_uuid": "z", "source_id": "r2", "step": 4}))
    generation = {"activity": "mlflow:Creation.run--r1", "role": "m2p:AddedLoggedModel"}
    (made,) = found(document, "wasGeneratedBy", entity="mlflow:LoggedModel.m-2D1", **generation)
    assert made["step"] == "3"
    (other,) = found(document, "wasGeneratedBy", entity="mlflow:LoggedModel.m-2D2", **generation)
    assert "step" not in other
    inputs = found(document, "used", role="m2p:ModelInput")
    assert [(one["entity"], one.get("step")) for one in inputs] == [
        ("mlflow:LoggedModel.m-2D1", None),
        ("mlflow:LoggedModel.m-2D2", "4"),
    ]


def test_a_model_that_another_run_made_is_not_made_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    link = {"source_type": "RUN_OUTPUT", "destination_type": "MODEL_OUTPUT", "destination_id": "m-2"}
    document = document_of(tmp_path, ("inputs", {**link, "input_uuid": "z", "source_id": "r2", "step": 4}))
    assert len(found(document, "wasGeneratedBy", entity="mlflow:LoggedModel.m-2D2")) == 1
    assert "put out and that another run made, or the store does not have (1)" in caplog.text


def prompt(name: str, *texts: str, workspace: str = "default") -> list[Row]:
    """The rows of a prompt with a version for each text."""
    rows: list[Row] = [
        ("registered_models", {"name": name, "creation_time": 7, "workspace": workspace}),
        (
            "registered_model_tags",
            {"name": name, "key": "mlflow.prompt.is_prompt", "value": "true", "workspace": workspace},
        ),
    ]
    for version, text in enumerate(texts, 1):
        known = {"name": name, "version": version, "workspace": workspace}
        about = {"source": "dummy-source", "description": f"change {version}", "current_stage": "None"}
        rows.append(("model_versions", {**known, **about, "creation_time": 8, "status": "READY"}))
        rows.append(("model_version_tags", {**known, "key": "mlflow.prompt.text", "value": text}))
    return rows


def test_a_prompt_is_a_registered_model_with_its_text(tmp_path: Path) -> None:
    document = document_of(tmp_path, *prompt("ask", "Say {{ it }}", "Sing {{ it }}"))
    assert [body["name"] for body in of_type(document, "Prompt").values()] == ["ask"]
    versions = list(of_type(document, "PromptVersion").values())
    assert [(one["text"], one["commit_message"]) for one in versions] == [
        ("Say {{ it }}", "change 1"),
        ("Sing {{ it }}", "change 2"),
    ]
    assert "source_path" not in versions[0] and versions[0]["type"][0] == "m2p:RegisteredModelVersion"
    models = of_type(document, "RegisteredModelVersion").values()
    assert not [one for one in models if one["name"] == "w" and "text" in one]


def test_runs_and_logged_models_used_the_prompts_that_their_tags_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    linked = json.dumps([{"name": "ask", "version": "2"}, {"name": "ask", "version": 9}, "odd"])
    document = document_of(
        tmp_path,
        *prompt("ask", "a", "b"),
        *prompt("both", "a"),
        *prompt("both", "a", workspace="blue"),
        *tags("r1", mlflow__linkedPrompts=linked),
        *tags("r2", mlflow__linkedPrompts="[no JSON"),
        (
            "logged_model_tags",
            {
                "model_id": "m-1",
                "experiment_id": 7,
                "tag_key": "mlflow.linkedPrompts",
                "tag_value": '[{"name": "ask", "version": "2"}, {"name": "both", "version": "1"}]',
            },
        ),
    )
    assert related(document, "used", role="m2p:Prompt") == {
        ("Creation.run--r1", "RegisteredModelVersion.ask--7--2")
    }
    assert "versions of prompts that the registry does not have (3)" in caplog.text


def test_a_logged_model_has_its_signature_and_flavors(tmp_path: Path) -> None:
    place = tmp_path / "m"
    place.mkdir()
    mlmodel = "flavors: {sklearn: {}, python_function: {}}\nmlflow_version: 3.1.0\n"
    mlmodel += 'signature: {inputs: \'[{"type": "double"}]\', outputs: \'[{"type": "long"}]\'}\n'
    (place / "MLmodel").write_text(mlmodel + "utc_time_created: '2026-01-02 03:04:05.678'\n")
    row = {
        "model_id": "m-ab",
        "experiment_id": 7,
        "name": "net",
        "artifact_location": str(place),
        "status": 2,
    }
    row |= {"creation_timestamp_ms": 1, "last_updated_timestamp_ms": 1, "lifecycle_stage": "active"}
    document = document_of(tmp_path, ("logged_models", row), skip=[])
    (told,) = (it for it in of_type(document, "LoggedModel").values() if it["model_id"] == "m-ab")
    assert told["flavors"] == ["python_function", "sklearn"]
    assert (told["signature_inputs"], told["signature_outputs"]) == (
        '[{"type": "double"}]',
        '[{"type": "long"}]',
    )
    assert (told["mlflow_version"], told["utc_time_created"]) == ("3.1.0", "2026-01-02T03:04:05.678Z")


SOURCES = {
    "local": ('{"uri": "/data/wine.csv"}', {"source_uri": "/data/wine.csv"}),
    "s3": ('{"uri": "s3://bucket/wine.csv"}', {"source_uri": "s3://bucket/wine.csv"}),
    "http": (
        '{"url": "https:\\/\\/ada:secret\\u0040example.org/wine.csv?X-Amz-Signature\\u003dsecret"}',
        {"source_uri": "https://example.org/wine.csv?X-Amz-Signature=REDACTED"},
    ),
    "delta_table": (
        '{"delta_table_name": "main.wine", "delta_table_version": 3, "is_databricks_uc_table": true}',
        {"source_name": "main.wine", "source_version": "3"},
    ),
    "hugging_face": (
        '{"path": "team/wine", "config_name": null, "split": "train", "revision": "main"}',
        {"source_name": "team/wine", "source_version": "main"},
    ),
    "code": (
        '{"tags": {"mlflow.user": "ada", "mlflow.source.name": "train.py"}}',
        {"source_name": "train.py"},
    ),
    "spark": ('{"table_name": "wine"}', {"source_name": "wine"}),
    "uc_volume": ('{"path": "/Volumes/a/b/c.csv"}', {"source_uri": "/Volumes/a/b/c.csv"}),
    "odd": ("[1]", {}),
    "broken": ("no JSON", {}),
}


def test_the_source_of_a_dataset_is_told_whatever_sort_it_is_of(tmp_path: Path) -> None:
    rows = [
        (
            "datasets",
            {
                "dataset_uuid": kind,
                "experiment_id": 7,
                "name": kind,
                "digest": "d",
                "dataset_source_type": kind,
                "dataset_source": source,
            },
        )
        for kind, (source, _) in SOURCES.items()
    ]
    document = document_of(tmp_path, *rows)
    told = {body["name"]: body for body in of_type(document, "Dataset").values()}
    words = ("source_uri", "source_name", "source_version")
    for kind, (_, expected) in SOURCES.items():
        assert {word: told[kind][word] for word in words if word in told[kind]} == expected, kind
    assert "secret" not in json.dumps(document)


def test_images_and_tables_are_known_by_how_mlflow_logs_them(tmp_path: Path) -> None:
    uuid = "0f1e2d3c-0f1e-0f1e-0f1e-0f1e2d3c4b5a"
    images = {
        f"images/a~b+step+3+timestamp+1500+{uuid}.png": ("a/b", "3", None),
        f"images/a~b+step+3+timestamp+1500+{uuid}+compressed.webp": ("a/b", "3", "true"),
        f"images/dogs #1%step%0%timestamp%1500%{uuid}.png": ("dogs /1", "0", None),
    }
    others = ["images/plain.png", "t.json", "deep/t.json", "u.json", f"table_images/t/{uuid}.png"]
    place = tmp_path / "artifacts"
    for path in (*images, *others):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text("x")
    listed = [
        {"path": "t.json", "type": "table"},
        {"path": "deep/t.json", "type": "table"},
        {"path": "u.json"},
    ]
    document = document_of(
        tmp_path,
        run("r9", artifact_uri=place.as_uri()),
        *tags("r9", mlflow__loggedArtifacts=json.dumps(listed)),
        skip=[],
    )
    told = {body["path"]: body for body in of_type(document, "Image").values()}
    assert set(told) == {*images, others[-1]}
    for path, expected in images.items():
        assert (told[path]["name"], told[path]["step"], told[path].get("is_compressed")) == expected
        assert told[path]["timestamp"] == "1970-01-01T00:00:01.500Z"
    assert {body["path"] for body in of_type(document, "Table").values()} == {"t.json", "deep/t.json"}
    assert "name" not in told[others[-1]]


def test_the_use_of_a_dataset_has_the_tags_that_the_run_gave_it(tmp_path: Path) -> None:
    rows: list[Row] = [
        ("input_tags", {"input_uuid": "ir1", "name": name, "value": "1"}) for name in ("b", "a")
    ]
    document = document_of(tmp_path, *rows)
    (first,) = found(document, "used", activity="mlflow:Creation.run--r1", entity="mlflow:Dataset.wine--abc")
    assert (first["role"], first["tag"]) == ("m2p:training", ["a = 1", "b = 1"])
    (second,) = found(document, "used", activity="mlflow:Creation.run--r2", entity="mlflow:Dataset.wine--abc")
    assert second["tag"] == "other = x" and "role" not in second


def version(number: int, source: str, **columns: object) -> Row:
    row = {"name": "net", "workspace": "default", "version": number, "creation_time": 10 + number, **columns}
    return "model_versions", {"current_stage": "None", "source": source, **row}


def test_a_version_comes_from_the_run_whose_identifier_is_in_its_path(tmp_path: Path) -> None:
    run_id = "0123456789abcdef0123456789abcdef"
    folder = tmp_path / "7" / run_id / "artifacts"
    (folder / "a b" / "net").mkdir(parents=True)
    (folder / "a b" / "net" / "MLmodel").write_text("flavors: {sklearn: {}}\n", encoding="utf-8")
    sources = {
        1: f"{folder}/a b/net",
        2: f"{folder.as_uri()}/a%20b/net",
        3: f"s3://moved/7/{run_id}/artifacts/a b/net/",
        4: f"{folder}/a b",
        5: f"{folder}/a b/net/data",
        6: f"s3://bucket/7/{run_id[::-1]}/artifacts/a b/net",
    }
    rows = [
        run(run_id, artifact_uri=str(folder)),
        ("registered_models", {"name": "net", "workspace": "default"}),
    ]
    rows += [version(number, source) for number, source in sources.items()]
    rows += [version(7, sources[1], run_id="r1"), version(8, sources[3], run_id=run_id)]
    document = document_of(tmp_path, *rows, skip=[])
    derived = related(document, "wasDerivedFrom", usedEntity=f"mlflow:ModelArtifact.{run_id}--a-20b-2Fnet")
    assert {made.rpartition("--")[2] for made, *_ in derived} == {"1", "2", "3", "7", "8"}


def test_a_version_of_a_path_in_a_run_comes_from_the_logged_model_of_that_name(tmp_path: Path) -> None:
    run_id, model_id = "0123456789abcdef0123456789abcdef", "m-" + "a" * 32
    logged = {"model_id": model_id, "experiment_id": 7, "name": "net", "source_run_id": run_id, "status": 2}
    logged |= {"artifact_location": f"/art/7/models/{model_id}/artifacts", "lifecycle_stage": "active"}
    rows = [
        run(run_id),
        ("logged_models", {**logged, "creation_timestamp_ms": 1, "last_updated_timestamp_ms": 1}),
    ]
    rows += [("registered_models", {"name": "net", "workspace": "default"})]
    document = document_of(tmp_path, *rows, version(1, f"/art/7/{run_id}/artifacts/net"))
    ((made, *_),) = related(document, "wasDerivedFrom", usedEntity=f"mlflow:LoggedModel.m-2D{'a' * 32}")
    assert made.startswith("RegisteredModelVersion.net--")


def test_a_metric_of_a_logged_model_comes_from_the_dataset_that_it_was_measured_on(tmp_path: Path) -> None:
    measured = {"model_id": "m-1", "experiment_id": 7, "run_id": "r2", "metric_name": "acc", "metric_step": 1}
    measured |= {"metric_timestamp_ms": 50, "metric_value": 0.5}
    rows: list[Row] = [
        ("logged_model_metrics", {**measured, "dataset_name": "wine", "dataset_digest": "abc"}),
        (
            "logged_model_metrics",
            {**measured, "metric_step": 2, "dataset_name": "lost", "dataset_digest": "d"},
        ),
    ]
    document = document_of(tmp_path, *rows)
    metrics = {it["step"]: it for it in of_type(document, "Metric").values() if it["name"] == "acc"}
    assert {step: it["dataset"] for step, it in metrics.items()} == {"1": "wine (abc)", "2": "lost (d)"}
    derived = related(document, "wasDerivedFrom", usedEntity="mlflow:Dataset.wine--abc")
    assert {it for it in derived if it[0].startswith("Metric.")} == {
        ("Metric.m-2D1--r2--acc--1--50--0.5", "Dataset.wine--abc", "Creation.run--r2")
    }


def test_each_checkpoint_of_a_run_has_its_own_params_and_metrics(tmp_path: Path) -> None:
    rows: list[Row] = [
        ("registered_models", {"name": "net", "workspace": "default"}),
        ("params", {"run_uuid": "r1", "key": "seed", "value": "7"}),
    ]
    for step, value in ((0, 0.5), (10, 0.7)):
        model_id = "m-" + f"{step:x}" * 32
        model = {"model_id": model_id, "experiment_id": 7, "name": "net", "source_run_id": "r1", "status": 2}
        model |= {"artifact_location": f"/art/{model_id}", "lifecycle_stage": "active"}
        model |= {"creation_timestamp_ms": 1, "last_updated_timestamp_ms": 1}
        point = {"model_id": model_id, "experiment_id": 7, "run_id": "r1", "metric_step": step}
        point |= {"metric_timestamp_ms": 50 + step, "metric_value": value}
        key = {
            "run_uuid": "r1",
            "key": "acc",
            "step": step,
            "timestamp": 50 + step,
            "value": value,
            "is_nan": 0,
        }
        rows += [("logged_models", model), ("metrics", key)]
        rows += [("logged_model_metrics", {**point, "metric_name": "acc"})]
        if step:
            rows += [("logged_model_metrics", {**point, "metric_name": "late"})]
            rows += [("metrics", {**key, "key": "late"}), ("metrics", {**key, "key": "whole"})]
        param = {"model_id": model_id, "experiment_id": 7, "param_key": "at", "param_value": str(step)}
        rows += [("logged_model_params", param), version(step + 1, f"models:/{model_id}", run_id="r1")]
    rows += [version(30, "models:/net/1", run_id="r1")]
    document_of(tmp_path, *rows)
    with load(tmp_path / "made.json") as graph:
        told = {}
        for name in (
            "models:/net/1",
            "models:/net/11",
            "models:/net/30",
            "models:/m-" + "0" * 32,
            "runs:/r1",
        ):
            page = {part.name: part for part in graph.why(name).parts}
            told[name] = [{row[0]: row[1] for row in page[part].rows} for part in ("params", "metrics")]
        params = {"p": "", "seed": "7"}
        first = [
            {"at": "0", **params},
            {"acc": 0.5, "whole": 0.7},
        ]  # m and late are of other models of the run
        assert told["models:/net/1"] == told["models:/net/30"] == told["models:/m-" + "0" * 32] == first
        assert told["models:/net/11"] == [{"at": "10", **params}, {"acc": 0.7, "late": 0.7, "whole": 0.7}]
        assert told["runs:/r1"] == [params, {"acc": 0.7, "late": 0.7, "whole": 0.7, "m": -float("inf")}]
        asked = graph.ask("metrics-of-model", model="models:/net/1").to_pylist()
        assert {row["name"]: row["step"] for row in asked} == {"acc": 0, "whole": 10}
        asked = graph.ask("params-of-model", model="models:/net/30").to_pylist()
        assert {row["name"]: row["value"] for row in asked} == first[0]
        (same,) = (
            part for part in graph.compare("models:/net/1", "models:/net/30").parts if part.name == "metrics"
        )
        assert {row[-1] for row in same.rows} == {"same"}
