"""From records whose identifiers are text, as files have them, to the record tables of a graph.

A reader appends Arrow batches to two staging tables and names the prefixes; :meth:`Staging.finish`
turns identifiers into the graph's integers. Readers of all formats share it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from mlflow2prov.errors import FormatError
from mlflow2prov.formats.staged_places import place_of
from mlflow2prov.formats.text import literal
from mlflow2prov.graph.arrays import lists, same, texts, whole
from mlflow2prov.graph.graph import Graph, declare_prefixes
from mlflow2prov.graph.store import ARGUMENT_COLUMNS, ATTRIBUTES_TYPE, Store, default_store
from mlflow2prov.prov.namespaces import STANDARD_PREFIXES

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE = 2 * 122_880
"""Rows to insert at once: two row groups of DuckDB's."""

_SMALL = 1_000
"""So few records at a time wait for others of their kind, so that a document of a great many small bundles does not
take an insertion for each."""

_GATHERED = 20_000
_GATHERED_CHARACTERS = 2**24

MOST_PREFIXES = 10_000
"""So many prefixes may a document declare, with its bundles."""

MOST_KEYS = 1_000_000
"""So many attributes may a document have that differ in name, datatype or language."""

_DAY = (
    r"((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8])"
    r"|02-29)"
)
_INSTANT = (
    rf"-?([1-9][0-9]{{3,}}|0[0-9]{{3}})-{_DAY}"
    r"T(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?|24:00:00(\.0+)?)(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))?"
)
"""The lexical form of xsd:dateTime (XML Schema 1.1, part 2, section 3.3.7), but for leap years."""

_INSTANT_FORM = re.compile(_INSTANT)
_LEAP_DAY = re.compile(r"-?\d*(\d{4})-02-29T")

BLANK = "_"
"""The prefix of identifiers that hold within one document only."""


