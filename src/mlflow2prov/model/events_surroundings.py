"""Where a run was executed, and for whom: container images, notebooks, jobs, and people whom tags name."""

from __future__ import annotations

from mlflow2prov.model.declare import (
    Element,
    Event,
    associated,
    delegated,
    integer,
    text,
    used,
)
from mlflow2prov.model.surroundings_tags import (
    CI_FIELDS,
    CI_SYSTEMS,
    DATABRICKS_TAGS,
    USER_TAGS,
    rows_of,
)

_VARIABLES = "SELECT key, upper(regexp_replace(key, '[^A-Za-z0-9]+', '_', 'g')) AS variable"
"""The keys of tags as the variables that they spell."""

_SIGNS = ", ".join(f"('{system.name}', '{sign}')" for system in CI_SYSTEMS for sign in system.signs)

CI_FACTS = Event(
    name="ci_facts",
    doc="What the tags of a run say of the CI job that executed it.",
    rows=f"""
        WITH asked(system, field, place, variable) AS (
            {rows_of((system.name, system.fields) for system in CI_SYSTEMS)}
        ), keys AS (
            {_VARIABLES} FROM (SELECT DISTINCT key FROM mlflow_tag)
        ), told AS (
            SELECT t.run_id, a.system, a.field, first(trim(t.value) ORDER BY a.place, t.key) AS value
            FROM mlflow_tag t JOIN keys k ON k.key = t.key JOIN asked a ON a.variable = k.variable
            WHERE trim(t.value) <> '' GROUP BY ALL
        ), signed AS (
            SELECT DISTINCT t.run_id, s.system
            FROM mlflow_tag t JOIN keys k ON k.key = t.key
            JOIN (VALUES {_SIGNS}) s(system, variable) ON s.variable = k.variable
            WHERE trim(t.value) <> ''
        ), facts AS (
            SELECT run_id, system, {", ".join(f"max(value) FILTER (field = '{name}') AS {name}" for name in CI_FIELDS)}
            FROM told SEMI JOIN signed USING (run_id, system) GROUP BY ALL
        ), placed AS (
            SELECT * REPLACE (coalesce(url, CASE WHEN system = 'GitHub Actions'
                       THEN rtrim(server, '/') || '/' || repository || '/actions/runs/' || job_id END) AS url,
                   rtrim(server, '/') AS server)
            FROM facts
        )
        SELECT *, concat_ws(' ', coalesce(url, concat_ws('/', server, repository, job_id)), job_name, attempt) AS job,
               concat_ws(' ', system, server) AS realm
        FROM placed WHERE coalesce(url, job_id) IS NOT NULL ORDER BY run_id, system
    """,
)

TAGGED_USERS = Event(
    name="tagged_users",
    doc="The people whom tags of a run name, beside the one whom MLflow names.",
    rows=f"""
        WITH asked(person, field, place, variable) AS (
            {rows_of((str(number), fields) for number, fields in enumerate(USER_TAGS))}
        ), keys AS (
            {_VARIABLES} FROM (SELECT DISTINCT key FROM mlflow_tag)
        ), told AS (
            SELECT t.run_id, a.person, a.field, first(trim(t.value) ORDER BY a.place, t.key) AS value
            FROM mlflow_tag t JOIN keys k ON k.key = t.key JOIN asked a ON a.variable = k.variable
            WHERE trim(t.value) <> '' AND length(t.value) < 250 GROUP BY ALL
        ), named AS (
            SELECT run_id, max(value) FILTER (field = 'email' AND contains(value, '@')) AS email,
                   max(value) FILTER (field = 'username') AS username
            FROM told GROUP BY run_id, person
        )
        SELECT DISTINCT run_id, email, CASE WHEN email IS NULL THEN username END AS username,
               CASE WHEN email IS NOT NULL AND NOT contains(username, '@') THEN username END AS full_name
        FROM named WHERE coalesce(email, username) IS NOT NULL ORDER BY ALL
    """,
)

CI_PEOPLE = Event(
    name="ci_people",
    doc="A person whom a CI system knows by a user name of its own, and no e-mail address.",
    rows="""
        SELECT realm, coalesce(login, full_name) AS username,
               list_sort(list(DISTINCT full_name) FILTER (full_name IS NOT NULL)) AS names
        FROM ci_facts WHERE email IS NULL AND coalesce(login, full_name) IS NOT NULL
        GROUP BY ALL ORDER BY ALL
    """,
    elements={
        "ci_person_ref": Element(
            kind="agent",
            prefix="mlflow",
            name=("User", "realm", "username"),
            types=("m2p:User", "prov:Person"),
            label="coalesce(names[1], username)",
            attributes={"name": text("names", many=True), "username": text("username")},
        )
    },
)

