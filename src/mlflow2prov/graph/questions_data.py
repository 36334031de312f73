"""Questions about datasets."""

from __future__ import annotations

from mlflow2prov.graph.questions import Parameter, Question
from mlflow2prov.graph.questions_models import MODEL

_DATASET = Parameter(name="dataset", kind="dataset", doc="A dataset.", example="8a481adc")
_TRAINING = "u.role IN ('training', 'train')"

QUESTIONS = (
    Question(
        name="models-of-dataset",
        topic="Data",
        title="Which models used a dataset?",
        about=("Dataset",),
        parameters=(_DATASET,),
        columns={
            "model": "the version",
            "is_live": "whether it is live",
            "role": "what the dataset was for",
            "run": "the run that used it",
            "run_id": "its identifier",
        },
        sql="SELECT DISTINCT v.label AS model, v.id IN (SELECT version FROM {live}) AS is_live, d.role, r.label "
        "AS run, r.run_id "
        "FROM {run_data} d JOIN {made_of} m ON m.run = d.run JOIN {RegisteredModelVersion} v ON v.id = m.version "
        "JOIN {Run} r ON r.id = d.run WHERE d.dataset = $dataset ORDER BY is_live DESC, model, d.role, run",
    ),
    Question(
        name="runs-of-dataset",
        topic="Data",
        title="Which runs used a dataset, and for what?",
        about=("Dataset",),
        parameters=(_DATASET,),
        columns={
            "run": "the run",
            "run_id": "its identifier",
            "role": "what for",
            "status": "the status of the run",
            "start": "when it started",
        },
        varies=("start",),
        sql="SELECT r.label AS run, r.run_id, d.role, r.status, c.start_time AS start FROM {run_data} d "
        "JOIN {Run: status} r ON r.id = d.run JOIN {execution} x ON x.run = r.id JOIN {Creation} c ON c.id = "
        "x.creation "
        "WHERE d.dataset = $dataset ORDER BY c.start_time, run, d.role",
    ),
    Question(
        name="data-of-model",
        topic="Data",
        title="With which data was a model version made?",
        about=("RegisteredModelVersion",),
        parameters=(MODEL,),
        columns={
            "dataset": "the dataset",
            "digest": "its digest",
            "role": "what for",
            "source": "where it came from",
        },
        varies=("digest",),
        sql="SELECT DISTINCT e.name AS dataset, e.digest, d.role, "
        "coalesce(list_sort(e.source_uri)[1], list_sort(e.source_name)[1]) AS source FROM {made_of} m "
        "JOIN {run_data} d ON d.run = m.run JOIN {Dataset: name, digest, source_uri[], source_name[]} e ON e.id "
        "= d.dataset "
        "WHERE m.version = $model ORDER BY ALL",
    ),
    Question(
        name="data-versions-of-model",
        topic="Data",
        title="Which versions, in the repository, of its data was a model version made with?",
        about=("RegisteredModelVersion",),
        parameters=(MODEL,),
        columns={
            "dataset": "the dataset that the run took in",
            "role": "what for",
            "path": "where it stands in the repository",
            "changed_in": "the commit that last changed it",
            "content": "its digest by DVC or Git LFS; of a plain file the object name of its content",
            "stage": "the stage of DVC that made it, if one did",
            "matched_by": "what told that the dataset is this",
        },
        note="A folder stands for a file in it (matched_by `folder`).",
        sql="SELECT DISTINCT e.name AS dataset, d.role, coalesce(v.path, f.path) AS path, "
        "coalesce(v.commit, f.commit)[:7] AS changed_in, coalesce(v.md5, v.sha256, f.blob) AS content, s.stage, "
        "e.matched_by FROM {made_of} m JOIN {run_data} d ON d.run = m.run "
        "JOIN {Dataset: name, matched_by} e ON e.id = d.dataset JOIN {alternateOf} o ON o.alternate1 = e.id "
        "JOIN {used} u ON u.activity = m.creation AND u.entity = o.alternate2 AND u.role = 'InputData' "
        "LEFT JOIN {DataRevision: path, commit, md5, sha256} v ON v.id = o.alternate2 "
        "LEFT JOIN {FileRevision: path, commit, blob} f ON f.id = o.alternate2 "
        "LEFT JOIN (SELECT g.entity, r.name AS stage FROM {wasGeneratedBy} g JOIN {StageRun: name} r "
        "ON r.id = g.activity) s ON s.entity = v.id WHERE m.version = $model ORDER BY ALL",
    ),
    Question(
        name="evaluated-on-training-data",
        topic="Data",
        title="Was evaluation data also training data?",
        about=("Dataset",),
        columns={
            "dataset": "the dataset",
            "training_runs": "how many runs were trained with it",
            "evaluation_runs": "how many runs used it for something else",
            "roles": "for what else",
        },
        note="A dataset counts by its digest: other rows under another digest may still overlap. A role that a "
        "run did "
        "not name counts as evaluation.",
        sql="SELECT d.label AS dataset, "
        f"count(DISTINCT u.run) FILTER ({_TRAINING}) AS training_runs, "
        "count(DISTINCT u.run) FILTER (coalesce(u.role, '') NOT IN ('training', 'train')) AS evaluation_runs, "
        "list_sort(list(DISTINCT coalesce(u.role, 'not named')) FILTER (coalesce(u.role, '') NOT IN "
        "('training', 'train'))) "
        "AS roles FROM {run_data} u JOIN {Dataset} d ON d.id = u.dataset GROUP BY d.id, d.label "
        "HAVING training_runs > 0 AND evaluation_runs > 0 ORDER BY dataset",
    ),
    Question(
        name="versions-of-dataset",
        topic="Data",
        title="Which datasets changed: are there under one name with several digests?",
        about=("Dataset",),
        columns={"dataset": "the name", "digests": "the digests", "runs": "how many runs used one of them"},
        sql="SELECT d.name AS dataset, list_sort(list(DISTINCT d.digest)) AS digests, count(DISTINCT u.run) AS runs "
        "FROM {Dataset: name, digest} d LEFT JOIN {run_data} u ON u.dataset = d.id GROUP BY d.name "
        "HAVING count(DISTINCT d.digest) > 1 ORDER BY dataset",
    ),
    Question(
        name="models-without-data",
        topic="Data",
        title="Of which model versions is it not known what data they were trained with?",
        about=("RegisteredModelVersion",),
        columns={
            "model": "the version",
            "is_live": "whether it is live",
            "run": "the run that made it, where that is known",
        },
        sql="SELECT v.label AS model, v.id IN (SELECT version FROM {live}) AS is_live, "
        "first(r.label ORDER BY r.id) AS run FROM {RegisteredModelVersion} v LEFT JOIN {made_of} m ON m.version "
        "= v.id "
        "LEFT JOIN {Run} r ON r.id = m.run WHERE v.id NOT IN (SELECT m.version FROM {made_of} m "
        f"JOIN {{run_data}} u ON u.run = m.run WHERE {_TRAINING}) GROUP BY v.id, v.label ORDER BY is_live DESC, "
        f"model",
    ),
)
