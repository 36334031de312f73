"""The law of the cache: what it tells is what a full extraction tells, and what the store has forgotten."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contents import contents

from mlflow2prov import Graph, extract
from mlflow2prov.cache import change, extraction
from mlflow2prov.graph.store import Store
from mlflow2prov.surroundings import Surroundings

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
"""What MLflow and SQLAlchemy warn of each other is not our business; their changes run in this process."""

NAMESPACE = "http://mlflow.example.org/#"


class Clock:
    """A clock that goes on by one minute a look."""

    def __init__(self) -> None:
        self.now = 1_900_000_000_000

    def __call__(self) -> int:
        self.now += 60_000
        return self.now


class Project:
    """A real store, which the real client changes at random, and its cache."""

    def __init__(self, folder: Path, seed: int, template: Path) -> None:
        from mlflow import MlflowClient

        shutil.copy(template, folder / "store.db")

        self.uri = f"sqlite:///{folder / 'store.db'}"
        self.cache = folder / "cache.duckdb"
        self.artifacts = folder / "artifacts"
        self.client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        self.random = random.Random(seed)
        self.store = Store()
        self.surroundings = Surroundings(store=self.store, now_ms=Clock(), host="box")
        self.experiments: list[str] = []
        self.runs: list[str] = []
        self.models: list[str] = []
        self.versions: list[tuple[str, str]] = []
        self.number = 0
        self.new_experiment()
        for _ in range(4):
            self.new_run()
        self.new_version()

    def some(self, things: list[Any]) -> Any:
        return self.random.choice(things)

    # ---- What people do ------------------------------------------------------------------------

    def new_experiment(self) -> None:
        self.number += 1
        location = str(self.artifacts / str(self.number))
        made = self.client.create_experiment(f"experiment {self.number}", artifact_location=location)
        self.experiments.append(made)
        self.client.set_experiment_tag(made, "mlflow.user", self.some(["ann", "bob"]))

    def new_run(self) -> None:
        self.number += 1
        tags = {"mlflow.user": self.some(["ann", "bob", "cy@example.org"])}
        if self.runs and self.random.random() < 0.4:
            tags["mlflow.parentRunId"] = self.some(self.runs)
        if self.random.random() < 0.3:
            tags |= {
                "GITHUB_RUN_ID": str(self.random.randrange(3)),
                "GITHUB_ACTOR": self.some(["ann", "dee"]),
            }
            tags["GITHUB_SERVER_URL"] = "https://github.example.org"
            tags["GITHUB_REPOSITORY"] = "team/wine"
        if self.random.random() < 0.3:
            tags["mlflow.docker.image.id"] = "sha256:1"
            tags["mlflow.docker.image.uri"] = self.some(["wine:1", "wine:2"])
        if self.random.random() < 0.3:
            tags |= {"user.email": "cy@example.org", "user.name": self.some(["Cy", "Cyd"])}
        run = self.client.create_run(self.some(self.experiments), tags=tags, run_name=f"run {self.number}")
        run_id = run.info.run_id
        self.runs.append(run_id)
        for step in range(3):
            self.client.log_metric(run_id, "loss", self.random.random(), step=step)
        self.client.log_param(run_id, "rate", self.random.random())
        self.dataset(run_id)
        if self.random.random() < 0.5:
            self.artifact(run_id)
        if self.random.random() < 0.6:
            self.client.set_terminated(run_id)

    def artifact(self, run_id: str | None = None) -> None:
        run_id = run_id or self.some(self.runs)
        self.client.log_text(run_id, "hello" * self.random.randrange(9), self.some(["a.txt", "b/c.txt"]))
        if self.random.random() < 0.3:
            self.client.log_text(run_id, "flavors: {}\n", "model/MLmodel")
            self.client.log_text(run_id, self.some(["numpy==2\n", "scipy\n"]), "model/requirements.txt")

    def dataset(self, run_id: str | None = None) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        run_id = run_id or self.some(self.runs)
        name = self.some(["wine", "beer"])
        source = self.some(
            [f'{{"uri": "s3://bucket/{name}"}}', f'{{"uri": "runs:/{self.some(self.runs)}/a.txt"}}']
        )
        dataset = Dataset(name=name, digest="1", source_type="code", source=source)
        context = InputTag(key="mlflow.data.context", value=self.some(["training", "validation"]))
        self.client.log_inputs(run_id, datasets=[DatasetInput(dataset=dataset, tags=[context])])

    def late_metric(self) -> None:
        self.client.log_metric(
            self.some(self.runs), self.some(["loss", "late"]), self.random.random(), step=9
        )

    def tag(self) -> None:
        key = self.some(["stage", "mlflow.note.content", "mlflow.user", "mlflow.parentRunId", "USER"])
        value = self.some(self.runs) if key == "mlflow.parentRunId" else self.some(["ann", "eve", "x"])
        self.client.set_tag(self.some(self.runs), key, value)

    def untag(self) -> None:
        run_id = self.some(self.runs)
        tags = [key for key in self.client.get_run(run_id).data.tags if key != "mlflow.runName"]
        if tags:
            self.client.delete_tag(run_id, self.some(sorted(tags)))

    def rename_run(self) -> None:
        self.number += 1
        self.client.update_run(self.some(self.runs), name=f"renamed {self.number}")

    def delete_run(self) -> None:
        self.client.delete_run(self.some(self.runs))

    def restore_run(self) -> None:
        self.client.restore_run(self.some(self.runs))

    def collect_run(self) -> None:
        """What `mlflow gc` does to one run."""
        if len(self.runs) < 3:
            return
        run_id = self.some(self.runs)
        self.runs.remove(run_id)
        self.client.delete_run(run_id)
        self.client._tracking_client.store._hard_delete_run(run_id)

    def rename_experiment(self) -> None:
        self.number += 1
        self.client.rename_experiment(self.some(self.experiments), f"renamed {self.number}")

    def delete_experiment(self) -> None:
        if len(self.experiments) > 1:
            experiment = self.experiments.pop(0)
            gone = [run.info.run_id for run in self.client.search_runs([experiment], run_view_type=3)]
            self.client.delete_experiment(experiment)
            self.runs = [run for run in self.runs if run not in gone] or self.runs
            if not set(self.runs).difference(gone):
                self.runs = []
                self.new_run()

    def new_logged_model(self) -> None:
        run_id = self.some(self.runs)
        experiment = self.client.get_run(run_id).info.experiment_id
        model = self.client.create_logged_model(
            experiment,
            name=self.some(["model", "other"]),
            source_run_id=self.some([run_id, None]),
            tags={"a": "b"},
        )
        self.models.append(model.model_id)
        self.client.log_model_params(model.model_id, {"depth": "3"}) if hasattr(
            self.client, "log_model_params"
        ) else None

    def tag_logged_model(self) -> None:
        if self.models:
            self.client.set_logged_model_tags(
                self.some(self.models), {self.some(["a", "c"]): self.some(["d", "e"])}
            )

    def say_registered(self) -> None:
        """Say of a logged model that it became a version, as MLflow does when it makes one."""
        if self.models and self.versions:
            name, version = self.some(self.versions)
            said = f'[{{"name": "{self.some([name, "gone"])}", "version": {self.some([version, "3"])}}}]'
            self.client.set_logged_model_tags(self.some(self.models), {"mlflow.modelVersions": said})

    def link_model(self) -> None:
        from mlflow.entities import LoggedModelInput, LoggedModelOutput

        if self.models:
            model, run_id = self.some(self.models), self.some(self.runs)
            if self.random.random() < 0.5:
                self.client.log_inputs(run_id, models=[LoggedModelInput(model_id=model)])
            else:
                self.client.log_outputs(run_id, models=[LoggedModelOutput(model_id=model, step=2)])

    def delete_logged_model(self) -> None:
        if self.models:
            self.client.delete_logged_model(self.models.pop())

    def new_version(self) -> None:
        name = self.some(["wine", "beer"])
        if not any(model.name == name for model in self.client.search_registered_models()):
            self.client.create_registered_model(name, tags={"owner": "ann"})
        run_id = self.some(self.runs)
        uri = self.client.get_run(run_id).info.artifact_uri
        sources = [f"{uri}/model", f"runs:/{run_id}/model", "s3://elsewhere"]
        sources += [f"models:/{model}" for model in self.models[-1:]]
        made = self.client.create_model_version(name, self.some(sources), run_id=self.some([run_id, None]))
        self.versions.append((name, made.version))

    def version(self) -> tuple[str, str] | None:
        return self.some(self.versions) if self.versions else None

    def stage(self) -> None:
        if found := self.version():
            self.client.update_model_version(*found, description=self.some(["good", "bad"]))
            self.client.transition_model_version_stage(
                *found, self.some(["Staging", "Production", "Archived"])
            )

    def tag_version(self) -> None:
        if found := self.version():
            self.client.set_model_version_tag(*found, self.some(["a", "b"]), self.some(["1", "2"]))

    def alias(self) -> None:
        if found := self.version():
            self.client.set_registered_model_alias(found[0], self.some(["champion", "rival"]), found[1])

    def remove_alias(self) -> None:
        if found := self.version():
            self.client.delete_registered_model_alias(found[0], "champion")

    def delete_version(self) -> None:
        if len(self.versions) > 1:
            self.client.delete_model_version(*self.versions.pop(0))

    def delete_model(self) -> None:
        if found := self.version():
            self.versions = [version for version in self.versions if version[0] != found[0]]
            self.client.delete_registered_model(found[0])

    def rename_model(self) -> None:
        if found := self.version():
            self.number += 1
            new = f"renamed {self.number}"
            self.client.rename_registered_model(found[0], new)
            self.versions = [(new if name == found[0] else name, it) for name, it in self.versions]

    def change(self) -> str:
        """Do something, and return what."""
        does: list[Callable[[], None]] = [
            getattr(self, name)
            for name, it in vars(Project).items()
            if callable(it)
            and not name.startswith("_")
            and name not in ("some", "version", "say_registered", "change", "do", "full", "cached")
        ]
        return self.do(does)

    def do(self, does: list[Callable[[], None]]) -> str:
        """Do one of these, and return which."""
        chosen = self.some(does)
        try:
            chosen()
        except Exception as error:
            if type(error).__name__ not in ("MlflowException", "RestException"):
                raise
            return f"{chosen.__name__} (refused: {error})"
        return chosen.__name__

    # ---- What comes of it ----------------------------------------------------------------------

    def full(self) -> Graph:
        return extract(mlflow_url=self.uri, mlflow_namespace=NAMESPACE, surroundings=self.surroundings)

    def cached(self) -> Graph:
        return extract(
            mlflow_url=self.uri, mlflow_namespace=NAMESPACE, cache=self.cache, surroundings=self.surroundings
        )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, which takes MLflow seconds to make."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("template") / "store.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest, template: Path) -> Iterator[Project]:
    made = Project(tmp_path, request.param, template)
    yield made
    made.store.close()


def about_making(record: tuple[Any, ...]) -> bool:
    """Whether a record tells of the extraction itself, whose identity is the state of what it read."""
    return any(word in str(record) for word in ("TrackingStore.", "Extraction."))


@pytest.mark.parametrize("project", range(2), indirect=True)
def test_a_cached_extraction_tells_what_a_full_one_does_and_what_its_own_rows_do(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    for _ in range(4):
        done += [project.change() for _ in range(project.random.randrange(2, 5))]
        with project.full() as graph:
            full = contents(graph)
        patched = contents(project.cached())
        require_same(patched, project, monkeypatch, done)
        missing = [r for r in full if r not in patched and not about_making(r)]
        missing = [r for r in missing if not remembered(r, patched)]
        for record in missing:
            print("MISSING", record)
        assert not missing, (done, missing[:6])


def require_same(patched: Any, project: Project, monkeypatch: pytest.MonkeyPatch, done: list[str]) -> None:
    """See that a graph that was changed by parts says what one says that is made anew."""
    with monkeypatch.context() as patch:
        patch.setattr(change, "MOST_UNITS", -1)  # makes the graph anew
        rebuilt = rebuild(project)
    wrong = [(r, patched[r], rebuilt[r]) for r in patched.keys() | rebuilt.keys() if patched[r] != rebuilt[r]]
    for record in wrong:
        print("WRONG", *record)
    assert not wrong, (done, wrong[:6])


@pytest.mark.parametrize("project", range(1), indirect=True)
def test_what_is_recovered_of_deleted_versions_follows_every_change(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    does = [project.delete_version, project.say_registered, project.new_version, project.rename_model]
    does += [project.tag_version, project.tag, project.new_run, project.delete_model]
    for _ in range(2):
        project.new_logged_model()
        project.new_version()
        project.say_registered()
    project.delete_version()
    project.cached()
    done: list[str] = []
    anew: list[int] = []
    by_parts: list[str] = []
    recovered = 0
    make_graph = extraction._Extraction.make_graph
    monkeypatch.setattr(extraction._Extraction, "make_graph", lambda self: (anew.append(1), make_graph(self)))
    for does_now in ([project.new_run], [project.say_registered], does, does):
        done.append(project.do(does_now))
        anew.clear()
        patched = contents(project.cached())
        by_parts += [] if anew else done[-1:]
        recovered += "recovered_from" in str(patched)
        require_same(patched, project, monkeypatch, done)
    assert recovered
    assert "new_run" in by_parts, "a change that has nothing to do with it is made by parts"


@pytest.mark.parametrize("project", range(1), indirect=True)
def test_a_deleted_version_is_recovered_from_a_logged_model_that_had_nothing_to_do_with_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, done = project.client, ["a logged model says that it became the version"]
    project.new_logged_model()
    (model,) = project.models
    client.create_registered_model("ale")
    client.create_model_version("ale", "s3://elsewhere")
    client.delete_model_version("ale", "1")
    before = contents(project.cached())
    assert not recovered_from(before)
    said = '[{"name": "ale", "version": "1"}]'
    client.set_logged_model_tags(model, {"mlflow.modelVersions": said})
    after = contents(project.cached())
    assert recovered_from(after) == {"mlflow.modelVersions"}
    require_same(after, project, monkeypatch, done)
    client.delete_logged_model_tag(model, "mlflow.modelVersions")
    again = contents(project.cached())
    assert not recovered_from(again)
    require_same(again, project, monkeypatch, ["it says so no more"])


def recovered_from(graph: Any) -> set[str]:
    """What is said to have told of deleted versions."""
    return {value for record in graph for key, value, *_ in record[-1] if str(key).endswith("recovered_from")}


def rebuild(project: Project) -> Any:
    """What the cache tells when its graph is made anew from its source tables."""
    from mlflow2prov.cache.file import READ

    copy = project.cache.with_name("copy.duckdb")
    shutil.copy(project.cache, copy)
    alias = project.store.attach(copy, read_only=False).split(".")[0]
    project.store.run(f"UPDATE {alias}.cache.meta SET value = '{READ}' WHERE key = 'state'")
    project.store.detach(f"{alias}.main")
    graph = extract(
        mlflow_url=project.uri, mlflow_namespace=NAMESPACE, cache=copy, surroundings=project.surroundings
    )
    found = contents(graph)
    graph.close()
    copy.unlink()
    return found


def remembered(record: tuple[Any, ...], patched: Any) -> bool:
    """Whether the cache says more of the same thing: what a deleted version was before."""
    _, kind, name, *_ = record
    return "RegisteredModelVersion." in str(name) and any(
        it[2] == name and set(record[-1]) <= set(it[-1]) for it in patched if it[1] == kind
    )
