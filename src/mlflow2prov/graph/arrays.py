"""Arrow arrays of Python's values, made without a look at pandas.

``pyarrow.array`` imports pandas, where it is installed, to tell its series from other lists; that takes a
quarter of a second, as long as all else that is imported. What is made here is text and whole numbers.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pyarrow as pa

_CODES = {"uint8": "B", "int32": "i", "int64": "q"}


def texts(values: Iterable[str | None]) -> pa.Array[Any]:
    """Return an array of strings; None is a missing one.

    >>> texts(["a", None]).to_pylist()
    ['a', None]
    """
    import pyarrow as pa

    builder: Any = pa.lib.StringBuilder()
    builder.append_values(values)
    return cast("pa.Array[Any]", builder.finish())


def whole(values: Iterable[int], kind: str = "int32") -> pa.Array[Any]:
    """Return an array of whole numbers of one of the types ``uint8``, ``int32`` and ``int64``.

    Raises:
        OverflowError: one is too large for the type.

    >>> whole([1, 2]).type, whole([7], "uint8").type
    (DataType(int32), DataType(uint8))
    """
    return _of_buffer(array(_CODES[kind], values), kind)


def same(value: str | int, count: int) -> pa.Array[Any]:
    """Return an array of one value so many times; a number is of type ``uint8``.

    >>> same("a", 2).to_pylist(), same(3, 1).to_pylist()
    (['a', 'a'], [3])
    """
    once = texts([value]) if isinstance(value, str) else whole([value], "uint8")
    return once.take(_of_buffer(array("i", bytes(4 * count)), "int32"))


def flags(values: Iterable[object]) -> pa.Array[Any]:
    """Return an array of booleans: whether each of some values is true.

    >>> flags([1, None, "x"]).to_pylist()
    [True, False, True]
    """
    import pyarrow as pa

    return _of_buffer(array("B", map(bool, values)), "uint8").cast(pa.bool_())


def inferred(values: Sequence[Any]) -> pa.Array[Any]:
    """Return an array of texts, whole numbers (``int64``) or booleans; None is a missing value of each.

    >>> inferred([1, None]).to_pylist(), inferred([None, True]).to_pylist(), inferred(["a"]).to_pylist()
    ([1, None], [None, True], ['a'])
    """
    import pyarrow as pa

    types = {type(value) for value in values} - {type(None)}
    if types <= {str}:
        return texts(values)
    given = texts(None if value is None else str(value).lower() for value in values)
    return given.cast(pa.bool_() if types == {bool} else pa.int64())


def lists(items: pa.Array[Any], ends: Sequence[int], *, empty_is_missing: bool = False) -> pa.Array[Any]:
    """Return an array of lists that end at some places among items that lie flat.

    >>> lists(texts(["a", "b"]), [1, 1, 2], empty_is_missing=True).to_pylist()
    [['a'], None, ['b']]
    """
    import pyarrow as pa

    offsets: Any = whole([0, *ends])
    is_missing: Any = None
    if empty_is_missing and ends:
        is_missing = flags(start == end for start, end in zip((0, *ends), ends, strict=False))
    made: pa.Array[Any] = pa.ListArray.from_arrays(offsets, items, mask=is_missing)
    return made


def one_text(content: bytes) -> pa.Array[Any]:
    """Return an array of one binary value, which shares its memory.

    >>> one_text(b"ab").to_pylist()
    [b'ab']
    """
    import pyarrow as pa

    ends = pa.py_buffer(memoryview(array("i", [0, len(content)])).cast("B"))
    return pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(content)])


def _of_buffer(numbers: array[int], kind: str) -> pa.Array[Any]:
    import pyarrow as pa

    return pa.Array.from_buffers(
        getattr(pa, kind)(), len(numbers), [None, pa.py_buffer(memoryview(numbers).cast("B"))]
    )
