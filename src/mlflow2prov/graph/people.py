"""People by what they went by: names, user names and e-mail addresses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.agent_names import Agent
from mlflow2prov.graph.reading import unified


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person, and what they went by.

    Attributes:
        name: what the person is called; empty where only addresses are known.
        aliases: names, user names and e-mail addresses; ``Name <address>`` is that name together with
            that address only.
        email: the person's own address, if it is known.
        where: file and line, for messages.
        by_name: whether the name itself is an alias; it is none in a ``.mailmap``.
    """

    name: str
    aliases: tuple[str, ...] = ()
    email: str | None = None
    where: str = ""
    by_name: bool = True

    @property
    def called(self) -> str:
        """How messages name the person."""
        return f"{self.name or self.email}{f' ({self.where})' if self.where else ''}"

    def goes_by(self) -> set[str]:
        """Return what the person goes by, as it is written."""
        listed = {*self.aliases, self.email or "", self.name if self.by_name else ""}
        return {alias for alias in listed if alias.strip()}


_IDENTIFIER = re.compile(r"[^\s@:]*:[^\s@]+")


def _key(alias: str) -> str:
    """An alias as it is compared: whatever the case, white space once; what looks like an identifier as it is."""
    text = unicodedata.normalize("NFC", " ".join(alias.split()))
    return text if _IDENTIFIER.fullmatch(text) else " ".join(unified(text).split()).casefold()


class People:
    """People by what they go by; those of one name or address in several files are one.

    Names and addresses are the same whatever the case; identifiers count as they are written.

    Raises:
        UsageError: something is given to two people.
    """

    def __init__(self, people: Iterable[Person]) -> None:
        self._people: list[Person] = []
        self._same: dict[int, int] = {}
        self._by_key: dict[str, int] = {}
        self._written: dict[str, set[str]] = {}
        for person in people:
            number = len(self._people)
            self._people.append(person)
            for alias in sorted(person.goes_by()):
                self._written.setdefault(_key(alias), set()).add(alias)
                other = self._number(self._by_key.setdefault(_key(alias), number))
                if other != self._number(number):
                    self._join(alias, other, self._number(number))

    def _number(self, number: int) -> int:
        while number in self._same:
            number = self._same[number]
        return number

    def _join(self, alias: str, first: int, second: int) -> None:
        one, other = self._people[first], self._people[second]
        if not _are_one(one, other):
            raise UsageError(f"{alias!r} is given to two people: {one.called} and {other.called}")
        self._people[first] = replace(one, name=one.name or other.name, email=one.email or other.email)
        self._same[second] = first

    def of(self, agent: Agent) -> list[Person]:
        """Return the people that an agent is by what it goes by; several are a contradiction."""
        found: set[int | None] = set()
        for text in (*agent.usernames, *agent.names, agent.qualified_name):
            found |= self._found(text)
        for email in agent.emails:
            together = {name: self._found(f"{name} <{email}>") for name in agent.names}
            plain = self._found(email)
            if not any(together.values()):
                found |= plain
                continue
            for some in together.values():  # whoever else has this address is another
                found |= some or plain or {None}
        return [_SOMEONE_ELSE if number is None else self._people[number] for number in _in_order(found)]

    def _found(self, text: str) -> set[int | None]:
        number = self._by_key.get(_key(text))
        return set() if number is None else {self._number(number)}

    def unused(self, agents: Iterable[Agent]) -> list[str]:
        """Return the aliases that no agent goes by, in order."""
        seen: set[str] = set()
        for agent in agents:
            seen |= set(map(_key, (*agent.names, *agent.usernames, *agent.emails, agent.qualified_name)))
            seen |= {_key(f"{name} <{email}>") for name in agent.names for email in agent.emails}
        return sorted(min(self._written[key]) for key in set(self._by_key) - seen)


_SOMEONE_ELSE = Person(name="someone else of that address")


def _in_order(numbers: set[int | None]) -> list[int | None]:
    return sorted(numbers, key=lambda number: -1 if number is None else number)


def _are_one(one: Person, other: Person) -> bool:
    if one.email and other.email:
        return one.email.lower() == other.email.lower()
    return bool(one.name) and one.name.casefold() == other.name.casefold()
