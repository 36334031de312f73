"""Files of DVC and pointers of Git LFS, as the tools write them."""

from __future__ import annotations

import hashlib

MD5 = {name: hashlib.md5(name.encode()).hexdigest() for name in "abcdefgh"}
"""Digests of contents, by a letter."""


def tracked(path: str, letter: str, **more: object) -> str:
    """A ``.dvc`` file of DVC 3."""
    told = "".join(f"  {key}: {value}\n" for key, value in more.items())
    return f"outs:\n- md5: {MD5[letter]}\n  size: 8\n  hash: md5\n{told}  path: {path}\n"


def item(path: str, letter: str) -> str:
    """An item of a list in ``dvc.lock``."""
    return f"    - path: {path}\n      hash: md5\n      md5: {MD5[letter]}\n      size: 8\n"


def stage(name: str, command: str, deps: dict[str, str], outs: dict[str, str], params: str = "") -> str:
    """A stage of ``dvc.lock``; contents are letters."""
    lines = f"  {name}:\n    cmd: {command}\n"
    if deps:
        lines += "    deps:\n" + "".join(item(*pair) for pair in deps.items())
    if params:
        lines += f"    params:\n      params.yaml:\n        {params}\n"
    return lines + "    outs:\n" + "".join(item(*pair) for pair in outs.items())


def lock(*stages: str) -> str:
    """A ``dvc.lock`` of DVC 1 to 3."""
    return "schema: '2.0'\nstages:\n" + "".join(stages)


def oid(content: str) -> str:
    """The digest by which Git LFS names a content."""
    return hashlib.sha256(content.encode()).hexdigest()


def pointer(content: str) -> str:
    """The pointer to a content."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid(content)}\nsize {len(content)}\n"
