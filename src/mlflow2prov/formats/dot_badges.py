"""A graph as a drawing that people can read, in DOT: fewer nodes and edges that say the same.

Two things make a drawing of provenance unreadable, and its layout slow, and each has a rule here:

* What touches very many things (as many as ``HUBS`` says) is a *hub*. It is drawn as a badge on what it
  touches, and the legend says what the badges stand for. Where one agent is, all are.
* Things of one kind that are related in the same way to the same others (the params and metrics of a
  run) are drawn as one box, which lists them by type; where a collection has such members, relations
  that the collection itself has are not drawn again for the box.

Relations between two things are one edge with all their names. What a relation leaves open is not
drawn, and of a relation of three things the third only where nothing else joins it to the first. What others
imply is not drawn besides: that a collection has as a member what specializes it; that an activity used what it made
into another thing of the type, or into the only thing that it generated, where the derivation says so; and the starter
of an activity, where it generated the trigger.
"""

from __future__ import annotations

from typing import BinaryIO

from mlflow2prov.errors import FormatError
from mlflow2prov.formats import dot_style as style
from mlflow2prov.formats.dot import cluster, opening
from mlflow2prov.formats.dot_reduce import Reduced, reducing
from mlflow2prov.formats.text import literal, write_strings
from mlflow2prov.graph.graph import Graph
from mlflow2prov.prov.records import ELEMENT_KINDS, KIND_BY_NAME, RELATION_KINDS

_BADGES = 6
"""How many badges a node shows; the others are counted."""

_LISTED = 4
"""How many things of one type a box lists; the others are counted."""

_BY_KIND = {
    part: " ".join(
        f"WHEN {kind.number} THEN {literal(getattr(style.look(kind), part))}" for kind in ELEMENT_KINDS
    )
    + f" ELSE {literal(getattr(style.UNKNOWN, part))}"
    for part in ("shape", "fill", "line")
}
"""What elements look like, as the cases of an SQL expression."""

_AGENT = KIND_BY_NAME["agent"].number

_TABLE = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="2" CELLPADDING="1">'

_GRAPH = f"{style.GRAPH}, nodesep=0.2, ranksep=0.4, newrank=true"


def write(
    graph: Graph,
    file: BinaryIO,
    *,
    attributes: bool = False,
    most_nodes: int | None = None,
    most_edges: int | None = None,
) -> None:
    """Write a reduced drawing as DOT to a binary file.

    Args:
        graph: what to draw.
        file: where to.
        attributes: list the attributes of what is drawn by itself.
        most_nodes: refuse to draw more nodes than that.
        most_edges: likewise for edges.

    Raises:
        FormatError: the drawing would be larger than that; nothing is written then.
    """
    with reducing(graph, attributes=attributes) as reduced:
        _check(reduced, most_nodes, most_edges)
        _label(reduced)
        file.write(opening(_GRAPH))
        for place, (number, name) in enumerate([(0, ""), *reduced.bundles]):
            if place:
                file.write(cluster(place, name))
            _write_nodes(reduced, number, file)
            if place:
                file.write(b"}\n")
        _write_edges(reduced, file)
        _write_legend(reduced, file)
        file.write(b"}\n")


def _check(reduced: Reduced, most_nodes: int | None, most_edges: int | None) -> None:
    nodes, edges = reduced.size
    if (most_nodes is None or nodes <= most_nodes) and (most_edges is None or edges <= most_edges):
        return
    raise FormatError(
        f"a picture of this document would have {nodes:,} nodes and {edges:,} edges, more than anybody can read "
        f"(at most {most_nodes:,} and {most_edges:,} are drawn): draw a part of it, chosen by transform --types, "
        "--exclude_types, --since or --until, or save it as dot or csv for a program that shows large graphs"
    )


