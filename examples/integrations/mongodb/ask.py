"""Ask a question of the collection `elements`, and print the answer as CSV: ask.py URL FILE."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pymongo
from bson import json_util


def main(url: str, file: str) -> None:
    pipeline = json_util.loads(Path(file).read_text(encoding="utf-8"))
    with pymongo.MongoClient(url) as client:
        rows = list(client.get_default_database("prov").elements.aggregate(pipeline))
    out = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
    out.writeheader()
    out.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
