"""``python -m benchmarks``: measure, print, and keep the figures."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks import report
from benchmarks.benches import BENCHES
from benchmarks.inputs import Inputs
from benchmarks.measure import FailedError
from benchmarks.sizes import SIZES

_ROOT = Path(__file__).parents[1]
_ABOUT = """Measure mlflow2prov; print each figure with its limit.

Exit codes: 0 every limit is kept (or not judged: limits are meant for the full size), 1 one is not or
something failed, 2 wrong usage."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks that are asked for; return the exit code."""
    asked = _parser().parse_args(arguments)
    size, inputs, kept = SIZES[asked.size], Inputs(asked.folder, dict(asked.repository)), True
    print(report.machine())
    for name in asked.only or BENCHES:
        bench = BENCHES[name]
        print(f"{bench.title} ({size.name} size)", flush=True)
        figures, before = [], os.getloadavg()[0]
        try:
            for figure in bench.run(inputs, size):
                figures.append(figure)
                print(report.plain(figure, size), flush=True)
        except FailedError as error:
            print(f"benchmarks: error: {error}", file=sys.stderr)
            return 1
        kept &= all(figure.is_met is not False for figure in figures)
        if asked.write:
            report.write(
                asked.write, name, report.section(bench, figures, size, (before, os.getloadavg()[0]))
            )
    return 0 if kept or not size.is_judged else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", choices=list(BENCHES), help="this benchmark only; can be repeated"
    )
    parser.add_argument(
        "--quick",
        dest="size",
        action="store_const",
        const="quick",
        default="full",
        help="a tenth of the size or less; the limits are not judged",
    )
    parser.add_argument("--size", choices=list(SIZES), help="the size by its name: full, unless told")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables in a Markdown page")
    parser.add_argument(
        "--folder", type=Path, default=_ROOT / "bench-data", help="where inputs are kept: bench-data"
    )
    parser.add_argument(
        "--repository",
        action="append",
        default=[],
        type=_named,
        metavar="NAME=PATH",
        help="a Git repository for the benchmark `real`, and what the table calls it; can be repeated",
    )
    return parser


def _named(text: str) -> tuple[str, Path]:
    """A name and a path; a path alone is named by its last part."""
    name, equals, path = text.partition("=")
    return (name, Path(path)) if equals else (Path(text).resolve().name, Path(text))


if __name__ == "__main__":
    sys.exit(main())
