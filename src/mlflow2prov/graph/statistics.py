"""How much of what a graph holds, and how it hangs together."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.prov.records import ELEMENT_KINDS, KINDS, RELATION_KINDS

RESOLUTIONS = ("coarse", "fine")

TEXT_FORMATS = ("csv", "json", "markdown")
"""The formats of :meth:`Statistics.text`."""

FEW = 5
"""How many identifiers are named of those that stand out."""

Row = tuple[str, str, int | float | str]

_OF_RELATIONS = frozenset({"generation", "usage"})
"""Formal arguments that identify relations, not elements."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures, in the order of a document.

    Attributes:
        resolution: ``coarse`` or ``fine``.
        rows: what is told (``element``, ``relation``, ``type``, …), its name, and the value: a count,
            a mean, or an instant as text.
        document: what the document is called, where several are counted.
    """

    resolution: str
    rows: tuple[Row, ...]
    document: str = ""

    def counts(self, what: str) -> dict[str, int]:
        """Return the counts of one sort of thing by name.

        >>> statistics(Graph.empty(), "coarse").counts("element")
        {'entity': 0, 'activity': 0, 'agent': 0}
        """
        return {name: value for sort, name, value in self.rows if sort == what and isinstance(value, int)}

    def text(self, format: str) -> str:  # noqa: A002
        """Return the rows as ``csv``, ``json`` or ``markdown``.

        Raises:
            UsageError: there is no such format.
        """
        writers: dict[str, Callable[[], str]] = {
            "csv": self.to_csv,
            "json": self.to_json,
            "markdown": self.to_markdown,
        }
        if format not in writers:
            raise UsageError(f"no format {format!r} of statistics; there is: {', '.join(writers)}")
        return writers[format]()

    def to_csv(self) -> str:
        """Return the rows as CSV (RFC 4180 with line feeds) with a header; a named document is a column, too."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        named = [self.document] if self.document else []
        writer.writerow([*(["document"] if named else []), "what", "name", "count"])
        writer.writerows([*named, *row] for row in self.rows)
        return text.getvalue()

    def to_json(self) -> str:
        """Return a JSON object with an object of names and values for each sort of thing.

        A named document comes first, as ``document``.

        >>> print(statistics(Graph.empty()).to_json().replace(chr(10), ""))
        {  "element": {    "entity": 0,    "activity": 0,    "agent": 0  },  "relation": {    "all": 0  }}
        """
        sorts: dict[str, dict[str, int | float | str] | str] = {}
        if self.document:
            sorts["document"] = self.document
        for what in dict.fromkeys(row[0] for row in self.rows):
            sorts[what] = {name: value for sort, name, value in self.rows if sort == what}
        return json.dumps(sorts, indent=2, ensure_ascii=False) + "\n"

    def to_markdown(self) -> str:
        """Return the rows as a table in GitHub Flavored Markdown (section 4.10).

        >>> print(statistics(Graph.empty()).to_markdown().splitlines()[2])
        | element | entity | 0 |
        """
        lines = [f"### {_cell(self.document)}", ""] if self.document else []
        lines += ["| what | name | count |", "| --- | --- | ---: |"]
        for row in self.rows:
            lines.append(f"| {' | '.join(map(_cell, row))} |")
        return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    """A value as a cell of a table in Markdown."""
    return " ".join(str(value).split()).replace("\\", "\\\\").replace("|", "\\|")


def statistics(graph: Graph, resolution: str = "coarse") -> Statistics:
    """Return how many elements and relations a graph has, and more.

    ``coarse`` counts elements by kind and relations as a whole. ``fine`` tells, too:

    * ``relation``: how many there are of each kind; ``type``: of each ``prov:type`` of elements (an
      element of two types counts in both); ``namespace``: how many elements are named in each.
    * ``degree``: in how many relations an element stands, least, mean and most; ``most related``: the
      elements that stand in the most.
    * ``component``: how many there are when elements that are related count as one, and how many
      elements the largest has.
    * ``time``: the first and the last instant in UTC; those without a time zone count as UTC.
    * ``dangling``: how many identifiers relations name that the document does not describe, and some.

    Elements are identifiers here, whatever bundle they are described in. Everything is counted in bulk;
    components take a logarithmic number of passes over relations that become fewer.

    Raises:
        UsageError: there is no such resolution.
    """
    if resolution not in RESOLUTIONS:
        raise UsageError(f"no resolution {resolution!r}; there is: {', '.join(RESOLUTIONS)}")
    elements = dict(graph.query("SELECT kind, count(*) FROM {graph}.element GROUP BY kind"))
    relations = dict(graph.query("SELECT kind, count(*) FROM {graph}.relation GROUP BY kind"))
    rows: list[Row] = [("element", kind.name, int(elements.get(kind.number, 0))) for kind in ELEMENT_KINDS]
    if resolution == "coarse":
        rows.append(("relation", "all", sum(map(int, relations.values()))))
        return Statistics(resolution, tuple(rows))
    rows += [
        ("relation", kind.name, int(relations[kind.number])) for kind in KINDS if kind.number in relations
    ]
    rows += [("type", name, count) for name, count in _types(graph)]
    rows += [("namespace", iri, count) for iri, count in _namespaces(graph)]
    with graph.store.scratch("statistics") as scratch:
        _make_ends(graph, scratch)
        rows += _degrees(graph, scratch)
        rows += [("component", name, count) for name, count in _components(graph, scratch)]
        rows += _times(graph)
        rows += _dangling(graph, scratch)
    return Statistics(resolution, tuple(rows))


