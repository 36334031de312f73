"""N-Quads (https://www.w3.org/TR/n-quads/) into tables of triples, in bulk.

Lines of the usual form are taken apart by the engine; others go through a parser, which turns them into
that form or says what is wrong. Some 16 MB of lines are held at a time. Cost: about 1 µs of CPU a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlflow2prov.errors import FormatError
from mlflow2prov.formats.provo_forms import ATTRIBUTE, MOMENT, SLOT, Forms
from mlflow2prov.formats.provo_terms import KNOWN_CLASSES, TYPE, WRAPPED, unwrapped_sql
from mlflow2prov.formats.text import LARGEST_RECORD_BYTES, literal
from mlflow2prov.graph.arrays import one_text

if TYPE_CHECKING:
    import pyarrow as pa

    from mlflow2prov.graph.store import Store

_PIECE_BYTES = 2**20
"""So many bytes are split into lines at once: they stay in the processor's cache."""

_BATCH_BYTES = 16 * 2**20
"""So many bytes are taken apart at once."""

_LINE_BYTES = 100
"""What a line costs, be it empty."""

_IRI = r'<[^\x00-\x20<>"{}|^`\\]*>'
_TEXT = r'"(?:[^\x00-\x1f"\\]|\\[tbnrf"\\]|\\u(?:[0-9A-CE-Fa-ce-f][0-9A-Fa-f]{3}|[dD][0-7][0-9A-Fa-f]{2}))*"'
_TAIL = rf"(?:@[A-Za-z]+(?:-[A-Za-z0-9]+)*|\^\^{_IRI})?"
_BARE = r'[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>"{}|^`\\]*'
_ABSOLUTE = f"<{_BARE}>"
_bare_iri = re.compile(_BARE)
_tail = re.compile(rf"[ib]|(?:@[A-Za-z]+(?:-[A-Za-z0-9]+)*|\^\^{_ABSOLUTE})?")

Parser = Callable[[bytes], bytes]
"""Turns lines of any form into those of the usual form; raises SyntaxError with their number."""


