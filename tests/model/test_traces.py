"""Traces, spans, assessments and evaluation datasets in a document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.model.made_stores import document_of, found, of_type, related, tags
from tests.model.test_entities import prompt
from tests.sources.mlflow.trace_rows import assessment, evaluation_dataset, span, trace, trace_tags

from mlflow2prov import extract
from mlflow2prov.errors import UsageError

OF_R1 = {"mlflow__sourceRun": "r1", "mlflow__modelId": "m-1"}


def test_traces_are_counted_by_default(tmp_path: Path) -> None:
    rows = [*trace("t1", **OF_R1), *trace("t2", **OF_R1), *trace("t3"), span("t1", "a")]
    document = document_of(tmp_path, *rows)
    assert of_type(document, "Run")["Run.r1"]["trace_count"] == "2"
    assert of_type(document, "LoggedModel")["LoggedModel.m-2D1"]["trace_count"] == "2"
    assert of_type(document, "Experiment")["Experiment.7"]["trace_count"] == "3"
    assert "trace_count" not in of_type(document, "Run")["Run.r2"]
    assert not of_type(document, "Trace") and not of_type(document, "Span")
    without = document_of(tmp_path, *rows, skip=["artifacts", "traces"])
    assert "trace_count" not in json.dumps(without)


def test_traces_are_told_where_that_is_asked_for(tmp_path: Path) -> None:
    linked = '[{"name": "ask", "version": "1"}]'
    document = document_of(
        tmp_path,
        *prompt("ask", "Say {{ it }}"),
        *trace("t1", **OF_R1, mlflow__user="bob", mlflow__trace__user="zoe", mlflow__trace__session="s"),
        *trace_tags("t1", mlflow__traceName="answer", team="red", mlflow__linkedPrompts=linked),
        span("t1", "a"),
        *trace("t2", started_ms=0),
        traces=True,
    )
    told = of_type(document, "Trace")
    assert told["Trace.t1"] == {
        "startTime": "1970-01-01T00:00:01.000Z",
        "endTime": "1970-01-01T00:00:01.250Z",
        "type": "m2p:Trace",
        "label": "trace answer",
        "trace_id": "t1",
        "experiment_id": "7",
        "name": "answer",
        "status": "OK",
        "session": "s",
        "request_user": "zoe",
        "trace_size": "321",
        "request_size": str(len('{"q": "wie schön?"}'.encode())),
        "response_size": str(len('"SECRET answer"')),
        "tag": "team = red",
    }
    assert "startTime" not in told["Trace.t2"] and "request_size" not in told["Trace.t2"]
    assert of_type(document, "Run")["Run.r1"]["trace_count"] == "1"
    assert ("Trace.t1", "Creation.run--r1") in related(document, "wasInformedBy")
    assert related(document, "used", role="m2p:TracedModel") == {("Trace.t1", "LoggedModel.m-2D1")}
    assert related(document, "used", role="m2p:Prompt") == {("Trace.t1", "RegisteredModelVersion.ask--7--1")}
    assert related(document, "wasAssociatedWith", role="m2p:TraceAuthor") == {("Trace.t1", "User.bob")}
    assert "SECRET" not in json.dumps(document)


def test_a_span_is_started_by_the_span_around_it(tmp_path: Path) -> None:
    document = document_of(
        tmp_path,
        *trace("t1"),
        span("t1", "a", type="UNKNOWN"),
        span("t1", "b", "a", end_time_unix_nano=None),
        span("t1", "lost", "nobody"),
        span("t1", "self", "self"),
        *trace("t2"),
        span("t2", "a"),
        traces=True,
    )
    spans = of_type(document, "Span")
    assert spans["Span.t1--b"] == {
        "startTime": "1970-01-01T00:00:01.001Z",
        "type": "m2p:Span",
        "label": "span step b",
        "span_id": "b",
        "name": "step b",
        "span_type": "TOOL",
        "status": "OK",
    }
    assert "span_type" not in spans["Span.t1--a"] and "endTime" in spans["Span.t1--a"]
    started = {(one["activity"], one["starter"], one["time"]) for one in found(document, "wasStartedBy")}
    at = "1970-01-01T00:00:01.001Z"
    assert started == {
        ("mlflow:Span.t1--a", "mlflow:Trace.t1", at),
        ("mlflow:Span.t1--b", "mlflow:Span.t1--a", at),
        ("mlflow:Span.t1--lost", "mlflow:Trace.t1", at),
        ("mlflow:Span.t1--self", "mlflow:Trace.t1", at),
        ("mlflow:Span.t2--a", "mlflow:Trace.t2", at),
    }


def test_an_assessment_is_made_by_a_person_a_model_or_a_program(tmp_path: Path) -> None:
    document = document_of(
        tmp_path,
        *trace("t1"),
        span("t1", "a"),
        assessment("t1", "h", source_id="Ada@Example.org", value='"quite good"', rationale="why not"),
        assessment("t1", "j", source_type="AI_JUDGE", source_id="judge", value="1.0", span_id="a"),
        assessment("t1", "c", source_type="CODE", source_id="f", run_id="r2", overrides="j"),
        assessment("t1", "x", overrides="y"),
        assessment("t1", "y", overrides="x", value='"see https\\u003a//ada:pass\\u0040host.org"'),
        assessment("t1", "n", value="null", error='{"error_code": "TIMEOUT"}', valid=0),
        traces=True,
    )
    told = of_type(document, "Assessment")
    assert [told[f"Assessment.{word}"].get("value") for word in "hjcn"] == ["quite good", "1", "true", None]
    assert told["Assessment.h"]["rationale"] == "why not"
    assert told["Assessment.y"]["value"] == "see https://host.org"
    assert (told["Assessment.n"]["error_code"], told["Assessment.n"]["is_valid"]) == ("TIMEOUT", "false")
    assert related(document, "wasAttributedTo") >= {
        ("Assessment.h", "User.ada-40example.org"),
        ("Assessment.j", "Assessor.LLM_JUDGE--judge"),
        ("Assessment.c", "Assessor.CODE--f"),
    }
    assert not [pair for pair in related(document, "wasAttributedTo") if pair[0] == "Assessment.n"]
    informed = {pair for pair in related(document, "wasInformedBy") if "assessment" in pair[0]}
    assert informed == {
        *((f"Creation.assessment--{word}", "Trace.t1") for word in "hcnxy"),
        ("Creation.assessment--j", "Span.t1--a"),
        ("Creation.assessment--c", "Creation.run--r2"),
    }
    derivations = [pair for pair in related(document, "wasDerivedFrom") if "Assessment" in pair[0]]
    assert len(derivations) == 1, "two that override each other can't both be older"
    (derivation,) = found(document, "wasDerivedFrom", generatedEntity="mlflow:Assessment.c")
    assert (derivation["usedEntity"], derivation["type"]) == ("mlflow:Assessment.j", "prov:Revision")


def test_what_traces_name_and_nobody_has_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lost = {"mlflow__sourceRun": "gone", "mlflow__modelId": "gone"}
    rows = [*trace("t1", **lost), *trace_tags("t1", mlflow__linkedPrompts='[{"name": "x", "version": 1}]')]
    document_of(tmp_path, *rows, traces=True)
    for words in ("traces of runs", "traces of logged models", "links from traces to versions of prompts"):
        assert f"{words} that the" in caplog.text


def test_an_evaluation_dataset_is_made_by_its_author(tmp_path: Path) -> None:
    taken = {"dataset_uuid": "e", "experiment_id": 7, "name": "taken", "digest": "abc"}
    source = {"dataset_source_type": "mlflow_evaluation_dataset", "dataset_source": '{"dataset_id": "d-1"}'}
    document = document_of(tmp_path, *evaluation_dataset("d-1"), ("datasets", {**taken, **source}))
    (body,) = of_type(document, "EvaluationDataset").values()
    assert (body["name"], body["digest"], body["record_count"]) == ("questions", "abc", "2")
    assert body["last_updated_at"] == "1970-01-01T00:00:05.000Z"
    name, creation = "EvaluationDataset.d-2D1", "Creation.evaluation_dataset--d-2D1"
    (generation,) = found(document, "wasGeneratedBy", entity=f"mlflow:{name}")
    assert (generation["activity"], generation["time"]) == (f"mlflow:{creation}", "1970-01-01T00:00:04.000Z")
    assert related(document, "wasAssociatedWith", role="m2p:EvaluationDatasetAuthor") == {
        (creation, "User.ann")
    }
    assert related(document, "hadMember") >= {
        ("Experiment.7", name),
        (name, "EvaluationDatasetTag.d-2D1--team"),
    }
    assert related(document, "alternateOf") == {("Dataset.taken--abc", name)}
    assert "SECRET" not in json.dumps(document)
    without = document_of(tmp_path, *evaluation_dataset("d-1"), skip=["artifacts", "evaluation_datasets"])
    assert not of_type(without, "EvaluationDataset")


def test_traces_can_not_be_asked_for_and_skipped() -> None:
    with pytest.raises(UsageError, match="leave out one"):
        extract(mlflow_url="sqlite:///x.db", traces=True, skip=["traces"])


def test_no_credential_comes_in_with_any_of_it(tmp_path: Path) -> None:
    secret = "https://ada:HUSH@example.org/x?sig=HUSH"
    document = document_of(
        tmp_path,
        *prompt("ask", f"See {secret}"),
        *trace("t1", mlflow__user=secret, mlflow__trace__user=secret, mlflow__trace__session=secret),
        *trace_tags("t1", mlflow__traceName=secret, link=secret),
        span("t1", "a", name=secret, content=json.dumps({"attributes": {"mlflow.spanInputs": secret}})),
        assessment("t1", "h", source_id=secret, value=json.dumps(secret), rationale=secret, name=secret),
        assessment("t1", "j", source_type="CODE", source_id=secret, error=json.dumps({"error_code": secret})),
        *evaluation_dataset("d-1", name=secret, profile=json.dumps({"at": secret}), created_by=secret),
        *tags(
            "r1", BUILD_URL=secret, JENKINS_URL=secret, BUILD_USER=secret, user=secret, author_email=secret
        ),
        *tags("r1", mlflow__docker__image__uri=secret, mlflow__databricks__notebookPath=secret),
        *tags("r1", mlflow__databricks__workspaceURL=secret, mlflow__databricks__jobID=secret),
        *tags("r1", mlflow__databricks__cluster__info=json.dumps({"at": secret})),
        traces=True,
    )
    assert "HUSH" not in json.dumps(document)
    for word in (
        "Trace",
        "Span",
        "Assessor",
        "EvaluationDataset",
        "CIJob",
        "ContainerImage",
        "Notebook",
        "Job",
    ):
        assert of_type(document, word), word


@pytest.mark.parametrize("odd", ["", "null", "{", "[[]]", '{"a": 1}', '["x", 1, null]', '[{"name": []}]'])
def test_odd_json_is_taken_for_what_it_is(odd: str, tmp_path: Path) -> None:
    source = {"dataset_source": odd, "dataset_source_type": "code"}
    document = document_of(
        tmp_path,
        *trace("t1", mlflow__trace__sizeBytes=odd),
        *trace_tags("t1", mlflow__linkedPrompts=odd),
        span("t1", "a", content=odd),
        assessment("t1", "h", value=odd, error=odd),
        *tags("r1", mlflow__linkedPrompts=odd, mlflow__loggedArtifacts=odd),
        (
            "datasets",
            {"dataset_uuid": "x", "experiment_id": 7, "name": "x", "digest": "x", **source},
        ),
        traces=True,
    )
    assert "request_size" not in of_type(document, "Trace")["Trace.t1"]
    assert "source_uri" not in of_type(document, "Dataset")["Dataset.x--x"]


def test_a_trace_in_progress_has_no_end(tmp_path: Path) -> None:
    info = {"request_id": "t9", "experiment_id": 7, "timestamp_ms": 5, "execution_time_ms": 0}
    document = document_of(tmp_path, ("trace_info", {**info, "status": "IN_PROGRESS"}), traces=True)
    (told,) = of_type(document, "Trace").values()
    assert told["startTime"] == "1970-01-01T00:00:00.005Z"
    assert "endTime" not in told


def test_an_assessment_belongs_to_the_run_that_its_metadata_name(tmp_path: Path) -> None:
    metadata = {
        "a1": json.dumps({"mlflow.assessment.scorerDigest": "x", "mlflow.assessment.sourceRunId": "r1"}),
        "a2": "no JSON",
        "a3": "[1]",
        "a4": "",
    }
    rows = [*trace("t1"), assessment("t1", "a0", run_id="r2", assessment_metadata=metadata["a1"])]
    rows += [assessment("t1", name, assessment_metadata=text) for name, text in metadata.items()]
    document = document_of(tmp_path, *rows, traces=True)
    informed = related(document, "wasInformedBy")
    assert {it for it in informed if it[1].startswith("Creation.run")} == {
        ("Creation.assessment--a0", "Creation.run--r2"),
        ("Creation.assessment--a1", "Creation.run--r1"),
    }


def test_spans_that_are_in_the_database_and_among_artifacts_are_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    folder.mkdir()
    attributes = {"mlflow.spanInputs": '{"q": "other"}', "mlflow.spanOutputs": "1"}
    one = {"name": "file", "context": {"span_id": "0xa", "trace_id": "1"}, "parent_id": None}
    one |= {"start_time": 1, "end_time": 2, "status_code": "OK", "status_message": "", "events": []}
    (folder / "traces.json").write_text(json.dumps({"spans": [{**one, "attributes": attributes}]}))
    places = [
        *trace_tags("t1", mlflow__artifactLocation=str(folder)),
        *trace_tags("t2", mlflow__artifactLocation=str(folder)),
    ]
    document = document_of(tmp_path, *trace("t1"), *trace("t2"), *places, span("t1", "a"), traces=True)
    traces = of_type(document, "Trace")
    assert {name: it["request_size"] for name, it in traces.items()} == {"Trace.t1": "20", "Trace.t2": "14"}
    assert sum(".t1--" in name for name in of_type(document, "Span")) == 1
