r"""PROV-XML (https://www.w3.org/TR/prov-xml/), written in bulk.

The text of a record is an SQL projection made from the table of record kinds; the reader is in
:mod:`mlflow2prov.formats.provxml_reader`. What is written is valid by the W3C's schema if the document
keeps to PROV-DM: names are XML names, no identifiers or attributes on specialization, alternate,
membership and mention, ``prov:value`` once and on entities only, and so on. All else is written in the
same manner, and read again without a loss, but no longer valid.

* An identifier stands as it is in ``prov:id`` and ``prov:ref``, also where it is no XML name. One of the
  default namespace that begins with white space loses that.
* An attribute or datatype whose name XML can't have is put into a further namespace: ``ex:c/d`` is the
  element ``d`` of the namespace that ends in ``c/``. If no end of it is an XML name it is refused.
* Blank names are those of the namespace ``https://w3id.org/mlflow2prov/genid/``.
* Characters that XML 1.0 has no place for are shown as ``\xNN``, which is logged once.
"""

from __future__ import annotations

import logging
from typing import BinaryIO

from mlflow2prov.formats.projection import Key, Projection, Rows, projecting
from mlflow2prov.formats.provxml_names import ILLEGAL, Namespaces, escaping_sql, in_attribute
from mlflow2prov.formats.provxml_reader import read
from mlflow2prov.formats.text import literal, write_strings
from mlflow2prov.graph.graph import Graph
from mlflow2prov.prov.namespaces import PROV

__all__ = ["read", "write"]

log = logging.getLogger(__name__)

_ORDER = ("label", "location", "role", "type", "value")
"""PROV's own attributes, in the order in which the schema has them; all others come after them."""

_ANY_SIMPLE = frozenset(_ORDER) - {"label"}
"""Attributes whose language the schema allows only with a datatype that has one."""


def write(graph: Graph, file: BinaryIO) -> None:
    """Write a graph as PROV-XML to a binary file, streaming; memory does not grow with the graph.

    Raises:
        FormatError: a prefix, or the name of an attribute or datatype, is one that XML can't have.
    """
    illegal, has_blank = _survey(graph)
    if illegal:
        log.warning(
            "%d texts have characters that XML can't hold; these are shown as \\xNN in the PROV-XML document",
            illegal,
        )
    prefixes: dict[str, str] = dict(graph.query("SELECT prefix, iri FROM {graph}.prefix ORDER BY rowid"))
    namespaces = Namespaces(prefixes, has_blank=has_blank)
    with projecting(graph, _names_sql(namespaces, has_illegal=illegal > 0)) as projection:
        _Writer(projection, namespaces, has_illegal=illegal > 0).document(file)


def _survey(graph: Graph) -> tuple[int, bool]:
    """How many texts have characters that XML can't hold, and whether some names are blank."""
    attributes = " UNION ALL ".join(
        f"SELECT sum(len(list_filter(attributes, lambda a: {_is_illegal('a.v')}))), "
        f"bool_or(len(list_filter(attributes, lambda a: starts_with(a.v, '_:'))) > 0) FROM {graph.schema}.{table}"
        for table in ("element", "relation")
    )
    of_key = _is_illegal("concat_ws(' ', name, datatype, language)")
    rows = graph.store.run(
        f"{attributes} "
        f"UNION ALL SELECT count(*) FILTER ({_is_illegal('local')}), bool_or(prefix = '_') FROM {graph.schema}.name "
        f"UNION ALL SELECT count(*) FILTER ({_is_illegal('iri')}), false FROM {graph.schema}.prefix "
        f"UNION ALL SELECT count(*) FILTER ({of_key}), false FROM {graph.schema}.attribute_key"
    )
    return sum(int(count or 0) for count, _ in rows), any(blank for _, blank in rows)


def _is_illegal(text: str) -> str:
    return f"regexp_matches({text}, {literal(ILLEGAL)})"


def _names_sql(namespaces: Namespaces, *, has_illegal: bool) -> str:
    """SQL of an identifier as it stands between quotes."""
    prefix = namespaces.own_prefix_sql("n.prefix")
    local = escaping_sql("n.local", in_quotes=True, has_illegal=has_illegal)
    return f"CASE WHEN {prefix} = '' THEN {local} ELSE concat({prefix}, ':', {local}) END"


