"""Links between runs and commits, where their documents were made apart from each other."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from mlflow2prov.graph.duplicates import eliminate_duplicates
from mlflow2prov.graph.graph import Graph
from mlflow2prov.linking.data import DataOfRuns, Row
from mlflow2prov.linking.facts import Facts, read_facts
from mlflow2prov.linking.hosting import hosting_of
from mlflow2prov.linking.past import Past
from mlflow2prov.linking.records import Records
from mlflow2prov.sources.git_declared import Declared
from mlflow2prov.sources.git_entry_points import Source, resolve
from mlflow2prov.sources.git_tree import PathIndex, Tree

_LOG = logging.getLogger(__name__)


def link(graph: Graph) -> Graph:
    """Return the graph with its runs and logged models linked to its commits, trees and files.

    What :func:`mlflow2prov.extract` says of both sources together is added, where the commits that runs name
    are in the document: that the run was informed by the commit, used its tree, its entry point and the
    ``MLproject`` file that says what to run, and followed the entry point as its plan; and that the datasets
    that it took in are data or files of the repository, which it used. The trees are put together from the
    records; see :mod:`mlflow2prov.linking.past`. What only contents of files tell (what an entry point
    imports) can't be added. Linking again changes nothing.

    Args:
        graph: a document, such as one of Git merged with one of MLflow.

    >>> link(Graph.empty()).count("element")
    0
    """
    result = Graph.empty(graph.store)
    graph.copy_into(result.schema)
    with graph.store.scratch("link") as scratch:
        facts = read_facts(result, scratch)
        if facts is None:
            return result
        _find(facts)
        records = Records(facts)
        records.add_trees()
        records.add_code_of_runs()
        records.add_code_of_models()
        records.add_data_of_runs()
        records.name_people_once()
    linked = eliminate_duplicates(result)
    result.close()
    linked.origin = graph.origin
    return linked


@dataclass(frozen=True, slots=True)
class _Point:
    source: Source
    candidates: int
    entry: int | None
    project: int | None


def _find(facts: Facts) -> None:
    """Make ``point``, what each source means in the tree of its commit; and ``match``, what datasets are there."""
    import pyarrow as pa

    store, schema = facts.graph.store, facts.schema
    rows = store.run(
        "SELECT DISTINCT r.source_git_commit, coalesce(r.source_name, ''), coalesce(r.source_entry_point, '') "
        f"FROM {schema}.run r SEMI JOIN {schema}.commit c ON c.sha = r.source_git_commit ORDER BY ALL"
    )
    points, matches = _resolved(facts, [Source(*row) for row in rows])
    point = pa.table(
        {
            "commit": pa.array([point.source.commit for point in points], pa.string()),
            "source": pa.array([point.source.source for point in points], pa.string()),
            "entry": pa.array([point.source.entry for point in points], pa.string()),
            "candidates": pa.array([point.candidates for point in points], pa.int32()),
            "entry_id": pa.array([point.entry for point in points], pa.int32()),
            "project_id": pa.array([point.project for point in points], pa.int32()),
        }
    )
    kinds = {"commit": pa.string(), "dataset": pa.int32(), "way": pa.string(), "matched": pa.int32()}
    columns = zip(*matches, strict=True) if matches else [()] * len(kinds)
    match = pa.table(
        [pa.array(column, kind) for column, kind in zip(columns, kinds.values(), strict=True)], [*kinds]
    )
    for name, table in (("point", point), ("match", match)):
        with store.registered(table) as arriving:
            store.run(f"CREATE TABLE {schema}.{name} AS SELECT * FROM {arriving}")


def _resolved(facts: Facts, wanted: list[Source]) -> tuple[list[_Point], list[Row]]:
    by_commit: dict[str, list[Source]] = {}
    for source in wanted:
        by_commit.setdefault(source.commit, []).append(source)
    roots, hosting = _roots(facts.graph), hosting_of(facts)
    data = DataOfRuns(facts, roots, hosting)
    past = Past(facts, {*by_commit, *data.commits})
    index = PathIndex(past.paths.exact, past.paths.number)
    links = past.links()
    points = []
    for commit, state in past.states():
        tree = Tree(index, state, past.is_submodule, links)
        for source in by_commit.get(commit, ()):
            found = resolve(source, tree, roots, hosting, lambda made: _declared(past, made))
            files = [
                None if number is None else past.element[state[number]]
                for number in (found.path, found.project)
            ]
            points.append(_Point(source, found.candidates, *files))
        data.look_up(commit, state, past)
    if past.unknown:
        _LOG.warning(
            "left out: entry points and data of runs at commits of which a merge does not say what it took from where,"
            " since an earlier version of mlflow2prov wrote that (%d commits)",
            past.unknown,
        )
    return points, data.finish(past)


def _roots(graph: Graph) -> list[str]:
    """Return the folders of local repositories, which their namespaces name."""
    iris = graph.query(
        "SELECT DISTINCT p.iri FROM {graph}.name n JOIN {graph}.prefix p USING (prefix) "
        "WHERE starts_with(n.local, 'Repository.') AND starts_with(p.iri, 'file://') ORDER BY ALL"
    )
    return [unquote(urlsplit(iri).path) for (iri,) in iris]


def _declared(past: Past, revision: int) -> tuple[Declared, ...]:
    text = past.declared.get(revision)
    try:
        read = json.loads(text) if text else {}
    except ValueError:
        return ()
    items = read.items() if isinstance(read, dict) else ()
    return tuple(Declared(name, target) for name, target in items if isinstance(target, str))
