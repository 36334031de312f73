"""MLflow's filters of runs as conditions on the tables of its database, in the words of the declarations.

They mean what MLflow's own queries do: the last point of a metric counts, a name of a run is its tag, and what
a run lacks fits nothing but ``IS NULL``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlflow2prov.sources.mlflow.database_dialects import Dialect
from mlflow2prov.sources.mlflow.run_filter import Comparison

_COLUMNS: Mapping[str, str] = {
    "run_id": "r.run_uuid",
    "user_id": "r.user_id",
    "status": "r.status",
    "artifact_uri": "r.artifact_uri",
    "start_time": "r.start_time",
    "end_time": "r.end_time",
}
_TABLES: Mapping[str, str] = {"metric": "latest_metrics", "param": "params", "tag": "tags"}
_NOT_A_NUMBER = "v.is_nan = '1'"
_RUN_NAME = "mlflow.runName"


def conditions(
    comparisons: Sequence[Comparison], dialect: Dialect, tables: Mapping[str, object]
) -> list[str]:
    """SQL conditions on ``runs AS r``, to be passed through `Dialect.sql`; ``tables`` are those that there are."""
    return [_condition(it, dialect, tables) for it in comparisons]


def _condition(it: Comparison, dialect: Dialect, tables: Mapping[str, object]) -> str:
    if it.kind == "attribute" and it.key == "run_name":
        return _pairs(Comparison(kind="tag", key=_RUN_NAME, operator=it.operator, value=it.value), dialect)
    if it.kind == "attribute":
        return _compared(_COLUMNS[it.key], it, dialect)
    if it.kind != "dataset":
        return _pairs(it, dialect)
    needed = {"inputs", "datasets", "input_tags"}
    return _datasets(it, dialect) if needed <= tables.keys() else "1 = 0"


def _pairs(it: Comparison, dialect: Dialect) -> str:
    """A condition on one of a run's metrics, parameters or tags."""
    found = f"EXISTS (SELECT 1 FROM {_TABLES[it.kind]} AS v WHERE v.run_uuid = r.run_uuid"
    found += f" AND @same(v.key, {dialect.literal(it.key)})"
    if it.operator in ("IS NULL", "IS NOT NULL"):
        return f"{'NOT ' if it.operator == 'IS NULL' else ''}{found})"
    compared = _compared("v.value", it, dialect)
    if it.kind == "metric":
        is_other = it.operator == "!="
        compared = f"({compared} {'OR' if is_other else 'AND NOT'} {_NOT_A_NUMBER})"
    return f"{found} AND {compared})"


def _datasets(it: Comparison, dialect: Dialect) -> str:
    """A condition on one of the datasets that a run took in."""
    source = "inputs AS i JOIN datasets AS d ON d.dataset_uuid = i.source_id"
    if it.key == "context":
        source += (
            " JOIN input_tags AS c ON c.input_uuid = i.input_uuid AND @same(c.name, 'mlflow.data.context')"
        )
    column = "c.value" if it.key == "context" else f"d.{it.key}"
    compared = _compared(column, it, dialect)
    of_run = "i.destination_type = 'RUN' AND i.destination_id = r.run_uuid AND i.source_type = 'DATASET'"
    return f"EXISTS (SELECT 1 FROM {source} WHERE {of_run} AND {compared})"


def _compared(column: str, it: Comparison, dialect: Dialect) -> str:
    if isinstance(it.value, tuple):
        same = " OR ".join(f"@same({column}, {dialect.literal(text)})" for text in it.value)
        return f"({same})" if it.operator == "IN" else f"NOT ({same})"
    if not isinstance(it.value, str):
        return f"{column} {'<>' if it.operator == '!=' else it.operator} {it.value!r}"
    literal = dialect.literal(it.value)
    match it.operator:
        case "LIKE" | "ILIKE":
            return f"@{it.operator.lower()}({column}, {literal})"
        case "!=":
            return f"NOT (@same({column}, {literal}))"
    return f"@same({column}, {literal})"
