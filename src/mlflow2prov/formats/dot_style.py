"""What drawings look like, as data, and the text of DOT: what both writers of drawings share.

Colours and shapes are those of PROV (https://www.w3.org/2011/prov/wiki/Diagrams). Text is escaped as
the DOT language wants it (https://graphviz.org/doc/info/lang.html): a quoted string for
:func:`quoted`, an HTML-like label for :func:`markup`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlflow2prov.prov.records import KIND_BY_NAME, RELATION_KINDS, RecordKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How elements of one kind are drawn."""

    shape: str
    fill: str
    line: str


LOOKS: dict[str, Look] = {
    "entity": Look(shape="oval", fill="#FFFC87", line="#808080"),
    "activity": Look(shape="box", fill="#9FB1FC", line="#0000FF"),
    "agent": Look(shape="house", fill="#FED37F", line="#B8860B"),
}
"""How elements are drawn, by the name of their kind."""

UNKNOWN = Look(shape="oval", fill="#FFFFFF", line="#808080")
"""How that is drawn of which not even the kind is known."""

PENS: dict[str, str] = {
    "wasGeneratedBy": "#006400",
    "used": "#8B1A1A",
    "wasInvalidatedBy": "#8B1A8B",
    "wasDerivedFrom": "#A0522D",
    "wasAttributedTo": "#C07A00",
    "wasAssociatedWith": "#C07A00",
    "actedOnBehalfOf": "#C07A00",
    "wasInformedBy": "#3050C0",
    "wasStartedBy": "#3050C0",
    "wasEndedBy": "#3050C0",
}
"""The colours of relations; the others are grey."""

PEN = "#606060"

GRAPH = (
    'charset="UTF-8", fontname="Helvetica,Arial,sans-serif", fontsize=11, rankdir=BT, '
    'style="rounded,dashed", color="#808080"'
)
NODE = 'fontname="Helvetica,Arial,sans-serif", fontsize=11, style=filled'
EDGE = 'fontname="Helvetica,Arial,sans-serif", fontsize=9, arrowsize=0.7'

_MEANT: dict[str, tuple[str, ...]] = {
    "entity": (
        *("entity", "trigger", "generatedEntity", "usedEntity", "plan", "specificEntity", "generalEntity"),
        *("alternate1", "alternate2", "collection", "bundle"),
    ),
    "activity": ("activity", "informed", "informant", "starter", "ender"),
    "agent": ("agent", "delegate", "responsible"),
}

MEANT: dict[str, int] = {name: KIND_BY_NAME[kind].number for kind, names in _MEANT.items() for name in names}
"""The kind that an element must be of which a relation has as that formal argument (PROV-CONSTRAINTS,
section 6.3); an influence may relate any (0)."""

UNDRAWN = frozenset({"generation", "usage"})
"""Formal arguments that name relations."""


def look(kind: RecordKind | None) -> Look:
    """Return how elements of a kind are drawn."""
    return LOOKS[kind.name] if kind else UNKNOWN


def pen(name: str) -> str:
    """Return the colour of a relation.

    >>> pen("used"), pen("hadMember")
    ('#8B1A1A', '#606060')
    """
    return PENS.get(name, PEN)


def drawn(kind: RecordKind) -> tuple[str, ...]:
    """Return the formal arguments of a relation that are drawn, in order.

    >>> drawn(KIND_BY_NAME["wasDerivedFrom"])
    ('generatedEntity', 'usedEntity', 'activity')
    """
    return tuple(name for name in kind.references if name not in UNDRAWN)


def references() -> list[tuple[RecordKind, str, int]]:
    """Return every drawn formal argument: kind of relation, its column, the number of the kind meant."""
    return [
        (kind, f"a{position}", MEANT.get(name, 0))
        for kind in RELATION_KINDS
        for position, name in enumerate(kind.references, 1)
        if name not in UNDRAWN
    ]


_ODD = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F\x{FFFE}\x{FFFF}]"
"""What neither XML, in which HTML-like labels are parsed, nor a C string can hold."""

_LONG = 2_000


def clean(sql: str) -> str:
    """SQL of a text without the characters that Graphviz can't take."""
    return f"regexp_replace({sql}, '{_ODD}', '\ufffd', 'g')"


def line(sql: str, most: int) -> str:
    """SQL of a text as one line of at most so many characters: its beginning, an ellipsis, its end."""
    ends = f"CASE WHEN length({sql}) > {_LONG} THEN concat(left({sql}, {most * 2}), right({sql}, {most})) ELSE {sql} END"
    text = f"trim(regexp_replace({clean(ends)}, '\\s+', ' ', 'g'))"
    start, end = most * 3 // 5, most * 2 // 5 - 1
    shortened = f"concat(left_grapheme(t, {start}), '…', right_grapheme(t, {end}))"
    return f"list_transform([{text}], lambda t: CASE WHEN length(t) > {most} THEN {shortened} ELSE t END)[1]"


def shortened(sql: str) -> str:
    """SQL of a local name for people: of long hexadecimal numbers, the first seven digits only."""
    return f"regexp_replace({sql}, '([0-9a-fA-F]{{7}})[0-9a-fA-F]{{9,}}', '\\1…', 'g')"


def quoted(sql: str) -> str:
    r"""SQL of what stands for a text inside a quoted string: backslashes, quotes and entities escaped."""
    escaped = f"replace(replace(replace({sql}, '\\', '\\\\'), '\"', '\\\"'), '&', '&amp;')"
    return f"replace({escaped}, chr(10), '\\n')"


def identity(sql: str) -> str:
    """SQL of what stands for a text inside a quoted string that is a node's name, where entities are none."""
    return f"replace(replace({clean(sql)}, '\\', '\\\\'), '\"', '\\\"')"


def markup(sql: str) -> str:
    r"""SQL of what stands for a text inside an HTML-like label, where ``\N`` would be the node's name, too."""
    escaped = f"replace(replace(replace({sql}, '&', '&amp;'), '<', '&lt;'), '>', '&gt;')"
    return f"replace(replace(replace({escaped}, '\"', '&quot;'), '\\', '\\\\'), chr(10), '<BR/>')"


def wrapped(sql: str, width: int = 26) -> str:
    """SQL of a line broken at spaces into lines of some ``width`` characters, as few as there can be."""
    broken = (
        f"regexp_replace({sql}, '(\\S.{{{width // 2},{width - 1}}})(\\s|$)', concat('\\1', chr(10)), 'g')"
    )
    return f"rtrim({broken}, chr(10))"


def node_name(prefix: str = "n.prefix", local: str = "n.local") -> str:
    """SQL of an identifier as a node's name, without the quotes.

    Names that start with one colon are left to what is no identifier; see :func:`scope`.
    """
    plain = f"CASE WHEN starts_with({local}, ':') THEN ':' ELSE '' END || {local}"
    return identity(f"CASE WHEN {prefix} = '' THEN {plain} ELSE {prefix} || ':' || {local} END")


def scope(bundle: int) -> str:
    """Return what stands before the names of nodes in a bundle, by its place in the document; 0 is none.

    >>> scope(0), scope(2)
    ('', ':2 ')
    """
    return f":{bundle} " if bundle else ""


def fallback(prefix: str = "n.prefix", local: str = "n.local") -> str:
    """SQL of what people read where an element has no label: its local name."""
    return line(shortened(f"CASE WHEN trim({local}) = '' THEN {prefix} || ':' ELSE {local} END"), 40)
