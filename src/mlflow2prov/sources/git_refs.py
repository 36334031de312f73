"""Reading a repository's refs: its branches and tags, and whatever else keeps commits."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mlflow2prov.prov.text import clean_text
from mlflow2prov.sources.git_log import message_of
from mlflow2prov.sources.git_people import MailMap, Person
from mlflow2prov.sources.git_program import Git
from mlflow2prov.sources.git_rows import known, seconds_of
from mlflow2prov.sources.git_signatures import Signed, signed_tag

_LOG = logging.getLogger(__name__)

_KINDS = {b"refs/heads/": "branch", b"refs/remotes/": "branch", b"refs/tags/": "tag"}

_NO_HISTORY = (
    b"refs/bisect/",
    b"refs/notes/",
    b"refs/original/",
    b"refs/replace/",
    b"refs/rewritten/",
    b"refs/worktree/",
)
"""What Git keeps for itself: marks, notes, and commits that were replaced or put aside."""

_FIELDS = ("%(refname)", "%(symref)", "%(objectname)", "%(objecttype)")

_TAGGER = re.compile(rb"^tagger ([^<\n]*)<([^>\n]*)>(?: +(-?[0-9]+))?", re.MULTILINE)

_NOBODY = (b"", b"")


class Ref(NamedTuple):
    """A ref that peels to a commit.

    Attributes:
        name: the full name, such as ``refs/heads/main``.
        commit: the commit that it points at.
        is_annotated: whether it is a tag, and a tag object stands between; the rest is only known then.
        tagger: who made the tag object.
        tagged: seconds since 1970 in decimal, empty where the tag object does not say.
        message: without the signature.
        signed: what of the tag object was signed, None where nothing was.
    """

    name: bytes
    commit: bytes
    is_annotated: bool = False
    tagger: Person = _NOBODY
    tagged: bytes = b""
    message: bytes = b""
    signed: Signed | None = None

    @property
    def kind(self) -> str | None:
        """``branch`` or ``tag``, or None for a ref that only keeps commits."""
        return next((kind for prefix, kind in _KINDS.items() if self.name.startswith(prefix)), None)


def read_refs(git: Git) -> list[Ref]:
    """Return the refs of a repository that are history, by their full names; all are held at once.

    What points at no commit is left out, and so are the symbolic ``HEAD`` of a remote and Git's own
    refs: stash, notes, replacements, marks of a bisection, the backup of ``filter-branch``.
    """
    fields = git.output("for-each-ref", f"--format={'%00'.join(_FIELDS)}%00").split(b"\0")[:-1]
    commits: list[Ref] = []
    tags: list[tuple[bytes, bytes]] = []
    left_out = 0
    for start in range(0, len(fields), len(_FIELDS)):
        name, symref, sha, kind = fields[start : start + len(_FIELDS)]
        name = name.removeprefix(b"\n")
        is_remotes_head = symref and name.startswith(b"refs/remotes/") and name.endswith(b"/HEAD")
        if is_remotes_head or name == b"refs/stash" or name.startswith(_NO_HISTORY):
            continue
        if kind == b"commit":
            commits.append(Ref(name, sha))
        elif kind == b"tag":
            tags.append((name, sha))
        else:
            left_out += 1
    peeled = _peeled(git, tags)
    left_out += len(tags) - len(peeled)
    if left_out:
        _LOG.info("%d refs point at no commit and are left out", left_out)
    return sorted(commits + peeled)


def detached_head(git: Git) -> bytes | None:
    """Return the commit of a HEAD that is on no branch, else None."""
    if git.answer("symbolic-ref", "--quiet", "HEAD") is not None:
        return None
    return git.answer("rev-parse", "--quiet", "--verify", "HEAD^{commit}")


def ref_rows(
    number: int, refs: Sequence[Ref], mail_map: MailMap, signatures: Mapping[bytes, str]
) -> list[tuple[object, ...]]:
    """Return the rows of ``git_ref``, one for each branch and tag of a repository, of which some have signatures.

    Args:
        number: of the repository.
        refs: all of it that are read.
        mail_map: who people are.
        signatures: what is known of the signatures of tags, by their names.
    """
    return [
        (
            number,
            ref.kind,
            clean_text(ref.name.split(b"/", 2)[2]),
            clean_text(ref.name),
            ref.commit.decode(),
            ref.is_annotated,
            known(ref.message),
            *map(known, mail_map.named(ref.tagger) if ref.tagger != _NOBODY else _NOBODY),
            seconds_of(ref.tagged),
            signatures.get(ref.name),
        )
        for ref in refs
        if ref.kind
    ]


def _peeled(git: Git, refs: Sequence[tuple[bytes, bytes]]) -> list[Ref]:
    """Return the refs to tag objects that lead to a commit, given by their names and the tag objects'."""
    if not refs:
        return []
    lines = git.output("cat-file", "--batch-check", lines=(sha + b"^{}" for _, sha in refs))
    answers = [line.rsplit(b" ", 2) for line in lines.splitlines()]
    to_commits = [
        (name, sha, answer[0])
        for (name, sha), answer in zip(refs, answers, strict=True)
        if answer[1:2] == [b"commit"]
    ]
    objects = dict(git.contents(sorted({sha for _, sha, _ in to_commits})))
    return [_annotated(Ref(name, commit), objects[sha]) for name, sha, commit in to_commits]


def _annotated(ref: Ref, content: bytes) -> Ref:
    """Return a ref with what the tag object says that it points at, if it is a tag."""
    if ref.kind != "tag":
        return ref
    signed = signed_tag(content)
    header, _, message = (signed.payload if signed else content).partition(b"\n\n")
    ref = ref._replace(is_annotated=True, message=message_of(message), signed=signed)
    tagger = _TAGGER.search(header)
    if tagger is None:
        return ref
    return ref._replace(tagger=(tagger[1].strip(), tagger[2].strip()), tagged=tagger[3] or b"")
