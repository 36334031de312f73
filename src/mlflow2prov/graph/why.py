"""Why a thing is as it is: one page for a person, with what is missing in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.pages import Page, Part
from mlflow2prov.graph.questions import Asking, Walk, types_in
from mlflow2prov.graph.references import resolve
from mlflow2prov.graph.values import rows_of
from mlflow2prov.graph.why_parts import GAPS, SECTIONS, Gap

Differ = Callable[[str, str], str]
"""Returns the difference of all files between two commits, by their full names."""

_SUBJECT = """
    WITH thing AS (SELECT $thing::INTEGER AS id),
    made AS (SELECT entity AS id, activity AS creation FROM {wasGeneratedBy}),
    asked AS (
        SELECT 0 AS rank, t.id AS version, m.run, m.creation FROM thing t JOIN {RegisteredModelVersion} v ON v.id = t.id
        LEFT JOIN {made_of} m ON m.version = v.id
        UNION ALL SELECT 1, d.usedEntity, m.run, m.creation FROM thing t JOIN {RegisteredModelAlias} a ON a.id = t.id
        JOIN {wasDerivedFrom} d ON d.generatedEntity = a.id JOIN {RegisteredModelVersion} v ON v.id = d.usedEntity
        LEFT JOIN {made_of} m ON m.version = v.id
        UNION ALL SELECT 2, NULL, x.run, x.creation FROM thing t JOIN {execution} x ON t.id IN (x.run, x.creation)
        UNION ALL SELECT 3, NULL, x.run, x.creation FROM thing t JOIN made g ON g.id = t.id
        JOIN {execution} x ON x.creation = g.creation
        WHERE t.id IN (SELECT id FROM {LoggedModel} UNION SELECT id FROM {ModelArtifact})
    )
    SELECT t.id AS thing, a.version, a.run, a.creation, min(c.commit) AS commit, min(p.revision) AS script
    FROM thing t LEFT JOIN (SELECT * FROM asked ORDER BY rank, version, run LIMIT 1) a ON true
    LEFT JOIN {run_commit} c ON c.run = a.run LEFT JOIN {run_script} p ON p.run = a.run GROUP BY ALL
"""
_BEFORE = """
    WITH numbered AS (SELECT v.id, o.generalEntity AS model, TRY_CAST(v.version AS BIGINT) AS number
        FROM {RegisteredModelVersion: version} v JOIN {specializationOf} o ON o.specificEntity = v.id),
    earlier AS (
        SELECT b.id AS version, m.run, m.creation FROM {subject} s JOIN numbered n ON n.id = s.version
        JOIN numbered b ON b.model = n.model AND b.number < n.number JOIN {made_of} m ON m.version = b.id
        WHERE m.run <> s.run ORDER BY b.number DESC, m.run LIMIT 1),
    same AS (
        SELECT NULL::INTEGER AS version, y.run, y.creation FROM {subject} s JOIN {run_experiment} e ON e.run = s.run
        JOIN {run_experiment} o ON o.experiment = e.experiment JOIN {execution} y ON y.run = o.run
        JOIN {Creation} c ON c.id = y.creation JOIN {Creation} mine ON mine.id = s.creation
        JOIN {Run: status} r ON r.id = y.run LEFT JOIN {run_script} q ON q.run = y.run
        LEFT JOIN {specializationOf} f ON f.specificEntity = q.revision
        LEFT JOIN {specializationOf} g ON g.specificEntity = s.script
        WHERE s.version IS NULL AND c.start_time < mine.start_time AND r.status = 'FINISHED'
        AND f.generalEntity IS NOT DISTINCT FROM g.generalEntity ORDER BY c.start_time DESC, y.run LIMIT 1)
    SELECT b.version, b.run, b.creation, min(c.commit) AS commit
    FROM (SELECT * FROM earlier UNION ALL SELECT * FROM same) b LEFT JOIN {run_commit} c ON c.run = b.run GROUP BY ALL
