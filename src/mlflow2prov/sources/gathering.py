"""Small Arrow batches put together to larger ones, since each one that is taken in costs a statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_FULL_BYTES = 4 * 2**20


def gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows of batches of one schema in batches of some 4 MiB, or more where one is larger already.

    Holds that much besides the batch at hand. To take in 200,000 tags of runs so costs a third.

    >>> import pyarrow as pa
    >>> ones = [pa.RecordBatch.from_pydict({"a": [n]}) for n in range(3)]
    >>> [batch.num_rows for batch in gathered(ones)]
    [3]
    """
    held: list[pa.RecordBatch] = []
    held_bytes = 0
    for batch in batches:
        held.append(batch)
        held_bytes += batch.nbytes
        if held_bytes >= _FULL_BYTES:
            yield _joined(held)
            held, held_bytes = [], 0
    if held:
        yield _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    import pyarrow as pa

    if len(batches) == 1:
        return batches[0]
    columns = [
        pa.concat_arrays([batch.column(n) for batch in batches]) for n in range(batches[0].num_columns)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batches[0].schema)
