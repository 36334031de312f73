"""Reading a folder of Parquet record tables; :mod:`mlflow2prov.formats.parquet` says what is in it.

The engine reads the files, whose names are fixed: nothing in them names another file. It holds what it
reads within the store's limit of memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow2prov.errors import FormatError, GraphError
from mlflow2prov.formats.intern import BLANK, Staging
from mlflow2prov.formats.parquet_keys import Lookup, lookup
from mlflow2prov.formats.parquet_tables import DOCUMENT, FORMAT, TABLES, VERSION, file_of
from mlflow2prov.formats.text import literal
from mlflow2prov.graph.store import ARGUMENT_COLUMNS, Store
from mlflow2prov.prov.namespaces import QUALIFIED_NAME, STANDARD_PREFIXES
from mlflow2prov.prov.records import KIND_BY_NUMBER, KINDS, RecordKind

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph

_MOST_DOCUMENT_BYTES = 65_536

_MOST_ROWS_PER_BYTE = 20
"""How many rows one byte of a file may stand for; provenance comes to less than 2."""

_LARGEST_GROWTH = 1_000
_SMALLEST_TEXT_BYTES = 2**30
"""Texts of a file may take so much, or so many times what the file has."""


def read_folder(folder: Path, name: str, store: Store | None = None) -> Graph:
    """Return the record tables in a folder as a graph.

    Raises:
        FormatError: a file is missing, damaged or not what it should be; the message names it.
    """
    _check_document(folder / DOCUMENT)
    with Staging(store, name) as staging:
        return _Reader(staging, folder.absolute()).graph()


def _check_document(file: Path) -> None:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_DOCUMENT_BYTES + 1)
        if len(content) > _MOST_DOCUMENT_BYTES:
            raise FormatError(f"{file} is not ours: it has more than {_MOST_DOCUMENT_BYTES:,} bytes")
        about = json.loads(content)
    except OSError as error:
        raise FormatError(f"can't read {file}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{file} is not JSON") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise FormatError(f"{file} does not say that the folder holds {FORMAT}")
    if about.get("version") != VERSION:
        raise FormatError(
            f"{file}: this version of mlflow2prov reads version {VERSION} of the record tables only"
        )


class _Reader:
    """Stages the rows of one folder."""

    def __init__(self, staging: Staging, folder: Path) -> None:
        self._staging = staging
        self._store = staging.store
        self._folder = folder

    def graph(self) -> Graph:
        for table in TABLES:
            with self._reading(table):
                self._check_columns(table)
        with self._reading("prefix"):
            self._declare()
        with self._reading("bundle"):
            self._add_bundles()
        kinds = [kind for kind in KINDS if self._has_rows(kind.name)]
        found = self._keys(kinds)
        for kind in kinds:
            with self._reading(kind.name):
                self._add_records(kind, found)
        self._check_records()
        return self._staging.finish()

    def _file(self, table: str) -> Path:
        return file_of(self._folder, table)

    def _rows(self, table: str) -> str:
        """SQL of the rows of a table's file."""
        return f"read_parquet({literal(_exactly(self._file(table)))}, hive_partitioning = false)"

    @contextmanager
    def _reading(self, table: str) -> Iterator[None]:
        try:
            yield
        except GraphError as error:
            raise FormatError(f"can't read {self._file(table)}: {error}") from error

    def _wrong(self, table: str, what: str) -> FormatError:
        return FormatError(f"{self._file(table)}: {what}")

    def _check_columns(self, table: str) -> None:
        if not self._file(table).is_file():
            raise FormatError(f"{self._file(table)} is missing")
        described = self._store.run(f"DESCRIBE SELECT * FROM {self._rows(table)}")
        there = {str(row[0]): _plain(str(row[1])) for row in described}
        for column, kind in TABLES[table].items():
            if column not in there:
                raise self._wrong(table, f"there is no column {column!r}")
            if there[column] != _plain(kind):
                raise self._wrong(
                    table, f"the column {column!r} is {there[column][:100]}, and not {_plain(kind)}"
                )

    def _has_rows(self, table: str) -> bool:
        """See that a small file does not say to have a huge number of rows or an immense text."""
        with self._reading(table):
            size = self._file(table).stat().st_size
            rows = self._store.scalar(f"SELECT count(*) FROM {self._rows(table)}")
            if rows > size * _MOST_ROWS_PER_BYTE:
                raise self._wrong(table, f"{rows:,} rows can't be in {size:,} bytes")
            columns = [column for column, kind in TABLES[table].items() if kind == "VARCHAR"]
            text = " + ".join(f'coalesce(sum(strlen("{column}")), 0)' for column in columns)
            self._check_text(
                table, self._store.scalar(f"SELECT {text} FROM {self._rows(table)}") if rows else 0
            )
            return bool(rows)

    def _check_text(self, table: str, text_bytes: int) -> None:
        size = self._file(table).stat().st_size
        if text_bytes > max(_SMALLEST_TEXT_BYTES, size * _LARGEST_GROWTH):
            raise self._wrong(table, f"its {size:,} bytes expand to {text_bytes:,}")

    def _declare(self) -> None:
        self._has_rows("prefix")
        self._check_distinct("prefix", ("prefix", "iri"))
        prefixes = dict(self._store.run(f"SELECT prefix, iri FROM {self._rows('prefix')}"))
        for prefix, iri in STANDARD_PREFIXES.items():
            if prefixes.get(prefix, iri) != iri:
                raise self._wrong("prefix", f"the prefix {prefix!r} must stand for {iri}")
        if BLANK in prefixes:
            raise self._wrong("prefix", f"{BLANK!r} is no prefix: it marks blank names")
        if self._staging.declare(prefixes):
            raise self._wrong("prefix", "a namespace has several prefixes")

    def _add_bundles(self) -> None:
        self._has_rows("bundle")
        self._check_distinct("bundle", ("id",))
        self._store.run(f"INSERT INTO {self._staging.schema}.bundle SELECT id FROM {self._rows('bundle')}")

    def _check_distinct(self, table: str, columns: tuple[str, ...]) -> None:
        for column in columns:
            rows = self._store.run(
                f"SELECT {column} FROM {self._rows(table)} GROUP BY {column} "
                f"HAVING count(*) > 1 OR {column} IS NULL LIMIT 1"
            )
            if rows:
                value = rows[0][0]
                said = "is missing" if value is None else f"{value[:60]!r} is there more than once"
                raise self._wrong(table, f"{column} {said}")

    def _keys(self, kinds: Sequence[RecordKind]) -> Lookup:
        """Give a number to every attribute key of some kinds, and make them known to the engine."""
        hashes: dict[int, int] = {}
        for kind in kinds:
            with self._reading(kind.name):
                text_bytes = 0
                for hashed, name, datatype, language, prefix, length, has_missing in self._store.run(
                    self._keys_sql(kind)
                ):
                    if has_missing:
                        raise self._wrong(kind.name, f"the attribute {name!r} has no value")
                    hashes[hashed] = self._key(kind, name, datatype, language, prefix)
                    text_bytes += length or 0
                self._check_text(kind.name, text_bytes)
        found = lookup(list(hashes), list(hashes.values()))
        found.create(self._store, f"{self._staging.schema}.lookup")
        return found

    def _keys_sql(self, kind: RecordKind) -> str:
        """SQL of the distinct attribute keys of a table, with the prefixes of values that are names."""
        prefix = f"CASE WHEN datatype = {literal(QUALIFIED_NAME)} THEN {_prefix('value')} END"
        return (
            f"SELECT hash(name, datatype, language), name, datatype, language, {prefix}, "
            "sum(strlen(value)), bool_or(value IS NULL) "
            f"FROM (SELECT unnest(attributes, recursive := true) FROM {self._rows(kind.name)}) "
            "GROUP BY ALL ORDER BY 2, 3, 4, 5"
        )

    def _key(
        self,
        kind: RecordKind,
        name: str | None,
        datatype: str | None,
        language: str | None,
        prefix: str | None,
    ) -> int:
        if name is None:
            raise self._wrong(kind.name, "an attribute has no name")
        for token in (name, datatype, None if prefix is None else f"{prefix}:"):
            declared = (
                token is None or (token.partition(":")[0] if ":" in token else "") in self._staging.prefixes
            )
            if not declared:
                raise self._wrong(
                    kind.name, f"the prefix of {token!r} is not declared in {self._file('prefix').name}"
                )
        plain = language is not None or datatype == "xsd:string"
        return self._staging.key(name, None if plain else datatype, language)

    def _add_records(self, kind: RecordKind, found: Lookup) -> None:
        hashed = "hash(a.name, a.datatype, a.language)"
        attributes = f"list_transform(r.attributes, lambda a: {{k: {found.found(hashed)}, v: a.value}})"
        if kind.is_element:
            table, stored = "element", ("start_time", "end_time")[: len(kind.times)]
        else:
            table, stored = (
                "relation",
                (*ARGUMENT_COLUMNS[: len(kind.references)], *("time",)[: len(kind.times)]),
            )
        given = ", ".join(f'r."{column}"' for column in ("in_bundle", "id", *kind.references, *kind.times))
        self._staging.insert(
            table,
            ("bundle", "name", *stored, "kind", "attributes"),
            f"SELECT {given}, {kind.number}, {attributes} FROM {self._rows(kind.name)} r "
            f"CROSS JOIN {self._staging.schema}.lookup s",
        )

    def _check_records(self) -> None:
        schema = self._staging.schema
        for table in ("element", "relation"):
            rows = self._store.run(
                f"SELECT r.kind, r.bundle FROM {schema}.{table} r ANTI JOIN {schema}.bundle b ON b.name = r.bundle "
                f"WHERE r.bundle IS NOT NULL LIMIT 1"
            )
            for number, bundle in rows:
                raise self._wrong(
                    KIND_BY_NUMBER[number].name, f"the bundle {bundle[:60]!r} is in no row of bundle.parquet"
                )
        rows = self._store.run(f"SELECT kind FROM {schema}.element WHERE name IS NULL LIMIT 1")
        if rows:
            raise self._wrong(KIND_BY_NUMBER[rows[0][0]].name, "a record has no id")


def _plain(kind: str) -> str:
    """A type of DuckDB's without the quotes around names."""
    return kind.replace('"', "")


def _prefix(token: str) -> str:
    """SQL of the prefix of a qualified name."""
    return f"CASE WHEN contains({token}, ':') THEN split_part({token}, ':', 1) ELSE '' END"


def _exactly(file: Path) -> str:
    """A pattern that only the path of the file itself matches."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in str(file))
