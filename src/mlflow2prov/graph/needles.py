"""What people go by, as it is looked for in texts.

Of each person, and how (:class:`Rule`):

- e-mail addresses, names of several words (also family name first), and anything else of several words
  or of 3 or 4 characters: between characters that are no letters, or at a change of case (``runAda``);
- single words of 5 characters or more, names of 8 letters or more written as one word, and words of
  2 characters or more in a script that has no upper case, such as Chinese: anywhere, also inside longer
  words;
- what is shorter than 3 characters, is a number, or is a common word such as ``root``: as a word of its
  own only, and a single character where it is the whole text;
- the words of a name, from 3 letters on: as words that begin with a capital letter, those of 5 letters
  or more in lower case, too; a word with an apostrophe or a hyphen (``O'Brien``) also as one (``obrien``);
- the family name with the first letter of the name (``alovelace``), as a word;
- names of three words or more without those in the middle (``Ada Lovelace`` of ``Ada K. Lovelace``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import permutations

from mlflow2prov.graph.agent_names import Agent, encoded
from mlflow2prov.graph.reading import folded, view
from mlflow2prov.graph.spared import words
from mlflow2prov.prov.namespaces import AGENT

COMMON = words(
    "root admin administrator user users ubuntu debian runner jovyan nobody daemon git github gitlab jenkins "
    "vagrant docker mlflow airflow spark hadoop app service default guest test tests me mail info contact noreply "
    "support system team bot agent author person people shared public dev data home work code local main master "
    "model models run runs experiment experiments metric metrics param params tag tags artifact artifacts dataset "
    "datasets train training testing validation eval evaluation file files path source version branch commit repo "
    "repository registered logged extraction entity activity mlflow2prov python name email username"
)
"""Account names that are common words as well: they identify nobody inside other words, and nothing as terms."""

PSEUDONYM = re.compile(r"p[0-9]{20}(?:v[0-9]{12})?")

SHORTEST_ANYWHERE = 5
_SHORTEST_JOINED = 8
_MOST_PARTS = 6
_NO_NAMES = words("the and for von van der den del dos das bot inc ltd gmbh prof")
_GAPS = (" ", "  ", "   ")


class Rule(IntEnum):
    """Where something counts as found, the loosest first."""

    ANYWHERE = 0
    WORD = 1
    NAME_WORD = 2
    OWN_WORD = 3
    WHOLE = 4


@dataclass(frozen=True, slots=True)
class Needle:
    """Something that a person goes by.

    Attributes:
        text: as it is looked for, see :func:`mlflow2prov.graph.reading.folded`.
        rule: where it counts.
        rank: what it says of the person; of several people with one text, the smallest counts.
    """

    text: str
    rule: Rule
    rank: int


def address_of(person: Agent) -> str | None:
    """Return the e-mail address that a person is known by: that of the identifier, else the first one."""
    word = own_word(person).lower()
    if person.iri == f"{AGENT}User.{encoded(word)}" and "@" in word:
        return word
    return min(person.emails, default=None)


def own_word(person: Agent) -> str:
    """Return what the local part of an agent's identifier says, decoded."""
    return view(person.local.removeprefix("User."), dashes=True).plain


def needles_of(person: Agent) -> Iterator[Needle]:
    """Yield what to look for of a person; what is a pseudonym already is not looked for."""
    for email in person.emails:
        yield from needle(email, 0)
        for word in _local_parts(email):
            yield from needle(word, 3)
    for text in {*person.usernames, *_own_words(person)}:
        yield from needle(text, 1)
        domain, backslash, account = text.rpartition("\\")
        if domain and backslash:  # of a Windows domain
            yield from needle(account, 1)
    together = {f"{one} {other}" for one, other in permutations(sorted(person.parts)[:_MOST_PARTS], 2)}
    for name in {*person.names, *together}:
        if not PSEUDONYM.search(name):
            yield from _needles_of_name(name)
    for name in person.parts:
        for one in needle(name, 4):
            is_usual = " " not in one.text and one.rule <= Rule.WORD and one.text.isascii()
            yield replace(one, rule=Rule.NAME_WORD) if is_usual else one


