"""Data under version control by DVC, followed through a history.

A commit that changes a ``.dvc``, ``dvc.lock`` or ``dvc.yaml`` file makes a piece of data of every output
and dependency whose content the file did not name before; what it named before stays the piece of data
of the earlier commit, along the commit's own parents. A stage of ``dvc.lock`` (and of a ``.dvc`` file with
a command, as DVC 0 wrote them) is a run where its command, dependencies, parameters or outputs are others
than in the file's previous revisions; a run makes all of its outputs anew. A dependency is the piece of
data that another file tells of at that commit, if its content is the same, else one of its own.

So nothing derives from what a later commit, or a cycle among the stages of one, has made.

What a revision of a file names is noted down as the difference to its previous revision; of several, to
the one that sorts first by commit and path. A file that can't be read names nothing.

A ``dvc.yaml`` may give names to data (``artifacts``). Data has those that such files give to its path at the commit that
made it, and those that a later revision of one gives, at its commit, to what stands there then.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.dvc_files import MOST_BYTES, Artifact, Config, Stage, read_config, read_data_file
from mlflow2prov.sources.git_blobs import Blobs
from mlflow2prov.sources.git_data_commit import AtCommit
from mlflow2prov.sources.git_data_pieces import (
    Change,
    Entry,
    Pipeline,
    Place,
    Rows,
    Standing,
    folders_above,
    is_data_file,
    order_of_file,
    standing_at,
)
from mlflow2prov.sources.git_history import History, State
from mlflow2prov.sources.git_same_content import SameContents

NewOnes: TypeAlias = "Mapping[int, Sequence[int]]"
"""Revisions that one commit made, each with its previous ones in the order of the commit's parents."""


