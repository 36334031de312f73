"""What an earlier reading of a history remembers of its commits, so that Git need not show them again.

Of a commit the very bytes are kept that ``git log`` had shown. They say the same as long as the commit has
as many parents there (a shallow clone cuts some off), and Git is of the same version and finds renames in
the same way. All the rest, which depends on where refs point, is worked out anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from mlflow2prov.sources.git_log import Renames
from mlflow2prov.sources.git_program import Git


class Known(NamedTuple):
    """A commit that is remembered.

    Attributes:
        parents: how many it was shown with.
        is_odd: whether it has a signature or a NUL byte, which have to be looked at each time.
        place: where its record is.
    """

    parents: int
    is_odd: bool
    place: int


class Memory(Protocol):
    """Where records of commits are kept; ``kind`` is all that they depend on besides the commit."""

    def known(self, kind: str) -> dict[bytes, Known]:
        """Return what is known of the commits of a kind."""

    def records(self, places: Sequence[int]) -> Iterator[bytes]:
        """Yield the records at some places."""

    def keep(self, kind: str, commit: bytes, known: Known, record: bytes) -> None:
        """Keep a record, sooner or later; its place is up to the memory."""

    def settle(self) -> None:
        """Have all records kept that were given."""

    def forget_others(self, kind: str, commits: Collection[bytes]) -> None:
        """Forget all records of another kind, or of other commits, that are named by as many digits."""


class Remembered:
    """The commits of a history that need not be shown again, and what keeps those that are.

    Args:
        memory: where records are kept.
        git: the repository.
        find: which renames are found.
        parents: how many parents each commit is shown with now.
    """

    def __init__(self, memory: Memory, git: Git, find: Renames, parents: Mapping[bytes, int]) -> None:
        self._kind = _kind(git, find)
        self._memory, self._parents = memory, parents
        self._known: dict[bytes, Known] = {}
        self.look()

    def look(self) -> None:
        """Look again at what is there."""
        found = self._memory.known(self._kind)
        self._known = {
            name: known for name, known in found.items() if known.parents == self._parents.get(name)
        }

    def has(self, commit: bytes) -> bool:
        """Return whether a commit need not be shown."""
        return commit in self._known

    def new_or_odd(self, commits: Sequence[bytes]) -> list[int]:
        """Return the numbers of those commits whose objects may have to be looked at."""
        known = self._known
        return [number for number, name in enumerate(commits) if name not in known or known[name].is_odd]

    def records(self, commits: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the records of some commits that are known, in their order."""
        yield from self._memory.records([self._known[name].place for name in commits])

    def keep(self, commit: bytes, is_odd: bool, record: bytes) -> None:
        """Keep the record of a commit that Git has shown to its end."""
        self._memory.keep(self._kind, commit, Known(self._parents[commit], is_odd, -1), record)

    def end(self) -> None:
        """Have all records kept, and forget what is no commit of the history any more."""
        self._memory.settle()
        self._memory.forget_others(self._kind, self._parents.keys())


def known_in(memory: Memory, git: Git, find: Renames) -> Callable[[bytes, int], bool]:
    """Return what says of a commit, and of how many parents it has, whether it is remembered."""
    known = memory.known(_kind(git, find))
    return lambda name, parents: name in known and known[name].parents == parents


def _kind(git: Git, find: Renames) -> str:
    version = git.output("version").decode("utf-8", "replace").strip()
    return f"1; {version}; {git.object_format()}; {', '.join(_shown(find))}"


def _shown(find: Renames) -> list[str]:
    asked = {"renames": True, "copies": find.copies, "of equal content": find.exact}
    return [word for word, is_so in asked.items() if is_so]


def parents_of(lines: bytes) -> dict[bytes, int]:
    r"""Return how many parents each commit has, from ``git rev-list --parents``.

    >>> parents_of(b"b a\na\n")
    {b'b': 1, b'a': 0}
    """
    return {line.partition(b" ")[0]: line.count(b" ") for line in lines.splitlines()}
