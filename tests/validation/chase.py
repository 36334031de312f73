"""A slow validator, as the Recommendation tells it: every inference, every event, every pair of events.

Statements are kept as they are; unknowns are variables, which the uniqueness constraints bind. It shares
nothing with the engine of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

NONE = "-"
"""A constant that is equal to itself only: there is none."""

Statement = tuple[str, tuple[object, ...]]
"""A name, and its arguments with the identifier first; texts are constants, others are variables."""

EVENTS = ("gen", "use", "inv", "start", "end")
PROPERTIES = {*EVENTS, "inform", "attr", "assoc", "del"}
RELATIONS = PROPERTIES | {"der", "infl"}
TYPES = {
    "gen": "ea",
    "use": "ae",
    "inv": "ea",
    "start": "aea",
    "end": "aea",
    "inform": "aa",
    "der": "eea",
    "attr": "e",
    "assoc": "a.e",
    "del": "..a",
    "spec": "ee",
    "alt": "ee",
    "member": "ee",
}


class Unknown:
    """A variable."""


class ClashError(Exception):
    """Two constants would have to be equal."""


class Chase:
    """What follows from statements.

    Raises:
        ClashError: a uniqueness constraint can't be satisfied.
    """

    def __init__(self, statements: list[Statement]) -> None:
        self.bound: dict[object, object] = {}
        self.statements: list[Statement] = []
        self.known: set[Statement] = set()
        self.done: set[tuple[str, object]] = set()
        for name, arguments in statements:
            self.add(name, *arguments)
        while self.infer() | self.unify():
            pass

    def value(self, term: object) -> object:
        while term in self.bound:
            term = self.bound[term]
        return term

    def add(self, name: str, *arguments: object) -> bool:
        statement = name, arguments
        if statement in self.known:
            return False
        self.known.add(statement)
        self.statements.append(statement)
        return True

    def all(self, name: str) -> list[tuple[object, ...]]:
        found = {
            tuple(self.value(term) for term in arguments): None
            for n, arguments in self.statements
            if n == name
        }
        return list(found)

    def equal(self, one: object, other: object) -> bool:
        one, other = self.value(one), self.value(other)
        if one is other or one == other:
            return False
        if isinstance(one, str) and isinstance(other, str):
            raise ClashError(f"{one} = {other}")
        if isinstance(one, str):
            one, other = other, one
        self.bound[one] = other
        return True

    def once(self, rule: str, *about: object) -> bool:
        key = rule, about
        if key in self.done:
            return False
        self.done.add(key)
        return True

    def infer(self) -> bool:
        before = len(self.statements)
        for name in (*RELATIONS, "entity", "activity", "spec", "empty"):
            for arguments in self.all(name):
                getattr(self, f"_{name}", lambda *_: None)(*arguments)
                if name in RELATIONS - {"infl"}:
                    self.add("infl", *arguments[:3])
        return len(self.statements) > before

    def _inform(self, own: object, informed: object, informant: object) -> None:
        if self.once("5", informed, informant):
            entity = Unknown()
            self.add("gen", Unknown(), entity, informant, Unknown())
            self.add("use", Unknown(), informed, entity, Unknown())

    def _gen(self, own: object, entity: object, activity: object, time: object) -> None:
        for _, user, used, _ in self.all("use"):
            pair = user, activity
            if (
                used == entity
                and pair not in {row[1:] for row in self.all("inform")}
                and self.once("6", *pair)
            ):
                self.once("5", *pair)  # which these very events satisfy
                self.add("inform", Unknown(), *pair)

    def _entity(self, entity: object) -> None:
        if self.once("7", entity):
            self.add("gen", Unknown(), entity, Unknown(), Unknown())
            self.add("inv", Unknown(), entity, Unknown(), Unknown())
        for specific, general in self.all("spec"):
            if general == entity:
                self.add("entity", specific)

    def _empty(self, entity: object) -> None:
        for specific, general in self.all("spec"):
            if general == entity:
                self.add("empty", specific)

    def _activity(self, activity: object, started: object, ended: object) -> None:
        if self.once("8", activity):
            self.add("start", Unknown(), activity, Unknown(), Unknown(), started)
            self.add("end", Unknown(), activity, Unknown(), Unknown(), ended)

    def _start(self, own: object, activity: object, trigger: object, starter: object, time: object) -> None:
        if self.once("9", own, trigger, starter):
            self.add("gen", Unknown(), trigger, starter, Unknown())

    def _end(self, own: object, activity: object, trigger: object, ender: object, time: object) -> None:
        if self.once("10", own, trigger, ender):
            self.add("gen", Unknown(), trigger, ender, Unknown())

    def _der(
        self, own: object, later: object, earlier: object, activity: object, generation: object, usage: object
    ) -> None:
        if activity != NONE and self.once("11", own):
            self.add("use", usage, activity, earlier, Unknown())
            self.add("gen", generation, later, activity, Unknown())

    def _attr(self, own: object, entity: object, agent: object) -> None:
        if self.once("13", own):
            activity = Unknown()
            self.add("gen", Unknown(), entity, activity, Unknown())
            self.add("assoc", Unknown(), activity, agent, Unknown())

    def _del(self, own: object, delegate: object, responsible: object, activity: object) -> None:
        if self.once("14", own):
            self.add("assoc", Unknown(), activity, delegate, Unknown())
            self.add("assoc", Unknown(), activity, responsible, Unknown())

    def _spec(self, specific: object, general: object) -> None:
        for lower, higher in self.all("spec"):
            if lower == general:
                self.add("spec", specific, higher)

    def unify(self) -> bool:
        changed = False
        for name in RELATIONS:
            for one, other in product(self.all(name), repeat=2):
                if one[0] == other[0]:
                    for pair in zip(one, other, strict=True):
                        changed |= self.equal(*pair)
        for name, key in (("gen", (1, 2)), ("inv", (1, 2)), ("start", (1, 3)), ("end", (1, 3))):
            for one, other in product(self.all(name), repeat=2):
                if all(one[place] == other[place] for place in key):
                    changed |= self.equal(one[0], other[0])
        for activity, started, ended in self.all("activity"):
            for other, *times in self.all("activity"):
                if activity == other:
                    changed |= self.equal(started, times[0]) | self.equal(ended, times[1])
            for name, time in (("start", started), ("end", ended)):
                for event in self.all(name):
                    if event[1] == activity:
                        changed |= self.equal(time, event[4])
        return changed

    def types(self) -> Iterator[tuple[str, object]]:
        for name, types in TYPES.items():
            for arguments in self.all(name):
                own = arguments if name in {"spec", "alt", "member"} else arguments[1:]
                yield from ((kind, term) for kind, term in zip(types, own, strict=False) if term != NONE)
        for name in ("entity", "activity"):
            yield from ((name[0], arguments[0]) for arguments in self.all(name))

    def impossible(self) -> set[str]:
        found: set[str] = set()
        if any(row[3] == NONE and (row[4] != NONE or row[5] != NONE) for row in self.all("der")):
            found.add("51")
        if any(specific == general for specific, general in self.all("spec")):
            found.add("52")
        ids = {name: {row[0] for row in self.all(name)} for name in RELATIONS}
        if any(ids[one] & ids[other] for one, other in product(PROPERTIES, repeat=2) if one != other):
            found.add("53")
        objects = {row[0] for name in ("entity", "activity", "agent") for row in self.all(name)}
        if any(objects & ids[name] for name in RELATIONS):
            found.add("54")
        types = set(self.types())
        if any(("a", term) in types for kind, term in types if kind == "e"):
            found.add("55")
        if {row[0] for row in self.all("member")} & {row[0] for row in self.all("empty")}:
            found.add("56")
        return found

    def order(self) -> Iterator[tuple[object, object, bool]]:
        """Every pair of events that 30 to 49 order: the earlier one, the later one, and whether strictly."""
        gen, use, inv, start, end = (self._by(name) for name in EVENTS)
        for before, after in ((start, end), (start, start), (end, end), (gen, inv), (gen, gen), (inv, inv)):
            yield from _all(before, after, lambda one, other: one[1] == other[1])  # 30 31 32 36 39 40
        yield from _all(start, use, lambda one, other: one[1] == other[1])  # 33
        yield from _all(use, end, lambda one, other: one[1] == other[1])
        yield from _all(start, gen, lambda one, other: one[1] == other[2])  # 34
        yield from _all(gen, end, lambda one, other: one[2] == other[1])
        yield from _all(gen, use, lambda one, other: one[1] == other[2])  # 37
        yield from _all(use, inv, lambda one, other: one[2] == other[1])  # 38
        for event in (start, end):  # 43 44
            yield from _all(gen, event, lambda one, other: one[1] == other[2])
            yield from _all(event, inv, lambda one, other: one[2] == other[1])
        for _, informed, informant in self.all("inform"):  # 35
            yield from _between(start, informant, end, informed)
        for _, later, earlier, activity, generation, usage in self.all("der"):
            if activity != NONE:
                yield usage, generation, False  # 41
            yield from _between(gen, earlier, gen, later, strict=True)  # 42
        for specific, general in self.all("spec"):
            yield from _between(gen, general, gen, specific)  # 45
            yield from _between(inv, specific, inv, general)  # 46
        for _, activity, agent, _ in self.all("assoc"):  # 47
            yield from _between(start, activity, inv, agent)
            yield from _between(gen, agent, end, activity)
            yield from _between(start, activity, end, agent)
            yield from _between(start, agent, end, activity)
        for _, entity, agent in self.all("attr"):  # 48
            yield from _between(gen, agent, gen, entity)
            yield from _between(start, agent, gen, entity)
        for _, delegate, responsible, _ in self.all("del"):  # 49
            yield from _between(gen, responsible, inv, delegate)
            yield from _between(start, responsible, end, delegate)

    def _by(self, name: str) -> list[tuple[object, ...]]:
        return self.all(name)

    def is_ordered(self) -> bool:
        """Whether no event strictly precedes itself."""
        steps = list(self.order())
        following: dict[object, set[object]] = {}
        for earlier, later, _ in steps:
            following.setdefault(earlier, set()).add(later)
        return not any(strict and earlier in _reach(following, later) for earlier, later, strict in steps)


Events = list[tuple[object, ...]]


def _all(
    before: Events, after: Events, fits: Callable[[tuple[object, ...], tuple[object, ...]], bool]
) -> Iterator[tuple[object, object, bool]]:
    yield from ((one[0], other[0], False) for one, other in product(before, after) if fits(one, other))


def _between(
    before: Events, first: object, after: Events, second: object, *, strict: bool = False
) -> Iterator[tuple[object, object, bool]]:
    for one, other in product(before, after):
        if one[1] == first and other[1] == second:
            yield one[0], other[0], strict


def _reach(following: dict[object, set[object]], start: object) -> set[object]:
    seen, waiting = {start}, [start]
    while waiting:
        for event in following.get(waiting.pop(), ()):
            if event not in seen:
                seen.add(event)
                waiting.append(event)
    return seen
