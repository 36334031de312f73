"""The steps of a graph as arrays of numbers, so that a walk costs what it meets and not what there is.

Some 14 bytes a step and direction are held in memory, and 8 bytes an identifier: 300 MB for ten million
relations. The arrays are made once for a graph, in a few seconds for so many, and kept with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.steps import CLASSES, STEPS, Step
from mlflow2prov.graph.vocabulary import Words
from mlflow2prov.prov.records import ELEMENT_KINDS, KIND_BY_NAME

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BATCH = 500_000
"""How many relations are looked at at once."""

NEVER = len(STEPS)
"""The step of what lineage does not go along."""

_NAMES = tuple(CLASSES)
CLASS_NUMBERS = {name: number for number, name in enumerate(_NAMES, start=1)}
"""The number of each class; 0 is of what is of none."""


@dataclass(frozen=True, slots=True)
class Arcs:
    """Where one can go from each identifier in one direction.

    Attributes:
        starts: where the arcs of an identifier begin, with one number more at the end.
        targets: where each arc leads.
        steps: the number of the step that it is, in ``STEPS``; ``back`` ones have their highest bit set.
        rows: the ``rowid`` of its relation.
    """

    starts: NDArray[Any]
    targets: NDArray[Any]
    steps: NDArray[Any]
    rows: NDArray[Any]

    def beyond(self, sources: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the arcs that lead on from identifiers, and the place in ``sources`` that each begins at."""
        first = self.starts[sources]
        counts = self.starts[sources + 1] - first
        places = np.repeat(np.arange(len(sources), dtype=np.int64), counts)
        skipped = np.cumsum(counts) - counts
        return np.arange(len(places), dtype=np.int64) + (first - skipped)[places], places


BACK = 0x80
"""The bit of a step that is taken from its earlier to its later end upstream, or the other way downstream."""


@dataclass(frozen=True, slots=True)
class Adjacency:
    """The arcs of a graph in both directions, and the class of each identifier."""

    upstream: Arcs
    downstream: Arcs
    classes: NDArray[Any]
    agents: NDArray[Any]


def adjacency_of(graph: Graph) -> Adjacency:
    """Return the arcs of a graph, made when they are first asked for."""
    found = graph.worked_out("adjacency", lambda: _make(graph))
    assert isinstance(found, Adjacency)
    return found


def _make(graph: Graph) -> Adjacency:
    size = int(graph.store.scalar(f"SELECT coalesce(max(id), 0) + 2 FROM {graph.schema}.name"))
    classes, agents = _classes(graph, size)
    up, down = _Collected(), _Collected()
    for batch in _relations(graph):
        for later, earlier, steps, rows in _links(batch, classes):
            for step in np.unique(steps[steps != NEVER]):
                chosen = steps == step
                _add(STEPS[step], int(step), later[chosen], earlier[chosen], rows[chosen], up, down)
    return Adjacency(up.arcs(size), down.arcs(size), classes, agents)


def _add(
    step: Step,
    number: int,
    later: NDArray[Any],
    earlier: NDArray[Any],
    rows: NDArray[Any],
    up: _Collected,
    down: _Collected,
) -> None:
    if step.upstream != "never":
        up.add(later, earlier, number, rows)
    if step.downstream != "never":
        down.add(earlier, later, number, rows)
    if step.back in ("upstream", "both"):
        up.add(earlier, later, number | BACK, rows)
    if step.back in ("downstream", "both"):
        down.add(later, earlier, number | BACK, rows)


class _Collected:
    """Arcs as they are found."""

    def __init__(self) -> None:
        self._parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]] = []

    def add(self, sources: NDArray[Any], targets: NDArray[Any], step: int, rows: NDArray[Any]) -> None:
        """Take arcs of one step up."""
        self._parts.append((sources, targets, np.full(len(sources), step, np.uint8), rows))

    def arcs(self, size: int) -> Arcs:
        """Return the arcs, those of each identifier together, in the order of their relations."""
        empty = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.int64))
        parts = self._parts or [empty]
        self._parts = []
        sources = np.concatenate([part[0] for part in parts])
        starts = np.zeros(size + 1, np.int64)
        np.cumsum(np.bincount(sources, minlength=size), out=starts[1:])
        order = np.argsort(sources, kind="stable")
        del sources
        return Arcs(starts, *(np.concatenate([part[place] for part in parts])[order] for place in (1, 2, 3)))


