"""The way into MLflow through its database: read-only, by column, whatever the engine and the schema's version.

One interpreter for the declarations of tables (`READINGS`) and of engines (`Dialect`).
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from mlflow2prov.errors import SourceError
from mlflow2prov.sources.mlflow.database_query import Database, Query, Schema
from mlflow2prov.sources.mlflow.database_reading import Reading
from mlflow2prov.sources.mlflow.database_revisions import KNOWN_REVISIONS
from mlflow2prov.sources.mlflow.database_selection import Scope, ScopeFinder
from mlflow2prov.sources.mlflow.database_tables import NEEDED, READINGS
from mlflow2prov.sources.mlflow.parts import EVERYTHING, TRACE_DETAILS, Wanted
from mlflow2prov.sources.mlflow.server_rows import RowsOf, batches
from mlflow2prov.sources.mlflow.trace_places import SpanPlaces
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches, Kind

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from mlflow2prov.prov.database_uris import DatabaseUri
    from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess
    from mlflow2prov.sources.mlflow.known import Known

_logger = logging.getLogger(__name__)

_OWNERS = {
    "mlflow_run": ("run", "run_id", "artifact_uri"),
    "mlflow_logged_model": ("logged_model", "model_id", "artifact_location"),
}
"""The tables whose rows own artifacts: the word for it, and the columns of the identifier and the place."""

_SELECTED: RowsOf[Scope] = {"mlflow_selected": Scope.selected}

_ENGINES = {
    "postgresql": ("mlflow2prov.sources.mlflow.database_postgresql", "PostgreSQL"),
    "mysql": ("mlflow2prov.sources.mlflow.database_mysql", "MySQL"),
    "mssql": ("mlflow2prov.sources.mlflow.database_mssql", "MicrosoftSQLServer"),
}
"""The module and the class that reads the databases of an engine on a server."""


def read_database(
    uri: str, wanted: Wanted = EVERYTHING, *, artifacts: ArtifactAccess | None = None
) -> Batches:
    """Batches of every MLflow source table that a SQLite database and the artifact folders it names can fill.

    The database is never written to, made or migrated. All of it is read in one transaction, which ends
    before the artifacts are listed: a store that is in use is seen as it was at one moment, and programs that
    write to it wait until then (not in WAL mode). Databases of MLflow 2.5 to 3.18 are known; others are read
    as far as they look alike, with a warning.

    Holds a batch (65,536 rows of metrics, 8,192 of others, 256 datasets), some 4 MiB of them put together, and the
    identifiers and artifact places of runs and logged models. Costs less than to iterate over the rows with the
    `sqlite3` module.

    Args:
        uri: such as ``sqlite:///mlflow.db`` or ``sqlite:////srv/mlflow.db``.
        wanted: what to read of it.
        artifacts: how to reach artifacts that are not in folders of this machine.

    Raises:
        UsageError: ``uri`` is no SQLite file's. At once; the others on use.
        SourceError: the file is missing, locked, damaged, no database or not MLflow's.
    """
    from mlflow2prov.sources.mlflow.database_file import DatabaseFile, database_path

    path = database_path(uri)
    return _read(lambda: DatabaseFile(path), wanted, _beside(path, artifacts))


def read_database_server(
    uri: str, wanted: Wanted = EVERYTHING, *, artifacts: ArtifactAccess | None = None
) -> Batches:
    """Batches of every MLflow source table that a database on a server and the artifact folders it names can fill.

    As :func:`read_database`, but nobody has to wait: the transaction is read-only and sees a snapshot.

    Args:
        uri: such as ``postgresql://user@host/mlflow`` or ``mysql+pymysql://user@host/mlflow``.
        wanted: what to read of it.
        artifacts: how to reach artifacts that are not in folders of this machine.

    Raises:
        UsageError: ``uri`` is of no engine that can be read. At once; the others on use.
        SourceError: the driver is not installed, or the database can't be reached or read, or is not MLflow's.
    """
    from mlflow2prov.prov.database_uris import DatabaseUri

    address = DatabaseUri.parse(uri)
    return _read(lambda: _connect(address), wanted, artifacts)


def read_database_again(
    uri: str, wanted: Wanted, known: Known, *, artifacts: ArtifactAccess | None = None
) -> Batches:
    """Batches of what may be new in a database of any engine since an earlier reading.

    As :func:`read_database`, but see :func:`mlflow2prov.sources.mlflow.database_changes.read_changes`.
    """
    from mlflow2prov.prov.database_uris import DatabaseUri
    from mlflow2prov.sources.mlflow.database_changes import read_changes

    if uri.lower().startswith("sqlite"):
        from mlflow2prov.sources.mlflow.database_file import DatabaseFile, database_path

        path = database_path(uri)
        return read_changes(lambda: DatabaseFile(path), wanted, known, _beside(path, artifacts))
    address = DatabaseUri.parse(uri)
    return read_changes(lambda: _connect(address), wanted, known, artifacts)


def _connect(address: DatabaseUri) -> Database:
    """The database of an engine: its module and driver are imported here, and no others."""
    module, name = _ENGINES[address.engine]
    engine: Callable[[DatabaseUri], Database] = getattr(import_module(module), name)
    return engine(address)


def _read(connect: Callable[[], Database], wanted: Wanted, artifacts: ArtifactAccess | None) -> Batches:
    from mlflow2prov.sources.mlflow.artifacts import read_artifacts

    owned: list[tuple[str, pa.RecordBatch]] = []
    places = SpanPlaces()
    with closing(connect()) as database:
        schema = schema_of(database)
        require_mlflow(database, schema)
        yield store_batch(database, revision(database, schema))
        scope = _scope(database, schema, wanted)
        if scope is not None:
            yield from batches(_SELECTED, [scope])
        for reading in _narrowed(database, scope, wanted):
            for batch in Query(database, reading, schema).batches():
                owned += owners_in(reading.table, batch)
                places.note(reading.table, batch)
                yield reading.table, batch
        database.check()
    yield from places.batches()
    if "artifacts" not in wanted.skip:
        yield from read_artifacts(
            owners(owned, scope), with_digests=wanted.artifact_digests, access=artifacts
        )


def _beside(path: Path, artifacts: ArtifactAccess | None) -> ArtifactAccess:
    """How to reach artifacts where relative places of a database file may be meant from the folder that it is in."""
    from mlflow2prov.sources.mlflow.artifacts import ArtifactAccess

    return replace(artifacts or ArtifactAccess(), beside=path.parent)


def _scope(database: Database, schema: Schema, wanted: Wanted) -> Scope | None:
    """The names that a selection needs, None where there is no selection."""
    if wanted.selection.is_everything:
        return None
    is_detailed = TRACE_DETAILS not in wanted.skip
    return ScopeFinder(database, schema, wanted.selection, is_detailed=is_detailed).find()


def _narrowed(database: Database, scope: Scope | None, wanted: Wanted) -> Iterator[Reading]:
    for reading in READINGS:
        if is_wanted(reading, wanted):
            yield from [reading] if scope is None else scope.narrowed(reading, database.dialect.literal)


def is_wanted(reading: Reading, wanted: Wanted) -> bool:
    """Whether a query is to be made."""
    skip = wanted.skip
    return reading.part not in skip and (reading.instead_of is None or reading.instead_of in skip)


def owners_in(table: str, batch: pa.RecordBatch) -> list[tuple[str, pa.RecordBatch]]:
    """What of a batch tells where artifacts are, with the name of its table."""
    if table not in _OWNERS:
        return []
    _, *columns = _OWNERS[table]
    return [(table, batch.select(columns))]


def owners(
    read: list[tuple[str, pa.RecordBatch]], scope: Scope | None = None
) -> Iterator[tuple[str, str, str]]:
    """The owners of artifacts, of all or of a selection: the word for it, the identifier, and the URI."""
    for table, batch in read:
        owner = _OWNERS[table][0]
        for owner_id, uri in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if uri is not None and (scope is None or scope.owns(table, owner_id)):
                yield owner, owner_id, uri


def schema_of(database: Database) -> Schema:
    """The columns of the tables that are read, as far as the database has them."""
    tables = sorted({name for reading in READINGS for name in reading.tables.values()} | {"alembic_version"})
    schema: dict[str, dict[str, bool]] = {}
    for table, column, is_not_null in database.rows(
        database.dialect.schema.format(tables=", ".join(map(repr, tables)))
    ):
        if table:
            schema.setdefault(table, {})[column] = bool(is_not_null)
    hidden = database.hidden([table for table in tables if table not in schema])
    if hidden:
        raise SourceError(
            f"{database.name} has tables that this user may not read ({', '.join(hidden)});"
            " GRANT SELECT on the whole database to it"
        )
    return schema


def require_mlflow(database: Database, schema: Schema) -> None:
    """Raise an error if the database is none of MLflow's."""
    missing = [f"{table}.{column}" for table, column in NEEDED.items() if column not in schema.get(table, {})]
    if missing:
        raise SourceError(
            f"{database.name} is not an MLflow store: it has no {' and no '.join(missing)};"
            " give the database that MLflow's tracking URI names"
        )


