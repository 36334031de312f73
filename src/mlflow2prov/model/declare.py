"""The words in which provenance events are declared.

An event names rows of the source tables and says which elements and relations each row stands for.
All SQL in a declaration is an expression over the columns of the event's rows; the identifier of an
element is a column of its own name, so relations and later events refer to it by that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Attribute:
    """The value of an attribute: an SQL expression, and the datatype it is written with.

    ``datatype`` None is a plain string, made fit for XML unless it is ``ready``. ``many`` says that
    the expression is a list of values; ``always`` that it is never NULL, which saves a look; ``rare`` that
    it nearly always is, which an interpreter may find out.
    """

    sql: str
    datatype: str | None = None
    many: bool = False
    always: bool = False
    ready: bool = False
    rare: bool = False

    @property
    def expression(self) -> str:
        """The SQL of its lexical form, or of the list of these."""
        if self.datatype is None and not self.ready:
            return f"list_transform({self.sql}, lambda x: shown(x))" if self.many else f"shown({self.sql})"
        return f"({self.sql})::VARCHAR{'[]' if self.many else ''}"


def text(sql: str, *, many: bool = False, always: bool = False, ready: bool = False) -> Attribute:
    """A plain string."""
    return Attribute(sql, None, many, always, ready)


def integer(sql: str, *, always: bool = False) -> Attribute:
    """An xsd:long."""
    return Attribute(sql, "xsd:long", always=always)


def flag(sql: str, *, always: bool = False) -> Attribute:
    """An xsd:boolean."""
    return Attribute(sql, "xsd:boolean", always=always)


def instant_ms(sql: str) -> Attribute:
    """An xsd:dateTime from milliseconds since 1970."""
    return Attribute(f"moment_ms({sql})", "xsd:dateTime")


def instant_s(sql: str) -> Attribute:
    """An xsd:dateTime from seconds since 1970."""
    return Attribute(f"instant_s({sql})", "xsd:dateTime")


def lexical(sql: str, datatype: str, *, always: bool = False) -> Attribute:
    """A value that is in the lexical form of its datatype already."""
    return Attribute(sql, datatype, always=always)


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An entity, activity or agent that a row stands for.

    Attributes:
        kind: ``entity``, ``activity`` or ``agent``.
        prefix: of its namespace; an SQL expression when it starts with ``=``.
        name: the type word, then the SQL of each part of its identifier; an expression that starts
            with ``=`` is a part already.
        types: its ``prov:type`` values; one that starts with ``=`` is SQL, and left out where that is NULL.
        label: SQL of its ``prov:label``.
        label_is_ready: the label is fit for XML as it is.
        attributes: its other attributes, by their names in the ``m2p`` vocabulary.
        start, end: SQL of an activity's instants, in lexical form.
        when: SQL of a condition; the identifier is NULL where it does not hold.
    """

    kind: str
    prefix: str
    name: tuple[str, ...]
    types: tuple[str, ...]
    label: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    start: str | None = None
    end: str | None = None
    when: str | None = None
    label_is_ready: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A relation that a row stands for; left out where a required argument is NULL.

    Attributes:
        kind: its name in PROV-N.
        arguments: SQL of the formal arguments that are identifiers, in PROV-DM's order.
        time: SQL of its instant, in lexical form.
        role: its ``prov:role``, a word of the vocabulary; SQL when it starts with ``=``.
        types: its ``prov:type`` values.
        when: SQL of a condition.
        needs: arguments (by position) that must be there beyond those that PROV-DM requires.
        attributes: its other attributes, by their names in the ``m2p`` vocabulary.
    """

    kind: str
    arguments: tuple[str | None, ...]
    time: str | None = None
    role: str | None = None
    types: tuple[str, ...] = ()
    when: str | None = None
    needs: tuple[int, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulky:
    """A column of lists that some rows of an event have, which may be megabytes each.

    Attributes:
        column: its name, as elements' attributes read it; nothing else does.
        source: the source table that it comes from.
        rows: SQL of the column, and of the number ``n`` of the row of ``{rows}`` that it belongs to.
    """

    column: str
    source: str
    rows: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One kind of thing that happened, or that is there.

    Attributes:
        name: of the event; later events read its rows, with the identifiers as columns, under it.
        doc: what it says, in one sentence.
        rows: SQL of its rows, in a fixed order; source tables are there under their own names.
        view: SQL that widens ``{rows}`` by what need not be kept for each row.
        bulky: a column that is too wide for ``rows``; not together with a ``view``.
        elements: what each row stands for, by the name of the identifier column.
        relations: likewise.
    """

    name: str
    doc: str
    rows: str
    view: str | None = None
    bulky: Bulky | None = None
    elements: Mapping[str, Element] = field(default_factory=dict)
    relations: tuple[Relation, ...] = ()


def generated(entity: str, activity: str, role: str, time: str | None = None) -> Relation:
    """``entity`` wasGeneratedBy ``activity`` in a role, at a time; left out where there is no activity."""
    return Relation(kind="wasGeneratedBy", arguments=(entity, activity), time=time, role=role, needs=(1,))


def used(activity: str, entity: str, role: str | None = None, time: str | None = None) -> Relation:
    """``activity`` used ``entity`` in a role, at a time."""
    return Relation(kind="used", arguments=(activity, entity), time=time, role=role, needs=(1,))


def invalidated(entity: str, activity: str, role: str, time: str | None = None) -> Relation:
    """``entity`` wasInvalidatedBy ``activity`` in a role, at a time."""
    return Relation(kind="wasInvalidatedBy", arguments=(entity, activity), time=time, role=role, needs=(1,))


def derived(entity: str, source: str, activity: str | None = None, types: tuple[str, ...] = ()) -> Relation:
    """``entity`` wasDerivedFrom ``source`` by an activity."""
    return Relation(kind="wasDerivedFrom", arguments=(entity, source, activity), types=types)


def delegated(delegate: str, responsible: str, activity: str | None = None) -> Relation:
    """``delegate`` actedOnBehalfOf ``responsible`` in an activity."""
    return Relation(kind="actedOnBehalfOf", arguments=(delegate, responsible, activity))


def attributed(entity: str, agent: str) -> Relation:
    """``entity`` wasAttributedTo ``agent``."""
    return Relation(kind="wasAttributedTo", arguments=(entity, agent))


def associated(activity: str, agent: str, role: str, plan: str | None = None) -> Relation:
    """``activity`` wasAssociatedWith ``agent`` in a role, following a plan; one of the two is enough."""
    known = f"coalesce({agent}, {plan})" if plan else agent
    return Relation(
        kind="wasAssociatedWith", arguments=(activity, agent, plan), role=role, when=f"{known} IS NOT NULL"
    )


def informed(activity: str, informant: str) -> Relation:
    """``activity`` wasInformedBy ``informant``."""
    return Relation(kind="wasInformedBy", arguments=(activity, informant))


def member(collection: str, entity: str) -> Relation:
    """``collection`` hadMember ``entity``."""
    return Relation(kind="hadMember", arguments=(collection, entity))


def specialization(specific: str, general: str) -> Relation:
    """``specific`` specializationOf ``general``."""
    return Relation(kind="specializationOf", arguments=(specific, general))


def alternate(one: str, other: str) -> Relation:
    """``one`` alternateOf ``other``."""
    return Relation(kind="alternateOf", arguments=(one, other))


REPOSITORY = "=CASE WHEN prefix IS NULL THEN 'repo' ELSE prefix END"
"""The prefix of what is a repository's own, in rows with the ``prefix`` of the repository: ``repo``, ``repo2``, …"""
