"""Datatypes of XML Schema (https://www.w3.org/TR/xmlschema11-2/) whose values are numbers."""

from __future__ import annotations

INTEGERS: tuple[str, ...] = (
    "integer",
    "long",
    "int",
    "short",
    "byte",
    "nonNegativeInteger",
    "positiveInteger",
    "nonPositiveInteger",
    "negativeInteger",
    "unsignedLong",
    "unsignedInt",
    "unsignedShort",
    "unsignedByte",
)
"""Local names of the datatypes of whole numbers."""

FLOATING = r"[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?|INF)|NaN"
"""What spells a number that may have a fraction."""
