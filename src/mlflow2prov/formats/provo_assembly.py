"""From relations and elements of hashed identifiers to the record tables of a graph: the last step of reading RDF."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlflow2prov.errors import FormatError
from mlflow2prov.formats.intern import _INSTANT
from mlflow2prov.formats.provo_described import with_names
from mlflow2prov.formats.provo_elements import attributes_by_record, find_elements
from mlflow2prov.formats.provo_forms import QNAME, QUALIFIED_NAMES, Forms
from mlflow2prov.formats.provo_names import NAMESPACE, Prefixes
from mlflow2prov.formats.provo_relations import find_relations
from mlflow2prov.formats.provo_terms import GENID, TYPE
from mlflow2prov.formats.text import literal
from mlflow2prov.graph.graph import Graph, declare_prefixes
from mlflow2prov.graph.store import ARGUMENT_COLUMNS
from mlflow2prov.prov.namespaces import PROV, QUALIFIED_NAME

if TYPE_CHECKING:
    from mlflow2prov.graph.store import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Declared:
    """What a text has beside its triples: prefixes, and how it spells language tags (by those in lower case)."""

    prefixes: dict[str, str]
    languages: dict[str, str]


def assemble(store: Store, schema: str, name: str, forms: Forms, declared: Declared) -> Graph:
    """Return the graph that tables of triples (see ``provo_lines``) say.

    Raises:
        FormatError: an instant is not one of XML Schema's.
    """
    _drop(store, schema, "line", "numbered", "fresh")
    _resolve_qualified_names(store, schema, forms, declared.prefixes)
    find_relations(store, schema, forms)
    _drop(store, schema, "slot", "given", "pivot", "pair")
    _identify(store, schema, name)
    _drop(store, schema, "term")
    homeless = find_elements(store, schema, forms)
    if homeless:
        said = "1 triple is" if homeless == 1 else f"{homeless:,} triples are"
        _log.warning("%s: %s about what is no record of PROV, and left out", name, said)
    _check_times(store, schema, name)
    prefixes = Prefixes(declared.prefixes)
    keys = _name_everything(store, schema, forms, prefixes, declared.languages)
    attributes_by_record(store, schema, forms, keys)
    _drop(store, schema, "attribute", "said", "spaced", "used", "identifier")
    return _fill(store, schema, prefixes, keys, forms)


def _drop(store: Store, schema: str, *tables: str) -> None:
    """Let go of tables that are not needed any more."""
    for table in tables:
        store.run(f"DROP TABLE IF EXISTS {schema}.{table}")


def _resolve_qualified_names(store: Store, schema: str, forms: Forms, declared: dict[str, str]) -> None:
    """Make IRIs of literals that are qualified names, where the document declares their prefix."""
    found = [
        (number, forms.number(forms.property_of(number)))
        for number, form in list(forms.attributes.items())
        if not form.is_name and form.datatype in QUALIFIED_NAMES
    ]
    known = {prefix: iri for prefix, iri in {"prov": PROV, **declared}.items() if prefix}
    for number, target in found:
        prefix, local = "split_part(v, ':', 1)", "v[position(':' IN v) + 1:]"
        iris = "map([{}], [{}])".format(
            *(", ".join(map(literal, texts)) for texts in (known, known.values()))
        )
        store.run(
            f"UPDATE {schema}.attribute SET form = {target}, v = {iris}[{prefix}] || {local} "
            f"WHERE form = {number} AND {iris}[{prefix}] IS NOT NULL AND contains(v, ':')"
        )
        store.run(
            f"INSERT INTO {schema}.term SELECT DISTINCT v FROM {schema}.attribute WHERE form = {target}"
        )


def _identify(store: Store, schema: str, name: str) -> None:
    """Make ``identifier``: hash, text, and whether relations of that identifier have none in PROV.

    Raises:
        FormatError: two identifiers have one hash (which takes some thousand million of them, or malice).
    """
    store.run(
        f"CREATE TABLE {schema}.identifier AS SELECT hash(iri) AS h, iri, starts_with(iri, '_:') OR "
        f"starts_with(iri, '{GENID}') AS is_anonymous FROM (SELECT DISTINCT iri FROM {schema}.term)"
    )
    if store.scalar(f"SELECT count(*) <> count(DISTINCT h) FROM {schema}.identifier"):
        raise FormatError(f"{name} can't be read: two of its identifiers have the same hash")


def _check_times(store: Store, schema: str, name: str) -> None:
    rows = store.run(
        f"SELECT v FROM {schema}.instant WHERE NOT regexp_full_match(v, {literal(_INSTANT)}) ORDER BY place LIMIT 1"
    )
    if rows:
        raise FormatError(f"{name}: {rows[0][0][:60]!r} is no instant (xsd:dateTime)")


def _name_everything(
    store: Store, schema: str, forms: Forms, prefixes: Prefixes, languages: dict[str, str]
) -> dict[int, tuple[int, bool]]:
    """Make ``named``: hash, number, prefix, local part and token of each identifier that the graph has.

    Returns:
        the attribute key of each form, and whether its values are identifiers.
    """
    used = {number for (number,) in store.run(f"SELECT DISTINCT form FROM {schema}.attribute")}
    if store.run(f"SELECT 1 FROM {schema}.relation WHERE special IS NOT NULL LIMIT 1"):
        used.add(forms.number(TYPE))
    _find_used(store, schema, [number for number in sorted(used) if forms.attributes[number].is_name])
    spaces = _find_spaces(store, schema, prefixes)
    own = {iri: _space(iri, prefixes) for number in sorted(used) for iri in _iris(forms, number)}
    found = prefixes.of(dict.fromkeys([*own.values(), *spaces]))
    _number(store, schema, {space: found[space] for space in spaces})
    return _make_keys(store, schema, forms, sorted(used), {iri: found[own[iri]] for iri in own}, languages)


def _find_spaces(store: Store, schema: str, prefixes: Prefixes) -> list[str]:
    """Make ``spaced``, which has the namespace of each identifier that is used; return the namespaces."""
    space = "iri"
    if prefixes.is_regular:
        space = f"coalesce(nullif(regexp_extract(iri, '(?s){NAMESPACE}'), ''), iri)"
    store.run(
        f"CREATE TABLE {schema}.spaced AS SELECT u.h, u.place, u.is_name, i.iri, CASE WHEN NOT is_anonymous "
        f"THEN {space} END AS space FROM {schema}.used u JOIN {schema}.identifier i ON i.h = u.h"
    )
    rows = store.run(f"SELECT DISTINCT space FROM {schema}.spaced WHERE space IS NOT NULL ORDER BY space")
    return [space for (space,) in rows]


def _make_keys(
    store: Store,
    schema: str,
    forms: Forms,
    used: list[int],
    spelled: dict[str, tuple[str, int]],
    languages: dict[str, str],
) -> dict[int, tuple[int, bool]]:
    """Make ``key``, the attribute keys; return that of each form, and whether its values are identifiers."""

    def token(iri: str) -> str:
        prefix, length = spelled[iri]
        return f"{prefix}:{iri[length:]}" if prefix else iri[length:]

    keys: dict[tuple[str, str | None, str | None], int] = {}
    by_form: dict[int, tuple[int, bool]] = {}
    for number in used:
        form = forms.attributes[number]
        if form.datatype == QNAME:
            datatype = QUALIFIED_NAME if form.is_name else None
        else:
            datatype = token(form.datatype) if form.datatype else None
        language = languages.get(form.language or "", form.language)
        key = keys.setdefault((token(form.name), datatype, language), len(keys) + 1)
        by_form[number] = (key, form.is_name)
    store.run(f"CREATE TABLE {schema}.key (key INTEGER, name VARCHAR, datatype VARCHAR, language VARCHAR)")
    if keys:
        columns = [list(keys.values()), *map(list, zip(*keys, strict=True))]
        unnested = ", ".join(f"unnest(?::{kind}[])" for kind in ("INTEGER", "VARCHAR", "VARCHAR", "VARCHAR"))
        store.run(f"INSERT INTO {schema}.key SELECT {unnested}", columns)
    return by_form


def _iris(forms: Forms, number: int) -> list[str]:
    form = forms.attributes[number]
    return [form.name, form.datatype] if form.datatype else [form.name]


def _space(iri: str, prefixes: Prefixes) -> str:
    match = re.match(NAMESPACE, iri, re.DOTALL)
    return match[0] if match and prefixes.is_regular else iri


def _find_used(store: Store, schema: str, named_forms: list[int]) -> None:
    """Make ``used``: the hashes of identifiers that are of a record, argument or bundle, or that are values."""
    columns = ", ".join(f"count({column})" for column in ARGUMENT_COLUMNS)
    counts = store.run(f"SELECT {columns} FROM {schema}.relation")[0]
    present = [column for column, count in zip(ARGUMENT_COLUMNS, counts, strict=True) if count]
    arguments = "".join(
        f" UNION ALL SELECT {column}, NULL, true FROM {schema}.relation WHERE {column} IS NOT NULL"
        for column in present
    )
    values = ""
    if named_forms:
        forms = ", ".join(map(str, named_forms))
        values = f" UNION ALL SELECT hash(v), NULL, false FROM {schema}.attribute WHERE form IN ({forms})"
    store.run(
        f"CREATE TABLE {schema}.used AS SELECT h, min(place) AS place, bool_or(is_name) AS is_name FROM ("
        f"SELECT own AS h, place, true AS is_name FROM {with_names(store, schema, 'element', 's')}{arguments}{values} "
        f"UNION ALL SELECT own, NULL, true FROM {with_names(store, schema, 'relation', 'n')} r "
        f"JOIN {schema}.identifier i ON i.h = r.own AND NOT i.is_anonymous "
        f"UNION ALL SELECT g, NULL, true FROM {schema}.graph UNION ALL "
        f"SELECT s, NULL, true FROM {schema}.fact WHERE role = 'bundle') GROUP BY h"
    )


def _number(store: Store, schema: str, found: dict[str, tuple[str, int]]) -> None:
    store.run(f"CREATE TABLE {schema}.space (space VARCHAR, prefix VARCHAR, size INTEGER)")
    if found:
        columns = [
            list(found),
            [prefix for prefix, _ in found.values()],
            [size for _, size in found.values()],
        ]
        store.run(
            f"INSERT INTO {schema}.space SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::INTEGER[])",
            columns,
        )
    local = f"CASE WHEN starts_with(u.iri, '_:') THEN u.iri[3:] ELSE u.iri[{len(GENID) + 1}:] END"
    token = "CASE prefix WHEN '' THEN local ELSE concat(prefix, ':', local) END"
    store.run(
        f"CREATE TABLE {schema}.named AS SELECT h, CASE WHEN is_name THEN row_number() OVER (ORDER BY NOT is_name, "
        f"place NULLS LAST, iri) END::INTEGER AS id, prefix, local, {token} AS token FROM ("
        f"SELECT u.h, u.place, u.is_name, u.iri, coalesce(s.prefix, '_') AS prefix, "
        f"CASE WHEN s.prefix IS NULL THEN {local} ELSE u.iri[s.size + 1:] END AS local "
        f"FROM {schema}.spaced u LEFT JOIN {schema}.space s ON s.space = u.space)"
    )


def _fill(
    store: Store, schema: str, prefixes: Prefixes, keys: dict[int, tuple[int, bool]], forms: Forms
) -> Graph:
    graph, run = Graph.empty(store), store.run
    declare_prefixes(graph, prefixes.by_name.items())
    run(
        f"INSERT INTO {graph.schema}.name SELECT id, prefix, local FROM {schema}.named WHERE id IS NOT NULL ORDER BY id"
    )
    run(f"INSERT INTO {graph.schema}.attribute_key SELECT * FROM {schema}.key ORDER BY key")
    has_graphs = store.scalar(f"SELECT count(*) FROM {schema}.graph")
    bundle = "coalesce(b.id, 0)" if has_graphs else "0"
    of_bundle = f"LEFT JOIN {schema}.named b ON b.h = r.g" if has_graphs else ""
    run(
        f"INSERT INTO {graph.schema}.element SELECT {bundle}, r.kind, n.id, r.start_time, r.end_time, d.attributes "
        f"FROM {with_names(store, schema, 'element', 's')} r JOIN {schema}.named n ON n.h = r.own "
        f"LEFT JOIN {schema}.described d ON d.g = r.g AND d.s = r.s "
        f"{of_bundle} ORDER BY r.place, r.kind"
    )
    _fill_relations(store, schema, graph, bundle, of_bundle, keys.get(forms.number(TYPE)))
    run(
        f"INSERT INTO {graph.schema}.bundle SELECT n.id FROM (SELECT h, min(place) AS place FROM ("
        f"SELECT g AS h, rowid AS place FROM {schema}.graph UNION ALL SELECT s, place FROM {schema}.fact "
        f"WHERE role = 'bundle') GROUP BY h) b JOIN {schema}.named n ON n.h = b.h ORDER BY n.id"
    )
    return graph


def _fill_relations(
    store: Store, schema: str, graph: Graph, bundle: str, of_bundle: str, type_key: tuple[int, bool] | None
) -> None:
    run = store.run
    columns = ("n", *ARGUMENT_COLUMNS)
    counts = run(f"SELECT {', '.join(f'count({column})' for column in columns)} FROM {schema}.relation")[0]
    present = [column for column, count in zip(columns, counts, strict=True) if count]
    ids = ", ".join(f"n_{column}.id" if column in present else "NULL" for column in columns)
    joins = " ".join(
        f"LEFT JOIN {schema}.named n_{column} ON n_{column}.h = r.{'own' if column == 'n' else column}"
        for column in present
    )
    attributes = "d.attributes"
    if type_key is not None:
        said = f"list_transform(r.special, lambda c: {{'k': {type_key[0]}, 'v': concat('prov:', c[{len(PROV) + 1}:])}})"
        attributes = f"CASE WHEN r.special IS NOT NULL THEN {said} ELSE d.attributes END"
    source = with_names(store, schema, "relation", "n")
    run(
        f"INSERT INTO {graph.schema}.relation SELECT {bundle}, r.kind, {ids}, r.time, {attributes} FROM {source} r "
        f"{joins} LEFT JOIN {schema}.described d ON r.n IS NOT NULL AND d.g = r.g AND d.s = r.n {of_bundle} "
        "ORDER BY r.place, r.kind"
    )
