"""The sections and the gaps of a ``why`` page: one declaration for each.

Their SQL has braces as that of questions has (:mod:`mlflow2prov.graph.questions`). ``{subject}`` is one row
that tells what the page is about: ``thing``, and where they are known ``version``, ``run``, ``creation``
(the execution of the run), ``commit``, ``script``; ``before_version``, ``before_run``, ``before_creation``,
``before_commit`` are those of the version before, else of the run before. ``{new_commits}`` are the commits
since then.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page.

    Attributes:
        name: as JSON calls it.
        title: for people.
        sql: its rows, whose columns are its headings.
        empty: what is said where there are none; nothing leaves the section out.
        about: ``model`` for what has a run or a version, ``thing`` for all.
    """

    name: str
    title: str
    sql: str
    empty: str = ""
    about: str = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What may be missing, and how to mend it.

    Attributes:
        name: as JSON calls it.
        missing: what is said where it is.
        mend: what to do, the next time or now.
        known: SQL of one truth value; NULL where it does not apply.
        about: as with sections; ``version`` for what has a version.
    """

    name: str
    missing: str
    mend: str
    known: str
    about: str = "model"


_DATA = "(SELECT DISTINCT u.activity, u.entity AS dataset, u.role FROM {used} u JOIN {Dataset} d ON d.id = u.entity)"
_PARAMS = "(SELECT id, name, min(value) AS value FROM {known_param} GROUP BY ALL)"
_METRICS = (
    "(SELECT id, name, first(value ORDER BY metric) AS value, max(TRY_CAST(step AS BIGINT)) AS step "
    "FROM {known_metric} GROUP BY ALL)"
)
RECORDED = (
    "CASE WHEN s.version IS NULL AND s.thing IN (SELECT id FROM {LoggedModel}) THEN s.thing "
    "ELSE coalesce(s.version, s.run) END"
)
"""What the params and metrics are recorded of that tell of the subject: a version, a logged model or a run."""
_RECORDED_BEFORE = "coalesce(s.before_version, s.before_run)"
_OWNERS = (
    "(SELECT run AS id FROM {subject} UNION "
    "SELECT o.model FROM {subject} s JOIN {own_model} o ON o.id = coalesce(s.version, s.thing))"
)
"""The run and the logged model of the subject, which have params and metrics."""
_MODELS = "(SELECT id FROM {LoggedModel} UNION SELECT id FROM {ModelArtifact})"

SECTIONS = (
    Section(
        name="who",
        title="Who",
        about="thing",
        empty="The document names nobody.",
        sql='SELECT DISTINCT w.what AS "did what", p.label AS who FROM ('
        "SELECT 1 AS n, 'is responsible for it' AS what, a.agent FROM {subject} s JOIN {wasAttributedTo} a ON "
        "a.entity = s.thing "
        "UNION ALL SELECT 2, 'made it', a.agent FROM {subject} s JOIN {wasGeneratedBy} g ON g.entity = s.thing "
        "JOIN {wasAssociatedWith} a ON a.activity = g.activity "
        "UNION ALL SELECT 2, 'did it', a.agent FROM {subject} s JOIN {wasAssociatedWith} a ON a.activity = s.thing "
        "UNION ALL SELECT 3, 'executed the run', a.agent FROM {subject} s JOIN {wasAssociatedWith} a ON "
        "a.activity = s.creation "
        "UNION ALL SELECT 4, 'wrote the script''s last change', a.agent FROM {subject} s "
        "JOIN {wasAttributedTo} a ON a.entity = s.script "
        "UNION ALL SELECT 5, CASE a.role WHEN 'CommitAuthor' THEN 'wrote the commit' WHEN 'Committer' THEN "
        "'committed it' "
        "WHEN 'CoAuthor' THEN 'co-wrote the commit' ELSE 'took part in the commit' END, a.agent FROM {subject} s "
        "JOIN {wasAssociatedWith} a ON a.activity = s.commit) w JOIN {anything} p ON p.id = w.agent ORDER BY 2, 1",
    ),
    Section(
        name="when",
        title="When",
        about="thing",
        empty="The document has no times for it.",
        sql="SELECT DISTINCT w.time, w.what FROM ("
        "SELECT c.start_time AS time, 'the commit was authored' AS what FROM {subject} s JOIN {Commit} c ON "
        "c.id = s.commit "
        "UNION ALL SELECT c.end_time, 'it was committed' FROM {subject} s JOIN {Commit} c ON c.id = s.commit "
        "UNION ALL SELECT c.start_time, 'the run started' FROM {subject} s JOIN {Creation} c ON c.id = s.creation "
        "UNION ALL SELECT c.end_time, 'the run ended' FROM {subject} s JOIN {Creation} c ON c.id = s.creation "
        "UNION ALL SELECT g.time, 'the version was registered' FROM {subject} s JOIN {wasGeneratedBy} g ON "
        "g.entity = s.version "
        "UNION ALL SELECT g.time, 'it was made' FROM {subject} s JOIN {wasGeneratedBy} g ON g.entity = s.thing "
        "WHERE s.thing IS DISTINCT FROM s.version AND s.run IS DISTINCT FROM s.thing "
        "UNION ALL SELECT t.start_time, 'it began' FROM {subject} s JOIN {anything} t ON t.id = s.thing "
        "UNION ALL SELECT t.end_time, 'it ended' FROM {subject} s JOIN {anything} t ON t.id = s.thing "
        "UNION ALL SELECT i.time, 'it was deleted' FROM {subject} s JOIN {wasInvalidatedBy} i ON i.entity = "
        "s.thing) w "
        "WHERE w.time IS NOT NULL ORDER BY w.time, w.what",
    ),
    Section(
        name="origin",
        title="What it came from",
        about="thing",
        sql="SELECT DISTINCT w.how, t.label AS what, t.type FROM ("
        "SELECT 'was derived from' AS how, d.usedEntity AS id FROM {subject} s JOIN {wasDerivedFrom} d ON "
        "d.generatedEntity = s.thing "
        "UNION ALL SELECT 'was generated by', g.activity FROM {subject} s JOIN {wasGeneratedBy} g ON g.entity = "
        "s.thing "
        "UNION ALL SELECT 'used', u.entity FROM {subject} s JOIN {used} u ON u.activity = s.thing "
        "UNION ALL SELECT 'was informed by', i.informant FROM {subject} s JOIN {wasInformedBy} i ON i.informed "
        "= s.thing "
        "UNION ALL SELECT 'was generated by what used', u.entity FROM {subject} s JOIN {wasGeneratedBy} g ON "
        "g.entity = s.thing "
        "JOIN {used} u ON u.activity = g.activity WHERE s.creation IS NULL) w JOIN {anything} t ON t.id = w.id "
        "ORDER BY ALL",
    ),
    Section(
        name="code",
        title="From which commit and file",
        empty="Which code made it is not known.",
        sql="SELECT c.sha AS commit, c.title, c.end_time AS committed, f.path AS file, "
        'f.commit[:12] AS "last changed in", f.blob '
        "FROM {subject} s LEFT JOIN {Commit: sha, title} c ON c.id = s.commit "
        "LEFT JOIN {FileRevision: path, commit, blob} f ON f.id = s.script WHERE c.id IS NOT NULL OR f.id IS "
        "NOT NULL",
    ),
    Section(
        name="new_commits",
        title="Commits since the version before",
        sql="SELECT c.end_time AS committed, c.sha[:12] AS commit, c.title, first(u.label ORDER BY u.id) AS author "
        "FROM {new_commits} n JOIN {Commit: sha, title} c ON c.id = n.id LEFT JOIN {wasAssociatedWith} a "
        "ON a.activity = c.id AND a.role = 'CommitAuthor' LEFT JOIN {User} u ON u.id = a.agent "
        "GROUP BY c.id, c.end_time, c.sha, c.title ORDER BY c.end_time, c.sha",
    ),
    Section(
        name="changed_files",
        title="Files that changed since the version before",
        sql="SELECT path AS file, list_sort(list(DISTINCT what)) AS how, list_sort(list(DISTINCT commit)) AS "
        "commits FROM ("
        "SELECT f.path, CASE f.status WHEN 'A' THEN 'added' WHEN 'R' THEN 'renamed' WHEN 'C' THEN 'copied' "
        "ELSE 'modified' END AS what, f.commit[:12] AS commit FROM {new_commits} n JOIN {wasGeneratedBy} g ON "
        "g.activity = n.id "
        "JOIN {FileRevision: path, status, commit} f ON f.id = g.entity "
        "UNION ALL SELECT f.path, 'deleted', c.sha[:12] FROM {new_commits} n JOIN {wasInvalidatedBy} i ON "
        "i.activity = n.id "
        "JOIN {FileRevision: path} f ON f.id = i.entity JOIN {Commit: sha} c ON c.id = n.id) GROUP BY path "
        "ORDER BY path",
    ),
    Section(
        name="data",
        title="With which data",
        empty="No dataset is recorded.",
        sql=f'WITH data AS {_DATA} SELECT d.name AS dataset, d.digest, u.role AS "used for", '
        "coalesce(list_sort(d.source_uri)[1], list_sort(d.source_name)[1]) AS source, "
        "CASE WHEN s.before_creation IS NULL THEN NULL WHEN b.dataset IS NULL THEN 'new' ELSE 'as before' END "
        "AS change "
        "FROM {subject} s JOIN data u ON u.activity = s.creation "
        "JOIN {Dataset: name, digest, source_uri[], source_name[]} d ON d.id = u.dataset "
        "LEFT JOIN data b ON b.activity = s.before_creation AND b.dataset = u.dataset AND b.role IS NOT "
        "DISTINCT FROM u.role "
        "ORDER BY d.name, d.digest, u.role",
    ),
    Section(
        name="params",
        title="With which parameters",
        empty="No parameter is recorded.",
        sql=f"WITH known AS {_PARAMS} SELECT p.name, p.value, b.value AS before, "
        "CASE WHEN s.before_run IS NULL THEN NULL WHEN b.name IS NULL THEN 'new' WHEN b.value = p.value THEN "
        "'as before' "
        f"ELSE 'changed' END AS change FROM {{subject}} s JOIN known p ON p.id = {RECORDED} "
        f"LEFT JOIN known b ON b.id = {_RECORDED_BEFORE} AND b.name = p.name ORDER BY p.name",
    ),
    Section(
        name="metrics",
        title="With which result",
        empty="No metric is recorded.",
        sql=f"WITH known AS {_METRICS} SELECT p.name AS metric, p.value, p.step, b.value AS before, "
        f"p.value - b.value AS difference FROM {{subject}} s JOIN known p ON p.id = {RECORDED} "
        f"LEFT JOIN known b ON b.id = {_RECORDED_BEFORE} AND b.name = p.name ORDER BY p.name",
    ),
    Section(
        name="environment",
        title="In which environment",
        empty="No environment is recorded.",
        sql="SELECT DISTINCT e.python_version AS python, list_sort(e.requirements) AS requirements, "
        "e.digest[:12] AS digest "
        "FROM {subject} s JOIN {used} u ON u.activity = s.creation "
        "JOIN {Environment: python_version, requirements[], digest} e ON e.id = u.entity ORDER BY ALL",
    ),
    Section(
        name="base_models",
        title="From which base model",
        empty="It was made from no other model, as far as is recorded.",
        sql="SELECT DISTINCT w.how, t.label AS model FROM (SELECT 'its run took it in' AS how, u.entity AS id "
        "FROM {subject} s "
        "JOIN {used} u ON u.activity = s.creation WHERE u.entity IN (SELECT id FROM {LoggedModel}) "
        "AND u.entity NOT IN (SELECT g.entity FROM {wasGeneratedBy} g WHERE g.activity = s.creation) "
        "UNION ALL SELECT 'it was copied from it', d.usedEntity FROM {subject} s "
        "JOIN {wasDerivedFrom} d ON d.generatedEntity = s.version JOIN {RegisteredModelVersion} o ON o.id = "
        "d.usedEntity) w "
        "JOIN {anything} t ON t.id = w.id UNION SELECT DISTINCT concat('the tag ', t.name), t.value FROM {subject} s "
        "JOIN {hadMember} m ON m.collection IN (s.run, s.version) JOIN (SELECT * FROM {RunTag: name, value} "
        "UNION ALL SELECT * FROM {RegisteredModelVersionTag: name, value}) t ON t.id = m.entity "
        "WHERE regexp_full_match(lower(t.name), '(.*[._ -])?(base|parent)[._ -]?model([._ -].*)?') ORDER BY ALL",
    ),
    Section(
        name="promotion",
        title="How it got to where it is",
        empty="It has no alias and no stage.",
        sql="SELECT DISTINCT w.time, w.what FROM ("
        "SELECT g.time, concat('registered as ', v.label) AS what FROM {subject} s JOIN "
        "{RegisteredModelVersion} v ON v.id = s.version "
        "JOIN {wasGeneratedBy} g ON g.entity = v.id UNION ALL "
        "SELECT c.start_time, concat('judged by the run ', r.label, ': ', coalesce((SELECT "
        "string_agg(concat(k.name, ' = ', "
        "k.value), ', ' ORDER BY k.name) FROM {run_metric} k WHERE k.run = r.id), 'no metric')) FROM {subject} s "
        "JOIN {wasDerivedFrom} d ON d.generatedEntity = s.version JOIN (SELECT id AS origin, id AS model FROM "
        "{LoggedModel} "
        "UNION ALL SELECT generatedEntity, usedEntity FROM {wasDerivedFrom}) o ON o.origin = d.usedEntity "
        "JOIN {used} u ON u.entity = o.model AND u.activity <> s.creation AND u.role = 'ModelInput' "
        "JOIN {execution} x ON x.creation = u.activity JOIN {Run} r ON r.id = x.run JOIN {Creation} c ON c.id = "
        "x.creation UNION ALL "
        "SELECT NULL, concat('tagged ', t.name, ' = ', t.value) FROM {subject} s JOIN {hadMember} m ON "
        "m.collection = s.version "
        "JOIN {RegisteredModelVersionTag: name, value} t ON t.id = m.entity UNION ALL "
        "SELECT g.time, concat('copied to ', v.label) FROM {subject} s JOIN {wasDerivedFrom} d ON d.usedEntity "
        "= s.version "
        "JOIN {RegisteredModelVersion} v ON v.id = d.generatedEntity LEFT JOIN {wasGeneratedBy} g ON g.entity = "
        "v.id UNION ALL "
        "SELECT i.time, concat('got the alias ', a.label, CASE WHEN i.time IS NULL THEN ' (MLflow does not "
        "record when)' ELSE '' END) "
        "FROM {subject} s JOIN {wasDerivedFrom} d ON d.usedEntity = s.version JOIN {RegisteredModelAlias} a ON "
        "a.id = d.generatedEntity "
        "LEFT JOIN {wasDerivedFrom} f ON f.generatedEntity = a.id AND f.activity IS NOT NULL "
        "LEFT JOIN {wasInvalidatedBy} i ON i.entity = f.usedEntity UNION ALL "
        "SELECT i.time, concat('lost the alias ', a.label) FROM {subject} s JOIN {wasDerivedFrom} d ON "
        "d.usedEntity = s.version "
        "JOIN {RegisteredModelAlias} a ON a.id = d.generatedEntity JOIN {wasInvalidatedBy} i ON i.entity = a.id "
        "UNION ALL "
        "SELECT NULL, concat('is in the stage ', v.stage) FROM {subject} s JOIN {RegisteredModelVersion: stage} "
        "v ON v.id = s.version "
        "WHERE v.stage <> 'None' UNION ALL "
        "SELECT NULL, f.label FROM {subject} s JOIN {specializationOf} o ON o.generalEntity = s.version "
        "JOIN {FormerState} f ON f.id = o.specificEntity) w ORDER BY w.time NULLS LAST, w.what",
    ),
)
"""The sections, in the order of the page."""

_TAGS = (
    "(SELECT m.collection AS owner, t.name, t.value FROM {hadMember} m JOIN (SELECT * FROM {RunTag: name, value} "
    "UNION ALL SELECT * FROM {LoggedModelTag: name, value}) t ON t.id = m.entity)"
)
_DIRTY = (
    f"{_TAGS} t, {{subject}} s "
    "WHERE t.name IN ('mlflow.source.git.dirty', 'mlflow.git.dirty', 'git.dirty', 'git_dirty') "
    "AND (t.owner IN (s.run, s.thing) OR t.owner IN (SELECT entity FROM {wasGeneratedBy} WHERE activity = s.creation "
    "UNION ALL SELECT usedEntity FROM {wasDerivedFrom} WHERE generatedEntity = s.version))"
)
_USED_DATA = f"{_DATA} d, {{subject}} s WHERE d.activity = s.creation"

GAPS = (
    Gap(
        name="run",
        missing="the run that made it",
        mend="register models with mlflow.register_model from a run or a logged model, not from a bare path",
        known="SELECT run IS NOT NULL FROM {subject}",
        about="version",
    ),
    Gap(
        name="commit_named",
        missing="the commit of the code: the run names none",
        mend="execute runs from files in a Git work tree, with GitPython installed, or set the tag "
        "mlflow.source.git.commit",
        known="SELECT s.commit IS NOT NULL OR r.source_git_commit IS NOT NULL FROM {subject} s "
        "LEFT JOIN {Run: source_git_commit} r ON r.id = s.run",
    ),
    Gap(
        name="commit_there",
        missing="the commit itself: the run names one that the document has not",
        mend="extract with --repository_path of the repository that has it, after git fetch --all",
        known="SELECT CASE WHEN r.source_git_commit IS NULL AND s.commit IS NULL THEN NULL ELSE s.commit IS NOT "
        "NULL END "
        "FROM {subject} s LEFT JOIN {Run: source_git_commit} r ON r.id = s.run",
    ),
    Gap(
        name="script",
        missing="the file that was executed, as it stood at the commit",
        mend="execute a file that is committed, by its path in the repository",
        known="SELECT script IS NOT NULL FROM {subject}",
    ),
    Gap(
        name="tree_state",
        missing="whether the work tree had changes that were not committed",
        mend="commit before you run, and set the tag mlflow.source.git.dirty to false (from git status --porcelain)",
        known=f"SELECT count(*) > 0 FROM {_DIRTY}",
    ),
    Gap(
        name="clean_tree",
        missing="the exact code: the work tree was dirty, it had changes that were not committed",
        mend="commit before you run, and run it again",
        known=f"SELECT bool_and(lower(t.value) IN ('false', '0', 'no')) FROM {_DIRTY}",
    ),
    Gap(
        name="training_data",
        missing="the data that it was trained with",
        mend='log it: mlflow.log_input(dataset, context="training")',
        known=f"SELECT count(*) > 0 FROM {_USED_DATA} AND d.role IN ('training', 'train')",
    ),
    Gap(
        name="evaluation_data",
        missing="the data that it was judged by",
        mend='log it: mlflow.log_input(dataset, context="validation")',
        known=f"SELECT count(*) > 0 FROM {_USED_DATA} AND coalesce(d.role, '') NOT IN ('training', 'train')",
    ),
    Gap(
        name="data_digests",
        missing="the digest of a dataset, so that it can't be told whether it is the same",
        mend="make datasets with mlflow.data, which works out a digest, or give one: digest=…",
        known=f"SELECT bool_and(coalesce(e.digest, '') <> '') FROM (SELECT d.dataset FROM {_USED_DATA}) u "
        "JOIN {Dataset: digest} e ON e.id = u.dataset",
    ),
    Gap(
        name="data_sources",
        missing="where a dataset came from: only the program that made it is named",
        mend="make datasets with their source: mlflow.data.from_pandas(…, source=URL)",
        known=f"SELECT bool_and(len(e.source_uri) > 0) FROM (SELECT d.dataset FROM {_USED_DATA}) u "
        "JOIN {Dataset: source_uri[]} e ON e.id = u.dataset",
    ),
    Gap(
        name="params",
        missing="parameters",
        mend="log them: mlflow.log_params, or mlflow.autolog()",
        known=f"SELECT count(*) > 0 FROM {_OWNERS} o JOIN {{hadMember}} m ON m.collection = o.id JOIN {{Param}} p "
        "ON p.id = m.entity",
    ),
    Gap(
        name="metrics",
        missing="metrics",
        mend="log them: mlflow.log_metrics",
        known=f"SELECT count(*) > 0 FROM {_OWNERS} o JOIN {{hadMember}} m ON m.collection = o.id JOIN {{Metric}} p "
        "ON p.id = m.entity",
    ),
    Gap(
        name="environment",
        missing="the environment",
        mend="log the model with its pip_requirements, and let the extraction read artifacts",
        known="SELECT count(*) > 0 FROM {subject} s JOIN {used} u ON u.activity = s.creation JOIN {Environment} "
        "e ON e.id = u.entity",
    ),
    Gap(
        name="pinned_packages",
        missing="the exact version of a package",
        mend="log the model with requirements that say ==, such as those of pip freeze",
        known="SELECT bool_and(len(list_filter(e.requirements, lambda r: NOT contains(r, '=='))) = 0) FROM "
        "{subject} s "
        "JOIN {used} u ON u.activity = s.creation JOIN {Environment: requirements[]} e ON e.id = u.entity",
    ),
    Gap(
        name="signature",
        missing="the signature of the model: what goes in and what comes out",
        mend="log the model with signature=mlflow.models.infer_signature(…) or an input_example",
        known="SELECT bool_or(m.inputs IS NOT NULL) IS TRUE FROM {subject} s JOIN {wasDerivedFrom} d ON "
        "d.generatedEntity = s.version "
        "JOIN (SELECT id, signature_inputs AS inputs FROM {LoggedModel: signature_inputs} UNION ALL "
        "SELECT id, signature_inputs FROM {ModelArtifact: signature_inputs} UNION ALL "
        "SELECT w.generatedEntity, l.signature_inputs FROM {wasDerivedFrom} w JOIN {LoggedModel: signature_inputs} l "
        "ON l.id = w.usedEntity) m ON m.id = d.usedEntity",
        about="version",
    ),
    Gap(
        name="run_author",
        missing="who executed the run",
        mend="set MLFLOW_TRACKING_USERNAME or the tag mlflow.user",
        known="SELECT count(a.agent) > 0 FROM {subject} s JOIN {wasAssociatedWith} a ON a.activity = s.creation",
    ),
    Gap(
        name="registrar",
        missing="who registered the version",
        mend="use a tracking server with authentication, which records it, or say it in a tag or the description",
        known="SELECT count(a.agent) > 0 FROM {subject} s JOIN {wasAttributedTo} a ON a.entity = s.version",
        about="version",
    ),
    Gap(
        name="description",
        missing="a description that says why",
        mend="describe the version: MlflowClient().update_model_version(…, description=…)",
        known="SELECT coalesce(v.description, '') <> '' FROM {subject} s "
        "JOIN {RegisteredModelVersion: description} v ON v.id = s.version",
        about="version",
    ),
    Gap(
        name="alias_times",
        missing="since when it has its alias",
        mend="extract regularly with --cache, which sees aliases move",
        known="SELECT bool_and(f.activity IS NOT NULL) FROM {subject} s JOIN {wasDerivedFrom} d ON d.usedEntity "
        "= s.version "
        "JOIN {RegisteredModelAlias} a ON a.id = d.generatedEntity "
        "LEFT JOIN {wasDerivedFrom} f ON f.generatedEntity = a.id AND f.activity IS NOT NULL",
        about="version",
    ),
    Gap(
        name="finished",
        missing="the success of the run: it did not finish",
        mend="register models of runs that finished; see the log of the run",
        known="SELECT r.status = 'FINISHED' FROM {subject} s JOIN {Run: status} r ON r.id = s.run",
    ),
    Gap(
        name="kept",
        missing="the run or the logged model, which was deleted and may be purged",
        mend="restore it: mlflow runs restore --run-id …",
        known="SELECT count(*) = 0 FROM {subject} s JOIN {wasInvalidatedBy} i ON i.entity = s.run "
        "OR i.entity IN (SELECT usedEntity FROM {wasDerivedFrom} WHERE generatedEntity = s.version)",
    ),
    Gap(
        name="clean_tree_of_thing",
        missing="the exact code: the work tree was dirty, it had changes that were not committed",
        mend="commit before you run, and run it again",
        known=f"SELECT bool_and(lower(t.value) IN ('false', '0', 'no')) FROM {_DIRTY}",
        about="other",
    ),
    Gap(
        name="maker",
        missing="what made it",
        mend="record the activity that generated it (wasGeneratedBy)",
        known="SELECT CASE WHEN t.kind = 'entity' THEN t.id IN (SELECT entity FROM {wasGeneratedBy}) END "
        "FROM {subject} s JOIN {anything} t ON t.id = s.thing",
        about="other",
    ),
    Gap(
        name="responsible",
        missing="who is responsible for it",
        mend="record the agent (wasAttributedTo, or wasAssociatedWith what made it)",
        known="SELECT CASE WHEN t.kind <> 'agent' THEN t.id IN (SELECT entity FROM {wasAttributedTo} UNION ALL "
        "SELECT activity FROM {wasAssociatedWith} UNION ALL SELECT g.entity FROM {wasGeneratedBy} g "
        "JOIN {wasAssociatedWith} a ON a.activity = g.activity) END FROM {subject} s JOIN {anything} t ON t.id "
        "= s.thing",
        about="other",
    ),
    Gap(
        name="time",
        missing="when it was",
        mend="record the time of its generation, or of its beginning and end",
        known="SELECT CASE t.kind WHEN 'entity' THEN (SELECT count(g.time) > 0 FROM {wasGeneratedBy} g WHERE "
        "g.entity = t.id) "
        "WHEN 'activity' THEN coalesce(t.start_time, t.end_time) IS NOT NULL END FROM {subject} s "
        "JOIN {anything} t ON t.id = s.thing",
        about="other",
    ),
)
"""The gaps, the graver ones first."""
