"""The vocabulary as OWL classes and properties with SHACL shapes, made of the declared events.

``ontology.ttl``, which the package ships, is what :func:`ontology` returns. :func:`described` says the
same as data; the reference pages are made of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mlflow2prov import __version__
from mlflow2prov.model.declare import Attribute, Element, Event, Relation
from mlflow2prov.model.events import EVENTS
from mlflow2prov.model.terms import ATTRIBUTES, ROLES, TYPES
from mlflow2prov.prov.namespaces import M2P, PROV, XSD

KIND_CLASSES = {"entity": "prov:Entity", "activity": "prov:Activity", "agent": "prov:Agent"}
"""The class of PROV-O for each kind of element."""

_OUR_TYPE = re.compile(r"m2p:([A-Za-z]+)")
_ROLE_WORD = re.compile(r"'([A-Za-z]+)'")


@dataclass(slots=True)
class Described:
    """A type of the vocabulary, as all events together declare it.

    Attributes:
        name: the word.
        kind: ``entity``, ``activity`` or ``agent``.
        other_types: the ``prov:type`` values that such a thing has besides.
        prefixes: the prefixes of its identifiers.
        identifiers: how its identifiers are put together, in the words of the declarations.
        attributes: by name; each as every event that makes such things declares it.
        events: the names of the events that make such things.
    """

    name: str
    kind: str
    other_types: tuple[str, ...] = ()
    prefixes: list[str] = field(default_factory=list)
    identifiers: list[tuple[str, ...]] = field(default_factory=list)
    attributes: dict[str, list[Attribute]] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)

    def is_always(self, attribute: str) -> bool:
        """Whether every such thing has the attribute."""
        found = self.attributes[attribute]
        return len(found) == len(self.identifiers) and all(one.always for one in found)

    def is_many(self, attribute: str) -> bool:
        """Whether one such thing can have several values of the attribute."""
        return any(one.many for one in self.attributes[attribute])

    def datatypes(self, attribute: str) -> list[str]:
        """The datatypes of the attribute's values."""
        return sorted({one.datatype or "xsd:string" for one in self.attributes[attribute]})


def described(events: Iterable[Event] = EVENTS) -> dict[str, Described]:
    """Return every type that the events declare, by name.

    >>> described()["Commit"].kind, described()["Commit"].datatypes("authored_at")
    ('activity', ['xsd:dateTime'])
    """
    found: dict[str, Described] = {}
    for event in events:
        for element in event.elements.values():
            ours = [word for name in element.types for word in _OUR_TYPE.findall(name)]
            for word in ours:
                _describe(found.setdefault(word, Described(word, element.kind)), element, event)
    return dict(sorted(found.items()))


def _describe(type_: Described, element: Element, event: Event) -> None:
    above = ("prov:", "m2p:") if f"m2p:{type_.name}" not in element.types else ("prov:",)
    type_.other_types = tuple(name for name in element.types if name.startswith(above))
    for prefix in prefixes(element):
        if prefix not in type_.prefixes:
            type_.prefixes.append(prefix)
    type_.identifiers.append(element.name)
    type_.events.append(event.name)
    for name, attribute in element.attributes.items():
        type_.attributes.setdefault(name, []).append(attribute)


def prefixes(element: Element) -> list[str]:
    """Return the prefixes that identifiers of an element can have."""
    if not element.prefix.startswith("="):
        return [element.prefix]
    return re.findall(r"(?:THEN|ELSE) '([a-z]+)'", element.prefix)


def roles(relation: Relation) -> list[str]:
    """Return the roles that a relation's declaration names; none where they come from the sources.

    >>> roles(Relation(kind="used", arguments=("a", "b"), role="=CASE WHEN x THEN 'One' ELSE 'Two' END"))
    ['One', 'Two']
    """
    if relation.role is None:
        return []
    return _ROLE_WORD.findall(relation.role) if relation.role.startswith("=") else [relation.role]


