"""The terms of PROV-O (https://www.w3.org/TR/prov-o/) for each record kind, declared once.

The writers and the reader of all RDF syntaxes take them from here. Where PROV-O has no qualified form
(specializations, alternates, mentions, memberships) ours stands, in the vocabulary of this project.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from mlflow2prov.prov.namespaces import M2P, PROV, XSD

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
TYPE = RDF + "type"
LABEL = RDFS + "label"
DATE_TIME = XSD + "dateTime"
STRING = XSD + "string"

GENID = "https://w3id.org/mlflow2prov/genid/"
"""Relations without an identifier have IRIs there, made of what they say."""

WRAPPED = "https://w3id.org/mlflow2prov/iri/i"
"""Stands before what is no IRI, or would be taken for something else: see :func:`wrapped`."""

LANGUAGE = "https://w3id.org/mlflow2prov/language/i"
"""Stands before a language that is no language tag, as a datatype."""

EMPTY_BUNDLE = M2P + "EmptyBundle"
"""The class of bundles without records, for which RDF has no graph."""

DESCRIBES = M2P + "describes"
"""The property from a description to the identifier: what says one of the several records of an identifier."""

RECORDED = "https://w3id.org/mlflow2prov/recorded/i"
"""Stands before the names of a description's attributes, so that nobody takes them for those of a thing."""

AGAIN = "https://w3id.org/mlflow2prov/again/i"
"""Likewise of attributes whose value a record has already: a number from 2 on, and ``_`` before the name."""


def recorded(term: str) -> str:
    """Return the property of a description that says what a term of PROV-O says of the thing itself.

    >>> recorded(PROV + "hadPlan")
    'https://w3id.org/mlflow2prov#recordedHadPlan'
    """
    local = term.removeprefix(PROV)
    return f"{M2P}recorded{local[0].upper()}{local[1:]}"


