"""MLflow's filters of runs, as its ``search_runs`` takes them: read into comparisons, and looked at by values.

The grammar is that of MLflow 3: comparisons joined by AND. A key is a word, or stands in backticks or double
quotes; a text stands in single or double quotes and is taken as it stands, without escapes.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from mlflow2prov.errors import UsageError
from mlflow2prov.prov.credentials import without_credentials

Value = str | int | float | tuple[str, ...] | None

_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("parameter", "parameters", "param", "params"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
_ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("created", "Created"), "start_time"),
    **dict.fromkeys(("run name", "Run name", "Run Name"), "run_name"),
}
_NUMBERS = frozenset({"start_time", "end_time"})
_KEYS: Mapping[str, frozenset[str]] = {
    "attribute": frozenset({"run_id", "run_name", "user_id", "status", "artifact_uri"}) | _NUMBERS,
    "dataset": frozenset({"name", "digest", "context"}),
}
_ORDERS = ("=", "!=", ">", ">=", "<", "<=")
_LIKE = ("=", "!=", "LIKE", "ILIKE")
_OPERATORS: Mapping[str, tuple[str, ...]] = {
    "metric": _ORDERS,
    "param": (*_LIKE, "IS NULL", "IS NOT NULL"),
    "tag": (*_LIKE, "IS NULL", "IS NOT NULL"),
    "attribute": (*_LIKE, "IN", "NOT IN"),
    "dataset": (*_LIKE, "IN", "NOT IN"),
}
_LISTED = {("attribute", "run_id"), ("dataset", "name"), ("dataset", "digest"), ("dataset", "context")}

_QUOTED = r"'(?:''|\\'|[^'])*'|\"(?:\"\"|\\\"|[^\"])*\""
_TOKEN = re.compile(
    rf"""\s*(?:
        (?P<text>{_QUOTED})
      | (?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<name>(?:`[^`]+`|[A-Za-z_]\w*)(?:\.(?:`[^`]+`|"[^"]+"|[A-Za-z_]\w*|(?<=\.)\d\w*))*)
      | (?P<sign>!=|>=|<=|=|>|<|\(|\)|,)
    )""",
    re.VERBOSE,
)
_WORDS = re.compile(r"(IS\s+NOT\s+NULL|IS\s+NULL|NOT\s+IN|IN|I?LIKE)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison of a filter.

    Attributes:
        kind: ``metric``, ``param``, ``tag``, ``attribute`` or ``dataset``.
        key: of its kind.
        operator: in capitals.
        value: what to compare with, None where there is nothing.
    """

    kind: str
    key: str
    operator: str
    value: Value

    def fits(self, values: Sequence[Any]) -> bool:
        """Whether one of the values that a run has there fits; none are there where it lacks the key.

        >>> one, = parse_filter("params.model ILIKE 'Tree%'")
        >>> one.fits(["treehouse"]), one.fits(["oak tree"]), one.fits([])
        (True, False, False)
        """
        if self.operator in ("IS NULL", "IS NOT NULL"):
            return bool(values) == (self.operator == "IS NOT NULL")
        compare = _COMPARE[self.operator]
        return any(compare(value, self.value) for value in values if value is not None)


def parse_filter(text: str) -> tuple[Comparison, ...]:
    """The comparisons of a filter, all of which have to fit.

    Raises:
        UsageError: it is none; says at which part.

    >>> parse_filter("metrics.`val loss` <= 0.5 and run_name = 'a'")[1]
    Comparison(kind='attribute', key='run_name', operator='=', value='a')
    """
    return tuple(_Parser(text).comparisons())


class _Parser:
    """Reads a filter from left to right; ``_at`` is where it is."""

    def __init__(self, text: str) -> None:
        self._text = text.rstrip()
        self._at = 0

    def comparisons(self) -> Iterator[Comparison]:
        while True:
            yield self._comparison()
            if self._rest() == "":
                return
            joint = re.match(r"\s*(AND)\b", self._text[self._at :], re.IGNORECASE)
            if joint is None:
                self._refuse(self._rest(), "comparisons are joined by AND, and by nothing else")
            self._at += joint.end()

    def _rest(self) -> str:
        return self._text[self._at :].strip()

    def _refuse(self, part: str, reason: str) -> NoReturn:
        place = f"at {part!r}" if part else "at its end"
        told = f"the filter {self._text!r} can't be understood {place}: {reason}"
        raise UsageError(without_credentials(told))

    def _next(self, *groups: str) -> tuple[str, str] | None:
        """The next token where it is of one of the groups, with the name of the group."""
        found = _TOKEN.match(self._text, self._at)
        if found is None or found.lastgroup not in groups:
            return None
        self._at = found.end()
        return found.lastgroup or "", found[found.lastgroup or 0]

    def _comparison(self) -> Comparison:
        before = self._rest()
        name = self._next("name")
        if name is None:
            self._refuse(
                before, "a comparison begins with a name such as metrics.r2, params.depth or tags.team"
            )
        kind, key = self._identifier(name[1])
        sign = self._operator(kind, key)
        if sign in ("IS NULL", "IS NOT NULL"):
            return Comparison(kind=kind, key=key, operator=sign, value=None)
        value = self._list(kind, key) if sign in ("IN", "NOT IN") else self._value(kind, key)
        return Comparison(kind=kind, key=key, operator=sign, value=value)

    def _identifier(self, name: str) -> tuple[str, str]:
        first, dot, rest = _split(name)
        kind = _KINDS.get(first) if dot else "attribute"
        if kind is None:
            self._refuse(name, "there are attributes, metrics, params, tags and datasets")
        key = rest if dot else first
        known = _KEYS.get(kind)
        key = _ALIASES.get(key, key) if kind == "attribute" else key
        if known and key not in known:
            self._refuse(name, f"there is no such {kind}, but {', '.join(sorted(known))}")
        return kind, key

    def _operator(self, kind: str, key: str) -> str:
        before = self._rest()
        words = _WORDS.match(before)
        if words is not None:
            self._at = self._text.index(before, self._at) + words.end()
            found = " ".join(words[1].upper().split())
        else:
            sign = self._next("sign")
            found = sign[1] if sign else ""
        allowed = _ORDERS if kind == "attribute" and key in _NUMBERS else _OPERATORS[kind]
        if found not in allowed:
            self._refuse(before, f"{kind} {key} can be compared by {', '.join(allowed)}")
        return found

    def _value(self, kind: str, key: str) -> Value:
        before = self._rest()
        token = self._next("text", "number")
        is_number = kind == "metric" or (kind == "attribute" and key in _NUMBERS)
        if token is None or (token[0] == "number") is not is_number:
            needs = "a number without quotes" if is_number else "a text in quotes"
            self._refuse(before, f"{kind} {key} is compared with {needs}")
        if is_number:
            return int(token[1]) if token[1].lstrip("-").isdecimal() else float(token[1])
        return token[1][1:-1]

    def _list(self, kind: str, key: str) -> tuple[str, ...]:
        if (kind, key) not in _LISTED:
            self._refuse(self._rest(), "of attributes only run_id can be compared with a list")
        before = self._rest()
        found: list[str] = []
        separator = self._next("sign")
        while separator and separator[1] in ("(", ",") and (separator[1] == "(") is not bool(found):
            text = self._next("text")
            if text is None:
                break
            found.append(self._unescaped(text[1]))
            separator = self._next("sign")
        if not found or separator is None or separator[1] != ")":
            self._refuse(before, "a list reads ('one', 'two')")
        return tuple(found)

    def _unescaped(self, text: str) -> str:
        """A text of a list, which MLflow takes as Python would."""
        try:
            found = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            self._refuse(text, "it is no text that Python would take")
        return str(found)


def _split(name: str) -> tuple[str, str, str]:
    """The part of a name before its first dot, and the key behind it, both without quotes."""
    found = re.fullmatch(r"(`[^`]+`|[^.`]+)(?:(\.)(.*))?", name, re.DOTALL)
    first, dot, rest = (found[1], found[2] or "", found[3] or "") if found else (name, "", "")
    return _bare(first), dot, _bare(rest)


def _bare(name: str) -> str:
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in '`"' else name


def _like(value: str, pattern: str, flags: int = 0) -> bool:
    parts = (".*" if sign == "%" else "." if sign == "_" else re.escape(sign) for sign in pattern)
    return re.fullmatch("".join(parts), value, re.DOTALL | flags) is not None


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "LIKE": _like,
    "ILIKE": lambda value, pattern: _like(value, pattern, re.IGNORECASE),
    "IN": lambda value, listed: value in listed,
    "NOT IN": lambda value, listed: value not in listed,
}
