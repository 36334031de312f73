"""Unification by identifier, and identical relations once: what merge and the elimination of duplicates share.

Follows PROV-CONSTRAINTS, section 6.1 (merging of records by their identifiers): attributes are
joined, a missing formal argument is filled by a given one. Records that contradict each other are
all kept, and counted.
"""

from __future__ import annotations

import logging

from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS, Store

log = logging.getLogger(__name__)

_CANONICAL = "list_sort(list_distinct(attributes))"
_JOINED = "CASE WHEN count(attributes) > 0 THEN list_sort(list_distinct(flatten(list(attributes)))) END"


def unify(store: Store, source: str, target: Graph) -> int:
    """Fill the element and relation tables of ``target`` from those of the schema ``source``, unified.

    Returns:
        How many identifiers have records that contradict each other; those records are all kept.
    """
    return _elements(store, source, target) + _relations(store, source, target)


def _elements(store: Store, source: str, target: Graph) -> int:
    formal = ("start_time", "end_time")
    with store.scratch("unify") as scratch:
        conflicts = _unified(store, f"{source}.element", scratch, formal, "true")
        store.run(
            f"INSERT INTO {target.schema}.element SELECT bundle, kind, id, start_time, end_time, attributes "
            f"FROM {scratch}.result ORDER BY place"
        )
    return conflicts


def _relations(store: Store, source: str, target: Graph) -> int:
    formal = (*ARGUMENT_COLUMNS, "time")
    listed = ", ".join(formal)
    with store.scratch("unify") as scratch:
        conflicts = _unified(store, f"{source}.relation", scratch, formal, "id IS NOT NULL")
        store.run(
            f"INSERT INTO {scratch}.result SELECT min(place), bundle, kind, NULL, {listed}, attributes FROM "
            f"(SELECT * REPLACE ({_CANONICAL} AS attributes), rowid AS place FROM {source}.relation WHERE id IS NULL) "
            f"GROUP BY bundle, kind, {listed}, attributes"
        )
        store.run(
            f"INSERT INTO {target.schema}.relation SELECT bundle, kind, id, {listed}, attributes "
            f"FROM {scratch}.result ORDER BY place"
        )
    return conflicts


def _unified(store: Store, table: str, scratch: str, formal: tuple[str, ...], where: str) -> int:
    """Make ``result`` (place, and the columns of the table) of the records that have an identifier."""
    listed = ", ".join(formal)
    agree = " AND ".join(f"count(DISTINCT {column}) <= 1" for column in formal)
    filled = ", ".join(f"any_value({column}) AS {column}" for column in formal)
    store.run(
        f"CREATE TABLE {scratch}.several AS SELECT bundle, kind, id, {agree} AS agree FROM {table} "
        f"WHERE {where} GROUP BY bundle, kind, id HAVING count(*) > 1"
    )
    rows = f"(SELECT *, rowid AS place FROM {table} WHERE {where}) r"
    several = f"{scratch}.several s USING (bundle, kind, id)"
    store.run(
        f"CREATE TABLE {scratch}.result AS SELECT place, bundle, kind, id, {listed}, {_CANONICAL} AS attributes "
        f"FROM {rows} ANTI JOIN {several}"
    )
    store.run(
        f"INSERT INTO {scratch}.result SELECT min(place), bundle, kind, id, {filled}, {_JOINED} "
        f"FROM {rows} JOIN {several} WHERE s.agree GROUP BY bundle, kind, id"
    )
    store.run(
        f"INSERT INTO {scratch}.result SELECT min(place), bundle, kind, id, {listed}, {_JOINED} "
        f"FROM {rows} JOIN {several} WHERE NOT s.agree GROUP BY bundle, kind, id, {listed}"
    )
    return int(store.scalar(f"SELECT count(*) FROM {scratch}.several WHERE NOT agree"))
