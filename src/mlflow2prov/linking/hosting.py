"""The repositories of a document, as URLs of their files name them."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cached_property
from typing import Any

from mlflow2prov.linking.facts import Facts
from mlflow2prov.sources.git_hosting import Hosting, Origin
from mlflow2prov.sources.git_places import are_at_one_place

_PART_OF_REFS = re.compile(r"(?:^|; )only refs: ")
"""What the settings of a repository say where some refs were left out."""


def hosting_of(facts: Facts) -> Hosting:
    """Return the repositories of a document; which commits they have is found out when it is asked for."""

    def run(sql: str) -> list[tuple[Any, ...]]:
        return facts.graph.store.run(sql.replace("{s}", facts.schema))

    def listed(table: str) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for repository, value in run(f"SELECT id, value FROM {{s}}.{table} ORDER BY ALL"):
            found.setdefault(repository, []).append(value)
        return found

    heads, others = listed("heads"), listed("other_remotes")
    repositories = run("SELECT id, remote, coalesce(settings, '') FROM {s}.repository ORDER BY ALL")
    is_one = are_at_one_place([remote for _, remote, _ in repositories])
    origins = [
        Origin(
            [*filter(None, [remote]), *others.get(repository, ())],
            heads.get(repository, ()),
            _Commits(facts, None if is_one else heads.get(repository)),
            has_all_refs=_PART_OF_REFS.search(settings) is None,
        )
        for repository, remote, settings in repositories
    ]
    return Hosting(origins, lambda: (sha.encode() for (sha,) in run("SELECT DISTINCT sha FROM {s}.commit")))


class _Commits:
    """The commits of a repository: all of a document, or those that its refs reach.

    Held are some 100 bytes for each commit of the document, once one is asked for of a repository beside others.
    """

    def __init__(self, facts: Facts, heads: Collection[str] | None) -> None:
        self._facts = facts
        self._heads = heads

    def __contains__(self, commit: object) -> bool:
        return self._heads is None or commit in self._reached

    @cached_property
    def _reached(self) -> set[str]:
        run, graph, schema = self._facts.graph.store.run, self._facts.graph.schema, self._facts.schema
        parents: dict[str, list[str]] = {}
        for child, parent in run(
            f"SELECT c.sha, p.sha FROM {graph}.relation r JOIN {schema}.commit c ON c.id = r.a1 "
            f"JOIN {schema}.commit p ON p.id = r.a2 WHERE r.kind = 13 AND r.bundle = 0"
        ):
            parents.setdefault(child, []).append(parent)
        waiting = [head.partition(" ")[0] for head in self._heads or ()]
        reached: set[str] = set()
        while waiting:
            commit = waiting.pop()
            if commit not in reached:
                reached.add(commit)
                waiting += parents.get(commit, ())
        return reached