class _Writer:
    """Writes the parts of a document in their order."""

    def __init__(self, projection: Projection, namespaces: Namespaces, *, has_illegal: bool) -> None:
        self._projection = projection
        self._namespaces = namespaces
        self._has_illegal = has_illegal
        places = {PROV + name: place for place, name in enumerate(_ORDER)}
        around, order = [], []
        for key in projection.keys:
            iri = self._iri(key.name)
            around.append(self._around(key, iri))
            order.append(places.get(iri, len(_ORDER)))
        projection.spell_keys(
            before=[before for before, _ in around], after=[after for _, after in around], place=order
        )
        self._attributes_sql = self._attributes(is_mixed=len(set(order)) > 1)

    def _iri(self, name: str) -> str:
        prefix, colon, local = name.partition(":")
        return self._projection.prefixes[prefix] + local if colon else self._projection.prefixes[""] + name

    def _around(self, key: Key, iri: str) -> tuple[str, str]:
        """What stands around the values of an attribute key."""
        element = self._namespaces.spelled(key.name, "attribute")
        datatype = key.datatype
        if key.language is not None and iri.removeprefix(PROV) in _ANY_SIMPLE:
            datatype = "prov:InternationalizedString"
        about = ""
        if datatype is not None:
            about = f' xsi:type="{self._namespaces.spelled(datatype, "datatype")}"'
        if key.language is not None:
            about += f' xml:lang="{in_attribute(key.language)}"'
        return f"\n    <{element}{about}>", f"</{element}>"

    def _attributes(self, *, is_mixed: bool) -> str:
        """SQL of the elements of a record's attributes, in the order of the schema; NULL where it has none."""
        keys = self._projection.keys
        if not keys:
            return "NULL"
        value = "a.v"
        if any(key.is_qualified for key in keys) and self._namespaces.renamed:
            value = f"CASE WHEN s.qualified[a.k] THEN {self._qualified('a.v')} ELSE a.v END"
        value = escaping_sql(value, in_quotes=False, has_illegal=self._has_illegal)
        attributes = "r.attributes"
        if is_mixed:
            placed = "list_transform(r.attributes, lambda a, i: {'place': s.place[a.k], 'i': i, 'k': a.k, 'v': a.v})"
            attributes = f"list_sort({placed})"
        text = f"concat(s.before[a.k], {value}, s.after[a.k])"
        return f"array_to_string(list_transform({attributes}, lambda a: {text}), '')"

    def _qualified(self, value: str) -> str:
        """SQL of a qualified name with the document's own prefix."""
        prefix = f"CASE WHEN contains({value}, ':') THEN split_part({value}, ':', 1) ELSE '' END"
        own, local = self._namespaces.own_prefix_sql(f"({prefix})"), f"{value}[position(':' IN {value}) + 1:]"
        return f"CASE WHEN {own} = '' THEN {local} ELSE concat({own}, ':', {local}) END"

    def document(self, file: BinaryIO) -> None:
        """Write the whole document."""
        declared = "".join(
            f'\n    xmlns{":" if prefix else ""}{prefix}="{in_attribute(iri)}"'
            for prefix, iri in self._namespaces.declared.items()
        )
        file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<prov:document{declared}>\n'.encode())
        self._records(0, file)
        for number, name in self._projection.bundles:
            file.write(f'  <prov:bundleContent prov:id="{name}">\n'.encode())
            self._records(number, file)
            file.write(b"  </prov:bundleContent>\n")
        file.write(b"</prov:document>\n")

    def _records(self, bundle: int, file: BinaryIO) -> None:
        for kind in self._projection.kinds(bundle):
            for rows in self._projection.rows(bundle, kind):
                write_strings(self._projection.graph.store, self._records_sql(rows), file)

    def _records_sql(self, rows: Rows) -> str:
        """SQL of the records of one kind, one element each."""
        element = f"prov:{rows.kind.name}"
        own = "''" if rows.name is None else f"' prov:id=\"' || {rows.name} || '\"'"
        parts = [
            f"'\n    <prov:{name} prov:ref=\"' || {text} || '\"/>'" for name, text in rows.arguments.items()
        ]
        for name, text in rows.times.items():
            time = escaping_sql(text, in_quotes=False, has_illegal=False)
            parts.append(f"'\n    <prov:{name}>' || {time} || '</prov:{name}>'")
        if rows.portion.attributed:
            parts.append(self._attributes_sql)
        body = f"concat({', '.join(parts or ['NULL'])})"
        return (
            f"SELECT concat('  <{element}', own, CASE WHEN body = '' THEN '/>\n' "
            f"ELSE concat('>', body, '\n  </{element}>\n') END) "
            f"FROM (SELECT {own} AS own, {body} AS body FROM {rows.source})"
        )
