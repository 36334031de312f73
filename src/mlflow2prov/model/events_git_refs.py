"""The events of branches and tags of a Git history (``provenance-model``, part Git)."""

from __future__ import annotations

from mlflow2prov.model.declare import (
    REPOSITORY,
    Element,
    Event,
    associated,
    derived,
    generated,
    informed,
    text,
)

BRANCHES = Event(
    name="branches",
    doc="A branch points at a commit, and so at its tree.",
    rows="""
        SELECT x.prefix, g.name, g.commit, t.tree_ref, min(g.full_name) AS full_name FROM git_ref g
        JOIN repository_prefixes x ON x.repository = g.repository
        JOIN source_trees t ON t.commit = g.commit
        WHERE g.kind = 'branch' GROUP BY ALL ORDER BY x.prefix, full_name
    """,
    elements={
        "branch_ref": Element(
            kind="entity",
            prefix=REPOSITORY,
            name=("Branch", "name", "=commit"),
            types=("m2p:Branch",),
            label="name",
            attributes={"name": text("name", always=True), "commit": text("commit", always=True)},
        )
    },
    relations=(derived("branch_ref", "tree_ref"),),
)

TAGS = Event(
    name="tags",
    doc="A tag names a commit; an annotated one was made by its tagger.",
    rows="""
        SELECT DISTINCT ON (x.prefix, g.name, g.commit) x.prefix, g.*, t.tree_ref, c.commit_ref, p.person_ref AS tagger_ref,
               instant_s(g.tagged_s) AS tagged
        FROM git_ref g
        JOIN repository_prefixes x ON x.repository = g.repository
        JOIN source_trees t ON t.commit = g.commit
        JOIN commits c ON c.commit = g.commit
        LEFT JOIN people p ON g.is_annotated AND p.person_key = person(g.tagger_email, NULL, g.tagger_name)
        WHERE g.kind = 'tag' ORDER BY x.prefix, g.full_name, g.name, g.commit
    """,
    elements={
        "tag_ref": Element(
            kind="entity",
            prefix=REPOSITORY,
            name=("Tag", "name", "=commit"),
            types=("m2p:Tag",),
            label="name",
            attributes={
                "name": text("name", always=True),
                "commit": text("commit", always=True),
                "message": text("present(message)"),
                "tagger": text("coalesce(present(tagger_name), present(tagger_email))"),
                "signature_status": text("signature_status"),
            },
        ),
        "tag_creation_ref": Element(
            kind="activity",
            prefix=REPOSITORY,
            name=("TagCreation", "name", "=commit"),
            types=("m2p:TagCreation",),
            label="concat('tag ', name)",
            start="tagged",
            end="tagged",
            when="is_annotated",
            attributes={"signature_status": text("signature_status")},
        ),
    },
    relations=(
        derived("tag_ref", "tree_ref"),
        generated("tag_ref", "tag_creation_ref", "Tag", "tagged"),
        associated("tag_creation_ref", "tagger_ref", "Tagger"),
        informed("tag_creation_ref", "CASE WHEN is_annotated THEN commit_ref END"),
    ),
)
