"""The source tables: every plain fact that a source may yield, declared once.

A source yields ``(table name, pyarrow.RecordBatch)`` pairs whose batches have exactly the columns
declared here, in this order. Whichever way a fact was read (HTTP, database, files), it lands in the
same table, so that nothing behind the sources can tell the ways apart.

Units are in the names: ``_ms`` is milliseconds and ``_s`` seconds since 1970-01-01T00:00:00Z,
``_bytes`` a size. What a source does not know is NULL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

Batches: TypeAlias = "Iterator[tuple[str, pa.RecordBatch]]"
"""What a source yields: the name of a source table and a batch of its rows."""


class Kind(Enum):
    """The type of a source column; the value is DuckDB's name for it."""

    NAME = "VARCHAR"
    """An exact string that names something: kept to the letter."""
    TEXT = "TEXT"
    """A string for people or URLs: credentials in it are removed when it is taken in."""
    BYTES = "BLOB"
    INT = "BIGINT"
    FLOAT = "DOUBLE"
    FLAG = "BOOLEAN"
    NAMES = "VARCHAR[]"


@dataclass(frozen=True, slots=True)
class Table:
    """One source table: its name, what a row is, and its columns in order."""

    name: str
    row: str
    columns: dict[str, Kind]

    def schema(self) -> pa.Schema:
        """The Arrow schema that every batch of this table has.

        >>> SOURCE_TABLES["git_parent"].schema().names
        ['commit', 'position', 'parent']
        """
        import pyarrow as pa

        types: dict[Kind, pa.DataType] = {
            Kind.NAME: pa.string(),
            Kind.TEXT: pa.string(),
            Kind.BYTES: pa.binary(),
            Kind.INT: pa.int64(),
            Kind.FLOAT: pa.float64(),
            Kind.FLAG: pa.bool_(),
            Kind.NAMES: pa.list_(pa.string()),
        }
        return pa.schema([(name, types[kind]) for name, kind in self.columns.items()])


def _table(name: str, row: str, /, **columns: Kind) -> Table:
    return Table(name, row, columns)


_NAME, _TEXT, _BYTES, _INT, _FLOAT, _FLAG, _NAMES = Kind

