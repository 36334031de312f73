"""The rows of a graph for PostgreSQL, in the binary form in which ``COPY`` takes them.

Identifiers are UUIDs, digests of IRIs: so what two documents name is one without a look at what is there.
The key of a relation is a digest of all that it says; of several that say the same, the number counts, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.sinks.sql_rows import Spelling, clean

if TYPE_CHECKING:
    import pyarrow as pa

    from mlflow2prov.graph.graph import Graph

BATCH_ROWS = 20_000
"""How many rows are made at once."""

NOWHERE = b"\0" * 16
"""What stands for the document itself, where a bundle would stand."""

_NOWHERE = "unhex(repeat('00', 16))"
_JSONB = "chr(1)"
"""The binary form of ``jsonb`` is its version and the text."""

_PLAIN_INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z"


class Rows:
    """The rows of a graph; held are tables of its identifiers in ``scratch``, a schema, which may spill.

    Attributes:
        added: the prefixes that the database has to get.
    """

    def __init__(self, graph: Graph, scratch: str, there: Mapping[str, str]) -> None:
        self._graph, self._scratch = graph, scratch
        self._spelling = Spelling(graph, scratch, there)
        self.added = self._spelling.added
        graph.store.run(
            f"CREATE TABLE {scratch}.key AS SELECT id, unhex(md5(iri)) AS key, prefix, local, prefix = '_' AS is_blank "
            f"FROM {scratch}.name"
        )
        graph.store.run(f"DROP TABLE {scratch}.name")
        self._queries = {
            "name": f"SELECT key AS id, prefix, local FROM {scratch}.key",
            "bundle": f"SELECT k.key AS id FROM {graph.schema}.bundle b JOIN {scratch}.key k ON k.id = b.id",
            "element": self._elements(),
            "relation": self._relations(),
        }

    def schema(self, table: str) -> pa.Schema:
        """Return the Arrow schema of the rows of a table."""
        return self._graph.store.arrow(f"{self._queries[table]} LIMIT 0").schema

    def batches(self, table: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a table, some thousands at a time."""
        return self._graph.store.batches(self._queries[table], BATCH_ROWS)

    def _elements(self) -> str:
        schema = self._graph.schema
        several = self._graph.store.scalar(
            f"SELECT count(*) > count(DISTINCT (bundle, kind, id)) FROM {schema}.element"
        )
        source = f"{schema}.element"
        if several:
            source = (
                "(SELECT bundle, kind, id, min(start_time) AS start_time, max(end_time) AS end_time, "
                "list_distinct(flatten(list(coalesce(attributes, []) ORDER BY place))) AS attributes "
                f"FROM (SELECT *, rowid AS place FROM {schema}.element) GROUP BY bundle, kind, id)"
            )
        types = ", ".join(map(str, self._spelling.numbers("prov:type"))) or "NULL"
        listed = (
            f"list_transform(list_filter(coalesce(e.attributes, []), lambda a: a.k IN ({types})), "
            f"lambda a: {self._spelling.value()})"
        )
        said = self._said("e", {"startTime": "start_time", "endTime": "end_time"})
        return (
            f"SELECT id, kind, bundle, start_time, end_time, types, concat({_JSONB}, {self._object('said')}) AS attributes "
            f"FROM (SELECT n.key AS id, e.kind::SMALLINT AS kind, coalesce(b.key, {_NOWHERE}) AS bundle, "
            f"{_instant('e.start_time')} AS start_time, {_instant('e.end_time')} AS end_time, {listed} AS types, "
            f"{said} AS said FROM {source} e JOIN {self._scratch}.key n ON n.id = e.id "
            f"LEFT JOIN {self._scratch}.key b ON b.id = e.bundle)"
        )

    def _relations(self) -> str:
        key = f"{self._scratch}.key"
        named = ("id", *ARGUMENT_COLUMNS)
        joins = " ".join(f"LEFT JOIN {key} n_{column} ON n_{column}.id = r.{column}" for column in named)
        keys = ", ".join(f"n_{column}.key AS {column}" for column in named)
        told = ", ".join(f"coalesce(hex({column}), '')" for column in ("bundle", "own", *ARGUMENT_COLUMNS))
        rows = (
            f"SELECT r.kind::SMALLINT AS kind, coalesce(b.key, {_NOWHERE}) AS bundle, {keys}, r.time, "
            "CASE WHEN NOT n_id.is_blank THEN n_id.key END AS own, "
            f"list_sort({self._said('r', {'time': 'time'})}) AS said FROM {self._graph.schema}.relation r "
            f"LEFT JOIN {key} b ON b.id = r.bundle {joins}"
        )
        texts = (
            f"SELECT * EXCLUDE (said), {self._object('said')} AS attributes, "
            f"md5(concat_ws('|', kind, {told}, coalesce(time, ''), said::VARCHAR)) AS digest FROM ({rows})"
        )
        repeated = self._graph.store.scalar(
            f"SELECT count(*) > count(DISTINCT (bundle, kind, {', '.join(ARGUMENT_COLUMNS)}, time, own, "
            "list_sort(attributes))) FROM (SELECT r.*, CASE WHEN NOT n.is_blank THEN r.id END AS own "
            f"FROM {self._graph.schema}.relation r LEFT JOIN {key} n ON n.id = r.id)"
        )
        number = "row_number() OVER (PARTITION BY digest)" if repeated else "1"
        whole = "CASE WHEN number > 1 THEN md5(digest || number) ELSE digest END"
        return (
            f"SELECT unhex({whole}) AS key, kind, bundle, {', '.join(named)}, {_instant('time')} AS time, "
            f"concat({_JSONB}, attributes) AS attributes FROM (SELECT *, {number} AS number FROM ({texts}))"
        )

    def _said(self, row: str, times: Mapping[str, str]) -> str:
        """SQL of a list of ``n``, the start of a member of a JSON object, and ``t``, a value as JSON.

        Instants that a column of instants can't have as they are stand there, too.
        """
        spelling = self._spelling
        names = {
            key: f"{json.dumps(one.name, ensure_ascii=False)}:[" for key, one in spelling.attributes.items()
        }
        heads, tails = {}, {}
        for key, one in spelling.attributes.items():
            given = {"type": one.datatype, "lang": one.language}
            kept = {name: text for name, text in given.items() if text}
            heads[key] = '{"$":' if kept else ""
            tails[key] = "," + json.dumps(kept, ensure_ascii=False)[1:] if kept else ""
        text = (
            f"concat({spelling.looked_up(heads)}, to_json({spelling.value()}), {spelling.looked_up(tails)})"
        )
        pairs = (
            f"list_transform({row}.attributes, lambda a: {{'n': {spelling.looked_up(names)}, 't': {text}}})"
        )
        odd = "".join(
            f" || CASE WHEN NOT regexp_full_match({row}.{column}, '{_PLAIN_INSTANT}') OR "
            f"{_instant(f'{row}.{column}')} IS NULL AND {row}.{column} IS NOT NULL "
            f"THEN [{{'n': '\"prov:{name}\":[', 't': to_json({clean(f'{row}.{column}')})}}] ELSE [] END"
            for name, column in times.items()
        )
        return f"(coalesce({pairs}, []){odd})"

    def _object(self, said: str) -> str:
        """SQL of a JSON object of such a list."""
        of_name = f"list_transform(list_filter({said}, lambda p: p.n = name), lambda p: p.t)"
        members = (
            f"list_transform(list_distinct(list_transform({said}, lambda p: p.n)), "
            f"lambda name: concat(name, array_to_string({of_name}, ','), ']'))"
        )
        return f"concat('{{', array_to_string({members}, ','), '}}')"


def _instant(column: str) -> str:
    """SQL of an instant that PostgreSQL has, else NULL."""
    instant = f"TRY_CAST({column} AS TIMESTAMPTZ)"
    return f"CASE WHEN year({instant}) BETWEEN 1 AND 9999 THEN {instant} END"
