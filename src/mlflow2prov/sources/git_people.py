"""Who commits and tags name: the mail map's spelling of a person, and the people in a message's trailers.

Both are read here and not by Git, whose answers depend on the user's settings (``trailer.*``,
``core.commentChar``, ``mailmap.*``) and on the mail map that happens to lie in the work tree.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_warnings import warn

_LOG = logging.getLogger(__name__)

Person = tuple[bytes, bytes]
"""A name and an e-mail address, both may be empty."""

_SPACE = b" \t\r\n"
_NAME_AND_EMAIL = re.compile(rb"([^<]*)<([^>]*)>")
_ADDRESS = re.compile(rb"<([^<>]*)>")
_AND = re.compile(rb"\s*(?:[,;&]|and\b)")
_BETWEEN = re.compile(rb"[\s,;]+")
_BARE = re.compile(rb'[^\s<>,;@()"]+@[^\s<>,;@()"]+')
_MAIL_MAPS = ("refs/remotes/origin/HEAD:.mailmap", "HEAD:.mailmap")

TRAILER_ROLES = {
    b"co-authored-by": "CoAuthor",
    b"signed-off-by": "SignedOffBy",
    b"reviewed-by": "ReviewedBy",
}
"""The trailers that name people, in lower case, and the roles that these have in the commit."""

_END_OF_ALL = b"ed-"
"""What all of them have in them."""
_NEXT_LINE = re.compile(rb"\n[ \t\r\n]*")
_TRAILER = re.compile(rb"([A-Za-z0-9-]+)[ \t]*:")
_GIT_GENERATED = (b"Signed-off-by: ", b"(cherry picked from commit ")
_CO_AUTHOR = re.compile(
    rb"^co-authored-by:[ \t]*([^<\n]*<[^<>\s@]+@[^<>\s]+>)[ \t\r]*$", re.IGNORECASE | re.MULTILINE
)
_OF_SEVERAL = re.compile(
    rb"^(?:[*-] \S|-{5,}[ \t\r]*$|\(cherry picked from commit [0-9a-f]+|Squashed commit of the following:"
    rb"|(?:# )?This is (?:a combination of|the (?:1st )?commit message))",
    re.MULTILINE,
)
"""How a message looks that is made of those of other commits: a list of them, a rule below it, or words of Git's."""

_SCISSORS = b"# ------------------------ >8 ------------------------\n"


class _Entry:
    """What a mail map says of one address: a name, an address, and other ones for some names."""

    def __init__(self) -> None:
        self.name: bytes | None = None
        self.email: bytes | None = None
        self.by_name: dict[bytes, tuple[bytes | None, bytes | None]] = {}


class MailMap:
    r"""A mail map: what people are called, whatever the commits call them (``gitmailmap(5)``).

    Held are its entries, and everyone who was asked for.

    >>> mail_map = MailMap(b"Ada King <ada@example.org> <al@old.example.org>\n")
    >>> mail_map.named((b"al", b"AL@old.example.org")), mail_map.named((b"Bob", b"bob@example.org"))
    ((b'Ada King', b'ada@example.org'), (b'Bob', b'bob@example.org'))
    """

    def __init__(self, content: bytes = b"") -> None:
        self._content = content.partition(b"\0")[0]
        self._entries: dict[bytes, _Entry] = {}
        self._asked: dict[Person, Person] = {}
        for line in self._content.split(b"\n"):
            if not line.startswith(b"#"):
                self._take_in(line)

    def named(self, person: Person) -> Person:
        """Return a person as the mail map calls them."""
        answer = self._asked.get(person)
        if answer is None:
            answer = self._asked[person] = self._look_up(person)
        return answer

    def before(self, others: Sequence[MailMap]) -> MailMap:
        """Return a mail map of this one and others, each of which comes before the next."""
        contents = [mail_map._content for mail_map in (self, *others)]
        return MailMap(b"\n".join(reversed(contents))) if others else self

    def _take_in(self, line: bytes) -> None:
        first = _NAME_AND_EMAIL.match(line)
        if first is None or not first[2]:
            return
        name, email = first[1].strip(_SPACE) or None, first[2]
        second = _NAME_AND_EMAIL.match(line, first.end())
        old_name = second[1].strip(_SPACE) if second else b""
        entry = self._entries.setdefault((second[2] if second else email).lower(), _Entry())
        new_email = email if second else None
        if old_name:
            entry.by_name[old_name.lower()] = (name, new_email)
        else:
            entry.name = name or entry.name
            entry.email = new_email or entry.email

    def _look_up(self, person: Person) -> Person:
        entry = self._entries.get(person[1].lower())
        if entry is None:
            return person
        name, email = entry.by_name.get(person[0].lower(), (entry.name, entry.email))
        return (person[0] if name is None else name, person[1] if email is None else email)


