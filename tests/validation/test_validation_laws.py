"""Validation of random documents, beside a slow validator that does as the Recommendation says."""

from __future__ import annotations

import io
from typing import Any

from chase import NONE, Chase, ClashError, Statement, Unknown
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from documents import documents, graph_of
from mlflow2prov import formats

Made = list[tuple[str, list[str | None]]]
"""Statements: a name, and arguments."""

TIMES = {"t1": "2012-01-01T00:00:00Z", "t2": "2013-01-01T00:00:00Z"}
ENTITIES, ACTIVITIES, AGENTS = ("e1", "e2", "e3", "e4"), ("a1", "a2", "a3"), ("g1", "e1", "a1")
IDS = ("i1", "i2", "i3")
EVERYTHING = (*ENTITIES, *ACTIVITIES, "g1", *IDS)

SHAPES: dict[str, tuple[str, str]] = {
    "gen": ("wasGeneratedBy", "ieAt"),
    "use": ("used", "iaEt"),
    "inv": ("wasInvalidatedBy", "ieAt"),
    "start": ("wasStartedBy", "iaEAt"),
    "end": ("wasEndedBy", "iaEAt"),
    "inform": ("wasInformedBy", "iaa"),
    "der": ("wasDerivedFrom", "ieeNJJ"),
    "attr": ("wasAttributedTo", "ieg"),
    "assoc": ("wasAssociatedWith", "iaGP"),
    "del": ("actedOnBehalfOf", "iggA"),
    "infl": ("wasInfluencedBy", "ixx"),
    "spec": ("specializationOf", "ee"),
    "alt": ("alternateOf", "ee"),
    "member": ("hadMember", "ee"),
    "entity": ("entity", "e"),
    "activity": ("activity", "att"),
    "agent": ("agent", "g"),
    "empty": ("entity", "e"),
}
"""Each statement in PROV-N, and its arguments: small letters are required, but the identifier and times."""

POOLS = {
    "i": (None, None, None, *IDS),
    "E": (None, *ENTITIES),
    "e": ENTITIES,
    "A": (None, *ACTIVITIES),
    "a": ACTIVITIES,
    "N": (None, *ACTIVITIES),
    "J": (None, *IDS),
    "P": (None, *ENTITIES),
    "G": (None, *AGENTS),
    "g": AGENTS,
    "x": EVERYTHING,
    "t": (None, None, *TIMES),
}
ORDERLY = ("gen", "start", "end", "der", "attr", "spec", "entity", "activity")
"""What circles of the order are made of."""


@st.composite
def statements(draw: st.DrawFn, names: tuple[str, ...], most: int) -> Made:
    made = []
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=most)):
        made.append((name, [draw(st.sampled_from(POOLS[letter])) for letter in SHAPES[name][1]]))
    return made


def text(documents: list[Made]) -> bytes:
    """A document with a bundle for each list of statements."""
    lines = ["document", "prefix ex <http://example.org/>"]
    for number, made in enumerate(documents):
        lines += [f"bundle ex:b{number}", *map(line, made), "endBundle"]
    return "\n".join([*lines, "endDocument"]).encode()


def line(statement: tuple[str, list[str | None]]) -> str:
    name, arguments = statement
    word, shape = SHAPES[name]
    shown = [TIMES.get(a, f"ex:{a}") if a else "-" for a in arguments]
    own = f"{shown.pop(0)}; " if shape[0] == "i" else ""
    more = ", [prov:type = 'prov:EmptyCollection']" if name == "empty" else ""
    return f"{word}({own}{', '.join(shown)}{more})"


def known(made: Made) -> list[Statement]:
    """The statements after definitions 1 to 4: what is missing is unknown, or none."""
    found: list[Statement] = []
    for name, arguments in made:
        is_none = name == "der" and arguments[3] is None
        terms: list[Any] = []
        for letter, argument in zip(SHAPES[name][1], arguments, strict=True):
            stands_for_none = letter in "PN" or (letter == "J" and is_none)
            terms.append(argument or (NONE if stands_for_none else Unknown()))
        if name == "empty":
            found.append(("entity", tuple(terms)))
        found.append((name, tuple(terms)))
    return found


def compare(documents: list[Made]) -> None:
    with formats.read_from(io.BytesIO(text(documents)), "random.provn", "provn") as graph:
        violations = graph.validate().violations
    for number, made in enumerate(documents):
        found = {one.constraint for one in violations if one.bundle == f"ex:b{number}"}
        shown = "\n".join(map(line, made))
        try:
            chase = Chase(known(made))
        except ClashError:
            assert found & CLASHES, shown
            continue
        wanted = chase.impossible() | (set() if chase.is_ordered() else {"42"})
        # Of an identifier that has two kinds of relation, nothing more is asked than that it has.
        assert ("53" in found) if "53" in wanted else found == wanted, shown


CLASHES = {"53", *(str(code) for code in range(22, 30))}
"""What is violated where two constants would be equal; 53, where two kinds of relation imply two influences."""

SLOWLY = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@SLOWLY
@given(st.lists(statements(tuple(SHAPES), 9), min_size=1, max_size=30))
def test_it_says_what_the_slow_validator_says(documents: list[Made]) -> None:
    compare(documents)


@SLOWLY
@given(st.lists(statements(ORDERLY, 12), min_size=1, max_size=30))
def test_it_finds_the_circles_that_the_slow_validator_finds(documents: list[Made]) -> None:
    compare(documents)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents())
def test_it_leaves_the_document_as_it_is(raw: bytes) -> None:
    with graph_of(raw) as graph:
        tables = ("element", "relation", "name", "attribute_key", "bundle", "prefix")
        before = [graph.query(f"SELECT * FROM {{graph}}.{table}") for table in tables]
        first = graph.validate()
        assert [graph.query(f"SELECT * FROM {{graph}}.{table}") for table in tables] == before
        assert graph.validate() == first
