"""The difference of two small graphs, brought to the large one that the cache keeps.

The states before and after are expanded over the same units. What both say is the same in the large graph,
too, or lies at the rim of what was looked at; what only one says has come or gone. Things that several
units have in common (people, environments, …) stay while anything in the large graph refers to them.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlflow2prov.cache.file import CacheFile
from mlflow2prov.graph.store import ARGUMENT_COLUMNS

SHARED = ("Assessor", "Environment", "SourceTree")
"""The type words of what units have in common, and which goes when the last one goes that refers to it.

What else they have in common (people, jobs, images, notebooks) is told of the whole store on both sides.
"""

_RELATION = ("kind", *ARGUMENT_COLUMNS, "time", "attributes")
_ELEMENT = ("kind", "id", "start_time", "end_time", "attributes")


def fingerprint_sql(name: str = "n") -> str:
    """SQL of what a name is found by; names that have it in common are compared in full."""
    return f"md5_number_lower(concat({name}.prefix, ':', {name}.local))"


@dataclass(slots=True)
class Patch:
    """Works out a patch in a schema in memory, from the graphs ``before`` and ``after`` there.

    Attributes:
        cache: whose graph is patched.
        scratch: the schema.
        before, after: the schemas of the two graphs.
    """

    cache: CacheFile
    scratch: str
    before: str
    after: str

    def find(self) -> None:
        """Fill the tables ``del_element``, ``del_relation``, ``add_element``, ``add_relation``, ``name``."""
        self._number_names()
        for side, graph in (("old", self.before), ("new", self.after)):
            self._renumber(side, graph)
        run = self.cache.store.run
        for table in ("element", "relation"):
            for word, one, other in (("del", "old", "new"), ("add", "new", "old")):
                run(
                    f"CREATE TABLE {self.scratch}.{word}_{table} AS FROM {self.scratch}.{one}_{table} "
                    f"EXCEPT FROM {self.scratch}.{other}_{table}"
                )
        self._keep_shared()

    def _number_names(self) -> None:
        """One number for each name in both graphs: its own in the large graph, else a new one."""
        run, scratch, main = self.cache.store.run, self.scratch, f"{self.cache.alias}.main"
        run(
            f"CREATE TABLE {scratch}.named AS SELECT *, {fingerprint_sql()} AS hash FROM "
            f"(SELECT prefix, local FROM {self.before}.name UNION SELECT prefix, local FROM {self.after}.name) n"
        )
        run(
            f"CREATE TABLE {scratch}.found AS SELECT f.id, f.hash FROM {self.cache.own}.fingerprint f "
            f"SEMI JOIN {scratch}.named n ON n.hash = f.hash"
        )
        self._fetch_names()
        top = int(self.cache.store.scalar(f"SELECT coalesce(max(id), 0) FROM {main}.name"))
        run(
            f"CREATE TABLE {scratch}.name AS SELECT n.prefix, n.local, n.hash, f.id IS NOT NULL AS is_known, "
            f"coalesce(f.id, ({top} + row_number() OVER (PARTITION BY f.id IS NULL))::INTEGER) AS id "
            f"FROM {scratch}.named n LEFT JOIN {scratch}.fetched f ON f.prefix = n.prefix AND f.local = n.local"
        )

    def _fetch_names(self) -> None:
        """The names that were found by their fingerprints, from the parts of the table where they stand."""
        run, scratch, main = self.cache.store.run, self.scratch, f"{self.cache.alias}.main"
        run(
            f"CREATE TABLE {scratch}.fetched AS SELECT n.id, n.prefix, n.local FROM {main}.name n "
            f"SEMI JOIN {scratch}.found f ON f.id = n.id"
        )

    def _renumber(self, side: str, graph: str) -> None:
        """The rows of a small graph by the numbers of the large one."""
        run, scratch = self.cache.store.run, self.scratch
        run(
            f"CREATE TABLE {scratch}.{side}_number AS SELECT g.id AS own, n.id FROM {graph}.name g "
            f"JOIN {scratch}.name n ON n.prefix = g.prefix AND n.local = g.local"
        )
        run(
            f"CREATE TABLE {scratch}.{side}_element AS SELECT e.kind, n.id, e.start_time, e.end_time, e.attributes "
            f"FROM {graph}.element e JOIN {scratch}.{side}_number n ON n.own = e.id"
        )
        ids = ", ".join(f"n{column}.id AS {column}" for column in ARGUMENT_COLUMNS)
        joins = " ".join(
            f"LEFT JOIN {scratch}.{side}_number n{column} ON n{column}.own = r.{column}"
            for column in ARGUMENT_COLUMNS
        )
        run(
            f"CREATE TABLE {scratch}.{side}_relation AS SELECT r.kind, {ids}, r.time, r.attributes "
            f"FROM {graph}.relation r {joins}"
        )

    def _keep_shared(self) -> None:
        """Leave what is shared where it is as long as anything that stays refers to it; add it but once."""
        run, scratch, main = self.cache.store.run, self.scratch, f"{self.cache.alias}.main"
        is_shared = " OR ".join(f"starts_with(n.local, '{word}.')" for word in SHARED)
        run(
            f"CREATE TABLE {scratch}.shared AS SELECT d.id FROM {scratch}.del_element d JOIN {scratch}.name n "
            f"ON n.id = d.id WHERE ({is_shared}) AND d.id NOT IN (SELECT id FROM {scratch}.add_element)"
        )
        run(f"CREATE TABLE {scratch}.kept (id INTEGER)")
        if self.cache.store.scalar(f"SELECT count(*) FROM {scratch}.shared"):
            same = " AND ".join(f"d.{column} IS NOT DISTINCT FROM r.{column}" for column in _RELATION)
            where = " OR ".join(
                f"r.{column} IN (SELECT id FROM {scratch}.shared)" for column in ARGUMENT_COLUMNS[:3]
            )
            run(
                f"CREATE TABLE {scratch}.referring AS SELECT {', '.join(_RELATION)} FROM {main}.relation r WHERE {where}"
            )
            staying = f"(SELECT * FROM {scratch}.referring r WHERE NOT EXISTS (FROM {scratch}.del_relation d WHERE {same}))"
            run(
                f"INSERT INTO {scratch}.kept SELECT id FROM {scratch}.shared INTERSECT "
                f"SELECT unnest([a1, a2, a3]) FROM (FROM {staying} UNION ALL FROM {scratch}.add_relation)"
            )
            run(f"DELETE FROM {scratch}.del_element WHERE id IN (FROM {scratch}.kept)")
            run(f"DELETE FROM {scratch}.del_relation WHERE a1 IN (FROM {scratch}.kept)")
        run(
            f"CREATE TABLE {scratch}.there AS SELECT n.id FROM {scratch}.add_element n JOIN {scratch}.name k ON k.id = n.id "
            f"WHERE k.is_known AND n.id NOT IN (SELECT id FROM {scratch}.del_element)"
        )
        run(f"DELETE FROM {scratch}.add_element WHERE id IN (FROM {scratch}.there)")
        run(f"DELETE FROM {scratch}.add_relation WHERE a1 IN (FROM {scratch}.there)")

    def apply(self) -> None:
        """Change the large graph; to be called in a transaction."""
        run, scratch, main = self.cache.store.run, self.scratch, f"{self.cache.alias}.main"
        scalar = self.cache.store.scalar
        if scalar(f"SELECT count(*) FROM {scratch}.del_relation"):
            same = " AND ".join(
                f"d.{column} IS NOT DISTINCT FROM r.{column}" for column in _RELATION if column != "a1"
            )
            run(f"DELETE FROM {main}.relation r USING {scratch}.del_relation d WHERE d.a1 = r.a1 AND {same}")
        if scalar(f"SELECT count(*) FROM {scratch}.del_element"):
            run(f"DELETE FROM {main}.element WHERE id IN (SELECT id FROM {scratch}.del_element)")
            gone = f"SELECT id FROM {scratch}.del_element EXCEPT SELECT id FROM {scratch}.add_element"
            run(f"DELETE FROM {main}.name WHERE id IN ({gone})")
            run(f"DELETE FROM {self.cache.own}.fingerprint WHERE id IN ({gone})")
        run(
            f"INSERT INTO {main}.element SELECT 0, {', '.join(_ELEMENT)} FROM {scratch}.add_element ORDER BY id"
        )
        run(
            f"INSERT INTO {main}.relation SELECT 0, kind, NULL, {', '.join(ARGUMENT_COLUMNS)}, time, attributes "
            f"FROM {scratch}.add_relation ORDER BY ALL"
        )
        fresh = f"FROM {scratch}.name WHERE NOT is_known AND id IN (SELECT id FROM {scratch}.add_element)"
        run(f"INSERT INTO {main}.name SELECT id, prefix, local {fresh} ORDER BY id")
        run(f"INSERT INTO {self.cache.own}.fingerprint SELECT id, hash {fresh} ORDER BY id")
