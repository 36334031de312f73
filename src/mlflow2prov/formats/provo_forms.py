"""What a triple of PROV-O may mean, by the form that it has: the table that the reader of RDF joins with.

A form is a property with what kind of object it has (an IRI, a blank node, a literal of some datatype or
language) and, for ``rdf:type``, the class where it is one of PROV. A document has few of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow2prov.formats.provo_terms import (
    AGAIN,
    AT_TIME,
    ATTRIBUTE_NAMES,
    DESCRIBES,
    ELEMENT_CLASSES,
    ELEMENT_TIMES,
    EMPTY_BUNDLE,
    IMPLIED_CLASSES,
    LANGUAGE,
    NODE_CLASSES,
    RECORD_CLASSES,
    RECORDED,
    RECORDED_SUBJECT,
    RELATIONS,
    SLOTS,
    STRING,
    STRUCTURAL_CLASSES,
    recorded,
    unwrapped,
)
from mlflow2prov.prov.namespaces import PROV, XSD
from mlflow2prov.prov.records import KIND_BY_NAME

if TYPE_CHECKING:
    from mlflow2prov.graph.store import Store

ATTRIBUTE, SLOT, MOMENT = 1, 2, 4
"""Where triples of a form go; the bits of ``way``."""

QNAME = XSD + "QName"
QUALIFIED_NAMES = frozenset({QNAME, PROV + "QUALIFIED_NAME"})
"""Datatypes of literals that are qualified names, in the prefixes of their document."""

_POSITIONS = {
    **dict.fromkeys(("entity", "activity", "agent", "influencer"), 2),
    **{"hadActivity": 3, "hadPlan": 3, "asInBundle": 3, "hadGeneration": 4, "hadUsage": 5},
}
"""Which formal argument a property leads to, whatever the kind of relation."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a triple of some form says.

    Attributes:
        way: the tables that it goes to: ``ATTRIBUTE``, ``SLOT``, ``MOMENT``.
        role: ``class`` (the subject is a record of the kind), ``weak`` (it is, if nothing else says what it is),
            ``record`` (it describes a record of the kind), ``describes`` (the object is its identifier),
            ``bundle`` (it is a bundle), ``link`` (the object is a relation of the kind, the subject its first
            argument), ``argument`` (of the relation that the subject is), ``binary`` (subject and object are in a
            relation of the kind), or ``time``, ``start``, ``end``, ``moment`` (of a relation of the kind).
        kind: the number of a kind of record.
        position: of the formal argument.
        swapped: whether subject and object change places.
        special: the class that the relation is of besides.
    """

    way: int
    role: str = ""
    kind: int | None = None
    position: int | None = None
    swapped: bool = False
    special: str | None = None


@dataclass(frozen=True, slots=True)
class AttributeForm:
    """The name, datatype and language of an attribute, as IRIs; ``is_name`` where its values are IRIs.

    ``number`` is that of the occurrence of a value which a record has several times, else 1.
    """

    name: str
    datatype: str | None
    language: str | None
    is_name: bool
    number: int = 1


def _number(kind: str) -> int:
    return KIND_BY_NAME[kind].number


def _classes() -> Iterator[tuple[str, Meaning]]:
    for iri, kind in {**IMPLIED_CLASSES, **NODE_CLASSES}.items():
        if iri not in STRUCTURAL_CLASSES:
            yield iri, Meaning(ATTRIBUTE | SLOT, "weak", _number(kind))
    for iri, kind in {**ELEMENT_CLASSES, **NODE_CLASSES}.items():
        if iri in STRUCTURAL_CLASSES:
            yield iri, Meaning(SLOT, "class", _number(kind))
    for kind, iri in RECORD_CLASSES.items():
        yield iri, Meaning(SLOT, "record", _number(kind))
    yield EMPTY_BUNDLE, Meaning(SLOT, "bundle")


def _links() -> Iterator[tuple[str, Meaning]]:
    yield DESCRIBES, Meaning(SLOT, "describes")
    yield RECORDED_SUBJECT, Meaning(SLOT, "argument", position=1)
    for term in SLOTS:
        meaning = Meaning(SLOT, "argument", position=_POSITIONS[SLOTS[term]])
        yield from ((term, meaning), (recorded(term), meaning))
    for name, relation in RELATIONS.items():
        kind = _number(name)
        for inverse in relation.inverses:
            yield inverse, Meaning(SLOT, "binary", kind, swapped=True)
        yield relation.link, Meaning(SLOT, "link", kind)
        for link, special in relation.special_links.items():
            yield link, Meaning(SLOT, "link", kind, special=special)
        yield relation.binary, Meaning(SLOT, "binary", kind)
        for binary, special in relation.special.items():
            yield binary, Meaning(SLOT, "binary", kind, special=special)


def _moments() -> Iterator[tuple[str, Meaning]]:
    times = {AT_TIME: Meaning(MOMENT, "time")}
    for term, column in ELEMENT_TIMES.items():
        times[term] = Meaning(MOMENT, column.removesuffix("_time"), _number("activity"))
    for term, meaning in times.items():
        yield from ((term, meaning), (recorded(term), meaning))
    for name, relation in RELATIONS.items():
        for term in relation.moments:
            yield term, Meaning(MOMENT, "moment", _number(name))


_CLASSES = dict(_classes())
_LINKS = dict(_links())
_MOMENTS = dict(_moments())

_again = re.compile(f"{re.escape(AGAIN)}([2-9]|[1-9][0-9]{{1,8}})_(.+)", re.DOTALL)

_MEANING = ("way", "role", "kind", "position", "swapped", "special")
_COLUMNS = {
    **{"p": "VARCHAR", "form": "VARCHAR", "class": "VARCHAR", "number": "INTEGER", "is_named": "BOOLEAN"},
    **{"way": "UTINYINT", "role": "VARCHAR", "kind": "UTINYINT", "position": "UTINYINT"},
    **{"swapped": "BOOLEAN", "special": "VARCHAR"},
}


class Forms:
    """The forms of one document, numbered from 1 on, in a table ``form`` of a schema."""

    def __init__(self, store: Store, schema: str) -> None:
        self._store, self._schema = store, schema
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._properties: dict[int, str] = {}
        self.attributes: dict[int, AttributeForm] = {}
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        store.run(f"CREATE TABLE {schema}.form ({columns})")

    def add(self, forms: Iterable[tuple[str, str, str]]) -> None:
        """Take in forms that are new: the property, what the object is, and the class or nothing.

        What the object is: ``i`` for an IRI, ``b`` for a blank node, else what follows a literal's last quote.
        """
        rows: list[tuple[Any, ...]] = []
        for p, form, class_ in forms:
            number = self._numbers[p, form, class_] = len(self._numbers) + 1
            is_named = form in ("i", "b")
            meaning = meaning_of(p, is_named=is_named, class_=class_)
            self.attributes[number] = _attribute(p, form)
            self._properties[number] = p
            rows.append((p, form, class_, number, is_named, *(getattr(meaning, name) for name in _MEANING)))
        if rows:
            columns = ", ".join(f"unnest(?::{kind}[])" for kind in _COLUMNS.values())
            self._store.run(
                f"INSERT INTO {self._schema}.form SELECT {columns}",
                [list(column) for column in zip(*rows, strict=True)],
            )

    def number(self, p: str, form: str = "i") -> int:
        """The number of a form, which is added where it is new."""
        if (p, form, "") not in self._numbers:
            self.add([(p, form, "")])
        return self._numbers[p, form, ""]

    def property_of(self, number: int) -> str:
        """The property of a form."""
        return self._properties[number]


def meaning_of(p: str, *, is_named: bool, class_: str) -> Meaning:
    """Return what triples with a property say; ``is_named`` where the object is no literal.

    >>> meaning_of(PROV + "used", is_named=True, class_="").role
    'binary'
    """
    if class_:
        return _CLASSES[class_]
    if is_named:
        return _LINKS.get(p, Meaning(ATTRIBUTE))
    return _MOMENTS.get(p, Meaning(ATTRIBUTE))


def _attribute(p: str, form: str) -> AttributeForm:
    iri, number = _name(p)
    if form in ("i", "b"):
        return AttributeForm(iri, QNAME, None, is_name=True, number=number)
    if form.startswith("@"):
        return AttributeForm(iri, None, form[1:], is_name=False, number=number)
    datatype = form[3:-1]
    if datatype.startswith(LANGUAGE):
        return AttributeForm(iri, None, unwrapped(datatype, LANGUAGE), is_name=False, number=number)
    datatype = unwrapped(datatype)
    return AttributeForm(
        iri, None if datatype in ("", STRING) else datatype, None, is_name=False, number=number
    )


def _name(p: str) -> tuple[str, int]:
    """The name of an attribute, and the number of its value's occurrence, from a property."""
    iri, number = p, 1
    again = _again.fullmatch(p)
    if again:
        iri, number = unwrapped(AGAIN + again[2], AGAIN), int(again[1])
    elif len(p) > len(RECORDED):
        iri = unwrapped(p, RECORDED)
    name = ATTRIBUTE_NAMES.get(iri)
    return PROV + name.removeprefix("prov:") if name else unwrapped(iri), number
