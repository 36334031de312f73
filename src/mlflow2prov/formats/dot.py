"""Graphviz DOT (https://graphviz.org/doc/info/lang.html), in the drawing conventions of PROV; written only.

Entities are yellow ovals, activities blue boxes, agents orange houses
(https://www.w3.org/2011/prov/wiki/Diagrams); edges point from what came later to what it came of, and
up, so that time runs down. A bundle is a cluster. A relation of three things has a dot in its middle;
what is referred to but not described is drawn dashed; a thing that a relation leaves open is a
question mark. Names of nodes are identifiers, with the bundle's number before those in a bundle.

A drawing leaves out what can't be drawn: the identifiers of relations, datatypes and languages, and, of
a derivation, which generation and usage it means. Attributes stand there on demand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from mlflow2prov.formats import dot_style as style
from mlflow2prov.formats.projection import Projection, Rows, projecting
from mlflow2prov.formats.text import literal, write_strings
from mlflow2prov.graph.graph import Graph
from mlflow2prov.prov.records import KIND_BY_NUMBER, RecordKind

_FULL = "CASE WHEN n.prefix = '' THEN n.local ELSE concat(n.prefix, ':', n.local) END"

_NAMES = (
    f"{{'id': {style.node_name()}, 'short': {style.fallback()}, "
    f"'full': {style.quoted(style.line(_FULL, 200))}}}"
)
"""SQL of what is asked of a name: a node's name, what people read, and the whole identifier."""


def write(graph: Graph, file: BinaryIO, *, attributes: bool = False, badges: bool = False) -> None:
    """Write a graph as DOT to a binary file, streaming; memory does not grow with the graph.

    Args:
        graph: what to draw.
        file: where to.
        attributes: show attributes, of elements as notes beside them, of relations below their names.
        badges: draw what touches very many things, such as people, as badges on these, and things
            that are related in the same way as one box (:mod:`mlflow2prov.formats.dot_badges`).
    """
    if badges:
        from mlflow2prov.formats import dot_badges

        dot_badges.write(graph, file, attributes=attributes)
        return
    with projecting(graph, _NAMES) as projection:
        projection.spell_keys(
            is_label=[key.name == "prov:label" for key in projection.keys],
            named=[key.name for key in projection.keys],
        )
        _label_repeated(projection)
        file.write(opening(style.GRAPH))
        _Part(projection, file, attributes=attributes).write()
        for place, (number, name) in enumerate(projection.bundles, 1):
            file.write(cluster(place, name["full"]))
            _Part(projection, file, attributes=attributes, bundle=number, scope=style.scope(place)).write()
            file.write(b"}\n")
        file.write(b"}\n")


def opening(graph: str) -> bytes:
    """Return the beginning of a drawing, with the attributes of the graph."""
    return f"digraph provenance {{\ngraph [{graph}]\nnode [{style.NODE}]\nedge [{style.EDGE}]\n".encode()


def cluster(place: int, name: str) -> bytes:
    """Return the beginning of a bundle; ``name`` is as it stands inside a quoted string."""
    return f'subgraph cluster_{place} {{\nlabel="{name}"\nlabelloc=b\n'.encode()


def node_defaults(kind: RecordKind | None, manner: str = "filled") -> bytes:
    """Return the statement of how the next nodes, of one kind, are drawn."""
    look = style.look(kind)
    text = f'node [shape={look.shape}, fillcolor="{look.fill}", color="{look.line}", style="{manner}"]\n'
    return text.encode()


def _label_repeated(projection: Projection) -> None:
    """Make a table with the labels of what has several records: each of these is to show the same."""
    own = _own_label(projection)
    places = _Described(projection)
    is_none = not projection.bundles and places.count == projection.graph.count("element")
    projection.graph.store.run(
        f"CREATE TABLE {projection.scratch}.repeated AS SELECT bundle, id, "
        f"any_value(label ORDER BY place) AS label FROM (SELECT r.bundle, r.id, r.rowid AS place, {own} AS label "
        f"FROM {projection.graph.schema}.element r CROSS JOIN {projection.scratch}.spelling s WHERE {not is_none}) "
        "GROUP BY bundle, id HAVING count(*) > 1 AND count(label) > 0"
    )


