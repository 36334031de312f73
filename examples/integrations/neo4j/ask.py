"""Ask a question of a property graph, and print the answer as CSV: ask.py URL FILE."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import neo4j


def main(address: str, file: str) -> None:
    url = urlsplit(address)
    user = (unquote(url.username), unquote(url.password or "")) if url.username else None
    with neo4j.GraphDatabase.driver(f"{url.scheme}://{url.netloc.rpartition('@')[2]}", auth=user) as driver:
        question = Path(file).read_text(encoding="utf-8")
        answer = driver.execute_query(question, database_=url.path.strip("/") or None)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(answer.keys)
    out.writerows(record.values() for record in answer.records)


if __name__ == "__main__":
    main(*sys.argv[1:])