def _types(graph: Graph) -> list[tuple[str, int]]:
    keys = [row[0] for row in graph.query("SELECT key FROM {graph}.attribute_key WHERE name = 'prov:type'")]
    if not keys:
        return []
    listed = ", ".join(map(str, keys))
    rows = graph.query(
        "SELECT value, count(*) FROM (SELECT unnest(list_distinct(list_transform(list_filter(attributes, "
        f"lambda a: a.k IN ({listed})), lambda a: a.v))) AS value FROM {{graph}}.element) GROUP BY value ORDER BY value"
    )
    return [(str(name), int(count)) for name, count in rows]


def _namespaces(graph: Graph) -> list[tuple[str, int]]:
    rows = graph.query(
        "SELECT p.iri, count(*) FROM (SELECT DISTINCT id FROM {graph}.element) e JOIN {graph}.name n ON n.id = e.id "
        "JOIN {graph}.prefix p ON p.prefix = n.prefix GROUP BY p.iri ORDER BY p.iri"
    )
    return [(str(iri), int(count)) for iri, count in rows]


def _make_ends(graph: Graph, scratch: str) -> None:
    """Make the tables ``stands``: which element stands in which relation, and ``described``."""
    run = graph.store.run
    pieces = [
        f"SELECT rowid AS relation, a{position} AS id FROM {graph.schema}.relation "
        f"WHERE kind IN ({', '.join(str(kind.number) for kind in kinds)}) AND a{position} IS NOT NULL"
        for position in range(1, 6)
        if (kinds := [kind for kind in RELATION_KINDS if _names_element(kind.references, position)])
    ]
    run(f"CREATE TABLE {scratch}.stands AS {' UNION ALL '.join(pieces)}")
    run(f"CREATE TABLE {scratch}.described AS SELECT DISTINCT id FROM {graph.schema}.element")


def _names_element(references: tuple[str, ...], position: int) -> bool:
    return position <= len(references) and references[position - 1] not in _OF_RELATIONS | {"bundle"}


_NAME = "CASE WHEN n.prefix = '' THEN n.local ELSE concat(n.prefix, ':', n.local) END"


def _degrees(graph: Graph, scratch: str) -> list[Row]:
    run = graph.store.run
    run(
        f"CREATE TABLE {scratch}.degree AS SELECT id, sum(many)::BIGINT AS degree FROM ("
        f"SELECT id, count(DISTINCT relation) AS many FROM {scratch}.stands GROUP BY id "
        f"UNION ALL SELECT id, 0 FROM {scratch}.described) GROUP BY id"
    )
    ((least, mean, most),) = run(f"SELECT min(degree), avg(degree), max(degree) FROM {scratch}.degree")
    if most is None:
        return []
    rows: list[Row] = [
        ("degree", "least", least),
        ("degree", "mean", round(mean, 3)),
        ("degree", "most", most),
    ]
    bound = (
        f"(SELECT min(degree) FROM (SELECT degree FROM {scratch}.degree ORDER BY degree DESC LIMIT {FEW}))"
    )
    named = run(
        f"SELECT {_NAME}, d.degree FROM (SELECT * FROM {scratch}.degree WHERE degree >= {bound} AND degree > 0) d "
        f"JOIN {graph.schema}.name n ON n.id = d.id ORDER BY d.degree DESC, 1 LIMIT {FEW}"
    )
    return rows + [("most related", str(name), int(degree)) for name, degree in named]


def _components(graph: Graph, scratch: str) -> list[tuple[str, int]]:
    """Count the connected components, by randomized contraction.

    In each round every element points at the neighbour (or itself) with the least random number, and
    what is pointed at stays, with the weight of what points at it (Bögeholz, Brand and Todor,
    In-database connected component analysis, ICDE 2020). A third or so of the elements go in a round,
    in a long chain as well, and with them their relations.
    """
    run = graph.store.run
    run(f"CREATE TABLE {scratch}.weight_0 AS SELECT id AS v, 1::BIGINT AS weight FROM {scratch}.degree")
    run(
        f"CREATE TABLE {scratch}.edge_0 AS SELECT DISTINCT least(s.id, f.id) AS a, greatest(s.id, f.id) AS b "
        f"FROM {scratch}.stands s JOIN (SELECT relation, min(id) AS id FROM {scratch}.stands GROUP BY relation) f "
        "ON f.relation = s.relation WHERE s.id <> f.id"
    )
    number = 0
    while run(f"SELECT 1 FROM {scratch}.edge_{number} LIMIT 1"):
        _contract(graph, scratch, number)
        number += 1
    ((count, largest),) = run(f"SELECT count(*), coalesce(max(weight), 0) FROM {scratch}.weight_{number}")
    return [("number", int(count)), ("elements of the largest", int(largest))]


