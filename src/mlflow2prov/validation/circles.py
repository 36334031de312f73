"""Circles in large graphs: strongly connected components in linear time, and the way around one."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Sequence


class Adjacency:
    """The edges of a graph by their source: of node ``n``, ``targets[starts[n] : starts[n + 1]]``.

    Holds four bytes for each node and each edge.
    """

    def __init__(self, nodes: int, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Take the edges, whose nodes are numbers below ``nodes``."""
        starts = array("q", bytes(8 * (nodes + 2)))
        for source in sources:
            starts[source + 2] += 1
        for node in range(2, nodes + 2):
            starts[node] += starts[node - 1]
        placed = array("i", bytes(4 * len(targets)))
        for source, target in zip(sources, targets, strict=True):
            placed[starts[source + 1]] = target
            starts[source + 1] += 1
        self.nodes, self.starts, self.targets = nodes, starts, placed

    def of(self, node: int) -> array[int]:
        """Return the targets of a node's edges.

        >>> list(Adjacency(3, [0, 2, 0], [1, 1, 2]).of(0))
        [1, 2]
        """
        return self.targets[self.starts[node] : self.starts[node + 1]]


def circles(nodes: int, sources: Sequence[int], targets: Sequence[int]) -> list[list[int]]:
    """Return the strongly connected components that have a circle: several nodes, or a loop.

    Takes away what no circle goes through, then walks the rest as Tarjan does (SIAM Journal on
    Computing 1, 1972), without recursion. Some 0.5 µs of CPU for each edge that is taken away.

    >>> circles(5, [0, 1, 2, 3, 4], [1, 0, 0, 4, 4])
    [[0, 1], [4]]
    """
    adjacency = Adjacency(nodes, sources, targets)
    left = _without_sources(adjacency)
    if not any(left):
        return []
    found = _components(adjacency, left)
    return sorted(sorted(one) for one in found if len(one) > 1 or one[0] in adjacency.of(one[0]))


def _without_sources(adjacency: Adjacency) -> bytearray:
    """Which nodes are left when those that nothing precedes are taken away, again and again."""
    waiting_for = array("i", bytes(4 * adjacency.nodes))
    for target in adjacency.targets:
        waiting_for[target] += 1
    left = bytearray(b"\1") * adjacency.nodes
    ready = [node for node in range(adjacency.nodes) if not waiting_for[node]]
    while ready:
        node = ready.pop()
        left[node] = 0
        for target in adjacency.of(node):
            waiting_for[target] -= 1
            if not waiting_for[target]:
                ready.append(target)
    return left


def _components(adjacency: Adjacency, left: bytearray) -> Iterable[list[int]]:
    """The strongly connected components of the nodes that are left."""
    order = array("i", bytes(4 * adjacency.nodes))  # 0 is: not seen yet
    lowest = array("i", bytes(4 * adjacency.nodes))
    is_open = bytearray(adjacency.nodes)
    opened: list[int] = []
    number = 0
    for root in range(adjacency.nodes):
        if order[root] or not left[root]:
            continue
        path = [root]
        positions = [adjacency.starts[root]]
        number += 1
        order[root] = lowest[root] = number
        is_open[root] = 1
        opened.append(root)
        while path:
            node, position = path[-1], positions[-1]
            if position < adjacency.starts[node + 1]:
                positions[-1] += 1
                target = adjacency.targets[position]
                if not order[target]:
                    number += 1
                    order[target] = lowest[target] = number
                    is_open[target] = 1
                    opened.append(target)
                    path.append(target)
                    positions.append(adjacency.starts[target])
                elif is_open[target]:
                    lowest[node] = min(lowest[node], order[target])
                continue
            path.pop()
            positions.pop()
            if path:
                lowest[path[-1]] = min(lowest[path[-1]], lowest[node])
            if lowest[node] == order[node]:
                yield _closed(opened, is_open, node)


def _closed(opened: list[int], is_open: bytearray, node: int) -> list[int]:
    """Close a component: take its nodes from those that are open."""
    component: list[int] = []
    while not component or component[-1] != node:
        component.append(opened.pop())
        is_open[component[-1]] = 0
    return component


def reached(nodes: int, sources: Sequence[int], targets: Sequence[int], seeds: Iterable[int]) -> list[int]:
    """Return the nodes to which a way leads from the seeds, without the seeds.

    >>> reached(4, [0, 1, 3], [1, 2, 0], [0])
    [1, 2]
    """
    adjacency = Adjacency(nodes, sources, targets)
    seen = bytearray(nodes)
    waiting = list(seeds)
    for seed in waiting:
        seen[seed] = 1
    found = []
    while waiting:
        for target in adjacency.of(waiting.pop()):
            if not seen[target]:
                seen[target] = 1
                found.append(target)
                waiting.append(target)
    return sorted(found)


def way(edges: Iterable[tuple[int, int]], start: int, end: int) -> list[int]:
    """Return the nodes of a shortest way from start to end; those two alone where they are the same.

    Raises:
        ValueError: there is none.

    >>> way([(1, 2), (2, 3), (1, 4), (4, 5), (5, 3)], 1, 3)
    [1, 2, 3]
    """
    following: dict[int, list[int]] = {}
    for source, target in edges:
        following.setdefault(source, []).append(target)
    came_from = {start: start}
    waiting = deque([start])
    while waiting and end not in came_from:
        node = waiting.popleft()
        for target in following.get(node, ()):
            if target not in came_from:
                came_from[target] = node
                waiting.append(target)
    if end not in came_from:
        raise ValueError(f"there is no way from {start} to {end}")
    nodes = [end]
    while nodes[-1] != start:
        nodes.append(came_from[nodes[-1]])
    return nodes[::-1]
