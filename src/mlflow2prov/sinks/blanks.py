"""What blank identifiers are called in a database: they hold within one document only.

That of a relation, by which derivations say which generation or usage they mean, is called by all that the
relation says, so that it is the same in every document that has it. Others get a mark of the document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlflow2prov.formats.text import literal
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.namespaces import QUALIFIED_NAME, QUALIFIED_NAME_SPELLINGS

if TYPE_CHECKING:
    from mlflow2prov.graph.graph import Graph


def name_blanks(graph: Graph, scratch: str) -> None:
    """Make the table ``blank`` in ``scratch``: the ``id`` of each blank identifier, and what it is called.

    ``is_said`` are those of relations, whose ``local`` is a digest of what the relation says; a relation
    without identifier has the same digest.
    """
    schema, run = graph.schema, graph.store.run
    run(f"CREATE TABLE {scratch}.blank (id INTEGER, local VARCHAR, is_said BOOLEAN)")
    if not graph.query("SELECT 1 FROM {graph}.name WHERE prefix = '_' LIMIT 1"):
        return
    ((size, names),) = graph.query("SELECT count(*), bit_xor(hash(prefix, local)) FROM {graph}.name")
    blank = f"SELECT id FROM {schema}.name WHERE prefix = '_'"
    iri = (
        f"SELECT n.id, CASE WHEN n.prefix <> '_' THEN coalesce(p.iri, n.prefix || ':') || n.local END AS iri "
        f"FROM {schema}.name n LEFT JOIN {schema}.prefix p ON p.prefix = n.prefix"
    )
    columns = ("bundle", *ARGUMENT_COLUMNS)
    told = ", ".join(f"coalesce(n_{column}.iri, '')" for column in columns)
    joins = " ".join(f"LEFT JOIN named n_{column} ON n_{column}.id = r.{column}" for column in columns)
    relations = (
        f"SELECT id, min(said) AS said FROM (SELECT r.id, md5(concat_ws('|', r.kind, {told}, coalesce(r.time, ''), "
        f"{_attributes_said(graph)})) AS said FROM {schema}.relation r {joins} WHERE r.id IN ({blank})) "
        "GROUP BY id HAVING count(*) = 1"
    )
    number = "row_number() OVER (PARTITION BY said ORDER BY id)"
    run(
        f"INSERT INTO {scratch}.blank WITH named AS ({iri}), relations AS ({relations}) "
        f"SELECT id, said || CASE WHEN {number} > 1 THEN '-' || {number} ELSE '' END, is_said FROM (SELECT n.id, "
        f"coalesce(s.said, concat('{size}-{names:x}-', n.local)) AS said, s.said IS NOT NULL AS is_said "
        f"FROM {schema}.name n LEFT JOIN relations s ON s.id = n.id WHERE n.prefix = '_')"
    )


def _attributes_said(graph: Graph) -> str:
    """SQL of a text that says the attributes of ``r``, whatever their order and prefixes are."""
    prefixes = dict(graph.query("SELECT prefix, iri FROM {graph}.prefix"))
    keys = graph.query("SELECT key, name, datatype, language FROM {graph}.attribute_key ORDER BY key")
    if not keys:
        return "''"
    qualified, said = [], {}
    for key, name, datatype, language in keys:
        if datatype in QUALIFIED_NAME_SPELLINGS:
            qualified.append(str(key))
            datatype = QUALIFIED_NAME
        meant = (_expanded(name, prefixes), datatype and _expanded(datatype, prefixes), language)
        said[key] = hashlib.md5(repr(meant).encode(), usedforsecurity=False).hexdigest()
    digests = ", ".join(literal(said.get(key, "")) for key in range(keys[0][0], keys[-1][0] + 1))
    value = "a.v"
    if qualified:
        colon = "position(':' IN a.v)"
        listed, iris = (
            f"([{', '.join(map(literal, texts))}]::VARCHAR[])" for texts in (prefixes, prefixes.values())
        )
        place = f"list_position({listed}, left(a.v, greatest({colon} - 1, 0)))"
        value = (
            f"CASE WHEN a.k IN ({', '.join(qualified)}) THEN coalesce({iris}[{place}] || a.v[{colon} + 1:], a.v) "
            "ELSE a.v END"
        )
    texts = f"list_transform(r.attributes, lambda a: concat(([{digests}])[a.k - {keys[0][0] - 1}], to_json({value})))"
    return f"coalesce(array_to_string(list_sort({texts}), '|'), '')"


def _expanded(token: str, prefixes: Mapping[str, str]) -> str:
    prefix, colon, local = token.partition(":")
    iri = prefixes.get(prefix if colon else "")
    return token if iri is None else iri + (local if colon else token)
