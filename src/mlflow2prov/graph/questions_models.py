"""Questions about registered models and their versions."""

from __future__ import annotations

from mlflow2prov.graph.questions import Parameter, Question, Walk

MODEL = Parameter(
    name="model",
    kind="model version",
    doc="A version of a registered model.",
    example="models:/wine-candidate@champion",
)
_VERSION = ("RegisteredModelVersion",)

QUESTIONS = (
    Question(
        name="live-models",
        topic="Models",
        title="Which versions are live: have an alias, or are in the stage Staging or Production?",
        about=_VERSION,
        columns={
            "model": "the version",
            "aliases": "the aliases that point at it",
            "stage": "its stage",
            "run": "the run that made it",
            "commit": "the commit that the run's code was at",
        },
        sql="SELECT l.model, list_sort(l.aliases) AS aliases, nullif(l.stage, 'None') AS stage, "
        "first(r.label ORDER BY r.id) AS run, first(c.sha[:7] ORDER BY c.id) AS commit "
        "FROM {live} l LEFT JOIN {version_run} x ON x.version = l.version "
        "LEFT JOIN {Run} r ON r.id = x.run LEFT JOIN {run_commit} rc ON rc.run = x.run "
        "LEFT JOIN {Commit: sha} c ON c.id = rc.commit "
        "GROUP BY l.version, l.model, l.aliases, l.stage ORDER BY l.model, l.version",
    ),
    Question(
        name="champion-at",
        topic="Models",
        title="What was champion at a time?",
        about=("RegisteredModelAlias",),
        parameters=(
            Parameter(name="time", kind="time", doc="The instant, in ISO 8601.", example="2100-01-01"),
            Parameter(name="alias", kind="text", doc="The alias.", example="champion", default="champion"),
            Parameter(
                name="of",
                kind="registered model",
                doc="Of this registered model only.",
                example="models:/wine-candidate",
                may_be_missing=True,
            ),
        ),
        columns={
            "alias": "the alias, with its model",
            "model": "the version that it pointed at",
            "since": "since when, where that is known",
            "until": "until when, where it points at it no more",
            "registered": "when the version was registered",
        },
        varies=("registered",),
        note="MLflow does not record when an alias was set. An extraction with `--cache` sees it change; "
        "without one, "
        "what an alias points at now is taken to hold since the version was registered.",
        sql="SELECT a.label AS alias, v.label AS model, max(coalesce(s.time, TRY_CAST(h.not_after AS "
        "TIMESTAMPTZ))) AS since, "
        "min(coalesce(i.time, TRY_CAST(e.not_after AS TIMESTAMPTZ))) AS until, min(g.time) AS registered "
        "FROM {RegisteredModelAlias: name} a JOIN {wasDerivedFrom} d ON d.generatedEntity = a.id "
        "JOIN {RegisteredModelVersion} v ON v.id = d.usedEntity "
        "LEFT JOIN {wasGeneratedBy} g ON g.entity = v.id LEFT JOIN {wasInvalidatedBy} i ON i.entity = a.id "
        "LEFT JOIN {Deletion: not_after} e ON e.id = i.activity "
        "LEFT JOIN {wasDerivedFrom} w ON w.generatedEntity = a.id AND w.activity IS NOT NULL "
        "LEFT JOIN {wasInvalidatedBy} s ON s.entity = w.usedEntity LEFT JOIN {Deletion: not_after} h ON h.id = "
        "w.activity "
        "WHERE a.name = $alias AND ($of::INTEGER IS NULL OR v.id IN "
        "(SELECT specificEntity FROM {specializationOf} WHERE generalEntity = $of)) "
        "GROUP BY a.id, a.label, v.label HAVING coalesce(since, registered, $time::TIMESTAMPTZ) <= "
        "$time::TIMESTAMPTZ "
        "AND coalesce(until > $time::TIMESTAMPTZ, true) ORDER BY a.label, v.label",
    ),
    Question(
        name="versions-of-model",
        topic="Models",
        title="Which versions has each registered model had?",
        about=_VERSION,
        columns={
            "model": "the version",
            "registered": "when",
            "person": "who registered it, where that is known",
            "aliases": "the aliases that point at it",
            "stage": "its stage",
            "deleted": "whether it was deleted",
        },
        varies=("registered",),
        sql="SELECT v.label AS model, min(g.time) AS registered, first(u.label ORDER BY u.id) AS person, "
        "list_sort(v.aliases) AS aliases, nullif(v.stage, 'None') AS stage, v.id IN (SELECT id FROM {ended}) AS "
        "deleted "
        "FROM {RegisteredModelVersion: name, version, stage, aliases[]} v LEFT JOIN {wasGeneratedBy} g ON "
        "g.entity = v.id "
        "LEFT JOIN {wasAttributedTo} a ON a.entity = v.id LEFT JOIN {User} u ON u.id = a.agent "
        "GROUP BY v.id, v.label, v.aliases, v.stage, v.name, v.version ORDER BY v.name, TRY_CAST(v.version AS "
        "BIGINT)",
    ),
    Question(
        name="run-of-model",
        topic="Models",
        title="Which run made a model version, who executed it, and when?",
        about=_VERSION,
        parameters=(MODEL,),
        columns={
            "run": "the run",
            "run_id": "its identifier",
            "status": "its status",
            "person": "who",
            "start": "from",
            "end": "to",
        },
        varies=("start", "end"),
        sql="SELECT DISTINCT r.label AS run, r.run_id, r.status, u.label AS person, c.start_time AS start, "
        "c.end_time AS end "
        "FROM {made_of} m JOIN {Run: status} r ON r.id = m.run JOIN {Creation} c ON c.id = m.creation "
        "LEFT JOIN {run_person} p ON p.run = m.run LEFT JOIN {User} u ON u.id = p.person "
        "WHERE m.version = $model ORDER BY ALL",
    ),
    Question(
        name="params-of-model",
        topic="Models",
        title="With which parameters was a model version made?",
        about=_VERSION,
        parameters=(MODEL,),
        columns={"name": "the parameter", "value": "its value"},
        note="A parameter of the model itself goes before one of its run.",
        sql="SELECT DISTINCT name, value FROM {known_param} WHERE id = $model ORDER BY ALL",
    ),
    Question(
        name="metrics-of-model",
        topic="Models",
        title="Which metrics had a model version, or the run that made it, at last?",
        about=_VERSION,
        parameters=(MODEL,),
        columns={"name": "the metric", "value": "its last value", "step": "at which step"},
        varies=("value",),
        note="Of several models of one run, such as checkpoints, each has its own metrics.",
        sql="SELECT DISTINCT name, value, TRY_CAST(step AS BIGINT) AS step FROM {known_metric} "
        "WHERE id = $model ORDER BY ALL",
    ),
    Question(
        name="environment-of-model",
        topic="Models",
        title="Which Python and which packages does a model version need?",
        about=_VERSION,
        parameters=(MODEL,),
        columns={"python": "the version of Python", "requirement": "as pip spells it"},
        varies=("python",),
        sql="SELECT DISTINCT e.python_version AS python, q.r AS requirement FROM {made_of} m "
        "JOIN {used} u ON u.activity = m.creation JOIN {Environment: python_version, requirements[]} e "
        "ON e.id = u.entity, unnest(e.requirements) q(r) WHERE m.version = $model ORDER BY ALL",
    ),
    Question(
        name="models-with-package-below",
        topic="Models",
        title="Which models use a package below a version?",
        about=("Environment",),
        parameters=(
            Parameter(name="package", kind="text", doc="The name of the package.", example="mlflow"),
            Parameter(name="below", kind="version", doc="The first version that is fine.", example="99"),
        ),
        columns={
            "model": "the version",
            "is_live": "whether it is live",
            "requirement": "what it needs",
            "pinned": "the version that this names; empty where any version may be meant",
        },
        varies=("pinned", "requirement"),
        note="Versions are compared by the numbers of their releases. A requirement that pins no version is "
        "listed, too: "
        "it may be met by an older one.",
        sql="SELECT DISTINCT v.label AS model, v.id IN (SELECT version FROM {live}) AS is_live, n.requirement, "
        "nullif(n.pinned, '') AS pinned FROM {needs} n JOIN {RegisteredModelVersion} v ON v.id = n.version "
        "WHERE n.package = lower(regexp_replace($package, '[-_.]+', '-', 'g')) AND (n.pinned = '' OR "
        "list_resize(list_transform(string_split(regexp_extract(n.pinned, '^[0-9]+(\\.[0-9]+)*'), '.'), "
        "lambda x: x::BIGINT), 8, 0) < list_resize(list_transform(string_split(regexp_extract($below, "
        "'^[0-9]+(\\.[0-9]+)*'), '.'), lambda x: x::BIGINT), 8, 0)) ORDER BY is_live DESC, model, requirement",
    ),
    Question(
        name="lead-time",
        topic="Models",
        title="How long was it from the commit to the registration of each model version?",
        about=_VERSION,
        columns={
            "model": "the version",
            "commit": "the commit that its run's code was at",
            "committed": "when it was committed",
            "registered": "when the version was registered",
            "days": "how many days later",
        },
        varies=("registered", "days"),
        sql="SELECT v.label AS model, c.sha[:7] AS commit, c.end_time AS committed, min(g.time) AS registered, "
        "round(epoch(min(g.time) - c.end_time) / 86400, 3) AS days FROM {version_run} x "
        "JOIN {RegisteredModelVersion} v ON v.id = x.version JOIN {wasGeneratedBy} g ON g.entity = v.id "
        "JOIN {run_commit} rc ON rc.run = x.run JOIN {Commit: sha} c ON c.id = rc.commit "
        "GROUP BY v.id, v.label, c.sha, c.end_time ORDER BY v.label",
    ),
    Question(
        name="copies-of-models",
        topic="Models",
        title="Which versions were copied from which?",
        about=_VERSION,
        columns={"model": "the copy", "original": "what it was copied from"},
        sql="SELECT v.label AS model, o.label AS original FROM {wasDerivedFrom} d "
        "JOIN {RegisteredModelVersion} v ON v.id = d.generatedEntity "
        "JOIN {RegisteredModelVersion} o ON o.id = d.usedEntity ORDER BY ALL",
    ),
    Question(
        name="base-models",
        topic="Models",
        title="Which runs took in a model, such as one to tune or to judge?",
        about=("Run",),
        columns={"run": "the run", "run_id": "its identifier", "model": "what it took in", "role": "as what"},
        sql="SELECT DISTINCT r.label AS run, r.run_id, e.label AS model, u.role FROM {execution} x JOIN {Run} r "
        "ON r.id = x.run "
        "JOIN {used} u ON u.activity = x.creation JOIN {LoggedModel} e ON e.id = u.entity ORDER BY ALL",
    ),
    Question(
        name="unregistered-models",
        topic="Models",
        title="Which logged models were never registered?",
        about=("LoggedModel",),
        columns={
            "model": "its name",
            "model_id": "its identifier",
            "run": "the run that made it",
            "run_id": "its identifier",
            "deleted": "whether it was deleted",
        },
        sql="SELECT e.name AS model, e.model_id, r.label AS run, r.run_id, e.id IN (SELECT id FROM {ended}) AS "
        "deleted FROM {LoggedModel: name, model_id} e "
        "JOIN {wasGeneratedBy} g ON g.entity = e.id LEFT JOIN {execution} x ON x.creation = g.activity "
        "LEFT JOIN {Run} r ON r.id = x.run WHERE e.id NOT IN (SELECT d.usedEntity FROM {wasDerivedFrom} d "
        "JOIN {RegisteredModelVersion} v ON v.id = d.generatedEntity) ORDER BY model, run, deleted, e.model_id",
    ),
    Question(
        name="live-models-with-commit",
        topic="Models",
        title="Which live models contain a (buggy) commit?",
        about=("RegisteredModelVersion", "Commit"),
        parameters=(Parameter(name="commit", kind="commit", doc="The commit.", example="6efe0a8"),),
        walks={
            "later": Walk(begin="SELECT $commit::INTEGER", kind="wasInformedBy", type="Commit", forward=False)
        },
        columns={
            "model": "the version",
            "aliases": "the aliases that point at it",
            "stage": "its stage",
            "commit": "the commit that its run's code was at: the one in question, or one after it",
        },
        sql="SELECT DISTINCT l.model, list_sort(l.aliases) AS aliases, nullif(l.stage, 'None') AS stage, "
        "c.sha[:7] AS commit "
        "FROM {live} l JOIN {version_run} x ON x.version = l.version JOIN {run_commit} rc ON rc.run = x.run "
        "JOIN {Commit: sha} c ON c.id = rc.commit JOIN {later} t ON t.id = c.id ORDER BY ALL",
    ),
)
