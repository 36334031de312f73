"""Reading a server again: what is small whole, and of runs and logged models those that may have changed.

What may have changed is found as :mod:`mlflow2prov.sources.mlflow.server_again` says. Points are read of the
runs alone that look different; what a server tells of one thing a request only (the logged models that a run
takes in, artifacts) of these, and of some others in turn.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from mlflow2prov.sources.mlflow import server_rows as rows
from mlflow2prov.sources.mlflow import server_wire as wire
from mlflow2prov.sources.mlflow.artifact_stores import ArtifactAccess, is_direct
from mlflow2prov.sources.mlflow.http_client import HttpClient, HttpSettings
from mlflow2prov.sources.mlflow.known import LINKS, MOST_CHECKS, Known
from mlflow2prov.sources.mlflow.parts import TRACE_DETAILS, Wanted
from mlflow2prov.sources.mlflow.server import (
    API,
    DEFAULT_WORKSPACE,
    ServerReader,
    read_with,
    version_of,
    workspaces_of,
)
from mlflow2prov.sources.mlflow.server_again import ModelsAgain, RunsAgain
from mlflow2prov.sources.mlflow.server_artifacts import ArtifactReader
from mlflow2prov.sources.mlflow.server_evaluation import EvaluationReader
from mlflow2prov.sources.mlflow.server_traces import TraceReader
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches

_logger = logging.getLogger(__name__)

MOST_MODELS = 50
"""How many logged models that look as before are asked for nevertheless, each time."""

MOST_LINKS = 25
"""Likewise, of runs, which are asked for one by one for the logged models that they took in."""

MOST_LISTINGS = 25
"""Likewise, of runs and logged models whose artifacts the server lists, one or more requests each."""

FEW_MODELS = 1_000
"""Up to so many logged models, all are read each time."""

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
        runs = RunsAgain(self._client, self._known, experiment_ids)
        runs.find()
        found, gone = dict(runs.found), runs.gone
        asked = self._links_to_look_at()
        full = {run.info.run_id: run for run in self._client.in_order(self._full_run, asked) if run}
        gone |= set(asked) - full.keys() - found.keys()
        found |= full
        _logger.info("%s: looked at %d runs", self._client.uri, len(found))
        for table in _RUN_TABLES:
            self._known.some_of(table, "run", [*found, *sorted(gone - found.keys())])
        yield from rows.batches(rows.RUNS, list(found.values()))
        yield from self._read_changed(list(found.values()), full)

    def _links_to_look_at(self) -> list[str]:
        """Some runs to read in full, with the logged models that they took in, which a search does not tell."""
        if "logged_models" in self._skip or not (self._models or self._known.ids("logged_model")):
            return []
        return self._known.oldest(LINKS, MOST_LINKS)

    def _full_run(self, run_id: str) -> wire.Run | None:
        answer = self._client.ask_if_known(wire.OneRun, f"{API}/runs/get", query=[("run_id", run_id)])
        return answer.run if answer else None

    def _read_changed(self, runs: Sequence[wire.Run], full: Mapping[str, wire.Run]) -> Batches:
        """What belongs to runs that are others than before: points, models and artifacts; datasets of all."""
        known, run_ids = self._known, [run.info.run_id for run in runs]
        if "datasets" not in self._skip:
            known.some_of("mlflow_dataset_input", "run", run_ids)
            yield from self._read_datasets(runs)
        latest = [rows.point(run.info.run_id, metric) for run in runs for metric in run.data.metrics]
        ids = set(known.other_runs(run_ids, latest))
        has_links = "logged_models" not in self._skip
        if has_links:
            links = [row for run in runs for row in rows.outputs(run)]
            ids |= known.other_outputs(run_ids, links)
        changed = [run for run in runs if run.info.run_id in ids]
        known.some_of("mlflow_metric", "run", [run.info.run_id for run in changed])
        self._models.update(known.ids("logged_model"))
        if changed:
            yield from self._read_points(changed)
        if has_links:
            others = [run for run in changed if run.info.run_id not in full]
            known.some_of("mlflow_model_link", "run", [*full, *(run.info.run_id for run in others)])
            yield from rows.batches(rows.MODEL_LINKS, list(full.values()))
            yield from self._read_links(others)
        known.more_of("mlflow_dataset")
        if "artifacts" not in self._skip:
            yield from self._list([("run", it.info.run_id, it.info.artifact_uri or "") for it in runs])

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
        models = ModelsAgain(self._client, self._known, experiment_ids)
        models.find()
        found = models.found
        asked = [it for it in self._known.oldest("logged_model", MOST_MODELS) if it not in found]
        asked = [it for it in asked if it not in models.gone]
        active = models.by_id(asked)
        if active is None:
            alone = (it for it in self._client.in_order(self._active_logged_model, asked) if it)
            active = {model.info.model_id: model for model in alone}
        found |= active
        missing = sorted({*asked, *models.gone} - found.keys())
        for table in _MODEL_TABLES:
            self._known.some_of(table, "logged_model", [*found, *missing])
        self._models.update(mine, found)
        yield from self._read_logged_models(list(found.values()), "active")
        deleted = [it for it in self._client.in_order(self._deleted_logged_model, missing) if it]
        yield from self._read_logged_models(deleted, "deleted")

    def _read_logged_models(self, models: Sequence[wire.LoggedModel], stage: str) -> Batches:
        yield from rows.batches(rows.logged_models(stage), models)
        if "artifacts" not in self._skip and models:
            owners = [("logged_model", it.info.model_id, it.info.artifact_uri or "") for it in models]
            yield from self._list(owners)

    def _list(self, owners: Sequence[tuple[str, str, str]]) -> Batches:
        """The artifacts of those owners whose artifacts may be others than before."""
        direct = [owner for owner in owners if is_direct(owner[2])]
        asked = [owner for owner in owners if not is_direct(owner[2])]
        for some, most in ((direct, MOST_CHECKS), (asked, MOST_LISTINGS)):
            listed = self._known.to_list(some, most) if some else []
            yield from self._artifacts.read([(kind, owner_id, uri or None) for kind, owner_id, uri in listed])
