"""What a person chooses of an MLflow store; the same for every way in.

- ``experiments``, ``runs``, ``since``, ``until`` and ``filter`` choose runs. Of one kind one value has to fit,
  and of every kind that is given. A run's start time counts, and a run without one is in no span of time.
- ``models`` chooses registered models and prompts: their versions, and the runs that made those. Together
  with others it chooses the runs that all choose, and those versions whose run is chosen.
- With the chosen runs comes what they need to be understood: the runs above them, their experiments, datasets
  and traces, the logged models that they made, the versions made of those, with the models, aliases and
  prompts. A logged model that was made by a run that is not chosen comes alone.
- An experiment that is chosen by nothing else comes whole: with its logged models, datasets and traces that
  belong to no run. Evaluation datasets come with the experiments that they belong to.
- What belongs to no experiment, run or chosen model comes only where there is no selection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlflow2prov.errors import UsageError
from mlflow2prov.prov.instants import window_of

_MOST_NAMES = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is chosen of a store: everything where nothing is given.

    Attributes:
        experiments: identifiers or names of experiments.
        runs: identifiers or names of runs.
        models: names of registered models or prompts.
        since_ms: runs that started then or later.
        until_ms: runs that started before.
        filter: a filter of runs, as MLflow's ``search_runs`` takes it.

    >>> Selection.of(experiments=["wine"], since="1970-01-02").shown
    'experiment wine; since 1970-01-02T00:00:00Z'
    """

    experiments: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None
    filter: str | None = None

    @classmethod
    def of(
        cls,
        *,
        experiments: Sequence[str] = (),
        runs: Sequence[str] = (),
        models: Sequence[str] = (),
        since: str | None = None,
        until: str | None = None,
        filter: str | None = None,  # noqa: A002 - as MLflow calls it
    ) -> Selection:
        """The selection that options name, each thing once; times are ISO 8601.

        Raises:
            UsageError: a time can't be read, or ``since`` is not before ``until``.
        """
        first, last = window_of(since, until)
        return cls(
            experiments=_once(experiments),
            runs=_once(runs),
            models=_once(models),
            since_ms=_milliseconds(first),
            until_ms=_milliseconds(last),
            filter=filter.strip() or None if filter else None,
        )

    @property
    def is_everything(self) -> bool:
        """Whether nothing is given, and so everything is chosen."""
        return self == Selection()

    @property
    def has_window(self) -> bool:
        """Whether a span of time is given."""
        return self.since_ms is not None or self.until_ms is not None

    @property
    def is_of_models(self) -> bool:
        """Whether nothing but models is given, and so they are chosen with all of their versions."""
        return bool(self.models) and self == Selection(models=self.models)

    @property
    def is_of_experiments(self) -> bool:
        """Whether nothing but experiments is given, and so they are chosen as a whole."""
        return bool(self.experiments) and self == Selection(experiments=self.experiments)

    @property
    def shown(self) -> str:
        """What is chosen, for people."""
        named = [
            f"{kind} {name}"
            for kind, names in (
                ("experiment", self.experiments),
                ("run", self.runs),
                ("model", self.models),
            )
            for name in names
        ]
        named += [f"since {_shown(self.since_ms)}"] if self.since_ms is not None else []
        named += [f"until {_shown(self.until_ms)}"] if self.until_ms is not None else []
        named += [f"filter {self.filter}"] if self.filter else []
        return "; ".join(named)


def require_known(
    kind: str, asked: Iterable[str], known: Iterable[str], near: Callable[[], Iterable[str]]
) -> None:
    """See that all that is asked for is known.

    Args:
        kind: what is asked for, such as ``run``.
        asked: names or identifiers.
        known: those of them that there are.
        near: all names that there are, looked at where one is not known.

    Raises:
        UsageError: one is not known; says it, and the nearest names.

    >>> require_known("model", ["wine"], [], lambda: ["wines", "beer"])
    Traceback (most recent call last):
    mlflow2prov.errors.UsageError: the MLflow store has no model 'wine'; near to it is 'wines'
    """
    found = set(known)
    missing = [name for name in asked if name not in found]
    if not missing:
        return
    from difflib import get_close_matches

    names = list(dict.fromkeys(name for name in near() if name))
    told = []
    for name in missing:
        nearest = get_close_matches(name, names, _MOST_NAMES, 0.5)
        hint = f"near to it {'are' if len(nearest) > 1 else 'is'} {', '.join(map(repr, nearest))}"
        told.append(f"the MLflow store has no {kind} {name!r}; {hint if nearest else 'see its spelling'}")
    raise UsageError("; ".join(told))


def prompts_in(text: str | None) -> list[str]:
    """The names of prompts that a tag of links has.

    >>> prompts_in('[{"name": "qa", "version": "1"}]'), prompts_in("none")
    (['qa'], [])
    """
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    listed = found if isinstance(found, list) else []
    return [it["name"] for it in listed if isinstance(it, dict) and isinstance(it.get("name"), str)]


def copied_from(source: str | None) -> str | None:
    """The registered model that a version with this source is a copy of a version of.

    >>> copied_from("models:/wine/3"), copied_from("models:/m-1f00")
    ('wine', None)
    """
    found = re.fullmatch(r"models:/([^/]+)/[0-9]+", source or "")
    return found[1] if found else None


def _once(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((names,) if isinstance(names, str) else names))


def _milliseconds(instant: datetime | None) -> int | None:
    """The first millisecond since 1970 that is not before an instant."""
    return None if instant is None else -((_EPOCH - instant) // timedelta(milliseconds=1))


def _shown(instant_ms: int | None) -> str:
    instant = _EPOCH + timedelta(milliseconds=instant_ms or 0)
    return instant.isoformat(timespec="milliseconds" if instant.microsecond else "seconds").replace(
        "+00:00", "Z"
    )
