"""How the words of the vocabulary stand in a graph, whatever prefix its document has for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from mlflow2prov.graph.graph import Graph
from mlflow2prov.prov.namespaces import M2P, QUALIFIED_NAME_SPELLINGS


class Words:
    """SQL of what a graph's elements say in the words of the vocabulary.

    What stands in memory is one number for each attribute name of the vocabulary, not the elements.
    """

    def __init__(self, graph: Graph) -> None:
        self._keys: dict[str, list[int]] = defaultdict(list)
        self._spellings = [
            prefix for (prefix,) in graph.query(f"SELECT prefix FROM {{graph}}.prefix WHERE iri = '{M2P}'")
        ]
        for local, key in graph.query(
            "SELECT k.name[position(':' IN k.name) + 1:], k.key FROM {graph}.attribute_key k "
            "JOIN {graph}.prefix p ON p.prefix = CASE WHEN contains(k.name, ':') THEN split_part(k.name, ':', 1) "
            f"ELSE '' END WHERE p.iri = '{M2P}' ORDER BY k.key"
        ):
            self._keys[local].append(key)
        prov = dict(
            graph.query("SELECT key, name FROM {graph}.attribute_key WHERE starts_with(name, 'prov:')")
        )
        names = dict(graph.query("SELECT key, datatype FROM {graph}.attribute_key WHERE name = 'prov:type'"))
        self._all_types = sorted(names)
        self._labels = sorted(key for key, name in prov.items() if name == "prov:label")
        self._types = sorted(key for key, datatype in names.items() if datatype in QUALIFIED_NAME_SPELLINGS)
        self._roles = sorted(key for key, name in prov.items() if name == "prov:role")

    def spelled(self, word: str) -> list[str]:
        """Return how a type or role of the vocabulary stands as a value in the graph."""
        return [f"{prefix}:{word}" if prefix else word for prefix in self._spellings]

    def word(self, value: str) -> str:
        """Return SQL of the word of the vocabulary that a value, in SQL, spells; NULL where it spells none."""
        branches = "".join(
            f"WHEN starts_with({value}, '{prefix}:') THEN {value}[{len(prefix) + 2}:] " if prefix
            else f"WHEN NOT contains({value}, ':') THEN {value} "
            for prefix in self._spellings
        )  # fmt: skip
        return f"CASE {branches}END" if branches else "NULL::VARCHAR"

    def has_type(self, *types: str) -> str:
        """Return SQL of whether an element, by its column ``attributes``, has one of the types."""
        wanted = [spelling for type_ in types for spelling in self.spelled(type_)]
        if not wanted or not self._types:
            return "false"
        listed = ", ".join(f"'{name}'" for name in wanted)
        return f"len(list_filter(attributes, lambda a: a.k IN ({_numbers(self._types)}) AND a.v IN ({listed}))) > 0"

    def types(self) -> str:
        """Return SQL of the list of an element's types as they stand, of whatever vocabulary."""
        return _values(self._types)

    def all_types(self) -> str:
        """Return SQL of the list of an element's types as they stand, also of those that are no qualified names."""
        return _values(self._all_types)

    def values(self, attribute: str) -> str:
        """Return SQL of the list of values that an attribute of the vocabulary has."""
        return _values(self._keys[attribute])

    def value(self, attribute: str) -> str:
        """Return SQL of the first value that an attribute of the vocabulary has, else NULL."""
        return f"({self.values(attribute)})[1]"

    def label(self) -> str:
        """Return SQL of an element's first label, else NULL."""
        return f"({_values(self._labels)})[1]"

    def labels(self) -> str:
        """Return SQL of the list of an element's labels."""
        return _values(self._labels)

    def role(self) -> str:
        """Return SQL of a relation's first role as it stands, else NULL."""
        return f"({_values(self._roles)})[1]"


def _numbers(keys: Sequence[int]) -> str:
    return ", ".join(map(str, keys)) or "NULL"


def _values(keys: Sequence[int]) -> str:
    if not keys:
        return "[]::VARCHAR[]"
    return (
        f"coalesce(list_transform(list_filter(attributes, lambda a: a.k IN ({_numbers(keys)})), "
        "lambda a: a.v), [])"
    )


NAME = "CASE WHEN n.prefix = '' THEN n.local ELSE n.prefix || ':' || n.local END"
"""SQL of an identifier as its document spells it, by a row ``n`` of the table ``name``."""
