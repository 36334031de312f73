"""Traces: counted with what they belong to (`events_mlflow`, `events_models`), or told one by one here."""

from __future__ import annotations

from mlflow2prov.model.declare import (
    Element,
    Event,
    Relation,
    associated,
    attributed,
    derived,
    flag,
    generated,
    informed,
    instant_ms,
    integer,
    text,
    used,
)
from mlflow2prov.model.elements import creation
from mlflow2prov.prov.credentials import redaction_sql

TRACE_COUNTS = Event(
    name="trace_counts",
    doc="How many traces something has.",
    rows="SELECT owner, owner_id, sum(traces)::BIGINT AS traces FROM mlflow_trace_count GROUP BY ALL",
)

TRACE_FACTS = Event(
    name="trace_facts",
    doc="What MLflow keeps of a trace besides: who and what it belongs to, and how large it is.",
    rows="""
        WITH kept AS (
            SELECT trace_id,
                   max(present(value)) FILTER (key = 'mlflow.sourceRun') AS run_id,
                   max(present(value)) FILTER (key = 'mlflow.modelId') AS model_id,
                   max(present(trim(value))) FILTER (key = 'mlflow.user') AS username,
                   max(present(value)) FILTER (key = 'mlflow.trace.user') AS request_user,
                   max(present(value)) FILTER (key = 'mlflow.trace.session') AS session,
                   max(TRY_CAST(value AS BIGINT)) FILTER (key = 'mlflow.trace.sizeBytes') AS trace_size
            FROM mlflow_trace_metadata GROUP BY trace_id
        ), tagged AS (
            SELECT trace_id, max(present(value)) FILTER (key = 'mlflow.traceName') AS tagged_name,
                   list(concat(key, ' = ', value) ORDER BY key) FILTER (NOT starts_with(key, 'mlflow.')) AS tags
            FROM mlflow_trace_tag GROUP BY trace_id
        ), roots AS (
            SELECT trace_id, min(inputs_bytes) AS inputs_bytes, min(outputs_bytes) AS outputs_bytes,
                   min(strlen(json_extract_string(document, '$.attributes."mlflow.spanInputs"'))) AS inputs_size,
                   min(strlen(json_extract_string(document, '$.attributes."mlflow.spanOutputs"'))) AS outputs_size
            FROM (SELECT *, CASE WHEN json_valid(content) THEN content END AS document FROM mlflow_span)
            WHERE parent_id IS NULL GROUP BY trace_id HAVING count(*) = 1
        )
        SELECT t.trace_id, k.* EXCLUDE (trace_id), g.tagged_name, g.tags,
               coalesce(o.inputs_bytes, o.inputs_size) AS request_size,
               coalesce(o.outputs_bytes, o.outputs_size) AS response_size
        FROM mlflow_trace t
        LEFT JOIN kept k ON k.trace_id = t.trace_id
        LEFT JOIN tagged g ON g.trace_id = t.trace_id
        LEFT JOIN roots o ON o.trace_id = t.trace_id
    """,
)

TRACES = Event(
    name="traces",
    doc="A trace: one use of an application or of a model, for the run that it belongs to.",
    rows="""
        SELECT t.*, f.* EXCLUDE (trace_id), coalesce(t.name, f.tagged_name) AS shown_name,
               coalesce(t.session_id, f.session) AS shown_session, moment_ms(t.started_ms) AS started,
               CASE WHEN t.started_ms <> 0 AND t.status IS DISTINCT FROM 'IN_PROGRESS'
                    THEN moment_ms(t.started_ms + t.duration_ms) END AS ended,
               r.creation_ref AS run_creation_ref, l.logged_model_ref, p.person_ref AS user_ref
        FROM mlflow_trace t
        JOIN trace_facts f ON f.trace_id = t.trace_id
        LEFT JOIN runs r ON r.run_id = f.run_id
        LEFT JOIN logged_models l ON l.model_id = f.model_id
        LEFT JOIN people p ON p.person_key = person(NULL, f.username, NULL)
        ORDER BY t.trace_id
    """,
    elements={
        "trace_ref": Element(
            kind="activity",
            prefix="mlflow",
            name=("Trace", "trace_id"),
            types=("m2p:Trace",),
            label="concat('trace ', coalesce(shown_name, left(trace_id, 11)))",
            start="started",
            end="ended",
            attributes={
                "trace_id": text("trace_id", always=True),
                "experiment_id": text("experiment_id"),
                "name": text("shown_name"),
                "status": text("status"),
                "session": text("shown_session"),
                "request_user": text("request_user"),
                "trace_size": integer("trace_size"),
                "request_size": integer("request_size"),
                "response_size": integer("response_size"),
                "tag": text("tags", many=True),
            },
        )
    },
    relations=(
        informed("trace_ref", "run_creation_ref"),
        used("trace_ref", "logged_model_ref", "TracedModel"),
        associated("trace_ref", "user_ref", "TraceAuthor"),
    ),
)

