"""What a rule of PROV-CONSTRAINTS is declared with; :mod:`mlflow2prov.validation.engine` interprets it.

SQL is written over the record tables of the graph, ``{graph}.element`` and ``{graph}.relation``, and over
the tables of :mod:`mlflow2prov.validation.prepared`, such as ``{made}.said``. A record stands as one
number, ``place``: twice its ``rowid``, and one more where it is a relation.
"""

from __future__ import annotations

from dataclasses import dataclass

ELEMENT_PLACE = "rowid * 2"
RELATION_PLACE = "rowid * 2 + 1"
"""SQL of the number under which a row of a table stands as a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """A query for what violates a rule.

    Attributes:
        sql: yields ``bundle``, ``subject`` (an identifier or NULL), ``argument`` (text or NULL),
            ``records`` (a list of places) and ``through`` (a list of the numbers of other rules that lead there).
        message: what is wrong; ``{subject}`` and ``{argument}`` stand for what the query found.
        over: the prepared table without whose rows there is nothing to find; empty where that can't be said.
    """

    sql: str
    message: str
    over: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A query for what precedes what.

    A node is twice the number of an entity (its generation), or one more than that of an activity (its start).

    Attributes:
        sql: yields ``bundle``, ``earlier``, ``later`` (nodes), ``place`` and ``through`` (a number or NULL).
        strict: whether the earlier event strictly precedes the later one.
        needs: which of ``earlier`` and ``later`` have to be entities with a generation.
    """

    sql: str
    strict: bool = False
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A definition, an inference or a constraint.

    Attributes:
        code: its number in PROV-CONSTRAINTS (``7.2`` is that of a section), ``DM`` for PROV-DM itself, ``LINKS``
            for PROV-LINKS.
        name: its name there.
        kind: ``definition``, ``inference``, ``uniqueness``, ``ordering``, ``typing``, ``impossibility``,
            ``data model`` or ``document``.
        says: what it says, in our words.
        how: how it is applied, where that is not plain from ``says``.
        finds: what violates it, one query each.
        edges: what it orders.
    """

    code: str
    name: str
    kind: str
    says: str
    how: str = ""
    finds: tuple[Find, ...] = ()
    edges: tuple[Edge, ...] = ()
