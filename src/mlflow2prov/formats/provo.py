"""Graphs as PROV-O (https://www.w3.org/TR/prov-o/), whatever the syntax: which triples a record is.

A relation that has nothing but two formal arguments is one triple. Any other is also a node: it has the
relation's identifier, or an IRI made of what the relation says, so that loading a document twice doubles
nothing. A relation that says the same as another one is such a node, too, since a triple is there once.

Where an identifier has several records in a bundle, it has the triples of all of them, as the standard means
it; besides, each of them has a description, which says what that record says, in properties of ours that no
other tool takes for those of a thing (see ``DESCRIBES``). So each record is read as it was. A record that has
an attribute with one value several times has a description, too.

What RDF can't tell apart, whatever the syntax: ``rdfs:label``, ``rdf:type``, ``prov:atLocation`` and
``prov:hadRole`` as names of attributes are ``prov:label``, ``prov:type``, ``prov:location`` and ``prov:role``.
An identifier that is no IRI (one with a space, say) is written as an IRI below
https://w3id.org/mlflow2prov/iri/ that spells it, and read back as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import count
from typing import BinaryIO

from mlflow2prov.errors import FormatError
from mlflow2prov.formats.projection import Key, Projection, Rows
from mlflow2prov.formats.provo_repeated import find_again, find_copies, find_described
from mlflow2prov.formats.provo_syntax import Around, Syntax, joined
from mlflow2prov.formats.provo_terms import (
    AGAIN,
    AT_TIME,
    DATE_TIME,
    DESCRIBES,
    EMPTY_BUNDLE,
    GENID,
    LANGUAGE,
    PROPERTIES,
    RDF,
    RECORD_CLASSES,
    RECORDED,
    RECORDED_SUBJECT,
    RELATIONS,
    STRUCTURAL_CLASSES,
    STRUCTURAL_PROPERTIES,
    TYPE,
    is_language,
    is_legal,
    recorded,
    wrapped,
)
from mlflow2prov.formats.text import literal, write_strings
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.namespaces import PROV
from mlflow2prov.prov.records import KINDS, RecordKind

_TIMES = {"startTime": PROV + "startedAtTime", "endTime": PROV + "endedAtTime", "time": AT_TIME}


class Records:
    """The triples of a graph's records in one syntax."""

    def __init__(self, projection: Projection, syntax: Syntax) -> None:
        self._projection = projection
        self._syntax = syntax
        self._types = [
            key.is_qualified and self._iri(key.name) in (PROV + "type", TYPE) for key in projection.keys
        ]
        self._has_described = find_described(projection)
        self._spell()
        self._find_repeated()
        self._name_blank_relations()

    def write(self, bundle: int, file: BinaryIO, syntax: Syntax | None = None) -> None:
        """Write what a bundle has; 0 is the document itself."""
        self._syntax = syntax or self._syntax
        projection = self._projection
        for kind in projection.kinds(bundle):
            for rows in projection.rows(bundle, kind):
                sql = self._element(rows) if kind.is_element else self._relation(rows)
                write_strings(projection.graph.store, sql, file)

    def write_empty_bundles(self, file: BinaryIO) -> None:
        """Write, into the document itself, that there are bundles without records."""
        projection = self._projection
        if not projection.bundles:
            return
        is_empty = "id NOT IN (SELECT DISTINCT bundle FROM {0}.element UNION SELECT DISTINCT bundle FROM {0}.relation)"
        text = self._syntax.block("n.text.t", [self._syntax.is_a(EMPTY_BUNDLE)])
        schema = projection.graph.schema
        sql = (
            f"SELECT concat({text}) FROM (SELECT id, rowid AS place FROM {schema}.bundle WHERE {is_empty.format(schema)}) b "
            f"JOIN {projection.names(f'id IN (SELECT id FROM {schema}.bundle)')} n ON n.id = b.id ORDER BY place"
        )
        write_strings(projection.graph.store, sql, file)

    def _element(self, rows: Rows) -> str:
        """SQL of the text of each element of one kind."""
        syntax, name = self._syntax, f"{rows.name}.t"
        properties = [syntax.is_a(f"{PROV}{rows.kind.name.capitalize()}"), *self._times(rows)]
        text = syntax.block(name, properties, self._attributes(name))
        described, joined = self._description(rows)
        return f"SELECT concat({text}, {described}) FROM {rows.source}{joined}"

    def _relation(self, rows: Rows) -> str:
        """SQL of the text of each relation of one kind."""
        syntax, terms = self._syntax, RELATIONS[rows.kind.name]
        node = self._node(rows)
        arguments = {name: f"{text}.t" for name, text in rows.arguments.items()}
        first, second = (arguments.get(name) for name in rows.kind.references[:2])
        binary = syntax.said(terms.binary, second) if second else "NULL"
        properties = [syntax.is_a(terms.node)]
        properties += [
            syntax.said(term, arguments[name]) for name, term in terms.arguments.items() if name in arguments
        ]
        qualified = syntax.block(node, [*properties, *self._times(rows)], self._attributes(node))
        if first:
            linked = f"concat({syntax.block(first, [syntax.said(terms.link, node), binary])})"
            qualified = f"CASE WHEN {first} IS NOT NULL THEN {linked} END, {qualified}"
        text = f"concat({qualified})"
        if first:
            plain = [binary]
            if rows.kind.name == "mentionOf" and "bundle" in arguments:
                plain.append(syntax.said(terms.arguments["bundle"], arguments["bundle"]))
            plain_text = f"concat({syntax.block(first, plain)})"
            is_plain = self._is_plain(rows.kind)
            if rows.kind.name == "mentionOf" and rows.portion.identified:
                is_plain = (
                    "false"  # its bundle would stand where that of a mention with its identifier stands
                )
            text = f"CASE WHEN {is_plain} AND again.place IS NULL THEN {plain_text} ELSE {text} END"
        described, joined = self._description(rows)
        return f"SELECT concat({text}, {described}) FROM {self._source(rows)}{joined}"

    def _description(self, rows: Rows) -> tuple[str, str]:
        """SQL of what describes each record that shares its identifier with others, and of a further join for it."""
        table = f"described_{'element' if rows.kind.is_element else 'relation'}"
        table = rows.place_of(f"{self._projection.scratch}.{table}")
        if not self._has_described or not self._projection.graph.store.run(f"SELECT 1 FROM {table} LIMIT 1"):
            return "NULL", ""
        syntax, kind = self._syntax, rows.kind
        own = f"coalesce({rows.name}.i, '')" if rows.name else "''"
        node = syntax.node(self._generated(rows, "described", own))
        target = f"{rows.name}.t" if kind.is_element else self._node(rows)
        terms = {} if kind.is_element else RELATIONS[kind.name].arguments
        properties = [syntax.is_a(RECORD_CLASSES[kind.name]), syntax.said(DESCRIBES, target)]
        properties += [
            syntax.said(recorded(terms[name]) if name in terms else RECORDED_SUBJECT, f"{text}.t")
            for name, text in rows.arguments.items()
        ]
        properties += self._times(rows, recorded)
        once = self._listed(node, "r.attributes", "said_")
        again = self._listed(node, "described.attributes", "again_")
        listed = f"CASE WHEN described.attributes IS NULL THEN {once} ELSE {again} END"
        text = syntax.block(node, properties, listed)
        joined = f" LEFT JOIN {table} described ON described.place = r.place"
        return f"CASE WHEN described.place IS NOT NULL THEN concat({text}) END", joined

    def _source(self, rows: Rows) -> str:
        scratch = self._projection.scratch
        return (
            f"{rows.source} LEFT JOIN {rows.place_of(f'{scratch}.again')} again ON again.place = r.place "
            f"LEFT JOIN {rows.place_of(f'{scratch}.copy')} copy ON copy.place = r.place"
        )

    def _times(self, rows: Rows, spelled: Callable[[str], str] = str) -> list[str]:
        syntax = self._syntax
        return [
            joined(syntax.typed(spelled(_TIMES[name]), DATE_TIME, None), syntax.escaped(text))
            for name, text in rows.times.items()
        ]

    def _iri(self, name: str) -> str:
        """The IRI of an attribute's name or a datatype."""
        prefix, colon, local = name.partition(":")
        namespace = self._projection.prefixes.get(prefix if colon else "")
        return name if namespace is None else namespace + (local if colon else name)

    def _spell(self) -> None:
        """Say what stands around the values of each attribute key."""
        keys = self._projection.keys
        around = {"": [self._around(key, self._term(key)) for key in keys]}
        if self._has_described:
            around |= self._around_described()
        digests = [
            hashlib.md5(
                repr((self._iri(key.name), key.datatype and self._iri(key.datatype), key.language)).encode()
            )
            for key in keys
        ]
        self._projection.spell_keys(
            **{f"{which}before": [before for before, _ in pairs] for which, pairs in around.items()},
            **{f"{which}after": [after for _, after in pairs] for which, pairs in around.items()},
            is_type=self._types,
            digest=[digest.hexdigest() for digest in digests],
        )

    def _around_described(self) -> dict[str, list[Around]]:
        """Likewise in descriptions; of values that stand there again, with a mark where their number belongs."""
        names = [(key, self._iri(key.name)) for key in self._projection.keys]
        said = [self._around(key, wrapped(name, RECORDED)) for key, name in names]
        texts = "\n".join(text for pair in said for text in pair)
        self._mark = next(mark for mark in (f"x{number}x" for number in count()) if mark not in texts)
        again = [self._around(key, wrapped(name, f"{AGAIN}{self._mark}_")) for key, name in names]
        return {"said_": said, "again_": again}

    def _term(self, key: Key) -> str:
        """The property of an attribute."""
        name = self._iri(key.name)
        if name in (PROV + "type", TYPE):
            return TYPE if key.is_qualified else PROV + "type"
        if name.startswith(PROV) and f"prov:{name.removeprefix(PROV)}" in PROPERTIES:
            return PROPERTIES[f"prov:{name.removeprefix(PROV)}"]
        return name if is_legal(name) and name not in STRUCTURAL_PROPERTIES else wrapped(name)

    def _around(self, key: Key, term: str) -> Around:
        if key.is_qualified:
            return self._syntax.about(term)
        if key.language is not None:
            if is_language(key.language):
                return self._syntax.typed(term, None, key.language)
            return self._syntax.typed(term, wrapped(key.language, LANGUAGE), None)
        if key.datatype is None:
            return self._syntax.typed(term, None, None)
        datatype = self._iri(key.datatype)
        is_kept = is_legal(datatype) and datatype not in (RDF + "langString", RDF + "dirLangString")
        return self._syntax.typed(term, datatype if is_kept else wrapped(datatype), None)

    def _attributes(self, subject: str) -> str:
        """SQL of a record's attributes, a separator before each; NULL where it has none."""
        return self._listed(subject, "r.attributes", "")

    def _listed(self, subject: str, attributes: str, way: str) -> str:
        """Likewise of a list; ``way`` is that of descriptions, ``said_``, or of lists with numbers, ``again_``."""
        if not self._projection.keys:
            return "NULL"
        syntax, separator = self._syntax, self._syntax.separator(subject)
        before, after = f"s.{way}before[a.k]", f"s.{way}after[a.k]"
        if way == "again_":
            before, after = (
                f"CASE WHEN a.n = 1 THEN s.said_{side}[a.k] ELSE replace({text}, '{self._mark}', a.n::VARCHAR) END"
                for side, text in (("before", before), ("after", after))
            )
        text = f"concat({separator}, {before}, {syntax.escaped('a.v')}, {after})"
        value = syntax.value("a.v", _expanded("a.v"))
        named = f"concat({separator}, {before}, {value}, {after})"
        if any(self._types) and not way:
            structural = ", ".join(map(literal, self._structural_tokens()))
            other = f"concat({separator}, {joined(syntax.about(PROV + 'type'), value)})"
            named = f"CASE WHEN s.is_type[a.k] AND a.v IN ({structural}) THEN {other} ELSE {named} END"
        if any(key.is_qualified for key in self._projection.keys):
            text = f"CASE WHEN s.qualified[a.k] THEN {named} ELSE {text} END"
        listed = f"array_to_string(list_transform({attributes}, lambda a: {text}), '')"
        return f"CASE WHEN len({attributes}) > 0 THEN {listed} END"

    def _structural_tokens(self) -> list[str]:
        """How the graph may spell the classes that say what kind of record there is."""
        return sorted(
            f"{prefix}:{term.removeprefix(iri)}" if prefix else term.removeprefix(iri)
            for term in STRUCTURAL_CLASSES
            for prefix, iri in self._projection.prefixes.items()
            if term.startswith(iri)
        )

    def _is_plain(self, kind: RecordKind) -> str:
        """SQL of the condition that a relation has nothing but what its triple says."""
        more = ARGUMENT_COLUMNS[2 : len(kind.references)] if kind.name != "mentionOf" else ()
        none = [f"r.{column} IS NULL" for column in ("id", "time", *more)]
        return " AND ".join(
            ["r.a1 IS NOT NULL", "r.a2 IS NOT NULL", *none, "coalesce(len(r.attributes), 0) = 0"]
        )

    def _find_repeated(self) -> None:
        """Make the tables ``again`` and ``copy`` of relations that others say, too."""
        cases = " ".join(
            f"WHEN {kind.number} THEN {self._is_plain(kind)}" for kind in KINDS if not kind.is_element
        )
        graph, scratch = self._projection.graph, self._projection.scratch
        find_again(graph, scratch, f"CASE r.kind {cases} END")
        find_copies(graph, scratch)

    def _name_blank_relations(self) -> None:
        """Give relations with blank names, to which derivations refer, the IRIs of relations without names."""
        if not self._projection.graph.query("SELECT 1 FROM {graph}.name WHERE prefix = '_' LIMIT 1"):
            return
        numbers = [0, *(number for number, _ in self._projection.bundles)]
        portions = [(bundle, kind) for bundle in numbers for kind in self._projection.kinds(bundle)]
        for bundle, kind in sorted(portions, key=lambda portion: portion[1].name == "wasDerivedFrom"):
            if kind.is_element:
                continue
            for rows in self._projection.rows(bundle, kind):  # one after the other: they see what is minted
                if rows.name is not None:
                    self._mint(rows)

    def _mint(self, rows: Rows) -> None:
        iri = self._generated(rows)
        text = f"{{'t': {self._syntax.node(iri)}, 'i': {iri}}}"
        self._projection.mint(
            f"SELECT r.id, arg_min({text}, r.place) FROM {self._source(rows)} "
            f"WHERE starts_with({rows.name}.i, '_:') GROUP BY r.id"
        )

    def _node(self, rows: Rows) -> str:
        """SQL of the text of a qualified relation's node."""
        generated = self._syntax.node(self._generated(rows))
        return f"coalesce({rows.name}.t, {generated})" if rows.name else generated

    def _generated(self, rows: Rows, copies: str = "copy", *more: str) -> str:
        """SQL of the IRI of a relation without identifier: it depends on nothing but what the relation says.

        ``copies`` is the table that numbers those that say the same; ``more`` is what else they say.
        """
        said = [literal(rows.kind.name), *more]
        said += [
            f"coalesce({rows.arguments[name]}.i, '')" if name in rows.arguments else "''"
            for name in rows.kind.references
        ]
        said += [
            f"coalesce({rows.times[name]}, '')" if name in rows.times else "''" for name in rows.kind.times
        ]
        said += [] if rows.kind.times else ["''"]
        if rows.portion.attributed:
            value = f"CASE WHEN s.qualified[a.k] THEN {_expanded('a.v')} ELSE a.v END"
            listed = f"list_transform(r.attributes, lambda a: concat(s.digest[a.k], to_json({value})))"
            said.append(f"array_to_string(list_sort({listed}), '|')")
        number = f"CASE WHEN {copies}.number > 1 THEN '-' || {copies}.number END"
        return f"concat('{GENID}', md5(concat_ws('|', {', '.join(said)})), {number})"


def _expanded(token: str) -> str:
    """SQL of the IRI of a qualified name; one whose prefix is not declared is itself."""
    colon = f"position(':' IN {token})"
    prefix = f"s.iris[list_position(s.prefixes, left({token}, greatest({colon} - 1, 0)))]"
    return f"coalesce({prefix} || {token}[{colon} + 1:], {token})"


def no_bundles(graph: Graph, name: str, instead: str) -> None:
    """Raise an error where a graph has bundles, for which a syntax has no place.

    Raises:
        FormatError: there is a bundle.
    """
    if graph.count("bundle"):
        raise FormatError(f"{name} has no place for bundles, and the document has some: save it as {instead}")
