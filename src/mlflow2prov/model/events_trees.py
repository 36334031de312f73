"""What stands in the source trees of runs, folder by folder (``--tree_members``)."""

from __future__ import annotations

from mlflow2prov.model.declare import Element, Event, lexical, member, text

SOURCE_FOLDERS = Event(
    name="source_folders",
    doc="A folder of a run's source tree, or a run of a wide one; the same for all trees that have it in common.",
    rows="""
        SELECT DISTINCT folder, path, path_bytes, path_part(path, path_bytes) AS path_key
        FROM git_folder ORDER BY path_key, folder
    """,
    elements={
        "folder_ref": Element(
            kind="entity",
            prefix="git",
            name=("SourceFolder", "=path_key", "=folder"),
            types=("m2p:SourceFolder", "prov:Collection"),
            label="concat(path, '/')",
            attributes={
                "name": text("present(regexp_extract(path, '[^/]*$'))"),
                "path": text("present(path)"),
                "path_bytes": lexical("base64(path_bytes)", "xsd:base64Binary"),
            },
        )
    },
)

TREE_MEMBERS = Event(
    name="tree_members",
    doc="A source tree has what lies right below its root, and a folder what lies right below it.",
    rows="""
        SELECT DISTINCT coalesce(t.tree_ref, f.folder_ref) AS collection_ref,
               coalesce(i.folder_ref, r.revision_ref) AS member_ref
        FROM git_member m
        LEFT JOIN source_trees t ON t.commit = m.tree
        LEFT JOIN source_folders f ON f.folder = m.folder
        LEFT JOIN source_folders i ON i.folder = m.member_folder
        LEFT JOIN revisions r ON r.commit = m.revision_commit AND r.path_key = path_part(m.path, m.path_bytes)
        ORDER BY ALL
    """,
    relations=(member("collection_ref", "member_ref"),),
)

TREE_EVENTS = (SOURCE_FOLDERS, TREE_MEMBERS)
"""In an order in which each reads only rows of those before it."""
