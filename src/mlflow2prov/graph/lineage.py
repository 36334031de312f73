"""Lineage: where a thing came from, and what came of it.

Which relations it goes along is said in one table, :mod:`mlflow2prov.graph.steps`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.adjacency import CLASS_NUMBERS, Adjacency, adjacency_of
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.parts import part_of
from mlflow2prov.graph.references import Reference, resolve
from mlflow2prov.graph.selection import ids_of_types
from mlflow2prov.graph.steps import DETAIL, WAYS
from mlflow2prov.graph.walk import DIRECTIONS, Bounds, Walk, walk
from mlflow2prov.prov.records import KIND_BY_NAME

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lineage:
    """What lineage was found.

    Attributes:
        graph: in which.
        of: what was asked for.
        walks: one for each direction.
    """

    graph: Graph
    of: Reference
    walks: tuple[Walk, ...]

    def ids(self) -> NDArray[Any]:
        """Return the identifiers' numbers, what was asked for among them, in ascending order."""
        return np.unique(np.concatenate([walked.ids for walked in self.walks]))

    def part(self) -> Graph:
        """Return the elements that were met, and all relations among them, as a new graph."""
        result = part_of(self.graph, self.ids())
        result.origin = self.graph.origin
        return result

    def tree(self) -> str:
        """Return the lineage as a text for people: an indented tree in which each thing stands once."""
        from mlflow2prov.graph.lineage_tree import tree

        return tree(self)


def lineage(
    graph: Graph,
    of: str,
    *,
    direction: str = "upstream",
    depth: int | None = None,
    through: Sequence[str] | str = (),
    stop_at: Sequence[str] | str = (),
    history: bool = False,
    with_details: bool = False,
) -> Lineage:
    """Return where a thing came from, or what came of it, or both.

    Args:
        graph: any PROV document. What is described in several bundles is one thing.
        of: a reference (see :mod:`mlflow2prov.graph.references`).
        direction: ``upstream``, ``downstream`` or ``both``.
        depth: go so many steps at most.
        through: go on only from elements of these types, spelled as in ``select``; others end a branch.
        stop_at: elements of these types end a branch.
        history: go upstream from a commit to the commits before it.
        with_details: with metrics, params, tags, traces, former states, and what leads to nothing.

    Raises:
        UsageError: the reference is unknown or ambiguous, or nothing is of any of the types.

    >>> from prov.model import ProvDocument
    >>> document = ProvDocument()
    >>> _ = document.add_namespace("ex", "http://example.org/")
    >>> _ = document.wasDerivedFrom(document.entity("ex:report"), document.entity("ex:data"))
    >>> print(lineage(Graph.from_prov(document), "ex:report").tree(), end="")
    upstream of ex:report (entity)
    └─ wasDerivedFrom ex:data (entity)
    """
    if direction not in WAYS:
        raise UsageError(f"no direction {direction!r}; there is: {', '.join(WAYS)}")
    if depth is not None and depth < 1:
        raise UsageError(f"a depth of {depth} is no number of steps: give 1 or more")
    reference = resolve(graph, of)
    adjacency = adjacency_of(graph)
    bounds = Bounds(
        depth=depth,
        through=_through(graph, adjacency, through, stop_at),
        history=history,
        details=with_details or bool(adjacency.classes[reference.id] == CLASS_NUMBERS[DETAIL]),
    )
    beginning = np.array([reference.id], np.int32)
    chosen = DIRECTIONS if direction == "both" else (direction,)
    walks = [walk(adjacency, beginning, way, bounds) for way in chosen]
    if with_details:
        walks = [_with_members(graph, adjacency, walked) for walked in walks]
    return Lineage(graph, reference, tuple(walks))


def _through(
    graph: Graph, adjacency: Adjacency, through: Sequence[str] | str, stop_at: Sequence[str] | str
) -> NDArray[Any] | None:
    """Of each identifier whether the walk goes on from it; None where it goes on from all."""
    on, off = ([words] if isinstance(words, str) else list(words) for words in (through, stop_at))
    if not on and not off:
        return None
    goes_on = np.ones(len(adjacency.classes), np.bool_)
    with graph.store.scratch("types") as scratch:
        unknown = ids_of_types(graph, scratch, [*on, *off], needed=on)
        for word in unknown:
            log.warning("nothing is of type %s", word)
        rows = graph.store.run(f"SELECT DISTINCT place < {len(on)}, id FROM {scratch}.has")
    named = {
        is_on: np.array([id_ for kind, id_ in rows if kind == is_on], np.int64) for is_on in (True, False)
    }
    if on:
        goes_on[:] = False
        goes_on[named[True]] = True
    goes_on[named[False]] = False
    return goes_on


def _with_members(graph: Graph, adjacency: Adjacency, walked: Walk) -> Walk:
    """The walk with the details that what it met has as members."""
    import pyarrow as pa

    met = pa.table(
        {"id": pa.array(walked.ids, pa.int32()), "place": pa.array(range(len(walked.ids)), pa.int64())}
    )
    with graph.store.registered(met) as arriving:
        rows = graph.store.run(
            f"SELECT r.a2, m.place, r.rowid FROM {graph.schema}.relation r JOIN {arriving} m ON m.id = r.a1 "
            f"WHERE r.kind = {KIND_BY_NAME['hadMember'].number} ORDER BY r.rowid"
        )
    there, more = set(walked.ids.tolist()), []
    for member, place, row in rows:
        if member not in there and adjacency.classes[member] == CLASS_NUMBERS[DETAIL]:
            there.add(member)
            more.append((member, place, row))
    if not more:
        return walked
    ids, places, found = (np.array(column, np.int64) for column in zip(*more, strict=True))
    return Walk(
        walked.direction,
        np.concatenate([walked.ids, ids.astype(np.int32)]),
        np.concatenate([walked.parents, places]),
        np.concatenate([walked.rows, found]),
        np.concatenate([walked.depths, walked.depths[places] + 1]),
    )
