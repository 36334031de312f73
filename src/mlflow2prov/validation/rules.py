"""Every definition, inference and constraint of PROV-CONSTRAINTS, in the order of their numbers."""

from __future__ import annotations

from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.records import RELATION_KINDS
from mlflow2prov.validation.declare import ELEMENT_PLACE, RELATION_PLACE, Find, Rule
from mlflow2prov.validation.orders import ORDERING
from mlflow2prov.validation.prepared import (
    DELEGATION,
    DERIVATION,
    MEMBERSHIP,
    MENTION,
)
from mlflow2prov.validation.uniqueness import UNIQUENESS

_NONE = "[]::INTEGER[]"


def _missing(position: int) -> Find:
    """The relations that lack what PROV-DM requires at a position."""
    column = ARGUMENT_COLUMNS[position]
    kinds = ", ".join(str(kind.number) for kind in RELATION_KINDS if kind.required > position)
    names = ", ".join(
        f"({kind.number}, '{kind.name} needs its {kind.references[position]}')"
        for kind in RELATION_KINDS
        if kind.required > position
    )
    where = f"kind IN ({kinds}) AND {column} IS NULL"
    if _has_responsible(position):
        told = f"SELECT bundle, id FROM {{graph}}.relation WHERE kind = {DELEGATION} AND a2 IS NOT NULL AND id IS NOT NULL"
        where += f" AND (kind <> {DELEGATION} OR a3 IS NULL OR id IS NULL OR (bundle, id) NOT IN ({told}))"
    return Find(
        sql=f"SELECT bundle, id AS subject, a.name AS argument, [place] AS records, {_NONE} AS through FROM "
        f"(SELECT *, {RELATION_PLACE} AS place FROM {{graph}}.relation WHERE {where}) r "
        f"JOIN (VALUES {names}) a(kind, name) ON a.kind = r.kind",
        message="{argument}",
    )


def _has_responsible(position: int) -> bool:
    """Whether the responsible agent of a delegation stands at a position."""
    delegation = next(kind for kind in RELATION_KINDS if kind.number == DELEGATION)
    return delegation.references[position] == "responsible"


DATA_MODEL = Rule(
    code="DM",
    name="required-arguments",
    kind="data model",
    says="A relation has the formal arguments that PROV-DM requires.",
    how="A delegation's responsible agent may be left open, where its activity is there and another record of its "
    "identifier names the agent.",
    finds=tuple(_missing(position) for position in range(max(kind.required for kind in RELATION_KINDS))),
)

_DISTINCT_BUNDLES = Rule(
    code="7.2",
    name="distinct-bundles",
    kind="document",
    says="No two bundles of a document have one identifier (section 7.2).",
    how="Known of documents in PROV-N, PROV-XML and PROV-JSONLD, as long as they are not saved again: of a PROV-JSON "
    "document that has a bundle twice, reading says so; in RDF, one name is one graph.",
)

_RULES_OF_MENTIONS = Rule(
    code="LINKS",
    name="unique-mention",
    kind="uniqueness",
    says="An entity is the mention of one entity in one bundle (PROV-LINKS); it specializes that entity.",
    finds=(
        Find(
            sql=f"SELECT bundle, a1 AS subject, NULL AS argument, [arg_min({RELATION_PLACE}, (a2, a3)), "
            f"arg_max({RELATION_PLACE}, (a2, a3))] AS records, {_NONE} AS through FROM {{graph}}.relation "
            f"WHERE kind = {MENTION} AND a1 IS NOT NULL GROUP BY bundle, a1 "
            "HAVING min(a2) <> max(a2) OR min(a3) <> max(a3)",
            message="{subject} mentions several entities, or one of several bundles",
        ),
    ),
)


def _definition(code: str, name: str, says: str, how: str = "") -> Rule:
    return Rule(code=code, name=name, kind="definition", says=says, how=how)


DEFINITIONS: tuple[Rule, ...] = (
    _definition("1", "optional-identifiers", "A relation without an identifier has one that is unknown."),
    _definition("2", "optional-attributes", "A record without attributes has an empty set of them."),
    _definition(
        "3",
        "definition-short-forms",
        "A short form of a relation is the long one with - in the places that it leaves out.",
    ),
    _definition(
        "4",
        "optional-placeholders",
        "- stands for something unknown.",
        "But - as a derivation's activity, and then as its generation and usage, and as an association's plan means "
        "that there is none.",
    ),
)


