"""Attributes as typed columns of CSV: which attribute gets which column, and the text of a row's cells.

The importer wants one type for each column, and a row has a cell for every column. A row's text is put
together from its few attributes alone, however many columns there are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow2prov.formats.projection import Key
from mlflow2prov.graph.arrays import inferred, lists
from mlflow2prov.graph.store import Store
from mlflow2prov.prov.datatypes import FLOATING, INTEGERS

MOST_COLUMNS = 200
"""More attributes than this don't get a column of their own: rows would be commas for the most part."""

SEPARATOR = "chr(31)"
"""SQL of what stands between the items of a list."""

_FAMILIES: dict[str, str] = {
    **{f"xsd:{name}": "long" for name in INTEGERS},
    **{f"xsd:{name}": "double" for name in ("double", "float", "decimal")},
    "xsd:boolean": "boolean",
    "xsd:dateTime": "datetime",
}
"""The type that values of a datatype may have in a column."""

_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?"
_CHECKS: dict[str, str] = {
    "long": "regexp_full_match(a.v, '[+-]?[0-9]+') AND try_cast(a.v AS BIGINT) IS NOT NULL",
    "double": f"regexp_full_match(a.v, '{FLOATING}')",
    "boolean": "a.v IN ('true', 'false', '1', '0')",
    "datetime": f"regexp_full_match(a.v, '{_MOMENT}') AND NOT starts_with(a.v, '0000') "
    "AND try_cast(left(a.v, 19) AS TIMESTAMP) IS NOT NULL AND a.v[12:13] < '24'",
}
"""SQL of whether the text of an attribute ``a`` is one of the type."""

_FORMS: dict[str, str] = {
    "long": "try_cast(a.v AS BIGINT)::VARCHAR",
    "double": "replace(a.v, 'INF', 'Infinity')",
    "boolean": "CASE WHEN a.v IN ('true', '1') THEN 'true' ELSE 'false' END",
    "datetime": "a.v",
    "localdatetime": "a.v",
}
"""SQL of the text of an attribute ``a`` in a column of the type; other texts are quoted."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of attributes: the name and type of the property."""

    name: str
    type: str
    is_list: bool

    @property
    def header(self) -> str:
        """The column's field in the header."""
        return f"{self.name}:{self.type}{'[]' if self.is_list else ''}"


@dataclass(slots=True)
class _Values:
    """What the values of one attribute are like."""

    count: int = 0
    family: str | None = ""
    is_odd: bool = False

    def add(self, count: int, family: str | None, *, is_odd: bool) -> None:
        self.count += count
        self.is_odd |= is_odd
        if self.family in ("", family):
            self.family = family
        else:
            self.family = "double" if {self.family, family} == {"long", "double"} else None


