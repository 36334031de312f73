"""Leaving out of what was made from what that which would make something older than itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Need = tuple[str, str]


def without_circles(needs: Sequence[Need], makers: Mapping[str, str]) -> set[Need]:
    """Return the needs without those that lie on a circle, or between circles.

    Args:
        needs: pairs of what needs something, and what it needs.
        makers: what each thing is made by, which in turn has needs.

    >>> sorted(without_circles([("run", "a"), ("other", "b")], {"b": "run"}))
    [('other', 'b'), ('run', 'a')]
    >>> without_circles([("run", "a"), ("other", "b")], {"b": "run", "a": "other"})
    set()
    """
    edges = {*needs, *makers.items()}
    left = _trimmed(_trimmed(edges), backwards=True)
    return {need for need in needs if need not in left}


def _trimmed(edges: set[Need], *, backwards: bool = False) -> set[Need]:
    """Return the edges without those that lead only to ends, or only from beginnings."""
    directed = [(b, a) for a, b in edges] if backwards else list(edges)
    open_ends: dict[str, int] = {}
    into: dict[str, list[str]] = {}
    for start, end in directed:
        open_ends[start] = open_ends.get(start, 0) + 1
        open_ends.setdefault(end, 0)
        into.setdefault(end, []).append(start)
    done = [node for node, count in open_ends.items() if not count]
    for node in done:
        for start in into.get(node, ()):
            open_ends[start] -= 1
            if not open_ends[start]:
                done.append(start)
    gone = set(done)
    return {edge for edge in edges if not gone.intersection(edge)}