class DataHistory:
    """The data of a history, commit by commit.

    Held are about 1 kB for each piece of data that a file of DVC named anew, and what one of these files
    says. Contents are read where a commit has changed such a file.

    Attributes:
        rows: what was found.
        odd: how many things in files of DVC are not of the expected form.
        unread: how many of these files are hostile or none.
        circles: how many dependencies would have made data older than itself.
        same: which files of the tree have the contents that are named.
    """

    def __init__(self, blobs: Blobs, rows: Rows) -> None:
        self.rows = rows
        self.odd = self.unread = self.circles = 0
        self._blobs = blobs
        self.same = SameContents(blobs)
        self._seen = 0
        self._next = 0
        self._numbers: set[int] = set()
        self._standings: dict[int, Standing] = {}
        self._naming: dict[str, set[int]] = {}
        self._inside: dict[str, set[str]] = {}
        self._configs: dict[tuple[str, str], Config] = {}
        self._pipelines: dict[str, dict[str, Stage]] = {}
        self._artifacts: dict[int, dict[str, list[Artifact]]] = {}
        self._naming_artifacts: dict[str, set[int]] = {}
        self._named_artifacts: set[tuple[str, str, str | None]] = set()

    def new_ones(self, history: History) -> NewOnes:
        """Return the revisions of files of DVC that the commit has made which a history has just taken in."""
        start, self._next = self._next, len(history.commit_of)
        self._sort_in(history)
        if not self._numbers or self._numbers.isdisjoint(history.path_of[start:]):
            return {}
        made = [it for it in range(start, self._next) if history.path_of[it] in self._numbers]
        return _previous_of(made, start, history)

    def expect(self, commits: Iterable[NewOnes], history: History) -> None:
        """Have the contents read ahead that :meth:`add` asks for, given what it is going to be given."""
        made = (revision for new in commits for revision in _in_order(new, history))
        names = (history.content(revision) for revision in made)
        self._blobs.expect(name for name in names if name is not None)

    def add(self, commit: str, state: State, history: History, made: NewOnes) -> None:
        """Take in a commit whose parents were taken in, given the revisions of files of DVC that it made."""
        self._sort_in(history)
        changes = list(self._changes(made, history))
        if changes:
            AtCommit(self, commit, state, history, changes).take_in()
        for revision, before in made.items():
            self._note_named(revision, before, history)

    def standing(self, state: State, history: History) -> Iterator[tuple[Place, Entry]]:
        """Yield the data that the files of a state name, those of ``dvc.yaml`` last."""
        exact = history.paths.exact
        for number in sorted(self._numbers, key=lambda it: order_of_file(exact[it])):
            standing = self._standings.get(state.get(number, -1))
            if standing is not None:
                yield from standing.outs.items()

    def _sort_in(self, history: History) -> None:
        """Note which of the paths that came since the last time are files of DVC."""
        paths = history.paths.exact
        for number in range(self._seen, len(paths)):
            if is_data_file(paths[number]):
                self._numbers.add(number)
        self._seen = len(paths)

    def _changes(self, made: NewOnes, history: History) -> Iterator[Change]:
        """Yield the revisions that can be read among new ones of files of DVC, those of ``dvc.yaml`` last."""
        for revision in _in_order(made, history):
            path_bytes = history.paths.exact[history.path_of[revision]]
            name = history.content(revision)
            content = None if name is None else self._blobs.in_turn(name, MOST_BYTES)
            if content is None:
                continue
            file = read_data_file(path_bytes, content)
            if file is None:
                self.unread += 1
                continue
            self.odd += file.odd
            known = [self._standings.get(previous) for previous in made[revision]]
            path = path_bytes.decode("utf-8", "surrogateescape")
            standing = self._standings[revision] = Standing()
            self._hold_artifacts(revision, path, file.artifacts, made[revision], history)
            yield Change(revision, path, file, tuple(it for it in known if it is not None), standing)

    def _hold_artifacts(
        self, revision: int, path: str, artifacts: Iterable[Artifact], before: Sequence[int], history: History
    ) -> None:
        """Keep what a revision of a file calls data; what it has in common with a previous one is kept once."""
        found: dict[str, list[Artifact]] = {}
        for artifact in artifacts:
            at = posixpath.normpath(posixpath.join(posixpath.dirname(path), artifact.path))
            found.setdefault(at, []).append(artifact)
            self._naming_artifacts.setdefault(at, set()).add(history.path_of[revision])
        known = (self._artifacts.get(previous, {}) for previous in before)
        if found:
            self._artifacts[revision] = next((same for same in known if same == found), found)

    def _note_named(self, revision: int, before: Sequence[int], history: History) -> None:
        """Note down what a revision of a file names otherwise than its previous one."""
        exact, made_in = history.paths.exact, history.commits
        first = min(
            before,
            key=lambda it: (made_in[history.commit_of[it]], exact[history.path_of[it]]),
            default=-1,
        )
        was, now = (self._standings.get(it, Standing()).outs for it in (first, revision))
        if was is now:
            return
        place = made_in[history.commit_of[revision]], *text_of(exact[history.path_of[revision]])
        old, new = ({entry.key for entry in outs.values()} for outs in (was, now))
        for key in sorted(old ^ new):
            self.rows.add("git_data_named", *place, key, key in new)

    # ---- What is asked at a commit -----------------------------------------------------------------

    def named(self, place: Place, state: State) -> Iterator[Entry]:
        """Yield the outputs at a place, as the files of a state name them."""
        for number in sorted(self._naming.get(place[0], ())):
            standing = self._standings.get(state.get(number, -1))
            entry = standing.outs.get(place) if standing else None
            if entry is not None:
                yield entry

    def around(self, path: str, state: State) -> Iterator[Entry]:
        """Yield the outputs in a folder at a path, and else the innermost one that the path is in."""
        inside = [
            entry
            for below in sorted(self._inside.get(path, ()))
            for entry in self.named((below, None), state)
        ]
        if inside:
            yield from inside
            return
        for above in folders_above(path):
            entry = next(self.named((above, None), state), None)
            if entry is not None:
                yield entry
                return

    def note(self, place: Place, change: Change, entry: Entry, number: int) -> None:
        """Note down that a file names an output."""
        change.hold(place, entry)
        path = place[0]
        if path not in self._naming:
            for above in folders_above(path):
                self._inside.setdefault(above, set()).add(path)
        self._naming.setdefault(path, set()).add(number)

    def name_artifacts(self, entry: Entry, path: str, state: State) -> None:
        """Note down what the files of a state call the data at a path."""
        for number in sorted(self._naming_artifacts.get(path, ())):
            for artifact in self._artifacts.get(state.get(number, -1), {}).get(path, ()):
                self._note_artifact(entry, artifact)

    def name_artifacts_of(self, revision: int, state: State) -> None:
        """Note down what a new revision of a file calls the data that stands in a state."""
        for path, artifacts in self._artifacts.get(revision, {}).items():
            for entry in self.named((path, None), state):
                for artifact in artifacts:
                    self._note_artifact(entry, artifact)

    def _note_artifact(self, entry: Entry, artifact: Artifact) -> None:
        row = entry.key, artifact.name, artifact.type
        if row not in self._named_artifacts:
            self._named_artifacts.add(row)
            self.rows.add("git_data_artifact", *row)

    def config(self, folder: str, state: State, history: History) -> Config:
        """Return the configuration of the innermost repository of DVC that a folder is in."""
        while True:
            place = posixpath.join(folder, ".dvc")
            revision = standing_at(f"{place}/config", state, history)
            name = None if revision is None else history.content(revision)
            if name is not None:
                if (name, place) not in self._configs:
                    content = self._blobs.content(name, MOST_BYTES)
                    self._configs[name, place] = read_config(content or b"", place)
                return self._configs[name, place]
            if not folder:
                return Config()
            folder = posixpath.dirname(folder)

    def pipeline(self, folder: str, state: State, history: History) -> Pipeline:
        """Return what the ``dvc.yaml`` in a folder says."""
        path = posixpath.join(folder, "dvc.yaml")
        revision = standing_at(path, state, history)
        name = None if revision is None else history.content(revision)
        if revision is None or name is None:
            return Pipeline()
        if name not in self._pipelines:
            content = self._blobs.content(name, MOST_BYTES)
            file = None if content is None else read_data_file(b"dvc.yaml", content)
            self._pipelines[name] = {stage.name or "": stage for stage in file.stages} if file else {}
        made_in = history.commits[history.commit_of[revision]]
        return Pipeline(path, made_in, self._pipelines[name], self._standings.get(revision))


def _in_order(made: Iterable[int], history: History) -> list[int]:
    """Return new revisions of files of DVC in the order in which they are looked at."""
    exact, path_of = history.paths.exact, history.path_of
    return sorted(made, key=lambda revision: order_of_file(exact[path_of[revision]]))


def _previous_of(made: Sequence[int], start: int, history: History) -> NewOnes:
    """Return some revisions that a commit made with their previous ones.

    Args:
        made: the revisions that are asked for.
        start: the first that the commit made, which is the last commit.
        history: the pass.
    """
    before: dict[int, list[int]] = {revision: [] for revision in made}
    for revision, _, previous in reversed(history.derivations):
        if revision < start:
            break
        if revision in before:
            before[revision].insert(0, previous)
    return before
