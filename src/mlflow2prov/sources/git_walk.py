"""All commits of a history and their parents, out of what one walk of Git through it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from mlflow2prov.sources.git_changes import Parents

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.signedinteger[Any]]
    Names: TypeAlias = npt.NDArray[np.uint8]

_LINE_END = ord("\n")
_LOOKED_AT = 16
"""So many digits of names are compared at once; no two commits of a history share these by chance."""
_ODD = 0x9E3779B97F4A7C15


def walked(lines: bytes) -> tuple[list[bytes], Parents]:
    r"""Return the object names of all commits, and their parents by number, of ``git rev-list --parents``.

    Args:
        lines: of each commit its name and those of its parents, which are in lines before it.

    >>> names, parents = walked(b"aa\nbb aa\ncc bb aa\n")
    >>> names, parents.at(0).tolist(), parents.at(1).tolist()
    ([b'aa', b'bb', b'cc'], [-1, 0, 1], [-1, -1, 0])
    """
    import numpy as np

    width = lines.find(b"\n")  # the first commit has no parent
    if width < 0:
        return [], Parents(np.zeros(1, "i4"), np.zeros(0, "i4"))
    words = np.frombuffer(lines, "u1").reshape(-1, width + 1)
    is_commit = np.append(True, words[:-1, width] == _LINE_END)
    places = np.flatnonzero(is_commit)
    own, above = words[places, :width], words[~is_commit, :width]
    first = np.append(places, len(words)) - np.arange(len(places) + 1)
    said = own.tobytes()
    names = [said[start : start + width] for start in range(0, len(said), width)]
    return names, Parents(first.astype("i4"), _numbers(names, own, above))


def _numbers(names: list[bytes], own: Names, asked: Names) -> Numbers:
    """Return which commits are asked for."""
    import numpy as np

    keys = _keys(own)
    order = np.argsort(keys)
    places = np.searchsorted(keys[order], _keys(asked))
    found = order[np.minimum(places, len(order) - 1)]
    if (own[found] == asked).all():
        return found.astype("i4")
    number = {name: place for place, name in enumerate(names)}
    return np.array([number[word.tobytes()] for word in asked], "i4")


def _keys(names: Names) -> npt.NDArray[np.uint64]:
    """Return a number for each name."""
    import numpy as np

    digits = np.zeros((len(names), _LOOKED_AT), "u1")
    digits[:, : names.shape[1]] = names[:, :_LOOKED_AT]
    halves = digits.view("u8")
    keys: npt.NDArray[np.uint64] = halves[:, 0] * np.uint64(_ODD) + halves[:, 1]
    return keys
