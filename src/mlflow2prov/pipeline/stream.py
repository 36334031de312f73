"""What steps share: the stream of documents, and where their output goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mlflow2prov.errors import Mlflow2ProvError, UsageError
from mlflow2prov.graph.files import require_folder
from mlflow2prov.graph.graph import Graph
from mlflow2prov.surroundings import Surroundings

StepFunction = Callable[[Iterator[Graph], dict[str, Any], Surroundings], Iterator[Graph]]
"""A step: documents come in, options tell what to do, documents go out."""


def some(documents: Iterator[Graph], command: str) -> Iterator[Graph]:
    """The documents; a usage error where there is none."""
    first = next(documents, None)
    if first is None:
        raise UsageError(f"{command} has no document to work on: put extract or load before it")
    yield first
    yield from documents


def numbering(documents: Iterator[Graph]) -> Iterator[tuple[Graph, int]]:
    """Each document with its number, from 1 on; a single one has 0."""
    numbered = 0
    graph = next(documents, None)
    while graph is not None:
        following = next(documents, None)
        numbered += 1 if numbered or following is not None else 0
        yield graph, numbered
        graph = following


def numbered(path: Path, number: int) -> Path:
    """The path, with a number before its suffix where there are several documents."""
    return path.with_name(f"{path.stem}-{number}{path.suffix}") if number else path


def check_output(surroundings: Surroundings) -> None:
    """Raise a usage error where there is no standard output to write to."""
    if surroundings.stdout is None:
        raise UsageError("standard output is closed")


def check_place(output: str | None, surroundings: Surroundings) -> None:
    """Raise an error where an output can't be written to its place: a file in a folder, or standard output."""
    if output in (None, "-"):
        check_output(surroundings)
    else:
        require_folder(Path(str(output)))


@contextmanager
def standard_output(surroundings: Surroundings) -> Iterator[BinaryIO]:
    """Yield standard output, to which all that is written in the ``with`` block arrives at its end.

    Raises:
        Mlflow2ProvError: it can't be written to, such as for want of room.
        BrokenPipeError: its reader went away.
    """
    try:
        yield surroundings.stdout
        surroundings.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:
            raise
        raise Mlflow2ProvError(f"can't write to standard output: {error.strerror or error}") from error


def print_text(text: str, surroundings: Surroundings) -> None:
    """Write text to standard output at once; what UTF-8 can't encode is shown by its number."""
    with standard_output(surroundings) as output:
        output.write(text.encode(errors="backslashreplace"))
