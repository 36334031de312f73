"""Pseudonyms in the place of people, wherever they stand.

What is looked for is in :mod:`mlflow2prov.graph.needles`, how it is found in
:mod:`mlflow2prov.graph.masking`, what stays in :mod:`mlflow2prov.graph.spared`. The engine tells which
distinct values may name somebody at all (:mod:`mlflow2prov.graph.suspects`); only these pass through
Python, in batches, each of them once.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mlflow2prov.graph import rewriting
from mlflow2prov.graph.agent_names import Agent, agents_of, meaning
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.masking import Mask, require_secret
from mlflow2prov.graph.needles import PSEUDONYM, needle
from mlflow2prov.graph.renaming import Renaming
from mlflow2prov.graph.spared import CONTACTS, FREE_TEXT, NO_TEXT, WHOLE_NUMBERS, WORDS
from mlflow2prov.graph.suspects import Suspects
from mlflow2prov.prov.namespaces import M2P, QUALIFIED_NAME

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 20_000


def use_pseudonyms(graph: Graph, key: bytes, *, keep_free_text: bool = False) -> Graph:
    """Return the graph with pseudonyms in the place of people's names, wherever they stand.

    Every agent that is not said to be a program or an organization is a person. A pseudonym is the
    letter p and 20 digits, of the HMAC-SHA-256 of the e-mail address, else of the identifier's IRI: one
    person has the same in every document of one key, in identifiers and in every value; an identifier
    that is not the address itself has 12 more digits, by which several of one person differ. In
    identifiers of other things it goes by what stands there, whoever is known, so that equal
    identifiers stay equal and others stay different. What two people are called stands for neither.
    What is a pseudonym already stays.

    Memory holds some 3 kB for each person; values pass in batches.

    Args:
        graph: any graph.
        key: the secret, of 16 bytes or more; whoever has it can check a guess at a name.
        keep_free_text: leave attributes as they are whose local names are those of free text, such as
            ``message``, ``title``, ``description``, ``note``, ``comment``, ``summary`` and
            ``status_message`` (:data:`mlflow2prov.graph.spared.FREE_TEXT`). Labels and the values of
            tags are no free text.

    Raises:
        UsageError: the key is shorter.

    >>> from prov.model import ProvDocument
    >>> document = ProvDocument()
    >>> _ = document.add_namespace("ex", "http://example.org/")
    >>> _ = document.agent("ex:ada", {"prov:label": "Ada Lovelace"})
    >>> _ = document.entity("ex:report", {"ex:path": "/home/ada/report"})
    >>> with Graph.from_prov(document).use_pseudonyms(b"not a secret key") as graph:
    ...     graph.query("SELECT local FROM {graph}.name ORDER BY id")
    [('p86957037077608818795',), ('report',)]
    """
    require_secret(key)
    agents = [agent for agent in agents_of(graph) if agent.is_person]
    result = Graph.empty(graph.store)
    with graph.store.scratch("pseudonyms") as scratch:
        rewriting.create_tables(graph, scratch)
        mask = _mask(graph, key, agents)
        suspects = Suspects(graph.store, mask.needles)
        renaming = Renaming(graph, mask, agents)
        renaming.fill(scratch, result, suspects)
        _sort_keys(graph, scratch, keep_free_text=keep_free_text)
        own = _own_values(graph, agents, mask, keep_free_text=keep_free_text)
        _change(graph, scratch, _maskers(mask, renaming), suspects, own)
        rewriting.change_values(graph, scratch)
        rewriting.write_records(graph, scratch, result)
    return result


def _mask(graph: Graph, key: bytes, agents: list[Agent]) -> Mask:
    """The mask of the agents, and of whom tags name that are no agents here."""
    mask = Mask(key, agents)
    known = {one.text for one in mask.needles}
    others = [
        Agent(0, "", "", "", usernames={name})
        for name in _named_in_tags(graph)
        if any(one.text not in known for one in needle(name, 1))
    ]
    return Mask(key, [*agents, *others]) if others else mask


def _named_in_tags(graph: Graph) -> list[str]:
    """The user names and taggers that attributes of ours give: their agents may have been left out."""
    keys: dict[str, list[int]] = {}
    for key, name in graph.query("SELECT key, name FROM {graph}.attribute_key WHERE datatype IS NULL"):
        keys.setdefault(name, []).append(key)
    names, values, taggers = (
        ", ".join(map(str, keys.get(f"m2p:{one}", [0]))) for one in ("name", "value", "tagger")
    )
    if graph.query(f"SELECT 1 FROM {{graph}}.prefix WHERE prefix = 'm2p' AND iri <> '{M2P}'"):
        return []
    rows = graph.query(
        f"""
        WITH chosen AS (
            SELECT list_filter(attributes, lambda a: a.k IN ({values}, {taggers})) AS chosen, attributes
            FROM {{graph}}.element
            WHERE kind = 1 AND list_contains(list_transform(attributes, lambda a:
                (a.k IN ({names}) AND a.v = 'mlflow.user') OR a.k IN ({taggers})), true)
        ) SELECT DISTINCT trim(one.v) FROM (SELECT unnest(chosen) AS one FROM chosen) WHERE trim(one.v) <> '' ORDER BY 1
        """
    )
    return [name for (name,) in rows]


def _sort_keys(graph: Graph, scratch: str, *, keep_free_text: bool) -> None:
    """Fill ``sort``: what the values of each attribute key are."""
    for key, name, datatype in graph.query("SELECT key, name, datatype FROM {graph}.attribute_key"):
        sort = _sort(key, name, datatype, keep_free_text=keep_free_text)
        if sort:
            graph.store.run(f"INSERT INTO {scratch}.sort VALUES (?, ?)", [key, sort])


def _sort(key: int, name: str, datatype: str | None, *, keep_free_text: bool) -> str | None:
    if datatype in WHOLE_NUMBERS and _is_own(name):
        return f"own-number:{key}"
    if datatype in NO_TEXT or name in WORDS or (keep_free_text and _word(name) in FREE_TEXT):
        return None
    if datatype == QUALIFIED_NAME:
        return "term" if name in {"prov:type", "prov:role"} else "name"
    if datatype in {"xsd:base64Binary", "xsd:hexBinary"}:
        return datatype
    if name in {"prov:type", "prov:role"}:
        return "word"
    return f"own:{key}" if _is_own(name) else "text"


def _word(name: str) -> str:
    return re.sub("[_-]", "", name.rpartition(":")[2]).lower()


def _is_own(name: str) -> bool:
    """Whether it is an attribute that names or identifies the person who has it."""
    return meaning(name) is not None or _word(name) in CONTACTS


def _maskers(mask: Mask, renaming: Renaming) -> dict[str, Callable[[str], str]]:
    """What becomes of the values of each sort; those of a person's own attributes are texts."""
    return {
        "text": mask.text,
        "own": mask.text,
        "word": lambda value: mask.text(value, common=False),
        "own-number": lambda value: value if mask.text(value) == value else mask.number(value),
        "name": renaming.qualified,
        "term": lambda value: renaming.qualified(value, is_term=True),
        "xsd:base64Binary": lambda value: _bytes(value, mask, base64.b64decode, base64.b64encode),
        "xsd:hexBinary": lambda value: _bytes(
            value, mask, binascii.unhexlify, lambda raw: raw.hex().upper().encode()
        ),
    }


