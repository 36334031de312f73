"""Walks along the steps of a graph (see :mod:`mlflow2prov.graph.steps`), level by level.

A walk holds some ten bytes for each identifier of the graph, and what it has met.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlflow2prov.graph.adjacency import BACK, CLASS_NUMBERS, Adjacency, Arcs
from mlflow2prov.graph.steps import DETAIL, LEADING_ON, STEPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIRECTIONS = ("upstream", "downstream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a walk goes.

    Attributes:
        depth: after how many steps it ends; None is never.
        through: of each identifier whether the walk goes on from it; None is from all.
        history: whether a walk upstream goes from a commit to those before it.
        details: whether it goes to details, and keeps what leads to nothing.
    """

    depth: int | None = None
    through: NDArray[Any] | None = None
    history: bool = False
    details: bool = False


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk has met, in the order of the levels.

    Attributes:
        direction: ``upstream`` or ``downstream``.
        ids: the identifiers, those that it began with first.
        parents: for each the place in ``ids`` of the one that led to it first, -1 for a beginning.
        rows: the ``rowid`` of the relation that did, -1 likewise.
        depths: in how many steps.
    """

    direction: str
    ids: NDArray[Any]
    parents: NDArray[Any]
    rows: NDArray[Any]
    depths: NDArray[Any]

    def only(self, kept: NDArray[Any]) -> Walk:
        """Return the walk with those only for which ``kept`` holds; their parents have to be among them."""
        places = np.cumsum(kept) - 1
        parents = self.parents[kept]
        return Walk(
            self.direction,
            self.ids[kept],
            np.where(parents < 0, -1, places[parents]),
            self.rows[kept],
            self.depths[kept],
        )


def walk(adjacency: Adjacency, beginnings: NDArray[Any], direction: str, bounds: Bounds) -> Walk:
    """Return what a walk meets from its beginnings on.

    It takes time for the arcs of what it meets, however large the graph is.
    """
    arcs: Arcs = getattr(adjacency, direction)
    seen = np.zeros(len(adjacency.classes), np.bool_)
    hidden = None if bounds.details else adjacency.classes == CLASS_NUMBERS[DETAIL]
    frontier = np.unique(beginnings)
    seen[frontier] = True
    none = np.full(len(frontier), -1, np.int64)
    levels = [(frontier, none, none)]
    crossed: list[tuple[NDArray[Any], NDArray[Any]]] = []
    offset = 0
    while len(frontier) and (bounds.depth is None or len(levels) <= bounds.depth):
        going = _going_on(frontier, bounds, is_first=len(levels) == 1)
        found, places = arcs.beyond(frontier[going])
        allowed = _allowed(direction, is_first=len(levels) == 1, history=bounds.history)[arcs.steps[found]]
        targets = arcs.targets[found]
        if hidden is not None:
            allowed &= ~hidden[targets]
        found, places, targets = found[allowed], going[places[allowed]], targets[allowed]
        crossed.append((frontier[places], targets))
        new = ~seen[targets]
        met, first = np.unique(targets[new], return_index=True)
        first = np.sort(first)  # in the order in which they are met
        met = targets[new][first]
        seen[met] = True
        levels.append((met, places[new][first] + offset, arcs.rows[found[new][first]]))
        offset += len(frontier)
        frontier = met
    result = _joined(direction, levels)
    return result if bounds.details else _leading_on(adjacency, result, crossed)


def _going_on(frontier: NDArray[Any], bounds: Bounds, *, is_first: bool) -> NDArray[Any]:
    """The places of the identifiers that the walk goes on from."""
    if bounds.through is None or is_first:
        return np.arange(len(frontier))
    return np.flatnonzero(bounds.through[frontier])


def _allowed(direction: str, *, is_first: bool, history: bool) -> NDArray[Any]:
    """Whether a walk takes each step, by the numbers that arcs have for them."""
    table = np.zeros(256, np.bool_)
    for number, step in enumerate(STEPS):
        how = getattr(step, direction)
        table[number] = how == "always" or (how == "start" and is_first) or (how == "history" and history)
        table[number | BACK] = step.back in (direction, "both")
    return table


def _joined(direction: str, levels: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]) -> Walk:
    depths = np.repeat(np.arange(len(levels)), [len(level[0]) for level in levels])
    ids, parents, rows = (np.concatenate([level[place] for level in levels]) for place in range(3))
    return Walk(direction, ids, parents, rows, depths)


def _leading_on(adjacency: Adjacency, walked: Walk, crossed: list[tuple[NDArray[Any], NDArray[Any]]]) -> Walk:
    """The walk without what is kept only where it leads on, and does not (see ``LEADING_ON``)."""
    numbers = [CLASS_NUMBERS[name] for name in LEADING_ON[walked.direction]]
    kept = ~np.isin(adjacency.classes[walked.ids], numbers)
    is_near = walked.depths == 0
    if not adjacency.agents[walked.ids[is_near]].any():  # a person leads to all that they ever did
        is_near |= walked.depths == 1
    kept |= is_near & (adjacency.classes[walked.ids] != CLASS_NUMBERS["artifact"])
    kept[walked.depths == 0] = True
    if kept.all():
        return walked
    place_of = np.full(len(adjacency.classes), -1, np.int64)
    place_of[walked.ids] = np.arange(len(walked.ids))
    ends = [np.concatenate([pair[side] for pair in crossed]) for side in (0, 1)]
    sources, targets = place_of[ends[0]], place_of[ends[1]]
    return _with_ways(walked, kept, sources, targets)


def _with_ways(walked: Walk, kept: NDArray[Any], sources: NDArray[Any], targets: NDArray[Any]) -> Walk:
    """Keep, too, what leads to something kept, by whatever arcs the walk crossed."""
    order = np.argsort(targets, kind="stable")
    starts = np.zeros(len(walked.ids) + 1, np.int64)
    np.cumsum(np.bincount(targets, minlength=len(walked.ids)), out=starts[1:])
    back = Arcs(starts, sources[order], np.empty(0), np.empty(0))
    frontier = np.flatnonzero(kept)
    while len(frontier):
        before = np.unique(back.targets[back.beyond(frontier)[0]])
        frontier = before[~kept[before]]
        kept[frontier] = True
    return walked.only(kept)
