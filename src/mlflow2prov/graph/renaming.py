"""Identifiers, prefixes and attribute names in which nobody can be found."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlflow2prov.graph.agent_names import Agent
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.masking import Mask
from mlflow2prov.graph.needles import PSEUDONYM
from mlflow2prov.graph.spared import RESOURCES, ROLES, STANDARD, TYPES, VOCABULARIES
from mlflow2prov.graph.suspects import Suspects
from mlflow2prov.prov.namespaces import AGENT, EXTRACTION, GIT, M2P

_FIXED = frozenset((*STANDARD, M2P, GIT, AGENT, EXTRACTION))
_HEAD = re.compile(rf"(?:{'|'.join(sorted(TYPES))})\.(?:(?<=ion\.)(?:{'|'.join(RESOURCES)})--)?")
"""How our identifiers begin: with a word of the vocabulary, and that for what was made or deleted."""

_OPEN = re.compile(r"(?i)(?:[^/#?=&:;,]|/(?:home|users)/)$")
"""How the IRI of a namespace ends with which a name may go on in the local part."""

_TAG = re.compile("[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")

_BATCH = 20_000


class Renaming:
    """How the names of a graph change.

    Attributes:
        prefixes: the prefixes that change, with what they become.
        own: what the local parts of people's identifiers become, by prefix and local part.
    """

    def __init__(self, graph: Graph, mask: Mask, people: Iterable[Agent]) -> None:
        self._graph, self._mask = graph, mask
        self._iris = dict(graph.query("SELECT prefix, iri FROM {graph}.prefix ORDER BY rowid"))
        self._fresh = self._namespaces()
        self.prefixes = {prefix: fresh for prefix, fresh in self._fresh.items() if fresh != prefix}
        self._open = {prefix for prefix, iri in self._iris.items() if iri not in _FIXED and _OPEN.search(iri)}
        self._people = [person for person in people if self._iris.get(person.prefix) not in STANDARD]
        self.own = {
            (person.prefix, person.local): self._head(person.local, "User.") + mask.identifier(person)
            for person in self._people
        }

    def _namespaces(self) -> dict[str, str]:
        """What each prefix becomes; namespaces that become one get one prefix."""
        fresh: dict[str, str] = {}
        by_iri: dict[str, str] = {}
        for prefix, iri in self._iris.items():
            name = prefix if iri in _FIXED else self._mask.name(prefix, common=False)
            while name in by_iri.values():
                name += "_"
            fresh[prefix] = by_iri.setdefault(self.iri(iri), name)
        return fresh

    @staticmethod
    def _head(local: str, head: str) -> str:
        return head if local.startswith(head) else ""

    def iri(self, iri: str) -> str:
        """Return what a namespace's IRI becomes."""
        is_fixed = iri in _FIXED or iri.startswith(VOCABULARIES)
        return iri if is_fixed else self._mask.name(iri)

    def local(self, prefix: str, local: str) -> str:
        """Return what the local part of an identifier becomes."""
        iri = self._iris.get(prefix, "")
        if (prefix, local) in self.own:
            return self.own[prefix, local]
        if iri in STANDARD or (iri == M2P and local in TYPES | ROLES):
            return local
        across = self._mask.across(iri, local) if prefix in self._open else 0
        if across:
            return self._mask.spelling(local[:across]) + self._mask.name(local[across:])
        head = _HEAD.match(local)
        start = head.end() if head else 0
        return local[:start] + self._mask.name(local[start:], common=iri != M2P)

    def qualified(self, name: str, *, is_term: bool = False) -> str:
        """Return what a qualified name becomes; a term is a type, a role, a datatype or an attribute's name."""
        prefix, colon, local = name.partition(":")
        if not colon or prefix not in self._iris:
            prefix, colon, local = "", "", name
        iri = self._iris.get(prefix, "")
        if is_term and (prefix, local) not in self.own:
            is_known = iri.startswith(VOCABULARIES) if iri != M2P else local in TYPES | ROLES
            fresh = local if is_known or iri in STANDARD else self._mask.name(local, common=False)
        else:
            fresh = self.local(prefix, local)
        return f"{self.prefixes.get(prefix, prefix)}{colon}{fresh}"

    def attribute(self, name: str) -> str:
        """Return what an attribute's name becomes; those of our vocabulary stay."""
        is_ours = self._iris.get(name.partition(":")[0]) == M2P
        return name if is_ours else self.qualified(name, is_term=True)

    def language(self, tag: str) -> str:
        """Return what a language tag becomes; what registers of languages, scripts and countries have stays.

        What they do not have is the part after ``x``, a language of four letters or more, and mostly
        what else is longer than that.
        """
        if not _TAG.fullmatch(tag):
            return _tag(self._mask.text(tag))
        private = re.search("(?i)(?:^|-)x-", tag)
        border = private.end() if private else len(tag)
        words = re.sub("^[A-Za-z]{4,}|[A-Za-z0-9]{5,}", lambda word: self._mask.text(word[0]), tag[:border])
        return _tag(words + self._mask.text(tag[border:]))

    def fill(self, scratch: str, result: Graph, suspects: Suspects) -> None:
        """Fill the prefix, name and attribute_key tables of ``result``, and ``moved`` where names meet.

        ``prefix`` (old, fresh) and ``own`` (token) of the schema say which qualified names to look at.
        """
        run, graph = self._graph.store.run, self._graph
        run(f"CREATE TABLE {scratch}.prefix (old VARCHAR, fresh VARCHAR)")
        for prefix in sorted({*self.prefixes, *self._open}):
            run(f"INSERT INTO {scratch}.prefix VALUES (?, ?)", [prefix, self._fresh[prefix]])
        for fresh, iri in {self._fresh[prefix]: self.iri(iri) for prefix, iri in self._iris.items()}.items():
            run(f"INSERT INTO {result.schema}.prefix VALUES (?, ?)", [fresh, iri])
        for key, name, datatype, language in graph.query(
            "SELECT * FROM {graph}.attribute_key ORDER BY rowid"
        ):
            typed = datatype and self.qualified(datatype, is_term=True)
            row = [key, self.attribute(name), typed, language and self.language(language)]
            run(f"INSERT INTO {result.schema}.attribute_key VALUES (?, ?, ?, ?)", row)
        self._rename(scratch, suspects)
        self._write_names(scratch, result)

    def _rename(self, scratch: str, suspects: Suspects) -> None:
        """Make ``renamed`` (id, local): the identifiers whose local parts change."""
        graph, store = self._graph, self._graph.store
        store.run(f"CREATE TABLE {scratch}.renamed (id INTEGER, local VARCHAR)")
        store.run(f"CREATE TABLE {scratch}.own (token VARCHAR)")
        self._append(
            f"{scratch}.renamed",
            id=[person.id for person in self._people],
            local=[self.own[person.prefix, person.local] for person in self._people],
        )
        self._append(f"{scratch}.own", token=[person.qualified_name for person in self._people])
        candidates = (
            f"SELECT id, prefix, local FROM {graph.schema}.name WHERE {suspects.name('local')} "
            f"OR prefix IN (SELECT old FROM {scratch}.prefix WHERE old = fresh)"
        )
        for batch in store.batches(candidates, _BATCH):
            numbers, locals_ = [], []
            for row in batch.to_pylist():
                fresh = self.local(row["prefix"], row["local"])
                if fresh != row["local"] and (row["prefix"], row["local"]) not in self.own:
                    numbers.append(row["id"])
                    locals_.append(fresh)
            self._append(f"{scratch}.renamed", id=numbers, local=locals_)

    def _append(self, table: str, **columns: list[int] | list[str]) -> None:
        import pyarrow as pa

        types = {"id": pa.int32()}
        arrays = {name: pa.array(values, types.get(name, pa.string())) for name, values in columns.items()}
        self._graph.store.append(table, pa.table(arrays))

    def _write_names(self, scratch: str, result: Graph) -> None:
        graph, store = self._graph, self._graph.store
        with store.in_order(graph.count("name")):
            store.run(
                f"INSERT INTO {result.schema}.name SELECT n.id, coalesce(p.fresh, n.prefix), coalesce(r.local, n.local) "
                f"FROM {graph.schema}.name n LEFT JOIN {scratch}.renamed r ON r.id = n.id "
                f"LEFT JOIN {scratch}.prefix p ON p.old = n.prefix"
            )
        # A document that has pseudonyms of this key already may name the same person twice.
        store.run(
            f"INSERT INTO {scratch}.moved SELECT * FROM (SELECT id AS old, min(id) OVER (PARTITION BY prefix, local) AS id "
            f"FROM {result.schema}.name WHERE local IN (SELECT local FROM {scratch}.renamed) "
            f"OR prefix IN (SELECT fresh FROM {scratch}.prefix GROUP BY fresh HAVING count(*) > 1 "
            f"UNION SELECT fresh FROM {scratch}.prefix JOIN {graph.schema}.prefix ON prefix.prefix = fresh)) "
            "WHERE old <> id"
        )
        store.run(f"DELETE FROM {result.schema}.name WHERE id IN (SELECT old FROM {scratch}.moved)")


def _tag(text: str) -> str:
    """A language tag in which pseudonyms stand as private words, in pieces of 8 characters."""
    tag = PSEUDONYM.sub(lambda code: "-".join(re.findall(".{1,8}", code[0])), text)
    return f"x-{tag}" if PSEUDONYM.match(text) else tag
