"""The event ordering constraints 30 to 49, and the specializations that must not lead back.

Validity asks for one thing: no event strictly precedes itself. Only constraint 42 is strict, between the
generations of two entities. All generations of one entity precede each other (39), and so do all starts of one
activity (31): they are one node each, whether they are said or inferred. Nothing but an invalidation comes after
an invalidation (40, 46), and nothing but ends and invalidations after an end (32, 44); a usage only leads to a
generation that has strictly to come after the generation of what was used (41 and 42), by an activity whose start
precedes both (33, 34). So a strict circle, if there is one, leads through generations and starts alone, and
the constraints that only lead to ends, invalidations and usages can't close one.
"""

from __future__ import annotations

from mlflow2prov.validation.declare import RELATION_PLACE, Edge, Rule
from mlflow2prov.validation.prepared import (
    ATTRIBUTION,
    DERIVATION,
    END,
    GENERATION,
    MENTION,
    SPECIALIZATION,
    START,
)


def _generated(column: str) -> str:
    return f"{column}::BIGINT * 2"


def _started(column: str) -> str:
    return f"{column}::BIGINT * 2 + 1"


def _edges(
    earlier: str, later: str, table: str, where: str, place: str = "place", through: str = "NULL"
) -> str:
    return (
        f"SELECT bundle, {earlier} AS earlier, {later} AS later, {place} AS place, {through}::INTEGER AS through "
        f"FROM {table} WHERE {where} AND ({earlier}) IS NOT NULL AND ({later}) IS NOT NULL"
    )


_EVENT, _RELATION = "{made}.event", "{graph}.relation"
_TO_AN_END = "Nothing that this asks for can be contradicted: from an end only ends and invalidations follow."
_TO_AN_INVALIDATION = (
    "Nothing that this asks for can be contradicted: from an invalidation only others follow."
)
_OF_USAGE = "A usage never closes a circle that constraints 34 and 42 don't close: see the explanation above."


def _ordering(code: str, name: str, says: str, how: str = "", edges: tuple[Edge, ...] = ()) -> Rule:
    return Rule(code=code, name=name, kind="ordering", says=says, how=how, edges=edges)


