r"""Names in PROV-N (https://www.w3.org/TR/prov-n/, productions [52] to [56]), for its writer.

Three kinds of name need more than a prefix and a colon:

* A local part with one of ``= ' ( ) , : ; [ ]``, or with a hyphen or dot at an end, has a backslash
  before it.
* A local part with a character that no escape can spell (a per cent sign that stands alone, or
  U+2013) goes by a prefix ``ns1``, ``ns2``, … of its own, whose namespace has that character as its
  last one. The identifier's IRI stays as it is. There are at most ``MOST_NAMESPACES`` of these.
* Where no namespace can have the character either (a space, ``< > " { } | ^ ` \``), since no IRI
  has it, the name stands in a namespace under ``ESCAPED``: that is followed by the real namespace,
  and both this and the local part are percent-encoded. Our reader undoes it.

Blank names become names in the namespace ``GENID``; our reader makes blank names of them.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from mlflow2prov.formats.projection import Projection
from mlflow2prov.formats.text import literal
from mlflow2prov.graph.arrays import lists, texts
from mlflow2prov.graph.graph import Graph

GENID = "https://w3id.org/mlflow2prov/genid/"
"""The namespace of identifiers that stand for blank ones."""

ESCAPED = "https://w3id.org/mlflow2prov/escaped/"
"""Followed by a percent-encoded IRI: the namespace for names that PROV-N can't spell."""

MOST_NAMESPACES = 1_000
"""How many namespaces are made for awkward names; more of them would be slow to declare and to read."""

_BASE_RANGES = (
    (0xC0, 0xD6),
    (0xD8, 0xF6),
    (0xF8, 0x2FF),
    (0x370, 0x37D),
    (0x37F, 0x1FFF),
    (0x200C, 0x200D),
    (0x2070, 0x218F),
    (0x2C00, 0x2FEF),
    (0x3001, 0xD7FF),
    (0xF900, 0xFDCF),
    (0xFDF0, 0xFFFD),
    (0x10000, 0xEFFFF),
)
_BASE = "A-Za-z" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _BASE_RANGES)
_CHARACTERS = f"{_BASE}_0-9·\u0300-\u036f\u203f-\u2040"
"""Those of PN_CHARS, but for the hyphen."""

PREFIX = f"[{_BASE}](?:[{_CHARACTERS}.-]*[{_CHARACTERS}-])?"
"""PN_PREFIX."""

_FREE = "/@~&+*?#$!"
LOCAL = (
    rf"(?:[{_CHARACTERS}{_FREE}]|%[0-9A-Fa-f]{{2}}|\\[=\'(),:;\[\].-])"
    rf"(?:[{_CHARACTERS}{_FREE}.:-]|%[0-9A-Fa-f]{{2}}|\\[=\'(),:;\[\].-])*"
)
"""PN_LOCAL, with two liberties for readers: colons without a backslash, and a dot at the end."""

IRI = r'[^<>"{}|^`\\\x00-\x20]'
"""One character of IRI_REF."""

_PLAIN = rf"[{_CHARACTERS}{_FREE}](?:[{_CHARACTERS}{_FREE}.-]*[{_CHARACTERS}{_FREE}-])?"
_PIECE = rf"(?:[{_CHARACTERS}{_FREE}=\'(),:;\[\].-]|%[0-9A-Fa-f]{{2}})"

_SPECIAL = r"([=\'(),:;\[\]])"


def escaped_iri(iri: str) -> str:
    """Return the namespace in which the awkward names of a namespace stand.

    >>> escaped_iri("http://example.org/my files/")
    'https://w3id.org/mlflow2prov/escaped/http://example.org/my%20files/'
    """
    return ESCAPED + quote(iri, safe="/:?#@!$&'()*+,;=~")


