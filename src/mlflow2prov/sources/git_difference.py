"""The difference of files between two commits, as text."""

from __future__ import annotations

import re
from pathlib import Path

from mlflow2prov.errors import SourceError
from mlflow2prov.prov.text import clean_text
from mlflow2prov.sources.git_program import Git

MOST_BYTES = 200_000
"""How much of a difference is told."""

_OPTIONS = (
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--find-renames",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)


def difference(repository: str | Path, before: str, after: str) -> str:
    """Return how the files of two commits, by their full names, differ; at most ``MOST_BYTES`` of it.

    Raises:
        SourceError: a commit is not in the repository, or that can't be read.
    """
    for sha in (before, after):
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", sha):
            raise SourceError(f"{sha!r} is no full name of a commit")
    with Git(str(repository)).on_objects_alone() as git:
        for sha in (before, after):
            if git.answer("cat-file", "-t", sha) != b"commit":
                raise SourceError(
                    f"the commit {sha} is not in {repository}: fetch it, or name its repository"
                )
        with git.running("diff", *_OPTIONS, before, after, "--") as output:
            told = output.read(MOST_BYTES)
            is_cut = bool(output.read(1))
    text = clean_text(told)
    return f"{text.rsplit(chr(10), 1)[0]}\n… cut after {MOST_BYTES:,} bytes\n" if is_cut else text
