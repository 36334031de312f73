"""The interpreter of the declared events: source tables in, record tables out, all in SQL.

Each event's rows become a table with a running number ``n``; the identifier of its i-th element in
row n is the integer base_i + n, so identifiers cost neither a hash nor a join. Every statement is
set-based; what is held in memory is what DuckDB holds, within the store's limit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow2prov.graph.graph import VOCABULARY_PREFIX, Graph, declare_prefixes
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.model.attribute_sql import (
    attributes_of,
    filtered,
    local_name,
    qualified_name,
    role_of,
    with_share,
)
from mlflow2prov.model.bulk import pieces, table_of
from mlflow2prov.model.declare import Attribute, Element, Event, Relation
from mlflow2prov.model.driven import has_no_rows
from mlflow2prov.model.emptiness import Empty
from mlflow2prov.model.events import EVENTS
from mlflow2prov.model.ids import MACROS
from mlflow2prov.model.lanes import Lanes
from mlflow2prov.model.readers import read_last_by, words_of, words_read_by
from mlflow2prov.prov.namespaces import AGENT, EXTRACTION, GIT
from mlflow2prov.prov.records import KIND_BY_NAME

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


log = logging.getLogger(__name__)

_LARGE = 100_000
"""Rows from which on it is worth while to drop a table."""
_MANY = 10_000
"""Rows from which on an event is looked at before it is expanded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The IRIs in which things of the sources are named, and what the document says of its making."""

    repository: str | None
    """That of the first repository."""
    store: str | None
    version: str
    settings: str
    more_repositories: tuple[str, ...] = ()
    """Those of the second repository and of those after it; several may have one."""
    is_whole: bool = True
    """Whether all registered and logged models were read: what is not there then is deleted."""

    @property
    def prefixes(self) -> dict[str, str]:
        """The prefix of each distinct IRI of repositories: ``repo``, ``repo2`` and so on.

        >>> Names(repository="a#", store=None, version="1", settings="", more_repositories=("b#", "a#")).prefixes
        {'a#': 'repo', 'b#': 'repo2'}
        """
        iris = dict.fromkeys((self.repository or "", *self.more_repositories))
        return {iri: f"repo{number if number > 1 else ''}" for number, iri in enumerate(iris, 1)}


def expand(
    graph: Graph,
    sources: str,
    names: Names,
    events: Iterable[Event] = EVENTS,
    keys: Mapping[tuple[str, str | None], int] = MappingProxyType({}),
    empty: Empty | None = None,
) -> None:
    """Fill the empty graph with what the source tables of the schema ``sources`` say.

    The schema gets a table for each event; it is the caller's to drop.

    Args:
        graph: an empty one.
        sources: the schema of the source tables.
        names: the namespaces, and what the document says of its making.
        events: what to expand.
        keys: numbers that attributes (name and datatype) have already.
        empty: what is known to have no rows.
    """
    empty = empty or Empty()
    with Lanes(graph.store, sources, is_parallel=empty.is_frugal) as lanes:
        interpreter = _Interpreter(graph, sources, keys, empty, lanes)
        interpreter.prepare(names)
        for event in events:
            interpreter.expand(event)
            interpreter.drop_what_is_not_read_after(event)
        interpreter.finish()


def settle(cursor: DuckDBPyConnection, names: Names) -> None:
    """Make, in the schema that the cursor looks in, what the rows of all events may read besides source tables."""
    for macro in MACROS:
        cursor.execute(f"CREATE MACRO {macro}")
    cursor.execute("CREATE TABLE extraction_settings (version VARCHAR, settings VARCHAR, is_whole BOOLEAN)")
    settings = [names.version, names.settings, names.is_whole]
    cursor.execute("INSERT INTO extraction_settings VALUES (?, ?, ?)", settings)
    cursor.execute("CREATE TABLE repository_prefixes (repository BIGINT, prefix VARCHAR)")
    for number, iri in enumerate((names.repository or "", *names.more_repositories), 1):
        cursor.execute("INSERT INTO repository_prefixes VALUES (?, ?)", [number, names.prefixes[iri]])


class _Interpreter:
    """Expands one event after the other; keeps the next free identifier and the attribute keys."""

    def __init__(
        self,
        graph: Graph,
        sources: str,
        keys: Mapping[tuple[str, str | None], int],
        empty: Empty,
        lanes: Lanes,
    ) -> None:
        self._graph = graph
        self._lanes = lanes
        self._sources = sources
        self._cursor = graph.store.cursor()
        self._cursor.execute(f"SET search_path = '{sources}'")
        self._next_id = 1
        self._keys = dict(keys)
        self._empty = set(empty.names)
        self._known = empty
        self._waiting: dict[str, Event] = {}
        self._same = empty.settled
        self._large = self._large_tables()
        self._over = read_last_by(EVENTS) if empty.is_frugal and self._large else {}

    def prepare(self, names: Names) -> None:
        settle(self._cursor, names)
        prefixes = [VOCABULARY_PREFIX, ("agent", AGENT), ("extraction", EXTRACTION), ("git", GIT)]
        prefixes += [(prefix, iri) for iri, prefix in names.prefixes.items() if iri]
        if names.store:
            prefixes.append(("mlflow", names.store))
        declare_prefixes(self._graph, prefixes)

    def finish(self) -> None:
        self._look_at_what_is_read_by(self._known.asked)
        self._lanes.wait()
        names, datatypes = zip(*self._keys, strict=True) if self._keys else ((), ())
        self._cursor.execute(
            f"INSERT INTO {self._graph.schema}.attribute_key "
            "SELECT unnest(?::INTEGER[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), NULL",
            [list(self._keys.values()), list(names), list(datatypes)],
        )
        self._cursor.close()

    def expand(self, event: Event) -> None:
        if has_no_rows(event.name, self._empty):
            shape = self._known.shapes.get(event.name)
            if shape is not None:
                self._empty.add(event.name)
                self._cursor.execute(f"CREATE TABLE {event.name} ({shape})")
                return
            if self._known.is_frugal:
                self._empty.add(event.name)
                self._waiting[event.name] = event
                return
        self._look_at_what_is_read_by(f"{event.rows} {event.view}")
        self._make(event)

    def drop_what_is_not_read_after(self, event: Event) -> None:
        """Drop the rows, of this event, those before it and of sources, that nothing reads any more."""
        over = self._over.get(event.name, frozenset()) & self._large
        if not over:
            return
        wanted = words_of(self._known.asked).union(*map(words_read_by, self._waiting.values()))
        dropped = over - wanted - self._waiting.keys()
        if not dropped.isdisjoint(event.name for event in EVENTS):
            self._lanes.wait()
        for name in dropped:
            for kind, made in (("VIEW", name), ("TABLE", f"{name}_rows"), ("TABLE", name)):
                if self._is_there(kind, made):
                    self._cursor.execute(f"DROP {kind} {made}")

    def _large_tables(self) -> set[str]:
        """The source tables that are worth dropping."""
        asked = "SELECT table_name FROM duckdb_tables() WHERE concat(database_name, '.', schema_name) = ? "
        found = self._cursor.execute(f"{asked} AND estimated_size >= {_LARGE}", [self._sources]).fetchall()
        return {name for (name,) in found}

    def _is_there(self, kind: str, name: str) -> bool:
        listed = f"duckdb_{kind.lower()}s()"
        asked = f"FROM {listed} WHERE concat(database_name, '.', schema_name) = ? AND {kind.lower()}_name = ?"
        return self._cursor.execute(asked, [self._sources, name]).fetchone() is not None

    def _look_at_what_is_read_by(self, sql: str) -> None:
        """Look at the events that wait and whose rows are read, in their order."""
        words, names = set(words_of(sql)), list(self._waiting)
        wanted: set[str] = set()
        for name in reversed(names):
            if name in words:
                wanted.add(name)
                words |= words_read_by(self._waiting[name])
        for name in names:
            if name in wanted:
                self._make(self._waiting.pop(name))

    def _make(self, event: Event) -> None:
        rows = f"{event.name}_rows"
        self._run(
            f"CREATE TABLE {rows} AS SELECT (row_number() OVER () - 1)::INTEGER AS n, * FROM ({event.rows})"
        )
        count = self._count(rows)
        identifiers = "".join(
            f", {self._identifier(element, count)} AS {alias}" for alias, element in event.elements.items()
        )
        view = event.view.format(rows=rows) if event.view else f"SELECT * FROM {rows}"
        self._cursor.execute(f"CREATE VIEW {event.name} AS SELECT *{identifiers} FROM ({view})")
        if not count:
            self._empty.add(event.name)
            return
        if count >= _LARGE:
            self._large.add(event.name)
        with self._one_thread(count) if event.view else nullcontext():
            for alias, element in event.elements.items():
                self._insert_name(event.name, alias, element)
            if event.name not in self._same:
                self._insert_elements(event, None if event.view else count)
                for relation in event.relations:
                    self._insert_relation(event.name, relation)
        if event.elements:
            log.info("%s: %s rows", event.name.replace("_", " "), f"{count:,}")

    @contextmanager
    def _one_thread(self, count: int) -> Iterator[None]:
        """Within the ``with`` block, what runs alone keeps the order of rows that a view joins."""
        self._lanes.wait()
        with self._graph.store.in_order(count):
            yield
            self._lanes.wait()

    def _run(self, sql: str) -> None:
        self._graph.store.roomy(lambda: self._cursor.execute(sql))

    def _insert(self, table: str, select: str) -> None:
        self._lanes.run(table, f"INSERT INTO {self._graph.schema}.{table} {select}")

    def _count(self, table: str) -> int:
        row = self._cursor.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(row[0]) if row else 0

    def _identifier(self, element: Element, count: int) -> str:
        base = self._next_id
        self._next_id += count
        identifier = f"({base} + n)::INTEGER"
        return f"CASE WHEN {element.when} THEN {identifier} END" if element.when else identifier

    def _insert_name(self, view: str, alias: str, element: Element) -> None:
        where = f" WHERE {element.when}" if element.when else ""
        prefix = element.prefix[1:] if element.prefix.startswith("=") else f"'{element.prefix}'"
        self._insert("name", f"SELECT {alias}, {prefix}, {local_name(element.name)} FROM {view}{where}")

    def _insert_elements(self, event: Event, count: int | None) -> None:
        """Tell what the rows of an event stand for, so many where it is known."""
        parts = self._pieces(event, count)
        column = event.bulky.column if event.bulky else None
        for alias, element in event.elements.items():
            attributes = [pair for pair in attributes_of(element) if parts or pair[1].sql != column]
            listed = self._attribute_list(self._settled(event.name, count, attributes, column))
            for rows in parts or [event.name]:
                self._insert_element(rows, alias, element, listed)
        if parts:
            self._lanes.run("element", f"DROP TABLE {table_of(event)}")

    def _pieces(self, event: Event, count: int | None) -> list[str]:
        """Return what selects the rows of an event with its wide column; nothing where there is none."""
        if event.bulky is None or count is None or event.bulky.source in self._empty:
            return []
        found, values = pieces(event, f"{event.name}_rows", count, self._cursor, self._run)
        if values >= _LARGE:
            self._large.add(event.bulky.source)
        return found

    def _insert_element(self, rows: str, alias: str, element: Element, listed: str) -> None:
        where = f" WHERE {element.when}" if element.when else ""
        self._insert(
            "element",
            f"SELECT 0, {KIND_BY_NAME[element.kind].number}, {alias}, "
            f"{element.start or 'NULL'}, {element.end or 'NULL'}, {listed} "
            f"FROM {rows}{where}",
        )

    def _settled(
        self, view: str, count: int | None, attributes: list[tuple[str, Attribute]], wide: str | None
    ) -> list[tuple[str, Attribute]]:
        """The attributes, those marked as always there that are never NULL in a large event, or rarely something else.

        Those that are always NULL there are left out. The wide column is not looked at.

        Looking first costs less than looking at each of millions of attribute lists.
        """
        open_ones = [
            position for position, (_, it) in enumerate(attributes) if not it.always and it.sql != wide
        ]
        total = 0
        if open_ones:
            total = self._count(view) if count is None else count
        if total < _MANY:
            return attributes
        looks = ", ".join(f"count({attributes[position][1].sql})" for position in open_ones)
        counts = self._cursor.execute(f"SELECT {looks} FROM {view}").fetchone() or ()
        there = dict(zip(open_ones, counts, strict=True))
        return [
            (name, with_share(attribute, there[position] / total) if position in there else attribute)
            for position, (name, attribute) in enumerate(attributes)
            if there.get(position) != 0
        ]

    def _insert_relation(self, view: str, relation: Relation) -> None:
        kind = KIND_BY_NAME[relation.kind]
        arguments: list[str] = [argument or "NULL" for argument in relation.arguments]
        needed = {*range(kind.required), *relation.needs}
        conditions = [f"({arguments[n]}) IS NOT NULL" for n in sorted(needed)]
        if relation.when:
            conditions.append(f"({relation.when})")
        attributes = [("prov:type", qualified_name(name)) for name in relation.types]
        if relation.role:
            attributes.append(("prov:role", role_of(relation.role)))
        attributes += [(f"m2p:{name}", attribute) for name, attribute in relation.attributes.items()]
        columns = [*arguments, *["NULL"] * (len(ARGUMENT_COLUMNS) - len(arguments))]
        self._insert(
            "relation",
            f"SELECT 0, {kind.number}, NULL, {', '.join(columns)}, "
            f"{relation.time or 'NULL'}, {self._attribute_list(attributes)} "
            f"FROM {view} WHERE {' AND '.join(conditions)}",
        )

    def _attribute_list(self, attributes: list[tuple[str, Attribute]]) -> str:
        """The SQL of an attribute list; NULL where it would be empty."""
        if not attributes:
            return "NULL"
        if len(attributes) == 1 and not attributes[0][1].always and not attributes[0][1].many:
            return f"CASE WHEN ({attributes[0][1].sql}) IS NOT NULL THEN [{self._pair(*attributes[0])}] END"
        single = [pair for pair in attributes if not pair[1].many]
        pairs = [self._pair(name, attribute) for name, attribute in single]
        listed = f"[{', '.join(pairs)}]"
        optional = [position for position, (_, attribute) in enumerate(single) if not attribute.always]
        if len(optional) == 1 and len(single) > 1:  # cheaper than a filter
            without = ", ".join(pair for position, pair in enumerate(pairs) if position != optional[0])
            is_missing = f"({single[optional[0]][1].sql}) IS NULL"
            listed = f"CASE WHEN {is_missing} THEN [{without}] ELSE {listed} END"
        elif optional:
            listed = filtered([attribute for _, attribute in single], pairs)
        for name, attribute in attributes:
            if attribute.many:
                there = f"list_filter({attribute.expression}, lambda a: a IS NOT NULL)"
                values = f"list_transform({there}, lambda a: {self._pair(name, Attribute('a', ready=True))})"
                listed = f"list_concat({listed}, {values})"
        if all(attribute.always for _, attribute in attributes):
            return listed
        return f"CASE WHEN len({listed}) > 0 THEN {listed} END" if len(attributes) == 1 else listed

    def _pair(self, name: str, attribute: Attribute) -> str:
        key = self._keys.setdefault((name, attribute.datatype), len(self._keys) + 1)
        return f"{{k: {key}::INTEGER, v: {attribute.expression}}}"
