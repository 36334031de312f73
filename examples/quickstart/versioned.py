"""The data of the made project, and the small files by which DVC and Git LFS keep it under version control.

Neither tool is needed: what they would write is written here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

GROWERS = "grower,name\n0,Upper Mill\n1,Old Quarry\n2,Saint Anne\n"
DVC_CONFIG = "[core]\n    remote = cellar\n['remote \"cellar\"']\n    url = s3://wine-cellar/dvc\n"


def wines(alcohol: float) -> str:
    """The wines that come with scikit-learn as CSV, the grower first; the first wine has its own alcohol."""
    from sklearn.datasets import load_wine

    found = load_wine()
    rows = [[int(grower), *map(float, row)] for grower, row in zip(found.target, found.data, strict=True)]
    rows[0][1] = alcohol
    header = ",".join(["grower", *found.feature_names])
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


CONTENTS: dict[str, Callable[[], str]] = {
    "wines": lambda: wines(14.32),
    "wines, measured again": lambda: wines(14.27),
    "growers": lambda: GROWERS,
}
"""The contents of data files, by the names that the story has for them."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A data file under version control: the content, and what the repository has of it."""

    path: str
    content: str
    tool: str

    @property
    def digest(self) -> str:
        """What the tool knows the content by."""
        make = hashlib.md5 if self.tool == "dvc" else hashlib.sha256
        return make(self.content.encode()).hexdigest()

    @property
    def files(self) -> dict[str, str]:
        """The files that stand in the repository for it, as the tool writes them."""
        folder, name = str(PurePosixPath(self.path).parent), PurePosixPath(self.path).name
        size = len(self.content.encode())
        if self.tool == "dvc":
            text = f"outs:\n- md5: {self.digest}\n  size: {size}\n  hash: md5\n  path: {name}\n"
            return {f"{self.path}.dvc": text, f"{folder}/.gitignore": f"/{name}\n", ".dvc/config": DVC_CONFIG}
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.digest}\nsize {size}\n"
        return {self.path: pointer, ".gitattributes": f"{self.path} filter=lfs diff=lfs merge=lfs -text\n"}

    @property
    def entry(self) -> dict[str, object]:
        """What `truth.json` says about it."""
        named_in = f"{self.path}.dvc" if self.tool == "dvc" else self.path
        size = len(self.content.encode())
        return {
            "path": self.path,
            "tool": self.tool,
            "named_in": named_in,
            "digest": self.digest,
            "size": size,
        }
