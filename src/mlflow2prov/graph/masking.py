"""Finding people in texts, whatever the spelling, and putting pseudonyms in their place.

A text is looked at as it reads (:mod:`mlflow2prov.graph.reading`): escapes of URIs, of JSON, of HTML and
of identifiers are decoded, accents and what is not seen are left out, case, the forms of letters and the
characters between words don't count. What is found there is replaced in the text as it stands; the rest
of it stays, byte for byte.

What is looked for is said in :mod:`mlflow2prov.graph.needles`. Names are not looked for inside
hexadecimal digests. Besides, every e-mail address, the name before it in a line such as
``Reported-by: Name <address>``, and the name of a home folder are replaced.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.agent_names import Agent, encoded
from mlflow2prov.graph.needles import (
    COMMON,
    PSEUDONYM,
    SHORTEST_ANYWHERE,
    Needle,
    Rule,
    address_of,
    needles_of,
)
from mlflow2prov.graph.reading import View, folded, view
from mlflow2prov.prov.namespaces import AGENT

SHORTEST_KEY_BYTES = 16


def require_secret(key: bytes) -> None:
    """Raise an error where a key is too short to be secret.

    Raises:
        UsageError: it is, or is no bytes.
    """
    if not isinstance(key, bytes):
        raise UsageError("the pseudonym key has to be bytes")
    if len(key) < SHORTEST_KEY_BYTES:
        raise UsageError(
            f"the pseudonym key has {len(key)} bytes, too few to be secret; it takes {SHORTEST_KEY_BYTES} or more, "
            "such as those of: head -c 32 /dev/urandom | base64"
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """Something found: where it stands in the text, what it reads, and what stands for it."""

    start: int
    end: int
    plain: str
    norm: str
    pseudonym: str
    is_exact: bool


class Mask:
    """Puts pseudonyms in the place of people; it holds some 2 kB for each of them.

    Attributes:
        needles: what is looked for, with the pseudonym that comes in its place.
    """

    def __init__(self, key: bytes, people: Iterable[Agent]) -> None:
        self._key = key
        owners: dict[str, tuple[Needle, set[str]]] = {}
        for person in people:
            pseudonym = self.pseudonym(person)
            for needle in needles_of(person):
                best, whose = owners.get(needle.text, (needle, set()))
                if needle.rank < best.rank:
                    whose = set()
                if needle.rank <= best.rank:
                    whose = whose | {pseudonym}
                kept = Needle(needle.text, min(best.rule, needle.rule), min(best.rank, needle.rank))
                owners[needle.text] = (kept, whose)
        self.needles: dict[Needle, str] = {
            needle: min(whose) if len(whose) == 1 else self.code(f"word:{needle.text}")
            for needle, whose in owners.values()
        }
        self._whole = {
            needle.text: code for needle, code in self.needles.items() if needle.rule is Rule.WHOLE
        }
        self._known = {
            needle.text: (needle, code)
            for needle, code in self.needles.items()
            if needle.rule is not Rule.WHOLE
        }
        sizes: dict[str, set[int]] = {}
        for text in self._known:
            sizes.setdefault(text[:3], set()).add(len(text))
        self._short = {text[0] for text in self._known if len(text) < 3}
        self._sizes = {head: sorted(lengths, reverse=True) for head, lengths in sizes.items()}

    def code(self, text: str) -> str:
        """Return the letter p and 20 digits that stand for a text under the key.

        >>> Mask(b"key", ()).code("email:ada@example.org")
        'p44630262150891648365'
        """
        return f"p{self._digits(text, 20)}"

    def number(self, text: str) -> str:
        """Return a number of ten digits that stands for one under the key; such a number stays.

        >>> mask = Mask(b"key", ())
        >>> mask.number("1001"), mask.number(mask.number("1001"))
        ('1243843978', '1243843978')
        """
        head, check = text[:7], text[7:]
        if len(text) == 10 and head[0] == "1" and check == self._digits(f"number:{head}", 3):
            return text
        head = f"1{self._digits(f'value:{text}', 6)}"
        return f"{head}{self._digits(f'number:{head}', 3)}"

    def pseudonym(self, person: Agent) -> str:
        """Return a person's pseudonym: that of the e-mail address, else of the identifier's IRI.

        Someone who is no agent, and has a user name only, goes by that.
        """
        address = address_of(person)
        if address:
            return self.code(f"email:{address}")
        return self.code(f"iri:{person.iri}" if person.iri else f"word:{folded(min(person.usernames))}")

    def identifier(self, person: Agent) -> str:
        """Return what stands in the place of a person's own word in the identifier.

        It is the pseudonym, and what tells identifiers of one person apart unless the address is the identifier.
        """
        word = person.local.removeprefix("User.")
        if PSEUDONYM.fullmatch(word):
            return word
        address, code = address_of(person), self.pseudonym(person)
        is_usual = address is None or person.iri == f"{AGENT}User.{encoded(address)}"
        return code if is_usual else f"{code}v{self._digits(f'spelling:{person.iri}', 12)}"

    def _digits(self, text: str, count: int) -> str:
        digest = hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        return f"{int.from_bytes(digest) % 10**count:0{count}}"

    def text(self, text: str, *, common: bool = True) -> str:
        """Return a text in which nobody can be found; ``common`` says to look for common words, too."""
        is_done = False
        while not is_done:
            dashes = _DASHED_LETTER.search(text) is not None
            found, is_done = self._found(text, dashes=dashes, common=common)
            text = _replaced(text, ((one, one.pseudonym) for one in found))
        return text

    def name(self, text: str, *, common: bool = True) -> str:
        """Return an identifier's local part, or an IRI, in which nobody can be found.

        A pseudonym here goes by what stands there, whoever is known to be called so: what was different
        stays different, and the same identifier becomes the same in every document.
        """
        is_done = False
        while not is_done:
            found, is_done = self._found(text, dashes="-" in text, common=common)
            text = _replaced(text, [(one, self._of_spelling(one, text)) for one in found])
        return text

    def across(self, iri: str, local: str) -> int:
        """Return how many characters of a local part belong to somebody's name that begins in the IRI."""
        border = len(iri)
        found, _ = self._found(iri + local, dashes=True, common=True)
        return max((one.end - border for one in found if one.start < border < one.end), default=0)

    def spelling(self, text: str) -> str:
        """Return what stands for a part of somebody's name in an identifier."""
        return f"{self.code(f'word:{folded(text)}')}v{self._digits(f'spelling:{text}', 12)}"

    def _of_spelling(self, one: _Found, text: str) -> str:
        spelled = text[one.start : one.end]
        if list(_addresses_in(one.plain)) == [(0, len(one.plain))]:
            code, usual = self.code(f"email:{one.plain.lower()}"), encoded(one.plain.lower())
        else:
            code, usual = self.code(f"word:{one.norm}"), one.norm
        return code if spelled == usual else f"{code}v{self._digits(f'spelling:{spelled}', 12)}"

    def _found(self, text: str, *, dashes: bool, common: bool) -> tuple[list[_Found], bool]:
        """What is found, from left to right; of what overlaps, the longest that begins first.

        The second says whether that is all: something may begin where something else is left out.
        """
        every: list[_Found] = []
        for has_dashes in (False, True) if dashes else (False,):
            # With dashes, what stands there may be an identifier of ours, or just have dashes.
            read = view(text, dashes=has_dashes)
            every += self._found_in(read, common=common)
            if read.has_unseen:  # which may stand for a blank, too
                every += self._found_in(view(text, dashes=has_dashes, breaks=True), common=common)
        every.sort(key=lambda one: (one.start, -one.end, not one.is_exact))
        chosen: list[_Found] = []
        is_all = True
        for one in every:
            if not chosen or one.start >= chosen[-1].end:
                chosen.append(one)
            else:
                is_all &= one.end <= chosen[-1].end
        return chosen, is_all

    def _found_in(self, read: View, *, common: bool) -> list[_Found]:
        whole = self._whole.get(read.norm.strip()) if common else None
        if whole:
            start = len(read.norm) - len(read.norm.lstrip())
            return [_piece(read, start, len(read.norm.rstrip()), whole)]
        needles = self._needles_in(read, common=common)
        return [*needles, *self._addresses(read), *self._home_folders(read)]

    def _needles_in(self, read: View, *, common: bool) -> Iterator[_Found]:
        norm, sizes, known = read.norm, self._sizes, self._known
        padded = f"{norm}  "
        place = 0
        digests: list[tuple[int, int]] | None = None
        while place < len(norm):
            likely = sizes.get(padded[place : place + 3], ())
            if norm[place] in self._short:  # a name of one or two characters, such as a Chinese one
                shorter = (sizes.get(norm[place : place + size], ()) for size in (2, 1))
                likely = [*likely, *chain.from_iterable(shorter)]
            for size in likely:
                needle, code = known.get(norm[place : place + size], _NOBODY)
                end = place + size
                if not code or end > len(norm) or not _fits(needle, read, place, end):
                    continue
                if needle.text in COMMON and (not common or _in_system_tag(read, place)):
                    continue
                if _HEXADECIMAL.issuperset(needle.text):
                    digests = _digests(norm) if digests is None else digests
                    if _is_inside(place, end, digests):
                        continue
                yield _piece(read, place, end, code)
                place = end - 1
                break
            place += 1

    def _addresses(self, read: View) -> Iterator[_Found]:
        if "@" not in read.plain:
            return
        for start, end in _addresses_in(read.plain):
            address = read.plain[start:end]
            if read.plain[max(0, start - 2) : start] != "//" and not address.startswith("git@"):
                yield _piece(read, start, end, self._of_address(address), is_exact=False)
        for match in _SIGNATURE.finditer(read.plain):
            if not PSEUDONYM.fullmatch(match[1]):
                yield _piece(read, *match.span(1), self._of_address(match[2]), is_exact=False)

    def _of_address(self, address: str) -> str:
        needle = "".join(one if one.isalnum() else " " for one in folded(address))
        return self._known.get(needle, _NOBODY)[1] or self.code(f"email:{address.lower()}")

    def _home_folders(self, read: View) -> Iterator[_Found]:
        for match in _HOME.finditer(read.plain):
            group = 1 if match[1] else 2
            word = folded(match[group])
            if word not in COMMON and not PSEUDONYM.search(word):
                yield _piece(read, *match.span(group), self.code(f"word:{word}"), is_exact=False)


