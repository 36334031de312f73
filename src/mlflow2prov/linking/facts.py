"""What the records of a document say of commits, revisions, data, runs and models, as tables."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow2prov.graph.graph import Graph
from mlflow2prov.linking.abbreviations import name_commits_in_full
from mlflow2prov.prov.namespaces import M2P

_COLUMNS: dict[str, tuple[str, ...]] = {
    "Commit": ("sha", "tree", "first_parent"),
    "FileRevision": (
        "path",
        "path_bytes",
        "commit",
        "status",
        "mode",
        "previous_path",
        "previous_path_bytes",
        "entry_points",
        "blob",
        "link_target",
        "link_target_bytes",
    ),
    "DataRevision": ("path", "path_bytes", "commit", "md5", "sha256", "remote_path", "imported_from"),
    "Dataset": ("digest",),
    "Repository": ("remote", "settings"),
    "SourceTree": ("commit",),
    "Run": ("source_git_commit", "source_name", "source_entry_point", "work_tree", "unresolved_source"),
    "LoggedModel": ("source_git_commit", "work_tree"),
    "WorkTreeDiff": ("commit",),
}
"""For each type the attributes that are looked at; each type becomes a table of its own."""

_LISTS: tuple[tuple[str, str], ...] = (
    ("Commit", "merged"),
    ("Dataset", "source"),
    ("FileRevision", "names_data"),
    ("FileRevision", "drops_data"),
    ("Repository", "heads"),
    ("Repository", "other_remotes"),
)
"""Likewise those that have several values; each becomes a table of its own, named by the attribute."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A scratch schema with a table for each type, named by the type in lower case.

    Attributes:
        graph: what they were read from.
        schema: where they are; each has ``id`` and the columns above.
        vocabulary: the prefix of the vocabulary in the document.
    """

    graph: Graph
    schema: str
    vocabulary: str


def read_facts(graph: Graph, schema: str) -> Facts | None:
    """Make the tables of facts in a schema; None where the document has no word of the vocabulary.

    What stands in bundles is left alone.
    """
    prefixes = {iri: prefix for prefix, iri in graph.query("SELECT prefix, iri FROM {graph}.prefix")}
    if M2P not in prefixes:
        return None
    facts = Facts(graph, schema, prefixes[M2P])
    run, vocabulary = graph.store.run, facts.vocabulary
    types = ", ".join(f"'{vocabulary}:{name}'" for name in _COLUMNS)
    keys = [row[0] for row in graph.query("SELECT key FROM {graph}.attribute_key WHERE name = 'prov:type'")]
    listed = ", ".join(map(str, keys)) or "NULL"
    run(
        f"CREATE TABLE {schema}.typed AS SELECT id, substr(v, {len(vocabulary) + 2}) AS type, attributes FROM ("
        f"SELECT id, attributes, unnest(list_transform(list_filter(attributes, lambda a: a.k IN ({listed}) "
        f"AND a.v IN ({types})), lambda a: a.v)) AS v FROM {graph.schema}.element WHERE bundle = 0)"
    )
    named = {name for columns in _COLUMNS.values() for name in columns} | {name for _, name in _LISTS}
    names = ", ".join(f"'{vocabulary}:{name}'" for name in sorted(named))
    run(
        f"CREATE TABLE {schema}.said AS SELECT t.id, t.type, substr(k.name, {len(vocabulary) + 2}) AS name, t.a.v AS value "
        f"FROM (SELECT id, type, unnest(attributes) AS a FROM {schema}.typed) t "
        f"JOIN {graph.schema}.attribute_key k ON k.key = t.a.k WHERE k.name IN ({names})"
    )
    for type_, columns in _COLUMNS.items():
        picked = ", ".join(f"max(s.value) FILTER (s.name = '{name}') AS {name}" for name in columns)
        run(
            f"CREATE TABLE {schema}.{type_.lower()} AS SELECT t.id, {picked} FROM {schema}.typed t "
            f"LEFT JOIN {schema}.said s ON s.id = t.id AND s.type = t.type WHERE t.type = '{type_}' GROUP BY t.id"
        )
    for type_, name in _LISTS:
        run(
            f"CREATE TABLE {schema}.{name} AS SELECT id, value FROM {schema}.said "
            f"WHERE type = '{type_}' AND name = '{name}'"
        )
    name_commits_in_full(facts)
    _read_relations(facts)
    return facts


def _read_relations(facts: Facts) -> None:
    """Make ``creation`` (of runs and models), ``parent`` (of commits), ``deleted`` (revisions by commits), ``previous``.

    The last has what a revision derives from, and ``pointer`` the data that a revision is itself, in Git LFS;
    ``taken`` has the datasets that runs at commits of the document took in.
    """
    run, schema = facts.graph.store.run, facts.schema
    relation = f"(SELECT * FROM {facts.graph.schema}.relation WHERE bundle = 0)"
    for made, table in (("run", "run_creation"), ("loggedmodel", "model_creation")):
        run(
            f"CREATE TABLE {schema}.{table} AS SELECT m.id, min(r.a2) AS creation FROM {schema}.{made} m "
            f"JOIN {relation} r ON r.a1 = m.id WHERE r.kind = 11 AND r.a2 IS NOT NULL GROUP BY m.id"
        )
    run(
        f"CREATE TABLE {schema}.parent AS SELECT c.sha, min(p.sha) AS parent, count(DISTINCT p.sha) AS parents "
        f"FROM {relation} r JOIN {schema}.commit c ON c.id = r.a1 JOIN {schema}.commit p ON p.id = r.a2 "
        "WHERE r.kind = 13 GROUP BY c.sha"
    )
    run(
        f"CREATE TABLE {schema}.deleted AS SELECT DISTINCT c.sha, v.id FROM {relation} r "
        f"JOIN {schema}.filerevision v ON v.id = r.a1 JOIN {schema}.commit c ON c.id = r.a2 WHERE r.kind = 16"
    )
    run(
        f"CREATE TABLE {schema}.previous AS SELECT DISTINCT r.a1 AS id, r.a2 AS previous FROM {relation} r "
        f"SEMI JOIN {schema}.filerevision v ON v.id = r.a1 SEMI JOIN {schema}.filerevision p ON p.id = r.a2 "
        "WHERE r.kind = 21"
    )
    run(
        f"CREATE TABLE {schema}.pointer AS SELECT DISTINCT v.id, d.id AS data FROM {relation} r "
        f"JOIN {schema}.datarevision d ON d.id = r.a1 JOIN {schema}.filerevision v ON v.id = r.a2 "
        "WHERE r.kind = 21 AND v.commit = d.commit AND v.path = d.path "
        "AND v.path_bytes IS NOT DISTINCT FROM d.path_bytes"
    )
    run(
        f"CREATE TABLE {schema}.taken AS SELECT DISTINCT m.source_git_commit AS commit, k.creation, d.id AS dataset "
        f"FROM {schema}.run m SEMI JOIN {schema}.commit c ON c.sha = m.source_git_commit "
        f"JOIN {schema}.run_creation k ON k.id = m.id JOIN {relation} r ON r.a1 = k.creation "
        f"JOIN {schema}.dataset d ON d.id = r.a2 WHERE r.kind = 12"
    )
