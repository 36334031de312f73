"""What stands in a database that was pushed into, counted by the words of PROV."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import requests
from databases import PASSWORD, Server, connection

from mlflow2prov import Graph
from mlflow2prov.prov.records import KIND_BY_NUMBER, RELATION_KINDS

PROV = "http://www.w3.org/ns/prov#"


@dataclass(frozen=True, slots=True)
class Content:
    """How many elements there are of each type, and how many relations of each kind."""

    types: Counter[str]
    relations: Counter[str]

    @classmethod
    def of(cls, graph: Graph, *, pairs: bool = False) -> Content:
        """What a graph has; where only pairs count, relations that relate the same are one."""
        types = graph.query(
            "SELECT split_part(a.v, ':', 2), count(DISTINCT id) FROM "
            "(SELECT id, unnest(attributes) AS a FROM {graph}.element) JOIN {graph}.attribute_key ON key = a.k "
            "WHERE name = 'prov:type' AND regexp_matches(a.v, '^(m2p|prov):') GROUP BY ALL"
        )
        relations = graph.statistics("fine").counts("relation")
        if pairs:
            rows = graph.query(
                "SELECT kind, count(DISTINCT (a1, a2)) FROM {graph}.relation "
                "WHERE a1 IS NOT NULL AND a2 IS NOT NULL GROUP BY kind"
            )
            relations = {KIND_BY_NUMBER[kind].name: count for kind, count in rows}
        return cls(Counter(dict(types)), Counter({name: n for name, n in relations.items() if n}))


def of_neo4j(server: Server) -> Content:
    """What stands in a property graph."""
    import neo4j

    with neo4j.GraphDatabase.driver(f"bolt://127.0.0.1:{server.port}", auth=("root", PASSWORD)) as driver:

        def rows(query: Any) -> list[tuple[Any, ...]]:
            return [
                tuple(record.values()) for record in driver.execute_query(query, database_="prov").records
            ]

        labels = Counter(label for (found,) in rows("MATCH (n) RETURN labels(n)") for label in found)
        for label in ("ProvElement", "Entity", "Activity", "Agent", "Undescribed", "Unknown"):
            labels.pop(label, None)
        pairs = rows("MATCH ()-[r]->() RETURN type(r), count(r)")
    names = {_shouted(name): name for name in _RELATIONS}
    return Content(labels, Counter({names[kind]: count for kind, count in pairs if kind in names}))


def of_mongodb(server: Server) -> Content:
    """What stands in two collections."""
    import pymongo

    with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{server.port}") as client:
        types = Counter(name for row in client.prov.elements.find() for name in row["types"])
        relations = Counter(row["type"] for row in client.prov.relations.find())
    return Content(types, relations)


def of_sparql(server: Server) -> Content:
    """What stands in the default graph of Oxigraph."""
    return of_triples(f"http://127.0.0.1:{server.port}/query")


def of_triples(url: str, **parameters: str) -> Content:
    """What a SPARQL end point finds: a relation is a triple, or a node of its own besides."""
    ours = "FILTER(STRSTARTS(STR(?t), 'https://w3id.org/mlflow2prov#') || STRSTARTS(STR(?t), STR(prov:)))"
    types = _select(
        url,
        parameters,
        "SELECT ?t (COUNT(DISTINCT ?x) AS ?n) { ?x a ?t, ?k "
        f"VALUES ?k {{ prov:Entity prov:Activity prov:Agent }} {ours} }} GROUP BY ?t",
    )
    plain = _select(url, parameters, "SELECT ?t (COUNT(*) AS ?n) { ?x ?t ?y } GROUP BY ?t")
    named = Counter({re.split("[#/]", iri)[-1]: count for iri, count in types.items()})
    relations = Counter({name: plain[PROV + name] for name in _RELATIONS if plain[PROV + name]})
    for name in _STRUCTURAL:
        named.pop(name, None)
    return Content(named, relations)


_TYPES = (
    "SELECT regexp_replace(value, '^.*:', ''), count(DISTINCT id) FROM prov.attribute "
    "WHERE name = 'prov:type' AND (value LIKE 'm2p:%' OR value LIKE 'prov:%') GROUP BY 1"
)
_EDGES = "SELECT kind, count(*) FROM prov.edge GROUP BY 1"
"""Queries that say the same in every SQL."""


def of_postgresql(server: Server) -> Content:
    """What the views of PostgreSQL show."""
    with closing(connection(server.port)) as opened, opened.cursor() as cursor:

        def counted(sql: str) -> Counter[str]:
            cursor.execute(sql)
            return Counter(dict(cursor.fetchall()))

        return Content(counted(_TYPES), counted(_EDGES))


def of_duckdb(server: Server) -> Content:
    """What the views of a file of DuckDB show."""
    import duckdb

    with duckdb.connect(server.url.removeprefix("duckdb://"), read_only=True) as opened:
        types, edges = (Counter(dict(opened.execute(sql).fetchall())) for sql in (_TYPES, _EDGES))
        return Content(types, edges)


def _select(url: str, parameters: dict[str, str], query: str) -> Counter[str]:
    answer = requests.post(
        url,
        data={"query": f"PREFIX prov: <{PROV}> {query}"} | parameters,
        headers={"Accept": "application/sparql-results+json"},
        timeout=120,
    )
    answer.raise_for_status()
    rows = answer.json()["results"]["bindings"]
    return Counter({row["t"]["value"]: int(row["n"]["value"]) for row in rows if "t" in row})


def _shouted(name: str) -> str:
    return re.sub("(?=[A-Z])", "_", name).upper()


_RELATIONS = tuple(kind.name for kind in RELATION_KINDS)
_STRUCTURAL = ("Entity", "Activity", "Agent")

READERS: dict[str, Callable[[Server], Content]] = {
    "neo4j": of_neo4j,
    "mongodb": of_mongodb,
    "sparql": of_sparql,
    "postgresql": of_postgresql,
    "duckdb": of_duckdb,
}
"""What reads back, by the name of the sink."""
