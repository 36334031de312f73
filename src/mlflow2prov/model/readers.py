"""Which rows an event reads, and after which event nothing reads some rows any more."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlflow2prov.model.declare import Element, Event, Relation

_WORD = re.compile(r"(?<![.\w])\w+")


def words_of(sql: str) -> frozenset[str]:
    """Return the words of some SQL, among which are the names of all that it reads.

    What stands behind a dot is a column.

    >>> sorted(words_of("SELECT r.state FROM runs r"))
    ['FROM', 'SELECT', 'r', 'runs']
    """
    return frozenset(_WORD.findall(sql))


def words_read_by(event: Event) -> frozenset[str]:
    """Return the words of all SQL of an event."""
    parts: list[str | None] = [event.rows, event.view, event.bulky.rows if event.bulky else None]
    things: tuple[Element | Relation, ...] = (*event.elements.values(), *event.relations)
    for thing in things:
        parts += [thing.when, *thing.types, *(attribute.sql for attribute in thing.attributes.values())]
        if isinstance(thing, Element):
            parts += [thing.prefix, *thing.name, thing.label, thing.start, thing.end]
        else:
            parts += [*thing.arguments, thing.time, thing.role]
    return words_of(" ".join(filter(None, parts))) - {event.name}


def read_last_by(events: Iterable[Event]) -> dict[str, frozenset[str]]:
    """Return, by the name of an event, the words that no event after it has in its SQL; and its own name likewise.

    >>> from mlflow2prov.model.events_git import COMMITS, PARENTS
    >>> found = read_last_by([COMMITS, PARENTS])
    >>> "git_merged" in found["commits"], "commits" in found["parents"]
    (True, True)
    """
    last: dict[str, str] = {}
    for event in events:
        last |= dict.fromkeys((event.name, *words_read_by(event)), event.name)
    found: dict[str, set[str]] = {}
    for word, name in last.items():
        found.setdefault(name, set()).add(word)
    return {name: frozenset(words) for name, words in found.items()}
