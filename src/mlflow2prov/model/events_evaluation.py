"""Evaluation datasets: questions and what should be answered, which people gather and change."""

from __future__ import annotations

from mlflow2prov.model.declare import (
    Element,
    Event,
    alternate,
    associated,
    attributed,
    generated,
    instant_ms,
    integer,
    member,
    text,
)
from mlflow2prov.model.elements import creation, tag_element

EVALUATION_DATASETS = Event(
    name="evaluation_datasets",
    doc="Evaluation dataset addition; its digest and records are those of now.",
    rows="""
        SELECT d.*, moment_ms(d.created_ms) AS created, p.person_ref AS user_ref
        FROM mlflow_evaluation_dataset d
        LEFT JOIN people p ON p.person_key = person(NULL, d.created_by, NULL)
        ORDER BY d.dataset_id
    """,
    elements={
        "evaluation_dataset_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("EvaluationDataset", "dataset_id"),
            types=("m2p:EvaluationDataset", "prov:Collection"),
            label="coalesce(name, dataset_id)",
            attributes={
                "dataset_id": text("dataset_id", always=True),
                "name": text("name"),
                "digest": text("digest"),
                "schema": text("schema"),
                "profile": text("profile"),
                "record_count": integer("records"),
                "created_at": instant_ms("created_ms"),
                "last_updated_at": instant_ms("last_updated_ms"),
                "last_updated_by": text("last_updated_by"),
            },
        ),
        "creation_ref": creation(
            "evaluation_dataset", "dataset_id", "dataset_id", start="created", end="created"
        ),
    },
    relations=(
        generated("evaluation_dataset_ref", "creation_ref", "AddedEvaluationDataset", "created"),
        attributed("evaluation_dataset_ref", "user_ref"),
        associated("creation_ref", "user_ref", "EvaluationDatasetAuthor"),
    ),
)

EVALUATION_DATASET_TAGS = Event(
    name="evaluation_dataset_tags",
    doc="The tags of an evaluation dataset.",
    rows="""
        SELECT t.*, d.evaluation_dataset_ref, d.creation_ref, d.user_ref
        FROM mlflow_evaluation_dataset_tag t JOIN evaluation_datasets d ON d.dataset_id = t.dataset_id
        ORDER BY d.evaluation_dataset_ref, t.key
    """,
    elements={"tag_ref": tag_element("EvaluationDatasetTag", "dataset_id")},
    relations=(
        generated("tag_ref", "creation_ref", "AddedEvaluationDataset"),
        member("evaluation_dataset_ref", "tag_ref"),
        attributed("tag_ref", "user_ref"),
    ),
)

EVALUATION_DATASET_MEMBERS = Event(
    name="evaluation_dataset_members",
    doc="An experiment has the evaluation datasets that belong to it.",
    rows="""
        SELECT DISTINCT e.experiment_ref, d.evaluation_dataset_ref
        FROM mlflow_evaluation_dataset_link k
        JOIN evaluation_datasets d ON d.dataset_id = k.dataset_id
        JOIN experiments e ON e.experiment_id = k.experiment_id
        ORDER BY ALL
    """,
    relations=(member("experiment_ref", "evaluation_dataset_ref"),),
)

EVALUATED_DATASETS = Event(
    name="evaluated_datasets",
    doc="A dataset that a run took from an evaluation dataset is an alternate of it.",
    rows="""
        SELECT DISTINCT d.dataset_ref, e.evaluation_dataset_ref
        FROM (SELECT dataset_ref, unnest(source) AS source FROM datasets) d
        JOIN evaluation_datasets e ON e.dataset_id
            = json_extract_string(CASE WHEN json_valid(d.source) THEN d.source END, '$.dataset_id')
        ORDER BY ALL
    """,
    relations=(alternate("dataset_ref", "evaluation_dataset_ref"),),
)

EVALUATION_EVENTS = (
    EVALUATION_DATASETS,
    EVALUATION_DATASET_TAGS,
    EVALUATION_DATASET_MEMBERS,
    EVALUATED_DATASETS,
)
"""In an order in which each reads only rows of those before it."""
