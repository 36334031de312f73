"""SQL of what things are called: rows of ``(id, handle)``, with a ``rank`` where some fit better than others."""

from __future__ import annotations

from collections.abc import Iterable

from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.graph.vocabulary import NAME, Words
from mlflow2prov.prov.records import KIND_BY_NAME, RELATION_KINDS

_NUMBER = {name: kind.number for name, kind in KIND_BY_NAME.items()}
_PLACES_OF_ELEMENTS = {
    column: [
        kind.number
        for kind in RELATION_KINDS
        if position < len(kind.references)
        and kind.references[position] not in ("generation", "usage", "bundle")
    ]
    for position, column in enumerate(ARGUMENT_COLUMNS[:3])
}
"""The columns of relations in which elements stand, and the kinds of which they do."""


class Rows:
    """Makes SQL of the rows of each kind of reference, over the elements that may be meant, or over all."""

    def __init__(self, graph: Graph, words: Words, scratch: str, elements: str | None = None) -> None:
        self.graph, self.words, self.scratch = graph, words, scratch
        self.elements = elements or f"{scratch}.candidate"
        self.is_everything = elements is not None

    def of_everything(self) -> Rows:
        """Return the same over all elements of the graph."""
        return Rows(self.graph, self.words, self.scratch, f"{self.graph.schema}.element")

    def gather(self, needles: Iterable[str], beginning: str) -> None:
        """Make ``candidate``: the elements that have one of the values, or one that begins so (a commit)."""
        run, wanted = self.graph.store.run, sorted(needles)
        run(
            f"CREATE TABLE {self.scratch}.candidate AS SELECT * FROM {self.graph.schema}.element WHERE "
            "list_has_any(list_transform(attributes, lambda a: a.v), ?) "
            "OR len(list_filter(attributes, lambda a: starts_with(a.v, ?) AND length(a.v) IN (40, 64))) > 0",
            [[*wanted, f"mailto:{beginning.lower()}"], beginning],
        )
        run(f"CREATE TABLE {self.scratch}.asked AS SELECT ?::VARCHAR AS text", [beginning])

    def told(self, rows: str, *, is_prefix: bool, is_folded: bool) -> str:
        """Return SQL of those rows whose handle is, or begins with, what is asked for."""
        fits = "starts_with(r.handle, a.text)" if is_prefix else "r.handle = a.text"
        fits = "lower(r.handle) = lower(a.text)" if is_folded else fits
        return f"SELECT r.id, r.rank FROM ({rows}) r JOIN {self.scratch}.asked a ON {fits}"

    def _things(self, type_: str | tuple[str, ...], columns: str) -> str:
        types = (type_,) if isinstance(type_, str) else type_
        return f"SELECT id, {columns} FROM {self.elements} WHERE {self.words.has_type(*types)}"

    def _named(self, type_: str | tuple[str, ...], attribute: str, before: str = "") -> str:
        """Rows of what is called by each value of an attribute."""
        handle = f"concat('{before}', unnest({self.words.values(attribute)}))"
        return self._things(type_, f"{handle} AS handle, 0 AS rank")

    def _relation(self, kind: str) -> str:
        return f"(SELECT * FROM {self.graph.schema}.relation WHERE kind = {_NUMBER[kind]})"

    def _versions(self, more: str) -> str:
        name, number = self.words.value("name"), self.words.value("version")
        return self._things(
            "RegisteredModelVersion", f"{name} AS name, TRY_CAST({number} AS BIGINT) AS version, {more}"
        )

    def versions(self) -> str:
        """Versions of registered models."""
        return f"SELECT id, concat('models:/', name, '/', version) AS handle, 0 AS rank FROM ({self._versions('1')})"

    def aliases(self) -> str:
        """Versions by their aliases."""
        rows = self._versions(f"unnest({self.words.values('aliases')}) AS alias")
        return f"SELECT id, concat('models:/', name, '@', alias) AS handle, 0 AS rank FROM ({rows})"

    def stages(self) -> str:
        """The newest version of each model in each stage, and of all."""
        rows = self._versions(f"unnest([{self.words.value('stage')}, 'latest']) AS stage")
        ended = f"SELECT a1 FROM {self._relation('wasInvalidatedBy')}"
        return (
            "SELECT v.id, concat('models:/', v.name, '/', v.stage) AS handle, 0 AS rank FROM "
            f"(SELECT * FROM ({rows}) WHERE stage IS NOT NULL AND stage <> 'None' AND id NOT IN ({ended})) v "
            f"LEFT JOIN {self._relation('specializationOf')} s ON s.a1 = v.id "
            "QUALIFY v.version = max(v.version) OVER (PARTITION BY s.a2, v.name, v.stage)"
        )

    def logged_models(self) -> str:
        """Logged models."""
        return self._named("LoggedModel", "model_id", "models:/")

    def registered_models(self) -> str:
        """Registered models, as URIs."""
        return self._named("RegisteredModel", "name", "models:/")

    def model_names(self) -> str:
        """Registered models by their bare names."""
        return self._named("RegisteredModel", "name")

    def runs(self) -> str:
        """Runs, as URIs."""
        return self._named("Run", "run_id", "runs:/")

    def run_ids(self) -> str:
        """Runs by their bare identifiers."""
        return self._named("Run", "run_id")

    def run_names(self) -> str:
        """Runs by their names."""
        return self._named("Run", "name")

    def experiments(self) -> str:
        """Experiments by their names."""
        return self._named("Experiment", "name")

    def artifacts(self) -> str:
        """What runs logged: model artifacts and logged models before files and folders."""
        graph = self.graph.schema
        run = f"(SELECT id, {self.words.value('run_id')} AS run_id FROM {graph}.element WHERE {self.words.has_type('Run')})"
        files = self._things(
            ("Artifact", "ModelArtifact"),
            f"unnest({self.words.values('path')}) AS path, {self.words.has_type('ModelArtifact')} AS is_model",
        )
        models = self._things("LoggedModel", f"unnest({self.words.values('name')}) AS path")
        generated = self._relation("wasGeneratedBy")
        return (
            "SELECT f.id, concat('runs:/', r.run_id, '/', f.path) AS handle, CASE WHEN f.is_model THEN 0 ELSE 2 END AS rank "
            f"FROM ({files}) f JOIN {self._relation('hadMember')} m ON m.a2 = f.id JOIN {run} r ON r.id = m.a1 "
            "UNION ALL SELECT f.id, concat('runs:/', r.run_id, '/', f.path), 1 "
            f"FROM ({models}) f JOIN {generated} g ON g.a1 = f.id JOIN {generated} o ON o.a2 = g.a2 "
            f"JOIN {run} r ON r.id = o.a1"
        )

    def commits(self) -> str:
        """Commits by their full names."""
        return self._named("Commit", "sha")

    def _revisions(self) -> str:
        return self._things("FileRevision", f"unnest({self.words.values('path')}) AS path")

    def file_states(self) -> str:
        """File revisions by their path or name, and each commit at which the file stood so.

        That is the one that the commit made, else the one that no later commit before it replaced or deleted.
        """
        replaced = (
            f"SELECT d.a2 AS id, p.tip FROM {self._relation('wasDerivedFrom')} d JOIN past p ON p.id = d.a3 "
            f"UNION SELECT e.a1, p.tip FROM {self._relation('wasInvalidatedBy')} e JOIN past p ON p.id = e.a2"
        )
        return self._states("FileRevision", replaced)

    def data_states(self) -> str:
        """Likewise, revisions of data under version control."""
        replaced = (
            f"SELECT d.a2 AS id, m.tip FROM {self._relation('wasDerivedFrom')} d JOIN made m ON m.id = d.a1 "
            f"UNION SELECT e.a1, p.tip FROM {self._relation('wasInvalidatedBy')} e JOIN past p ON p.id = e.a2"
        )
        return self._states("DataRevision", replaced)

    def _states(self, type_: str, replaced: str) -> str:
        """Revisions by what they are called, ``@`` and a commit, without what was replaced in the past of that."""
        informed, generated = self._relation("wasInformedBy"), self._relation("wasGeneratedBy")
        sha = self.words.value("sha")
        commits = (
            f"SELECT id, {sha} AS sha FROM {self.graph.schema}.element WHERE {self.words.has_type('Commit')}"
        )
        path = self.words.value("path")
        both = f"unnest([{path}, {self.words.value('name')}])"
        called = self._things(type_, f"{path} AS path, {both} AS called")
        asked = f"{self.scratch}.asked"
        return (
            f"WITH RECURSIVE tips AS (SELECT c.id, c.sha FROM ({commits}) c JOIN {asked} a "
            "ON starts_with(c.sha, regexp_extract(a.text, '@([0-9a-f]+)$', 1)) WHERE contains(a.text, '@')), "
            "past AS (SELECT id, id AS tip FROM tips UNION "
            f"SELECT i.a2, p.tip FROM past p JOIN {informed} i ON i.a1 = p.id), "
            f"made AS (SELECT r.id, r.called, r.path = r.called AS is_path, p.tip FROM ({called}) r "
            f"JOIN {generated} g ON g.a1 = r.id JOIN past p ON p.id = g.a2), "
            f"replaced AS ({replaced}) "
            "SELECT m.id, concat(m.called, '@', t.sha) AS handle, CASE WHEN m.is_path THEN 0 ELSE 1 END AS rank "
            "FROM made m JOIN tips t ON t.id = m.tip ANTI JOIN replaced d ON d.id = m.id AND d.tip = m.tip"
        )

    def data_paths(self) -> str:
        """Revisions of data under version control by their paths, and by their names."""
        named = self._things("DataRevision", f"unnest({self.words.values('name')}) AS handle, 1 AS rank")
        return f"{self._named('DataRevision', 'path')} UNION ALL {named}"

    def paths(self) -> str:
        """Files by each path that they have or had, and by their names."""
        specialized = self._relation("specializationOf")
        names = self._things(
            ("File", "FileRevision"),
            f"unnest({self.words.values('name')}) AS handle, {self.words.has_type('File')} AS is_file",
        )
        return (
            f"{self._named('File', 'first_path')} UNION ALL SELECT s.a2, r.path, 0 FROM ({self._revisions()}) r "
            f"JOIN {specialized} s ON s.a1 = r.id "
            f"UNION ALL SELECT CASE WHEN n.is_file THEN n.id ELSE s.a2 END, n.handle, 1 FROM ({names}) n "
            f"LEFT JOIN {specialized} s ON s.a1 = n.id WHERE n.is_file OR s.a2 IS NOT NULL"
        )

    def dataset_names(self) -> str:
        """Datasets by their names."""
        return self._named(("Dataset", "EvaluationDataset"), "name")

    def dataset_digests(self) -> str:
        """Datasets by their digests."""
        return self._named(("Dataset", "EvaluationDataset"), "digest")

    def branches_and_tags(self) -> str:
        """Branches and tags by their names."""
        return self._named(("Branch", "Tag"), "name")

    def emails(self) -> str:
        """Agents by their e-mail addresses, under whatever attribute: as such, or as ``mailto:`` IRIs."""
        return (
            "SELECT id, handle, 0 AS rank FROM (SELECT id, unnest(list_transform(attributes, "
            f"lambda a: regexp_replace(a.v, '^mailto:', ''))) AS handle FROM {self.elements} "
            f"WHERE kind = {_NUMBER['agent']}) WHERE regexp_full_match(handle, '\\S+@\\S+')"
        )

    def people(self) -> str:
        """People by their names and user names."""
        called = f"list_concat({self.words.values('name')}, {self.words.values('username')})"
        return self._things("User", f"unnest({called}) AS handle, 0 AS rank")

    def _identifiers(self, which: str) -> str:
        graph = self.graph.schema
        return (
            f"SELECT n.id, unnest([{NAME}, concat(p.iri, n.local)]) AS handle, 0 AS rank FROM {self._names()} n "
            f"LEFT JOIN {graph}.prefix p ON p.prefix = n.prefix {which}"
        )

    def _names(self) -> str:
        fits = (
            "" if self.is_everything else f"WHERE ends_with((SELECT text FROM {self.scratch}.asked), local)"
        )
        return f"(SELECT * FROM {self.graph.schema}.name {fits})"

    def identifiers(self) -> str:
        """Every element by its identifier as the document spells it, and by its IRI."""
        return self._identifiers(f"SEMI JOIN {self.graph.schema}.element e ON e.id = n.id")

    def undescribed(self) -> str:
        """Likewise, what relations name as an element and no record describes."""
        graph, names = self.graph.schema, self._names()
        named = " UNION ALL ".join(
            f"SELECT {column} AS id FROM {graph}.relation WHERE kind IN ({', '.join(map(str, kinds))}) "
            f"AND {column} IN (SELECT id FROM {names})"
            for column, kinds in _PLACES_OF_ELEMENTS.items()
        )
        return self._identifiers(
            f"SEMI JOIN ({named}) r ON r.id = n.id ANTI JOIN {graph}.element e ON e.id = n.id"
        )

    def labels(self) -> str:
        """Every element by its labels."""
        return f"SELECT id, unnest({self.words.labels()}) AS handle, 0 AS rank FROM {self.elements}"
