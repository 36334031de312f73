"""The tables that SQL queries see, declared once: those of PROV's records, and one for each type of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from mlflow2prov.graph.vocabulary import NAME
from mlflow2prov.model.ontology import Described, described
from mlflow2prov.model.terms import TYPES
from mlflow2prov.prov.records import ELEMENT_KINDS, RELATION_KINDS, RecordKind
from mlflow2prov.query.dialects import PAIRS, Dialect

SQL_TYPES = {
    "xsd:boolean": "BOOLEAN",
    "xsd:dateTime": "TIMESTAMPTZ",
    "xsd:double": "DOUBLE",
    "xsd:long": "BIGINT",
}
"""The SQL type of the values of each datatype; those of others are text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One table that queries see.

    Attributes:
        schema: ``prov`` or ``m2p``.
        name: in that schema.
        doc: what a row is.
        columns: the SQL type of each column.
        sql: makes the query that it is, in the dialect of an engine.
    """

    schema: str
    name: str
    doc: str
    columns: dict[str, str]
    sql: Callable[[Dialect], str]


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
        sql=lambda dialect: (
            f"SELECT {_name('b')} AS bundle, {NAME} AS id, p.iri || n.local AS iri, {dialect.label()} AS label, "
            f"{dialect.all_types()} AS types, "
            + "".join(f"{dialect.instant(f'r.{name}')} AS {name}, " for name in times)
            + f"{dialect.pairs()} AS attributes FROM {dialect.schema}.element r "
            f"JOIN {dialect.schema}.name n ON n.id = r.id LEFT JOIN {dialect.schema}.prefix p ON p.prefix = n.prefix "
            f"LEFT JOIN {dialect.schema}.name b ON b.id = r.bundle{dialect.beside()} WHERE r.kind = {kind.number}"
        ),
    )


def _relation_view(kind: RecordKind) -> View:
    # The bundle that a mention names is not the one that it stands in.
    names = [{"bundle": "in_bundle"}.get(name, name) for name in kind.references]
    references = dict.fromkeys(names, "VARCHAR")
    times = {"time": "TIMESTAMPTZ"} if kind.times else {}

    def sql(dialect: Dialect) -> str:
        places = range(1, len(kind.references) + 1)
        arguments = "".join(f"{_name(f'n{n}')} AS {names[n - 1]}, " for n in places)
        joins = " ".join(f"LEFT JOIN {dialect.schema}.name n{n} ON n{n}.id = r.a{n}" for n in places)
        time = f"{dialect.instant('r.time')} AS time, " if times else ""
        return (
            f"SELECT {_name('b')} AS bundle, {_name('n')} AS id, {arguments}{time}{dialect.role()} AS role, "
            f"{dialect.pairs()} AS attributes FROM {dialect.schema}.relation r {joins} "
            f"LEFT JOIN {dialect.schema}.name n ON n.id = r.id LEFT JOIN {dialect.schema}.name b ON b.id = r.bundle"
            f"{dialect.beside()} WHERE r.kind = {kind.number}"
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


def _edge_sql(dialect: Dialect) -> str:
    return (
        f"SELECT {_name('b')} AS bundle, CASE r.kind {_cases(RELATION_KINDS)} END AS kind, {_name('n1')} AS subject, "
        f"{_name('n2')} AS object, {_name('n3')} AS third, {dialect.role()} AS role, "
        f"{dialect.instant('r.time')} AS time FROM {dialect.schema}.relation r "
        + "".join(f"LEFT JOIN {dialect.schema}.name n{n} ON n{n}.id = r.a{n} " for n in (1, 2, 3))
        + f"LEFT JOIN {dialect.schema}.name b ON b.id = r.bundle"
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
    sql=lambda dialect: (
        f"SELECT {_name('b')} AS bundle, {NAME} AS id, CASE r.kind {_cases(ELEMENT_KINDS)} END AS kind, "
        f"r.name, r.value, r.datatype, r.language FROM ({dialect.values()}) r "
        f"JOIN {dialect.schema}.name n ON n.id = r.id LEFT JOIN {dialect.schema}.name b ON b.id = r.bundle"
    ),
)


def _type_view(type_: Described) -> View:
    times = {"start_time": "TIMESTAMPTZ", "end_time": "TIMESTAMPTZ"} if type_.kind == "activity" else {}
    attributes = {name: _column_type(type_, name) for name in type_.attributes}

    def sql(dialect: Dialect) -> str:
        values = "".join(
            f", {dialect.value(name, kind)} AS {_quoted(name)}" for name, kind in attributes.items()
        )
        timed = "".join(f", {dialect.instant(f'r.{name}')} AS {name}" for name in times)
        # The records of one identifier are one row, with the values of them all.
        return (
            f"SELECT {NAME} AS id, {dialect.label()} AS label{timed}{values} FROM ({dialect.of_type(type_.name)}) r "
            f"JOIN {dialect.schema}.name n ON n.id = r.id{dialect.in_order()}"
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
