"""The events of data under version control: by DVC and Git LFS, and the datasets of runs that it is."""

from __future__ import annotations

from dataclasses import replace

from mlflow2prov.model.declare import (
    Element,
    Event,
    alternate,
    associated,
    attributed,
    derived,
    generated,
    informed,
    integer,
    lexical,
    member,
    text,
    used,
)

_NAME = "regexp_extract(path, '[^/]*$')"

DATA_REVISIONS = Event(
    name="data_revisions",
    doc="A commit named data by its content, in a file of DVC or a pointer of Git LFS; or a run of a stage made it.",
    rows="""
        WITH said AS (
            SELECT data, min(commit) AS commit, min(path) AS path, min(path_bytes) AS path_bytes,
                   first(named_in ORDER BY tool, named_in) AS named_in,
                   first(named_in_bytes ORDER BY tool, named_in) AS named_in_bytes,
                   bool_or(role = 'tracked') AND NOT bool_or(role = 'output') AS is_tracked,
                   bool_or(tool = 'lfs') AS is_lfs, max(imported_from) AS imported_from,
                   max(rev_lock) AS rev_lock, max(md5) AS md5, max(sha256) AS sha256, max(etag) AS etag,
                   max(checksum) AS checksum, max(version_id) AS version_id,
                   max(file_count) AS file_count,
                   coalesce(max(remote_path) FILTER (tool = 'dvc'), max(remote_path)) AS remote_path,
                   first(size_bytes ORDER BY tool, size_bytes) AS size_bytes
            FROM git_data GROUP BY data
        ), called AS (
            SELECT data, list_sort(list(DISTINCT name)) AS artifact_names,
                   list_sort(list(DISTINCT type)) AS artifact_types
            FROM git_data_artifact GROUP BY data
        )
        SELECT s.*, n.artifact_names, n.artifact_types,
               parts_of_key(s.data) AS data_key, r.revision_ref AS named_in_ref, c.commit_ref, c.authored,
               c.author_ref, l.revision_ref AS pointer_ref
        FROM said s
        LEFT JOIN called n ON n.data = s.data
        JOIN commits c ON c.commit = s.commit
        LEFT JOIN revisions r ON r.commit = s.commit
            AND r.path_key = path_part(s.named_in, s.named_in_bytes)
        LEFT JOIN revisions l ON s.is_lfs AND l.commit = s.commit AND l.path_key = path_part(s.path, s.path_bytes)
        ORDER BY data_key
    """,
    elements={
        "data_ref": Element(
            kind="entity",
            prefix="git",
            name=("DataRevision", "=data_key"),
            types=("m2p:DataRevision", "=CASE WHEN file_count IS NOT NULL THEN 'prov:Collection' END"),
            label=f"concat(coalesce(present({_NAME}), path), ' @ ', left(commit, 7))",
            attributes={
                "name": text(f"present({_NAME})"),
                "path": text("path", always=True),
                "path_bytes": lexical("base64(path_bytes)", "xsd:base64Binary"),
                "commit": text("commit", always=True),
                "md5": text("md5"),
                "sha256": text("sha256"),
                "etag": text("etag"),
                "checksum": text("checksum"),
                "file_size": integer("size_bytes"),
                "file_count": integer("file_count"),
                "remote_path": text("remote_path"),
                "version_id": text("version_id"),
                "imported_from": text("imported_from"),
                "rev_lock": text("rev_lock"),
                "artifact_name": text("coalesce(artifact_names, [])", many=True),
                "artifact_type": text("coalesce(artifact_types, [])", many=True),
            },
        )
    },
    relations=(
        replace(generated("data_ref", "commit_ref", "DataRevision", "authored"), when="is_tracked"),
        replace(attributed("data_ref", "author_ref"), when="is_tracked"),
        derived("data_ref", "named_in_ref"),
        replace(derived("data_ref", "pointer_ref"), when="pointer_ref IS DISTINCT FROM named_in_ref"),
    ),
)

