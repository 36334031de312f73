"""What is asked for of a Git history: which part of it, and what beyond what is always read."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow2prov.sources.git_narrowing import EVERYTHING, Narrowing


@dataclass(frozen=True, slots=True, kw_only=True)
class GitWanted:
    """What to read of a Git history.

    Attributes:
        find_copies: also find the files that were copied from one that the same commit changed.
        tree_members: list the files of the trees of the commits that runs name.
        follow_imports: also find the files that entry points of runs import (see ``git_imports``).
        narrowing: which part of it.
    """

    find_copies: bool = False
    tree_members: bool = False
    follow_imports: bool = False
    narrowing: Narrowing = EVERYTHING

    @property
    def shown(self) -> str:
        """What is asked for beyond what is always read, in words; empty where it is nothing.

        >>> GitWanted(find_copies=True, tree_members=True).shown
        'copies, tree members'
        """
        asked = (
            ("copies", self.find_copies),
            ("tree members", self.tree_members),
            ("imports", self.follow_imports),
        )
        return ", ".join(word for word, is_asked in asked if is_asked)