def _relations(graph: Graph) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the relations of a graph by column, an argument that is missing as -1."""
    columns = ", ".join(f"coalesce(a{place}, -1)::INTEGER AS a{place}" for place in (1, 2, 3))
    sql = f"SELECT kind, {columns}, rowid AS row FROM {graph.schema}.relation"
    for batch in graph.store.batches(sql, _BATCH):
        yield {name: batch.column(name).to_numpy() for name in batch.schema.names}


def _links(
    batch: dict[str, NDArray[Any]], classes: NDArray[Any]
) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Yield later ends, earlier ends, steps and rows of the relations of each kind."""
    for kind in dict.fromkeys(step.kind for step in STEPS):
        references = KIND_BY_NAME[kind].references
        of_kind = np.flatnonzero(batch["kind"] == KIND_BY_NAME[kind].number)
        if not len(of_kind):
            continue
        columns = [batch[f"a{place}"][of_kind] for place in range(1, min(len(references), 3) + 1)]
        rows = batch["row"][of_kind]
        for one, other in dict.fromkeys(_ends(step) for step in STEPS if step.kind == kind):
            first, second = columns[one], columns[other]
            there = (first >= 0) & (second >= 0)
            missing = _missing(kind, one, other)
            if missing is not None:
                there &= columns[missing] < 0
            first, second, held = first[there], second[there], rows[there]
            steps = _table(kind, one, other)[classes[first], classes[second]]
            turned = _TURNED[steps]
            yield np.where(turned, second, first), np.where(turned, first, second), steps, held


def _ends(step: Step) -> tuple[int, int]:
    """The places of a step's arguments, the first one first."""
    references = KIND_BY_NAME[step.kind].references
    one, other = sorted((references.index(step.later), references.index(step.earlier)))
    return one, other


def _is_turned(step: Step) -> bool:
    references = KIND_BY_NAME[step.kind].references
    return references.index(step.later) > references.index(step.earlier)


_TURNED = np.array([*map(_is_turned, STEPS), False])
"""Whether the later end of each step is the second of its two arguments."""


def _missing(kind: str, one: int, other: int) -> int | None:
    """The place of the argument that has to be absent between two others."""
    for step in STEPS:
        if step.kind == kind and _ends(step) == (one, other) and step.without:
            return KIND_BY_NAME[kind].references.index(step.without)
    return None


def _table(kind: str, one: int, other: int) -> NDArray[Any]:
    """The number of the first step that fits, by the classes of the first and the second argument."""
    many = len(_NAMES) + 1
    table = np.full((many, many), NEVER, np.uint8)
    for number, step in reversed(list(enumerate(STEPS))):
        if step.kind != kind or _ends(step) != (one, other):
            continue
        later, earlier = (slice(None) if name is None else CLASS_NUMBERS[name] for name in step.classes)
        table[(earlier, later) if _is_turned(step) else (later, earlier)] = number
    return table


def _classes(graph: Graph, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The class of each identifier, and whether it is an agent's."""
    words = Words(graph)
    agent = next(kind.number for kind in ELEMENT_KINDS if kind.name == "agent")
    branches = "".join(
        f"WHEN list_has_any(t, [{_listed(words, types)}]) THEN {CLASS_NUMBERS[name]} "
        for name, types in CLASSES.items()
    )
    classes, agents = np.full(size, _LAST, np.uint8), np.zeros(size, np.bool_)
    sql = (
        f"SELECT id, kind = {agent} AS is_agent, CASE {branches} ELSE 0 END::UTINYINT AS class "
        f"FROM (SELECT id, kind, {words.types()} AS t FROM {graph.schema}.element)"
    )
    for batch in graph.store.batches(sql, _BATCH):
        ids, of_class = (batch.column(name).to_numpy() for name in ("id", "class"))
        # Of several records of an identifier the first class in the table holds.
        np.minimum.at(classes, ids, np.where(of_class == 0, _LAST, of_class))
        agents[ids[batch.column("is_agent").to_numpy(zero_copy_only=False)]] = True
    classes[classes == _LAST] = 0
    return classes, agents


def _listed(words: Words, types: tuple[str, ...]) -> str:
    return ", ".join(f"'{spelling}'" for type_ in types for spelling in words.spelled(type_)) or "NULL"


_LAST = 255
"""A number after those of all classes."""