class Columns:
    """The columns for the attributes of some rows.

    Attributes:
        columns: in their order.
        has_others: whether there are attributes without a column.
    """

    def __init__(
        self,
        store: Store,
        table: str,
        rows: str,
        keys: Sequence[Key],
        times: Sequence[str],
        reserved: Iterable[str],
    ) -> None:
        """Look at all values.

        Args:
            store: where the rows are.
            table: to be made, for the SQL of cells.
            rows: SQL of rows that have ``attributes``, in which times are attributes too.
            keys: what the keys of attributes stand for.
            times: those attributes that are times, which come first: a character and the property's name.
            reserved: names of properties that are taken.
        """
        self._store, self._table, self._rows, self._keys = store, table, rows, keys
        self._times = times
        self._numbers = {name: n for n, name in enumerate(dict.fromkeys(key.name for key in keys), 1)}
        self._spell({})
        values = self._values()
        repeated = self._repeated()
        names = self._chosen(values)
        taken = set(reserved)
        self.columns = [
            Column(
                name[1:] if name in times else property_name(name, taken),
                values[name].family or "string",
                self._numbers[name] in repeated,
            )
            for name in names
        ]
        self.has_others = len(names) < len(values)
        self._spell(
            {name: (n, column) for n, (name, column) in enumerate(zip(names, self.columns, strict=True), 1)}
        )

    def _spell(self, places: dict[str, tuple[int, Column]]) -> None:
        """Make the table of one row: lists of what SQL has to know of each attribute key."""
        import pyarrow as pa

        size = max((key.number for key in self._keys), default=0)
        columns: dict[str, list[Any]] = {
            "number": [0] * size,
            "family": [""] * size,
            "place": [0] * size,
            "form": [""] * size,
            "name": [""] * size,
        }
        for key in self._keys:
            place, own = places.get(key.name, (0, None))
            at = key.number - 1
            columns["number"][at] = self._numbers[key.name]
            columns["family"][at] = _FAMILIES.get(key.datatype or "", "")
            columns["place"][at] = place or len(places) + self._numbers[key.name]
            columns["form"][at] = own.type if own else ""
            columns["name"][at] = json.dumps(key.name, ensure_ascii=False)
        arrays = {name: lists(inferred(items), [size]) for name, items in columns.items()}
        with self._store.registered(pa.table(arrays)) as arriving:
            self._store.run(f"CREATE OR REPLACE TABLE {self._table} AS SELECT * FROM {arriving}")

    def _values(self) -> dict[str, _Values]:
        """What the values of each attribute are like, by its name."""
        checks = " ".join(f"WHEN '{family}' THEN {check}" for family, check in _CHECKS.items())
        zoned = "regexp_matches(a.v, '(Z|[+-][0-9]{2}:[0-9]{2})$')"
        rows = self._store.run(
            f"SELECT a.k, count(*), bool_and(CASE s.family[a.k] {checks} ELSE false END), "
            f"CASE WHEN s.family[a.k] = 'datetime' THEN count_if({zoned}) END, bool_or(contains(a.v, {SEPARATOR})) "
            f"FROM (SELECT unnest(attributes) AS a FROM ({self._rows})) CROSS JOIN {self._table} s "
            "GROUP BY a.k, s.family[a.k] ORDER BY a.k"
        )
        keys = {key.number: key for key in self._keys}
        found: dict[str, _Values] = {}
        for number, count, is_right, zones, is_odd in rows:
            family = _FAMILIES.get(keys[number].datatype or "") if is_right else None
            if family == "datetime" and zones != count:
                family = None if zones else "localdatetime"
            found.setdefault(keys[number].name, _Values()).add(count, family, is_odd=is_odd)
        return found

    def _repeated(self) -> set[int]:
        """The numbers of attributes of which some row has several values."""
        if len(self._numbers) < 63:
            # One bit for each: three times as fast as making lists distinct.
            bits = "list_bit_or(list_transform(r.attributes, lambda a: 1::BIGINT << s.number[a.k]))"
            repeats = f"bit_count({bits}) < len(r.attributes)"
        else:
            repeats = "len(list_distinct(list_transform(r.attributes, lambda a: s.number[a.k]))) < len(r.attributes)"
        several = (
            "SELECT row_number() OVER () AS place, list_transform(r.attributes, lambda a: s.number[a.k]) AS numbers "
            f"FROM ({self._rows}) r CROSS JOIN {self._table} s WHERE len(r.attributes) > 1 AND {repeats}"
        )
        rows = self._store.run(
            f"SELECT DISTINCT number FROM (SELECT place, unnest(numbers) AS number FROM ({several})) "
            "GROUP BY place, number HAVING count(*) > 1"
        )
        return {number for (number,) in rows}

    def _chosen(self, values: dict[str, _Values]) -> list[str]:
        """The attributes that get a column, in order: times, then the most frequent ones by name."""
        plain = [name for name, about in values.items() if not about.is_odd and name not in self._times]
        most = sorted(plain, key=lambda name: (-values[name].count, name))[:MOST_COLUMNS]
        return [*(name for name in self._times if name in values), *sorted(most)]

    def coded(self) -> str:
        """SQL of the rows, each with ``codes``: the places of its attributes, sorted by column."""
        return (
            "SELECT r.*, list_sort(list_transform(r.attributes, lambda a, i: "
            f"s.place[a.k]::BIGINT << 32 | i)) AS codes FROM ({self._rows}) r CROSS JOIN {self._table} s"
        )

    def cells(self) -> str:
        """SQL of the cells of a row ``r`` of :meth:`coded`, each after a comma; ``s`` is the row of the table."""
        own = (
            f"list_filter(r.codes, lambda c: (c >> 32) <= {len(self.columns)})"
            if self.has_others
            else "r.codes"
        )
        text = "replace(a.v, '\"', '\"\"')"
        forms = " ".join(f"WHEN '{form}' THEN {sql}" for form, sql in _FORMS.items())
        form = f"CASE s.form[a.k] {forms} ELSE {text} END"
        value = f"list_transform([r.attributes[c & 4294967295]], lambda a: {form})[1]"
        quote = "CASE WHEN s.form[r.attributes[c & 4294967295].k] = 'string' THEN '\"' ELSE '' END"
        before = "coalesce((r.codes[j - 1] >> 32), 0)"
        after = f"coalesce(CASE WHEN (r.codes[j + 1] >> 32) <= {len(self.columns)} THEN (r.codes[j + 1] >> 32) END, 0)"
        cell = (
            f"concat(CASE WHEN (c >> 32) = {before} THEN {SEPARATOR} "
            f"ELSE concat(repeat(',', (c >> 32) - {before}), {quote}) END, "
            f"{value}, CASE WHEN (c >> 32) = {after} THEN '' ELSE {quote} END)"
        )
        cells = f"array_to_string(list_transform({own}, lambda c, j: {cell}), '')"
        rest = f"repeat(',', {len(self.columns)} - coalesce((list_last({own}) >> 32), 0))"
        return f"concat({cells}, {rest}, ',', {self._others()})"

    def _others(self) -> str:
        """SQL of the cell of those attributes that have no column, as JSON."""
        if not self.has_others:
            return "''"
        others = f"list_filter(r.codes, lambda c: (c >> 32) > {len(self.columns)})"
        name = "s.name[r.attributes[c & 4294967295].k]"
        opening = f"concat(CASE WHEN j = 1 THEN '{{' ELSE '],' END, {name}, ':[')"
        item = (
            f"concat(CASE WHEN (c >> 32) = (o[j - 1] >> 32) THEN ',' ELSE {opening} END, "
            "to_json(r.attributes[c & 4294967295].v)::VARCHAR)"
        )
        joined = f"list_transform([{others}], lambda o: array_to_string(list_transform(o, lambda c, j: {item}), ''))[1]"
        text = f"concat('\"', replace(concat({joined}, ']}}'), '\"', '\"\"'), '\"')"
        return f"CASE WHEN len({others}) > 0 THEN {text} ELSE '' END"


def property_name(name: str, taken: set[str]) -> str:
    """Return the name of the property for an attribute, which no other has, and take it."""
    stem = re.sub(r"\W", "_", name) or "_"
    fresh, number = stem, 1
    while fresh in taken:
        number += 1
        fresh = f"{stem}_{number}"
    taken.add(fresh)
    return fresh