class Lines:
    """The triples of one document, on their way into tables.

    The tables of the schema are ``term`` (the text of identifiers, each at least once), ``attribute`` (graph,
    subject, number of the form, value), ``slot`` (graph, subject, number of the form, object), ``moment`` (like
    attributes) and ``graph``; identifiers are hashes of their texts, but for values. Graph 0 is the default one.
    """

    def __init__(self, store: Store, schema: str, name: str, forms: Forms, *, graphs: bool) -> None:
        """Make empty tables; ``graphs`` says whether lines may have a named graph."""
        self._store, self._schema, self._name, self._forms = store, schema, name, forms
        self._graphs = graphs
        self._pieces: list[pa.Array[Any]] = []
        self._waiting = 0
        self._rest = b""
        self._lines = 0
        for table, columns in {
            "term": "iri VARCHAR",
            "attribute": "g UBIGINT, s UBIGINT, form INTEGER, v VARCHAR",
            "slot": "g UBIGINT, s UBIGINT, form INTEGER, o UBIGINT",
            "moment": "g UBIGINT, s UBIGINT, form INTEGER, v VARCHAR",
            "graph": "g UBIGINT, iri VARCHAR",
        }.items():
            store.run(f"CREATE TABLE {schema}.{table} ({columns})")

    def add(self, content: bytes, parser: Parser | None) -> None:
        """Take in some bytes; ``parser`` is for lines that are not of the usual form.

        Raises:
            FormatError: a line is too long, or no text; or what the parser raises.
        """
        end = content.rfind(b"\n")
        if end < 0:
            self._rest += content
            self._check_length(len(self._rest))
            return
        self._split(self._rest + content[:end], parser)
        self._rest = content[end + 1 :]

    def finish(self, parser: Parser | None) -> None:
        """Take in what is left."""
        if self._rest:
            self._split(self._rest, parser)
        self._rest = b""
        self._take_apart(parser)

    def _check_length(self, length: int) -> None:
        if length > LARGEST_RECORD_BYTES:
            line = self._lines + sum(map(len, self._pieces)) + 1
            raise FormatError(f"{self._name}, line {line}: it has more than {LARGEST_RECORD_BYTES:,} bytes")

    def _split(self, content: bytes, parser: Parser | None) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if b"\r" in content:
            content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        for piece in _pieces(content):
            self._check_length(len(piece) - piece.rfind(b"\n"))
            try:
                lines = pc.split_pattern(one_text(piece), "\n").flatten().cast(pa.string())
            except pa.ArrowInvalid as error:
                raise self._no_text(piece) from error
            self._pieces.append(lines)
            self._waiting += len(piece) + _LINE_BYTES * len(lines)
            if self._waiting >= _BATCH_BYTES:
                self._take_apart(parser)

    def _no_text(self, piece: bytes) -> FormatError:
        before = self._lines + sum(map(len, self._pieces))
        try:
            piece.decode()
        except UnicodeDecodeError as error:
            before += piece.count(b"\n", 0, error.start)
        return FormatError(f"{self._name}, line {before + 1}: it is not UTF-8 text")

    def _take_apart(self, parser: Parser | None) -> None:
        import pyarrow as pa

        if not self._pieces:
            return
        lines = pa.table({"l": pa.chunked_array(self._pieces)})
        self._pieces, self._waiting = [], 0
        with self._store.registered(lines) as arriving:
            is_wrapped = bool(
                self._store.run(f"SELECT 1 FROM {arriving} WHERE contains(l, '{WRAPPED}') LIMIT 1")
            )
            self._make_line(arriving)
            odd = []
            if is_wrapped or not self._is_usual(usual=parser is not None):
                odd = self._odd(arriving, usual=parser is not None)
                self._make_line(
                    f"{arriving} WHERE regexp_full_match(l, {self._pattern(usual=parser is not None)})"
                )
                if is_wrapped:
                    self._unwrap()
                self._find_terms()
            self._insert()
        first, self._lines = self._lines, self._lines + lines.num_rows
        if odd and parser is None:
            raise FormatError(f"{self._name}: PROV has no place for the triple {odd[0][1][:200]!r}")
        if odd and parser is not None:
            self._parse(odd, first, parser)

    def _parse(self, odd: list[tuple[int, str]], first: int, parser: Parser) -> None:
        """Take in lines that are not of the usual form."""
        for number, line in odd:
            if line.count("<<") > 100:
                raise FormatError(f"{self._name}, line {first + number}: triples are nested too deeply")
        try:
            content = parser("\n".join(line for _, line in odd).encode())
        except SyntaxError as error:
            at = odd[min((error.lineno or 1), len(odd)) - 1][0]
            raise FormatError(f"{self._name}, line {first + at}: {reason(error)}") from error
        pieces, waiting, lines = self._pieces, self._waiting, self._lines
        self._pieces = []
        self._split(content, None)
        self._take_apart(None)
        self._pieces, self._waiting, self._lines = pieces, waiting, lines

    def _is_usual(self, *, usual: bool) -> bool:
        """Whether the lines that were just taken apart are all of the usual form.

        This costs a third of looking at each line, since parts repeat; where it is false, single lines are.
        """
        run, line = self._store.run, f"{self._schema}.line"
        if run(f"SELECT 1 FROM {line} WHERE s IS NULL OR p IS NULL OR v IS NULL OR g IS NULL LIMIT 1"):
            return False
        forms = run(f"SELECT DISTINCT p, form FROM {line}")
        if not all(_bare_iri.fullmatch(p) and _tail.fullmatch(form) for p, form in forms):
            return False
        self._find_terms()
        pattern = literal(f"{_BARE}|_:{_label(usual=usual)}")
        return not run(
            f"SELECT 1 FROM {self._schema}.fresh WHERE NOT regexp_full_match(iri, {pattern}) LIMIT 1"
        )

    def _find_terms(self) -> None:
        """Make ``fresh``, the identifiers in the lines at hand."""
        line = f"{self._schema}.line"
        graphs = f" UNION SELECT g FROM {line} WHERE g <> ''" if self._graphs else ""
        self._store.run(
            f"CREATE OR REPLACE TABLE {self._schema}.fresh AS SELECT s AS iri FROM {line} UNION "
            f"SELECT v FROM {line} WHERE form IN ('i', 'b'){graphs}"
        )

    def _pattern(self, *, usual: bool) -> str:
        """The usual form of a line; what a parser made may have other labels of blank nodes."""
        named = f"(?:{_ABSOLUTE}|_:{_label(usual=usual)})"
        graph = f"(?: {named})?" if self._graphs else ""
        return literal(rf"{named} {_ABSOLUTE} (?:{named}|{_TEXT}{_TAIL}){graph} \.")

    def _odd(self, arriving: str, *, usual: bool) -> list[tuple[int, str]]:
        """The lines that are not of the usual form, with their numbers from 1 on; comments are left out."""
        condition = (
            f"NOT regexp_full_match(l, {self._pattern(usual=usual)}) "
            "AND NOT regexp_matches(l, '^[ \\t]*(#.*)?$')"
        )
        if not self._store.scalar(f"SELECT count(*) FROM {arriving} WHERE {condition}"):
            return []
        return [
            (number, line)
            for number, line in self._store.run(
                f"SELECT n, l FROM (SELECT l, row_number() OVER () AS n FROM {arriving}) WHERE {condition} ORDER BY n"
            )
        ]

    def _unwrap(self) -> None:
        value = f"CASE WHEN form = 'i' THEN {unwrapped_sql('v')} ELSE v END"
        self._store.run(
            f"UPDATE {self._schema}.line SET s = {unwrapped_sql('s')}, v = {value}, g = {unwrapped_sql('g')}"
        )

    def _insert(self) -> None:
        """Put the lines that were taken apart into the tables of triples."""
        run, schema = self._store.run, self._schema
        forms = f"{schema}.form f ON f.p = t.p AND f.form = t.form AND f.class = t.class"
        distinct = f"(SELECT DISTINCT p, form, class FROM {schema}.line) t"
        self._forms.add(run(f"SELECT p, form, class FROM {distinct} ANTI JOIN {forms} ORDER BY ALL"))
        graph = "CASE WHEN t.g = '' THEN 0 ELSE hash(t.g) END" if self._graphs else "0"
        run(
            f"CREATE OR REPLACE TABLE {schema}.numbered AS SELECT {graph} AS g, hash(t.s) AS s, f.number AS form, "
            f"f.way, f.is_named, t.s AS subject, t.v, t.g AS graph FROM {schema}.line t JOIN {forms}"
        )
        if self._graphs and run(f"SELECT 1 FROM {schema}.numbered WHERE graph[1] = '_' LIMIT 1"):
            raise FormatError(
                f"{self._name}: a named graph is a bundle, which needs an IRI for its identifier"
            )
        self._distribute()

    def _make_line(self, lines: str) -> None:
        """Make a table of the parts of each line; those are NULL that are not of the usual form.

        These are subject, property, form, value, graph, and the class if it is one of PROV. ``form`` is ``i`` or
        ``b`` for an object that is an IRI or a blank node, else what follows a literal.
        """
        tail, node, graph = "t", "o", "''"
        if self._graphs:
            tail, node = "split_part(t, ' ', 1)", "split_part(o, ' ', 1)"
            after = "coalesce(t, o)"
            second = f"split_part({after}, ' ', 2)"
            named = f"CASE WHEN split_part({after}, ' ', 3) = '' THEN {_bare(second)} END"
            graph = f"CASE WHEN {second} = '' THEN '' ELSE {named} END"
        unescaped = "TRY(concat('\"', o[2:length(o) - length(t) - 1], '\"')::JSON ->> '$')"
        text = "split_part(o, '\"', 2)"
        plain = f"CASE WHEN length({text}) + length(t) + 2 = length(o) THEN {text} END"
        value = (
            f"CASE WHEN t IS NULL THEN {_bare(node)} WHEN contains(o, '\\') THEN {unescaped} ELSE {plain} END"
        )
        classes = ", ".join(map(literal, sorted(KNOWN_CLASSES)))
        known = f"CASE WHEN p = '{TYPE}' AND v IN ({classes}) AND form = 'i' THEN v ELSE '' END"
        self._store.run(
            f"CREATE OR REPLACE TABLE {self._schema}.line AS SELECT *, {known} AS class FROM ("
            f"SELECT {_bare('s')} AS s, CASE WHEN starts_with(p, '<') THEN {_bare('p')} END AS p, "
            f"CASE WHEN t IS NOT NULL THEN {tail} WHEN starts_with(o, '<') THEN 'i' ELSE 'b' END AS form, "
            f"{value} AS v, {graph} AS g "
            "FROM (SELECT s, p, o, CASE WHEN starts_with(o, '\"') THEN split_part(o, '\"', -1) END AS t FROM ("
            "SELECT s, p, CASE WHEN ends_with(l, ' .') THEN l[length(s) + length(p) + 3:-3] END AS o FROM ("
            f"SELECT l, split_part(l, ' ', 1) AS s, split_part(l, ' ', 2) AS p FROM {lines}))))"
        )

    def _distribute(self) -> None:
        run, schema = self._store.run, self._schema
        source = f"FROM {schema}.numbered WHERE way"
        run(f"INSERT INTO {schema}.attribute SELECT g, s, form, v {source} & {ATTRIBUTE} <> 0")
        run(f"INSERT INTO {schema}.slot SELECT g, s, form, hash(v) {source} & {SLOT} <> 0")
        run(f"INSERT INTO {schema}.moment SELECT g, s, form, v {source} & {MOMENT} <> 0")
        run(f"INSERT INTO {schema}.term SELECT iri FROM {schema}.fresh")
        if self._graphs:
            run(f"INSERT INTO {schema}.graph SELECT DISTINCT g, graph {source} >= 0 AND g <> 0")


