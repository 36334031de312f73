"""Ask a question of a DuckDB file, and print the answer as CSV: ask.py FILE QUESTION."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import duckdb


def main(database: str, file: str) -> None:
    with duckdb.connect(database, read_only=True) as connection:
        connection.execute("SET search_path = 'prov'")
        answer = connection.execute(Path(file).read_text(encoding="utf-8"))
        out = csv.writer(sys.stdout, lineterminator="\n")
        out.writerow(column[0] for column in answer.description or ())
        out.writerows(answer.fetchall())


if __name__ == "__main__":
    main(*sys.argv[1:])
