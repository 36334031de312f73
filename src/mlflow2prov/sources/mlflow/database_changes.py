"""Reading a database again: small tables whole, metrics and parameters of the runs alone that have others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow2prov.sources.mlflow import database
from mlflow2prov.sources.mlflow.artifacts import read_artifacts
from mlflow2prov.sources.mlflow.database_query import Database, Query, Schema
from mlflow2prov.sources.mlflow.database_reading import Reading
from mlflow2prov.sources.mlflow.database_tables import OTHER_INPUT_TAGS, READINGS
from mlflow2prov.sources.mlflow.trace_places import SpanPlaces
from mlflow2prov.sources.tables import Batches, Kind

if TYPE_CHECKING:
    import pyarrow as pa

    from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess
    from mlflow2prov.sources.mlflow.known import Known
    from mlflow2prov.sources.mlflow.parts import Wanted

_COUNTED = {
    "mlflow_metric": ("m.run_uuid", None),
    "mlflow_param": ("t.run_uuid", None),
    "mlflow_dataset_input": (
        "i.destination_id",
        f"inputs AS i LEFT JOIN {OTHER_INPUT_TAGS} WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN'",
    ),
}
"""The tables whose rows are only ever added, the column of the run that they belong to, and what stands behind FROM
where they are counted, if not what they are read from. The latest points of metrics alone are changed instead."""

_PLAIN_ID = re.compile(r"[0-9A-Za-z_.-]+")
_RUNS_PER_QUERY = 500
_COUNT_ROWS = 65_536


def read_changes(
    connect: Callable[[], Database],
    wanted: Wanted,
    known: Known,
    artifacts: ArtifactAccess | None = None,
) -> Batches:
    """Batches of the source tables of a database that may be others than in an earlier reading.

    Rows of metrics, parameters and inputs are only ever added, so that their number by run, which an index
    tells, is enough to know who has new ones. The rest is read whole. Artifacts are listed of those that ``known``
    names. All is read in one transaction, as in the first reading.

    Args:
        connect: opens the database.
        wanted: what to read of it, as in the earlier reading.
        known: that reading.
        artifacts: how to reach artifacts.
    """
    owned: list[tuple[str, pa.RecordBatch]] = []
    places = SpanPlaces()
    with closing(connect()) as opened:
        schema = database.schema_of(opened)
        database.require_mlflow(opened, schema)
        known.all_of("mlflow_store")
        yield database.store_batch(opened, database.revision(opened, schema))
        for reading in READINGS:
            if not database.is_wanted(reading, wanted):
                continue
            for table, batch in _read(opened, reading, schema, known):
                owned += database.owners_in(table, batch)
                places.note(table, batch)
                yield table, batch
        opened.check()
    yield from places.batches()
    if "artifacts" not in wanted.skip:
        owners = known.to_list(database.owners(owned))
        yield from read_artifacts(owners, with_digests=wanted.artifact_digests, access=artifacts)


def _read(opened: Database, reading: Reading, schema: Schema, known: Known) -> Batches:
    """The rows of one table that may be new."""
    sql_table = next(iter(reading.tables.values()))
    column, counted = _COUNTED.get(reading.table, (None, None))
    if column is None or reading.instead_of or sql_table not in schema:
        known.all_of(reading.table)
        for batch in Query(opened, reading, schema).batches():
            yield reading.table, batch
        return
    run_ids = _others(opened, reading.table, counted or reading.source, column, known)
    if not all(_PLAIN_ID.fullmatch(run_id) for run_id in run_ids):
        known.all_of(reading.table)
        queries = [reading]
    else:
        known.some_of(reading.table, "run", run_ids)
        queries = list(_of_runs(reading, column, run_ids))
    for query in queries:
        for batch in Query(opened, query, schema).batches():
            yield reading.table, batch


def _others(opened: Database, table: str, counted: str, column: str, known: Known) -> list[str]:
    """The runs with another number of rows than before.

    Where the rows of those that are likely to have others explain how many there are in all, no others have: a
    sum costs a quarter of what it takes to count the rows of each run.
    """
    likely = known.likely()
    if likely is not None and all(_PLAIN_ID.fullmatch(run_id) for run_id in likely):
        ((total,),) = opened.rows(opened.dialect.sql(f"SELECT count(*) FROM {counted}"))
        some = _counts(opened, _narrowed(counted, column, likely), column) if likely else iter(())
        found = known.others_of_likely(table, int(total), some)
        if found is not None:
            return found
    return known.other_counts(table, _counts(opened, counted, column))


def _counts(opened: Database, counted: str, column: str) -> Iterator[pa.RecordBatch]:
    dialect = opened.dialect
    columns = [(dialect.typed(dialect.sql(column), Kind.NAME), Kind.NAME), ("count(*)", Kind.INT)]
    source = dialect.sql(f"{counted} GROUP BY {column}")
    return opened.batches(columns, source, _COUNT_ROWS)


def _of_runs(reading: Reading, column: str, run_ids: list[str]) -> Iterator[Reading]:
    for start in range(0, len(run_ids), _RUNS_PER_QUERY):
        some = run_ids[start : start + _RUNS_PER_QUERY]
        yield replace(reading, source=_narrowed(reading.source, column, some))


def _narrowed(source: str, column: str, run_ids: list[str]) -> str:
    """What stands behind FROM, for the rows of some runs alone."""
    listed = ", ".join(f"'{run_id}'" for run_id in run_ids)
    return f"{source} {'AND' if ' WHERE ' in source else 'WHERE'} {column} IN ({listed})"