def reason(error: SyntaxError) -> str:
    """Return what a parser says, without the place, on one line."""
    text = error.msg.partition(": ")[2] if error.msg.startswith("Parser error at") else error.msg
    text = text.removesuffix(f" (line {error.lineno})")
    return (text if text.isprintable() else ascii(text)[1:-1])[:300]


def _pieces(content: bytes) -> list[bytes]:
    """Whole lines, some megabyte in each piece."""
    pieces: list[bytes] = []
    start = 0
    while len(content) - start > _PIECE_BYTES:
        end = content.rfind(b"\n", start, start + _PIECE_BYTES)
        if end < 0:
            end = content.find(b"\n", start)
            if end < 0:
                break
        pieces.append(content[start:end])
        start = end + 1
    pieces.append(content[start:])
    return pieces


def _label(*, usual: bool) -> str:
    return "[A-Za-z0-9]+" if usual else r'[^\x00-\x20<>"]+'


def _bare(term: str) -> str:
    """SQL of an IRI without its brackets; a blank node stays, and anything else is NULL."""
    return (
        f"CASE WHEN starts_with({term}, '<') AND ends_with({term}, '>') THEN substr({term}, 2, length({term}) - 2) "
        f"WHEN starts_with({term}, '_:') THEN {term} END"
    )
