"""What the agents of a graph are called: names, e-mail addresses and user names, read from their attributes.

Agents are few beside what they did: they are held in memory, some 1 kB each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_from_bytes, unquote

from mlflow2prov.graph.graph import Graph
from mlflow2prov.graph.reading import unified
from mlflow2prov.graph.spared import CONTACTS
from mlflow2prov.prov.namespaces import AGENT, QUALIFIED_NAME
from mlflow2prov.prov.records import KIND_BY_NAME, RELATION_KINDS

NAMES = frozenset({"name", "fullname", "label", "prov:label", "displayname"})
PARTS_OF_NAMES = frozenset({"givenname", "familyname", "firstname", "lastname", "surname"})
EMAILS = frozenset({"email", "mail", "mbox", "emailaddress", "hasemail"})
USERNAMES = frozenset({"username", "user", "login", "nick", "account", "accountname", "userid", "uid"})
"""What attributes say, by their local names in lower case, without ``_`` and ``-``: of our vocabulary, FOAF and others."""

_AGENT_ARGUMENTS = frozenset({"agent", "delegate", "responsible"})


@dataclass(slots=True)
class Agent:
    """One agent of a graph.

    Attributes:
        id: its number among the graph's names.
        prefix, local, iri: its identifier.
        types: its ``prov:type`` values, as they stand.
        names, emails, usernames: what it is called; e-mail addresses in lower case.
        parts: given and family names that stand by themselves.
    """

    id: int
    prefix: str
    local: str
    iri: str
    types: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    emails: set[str] = field(default_factory=set)
    usernames: set[str] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)

    @property
    def qualified_name(self) -> str:
        """The identifier as documents spell it."""
        return f"{self.prefix}:{self.local}" if self.prefix else self.local

    @property
    def is_person(self) -> bool:
        """Whether it is not said to be a program or an organization."""
        others = {"prov:SoftwareAgent", "prov:Organization"}
        return "prov:Person" in self.types or not (self.types & others)


def meaning(attribute: str) -> str | None:
    """Return what an attribute of an agent says: ``name``, ``part``, ``email``, ``username``, or None.

    >>> meaning("foaf:mbox"), meaning("m2p:username"), meaning("prov:label"), meaning("ex:age")
    ('email', 'username', 'name', None)
    """
    word = re.sub("[_-]", "", attribute.rpartition(":")[2]).lower()
    for said, words in (
        ("name", NAMES),
        ("part", PARTS_OF_NAMES),
        ("email", EMAILS),
        ("username", USERNAMES),
    ):
        if word in words:
            return said
    return None


def agents_of(graph: Graph) -> list[Agent]:
    """Return the agents of a graph, in the order of their identifiers' numbers.

    These are the elements of kind agent, those of type ``prov:Person``, and what stands in the place of
    an agent in a relation without being described.
    """
    wanted = _wanted(graph)
    rows = graph.query(
        f"SELECT n.id, n.prefix, n.local, coalesce(p.iri, '_:') || n.local FROM {{graph}}.name n "
        f"LEFT JOIN {{graph}}.prefix p ON p.prefix = n.prefix WHERE n.id IN ({wanted}) ORDER BY n.id"
    )
    agents = {number: Agent(number, prefix, local, iri) for number, prefix, local, iri in rows}
    keys = {
        key: (name, datatype)
        for key, name, datatype in graph.query("SELECT key, name, datatype FROM {graph}.attribute_key")
    }
    iris = dict(graph.query("SELECT prefix, iri FROM {graph}.prefix"))
    for number, key, value in graph.query(
        f"SELECT id, a.k, a.v FROM (SELECT id, unnest(attributes) AS a FROM {{graph}}.element WHERE id IN ({wanted}))"
    ):
        _take(agents[number], *keys[key], value, iris)
    return list(agents.values())


def _wanted(graph: Graph) -> str:
    """SQL of the agents' numbers."""
    types = [key for (key,) in graph.query("SELECT key FROM {graph}.attribute_key WHERE name = 'prov:type'")]
    listed = ", ".join(map(str, types)) or "NULL"
    persons = (
        f"len(list_filter(attributes, lambda a: a.k IN ({listed}) AND a.v = 'prov:Person')) > 0"
        if types
        else "false"
    )
    described = f"SELECT id FROM {{graph}}.element WHERE kind = {KIND_BY_NAME['agent'].number} OR {persons}"
    places = " UNION ALL ".join(
        f"SELECT a{position} AS id FROM {{graph}}.relation WHERE kind = {kind.number}"
        for kind in RELATION_KINDS
        for position, name in enumerate(kind.references, 1)
        if name in _AGENT_ARGUMENTS
    )
    return (
        f"{described} UNION SELECT id FROM ({places}) WHERE id IS NOT NULL "
        "AND id NOT IN (SELECT id FROM {graph}.element)"
    )