def _own_words(person: Agent) -> Iterator[str]:
    if person.prefix == "_":
        return
    for word in (own_word(person), person.local.removeprefix("User.")):
        yield word
        yield re.split(r"[/#:]", word)[-1]


def _needles_of_name(name: str) -> Iterator[Needle]:
    yield from needle(name, 2)
    parts = re.findall(r"[^\W_]+", folded(name))
    for order in (parts, [*parts[-1:], *parts[:-1]]):
        for gap in _GAPS if len(parts) > 1 else _GAPS[:1]:
            yield from needle(gap.join(order), 2)
        if len(parts) > 1 and len("".join(parts)) >= _SHORTEST_JOINED:
            yield from needle("".join(order), 2)
    yield from _without_middle(parts)
    pieces = [re.findall(r"[^\W_]+", folded(word)) for word in re.split(r"[\s,]+", name)]
    joined = ["".join(one) for one in pieces if one]
    if len(joined) > 1:
        yield from _likely_accounts(joined[0], joined[-1])
        yield from _likely_accounts(joined[-1], joined[0])  # "Lovelace, Ada"
    for one in pieces:
        yield from _needles_of_joined(one)
    for part in parts if len(parts) > 1 else ():
        if len(part) >= 3 and part.isalpha() and part not in _NO_NAMES and part not in COMMON:
            yield Needle(part, Rule.NAME_WORD, 4)


def _without_middle(parts: list[str]) -> Iterator[Needle]:
    """A name of more than two words without those between the first and the last one."""
    if len(parts) > 2 and len(parts[0]) > 1 and len(parts[-1]) > 1:
        for first, last in permutations((parts[0], parts[-1])):
            for gap in _GAPS:
                yield from needle(f"{first}{gap}{last}", 2)
            if len(first + last) >= _SHORTEST_JOINED:
                yield from needle(first + last, 2)


def _likely_accounts(given: str, family: str) -> Iterator[Needle]:
    """The family name with an initial before or after it, as accounts are often called."""
    for word in (f"{given[0]}{family}", f"{family}{given[0]}"):
        if len(family) >= SHORTEST_ANYWHERE and word.isalpha() and word not in COMMON:
            yield Needle(word, Rule.NAME_WORD, 4)


def _needles_of_joined(pieces: list[str]) -> Iterator[Needle]:
    """A word of a name that has an apostrophe or a hyphen, as it stands and without that."""
    joined = "".join(pieces)
    if len(pieces) > 1 and len(joined) >= SHORTEST_ANYWHERE and joined.isalpha():
        yield Needle(joined, Rule.NAME_WORD, 4)
        yield Needle(" ".join(pieces), Rule.NAME_WORD, 4)


def _local_parts(email: str) -> Iterator[str]:
    """The local part of an address, and the user's name in one with a tag or a number."""
    local, _, domain = email.partition("@")
    yield local
    before, plus, after = local.partition("+")
    if plus:
        yield after if "noreply" in domain or before.isdigit() else before


def needle(text: str, rank: int) -> Iterator[Needle]:
    """Yield what to look for of a text, if it is something to look for."""
    norm = "".join(character if character.isalnum() else " " for character in folded(text)).strip()
    if not norm or PSEUDONYM.fullmatch(text):
        return
    is_ascii, has_case = norm.isascii(), norm.upper() != norm
    if len(norm) == 1 and is_ascii:
        if not norm.isdigit():
            yield Needle(norm, Rule.WHOLE, rank)
    elif (len(norm) < 3 and is_ascii) or norm.replace(" ", "").isdigit() or norm in COMMON:
        yield Needle(norm, Rule.OWN_WORD, rank)
    elif " " in norm or (len(norm) < SHORTEST_ANYWHERE and (has_case or len(norm) == 1)):
        yield Needle(norm, Rule.WORD, rank)
    else:
        yield Needle(norm, Rule.ANYWHERE, rank)