def _inference(code: str, name: str, says: str, how: str = "") -> Rule:
    return Rule(code=code, name=name, kind="inference", says=says, how=how)


_NOTHING_NEW = (
    "Constraint 35 follows from 33, 34 and 37 there, and the other way round: nothing else depends on it."
)

INFERENCES: tuple[Rule, ...] = (
    _inference(
        "5",
        "communication-generation-use-inference",
        "What informs an activity generated something unknown that it used.",
        _NOTHING_NEW,
    ),
    _inference(
        "6",
        "generation-use-communication-inference",
        "An activity that used what another one generated was informed by it.",
        _NOTHING_NEW,
    ),
    _inference(
        "7",
        "entity-generation-invalidation-inference",
        "A described entity has a generation and an invalidation.",
        "Constraint 42 counts them.",
    ),
    _inference(
        "8", "activity-start-end-inference", "A described activity has a start and an end, at its times."
    ),
    _inference(
        "9", "wasStartedBy-inference", "The starter of an activity generated what triggered its start."
    ),
    _inference("10", "wasEndedBy-inference", "The ender of an activity generated what triggered its end."),
    _inference(
        "11",
        "derivation-generation-use-inference",
        "The activity of a derivation used the one entity and generated the other.",
        "By the usage and the generation that the derivation names; constraints 23 and 24 see to it that these are.",
    ),
    _inference(
        "12",
        "revision-is-alternate-inference",
        "A revision is an alternate of what it revises.",
        "Alternates are entities, as derivations say already.",
    ),
    _inference(
        "13",
        "attribution-inference",
        "An attributed entity was generated by an unknown activity that was associated with the agent.",
        "Constraint 42 counts the generation.",
    ),
    _inference(
        "14",
        "delegation-inference",
        "Both agents of a delegation were associated with its activity.",
        "The activity is one by constraint 50.",
    ),
    _inference(
        "15",
        "influence-inference",
        "Whatever relates two things with an identifier is an influence with the same one.",
        "So constraint 23 compares an influence's arguments with those of the relation of its identifier.",
    ),
    _inference("16", "alternate-reflexive", "An entity is an alternate of itself.", "No constraint asks."),
    _inference(
        "17", "alternate-transitive", "Alternates of alternates are alternates.", "No constraint asks."
    ),
    _inference("18", "alternate-symmetric", "Alternates are so of each other.", "No constraint asks."),
    _inference(
        "19",
        "specialization-transitive",
        "What specializes a specialization of something specializes that, too.",
        "Circles of it violate constraint 52; constraint 45 follows it.",
    ),
    _inference(
        "20",
        "specialization-alternate-inference",
        "A specialization is an alternate.",
        "No constraint asks.",
    ),
    _inference(
        "21",
        "specialization-attributes-inference",
        "A specialization of a described entity is a described entity, and has its attributes.",
        "So it has a generation, and is an empty collection where the other one is.",
    ),
)

_TYPING = Rule(
    code="50",
    name="typing",
    kind="typing",
    says="A thing is an entity, an activity, an agent or a collection by its description, or by its place in a relation.",
    how="Constraints 55 and 56 ask for these types. Agents may be entities or activities as well.",
)

_PROPERTIES = ", ".join(
    str(kind.number)
    for kind in RELATION_KINDS
    if kind.name
    in {
        *("used", "wasGeneratedBy", "wasInvalidatedBy", "wasStartedBy", "wasEndedBy"),
        *("wasInformedBy", "wasAttributedTo", "wasAssociatedWith", "actedOnBehalfOf"),
    }
)
_OBJECTS = (
    f"SELECT bundle, id, {ELEMENT_PLACE} AS place FROM {{graph}}.element "
    "UNION ALL SELECT bundle, specific, place FROM {made}.specialization "
    "SEMI JOIN {made}.entity e ON e.bundle = specialization.bundle AND e.id = specialization.specific"
)

