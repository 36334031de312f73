"""Questions: each one declaration, with SQL in which braces name what the graph has.

In the SQL of a question stand, in braces, as tables to select from:

- a kind of relation, such as ``{used}``: its formal arguments as PROV-DM names them, ``time``, ``role``;
- a type of the vocabulary with attributes, such as ``{Run: name, status, tags[]}``: ``id``, ``label``,
  ``start_time``, ``end_time`` and the attributes as text, ``[]`` makes lists of all values; a ``Run`` has
  its ``run_id`` anyway;
- ``{anything}``: ``id``, ``label``, ``type``, ``kind``, ``start_time`` and ``end_time`` of every element;
- a shared piece of SQL of :data:`PIECES`, such as ``{live}``; or a walk of the question itself.

Parameters are ``$name``: the number of an identifier where a reference is asked for, else a value.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.references import resolve
from mlflow2prov.graph.vocabulary import NAME, Words
from mlflow2prov.prov.instants import instant_of
from mlflow2prov.prov.records import ELEMENT_KINDS, KIND_BY_NAME, RELATION_KINDS

if TYPE_CHECKING:
    import pyarrow as pa

REFERENCE_TYPES: dict[str, tuple[str, ...]] = {
    "model version": ("RegisteredModelVersion",),
    "run": ("Run",),
    "commit": ("Commit",),
    "file": ("File",),
    "dataset": ("Dataset", "EvaluationDataset"),
    "person": ("User",),
    "experiment": ("Experiment",),
    "registered model": ("RegisteredModel",),
}
"""The kinds of parameters that are references, and the types that they have to mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What a question wants to know first.

    Attributes:
        name: as it is given, and as it stands in the SQL.
        kind: a key of ``REFERENCE_TYPES``, or ``text``, ``number``, ``time``, ``version``.
        doc: one sentence.
        example: a value for the demo project.
        default: where it is not given; it is needed where there is none, unless it ``may_be_missing``.
        may_be_missing: it is NULL where it is not given.
        choices: the only values, where there are such.
    """

    name: str
    kind: str
    doc: str
    example: str
    default: str | None = None
    may_be_missing: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What is reached from some elements along one kind of relation, however far.

    Attributes:
        begin: SQL of the ``id`` to begin with.
        kind: the kind of relation.
        type: the type that both of its ends have.
        forward: from its first argument to its second; else the other way.
    """

    begin: str
    kind: str
    type: str
    forward: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question that the program can answer about every graph.

    Attributes:
        name: how it is asked.
        topic: under which it is listed.
        title: in words.
        about: the types without which there is nothing to answer.
        parameters: in the order in which they are listed.
        walks: by the names that they have in the SQL.
        sql: with braces (see the module).
        columns: what each column of the answer tells.
        varies: columns that tell what is another each time that the demo project is made.
        note: what else a reader has to know.
    """

    name: str
    topic: str
    title: str
    about: tuple[str, ...]
    columns: dict[str, str]
    sql: str
    parameters: tuple[Parameter, ...] = ()
    walks: Mapping[str, Walk] = field(default_factory=dict)
    varies: tuple[str, ...] = ()
    note: str = ""


ENDED = "(SELECT DISTINCT entity AS id FROM {wasInvalidatedBy})"

PIECES: dict[str, str] = {
    "ended": ENDED,
    "execution": "(SELECT r.id AS run, g.activity AS creation FROM {Run} r JOIN {wasGeneratedBy} g ON g.entity = r.id)",
    "version_run": "(SELECT DISTINCT v.id AS version, x.run, x.creation FROM {RegisteredModelVersion} v "
    "JOIN {wasGeneratedBy} g ON g.entity = v.id JOIN {wasInformedBy} i ON i.informed = g.activity "
    "JOIN {execution} x ON x.creation = i.informant)",
    "run_commit": "(SELECT DISTINCT x.run, x.creation, c.id AS commit FROM {execution} x "
    "JOIN {wasInformedBy} i ON i.informed = x.creation JOIN {Commit} c ON c.id = i.informant)",
    "run_script": "(SELECT DISTINCT x.run, x.creation, u.entity AS revision FROM {execution} x "
    "JOIN {used} u ON u.activity = x.creation WHERE u.role = 'EntryPoint')",
    "run_code": "(SELECT DISTINCT x.run, u.entity AS revision, u.role FROM {execution} x "
    "JOIN {used} u ON u.activity = x.creation WHERE u.role IN ('EntryPoint', 'ImportedModule', 'ProjectFile'))",
    "run_person": "(SELECT DISTINCT x.run, a.agent AS person FROM {execution} x "
    "JOIN {wasAssociatedWith} a ON a.activity = x.creation WHERE a.agent IS NOT NULL)",
    "run_data": "(SELECT DISTINCT x.run, u.entity AS dataset, u.role FROM {execution} x "
    "JOIN {used} u ON u.activity = x.creation JOIN {Dataset} d ON d.id = u.entity)",
    "run_experiment": "(SELECT m.entity AS run, m.collection AS experiment FROM {hadMember} m "
    "JOIN {Experiment} e ON e.id = m.collection JOIN {Run} r ON r.id = m.entity)",
    "run_metric": "(SELECT r.id AS run, k.id AS metric, k.name, TRY_CAST(k.value AS DOUBLE) AS value, k.step "
    "FROM {Metric: name, value, step, is_latest} k JOIN {hadMember} m ON m.entity = k.id "
    "JOIN {Run} r ON r.id = m.collection WHERE coalesce(k.is_latest, 'true') = 'true')",
    "pointed": "(SELECT d.usedEntity AS version, list(DISTINCT a.name ORDER BY a.name) AS aliases "
    "FROM {RegisteredModelAlias: name} a JOIN {wasDerivedFrom} d ON d.generatedEntity = a.id "
    "WHERE a.id NOT IN (SELECT id FROM {ended}) GROUP BY d.usedEntity)",
    "live": "(SELECT v.id AS version, v.label AS model, v.stage, "
    "list_distinct(list_concat(coalesce(p.aliases, []), v.aliases)) AS aliases "
    "FROM {RegisteredModelVersion: stage, aliases[]} v LEFT JOIN {pointed} p ON p.version = v.id "
    "WHERE v.id NOT IN (SELECT id FROM {ended}) AND (p.version IS NOT NULL OR len(v.aliases) > 0 "
    "OR v.stage IN ('Staging', 'Production')))",
    "made_of": "(SELECT DISTINCT version, run, creation FROM {version_run} UNION "
    "SELECT d.generatedEntity, x.run, x.creation FROM {wasDerivedFrom} d "
    "JOIN {RegisteredModelVersion} v ON v.id = d.generatedEntity "
    "JOIN {wasGeneratedBy} g ON g.entity = d.usedEntity JOIN {execution} x ON x.creation = g.activity)",
    # Of versions, copies of them and logged models: the logged model, and the run that made it.
    "own_model": "(WITH RECURSIVE w AS (SELECT l.id, l.id AS model FROM {LoggedModel} l UNION "
    "SELECT d.generatedEntity, w.model FROM w JOIN {wasDerivedFrom} d ON d.usedEntity = w.id "
    "JOIN {RegisteredModelVersion} v ON v.id = d.generatedEntity) "
    "SELECT w.id, w.model, x.run FROM w LEFT JOIN {wasGeneratedBy} g ON g.entity = w.model "
    "LEFT JOIN {execution} x ON x.creation = g.activity)",
    "recorded_by": "(SELECT version AS id, run FROM {made_of} UNION SELECT run, run FROM {execution} UNION "
    "SELECT id, run FROM {own_model} WHERE id = model)",
    "own_param": "(SELECT DISTINCT o.id, k.name, k.value FROM {own_model} o JOIN {hadMember} h ON h.collection = o.model "
    "JOIN {Param: name, value} k ON k.id = h.entity)",
    # Of a version, a logged model or a run: what is recorded of the model itself comes before what is of its run.
    "known_param": "(SELECT id, name, value FROM {own_param} UNION SELECT b.id, k.name, k.value FROM {recorded_by} b "
    "JOIN {hadMember} h ON h.collection = b.run JOIN {Param: name, value} k ON k.id = h.entity "
    "ANTI JOIN {own_param} o ON o.id = b.id AND o.name = k.name)",
    "model_metric": "(SELECT h.collection AS model, x.run, k.id AS metric, k.name, TRY_CAST(k.value AS DOUBLE) AS value, "
    "k.step FROM {Metric: name, value, step, is_latest} k JOIN {hadMember} h ON h.entity = k.id "
    "JOIN {LoggedModel} l ON l.id = h.collection JOIN {wasGeneratedBy} g ON g.entity = k.id "
    "JOIN {execution} x ON x.creation = g.activity WHERE coalesce(k.is_latest, 'true') = 'true')",
    # A metric of the run that was measured of another model of it, such as a later checkpoint, is none of this one's.
    "known_metric": "(SELECT o.id, k.metric, k.name, k.value, k.step FROM {own_model} o JOIN {model_metric} k "
    "ON k.model = o.model AND k.run = o.run UNION SELECT b.id, k.metric, k.name, k.value, k.step FROM {recorded_by} b "
    "JOIN {run_metric} k ON k.run = b.run ANTI JOIN (SELECT o.id, t.name FROM {own_model} o JOIN {own_model} i "
    "ON i.run = o.run AND i.id = i.model JOIN {model_metric} t ON t.model = i.model AND t.run = i.run) a "
    "ON a.id = b.id AND a.name = k.name)",
    "made_in": "(SELECT DISTINCT version, creation FROM {made_of} UNION "
    "SELECT d.generatedEntity, g.activity FROM {wasDerivedFrom} d "
    "JOIN {RegisteredModelVersion} v ON v.id = d.generatedEntity JOIN {wasGeneratedBy} g ON g.entity = d.usedEntity)",
    "needs": "(SELECT DISTINCT m.version, e.id AS environment, "
    "lower(regexp_replace(regexp_extract(q.r, '^[A-Za-z0-9._-]+'), '[-_.]+', '-', 'g')) AS package, "
    "regexp_extract(q.r, '===?\\s*([0-9][^\\s;,]*)', 1) AS pinned, q.r AS requirement "
    "FROM {made_of} m JOIN {used} u ON u.activity = m.creation "
    "JOIN {Environment: requirements[]} e ON e.id = u.entity, unnest(e.requirements) q(r))",
}
"""SQL that several questions share."""

_BRACES = re.compile(r"\{(\w+)(?::\s*([^}]*))?\}")
_RELATIONS = {kind.name for kind in RELATION_KINDS}


def questions() -> dict[str, Question]:
    """Return every question by its name, in the order in which they are listed.

    >>> questions()["models-of-dataset"].parameters[0].name
    'dataset'
    """
    from mlflow2prov.graph import questions_code, questions_data, questions_models, questions_runs

    topics = (questions_models, questions_code, questions_data, questions_runs)
    return {one.name: one for topic in topics for one in topic.QUESTIONS}


def ask(graph: Graph, name: str, parameters: Mapping[str, str] | None = None) -> pa.Table:
    """Return the answer to a question as an Arrow table.

    Raises:
        UsageError: there is no such question, or a parameter is missing, unknown, or means something else.
    """
    question = named(name)
    given = checked(question, parameters or {})
    values = {one.name: _value(graph, question, one, given.get(one.name)) for one in question.parameters}
    with _asked(graph, question, values) as answer:
        return graph.store.arrow(f"SELECT * FROM {answer} ORDER BY rowid")


def named(name: str) -> Question:
    """Return the question of that name; hyphens and underscores are the same.

    Raises:
        UsageError: there is none.
    """
    from difflib import get_close_matches

    there, wanted = questions(), name.lower().replace("_", "-")
    if wanted not in there:
        near = get_close_matches(wanted, there, 3, 0.5)
        hint = f"; the nearest are: {', '.join(near)}" if near else ""
        raise UsageError(f"no question {name!r}{hint}; ask --list shows all {len(there)}")
    return there[wanted]


def checked(question: Question, given: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters with their defaults, without a look at any graph.

    Raises:
        UsageError: one is missing, unknown, empty, or no value of its kind.
    """
    names = [one.name for one in question.parameters]
    for word in given:
        if word not in names:
            there = f"it takes {', '.join(names)}" if names else "it takes none"
            raise UsageError(f"{question.name} has no parameter {word!r}: {there}")
    result: dict[str, str] = {}
    for one in question.parameters:
        value = given.get(one.name, one.default)
        if value is None:
            if not one.may_be_missing:
                raise UsageError(
                    f"{question.name} needs the parameter {one.name} ({one.kind}): {one.doc} "
                    f"Such as --param {one.name}={one.example}"
                )
            continue
        if not value.strip():
            raise UsageError(f"the parameter {one.name} of {question.name} is empty")
        value = value if one.kind in REFERENCE_TYPES else value.strip()
        _plain_value(one, value)
        result[one.name] = value
    return result


