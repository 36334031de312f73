"""The events of a Git history (``provenance-model``, part Git), and the people of all sources.

Text of a history is ``ready``: it was made fit for XML when it was read.
"""

from __future__ import annotations

from dataclasses import replace

from mlflow2prov.model.declare import (
    Bulky,
    Element,
    Event,
    associated,
    attributed,
    derived,
    generated,
    informed,
    instant_s,
    integer,
    invalidated,
    lexical,
    specialization,
    text,
    used,
)
from mlflow2prov.model.events_git_refs import BRANCHES, TAGS

GIT_NAMES = Event(
    name="git_names",
    doc="How often the history names somebody, and by which address.",
    rows="""
        WITH said AS (
            SELECT author_email AS email, author_name AS full_name FROM git_commit
            UNION ALL SELECT committer_email, committer_name FROM git_commit
            UNION ALL SELECT email, name FROM git_trailer
            UNION ALL SELECT tagger_email, tagger_name FROM git_ref WHERE is_annotated
        )
        SELECT email, full_name, count(*) AS times FROM said GROUP BY ALL
    """,
)

PEOPLE = Event(
    name="people",
    doc="Everyone who authored, committed, tagged, ran or registered something, once for each e-mail address.",
    rows="""
        WITH said AS (
            SELECT email, NULL AS username, full_name, times FROM git_names
            UNION ALL SELECT NULL, username, NULL, 1 FROM mlflow_user
            UNION ALL SELECT email, NULL, full_name, 1 FROM tagged_users WHERE email IS NOT NULL
            UNION ALL SELECT email, NULL, full_name, 1 FROM ci_facts WHERE email IS NOT NULL
        )
        , counted AS (
            SELECT person(email, username, full_name) AS person_key, present(full_name) AS full_name,
                   min(lower(trim(coalesce(present(trim(email)), username)))) AS address,
                   min(username) AS username, sum(times) AS times
            FROM said GROUP BY ALL
        )
        SELECT person_key,
               CASE WHEN starts_with(person_key, 'email:') THEN min(address) END AS email,
               CASE WHEN starts_with(person_key, 'username:') THEN min(username) END AS username,
               list(full_name ORDER BY full_name) FILTER (full_name IS NOT NULL) AS names,
               first(full_name ORDER BY times DESC, full_name) FILTER (full_name IS NOT NULL) AS usual_name
        FROM counted WHERE person_key IS NOT NULL
        GROUP BY person_key ORDER BY person_key
    """,
    elements={
        "person_ref": Element(
            kind="agent",
            prefix="=CASE WHEN starts_with(person_key, 'email:') THEN 'agent'"
            " WHEN starts_with(person_key, 'username:') THEN 'mlflow' ELSE 'git' END",
            name=("User", "regexp_replace(person_key, '^[a-z]+:', '')"),
            types=("m2p:User", "prov:Person"),
            label="coalesce(usual_name, username, email)",
            attributes={
                "name": text("names", many=True),
                "email": text("email"),
                "username": text("username"),
            },
        )
    },
)

COMMITS = Event(
    name="commits",
    doc="A commit is an activity of its author and its committer.",
    rows="""
        SELECT c.*, title_of(c.message) AS title, instant_s(c.authored_s) AS authored,
               a.person_ref AS author_ref, k.person_ref AS committer_ref, m.first_parent
        FROM git_commit c
        LEFT JOIN (
            SELECT commit, max(parent) FILTER (position = 0) AS first_parent FROM git_parent
            GROUP BY commit HAVING count(*) > 1
        ) m ON m.commit = c.commit
        LEFT JOIN people a ON a.person_key = person(c.author_email, NULL, c.author_name)
        LEFT JOIN people k ON k.person_key = person(c.committer_email, NULL, c.committer_name)
        ORDER BY c.committed_s NULLS FIRST, c.commit
    """,
    bulky=Bulky(
        column="merged",
        source="git_merged",
        rows="SELECT c.n, o.merged FROM git_merged o JOIN {rows} c ON c.commit = o.commit",
    ),
    elements={
        "commit_ref": Element(
            kind="activity",
            prefix="git",
            name=("Commit", "=commit"),
            types=("m2p:Commit",),
            label="concat_ws(' ', left(commit, 7), title)",
            label_is_ready=True,
            start="authored",
            end="instant_s(committed_s)",
            attributes={
                "sha": text("commit", always=True, ready=True),
                "tree": text("tree", always=True, ready=True),
                "first_parent": text("first_parent", ready=True),
                "merged": text("merged", many=True, ready=True),
                "title": text("title", ready=True),
                "message": text("present(message)", ready=True),
                "authored_at": instant_s("authored_s"),
                "committed_at": instant_s("committed_s"),
                "swhid": text("CASE WHEN length(commit) = 40 THEN 'swh:1:rev:' || commit END", ready=True),
                "signature_status": text("signature_status", ready=True),
            },
        )
    },
    relations=(
        associated("commit_ref", "author_ref", "CommitAuthor"),
        associated("commit_ref", "committer_ref", "Committer"),
    ),
)

