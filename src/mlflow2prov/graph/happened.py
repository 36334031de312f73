"""When the things of a graph happened, and which of them in a span of time.

An activity happened from its start to its end (one of the two is enough), else at the instants of the
relations in which it stands. An entity happened when it was generated: at the instants of its
generations, else when the activities that generated it happened, else when it was used, invalidated
or a trigger. What has no time by that goes with its neighbours: it is kept where it is related to
something kept, also through others without time, and where nothing that it is related to has a time.
Agents are kept where something kept refers to them, or an agent that acted on behalf of them.
"""

from __future__ import annotations

from datetime import datetime

from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.records import KIND_BY_NAME

_ACTIVITY, _AGENT = KIND_BY_NAME["activity"].number, KIND_BY_NAME["agent"].number


def _column(kind: str, argument: str) -> str:
    return ARGUMENT_COLUMNS[KIND_BY_NAME[kind].references.index(argument)]


def _times(kind: str, argument: str) -> str:
    """SQL of the instants of relations of a kind, for what stands in an argument."""
    return (
        f"SELECT {_column(kind, argument)} AS id, instant(time) AS first, first AS last "
        f"FROM relation WHERE kind = {KIND_BY_NAME[kind].number}"
    )


_OWN = f"SELECT id, instant(start_time) AS first, instant(end_time) AS last FROM element WHERE kind = {_ACTIVITY}"
_GENERATION = _times("wasGeneratedBy", "entity")
_GENERATING = (
    f"SELECT r.{_column('wasGeneratedBy', 'entity')} AS id, s.first, s.last FROM relation r "
    f"JOIN span s ON s.id = r.{_column('wasGeneratedBy', 'activity')} "
    f"WHERE r.kind = {KIND_BY_NAME['wasGeneratedBy'].number}"
)
_OF_ACTIVITIES = " UNION ALL ".join(
    _times(kind, "activity")
    for kind in ("wasGeneratedBy", "used", "wasStartedBy", "wasEndedBy", "wasInvalidatedBy")
)
_OF_ENTITIES = " UNION ALL ".join(
    _times(kind, argument)
    for kind, argument in (
        ("used", "entity"),
        ("wasInvalidatedBy", "entity"),
        ("wasStartedBy", "trigger"),
        ("wasEndedBy", "trigger"),
    )
)

_LADDER = (_OWN, _GENERATION, _GENERATING, _OF_ACTIVITIES, _GENERATING, _OF_ENTITIES)
"""What tells when something happened; each counts for those that have no time by those before it."""


def keep_in_window(graph: Graph, scratch: str, since: datetime | None, until: datetime | None) -> None:
    """Leave in ``kept`` (id) of the schema ``scratch`` what happened from ``since`` on and before ``until``."""
    run = graph.store.run
    _spans(graph, scratch)
    conditions = [f"last >= TIMESTAMPTZ '{since.isoformat()}'"] if since else []
    conditions += [f"first < TIMESTAMPTZ '{until.isoformat()}'"] if until else []
    run(
        f"CREATE TABLE {scratch}.timed AS SELECT id, {' AND '.join(conditions)} AS inside FROM {scratch}.span "
        f"SEMI JOIN {graph.schema}.element e USING (id)"
    )
    run(
        f"CREATE TABLE {scratch}.agent AS SELECT id FROM {graph.schema}.element GROUP BY id "
        f"HAVING bool_and(kind = {_AGENT})"
    )
    run(f"DELETE FROM {scratch}.timed WHERE id IN (SELECT id FROM {scratch}.agent)")
    _neighbours(graph, scratch)
    run(
        f"DELETE FROM {scratch}.kept WHERE id NOT IN (SELECT id FROM {scratch}.agent) AND id NOT IN "
        f"(SELECT id FROM {scratch}.timed WHERE inside UNION ALL SELECT id FROM {scratch}.beside)"
    )
    _agents(graph, scratch)


