"""Arrow's values as Python's, also those that Python has no type for.

Python's dates end with the year 9999 and begin with the year 1; PROV's and the engine's do not. Such an
instant or date is text, in ISO 8601.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_ENDLESS = {2**31 - 1, 2**63 - 1}
"""The numbers of days or parts of a second that stand for infinity."""


def values_of(column: pa.Array[Any] | pa.ChunkedArray[Any]) -> list[Any]:
    """Return the values of a column.

    >>> import pyarrow as pa
    >>> values_of(pa.array([0, 316_879_776_000, -2**63 + 1], pa.timestamp("s", "UTC")))[1:]
    ['12011-07-10T00:00:00Z', '-infinity']
    """
    try:
        return list(column.to_pylist())
    except (OverflowError, ValueError):
        return [_value(scalar) for scalar in column]


def rows_of(table: pa.Table | pa.RecordBatch) -> list[list[Any]]:
    """Return the rows of a table.

    >>> import pyarrow as pa
    >>> rows_of(pa.table({"a": [1, 2], "b": ["x", None]}))
    [[1, 'x'], [2, None]]
    """
    columns = [values_of(column) for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _value(scalar: Any) -> Any:
    import pyarrow as pa

    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        kind = scalar.type
    if pa.types.is_timestamp(kind):
        return _text(scalar.value, kind.unit, "Z" if kind.tz else "")
    if pa.types.is_date(kind):
        return _text(scalar.value, "D")
    if pa.types.is_struct(kind):
        return {field.name: _value(scalar[field.name]) for field in kind}
    if pa.types.is_map(kind):
        return [tuple(_value(pair).values()) for pair in scalar.values]
    return [_value(one) for one in scalar.values]


def _text(number: int, unit: str, zone: str = "") -> str:
    """An instant or a date in ISO 8601, with four digits of the year or more."""
    import numpy as np

    if abs(number) in _ENDLESS:
        return "infinity" if number > 0 else "-infinity"
    text = str(np.array(number).astype(f"datetime64[{unit}]"))
    text = text.rstrip("0").rstrip(".") if "." in text else text
    year, *rest = text.removeprefix("-").split("-", 1)
    sign = "-" if text.startswith("-") else ""
    return f"{sign}{'-'.join([year.zfill(4), *rest])}{zone}"
