"""What of a graph people mean by what they call things.

A reference is looked for as each kind of ``REFERENCE_KINDS`` whose form it has. Of several things that one
kind finds, those that still are go before those that were invalidated. If more than one thing is left,
or none, the error lists the nearest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.reference_kinds import REFERENCE_KINDS, ReferenceKind
from mlflow2prov.graph.reference_rows import Rows
from mlflow2prov.graph.vocabulary import NAME, Words
from mlflow2prov.prov.records import KIND_BY_NAME

_SCHEME = re.compile("(runs|models):/+")

_LISTED = 5
"""How many near ones an error lists."""

_LEAST_LIKE = 0.7
"""How like a reference has to be to be near (Jaro and Winkler's similarity, from 0 to 1)."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a reference means.

    Attributes:
        id: the number of the identifier in the graph's tables.
        identifier: as its document spells it.
        kind: what kind of reference it was found as.
        label: what a person calls it.
    """

    id: int
    identifier: str
    kind: str
    label: str


def resolve(graph: Graph, text: str) -> Reference:
    """Return what a reference means in a graph; white space around it counts where something is called so.

    Costs one look at the values of all elements.

    Raises:
        UsageError: nothing is called so, or several things are; the error lists the nearest.

    >>> from prov.model import ProvDocument
    >>> document = ProvDocument()
    >>> _ = document.add_namespace("ex", "http://example.org/")
    >>> _ = document.entity("ex:report", {"prov:label": "the monthly report"})
    >>> resolve(Graph.from_prov(document), "the monthly report").identifier
    'ex:report'
    """
    for spelled in dict.fromkeys((text, text.strip())):
        with graph.store.scratch("reference") as scratch:
            rows = Rows(graph, Words(graph), scratch)
            found = list({it.id: it for it in _meant(graph, rows, spelled)}.values())
            near = [] if found or spelled != text.strip() else _nearest(graph, rows, spelled)
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(_ambiguous(spelled, found))
    raise UsageError(_unknown(spelled, near))


def _meant(graph: Graph, rows: Rows, text: str) -> list[Reference]:
    """What is called just so, by the kinds of references in their order."""
    matches = [(kind, it) for kind in REFERENCE_KINDS if (it := re.fullmatch(kind.pattern, text, re.DOTALL))]
    rows.gather({kind.needle(found) for kind, found in matches if kind.needle}, text)
    meant: list[Reference] = []
    for is_last in (False, True):
        kinds = [kind for kind, _ in matches if kind.is_last is is_last]
        meant = meant or _found(graph, rows, kinds)
    return meant


def _found(graph: Graph, rows: Rows, kinds: Sequence[ReferenceKind]) -> list[Reference]:
    """What each of the kinds finds, in their order; of each the things that still are, if there are any."""
    pieces = []
    for place, kind in enumerate(kinds):
        told = rows.told(kind.rows(rows), is_prefix=kind.is_prefix, is_folded=kind.is_folded)
        pieces.append(f"SELECT {place} AS place, id, rank FROM ({told})")
    if not pieces:
        return []
    scratch = rows.scratch
    run, invalidation = graph.store.run, KIND_BY_NAME["wasInvalidatedBy"].number
    run(f"CREATE OR REPLACE TABLE {scratch}.told AS {' UNION ALL '.join(pieces)}")
    found = run(
        f"WITH near AS (SELECT DISTINCT place, id FROM {scratch}.told "
        "QUALIFY rank = min(rank) OVER (PARTITION BY place)), aged AS ("
        f"SELECT place, id, id IN (SELECT a1 FROM {graph.schema}.relation WHERE kind = {invalidation} "
        f"AND a1 IN (SELECT id FROM near)) AS is_past FROM near), "
        "living AS (SELECT place, id FROM aged QUALIFY is_past = bool_and(is_past) OVER (PARTITION BY place)) "
        f"SELECT l.place, l.id, {NAME} FROM living l JOIN {graph.schema}.name n ON n.id = l.id ORDER BY 1, 3"
    )
    labels = _labels(graph, [number for _, number, _ in found])
    return [
        Reference(number, name, kinds[place].name, labels.get(number) or name)
        for place, number, name in found
    ]


def _labels(graph: Graph, ids: list[int]) -> dict[int, str]:
    if not ids:
        return {}
    listed = ", ".join(map(str, ids))
    return dict(
        graph.query(
            f"SELECT id, any_value({Words(graph).label()} ORDER BY rowid) FROM {{graph}}.element WHERE id IN ({listed}) "
            "GROUP BY id"
        )
    )


def _ambiguous(text: str, found: list[Reference]) -> str:
    listed = [f"{one.kind} {one.label} = {one.identifier}" for one in found[:_LISTED]]
    listed += [f"{len(found) - _LISTED:,} more"] if len(found) > _LISTED else []
    return (
        f"{_shortened(text)!r} may mean {len(found)} things: {'; '.join(listed)}: give one of the identifiers"
    )


def _unknown(text: str, near: Sequence[tuple[str, str]]) -> str:
    if not near:
        return f"nothing is called {_shortened(text)!r} in the document, nor anything like it"
    listed = ", ".join(f"{handle} ({kind})" for kind, handle in near)
    return f"nothing is called {_shortened(text)!r} in the document; the nearest are: {listed}"


def _nearest(graph: Graph, rows: Rows, text: str) -> list[tuple[str, str]]:
    """The kind and the handle of what is called most like the text."""
    everything = rows.of_everything()
    pieces = []
    for place, kind in enumerate(REFERENCE_KINDS):
        if not kind.is_prefix or "@" not in kind.form:
            pieces.append(f"SELECT {place} AS place, handle FROM ({kind.rows(everything)})")
    bare = _SCHEME.sub("", text)  # what has a name may have been asked for by an identifier's form
    found = graph.store.run(
        "SELECT min(place), handle, greatest(jaro_winkler_similarity(lower(handle), lower(?)), "
        "jaro_winkler_similarity(lower(handle), lower(?))) AS likeness FROM "
        f"({' UNION ALL '.join(pieces)}) WHERE handle IS NOT NULL GROUP BY handle "
        f"HAVING likeness >= {_LEAST_LIKE} OR (len(?) > 1 AND contains(lower(handle), lower(?))) "
        f"ORDER BY likeness DESC, handle LIMIT {_LISTED}",
        [text, bare, bare, bare],
    )
    return [(REFERENCE_KINDS[place].name, _shortened(handle)) for place, handle, _ in found]


def _shortened(handle: str) -> str:
    return handle if len(handle) <= 100 else f"{handle[:99]}…"
