"""Questions about runs, and about what was deleted."""

from __future__ import annotations

from mlflow2prov.graph.questions import Parameter, Question

_RUN = Parameter(name="run", kind="run", doc="A run.", example="grid of forests")

QUESTIONS = (
    Question(
        name="deletions",
        topic="Runs",
        title="What was deleted, when and by whom?",
        about=(),
        columns={
            "type": "of what type",
            "thing": "what",
            "time": "when, where that is known",
            "person": "by whom, where that is known",
            "inferred": "whether it was concluded rather than read",
        },
        varies=("time",),
        note="No MLflow store records who deleted; Git does. Params, metrics, tags and artifacts that went with "
        "their owner are left out.",
        sql="SELECT DISTINCT t.type, t.label AS thing, i.time, u.label AS person, coalesce(d.inferred = 'true', "
        "false) AS inferred "
        "FROM {wasInvalidatedBy} i JOIN {anything} t ON t.id = i.entity "
        "LEFT JOIN {Deletion: inferred} d ON d.id = i.activity "
        "LEFT JOIN {wasAssociatedWith} a ON a.activity = i.activity AND coalesce(a.role, '') NOT IN "
        "('Committer', 'CoAuthor') "
        "LEFT JOIN {anything} u ON u.id = a.agent WHERE t.type NOT IN ('Param', 'Metric', 'SystemMetric', "
        "'RunTag', 'Artifact', "
        "'ExperimentTag', 'RegisteredModelTag', 'RegisteredModelVersionTag', 'LoggedModelTag', 'FormerState') "
        "ORDER BY t.type, thing, i.time",
    ),
    Question(
        name="failures-before-success",
        topic="Runs",
        title="Which runs of the same script failed before this success?",
        about=("Run",),
        parameters=(
            Parameter(name="run", kind="run", doc="The run that succeeded.", example="runs:/{success}"),
        ),
        columns={
            "run": "the run that failed",
            "run_id": "its identifier",
            "status": "its status",
            "start": "when it started",
            "person": "who executed it",
            "commit": "the commit that its code was at",
        },
        varies=("start",),
        note="Runs of the same experiment that executed the same file, after the last success before this one.",
        sql="WITH same AS (SELECT r.id, r.label, r.run_id, r.status, c.start_time AS start FROM {run_experiment} e "
        "JOIN {run_experiment} o ON o.experiment = e.experiment JOIN {Run: status} r ON r.id = o.run "
        "JOIN {execution} x ON x.run = r.id JOIN {Creation} c ON c.id = x.creation LEFT JOIN {run_script} s ON "
        "s.run = r.id "
        "LEFT JOIN {specializationOf} f ON f.specificEntity = s.revision WHERE e.run = $run AND f.generalEntity "
        "IS NOT DISTINCT FROM "
        "(SELECT min(f.generalEntity) FROM {run_script} s JOIN {specializationOf} f ON f.specificEntity = s.revision "
        "WHERE s.run = $run)), this AS (SELECT max(start) AS start FROM same WHERE id = $run), "
        "before AS (SELECT max(same.start) AS start FROM same, this WHERE same.start < this.start AND status = "
        "'FINISHED') "
        "SELECT DISTINCT s.label AS run, s.run_id, s.status, s.start, u.label AS person, c.sha[:7] AS commit FROM same s "
        "LEFT JOIN {run_person} p ON p.run = s.id LEFT JOIN {User} u ON u.id = p.person "
        "LEFT JOIN {run_commit} rc ON rc.run = s.id LEFT JOIN {Commit: sha} c ON c.id = rc.commit, this, before "
        "WHERE s.status IN ('FAILED', 'KILLED') AND s.start < this.start AND s.start >= coalesce(before.start, "
        "s.start) "
        "ORDER BY s.start, run",
    ),
    Question(
        name="failed-runs",
        topic="Runs",
        title="Which runs failed or were killed?",
        about=("Run",),
        columns={
            "run": "the run",
            "run_id": "its identifier",
            "status": "how it ended",
            "person": "who executed it",
            "commit": "the commit of its code",
        },
        sql="SELECT r.label AS run, r.run_id, r.status, u.label AS person, c.sha[:7] AS commit FROM {Run: status} r "
        "LEFT JOIN {run_person} p ON p.run = r.id LEFT JOIN {User} u ON u.id = p.person "
        "LEFT JOIN {run_commit} rc ON rc.run = r.id LEFT JOIN {Commit: sha} c ON c.id = rc.commit "
        "WHERE r.status IN ('FAILED', 'KILLED') ORDER BY ALL",
    ),
    Question(
        name="best-runs",
        topic="Runs",
        title="Which runs have the best values of a metric?",
        about=("Run",),
        parameters=(
            Parameter(name="metric", kind="text", doc="The name of the metric.", example="best accuracy"),
            Parameter(
                name="best",
                kind="text",
                doc="Which value is the best: highest or lowest.",
                choices=("highest", "lowest"),
                example="highest",
                default="highest",
            ),
            Parameter(name="rows", kind="number", doc="How many.", example="10", default="10"),
        ),
        columns={
            "run": "the run",
            "run_id": "its identifier",
            "value": "its last value",
            "status": "its status",
            "commit": "the commit of its code",
        },
        varies=("value",),
        sql="SELECT r.label AS run, r.run_id, k.value, r.status, c.sha[:7] AS commit FROM (SELECT * FROM "
        "{run_metric} WHERE name = $metric "
        "AND NOT isnan(value) ORDER BY CASE WHEN $best = 'lowest' THEN value ELSE -value END, run LIMIT $rows) k "
        "JOIN {Run: status} r ON r.id = k.run LEFT JOIN {run_commit} rc ON rc.run = r.id "
        "LEFT JOIN {Commit: sha} c ON c.id = rc.commit ORDER BY CASE WHEN $best = 'lowest' THEN k.value ELSE "
        "-k.value END, run",
    ),
    Question(
        name="experiments",
        topic="Runs",
        title="How many runs has each experiment, and how many of them failed?",
        about=("Experiment",),
        columns={
            "experiment": "the experiment",
            "runs": "how many runs",
            "failed": "how many failed",
            "people": "how many people ran them",
        },
        sql="SELECT e.name AS experiment, count(DISTINCT r.id) AS runs, "
        "count(DISTINCT r.id) FILTER (r.status IN ('FAILED', 'KILLED')) AS failed, count(DISTINCT p.person) AS "
        "people "
        "FROM {Experiment: name} e LEFT JOIN {run_experiment} m ON m.experiment = e.id LEFT JOIN {Run: status} "
        "r ON r.id = m.run "
        "LEFT JOIN {run_person} p ON p.run = r.id GROUP BY e.id, e.name ORDER BY e.name, e.id",
    ),
    Question(
        name="runs-of-person",
        topic="Runs",
        title="Which runs did a person execute?",
        about=("Run", "User"),
        parameters=(Parameter(name="person", kind="person", doc="A person.", example="chloe"),),
        columns={
            "run": "the run",
            "run_id": "its identifier",
            "status": "its status",
            "start": "when it started",
        },
        varies=("start",),
        sql="SELECT r.label AS run, r.run_id, r.status, c.start_time AS start FROM {run_person} p JOIN {Run: "
        "status} r ON r.id = p.run "
        "JOIN {execution} x ON x.run = r.id JOIN {Creation} c ON c.id = x.creation WHERE p.person = $person "
        "ORDER BY c.start_time, run",
    ),
    Question(
        name="children-of-run",
        topic="Runs",
        title="Which runs are nested in a run, and how did they end?",
        about=("Run",),
        parameters=(_RUN,),
        columns={"run": "the nested run", "run_id": "its identifier", "status": "its status"},
        sql="SELECT r.label AS run, r.run_id, r.status FROM {wasStartedBy} s JOIN {execution} x ON x.creation = "
        "s.activity "
        "JOIN {Run: status} r ON r.id = x.run WHERE s.trigger = $run ORDER BY ALL",
    ),
    Question(
        name="runs-without-commit",
        topic="Runs",
        title="Of which runs is it not known what code they executed?",
        about=("Run",),
        columns={
            "run": "the run",
            "run_id": "its identifier",
            "names": "the commit that the run names, which is not in the document",
            "source": "what it executed, as MLflow recorded it",
        },
        sql="SELECT r.label AS run, r.run_id, r.source_git_commit AS names, r.source_name AS source "
        "FROM {Run: source_git_commit, source_name} r WHERE r.id NOT IN (SELECT run FROM {run_commit}) ORDER BY ALL",
    ),
    Question(
        name="same-code-same-params",
        topic="Runs",
        title="Which runs were repeated: same commit, same script, same parameters?",
        about=("Run",),
        columns={"runs": "the runs", "commit": "the commit", "count": "how many they are"},
        sql="WITH told AS (SELECT h.collection AS run, list_sort(list(DISTINCT concat(k.name, '=', k.value))) "
        "AS params "
        "FROM {hadMember} h JOIN {Param: name, value} k ON k.id = h.entity GROUP BY h.collection) "
        "SELECT list_sort(list(r.label)) AS runs, c.sha[:7] AS commit, count(*) AS count FROM {run_commit} rc "
        "JOIN {Run} r ON r.id = rc.run JOIN {Commit: sha} c ON c.id = rc.commit LEFT JOIN {run_script} s ON "
        "s.run = rc.run "
        "LEFT JOIN told t ON t.run = rc.run GROUP BY c.id, c.sha, s.revision, t.params HAVING count(*) > 1 "
        "ORDER BY ALL",
    ),
)