def _label(reduced: Reduced) -> None:
    """Make tables of the badges and the lists that nodes show, as HTML-like text by node."""
    scratch = reduced.scratch
    small, left = '<FONT POINT-SIZE="8">', '<BR ALIGN="LEFT"/>'
    badge = f"concat({_badge('kind', 'text', small)}, '</TR>')"
    rest = f"concat('<TR><TD>{small}+ ', count(*) - {_BADGES}, ' more</FONT></TD></TR>')"
    reduced.run(
        f"CREATE TABLE {scratch}.badges AS SELECT n, concat(string_agg({badge}, '' ORDER BY place) "
        f"FILTER (place <= {_BADGES}), CASE WHEN count(*) > {_BADGES} THEN {rest} END) AS text FROM ("
        f"SELECT *, row_number() OVER (PARTITION BY n ORDER BY hub, text) AS place FROM {scratch}.badge) GROUP BY n"
    )
    things = (
        f"SELECT g.rep, n.n, {style.markup(style.line('n.label', 44))} AS label, "
        f"{style.markup('n.type')} AS type, row_number() OVER (PARTITION BY g.rep, n.type ORDER BY n.n) AS place "
        f"FROM {scratch}.grouped g JOIN {scratch}.node n ON n.n = g.n"
    )
    section = (
        f"concat('<B>', count(*), ' × ', coalesce(type, 'thing'), '</B>{left}', "
        f"string_agg(concat(label, '{left}'), '' ORDER BY place) FILTER (place <= {_LISTED}), "
        f"CASE WHEN count(*) > {_LISTED} THEN concat('… ', count(*) - {_LISTED}, ' more{left}') END)"
    )
    reduced.run(
        f"CREATE TABLE {scratch}.lists AS SELECT rep AS n, string_agg(text, '' ORDER BY first) AS text FROM ("
        f"SELECT rep, min(n) AS first, {section} AS text FROM ({things}) GROUP BY rep, type) GROUP BY rep"
    )


def _badge(kind: str, text: str, font: str) -> str:
    """SQL of the start of a table's row: a cell in the colour of a kind."""
    look = 'BORDER="1" COLOR="#A0A0A0" STYLE="ROUNDED"'
    fill = f"CASE {kind} {_BY_KIND['fill']} END"
    return f"concat('<TR><TD {look} BGCOLOR=\"', {fill}, '\">{font}', {style.markup(text)}, '</FONT></TD>')"


def _write_nodes(reduced: Reduced, bundle: int, file: BinaryIO) -> None:
    """Write the nodes of a bundle, hubs left out."""
    scratch = reduced.scratch
    small = '<FONT POINT-SIZE="8">'
    of_type = (
        f'CASE WHEN n.type IS NOT NULL AND n.kind <> {_AGENT} THEN concat(\'<FONT POINT-SIZE="8" COLOR="#505050">\', '
        f"{style.markup('n.type')}, '</FONT><BR/>') END"
    )
    details = f"CASE WHEN n.details <> '' THEN concat('<TR><TD BALIGN=\"LEFT\">{small}', n.details, '</FONT></TD></TR>') END"
    single = (
        f"concat('<TR><TD>', {of_type}, {style.markup(style.wrapped('n.label'))}, '</TD></TR>', {details})"
    )
    box = "concat('<TR><TD BALIGN=\"LEFT\"><FONT POINT-SIZE=\"9\">', l.text, '</FONT></TD></TR>')"
    pieces = [
        *(
            "'\"'",
            "n.name",
            "'\" [shape='",
            f"CASE WHEN l.n IS NULL THEN CASE n.kind {_BY_KIND['shape']} END ELSE 'box' END",
        ),
        *("', fillcolor=\"'", f"CASE n.kind {_BY_KIND['fill']} END"),
        *("'\", color=\"'", f"CASE n.kind {_BY_KIND['line']} END", "'\"'"),
        "CASE WHEN l.n IS NOT NULL THEN ', peripheries=2' END",
        "CASE WHEN n.dashed THEN ', style=\"filled,dashed\"' END",
        *("', tooltip=\"'", "CASE WHEN l.n IS NULL THEN n.full ELSE 'related in the same way' END"),
        *(
            f'\'", margin="0.03,0.02", label=<{_TABLE}\'',
            f"CASE WHEN l.n IS NULL THEN {single} ELSE {box} END",
        ),
        *("b.text", "'</TABLE>>]'", "chr(10)"),
    ]
    write_strings(
        reduced.store,
        f"SELECT concat({', '.join(pieces)}) FROM {scratch}.shown n LEFT JOIN {scratch}.badges b ON b.n = n.n "
        f"LEFT JOIN {scratch}.lists l ON l.n = n.n WHERE n.bundle = {bundle} ORDER BY n.n",
        file,
    )