def revision(database: Database, schema: Schema) -> str | None:
    """The revision of the schema, as Alembic names it; warns where it is not a known one."""
    column = database.dialect.typed("v.version_num", Kind.TEXT)
    is_named = "version_num" in schema.get("alembic_version", {})
    rows = database.rows(f"SELECT {column} FROM alembic_version AS v") if is_named else []
    revision = ", ".join(sorted(str(row[0]) for row in rows)) or None
    if revision not in KNOWN_REVISIONS:
        named = f"has the unknown revision {revision}" if revision else "names no revision"
        _logger.warning("the schema of %s %s and is read as far as it is understood", database.name, named)
    return revision


def store_batch(database: Database, revision: str | None) -> tuple[str, pa.RecordBatch]:
    """The one row of ``mlflow_store``."""
    import pyarrow as pa

    schema = SOURCE_TABLES["mlflow_store"].schema()
    arrays = [_one_text(text) for text in (database.uri, None, revision)]
    return "mlflow_store", pa.RecordBatch.from_arrays(arrays, schema=schema)


def _one_text(text: str | None) -> pa.StringArray:
    """An array of one text, made of its bytes: of Python's values pyarrow makes it with pandas if it can.

    To import that takes as long as to read a small store.
    """
    import pyarrow as pa

    data = (text or "").encode()
    validity = pa.py_buffer(bytes([text is not None]))
    ends = pa.py_buffer(struct.pack("=2i", 0, len(data)))
    return pa.StringArray.from_buffers(1, ends, pa.py_buffer(data), validity)