ORDERING: tuple[Rule, ...] = (
    _ordering("30", "start-precedes-end", "An activity starts before it ends.", _TO_AN_END),
    _ordering(
        "31",
        "start-start-ordering",
        "All starts of one activity happen at once.",
        "They are one node of the order.",
    ),
    _ordering("32", "end-end-ordering", "All ends of one activity happen at once.", _TO_AN_END),
    _ordering(
        "33", "usage-within-activity", "An activity uses things between its start and its end.", _OF_USAGE
    ),
    _ordering(
        "34",
        "generation-within-activity",
        "An activity generates things between its start and its end.",
        "The start precedes the generation, also where inferences 9, 10, 11 or 15 say it. " + _TO_AN_END,
        (
            Edge(sql=_edges(_started("a2"), _generated("a1"), _EVENT, f"kind = {GENERATION}")),
            Edge(
                sql=_edges(
                    *(_started("a3"), _generated("a1"), _RELATION, f"kind = {DERIVATION}"),
                    place=RELATION_PLACE,
                    through="11",
                )
            ),
            Edge(sql=_edges(_started("a3"), _generated("a2"), _EVENT, f"kind = {START}", through="9")),
            Edge(sql=_edges(_started("a3"), _generated("a2"), _EVENT, f"kind = {END}", through="10")),
        ),
    ),
    _ordering(
        "35",
        "wasInformedBy-ordering",
        "The informing activity starts before the informed one ends.",
        _TO_AN_END,
    ),
    _ordering(
        "36",
        "generation-precedes-invalidation",
        "An entity is generated before it is invalidated.",
        _TO_AN_INVALIDATION,
    ),
    _ordering("37", "generation-precedes-usage", "An entity is generated before it is used.", _OF_USAGE),
    _ordering(
        "38",
        "usage-precedes-invalidation",
        "An entity is used before it is invalidated.",
        _TO_AN_INVALIDATION,
    ),
    _ordering(
        "39",
        "generation-generation-ordering",
        "All generations of one entity happen at once.",
        "They are one node of the order.",
    ),
    _ordering(
        "40",
        "invalidation-invalidation-ordering",
        "All invalidations of one entity happen at once.",
        _TO_AN_INVALIDATION,
    ),
    _ordering(
        "41",
        "derivation-usage-generation-ordering",
        "A derivation's usage precedes its generation, where its activity is named.",
        _OF_USAGE,
    ),
    _ordering(
        "42",
        "derivation-generation-generation-ordering",
        "What something is derived from was generated strictly before it.",
        "The one constraint that is strict: a circle of the order that has such a step is a violation. It counts "
        "where both entities have a generation, said or inferred.",
        (
            Edge(
                sql=_edges(
                    *(_generated("a2"), _generated("a1"), _RELATION, f"kind = {DERIVATION}"),
                    place=RELATION_PLACE,
                ),
                strict=True,
                needs=("earlier", "later"),
            ),
        ),
    ),
    _ordering(
        "43",
        "wasStartedBy-ordering",
        "What triggers an activity's start is generated before it, and invalidated after it.",
        "So does the starter's own start, which by inference 9 generated the trigger. " + _TO_AN_INVALIDATION,
        (
            Edge(sql=_edges(_generated("a2"), _started("a1"), _EVENT, f"kind = {START}")),
            Edge(sql=_edges(_started("a3"), _started("a1"), _EVENT, f"kind = {START}", through="9")),
        ),
    ),
    _ordering(
        "44",
        "wasEndedBy-ordering",
        "What triggers an activity's end is generated before it, and invalidated after it.",
        _TO_AN_END,
    ),
    _ordering(
        "45",
        "specialization-generation-ordering",
        "The more general entity is generated before the more specific one.",
        "Leads on through entities of which nothing else is said (inference 19).",
        (
            Edge(
                sql=_edges(
                    *(_generated("general"), _generated("specific"), "{made}.specialization"),
                    f"kind = {SPECIALIZATION}",
                )
            ),
            Edge(
                sql=_edges(
                    *(_generated("general"), _generated("specific"), "{made}.specialization"),
                    f"kind = {MENTION}",
                )
            ),
        ),
    ),
    _ordering(
        "46",
        "specialization-invalidation-ordering",
        "The more specific entity is invalidated before the more general one.",
        _TO_AN_INVALIDATION,
    ),
    _ordering(
        "47",
        "wasAssociatedWith-ordering",
        "An activity and an agent that is associated with it exist at one time, also for the agents of a delegation "
        "(inference 14).",
        _TO_AN_END,
    ),
    _ordering(
        "48",
        "wasAttributedTo-ordering",
        "An agent exists before an entity is generated that is attributed to it.",
        edges=(
            Edge(
                sql=_edges(
                    *(_generated("a2"), _generated("a1"), _RELATION, f"kind = {ATTRIBUTION}"),
                    place=RELATION_PLACE,
                ),
                needs=("earlier",),
            ),
            Edge(
                sql=_edges(
                    *(_started("a2"), _generated("a1"), _RELATION, f"kind = {ATTRIBUTION}"),
                    place=RELATION_PLACE,
                )
            ),
        ),
    ),
    _ordering(
        "49",
        "actedOnBehalfOf-ordering",
        "The responsible agent exists before the one that acts on its behalf ceases to.",
        _TO_AN_END,
    ),
)
"""The event ordering constraints."""

SPECIALIZATIONS = Edge(
    sql=_edges("specific::BIGINT * 2", "general::BIGINT * 2", "{made}.specialization", "true"), strict=True
)
"""The steps of constraint 52: from a specific entity to a general one."""
