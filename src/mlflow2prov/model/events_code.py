"""The events of code beyond a run's entry point: what that imports, and work trees that were not clean."""

from __future__ import annotations

from dataclasses import replace

from mlflow2prov.model.declare import (
    Element,
    Event,
    attributed,
    derived,
    flag,
    informed,
    integer,
    text,
    used,
)

MOST_CHARACTERS = 100_000
"""Of a diff, no more than these are told."""

TAG_CHARACTERS = 8_000
"""Where MLflow cuts off a tag that is longer."""

LOWER_BOUND = {"is_lower_bound": flag("CASE WHEN work_tree = 'dirty' THEN true END")}
"""What marks the use of a revision by a run whose work tree had more than its commit."""

IMPORTS = Event(
    name="imports",
    doc="A file imports others, at a commit.",
    rows="""
        SELECT i.commit, path_part(i.entry_path, i.entry_path_bytes) AS entry_key, v.revision_ref AS module_ref
        FROM git_import i
        JOIN revisions v ON v.commit = i.revision_commit AND v.path_key = path_part(i.path, i.path_bytes)
    """,
)

IMPORTED_MODULES = Event(
    name="imported_modules",
    doc="A run used the files of the repository that its entry point imports.",
    rows="""
        SELECT DISTINCT r.creation_ref, r.work_tree, i.module_ref
        FROM runs r JOIN imports i ON i.commit = r.source_git_commit AND i.entry_key = r.entry_key
        ORDER BY ALL
    """,
    relations=(replace(used("creation_ref", "module_ref", "ImportedModule"), attributes=LOWER_BOUND),),
)

MODEL_CODE = Event(
    name="model_code",
    doc="A logged model that was made outside any run came out of the commit that it names.",
    rows="""
        SELECT l.own_creation_ref, l.work_tree, c.commit_ref, t.tree_ref
        FROM logged_models l
        JOIN commits c ON c.commit = l.source_git_commit
        JOIN source_trees t ON t.commit = l.source_git_commit
        WHERE l.own_creation_ref IS NOT NULL ORDER BY ALL
    """,
    relations=(
        informed("own_creation_ref", "commit_ref"),
        replace(used("own_creation_ref", "tree_ref", "SourceCode"), attributes=LOWER_BOUND),
    ),
)

WORK_TREE_DIFFS = Event(
    name="work_tree_diffs",
    doc="What a work tree had beyond its commit, where MLflow recorded that.",
    rows=f"""
        WITH told AS (
            SELECT 'run' AS owner, t.run_id AS owner_id, t.value, r.source_git_commit AS commit, r.creation_ref, r.user_ref
            FROM mlflow_tag t JOIN runs r ON r.run_id = t.run_id
            WHERE t.key = 'mlflow.source.git.diff'
            UNION ALL
            SELECT 'logged_model', t.model_id, t.value, l.source_git_commit,
                   coalesce(l.run_creation_ref, l.own_creation_ref), l.user_ref
            FROM mlflow_logged_model_tag t JOIN logged_models l ON l.model_id = t.model_id
            WHERE t.key = 'mlflow.source.git.diff'
        )
        SELECT owner, owner_id, told.commit, creation_ref, user_ref, length(value) AS size,
               left(without_secrets(value), {MOST_CHARACTERS}) AS diff,
               length(value) = {TAG_CHARACTERS} OR length(value) > {MOST_CHARACTERS} AS is_cut, t.tree_ref
        FROM told LEFT JOIN source_trees t ON t.commit = told.commit
        WHERE value <> '' ORDER BY owner, owner_id
    """,
    elements={
        "diff_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("WorkTreeDiff", "owner", "owner_id"),
            types=("m2p:WorkTreeDiff",),
            label="concat_ws(' @ ', 'changes', left(commit, 7))",
            attributes={
                "commit": text("commit"),
                "diff": text("diff", always=True),
                "diff_size": integer("size", always=True),
                "is_truncated": flag("CASE WHEN is_cut THEN true END"),
            },
        )
    },
    relations=(
        derived("diff_ref", "tree_ref"),
        used("creation_ref", "diff_ref", "WorkTreeDiff"),
        attributed("diff_ref", "user_ref"),
    ),
)

CODE_EVENTS = (IMPORTS, IMPORTED_MODULES, MODEL_CODE, WORK_TREE_DIFFS)
"""In an order in which each reads only rows of those before it, and of runs and logged models."""