def _plain_value(one: Parameter, value: str) -> Any:
    """The value of a parameter that is no reference."""
    if one.kind == "time":
        return instant_of(f"the parameter {one.name}", value)
    if one.kind == "number":
        if not re.fullmatch(r"[0-9]{1,9}", value) or not int(value):
            raise UsageError(f"the parameter {one.name} is {value!r}, but has to be a whole number from 1 on")
        return int(value)
    if one.kind == "version" and not re.match(r"[0-9]+(\.[0-9]+)*", value):
        raise UsageError(f"the parameter {one.name} is {value!r}, which is no version such as 1.4")
    if one.choices and value not in one.choices:
        raise UsageError(f"the parameter {one.name} is {value!r}; there is: {', '.join(one.choices)}")
    return value


def _value(graph: Graph, question: Question, one: Parameter, value: str | None) -> Any:
    if value is None:
        return None
    if one.kind not in REFERENCE_TYPES:
        return _plain_value(one, value)
    found = resolve(graph, value)
    types, words = REFERENCE_TYPES[one.kind], Words(graph)
    fits, shown = graph.query(
        f"SELECT coalesce(bool_or({words.has_type(*types)}), false), first(({words.types()})[1]) "
        f"FROM {{graph}}.element WHERE id = {found.id}"
    )[0]
    if not fits:
        raise UsageError(
            f"the parameter {one.name} of {question.name} has to be a {one.kind}; {value!r} is {found.label}, "
            f"{found.identifier}{f' ({shown})' if shown else ''}"
        )
    return found.id