def _take(agent: Agent, name: str, datatype: str | None, value: str, iris: Mapping[str, str]) -> None:
    said, text = meaning(name), " ".join(unified(value).split())
    if name == "prov:type":
        agent.types.add(value)
    elif datatype == QUALIFIED_NAME:
        _take_reference(agent, name, value, iris)
    elif said is None or not text:
        return
    elif said in {"email", "username", "name"} and "@" in text and " " not in text:
        agent.emails.update(_addresses(text))
    elif said == "email":
        agent.emails.update(_addresses(text))
        before, bracket, _ = text.partition("<")
        agent.names.update([before.strip(' "')] if bracket and before.strip(' "') else [])
    else:
        {"name": agent.names, "part": agent.parts, "username": agent.usernames}[said].add(text)


def _take_reference(agent: Agent, name: str, value: str, iris: Mapping[str, str]) -> None:
    """Take a reference: RDF has addresses, accounts and pages as IRIs, such as mailto:ada@example.org."""
    prefix, _, local = value.rpartition(":")
    iri = iris.get(prefix, "") + local
    word = re.sub("[_-]", "", name.rpartition(":")[2]).lower()
    if meaning(name) == "email":
        agent.emails.update(_addresses(unquote(local if "@" in local else iri)))
    elif meaning(name) == "username" or word in CONTACTS:
        last = [piece for piece in re.split(r"[/#?=&:]", unquote(iri)) if piece]
        agent.usernames.update(last[-1:])


_SCHEME = re.compile("mailto:", re.IGNORECASE)


def _addresses(text: str) -> Iterator[str]:
    for found in re.findall(r"[^\s<>,;]+@[^\s<>,;]+", text):
        yield unified(_SCHEME.sub("", found, count=1)).lower()


def encoded(text: str) -> str:
    """Return a text as a part of an identifier of ours (see ``model/ids.py``).

    >>> encoded("ada@example.org")
    'ada-40example.org'
    """
    quoted = quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")
    return quoted.replace("-", "%2D").replace("~", "%7E").replace("%", "-")


def agent_prefix(graph: Graph) -> str:
    """Return the prefix of the namespace in which agents are named; it is declared if it was not.

    >>> agent_prefix(Graph.empty())
    'agent'
    """
    prefixes = dict(graph.query("SELECT prefix, iri FROM {graph}.prefix"))
    for prefix, iri in prefixes.items():
        if iri == AGENT:
            return str(prefix)
    fresh, number = "agent", 2
    while fresh in prefixes:
        fresh, number = f"agent{number}", number + 1
    graph.store.run(f"INSERT INTO {graph.schema}.prefix VALUES (?, ?)", [fresh, AGENT])
    return fresh


def add_name(graph: Graph, prefix: str, local: str) -> int:
    """Return the number of an identifier, which is added to the graph's names if it is new."""
    rows = graph.store.run(
        f"SELECT id FROM {graph.schema}.name WHERE prefix = ? AND local = ?", [prefix, local]
    )
    if rows:
        return int(rows[0][0])
    number = int(graph.store.scalar(f"SELECT coalesce(max(id), 0) + 1 FROM {graph.schema}.name"))
    graph.store.run(f"INSERT INTO {graph.schema}.name VALUES (?, ?, ?)", [number, prefix, local])
    return number
