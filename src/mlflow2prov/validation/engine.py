"""Validation of a graph: the one interpreter of the rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mlflow2prov.graph.graph import Graph
from mlflow2prov.validation.declare import Rule
from mlflow2prov.validation.order import Circle, circles_of, inherit
from mlflow2prov.validation.orders import ORDERING, SPECIALIZATIONS
from mlflow2prov.validation.prepared import GENERATED, INHERITED, PREPARED
from mlflow2prov.validation.report import Report, Violation
from mlflow2prov.validation.rules import RULE_BY_CODE, RULES
from mlflow2prov.validation.shown import Shown

_STEPS_SHOWN = 20
_REPEATED = "the document has several bundles of the identifier {subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A violation in the numbers of the graph's tables, before it is put into words."""

    rule: Rule
    bundle: int
    message: str
    subject: int | None = None
    argument: str | None = None
    places: tuple[int, ...] = ()
    through: tuple[str, ...] = ()
    circle: Circle | None = None


def validate(graph: Graph, *, shapes: bool = False) -> Report:
    """Return every violation of PROV-CONSTRAINTS in a document and its bundles, each on its own.

    What is inferred is kept in tables of its own while the work lasts; the graph stays as it is. All is
    set-based in the engine; Python sees violations, and what is left of the order of events when all is
    taken away that no circle goes through.

    Args:
        graph: what to validate.
        shapes: check against the SHACL shapes of the vocabulary as well (see :mod:`mlflow2prov.validation.shapes`).

    >>> from prov.model import ProvDocument
    >>> document = ProvDocument()
    >>> _ = document.add_namespace("ex", "http://example.org/")
    >>> _ = document.specializationOf("ex:page", "ex:page")
    >>> validate(Graph.from_prov(document)).violations[0].message
    'ex:page specializes ex:page'
    """
    with graph.store.scratch("validation") as made:
        for sql in PREPARED:
            graph.store.run(_in(sql, graph, made))
        for table in INHERITED:
            inherit(graph.store, made, table)
        found = _violations(graph, made)
        found += _specializations(graph, made)
        graph.store.run(_in(GENERATED, graph, made))
        found += _order(graph, made)
    found += [
        Found(rule=RULE_BY_CODE["7.2"], bundle=0, message=_REPEATED, subject=number)
        for number in graph.repeated_bundles
    ]
    found.sort(key=lambda one: RULES.index(one.rule))
    violations = list(_told(graph, found))
    if shapes:
        from mlflow2prov.validation.shapes import violations_of_shapes

        violations += violations_of_shapes(graph)
    return Report(violations=tuple(violations))


def _in(sql: str, graph: Graph, made: str) -> str:
    return sql.replace("{graph}", graph.schema).replace("{made}", made)


def _violations(graph: Graph, made: str) -> list[Found]:
    """What the queries of the rules find; a query over a table that is empty is left out."""
    tables = {find.over for rule in RULES for find in rule.finds if find.over}
    empty = {
        table for table in sorted(tables) if not graph.store.run(f"SELECT 1 FROM {made}.{table} LIMIT 1")
    }
    return [one for rule in RULES for one in _found(graph, made, rule, empty)]


def _found(graph: Graph, made: str, rule: Rule, empty: set[str]) -> Iterator[Found]:
    for find in rule.finds:
        if find.over in empty:
            continue
        rows = graph.store.run(
            "SELECT bundle, subject, argument, records, through FROM "
            f"({_in(find.sql, graph, made)}) ORDER BY bundle, records"
        )
        for bundle, subject, argument, places, through in rows:
            yield Found(
                rule=rule,
                bundle=bundle,
                message=find.message,
                subject=subject,
                argument=argument,
                places=tuple(place for place in places if place is not None),
                through=tuple(str(number) for number in through or ()),
            )


def _specializations(graph: Graph, made: str) -> Iterator[Found]:
    rule = RULE_BY_CODE["52"]
    for circle in circles_of(graph.store, [("52", SPECIALIZATIONS)], lambda sql: _in(sql, graph, made), made):
        through = ("19",) if len(circle.nodes) > 1 else ()
        yield Found(
            rule=rule,
            bundle=circle.bundle,
            message="",
            places=circle.places,
            through=through,
            circle=circle,
        )


def _order(graph: Graph, made: str) -> Iterator[Found]:
    edges = [(rule.code, edge) for rule in ORDERING for edge in rule.edges]
    for circle in circles_of(graph.store, edges, lambda sql: _in(sql, graph, made), made):
        codes = {code for step in circle.steps for code in (step.code, step.through) if code}
        yield Found(
            rule=RULE_BY_CODE["42"],
            bundle=circle.bundle,
            message="",
            places=circle.places,
            through=tuple(sorted(codes - {"42"}, key=int)),
            circle=circle,
        )


def _told(graph: Graph, found: list[Found]) -> Iterable[Violation]:
    shown = Shown(graph)
    shown.look_up(
        (place for one in found for place in one.places),
        [
            number
            for one in found
            for number in (
                *(one.bundle, one.subject),
                *(node // 2 for node in (one.circle.nodes if one.circle else ())),
            )
            if number
        ],
    )
    for one in found:
        records = [shown.record(place) for place in one.places]
        if one.rule.kind == "document":
            records = [f"bundle {shown.name(one.subject or 0)}"]
        yield Violation(
            constraint=one.rule.code,
            name=one.rule.name,
            message=_message(one, shown),
            records=tuple(records),
            bundle=shown.name(one.bundle) if one.bundle else None,
            through=one.through,
        )


def _message(one: Found, shown: Shown) -> str:
    if one.circle is None:
        subject = shown.name(one.subject) if one.subject is not None else "a relation without identifier"
        return one.message.replace("{argument}", one.argument or "").replace("{subject}", subject)
    if one.rule.code == "52":
        names = [shown.name(node // 2) for node in one.circle.nodes]
        return " ".join(_short([names[0], *(f"specializes {name}" for name in (*names[1:], names[0]))]))
    return _way_around(one.circle, shown)


def _way_around(circle: Circle, shown: Shown) -> str:
    events = [
        f"{'start' if node % 2 else 'generation'} of {shown.name(node // 2)}"
        for node in (*circle.nodes, circle.nodes[0])
    ]
    words = [
        f"{'<' if step.strict else '≤'} {event}" for step, event in zip(circle.steps, events[1:], strict=True)
    ]
    more = f" (and {circle.others:,} more derivations that stand in such circles)" if circle.others else ""
    return f"an event strictly precedes itself: {' '.join(_short([events[0], *words]))}{more}"


def _short(steps: list[str]) -> list[str]:
    """The steps around a circle, without those in the middle of a long one; the records have them all."""
    if len(steps) <= _STEPS_SHOWN:
        return steps
    half = _STEPS_SHOWN // 2
    return [*steps[:half], f"… {len(steps) - 2 * half:,} steps …", *steps[-half:]]
