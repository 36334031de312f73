"""What the engine raises, as errors of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow2prov.errors import GraphError

_FULL = re.compile(r"no space left|disk quota|file too large", re.IGNORECASE)
"""What stands in the message where a disk is full, or no more of it may be used."""

_FILE = re.compile(r"file \"(.*?)\"", re.DOTALL)
_BESIDE = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part")
"""The name of a file that is written beside the one that it takes the place of."""

_SPILLED = "duckdb_temp"


@contextmanager
def told() -> Iterator[None]:
    """What the engine raises, as errors of ours: one sentence, or the interruption that it was."""
    import duckdb

    try:
        with heard():
            yield
    except duckdb.OutOfMemoryException as error:
        raise GraphError(
            f"there is not enough memory or disk for this: {first_line(error)}; "
            "TMPDIR may name a folder with more room"
        ) from error
    except duckdb.Error as error:
        full = full_disk(error)
        raise GraphError(first_line(error) if full is None else _without_room(full)) from error


def full_disk(error: BaseException) -> str | None:
    """Return the path of the file for which there is no room on its disk, empty if it is not known; None of other errors.

    >>> full_disk(OSError('Could not write file "/data/.a.duckdb.0123abcd.part": No space left on device'))
    '/data/a.duckdb'
    >>> full_disk(OSError('Could not write file "/data/.a.duckdb.0123abcd.part/whole": No space left on device'))
    '/data/a.duckdb'
    """
    text = str(error)
    if not _FULL.search(text):
        return None
    named = _FILE.search(text)
    if not named:
        return ""
    file = Path(named[1].removesuffix(".wal"))
    for place in (file, file.parent):  # what replaces a file may be written in a folder of its own
        beside = _BESIDE.fullmatch(place.name)
        if beside:
            return str(place.with_name(beside[1]))
    return str(file)


def _without_room(file: str) -> str:
    if not file or _SPILLED in file:
        return "there is no space left on the disk for this; TMPDIR may name a folder with more room"
    return f"there is no space left on the disk for {file}: make room there, or name a file on another disk"


@contextmanager
def heard() -> Iterator[None]:
    """What the engine raises where it is interrupted, as the interruption that it was."""
    import duckdb

    try:
        yield
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except RuntimeError as error:
        if "interrupt" in str(error).lower():
            raise KeyboardInterrupt from error
        raise


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, or its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
