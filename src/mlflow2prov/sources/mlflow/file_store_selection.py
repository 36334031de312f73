"""What of a file store a selection needs: a first walk that looks at as few files as tell it.

Folders are found by the names of experiments, runs and logged models; names, times and filters of runs are looked
up in the files of the experiments that may have them, and versions of models in the files of all models.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from mlflow2prov.sources.mlflow.file_store_files import StoreFiles
from mlflow2prov.sources.mlflow.file_store_filter import Look, RunValues, shown
from mlflow2prov.sources.mlflow.file_store_rows import told
from mlflow2prov.sources.mlflow.run_filter import parse_filter
from mlflow2prov.sources.mlflow.selection import Selection, copied_from, prompts_in, require_known
from mlflow2prov.sources.mlflow.server_rows import model_id_of

_NO_RUNS = frozenset({b"tags", b"datasets", b"traces", b"models"})


@dataclass(slots=True)
class FileScope:
    """The names of the folders that a selection needs; ``made`` are the logged models that are read with their files.

    ``selected`` are the rows of ``mlflow_selected``.
    """

    experiments: set[bytes] = field(default_factory=set)
    runs: set[bytes] = field(default_factory=set)
    models: set[bytes] = field(default_factory=set)
    made: set[bytes] = field(default_factory=set)
    names: set[bytes] = field(default_factory=set)
    selected: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Version:
    model: bytes
    run_id: str | None
    model_id: str | None
    source: str | None


class FileScopeFinder:
    """Finds what a selection needs in one store.

    Args:
        files: the store's, whose troubles are not told: the reading itself meets them again.
        selection: what is chosen.
    """

    def __init__(self, files: StoreFiles, selection: Selection) -> None:
        self._files = files
        self._look = Look(files)
        self._selection = selection
        self._comparisons = parse_filter(selection.filter) if selection.filter else ()
        self._places = self._experiment_folders()
        self._run_places: dict[bytes, bytes] = {}

    def find(self) -> FileScope:
        """The names of the folders; holds them, and what the versions of models were made of.

        Raises:
            UsageError: an experiment, run or model is not known, or the filter is wrong.
        """
        selection = self._selection
        experiments = self._chosen_experiments()
        self._require_models()
        runs = self._chosen_runs(experiments)
        scope = FileScope(runs=self._with_parents(runs))
        scope.selected = [("experiment", shown(name)) for name in sorted(experiments)]
        scope.selected += [("run", shown(name)) for name in sorted(runs)]
        whole = experiments if selection.is_of_experiments else set()
        of_runs = {self._run_places[name].rpartition(b"/")[0] for name in scope.runs}
        scope.experiments = experiments | {name for name, place in self._places.items() if place in of_runs}
        versions = self._chosen_versions if selection.models else []
        scope.made = self._made(scope, whole)
        if selection.is_of_models:
            scope.made |= {os.fsencode(it.model_id) for it in versions if it.model_id}
        prompts = self._prompts(scope)
        scope.names = self._names(scope, prompts)
        scope.models = scope.made | self._used(scope)
        scope.experiments |= {name for name in self._places if self._has_models(name, scope.models)}
        return scope

    # ---- Folders -------------------------------------------------------------------------------

    def _experiment_folders(self) -> dict[bytes, bytes]:
        """The folder of each experiment by its name, those in the trash last."""
        root = self._files.root
        folders = {name: root + b"/" + name for name in self._files.listing(root).folders}
        trash = folders.pop(b".trash", None)
        folders.pop(b"models", None)
        if trash:
            names = self._files.listing(trash).folders
            folders = {name: trash + b"/" + name for name in names} | folders
        return folders

    def _run_place(self, name: bytes) -> bytes | None:
        """The folder of a run by its identifier, whichever experiment it is in."""
        if name not in self._run_places and name not in _NO_RUNS and b"/" not in name and name not in b"..":
            places = (place + b"/" + name for place in self._places.values())
            found = next((it for it in places if os.path.isdir(it)), None)  # noqa: PTH112
            if found is not None:
                self._run_places[name] = found
        return self._run_places.get(name)

    def _runs_in(self, experiments: Iterable[bytes]) -> Iterator[bytes]:
        for experiment in experiments:
            place = self._places[experiment]
            for name in self._look.inner(place):
                if name not in _NO_RUNS:
                    self._run_places[name] = place + b"/" + name
                    yield name

    # ---- What is chosen ------------------------------------------------------------------------

    def _chosen_experiments(self) -> set[bytes]:
        asked = self._selection.experiments
        if not asked:
            return set()
        names = {name: told(self._look.meta(place), "name") for name, place in self._places.items()}
        known = [*map(shown, names), *(title for title in names.values() if title)]
        require_known("experiment", asked, known, lambda: (title or "" for title in names.values()))
        return {name for name, title in names.items() if shown(name) in asked or title in asked}

    def _require_models(self) -> None:
        names = [shown(name) for name in self._look.inner(self._files.root, b"models")]
        require_known("model", self._selection.models, names, lambda: names)

    def _chosen_runs(self, experiments: set[bytes]) -> set[bytes]:
        """The runs that all kinds of a selection choose."""
        selection, found = self._selection, None
        if selection.runs:
            found = self._runs_named()
        if selection.models:
            behind = self._behind()
            found = behind if found is None else found & behind
        among = found if found is not None else self._runs_in(sorted(experiments or self._places))
        return {name for name in among if self._is_chosen(name, experiments)}

    def _runs_named(self) -> set[bytes]:
        asked = self._selection.runs
        found = {name for text in asked if self._run_place(name := os.fsencode(text))}
        by_id = {shown(name) for name in found}
        names = set(asked) - by_id
        if names:
            titles = {name: self._title(name) for name in self._runs_in(sorted(self._places))}
            require_known(
                "run", asked, [*by_id, *titles.values()], lambda: [*titles.values(), *map(shown, titles)]
            )
            found |= {name for name, title in titles.items() if title in names}
        return found

    def _title(self, name: bytes) -> str:
        return RunValues(self._look, self._run_places[name]).title or ""

    def _behind(self) -> set[bytes]:
        """The runs that made versions, or the logged models that versions were made of."""
        named = {it.run_id for it in self._chosen_versions}
        for model_id in {it.model_id for it in self._chosen_versions if it.model_id}:
            place = self._model_place(os.fsencode(model_id))
            named.add(told(self._look.meta(place), "source_run_id") if place else None)
        return {name for run_id in named if run_id and self._run_place(name := os.fsencode(run_id))}

    def _is_chosen(self, name: bytes, experiments: set[bytes]) -> bool:
        selection, place = self._selection, self._run_places[name]
        if experiments and place.rpartition(b"/")[0] not in {self._places[it] for it in experiments}:
            return False
        if not selection.has_window and not self._comparisons:
            return True
        values = RunValues(self._look, place)
        since, until = selection.since_ms, selection.until_ms
        if selection.has_window:
            started = values.number("start_time")
            if started is None or started < (since or started) or (until is not None and started >= until):
                return False
        return all(comparison.fits(values.of(comparison)) for comparison in self._comparisons)

    # ---- What comes with it --------------------------------------------------------------------

    def _with_parents(self, runs: set[bytes]) -> set[bytes]:
        found, waiting = set(runs), sorted(runs)
        while waiting:
            parent = self._look.text(self._run_places[waiting.pop()] + b"/tags/mlflow.parentRunId")
            name = os.fsencode((parent or "").strip())
            if name and name not in found and self._run_place(name):
                found.add(name)
                waiting.append(name)
        return found

    def _model_place(self, name: bytes) -> bytes | None:
        """The folder of a logged model by its identifier, whichever experiment it is in."""
        places = (place + b"/models/" + name for place in self._places.values())
        return next((place for place in places if b"/" not in name and os.path.isdir(place)), None)  # noqa: PTH112

    def _has_models(self, experiment: bytes, models: set[bytes]) -> bool:
        place = self._places[experiment] + b"/models/"
        return any(os.path.isdir(place + name) for name in models)  # noqa: PTH112

    def _made(self, scope: FileScope, whole: set[bytes]) -> set[bytes]:
        run_ids = {shown(name) for name in scope.runs}
        found = set()
        for experiment in scope.experiments:
            place = self._places[experiment] + b"/models"
            for name in self._look.inner(place):
                made_by = (
                    None
                    if experiment in whole
                    else told(self._look.meta(place + b"/" + name), "source_run_id")
                )
                if experiment in whole or made_by in run_ids:
                    found.add(name)
        return found | self._linked(scope, b"outputs", "destination_id")

    def _used(self, scope: FileScope) -> set[bytes]:
        found = self._linked(scope, b"inputs", "source_id")
        return found | {os.fsencode(it.model_id) for it in self._versions_in(scope.names) if it.model_id}

    def _linked(self, scope: FileScope, folder: bytes, key: str) -> set[bytes]:
        """The logged models that runs took in or put out."""
        found: set[bytes] = set()
        for name in scope.runs:
            place = self._run_places[name] + b"/" + folder
            for inner in self._look.inner(place):
                meta = self._look.meta(place + b"/" + inner)
                if folder == b"outputs" or told(meta, "source_type") == "MODEL":
                    found.add(os.fsencode(told(meta, key) or shown(inner)))
        return found

    def _prompts(self, scope: FileScope) -> set[bytes]:
        folders = [self._run_places[name] for name in scope.runs]
        folders += [place for name in scope.made if (place := self._model_place(name))]
        tags = (self._look.text(place + b"/tags/mlflow.linkedPrompts") for place in folders)
        return {os.fsencode(name) for text in tags for name in prompts_in(text)}

    def _names(self, scope: FileScope, prompts: set[bytes]) -> set[bytes]:
        """The registered models and prompts of which a version may be wanted."""
        found = {os.fsencode(name) for name in self._selection.models}
        if not found:
            found = {
                it.model
                for it in self._versions
                if os.fsencode(it.run_id or "") in scope.runs or os.fsencode(it.model_id or "") in scope.made
            }
        new = found | prompts
        while new:
            found |= new
            sources = (copied_from(it.source) for it in self._versions_in(new))
            new = {os.fsencode(name) for name in sources if name} - found
        return found

    # ---- Registry ------------------------------------------------------------------------------

    @cached_property
    def _versions(self) -> list[_Version]:
        return list(self._versions_in(self._look.inner(self._files.root, b"models")))

    @cached_property
    def _chosen_versions(self) -> list[_Version]:
        return list(self._versions_in(map(os.fsencode, self._selection.models)))

    def _versions_in(self, names: Iterable[bytes]) -> Iterator[_Version]:
        for model in sorted(names):
            place = self._files.root + b"/models/" + model
            for inner in self._look.inner(place):
                if inner.startswith(b"version-"):
                    meta = self._look.meta(place + b"/" + inner)
                    source = told(meta, "source")
                    model_id = told(meta, "model_id") or model_id_of(source)
                    yield _Version(model, told(meta, "run_id"), model_id, source)
