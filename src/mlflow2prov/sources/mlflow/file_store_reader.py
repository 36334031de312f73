"""The walk through a file store: which folder is what, and what of it goes to which source table."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from hashlib import blake2b
from time import sleep

from mlflow2prov.prov.text import text_of
from mlflow2prov.sources.mlflow.artifacts import local_path
from mlflow2prov.sources.mlflow.file_store_files import Listing, StoreFiles, Trouble
from mlflow2prov.sources.mlflow.file_store_meta import Meta, MetaFile, parse_meta
from mlflow2prov.sources.mlflow.file_store_metrics import MODEL_LINES, Points, run_lines
from mlflow2prov.sources.mlflow.file_store_rows import Rows, told
from mlflow2prov.sources.mlflow.file_store_selection import FileScope
from mlflow2prov.sources.mlflow.file_store_signatures import Signatures
from mlflow2prov.sources.mlflow.file_store_traces import TraceFiles
from mlflow2prov.sources.mlflow.parts import TRACE_DETAILS, Wanted
from mlflow2prov.sources.mlflow.server_rows import MODEL_GIT_TAGS, batch, is_version, model_id_of
from mlflow2prov.sources.mlflow.trace_files import read_span_files
from mlflow2prov.sources.tables import Batches

_META = b"meta.yaml"
_TRASH = b".trash"
_MODELS = b"models"
_NUMBER = re.compile(rb"[0-9]+")
_VERSION = re.compile(rb"version-([0-9]{1,18})")
_OF_RUN = frozenset({b"metrics", b"params", b"tags"})
_TRACES = b"traces"
_OF_EXPERIMENT = frozenset({b"tags", b"datasets", _TRACES, _MODELS})
_CONTEXT = "mlflow.data.context"
_DELETED = "Deleted_Internal"
_SECOND_LOOKS = 20
_PAUSE_S = 0.02

_Datasets = Mapping[str, tuple[str, str]]
"""The name and digest of each dataset of an experiment, by the name of its folder."""


class StoreReader:
    """One reading of one store, in order of the names of its folders.

    Attributes:
        owners: what owns artifacts, its identifier, and where they are: for :func:`read_artifacts`.
    """

    def __init__(
        self,
        files: StoreFiles,
        wanted: Wanted,
        scope: FileScope | None = None,
        signatures: Signatures | None = None,
    ) -> None:
        """Read what is wanted of ``files``: the folders of a scope, or all but what has the signature that it had."""
        self.owners: list[tuple[str, str, str]] = []
        self._files = files
        self._skip = wanted.skip
        self._scope = scope
        self._signatures = signatures
        self._rows = Rows(files)
        self._points = Points(run_lines(only_latest="metric_history" in wanted.skip), files)
        self._model_points = Points(MODEL_LINES, files)
        self._traces = TraceFiles(files, is_detailed=TRACE_DETAILS not in wanted.skip)
        self._known: set[tuple[str, str]] = set()
        self._second_looks = _SECOND_LOOKS
        self._owns_elsewhere = False

    def read(self, uri: str) -> Batches:
        """Every table but those of artifacts; the store itself, at ``uri``, comes first."""
        yield from self._rows.add(
            "mlflow_store", {}, self._files.root, uri=uri, mlflow_version=None, schema_version=None
        )
        yield from self._rows.batches()
        if self._scope is not None and self._scope.selected:
            yield batch("mlflow_selected", self._scope.selected)
        root = self._files.listing(self._files.root)
        for name in sorted(root.folders, key=lambda name: (name == _TRASH, name)):
            place = self._files.root + b"/" + name
            if name == _TRASH:
                for inner in sorted(self._files.listing(place).folders):
                    yield from self._experiment(place + b"/" + inner, inner, is_deleted=True)
            elif name == _MODELS:
                yield from self._registry(place)
            else:
                yield from self._experiment(place, name, is_deleted=False)
        self._expect_folders(root, self._files.root, (_TRASH, _MODELS))
        for gathered in (self._rows, self._points, self._model_points, self._traces):
            yield from gathered.batches()
        if self._signatures is not None:
            self._signatures.drop_troubled()
        yield from read_span_files(self._traces.places)

    # ---- Experiments ---------------------------------------------------------------------------

    def _experiment(self, folder: bytes, name: bytes, *, is_deleted: bool) -> Batches:
        if self._scope is not None and name not in self._scope.experiments:
            return
        listing = self._files.listing(folder)
        if _META not in listing.files and not _NUMBER.fullmatch(name):
            self._files.note(Trouble.NO_EXPERIMENT, folder)
            return
        experiment_id = self._files.text(name, folder)
        meta, told_id = self._meta(folder, listing, "experiment_id")
        if not self._is_new("experiment", experiment_id, told_id, folder):
            return
        stage = "deleted" if is_deleted else _stage(meta, told_id)
        yield from self._rows.add(
            "mlflow_experiment", meta, folder, experiment_id=experiment_id, lifecycle_stage=stage
        )
        self._expect_folders(listing, folder, _OF_EXPERIMENT)
        if b"tags" in listing.folders:
            yield from self._rows.add_pairs("mlflow_experiment_tag", (experiment_id,), folder + b"/tags")
        datasets: dict[str, tuple[str, str]] = {}
        if b"datasets" in listing.folders and "datasets" not in self._skip:
            yield from self._read_datasets(experiment_id, folder + b"/datasets", datasets)
        if _MODELS in listing.folders and "logged_models" not in self._skip:
            models = folder + b"/" + _MODELS
            for inner in sorted(self._files.listing(models).folders):
                if self._scope is None or inner in self._scope.models:
                    place = models + b"/" + inner
                    rows = self._logged_model(experiment_id, place, inner)
                    yield from self._if_changed("logged_model", inner, place, rows)
        if _TRACES in listing.folders and "traces" not in self._skip:
            yield from self._traces.add_folder(experiment_id, folder + b"/" + _TRACES)
        digest = blake2b(repr(sorted(datasets.items())).encode(), digest_size=16).digest()
        for inner in sorted(listing.folders):
            if inner not in _OF_EXPERIMENT and (self._scope is None or inner in self._scope.runs):
                place = folder + b"/" + inner
                rows = self._run(experiment_id, place, inner, datasets)
                yield from self._if_changed("run", inner, place, rows, digest)

    def _read_datasets(
        self, experiment_id: str, folder: bytes, datasets: dict[str, tuple[str, str]]
    ) -> Batches:
        for inner in sorted(self._files.listing(folder).folders):
            place = folder + b"/" + inner
            meta = self._read_meta(place)
            name, digest = told(meta, "name"), told(meta, "digest")
            if name is None or digest is None:
                self._files.note(Trouble.BROKEN, place)
                continue
            datasets[self._files.text(inner, place)] = name, digest
            yield from self._rows.add("mlflow_dataset", meta, place, experiment_id=experiment_id)

    # ---- What is as it was -----------------------------------------------------------------------

    def _if_changed(
        self, kind: str, name: bytes, folder: bytes, rows: Batches, beside: bytes = b""
    ) -> Batches:
        """The rows of a run or logged model, none where its files are known."""
        signatures = self._signatures
        if signatures is None:
            yield from rows
            return
        now = signatures.of(folder, beside)
        own_id = text_of(name)[0]
        then = signatures.earlier(kind, own_id, now)
        if then is not None and (kind, own_id) not in self._known:
            self._known.add((kind, own_id))
            signatures.keep(kind, own_id)
            if then.is_elsewhere:
                self._own_artifacts_again(kind, own_id, folder)
            return
        is_known = (kind, own_id) in self._known
        self._owns_elsewhere = False
        yield from rows
        if not is_known and (kind, own_id) in self._known:
            new = now and now._replace(is_elsewhere=self._owns_elsewhere)
            signatures.note(kind, own_id, folder, new)

    def _own_artifacts_again(self, kind: str, own_id: str, folder: bytes) -> None:
        listing = self._files.listing(folder)
        uri = told(self._read_meta(folder), "artifact_uri" if kind == "run" else "artifact_location")
        self._own_artifacts(kind, own_id, uri, folder, listing)

    # ---- Runs ----------------------------------------------------------------------------------

    def _run(self, experiment_id: str, folder: bytes, name: bytes, datasets: _Datasets) -> Batches:
        listing = self._files.listing(folder)
        if _META not in listing.files and _OF_RUN.isdisjoint(listing.folders):
            self._files.note(Trouble.NO_RUN, folder)
            return
        run_id = self._files.text(name, folder)
        meta, told_id = self._meta(folder, listing, "run_id", "run_uuid")
        if told(meta, "experiment_id") not in (None, experiment_id):
            self._files.note(Trouble.MISPLACED, folder)
            return
        if not self._is_new("run", run_id, told_id, folder):
            return
        fixed = {"run_id": run_id, "experiment_id": experiment_id, "lifecycle_stage": _stage(meta, told_id)}
        if told(meta, "run_name", "name") is None:
            fixed["name"] = self._tag(folder, listing, "mlflow.runName")  # as MLflow shows it
        yield from self._rows.add("mlflow_run", meta, folder, **fixed)
        self._expect_folders(listing, folder, (*_OF_RUN, b"inputs", b"outputs"))
        self._own_artifacts("run", run_id, told(meta, "artifact_uri"), folder, listing)
        yield from self._pairs(folder, listing, (run_id,), mlflow_param=b"params", mlflow_tag=b"tags")
        if b"metrics" in listing.folders:
            yield from self._points.add_folder(run_id, folder + b"/metrics")
        if b"inputs" in listing.folders:
            yield from self._inputs(run_id, folder + b"/inputs", datasets)
        if b"outputs" in listing.folders and "logged_models" not in self._skip:
            yield from self._outputs(run_id, folder + b"/outputs")

    def _tag(self, folder: bytes, listing: Listing, key: str) -> str | None:
        """The value of a tag of a run or logged model, None where there is none or it is empty."""
        path = folder + b"/tags/" + key.encode()
        is_there = b"tags" in listing.folders and os.path.lexists(path)
        content = self._files.content(path) if is_there else None
        return self._files.text(content, path) if content else None

    def _inputs(self, run_id: str, folder: bytes, datasets: _Datasets) -> Batches:
        """The datasets and models that a run took in; what is named their destination is their source again."""
        for inner in sorted(self._files.listing(folder).folders):
            place = folder + b"/" + inner
            meta = self._read_meta(place)
            source = told(meta, "source_id")
            if source is None:
                self._files.note(Trouble.BROKEN, place)
            elif told(meta, "source_type") == "MODEL":
                if "logged_models" not in self._skip:
                    yield from self._link(run_id, source, "input", 0, place)
            elif "datasets" not in self._skip:
                if source not in datasets:
                    self._files.note(Trouble.NO_DATASET, place)
                    continue
                yield from self._dataset_input(run_id, *datasets[source], meta, place)

    def _dataset_input(self, run_id: str, name: str, digest: str, meta: Meta, place: bytes) -> Batches:
        """A row for each tag of an input but for its context, one where there is no such tag."""
        told_tags = meta.get("tags")
        tags = dict(told_tags) if isinstance(told_tags, Mapping) else {}
        fixed = {"run_id": run_id, "name": name, "digest": digest, "context": tags.pop(_CONTEXT, None)}
        others: list[tuple[str | None, object]] = [*sorted(tags.items())]
        for tag, value in others or [(None, None)]:
            yield from self._rows.add("mlflow_dataset_input", meta, place, **fixed, tag=tag, tag_value=value)

    def _outputs(self, run_id: str, folder: bytes) -> Batches:
        for inner in sorted(self._files.listing(folder).folders):
            place = folder + b"/" + inner
            meta = self._read_meta(place)
            model_id = told(meta, "destination_id", "source_id")
            if model_id is None:
                self._files.note(Trouble.BROKEN, place)
                model_id = self._files.text(inner, place)
            step = told(meta, "step")
            number = self._rows.number(step, place) if step else 0
            yield from self._link(run_id, model_id, "output", number, place)

    def _link(self, run_id: str, model_id: str, direction: str, step: int | None, place: bytes) -> Batches:
        yield from self._rows.add(
            "mlflow_model_link",
            {},
            place,
            run_id=run_id,
            model_id=model_id,
            direction=direction,
            step=step,
        )

    # ---- Logged models -------------------------------------------------------------------------

    def _logged_model(self, experiment_id: str, folder: bytes, name: bytes) -> Batches:
        listing = self._files.listing(folder)
        if _META not in listing.files and _OF_RUN.isdisjoint(listing.folders):
            self._files.note(Trouble.NO_MODEL, folder)
            return
        model_id = self._files.text(name, folder)
        meta, told_id = self._meta(folder, listing, "model_id")
        if not self._is_new("logged_model", model_id, told_id, folder):
            return
        fixed = {
            "model_id": model_id,
            "experiment_id": experiment_id,
            "lifecycle_stage": _stage(meta, told_id),
            **{column: self._tag(folder, listing, key) for column, key in MODEL_GIT_TAGS.items()},
        }
        yield from self._rows.add("mlflow_logged_model", meta, folder, **fixed)
        self._expect_folders(listing, folder, _OF_RUN)
        if self._scope is None or name in self._scope.made:
            self._own_artifacts("logged_model", model_id, told(meta, "artifact_location"), folder, listing)
        yield from self._pairs(
            folder, listing, (model_id,), mlflow_logged_model_param=b"params", mlflow_logged_model_tag=b"tags"
        )
        if b"metrics" in listing.folders:
            yield from self._model_points.add_folder(model_id, folder + b"/metrics")

    # ---- Registry ------------------------------------------------------------------------------

    def _registry(self, folder: bytes) -> Batches:
        if "registered_models" in self._skip:
            return
        for inner in sorted(self._files.listing(folder).folders):
            if self._scope is not None and inner not in self._scope.names:
                continue
            place = folder + b"/" + inner
            listing = self._files.listing(place)
            versions = [found for name in listing.folders if (found := _VERSION.fullmatch(name))]
            if _META not in listing.files and not versions:
                self._files.note(Trouble.NO_MODEL, place)
                continue
            meta, told_name = self._meta(place, listing, "name")
            name = self._files.text(inner, place)
            if told_name not in (None, name):
                self._files.note(Trouble.MISPLACED, place)
                continue
            owner = told(meta, "workspace") or "default", name
            yield from self._rows.add("mlflow_registered_model", meta, place, workspace=owner[0], name=name)
            self._expect_folders(listing, place, (b"tags", b"aliases"))
            yield from self._pairs(place, listing, owner, mlflow_registered_model_tag=b"tags")
            if b"aliases" in listing.folders:
                yield from self._aliases(owner, place + b"/aliases")
            for version in sorted(versions, key=lambda found: int(found[1])):
                yield from self._version(owner, int(version[1]), place + b"/" + version[0])

    def _aliases(self, owner: tuple[str, str], folder: bytes) -> Batches:
        for alias, path in self._files.named_files(folder):
            content = self._files.content(path)
            version = None if content is None else self._rows.number(content.decode("latin-1").strip(), path)
            if version is not None:
                name = self._files.text(alias, path)
                yield from self._rows.add(
                    "mlflow_registered_model_alias",
                    {},
                    path,
                    workspace=owner[0],
                    name=owner[1],
                    alias=name,
                    version=version,
                )

    def _version(self, owner: tuple[str, str], version: int, folder: bytes) -> Batches:
        """A version of a model; of a deleted one the files keep all that databases erase."""
        listing = self._files.listing(folder)
        meta, told_version = self._meta(folder, listing, "version")
        if told_version not in (None, str(version)):
            self._files.note(Trouble.MISPLACED, folder)
            return
        is_deleted = told(meta, "current_stage") == _DELETED
        fixed = {"workspace": owner[0], "name": owner[1], "version": version, "is_deleted": is_deleted}
        fixed |= {"stage": None} if is_deleted else {"deleted_ms": None}
        source = told(meta, "source")
        own = None if is_version(source) else told(meta, "model_id")  # a copy's is that of its original
        fixed["model_id"] = own or model_id_of(source)
        yield from self._rows.add("mlflow_model_version", meta, folder, is_inferred=False, **fixed)
        self._expect_folders(listing, folder, (b"tags",))
        yield from self._pairs(folder, listing, (*owner, version), mlflow_model_version_tag=b"tags")

    # ---- What they have in common --------------------------------------------------------------

    def _pairs(self, folder: bytes, listing: Listing, owner: tuple[object, ...], **tables: bytes) -> Batches:
        for table, name in tables.items():
            if name in listing.folders:
                yield from self._rows.add_pairs(table, owner, folder + b"/" + name)

    def _meta(self, folder: bytes, listing: Listing, *names: str) -> tuple[Meta, str | None]:
        """What a folder's meta.yaml says, and the name that it has by the first of ``names``.

        A file without that name is missing, broken or not written to its end, which is counted.
        """
        meta = self._read_meta(folder) if _META in listing.files else {}
        name = told(meta, *names)
        if name is None:
            self._files.note(Trouble.BROKEN, folder)
        return meta, name

    def _read_meta(self, folder: bytes) -> Meta:
        """What a meta.yaml says; one that seems to be in the middle of being written gets a second look."""
        path = folder + b"/" + _META
        content = self._files.content(path)
        found = self._parsed(content, path)
        if content is not None and (found is None or found.is_cut) and self._second_looks:
            self._second_looks -= 1
            sleep(_PAUSE_S)
            again = self._files.content(path)
            if again is not None and again != content:
                found = self._parsed(again, path)
        if found is None:
            return {}
        if found.is_cut:
            self._files.note(Trouble.CUT, path)
        return found.meta

    def _parsed(self, content: bytes | None, path: bytes) -> MetaFile | None:
        return parse_meta(self._files.text(content, path)) if content else None

    def _is_new(self, kind: str, own_id: str, told_id: str | None, folder: bytes) -> bool:
        """Whether a folder is what it says, and the first one of it."""
        is_new = told_id in (None, own_id) and (kind, own_id) not in self._known
        if is_new:
            self._known.add((kind, own_id))
        else:
            self._files.note(Trouble.MISPLACED, folder)
        return is_new

    def _expect_folders(
        self, listing: Listing, folder: bytes, names: frozenset[bytes] | tuple[bytes, ...]
    ) -> None:
        if not listing.files or listing.files == [_META]:
            return
        for name in sorted(set(names).intersection(listing.files)):
            self._files.note(Trouble.NO_FOLDER, folder + b"/" + name)

    def _own_artifacts(
        self, owner: str, owner_id: str, uri: str | None, folder: bytes, listing: Listing
    ) -> None:
        """Say where artifacts are: where the store says, or beside the meta.yaml where that is no more.

        A deleted experiment's folder was moved, and so was that of a store that was copied.
        """
        if "artifacts" in self._skip:
            return
        if b"artifacts" in listing.folders:
            path = local_path(uri) if uri is not None and "\0" not in uri else None
            is_gone = path is not None and not os.path.isdir(path)  # noqa: PTH112
            if uri is None or is_gone:
                uri = os.fsdecode(folder + b"/artifacts")
        if uri is not None:
            self.owners.append((owner, owner_id, uri))
        if uri is not None and self._signatures is not None:
            path = None if "\0" in uri else local_path(uri)
            place = os.path.realpath(os.fsencode(path)) if path is not None else b""
            self._owns_elsewhere = not place.startswith(folder + b"/")


def _stage(meta: Meta, name: str | None) -> str | None:
    """The stage that a meta.yaml tells, where none means active; not known where the file is broken."""
    return told(meta, "lifecycle_stage") or ("active" if name else None)