class _Described:
    """Which identifiers the document's own elements describe: one bit each, in a table ``described`` of one row.

    Attributes:
        count: how many there are.
    """

    def __init__(self, projection: Projection) -> None:
        store, schema = projection.graph.store, projection.graph.schema
        own = f"FROM {schema}.element WHERE bundle = 0"
        ((least, most),) = store.run(f"SELECT min(id), max(id) {own}")
        self._least, self._most = (0, -1) if least is None else (int(least), int(most))
        bits = "NULL::BIT AS bits" if least is None else f"bitstring_agg(id, {least}, {most}) AS bits {own}"
        store.run(f"CREATE OR REPLACE TABLE {projection.scratch}.described AS SELECT {bits}")
        counted = store.scalar(f"SELECT bit_count(bits) FROM {projection.scratch}.described")
        self.count = int(counted or 0)

    def has(self, number: str) -> str:
        """SQL of whether an identifier's number is described, from the row ``d``; nothing is for a missing one."""
        known = f"get_bit(d.bits, {number} - {self._least}) = 1"
        is_within = f"{number} BETWEEN {self._least} AND {self._most}"
        return f"CASE WHEN {number} IS NULL THEN true WHEN {is_within} THEN {known} ELSE false END"


def _own_label(projection: Projection) -> str:
    """SQL of a record's label, NULL where it has none that shows."""
    if not any(key.name == "prov:label" for key in projection.keys):
        return "NULL"
    value = "list_filter(r.attributes, lambda a: s.is_label[a.k])[1].v"
    return f"nullif({style.line(style.shortened(value), 60)}, '')"


