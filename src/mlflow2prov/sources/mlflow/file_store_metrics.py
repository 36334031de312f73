"""The files of metrics of a file store, parsed many at a time.

A line is the time, the value and the step of a point, with the run and the dataset behind them where there are
any. Files of which every line has as many words are parsed together by Arrow; only the others in Python.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlflow2prov.sources.mlflow.file_store_files import StoreFiles, Trouble
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

if TYPE_CHECKING:
    import pyarrow as pa

_FULL_BYTES = 3 * 2**19
_LARGEST = 2**63
_NEWLINE = ord("\n")
_POINT = ("timestamp_ms", "value", "step")
_DATASET = ("dataset_name", "dataset_digest")
_Point = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What the words of a line mean, by how many there are.

    Attributes:
        table: the source table that the points go to.
        owner: its column that names what was measured.
        words: the columns for each number of words; a column that no source table has is passed over.
        only_latest: keep the latest point of each file.
    """

    table: str
    owner: str
    words: dict[int, tuple[str, ...]]
    only_latest: bool = False


def run_lines(*, only_latest: bool) -> Lines:
    """The lines of a run's metrics; before MLflow 1.0 they had no step."""
    words = {2: _POINT[:2], 3: _POINT, 5: (*_POINT, *_DATASET)}
    return Lines(table="mlflow_metric", owner="run_id", words=words, only_latest=only_latest)


MODEL_LINES = Lines(
    table="mlflow_logged_model_metric",
    owner="model_id",
    words={4: (*_POINT, "run_id"), 6: (*_POINT, "run_id", *_DATASET)},
)
"""The lines of a logged model's metrics."""


