"""Comparison of two runs, model versions or models: what differs, and what is the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.pages import Page, Part
from mlflow2prov.graph.references import resolve
from mlflow2prov.graph.why import Telling
from mlflow2prov.graph.why_parts import RECORDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Aspect:
    """What two runs are compared in; in the SQL, ``{one}`` and ``{other}`` are rows as ``{subject}`` has.

    Attributes:
        name: as JSON calls it.
        title: for people.
        sql: rows of what is compared, and the values of both, which are NULL where one has it not.
    """

    name: str
    title: str
    sql: str


def _both(rows: str, what: str, value: str) -> str:
    """SQL that sets the rows of both beside each other; ``SIDE`` in it is the subject."""
    first, second = (rows.replace("SIDE", side) for side in ("{one}", "{other}"))
    return (
        f"WITH a AS ({first}), b AS ({second}) SELECT coalesce(a.{what}, b.{what}) AS {what}, a.{value} AS first, "
        f"b.{value} AS second FROM a FULL JOIN b ON b.{what} = a.{what} ORDER BY 1"
    )


_COMMITS = (
    "(SELECT id, 'first' AS side FROM {first_past} WHERE id NOT IN (SELECT id FROM {second_past}) UNION ALL "
)
_COMMITS += "SELECT id, 'second' FROM {second_past} WHERE id NOT IN (SELECT id FROM {first_past}))"

ASPECTS = (
    Aspect(
        name="code",
        title="Code",
        sql="WITH told AS (SELECT 1 AS n, c.sha AS commit, f.path AS file, f.blob AS content FROM {one} s "
        "LEFT JOIN {Commit: sha} c ON c.id = s.commit LEFT JOIN {FileRevision: path, blob} f ON f.id = s.script "
        "UNION ALL SELECT 2, c.sha, f.path, f.blob FROM {other} s LEFT JOIN {Commit: sha} c ON c.id = s.commit "
        "LEFT JOIN {FileRevision: path, blob} f ON f.id = s.script) "
        "SELECT x.what, x.first, x.second FROM told a JOIN told b ON a.n = 1 AND b.n = 2, "
        "unnest([{'n': 1, 'what': 'commit', 'first': a.commit, 'second': b.commit}, "
        "{'n': 2, 'what': 'file that ran', 'first': a.file, 'second': b.file}, "
        "{'n': 3, 'what': 'its content', 'first': a.content, 'second': b.content}]) t(x) "
        "WHERE x.first IS NOT NULL OR x.second IS NOT NULL ORDER BY x.n",
    ),
    Aspect(
        name="files",
        title="Files that changed between the commits",
        sql="SELECT f.path AS file, string_agg(DISTINCT f.commit[:12], ', ' ORDER BY f.commit[:12]) FILTER "
        "(k.side = 'first') AS first, "
        f"string_agg(DISTINCT f.commit[:12], ', ' ORDER BY f.commit[:12]) FILTER (k.side = 'second') AS second "
        f"FROM {_COMMITS} k JOIN "
        "(SELECT g.activity, r.path, c.sha AS commit FROM {wasGeneratedBy} g JOIN {FileRevision: path} r ON "
        "r.id = g.entity "
        "JOIN {Commit: sha} c ON c.id = g.activity UNION ALL SELECT i.activity, r.path, c.sha "
        "FROM {wasInvalidatedBy} i JOIN {FileRevision: path} r ON r.id = i.entity JOIN {Commit: sha} c ON c.id "
        "= i.activity) f "
        "ON f.activity = k.id GROUP BY f.path ORDER BY f.path",
    ),
    Aspect(
        name="data",
        title="Data",
        sql=_both(
            "SELECT d.label AS dataset, string_agg(DISTINCT coalesce(u.role, 'used'), ', ' ORDER BY "
            "coalesce(u.role, 'used')) AS role FROM SIDE s "
            "JOIN {used} u ON u.activity = s.creation JOIN {Dataset} d ON d.id = u.entity GROUP BY d.label",
            "dataset",
            "role",
        ),
    ),
    Aspect(
        name="params",
        title="Parameters",
        sql=_both(
            f"SELECT k.name, min(k.value) AS value FROM SIDE s JOIN {{known_param}} k ON k.id = {RECORDED} GROUP BY k.name",
            "name",
            "value",
        ),
    ),
    Aspect(
        name="environment",
        title="Environment",
        sql=_both(
            "SELECT CASE WHEN starts_with(q.r, 'Python ') THEN 'Python' ELSE coalesce(nullif(regexp_extract(q.r, "
            "'^[A-Za-z0-9._-]+'), ''), q.r) END AS package, string_agg(DISTINCT q.r, ', ' ORDER BY q.r) AS "
            "requirement FROM SIDE s "
            "JOIN {used} u ON u.activity = s.creation JOIN {Environment: python_version, requirements[]} e ON "
            "e.id = u.entity, "
            "unnest(list_concat(CASE WHEN e.python_version IS NULL THEN [] ELSE [concat('Python ', "
            "e.python_version)] END, "
            "e.requirements)) q(r) GROUP BY 1",
            "package",
            "requirement",
        ),
    ),
    Aspect(
        name="metrics",
        title="Metrics",
        sql=_both(
            "SELECT m.name AS metric, first(m.value ORDER BY m.metric) AS value FROM SIDE s "
            f"JOIN {{known_metric}} m ON m.id = {RECORDED} GROUP BY m.name",
            "metric",
            "value",
        ),
    ),
)
"""What is compared, in the order of the page."""


def compare(graph: Graph, first: str, second: str) -> Page:
    """Return the page of what differs between two things that have a run, and of what is the same.

    Raises:
        UsageError: a reference is unknown or ambiguous, or means nothing that has a run.
    """
    found = [resolve(graph, reference) for reference in (first, second)]
    with graph.store.scratch("comparison") as scratch:
        telling = Telling(graph, scratch, [aspect.sql for aspect in ASPECTS])
        for side, one in zip(("one", "other"), found, strict=True):
            telling.look_at(one.id, side)
            if telling.subject["run"] is None and telling.subject["version"] is None:
                raise UsageError(
                    f"{one.label} ({one.identifier}) is no run, and no model that was made by one: compare takes two "
                    "runs, model versions or models; without references, two documents"
                )
            telling.reach_past("first_past" if side == "one" else "second_past", side)
        tables = [(aspect, *telling.rows(aspect.sql)) for aspect in ASPECTS]
    return _page(
        found[0].label, found[1].label, [_part(aspect, columns, rows) for aspect, columns, rows in tables]
    )


def _part(aspect: Aspect, columns: tuple[str, ...], rows: tuple[tuple[Any, ...], ...]) -> Part:
    """The rows with a word for each; those that differ come first."""
    told = [
        (*row, "same" if _is_same(*row[1:]) and aspect.name != "files" else _word(row[1:])) for row in rows
    ]
    told.sort(key=lambda row: row[-1] == "same")
    note = "" if rows else "None." if aspect.name == "files" else "Neither has any."
    return Part(
        name=aspect.name, title=aspect.title, columns=(*columns, "comparison"), rows=tuple(told), note=note
    )


def _is_same(first: Any, second: Any) -> bool:
    """Whether two values are the same, as NaN is."""
    return bool(first == second or (first != first and second != second))


def _word(values: tuple[Any, ...]) -> str:
    if values[0] is None:
        return "only second"
    return "only first" if values[1] is None else "differs"


def _page(first: str, second: str, parts: list[Part]) -> Page:
    differs = [part.name for part in parts if any(row[-1] != "same" for row in part.rows)]
    same = [part.name for part in parts if part.rows and part.name not in differs]
    summary = f"Differ: {', '.join(differs) or 'nothing'}. The same: {', '.join(same) or 'nothing'}."
    facts = {"first": first, "second": second, "differs": differs, "same": same}
    return Page(title=f"{first} and {second}", summary=summary, facts=facts, parts=tuple(parts))
