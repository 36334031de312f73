"""The commits that runs and logged models of a document name by their first digits."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mlflow2prov.sources.git_abbreviations import ABBREVIATED, LEAST_DIGITS, say_which_are_unclear

if TYPE_CHECKING:
    from mlflow2prov.linking.facts import Facts

_LOG = logging.getLogger(__name__)

_NAMING = (("run", "source_git_commit"), ("loggedmodel", "source_git_commit"), ("worktreediff", "commit"))
"""The tables of facts that name commits, and the attribute that does."""


def name_commits_in_full(facts: Facts) -> None:
    """Put the whole name in the place of each abbreviation that means one commit of the document.

    That goes for the facts and for the elements; where an abbreviation could mean several, a warning says so.
    """
    run, schema, graph = facts.graph.store.run, facts.schema, facts.graph.schema
    named = " UNION ".join(f"SELECT {column} AS named FROM {schema}.{table}" for table, column in _NAMING)
    run(
        f"CREATE TABLE {schema}.abbreviation AS SELECT w.named, list(DISTINCT c.sha ORDER BY c.sha) AS commits "
        f"FROM ({named}) w JOIN {schema}.commit c ON left(c.sha, {LEAST_DIGITS}) = left(w.named, {LEAST_DIGITS}) "
        f"AND starts_with(c.sha, w.named) WHERE regexp_full_match(w.named, '{ABBREVIATED}') "
        "AND length(w.named) < length(c.sha) GROUP BY w.named"
    )
    rows = run(f"SELECT named, commits FROM {schema}.abbreviation WHERE len(commits) > 1 ORDER BY ALL")
    say_which_are_unclear(dict(rows))
    for table, column in _NAMING:
        keys = run(
            f"SELECT key FROM {graph}.attribute_key WHERE name = '{facts.vocabulary}:{column}' AND datatype IS NULL"
        )
        meant = f"(SELECT named, commits[1] AS sha FROM {schema}.abbreviation WHERE len(commits) = 1) m"
        for (key,) in keys:
            short, full = (f"{{k: {key}::INTEGER, v: m.{name}}}" for name in ("named", "sha"))
            run(
                f"UPDATE {graph}.element e SET attributes = CASE WHEN list_contains(e.attributes, {full}) "
                f"THEN list_filter(e.attributes, lambda a: a <> {short}) ELSE list_transform(e.attributes, "
                f"lambda a: CASE WHEN a = {short} THEN {full} ELSE a END) END "
                f"FROM {schema}.{table} t JOIN {meant} ON m.named = t.{column} WHERE e.id = t.id AND e.bundle = 0"
            )
        run(f"UPDATE {schema}.{table} t SET {column} = m.sha FROM {meant} WHERE m.named = t.{column}")