CI_JOBS = Event(
    name="ci_jobs",
    doc="A job of a CI system.",
    rows="""
        SELECT system, job, min(url) AS url, min(job_id) AS job_id, min(job_name) AS job_name,
               min(repository) AS repository, min(attempt) AS attempt
        FROM ci_facts GROUP BY ALL ORDER BY ALL
    """,
    elements={
        "ci_job_ref": Element(
            kind="agent",
            prefix="mlflow",
            name=("CIJob", "system", "job"),
            types=("m2p:CIJob", "prov:SoftwareAgent"),
            label="concat_ws(' ', system, 'job', job_name, job_id)",
            attributes={
                "system": text("system", always=True),
                "url": text("url"),
                "job_id": text("job_id"),
                "name": text("job_name"),
                "repository": text("repository"),
                "attempt": integer("TRY_CAST(attempt AS BIGINT)"),
            },
        )
    },
)

CI_EXECUTIONS = Event(
    name="ci_executions",
    doc="A run was executed by a CI job, on behalf of the person who set that off.",
    rows="""
        SELECT r.creation_ref, j.ci_job_ref, coalesce(p.person_ref, c.ci_person_ref) AS person_ref
        FROM ci_facts f
        JOIN runs r ON r.run_id = f.run_id
        JOIN ci_jobs j ON j.system = f.system AND j.job = f.job
        LEFT JOIN people p ON p.person_key = person(f.email, NULL, NULL)
        LEFT JOIN ci_people c ON f.email IS NULL AND c.realm = f.realm
            AND c.username = coalesce(f.login, f.full_name)
        ORDER BY ALL
    """,
    relations=(
        associated("creation_ref", "ci_job_ref", "CIJob"),
        delegated("ci_job_ref", "person_ref", "creation_ref"),
    ),
)

TAGGED_EXECUTIONS = Event(
    name="tagged_executions",
    doc="A run is associated with the people whom its tags name, unless they are the one who executed it.",
    rows="""
        SELECT DISTINCT r.creation_ref, p.person_ref
        FROM tagged_users t
        JOIN runs r ON r.run_id = t.run_id
        JOIN people p ON p.person_key = person(t.email, t.username, NULL)
        WHERE p.person_ref IS DISTINCT FROM r.user_ref ORDER BY ALL
    """,
    relations=(associated("creation_ref", "person_ref", "TaggedUser"),),
)

DOCKER_FACTS = Event(
    name="docker_facts",
    doc="What the tags of a run say of the container image that it was executed in.",
    rows="""
        WITH said AS (
            SELECT run_id, max(present(value)) FILTER (key = 'mlflow.docker.image.id') AS image_id,
                   max(present(value)) FILTER (key = 'mlflow.docker.image.uri') AS uri
            FROM mlflow_tag WHERE starts_with(key, 'mlflow.docker.') GROUP BY run_id
        )
        SELECT *, coalesce(image_id, present(regexp_extract(uri, '@(sha256:[0-9a-f]{64})$', 1)), uri) AS image
        FROM said WHERE coalesce(image_id, uri) IS NOT NULL
    """,
)

CONTAINER_IMAGES = Event(
    name="container_images",
    doc="A container image, named by its content where that is known, else by its URI.",
    rows="""
        SELECT image, min(image_id) AS image_id,
               list_sort(list(DISTINCT uri) FILTER (uri IS NOT NULL)) AS uris
        FROM docker_facts GROUP BY image ORDER BY image
    """,
    elements={
        "image_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("ContainerImage", "image"),
            types=("m2p:ContainerImage",),
            label="concat('container image ', coalesce(uris[1], image_id))",
            attributes={"image_id": text("image_id"), "uri": text("uris", many=True)},
        )
    },
)

CONTAINER_USES = Event(
    name="container_uses",
    doc="A run used the container image that it was executed in.",
    rows="""
        SELECT r.creation_ref, i.image_ref
        FROM docker_facts f JOIN runs r ON r.run_id = f.run_id JOIN container_images i ON i.image = f.image
        ORDER BY ALL
    """,
    relations=(used("creation_ref", "image_ref", "ContainerImage"),),
)

DATABRICKS_FACTS = Event(
    name="databricks_facts",
    doc="What the tags of a run say of the notebook and the jobs of Databricks that executed it.",
    rows=f"""
        WITH asked(system, field, place, key) AS ({rows_of([("Databricks", DATABRICKS_TAGS)])}), told AS (
            SELECT t.run_id, a.field, first(t.value ORDER BY a.place) AS value
            FROM mlflow_tag t JOIN asked a ON a.key = t.key
            WHERE starts_with(t.key, 'mlflow.databricks.') AND t.value <> '' GROUP BY ALL
        ), facts AS (
            SELECT run_id,
                   {", ".join(f"max(value) FILTER (field = '{name}') AS {name}" for name in DATABRICKS_TAGS)}
            FROM told GROUP BY run_id
        )
        SELECT *, coalesce(workspace_id, workspace_url, '') AS place,
               coalesce(notebook_id, notebook_path) AS notebook
        FROM facts
    """,
)