@dataclass(slots=True)
class Columns:
    """Records of one kind on their way into a staging table; attributes lie flat, one after the other."""

    bundle: str
    kind: int
    names: list[str | None] = field(default_factory=list)
    others: list[list[str | None]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    values: list[str] = field(default_factory=list)


class _Gathered:
    """Records of one kind from several bundles, which are too few to append them bundle by bundle."""

    def __init__(self, columns: Columns, names: Sequence[str]) -> None:
        self.columns = columns
        self.names = names
        self.bundles: list[str] = []
        self._characters = 0
        columns.others = [[] for _ in names]

    @property
    def is_large(self) -> bool:
        return len(self.bundles) >= _GATHERED or self._characters >= _GATHERED_CHARACTERS

    def add(self, columns: Columns) -> None:
        """Take in further records."""
        ours = self.columns
        start = len(ours.keys)
        ours.names += columns.names
        for column, others in zip(ours.others, columns.others, strict=True):
            column += others
        ours.ends += [start + end for end in columns.ends]
        ours.keys += columns.keys
        ours.values += columns.values
        self.bundles += [columns.bundle] * len(columns.names)
        self._characters += sum(map(len, columns.values))


class Staging:
    """The staging tables of one document; a context manager that drops them."""

    def __init__(self, store: Store | None, file_name: str) -> None:
        self.store = store or default_store()
        self.file_name = file_name
        self.keys: dict[tuple[str, str | None, str | None], int] = {}
        self._scratch = self.store.scratch("staging")
        self._records = 0
        self._waiting: list[pa.Table] = []
        self._waiting_for = ""
        self._gathered: dict[tuple[str, int], _Gathered] = {}
        self._bundles: list[str] = []
        self.prefixes: dict[str, str] = dict(STANDARD_PREFIXES)
        self._by_iri: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def __enter__(self) -> Staging:
        self.schema = self._scratch.__enter__()
        arguments = ", ".join(f"{column} VARCHAR" for column in ARGUMENT_COLUMNS)
        self.store.run(
            f"CREATE TABLE {self.schema}.element (bundle VARCHAR, kind UTINYINT, name VARCHAR, start_time VARCHAR, "
            f"end_time VARCHAR, attributes {ATTRIBUTES_TYPE})"
        )
        self.store.run(
            f"CREATE TABLE {self.schema}.relation (bundle VARCHAR, kind UTINYINT, name VARCHAR, {arguments}, "
            f"time VARCHAR, attributes {ATTRIBUTES_TYPE})"
        )
        self.store.run(f"CREATE TABLE {self.schema}.bundle (name VARCHAR)")
        return self

    def __exit__(self, *exception: object) -> None:
        self._scratch.__exit__(None, None, None)

    def declare(self, prefixes: dict[str, str]) -> dict[str, str]:
        """Take in the prefixes of a document or bundle; return what tokens' prefixes turn into.

        The mapping has those prefixes only that get another name, since theirs stands for another
        IRI already or their IRI has a prefix already.
        """
        renamed: dict[str, str] = {}
        if len(self._by_iri) != len(self.prefixes):
            self._by_iri = {iri: prefix for prefix, iri in self.prefixes.items()}
        for prefix, iri in prefixes.items():
            if self.prefixes.get(prefix) == iri:
                continue
            if iri in self._by_iri:
                renamed[prefix] = self._by_iri[iri]
                continue
            fresh = prefix
            while fresh in self.prefixes:
                self._numbers[prefix] = number = self._numbers.get(prefix, 0) + 1
                fresh = f"{prefix or 'ns'}_{number}"
            if fresh != prefix:
                renamed[prefix] = fresh
            self.prefixes[fresh] = iri
            self._by_iri[iri] = fresh
        return renamed

    def key(self, name: str, datatype: str | None, language: str | None) -> int:
        """The attribute key of a name, datatype and language.

        Raises:
            FormatError: there are too many.
        """
        key = self.keys.setdefault((name, datatype, language), len(self.keys) + 1)
        if key > MOST_KEYS:
            raise FormatError(
                f"{self.file_name} has more than {MOST_KEYS:,} attributes of different name, datatype or language"
            )
        return key

    def add_bundle(self, name: str) -> None:
        """Say that the document has a bundle of that name, be it empty."""
        self._bundles.append(name)

    def append(self, table: str, columns: Columns, names: Sequence[str]) -> None:
        """Append records of one kind; ``names`` are the staging columns of ``columns.others``."""
        if not columns.names:
            return
        key = table, columns.kind
        if len(columns.names) < _SMALL and columns.bundle:
            gathered = self._gathered.setdefault(key, _Gathered(Columns("", columns.kind), names))
            gathered.add(columns)
            if gathered.is_large:
                self._append_gathered(key)
            return
        self._append_gathered(key)
        import pyarrow as pa

        count = len(columns.names)
        self._records += count
        arrays: dict[str, pa.Array[Any]] = {
            "bundle": same(columns.bundle, count),
            "kind": same(columns.kind, count),
            "name": texts(columns.names),
        }
        for name, values in zip(names, columns.others, strict=True):
            arrays[name] = texts(values)
        arrays["attributes"] = _attribute_lists(columns)
        self._insert(table, pa.table(arrays))

    def _append_gathered(self, key: tuple[str, int]) -> None:
        gathered = self._gathered.pop(key, None)
        if gathered is not None:
            append_of_bundles(self, key[0], gathered.columns, gathered.names, gathered.bundles)

    def append_columns(
        self,
        table: str,
        bundle: str,
        kind: int,
        names: list[str | None],
        columns: dict[str, pa.Array[Any]],
        keys: dict[str, int],
    ) -> None:
        """Append records of one kind that are columns already.

        ``columns`` may have ``value`` and ``datatype`` of one attribute, whose key ``keys`` has by datatype.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        self._append_gathered((table, kind))
        count = len(names)
        self._records += count
        columns = dict(columns)
        value, datatype = columns.pop("value", None), columns.pop("datatype", None)
        columns["bundle"] = same(bundle, count)
        columns["kind"] = same(kind, count)
        columns["name"] = texts(names)
        if value is not None and datatype is not None:
            places = pc.index_in(datatype, texts(keys))
            numbers = whole(keys.values()).take(places)
            columns["attributes"] = _single_attributes(numbers, value)
        self._insert(table, pa.table(columns))

    def insert(self, table: str, columns: Sequence[str], sql: str) -> None:
        """Append the rows of a query of the store, whose columns are those of a staging table."""
        self._flush()
        rows = self.store.run(f"INSERT INTO {self.schema}.{table} ({', '.join(columns)}) {sql}")
        self._records += int(rows[0][0])

    def _insert(self, table: str, rows: pa.Table) -> None:
        """Insert rows in large pieces, which costs the engine a fifth less than one for each batch."""
        if self._waiting and (self._waiting_for != table or self._waiting[0].schema != rows.schema):
            self._flush()
        self._waiting_for = table
        self._waiting.append(rows)
        if sum(waiting.num_rows for waiting in self._waiting) >= _PIECE:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self.store.append(f"{self.schema}.{self._waiting_for}", pa.concat_tables(self._waiting))
            self._waiting = []

    def finish(self) -> Graph:
        """Return the staged document as a graph.

        Raises:
            FormatError: an identifier's prefix is not declared, or an instant is not one of XML
                Schema's.
        """
        for key in list(self._gathered):
            self._append_gathered(key)
        self._flush()
        self._stage_names()
        self._check_times()
        graph = Graph.empty(self.store)
        with self.store.in_order(self._records):
            self._keep_blank_names()
            self._number_names()
            self._check_prefixes()
            self._fill(graph)
        return graph

    def _stage_names(self) -> None:
        """Put the bundles that were added, and the prefixes, into tables."""
        import pyarrow as pa

        if self._bundles:
            self.store.append(f"{self.schema}.bundle", pa.table({"name": texts(self._bundles)}))
        self.store.run(f"CREATE TABLE {self.schema}.prefix (prefix VARCHAR, iri VARCHAR)")
        rows = {"prefix": texts(self.prefixes), "iri": texts(self.prefixes.values())}
        self.store.append(f"{self.schema}.prefix", pa.table(rows))

    def _check_times(self) -> None:
        for table, column in (("element", "start_time"), ("element", "end_time"), ("relation", "time")):
            year = f"regexp_extract({column}, '^-?([0-9]+)-02-29T', 1)"
            in_400 = f"right({year}, 4)::INTEGER % 400"
            is_leap = f"({in_400} = 0 OR ({in_400} % 4 = 0 AND {in_400} % 100 <> 0))"
            rows = self.store.run(
                f"SELECT {column} FROM {self.schema}.{table} WHERE {column} IS NOT NULL "
                f"AND CASE WHEN NOT regexp_full_match({column}, {literal(_INSTANT)}) THEN true "
                f"WHEN {year} <> '' THEN NOT {is_leap} ELSE false END LIMIT 1"
            )
            if rows:
                place = place_of(self.store, self.schema, rows[0][0])
                raise FormatError(
                    f"{self.file_name}, {place}: {rows[0][0][:60]!r} is no instant (xsd:dateTime)"
                )

    def _keep_blank_names(self) -> None:
        """A blank name is kept only where something refers to it."""
        referred = " UNION ALL ".join(
            f"SELECT {column} FROM {self.schema}.relation" for column in ARGUMENT_COLUMNS
        )
        self.store.run(
            f"UPDATE {self.schema}.relation SET name = NULL WHERE starts_with(name, '_:') "
            f"AND name NOT IN (SELECT a1 FROM ({referred}) WHERE starts_with(a1, '_:'))"
        )

    def _number_names(self) -> None:
        tokens = [
            f"SELECT name AS token FROM {self.schema}.bundle",
            *(f"SELECT {column} FROM {self.schema}.relation" for column in ("name", *ARGUMENT_COLUMNS)),
        ]
        run = self.store.run
        run(
            f"CREATE TABLE {self.schema}.described AS SELECT name AS token FROM {self.schema}.element "
            "GROUP BY name ORDER BY min(rowid)"
        )
        run(
            f"CREATE TABLE {self.schema}.token AS SELECT (row_number() OVER ())::INTEGER AS id, token FROM ("
            f"SELECT token FROM {self.schema}.described UNION ALL "
            f"(SELECT DISTINCT token FROM ({' UNION ALL '.join(tokens)}) t "
            f"ANTI JOIN {self.schema}.described d ON d.token = t.token WHERE token IS NOT NULL ORDER BY token))"
        )
        self._unify_spellings()

    def _unify_spellings(self) -> None:
        """Where one namespace's IRI continues another's, two spellings may be one identifier."""
        iris = sorted(self.prefixes.values())
        if not any(longer.startswith(iri) for iri, longer in pairwise(iris)):
            return
        self.store.run(
            f"CREATE TABLE {self.schema}.iri AS SELECT t.id, concat(p.iri, t.token[position(':' IN t.token) + 1:]) AS iri "
            f"FROM {self.schema}.token t JOIN {self.schema}.prefix p "
            "ON p.prefix = CASE WHEN contains(t.token, ':') THEN split_part(t.token, ':', 1) ELSE '' END"
        )
        self.store.run(
            f"UPDATE {self.schema}.token t SET id = u.id FROM (SELECT id AS old, min(id) OVER (PARTITION BY iri) AS id "
            f"FROM {self.schema}.iri) u WHERE u.old = t.id AND u.id <> t.id"
        )

    def _check_prefixes(self) -> None:
        rows = self.store.run(
            f"SELECT token FROM (SELECT token, CASE WHEN contains(token, ':') THEN split_part(token, ':', 1) ELSE '' END "
            f"AS prefix FROM {self.schema}.token) t ANTI JOIN {self.schema}.prefix p ON p.prefix = t.prefix "
            f"WHERE t.prefix <> {literal(BLANK)} ORDER BY token LIMIT 1"
        )
        if rows:
            place = place_of(self.store, self.schema, rows[0][0])
            raise unknown_prefix(f"{self.file_name}, {place}", rows[0][0])

    def _fill(self, graph: Graph) -> None:
        run, schema = self.store.run, self.schema
        declare_prefixes(graph, self.prefixes.items())
        run(
            f"INSERT INTO {graph.schema}.name SELECT id, CASE WHEN contains(token, ':') THEN split_part(token, ':', 1) "
            "ELSE '' END, token[position(':' IN token) + 1:] "
            f"FROM (SELECT id, min(token) AS token FROM {schema}.token GROUP BY id) ORDER BY id"
        )
        has_bundles = self.store.scalar(f"SELECT count(*) FROM {schema}.bundle")
        bundle, of_bundle = (
            ("coalesce(b.id, 0)", f"LEFT JOIN {schema}.token b ON b.token = r.bundle")
            if has_bundles
            else ("0", "")
        )
        run(
            f"INSERT INTO {graph.schema}.element SELECT {bundle}, r.kind, t.id, r.start_time, r.end_time, "
            f"r.attributes FROM {schema}.element r LEFT JOIN {schema}.token t ON t.token = r.name {of_bundle}"
        )
        columns = ("name", *ARGUMENT_COLUMNS)
        counts = run(f"SELECT {', '.join(f'count({column})' for column in columns)} FROM {schema}.relation")
        present = {column for column, count in zip(columns, counts[0], strict=True) if count}
        ids = ", ".join(f"t_{column}.id" if column in present else "NULL" for column in columns)
        joins = " ".join(
            f"LEFT JOIN {schema}.token t_{column} ON t_{column}.token = r.{column}"
            for column in columns
            if column in present
        )
        run(
            f"INSERT INTO {graph.schema}.relation SELECT {bundle}, r.kind, {ids}, r.time, r.attributes "
            f"FROM {schema}.relation r {of_bundle} {joins}"
        )
        named = (
            f"SELECT t.id, b.rowid AS place FROM {schema}.bundle b JOIN {schema}.token t ON t.token = b.name"
        )
        run(f"INSERT INTO {graph.schema}.bundle SELECT id FROM ({named}) GROUP BY id ORDER BY min(place)")
        if graph.count("bundle") < int(has_bundles):
            repeated = run(f"SELECT id FROM ({named}) GROUP BY id HAVING count(*) > 1 ORDER BY id")
            graph.repeated_bundles = tuple(number for (number,) in repeated)
        insert_keys(graph, ((key, *names) for names, key in self.keys.items()))


def is_instant(text: str) -> bool:
    """Return whether a text is an instant of XML Schema.

    >>> is_instant("2024-02-29T24:00:00Z"), is_instant("1900-02-29T00:00:00Z"), is_instant("2024-02-30T00:00:00")
    (True, False, False)
    """
    if _INSTANT_FORM.fullmatch(text) is None:
        return False
    leap_day = _LEAP_DAY.match(text)
    return leap_day is None or (int(leap_day[1]) % 4 == 0 and int(leap_day[1]) % 400 not in (100, 200, 300))


def insert_keys(graph: Graph, rows: Iterable[tuple[int, str, str | None, str | None]]) -> None:
    """Fill the graph's table of attribute keys."""
    import pyarrow as pa

    listed = list(rows)
    data = {"key": whole(row[0] for row in listed)}
    for position, name in enumerate(("name", "datatype", "language"), 1):
        data[name] = texts(row[position] for row in listed)  # type: ignore[misc]
    graph.store.append(f"{graph.schema}.attribute_key", pa.table(data))


def unknown_prefix(file_name: str, token: str) -> FormatError:
    """The error for an identifier whose prefix the document does not declare."""
    if ":" not in token:
        return FormatError(
            f"{file_name}: {token!r} has no prefix, and the document declares no default namespace"
        )
    return FormatError(f"{file_name}: the prefix of {token!r} is not declared in the document")


def _attribute_lists(columns: Columns) -> pa.Array[Any]:
    """The attribute lists of records; a list without any is missing."""
    import pyarrow as pa

    pairs = pa.StructArray.from_arrays([whole(columns.keys), texts(columns.values)], names=["k", "v"])
    return lists(pairs, columns.ends, empty_is_missing=True)


def _single_attributes(keys: pa.Array[Any], values: pa.Array[Any]) -> pa.Array[Any]:
    """Attribute lists of one pair each, missing where the value is."""
    import pyarrow as pa

    ends: Sequence[int] = range(1, len(values) + 1)
    if values.null_count:
        ends = list(accumulate(int(is_there or 0) for is_there in values.is_valid().to_pylist()))
        keys, values = keys.drop_null(), values.drop_null()
    pairs = pa.StructArray.from_arrays([keys, values], names=["k", "v"])
    return lists(pairs, ends, empty_is_missing=True)


def append_of_bundles(
    staging: Staging, table: str, columns: Columns, names: Sequence[str], bundles: Sequence[str]
) -> None:
    """Append records of one kind from several bundles; ``bundles`` has each record's (``columns.bundle`` counts not).

    A document of a great many small bundles would take an insertion for each with :meth:`Staging.append`.
    """
    import pyarrow as pa

    staging._records += len(columns.names)
    arrays: dict[str, pa.Array[Any]] = {
        "bundle": texts(bundles),
        "kind": same(columns.kind, len(columns.names)),
        "name": texts(columns.names),
    }
    for name, values in zip(names, columns.others, strict=True):
        arrays[name] = texts(values)
    arrays["attributes"] = _attribute_lists(columns)
    staging._insert(table, pa.table(arrays))