def _spans(graph: Graph, scratch: str) -> None:
    """Make ``span`` (id, first, last) of everything that has a time."""
    run = graph.store.run
    run(f"CREATE TABLE {scratch}.span (id INTEGER, first TIMESTAMPTZ, last TIMESTAMPTZ)")
    run(f"CREATE MACRO {scratch}.instant(x) AS TRY_CAST(x AS TIMESTAMPTZ)")
    for told in _LADDER:
        sql = told.replace("instant(", f"{scratch}.instant(").replace("JOIN span", f"JOIN {scratch}.span")
        for table in ("element", "relation"):
            sql = sql.replace(f"FROM {table}", f"FROM {graph.schema}.{table}")
        run(
            f"INSERT INTO {scratch}.span SELECT id, min(least(first, last)), max(greatest(first, last)) FROM ({sql}) t "
            f"WHERE id IS NOT NULL AND coalesce(first, last) IS NOT NULL AND id NOT IN (SELECT id FROM {scratch}.span) "
            "GROUP BY id"
        )


def _edges(graph: Graph, scratch: str) -> None:
    """Make ``edge`` (a, b), both ways, of the first argument of each relation and every other one."""
    pairs = [
        f"SELECT a1 AS a, {column} AS b FROM {graph.schema}.relation WHERE {column} IS NOT NULL"
        for column in ARGUMENT_COLUMNS[1:]
    ]
    graph.store.run(
        f"CREATE VIEW {scratch}.edge AS SELECT a, b FROM ({' UNION ALL '.join(pairs)}) "
        f"UNION ALL SELECT b, a FROM ({' UNION ALL '.join(pairs)})"
    )


def _neighbours(graph: Graph, scratch: str) -> None:
    """Make ``beside`` (id): what has no time of its own, and is kept for its neighbours."""
    run = graph.store.run
    _edges(graph, scratch)
    run(
        f"CREATE TABLE {scratch}.timeless AS SELECT DISTINCT id FROM {graph.schema}.element "
        f"WHERE id NOT IN (SELECT id FROM {scratch}.timed) AND id NOT IN (SELECT id FROM {scratch}.agent)"
    )
    run(
        f"CREATE TABLE {scratch}.among AS SELECT DISTINCT e.a, e.b FROM {scratch}.edge e "
        f"SEMI JOIN {scratch}.timeless t ON t.id = e.a SEMI JOIN {scratch}.timeless u ON u.id = e.b"
    )
    for name, condition in (("beside", "x.inside"), ("reached", "true")):
        run(
            f"CREATE TABLE {scratch}.{name} AS WITH RECURSIVE reach AS (SELECT t.id FROM {scratch}.timeless t "
            f"SEMI JOIN (SELECT e.a FROM {scratch}.edge e JOIN {scratch}.timed x ON x.id = e.b AND {condition}) n "
            f"ON n.a = t.id UNION SELECT m.b FROM reach JOIN {scratch}.among m ON m.a = reach.id) SELECT id FROM reach"
        )
    run(
        f"INSERT INTO {scratch}.beside SELECT id FROM {scratch}.timeless "
        f"WHERE id NOT IN (SELECT id FROM {scratch}.reached)"
    )


def _agents(graph: Graph, scratch: str) -> None:
    """Take the agents out of ``kept`` that nothing kept refers to."""
    delegation = KIND_BY_NAME["actedOnBehalfOf"].number
    run = graph.store.run
    run(
        f"CREATE TABLE {scratch}.referred AS WITH RECURSIVE referred AS (SELECT g.id FROM {scratch}.agent g "
        f"SEMI JOIN (SELECT e.a FROM {scratch}.edge e JOIN {scratch}.kept k ON k.id = e.b "
        f"ANTI JOIN {scratch}.agent o ON o.id = e.b) n ON n.a = g.id "
        f"UNION SELECT r.a2 FROM referred JOIN {graph.schema}.relation r ON r.a1 = referred.id AND r.kind = {delegation} "
        f"AND (r.a3 IS NULL OR r.a3 IN (SELECT id FROM {scratch}.kept))) SELECT id FROM referred"
    )
    run(
        f"DELETE FROM {scratch}.kept WHERE id IN (SELECT id FROM {scratch}.agent) "
        f"AND id NOT IN (SELECT id FROM {scratch}.referred)"
    )
