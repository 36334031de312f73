"""Lineage as a tree of lines, for people."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pyarrow as pa

from mlflow2prov.graph.vocabulary import Words
from mlflow2prov.prov.records import ELEMENT_KINDS, KIND_BY_NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow2prov.graph.graph import Graph
    from mlflow2prov.graph.lineage import Lineage
    from mlflow2prov.graph.walk import Walk

_DEEPEST = 24
"""From this depth on lines are not indented further, and tell their depth instead."""


def tree(found: Lineage) -> str:
    """Return lineage as text: a line for each thing, below what led to it, with the relation that did."""
    lines: list[str] = []
    for walked in found.walks:
        shown = names_of(found.graph, walked.ids.tolist())
        relations = _relations(found.graph, walked)
        lines.append(f"{walked.direction} of {shown[found.of.id]}")
        lines += _lines(walked, shown, relations)
    return "\n".join(lines) + "\n"


def _lines(walked: Walk, shown: dict[int, str], relations: dict[int, str]) -> Iterator[str]:
    children: dict[int, list[int]] = defaultdict(list)
    for place, parent in enumerate(walked.parents.tolist()):
        if parent >= 0:
            children[parent].append(place)
    ids, rows, depths = walked.ids.tolist(), walked.rows.tolist(), walked.depths.tolist()
    waiting = [(place, "", position == 0) for position, place in enumerate(reversed(children[0]))]
    while waiting:
        place, indent, is_last = waiting.pop()
        deep = f"({depths[place]} steps) " if depths[place] > _DEEPEST else ""
        yield f"{indent}{'└─' if is_last else '├─'} {deep}{relations[rows[place]]} {shown[ids[place]]}"
        inner = indent + ("   " if is_last else "│  ") if depths[place] < _DEEPEST else indent
        waiting += [(child, inner, position == 0) for position, child in enumerate(reversed(children[place]))]


def names_of(graph: Graph, ids: list[int]) -> dict[int, str]:
    """Return what to call identifiers: the label, else the identifier, with the type, else the kind."""
    words = Words(graph)
    kinds = " ".join(f"WHEN {kind.number} THEN '{kind.name}'" for kind in ELEMENT_KINDS)
    with graph.store.registered(pa.table({"id": pa.array(ids, pa.int32())})) as arriving:
        rows = graph.store.run(
            "SELECT n.id, coalesce(e.label, CASE WHEN n.prefix = '' THEN n.local ELSE n.prefix || ':' || n.local END), "
            f"coalesce(e.type, e.kind) FROM {graph.schema}.name n SEMI JOIN {arriving} w ON w.id = n.id LEFT JOIN ("
            f"SELECT id, any_value({words.label()} ORDER BY rowid) AS label, "
            f"any_value(({words.types()})[1] ORDER BY rowid) AS type, "
            f"first(CASE kind {kinds} END ORDER BY rowid) AS kind FROM {graph.schema}.element "
            f"WHERE id IN (SELECT id FROM {arriving}) GROUP BY id) e ON e.id = n.id"
        )
    return {
        int(number): f"{_visible(name)} ({_short(type_) if type_ else 'not described'})"
        for number, name, type_ in rows
    }


def _visible(text: str) -> str:
    """The text in one line, with characters that a terminal would obey as escapes."""
    line = " ".join(text.split())
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


def _short(type_: str) -> str:
    return type_.removeprefix("m2p:")


def _relations(graph: Graph, walked: Walk) -> dict[int, str]:
    """The kind of each relation that led somewhere, with its role."""
    rows = pa.table({"row": pa.array(sorted({row for row in walked.rows.tolist() if row >= 0}), pa.int64())})
    with graph.store.registered(rows) as arriving:
        found = graph.store.run(
            f"SELECT rowid, kind, {Words(graph).role()} FROM {graph.schema}.relation "
            f"WHERE rowid IN (SELECT row FROM {arriving})"
        )
    return {
        int(row): KIND_BY_NUMBER[kind].name + (f" as {role.partition(':')[2] or role}" if role else "")
        for row, kind, role in found
    }