_TABLES = (
    # ---- Git -----------------------------------------------------------------------------------
    _table(
        "git_repository",
        "the repository itself, one row for each",
        repository=_INT,  # its number, from 1, in the order in which repositories are given
        path=_NAME,  # absolute path of the work tree or of the bare repository
        remote=_TEXT,  # URL of `origin`, else NULL
        heads=_NAMES,  # "<sha> <full ref name>" of every ref that is history, sorted
        is_shallow=_FLAG,
        settings=_NAMES,  # what changed the way in which it was read, such as "mail map: <sha>"
    ),
    _table(
        "git_commit",
        "a commit that some ref or run reaches",
        commit=_NAME,
        tree=_NAME,
        author_name=_TEXT,
        author_email=_TEXT,
        authored_s=_INT,
        committer_name=_TEXT,
        committer_email=_TEXT,
        committed_s=_INT,
        message=_TEXT,
        signature_status=_NAME,  # good, bad, expired, revoked, unknown-key, unverified; NULL without a signature
    ),
    _table(
        "git_parent",
        "a parent of a commit, first parent at position 0",
        commit=_NAME,
        position=_INT,
        parent=_NAME,
    ),
    _table(
        "git_trailer",
        "a person named in a commit message's trailer",
        commit=_NAME,
        position=_INT,
        role=_NAME,  # CoAuthor, SignedOffBy, ReviewedBy
        name=_TEXT,
        email=_TEXT,
    ),
    _table(
        "git_revision",
        "a revision of a file that a commit made",
        commit=_NAME,
        path=_NAME,  # text for people; bytes that are not text shown as \xNN
        path_bytes=_BYTES,  # the exact path, only where `path` is not exact
        status=_NAME,  # A M R C T
        similarity=_INT,  # per cent, for R and C
        blob=_NAME,  # object name of the content
        mode=_NAME,  # file mode in octal, such as 100644
        previous_path=_NAME,  # for R and C
        previous_path_bytes=_BYTES,
        file_added_in=_NAME,  # the file that it is a revision of: the commit that added it,
        file_path=_NAME,  # and the path it was added at
        file_path_bytes=_BYTES,
        is_new_file=_FLAG,  # the commit added the file, too
    ),
    _table(
        "git_derivation",
        "a revision that another one was made from, reached along the commit's own parents",
        commit=_NAME,
        path=_NAME,
        path_bytes=_BYTES,
        position=_INT,  # of the parent that it was reached along
        previous_commit=_NAME,
        previous_path=_NAME,
        previous_path_bytes=_BYTES,
    ),
    _table(
        "git_deletion",
        "a file that a commit deleted",
        commit=_NAME,
        revision_commit=_NAME,  # the last revision of the file
        path=_NAME,
        path_bytes=_BYTES,
        file_added_in=_NAME,  # NULL, like the two below, where the file lives on under another path
        file_path=_NAME,
        file_path_bytes=_BYTES,
    ),
    _table(
        "git_merged",
        "a path of a merge at which something else stands than in its first parent, without the merge having made it",
        commit=_NAME,
        path=_NAME,
        path_bytes=_BYTES,
        revision_commit=_NAME,  # the commit that made the revision there; NULL where no file is there
    ),
    _table(
        "git_declared",
        "a name that can be run, as a revision of an MLproject file or of a Python project's settings declares it",
        commit=_NAME,
        path=_NAME,
        path_bytes=_BYTES,
        name=_TEXT,  # of a project's entry point or of a console script
        target=_TEXT,  # a command, or package.module:function
    ),
    _table(
        "git_ref",
        "a branch, or a tag that peels to a commit",
        repository=_INT,  # the number of the one whose it is
        kind=_NAME,  # branch or tag
        name=_TEXT,  # short name: main, origin/main, v1.0
        full_name=_NAME,
        commit=_NAME,
        is_annotated=_FLAG,
        message=_TEXT,
        tagger_name=_TEXT,
        tagger_email=_TEXT,
        tagged_s=_INT,
        signature_status=_NAME,  # of the tag object, likewise
    ),
    _table(
        "git_entry_point",
        "where a file that a run names as its source stood at the run's commit",
        commit=_NAME,
        source=_NAME,  # as the run spells it
        entry=_NAME,  # the entry point of a project that the run names, else empty
        candidates=_INT,  # how many files of the commit's tree could be meant
        path=_NAME,  # the file, where there is exactly one candidate
        path_bytes=_BYTES,
        revision_commit=_NAME,  # the commit that made its revision
        project_path=_NAME,  # likewise of the MLproject file that says to run it
        project_path_bytes=_BYTES,
        project_commit=_NAME,
    ),
    _table(
        "git_import",
        "a file that an entry point imports at a commit, by itself or through others",
        commit=_NAME,
        entry_path=_NAME,
        entry_path_bytes=_BYTES,
        path=_NAME,
        path_bytes=_BYTES,
        revision_commit=_NAME,
    ),
    _table(
        "git_folder",
        "a folder with all that stands below it, or a run of a wide one, in the tree of a commit that a run names",
        folder=_NAME,  # a digest of its members
        path=_NAME,
        path_bytes=_BYTES,
    ),
    _table(
        "git_member",
        "what lies right below the root of such a tree, or right below a folder",
        tree=_NAME,  # the commit whose tree it is; or
        folder=_NAME,  # the folder, with the path in git_folder
        member_folder=_NAME,  # a folder in it; or
        revision_commit=_NAME,  # the commit that made the revision of a file in it
        path=_NAME,  # of the folder or the file in it
        path_bytes=_BYTES,
    ),
    _table(
        "git_data",
        "a piece of data that a file of DVC or a pointer of Git LFS named anew at a commit",
        data=_NAME,  # names it: the commit and the path
        commit=_NAME,
        path=_NAME,  # from the root of the repository; a URL, without credentials, where it lies outside
        path_bytes=_BYTES,  # the exact path, only where `path` is not exact
        named_in=_NAME,  # the file that names it
        named_in_bytes=_BYTES,
        tool=_NAME,  # dvc or lfs
        role=_NAME,  # tracked (the commit put it in), output or dependency (of a stage), defined (in dvc.yaml)
        imported_from=_TEXT,  # URL of another repository
        rev_lock=_NAME,  # the commit of that repository
        md5=_NAME,  # that of a folder ends in .dir
        sha256=_NAME,
        etag=_NAME,
        checksum=_NAME,
        version_id=_NAME,
        size_bytes=_INT,
        file_count=_INT,  # of a folder
        remote_path=_TEXT,  # where a remote keeps the content
    ),
    _table(
        "git_data_named",
        "what a revision of a file of DVC names otherwise than its previous revision; see git_data",
        commit=_NAME,
        path=_NAME,
        path_bytes=_BYTES,
        data=_NAME,
        is_named=_FLAG,  # false of what it names no more
    ),
    _table(
        "git_data_link",
        "what a piece of data has to do with another one, or with a file of the tree",
        data=_NAME,
        kind=_NAME,  # revision (the one before), source (made from), member (has it), file (is that file)
        other=_NAME,  # the other piece of data; NULL for a file
        path=_NAME,  # the file
        path_bytes=_BYTES,
        commit=_NAME,  # the commit that made the file's revision
    ),
    _table(
        "git_stage_run",
        "a run of a stage of DVC that a commit was the first to record",
        stage=_NAME,  # names it: the commit, the file, the stage
        commit=_NAME,
        name=_TEXT,  # NULL in a .dvc file
        named_in=_NAME,
        named_in_bytes=_BYTES,
        command=_TEXT,
        params=_NAMES,  # "file: name = value", sorted
        plan_path=_NAME,  # the dvc.yaml beside it, as it stood at the commit
        plan_path_bytes=_BYTES,
        plan_commit=_NAME,
    ),
    _table(
        "git_stage_data",
        "a piece of data that a run of a stage used or made, or a file that it took parameters from",
        stage=_NAME,
        direction=_NAME,  # used, made or params
        data=_NAME,
        path=_NAME,  # the file of parameters
        path_bytes=_BYTES,
        commit=_NAME,  # the commit that made its revision
    ),
    _table(
        "git_dataset_match",
        "a dataset of a run that is data or a file of the repository at the run's commit",
        commit=_NAME,  # of the run
        name=_NAME,
        digest=_NAME,
        matched_by=_NAME,  # digest, remote_path, path or folder
        data=_NAME,  # the piece of data; NULL for a plain file
        path=_NAME,  # the file
        path_bytes=_BYTES,
        revision_commit=_NAME,  # the commit that made its revision
    ),
    # ---- MLflow --------------------------------------------------------------------------------
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
        "a dataset that a run took in, one row for each context (NULL where it has none)",
        run_id=_NAME,
        name=_TEXT,
        digest=_TEXT,
        context=_TEXT,
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
        flavors=_NAMES,  # sorted
        signature_inputs=_TEXT,
        signature_outputs=_TEXT,
        model_uuid=_TEXT,
        mlflow_version=_TEXT,
        created_ms=_INT,
        python_version=_TEXT,
        requirements=_NAMES,  # of requirements.txt, else conda.yaml; stripped, sorted, without comments; NULL if unknown
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

SOURCE_TABLES: dict[str, Table] = {table.name: table for table in _TABLES}
"""Every source table by its name."""

_PATH = ("owner", "owner_id", "path", "path_bytes")

KEYS: dict[str, tuple[str, ...]] = {
    "mlflow_experiment": ("experiment_id",),
    "mlflow_experiment_tag": ("experiment_id", "key"),
    "mlflow_run": ("run_id",),
    "mlflow_param": ("run_id", "key"),
    "mlflow_tag": ("run_id", "key"),
    "mlflow_logged_model": ("model_id",),
    "mlflow_logged_model_param": ("model_id", "key"),
    "mlflow_logged_model_tag": ("model_id", "key"),
    "mlflow_registered_model": ("workspace", "name"),
    "mlflow_registered_model_tag": ("workspace", "name", "key"),
    "mlflow_registered_model_alias": ("workspace", "name", "alias", "version"),
    "mlflow_model_version": ("workspace", "name", "version"),
    "mlflow_model_version_tag": ("workspace", "name", "version", "key"),
    "mlflow_artifact": _PATH,
    "mlflow_model_file": _PATH,
}
"""The columns that name a row, of the tables in which a name stands for one thing; no store guarantees it
(a database may have lost its keys, a server may say anything, names may differ by a credential alone)."""
