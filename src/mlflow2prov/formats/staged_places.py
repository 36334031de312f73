"""Where in a document something stands that proves to be wrong only when all of it is staged."""

from __future__ import annotations

from mlflow2prov.formats.text import literal
from mlflow2prov.graph.store import ARGUMENT_COLUMNS, Store
from mlflow2prov.prov.records import KIND_BY_NUMBER

_COLUMNS = {
    "element": ("name", "start_time", "end_time"),
    "relation": ("name", *ARGUMENT_COLUMNS, "time"),
}


def place_of(store: Store, schema: str, text: str) -> str:
    """Return the path of the first record that has a text as its identifier, argument or time.

    The path is that of PROV-JSON, such as ``bundle/ex:b/activity/ex:a/prov:startTime``; an ellipsis
    stands for a record without an identifier. It costs a look through the staging tables.
    """
    for table, columns in _COLUMNS.items():
        conditions = " OR ".join(f"{column} = {literal(text)}" for column in columns)
        found = f"list_position([{', '.join(columns)}], {literal(text)})"
        rows = store.run(
            f"SELECT bundle, kind, name, {found} FROM {schema}.{table} WHERE {conditions} ORDER BY rowid LIMIT 1"
        )
        for bundle, kind, name, position in rows:
            within = f"bundle/{bundle}/" if bundle else ""
            path = f"{within}{KIND_BY_NUMBER[kind].name}/{(name or '…')[:60]}"
            argument = _argument(table, kind, columns[position - 1])
            return f"{path}/prov:{argument}" if argument else path
    return "bundle"


def _argument(table: str, kind: int, column: str) -> str:
    """The formal argument of a kind of record that a staging column has; empty for its identifier."""
    if column == "name":
        return ""
    if column in ARGUMENT_COLUMNS:
        return KIND_BY_NUMBER[kind].references[ARGUMENT_COLUMNS.index(column)]
    return KIND_BY_NUMBER[kind].times[column == "end_time"]