def repeated(values: pa.Array[Any], counts: list[int]) -> pa.Array[Any]:
    """Each value as often as its count says.

    >>> import pyarrow as pa
    >>> repeated(pa.array(["a", "b"]), [2, 1]).to_pylist()
    ['a', 'a', 'b']
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = pc.cumulative_sum(pa.array(counts, pa.int32()))
    encoded: Any = pa.RunEndEncodedArray.from_arrays(ends, values)
    decoded: pa.Array[Any] = pc.call_function("run_end_decode", [encoded])
    return decoded


@dataclass(slots=True)
class _Bucket:
    """Files whose lines have equally many words."""

    owners: list[str] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    paths: list[bytes] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)


class Points:
    """Takes the files of metrics in, and gives batches of their points.

    Holds some 2 MB of files. A point takes about 0.2 µs, and 2 µs where its file has lines of several forms.
    """

    def __init__(self, lines: Lines, files: StoreFiles) -> None:
        self._lines = lines
        self._files = files
        self._buckets: dict[int, _Bucket] = {}
        self._bytes = 0

    def add_folder(self, owner: str, folder: bytes) -> Batches:
        """Take the metrics of an owner in; the batches that are full come out."""
        short = self._files.short
        for key, path in self._files.named_files(folder):
            content = short(path)
            if content is None:
                yield from self._add_long(owner, key, path)
            else:
                self._add(owner, key, path, content)
            if self._bytes >= _FULL_BYTES:
                yield from self.batches()

    def batches(self) -> Batches:
        """The batches of what was taken in."""
        buckets, self._buckets, self._bytes = self._buckets, {}, 0
        for width, bucket in sorted(buckets.items()):
            table = self._parsed(width, bucket)
            for batch in self._tabled(bucket, table):
                if batch.num_rows:
                    yield self._lines.table, batch

    def _add_long(self, owner: str, key: bytes, path: bytes) -> Batches:
        """Take in a file that is long, empty or can't be read, piece by piece."""
        pieces = self._files.pieces(path)
        if self._lines.only_latest:
            pieces = filter(None, [self._latest_line(path, pieces)])
        for piece in pieces:
            self._add(owner, key, path, piece)
            if self._bytes >= _FULL_BYTES:
                yield from self.batches()

    def _add(self, owner: str, key: bytes, path: bytes, content: bytes) -> None:
        if content[-1] != _NEWLINE:
            content += b"\n"
        count = content.count(b"\n")
        spaces, odd = divmod(content.count(b" "), count)
        width = 0 if odd or spaces + 1 not in self._lines.words else spaces + 1
        bucket = self._buckets.get(width) or self._buckets.setdefault(width, _Bucket())
        bucket.owners.append(owner)
        bucket.keys.append(key)
        bucket.paths.append(path)
        bucket.counts.append(count)
        bucket.contents.append(content)
        self._bytes += len(content)

    def _parsed(self, width: int, bucket: _Bucket) -> pa.Table:
        """The points of a bucket: the number of their file, and their columns."""
        import pyarrow as pa

        table = self._by_arrow(width, bucket) if width else None
        if table is not None:
            numbers = repeated(pa.array(range(len(bucket.counts)), pa.int32()), bucket.counts)
            return table.append_column("file", numbers)
        names = self._columns()
        points = [
            (*point, number)
            for number, (path, content) in enumerate(zip(bucket.paths, bucket.contents, strict=True))
            for point in self._by_hand(path, content)
        ]
        schema = pa.schema([*((name, _type(name)) for name in names), ("file", pa.int32())])
        columns = zip(*points, strict=True) if points else [()] * len(schema)
        return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)

    def _columns(self) -> tuple[str, ...]:
        return self._lines.words[max(self._lines.words)]

    def _by_arrow(self, width: int, bucket: _Bucket) -> pa.Table | None:
        """The columns of a bucket's lines; None where some of them are malformed."""
        import pyarrow as pa
        from pyarrow import csv

        names = self._lines.words[width]
        try:
            table = csv.read_csv(
                io.BytesIO(b"".join(bucket.contents)),
                csv.ReadOptions(use_threads=False, column_names=list(names), block_size=2**23),
                csv.ParseOptions(delimiter=" ", quote_char=False),
                csv.ConvertOptions(column_types={name: _type(name) for name in names}, null_values=[]),
            )
        except pa.ArrowInvalid:
            return None
        is_whole = table.num_rows == sum(bucket.counts)
        return table if is_whole and not any(column.null_count for column in table.columns) else None

    def _by_hand(self, path: bytes, content: bytes) -> list[_Point]:
        """The points of the lines that can be understood; the others are counted."""
        points: list[_Point] = []
        for line in content.splitlines():
            point = self._point(line.strip().split(b" "), path)
            if point is None:
                self._files.note(Trouble.LINES, path)
            else:
                points.append(point)
        return points

    def _point(self, words: list[bytes], path: bytes) -> _Point | None:
        fewest, most = min(self._lines.words), max(self._lines.words)
        try:
            moment, value = int(words[0]), float(words[1])
            step = int(words[2]) if len(words) > 2 else 0
        except (ValueError, IndexError):
            return None
        if len(words) < fewest or not (-_LARGEST <= moment < _LARGEST and -_LARGEST <= step < _LARGEST):
            return None
        rest: list[str | None] = [self._files.text(word, path) for word in words[3 : most - 2]]
        behind = words[most - 2 :]
        if len(behind) > 1:  # a dataset's name may have spaces
            rest += [self._files.text(word, path) for word in (b" ".join(behind[:-1]), behind[-1])]
        point = moment, value, step, *rest
        return point + (None,) * (most - len(point))

    def _tabled(self, bucket: _Bucket, table: pa.Table) -> Iterator[pa.RecordBatch]:
        """Batches of the source table from the points of a bucket."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._lines.only_latest:
            table = _latest(table)
        files = table["file"]
        schema = SOURCE_TABLES[self._lines.table].schema()
        arrays: list[Any] = []
        for name in schema.names:
            if name == self._lines.owner:
                arrays.append(pa.array(bucket.owners, pa.string()).take(files))
            elif name == "key":
                arrays.append(self._files.texts(bucket.keys, bucket.paths).take(files))
            elif name not in table.column_names:
                empty: Any = pa.scalar(0 if name == "step" else None, _type(name))
                arrays.append(pa.repeat(empty, table.num_rows))
            elif name == "value":
                is_nan: Any = pc.is_nan(table[name])
                arrays.append(pc.if_else(is_nan, math.nan, table[name]))
            else:
                arrays.append(table[name])
        yield from pa.Table.from_arrays(arrays, schema=schema).combine_chunks().to_batches()

    def _latest_line(self, path: bytes, pieces: Iterable[bytes]) -> bytes:
        """The line of the latest point of a file that is read in pieces."""
        best: _Point | None = None
        for piece in pieces:
            for point in self._by_hand(path, piece):
                best = point if best is None or _rank(point) >= _rank(best) else best
        return b"" if best is None else f"{best[0]} {best[1]!r} {best[2]}\n".encode()


def _rank(point: _Point) -> tuple[int, int, float]:
    return point[2], point[0], 0.0 if math.isnan(point[1]) else point[1]


def _type(name: str) -> pa.DataType:
    import pyarrow as pa

    if name in ("timestamp_ms", "step"):
        return pa.int64()
    return pa.float64() if name == "value" else pa.string()


def _latest(table: pa.Table) -> pa.Table:
    """The point of each file with the greatest step, time and value, where NaN counts as 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not table.num_rows:
        return table
    if "step" not in table.column_names:
        zero: Any = pa.scalar(0, pa.int64())
        table = table.append_column("step", pa.repeat(zero, table.num_rows))
    is_nan: Any = pc.is_nan(table["value"])
    ranked = table.append_column("rank", pc.if_else(is_nan, 0.0, table["value"]))
    keys: Any = [(name, "ascending") for name in ("file", "step", "timestamp_ms", "rank")]
    ranked = ranked.take(pc.sort_indices(ranked, sort_keys=keys)).combine_chunks()
    files = ranked["file"].combine_chunks()
    ends = pc.not_equal(files.slice(1), files.slice(0, len(files) - 1))
    return ranked.filter(pa.concat_arrays([ends, pa.array([True])])).drop_columns(["rank"])