@contextmanager
def _asked(graph: Graph, question: Question, values: Mapping[str, Any]) -> Iterator[str]:
    """The table of the answer, for the ``with`` block."""
    with graph.store.scratch("question") as scratch:
        Asking(graph, scratch).answer(question, values)
        yield f"{scratch}.answer"


def missing_types(graph: Graph, question: Question) -> list[str]:
    """Return the types that the question is about, and that nothing in the graph has."""
    words = Words(graph)
    tests = ", ".join(f"coalesce(bool_or({words.has_type(type_)}), false)" for type_ in question.about)
    found = graph.query(f"SELECT {tests} FROM {{graph}}.element")[0] if tests else ()
    return [type_ for type_, is_there in zip(question.about, found, strict=True) if not is_there]


class Asking:
    """Makes SQL of braces, and what stands behind them, in a scratch schema.

    What is held is a copy of the elements that have one of the types in question.
    """

    def __init__(self, graph: Graph, scratch: str) -> None:
        self.graph, self.scratch, self.words = graph, scratch, Words(graph)
        self._elements = f"{graph.schema}.element"
        self.walks: dict[str, Walk] = {}
        self.tables: set[str] = set()
        """Names of further tables in the scratch schema that may stand in braces."""

    def answer(self, question: Question, values: Mapping[str, Any]) -> None:
        """Make the table ``answer``."""
        self.walks = dict(question.walks)
        texts = [question.sql, *(walk.begin for walk in self.walks.values())]
        types = {walk.type for walk in self.walks.values()}
        self.gather(types | {word for text in texts for word in types_in(text)})
        for name, walk in self.walks.items():
            self.reach(name, walk, values)
        self.run(f"CREATE TABLE {self.scratch}.answer AS {self.expand(question.sql)}", values)

    def run(self, sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run a statement with those of the parameters that stand in it."""
        used = {name: value for name, value in values.items() if re.search(rf"\${name}\b", sql)}
        return self.graph.store.run(sql, used or None)  # type: ignore[arg-type]

    def gather(self, types: set[str]) -> None:
        """Make ``thing``: the elements that have one of the types, each identifier once."""
        wanted = sorted(types)
        spelled = [f"'{one}'" for type_ in wanted for one in self.words.spelled(type_)]
        whole = f"list_filter({self.words.types()}, lambda t: t IN ({', '.join(spelled) or 'NULL'}))"
        words = f"list_distinct(list_transform({whole}, lambda t: {self.words.word('t')}))"
        self._unify()
        self.graph.store.run(
            f"CREATE TABLE {self.scratch}.thing AS SELECT id, {words} AS words, start_time, end_time, attributes "
            f"FROM {self._elements} WHERE {self.words.has_type(*wanted) if wanted else 'false'}"
        )

    def _unify(self) -> None:
        """Make one row of several descriptions of an identifier, also in several bundles."""
        elements, run = self._elements, self.graph.store.run
        total, distinct = run(f"SELECT count(*), count(DISTINCT id) FROM {elements}")[0]
        if total != distinct:
            self._elements = f"{self.scratch}.described"
            run(
                f"CREATE TABLE {self._elements} AS SELECT id, min(kind) AS kind, max(start_time) AS start_time, "
                "max(end_time) AS end_time, flatten(list(attributes ORDER BY bundle, rowid)) AS attributes "
                f"FROM {elements} GROUP BY id"
            )

    def expand(self, sql: str) -> str:
        """Return the SQL without braces."""
        return _BRACES.sub(self._table, sql)

    def _table(self, found: re.Match[str]) -> str:
        name, attributes = found[1], found[2]
        if name in _RELATIONS:
            return self._relation(name)
        if name in PIECES:
            return self.expand(PIECES[name])
        if name in self.walks or name in self.tables:
            return f"{self.scratch}.{name}"
        if name == "anything":
            return self._anything()
        listed = [one.strip() for one in (attributes or "").split(",") if one]
        listed += ["run_id"] if name == "Run" else []
        columns = "".join(f", {self._attribute(one)}" for one in listed)
        times = (
            "TRY_CAST(start_time AS TIMESTAMPTZ) AS start_time, TRY_CAST(end_time AS TIMESTAMPTZ) AS end_time"
        )
        return (
            f"(SELECT id, {self.words.label()} AS label, {times}{columns} FROM {self.scratch}.thing "
            f"WHERE list_contains(words, '{name}'))"
        )

    def _attribute(self, name: str) -> str:
        if name.endswith("[]"):
            return f'{self.words.values(name[:-2])} AS "{name[:-2]}"'
        return f'{self.words.value(name)} AS "{name}"'

    def _relation(self, name: str) -> str:
        kind = KIND_BY_NAME[name]
        arguments = ", ".join(f'a{n} AS "{one}"' for n, one in enumerate(kind.references, 1))
        role = self.words.word(self.words.role())
        return (
            f"(SELECT {arguments}, TRY_CAST(time AS TIMESTAMPTZ) AS time, {role} AS role "
            f"FROM {self.graph.schema}.relation WHERE kind = {kind.number})"
        )

    def _anything(self) -> str:
        kinds = " ".join(f"WHEN {kind.number} THEN '{kind.name}'" for kind in ELEMENT_KINDS)
        return (
            f"(SELECT e.id, coalesce({self.words.label()}, {NAME}) AS label, "
            f"coalesce({self.words.word(f'({self.words.types()})[1]')}, CASE kind {kinds} END) AS type, "
            f"CASE kind {kinds} END AS kind, TRY_CAST(start_time AS TIMESTAMPTZ) AS start_time, "
            "TRY_CAST(end_time AS TIMESTAMPTZ) AS end_time "
            f"FROM {self._elements} e JOIN {self.graph.schema}.name n ON n.id = e.id)"
        )

    def reach(self, name: str, walk: Walk, values: Mapping[str, Any]) -> None:
        """Make the table of a walk; it takes some 0.3 µs for each relation of its kind between such elements."""
        import pyarrow as pa

        begin = [row[0] for row in self.run(self.expand(walk.begin), values) if row[0] is not None]
        near = self.expand(f"{{{walk.type}}}")
        pairs = self.graph.store.run(
            f"SELECT a1, a2 FROM {self.graph.schema}.relation WHERE kind = {KIND_BY_NAME[walk.kind].number} "
            f"AND a1 IN (SELECT id FROM {near}) AND a2 IN (SELECT id FROM {near})"
        )
        reached = sorted(_reached(begin, pairs, forward=walk.forward))
        self.graph.store.run(f"CREATE TABLE {self.scratch}.{name} (id INTEGER)")
        self.graph.store.append(f"{self.scratch}.{name}", pa.table({"id": pa.array(reached, pa.int32())}))


def _reached(begin: list[int], pairs: list[tuple[Any, ...]], *, forward: bool) -> set[int]:
    """What is reached from some numbers along pairs, themselves among it."""
    beyond: dict[int, list[int]] = defaultdict(list)
    for first, second in pairs:
        beyond[first if forward else second].append(second if forward else first)
    seen, waiting = set(begin), list(begin)
    while waiting:
        for one in beyond.get(waiting.pop(), ()):
            if one not in seen:
                seen.add(one)
                waiting.append(one)
    return seen


def types_in(sql: str) -> set[str]:
    """Return the types of the vocabulary that stand in braces, those of pieces among them.

    >>> sorted(types_in("SELECT * FROM {run_commit} JOIN {User: name} ON true"))
    ['Commit', 'Run', 'User']
    """
    found: set[str] = set()
    for name, _ in _BRACES.findall(sql):
        if name in PIECES:
            found |= types_in(PIECES[name])
        elif name[0].isupper():
            found.add(name)
    return found
