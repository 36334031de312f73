"""What a benchmark finds: figures, each with its limit where it has one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.inputs import Inputs
from benchmarks.sizes import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of a table.

    Attributes:
        name: what was measured.
        measured: what was found, as a person reads it.
        limit: what it must not pass, likewise; empty where there is none.
        is_met: whether it keeps to the limit; None where it is not judged.
    """

    name: str
    measured: str
    limit: str = ""
    is_met: bool | None = None


def at_most(
    name: str, found: float, limit: float, *, unit: str = "", detail: str = "", goal: str = ""
) -> Figure:
    """A figure that must not be larger than its limit."""
    return _limited(name, found, limit, "at most", unit, detail, goal, found <= limit)


def at_least(
    name: str, found: float, limit: float, *, unit: str = "", detail: str = "", goal: str = ""
) -> Figure:
    """A figure that must not be smaller than its limit."""
    return _limited(name, found, limit, "at least", unit, detail, goal, found >= limit)


def _limited(
    name: str, found: float, limit: float, word: str, unit: str, detail: str, goal: str, is_met: bool
) -> Figure:
    shown = f"{found:,}" if isinstance(found, int) else f"{found:,.2f}"
    return Figure(
        name=name,
        measured=f"{shown}{unit}" + (f" ({detail})" if detail else ""),
        limit=f"{word} {limit:,.4g}{unit}" + (f"; goal {goal}" if goal else ""),
        is_met=is_met,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A group of figures that are measured together.

    Attributes:
        name: on the command line.
        title: a heading.
        about: what is run and compared, in a sentence or two.
        run: measures; yields the figures as they are found.
    """

    name: str
    title: str
    about: str
    run: Callable[[Inputs, Size], Iterator[Figure]]


def mlflow2prov_program() -> Path:
    """The command as it is installed beside the Python that runs this."""
    return Path(sys.executable).with_name("mlflow2prov")
