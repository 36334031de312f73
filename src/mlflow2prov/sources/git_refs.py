"""Reading a repository's branches and tags, and the names that its mail map gives people."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mlflow2prov.prov.text import clean_text
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_rows import known, seconds_of

_LOG = logging.getLogger(__name__)

Person = tuple[bytes, bytes]
"""A name and an e-mail address, both may be empty."""

_KINDS = {b"refs/heads/": "branch", b"refs/remotes/": "branch", b"refs/tags/": "tag"}

_FIELDS = (
    "%(refname)",
    "%(symref)",
    "%(objectname)",
    "%(objecttype)",
    "%(*objectname)",
    "%(*objecttype)",
    "%(taggername)",
    "%(taggeremail)",
    "%(taggerdate:unix)",
    "%(contents)",
    "%(contents:signature)",
)


class Ref(NamedTuple):
    """A branch, or a tag that peels to a commit.

    Attributes:
        name: the full name, such as ``refs/heads/main``.
        commit: the commit that it points at.
        is_annotated: whether a tag object stands between; the rest is only known then.
        tagged: seconds since 1970 in decimal.
        message: without the signature.
    """

    name: bytes
    commit: bytes
    is_annotated: bool
    tagger: Person
    tagged: bytes
    message: bytes


def read_refs(git: Git) -> list[Ref]:
    """Return the branches and tags of a repository by their full names; all are held at once.

    What points at no commit is left out, and so is the symbolic ``HEAD`` of a remote.
    """
    output = git.output("for-each-ref", f"--format={'%00'.join(_FIELDS)}%00", *map(bytes.decode, _KINDS))
    fields = output.split(b"\0")[:-1]
    refs: list[Ref] = []
    unpeeled: list[Ref] = []
    left_out = 0
    for start in range(0, len(fields), len(_FIELDS)):
        name, symref, sha, kind, peeled, peeled_kind, *tag = fields[start : start + len(_FIELDS)]
        name = name.removeprefix(b"\n")
        if symref and name.startswith(b"refs/remotes/") and name.endswith(b"/HEAD"):
            continue
        if kind == b"commit":
            refs.append(Ref(name, sha, False, (b"", b""), b"", b""))
        elif peeled_kind == b"commit":
            refs.append(_annotated(name, peeled, tag))
        elif peeled_kind == b"tag":
            unpeeled.append(_annotated(name, sha, tag))
        else:
            left_out += 1
    peeled_refs = _peeled(git, unpeeled)
    left_out += len(unpeeled) - len(peeled_refs)
    if left_out:
        _LOG.info("%d tags point at no commit and are left out", left_out)
    return sorted(refs + peeled_refs)


def detached_head(git: Git) -> bytes | None:
    """Return the commit of a HEAD that is on no branch, else None."""
    if git.answer("symbolic-ref", "--quiet", "HEAD") is not None:
        return None
    return git.answer("rev-parse", "--quiet", "--verify", "HEAD^{commit}")


def mapped(git: Git, people: Iterable[Person]) -> dict[Person, Person]:
    """Return each of the people as the repository's mail map calls them."""
    asked = sorted({person for person in people if person[1] and not re.search(rb"[<>\n]", b"".join(person))})
    if not asked:
        return {}
    lines = git.output("check-mailmap", "--stdin", lines=(b"%b <%b>" % person for person in asked))
    answers = (line.removesuffix(b">").rpartition(b"<") for line in lines.split(b"\n"))
    return {
        person: (name.removesuffix(b" "), email)
        for person, (name, _, email) in zip(asked, answers, strict=False)
    }


def ref_rows(refs: Sequence[Ref], people: dict[Person, Person]) -> list[tuple[object, ...]]:
    """Return the rows of ``git_ref``.

    Args:
        refs: the branches and tags.
        people: what :func:`mapped` says about their taggers.
    """
    return [
        (
            next(kind for prefix, kind in _KINDS.items() if ref.name.startswith(prefix)),
            clean_text(ref.name.split(b"/", 2)[2]),
            clean_text(ref.name),
            ref.commit.decode(),
            ref.is_annotated,
            known(ref.message),
            *map(known, people.get(ref.tagger, ref.tagger)),
            seconds_of(ref.tagged),
        )
        for ref in refs
    ]


def _annotated(name: bytes, commit: bytes, tag: Sequence[bytes]) -> Ref:
    tagger, email, date, contents, signature = tag
    message = contents.removesuffix(signature) if signature else contents
    return Ref(name, commit, True, (tagger, email.strip(b"<>")), date, message.strip(b"\n"))


def _peeled(git: Git, refs: Sequence[Ref]) -> list[Ref]:
    """Return tags of tags with the commit that they lead to in the end, if it is one."""
    if not refs:
        return []
    lines = git.output("cat-file", "--batch-check", lines=(ref.commit + b"^{commit}" for ref in refs))
    answers = [line.split(b" ") for line in lines.splitlines()]
    return [
        ref._replace(commit=answer[0])
        for ref, answer in zip(refs, answers, strict=True)
        if answer[1:2] == [b"commit"]
    ]