RECORDED_SUBJECT = M2P + "recordedSubject"
"""The property from a description to the first formal argument of a relation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """How PROV-O says one kind of relation (sections 3.1 and 3.3).

    Attributes:
        binary: the property from the first formal argument to the second.
        link: the property from the first formal argument to the node of a qualified relation.
        node: the class of such nodes.
        arguments: the property from the node to each further formal argument, by its name.
        inverses: properties from the second formal argument to the first (appendix B).
        moments: properties from the first formal argument to the relation's time.
        special: subproperties of ``binary``, with the class that they stand for.
        special_links: likewise of ``link``.
    """

    binary: str
    link: str
    node: str
    arguments: dict[str, str]
    inverses: tuple[str, ...] = ()
    moments: tuple[str, ...] = ()
    special: dict[str, str] = field(default_factory=dict)
    special_links: dict[str, str] = field(default_factory=dict)


def _prov(name: str, node: str, *arguments: tuple[str, str], inverse: str = "", moment: str = "") -> Relation:
    """A relation that PROV-O has a qualified form for; its class tells the property."""
    return Relation(
        binary=PROV + name,
        link=f"{PROV}qualified{node}",
        node=PROV + node,
        arguments={argument: PROV + term for argument, term in arguments},
        inverses=(PROV + inverse,) if inverse else (),
        moments=(PROV + moment,) if moment else (),
    )


def _ours(name: str, node: str, *arguments: tuple[str, str], inverse: str = "") -> Relation:
    """A relation that PROV-O has no qualified form for."""
    return Relation(
        binary=PROV + name,
        link=f"{M2P}qualified{node}",
        node=M2P + node,
        arguments={argument: PROV + term for argument, term in arguments},
        inverses=(PROV + inverse,) if inverse else (),
    )


_derivation = _prov(
    "wasDerivedFrom",
    "Derivation",
    ("usedEntity", "entity"),
    ("activity", "hadActivity"),
    ("generation", "hadGeneration"),
    ("usage", "hadUsage"),
    inverse="hadDerivation",
)

RELATIONS: dict[str, Relation] = {
    "wasGeneratedBy": _prov(
        *("wasGeneratedBy", "Generation", ("activity", "activity")),
        inverse="generated",
        moment="generatedAtTime",
    ),
    "used": _prov("used", "Usage", ("entity", "entity"), inverse="wasUsedBy"),
    "wasInformedBy": _prov("wasInformedBy", "Communication", ("informant", "activity"), inverse="informed"),
    "wasStartedBy": _prov(
        "wasStartedBy", "Start", ("trigger", "entity"), ("starter", "hadActivity"), inverse="started"
    ),
    "wasEndedBy": _prov(
        "wasEndedBy", "End", ("trigger", "entity"), ("ender", "hadActivity"), inverse="ended"
    ),
    "wasInvalidatedBy": _prov(
        *("wasInvalidatedBy", "Invalidation", ("activity", "activity")),
        inverse="invalidated",
        moment="invalidatedAtTime",
    ),
    "wasDerivedFrom": Relation(
        binary=_derivation.binary,
        link=_derivation.link,
        node=_derivation.node,
        arguments=_derivation.arguments,
        inverses=_derivation.inverses,
        special={
            PROV + "wasRevisionOf": PROV + "Revision",
            PROV + "wasQuotedFrom": PROV + "Quotation",
            PROV + "hadPrimarySource": PROV + "PrimarySource",
        },
        special_links={
            f"{PROV}qualified{name}": PROV + name for name in ("Revision", "Quotation", "PrimarySource")
        },
    ),
    "wasAttributedTo": _prov("wasAttributedTo", "Attribution", ("agent", "agent"), inverse="contributed"),
    "wasAssociatedWith": _prov(
        "wasAssociatedWith", "Association", ("agent", "agent"), ("plan", "hadPlan"), inverse="wasAssociateFor"
    ),
    "actedOnBehalfOf": _prov(
        *("actedOnBehalfOf", "Delegation", ("responsible", "agent"), ("activity", "hadActivity")),
        inverse="hadDelegate",
    ),
    "wasInfluencedBy": _prov(
        "wasInfluencedBy", "Influence", ("influencer", "influencer"), inverse="influenced"
    ),
    "specializationOf": _ours(
        "specializationOf", "Specialization", ("generalEntity", "entity"), inverse="generalizationOf"
    ),
    "alternateOf": _ours("alternateOf", "Alternate", ("alternate2", "entity")),
    "mentionOf": _ours("mentionOf", "Mention", ("generalEntity", "entity"), ("bundle", "asInBundle")),
    "hadMember": _ours("hadMember", "Membership", ("entity", "entity"), inverse="wasMemberOf"),
}
"""The terms of each kind of relation, by its name in PROV-DM."""

AT_TIME = PROV + "atTime"
AS_IN_BUNDLE = PROV + "asInBundle"
SLOTS: dict[str, str] = {
    PROV + term: term
    for term in (
        *("entity", "activity", "agent", "influencer", "hadActivity", "hadPlan"),
        *("hadGeneration", "hadUsage", "asInBundle"),
    )
}
"""The properties from the node of a qualified relation to its formal arguments, and what ours calls them."""

INFLUENCERS = ("entity", "activity", "agent", "influencer")
"""Any of these leads to the second formal argument (PROV-O, section 3.3)."""

ELEMENT_CLASSES: dict[str, str] = {PROV + name.capitalize(): name for name in ("entity", "activity", "agent")}
"""The kind of element of each class that makes one."""

ELEMENT_TIMES = {PROV + "startedAtTime": "start_time", PROV + "endedAtTime": "end_time"}

IMPLIED_CLASSES: dict[str, str] = {
    **{PROV + name: "agent" for name in ("Person", "Organization", "SoftwareAgent")},
    **{PROV + name: "entity" for name in ("Plan", "Collection", "EmptyCollection", "Bundle")},
}
"""Classes from which the kind of an element follows where its own is not said (PROV-O, section 3.1)."""

NODE_CLASSES: dict[str, str] = {
    **{relation.node: name for name, relation in RELATIONS.items()},
    **{node: name for name, relation in RELATIONS.items() for node in relation.special.values()},
}
"""The kind of relation of each class of qualified relations."""

RECORD_CLASSES: dict[str, str] = {
    **{name: f"{M2P}{name.capitalize()}Record" for name in ELEMENT_CLASSES.values()},
    **{name: f"{M2P}{re.split('[/#]', relation.node)[-1]}Record" for name, relation in RELATIONS.items()},
}
"""The class of descriptions of each kind of record."""

STRUCTURAL_CLASSES = frozenset(
    {
        *(*ELEMENT_CLASSES, *RECORD_CLASSES.values(), EMPTY_BUNDLE),
        *(relation.node for relation in RELATIONS.values()),
    }
)
"""Classes that say what kind of record there is; as values of ``prov:type`` they are written otherwise."""

KNOWN_CLASSES = frozenset({*STRUCTURAL_CLASSES, *NODE_CLASSES, *IMPLIED_CLASSES})
"""Classes that say, or may say, what kind of record there is."""

PROPERTIES: dict[str, str] = {
    "prov:label": LABEL,
    "prov:type": TYPE,
    "prov:location": PROV + "atLocation",
    "prov:role": PROV + "hadRole",
}
"""The properties of attributes whose names are others in RDF; ``prov:type`` of things that are no names stays."""

ATTRIBUTE_NAMES: dict[str, str] = {iri: name for name, iri in PROPERTIES.items()} | {
    PROV + name.removeprefix("prov:"): name for name in PROPERTIES
}
"""The attributes that properties stand for."""

STRUCTURAL_PROPERTIES = frozenset(
    {
        *(
            term
            for relation in RELATIONS.values()
            for term in (
                *(relation.binary, relation.link, *relation.arguments.values(), *relation.inverses),
                *(*relation.moments, *relation.special, *relation.special_links),
            )
        ),
        *(AT_TIME, *SLOTS, *ELEMENT_TIMES),
        *map(recorded, (AT_TIME, *SLOTS, *ELEMENT_TIMES)),
        *(DESCRIBES, RECORDED_SUBJECT),
    }
)
"""Properties that are no attributes: an attribute of such a name is wrapped."""

_UCS = (
    "\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef"
    + "".join(f"{chr(plane << 16)}-{chr((plane << 16) + 0xFFFD)}" for plane in range(1, 14))
    + "\U000e1000-\U000efffd"
)
_ESCAPE = "%[0-9A-Fa-f]{2}"
_PLAIN = rf"A-Za-z0-9._~!$&'()*+,;={_UCS}-"
_AUTHORITY = rf"//(?:(?:[:{_PLAIN}]|{_ESCAPE})*@)?(?:[{_PLAIN}]|{_ESCAPE})*(?::[0-9]*)?"
_PATH = rf"(?:[/:@{_PLAIN}]|{_ESCAPE})*"
LEGAL_IRI = (
    rf"[A-Za-z][A-Za-z0-9+.-]*:(?:{_AUTHORITY}(?:/{_PATH})?|/|/?(?:[:@{_PLAIN}]|{_ESCAPE}){_PATH})?"
    rf"(?:\?(?:[?/:@{_PLAIN}]|{_ESCAPE})*)?(?:#(?:[?/:@{_PLAIN}]|{_ESCAPE})*)?"
)
"""What an absolute IRI looks like (RFC 3987, section 2.2); those with an IP literal or private characters are left out."""

_RESERVED = (WRAPPED, LANGUAGE, RECORDED, AGAIN)

_legal = re.compile(LEGAL_IRI)


def is_legal(iri: str) -> bool:
    """Return whether an IRI may stand in RDF as it is.

    >>> [is_legal(iri) for iri in ("http://example.org/a%20b#é", "http://example.org/a b", "example", WRAPPED + "1")]
    [True, False, False, False]
    """
    return bool(_legal.fullmatch(iri)) and not iri.startswith(_RESERVED)


_language = re.compile(
    r"[A-Za-z]{2,8}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"
)


def is_language(tag: str) -> bool:
    """Return whether a language may stand in RDF as a language tag (BCP 47).

    >>> is_language("de-CH"), is_language("Swiss German")
    (True, False)
    """
    return bool(_language.fullmatch(tag))


def wrapped(text: str, namespace: str = WRAPPED) -> str:
    """Return an IRI that stands for any text, and ends in a name that XML allows.

    >>> wrapped("a b"), unwrapped(wrapped("100%_~"))
    ('https://w3id.org/mlflow2prov/iri/ia_20b', '100%_~')
    """
    return namespace + quote(text, safe="").replace("_", "%5F").replace("~", "%7E").replace("%", "_")


def unwrapped(iri: str, namespace: str = WRAPPED) -> str:
    """Return what a wrapped IRI stands for; any other IRI is itself."""
    if not iri.startswith(namespace):
        return iri
    return unquote(iri.removeprefix(namespace).replace("_", "%"))


def wrapped_sql(text: str) -> str:
    """Return SQL of the wrapped form of a text."""
    escaped = f"replace(replace(url_encode({text}), '_', '%5F'), '~', '%7E')"
    return f"concat('{WRAPPED}', replace({escaped}, '%', '_'))"


def unwrapped_sql(iri: str) -> str:
    """Return SQL of what an IRI stands for, be it wrapped or not."""
    start = len(WRAPPED) + 1
    text = f"TRY(url_decode(replace({iri}[{start}:], '_', '%')))"
    return (
        f"CASE WHEN starts_with({iri}, '{WRAPPED}') THEN coalesce(nullif({text}, ''), {iri}) ELSE {iri} END"
    )


def legal_sql(iri: str) -> str:
    """Return SQL of an IRI, wrapped where it may not stand as it is."""
    pattern = LEGAL_IRI.replace("'", "''")
    reserved = "".join(f" AND NOT starts_with({iri}, '{namespace}')" for namespace in _RESERVED)
    is_kept = f"regexp_full_match({iri}, '{pattern}'){reserved}"
    return f"CASE WHEN {is_kept} THEN {iri} ELSE {wrapped_sql(iri)} END"
