"""One agent for each person, whatever names, e-mail addresses and user names they went by.

The people come from a YAML file or a Git ``.mailmap``. Where a person's e-mail address is known, the
agent has the identifier of the agent of that address (as ``extract`` names it, so that graphs of other
sources agree); else that of the one of their agents whose IRI comes first, those with an address before
the others. The agent has the attributes of all and the person's name as its label. Only records of
these agents unify: relations that become identical stay, for ``eliminate_duplicates``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from mlflow2prov.graph import rewriting
from mlflow2prov.graph.agent_names import Agent, add_name, agent_prefix, agents_of, encoded
from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.people import People, Person
from mlflow2prov.graph.people_files import people_of_mailmap, people_of_yaml
from mlflow2prov.prov.namespaces import AGENT, QUALIFIED_NAME
from mlflow2prov.prov.records import KIND_BY_NAME

__all__ = ["Person", "merge_aliased_agents", "people_of_mailmap", "people_of_yaml"]

log = logging.getLogger(__name__)

_SHOWN = 10


def merge_aliased_agents(graph: Graph, people: Sequence[Person]) -> Graph:
    """Return the graph with one agent for each person, whatever names they went by.

    An agent is a person's if its name, user name or identifier is one of the person's aliases as it
    stands, or its e-mail address whatever its case. One that would be two people's stays as it is, with
    a warning. Relations, and attributes whose value is an agent's qualified name, follow.

    Raises:
        UsageError: an alias is given to two people.

    >>> from prov.model import ProvDocument
    >>> document = ProvDocument()
    >>> _ = document.add_namespace("ex", "http://example.org/")
    >>> for name in ("ex:ada", "ex:al"):
    ...     _ = document.wasAttributedTo("ex:report", document.agent(name))
    >>> merged = Graph.from_prov(document).merge_aliased_agents([Person(name="Ada", aliases=("ex:ada", "ex:al"))])
    >>> merged.count("element"), merged.count("relation")
    (1, 2)
    """
    known, agents = People(people), agents_of(graph)
    groups = _groups(known, agents)
    _say_unused(people, known, agents)
    result = Graph.empty(graph.store)
    with graph.store.scratch("agents") as scratch:
        rewriting.create_tables(graph, scratch)
        for table in ("prefix", "name", "attribute_key"):
            graph.store.run(
                f"INSERT INTO {result.schema}.{table} SELECT * FROM {graph.schema}.{table} ORDER BY rowid"
            )
        canonical = [(person, one, _identifier(result, person, one)) for person, one in groups]
        moved = {
            agent.id: number for _, members, number in canonical for agent in members if agent.id != number
        }
        _move(graph, scratch, result, moved)
        _join_records(graph, scratch, result, canonical)
        rewriting.write_records(graph, scratch, result)
    return result


def _groups(known: People, agents: Iterable[Agent]) -> list[tuple[Person, list[Agent]]]:
    """The agents of each person who has some."""
    groups: dict[int, tuple[Person, list[Agent]]] = {}
    for agent in agents:
        found = known.of(agent)
        if len(found) > 1:
            log.warning(
                "the agent %s is both %s; it stays as it is",
                *(agent.qualified_name, " and ".join(person.called for person in found)),
            )
        elif found:
            groups.setdefault(id(found[0]), (found[0], []))[1].append(agent)
    return list(groups.values())


def _say_unused(people: Sequence[Person], known: People, agents: Sequence[Agent]) -> None:
    unused = known.unused(agents)
    if unused:
        more = ", …" if len(unused) > _SHOWN else ""
        is_expected = not any(person.by_name for person in people)  # a .mailmap is of more than one graph
        level = logging.INFO if is_expected else logging.WARNING
        shown = ", ".join(unused[:_SHOWN])
        log.log(level, "%d aliases are those of no agent: %s%s", len(unused), shown, more)


def _identifier(result: Graph, person: Person, agents: Sequence[Agent]) -> int:
    """The number of the identifier that a person's agents get; a new one stands in the name table then."""
    if person.email:
        local = f"User.{encoded(person.email.lower())}"
        having = [agent for agent in agents if person.email.lower() in agent.emails]
        if not having:
            return add_name(result, agent_prefix(result), local)
        agents = having
    return min(agents, key=lambda agent: (not agent.emails, not agent.iri.startswith(AGENT), agent.iri)).id


