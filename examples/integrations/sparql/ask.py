"""Ask a question of a SPARQL store, and print the answer as CSV: ask.py URL FILE."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen


def main(url: str, file: str) -> None:
    question = urlencode({"query": Path(file).read_text(encoding="utf-8")}).encode()
    with urlopen(Request(url, data=question, headers={"Accept": "text/csv"}), timeout=60) as answer:
        sys.stdout.write(answer.read().decode("utf-8").replace("\r\n", "\n"))


if __name__ == "__main__":
    main(*sys.argv[1:])