def _contract(graph: Graph, scratch: str, number: int) -> None:
    run, this, following = graph.store.run, f"{number}", f"{number + 1}"
    edge, weight = f"{scratch}.edge_{this}", f"{scratch}.weight_{this}"
    chance = f"hash(w::BIGINT * 4096 + {number % 4096})"
    run(
        f"CREATE TABLE {scratch}.kept AS SELECT v, arg_min(w, {chance}) AS r FROM ("
        f"SELECT a AS v, b AS w FROM {edge} UNION ALL SELECT b, a FROM {edge} UNION ALL SELECT a, a FROM {edge} "
        f"UNION ALL SELECT b, b FROM {edge}) GROUP BY v"
    )
    run(
        f"CREATE TABLE {scratch}.weight_{following} AS SELECT coalesce(k.r, w.v) AS v, sum(w.weight)::BIGINT AS weight "
        f"FROM {weight} w LEFT JOIN {scratch}.kept k ON k.v = w.v GROUP BY 1"
    )
    run(
        f"CREATE TABLE {scratch}.edge_{following} AS SELECT DISTINCT least(k.r, l.r) AS a, greatest(k.r, l.r) AS b "
        f"FROM {edge} e JOIN {scratch}.kept k ON k.v = e.a JOIN {scratch}.kept l ON l.v = e.b WHERE k.r <> l.r"
    )
    for table in (f"{scratch}.kept", edge, weight):
        run(f"DROP TABLE {table}")


def instants(graph: Graph) -> str:
    """Return SQL of every formal time of a graph, as ``instant``: NULL where it is none."""
    columns = (("element", "start_time"), ("element", "end_time"), ("relation", "time"))
    return " UNION ALL ".join(
        f"SELECT {instant(column)} AS instant FROM {graph.schema}.{table} WHERE {column} IS NOT NULL"
        for table, column in columns
    )


def instant(column: str) -> str:
    """Return SQL of the instant that a time's lexical form means; NULL where it means none.

    Forms without a time zone count as UTC (the store's time zone).
    """
    parsed = f"TRY_CAST({column} AS TIMESTAMPTZ)"
    return f"CASE WHEN contains({column}, '-') AND isfinite({parsed}) THEN {parsed} END"


def instant_text(sql: str) -> str:
    """Return SQL of an instant as ISO 8601 in UTC, with as many decimals as it needs."""
    text = f"strftime({sql} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%f')"
    return f"concat(regexp_replace({text}, '\\.?0*$', ''), 'Z')"


def _times(graph: Graph) -> list[Row]:
    ((first, last, count, readable),) = graph.store.run(
        f"SELECT {instant_text('min(instant)')}, {instant_text('max(instant)')}, count(*), count(instant) "
        f"FROM ({instants(graph)})"
    )
    rows: list[Row] = [("time", "first", first), ("time", "last", last)] if readable else []
    return rows + ([("time", "unreadable", count - readable)] if readable < count else [])


def _dangling(graph: Graph, scratch: str) -> list[Row]:
    """Count identifiers without a description: elements, bundles, and relations that derivations name."""
    derivation, mention = (
        next(kind for kind in RELATION_KINDS if name in kind.references) for name in ("generation", "bundle")
    )
    relation = f"{graph.schema}.relation"
    columns = [f"a{derivation.references.index(name) + 1}" for name in sorted(_OF_RELATIONS)]
    named = " UNION ALL ".join(
        f"SELECT {column} AS id FROM {relation} WHERE kind = {derivation.number}" for column in columns
    )
    place = mention.references.index("bundle") + 1
    referred = (
        f"SELECT s.id FROM {scratch}.stands s ANTI JOIN {scratch}.described d ON d.id = s.id "
        f"UNION ALL SELECT r.id FROM ({named}) r ANTI JOIN {relation} d ON d.id = r.id WHERE r.id IS NOT NULL "
        f"UNION ALL SELECT r.id FROM (SELECT a{place} AS id FROM {relation} WHERE kind = {mention.number}) r "
        f"ANTI JOIN {graph.schema}.bundle b ON b.id = r.id ANTI JOIN {scratch}.described d ON d.id = r.id "
        "WHERE r.id IS NOT NULL"
    )
    run = graph.store.run
    run(f"CREATE TABLE {scratch}.dangling AS SELECT id, count(*) AS times FROM ({referred}) GROUP BY id")
    rows: list[Row] = [("dangling", "identifiers", run(f"SELECT count(*) FROM {scratch}.dangling")[0][0])]
    found = run(
        f"SELECT {_NAME}, d.times FROM {scratch}.dangling d JOIN {graph.schema}.name n ON n.id = d.id "
        f"ORDER BY d.times DESC, 1 LIMIT {FEW}"
    )
    return rows + [("not described", str(name), int(times)) for name, times in found]
