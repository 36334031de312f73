"""What a store has forgotten: facts that only two extractions with one cache can tell (``mlflow_change``).

Nobody knows when such a thing happened, only that it was after an extraction that still saw the old state
and before one that saw the new: ``not_before`` and ``not_after``, which are no instants of PROV's own.
"""

from __future__ import annotations

from mlflow2prov.model.declare import Element, Event, derived, invalidated, specialization, text
from mlflow2prov.model.elements import window

WINDOWS = Event(
    name="windows",
    doc="Between which extractions something was deleted, and which was the first that missed it.",
    rows="""
        SELECT kind, owner_id, workspace, name, version,
               coalesce(arg_max(not_before_ms, not_after_ms) FILTER (change = 'deleted'),
                        arg_max(not_before_ms, not_after_ms) FILTER (change = 'forgotten')) AS not_before_ms,
               coalesce(max(not_after_ms) FILTER (change = 'deleted'),
                        max(not_after_ms) FILTER (change = 'forgotten')) AS not_after_ms,
               max(not_after_ms) FILTER (change = 'forgotten') AS forgotten_ms
        FROM mlflow_change WHERE change IN ('deleted', 'forgotten') GROUP BY ALL
    """,
)

_OWNED = """
    SELECT c.*, NULL::BIGINT AS forgotten_ms,
           coalesce(r.run_ref, e.experiment_ref, l.logged_model_ref, m.model_ref, v.version_ref) AS owner_ref,
           coalesce(c.owner_id, concat_ws('/', c.name, c.version)) AS uid,
           coalesce(part(c.owner_id), concat_ws('--', coalesce(m.model_part, v.model_part), c.version)) AS owner_part
    FROM mlflow_change c
    LEFT JOIN runs r ON c.kind = 'run' AND r.run_id = c.owner_id
    LEFT JOIN experiments e ON c.kind = 'experiment' AND e.experiment_id = c.owner_id
    LEFT JOIN logged_models l ON c.kind = 'logged_model' AND l.model_id = c.owner_id
    LEFT JOIN registered_models m ON c.kind = 'registered_model' AND m.workspace = c.workspace AND m.name = c.name
    LEFT JOIN model_versions v ON c.kind = 'version' AND v.workspace = c.workspace AND v.name = c.name
        AND v.version = c.version
"""

_RESOURCE = "CASE kind WHEN 'version' THEN 'registered_model_version' ELSE kind END"


def _change(*parts: str) -> Element:
    """The Change activity that ended a former state."""
    return Element(
        kind="activity",
        prefix="mlflow",
        name=("Change", *parts),
        types=("m2p:Change",),
        label=f"concat('change of ', replace({_RESOURCE}, '_', ' '), ' ', uid)",
        attributes={
            "uid": text("uid", always=True),
            "resource_type": text(_RESOURCE, always=True),
            "field": text("field", always=True),
            "new_value": text("new"),
            **{name: attribute for name, attribute in window("true").items() if name != "forgotten_by"},
        },
    )


_STATE = (_RESOURCE, "=owner_part", "field", "coalesce(key, '')", "=number_part(not_after_ms)")

FORMER_STATES = Event(
    name="former_states",
    doc="What something was like until its name, its stage, a tag or a description of it was replaced.",
    rows=f"""
        SELECT * FROM ({_OWNED}) WHERE change = 'replaced' AND field <> 'alias' AND owner_ref IS NOT NULL
        ORDER BY kind, owner_part, field, key, not_after_ms
    """,
    elements={
        "former_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("FormerState", *_STATE),
            types=("m2p:FormerState",),
            label="concat(coalesce(key, field), ' was ', left(old, 80))",
            attributes={
                "field": text("field", always=True),
                "name": text("key"),
                "value": text("old"),
            },
        ),
        "change_ref": _change(*_STATE),
    },
    relations=(
        specialization("former_ref", "owner_ref"),
        invalidated("former_ref", "change_ref", "ChangedState"),
    ),
)

