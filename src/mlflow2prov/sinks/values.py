"""Attribute values as values of Python: what drivers of databases take."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from mlflow2prov.prov.datatypes import FLOATING, INTEGERS
from mlflow2prov.prov.namespaces import XSD

Value: TypeAlias = "str | int | float | bool | datetime"
Convert: TypeAlias = "Callable[[str], Value]"

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_FLOATING = re.compile(FLOATING)
_LARGEST = 2**63 - 1


def converter(datatype: str | None) -> Convert:
    """Return what makes values of the texts of a datatype, named by its IRI.

    A text that is none of the datatype, or too large for 64 bits, stays a text. Instants are aware, in UTC,
    of microseconds; one without a time zone stays a text, since it is no instant.

    >>> converter(XSD + "long")("12"), converter(XSD + "boolean")("true"), converter(None)("12")
    (12, True, '12')
    >>> converter(XSD + "dateTime")("2024-05-01T12:00:00.5+02:00")
    datetime.datetime(2024, 5, 1, 10, 0, 0, 500000, tzinfo=datetime.timezone.utc)
    """
    return _CONVERTERS.get(datatype or "", str)


def _integer(text: str) -> Value:
    if not _INTEGER.fullmatch(text):
        return text
    value = int(text)
    return value if -_LARGEST - 1 <= value <= _LARGEST else text


def _floating(text: str) -> Value:
    return float(text.replace("INF", "inf")) if _FLOATING.fullmatch(text) else text


def _boolean(text: str) -> Value:
    return {"true": True, "1": True, "false": False, "0": False}.get(text, text)


def _moment(text: str) -> Value:
    try:
        moment = datetime.fromisoformat(text)
        return text if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return text


_CONVERTERS: dict[str, Convert] = {
    **{XSD + name: _integer for name in INTEGERS},
    **{XSD + name: _floating for name in ("double", "float", "decimal")},
    XSD + "boolean": _boolean,
    XSD + "dateTime": _moment,
}
