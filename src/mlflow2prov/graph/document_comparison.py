"""Comparison of two documents: which elements and relations only one has, and which elements they describe otherwise.

Things are the same by their IRIs, whatever prefixes and bundles they stand with; relations by their kind,
identifier, arguments, time and attributes, blank identifiers left out.
"""

from __future__ import annotations

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.pages import Page, Part
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.graph.vocabulary import NAME, Words
from mlflow2prov.prov.records import RELATION_KINDS

WORDS = ("only first", "only second", "differs", "same")
"""What two documents can have of a thing."""

_LISTED = 1000
"""So many differences of a sort are listed; all are counted."""


def compare_documents(first: Graph, second: Graph) -> Page:
    """Return the page of what two documents have that the other has not.

    Raises:
        UsageError: the documents live in two stores.

    >>> from prov.model import ProvDocument
    >>> document = ProvDocument()
    >>> _ = document.add_namespace("ex", "http://example.org/")
    >>> _ = document.entity("ex:a")
    >>> compare_documents(Graph.from_prov(document), Graph.empty()).facts["elements"]
    {'only first': 1, 'only second': 0, 'differs': 0, 'same': 0}
    """
    if first.store is not second.store:
        raise UsageError("the documents live in two stores: load them into one")
    with first.store.scratch("documents") as scratch:
        for name, graph in (("one", first), ("other", second)):
            first.store.run(f"CREATE TABLE {scratch}.{name} AS {_elements(graph)}")
            first.store.run(f"CREATE TABLE {scratch}.{name}_relation AS {_relations(graph)}")
        elements, parts = _of_elements(first, scratch)
        relations, more = _of_relations(first, scratch)
    names = [
        graph.origin or word
        for graph, word in ((first, "the first document"), (second, "the second document"))
    ]
    facts = {"elements": elements, "relations": relations}
    said = [
        f"{what.capitalize()}: {', '.join(f'{count:,} {word}' for word, count in counts.items())}."
        for what, counts in facts.items()
    ]
    return Page(title=" and ".join(names), summary=" ".join(said), facts=facts, parts=(*parts, *more))


def _of_elements(graph: Graph, scratch: str) -> tuple[dict[str, int], tuple[Part, ...]]:
    run = graph.store.run
    run(
        f"CREATE TABLE {scratch}.met AS SELECT coalesce(a.type, b.type) AS type, coalesce(a.name, b.name) AS name, "
        "CASE WHEN a.iri IS NULL THEN 'only second' WHEN b.iri IS NULL THEN 'only first' "
        "WHEN a.facts = b.facts THEN 'same' ELSE 'differs' END AS word, "
        "list_filter(a.facts, lambda x: NOT list_contains(b.facts, x)) AS gone, "
        "list_filter(b.facts, lambda x: NOT list_contains(a.facts, x)) AS came "
        f"FROM {scratch}.one a FULL JOIN {scratch}.other b ON b.iri = a.iri AND b.kind = a.kind"
    )
    listed = run(
        f"SELECT name, type, word, gone, came FROM {scratch}.met WHERE word <> 'same' "
        f"ORDER BY word, type, name LIMIT {_LISTED}"
    )
    counts, types = _counted(graph, f"{scratch}.met", WORDS)
    different = sum(count for word, count in counts.items() if word != "same")
    return counts, (
        Part(name="types", title="Elements by type", columns=("type", *WORDS), rows=types),
        Part(
            name="differences",
            title="What differs",
            columns=("name", "type", "comparison", "in the first", "in the second"),
            rows=tuple(listed),
            note=_note(different),
        ),
    )


