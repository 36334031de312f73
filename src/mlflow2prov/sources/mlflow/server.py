"""The way into MLflow over HTTP: everything that a tracking server tells, as source tables.

Works with servers from MLflow 2.0 on; what a version does not have leaves its tables empty.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from mlflow2prov.sources.mlflow import server_rows as rows
from mlflow2prov.sources.mlflow import server_wire as wire
from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess
from mlflow2prov.sources.mlflow.http_client import HttpClient, HttpSettings, Pages, Query, RefusedError
from mlflow2prov.sources.mlflow.known import Finished
from mlflow2prov.sources.mlflow.parts import EVERYTHING, TRACE_DETAILS, Wanted
from mlflow2prov.sources.mlflow.server_artifacts import ArtifactReader
from mlflow2prov.sources.mlflow.server_evaluation import EvaluationReader
from mlflow2prov.sources.mlflow.server_history import HistoryReader
from mlflow2prov.sources.mlflow.server_runs import RunSearch
from mlflow2prov.sources.mlflow.server_traces import TraceReader
from mlflow2prov.sources.tables import Batches

_logger = logging.getLogger(__name__)

API = "api/2.0/mlflow"
EXPERIMENTS_PER_SEARCH = 500
IS_PROMPT = "tags.`mlflow.prompt.is_prompt` = 'true'"
_MOST_MISSING_VERSIONS = 100_000
_FEW_RETRIES = 1
_RUNS_AT_ONCE = 200
DEFAULT_WORKSPACE = "default"

_P = TypeVar("_P", wire.ExperimentPage, wire.RegisteredModelPage, wire.ModelVersionPage)
_NAMES_IN: Mapping[type, Callable[[Any], set[object]]] = {
    wire.ExperimentPage: lambda page: {it.experiment_id for it in page.experiments},
    wire.RegisteredModelPage: lambda page: {it.name for it in page.registered_models},
    wire.ModelVersionPage: lambda page: {(it.name, it.version) for it in page.model_versions},
}
"""What the things on a page of each kind are known by."""


def read_server(
    url: str,
    wanted: Wanted = EVERYTHING,
    *,
    settings: HttpSettings,
    artifacts: ArtifactAccess | None = None,
    finished: Finished | None = None,
) -> Batches:
    """Batches of every MLflow source table that the tracking server at ``url`` can fill.

    The same tables with the same values as from the server's database, but for what a server does not tell:
    when runs were deleted, all but the number of deleted versions, deleted registered models, and the places
    that versions are stored at.

    Holds two pages of runs (about 16 MB of JSON each) at a time, with 65,536 points of metrics, 10,000 versions of
    models, and the identifiers of all runs, datasets and logged models.

    Args:
        url: of the server, with or without path and credentials.
        wanted: what to read of it.
        settings: how to talk to it.
        artifacts: how to reach artifacts that the server does not hand out itself.
        finished: runs that need not be read any more, where the reading goes on with an earlier one.

    Raises:
        SourceError: the server can't be reached or read, or is no MLflow server.
        UsageError: ``url`` is not a server's.
    """
    access = artifacts or ArtifactAccess()
    return read_with(HttpClient(url, settings), settings.workspace, wanted, access, finished)


def read_with(
    client: HttpClient,
    workspace: str | None,
    wanted: Wanted,
    access: ArtifactAccess,
    finished: Finished | None = None,
) -> Batches:
    """Batches of what a client that is closed afterwards can be asked for, as :func:`read_server` yields them."""
    from mlflow2prov.sources.mlflow.server_selection import SelectedReader

    is_all = wanted.selection.is_everything
    reader = ServerReader if is_all else SelectedReader
    with client:
        yield rows.batch("mlflow_store", [(client.uri, version_of(client), None)])
        artifacts = ArtifactReader(client, with_digests=wanted.artifact_digests, access=access)
        # A selection's names are looked up in one workspace: in others they would be unknown.
        for name in [workspace] if workspace or not is_all else workspaces_of(client):
            if name is not None:
                client.enter_workspace(name)
            yield from reader(client, name or DEFAULT_WORKSPACE, wanted, artifacts, finished).read()
        artifacts.report()


def version_of(client: HttpClient) -> str | None:
    """The version that the server says it is of."""
    try:
        text = client.request("version", retries=_FEW_RETRIES).decode("utf-8", "replace").strip()
    except RefusedError as error:
        if error.status == 401:
            raise
        return None
    return text if 0 < len(text) < 40 and "<" not in text else None


def workspaces_of(client: HttpClient) -> list[str] | list[None]:
    """The names of all workspaces that the server lets one read, or None for what it has without any."""
    try:
        answer = client.ask_if_known(wire.Workspaces, "api/3.0/mlflow/workspaces")
    except RefusedError as error:
        if error.status not in (400, 403):
            raise
        answer = None
    names = sorted({it.name for it in answer.workspaces}) if answer else []
    return names or [None]


class ServerReader:
    """One reading of one workspace; keeps the identifiers that tell what is still to be read."""

    def __init__(
        self,
        client: HttpClient,
        workspace: str,
        wanted: Wanted,
        artifacts: ArtifactReader,
        finished: Finished | None = None,
    ) -> None:
        """Read what is wanted of the server that ``client`` is connected to."""
        self._finished = finished
        self._client = client
        self._workspace = workspace
        self._skip = wanted.skip
        self._history = HistoryReader(client)
        self._artifacts = artifacts
        self._runs: set[str] = set()
        self._datasets: set[tuple[str, str, str]] = set()
        self._models: set[str] = set()
        self._linked_models: dict[str, None] = {}
        self._put_out: set[str] = set()

    def read(self) -> Batches:
        """Every table but that of the store, experiments first."""
        experiments = self._experiments()
        experiment_ids = [experiment.experiment_id for experiment in experiments]
        yield from rows.batches(rows.EXPERIMENTS, experiments)
        if "registered_models" not in self._skip:
            yield from self._registry()
        if "logged_models" not in self._skip:
            yield from self._logged_models(experiment_ids)
        for runs in self._run_pages(experiment_ids):
            yield from self._read_unfinished(runs)
        if "logged_models" not in self._skip:
            yield from self._deleted_logged_models()
        if "traces" not in self._skip:
            is_detailed = TRACE_DETAILS not in self._skip
            yield from TraceReader(self._client, is_detailed=is_detailed).read(experiment_ids)
        if "evaluation_datasets" not in self._skip:
            yield from EvaluationReader(self._client).read()

    def _experiments(self) -> list[wire.Experiment]:
        query: Query = [("max_results", 50_000), ("view_type", "ALL")]
        pages = self._pages(wire.ExperimentPage, f"{API}/experiments/search", query)
        found = {it.experiment_id: it for page in pages for it in page.experiments}
        _logger.info("%s has %d experiments", self._client.uri, len(found))
        return sorted(found.values(), key=lambda it: (len(it.experiment_id), it.experiment_id))

    def _pages(self, kind: type[_P], path: str, query: Query, *, optional: bool = False) -> Iterator[_P]:
        """The pages of a search by GET; where it is ``optional``, none from a server that lacks it."""
        token, pages = None, Pages(path)
        seen: set[object] = set()
        while True:
            asked = [*query, ("page_token", token)] if token else query
            page = (self._client.ask_if_known if optional else self._client.ask)(kind, path, query=asked)
            if page is None:
                return
            yield page
            names = _NAMES_IN[kind](page)
            token = pages.after(page, new=len(names - seen))
            seen |= names
            if token is None:
                return

    # ---- Runs ----------------------------------------------------------------------------------

    def _run_pages(self, experiment_ids: Sequence[str], fits: str = "") -> Iterator[list[wire.Run]]:
        for start in range(0, len(experiment_ids), EXPERIMENTS_PER_SEARCH):
            some = experiment_ids[start : start + EXPERIMENTS_PER_SEARCH]
            for page in self._run_search(some, fits):
                new = {run.info.run_id: run for run in page if run.info.run_id not in self._runs}
                self._runs.update(new)
                if new:
                    yield list(new.values())
        _logger.info("%s has %d runs", self._client.uri, len(self._runs))

    def _run_search(self, experiment_ids: Sequence[str], fits: str = "") -> Iterator[list[wire.Run]]:
        """Pages of runs that a filter fits, oldest first so that runs that start meanwhile shift none of them.

        The page that follows is asked for before one is handed out, so that the server has always work.
        """
        search = RunSearch(self._client, experiment_ids, fits)
        pages = Pages(search.path)
        page = search.page(None)
        while True:
            token = pages.after(page, new=sum(run.info.run_id not in self._runs for run in page.runs))
            following = self._client.begin(search.page, token) if token else None
            yield page.runs
            if following is None:
                return
            page = following.result()

    def _read_unfinished(self, runs: list[wire.Run]) -> Batches:
        """All of the runs that an earlier reading did not finish; the links of models are read of all."""
        if self._finished is None:
            yield from self._read_runs(runs)
            return
        left = self._finished.unfinished([run.info.run_id for run in runs])
        for start in range(0, len(runs), _RUNS_AT_ONCE):
            some = [run for run in runs[start : start + _RUNS_AT_ONCE] if run.info.run_id in left]
            yield from self._read_runs(some)
            self._finished.finish([run.info.run_id for run in some])
        for run in runs:
            for link in (*run.inputs.model_inputs, *run.outputs.model_outputs):
                self._linked_models[link.model_id] = None

    def _read_runs(self, runs: list[wire.Run]) -> Batches:
        yield from rows.batches(rows.RUNS, runs)
        yield from self._read_parts(runs)
        if "artifacts" not in self._skip:
            yield from self._artifacts.read([("run", it.info.run_id, it.info.artifact_uri) for it in runs])

    def _read_parts(self, runs: list[wire.Run]) -> Batches:
        """What belongs to runs and takes requests of its own: points, datasets and models."""
        yield from self._read_points(runs)
        if "datasets" not in self._skip:
            yield from self._read_datasets(runs)
        if "logged_models" not in self._skip:
            yield from self._read_links(runs)

    def _read_points(self, runs: list[wire.Run]) -> Batches:
        if "metric_history" in self._skip:
            yield from rows.batches(rows.LATEST_METRICS, runs)
        else:
            yield from self._history.read(runs)

    def _read_datasets(self, runs: Sequence[wire.Run]) -> Batches:
        found: dict[tuple[str, str, str], rows.Row] = {}
        for run in runs:
            for taken in run.inputs.dataset_inputs:
                key = (run.info.experiment_id, taken.dataset.name, taken.dataset.digest)
                if key not in self._datasets:
                    found[key] = rows.dataset(run.info.experiment_id, taken.dataset)
        self._datasets.update(found)
        if found:
            yield rows.batch("mlflow_dataset", list(found.values()))
        yield from rows.batches(rows.DATASET_INPUTS, runs)

    def _read_links(self, runs: Sequence[wire.Run]) -> Batches:
        """Links of runs and logged models; inputs take a request a run, so only where there are models."""
        linked = list(runs)
        if self._may_take_models_in(runs):
            linked = list(self._client.in_order(self._with_model_inputs, runs))
        for run in linked:
            for link in (*run.inputs.model_inputs, *run.outputs.model_outputs):
                self._linked_models[link.model_id] = None
            self._put_out.update(link.model_id for link in run.outputs.model_outputs)
        yield from rows.batches(rows.MODEL_LINKS, linked)

    def _may_take_models_in(self, runs: Sequence[wire.Run]) -> bool:
        """Whether some of these runs may have taken logged models in."""
        return bool(self._models) or any(run.outputs.model_outputs for run in runs)

    def _with_model_inputs(self, run: wire.Run) -> wire.Run:
        query = [("run_id", run.info.run_id)]
        full = self._client.ask_if_known(wire.OneRun, f"{API}/runs/get", query=query)
        return run if full is None else full.run

    # ---- Logged models -------------------------------------------------------------------------

    def _logged_models(self, experiment_ids: Sequence[str]) -> Batches:
        for start in range(0, len(experiment_ids), EXPERIMENTS_PER_SEARCH):
            some = experiment_ids[start : start + EXPERIMENTS_PER_SEARCH]
            for page in self._logged_model_search(some):
                new = {it.info.model_id: it for it in page if it.info.model_id not in self._models}
                self._models.update(new)
                yield from self._read_logged_models(list(new.values()), "active")

    def _logged_model_search(
        self, experiment_ids: Sequence[str], fits: str = "", *, ascending: bool = True, size: int = 1_000
    ) -> Iterator[list[wire.LoggedModel]]:
        path = f"{API}/logged-models/search"
        body: dict[str, object] = {
            "experiment_ids": experiment_ids,
            "max_results": size,
            "order_by": [{"field_name": "creation_timestamp", "ascending": ascending}],
        }
        body |= {"filter": fits} if fits else {}
        pages = Pages(path)
        while True:
            page = self._client.ask_if_known(wire.LoggedModelPage, path, body=body)
            if page is None:
                return
            new = sum(model.info.model_id not in self._models for model in page.models)
            yield page.models
            token = pages.after(page, new=new)
            if token is None:
                return
            body["page_token"] = token

    def _deleted_logged_models(self) -> Batches:
        """Logged models that a search keeps back, as far as runs or versions still name them."""
        missing = sorted(set(self._linked_models) - self._models)
        answers = self._client.in_order(self._deleted_logged_model, missing)
        yield from self._read_logged_models([model for model in answers if model], "deleted")

    def _deleted_logged_model(self, model_id: str) -> wire.LoggedModel | None:
        return self._active_logged_model(model_id, [("allow_deleted", "true")])

    def _active_logged_model(self, model_id: str, query: Query = ()) -> wire.LoggedModel | None:
        """A logged model, None where the server does not show it."""
        try:
            path = f"{API}/logged-models/{model_id}"
            answer = self._client.ask_if_known(wire.OneLoggedModel, path, query=query)
        except RefusedError as error:
            if error.status not in (400, 403):
                raise
            return None
        return answer.model if answer else None

    def _read_logged_models(self, models: Sequence[wire.LoggedModel], stage: str) -> Batches:
        yield from rows.batches(rows.logged_models(stage), models)
        if "artifacts" not in self._skip:
            owners = [("logged_model", it.info.model_id, it.info.artifact_uri) for it in models]
            yield from self._artifacts.read(owners)

    # ---- Registry ------------------------------------------------------------------------------

    def _registry(self) -> Batches:
        models = {it.name: it for page in self._registry_pages() for it in page}
        yield from rows.batches(rows.registered_models(self._workspace), list(models.values()))
        numbers: dict[str, set[int]] = {}
        for versions in self._version_pages():
            new = [it for it in versions if it.version not in numbers.setdefault(it.name, set())]
            for it in new:
                numbers[it.name].add(it.version)
                self._note_version(it)
            yield from rows.batches(rows.model_versions(self._workspace), new)
        missing = [row for name in numbers for row in self._missing_versions(name, numbers[name])]
        if missing:
            yield rows.batch("mlflow_model_version", missing)

    def _note_version(self, it: wire.ModelVersion) -> None:
        """Keep in mind which logged model a version was made of."""
        model_id = it.model_id or rows.model_id_of(it.source)
        if model_id:
            self._linked_models[model_id] = None

    def _registry_pages(self) -> Iterator[list[wire.RegisteredModel]]:
        path = f"{API}/registered-models/search"
        for query in self._registry_queries(1_000):
            for page in self._tolerant_pages(wire.RegisteredModelPage, path, query):
                yield page.registered_models

    def _version_pages(self) -> Iterator[list[wire.ModelVersion]]:
        path = f"{API}/model-versions/search"
        for query in self._registry_queries(10_000):
            for page in self._tolerant_pages(wire.ModelVersionPage, path, query):
                yield page.model_versions

    def _registry_queries(self, size: int) -> Iterable[Query]:
        return [("max_results", size)], [("max_results", size), ("filter", IS_PROMPT)]

    def _tolerant_pages(self, kind: type[_P], path: str, query: Query) -> Iterator[_P]:
        """The pages of a search of the registry; none where the server does not understand its filter."""
        try:
            yield from self._pages(kind, path, query, optional=True)
        except RefusedError as error:
            if error.status != 400 or not any(name == "filter" for name, _ in query):
                raise
            _logger.debug("%s has no prompts", self._client.uri)

    def _missing_versions(self, name: str, numbers: set[int]) -> list[rows.Row]:
        if max(numbers) - len(numbers) > _MOST_MISSING_VERSIONS:
            _logger.warning(
                "the version numbers of model %s have too many gaps to conclude deletions from", name
            )
            return []
        gaps = (number for number in range(1, max(numbers)) if number not in numbers)
        return [rows.missing_version(self._workspace, name, number) for number in gaps]