NOTEBOOKS = Event(
    name="notebooks",
    doc="A notebook of Databricks, in the revision that was executed where that is known.",
    rows="""
        SELECT place, notebook, coalesce(revision_id, '') AS revision, min(notebook_id) AS notebook_id,
               min(revision_id) AS revision_id, list_sort(list(DISTINCT notebook_path)
                   FILTER (notebook_path IS NOT NULL)) AS paths,
               min(workspace_id) AS workspace_id, min(workspace_url) AS workspace_url
        FROM databricks_facts WHERE notebook IS NOT NULL GROUP BY ALL ORDER BY ALL
    """,
    elements={
        "notebook_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("Notebook", "place", "notebook", "revision"),
            types=("m2p:Notebook",),
            label="concat('notebook ', coalesce(regexp_extract(paths[1], '[^/]*$'), notebook_id))",
            attributes={
                "path": text("paths", many=True),
                "notebook_id": text("notebook_id"),
                "revision_id": text("revision_id"),
                "workspace_id": text("workspace_id"),
                "workspace_url": text("workspace_url"),
            },
        )
    },
)

NOTEBOOK_USES = Event(
    name="notebook_uses",
    doc="A run used a notebook, as its entry point where the notebook is its source.",
    rows="""
        SELECT r.creation_ref, n.notebook_ref,
               CASE WHEN r.source_type = 'NOTEBOOK' THEN 'EntryPoint' ELSE 'Notebook' END AS role
        FROM databricks_facts f
        JOIN runs r ON r.run_id = f.run_id
        JOIN notebooks n ON n.place = f.place AND n.notebook = f.notebook AND n.revision = coalesce(f.revision_id, '')
        ORDER BY ALL
    """,
    relations=(
        used(
            "creation_ref",
            "notebook_ref",
            "=CASE role WHEN 'EntryPoint' THEN 'EntryPoint' ELSE 'Notebook' END",
        ),
    ),
)

JOB_FACTS = Event(
    name="job_facts",
    doc="The jobs of Databricks that executed runs: those that MLflow was used in, and those of projects.",
    rows="""
        SELECT run_id, place, job_id, coalesce(job_run_id, '') AS job_run, job_run_id, job_type,
               workspace_id, workspace_url
        FROM databricks_facts WHERE job_id IS NOT NULL
        UNION ALL
        SELECT run_id, place, shell_job_id, coalesce(shell_job_run_id, ''), shell_job_run_id, NULL,
               workspace_id, workspace_url
        FROM databricks_facts WHERE shell_job_id IS NOT NULL AND shell_job_id IS DISTINCT FROM job_id
    """,
)

JOBS = Event(
    name="jobs",
    doc="A job of Databricks, in one of its runs.",
    rows="""
        SELECT place, job_id, job_run, min(job_run_id) AS job_run_id, min(job_type) AS job_type,
               min(workspace_id) AS workspace_id, min(workspace_url) AS workspace_url
        FROM job_facts GROUP BY ALL ORDER BY ALL
    """,
    elements={
        "job_ref": Element(
            kind="agent",
            prefix="mlflow",
            name=("Job", "place", "job_id", "job_run"),
            types=("m2p:Job", "prov:SoftwareAgent"),
            label="concat_ws(' ', 'Databricks job', job_id, job_run_id)",
            attributes={
                "system": text("'Databricks'", always=True),
                "job_id": text("job_id", always=True),
                "job_run_id": text("job_run_id"),
                "job_type": text("job_type"),
                "workspace_id": text("workspace_id"),
                "workspace_url": text("workspace_url"),
            },
        )
    },
)

JOB_EXECUTIONS = Event(
    name="job_executions",
    doc="A run was executed by a job of Databricks, on behalf of the run's user.",
    rows="""
        SELECT r.creation_ref, r.user_ref, j.job_ref
        FROM job_facts f
        JOIN runs r ON r.run_id = f.run_id
        JOIN jobs j ON j.place = f.place AND j.job_id = f.job_id AND j.job_run = f.job_run
        ORDER BY ALL
    """,
    relations=(
        associated("creation_ref", "job_ref", "Job"),
        delegated("job_ref", "user_ref", "creation_ref"),
    ),
)

SURROUNDING_FACTS = (CI_FACTS, TAGGED_USERS)
"""What the people of all sources are found from, too."""

SURROUNDING_EVENTS = (
    DOCKER_FACTS,
    CONTAINER_IMAGES,
    CONTAINER_USES,
    DATABRICKS_FACTS,
    NOTEBOOKS,
    NOTEBOOK_USES,
    JOB_FACTS,
    JOBS,
    JOB_EXECUTIONS,
    CI_PEOPLE,
    CI_JOBS,
    CI_EXECUTIONS,
    TAGGED_EXECUTIONS,
)
"""In an order in which each reads only rows of those before it, and of runs and people."""