def ontology() -> str:
    """Return the vocabulary as Turtle: an OWL ontology, and a SHACL shape for each type.

    The shapes describe a document of one extraction; in a merged one an attribute that changed
    between two extractions has both values.

    >>> "m2p:Run a owl:Class" in ontology()
    True
    """
    types = described()
    return "\n".join(
        [
            _HEAD,
            *(_class(type_) for type_ in types.values()),
            *(_property(name, types.values()) for name in sorted(ATTRIBUTES)),
            *(_role(name) for name in sorted(ROLES)),
            *(_shape(type_) for type_ in types.values()),
        ]
    )


def ontology_file() -> Path:
    """Return the path of the vocabulary that the package ships."""
    return Path(__file__).with_name("ontology.ttl")


_HEAD = f"""\
# Made of the declared events: edit those and the meanings in terms.py, then run docs/generate.py.
@prefix m2p: <{M2P}> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix prov: <{PROV}> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix xsd: <{XSD}> .

<{M2P.rstrip("#")}> a owl:Ontology ;
    rdfs:label "mlflow2prov"@en ;
    rdfs:comment "What documents of mlflow2prov say about Git histories and MLflow stores, on top of PROV-O. \
The shapes describe a document of one extraction. Some words are a class and a role: File, SourceTree, Tag, \
Environment."@en ;
    owl:versionInfo "{__version__}" ;
    owl:imports <{PROV}> .
"""


def _class(type_: Described) -> str:
    above = ", ".join(dict.fromkeys([KIND_CLASSES[type_.kind], *type_.other_types]))
    return f"m2p:{type_.name} a owl:Class ;\n    rdfs:subClassOf {above} ;\n{_says(type_.name, TYPES)}"


def _property(name: str, types: Iterable[Described]) -> str:
    owners = [type_ for type_ in types if name in type_.attributes]
    ranges = sorted({datatype for type_ in owners for datatype in type_.datatypes(name)})
    return (
        f"m2p:{name} a owl:DatatypeProperty ;\n"
        f"    rdfs:domain {_one_of('owl:Class', [f'm2p:{type_.name}' for type_ in owners])} ;\n"
        f"    rdfs:range {_one_of('rdfs:Datatype', ranges)} ;\n{_says(name, ATTRIBUTES)}"
    )


def _one_of(sort: str, names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"[ a {sort} ; owl:unionOf ( {' '.join(names)} ) ]"


def _role(name: str) -> str:
    return f"m2p:{name} a owl:NamedIndividual, prov:Role ;\n{_says(name, ROLES)}"


def _says(name: str, meanings: dict[str, str]) -> str:
    return (
        f'    rdfs:label "{name.replace("_", " ")}"@en ;\n'
        f'    rdfs:comment "{meanings[name]}"@en ;\n'
        f"    rdfs:isDefinedBy <{M2P.rstrip('#')}> .\n"
    )


def _shape(type_: Described) -> str:
    constraints = [
        "    sh:property [ sh:path rdfs:label ; sh:minCount 1 ]",
        *(_constraint(type_, name) for name in type_.attributes),
    ]
    return f"m2p:{type_.name}Shape a sh:NodeShape ;\n    sh:targetClass m2p:{type_.name} ;\n" + (
        " ;\n".join(constraints) + " .\n"
    )


def _constraint(type_: Described, name: str) -> str:
    datatypes = type_.datatypes(name)
    allowed = (
        f"sh:datatype {datatypes[0]}"
        if len(datatypes) == 1
        else f"sh:or ( {' '.join(f'[ sh:datatype {one} ]' for one in datatypes)} )"
    )
    least = " ; sh:minCount 1" if type_.is_always(name) else ""
    most = "" if type_.is_many(name) else " ; sh:maxCount 1"
    return f"    sh:property [ sh:path m2p:{name} ; {allowed}{least}{most} ]"
