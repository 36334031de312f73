"""The repositories that somebody gives: paths and URLs, one or several, and what to read of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow2prov.errors import UsageError
from mlflow2prov.sources.git_clone import Clones, check_url, is_url, plain_url
from mlflow2prov.sources.git_remembered import Memory
from mlflow2prov.sources.git_wanted import GitWanted
from mlflow2prov.sources.tables import Batches


def listed(given: str | Path | Sequence[str | Path] | None) -> tuple[str | Path, ...]:
    """Return what is given, each once, where one alone or none may be given as well.

    >>> listed("a"), listed(["a", "b", "a"]), listed(None)
    (('a',), ('a', 'b'), ())
    """
    if not given:
        return ()
    return (given,) if isinstance(given, str | Path) else tuple(dict.fromkeys(given))


def check_given(paths: Sequence[str | Path], namespaces: Sequence[str]) -> None:
    """Raise an error if a URL is none of Git's, or the namespaces don't fit the repositories.

    Raises:
        UsageError: so it is.
    """
    for path in paths:
        if is_url(path):
            check_url(str(path))
    if namespaces and len(namespaces) != len(paths):
        raise UsageError(
            f"{len(namespaces)} namespaces are given for {len(paths)} repositories:"
            " give --repository_namespace once for each --repository_path, in the same order"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AtHand:
    """Repositories in folders of this machine, and which part of them to read."""

    paths: tuple[str | Path, ...]
    wanted: GitWanted

    def read(
        self,
        entry_points: Collection[tuple[str, ...]],
        datasets: Collection[tuple[str, str, str, str]] = (),
        memory: Memory | None = None,
    ) -> Batches:
        """Yield their source tables."""
        from mlflow2prov.sources.git import read_repositories  # on use: many read no repository

        return read_repositories(
            self.paths, entry_points=entry_points, datasets=datasets, wanted=self.wanted, memory=memory
        )

    def state(self, commits: Collection[str]) -> str:
        """Return a digest of the state that they are in, and of which of the commits that runs name they have."""
        from mlflow2prov.sources.git import repository_state

        return repository_state(*self.paths, commits=commits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Repositories as they are given.

    Attributes:
        paths: paths and URLs.
        wanted: what to read of them.
        clones: where those behind URLs are kept.
    """

    paths: tuple[str | Path, ...]
    wanted: GitWanted
    clones: Clones

    @contextmanager
    def at_hand(self) -> Iterator[AtHand]:
        """Give all of them in folders, those behind URLs as they are now.

        Raises:
            SourceError: one can't be cloned.
        """
        with ExitStack() as stack:
            paths = [
                stack.enter_context(self.clones.at_hand(str(path))) if is_url(path) else path
                for path in self.paths
            ]
            yield AtHand(paths=tuple(paths), wanted=self.wanted)

    @property
    def names(self) -> list[str]:
        """What tells each from others: the absolute path, or the URL without credentials."""
        return [plain_url(str(path)) if is_url(path) else str(Path(path).resolve()) for path in self.paths]
