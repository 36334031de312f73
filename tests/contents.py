"""What a graph says, whatever prefixes and blank names it says it with: for comparing documents."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mlflow2prov import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.namespaces import QUALIFIED_NAME
from mlflow2prov.prov.records import KIND_BY_NUMBER

Record = tuple[Any, ...]


def contents(graph: Graph) -> Counter[Record]:
    """Return each record with the number of its occurrences, all names as IRIs.

    A record is (bundle, kind, identifier, formal arguments, times, attributes); attributes are the
    sorted (name, value, datatype, language). A blank identifier is shown by what it identifies.
    """
    iris = dict(graph.query("SELECT prefix, iri FROM {graph}.prefix"))
    names: dict[int | None, Any] = {None: None, 0: None}
    blank: dict[int, list[Record]] = {}
    for number, prefix, local in graph.query("SELECT id, prefix, local FROM {graph}.name"):
        if prefix == "_":
            blank[number] = []
        else:
            names[number] = iris[prefix] + local
    keys = {
        key: (expanded(name, iris), None if datatype is None else expanded(datatype, iris), language)
        for key, name, datatype, language in graph.query("SELECT * FROM {graph}.attribute_key")
    }
    rows = _rows(graph, keys, iris)
    for row in rows:  # what a blank name identifies is known before what refers to it
        if row[2] in blank:
            blank[row[2]].append(
                (KIND_BY_NUMBER[row[1]].name, *(names.get(a, "blank") for a in row[3]), *row[4:])
            )
    names |= {number: ("blank", repr(sorted(map(repr, shown)))) for number, shown in blank.items()}
    return Counter(
        (names[bundle], KIND_BY_NUMBER[kind].name, names[own], tuple(names[a] for a in arguments), *rest)
        for bundle, kind, own, arguments, *rest in rows
    )


def expanded(name: str, iris: dict[str, str]) -> str:
    """The IRI of a qualified name."""
    prefix, colon, local = name.partition(":")
    return iris[prefix] + local if colon else iris[""] + name


def _rows(
    graph: Graph, keys: dict[int, tuple[str, str | None, str | None]], iris: dict[str, str]
) -> list[Record]:
    found: list[Record] = []
    elements = graph.query("SELECT bundle, kind, id, start_time, end_time, attributes FROM {graph}.element")
    for bundle, kind, own, start, end, attributes in elements:
        found.append((bundle, kind, own, (), (start, end), _attributes(attributes, keys, iris)))
    arguments = ", ".join(ARGUMENT_COLUMNS)
    relations = graph.query(f"SELECT bundle, kind, id, time, attributes, {arguments} FROM {{graph}}.relation")
    for bundle, kind, own, time, attributes, *named in relations:
        found.append((bundle, kind, own, tuple(named), (time,), _attributes(attributes, keys, iris)))
    return found


def _attributes(
    attributes: list[dict[str, Any]] | None,
    keys: dict[int, tuple[str, str | None, str | None]],
    iris: dict[str, str],
) -> tuple[tuple[str, ...], ...]:
    shown = []
    for pair in attributes or ():
        name, datatype, language = keys[pair["k"]]
        is_name = datatype == expanded(QUALIFIED_NAME, iris)
        value = expanded(pair["v"], iris) if is_name else pair["v"]
        shown.append((name, value, datatype or "", language or ""))
    return tuple(sorted(shown))


def bundles(graph: Graph) -> set[str]:
    """Return the IRIs of a graph's named bundles, empty ones too."""
    return {
        iri
        for (iri,) in graph.query(
            "SELECT p.iri || n.local FROM {graph}.bundle b JOIN {graph}.name n ON n.id = b.id "
            "JOIN {graph}.prefix p ON p.prefix = n.prefix"
        )
    }
