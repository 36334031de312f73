"""Arrow arrays of Python's values, made of their bytes.

``pyarrow.array`` imports pandas where that is installed, which takes longer than to read what changed in a
store of twenty thousand runs. What is here does not.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_MOST_BYTES = 2**31 - 1


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array[Any]:
    """An array of a type, of Python's values of it and None.

    Costs about 0.1 µs a value.

    Raises:
        OverflowError, TypeError, ValueError: a value is not of the type.

    >>> import pyarrow as pa
    >>> column(("ä", None, ""), pa.string()).to_pylist(), column((True, None), pa.bool_()).to_pylist()
    (['ä', None, ''], [True, None])
    """
    import pyarrow as pa

    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return _texts(values, kind)
    if pa.types.is_list(kind):
        return _lists(values, kind)
    if pa.types.is_boolean(kind):
        return _array(kind, values, [_bits([bool(value) for value in values])])
    code = "q" if pa.types.is_int64(kind) else "d" if pa.types.is_float64(kind) else None
    if code is None:
        return pa.array(values, kind)
    numbers = array(code, [0 if value is None else value for value in values])
    return _array(kind, values, [numbers])


def _texts(values: Sequence[Any], kind: pa.DataType) -> pa.Array[Any]:
    import pyarrow as pa

    encoded = (
        [value or b"" for value in values]
        if pa.types.is_binary(kind)
        else [(value or "").encode() for value in values]
    )
    data = b"".join(encoded)
    if len(data) > _MOST_BYTES:
        return pa.array(values, kind)
    ends = array("i", accumulate(map(len, encoded), initial=0))
    return _array(kind, values, [ends, data])


def _lists(values: Sequence[Any], kind: pa.DataType) -> pa.Array[Any]:
    import pyarrow as pa

    ends = array("i", accumulate((len(value or ()) for value in values), initial=0))
    inner = column([each for value in values for each in value or ()], kind.field(0).type)
    validity = pa.py_buffer(_bits([value is not None for value in values])) if None in values else None
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(ends)], children=[inner])


class Texts:
    """Texts (or bytes) that become more, from which columns are taken by number: a tenth of the cost of :func:`column`.

    Held are the texts once more, as Arrow has them.
    """

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self._held: pa.Array[Any] | None = None

    def take(self, numbers: npt.NDArray[np.signedinteger[Any]]) -> pa.Array[Any]:
        """Return the texts of some numbers; a negative number is NULL.

        >>> import numpy as np
        >>> Texts(["a", "b"]).take(np.array([1, -1, 0], "i4")).to_pylist()
        ['b', None, 'a']
        """
        import pyarrow as pa

        held = 0 if self._held is None else len(self._held)
        if held < len(self._texts):
            new = column(self._texts[held:], pa.string())
            self._held = new if self._held is None else pa.concat_arrays([self._held, new])
        return taken(self._held, numbers)


def taken(values: pa.Array[Any] | None, numbers: npt.NDArray[np.signedinteger[Any]]) -> pa.Array[Any]:
    """Return the values at some places of an array; a negative place is NULL."""
    import numpy as np
    import pyarrow as pa

    if values is None:
        return pa.nulls(len(numbers), pa.string())
    numbers = np.ascontiguousarray(numbers, "i4")
    there = numbers >= 0
    validity = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little").tobytes())
    places = pa.Array.from_buffers(pa.int32(), len(numbers), [validity, pa.py_buffer(numbers.tobytes())])
    return values.take(places)


def numbers_of(found: pa.Array[Any]) -> npt.NDArray[np.int32]:
    """Return the numbers of an array of int32 without NULL, which are not copied.

    >>> import pyarrow as pa
    >>> numbers_of(pa.array([3, 1], pa.int32())).tolist()
    [3, 1]
    """
    import numpy as np

    values: npt.NDArray[np.int32] = np.frombuffer(
        memoryview(found.buffers()[1] or b""), "i4", len(found), found.offset * 4
    )
    return values


def places_of(numbers: npt.NDArray[np.signedinteger[Any]]) -> pa.Array[Any]:
    """Return an array of numbers, such as places to take from another one.

    >>> import numpy as np
    >>> places_of(np.array([3, 1])).to_pylist()
    [3, 1]
    """
    import numpy as np
    import pyarrow as pa

    data = pa.py_buffer(np.ascontiguousarray(numbers, "i8").data)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, data])


def without(values: pa.Array[Any], is_missing: npt.NDArray[np.bool_]) -> pa.Array[Any]:
    """Return an array of texts without NULL that has NULL at some places.

    >>> import numpy as np, pyarrow as pa
    >>> without(pa.array(["a", ""]), np.array([False, True])).to_pylist()
    ['a', None]
    """
    import numpy as np
    import pyarrow as pa

    if not is_missing.any():
        return values
    assert not values.offset
    validity = pa.py_buffer(np.packbits(~is_missing, bitorder="little").tobytes())
    return pa.Array.from_buffers(values.type, len(values), [validity, *values.buffers()[1:]])


def _array(kind: pa.DataType, values: Sequence[Any], data: Sequence[Any]) -> pa.Array[Any]:
    import pyarrow as pa

    validity = pa.py_buffer(_bits([value is not None for value in values])) if None in values else None
    return pa.Array.from_buffers(kind, len(values), [validity, *map(pa.py_buffer, data)])


def _bits(flags: Sequence[bool]) -> bytes:
    """The flags as bits, the first one lowest."""
    digits = "".join("1" if flag else "0" for flag in reversed(flags))
    return int(digits or "0", 2).to_bytes((len(flags) + 7) // 8, "little")