@dataclass(slots=True)
class _Part:
    """The document's own records, or those of one bundle, on their way into the file."""

    projection: Projection
    file: BinaryIO
    attributes: bool = field(kw_only=True)
    bundle: int = field(default=0, kw_only=True)
    scope: str = field(default="", kw_only=True)

    def write(self) -> None:
        """Write the nodes, and then the edges, whose ends would have the looks of edges' ends else."""
        kinds = list(self.projection.kinds(self.bundle))
        for kind in kinds:
            if kind.is_element:
                self.file.write(node_defaults(kind))
                for rows in self.projection.rows(self.bundle, kind):
                    self._write_elements(rows)
        self._write_dangling()
        for kind in kinds:
            if not kind.is_element:
                color = style.pen(kind.name)
                looks = f'edge [label="{kind.name}", color="{color}", fontcolor="{color}"]\n'
                self.file.write(looks.encode())
                for rows in self.projection.rows(self.bundle, kind):
                    self._write_relations(rows)

    def _lines(self, sql: str) -> None:
        write_strings(self.projection.graph.store, sql, self.file)

    def _node(self, names: str) -> str:
        """SQL of a node's name, from that of a row of names."""
        return f"concat('\"{self.scope}', {names}.id, '\"')"

    def _extra(self, mark: str) -> str:
        """SQL of the name of a node that is no element, by the number of the record that it belongs to."""
        return f"concat('\":{mark}', r.place, '\"')"

    def _write_elements(self, rows: Rows) -> None:
        name = "n.text"
        label = f"coalesce(q.label, {_own_label(self.projection)}, nullif({name}.short, ''), {name}.full)"
        pieces = [
            *(self._node(name), "' [label=\"'", style.quoted(style.wrapped(label))),
            *("'\", tooltip=\"'", f"{name}.full", "'\"]'", "chr(10)"),
        ]
        repeated = f"(SELECT id, label FROM {self.projection.scratch}.repeated WHERE bundle = {self.bundle})"
        source = f"{rows.source} LEFT JOIN {repeated} q ON q.id = r.id"
        if self.attributes:
            note = self._extra("note")
            noted = f"concat_ws('', {self._details(rows)})"
            look = 'shape=note, style=solid, color="#A0A0A0", fontsize=9, tooltip=""'
            line = 'label="", style=dotted, arrowhead=none, color="#A0A0A0"'
            pieces.append(
                f"CASE WHEN {noted} <> '' THEN concat({note}, ' [{look}, label=\"', {noted}, '\"]', chr(10), "
                f"{note}, ' -> ', {self._node(name)}, ' [{line}]', chr(10)) END"
            )
        self._lines(f"SELECT concat({', '.join(pieces)}) FROM {source}")

    def _details(self, rows: Rows) -> str:
        """SQL of the lines of a record's times and attributes, each ended as what stands to the left."""
        value = style.line("a.v", 60)
        attribute = f"concat({style.quoted('s.named[a.k]')}, ' = ', {style.quoted(value)}, '\\l')"
        times = [
            f"{literal(f'prov:{name} = ')} || {style.quoted(style.line(text, 60))} || '\\l'"
            for name, text in rows.times.items()
        ]
        return ", ".join([*times, self.projection.attributes(attribute, separator="")])

    def _write_dangling(self) -> None:
        """Write what the part's relations refer to and none of its elements describes, by the kind it must be."""
        graph, scratch = self.projection.graph, self.projection.scratch
        present = {kind.number for kind in self.projection.kinds(self.bundle)}
        referred = " UNION ALL ".join(
            f"SELECT {column} AS id, {meant} AS kind FROM {graph.schema}.relation WHERE bundle = {self.bundle} "
            f"AND kind = {kind.number}"
            for kind, column, meant in style.references()
            if kind.number in present
        )
        if not referred:
            return
        own = f"SELECT id FROM {graph.schema}.element WHERE bundle = {self.bundle}"
        missing = f"ANTI JOIN ({own}) e ON e.id = r.id WHERE id IS NOT NULL"
        if not self.bundle:  # bundles are many, and mostly small
            described = _Described(self.projection)
            missing = f"CROSS JOIN {scratch}.described d WHERE NOT {described.has('id')}"
        graph.store.run(
            f"CREATE OR REPLACE TABLE {scratch}.dangling AS SELECT id, max(kind) AS kind FROM ({referred}) r "
            f"{missing} GROUP BY id"
        )
        for (number,) in graph.store.run(f"SELECT DISTINCT kind FROM {scratch}.dangling ORDER BY kind"):
            self.file.write(node_defaults(KIND_BY_NUMBER.get(number), "filled,dashed"))
            self._lines(
                f"SELECT concat({self._node('n.text')}, ' [label=\"', {style.quoted('n.text.short')}, '\", tooltip=\"', "
                f"n.text.full, '\"]', chr(10)) FROM {scratch}.dangling d "
                f"JOIN {self.projection.names(f'id IN (SELECT id FROM {scratch}.dangling)')} n ON n.id = d.id "
                f"WHERE d.kind = {number} ORDER BY n.text.id"
            )

    def _write_relations(self, rows: Rows) -> None:
        kind = rows.kind
        source, target, *others = (rows.arguments.get(name) for name in style.drawn(kind))
        thirds = zip(style.drawn(kind)[2:], others, strict=True)
        label = "''"
        if self.attributes:
            details = f"concat_ws('', {self._details(rows)})"
            label = f"CASE WHEN {details} <> '' THEN concat(' [label=\"{kind.name}\\n', {details}, '\"]') END"
        binary = self._edge(self._end(source, "from"), self._end(target, "to"), label)
        text = f"concat({self._missing(source, 'from')}, {self._missing(target, 'to')}, {binary})"
        further = [(name, end) for name, end in thirds if end is not None]
        if further:
            text = f"CASE WHEN coalesce({', '.join(f'{end}.id' for _, end in further)}) IS NULL THEN {text} ELSE "
            text += f"{self._star(kind, source, target, further, label)} END"
        self._lines(f"SELECT {text} FROM {rows.source}")

    def _star(
        self,
        kind: RecordKind,
        source: str | None,
        target: str | None,
        further: list[tuple[str, str]],
        label: str,
    ) -> str:
        """SQL of a relation of more than two things: a dot that all of them are joined with."""
        dot = self._extra("r")
        look = 'shape=point, width=0.06, label="", style=filled, fillcolor="#404040"'
        before = f"coalesce({label}, '') || ' [arrowhead=none]'"
        pieces = [self._missing(source, "from"), dot, f"' [{look}]'", "chr(10)"]
        pieces.append(self._edge(self._end(source, "from"), dot, before))
        if target is not None:
            edge = self._edge(dot, self._node(target), "' [label=\"\"]'")
            pieces.append(f"CASE WHEN {target}.id IS NOT NULL THEN {edge} END")
        for name, end in further:
            edge = self._edge(dot, self._node(end), f"' [label=\"{name}\", style=dashed]'")
            pieces.append(f"CASE WHEN {end}.id IS NOT NULL THEN {edge} END")
        return f"concat({', '.join(pieces)})"

    def _edge(self, source: str, target: str, more: str) -> str:
        return f"concat({source}, ' -> ', {target}, {more}, chr(10))"

    def _end(self, names: str | None, mark: str) -> str:
        """SQL of the name of one end of an edge; that of a question mark where there is none."""
        if names is None:
            return self._extra(mark)
        return f"CASE WHEN {names}.id IS NULL THEN {self._extra(mark)} ELSE {self._node(names)} END"

    def _missing(self, names: str | None, mark: str) -> str:
        """SQL of the question mark of an end that is missing."""
        look = 'shape=circle, width=0.3, label="?", tooltip="not given", style=dashed, color="#606060"'
        statement = f"concat({self._extra(mark)}, ' [{look}]', chr(10))"
        return statement if names is None else f"CASE WHEN {names}.id IS NULL THEN {statement} END"