def _write_edges(reduced: Reduced, file: BinaryIO) -> None:
    """Write the edges; members stand below their collection, unless this came of them by other edges."""
    scratch = reduced.scratch
    pens = " ".join(f"WHEN {kind.number} THEN {literal(style.pen(kind.name))}" for kind in RELATION_KINDS)
    edges = (
        "SELECT a, b, string_agg(DISTINCT word, ' \\n ' ORDER BY word) AS words, bool_and(further) AS dashed, "
        f"CASE min(kind) {pens} END AS pen FROM {scratch}.edge GROUP BY a, b"
    )
    ends = f"SELECT a AS n FROM {scratch}.edge UNION ALL SELECT b FROM {scratch}.edge"
    boxes = (
        f"SELECT DISTINCT g.rep AS n FROM {scratch}.grouped g "
        f"JOIN (SELECT n FROM ({ends}) GROUP BY n HAVING count(*) = 1) d ON d.n = g.rep"
    )
    before = (
        f"SELECT m.a, m.b FROM {scratch}.edge m JOIN {scratch}.edge f ON f.a = m.a JOIN {scratch}.edge s "
        "ON s.a = f.b AND s.b = m.b WHERE m.word = 'hadMember' AND f.word <> 'hadMember' AND s.word <> 'hadMember'"
    )
    turned = "e.words = 'hadMember' AND o.a IS NULL"
    statement = (
        f"concat('\"', CASE WHEN {turned} THEN b.name ELSE a.name END, '\" -> \"', "
        f"CASE WHEN {turned} THEN a.name ELSE b.name END, '\" [label=\" ', e.words, ' \", color=\"', e.pen, "
        "'\", fontcolor=\"', e.pen, '\"', CASE WHEN e.dashed THEN ', style=dashed' END, "
        f"CASE WHEN {turned} THEN ', dir=back' END, CASE WHEN {turned} AND w.n IS NOT NULL THEN ', weight=8' END, "
        "']', chr(10))"
    )
    write_strings(
        reduced.store,
        f"SELECT {statement} FROM ({edges}) e JOIN {scratch}.shown a ON a.n = e.a "
        f"JOIN {scratch}.shown b ON b.n = e.b LEFT JOIN ({boxes}) w ON w.n = e.b "
        f"LEFT JOIN (SELECT DISTINCT a, b FROM ({before})) o ON o.a = e.a AND o.b = e.b ORDER BY e.a, e.b",
        file,
    )


def _write_legend(reduced: Reduced, file: BinaryIO) -> None:
    """Write what the badges stand for; nothing where there are none."""
    scratch = reduced.scratch
    own = f"SELECT n, string_agg(text, '; ' ORDER BY text) AS text FROM {scratch}.badge GROUP BY n"
    font = '<FONT POINT-SIZE="9">'
    told = style.markup(style.wrapped(style.line("concat_ws(', ', h.type, h.identifier, o.text)", 150), 70))
    row = (
        f'concat({_badge("h.kind", "h.label", font)}, \'<TD ALIGN="LEFT" BALIGN="LEFT">\', {told}, '
        "'</TD><TD ALIGN=\"RIGHT\">on ', h.degree, '</TD></TR>')"
    )
    hubs = reduced.run(
        f"SELECT {row} FROM {scratch}.hub h LEFT JOIN ({own}) o ON o.n = h.n ORDER BY h.kind DESC, h.n"
    )
    if not hubs:
        return
    look = '<TABLE BORDER="1" COLOR="#C0C0C0" CELLBORDER="0" CELLSPACING="3" CELLPADDING="2">'
    title = '<TR><TD COLSPAN="3" ALIGN="LEFT"><B>What the badges stand for</B></TD></TR>'
    label = f"{look}{title}{''.join(row for (row,) in hubs)}</TABLE>"
    file.write(f'":legend" [shape=plain, style="", fontsize=9, tooltip="", label=<{label}>]\n'.encode())
