"""The answers to queries, and the forms in which they are written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, BinaryIO

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.values import rows_of

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN_ROWS = 10_000
"""How many rows a table for people shows."""

_WIDEST = 100
"""How many characters of a value a table for people shows."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows as they come, which can be read once.

    Attributes:
        schema: the names and types of the columns.
        batches: the rows.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]

    def table(self) -> pa.Table:
        """Return all rows as one Arrow table."""
        import pyarrow as pa

        return pa.Table.from_batches(self.batches, self.schema)

    def rows(self) -> Iterator[list[Any]]:
        """Yield the rows as Python values."""
        for batch in self.batches:
            yield from rows_of(batch)


def table_of_questions() -> Answer:
    """Return the list of the shipped questions."""
    import pyarrow as pa

    from mlflow2prov.graph.questions import questions

    rows = [
        {
            "name": one.name,
            "parameters": ", ".join(
                f"[{each.name}]" if each.default is not None or each.may_be_missing else each.name
                for each in one.parameters
            ),
            "question": one.title,
        }
        for one in questions().values()
    ]
    table = pa.Table.from_pylist(rows)
    return Answer(table.schema, iter(table.to_batches()))


def write(answer: Answer, file: BinaryIO, format: str) -> None:  # noqa: A002
    """Write an answer to a binary file: as ``table``, ``csv``, ``json``, ``markdown`` or ``parquet``.

    All but ``table``, which is for people and shows some rows, hold one batch of rows at a time.

    Raises:
        UsageError: there is no such format.
    """
    if format not in WRITERS:
        raise UsageError(f"no format {format!r} of answers; there is: {', '.join(WRITERS)}")
    WRITERS[format](answer, file)


def _write_csv(answer: Answer, file: BinaryIO) -> None:
    """RFC 4180 with line feeds and a header; lists are JSON, what is missing is empty."""
    file.write(_csv([answer.schema.names]))
    for batch in answer.batches:
        file.write(_csv([[_text(value) for value in row] for row in rows_of(batch)]))


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="backslashreplace")


def _write_json(answer: Answer, file: BinaryIO) -> None:
    """A list of objects, one a line; instants in ISO 8601, numbers that JSON has not as text."""
    before = b"[\n"
    for row in answer.rows():
        values = {name: _plain(value) for name, value in zip(answer.schema.names, row, strict=True)}
        file.write(
            before + json.dumps(values, ensure_ascii=False, default=str).encode(errors="backslashreplace")
        )
        before = b",\n"
    file.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _write_parquet(answer: Answer, file: BinaryIO) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        writer = pq.ParquetWriter(file, answer.schema, compression="zstd")
    except pa.ArrowNotImplementedError as error:
        raise UsageError(
            f"the answer can't be Parquet: {str(error).splitlines()[0]}; cast the column, such as to VARCHAR"
        ) from error
    with writer:
        for batch in answer.batches:
            writer.write_batch(batch)


def _write_table(answer: Answer, file: BinaryIO) -> None:
    rows: list[list[str]] = []
    is_cut = False
    for row in answer.rows():
        if len(rows) == SHOWN_ROWS:
            is_cut = True
            break
        rows.append([_shown(value) for value in row])
    names = [_visible(name) for name in answer.schema.names]
    right = [_is_number(field.type) for field in answer.schema]
    widths = [max([len(name), *(len(row[n]) for row in rows)]) for n, name in enumerate(names)]
    lines = [_line(names, widths, right), "─" * (sum(widths) + 2 * (len(widths) - 1))]
    lines += [_line(row, widths, right) for row in rows]
    if is_cut:
        lines.append(f"… only the first {SHOWN_ROWS:,} rows; the other formats have all")
    file.write(("\n".join(lines) + "\n").encode(errors="backslashreplace"))


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    sides = zip(cells, widths, right, strict=True)
    return "  ".join(
        cell.rjust(width) if is_right else cell.ljust(width) for cell, width, is_right in sides
    ).rstrip()


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _shown(value: Any) -> str:
    text = _visible(" ".join(_text(value).split()))
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _text(value: Any) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    if isinstance(plain, str):
        return plain
    return json.dumps(plain, ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return moment.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return {"nan": "NaN", "inf": "INF", "-inf": "-INF"}[str(value)]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


def _joined(value: Any) -> str:
    return ", ".join(map(_text, value)) if isinstance(value, list) else _text(value)


def _write_markdown(answer: Answer, file: BinaryIO) -> None:
    """A table of GitHub's dialect, with all rows and whole values."""
    from mlflow2prov.prov.text import markdown_cell

    names = answer.schema.names
    marks = ["---:" if _is_number(field.type) else "---" for field in answer.schema]
    lines = [[markdown_cell(name) for name in names], marks]
    for line in lines:
        file.write(f"| {' | '.join(line)} |\n".encode(errors="backslashreplace"))
    for row in answer.rows():
        cells = " | ".join(markdown_cell(_joined(value)) for value in row)
        file.write(f"| {cells} |\n".encode(errors="backslashreplace"))


WRITERS: dict[str, Callable[[Answer, BinaryIO], None]] = {
    "table": _write_table,
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
    "markdown": _write_markdown,
}
"""The forms of an answer."""
