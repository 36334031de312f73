"""What a document says of its own making (``provenance-model``, what always holds, 6)."""

from __future__ import annotations

from mlflow2prov.model.declare import REPOSITORY, Element, Event, associated, text, used

SOFTWARE = Event(
    name="software",
    doc="The program that made the document.",
    rows="SELECT version, settings FROM extraction_settings",
    elements={
        "software_ref": Element(
            kind="agent",
            prefix="agent",
            name=("SoftwareAgent", "'mlflow2prov'", "version"),
            types=("m2p:SoftwareAgent", "prov:SoftwareAgent"),
            label="concat('mlflow2prov ', version)",
            attributes={"name": text("'mlflow2prov'", always=True), "version": text("version", always=True)},
        )
    },
)

REPOSITORIES = Event(
    name="repositories",
    doc="The repository, in the state in which it was read.",
    rows="""
        WITH known AS (
            SELECT x.prefix, r.path, r.remote, r.other_remotes, r.heads,
                   array_to_string([s.settings] || r.settings, '; ') AS settings
            FROM git_repository r JOIN repository_prefixes x ON x.repository = r.repository,
                 extraction_settings s
        )
        SELECT DISTINCT ON (prefix, state) *,
               sha256(concat_ws(chr(10), remote, nullif(array_to_string(other_remotes, chr(10)), ''), settings,
                   array_to_string(heads, chr(10)))) AS state
        FROM known ORDER BY state, prefix, path
    """,
    elements={
        "repository_ref": Element(
            kind="entity",
            prefix=REPOSITORY,
            name=("Repository", "state[1:16]"),
            types=("m2p:Repository",),
            label="concat('repository ', regexp_extract(coalesce(remote, path), '[^/]*$'))",
            attributes={
                "remote": text("remote"),
                "other_remotes": text("other_remotes", many=True),
                "heads": text("heads", many=True),
                "settings": text("settings"),
            },
        )
    },
)

DIGESTS: dict[str, str] = {
    "mlflow_param": "count(*), bit_xor(md5_number_lower(concat_ws(chr(9), run_id, key, value)))",
    "mlflow_tag": "count(*), bit_xor(md5_number_lower(concat_ws(chr(9), run_id, key, value)))",
    "mlflow_metric": "count(*), sum(step), sum(timestamp_ms)",
}
"""What the rows of the largest tables come to: numbers that can be brought up to date when some rows change."""


def digest_sql(table: str) -> str:
    """SQL of one of these digests, as a part of the store's state."""
    return f"(SELECT concat_ws(' ', {DIGESTS[table]}) FROM {table})"


STORES = Event(
    name="stores",
    doc="The MLflow store, in the state in which it was read.",
    rows=f"""
        WITH state AS (
            SELECT sha256(concat(
                (SELECT string_agg(concat_ws(' ', run_id, lifecycle_stage, status, end_ms), chr(10) ORDER BY run_id)
                 FROM mlflow_run),
                (SELECT string_agg(concat_ws(' ', name, version, stage, run_id), chr(10)
                        ORDER BY workspace, name, version)
                 FROM mlflow_model_version WHERE NOT is_deleted),
                (SELECT string_agg(concat_ws(' ', name, alias, version), chr(10) ORDER BY workspace, name, alias)
                 FROM mlflow_registered_model_alias),
                (SELECT concat_ws(' ', count(*), bit_xor(md5_number_lower(concat_ws(chr(9), experiment_id, name,
                        lifecycle_stage, last_updated_ms)))) FROM mlflow_experiment),
                {digest_sql("mlflow_param")},
                {digest_sql("mlflow_tag")},
                {digest_sql("mlflow_metric")},
                (SELECT concat_ws(' ', count(*), bit_xor(md5_number_lower(concat_ws(chr(9), run_id, name, digest,
                        context)))) FROM mlflow_dataset_input),
                (SELECT concat_ws(' ', count(*), bit_xor(md5_number_lower(concat_ws(chr(9), model_id,
                        lifecycle_stage, last_updated_ms)))) FROM mlflow_logged_model),
                (SELECT concat_ws(' ', count(*), bit_xor(md5_number_lower(concat_ws(chr(9), owner_id, path,
                        size_bytes, digest)))) FROM mlflow_artifact),
                (SELECT concat_ws(' ', count(*), bit_xor(md5_number_lower(concat_ws(chr(9), t.owner, t.owner_id, t.traces))))
                 FROM mlflow_trace_count t),
                (SELECT concat_ws(' ', count(*), bit_xor(md5_number_lower(concat_ws(chr(9), trace_id, status,
                        duration_ms)))) FROM mlflow_trace),
                (SELECT concat_ws(' ', count(*), bit_xor(md5_number_lower(concat_ws(chr(9), assessment_id,
                        is_valid, last_updated_ms)))) FROM mlflow_assessment),
                (SELECT concat_ws(' ', count(*), bit_xor(md5_number_lower(concat_ws(chr(9), dataset_id, digest,
                        last_updated_ms)))) FROM mlflow_evaluation_dataset)
            )) AS content
        )
        SELECT m.*, nullif(regexp_extract(s.settings, '(?s)only: .*$'), '') AS selection,
               sha256(concat_ws(chr(10), m.uri, m.mlflow_version, m.schema_version, s.settings, state.content)) AS state
        FROM mlflow_store m, state, extraction_settings s ORDER BY state
    """,
    elements={
        "store_ref": Element(
            kind="entity",
            prefix="mlflow",
            name=("TrackingStore", "state[1:16]"),
            types=("m2p:TrackingStore",),
            label="concat('MLflow store ', uri)",
            attributes={
                "uri": text("uri"),
                "mlflow_version": text("mlflow_version"),
                "schema_version": text("schema_version"),
                "settings": text("selection"),
            },
        )
    },
)

READ = Event(
    name="read",
    doc="The states that were read.",
    rows="""
        SELECT state, repository_ref AS state_ref FROM repositories
        UNION ALL SELECT state, store_ref FROM stores
    """,
)

EXTRACTION = Event(
    name="extraction",
    doc="The extraction, named by the states that it read, without the clock.",
    rows="""
        SELECT sha256(concat(version, (SELECT string_agg(state, ' ' ORDER BY state_ref) FROM read))) AS state,
               software_ref
        FROM software
    """,
    elements={
        "extraction_ref": Element(
            kind="activity",
            prefix="extraction",
            name=("Extraction", "state[1:16]"),
            types=("m2p:Extraction",),
            label="'extraction by mlflow2prov'",
        )
    },
    relations=(associated("extraction_ref", "software_ref", "Extractor"),),
)

EXTRACTION_SOURCES = Event(
    name="extraction_sources",
    doc="The extraction used the repository and the store.",
    rows="SELECT e.extraction_ref, r.state_ref FROM read r, extraction e ORDER BY ALL",
    relations=(used("extraction_ref", "state_ref"),),
)

EXTRACTION_EVENTS = (SOFTWARE, REPOSITORIES, STORES, READ, EXTRACTION, EXTRACTION_SOURCES)
"""In an order in which each reads only rows of those before it."""
