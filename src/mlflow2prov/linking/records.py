"""The records that link runs and logged models to the history, made in SQL from the tables of facts."""

from __future__ import annotations

from mlflow2prov.linking.facts import Facts
from mlflow2prov.prov.namespaces import QUALIFIED_NAME

_GENERATED, _USED, _INFORMED, _DERIVED, _ASSOCIATED, _ALTERNATE = 11, 12, 13, 21, 32, 42
_ENTITY = 1


class Records:
    """Adds records to the graph of some facts; what is there already may come a second time."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._run = facts.graph.store.run
        self._graph = facts.graph.schema
        self._schema = facts.schema
        rows = facts.graph.query(
            "SELECT name, datatype, key FROM {graph}.attribute_key WHERE language IS NULL"
        )
        self._keys: dict[tuple[str, str | None], int] = {(name, kind): key for name, kind, key in rows}

    def add_trees(self) -> None:
        """Add the tree of every commit that a run, a logged model or a diff names, where it is missing."""
        schema, graph = self._schema, self._graph
        self._run(
            f"CREATE TABLE {schema}.fresh AS SELECT (SELECT max(id) FROM {graph}.name) + row_number() OVER (ORDER BY c.sha)"
            f" AS id, c.id AS commit_id, c.sha, c.tree FROM {schema}.commit c SEMI JOIN ("
            f"SELECT source_git_commit AS sha FROM {schema}.run UNION SELECT source_git_commit FROM {schema}.loggedmodel "
            f"UNION SELECT commit FROM {schema}.worktreediff) w ON w.sha = c.sha "
            f"ANTI JOIN {schema}.sourcetree t ON t.commit = c.sha WHERE c.tree IS NOT NULL"
        )
        attributes = ", ".join(
            (
                self._pair("prov:type", f"'{self._word('SourceTree')}'", QUALIFIED_NAME),
                self._pair("prov:type", "'prov:Collection'", QUALIFIED_NAME),
                self._pair("prov:label", "concat('tree @ ', left(f.sha, 7))"),
                self._pair(self._word("sha"), "f.tree"),
                self._pair(self._word("commit"), "f.sha"),
                self._pair(
                    self._word("swhid"), "CASE WHEN length(f.tree) = 40 THEN 'swh:1:dir:' || f.tree END"
                ),
            )
        )
        self._run(
            f"INSERT INTO {graph}.name SELECT f.id, n.prefix, concat('SourceTree.', f.sha) "
            f"FROM {schema}.fresh f JOIN {graph}.name n ON n.id = f.commit_id"
        )
        self._run(
            f"INSERT INTO {graph}.element SELECT 0, {_ENTITY}, f.id, NULL, NULL, "
            f"list_filter([{attributes}], lambda a: a.v IS NOT NULL) FROM {schema}.fresh f"
        )
        self._run(f"INSERT INTO {schema}.sourcetree SELECT id, sha FROM {schema}.fresh")
        start = f"(SELECT id, min(start_time) AS time FROM {graph}.element WHERE kind = 2 AND bundle = 0 GROUP BY id)"
        self._relate(
            _GENERATED,
            "f.id, f.commit_id, NULL",
            f"{schema}.fresh f LEFT JOIN {start} e ON e.id = f.commit_id",
            role="SourceTree",
            time="e.time",
        )

    def add_code_of_runs(self) -> None:
        """Add what links a run to its code: commit, tree, entry point and plan."""
        schema = self._schema
        self._run(
            f"CREATE TABLE {schema}.linked AS SELECT r.id AS run_id, k.creation, c.id AS commit_id, t.id AS tree_id, "
            "r.work_tree, r.source_name, p.candidates, p.entry_id, p.project_id "
            f"FROM {schema}.run r JOIN {schema}.run_creation k ON k.id = r.id "
            f"JOIN {schema}.commit c ON c.sha = r.source_git_commit "
            f"LEFT JOIN {schema}.sourcetree t ON t.commit = c.sha "
            f"LEFT JOIN {schema}.point p ON p.commit = c.sha AND p.source = coalesce(r.source_name, '') "
            "AND p.entry = coalesce(r.source_entry_point, '')"
        )
        rows = f"{schema}.linked f"
        self._relate(_INFORMED, "f.creation, f.commit_id, NULL", rows)
        for column, role in (
            ("tree_id", "SourceCode"),
            ("entry_id", "EntryPoint"),
            ("project_id", "ProjectFile"),
        ):
            self._relate(
                _USED, f"f.creation, f.{column}, NULL", rows, role=role, when=f"f.{column} IS NOT NULL"
            )
        self._add_plans()
        key = self._key(self._word("unresolved_source"), None)
        self._run(
            f"UPDATE {self._graph}.element e SET attributes = list_append(e.attributes, "
            f"{{k: {key}::INTEGER, v: f.source_name}}) FROM {rows} WHERE e.id = f.run_id AND e.bundle = 0 "
            f"AND f.candidates > 1 AND NOT list_contains(list_transform(e.attributes, lambda a: a.k), {key})"
        )

    def _add_plans(self) -> None:
        """Let runs follow their entry points, their users doing so where these are known."""
        graph, role = self._graph, f"'{self._word('RunAuthor')}'"
        key = self._key("prov:role", QUALIFIED_NAME)
        is_author = f"len(list_filter(r.attributes, lambda a: a.k = {key} AND a.v = {role})) > 0"
        planned = (
            f"(SELECT DISTINCT creation, entry_id FROM {self._schema}.linked WHERE entry_id IS NOT NULL) f"
        )
        self._run(
            f"UPDATE {graph}.relation r SET a3 = f.entry_id FROM {planned} WHERE r.kind = {_ASSOCIATED} "
            f"AND r.bundle = 0 AND r.a1 = f.creation AND r.a2 IS NOT NULL AND r.a3 IS NULL AND {is_author}"
        )
        there = f"SELECT r.a1 FROM {graph}.relation r WHERE r.kind = {_ASSOCIATED} AND r.bundle = 0 AND {is_author}"
        self._relate(
            _ASSOCIATED,
            "f.creation, NULL, f.entry_id",
            planned,
            role="RunAuthor",
            when=f"f.creation NOT IN ({there})",
            marked=False,
        )

    def add_code_of_models(self) -> None:
        """Add what links a logged model that was made outside any run to its code, and diffs to their trees."""
        schema = self._schema
        self._run(
            f"CREATE TABLE {schema}.linked_model AS SELECT k.creation, c.id AS commit_id, t.id AS tree_id, m.work_tree "
            f"FROM {schema}.loggedmodel m JOIN {schema}.model_creation k ON k.id = m.id "
            f"JOIN {schema}.commit c ON c.sha = m.source_git_commit JOIN {schema}.sourcetree t ON t.commit = c.sha "
            f"WHERE k.creation NOT IN (SELECT creation FROM {schema}.run_creation)"
        )
        rows = f"{schema}.linked_model f"
        self._relate(_INFORMED, "f.creation, f.commit_id, NULL", rows)
        self._relate(_USED, "f.creation, f.tree_id, NULL", rows, role="SourceCode")
        trees = f"{schema}.worktreediff d JOIN {schema}.sourcetree t ON t.commit = d.commit"
        diffs = f"(SELECT d.id, t.id AS tree_id FROM {trees}) f"
        self._relate(_DERIVED, "f.id, f.tree_id, NULL", diffs)

    def add_data_of_runs(self) -> None:
        """Add what datasets of runs are in the repository: alternates of data or files, which the runs used."""
        graph, schema = self._graph, self._schema
        same = f"(SELECT DISTINCT dataset, matched FROM {schema}.match) f"
        self._relate(_ALTERNATE, "f.dataset, f.matched, NULL", same)
        inputs = (
            f"(SELECT DISTINCT t.creation, m.matched FROM {schema}.match m "
            f"JOIN {schema}.taken t ON t.commit = m.commit AND t.dataset = m.dataset) f"
        )
        self._relate(_USED, "f.creation, f.matched, NULL", inputs, role="InputData", marked=False)
        pair = self._pair(self._word("matched_by"), "way")
        self._run(
            f"UPDATE {graph}.element e SET attributes = list_concat(e.attributes, "
            "list_filter(f.pairs, lambda a: NOT list_contains(e.attributes, a))) "
            f"FROM (SELECT dataset, list({pair} ORDER BY way) AS pairs FROM "
            f"(SELECT DISTINCT dataset, way FROM {schema}.match) GROUP BY dataset) f "
            "WHERE e.id = f.dataset AND e.bundle = 0"
        )

    def name_people_once(self) -> None:
        """Take away the address as the label of people whose name is known, too."""
        key = self._keys.get(("prov:label", None))
        email = self._keys.get((self._word("email"), None))
        if key is None or email is None:
            return
        labels = f"list_filter(attributes, lambda a: a.k = {key})"
        addresses = f"list_transform(list_filter(attributes, lambda a: a.k = {email}), lambda a: lower(a.v))"
        self._run(
            f"UPDATE {self._graph}.element SET attributes = list_filter(attributes, lambda a: a.k <> {key} "
            f"OR NOT list_contains({addresses}, lower(a.v))) WHERE kind = 3 AND bundle = 0 AND len({labels}) > 1 "
            f"AND len(list_filter({labels}, lambda a: NOT list_contains({addresses}, lower(a.v)))) > 0"
        )

    def _relate(
        self,
        kind: int,
        arguments: str,
        rows: str,
        *,
        role: str | None = None,
        when: str = "true",
        time: str = "NULL",
        marked: bool = True,
    ) -> None:
        """Add a relation for each row ``f``; a usage is marked where the work tree had changes."""
        pairs = [self._pair("prov:role", f"'{self._word(role)}'", QUALIFIED_NAME)] if role else []
        if kind == _USED and marked:
            dirty = "CASE WHEN f.work_tree = 'dirty' THEN 'true' END"
            pairs.append(self._pair(self._word("is_lower_bound"), dirty, "xsd:boolean"))
        listed = f"list_filter([{', '.join(pairs)}], lambda a: a.v IS NOT NULL)" if pairs else "NULL"
        self._run(
            f"INSERT INTO {self._graph}.relation SELECT 0, {kind}, NULL, {arguments}, NULL, NULL, {time}, {listed} "
            f"FROM {rows} WHERE {when}"
        )

    def _word(self, name: str) -> str:
        return f"{self._facts.vocabulary}:{name}"

    def _pair(self, name: str, value: str, datatype: str | None = None) -> str:
        return f"{{k: {self._key(name, datatype)}::INTEGER, v: ({value})::VARCHAR}}"

    def _key(self, name: str, datatype: str | None) -> int:
        """Return the key of an attribute, a new one if need be."""
        if (name, datatype) not in self._keys:
            ((known,),) = self._run(f"SELECT coalesce(max(key), 0) FROM {self._graph}.attribute_key")
            self._keys[name, datatype] = int(known) + 1
            row = [self._keys[name, datatype], name, datatype]
            self._run(f"INSERT INTO {self._graph}.attribute_key VALUES (?, ?, ?, NULL)", row)
        return self._keys[name, datatype]
