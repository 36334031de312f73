"""Impact: what is affected if a commit, a file, a dataset, a package or a person's change was wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.adjacency import adjacency_of
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.pages import Page, Part
from mlflow2prov.graph.questions import Asking, types_in
from mlflow2prov.graph.references import resolve
from mlflow2prov.graph.values import rows_of
from mlflow2prov.graph.walk import Bounds, walk

_PACKAGE = re.compile(
    r"package:\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:(===?|<=?|>=?)\s*([0-9]+(?:\.[0-9]+)*)(\.\*)?)?\s*"
)
_VERSIONS_RUN = "LEFT JOIN {version_run} x ON x.version = v.id LEFT JOIN {Run} r ON r.id = x.run "


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """A part of the page: what of one sort is affected; in the SQL, ``{hit}`` is ``id`` and ``steps``."""

    name: str
    title: str
    sql: str
    empty: str = ""


AFFECTED = (
    Affected(
        name="live_models",
        title="Live models: with an alias, or in the stage Staging or Production",
        empty="None that the document has.",
        sql="SELECT l.model, list_sort(l.aliases) AS aliases, nullif(l.stage, 'None') AS stage, "
        "first(r.label ORDER BY r.id) AS run, min(h.steps) AS steps FROM {hit} h JOIN {live} l ON l.version = h.id "
        "LEFT JOIN {version_run} x ON x.version = l.version LEFT JOIN {Run} r ON r.id = x.run "
        "GROUP BY l.version, l.model, l.aliases, l.stage ORDER BY l.stage = 'Production' DESC, l.model",
    ),
    Affected(
        name="other_versions",
        title="Other model versions",
        sql="SELECT v.label AS model, first(r.label ORDER BY r.id) AS run, v.id IN (SELECT id FROM {ended}) AS "
        "deleted, "
        "min(h.steps) AS steps FROM {hit} h JOIN {RegisteredModelVersion} v ON v.id = h.id "
        f"{_VERSIONS_RUN}WHERE v.id NOT IN (SELECT version FROM {{live}}) GROUP BY v.id, v.label ORDER BY v.label",
    ),
    Affected(
        name="runs",
        title="Runs",
        sql="SELECT r.label AS run, r.run_id, r.status, first(c.sha[:12] ORDER BY c.id) AS commit, min(h.steps) "
        "AS steps "
        "FROM {hit} h JOIN {Run: status} r ON r.id = h.id LEFT JOIN {run_commit} k ON k.run = r.id "
        "LEFT JOIN {Commit: sha} c ON c.id = k.commit GROUP BY r.id, r.label, r.run_id, r.status ORDER BY "
        "steps, r.label, r.run_id",
    ),
    Affected(
        name="logged_models",
        title="Logged models",
        sql="SELECT m.label AS model, m.id IN (SELECT id FROM {ended}) AS deleted, min(h.steps) AS steps FROM "
        "{hit} h "
        "JOIN (SELECT id, label FROM {LoggedModel} UNION ALL SELECT id, label FROM {ModelArtifact}) m ON m.id = h.id "
        "GROUP BY m.id, m.label ORDER BY m.label",
    ),
    Affected(
        name="others",
        title="Everything else",
        sql='SELECT t.type, count(DISTINCT h.id) AS count, list(DISTINCT t.label ORDER BY t.label)[:5] AS "such as" '
        "FROM {hit} h JOIN {anything} t ON t.id = h.id WHERE t.type NOT IN ('RegisteredModelVersion', 'Run', "
        "'LoggedModel', "
        "'ModelArtifact') GROUP BY t.type ORDER BY t.type",
    ),
)
"""The parts, in the order of the page: what is live comes first."""


def impact(graph: Graph, reference: str) -> Page:
    """Return the page of what came of a thing, in any PROV document.

    Args:
        graph: in which.
        reference: see :mod:`mlflow2prov.graph.references`; or ``package:NAME``, with a version as in
            ``package:scikit-learn==1.4`` or ``package:numpy<2``.

    Raises:
        UsageError: the reference is unknown or ambiguous.

    >>> from prov.model import ProvDocument
    >>> document = ProvDocument()
    >>> _ = document.add_namespace("ex", "http://example.org/")
    >>> _ = document.wasDerivedFrom(document.entity("ex:report"), document.entity("ex:data"))
    >>> [part.rows for part in impact(Graph.from_prov(document), "ex:data").parts if part.rows]
    [(('entity', 1, ['ex:report']),)]
    """
    with graph.store.scratch("impact") as scratch:
        asking = Asking(graph, scratch)
        asking.gather({"Environment"} | {type_ for one in AFFECTED for type_ in types_in(one.sql)})
        if reference.startswith("package:"):
            beginnings, label, note = _environments(asking, reference)
        else:
            found = resolve(graph, reference)
            beginnings, label, note = [found.id], f"{found.label} ({found.identifier})", ""
        count = _hit(asking, beginnings)
        return _page(asking, label, note, count)


def _hit(asking: Asking, beginnings: list[int]) -> int:
    """Make the table ``hit``: what is met downstream, without the beginnings; return how many."""
    walked = walk(adjacency_of(asking.graph), np.array(beginnings, np.int32), "downstream", Bounds())
    kept = walked.depths > 0
    table = pa.table(
        {"id": pa.array(walked.ids[kept], pa.int32()), "steps": pa.array(walked.depths[kept], pa.int64())}
    )
    asking.graph.store.run(f"CREATE TABLE {asking.scratch}.hit (id INTEGER, steps BIGINT)")
    asking.graph.store.append(f"{asking.scratch}.hit", table)
    asking.tables = {"hit"}
    return table.num_rows


def _page(asking: Asking, label: str, note: str, count: int) -> Page:
    parts, numbers = [], {}
    for one in AFFECTED:
        table = asking.graph.store.arrow(asking.expand(one.sql))
        rows = tuple(map(tuple, rows_of(table)))
        numbers[one.name] = len(rows)
        if rows or one.empty:
            columns = tuple(table.column_names)
            parts.append(
                Part(
                    name=one.name, title=one.title, columns=columns, rows=rows, note="" if rows else one.empty
                )
            )
    said = [
        f"{numbers[name]:,} {word if numbers[name] == 1 else f'{word}s'}"
        for name, word in (
            ("live_models", "live model"),
            ("other_versions", "other version"),
            ("runs", "run"),
        )
    ]
    things = "1 thing" if count == 1 else f"{count:,} things"
    summary = f"Affected: {', '.join(said)}; {things} in all.{f' {note}' if note else ''}"
    return Page(title=f"If {label} was wrong", summary=summary, facts={"affected": count}, parts=tuple(parts))


def _environments(asking: Asking, reference: str) -> tuple[list[int], str, str]:
    """The environments that have, or may have, a package of a version."""
    found = _PACKAGE.fullmatch(reference)
    if not found:
        raise UsageError(
            f"{reference!r} names no package: write package:NAME, package:NAME==1.4 or package:NAME<1.4"
        )
    name, operator, version, is_prefix = found.groups()
    wanted = re.sub(r"[-_.]+", "-", name).lower()
    rows = asking.graph.store.run(
        asking.expand(
            "SELECT DISTINCT e.id, q.r FROM {Environment: requirements[]} e, unnest(e.requirements) q(r) WHERE "
            "lower(regexp_replace(regexp_extract(q.r, '^[A-Za-z0-9._-]+'), '[-_.]+', '-', 'g')) = $1 ORDER BY ALL"
        ),
        [wanted],
    )
    if not rows:
        raise UsageError(f"no environment in the document needs the package {name!r}")
    exact, open_ = [], []
    for number, requirement in rows:
        pinned = re.search(r"===?\s*([0-9]+(?:\.[0-9]+)*)(?![^;,\s]*\*)", requirement)
        if pinned is None:
            open_.append(number)
        elif operator is None or _fits(pinned[1], operator, version, is_prefix=bool(is_prefix)):
            exact.append(number)
    note = ""
    if open_ and operator:
        note = f"{len(open_)} of the environments that may have it name no exact version of {name}."
    if not exact and not open_:
        raise UsageError(
            f"no environment in the document needs {name} {operator or ''}{version or ''}; it is there otherwise"
        )
    return sorted({*exact, *open_}), reference.removeprefix("package:").strip(), note


def _fits(pinned: str, operator: str, version: str, *, is_prefix: bool) -> bool:
    """Whether the numbers of a release fit, as those of PEP 440 do: 1.4 is 1.4.0."""
    mine, theirs = ([int(piece) for piece in text.split(".")] for text in (pinned, version))
    if is_prefix:
        return mine[: len(theirs)] == theirs
    longest = max(len(mine), len(theirs))
    left, right = ([*one, *[0] * (longest - len(one))] for one in (mine, theirs))
    compared: dict[str, Any] = {
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }
    return bool(compared.get(operator, left == right))