def read_mail_map(git: Git, work_tree: Path) -> tuple[MailMap, str | None]:
    """Return a repository's mail map, and the object name of its content, None where there is none.

    It is the one that is committed: on the default branch of ``origin``, where a clone knows it (so that
    clones agree, whatever they have checked out), else in ``HEAD``.
    """
    for place in _MAIL_MAPS:
        blob = git.answer("rev-parse", "--quiet", "--verify", place)
        if blob is None:
            continue
        content = git.answer("cat-file", "blob", blob.decode())
        if content is None:
            warn(
                _LOG,
                "The mail map %s of %s can't be read: people are named as commits name them.",
                place,
                git.folder,
            )
            return MailMap(), None
        _compare(work_tree / ".mailmap", content, place)
        return MailMap(content), blob.decode()
    _compare(work_tree / ".mailmap", b"", None)
    return MailMap(), None


def _compare(file: Path, content: bytes, place: str | None) -> None:
    """Warn where a mail map in the work tree is not the one that counts."""
    try:
        seen = file.read_bytes() if file.is_file() else None
    except OSError:
        return
    if seen is None:
        return
    if seen.replace(b"\r\n", b"\n").rstrip(b"\n") != content.replace(b"\r\n", b"\n").rstrip(b"\n"):
        warn(_LOG, "%s is not the mail map that counts, which is %s.", file, place or "one that is committed")


def people_of(message: bytes) -> list[tuple[str, Person]]:
    r"""Return the roles and people that the trailers of a message name, in its order.

    Trailers are where ``git interpret-trailers`` finds them when nothing is configured: in the last
    paragraph, unless it is the title, if all its lines are trailers, or if a quarter is and Git made
    one of them. Trailing comments do not count. A value goes on in lines that begin with a space. Where
    commits were squashed into one or picked, their messages stand in its, and the trailers of these above its own: so
    in a message that looks like one of several a line that has but a co-author with an address counts wherever it is,
    once for each address.

    >>> people_of(b"work\n\nCo-authored-by: Bob <bob@example.org>\nReviewed-by: Eve\n")
    [('CoAuthor', (b'Bob', b'bob@example.org')), ('ReviewedBy', (b'Eve', b''))]
    """
    if _END_OF_ALL not in message.lower():
        return []
    found: list[tuple[str, list[bytes]]] = []
    is_open, role = False, None
    for line in _trailer_lines(message):
        if is_open and line[:1] in _SPACE:
            if role:
                found[-1][1].append(line)
            continue
        match = _TRAILER.match(line)
        is_open = match is not None
        role = TRAILER_ROLES.get(match[1].lower()) if match else None
        if match and role:
            found.append((role, [line[match.end() :]]))
    unfolded = ((role, _NEXT_LINE.sub(b" ", b"".join(lines).strip(_SPACE))) for role, lines in found)
    people = [(role, person) for role, value in unfolded if value for person in persons_of(value)]
    return [*people, *(("CoAuthor", person) for person in _squashed(message, people))]


