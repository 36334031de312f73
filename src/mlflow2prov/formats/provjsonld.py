"""PROV-JSONLD (https://www.w3.org/submissions/prov-jsonld/), written in bulk.

One statement a line, in the compact form of the submission, and valid in its JSON schema; the reader is
in :mod:`mlflow2prov.formats.provjsonld_reader`. Nothing of PROV-DM is lost. Where the submission has no
word, a JSON-LD processor still finds the right IRI:

- ``mentionOf`` is a statement of type ``provext:Mention``, whose three arguments are
  ``provext:specificEntity``, ``provext:generalEntity`` and ``provext:bundle`` (the schema does not know
  it, nor does the ``prov`` library);
- an attribute where the schema does not have its word, such as a role of a derivation, a location of an
  attribution or a label with a datatype, has its full name (``prov:role``);
- names in the default namespace have a prefix, and so have names whose own prefix JSON-LD would
  misunderstand (:func:`mlflow2prov.formats.provjsonld_terms.leads`).
"""

from __future__ import annotations

import json
from typing import BinaryIO

from mlflow2prov.formats.projection import Key, Projection, Rows, projecting
from mlflow2prov.formats.provjsonld_reader import read
from mlflow2prov.formats.provjsonld_terms import CONTEXT, KINDS_WITH_TERM, NAMING_TERMS, TYPES, leads
from mlflow2prov.formats.text import literal, write_strings
from mlflow2prov.graph.graph import Graph
from mlflow2prov.prov.records import KINDS

__all__ = ["read", "write"]

_Terms = frozenset[str]

_VARIANTS: dict[str, _Terms] = {
    kind.name: frozenset(term for term, kinds in KINDS_WITH_TERM.items() if kind.name in kinds)
    for kind in KINDS
}
"""The words for attributes that the statements of each kind may have."""

_NUMBERS: dict[_Terms, int] = {
    terms: number for number, terms in enumerate(dict.fromkeys(_VARIANTS.values()))
}


def write(graph: Graph, file: BinaryIO) -> None:
    """Write a graph as PROV-JSONLD to a binary file, streaming; memory does not grow with the graph."""
    prefixes = dict(graph.query("SELECT prefix, iri FROM {graph}.prefix ORDER BY rowid"))
    context, spelled = leads(prefixes)
    blank = "WHEN '_' THEN '_:' || n.local"
    name = _spelling("n.prefix", "n.local", spelled, blank, "n.iri")
    with projecting(graph, f"to_json({name})::VARCHAR") as projection:
        _Writer(projection, spelled).document(context, file)


def _spelling(prefix: str, local: str, spelled: dict[str, str], more: str, iri: str) -> str:
    """SQL of a name from SQL of its parts; a local name that begins like a host needs the whole IRI."""
    cases = "".join(f" WHEN {literal(own)} THEN {literal(lead)} || {local}" for own, lead in spelled.items())
    plain = f"{prefix} || ':' || {local}"
    if cases or more:
        plain = f"CASE {prefix}{cases} {more} ELSE {plain} END"
    return f"CASE WHEN starts_with({local}, '//') AND {prefix} <> '_' THEN {iri} ELSE {plain} END"