_NOBODY = (Needle("", Rule.WHOLE, 0), "")
_HEXADECIMAL = frozenset("0123456789abcdef ")
_AFTER_AT = re.compile(r"@\w(?:[\w-]*\.)+[^\W\d_]{2,}")
_BEFORE_AT = re.compile(r"[\w.%+'-]+")
_LONGEST_LOCAL_PART = 256
_SIGNATURE = re.compile(r"(?m)^[ \t>]*[^\W\d_][\w-]*:[ \t]*([^<>\n:]{1,200}?)[ \t]*<([^<>\s]+@[^<>\s]+)>")
_HOME = re.compile(
    r"(?i)(?:(?<=[/\\])|^)(?:home|users)"
    r"(?:\\+([^/\\\n\"'?#,;:<>|&]+)(?=\\)|[/\\]+([^/\\\s\"'?#,;:<>|&]+))"
)
_DIGEST = re.compile(
    r"(?<![0-9a-z])(?:[0-9a-f]{8} [0-9a-f]{4} [0-9a-f]{4} [0-9a-f]{4} [0-9a-f]{12}|(?=[a-f]*[0-9])[0-9a-f]{7,})"
    r"(?![0-9a-z])"
)
_DASHED_LETTER = re.compile(r"-[C-F][0-9A-F]-[89AB][0-9A-F]")
_SYSTEM_TAG = re.compile(r"(?<![\w.])mlflow\.[\w.]{1,100}")


