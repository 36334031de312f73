"""How the views of queries are spelled for the engines that have them: one class for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.vocabulary import Words

PAIRS = "STRUCT(name VARCHAR, value VARCHAR)[]"
"""The SQL type of a list of attributes."""


class Dialect(Protocol):
    """What differs between engines, in pieces of SQL over the record tables of one schema.

    Where a piece reads attributes, it reads the column ``attributes`` of a row ``r``.
    """

    @property
    def schema(self) -> str:
        """The schema that the record tables are in."""

    def label(self) -> str:
        """SQL of an element's first label, else NULL."""

    def all_types(self) -> str:
        """SQL of the list of an element's types as they stand."""

    def role(self) -> str:
        """SQL of a relation's first role, else NULL."""

    def pairs(self) -> str:
        """SQL of the list of names and values of a row's attributes."""

    def beside(self) -> str:
        """What a ``FROM`` with the row needs besides, for :meth:`pairs`."""

    def instant(self, column: str) -> str:
        """SQL of an instant of a record table, NULL where it is none."""

    def value(self, attribute: str, kind: str) -> str:
        """SQL of what an attribute of the vocabulary has, of an SQL type, which may be a list."""

    def of_type(self, type_: str) -> str:
        """A query of one row for each identifier of a type: ``id``, times, ``attributes`` of all its records."""

    def values(self) -> str:
        """A query of one row for each value of an element: ``bundle``, ``id``, ``kind``, ``name``, ``value``, …."""

    def in_order(self) -> str:
        """What puts the rows ``r`` of a type into the order of the document, where there is one."""


class DuckDb:
    """DuckDB, over the record tables of a graph."""

    def __init__(self, graph: Graph, schema: str | None = None, words: Words | None = None) -> None:
        """Take the words of a graph; ``schema`` is how a view names the graph's, if otherwise."""
        self.schema = schema or graph.schema
        self._words = words or Words(graph)

    def label(self) -> str:
        """SQL of an element's first label, else NULL."""
        return self._words.label()

    def all_types(self) -> str:
        """SQL of the list of an element's types as they stand."""
        return self._words.all_types()

    def role(self) -> str:
        """SQL of a relation's first role, else NULL."""
        return self._words.role()

    def pairs(self) -> str:
        """SQL of the list of names and values of a row's attributes."""
        pair = "struct_pack(name := keys.names[a.k - keys.least + 1], value := a.v)"
        return f"coalesce(list_transform(r.attributes, lambda a: {pair}), [])"

    def beside(self) -> str:
        """One row with a list of all names of attributes; that of key ``k`` is at ``k - least + 1``."""
        key = f"{self.schema}.attribute_key"
        return (
            ", (SELECT coalesce(list(k.name ORDER BY g.n), []) AS names, coalesce(min(g.n), 0) AS least FROM (SELECT unnest("
            f"generate_series((SELECT min(key) FROM {key}), (SELECT max(key) FROM {key}))) AS n) g "
            f"LEFT JOIN {key} k ON k.key = g.n) keys"
        )

    def instant(self, column: str) -> str:
        """SQL of an instant of a record table, NULL where it is none."""
        return f"TRY_CAST({column} AS TIMESTAMPTZ)"

    def value(self, attribute: str, kind: str) -> str:
        """SQL of what an attribute of the vocabulary has, of an SQL type, which may be a list."""
        if kind.endswith("[]"):
            values = self._words.values(attribute)
            if kind == "VARCHAR[]":
                return values
            return f"list_transform({values}, lambda x: TRY_CAST(x AS {kind[:-2]}))"
        value = self._words.value(attribute)
        return value if kind == "VARCHAR" else f"TRY_CAST({value} AS {kind})"

    def of_type(self, type_: str) -> str:
        """A query of one row for each identifier of a type."""
        return (
            "SELECT id, first(start_time) FILTER (start_time IS NOT NULL) AS start_time, "
            "first(end_time) FILTER (end_time IS NOT NULL) AS end_time, flatten(list(attributes)) AS attributes "
            f"FROM {self.schema}.element WHERE {self._words.has_type(type_)} GROUP BY id"
        )

    def values(self) -> str:
        """A query of one row for each value of an element."""
        return (
            "SELECT v.bundle, v.id, v.kind, k.name, v.a.v AS value, k.datatype, k.language FROM "
            f"(SELECT bundle, id, kind, unnest(attributes) AS a FROM {self.schema}.element) v "
            f"JOIN {self.schema}.attribute_key k ON k.key = v.a.k"
        )

    def in_order(self) -> str:
        """The order of identifiers is that of the document."""
        return " ORDER BY r.id"


POSTGRESQL_TYPES: Mapping[str, str] = {
    "VARCHAR": "text",
    "VARCHAR[]": "text[]",
    "BOOLEAN": "boolean",
    "TIMESTAMPTZ": "timestamptz",
    "DOUBLE": "double precision",
    "BIGINT": "bigint",
    PAIRS: "jsonb",
}
"""What PostgreSQL calls the types of the views' columns."""

_MONTHS = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP = "([0-9][0-9](0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29"  # that of year 0 is no such day
_HOURS = r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])?"
_DIGITS = r"([0-9]{1,100}(\.[0-9]{0,100})?|\.[0-9]{1,100})"
_SMALLEST, _LARGEST = "5e-324", "1.7976931348623157e308"

