"""The uniqueness constraints 22 to 29: what is one thing, and has therefore one value of each formal argument."""

from __future__ import annotations

from collections.abc import Iterator

from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.validation.declare import ELEMENT_PLACE, Find, Rule
from mlflow2prov.validation.prepared import (
    ACTIVITY,
    ASSOCIATION,
    DERIVATION,
    END,
    GENERATION,
    INVALIDATION,
    START,
    canonical_time,
)

_THROUGH = "list_sort(list_distinct(list(through) FILTER (through > 0)))"
_NONE = "[]::INTEGER[]"


def _key_of_activities() -> Find:
    times = " UNION ALL ".join(
        f"SELECT bundle, id, '{name}' AS argument, {column} AS time, {ELEMENT_PLACE} AS place "
        f"FROM {{graph}}.element WHERE kind = {ACTIVITY} AND {column} IS NOT NULL"
        for name, column in (("startTime", "start_time"), ("endTime", "end_time"))
    )
    several = "SELECT bundle, id, argument FROM t GROUP BY ALL HAVING count(*) > 1 AND min(time) <> max(time)"
    return Find(
        sql=f"WITH t AS ({times}), u AS (SELECT bundle, id, argument, {canonical_time('time')} AS value, "
        f"min(place) AS place FROM t SEMI JOIN ({several}) s USING (bundle, id, argument) GROUP BY ALL) "
        f"SELECT bundle, id AS subject, argument, list(place ORDER BY place) AS records, {_NONE} AS through "
        "FROM u GROUP BY bundle, id, argument HAVING count(*) > 1",
        message="the activity {subject} has several values of {argument}",
    )


def _keys_of_relations() -> Find:
    values = " UNION ALL ".join(
        f"SELECT bundle, kind, id, '{column}' AS place_of, {column}::VARCHAR AS value, place, through "
        f"FROM {{made}}.clashing WHERE {column} IS NOT NULL"
        for column in ARGUMENT_COLUMNS
    )
    time = (
        f"SELECT bundle, kind, id, 'time', {canonical_time('time')}, place, through "
        "FROM {made}.clashing WHERE time IS NOT NULL"
    )
    return Find(
        sql=f"WITH v AS (SELECT bundle, kind, id, place_of, value, min(place) AS place, min(through) AS through "
        f"FROM ({values} UNION ALL {time}) GROUP BY bundle, kind, id, place_of, value) "
        "SELECT bundle, id AS subject, any_value(a.name) AS argument, list(place ORDER BY place) AS records, "
        f"{_THROUGH} AS through FROM v JOIN {{made}}.argument a ON a.kind = v.kind AND a.place_of = v.place_of "
        "GROUP BY bundle, v.kind, id, v.place_of HAVING count(*) > 1",
        message="{subject} has several values of {argument}",
        over="clashing",
    )


def _keys_without_an_argument(kind: int, column: str, name: str) -> Find:
    return Find(
        sql=f"SELECT bundle, id AS subject, '{name}' AS argument, [min(place) FILTER ({column} IS NOT NULL), "
        f"min(place) FILTER ({column} IS NULL)] AS records, {_NONE} AS through FROM {{made}}.said "
        f"WHERE kind = {kind} AND through = 0 GROUP BY bundle, id HAVING count({column}) BETWEEN 1 AND count(*) - 1",
        message="{subject} has a {argument}, and has none: - stands for none here, not for an unknown one",
        over="said",
    )


def _unique(kind: int, key: str, noun: str) -> Find:
    return Find(
        sql=f"WITH v AS (SELECT bundle, a1, key, id, min(place) AS place FROM {{made}}.shared WHERE kind = {kind} "
        "AND id IS NOT NULL AND id NOT IN (SELECT id FROM {made}.blank) GROUP BY ALL) "
        f"SELECT bundle, a1 AS subject, NULL AS argument, list(place ORDER BY place) AS records, {_NONE} AS through "
        "FROM v GROUP BY bundle, a1, key HAVING count(*) > 1",
        message=f"{{subject}} has one {noun} by one {key}, but it has several identifiers",
        over="shared",
    )


