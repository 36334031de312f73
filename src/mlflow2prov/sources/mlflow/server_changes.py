"""Reading a server again: what is small whole, and of runs and logged models those that may have changed.

A server has no list of what changed. So these are asked for: the newest runs, back to where a whole page is
known; those that had not ended, or ended since; all deleted ones, and those that were; and, of the rest, some
that were not looked at for longest, so that a store of no more runs than these is always read exactly.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from mlflow2prov.sources.mlflow import server_rows as rows
from mlflow2prov.sources.mlflow import server_wire as wire
from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess
from mlflow2prov.sources.mlflow.http_client import HttpClient, HttpSettings, Pages, RefusedError
from mlflow2prov.sources.mlflow.known import Known
from mlflow2prov.sources.mlflow.parts import TRACE_DETAILS, Wanted
from mlflow2prov.sources.mlflow.server import (
    API,
    DEFAULT_WORKSPACE,
    EXPERIMENTS_PER_SEARCH,
    ServerReader,
    read_with,
    version_of,
    workspaces_of,
)
from mlflow2prov.sources.mlflow.server_artifacts import ArtifactReader
from mlflow2prov.sources.mlflow.server_evaluation import EvaluationReader
from mlflow2prov.sources.mlflow.server_traces import TraceReader
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

_logger = logging.getLogger(__name__)

MOST_RUNS = 250
"""How many runs that look as before are asked for nevertheless, each time."""

MOST_MODELS = 50
"""Likewise, of logged models, each of which takes a request."""

FEW_MODELS = 1_000
"""Up to so many logged models, all are read each time."""

_PAGE = 100
_IDS_PER_SEARCH = 100
_RUN_TABLES = ("mlflow_run", "mlflow_param", "mlflow_tag")
_MODEL_TABLES = (
    "mlflow_logged_model",
    "mlflow_logged_model_param",
    "mlflow_logged_model_tag",
    "mlflow_logged_model_metric",
)
_REGISTRY = (
    "mlflow_registered_model",
    "mlflow_registered_model_tag",
    "mlflow_registered_model_alias",
    "mlflow_model_version",
    "mlflow_model_version_tag",
)


def read_server_again(
    url: str,
    wanted: Wanted,
    known: Known,
    *,
    settings: HttpSettings,
    artifacts: ArtifactAccess | None = None,
) -> Batches:
    """Batches of what may be new at a tracking server since an earlier reading.

    Where several workspaces are read, everything is read again. Else holds the runs that are asked for one by
    one, and the identifiers of those that are found.

    Args:
        url: of the server.
        wanted: what to read of it, as in the earlier reading.
        known: that reading.
        settings: how to talk to it.
        artifacts: how to reach artifacts that the server does not hand out itself.

    Raises:
        SourceError: the server can't be reached or read, or is no MLflow server.
    """
    client = HttpClient(url, settings)
    return _read(client, settings.workspace, wanted, known, artifacts or ArtifactAccess())


def _read(
    client: HttpClient, workspace: str | None, wanted: Wanted, known: Known, access: ArtifactAccess
) -> Batches:
    with client:
        workspaces = [workspace] if workspace else workspaces_of(client)
        if len(workspaces) > 1:
            for table in SOURCE_TABLES:
                if table.startswith("mlflow_"):
                    known.all_of(table)
            yield from read_with(client, workspace, wanted, access)
            return
        (name,) = workspaces
        if name is not None:
            client.enter_workspace(name)
        known.all_of("mlflow_store")
        yield rows.batch("mlflow_store", [(client.uri, version_of(client), None)])
        reader = ArtifactReader(client, with_digests=wanted.artifact_digests, access=access)
        yield from _Again(client, name or DEFAULT_WORKSPACE, wanted, reader, known).read()
        reader.report()


class _Again(ServerReader):
    """One more reading of a server."""

    def __init__(
        self,
        client: HttpClient,
        workspace: str,
        wanted: Wanted,
        artifacts: ArtifactReader,
        known: Known,
    ) -> None:
        super().__init__(client, workspace, wanted, artifacts)
        self._known = known

    def read(self) -> Batches:
        """Every table that may have changed, experiments first."""
        known = self._known
        for table in ("mlflow_experiment", "mlflow_experiment_tag"):
            known.all_of(table)
        experiments = self._experiments()
        experiment_ids = [experiment.experiment_id for experiment in experiments]
        yield from rows.batches(rows.EXPERIMENTS, experiments)
        if "registered_models" not in self._skip:
            for table in _REGISTRY:
                known.all_of(table)
            yield from self._registry()
        if "logged_models" not in self._skip:
            yield from self._models_again(experiment_ids)
        yield from self._runs_again(experiment_ids)
        yield from self._rest(experiment_ids)

    def _rest(self, experiment_ids: Sequence[str]) -> Batches:
        if "traces" not in self._skip:
            for table in ("trace_count", "trace", "trace_tag", "trace_metadata", "span", "assessment"):
                self._known.all_of(f"mlflow_{table}")
            is_detailed = TRACE_DETAILS not in self._skip
            yield from TraceReader(self._client, is_detailed=is_detailed).read(experiment_ids)
        if "evaluation_datasets" not in self._skip:
            for table in ("", "_tag", "_link"):
                self._known.all_of(f"mlflow_evaluation_dataset{table}")
            yield from EvaluationReader(self._client).read()

    # ---- Runs ----------------------------------------------------------------------------------

    def _runs_again(self, experiment_ids: Sequence[str]) -> Batches:
        found: dict[str, wire.Run] = {}
        for page in self._newest(experiment_ids):
            found |= {run.info.run_id: run for run in page}
        ended = f"attributes.end_time > {self._known.begun_ms() - _SLACK_MS}"
        for condition in ("DELETED_ONLY", ended):
            for page in self._conditioned(experiment_ids, condition):
                found |= {run.info.run_id: run for run in page}
        asked = [*self._known.open_runs(), *self._known.oldest("run", MOST_RUNS)]
        asked = [run_id for run_id in dict.fromkeys(asked) if run_id not in found]
        for page in self._by_id(experiment_ids, asked):
            found |= {run.info.run_id: run for run in page}
        _logger.info("%s: looked at %d runs", self._client.uri, len(found))
        for table in _RUN_TABLES:
            self._known.some_of(table, "run", [*found, *(run_id for run_id in asked if run_id not in found)])
        runs = list(found.values())
        yield from rows.batches(rows.RUNS, runs)
        yield from self._read_changed(runs)

    def _read_changed(self, runs: Sequence[wire.Run]) -> Batches:
        """What belongs to runs that are others than before: points, datasets, models and artifacts."""
        latest = [rows.point(run.info.run_id, metric) for run in runs for metric in run.data.metrics]
        ids = set(self._known.other_runs([run.info.run_id for run in runs], latest))
        changed = [run for run in runs if run.info.run_id in ids]
        named = [run.info.run_id for run in changed]
        tables = ["mlflow_metric"]
        tables += ["mlflow_dataset_input"] if "datasets" not in self._skip else []
        tables += ["mlflow_model_link"] if "logged_models" not in self._skip else []
        for table in tables:
            self._known.some_of(table, "run", named)
        self._models.update(self._known.ids("logged_model"))
        if changed:
            yield from self._read_parts(changed)
        self._known.more_of("mlflow_dataset")
        if "artifacts" not in self._skip:
            yield from self._list([("run", it.info.run_id, it.info.artifact_uri or "") for it in runs])

    def _newest(self, experiment_ids: Sequence[str]) -> Iterator[list[wire.Run]]:
        """Pages of runs, newest first, to the first one without any that is not known."""
        for some in _some(experiment_ids, EXPERIMENTS_PER_SEARCH):
            for page in self._search(some, order_by=["attribute.start_time DESC"]):
                yield page
                if not self._known.unknown("run", [run.info.run_id for run in page]):
                    break

    def _conditioned(self, experiment_ids: Sequence[str], condition: str) -> Iterator[list[wire.Run]]:
        more = {"run_view_type": condition} if condition == "DELETED_ONLY" else {"filter": condition}
        try:
            for some in _some(experiment_ids, EXPERIMENTS_PER_SEARCH):
                yield from self._search(some, **more)
        except RefusedError as error:
            if error.status != 400:
                raise
            _logger.debug("%s does not know the condition %s", self._client.uri, condition)

    def _by_id(self, experiment_ids: Sequence[str], run_ids: Sequence[str]) -> Iterator[list[wire.Run]]:
        """Runs by their identifiers; those that are gone are missing."""
        plain = [run_id for run_id in run_ids if "'" not in run_id]
        for ids in _some(plain, _IDS_PER_SEARCH):
            listed = ", ".join(f"'{run_id}'" for run_id in ids)
            for some in _some(experiment_ids, EXPERIMENTS_PER_SEARCH):
                yield from self._search(some, filter=f"attributes.run_id IN ({listed})")

    def _search(self, experiment_ids: Sequence[str], **more: object) -> Iterator[list[wire.Run]]:
        path = f"{API}/runs/search"
        body: dict[str, object] = {
            "experiment_ids": list(experiment_ids),
            "run_view_type": "ALL",
            "max_results": _PAGE,
            **more,
        }
        pages = Pages(path)
        while True:
            page = self._client.ask(wire.RunPage, path, body=body)
            if page.runs:
                yield page.runs
            token = pages.after(page)
            if token is None:
                return
            body["page_token"] = token

    # ---- Logged models -------------------------------------------------------------------------

    def _models_again(self, experiment_ids: Sequence[str]) -> Batches:
        mine = self._known.ids("logged_model")
        if len(mine) <= FEW_MODELS:
            for table in _MODEL_TABLES:
                self._known.all_of(table)
            yield from self._logged_models(experiment_ids)
            self._linked_models.update((model_id, None) for model_id in mine if model_id not in self._models)
            yield from self._deleted_logged_models()
            return
        found: dict[str, wire.LoggedModel] = {}
        for page in self._newest_models(experiment_ids):
            found |= {model.info.model_id: model for model in page}
        asked = [it for it in self._known.oldest("logged_model", MOST_MODELS) if it not in found]
        active = [it for it in self._client.in_order(self._active_logged_model, asked) if it]
        found |= {model.info.model_id: model for model in active}
        for table in _MODEL_TABLES:
            self._known.some_of(table, "logged_model", list({**found, **dict.fromkeys(asked)}))
        self._models.update(mine, found)
        yield from self._read_logged_models(list(found.values()), "active")
        missing = [model_id for model_id in asked if model_id not in found]
        deleted = [it for it in self._client.in_order(self._deleted_logged_model, missing) if it]
        yield from self._read_logged_models(deleted, "deleted")

    def _newest_models(self, experiment_ids: Sequence[str]) -> Iterator[list[wire.LoggedModel]]:
        for some in _some(experiment_ids, EXPERIMENTS_PER_SEARCH):
            for page in self._logged_model_search(some, ascending=False, size=_PAGE):
                yield page
                if not self._known.unknown("logged_model", [model.info.model_id for model in page]):
                    break

    def _read_logged_models(self, models: Sequence[wire.LoggedModel], stage: str) -> Batches:
        yield from rows.batches(rows.logged_models(stage), models)
        if "artifacts" not in self._skip and models:
            owners = [("logged_model", it.info.model_id, it.info.artifact_uri or "") for it in models]
            yield from self._list(owners)

    def _list(self, owners: Iterable[tuple[str, str, str]]) -> Batches:
        """The artifacts of those owners whose artifacts may be others than before."""
        listed = self._known.to_list(owners)
        yield from self._artifacts.read([(kind, owner_id, uri or None) for kind, owner_id, uri in listed])


_SLACK_MS = 600_000
"""How far the clocks of those who log runs may go wrong."""

_S = TypeVar("_S")


def _some(things: Sequence[_S], size: int) -> Iterator[Sequence[_S]]:
    """The things in parts of a size."""
    for start in range(0, len(things), size):
        yield things[start : start + size]
