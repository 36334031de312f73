"""How the SQL of one database engine differs from that of the others: one declaration for each.

The queries themselves are the :data:`READINGS`; what they write as ``@word(arguments)`` is looked up here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlflow2prov.sources.tables import Kind

_LITERAL_OR_COLUMN = re.compile(r"'[^']*'|\b([a-z])\.(\w+)\b")
_LITERAL = re.compile(r"'[^']*'")
_WORD = re.compile(r"@(\w+)\(")
_LARGEST = "9223372036854775807"
_HUGE = "1.7976931348623157e308"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How a column is read in which any value may stand, whatever its type is said to be.

    Attributes:
        sql: the value, and NULL for one of another type.
        misfit: whether it is of another type.
    """

    sql: str
    misfit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What one engine says in its own way; ``{0}`` in a template is its first argument.

    Attributes:
        name: for people.
        words: the SQL of each ``@word(arguments)``.
        quotes: what stands around the name of a column; some are keywords in some engines.
        casts: the SQL of an expression as a column of a kind. A kind without one is read as it comes.
        checks: how a bare column of a kind is read, where engines do not hold it to its type.
        schema: the query for the columns of ``{tables}``: table, column in lower case, and whether it is
            NOT NULL, of the tables that an unqualified name reaches.
        begin: what begins a transaction that writes nothing and sees the store as of one moment.
        has_escapes: whether a backslash in a literal is the beginning of an escape.
    """

    name: str
    words: Mapping[str, str]
    quotes: tuple[str, str] = ("", "")
    casts: Mapping[Kind, str] = field(default_factory=dict)
    checks: Mapping[Kind, Check] = field(default_factory=dict)
    schema: str
    begin: tuple[str, ...]
    has_escapes: bool = False

    def literal(self, text: str) -> str:
        r"""A text as a literal of the engine's SQL.

        >>> print(SQLITE.literal("it's a \\"), MYSQL.literal("\\"))
        'it''s a \' '\\'
        """
        escaped = text.replace("\\", "\\\\") if self.has_escapes else text
        return "'" + escaped.replace("'", "''") + "'"

    def sql(self, text: str) -> str:
        """An expression of a declaration in the engine's own SQL.

        >>> print(POSTGRESQL.sql("coalesce(@known(r.name), 'a.b @known(c.d)')"))
        coalesce(nullif(r."name", ''), 'a.b @known(c.d)')
        """
        return _LITERAL_OR_COLUMN.sub(self._quoted, _with_words(text, self.words))

    def _quoted(self, found: re.Match[str]) -> str:
        before, after = self.quotes
        return f"{found[1]}.{before}{found[2]}{after}" if found[1] else found[0]

    def typed(self, sql: str, kind: Kind) -> str:
        """SQL of this engine for an expression of it, as a column of a kind."""
        return self.casts.get(kind, "{0}").format(sql)


def _with_words(text: str, words: Mapping[str, str]) -> str:
    """The text in which each ``@word(arguments)`` outside of quotes is replaced, inner ones first."""
    hidden = _LITERAL.sub(lambda found: "'" * len(found[0]), text)
    found = list(_WORD.finditer(hidden))
    if not found:
        return text
    start, opening = found[-1].start(), found[-1].end()
    closing, depth, commas = opening, 1, [opening - 1]
    while depth:
        sign = hidden[closing]
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 1:
            commas.append(closing)
        closing += 1
    ends = [*commas[1:], closing - 1]
    arguments = [text[begin + 1 : end].strip() for begin, end in zip(commas, ends, strict=True)]
    replaced = words[found[-1][1]].format(*arguments)
    return _with_words(text[:start] + replaced + text[closing:], words)


SQLITE = Dialect(
    name="SQLite",
    words={
        "same": "{0} = {1}",
        "like": "{0} LIKE {1}",
        "ilike": "lower({0}) LIKE lower({1})",
        "known": "nullif({0}, '')",
        "told": "nullif(nullif({0}, ''), {1})",
        "model_id": "CASE WHEN {0} GLOB 'models:/m-[0-9a-f]*'"
        " AND rtrim(substr({0}, 11), '/') NOT GLOB '*[^0-9a-f]*' THEN rtrim(substr({0}, 9), '/') END",
        "json_text": "CASE WHEN json_valid({0}) THEN json_extract({0}, '$.\"' || {1} || '\"') END",
    },
    casts={
        Kind.NAME: "CAST({0} AS TEXT)",
        Kind.TEXT: "CAST({0} AS TEXT)",
        Kind.INT: "CAST({0} AS INTEGER)",
        Kind.FLAG: "CAST({0} AS INTEGER)",
    },
    # A comparison finds misfits sooner than `typeof`: every text and blob is greater than every number.
    # The largest doubles stand for the infinities that MLflow can't store.
    checks={
        Kind.INT: Check(
            sql=f"CASE WHEN {{0}} > {_LARGEST} THEN NULL ELSE CAST({{0}} AS INTEGER) END",
            misfit=f"coalesce({{0}} > {_LARGEST}, 0)",
        ),
        Kind.FLOAT: Check(
            sql=f"CASE WHEN {{0}} >= {_HUGE} THEN CASE typeof({{0}}) WHEN 'real' THEN 9e999 END"
            f" WHEN {{0}} <= -{_HUGE} THEN -9e999 ELSE {{0}} END",
            misfit="coalesce({0} > 9e999, 0)",
        ),
    },
    schema="SELECT '', '', 0 UNION ALL SELECT t.name, lower(c.name), c.\"notnull\""
    " FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c"
    " WHERE t.type IN ('table', 'view') AND t.name IN ({tables})",
    begin=("BEGIN",),
)
"""SQLite, which keeps any value in any column: the file's own types are checked."""