def _keys_through(number: int, kind: int, key: str, noun: str) -> Iterator[Find]:
    columns = {"time": canonical_time("time")}
    if kind in (START, END):
        columns["trigger"] = "a2"
    for name, column in columns.items():
        raw = "time" if name == "time" else "a2"
        yield Find(
            sql=f"WITH v AS (SELECT bundle, a1, key, {column} AS value, min(place) AS place FROM {{made}}.shared "
            f"WHERE kind = {kind} AND {raw} IS NOT NULL GROUP BY ALL) "
            f"SELECT bundle, a1 AS subject, '{name}' AS argument, list(place ORDER BY place) AS records, "
            f"[{number}] AS through FROM v GROUP BY bundle, a1, key HAVING count(*) > 1",
            message=f"{{subject}} has one {noun} by one {key}, but it has several values of {{argument}}",
            over="shared",
        )


def _time_of(kind: int, column: str, noun: str) -> Find:
    described = (
        f"SELECT bundle, id, {column} AS time, {ELEMENT_PLACE} AS place, false AS is_event FROM {{graph}}.element "
        f"WHERE kind = {ACTIVITY}"
    )
    events = (
        f"SELECT bundle, a1 AS id, time, place, true AS is_event FROM {{made}}.event "
        f"WHERE kind = {kind} AND time IS NOT NULL"
    )
    return Find(
        sql=f"WITH e AS (SELECT * FROM ({events}) SEMI JOIN ({described}) d USING (bundle, id)), "
        f"t AS (SELECT * FROM e UNION ALL SELECT * FROM ({described}) WHERE time IS NOT NULL), "
        f"v AS (SELECT bundle, id, {canonical_time('time')} AS value, min(place) AS place, bool_or(is_event) AS is_event "
        "FROM t SEMI JOIN e USING (bundle, id) GROUP BY ALL) "
        f"SELECT bundle, id AS subject, NULL AS argument, list(place ORDER BY place) AS records, {_NONE} AS through "
        "FROM v GROUP BY bundle, id HAVING count(*) > 1 AND bool_or(is_event)",
        message=f"the activity {{subject}} has several times of its {noun}",
        over="event",
    )


_UNIQUE = (
    (24, "unique-generation", GENERATION, "activity", "generation"),
    (25, "unique-invalidation", INVALIDATION, "activity", "invalidation"),
    (26, "unique-wasStartedBy", START, "starter", "start"),
    (27, "unique-wasEndedBy", END, "ender", "end"),
)

UNIQUENESS: tuple[Rule, ...] = (
    Rule(
        code="22",
        name="key-object",
        kind="uniqueness",
        says="An identifier has one entity, one activity and one agent: several descriptions are one.",
        how="Attributes are united; of an activity, the times must be the same instants.",
        finds=(_key_of_activities(),),
    ),
    Rule(
        code="23",
        name="key-properties",
        kind="uniqueness",
        says="An identifier has one generation, one usage, …: several records of a kind are one.",
        how="Each formal argument has one value; a missing one is unknown, but for a derivation's activity and an "
        "association's plan, where missing means none. What inferences 11 and 15 say of an identifier counts, "
        "and so do records that constraints 24 to 27 make one.",
        finds=(
            _keys_of_relations(),
            _keys_without_an_argument(DERIVATION, "a3", "activity"),
            _keys_without_an_argument(ASSOCIATION, "a3", "plan"),
            *(
                find
                for number, _, kind, key, noun in _UNIQUE
                for find in _keys_through(number, kind, key, noun)
            ),
        ),
    ),
    *(
        Rule(
            code=str(number),
            name=name,
            kind="uniqueness",
            says=f"There is one {noun} of {'an activity' if kind in (START, END) else 'an entity'} by one {key}.",
            how="Where their identifiers are given, they must be the same; blank ones may stand for any.",
            finds=(_unique(kind, key, noun),),
        )
        for number, name, kind, key, noun in _UNIQUE
    ),
    Rule(
        code="28",
        name="unique-startTime",
        kind="uniqueness",
        says="A described activity's start time is the time of each of its starts.",
        how="Spellings of one instant are the same, whatever their time zone; a time without a time zone is another "
        "than one with it.",
        finds=(_time_of(START, "start_time", "start"),),
    ),
    Rule(
        code="29",
        name="unique-endTime",
        kind="uniqueness",
        says="A described activity's end time is the time of each of its ends.",
        how="As for constraint 28.",
        finds=(_time_of(END, "end_time", "end"),),
    ),
)
"""The uniqueness constraints."""