def _replaced(text: str, changes: Iterable[tuple[_Found, str]]) -> str:
    pieces, last = [], 0
    for one, fresh in changes:
        pieces += [text[last : one.start], fresh]
        last = one.end
    return "".join([*pieces, text[last:]]) if last else text


def _piece(read: View, start: int, end: int, pseudonym: str, *, is_exact: bool = True) -> _Found:
    first, last = read.span(start, end)
    return _Found(first, last, read.plain[start:end], read.norm[start:end], pseudonym, is_exact)


def _addresses_in(plain: str) -> Iterator[tuple[int, int]]:
    """Where e-mail addresses stand."""
    for match in _AFTER_AT.finditer(plain):
        before = plain[max(0, match.start() - _LONGEST_LOCAL_PART) : match.start()][::-1]
        local = _BEFORE_AT.match(before)
        if local:
            yield match.start() - local.end(), match.end()


def _digests(norm: str) -> list[tuple[int, int]]:
    return [match.span() for match in _DIGEST.finditer(norm)]


def _is_inside(start: int, end: int, digests: list[tuple[int, int]]) -> bool:
    """Whether something is a part, but not the whole, of a digest."""
    number = bisect_right(digests, (start, end)) - 1
    candidates = digests[max(0, number) : number + 2]
    return any(first <= start and end <= last and end - start < last - first for first, last in candidates)


def _in_system_tag(read: View, place: int) -> bool:
    """Whether a common word is part of the name of a tag of MLflow's own, such as ``mlflow.user``."""
    first = max(0, place - 100)
    return any(
        match.start() <= place - first < match.end()
        for match in _SYSTEM_TAG.finditer(read.plain[first : place + 100])
    )


def _fits(needle: Needle, read: View, start: int, end: int) -> bool:
    """Whether something that reads right stands where its rule wants it."""
    if needle.rule is Rule.ANYWHERE:
        return True
    if needle.rule is Rule.OWN_WORD:
        around = read.plain[max(0, start - 1) : start] + read.plain[end : end + 1]
        return not any(character.isalnum() or character in "_-" for character in around)
    if needle.rule is Rule.NAME_WORD and end - start < SHORTEST_ANYWHERE and read.plain[start].islower():
        return False
    return _begins(read, start) and _ends(read, end)


def _begins(read: View, start: int) -> bool:
    if start == 0 or not read.norm[start - 1].isalnum():
        return True
    before, first = read.norm[start - 1], read.norm[start]
    if before.isdigit() or first.isdigit():
        return before.isdigit() != first.isdigit()
    if before in "nrtbf" and read.plain[max(0, start - 2) : start - 1] == "\\":
        return True  # an escape of JSON's, such as that of a new line
    return read.plain[start].isupper() and read.plain[start - 1].islower()


def _ends(read: View, end: int) -> bool:
    if end == len(read.norm) or not read.norm[end].isalnum():
        return True
    last, after = read.norm[end - 1], read.norm[end]
    if last.isdigit() or after.isdigit():
        return last.isdigit() != after.isdigit()
    return read.plain[end].isupper() and read.plain[end - 1].islower()
