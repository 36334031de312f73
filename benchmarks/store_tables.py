"""The tables of MLflow's database that a made store has, as MLflow 3 lays them out."""

from __future__ import annotations

from dataclasses import dataclass

REVISION = "dc11669786a5"
"""What MLflow calls this state of its schema (3.17)."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns with their types, its key, and the columns of its other indexes."""

    columns: str
    key: str
    indexes: tuple[str, ...] = ()


_S, _T, _I = "VARCHAR(256)", "TEXT", "BIGINT"


def _columns(**types: str) -> str:
    return ", ".join(f'"{name}" {kind}' for name, kind in types.items())


TABLES: dict[str, Table] = {
    "alembic_version": Table(_columns(version_num=_S), "version_num"),
    "experiments": Table(
        _columns(
            experiment_id="INTEGER NOT NULL",
            name=_S,
            artifact_location=_S,
            lifecycle_stage=_S,
            creation_time=_I,
            last_update_time=_I,
            workspace=f"{_S} DEFAULT 'default' NOT NULL",
        ),
        "experiment_id",
        ("workspace",),
    ),
    "experiment_tags": Table(
        _columns(key=f"{_S} NOT NULL", value=_T, experiment_id="INTEGER NOT NULL"), "key, experiment_id"
    ),
    "runs": Table(
        _columns(
            run_uuid="VARCHAR(32) NOT NULL",
            name=_S,
            source_type=_S,
            source_name=_S,
            entry_point_name=_S,
            user_id=_S,
            status=_S,
            start_time=_I,
            end_time=_I,
            source_version=_S,
            lifecycle_stage=_S,
            artifact_uri=_S,
            experiment_id="INTEGER",
            deleted_time=_I,
        ),
        "run_uuid",
    ),
    "params": Table(
        _columns(key=f"{_S} NOT NULL", value=f"{_T} NOT NULL", run_uuid=f"{_S} NOT NULL"),
        "key, run_uuid",
        ("run_uuid",),
    ),
    "tags": Table(
        _columns(key=f"{_S} NOT NULL", value=_T, run_uuid=f"{_S} NOT NULL"), "key, run_uuid", ("run_uuid",)
    ),
    "metrics": Table(
        _columns(
            key=f"{_S} NOT NULL",
            value="FLOAT NOT NULL",
            timestamp=f"{_I} NOT NULL",
            run_uuid=f"{_S} NOT NULL",
            step=f"{_I} DEFAULT 0 NOT NULL",
            is_nan="BOOLEAN DEFAULT 0 NOT NULL",
        ),
        "key, timestamp, step, run_uuid, value, is_nan",
        ("run_uuid", "run_uuid, key, step"),
    ),
    "latest_metrics": Table(
        _columns(
            key=f"{_S} NOT NULL",
            value="FLOAT NOT NULL",
            timestamp=_I,
            step=f"{_I} NOT NULL",
            is_nan="BOOLEAN NOT NULL",
            run_uuid=f"{_S} NOT NULL",
        ),
        "key, run_uuid",
        ("run_uuid",),
    ),
    "datasets": Table(
        _columns(
            dataset_uuid=f"{_S} NOT NULL",
            experiment_id="INTEGER NOT NULL",
            name=f"{_S} NOT NULL",
            digest=f"{_S} NOT NULL",
            dataset_source_type=f"{_S} NOT NULL",
            dataset_source=f"{_T} NOT NULL",
            dataset_schema=_T,
            dataset_profile=_T,
        ),
        "experiment_id, name, digest",
        ("dataset_uuid", "experiment_id, dataset_source_type"),
    ),
    "inputs": Table(
        _columns(
            input_uuid=f"{_S} NOT NULL",
            source_type=f"{_S} NOT NULL",
            source_id=f"{_S} NOT NULL",
            destination_type=f"{_S} NOT NULL",
            destination_id=f"{_S} NOT NULL",
            step=f"{_I} DEFAULT 0 NOT NULL",
        ),
        "source_type, source_id, destination_type, destination_id",
        ("destination_type, destination_id, source_type", "input_uuid"),
    ),
    "input_tags": Table(
        _columns(input_uuid=f"{_S} NOT NULL", name=f"{_S} NOT NULL", value=f"{_T} NOT NULL"),
        "input_uuid, name",
    ),
    "logged_models": Table(
        _columns(
            model_id=f"{_S} NOT NULL",
            experiment_id="INTEGER NOT NULL",
            name=f"{_S} NOT NULL",
            artifact_location=f"{_T} NOT NULL",
            creation_timestamp_ms=f"{_I} NOT NULL",
            last_updated_timestamp_ms=f"{_I} NOT NULL",
            status="INTEGER NOT NULL",
            lifecycle_stage=_S,
            model_type=_S,
            source_run_id=_S,
            status_message=_T,
        ),
        "model_id",
    ),
    "logged_model_params": Table(
        _columns(
            model_id=f"{_S} NOT NULL",
            experiment_id="INTEGER NOT NULL",
            param_key=f"{_S} NOT NULL",
            param_value=f"{_T} NOT NULL",
        ),
        "model_id, param_key",
    ),
    "logged_model_tags": Table(
        _columns(
            model_id=f"{_S} NOT NULL",
            experiment_id="INTEGER NOT NULL",
            tag_key=f"{_S} NOT NULL",
            tag_value=f"{_T} NOT NULL",
        ),
        "model_id, tag_key",
    ),
    "logged_model_metrics": Table(
        _columns(
            model_id=f"{_S} NOT NULL",
            metric_name=f"{_S} NOT NULL",
            metric_timestamp_ms=f"{_I} NOT NULL",
            metric_step=f"{_I} NOT NULL",
            metric_value="FLOAT",
            experiment_id="INTEGER NOT NULL",
            run_id=f"{_S} NOT NULL",
            dataset_uuid=_S,
            dataset_name=_S,
            dataset_digest=_S,
        ),
        "model_id, metric_name, metric_timestamp_ms, metric_step, run_id",
        ("model_id",),
    ),
    "registered_models": Table(
        _columns(
            name=f"{_S} NOT NULL",
            creation_time=_I,
            last_updated_time=_I,
            description=_T,
            workspace=f"{_S} DEFAULT 'default' NOT NULL",
        ),
        "workspace, name",
    ),
    "registered_model_tags": Table(
        _columns(
            key=f"{_S} NOT NULL",
            value=_T,
            name=f"{_S} NOT NULL",
            workspace=f"{_S} DEFAULT 'default' NOT NULL",
        ),
        "workspace, key, name",
    ),
    "registered_model_aliases": Table(
        _columns(
            alias=f"{_S} NOT NULL",
            version="INTEGER NOT NULL",
            name=f"{_S} NOT NULL",
            workspace=f"{_S} DEFAULT 'default' NOT NULL",
        ),
        "workspace, name, alias",
    ),
    "model_versions": Table(
        _columns(
            name=f"{_S} NOT NULL",
            version="INTEGER NOT NULL",
            creation_time=_I,
            last_updated_time=_I,
            description=_T,
            user_id=_S,
            current_stage=_S,
            source=_T,
            run_id=_S,
            status=_S,
            status_message=_T,
            run_link=_T,
            storage_location=_T,
            workspace=f"{_S} DEFAULT 'default' NOT NULL",
        ),
        "workspace, name, version",
    ),
    "model_version_tags": Table(
        _columns(
            key=f"{_S} NOT NULL",
            value=_T,
            name=f"{_S} NOT NULL",
            version="INTEGER NOT NULL",
            workspace=f"{_S} DEFAULT 'default' NOT NULL",
        ),
        "workspace, key, name, version",
    ),
}
"""Every table that is filled."""