CONTENTS = Event(
    name="contents",
    doc="The content of data is one dataset for each digest, whatever commits it came with.",
    rows="""
        SELECT algorithm, digest, min(size_bytes) AS size_bytes FROM (
            SELECT 'md5' AS algorithm, md5 AS digest, CASE WHEN NOT is_lfs THEN size_bytes END AS size_bytes
            FROM data_revisions WHERE md5 IS NOT NULL
            UNION ALL SELECT 'sha256', sha256, size_bytes FROM data_revisions WHERE sha256 IS NOT NULL
        ) GROUP BY ALL ORDER BY ALL
    """,
    elements={
        "content_ref": Element(
            kind="entity",
            prefix="git",
            name=("Dataset", "algorithm", "digest"),
            types=("m2p:Dataset",),
            label="concat(algorithm, ' ', left(digest, 8))",
            attributes={
                "digest": text("digest", always=True),
                "md5": text("CASE WHEN algorithm = 'md5' THEN digest END"),
                "sha256": text("CASE WHEN algorithm = 'sha256' THEN digest END"),
                "file_size": integer("size_bytes"),
            },
        )
    },
)

DATA_CONTENTS = Event(
    name="data_contents",
    doc="Data is an alternate of the dataset that its content is.",
    rows="""
        SELECT d.data_ref, c.content_ref FROM data_revisions d JOIN contents c
            ON (c.algorithm = 'md5' AND c.digest = d.md5) OR (c.algorithm = 'sha256' AND c.digest = d.sha256)
        ORDER BY ALL
    """,
    relations=(alternate("data_ref", "content_ref"),),
)

DATA_LINKS = Event(
    name="data_links",
    doc="Data comes from the data before it or from other data, holds data, or is a file of the tree.",
    rows="""
        SELECT DISTINCT d.data_ref, l.kind, o.data_ref AS other_ref, r.revision_ref AS same_file_ref
        FROM git_data_link l
        JOIN data_revisions d ON d.data = l.data
        LEFT JOIN data_revisions o ON o.data = l.other
        LEFT JOIN revisions r ON r.commit = l.commit AND r.path_key = path_part(l.path, l.path_bytes)
        UNION
        SELECT d.data_ref, 'revision', o.data_ref, NULL
        FROM derivations x
        JOIN data_revisions d ON d.pointer_ref = x.revision_ref AND NOT x.is_copy
        JOIN data_revisions o ON o.pointer_ref = x.previous_ref
        ORDER BY ALL
    """,
    relations=(
        replace(
            derived("data_ref", "other_ref", types=("prov:Revision",)),
            when="kind = 'revision'",
        ),
        replace(derived("data_ref", "other_ref"), when="kind = 'source'"),
        replace(member("data_ref", "other_ref"), when="kind = 'member'"),
        replace(alternate("data_ref", "same_file_ref"), when="kind = 'file'"),
    ),
)

STAGE_RUNS = Event(
    name="stage_runs",
    doc="A stage of DVC was run, as a commit was the first to record.",
    rows="""
        SELECT s.*, parts_of_key(s.stage) AS stage_key, c.commit_ref, c.author_ref, p.revision_ref AS plan_ref
        FROM git_stage_run s
        JOIN commits c ON c.commit = s.commit
        LEFT JOIN revisions p ON p.commit = s.plan_commit
            AND p.path_key = path_part(s.plan_path, s.plan_path_bytes)
        ORDER BY stage_key
    """,
    elements={
        "stage_run_ref": Element(
            kind="activity",
            prefix="git",
            name=("StageRun", "=stage_key"),
            types=("m2p:StageRun",),
            label="concat(coalesce(name, named_in), ' @ ', left(commit, 7))",
            attributes={
                "name": text("name"),
                "path": text("named_in", always=True),
                "path_bytes": lexical("base64(named_in_bytes)", "xsd:base64Binary"),
                "commit": text("commit", always=True),
                "command": text("command"),
                "parameter": text("params", many=True),
            },
        )
    },
    relations=(
        informed("stage_run_ref", "commit_ref"),
        associated("stage_run_ref", "author_ref", "StageRunAuthor", plan="plan_ref"),
    ),
)

