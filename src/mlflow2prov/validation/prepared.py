"""The tables that the rules are written over: what a document says, with what follows from it.

They are made in this order in a schema of their own, and go with it; the document stays as it is.

==================  =========================================================================================
``said``            each relation with an identifier, once for each record, and what inferences 11 and 15 say
                    about it: ``through`` is the inference's number, or 0
``clashing``        those rows of ``said`` whose identifier has several values of a formal argument
``event``           generations, invalidations, starts and ends, with one row for each identifier and one for
                    each record without one
``shared``          those rows of ``event`` that constraints 24 to 27 make one
``argument``        the names of the formal arguments
``specialization``  specific and general entity, also of mentions
``entity``          described entities, also those that are by inference 21
``empty``           entities of the type ``prov:EmptyCollection``, likewise
``activity_typed``  what is an activity by its description or its place in a relation, with the first such record
``both_typed``      those that are an entity as well, with the first record that says so
==================  =========================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable

from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.namespaces import PROV, QUALIFIED_NAME_SPELLINGS
from mlflow2prov.prov.records import KIND_BY_NAME, RELATION_KINDS
from mlflow2prov.validation.declare import ELEMENT_PLACE, RELATION_PLACE

GENERATION, USAGE, COMMUNICATION, START, END, INVALIDATION, DERIVATION = (
    KIND_BY_NAME[name].number
    for name in (
        "wasGeneratedBy",
        "used",
        "wasInformedBy",
        "wasStartedBy",
        "wasEndedBy",
        "wasInvalidatedBy",
        "wasDerivedFrom",
    )
)
ATTRIBUTION, ASSOCIATION, DELEGATION, INFLUENCE = (
    KIND_BY_NAME[name].number
    for name in ("wasAttributedTo", "wasAssociatedWith", "actedOnBehalfOf", "wasInfluencedBy")
)
SPECIALIZATION, ALTERNATE, MENTION, MEMBERSHIP = (
    KIND_BY_NAME[name].number for name in ("specializationOf", "alternateOf", "mentionOf", "hadMember")
)
ENTITY, ACTIVITY = KIND_BY_NAME["entity"].number, KIND_BY_NAME["activity"].number

TYPES_OF_ARGUMENTS: dict[int, tuple[str, ...]] = {
    GENERATION: ("entity", "activity"),
    USAGE: ("activity", "entity"),
    COMMUNICATION: ("activity", "activity"),
    START: ("activity", "entity", "activity"),
    END: ("activity", "entity", "activity"),
    INVALIDATION: ("entity", "activity"),
    DERIVATION: ("entity", "entity", "activity"),
    ATTRIBUTION: ("entity", "agent"),
    ASSOCIATION: ("activity", "agent", "entity"),
    DELEGATION: ("agent", "agent", "activity"),
    INFLUENCE: (),
    SPECIALIZATION: ("entity", "entity"),
    ALTERNATE: ("entity", "entity"),
    MENTION: ("entity", "entity"),
    MEMBERSHIP: ("entity", "entity"),
}
"""What a thing is by its place in a relation (constraint 50)."""


def canonical_time(column: str) -> str:
    """Return SQL of an instant (xsd:dateTime) as text that is equal for all its spellings.

    A time without a time zone is none with one (XML Schema Part 2, section 3.2.7.3, can't order them).
    """
    whole = f"regexp_replace({column}, '\\.[0-9]+', '')"
    fraction = f"rtrim(regexp_extract({column}, '\\.([0-9]+)', 1), '0')"
    is_zoned = f"regexp_matches({column}, '(Z|[+-][0-9]{{2}}:[0-9]{{2}})$')"
    seconds = (
        f"epoch(TRY_CAST(concat({whole}, CASE WHEN {is_zoned} THEN '' ELSE 'Z' END) AS TIMESTAMPTZ))::BIGINT"
    )
    zone = f"CASE WHEN {is_zoned} THEN 'Z' ELSE '' END"
    return f"CASE WHEN {seconds} IS NULL THEN {column} ELSE concat({seconds}, '.', {fraction}, {zone}) END"


def _typed(type_name: str) -> Iterable[str]:
    """SQL of what has a type by its place in a relation: ``bundle``, ``id``, ``place``."""
    for position, column in enumerate(ARGUMENT_COLUMNS):
        kinds = [
            str(kind)
            for kind, types in TYPES_OF_ARGUMENTS.items()
            if position < len(types) and types[position] == type_name
        ]
        if kinds:
            chosen = f"kind IN ({', '.join(kinds)}) AND {column} IS NOT NULL"
            yield (
                f"SELECT bundle, {column} AS id, {RELATION_PLACE} AS place FROM {{graph}}.relation WHERE {chosen}"
            )
            yield f"SELECT bundle, {column}, place FROM {{made}}.said WHERE through = 15 AND {chosen}"


_ENTITIES, _ACTIVITIES = (
    " UNION ALL ".join(
        [
            f"SELECT bundle, id, {ELEMENT_PLACE} AS place FROM {{graph}}.element WHERE kind = {kind}",
            *_typed(name),
        ]
    )
    for name, kind in (("entity", ENTITY), ("activity", ACTIVITY))
)

_NOTHING = "NULL::INTEGER"
_SAID = (
    f"SELECT bundle, kind, id, {', '.join(ARGUMENT_COLUMNS)}, time, {RELATION_PLACE} AS place, 0 AS through "
    "FROM {graph}.relation WHERE id IS NOT NULL "
    f"UNION ALL SELECT bundle, {GENERATION}, a4, a1, a3, {_NOTHING}, {_NOTHING}, {_NOTHING}, NULL, {RELATION_PLACE}, 11 "
    f"FROM {{graph}}.relation WHERE kind = {DERIVATION} AND a3 IS NOT NULL AND a4 IS NOT NULL "
    f"UNION ALL SELECT bundle, {USAGE}, a5, a3, a2, {_NOTHING}, {_NOTHING}, {_NOTHING}, NULL, {RELATION_PLACE}, 11 "
    f"FROM {{graph}}.relation WHERE kind = {DERIVATION} AND a3 IS NOT NULL AND a5 IS NOT NULL"
)
_SAID_BY_INFLUENCE = (
    f"INSERT INTO {{made}}.said SELECT s.bundle, s.kind, s.id, i.a1, i.a2, {_NOTHING}, {_NOTHING}, {_NOTHING}, NULL, "
    f"i.{RELATION_PLACE}, 15 FROM (SELECT DISTINCT bundle, kind, id FROM {{made}}.said WHERE kind <> {INFLUENCE}) s "
    f"JOIN (SELECT *, rowid FROM {{graph}}.relation WHERE kind IN ({INFLUENCE}, {DERIVATION}) AND id IS NOT NULL) i "
    f"ON i.bundle = s.bundle AND i.id = s.id AND (i.kind = {INFLUENCE} OR s.kind <> {DERIVATION})"
)

_EVENT_KINDS = f"({GENERATION}, {INVALIDATION}, {START}, {END})"
_CLASHES = " OR ".join(f"min({column}) <> max({column})" for column in (*ARGUMENT_COLUMNS, "time"))
_KEY = f"CASE WHEN kind IN ({START}, {END}) THEN a3 ELSE a2 END"
_ARGUMENTS = ", ".join(
    f"({kind.number}, '{column}', '{name}')"
    for kind in RELATION_KINDS
    for column, name in [
        *zip(ARGUMENT_COLUMNS, kind.references, strict=False),
        *(("time", name) for name in kind.times),
    ]
)
_NAMES_OF_TYPES = ", ".join(f"'{spelling}'" for spelling in sorted(QUALIFIED_NAME_SPELLINGS))
_EMPTY_COLLECTION = (
    "SELECT DISTINCT bundle, id FROM (SELECT bundle, id, unnest(attributes) AS a FROM {graph}.element "
    f"WHERE kind = {ENTITY}) e JOIN {{graph}}.attribute_key k ON k.key = e.a.k AND k.name = 'prov:type' "
    f"AND ((k.datatype IN ({_NAMES_OF_TYPES}) AND e.a.v = 'prov:EmptyCollection') "
    f"OR (k.datatype = 'xsd:anyURI' AND e.a.v = '{PROV}EmptyCollection'))"
)

PREPARED: tuple[str, ...] = (
    f"CREATE TABLE {{made}}.said AS {_SAID}",
    _SAID_BY_INFLUENCE,
    "CREATE TABLE {made}.clashing AS SELECT * FROM {made}.said SEMI JOIN (SELECT bundle, kind, id FROM {made}.said "
    f"GROUP BY bundle, kind, id HAVING count(*) > 1 AND ({_CLASHES})) c USING (bundle, kind, id)",
    "CREATE TABLE {made}.event AS SELECT bundle, kind, id, min(a1) AS a1, min(a2) AS a2, min(a3) AS a3, "
    f"min(time) AS time, min(place) AS place FROM {{made}}.said WHERE kind IN {_EVENT_KINDS} GROUP BY bundle, kind, id "
    f"UNION ALL SELECT bundle, kind, NULL, a1, a2, a3, time, {RELATION_PLACE} FROM {{graph}}.relation "
    f"WHERE id IS NULL AND kind IN {_EVENT_KINDS}",
    f"CREATE TABLE {{made}}.shared AS SELECT *, {_KEY} AS key FROM {{made}}.event SEMI JOIN "
    f"(SELECT bundle, kind, a1, {_KEY} AS key FROM {{made}}.event WHERE a1 IS NOT NULL AND {_KEY} IS NOT NULL "
    f"GROUP BY ALL HAVING count(*) > 1) s ON s.bundle = event.bundle AND s.kind = event.kind AND s.a1 = event.a1 "
    f"AND s.key = {_KEY.replace('a3', 'event.a3').replace('a2', 'event.a2').replace('kind', 'event.kind')}",
    f"CREATE TABLE {{made}}.argument AS SELECT * FROM (VALUES {_ARGUMENTS}) a(kind, place_of, name)",
    "CREATE TABLE {made}.blank AS SELECT id FROM {graph}.name WHERE prefix = '_'",
    f"CREATE TABLE {{made}}.specialization AS SELECT bundle, a1 AS specific, a2 AS general, {RELATION_PLACE} AS place, "
    f"kind FROM {{graph}}.relation WHERE kind IN ({SPECIALIZATION}, {MENTION}) AND a1 IS NOT NULL AND a2 IS NOT NULL",
    f"CREATE TABLE {{made}}.entity AS SELECT DISTINCT bundle, id FROM {{graph}}.element WHERE kind = {ENTITY}",
    f"CREATE TABLE {{made}}.empty AS {_EMPTY_COLLECTION}",
    "CREATE TABLE {made}.activity_typed AS SELECT bundle, id, min(place) AS place "
    f"FROM ({_ACTIVITIES}) GROUP BY bundle, id",
    "CREATE TABLE {made}.both_typed AS SELECT bundle, id, min(place) AS place "
    f"FROM ({_ENTITIES}) SEMI JOIN {{made}}.activity_typed USING (bundle, id) GROUP BY bundle, id",
)
"""What makes the tables, statement by statement; ``{graph}`` and ``{made}`` stand for the two schemas."""

INHERITED = ("entity", "empty")
"""The tables that inference 21 goes on with, from a general entity to a specific one."""

GENERATED = (
    "CREATE TABLE {made}.generated AS SELECT bundle, id FROM {made}.entity "
    f"UNION SELECT bundle, a1 FROM {{made}}.event WHERE kind = {GENERATION} "
    f"UNION SELECT bundle, a2 FROM {{made}}.event WHERE kind IN ({START}, {END}) "
    f"UNION SELECT bundle, a1 FROM {{graph}}.relation WHERE kind = {ATTRIBUTION} "
    f"OR (kind = {DERIVATION} AND a3 IS NOT NULL)"
)
"""Entities that have a generation: said, or by the inferences 7, 9, 10, 11 and 13."""
