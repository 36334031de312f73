"""How long to wait before a request is sent again: what passes, and what the server asks for."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from mlflow2prov.errors import SourceError
from mlflow2prov.sources.mlflow.http_settings import HttpSettings

PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""The statuses that another attempt may not meet again."""

_MOST_WAIT_S = 120.0
_NOT_UNDERSTOOD = 2
_FIRST_CONNECTS = 2


@dataclass(slots=True, eq=False)
class PassingError(Exception):
    """A request failed for a reason that may pass; ``told`` is what to say where it does not.

    Attributes:
        told: the error for people.
        asked_s: how many seconds the server asks to wait, if it does.
        is_connection: there was no answer, or no whole one.
        is_nonsense: the answer could not be understood.
    """

    told: SourceError
    asked_s: float | None = None
    is_connection: bool = False
    is_nonsense: bool = False


def most_repetitions(settings: HttpSettings, most: int | None, error: PassingError, *, is_known: bool) -> int:
    """How often a request that failed with ``error`` is sent again at most.

    Args:
        settings: of the connection.
        most: the request's own limit.
        error: why it failed.
        is_known: whether the server has answered before; one that never did gets less patience.
    """
    count = settings.max_retries if most is None else min(most, settings.max_retries)
    if error.is_nonsense:
        return min(count, _NOT_UNDERSTOOD if is_known else 1)
    return min(count, _FIRST_CONNECTS) if error.is_connection and not is_known else count


def wait_s(settings: HttpSettings, nth: int, asked_s: float | None) -> float:
    """The seconds before the ``nth`` repetition, from 1 on: what the server asks, else ever longer; some at random.

    >>> settings = HttpSettings(backoff_factor=2, backoff_jitter=0)
    >>> [wait_s(settings, nth, None) for nth in (1, 2, 3, 9)]
    [0.0, 2.0, 4.0, 120.0]
    >>> wait_s(settings, 1, 30.0), wait_s(settings, 1, 86_400.0)
    (30.0, 120.0)
    """
    if asked_s is not None and settings.respect_retry_after:
        wait = asked_s
    else:
        wait = settings.backoff_factor * 2 ** min(nth - 2, 60) if nth > 1 else 0.0
    return min(wait, _MOST_WAIT_S) + random.uniform(0, settings.backoff_jitter)


def asked_wait_s(retry_after: str | None, now: datetime) -> float | None:
    """The seconds that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3); None where it says nothing.

    >>> now = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
    >>> asked_wait_s("7", now), asked_wait_s("Mon, 04 May 2026 12:00:30 GMT", now), asked_wait_s("soon", now)
    (7.0, 30.0, None)
    >>> asked_wait_s("-7", now), asked_wait_s("Mon, 04 May 2026 12:00:30 +99999999999999", now)
    (None, None)
    """
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