class _Writer:
    """Writes one graph; ``spelled`` is what :func:`leads` says of its prefixes."""

    def __init__(self, projection: Projection, spelled: dict[str, str]) -> None:
        self._projection = projection
        self._spelled = spelled
        prefix = "CASE WHEN contains(a.v, ':') THEN split_part(a.v, ':', 1) ELSE '' END"
        local = "a.v[position(':' IN a.v) + 1:]"
        iri = f"s.iris[list_position(s.prefixes, {prefix})] || {local}"
        self._qualified = f"to_json({_spelling(prefix, local, spelled, '', iri)})::VARCHAR"
        self._spell_keys()

    def _spell_keys(self) -> None:
        """Say what stands around the values of each attribute key, for each set of words allowed."""
        columns: dict[str, list[str] | list[int]] = {}
        keys = self._projection.keys
        for terms, number in _NUMBERS.items():
            names = [self._term(key, terms) for key in keys]
            around = [self._around(key, name) for key, name in zip(keys, names, strict=True)]
            shown = [f"{json.dumps(name, ensure_ascii=False)}:[" for name in names]
            numbers = {name: position for position, name in enumerate(dict.fromkeys(shown))}
            columns[f"name{number}"] = shown
            columns[f"number{number}"] = [numbers[name] for name in shown]
            columns[f"before{number}"] = [before for before, _ in around]
            columns[f"after{number}"] = [after for _, after in around]
            columns[f"opening{number}"] = [
                name + before for name, (before, _) in zip(shown, around, strict=True)
            ]
            columns[f"closing{number}"] = [f"{after}]" for _, after in around]
        self._projection.spell_keys(**columns)

    def _term(self, key: Key, terms: _Terms) -> str:
        word = key.name.removeprefix("prov:")
        if word in terms and word != key.name and (word != "label" or key.datatype is None):
            return word
        return self._token(key.name)

    def _around(self, key: Key, name: str) -> tuple[str, str]:
        """What stands before and after a value under a name."""
        if key.is_qualified and name in NAMING_TERMS:
            return "", ""
        if key.datatype is not None:
            return '{"@value":', f',"@type":{json.dumps(self._token(key.datatype), ensure_ascii=False)}}}'
        if key.language is not None:
            return '{"@value":', f',"@language":{json.dumps(key.language)}}}'
        return '{"@value":', "}"

    def _token(self, name: str) -> str:
        """How a name of an attribute or a datatype is spelled."""
        prefix, colon, local = name.partition(":")
        if not colon:
            prefix, local = "", name
        if local.startswith("//"):
            return self._projection.prefixes[prefix] + local
        return self._spelled.get(prefix, f"{prefix}:") + local

    def _several_values(self, rows: Rows, number: int) -> str:
        """SQL of the members of those records that have several values of one attribute.

        They are few, and finding them apart from writing costs less.
        """
        name = f"s.name{number}[a.k]"
        value = f"concat(s.before{number}[a.k], {self._value()}, s.after{number}[a.k])"
        values = f"list_transform(list_filter(r.attributes, lambda a: {name} = m), lambda a: {value})"
        names = f"list_sort(list_distinct(list_transform(r.attributes, lambda a: {name})))"
        member = f"concat(m, array_to_string({values}, ','), ']')"
        members = f"array_to_string(list_transform({names}, lambda m: {member}), ',')"
        several = f"SELECT * FROM ({rows.selected}) WHERE len(attributes) > 1"
        return (
            f"(SELECT place, {members} AS members FROM ({several}) r "
            f"CROSS JOIN {self._projection.scratch}.spelling s WHERE {self._repeats(number)})"
        )

    def _repeats(self, number: int) -> str:
        """SQL of the condition that ``r.attributes`` has several values of one attribute."""
        if len(self._projection.keys) < 63:  # one bit for each name: faster than making lists distinct
            bits = f"list_bit_or(list_transform(r.attributes, lambda a: 1::BIGINT << s.number{number}[a.k]::INTEGER))"
            return f"bit_count({bits}) < len(r.attributes)"
        distinct = f"len(list_distinct(list_transform(r.attributes, lambda a: s.number{number}[a.k])))"
        return f"{distinct} < len(r.attributes)"

    def _value(self) -> str:
        """SQL of the value of the attribute ``a`` as a JSON string."""
        if not self._spelled and not self._projection.keys:
            return "to_json(a.v)::VARCHAR"
        return f"CASE WHEN s.qualified[a.k] THEN {self._qualified} ELSE to_json(a.v)::VARCHAR END"

    def document(self, context: dict[str, str], file: BinaryIO) -> None:
        """Write the document, one statement a line."""
        shown = json.dumps([context, CONTEXT], indent=1, ensure_ascii=False)
        file.write(b'{"@context": ' + shown.encode() + b',\n"@graph": [')
        separator = self._statements(0, file, b"")
        for number, name in self._projection.bundles:
            file.write(
                separator + b'\n{"@type":"Bundle","@id":' + name.encode() + b',"@context":[],"@graph":['
            )
            self._statements(number, file, b"")
            file.write(b"\n]}")
            separator = b","
        file.write(b"\n]}\n")

    def _statements(self, bundle: int, file: BinaryIO, separator: bytes) -> bytes:
        for kind in self._projection.kinds(bundle):
            file.write(separator)
            for rows in self._projection.rows(bundle, kind):
                skip = 1 if rows.is_first else 0
                write_strings(self._projection.graph.store, self._statements_sql(rows), file, skip=skip)
            separator = b","
        return separator

    def _statements_sql(self, rows: Rows) -> str:
        """SQL of the statements of one kind: one string each, a comma and a line break before it."""
        kind = rows.kind
        members = [literal(f'"@type":{json.dumps(TYPES[kind.name])}')]
        if rows.name is not None:
            members.append(f"'\"@id\":' || {rows.name}")
        for name, text in rows.arguments.items():
            mention = kind.name == "mentionOf"
            members.append(
                f"'\"provext:{name}\":{{\"@id\":' || {text} || '}}'"
                if mention
                else f"'\"{name}\":' || {text}"
            )
        members += [f"'\"{name}\":' || to_json({text})::VARCHAR" for name, text in rows.times.items()]
        source = rows.source
        if rows.portion.attributed:
            terms = _VARIANTS[kind.name]
            number = _NUMBERS[terms]
            around = f"concat(s.opening{number}[a.k], {{}}, s.closing{number}[a.k])"
            listed = self._projection.attributes(
                around.format("to_json(a.v)::VARCHAR"), around.format(self._qualified)
            )
            members.append(f"coalesce(g.members, {listed})")
            source = f"{source} LEFT JOIN {self._several_values(rows, number)} g ON g.place = r.place"
        return f"SELECT concat(',', chr(10), '{{', concat_ws(',', {', '.join(members)}), '}}') FROM {source}"