def _squashed(message: bytes, told: Iterable[tuple[str, Person]]) -> Iterator[Person]:
    """Yield the co-authors whom lines of a message of several commits name, but for those who were told of as such."""
    message = message.partition(_SCISSORS)[0]
    if _OF_SEVERAL.search(message) is None:
        return
    known = {person[1].lower() for role, person in told if role == "CoAuthor"}
    for line in _CO_AUTHOR.finditer(message):
        for person in persons_of(line[1]):
            if person[1].lower() not in known:
                known.add(person[1].lower())
                yield person


def persons_of(value: bytes) -> list[Person]:
    """Return the names and e-mail addresses of the people that a trailer's value lists, mostly one.

    >>> persons_of(b"Bob <bob@example.org>"), persons_of(b"Eve")
    ([(b'Bob', b'bob@example.org')], [(b'Eve', b'')])
    >>> persons_of(b"Bob <bob@example.org> and Eve <eve@example.org> (for <docs>)"), persons_of(b"bob@example.org")
    ([(b'Bob', b'bob@example.org'), (b'Eve', b'eve@example.org')], [(b'', b'bob@example.org')])
    """
    found: list[Person] = []
    end = 0
    for address in _ADDRESS.finditer(value):
        name = value[end : address.start()]
        if found:
            joined = _AND.match(name)
            if joined is None or b"@" not in address[1] or b"(" in name:
                break
            name = name[joined.end() :]
        found.append((name.strip() if found else name.rstrip(), address[1].strip()))
        end = address.end()
    if found:
        return found
    words = _BETWEEN.split(value)
    return [(b"", word) for word in words] if all(map(_BARE.fullmatch, words)) else [(value, b"")]


def _trailer_lines(message: bytes) -> list[bytes]:
    """Return the lines of the paragraph that holds a message's trailers, if one does."""
    lines = re.findall(rb"[^\n]*\n|[^\n]+", message)
    first = next((number for number, line in enumerate(lines) if not _is_blank(line)), len(lines))
    lines = _without_comments_at_the_end(lines[first:])
    after_title = next((n for n, line in enumerate(lines) if _is_blank(line)), len(lines))
    start = len(lines)
    while start > after_title and (_is_blank(lines[start - 1]) or lines[start - 1].startswith(b"#")):
        start -= 1
    end = start
    while start > after_title and not _is_blank(lines[start - 1]):
        start -= 1
    return lines[start:] if start > after_title and _are_trailers(lines[start:end]) else []


def _without_comments_at_the_end(lines: list[bytes]) -> list[bytes]:
    """Return the lines of a message without what an editor was shown below it."""
    kept = 0
    in_conflicts = False
    for number, line in enumerate(lines):
        if line == _SCISSORS:
            return lines[: kept or number]
        if line[:1] in {b"#", b"\n"}:
            kept = kept or number
        elif line == b"Conflicts:\n":
            in_conflicts = True
            kept = kept or number
        elif not (in_conflicts and line.startswith(b"\t")) and kept:
            kept, in_conflicts = 0, False
    return lines[: kept or len(lines)]


def _are_trailers(lines: list[bytes]) -> bool:
    """Return whether the lines of a paragraph are trailers, or enough of them and one of Git's own."""
    trailers = others = continuing = 0
    is_gits = False
    for line in reversed(lines):
        if line.startswith(_GIT_GENERATED):
            trailers, continuing, is_gits = trailers + 1, 0, True
        elif line.startswith(b"#"):
            others, continuing = others + continuing, 0
        elif line[:1] in _SPACE:
            continuing += 1
        elif _TRAILER.match(line):
            trailers, continuing = trailers + 1, 0
        else:
            others, continuing = others + continuing + 1, 0
    others += continuing
    return trailers * 3 >= others if is_gits else trailers > 0 and not others


def _is_blank(line: bytes) -> bool:
    return not line.strip(_SPACE)
