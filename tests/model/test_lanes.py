"""Tables of a graph are filled at the same time, each in its order."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest

from mlflow2prov.graph.store import Store
from mlflow2prov.model.events import EVENTS
from mlflow2prov.model.lanes import Lanes
from mlflow2prov.model.readers import words_read_by
from mlflow2prov.sources.tables import SOURCE_TABLES


@pytest.mark.parametrize("is_parallel", [False, True])
def test_statements_of_a_table_run_in_their_order_and_a_failure_is_raised(is_parallel: bool) -> None:
    store = Store()
    with store.scratch("lanes") as schema:
        with Lanes(store, schema, is_parallel=is_parallel) as lanes:
            for table in ("a", "b"):
                lanes.run(table, f"CREATE TABLE {table} (n INTEGER)")
                for number in range(20):
                    lanes.run(table, f"INSERT INTO {table} VALUES ({number})")
            lanes.wait()
        for table in ("a", "b"):
            assert store.run(f"SELECT n FROM {schema}.{table}") == [(number,) for number in range(20)]
        with (
            pytest.raises(duckdb.CatalogException, match="nowhere"),
            Lanes(store, schema, is_parallel=is_parallel) as lanes,
        ):
            lanes.run("a", "INSERT INTO nowhere VALUES (1)")
            lanes.wait()
    store.close()


def test_records_are_made_of_the_rows_of_their_events_alone() -> None:
    """So source tables can be dropped while records are still being made."""
    for event in EVENTS:
        of_records = words_read_by(replace(event, rows="", view="", bulky=None))
        assert of_records.isdisjoint(SOURCE_TABLES), event.name
