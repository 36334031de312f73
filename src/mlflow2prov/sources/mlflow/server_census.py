"""Whether a server still has all that an earlier reading knew and nothing more, told by numbers.

A search tells of each thing all that was logged to it, which costs the server milliseconds. But where a page
begins is a number in its token: so one thing tells whether there are as many as are known. Where there are
not, halves are counted, down to a few things, which are read.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mlflow2prov.sources.mlflow.http_client import Pages
from mlflow2prov.sources.mlflow.known import Known, Place

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")

_EXPERIMENTS = 500

FEW = 100
"""So many things are read rather than counted in halves."""


@dataclass(frozen=True, slots=True)
class Found(Generic[_T]):
    """A page of a search: the things by their identifiers, and the token of the page that follows."""

    things: dict[str, _T]
    next_page_token: str | None


Ask = Callable[[Place, int, "str | None"], "Found[_T]"]
"""Asks for a page of what is in a place, of a size, by its token."""


class UncountableError(Exception):
    """The tokens of the server's pages are no numbers."""


def moved(token: str, offset: int) -> str:
    """The token of the page that begins elsewhere in the same search.

    Raises:
        UncountableError: it is not of the form that MLflow's own stores make.

    >>> moved("eyJvZmZzZXQiOiAxfQ==", 7)
    'eyJvZmZzZXQiOiA3fQ=='
    """
    try:
        told = json.loads(base64.b64decode(token, validate=True))
    except (ValueError, binascii.Error):
        raise UncountableError from None
    if not isinstance(told, dict) or told.get("offset") != 1:
        raise UncountableError
    return base64.b64encode(json.dumps({**told, "offset": offset}).encode()).decode()


@dataclass(slots=True)
class Census(Generic[_T]):
    """Compares numbers, and reads where they differ.

    Attributes:
        kind: of the things: ``run`` or ``logged_model``.
        known: the earlier reading.
        ask: the search for them.
        place_of: the experiment of a thing, and when it began.
        seen: what was found already, to which it adds.
        gone: what was asked for in vain already, to which it adds.
    """

    kind: str
    known: Known
    ask: Ask[_T]
    place_of: Callable[[_T], tuple[str | None, int | None]]
    seen: dict[str, _T]
    gone: set[str] = field(default_factory=set)

    def take(self, experiment_ids: Sequence[str]) -> bool:
        """Find all that came or went; return False where the server's pages can't be counted by.

        Takes a request or two where all is as known, and else about as many as there are doublings from
        `FEW` to the number of known things, for each of these that came or went. What did both of which one
        came and one went, in the same range of time, is not found.
        """
        new = self.known.unknown(self.kind, list(self.seen))
        came = [self.place_of(self.seen[found]) for found in new]
        try:
            for start in range(0, len(experiment_ids), _EXPERIMENTS):
                self._compare(Place(tuple(experiment_ids[start : start + _EXPERIMENTS])), came)
        except UncountableError:
            return False
        return True

    def _compare(self, place: Place, came: Iterable[tuple[str | None, int | None]]) -> None:
        here = [one for one in came if place.has(*one)]
        number = self.known.count(self.kind, place, self.gone)
        if self._are(place, number + len(here)):
            return
        halves = self._halves(place, number)
        if not halves:
            self._read(place)
        for half in halves:
            self._compare(half, here)

    def _halves(self, place: Place, number: int) -> list[Place]:
        """Parts of a place to look at one by one; none where it is small enough to be read."""
        some = place.experiment_ids
        if number <= FEW and len(some) == 1:
            return []
        if len(some) > 1:
            middle = len(some) // 2
            return [Place(some[:middle]), Place(some[middle:])]
        at = self.known.middle(self.kind, place)
        return [] if at is None else [Place(some, place.since_ms, at), Place(some, at, place.until_ms)]

    def _are(self, place: Place, number: int) -> bool:
        """Whether there are so many things in a place."""
        first = self.ask(place, 1, None)
        if number < 2 or not first.next_page_token:
            return len(first.things) == number and not first.next_page_token
        last = self.ask(place, 1, moved(first.next_page_token, number - 1))
        return len(last.things) == 1 and not last.next_page_token

    def _read(self, place: Place) -> None:
        """Read all that is in a place."""
        _logger.debug("other %ss than known: %s", self.kind, place)
        here: dict[str, _T] = {}
        pages, token = Pages(f"search for {self.kind}s"), None
        while True:
            found = self.ask(place, FEW, token)
            before = len(here)
            here |= found.things
            token = pages.after(found, new=len(here) - before)
            if token is None:
                break
        self.seen |= here
        self.gone |= set(self.known.members(self.kind, place)) - here.keys()


def shared_out(
    things: Sequence[tuple[str, str, int | None]], experiment_ids: Sequence[str], most: int, experiments: int
) -> list[tuple[Place, list[str]]]:
    """All experiments in parts, each of a few at most, with the identifiers of the things in each part.

    Args:
        things: their identifiers, experiments and beginnings, in the order of the latter two.
        experiment_ids: of all experiments.
        most: how many things there may be in a part.
        experiments: how many experiments.

    >>> parts = shared_out([("a", "1", 5), ("b", "1", 6), ("c", "2", 7)], ["1", "2"], 2, 9)
    >>> [(place.experiment_ids, names) for place, names in parts]
    [(('1',), ['a', 'b']), (('2',), ['c'])]
    """
    by_experiment: dict[str, list[tuple[str, int | None]]] = {it: [] for it in experiment_ids}
    for name, experiment_id, began_ms in things:
        if experiment_id in by_experiment:
            by_experiment[experiment_id].append((name, began_ms))
    parts: list[tuple[Place, list[str]]] = []
    some: list[str] = []
    names: list[str] = []
    for experiment_id, own in by_experiment.items():
        if some and (len(names) + len(own) > most or len(some) == experiments):
            parts.append((Place(tuple(some)), names))
            some, names = [], []
        if len(own) > most:
            parts += _ranges(experiment_id, own, most)
        else:
            some.append(experiment_id)
            names += [name for name, _ in own]
    return [*parts, (Place(tuple(some)), names)] if some else parts


def _ranges(
    experiment_id: str, things: Sequence[tuple[str, int | None]], most: int
) -> list[tuple[Place, list[str]]]:
    """The parts of an experiment, in ranges of time; what has no time is in none."""
    timed = [(name, at) for name, at in things if at is not None]
    bounds: list[int | None] = [None]
    for _, at in timed[most::most]:
        if at != bounds[-1]:
            bounds.append(at)
    places = [
        Place((experiment_id,), since, until)
        for since, until in zip(bounds, [*bounds[1:], None], strict=True)
    ]
    return [(place, [name for name, at in timed if place.has(experiment_id, at)]) for place in places]
