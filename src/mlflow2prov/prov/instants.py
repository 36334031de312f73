"""Instants that people write: ISO 8601, a date or a date with a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from mlflow2prov.errors import UsageError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")
"""How an instant begins: with a day of the calendar, not with a week's or a year's."""


def instant_of(option: str, text: str | datetime | None) -> datetime | None:
    """The instant in UTC that an option's text names, None where there is no text; without a zone it is UTC.

    Raises:
        UsageError: it is no date or instant.

    >>> instant_of("since", "2024-01-31T12:00+02:00").isoformat()
    '2024-01-31T10:00:00+00:00'
    """
    if text is None:
        return None
    if isinstance(text, datetime):
        text = text.isoformat()
    try:
        if not _DATE.match(text.strip()):
            raise ValueError(text)
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(
            f"{option} is {text!r}, which is no date or instant; write it like 2024-01-31 or 2024-01-31T12:00:00Z"
        ) from error
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError as error:
        raise UsageError(f"{option} is {text!r}, which is out of the range of years 1 to 9999") from error


def window_of(
    since: str | datetime | None, until: str | datetime | None
) -> tuple[datetime | None, datetime | None]:
    """The half-open span of time from ``since`` until ``until``.

    Raises:
        UsageError: one can't be read, or they are in the wrong order.
    """
    window = instant_of("since", since), instant_of("until", until)
    if window[0] and window[1] and window[0] >= window[1]:
        raise UsageError(f"since ({since}) has to be before until ({until})")
    return window
