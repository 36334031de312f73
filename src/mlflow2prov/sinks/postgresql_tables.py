"""The tables that PostgreSQL gets, declared once, and how rows become part of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlflow2prov.graph.store import ARGUMENT_COLUMNS

LAYOUT = 1
"""Of the tables below; another number is another layout."""

MARK = "mlflow2prov"
"""The table of one row that says which layout a schema has, and which views."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A record table.

    Attributes:
        columns: the type of each column.
        key: the columns that tell rows apart.
        indexes: what else is found fast, as ``CREATE INDEX`` takes it, by the names of the indexes.
        renewed: what a row that is there gets of one that arrives as ``excluded``, by columns; nothing, if empty.
        doc: what a row is.
    """

    columns: Mapping[str, str]
    key: tuple[str, ...]
    doc: str
    indexes: Mapping[str, str] = field(default_factory=dict)
    renewed: Mapping[str, str] | None = None


_TYPES = "'prov:type'"
_UNITED = (
    "(SELECT jsonb_agg(u.value ORDER BY u.place) FROM (SELECT t.value, min(t.place) AS place FROM "
    f"jsonb_array_elements(coalesce(e.attributes->{_TYPES}, '[]') || coalesce(excluded.attributes->{_TYPES}, '[]')) "
    "WITH ORDINALITY AS t(value, place) GROUP BY t.value) AS u)"
)
_RENEWED_ATTRIBUTES = (
    f"e.attributes || CASE WHEN e.types @> excluded.types THEN excluded.attributes - {_TYPES} "
    f"ELSE excluded.attributes || jsonb_build_object({_TYPES}, {_UNITED}) END"
)
_RENEWED_TYPES = (
    "CASE WHEN e.types @> excluded.types THEN e.types ELSE ARRAY(SELECT u.value FROM (SELECT t.value, "
    "min(t.place) AS place FROM unnest(e.types || excluded.types) WITH ORDINALITY AS t(value, place) "
    "GROUP BY t.value) AS u ORDER BY u.place) END"
)

TABLES: Mapping[str, Table] = {
    "prefix": Table(
        doc="The IRI of each prefix.",
        columns={"prefix": "text NOT NULL", "iri": "text NOT NULL"},
        key=("prefix",),
    ),
    "name": Table(
        doc="The identifier of each number, which is the MD5 digest of its IRI.",
        columns={"id": "uuid NOT NULL", "prefix": "text NOT NULL", "local": "text NOT NULL"},
        key=("id",),
        indexes={"name_local": "USING hash (local)"},
    ),
    "bundle": Table(doc="The identifiers of bundles.", columns={"id": "uuid NOT NULL"}, key=("id",)),
    "element": Table(
        doc="The elements, with their attributes by name, in lists.",
        columns={
            "id": "uuid NOT NULL",
            "kind": "smallint NOT NULL",
            "bundle": "uuid NOT NULL",
            "start_time": "timestamptz",
            "end_time": "timestamptz",
            "types": "text[] NOT NULL",
            "attributes": "jsonb NOT NULL",
        },
        key=("id", "kind", "bundle"),
        indexes={"element_types": "USING gin (types)"},
        renewed={
            "start_time": "coalesce(excluded.start_time, e.start_time)",
            "end_time": "coalesce(excluded.end_time, e.end_time)",
            "types": _RENEWED_TYPES,
            "attributes": _RENEWED_ATTRIBUTES,
        },
    ),
    "relation": Table(
        doc="The relations; a1 to a5 are their formal arguments in the order of PROV-DM.",
        columns={
            "key": "uuid NOT NULL",
            "kind": "smallint NOT NULL",
            "bundle": "uuid NOT NULL",
            "id": "uuid",
            **dict.fromkeys(ARGUMENT_COLUMNS, "uuid"),
            "time": "timestamptz",
            "attributes": "jsonb NOT NULL",
        },
        key=("key",),
        renewed={"id": "coalesce(e.id, excluded.id)"},
        indexes={"relation_a1": "(a1, kind)", "relation_a2": "(a2, kind)"},
    ),
}
"""The record tables by their names."""


def quoted(name: str) -> str:
    """Return a name as SQL spells it.

    >>> print(quoted('the "best" one'))
    "the ""best"" one"
    """
    return '"' + name.replace('"', '""') + '"'


def creations(schema: str) -> list[str]:
    """Return the statements that make all tables, yet without keys and indexes, in a schema that is there."""
    made = []
    for name, table in TABLES.items():
        columns = ", ".join(f"{column} {kind}" for column, kind in table.columns.items())
        made.append(f"CREATE TABLE {schema}.{name} ({columns})")
        made.append(f"COMMENT ON TABLE {schema}.{name} IS '{table.doc}'")
    made.append(f"CREATE TABLE {schema}.{MARK} (layout integer NOT NULL, views text NOT NULL)")
    made.append(f"COMMENT ON TABLE {schema}.{MARK} IS 'What mlflow2prov made in this schema.'")
    made.append(f"INSERT INTO {schema}.{MARK} VALUES ({LAYOUT}, '')")
    return made


def indexing(schema: str, name: str) -> list[str]:
    """Return the statements that give a table its key and its indexes."""
    table = TABLES[name]
    made = [f"ALTER TABLE {schema}.{name} ADD CONSTRAINT {name}_pkey PRIMARY KEY ({', '.join(table.key)})"]
    return made + [f"CREATE INDEX {index} ON {schema}.{name} {what}" for index, what in table.indexes.items()]


def emptying(schema: str, name: str) -> list[str]:
    """Return the statements that take from a table its rows, its key and its indexes."""
    dropped = [f"DROP INDEX IF EXISTS {schema}.{index}" for index in TABLES[name].indexes]
    return [
        f"TRUNCATE {schema}.{name}",
        f"ALTER TABLE {schema}.{name} DROP CONSTRAINT IF EXISTS {name}_pkey",
        *dropped,
    ]


def arrival(schema: str, name: str) -> str:
    """Return the statement that makes the table in which rows arrive; it goes with the transaction."""
    return f"CREATE TEMP TABLE {arriving(name)} ON COMMIT DROP AS SELECT * FROM {schema}.{name} LIMIT 0"


def arriving(name: str) -> str:
    """Return the name of the table in which rows of a table arrive."""
    return f"{MARK}_{name}"


def addition(schema: str, name: str) -> str:
    """Return the statement that adds the rows that arrived and are new, and renews those that differ."""
    table = TABLES[name]
    columns = ", ".join(table.columns)
    if table.renewed is None:
        action = "NOTHING"
    else:
        news = ", ".join(f"{column} = {sql}" for column, sql in table.renewed.items())
        before = ", ".join(f"e.{column}" for column in table.renewed)
        after = ", ".join(table.renewed.values())
        action = f"UPDATE SET {news} WHERE ROW({before}) IS DISTINCT FROM ROW({after})"
    return (
        f"INSERT INTO {schema}.{name} AS e ({columns}) SELECT {columns} FROM {arriving(name)} "
        f"ON CONFLICT ({', '.join(table.key)}) DO {action}"
    )