"""
_COMMITS = {
    "mine": Walk(begin="SELECT commit FROM {subject}", kind="wasInformedBy", type="Commit"),
    "theirs": Walk(begin="SELECT before_commit FROM {subject}", kind="wasInformedBy", type="Commit"),
}


def why(graph: Graph, reference: str, differ: Differ | None = None) -> Page:
    """Return the page about a thing: a version, a run, a model, or anything else in any PROV document.

    Args:
        graph: in which.
        reference: see :mod:`mlflow2prov.graph.references`.
        differ: tells the difference of files between two commits; without it, only their names are told.

    Raises:
        UsageError: the reference is unknown or ambiguous.

    >>> from prov.model import ProvDocument
    >>> document = ProvDocument()
    >>> _ = document.add_namespace("ex", "http://example.org/")
    >>> _ = document.wasAttributedTo(document.entity("ex:report"), document.agent("ex:ada"))
    >>> page = why(Graph.from_prov(document), "ex:report")
    >>> page.title, page.facts["completeness"]["known"], page.facts["completeness"]["missing"]
    ('Why ex:report', 1, 2)
    """
    found = resolve(graph, reference)
    if not graph.query(f"SELECT 1 FROM {{graph}}.element WHERE id = {found.id} LIMIT 1"):
        raise UsageError(f"{found.identifier} is named in the document, but not described")
    with graph.store.scratch("why") as scratch:
        telling = Telling(graph, scratch, [*(one.sql for one in SECTIONS), *(one.known for one in GAPS)])
        telling.look_at(found.id)
        telling.look_before()
        return telling.page(found.label, found.identifier, differ)


class Telling:
    """Finds what a page says, in a scratch schema."""

    def __init__(self, graph: Graph, scratch: str, texts: Iterable[str]) -> None:
        """Gather the elements of the types that stand in some SQL."""
        self.asking, self.scratch, self.run = Asking(graph, scratch), scratch, graph.store.run
        self.subject: dict[str, Any] = {}
        self.asking.gather({type_ for text in (_SUBJECT, _BEFORE, *texts) for type_ in types_in(text)})

    def look_at(self, thing: int, name: str = "subject") -> None:
        """Make the table of what the page is about."""
        asking = self.asking
        asking.tables |= {name}
        asking.run(f"CREATE TABLE {self.scratch}.{name} AS {asking.expand(_SUBJECT)}", {"thing": thing})
        columns, rows = self.rows(f"SELECT * FROM {{{name}}}")
        self.subject = dict(zip(columns, rows[0], strict=True))

    def reach_past(self, name: str, subject: str) -> None:
        """Make the table of the commit of a subject and all commits before it."""
        begin = f"SELECT commit FROM {{{subject}}}"
        self.asking.reach(name, Walk(begin=begin, kind="wasInformedBy", type="Commit"), {})
        self.asking.tables |= {name}

    def look_before(self) -> None:
        """Add to the subject what was before it, and make the table of the commits since."""
        asking = self.asking
        asking.tables |= {"before", "new_commits"}
        asking.run(f"CREATE TABLE {self.scratch}.before AS {asking.expand(_BEFORE)}", {})
        asking.run(
            asking.expand(
                f"CREATE OR REPLACE TABLE {self.scratch}.subject AS SELECT s.*, b.version AS before_version, "
                "b.run AS before_run, b.creation AS before_creation, b.commit AS before_commit "
                "FROM {subject} s LEFT JOIN {before} b ON true"
            ),
            {},
        )
        for name, walk in _COMMITS.items():
            asking.reach(name, walk, {})
        self.run(
            f"CREATE TABLE {self.scratch}.new_commits AS SELECT id FROM {self.scratch}.mine "
            f"WHERE id NOT IN (SELECT id FROM {self.scratch}.theirs) "
            f"AND EXISTS (SELECT 1 FROM {self.scratch}.theirs)"
        )
        columns, rows = self.rows("SELECT * FROM {subject}")
        self.subject = dict(zip(columns, rows[0], strict=True))

    def rows(self, sql: str) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
        """The headings and the rows of a query with braces."""
        table = self.asking.graph.store.arrow(self.asking.expand(sql))
        return tuple(table.column_names), tuple(map(tuple, rows_of(table)))

    def is_about(self, about: str) -> bool:
        """Whether a section or a gap is about such a thing."""
        is_model = self.subject["run"] is not None or self.subject["version"] is not None
        return {
            "thing": True,
            "other": not is_model,
            "model": is_model,
            "version": self.subject["version"] is not None,
        }[about]

    def page(self, label: str, identifier: str, differ: Differ | None) -> Page:
        """The page, whose last part tells what is missing."""
        gaps = [(gap, self._known(gap)) for gap in GAPS if self.is_about(gap.about)]
        known = sum(1 for _, is_known in gaps if is_known)
        missing = [gap for gap, is_known in gaps if is_known is False]
        of = known + len(missing)
        score = round(100 * known / of) if of else 100
        before = self._before()
        summary = f"{identifier}. Its provenance is {score} % complete: {known} of {of} things are known."
        summary = summary if of else f"{identifier}. `impact` tells what came of it."
        parts = [*self._sections(before), *self._difference(differ), _gaps_part(missing, score)]
        facts = {
            "identifier": identifier,
            "completeness": {"per_cent": score, "known": known, "missing": len(missing)},
            "before": before,
        }
        return Page(title=f"Why {label}", summary=summary, facts=facts, parts=tuple(parts))

    def _known(self, gap: Gap) -> bool | None:
        rows = self.rows(gap.known)[1]
        return None if not rows or rows[0][0] is None else bool(rows[0][0])

    def _before(self) -> str | None:
        id_ = self.subject["before_version"] or self.subject["before_run"]
        if id_ is None:
            return None
        return str(self.rows(f"SELECT label FROM {{anything}} WHERE id = {id_}")[1][0][0])

    def _sections(self, before: str | None) -> list[Part]:
        made = []
        for one in SECTIONS:
            if not self.is_about(one.about):
                continue
            columns, rows = self.rows(one.sql)
            if not rows and not one.empty:
                continue
            title = one.title
            if before and "the version before" in title:
                title = title.replace("the version before", before)
            note = "" if rows else one.empty
            if rows and before and one.name in ("params", "metrics", "data"):
                note = f"Before is {before}."
            made.append(Part(name=one.name, title=title, columns=columns, rows=rows, note=note))
        return made

    def _difference(self, differ: Differ | None) -> list[Part]:
        ids = (self.subject["before_commit"], self.subject["commit"])
        if differ is None or None in ids or ids[0] == ids[1]:
            return []
        shas = dict(self.rows(f"SELECT id, sha FROM {{Commit: sha}} WHERE id IN ({ids[0]}, {ids[1]})")[1])
        text = differ(shas[ids[0]], shas[ids[1]])
        title = f"What changed in the files, {shas[ids[0]][:12]} to {shas[ids[1]][:12]}"
        return [Part(name="difference", title=title, text=text, note="" if text else "Nothing.")]


def _gaps_part(missing: list[Gap], score: int) -> Part:
    rows = tuple((gap.missing, gap.mend) for gap in missing)
    note = "" if rows else "Nothing that this page asks for."
    return Part(
        name="missing",
        title=f"What is missing ({score} % complete)",
        columns=("missing", "mend"),
        rows=rows,
        note=note,
    )
