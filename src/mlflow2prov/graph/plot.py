"""A picture of how much happened when, as SVG 1.1 (https://www.w3.org/TR/SVG11/)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO
from xml.sax.saxutils import escape

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.statistics import instant
from mlflow2prov.prov.records import KIND_BY_NAME

SERIES = ("type", "kind")
"""What bars may be stacked of."""

MOST_BARS = 60
_MOST_SERIES = 8
_COLORS = ("#4E79A7", "#F28E2B", "#59A14F", "#E15759", "#B07AA1", "#EDC948", "#76B7B2", "#9C755F", "#BAB0AC")
_WIDTH, _HEIGHT = 1090, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 330, 50, 60
_LONGEST = 30
"""Of the name of a type that stands as it is in the legend: all of our own do."""

_SECONDS = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
    "month": 2_629_746.0,
    "year": 31_556_952.0,
}

_STEPS: tuple[tuple[int, str], ...] = (
    *((count, "second") for count in (1, 5, 15, 30)),
    *((count, "minute") for count in (1, 5, 15, 30)),
    *((count, "hour") for count in (1, 3, 6, 12)),
    *((count, "day") for count in (1, 7)),
    *((count, "month") for count in (1, 3, 6)),
    *((count, "year") for count in (1, 5, 10, 50, 100, 500, 1000, 5000)),
)
"""How long a bar may be."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts over time.

    Attributes:
        step: how long a bar is: a number and a unit.
        starts: where each bar starts, in UTC.
        series: what is counted, and the count in each bar; the most frequent first.
    """

    step: tuple[int, str]
    starts: list[datetime]
    series: dict[str, list[int]]


def plot(graph: Graph, file: BinaryIO, *, by: str = "type") -> None:
    """Draw how many things came to be over time, as an SVG picture of stacked bars.

    An activity counts when it starts (else when it ends), an entity when it was generated: at the time
    of its generation, else at the start of the activity that generated it. Agents have no time.

    Args:
        graph: what to count.
        file: where to.
        by: what to tell apart: ``type``, the first ``prov:type`` that is not PROV's own (else the kind),
            or ``kind``, entities and activities.

    Raises:
        UsageError: ``by`` is neither.
    """
    if by not in SERIES:
        raise UsageError(f"no counts by {by!r} over time; there is: {', '.join(SERIES)}")
    file.write(_drawing(counts_over_time(graph, by=by)).encode())


def counts_over_time(graph: Graph, *, by: str = "type") -> Counts:
    """Return counts over time, in at most some 60 equal stretches; none where nothing has a time.

    Instants before the year 1000 or after 9998 are no times of events; programs write them for none.
    """
    with graph.store.scratch("plot") as scratch:
        run = graph.store.run
        run(
            f"CREATE TABLE {scratch}.happened AS SELECT * FROM ({_happened(graph, by)}) "
            "WHERE instant >= '1000-01-01 00:00:00+00' AND instant < '9999-01-01 00:00:00+00'"
        )
        ((first, last),) = run(f"SELECT epoch(min(instant)), epoch(max(instant)) FROM {scratch}.happened")
        if first is None:
            return Counts((1, "second"), [], {})
        step = step_of(last - first)
        bucket = f"time_bucket(INTERVAL '{step[0]} {step[1]}', instant AT TIME ZONE 'UTC')"
        rows = run(
            f"SELECT {bucket} AS start, name, count(*) FROM {scratch}.happened "
            "GROUP BY ALL ORDER BY start, name"
        )
        starts = run(
            f"SELECT unnest(generate_series(min(b), max(b), INTERVAL '{step[0]} {step[1]}')) FROM ("
            f"SELECT {bucket} AS b FROM {scratch}.happened)"
        )
    return _arranged(step, [start for (start,) in starts], [(s, str(n), int(c)) for s, n, c in rows])


def step_of(span_s: float) -> tuple[int, str]:
    """Return how long a bar is in a picture of so many seconds.

    >>> step_of(0), step_of(3000), step_of(40 * 86400.0)
    ((1, 'second'), (1, 'minute'), (1, 'day'))
    """
    return next(
        (step for step in _STEPS if span_s / (step[0] * _SECONDS[step[1]]) < MOST_BARS - 1), _STEPS[-1]
    )


def _happened(graph: Graph, by: str) -> str:
    """SQL of ``instant`` and ``name`` of everything that may have a time."""
    schema, activity, entity = graph.schema, KIND_BY_NAME["activity"].number, KIND_BY_NAME["entity"].number
    name = f"CASE kind WHEN {activity} THEN 'activity' ELSE 'entity' END"
    types = [row[0] for row in graph.query("SELECT key FROM {graph}.attribute_key WHERE name = 'prov:type'")]
    if types and by == "type":
        keys = ", ".join(map(str, types))
        listed = f"list_filter(attributes, lambda a: a.k IN ({keys}) AND a.v <> '' AND NOT starts_with(a.v, 'prov:'))"
        name = f"coalesce({listed}[1].v, {name})"
    started = f"coalesce({instant('start_time')}, {instant('end_time')})"
    activities = f"SELECT bundle, id, min({started}) AS instant FROM {schema}.element WHERE kind = {activity} GROUP BY ALL"
    generated = (
        f"SELECT g.bundle, g.a1 AS id, min(coalesce({instant('g.time')}, a.instant)) AS instant FROM {schema}.relation g "
        f"LEFT JOIN ({activities}) a ON a.bundle = g.bundle AND a.id = g.a2 "
        f"WHERE g.kind = {KIND_BY_NAME['wasGeneratedBy'].number} GROUP BY ALL"
    )
    things = (
        f"SELECT bundle, id, kind, any_value({name} ORDER BY rowid) AS name FROM {schema}.element "
        f"WHERE kind IN ({entity}, {activity}) GROUP BY ALL"
    )
    return (
        f"SELECT e.name, CASE e.kind WHEN {activity} THEN a.instant ELSE g.instant END AS instant FROM ({things}) e "
        f"LEFT JOIN ({activities}) a ON a.bundle = e.bundle AND a.id = e.id "
        f"LEFT JOIN ({generated}) g ON g.bundle = e.bundle AND g.id = e.id"
    )


def _arranged(step: tuple[int, str], starts: list[datetime], rows: list[tuple[datetime, str, int]]) -> Counts:
    """The counts of the most frequent names; the others are one."""
    totals: dict[str, int] = {}
    for _, name, count in rows:
        totals[name] = totals.get(name, 0) + count
    names = sorted(totals, key=lambda name: (-totals[name], name))
    kept = names if len(names) <= _MOST_SERIES + 1 else names[:_MOST_SERIES]
    rest = f"{len(names) - len(kept)} others"
    places = {start: place for place, start in enumerate(starts)}
    series = {name: [0] * len(starts) for name in [*kept, *([rest] if len(kept) < len(names) else [])]}
    for start, name, count in rows:
        series[name if name in series else rest][places[start]] += count
    return Counts(step, [start.replace(tzinfo=UTC) for start in starts], series)


def _drawing(counts: Counts) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="Helvetica,Arial,sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#FFFFFF"/>',
    ]
    if not counts.starts:
        parts.append(_text(_WIDTH / 2, _HEIGHT / 2, "Nothing in this document has a time.", "middle"))
    else:
        count, unit = counts.step
        each = f"each {unit}" if count == 1 else f"every {count} {unit}s"
        parts.append(_text(_LEFT, 28, f"What came to be over time, {each} (UTC)", size=16))
        most = max(map(sum, zip(*counts.series.values(), strict=True)))
        parts += [*_grid(most), *_bars(counts, most), *_moments(counts), *_legend(counts)]
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{_escaped(text)}</text>'


def _escaped(text: str) -> str:
    """Text of a type, which may be any, as XML 1.0 can hold it."""
    allowed = (c if c >= " " and c not in "\x7f\ufffe\uffff" else " " for c in text)
    return escape("".join(allowed))


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)


def nice_step(most: int) -> int:
    """Return the distance of some five lines up to a count: 1, 2 or 5 times a power of ten.

    >>> [nice_step(most) for most in (0, 3, 20, 999)]
    [1, 1, 5, 200]
    """
    size = 1
    while True:
        for digit in (1, 2, 5):
            if digit * size * 5 >= most:
                return digit * size
        size *= 10


def _top(most: int) -> int:
    step = nice_step(most)
    return max(step, -(-most // step) * step)


def _grid(most: int) -> list[str]:
    parts = []
    for value in range(0, _top(most) + 1, nice_step(most)):
        y = _y(value, _top(most))
        color = "#404040" if value == 0 else "#E0E0E0"
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="{color}"/>'
        )
        parts.append(_text(_LEFT - 8, y + 4, f"{value:,}", "end"))
    return parts


def _bars(counts: Counts, most: int) -> list[str]:
    parts = []
    width = (_WIDTH - _LEFT - _RIGHT) / len(counts.starts)
    drawn = min(width * 0.9, 60.0)
    reached = [0] * len(counts.starts)
    for number, (name, values) in enumerate(counts.series.items()):
        for place, value in enumerate(values):
            if not value:
                continue
            low, high = _y(reached[place], _top(most)), _y(reached[place] + value, _top(most))
            reached[place] += value
            x = _LEFT + width * place + (width - drawn) / 2
            told = f"{_moment(counts.starts[place], counts.step[1])}: {value:,} {name}"
            parts.append(
                f'<rect x="{x:.2f}" y="{high:.2f}" width="{drawn:.2f}" height="{low - high:.2f}" '
                f'fill="{_COLORS[number]}"><title>{_escaped(told)}</title></rect>'
            )
    return parts


_FORMATS = {"month": "%Y-%m", "year": "%Y", "day": "%Y-%m-%d", "second": "%Y-%m-%d %H:%M:%S"}


def _moment(start: datetime, unit: str) -> str:
    text = start.strftime(_FORMATS.get(unit, "%Y-%m-%d %H:%M"))
    return text.lstrip("0") if unit == "year" else text


def _moments(counts: Counts) -> list[str]:
    """Up to six moments below the bars, dates and times on two lines."""
    parts = []
    width = (_WIDTH - _LEFT - _RIGHT) / len(counts.starts)
    every = -(-len(counts.starts) // 6)
    for place in range(0, len(counts.starts), every):
        x, y = _LEFT + width * (place + 0.5), _HEIGHT - _BOTTOM
        parts.append(f'<line x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{y + 5}" stroke="#404040"/>')
        for line, text in enumerate(_moment(counts.starts[place], counts.step[1]).split(" ")):
            parts.append(_text(x, y + 20 + 15 * line, text, "middle"))
    return parts


def _legend(counts: Counts) -> list[str]:
    parts = []
    x = _WIDTH - _RIGHT + 20
    for number, (name, values) in enumerate(counts.series.items()):
        y = _TOP + 20 * number
        shown = name if len(name) <= _LONGEST else f"{name[:18]}…{name[-11:]}"
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{_COLORS[number]}"/>')
        parts.append(_text(x + 18, y + 10, f"{shown} ({sum(values):,})"))
    return parts
