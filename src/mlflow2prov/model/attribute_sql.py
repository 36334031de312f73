"""The SQL of names and attributes that events declare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlflow2prov.model.declare import Attribute, Element
from mlflow2prov.prov.namespaces import QUALIFIED_NAME

_RARE = 0.1
"""The share of the rows of an event below which an attribute is rarely there."""


def attributes_of(element: Element) -> list[tuple[str, Attribute]]:
    """The attributes of an element by their names, with its types and its label."""
    return [
        *(("prov:type", qualified_name(name)) for name in element.types),
        ("prov:label", Attribute(element.label, always=True, ready=element.label_is_ready)),
        *((f"m2p:{name}", attribute) for name, attribute in element.attributes.items()),
    ]


def with_share(attribute: Attribute, share: float) -> Attribute:
    """The attribute, given in what share of the rows it is there."""
    return replace(attribute, always=share == 1, rare=share < _RARE)


def filtered(attributes: Sequence[Attribute], pairs: Sequence[str]) -> str:
    """The SQL of the list of those pairs whose values are there.

    A list is filtered in those rows only that lack what is common, or have what is rare.
    """
    filtered = f"list_filter([{', '.join(pairs)}], lambda a: a.v IS NOT NULL)"
    if not any(attribute.rare for attribute in attributes):
        return filtered
    optional = [attribute for attribute in attributes if not attribute.always]
    usual = " AND ".join(f"({it.sql}) IS {'' if it.rare else 'NOT '}NULL" for it in optional)
    common = ", ".join(pair for pair, it in zip(pairs, attributes, strict=True) if not it.rare)
    return f"CASE WHEN {usual} THEN [{common}] ELSE {filtered} END"


def local_name(parts: tuple[str, ...]) -> str:
    """The SQL of the local part of an identifier: a word, and what is computed of columns."""
    word, *rest = parts
    pieces = [piece[1:] if piece.startswith("=") else f"part(({piece})::VARCHAR)" for piece in rest]
    joined = ", '--', ".join(pieces)
    return f"concat('{word}.', {joined})"


def qualified_name(name: str) -> Attribute:
    """The attribute that is a qualified name, or behind ``=`` the SQL of one."""
    if name.startswith("="):
        return Attribute(f"({name[1:]})", QUALIFIED_NAME)
    return Attribute(f"'{name}'", QUALIFIED_NAME, always=True)


def role_of(role: str) -> Attribute:
    """The attribute that is a role, or behind ``=`` the SQL of one."""
    if role.startswith("="):
        return Attribute(f"'m2p:' || ({role[1:]})", QUALIFIED_NAME)
    return Attribute(f"'m2p:{role}'", QUALIFIED_NAME, always=True)