STAGE_DATA = Event(
    name="stage_data",
    doc="A run of a stage used its dependencies and files of parameters, and made its outputs.",
    rows="""
        SELECT DISTINCT s.stage_run_ref, g.direction, d.data_ref, r.revision_ref AS params_ref
        FROM git_stage_data g
        JOIN stage_runs s ON s.stage = g.stage
        LEFT JOIN data_revisions d ON d.data = g.data
        LEFT JOIN revisions r ON r.commit = g.commit AND r.path_key = path_part(g.path, g.path_bytes)
        ORDER BY ALL
    """,
    relations=(
        replace(used("stage_run_ref", "data_ref", "Dependency"), when="direction = 'used'"),
        used("stage_run_ref", "params_ref", "Parameters"),
        replace(generated("data_ref", "stage_run_ref", "Output"), when="direction = 'made'"),
    ),
)

STAGE_DERIVATIONS = Event(
    name="stage_derivations",
    doc="What a run of a stage made derives from each of its dependencies.",
    rows="""
        SELECT made.stage_run_ref, made.data_ref, taken.data_ref AS other_ref
        FROM stage_data made JOIN stage_data taken ON taken.stage_run_ref = made.stage_run_ref
        WHERE made.direction = 'made' AND taken.direction = 'used'
        ORDER BY ALL
    """,
    relations=(derived("data_ref", "other_ref", "stage_run_ref"),),
)

DATASET_PLACES = Event(
    name="dataset_places",
    doc="What of the repository a dataset is, at each commit of a run that took it in.",
    rows="""
        SELECT DISTINCT m.commit, m.name, m.digest, d.dataset_ref,
               coalesce(a.data_ref, l.data_ref, r.revision_ref) AS matched_ref
        FROM git_dataset_match m
        JOIN datasets d ON d.name = m.name AND d.digest = m.digest
        LEFT JOIN data_revisions a ON a.data = m.data
        LEFT JOIN revisions r ON r.commit = m.revision_commit AND r.path_key = path_part(m.path, m.path_bytes)
        LEFT JOIN data_revisions l ON l.pointer_ref = r.revision_ref
        WHERE coalesce(a.data_ref, l.data_ref, r.revision_ref) IS NOT NULL
        ORDER BY ALL
    """,
)

DATASET_MATCHES = Event(
    name="dataset_matches",
    doc="A dataset that a run took in is an alternate of the data, or of the file, that it is: at the run's commit, or at "
    "one that its URL names.",
    rows="SELECT DISTINCT dataset_ref, matched_ref FROM dataset_places ORDER BY ALL",
    relations=(alternate("dataset_ref", "matched_ref"),),
)

DATA_INPUTS = Event(
    name="data_inputs",
    doc="A run used the data, or the file, that a dataset of it is at its commit, or at one that the dataset's URL names.",
    rows="""
        SELECT DISTINCT r.creation_ref, p.matched_ref
        FROM dataset_places p
        JOIN runs r ON r.source_git_commit = p.commit
        JOIN mlflow_dataset_input i ON i.run_id = r.run_id AND i.name = p.name AND i.digest = p.digest
        ORDER BY ALL
    """,
    relations=(used("creation_ref", "matched_ref", "InputData"),),
)

DATA_EVENTS = (
    DATA_REVISIONS,
    CONTENTS,
    DATA_CONTENTS,
    DATA_LINKS,
    STAGE_RUNS,
    STAGE_DATA,
    STAGE_DERIVATIONS,
)
"""In an order in which each reads only rows of those before it, and of those of Git."""

DATASET_EVENTS = (DATASET_PLACES, DATASET_MATCHES, DATA_INPUTS)
"""Likewise, of those before and of the datasets of runs."""