PARENTS = Event(
    name="parents",
    doc="A commit was informed by every parent of it.",
    rows="""
        SELECT DISTINCT c.commit_ref, p.commit_ref AS parent_ref
        FROM git_parent g JOIN commits c ON c.commit = g.commit JOIN commits p ON p.commit = g.parent
        ORDER BY ALL
    """,
    relations=(informed("commit_ref", "parent_ref"),),
)

TRAILERS = Event(
    name="trailers",
    doc="A commit is associated with the people whom its message's trailers name.",
    rows="""
        SELECT DISTINCT c.commit_ref, t.role, p.person_ref
        FROM git_trailer t JOIN commits c ON c.commit = t.commit
        JOIN people p ON p.person_key = person(t.email, NULL, t.name)
        ORDER BY ALL
    """,
    relations=(associated("commit_ref", "person_ref", "=role"),),
)

SOURCE_TREES = Event(
    name="source_trees",
    doc="The tree of every commit that a branch, a tag or a run points at.",
    rows="""
        SELECT c.commit, c.tree, c.commit_ref, c.authored FROM commits c
        SEMI JOIN (
            SELECT commit FROM git_ref
            UNION SELECT source_git_commit FROM run_facts
            UNION SELECT source_git_commit FROM model_facts
        ) wanted ON wanted.commit = c.commit
        ORDER BY c.commit_ref
    """,
    elements={
        "tree_ref": Element(
            kind="entity",
            prefix="git",
            name=("SourceTree", "=commit"),
            types=("m2p:SourceTree", "prov:Collection"),
            label="concat('tree @ ', left(commit, 7))",
            label_is_ready=True,
            attributes={
                "sha": text("tree", always=True, ready=True),
                "commit": text("commit", always=True, ready=True),
                "swhid": text("CASE WHEN length(tree) = 40 THEN 'swh:1:dir:' || tree END", ready=True),
            },
        )
    },
    relations=(generated("tree_ref", "commit_ref", "SourceTree", "authored"),),
)

_FILE_NAME = "regexp_extract({}, '[^/]*$')"

FILES = Event(
    name="files",
    doc="A commit added a file, which goes on through all its revisions and names.",
    rows="""
        SELECT r.file, r.path, r.path_bytes, path_part(r.path, r.path_bytes) AS path_key,
               r.commit AS added_in, c.commit_ref, c.authored, c.author_ref
        FROM git_revision r JOIN commits c ON c.commit = r.commit
        WHERE r.is_new_file
        ORDER BY c.commit_ref, path_key
    """,
    elements={
        "file_ref": Element(
            kind="entity",
            prefix="git",
            name=("File", "=added_in", "=path_key"),
            types=("m2p:File",),
            label=_FILE_NAME.format("path"),
            label_is_ready=True,
            attributes={
                "name": text(_FILE_NAME.format("path"), always=True, ready=True),
                "first_path": text("path", always=True, ready=True),
                "path_bytes": lexical("base64(path_bytes)", "xsd:base64Binary"),
                "added_in": text("added_in", always=True, ready=True),
            },
        )
    },
    relations=(
        generated("file_ref", "commit_ref", "File", "authored"),
        attributed("file_ref", "author_ref"),
    ),
)

