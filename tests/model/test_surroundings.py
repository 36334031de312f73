"""Where runs were executed and for whom: container images, notebooks, jobs, people whom tags name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import DemoProject
from tests.model.made_stores import document_of, of_type, related, run, tags

GITHUB = {
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_JOB": "train",
    "GITHUB_SERVER_URL": "https://github.example.org/",
    "GITHUB_REPOSITORY": "team/wine",
    "GITHUB_ACTOR": "ada",
}
GITLAB = {
    "CI_JOB_ID": "5",
    "CI_JOB_URL": "https://user:secret@gitlab.example.org/team/wine/-/jobs/5",
    "GITLAB_USER_LOGIN": "ada",
    "GITLAB_USER_EMAIL": "Ada@Example.org",
    "GITLAB_USER_NAME": "Ada Lovelace",
}


def test_a_container_image_is_named_by_its_content_where_that_is_known(tmp_path: Path) -> None:
    digest = f"sha256:{'ab' * 32}"
    document = document_of(
        tmp_path,
        *tags("r1", mlflow__docker__image__uri="reg/wine:1", mlflow__docker__image__id=digest),
        *tags("r2", mlflow__docker__image__uri="reg/wine:latest", mlflow__docker__image__id=digest),
        run("r3"),
        *tags("r3", mlflow__docker__image__uri="reg/wine:3"),
        run("r4"),
        *tags("r4", mlflow__docker__image__uri=f"reg/wine@{digest}"),
        run("r5"),
        *tags("r5", mlflow__docker__image__uri=""),
    )
    images = of_type(document, "ContainerImage")
    named = f"ContainerImage.sha256-3A{'ab' * 32}"
    assert set(images) == {named, "ContainerImage.reg-2Fwine-3A3"}
    assert images[named]["uri"] == ["reg/wine:1", "reg/wine:latest", f"reg/wine@{digest}"]
    assert images[named]["image_id"] == digest
    assert related(document, "used", role="m2p:ContainerImage") == {
        ("Creation.run--r1", named),
        ("Creation.run--r2", named),
        ("Creation.run--r3", "ContainerImage.reg-2Fwine-3A3"),
        ("Creation.run--r4", named),
    }


def test_a_notebook_is_the_entry_point_where_it_is_the_source(tmp_path: Path) -> None:
    notebook = {
        "mlflow__databricks__notebookID": "12",
        "mlflow__databricks__notebookRevisionID": "99",
        "mlflow__databricks__workspaceID": "3",
        "mlflow__databricks__workspaceURL": "https://token:dapi123@dbc.example.org",
    }
    document = document_of(
        tmp_path,
        *tags("r1", **notebook, mlflow__databricks__notebookPath="/a/train", mlflow__source__type="NOTEBOOK"),
        *tags("r2", **notebook, mlflow__databricks__notebookPath="/b/train"),
        run("r3"),
        *tags("r3", mlflow__databricks__notebookPath="/c/odd name"),
    )
    notebooks = of_type(document, "Notebook")
    assert notebooks["Notebook.3--12--99"] == {
        "type": "m2p:Notebook",
        "label": "notebook train",
        "path": ["/a/train", "/b/train"],
        "notebook_id": "12",
        "revision_id": "99",
        "workspace_id": "3",
        "workspace_url": "https://dbc.example.org",
    }
    assert related(document, "used", role="m2p:EntryPoint") == {("Creation.run--r1", "Notebook.3--12--99")}
    assert related(document, "used", role="m2p:Notebook") == {
        ("Creation.run--r2", "Notebook.3--12--99"),
        ("Creation.run--r3", "Notebook.---2Fc-2Fodd-20name--"),
    }


def test_a_databricks_job_acts_for_the_user_of_its_run(tmp_path: Path) -> None:
    document = document_of(
        tmp_path,
        *tags("r1", mlflow__databricks__jobID="4", mlflow__databricks__jobRunID="41", mlflow__user="ann"),
        *tags("r1", mlflow__databricks__cluster__id="c-1", mlflow__databricks__jobType="NORMAL"),
        *tags("r2", mlflow__databricks__shellJobID="6"),
    )
    assert set(of_type(document, "Job")) == {"Job.--4--41", "Job.--6--"}
    assert of_type(document, "Job")["Job.--4--41"]["job_type"] == "NORMAL"
    assert of_type(document, "Run")["Run.r1"]["cluster_id"] == "c-1"
    assert related(document, "wasAssociatedWith", role="m2p:Job") == {
        ("Creation.run--r1", "Job.--4--41"),
        ("Creation.run--r2", "Job.--6--"),
    }
    assert related(document, "actedOnBehalfOf") == {
        ("Job.--4--41", "User.ann", "Creation.run--r1"),
        ("Job.--6--", "User.ann", "Creation.run--r2"),
    }


@pytest.mark.parametrize("spelling", [str, str.lower, lambda key: key.lower().replace("_", ".", 1)])
def test_a_github_job_acts_for_its_actor_however_its_tags_are_spelled(
    spelling: Callable[[str], str], tmp_path: Path
) -> None:
    spelled = {spelling(key).replace(".", "__"): value for key, value in GITHUB.items()}
    document = document_of(tmp_path, *tags("r1", **spelled), *tags("r2", **spelled))
    ((name, job),) = of_type(document, "CIJob").items()
    assert job == {
        "type": ["m2p:CIJob", "prov:SoftwareAgent"],
        "label": "GitHub Actions job train 77",
        "system": "GitHub Actions",
        "url": "https://github.example.org/team/wine/actions/runs/77",
        "job_id": "77",
        "name": "train",
        "repository": "team/wine",
        "attempt": "2",
    }
    person = "User.GitHub-20Actions-20https-3A-2F-2Fgithub.example.org--ada"
    assert of_type(document, "User")[person]["username"] == "ada"
    both = {f"Creation.run--{run_id}" for run_id in ("r1", "r2")}
    assert related(document, "wasAssociatedWith", role="m2p:CIJob") == {(run_id, name) for run_id in both}
    assert related(document, "actedOnBehalfOf") == {(name, person, run_id) for run_id in both}


def test_a_gitlab_job_acts_for_a_person_known_by_e_mail(tmp_path: Path) -> None:
    document = document_of(tmp_path, *tags("r1", **GITLAB), *tags("r1", mlflow__user="ada@example.org"))
    ((name, job),) = of_type(document, "CIJob").items()
    assert "secret" not in name and job["url"] == "https://gitlab.example.org/team/wine/-/jobs/5"
    person = "User.ada-40example.org"
    assert of_type(document, "User")[person]["name"] == "Ada Lovelace"
    assert related(document, "actedOnBehalfOf") == {(name, person, "Creation.run--r1")}
    assert related(document, "wasAssociatedWith", role="m2p:RunAuthor") >= {("Creation.run--r1", person)}


def test_a_jenkins_job_is_known_by_its_url_and_without_one_or_a_number_not_at_all(tmp_path: Path) -> None:
    document = document_of(
        tmp_path,
        *tags("r1", BUILD_URL="https://ci.example.org/job/wine/8/", BUILD_USER="Ada L", BUILD_NUMBER="8"),
        *tags("r2", JENKINS_URL="https://ci.example.org/"),
        run("r3"),
        *tags("r3", BUILD_ID="2024-01-01", JOB_NAME="mine"),
    )
    ((name, job),) = of_type(document, "CIJob").items()
    assert (job["system"], job["job_id"]) == ("Jenkins", "8")
    assert related(document, "actedOnBehalfOf") == {(name, "User.Jenkins--Ada-20L", "Creation.run--r1")}


def test_people_whom_tags_name_are_associated_unless_they_are_the_user(tmp_path: Path) -> None:
    document = document_of(
        tmp_path,
        *tags("r1", user="bob", author_email="Eve@example.org", author="Eve E.", mlflow__user="ann"),
        *tags("r2", user="ann", created_by=" "),
    )
    assert related(document, "wasAssociatedWith", role="m2p:TaggedUser") == {
        ("Creation.run--r1", "User.bob"),
        ("Creation.run--r1", "User.eve-40example.org"),
    }
    assert of_type(document, "User")["User.eve-40example.org"]["name"] == "Eve E."


def test_a_run_in_a_git_folder_of_databricks_is_of_its_commit(
    demo_project: DemoProject, tmp_path: Path
) -> None:
    commit = demo_project.truth["git"]["commits"][0]["sha"]
    tree = f"SourceTree.{commit}"
    told = {
        "mlflow__databricks__gitRepoCommit": commit,
        "mlflow__databricks__gitRepoUrl": "https://x:y@git.example.org/w",
    }
    document = document_of(tmp_path, *tags("r1", **told), repository_path=demo_project.repository)
    body = of_type(document, "Run")["Run.r1"]
    assert (body["source_git_commit"], body["source_git_repo_url"]) == (commit, "https://git.example.org/w")
    assert ("Creation.run--r1", tree) in related(document, "used", role="m2p:SourceCode")
    assert ("Creation.run--r1", f"Commit.{commit}") in related(document, "wasInformedBy")