_CASTS: Mapping[str, str] = {
    "bigint": "CASE WHEN x ~ '^[+-]?[0-9]{1,18}$' THEN x::bigint WHEN x ~ '^[+-]?[0-9]{19}$' THEN "
    "CASE WHEN x::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN x::bigint END END",
    "double precision": f"CASE WHEN x ~ '^[+-]?{_DIGITS}([eE][+-]?[0-9]{{1,2}})?$' THEN x::double precision "
    f"WHEN x IN ('NaN', 'INF', '-INF') THEN x::double precision WHEN x ~ '^[+-]?{_DIGITS}[eE][+-]?[0-9]{{3}}$' THEN "
    f"CASE WHEN x::numeric = 0 OR abs(x::numeric) BETWEEN {_SMALLEST} AND {_LARGEST} THEN x::double precision END END",
    "boolean": "CASE WHEN lower(x) IN ('true', '1') THEN true WHEN lower(x) IN ('false', '0') THEN false END",
    "timestamptz": f"CASE WHEN x ~ '^([0-9]{{4}}-{_MONTHS}|{_LEAP}){_HOURS}$' AND x NOT LIKE '0000%' THEN "
    "(x || CASE WHEN x ~ '(Z|[+-]..:..)$' THEN '' ELSE 'Z' END)::timestamptz END",
}
"""What makes a value of a text ``x``, or NULL of one that is none: PostgreSQL's own casts would fail the query."""


class PostgreSql:
    """PostgreSQL, over the record tables that :mod:`mlflow2prov.sinks.postgresql` makes.

    There ``attributes`` is ``jsonb``: by the names of attributes, lists of their values, of which one with
    datatype or language is an object, as in PROV-JSON.
    """

    def __init__(self, schema: str) -> None:
        self.schema = schema

    def functions(self) -> Sequence[str]:
        """What ``CREATE`` makes the functions of that the views call.

        They are there since the planner takes the same as subqueries for so dear that it compiles the query.
        """
        return (
            f"FUNCTION {self.schema}.attribute_pairs(jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE COST 10 AS $$ "
            f"SELECT coalesce(jsonb_agg(jsonb_build_object('name', a.name, 'value', {_text('v.value')})), '[]') FROM "
            "jsonb_each($1) AS a(name, of_name), jsonb_array_elements(a.of_name) AS v(value) $$",
            f"AGGREGATE {self.schema}.joined_attributes(jsonb) (SFUNC = jsonb_concat, STYPE = jsonb, INITCOND = '{{}}')",
        )

    def label(self) -> str:
        """SQL of an element's first label, else NULL."""
        return _first("prov:label")

    def all_types(self) -> str:
        """SQL of the list of an element's types as they stand."""
        return "r.types"

    def role(self) -> str:
        """SQL of a relation's first role, else NULL."""
        return _first("prov:role")

    def pairs(self) -> str:
        """SQL of the list of names and values of a row's attributes."""
        return f"{self.schema}.attribute_pairs(r.attributes)"

    def beside(self) -> str:
        """Nothing."""
        return ""

    def instant(self, column: str) -> str:
        """The column itself, since instants are of a type of their own."""
        return column

    def value(self, attribute: str, kind: str) -> str:
        """SQL of what an attribute of the vocabulary has, of an SQL type, which may be a list."""
        own = POSTGRESQL_TYPES[kind.removesuffix("[]")]
        if kind.endswith("[]"):
            values = f"jsonb_array_elements(r.attributes->'m2p:{attribute}') AS v(value)"
            return f"ARRAY(SELECT {_cast(_text('v.value'), own)} FROM {values})"
        return _cast(_first(f"m2p:{attribute}"), own)

    def of_type(self, type_: str) -> str:
        """A query of one row for each identifier of a type."""
        return (
            "SELECT id, min(start_time) AS start_time, min(end_time) AS end_time, "
            f"{self.schema}.joined_attributes(attributes ORDER BY bundle DESC, kind DESC) AS attributes "
            f"FROM {self.schema}.element WHERE types @> ARRAY['m2p:{type_}'] GROUP BY id"
        )

    def values(self) -> str:
        """A query of one row for each value of an element."""
        return (
            f"SELECT e.bundle, e.id, e.kind, a.name, {_text('v.value')} AS value, v.value->>'type' AS datatype, "
            f"v.value->>'lang' AS language FROM {self.schema}.element AS e, "
            "jsonb_each(e.attributes) AS a(name, of_name), jsonb_array_elements(a.of_name) AS v(value)"
        )

    def in_order(self) -> str:
        """Nothing: the tables have no order."""
        return ""


def _text(value: str) -> str:
    """SQL of the text of a value, whether it has a datatype or none."""
    return f"coalesce({value}->>'$', {value}#>>'{{}}')"


def _first(attribute: str) -> str:
    """SQL of the text of an attribute's first value."""
    return _text(f"(r.attributes->'{attribute}'->0)")


def _cast(text: str, kind: str) -> str:
    cast = _CASTS.get(kind)
    return text if cast is None else f"(SELECT {cast} FROM (SELECT {text}) AS t(x))"
