"""The tables that SQL queries see, declared once: those of PROV's records, and one for each type of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.vocabulary import NAME, Words
from mlflow2prov.model.ontology import Described, described
from mlflow2prov.model.terms import TYPES
from mlflow2prov.prov.records import ELEMENT_KINDS, RELATION_KINDS, RecordKind

SQL_TYPES = {
    "xsd:boolean": "BOOLEAN",
    "xsd:dateTime": "TIMESTAMPTZ",
    "xsd:double": "DOUBLE",
    "xsd:long": "BIGINT",
}
"""The SQL type of the values of each datatype; those of others are text."""

PAIRS = "STRUCT(name VARCHAR, value VARCHAR)[]"
"""The SQL type of a list of attributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One table that queries see.

    Attributes:
        schema: ``prov`` or ``m2p``.
        name: in that schema.
        doc: what a row is.
        columns: the SQL type of each column.
        sql: makes the query that fills it.
    """

    schema: str
    name: str
    doc: str
    columns: dict[str, str]
    sql: Callable[[Graph, Words], str]


@cache
def views() -> dict[str, View]:
    """Return every view by its name with its schema.

    >>> views()["m2p.Metric"].columns["value"]
    'DOUBLE'
    """
    made = [
        *(_element_view(kind) for kind in ELEMENT_KINDS),
        *(_relation_view(kind) for kind in RELATION_KINDS),
        _EDGE,
        _ATTRIBUTE,
        *(_type_view(type_) for type_ in described().values()),
    ]
    return {f"{view.schema}.{view.name}": view for view in made}


_COMMON = {"bundle": "VARCHAR", "id": "VARCHAR"}


def _name(table: str) -> str:
    return NAME.replace("n.", f"{table}.")


def _cases(kinds: tuple[RecordKind, ...]) -> str:
    return " ".join(f"WHEN {kind.number} THEN '{kind.name}'" for kind in kinds)


def _element_view(kind: RecordKind) -> View:
    times = {"start_time": "TIMESTAMPTZ", "end_time": "TIMESTAMPTZ"} if kind.times else {}
    return View(
        schema="prov",
        name=kind.name,
        doc=f"A record of an {kind.name}.",
        columns=_COMMON
        | {"iri": "VARCHAR", "label": "VARCHAR", "types": "VARCHAR[]"}
        | times
        | {"attributes": PAIRS},
        sql=lambda graph, words: (
            f"SELECT {_name('b')} AS bundle, {NAME} AS id, p.iri || n.local AS iri, {words.label()} AS label, "
            f"{words.all_types()} AS types, "
            + "".join(f"TRY_CAST(r.{name} AS TIMESTAMPTZ) AS {name}, " for name in times)
            + f"{_pairs('r')} AS attributes FROM {graph.schema}.element r "
            f"JOIN {graph.schema}.name n ON n.id = r.id LEFT JOIN {graph.schema}.prefix p ON p.prefix = n.prefix "
            f"LEFT JOIN {graph.schema}.name b ON b.id = r.bundle, {_keys(graph)} WHERE r.kind = {kind.number}"
        ),
    )


def _keys(graph: Graph) -> str:
    """SQL of one row with a list of all names of attributes; that of key ``k`` is at ``k - least + 1``."""
    return (
        "(SELECT coalesce(list(k.name ORDER BY g.n), []) AS names, coalesce(min(g.n), 0) AS least FROM (SELECT unnest("
        f"generate_series((SELECT min(key) FROM {graph.schema}.attribute_key), "
        f"(SELECT max(key) FROM {graph.schema}.attribute_key))) AS n) g "
        f"LEFT JOIN {graph.schema}.attribute_key k ON k.key = g.n) keys"
    )


def _pairs(table: str) -> str:
    pair = "struct_pack(name := keys.names[a.k - keys.least + 1], value := a.v)"
    return f"coalesce(list_transform({table}.attributes, lambda a: {pair}), [])"


def _relation_view(kind: RecordKind) -> View:
    # The bundle that a mention names is not the one that it stands in.
    names = [{"bundle": "in_bundle"}.get(name, name) for name in kind.references]
    references = dict.fromkeys(names, "VARCHAR")
    times = {"time": "TIMESTAMPTZ"} if kind.times else {}

    def sql(graph: Graph, words: Words) -> str:
        places = range(1, len(kind.references) + 1)
        arguments = "".join(f"{_name(f'n{n}')} AS {names[n - 1]}, " for n in places)
        joins = " ".join(f"LEFT JOIN {graph.schema}.name n{n} ON n{n}.id = r.a{n}" for n in places)
        time = "TRY_CAST(r.time AS TIMESTAMPTZ) AS time, " if times else ""
        return (
            f"SELECT {_name('b')} AS bundle, {_name('n')} AS id, {arguments}{time}{words.role()} AS role, "
            f"{_pairs('r')} AS attributes FROM {graph.schema}.relation r {joins} "
            f"LEFT JOIN {graph.schema}.name n ON n.id = r.id LEFT JOIN {graph.schema}.name b ON b.id = r.bundle, "
            f"{_keys(graph)} WHERE r.kind = {kind.number}"
        )

    return View(
        schema="prov",
        name=kind.name,
        doc=f"A record of {kind.name} (PROV-DM {kind.section})."
        if kind.section[0].isdigit()
        else f"A record of {kind.name} ({kind.section}).",
        columns=_COMMON | references | times | {"role": "VARCHAR", "attributes": PAIRS},
        sql=sql,
    )


def _edge_sql(graph: Graph, words: Words) -> str:
    return (
        f"SELECT {_name('b')} AS bundle, CASE r.kind {_cases(RELATION_KINDS)} END AS kind, {_name('n1')} AS subject, "
        f"{_name('n2')} AS object, {_name('n3')} AS third, {words.role()} AS role, "
        f"TRY_CAST(r.time AS TIMESTAMPTZ) AS time FROM {graph.schema}.relation r "
        + "".join(f"LEFT JOIN {graph.schema}.name n{n} ON n{n}.id = r.a{n} " for n in (1, 2, 3))
        + f"LEFT JOIN {graph.schema}.name b ON b.id = r.bundle"
    )


_EDGE = View(
    schema="prov",
    name="edge",
    doc="A relation of any kind, from its first formal argument to its second; `third` is the one after these.",
    columns={
        "bundle": "VARCHAR",
        "kind": "VARCHAR",
        "subject": "VARCHAR",
        "object": "VARCHAR",
        "third": "VARCHAR",
    }
    | {"role": "VARCHAR", "time": "TIMESTAMPTZ"},
    sql=_edge_sql,
)

_ATTRIBUTE = View(
    schema="prov",
    name="attribute",
    doc="A value of an attribute of an element.",
    columns={"bundle": "VARCHAR", "id": "VARCHAR", "kind": "VARCHAR", "name": "VARCHAR", "value": "VARCHAR"}
    | {"datatype": "VARCHAR", "language": "VARCHAR"},
    sql=lambda graph, words: (
        f"SELECT {_name('b')} AS bundle, {NAME} AS id, "
        f"CASE r.kind {_cases(ELEMENT_KINDS)} END AS kind, "
        "k.name, r.a.v AS value, k.datatype, k.language FROM (SELECT bundle, id, kind, unnest(attributes) AS a "
        f"FROM {graph.schema}.element) r JOIN {graph.schema}.attribute_key k ON k.key = r.a.k "
        f"JOIN {graph.schema}.name n ON n.id = r.id LEFT JOIN {graph.schema}.name b ON b.id = r.bundle"
    ),
)


def _type_view(type_: Described) -> View:
    times = {"start_time": "TIMESTAMPTZ", "end_time": "TIMESTAMPTZ"} if type_.kind == "activity" else {}
    attributes = {name: _column_type(type_, name) for name in type_.attributes}

    def sql(graph: Graph, words: Words) -> str:
        values = "".join(
            f", {_value(words, name, kind)} AS {_quoted(name)}" for name, kind in attributes.items()
        )
        timed = "".join(f", TRY_CAST({name} AS TIMESTAMPTZ) AS {name}" for name in times)
        # The records of one identifier are one row, with the values of them all.
        rows = (
            "SELECT id, first(start_time) FILTER (start_time IS NOT NULL) AS start_time, "
            "first(end_time) FILTER (end_time IS NOT NULL) AS end_time, flatten(list(attributes)) AS attributes "
            f"FROM {graph.schema}.element WHERE {words.has_type(type_.name)} GROUP BY id"
        )
        return (
            f"SELECT {NAME} AS id, {words.label()} AS label{timed}{values} FROM ({rows}) r "
            f"JOIN {graph.schema}.name n ON n.id = r.id ORDER BY r.id"
        )

    return View(
        schema="m2p",
        name=type_.name,
        doc=TYPES[type_.name],
        columns={"id": "VARCHAR", "label": "VARCHAR"} | times | attributes,
        sql=sql,
    )


def _quoted(name: str) -> str:
    return f'"{name}"'


def _column_type(type_: Described, attribute: str) -> str:
    datatypes = {SQL_TYPES.get(datatype, "VARCHAR") for datatype in type_.datatypes(attribute)}
    sql = datatypes.pop() if len(datatypes) == 1 else "VARCHAR"
    return f"{sql}[]" if type_.is_many(attribute) else sql


def _value(words: Words, attribute: str, kind: str) -> str:
    if kind.endswith("[]"):
        values = words.values(attribute)
        return (
            values
            if kind == "VARCHAR[]"
            else f"list_transform({values}, lambda x: TRY_CAST(x AS {kind[:-2]}))"
        )
    return words.value(attribute) if kind == "VARCHAR" else f"TRY_CAST({words.value(attribute)} AS {kind})"