TRACED_PROMPTS = Event(
    name="traced_prompts",
    doc="A trace used the versions of prompts that its tags name.",
    rows="""
        WITH items AS (
            SELECT trace_id, unnest(CASE WHEN json_valid(value) THEN json_extract(value, '$[*]') END) AS item
            FROM mlflow_trace_tag WHERE key = 'mlflow.linkedPrompts'
        ), named AS (
            SELECT DISTINCT trace_id, json_extract_string(item, '$.name') AS name,
                   TRY_CAST(json_extract_string(item, '$.version') AS BIGINT) AS version
            FROM items
        ), prompts AS (
            SELECT name, version, min(version_ref) AS version_ref
            FROM model_versions WHERE is_prompt GROUP BY ALL HAVING count(*) = 1
        )
        SELECT t.trace_ref, n.name, n.version, p.version_ref
        FROM named n JOIN traces t ON t.trace_id = n.trace_id
        LEFT JOIN prompts p ON p.name = n.name AND p.version = n.version
        ORDER BY t.trace_ref, n.name, n.version
    """,
    relations=(used("trace_ref", "version_ref", "Prompt"),),
)

SPANS = Event(
    name="spans",
    doc="A span: a step of a trace.",
    rows="""
        SELECT s.* EXCLUDE (content), t.trace_ref, moment_ms(s.started_ns // 1000000) AS started,
               moment_ms(s.ended_ns // 1000000) AS ended
        FROM mlflow_span s JOIN traces t ON t.trace_id = s.trace_id
        ORDER BY t.trace_ref, s.span_id
    """,
    elements={
        "span_ref": Element(
            kind="activity",
            prefix="mlflow",
            name=("Span", "trace_id", "span_id"),
            types=("m2p:Span",),
            label="concat('span ', coalesce(name, span_id))",
            start="started",
            end="ended",
            attributes={
                "span_id": text("span_id", always=True),
                "name": text("name"),
                "span_type": text("type"),
                "status": text("status"),
            },
        )
    },
)

SPAN_STARTS = Event(
    name="span_starts",
    doc="A span was started by the span around it, the outermost one by the trace.",
    rows="""
        SELECT s.span_ref, coalesce(p.span_ref, s.trace_ref) AS starter_ref, s.started
        FROM spans s
        LEFT JOIN spans p ON p.trace_id = s.trace_id AND p.span_id = s.parent_id AND p.span_id <> s.span_id
        ORDER BY s.span_ref
    """,
    relations=(Relation(kind="wasStartedBy", arguments=("span_ref", None, "starter_ref"), time="started"),),
)

ASSESSORS = Event(
    name="assessors",
    doc="A program or a language model that assessed something.",
    rows="""
        SELECT DISTINCT source_type, source_id FROM assessment_facts
        WHERE source_type IN ('LLM_JUDGE', 'CODE') AND source_id IS NOT NULL ORDER BY ALL
    """,
    elements={
        "assessor_ref": Element(
            kind="agent",
            prefix="mlflow",
            name=("Assessor", "source_type", "source_id"),
            types=("m2p:Assessor", "prov:SoftwareAgent"),
            label="source_id",
            attributes={
                "name": text("source_id", always=True),
                "source_type": text("source_type", always=True),
            },
        )
    },
)

