"""Progress for a person at a terminal: a line that moves, and one that stays for each finished phase."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.status import Status
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType

    from mlflow2prov.progress import Counts


class Display:
    """Shows the phase that goes on, with counts, rate and time, until it is left.

    Args:
        handlers: of the log, whose lines are to stand above the line that moves.
    """

    def __init__(self, handlers: list[logging.Handler]) -> None:
        self._handlers = [one for one in handlers if isinstance(one, logging.StreamHandler)]
        self._console = Console(stderr=True, highlight=False)
        self._status = Status(_Line(self._line), console=self._console)
        self._phase = ""
        self._begun = 0.0
        self._counts: Counts | Callable[[], Counts] = {}

    def report(self, phase: str, counts: Counts | Callable[[], Counts]) -> None:
        """Show this of the work from now on."""
        if phase != self._phase:
            self._finish()
            self._phase, self._begun = phase, time.monotonic()
        self._counts = counts

    def __enter__(self) -> Display:
        self._status.start()
        self._redirect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish()
        self._status.stop()
        self._redirect()

    def _redirect(self) -> None:
        """Let the log write to what stands for standard error now."""
        for handler in self._handlers:
            handler.setStream(sys.stderr)

    def _finish(self) -> None:
        if self._phase:
            self._console.print(self._line())

    def _line(self) -> Text:
        spent_s = time.monotonic() - self._begun
        counts = self._counts() if callable(self._counts) else self._counts
        text = told(self._phase or "working …", counts, spent_s)
        return Text(text, overflow="ellipsis", no_wrap=True)


class _Line:
    """A text that is made anew whenever it is shown."""

    def __init__(self, make: Callable[[], Text]) -> None:
        self._make = make

    def __rich__(self) -> Text:
        return self._make()


def told(phase: str, counts: Counts, spent_s: float) -> str:
    """One line on a phase: what, how much, how fast (of all its counts together), how long.

    >>> told("MLflow store", {"runs": 200, "metric points": 40_000}, 20.4)
    'MLflow store: 200 runs, 40,000 metric points, 1,971/s, 20 s'
    >>> told("writing a.json", {"bytes": 3_000_000}, 61)
    'writing a.json: 3.0 MB, 0.0 MB/s, 1:01'
    """
    parts = [_amount(count, noun) for noun, count in counts.items()]
    if counts and spent_s >= 1:
        per_second = sum(counts.values()) / spent_s
        parts.append(f"{per_second / 1e6:.1f} MB/s" if "bytes" in counts else f"{per_second:,.0f}/s")
    parts.append(f"{spent_s:.0f} s" if spent_s < 60 else f"{int(spent_s // 60)}:{int(spent_s % 60):02}")
    return f"{phase}: {', '.join(parts)}"


def _amount(count: int, noun: str) -> str:
    return f"{count / 1e6:.1f} MB" if noun == "bytes" else f"{count:,} {noun}"
