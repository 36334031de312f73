"""What one commit's files of DVC name anew: the data, the runs of stages, and what they were made from."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mlflow2prov.sources.dvc_files import Item, Stage
from mlflow2prov.sources.git_data_circles import without_circles
from mlflow2prov.sources.git_data_pieces import (
    Change,
    Entry,
    Pipeline,
    Place,
    Run,
    key_of,
    shown,
    standing_at,
)
from mlflow2prov.sources.git_history import History, State

if TYPE_CHECKING:
    from mlflow2prov.sources.git_data import DataHistory


@dataclass(slots=True)
class Making:
    """Outputs that were made at a commit, from what, and by which run if it was one."""

    change: Change
    stage: Stage
    folder: str
    run: str | None
    outs: list[str]
    deps: list[str] = field(default_factory=list)


class AtCommit:
    """The files of DVC that one commit changed; :meth:`take_in` is called once."""

    def __init__(
        self, data: DataHistory, commit: str, state: State, history: History, changes: Sequence[Change]
    ) -> None:
        self._data = data
        self._rows = data.rows
        self._commit = commit
        self._state = state
        self._history = history
        self._changes = changes
        self._new: dict[str, Entry] = {}
        self._makings: list[Making] = []
        self._taken_from: dict[str, dict[str, None]] = {}

    def take_in(self) -> None:
        """Note down everything that is new."""
        for change in self._changes:
            change.begin()
            if change.path.rpartition("/")[2] == "dvc.yaml":
                self._define(change)
            else:
                self._make(change)
            change.end()
        for change in self._changes:
            self._data.name_artifacts_of(change.revision, self._state)
        for making in self._makings:
            making.deps = list(dict.fromkeys(self._dependencies(making)))
        self._note_makings()

    # ---- Outputs -------------------------------------------------------------------------------

    def _make(self, change: Change) -> None:
        """Take in the outputs of a ``.dvc`` or ``dvc.lock`` file."""
        pipeline = self._data.pipeline(change.folder, self._state, self._history)
        for stage in change.file.stages:
            definition = pipeline.stage(stage.name)
            folder = self._folder(change, definition or stage)
            if definition is not None:
                stage = replace(stage, outs=tuple(_as_defined(stage.outs, definition.outs)))
            if stage.name is None and stage.command is None:
                self._track(change, stage, folder)
            else:
                self._run(change, stage, folder, pipeline)

    def _track(self, change: Change, stage: Stage, folder: str) -> None:
        """Take in the outputs of a ``.dvc`` file, those anew of which the content is another one."""
        made = []
        for out in stage.outs:
            known = self._unchanged(change, _place(folder, out), out)
            entry = known or self._piece(change, folder, out, "tracked")
            self._hold(change, folder, out, entry, "tracked")
            if known is None:
                made.append(entry.key)
        if made and stage.deps:
            self._makings.append(Making(change, stage, folder, None, made))

    def _run(self, change: Change, stage: Stage, folder: str, pipeline: Pipeline) -> None:
        """Take in a stage: a run with new outputs, unless a previous revision tells of the same run."""
        name = stage.name or ""
        told = _told(stage)
        places = {out.path: _place(folder, out) for out in stage.outs}
        runs = [(before, before.runs.get(name)) for before in change.before]
        earlier = next(((before, run) for before, run in runs if run and run.told == told), None)
        if earlier is None:
            making = Making(change, stage, folder, key_of(self._commit, change.path, name), [])
            self._makings.append(making)
            run = Run(told, making.run or "", places)
            for out in stage.outs:
                count = len(self._new)
                self._hold(
                    change, folder, out, self._piece(change, folder, out, "output", pipeline), "output"
                )
                making.outs += list(self._new)[count:]
        else:
            before, known = earlier
            run = known if known.outs == places else Run(told, known.key, places)
            for out in stage.outs:
                entry = before.outs.get(known.outs[out.path])
                if entry is None or known.outs[out.path] != places[out.path]:
                    moved = [entry.key] if entry else []
                    entry = self._piece(change, folder, out, "tracked", previous=moved)
                self._hold(change, folder, out, entry, "tracked")
        if change.standing.runs.get(name) is not run:
            change.standing.runs = change.standing.runs.set(name, run)

    def _define(self, change: Change) -> None:
        """Take in the outputs that a ``dvc.yaml`` defines and of which no ``dvc.lock`` beside it tells."""
        for stage in change.file.stages:
            folder = self._folder(change, stage)
            for out in stage.outs:
                place = _place(folder, out)
                if "${" in out.path or any(any(it.content) for it in self._data.named(place, self._state)):
                    continue
                known = self._unchanged(change, place, out)
                entry = known or self._piece(change, folder, out, "defined")
                self._data.note(place, change, entry, self._number(change))

    def _folder(self, change: Change, stage: Stage) -> str:
        """Return the folder that a stage's paths are relative to; that of its file where a template says it."""
        if "${" in stage.folder:
            self._data.odd += 1
            return change.folder
        return _joined(change.folder, stage.folder)

    def _unchanged(self, change: Change, place: Place, item: Item) -> Entry | None:
        found = (before.outs.get(place) for before in change.before)
        return next((entry for entry in found if entry and entry.content == item.content), None)

    def _hold(self, change: Change, folder: str, item: Item, entry: Entry, role: str) -> None:
        """Note down that a file names an output, with the files that it lists of a folder."""
        number = self._number(change)
        place = _place(folder, item)
        self._data.note(place, change, entry, number)
        is_new = entry.key in self._new
        for listed in item.files:
            inner = replace(
                listed,
                remote=listed.remote or item.remote,
                is_pushed=item.is_pushed,
                is_legacy=item.is_legacy and listed.is_legacy,
            )
            below = _place(place[0], inner)
            known = self._unchanged(change, below, inner)
            part = known or self._piece(change, place[0], inner, role)
            self._data.note(below, change, part, number)
            if is_new:
                self._rows.add("git_data_link", entry.key, "member", part.key, None, None, None)

    def _number(self, change: Change) -> int:
        return self._history.path_of[change.revision]

    # ---- Pieces of data ------------------------------------------------------------------------

    def _piece(
        self,
        change: Change,
        folder: str,
        item: Item,
        role: str,
        pipeline: Pipeline | None = None,
        previous: Iterable[str] = (),
    ) -> Entry:
        """Return a piece of data of this commit, a new one unless it was named already."""
        path, url = place = _place(folder, item)
        key = key_of(self._commit, path, url)
        if key in self._new and self._new[key].content != item.content:
            key = key_of(self._commit, path, "/".join(filter(None, (url, *item.content))) or "unknown")
        if key in self._new:
            return self._new[key]
        config = self._data.config(change.folder, self._state, self._history)
        kept_at = config.place_of(item, path) if role != "dependency" else None
        entry = self._new[key] = Entry(item.content, key, kept_at)
        self._rows.add(
            "git_data", key, self._commit, *shown(path), *shown(change.path), "dvc", role, url, item.rev_lock,
            item.md5, item.sha256, item.etag, item.checksum, item.version_id, item.size_bytes,
            item.file_count, kept_at,
        )  # fmt: skip
        found = [*previous, *self._previous(change, place, role, pipeline)]
        for other in dict.fromkeys(other for other in found if not other.startswith(f"{self._commit}/")):
            self._rows.add("git_data_link", key, "revision", other, None, None, None)
        if url is None:
            self._link_to_file(key, path, item)
            self._data.name_artifacts(entry, path, self._state)
        return entry

    def _previous(self, change: Change, place: Place, role: str, pipeline: Pipeline | None) -> Iterator[str]:
        """Yield the keys of what stood at a place before; of a file with one output, of that one."""
        is_found = False
        for before in change.before:
            entry = before.deps.get(place) if role == "dependency" else before.outs.get(place)
            sole = len(before.outs) == 1 and role == "tracked" and len(change.file.stages[0].outs) == 1
            if entry is None and sole:
                entry = next(iter(before.outs.values()))
            if entry is not None:
                is_found = True
                yield entry.key
        if not is_found and pipeline is not None:
            defining = [pipeline.standing] if pipeline.standing else []
            defining += [it for other in self._changes if other.path == pipeline.path for it in other.before]
            yield from (it.outs[place].key for it in defining if place in it.outs)

    def _link_to_file(self, key: str, path: str, item: Item) -> None:
        """Link a piece of data to the file of the tree that it is, if it is one.

        A file may have changed between the run of a stage and the commit that records it; then it is another content.
        """
        revision = standing_at(path, self._state, self._history)
        name = None if revision is None else self._history.content(revision)
        if revision is not None and name is not None and self._data.same.is_same(name, item):
            made_in = self._history.commits[self._history.commit_of[revision]]
            self._rows.add("git_data_link", key, "file", None, *shown(path), made_in)

    # ---- Dependencies --------------------------------------------------------------------------

    def _dependencies(self, making: Making) -> Iterator[str]:
        change = making.change
        for dep in making.stage.deps:
            place = _place(making.folder, dep)
            entry = self._told_elsewhere(place, dep, making) or self._told_before(change, place, dep)
            if entry is None:
                entry = self._piece(change, making.folder, dep, "dependency")
                if not dep.is_external:
                    around = self._data.around(place[0], self._state)
                    sources = {it.key: None for it in around if it.key not in making.outs}
                    self._taken_from.setdefault(entry.key, {}).update(sources)
            change.standing.deps = change.standing.deps.set(place, entry)
            yield entry.key

    def _told_elsewhere(self, place: Place, dep: Item, making: Making) -> Entry | None:
        """Return the output that a dependency is, as a file of this commit's tree names it."""
        if dep.is_external:
            return None
        found = [it for it in self._data.named(place, self._state) if it.key not in making.outs]
        alike = [it for it in found if it.content == dep.content or not any(dep.content)]
        return alike[0] if alike else None

    @staticmethod
    def _told_before(change: Change, place: Place, dep: Item) -> Entry | None:
        found = change.standing.deps.get(place)
        return found if found is not None and found.content == dep.content else None

    def _note_makings(self) -> None:
        """Note down what was made from what, without what would make data older than itself."""
        needs = [
            (making.run or f"made {number}", dep)
            for number, making in enumerate(self._makings)
            for dep in making.deps
        ]
        needs += [(dep, source) for dep, sources in self._taken_from.items() for source in sources]
        makers = {
            out: making.run or f"made {number}"
            for number, making in enumerate(self._makings)
            for out in making.outs
        }
        kept = without_circles(needs, makers)
        self._data.circles += len(needs) - len(kept)
        for number, making in enumerate(self._makings):
            deps = [dep for dep in making.deps if (making.run or f"made {number}", dep) in kept]
            self._note_run(making, deps) if making.run else self._note_import(making, deps)
        for dep, sources in self._taken_from.items():
            for source in sources:
                if (dep, source) in kept:
                    self._rows.add("git_data_link", dep, "source", source, None, None, None)

    def _note_import(self, making: Making, deps: list[str]) -> None:
        for out in making.outs:
            for dep in deps:
                self._rows.add("git_data_link", out, "source", dep, None, None, None)

    def _note_run(self, making: Making, deps: list[str]) -> None:
        change, stage = making.change, making.stage
        plan = self._data.pipeline(change.folder, self._state, self._history)
        place = shown(plan.path) if plan.path and plan.stage(stage.name) else (None, None)
        made_in = plan.made_in if place[0] else None
        self._rows.add(
            "git_stage_run", making.run, self._commit, stage.name, *shown(change.path), stage.command,
            list(stage.params), *place, made_in,
        )  # fmt: skip
        for direction, keys in (("used", deps), ("made", making.outs)):
            for key in keys:
                self._rows.add("git_stage_data", making.run, direction, key, None, None, None)
        for path in stage.param_files:
            where = _joined(making.folder, path)
            revision = standing_at(where, self._state, self._history)
            if revision is not None:
                commit = self._history.commits[self._history.commit_of[revision]]
                self._rows.add("git_stage_data", making.run, "params", None, *shown(where), commit)


def _told(stage: Stage) -> tuple[object, ...]:
    """Return what tells a run of a stage from another one: not how DVC writes it down."""
    items = (
        [(item.path, item.repository, item.content) for item in side] for side in (stage.deps, stage.outs)
    )
    return (stage.command, stage.params, *(tuple(sorted(side, key=repr)) for side in items))


def _place(folder: str, item: Item) -> Place:
    """Return where an item stands."""
    if item.is_external:
        return item.path, item.repository
    return _joined(folder, item.path), None


def _joined(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path)) if folder or path else ""


def _as_defined(outs: Iterable[Item], defined: Iterable[Item]) -> Iterator[Item]:
    """Yield outputs with the remotes that their definitions name."""
    known = {item.path: item for item in defined}
    for out in outs:
        told = known.get(out.path)
        yield (
            out if told is None else replace(out, remote=told.remote or out.remote, is_pushed=told.is_pushed)
        )
