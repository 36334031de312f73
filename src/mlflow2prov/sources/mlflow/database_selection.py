"""What of a database a selection needs: small queries find sets of names, by which the readings are narrowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlflow2prov.sources.mlflow.database_filter import conditions
from mlflow2prov.sources.mlflow.database_reading import Reading
from mlflow2prov.sources.mlflow.database_tables import RUN_NAME
from mlflow2prov.sources.mlflow.run_filter import parse_filter
from mlflow2prov.sources.mlflow.selection import Selection, copied_from, prompts_in, require_known
from mlflow2prov.sources.tables import Kind

if TYPE_CHECKING:
    from mlflow2prov.sources.mlflow.database_query import Database

_CHUNK = 1_000

_WITHIN: Mapping[str, tuple[str, str]] = {
    "mlflow_experiment": ("experiment_id", "experiments"),
    "mlflow_experiment_tag": ("experiment_id", "experiments"),
    "mlflow_run": ("run_id", "runs"),
    "mlflow_param": ("run_id", "runs"),
    "mlflow_tag": ("run_id", "runs"),
    "mlflow_metric": ("run_id", "runs"),
    "mlflow_dataset_input": ("run_id", "runs"),
    "mlflow_model_link": ("run_id", "runs"),
    "mlflow_logged_model": ("model_id", "models"),
    "mlflow_logged_model_param": ("model_id", "made"),
    "mlflow_logged_model_tag": ("model_id", "made"),
    "mlflow_logged_model_metric": ("model_id", "made"),
    "mlflow_registered_model": ("name", "names"),
    "mlflow_registered_model_tag": ("name", "names"),
    "mlflow_registered_model_alias": ("name", "names"),
    "mlflow_model_version": ("name", "names"),
    "mlflow_model_version_tag": ("name", "names"),
    "mlflow_trace": ("trace_id", "traces"),
    "mlflow_trace_tag": ("trace_id", "traces"),
    "mlflow_trace_metadata": ("trace_id", "traces"),
    "mlflow_span": ("trace_id", "traces"),
    "mlflow_assessment": ("trace_id", "traces"),
    "mlflow_evaluation_dataset": ("dataset_id", "evaluations"),
    "mlflow_evaluation_dataset_tag": ("dataset_id", "evaluations"),
    "mlflow_evaluation_dataset_link": ("dataset_id", "evaluations"),
}
"""By which column, and to which set, the reading of a source table is narrowed."""

_COUNTED: Mapping[str, str] = {"'experiment'": "whole", "'run'": "runs", "'logged_model'": "made"}
"""To which set the count of traces of an owner is narrowed."""

_LARGE = frozenset(
    {"mlflow_param", "mlflow_tag", "mlflow_metric", "mlflow_dataset_input", "mlflow_model_link"}
)
"""Source tables that are read as a whole, which costs less, where most of the runs are chosen."""


@dataclass(slots=True)
class Scope:
    """The names that a selection needs, in sorted order: of experiments, runs, logged and registered models, and so on.

    ``whole`` are the experiments that are chosen as a whole, ``made`` the logged models that are read with all
    that they have, ``models`` these and those that come alone.
    """

    chosen_experiments: list[str] = field(default_factory=list)
    chosen_runs: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    experiments: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    evaluations: list[str] = field(default_factory=list)
    has_most_runs: bool = False

    def owns(self, table: str, owner_id: str) -> bool:
        """Whether the artifacts of a run or logged model are wanted; a search in a sorted list."""
        from bisect import bisect_left

        names = self.runs if table == "mlflow_run" else self.made
        place = bisect_left(names, owner_id)
        return names[place : place + 1] == [owner_id]

    def selected(self) -> Iterator[tuple[str, str]]:
        """The rows of ``mlflow_selected``."""
        yield from (("experiment", name) for name in self.chosen_experiments)
        yield from (("run", name) for name in self.chosen_runs)

    def narrowed(self, reading: Reading, literal: Any) -> Iterator[Reading]:
        """The readings of what is wanted: one for each thousand names; ``literal`` makes SQL of a text."""
        if reading.table in _LARGE and self.has_most_runs:
            yield reading
            return
        if reading.table == "mlflow_dataset":
            column, names = "d.dataset_uuid", self.datasets
        elif reading.table == "mlflow_trace_count":
            column, names = (
                reading.columns["owner_id"][0],
                getattr(self, _COUNTED[reading.columns["owner"][0]]),
            )
        else:
            name, among = _WITHIN[reading.table]
            column, names = reading.columns[name][0], getattr(self, among)
        for some in _chunks(names):
            listed = ", ".join(map(literal, some))
            yield replace(reading, source=_restricted(reading.source, f"{column} IN ({listed})"))


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _CHUNK):
        yield names[start : start + _CHUNK]


def _restricted(source: str, condition: str) -> str:
    """What stands behind FROM, with one more condition.

    >>> _restricted("t AS t GROUP BY t.a", "t.b = 1")
    't AS t WHERE t.b = 1 GROUP BY t.a'
    """
    before, grouping, after = source.partition(" GROUP BY ")
    joint = "AND" if " WHERE " in before else "WHERE"
    return f"{before} {joint} {condition}{grouping}{after}"


class ScopeFinder:
    """Finds what a selection needs in one database, within the transaction that everything is read in.

    Args:
        database: the database.
        schema: the tables that it has, with their columns.
        selection: what is chosen.
        is_detailed: whether traces are read one by one.
    """

    def __init__(
        self, database: Database, schema: Mapping[str, Any], selection: Selection, *, is_detailed: bool
    ) -> None:
        self._database = database
        self._schema = schema
        self._selection = selection
        self._is_detailed = is_detailed
        self._comparisons = parse_filter(selection.filter) if selection.filter else ()

    def find(self) -> Scope:
        """The sets of names; holds them, and no more than some columns of the registry.

        Raises:
            UsageError: an experiment, run or model is not known, or the filter is wrong.
        """
        scope = Scope()
        experiments = self._experiments()
        versions = self._versions_of(self._selection.models)
        runs = self._chosen_runs(experiments, versions)
        scope.chosen_experiments, scope.chosen_runs = sorted(experiments), sorted(runs)
        scope.whole = scope.chosen_experiments if self._selection.is_of_experiments else []
        scope.runs = sorted(self._with_parents(runs))
        scope.has_most_runs = 2 * len(scope.runs) > int(self._rows("count(*)", "runs AS r")[0][0])
        of_runs = self._column("r.experiment_id", "runs AS r", "r.run_uuid", scope.runs)
        scope.experiments = sorted(experiments | of_runs)
        made = self._made(scope)
        made |= {it.model_id for it in versions if it.model_id} if self._selection.is_of_models else set()
        scope.made = sorted(made)
        scope.traces = sorted(self._traces(scope)) if self._is_detailed else []
        scope.names = sorted(self._names(scope))
        scope.models = sorted(made | self._used(scope))
        scope.datasets = sorted(self._datasets(scope))
        scope.evaluations = sorted(
            self._column("e.source_id", "entity_associations AS e", "e.destination_id", scope.experiments)
        )
        return scope

    # ---- What is chosen ------------------------------------------------------------------------

    def _experiments(self) -> set[str]:
        asked = self._selection.experiments
        if not asked:
            return set()
        rows = [
            (str(own_id), name) for own_id, name in self._rows("e.experiment_id, e.name", "experiments AS e")
        ]
        require_known(
            "experiment", asked, (word for row in rows for word in row), lambda: (name for _, name in rows)
        )
        return {own_id for own_id, name in rows if own_id in asked or name in asked}

    def _chosen_runs(self, experiments: set[str], versions: Sequence[_Version]) -> set[str]:
        """The runs that all kinds of a selection choose."""
        selection, sets = self._selection, []
        if selection.runs:
            sets.append(self._runs_by_name())
        if selection.models:
            sets.append(self._behind(versions))
        if selection.experiments or selection.has_window or selection.filter:
            sets.append(self._runs_by_condition(experiments))
        return set.intersection(*sets)

    def _runs_by_name(self) -> set[str]:
        asked = self._selection.runs
        listed = self._listed(asked)
        rows = self._rows(
            f"r.run_uuid, {RUN_NAME}", "runs AS r", f"(r.run_uuid IN ({listed}) OR {RUN_NAME} IN ({listed}))"
        )
        require_known(
            "run",
            asked,
            (word for row in rows for word in row),
            lambda: (word for row in self._rows(f"{RUN_NAME}, r.run_uuid", "runs AS r") for word in row),
        )
        return {own_id for own_id, name in rows if own_id in asked or name in asked}

    def _runs_by_condition(self, experiments: set[str]) -> set[str]:
        selection = self._selection
        wanted = conditions(self._comparisons, self._database.dialect, self._schema)
        if selection.experiments:
            wanted.append(f"r.experiment_id IN ({self._listed(sorted(experiments))})")
        if selection.since_ms is not None:
            wanted.append(f"r.start_time >= {selection.since_ms}")
        if selection.until_ms is not None:
            wanted.append(f"r.start_time < {selection.until_ms}")
        return {row[0] for row in self._rows("r.run_uuid", "runs AS r", " AND ".join(wanted))}

    def _versions_of(self, models: Sequence[str]) -> list[_Version]:
        if not models:
            return []
        found = self._column("n.name", "registered_models AS n", "n.name", models)
        require_known(
            "model", models, found, lambda: (row[0] for row in self._rows("n.name", "registered_models AS n"))
        )
        return [it for it in self._versions(f"v.name IN ({self._listed(models)})") if it.name in models]

    def _versions(self, condition: str) -> list[_Version]:
        rows = self._rows("v.name, v.run_id, v.source, @model_id(v.source)", "model_versions AS v", condition)
        return [_Version(*row) for row in rows]

    def _behind(self, versions: Sequence[_Version]) -> set[str]:
        """The runs that made versions, or the logged models that versions were made of."""
        models = sorted({it.model_id for it in versions if it.model_id})
        made = self._column("m.source_run_id", "logged_models AS m", "m.model_id", models)
        named = sorted({it.run_id for it in versions if it.run_id} | made)
        return self._column("r.run_uuid", "runs AS r", "r.run_uuid", named)

    # ---- What comes with it --------------------------------------------------------------------

    def _with_parents(self, runs: set[str]) -> set[str]:
        found, above = set(runs), set(runs)
        while above:
            is_parent = "t.run_uuid", "@same(t.key, 'mlflow.parentRunId')"
            above = self._column("t.value", "tags AS t", is_parent[0], sorted(above), is_parent[1]) - found
            found |= self._column("r.run_uuid", "runs AS r", "r.run_uuid", sorted(above))
        return found

    def _made(self, scope: Scope) -> set[str]:
        found = self._column("m.model_id", "logged_models AS m", "m.source_run_id", scope.runs)
        found |= self._column("m.model_id", "logged_models AS m", "m.experiment_id", scope.whole)
        return found | self._linked(scope, "RUN_OUTPUT")

    def _used(self, scope: Scope) -> set[str]:
        versions = [it for some in _chunks(scope.names) for it in self._versions(self._in("v.name", some))]
        return self._linked(scope, "RUN_INPUT") | {it.model_id for it in versions if it.model_id}

    def _linked(self, scope: Scope, kind: str) -> set[str]:
        if "logged_models" not in self._schema:
            return set()
        return self._column(
            "i.destination_id", "inputs AS i", "i.source_id", scope.runs, f"i.source_type = '{kind}'"
        )

    def _names(self, scope: Scope) -> set[str]:
        """The registered models and prompts of which a version may be wanted."""
        found = set(self._selection.models)
        if not found:
            found = self._column("v.name", "model_versions AS v", "v.run_id", scope.runs)
            found |= self._column("v.name", "model_versions AS v", "@model_id(v.source)", scope.made)
        is_told = "@same(t.{}, 'mlflow.linkedPrompts')"
        told = self._column("t.value", "tags AS t", "t.run_uuid", scope.runs, is_told.format("key"))
        told |= self._column(
            "t.tag_value", "logged_model_tags AS t", "t.model_id", scope.made, is_told.format("tag_key")
        )
        told |= self._column(
            "t.value", "trace_tags AS t", "t.request_id", scope.traces, is_told.format("key")
        )
        found |= {name for text in told for name in prompts_in(text)}
        new = found
        while new:
            versions = [
                it for some in _chunks(sorted(new)) for it in self._versions(self._in("v.name", some))
            ]
            new = {name for it in versions if (name := copied_from(it.source))} - found
            found |= new
        return found

    def _datasets(self, scope: Scope) -> set[str]:
        found = self._column(
            "i.source_id",
            "inputs AS i",
            "i.destination_id",
            scope.runs,
            "i.destination_type = 'RUN' AND i.source_type = 'DATASET'",
        )
        found |= self._column("d.dataset_uuid", "datasets AS d", "d.experiment_id", scope.whole)
        return found | self._column(
            "m.dataset_uuid",
            "logged_model_metrics AS m",
            "m.model_id",
            scope.made,
            "m.dataset_uuid IS NOT NULL",
        )

    def _traces(self, scope: Scope) -> set[str]:
        found = self._column("t.request_id", "trace_info AS t", "t.experiment_id", scope.whole)
        return found | self._column(
            "t.request_id",
            "trace_request_metadata AS t",
            "t.value",
            scope.runs,
            "@same(t.key, 'mlflow.sourceRun')",
        )

    # ---- Queries -------------------------------------------------------------------------------

    def _listed(self, names: Iterable[str]) -> str:
        return ", ".join(map(self._database.dialect.literal, names))

    def _in(self, column: str, names: Iterable[str]) -> str:
        return f"{column} IN ({self._listed(names)})"

    def _rows(self, columns: str, source: str, condition: str = "1 = 1") -> list[tuple[Any, ...]]:
        """The rows of a query of one table, none where the database lacks it."""
        if source.partition(" ")[0] not in self._schema:
            return []
        return self._database.rows(
            self._database.dialect.sql(f"SELECT {columns} FROM {source} WHERE {condition}")
        )

    def _column(
        self, column: str, source: str, within: str, names: Sequence[str], condition: str = "1 = 1"
    ) -> set[str]:
        """The texts of a column in the rows that have one of the names in another one."""
        typed = self._database.dialect.typed(column, Kind.NAME)
        rows = (
            row
            for some in _chunks(names)
            for row in self._rows(f"DISTINCT {typed}", source, f"{self._in(within, some)} AND {condition}")
        )
        return {str(row[0]) for row in rows if row[0] is not None}


@dataclass(frozen=True, slots=True)
class _Version:
    """What a version of a registered model was made of."""

    name: str
    run_id: str | None
    source: str | None
    model_id: str | None
