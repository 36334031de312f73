"""Tables of figures: for a terminal, and as sections of a Markdown page."""

from __future__ import annotations

import datetime
import os
import platform
import re
import sqlite3
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.figures import Bench, Figure
from benchmarks.sizes import Size

_PACKAGES = {"duckdb": "DuckDB", "pyarrow": "PyArrow", "prov": "prov", "mlflow": "MLflow"}


def machine() -> str:
    """The machine and the versions, in a line and without a name that is its own."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    parts = [
        f"{os.cpu_count()} cores",
        f"{memory_gib:.0f} GiB",
        f"{platform.system()} {platform.machine()}",
        f"Python {platform.python_version()}",
        f"SQLite {sqlite3.sqlite_version}",
        f"Git {git}",
    ]
    for package, title in _PACKAGES.items():
        try:
            parts.append(f"{title} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(parts)


def verdict(figure: Figure, size: Size) -> str:
    """Whether a limit is kept, in a word; nothing where there is none or it is meant for another size."""
    if figure.is_met is None:
        return ""
    if not size.is_judged:
        return "(not judged)"
    return "met" if figure.is_met else "**not met**"


def plain(figure: Figure, size: Size) -> str:
    """A figure as a line for a terminal."""
    word = verdict(figure, size).replace("**", "")
    limit = f" [{figure.limit}]" if figure.limit else ""
    return f"  {figure.name}: {figure.measured}{limit} {word}".rstrip()


def section(bench: Bench, figures: Sequence[Figure], size: Size, load: tuple[float, float]) -> str:
    """A benchmark's section of the page."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    option = "" if size.is_judged else f" --size {size.name}"
    rows = [
        f"| {figure.name} | {figure.measured} | {figure.limit} | {verdict(figure, size)} |"
        for figure in figures
    ]
    return "\n".join(
        [
            f"## {bench.title}",
            "",
            bench.about,
            "",
            "| figure | measured | limit | |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            f"Measured on {today} with `python -m benchmarks --only {bench.name}{option}` on {machine()};"
            f" load average {load[0]:.1f} before, {load[1]:.1f} after.",
        ]
    )


def write(page: Path, name: str, text: str) -> None:
    """Put a section in its place on a page: between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``.

    A page that has no such place gets it at its end.
    """
    before = page.read_text(encoding="utf-8") if page.exists() else "# Benchmarks\n"
    block = f"<!-- begin {name} -->\n{text}\n<!-- end {name} -->"
    pattern = re.compile(rf"<!-- begin {name} -->.*?<!-- end {name} -->", re.DOTALL)
    after, found = pattern.subn(lambda _: block, before, count=1)
    page.write_text(after if found else f"{before.rstrip()}\n\n{block}\n", encoding="utf-8")