def _bytes(value: str, mask: Mask, decode: Callable[[str], bytes], encode: Callable[[bytes], bytes]) -> str:
    """Bytes that may be text: UTF-8, else Latin-1."""
    try:
        raw = decode(value)
    except ValueError:
        return mask.text(value)
    try:
        text, coding = raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        text, coding = raw.decode("latin-1"), "latin-1"
    fresh = mask.text(text)
    return value if fresh == text else encode(fresh.encode(coding)).decode()


def _own_values(
    graph: Graph, agents: list[Agent], mask: Mask, *, keep_free_text: bool
) -> dict[tuple[str, str], str]:
    """What stands for values of people's own attributes, by sort and value, where the rest is not enough."""
    keys = {
        key: (_sort(key, name, datatype, keep_free_text=keep_free_text), _word(name) in CONTACTS)
        for key, name, datatype in graph.query("SELECT key, name, datatype FROM {graph}.attribute_key")
        if _is_own(name)
    }
    numbers = ", ".join(str(agent.id) for agent in agents) or "NULL"
    found: dict[tuple[str, str], str] = {}
    for key, value in graph.query(
        "SELECT a.k, a.v FROM (SELECT unnest(attributes) AS a FROM {graph}.element "
        f"WHERE id IN ({numbers})) WHERE trim(a.v) <> '' ORDER BY ALL"
    ):
        sort, is_contact = keys.get(key, (None, False))
        if sort is None or not sort.startswith("own") or PSEUDONYM.search(value):
            continue
        if sort.startswith("own-number"):
            found[sort, value] = mask.number(value)
        elif is_contact or mask.text(value) == value:
            found[sort, value] = mask.code(f"value:{value}")
    return found


def _change(
    graph: Graph,
    scratch: str,
    maskers: dict[str, Callable[[str], str]],
    suspects: Suspects,
    own: dict[tuple[str, str], str],
) -> None:
    """Fill ``changed`` with the values that change."""
    store = graph.store
    is_name = "s.sort IN ('name', 'term')"
    conditions = (
        f"CASE WHEN {is_name} THEN {suspects.name('p.a.v')} OR split_part(p.a.v, ':', 1) IN "
        f"(SELECT old FROM {scratch}.prefix) OR p.a.v IN (SELECT token FROM {scratch}.own) "
        f"WHEN starts_with(s.sort, 'xsd:') THEN true ELSE {suspects.text('p.a.v')} END"
    )
    pairs = " UNION ALL ".join(
        f"SELECT unnest(attributes) AS a FROM {graph.schema}.{table}" for table in ("element", "relation")
    )
    candidates = (
        f"SELECT DISTINCT s.sort AS sort, p.a.v AS v FROM ({pairs}) p JOIN {scratch}.sort s ON s.k = p.a.k "
        f"WHERE {conditions}"
    )
    _append(graph, scratch, ((sort, value, fresh) for (sort, value), fresh in own.items()))
    for batch in store.batches(candidates, _BATCH):
        _append(graph, scratch, _changed(batch, maskers, own))


def _changed(
    batch: pa.RecordBatch, maskers: dict[str, Callable[[str], str]], own: dict[tuple[str, str], str]
) -> Iterator[tuple[str, str, str]]:
    for row in batch.to_pylist():
        sort, value = row["sort"], row["v"]
        masker = sort.partition(":")[0] if sort.startswith("own") else sort
        fresh = maskers[masker](value)
        if fresh != value and (sort, value) not in own:
            yield sort, value, fresh


def _append(graph: Graph, scratch: str, rows: Iterator[tuple[str, str, str]]) -> None:
    import pyarrow as pa

    columns = list(zip(*rows, strict=True))
    if columns:
        table = pa.table(
            {
                name: pa.array(values, pa.string())
                for name, values in zip(("sort", "old", "fresh"), columns, strict=True)
            }
        )
        graph.store.append(f"{scratch}.changed", table)