def _move(graph: Graph, scratch: str, result: Graph, moved: dict[int, int]) -> None:
    """Let identifiers, and qualified names as values, follow."""
    import pyarrow as pa

    if not moved:
        return
    store = graph.store
    numbers = {"old": pa.array(list(moved), pa.int32()), "id": pa.array(list(moved.values()), pa.int32())}
    store.append(f"{scratch}.moved", pa.table(numbers))
    store.run(
        f"INSERT INTO {scratch}.sort SELECT key, 'name' FROM {graph.schema}.attribute_key "
        f"WHERE datatype = '{QUALIFIED_NAME}'"
    )
    token = "concat_ws(':', nullif({0}.prefix, ''), {0}.local)"
    store.run(
        f"INSERT INTO {scratch}.changed SELECT 'name', {token.format('o')}, {token.format('n')} FROM {scratch}.moved m "
        f"JOIN {result.schema}.name o ON o.id = m.old JOIN {result.schema}.name n ON n.id = m.id"
    )
    rewriting.change_values(graph, scratch)
    store.run(f"DELETE FROM {result.schema}.name WHERE id IN (SELECT old FROM {scratch}.moved)")


def _join_records(
    graph: Graph, scratch: str, result: Graph, canonical: Sequence[tuple[Person, Sequence[Agent], int]]
) -> None:
    """Make one record, in each bundle, of the records of a person's agents; its label is the person's name."""
    import pyarrow as pa

    store = graph.store
    numbers = {agent.id: number for _, agents, number in canonical for agent in agents}
    names = {number: person.name for person, _, number in canonical}
    label = _label_key(result) if names else 0
    labels = {
        key for (key,) in graph.query("SELECT key FROM {graph}.attribute_key WHERE name = 'prov:label'")
    }
    joined: dict[tuple[int, int], int] = {}
    lists: dict[int, list[dict[str, object]]] = {}
    dropped: list[int] = []
    for place, bundle, number, attributes in _records_of(graph, scratch, numbers):
        first = joined.setdefault((bundle, numbers[number]), place)
        if first != place:
            dropped.append(place)
        own = lists.setdefault(first, [])
        name = names[numbers[number]]
        if name and not own:
            own.append({"k": label, "v": name})
        own += [pair for pair in attributes or () if pair not in own and not (name and pair["k"] in labels)]
    if lists:
        store.run(f"DELETE FROM {scratch}.fresh_element WHERE place IN (SELECT unnest(?))", [list(lists)])
        pair = pa.struct([("k", pa.int32()), ("v", pa.string())])
        rows = pa.table(
            {
                "place": pa.array(list(lists), pa.int64()),
                "attributes": pa.array([one or None for one in lists.values()], pa.list_(pair)),
            }
        )
        store.append(f"{scratch}.fresh_element", rows)
    if dropped:
        store.append(f"{scratch}.dropped", pa.table({"place": pa.array(dropped, pa.int64())}))


def _records_of(
    graph: Graph, scratch: str, numbers: dict[int, int]
) -> list[tuple[int, int, int, list[dict[str, object]] | None]]:
    """The agent records of some identifiers, with the values that have changed already."""
    return graph.store.run(
        "SELECT r.rowid, r.bundle, r.id, CASE WHEN f.place IS NULL THEN r.attributes ELSE f.attributes END "
        f"FROM {graph.schema}.element r LEFT JOIN {scratch}.fresh_element f ON f.place = r.rowid "
        f"WHERE r.kind = {KIND_BY_NAME['agent'].number} AND r.id IN (SELECT unnest(?)) ORDER BY r.rowid",
        [list(numbers)],
    )


def _label_key(graph: Graph) -> int:
    """The attribute key of plain labels; a new one where there is none."""
    rows = graph.query(
        "SELECT key FROM {graph}.attribute_key WHERE name = 'prov:label' AND datatype IS NULL AND language IS NULL"
    )
    if rows:
        return int(rows[0][0])
    key = int(graph.store.scalar(f"SELECT coalesce(max(key), 0) + 1 FROM {graph.schema}.attribute_key"))
    graph.store.run(f"INSERT INTO {graph.schema}.attribute_key VALUES (?, 'prov:label', NULL, NULL)", [key])
    return key
