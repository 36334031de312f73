"""Questions about commits, files and the people who wrote them."""

from __future__ import annotations

from mlflow2prov.graph.questions import Parameter, Question, Walk
from mlflow2prov.graph.questions_models import MODEL

_COMMIT = Parameter(name="commit", kind="commit", doc="The commit.", example="6efe0a8")
_FILE = Parameter(
    name="file", kind="file", doc="A file, by a path that it has or had.", example="src/train.py"
)
_PERSON = Parameter(name="person", kind="person", doc="A person.", example="ben@example.org")
_METRIC = Parameter(name="metric", kind="text", doc="The name of the metric.", example="best accuracy")
_LOWEST = Parameter(
    name="best",
    kind="text",
    doc="Which value is the best: highest or lowest.",
    choices=("highest", "lowest"),
    example="highest",
    default="highest",
)
_BEST = (
    "(SELECT k.run, k.value FROM {run_metric} k WHERE k.name = $metric AND NOT isnan(k.value) "
    "ORDER BY CASE WHEN $best = 'lowest' THEN k.value ELSE -k.value END, k.run LIMIT 1)"
)

QUESTIONS = (
    Question(
        name="file-version-of-model",
        topic="Code",
        title="Which exact file version made a model version?",
        about=("RegisteredModelVersion",),
        parameters=(MODEL,),
        columns={
            "path": "the file that the run executed",
            "changed_in": "the commit that last changed it",
            "blob": "the object name of its content",
            "run": "the run",
            "run_id": "its identifier",
            "commit": "the commit that the run's code was at",
        },
        sql="SELECT DISTINCT f.path, f.commit[:7] AS changed_in, f.blob, r.label AS run, r.run_id, c.sha[:7] AS "
        "commit "
        "FROM {made_of} m JOIN {run_script} s ON s.run = m.run "
        "JOIN {FileRevision: path, commit, blob} f ON f.id = s.revision JOIN {Run} r ON r.id = m.run "
        "LEFT JOIN {run_commit} rc ON rc.run = m.run LEFT JOIN {Commit: sha} c ON c.id = rc.commit "
        "WHERE m.version = $model ORDER BY ALL",
    ),
    Question(
        name="models-of-file",
        topic="Code",
        title="Which model versions did a file make, in whichever revision?",
        about=("File",),
        parameters=(_FILE,),
        columns={
            "model": "the version",
            "path": "the path at that time",
            "changed_in": "the commit of the revision",
        },
        sql="SELECT DISTINCT v.label AS model, f.path, f.commit[:7] AS changed_in FROM {specializationOf} o "
        "JOIN {FileRevision: path, commit} f ON f.id = o.specificEntity JOIN {run_script} s ON s.revision = f.id "
        "JOIN {made_of} m ON m.run = s.run JOIN {RegisteredModelVersion} v ON v.id = m.version "
        "WHERE o.generalEntity = $file ORDER BY ALL",
    ),
    Question(
        name="code-of-model",
        topic="Code",
        title="Which files ran to make a model version: its script, and what that imports?",
        about=("RegisteredModelVersion",),
        parameters=(MODEL,),
        columns={
            "role": "EntryPoint: what was executed; ImportedModule; ProjectFile: the MLproject that says what to execute",
            "path": "the file",
            "changed_in": "the commit that last changed it",
            "blob": "the object name of its content",
            "run": "the run",
            "work_tree": "clean; dirty, with changes on top of its commit; or unknown",
        },
        sql="SELECT DISTINCT s.role, f.path, f.commit[:7] AS changed_in, f.blob, r.label AS run, r.work_tree "
        "FROM {made_of} m JOIN {run_code} s ON s.run = m.run JOIN {FileRevision: path, commit, blob} f "
        "ON f.id = s.revision JOIN {Run: work_tree} r ON r.id = m.run "
        "WHERE m.version = $model ORDER BY ALL",
        note="What a script imports is known where the extraction had `--follow_imports`.",
    ),
    Question(
        name="runs-of-file",
        topic="Code",
        title="Which runs and model versions ran a file, executed or imported, in whichever revision?",
        about=("File",),
        parameters=(_FILE,),
        columns={
            "path": "the path at that time",
            "changed_in": "the commit of the revision",
            "role": "EntryPoint, ImportedModule or ProjectFile",
            "run": "the run",
            "run_id": "its identifier",
            "models": "the versions that it made",
        },
        sql="SELECT f.path, f.commit[:7] AS changed_in, s.role, r.label AS run, r.run_id, "
        "list(DISTINCT v.label ORDER BY v.label) FILTER (v.label IS NOT NULL) AS models "
        "FROM {specializationOf} o JOIN {FileRevision: path, commit} f ON f.id = o.specificEntity "
        "JOIN {run_code} s ON s.revision = f.id JOIN {Run} r ON r.id = s.run "
        "LEFT JOIN {made_of} m ON m.run = s.run LEFT JOIN {RegisteredModelVersion} v ON v.id = m.version "
        "WHERE o.generalEntity = $file GROUP BY ALL ORDER BY f.path, changed_in, s.role, run, models, r.run_id",
        note="What a script imports is known where the extraction had `--follow_imports`.",
    ),
    Question(
        name="work-trees",
        topic="Code",
        title="Was the work tree dirty: had it changes that were not committed?",
        about=("Run",),
        columns={
            "work_tree": "clean, dirty or unknown",
            "made_by": "the run, or a logged model that no run made",
            "commit": "the commit that the code was at",
            "models": "the versions that were made",
        },
        sql="SELECT coalesce(w.work_tree, 'unknown') AS work_tree, w.label AS made_by, c.sha[:7] AS commit, "
        "list(DISTINCT v.label ORDER BY v.label) FILTER (v.label IS NOT NULL) AS models "
        "FROM (SELECT r.id, r.label, x.creation, r.work_tree FROM {Run: work_tree} r JOIN {execution} x ON x.run = r.id "
        "UNION ALL SELECT l.id, l.label, g.activity, l.work_tree FROM {LoggedModel: work_tree} l "
        "JOIN {wasGeneratedBy} g ON g.entity = l.id WHERE g.activity NOT IN (SELECT creation FROM {execution})) w "
        "LEFT JOIN (SELECT i.informed, t.sha FROM {wasInformedBy} i JOIN {Commit: sha} t ON t.id = i.informant) c "
        "ON c.informed = w.creation LEFT JOIN {made_in} m ON m.creation = w.creation "
        "LEFT JOIN {RegisteredModelVersion} v ON v.id = m.version "
        "GROUP BY w.id, w.label, w.work_tree, c.sha ORDER BY ALL",
        note="MLflow records it where its Git model versioning is on, on a logged model.",
    ),
    Question(
        name="history-of-file",
        topic="Code",
        title="Who changed a file, when, and in which commits?",
        about=("File",),
        parameters=(_FILE,),
        columns={
            "authored": "when",
            "commit": "the commit",
            "status": "A added, M modified, R renamed, C copied, T type changed",
            "path": "the path after it",
            "author": "who",
            "title": "the title of the commit",
        },
        sql="SELECT DISTINCT c.start_time AS authored, c.sha[:7] AS commit, f.status, f.path, u.label AS "
        "author, c.title "
        "FROM {specializationOf} o JOIN {FileRevision: path, status} f ON f.id = o.specificEntity "
        "JOIN {wasGeneratedBy} g ON g.entity = f.id JOIN {Commit: sha, title} c ON c.id = g.activity "
        "LEFT JOIN {wasAttributedTo} a ON a.entity = f.id LEFT JOIN {User} u ON u.id = a.agent "
        "WHERE o.generalEntity = $file ORDER BY ALL",
    ),
    Question(
        name="runs-of-commit",
        topic="Code",
        title="Which runs executed exactly a commit?",
        about=("Commit", "Run"),
        parameters=(_COMMIT,),
        columns={
            "run": "the run",
            "run_id": "its identifier",
            "status": "its status",
            "path": "the file that it executed",
            "person": "who executed it",
        },
        sql="SELECT r.label AS run, r.run_id, r.status, f.path, u.label AS person FROM {run_commit} rc "
        "JOIN {Run: status} r ON r.id = rc.run LEFT JOIN {run_script} s ON s.run = rc.run "
        "LEFT JOIN {FileRevision: path} f ON f.id = s.revision LEFT JOIN {run_person} p ON p.run = rc.run "
        "LEFT JOIN {User} u ON u.id = p.person WHERE rc.commit = $commit ORDER BY ALL",
    ),
    Question(
        name="contributors-of-best-run",
        topic="Code",
        title="Who contributed most to the script of the best run?",
        about=("Run", "FileRevision"),
        parameters=(_METRIC, _LOWEST),
        walks={
            "history": Walk(
                begin=f"SELECT s.revision FROM {_BEST} b JOIN {{run_script}} s ON s.run = b.run",
                kind="wasDerivedFrom",
                type="FileRevision",
            )
        },
        columns={
            "person": "who",
            "revisions": "how many of the revisions that the script came from are theirs",
            "share": "their share in per cent",
            "latest": "the path at their latest one",
            "run": "the best run",
            "value": "its value of the metric",
        },
        varies=("value", "run"),
        sql="SELECT u.label AS person, count(DISTINCT h.id) AS revisions, "
        "round(100 * count(DISTINCT h.id) / (SELECT count(*) FROM {history}), 1) AS share, "
        "last(f.path ORDER BY c.start_time, f.path) AS latest, first(b.label) AS run, first(b.value) AS value "
        "FROM {history} h JOIN {FileRevision: path} f ON f.id = h.id JOIN {wasGeneratedBy} g ON g.entity = f.id "
        "JOIN {Commit} c ON c.id = g.activity JOIN {wasAttributedTo} a ON a.entity = f.id JOIN {User} u ON u.id "
        "= a.agent, "
        f"(SELECT r.label, b.value FROM {_BEST} b JOIN {{Run}} r ON r.id = b.run) b "
        "GROUP BY u.id, u.label ORDER BY revisions DESC, person",
    ),
    Question(
        name="commits-between-models",
        topic="Code",
        title="Which commits does one model version have that another has not?",
        about=("RegisteredModelVersion", "Commit"),
        parameters=(
            MODEL,
            Parameter(
                name="other",
                kind="model version",
                doc="The other version.",
                example="models:/wine-candidate/1",
            ),
        ),
        walks={
            "mine": Walk(
                begin="SELECT rc.commit FROM {made_of} m JOIN {run_commit} rc ON rc.run = m.run WHERE m.version "
                "= $model",
                kind="wasInformedBy",
                type="Commit",
            ),
            "others": Walk(
                begin="SELECT rc.commit FROM {made_of} m JOIN {run_commit} rc ON rc.run = m.run WHERE m.version "
                "= $other",
                kind="wasInformedBy",
                type="Commit",
            ),
        },
        columns={"committed": "when", "commit": "the commit", "title": "its title", "author": "who"},
        sql="SELECT c.end_time AS committed, c.sha[:7] AS commit, c.title, first(u.label ORDER BY u.id) AS author "
        "FROM {mine} m JOIN {Commit: sha, title} c ON c.id = m.id LEFT JOIN {wasAssociatedWith} a ON a.activity "
        "= c.id "
        "AND a.role = 'CommitAuthor' LEFT JOIN {User} u ON u.id = a.agent WHERE m.id NOT IN (SELECT id FROM "
        "{others}) "
        "GROUP BY c.id, c.end_time, c.sha, c.title ORDER BY c.end_time, c.sha",
    ),
    Question(
        name="changes-of-person",
        topic="Code",
        title="Which files did a person change, and how often?",
        about=("User", "FileRevision"),
        parameters=(_PERSON,),
        columns={
            "path": "the path",
            "revisions": "how many of its revisions are theirs",
            "last": "when the last one was made",
        },
        sql="SELECT f.path, count(DISTINCT f.id) AS revisions, max(g.time) AS last FROM {wasAttributedTo} a "
        "JOIN {FileRevision: path} f ON f.id = a.entity LEFT JOIN {wasGeneratedBy} g ON g.entity = f.id "
        "WHERE a.agent = $person GROUP BY f.path ORDER BY revisions DESC, f.path",
    ),
    Question(
        name="committed-by-another",
        topic="Code",
        title="Which commits did somebody else than their author commit?",
        about=("Commit",),
        columns={
            "commit": "the commit",
            "title": "its title",
            "author": "who wrote it",
            "committer": "who committed it",
        },
        sql="SELECT c.sha[:7] AS commit, c.title, w.label AS author, m.label AS committer FROM {Commit: sha, "
        "title} c "
        "JOIN {wasAssociatedWith} a ON a.activity = c.id AND a.role = 'CommitAuthor' "
        "JOIN {wasAssociatedWith} b ON b.activity = c.id AND b.role = 'Committer' AND b.agent <> a.agent "
        "JOIN {User} w ON w.id = a.agent JOIN {User} m ON m.id = b.agent ORDER BY c.end_time, c.sha",
    ),
    Question(
        name="commits-never-run",
        topic="Code",
        title="Which commits did no run execute?",
        about=("Commit",),
        columns={"committed": "when", "commit": "the commit", "title": "its title"},
        sql="SELECT c.end_time AS committed, c.sha[:7] AS commit, c.title FROM {Commit: sha, title} c "
        "WHERE c.id NOT IN (SELECT commit FROM {run_commit}) ORDER BY c.end_time, c.sha",
    ),
    Question(
        name="most-changed-scripts",
        topic="Code",
        title="Which scripts did runs execute, and in how many revisions?",
        about=("Run", "FileRevision"),
        columns={
            "path": "the path",
            "revisions": "how many of its revisions were executed",
            "runs": "by how many runs",
        },
        sql="SELECT f.path, count(DISTINCT f.id) AS revisions, count(DISTINCT s.run) AS runs FROM {run_script} s "
        "JOIN {FileRevision: path} f ON f.id = s.revision GROUP BY f.path ORDER BY runs DESC, f.path",
    ),
)