class Names:
    """How the names of one graph are spelled; with prefixes for those that need one.

    Attributes:
        declarations: the prefixes to declare, with their IRIs.
    """

    def __init__(self, graph: Graph, scratch: str) -> None:
        """Look through a graph's names; ``scratch`` is a schema for tables of this object's own."""
        self._graph = graph
        self._scratch = scratch
        prefixes = dict(graph.query("SELECT prefix, iri FROM {graph}.prefix ORDER BY rowid"))
        self._iris: dict[str, str] = prefixes
        self._taken = set(prefixes)
        self._number = 0
        self._genid = self._fresh("genid")
        self.declarations: dict[str, str] = {}
        self._declare()
        self._find_odd_names()
        heads = self._namespaces_of_awkward_names()
        twins = self._namespaces_of_escaped_names(heads)
        self._store_spellings(heads, twins)

    def _declare(self) -> None:
        """Say how each prefix is spelled; one whose namespace can't be declared is not spelled at all."""
        self._spelled: dict[str, str] = {}
        for prefix, iri in self._graph.prefixes().items():
            if not iri or re.fullmatch(f"{IRI}+", iri) is None:
                continue
            spelled = prefix if prefix == "" or re.fullmatch(PREFIX, prefix) else self._fresh("ns")
            self._spelled[prefix] = f"{spelled}:" if spelled else ""
            self.declarations[spelled] = iri
        self._spelled |= {prefix: f"{prefix}:" for prefix in ("prov", "xsd")}
        self._is_simple = all(
            self._spelled.get(prefix) == (f"{prefix}:" if prefix else "") for prefix in self._iris
        )

    def _fresh(self, stem: str) -> str:
        """A prefix that the graph does not have."""
        candidate = stem if stem != "ns" else ""
        while not candidate or candidate in self._taken:
            self._number += 1
            candidate = f"{stem}{self._number}"
        self._taken.add(candidate)
        return candidate

    def _find_odd_names(self) -> None:
        """Make a table of those prefixes and local parts that no prefix of the graph and no escape spells."""
        run, schema = self._graph.store.run, self._graph.schema
        keys = self._graph.query("SELECT key FROM {graph}.attribute_key WHERE datatype = 'xsd:QName'")
        numbers = ", ".join(str(key) for (key,) in keys)
        plain = f"regexp_full_match(a.v, {literal(f'(?:{PREFIX}:)?{_PLAIN}')})"
        picked = f"list_filter(attributes, lambda a: list_contains([{numbers}], a.k) AND NOT {plain})"
        values = " UNION ALL ".join(
            f"SELECT unnest(list_transform({picked}, lambda a: a.v)) AS token FROM {schema}.{table}"
            for table in (("element", "relation") if keys else ())
        )
        tokens = (
            f"SELECT name FROM {schema}.attribute_key UNION ALL SELECT datatype FROM {schema}.attribute_key"
        )
        if values:
            tokens += f" UNION ALL {values}"
        run(
            f"CREATE TABLE {self._scratch}.odd AS SELECT o.*, p.iri || o.local AS iri FROM ("
            f"SELECT prefix, local FROM {schema}.name WHERE prefix <> '_' AND NOT {self._is_fine('prefix', 'local')} UNION "
            f"SELECT DISTINCT prefix, local FROM (SELECT {prefix_of('token')} AS prefix, {local_of('token')} AS local "
            f"FROM ({tokens}) t(token)) WHERE NOT {self._is_fine('prefix', 'local')}"
            f") o LEFT JOIN {schema}.prefix p ON p.prefix = o.prefix"
        )

    def _is_fine(self, prefix: str, local: str) -> str:
        """SQL of whether the graph's own prefix and escapes can spell a name."""
        fine = f"regexp_full_match({local}, {literal(f'{_PIECE}*')})"
        unnamed = f"{local} = '' OR starts_with({local}, '//') OR starts_with({local}, '/*')"
        unspelled = ["_", *(known for known in self._iris if known not in self._spelled)]
        unspelled_sql = ", ".join(map(literal, unspelled))
        return f"({fine} AND {prefix} NOT IN ({unspelled_sql}) AND NOT ({prefix} = '' AND ({unnamed})))"

    def _namespaces_of_awkward_names(self) -> dict[str, str]:
        """The namespaces that end in what can't be spelled, with their prefixes, as far as they are IRIs."""
        head = _head("iri", "local")
        rows = self._graph.store.run(
            f"SELECT {head} AS head FROM {self._scratch}.odd WHERE regexp_full_match({head}, {literal(f'{IRI}+')}) "
            f"GROUP BY head ORDER BY head LIMIT {MOST_NAMESPACES}"
        )
        heads = {head: self._fresh("ns") for (head,) in rows}
        self.declarations |= {prefix: head for head, prefix in heads.items()}
        return heads

    def _namespaces_of_escaped_names(self, heads: dict[str, str]) -> dict[str, str]:
        """The prefixes of those namespaces whose names have to be percent-encoded, by the graph's prefix."""
        run = self._graph.store.run
        run(f"CREATE TABLE {self._scratch}.head (iri VARCHAR)")
        if heads:
            marks = ", ".join("(?)" for _ in heads)
            run(f"INSERT INTO {self._scratch}.head VALUES {marks}", list(heads))
        rows = run(
            f"SELECT DISTINCT prefix FROM {self._scratch}.odd WHERE {_head('iri', 'local')} "
            f"NOT IN (SELECT iri FROM {self._scratch}.head) OR iri IS NULL ORDER BY prefix"
        )
        twins = {prefix: self._twin(prefix) for (prefix,) in rows if prefix in self._iris}
        self.declarations |= {twin: escaped_iri(self._iris[prefix]) for prefix, twin in twins.items()}
        self._has_odd = bool(heads or rows)
        if ("_",) in rows:
            twins["_"] = self._genid
            self.declarations[self._genid] = GENID
        return twins

    def _twin(self, prefix: str) -> str:
        """The prefix for percent-encoded names of a namespace: its own, if that has no other use."""
        is_free = prefix not in self._spelled and re.fullmatch(PREFIX, prefix)
        return prefix if is_free else self._fresh("ns")

    def _store_spellings(self, heads: dict[str, str], twins: dict[str, str]) -> None:
        """Make a table of one row with what stands before local parts."""
        import pyarrow as pa

        prefixes = [*self._iris, "_"]
        columns: dict[str, list[str | None]] = {
            "prefixes": list(prefixes),
            "iris": [self._iris.get(prefix) for prefix in prefixes],
            "spelled": [self._spelled.get(prefix) for prefix in prefixes],
            "twins": [f"{twins.get(prefix, '')}:" for prefix in prefixes],
            "heads": list(heads),
            "head_prefixes": [f"{prefix}:" for prefix in heads.values()],
        }
        row = pa.table({name: lists(texts(items), [len(items)]) for name, items in columns.items()})
        with self._graph.store.registered(row) as arriving:
            self._graph.store.run(f"CREATE TABLE {self._scratch}.names AS SELECT * FROM {arriving}")

    @property
    def row(self) -> str:
        """The table of one row that the SQL of :meth:`token` reads; it has to stand in FROM as ``h``."""
        return f"{self._scratch}.names h"

    def name(self) -> str:
        """SQL of the text of a name ``n``, as :func:`mlflow2prov.formats.projection.projecting` takes it."""
        return self._text("n.prefix", "n.local", "n.iri", f"(SELECT {{}} FROM {self._scratch}.names)")

    def token(self, token: str) -> str:
        """SQL of the text of a name, from that of ``prefix:local``."""
        prefix, local = prefix_of(token), local_of(token)
        iri = f"h.iris[list_position(h.prefixes, {prefix})] || {local}"
        general = self._text(prefix, local, iri, "h.{}")
        if not self._is_simple:
            return general
        plain = literal(f"(?:{PREFIX}:)?{_PLAIN}")
        return f"CASE WHEN regexp_full_match({token}, {plain}) THEN {token} ELSE {general} END"

    def _text(self, prefix: str, local: str, iri: str, column: str) -> str:
        """SQL of the text of a name; ``column`` makes SQL of the name of a column of the table ``names``."""
        columns = ("prefixes", "spelled", "twins", "heads", "head_prefixes")
        prefixes, spelled, twins, heads, head_prefixes = (column.format(name) for name in columns)
        place = f"list_position({prefixes}, {prefix})"
        before = f"CASE WHEN {prefix} = '' THEN '' ELSE {prefix} || ':' END"
        if not self._is_simple:
            before = f"({spelled})[{place}]"
        fine = f"concat({before}, {_with_escapes(local)})"
        if not self._has_odd:
            return fine
        head, tail = _head(iri, local), _tail(local)
        encoded = f"replace(url_encode({local}), '%2F', '/')"
        return (
            f"CASE WHEN {self._is_fine(prefix, local)} THEN {fine} WHEN list_contains({heads}, {head}) "
            f"THEN concat(({head_prefixes})[list_position({heads}, {head})], {_with_escapes(tail)}) "
            f"ELSE concat(({twins})[{place}], {_with_escapes(encoded)}) END"
        )

    def spell(self, tokens: list[str]) -> dict[str, str]:
        """Return the texts of names that are given as ``prefix:local``."""
        import pyarrow as pa

        if not tokens:
            return {}
        with self._graph.store.registered(pa.table({"token": texts(tokens)})) as arriving:
            return dict(
                self._graph.store.run(
                    f"SELECT token, {self.token('token')} FROM {arriving} CROSS JOIN {self.row}"
                )
            )

    def mint_blank_names(self, projection: Projection) -> None:
        """Give names of ``GENID`` to what has blank ones, made from what they identify.

        The name that a document read from PROV-N has is that of the document already.
        """
        run, schema = self._graph.store.run, self._graph.schema
        blank = f"FROM {schema}.name WHERE prefix = '_'"
        if not self._graph.store.scalar(f"SELECT count(*) {blank}"):
            return
        self.declarations[self._genid] = GENID
        arguments = [f"r.a{n}" for n in range(1, 6)]
        iris = ", ".join(f"coalesce(n_{a[2:]}.iri, '')" for a in arguments)
        named = f"(SELECT n.id, coalesce(p.iri, '_:') || n.local AS iri FROM {schema}.name n "
        named += f"LEFT JOIN {schema}.prefix p ON p.prefix = n.prefix WHERE n.id IN (SELECT {{}} FROM "
        named += f"{schema}.relation r WHERE r.id IN (SELECT id {blank})))"
        joins = " ".join(f"LEFT JOIN {named.format(a)} n_{a[2:]} ON n_{a[2:]}.id = {a}" for a in arguments)
        content = f"concat_ws(chr(10), r.kind, {iris}, r.time, r.attributes::VARCHAR)"
        run(
            f"CREATE TABLE {self._scratch}.blank AS SELECT b.id, CASE WHEN regexp_full_match(b.local, '[0-9a-f]{{32}}') "
            f"THEN b.local ELSE md5(concat(b.local, string_agg(r.content, chr(10) ORDER BY r.content))) END AS local "
            f"FROM (SELECT id, local {blank}) b LEFT JOIN (SELECT r.id, {content} AS content FROM {schema}.relation r "
            f"{joins} WHERE r.id IN (SELECT id {blank})) r ON r.id = b.id GROUP BY b.id, b.local"
        )
        projection.mint(f"SELECT id, '{self._genid}:' || local FROM {self._scratch}.blank")