def _of_relations(graph: Graph, scratch: str) -> tuple[dict[str, int], tuple[Part, ...]]:
    run = graph.store.run
    run(
        f"CREATE TABLE {scratch}.met_relation AS SELECT coalesce(a.type, b.type) AS type, "
        "coalesce(a.shown, b.shown) AS shown, CASE WHEN a.fact IS NULL THEN 'only second' "
        "WHEN b.fact IS NULL THEN 'only first' ELSE 'same' END AS word "
        f"FROM {scratch}.one_relation a FULL JOIN {scratch}.other_relation b ON b.fact = a.fact"
    )
    listed = run(
        f"SELECT shown, word FROM {scratch}.met_relation WHERE word <> 'same' ORDER BY word, shown LIMIT {_LISTED}"
    )
    words = tuple(word for word in WORDS if word != "differs")
    counts, types = _counted(graph, f"{scratch}.met_relation", words)
    different = sum(count for word, count in counts.items() if word != "same")
    return counts, (
        Part(name="relation_kinds", title="Relations by kind", columns=("kind", *words), rows=types),
        Part(
            name="relations_that_differ",
            title="Relations that only one has",
            columns=("relation", "comparison"),
            rows=tuple(listed),
            note=_note(different),
        ),
    )


def _counted(
    graph: Graph, table: str, words: tuple[str, ...]
) -> tuple[dict[str, int], tuple[tuple[object, ...], ...]]:
    """How many rows have each word, in all and by type."""
    columns = ", ".join(f"count(*) FILTER (word = '{word}')" for word in words)
    run = graph.store.run
    counts = dict(run(f"SELECT word, count(*) FROM {table} GROUP BY word"))
    types = run(f"SELECT type, {columns} FROM {table} GROUP BY type ORDER BY type")
    return {word: int(counts.get(word, 0)) for word in words}, tuple(types)


def _note(different: int) -> str:
    if not different:
        return "Nothing."
    return f"The first {_LISTED:,} of {different:,}." if different > _LISTED else ""


def _elements(graph: Graph) -> str:
    """SQL of each element once: its IRI, kind, name, type, and all that is said of it as sorted texts."""
    words = Words(graph)
    schema = graph.schema
    return (
        f"WITH keyed AS (SELECT map(list(key), list(name)) AS names FROM {schema}.attribute_key) "
        "SELECT concat(first(p.iri), first(n.local)) AS iri, e.kind, "
        f"first(coalesce({words.label()}, {NAME})) AS name, "
        f"first(coalesce(({words.types()})[1], 'other')) AS type, list_sort(list_distinct(flatten(list(list_concat("
        f"{_ATTRIBUTES.format('e')}, [concat('start = ', e.start_time), concat('end = ', e.end_time)]))))) AS facts "
        f"FROM {schema}.element e JOIN {schema}.name n ON n.id = e.id LEFT JOIN {schema}.prefix p "
        "ON p.prefix = n.prefix, keyed GROUP BY e.id, e.kind"
    )


_ATTRIBUTES = "coalesce(list_transform({}.attributes, lambda a: concat(keyed.names[a.k], ' = ', a.v)), [])"


def _relations(graph: Graph) -> str:
    """SQL of each relation once: ``fact`` is all that it says by IRIs, ``shown`` as people read it, ``type`` its kind."""
    schema = graph.schema
    kinds = " ".join(f"WHEN {kind.number} THEN '{kind.name}'" for kind in RELATION_KINDS)
    columns = ("id", *ARGUMENT_COLUMNS)
    joins = " ".join(f"LEFT JOIN named n_{column} ON n_{column}.id = r.{column}" for column in columns)
    iris = ", ".join(f"coalesce(n_{column}.iri, '')" for column in columns)
    names = ", ".join(f"n_{column}.name" for column in ARGUMENT_COLUMNS)
    return (
        f"WITH keyed AS (SELECT map(list(key), list(name)) AS names FROM {schema}.attribute_key), "
        f"named AS (SELECT n.id, {NAME} AS name, CASE WHEN n.prefix = '_' THEN '' ELSE concat(p.iri, n.local) END AS iri "
        f"FROM {schema}.name n LEFT JOIN {schema}.prefix p ON p.prefix = n.prefix), "
        f"told AS (SELECT CASE r.kind {kinds} END AS type, concat_ws(chr(31), r.kind, {iris}, coalesce(r.time, ''), "
        f"array_to_string(list_sort({_ATTRIBUTES.format('r')}), chr(31))) AS fact, "
        f"concat(CASE r.kind {kinds} END, '(', concat_ws(', ', {names}, r.time), ')') AS shown "
        f"FROM {schema}.relation r {joins}, keyed) "
        "SELECT fact, min(type) AS type, min(shown) AS shown FROM told GROUP BY fact"
    )