FORMER_ALIASES = Event(
    name="former_aliases",
    doc="An alias as it pointed at a version until it was moved or removed.",
    rows=f"""
        SELECT c.*, v.version_ref, v.model_part,
               row_number() OVER (PARTITION BY c.workspace, c.name, c.key ORDER BY c.not_after_ms) AS nth
        FROM ({_OWNED}) c
        JOIN model_versions v ON v.workspace = c.workspace AND v.name = c.name AND v.version = c.version
        WHERE c.change = 'replaced' AND c.field = 'alias'
        ORDER BY v.version_ref, c.key, c.not_after_ms
    """,
    elements={
        "former_alias_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=(
                "RegisteredModelAlias",
                "=model_part",
                "key",
                "=version",
                "=number_part(not_after_ms)",
            ),
            types=("m2p:RegisteredModelAlias",),
            label="concat(name, '@', key)",
            attributes={"name": text("key", always=True)},
        ),
        "change_ref": _change(
            "'registered_model_alias'", "=model_part", "key", "=version", "=number_part(not_after_ms)"
        ),
    },
    relations=(
        derived("former_alias_ref", "version_ref"),
        invalidated("former_alias_ref", "change_ref", "ChangedAlias"),
    ),
)

ALIAS_REVISIONS = Event(
    name="alias_revisions",
    doc="An alias was derived from itself as it pointed at another version before.",
    rows="""
        SELECT coalesce(n.former_alias_ref, a.alias_ref) AS alias_ref, f.former_alias_ref, f.change_ref
        FROM former_aliases f
        LEFT JOIN former_aliases n ON n.workspace = f.workspace AND n.name = f.name AND n.key = f.key
            AND n.nth = f.nth + 1
        LEFT JOIN aliases a ON n.key IS NULL AND a.workspace = f.workspace AND a.name = f.name AND a.alias = f.key
        WHERE f.new = coalesce(n.version, a.version)::VARCHAR
        ORDER BY ALL
    """,
    relations=(derived("alias_ref", "former_alias_ref", "change_ref", ("prov:Revision",)),),
)


def _forgotten(kind: str, ref: str, uid: str, part: str, rows: str, role: str) -> Event:
    """Something that stores delete without a trace; a cache alone knows that it was there."""
    return Event(
        name=f"forgotten_{kind}s",
        doc=f"A deleted {kind.replace('_', ' ')}, which only a cache knows.",
        rows=rows,
        elements={
            "deletion_ref": Element(
                kind="activity",
                prefix="mlflow",
                name=("Deletion", f"'{kind}'", part),
                types=("m2p:Deletion",),
                label=f"concat('deletion of {kind.replace('_', ' ')} ', {uid})",
                attributes={
                    "uid": text(uid, always=True),
                    "resource_type": text(f"'{kind}'", always=True),
                    **window("true"),
                },
            )
        },
        relations=(invalidated(ref, "deletion_ref", role),),
    )


FORGOTTEN_MODELS = _forgotten(
    "registered_model",
    "model_ref",
    "name",
    "=model_part",
    """
        SELECT m.name, m.model_part, m.model_ref, g.* EXCLUDE (n, kind, owner_id, workspace, name, version)
        FROM registered_models m
        JOIN windows g ON g.kind = 'registered_model' AND g.workspace = m.workspace AND g.name = m.name
        WHERE g.forgotten_ms IS NOT NULL ORDER BY m.model_ref
    """,
    "DeletedRegisteredModel",
)

FORGOTTEN_EVALUATION_DATASETS = _forgotten(
    "evaluation_dataset",
    "evaluation_dataset_ref",
    "dataset_id",
    "dataset_id",
    """
        SELECT d.dataset_id, d.evaluation_dataset_ref, g.* EXCLUDE (n, kind, owner_id, workspace, name, version)
        FROM evaluation_datasets d
        JOIN windows g ON g.kind = 'evaluation_dataset' AND g.owner_id = d.dataset_id
        WHERE g.forgotten_ms IS NOT NULL ORDER BY d.evaluation_dataset_ref
    """,
    "DeletedEvaluationDataset",
)

LEDGER_FACTS = (WINDOWS,)
"""Expanded before what was deleted."""

LEDGER_EVENTS = (
    FORMER_STATES,
    FORMER_ALIASES,
    ALIAS_REVISIONS,
    FORGOTTEN_MODELS,
    FORGOTTEN_EVALUATION_DATASETS,
)
"""In an order in which each reads only rows of those before it, and of all things of a store."""