POSTGRESQL = Dialect(
    name="PostgreSQL",
    words={
        "same": "{0} = {1}",
        "like": "{0} LIKE {1}",
        "ilike": "{0} ILIKE {1}",
        "known": "nullif({0}, '')",
        "told": "nullif(nullif({0}, ''), {1})",
        "model_id": "CASE WHEN {0} ~ '^models:/m-[0-9a-f]+/*$' THEN rtrim(substr({0}, 9), '/') END",
        "json_text": "substring({0} from '\"' || replace({1}, '.', '[.]') || '\": *\"([^\"]*)\"')",
    },
    quotes=('"', '"'),
    schema="SELECT CAST(t.relname AS text), lower(CAST(c.attname AS text)), CAST(c.attnotnull AS int)"
    " FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_attribute AS c ON c.attrelid = t.oid"
    " WHERE t.relname IN ({tables}) AND t.relkind IN ('r', 'p', 'v', 'm', 'f')"
    " AND pg_catalog.pg_table_is_visible(t.oid) AND c.attnum > 0 AND NOT c.attisdropped",
    begin=(
        "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        "SET LOCAL client_encoding TO 'UTF8'",
    ),
)
"""PostgreSQL. Where a table may not be read, the query of it says so: the catalogue shows it to everybody."""

MYSQL = Dialect(
    name="MySQL",
    # Compared with binary texts and by lengths: collations take blanks for nothing, capitals for small letters.
    words={
        "same": "{0} = CAST({1} AS BINARY)",
        "like": "({0} LIKE {1} AND CAST({0} AS BINARY) LIKE CAST({1} AS BINARY))",
        "ilike": "lower({0}) LIKE lower({1})",
        "known": "CASE WHEN length({0}) > 0 THEN {0} END",
        "told": "CASE WHEN length({0}) > 0 AND {0} <> CAST({1} AS BINARY) THEN {0} END",
        "model_id": "CASE WHEN CONVERT({0} USING utf8mb4) COLLATE utf8mb4_bin REGEXP '^models:/m-[0-9a-f]+/*$'"
        " THEN TRIM(TRAILING '/' FROM substr({0}, 9)) END",
        "json_text": "CASE WHEN JSON_VALID({0})"
        " THEN JSON_UNQUOTE(JSON_EXTRACT({0}, concat('$.\"', {1}, '\"'))) END",
    },
    quotes=("`", "`"),
    schema="SELECT t.table_name, lower(t.column_name), CASE t.is_nullable WHEN 'NO' THEN 1 ELSE 0 END"
    " FROM information_schema.columns AS t WHERE t.table_schema = database() AND t.table_name IN ({tables})",
    begin=(
        "SET SESSION net_write_timeout = 3600",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    ),
    has_escapes=True,
)
"""MySQL and MariaDB. While rows are worked on here, the server must wait: for an hour."""

_MODEL_ID_MSSQL = "{0} COLLATE Latin1_General_100_BIN2"
_HEX_MSSQL = f"replace(substring({_MODEL_ID_MSSQL}, 11, 4000), '/', '')"

MSSQL = Dialect(
    name="Microsoft SQL Server",
    words={
        "same": "{0} = {1} COLLATE Latin1_General_100_BIN2",
        "like": "{0} LIKE {1} COLLATE Latin1_General_100_BIN2",
        "ilike": "lower({0}) LIKE lower({1})",
        "known": "CASE WHEN datalength({0}) > 0 THEN {0} END",
        "told": "CASE WHEN datalength({0}) > 0 AND {0} <> {1} THEN {0} END",
        "model_id": f"CASE WHEN {_MODEL_ID_MSSQL} LIKE 'models:/m-[0-9a-f]%'"
        f" AND {_HEX_MSSQL} NOT LIKE '%[^0-9a-f]%' THEN concat('m-', {_HEX_MSSQL}) END",
        "json_text": "CASE WHEN ISJSON({0}) = 1 THEN JSON_VALUE({0}, concat('$.\"', {1}, '\"')) END",
    },
    quotes=("[", "]"),
    schema="SELECT t.table_name, lower(t.column_name), CASE t.is_nullable WHEN 'NO' THEN 1 ELSE 0 END"
    " FROM information_schema.columns AS t WHERE t.table_schema = schema_name()"
    " AND t.table_name IN ({tables})",
    begin=("SET TRANSACTION ISOLATION LEVEL SNAPSHOT", "BEGIN TRANSACTION"),
)
"""Microsoft SQL Server, as its documentation has it: never tried on one."""
