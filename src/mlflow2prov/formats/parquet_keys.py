"""Attribute keys looked up by what they stand for, within the engine.

A list in SQL has no index, and a join would take lists of attributes apart and put them together again.
So keys stand in a perfect hash table of two levels: as many buckets as keys, and in each a few places, as
many as it takes for no two of its keys to meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from mlflow2prov.errors import GraphError
from mlflow2prov.graph.arrays import lists, whole
from mlflow2prov.graph.store import Store

_MOST_PLACES = 100_000
"""A bucket that takes more was made by somebody who means harm."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A table of keys by their hashes.

    Attributes:
        first: the first place of each bucket, from 1 on.
        size: how many places each has.
        keys: the key at each place, 0 where there is none.
    """

    first: list[int]
    size: list[int]
    keys: list[int]

    def create(self, store: Store, table: str) -> None:
        """Make a table of one row, which :func:`found` looks into."""
        import pyarrow as pa

        columns = {"first": self.first, "size": self.size, "keys": self.keys}
        rows = pa.table({name: lists(whole(items), [len(items)]) for name, items in columns.items()})
        with store.registered(rows) as arriving:
            store.run(f"CREATE TABLE {table} AS SELECT * FROM {arriving}")

    def found(self, hashed: str) -> str:
        """SQL of the key of a hash, from the row ``s`` of the table; ``hashed`` is one of those given."""
        buckets = len(self.first)
        bucket = f"({hashed} % {buckets} + 1)::INTEGER"
        return f"s.keys[(s.first[{bucket}] + ({hashed} // {buckets}) % s.size[{bucket}])::INTEGER]"


def lookup(hashes: Sequence[int], keys: Sequence[int]) -> Lookup:
    """Return the table of keys by their hashes, numbers of 64 bits.

    Raises:
        GraphError: two keys have one hash, which does not happen by chance.

    >>> lookup([7, 8, 10], [1, 2, 3]).keys
    [0, 1, 3, 2]
    """
    buckets: list[list[tuple[int, int]]] = [[] for _ in range(max(len(hashes), 1))]
    for number, key in zip(hashes, keys, strict=True):
        above, bucket = divmod(number, len(buckets))
        buckets[bucket].append((above, key))
    made = Lookup([], [], [])
    for members in buckets:
        size = _places(members)
        made.first.append(len(made.keys) + 1)
        made.size.append(size)
        places = [0] * size
        for above, key in members:
            places[above % size] = key
        made.keys.extend(places)
    return made


def _places(members: Sequence[tuple[int, int]]) -> int:
    """The fewest places in which no two keys of a bucket meet."""
    for size in count(max(len(members), 1)):
        if size > _MOST_PLACES:
            raise GraphError("its attributes can't be told apart")
        if len({above % size for above, _ in members}) == len(members):
            return size
    raise AssertionError
