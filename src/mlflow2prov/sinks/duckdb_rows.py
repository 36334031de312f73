"""The rows of a graph as they become part of the record tables in a file of DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlflow2prov.formats.text import literal
from mlflow2prov.graph.store import ARGUMENT_COLUMNS, ATTRIBUTES_TYPE
from mlflow2prov.sinks.sql_rows import FIXED, Spelling

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph

_NAMED = ("id", *ARGUMENT_COLUMNS)
_SAID = ("bundle", "kind", "own", *ARGUMENT_COLUMNS, "time", "said")
"""What tells relations apart: a blank identifier does not."""


class Arrivals:
    """A graph in tables of ``scratch``, a schema, with the numbers that it has in the target.

    They are worked out before the target is written to, since one transaction writes to one database.
    """

    def __init__(self, graph: Graph, scratch: str, target: str, *, is_alone: bool) -> None:
        """Number all names; ``is_alone`` is a graph that takes the place of what is there."""
        self._graph, self._scratch, self._target, self._is_alone = graph, scratch, target, is_alone
        self._run = graph.store.run
        prefixes = dict(FIXED) if is_alone else dict(self._run(f"SELECT prefix, iri FROM {target}.prefix"))
        self._spelling = Spelling(graph, scratch, prefixes)
        self._new_keys: dict[int, tuple[str, str | None, str | None]] = {}
        self._keys = self._numbered_keys()
        self._number_names()
        self._elements()
        self._relations()

    def _there(self, table: str) -> str:
        """The rows of a table of the target that stay."""
        return f"(SELECT *, rowid AS place FROM {self._target}.{table}{' LIMIT 0' if self._is_alone else ''})"

    def _numbered_keys(self) -> dict[int, int]:
        """The number in the target of each of the graph's attributes."""
        rows = self._run(
            f"SELECT name, datatype, language, key FROM {self._there('attribute_key')} ORDER BY key"
        )
        numbers = {(name, datatype, language): key for name, datatype, language, key in rows}
        self._of_name = {key: name for (name, *_), key in numbers.items()}
        keys = {}
        for key, one in self._spelling.attributes.items():
            said = (one.name, one.datatype, one.language)
            if said not in numbers:
                numbers[said] = max(numbers.values(), default=0) + 1
                self._new_keys[numbers[said]] = said
                self._of_name[numbers[said]] = one.name
            keys[key] = numbers[said]
        return keys

    def _number_names(self) -> None:
        """Make ``mapped``: ``old`` number in the graph, ``id`` in the target, ``is_new``, ``prefix``, ``local``."""
        iri = "coalesce(p.iri, n.prefix || ':') || n.local"
        self._run(
            f"CREATE TABLE {self._scratch}.known AS SELECT n.id, {iri} AS iri FROM {self._there('name')} n "
            f"LEFT JOIN {self._target}.prefix p ON p.prefix = n.prefix"
        )
        number = "row_number() OVER (PARTITION BY t.id IS NULL ORDER BY n.id)"
        last = f"(SELECT coalesce(max(id), 0) FROM {self._scratch}.known)"
        self._run(
            f"CREATE TABLE {self._scratch}.mapped AS SELECT n.id AS old, coalesce(t.id, {last} + {number})::INTEGER AS id, "
            f"t.id IS NULL AS is_new, n.prefix, n.local FROM {self._scratch}.name n "
            f"LEFT JOIN {self._scratch}.known t ON t.iri = n.iri"
        )
        for table in ("known", "name"):
            self._run(f"DROP TABLE {self._scratch}.{table}")

    def _attributes(self) -> str:
        """SQL of the attributes of a row ``r`` with the numbers and the spelling of the target."""
        pair = (
            f"{{'k': {self._spelling.looked_up({key: str(to) for key, to in self._keys.items()})}::INTEGER, "
        )
        return f"list_transform(r.attributes, lambda a: {pair}'v': {self._spelling.value()}}})::{ATTRIBUTES_TYPE}"

    def _elements(self) -> None:
        """Make ``element``, and ``changed``, the rows of the target that get new values."""
        mapped = f"{self._scratch}.mapped"
        source = (
            "(SELECT bundle, kind, id, first(start_time) FILTER (start_time IS NOT NULL) AS start_time, "
            "first(end_time) FILTER (end_time IS NOT NULL) AS end_time, min(place) AS place, "
            "list_distinct(flatten(list(coalesce(attributes, []) ORDER BY place))) AS attributes "
            f"FROM (SELECT *, rowid AS place FROM {self._graph.schema}.element) GROUP BY bundle, kind, id)"
        )
        several = self._graph.store.scalar(
            f"SELECT count(*) > count(DISTINCT (bundle, kind, id)) FROM {self._graph.schema}.element"
        )
        if not several:
            source = f"(SELECT *, rowid AS place FROM {self._graph.schema}.element)"
        self._run(
            f"CREATE TABLE {self._scratch}.element AS SELECT coalesce(b.id, 0) AS bundle, r.kind, n.id, r.start_time, "
            f"r.end_time, {self._attributes()} AS attributes, r.place FROM {source} r JOIN {mapped} n ON n.old = r.id "
            f"LEFT JOIN {mapped} b ON b.old = r.bundle"
        )
        before = {"start_time": "e.start_time", "end_time": "e.end_time"}
        after = {name: f"coalesce(s.{name}, e.{name})" for name in before}
        changes = " OR ".join(f"{before[name]} IS DISTINCT FROM {after[name]}" for name in before)
        self._run(
            f"CREATE TABLE {self._scratch}.changed AS SELECT * FROM (SELECT e.place, "
            f"{after['start_time']} AS start_time, {after['end_time']} AS end_time, {self._renewed()} AS attributes, "
            f"e.attributes AS before, {changes} AS is_other FROM {self._scratch}.element s "
            f"JOIN {self._there('element')} e ON e.id = s.id AND e.kind = s.kind AND e.bundle = s.bundle) "
            "WHERE is_other OR list_sort(coalesce(attributes, [])) IS DISTINCT FROM list_sort(coalesce(before, []))"
        )

    def _renewed(self) -> str:
        """SQL of the attributes of ``e``, of which those that ``s`` has by name are replaced; types are joined."""
        groups: dict[str, int] = {}
        numbers = [
            groups.setdefault(self._of_name.get(key, ""), key)
            for key in range(1, max(self._of_name, default=0) + 1)
        ]
        type_ = groups.get("prov:type", 0)
        group = f"([{', '.join(map(str, numbers))}]::INTEGER[])"
        said = f"list_transform(coalesce(s.attributes, []), lambda b: {group}[b.k])"
        kept = (
            f"list_filter(coalesce(e.attributes, []), lambda a: {group}[a.k] = {type_} OR "
            f"NOT list_contains({said}, {group}[a.k]))"
        )
        added = (
            f"list_filter(coalesce(s.attributes, []), lambda c: {group}[c.k] <> {type_} OR "
            "NOT list_contains(coalesce(e.attributes, []), c))"
        )
        return f"{kept} || {added}"

    def _relations(self) -> None:
        """Make ``relation``, without the rows that are there; ``there`` is one that lacks its blank identifier."""
        mapped = f"{self._scratch}.mapped"
        joins = " ".join(f"LEFT JOIN {mapped} m_{column} ON m_{column}.old = r.{column}" for column in _NAMED)
        named = ", ".join(f"m_{column}.id AS {column}" for column in _NAMED)
        arrived = (
            f"SELECT coalesce(b.id, 0) AS bundle, r.kind, {named}, r.time, {self._attributes()} AS attributes, r.place "
            f"FROM (SELECT *, rowid AS place FROM {self._graph.schema}.relation) r "
            f"LEFT JOIN {mapped} b ON b.old = r.bundle {joins}"
        )
        if not self._graph.store.scalar(f"SELECT count(*) FROM {self._there('relation')}"):
            self._run(
                f"CREATE TABLE {self._scratch}.relation AS SELECT *, NULL::BIGINT AS there FROM ({arrived})"
            )
            return
        there = self._numbered(
            self._there("relation"), f"SELECT id FROM {self._target}.name WHERE prefix = '_'"
        )
        fresh = self._numbered(f"({arrived})", f"SELECT id FROM {mapped} WHERE prefix = '_'")
        same = " AND ".join(f"t.{column} IS NOT DISTINCT FROM s.{column}" for column in (*_SAID, "number"))
        self._run(
            f"CREATE TABLE {self._scratch}.relation AS SELECT s.* EXCLUDE (own, said, number), t.place AS there "
            f"FROM ({fresh}) s LEFT JOIN ({there}) t ON {same} "
            "WHERE t.place IS NULL OR (t.id IS NULL AND s.id IS NOT NULL)"
        )

    @staticmethod
    def _numbered(rows: str, blanks: str) -> str:
        """SQL of relations with all that they say, and the number of each among those that say the same."""
        return (
            f"SELECT *, row_number() OVER (PARTITION BY {', '.join(_SAID)} ORDER BY place) AS number FROM "
            f"(SELECT *, CASE WHEN id NOT IN ({blanks}) THEN id END AS own, "
            f"list_sort(coalesce(attributes, [])) AS said FROM {rows})"
        )

    def statements(self) -> Iterator[str]:
        """Yield the statements that add all of it to the target."""
        scratch, target = self._scratch, self._target
        if self._is_alone:
            yield from (f"DELETE FROM {target}.{table}" for table in ("prefix", "name", "attribute_key"))
            yield from (f"DELETE FROM {target}.{table}" for table in ("element", "relation", "bundle"))
        prefixes = {**(FIXED if self._is_alone else {}), **self._spelling.added}
        for prefix, iri in prefixes.items():
            yield f"INSERT INTO {target}.prefix VALUES ({literal(prefix)}, {literal(iri)})"
        for key, (name, *more) in self._new_keys.items():
            given = ", ".join("NULL" if text is None else literal(text) for text in more)
            yield f"INSERT INTO {target}.attribute_key VALUES ({key}, {literal(name)}, {given})"
        yield f"INSERT INTO {target}.name SELECT id, prefix, local FROM {scratch}.mapped WHERE is_new ORDER BY id"
        yield (
            f"INSERT INTO {target}.bundle SELECT m.id FROM {self._graph.schema}.bundle b JOIN {scratch}.mapped m "
            f"ON m.old = b.id WHERE m.id NOT IN (SELECT id FROM {target}.bundle) ORDER BY m.id"
        )
        yield (
            f"UPDATE {target}.element AS e SET start_time = c.start_time, end_time = c.end_time, "
            f"attributes = c.attributes FROM {scratch}.changed c WHERE e.rowid = c.place"
        )
        yield (
            f"INSERT INTO {target}.element SELECT * EXCLUDE (place) FROM {scratch}.element s WHERE NOT EXISTS "
            f"(SELECT 1 FROM {target}.element e WHERE e.id = s.id AND e.kind = s.kind AND e.bundle = s.bundle) "
            "ORDER BY place"
        )
        columns = ", ".join(("bundle", "kind", *_NAMED, "time", "attributes"))
        yield f"UPDATE {target}.relation AS r SET id = s.id FROM {scratch}.relation s WHERE r.rowid = s.there"
        yield f"INSERT INTO {target}.relation SELECT {columns} FROM {scratch}.relation WHERE there IS NULL ORDER BY place"
