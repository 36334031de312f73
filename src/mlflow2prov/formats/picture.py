"""Pictures (SVG, PNG, PDF) that Graphviz (https://graphviz.org) draws; written only.

What is drawn is the reduced drawing of :mod:`mlflow2prov.formats.dot_badges`. A picture of a document
that would be too large to read, or to lay out in time, is refused with advice.
"""

from __future__ import annotations

import io
import math
import re
import shutil
import subprocess
from typing import BinaryIO

from mlflow2prov.errors import FormatError
from mlflow2prov.formats import dot_badges
from mlflow2prov.graph.graph import Graph

MOST_NODES = 600
"""More nodes than this are not drawn; they come to a picture of a square metre or more."""

MOST_EDGES = 1_500

LAYOUTS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (30.0, ()),
    (90.0, ("-Gnslimit=1", "-Gnslimit1=1", "-Gmclimit=0.3", "-Gsplines=line")),
)
"""How long Graphviz may work at one picture, in seconds, and how: with care, else with less.

Measured on random graphs with names on all edges: 500 nodes and 1,000 edges take longer than two
minutes with care, and 7 s with less; provenance of 900 nodes and 1,300 edges takes 1.3 s with care.
"""

_DPI = 96.0
_LEAST_DPI = 40.0
"""With fewer dots an inch, text of 8 points can't be read."""

_MOST_PIXELS = 100_000_000
"""Of a PNG; the program that draws it needs four bytes for each."""

_MOST_SIDE = 32_000
"""Pixels in a row or column: the drawing library takes 32,767."""

_MEND = (
    "install it (apt-get install graphviz, brew install graphviz, choco install graphviz or winget install graphviz), "
    "or save as dot and draw that elsewhere"
)

_PAGE = ["-Gsize=200,200"]
"""A PDF page is at most 200 inches long (ISO 32000-1, annex C); larger drawings are scaled."""


def write_svg(graph: Graph, file: BinaryIO, *, attributes: bool = False) -> None:
    """Write a picture of a graph as SVG.

    Args:
        graph: what to draw.
        file: where to.
        attributes: list the attributes of elements.

    Raises:
        FormatError: Graphviz is missing, fails or takes too long, or the picture would not be readable.
    """
    file.write(_run(["-Tsvg"], _drawing(graph, attributes=attributes)))


def write_pdf(graph: Graph, file: BinaryIO, *, attributes: bool = False) -> None:
    """Write a picture of a graph as PDF; otherwise like :func:`write_svg`."""
    file.write(_run(["-Tpdf", *_PAGE], _drawing(graph, attributes=attributes)))


def write_png(graph: Graph, file: BinaryIO, *, attributes: bool = False) -> None:
    """Write a picture of a graph as PNG; otherwise like :func:`write_svg`.

    A large one gets fewer dots an inch, as long as text can be read.
    """
    laid_out = _run(["-Tdot"], _drawing(graph, attributes=attributes))
    dots = dots_an_inch(*_size_in(laid_out))
    file.write(_run(["-Kneato", "-n2", "-Tpng", f"-Gdpi={dots:.0f}"], laid_out))


def dots_an_inch(width_in: float, height_in: float) -> float:
    """Return with how many dots an inch a picture of that size is drawn as a PNG.

    Raises:
        FormatError: with so few that nobody could read it.

    >>> dots_an_inch(10, 5), round(dots_an_inch(200, 200))
    (96.0, 50)
    """
    dots = min(_DPI, _MOST_SIDE / max(width_in, height_in), math.sqrt(_MOST_PIXELS / (width_in * height_in)))
    if dots < _LEAST_DPI:
        raise FormatError(
            f"the picture is {width_in:.0f} by {height_in:.0f} inches large, too large for a PNG that can be read: "
            "save it as svg or pdf, or draw a part of the document"
        )
    return dots


def _drawing(graph: Graph, *, attributes: bool) -> bytes:
    program()
    drawing = io.BytesIO()
    dot_badges.write(graph, drawing, attributes=attributes, most_nodes=MOST_NODES, most_edges=MOST_EDGES)
    return drawing.getvalue()


def program() -> str:
    """Return the path of Graphviz's program.

    Raises:
        FormatError: it is not installed.
    """
    path = shutil.which("dot")
    if path is None:
        raise FormatError(f"pictures are drawn by Graphviz, whose program dot is not found: {_MEND}")
    return path


def _run(arguments: list[str], drawing: bytes) -> bytes:
    """What Graphviz makes of a drawing; it is ended when its time is up."""
    for limit_s, manner in LAYOUTS:
        command = [program(), *arguments, *manner]
        try:
            done = subprocess.run(command, input=drawing, capture_output=True, timeout=limit_s, check=False)
        except subprocess.TimeoutExpired:
            continue
        except OSError as error:
            raise FormatError(f"Graphviz can't be run ({error.strerror or error}): {_MEND}") from error
        if done.returncode or not done.stdout:
            said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
            raise FormatError(f"Graphviz could not draw the picture: {said.splitlines()[0]}")
        return done.stdout
    raise FormatError(
        f"Graphviz was ended after {sum(limit for limit, _ in LAYOUTS):.0f} s of laying out the picture: draw a part "
        "of the document, chosen by transform --types, --exclude_types, --since or --until, or save it as dot"
    )


def _size_in(laid_out: bytes) -> tuple[float, float]:
    """Width and height of a drawing that is laid out, in inches."""
    found = re.search(rb'\bbb="([-0-9.e+,]+)"', laid_out)
    numbers = [float(number) for number in found[1].split(b",")] if found else []
    if len(numbers) != 4:
        raise FormatError("Graphviz gave a drawing without a size")
    left, bottom, right, top = numbers
    return max(right - left, 1.0) / 72, max(top - bottom, 1.0) / 72
