"""What a selection reads of an MLflow server: the server searches, and no more pages are asked for than it takes.

Up to 50 runs are looked up one by one, with what belongs to them; for more, what is on the server is paged through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from mlflow2prov.errors import UsageError
from mlflow2prov.sources.mlflow import server_rows as rows
from mlflow2prov.sources.mlflow import server_wire as wire
from mlflow2prov.sources.mlflow.http_client import HttpClient, Query, RefusedError
from mlflow2prov.sources.mlflow.known import Finished
from mlflow2prov.sources.mlflow.parts import TRACE_DETAILS, Wanted
from mlflow2prov.sources.mlflow.selection import copied_from, prompts_in, require_known
from mlflow2prov.sources.mlflow.server import API, IS_PROMPT, ServerReader
from mlflow2prov.sources.mlflow.server_artifacts import ArtifactReader
from mlflow2prov.sources.mlflow.server_evaluation import EvaluationReader
from mlflow2prov.sources.mlflow.server_traces import TraceReader
from mlflow2prov.sources.tables import Batches

_FEW = 50
_PAGE = 1_000
_PARENT = "mlflow.parentRunId"
_PROMPTS = "mlflow.linkedPrompts"


def fits(key: str, text: str) -> str:
    """A comparison of MLflow's filters that a key fits that is ``text``, and maybe some others.

    Its texts have no escapes: where one would be needed, any sign fits.

    >>> fits("name", "wine"), fits("name", "it's")
    ("name = 'wine'", "name LIKE 'it_s'")
    """
    pattern = re.sub(r"['\\]", "_", text)
    return f"{key} = '{text}'" if pattern == text else f"{key} LIKE '{pattern}'"


class SelectedReader(ServerReader):
    """One reading of what a selection chooses; keeps the identifiers that tell what is still to be read."""

    def __init__(
        self,
        client: HttpClient,
        workspace: str,
        wanted: Wanted,
        artifacts: ArtifactReader,
        finished: Finished | None = None,
    ) -> None:
        """Read what is wanted of the server that ``client`` is connected to."""
        super().__init__(client, workspace, wanted, artifacts, finished)
        self._selection = wanted.selection
        self._experiment_of: dict[str, str] = {}
        self._known_experiments: dict[str, wire.Experiment] = {}
        self._parents: set[str] = set()
        self._prompts: set[str] = set()
        self._has_models: bool | None = None
        self._whole_runs: set[str] = set()

    def read(self) -> Batches:
        """Every table but that of the store; runs first, since they tell what else is needed."""
        chosen = self._chosen_experiments()
        versions = {name: self._versions_of(name) for name in self._selection.models}
        self._require_models(versions)
        selected = [("experiment", experiment_id) for experiment_id in sorted(chosen)]
        for runs in self._chosen_runs(sorted(chosen), list(chain(*versions.values()))):
            selected += [("run", run.info.run_id) for run in runs]
            yield from self._take(runs)
        yield from self._read_parents()
        if selected:
            yield rows.batch("mlflow_selected", selected)
        experiment_ids = sorted(chosen | set(self._experiment_of.values()))
        yield from rows.batches(rows.EXPERIMENTS, [self._experiment(it) for it in experiment_ids])
        whole = sorted(chosen) if self._selection.is_of_experiments else []
        if "logged_models" not in self._skip:
            yield from self._made_models(experiment_ids, whole)
        if "traces" not in self._skip:
            yield from self._traces(experiment_ids, whole)
        if "registered_models" not in self._skip:
            yield from self._selected_registry(versions)
        if "logged_models" not in self._skip:
            yield from self._linked_logged_models()
        if "evaluation_datasets" not in self._skip and experiment_ids:
            yield from EvaluationReader(self._client).read(experiment_ids)

    # ---- What is chosen ------------------------------------------------------------------------

    def _chosen_experiments(self) -> set[str]:
        asked = self._selection.experiments
        found = {name: self._experiments_named(name) for name in asked}
        require_known(
            "experiment",
            asked,
            (name for name, some in found.items() if some),
            lambda: (it.name or "" for it in self._experiments()),
        )
        self._known_experiments |= {it.experiment_id: it for some in found.values() for it in some}
        return set(self._known_experiments)

    def _experiments_named(self, name: str) -> list[wire.Experiment]:
        ways: list[tuple[str, Query]] = [("get-by-name", [("experiment_name", name)])]
        ways += [("get", [("experiment_id", name)])] if name.isdecimal() else []
        answers = (
            self._client.ask_if_known(wire.OneExperiment, f"{API}/experiments/{path}", query=query)
            for path, query in ways
        )
        return [answer.experiment for answer in answers if answer]

    def _experiment(self, experiment_id: str) -> wire.Experiment:
        if experiment_id not in self._known_experiments:
            path, query = f"{API}/experiments/get", [("experiment_id", experiment_id)]
            answer = self._client.ask(wire.OneExperiment, path, query=query)
            self._known_experiments[experiment_id] = answer.experiment
        return self._known_experiments[experiment_id]

    def _require_models(self, versions: dict[str, list[wire.ModelVersion]]) -> None:
        require_known(
            "model",
            versions,
            (name for name, some in versions.items() if some or self._registered_model(name)),
            lambda: (it.name for page in self._registry_pages() for it in page),
        )

    def _chosen_runs(
        self, experiment_ids: Sequence[str], versions: Sequence[wire.ModelVersion]
    ) -> Iterator[list[wire.Run]]:
        """Pages of the runs that all kinds of a selection choose."""
        selection = self._selection
        if not selection.runs and not selection.models:
            yield from self._run_pages(experiment_ids or self._all_experiments(), self._run_filter())
            return
        found = self._runs_named() if selection.runs else None
        if selection.models:
            behind = self._behind(versions)
            found = (
                {it.info.run_id: it for it in self._runs_of(behind)}
                if found is None
                else {run_id: run for run_id, run in found.items() if run_id in behind}
            )
        runs = [run for run in (found or {}).values() if self._is_inside(run.info, experiment_ids)]
        if selection.filter:
            runs = self._filtered(runs)
        self._runs.update(run.info.run_id for run in runs)
        for start in range(0, len(runs), _PAGE):
            yield runs[start : start + _PAGE]

    def _all_experiments(self) -> list[str]:
        self._known_experiments |= {it.experiment_id: it for it in self._experiments()}
        return sorted(self._known_experiments)

    def _run_filter(self) -> str:
        selection = self._selection
        parts = [selection.filter] if selection.filter else []
        if selection.since_ms is not None:
            parts.append(f"attributes.start_time >= {selection.since_ms}")
        if selection.until_ms is not None:
            parts.append(f"attributes.start_time < {selection.until_ms}")
        return " AND ".join(parts)

    def _is_inside(self, run: wire.RunInfo, experiment_ids: Sequence[str]) -> bool:
        since, until = self._selection.since_ms, self._selection.until_ms
        if self._selection.experiments and run.experiment_id not in experiment_ids:
            return False
        if not self._selection.has_window:
            return True
        started = run.start_time
        return started is not None and (since or started) <= started and (until is None or started < until)

    def _filtered(self, runs: Sequence[wire.Run]) -> list[wire.Run]:
        """Those of the runs that the server says the filter fits."""
        found: set[str] = set()
        for start in range(0, len(runs), _FEW):
            some = runs[start : start + _FEW]
            listed = ", ".join(f"'{run.info.run_id}'" for run in some)
            wanted = f"{self._selection.filter} AND attributes.run_id IN ({listed})"
            experiment_ids = sorted({run.info.experiment_id for run in some})
            found.update(run.info.run_id for page in self._run_search(experiment_ids, wanted) for run in page)
        return [run for run in runs if run.info.run_id in found]

    def _run_search(self, experiment_ids: Sequence[str], fits: str = "") -> Iterator[list[wire.Run]]:
        try:
            yield from super()._run_search(experiment_ids, fits)
        except RefusedError as error:
            if error.status == 400 and self._selection.filter:
                raise UsageError(f"the filter {self._selection.filter!r} is refused: {error}") from None
            raise

    def _runs_named(self) -> dict[str, wire.Run]:
        asked = self._selection.runs
        found = {run.info.run_id: run for run in self._runs_of(asked)}
        names = [name for name in asked if name not in found]
        by_name = (
            run
            for name in names
            for page in self._run_search(self._all_experiments(), fits("attributes.run_name", name))
            for run in page
            if _name_of(run) == name
        )
        found |= {run.info.run_id: run for run in by_name}
        known = chain(found, (_name_of(run) for run in found.values()))
        require_known("run", asked, known, self._run_names)
        return found

    def _run_names(self) -> Iterator[str]:
        """The names of the first thousand runs or so."""
        first: list[wire.Run] = next(self._run_search(self._all_experiments()), [])
        return (_name_of(run) for run in first)

    def _runs_of(self, run_ids: Iterable[str]) -> list[wire.Run]:
        return [run for run in self._client.in_order(self._run, sorted(run_ids)) if run]

    def _run(self, run_id: str) -> wire.Run | None:
        try:
            path, query = f"{API}/runs/get", [("run_id", run_id)]
            answer = self._client.ask_if_known(wire.OneRun, path, query=query)
        except RefusedError as error:
            if error.status != 400:
                raise
            return None
        if answer is None:
            return None
        self._whole_runs.add(run_id)
        return answer.run

    def _with_model_inputs(self, run: wire.Run) -> wire.Run:
        return run if run.info.run_id in self._whole_runs else super()._with_model_inputs(run)

    def _behind(self, versions: Sequence[wire.ModelVersion]) -> set[str]:
        """The runs that made versions, or the logged models that versions were made of."""
        models = sorted({found for it in versions if (found := _model_of(it))})
        told = {it.info.source_run_id for it, _ in self._logged_models_of(models)}
        return {run_id for run_id in told | {it.run_id for it in versions} if run_id}

    # ---- Runs and the runs above them ------------------------------------------------------------

    def _take(self, runs: list[wire.Run]) -> Batches:
        for run in runs:
            self._runs.add(run.info.run_id)
            self._experiment_of[run.info.run_id] = run.info.experiment_id
            self._parents.update(tag.value for tag in run.data.tags if tag.key == _PARENT and tag.value)
            self._note_prompts(run.data.tags)
        yield from self._read_runs(runs)

    def _read_parents(self) -> Batches:
        asked = set(self._runs)
        while above := self._parents - asked:
            asked |= above
            runs = self._runs_of(above)
            if runs:
                yield from self._take(runs)

    def _may_take_models_in(self, runs: Sequence[wire.Run]) -> bool:
        if self._has_models is None:
            body = {"experiment_ids": [runs[0].info.experiment_id], "max_results": 1}
            path = f"{API}/logged-models/search"
            self._has_models = self._client.ask_if_known(wire.LoggedModelPage, path, body=body) is not None
        return self._has_models

    def _note_prompts(self, tags: Sequence[wire.Pair]) -> None:
        self._prompts.update(name for tag in tags if tag.key == _PROMPTS for name in prompts_in(tag.value))

    # ---- Logged models -------------------------------------------------------------------------

    def _made_models(self, experiment_ids: Sequence[str], whole: Sequence[str]) -> Batches:
        """The logged models that the runs made, and all of the experiments that are chosen as a whole."""
        if whole:
            yield from self._logged_models(whole)
        filters = [fits("source_run_id", run_id) for run_id in sorted(self._runs)]
        filters = filters if len(filters) <= _FEW else [""]
        for wanted in filters:
            for page in self._logged_model_search(experiment_ids, wanted):
                new = {
                    it.info.model_id: it
                    for it in page
                    if it.info.source_run_id in self._runs and it.info.model_id not in self._models
                }
                self._models.update(new)
                yield from self._read_logged_models(list(new.values()), "active")

    def _read_logged_models(self, models: Sequence[wire.LoggedModel], stage: str) -> Batches:
        for model in models:
            self._note_prompts(model.info.tags)
        yield from super()._read_logged_models(models, stage)

    def _linked_logged_models(self) -> Batches:
        """Logged models that runs or versions name and that were not read: with files where a run here made them."""
        missing = sorted(set(self._linked_models) - self._models)
        for model, stage in self._logged_models_of(missing):
            is_made = model.info.model_id in self._put_out or model.info.source_run_id in self._runs
            if is_made or self._selection.is_of_models:
                yield from self._read_logged_models([model], stage)
            else:
                yield from rows.batches(rows.logged_models(stage), [model])

    def _logged_models_of(self, model_ids: Sequence[str]) -> Iterator[tuple[wire.LoggedModel, str]]:
        return (found for found in self._client.in_order(self._logged_model, model_ids) if found)

    def _logged_model(self, model_id: str) -> tuple[wire.LoggedModel, str] | None:
        """A logged model, with its stage: the server shows deleted ones only where it is asked to."""
        active = self._active_logged_model(model_id)
        if active:
            return active, "active"
        model = self._deleted_logged_model(model_id)
        return (model, "deleted") if model else None

    # ---- Registry ------------------------------------------------------------------------------

    def _selected_registry(self, versions: dict[str, list[wire.ModelVersion]]) -> Batches:
        """The registered models and prompts of which a version may be wanted, with all of their versions."""
        if not versions and max(len(self._runs), len(self._models)) > _FEW:
            yield from self._registry()
            return
        names = set(versions) | self._prompts | (set() if versions else self._names_made())
        done: set[str] = set()
        while names - done:
            for name in sorted(names - done):
                done.add(name)
                model = self._registered_model(name)
                found = versions.get(name) or self._versions_of(name)
                if model:
                    yield from rows.batches(rows.registered_models(self._workspace), [model])
                yield from self._read_versions(name, found)
                names |= {copied for it in found if (copied := copied_from(it.source))}

    def _read_versions(self, name: str, versions: Sequence[wire.ModelVersion]) -> Batches:
        for it in versions:
            self._note_version(it)
        yield from rows.batches(rows.model_versions(self._workspace), versions)
        missing = self._missing_versions(name, {it.version for it in versions}) if versions else []
        if missing:
            yield rows.batch("mlflow_model_version", missing)

    def _note_version(self, it: wire.ModelVersion) -> None:
        if it.run_id in self._runs or self._selection.is_of_models or it.name in self._prompts:
            super()._note_version(it)

    def _names_made(self) -> set[str]:
        """The models with a version that was made by one of the runs, or of a logged model of theirs."""
        wanted = [fits("run_id", run_id) for run_id in sorted(self._runs)]
        wanted += [fits("source_path", f"models:/{model_id}") for model_id in sorted(self._models)]
        return {it.name for some in self._client.in_order(self._versions_that_fit, wanted) for it in some}

    def _versions_of(self, name: str) -> list[wire.ModelVersion]:
        return [it for it in self._versions_that_fit(fits("name", name)) if it.name == name]

    def _versions_that_fit(self, wanted: str) -> list[wire.ModelVersion]:
        """The versions of models and prompts that a filter fits, each once."""
        path = f"{API}/model-versions/search"
        found: dict[tuple[str, int], wire.ModelVersion] = {}
        query: Query = [("max_results", 10_000), ("filter", wanted)]
        prompts: Query = [("max_results", 10_000), ("filter", f"{wanted} AND {IS_PROMPT}")]
        pages = self._pages(wire.ModelVersionPage, path, query, optional=True)
        for page in chain(pages, self._tolerant_pages(wire.ModelVersionPage, path, prompts)):
            found |= {(it.name, it.version): it for it in page.model_versions}
        return list(found.values())

    def _registered_model(self, name: str) -> wire.RegisteredModel | None:
        path, query = f"{API}/registered-models/get", [("name", name)]
        try:
            answer = self._client.ask_if_known(wire.OneRegisteredModel, path, query=query)
        except RefusedError as error:
            if error.status != 400:
                raise
            # The server takes no such name any more, such as one with a slash; its list may still have it.
            return next((it for page in self._registry_pages() for it in page if it.name == name), None)
        return answer.registered_model if answer else None

    # ---- Traces --------------------------------------------------------------------------------

    def _traces(self, experiment_ids: Sequence[str], whole: Sequence[str]) -> Batches:
        filters = [fits("request_metadata.`mlflow.sourceRun`", run_id) for run_id in sorted(self._runs)]
        filters += [
            fits("request_metadata.`mlflow.modelId`", it) for it in sorted(self._models | self._put_out)
        ]
        if whole or max(len(self._runs), len(self._models)) > _FEW:
            filters = [""]
        reader = TraceReader(self._client, is_detailed=TRACE_DETAILS not in self._skip)
        for table, batch in reader.read(experiment_ids, filters):
            if table == "mlflow_trace_tag":
                told = zip(batch["key"].to_pylist(), batch["value"].to_pylist(), strict=True)
                self._note_prompts([wire.Pair(key or "", value) for key, value in told])
            yield table, batch


def _name_of(run: wire.Run) -> str:
    """The name of a run, as MLflow shows it; empty where it has none."""
    return run.info.run_name or next(
        (tag.value or "" for tag in run.data.tags if tag.key == "mlflow.runName"), ""
    )


def _model_of(version: wire.ModelVersion) -> str | None:
    return version.model_id or rows.model_id_of(version.source)
