"""The source tables of MLflow, whichever way into a store fills them."""

from __future__ import annotations

from mlflow2prov.sources.table_kinds import Kind
from mlflow2prov.sources.table_kinds import declared as _table

_NAME, _TEXT, _BYTES, _INT, _FLOAT, _FLAG, _TEXTS, _ = Kind

MLFLOW = (
    _table(
        "mlflow_store",
        "the store itself, one row for each",
        uri=_TEXT,  # without credentials
        mlflow_version=_TEXT,
        schema_version=_NAME,
    ),
    _table(
        "mlflow_selected",
        "what a selection chose, none where everything is read; what comes with it is not told",
        kind=_NAME,  # experiment or run; beyond: a logged model that was made by a run that is not read
        id=_NAME,
    ),
    _table(
        "mlflow_experiment",
        "an experiment",
        experiment_id=_NAME,
        name=_TEXT,
        artifact_location=_TEXT,
        lifecycle_stage=_TEXT,
        created_ms=_INT,
        last_updated_ms=_INT,
    ),
    _table("mlflow_experiment_tag", "a tag of an experiment", experiment_id=_NAME, key=_TEXT, value=_TEXT),
    _table(
        "mlflow_run",
        "a run",
        run_id=_NAME,
        experiment_id=_NAME,
        name=_TEXT,
        user_id=_TEXT,
        status=_TEXT,  # RUNNING SCHEDULED FINISHED FAILED KILLED
        lifecycle_stage=_TEXT,  # active or deleted
        start_ms=_INT,
        end_ms=_INT,
        deleted_ms=_INT,
        artifact_uri=_TEXT,
    ),
    _table("mlflow_param", "a parameter of a run", run_id=_NAME, key=_TEXT, value=_TEXT),
    _table("mlflow_tag", "a tag of a run", run_id=_NAME, key=_TEXT, value=_TEXT),
    _table(
        "mlflow_metric",
        "a logged point of a metric of a run",
        run_id=_NAME,
        key=_TEXT,
        step=_INT,
        timestamp_ms=_INT,
        value=_FLOAT,  # NaN and the infinities are themselves
    ),
    _table(
        "mlflow_dataset",
        "a dataset",
        experiment_id=_NAME,
        name=_TEXT,
        digest=_TEXT,
        source_type=_TEXT,
        source=_TEXT,
        schema=_TEXT,
        profile=_TEXT,
    ),
    _table(
        "mlflow_dataset_input",
        "a dataset that a run took in, one row for each context and each other tag (NULL where it has none)",
        run_id=_NAME,
        name=_TEXT,
        digest=_TEXT,
        context=_TEXT,
        tag=_TEXT,
        tag_value=_TEXT,
    ),
    _table(
        "mlflow_logged_model",
        "a logged model (MLflow 3)",
        model_id=_NAME,
        experiment_id=_NAME,
        name=_TEXT,
        artifact_location=_TEXT,
        created_ms=_INT,
        last_updated_ms=_INT,
        status=_TEXT,  # PENDING READY UPLOAD_FAILED UNSPECIFIED
        status_message=_TEXT,
        lifecycle_stage=_TEXT,
        model_type=_TEXT,
        source_run_id=_NAME,
        source_git_commit=_TEXT,  # this and the next one as its tags tell, and known of each model that is read
        is_dirty=_TEXT,  # true or false
    ),
    _table(
        "mlflow_logged_model_param", "a parameter of a logged model", model_id=_NAME, key=_TEXT, value=_TEXT
    ),
    _table("mlflow_logged_model_tag", "a tag of a logged model", model_id=_NAME, key=_TEXT, value=_TEXT),
    _table(
        "mlflow_logged_model_metric",
        "a logged point of a metric of a logged model",
        model_id=_NAME,
        run_id=_NAME,
        key=_TEXT,
        step=_INT,
        timestamp_ms=_INT,
        value=_FLOAT,
        dataset_name=_TEXT,
        dataset_digest=_TEXT,
    ),
    _table(
        "mlflow_model_link",
        "a logged model that a run took in or put out",
        run_id=_NAME,
        model_id=_NAME,
        direction=_NAME,  # input or output
        step=_INT,
    ),
    _table(
        "mlflow_registered_model",
        "a registered model",
        workspace=_NAME,  # `default` where the store has none
        name=_TEXT,
        description=_TEXT,
        created_ms=_INT,
        last_updated_ms=_INT,
    ),
    _table(
        "mlflow_registered_model_tag",
        "a tag of a registered model",
        workspace=_NAME,
        name=_TEXT,
        key=_TEXT,
        value=_TEXT,
    ),
    _table(
        "mlflow_registered_model_alias",
        "an alias and the version it points at",
        workspace=_NAME,
        name=_TEXT,
        alias=_TEXT,
        version=_INT,
    ),
    _table(
        "mlflow_model_version",
        "a version of a registered model, deleted ones included where the store still knows them",
        workspace=_NAME,
        name=_TEXT,
        version=_INT,
        created_ms=_INT,
        last_updated_ms=_INT,
        description=_TEXT,
        user_id=_TEXT,
        stage=_TEXT,  # None Staging Production Archived; NULL for a deleted one
        source=_TEXT,  # a redacted value is NULL, not the word
        run_id=_NAME,
        model_id=_NAME,
        status=_TEXT,
        status_message=_TEXT,
        run_link=_TEXT,
        storage_location=_TEXT,
        is_deleted=_FLAG,
        is_inferred=_FLAG,  # concluded from a gap in the numbers
        deleted_ms=_INT,
    ),
    _table(
        "mlflow_model_version_tag",
        "a tag of a version of a registered model",
        workspace=_NAME,
        name=_TEXT,
        version=_INT,
        key=_TEXT,
        value=_TEXT,
    ),
    _table(
        "mlflow_artifact",
        "a file or folder among the artifacts of a run or of a logged model",
        owner=_NAME,  # run or logged_model
        owner_id=_NAME,
        path=_NAME,  # relative, with slashes, no leading or trailing one
        is_dir=_FLAG,
        size_bytes=_INT,
        path_bytes=_BYTES,  # the exact path, only where `path` is not exact
        digest=_NAME,  # SHA-256 of the content in hexadecimal digits, where digests are asked for
    ),
    _table(
        "mlflow_model_file",
        "an MLmodel file and what stands beside it, read",
        owner=_NAME,
        owner_id=_NAME,
        path=_NAME,  # of the folder that holds MLmodel; empty for the root
        path_bytes=_BYTES,
        flavors=_TEXTS,  # sorted
        signature_inputs=_TEXT,
        signature_outputs=_TEXT,
        model_uuid=_TEXT,
        mlflow_version=_TEXT,
        created_ms=_INT,
        python_version=_TEXT,
        requirements=_TEXTS,  # of requirements.txt, else conda.yaml; stripped, sorted, without comments; NULL if unknown
    ),
    _table(
        "mlflow_trace_count",
        "how many traces an experiment, a run or a logged model has",
        owner=_NAME,  # experiment, run or logged_model
        owner_id=_NAME,
        traces=_INT,
    ),
    _table(
        "mlflow_trace",
        "a trace, where traces are asked for",
        trace_id=_NAME,
        experiment_id=_NAME,
        name=_TEXT,
        started_ms=_INT,
        duration_ms=_INT,
        status=_TEXT,  # OK ERROR IN_PROGRESS
        session_id=_TEXT,
    ),
    _table("mlflow_trace_tag", "a tag of a trace", trace_id=_NAME, key=_TEXT, value=_TEXT),
    _table(
        "mlflow_trace_metadata",
        "what MLflow keeps of a trace besides, but for what went in and came out",
        trace_id=_NAME,
        key=_TEXT,
        value=_TEXT,
    ),
    _table(
        "mlflow_span",
        "a span of a trace",
        trace_id=_NAME,
        span_id=_NAME,  # 16 hexadecimal digits
        parent_id=_NAME,
        name=_TEXT,
        type=_TEXT,  # NULL where nobody said
        status=_TEXT,  # OK ERROR UNSET
        started_ns=_INT,
        ended_ns=_INT,
        inputs_bytes=_INT,  # of the JSON text; of root spans only
        outputs_bytes=_INT,
        content=_NAME,  # the JSON of a root span, where the sizes are not known yet; never in a document
    ),
    _table(
        "mlflow_assessment",
        "an assessment of a trace or of a span of it",
        assessment_id=_NAME,
        trace_id=_NAME,
        span_id=_NAME,
        run_id=_NAME,
        name=_TEXT,
        type=_TEXT,  # feedback or expectation
        value=_TEXT,  # JSON
        error=_TEXT,  # JSON
        rationale=_TEXT,
        source_type=_TEXT,  # HUMAN LLM_JUDGE CODE
        source_id=_TEXT,
        overrides=_NAME,
        is_valid=_FLAG,
        created_ms=_INT,
        last_updated_ms=_INT,
    ),
    _table(
        "mlflow_evaluation_dataset",
        "an evaluation dataset",
        dataset_id=_NAME,
        name=_TEXT,
        digest=_TEXT,
        schema=_TEXT,
        profile=_TEXT,
        created_ms=_INT,
        last_updated_ms=_INT,
        created_by=_TEXT,
        last_updated_by=_TEXT,
        records=_INT,
    ),
    _table(
        "mlflow_evaluation_dataset_tag",
        "a tag of an evaluation dataset",
        dataset_id=_NAME,
        key=_TEXT,
        value=_TEXT,
    ),
    _table(
        "mlflow_evaluation_dataset_link",
        "an experiment that an evaluation dataset belongs to",
        dataset_id=_NAME,
        experiment_id=_NAME,
    ),
    _table(
        "mlflow_change",
        "what the store has forgotten: seen by two extractions with one cache, never by one alone",
        kind=_NAME,  # experiment run logged_model registered_model version evaluation_dataset trace
        owner_id=_NAME,  # the identifier of what changed; NULL where its name is one
        workspace=_NAME,
        name=_NAME,
        version=_INT,
        change=_NAME,  # forgotten (it is gone) deleted (it is marked so) replaced (a value of it)
        field=_NAME,  # what was replaced: a column, tag or alias
        key=_TEXT,  # of the tag or alias
        old=_TEXT,
        new=_TEXT,
        not_before_ms=_INT,  # when the last extraction that saw the old state began
        not_after_ms=_INT,  # when the first one that saw the new state had read it
    ),
)
"""The tables that an MLflow store fills, and the ledger of what it has forgotten."""