IMPOSSIBILITY: tuple[Rule, ...] = (
    Rule(
        code="51",
        name="impossible-unspecified-derivation-generation-use",
        kind="impossibility",
        says="A derivation that has no activity has no generation and no usage.",
        finds=(
            Find(
                sql=f"SELECT bundle, a1 AS subject, NULL AS argument, [{RELATION_PLACE}] AS records, {_NONE} AS through "
                f"FROM {{graph}}.relation WHERE kind = {DERIVATION} AND a3 IS NULL "
                "AND (a4 IS NOT NULL OR a5 IS NOT NULL)",
                message="the derivation of {subject} names a generation or a usage, but no activity",
            ),
        ),
    ),
    Rule(
        code="52",
        name="impossible-specialization-reflexive",
        kind="impossibility",
        says="Nothing specializes itself.",
        how="Neither directly nor by others (inference 19), so specializations have no circles.",
    ),
    Rule(
        code="53",
        name="impossible-property-overlap",
        kind="impossibility",
        says="An identifier has one kind of relation.",
        how="But influences, which any other relation is as well, and derivations, whose arguments inference 15 compares.",
        finds=(
            Find(
                sql="WITH v AS (SELECT bundle, id, kind, min(place) AS place, min(through) AS through FROM {made}.said "
                f"WHERE kind IN ({_PROPERTIES}) AND through <> 15 GROUP BY ALL) "
                "SELECT bundle, id AS subject, NULL AS argument, list_sort(list_distinct(list(place))) AS records, "
                "list_sort(list_distinct(list(through) FILTER (through > 0))) AS through FROM v GROUP BY bundle, id "
                "HAVING count(*) > 1",
                message="{subject} identifies relations of different kinds",
                over="said",
            ),
        ),
    ),
    Rule(
        code="54",
        name="impossible-object-property-overlap",
        kind="impossibility",
        says="What identifies an entity, an activity or an agent identifies no relation.",
        finds=(
            Find(
                sql="WITH r AS (SELECT bundle, id, min(place) AS place, min(through) AS through FROM {made}.said "
                "GROUP BY bundle, id), o AS (SELECT bundle, id, min(place) AS place "
                f"FROM ({_OBJECTS}) SEMI JOIN r USING (bundle, id) GROUP BY bundle, id) "
                "SELECT o.bundle, o.id AS subject, NULL AS argument, [o.place, r.place] AS records, "
                "list_filter([r.through], lambda n: n > 0) AS through FROM o JOIN r USING (bundle, id)",
                message="{subject} identifies a thing and a relation",
                over="said",
            ),
        ),
    ),
    Rule(
        code="55",
        name="entity-activity-disjoint",
        kind="impossibility",
        says="Nothing is an entity and an activity.",
        how="By description or by its place in a relation (constraint 50).",
        finds=(
            Find(
                sql="SELECT e.bundle, e.id AS subject, NULL AS argument, "
                "list_sort(list_distinct([e.place, a.place])) AS records, [50] AS through "
                "FROM {made}.both_typed e JOIN {made}.activity_typed a USING (bundle, id)",
                message="{subject} is an entity and an activity",
                over="both_typed",
            ),
        ),
    ),
    Rule(
        code="56",
        name="membership-empty-collection",
        kind="impossibility",
        says="An empty collection has no members.",
        how="A collection is empty that says so (prov:EmptyCollection), or that specializes such a one (inference 21).",
        finds=(
            Find(
                sql=f"SELECT r.bundle, r.a1 AS subject, NULL AS argument, [min(d.place), r.{RELATION_PLACE}] AS records, "
                f"[50] AS through FROM (SELECT *, rowid FROM {{graph}}.relation WHERE kind = {MEMBERSHIP}) r "
                "JOIN {made}.empty e ON e.bundle = r.bundle AND e.id = r.a1 "
                f"LEFT JOIN (SELECT bundle, id, {ELEMENT_PLACE} AS place FROM {{graph}}.element) d "
                "ON d.bundle = r.bundle AND d.id = r.a1 GROUP BY r.bundle, r.a1, r.rowid",
                message="{subject} is an empty collection, but has a member",
                over="empty",
            ),
        ),
    ),
)

RULES: tuple[Rule, ...] = (
    DATA_MODEL,
    _DISTINCT_BUNDLES,
    *DEFINITIONS,
    *INFERENCES,
    *UNIQUENESS,
    *ORDERING,
    _TYPING,
    *IMPOSSIBILITY,
    _RULES_OF_MENTIONS,
)
"""Every rule, in the order in which a report lists its violations."""

RULE_BY_CODE: dict[str, Rule] = {rule.code: rule for rule in RULES}
