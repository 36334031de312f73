"""Pages of documentation: their blocks, which run as printed, and their links."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"(?:^<!-- ([a-z ]+): (.+?) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its language, its text, and the comment on the line before it.

    ``<!-- not run: REASON -->`` leaves the block out, ``<!-- exits with: CODE -->`` expects another
    exit code than 0, ``<!-- file: NAME -->`` writes the block to a file.
    """

    language: str
    text: str
    line: int
    marks: dict[str, str]

    def commands(self) -> Iterator[tuple[str, str]]:
        """The commands of a console block, each with the output that is printed below it."""
        command, output = "", ""
        for line in self.text.splitlines():
            if line.startswith("$ "):
                if command:
                    yield command, output
                command, output = line[2:], ""
            elif command.endswith("\\"):
                command += f"\n{line}"
            else:
                output += f"{line}\n"
        yield command, output


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    return [
        Block(
            language=found[3],
            text=found[4],
            line=text.count("\n", 0, found.start(4)),
            marks={found[1]: found[2]} if found[1] else {},
        )
        for found in _BLOCK.finditer(text)
    ]


def run(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "100", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
    )


def check_commands(block: Block, folder: Path, where: str) -> None:
    """Run the commands of a console block, and compare what they print."""
    for command, expected in block.commands():
        done = run(command, folder)
        assert done.returncode == int(block.marks.get("exits with", 0)), f"{where}: {command}\n{done.stdout}"
        if expected.strip():
            _check_output(expected, done.stdout, f"{where}: {command}")


def _check_output(expected: str, found: str, where: str) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(expected, found, flags), (
        f"{where}\nexpected\n{expected}\n{found}"
    )


def broken_links(page: Path, ahead: Collection[Path] = ()) -> list[str]:
    """The links of a page to files and headings that are not there; those to files ``ahead`` may be."""
    broken = []
    for target in LINK.findall(page.read_text("utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        missing = not file.exists() and file not in ahead
        if missing or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    return broken


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
