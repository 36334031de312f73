"""Takes all rows of an MLflow store in PostgreSQL: ``python -m benchmarks.scan_postgresql scan|read URI``.

``scan`` takes every column by ADBC and looks at none of it; ``read`` makes source tables of them.
"""

from __future__ import annotations

import sys

from benchmarks.store_tables import TABLES

SCANNED = [name for name in TABLES if name not in ("alembic_version", "latest_metrics")]
"""The tables that are read, where the history of metrics is."""


def scan(uri: str) -> int:
    """Take all rows and return how many there were."""
    from adbc_driver_postgresql import dbapi

    count = 0
    with dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        for name in SCANNED:
            cursor.execute(f"SELECT * FROM {name}")
            count += sum(batch.num_rows for batch in cursor.fetch_record_batch())
    return count


def read(uri: str) -> int:
    """Read the source tables and return how many rows there were."""
    from mlflow2prov.sources.mlflow.database import read_database_server
    from mlflow2prov.sources.mlflow.parts import Wanted

    return sum(
        batch.num_rows for _, batch in read_database_server(uri, Wanted(skip=frozenset({"artifacts"})))
    )


if __name__ == "__main__":
    print({"scan": scan, "read": read}[sys.argv[1]](sys.argv[2]))
