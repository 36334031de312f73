"""Iterates over every row of an MLflow store with ``sqlite3``: ``python -m benchmarks.scan_store FILE``.

What the reading of a store is measured against. Only tables that the generator fills are read, each row as
a tuple that is let go of at once.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from benchmarks.store_tables import TABLES


def scan(file: Path) -> int:
    """Read all rows and return how many there were."""
    database = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
    count = 0
    for table in TABLES:
        for _ in database.execute(f"SELECT * FROM {table}"):
            count += 1
    database.close()
    return count


if __name__ == "__main__":
    print(scan(Path(sys.argv[1])))