REVISIONS = Event(
    name="revisions",
    doc="A commit made a revision of a file, by adding, modifying, renaming or copying it.",
    rows="""
        SELECT r.*, f.file_ref, c.commit_ref, c.authored, c.author_ref, n.names_data, n.drops_data,
               d.entry_points, d.link_target, d.link_target_bytes
        FROM (SELECT *, path_part(path, path_bytes) AS path_key FROM git_revision) r
        JOIN commits c ON c.commit = r.commit
        LEFT JOIN (
            SELECT commit, path_part(path, path_bytes) AS path_key,
                   CASE WHEN count(name) > 0 THEN to_json(map_from_entries(
                       list((name, target) ORDER BY name) FILTER (name IS NOT NULL)))::VARCHAR END AS entry_points,
                   max(link) AS link_target, max(link_bytes) AS link_target_bytes
            FROM (
                SELECT commit, path, path_bytes, name, target, NULL::VARCHAR AS link, NULL::BLOB AS link_bytes
                FROM git_declared
                UNION ALL SELECT commit, path, path_bytes, NULL, NULL, target, target_bytes FROM git_link
            ) GROUP BY ALL
        ) d ON d.commit = r.commit AND d.path_key = r.path_key
        LEFT JOIN (
            SELECT commit, path_part(path, path_bytes) AS path_key,
                   list(parts_of_key(data) ORDER BY data) FILTER (is_named) AS names_data,
                   list(parts_of_key(data) ORDER BY data) FILTER (NOT is_named) AS drops_data
            FROM git_data_named GROUP BY ALL
        ) n ON n.commit = r.commit AND n.path_key = r.path_key
        LEFT JOIN files f ON f.file = r.file
        ORDER BY c.commit_ref, r.path_key
    """,
    elements={
        "revision_ref": Element(
            kind="entity",
            prefix="git",
            name=("FileRevision", "=commit", "=path_key"),
            types=("m2p:FileRevision",),
            label=f"concat({_FILE_NAME.format('path')}, ' @ ', left(commit, 7))",
            label_is_ready=True,
            attributes={
                "name": text(_FILE_NAME.format("path"), always=True, ready=True),
                "path": text("path", always=True, ready=True),
                "path_bytes": lexical("base64(path_bytes)", "xsd:base64Binary"),
                "commit": text("commit", always=True, ready=True),
                "status": text("status", always=True, ready=True),
                "mode": text("nullif(mode, '100644')", ready=True),
                "entry_points": text("entry_points"),
                "link_target": text("link_target", ready=True),
                "link_target_bytes": lexical("base64(link_target_bytes)", "xsd:base64Binary"),
                "names_data": text("names_data", many=True),
                "drops_data": text("drops_data", many=True),
                "blob": text("blob", ready=True),
                "swhid": text(
                    "CASE WHEN length(blob) = 40 AND mode <> '160000' THEN 'swh:1:cnt:' || blob END",
                    ready=True,
                ),
                "previous_path": text("previous_path", ready=True),
                "previous_path_bytes": lexical("base64(previous_path_bytes)", "xsd:base64Binary"),
                "similarity": integer("similarity"),
            },
        )
    },
    relations=(
        generated(
            "revision_ref",
            "commit_ref",
            "=CASE WHEN is_new_file THEN 'AddedRevision' ELSE 'ModifiedRevision' END",
            "authored",
        ),
        specialization("revision_ref", "file_ref"),
        attributed("revision_ref", "author_ref"),
    ),
)

DERIVATIONS = Event(
    name="derivations",
    doc="A revision was derived from the one before it along the commit's own parents; a copy from its original.",
    rows="""
        SELECT DISTINCT r.revision_ref, p.revision_ref AS previous_ref, r.commit_ref, r.status = 'C' AS is_copy
        FROM git_derivation d
        JOIN revisions r ON r.revision = d.revision
        JOIN revisions p ON p.revision = d.previous
        ORDER BY ALL
    """,
    relations=(
        replace(
            derived("revision_ref", "previous_ref", "commit_ref", ("prov:Revision",)), when="NOT is_copy"
        ),
        replace(derived("revision_ref", "previous_ref", "commit_ref"), when="is_copy"),
    ),
)

PREVIOUS_REVISIONS = Event(
    name="previous_revisions",
    doc="A commit used the revisions that its own were derived from.",
    rows="""
        SELECT DISTINCT d.commit_ref, d.previous_ref, c.authored
        FROM derivations d JOIN commits c ON c.commit_ref = d.commit_ref ORDER BY ALL
    """,
    relations=(used("commit_ref", "previous_ref", "PreviousRevision", "authored"),),
)

DELETIONS = Event(
    name="deletions",
    doc="A commit deleted a file, or one of the paths that a file stands at; deletion makes no revision.",
    rows="""
        SELECT DISTINCT c.commit_ref, r.revision_ref, c.authored,
               CASE WHEN d.ends_file THEN r.file_ref END AS file_ref
        FROM git_deletion d
        JOIN commits c ON c.commit = d.commit
        JOIN revisions r ON r.revision = d.revision
        ORDER BY ALL
    """,
    relations=(
        used("commit_ref", "revision_ref", "DeletedRevision", "authored"),
        invalidated("revision_ref", "commit_ref", "DeletedRevision", "authored"),
    ),
)

FILE_DELETIONS = Event(
    name="file_deletions",
    doc="A commit ended a file, once, under however many paths the file stood.",
    rows="SELECT DISTINCT commit_ref, file_ref, authored FROM deletions WHERE file_ref IS NOT NULL ORDER BY ALL",
    relations=(invalidated("file_ref", "commit_ref", "DeletedRevision", "authored"),),
)

GIT_EVENTS = (
    GIT_NAMES,
    PEOPLE,
    COMMITS,
    PARENTS,
    TRAILERS,
    SOURCE_TREES,
    FILES,
    REVISIONS,
    DERIVATIONS,
    PREVIOUS_REVISIONS,
    DELETIONS,
    FILE_DELETIONS,
    BRANCHES,
    TAGS,
)
"""In an order in which each reads only rows of those before it."""