def prefix_of(token: str) -> str:
    """SQL of the prefix of ``prefix:local``."""
    return f"CASE WHEN contains({token}, ':') THEN split_part({token}, ':', 1) ELSE '' END"


def local_of(token: str) -> str:
    """SQL of the local part of ``prefix:local``."""
    return f"{token}[position(':' IN {token}) + 1:]"


def _tail(local: str) -> str:
    """SQL of the longest end of a local part that can be spelled."""
    return f"regexp_extract({local}, {literal(f'{_PIECE}*$')})"


def _head(iri: str, local: str) -> str:
    """SQL of what stands before that in the IRI."""
    return f"left({iri}, length({iri}) - length({_tail(local)}))"


def _with_escapes(local: str) -> str:
    """SQL of a local part with its backslashes."""
    escaped = f"regexp_replace({local}, {literal(_SPECIAL)}, '\\\\\\1', 'g')"
    for end in (r"^([.-])", r"(\.)$"):
        escaped = f"regexp_replace({escaped}, '{end}', '\\\\\\1')"
    # A dot that is the whole of it has got both backslashes.
    escaped = f"CASE WHEN {local} = '.' THEN '\\.' ELSE {escaped} END"
    return f"CASE WHEN regexp_full_match({local}, {literal(_PLAIN)}) THEN {local} ELSE {escaped} END"