ASSESSMENT_FACTS = Event(
    name="assessment_facts",
    doc="Assessments, with the sorts of sources as MLflow names them now, and without made-up sources.",
    rows=f"""
        SELECT * REPLACE (CASE source_type WHEN 'AI_JUDGE' THEN 'LLM_JUDGE' ELSE source_type END AS source_type,
                          nullif(trim(source_id), 'default') AS source_id),
               CASE WHEN json_valid(value) THEN CASE json_type(value)
                    WHEN 'VARCHAR' THEN {redaction_sql("json_extract_string(value, '$')")}
                    WHEN 'NULL' THEN NULL ELSE regexp_replace(value, '^(-?[0-9]+)\\.0$', '\\1') END
                    ELSE value END AS shown_value,
               CASE WHEN json_valid(error) THEN json_extract_string(error, '$.error_code') END AS error_code
        FROM mlflow_assessment
    """,
)

ASSESSMENTS = Event(
    name="assessments",
    doc="An assessment was made of a trace or of a span, by a person, a language model or a program.",
    rows="""
        SELECT a.*, t.trace_ref, coalesce(s.span_ref, t.trace_ref) AS assessed_ref, r.creation_ref AS run_creation_ref,
               coalesce(p.person_ref, w.assessor_ref) AS agent_ref, moment_ms(a.created_ms) AS created
        FROM assessment_facts a
        JOIN traces t ON t.trace_id = a.trace_id
        LEFT JOIN spans s ON s.trace_id = a.trace_id AND s.span_id = a.span_id
        LEFT JOIN runs r ON r.run_id = a.run_id
        LEFT JOIN people p ON a.source_type = 'HUMAN' AND p.person_key = person(NULL, a.source_id, NULL)
        LEFT JOIN assessors w ON w.source_type = a.source_type AND w.source_id = a.source_id
        ORDER BY a.assessment_id
    """,
    elements={
        "assessment_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("Assessment", "assessment_id"),
            types=("m2p:Assessment",),
            label="concat_ws(' = ', name, left(shown_value, 80))",
            attributes={
                "name": text("name"),
                "value": text("shown_value"),
                "assessment_type": text("type"),
                "source_type": text("source_type"),
                "rationale": text("rationale"),
                "error_code": text("error_code"),
                "is_valid": flag("is_valid"),
                "created_at": instant_ms("created_ms"),
                "last_updated_at": instant_ms("last_updated_ms"),
            },
        ),
        "creation_ref": creation(
            "assessment", "assessment_id", "assessment_id", start="created", end="created"
        ),
    },
    relations=(
        generated("assessment_ref", "creation_ref", "AddedAssessment", "created"),
        attributed("assessment_ref", "agent_ref"),
        associated("creation_ref", "agent_ref", "AssessmentAuthor"),
        informed("creation_ref", "assessed_ref"),
        informed("creation_ref", "run_creation_ref"),
    ),
)

OVERRIDES = Event(
    name="overrides",
    doc="An assessment was derived from the one that it overrides, which is not younger.",
    rows="""
        SELECT n.assessment_ref, n.creation_ref, o.assessment_ref AS overridden_ref
        FROM assessments n JOIN assessments o ON o.assessment_id = n.overrides
        WHERE o.created_ms < n.created_ms OR (o.created_ms IS NOT DISTINCT FROM n.created_ms AND o.overrides IS NULL)
        ORDER BY ALL
    """,
    relations=(derived("assessment_ref", "overridden_ref", "creation_ref", ("prov:Revision",)),),
)

TRACE_FACTS_OF_PEOPLE = (TRACE_COUNTS, TRACE_FACTS)
"""Expanded before the people of all sources, and before what traces belong to."""

TRACE_EVENTS = (
    TRACES,
    TRACED_PROMPTS,
    SPANS,
    SPAN_STARTS,
    ASSESSMENT_FACTS,
    ASSESSORS,
    ASSESSMENTS,
    OVERRIDES,
)
"""In an order in which each reads only rows of those before it."""
